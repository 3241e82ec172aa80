"""Pictures as a network in TensorFlow reads them: shifted, blurred (given).

``cs231n.image_utils`` has what turns pixels into them, and back.

Letters in shapes: N pictures, H rows, W columns, C channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402


def blur_image(X: Any, sigma: float = 1) -> NDArray[np.floating]:
    """Blur pictures by a Gaussian.

    Args:
        X: (N, H, W, C) pictures, unchanged; an array, a tensor or a variable.
        sigma: Width of the Gaussian in pixels.

    Returns:
        (N, H, W, C) blurred pictures, an array.

    Example:
        >>> X = np.zeros((1, 9, 9, 1))
        >>> X[0, 4, 4, 0] = 1
        >>> blurred = blur_image(X)
        >>> bool(blurred.max() < 1), round(float(blurred.sum()), 3)  # spread, not lost
        (True, 1.0)
    """
    from scipy.ndimage import gaussian_filter1d

    blurred = np.asarray(X)
    for axis in (1, 2):
        blurred = gaussian_filter1d(blurred, sigma, axis=axis)
    return blurred


def jitter(X: Any, ox: int, oy: int) -> tf.Tensor:
    """Shift pictures; what leaves at one side comes in at the other.

    Args:
        X: (N, H, W, C) pictures, unchanged; an array, a tensor or a variable.
        ox: Pixels to the right; negative numbers shift to the left.
        oy: Pixels downwards; negative numbers shift upwards.

    Returns:
        (N, H, W, C) shifted pictures.

    Example:
        >>> row = np.arange(4.0).reshape(1, 1, 4, 1)
        >>> jitter(row, ox=1, oy=0).numpy().ravel()
        array([3., 0., 1., 2.])
    """
    return tf.roll(X, (oy, ox), (1, 2))
