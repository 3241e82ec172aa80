"""Whether a student's function is done, and if it is not, what is wrong with it."""

import contextlib
import functools
import re
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.assignment.table import Function, functions, namesake
from cs231n.tools.check import marks as check_marks
from cs231n.tools.check import naming
from cs231n.tools.check.bench import ASIDE, Bench, Exercise
from cs231n.tools.check.exercises import exercise as find_exercise
from cs231n.tools.check.faults import (
    AGAIN,
    STAYS,
    GoneError,
    NothingError,
    SealedError,
    UnfitError,
    WaitingError,
)
from cs231n.tools.check.marks import (
    Accepted,
    Array,
    Mark,
    Records,
    Results,
    mark,
)
from cs231n.tools.check.words import broken_module, listed
from cs231n.tools.check.written import WORK

DONE, REMARKED = "done", "done, with a remark"
WRONG, WAITING, UNBEGUN = "wrong", "cannot tell yet", "not started"
STATES = (DONE, REMARKED, WRONG, WAITING, UNBEGUN)
EARNS = (DONE, REMARKED)  # states that are worth a function's points
_CLOSE = 1e-6  # of marks that name a mistake
_PACKAGE = Path(__file__).resolve().parents[2]


@dataclass
class Verdict:
    """What a check says.

    Attributes:
        state: One of ``STATES``.
        message: Why it is wrong or cannot be told, in a sentence or two.
        remarks: What costs nothing and should be known all the same.
        seconds: How long it took.
        named: The known mistakes that were recognised.
        broken: The module that cannot be imported, if that is why.
    """

    state: str
    message: str = ""
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    named: list[str] = field(default_factory=list)
    broken: str = ""


@dataclass
class Look:
    """What one way of looking at a function found.

    Attributes:
        way: Which one.
        error: What was raised.
        results: Output -> array.
        marks: Output -> mark.
        problems: Output -> what is wrong with it, of those that are.
    """

    way: str
    error: BaseException | None = None
    results: Results = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return self.error is None and not self.problems


def judge(function: Function, records: Records, exercise: Exercise) -> Verdict:
    """Try a function out and say how it is.

    Args:
        function: Its row in the table.
        records: What is stored.
        exercise: How it is tried out.
    """
    start = time.perf_counter()
    on_gpu: list[str] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with _any_device(exercise, on_gpu):
            try:
                bench = Bench(function, records)
            except GoneError as error:
                verdict = Verdict(WRONG, f"{error}.")
            except BaseException as error:  # a student's module may even call exit
                said = broken_module(error, _PACKAGE)
                verdict = Verdict(WRONG, said, broken=function.module)
            else:
                verdict = _judge(bench, exercise)
    if verdict.state in EARNS:
        verdict.remarks += on_gpu
        verdict.state = REMARKED if verdict.remarks else DONE
    verdict.seconds = time.perf_counter() - start
    return verdict


def is_done(function: Function, records: Records) -> bool:
    """Tell whether a function is done, without saying why.

    Args:
        function: Its row in the table.
        records: What is stored.
    """
    exercise = find_exercise(function.key)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with _any_device(exercise, []):
            return _is_done(Bench(function, records), exercise)


def _is_done(bench: Bench, exercise: Exercise) -> bool:
    first = look_at(bench, exercise, exercise.ways[0])
    if first.is_right:
        return True
    others = exercise.ways[1:]
    if not any(look_at(bench, exercise, way).is_right for way in others):
        return False
    if exercise.narrow:
        return True
    return bool(_blamed(first, bench, exercise))


_ROUNDED = (
    "is right to the digits of float32, in which this function, or one that it calls, "
    "keeps some of its numbers; keep them in the inputs' dtype"
)


def _has_all_digits(look: Look, bench: Bench, exercise: Exercise) -> bool:
    """Tell whether no result is right to the digits of float32 alone."""
    right = bench.record.right[naming.stored(look.way)]
    return all(
        any(
            check_marks.agree(look.marks[name], m, exercise.exact_limit(name))
            for m in wanted
        )
        for name, wanted in right.items()
    )


def _any_device(exercise: Exercise, remarks: list[str]) -> AbstractContextManager[None]:
    if not exercise.gpu:
        return nullcontext()
    from cs231n.tools.check.gpu import REMARK, cpu_for_gpu

    def noticed() -> None:
        if not remarks:
            remarks.append(REMARK)

    return cpu_for_gpu(noticed)


