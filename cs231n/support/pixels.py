"""Pictures as a network reads them, and back (given).

That is RGB in 0..1, minus SQUEEZENET_MEAN, over SQUEEZENET_STD.

Letters in shapes: N pictures, C channels, H rows, W columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)
from cs231n.support.imagenet import SQUEEZENET_MEAN, SQUEEZENET_STD

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 50_000_000  # of a picture, before or after scaling


def preprocess(img: Image.Image, size: int = 224) -> torch.Tensor:
    """Turn a picture into the network's input.

    Args:
        img: A Pillow picture of any mode; what is transparent becomes white, and what a
            camera stored lying down is turned upright.
        size: What the shorter side is scaled to.

    Returns:
        (1, 3, h, w) picture.

    Raises:
        TypeError: If ``img`` is no Pillow picture.
        ValueError: If it is empty, or cannot be scaled within 50 megapixels.

    Example:
        >>> from PIL import Image
        >>> preprocess(Image.new("RGB", (80, 60)), size=30).shape
        torch.Size([1, 3, 30, 40])
    """
    from PIL import Image
    from torchvision import transforms

    from cs231n.support.picture_files import as_pixels, reduced

    if not isinstance(img, Image.Image):
        raise TypeError(
            f"preprocess wants a Pillow picture, but got {type(img).__name__}; "
            "use PIL.Image.open or PIL.Image.fromarray."
        )
    if img.width * img.height > MAX_PIXELS:
        img = reduced(img, size)
    scale = size / max(1, min(img.size))
    if max(1, scale**2) * img.width * img.height > MAX_PIXELS or 0 in img.size:
        raise ValueError(
            f"The picture has {img.width} by {img.height} pixels, which cannot be "
            f"scaled to a shorter side of {size} within {MAX_PIXELS / 1e6:g} "
            "megapixels; cut it or scale it down first."
        )
    img = Image.fromarray(as_pixels(img))
    transform = transforms.Compose(
        [
            transforms.Resize(size),
            transforms.ToTensor(),
            transforms.Normalize(SQUEEZENET_MEAN.tolist(), SQUEEZENET_STD.tolist()),
        ]
    )
    pixels: torch.Tensor = transform(img)
    return pixels[None]


def deprocess(img: torch.Tensor, should_rescale: bool = True) -> Image.Image:
    """Turn a network's input back into a picture; undoes ``preprocess``.

    Args:
        img: (1, 3, h, w) picture, unchanged.
        should_rescale: Whether to stretch the values to the whole range of colours;
            otherwise what lies beyond it is cut off.

    Returns:
        A Pillow picture.

    Example:
        >>> deprocess(torch.rand(1, 3, 6, 8)).size  # Pillow has the width first
        (8, 6)
    """
    from PIL import Image

    if img.ndim != 4 or img.shape[:2] != (1, 3):
        raise ValueError(
            f"img has shape {tuple(img.shape)}; one picture (1, 3, h, w) is wanted, so "
            "take img[i : i + 1] of a batch."
        )
    pixels = img.detach().cpu()[0].permute(1, 2, 0).double().numpy()
    pixels = pixels * SQUEEZENET_STD + SQUEEZENET_MEAN
    pixels = rescale(pixels) if should_rescale else np.clip(pixels, 0, 1)
    # The small number undoes what rounding in float32 took from whole levels.
    return Image.fromarray((np.nan_to_num(pixels) * 255 + 1e-3).astype(np.uint8))


def rescale(x: Any) -> Any:
    """Stretch numbers linearly so that they run from 0 to 1.

    Args:
        x: Tensor or array of any shape, unchanged.

    Returns:
        The same shape; zeros if all numbers are alike.
    """
    low, high = x.min(), x.max()
    return (x - low) / (high - low) if high > low else x - low


def blur_image(X: torch.Tensor, sigma: float = 1) -> torch.Tensor:
    """Blur pictures in place by a Gaussian.

    Args:
        X: (N, C, H, W) pictures, changed.
        sigma: Width of the Gaussian in pixels.

    Returns:
        X itself.

    Example:
        >>> X = torch.zeros(1, 1, 9, 9)
        >>> X[0, 0, 4, 4] = 1
        >>> blurred = blur_image(X)
        >>> blurred is X, round(X.sum().item(), 3)  # light is spread, not lost
        (True, 1.0)
    """
    from scipy.ndimage import gaussian_filter1d

    blurred = X.detach().cpu().numpy()
    for axis in (2, 3):
        blurred = gaussian_filter1d(blurred, sigma, axis=axis)
    with torch.no_grad():
        return X.copy_(torch.from_numpy(blurred))


def jitter(X: torch.Tensor, ox: int, oy: int) -> torch.Tensor:
    """Shift pictures; what leaves at one side comes in at the other.

    Args:
        X: (N, C, H, W) pictures, unchanged.
        ox: Pixels to the right; negative numbers shift to the left.
        oy: Pixels downwards; negative numbers shift upwards.

    Returns:
        (N, C, H, W) shifted pictures.

    Example:
        >>> jitter(torch.arange(4.0).view(1, 1, 1, 4), ox=1, oy=0).ravel()
        tensor([3., 0., 1., 2.])
    """
    return torch.roll(X, (oy, ox), (2, 3))


def change_in_levels(X: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
    """Return how far a picture was changed, in levels of 0..255.

    Args:
        X: (N, 3, H, W) pictures.
        changed: (N, 3, H, W) what was made of them.

    Returns:
        (N, 3, H, W) signed differences.

    Example:
        >>> from PIL import Image
        >>> from cs231n.net_visualization_pytorch import preprocess
        >>> dark = preprocess(Image.new("RGB", (4, 4), (10, 10, 10)), size=4)
        >>> light = preprocess(Image.new("RGB", (4, 4), (12, 12, 12)), size=4)
        >>> round(change_in_levels(dark, light).mean().item(), 3)
        2.0
    """
    std = torch.tensor(SQUEEZENET_STD).view(1, 3, 1, 1).to(X)
    return (changed - X).detach() * 255 * std
