"""What a check looks at in objects that a student's functions build, or hands them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from cs231n.lab.fixed_weights import set_fixed_weights
from cs231n.support.gans.step import is_adam
from cs231n.tools.check.faults import NothingError, UnfitError
from cs231n.tools.check.returned import kind, require_tensor

_DROPOUT = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.AlphaDropout, nn.FeatureAlphaDropout),
)


def network(model: Any, x: torch.Tensor) -> tuple[int, torch.Tensor]:
    """Look at a network, which is left with fixed weights.

    Args:
        model: What a student's function returned.
        x: Inputs.

    Returns:
        parameters: How many numbers can be learnt.
        out: What it makes of the inputs with fixed weights.

    Raises:
        UnfitError: If it is no network, or one of its layers cannot take its inputs.
    """
    if model is None:
        raise NothingError("the network is None: nothing was built")
    if not isinstance(model, nn.Module):
        raise UnfitError(f"returned {kind(model)}, where a network is wanted")
    for layer in model.modules():
        if isinstance(layer, _DROPOUT) and layer.p > 0:
            raise UnfitError(
                f"the network has {layer}; nothing is left out at random here"
            )
    parameters = sum(p.numel() for p in model.parameters())
    with torch.no_grad(), _layer_named(model):
        set_fixed_weights(model, x)
        out = require_tensor("the output", model(x.clone()))
    return parameters, out


_GIVEN = ("Flatten", "Unflatten")


@contextmanager
def _layer_named(model: nn.Module) -> Iterator[None]:
    """Say which layer of a network raises, and of which shape its inputs are."""
    entered: list[tuple[str, nn.Module, Any]] = []

    def enter(name: str) -> Callable[[nn.Module, Any], None]:
        return lambda layer, inputs: entered.append((name, layer, inputs))

    def leave(*_: Any) -> None:
        entered.pop()

    hooks = [
        hook
        for name, layer in model.named_modules()
        if layer is not model and not [*layer.children()]
        for hook in (
            layer.register_forward_pre_hook(enter(name)),
            layer.register_forward_hook(leave),
        )
    ]
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if not entered:
            raise
        name, layer, inputs = entered[-1]
        known = type(layer).__module__.startswith("torch.")
        if not known and type(layer).__name__ not in _GIVEN:
            raise  # a student's own, with a line that is to blame
        shapes = [tuple(x.shape) for x in inputs if isinstance(x, torch.Tensor)]
        came = " and ".join(map(str, shapes))
        raise UnfitError(
            f"layer {name} of the network, {layer}, cannot take inputs of shape "
            f"{came}: {error}"
        ) from None
    finally:
        for hook in hooks:
            hook.remove()


def two_layers() -> nn.Module:
    """Return a network for an optimizer."""
    # Each layer, all weights and all biases are as many as nothing else.
    return nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 2))


_ADAM = (torch.optim.Adam, torch.optim.AdamW)


def settings(optimizer: Any, model: nn.Module) -> dict[str, Any]:
    """Return an optimizer's settings: name -> number or numbers.

    Args:
        optimizer: What a student's function returned.
        model: The network whose weights it shall change; those of others, and those
            that get no gradient, are not counted.

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

    own = {id(p) for p in model.parameters() if p.requires_grad}
    climbs = any(group.get("maximize") for group in groups)
    return {
        "Adam": float(isinstance(optimizer, _ADAM) if climbs else is_adam(optimizer)),
        "descends": 0.0 if climbs else 1.0,
        "lr": common("lr")[0],
        "betas": common("betas", (0.0, 0.0)),
        "weight_decay": common("weight_decay")[0],
        "size": sum(p.numel() for g in groups for p in g["params"] if id(p) in own),
    }
