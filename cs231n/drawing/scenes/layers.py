"""The layers that a drawn scene's backdrop is built from: skies, ridges, textures.

All heights are fractions of the picture's height, counted from the top. Edges are
smooth because coverage is computed for each pixel; what is the same in every picture of
one size is computed once.
"""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cs231n.drawing.scenes.pen import RGB

Size: TypeAlias = tuple[int, int]


def sky(canvas: Image.Image, top: RGB, low: RGB, until: float = 0.62) -> None:
    """Fill the canvas with a gradient from its top down to ``until``."""
    canvas.paste(_gradient(canvas.size, top, low, 0.0, until))


def _gradient(size: Size, top: RGB, low: RGB, start: float, end: float) -> Image.Image:
    # The paper's grain, which comes last, keeps wide gradients free of bands.
    t = (np.arange(size[1]) / size[1] - start) / (end - start)
    t = np.clip(t, 0, 1)[:, None, None]
    column = np.asarray(top) * (1 - t) + np.asarray(low) * t
    image = Image.fromarray(np.rint(column).astype(np.uint8))
    return image.resize(size, Image.Resampling.NEAREST)


def land(
    canvas: Image.Image,
    edge: NDArray[np.floating],
    top: RGB,
    low: RGB,
    end: float = 1.0,
) -> None:
    """Fill everything below an edge (W,) with a gradient that ends at ``end``."""
    width, height = canvas.size
    first = max(0, int(edge.min() * height) - 1)
    y = np.arange(first, height, dtype=np.float32)[:, None] + 0.5
    inside = np.clip(y - edge.astype(np.float32) * height + 0.5, 0, 1)
    mask = Image.fromarray((inside * 255).astype(np.uint8))
    fill = _gradient(canvas.size, top, low, float(edge.min()), end)
    canvas.paste(fill.crop((0, first, width, height)), (0, first), mask)


def waves(
    width: int, rng: np.random.Generator, level: float, height: float, count: float
) -> NDArray[np.floating]:
    """Return a rolling edge (W,): three sine waves with random phases."""
    x = np.linspace(0, 2 * np.pi * count, width)
    phase = rng.uniform(0, 2 * np.pi, 3)
    rolling = np.sin(x + phase[0]) + 0.5 * np.sin(2.1 * x + phase[1])
    edge: NDArray[np.floating] = rolling + 0.25 * np.sin(4.3 * x + phase[2])
    return level + edge * height / 1.75


def clouds(canvas: Image.Image, rng: np.random.Generator, fill: RGB, most: int) -> None:
    """Scatter one to ``most`` clouds over the upper third."""
    width, height = canvas.size
    for _ in range(int(rng.integers(1, most + 1))):
        reach = rng.uniform(0.10, 0.17) * min(height, 0.75 * width)
        puff = _cloud(max(2, round(reach * 2)), bool(rng.integers(2)))
        x = int(rng.uniform(-0.1, 0.95) * width)
        y = int(rng.uniform(0.03, 0.26) * height)
        canvas.paste(fill, (x, y), puff)


@lru_cache(maxsize=64)
def _cloud(width: int, mirrored: bool) -> Image.Image:
    mask = Image.new("L", (width * 3, width * 3 // 2), 0)
    draw = ImageDraw.Draw(mask)
    unit = width * 3
    puffs = ((0.2, 0.36, 0.12), (0.4, 0.24, 0.18), (0.62, 0.28, 0.15), (0.8, 0.38, 0.1))
    for x, y, r in puffs:
        box = ((x - r) * unit, (y - r) * unit, (x + r) * unit, (y + r) * unit)
        draw.ellipse(box, fill=225)
    draw.rounded_rectangle(
        (0.06 * unit, 0.34 * unit, 0.92 * unit, 0.48 * unit), 0.07 * unit, fill=225
    )
    small = mask.reduce(3)
    return small.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else small


def enlarged(size: Size) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty mask, three times as large, and what draws on it."""
    mask = Image.new("L", (size[0] * 3, size[1] * 3), 0)
    return mask, ImageDraw.Draw(mask)


@lru_cache(maxsize=32)
def strokes(
    size: Size, start: float, count: int, slant: float, length: float, seed: int
) -> Image.Image:
    """Return a mask of short strokes below ``start``, longer toward the viewer."""
    width, height = size
    rng, (mask, draw) = np.random.default_rng(seed), enlarged(size)
    depth = np.sort(rng.uniform(0, 1, count)) ** 1.2
    for near, x, angle in zip(
        depth, rng.uniform(0, 1, count), rng.normal(slant, 0.25, count), strict=True
    ):
        y = start + (1 - start) * near
        reach = length * height * 3 * (0.35 + near)
        x0, y0 = x * width * 3, y * height * 3
        x1, y1 = x0 + reach * np.cos(angle), y0 - reach * np.sin(angle)
        draw.line(
            (x0, y0, x1, y1), fill=int(rng.integers(60, 130)), width=2 + int(2 * near)
        )
    return mask.reduce(3)


@lru_cache(maxsize=32)
def specks(
    size: Size, start: float, end: float, count: int, radius: float, seed: int
) -> Image.Image:
    """Return a mask of small round dots between two heights."""
    width, height = size
    rng, (mask, draw) = np.random.default_rng(seed), enlarged(size)
    for _ in range(count):
        x, y = rng.uniform(0, width * 3), rng.uniform(start, end) * height * 3
        r = radius * height * 3 * rng.uniform(0.4, 1.0)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.integers(110, 240)))
    return mask.reduce(3)


def texture(
    canvas: Image.Image, mask: Image.Image, fill: RGB, rng: np.random.Generator
) -> None:
    """Paint ``fill`` through a mask, mirrored half of the time."""
    if rng.integers(2):
        mask = mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    canvas.paste(fill, (0, 0), mask)
