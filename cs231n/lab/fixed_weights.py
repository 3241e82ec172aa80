"""Fixed weights and inputs for networks of PyTorch (given).

``fixed_numbers`` says why.
"""

from __future__ import annotations

import torch
from torch import nn

from cs231n.lab.fixed_numbers import fixed_inputs, fixed_weights
from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)


def fixed_output(model: nn.Module, *shape: int) -> torch.Tensor:
    """Give a network fixed weights, and return what it makes of fixed inputs.

    Args:
        model: Is left with these weights.
        *shape: Of the inputs, which are uniform between -1 and 1.

    Returns:
        The output.

    Example:
        >>> same = [fixed_output(torch.nn.Linear(3, 2), 4, 3) for _ in range(2)]
        >>> same[0].shape, torch.equal(*same)
        (torch.Size([4, 2]), True)
    """
    device = next(model.parameters()).device
    x = torch.from_numpy(fixed_inputs(*shape)).to(device)
    with torch.no_grad():
        set_fixed_weights(model, x)
        out: torch.Tensor = model(x)
    return out


def set_fixed_weights(model: nn.Module, x: torch.Tensor) -> None:
    """Give every layer fixed weights, in the order in which layers run.

    Args:
        model: Whose weights are set.
        x: Inputs that it can take.
    """
    order: list[nn.Module] = []
    hooks = [
        m.register_forward_pre_hook(lambda m, _: order.append(m))
        for m in model.modules()
        if next(m.parameters(recurse=False), None) is not None
    ]
    model(x.clone())
    for hook in hooks:
        hook.remove()
    number = 0
    for layer in dict.fromkeys(order):
        for p in layer.parameters(recurse=False):
            number += 1
            with torch.no_grad():
                p.copy_(torch.from_numpy(fixed_weights(number, tuple(p.shape))))
