"""The torch twin of ``PretrainedCNN``: the same layers and numbers, made to train fast.

Letters in shapes: N pictures, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILTER_SIZES = (5, 3, 3, 3, 3, 3, 3, 3, 3)
NUM_FILTERS = (64, 64, 128, 128, 256, 256, 512, 512, 1024)
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 2)
HIDDEN = 512
_SIDE = 2  # of the last feature maps, for pictures of 64 by 64


class Twin(nn.Module):
    """Nine blocks of convolution, batch normalization and ReLU, and two affine layers.

    Layers are counted as ``PretrainedCNN`` counts them, 0 to 10.
    """

    def __init__(self, num_classes: int, rng: np.random.Generator) -> None:
        """Draw the weights, by He's rule.

        Args:
            num_classes: How many scores there are.
            rng: Where the weights come from.
        """
        super().__init__()
        self.layers = nn.ModuleList()
        channels = 3
        for size, filters, stride in zip(
            FILTER_SIZES, NUM_FILTERS, STRIDES, strict=True
        ):
            conv = nn.Conv2d(channels, filters, size, stride, padding=size // 2)
            block = nn.Sequential(conv, nn.BatchNorm2d(filters), nn.ReLU())
            self.layers.append(block)
            channels = filters
        hidden = nn.Linear(channels * _SIDE**2, HIDDEN)
        self.layers.append(nn.Sequential(hidden, nn.BatchNorm1d(HIDDEN), nn.ReLU()))
        self.layers.append(nn.Sequential(nn.Linear(HIDDEN, num_classes)))
        with torch.no_grad():
            for layer in self.layers:
                weight = layer[0].weight  # type: ignore[index]
                spread = np.sqrt(2 / weight[0].numel())
                drawn = rng.standard_normal(tuple(weight.shape), np.float32) * spread
                weight.copy_(torch.from_numpy(drawn))
                layer[0].bias.zero_()  # type: ignore[index]

    def forward(self, X: torch.Tensor, start: int = 0, end: int = 10) -> torch.Tensor:
        """Run some of the layers.

        Args:
            X: What the first of them takes: (N, 3, H, W) pictures for layer 0. If
                layer 9 is run, pictures of 64 by 64, or of 32 by 32, whose one place in
                the last feature maps then stands for all four.
            start: First layer to run.
            end: Last layer to run.
        """
        for number in range(start, end + 1):
            if number == 9 and X.ndim == 4:
                X = X.expand(-1, -1, _SIDE, _SIDE).flatten(1)
            X = self.layers[number](X)
        return X


def export(twin: Twin) -> dict[str, NDArray[np.float32]]:
    """Return the weights and running statistics as ``PretrainedCNN`` calls them."""
    found = {}
    for number, layer in enumerate(twin.layers, start=1):
        affine, *rest = layer  # type: ignore[misc]
        weight = affine.weight.detach()
        found[f"W{number}"] = weight if weight.ndim == 4 else weight.T
        found[f"b{number}"] = affine.bias.detach()
        for norm in rest[:1]:
            found[f"gamma{number}"] = norm.weight.detach()
            found[f"beta{number}"] = norm.bias.detach()
            found[f"running_mean{number}"] = norm.running_mean
            found[f"running_var{number}"] = norm.running_var
    return {name: np.ascontiguousarray(array) for name, array in found.items()}


def load(twin: Twin, arrays: Mapping[str, NDArray[Any]]) -> Twin:
    """Put arrays under ``export``'s names into a twin, and return it in test mode."""
    with torch.no_grad():
        for number, layer in enumerate(twin.layers, start=1):
            affine, *rest = layer  # type: ignore[misc]
            weight = torch.as_tensor(np.asarray(arrays[f"W{number}"]))
            affine.weight.copy_(weight if weight.ndim == 4 else weight.T)
            pairs = [(affine.bias, "b")]
            for norm in rest[:1]:
                pairs += [(norm.weight, "gamma"), (norm.bias, "beta")]
                pairs += [(norm.running_mean, "running_mean")]
                pairs += [(norm.running_var, "running_var")]
            for tensor, name in pairs:
                tensor.copy_(torch.as_tensor(np.asarray(arrays[f"{name}{number}"])))
    return twin.eval()
