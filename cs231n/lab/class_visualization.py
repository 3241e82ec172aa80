"""Paint the ideal picture of a class, by steps that a student writes (given).

Pictures are written as the network reads them: see ``cs231n.support.pixels``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from cs231n.support.pixels import blur_image, deprocess, jitter
from cs231n.support.validate_torch import require_class

if TYPE_CHECKING:
    from PIL import Image


def create_class_visualization(
    target_y: int,
    model: torch.nn.Module,
    dtype: Any = None,
    *,
    l2_reg: float = 1e-3,
    learning_rate: float = 25,
    num_iterations: int = 100,
    blur_every: int = 10,
    max_jitter: int = 16,
    show_every: int = 25,
    show: Callable[[int, Image.Image], object] | None = None,
    start: torch.Tensor | None = None,
    breadth: float = 0,
    grayness: float = 0,
) -> Image.Image:
    """Paint the picture that gets a class the highest score, starting from noise.

    Three things keep it smooth: at each step the picture is shifted at random and back,
    colours that no screen has are cut off, and now and then it is blurred a little.

    Args:
        target_y: The class, 0 <= target_y < C.
        model: Maps pictures to (1, C) scores; the picture is made on its device.
        dtype: Data type of the picture; float32 if None. The tensor types of old, such
            as ``torch.FloatTensor``, are understood.
        l2_reg: Weight of the squared norm that is taken off the score.
        learning_rate: Length of a step, if the gradient is divided by its norm.
        num_iterations: How many steps.
        blur_every: The picture is blurred at each iteration that this number divides.
        max_jitter: The largest shift, in pixels; drawn by Python's ``random``.
        show_every: The picture is shown at each iteration that this number divides,
            the first and the last.
        show: Called with the iteration and the picture; None shows nothing.
        start: (1, 3, H, W) noise to start from; None draws (1, 3, 224, 224).
        breadth: How much of its own blurred copy is added to each step. Photographs
            are made of large shapes more than of fine grain; 3 is much.
        grayness: Which part of each step, 0..1, changes all three colours alike, as
            light and shadow do in photographs.

    Returns:
        The picture, stretched to the whole range of colours.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 5))
        >>> noise = torch.randn(1, 3, 8, 8)
        >>> create_class_visualization(2, model, start=noise, num_iterations=5).size
        (8, 8)
    """
    # Here, so that this module can be loaded whatever a student's file holds.
    from cs231n.net_visualization_pytorch import class_visualization_update_step

    target_y = require_class(target_y, model)
    model.eval()
    device = next((p.device for p in model.parameters()), None)
    if start is None:
        start = torch.randn(1, 3, 224, 224)
    img = start.detach().clone().to(device, _as_dtype(dtype)).requires_grad_()
    mean, std = torch.tensor(SQUEEZENET_MEAN), torch.tensor(SQUEEZENET_STD)
    low = (-mean / std).view(1, 3, 1, 1).to(img)
    high = ((1 - mean) / std).view(1, 3, 1, 1).to(img)

    for t in range(num_iterations):
        ox, oy = random.randint(0, max_jitter), random.randint(0, max_jitter)
        img.data.copy_(jitter(img.data, ox, oy))
        before = img.detach().clone()
        class_visualization_update_step(img, model, target_y, l2_reg, learning_rate)
        if breadth or grayness:
            step = _like_photographs(img.data - before, breadth, grayness)
            # As long as a step should be, also where a student's is not.
            img.data.copy_(before + learning_rate * step / step.norm())
        img.data.copy_(jitter(img.data, -ox, -oy))
        img.data.clamp_(low, high)
        if t % blur_every == 0:
            blur_image(img.data, sigma=0.5)
        if show is not None and (t % show_every == 0 or t == num_iterations - 1):
            show(t, deprocess(img.detach().cpu()))
    return deprocess(img.detach().cpu())


def _like_photographs(
    step: torch.Tensor, breadth: float, grayness: float
) -> torch.Tensor:
    """Turn a step towards those by which photographs differ."""
    tamed = torch.lerp(step, step.mean(dim=1, keepdim=True), grayness)
    return tamed + breadth * blur_image(tamed.clone(), sigma=2)


def _as_dtype(dtype: Any) -> torch.dtype:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype or torch.float32
    # torch.FloatTensor and its like: what notebooks passed before there were dtypes.
    kind: torch.dtype = dtype.dtype
    return kind
