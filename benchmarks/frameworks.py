"""Steps in TensorFlow beside the same steps in PyTorch, each in a process of its own.

    python -m benchmarks --only tensorflow

The two processes take turns, in blocks as everywhere, and each tells the CPU time that
it took. Run as a command, this is such a process.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

from benchmarks.harness import TARGETS, Protocol, Result, Work

GROUP = "tensorflow"
# Step -> name, sizes, small sizes, and how far results may be apart: part of the mean.
STEPS: Mapping[str, tuple[str, tuple[int, ...], tuple[int, ...], float]] = {
    "class_visualization": (
        *("class visualization in TensorFlow, a step at 224", (224,), (64,)),
        1e-3,  # rounding decides on which side of a ReLU's kink a few numbers lie
    ),
    "style_transfer": (
        *("style transfer in TensorFlow, a step at 192 x 256", (192, 256), (64, 48)),
        1e-3,
    ),
    # Their weights are drawn by each framework's own rules.
    "convolutional_gan": (
        *("convolutional GAN in TensorFlow, a step at N=128", (128,), (8,)),
        0.5,
    ),
}
_PEERS = {"ours": "tensorflow", "torch": "torch"}


def measure_steps(
    protocol: Protocol, threads: int, quick: bool, tick: Work = lambda: None
) -> Iterator[Result]:
    """Yield the medians of each step in both frameworks.

    Args:
        protocol: How often, how long a block is, and who shuffles.
        threads: For each framework; one is measured in CPU time, more in wall time.
        quick: Whether to take small sizes, which have no targets.
        tick: Called after each block, for a progress bar.

    Raises:
        AssertionError: If the two steps' results differ.
        RuntimeError: If a process ends before it has answered.
    """
    for step, (name, _, _, apart) in STEPS.items():
        with ExitStack() as stack:
            workers = {
                peer: stack.enter_context(_Worker(framework, step, threads, quick))
                for peer, framework in _PEERS.items()
            }
            mine, theirs = (worker.result() for worker in workers.values())
            off = np.abs(mine - theirs).mean() / np.abs(theirs).mean()
            assert off < apart, f"results of {step} differ by {off:.1e} of their mean"
            times: dict[str, list[float]] = {peer: [] for peer in workers}
            repeats = {
                peer: max(1, round(protocol.block_seconds / max(worker.run(2), 1e-7)))
                for peer, worker in workers.items()
            }
            for _ in range(protocol.rounds):
                for peer in protocol.order.sample(list(workers), len(workers)):
                    times[peer].append(workers[peer].run(repeats[peer]))
                    tick()
        medians = {peer: statistics.median(values) for peer, values in times.items()}
        yield Result(name, medians, {} if quick else TARGETS.get(name, {}))


class _Worker:
    """A process that does a step as often as it is told to."""

    def __init__(self, framework: str, step: str, threads: int, quick: bool) -> None:
        count = str(threads)
        names = ("OMP", "OPENBLAS", "MKL", "TF_INTRAOP", "TF_INTEROP")
        limits = {f"{name}_NUM_THREADS": count for name in names[:3]}
        limits |= {f"TF_NUM_{name[3:]}_THREADS": count for name in names[3:]}
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.frameworks", framework, step),
                *(count, "quick" if quick else "full"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **limits},
        )

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it may have ended by itself
            self._process.stdin.close()  # at which it ends
        self._process.stdout.close()
        self._process.wait()

    def run(self, count: int) -> float:
        """Do the step so many times, and return the seconds that one took."""
        return float(self._ask(str(count)))

    def result(self) -> np.ndarray:
        """Return what the step gives, the first time that it is taken."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "result.npy")
            self._ask(str(file))
            return np.load(file)

    def _ask(self, line: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{line}\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(
                f"A process of the benchmark ended with {self._process.wait()}; look "
                "at what it said above."
            )
        return answer


def _step_in_torch(step: str, sizes: tuple[int, ...]) -> Callable[[], object]:
    from benchmarks import gans, visualization

    if step == "convolutional_gan":
        *_, row = gans.gan_step(*sizes)
        return row.ours
    (row,) = getattr(visualization, step)(*sizes)
    return row.ours


def _start_of(step: str, sizes: tuple[int, ...]) -> np.ndarray:
    """Return what is taken off a step's result, so that both tell the same."""
    if step != "class_visualization":
        return np.zeros(())
    return np.random.default_rng(231).normal(size=(1, 3, *sizes, *sizes))


def main(framework: str, step: str, threads: str, size: str) -> None:
    """Make a step ready, then do it as often as the lines that come in say."""
    _, full, small, _ = STEPS[step]
    sizes = small if size == "quick" else full
    start = np.zeros(())
    if framework == "torch":
        import torch

        torch.set_num_threads(int(threads))
        run, start = _step_in_torch(step, sizes), _start_of(step, sizes)
    else:
        from benchmarks import tensorflow_steps

        run = getattr(tensorflow_steps, step)(*sizes)
    clock = time.process_time if threads == "1" else time.perf_counter
    for line in sys.stdin:
        if not line.strip().isdigit():
            result = np.stack([np.asarray(part) for part in run()])
            np.save(line.strip(), result - start)
            print("saved", flush=True)
            continue
        count = int(line)
        begin = clock()
        for _ in range(count):
            run()
        print((clock() - begin) / count, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
