"""Extra, yours: discriminators that cannot change too fast.

A discriminator that is much too good teaches nothing: its scores are flat wherever
fakes are. Here are two ways to bound its scores' gradient: by its weights (spectral
normalization, Miyato et al., 2018) and directly (WGAN-GP, Gulrajani et al., 2017).

Letters in shapes: N pictures, O outputs, I inputs of a layer.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the name that everybody knows)
from torch.nn.utils import parametrize

from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)


def largest_stretch(
    W: torch.Tensor, u: torch.Tensor, iterations: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Estimate how much a matrix can stretch a vector: its largest singular value.

    Args:
        W: (O, I) matrix; gradients flow into it.
        u: (O,) a guess of the direction that it stretches into, of length 1.
        iterations: How often the guess is made better.

    Returns:
        sigma: () the estimate, differentiable with respect to W.
        u: (O,) the better guess, of length 1, without a gradient.

    Example:
        >>> W = torch.diag(torch.tensor([3.0, 1.0]))
        >>> sigma, u = largest_stretch(W, torch.tensor([1.0, 0.0]))
        >>> sigma.item(), u.tolist()
        (3.0, [1.0, 0.0])
    """
    # TODO(extra): Power iteration: take the guess through the transpose of W, make its
    # length 1, take that through W, make its length 1. The estimate is what W makes of
    # the one in the direction of the other. No gradient flows through the iteration
    # itself (torch.no_grad), only through W in the estimate.
    # BEGIN SOLUTION
    with torch.no_grad():
        for _ in range(iterations):
            v = F.normalize(W.T @ u, dim=0)
            u = F.normalize(W @ v, dim=0)
    sigma = u @ W @ v
    # END SOLUTION
    return sigma, u


class SpectralNorm(nn.Module):
    """Divides a layer's weights by their largest stretch, a little better each time."""

    u: torch.Tensor

    def __init__(self, weight: torch.Tensor) -> None:
        """Begin with a random guess that is made better a few times.

        Args:
            weight: (O, ...) weights of a layer; what follows O is taken for I.
        """
        super().__init__()
        W = weight.detach().flatten(1)
        guess = torch.randn(len(W)).to(W)
        _, u = largest_stretch(W, F.normalize(guess, dim=0), 15)
        self.register_buffer("u", u)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weights, divided."""
        sigma, u = largest_stretch(weight.flatten(1), self.u, 1)
        if self.training:
            self.u.copy_(u)
        return weight / sigma


def normalize_spectrally(model: nn.Module) -> nn.Module:
    """Let every linear and convolutional layer of a model stretch by 1 at most.

    Args:
        model: Changed in place.

    Returns:
        The same model.

    Example:
        >>> layer = torch.nn.Linear(2, 2)
        >>> layer.weight.data = 5 * torch.eye(2)
        >>> normalize_spectrally(layer).weight.detach().round(decimals=3)
        tensor([[1., 0.],
                [0., 1.]])
    """
    for layer in list(model.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            parametrize.register_parametrization(
                layer, "weight", SpectralNorm(layer.weight)
            )
    return model


def critic_loss(scores_real: torch.Tensor, scores_drawn: torch.Tensor) -> torch.Tensor:
    """Measure how little higher a critic scores real pictures than fakes.

    Args:
        scores_real: (N, 1) scores of real pictures.
        scores_drawn: (N, 1) scores of fakes.

    Returns:
        loss: () minus the difference of the two means.

    Example:
        >>> critic_loss(torch.full((4, 1), 3.0), torch.ones(4, 1)).item()
        -2.0
    """
    # TODO(extra): No logarithms here: scores are no probabilities.
    # BEGIN SOLUTION
    loss = scores_drawn.mean() - scores_real.mean()
    # END SOLUTION
    return loss


def critic_generator_loss(scores_drawn: torch.Tensor) -> torch.Tensor:
    """Measure how low a critic scores fakes.

    Args:
        scores_drawn: (N, 1) scores of fakes.

    Returns:
        loss: () minus their mean.

    Example:
        >>> critic_generator_loss(torch.full((4, 1), 3.0)).item()
        -3.0
    """
    # TODO(extra): See critic_loss: the real pictures are none of the generator's doing.
    # BEGIN SOLUTION
    loss = -scores_drawn.mean()
    # END SOLUTION
    return loss


def gradient_penalty(
    D: nn.Module, real: torch.Tensor, drawn: torch.Tensor, weight: float = 10.0
) -> torch.Tensor:
    """Measure how far the critic's gradient is from 1, between real pictures and fakes.

    Args:
        D: The critic: (N, 1, 28, 28) -> (N, 1) scores.
        real: (N, 1, 28, 28) scaled real pictures.
        drawn: (N, 1, 28, 28) scaled fakes; no gradient flows into them.
        weight: What the penalty is multiplied by.

    Returns:
        penalty: () the weighted mean of (length of the gradient - 1) squared, at one
            point on the line from each fake to a real picture.

    Example:
        >>> D = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 1))
        >>> _ = torch.nn.init.constant_(D[1].weight, 1 / 28)  # a slope of 1
        >>> real, drawn = torch.zeros(2, 1, 28, 28), torch.ones(2, 1, 28, 28)
        >>> f"{gradient_penalty(D, real, drawn).item():.3f}"
        '0.000'
    """
    # One share for each picture, drawn on the CPU.
    share = torch.rand(len(real), 1, 1, 1).to(real)
    # TODO(extra): Mix the pictures by their shares and ask for the gradient there; then
    # torch.autograd.grad of the scores' sum. The penalty is to be differentiated once
    # more, with respect to D's weights: create_graph=True.
    # BEGIN SOLUTION
    between = (share * real + (1 - share) * drawn).detach().requires_grad_()
    (dbetween,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
    length = dbetween.flatten(1).norm(dim=1)
    penalty: torch.Tensor = weight * (length - 1).square().mean()
    # END SOLUTION
    return penalty