def _judge(bench: Bench, exercise: Exercise) -> Verdict:
    code = bench.code()
    looks: list[Look] = []
    for way in exercise.ways:
        bench.remarks.clear()
        look = look_at(bench, exercise, way)
        if look.is_right and not _has_all_digits(look, bench, exercise):
            bench.note(_ROUNDED)
        if look.is_right and way in exercise.narrow:
            return _narrow(looks[0], bench, exercise, way)
        # Another way tells only where this one's own ground is not firm.
        if look.is_right and (not looks or _blamed(looks[0], bench, exercise)):
            return Verdict(DONE, remarks=_remarks(bench, exercise, way))
        if is_unbegun(look, bench, exercise, code):
            return Verdict(UNBEGUN)
        looks.append(look)
    if exercise.mentions and not re.search(exercise.mentions, code.lower()):
        return Verdict(UNBEGUN)
    blamed = {look.way: _blamed(look, bench, exercise) for look in looks}
    differences = exercise.differences
    if blamed["own"] and differences and _confirmed(differences, bench):
        forward = bench.function.short.replace("backward", "forward")
        return Verdict(DONE, remarks=[agrees_with_wrong(forward)])
    telling = [k for k in looks if not blamed[k.way] and not k.is_right]
    if telling:
        if exercise.doubt and (doubt := exercise.doubt(bench)):
            return Verdict(WAITING, doubt)
        return explain(telling, bench, exercise)
    # A stored cache that was read as a known mistake reads it tells enough.
    for look in looks:
        wrong = look.way == "sample" and look.error is None and look.problems
        if wrong and naming.recognise(_suspects(look, bench, exercise)):
            return explain([look], bench, exercise)
    names = [*dict.fromkeys(blamed.values())]
    come, those = ("come", "those are") if len(names) > 1 else ("comes", "that is")
    return Verdict(
        WAITING,
        f"{listed(names)} {come} first: as long as {those} not right, nothing can be "
        "said of this one.",
    )


def look_at(bench: Bench, exercise: Exercise, way: str) -> Look:
    """Run a function in one of the ways, and compare with what is stored.

    Args:
        bench: The function, and what is right.
        exercise: How it is tried out.
        way: One of its ways.
    """
    look = Look(way)
    right = bench.record.right[naming.stored(way)]
    try:
        look.results = exercise.run(bench, way)
    except BaseException as error:  # as may a function
        look.error = error
        return look
    blank = exercise.blank and exercise.blank(look.results)
    if blank and not re.search(exercise.begun, bench.code()):
        look.error = NothingError("nothing was computed: what came in comes out again")
        return look
    if missing := [name for name in right if name not in look.results]:
        look.error = UnfitError(f"gives nothing for {', '.join(missing)}")
        return look
    look.marks = {name: mark(name, value) for name, value in look.results.items()}
    look.problems = _problems(look.results, right, exercise.limit, exercise.no)
    if look.is_right:
        look.error = _at_the_second_call(bench, exercise, way)
    return look


def _at_the_second_call(
    bench: Bench, exercise: Exercise, way: str
) -> BaseException | None:
    """Return what is wrong when the same is asked again, of a function that was right.

    Then something stayed from the first call: in a global variable, in an attribute or
    in the cache of an earlier function.
    """
    right = bench.record.right[naming.stored(way)]
    try:
        again = exercise.run(bench, way)
    except BaseException as error:  # as may a function
        return error
    if right.keys() - again.keys():
        return UnfitError(f"{AGAIN} gives less")
    problems = _problems(again, right, exercise.limit, exercise.no)
    if not problems:
        return None
    return UnfitError(
        f"{AGAIN} gives something else: {_facts(again, problems)[:-1]}; {STAYS}"
    )


def _problems(
    results: Results,
    right: Accepted,
    limit: Callable[[str], float],
    no: Mapping[str, str],
) -> dict[str, str]:
    """Return what is wrong with each result that is not right."""
    found = {}
    for name, wanted in right.items():
        seen_so = mark(name, results[name])
        if not any(check_marks.agree(seen_so, m, limit(name)) for m in wanted):
            problem = _problem(name, results[name], seen_so, wanted[0])
            found[name] = no.get(name, problem)
    return found


def _problem(name: str, value: Array, found: Mark, wanted: Mark) -> str:
    """Say in a few words what is wrong with a result."""
    if found.shape != wanted.shape:
        return f"has shape {found.shape} instead of {wanted.shape}" + _which_axis(
            found.shape, wanted.shape
        )
    if np.isnan(value).any():
        return "holds NaN"
    if np.isinf(value).any():
        return "holds infinity"
    if wanted.words:
        return _words(value, np.reshape(wanted.words, wanted.shape))
    few = value.dtype.kind == "f" and value.dtype.itemsize < np.dtype(float).itemsize
    digits = 20 * float(np.finfo(value.dtype).eps) if few else 0.0
    if few and value.any() and check_marks.agree(found, wanted, digits):
        return f"is {value.dtype}, which is too coarse here"
    if value.size == 1:
        number, right = value.item(), check_marks.single(name, wanted)
        return f"is {_written(number)} instead of {_written(right)}"
    if not value.any():
        return "is zero everywhere"
    factor = check_marks.ratio(found, wanted, 1e-6)
    if factor is not None:
        return f"is {factor:.4g} times what it should be"
    gap = np.linalg.norm(np.subtract(found.along, wanted.along)) / max(
        wanted.size, 1e-12
    )
    return f"is off by {gap:.2g} of its size" if gap < 0.995 else "is far off"


