"""TensorFlow's graphs for given loops: fast where they can be made, never demanded.

A graph of a function that students wrote, or that calls one, takes half the time of the
function itself. But what is written for tensors with numbers in them, such as
``.numpy()`` or ``float(loss)``, has no graph, and is right all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, ParamSpec, TypeVar

from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

# isort: split
import tensorflow as tf

P = ParamSpec("P")
T = TypeVar("T")


class Graph(Generic[P, T]):
    """Calls a function through its graph, or as it is written where it has none.

    Attributes:
        made: Whether there is a graph for what it was last called with.

    Example:
        >>> double = Graph(lambda x: 2 * x)
        >>> double(tf.constant(3.0)).numpy(), double.made
        (6.0, True)
        >>> double = Graph(lambda x: tf.constant(2 * x.numpy()))
        >>> double(tf.constant(3.0)).numpy(), double.made
        (6.0, False)
    """

    def __init__(self, function: Callable[P, T], fused: bool = False) -> None:
        """Wait for the first call: a graph is made of a function and its arguments.

        Args:
            function: Of tensors; it may use variables and change them.
            fused: Whether XLA compiles the graph. That takes a second, and pays where
                many small operations go over the same memory.
        """
        self._function = function
        self._compiled = tf.function(function, jit_compile=fused or None)
        self._known: dict[Hashable, Any] = {}
        self.made = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function.

        Args:
            *args: Tensors; each combination of shapes has a graph of its own.
            **kwargs: More of them.
        """
        key = tuple(
            (name, tuple(value.shape), value.dtype) if hasattr(value, "dtype") else name
            for name, value in (*enumerate(args), *kwargs.items())
        )
        if key not in self._known:
            self._known[key] = self._trace(*args, **kwargs)
        self.made = self._known[key]
        called: Callable[P, T] = self._compiled if self.made else self._function
        return called(*args, **kwargs)

    def _trace(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Tell whether there is a graph; nothing is computed, and no variable changes.

        Whatever stops it is not said here: the function itself will meet it again,
        with numbers, in a place that the one who wrote it knows.
        """
        try:
            self._compiled.get_concrete_function(*args, **kwargs)
        except Exception:  # a dozen kinds: each layer of TensorFlow has its own
            return False
        return True
