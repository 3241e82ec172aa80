"""Q4 in TensorFlow, yours: how alike two pictures are in content, style, smoothness.

Do this or ``style_transfer_pytorch.py``; the better of the two counts.

Letters in shapes: N pictures, H rows, W columns, C channels of a feature map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from cs231n.gradient_check import rel_error as rel_error  # noqa: PLC0414 (a re-export)
from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402

# What notebooks of every edition ask for comes from here, too.
from cs231n.classifiers.squeezenet_tf import extract_features as extract_features  # noqa: E402, PLC0414


def content_loss(
    content_weight: float,
    content_current: NDArray[Any] | tf.Tensor,
    content_original: NDArray[Any] | tf.Tensor,
) -> tf.Tensor:
    """Measure how far a picture's content is from what it should be.

    Args:
        content_weight: What the loss is multiplied by.
        content_current: (1, H, W, C) features of the picture, at one layer.
        content_original: (1, H, W, C) features it should have there.

    Returns:
        loss: () the weighted content loss.

    Example:
        >>> features = tf.ones((1, 3, 3, 2))
        >>> float(content_loss(0.5, features, features))
        0.0
    """
    # TODO(Q4): Compute the content loss, L_c in the notebook.
    # BEGIN SOLUTION
    difference = content_current - content_original
    loss = content_weight * tf.reduce_sum(tf.square(difference))
    # END SOLUTION
    return loss


def gram_matrix(
    features: NDArray[Any] | tf.Tensor, normalize: bool = True
) -> tf.Tensor:
    """Measure how channels of a feature map go together, wherever that happens.

    Args:
        features: (1, H, W, C) features of one picture, unchanged.
        normalize: Whether to divide by the number of features, H * W * C.

    Returns:
        gram: (C, C) Gram matrix.

    Example:
        >>> gram_matrix(tf.ones((1, 3, 3, 2))).numpy()
        array([[0.5, 0.5],
               [0.5, 0.5]], dtype=float32)
    """
    # TODO(Q4): Compute the Gram matrix, without a loop. The channels are the last axis.
    # BEGIN SOLUTION
    _, H, W, C = features.shape
    maps = tf.reshape(features, (H * W, C))
    gram = tf.matmul(maps, maps, transpose_a=True)  # (C, C)
    if normalize:
        gram = gram / (H * W * C)
    # END SOLUTION
    return gram


def style_loss(
    feats: Sequence[NDArray[Any] | tf.Tensor],
    style_layers: Sequence[int],
    style_targets: Sequence[NDArray[Any] | tf.Tensor],
    style_weights: Sequence[float],
) -> tf.Tensor:
    """Measure how far a picture's style is from what it should be, at some layers.

    Args:
        feats: Features of the picture, as extract_features returns them.
        style_layers: Places in feats that count.
        style_targets: Gram matrix that the picture should have at each of style_layers.
        style_weights: Weight of each of style_layers.

    Returns:
        loss: () the weighted style losses, added up.

    Example:
        >>> feats = [tf.random.uniform((1, 3, 3, 2))]
        >>> target = gram_matrix(feats[0])
        >>> float(style_loss(feats, [0], [target], [100.0]))
        0.0
    """
    # TODO(Q4): Compute the style loss, L_s in the notebook. A short loop over the
    # layers is fine here.
    # BEGIN SOLUTION
    loss = tf.zeros((), feats[0].dtype)
    for layer, target, weight in zip(
        style_layers, style_targets, style_weights, strict=True
    ):
        loss += weight * tf.reduce_sum(tf.square(gram_matrix(feats[layer]) - target))
    # END SOLUTION
    return loss


def tv_loss(img: NDArray[Any] | tf.Tensor | tf.Variable, tv_weight: float) -> tf.Tensor:
    """Measure how much neighbouring pixels of a picture differ.

    Args:
        img: (1, H, W, 3) picture: an array, a tensor or a variable.
        tv_weight: What the loss is multiplied by.

    Returns:
        loss: () the weighted total variation.

    Example:
        >>> float(tv_loss(tf.ones((1, 4, 4, 3)), 0.5))  # no pixel differs
        0.0
    """
    # TODO(Q4): Compute the total variation, L_tv in the notebook, without loops.
    # BEGIN SOLUTION
    down = img[:, 1:] - img[:, :-1]
    right = img[:, :, 1:] - img[:, :, :-1]
    squares = tf.reduce_sum(tf.square(down)) + tf.reduce_sum(tf.square(right))
    loss = tv_weight * squares
    # END SOLUTION
    return loss
