"""Q3, yours: gradients at the pixels, what a network looks at and is fooled by.

Pictures are written as the network reads them: RGB in 0..1, minus SQUEEZENET_MEAN, over
SQUEEZENET_STD. Any classifier that maps pictures to scores serves as the model.

Letters in shapes: N pictures, H rows, W columns; C classes.
"""

from __future__ import annotations

import torch

# What notebooks of every edition ask for comes from here, too.
from cs231n.support.pixels import blur_image as blur_image  # noqa: PLC0414
from cs231n.support.pixels import deprocess as deprocess  # noqa: PLC0414
from cs231n.support.pixels import jitter as jitter  # noqa: PLC0414
from cs231n.support.pixels import preprocess as preprocess  # noqa: PLC0414
from cs231n.support.pixels import rescale as rescale  # noqa: PLC0414
from cs231n.support.validate_torch import require_class, require_pictures


def compute_saliency_maps(
    X: torch.Tensor, y: torch.Tensor, model: torch.nn.Module
) -> torch.Tensor:
    """Measure how strongly each pixel moves the score of the correct class.

    Args:
        X: (N, 3, H, W) pictures.
        y: (N,) their classes, 0 <= y < C.
        model: Maps pictures to (N, C) unnormalised scores.

    Returns:
        (N, H, W) saliency, at least 0, without a gradient of its own.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5))
        >>> _ = torch.nn.init.constant_(model[1].weight, -0.5)
        >>> compute_saliency_maps(torch.ones(1, 3, 2, 2), torch.tensor([3]), model)
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    require_pictures(X, y, model)
    model.eval()
    X.requires_grad_()
    X.grad = None  # or backward() would add to what an earlier call left
    # TODO(Q3): Compute the saliency map of each picture: at each pixel the largest of
    # the three colours' absolute gradients of the picture's correct score.
    # BEGIN SOLUTION
    scores = model(X).gather(1, y.view(-1, 1))  # (N, 1)
    (gradient,) = torch.autograd.grad(scores.sum(), X)
    saliency = gradient.abs().amax(dim=1)
    # END SOLUTION
    return saliency.detach().cpu()


def make_fooling_image(
    X: torch.Tensor, target_y: int, model: torch.nn.Module
) -> torch.Tensor:
    """Change a picture until the network takes it for something else.

    Args:
        X: (1, 3, H, W) picture, unchanged.
        target_y: The class it shall be taken for, 0 <= target_y < C.
        model: Maps pictures to (1, C) scores.

    Returns:
        (1, 3, H, W) picture like X whose highest score is target_y's.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> fooling = make_fooling_image(torch.ones(1, 3, 4, 4), 2, model)
        >>> fooling.shape, model(fooling).argmax().item()
        (torch.Size([1, 3, 4, 4]), 2)
    """
    target_y = require_class(target_y, model)
    require_pictures(X, torch.tensor([target_y]), model)
    model.eval()
    X_fooling = X.detach().clone().requires_grad_()
    learning_rate = 1
    # TODO(Q3): Change X_fooling by gradient ascent on the target's score, with steps
    # normalised as in the notebook, until the model takes it for target_y. For most
    # pictures and targets fewer than 100 steps are enough: give up after that.
    # Printing the progress helps.
    # BEGIN SOLUTION
    for _ in range(100):
        scores = model(X_fooling)[0]
        if scores.argmax() == target_y:
            break
        (g,) = torch.autograd.grad(scores[target_y], X_fooling)
        with torch.no_grad():
            X_fooling += learning_rate * g / g.norm()
    # END SOLUTION
    return X_fooling.detach()


def class_visualization_update_step(
    img: torch.Tensor,
    model: torch.nn.Module,
    target_y: int,
    l2_reg: float,
    learning_rate: float,
) -> None:
    """Change a picture by one step towards what the network would call a class.

    Args:
        img: (1, 3, H, W) picture that requires its gradient; changed in place.
        model: Maps pictures to (1, C) scores.
        target_y: The class, 0 <= target_y < C.
        l2_reg: Weight of the squared norm that is taken off the score.
        learning_rate: How far to go along the gradient.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> img = torch.zeros(1, 3, 4, 4, requires_grad=True)
        >>> before = model(img)[0, 2].item()
        >>> class_visualization_update_step(img, model, 2, l2_reg=0, learning_rate=1)
        >>> model(img)[0, 2].item() > before
        True
    """
    target_y = require_class(target_y, model)
    # TODO(Q3): Take one step of gradient ascent on s_y(I) - l2_reg * ||I||_2^2, where
    # s_y is the score of target_y, and change img itself. Leave the gradient as it is,
    # or divide it by its norm, so that learning_rate is the length of the step.
    # BEGIN SOLUTION
    objective = model(img)[0, target_y] - l2_reg * img.square().sum()
    (g,) = torch.autograd.grad(objective, img)
    with torch.no_grad():
        img += learning_rate * g / g.norm()
    # END SOLUTION
