"""The grounds that drawn scenes stand on: one backdrop for each, sky and land.

A backdrop is built from a few full-width layers (sky, ridges, ground, texture), whose
edges are smooth because coverage is computed for each pixel. What is the same in every
picture of one size is computed once.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cs231n.drawing.scenes.layers import (
    Size,
    clouds,
    enlarged,
    land,
    sky,
    specks,
    strokes,
    texture,
    waves,
)
from cs231n.drawing.scenes.pen import RGB


class Ground(NamedTuple):
    """A backdrop's painter and how things meet the land there."""

    paint: Callable[[Image.Image, np.random.Generator], None]
    shadow: float = 0.35  # how dark contact shadows are
    halo: RGB | None = None  # the rim that sets things off from a dark sky
    tuft: RGB | None = None  # what grows or drifts in front of their feet
    blades: bool = False  # whether it is grass
    mirror: bool = False  # whether the ground reflects


def _grass(canvas: Image.Image, rng: np.random.Generator) -> None:
    size, width = canvas.size, canvas.width
    sky(canvas, (116, 192, 242), (232, 246, 250))
    clouds(canvas, rng, (255, 255, 255), 3)
    land(canvas, waves(width, rng, 0.52, 0.05, 1.1), (172, 214, 168), (140, 196, 130))
    land(canvas, waves(width, rng, 0.59, 0.03, 0.8), (146, 204, 112), (110, 180, 84))
    land(canvas, waves(width, rng, 0.67, 0.015, 0.6), (124, 196, 84), (62, 144, 60))
    texture(canvas, strokes(size, 0.69, 260, 1.5, 0.025, 1), (196, 232, 118), rng)
    texture(canvas, strokes(size, 0.69, 260, 1.6, 0.025, 2), (48, 124, 56), rng)


def _beach(canvas: Image.Image, rng: np.random.Generator) -> None:
    size, width = canvas.size, canvas.width
    sky(canvas, (104, 200, 236), (255, 244, 222))
    clouds(canvas, rng, (255, 255, 255), 2)
    flat = np.full(width, 0.54)
    land(canvas, flat, (60, 160, 200), (120, 206, 214), 0.68)
    texture(canvas, strokes(size, 0.555, 50, 0.0, 0.03, 3), (190, 232, 236), rng)
    shore = waves(width, rng, 0.665, 0.012, 1.2)
    land(canvas, shore - 0.014, (252, 254, 250), (252, 254, 250))
    land(canvas, shore, (224, 190, 128), (224, 190, 128))
    land(canvas, shore + 0.03, (252, 226, 164), (236, 194, 120))
    texture(canvas, strokes(size, 0.74, 60, 0.0, 0.05, 4), (220, 176, 106), rng)
    texture(canvas, specks(size, 0.74, 1.0, 60, 0.006, 5), (206, 160, 96), rng)
    texture(canvas, specks(size, 0.72, 1.0, 40, 0.005, 6), (255, 246, 218), rng)


def _snow(canvas: Image.Image, rng: np.random.Generator) -> None:
    size, width = canvas.size, canvas.width
    sky(canvas, (156, 184, 216), (232, 236, 246))
    peaks = _peaks(width, rng, 0.33)
    caps = np.maximum(peaks, waves(width, rng, 0.43, 0.018, 9.0))
    land(canvas, peaks, (246, 250, 255), (236, 243, 252), 0.6)
    land(canvas, caps, (134, 158, 196), (206, 219, 238), 0.6)
    land(canvas, waves(width, rng, 0.58, 0.03, 0.9), (216, 228, 244), (232, 240, 250))
    land(canvas, waves(width, rng, 0.67, 0.02, 0.6), (244, 249, 255), (206, 220, 242))
    texture(canvas, strokes(size, 0.72, 40, 0.0, 0.05, 7), (186, 204, 232), rng)
    texture(canvas, specks(size, 0.0, 0.95, 90, 0.011, 8), (255, 255, 255), rng)


def _peaks(width: int, rng: np.random.Generator, level: float) -> NDArray[np.floating]:
    """Return a mountain edge (W,): straight slopes between random summits."""
    count = 9
    x = np.linspace(0, 1, count) + rng.uniform(-0.03, 0.03, count)
    y = np.where(np.arange(count) % 2, 0.0, 0.14) + rng.uniform(-0.04, 0.04, count)
    return level + np.interp(np.linspace(0, 1, width), x, y)


