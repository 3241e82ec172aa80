"""Whether a student's function is done, and if it is not, what is wrong with it."""

import ast
import inspect
import textwrap
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cs231n import check_marks
from cs231n.assignment import Function
from cs231n.check_bench import Bench, Exercise, GoneError, UnfitError, WaitingError
from cs231n.check_marks import Mark, Mistake, Record, Records, Results, mark

SINGLE = " of one"  # what outputs for a single example are called


@dataclass
class Verdict:
    """What a check says.

    Attributes:
        state: "done", "wrong" or "not started".
        message: Why it is wrong, in a sentence or two.
        seconds: How long it took.
        named: The known mistakes that were recognised.
    """

    state: str
    message: str = ""
    seconds: float = 0.0
    named: list[str] = field(default_factory=list)


@dataclass
class _Look:
    """What one way of looking at a function found."""

    way: str
    error: BaseException | None = None
    marks: dict[str, Mark] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def judge(function: Function, records: Records, exercise: Exercise) -> Verdict:
    """Try a function out and say how it is.

    Args:
        function: Its row in the table.
        records: What is stored.
        exercise: How it is tried out.
    """
    start = time.perf_counter()
    record = records.functions.get(function.key, Record({}))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            bench = Bench(function, records.seed, record)
        except GoneError as error:
            verdict = Verdict("wrong", f"{error}.")
        except BaseException as error:  # a student's module may even call exit
            verdict = Verdict("wrong", broken_module(error))
        else:
            verdict = _judge(bench, exercise)
    verdict.seconds = time.perf_counter() - start
    return verdict


def _judge(bench: Bench, exercise: Exercise) -> Verdict:
    looks = []
    for way in exercise.ways:
        look = _look(bench, exercise, way)
        if look.error is None and not look.problems:
            return Verdict("done")
        if _is_stub(look.error, bench):
            return Verdict("not started")
        looks.append(look)
    if exercise.mentions and exercise.mentions not in _code(bench.call):
        return Verdict("not started")
    if exercise.differences and _confirmed(exercise, bench):
        return Verdict(
            "done",
            "Agrees with finite differences of your forward pass, which is itself "
            "still wrong.",
        )
    return _explain(looks, bench, exercise)


def _look(bench: Bench, exercise: Exercise, way: str) -> _Look:
    look = _Look(way)
    right = bench.record.right["stand-in" if way == "stand-in" else "own"]
    try:
        results = exercise.run(bench, way)
    except BaseException as error:  # as may a function
        look.error = error
        return look
    look.marks = {name: mark(name, value) for name, value in results.items()}
    look.problems = {
        name: problem
        for name, wanted in right.items()
        if (problem := _problem(results, look.marks, name, wanted, exercise.within))
    }
    return look


def _problem(
    results: Results, marks: Mapping[str, Mark], name: str, wanted: Mark, within: float
) -> str:
    """Say in a few words what is wrong with a result, nothing if it is right."""
    found = marks[name]
    if check_marks.agree(found, wanted, within):
        return ""
    value = results[name]
    if found.shape != wanted.shape:
        return f"has shape {found.shape} instead of {wanted.shape}"
    if np.isnan(value).any():
        return "holds NaN"
    if np.isinf(value).any():
        return "holds infinity"
    if not value.any():
        return "is zero everywhere"
    if check_marks.agree(found, wanted, 1e-6) and value.dtype == np.float32:
        return "is float32, though the inputs are float64"
    factor = check_marks.ratio(found, wanted, 1e-6)
    if factor is not None and value.size == 1:
        number = float(value.reshape(()))
        return f"is {number:.7g} instead of {number / factor:.7g}"
    if factor is not None:
        return f"is {factor:.4g} times what it should be"
    gap = np.linalg.norm(np.subtract(found.along, wanted.along)) / max(
        wanted.size, 1e-12
    )
    return f"is off by {gap:.2g} of its size" if gap < 1 else "is far off"


def _is_stub(error: BaseException | None, bench: Bench) -> bool:
    """Tell whether the function itself says that it is yet to be written."""
    if not isinstance(error, NotImplementedError) or error.__traceback__ is None:
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    code = getattr(inspect.unwrap(bench.call), "__code__", None)
    return frames[-1].f_code is code


