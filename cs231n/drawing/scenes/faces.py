"""The things of drawn scenes that look back: animals, and others with a face.

Each painter draws in units of the thing's size, inside the width and height that
``scene_things.KINDS`` gives it, and lets its colour cover most of its area.
"""

import numpy as np
from numpy.typing import NDArray

from cs231n.drawing.scenes.pen import CREAM, INK, RGB, Pen, Shades, mix, points, sides


def eye(pen: Pen, x: float, y: float, radius: float, tone: Shades) -> None:
    """Draw a dark eye with a glint; on a black thing it has a white."""
    if tone.ink != INK:
        pen.oval(x, y, radius * 1.3, radius * 1.45, CREAM)
    pen.oval(x, y, radius, radius * 1.15, INK)
    pen.dot(x - radius * 0.3, y - radius * 0.4, radius * 0.36, (255, 255, 255))


def smile(pen: Pen, x: float, y: float, scale: float, tone: Shades) -> None:
    """Draw a happy face about (x, y), ``scale`` being half its width."""
    cheek = mix(tone.main, (255, 90, 110), 0.45)
    for side in (-scale, scale):
        pen.oval(x + 0.58 * side, y + 0.2 * scale, 0.15 * scale, 0.1 * scale, cheek)
        eye(pen, x + 0.36 * side, y - 0.08 * scale, 0.105 * scale, tone)
    mouth = np.array([(-0.24, 0.22), (0.0, 0.38), (0.24, 0.22)])
    pen.line(mouth * scale + np.array([x, y]), 0.07 * scale, tone.ink)


def cat(pen: Pen, tone: Shades) -> None:
    """Draw a cat that sits and looks at the viewer."""
    pen.line("58,98 74,98 83,88 82,74 77,63 81,51", 0.10, tone.dark)
    pen.blob("26,46 56,46 68,80 66,102 42,106 16,102 14,80", tone.main)
    pen.oval(0.41, 0.76, 0.12, 0.17, tone.light)
    for x in (0.30, 0.52):
        pen.oval(x, 1.0, 0.10, 0.06, tone.light)
    for outer, inner in zip(
        sides("47,18 72,0 73,30", 0.41), sides("55,17 68,7 69,24", 0.41), strict=True
    ):
        pen.polygon(outer, tone.main)
        pen.polygon(inner, (255, 176, 178))
    pen.oval(0.41, 0.34, 0.34, 0.26, tone.main)
    for stripe in ("33,10 33,17", "41,10 41,20", "49,10 49,17"):
        pen.line(stripe, 0.028, tone.deep)
    pen.oval(0.41, 0.44, 0.13, 0.095, CREAM)
    for x in (0.26, 0.56):
        eye(pen, x, 0.32, 0.052, tone)
    for whisker in ("58,43 81,40", "58,46 81,50"):
        for line in sides(whisker, 0.41):
            pen.line(line, 0.013, tone.ink)
    for lip in sides("41,43 44,47.5 48,46.5", 0.41):
        pen.line(lip, 0.016, INK)
    pen.polygon("37.5,39 44.5,39 41,43", (238, 110, 124))


def dog(pen: Pen, tone: Shades) -> None:
    """Draw a dog that stands and looks aside."""
    pen.line("20,52 7,42 6,26", 0.09, tone.main)
    for x in (0.30, 0.66):
        pen.box(x, 0.62, x + 0.13, 0.98, tone.dark, 0.06)
    pen.box(0.12, 0.44, 0.88, 0.80, tone.main, 0.17)
    for x in (0.16, 0.73):
        pen.box(x, 0.62, x + 0.14, 1.0, tone.main, 0.06)
        pen.oval(x + 0.09, 0.97, 0.09, 0.04, tone.light)
    pen.oval(0.42, 0.52, 0.16, 0.09, tone.dark)
    pen.blob("62,46 68,14 84,6 98,18 96,50 80,60", tone.main)
    pen.box(0.80, 0.24, 1.15, 0.46, tone.light, 0.10)
    pen.oval(1.11, 0.27, 0.055, 0.045, INK)
    pen.line("110,38 100,41 93,38", 0.018, tone.ink)
    eye(pen, 0.89, 0.20, 0.042, tone)
    pen.blob("64,12 76,10 79,30 74,46 62,44 58,28", tone.deep)
    pen.line("64,50 78,57 92,53", 0.05, CREAM)
    pen.dot(0.86, 0.61, 0.035, (255, 206, 84))


