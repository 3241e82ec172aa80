"""Captioned pictures: load them, draw minibatches, turn indices into words.

The data are a folder ``coco_captioning`` with captions as word indices, one feature
vector and one URL for each picture, and the vocabulary. Where the course's own
(Microsoft COCO) is not on disk, drawn scenes in the same format take its place. Photos
of your own come in that format too, once ``python -m cs231n.datasets build captions``
has built them; ``CS231N_CAPTIONS`` chooses them.

Letters in shapes: N captions, T words in a caption, D numbers in a feature vector,
B captions in a minibatch, P pictures.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n import datasets
from cs231n.datasets.captions import shown
from cs231n.datasets.captions.chosen import chosen
from cs231n.datasets.readers import coco
from cs231n.support import folders
from cs231n.support.arrays import Array
from cs231n.support.validate import require_count

BASE_DIR = str(Path(__file__).resolve().parent / "datasets" / "coco_captioning")

_OLD_BASE_DIR = PurePosixPath("cs231n/datasets/coco_captioning")
_FEW = 0.1  # of the scenes


def load_coco_data(
    base_dir: str | os.PathLike[str] = BASE_DIR,
    max_train: int | None = None,
    pca_features: bool = True,
    *,
    rng: np.random.Generator | None = None,
    replace: bool = True,
    in_memory: bool = True,
) -> dict[str, Any]:
    """Load captions, features, URLs and vocabulary.

    Args:
        base_dir: Folder to read. The default means the data set that
            ``CS231N_CAPTIONS`` names, or else ``coco_captioning`` wherever the data
            folder is (see ``cs231n.datasets``), or else the drawn scenes.
        max_train: How many training captions to draw; None keeps all of them. The
            validation captions stay whole.
        pca_features: Whether to load the features of 512 numbers or those of 4096.
        rng: Draws the training captions; by default NumPy's legacy global stream,
            in one ``randint`` call.
        replace: Whether a caption or a picture may be drawn twice, as in the original.
            If not, no two of the captions drawn are of one picture. Of the drawn
            scenes, which are few, a picture comes once all the same if at most a tenth
            as many captions are wanted as there are pictures: a caption of a picture
            that has come before is replaced, the others stay. So it is of photos of
            your own, as long as there are as many.
        in_memory: Whether to read the features. If not, they stay on disk as arrays
            that only look loaded; minibatches read their rows, and are the same.

    Returns:
        Every dataset of the captions file, every entry of the vocabulary file, features
        and URLs. With ``train`` and ``val`` for ``*``:

        - ``*_captions``: (N, T) word indices.
        - ``*_image_idxs``: (N,) which picture a caption describes.
        - ``*_features``: (P, D) float32.
        - ``*_urls``: (P,) strings, for ``image_from_url``.
        - ``idx_to_word``: list of words; ``word_to_idx``: its inverse, a dict.

    Raises:
        FileNotFoundError: If the folder asked for, or a file in it, is missing.
        OSError: If an HDF5 file is damaged.
        ValueError: If the files do not fit together, or ``max_train`` does not.

    Example:
        >>> from cs231n.embedded import captions
        >>> data = load_coco_data(captions.ensure(), max_train=2)
        >>> data["train_captions"].shape, data["val_features"].shape
        ((2, 17), (300, 512))
    """
    if max_train is not None:
        max_train = require_count(max_train, "max_train", "or None to keep all")
    folder = _locate(base_dir)
    data = coco.read(folder, pca_features, in_memory)
    names = (u for split in ("train", "val") for u in data[f"{split}_urls"].tolist())
    are_photos = shown.remember(folder, names)

    if max_train is not None:
        rows = _choose(data["train_image_idxs"], max_train, rng, replace)
        are_scenes = (folder / folders.RECORD).exists()
        if are_photos or are_scenes:
            most = _FEW if are_scenes else 1.0
            rows = _redraw_repeats(data["train_image_idxs"], rows, most)
        data["train_captions"] = data["train_captions"][rows]
        data["train_image_idxs"] = data["train_image_idxs"][rows]
    return data


def captions_folder() -> Path:
    """Return the folder that ``load_coco_data`` reads by default.

    Raises:
        FileNotFoundError: If ``CS231N_CAPTIONS`` names what does not exist.

    Example:
        >>> sorted(file.name for file in captions_folder().glob("*_captions.h5"))
        ['coco2014_captions.h5']
    """
    if (there := _on_disk()) is not None:
        return there
    from cs231n.embedded import captions as scene_captions

    return Path(scene_captions.ensure())


def decode_captions(
    captions: NDArray[np.integer] | Sequence[int] | Sequence[Sequence[int]],
    idx_to_word: Sequence[str] | Mapping[int, str],
) -> str | list[str]:
    """Turn word indices into words joined by spaces.

    ``<NULL>`` is left out, the other marks stay, and nothing follows ``<END>``.

    Args:
        captions: (T,) or (N, T) word indices.
        idx_to_word: The words, as a list or as a dict by index.

    Returns:
        A string for one caption, a list of N strings for several.

    Raises:
        IndexError: If an index is not in the vocabulary.
        TypeError: If the indices are not integers.
        ValueError: If captions has neither one nor two axes.

    Example:
        >>> words = ["<NULL>", "<START>", "<END>", "<UNK>", "red", "car"]
        >>> decode_captions([1, 4, 5, 2, 0], words)
        '<START> red car <END>'
    """
    try:
        array = np.asarray(captions)
    except ValueError as error:
        raise ValueError(
            "captions has rows of different lengths; pad them with <NULL> or decode "
            "them one by one."
        ) from error
    if array.ndim not in (1, 2):
        raise ValueError(
            f"captions has shape {array.shape}; one caption (T,) or several (N, T) "
            "can be decoded."
        )
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(
            f"captions has dtype {array.dtype}; word indices are integers, "
            "so create or cast the array with an integer dtype."
        )
    if array.ndim == 1:
        return _decode(array.tolist(), idx_to_word)
    return [_decode(row, idx_to_word) for row in array.tolist()]


def sample_coco_minibatch(
    data: Mapping[str, Any],
    batch_size: int = 100,
    split: str = "train",
    *,
    rng: np.random.Generator | None = None,
) -> tuple[NDArray[np.integer], NDArray[np.floating], NDArray[np.str_]]:
    """Draw captions at random, with replacement, and look up their pictures.

    Args:
        data: What ``load_coco_data`` returns.
        batch_size: How many to draw, B.
        split: ``train`` or ``val``.
        rng: Draws the captions; by default NumPy's legacy global stream, in one
            ``choice`` call.

    Returns:
        captions: (B, T) word indices.
        image_features: (B, D) features of their pictures.
        urls: (B,) URLs of their pictures.

    Raises:
        IndexError: If a caption names a picture that has no features or no URL.
        ValueError: If there is no such split, or ``batch_size`` is not positive.

    Example:
        >>> data = {
        ...     "val_captions": np.array([[1, 4, 2], [1, 5, 2]]),
        ...     "val_image_idxs": np.array([0, 0]),  # of the same picture
        ...     "val_features": np.ones((1, 512)),
        ...     "val_urls": np.array(["scene://beach"]),
        ... }
        >>> captions, features, urls = sample_coco_minibatch(data, 5, split="val")
        >>> captions.shape, features.shape, urls.shape
        ((5, 3), (5, 512), (5,))
    """
    if f"{split}_captions" not in data:
        ending = "_captions"
        known = sorted(k.removesuffix(ending) for k in data if k.endswith(ending))
        raise ValueError(f"There is no split {split!r}; choose one of {known}.")
    batch_size = require_count(batch_size, "batch_size")
    captions = data[f"{split}_captions"]
    if rng is None:
        chosen = np.random.choice(captions.shape[0], batch_size)
    else:
        chosen = rng.choice(captions.shape[0], batch_size)
    pictures = data[f"{split}_image_idxs"][chosen]
    try:
        features = _rows(data[f"{split}_features"], pictures)
        urls = data[f"{split}_urls"][pictures]
    except IndexError as error:
        raise IndexError(
            f"{split}_image_idxs names picture {pictures.max()}, but there are "
            f"{len(data[f'{split}_features'])} rows of features and "
            f"{len(data[f'{split}_urls'])} URLs; load captions and features that "
            "belong together."
        ) from error
    return captions[chosen], features, urls


def _locate(base_dir: str | os.PathLike[str]) -> Path:
    """Return the folder that ``base_dir`` stands for."""
    folder = Path(base_dir)
    # The relative path was the default of early editions: it means the default too.
    if folder != Path(BASE_DIR) and folder != Path(_OLD_BASE_DIR):
        if not folder.is_dir():
            raise FileNotFoundError(
                f"There is no folder {folder}; unpack coco_captioning there, or leave "
                "base_dir out to use what is on disk."
            )
        return folder
    if _on_disk() is None:
        print("No coco_captioning folder on disk: using the drawn scenes instead.")
    return captions_folder()


def _on_disk() -> Path | None:
    """Return the folder that is chosen, or the course's own, or None."""
    found = datasets.find(Path(coco.FOLDER, coco.CAPTIONS_FILE))
    return chosen() or (found.parent if found is not None else None)


