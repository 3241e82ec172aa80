"""Checks of arguments that several modules make, each failing with a clear sentence."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def require_words(x: NDArray[Any], V: int) -> None:
    """Insist that x holds word indices.

    Args:
        x: Indices of any shape.
        V: Size of the vocabulary.

    Raises:
        TypeError: If x does not hold integers.
        IndexError: If an index is negative or not below V.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "iu":
        raise TypeError(
            f"Word indices must be integers, but came as {x.dtype}; "
            "convert them with astype(int)."
        )
    if x.size and not (x.min() >= 0 and x.max() < V):
        wrong = x[(x < 0) | (x >= V)].flat[0]
        raise IndexError(
            f"Word index {wrong} lies outside the vocabulary of {V} words; "
            f"use indices from 0 to {V - 1}."
        )