def _written(number: float) -> str:
    """Write a whole number with all its digits, another one with seven."""
    whole = abs(number) < 1e12 and abs(number - round(number)) < 1e-9 * abs(number)
    return f"{round(number)}" if whole or not number else f"{number:.7g}"


def _which_axis(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Say what two shapes differ in."""
    if len(found) != len(wanted):
        came = f"{len(found)} {'axis' if len(found) == 1 else 'axes'}"
        are = "is" if len(wanted) == 1 else "are"
        return f": {came}, where {len(wanted)} {are} wanted"
    axes = [k for k, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b]
    words = [str(k) for k in axes]
    if sorted(found) == sorted(wanted):
        return f": axes {listed(words)} are in another order"
    return f": look at {'axis' if len(axes) == 1 else 'axes'} {listed(words)}"


def _words(value: Array, wanted: Array) -> str:
    """Say where rows of words differ, and from which column on."""
    other = value != wanted
    rows = int(other.any(axis=1).sum())
    first = int(other.any(axis=0).argmax())
    return f"differs in {rows} of {len(other)} rows, from column {first} on"


def is_unbegun(look: Look, bench: Bench, exercise: Exercise, code: str) -> bool:
    """Tell whether a function is as a hand-out left it, ours or an original one."""
    if bench.is_stub(look.error):
        return True
    if not isinstance(look.error, NothingError):
        return False
    return not re.search(exercise.begun or WORK, code)


def _remarks(bench: Bench, exercise: Exercise, way: str) -> list[str]:
    """Say what a function that is done does with less care than it could."""
    noted = list(bench.remarks)
    if way != "own":
        return noted
    said = []
    for title, cases in exercise.care.items():
        failed = {}
        for case, run in cases.items():
            if fact := lacks_care(bench, run, bench.record.care[title][case]):
                failed[case] = fact
        if failed:
            where = f" ({listed(list(failed))})" if any(failed) else ""
            said.append(f"{title}{where}: {next(iter(failed.values()))}")
    if "another dtype" in "".join(noted):  # said once is enough
        said = [remark for remark in said if "another dtype" not in remark]
    return [*noted, *said]


def _narrow(failed: Look, bench: Bench, exercise: Exercise, way: str) -> Verdict:
    """Say of a function that it is done for the size that notebooks have alone."""
    why = explain([failed], bench, exercise)
    remark = f"{exercise.narrow[way]}: {why.message}"
    return Verdict(DONE, remarks=[remark, *bench.remarks], named=why.named)


def lacks_care(bench: Bench, run: Callable[[Bench], Results], right: Accepted) -> str:
    """Try a function out where care is needed; say what is wrong, or nothing.

    Args:
        bench: The function.
        run: Calls it.
        right: Output -> marks that are right.
    """
    try:
        results = run(bench)
    except BaseException as error:  # as may a function
        return bench.describe(error)
    problems = _problems(results, right, lambda _: _CARE, {})
    return _facts(results, problems) if problems else ""


_CARE = 1e-4  # relative: float32 is among the inputs


def _confirmed(
    differences: Callable[[Bench], dict[str, tuple[Array, Array]]], bench: Bench
) -> bool:
    """Tell whether gradients are those of the student's own forward pass.

    A gradient that is zero everywhere confirms nothing.
    """
    try:
        pairs = differences(bench)
    except BaseException:  # a forward pass that raises confirms nothing
        return False
    return all(
        result.shape == numeric.shape
        and np.linalg.norm(numeric) > 1e-6
        and np.linalg.norm(result - numeric) < 1e-6 * np.linalg.norm(numeric)
        for result, numeric in pairs.values()
    )


def agrees_with_wrong(forward: str) -> str:
    """Return the remark on a backward pass that fits a wrong forward pass."""
    return (
        f"agrees with finite differences of your {forward}, which is itself still "
        "wrong: try this one again when that is mended"
    )


def _blamed(look: Look, bench: Bench, exercise: Exercise) -> str:
    """Return the earlier function for whose sake a look says nothing, or ""."""
    if isinstance(look.error, WaitingError):
        return look.error.name
    if isinstance(look.error, SealedError):
        return _first_not_done(exercise.earlier, bench) or exercise.earlier[0]
    called = bench.unwritten(look.error)
    if called and called in {f.qualname.rpartition(".")[2] for f in functions()}:
        return called
    if exercise.conclusive:
        try:
            conclusive = exercise.conclusive(bench, look.way)
        except BaseException:  # whatever the earlier one raises
            conclusive = False
        if not conclusive:
            return _first_not_done(exercise.earlier, bench) or exercise.earlier[0]
    replaced = exercise.replaced if look.way == "stand-in" else ()
    names = [name for name in exercise.earlier if name not in replaced]
    return _first_not_done(_called(names, look.way, bench, exercise), bench)


def _first_not_done(names: Iterable[str], bench: Bench) -> str:
    """Return the first function that is not done, or ""."""
    for name in names:
        function = namesake(bench.function, name)
        if function.key not in bench.records.functions:
            continue  # nothing is stored that would tell
        if not is_done(function, bench.records):
            return name
    return ""


def _called(names: list[str], way: str, bench: Bench, exercise: Exercise) -> list[str]:
    """Return which of some functions are called on the way to a result."""
    calls = dict.fromkeys(names, False)

    def recorder(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name] = True
            return function(*args, **kwargs)

        return call

    known = vars(bench.module)
    layers = {n: recorder(n, known[n]) for n in names if callable(known.get(n))}
    with bench.instead(**layers), contextlib.suppress(BaseException):
        exercise.run(bench, way)
    return [name for name in names if calls[name]]


def _suspects(look: Look, bench: Bench, exercise: Exercise) -> list[naming.Suspect]:
    within = max(_CLOSE, *(exercise.limit(name) for name in look.problems))
    return naming.suspects(
        look.marks, look.problems, bench.record, look.way, within, exercise.no
    )


def explain(looks: list[Look], bench: Bench, exercise: Exercise) -> Verdict:
    """Say what is wrong, and name the mistake if it is known.

    Args:
        looks: Those that are not right and tell something.
        bench: The function, and what is stored.
        exercise: How it is tried out.
    """
    whole = [look for look in looks if look.error is None]
    for look in whole:
        facts = _facts(look.results, look.problems)
        known = _suspects(look, bench, exercise)
        says = [mistake.says for mistake in naming.recognise(known)] or naming.seen(
            look.results, look.problems, bench, exercise, look.way
        )
        if says:
            return Verdict(WRONG, f"{facts} {' '.join(says)}", named=says)
        if found := naming.recognise_in_part(known, look.problems):
            mistake, outputs = found
            where = ""
            if outputs != look.problems.keys():  # which facts have listed already
                where = f"In {listed([n for n in look.problems if n in outputs])}: "
            return Verdict(
                WRONG, f"{facts} {where}{mistake.says}", named=[mistake.says]
            )
    for look in (k for k in whole if k.way == "own"):
        if parts := naming.seen_in_parts(look.results, look.problems, bench, exercise):
            facts = _facts(look.results, look.problems)
            return Verdict(WRONG, f"{facts} {' '.join(parts)}", named=parts)
    if whole:
        return Verdict(WRONG, _facts(whole[0].results, whole[0].problems))
    error = looks[0].error
    assert error is not None
    return Verdict(WRONG, bench.describe(error))


def _facts(results: Results, problems: Mapping[str, str]) -> str:
    """Say which results are wrong, how, and which are right."""
    wrong = list(problems)
    groups: dict[str, list[str]] = {}
    for name in wrong:
        groups.setdefault(problems[name], []).append(name)
    if len(groups) > 3:  # too many to tell each: name them, and how the first is wrong
        text = f"{listed(wrong)} are wrong ({wrong[0]} {problems[wrong[0]]})"
    else:
        text = "; ".join(
            f"{listed(names)} {_plural(problem) if _several(names) else problem}"
            for problem, names in groups.items()
        )
    aside = (name for name in results if not name.startswith(ASIDE))
    right = [name for name in aside if name not in problems]
    if not right:
        return f"{text}."
    return f"{text}; {listed(right)} {'are' if _several(right) else 'is'} right."


def _several(names: list[str]) -> bool:
    return len(names) > 1 or names == ["captions"]


def _plural(problem: str) -> str:
    verb, _, rest = problem.partition(" ")
    verbs = {"is": "are", "has": "have", "holds": "hold", "differs": "differ"}
    rest = rest.replace("it should", "they should").replace("its size", "their size")
    return f"{verbs.get(verb, verb)} {rest}"
