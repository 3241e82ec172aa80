"""The verdict on a submission, computed outside the processes that hold its code.

Each function is tried on fresh inputs with what the student wrote before it. Where that
is wrong or missing, the reference takes its place across the line, and a backward pass
whose forward pass is wrong is also compared with finite differences of that one, and
given caches of right ones: so each mistake is punished once.
"""

import hashlib
import hmac
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from cs231n.assignment.table import Function, functions
from cs231n.tools.check import marks
from cs231n.tools.check.bench import ASIDE, Bench, Exercise, find
from cs231n.tools.check.exercises import exercise as find_exercise
from cs231n.tools.check.faults import GoneError
from cs231n.tools.check.marks import Accepted, Array, Record, Records, Results, mark
from cs231n.tools.check.verdict import (
    Look,
    explain,
    is_unbegun,
    lacks_care,
    look_at,
)
from staff.grading.remote import (
    BrokenError,
    EndedError,
    FreshBench,
    Limits,
    Line,
    RemoteBench,
    Worker,
)
from staff.grading.results import (
    ASKED,
    CARE,
    FAILED,
    PASSED,
    UNBEGUN,
    Check,
    Judged,
)
from staff.grading.rubric import Entry, Rubric, edition_questions
from staff.grading.rubric import rubric as current_rubric
from staff.grading.submission import Submission
from staff.mistakes.bank import Answers, answers_of, bank
from staff.mistakes.writings import WritingError, rewritten, takers

SINGLE = 1e-4  # relative difference that float32 is allowed at least
CLOSE = 1e-6  # of a gradient from finite differences
WORKERS = 6  # for one function: each that ends is followed by another one

SAID = {
    "time": "It did not end within {seconds:.0f} seconds: look for a loop whose end is "
    "never reached, and for loops where one product would do.",
    "memory": "It asked for more memory than there is: look for an array that is far "
    "larger than its inputs.",
    "exit": "It ended the whole program: take out exit(), quit() and sys.exit().",
    "signal": "It crashed Python itself, or was stopped as it did what no exercise "
    "needs; try it in a terminal of its own.",
    "output": "It printed more than anybody reads: take out what prints in a loop.",
    "protocol": "It disturbed what runs it: return plain arrays, and leave descriptors "
    "and other processes alone.",
}
LOADING = (
    "The file cannot be imported. {} It must only define functions: put what runs "
)
LOADING += "them under `if __name__ == '__main__':`."
UNHANDED = "{} was not handed in."
ELSEWHERE = "is right on the public inputs, and wrong on others of other sizes"
FAILS_ELSEWHERE = (
    "It works on the public inputs, and raises an exception on others: is a size or a "
    "number written into the code?"
)


class Server(Protocol):
    """Starts workers."""

    level: str

    def worker(self, modules: Mapping[str, str]) -> Any:
        """Return a context manager whose worker holds these modules."""


