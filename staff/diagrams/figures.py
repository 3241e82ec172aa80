"""Little pictures that stand in diagrams: a scene, noise, digits, features, scores."""

import random
from collections.abc import Sequence

from staff.diagrams.pen import Pen, Point

_SCENE = (
    "sssssssssssyys",
    "ssssssrsssssyy",
    "ssssssrrssssss",
    "ssssssrrrsssss",
    "ssssssrrrrssss",
    "ssssssmsssssss",
    "sswwwwwwwwwsss",
    "bbbwwwwwwwbbbb",
    "bbbbbbbbbbbbbb",
    "bbcbbbbbbcbbbb",
)
_PAINTS = {
    "s": "#a9d3ee",
    "y": "#f4c542",
    "r": "#d0402b",
    "m": "#6b4a2b",
    "w": "#8a5a34",
    "b": "#2f6f9f",
    "c": "#5b93bd",
}
_STROKES = {  # of digits, in a square of 28
    "3": "M8 7 Q14 3 19 7 Q21 12 13 13 Q22 14 20 20 Q15 26 7 21",
    "5": "M20 5 L10 5 L9 13 Q17 10 20 16 Q20 24 8 22",
    "7": "M7 6 L21 6 Q14 14 12 24",
}


def scene(pen: Pen, corner: Point, width: float) -> float:
    """Draw a red boat on the sea, in coarse pixels, and return its height.

    Args:
        pen: What draws.
        corner: Top left.
        width: Of the picture.
    """
    colours = [[_PAINTS[letter] for letter in row] for row in _SCENE]
    return _pixels(pen, corner, width, colours)


def pixel_gradient(pen: Pen, corner: Point, width: float) -> float:
    """Draw a map in the scene's shape, of a number of either sign for each pixel.

    Args:
        pen: What draws.
        corner: Top left.
        width: Of the picture.
    """
    random_ = random.Random(231)
    colours = []
    for y, row in enumerate(_SCENE):
        line = []
        for x, letter in enumerate(row):
            near = [
                _SCENE[b][a]
                for a, b in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1))
                if 0 <= b < len(_SCENE) and 0 <= a < len(row)
            ]
            strong = letter in "rwm" or any(other in "rwm" for other in near)
            size = random_.uniform(0.35, 1) if strong else random_.uniform(0, 0.22)
            line.append(_signed(size * random_.choice([-1, 1])))
        colours.append(line)
    return _pixels(pen, corner, width, colours)


def strokes(pen: Pen, corner: Point, width: float, colourful: bool = True) -> float:
    """Draw a painting of swirls, as a source of style, in the scene's shape.

    Args:
        pen: What draws.
        corner: Top left.
        width: Of the picture.
        colourful: Whether it is a whole painting; else a scene is painted that way.
    """
    x, y = corner
    high = width * len(_SCENE) / len(_SCENE[0])
    if colourful:
        pen.mark(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{high:g}" '
            'fill="#20386b"/>'
        )
        lines, colours = range(26), ["#f0b429", "#7fb2e5", "#c9dcf2", "#3f68b0"]
    else:
        scene(pen, corner, width)
        lines, colours = range(14), ["#f0b429", "#d9e7f5", "#20386b", "#d0402b"]
    random_ = random.Random(4)
    for number in lines:
        a, b = random_.uniform(0.05, 0.66), random_.uniform(0.1, 0.9)
        bend = random_.uniform(-0.2, 0.2)
        long = random_.uniform(0.2, 0.34)
        points = (a, b, a + long / 2, min(0.92, max(0.08, b + bend)), a + long, b)
        px = [
            f"{x + width * v:.1f}" if k % 2 == 0 else f"{y + high * v:.1f}"
            for k, v in enumerate(points)
        ]
        pen.mark(
            f'<path d="M{px[0]} {px[1]} Q{px[2]} {px[3]} {px[4]} {px[5]}" fill="none" '
            f'stroke="{colours[number % 4]}" stroke-width="3.4" '
            'stroke-linecap="round" stroke-opacity=".85"/>'
        )
    _frame(pen, corner, (width, high))
    return high


