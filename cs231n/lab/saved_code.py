"""Whether what runs is what is saved: a notebook may go on with code of yesterday.

When a file no longer parses, or raises as it is imported, autoreload shows a message
above the cell and leaves the old functions in place; without autoreload they stay
anyway. A check that passed them would speak of code that is not there any more.
"""

import ast
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from cs231n.assignment import table

_PACKAGE = Path(__file__).resolve().parents[1]

# File -> (time of its last change, size, code of each function or why there is none).
_compiled: dict[Path, tuple[int, int, "dict[str, list[CodeType]] | str"]] = {}
_cell_began: float | None = None
_PATCHED = "__autoreload_class__"  # what autoreload puts a changed method into


def unsaved() -> tuple[str, str]:
    """Compare the student's loaded modules with their files.

    Returns:
        complaint: What to mend before anything can be judged; else empty.
        note: Files that changed while this cell was running, which the next one will
            load; else empty.
    """
    notes = []
    for path in _paths():
        module = sys.modules.get(table.module_of(path))
        file = Path(getattr(module, "__file__", None) or "")
        if module is None or file.suffix != ".py" or not file.is_file():
            continue
        complaint = _complaint(module, file, path)
        if not complaint:
            continue
        if _cell_began is not None and file.stat().st_mtime > _cell_began:
            notes.append(f"{path} was saved while this cell ran: it used the old one.")
            continue
        return complaint, ""
    return "", " ".join(notes)


def _paths() -> Iterator[str]:
    seen = set()
    for question in table.questions():
        for path in (*question.modules, *question.extra):
            if path not in seen:
                seen.add(path)
                yield path


def _complaint(module: ModuleType, file: Path, path: str) -> str:
    saved = _read(file)
    if isinstance(saved, str):
        return (
            f"{path} cannot be read: {saved}; so what runs is what you saved before: "
            "mend that line and run this cell again."
        )
    for name, code in _functions(module, file):
        there = saved.get(name)
        if there and not any(
            _alike(code, other) for other in _both_ways(there, file, name)
        ):
            return (
                f"{path} has changed, but {name} still runs as it was before: run this "
                "cell again, mend what a red message above it names, and if there is "
                "none, restart the kernel."
            )
    return ""


def _read(file: Path) -> "dict[str, list[CodeType]] | str":
    """Return the code of each function of a file, or why it does not compile."""
    state = file.stat()
    known = _compiled.get(file)
    if known is None or known[:2] != (state.st_mtime_ns, state.st_size):
        known = state.st_mtime_ns, state.st_size, _compile(file)
        _compiled[file] = known
    return known[2]


def _compile(file: Path) -> "dict[str, list[CodeType]] | str":
    try:
        return _named(compile(file.read_bytes(), str(file), "exec", dont_inherit=True))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error)


def _named(whole: CodeType) -> dict[str, list[CodeType]]:
    """Return the code of each function in what was compiled, by its qualified name."""
    found: dict[str, list[CodeType]] = {}
    waiting = [whole]
    while waiting:
        code = waiting.pop()
        found.setdefault(code.co_qualname, []).append(code)
        waiting += [part for part in code.co_consts if isinstance(part, CodeType)]
    return found


def _both_ways(whole: list[CodeType], file: Path, name: str) -> Iterator[CodeType]:
    """Yield a function's code as a module has it, then as autoreload patches it in.

    Newer ones compile a changed function on its own, and that gives other code: whether
    a module imports a name decides how its attributes are looked up.
    """
    yield from whole
    *owner, short = name.split(".")
    for node in ast.walk(ast.parse(file.read_bytes())):
        if owner and not (isinstance(node, ast.ClassDef) and node.name == owner[-1]):
            continue
        for part in getattr(node, "body", []) if owner else [node]:
            if isinstance(part, ast.FunctionDef) and part.name == short:
                part.decorator_list = []
                text = ast.unparse(part)
                if owner:
                    text = f"class {_PATCHED}:\n" + textwrap.indent(text, "    ")
                code = compile(text, str(file), "exec", dont_inherit=True)
                yield from _named(code)[f"{_PATCHED}.{short}" if owner else short]


def _functions(module: ModuleType, file: Path) -> Iterator[tuple[str, CodeType]]:
    """Yield name and code of what was loaded from the file, and is still in place.

    What somebody put in a function's place on purpose, such as a test, comes from
    another file and is left alone.
    """
    for thing in list(vars(module).values()):
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        members: list[Any] = (
            list(vars(thing).values()) if isinstance(thing, type) else []
        )
        owner = getattr(thing, "__name__", "")
        for part in (thing, *members):
            part = getattr(part, "__func__", part)  # of static and class methods
            if isinstance(part, FunctionType) and _is_of(part.__code__, file):
                name = part.__code__.co_qualname
                yield name.replace(_PATCHED, owner), part.__code__


def _is_of(code: CodeType, file: Path) -> bool:
    return code.co_filename == str(file) or Path(code.co_filename).resolve() == file


def _alike(one: CodeType, other: CodeType) -> bool:
    """Tell whether two functions do the same, wherever they stand in a file."""
    parts = ("co_code", "co_names", "co_varnames", "co_argcount", "co_flags")
    if any(getattr(one, part) != getattr(other, part) for part in parts):
        return False
    if len(one.co_consts) != len(other.co_consts):
        return False
    pairs = list(zip(one.co_consts, other.co_consts, strict=True))
    if pairs and isinstance(pairs[0][0], str):
        del pairs[0]  # a docstring
    return all(_same_constant(a, b) for a, b in pairs)


def _same_constant(a: Any, b: Any) -> bool:
    if isinstance(a, CodeType) and isinstance(b, CodeType):
        return _alike(a, b)
    if isinstance(a, frozenset):  # such as a set in "x in {...}"
        return bool(a == b)
    return repr(a) == repr(b)  # so that 1, 1.0 and True are three things


def _note_time(*_: object) -> None:
    global _cell_began  # noqa: PLW0603 (IPython calls this before each cell)
    _cell_began = time.time()


def watch_cells(shell: Any) -> None:
    """Note when a notebook's cells begin.

    Args:
        shell: IPython's, whose events tell.
    """
    shell.events.register("pre_run_cell", _note_time)
