"""What an exception means to the one whose code raised it, in a sentence or two."""

import inspect
import linecache
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from cs231n.assignment import regions
from cs231n.assignment.table import given
from cs231n.tools.check.faults import UnfitError, WaitingError

# What code of older years meets today: the exception, what it says, what to change.
_AGES = (
    ("SyntaxError", r"parentheses in call to 'print'", "Python 2", "print(x)"),
    ("SyntaxError", r"Did you mean print", "Python 2", "print(x)"),
    ("SyntaxError", r"parentheses in call to 'exec'", "Python 2", "exec(x)"),
    ("SyntaxError", r"multiple exception types", "Python 2", "except Error as error:"),
    ("TabError", r"", "Python 2", "spaces alone to indent, or tabs alone"),
    ("NameError", r"'xrange'", "Python 2", "range in place of xrange"),
    ("NameError", r"'unicode'", "Python 2", "str in place of unicode"),
    ("NameError", r"'raw_input'", "Python 2", "no raw_input"),
    ("NameError", r"'reduce'", "Python 2", "functools.reduce"),
    ("AttributeError", r"'iter(items|keys|values)'", "Python 2", "items(), keys() …"),
    ("AttributeError", r"'has_key'", "Python 2", "`key in d`"),
    ("AttributeError", r"no attribute 'next'", "Python 2", "next(it)"),
    (
        "ModuleNotFoundError",
        r"'(past|future|six|cPickle|urllib2)\b",
        "Python 2",
        "what Python 3 has itself, without this import",
    ),
    (
        "TypeError",
        r"'float' object cannot be interpreted as an integer",
        "Python 2",
        "// where a size is divided",
    ),
    ("TypeError", r"slice indices must be integers", "Python 2", "// for sizes"),
    ("TypeError", r"'numpy.float64' object cannot be", "Python 2", "// for sizes"),
    (
        "IndexError",
        r"only integers, slices",
        "NumPy before 1.12",
        "whole numbers to index with: // or int()",
    ),
    (
        "AttributeError",
        r"'numpy' has no attribute '(float|int|bool|object|long|str|complex)'",
        "NumPy before 1.24",
        "float, int … or np.float64, np.int64 …",
    ),
    ("ImportError", r"(imread|imresize|imsave)", "SciPy before 1.2", "imageio"),
    ("AttributeError", r"(imread|imresize|imsave)", "SciPy before 1.2", "imageio"),
    ("TypeError", r"'volatile'", "torch before 0.4", "torch.no_grad()"),
    ("TypeError", r"'retain_variables'", "torch before 0.4", "retain_graph"),
    ("IndexError", r"invalid index of a 0-dim tensor", "torch before 0.4", "item()"),
    ("SyntaxError", r"invalid syntax.*async", "torch before 0.4", "non_blocking"),
    (
        "AttributeError",
        r"'tensorflow(\.\w+)*' has no attribute '(placeholder|Session|layers|"
        r"get_variable|variable_scope|contrib|global_variables|trainable_variables|log|"
        r"reset_default_graph|get_collection|random_uniform|truncated_normal)'",
        "TensorFlow 1",
        "tensors that are computed at once, and layers of tf.keras",
    ),
    (
        "RuntimeError",
        r"tf.gradients is not supported",
        "TensorFlow 1",
        "tf.GradientTape",
    ),
    (
        "ValueError",
        r"Only instances of `?keras.Layer`? can be added",
        "TensorFlow before 2.16",
        "layers alone into Sequential, functions as activation=",
    ),
    (
        "ImportError",
        r"attempted relative import",
        "another edition, or run as a script",
        "`from cs231n.layers import *` at the top",
    ),
)


# What else often goes wrong with a file as a whole: what is raised, what to do.
_CURES = (
    (
        "SystemExit",
        r"",
        "It ends the whole program: take out exit(), quit() and sys.exit()",
    ),
    ("KeyboardInterrupt", r"", "Only people should interrupt: take out what raises it"),
    ("BdbQuit", r"", "Take out breakpoint() and pdb"),
    ("EOFError", r"reading a line", "Nobody answers here: take out input()"),
    ("RecursionError", r"", "It calls itself without an end"),
    ("MemoryError", r"", "Look for an array that is far larger than its inputs"),
    (
        "ModuleNotFoundError",
        r"'(tensorflow|keras)\b",
        "TensorFlow is not installed here: the questions that are done in it need "
        "`pip install -r requirements-tensorflow.txt`, and all others do without it",
    ),
    (
        "ModuleNotFoundError",
        r"'(theano|jax|mxnet|caffe)\b",
        "This assignment is judged with NumPy, PyTorch and TensorFlow alone: write it "
        "with those",
    ),
    (
        "ModuleNotFoundError",
        r"",
        "Take the import out; if it is a file of your own, hand it in too",
    ),
    (
        "ImportError",
        r"circular import|partially initialized",
        "Two files import one another: take one of the two imports out",
    ),
    ("ImportError", r"cannot import name", "Look how that name is spelt where it is"),
    (
        "SyntaxError",
        r"unknown encoding|codec can't decode|encoding problem",
        "Take out the line with `coding`, and save the file as UTF-8",
    ),
    (
        "SyntaxError",
        r"invalid (non-printable )?character",
        "It was pasted from a page with typography: type it anew",
    ),
    ("IndentationError", r"", "Indent all lines of a block alike, by four spaces each"),
    (
        "RuntimeError",
        r"leaf Variable.*in-place",
        "Torch records what happens to this tensor: make a new one instead, or change "
        "it within `torch.no_grad()`",
    ),
    (
        "RuntimeError",
        r"modified by an inplace operation",
        "Torch needs what was overwritten for the gradient: make a new tensor instead",
    ),
    (
        "RuntimeError",
        r"does not require grad and does not have a grad_fn",
        "No recorded step leads from there back to a tensor that requires a gradient: "
        "look for detach(), .data, item(), no_grad() and tensors made anew on the way",
    ),
    (
        "RuntimeError",
        r"grad can be implicitly created only for scalar",
        "backward() begins at a single number; with several, it has to be told how "
        "much each of them counts",
    ),
    (
        "AttributeError",
        r"torch.return_types",
        "max() along an axis, and its like, return values and places: choose the "
        "values",
    ),
    (
        "TypeError",
        r"Cannot interpret '\d+' as a data type",
        "A shape is one argument: put its numbers into brackets of their own",
    ),
    (
        "ValueError",
        r"inhomogeneous shape",
        "Several arrays came where one is wanted: a function that returns more than "
        "one thing has to be unpacked",
    ),
    (
        "RuntimeError",
        r"backward through the graph a second time",
        "Compute anew, before each backward(), what it starts from",
    ),
)


