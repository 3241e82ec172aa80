"""The facts of a run: what became of data, notebooks, cells and checks."""

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
class Outcome:
    """What became of one job, be it a notebook or data that are prepared.

    ``status`` is one of ``waiting``, ``running``, ``not run``, ``passed``, ``failed``,
    ``stopped``. A notebook is stopped when its later cells had no chance. ``reason``
    says why a job was stopped, or not run, or what data failed by.
    """

    name: str
    title: str
    status: str = "waiting"
    reason: str = ""
    seconds: float = 0.0
    megabytes: int = 0
    """The peak memory of its processes together, as seen once a second."""


@dataclass
class Result(Outcome):
    """What became of one notebook."""

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
    """All jobs of one run, and the circumstances.

    ``complete`` says that each job ran that could; a run that is neither ``running``
    nor ``complete`` was interrupted.
    """

    profile: str
    results: list[Result]
    data: list[Outcome] = field(default_factory=list)
    running: bool = False
    complete: bool = False
    seconds: float = 0.0
    jobs: int = 1
    threads: int = 1
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all notebooks ran to their ends and nothing has a complaint."""
        return self.complete and all(o.status == "passed" for o in self.outcomes)

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of each job: of data first, then of notebooks."""
        return [*self.data, *self.results]

    def named(self, *statuses: str) -> list[str]:
        """Return the names of the jobs that have one of these statuses."""
        return [o.name for o in self.outcomes if o.status in statuses]

    def facts(self) -> dict[str, Any]:
        """Return what ``report.json`` holds."""
        return {
            "passed": self.passed,
            "running": self.running,
            "complete": self.complete,
            "profile": self.profile,
            "seconds": round(self.seconds, 3),
            "jobs": self.jobs,
            "threads": self.threads,
            "versions": self.versions,
            "data": [asdict(outcome) for outcome in self.data],
            "notebooks": [asdict(result) for result in self.results],
        }
