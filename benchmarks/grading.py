"""How fast the grader is: ``python -m benchmarks.grading``.

It makes a class, grades parts of it as a grader would, and reads the records. Wall time
counts from the first submission to the last; beside other work only CPU time is worth
quoting, that of the judge and its workers together.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cs231n.support import commands

TARGETS = {"q1,q2": 30.0, "": 6.0}
"""Questions, all if none is named -> submissions a minute on two idle cores."""
WHOLE = 10  # submissions of which all questions are judged


@dataclass(frozen=True)
class Speed:
    """What grading some submissions took.

    Attributes:
        judged: How many there were, without those that could not be read.
        a_minute: Of them, by the clock.
        cpu: Seconds that one took.
        worker: The largest memory that a worker had, in bytes.
        grader: The largest memory that the grader's own process had, in bytes.
    """

    judged: int
    a_minute: float
    cpu: float
    worker: int
    grader: int


def measure(files: list[Path], asked: str, jobs: int, folder: Path) -> Speed:
    """Grade submissions.

    Args:
        files: Their zips.
        asked: Questions, such as ``q1,q2``; all if empty.
        jobs: How many judge at once.
        folder: An empty one.
    """
    words = ["grade", *map(str, files), "--out", str(folder / "grades")]
    words += ["--jobs", str(jobs), *(["--questions", asked] if asked else [])]
    with (folder / "said").open("w+") as said:
        run = subprocess.Popen(
            [sys.executable, "-m", "staff", *words],
            stdout=said,
            env=os.environ | {"CS231N_COURSE_SECRET": str(folder / "secret")},
        )
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if run.returncode:
        raise SystemExit(f"grading failed:\n{text}")
    found = re.search(r"Judged: (\d+), (\d+) a minute", text)
    assert found, text
    hosts = [
        json.loads(path.read_text("utf-8"))["host"]
        for path in (folder / "grades" / "records").glob("*.json")
    ]
    judged = [host for host in hosts if "cpu_seconds" in host]
    return Speed(
        judged=len(judged),
        a_minute=float(found[2]),
        cpu=sum(host["cpu_seconds"] for host in judged) / len(judged),
        worker=max(host["peak_bytes"] for host in judged),
        grader=used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    )


def main(argv: list[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grading", description=__doc__
    )
    parser.add_argument(
        "--sizes",
        type=commands.positive,
        nargs="+",
        default=[10, 20, 40],
        help="of the parts of which Q1 and Q2 are judged (%(default)s)",
    )
    parser.add_argument(
        "--whole",
        type=commands.positive,
        default=WHOLE,
        help="submissions of which all is judged (%(default)s)",
    )
    parser.add_argument(
        "--jobs", type=commands.positive, default=2, help="(%(default)s)"
    )
    args = parser.parse_args(argv)
    print("| questions | judged | a minute | target | CPU s each | worker | grader |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        most = max(*args.sizes, args.whole)
        words = ["--students", str(most), "--out", str(folder / "class")]
        subprocess.run(
            [sys.executable, "-m", "staff", "class", "--export", "folder", *words],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        files = sorted((folder / "class" / "submissions").glob("*.zip"))
        random.Random(231).shuffle(files)
        plan = [("q1,q2", size) for size in args.sizes] + [("", args.whole)]
        for asked, size in plan:
            if not size:
                continue
            place = folder / f"{asked}-{size}"
            place.mkdir()
            speed = measure(files[:size], asked, args.jobs, place)
            print(
                f"| {asked or 'all'} | {speed.judged} of {size} "
                f"| {speed.a_minute:.0f} | {TARGETS[asked]:.0f} | {speed.cpu:.2f} "
                f"| {speed.worker >> 20} MB | {speed.grader >> 20} MB |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
