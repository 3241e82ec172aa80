"""Proofs that a data set on disk is what its loader expects, before it gets its name.

Each check looks at the structure: files, shapes, dtypes, and that indices point at
something. ``expect`` holds the sizes that ``registry.toml`` gives for a data set.
"""

import importlib
import pickle
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from cs231n.support import safe_pickle
from cs231n.support.file_kinds import because

_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"


class DamagedError(ValueError):
    """A data set is not what it should be."""


def coco(folder: Path, expect: Mapping[str, Any]) -> None:
    """Check ``coco_captioning/`` by loading it, features left on disk."""
    from cs231n.coco_utils import load_coco_data

    data = _call(load_coco_data, folder, in_memory=False)
    for split in ("train", "val"):
        for part in ("captions", "features"):
            name = f"{split}_{part}"
            _require(f"{name} of {folder}", data[name].shape, expect[name])
        _require(
            f"{split}2014_urls.txt of {folder}",
            len(data[f"{split}_urls"]),
            expect[f"{split}_features"][0],
        )
        wide = folder / f"{split}2014_vgg16_fc7.h5"
        if wide.exists():
            shape = _shapes(wide).get("features")
            _require(str(wide), shape, expect[f"{split}_wide_features"])
    _require(f"words of {folder}", len(data["idx_to_word"]), expect["words"])


def tiny_imagenet(folder: Path, expect: Mapping[str, Any]) -> None:
    """Check ``tiny-imagenet-100-A/``: every picture that is listed is a whole JPEG."""
    classes = [line.strip() for line in _lines(folder / "wnids.txt") if line.strip()]
    _require(f"{folder / 'wnids.txt'}: classes", len(classes), expect["classes"])
    _require(
        f"{folder / 'wnids.txt'}: different classes", len(set(classes)), len(classes)
    )
    named = {line.partition("\t")[0] for line in _lines(folder / "words.txt")}
    if missing := set(classes) - named:
        raise DamagedError(f"{folder / 'words.txt'} has no name for {min(missing)}.")
    counts = {"train": 0, "val": 0}
    for wnid in classes:
        place = folder / "train" / wnid
        for line in _lines(place / f"{wnid}_boxes.txt"):
            _require_jpeg(place / "images" / line.split("\t")[0])
            counts["train"] += 1
    for line in _lines(folder / "val" / "val_annotations.txt"):
        name, wnid = line.split("\t")[:2] if "\t" in line else (line, "")
        if wnid not in classes:
            raise DamagedError(f"{folder}: {name!r} of val has the class {wnid!r}.")
        _require_jpeg(folder / "val" / "images" / name)
        counts["val"] += 1
    tests = sorted((folder / "test" / "images").glob("*"))
    for picture in tests:
        _require_jpeg(picture)
    for split, count in {**counts, "test": len(tests)}.items():
        _require(f"{split} pictures of {folder}", count, expect[split])


def pretrained_cnn(file: Path, expect: Mapping[str, Any]) -> None:
    """Check ``pretrained_model.h5``: every array there, in its shape or transposed."""
    shapes = _shapes(file)
    for name, wanted in cnn_shapes(expect).items():
        if shapes.get(name) not in (wanted, wanted[::-1]):
            raise DamagedError(
                f"{file}: {name} has shape {shapes.get(name)}, {wanted} is wanted."
            )


def imagenet_val(file: Path, expect: Mapping[str, Any]) -> None:
    """Check ``imagenet_val_25.npz`` by reading it."""
    from cs231n.data_utils import read_imagenet_val

    X, y, _ = _call(read_imagenet_val, file)
    _require(f"pictures of {file}", X.shape, (expect["pictures"], 224, 224, 3))
    if X.dtype != np.uint8 or y.dtype.kind not in "iu" or y.min() < 0 or y.max() > 999:
        raise DamagedError(f"{file} has pixels of {X.dtype}, classes {y.tolist()}.")


def squeezenet(file: Path, expect: Mapping[str, Any]) -> None:
    """Check torchvision's weights by loading them into its network."""
    from cs231n.classifiers.squeezenet import count_parameters

    _require(
        f"parameters of {file}", _call(count_parameters, file), expect["parameters"]
    )


