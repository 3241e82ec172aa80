"""Gradients at SqueezeNet's pixels, beside the course's form of the same loops.

The course's form never froze the weights, so every backward pass computed their
gradients too, and it left the channels of all maps in planes.

Letters in shapes: N pictures, H rows, W columns.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.harness import Row
from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.lab.painting import make_objective
from cs231n.net_visualization_pytorch import (
    class_visualization_update_step,
    compute_saliency_maps,
)
from cs231n.style_transfer_pytorch import extract_features, gram_matrix


def _networks() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return ours, which is frozen, and the course's."""
    ours = load_squeezenet(device="cpu", verbose=False)
    return ours, load_squeezenet(device="cpu", verbose=False).requires_grad_(True)


def _draw(N: int, side: int) -> torch.Tensor:
    noise = np.random.default_rng(231).normal(size=(N, 3, side, side))
    return torch.tensor(noise, dtype=torch.float32)


def _require_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    # Rounding decides on which side of a ReLU's kink a few numbers lie.
    off = (ours - theirs).abs().mean() / theirs.abs().mean()
    assert off < 1e-3, f"results differ by {off:.1e} of their mean"


def saliency(N: int = 5, side: int = 224) -> Iterator[Row]:
    """Yield saliency maps of N pictures."""
    model, course = _networks()
    model.to(memory_format=torch.channels_last)  # as in the notebook
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
        agree=lambda: _require_close(ours(), courses()),
    )


def class_visualization(side: int = 224) -> Iterator[Row]:
    """Yield a step of class visualization."""
    model, course = _networks()
    model.to(memory_format=torch.channels_last)  # as in the notebook
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
        agree=lambda: _require_close(ours() - start, courses() - start),
    )


def style_transfer(height: int = 192, width: int = 256) -> Iterator[Row]:
    """Yield a step of style transfer.

    Both take it from the same picture, with Adam; the course's form runs all of the
    network, although nothing behind layer 7 is looked at. Channels stay in planes, as
    in the notebook: products of features, of which style consists, take longer from the
    other order than convolutions save.
    """
    model, course_model = _networks()
    cnn = model.get_submodule("features")
    course_cnn = course_model.get_submodule("features")
    rng = np.random.default_rng(231)
    content, style, start = (
        torch.tensor(rng.normal(size=(1, 3, height, width)), dtype=torch.float32)
        for _ in range(3)
    )
    layers, weights = (1, 4, 6, 7), (20000, 500, 12, 1)
    with torch.no_grad():
        target = extract_features(content, cnn)[3]
        feats = extract_features(style, cnn)
        targets = [gram_matrix(feats[layer]).contiguous() for layer in layers]
    objective = make_objective(cnn, 3, 5e-2, target, layers, weights, targets, 5e-2)

    def courses_losses(img: torch.Tensor) -> torch.Tensor:
        x, feats = img, []
        for layer in course_cnn.children():
            x = layer(x.clone() if getattr(layer, "inplace", False) else x)
            feats.append(x)
        loss = 5e-2 * ((feats[3] - target) ** 2).sum()
        for layer, weight, wanted in zip(layers, weights, targets, strict=True):
            N, C, H, W = feats[layer].shape
            maps = feats[layer].view(N, C, H * W)
            gram = torch.bmm(maps, maps.permute(0, 2, 1)) / (C * H * W)
            loss = loss + weight * ((gram - wanted) ** 2).sum()
        down = img[:, :, 1:, :] - img[:, :, :-1, :]
        right = img[:, :, :, 1:] - img[:, :, :, :-1]
        return loss + 5e-2 * ((down**2).sum() + (right**2).sum())

    def step(losses: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        img = start.clone().requires_grad_()
        losses(img).backward()
        torch.optim.Adam([img], lr=3.0).step()
        assert img.grad is not None
        return img.grad

    def ours() -> torch.Tensor:
        return step(lambda img: torch.stack([*objective(img).values()]).sum())

    def courses() -> torch.Tensor:
        return step(courses_losses)

    yield Row(
        f"style transfer, a step at {height} x {width}",
        ours,
        {"course": courses},
        agree=lambda: _require_close(ours(), courses()),
    )


GROUPS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "saliency": lambda quick: saliency(1, 64) if quick else saliency(),
    "dreams": lambda quick: class_visualization(64 if quick else 224),
    "style": lambda quick: style_transfer(64, 48) if quick else style_transfer(),
}
