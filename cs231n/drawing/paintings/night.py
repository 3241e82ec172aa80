"""A drawing of the project's own: a turning night sky over a sleeping village."""

import numpy as np

from cs231n.drawing.paintings.brush import Canvas, blend
from cs231n.support.arrays import Array
from cs231n.support.files import table_of
from cs231n.support.picture_files import Picture

_TABLE = table_of(__file__)
STARS, MOON, EDDIES = _TABLE["stars"], _TABLE["moon"], _TABLE["eddies"]


def draw_night() -> Picture:
    """Draw a night sky in blue and gold, turning over a village."""
    c = Canvas(800, 1008, (22, 44, 110), seed=1889)
    _paint_sky(c)
    for light in (*STARS, MOON):
        _paint_light(c, *light[:3])
    _paint_crescent(c)
    _paint_hills(c)
    _paint_village(c)
    _paint_cypress(c)
    return c.finish(relief=0.35)


def _wind(x: Array, y: Array) -> tuple[Array, Array]:
    """Blow from left to right in waves, and around every light and eddy."""
    u = np.ones_like(x)
    v = 0.55 * np.sin(5.2 * x + 3 * y) + 0.25 * np.cos(11 * x - 4 * y)
    for cx, cy, reach, sense in EDDIES:
        dx, dy = x - cx, y - cy
        pull = 9 * sense / reach * np.exp(-(np.hypot(dx, dy) ** 2) / reach**2)
        u += pull * (-dy - 0.18 * sense * dx)
        v += pull * (dx - 0.18 * sense * dy)
    for cx, cy, reach, sense in (*STARS, MOON):
        dx, dy = x - cx, y - cy
        r = np.hypot(dx, dy) + 1e-6
        pull = 14 * sense / r * np.exp(-((r / reach) ** 4))
        u -= pull * dy
        v += pull * dx
    return u, v


def _paint_sky(c: Canvas) -> None:
    def paint(x: Array, y: Array) -> Array:
        waves = np.sin(34 * y + 7 * np.sin(4 * x + 1.5 * y) + 3 * x)
        t = 0.22 + 0.28 * y + 0.16 * waves + c.noise(x, 0.10)
        for cx, cy, reach, _ in EDDIES:
            dx, dy = x - cx, y - cy
            r = np.hypot(dx, dy) / reach
            arms = np.sin(2 * np.arctan2(dy, dx) - 7.5 * r)
            t += np.exp(-0.9 * r**2) * (0.28 + 0.38 * arms)
        for cx, cy, reach, _ in (*STARS, MOON):
            # Around a light the air is pale, in rings that fade.
            r = np.hypot(x - cx, y - cy) / reach
            t += np.exp(-1.1 * r**2) * (0.9 + 0.25 * np.cos(9 * r))
        colours = blend(_TABLE["night"], t)
        # A few strokes of another colour keep the blue alive.
        warm = ((c.rng.random(x.shape) < 0.035) & (t < 0.55))[:, None]
        return np.where(warm, 0.45 * colours + [110, 104, 50], colours)

    for count, length, width in ((2600, 0.11, 0.020), (9000, 0.075, 0.0105)):
        c.brush(*c.scatter(count), _wind, paint, length, width)


def _paint_light(c: Canvas, cx: float, cy: float, reach: float) -> None:
    """Paint a star from its outer ring inwards."""

    def paint(x: Array, y: Array) -> Array:
        r = np.hypot(x - cx, y - cy) / reach
        return blend(_TABLE["glow"], r + 0.07 * np.sin(21 * r) + c.noise(x, 0.06))

    c.disc(cx, cy, 0.2 * reach, (255, 246, 206))
    count = int(52000 * reach**2) + 60
    # Fewer strokes outside, so that the sky closes in on the light.
    r = np.sort(reach * np.minimum(c.rng.random(count) ** 0.5, 1.1))[::-1]
    kept = c.rng.random(count) < 1.6 - 1.3 * r / reach
    r, a = r[kept], 2 * np.pi * c.rng.random(int(kept.sum()))
    c.brush(cx + r * np.cos(a), cy + r * np.sin(a), _wind, paint, 0.034, 0.0085)
    r, a = 0.15 * reach * c.rng.uniform(0.3, 1, 16), 2 * np.pi * c.rng.random(16)
    x, y = cx + r * np.cos(a), cy + r * np.sin(a)
    c.brush(x, y, _wind, (255, 250, 218), 0.3 * reach, 0.011, hairs=5)


def _paint_crescent(c: Canvas) -> None:
    """Lay a crescent of thick orange over the moon's right half."""
    cx, cy, reach, _ = MOON
    a = np.clip(c.rng.normal(0.2, 0.75, 420), -1.5, 1.9)
    belly = np.cos((a - 0.2) * 0.9)
    r = reach * (0.40 + 0.13 * belly * c.rng.uniform(-1, 1, a.shape))

    def around(x: Array, y: Array) -> tuple[Array, Array]:
        return cy - y, x - cx

    def paint(x: Array, y: Array) -> Array:
        depth = (np.hypot(x - cx, y - cy) / reach - 0.27) / 0.26
        return blend(_TABLE["crescent"], depth + c.noise(x, 0.15))

    c.brush(cx + r * np.cos(a), cy + r * np.sin(a), around, paint, 0.045, 0.010)


def _skyline(x: Array) -> Array:
    return 0.74 - 0.10 * np.exp(-(((x - 1.2) / 0.35) ** 2)) + 0.03 * np.sin(5 * x + 0.6)