def _sea(canvas: Image.Image, rng: np.random.Generator) -> None:
    size, width = canvas.size, canvas.width
    sky(canvas, (128, 204, 250), (250, 244, 226))
    clouds(canvas, rng, (255, 255, 255), 3)
    land(canvas, np.full(width, 0.55), (74, 164, 214), (18, 92, 160))
    for level, top in (
        (0.64, (54, 146, 204)),
        (0.76, (38, 126, 190)),
        (0.89, (26, 106, 174)),
    ):
        edge = waves(width, rng, level, 0.01, 4.0)
        land(canvas, edge - 0.008, (168, 218, 238), top, level + 0.02)
        land(canvas, edge, (top[0], top[1], top[2]), (18, 92, 160))
    texture(canvas, strokes(size, 0.57, 90, 0.0, 0.035, 9), (176, 224, 242), rng)


def _city(canvas: Image.Image, rng: np.random.Generator) -> None:
    size, width = canvas.size, canvas.width
    sky(canvas, (146, 200, 232), (255, 234, 208))
    clouds(canvas, rng, (255, 252, 246), 2)
    _row(canvas, rng, 0.30, 17, [(196, 202, 222), (208, 208, 224), (186, 196, 218)])
    walls = [(176, 152, 158), (150, 158, 186), (190, 172, 160), (140, 168, 176)]
    _row(canvas, rng, 0.42, 10, walls, windows=(252, 232, 184))
    land(canvas, np.full(width, 0.685), (208, 204, 198), (208, 204, 198))
    land(canvas, np.full(width, 0.725), (150, 148, 152), (150, 148, 152))
    land(canvas, np.full(width, 0.735), (112, 113, 124), (80, 82, 96))
    texture(canvas, specks(size, 0.75, 1.0, 160, 0.004, 10), (130, 132, 142), rng)
    canvas.paste((250, 236, 190), (0, 0), _dashes(size, int(rng.integers(4))))