def _rows(features: Array, pictures: Array) -> Array:
    """Return rows of features, as a copy."""
    if not isinstance(features, np.memmap):
        there: Array = features[pictures]
        return there
    # On disk: each row once, in the order in which they lie there.
    rows, place = np.unique(pictures, return_inverse=True)
    return np.asarray(features[rows])[place]


def _choose(
    pictures: NDArray[np.integer],
    wanted: int,
    rng: np.random.Generator | None,
    replace: bool,
) -> NDArray[np.intp]:
    """Draw the row numbers of ``wanted`` captions.

    Args:
        pictures: (N,) which picture a caption describes.
        wanted: How many to draw.
        rng: Draws them; None for NumPy's legacy global stream.
        replace: Whether a caption or a picture may be drawn twice.
    """
    there = len(pictures)
    if replace:
        if rng is None:
            return np.random.randint(there, size=wanted)
        return np.asarray(rng.choice(there, size=wanted))
    order = np.random.permutation(there) if rng is None else rng.permutation(there)
    # In a random order of all captions, the first one of each picture.
    _, first = np.unique(pictures[order], return_index=True)
    if wanted > len(first):
        raise ValueError(
            f"max_train is {wanted}, but there are {len(first)} pictures with training "
            "captions; ask for fewer or pass replace=True."
        )
    return np.asarray(order[np.sort(first)[:wanted]])


