"""Labelled pictures: files of the course where they are, embedded ones where not."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n import datasets, safe_pickle

IMAGENET_VAL = "imagenet_val_25.npz"
IMAGENET_VAL_URL = f"http://cs231n.stanford.edu/{IMAGENET_VAL}"


def load_pickle(f: safe_pickle.Readable) -> Any:
    """Read a pickle of plain data and arrays, Python 2's included.

    Args:
        f: A file open in binary mode, or a path.

    Raises:
        pickle.UnpicklingError: If the file is damaged or asks to run code.
    """
    return safe_pickle.load(f, encoding="latin1")


def load_imagenet_val(
    num: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]], dict[int, str]]:
    """Load a handful of photographs with their ImageNet classes.

    They are those of ``imagenet_val_25.npz`` where that file is in the data folder,
    else photos that come with installed packages; one printed line says which.

    Args:
        num: How many of them at most; None for all.

    Returns:
        X: (num, 224, 224, 3) pixels.
        y: (num,) classes, 0 <= y < 1000.
        class_names: The names of all 1000 classes by number.

    Raises:
        AssertionError: If there is neither the file nor the packages.
        ValueError: If the file is damaged, or ``num`` negative.
    """
    if num is not None and num < 0:
        raise ValueError(f"num is {num}; say how many pictures, or None for all.")
    file = datasets.find(IMAGENET_VAL)
    if file is not None:
        X, y, class_names = read_imagenet_val(file)
        print(f"ImageNet validation photos of {file}.")
        return X[:num], y[:num], class_names

    from cs231n.datasets import photos

    try:
        X, y = photos.load_squares(num)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        print(
            f"{IMAGENET_VAL} is not in the data folder, nor are there other photos. "
            f"{error} Or fetch {IMAGENET_VAL_URL} into {datasets.search_path()[0]}."
        )
        raise AssertionError(f"There is no {IMAGENET_VAL}; {error}") from error
    print(
        f"{IMAGENET_VAL} is not in the data folder: using photos that come with "
        "scikit-image, scikit-learn and matplotlib."
    )
    return X, y, _class_names()


def read_imagenet_val(
    file: Path,
) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]], dict[int, str]]:
    """Read one file of the format of ``imagenet_val_25.npz``.

    Args:
        file: An ``.npz`` of pictures X, classes y and names label_map.

    Returns:
        What load_imagenet_val returns, all of it.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        arrays = safe_pickle.load_npz(file)
        X, y = arrays["X"], arrays["y"]
        class_names = {int(k): str(v) for k, v in arrays["label_map"].items()}
        if X.ndim != 4 or X.shape[3] != 3 or y.shape != X.shape[:1]:
            raise ValueError(f"X has shape {X.shape}, y {y.shape}")
    except (AttributeError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{file} does not hold pictures X, classes y and names label_map "
            f"({error}); fetch {IMAGENET_VAL_URL} again, or delete it to use the "
            "embedded photos."
        ) from error
    # The course's file has no name for class 134, the crane.
    if missing := set(range(1000)) - class_names.keys():
        known = _class_names()
        class_names |= {number: known[number] for number in missing}
    return X, y, class_names


def _class_names() -> dict[int, str]:
    from cs231n.classifiers.squeezenet import class_names

    return dict(enumerate(class_names()))
