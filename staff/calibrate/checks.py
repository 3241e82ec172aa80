"""The table of measurements, and what their lines say about a check's threshold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cs231n.support.files import table_of
from staff.calibrate import gans
from staff.calibrate.sections import Sections

Line = dict[str, Any]

ENOUGH_SEEDS = 1500
"""So many seeds, none of which fails, say as much as four standard deviations."""
DEVIATIONS = 4


@dataclass(frozen=True)
class Check:
    """How the luck of a notebook's checks is measured.

    Attributes:
        measure: Makes a line of each seed it is given.
        together: How many seeds at once.
        rate: How often checks fail, of the lines; None counts numbers beyond limits.
    """

    measure: Callable[[list[int]], list[Line]]
    together: int = 1
    rate: Callable[[list[Line]], float] | None = None

    def failures(self, lines: list[Line]) -> float:
        """Return the share of failures that the lines stand for."""
        if self.rate is not None:
            return self.rate(lines)
        return share_of_failures(lines)


@dataclass(frozen=True)
class Spread:
    """What right code does with one number that has a limit.

    Attributes:
        name: The check and the number.
        seeds: How many were run.
        mean: Of the number.
        deviation: Its standard deviation.
        worst: The largest one where small numbers pass, or the other way round.
        relation: ``<`` or ``>=``.
        limit: The threshold.
        failures: How many seeds are beyond it.
    """

    name: str
    seeds: int
    mean: float
    deviation: float
    worst: float
    relation: str
    limit: float
    failures: int

    @property
    def distance(self) -> float:
        """How many standard deviations the limit is away from the mean."""
        gap = self.limit - self.mean if self.relation == "<" else self.mean - self.limit
        if self.deviation == 0:
            return float("inf") if self.failures == 0 else 0.0
        return gap / self.deviation

    @property
    def is_safe(self) -> bool:
        """Whether the limit is far enough away, or was never reached often enough."""
        if self.failures:
            return False
        return self.distance >= DEVIATIONS or self.seeds >= ENOUGH_SEEDS

    def __str__(self) -> str:
        """Return a row of the command's table."""
        distance = "" if np.isinf(self.distance) else f", {self.distance:.1f} sd away"
        return (
            f"{self.name}: {self.mean:.4g} ± {self.deviation:.2g}, worst "
            f"{self.worst:.4g} of {self.seeds}; {self.relation} {self.limit:g}"
            f"{distance}, {self.failures} beyond it"
        )


def spreads(lines: list[Line]) -> list[Spread]:
    """Sum up every number that has a limit, with the limits of the last line.

    Args:
        lines: What ``Sections`` makes.
    """
    found = []
    for name, entry in lines[-1].items():
        if not _is_number_with_limit(entry):
            continue
        _, relation, limit = entry
        values = np.array([line[name][0] for line in lines if name in line])
        passes = values < limit if relation == "<" else values >= limit
        found.append(
            Spread(
                name=name,
                seeds=len(values),
                mean=float(values.mean()),
                deviation=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
                worst=float(values.max() if relation == "<" else values.min()),
                relation=relation,
                limit=limit,
                failures=int((~passes).sum()),
            )
        )
    return found


def share_of_failures(lines: list[Line]) -> float:
    """Return the share of seeds with which a number is beyond its limit.

    Args:
        lines: What ``Sections`` makes.
    """
    limits = {k: v for k, v in lines[-1].items() if _is_number_with_limit(v)}

    def fails(line: Line) -> bool:
        return any(
            not (line[name][0] < limit if relation == "<" else line[name][0] >= limit)
            for name, (_, relation, limit) in limits.items()
            if name in line
        )

    return sum(map(fails, lines)) / len(lines)


def _is_number_with_limit(entry: object) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 3 and entry[1] in "<>="


def _sections(notebook: str, titles: list[str], without: list[str]) -> Sections:
    return Sections(notebook, tuple(titles), tuple(without))


CHECKS = {name: Check(_sections(**row)) for name, row in table_of(__file__).items()} | {
    "gans": Check(gans.measure_gans, 1, gans.failures_of_gans),
    # Ten runs of the study are trained side by side.
    "study": Check(gans.measure_study, 10, gans.failures_of_study),
    "classifier": Check(gans.measure_classifier, 1, gans.failures_of_classifier),
}
"""Name on the command line -> measurement."""