def mnist(folder: Path, expect: Mapping[str, Any]) -> None:
    """Check the four files of MNIST in the format of their author."""
    for split, stem in (("train", "train"), ("test", "t10k")):
        count = expect[split]
        for part, shape in (
            ("images-idx3", (count, 28, 28)),
            ("labels-idx1", (count,)),
        ):
            file = folder / "MNIST" / "raw" / f"{stem}-{part}-ubyte"
            content = _bytes(file)
            # Two zeros, 8 for unsigned bytes, the number of axes; the axes.
            wanted = np.array([0x800 + len(shape), *shape], ">u4").tobytes()
            if content[: len(wanted)] != wanted:
                raise DamagedError(f"{file} does not begin as {shape} bytes should.")
            _require(str(file), len(content), len(wanted) + int(np.prod(shape)))
            if len(shape) == 1 and max(content[8:], default=0) > 9:
                raise DamagedError(f"{file} has the digit {max(content[8:])}.")


def cifar10(folder: Path, expect: Mapping[str, Any]) -> None:
    """Check the six batches of ``cifar-10-batches-py/``."""
    rows = expect["rows"]
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        batch = _call(safe_pickle.load, folder / name, encoding="latin1")
        try:
            data, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(
                f"{folder / name} has no pixels and labels ({error})."
            ) from error
        _require(f"{folder / name}: pixels", data.shape, (rows, 3072))
        _require(f"{folder / name}: labels", labels.shape, (rows,))
        right = labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() <= 9
        if data.dtype != np.uint8 or not right:
            raise DamagedError(f"{folder / name} has pixels of {data.dtype}.")


Check: TypeAlias = Callable[[Path, Mapping[str, Any]], None]
CHECKS: dict[str, Check] = {
    function.__name__: function
    for function in (
        *(coco, tiny_imagenet, pretrained_cnn, imagenet_val, squeezenet, mnist),
        cifar10,
    )
}
"""The checks by the name that ``registry.toml`` gives."""


def check_of(name: str) -> Check:
    """Return the check that ``registry.toml`` names: one of these, or a reader's own.

    Args:
        name: One of ``CHECKS``, or a module of ``cs231n.datasets.readers`` that has a
            function ``check``, which raises OSError or ValueError.

    Raises:
        KeyError: If there is neither.
    """
    if name in CHECKS:
        return CHECKS[name]
    try:
        reader = importlib.import_module(f"cs231n.datasets.readers.{name}")
        return partial(_call, reader.check)
    except (ModuleNotFoundError, AttributeError) as error:
        raise KeyError(
            f"There is no check {name!r}; write check(path, expect) in "
            f"cs231n/datasets/readers/{name}.py ({error})."
        ) from error


def cnn_shapes(expect: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of the CNN of 2016."""
    filters, hidden = expect["filters"], expect["hidden"]
    weights: list[tuple[int, ...]] = []
    inputs, side = 3, expect["first_filter"]
    for outputs in filters:
        weights.append((outputs, inputs, side, side))
        inputs, side = outputs, 3
    weights += [(expect["flat"], hidden), (hidden, expect["classes"])]
    biases = [*filters, hidden, expect["classes"]]
    shapes: dict[str, tuple[int, ...]] = {}
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        shapes |= {f"W{k}": weight, f"b{k}": (bias,)}
        if k < len(biases):  # the last layer is not normalised
            for name in ("gamma", "beta", "running_mean", "running_var"):
                shapes[f"{name}{k}"] = (bias,)
    return shapes


def _require(what: str, found: Any, wanted: Any) -> None:
    found, wanted = (tuple(x) if isinstance(x, list) else x for x in (found, wanted))
    if found != wanted:
        raise DamagedError(f"{what}: {found} where {wanted} is right.")


def _require_jpeg(file: Path) -> None:
    content = _bytes(file)
    if not (content.startswith(_JPEG) and _JPEG_END in content[-64:]):
        raise DamagedError(f"{file} is no whole JPEG picture.")


def _call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a loader; what it says of a damaged file is what the check says."""
    try:
        return function(*args, **kwargs)
    except (OSError, ValueError, pickle.UnpicklingError, zlib.error) as error:
        raise DamagedError(str(error)) from error


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DamagedError(f"{file} cannot be read ({error.strerror}).") from error


def _lines(file: Path) -> list[str]:
    try:
        return _bytes(file).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DamagedError(f"{file} is no text file ({error}).") from error


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the datasets at the top of an HDF5 file."""
    import h5py

    try:
        with h5py.File(file, "r") as stream:
            return {
                name: item.shape
                for name, item in stream.items()
                if isinstance(item, h5py.Dataset)
            }
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        why = because(file, "hdf5", error, "fetch it again")
        raise DamagedError(f"{file} is no whole HDF5 file {why}") from error
