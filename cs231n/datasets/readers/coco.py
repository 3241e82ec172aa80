"""The folder ``coco_captioning``, read and mistrusted.

It holds captions as word indices, one feature vector and one URL for each picture, and
the vocabulary. Letters in shapes: N captions, T words in a caption, D numbers in a
feature vector, P pictures.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n import datasets
from cs231n.datasets.readers.common import again, opened_h5, read_text, require
from cs231n.support.arrays import Array
from cs231n.support.file_kinds import because

FOLDER = "coco_captioning"
CAPTIONS_FILE = "coco2014_captions.h5"

_FETCH = again("coco_captioning")
_COPIED = 1 << 24  # bytes


def features_file(folder: Path, split: str, pca_features: bool) -> Path:
    """Return the file of a split's features: 512 numbers a picture, or all 4096."""
    suffix = "_pca" if pca_features else ""
    return folder / f"{split}2014_vgg16_fc7{suffix}.h5"


def read(
    folder: Path, pca_features: bool = True, in_memory: bool = True
) -> dict[str, Any]:
    """Read a folder and see that its files belong together.

    Args:
        folder: The folder.
        pca_features: Whether to read the features of 512 numbers or those of 4096.
        in_memory: Whether to read the features, or to map them from disk.

    Returns:
        What ``load_coco_data`` of ``cs231n.coco_utils`` returns, with all captions.

    Raises:
        FileNotFoundError: If a file is missing.
        OSError: If an HDF5 file is damaged.
        ValueError: If the files do not fit together.
    """
    data: dict[str, Any] = _read_h5(folder / CAPTIONS_FILE)
    for split in ("train", "val"):
        file = features_file(folder, split, pca_features)
        if not pca_features and not file.exists():
            raise FileNotFoundError(
                f"{file} is missing; pca_features=True loads the smaller features."
            )
        data[f"{split}_features"] = read_features(file, in_memory)
        data[f"{split}_urls"] = _read_lines(folder / f"{split}2014_urls.txt")
    data.update(_read_vocabulary(folder / "coco2014_vocab.json"))
    _check_data(data, folder)
    return data


def _read_h5(file: Path) -> dict[str, Array]:
    """Read every dataset at the top of an HDF5 file into memory."""
    import h5py

    with opened_h5(file, _FETCH) as stream:
        return {
            name: item[...]
            for name, item in stream.items()
            if isinstance(item, h5py.Dataset)
        }


def read_features(file: Path, in_memory: bool) -> Array:
    """Read the dataset ``features``, or map it from disk."""
    import h5py

    with opened_h5(file, _FETCH) as stream:
        features = stream.get("features")
        if isinstance(features, h5py.Dataset):
            return features[...] if in_memory else _map(features, file)
    raise ValueError(f"{file} has no dataset 'features'; {_FETCH}.")


