"""How a thing meets its ground in a drawn scene: light, shadow, mirror image, tufts.

Sizes and places are in pixels of the finished picture.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from cs231n.drawing.scenes.grounds import Ground
from cs231n.drawing.scenes.pen import RGB, Pen, Shades
from cs231n.drawing.scenes.things import Kind


def put(
    canvas: Image.Image,
    ground: Ground,
    kind: Kind,
    colour: RGB,
    unit: float,
    x: float,
    y: float,
    rng: np.random.Generator,
) -> None:
    """Draw one thing into a picture that already has its backdrop.

    Args:
        canvas: The picture, changed in place.
        ground: What the thing stands on or floats over.
        kind: What to draw.
        colour: Its main colour.
        unit: Its size.
        x: The middle of the thing.
        y: Its lower edge.
        rng: Decides which way it faces and how far it tilts.
    """
    mirrored = bool(rng.integers(2))
    tilt = float(rng.uniform(-kind.tilt, kind.tilt))
    pen = Pen(kind.width, kind.height, unit, mirrored, tilt)
    kind.paint(pen, Shades.of(colour))
    layer = pen.finish()
    corner = (round(x - pen.foot[0]), round(y - pen.foot[1]))
    reach = kind.width * unit
    if kind.glows:
        _glow(canvas, x, y - kind.height * unit / 2, reach, colour, ground.halo)
    elif kind.floats:
        _shade(canvas, x, 0.87 * canvas.height, reach * 0.3, ground.shadow * 0.6)
    elif ground.mirror:
        _reflect(canvas, layer, corner, round(y), rng)
    else:
        _shade(canvas, x, y - 0.01 * unit, reach * 0.5, ground.shadow)
    _lift(canvas, layer, corner, unit, ground.halo)
    canvas.paste(layer, corner, layer)
    if ground.tuft and not kind.floats:
        _grow(canvas, x, y, kind.foot * unit, unit, ground, rng)


def _lift(
    canvas: Image.Image,
    layer: Image.Image,
    corner: tuple[int, int],
    unit: float,
    halo: RGB | None,
) -> None:
    """Set a thing off from what is behind it: a drop shadow, in the dark a pale rim."""
    outline = layer.getchannel("A")
    if halo is None:
        soft = outline.filter(ImageFilter.GaussianBlur(max(0.6, unit * 0.03)))
        drop = max(1, round(unit * 0.025))
        place = (corner[0] + drop, corner[1] + drop)
        canvas.paste((20, 22, 44), place, soft.point(_SHADOW))
    else:
        soft = outline.filter(ImageFilter.GaussianBlur(max(0.6, unit * 0.025)))
        canvas.paste(halo, corner, soft.point(_RIM))


_SHADOW = [level * 3 // 10 for level in range(256)]
_RIM = [min(255, level * 3 // 2) * 55 // 100 for level in range(256)]


def _spot(rx: float, ry: float, power: float, strength: float) -> Image.Image:
    """Return the mask of a soft ellipse, ``strength`` (0 to 1) in its middle."""
    across, down = int(rx * 1.6) + 1, int(ry * 1.6) + 1
    u = np.arange(-across, across + 1, dtype=np.float32) / max(rx, 1)
    v = np.arange(-down, down + 1, dtype=np.float32)[:, None] / max(ry, 1)
    soft = np.exp(-1.5 * (u * u + v * v) ** power) * (255 * strength)
    return Image.fromarray(soft.astype(np.uint8))


def _shade(
    canvas: Image.Image, x: float, y: float, reach: float, strength: float
) -> None:
    """Darken a flat ellipse: the shadow of a thing on the ground."""
    mask = _spot(reach * 1.15, reach * 0.24, 1.5, strength)
    corner = (round(x) - mask.width // 2, round(y) - mask.height // 2)
    canvas.paste((14, 18, 40), corner, mask)


def _glow(
    canvas: Image.Image,
    x: float,
    y: float,
    reach: float,
    colour: RGB,
    halo: RGB | None,
) -> None:
    """Brighten the sky round something that shines."""
    mask = _spot(reach * 0.85, reach * 0.85, 1.0, 0.35 if halo else 0.6)
    corner = (round(x) - mask.width // 2, round(y) - mask.height // 2)
    pale = tuple(255 - (255 - c) // 5 for c in (max(k, 90) for k in colour))
    canvas.paste(pale, corner, mask)


def _reflect(
    canvas: Image.Image,
    layer: Image.Image,
    corner: tuple[int, int],
    waterline: int,
    rng: np.random.Generator,
) -> None:
    """Mirror a thing, flattened and broken by ripples, in the water below it."""
    upper = layer.crop((0, 0, layer.width, max(1, waterline - corner[1])))
    low = max(2, round(upper.height * 0.45))
    turned = upper.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    pixels = np.asarray(turned.resize((layer.width, low)))
    rows = np.arange(low)
    phase = rng.uniform(0, 6)
    sway = np.rint(np.sin(rows * 0.9 + phase) * (1 + rows / low * layer.width * 0.02))
    columns = (np.arange(layer.width) + sway[:, None].astype(int)) % layer.width
    pixels = pixels[rows[:, None], columns]
    fade = 0.6 * (1 - rows / low) * (0.75 + 0.25 * np.sin(rows * 1.3 + phase))
    pixels[..., 3] = (pixels[..., 3] * fade[:, None]).astype(np.uint8)
    image = Image.fromarray(pixels)
    canvas.paste(image, (corner[0], waterline - 1), image)


def _grow(
    canvas: Image.Image,
    x: float,
    y: float,
    reach: float,
    unit: float,
    ground: Ground,
    rng: np.random.Generator,
) -> None:
    """Let grass or drifted snow and sand hide the line where a thing touches down."""
    assert ground.tuft is not None
    high = max(2.0, unit * (0.09 if ground.blades else 0.05))
    mask = Image.new("L", (max(1, round(2 * reach)) * 3, round(high * 2) * 3), 0)
    draw = ImageDraw.Draw(mask)
    foot = mask.height * 0.62
    if ground.blades:
        count = max(6, round(reach * 0.55))
        for spot, lean, rise in zip(
            np.linspace(0.03, 0.97, count) + rng.uniform(-0.02, 0.02, count),
            rng.uniform(-0.5, 0.5, count),
            rng.uniform(0.35, 1.0, count),
            strict=True,
        ):
            left, tall = spot * mask.width, high * 3 * rise
            tip = (left + lean * tall, foot - tall)
            draw.polygon([(left - 3, foot), tip, (left + 3, foot)], fill=255)
    else:
        middle = half = mask.width / 2
        bumps = [(-0.45, 0.5, 0.5), (0.4, 0.55, 0.4), (0.0, 0.6, 0.3)]
        for offset, wide, rise in bumps:
            left, right = (
                middle + (offset - wide) * half,
                middle + (offset + wide) * half,
            )
            tall = rise * high * 3
            draw.ellipse((left, foot - tall, right, foot + tall), fill=190)
    mask = mask.reduce(3)
    if not ground.blades:  # a drift runs out into the ground in front of it
        below = (np.arange(mask.height) / mask.height - 0.55) / 0.3
        fade = np.clip(1 - below, 0, 1)[:, None]
        mask = Image.fromarray((np.asarray(mask) * fade).astype(np.uint8))
    corner = (round(x) - mask.width // 2, round(y - mask.height * 0.5))
    canvas.paste(ground.tuft, corner, mask)


def on_paper(canvas: Image.Image) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) with the faint grain of drawing paper."""
    pixels = np.asarray(canvas) + _grain(canvas.height, canvas.width)
    return np.clip(pixels, 0, 255).astype(np.uint8)


@lru_cache(maxsize=8)
def _grain(height: int, width: int) -> NDArray[np.int16]:
    rng = np.random.default_rng(15)
    fine = rng.normal(0, 1.1, (height, width))
    # Neighbours share some of it, which looks like fibre instead of sensor noise.
    fibre = (fine + np.roll(fine, 1, 0) + np.roll(fine, 1, 1)) / 1.7
    grain: NDArray[np.int16] = np.rint(fibre).astype(np.int16)[..., None]
    return grain
