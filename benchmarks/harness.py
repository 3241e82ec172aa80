"""Time implementations of the same work side by side.

The entries of a row run interleaved, in a new random order each round, in blocks long
enough for the clock. Each gets the median over the rounds, and only ratios within a row
are worth quoting: absolute times belong to one machine on one day.
"""

import math
import platform
import random
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from cs231n.support.threads import torch_threads

Work = Callable[[], object]

SLACK = 1.25  # ratios wander by a tenth or so; what --gate forgives
TARGETS: dict[str, dict[str, float]] = tomllib.loads(
    Path(__file__).with_name("targets.toml").read_text("utf-8")
)
"""Row -> peer -> the largest ratio of our time to its time we are content with."""


@dataclass(frozen=True)
class Row:
    """One piece of work and everybody who does it.

    Attributes:
        name: What is done, at which size.
        ours: Does it once.
        peers: Name -> does the same once.
        agree: Raises AssertionError when ours and the peers' results differ.
        seconds_goal: For rows without peers, the time we are content with. For reading
            only.
        rounds: Blocks for each entry, where one of them takes seconds.
        targets: Peer -> limit, as in TARGETS.
    """

    name: str
    ours: Work
    peers: Mapping[str, Work] = field(default_factory=dict)
    agree: Work | None = None
    seconds_goal: float | None = None
    rounds: int | None = None
    targets: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The median seconds of a row's entries, ours under the name ``ours``."""

    name: str
    seconds: Mapping[str, float]
    targets: Mapping[str, float]
    seconds_goal: float | None = None

    def ratio(self, peer: str) -> float:
        """Return our time over the peer's."""
        return self.seconds["ours"] / self.seconds[peer]

    def within(self, slack: float = 1.0) -> bool:
        """Tell whether all ratios keep their targets, times a slack."""
        return all(self.ratio(p) <= t * slack for p, t in self.targets.items())

    def verdicts(self) -> list[bool]:
        """Return whether each of the targets was met, the seconds' goal among them."""
        met = [self.ratio(peer) <= target for peer, target in self.targets.items()]
        if self.seconds_goal is not None:
            met.append(self.seconds["ours"] <= self.seconds_goal)
        return met

    def facts(self) -> dict[str, Any]:
        """Return what a JSON report says of this row."""
        return {
            "name": self.name,
            "seconds": dict(self.seconds),
            "ratios": {p: self.ratio(p) for p in self.seconds if p != "ours"},
            "targets": dict(self.targets),
            "met": self.within() if self.targets else None,
        }


_LEAST = 1e-9  # seconds: in some machines CPU time goes on in steps, and work is short
_CALLS = tuple(2**k for k in range(13))


@dataclass(frozen=True)
class Protocol:
    """How to measure.

    Attributes:
        rounds: Blocks for each entry.
        block_seconds: The shortest block; fast work is repeated to fill it.
        clock: CPU time where one thread works, so that other processes disturb less;
            wall time where several do.
        order: Shuffles the entries of each round.
        rest: Seconds of sleep before each block, with a call after it that is not
            timed. Threads that have done their work spin for a while in case there is
            more, and hold the cores that a rival's threads need.
    """

    rounds: int = 9
    block_seconds: float = 0.03
    clock: Callable[[], float] = time.process_time
    order: random.Random = field(default_factory=random.Random)
    rest: float = 0.0


def measure(row: Row, protocol: Protocol, tick: Work = lambda: None) -> Result:
    """Check that a row's entries agree, then time them.

    Args:
        row: What to measure.
        protocol: How to.
        tick: Called after each block, for a progress bar.

    Returns:
        The medians.

    Raises:
        AssertionError: If the entries' results differ; nothing was timed then.
    """
    if row.agree is not None:
        row.agree()
    entries = {"ours": row.ours, **row.peers}
    repeats = {name: _repeats(work, protocol) for name, work in entries.items()}
    times: dict[str, list[float]] = {name: [] for name in entries}
    for _ in range(row.rounds or protocol.rounds):
        for name in protocol.order.sample(list(entries), len(entries)):
            work, clock = entries[name], protocol.clock
            if protocol.rest:
                time.sleep(protocol.rest)
                work()
            start = clock()
            for _ in range(repeats[name]):
                work()
            took = max(clock() - start, _LEAST)
            times[name].append(took / repeats[name])
            tick()
    medians = {name: statistics.median(values) for name, values in times.items()}
    return Result(row.name, medians, row.targets, row.seconds_goal)


