"""A drawing of the project's own: an evening on the pier, under a sky like fire."""

import numpy as np

from cs231n.drawing.paintings.brush import Canvas, Colour, blend
from cs231n.support.arrays import Array
from cs231n.support.files import table_of
from cs231n.support.picture_files import Picture

HORIZON = 0.40
EDDY = (0.68, 0.62)
# Where the planks come together, and the slopes of the pier's edge and of its rail.
FAR = (-0.16, 0.43)
EDGE, RAIL = 0.50, 0.385

_SCALES = table_of(__file__)
RED: Colour = (92, 34, 36)


def draw_evening() -> Picture:
    """Draw waves of orange over dark water, and walkers on a pier."""
    c = Canvas(920, 728, (196, 92, 40), seed=1893)
    _paint_sky(c)
    _paint_water(c)
    _paint_shore(c)
    _paint_pier(c)
    _paint_walker(c, 0.075, 0.625, 0.125)
    _paint_walker(c, 0.030, 0.610, 0.120)
    _paint_walker(c, 0.400, 1.030, 0.440)
    return c.finish(relief=0.1)


def _paint_sky(c: Canvas) -> None:
    def swell(x: Array, y: Array) -> tuple[Array, Array]:
        steep = 0.9 * np.cos(7 * x + 2.5 * np.sin(9 * y)) * (0.9 - 1.2 * y)
        return np.ones_like(x), steep + 0.35 * np.sin(19 * x + 8 * y)

    def paint(x: Array, y: Array) -> Array:
        crest = y + 0.034 * np.sin(7 * x + 2.5 * np.sin(9 * y)) + 0.012 * np.sin(17 * x)
        band = 0.5 + 0.5 * np.sin(72 * crest + 2.2 * np.sin(23 * crest))
        t = 0.92 * band * (0.82 + 0.3 * y) + c.noise(x, 0.06)
        return blend(_SCALES["fire"], t + 0.26 * (np.sin(31 * crest + 1.2) > 0.93))

    for count, length, width in ((2500, 0.16, 0.018), (6500, 0.12, 0.010)):
        x, y = c.scatter(count)
        above = y < HORIZON + 0.03
        c.brush(x[above], y[above], swell, paint, length, width, hairs=9)


def _paint_water(c: Canvas) -> None:
    def eddy(x: Array, y: Array) -> tuple[Array, Array]:
        dx, dy = x - EDDY[0], 1.5 * (y - EDDY[1])
        r = np.hypot(dx, dy) + 0.05
        return 0.45 - dy / r, 0.8 * dx / r + 0.2 * np.sin(13 * x)

    def paint(x: Array, y: Array) -> Array:
        r = np.hypot(x - EDDY[0], 1.5 * (y - EDDY[1]))
        t = 0.42 + 0.34 * np.sin(40 * r + 3 * x) - 0.25 * (y - 0.5)
        glitter = 0.35 * np.exp(-(((y - HORIZON) / 0.05) ** 2))
        return blend(_SCALES["deep"], t + glitter + c.noise(x, 0.08))

    for count, length, width in ((2500, 0.13, 0.018), (8000, 0.09, 0.010)):
        x, y = c.scatter(count)
        below = y > HORIZON
        c.brush(x[below], y[below], eddy, paint, length, width, hairs=9)


def _paint_shore(c: Canvas) -> None:
    def along(x: Array, _: Array) -> tuple[Array, Array]:
        return np.ones_like(x), -0.22 * np.cos(4.2 * (x - 0.25))

    def paint(x: Array, y: Array) -> Array:
        return blend(_SCALES["shore"], 9 * (y - HORIZON + 0.06) + c.noise(x, 0.2))

    x = c.rng.uniform(0.25, c.aspect + 0.05, 900)
    ridge = HORIZON - 0.012 - 0.055 * np.sin(np.clip(4.2 * (x - 0.25), 0, np.pi))
    c.brush(x, c.rng.uniform(ridge, HORIZON + 0.025), along, paint, 0.09, 0.010)


