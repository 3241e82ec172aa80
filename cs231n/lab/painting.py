"""Paint by gradient descent: change a picture's pixels until its losses are low.

The losses are those of ``style_transfer_pytorch``. The network is frozen, and runs no
further than the last layer that a loss looks at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from cs231n.gradient_check import copies
from cs231n.lab.painted import LIMIT as LIMIT  # noqa: PLC0414 (a re-export)
from cs231n.lab.painted import Record, moments, require_layers, what_counts
from cs231n.style_transfer_pytorch import (
    content_loss,
    deprocess,
    extract_features,
    features_from_img,
    gram_matrix,
    style_loss,
    tv_loss,
)
from cs231n.support.progress import progress_bar

if TYPE_CHECKING:
    from PIL import Image

# Picture -> its losses by name; their sum is what gets lower.
Objective: TypeAlias = Callable[[torch.Tensor], dict[str, torch.Tensor]]


class Painting(Record):
    """A picture that was painted, (1, 3, h, w), and how it came about."""

    @property
    def picture(self) -> Image.Image:
        """The picture as people see it."""
        return deprocess(self.image)


class Features:
    """The first layers of a frozen network, as far as they are needed."""

    def __init__(self, cnn: nn.Sequential, layers: Collection[int]) -> None:
        """Keep what computes some layers' features.

        Args:
            cnn: Such as squeezenet.features; unchanged.
            layers: Places of the layers whose features are wanted.

        Raises:
            IndexError: If the network has no such layer.
        """
        require_layers(layers, len(cnn))
        self.cnn = cnn[: max(layers, default=-1) + 1]

    def __call__(self, img: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of a picture at each layer up to the last one needed."""
        return extract_features(img, self.cnn)


def make_objective(
    cnn: nn.Sequential,
    content_layer: int,
    content_weight: float,
    content_target: torch.Tensor | None,
    style_layers: Sequence[int],
    style_weights: Sequence[float],
    style_targets: Sequence[torch.Tensor],
    tv_weight: float,
) -> Objective:
    """Put the three losses together; what has no weight is not computed.

    Args:
        cnn: Such as squeezenet.features.
        content_layer: Layer at which content is compared.
        content_weight: Weight of the content loss.
        content_target: (1, C, H, W) features to come near; None for no content at all.
        style_layers: Layers at which style is compared.
        style_weights: Weight of each of them.
        style_targets: Gram matrix to come near at each of them.
        tv_weight: Weight of the total variation.

    Returns:
        Picture -> its losses "content", "style" and "tv".

    Example:
        >>> flat = torch.ones(1, 3, 4, 4)  # has no variation
        >>> make_objective(torch.nn.Sequential(), 0, 0, None, [], [], [], 1.0)(flat)
        {'tv': tensor(0.)}
    """
    content = content_layer, content_weight, content_target
    with_content, styles, needed = what_counts(
        content, style_layers, style_weights, style_targets
    )
    features = Features(cnn, needed)

    def objective(img: torch.Tensor) -> dict[str, torch.Tensor]:
        # The losses get copies: they may change what they are given.
        feats = features(img)
        losses: dict[str, Any] = {}
        if with_content and content_target is not None:
            compared = copies(feats[content_layer], content_target)
            losses["content"] = content_loss(content_weight, *compared)
        if styles:
            layers, weights, targets = zip(*styles, strict=True)
            own = [f.clone() if k in layers else f for k, f in enumerate(feats)]
            losses["style"] = style_loss(own, layers, copies(*targets), weights)
        if tv_weight != 0:
            losses["tv"] = tv_loss(img.clone(), tv_weight)
        # A loss may come as a number, or with an axis of one.
        return {
            name: torch.as_tensor(loss, device=img.device).reshape(())
            for name, loss in losses.items()
        }

    return objective


