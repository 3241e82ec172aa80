"""Gradients at the pixels of the NumPy network: what it looks at, what fools it.

A model here has ``forward(X, start, end, mode)``, which returns an output and a cache,
and ``backward(dout, cache)``, which returns the gradient at X and those at the weights:
see ``cs231n.classifiers.pretrained_cnn``.

Letters in shapes: N pictures, H rows, W columns; C classes.
"""

import operator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating]


def compute_saliency_maps(X: Array, y: NDArray[np.integer], model: Any) -> Array:
    """Measure how strongly each pixel moves the score of the correct class.

    Args:
        X: (N, 3, H, W) pictures minus the mean picture.
        y: (N,) their classes, 0 <= y < C.
        model: The network, such as a PretrainedCNN.

    Returns:
        (N, H, W) saliency, at least 0.
    """
    X, y = require_pictures(X), require_classes(y, len(X), model)
    # TODO(Q3-2016): Run the network in test mode. Take the gradient of each picture's
    # correct score, as it is before any softmax, at its own pixels, and let the largest
    # of the three colours' absolute values stand for a pixel.
    # Hint: backward() starts from a gradient at the scores. Which one do you want?
    # BEGIN SOLUTION
    scores, cache = model.forward(X, mode="test")
    dscores = np.zeros_like(scores)
    dscores[np.arange(len(y)), y] = 1
    dX, _ = model.backward(dscores, cache)
    saliency: Array = np.abs(dX).max(axis=1)
    # END SOLUTION
    return saliency


def make_fooling_image(X: Array, target_y: int, model: Any) -> Array:
    """Change a picture until the network takes it for something else.

    Args:
        X: (1, 3, H, W) picture minus the mean picture, unchanged.
        target_y: The class it shall be taken for, 0 <= target_y < C.
        model: The network, such as a PretrainedCNN.

    Returns:
        (1, 3, H, W) picture like X whose highest score is target_y's.
    """
    X = require_pictures(X, one=True)
    target_y = require_class(target_y, model)
    X_fooling = X.copy()
    # TODO(Q3-2016): Climb the target's score: step along its gradient at the picture,
    # and stop as soon as the target's score is the highest. Run the network in test
    # mode. Choose a length of step such that most pictures need 10 to 100 steps, count
    # them, and give up at some number. Printing the progress helps.
    # Hint: pixels go from 0 to 255, and the gradient's own length says little about how
    # far to go. g / ||g||_2 has the length 1; in a picture of 64 by 64 pixels, a change
    # by one level in each of the 12,288 numbers has a length of about 111.
    # BEGIN SOLUTION
    pace = np.sqrt(X.size) / 2  # half a level per number, in the root mean square
    for _ in range(100):
        scores, cache = model.forward(X_fooling, mode="test")
        if scores[0].argmax() == target_y:
            break
        dscores = np.zeros_like(scores)
        dscores[0, target_y] = 1
        g, _ = model.backward(dscores, cache)
        step = pace * g / (np.linalg.norm(g) + 1e-12)
        X_fooling += step
    # END SOLUTION
    return X_fooling


def require_pictures(X: Array, one: bool = False) -> Array:
    """Return pictures as they are if a network can look at them.

    Args:
        X: (N, 3, H, W) pictures.
        one: Whether N must be 1.

    Raises:
        TypeError: If X does not hold floating point numbers.
        ValueError: If the shape is wrong, or X holds NaN or infinity.
    """
    X = np.asarray(X)
    if X.dtype.kind != "f":
        raise TypeError(
            f"Pictures must hold floating point numbers, but came as {X.dtype}; use "
            "preprocess_image, or load_tiny_imagenet."
        )
    if X.ndim == 4 and X.shape[1] != 3 and X.shape[3] == 3:
        raise ValueError(
            f"Pictures have shape {X.shape}, with the colours last; (N, 3, H, W) is "
            "wanted, so use X.transpose(0, 3, 1, 2)."
        )
    if X.ndim != 4 or X.shape[1] != 3 or 0 in X.shape:
        raise ValueError(
            f"Pictures have shape {X.shape}; (N, 3, H, W) is wanted, with N at least "
            "1, so give a single one an axis in front."
        )
    if one and len(X) != 1:
        raise ValueError(
            f"There are {len(X)} pictures where one is wanted; take X[i : i + 1]."
        )
    if not np.isfinite(X).all():
        raise ValueError(
            "The pictures hold NaN or infinity; look at how they were made (a learning "
            "rate that is too high does it)."
        )
    return X


def require_classes(y: Any, N: int, model: Any) -> NDArray[np.integer]:
    """Return classes as an array if there is one for each of N pictures.

    Raises:
        TypeError: If y does not hold integers.
        ValueError: If there are too many or too few.
        IndexError: If the network has no such class.
    """
    classes: NDArray[np.integer] = np.asarray(y)
    if classes.shape != (N,):
        raise ValueError(
            f"There are {N} pictures and classes of shape {classes.shape}; each "
            "picture needs one."
        )
    if classes.dtype.kind not in "iu":
        raise TypeError(f"Classes must be integers, but came as {classes.dtype}.")
    for label in classes.tolist():
        require_class(label, model)
    return classes


def require_class(y: Any, model: Any) -> int:
    """Return y as a plain integer if it is one of the network's classes.

    Raises:
        IndexError: If there is no such class.
    """
    label = operator.index(y)
    C = len(model.params["b11"])
    if not 0 <= label < C:
        raise IndexError(f"There is no class {label}; the network knows 0 to {C - 1}.")
    return label