def _paint_pier(c: Canvas) -> None:
    def away(x: Array, y: Array) -> tuple[Array, Array]:
        return x - FAR[0], y - FAR[1]

    def paint(x: Array, y: Array) -> Array:
        plank = np.sin(26 * np.arctan2(y - FAR[1], x - FAR[0]))
        return blend(_SCALES["wood"], 0.45 + 0.32 * plank + c.noise(x, 0.1))

    x, y = c.rng.uniform((-0.05, 0.42), (c.aspect + 0.05, 1.05), (9000, 2)).T
    inside = (y - FAR[1]) / (x - FAR[0]) > EDGE
    c.brush(x[inside], y[inside], away, paint, 0.20, 0.010)
    for slope in (EDGE, RAIL):
        for x0 in np.linspace(0, c.aspect, 60):
            x = np.array([x0])
            y = FAR[1] + slope * (x - FAR[0]) + c.noise(x, 0.003)
            lit = tuple(int(tone * c.rng.uniform(0.7, 1.6)) for tone in RED)
            c.brush(x, y, away, lit, 0.2, 0.006 + 0.012 * x0)
    for x0 in (0.02, 0.10, 0.20, 0.33, 0.50, 0.72):
        x = np.full(12, x0)
        y = FAR[1] + np.linspace(EDGE, RAIL - 0.01, 12) * (x - FAR[0])
        c.brush(x, y, (0, 1), (78, 28, 36), 0.05, 0.008 + 0.02 * x0)


def _paint_walker(c: Canvas, x: float, foot: float, size: float) -> None:
    """Paint somebody in a long coat and a hat, seen from behind."""
    collar, neck = foot - 0.80 * size, foot - 0.86 * size
    t = np.linspace(0, 1, 30)  # 0 at the collar, 1 at the hem
    half = size * np.interp(
        t, (0, 0.04, 0.10, 0.30, 0.55, 1), (0.04, 0.09, 0.135, 0.145, 0.115, 0.19)
    )

    def fall(px: Array, py: Array) -> tuple[Array, Array]:
        drop = (py - collar) / size
        return 0.6 * (px - x) / size + 0.10 * np.sin(8 * drop), np.ones_like(py)

    def paint(px: Array, py: Array) -> Array:
        side = (px - x) / (0.15 * size)
        folds = 0.3 * np.sin(6 * side + 2 * (py - collar) / size)
        return blend(_SCALES["coat"], 0.36 + 0.3 * side + folds + c.noise(px, 0.06))

    y = collar + t * (foot - collar)
    left, right = zip(x - half, y, strict=True), zip(x + half, y, strict=True)
    c.polygon([*left, *reversed([*right])], tuple(_SCALES["coat"][0][1]))
    t = c.rng.uniform(0.09, 1, int(120 + 700 * size))
    width = 0.88 * np.interp(t, np.linspace(0, 1, 30), half)
    px = x + width * c.rng.uniform(-1, 1, t.shape)
    c.brush(
        px, collar + 0.97 * t * (foot - collar), fall, paint, 0.16 * size, 0.017 * size
    )

    head = 0.06 * size
    c.disc(x, neck, head, (196, 138, 98))
    a, r = 2 * np.pi * c.rng.random(40), 0.8 * head * c.rng.random(40) ** 0.5
    hair = x + r * np.cos(a), neck - 0.15 * head + r * np.sin(a)
    c.brush(*hair, (0.15, 1), (70, 40, 34), 0.7 * head, 0.28 * head)

    brim = neck - 0.55 * head
    hat = ((-0.95, 0.1), (0.95, 0), (0.82, -1.35), (0.0, -1.2), (-0.78, -1.45))
    c.polygon([(x + head * dx, brim + head * dy) for dx, dy in hat], (30, 26, 48))
    rim = np.linspace(-1.25, 1.25, 9)
    c.brush(
        x + head * rim,
        brim + 0.1 * head * rim**2,
        (1, 0.1),
        (20, 18, 36),
        head,
        0.3 * head,
    )
    px, py = c.rng.uniform((-0.6, -1.05), (0.6, -0.25), (24, 2)).T
    c.brush(
        x + head * px, brim + head * py, (0.1, 1), (44, 38, 66), 0.5 * head, 0.2 * head
    )
    band = np.linspace(-0.7, 0.7, 5)
    c.brush(
        x + head * band,
        np.full(5, brim - 0.22 * head),
        (1, 0),
        (150, 48, 40),
        0.4 * head,
        0.18 * head,
    )
