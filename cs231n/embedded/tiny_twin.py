"""The torch twin of ``PretrainedCNN``: the same layers and numbers, made to train fast.

Letters in shapes: N pictures, C channels, H rows, W columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILTER_SIZES = (5, 3, 3, 3, 3, 3, 3, 3, 3)
NUM_FILTERS = (64, 64, 128, 128, 256, 256, 512, 512, 1024)
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 2)
HIDDEN = 512
_MANY = 256  # channels, from which on a layer with a stride has few places
_SIDE = 2  # of the last feature maps, for pictures of 64 by 64


class _Product(nn.Conv2d):
    """A convolution done as one product, for few places and many filters.

    What oneDNN does for such a layer's weights waits for memory: with a stride and at
    most eight rows, its backward pass takes two to four times as long as this.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        assert not isinstance(self.padding, str)
        (step, _), N = self.stride, len(input)
        columns = nn.functional.unfold(
            input, self.kernel_size, padding=self.padding, stride=step
        )
        rows = columns.transpose(1, 2).reshape(-1, columns.shape[1])  # one a place
        out = nn.functional.linear(rows, self.weight.flatten(1), self.bias)
        H, W = (-(-side // step) for side in input.shape[2:])
        return out.view(N, H, W, -1).permute(0, 3, 1, 2)


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
        self.affine, self.norm = nn.ModuleList(), nn.ModuleList()
        channels = 3
        for size, filters, stride in zip(
            FILTER_SIZES, NUM_FILTERS, STRIDES, strict=True
        ):
            kind = _Product if stride > 1 and channels >= _MANY else nn.Conv2d
            self.affine.append(kind(channels, filters, size, stride, padding=size // 2))
            self.norm.append(nn.BatchNorm2d(filters))
            channels = filters
        self.affine.append(nn.Linear(channels * _SIDE**2, HIDDEN))
        self.norm.append(nn.BatchNorm1d(HIDDEN))
        self.affine.append(nn.Linear(HIDDEN, num_classes))
        for name, array in weights_of(self).items():
            if name.startswith("W"):
                spread = np.sqrt(2 / array[0].numel())
                drawn = rng.standard_normal(tuple(array.shape), np.float32) * spread
                array.copy_(torch.from_numpy(drawn))
            elif name.startswith("b") and not name.startswith("beta"):
                array.zero_()

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
            X = self.affine[number](X)
            if number < len(self.norm):
                X = torch.relu(self.norm[number](X))
        return X


def weights_of(twin: Twin) -> dict[str, torch.Tensor]:
    """Return weights and running statistics themselves, as PretrainedCNN calls them."""
    found: dict[str, torch.Tensor] = {}
    for number, module in enumerate(twin.affine, start=1):
        state = module.state_dict()
        found |= {f"W{number}": state["weight"], f"b{number}": state["bias"]}
    for number, module in enumerate(twin.norm, start=1):
        state = module.state_dict()
        found |= {f"gamma{number}": state["weight"], f"beta{number}": state["bias"]}
        for name in ("running_mean", "running_var"):
            found[f"{name}{number}"] = state[name]
    return found


def export(twin: Twin) -> dict[str, NDArray[np.float32]]:
    """Return the weights and running statistics as ``PretrainedCNN`` stores them."""
    return {
        name: np.ascontiguousarray(array.T if array.ndim == 2 else array)
        for name, array in weights_of(twin).items()
    }
