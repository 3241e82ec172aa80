"""Q4, yours: how alike two pictures are in content, style and smoothness.

Letters in shapes: N pictures, C channels of a feature map, H rows, W columns.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from cs231n.gradient_check import rel_error as rel_error  # noqa: PLC0414 (a re-export)
from cs231n.image_utils import load_image
from cs231n.support import pixels
from cs231n.support.pixels import rescale as rescale  # noqa: PLC0414

if TYPE_CHECKING:
    from PIL import Image

# What notebooks of old pass to Tensor.type(); new code names a device and a dtype.
dtype = torch.FloatTensor


def content_loss(
    content_weight: float,
    content_current: torch.Tensor,
    content_original: torch.Tensor,
) -> torch.Tensor:
    """Measure how far a picture's content is from what it should be.

    Args:
        content_weight: What the loss is multiplied by.
        content_current: (1, C, H, W) features of the picture, at one layer.
        content_original: (1, C, H, W) features it should have there.

    Returns:
        loss: () the weighted content loss.

    Example:
        >>> features = torch.ones(1, 2, 3, 3)
        >>> content_loss(0.5, features, features).item()
        0.0
    """
    # TODO(Q4): Compute the content loss, L_c in the notebook.
    # BEGIN SOLUTION
    loss = content_weight * (content_current - content_original).square().sum()
    # END SOLUTION
    return loss


def gram_matrix(features: torch.Tensor, normalize: bool = True) -> torch.Tensor:
    """Measure how channels of a feature map go together, wherever that happens.

    Args:
        features: (N, C, H, W) features, unchanged.
        normalize: Whether to divide by the number of features of a picture, C * H * W.

    Returns:
        gram: (N, C, C) Gram matrix of each picture.

    Example:
        >>> gram_matrix(torch.ones(1, 2, 3, 3))
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    # TODO(Q4): Compute the Gram matrix of each picture of the batch, without a loop.
    # The features need not lie in memory in the order of their axes.
    # BEGIN SOLUTION
    N, C, H, W = features.shape
    maps = features.reshape(N, C, H * W)
    gram = maps @ maps.transpose(1, 2)  # (N, C, C)
    if normalize:
        gram = gram / (C * H * W)
    # END SOLUTION
    return gram


def style_loss(
    feats: Sequence[torch.Tensor],
    style_layers: Sequence[int],
    style_targets: Sequence[torch.Tensor],
    style_weights: Sequence[float],
) -> torch.Tensor:
    """Measure how far a picture's style is from what it should be, at some layers.

    Args:
        feats: Features of the picture, as extract_features returns them.
        style_layers: Places in feats that count.
        style_targets: Gram matrix that the picture should have at each of style_layers.
        style_weights: Weight of each of style_layers.

    Returns:
        loss: () the weighted style losses, added up.

    Example:
        >>> feats = [torch.rand(1, 2, 3, 3)]
        >>> target = gram_matrix(feats[0])
        >>> style_loss(feats, [0], [target], [100.0]).item()
        0.0
    """
    # TODO(Q4): Compute the style loss, L_s in the notebook. A short loop over the
    # layers is fine here.
    # BEGIN SOLUTION
    loss = feats[0].new_zeros(())
    for layer, target, weight in zip(
        style_layers, style_targets, style_weights, strict=True
    ):
        loss = loss + weight * (gram_matrix(feats[layer]) - target).square().sum()
    # END SOLUTION
    return loss


def tv_loss(img: torch.Tensor, tv_weight: float) -> torch.Tensor:
    """Measure how much neighbouring pixels of a picture differ.

    Args:
        img: (1, 3, H, W) picture.
        tv_weight: What the loss is multiplied by.

    Returns:
        loss: () the weighted total variation.

    Example:
        >>> tv_loss(torch.ones(1, 3, 4, 4), 0.5).item()  # no pixel differs
        0.0
    """
    # TODO(Q4): Compute the total variation, L_tv in the notebook, without loops.
    # BEGIN SOLUTION
    down = img[..., 1:, :] - img[..., :-1, :]
    right = img[..., 1:] - img[..., :-1]
    loss = tv_weight * (down.square().sum() + right.square().sum())
    # END SOLUTION
    return loss


def preprocess(img: Image.Image, size: int = 512) -> torch.Tensor:
    """Turn a picture into the network's input.

    Args:
        img: A Pillow picture of any mode; what is transparent becomes white.
        size: What the shorter side is scaled to, bilinear and antialiased.

    Returns:
        (1, 3, h, w) RGB in 0..1, minus SQUEEZENET_MEAN, over SQUEEZENET_STD.

    Example:
        >>> from PIL import Image
        >>> preprocess(Image.new("RGB", (80, 60)), size=30).shape
        torch.Size([1, 3, 30, 40])
    """
    return pixels.preprocess(img, size)


def deprocess(img: torch.Tensor) -> Image.Image:
    """Turn a network's input back into a picture, using the whole range of colours.

    Args:
        img: (1, 3, h, w) picture, unchanged.

    Returns:
        A Pillow picture.

    Raises:
        ValueError: If a pixel is NaN or infinite, or the shape is another one.

    Example:
        >>> deprocess(torch.rand(1, 3, 6, 8)).size  # Pillow has the width first
        (8, 6)
    """
    if not torch.isfinite(img).all():
        raise ValueError(
            "The picture holds NaN or infinity; look at the losses, and lower the "
            "learning rate if they explode."
        )
    return pixels.deprocess(img.detach().cpu())


def extract_features(x: torch.Tensor, cnn: nn.Module) -> list[torch.Tensor]:
    """Run pictures through a network and keep all that it computes on the way.

    Args:
        x: (N, 3, H, W) pictures, unchanged.
        cnn: A network whose children follow one another, such as squeezenet.features;
            ``cnn[:n]`` is the same network, stopped after n layers.

    Returns:
        The output of each child, in order.

    Example:
        >>> cnn = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
        >>> feats = extract_features(torch.zeros(2, 3, 8, 8), cnn)
        >>> [tuple(f.shape) for f in feats]
        [(2, 4, 6, 6), (2, 4, 6, 6)]
    """
    features = []
    for layer in cnn.children():
        # Some layers write into their input, which here is the last one's result.
        x = layer(x.clone() if getattr(layer, "inplace", False) else x)
        features.append(x)
    return features


def features_from_img(
    imgpath: str | os.PathLike[str], imgsize: int, cnn: nn.Module | None = None
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Read a picture and run it through a network.

    Args:
        imgpath: The picture's file.
        imgsize: What the shorter side is scaled to.
        cnn: As for extract_features; None loads the pretrained SqueezeNet's layers.

    Returns:
        features: The output of each of the network's children, in order.
        img: (1, 3, h, w) picture, on the network's device.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture, or a picture of more than 50 megapixels.

    Example:
        >>> from PIL import Image
        >>> Image.new("RGB", (80, 60), "gold").save("gold.png")
        >>> cnn = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
        >>> features, img = features_from_img("gold.png", 30, cnn)
        >>> img.shape, len(features)
        (torch.Size([1, 3, 30, 40]), 2)
    """
    from PIL import Image

    if cnn is None:
        from cs231n.classifiers.squeezenet import load_squeezenet

        cnn = load_squeezenet(verbose=False).get_submodule("features")
    img = preprocess(Image.fromarray(load_image(imgpath)), size=imgsize)
    img = img.to(next(cnn.parameters(), img))
    with torch.no_grad():
        return extract_features(img, cnn), img
