"""Drawn scenes as SqueezeNet sees them, on all cores.

A module of its own, since the processes that do the work import it by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from cs231n.caption_features import feature_maps
from cs231n.progress import progress_bar

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from cs231n.datasets.scenes import Scene

# Scenes that a process draws and looks at in one go: a multiple of feature_maps' batch,
# so that the results do not depend on the number of processes.
_CHUNK = 40
# Chunks that make it worth to start another process: that takes seconds.
_SHARE = 4


def look_at(
    scenes: Sequence[Scene], weights: str, progress: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw scenes and run the network on them, in a process for each core.

    Drawing keeps one core busy and the network all of them. In turn, half the machine
    would wait; in threads, drawing and torch wait for the interpreter's lock.

    Args:
        scenes: What to draw.
        weights: The network's, as ``load_model`` names them.
        progress: Whether to show a progress bar.

    Returns:
        What ``feature_maps`` returns.
    """
    import joblib

    chunks = [scenes[k : k + _CHUNK] for k in range(0, len(scenes), _CHUNK)]
    # No more than four, as each takes half a gigabyte.
    processes = min(joblib.cpu_count(), len(chunks) // _SHARE, 4)
    if processes < 2:
        return look_at_chunk(scenes, weights, progress=progress)
    parts = []
    with (
        joblib.parallel_config("loky", inner_max_num_threads=1),
        joblib.Parallel(processes, return_as="generator") as parallel,
        progress_bar(len(scenes), "Drawing and looking", progress) as bar,
    ):
        work = joblib.delayed(look_at_chunk)
        for part in parallel(work(chunk, weights, threads=1) for chunk in chunks):
            parts.append(part)
            bar.update(len(part[0]))
    maps, wide = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return maps, wide


def look_at_chunk(
    scenes: Sequence[Scene],
    weights: str,
    threads: int | None = None,
    progress: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Do look_at's work in this process, with torch's threads limited if asked for."""
    from cs231n.datasets.scenes import draw

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    pictures = (draw(scene) for scene in scenes)
    return feature_maps(
        pictures, load_model(weights)[0], progress=progress, total=len(scenes)
    )


@cache
def load_model(weights: str | None = None) -> tuple[torch.nn.Module, str]:
    """Return the network that looks at the pictures, and the name of its weights.

    The embedded weights, so that everybody's features are the same; torchvision's only
    where the package that carries them is missing.
    """
    from cs231n.classifiers.squeezenet import load_squeezenet

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