def _repeats(work: Work, protocol: Protocol) -> int:
    """Warm up, and return how many calls fill a block.

    One call tells it, or as many as it takes until a clock that goes on in steps moves.
    """
    work()
    for calls in _CALLS if protocol.block_seconds else (1,):
        start = protocol.clock()
        for _ in range(calls):
            work()
        if took := protocol.clock() - start:
            break
    once = max(took / calls, 1e-7)
    return max(1, math.ceil(protocol.block_seconds / once))


def ways() -> Iterator[tuple[str, Callable[[Work], Work]]]:
    """Yield the ways to compute that there are: name, and what wraps work."""
    from cs231n.support.kernels import compiled

    def alone(work: Work) -> Work:
        def run() -> object:
            with compiled.only_numpy():
                return work()

        return run

    yield "NumPy", alone
    if compiled.kernels() is not None:
        yield "compiled", lambda work: work


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Give BLAS, torch and our kernels this many threads."""
    from cs231n.support.kernels import compiled

    with (
        torch_threads(count),
        threadpool_limits(count),
        compiled.using_threads(count),
    ):
        yield


def surroundings(count: int) -> dict[str, Any]:
    """Return the versions, BLAS kernels and threads that results depend on."""
    kernels = {
        f"{pool['internal_api']} {pool['version']} ({pool['architecture']})"
        for pool in threadpool_info()
        if pool["user_api"] == "blas" and "architecture" in pool
    }
    packages = ("numpy", "scipy", "torch")
    return {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
        "blas": ", ".join(sorted(kernels)) or "unknown",
        "kernels": _kernels(),
        "simd": ", ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"]),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": count,
        "clock": "CPU time" if count == 1 else "wall time",
    }


def _kernels() -> str:
    from cs231n.support.kernels import compiled

    built = compiled.kernels()
    return "none" if built is None else ("plain", "AVX2", "AVX-512")[built.WIDEST]


def import_seconds(module: str) -> float:
    """Return the CPU seconds of a fresh interpreter that imports one module."""
    code = f"import {module}, time; print(time.process_time())"
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return float(run.stdout)


def measure_imports(
    name: str,
    modules: Mapping[str, str],
    targets: Mapping[str, float],
    protocol: Protocol,
    tick: Work = lambda: None,
) -> Result:
    """Time imports, each in interpreters of its own.

    Args:
        name: Of the row.
        modules: Entry -> the module it imports; ``ours`` is one of them.
        targets: As in Row.
        protocol: How often, and who shuffles.
        tick: Called after each import.

    Returns:
        The medians of CPU time, the interpreter's start included.
    """
    times: dict[str, list[float]] = {entry: [] for entry in modules}
    for module in modules.values():
        import_seconds(module)  # compiles and warms the disk's cache
    for _ in range(protocol.rounds):
        for entry in protocol.order.sample(list(modules), len(modules)):
            times[entry].append(import_seconds(modules[entry]))
            tick()
    medians = {entry: statistics.median(values) for entry, values in times.items()}
    return Result(name, medians, targets)


def table(results: list[Result]) -> str:
    """Return results as a text table: one line for each comparison."""
    lines = [("work", "ours", "against", "its time", "ratio", "target", "met")]
    for result in results:
        ours, first = _time(result.seconds["ours"]), True
        peers = [name for name in result.seconds if name != "ours"]
        if not peers:
            goal = result.seconds_goal
            limit = f"<= {_time(goal)}" if goal else ""
            met = _yes(result.seconds["ours"] <= goal) if goal else ""
            lines.append((result.name, ours, "", "", "", limit, met))
        for peer in peers:
            ratio, target = result.ratio(peer), result.targets.get(peer)
            lines.append(
                (
                    result.name if first else "",
                    ours if first else "",
                    peer,
                    _time(result.seconds[peer]),
                    f"{ratio:.3g}" if ratio < 0.1 else f"{ratio:.2f}",
                    "" if target is None else f"<= {target:.3g}",
                    "" if target is None else _yes(ratio <= target),
                )
            )
            first = False
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def summary(results: list[Result]) -> str:
    """Return one line that counts the targets that were met and missed."""
    verdicts = [met for result in results for met in result.verdicts()]
    if not verdicts:
        return "Nothing of this has a target."
    missed = [result.name for result in results if not all(result.verdicts())]
    line = f"{sum(verdicts)} targets met, {len(verdicts) - sum(verdicts)} missed"
    return f"{line}: {'; '.join(missed)}." if missed else f"{line}."


def _yes(met: bool) -> str:
    return "yes" if met else "NO"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"
