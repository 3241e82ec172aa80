"""Extra, yours: maps of the pixels that a score comes from, and which is right.

Letters in shapes: N pictures, H rows, W columns; C classes; S samples or steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cs231n.gradient_check import copies
from cs231n.support.validate_torch import require_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

BATCH = 8  # pictures that go through the network at a time, whatever S is


def smooth_grad(
    X: torch.Tensor, y: torch.Tensor, model: torch.nn.Module, noise: torch.Tensor
) -> torch.Tensor:
    """Average the gradients at noisy copies of the pictures (Smilkov et al., 2017).

    Args:
        X: (N, 3, H, W) pictures, unchanged.
        y: (N,) their classes, 0 <= y < C.
        model: Maps pictures to (N, C) scores.
        noise: (S, N, 3, H, W) what is added for each of the copies.

    Returns:
        (N, 3, H, W) mean gradients of the scores of y.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> X, y = torch.ones(2, 3, 4, 4), torch.tensor([3, 1])
        >>> smooth_grad(X, y, model, noise=torch.randn(6, *X.shape)).shape
        torch.Size([2, 3, 4, 4])
    """
    require_pictures(X, y, model)
    if noise.ndim != 5 or noise.shape[1:] != X.shape or not len(noise):
        raise ValueError(
            f"noise has shape {tuple(noise.shape)}; (S, N, 3, H, W) with S > 0 is "
            f"wanted for pictures of shape {tuple(X.shape)}."
        )
    model.eval()
    X = X.detach()
    mean = torch.zeros_like(X)
    # TODO(extra): Add up, in mean, the gradients of the scores of y at X + noise[s] for
    # all s, and divide by their number. One copy after the other keeps memory small.
    # BEGIN SOLUTION
    for sample in noise:
        noisy = (X + sample).requires_grad_()
        scores = model(noisy).gather(1, y.view(-1, 1))
        mean += torch.autograd.grad(scores.sum(), noisy)[0]
    mean /= len(noise)
    # END SOLUTION
    return mean


def integrated_gradients(
    X: torch.Tensor,
    y: torch.Tensor,
    model: torch.nn.Module,
    baseline: torch.Tensor | None = None,
    steps: int = 32,
) -> torch.Tensor:
    """Share a score out among the pixels (Sundararajan et al., 2017).

    Args:
        X: (N, 3, H, W) pictures, unchanged.
        y: (N,) their classes, 0 <= y < C.
        model: Maps pictures to (N, C) scores.
        baseline: (N, 3, H, W) or broadcasting to it: pictures that show nothing. None
            is the mean colour, all zeros.
        steps: S, how many points of the straight way from baseline to X are looked at.

    Returns:
        (N, 3, H, W) each number's share; they may be negative.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> X, y = torch.ones(2, 3, 4, 4), torch.tensor([3, 1])
        >>> shares = integrated_gradients(X, y, model)
        >>> gains = model(X) - model(torch.zeros_like(X))
        >>> bool(torch.isclose(shares[0].sum(), gains[0, 3], atol=1e-5))
        True
    """
    require_pictures(X, y, model)
    if steps < 1:
        raise ValueError(f"steps is {steps}; at least one point is needed.")
    model.eval()
    X = X.detach()
    start = torch.zeros_like(X) if baseline is None else baseline.expand_as(X)
    # TODO(extra): Average the gradients of the scores of y in the middles of S equal
    # pieces of the way from start to X, and multiply by the whole way, X - start.
    # BEGIN SOLUTION
    mean = torch.zeros_like(X)
    for s in range(steps):
        point = (start + (s + 0.5) / steps * (X - start)).requires_grad_()
        scores = model(point).gather(1, y.view(-1, 1))
        mean += torch.autograd.grad(scores.sum(), point)[0] / steps
    shares = mean * (X - start)
    # END SOLUTION
    return shares


def completeness_gap(
    shares: torch.Tensor,
    X: torch.Tensor,
    y: torch.Tensor,
    model: torch.nn.Module,
    baseline: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compare what was shared out with what there was to share.

    Args:
        shares: (N, 3, H, W) result of integrated_gradients.
        X: (N, 3, H, W) pictures.
        y: (N,) their classes.
        model: Maps pictures to (N, C) scores.
        baseline: As for integrated_gradients.

    Returns:
        (N,) difference between the sum of all shares and what the score gained from the
        baseline to X, as a part of that gain.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> X, y = torch.ones(2, 3, 4, 4), torch.tensor([3, 1])
        >>> shares = integrated_gradients(X, y, model)
        >>> bool((completeness_gap(shares, X, y, model) < 1e-3).all())
        True
    """
    start = torch.zeros_like(X) if baseline is None else baseline.expand_as(X)
    with torch.no_grad():
        scores = model(X) - model(start)
    gain = torch.stack([row[label] for row, label in zip(scores, y, strict=True)])
    gap: torch.Tensor = (shares.flatten(1).sum(dim=1) - gain).abs() / gain.abs()
    return gap


