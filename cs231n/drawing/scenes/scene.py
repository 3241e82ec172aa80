"""Drawn scenes: one to three coloured things on a ground, named by a URL.

A scene is a few words and numbers, and its picture a pure function of them, so that no
picture needs to be stored: ``draw(scene_from_url(url))`` makes it again, byte for byte.
Run as a command, the module writes a sheet of random scenes to look at.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cs231n.drawing.scenes.grounds import GROUNDS as _GROUNDS
from cs231n.drawing.scenes.pen import RGB
from cs231n.drawing.scenes.placing import on_paper, put
from cs231n.drawing.scenes.things import KINDS
from cs231n.support.files import replacing

THINGS: tuple[str, ...] = tuple(KINDS)
GROUNDS: tuple[str, ...] = tuple(_GROUNDS)
COLOURS: dict[str, RGB] = {
    "red": (226, 34, 40),
    "orange": (255, 134, 12),
    "yellow": (255, 214, 24),
    "green": (36, 168, 54),
    "blue": (30, 84, 228),
    "purple": (168, 54, 206),
    "black": (46, 46, 54),
    "white": (248, 248, 252),
}
SIZES: dict[str, float] = {"small": 0.3, "medium": 0.38, "large": 0.52}

SEEDS = 4096
_THING = re.compile(r"([a-z]+)-([a-z]+)-([sml])(\d\d)(\d\d)")
_URL = re.compile(r"scene://([a-z]+)/([a-z0-9/-]+)\?([0-9a-f]{1,3})")


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    Attributes:
        kind: One of ``THINGS``.
        colour: One of ``COLOURS``.
        size: One of ``SIZES``.
        x: Its middle, in percent of the picture's width, 0 to 99.
        y: Its lower edge, in percent of the picture's height, 0 to 99.
    """

    kind: str
    colour: str
    size: str
    x: int
    y: int

    def __post_init__(self) -> None:
        """Refuse a name or a place that cannot be drawn."""
        for value, names, what in (
            (self.kind, THINGS, "kind of thing"),
            (self.colour, COLOURS, "colour"),
            (self.size, SIZES, "size"),
        ):
            if value not in names:
                raise ValueError(
                    f"There is no {what} {value!r}; choose one of {', '.join(names)}."
                )
        if not (0 <= self.x <= 99 and 0 <= self.y <= 99):
            raise ValueError(
                f"A thing was placed at ({self.x}, {self.y}); give percent of width "
                "and height, 0 to 99."
            )