def _code(function: Any) -> str:
    """Return a function's code without comments and docstring, in lower case."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return ""
    body = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)).body
    return "\n".join(
        ast.unparse(node)
        for node in body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ).lower()


def _confirmed(exercise: Exercise, bench: Bench) -> bool:
    """Tell whether gradients are those of the student's own forward pass.

    A gradient that is zero everywhere confirms nothing.
    """
    assert exercise.differences is not None
    try:
        pairs = exercise.differences(bench)
    except BaseException:  # a forward pass that raises confirms nothing
        return False
    return all(
        result.shape == numeric.shape
        and np.linalg.norm(numeric) > 1e-6
        and np.linalg.norm(result - numeric) < 1e-6 * np.linalg.norm(numeric)
        for result, numeric in pairs.values()
    )


def _explain(looks: list[_Look], bench: Bench, exercise: Exercise) -> Verdict:
    whole = [look for look in looks if look.error is None]
    within = max(exercise.within, 1e-6)
    for look in whole:
        named = recognise(look.marks, look.problems, bench.record, look.way, within)
        if named:
            says = [m.says for m in named]
            return Verdict("wrong", f"{_facts(look)} {' '.join(says)}", named=says)
    if whole:
        return Verdict("wrong", _facts(whole[0]))
    return Verdict("wrong", describe(looks[0].error, bench))


def recognise(
    marks: Mapping[str, Mark],
    problems: Mapping[str, str],
    record: Record,
    way: str,
    within: float,
) -> list[Mistake]:
    """Find the known mistakes that explain what is wrong.

    Args:
        marks: Output -> mark of what the student's function gave.
        problems: Output -> what is wrong, of those that are.
        record: What is stored for the function.
        way: How it was looked at.
        within: Largest relative difference from a known mistake's marks.

    Returns:
        Mistakes whose every spoilt output came out just so, those that explain most
        first, each for outputs of its own. If there is none, the one that explains
        most of what it spoils: another mistake may have come on top.
    """
    fitting: list[tuple[Mistake, set[str]]] = []
    partly: list[tuple[float, Mistake]] = []
    for mistake in record.mistakes:
        spoilt = mistake.marks.get("stand-in" if way == "stand-in" else "own", {})
        explained = {
            name
            for name, wanted in spoilt.items()
            if name in problems and check_marks.agree(marks[name], wanted, within)
        }
        if spoilt and len(explained) == len(spoilt):
            fitting.append((mistake, explained))
        elif len(explained) > max(1, len(spoilt) / 2):
            partly.append((len(explained) / len(spoilt), mistake))
    if not fitting:
        return [max(partly, key=lambda pair: pair[0])[1]] if partly else []
    fitting.sort(key=lambda pair: -len(pair[1]))
    named, taken = [], set[str]()
    for mistake, explained in fitting:
        if not explained & taken:
            named.append(mistake)
            taken |= explained
    return named


def _facts(look: _Look) -> str:
    """Say which results are wrong, how, and which are right."""
    wrong = _without_twins(list(look.problems))
    groups: dict[str, list[str]] = {}
    for name in wrong:
        groups.setdefault(look.problems[name], []).append(name)
    if len(groups) > 3:  # too many to tell each: name them, and how the first is wrong
        text = f"{_listed(wrong)} are wrong ({wrong[0]} {look.problems[wrong[0]]})"
    else:
        text = "; ".join(
            f"{_listed(names)} {_plural(problem) if len(names) > 1 else problem}"
            for problem, names in groups.items()
        )
    right = _without_twins([name for name in look.marks if name not in look.problems])
    right = [name for name in right if not name.endswith(SINGLE) or SINGLE in text]
    if not right:
        return f"{text}."
    return f"{text}; {_listed(right)} {'are' if len(right) > 1 else 'is'} right."


def _without_twins(names: list[str]) -> list[str]:
    """Leave out what holds of a single example, where it holds of many as well."""
    return [
        name
        for name in names
        if not name.endswith(SINGLE) or name.removesuffix(SINGLE) not in names
    ]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _plural(problem: str) -> str:
    verb, _, rest = problem.partition(" ")
    verbs = {"is": "are", "has": "have", "holds": "hold"}
    return f"{verbs.get(verb, verb)} {rest.replace('it should', 'they should')}"


def describe(error: BaseException | None, bench: Bench) -> str:
    """Say what an exception means to the one whose code raised it."""
    if isinstance(error, UnfitError | WaitingError):
        return f"{error}."
    if isinstance(error, NotImplementedError):
        frames = list(traceback.walk_tb(error.__traceback__))
        return f"Calls {frames[-1][0].f_code.co_name}, which is not written yet."
    return f"{_where(error, bench.module.__file__)}{_what(error)}."


def _where(error: BaseException | None, file: str | None) -> str:
    """Return the last line of a student's file on an exception's way."""
    tb = error.__traceback__ if error else None
    own = [
        (Path(frame.f_code.co_filename), line)
        for frame, line in traceback.walk_tb(tb)
        if not Path(frame.f_code.co_filename).name.startswith("check_")
    ]
    for path, line in reversed(own):
        if file and path.name == Path(file).name:
            return f"Line {line} of {path.name}: "
    return ""


def _what(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text[:200].rstrip(".")


def broken_module(error: BaseException) -> str:
    """Say why a student's file cannot be imported."""
    if isinstance(error, SyntaxError) and error.filename:
        name = Path(error.filename).name
        return f"{name} cannot be read: line {error.lineno}: {error.msg}."
    tb = traceback.extract_tb(error.__traceback__)
    own = [
        f
        for f in tb
        if "cs231n" in f.filename and not Path(f.filename).name.startswith("check_")
    ]
    place = f" at line {own[-1].lineno} of {Path(own[-1].filename).name}" if own else ""
    return f"The file cannot be imported: {_what(error)}{place}."