def judge(
    submission: Submission,
    secret: bytes,
    server_for: Callable[[bool], Server],
    rubric: Rubric | None = None,
    limits: Limits | None = None,
    only: Collection[str] = (),
) -> Judged:
    """Try out the functions of a submission's edition.

    Args:
        submission: What was handed in.
        secret: The course's; it draws the inputs, with the submission's digest.
        server_for: Takes whether torch is needed, returns what starts workers.
        rubric: What checks are worth; that of ``rubric.toml`` by default.
        limits: How long a worker may take.
        only: Keys of functions that matter; all of them by default.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        judging = _Judging(
            submission, secret, server_for, rubric or current_rubric(), limits
        )
        return judging.all(only)


@dataclass
class _Attempt:
    """One set-up in which a function was tried on all draws.

    Attributes:
        way: Of the exercise.
        layers: Functions of the reference that took the place of the student's.
        layout: The writing whose cache was read, if that is how.
        looks: One for each draw, up to the first that raised.
        wrong: Output -> what is wrong, of the first draw in which it is.
        missing: Whether nothing can be said of outputs, as it raised.
        notes: What was noticed that costs nothing.
    """

    way: str
    layers: dict[str, Callable[..., Any]] = field(default_factory=dict)
    layout: str = ""
    looks: list[Look] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def error(self) -> BaseException | None:
        """What was raised."""
        return self.looks[-1].error if self.looks else None

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong and self.error is None

    def passes(self, entry: Entry) -> bool:
        """Tell whether all that a check looks at is right."""
        return self.error is None and not any(n in self.wrong for n in entry.outputs)


@dataclass(frozen=True)
class _Draw:
    """One choice of fresh inputs.

    Attributes:
        seed: Draws them.
        single: Whether they are handed over in float32.
    """

    seed: int
    single: bool = False


@dataclass
class _Standing:
    """What was found of a function.

    Attributes:
        checks: Its checks.
        is_right: Whether all that is asked holds.
        ended: Why its worker ended, if calling it ends workers.
        seconds: Wall time.
        gaps: Output -> largest difference over the one allowed, of numbers.
    """

    checks: list[Check] = field(default_factory=list)
    is_right: bool = False
    ended: str = ""
    seconds: float = 0.0
    gaps: dict[str, float] = field(default_factory=dict)


class _Judging:
    """The judging of one submission."""

    def __init__(
        self,
        submission: Submission,
        secret: bytes,
        server_for: Callable[[bool], Server],
        rubric: Rubric,
        limits: Limits | None,
    ) -> None:
        self.submission, self._secret = submission, secret
        self._server_for, self.rubric = server_for, rubric
        self.limits = limits or Limits()
        self.found: dict[str, _Standing] = {}
        self.broken: dict[str, str] = {}  # file -> why it cannot be imported
        self.isolation, self.peak = "", 0

    def all(self, only: Collection[str] = ()) -> Judged:
        """Try out all functions, or those of these keys alone."""
        checks: list[Check] = []
        for question in edition_questions(self.submission.edition):
            for f in question.functions:
                if only and f.key not in only:
                    continue
                start = time.perf_counter()
                worth = question.worth(f, self.submission.edition)
                with _Trial(self, f, worth) as trial:
                    standing = trial.judge()
                standing.seconds = time.perf_counter() - start
                self.found[f.key] = standing
                checks += standing.checks
        return Judged(
            tuple(checks),
            self.isolation,
            {key: s.seconds for key, s in self.found.items()},
            {},
            self.peak,
            tuple(key for key, s in self.found.items() if s.ended == "time"),
        )

    def draws(self, function: Function) -> list[_Draw]:
        """Return the fresh inputs of a function."""
        count = self.rubric.draws
        draws = [_Draw(self._seed(function, k)) for k in range(count)]
        if self.rubric.single(function):
            draws.append(_Draw(self._seed(function, count), single=True))
        return draws

    def _seed(self, function: Function, draw: int) -> int:
        text = f"{self.submission.digest}|{function.key}|{draw}"
        made = hmac.new(self._secret, text.encode(), hashlib.sha256).digest()
        return int.from_bytes(made[:4], "little") % 2**31

    def worker(self, function: Function) -> AbstractContextManager[Worker]:
        """Start a worker for a function."""
        server = self._server_for(function.torch)
        self.isolation = server.level
        modules = {
            name: text
            for name, text in self.submission.modules.items()
            if name not in self.broken or name == function.file
        }
        worker: AbstractContextManager[Worker] = server.worker(modules)
        return worker

    def wrong_before(self, function: Function) -> list[str]:
        """Return the earlier functions that are not right, each with its partner."""
        near = {function.module, *takers()[function.module]}
        wrong = {
            f.qualname
            for f in functions()
            if f.key in self.found
            and f.module in near
            and "." not in f.qualname
            and not self.found[f.key].is_right
        }
        own = {function.qualname, _forward_of(function)}
        both = {name for w in wrong for name in (w, _partner(w))}
        known = {f.qualname for f in functions()}
        return sorted((both & known) - own)

    def never_end(self, function: Function) -> list[str]:
        """Return the other functions that must not be called."""
        return sorted(
            f.qualname
            for f in functions()
            if f.key in self.found and self.found[f.key].ended and f != function
        )


class _Trial:
    """The judging of one function."""

    def __init__(self, judging: _Judging, function: Function, worth: float) -> None:
        self._judging, self._function, self._worth = judging, function, worth
        self._exercise = find_exercise(function.key)
        self._entries = judging.rubric.entries(function)
        self._source = judging.submission.modules.get(function.file, "")
        self._workers = ExitStack()
        self._worker: Worker | None = None
        self._line: Line | None = None
        self._started = 0
        self._draws = judging.draws(function)
        self._references = {d: _Reference(function, d) for d in self._draws}
        self._limits = judging.limits

    def __enter__(self) -> "_Trial":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def judge(self) -> _Standing:
        """Find out how the function is."""
        if not self._source:
            return self._unbegun(UNHANDED.format(self._function.file))
        try:
            self._bench(self._draws[0])
        except BrokenError as error:
            return self._broken(str(error))
        except GoneError as error:
            return self._failed(f"{error}.")
        except EndedError as error:
            said = LOADING.format(self._said(error.reason))
            return self._broken(said)
        attempts: list[_Attempt] = []
        for attempt in self._attempts():
            attempts.append(attempt)
            if attempt.is_right:
                return self._done(attempt, attempts)
            if self._is_unbegun(attempt):
                return self._unbegun()
        mentions = self._exercise.mentions
        if mentions and mentions not in self._code.lower():
            return self._unbegun()
        return self._wrong(attempts)

    # How a function is tried

    def _attempts(self) -> Iterator[_Attempt]:
        """Try one set-up after another; whoever asks stops when one is right."""
        own = self._confirmed_end(self._try("own"))
        yield own
        for way in self._exercise.narrow:
            yield self._try(way)
        layers = self._references_of(self._judging.wrong_before(self._function))
        if layers:
            yield self._try("own", layers)
        if self._exercise.caches is None or self._forward_is_right():
            return
        for chosen in ({}, layers) if layers else ({},):
            yield self._by_differences(chosen)
        for layout in self._layouts():
            yield self._try("sample", layers, layout)

    def _try(
        self,
        way: str,
        layers: Mapping[str, Callable[..., Any]] | None = None,
        layout: str = "",
    ) -> _Attempt:
        """Try the function on all draws."""
        attempt = _Attempt(way, dict(layers or {}), layout)
        for draw in self._draws:
            try:
                look = self._look(attempt, draw)
            except WritingError:  # this writing has no such cache
                attempt.looks.append(Look(way, error=GoneError("no such cache")))
                break
            attempt.looks.append(look)
            for name, problem in look.problems.items():
                attempt.wrong.setdefault(name, problem)
            if look.error is not None:
                break
        return attempt

    def _look(self, attempt: _Attempt, draw: _Draw) -> Look:
        reference = self._references[draw]
        record = reference.of(attempt.way)
        if attempt.layout:
            record = replace(record, cache=reference.cache(attempt.layout))
        how = self._exercise
        if draw.single:
            how = replace(how, within=_widened(how))
        try:
            bench = self._bench(draw, record)
        except (EndedError, BrokenError, GoneError) as error:
            return Look(attempt.way, error=error)
        with bench.instead(**attempt.layers):
            look = look_at(bench, how, attempt.way)
        if isinstance(look.error, KeyboardInterrupt):
            raise look.error
        if not draw.single:
            for note in bench.remarks:
                if note not in attempt.notes:
                    attempt.notes.append(note)
        return look

    def _confirmed_end(self, attempt: _Attempt) -> _Attempt:
        """Try once more what took too long: the machine may have been busy."""
        error = attempt.error
        if isinstance(error, EndedError) and error.reason == "time":
            return self._try(attempt.way, attempt.layers, attempt.layout)
        return attempt

    def _by_differences(self, layers: Mapping[str, Callable[..., Any]]) -> _Attempt:
        """Compare gradients with finite differences of the student's forward pass."""
        attempt = _Attempt("own", dict(layers))
        forward = _forward_of(self._function)
        attempt.notes.append(
            f"agrees with finite differences of your {forward}, which is itself still "
            "wrong: try this one again when that is mended"
        )
        look = Look("own")
        attempt.looks.append(look)
        differences = self._exercise.differences
        assert differences is not None
        try:
            bench = self._bench(self._draws[0])
            with bench.instead(**layers):
                pairs = differences(bench)
        except Exception as error:  # whatever the forward pass raises
            look.error = error
            return attempt
        outputs = [name for entry in self._entries for name in entry.outputs]
        for name in outputs:
            pair = pairs.get(name) or pairs.get(name.partition(" ")[0])
            if pair is None or not _confirm(*pair):
                attempt.wrong[name] = "is not the gradient of your forward pass"
        return attempt

    def _forward_is_right(self) -> bool:
        forward = _forward_of(self._function)
        return any(
            standing.is_right
            for key, standing in self._judging.found.items()
            if key.endswith(f".{forward}")
        )

    def _layouts(self) -> Iterator[str]:
        """Yield the writings whose forward pass leaves a cache, each layout once."""
        yield "edit"
        forward = f"{self._function.module}.{_forward_of(self._function)}"
        for name, writing in bank()[0].items():
            if forward in writing.bodies:
                yield name

    def _references_of(self, names: list[str]) -> dict[str, Callable[..., Any]]:
        """Return the reference's functions of these names."""
        found = {}
        for f in functions():
            if f.qualname in names:
                found[f.qualname] = _reference_function(f)
        return found

    # Workers

    def _bench(
        self, draw: _Draw, record: Record | None = None, public: bool = False
    ) -> RemoteBench:
        """Return a bench in a living worker.

        Args:
            draw: Which inputs.
            record: What is right.
            public: Whether the inputs and what is right are the public ones.
        """
        key = self._function.key
        if public:
            records = marks.records()
            if record is not None:
                records = Records(records.seed, records.functions | {key: record})
        else:
            stored = record or self._references[draw].record
            records = Records(draw.seed, {key: stored})
        if self._line is None or not self._line.alive:
            self._open()
        assert self._line is not None
        return RemoteBench(
            self._function,
            records,
            self._line,
            self._source,
            single=draw.single and not public,
            never=self._judging.never_end(self._function),
            fresh=not public,
        )

    def _open(self) -> None:
        self._close()
        self._started += 1
        if self._started > WORKERS:
            raise EndedError("exit")
        worker = self._workers.enter_context(self._judging.worker(self._function))
        self._worker = worker
        self._line = Line(worker, self._limits)

    def _close(self) -> None:
        if self._worker is not None:
            self._judging.peak = max(self._judging.peak, self._worker.peak_bytes)
        self._workers.close()
        self._worker = None

    # What is said of it

    @cached_property
    def _code(self) -> str:
        from cs231n.tools.check.written import code_in

        return code_in(self._source, self._function.qualname)

    def _is_unbegun(self, attempt: _Attempt) -> bool:
        bench = Bench.__new__(RemoteBench)
        return is_unbegun(attempt.looks[-1], bench, self._exercise, self._code)

    def _done(self, attempt: _Attempt, attempts: list[_Attempt]) -> _Standing:
        standing = _Standing(is_right=True)
        notes = list(attempt.notes)
        if attempt.way in self._exercise.narrow:
            notes.insert(0, self._narrow(attempts[0], attempt.way))
        if self._line is not None and self._line.names_gpu:
            from cs231n.tools.check.gpu import REMARK

            notes.append(REMARK)
        for entry in self._entries:
            if entry.tier == ASKED:
                standing.checks.append(
                    self._check(entry, PASSED, remark="; ".join(notes))
                )
                notes = []
        if not attempt.layout:
            standing.checks += self._care(attempt)
        standing.gaps = _gaps(attempt, self._references, self._draws, self._exercise)
        return standing

    def _narrow(self, failed: _Attempt, way: str) -> str:
        title = self._exercise.narrow[way]
        return f"{title}: {self._explained(failed)[0]}"

    def _care(self, attempt: _Attempt) -> list[Check]:
        """Try the function where care is needed."""
        draw = self._draws[0]
        right = self._references[draw].care
        stored = marks.records().functions[self._function.key].care
        checks = []
        for entry in (e for e in self._entries if e.tier == CARE):
            failed, facts = [], []
            for case, run in self._exercise.care[entry.name].items():
                hidden = self._bench(draw)
                with hidden.instead(**attempt.layers):
                    fact = lacks_care(hidden, run, right[entry.name][case])
                if not fact:
                    continue
                public = self._bench(draw, public=True)
                with public.instead(**attempt.layers):
                    facts.append(lacks_care(public, run, stored[entry.name][case]))
                failed.append(case)
            where = f" ({_listed(failed)})" if any(failed) else ""
            fact = next(filter(None, facts), "")
            said = f"{entry.name}{where}" + (f": {fact}" if fact else ".")
            state = FAILED if failed else PASSED
            checks.append(self._check(entry, state, said if failed else ""))
        return checks

    def _wrong(self, attempts: list[_Attempt]) -> _Standing:
        """Give the points of what is right, and say what is wrong."""
        best = max(attempts, key=self._share)  # the first one of the best
        standing = _Standing()
        if isinstance(attempts[0].error, EndedError):
            standing.ended = attempts[0].error.reason
        said, named = self._explained(best)
        hidden = self._hidden(best)
        for entry in self._entries:
            if entry.tier != ASKED:
                continue
            if best.passes(entry):
                standing.checks.append(self._check(entry, PASSED))
            else:
                standing.checks.append(self._check(entry, FAILED, said, named, hidden))
        return standing

    def _share(self, attempt: _Attempt) -> float:
        asked = [entry for entry in self._entries if entry.tier == ASKED]
        return sum(entry.share for entry in asked if attempt.passes(entry))

    def _explained(self, attempt: _Attempt) -> tuple[str, tuple[str, ...]]:
        """Say what is wrong, on the public inputs: nothing hidden is given away.

        Returns:
            The sentence, and the mistakes of the bank among it.
        """
        error = attempt.error
        if isinstance(error, EndedError):
            return self._said(error.reason), ()
        if isinstance(error, BrokenError | GoneError):
            return str(error), ()
        try:
            bench = self._bench(self._draws[0], public=True)
        except (EndedError, BrokenError, GoneError) as ended:
            return str(ended), ()
        way = attempt.way
        with bench.instead(**attempt.layers):
            look = look_at(bench, self._exercise, way)
            if isinstance(look.error, EndedError):
                return self._said(look.error.reason), ()
            if not look.is_right:
                verdict = explain([look], bench, self._exercise)
                return verdict.message, tuple(verdict.named)
        if error is not None:
            return FAILS_ELSEWHERE, ()
        return f"{_listed(list(attempt.wrong))} {ELSEWHERE}.", ()

    def _hidden(self, attempt: _Attempt) -> str:
        """Say for graders what was given and what came back."""
        lines = []
        for draw, look in zip(self._draws, attempt.looks, strict=False):
            precision = "float32" if draw.single else "float64"
            if look.error is not None:
                what = f"{type(look.error).__name__}: {look.error}"
            else:
                what = "; ".join(f"{n} {p}" for n, p in look.problems.items())
            lines.append(f"seed {draw.seed}, {precision}: {what or 'right'}")
        if attempt.layers:
            lines.append(f"in place of the student's: {', '.join(attempt.layers)}")
        return "\n".join(lines)

    def _said(self, reason: str) -> str:
        said = SAID.get(reason, SAID["protocol"])
        return said.format(seconds=self._limits.call)

    def _broken(self, said: str) -> _Standing:
        self._judging.broken[self._function.file] = said
        return self._failed(said)

    def _failed(self, said: str) -> _Standing:
        asked = [entry for entry in self._entries if entry.tier == ASKED]
        return _Standing([self._check(entry, FAILED, said) for entry in asked])

    def _unbegun(self, said: str = "") -> _Standing:
        asked = [entry for entry in self._entries if entry.tier == ASKED]
        return _Standing([self._check(entry, UNBEGUN, said) for entry in asked])

    def _check(
        self,
        entry: Entry,
        state: str,
        reason: str = "",
        mistakes: tuple[str, ...] = (),
        hidden: str = "",
        remark: str = "",
    ) -> Check:
        of = self._worth * entry.share
        earned = of if state == PASSED else 0.0
        if entry.withdrawn and state != UNBEGUN:
            state, earned = PASSED, of
            remark = f"withdrawn: {entry.withdrawn}"
            reason, mistakes = "", ()
        return Check(
            self._function.key,
            entry.name,
            entry.tier,
            state,
            earned,
            of,
            reason,
            mistakes,
            hidden,
            remark,
        )


