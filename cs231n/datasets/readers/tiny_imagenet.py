"""TinyImageNet: small labelled pictures in the folders of the 2016 edition.

The original is used where it is on disk; drawn pictures take its place where it is not.
Everything that a folder can have wrong is said with the name of the file.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cs231n import datasets
from cs231n.support.file_kinds import because
from cs231n.support.picture_files import decode

ORIGINAL = "tiny-imagenet-100-A"
ORIGINAL_MODEL = "pretrained_model.h5"
URL = f"http://cs231n.stanford.edu/{ORIGINAL}.zip"
SIDE = 64
"""Height and width of the pictures."""
_PROGRESS_EVERY = 20  # classes
_ADVICE = f"fetch {URL} again, or rename the folder to use drawn pictures"


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
    folder, h5_file = datasets.find(ORIGINAL), datasets.find(ORIGINAL_MODEL)
    if folder is not None and h5_file is not None:
        if verbose:
            print(f"TinyImageNet of {folder}, and the network {h5_file}.")
        return folder, h5_file
    from cs231n.embedded import tiny_model

    if verbose:
        lacking = ORIGINAL if folder is None else ORIGINAL_MODEL
        print(
            f"{lacking} is not in the data folder: using drawn pictures, and a network "
            "trained on them."
        )
    return tiny_model.ensure(quick)


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
    folder = _locate(Path(path))
    labels = {wnid: label for label, wnid in enumerate(_read_wnids(folder))}
    names = _read_words(folder / "words.txt")

    train = list(_training_files(folder, labels))
    val = _annotated(folder / "val" / "val_annotations.txt", labels)
    test, y_test = _test_files(folder, labels)
    X_train = _read_pictures([file for file, _ in train], kind, verbose)
    X_val = _read_pictures([file for file, _ in val], kind)
    X_test = _read_pictures(test, kind)
    # Summed in float64: fifty thousand pictures add up to more than float32 can count.
    mean = X_train.mean(axis=0, dtype=np.float64)
    mean_image = mean.astype(kind if kind.kind == "f" else np.float32)
    if subtract_mean:
        for X in (X_train, X_val, X_test):
            X -= mean_image
    return {
        "class_names": [names.get(wnid, [wnid]) for wnid in labels],
        "X_train": X_train,
        "y_train": np.array([label for _, label in train], dtype=np.int64),
        "X_val": X_val,
        "y_val": np.array([label for _, label in val], dtype=np.int64),
        "X_test": X_test,
        "y_test": y_test,
        "mean_image": mean_image,
    }


def _locate(path: Path) -> Path:
    if path.is_dir():
        return path
    if path.exists():
        raise FileNotFoundError(f"{path} is a file; name the unpacked folder.")
    if path.name != ORIGINAL:
        raise FileNotFoundError(
            f"There is no folder {path}; name one with TinyImageNet's files, or "
            f"{ORIGINAL!r} for the data folder's own."
        )
    if (found := datasets.find(ORIGINAL)) is not None:
        return found
    from cs231n.embedded import tiny_folder

    print(f"{ORIGINAL} is not in the data folder: using drawn pictures.")
    return tiny_folder.ensure()


def locate_weights(path: str | os.PathLike[str]) -> Path:
    """Return the file of a network's weights that a path stands for.

    Args:
        path: The file. Where the original's ``pretrained_model.h5`` is asked for and is
            not there, the data folder is searched, and then a network is taken that was
            trained on drawn pictures; one printed line says so.

    Raises:
        FileNotFoundError: If another file is asked for that is not there.
    """
    file = Path(path)
    if file.is_file():
        return file
    if file.name != ORIGINAL_MODEL or file.exists():
        raise FileNotFoundError(
            f"There is no file {path}; get_pretrained_model.sh in cs231n/datasets "
            f"fetches the course's, and {ORIGINAL_MODEL!r} means the data folder's own."
        )
    if (found := datasets.find(ORIGINAL_MODEL)) is not None:
        return found
    from cs231n.embedded import tiny_model

    print(
        f"{ORIGINAL_MODEL} is not in the data folder: using a network trained on drawn "
        "pictures."
    )
    return tiny_model.ensure()[1]


def _lines(file: Path) -> list[str]:
    """Return a text file's lines that are not empty."""
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{file} is missing; {_ADVICE}.") from error
    except UnicodeDecodeError as error:
        why = because(file, "text", error, _ADVICE)
        raise ValueError(f"{file} is not text {why}") from error
    return [line for line in text.splitlines() if line.strip()]


def _read_wnids(folder: Path) -> list[str]:
    file = folder / "wnids.txt"
    wnids = [line.strip() for line in _lines(file)]
    if not wnids:
        raise ValueError(f"{file} names no class; {_ADVICE}.")
    if len(set(wnids)) != len(wnids):
        twice = next(wnid for wnid in wnids if wnids.count(wnid) > 1)
        raise ValueError(f"{file} names the class {twice} twice; {_ADVICE}.")
    return wnids


