"""Extra, yours: fooling pictures that differ by a bounded amount.

Letters in shapes: H rows, W columns; C classes.
"""

from __future__ import annotations

import torch

from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from cs231n.support.pixels import change_in_levels as change_in_levels  # noqa: PLC0414
from cs231n.support.validate_torch import require_class, require_pictures


def make_bounded_fooling_image(
    X: torch.Tensor,
    target_y: int,
    model: torch.nn.Module,
    epsilon: float = 2,
    step: float = 0.5,
    num_iterations: int = 50,
) -> torch.Tensor:
    """Fool a network without changing any pixel by more than a few levels of gray.

    Projected gradient descent (Madry et al., 2018). With one iteration and a step as
    long as epsilon, it is the fast gradient sign method (Goodfellow et al., 2015).

    Args:
        X: (1, 3, H, W) picture, unchanged.
        target_y: The class it shall be taken for, 0 <= target_y < C.
        model: Maps pictures to (1, C) scores.
        epsilon: Largest change of a pixel, in levels of 0..255.
        step: Change in one iteration, in levels of 0..255.
        num_iterations: How many at most; fewer if the target's score is the highest.

    Returns:
        (1, 3, H, W) picture whose pixels lie within epsilon of X's and in 0..255.

    Example:
        >>> from cs231n.support.pixels import change_in_levels
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> X = torch.zeros(1, 3, 4, 4)
        >>> fooling = make_bounded_fooling_image(X, 2, model, epsilon=1)
        >>> bool(change_in_levels(X, fooling).abs().max() < 1.001)
        True
    """
    target_y = require_class(target_y, model)
    require_pictures(X, torch.tensor([target_y]), model)
    if epsilon < 0 or step <= 0:
        raise ValueError(
            f"epsilon is {epsilon} and step {step}; give levels of gray, such as 2 "
            "and 0.5."
        )
    model.eval()
    mean = torch.tensor(SQUEEZENET_MEAN).view(1, 3, 1, 1).to(X)
    std = torch.tensor(SQUEEZENET_STD).view(1, 3, 1, 1).to(X)
    level = 1 / (255 * std)  # what one level of gray is in the network's pixels
    X = X.detach()
    lowest = torch.maximum(X - epsilon * level, -mean / std)
    highest = torch.minimum(X + epsilon * level, (1 - mean) / std)
    X_fooling = X.clone()
    # TODO(extra): Until the target's score is the highest or num_iterations are over,
    # move every pixel by step levels in the direction, up or down, that raises the
    # target's probability (its logarithm has the better gradient), then cut off what
    # lies below lowest or above highest.
    # BEGIN SOLUTION
    for _ in range(num_iterations):
        X_fooling.requires_grad_()
        scores = model(X_fooling)[0]
        if scores.argmax() == target_y:
            break
        objective = scores.log_softmax(dim=0)[target_y]
        (g,) = torch.autograd.grad(objective, X_fooling)
        moved = X_fooling.detach() + step * level * g.sign()
        X_fooling = moved.clamp(lowest, highest)
    # END SOLUTION
    return X_fooling.detach()
