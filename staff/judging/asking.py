"""Ask the driver, a program of its own in a copy of a tree, for one judgement each."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cs231n.support.progress import progress_bar

DRIVER = Path(__file__).with_name("driver.py")


class AskingError(Exception):
    """The driver gives no answer."""


def environment(data: Path, **more: str) -> dict[str, str]:
    """Return what programs are run with in a copy: one thread, nothing of ours.

    Args:
        data: The data folder.
        **more: Further variables.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "CS231N_", "PYTHON"))
    }
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    )
    ours = {
        "CS231N_DATA_DIR": os.environ.get("CS231N_DATA_DIR") or str(data),
        "CS231N_DEVICE": "cpu",
        "CS231N_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    return kept | threads | ours | more


def run_python(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python to its end, and keep what it says.

    Args:
        *arguments: Its command line.
        cwd: The working directory.
        env: Environment variables; our own if it is None.
    """
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@contextmanager
def copied(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Yield a folder that holds some files, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="cs231n-") as name:
        for path, content in files.items():
            target = Path(name) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Path(name)


def ask(
    what: str,
    files: Mapping[str, bytes],
    jobs: Sequence[Mapping[str, Any]],
    variables: Mapping[str, str],
    description: str = "",
) -> Iterator[Any]:
    """Let the driver judge each job, in order.

    Args:
        what: "states" or "opinions": see ``driver.py``.
        files: The tree.
        jobs: For each its "files", path -> text of what is changed, and what else the
            driver wants to know.
        variables: The driver's environment.
        description: What the progress bar says, if there shall be one.

    Yields:
        What the driver answers.

    Raises:
        AskingError: If it does not answer.
    """
    with (
        driver(what, files, variables) as answer,
        progress_bar(len(jobs), description, bool(description)) as bar,
    ):
        for job in jobs:
            yield answer(job)
            bar.update()


@contextmanager
def driver(
    what: str, files: Mapping[str, bytes], variables: Mapping[str, str]
) -> Iterator[Callable[[Mapping[str, Any]], Any]]:
    """Yield a function that lets the driver judge a job, for as long as it is needed.

    Args:
        what: "states" or "opinions".
        files: The tree.
        variables: The driver's environment.
    """
    with copied(files) as tree:
        process = subprocess.Popen(
            [sys.executable, str(DRIVER), what],
            cwd=tree,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert process.stdin is not None
        assert process.stdout is not None
        jobs, answers = process.stdin, process.stdout

        def answer(job: Mapping[str, Any]) -> Any:
            with suppress(BrokenPipeError):
                jobs.write(json.dumps(job) + "\n")
                jobs.flush()
            said = answers.readline()
            if not said:
                raise AskingError(
                    f"The driver gave no answer when it was asked for {what}."
                )
            return json.loads(said)

        with process:
            yield answer
            jobs.close()
