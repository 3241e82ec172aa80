"""Labelled pictures: files of the course where they are, embedded ones where not."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cs231n import datasets
from cs231n.datasets.readers import (
    cifar10,
    imagenet_val,
    pretrained_cnn,
    tiny_imagenet,
)
from cs231n.datasets.readers.common import command
from cs231n.support import safe_pickle
from cs231n.support.arrays import Array


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
    data, labels = cifar10.read_batch(filename)
    X = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float64)
    return X, labels


def load_CIFAR10(  # noqa: N802
    ROOT: str | os.PathLike[str],
) -> tuple[Array, Array, Array, Array]:
    """Load all of CIFAR-10.

    Args:
        ROOT: The folder with ``data_batch_1`` to ``data_batch_5`` and ``test_batch``.

    Returns:
        Xtr: (N, 32, 32, 3) training pictures; N is 50,000 in the original.
        Ytr: (N,) their classes.
        Xte: (M, 32, 32, 3) test pictures; M is 10,000 in the original.
        Yte: (M,) their classes.
    """
    pictures, labels = zip(
        *(load_CIFAR_batch(Path(ROOT, name)) for name in cifar10.TRAINING), strict=True
    )
    Xtr, Ytr = np.concatenate(pictures), np.concatenate(labels)
    return Xtr, Ytr, *load_CIFAR_batch(Path(ROOT, cifar10.TEST))


def get_CIFAR10_data(  # noqa: N802
    num_training: int = 49000,
    num_validation: int = 1000,
    num_test: int = 1000,
    subtract_mean: bool = True,
) -> dict[str, Array]:
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
    folder = datasets.find(cifar10.FOLDER)
    if folder is None:
        raise FileNotFoundError(
            f"There is no {cifar10.FOLDER} in the data folder; fetch it into "
            f"{datasets.search_path()[0]}: {command('cifar10')}."
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
    file = datasets.find(imagenet_val.FILE)
    if file is not None:
        X, y, class_names = imagenet_val.read(file)
        print(f"ImageNet validation photos of {file}.")
        return X[:num], y[:num], class_names

    from cs231n.embedded import photos

    try:
        X, y = photos.load_squares(num)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        print(
            f"{imagenet_val.FILE} is not in the data folder, nor are there other "
            f"photos. {error} Or fetch it into {datasets.search_path()[0]}: "
            f"{command('imagenet_val')}."
        )
        raise AssertionError(f"There is no {imagenet_val.FILE}; {error}") from error
    print(
        f"{imagenet_val.FILE} is not in the data folder: using photos that come with "
        "scikit-image, scikit-learn and matplotlib."
    )
    return X, y, imagenet_val.class_names()


def load_tiny_imagenet(
    path: str | os.PathLike[str],
    dtype: DTypeLike = np.float32,
    subtract_mean: bool = True,
    *,
    verbose: bool = True,
) -> dict[str, Any]:
    """Load TinyImageNet, or another data set in the same folders.

    Args:
        path: The folder. Where the original's ``tiny-imagenet-100-A`` is asked for and
            is not there, the data folder is searched and then pictures are drawn.
        dtype: Floating point type of the pixels; without ``subtract_mean``, any type.
        subtract_mean: Whether to take the training pictures' mean off all pictures.
        verbose: Whether to print a line after every twenty classes.

    Returns:
        A dict, with ``train``, ``val`` and ``test`` for ``*``:

        - ``class_names``: for each class the list of its names.
        - ``X_*``: (N, 3, 64, 64) pixels, 0 to 255 before the mean was taken off.
        - ``y_*``: (N,) classes, int64; ``y_test`` is None if the folder does not tell.
        - ``mean_image``: (3, 64, 64) mean of the training pictures.

    Raises:
        FileNotFoundError: If the folder, or something in it, is missing.
        ValueError: If a file does not fit the others, or is no picture of 64 by 64.
        TypeError: If a mean is to be taken off pixels that are whole numbers.

    Example:
        >>> data = load_tiny_imagenet("tiny-imagenet-100-A", verbose=False)
        >>> data["X_train"].shape[1:], data["mean_image"].shape
        ((3, 64, 64), (3, 64, 64))
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    if subtract_mean and kind.kind != "f":
        raise TypeError(
            f"Pixels minus their mean are no {kind}; ask for a floating point dtype, "
            "or pass subtract_mean=False."
        )
    return tiny_imagenet.read(_locate(Path(path)), kind, subtract_mean, verbose)


def _locate(path: Path) -> Path:
    if path.is_dir():
        return path
    if path.exists():
        raise FileNotFoundError(f"{path} is a file; name the unpacked folder.")
    if path.name != tiny_imagenet.FOLDER:
        raise FileNotFoundError(
            f"There is no folder {path}; name one with TinyImageNet's files, or "
            f"{tiny_imagenet.FOLDER!r} for the data folder's own."
        )
    from cs231n.embedded import tiny_folder

    return datasets.find_or(tiny_imagenet.FOLDER, "drawn pictures", tiny_folder.ensure)


def find_tiny_imagenet(quick: bool = False, verbose: bool = True) -> tuple[Path, Path]:
    """Return where pictures are, and a network that was trained on them.

    They are the original's two downloads where both are on disk. Otherwise pictures are
    drawn and a network is trained on them, once, which takes some minutes.

    Args:
        quick: Whether a few pictures and a network with random weights will do, in
            seconds. What is there already is taken all the same.
        verbose: Whether to say in one printed line which it is.

    Returns:
        folder: What ``load_tiny_imagenet`` reads.
        h5_file: What ``PretrainedCNN`` reads.

    Example:
        >>> folder, h5_file = find_tiny_imagenet(quick=True, verbose=False)
        >>> folder.is_dir(), h5_file.suffix
        (True, '.h5')
    """
    folder, h5_file = (
        datasets.find(tiny_imagenet.FOLDER),
        datasets.find(pretrained_cnn.FILE),
    )
    if folder is not None and h5_file is not None:
        if verbose:
            print(f"TinyImageNet of {folder}, and the network {h5_file}.")
        return folder, h5_file
    from cs231n.embedded import tiny_model

    if verbose:
        lacking = tiny_imagenet.FOLDER if folder is None else pretrained_cnn.FILE
        print(
            f"{lacking} is not in the data folder: using drawn pictures, and a network "
            "trained on them."
        )
    return tiny_model.ensure(quick)
