"""Steps of training as graphs, which are quicker, where they can be (given)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402


class Graph:
    """A function of tensors that runs as a graph, or as it is where that fails.

    A graph is made by calling the function with tensors that have no values yet, once
    for each combination of shapes. Code that asks for their values (``.numpy()``,
    ``if`` of a tensor) is right all the same: it runs eagerly. What fails in both ways
    raises as it does eagerly.

    Attributes:
        is_graph: Whether it runs as a graph with what it was last called with; None
            before the first call.

    Example:
        >>> twice = Graph(lambda x: x + x)
        >>> float(twice(tf.constant(2.0))), twice.is_graph
        (4.0, True)
        >>> halved = Graph(lambda x: tf.constant(x.numpy() / 2))
        >>> float(halved(tf.constant(2.0))), halved.is_graph
        (1.0, False)
    """

    def __init__(self, function: Callable[..., Any], fused: bool = False) -> None:
        """Make a graph of a function at its first call.

        Args:
            function: Takes tensors, and returns tensors in any structure. Whatever else
                it reads must stay as it is.
            fused: Whether XLA compiles the graph. That takes a second, and pays where
                many small operations go over the same memory.
        """
        self.is_graph: bool | None = None
        self._eager = function
        self._graph = tf.function(
            function, autograph=False, jit_compile=True if fused else None
        )
        self._has_graph: dict[Hashable, bool] = {}

    def __call__(self, *args: tf.Tensor) -> Any:
        """Return what the function does."""
        kinds = tuple((arg.dtype, tuple(arg.shape)) for arg in args)
        if kinds not in self._has_graph:
            self._has_graph[kinds] = self._is_traced(*args)
        self.is_graph = self._has_graph[kinds]
        return self._graph(*args) if self.is_graph else self._eager(*args)

    def _is_traced(self, *args: tf.Tensor) -> bool:
        """Make a graph, while nothing is computed and no variable changes."""
        try:
            self._graph.get_concrete_function(*args)
        except Exception:  # of any kind that code may raise which wants values
            return False
        return True
