"""Checks of arguments that several torch modules make, each failing with a sentence."""

from __future__ import annotations

from typing import Any

import torch

from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)
from cs231n.support.validate import one_class


def require_pictures(X: Any, y: torch.Tensor, model: torch.nn.Module) -> None:
    """Insist on pictures that a network can look at, and on a class for each.

    Args:
        X: (N, 3, H, W) pictures.
        y: (N,) classes.
        model: Tells how many classes there are.

    Raises:
        TypeError: If X is not a tensor of floating point numbers or y not of integers.
        ValueError: If a shape is wrong or X holds NaN or infinity.
        IndexError: If a class does not exist.
    """
    if not (isinstance(X, torch.Tensor) and X.is_floating_point()):
        kind = X.dtype if isinstance(X, torch.Tensor) else type(X).__name__
        raise TypeError(
            f"Pictures must be a floating point tensor, but came as {kind}; "
            "use preprocess."
        )
    if X.ndim != 4 or X.shape[1] != 3:
        raise ValueError(
            f"Pictures have shape {tuple(X.shape)}; (N, 3, H, W) is wanted, so give a "
            "single one an axis in front."
        )
    if not torch.isfinite(X).all():
        raise ValueError(
            "The pictures hold NaN or infinity, for which a network has no scores; "
            "look at how they were made."
        )
    if y.shape != X.shape[:1]:
        raise ValueError(
            f"There are {len(X)} pictures, but classes of shape {tuple(y.shape)}; "
            "each picture needs one."
        )
    if y.is_floating_point() or y.dtype == torch.bool:
        raise TypeError(f"Classes must be integers, but came as {y.dtype}.")
    for label in y.tolist():
        require_class(label, model)


def require_class(y: int, model: torch.nn.Module) -> int:
    """Return y as a plain integer if it is one of the network's classes.

    Args:
        y: The class.
        model: Its last linear or convolutional layer tells how many there are.

    Raises:
        IndexError: If there is no such class.
    """
    C: int | None = None
    for layer in model.modules():
        C = getattr(layer, "out_features", getattr(layer, "out_channels", C))
    return one_class(y, C)
