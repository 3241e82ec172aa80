"""Q3 in TensorFlow, yours: what a network looks at and is fooled by.

Do this or ``net_visualization_pytorch.py``; the better of the two counts. Pictures are
written as the network reads them: RGB in 0..1, minus SQUEEZENET_MEAN, over
SQUEEZENET_STD, the colours last. Any classifier that maps pictures to scores serves as
the model.

Letters in shapes: N pictures, H rows, W columns; C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402

# What notebooks of every edition ask for comes from here, too.
from cs231n.support.pixels_tensorflow import blur_image as blur_image  # noqa: E402, PLC0414
from cs231n.support.pixels_tensorflow import jitter as jitter  # noqa: E402, PLC0414
from cs231n.support.validate_tensorflow import (  # noqa: E402
    as_classes,
    as_pictures,
    require_class,
)


def compute_saliency_maps(
    X: NDArray[Any] | tf.Tensor, y: NDArray[Any] | tf.Tensor, model: tf.keras.Model
) -> NDArray[np.floating]:
    """Measure how strongly each pixel moves the score of the correct class.

    Args:
        X: (N, H, W, 3) pictures, an array or a tensor; unchanged.
        y: (N,) their classes, 0 <= y < C.
        model: Maps pictures to (N, C) unnormalised scores.

    Returns:
        (N, H, W) saliency, at least 0.

    Example:
        >>> weights = tf.keras.initializers.Constant(-0.5)
        >>> model = tf.keras.Sequential(
        ...     [
        ...         tf.keras.layers.Flatten(),
        ...         tf.keras.layers.Dense(5, kernel_initializer=weights),
        ...     ]
        ... )
        >>> X = np.ones((1, 2, 2, 3), np.float32)
        >>> compute_saliency_maps(X, np.array([3]), model)
        array([[[0.5, 0.5],
                [0.5, 0.5]]], dtype=float32)
    """
    X = as_pictures(X)  # a tensor from here on, which a tape can watch
    y = as_classes(y, X, model)
    # TODO(Q3): Compute the saliency map of each picture: at each pixel the largest of
    # the three colours' absolute gradients of the picture's correct score.
    # BEGIN SOLUTION
    with tf.GradientTape() as tape:
        tape.watch(X)
        scores = tf.gather(model(X), y, axis=1, batch_dims=1)  # (N,)
    gradient = tape.gradient(scores, X)
    saliency = tf.reduce_max(tf.abs(gradient), axis=3)
    # END SOLUTION
    return np.asarray(saliency)


def make_fooling_image(
    X: NDArray[Any] | tf.Tensor, target_y: int, model: tf.keras.Model
) -> NDArray[np.floating]:
    """Change a picture until the network takes it for something else.

    Args:
        X: (1, H, W, 3) picture, an array or a tensor; unchanged.
        target_y: The class it shall be taken for, 0 <= target_y < C.
        model: Maps pictures to (1, C) scores.

    Returns:
        (1, H, W, 3) picture like X whose highest score is target_y's.

    Example:
        >>> model = tf.keras.Sequential(
        ...     [tf.keras.layers.Flatten(), tf.keras.layers.Dense(5)]
        ... )
        >>> fooling = make_fooling_image(np.ones((1, 4, 4, 3)), 2, model)
        >>> fooling.shape, int(np.argmax(model(fooling)))
        ((1, 4, 4, 3), 2)
    """
    target_y = require_class(target_y, model)
    X_fooling = as_pictures(X)  # a tensor, which nothing can change in place
    learning_rate = 1
    # TODO(Q3): Change X_fooling by gradient ascent on the target's score, with steps
    # normalised as in the notebook, until the model takes it for target_y. For most
    # pictures and targets fewer than 100 steps are enough: give up after that.
    # Printing the progress helps.
    # BEGIN SOLUTION
    for _ in range(100):
        with tf.GradientTape() as tape:
            tape.watch(X_fooling)
            scores = model(X_fooling)[0]
            score = scores[target_y]
        if tf.argmax(scores) == target_y:
            break
        g = tape.gradient(score, X_fooling)
        X_fooling += learning_rate * g / tf.norm(g)
    # END SOLUTION
    return np.array(X_fooling)


def class_visualization_update_step(
    X: NDArray[Any] | tf.Tensor | tf.Variable,
    model: tf.keras.Model,
    target_y: int,
    l2_reg: float,
    learning_rate: float,
) -> tf.Tensor:
    """Take one step from a picture towards what the network would call a class.

    Args:
        X: (1, H, W, 3) picture: an array, a tensor or a variable; unchanged.
        model: Maps pictures to (1, C) scores.
        target_y: The class, 0 <= target_y < C.
        l2_reg: Weight of the squared norm that is taken off the score.
        learning_rate: How far to go along the gradient.

    Returns:
        X: (1, H, W, 3) the next picture.

    Example:
        >>> model = tf.keras.Sequential(
        ...     [tf.keras.layers.Flatten(), tf.keras.layers.Dense(5)]
        ... )
        >>> X = np.zeros((1, 4, 4, 3), np.float32)
        >>> before = model(X)[0, 2].numpy()
        >>> X = class_visualization_update_step(X, model, 2, l2_reg=0, learning_rate=1)
        >>> bool(model(X)[0, 2].numpy() > before)
        True
    """
    target_y = require_class(target_y, model)
    X = tf.convert_to_tensor(X)
    # TODO(Q3): Take one step of gradient ascent on s_y(I) - l2_reg * ||I||_2^2, where
    # s_y is the score of target_y, and let X be the picture that it leads to. Leave the
    # gradient as it is, or divide it by its norm, so that learning_rate is the length
    # of the step.
    # BEGIN SOLUTION
    with tf.GradientTape() as tape:
        tape.watch(X)
        objective = model(X)[0, target_y] - l2_reg * tf.reduce_sum(tf.square(X))
    g = tape.gradient(objective, X)
    X += learning_rate * g / tf.norm(g)
    # END SOLUTION
    return X