def paint(
    start: torch.Tensor,
    objective: Objective,
    num_iterations: int = 200,
    learning_rate: float = 3.0,
    snapshots: int = 6,
) -> Painting:
    """Lower a picture's losses with Adam: large steps, and small ones at the end.

    Args:
        start: (1, 3, h, w) picture to begin with, unchanged.
        objective: The losses of a picture.
        num_iterations: How many steps; the last tenth is taken with a thirtieth of the
            learning rate, and in the last twentieth colours are not limited any more.
        learning_rate: Adam's.
        snapshots: How many pictures to keep on the way, the first and last included.

    Returns:
        The painting.

    Raises:
        FloatingPointError: If the losses become NaN or infinite.

    Example:
        >>> def objective(img):
        ...     return {"content": (img - 0.5).square().sum()}
        >>> painting = paint(torch.zeros(1, 3, 4, 4), objective, num_iterations=5)
        >>> len(painting.losses["content"]), painting.picture.size
        (5, (4, 4))
    """
    img = start.detach().clone().requires_grad_()
    painting = Painting(img.detach())
    optimizer = torch.optim.Adam([img], lr=learning_rate)
    began = time.perf_counter()
    with progress_bar(num_iterations, "painting") as bar:
        for moment in moments(num_iterations, snapshots):
            if moment.limited:
                img.data.clamp_(-LIMIT, LIMIT)
            optimizer.zero_grad()
            record_step(painting, objective, img, began).backward()  # type: ignore[no-untyped-call]
            if moment.slows:
                optimizer = torch.optim.Adam([img], lr=learning_rate / 30)
            optimizer.step()
            if moment.shown:
                painting.snapshots.append((moment.t, deprocess(img)))
            bar.update()
    return painting


def record_step(
    painting: Painting, objective: Objective, img: torch.Tensor, began: float
) -> torch.Tensor:
    """Evaluate the losses of a picture, write them down, and return their sum.

    Args:
        painting: Where to write them.
        objective: The losses of a picture.
        img: (1, 3, h, w) picture.
        began: When the painting was begun, by time.perf_counter().

    Returns:
        () the sum, from which backward() can be called.
    """
    losses = objective(img)
    total = torch.stack([*losses.values()]).sum()
    painting.write_down({k: loss.item() for k, loss in losses.items()}, began)
    return total


def style_transfer(
    content_image: str | os.PathLike[str],
    style_image: str | os.PathLike[str],
    image_size: int,
    style_size: int,
    content_layer: int,
    content_weight: float,
    style_layers: Sequence[int],
    style_weights: Sequence[float],
    tv_weight: float,
    init_random: bool = False,
    *,
    cnn: nn.Sequential,
    num_iterations: int = 200,
    snapshots: int = 6,
    seed: int = 231,
) -> Painting:
    """Paint the content of one picture in the style of another.

    Args:
        content_image: File of the picture whose content is kept.
        style_image: File of the picture whose style is borrowed.
        image_size: What the content picture's shorter side is scaled to.
        style_size: What the style picture's shorter side is scaled to.
        content_layer: Layer at which content is compared.
        content_weight: Weight of the content loss.
        style_layers: Layers at which style is compared.
        style_weights: Weight of each of them.
        tv_weight: Weight of the total variation.
        init_random: Whether to begin with noise in place of the content picture.
        cnn: The layers, such as squeezenet.features.
        num_iterations: How many steps.
        snapshots: How many pictures to keep on the way.
        seed: Of the noise.

    Returns:
        The painting.

    Example:
        >>> from PIL import Image
        >>> Image.new("RGB", (80, 60), "gold").save("gold.png")
        >>> Image.linear_gradient("L").save("gray.png")
        >>> painting = style_transfer(
        ...     *("gold.png", "gray.png"),
        ...     image_size=30,
        ...     style_size=20,
        ...     content_layer=1,
        ...     content_weight=0.1,
        ...     style_layers=[0, 1],
        ...     style_weights=[1.0, 1.0],
        ...     tv_weight=0.1,
        ...     cnn=torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()),
        ...     num_iterations=5,
        ... )
        >>> painting.picture.size, sorted(painting.losses)
        ((40, 30), ['content', 'style', 'tv'])
    """
    wanted = Features(cnn, [content_layer, *style_layers]).cnn
    content_feats, content = features_from_img(content_image, image_size, wanted)
    style_feats, _ = features_from_img(style_image, style_size, wanted)
    grams = [gram_matrix(style_feats[layer].clone()) for layer in style_layers]
    objective = make_objective(
        *(cnn, content_layer, content_weight, content_feats[content_layer]),
        *(style_layers, style_weights, grams, tv_weight),
    )
    start = noise_like(content, seed) if init_random else content
    return paint(start, objective, num_iterations, snapshots=snapshots)


def noise_like(img: torch.Tensor, seed: int = 231) -> torch.Tensor:
    """Draw noise between 0 and 1, shaped like a picture and on its device.

    Example:
        >>> noise = noise_like(torch.zeros(1, 3, 4, 4))
        >>> noise.shape, bool((noise >= 0).all() and (noise <= 1).all())
        (torch.Size([1, 3, 4, 4]), True)
    """
    noise = np.random.default_rng(seed).random(tuple(img.shape))
    return torch.from_numpy(noise).to(img)