def bird(pen: Pen, tone: Shades) -> None:
    """Draw a bird in flight."""
    pen.blob("30,56 2,40 0,54 6,60 2,70 30,68", tone.deep)
    pen.blob("62,52 70,28 66,6 56,4 46,26 42,52", tone.deep)
    pen.polygon("104,42 120,50 103,56", (250, 160, 50))
    body = "16,60 42,44 70,40 84,30 100,34 107,48 100,66 78,82 48,82 26,72"
    pen.blob(body, tone.main)
    pen.blob("98,62 78,78 50,79 66,70", CREAM)
    pen.blob("66,58 58,34 34,8 20,6 22,36 38,64 54,70", tone.dark)
    for feather in ("30,16 40,44", "40,24 48,48", "26,28 36,52"):
        pen.line(feather, 0.022, tone.main)
    eye(pen, 0.92, 0.46, 0.042, tone)


def mushroom(pen: Pen, tone: Shades) -> None:
    """Draw a toadstool with spots and a small face."""
    pen.blob("36,50 62,50 64,76 72,95 49,98 26,95 34,76", CREAM)
    pen.oval(0.49, 0.57, 0.34, 0.07, (226, 204, 176))
    cap = "2,52 6,30 24,8 49,2 74,8 92,30 96,52 74,57 49,59 24,57"
    pen.blob(cap, tone.main)
    spot: RGB = CREAM if min(tone.main) < 200 else tone.deep
    for x, y in points("46,18 20,36 75,32 50,42"):
        pen.oval(x, y, 0.075, 0.065, spot)
    for x in (0.42, 0.56):
        pen.oval(x, 0.72, 0.024, 0.03, INK)
    pen.line("46,78 49,80 52,78", 0.014, INK)


def sun(pen: Pen, tone: Shades) -> None:
    """Draw a sun with long and short rays and a face."""
    middle = np.array([0.53, 0.53])
    for k in range(12):
        angle = k * np.pi / 6 + np.array([0.0, 0.22, -0.22])
        reach = np.array([0.53 if k % 2 else 0.45, 0.34, 0.34])
        ray = np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
        pen.polygon(middle + ray, tone.main if k % 2 else tone.dark)
    pen.dot(0.53, 0.53, 0.34, tone.light)
    pen.dot(0.53, 0.53, 0.31, tone.main)
    smile(pen, 0.53, 0.52, 0.31, tone)


def star(pen: Pen, tone: Shades) -> None:
    """Draw a five-pointed star with round tips and a face."""
    angle = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2, 0.25, 0.53)[:, None]
    ring = np.stack([np.sin(angle), -np.cos(angle)], axis=1) * reach
    for scale, fill in ((1.0, tone.dark), (0.86, tone.main)):
        pen.polygon(_rounded(ring * scale) + np.array([0.52, 0.55]), fill)
    smile(pen, 0.52, 0.56, 0.26, tone)


def _rounded(corners: NDArray[np.floating]) -> NDArray[np.floating]:
    # Cuts every corner three times (Chaikin), which leaves it round.
    for keep in (0.88, 0.75, 0.75):
        after = np.roll(corners, -1, axis=0)
        cuts = (
            corners * keep + after * (1 - keep),
            corners * (1 - keep) + after * keep,
        )
        corners = np.stack(cuts, axis=1).reshape(-1, 2)
    return corners
