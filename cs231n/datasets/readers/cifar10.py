"""CIFAR-10 as its authors pickled it: six batches of small pictures in ten classes."""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.datasets.readers.common import again, command, require, require_pixels
from cs231n.support import safe_pickle
from cs231n.support.file_kinds import because

FOLDER = "cifar-10-batches-py"
TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
_FETCH = again("cifar10")


def read_batch(
    file: str | os.PathLike[str],
) -> tuple[NDArray[Any], NDArray[np.integer[Any]]]:
    """Read one batch.

    Args:
        file: Such as ``cifar-10-batches-py/data_batch_1``.

    Returns:
        data: (N, 3072) pixels, red ones first.
        labels: (N,) classes.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or not CIFAR-10's.
    """
    try:
        batch = safe_pickle.load(file, encoding="latin1")  # written by Python 2
        data, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
        data = data.reshape(-1, 3 * 32 * 32)
        if labels.shape != data.shape[:1] or labels.dtype.kind not in "iu":
            raise ValueError(f"{len(data)} pictures, labels of shape {labels.shape}")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no file {file}; fetch CIFAR-10: {command('cifar10')}."
        ) from error
    except (KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        why = because(file, "pickle", error, _FETCH)
        raise ValueError(f"{file} is no batch of CIFAR-10 {why}") from error
    return data, labels


def check(folder: Path, expect: Mapping[str, Any]) -> None:
    """Insist on six whole batches.

    Args:
        folder: ``cifar-10-batches-py/``.
        expect: The number of rows in each.
    """
    for name in (*TRAINING, TEST):
        data, labels = read_batch(folder / name)
        require(f"{folder / name}: pictures", len(data), expect["rows"])
        require_pixels(folder / name, data, labels, 10)
