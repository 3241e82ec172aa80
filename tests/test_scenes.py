"""Drawn scenes: random ones, their URLs, their pictures, the sheet command."""

import hashlib
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cs231n.drawing.scenes import scene as scenes
from cs231n.drawing.scenes.scene import Scene, Thing, draw, random_scene, scene_from_url
from cs231n.drawing.scenes.things import KINDS

SHEET = "cs231n.drawing.scenes.scene"

things = st.builds(
    Thing,
    kind=st.sampled_from(scenes.THINGS),
    colour=st.sampled_from(sorted(scenes.COLOURS)),
    size=st.sampled_from(sorted(scenes.SIZES)),
    x=st.integers(0, 99),
    y=st.integers(0, 99),
)
any_scene = st.builds(
    Scene,
    ground=st.sampled_from(scenes.GROUNDS),
    things=st.lists(things, min_size=1, max_size=3).map(
        lambda some: tuple(sorted(some, key=lambda t: t.x))
    ),
    seed=st.integers(0, scenes.SEEDS - 1),
)


def some_scenes(count, seed=0):
    rng = np.random.default_rng(seed)
    return [random_scene(rng) for _ in range(count)]


def alone(kind, colour, ground="grass", size="large", seed=0):
    y = 66 if KINDS[kind].floats else 88
    return Scene(ground, (Thing(kind, colour, size, 50, y),), seed)


# What a random scene is.


def test_random_scenes_keep_their_things_apart_and_inside_the_picture():
    for scene in some_scenes(1000):
        edges = []
        for thing in scene.things:
            half = scenes.SIZES[thing.size] * KINDS[thing.kind].width * 75 / 2
            edges += [thing.x - half, thing.x + half]
            top = thing.y - scenes.SIZES[thing.size] * KINDS[thing.kind].height * 100
            assert top >= 0, scene
        assert edges == sorted(edges), scene
        assert edges[0] >= 0, scene
        assert edges[-1] <= 100, scene


def test_random_scenes_show_everything_there_is():
    drawn = some_scenes(2000)
    shown = [thing for scene in drawn for thing in scene.things]

    assert {scene.ground for scene in drawn} == set(scenes.GROUNDS)
    assert {len(scene.things) for scene in drawn} == {1, 2, 3}
    assert {thing.kind for thing in shown} == set(scenes.THINGS)
    assert {thing.colour for thing in shown} == set(scenes.COLOURS)
    assert {thing.size for thing in shown} == set(scenes.SIZES)


def test_some_random_scenes_have_something_to_count():
    runs = [[(t.kind, t.colour) for t in s.things] for s in some_scenes(2000)]
    twice = sum(len(run) == 2 and len(set(run)) == 1 for run in runs)
    thrice = sum(len(run) == 3 and len(set(run)) == 1 for run in runs)
    assert twice > 50
    assert thrice > 15


def test_random_scenes_come_from_the_generator_alone():
    assert some_scenes(20, seed=1) == some_scenes(20, seed=1)
    assert some_scenes(20, seed=1) != some_scenes(20, seed=2)


# URLs.


@given(any_scene)
def test_a_url_gives_its_scene_back(scene):
    assert scene_from_url(scene.url) == scene


@given(any_scene)
def test_a_url_is_short_plain_text(scene):
    assert scene.url.startswith("scene://")
    assert scene.url.isascii()
    assert scene.url.isprintable()
    assert " " not in scene.url
    assert len(scene.url) <= 63


def test_different_scenes_have_different_urls():
    drawn = set(some_scenes(2000))
    assert len({scene.url for scene in drawn}) == len(drawn)


def test_a_url_may_spell_names_out():
    spelt = "scene://sea/orange-mushroom-m2080/yellow-umbrella-s7085?1f"
    short = "scene://sea/ora-mush-m2080/yel-umbr-s7085?1f"
    assert scene_from_url(spelt) == scene_from_url(short)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.org/picture.jpg",
        "scene://",
        "scene://sea/red-boat-m5080",
        "scene://sea/red-boat-m5080?",
        "scene://sea/red-boat-m5080?xyz",
        "scene://sea/red-boat-m5080?1000",
        "scene://sea/red-boat-x5080?1",
        "scene://sea/red-boat-m508?1",
        "scene://sea/red-boat-m5080/?1",
        "scene://sea//red-boat-m5080?1",
        "scene://sea/red-boat-m5080?1\n",
        "scene://sea/red-boat-m\u0665080?1",
        "scene://mars/red-boat-m5080?1",
        "scene://sea/red-tank-m5080?1",
        "scene://sea/grey-boat-m5080?1",
        "scene://sea/red-boat-m5080/red-boat-m2080?1",
        "scene://sea" + "/red-boat-m5080" * 4 + "?1",
    ],
)
def test_a_malformed_url_gets_one_clear_sentence(url):
    with pytest.raises(ValueError, match=r"^[^\n]*(;|\()[^\n]*\.$"):
        scene_from_url(url)


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_fail_otherwise(text):
    for url in (text, "scene://" + text, f"scene://sea/{text}?1"):
        try:
            scene = scene_from_url(url)
        except ValueError:
            continue
        assert isinstance(scene, Scene)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "tank"}, "kind of thing 'tank'"),
        ({"colour": "grey"}, "colour 'grey'"),
        ({"size": "vast"}, "size 'vast'"),
        ({"x": 100}, "percent"),
        ({"y": -1}, "percent"),
    ],
)
def test_a_thing_that_cannot_be_drawn_is_refused(change, message):
    right = {"kind": "car", "colour": "red", "size": "small", "x": 50, "y": 80}
    with pytest.raises(ValueError, match=message):
        Thing(**right | change)


