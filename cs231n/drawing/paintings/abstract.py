"""A drawing of the project's own: circles, arcs and lines on cream."""

import numpy as np

from cs231n.drawing.paintings.brush import Array, Canvas, Colour
from cs231n.support.picture_files import Picture

CREAM: Colour = (243, 231, 205)
INK: Colour = (28, 24, 30)
INKS: tuple[Colour, ...] = (
    (196, 44, 38),  # vermilion
    (228, 120, 34),  # orange
    (240, 188, 60),  # yellow
    (34, 92, 150),  # blue
    (92, 166, 188),  # sky
    (60, 124, 88),  # green
    (120, 66, 132),  # violet
    (226, 138, 150),  # rose
)
# Middle (x, y), radius, and rings from the outside in: share of the radius, colour.
TARGETS = (
    (
        0.30,
        0.30,
        0.205,
        ((1.0, 7), (0.88, 0), (0.70, 8), (0.60, 6), (0.34, 3), (0.14, 2)),
    ),
    (1.16, 0.27, 0.120, ((1.0, 4), (0.84, 3), (0.56, 2), (0.30, 0))),
    (0.93, 0.70, 0.150, ((1.0, 2), (0.86, 1), (0.64, 0), (0.42, 8), (0.26, 4))),
    (0.44, 0.78, 0.100, ((1.0, 5), (0.78, 2), (0.50, 3), (0.22, 8))),
    (1.36, 0.66, 0.085, ((1.0, 8), (0.88, 7), (0.60, 6), (0.30, 2))),
    (0.72, 0.20, 0.075, ((1.0, 1), (0.76, 2), (0.46, 5))),
    (0.13, 0.70, 0.070, ((1.0, 3), (0.70, 4), (0.40, 0))),
    (0.67, 0.50, 0.060, ((1.0, 8), (0.84, 2), (0.50, 0))),
    (1.40, 0.10, 0.055, ((1.0, 0), (0.62, 7), (0.30, 8))),
    (1.22, 0.90, 0.060, ((1.0, 6), (0.66, 1), (0.34, 8))),
    (0.10, 0.08, 0.045, ((1.0, 5), (0.56, 2))),
    (0.68, 0.92, 0.040, ((1.0, 0), (0.5, 4))),
)


def draw_abstract() -> Picture:
    """Draw an abstract composition of circles, arcs, wedges and lines."""
    c = Canvas(704, 1056, CREAM, seed=1923)
    _wash(c)
    _wedges(c)
    _crowd(c)
    for x, y, radius, rings in TARGETS:
        for share, colour in rings:
            c.disc(x, y, share * radius, (*INKS, INK)[colour])
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
    wedges = (
        ((0.30, 0.30), (1.52, 0.02), (1.48, 0.20), 3, 120),
        ((0.02, 1.02), (0.52, 0.02), (0.66, 0.06), 2, 150),
        ((1.50, 1.00), (0.62, 0.40), (0.74, 0.30), 6, 110),
        ((0.20, 0.98), (1.05, 0.52), (1.10, 0.66), 0, 130),
        ((0.84, 0.98), (1.10, 0.06), (1.24, 0.10), 5, 110),
        ((0.00, 0.42), (0.56, 0.52), (0.50, 0.66), 4, 150),
        ((1.50, 0.42), (0.96, 0.36), (1.02, 0.50), 1, 150),
    )
    for *corners, colour, alpha in wedges:
        c.polygon(corners, (*INKS[colour], alpha))
        c.line([corners[1], corners[0], corners[2]], INK, 0.0025)


def _boards(c: Canvas) -> None:
    """Draw leaning chequerboards."""
    boards = (
        ((0.80, 0.30), (0.034, 0.010), (-0.012, 0.036), 6, 5),
        ((1.10, 0.47), (0.028, -0.010), (0.012, 0.030), 5, 5),
        ((0.20, 0.56), (0.030, 0.012), (-0.006, 0.026), 5, 4),
    )
    for (x, y), along, down, columns, rows in boards:
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
    bows = (
        (0.52, 0.46, 0.16, (200, 330), (0, 1, 2, 4, 3)),
        (1.26, 0.56, 0.13, (110, 260), (6, 7, 2, 5)),
        (0.24, 0.90, 0.15, (180, 300), (3, 4, 2, 1)),
        (0.94, 0.16, 0.11, (20, 170), (5, 2, 0)),
    )
    for x, y, radius, turn, colours in bows:
        for k, colour in enumerate(colours):
            c.arc(x, y, radius - 0.019 * k, turn, INKS[colour], 0.014)
            c.arc(x, y, radius - 0.019 * k, turn, INK, 0.0025)
    for k in range(6):
        x = 1.06 + 0.062 * k
        c.slice(x, 0.985 - 0.012 * k, 0.031, (180, 360), INKS[(3 * k + 1) % 8])
        c.arc(x, 0.985 - 0.012 * k, 0.031, (180, 360), INK, 0.003)
    for x, y, radius, start in (
        (0.56, 0.68, 0.11, 250),
        (0.83, 0.52, 0.09, 30),
        (0.06, 0.30, 0.10, 300),
        (1.42, 0.40, 0.12, 120),
    ):
        for k in range(3):
            c.arc(
                x, y, radius + 0.014 * k, (start, start + 130), INK, 0.006 - 0.0015 * k
            )


def _lines(c: Canvas) -> None:
    """Draw straight lines, bundles of them, and lines that swing."""
    for start, end, width in (
        ((0.02, 0.94), (1.30, 0.04), 0.007),
        ((0.10, 0.16), (1.46, 0.86), 0.005),
        ((0.62, 0.00), (0.36, 1.00), 0.004),
        ((0.74, 0.98), (1.48, 0.30), 0.004),
        ((0.00, 0.50), (0.90, 0.06), 0.003),
        ((0.54, 0.98), (1.02, 0.02), 0.006),
        ((1.18, 0.02), (1.34, 0.98), 0.003),
    ):
        c.line([start, end], INK, width)
    for x, y, dx, dy in (
        (0.06, 0.80, 0.22, -0.13),
        (0.98, 0.30, 0.20, 0.12),
        (0.46, 0.08, 0.16, 0.10),
    ):
        for k in range(6):
            shift = 0.013 * k
            c.line(
                [(x + shift * 0.5, y + shift), (x + dx + shift * 0.5, y + dy + shift)],
                INK,
                0.0026,
            )
    t = np.linspace(0, 1, 80)
    for x, y, length, height, waves, colour in (
        (0.50, 0.60, 0.34, 0.020, 4, INK),
        (1.02, 0.88, 0.36, 0.016, 5, INKS[0]),
        (0.04, 0.20, 0.22, 0.014, 3, INKS[3]),
        (0.78, 0.06, 0.28, 0.012, 5, INK),
    ):
        wave = y + height * np.sin(2 * np.pi * waves * t) - 0.06 * t
        c.line(
            list(zip((x + length * t).tolist(), wave.tolist(), strict=True)),
            colour,
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
