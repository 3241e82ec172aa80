"""Checks of arguments that TensorFlow modules make, each failing with a sentence.

Arrays and tensors are both taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cs231n.support.frameworks import require_tensorflow
from cs231n.support.validate import a_class_each, one_class

require_tensorflow()

import tensorflow as tf  # noqa: E402


def as_pictures(X: Any) -> tf.Tensor:
    """Return pictures that a network can look at as a tensor.

    Args:
        X: (N, H, W, 3) pictures; an array, a tensor or a variable.

    Raises:
        TypeError: If they are not floating point numbers.
        ValueError: If the shape is wrong or X holds NaN or infinity.
    """
    kind = getattr(X, "dtype", None)
    if kind is None or not tf.as_dtype(kind).is_floating:
        came = type(X).__name__ if kind is None else tf.as_dtype(kind).name
        raise TypeError(
            f"Pictures must be a floating point array or tensor, but came as {came}; "
            "use preprocess_image."
        )
    X = tf.convert_to_tensor(X)
    if X.shape.rank != 4 or X.shape[3] != 3:
        raise ValueError(
            f"Pictures have shape {tuple(X.shape)}; (N, H, W, 3) is wanted, so give a "
            "single one an axis in front, and let its colours come last."
        )
    if not np.isfinite(X).all():
        raise ValueError(
            "The pictures hold NaN or infinity, for which a network has no scores; "
            "look at how they were made."
        )
    return X


def as_classes(y: Any, X: tf.Tensor, model: Any) -> np.ndarray[Any, Any]:
    """Return the classes of pictures as an array.

    Args:
        y: (N,) classes; an array, a tensor or a list.
        X: (N, H, W, 3) pictures.
        model: Tells how many classes there are.

    Raises:
        TypeError: If they are no integers.
        ValueError: If there are more or fewer than pictures.
        IndexError: If a class does not exist.
    """
    return a_class_each(y, len(X), _class_count(model))


def require_class(y: Any, model: Any) -> int:
    """Return y as a plain integer if it is one of the network's classes.

    Args:
        y: The class.
        model: Its last dense or convolutional layer tells how many there are.

    Raises:
        IndexError: If there is no such class.
    """
    return one_class(y, _class_count(model))


def _class_count(model: Any) -> int | None:
    C: int | None = None
    for layer in _layers(model):
        C = getattr(layer, "units", getattr(layer, "filters", C))
    return C


def _layers(model: Any) -> Iterator[Any]:
    """Yield a model's layers and theirs, in order."""
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)