class _Reference:
    """What is right for one draw of a function's inputs."""

    def __init__(self, function: Function, draw: _Draw) -> None:
        self._function, self._seed = function, draw.seed
        self._exercise = find_exercise(function.key)
        self._others: dict[str, Accepted] = {}

    @cached_property
    def record(self) -> Record:
        """What is right in the way "own"."""
        suits = self._exercise.suits
        for draw in range(1000):
            found = self._results(draw, "own")
            if suits is None or suits(found[0]):
                return Record({"own": _marks(found)}, draw=draw)
        raise RuntimeError(f"{self._function.key}: no draw shows all it should.")

    def of(self, way: str) -> Record:
        """Return what is right in a way."""
        record = self.record
        if way not in self._exercise.narrow:
            return record
        if way not in self._others:
            self._others[way] = _marks(self._results(record.draw, way))
        return replace(record, right={**record.right, way: self._others[way]})

    @cached_property
    def care(self) -> dict[str, dict[str, dict[str, tuple[Any, ...]]]]:
        """What is right where care is needed."""
        bench = self._bench(self.record.draw)
        return {
            title: {
                case: {name: (mark(name, v),) for name, v in run(bench).items()}
                for case, run in cases.items()
            }
            for title, cases in self._exercise.care.items()
        }

    def cache(self, layout: str) -> tuple[Any, ...]:
        """Return the caches of right forward passes, as a writing leaves them."""
        assert self._exercise.caches is not None
        answers: Answers = ({}, {})
        if layout != "edit":
            answers = answers_of(self._function.name, layout)
        with rewritten(*answers):
            return self._exercise.caches(self._bench(self.record.draw))

    def _results(self, draw: int, way: str) -> list[Results]:
        """Return what right writings give, which may differ where there is a choice."""
        name = self._function.name
        others = [w for w, known in bank()[0].items() if name in known.accepted]
        found = []
        for answers in (({}, {}), *(answers_of(name, other) for other in others)):
            with rewritten(*answers):
                found.append(self._exercise.run(self._bench(draw), way))
        return found

    def _bench(self, draw: int) -> Bench:
        key = self._function.key
        return FreshBench(
            self._function, Records(self._seed, {key: Record({}, draw=draw)})
        )