@dataclass(frozen=True)
class Scene:
    """What a picture shows; equal scenes have equal pictures.

    Attributes:
        ground: One of ``GROUNDS``.
        things: One to three things, from left to right.
        seed: Decides clouds, tilts and the like, 0 to 4095.
    """

    ground: str
    things: tuple[Thing, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a scene that cannot be drawn."""
        if self.ground not in GROUNDS:
            raise ValueError(
                f"There is no ground {self.ground!r}; choose one of "
                f"{', '.join(GROUNDS)}."
            )
        if not 1 <= len(self.things) <= 3:
            raise ValueError(
                f"A scene was given {len(self.things)} things; give one to three."
            )
        places = [thing.x for thing in self.things]
        if places != sorted(places):
            raise ValueError(
                f"The things stand at x = {places}; list them from left to right."
            )
        if not 0 <= self.seed < SEEDS:
            raise ValueError(
                f"The scene's seed is {self.seed}; give one from 0 to {SEEDS - 1}."
            )

    @property
    def url(self) -> str:
        """The scene as one line of ASCII, such as ``scene://sea/red-boat-m5080?7f``."""
        things = "/".join(
            f"{t.colour[:3]}-{t.kind[:4]}-{t.size[0]}{t.x:02d}{t.y:02d}"
            for t in self.things
        )
        return f"scene://{self.ground}/{things}?{self.seed:x}"


def scene_from_url(url: str) -> Scene:
    """Return the scene that a URL names.

    Args:
        url: As ``Scene.url`` writes it; names may also be spelt in full.

    Raises:
        ValueError: If the URL is malformed or names something that does not exist.

    Example:
        >>> scene = scene_from_url("scene://beach/red-car-m5080?0")
        >>> scene.ground, scene.things[0].colour, scene.things[0].kind
        ('beach', 'red', 'car')
    """
    parts = _URL.fullmatch(url)
    things = [_THING.fullmatch(text) for text in parts[2].split("/")] if parts else []
    if parts is None or None in things:
        raise ValueError(
            f"{url!r} is no scene; write it like scene://sea/red-boat-m5080?7f "
            "(ground, colour, kind, size s, m or l, place x and y in percent, seed)."
        )
    return Scene(
        ground=parts[1],
        things=tuple(
            Thing(
                kind=_full(match[2], THINGS, 4),
                colour=_full(match[1], COLOURS, 3),
                size=_full(match[3], SIZES, 1),
                x=int(match[4]),
                y=int(match[5]),
            )
            for match in things
            if match
        ),
        seed=int(parts[3], 16),
    )


def _full(text: str, names: Iterable[str], letters: int) -> str:
    # An unknown text is returned as it is, for Thing to refuse.
    return next((n for n in names if text in (n, n[:letters])), text)


def random_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene at random: things that do not overlap, some of them twice or thrice.

    Args:
        rng: Where every choice comes from.
    """
    # Three things make long captions, and those of fifty would take too long to learn.
    count = int(rng.choice([1, 2, 3], p=[0.42, 0.55, 0.03]))
    names = [_random_name(rng) for _ in range(count)]
    # Something to count: "two red boats".
    if count > 1 and rng.random() < (0.25 if count == 2 else 0.75):
        first = int(rng.integers(count - 1))
        names[first + 1] = names[first]
        if count == 3 and rng.random() < 0.7:
            names = [names[first]] * 3
    # Each thing has a slot of its own, and a size that fits in there.
    slot = 100 / count
    things = []
    for index, (kind, colour) in enumerate(names):
        sizes = [s for s in SIZES if SIZES[s] * KINDS[kind].width * 75 <= slot - 2]
        size = str(rng.choice(sizes))
        room = slot - SIZES[size] * KINDS[kind].width * 75
        x = round(slot * (index + 0.5) + rng.uniform(-0.3, 0.3) * room)
        things.append(Thing(kind, colour, size, x, _random_level(kind, size, rng)))
    ground = str(rng.choice(GROUNDS))
    return Scene(ground, tuple(things), int(rng.integers(SEEDS)))


def _random_name(rng: np.random.Generator) -> tuple[str, str]:
    return str(rng.choice(THINGS)), str(rng.choice(list(COLOURS)))


def _random_level(kind: str, size: str, rng: np.random.Generator) -> int:
    if not KINDS[kind].floats:
        return int(rng.integers(79, 91))
    height = SIZES[size] * KINDS[kind].height * 100
    return round(rng.uniform(height + 3, max(height + 5, 58)))


def draw(scene: Scene, size: tuple[int, int] = (240, 320)) -> NDArray[np.uint8]:
    """Draw a scene; the same scene and size always give the same bytes.

    Args:
        scene: What to draw.
        size: Height and width of the picture, in pixels.

    Returns:
        picture: (H, W, 3) colours, 0 to 255.

    Raises:
        ValueError: If the picture would have no pixels.
    """
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(
            f"A picture of {height}x{width} has no pixels; ask for a larger one."
        )
    canvas = Image.new("RGB", (width, height))
    ground = _GROUNDS[scene.ground]
    ground.paint(canvas, np.random.default_rng([scene.seed, 0]))
    # Far things first; the place in the scene keeps each thing's own variations.
    order = sorted(range(len(scene.things)), key=lambda i: (scene.things[i].y, i))
    for index in order:
        thing = scene.things[index]
        put(
            canvas,
            ground,
            KINDS[thing.kind],
            COLOURS[thing.colour],
            unit=SIZES[thing.size] * min(height, 0.75 * width),
            x=thing.x / 100 * width,
            y=thing.y / 100 * height,
            rng=np.random.default_rng([scene.seed, index + 1]),
        )
    return on_paper(canvas)


def sheet(scenes: Sequence[Scene], columns: int) -> NDArray[np.uint8]:
    """Draw scenes side by side, row by row, with a thin white border."""
    pictures = [
        np.pad(draw(s), ((4, 4), (4, 4), (0, 0)), constant_values=255) for s in scenes
    ]
    blank = np.full_like(pictures[0], 255)
    pictures += [blank] * (-len(pictures) % columns)
    rows = [
        np.concatenate(pictures[i : i + columns], 1)
        for i in range(0, len(pictures), columns)
    ]
    return np.concatenate(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m cs231n.drawing.scenes.scene``."""
    parser = argparse.ArgumentParser(
        prog="python -m cs231n.drawing.scenes.scene",
        description="Write a sheet of random drawn scenes as one PNG picture.",
    )
    parser.add_argument("--out", type=Path, required=True, help="the PNG file to write")
    parser.add_argument("--seed", type=int, default=0, help="which scenes (default: 0)")
    parser.add_argument(
        "--rows", type=int, default=4, help="rows of scenes (default: 4)"
    )
    parser.add_argument(
        "--cols", type=int, default=4, help="scenes in a row (default: 4)"
    )
    args = parser.parse_args(argv)
    if args.rows < 1 or args.cols < 1:
        parser.error("--rows and --cols must be at least 1")
    if args.seed < 0:
        parser.error("--seed must not be negative")
    rng = np.random.default_rng(args.seed)
    chosen = [random_scene(rng) for _ in range(args.rows * args.cols)]
    try:
        with replacing(args.out) as draft:
            Image.fromarray(sheet(chosen, args.cols)).save(draft, format="PNG")
    except OSError as error:
        parser.exit(1, f"{args.out} could not be written: {error}\n")
    print(f"{args.out}: {len(chosen)} scenes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
