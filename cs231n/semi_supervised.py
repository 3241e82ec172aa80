"""A GAN that makes a classifier better: few labels, and many digits without any.

A discriminator with K outputs tells K classes apart and, at once, real from drawn: a
drawn picture is a class of its own, K + 1, whose score is fixed at zero. So it learns
what digits look like from pictures without labels, and with a few labels their names.
The method is that of Salimans et al., Improved Techniques for Training GANs (2016).

Letters in shapes: N pictures, K classes, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the name that everybody knows)

from cs231n.datasets.digits import Digits
from cs231n.gan_step import PIXELS, evaluating, frozen
from cs231n.progress import progress_bar

CLASSES = 10
BATCH = 100
NOISE = 64


def real_or_drawn_loss(
    logits_real: torch.Tensor, logits_drawn: torch.Tensor
) -> torch.Tensor:
    """Measure how badly K class scores tell real pictures from drawn ones.

    Args:
        logits_real: (N, K) class scores of real pictures, whatever is on them.
        logits_drawn: (N, K) class scores of drawn ones.

    Returns:
        loss: () minus the mean log-probability that real ones are of any of the K
            classes, minus that of drawn ones being of the class K + 1, whose score is
            always 0.
    """
    # TODO(extra): Write down the softmax over K + 1 scores, and simplify. logsumexp and
    # F.softplus keep scores of any size finite.
    # BEGIN SOLUTION
    real, drawn = logits_real.logsumexp(1), logits_drawn.logsumexp(1)
    loss = F.softplus(-real).mean() + F.softplus(drawn).mean()
    # END SOLUTION
    return loss


def feature_matching_loss(
    features_real: torch.Tensor, features_drawn: torch.Tensor
) -> torch.Tensor:
    """Measure how far drawn pictures' features are from real ones', on average.

    Args:
        features_real: (N, D) what the discriminator sees in real pictures; a target,
            so no gradient flows into it.
        features_drawn: (N, D) what it sees in drawn ones.

    Returns:
        loss: () mean over features of the squared difference of their two means.
    """
    # TODO(extra): Means over the pictures first, then the difference.
    # BEGIN SOLUTION
    gap = features_drawn.mean(0) - features_real.detach().mean(0)
    loss = gap.square().mean()
    # END SOLUTION
    return loss


class ClassifyingDiscriminator(nn.Module):
    """K scores for a picture, and the features that they are made of.

    Noise on its way keeps it from learning a few labelled pictures by heart.
    """

    def __init__(self) -> None:
        """Draw its weights from torch's random numbers."""
        super().__init__()
        sizes = [PIXELS, 500, 250, 250]
        self.hidden = nn.ModuleList(map(nn.Linear, sizes[:-1], sizes[1:]))
        self.scores = nn.Linear(sizes[-1], CLASSES)
        self.noise = [0.3, 0.5, 0.5]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, D) features of scaled pictures, of any shape."""
        x = x.flatten(1)
        for layer, size in zip(self.hidden, self.noise, strict=True):
            if self.training:
                x = x + size * torch.randn_like(x)
            x = F.leaky_relu(layer(x), 0.2)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, K) class scores of scaled pictures."""
        return self.scores(self.features(x))
