"""The judging of one function, in as many set-ups as it takes to be just."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

from cs231n.assignment.table import Function, functions
from cs231n.tools.check import marks
from cs231n.tools.check.bench import Exercise
from cs231n.tools.check.exercises import exercise as find_exercise
from cs231n.tools.check.faults import GoneError
from cs231n.tools.check.marks import Record, Records
from cs231n.tools.check.verdict import (
    Look,
    agrees_with_wrong,
    explain,
    is_unbegun,
    lacks_care,
    look_at,
)
from cs231n.tools.check.words import DEFINE, listed
from cs231n.tools.check.written import code_in
from staff.grading.elsewhere import FRAMEWORKS, BenchElsewhere, Elsewhere
from staff.grading.lacking import lacking
from staff.grading.reference import (
    Draw,
    Reference,
    confirm,
    gap,
    reference_function,
    widened,
)
from staff.grading.remote import (
    BrokenError,
    EndedError,
    Limits,
    Line,
    RemoteBench,
    Worker,
)
from staff.grading.results import ASKED, CARE, FAILED, PASSED, UNBEGUN, Check
from staff.grading.rubric import Entry, Rubric
from staff.grading.speed import speed_class
from staff.grading.submission import Submission
from staff.mistakes.bank import bank
from staff.mistakes.writings import WritingError, takers

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
    "disk": "It wrote more files than any exercise needs: take out what saves arrays.",
    "processes": "It started more threads than any exercise needs: take them out.",
    "protocol": "It disturbed what runs it: return plain arrays, and leave descriptors "
    "and other processes alone.",
}
_PARTS = ("forward", "backward")
LOADING = f"The file cannot be imported. {{}} {DEFINE}"
UNHANDED = "{} was not handed in."
EMPTY = "{} is empty: save it once more, and hand it in again."
WITHOUT = (
    "is right with your other files as they are handed out: something that it needs "
    "has been changed or deleted there"
)
ALONE = "was tried without your other files, as it cannot be imported with them: {}"
ELSEWHERE = "is right on the public inputs, and wrong on others of other sizes"
FAILS_ELSEWHERE = (
    "It works on the public inputs, and raises an exception on others: is a size or a "
    "number written into the code?"
)


@dataclass
class Attempt:
    """One set-up in which a function was tried on all draws.

    Attributes:
        way: Of the exercise.
        layers: Functions of the reference that took the place of the student's.
        layout: The writing whose cache was read, if that is how.
        looks: One for each draw, up to the first that raised.
        wrong: Output -> what is wrong, of the first draw in which it is.
        notes: What was noticed that costs nothing.
        bench: The last one.
        steps: Layers of the reference that hand out the caches of the student's own.
    """

    way: str
    layers: dict[str, Callable[..., Any]] = field(default_factory=dict)
    layout: str = ""
    looks: list[Look] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    bench: RemoteBench | None = None
    steps: list[str] = field(default_factory=list)

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


@dataclass
class Standing:
    """What was found of a function.

    Attributes:
        checks: Its checks.
        is_right: Whether all that is asked holds.
        ended: Why its worker ended, if calling it ends workers.
        seconds: Wall time.
        speed: Its speed class; "" if it has none.
        gaps: Output -> by which factor it differs more than is allowed, in float64 and
            in float32; infinite if it is of another kind. Nothing of what raised.
    """

    checks: list[Check] = field(default_factory=list)
    is_right: bool = False
    ended: str = ""
    seconds: float = 0.0
    speed: str = ""
    gaps: dict[str, tuple[float, float]] = field(default_factory=dict)


class Server(Protocol):
    """Starts workers."""

    level: str

    def worker(self, modules: Mapping[str, str]) -> Any:
        """Return a context manager whose worker holds these modules."""


class Context(Protocol):
    """What a trial asks of the judging that it belongs to.

    Attributes:
        submission: What was handed in.
        rubric: What earns how much.
        limits: Those of a worker.
        timed: Whether calls are timed.
        found: Key -> what was found of the functions before.
        broken: File -> why it cannot be imported.
        peak: The most bytes that a worker has held.
        cpu: Seconds that workers have computed.
    """

    submission: Submission
    rubric: Rubric
    limits: Limits
    timed: bool
    found: dict[str, Standing]
    broken: dict[str, str]
    peak: int
    cpu: float

    def draws(self, function: Function) -> list[Draw]:
        """Return the fresh inputs of a function."""

    def server_of(self, function: Function) -> Server:
        """Return what starts workers that have what a function needs."""

    def worker(
        self, function: Function, alone: bool = False
    ) -> AbstractContextManager[Worker]:
        """Start a worker for a function, with nothing but its own file if alone."""

    def before(self, function: Function) -> list[str]:
        """Return the earlier functions that this one may call, with their partners."""

    def wrong_before(self, function: Function) -> list[str]:
        """Return the earlier functions that are not right, each with its partner."""

    def never_end(self, function: Function) -> list[str]:
        """Return the other functions that must not be called."""


def _step_of(function: Function) -> str:
    """Return what a step's names begin with, if this is its backward pass."""
    name, _, part = function.qualname.rpartition("_")
    return name if name.endswith("_step") and part == "backward" else ""


