"""A card that stands for a picture which is missing."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cs231n.support.picture_files import Picture

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

    Font: TypeAlias = ImageFont.ImageFont | ImageFont.FreeTypeFont


def placeholder_image(reason: str, url: str = "") -> Picture:
    """Draw a card that stands for a picture and says why it is missing.

    Args:
        reason: One short sentence.
        url: What was asked for.

    Returns:
        (240, 320, 3) pixels.
    """
    from PIL import Image, ImageDraw

    zoom = 3  # drawn large, then reduced: that smooths every edge
    ink, soft, line = (52, 58, 72), (122, 130, 146), (208, 213, 223)
    card = Image.new("RGB", (320 * zoom, 240 * zoom), (236, 239, 244))
    draw = ImageDraw.Draw(card)

    def scaled(*numbers: float) -> list[float]:
        return [zoom * number for number in numbers]

    draw.rounded_rectangle(
        scaled(10, 10, 310, 230), scaled(12)[0], fill="white", outline=line, width=zoom
    )
    _draw_torn_picture(draw, zoom, line)
    y = 99.0
    y = _write(draw, zoom, y, "Picture not available", 17, ink, lines=1)
    y = _write(draw, zoom, y + 5, reason, 12, ink, lines=3)
    _write(draw, zoom, y + 6, url, 10, soft, lines=3)
    return np.array(card.resize((320, 240), Image.Resampling.LANCZOS))


def _draw_torn_picture(
    draw: "ImageDraw.ImageDraw", zoom: int, line: tuple[int, int, int]
) -> None:
    """Draw a small landscape in a frame, torn in two."""
    left, top, right, bottom = (zoom * n for n in (116, 24, 204, 88))
    sky, hill, near, sun = (226, 236, 247), (150, 178, 190), (112, 146, 150), "#f2b84b"
    draw.rectangle((left, top, right, bottom), fill=sky)
    x, y, radius = left + 64 * zoom, top + 18 * zoom, 8 * zoom
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=sun)
    for colour, points in (
        (hill, [(0, 64), (0, 52), (26, 22), (58, 64)]),
        (near, [(26, 64), (62, 34), (88, 56), (88, 64)]),
    ):
        draw.polygon(
            [(left + zoom * a, top + zoom * b) for a, b in points], fill=colour
        )
    draw.rectangle((left, top, right, bottom), outline=line, width=2 * zoom)
    tear = [(44, -4), (38, 12), (48, 26), (38, 42), (46, 54), (40, 68)]
    edge = [(left + zoom * a, top + zoom * b) for a, b in tear]
    other = [(x + 7 * zoom, y) for x, y in reversed(edge)]
    draw.polygon(edge + other, fill="white")


def _write(
    draw: "ImageDraw.ImageDraw",
    zoom: int,
    y: float,
    text: str,
    size: int,
    colour: tuple[int, int, int],
    lines: int,
) -> float:
    """Write centred text, broken into at most ``lines``; return where the next goes."""
    font = _font(size * zoom)
    # The built-in font knows Latin letters only; the rest is spelled out.
    text = " ".join(
        text.encode("latin-1", "backslashreplace").decode("latin-1").split()
    )
    for row in _wrap(draw, text, font, 270 * zoom, lines):
        width = draw.textlength(row, font=font)
        draw.text((160 * zoom - width / 2, y * zoom), row, fill=colour, font=font)
        y += size * 1.3
    return y


def _font(size: int) -> "Font":
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size)
    except ImportError:  # a Pillow built without FreeType has one small font
        return ImageFont.load_default()


def _wrap(
    draw: "ImageDraw.ImageDraw", text: str, font: "Font", width: float, lines: int
) -> list[str]:
    """Break text into rows, after a space or the like where the last third has one."""
    text = text[:500]
    rows: list[str] = []
    while text and len(rows) < lines:
        end = min(len(text), 150)  # more never fits
        while end > 1 and draw.textlength(text[:end], font=font) > width:
            end -= 1
        if end < len(text):
            gap = max(text.rfind(mark, 2 * end // 3, end) for mark in " /_-")
            end = gap + 1 if gap > 0 else end
        rows.append(text[:end].rstrip())
        text = text[end:].lstrip()
    if text and rows:
        rows[-1] = rows[-1][:-3].rstrip() + "..."
    return rows
