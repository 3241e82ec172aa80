"""A network in TensorFlow that tells what it was shown (given)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402


class Watched(tf.keras.Model):  # type: ignore[misc]
    """A network around another one, with a list of the pictures it was shown.

    Attributes:
        net: The other one.
        seen: Pictures in order, without repetitions.

    Example:
        >>> model = Watched(tf.keras.Sequential([tf.keras.layers.Flatten()]))
        >>> for number in (1, 1, 2):
        ...     _ = model(np.full((1, 2, 2, 3), number))
        >>> len(model.seen)
        2
    """

    def __init__(self, net: tf.keras.Model) -> None:
        """Wrap a network.

        Args:
            net: Maps pictures to scores.
        """
        super().__init__()
        self.net = net
        self.trainable = False
        self.seen: list[NDArray[Any]] = []

    def __call__(self, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the scores of pictures, and remember those that have values."""
        self._remember(X)
        return self.net(X, *args, **kwargs)

    def call(self, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Do the same: whoever calls this leaves out what Keras does around it."""
        return self(X, *args, **kwargs)

    def _remember(self, X: Any) -> None:
        if tf.is_tensor(X) and not hasattr(X, "numpy"):
            return  # it stands for pictures, in a graph
        shown = np.array(X)
        if not self.seen or not np.array_equal(self.seen[-1], shown):
            self.seen.append(shown)
