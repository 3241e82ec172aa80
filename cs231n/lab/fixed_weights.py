"""Fixed weights and inputs (given): what a network makes of them tells how it is built.

The number of parameters alone says nothing of activations, slopes and the order of
layers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

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
    numbers = np.random.RandomState(231).uniform(-1, 1, size=shape)
    device = next(model.parameters()).device
    x = torch.tensor(numbers, dtype=torch.float32, device=device)
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
            # Repeats itself, at a distance that no size of a layer divides.
            table = np.random.RandomState(number).randn(8191)
            fan_in = p[0].numel() if p.ndim > 1 else 4
            values = np.resize(table * (1.5 / fan_in**0.5), p.numel())
            with torch.no_grad():
                p.copy_(torch.tensor(values, dtype=torch.float32).reshape(p.shape))