def _marks(found: list[Results]) -> Accepted:
    """Return the marks of right results, of which there may be several."""
    return {
        name: tuple(mark(name, results[name]) for results in found)
        for name in found[0]
        if not name.startswith(ASIDE)
    }


def _reference_function(function: Function) -> Callable[..., Any]:
    """Return the reference's function, which may not change what it is given."""
    import importlib

    ours: Callable[..., Any] = find(
        importlib.import_module(function.module), function.qualname
    )
    return ours


def _widened(how: Exercise) -> dict[str, float]:
    """Return what may differ where inputs are float32."""
    within = how.within if isinstance(how.within, Mapping) else {"": how.within}
    return {name: max(limit, SINGLE) for name, limit in within.items()}


def _confirm(result: Array, numeric: Array) -> bool:
    """Tell whether a gradient is that of finite differences, and not zero."""
    size = float(np.linalg.norm(numeric))
    return (
        result.shape == numeric.shape
        and size > CLOSE
        and float(np.linalg.norm(result - numeric)) < CLOSE * size
    )


def _gaps(
    attempt: _Attempt,
    references: Mapping[_Draw, _Reference],
    draws: list[_Draw],
    how: Exercise,
) -> dict[str, float]:
    """Return each output's largest difference over the one that is allowed."""
    found: dict[str, float] = {}
    if attempt.way not in references[draws[0]].record.right:
        return found
    for draw, look in zip(draws, attempt.looks, strict=False):
        limits = replace(how, within=_widened(how)) if draw.single else how
        for name, accepted in references[draw].record.right[attempt.way].items():
            gap = min(_gap(look.marks[name], m) for m in accepted)
            over = gap / limits.limit(name)
            found[name] = max(found.get(name, 0.0), over)
    return found


def _gap(found: marks.Mark, wanted: marks.Mark) -> float:
    """Return how far marks are apart, relative to their size."""
    gap = np.abs(np.subtract(found.along, wanted.along)).max(initial=0)
    return float(gap / max(wanted.size, 1e-12))


def _forward_of(function: Function) -> str:
    """Return the forward pass of a backward one, "" of any other."""
    stem, _, part = function.qualname.rpartition("_")
    return f"{stem}_forward" if part == "backward" else ""


def _partner(name: str) -> str:
    """Return the backward pass of a forward one, and the other way round."""
    stem, _, part = name.rpartition("_")
    return f"{stem}_{'backward' if part == 'forward' else 'forward'}"


def _listed(names: list[str]) -> str:
    if not names:
        return ""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
