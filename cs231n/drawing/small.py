"""Small labelled pictures: drawn things of a hundred classes, as poor cameras see them.

A class is a kind of thing in a colour, such as a green boat. What makes it worth
learning is what varies: ground, size, place, paint, light, noise, and other things that
stand about and sometimes in the way. A picture is a pure function of its class and of
the generator that draws everything else.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from cs231n.drawing.scenes.grounds import GROUNDS, Ground
from cs231n.drawing.scenes.pen import RGB
from cs231n.drawing.scenes.placing import on_paper, put
from cs231n.drawing.scenes.scene import COLOURS
from cs231n.drawing.scenes.things import KINDS
from cs231n.drawing.scenes.words import NOUNS
from cs231n.support.picture_files import Picture

SIDE = 64
"""Height and width of a picture."""
_ZOOM = 2  # drawn larger, then reduced: small shapes keep their forms
# In every colour each, but for the two that would look odd in most.
_FEW_COLOURS = {"sun": ("yellow", "orange"), "star": ("yellow", "white")}
_GRAY = 0.04  # the share of pictures without colours, as in the original


class Label(NamedTuple):
    """What a class of pictures shows.

    Attributes:
        wnid: What folders and files are called; the original has WordNet's numbers.
        kind: One of ``scenes.THINGS``.
        colour: One of ``scenes.COLOURS``.
    """

    wnid: str
    kind: str
    colour: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names such as ``red boat`` and ``red sailboat``, the common one first."""
        return tuple(f"{self.colour} {one}" for one, _ in NOUNS[self.kind])


def _labels() -> tuple[Label, ...]:
    pairs = [
        (kind, colour) for kind in KINDS for colour in _FEW_COLOURS.get(kind, COLOURS)
    ]
    # Out of order, as in the original: neighbours in the list have nothing in common.
    order = np.random.default_rng(64).permutation(len(pairs))
    return tuple(Label(f"d{8_000_000 + int(i)}", *pairs[i]) for i in order)


LABELS: tuple[Label, ...] = _labels()
"""The hundred classes."""


def draw_picture(label: Label, rng: np.random.Generator) -> Picture:
    """Draw one picture of a class.

    Args:
        label: What it shows.
        rng: Decides all the rest.

    Returns:
        (64, 64, 3) pixels; equal channels if the picture came out gray.
    """
    side = SIDE * _ZOOM
    canvas = Image.new("RGB", (side, side))
    ground = GROUNDS[str(rng.choice(list(GROUNDS)))]
    ground.paint(canvas, rng)
    middle = rng.uniform(0.42, 0.58)
    if rng.random() < 0.2:  # something else, behind
        _put_other(canvas, ground, label, middle, rng.uniform(0.2, 0.35), 0.78, rng)
    size = rng.uniform(0.7, 0.95)
    _put(canvas, ground, label.kind, label.colour, middle, size, rng)
    if rng.random() < 0.05:  # or in the way
        _put_other(canvas, ground, label, middle, rng.uniform(0.2, 0.3), 0.99, rng)
    small = canvas.reduce(_ZOOM)
    return _photograph(on_paper(small), rng)


def _put(
    canvas: Image.Image,
    ground: Ground,
    kind: str,
    colour: str,
    x: float,
    size: float,
    rng: np.random.Generator,
    foot: float | None = None,
) -> None:
    """Place one thing; x, size and foot are parts of the picture's side."""
    shape = KINDS[kind]
    unit = size / max(shape.width, shape.height)
    if foot is None:
        low, high = (size - 0.06, 1.0) if shape.floats else (0.74, 1.02)
        foot = rng.uniform(min(max(low, size - 0.06), high), high)
    put(
        canvas,
        ground,
        shape,
        _paint(colour, rng),
        unit * canvas.width,
        x * canvas.width,
        foot * canvas.height,
        rng,
    )


def _put_other(
    canvas: Image.Image,
    ground: Ground,
    label: Label,
    middle: float,
    size: float,
    foot: float,
    rng: np.random.Generator,
) -> None:
    """Place a thing of another kind to the left or right of the middle one."""
    kind = str(rng.choice([k for k in KINDS if k != label.kind]))
    colour = str(rng.choice(list(COLOURS)))
    left = middle > 0.5 if rng.random() < 0.8 else middle <= 0.5
    x = rng.uniform(0.05, 0.25) if left else rng.uniform(0.75, 0.95)
    level = rng.uniform(size, 0.6) if KINDS[kind].floats else foot
    _put(canvas, ground, kind, colour, x, size, rng, level)


def _paint(colour: str, rng: np.random.Generator) -> RGB:
    """Return a colour as it comes out of a tin: nearly what the label says."""
    r, g, b = np.clip(np.array(COLOURS[colour]) + rng.normal(0, 12, 3), 0, 255)
    return int(r), int(g), int(b)


def _photograph(picture: Picture, rng: np.random.Generator) -> Picture:
    """Take the picture with a cheap camera: light, focus, noise, seldom no colours."""
    pixels = picture.astype(np.float32)
    light = rng.uniform(0.8, 1.15) * rng.normal(1, 0.04, 3).astype(np.float32)
    pixels = (pixels - 128) * rng.uniform(0.8, 1.1) + 128
    pixels = np.clip(pixels * light, 0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.6)))
    noise = rng.normal(0, rng.uniform(1, 6), (SIDE, SIDE, 3))
    noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    if rng.random() < _GRAY:
        gray = np.asarray(Image.fromarray(noisy).convert("L"))
        return np.repeat(gray[:, :, None], 3, axis=2)
    return noisy
