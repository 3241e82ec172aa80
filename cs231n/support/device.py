"""Choose the torch device: what was asked for, else the best that is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

VARIABLE = "CS231N_DEVICE"


def get_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to compute on.

    Args:
        device: What to use, such as ``"cpu"`` or ``"cuda:1"``. When it is None, the
            environment variable ``CS231N_DEVICE`` decides, else CUDA, else MPS (the
            graphics chip of a Mac), else the CPU, whichever is there first.

    Raises:
        ValueError: If the named device does not exist or cannot be used here.

    Example:
        >>> get_device("cpu")
        device(type='cpu')
    """
    from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)

    # isort: split
    import torch

    source = "device"
    if device is None:
        device, source = os.environ.get(VARIABLE, "").strip() or None, VARIABLE
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    # torch raises AssertionError where it was built without the device.
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"{source} asks for {str(device)!r}, which cannot be used on this machine; "
            f"choose one of {', '.join(_usable())} or leave it unset."
        ) from error
    return chosen


def _usable() -> list[str]:
    import torch

    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]
