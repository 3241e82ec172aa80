"""What a student's function returned: taken as numbers, or refused in a few words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cs231n.tools.check.faults import NothingError, UnfitError
from cs231n.tools.check.marks import Array

if TYPE_CHECKING:
    import torch


class Elsewhere:
    """A student's object that stays in another process.

    Attributes:
        kind: What it is, in a few words.
    """

    kind = "an object"


def unpack(result: Any, names: Sequence[str]) -> list[Any]:
    """Insist on a tuple of so many results.

    Args:
        result: What a student's function returned.
        names: What its parts are called.

    Raises:
        UnfitError: If there are more or fewer.
    """
    wanted = ", ".join(names)
    if len(names) == 1:
        return [result]
    if result is None:
        raise NothingError(f"returned None instead of {wanted}")
    if not isinstance(result, tuple | list):
        raise UnfitError(f"returned {kind(result)} instead of {wanted}")
    if len(result) != len(names):
        raise UnfitError(f"returned {len(result)} results instead of {wanted}")
    return list(result)


def as_array(name: str, value: Any) -> Array:
    """Insist on real numbers.

    Args:
        name: What the result is called.
        value: An array, a tensor or a number.

    Raises:
        UnfitError: If it is anything else.
    """
    if value is None:
        raise NothingError(f"{name} is None: nothing was computed")
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise UnfitError(f"{name} is {kind(value)}, no array of numbers") from None
    if array.dtype.kind not in "fiub":
        raise UnfitError(f"{name} is {kind(value)}, no array of real numbers")
    return array


def require_tensor(name: str, value: Any) -> "torch.Tensor":
    """Insist on a tensor.

    Args:
        name: What the result is called.
        value: What a student's function returned.

    Raises:
        UnfitError: If it is anything else.
    """
    import torch

    if value is None:
        raise NothingError(f"{name} is None: nothing was computed")
    if not isinstance(value, torch.Tensor):
        raise UnfitError(f"{name} is {kind(value)}, where a tensor is wanted")
    return value


def kind(value: Any) -> str:
    """Describe a value in a few words."""
    if value is None:
        return "None"
    if isinstance(value, Elsewhere):
        return value.kind
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
