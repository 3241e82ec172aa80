"""MNIST in the files of its author, where torchvision puts them.

Letters in shapes: N digits.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.datasets.readers.common import require

FOLDER = "MNIST_data"


def files(folder: Path, split: str = "train") -> tuple[Path, Path]:
    """Return the files of pictures and of labels.

    Args:
        folder: Such as ``MNIST_data``.
        split: ``train`` or ``t10k``.
    """
    raw = folder / "MNIST" / "raw"
    return raw / f"{split}-images-idx3-ubyte", raw / f"{split}-labels-idx1-ubyte"


def read(
    folder: Path, split: str = "train"
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the digits of one split.

    Args:
        folder: Such as ``MNIST_data``.
        split: ``train`` or ``t10k``.

    Returns:
        pixels: (N, 28, 28), from 0 (paper) to 255 (ink).
        labels: (N,) 0 to 9.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is damaged.
    """
    images, classes = files(folder, split)
    pixels, labels = _read_array(images, 3), _read_array(classes, 1)
    if pixels.shape[1:] != (28, 28) or len(labels) != len(pixels):
        raise ValueError(
            f"{images.parent} has {split} pictures of shape {pixels.shape} and labels "
            f"of shape {labels.shape}"
        )
    if max(labels, default=0) > 9:
        raise ValueError(f"{classes} has the digit {max(labels)}")
    return pixels, labels


def _read_array(file: Path, ndim: int) -> NDArray[Any]:
    """Read an array of bytes; in front of them are their kind, and the axes."""
    content = file.read_bytes()
    start = 4 * (1 + ndim)
    # Two zeros, 8 for unsigned bytes, and the number of axes; then their lengths.
    head = np.frombuffer(content[:start].ljust(start, b"\0"), ">u4").tolist()
    if head[0] != 0x800 + ndim or len(content) != start + int(np.prod(head[1:])):
        raise ValueError(f"{file} is no array of {ndim} axes of bytes as it announces")
    return np.frombuffer(content, np.uint8, offset=start).reshape(head[1:])


def check(folder: Path, expect: Mapping[str, Any]) -> None:
    """Insist on four whole files.

    Args:
        folder: Such as ``MNIST_data``.
        expect: The number of pictures in each split.
    """
    for split, stem in (("train", "train"), ("test", "t10k")):
        _, labels = read(folder, stem)
        require(f"{split} pictures of {folder}", len(labels), expect[split])
