"""Measure how often a check of training fails for want of luck: one line for each seed.

A check of what was trained has a threshold, and some seeds fall short of it. This runs
the notebooks' trainings with other seeds, appends what came out to a file of JSON
lines, and says how far away the threshold is. It goes on where it stopped.
"""

import argparse
import json
from pathlib import Path

from joblib import Parallel, cpu_count, delayed, parallel_config

from cs231n.support import commands
from cs231n.support.progress import progress_bar
from staff.calibrate.checks import CHECKS, Line, spreads
from staff.questions import ROOT

FOLDER = ROOT / "staff" / "calibration"


def read(file: Path) -> list[Line]:
    """Return what a file of JSON lines holds; nothing if it is not there."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def calibrate(name: str, count: int, file: Path, processes: int = 1) -> list[Line]:
    """Measure the seeds from 0 to count that a file lacks, and append them.

    Args:
        name: One of CHECKS.
        count: How many seeds in all.
        file: JSON lines.
        processes: How many train side by side; they share the processor's cores. One
            thread each on two cores is faster than two threads for one.

    Returns:
        All lines.
    """
    check = CHECKS[name]
    known = {line["seed"] for line in read(file)}
    missing = [seed for seed in range(count) if seed not in known]
    file.parent.mkdir(parents=True, exist_ok=True)
    step = check.together
    batches = [missing[k : k + step] for k in range(0, len(missing), step)]
    with (
        parallel_config("loky", inner_max_num_threads=1),
        Parallel(n_jobs=processes, return_as="generator") as parallel,
        progress_bar(len(missing), name) as bar,
    ):
        for lines in parallel(delayed(check.measure)(seeds) for seeds in batches):
            with file.open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(line) + "\n" for line in lines)
            bar.update(len(lines))
    return read(file)


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff calibrate``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff calibrate", description=__doc__
    )
    parser.add_argument(
        "check",
        choices=CHECKS,
        nargs="?",
        help="what to measure; without it, what is known of all is printed",
    )
    parser.add_argument(
        "--seeds",
        type=commands.positive,
        default=50,
        help="how many in all (default 50)",
    )
    parser.add_argument(
        "--processes",
        type=commands.positive,
        default=cpu_count(),
        help="how many train side by side (default one for each core)",
    )
    parser.add_argument("--out", type=Path, help="file of JSON lines to go on with")
    args = parser.parse_args(argv)

    if args.check is None:
        for name in CHECKS:
            _report(name, read(FOLDER / f"{name}.jsonl"))
        return 0
    file = args.out or FOLDER / f"{args.check}.jsonl"
    lines = calibrate(args.check, args.seeds, file, args.processes)
    _report(args.check, lines)
    return 0 if lines else 1


def _report(name: str, lines: list[Line]) -> None:
    """Print what the lines of a check say."""
    if not lines:
        print(f"{name}: nothing was measured.")
        return
    rate = CHECKS[name].failures(lines)
    print(f"{name}: {len(lines)} seeds, fails with {rate:.1%} of them.")
    for spread in spreads(lines):
        print(f"  {spread}")
