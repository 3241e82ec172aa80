"""``pretrained_model.h5``: the weights of the 2016 edition's network."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.datasets.readers.common import again, opened_h5
from cs231n.support.arrays import Array

FILE = "pretrained_model.h5"
_FETCH = again("pretrained_model")
Shape = tuple[int, ...]


def shapes(
    filters: list[int], first_filter: int, flat: int, hidden: int, classes: int
) -> dict[str, Shape]:
    """Return the shape of every array of a network, by name.

    Args:
        filters: How many each convolution has.
        first_filter: Height and width of the first one's; the others' are 3.
        flat: Numbers that the last convolution puts out for a picture.
        hidden: Units of the first affine layer.
        classes: Scores for a picture.
    """
    weights: list[Shape] = []
    inputs, side = 3, first_filter
    for outputs in filters:
        weights.append((outputs, inputs, side, side))
        inputs, side = outputs, 3
    weights += [(flat, hidden), (hidden, classes)]
    found: dict[str, Shape] = {}
    for k, weight in enumerate(weights, start=1):
        bias = (weight[0] if len(weight) == 4 else weight[1],)
        found |= {f"W{k}": weight, f"b{k}": bias}
        if k < len(weights):  # the last layer is not normalised
            for name in ("gamma", "beta", "running_mean", "running_var"):
                found[f"{name}{k}"] = bias
    return found


def read(file: str | os.PathLike[str], wanted: Mapping[str, Shape]) -> dict[str, Array]:
    """Read arrays by name.

    Args:
        file: Flat datasets; one may lie transposed.
        wanted: The shape of each array.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or belongs to another architecture.
    """
    import h5py

    found: dict[str, Array] = {}
    try:
        with opened_h5(Path(file), _FETCH) as stream:
            for name in wanted:
                if isinstance(stream.get(name), h5py.Dataset):
                    found[name] = stream[name][()]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(str(error)) from error
    other = f"{file} belongs to another architecture: "
    if missing := [name for name in wanted if name not in found]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"{other}it has no {missing[0]}{more}.")
    for name, shape in wanted.items():
        value = found[name]
        if value.dtype.kind not in "fiu":
            raise ValueError(f"{file} holds no numbers in {name}; {_FETCH}.")
        if value.shape != shape and value.T.shape == shape:
            value = found[name] = value.T
        if value.shape != shape:
            raise ValueError(
                f"{other}its {name} has shape {value.shape}, and {shape} is wanted. "
                "Give num_classes and input_size as it was trained with."
            )
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def check(file: Path, expect: Mapping[str, Any]) -> None:
    """Insist on every array, in its shape or transposed.

    Args:
        file: ``pretrained_model.h5``.
        expect: The network's sizes, as ``shapes`` takes them.
    """
    read(file, shapes(**expect))
