"""Proofs that a data set on disk is what its loader expects, before it gets its name.

Its reader looks at the structure: files, shapes, dtypes, and that indices point at
something. ``expect`` holds the sizes that ``registry.toml`` gives for a data set.
"""

import pickle
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.datasets.readers import (
    cifar10,
    coco,
    imagenet_val,
    mnist,
    pretrained_cnn,
    squeezenet,
    tiny_imagenet,
)
from cs231n.support.picture_files import is_whole_jpeg


class DamagedError(ValueError):
    """A data set is not what it should be."""


def check_coco(folder: Path, expect: Mapping[str, Any]) -> None:
    """Check ``coco_captioning/`` by reading it, features left on disk."""
    if not folder.is_dir():
        raise DamagedError(f"There is no folder {folder}.")
    data = _call(coco.read, folder, in_memory=False)
    for split in ("train", "val"):
        for part in ("captions", "features"):
            name = f"{split}_{part}"
            _require(f"{name} of {folder}", data[name].shape, expect[name])
        _require(
            f"{split}2014_urls.txt of {folder}",
            len(data[f"{split}_urls"]),
            expect[f"{split}_features"][0],
        )
        wide = coco.features_file(folder, split, pca_features=False)
        if wide.exists():
            features = _call(coco.read_features, wide, in_memory=False)
            _require(str(wide), features.shape, expect[f"{split}_wide_features"])
    _require(f"words of {folder}", len(data["idx_to_word"]), expect["words"])


def check_tiny_imagenet(folder: Path, expect: Mapping[str, Any]) -> None:
    """Check ``tiny-imagenet-100-A/``: every picture that is listed is a whole JPEG."""
    lists = _call(tiny_imagenet.read_lists, folder)
    _require(f"classes of {folder}", len(lists.names), expect["classes"])
    if nameless := [wnid for wnid, names in lists.names.items() if not names]:
        raise DamagedError(f"{folder / 'words.txt'} has no name for {nameless[0]}.")
    pictures = {
        "train": [file for file, _ in lists.train],
        "val": [file for file, _ in lists.val],
        "test": lists.test,
    }
    for split, files in pictures.items():
        for file in files:
            if not is_whole_jpeg(_call(file.read_bytes)):
                raise DamagedError(f"{file} is no whole JPEG picture.")
        _require(f"{split} pictures of {folder}", len(files), expect[split])


def check_pretrained_cnn(file: Path, expect: Mapping[str, Any]) -> None:
    """Check ``pretrained_model.h5``: every array there, in its shape or transposed."""
    wanted = pretrained_cnn.shapes(**expect)
    _call(pretrained_cnn.read, file, wanted)


def check_imagenet_val(file: Path, expect: Mapping[str, Any]) -> None:
    """Check ``imagenet_val_25.npz`` by reading it."""
    X, y, _ = _call(imagenet_val.read, file)
    _require(f"pictures of {file}", X.shape, (expect["pictures"], 224, 224, 3))
    _require_pixels(file, X, y, 1000)


def check_squeezenet(file: Path, expect: Mapping[str, Any]) -> None:
    """Check torchvision's weights by loading them into its network."""
    model = _call(squeezenet.read, file)
    count = sum(w.numel() for w in model.parameters())
    _require(f"parameters of {file}", count, expect["parameters"])


def check_mnist(folder: Path, expect: Mapping[str, Any]) -> None:
    """Check the four files of MNIST in the format of their author."""
    for split, stem in (("train", "train"), ("test", "t10k")):
        _, labels = _call(mnist.read, folder, stem)
        _require(f"{split} pictures of {folder}", len(labels), expect[split])


def check_cifar10(folder: Path, expect: Mapping[str, Any]) -> None:
    """Check the six batches of ``cifar-10-batches-py/``."""
    for name in (*cifar10.TRAINING, cifar10.TEST):
        data, labels = _call(cifar10.read_batch, folder / name)
        _require(f"{folder / name}: pictures", len(data), expect["rows"])
        _require_pixels(folder / name, data, labels, 10)


CHECKS: dict[str, Callable[[Path, Mapping[str, Any]], None]] = {
    "coco": check_coco,
    "tiny_imagenet": check_tiny_imagenet,
    "pretrained_cnn": check_pretrained_cnn,
    "imagenet_val": check_imagenet_val,
    "squeezenet": check_squeezenet,
    "mnist": check_mnist,
    "cifar10": check_cifar10,
}
"""The checks by the name that ``registry.toml`` gives."""


def _require(what: str, found: Any, wanted: Any) -> None:
    found, wanted = (tuple(x) if isinstance(x, list) else x for x in (found, wanted))
    if found != wanted:
        raise DamagedError(f"{what}: {found} where {wanted} is right.")


def _require_pixels(file: Path, X: Any, y: Any, classes: int) -> None:
    if X.dtype != np.uint8:
        raise DamagedError(f"{file} has pixels of {X.dtype}.")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= classes:
        raise DamagedError(f"{file} has the classes {y.min()} to {y.max()}.")


def _call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a reader; what it says of a damaged file is what the check says."""
    try:
        return function(*args, **kwargs)
    except (OSError, ValueError, pickle.UnpicklingError, zlib.error) as error:
        raise DamagedError(str(error)) from error