def grad_cam(
    X: torch.Tensor, y: torch.Tensor, model: torch.nn.Module, layer: int = -1
) -> torch.Tensor:
    """Weigh a layer's feature maps by what the score thinks of them (Selvaraju, 2017).

    Args:
        X: (N, 3, H, W) pictures, unchanged.
        y: (N,) their classes, 0 <= y < C.
        model: Maps pictures to (N, C) scores; its layers are ``model.features``.
        layer: Which of them; negative numbers count from the last one.

    Returns:
        (N, H, W) map, at least 0, stretched to the size of the pictures.

    Raises:
        IndexError: If there is no such layer.

    Example:
        >>> from cs231n.classifiers.squeezenet import load_squeezenet
        >>> model = load_squeezenet("embedded", device="cpu", verbose=False)
        >>> X, y = torch.zeros(2, 3, 64, 64), torch.tensor([76, 78])
        >>> grad_cam(X, y, model).shape
        torch.Size([2, 64, 64])
    """
    require_pictures(X, y, model)
    features = list(model.features)  # type: ignore[arg-type]
    if not -len(features) <= layer < len(features):
        raise IndexError(
            f"There is no layer {layer}; model.features has {len(features)}, "
            f"0 to {len(features) - 1}."
        )
    model.eval()
    maps: list[torch.Tensor] = []

    def keep(_: object, __: object, output: torch.Tensor) -> torch.Tensor:
        maps.append(output.detach().requires_grad_())
        return maps[-1].clone()  # the next layer may work in place

    handle = features[layer].register_forward_hook(keep)
    try:
        scores = model(X.detach())
    finally:
        handle.remove()
    (activations,) = maps
    # TODO(extra): With (N, K, h, w) activations of the layer and (N, C) scores that
    # depend on them: the weight of a map is the mean, over its pixels, of the gradient
    # of the score of y. Add up the maps with their weights and drop what is negative.
    # BEGIN SOLUTION
    correct = scores.gather(1, y.view(-1, 1)).sum()
    (gradient,) = torch.autograd.grad(correct, activations)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (N, K, 1, 1)
    cam = (weights * activations).sum(dim=1).relu()  # (N, h, w)
    # END SOLUTION
    stretched = torch.nn.functional.interpolate(
        cam.detach()[:, None], size=X.shape[2:], mode="bilinear", align_corners=False
    )
    return stretched[:, 0]