def _row(
    canvas: Image.Image,
    rng: np.random.Generator,
    level: float,
    count: int,
    walls: Sequence[RGB],
    windows: RGB | None = None,
) -> None:
    """Draw a row of high buildings, from random roofs between two heights down."""
    width, height = canvas.size
    roofs = rng.permutation(np.linspace(level, level + 0.18, count))
    colours = np.array(walls)[np.arange(count) % len(walls)]
    place = (np.linspace(0, count - 0.01, width) + rng.uniform(0, count)) % count
    number = place.astype(int)
    first, last = int(level * height), max(1, round(0.69 * height))
    y = np.arange(first, last)[:, None]
    pixels = np.broadcast_to(colours[number], (last - first, width, 3)).copy()
    if windows is not None:
        # Five columns of windows to a building, none along its edges.
        across = (place % 1 * 6 % 1 > 0.5) & (np.abs(place % 1 - 0.54) < 0.45)
        step = max(3, height // 26)
        down = ((y - roofs[number] * height) % step > step * 0.45) & (y < last - step)
        pixels[across & down] = (pixels[across & down] + np.array(windows) * 2) // 3
    inside = np.clip(y + 1 - roofs[number] * height, 0, 1) * 255
    mask = Image.fromarray(inside.astype(np.uint8))
    canvas.paste(Image.fromarray(pixels.astype(np.uint8)), (0, first), mask)


@lru_cache(maxsize=16)
def _dashes(size: Size, shift: int) -> Image.Image:
    (width, height), (mask, draw) = size, enlarged(size)
    for k in range(-1, 6):
        x, y = (k + shift / 4) * 0.25 * width * 3, 0.945 * height * 3
        reach, thick, lean = 0.14 * width * 3, 0.022 * height * 3, 0.02 * width * 3
        corners = [
            (x + lean, y),
            (x + reach + lean, y),
            (x + reach, y + thick),
            (x, y + thick),
        ]
        draw.polygon(corners, fill=220)
    return mask.reduce(3)


def _night(canvas: Image.Image, rng: np.random.Generator) -> None:
    size, (width, height) = canvas.size, canvas.size
    sky(canvas, (10, 16, 52), (60, 62, 128))
    texture(canvas, specks(size, 0.0, 0.55, 90, 0.006, 11), (255, 250, 226), rng)
    unit = min(height, 0.75 * width)
    moon = _crescent(max(4, round(unit * 0.13)))
    spot = (int(rng.uniform(0.03, 0.85) * width), int(rng.uniform(0.03, 0.1) * height))
    canvas.paste((255, 244, 206), spot, moon)
    land(canvas, waves(width, rng, 0.53, 0.05, 1.0), (44, 48, 104), (36, 44, 92))
    land(canvas, waves(width, rng, 0.60, 0.03, 0.8), (32, 46, 86), (26, 42, 74))
    land(canvas, waves(width, rng, 0.68, 0.015, 0.6), (34, 66, 82), (12, 30, 48))
    texture(canvas, strokes(size, 0.70, 220, 1.5, 0.022, 12), (66, 112, 116), rng)


@lru_cache(maxsize=8)
def _crescent(width: int) -> Image.Image:
    (mask, draw), side = enlarged((width, width)), width * 3
    draw.ellipse((0, 0, side - 1, side - 1), fill=255)
    draw.ellipse((0.3 * side, -0.1 * side, 1.2 * side, 0.8 * side), fill=0)
    return mask.reduce(3)


def _space(canvas: Image.Image, rng: np.random.Generator) -> None:
    size, (width, height) = canvas.size, canvas.size
    sky(canvas, (6, 6, 16), (40, 24, 64))
    texture(canvas, specks(size, 0.0, 0.66, 150, 0.005, 13), (255, 255, 255), rng)
    earth = _earth(max(6, round(min(height, 0.75 * width) * 0.16)))
    spot = (int(rng.uniform(0.05, 0.8) * width), int(rng.uniform(0.03, 0.1) * height))
    canvas.paste(earth, spot, earth)
    land(canvas, waves(width, rng, 0.60, 0.03, 1.3), (112, 112, 126), (112, 112, 126))
    land(canvas, waves(width, rng, 0.67, 0.015, 0.7), (196, 196, 204), (126, 126, 142))
    flip = bool(rng.integers(2))
    for mask, fill in zip(
        _craters(size), ((226, 226, 232), (112, 112, 128)), strict=True
    ):
        turned = mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else mask
        canvas.paste(fill, (0, 0), turned)


@lru_cache(maxsize=8)
def _earth(width: int) -> Image.Image:
    side = width * 3
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, side - 1, side - 1), fill=(46, 104, 178, 255))
    disc = image.getchannel("A")
    for x, y, rx, ry in (
        (0.30, 0.30, 0.20, 0.14),
        (0.40, 0.44, 0.10, 0.12),
        (0.50, 0.68, 0.13, 0.20),
        (0.90, 0.36, 0.18, 0.22),
        (0.82, 0.62, 0.12, 0.10),
    ):
        box = ((x - rx) * side, (y - ry) * side, (x + rx) * side, (y + ry) * side)
        draw.ellipse(box, fill=(86, 140, 96, 255))
    draw.ellipse((0.3 * side, -0.1 * side, 0.7 * side, 0.08 * side), fill="white")
    draw.ellipse((0.3 * side, 0.93 * side, 0.7 * side, 1.1 * side), fill="white")
    night = Image.new("L", image.size, 150)
    ImageDraw.Draw(night).ellipse(
        (-0.2 * side, -0.2 * side, 0.86 * side, 0.86 * side), fill=0
    )
    image.paste((8, 10, 34, 255), (0, 0), night)
    image.putalpha(disc)
    return image.reduce(3)


@lru_cache(maxsize=8)
def _craters(size: Size) -> tuple[Image.Image, Image.Image]:
    width, height = size
    rng = np.random.default_rng(14)
    (rims, rim), (hollows, hollow) = enlarged(size), enlarged(size)
    for near in np.linspace(0.05, 0.95, 12):
        x, y = rng.uniform(0, 1) * width * 3, (0.70 + 0.3 * near) * height * 3
        rx = height * 3 * (0.02 + 0.05 * near) * rng.uniform(0.6, 1.2)
        ry = rx * 0.32
        rim.ellipse((x - rx, y - ry + ry * 0.25, x + rx, y + ry * 1.25), fill=200)
        hollow.ellipse((x - rx, y - ry, x + rx, y + ry), fill=170)
    return rims.reduce(3), hollows.reduce(3)


GROUNDS: dict[str, Ground] = {
    "grass": Ground(_grass, tuft=(76, 160, 62), blades=True),
    "beach": Ground(_beach, tuft=(244, 210, 142)),
    "snow": Ground(_snow, shadow=0.3, tuft=(238, 245, 253)),
    "sea": Ground(_sea, tuft=(150, 208, 236), mirror=True),
    "city": Ground(_city, shadow=0.45),
    "night": Ground(
        _night, shadow=0.5, halo=(158, 170, 236), tuft=(26, 58, 70), blades=True
    ),
    "space": Ground(_space, shadow=0.5, halo=(176, 170, 206)),
}
