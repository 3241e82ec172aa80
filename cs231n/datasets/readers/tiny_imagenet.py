"""TinyImageNet: small labelled pictures in the folders of the 2016 edition.

Everything that a folder can have wrong is said with the name of the file.

Letters in shapes: N pictures.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cs231n.datasets.readers.common import again, read_text, require
from cs231n.support.picture_files import decode, is_whole_jpeg

FOLDER = "tiny-imagenet-100-A"
SIDE = 64
"""Height and width of the pictures."""
_PROGRESS_EVERY = 20  # classes
_ADVICE = f"{again('tiny_imagenet_a')}, or rename the folder to use drawn pictures"
Labelled = list[tuple[Path, int]]


@dataclass(frozen=True)
class Lists:
    """What the text files of a folder say of its pictures.

    Attributes:
        names: Class -> its names, none if ``words.txt`` does not have it; in the order
            of the labels.
        train: Files of the training pictures, and their labels.
        val: The same of the validation pictures.
        test: Files of the test pictures.
        y_test: (N,) their labels; None if the folder does not tell.
    """

    names: dict[str, list[str]]
    train: Labelled
    val: Labelled
    test: list[Path]
    y_test: NDArray[np.int64] | None


def read_lists(folder: Path) -> Lists:
    """Read what there is, without the pictures themselves.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file does not fit the others.
    """
    labels = {wnid: label for label, wnid in enumerate(_read_wnids(folder))}
    words = _read_words(folder / "words.txt")
    return Lists(
        {wnid: words.get(wnid, []) for wnid in labels},
        list(_training_files(folder, labels)),
        _annotated(folder / "val" / "val_annotations.txt", labels),
        *_test_files(folder, labels),
    )


def read(
    folder: Path,
    dtype: DTypeLike = np.float32,
    subtract_mean: bool = True,
    verbose: bool = False,
) -> dict[str, Any]:
    """Read a folder.

    Args:
        folder: The folder.
        dtype: Type of the pixels; with ``subtract_mean``, a floating point type.
        subtract_mean: Whether to take the training pictures' mean off all pictures.
        verbose: Whether to print a line after every twenty classes.

    Returns:
        What ``load_tiny_imagenet`` of ``cs231n.data_utils`` returns.

    Raises:
        FileNotFoundError: If something is missing.
        ValueError: If a file does not fit the others, or is no picture of 64 by 64.
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    lists = read_lists(folder)
    X_train = _read_pictures([file for file, _ in lists.train], kind, verbose)
    X_val = _read_pictures([file for file, _ in lists.val], kind)
    X_test = _read_pictures(lists.test, kind)
    # Summed in float64: fifty thousand pictures add up to more than float32 can count.
    mean = X_train.mean(axis=0, dtype=np.float64)
    mean_image = mean.astype(kind if kind.kind == "f" else np.float32)
    if subtract_mean:
        for X in (X_train, X_val, X_test):
            X -= mean_image
    return {
        "class_names": [names or [wnid] for wnid, names in lists.names.items()],
        "X_train": X_train,
        "y_train": np.array([label for _, label in lists.train], dtype=np.int64),
        "X_val": X_val,
        "y_val": np.array([label for _, label in lists.val], dtype=np.int64),
        "X_test": X_test,
        "y_test": lists.y_test,
        "mean_image": mean_image,
    }


def _lines(file: Path) -> list[str]:
    """Return a text file's lines that are not empty."""
    return [line for line in read_text(file, _ADVICE).splitlines() if line.strip()]


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


def _annotated(file: Path, labels: dict[str, int]) -> Labelled:
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


def check(folder: Path, expect: Mapping[str, Any]) -> None:
    """Insist on sizes, and that every picture that is listed is a whole JPEG.

    Args:
        folder: ``tiny-imagenet-100-A/``.
        expect: The number of classes, and of pictures in each split.
    """
    lists = read_lists(folder)
    require(f"classes of {folder}", len(lists.names), expect["classes"])
    if nameless := [wnid for wnid, names in lists.names.items() if not names]:
        raise ValueError(f"{folder / 'words.txt'} has no name for {nameless[0]}.")
    pictures = {
        "train": [file for file, _ in lists.train],
        "val": [file for file, _ in lists.val],
        "test": lists.test,
    }
    for split, files in pictures.items():
        for file in files:
            if not is_whole_jpeg(file.read_bytes()):
                raise ValueError(f"{file} is no whole JPEG picture.")
        require(f"{split} pictures of {folder}", len(files), expect[split])
