"""The things that drawn scenes show: one function for each kind, and its box.

Each painter draws in units of the thing's size, inside the width and height that
``KINDS`` gives it, and lets the colour it is handed cover most of its area.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cs231n.drawing.scenes.faces import bird, cat, dog, mushroom, star, sun
from cs231n.drawing.scenes.pen import (
    CREAM,
    INK,
    RGB,
    Pen,
    Shades,
    mix,
    points,
    sides,
)

WOOD: RGB = (146, 98, 62)
GLASS: RGB = (206, 234, 246)


class Kind(NamedTuple):
    """How a kind of thing is drawn, how much room it takes, and where it belongs."""

    paint: Callable[[Pen, Shades], None]
    width: float
    height: float
    foot: float = 0.5  # half the width that touches the ground, in sizes
    floats: bool = False
    glows: bool = False
    tilt: float = 0.0  # the largest turn that still looks natural, in radians


def _car(pen: Pen, tone: Shades) -> None:
    pen.blob("22,42 36,12 48,5 82,5 95,12 112,42", tone.main)
    pen.polygon("36,36 46,14 64,14 64,36", GLASS)
    pen.polygon("70,36 70,14 87,14 100,36", GLASS)
    pen.polygon("42,36 52,14 58,14 48,36", CREAM)
    pen.box(0.02, 0.34, 1.34, 0.68, tone.main, 0.13)
    pen.box(0.08, 0.36, 1.28, 0.42, tone.light, 0.03)
    pen.box(0.02, 0.58, 1.34, 0.69, tone.dark, 0.05)
    pen.line("67,40 67,58", 0.018, tone.deep)
    pen.line("72,47 80,47", 0.028, tone.deep)
    pen.dot(1.27, 0.48, 0.055, (255, 240, 160))
    pen.box(0.03, 0.44, 0.09, 0.53, (196, 40, 50), 0.02)
    for x in (0.34, 1.02):
        pen.dot(x, 0.66, 0.18, tone.deep)
        pen.dot(x, 0.66, 0.15, INK)
        pen.dot(x, 0.66, 0.075, (226, 228, 236))
        pen.dot(x, 0.66, 0.03, INK)


def _house(pen: Pen, tone: Shades) -> None:
    pen.box(0.72, 0.10, 0.84, 0.40, tone.deep)
    pen.box(0.70, 0.07, 0.86, 0.13, tone.dark, 0.02)
    pen.polygon("12,46 52,12 92,46 92,106 12,106", tone.main)
    pen.polygon("0,53 52,5 104,53 96,58 52,19 8,58", tone.deep)
    pen.dot(0.52, 0.39, 0.075, CREAM)
    pen.dot(0.52, 0.39, 0.052, GLASS)
    for x in (0.19, 0.66):
        pen.box(x, 0.58, x + 0.19, 0.79, CREAM, 0.02)
        pen.box(x + 0.025, 0.605, x + 0.165, 0.765, GLASS)
        pen.box(x + 0.085, 0.60, x + 0.105, 0.77, CREAM)
        pen.box(x + 0.02, 0.675, x + 0.17, 0.695, CREAM)
        pen.box(x - 0.01, 0.79, x + 0.20, 0.82, tone.dark, 0.01)
    pen.box(0.415, 0.68, 0.625, 1.06, CREAM, 0.03)
    pen.box(0.44, 0.705, 0.60, 1.06, WOOD, 0.03)
    pen.dot(0.57, 0.89, 0.016, (255, 220, 120))
    pen.box(0.12, 1.02, 0.41, 1.06, tone.dark)
    pen.box(0.63, 1.02, 0.92, 1.06, tone.dark)


def _tree(pen: Pen, tone: Shades) -> None:
    pen.blob("40,60 52,60 53,95 60,115 32,115 39,95", WOOD)
    pen.line("46,80 58,66", 0.045, WOOD)
    pen.line("44,85 33,70", 0.04, WOOD)
    crown = "22,56 70,56 46,62 21,34 71,34 46,26 46,46"
    for x, y in points(crown):
        pen.dot(x + 0.01, y + 0.02, 0.215, tone.dark)
    for x, y in points(crown):
        pen.dot(x, y - 0.01, 0.195, tone.main)
    for x, y in points("26,62 54,66 76,56 42,50 68,40"):
        arc = [(x - 0.08, y), (x, y + 0.045), (x + 0.08, y)]
        pen.line(arc, 0.028, tone.dark)
    for x, y in points("40,15 19,30 50,32 68,26 31,42"):
        pen.oval(x, y, 0.07, 0.045, tone.light, -0.4)


def _boat(pen: Pen, tone: Shades) -> None:
    pen.line("56,6 56,82", 0.04, WOOD)
    pen.polygon("56,3 76,8 56,14", tone.deep)
    pen.polygon(_sail("60,14 106,70 60,70"), tone.main)
    pen.polygon(_sail("52,20 14,70 52,70"), CREAM)
    pen.line("60,48 87,48", 0.03, tone.light)
    pen.line("60,60 97,60", 0.03, tone.light)
    hull = "2,76 116,74 100,100 86,108 32,108 16,100"
    pen.polygon(hull, tone.main)
    pen.polygon("2,76 116,74 112,81 6,83", tone.dark)
    pen.polygon("15.5,99 101,99 86,108 32,108", tone.deep)
    for x in (0.36, 0.58, 0.80):
        pen.dot(x, 0.90, 0.042, CREAM)
        pen.dot(x, 0.90, 0.026, INK)


def _sail(corners: str) -> list[tuple[float, float]]:
    # The edge from the mast's top to the free corner is full of wind.
    top, free, foot = points(corners)
    belly = (top + free) / 2 + ((free[0] - foot[0]) * 0.12, -0.02)
    edge = [
        (1 - s) ** 2 * top + 2 * s * (1 - s) * belly + s**2 * free
        for s in np.linspace(0, 1, 9)
    ]
    return [(x, y) for x, y in [*edge, foot]]


def _flower(pen: Pen, tone: Shades) -> None:
    leaf: RGB = (74, 150, 70)
    pen.line("42,50 44,80 42,113", 0.055, leaf)
    pen.blob("43,104 22,98 10,82 30,86", leaf)
    pen.blob("43,98 62,92 74,76 55,80", (94, 172, 84))
    for k in range(8):
        angle = k * np.pi / 4
        x, y = 0.42 + 0.235 * np.cos(angle), 0.40 + 0.235 * np.sin(angle)
        pen.oval(x, y, 0.18, 0.125, tone.main if k % 2 else tone.dark, angle)
    for k in range(1, 8, 2):
        angle = k * np.pi / 4
        x, y = 0.42 + 0.24 * np.cos(angle), 0.40 + 0.24 * np.sin(angle)
        pen.oval(x, y, 0.185, 0.125, tone.main, angle)
        pen.oval(x, y, 0.09, 0.03, tone.light, angle)
    yellow = tone.main[0] > 220 and tone.main[1] > 160 and tone.main[2] < 120
    heart: RGB = (140, 84, 44) if yellow else (255, 204, 60)
    pen.dot(0.42, 0.40, 0.115, mix(heart, INK, 0.2))
    pen.dot(0.415, 0.395, 0.10, heart)


def _umbrella(pen: Pen, tone: Shades) -> None:
    pen.line("58,8 58,96 64,105 73,103 76,94", 0.045, WOOD)
    pen.line("58,2 58,10", 0.04, INK)
    edge = [0.02, 0.30, 0.58, 0.86, 1.14]
    fills = (tone.dark, tone.main, tone.main, tone.dark)
    for x0, x1, fill in zip(edge, edge[1:], fills, strict=False):
        pen.polygon(_panel(x0, x1), fill)
    pen.polygon(_panel(0.44, 0.58), tone.light)
    pen.polygon(_panel(0.46, 0.72), tone.main)


def _panel(x0: float, x1: float) -> list[tuple[float, float]]:
    # From the tip down one rib, along the scalloped hem, and up the other rib.
    def rib(x: float, t: float) -> tuple[float, float]:
        return 0.58 + (x - 0.58) * np.sin(t), 0.62 - 0.55 * np.cos(t)

    down = [rib(x0, t) for t in np.linspace(0, np.pi / 2, 12)]
    up = [rib(x1, t) for t in np.linspace(np.pi / 2, 0, 12)]
    hem = [
        (x0 + (x1 - x0) * s, 0.62 - 0.28 * (x1 - x0) * 4 * s * (1 - s))
        for s in np.linspace(0, 1, 9)
    ]
    return [*down, *hem, *up]


def _rocket(pen: Pen, tone: Shades) -> None:
    for fin in sides("57,70 79,98 77,120 55,104", 0.41):
        pen.blob(fin, tone.deep)
    pen.box(0.31, 1.0, 0.51, 1.12, (96, 98, 112), 0.03)
    pen.blob("41,0 58,22 66,56 60,94 53,106 29,106 22,94 16,56 24,22", tone.main)
    pen.blob("41,0 50,9 57.5,21 41,24.5 24.5,21 32,9", tone.dark)
    pen.dot(0.41, 0.46, 0.145, CREAM)
    pen.dot(0.41, 0.46, 0.11, (86, 130, 170))
    pen.oval(0.37, 0.42, 0.04, 0.03, GLASS, -0.6)
    pen.line("18.5,78 41,82 63.5,78", 0.05, tone.light)
    pen.polygon("38.5,86 43.5,86 45,118 37,118", tone.deep)


def _balloon(pen: Pen, tone: Shades) -> None:
    for rope in sides("60,78 55,102", 0.44):
        pen.line(rope, 0.016, WOOD)
    hull = points("44,2 74,12 86,38 74,66 57,86 31,86 14,66 2,38 14,12")
    for width, fill in ((1.0, tone.dark), (0.72, tone.main), (0.30, tone.light)):
        pen.blob((hull - (0.44, 0)) * (width, 1) + (0.44, 0), fill)
    pen.box(0.31, 0.84, 0.57, 0.885, tone.deep, 0.02)
    pen.box(0.32, 1.0, 0.56, 1.2, WOOD, 0.04)
    pen.box(0.30, 0.99, 0.58, 1.035, (190, 138, 88), 0.02)
    pen.line("33,111 55,111", 0.016, (190, 138, 88))


KINDS: dict[str, Kind] = {
    "car": Kind(_car, 1.36, 0.82, 0.62, tilt=0.02),
    "house": Kind(_house, 1.04, 1.06, 0.5),
    "tree": Kind(_tree, 0.92, 1.16, 0.3, tilt=0.04),
    "boat": Kind(_boat, 1.18, 1.08, 0.45, tilt=0.05),
    "cat": Kind(cat, 0.90, 1.06, 0.36, tilt=0.02),
    "dog": Kind(dog, 1.18, 1.0, 0.45),
    "flower": Kind(_flower, 0.84, 1.14, 0.2, tilt=0.09),
    "umbrella": Kind(_umbrella, 1.16, 1.08, 0.2, tilt=0.12),
    "mushroom": Kind(mushroom, 0.98, 0.98, 0.32, tilt=0.06),
    "rocket": Kind(_rocket, 0.82, 1.2, 0.42, tilt=0.05),
    "sun": Kind(sun, 1.06, 1.06, floats=True, glows=True, tilt=0.2),
    "star": Kind(star, 1.04, 1.02, floats=True, glows=True, tilt=0.2),
    "bird": Kind(bird, 1.2, 0.88, floats=True, tilt=0.15),
    "balloon": Kind(_balloon, 0.88, 1.22, floats=True, tilt=0.08),
}
