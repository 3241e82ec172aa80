"""The facts of a run: what became of its notebooks, their cells and checks."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Cell:
    """One code cell: where it is, what it is called, how it went.

    ``status`` is one of ``ok``, ``warned``, ``failed``, ``not run``.
    """

    index: int
    number: int
    label: str
    seconds: float | None = None
    status: str = "not run"


@dataclass
class Check:
    """One number that a notebook compared with its threshold."""

    name: str
    error: float | None
    threshold: float | None
    relation: str
    passed: bool
    cell: int


@dataclass
class Result:
    """What became of one notebook.

    ``status`` is one of ``not run``, ``passed``, ``failed``, ``stopped``; a notebook is
    stopped when its later cells had no chance, and ``reason`` then says why.
    """

    name: str
    title: str
    status: str = "not run"
    reason: str = ""
    seconds: float = 0.0
    cells: list[Cell] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    figures: int = 0
    figures_without_alt: int = 0

    @property
    def failures(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]


@dataclass
class Run:
    """All notebooks of one run, and the circumstances."""

    profile: str
    results: list[Result]
    complete: bool = False
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all notebooks ran to their ends and none has a complaint."""
        return self.complete and all(r.status == "passed" for r in self.results)

    def facts(self) -> dict[str, Any]:
        """Return what ``report.json`` holds."""
        return {
            "passed": self.passed,
            "complete": self.complete,
            "profile": self.profile,
            "seconds": round(sum(result.seconds for result in self.results), 3),
            "versions": self.versions,
            "notebooks": [asdict(result) for result in self.results],
        }
