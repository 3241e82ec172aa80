"""How fast a right function is beside the reference: craft, which is never counted.

Both are run on the same inputs, in turns, each in its own process: the reference stays
on the judge's side, so that no worker has it within reach. What counts is processor
time, which says the same on a machine that is busy with other things, and of several
runs the fastest.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import wraps
from types import MappingProxyType
from typing import Any

from cs231n.assignment.table import Function
from cs231n.support.threads import one_torch_thread
from cs231n.tools.check import marks
from cs231n.tools.check.bench import Bench, Exercise
from cs231n.tools.check.marks import Records
from staff.grading.remote import Line, RemoteBench

# Where arithmetic counts, and single numbers in loops of Python still come to an end.
SIZES = {"N": 16, "T": 10, "D": 32, "W": 36, "H": 40, "V": 29, "C": 24}
ALIKE = 3.0  # times slower is no difference yet: other machines would say otherwise
SHORT = 1e-3  # seconds: of less, waking up a worker is too large a part
LONG = 0.2  # seconds after which one run tells enough
RUNS, RUNS_OF_SLOW = 2, 5


class _Timed(Bench):
    """A bench at stated sizes that counts the seconds of its function's calls.

    Attributes:
        spent: Seconds of processor time.
        drawn: Letter -> size, of those that inputs may have.
    """

    spent = 0.0
    drawn: Mapping[str, int] = MappingProxyType({})

    def sizes(self, usual: Mapping[str, int]) -> dict[str, int]:
        """Return the sizes of inputs."""
        self.drawn = {letter: SIZES.get(letter, n) for letter, n in usual.items()}
        return dict(self.drawn)


class _Ours(_Timed):
    """That of the reference, which notes the sizes of what goes in and comes out."""

    lengths: frozenset[int] = frozenset()

    def _found(self) -> tuple[Any, Any]:
        module, function = super()._found()

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            result = function(*args, **kwargs)
            self.spent += time.thread_time() - start
            self.lengths |= set(_lengths((args, result)))
            return result

        return module, call


def _lengths(value: Any) -> Iterator[int]:
    """Yield the lengths of all axes of arrays and tensors."""
    if isinstance(value, tuple | list):
        for part in value:
            yield from _lengths(part)
    elif isinstance(value, dict):
        yield from _lengths([*value.values()])
    else:
        yield from getattr(value, "shape", ())


class _Theirs(_Timed, RemoteBench):
    """That of a student's function, in its worker."""

    def _call(
        self, op: str, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        result = super()._call(op, name, args, kwargs)
        if op == "call" and not name:
            self.spent += self._to.seconds
        return result


def speed_class(function: Function, how: Exercise, line: Line, source: str = "") -> str:
    """Say how fast a function is that is right; nothing if it cannot be told.

    Args:
        function: Its row in the table.
        how: How it is tried out.
        line: Its worker.
        source: The student's module.
    """
    try:
        ours, theirs, sizes = times(function, how, line, source)
    except Exception:  # it may fail at these sizes in any way, which costs nothing
        return ""
    at = ", ".join(f"{letter} = {n}" for letter, n in sizes.items())
    where = f" at {at}" if at else ""
    if theirs < ALIKE * ours:
        return "about as fast as the course's solution"
    if theirs < SHORT:
        return f"takes less than a millisecond{where}"
    factor = float(f"{theirs / ours:.1g}")
    return f"about {factor:g} times slower than the course's solution{where}"


def times(
    function: Function, how: Exercise, line: Line, source: str = ""
) -> tuple[float, float, dict[str, int]]:
    """Return how long the reference and a student's function take.

    Args:
        function: Its row in the table.
        how: How it is tried out.
        line: Its worker.
        source: The student's module.

    Returns:
        ours: Seconds of processor time.
        theirs: The same of the student's.
        sizes: Letter -> size of what they were given; empty if sizes are the checks'.

    Raises:
        Exception: Whatever the function raises at these sizes.
    """
    records = Records(marks.records().seed)
    with one_torch_thread() if function.framework == "torch" else nullcontext():
        ours = _Ours(function, records)
        theirs = _Theirs(function, records, line, source)
        best: dict[_Timed, float] = {ours: float("inf"), theirs: float("inf")}
        for run in range(RUNS_OF_SLOW):
            if run >= RUNS and best[theirs] < ALIKE * best[ours]:
                break
            for bench in (ours, theirs, ours):  # the worker is slow to wake up
                bench.spent = 0.0
                how.run(bench, "own")
                best[bench] = min(best[bench], bench.spent)
            if best[theirs] > LONG:
                break
    sizes = {letter: n for letter, n in ours.drawn.items() if n in ours.lengths}
    return max(best[ours], 1e-9), best[theirs], sizes
