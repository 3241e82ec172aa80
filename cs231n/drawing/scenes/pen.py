"""A pen for small coloured shapes: smooth, turned or mirrored, shaded like cut paper.

Lengths are in units of the thing's size, with the origin at the upper left corner of
its box and y pointing down. Shapes are drawn on a canvas ``OVERSAMPLING`` times too
large, which ``finish`` reduces; that is what makes the edges smooth.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

RGB: TypeAlias = tuple[int, int, int]
Points: TypeAlias = str | Sequence[tuple[float, float]] | NDArray[np.floating]

OVERSAMPLING = 4
INK: RGB = (44, 40, 58)
CREAM: RGB = (255, 247, 226)
_MARGIN = 0.1  # room round the box for tilted corners, in sizes


def mix(first: RGB, second: RGB, amount: float) -> RGB:
    """Return the colour that lies ``amount`` (0 to 1) of the way to ``second``."""
    r, g, b = (round(p + (q - p) * amount) for p, q in zip(first, second, strict=True))
    return r, g, b


@lru_cache(maxsize=1024)
def _read(path: str) -> NDArray[np.floating]:
    pairs = [pair.split(",") for pair in path.split()]
    return np.array([(float(x) / 100, float(y) / 100) for x, y in pairs])


def points(path: Points) -> NDArray[np.floating]:
    """Return (P, 2) points; a string like ``"30,56 2,40"`` gives them in percent."""
    return _read(path).copy() if isinstance(path, str) else np.asarray(path, float)


def sides(path: Points, axis: float) -> tuple[NDArray[np.floating], ...]:
    """Return a path and its mirror image about the upright line x = ``axis``."""
    right = points(path)
    return right, right * (-1, 1) + (2 * axis, 0)


class Shades(NamedTuple):
    """One colour in the tones a thing is painted with."""

    main: RGB
    light: RGB
    dark: RGB
    deep: RGB
    ink: RGB = INK  # for lines that must show on the main tone

    @classmethod
    def of(cls, colour: RGB) -> "Shades":
        """Derive the tones from a main colour, darker ones leaning to its own hue."""
        if min(colour) > 200:  # white: its shadows are blue
            return cls(colour, (255, 255, 255), (208, 216, 233), (160, 170, 200))
        if max(colour) < 80:  # black: its lights are grey, its lines pale
            return cls(colour, (92, 94, 106), (30, 30, 37), (16, 16, 22), CREAM)
        r, g, b = colour
        shadow = (r * 3 // 10, g * 3 // 10, b * 35 // 100)
        return cls(
            colour,
            mix(colour, (255, 255, 255), 0.3),
            mix(colour, shadow, 0.28),
            mix(colour, shadow, 0.6),
        )


class Pen:
    """Draws one thing in unit coordinates on a transparent canvas."""

    def __init__(
        self,
        width: float,
        height: float,
        pixels: float,
        mirrored: bool = False,
        tilt: float = 0.0,
    ) -> None:
        """Take an empty canvas.

        Args:
            width: Width of the thing's box, in sizes.
            height: Height of the thing's box, in sizes.
            pixels: How many pixels of the finished picture one size is.
            mirrored: Whether left and right change places.
            tilt: Turn about the middle of the lower edge, in radians.
        """
        self.pixels = pixels
        scale = pixels * OVERSAMPLING
        across = int(np.ceil((width + 2 * _MARGIN) * pixels))
        down = int(np.ceil((height + 2 * _MARGIN) * pixels))
        self._image = Image.new(
            "RGBA", (across * OVERSAMPLING, down * OVERSAMPLING), (0, 0, 0, 0)
        )
        self._draw = ImageDraw.Draw(self._image)
        cos, sin = np.cos(tilt) * scale, np.sin(tilt) * scale
        side = -1.0 if mirrored else 1.0
        self._turn = np.array([[side * cos, side * sin], [-sin, cos]])
        self._pivot = np.array([width / 2, height])
        foot = (across * OVERSAMPLING / 2, (height + _MARGIN) * scale)
        self._foot = np.array(foot)
        # Where the foot lies in the finished picture of the thing, in pixels.
        self.foot = (across / 2, (height + _MARGIN) * pixels)

    def polygon(self, path: Points, fill: RGB) -> None:
        """Fill the area inside straight edges."""
        moved = (points(path) - self._pivot) @ self._turn + self._foot
        self._draw.polygon(moved.ravel().tolist(), fill=(*fill, 255))

    def blob(self, path: Points, fill: RGB) -> None:
        """Fill the area inside a smooth curve through all points."""
        self.polygon(smooth(path), fill)

    def oval(
        self, x: float, y: float, rx: float, ry: float, fill: RGB, turn: float = 0.0
    ) -> None:
        """Fill an ellipse about (x, y), turned by ``turn`` radians."""
        ring = _circle() * (rx, ry)
        if turn:
            cos, sin = np.cos(turn), np.sin(turn)
            ring = ring @ np.array([[cos, sin], [-sin, cos]])
        self.polygon(ring + np.array([x, y]), fill)

    def dot(self, x: float, y: float, radius: float, fill: RGB) -> None:
        """Fill a circle about (x, y)."""
        self.oval(x, y, radius, radius, fill)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, fill: RGB, corner: float = 0.0
    ) -> None:
        """Fill a rectangle with round corners."""
        if not corner:
            self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)
            return
        ring = _circle() * corner
        inner = np.array([x0 + x1, y0 + y1]) / 2
        reach = np.array([x1 - x0, y1 - y0]) / 2 - corner
        self.polygon(ring + inner + np.sign(ring) * reach, fill)

    def line(self, path: Points, width: float, fill: RGB) -> None:
        """Draw a smooth open line with round ends."""
        spine = points(path)
        if len(spine) > 2:
            spine = smooth(spine, closed=False)
        step = np.gradient(spine, axis=0)
        step /= np.linalg.norm(step, axis=1, keepdims=True) + 1e-9
        side = step[:, ::-1] * (-width / 2, width / 2)
        self.polygon(np.concatenate([spine + side, (spine - side)[::-1]]), fill)
        for x, y in (spine[0], spine[-1]):
            self.dot(x, y, width / 2, fill)

    def finish(self) -> Image.Image:
        """Return the drawing at its final size (RGBA), lit from the upper left."""
        small = self._image.reduce(OVERSAMPLING)
        pixels = np.asarray(small)
        alpha = small.getchannel("A")
        soft = np.asarray(alpha.filter(ImageFilter.GaussianBlur(self.pixels * 0.07)))
        shift = max(1, round(self.pixels * 0.07))
        away = np.zeros(soft.shape, np.float32)
        away[:-shift, :-shift] = soft[shift:, shift:]
        light = 0.74 + away * np.float32(0.32 / 255)
        lit = pixels.copy()
        lit[..., :3] = np.minimum(pixels[..., :3] * light[..., None], 255)
        return Image.fromarray(lit)


def smooth(path: Points, closed: bool = True, steps: int = 8) -> NDArray[np.floating]:
    """Return a finer polygon: the Catmull-Rom curve through its points.

    Args:
        path: (P, 2) corners, in order.
        closed: Whether the last point leads back to the first.
        steps: How many points replace each corner.
    """
    p = corners = points(path)
    if closed:
        before, after, later = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    else:
        padded = np.concatenate([p[:1], p, p[-1:]])
        before, after, later = padded[:-3], padded[2:-1], padded[3:]
        p = padded[1:-2]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = (
        p
        + t * (after - before) / 2
        + t**2 * (before - 2.5 * p + 2 * after - later / 2)
        + t**3 * (1.5 * (p - after) + (later - before) / 2)
    )
    fine: NDArray[np.floating] = curve.transpose(1, 0, 2).reshape(-1, 2)
    if not closed:
        fine = np.concatenate([fine, corners[-1:]])
    return fine


@lru_cache(maxsize=1)
def _circle() -> NDArray[np.floating]:
    # The half step keeps points off the axes, so that sign() names a corner for each.
    angles = (np.arange(40) + 0.5) * (2 * np.pi / 40)
    ring: NDArray[np.floating] = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return ring
