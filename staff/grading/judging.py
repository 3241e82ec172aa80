"""The judge of one process: a package without answers, servers that fork workers."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from staff.grading.jobs import Judge
from staff.grading.judge import judge
from staff.grading.results import Judged
from staff.grading.sandbox.workers import Server
from staff.grading.submission import Submission
from staff.handout import archive
from staff.handout.files import collect
from staff.questions import ROOT, questions

_PACKAGE = "cs231n/"
_EXPECTED = "cs231n/tools/check/fingerprints.json"  # no worker's business


def package(folder: Path) -> None:
    """Write what workers import: the package as students get it.

    Args:
        folder: An empty one.
    """
    files = collect(ROOT, questions())
    archive.write(
        {
            name: content
            for name, content in files.items()
            if name.startswith(_PACKAGE) and name != _EXPECTED
        },
        folder,
    )


@contextmanager
def judging(level: str) -> Iterator[Judge]:
    """Yield what judges one submission after another.

    Servers are started when the first function needs them, and stay warm.

    Args:
        level: The level of isolation.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory("-package")))
        package(folder)
        servers: dict[bool, Server] = {}

        def server_for(torch: bool) -> Server:
            if torch not in servers:
                server = Server(folder, level=level, torch=torch)
                servers[torch] = stack.enter_context(server)
            return servers[torch]

        def judged(submission: Submission, secret: bytes) -> Judged:
            return judge(submission, secret, server_for)

        yield judged
