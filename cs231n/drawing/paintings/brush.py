"""A canvas, and a brush whose strokes follow a flow: style pictures are drawn so.

Letters in shapes: N strokes, H rows, W columns. Places are (x, y) in units of the
picture's height, y downwards. A flow gives a direction for each place, of any length; a
paint gives a colour for each place, (N, 3) in 0..255.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from cs231n.support.arrays import Array
from cs231n.support.picture_files import Picture

Flow: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]
Paint: TypeAlias = Callable[[Array, Array], Array]
Colour: TypeAlias = tuple[int, ...]
Place: TypeAlias = tuple[float, float]

ZOOM = 2  # drawn this much larger, then reduced: that smooths every edge
STEPS = 4  # from a stroke's middle to each of its ends


class Canvas:
    """A picture in the making, and the hand that makes it."""

    def __init__(self, rows: int, columns: int, ground: Colour, seed: int) -> None:
        """Prime a canvas.

        Args:
            rows: Height of the finished picture, in pixels.
            columns: Width of the finished picture, in pixels.
            ground: Colour of the priming.
            seed: Of the hand's small irregularities.
        """
        from PIL import Image, ImageDraw

        self.rng = np.random.default_rng(seed)
        self.rows, self.columns = rows, columns
        self.aspect = columns / rows
        self.scale = rows * ZOOM
        self._image = Image.new("RGB", (columns * ZOOM, rows * ZOOM), ground)
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def scatter(self, count: int) -> tuple[Array, Array]:
        """Draw places all over the canvas, and a little beyond it."""
        x, y = self.rng.random((2, count))
        return x * (self.aspect + 0.1) - 0.05, y * 1.1 - 0.05

    def noise(self, like: Array, size: float) -> Array:
        """Draw a small irregularity for each place."""
        return self.rng.normal(0, size, like.shape)

    def brush(
        self,
        x: Array,
        y: Array,
        flow: Flow | Place,
        paint: Paint | Colour,
        length: float,
        width: float,
        hairs: float = 14,
    ) -> None:
        """Paint strokes, each in one colour with a lighter or darker trace of hairs.

        Args:
            x: (N,) where strokes have their middle.
            y: (N,) likewise.
            flow: The flow that strokes follow, or one direction.
            paint: The paint, or one colour.
            length: Of a stroke.
            width: Of a stroke.
            hairs: How much lighter or darker the trace is; 0 for none.
        """
        paths = self._follow(x, y, flow, length * self.rng.uniform(0.6, 1.3, len(x)))
        widths = width * self.scale * self.rng.uniform(0.7, 1.25, len(x))
        tones = np.asarray(paint(x, y) if callable(paint) else [paint] * len(x), float)
        tones = tones + self.rng.normal(0, 7, (len(x), 1))
        tones = tones + self.rng.normal(0, 5, (len(x), 3))
        traces = tones + hairs * self.rng.choice([-1, 1], size=(len(x), 1))
        tones, traces = (np.clip(t, 0, 255).astype(int) for t in (tones, traces))
        along = paths[:, -1] - paths[:, 0]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        across /= np.maximum(np.hypot(*across.T)[:, None], 1e-9)
        beside = paths + (across * widths[:, None] / 4)[:, None]
        for path, trace, w, tone, hair in zip(
            paths, beside, widths.tolist(), tones.tolist(), traces.tolist(), strict=True
        ):
            colour = tuple(tone)
            self._draw.line(
                path.ravel().tolist(), colour, max(round(w), 1), joint="curve"
            )
            for tip_x, tip_y in (path[0].tolist(), path[-1].tolist()):
                box = tip_x - w / 2, tip_y - w / 2, tip_x + w / 2, tip_y + w / 2
                self._draw.ellipse(box, colour)
            if hairs:
                flat = trace.ravel().tolist()
                self._draw.line(flat, tuple(hair), max(round(w / 4), 1))

    def _follow(self, x: Array, y: Array, flow: Flow | Place, lengths: Array) -> Array:
        """Trace the flow both ways: (N, 2 * STEPS + 1, 2) pixels."""
        paths = np.empty((len(x), 2 * STEPS + 1, 2))
        for sign in (-1, 1):
            px, py = x, y
            for k in range(STEPS + 1):
                paths[:, STEPS + sign * k] = np.stack([px, py], axis=1)
                u, v = flow(px, py) if callable(flow) else flow
                step = sign * lengths / (2 * STEPS) / np.maximum(np.hypot(u, v), 1e-9)
                px, py = px + u * step, py + v * step
        return paths * self.scale

    def polygon(self, corners: Sequence[Place], colour: Colour) -> None:
        """Fill a polygon; a fourth number in the colour lets through what is below."""
        self._draw.polygon(
            [(x * self.scale, y * self.scale) for x, y in corners], colour
        )

    def line(self, places: Sequence[Place], colour: Colour, width: float) -> None:
        """Draw an even line through places."""
        pixels = [(x * self.scale, y * self.scale) for x, y in places]
        self._draw.line(pixels, colour, max(round(width * self.scale), 1), "curve")

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        self._draw.ellipse(self._box(x, y, radius), colour)

    def arc(
        self,
        x: float,
        y: float,
        radius: float,
        turn: tuple[float, float],
        colour: Colour,
        width: float,
    ) -> None:
        """Draw part of a ring, from one angle to another, in degrees clockwise."""
        box = self._box(x, y, radius)
        self._draw.arc(box, *turn, colour, max(round(width * self.scale), 1))

    def slice(
        self, x: float, y: float, radius: float, turn: Place, colour: Colour
    ) -> None:
        """Fill part of a disc, from one angle to another, in degrees clockwise."""
        self._draw.pieslice(self._box(x, y, radius), *turn, colour)

    def _box(self, x: float, y: float, radius: float) -> tuple[float, ...]:
        ends = x - radius, y - radius, x + radius, y + radius
        return tuple(end * self.scale for end in ends)

    def finish(self, relief: float = 0.0, grain: float = 0.0) -> Picture:
        """Return the picture, as light from the upper left shows it.

        Args:
            relief: How thick the paint lies.
            grain: How much of the canvas's own texture is seen.

        Returns:
            (H, W, 3) pixels.
        """
        from PIL import Image

        size = (self.columns, self.rows)
        pixels: Array = np.asarray(
            self._image.resize(size, Image.Resampling.BOX)
        ).astype(np.float64)
        height = pixels.mean(axis=2)
        slope = height - np.roll(height, (1, 1), (0, 1))
        shade = relief * np.clip(slope, -30, 30)
        i, j = np.ogrid[: self.rows, : self.columns]
        shade += grain * np.sin(2.1 * i) * np.sin(2.1 * j)
        shade += self.noise(height, grain) if grain else 0
        lit: Picture = np.clip(np.rint(pixels + shade[..., None]), 0, 255).astype(
            np.uint8
        )
        return lit


def blend(scale: Sequence[tuple[float, Colour]], t: Any) -> Array:
    """Read a scale of colours.

    Args:
        scale: Positions, rising, each with its colour.
        t: (N,) where to read.

    Returns:
        (N, 3) colours.
    """
    at, colours = zip(*scale, strict=True)
    table = np.array(colours, dtype=np.float64)
    return np.stack([np.interp(t, at, channel) for channel in table.T], axis=-1)