def _map(dataset: Any, file: Path) -> Array:
    """Return a dataset as an array whose rows are read from disk when they are used.

    A dataset that lies in the file in one piece is mapped there. One in chunks, which
    may be compressed, is first copied to a file that vanishes with the array:
    otherwise a minibatch of 100 rows would unpack up to 100 chunks.
    """
    shape, dtype = dataset.shape, dataset.dtype
    if not dataset.size:
        return np.empty(shape, dtype)
    offset = dataset.id.get_offset()
    if dataset.chunks is None and offset is not None:
        return np.memmap(file, dtype, mode="r", offset=offset, shape=shape)
    with tempfile.TemporaryFile(dir=datasets.cache_dir()) as copy:
        step = max(1, _COPIED // max(dataset[:1].nbytes, 1))
        for start in range(0, shape[0], step):
            copy.write(dataset[start : start + step].tobytes())
        copy.flush()
        return np.memmap(copy, dtype, mode="r", shape=shape)


def _read_lines(file: Path) -> NDArray[np.str_]:
    """Read one string a line."""
    text = read_text(file, _FETCH)
    lines = text.removesuffix("\n").split("\n") if text else []
    return np.array([line.strip() for line in lines], dtype=np.str_)


def _read_vocabulary(file: Path) -> dict[str, Any]:
    """Read the vocabulary and see that its two directions agree."""
    text = read_text(file, _FETCH)
    try:
        vocabulary = json.loads(text)
    except ValueError as error:
        why = because(file, "json", error, _FETCH)
        raise ValueError(f"{file} is no whole JSON file {why}") from error
    if not (
        isinstance(vocabulary, dict)
        and isinstance(vocabulary.get("idx_to_word"), list)
        and isinstance(vocabulary.get("word_to_idx"), dict)
    ):
        raise ValueError(
            f"{file} must hold an object with a list 'idx_to_word' and an object "
            f"'word_to_idx'; {_FETCH}."
        )
    words, indices = vocabulary["idx_to_word"], vocabulary["word_to_idx"]
    for index, word in enumerate(words):
        if not isinstance(word, str) or indices.get(word) != index:
            raise ValueError(
                f"{file} disagrees with itself: idx_to_word[{index}] is {word!r}, for "
                f"which word_to_idx has {indices.get(str(word))}; {_FETCH}."
            )
    if len(words) != len(indices):
        raise ValueError(
            f"{file} disagrees with itself: {len(words)} words in idx_to_word, "
            f"{len(indices)} in word_to_idx; {_FETCH}."
        )
    return vocabulary


def _check_data(data: dict[str, Any], folder: Path) -> None:
    """See that captions, pictures and vocabulary belong together.

    Raises:
        ValueError: If they do not.
    """
    file = folder / CAPTIONS_FILE
    words = len(data["idx_to_word"])
    for split in ("train", "val"):
        captions = _array(data, f"{split}_captions", file, 2, "integers")
        pictures = _array(data, f"{split}_image_idxs", file, 1, "integers")
        if len(captions) != len(pictures):
            raise ValueError(
                f"{file}: {split}_captions has {len(captions)} rows and "
                f"{split}_image_idxs {len(pictures)}, but each caption needs one "
                f"picture; {_FETCH}."
            )
        if not captions.size:
            raise ValueError(f"{file}: {split}_captions is empty; {_FETCH}.")
        if (index := _outside(captions, words)) is not None:
            raise ValueError(
                f"{file}: {split}_captions has word index {index}, but "
                f"coco2014_vocab.json has {words} words, 0 to {words - 1}; take "
                "captions and vocabulary from the same download."
            )
        features = _array(data, f"{split}_features", folder, 2, "floats")
        urls = data[f"{split}_urls"]
        if len(urls) != len(features):
            print(
                f"{folder} has {len(urls)} {split} URLs for {len(features)} pictures; "
                f"perhaps a file is damaged."
            )
        for what, there in (("features", len(features)), ("URLs", len(urls))):
            if (index := _outside(pictures, there)) is not None:
                raise ValueError(
                    f"{file}: {split}_image_idxs has picture {index}, but {folder} has "
                    f"{there} {split} {what}; take captions and {what} from the same "
                    "download."
                )
    train, val = data["train_features"], data["val_features"]
    if (train.shape[1], train.dtype) != (val.shape[1], val.dtype):
        raise ValueError(
            f"{folder}: training features have {train.shape[1]} numbers "
            f"({train.dtype}) and validation features {val.shape[1]} ({val.dtype}); "
            "take both from the same download."
        )


def _outside(indices: Array, there: int) -> int | None:
    """Return an index that is negative or not below ``there``, None if all are fine."""
    low, high = int(indices.min()), int(indices.max())
    if low < 0:
        return low
    return high if high >= there else None


def _array(
    data: dict[str, Any], name: str, file: Path, ndim: int, wanted: str
) -> Array:
    """Return ``data[name]`` if it is there and has the rank and dtype it should."""
    if name not in data:
        raise ValueError(f"{file} has no dataset {name!r}; {_FETCH}.")
    array: Array = np.asarray(data[name])
    kinds = "iu" if wanted == "integers" else "f"
    if array.ndim != ndim or array.dtype.kind not in kinds:
        raise ValueError(
            f"{file}: {name} has shape {array.shape} and dtype {array.dtype}; "
            f"{wanted} with {ndim} axes are wanted, so {_FETCH}."
        )
    return array


def check(folder: Path, expect: Mapping[str, Any]) -> None:
    """Insist on sizes, features left on disk.

    Args:
        folder: ``coco_captioning/``.
        expect: Shapes by name, and the number of words.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    data = read(folder, in_memory=False)
    for split in ("train", "val"):
        for part in ("captions", "features"):
            name = f"{split}_{part}"
            require(f"{name} of {folder}", data[name].shape, expect[name])
        require(
            f"{split}2014_urls.txt of {folder}",
            len(data[f"{split}_urls"]),
            expect[f"{split}_features"][0],
        )
        wide = features_file(folder, split, pca_features=False)
        if wide.exists():
            features = read_features(wide, in_memory=False)
            require(str(wide), features.shape, expect[f"{split}_wide_features"])
    require(f"words of {folder}", len(data["idx_to_word"]), expect["words"])
