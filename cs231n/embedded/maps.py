"""Work on all cores, and drawn scenes as SqueezeNet sees them.

A module of its own, since the processes that do the work import it by its name.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from cs231n.embedded.features import feature_maps
from cs231n.support.progress import progress_bar

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from cs231n.drawing.scenes.scene import Scene
    from cs231n.support.folders import Pieces

T = TypeVar("T")

# Scenes that a process draws and looks at in one go: a multiple of feature_maps' batch,
# so that the results do not depend on the number of processes.
_CHUNK = 40
# Chunks that make it worth to start another process: that takes seconds.
_SHARE = 4


def look_at(
    scenes: Sequence[Scene], weights: str, progress: bool, pieces: Pieces | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw scenes and run the network on them, in a process for each core.

    Drawing keeps one core busy and the network all of them. In turn, half the machine
    would wait; in threads, drawing and torch wait for the interpreter's lock.

    Args:
        scenes: What to draw.
        weights: The network's, as ``load_model`` names them.
        progress: Whether to show a progress bar.
        pieces: Where results are kept as they come, and taken from if they are there.

    Returns:
        What ``feature_maps`` returns.
    """
    begins = {f"{weights}-{k:05d}": k for k in range(0, len(scenes), _CHUNK)}
    # Filled as parts come: to put them together afterwards would take the room twice.
    seen: dict[str, NDArray[np.float32]] = {}

    def put(begin: int, part: dict[str, NDArray[np.float32]]) -> int:
        for what, rows in part.items():
            if what not in seen:
                seen[what] = np.empty((len(scenes), rows.shape[1]), np.float32)
            seen[what][begin : begin + len(rows)] = rows
        return len(part["maps"])

    missing, done = {}, 0
    for name, begin in begins.items():
        if pieces and (part := pieces.load(name)) is not None:
            done += put(begin, part)
        else:
            missing[name] = begin
    if done:
        print(f"{done:,} of them are there already, from a run that was interrupted.")
    with (
        progress_bar(len(scenes), "Drawing and looking", progress, initial=done) as bar,
        closing(
            on_all_cores(
                look_at_chunk,
                [(scenes[k : k + _CHUNK], weights) for k in missing.values()],
            )
        ) as results,
    ):
        for (name, begin), (maps, wide) in zip(missing.items(), results, strict=True):
            part = {"maps": maps, "wide": wide}
            if pieces:
                pieces.save(name, **part)
            bar.update(put(begin, part))
    return seen["maps"], seen["wide"]


def on_all_cores(
    work: Callable[..., T], jobs: Sequence[tuple[Any, ...]]
) -> Generator[T]:
    """Yield what a function returns for each job, from several processes if it pays.

    Each process does its work with one thread.

    Args:
        work: A function of a module, as processes import it by its name.
        jobs: Its arguments.
    """
    import joblib
    from joblib.externals.loky import get_reusable_executor

    # No more than four, as each takes half a gigabyte.
    processes = min(joblib.cpu_count(), len(jobs) // _SHARE, 4)
    if processes < 2:
        for job in jobs:
            yield work(*job)
        return
    call = joblib.delayed(_alone)
    try:
        with (
            joblib.parallel_config("loky", inner_max_num_threads=1),
            joblib.Parallel(processes, return_as="generator") as parallel,
        ):
            yield from parallel(call(os.getpid(), work, *job) for job in jobs)
    finally:  # they would wait for more work, or, interrupted, go on with this
        get_reusable_executor().shutdown(wait=False, kill_workers=True)


def _alone(parent: int, work: Callable[..., T], *job: Any) -> T:
    """Do work in this process, which has a parent, alone and on one core."""
    import torch

    _end_with(parent)
    torch.set_num_threads(1)
    return work(*job)


def look_at_chunk(
    scenes: Sequence[Scene], weights: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Do look_at's work in this process."""
    from cs231n.drawing.scenes.scene import draw

    pictures = (draw(scene) for scene in scenes)
    return feature_maps(
        pictures, load_model(weights)[0], progress=False, total=len(scenes)
    )


@cache
def _end_with(parent: int) -> None:
    """End this process when its parent has ended, were it killed."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    if sys.platform == "win32":
        import _winapi

        handle = _winapi.OpenProcess(_winapi.SYNCHRONIZE, False, parent)
        _winapi.WaitForSingleObject(handle, _winapi.INFINITE)
    else:
        while os.getppid() == parent:
            time.sleep(0.5)
    os._exit(1)


@cache
def load_model(weights: str | None = None) -> tuple[torch.nn.Module, str]:
    """Return the network that looks at the pictures, and the name of its weights.

    The embedded weights, so that everybody's features are the same; torchvision's only
    where the package that carries them is missing.
    """
    from cs231n.datasets.readers.squeezenet import load_squeezenet

    try:
        chosen = weights or "embedded"
        return load_squeezenet(chosen, "cpu", verbose=False), chosen
    except ModuleNotFoundError:
        if weights is not None:
            raise
        try:
            return load_squeezenet("torchvision", "cpu", verbose=False), "torchvision"
        except FileNotFoundError:
            pass
        raise
