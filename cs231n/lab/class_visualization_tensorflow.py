"""Paint the ideal picture of a class in TensorFlow, by steps that a student writes.

Pictures are written as the network reads them: see ``cs231n.image_utils``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.image_utils import (
    SQUEEZENET_MEAN,
    SQUEEZENET_STD,
    deprocess_image,
    preprocess_image,
)
from cs231n.support.frameworks import require_tensorflow
from cs231n.support.graphs_tensorflow import Graph
from cs231n.support.pixels_tensorflow import blur_image, jitter
from cs231n.support.validate_tensorflow import require_class

require_tensorflow()

import tensorflow as tf  # noqa: E402


def create_class_visualization(
    target_y: int,
    model: tf.keras.Model,
    *,
    l2_reg: float = 1e-3,
    learning_rate: float = 25,
    num_iterations: int = 100,
    blur_every: int = 10,
    max_jitter: int = 16,
    show_every: int = 25,
    show: Callable[[int, NDArray[np.uint8]], object] | None = None,
    start: NDArray[Any] | tf.Tensor | None = None,
    seed: int = 231,
) -> NDArray[np.floating]:
    """Paint the picture that gets a class the highest score, starting from noise.

    Three things keep it smooth: at each step the picture is shifted at random and back,
    colours that no screen has are cut off, and now and then it is blurred a little.

    Args:
        target_y: The class, 0 <= target_y < C.
        model: Maps pictures to (1, C) scores.
        l2_reg: Weight of the squared norm that is taken off the score.
        learning_rate: Length of a step, if the gradient is divided by its norm.
        num_iterations: How many steps.
        blur_every: The picture is blurred at each iteration that this number divides.
        max_jitter: The largest shift, in pixels.
        show_every: The picture is shown at each iteration that this number divides,
            the first and the last.
        show: Called with the iteration and (H, W, 3) pixels; None shows nothing.
        start: (1, H, W, 3) picture to start from; None draws (1, 224, 224, 3) of which
            each pixel has any colour.
        seed: Draws the shifts, and that picture.

    Returns:
        (1, H, W, 3) the picture as the network reads it, its colours within a screen's.

    Example:
        >>> model = tf.keras.Sequential(
        ...     [tf.keras.layers.Flatten(), tf.keras.layers.Dense(5)]
        ... )
        >>> noise = np.random.randn(1, 8, 8, 3).astype(np.float32)
        >>> create_class_visualization(2, model, start=noise, num_iterations=5).shape
        (1, 8, 8, 3)
    """
    # Here, so that this module can be loaded whatever a student's file holds.
    from cs231n.net_visualization_tensorflow import class_visualization_update_step

    target_y = require_class(target_y, model)
    rng = np.random.default_rng(seed)
    if start is None:
        start = preprocess_image(rng.uniform(0, 255, (224, 224, 3)))[None]
    X = tf.convert_to_tensor(start)
    low = tf.constant(-SQUEEZENET_MEAN / SQUEEZENET_STD, X.dtype)
    high = tf.constant((1 - SQUEEZENET_MEAN) / SQUEEZENET_STD, X.dtype)

    def update(X: tf.Tensor) -> tf.Tensor:
        return class_visualization_update_step(
            X, model, target_y, l2_reg, learning_rate
        )

    step = Graph(update)
    for t in range(num_iterations):
        ox, oy = rng.integers(0, max_jitter, size=2, endpoint=True).tolist()
        X = step(jitter(X, ox, oy))
        X = tf.clip_by_value(jitter(X, -ox, -oy), low, high)
        if t % blur_every == 0:
            X = tf.constant(blur_image(X, sigma=0.5))
        if show is not None and (t % show_every == 0 or t == num_iterations - 1):
            show(t, deprocess_image(X[0].numpy(), rescale=False))
    return np.array(X)
