"""Captions for drawn scenes, and the way back: write them, read them, score them.

A caption names every thing with its colour, from left to right, and then the ground.
One wording is the common one in each place and a few rarer ones share the rest, as in
captions that people write. Because the words come from the tables below, ``parse`` can
read a caption back, whoever wrote it, and ``score`` can say how much of it is true.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from cs231n.drawing.scenes.scene import COLOURS, Scene, Thing
from cs231n.drawing.scenes.things import KINDS
from cs231n.drawing.scenes.words import (
    GROUND_OF,
    KIND_OF,
    NOUNS,
    NUMBERS,
    PLACES,
    SIZE_OF,
    SIZE_WORDS,
    STANDS,
    VERBS,
)

MAX_WORDS = 15

# How often the rarer wordings appear.
_P_PLACE = 0.22
_P_NOUN = 0.05
_P_SIZE = 0.12
_P_VERB = 0.06
_P_OPENER = 0.10
_P_PLACE_FIRST = 0.03


class _Group(NamedTuple):
    """Equal neighbours that a caption counts together."""

    things: tuple[Thing, ...]

    @property
    def kind(self) -> str:
        return self.things[0].kind

    @property
    def plural(self) -> bool:
        return len(self.things) > 1

    @property
    def floats(self) -> bool:
        return KINDS[self.kind].floats


def describe(scene: Scene, rng: np.random.Generator, count: int = 5) -> list[str]:
    """Write different true captions of a scene.

    Args:
        scene: What to describe.
        rng: Where the choice of words comes from.
        count: How many captions.

    Returns:
        Lower-case captions without punctuation, at most ``MAX_WORDS`` words each.

    Raises:
        ValueError: If there are not that many different captions.
    """
    captions: dict[str, None] = {}
    for _ in range(200 * count):
        if len(captions) == count:
            break
        caption = _write(scene, rng)
        if len(caption.split()) <= MAX_WORDS:
            captions[caption] = None
    else:
        if len(captions) < count:
            raise ValueError(
                f"{count} different captions were asked for and only {len(captions)} "
                "were found; ask for fewer."
            )
    return list(captions)


def _write(scene: Scene, rng: np.random.Generator) -> str:
    groups = [
        _Group(tuple(run))
        for _, run in groupby(scene.things, key=lambda t: (t.kind, t.colour))
    ]
    place = _place(scene, rng)
    sized = int(rng.integers(len(groups))) if rng.random() < _P_SIZE else None
    nouns = [_noun_phrase(g, i == sized, rng) for i, g in enumerate(groups)]
    head, link, rest = _frame(groups, nouns, rng)
    subject, text = groups[head], " ".join([nouns[head], link, rest]).strip()
    be = "are" if subject.plural else "is"
    joined = link == "and"  # two subjects: neither "is" nor "are" reads well
    if not joined and rng.random() < _P_VERB:
        verb = VERBS.get(subject.kind, STANDS)[subject.plural]
        text = " ".join([nouns[head], verb, link, rest]).strip()
    elif not joined and rng.random() < _P_PLACE_FIRST:
        return f"{place} there {be} {text}"
    elif rng.random() < _P_OPENER:
        openers = ["a picture of", "a scene with", "a drawing of"]
        if not joined:
            openers += [f"there {be}", f"here {be}", "we see"]
        text = f"{rng.choice(openers)} {text}"
    return f"{text} {place}"


def _place(scene: Scene, rng: np.random.Generator) -> str:
    places = PLACES[scene.ground]
    if rng.random() >= _P_PLACE:
        return places.common
    rare = list(places.rare)
    floating = [KINDS[thing.kind].floats for thing in scene.things]
    if all(floating):
        rare += places.floating
    elif not any(floating):
        rare += places.standing
    return str(rng.choice(rare))


def _noun_phrase(group: _Group, sized: bool, rng: np.random.Generator) -> str:
    colour, nouns = group.things[0].colour, NOUNS[group.kind]
    rare = len(nouns) > 1 and rng.random() < _P_NOUN
    words = [colour, nouns[rare][group.plural]]
    sizes = {thing.size for thing in group.things}
    if sized and len(sizes) == 1 and (names := SIZE_WORDS[sizes.pop()]):
        words.insert(0, str(rng.choice(names, p=[0.6, 0.25, 0.15])))
    if group.plural:
        number = ("two", "three")[len(group.things) - 2]
    else:
        number = "an" if words[0][0] in "aeiou" else "a"
    return " ".join([number, *words])


def _frame(
    groups: Sequence[_Group], nouns: Sequence[str], rng: np.random.Generator
) -> tuple[int, str, str]:
    """Choose how the groups are joined: the first one's index, a link, the others.

    Things are "next to" each other only at one level, on the ground or in the air.
    """
    if len(groups) == 1:
        return 0, "", ""
    if len(groups) == 2:
        first, second = nouns
        choices = [
            (0.07, (0, "to the left of", second)),
            (0.07, (1, "to the right of", first)),
        ]
        if groups[0].floats == groups[1].floats:
            choices += [(0.66, (0, "next to", second)), (0.08, (0, "beside", second))]
            choices += [(0.12, (0, "and", second))]
        else:
            choices += [(0.86, (0, "and", second))]
        return _pick(choices, rng)
    first, second, third = nouns
    middle = (1, "between", f"{first} and {third}")
    choices = [(0.16, middle), (0.06, (0, "with", f"{second} and {third}"))]
    left, right = groups[0].things[0], groups[2].things[0]
    if (left.kind, left.colour) == (right.kind, right.colour):
        pair = _noun_phrase(_Group((left, right)), False, rng)
        choices = [(0.9, (1, "between", pair)), *choices[1:]]
    elif groups[0].floats == groups[1].floats:
        choices += [(0.70, (0, "next to", f"{second} and {third}"))]
        choices += [(0.08, (0, "beside", f"{second} and {third}"))]
    elif groups[1].floats == groups[2].floats:
        choices += [(0.70, (0, "and", f"{second} next to {third}"))]
        choices += [(0.08, (0, "and", f"{second} beside {third}"))]
    else:
        choices[0] = (0.94, middle)
    return _pick(choices, rng)


def _pick(
    choices: Sequence[tuple[float, tuple[int, str, str]]], rng: np.random.Generator
) -> tuple[int, str, str]:
    weights = np.array([weight for weight, _ in choices])
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))][1]


@dataclass(frozen=True)
class Reading:
    """What a caption says.

    Attributes:
        things: (kind, colour) of each thing from left to right, counts expanded; the
            colour is None where the caption gives none.
        ground: One of ``GROUNDS``, or None where the caption names none.
    """

    things: tuple[tuple[str, str | None], ...]
    ground: str | None


def parse(caption: str) -> Reading:
    """Read a caption back; words that say nothing here are skipped.

    Args:
        caption: Any text, true or not, such as a network's.
    """
    groups: list[list[tuple[str, str | None]]] = []
    number, colour, ground = 0, None, None
    relation, before = "", 0  # the relation, and how many groups it came after
    for word in caption.lower().replace(",", " ").replace(".", " ").split():
        if word in NUMBERS:
            number, colour = NUMBERS[word], None
        elif word in COLOURS:
            colour = word
        elif word in KIND_OF:
            kind, least = KIND_OF[word]
            groups.append([(kind, colour)] * (number or least))
            number, colour = 0, None
        elif word not in SIZE_OF:
            number, colour = 0, None
            ground = ground or GROUND_OF.get(word)
            if word in ("right", "between") and not relation:
                relation, before = word, len(groups)
    named, others = groups[:before], groups[before:]
    if relation == "right":
        groups = others + named
    elif relation == "between" and others:
        first, *rest = others
        # "Between two cars" has one of them on either side.
        groups = (
            [first[:1], *named, first[1:], *rest]
            if not rest
            else [first, *named, *rest]
        )
    return Reading(tuple(thing for group in groups for thing in group), ground)


def score(captions: Sequence[str], scenes: Sequence[Scene]) -> dict[str, float]:
    """Say in which fraction of captions each of four facts is right.

    Args:
        captions: One caption for each scene, as a model wrote them.
        scenes: The scenes they describe.

    Returns:
        ``things``: exactly the kinds of the scene, each as often as it is there;
        ``colours``: exactly its (kind, colour) pairs, each as often as it is there;
        ``ground``: its ground;
        ``order``: its kinds from left to right, counted over the captions whose
        things are right (0 when there is none).

    Raises:
        ValueError: If there are no captions, or not as many as scenes.

    Example:
        >>> from cs231n.drawing.scenes.scene import scene_from_url
        >>> scene = scene_from_url("scene://beach/red-car-m5080?0")
        >>> score(["a blue car on the beach"], [scene])
        {'things': 1.0, 'colours': 0.0, 'ground': 1.0, 'order': 1.0}
    """
    if not captions or len(captions) != len(scenes):
        raise ValueError(
            f"There are {len(captions)} captions for {len(scenes)} scenes; give one "
            "caption for each scene, and at least one."
        )
    right: Counter[str] = Counter()
    for caption, scene in zip(captions, scenes, strict=True):
        reading = parse(caption)
        kinds = [kind for kind, _ in reading.things]
        true_kinds = [thing.kind for thing in scene.things]
        pairs = Counter((thing.kind, thing.colour) for thing in scene.things)
        things = Counter(kinds) == Counter(true_kinds)
        right["things"] += things
        right["colours"] += Counter(reading.things) == pairs
        right["ground"] += reading.ground == scene.ground
        right["order"] += kinds == true_kinds
    total = len(captions)
    return {
        "things": right["things"] / total,
        "colours": right["colours"] / total,
        "ground": right["ground"] / total,
        "order": right["order"] / max(1, right["things"]),
    }
