"""Captions of drawn scenes: what is written, read back and scored."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n.drawing.scenes import scene as scenes
from cs231n.drawing.scenes.grammar import Reading, describe, parse, score
from cs231n.drawing.scenes.scene import Scene, Thing, random_scene
from cs231n.drawing.scenes.things import KINDS
from cs231n.drawing.scenes.words import KIND_OF, SIZE_WORDS


@pytest.fixture(scope="module")
def described():
    """Three thousand scenes with their captions."""
    rng = np.random.default_rng(0)
    drawn = [random_scene(rng) for _ in range(3000)]
    return [(scene, describe(scene, rng)) for scene in drawn]


def row(*names, ground="grass", size="medium"):
    """Return a scene of things named like ``red car``, from left to right."""
    things = [
        Thing(kind, colour, size, 20 + 25 * i, 80)
        for i, (colour, kind) in enumerate(name.split() for name in names)
    ]
    return Scene(ground, tuple(things))


named_things = st.tuples(
    st.sampled_from(sorted(scenes.COLOURS)), st.sampled_from(scenes.THINGS)
).map(" ".join)


# Writing.


def test_five_different_captions_of_plain_words(described):
    for _, captions in described:
        assert len(captions) == len(set(captions)) == 5
        for caption in captions:
            assert re.fullmatch(r"[a-z]+( [a-z]+)*", caption)
            assert len(caption.split()) <= 15


def test_the_vocabulary_is_rich(described):
    words = {w for _, captions in described for c in captions for w in c.split()}
    assert len(words) >= 100


def test_articles_numbers_and_verbs_agree(described):
    plurals = {word for word, (_, number) in KIND_OF.items() if number == 2}
    slips = re.compile(
        r"\ba [aeiou]|\ban [^aeiou]|\bis two|\bare an? |\bof of\b|\bthe the\b"
        r"|\b(two|three)( [a-z]+){0,2} (is|grows|stands|sits|flies|shines)\b"
    )
    for _, captions in described:
        for caption in captions:
            assert not slips.search(caption), caption
            words = caption.split()
            for i, word in enumerate(words):
                if word in KIND_OF:
                    counted = {"two", "three"} & set(words[max(0, i - 3) : i])
                    assert bool(counted) == (word in plurals), caption


def test_things_in_the_air_are_not_said_to_stand(described):
    on_the_ground = re.compile(r"\b(stands?|sits?|on the (?!moon)|under)\b")
    for scene, captions in described:
        if all(KINDS[t.kind].floats for t in scene.things):
            assert not any(on_the_ground.search(c) for c in captions), captions


def test_sizes_are_told_truly(described):
    told = 0
    for scene, captions in described:
        sizes = {thing.size for thing in scene.things}
        for caption in captions:
            words = set(caption.split())
            for size in ("small", "large"):
                if words & set(SIZE_WORDS[size]):
                    assert size in sizes, (scene, caption)
                    told += 1
    assert told > 100


@pytest.mark.parametrize(
    ("scene", "common"),
    [
        (row("red car"), "a red car in the meadow"),
        (row("orange cat", ground="sea"), "an orange cat at sea"),
        (row("red boat", "red boat", ground="sea"), "two red boats at sea"),
        (row("blue dog", "red car"), "a blue dog next to a red car in the meadow"),
        (row("blue dog", "red sun"), "a blue dog and a red sun in the meadow"),
        (
            row("red car", "blue dog", "red car"),
            "a blue dog between two red cars in the meadow",
        ),
        (row(*["black star"] * 3, ground="night"), "three black stars at night"),
    ],
)
def test_the_common_wording_is_there(scene, common):
    assert common in describe(scene, np.random.default_rng(0), 12)


def test_captions_come_from_the_generator_alone():
    scene = row("red car", "blue dog")
    first, again, other = (
        describe(scene, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_more_captions_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="ask for fewer"):
        describe(row("red sun"), np.random.default_rng(0), 500)


# Reading.


def test_every_caption_reads_back_as_its_scene(described):
    for scene, captions in described:
        truth = Reading(tuple((t.kind, t.colour) for t in scene.things), scene.ground)
        for caption in captions:
            assert parse(caption) == truth, caption


@given(
    st.lists(named_things, min_size=1, max_size=3),
    st.sampled_from(scenes.GROUNDS),
    st.sampled_from(sorted(scenes.SIZES)),
    st.integers(0, 2**32),
)
def test_captions_of_any_scene_read_back(names, ground, size, seed):
    scene = row(*names, ground=ground, size=size)
    truth = Reading(tuple((t.kind, t.colour) for t in scene.things), ground)
    for caption in describe(scene, np.random.default_rng(seed)):
        assert parse(caption) == truth, caption


@pytest.mark.parametrize(
    ("caption", "things", "ground"),
    [
        ("", (), None),
        ("what a lovely day", (), None),
        ("A red car, a blue cat.", (("car", "red"), ("cat", "blue")), None),
        ("car", (("car", None),), None),
        ("cars on the sand", (("car", None), ("car", None)), "beach"),
        ("a red and a blue cat", (("cat", "blue"),), None),
        ("a red car right of", (("car", "red"),), None),
        ("between between a red car", (("car", "red"),), None),
        ("two red", (), None),
    ],
)
def test_odd_captions_are_read_as_far_as_they_go(caption, things, ground):
    assert parse(caption) == Reading(things, ground)


@given(
    st.lists(
        st.sampled_from(
            [
                *("a", "two", "three", "red", "blue", "car", "cars", "cat", "right"),
                *("left", "of", "between", "next", "to", "and", "sea", "small"),
                *("<START>", "<UNK>"),
            ]
        ),
        max_size=20,
    )
)
def test_reading_never_fails_and_loses_no_thing(words):
    reading = parse(" ".join(words))
    assert len(reading.things) >= sum(w in KIND_OF for w in words)


@given(st.text())
def test_any_text_can_be_read(text):
    assert isinstance(parse(text), Reading)


# Scoring.

PAIR = row("red car", "blue cat", ground="sea")


@pytest.mark.parametrize(
    ("caption", "things", "colours", "ground", "order"),
    [
        ("a red car next to a blue cat at sea", 1, 1, 1, 1),
        ("a blue cat to the right of a red car at sea", 1, 1, 1, 1),
        ("a blue cat next to a red car at sea", 1, 1, 1, 0),
        ("a blue car next to a red cat at sea", 1, 0, 1, 1),
        ("a red car next to a blue cat in space", 1, 1, 0, 1),
        ("a red car next to a blue cat", 1, 1, 0, 1),
        ("a red car next to a blue dog at sea", 0, 0, 1, 0),
        ("a red car at sea", 0, 0, 1, 0),
        ("two red cars next to a blue cat at sea", 0, 0, 1, 0),
        ("", 0, 0, 0, 0),
    ],
)
def test_the_score_notices_each_mistake(caption, things, colours, ground, order):
    right = {"things": things, "colours": colours, "ground": ground, "order": order}
    assert score([caption], [PAIR]) == right


def test_order_is_counted_over_captions_whose_things_are_right():
    captions = [
        "a red car next to a blue cat at sea",
        "a blue cat next to a red car at sea",
        "a dog at sea",
        "a star at sea",
    ]
    facts = score(captions, [PAIR] * 4)
    assert facts == {"things": 0.5, "colours": 0.5, "ground": 1.0, "order": 0.5}


def test_true_captions_score_one_and_shuffled_ones_far_less(described):
    truth = [scene for scene, _ in described]
    captions = [some[0] for _, some in described]
    assert set(score(captions, truth).values()) == {1.0}
    assert score(captions[1:] + captions[:1], truth)["things"] < 0.1


def test_the_score_asks_for_one_caption_per_scene():
    for captions, truth in ([], []), (["a car"], []), ([], [PAIR]):
        with pytest.raises(ValueError, match="one caption for each scene"):
            score(captions, truth)


def test_scenes_that_differ_in_one_fact_have_no_caption_in_common():
    rng = np.random.default_rng(0)
    captions = set(describe(PAIR, rng, 20))
    first, second = PAIR.things
    for other in (
        dataclasses.replace(PAIR, ground="city"),
        dataclasses.replace(
            PAIR, things=(dataclasses.replace(first, colour="black"), second)
        ),
        row("blue cat", "red car", ground="sea"),
    ):
        assert not captions & set(describe(other, rng, 20))
