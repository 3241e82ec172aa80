"""Fixed weights and inputs for networks of Keras (given): ``fixed_numbers`` says why.

A layer gets the very numbers that its like gets in PyTorch.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

from cs231n.lab.fixed_numbers import fixed_inputs, fixed_weights
from cs231n.support.arrays import Array
from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402

# Number of axes -> the axes of Keras' weights in PyTorch's order, and back again.
_ORDER = {2: (1, 0), 4: (3, 2, 0, 1)}
_BACK = {2: (1, 0), 4: (2, 3, 1, 0)}


def fixed_output(model: Any, *shape: int) -> Array:
    """Give a network fixed weights, and return what it makes of fixed inputs.

    Args:
        model: Is left with these weights; it works as it does in training.
        *shape: Of the inputs, which are uniform between -1 and 1.

    Returns:
        The output, an array.

    Example:
        >>> dense = [tf.keras.Sequential([tf.keras.layers.Dense(2)]) for _ in range(2)]
        >>> same = [fixed_output(model, 4, 3) for model in dense]
        >>> same[0].shape, np.array_equal(*same)
        ((4, 2), True)
    """
    x = tf.constant(fixed_inputs(*shape))
    set_fixed_weights(model, x)
    return np.asarray(model(x, training=True))


def set_fixed_weights(model: Any, x: Any) -> None:
    """Give every layer fixed weights, in the order in which layers run.

    What the text leaves open becomes the same for all: the small number that batch
    normalization adds to the variance.

    Args:
        model: Whose weights are set; a Keras model.
        x: Inputs that it can take.
    """
    ran: list[Any] = []
    call = tf.keras.layers.Layer.__call__

    def noted(layer: Any, *args: Any, **kwargs: Any) -> Any:
        out = call(layer, *args, **kwargs)
        ran.append(layer)  # so a layer comes before what holds it
        return out

    with mock.patch.object(tf.keras.layers.Layer, "__call__", noted):
        model(x, training=True)
    weights: dict[int, Any] = {}
    for layer in ran:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.epsilon = 1e-3
        for weight in layer.trainable_variables:
            weights.setdefault(id(weight), weight)
    for number, weight in enumerate(weights.values(), start=1):
        axes = _ORDER.get(len(weight.shape))
        shape = tuple(weight.shape[axis] for axis in axes) if axes else weight.shape
        values = fixed_weights(number, tuple(shape))
        weight.assign(values.transpose(_BACK[values.ndim]) if axes else values)