def _paint_hills(c: Canvas) -> None:
    def along(x: Array, y: Array) -> tuple[Array, Array]:
        slope = (_skyline(x + 0.01) - _skyline(x - 0.01)) / 0.02
        return np.ones_like(x), 0.9 * slope + np.sin(9 * x + 14 * y) * (y - 0.62) / 2

    def paint(x: Array, y: Array) -> Array:
        depth = (y - _skyline(x)) / 0.34
        return blend(
            _TABLE["hills"], depth + 0.1 * np.sin(46 * y + 8 * x) + c.noise(x, 0.06)
        )

    edge = np.linspace(-0.1, c.aspect + 0.1, 200)
    outline = list(zip(edge.tolist(), _skyline(edge).tolist(), strict=True))
    c.polygon([*outline, (c.aspect + 0.1, 1.1), (-0.1, 1.1)], (30, 60, 110))
    x, y = c.scatter(9000)
    inside = y > _skyline(x) + 0.006
    x, y = x[inside], y[inside]
    order = np.argsort(y)
    c.brush(x[order], y[order], along, paint, 0.06, 0.011)


def _paint_village(c: Canvas) -> None:
    rng = c.rng
    walls = ((58, 84, 122), (44, 68, 104), (86, 106, 124), (70, 92, 112))
    roofs = ((28, 40, 74), (100, 68, 58), (38, 54, 84), (72, 54, 66))
    rows = [(x, 0.86 + 0.05 * rng.random()) for x in np.arange(0.36, 1.22, 0.068)]
    rows += [(x, 0.93 + 0.03 * rng.random()) for x in np.arange(0.32, 1.2, 0.083)]
    _paint_house(c, 0.735, 0.885, 0.042, 0.085, walls[1], roofs[0], roof_height=0.17)
    for x, y in sorted(rows, key=lambda place: place[1]):
        w, h = rng.uniform(0.042, 0.062), rng.uniform(0.03, 0.045)
        wall, roof = walls[rng.integers(4)], roofs[rng.integers(4)]
        _paint_house(c, x, y, w, h, wall, roof, roof_height=0.03)
    # Round bushes between the houses, the nearest last.
    bushes = rng.uniform((0.28, 0.89), (1.30, 1.02), (150, 2))
    for cx, cy in bushes[np.argsort(bushes[:, 1])]:
        r, a = 0.014 * rng.random(7) ** 0.5, 2 * np.pi * rng.random(7)

        def around(
            x: Array, y: Array, cx: float = cx, cy: float = cy
        ) -> tuple[Array, Array]:
            return cy - y, x - cx + 1e-4

        tone = (22 + 44 * rng.random(), 54 + 50 * rng.random(), 64 + 26 * rng.random())
        colour = tuple(int(t) for t in tone)
        c.brush(cx + r * np.cos(a), cy + r * np.sin(a), around, colour, 0.02, 0.008)


def _paint_house(
    c: Canvas,
    x: float,
    y: float,
    width: float,
    height: float,
    wall: tuple[int, int, int],
    roof: tuple[int, int, int],
    roof_height: float,
) -> None:
    top, gable = y - height, y - height - roof_height
    middle, eaves = x + width / 2, 0.12 * width
    c.polygon([(x, y), (x + width, y), (x + width, top), (x, top)], wall)
    wx, wy = c.rng.uniform((x, top), (x + width, y), (9, 2)).T
    c.brush(wx, wy, (0.1, 1), wall, 0.8 * height / 2, 0.006)
    right, left = (x + width + eaves, top), (x - eaves, top)
    c.polygon([left, (middle, gable), right], roof)
    for foot in (left, right):
        t = c.rng.random(4)
        side = foot[0] - middle
        direction = (side, roof_height)
        sx, sy = middle + t * side, gable + t * roof_height
        c.brush(sx, sy, direction, roof, 0.3 * roof_height, 0.006)
    for k in range(c.rng.integers(1, 3)):
        wx, wy = x + 0.2 * width + 0.4 * k * width, top + 0.3 * height
        glow = (255, 200 + int(c.rng.integers(40)), 84)
        c.brush(
            np.full(3, wx + 0.004), np.full(3, wy + 0.006), (0, 1), glow, 0.01, 0.009
        )


def _paint_cypress(c: Canvas) -> None:
    def shape(y: Array) -> tuple[Array, Array]:
        """Return the middle and half the width of the tree at each height."""
        t = np.clip((y - 0.16) / 0.84, 0, 1)
        half = 0.092 * t**0.8 * (1 + 0.22 * np.sin(17 * y)) + 0.004
        return 0.155 + 0.018 * np.sin(9 * y) + 0.02 * t, half

    def flame(x: Array, y: Array) -> tuple[Array, Array]:
        middle, half = shape(y)
        side = (x - middle) / half
        return 0.42 * np.sin(24 * y + 4 * side) - 0.25 * side, -np.ones_like(x)

    def paint(x: Array, y: Array) -> Array:
        middle, half = shape(y)
        folds = np.sin(5 * (x - middle) / half + 16 * y)
        return blend(_TABLE["leaves"], 0.38 + 0.3 * folds + c.noise(x, 0.16))

    y = 0.14 + 0.92 * c.rng.random(2600) ** 0.75
    middle, half = shape(y)
    side = c.rng.uniform(-1, 1, y.shape)
    order = np.argsort(-np.abs(side))  # the middle comes last, on top
    x = (middle + half * side)[order]
    c.brush(x, y[order], flame, paint, 0.075, 0.0085, hairs=24)
