"""A drawing of the project's own: circles, arcs and lines on cream."""

import numpy as np

from cs231n.drawing.paintings.brush import Canvas, Colour
from cs231n.support.arrays import Array
from cs231n.support.files import table_of
from cs231n.support.picture_files import Picture

CREAM: Colour = (243, 231, 205)
_TABLE = table_of(__file__)
COLOURS: list[Colour] = [tuple(colour) for colour in _TABLE["inks"]]
*INKS, INK = COLOURS
TARGETS = _TABLE["targets"]


def draw_abstract() -> Picture:
    """Draw an abstract composition of circles, arcs, wedges and lines."""
    c = Canvas(704, 1056, CREAM, seed=1923)
    _wash(c)
    _wedges(c)
    _crowd(c)
    for x, y, radius, rings in TARGETS:
        for share, colour in rings:
            c.disc(x, y, share * radius, COLOURS[colour])
        for ring in np.arange(radius, 0.1 * radius, -0.016):
            c.arc(x, y, ring, (0, 360), INK, 0.0035)
    _boards(c)
    _arcs(c)
    _lines(c)
    _small_things(c)
    return c.finish(relief=0.12, grain=2.0)


def _wash(c: Canvas) -> None:
    """Brush patches of colour onto the cream, which stays bare between them."""
    middles = c.rng.uniform((0, 0), (c.aspect, 1), (44, 2))
    reach = c.rng.uniform(0.07, 0.17, 44)
    tints = np.array(INKS, dtype=np.float64)[np.arange(44) % len(INKS)]

    def swing(x: Array, y: Array) -> tuple[Array, Array]:
        a = 2.2 * np.sin(4 * x + 2 * y) + 1.8 * np.cos(5 * y - 3 * x)
        return np.cos(a), np.sin(a)

    def paint(x: Array, y: Array) -> Array:
        away = np.hypot(x[:, None] - middles[:, 0], y[:, None] - middles[:, 1]) / reach
        nearest = away.argmin(axis=1)
        share = np.clip(1.9 - away.min(axis=1) + c.noise(x, 0.25), 0, 1)[:, None]
        cream = np.array(CREAM, dtype=np.float64)
        mixed: Array = cream + (tints[nearest] - cream) * np.round(share * 3) / 3
        return mixed

    c.brush(*c.scatter(7500), swing, paint, 0.09, 0.013, hairs=60)


def _crowd(c: Canvas) -> None:
    """Fill the gaps with circles, each as large as there is room for."""
    taken = [(x, y, radius) for x, y, radius, _ in TARGETS]
    for _ in range(400):
        x, y = c.rng.uniform((0, 0), (c.aspect, 1))
        room = min(np.hypot(x - tx, y - ty) - radius for tx, ty, radius in taken)
        radius = min(room - 0.012, c.rng.choice((0.016, 0.045, 0.07)))
        if radius < 0.014 or len(taken) > 52:
            continue
        taken.append((x, y, radius))
        outer, middle, inner = c.rng.choice(len(INKS), 3, replace=False)
        c.disc(x, y, radius, INK)
        c.disc(x, y, radius - 0.005, INKS[outer])
        if radius > 0.018:
            c.disc(x, y, 0.55 * radius, INK if outer % 2 else INKS[middle])
            c.disc(x, y, 0.30 * radius, INKS[inner])


def _wedges(c: Canvas) -> None:
    """Lay long see-through triangles across the picture."""
    for *corners, colour, alpha in _TABLE["wedges"]:
        c.polygon(corners, (*INKS[colour], alpha))
        c.line([corners[1], corners[0], corners[2]], INK, 0.0025)


def _boards(c: Canvas) -> None:
    """Draw leaning chequerboards."""
    for (x, y), along, down, columns, rows in _TABLE["boards"]:
        for i, j in np.ndindex(rows, columns):
            left = x + j * along[0] + i * down[0]
            top = y + j * along[1] + i * down[1]
            cell = [
                (left, top),
                (left + along[0], top + along[1]),
                (left + along[0] + down[0], top + along[1] + down[1]),
                (left + down[0], top + down[1]),
            ]
            colour = (
                INK if (i + j) % 2 == 0 else INKS[c.rng.choice((0, 1, 2, 2, 3, 4, 7))]
            )
            c.polygon(cell, colour)


def _arcs(c: Canvas) -> None:
    """Draw rainbows of arcs, and rows of half discs."""
    for x, y, radius, turn, colours in _TABLE["bows"]:
        for k, colour in enumerate(colours):
            c.arc(x, y, radius - 0.019 * k, turn, INKS[colour], 0.014)
            c.arc(x, y, radius - 0.019 * k, turn, INK, 0.0025)
    for k in range(6):
        x = 1.06 + 0.062 * k
        c.slice(x, 0.985 - 0.012 * k, 0.031, (180, 360), INKS[(3 * k + 1) % 8])
        c.arc(x, 0.985 - 0.012 * k, 0.031, (180, 360), INK, 0.003)
    for x, y, radius, start in _TABLE["swings"]:
        for k in range(3):
            c.arc(
                x, y, radius + 0.014 * k, (start, start + 130), INK, 0.006 - 0.0015 * k
            )


def _lines(c: Canvas) -> None:
    """Draw straight lines, bundles of them, and lines that swing."""
    for start, end, width in _TABLE["strokes"]:
        c.line([start, end], INK, width)
    for x, y, dx, dy in _TABLE["hatchings"]:
        for k in range(6):
            shift = 0.013 * k
            c.line(
                [(x + shift * 0.5, y + shift), (x + dx + shift * 0.5, y + dy + shift)],
                INK,
                0.0026,
            )
    t = np.linspace(0, 1, 80)
    for x, y, length, height, waves, colour in _TABLE["waves"]:
        wave = y + height * np.sin(2 * np.pi * waves * t) - 0.06 * t
        c.line(
            list(zip((x + length * t).tolist(), wave.tolist(), strict=True)),
            COLOURS[colour],
            0.006,
        )


def _small_things(c: Canvas) -> None:
    """Scatter dots and bars where nothing large lies."""
    for _ in range(150):
        x, y = c.rng.uniform((0.02, 0.02), (c.aspect - 0.02, 0.98))
        if any(np.hypot(x - t[0], y - t[1]) < t[2] + 0.03 for t in TARGETS):
            continue
        colour = INKS[c.rng.integers(len(INKS))]
        if c.rng.random() < 0.6:
            radius = c.rng.uniform(0.006, 0.018)
            c.disc(x, y, radius, INK)
            c.disc(x, y, 0.72 * radius, colour)
        else:
            a, half = np.pi * c.rng.random(), c.rng.uniform(0.012, 0.034)
            dx, dy = half * np.cos(a), half * np.sin(a)
            c.line([(x - dx, y - dy), (x + dx, y + dy)], colour, 0.009)
