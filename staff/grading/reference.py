"""What is right for fresh inputs: the reference, run on the judge's side."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cs231n.assignment.table import Function
from cs231n.tools.check.bench import ASIDE, Bench, Exercise, find
from cs231n.tools.check.exercises import exercise as find_exercise
from cs231n.tools.check.marks import (
    Accepted,
    Array,
    Mark,
    Record,
    Records,
    Results,
    mark,
)
from staff.grading.inside import FreshBench
from staff.mistakes.bank import Answers, answers_of, bank, shown_by
from staff.mistakes.writings import rewritten

# Relative, of float32: its rounding grows over a sequence. Right answers in all
# writings reached 1.7e-4 with 500 seeds (`python -m staff margins`). What is wrong
# shows in float64, where the allowed error is that of the texts.
SINGLE = 2e-3
# Relative, of float64: results that were rounded to float32 at last are within 1e-7
# number by number, as notebooks compare them. Marks compare random sums of all numbers,
# and where the sum of right ones happens to be small, rounding weighs more.
ROUNDED, OF_THOSE_FROM = 1e-6, 1e-7
CLOSE = 1e-6  # of a gradient from finite differences


@dataclass(frozen=True)
class Draw:
    """One choice of fresh inputs.

    Attributes:
        seed: Draws them.
        small: Whether they are smaller than the public ones, or larger.
        single: Whether they are handed over in float32.
    """

    seed: int
    small: bool = False
    single: bool = False


class Reference:
    """What is right for one draw of a function's inputs."""

    def __init__(self, function: Function, draw: Draw, how: Exercise | None = None):
        """Compute nothing yet.

        Args:
            function: Its row in the table.
            draw: Which inputs.
            how: The function's exercise, as ``exercises`` has it by default.
        """
        self._function, self._draw = function, draw
        self._exercise = how or find_exercise(function.key)
        self._others: dict[str, Accepted] = {}

    @cached_property
    def record(self) -> Record:
        """What is right in the way "own"."""
        suits = self._exercise.suits
        for draw in range(1000):
            found = self._results(draw, "own")
            if suits is None or suits(found[0]):
                return Record({"own": marks_of(found)}, draw=draw)
        raise RuntimeError(f"{self._function.key}: no draw shows all it should.")

    def of(self, way: str) -> Record:
        """Return what is right in a way."""
        record = self.record
        if way != "stand-in" and way not in self._exercise.narrow:
            return record
        if way not in self._others:
            self._others[way] = marks_of(self._results(record.draw, way))
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
        shown = shown_by(name, self._exercise, way)
        for answers in (shown, *(answers_of(name, other) for other in others)):
            with rewritten(*answers):
                found.append(self._exercise.run(self._bench(draw), way))
        return found

    def _bench(self, draw: int) -> Bench:
        key = self._function.key
        records = Records(self._draw.seed, {key: Record({}, draw=draw)})
        return FreshBench(self._function, records, self._draw.small)


def marks_of(found: list[Results]) -> Accepted:
    """Return the marks of right results, of which there may be several."""
    return {
        name: tuple(mark(name, results[name]) for results in found)
        for name in found[0]
        if not name.startswith(ASIDE)
    }


def reference_function(function: Function) -> Callable[..., Any]:
    """Return the reference's function, which may not change what it is given."""
    ours: Callable[..., Any] = find(
        importlib.import_module(function.module), function.qualname
    )
    return ours


def widened(how: Exercise, single: bool) -> dict[str, float]:
    """Return what may differ where inputs are drawn afresh.

    Args:
        how: The exercise, with what may differ where inputs are the public ones.
        single: Whether inputs are float32.
    """

    def wide(limit: float) -> float:
        if single:
            return max(limit, SINGLE)
        return max(limit, ROUNDED) if limit >= OF_THOSE_FROM else limit

    within = how.within if isinstance(how.within, Mapping) else {"": how.within}
    return {name: wide(limit) for name, limit in within.items()}


def confirm(result: Array, numeric: Array) -> bool:
    """Tell whether a gradient is that of finite differences, and not zero."""
    size = float(np.linalg.norm(numeric))
    return (
        result.shape == numeric.shape
        and size > CLOSE
        and float(np.linalg.norm(result - numeric)) < CLOSE * size
    )


def gap(found: Mark, wanted: Mark) -> float:
    """Return how far marks are apart, relative to their size.

    Args:
        found: A mark.
        wanted: The mark it should be.

    Returns:
        The difference; infinite if they cannot be compared.
    """
    if found.shape != wanted.shape or not np.isfinite(found.along).all():
        return float("inf")
    off = np.abs(np.subtract(found.along, wanted.along)).max(initial=0)
    return float(off / max(wanted.size, 1e-12))
