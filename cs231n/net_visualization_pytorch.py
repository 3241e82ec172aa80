"""Gradients at the pixels: what a network looks at, is fooled by, and dreams of.

Pictures are written as the network reads them: RGB in 0..1, minus SQUEEZENET_MEAN, over
SQUEEZENET_STD. Any classifier that maps pictures to scores serves as the model.

Letters in shapes: N pictures, H rows, W columns; C classes.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 50_000_000  # of a picture, before or after scaling


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
    """
    require_pictures(X, y, model)
    model.eval()
    X.requires_grad_()
    X.grad = None  # or backward() would add to what an earlier call left
    # TODO(Q3): Take the gradient of each picture's correct score at its own pixels, and
    # let the largest of the three colours' absolute values stand for a pixel.
    # Hint: no picture has a part in another one's score, so one backward pass through
    # the sum of all correct scores does for all of them.
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
    """
    target_y = require_class(target_y, model)
    require_pictures(X, torch.tensor([target_y]), model)
    model.eval()
    X_fooling = X.detach().clone().requires_grad_()
    learning_rate = 1
    # TODO(Q3): Climb the target's score: step by learning_rate * g / ||g||_2, g being
    # the score's gradient at the picture, and stop as soon as the target's score is the
    # highest. For most pictures and targets, less than 100 steps are enough: count
    # them, and give up after that. Printing the progress helps.
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
        learning_rate: Length of the step.
    """
    target_y = require_class(target_y, model)
    # TODO(Q3): Move img uphill on s_y(I) - l2_reg * ||I||_2^2, where s_y is the score
    # of target_y. Divide the gradient by its norm, so that learning_rate is the length
    # of the step. Mind the signs, and that a tensor that requires its gradient must be
    # changed under torch.no_grad() or through img.data.
    # BEGIN SOLUTION
    objective = model(img)[0, target_y] - l2_reg * img.square().sum()
    (g,) = torch.autograd.grad(objective, img)
    with torch.no_grad():
        img += learning_rate * g / g.norm()
    # END SOLUTION


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
        learning_rate: Length of a step.
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
    """
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
            img.data.copy_(before + step)
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
    """Turn a step towards those by which photographs differ; keep its length."""
    tamed = torch.lerp(step, step.mean(dim=1, keepdim=True), grayness)
    tamed = tamed + breadth * blur_image(tamed.clone(), sigma=2)
    scaled: torch.Tensor = tamed * (step.norm() / tamed.norm())
    return scaled


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
        ValueError: If it is empty or larger than 50 megapixels, before or after.
    """
    from PIL import Image
    from torchvision import transforms

    from cs231n.datasets.picture_files import as_pixels

    if not isinstance(img, Image.Image):
        raise TypeError(
            f"preprocess wants a Pillow picture, but got {type(img).__name__}; "
            "use PIL.Image.open or PIL.Image.fromarray."
        )
    scale = size / max(1, min(img.size))
    if max(1, scale**2) * img.width * img.height > MAX_PIXELS or 0 in img.size:
        raise ValueError(
            f"The picture has {img.width} by {img.height} pixels, which cannot be "
            f"scaled to a shorter side of {size} within {MAX_PIXELS / 1e6:g} "
            "megapixels; cut or shrink it first."
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
    """
    return torch.roll(X, (oy, ox), (2, 3))


def require_pictures(X: Any, y: torch.Tensor, model: torch.nn.Module) -> None:
    """Insist on pictures that a network can look at, and on a class for each.

    Args:
        X: (N, 3, H, W) pictures.
        y: (N,) classes.
        model: Tells how many classes there are.

    Raises:
        TypeError: If X is not a tensor of floating point numbers or y not of integers.
        ValueError: If a shape is wrong or X holds NaN or infinity.
        IndexError: If a class does not exist.
    """
    if not (isinstance(X, torch.Tensor) and X.is_floating_point()):
        kind = X.dtype if isinstance(X, torch.Tensor) else type(X).__name__
        raise TypeError(
            f"Pictures must be a floating point tensor, but came as {kind}; "
            "use preprocess."
        )
    if X.ndim != 4 or X.shape[1] != 3:
        raise ValueError(
            f"Pictures have shape {tuple(X.shape)}; (N, 3, H, W) is wanted, so give a "
            "single one an axis in front."
        )
    if not torch.isfinite(X).all():
        raise ValueError(
            "The pictures hold NaN or infinity, for which a network has no scores; "
            "look at how they were made."
        )
    if y.shape != X.shape[:1]:
        raise ValueError(
            f"There are {len(X)} pictures, but classes of shape {tuple(y.shape)}; "
            "each picture needs one."
        )
    if y.is_floating_point() or y.dtype == torch.bool:
        raise TypeError(f"Classes must be integers, but came as {y.dtype}.")
    for label in y.tolist():
        require_class(label, model)


def require_class(y: int, model: torch.nn.Module) -> int:
    """Return y as a plain integer if it is one of the network's classes.

    Args:
        y: The class.
        model: Its last linear or convolutional layer tells how many there are.

    Raises:
        IndexError: If there is no such class.
    """
    label = operator.index(y)
    C: int | None = None
    for layer in model.modules():
        C = getattr(layer, "out_features", getattr(layer, "out_channels", C))
    if label < 0 or (C is not None and label >= C):
        raise IndexError(
            f"There is no class {label}; the network knows "
            f"{'no negative ones' if C is None else f'0 to {C - 1}'}."
        )
    return label


def _as_dtype(dtype: Any) -> torch.dtype:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype or torch.float32
    # torch.FloatTensor and its like: what notebooks passed before there were dtypes.
    kind: torch.dtype = dtype.dtype
    return kind
