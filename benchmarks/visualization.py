"""Gradients at SqueezeNet's pixels, beside the course's form of the same loops.

The course's form never froze the weights, so every backward pass computed their
gradients too, and it left the colours of a picture in planes.

Letters in shapes: N pictures, H rows, W columns.
"""

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.harness import Row
from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.net_visualization_pytorch import (
    class_visualization_update_step,
    compute_saliency_maps,
)


def _networks() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return ours, frozen and with channels last, and the course's."""
    ours = load_squeezenet(device="cpu", verbose=False)
    course = load_squeezenet(device="cpu", verbose=False).requires_grad_(True)
    return ours.to(memory_format=torch.channels_last), course


def _draw(N: int, side: int) -> torch.Tensor:
    noise = np.random.default_rng(231).normal(size=(N, 3, side, side))
    return torch.tensor(noise, dtype=torch.float32)


def _require_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    # Rounding decides on which side of a ReLU's kink a few numbers lie.
    off = (ours - theirs).abs().mean() / theirs.abs().mean()
    assert off < 1e-3, f"results differ by {off:.1e} of their mean"


def saliency(N: int = 5, side: int = 224) -> Iterator[Row]:
    """Yield saliency maps of N pictures, with a target of 0.6."""
    model, course = _networks()
    X = _draw(N, side)
    y = torch.arange(N) * 7

    def ours() -> torch.Tensor:
        return compute_saliency_maps(X.clone(), y, model)

    def courses() -> torch.Tensor:
        leaf = X.clone().requires_grad_()
        course(leaf).gather(1, y.view(-1, 1)).squeeze().sum().backward()
        assert leaf.grad is not None
        return leaf.grad.abs().max(dim=1)[0]

    yield Row(
        f"saliency, {N} pictures of {side}",
        ours,
        {"course": courses},
        {"course": 0.6},
        agree=lambda: _require_close(ours(), courses()),
    )


def class_visualization(side: int = 224) -> Iterator[Row]:
    """Yield a step of class visualization, with a target of 0.65."""
    model, course = _networks()
    start = _draw(1, side)

    def ours() -> torch.Tensor:
        img = start.clone().requires_grad_()
        class_visualization_update_step(img, model, 76, 1e-3, 25)
        return img.detach()

    def courses() -> torch.Tensor:
        img = start.clone().requires_grad_()
        (course(img)[0, 76] - 1e-3 * (img * img).sum()).backward()
        assert img.grad is not None
        img.data += 25 * img.grad / img.grad.norm()
        return img.detach()

    yield Row(
        f"class visualization, a step at {side}",
        ours,
        {"course": courses},
        {"course": 0.65},
        agree=lambda: _require_close(ours() - start, courses() - start),
    )
