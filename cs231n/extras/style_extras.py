"""Extra, yours: other ways to paint with the same losses.

Letters in shapes: N pictures, C channels of a feature map, H rows, W columns.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from PIL import Image

from cs231n.lab.painting import LIMIT, Objective, Painting, record_step


def blend_targets(
    first: Sequence[torch.Tensor], second: Sequence[torch.Tensor], share: float
) -> list[torch.Tensor]:
    """Find style targets between those of two pictures.

    Args:
        first: (N, C, C) Gram matrix of the first picture, at each layer.
        second: The same of the second picture.
        share: How much of the second there shall be, 0 <= share <= 1.

    Returns:
        targets: (N, C, C) Gram matrix to come near, at each layer.

    Example:
        >>> grams = [torch.zeros(1, 2, 2)], [torch.ones(1, 2, 2)]
        >>> blend_targets(*grams, share=0.25)
        [tensor([[[0.2500, 0.2500],
                  [0.2500, 0.2500]]])]
    """
    # TODO(extra): Nothing but the first at share 0, nothing but the second at share 1,
    # and a straight line between them.
    # BEGIN SOLUTION
    targets = [
        (1 - share) * one + share * other
        for one, other in zip(first, second, strict=True)
    ]
    # END SOLUTION
    return targets


def match_colors(style: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """Give a style picture the colours of a content picture.

    Args:
        style: (1, 3, H, W) picture, unchanged.
        content: (1, 3, H', W') picture, unchanged.

    Returns:
        recolored: (1, 3, H, W) the style picture with the same linear map applied to
            every pixel, such that mean and covariance of its three colours over all
            pixels are those of the content picture.

    Example:
        >>> style, content = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 6, 9) / 2
        >>> recolored = match_colors(style, content)
        >>> means = recolored.mean(dim=(2, 3)), content.mean(dim=(2, 3))
        >>> recolored.shape, torch.allclose(*means, atol=1e-4)
        (torch.Size([1, 3, 8, 8]), True)
    """

    # TODO(extra): Many linear maps do it; take the symmetric one, which turns colours
    # the least: to the unit covariance with the inverse root of the style's covariance,
    # on with the root of the content's. torch.linalg.eigh finds symmetric roots. Add a
    # small multiple of the unit matrix (1e-6), or gray pictures will divide by zero.
    # BEGIN SOLUTION
    def statistics(
        img: torch.Tensor, power: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        colors = img[0].flatten(1).cpu().double()  # some devices have no float64
        values, vectors = torch.linalg.eigh(torch.cov(colors, correction=0))
        root = vectors * (values.clamp(min=0) + 1e-6) ** power @ vectors.T
        return colors.mean(1, keepdim=True), root

    style_mean, style_root = statistics(style, -0.5)
    content_mean, content_root = statistics(content, 0.5)
    whitened = style_root @ (style[0].flatten(1).cpu().double() - style_mean)
    colors = content_root @ whitened + content_mean
    recolored: torch.Tensor = colors.view_as(style).to(style)
    # END SOLUTION
    return recolored


def keep_colors(painted: Image.Image, content: Image.Image) -> Image.Image:
    """Take only light and dark from a painting, and the colours from the photo.

    Args:
        painted: The painting.
        content: The photo that it shows, of any size.

    Returns:
        result: Of the painting's size.

    Example:
        >>> from PIL import Image
        >>> painted = Image.new("RGB", (8, 6), (90, 90, 90))
        >>> photo = Image.new("RGB", (80, 60), (200, 100, 0))
        >>> result = keep_colors(painted, photo)
        >>> result.size, len(set(result.getpixel((3, 3)))) > 1  # not gray any more
        ((8, 6), True)
    """
    # TODO(extra): Pillow converts pictures to "YCbCr", brightness and two numbers for
    # the colour, and splits and merges channels. Scale the photo first.
    # BEGIN SOLUTION
    brightness, _, _ = painted.convert("YCbCr").split()
    scaled = content.convert("RGB").resize(painted.size, Image.Resampling.BILINEAR)
    _, blue, red = scaled.convert("YCbCr").split()
    result = Image.merge("YCbCr", (brightness, blue, red)).convert("RGB")
    # END SOLUTION
    return result


def paint_with_lbfgs(
    start: torch.Tensor,
    objective: Objective,
    num_iterations: int = 200,
    max_seconds: float = float("inf"),
) -> Painting:
    """Lower a picture's losses with L-BFGS, which learns their curvature on the way.

    Args:
        start: (1, 3, h, w) picture to begin with, unchanged.
        objective: Picture -> its losses by name; their sum is what gets lower.
        num_iterations: How many evaluations of the objective; a search along
            a line that has begun may add a few.
        max_seconds: After this time no step is begun.

    Returns:
        The painting; its losses and seconds are those of the evaluations.

    Example:
        >>> def objective(img):
        ...     return {"content": (img - 0.5).square().sum()}
        >>> start = torch.zeros(1, 3, 4, 4)
        >>> painting = paint_with_lbfgs(start, objective, num_iterations=10)
        >>> painting.losses["content"][0], painting.image.shape
        (12.0, torch.Size([1, 3, 4, 4]))
    """
    img = start.detach().clone().requires_grad_()
    painting = Painting(img.detach())
    began = time.perf_counter()
    # TODO(extra): torch.optim.LBFGS takes a function that zeroes the gradient, calls
    # backward on the sum of the losses, and returns it. In that function, let
    # record_step evaluate the losses, write them down and return their sum. Take a few
    # evaluations per step (max_iter), then look at len(painting.seconds) and at the
    # clock, and keep the pixels between -LIMIT and LIMIT. Once L-BFGS finds nothing to
    # improve it evaluates only once a step: the loop must end all the same.
    # BEGIN SOLUTION
    optimizer = torch.optim.LBFGS(
        [img], max_iter=10, max_eval=12, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        total = record_step(painting, objective, img, began)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    while len(painting.seconds) < num_iterations:
        if painting.seconds and painting.seconds[-1] > max_seconds:
            break
        left = num_iterations - len(painting.seconds)
        optimizer.param_groups[0].update(max_iter=min(10, left), max_eval=min(12, left))
        optimizer.step(closure)  # type: ignore[no-untyped-call]
        img.data.clamp_(-LIMIT, LIMIT)
    # END SOLUTION
    return painting