class Trial:
    """The judging of one function."""

    def __init__(self, judging: Context, function: Function, worth: float) -> None:
        """Start nothing yet.

        Args:
            judging: That of the submission.
            function: Its row in the table.
            worth: Its points.
        """
        self._judging, self._function, self._worth = judging, function, worth
        self._elsewhere: Elsewhere | None = None
        if function.framework in FRAMEWORKS:
            self._elsewhere = Elsewhere(function, judging.server_of(function).worker)
        self._entries = judging.rubric.entries(function)
        self._asked = [entry for entry in self._entries if entry.tier == ASKED]
        self._source = judging.submission.modules.get(function.file, "")
        self._workers = ExitStack()
        self._worker: Worker | None = None
        self._line: Line | None = None
        self._started = 0
        self._draws = judging.draws(function)
        self._limits = judging.limits
        self._alone = False
        self._notes: list[str] = []

    def __enter__(self) -> "Trial":
        """Start nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        self._close()
        if self._elsewhere is not None:
            self._elsewhere.close()

    @cached_property
    def _exercise(self) -> Exercise:
        if self._elsewhere is not None:
            return self._elsewhere.exercise
        return find_exercise(self._function.key)

    @cached_property
    def _references(self) -> dict[Draw, Reference]:
        if self._elsewhere is not None:
            return {d: self._elsewhere.reference(d) for d in self._draws}
        return {d: Reference(self._function, d) for d in self._draws}

    def judge(self) -> Standing:
        """Find out how the function is."""
        if not self._source.strip():
            is_there = self._function.file in self._judging.submission.modules
            why = EMPTY if is_there else UNHANDED
            return self._unbegun(why.format(self._function.file))
        if said := self._judging.broken.get(self._function.file):
            return self._failed(said)
        try:
            if why := self._import():
                return self._broken(why)
        except GoneError as error:
            return self._failed(f"{error}.")
        attempts: list[Attempt] = []
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

    def _import(self) -> str:
        """Let the worker import the module, if need be without the student's others.

        Returns:
            Why it cannot be imported; "" if it can.
        """
        said = self._not_imported()
        if not said:
            return ""
        self._close()
        self._alone = True
        if self._not_imported():
            return said
        self._notes.append(ALONE.format(said))
        return ""

    def _not_imported(self) -> str:
        """Say why the module cannot be imported; once more if it takes too long."""
        for last in (self._alone, True):
            try:
                self._bench(self._draws[0])
            except BrokenError as error:
                return str(error)
            except EndedError as error:
                if last or error.reason != "time":
                    seconds = self._limits.start
                    return LOADING.format(self._said(error.reason, seconds))
            else:
                break
        return ""

    # How a function is tried

    def _attempts(self) -> Iterator[Attempt]:
        """Try one set-up after another; whoever asks stops when one is right."""
        own = self._confirmed_end(self._try("own"))
        yield own
        for way in self._exercise.narrow:
            yield self._try(way)
        if self._elsewhere is not None:
            # The reference cannot cross either; what exercises make up is there.
            if "stand-in" in self._exercise.ways and self._wrong_before():
                yield self._try("stand-in")
            return
        layers = self._references_of(self._judging.wrong_before(self._function))
        if layers:
            yield self._try("own", layers)
        # What is right in float32 is too coarse for a sum of many.
        before = self._references_of(self._judging.before(self._function))
        if before and before.keys() != layers.keys():
            yield self._try("own", before)
        if steps := self._wrong_steps():
            names = [f"{step}_{part}" for step in steps for part in _PARTS]
            yield self._try("own", layers | self._references_of(names), steps=steps)
        if before and not self._alone and self._takes_from_others():
            yield self._without_others(before)
        if self._exercise.caches is None or self._forward_is_right():
            return
        if step := _step_of(self._function):
            # With the cache of the student's own forward pass, and right outputs in it.
            right = self._references_of([f"{step}_forward"])
            yield self._try("own", right, steps=[step])
        if "stand-in" in self._exercise.ways:
            # With made-up steps it hangs on no state that the forward pass has left.
            yield self._try("stand-in")
        for chosen in ({}, layers) if layers else ({},):
            yield self._by_differences(chosen)
        for layout in self._layouts():
            yield self._try("sample", layers, layout)

    def _wrong_before(self) -> bool:
        wrong = self._judging.wrong_before(self._function)
        return any(name in wrong for name in self._exercise.replaced)

    def _wrong_steps(self) -> list[str]:
        """Return the steps of which a function is wrong, if this one is a sequence."""
        wrong = self._judging.wrong_before(self._function)
        names = [name for name in self._exercise.replaced if name in wrong]
        found = (name.rpartition("_")[0] for name in names)
        return [*dict.fromkeys(name for name in found if name.endswith("_step"))]

    def _takes_from_others(self) -> bool:
        """Tell whether the module takes names from others that were handed in."""
        givers = takers()[self._function.module]
        files = {f.file for f in functions() if f.module in givers}
        return bool(files & self._judging.submission.modules.keys())

    def _without_others(self, layers: Mapping[str, Callable[..., Any]]) -> Attempt:
        """Try the function with the given code of other files as it is handed out."""
        self._close()
        self._alone = True
        attempt = self._try("own", layers)
        attempt.notes.append(WITHOUT)
        self._close()
        self._alone = False
        return attempt

    def _try(
        self,
        way: str,
        layers: Mapping[str, Callable[..., Any]] | None = None,
        layout: str = "",
        steps: Sequence[str] = (),
    ) -> Attempt:
        """Try the function on all draws."""
        attempt = Attempt(way, dict(layers or {}), layout, steps=[*steps])
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

    def _look(self, attempt: Attempt, draw: Draw) -> Look:
        reference = self._references[draw]
        record = reference.of(attempt.way)
        if attempt.layout:
            record = replace(record, cache=reference.cache(attempt.layout))
        how = self._how(draw)
        try:
            bench = self._bench(draw, record)
        except (EndedError, BrokenError, GoneError) as error:
            return Look(attempt.way, error=error)
        attempt.bench = bench
        with bench.instead(*attempt.steps, **attempt.layers):
            look = look_at(bench, how, attempt.way)
        if isinstance(look.error, KeyboardInterrupt):
            raise look.error
        if not draw.single:
            for note in bench.remarks:
                if note not in attempt.notes:
                    attempt.notes.append(note)
        return look

    def _how(self, draw: Draw) -> Exercise:
        """Return the exercise with what may differ on these inputs."""
        within = widened(self._exercise, draw.single)
        return replace(self._exercise, within=within)

    def _confirmed_end(self, attempt: Attempt) -> Attempt:
        """Try once more what took too long: the machine may have been busy."""
        error = attempt.error
        if isinstance(error, EndedError) and error.reason == "time":
            return self._try(attempt.way, attempt.layers, attempt.layout)
        return attempt

    def _by_differences(self, layers: Mapping[str, Callable[..., Any]]) -> Attempt:
        """Compare gradients with finite differences of the student's forward pass."""
        attempt = Attempt("own", dict(layers))
        forward = forward_of(self._function)
        attempt.notes.append(agrees_with_wrong(forward))
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
            if pair is None or not confirm(*pair):
                attempt.wrong[name] = "is not the gradient of your forward pass"
        return attempt

    def _forward_is_right(self) -> bool:
        forward = forward_of(self._function)
        return any(
            standing.is_right
            for key, standing in self._judging.found.items()
            if key.endswith(f".{forward}")
        )

    def _layouts(self) -> Iterator[str]:
        """Yield the writings whose forward pass leaves a cache, each layout once."""
        yield "edit"
        forward = f"{self._function.module}.{forward_of(self._function)}"
        for name, writing in bank()[0].items():
            if forward in writing.bodies:
                yield name

    def _references_of(self, names: list[str]) -> dict[str, Callable[..., Any]]:
        """Return the reference's functions of these names."""
        found = {}
        near = {self._function.module, *takers()[self._function.module]}
        for f in functions():
            if f.qualname in names and f.module in near:
                found[f.qualname] = reference_function(f)
        return found

    # Workers

    def _bench(
        self, draw: Draw, record: Record | None = None, public: bool = False
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
        kind = RemoteBench if self._elsewhere is None else BenchElsewhere
        return kind(
            self._function,
            records,
            self._line,
            self._source,
            single=draw.single and not public,
            never=self._judging.never_end(self._function),
            small=None if public else draw.small,
        )

    def _open(self) -> None:
        self._close()
        self._started += 1
        if self._started > WORKERS:
            raise EndedError("exit")
        self._worker = worker = self._workers.enter_context(
            self._judging.worker(self._function, self._alone)
        )
        self._line = Line(worker, self._limits)

    def _close(self) -> None:
        self._workers.close()
        if self._worker is not None:
            self._judging.peak = max(self._judging.peak, self._worker.peak_bytes)
            self._judging.cpu += self._worker.cpu_seconds
        self._worker = self._line = None

    # What is said of it

    @cached_property
    def _code(self) -> str:
        return code_in(self._source, self._function.qualname)

    def _is_unbegun(self, attempt: Attempt) -> bool:
        bench = attempt.bench
        if bench is None:
            return False
        return is_unbegun(attempt.looks[-1], bench, self._exercise, self._code)

    def _done(self, attempt: Attempt, attempts: list[Attempt]) -> Standing:
        standing = Standing(is_right=True)
        notes = [*self._notes, *attempt.notes]
        if attempt.way in self._exercise.narrow:
            notes.insert(0, self._narrow(attempts[0], attempt.way))
        notes += self._lacking()
        if self._line is not None and self._line.names_gpu:
            from cs231n.tools.check.gpu import REMARK

            notes.append(REMARK)
        for entry in self._asked:
            standing.checks.append(self._check(entry, PASSED, remark="; ".join(notes)))
            notes = []
        if not attempt.layout:
            standing.checks += self._care(attempt)
        standing.gaps = self._gaps(attempt)
        standing.speed = self._speed(attempt)
        return standing

    def _lacking(self) -> list[str]:
        """Say once what other files lack that this function's module takes."""
        module = self._function.module
        if self._function != next(f for f in functions() if f.module == module):
            return []
        return [
            f"{file} lacks {listed(names)}, which it had when it was handed out, and "
            f"{self._function.file} takes from it: copy it back"
            for file, names in lacking(self._judging.submission.modules, module).items()
        ]

    def _speed(self, attempt: Attempt) -> str:
        """Say how fast the function is, if nothing took the place of another one."""
        alone = not (attempt.layers or attempt.layout or attempt.way != "own")
        line = self._line
        if not (alone and self._judging.timed and line is not None and line.alive):
            return ""
        if self._elsewhere is not None:
            return ""  # the exercise's own time is most of it
        return speed_class(self._function, self._exercise, line, self._source)

    def _narrow(self, failed: Attempt, way: str) -> str:
        title = self._exercise.narrow[way]
        return f"{title}: {self._explained(failed)[0]}"

    def _care(self, attempt: Attempt) -> list[Check]:
        """Try the function where care is needed."""
        draw = self._draws[0]
        right = self._references[draw].care
        stored = marks.records().functions[self._function.key].care
        checks = []
        for entry in (e for e in self._entries if e.tier == CARE):
            failed, facts = [], []
            for case, run in self._exercise.care[entry.name].items():
                hidden = self._bench(draw)
                with hidden.instead(*attempt.steps, **attempt.layers):
                    fact = lacks_care(hidden, run, right[entry.name][case])
                if not fact:
                    continue
                public = self._bench(draw, public=True)
                with public.instead(*attempt.steps, **attempt.layers):
                    facts.append(lacks_care(public, run, stored[entry.name][case]))
                failed.append(case)
            where = f" ({listed(failed)})" if any(failed) else ""
            fact = next(filter(None, facts), "")
            said = f"{entry.name}{where}" + (f": {fact}" if fact else ".")
            state = FAILED if failed else PASSED
            checks.append(self._check(entry, state, said if failed else ""))
        return checks

    def _wrong(self, attempts: list[Attempt]) -> Standing:
        """Give the points of what is right, and say what is wrong."""
        best = max(attempts, key=self._share)  # the first one of the best
        standing = Standing()
        if isinstance(attempts[0].error, EndedError):
            standing.ended = attempts[0].error.reason
        said, named = self._explained(best)
        hidden = self._hidden(best)
        for entry in self._asked:
            if best.passes(entry):
                standing.checks.append(self._check(entry, PASSED))
            else:
                standing.checks.append(self._check(entry, FAILED, said, named, hidden))
        standing.gaps = self._gaps(best)
        return standing

    def _gaps(self, attempt: Attempt) -> dict[str, tuple[float, float]]:
        """Return how far results are from what is right, over what is allowed."""
        found: dict[str, tuple[float, float]] = {}
        for draw, look in zip(self._draws, attempt.looks, strict=False):
            how, right = self._how(draw), self._references[draw].of(attempt.way).right
            for name, accepted in right.get(attempt.way, right["own"]).items():
                if name not in look.marks:  # compared with finite differences
                    continue
                off = min(gap(look.marks[name], m) for m in accepted)
                over = off / how.limit(name)
                double, single = found.get(name, (0.0, 0.0))
                if draw.single:
                    single = max(single, over)
                else:
                    double = max(double, over)
                found[name] = double, single
        return found

    def _share(self, attempt: Attempt) -> float:
        return sum(entry.share for entry in self._asked if attempt.passes(entry))

    def _explained(self, attempt: Attempt) -> tuple[str, tuple[str, ...]]:
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
        with bench.instead(*attempt.steps, **attempt.layers):
            look = look_at(bench, self._exercise, way)
            if isinstance(look.error, EndedError):
                return self._said(look.error.reason), ()
            if not look.is_right:
                verdict = explain([look], bench, self._exercise)
                return verdict.message, tuple(verdict.named)
        if error is not None:
            return FAILS_ELSEWHERE, ()
        return f"{listed(list(attempt.wrong))} {ELSEWHERE}.", ()

    def _hidden(self, attempt: Attempt) -> str:
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

    def _said(self, reason: str, seconds: float = 0.0) -> str:
        said = SAID.get(reason, SAID["protocol"])
        return said.format(seconds=seconds or self._limits.call)

    def _broken(self, said: str) -> Standing:
        self._judging.broken[self._function.file] = said
        return self._failed(said)

    def _failed(self, said: str) -> Standing:
        return Standing([self._check(entry, FAILED, said) for entry in self._asked])

    def _unbegun(self, said: str = "") -> Standing:
        return Standing([self._check(entry, UNBEGUN, said) for entry in self._asked])

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


def forward_of(function: Function) -> str:
    """Return the forward pass of a backward one, "" of any other."""
    stem, _, part = function.qualname.rpartition("_")
    return f"{stem}_forward" if part == "backward" else ""
