"""Steps of training as graphs, which are quicker, where they can be (given)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402


class Graph:
    """A function of tensors that runs as a graph, or as it is where that fails.

    A graph is made by calling the function with tensors that have no values yet. Code
    that asks for their values (``.numpy()``, ``if`` of a tensor) is right all the same:
    it runs eagerly from then on. What fails in both ways raises as it does eagerly.

    Attributes:
        is_graph: Whether it runs as a graph; None before the first call.

    Example:
        >>> twice = Graph(lambda x: x + x)
        >>> float(twice(tf.constant(2.0))), twice.is_graph
        (4.0, True)
        >>> halved = Graph(lambda x: tf.constant(x.numpy() / 2))
        >>> float(halved(tf.constant(2.0))), halved.is_graph
        (1.0, False)
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        """Make a graph of a function at its first call.

        Args:
            function: Takes tensors, and returns tensors in any structure. Whatever else
                it reads must stay as it is.
        """
        self.is_graph: bool | None = None
        self._eager = function
        self._graph = tf.function(function, autograph=False)

    def __call__(self, *args: tf.Tensor) -> Any:
        """Return what the function does."""
        if self.is_graph is None:
            try:
                result = self._graph(*args)
            except Exception:  # of any kind that code may raise which wants values
                self.is_graph = False
            else:
                self.is_graph = True
                return result
        return self._graph(*args) if self.is_graph else self._eager(*args)