def noise(pen: Pen, corner: Point, columns: int, rows: int, side: float) -> None:
    """Draw squares of random gray.

    Args:
        pen: What draws.
        corner: Top left.
        columns: Squares in a row.
        rows: How many rows.
        side: Of a square.
    """
    random_ = random.Random(1)
    colours = [[_gray(random_.random()) for _ in range(columns)] for _ in range(rows)]
    _pixels(pen, corner, columns * side, colours)


def digit(pen: Pen, corner: Point, which: str, side: float, fake: bool) -> None:
    """Draw a handwritten digit, white on black.

    Args:
        pen: What draws.
        corner: Top left.
        which: The digit.
        side: Of the picture.
        fake: Whether it has the specks that a generator leaves.
    """
    x, y = corner
    pen.mark(
        f'<g transform="translate({x:g} {y:g}) scale({side / 28:g})">'
        '<rect class="line" width="28" height="28" fill="#111"/>'
        f'<path d="{_STROKES[which]}" fill="none" stroke="#fff" stroke-width="2.6" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    )
    if fake:
        random_ = random.Random(int(which))
        spots = [(random_.randrange(26), random_.randrange(26)) for _ in range(16)]
        path = "".join(f"M{a} {b}h2v2h-2z" for a, b in spots)
        pen.mark(f'<path d="{path}" fill="#fff" fill-opacity=".55"/>')
    pen.mark("</g>")


def scores(
    pen: Pen,
    corner: Point,
    size: Point,
    heights: Sequence[float],
    chosen: int,
    muted: bool = False,
) -> None:
    """Draw scores as bars, one of them in another colour.

    Args:
        pen: What draws.
        corner: Top left.
        size: Width and height of the whole.
        heights: From 0 to 1.
        chosen: Which one is special.
        muted: Whether none of it counts.
    """
    (x, y), (w, h) = corner, size
    step = w / len(heights)
    for number, height in enumerate(heights):
        kind = "off" if muted else "state" if number == chosen else "data"
        left, tall = x + number * step + step * 0.14, max(1.5, h * height)
        pen.mark(
            f'<rect class="box {kind}" stroke-width="1.2" x="{left:.1f}" '
            f'y="{y + h - tall:.1f}" width="{step * 0.72:.1f}" height="{tall:.1f}"/>'
        )
    pen.mark(f'<path class="flow line" d="M{x:g} {y + h:g} h{w:g}"/>')


def _pixels(
    pen: Pen, corner: Point, width: float, colours: Sequence[Sequence[str]]
) -> float:
    """Draw pixels, those of one colour as one path, and return the height."""
    x, y = corner
    side = width / len(colours[0])
    places: dict[str, list[str]] = {}
    for row, line in enumerate(colours):
        for column, colour in enumerate(line):
            places.setdefault(colour, []).append(f"M{column} {row}h1v1h-1z")
    pen.mark(
        f'<g transform="translate({x:g} {y:g}) scale({side:g})" '
        'shape-rendering="crispEdges">'
    )
    for colour, squares in places.items():
        pen.mark(f'<path fill="{colour}" d="{"".join(squares)}"/>')
    pen.mark("</g>")
    _frame(pen, corner, (width, side * len(colours)))
    return side * len(colours)


def _frame(pen: Pen, corner: Point, size: Point) -> None:
    (x, y), (w, h) = corner, size
    pen.mark(
        f'<rect class="flow line" x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}"/>'
    )


def _gray(light: float) -> str:
    level = f"{48 + int(8 * light) * 25:02x}"
    return f"#{level * 3}"


def _signed(value: float) -> str:
    """Return blue for negative numbers, orange for positive ones, white for none."""
    size = round(abs(value) * 6) / 6
    end = (194, 65, 12) if value > 0 else (11, 102, 165)
    mixed = (round(255 + size * (part - 255)) for part in end)
    return "#" + "".join(f"{part:02x}" for part in mixed)
