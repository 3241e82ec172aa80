"""Q3-2016, yours: what the NumPy network looks at, and what fools it.

A model here has ``forward(X, start, end, mode)``, which returns an output and a cache,
and ``backward(dout, cache)``, which returns the gradient at X and those at the weights:
see ``cs231n.classifiers.pretrained_cnn``.

Letters in shapes: N pictures, H rows, W columns; C classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.support.arrays import Array
from cs231n.support.validate import require_class, require_classes, require_pictures


def compute_saliency_maps(X: Array, y: NDArray[np.integer], model: Any) -> Array:
    """Measure how strongly each pixel moves the score of the correct class.

    Args:
        X: (N, 3, H, W) pictures minus the mean picture.
        y: (N,) their classes, 0 <= y < C.
        model: The network, such as a PretrainedCNN.

    Returns:
        (N, H, W) saliency, at least 0.

    Example:
        >>> from cs231n.classifiers.pretrained_cnn import PretrainedCNN
        >>> model = PretrainedCNN(num_classes=5, input_size=16)
        >>> X = np.random.randn(4, 3, 16, 16).astype(np.float32)
        >>> _ = model.forward(X, mode="train")  # sets the running averages
        >>> saliency = compute_saliency_maps(X, np.array([3, 1, 0, 4]), model)
        >>> saliency.shape, bool((saliency >= 0).all())
        ((4, 16, 16), True)
    """
    X, y = require_pictures(X), require_classes(y, len(X), model)
    # TODO(Q3-2016): Compute the saliency map of each picture: at each pixel the largest
    # of the three colours' absolute gradients of the picture's correct score, as it is
    # before any softmax. Run the network in test mode.
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

    Example:
        >>> from cs231n.classifiers.pretrained_cnn import PretrainedCNN
        >>> model = PretrainedCNN(num_classes=5, input_size=16)
        >>> X = np.random.randn(8, 3, 16, 16).astype(np.float32)
        >>> _ = model.forward(X, mode="train")  # sets the running averages
        >>> fooling = make_fooling_image(X[:1], 2, model)
        >>> fooling.shape, int(model.loss(fooling).argmax())
        ((1, 3, 16, 16), 2)
    """
    X = require_pictures(X, one=True)
    target_y = require_class(target_y, model)
    X_fooling = X.copy()
    # TODO(Q3-2016): Change X_fooling by gradient ascent on the target's score, with the
    # network in test mode, until the network takes it for target_y. Pixels go from 0 to
    # 255: choose the length of a step such that most pictures need 10 to 100 of them,
    # and give up at some number. Printing the progress helps.
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
