"""Labelled pictures: files of the course where they are, embedded ones where not."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n import datasets
from cs231n.datasets.readers.tiny_imagenet import (
    load_tiny_imagenet as load_tiny_imagenet,  # noqa: PLC0414 (a re-export)
)
from cs231n.support import safe_pickle
from cs231n.support.file_kinds import because

CIFAR10 = "cifar-10-batches-py"
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
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


def load_models(models_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """Load every pickled model of a folder.

    Args:
        models_dir: A folder of pickles, each of them a dict with an entry ``model``.

    Returns:
        Name of the file -> its model. Files that hold no model of plain data and arrays
        are left out, and one printed line says why.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    folder = Path(models_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; name one with models.")
    models: dict[str, Any] = {}
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            models[file.name] = load_pickle(file)["model"]
        except pickle.UnpicklingError as error:
            print(f"Left out: {error}")
        except (IndexError, KeyError, TypeError):
            print(f"Left out: {file} has no entry 'model'.")
    return models


def load_CIFAR_batch(  # noqa: N802 (its name in every edition)
    filename: str | os.PathLike[str],
) -> tuple[NDArray[np.float64], NDArray[np.integer[Any]]]:
    """Load one of CIFAR-10's files.

    Args:
        filename: Such as ``cifar-10-batches-py/data_batch_1``.

    Returns:
        X: (N, 32, 32, 3) pixels, 0 to 255; N is 10,000 in the original.
        Y: (N,) classes, 0 <= Y < 10.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or not CIFAR-10's.
    """
    try:
        batch = load_pickle(filename)
        data, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
        X = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float64)
        if labels.shape != X.shape[:1] or labels.dtype.kind not in "iu":
            raise ValueError(f"{len(X)} pictures, labels of shape {labels.shape}")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no file {filename}; fetch and unpack {CIFAR10_URL}."
        ) from error
    except (KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        why = because(filename, "pickle", error, f"fetch {CIFAR10_URL} again")
        raise ValueError(f"{filename} is no batch of CIFAR-10 {why}") from error
    return X, labels


def load_CIFAR10(  # noqa: N802
    ROOT: str | os.PathLike[str],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Load all of CIFAR-10.

    Args:
        ROOT: The folder with ``data_batch_1`` to ``data_batch_5`` and ``test_batch``.

    Returns:
        Xtr: (N, 32, 32, 3) training pictures; N is 50,000 in the original.
        Ytr: (N,) their classes.
        Xte: (M, 32, 32, 3) test pictures; M is 10,000 in the original.
        Yte: (M,) their classes.
    """
    names = [f"data_batch_{number}" for number in range(1, 6)]
    pictures, labels = zip(
        *(load_CIFAR_batch(Path(ROOT, name)) for name in names), strict=True
    )
    Xtr, Ytr = np.concatenate(pictures), np.concatenate(labels)
    return Xtr, Ytr, *load_CIFAR_batch(Path(ROOT, "test_batch"))


def get_CIFAR10_data(  # noqa: N802
    num_training: int = 49000,
    num_validation: int = 1000,
    num_test: int = 1000,
    subtract_mean: bool = True,
) -> dict[str, NDArray[Any]]:
    """Load CIFAR-10 of the data folder, split for training.

    Args:
        num_training: How many pictures to train on, the first ones.
        num_validation: How many to validate on, those that follow.
        num_test: How many of the test pictures.
        subtract_mean: Whether to take the training pictures' mean off all pictures.

    Returns:
        ``X_train``, ``X_val`` and ``X_test``, each (N, 3, 32, 32), and their classes
        ``y_train``, ``y_val`` and ``y_test``.

    Raises:
        FileNotFoundError: If CIFAR-10 is not in the data folder.
        ValueError: If there are fewer pictures than asked for.
    """
    folder = datasets.find(CIFAR10)
    if folder is None:
        raise FileNotFoundError(
            f"There is no {CIFAR10} in the data folder; fetch {CIFAR10_URL} and unpack "
            f"it in {datasets.search_path()[0]}."
        )
    Xtr, ytr, Xte, yte = load_CIFAR10(folder)
    last = num_training + num_validation
    if min(num_training, num_validation, num_test) < 1 or last > len(Xtr):
        raise ValueError(
            f"{num_training} training and {num_validation} validation pictures were "
            f"asked for; take at least one of each, and at most {len(Xtr)} together."
        )
    if num_test > len(Xte):
        raise ValueError(
            f"{num_test} test pictures were asked for; there are {len(Xte)}."
        )
    split = {
        "train": (Xtr[:num_training], ytr[:num_training]),
        "val": (Xtr[num_training:last], ytr[num_training:last]),
        "test": (Xte[:num_test], yte[:num_test]),
    }
    mean = split["train"][0].mean(axis=0) if subtract_mean else 0
    data = {}
    for name, (X, y) in split.items():
        data[f"X_{name}"] = np.ascontiguousarray((X - mean).transpose(0, 3, 1, 2))
        data[f"y_{name}"] = y.copy()
    return data


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

    Example:
        >>> X, y, class_names = load_imagenet_val(num=2)
        imagenet_val_25.npz is not in the data folder: using photos that come with
        scikit-image, scikit-learn and matplotlib.
        >>> X.shape, y.shape, class_names[76]
        ((2, 224, 224, 3), (2,), 'tarantula')
    """
    if num is not None and num < 0:
        raise ValueError(f"num is {num}; say how many pictures, or None for all.")
    file = datasets.find(IMAGENET_VAL)
    if file is not None:
        X, y, class_names = read_imagenet_val(file)
        print(f"ImageNet validation photos of {file}.")
        return X[:num], y[:num], class_names

    from cs231n.embedded import photos

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
        advice = (
            f"fetch {IMAGENET_VAL_URL} again, or delete it to use the embedded photos"
        )
        raise ValueError(
            f"{file} does not hold pictures X, classes y and names label_map "
            + because(file, "zip", error, advice)
        ) from error
    # The course's file has no name for class 134, the crane.
    if missing := set(range(1000)) - class_names.keys():
        known = _class_names()
        class_names |= {number: known[number] for number in missing}
    return X, y, class_names


def _class_names() -> dict[int, str]:
    from cs231n.classifiers.squeezenet import class_names

    return dict(enumerate(class_names()))
