"""The two photos of 2016: one's own, or packaged ones."""

import numpy as np
import pytest
from PIL import Image

from cs231n import datasets
from cs231n.embedded.photos import load_photo
from cs231n.embedded.sample_pictures import STAND_INS, read_image


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in one empty folder and have another one for data."""
    (tmp_path / "here").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path / "data"])
    return tmp_path


def save(file, rows=20, columns=30, level=90):
    Image.fromarray(np.full((rows, columns, 3), level, np.uint8)).save(file)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", STAND_INS)
def test_packaged_photos_stand_in_and_say_so(name, capsys):
    np.testing.assert_array_equal(read_image(name), load_photo(STAND_INS[name]))
    assert capsys.readouterr().out == (
        f"There is no {name} here: using the packaged photo {STAND_INS[name]}.\n"
    )
    read_image(name, verbose=False)
    assert capsys.readouterr().out == ""


def test_ones_own_comes_first(folder, capsys):
    save(folder / "data" / "kitten.jpg", level=50)
    assert abs(int(read_image("kitten.jpg").mean()) - 50) < 3
    save(folder / "here" / "kitten.jpg", level=150)
    assert abs(int(read_image("kitten.jpg").mean()) - 150) < 3
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"longest": 256}, (170, 256, 3)),
        ({"longest": 1}, (1, 1, 3)),
        ({"size": (64, 64)}, (64, 64, 3)),
        ({"size": (10, 40)}, (10, 40, 3)),
    ],
)
def test_sizes(settings, shape):
    picture = read_image("kitten.jpg", verbose=False, **settings)

    assert picture.shape == shape
    assert picture.dtype == np.uint8


def test_the_longer_side_of_any_picture_becomes_what_is_asked(folder):
    """Seven rows scaled to 61 came out with 60: 7 * (61 / 7) is less than 61."""
    for rows in range(1, 401, 6):
        save(folder / "here" / "any.png", rows=rows, columns=1)
        for longest in (61, 200, 256):
            picture = read_image("any.png", longest)
            assert picture.shape == (longest, max(1, longest // rows), 3)


def test_upright_pictures_stay_upright(folder):
    save(folder / "here" / "tower.png", rows=300, columns=100)

    assert read_image("tower.png", 150).shape == (150, 50, 3)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"longest": 9, "size": (9, 9)}, "give one of them"),
        ({"longest": 0}, "no pixels"),
        ({"size": (0, 5)}, "0x5 has no pixels"),
    ],
)
def test_sizes_that_are_none_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        read_image("kitten.jpg", verbose=False, **settings)


def test_what_is_no_picture_is_named(folder):
    with pytest.raises(FileNotFoundError, match=r"no picture puppy\.jpg.*kitten\.jpg"):
        read_image("puppy.jpg")
    (folder / "here" / "kitten.jpg").write_text("meow")
    with pytest.raises(ValueError, match=r"kitten\.jpg is no picture"):
        read_image("kitten.jpg")