def _read_words(file: Path) -> dict[str, list[str]]:
    pairs = (line.partition("\t") for line in _lines(file))
    return {
        wnid.strip(): [name.strip() for name in names.split(",")]
        for wnid, _, names in pairs
    }


def _training_files(folder: Path, labels: dict[str, int]) -> Iterable[tuple[Path, int]]:
    """Yield each training picture's file and class, class by class."""
    for wnid, label in labels.items():
        boxes = folder / "train" / wnid / f"{wnid}_boxes.txt"
        files = [line.split("\t")[0].strip() for line in _lines(boxes)]
        if not files:
            raise ValueError(f"{boxes} names no picture; {_ADVICE}.")
        for name in files:
            other = name.partition("_")[0]
            if other != wnid and other in labels:
                raise ValueError(
                    f"{boxes} of class {wnid} names {name}, a picture of class {other};"
                    f" {_ADVICE}."
                )
            yield _existing(boxes.parent / "images" / name, boxes), label
        _say_if_cut(boxes, set(files))


def _annotated(file: Path, labels: dict[str, int]) -> list[tuple[Path, int]]:
    """Return the files and classes that ``val_annotations.txt`` or its like lists."""
    found: dict[str, int] = {}
    for number, line in enumerate(_lines(file), start=1):
        name, wnid, *_ = [*(part.strip() for part in line.split("\t")), ""]
        if wnid not in labels:
            raise ValueError(
                f"{file}, line {number}: {name} is said to be of class {wnid!r}, which "
                f"{file.parents[1] / 'wnids.txt'} does not have; {_ADVICE}."
            )
        if found.setdefault(name, labels[wnid]) != labels[wnid]:
            raise ValueError(
                f"{file}, line {number}: {name} is of another class further up; "
                f"{_ADVICE}."
            )
    if not found:
        raise ValueError(f"{file} names no picture; {_ADVICE}.")
    images = file.parent / "images"
    pairs = [(_existing(images / name, file), label) for name, label in found.items()]
    _say_if_cut(file, found.keys())
    return pairs


def _say_if_cut(file: Path, named: Collection[str]) -> None:
    """Print a line if a list leaves pictures out: its end may be missing."""
    there = {path.name for path in (file.parent / "images").iterdir()}
    if left_out := sorted(n for n in there.difference(named) if n[0] != "."):
        print(
            f"{file} names {len(named)} pictures and leaves out {len(left_out)}, such "
            f"as {left_out[0]}; if it was cut off, {_ADVICE}."
        )


def _test_files(
    folder: Path, labels: dict[str, int]
) -> tuple[list[Path], NDArray[np.int64] | None]:
    """Return the test pictures in the order of their names, and what they show."""
    images = folder / "test" / "images"
    if not images.is_dir():
        raise FileNotFoundError(f"The folder {images} is missing; {_ADVICE}.")
    files = sorted(file for file in images.iterdir() if not file.name.startswith("."))
    if not files:
        raise ValueError(f"There is no picture in {images}; {_ADVICE}.")
    annotations = folder / "test" / "test_annotations.txt"
    if not annotations.exists():
        return files, None
    known = dict(_annotated(annotations, labels))
    if unknown := [file for file in files if file not in known]:
        raise ValueError(
            f"{annotations} does not say what {unknown[0].name} shows; {_ADVICE}, or "
            "delete that file to do without the test pictures' classes."
        )
    return files, np.array([known[file] for file in files], dtype=np.int64)


def _existing(picture: Path, named_by: Path) -> Path:
    if not picture.is_file():
        raise FileNotFoundError(
            f"{named_by} names {picture.name}, and there is no {picture}; {_ADVICE}."
        )
    return picture


def _read_pictures(
    files: Sequence[Path],
    dtype: np.dtype[Any],
    verbose: bool = False,
) -> NDArray[Any]:
    """Read pictures; with ``verbose``, which lie in a folder per class, say how far.

    Returns:
        (N, 3, 64, 64) pixels; gray pictures have three equal channels.
    """
    X = np.empty((len(files), 3, SIDE, SIDE), dtype)
    classes = list(dict.fromkeys(file.parent for file in files))
    ends = {folder: number for number, folder in enumerate(classes, start=1)}
    said = 0
    for x, file in zip(X, files, strict=True):
        number = ends[file.parent]
        if verbose and number % _PROGRESS_EVERY == 0 and number != said:
            said = number
            print(f"Loading the training pictures: class {number} of {len(ends)}")
        try:
            picture = decode(file.read_bytes())
        except ValueError as error:
            raise ValueError(
                f"{file} is no picture that can be read ({error}); {_ADVICE}."
            ) from error
        if picture.shape != (SIDE, SIDE, 3):
            rows, columns, _ = picture.shape
            raise ValueError(
                f"{file} has {columns} by {rows} pixels where {SIDE} by {SIDE} are "
                f"wanted; {_ADVICE}."
            )
        x[...] = picture.transpose(2, 0, 1)
    return X