@pytest.mark.parametrize("seed", [-1, scenes.SEEDS])
def test_a_seed_that_no_url_can_hold_is_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        alone("car", "red", seed=seed)


# Pictures.


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 9), (9, 1), (5, 3), (64, 64), (97, 131), (200, 60), (240, 320)]
)
def test_a_picture_has_the_size_asked_for(size):
    for ground in scenes.GROUNDS:
        picture = draw(Scene(ground, some_scenes(1, seed=4)[0].things), size)
        assert picture.shape == (*size, 3)
        assert picture.dtype == np.uint8


@given(any_scene)
def test_any_scene_can_be_drawn(scene):
    assert draw(scene, (24, 32)).shape == (24, 32, 3)


@pytest.mark.parametrize("size", [(0, 10), (10, 0), (-1, 5)])
def test_a_picture_without_pixels_is_refused(size):
    with pytest.raises(ValueError, match="no pixels"):
        draw(alone("car", "red"), size)


def test_two_processes_draw_the_same_bytes():
    program = (
        "import hashlib, numpy as np\n"
        "from cs231n.drawing.scenes.scene import draw, random_scene\n"
        "rng = np.random.default_rng(7)\n"
        "some = [draw(random_scene(rng)).tobytes() for _ in range(12)]\n"
        "print(hashlib.sha256(b''.join(some)).hexdigest())\n"
    )
    here = hashlib.sha256(b"".join(draw(s).tobytes() for s in some_scenes(12, seed=7)))
    for salt in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here.hexdigest()


def test_drawing_other_scenes_in_between_changes_nothing():
    first, *others = some_scenes(15, seed=3)
    before = draw(first)
    for scene in others:
        draw(scene, (60, 90))
    assert np.array_equal(before, draw(first))


def test_the_seed_varies_the_picture():
    assert not np.array_equal(
        draw(alone("cat", "red", seed=1)), draw(alone("cat", "red", seed=2))
    )


def things_on_grounds():
    """Return every thing on every ground; the slow ones are most of them."""
    # Each thing once, and each ground about equally often.
    once = set(zip(scenes.THINGS, itertools.cycle(scenes.GROUNDS), strict=False))
    return [
        pytest.param(*pair, marks=() if pair in once else pytest.mark.slow)
        for pair in itertools.product(scenes.THINGS, scenes.GROUNDS)
    ]


@pytest.mark.parametrize(("kind", "ground"), things_on_grounds())
def test_a_thing_shows_mostly_its_own_colour(kind, ground):
    box = (slice(50, 220), slice(60, 260))
    pictures = {c: draw(alone(kind, c, ground))[box] for c in scenes.COLOURS}
    # What differs between colours is the thing itself, without details and backdrop.
    stack = np.stack(list(pictures.values())).astype(int)
    painted = np.ptp(stack, axis=0).max(axis=-1) > 60
    assert painted.mean() > 0.1
    names = list(scenes.COLOURS)
    palette = hue_and_value(np.array([scenes.COLOURS[c] for c in names]))
    for colour, picture in pictures.items():
        seen = hue_and_value(picture[painted].astype(int))
        nearest = ((seen[:, None] - palette) ** 2).sum(axis=-1).argmin(axis=1)
        counts = np.bincount(nearest, minlength=len(names))
        assert names[int(counts.argmax())] == colour
        assert counts.max() > 0.5 * counts.sum()


def hue_and_value(rgb):
    """Return a point (..., 4) for each colour that shading moves only a little."""
    hue = rgb / np.maximum(np.linalg.norm(rgb, axis=-1, keepdims=True), 1)
    return np.concatenate([hue, rgb.max(axis=-1, keepdims=True) / 255 / 2], axis=-1)


def test_a_larger_thing_covers_more_of_the_picture():
    covered = []
    for size in scenes.SIZES:
        red, blue = (draw(alone("star", c, size=size)) for c in ("red", "blue"))
        covered.append((np.abs(red.astype(int) - blue).max(-1) > 60).mean())
    assert covered == sorted(covered)
    assert covered[-1] > 2 * covered[0]


def test_grounds_look_different():
    means = [
        draw(Scene(g, (Thing("star", "red", "small", 50, 40),)))[200:].mean((0, 1))
        for g in scenes.GROUNDS
    ]
    gaps = [np.abs(p - q).max() for i, p in enumerate(means) for q in means[:i]]
    assert min(gaps) > 12


# The command.


def test_the_command_writes_a_sheet(tmp_path, capsys):
    out = tmp_path / "new" / "sheet.png"
    arguments = ["--out", str(out), "--rows", "2", "--cols", "3", "--seed", "5"]
    assert scenes.main(arguments) == 0
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert image.size == (3 * 328, 2 * 248)
    assert [path.name for path in out.parent.iterdir()] == ["sheet.png"]
    assert "6 scenes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value"), [("--rows", "0"), ("--cols", "-1"), ("--seed", "-1")]
)
def test_the_command_refuses_numbers_without_meaning(option, value, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        scenes.main(["--out", str(tmp_path / "a.png"), option, value])
    assert stop.value.code == 2
    assert "must" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_the_command_says_where_it_cannot_write(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        scenes.main(["--out", str(tmp_path / "file" / "a.png"), "--rows", "1"])
    assert stop.value.code == 1
    assert "could not be written" in capsys.readouterr().err


def test_the_command_explains_itself():
    shown = subprocess.run(
        [sys.executable, "-m", SHEET, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in ("--out", "--seed", "--rows", "--cols"):
        assert option in shown.stdout


def test_three_things_of_the_widest_kind_fit_side_by_side():
    widest = max(kind.width for kind in KINDS.values())
    assert scenes.SIZES["small"] * widest * 75 <= 100 / 3 - 2