# Of None, where a gradient is looked for.
_NO_GRADIENT = (
    " The .grad is None here: torch keeps it, after backward(), for a tensor that "
    "requires it and is not computed of others; X = X + … makes another tensor."
)


def advice(error: BaseException, line: str = "") -> str:
    """Say of which age code is or what else is wrong with it, and what to change.

    Args:
        error: What it raised.
        line: The line that did, if it is known.

    Returns:
        A sentence with a space before it; "" if nothing is known.
    """
    said = " ".join(str(error).split())
    if "NoneType" in said and re.search(r"\.grad\b", line):
        return _NO_GRADIENT
    line = error.text or "" if isinstance(error, SyntaxError) else ""
    names = {c.__name__ for c in type(error).__mro__}
    for kind, pattern, years, change in _AGES:
        if kind in names and re.search(pattern, f"{said} {line}"):
            return f" This is code for {years}; write {change}."
    for kind, pattern, cure in _CURES:
        if kind in names and re.search(pattern, said):
            return f" {cure}."
    return ""


def describe(error: BaseException, module: ModuleType) -> str:
    """Say what an exception means to the one whose code raised it.

    Args:
        error: The exception.
        module: The student's module.
    """
    if isinstance(error, UnfitError | WaitingError):
        return f"{str(error).rstrip('.')}."
    where, line = _where(error, module)
    return f"{where}{_what(error)}.{advice(error, line)}"


def unwritten(error: BaseException | None) -> str:
    """Return the function that is yet to be written and was called, if that is so."""
    if not isinstance(error, NotImplementedError) or error.__traceback__ is None:
        return ""
    return list(traceback.walk_tb(error.__traceback__))[-1][0].f_code.co_name


def is_stub(error: BaseException | None, function: Callable[..., Any]) -> bool:
    """Tell whether a function raised what a hand-out's stub raises, by itself."""
    if not isinstance(error, NotImplementedError) or error.__traceback__ is None:
        return False
    frames = list(traceback.walk_tb(error.__traceback__))
    own = getattr(inspect.unwrap(function), "__code__", None)
    return frames[-1][0].f_code is own


def _where(error: BaseException, module: ModuleType) -> tuple[str, str]:
    """Return where a student's code raised an exception, in words, and that line.

    Given code below it is not to blame: what it was called with is.
    """
    file = module.__file__
    lines = [
        (frame.f_code, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == file
    ]
    own = [pair for pair in lines if not _is_given(pair[0], module)]
    if not file or not (own or lines):
        return "", ""
    code, number = (own or lines)[-1]
    text = linecache.getline(code.co_filename, number)
    return f"Line {number} of {Path(file).name}: ", text


def _is_given(code: CodeType, module: ModuleType) -> bool:
    outer = code.co_qualname.partition(".<locals>")[0]
    return outer in given(module.__name__)


# Folders that a file lies in, which are others on every machine and in every run.
_WHERE_IT_RUNS = re.compile(r"[^\s'\"(]*[/\\](?=cs231n[/\\])")


_LONG = 240  # letters of an exception's text


def _what(error: BaseException | None) -> str:
    text = _WHERE_IT_RUNS.sub("", " ".join(str(error).split()))
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text.rstrip(".") if len(text) <= _LONG else f"{text[:_LONG]} …"


def broken_module(error: BaseException, package: Path) -> str:
    """Say why a student's file cannot be imported.

    Args:
        error: What importing it raised.
        package: The folder of ``cs231n``.
    """
    if isinstance(error, SyntaxError) and error.filename:
        name = Path(error.filename).name
        if line := _conflict(Path(error.filename)):
            return f"{name}:{line}: {regions.SETTLE}"
        return (
            f"{name} cannot be read: {_line(error)}.{advice(error)} "
            "None of its functions can be tried before that is mended."
        )
    own = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if package in Path(f.filename).parents
        and package / "tools" not in Path(f.filename).parents
    ]
    place = f" at line {own[-1].lineno} of {Path(own[-1].filename).name}" if own else ""
    cure = advice(error)
    if not isinstance(error, ImportError):
        cure += f" {DEFINE}"
    return f"The file cannot be imported: {_what(error)}{place}.{cure}"


DEFINE = (
    "It must only define functions: put what runs them under "
    "`if __name__ == '__main__':`."
)


def _line(error: SyntaxError) -> str:
    said = (error.msg or "").rstrip(".?")
    return f"line {error.lineno}: {said}" if error.lineno else said


def _conflict(file: Path) -> int:
    """Return the line of a file in which a git conflict begins, 0 if there is none."""
    try:
        return regions.conflict(file.read_text("utf-8", errors="replace"))
    except OSError:
        return 0


def listed(names: list[str]) -> str:
    """Return names as in a sentence: with commas, and "and" before the last one."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