def _redraw_repeats(
    pictures: NDArray[np.integer], rows: NDArray[np.intp], most: float
) -> NDArray[np.intp]:
    """Replace captions of a picture that has come before, if few captions are drawn.

    Two captions of one picture cannot both be learned by heart. COCO has so many
    pictures that 50 captions hardly ever share one; of the scenes, every fifth draw has
    two that do.

    Args:
        pictures: (N,) which picture a caption describes.
        rows: The row numbers drawn.
        most: How many may be drawn for that, in parts of all the pictures.

    Returns:
        The row numbers, others where a picture came again.
    """
    if len(rows) > most * len(np.unique(pictures)):
        return rows
    _, first = np.unique(pictures[rows], return_index=True)
    again = np.setdiff1d(np.arange(len(rows)), first)
    others = np.flatnonzero(~np.isin(pictures, pictures[rows]))
    rng = np.random.default_rng(rows)  # leaves the caller's stream where it is
    rows = rows.copy()
    rows[again] = others[_choose(pictures[others], len(again), rng, replace=False)]
    return rows


def _decode(row: list[int], idx_to_word: Sequence[str] | Mapping[int, str]) -> str:
    # A list is not asked itself: it would take -1 for its last word.
    known = idx_to_word if isinstance(idx_to_word, Mapping) else range(len(idx_to_word))
    words = []
    for index in row:
        if index not in known:
            raise IndexError(
                f"captions has word index {index}, which is not among the "
                f"{len(idx_to_word)} words of idx_to_word; decode with the vocabulary "
                "that the captions were made with."
            )
        word = idx_to_word[index]
        if word != "<NULL>":
            words.append(word)
        if word == "<END>":
            break
    return " ".join(words)
