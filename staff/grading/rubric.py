"""What each check is worth, read from ``rubric.toml`` and made by rule otherwise."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from cs231n.assignment.table import Function, Question, functions, questions
from cs231n.tools.check import marks
from staff.grading.results import ASKED, CARE

FILE = Path(__file__).with_name("rubric.toml")


@dataclass(frozen=True)
class Entry:
    """One check of a function.

    Attributes:
        name: What is looked at.
        tier: ``ASKED`` or ``CARE``.
        share: Its part of the function's points.
        outputs: Names of the exercise's results that it looks at, if it is asked.
        withdrawn: Why it does not count; "" if it does.
    """

    name: str
    tier: str
    share: float
    outputs: tuple[str, ...] = ()
    withdrawn: str = ""


class RubricError(ValueError):
    """The table of checks is not as it should be."""


class Rubric:
    """The table of checks.

    Attributes:
        version: Of its form.
        draws: Fresh inputs for each function in the usual precision.
        digest: SHA-256 of all that decides points.
    """

    def __init__(self, text: str) -> None:
        """Read a table.

        Args:
            text: As ``rubric.toml``.

        Raises:
            RubricError: If it names what is not there, or shares do not add up.
        """
        try:
            table = tomllib.loads(text)
            self.version: int = table["version"]
            self.draws: int = table["draws"]
            self._cases: list[str] = table["cases"]
            self._rows: dict[str, dict[str, Any]] = table["functions"]
            self._withdrawn: dict[str, str] = table["withdrawn"]
        except (tomllib.TOMLDecodeError, KeyError) as error:
            raise RubricError(f"rubric.toml: {error}") from None
        names = {n for f in functions() for n in _names(f)}
        if unknown := [name for name in self._rows if name not in names]:
            raise RubricError(
                f"rubric.toml speaks of {unknown[0]}, which no table of questions has; "
                "write a function's short name or its key."
            )
        ids = {f"{f.key}/{e.name}" for f in functions() for e in self.entries(f)}
        if unknown := [name for name in self._withdrawn if name not in ids]:
            raise RubricError(
                f"rubric.toml withdraws {unknown[0]}, which is no check; checks are "
                "called by a function's key, a slash and their name."
            )
        self.digest = self._digest()

    @property
    def withdrawn(self) -> dict[str, str]:
        """Ids of checks that do not count -> why."""
        return dict(self._withdrawn)

    def single(self, function: Function) -> bool:
        """Tell whether a function is also tried in float32."""
        return not function.framework and bool(self._row(function).get("single", True))

    def entries(self, function: Function) -> tuple[Entry, ...]:
        """Return the checks of a function, whose shares add up to 1."""
        record = marks.records().functions[function.key]
        row = self._row(function)
        care: Mapping[str, float] = row.get("care", {})
        if unknown := [title for title in care if title not in record.care]:
            raise RubricError(f"{function.key} has no check {unknown[0]!r} of care.")
        outputs: dict[str, list[str]] = {}
        for name in record.right["own"]:
            outputs.setdefault(self._base(name), []).append(name)
        left = 1 - sum(care.values())
        shares = _shares(function, list(outputs), row.get("shares", {"*": 1}))

        def entry(name: str, tier: str, share: float, of: list[str]) -> Entry:
            why = self._withdrawn.get(f"{function.key}/{name}", "")
            return Entry(name, tier, share, tuple(of), why)

        return (
            *(entry(n, ASKED, left * shares[n], of) for n, of in outputs.items()),
            *(entry(title, CARE, care.get(title, 0.0), []) for title in record.care),
        )

    def _row(self, function: Function) -> dict[str, Any]:
        found = [self._rows[name] for name in _names(function) if name in self._rows]
        return found[0] if found else {}

    def _base(self, name: str) -> str:
        for case in self._cases:
            name = name.removesuffix(case)
        return name

    def _digest(self) -> str:
        points = [
            [f.key, q.shared, q.worth(f, edition), e.name, e.tier, e.share, e.withdrawn]
            for q in questions()
            for edition in q.shared
            for f in q.functions
            for e in self.entries(f)
        ]
        single = [f.key for f in functions() if self.single(f)]
        whole = [self.version, self.draws, single, points]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def _names(function: Function) -> tuple[str, ...]:
    """Return what a row may call a function, the most exact one first."""
    short = function.qualname
    return function.key, function.name, function.short, short


def _shares(
    function: Function, names: list[str], wanted: Mapping[str, float]
) -> dict[str, float]:
    """Return each check's share, from those of patterns."""
    fitting: dict[str, list[str]] = {pattern: [] for pattern in wanted}
    for name in names:
        for pattern, found in fitting.items():
            if fnmatchcase(name, pattern):
                found.append(name)
                break
        else:
            raise RubricError(f"{function.key}: {name!r} has no share of the points.")
    if empty := [pattern for pattern, found in fitting.items() if not found]:
        raise RubricError(f"{function.key}: no check fits {empty[0]!r}.")
    total = sum(wanted.values())
    if abs(total - 1) > 1e-9:
        raise RubricError(f"{function.key}: shares add up to {total}, not to 1.")
    return {n: wanted[p] / len(found) for p, found in fitting.items() for n in found}


@cache
def rubric() -> Rubric:
    """Return the table as it stands."""
    return Rubric(FILE.read_text("utf-8"))


def edition_questions(edition: str) -> tuple[Question, ...]:
    """Return the questions of a set, in the order of the table.

    Args:
        edition: The set's name.
    """
    return tuple(q for q in questions() if edition in q.points)
