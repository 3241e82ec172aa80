"""What a check looks at in objects that a student's functions build, or hands them."""

from typing import Any

import numpy as np
import torch
from torch import nn

from cs231n.lab.fixed_weights import set_fixed_weights
from cs231n.support.gans.step import is_adam
from cs231n.tools.check.faults import NothingError, UnfitError
from cs231n.tools.check.returned import kind, require_tensor


def network(model: Any, x: torch.Tensor) -> tuple[int, torch.Tensor]:
    """Look at a network, which is left with fixed weights.

    Args:
        model: What a student's function returned.
        x: Inputs.

    Returns:
        parameters: How many numbers can be learnt.
        out: What it makes of the inputs with fixed weights.

    Raises:
        UnfitError: If it is no network.
    """
    if model is None:
        raise NothingError("the network is None: nothing was built")
    if not isinstance(model, nn.Module):
        raise UnfitError(f"returned {kind(model)}, where a network is wanted")
    parameters = sum(p.numel() for p in model.parameters())
    with torch.no_grad():
        set_fixed_weights(model, x)
        out = require_tensor("the output", model(x.clone()))
    return parameters, out


def two_layers() -> nn.Module:
    """Return a network for an optimizer."""
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))


def settings(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's settings: name -> number or numbers.

    Args:
        optimizer: What a student's function returned.

    Raises:
        UnfitError: If it is none.
    """
    if optimizer is None:
        raise NothingError("the optimizer is None: nothing was built")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UnfitError(f"returned {kind(optimizer)}, where an optimizer is wanted")
    groups = optimizer.param_groups

    def common(name: str, default: Any = 0.0) -> tuple[float, ...]:
        """Return a setting; -1 where groups of weights differ in it."""
        values = {tuple(np.ravel(g.get(name, default)).astype(float)) for g in groups}
        first = values.pop()
        return (-1.0,) * len(first) if values else first

    climbs = any(group.get("maximize") for group in groups)
    return {
        "Adam": -1.0 if climbs else float(is_adam(optimizer)),
        "lr": common("lr")[0],
        "betas": common("betas", (0.0, 0.0)),
        "weight_decay": common("weight_decay")[0],
        "size": sum(p.numel() for g in groups for p in g["params"]),
    }
