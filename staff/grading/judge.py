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
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager

import numpy as np

from cs231n.assignment.table import (
    FRAMEWORKS,
    Function,
    Question,
    functions,
    installed,
)
from cs231n.assignment.table import ways as question_ways
from cs231n.tools.check.begun import is_begun
from staff.grading.lacking import completed
from staff.grading.reference import Draw
from staff.grading.remote import Limits, Worker
from staff.grading.results import Check, Judged
from staff.grading.rubric import Rubric, edition_questions
from staff.grading.rubric import rubric as current_rubric
from staff.grading.submission import Submission
from staff.grading.trial import Server, Standing, Trial, forward_of
from staff.mistakes.writings import takers


def judge(
    submission: Submission,
    secret: bytes,
    server_for: Callable[[str], Server],
    rubric: Rubric | None = None,
    limits: Limits | None = None,
    only: Collection[str] = (),
) -> Judged:
    """Try out the functions of a submission's edition.

    Args:
        submission: What was handed in.
        secret: The course's; it draws the inputs, with the submission's digest.
        server_for: Takes the framework that is needed, returns what starts workers.
        rubric: What checks are worth; that of ``rubric.toml`` by default.
        limits: How long a worker may take.
        only: Keys of functions that matter; all of them by default.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        judging = Judging(
            submission, secret, server_for, rubric or current_rubric(), limits
        )
        return judging.all(only)


class MissingFrameworkError(RuntimeError):
    """A submission needs what is not installed here, so that it would lose points."""

    def __init__(self, question: Question) -> None:
        """Say what is missing.

        Args:
            question: What was done in it.
        """
        name = FRAMEWORKS[question.framework]
        super().__init__(
            f"{question.graded_as} was done in {name}, which is not installed where "
            f"the grader runs: grade it with a Python that has {name}."
        )


class Judging:
    """The judging of one submission.

    Attributes:
        submission: What was handed in.
        rubric: What checks are worth.
        limits: How long a worker may take.
        found: Key -> what was found of the functions so far.
        broken: File -> why it cannot be imported, of those that cannot.
        isolation: The level at which workers run.
        peak: The largest memory that one of them had, in bytes.
        cpu: How long they computed, in seconds.
        timed: Whether functions that are right are timed.
    """

    timed = True

    def __init__(
        self,
        submission: Submission,
        secret: bytes,
        server_for: Callable[[str], Server],
        rubric: Rubric,
        limits: Limits | None,
    ) -> None:
        """Take what ``judge`` takes."""
        self.submission, self._secret = submission, secret
        self._server_for, self.rubric = server_for, rubric
        self.limits = limits or Limits()
        self.found: dict[str, Standing] = {}
        self.broken: dict[str, str] = {}  # file -> why it cannot be imported
        self.isolation, self.peak, self.cpu = "", 0, 0.0

    def all(self, only: Collection[str] = ()) -> Judged:
        """Try out all functions, or those of these keys alone."""
        checks: list[Check] = []
        counted: dict[str, str] = {}
        remarks: dict[str, str] = {}
        for question in edition_questions(self.submission.edition):
            done = {way.id: self._judged(way, only) for way in self._ways(question)}
            earned = {id: sum(c.points for c in done[id]) for id in done}
            best = max(done, key=lambda id: earned[id])  # of equals the first
            checks += done[best]
            if len(question_ways(question)) > 1 and done[best]:
                counted[question.id] = best
                lost = sum(c.of for c in done[best]) - earned[best]
                if said := self._remark(question, earned, lost):
                    remarks[question.id] = said
        return Judged(
            tuple(checks),
            self.isolation,
            {key: s.seconds for key, s in self.found.items()},
            {key: s.speed for key, s in self.found.items() if s.speed},
            self.peak,
            tuple(key for key, s in self.found.items() if s.ended == "time"),
            self.cpu,
            counted,
            remarks,
        )

    def _judged(self, question: Question, only: Collection[str]) -> list[Check]:
        """Try out a question's functions, all or those of these keys."""
        checks: list[Check] = []
        for f in question.functions:
            if only and f.key not in only:
                continue
            start = time.perf_counter()
            worth = question.worth(f, self.submission.edition)
            with Trial(self, f, worth) as trial:
                standing = trial.judge()
            standing.seconds = time.perf_counter() - start
            self.found[f.key] = standing
            checks += standing.checks
        return checks

    def _ways(self, question: Question) -> list[Question]:
        """Return the ways in which a question was done and can be judged here."""
        begun = [way for way in question_ways(question) if self._is_begun(way)]
        here = [way for way in begun if not way.instead_of or installed(way.framework)]
        if begun and not here:
            raise MissingFrameworkError(begun[0])
        return here or [question]

    def _is_begun(self, question: Question) -> bool:
        texts = self.submission.modules
        return any(
            is_begun(texts.get(f.file, ""), f.qualname) for f in question.functions
        )

    def _remark(
        self, question: Question, earned: Mapping[str, float], lost: float
    ) -> str:
        """Say which way counts, if there are several.

        Args:
            question: The question.
            earned: What each way earns that was tried.
            lost: What the best of them does not earn.

        Raises:
            MissingFrameworkError: If one that cannot be judged here might be better.
        """
        for way in question_ways(question):
            if way.id in earned or not self._is_begun(way):
                continue
            if lost > 1e-9:
                raise MissingFrameworkError(way)
            return (
                f"{question.id} was also begun in {FRAMEWORKS[way.framework]}, which "
                "was not tried: there is no point left to earn."
            )
        if len(earned) > 1:
            said = " and ".join(f"{points:g} as {id}" for id, points in earned.items())
            return f"{question.id} earns {said}: the better one counts."
        return ""

    def draws(self, function: Function) -> list[Draw]:
        """Return the fresh inputs of a function."""
        count = self.rubric.draws
        draws = [Draw(self._seed(function, k), small=k % 2 == 1) for k in range(count)]
        if self.rubric.single(function):
            draws.append(Draw(self._seed(function, count), single=True))
        return draws

    def _seed(self, function: Function, draw: int) -> int:
        text = f"{self.submission.digest}|{function.key}|{draw}"
        made = hmac.new(self._secret, text.encode(), hashlib.sha256).digest()
        return int.from_bytes(made[:4], "little") % 2**31

    def server_of(self, function: Function) -> Server:
        """Return what starts workers that have what a function needs."""
        return self._server_for(function.framework)

    def worker(
        self, function: Function, alone: bool = False
    ) -> AbstractContextManager[Worker]:
        """Start a worker for a function.

        Args:
            function: Its row in the table.
            alone: Whether other files of the table are left as they are handed out.
        """
        left = {f.file for f in functions()} if alone else self.broken.keys()
        server = self.server_of(function)
        self.isolation = server.level
        modules = {
            name: text
            for name, text in self.submission.modules.items()
            if name not in left or name == function.file
        }
        modules = completed(modules, function.module)
        worker: AbstractContextManager[Worker] = server.worker(modules)
        return worker

    def wrong_before(self, function: Function) -> list[str]:
        """Return the earlier functions that are not right, each with its partner."""
        before = self.before(function)
        near = self._near(function)
        wrong = {
            f.qualname
            for f in functions()
            if f.key in self.found
            and f.module in near
            and not self.found[f.key].is_right
        }
        return [name for name in before if {name, _partner(name)} & wrong]

    def before(self, function: Function) -> list[str]:
        """Return the earlier functions that this one may call, with their partners."""
        near = self._near(function)
        names = [
            f.qualname
            for f in functions()
            if f.key in self.found and f.module in near and "." not in f.qualname
        ]
        own = {function.qualname, forward_of(function)}
        known = {f.qualname for f in functions()}
        both = {name for n in names for name in (n, _partner(n))}
        return sorted((both & known) - own)

    def _near(self, function: Function) -> set[str]:
        """Return the modules whose functions a function may call."""
        return {function.module, *takers()[function.module]}

    def never_end(self, function: Function) -> list[str]:
        """Return the other functions that must not be called."""
        return sorted(
            f.qualname
            for f in functions()
            if f.key in self.found and self.found[f.key].ended and f != function
        )


def _partner(name: str) -> str:
    """Return the backward pass of a forward one, and the other way round."""
    stem, _, part = name.rpartition("_")
    return f"{stem}_{'backward' if part == 'forward' else 'forward'}"
