"""The judge of one process: a package without answers, servers that fork workers."""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from cs231n.assignment.table import functions
from staff.grading.jobs import Judge
from staff.grading.judge import judge
from staff.grading.results import Judged
from staff.grading.sandbox.workers import Server, prefix
from staff.grading.submission import Submission
from staff.handout import archive, files
from staff.mistakes.writings import takers
from staff.questions import ROOT, Question, questions

_EXPECTED = "cs231n/tools/check/fingerprints.json"  # no worker's business


def package(folder: Path) -> None:
    """Write what workers import: the package as students get it.

    Args:
        folder: An empty one.
    """
    content = files.package(ROOT, questions())
    del content[_EXPECTED]
    archive.write(content, folder)


def _with_those_before(asked: Collection[Question]) -> set[str]:
    """Return keys of the questions' functions, and of those that they build on.

    Where those are wrong the reference takes their place, which has to be known.
    """
    found = set()
    for question in asked:
        own = question.functions
        near = {m for f in own for m in (f.module, *takers()[f.module])}
        before = functions()[: functions().index(own[-1]) + 1]
        found |= {f.key for f in before if f.module in near}
    return found


@contextmanager
def judging(level: str, only: tuple[str, ...] = ()) -> Iterator[Judge]:
    """Yield what judges one submission after another.

    Servers are started when the first function needs them, and stay warm.

    Args:
        level: The level of isolation.
        only: Ids of the questions whose checks are wanted; none if it is all of them.
    """
    asked = [question for question in questions() if question.graded_as in only]
    keys = {f.key for question in asked for f in question.functions}
    tried = _with_those_before(asked)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix())))
        package(folder)
        servers: dict[str, Server] = {}

        def server_for(framework: str) -> Server:
            if framework not in servers:
                server = Server(folder, level=level, framework=framework)
                servers[framework] = stack.enter_context(server)
            return servers[framework]

        def judged(submission: Submission, secret: bytes) -> Judged:
            found = judge(submission, secret, server_for, only=tried)
            if not only:
                return found
            wanted = tuple(c for c in found.checks if c.function in keys)
            return replace(found, checks=wanted)

        yield judged
