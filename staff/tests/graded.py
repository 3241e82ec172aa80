"""What tests of the grader share: a package without answers, and servers for it."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

from cs231n.assignment.table import functions, questions
from staff.grading.judge import Judging, judge
from staff.grading.local import LocalServer
from staff.grading.results import ASKED, CARE, PASSED, Judged
from staff.grading.submission import Submission
from staff.handout.files import package
from staff.mistakes.bank import answers_with
from staff.mistakes.writings import sources
from staff.questions import ROOT
from staff.questions import questions as table
from staff.tests.asked import FUNCTIONS

SECRET = b"a course's secret"
EXPECTED = "cs231n/tools/check/fingerprints.json"  # no worker's business


@cache
def handout() -> dict[str, str]:
    """Return the package as it is handed out: path -> text."""
    files = package(ROOT, table())
    return {name: text.decode() for name, text in files.items() if name != EXPECTED}


def solved() -> dict[str, str]:
    """Return the students' modules with all answers, but for TensorFlow's."""
    files = dict.fromkeys(f.file for f in FUNCTIONS.values())
    return {file: (ROOT / file).read_text("utf-8") for file in files}


def stubs() -> dict[str, str]:
    """Return the students' modules as they are handed out."""
    return {f.file: handout()[f.file] for f in functions()}


class Grader:
    """Judges modules with workers that have no isolation."""

    def __init__(self, folder: Path) -> None:
        """Write the package.

        Args:
            folder: An empty one.
        """
        self._folder = folder
        self._servers: dict[str, LocalServer] = {}
        for name, text in handout().items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")

    def server(self, framework: str) -> LocalServer:
        """Return what starts workers."""
        if framework not in self._servers:
            self._servers[framework] = LocalServer(self._folder, framework)
        return self._servers[framework]

    def judge(
        self,
        modules: Mapping[str, str],
        edition: str = "2017",
        only: Collection[str] = (),
        secret: bytes = SECRET,
        timed: bool = False,
        **more: object,
    ) -> Judged:
        """Judge modules: path -> text; the time that they take only if asked to."""
        handed_in = Submission("a", "2017 assignment3.zip", edition, modules)
        with patch.object(Judging, "timed", timed):
            return judge(handed_in, secret, self.server, only=only, **more)  # type: ignore[arg-type]

    def close(self) -> None:
        """End all processes."""
        for server in self._servers.values():
            server.__exit__()


@contextmanager
def grader(folder: Path) -> Iterator[Grader]:
    """Judge for a while."""
    made = Grader(folder)
    try:
        yield made
    finally:
        made.close()


def neighbours(key: str) -> list[str]:
    """Return the functions that may suffer from a mistake in one, itself included."""
    home = next(q for q in questions() if key in {f.key for f in q.functions})
    if home.id in {"Q1", "Q2"}:
        return [f.key for q in questions() if q.id in {"Q1", "Q2"} for f in q.functions]
    if home.id == "Q4":  # the others' functions do not call each other
        return [f.key for f in home.functions]
    return [key]


def with_slip(slip, writing: str) -> dict[str, str]:
    """Return the solved modules with a mistake of the bank in them."""
    changed = sources(*answers_with(slip, writing))
    return solved() | {f"{n.replace('.', '/')}.py": text for n, text in changed.items()}


def lost(judged: Judged) -> dict[str, float]:
    """Return the functions that lost points, and how many."""
    found: dict[str, float] = {}
    for check in judged.checks:
        if check.tier == ASKED and check.state != PASSED:
            found[check.function] = found.get(check.function, 0) + check.of
    return found


def remarks(judged: Judged, name: str) -> list[str]:
    """Return what is remarked of a function."""
    return [
        text
        for check in judged.checks
        if check.function.partition(":")[0] == name
        for text in (check.remark, check.reason if check.tier == CARE else "")
        if text
    ]
