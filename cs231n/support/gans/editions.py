"""What functions of other editions are called with."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def for_batches_of(build: Callable[..., Any], batch_size: int) -> Any:
    """Build a network that is told the size of its batches, in editions that tell it.

    Args:
        build: Builds it, such as build_dc_classifier; it may have no argument.
        batch_size: Pictures in a batch.

    Example:
        >>> for_batches_of(lambda batch_size: batch_size, 128)
        128
        >>> for_batches_of(lambda: "any", 128)
        'any'
    """
    try:
        inspect.signature(build).bind(batch_size)
    except TypeError:
        return build()
    return build(batch_size)