def exchange_curve(
    start: torch.Tensor,
    end: torch.Tensor,
    y: int,
    model: torch.nn.Module,
    ranking: torch.Tensor,
    steps: int = 20,
) -> torch.Tensor:
    """Turn one picture into another, the highest-ranked pixels first.

    Args:
        start: (1, 3, H, W) picture to begin with.
        end: (1, 3, H, W) picture to end with.
        y: Class whose probability is followed, 0 <= y < C.
        model: Maps pictures to (N, C) scores.
        ranking: (H, W) map; pixels with a higher number are exchanged earlier.
        steps: S, in how many equal portions.

    Returns:
        (S + 1,) probability of y with 0, 1/S, ..., 1 of the pixels exchanged.
    """
    for picture in (start, end):
        require_pictures(picture, torch.tensor([y]), model)
    if ranking.shape != start.shape[2:] or start.shape != end.shape:
        raise ValueError(
            f"The pictures have shapes {tuple(start.shape)} and {tuple(end.shape)}, "
            f"the ranking {tuple(ranking.shape)}; all must be of one height and width."
        )
    model.eval()
    # TODO(extra): For k = 0 to S, take the first k/S of the pixels, in the ranking's
    # order, from end and the others from start, and collect the probabilities of y. An
    # argsort of an argsort gives every pixel its place. BATCH pictures at a time keep
    # memory small.
    # BEGIN SOLUTION
    order = ranking.flatten().argsort(descending=True, stable=True)
    place = order.argsort().view(ranking.shape)  # (H, W)
    pixels = ranking.numel()
    probabilities = []
    counts = torch.arange(steps + 1, device=start.device) * pixels // steps
    with torch.no_grad():
        for first in range(0, steps + 1, BATCH):
            exchanged = place < counts[first : first + BATCH].view(-1, 1, 1, 1)
            scores = model(torch.where(exchanged, end, start))
            probabilities.append(scores.softmax(dim=1)[:, y])
    curve = torch.cat(probabilities)
    # END SOLUTION
    return curve


def faithfulness(
    X: torch.Tensor,
    y: torch.Tensor,
    model: torch.nn.Module,
    maps: Mapping[str, torch.Tensor],
    empty: torch.Tensor,
    steps: int = 20,
) -> dict[str, dict[str, torch.Tensor]]:
    """Follow the right class's probability while important pixels go, and come.

    A faithful map makes the probability fall early when the pixels it points at are
    deleted, and rise early when they are inserted.

    Args:
        X: (N, 3, H, W) pictures.
        y: (N,) their classes.
        model: Maps pictures to (N, C) scores.
        maps: Name of a method -> its (N, H, W) maps.
        empty: (N, 3, H, W) pictures that show nothing, such as blurred ones.
        steps: S, in how many portions pixels are exchanged.

    Returns:
        For each method 'deletion' and 'insertion', (N, S + 1) probabilities.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> X, y = torch.ones(2, 3, 4, 4), torch.tensor([3, 1])
        >>> maps = {"random": torch.rand(2, 4, 4)}
        >>> curves = faithfulness(X, y, model, maps, torch.zeros_like(X), steps=8)
        >>> curves["random"]["deletion"].shape
        torch.Size([2, 9])
    """
    curves = {}
    for name, rankings in maps.items():
        deletion: list[torch.Tensor] = []
        insertion: list[torch.Tensor] = []
        for n, ranking in enumerate(rankings):
            full, nothing, label = X[n : n + 1].detach(), empty[n : n + 1], int(y[n])
            for curve, ends in (
                (deletion, (full, nothing)),
                (insertion, (nothing, full)),
            ):
                start, end, own = copies(*ends, ranking)
                curve.append(exchange_curve(start, end, label, model, own, steps))
        curves[name] = {
            "deletion": torch.stack(deletion),
            "insertion": torch.stack(insertion),
        }
    return curves


def area(curves: torch.Tensor) -> torch.Tensor:
    """Return the area below curves over 0..1, by trapezoids.

    Args:
        curves: (..., S + 1) values at equal distances.

    Example:
        >>> area(torch.tensor([1.0, 0.5, 0.0])).item()
        0.5
    """
    below: torch.Tensor = torch.trapezoid(curves, dx=1 / (curves.shape[-1] - 1))
    return below
