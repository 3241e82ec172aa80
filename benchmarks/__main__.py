"""Print how fast this package is beside torch: ``python -m benchmarks``."""

import argparse
import importlib.util
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import frameworks
from benchmarks.harness import (
    SLACK,
    TARGETS,
    Protocol,
    Result,
    Row,
    measure,
    measure_imports,
    summary,
    surroundings,
    table,
    threads,
)
from cs231n.support import commands

IMPORT = "import cs231n.rnn_layers"
IMPORTS = {"ours": "cs231n.rnn_layers", "numpy": "numpy"}


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write what was asked for."""
    known = [*_groups(quick=True), "imports"]
    if importlib.util.find_spec("tensorflow") is not None:
        known.append(frameworks.GROUP)
    args = _parse(argv, known)

    from tqdm import tqdm

    rows_of = _groups(args.quick)
    chosen = args.only or known
    if unknown := sorted(set(chosen) - set(known)):
        names = ", ".join(unknown)
        if frameworks.GROUP in unknown:
            print("TensorFlow is not installed here; say make bench TENSORFLOW=1.")
        print(f"There is no group {names}; choose of {', '.join(known)}.")
        return 2

    known_targets = {} if args.quick else TARGETS  # tiny sizes have none
    protocol = Protocol(
        rounds=2 if args.quick else args.rounds,
        block_seconds=0.0 if args.quick else 0.03,
        clock=time.process_time if args.threads == 1 else time.perf_counter,
        rest=0.0 if args.threads == 1 else 0.1,
        order=random.Random(args.seed),
    )
    results: list[Result] = []
    with (
        threads(args.threads),
        tqdm(file=sys.stdout, unit=" blocks", disable=not sys.stdout.isatty()) as bar,
    ):
        facts = surroundings(args.threads)
        for name in chosen:
            bar.set_description(name)
            if name == "imports":
                targets = known_targets.get(IMPORT, {})
                results.append(
                    measure_imports(IMPORT, IMPORTS, targets, protocol, bar.update)
                )
                continue
            if name == frameworks.GROUP:
                results += frameworks.measure_steps(
                    protocol, args.threads, args.quick, bar.update
                )
                continue
            for row in rows_of[name]():
                bar.set_description(row.name)
                row = replace(row, targets=known_targets.get(row.name, row.targets))
                if args.quick:
                    row = replace(row, seconds_goal=None)
                results.append(measure(row, protocol, bar.update))

    print("; ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"medians of {protocol.rounds} rounds; ratio = our time / its time")
    if args.quick:
        print("quick: small sizes, to see that all of it runs; the ratios mean nothing")
    print()
    print(table(results))
    if args.json is not None:
        report: dict[str, Any] = {
            "surroundings": facts,
            "rounds": protocol.rounds,
            "quick": args.quick,
            "rows": [result.facts() for result in results],
        }
        args.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")

    late = [result.name for result in results if not result.within(SLACK)]
    if args.gate and late:
        print(f"\nMore than {SLACK} times their target: {', '.join(late)}.")
    print(f"\n{summary(results)}")
    return 1 if args.gate and late else 0


def _groups(quick: bool) -> dict[str, Callable[[], Iterator[Row]]]:
    """Return what can be measured, by name."""
    from benchmarks import captioning, convolution, gans, visualization

    sizes = captioning.SMALL if quick else captioning.Sizes()
    return {
        **{name: partial(rows, sizes) for name, rows in captioning.GROUPS.items()},
        **{
            name: partial(rows, quick)
            for module in (convolution, gans, visualization)
            for name, rows in module.GROUPS.items()
        },
    }


def _parse(argv: list[str] | None, known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure our layers and models beside torch, in one process, "
        "interleaved in random order; results are compared before they are timed.",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help=f"groups: {' '.join(known)} (default: all)",
    )
    parser.add_argument(
        "--threads",
        type=commands.positive,
        default=1,
        help="for BLAS and torch; 1 measures CPU time, more wall time (default 1)",
    )
    parser.add_argument(
        "--rounds",
        type=commands.positive,
        default=9,
        help="blocks of at least 30 ms for each entry (default 9)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: does everything run?"
    )
    parser.add_argument("--seed", type=int, help="of the order of the blocks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write results here")
    parser.add_argument(
        "--gate",
        action="store_true",
        help=f"exit with 1 if a ratio is above {SLACK} times its target; "
        "times alone never fail",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
