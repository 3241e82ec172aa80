"""Captioned data sets of one's own: chosen by name, loaded, their photos shown."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cs231n.coco_utils import captions_folder, load_coco_data, sample_coco_minibatch
from cs231n.datasets.captions import chosen, record, shown
from cs231n.image_utils import image_from_url, load_image
from cs231n.lab.captions import kind_of
from tests import coco_files

NAMES = {"train": ["a.png", "beach/IMG 1.png", "c.png", "d.png", "été.png"]}
NAMES["val"] = ["beach/v.png", "w.png", "x.png"]


def write(folder, images, seed=0, names=NAMES, **sizes):
    """Write a small data set and its photos; return its folder."""
    content = coco_files.arrays(seed, **sizes)
    for split, listed in names.items():
        content[f"{split}_urls"] = listed
    coco_files.write(folder, content)
    made = {"name": folder.name, "made_by": record.MADE_BY, "images": str(images)}
    (folder / record.RECORD).write_text(json.dumps(made), "utf-8")
    rng = np.random.default_rng(seed)
    for name in [*names["train"], *names["val"]]:
        if not Path(name).is_absolute() and ".." not in name:
            file = images / name
            file.parent.mkdir(parents=True, exist_ok=True)
            paint(file, rng)
    return folder


def paint(file, rng):
    pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    """An empty data folder, no choice, and no names of photos that others loaded."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("CS231N_DATA_DIR", str(folder))
    monkeypatch.setattr("cs231n.datasets.search_path", lambda: [folder])
    monkeypatch.setattr(shown, "_folders", {})
    return folder


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "holiday photos"
    folder.mkdir()
    return folder


@pytest.fixture
def holiday(data_folder, images):
    return write(data_folder / "holiday", images)


def choose(monkeypatch, choice):
    monkeypatch.setenv(chosen.VARIABLE, str(choice))


def refused(capsys, url):
    """Return the one line that says why a picture is not shown."""
    shown = image_from_url(url)
    assert shown.shape == (240, 320, 3)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    return said


# Choosing.


@pytest.mark.parametrize("how", ["by name", "by folder", "by base_dir"])
def test_a_data_set_is_chosen(monkeypatch, holiday, capsys, how):
    if how != "by base_dir":
        choose(monkeypatch, "holiday" if how == "by name" else holiday)
        assert captions_folder() == holiday
    data = load_coco_data(holiday) if how == "by base_dir" else load_coco_data()
    assert data["train_urls"].tolist() == NAMES["train"]
    assert data["val_urls"].tolist() == NAMES["val"]
    assert kind_of(data) == "photos"
    assert capsys.readouterr().out == ""


def test_a_relative_folder_is_one_from_here(monkeypatch, holiday):
    monkeypatch.chdir(holiday.parent.parent)
    choose(monkeypatch, Path("data", "holiday"))
    assert captions_folder() == holiday
    assert load_coco_data()["val_urls"].tolist() == NAMES["val"]


def test_a_choice_goes_before_the_course_s_own(monkeypatch, data_folder, holiday):
    coco = coco_files.write(data_folder / "coco_captioning", coco_files.arrays(seed=1))
    assert captions_folder() == coco
    choose(monkeypatch, "holiday")
    assert captions_folder() == holiday
    choose(monkeypatch, "coco_captioning")
    assert captions_folder() == coco
    choose(monkeypatch, "")
    assert captions_folder() == coco


def test_an_explicit_folder_goes_before_a_choice(monkeypatch, tmp_path, holiday):
    del holiday
    choose(monkeypatch, "holiday")
    other = coco_files.write(tmp_path / "other", coco_files.arrays(seed=1))
    assert load_coco_data(other)["val_urls"][0] == "scene://val/0"


@pytest.mark.parametrize("others", [(), ("holiday",), ("holiday", "zoo")])
def test_an_unknown_name_is_answered_with_those_that_exist(
    monkeypatch, data_folder, images, others
):
    for name in others:
        write(data_folder / name, images)
    (data_folder / ".holiday-draft").mkdir()
    coco_files.write(data_folder / ".holiday-draft")  # a build that was killed
    choose(monkeypatch, "hoilday")
    with pytest.raises(FileNotFoundError) as caught:
        load_coco_data()
    said = str(caught.value)
    assert said.count("\n") == 0
    assert "CS231N_CAPTIONS: no captioned data set is called 'hoilday'; there " in said
    assert (", ".join(others) or "none yet") in said
    assert "draft" not in said
    assert "python -m cs231n.datasets build captions --images" in said


@pytest.mark.parametrize("choice", ["photos", "./photos", "..", "no/such/folder"])
def test_a_folder_that_is_no_data_set_is_called_one(monkeypatch, tmp_path, choice):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    choose(monkeypatch, choice)
    with pytest.raises(FileNotFoundError, match=r"holds no coco2014_captions\.h5"):
        captions_folder()


def test_kinds_of_data():
    for url, kind in [
        ("scene://beach/red-car-m5080?0", "scenes"),
        ("http://images.cocodataset.org/val2017/1.jpg", "coco"),
        ("1.jpg", "photos"),
    ]:
        assert kind_of({"val_urls": np.array([url])}) == kind


# Drawing.


@pytest.mark.parametrize("wanted", [5, 50])
def test_few_captions_are_of_different_photos(data_folder, images, wanted):
    names = {"train": [f"{n}.png" for n in range(50)], "val": NAMES["val"]}
    folder = write(
        data_folder / "many", images, names=names, train=250, pictures=(50, 3)
    )
    there = np.unique(load_coco_data(folder)["train_image_idxs"])
    wanted = min(wanted, len(there))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn = load_coco_data(folder, max_train=wanted, rng=rng)["train_image_idxs"]
        assert len(set(drawn.tolist())) == wanted
    assert len(load_coco_data(folder, max_train=80)["train_image_idxs"]) == 80


# Photos.


def test_photos_are_shown_by_their_names(holiday, images, capsys):
    data = load_coco_data(holiday)
    for split, listed in NAMES.items():
        for name in listed:
            assert name in data[f"{split}_urls"]
            np.testing.assert_array_equal(
                image_from_url(name), load_image(images / name)
            )
    _, _, urls = sample_coco_minibatch(data, 4, rng=np.random.default_rng(0))
    for url in urls:
        assert image_from_url(url).shape == (6, 8, 3)
    assert capsys.readouterr().out == ""


def test_a_choice_alone_shows_photos_too(monkeypatch, holiday, images, tmp_path):
    del holiday
    choose(monkeypatch, "holiday")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(
        image_from_url("beach/v.png"), load_image(images / "beach" / "v.png")
    )


def test_the_data_set_that_was_loaded_last_counts(data_folder, holiday, tmp_path):
    other = write(data_folder / "other", tmp_path / "others", seed=1)
    for folder, images in [
        (holiday, tmp_path / "holiday photos"),
        (other, tmp_path / "others"),
        (holiday, tmp_path / "holiday photos"),
    ]:
        load_coco_data(folder)
        np.testing.assert_array_equal(
            image_from_url("w.png"), load_image(images / "w.png")
        )


OUTSIDE = [
    "../secret.png",
    "beach/../../secret.png",
    "..\\secret.png",
    "beach\\..\\..\\secret.png",
    "C:\\photos\\secret.png",
    "C:secret.png",
    "\\\\server\\share\\secret.png",
    "\\secret.png",
    "{outside}/secret.png",
    "file://{outside}/secret.png",
    "file:{outside}/secret.png",
    "file:../secret.png",
    "//server/share/secret.png",
    "link.png",
    "folder/secret.png",
]


@pytest.fixture
def outside(tmp_path, images, rng):
    """A photo that nobody may see, and links to it in the folder of photos."""
    paint(tmp_path / "secret.png", rng)
    try:
        (images / "link.png").symlink_to(tmp_path / "secret.png")
        (images / "folder").symlink_to(tmp_path, target_is_directory=True)
    except OSError:  # Windows grants links to few
        pytest.skip("this system makes no links")
    return tmp_path


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("how", ["listed", "chosen"])
def test_nothing_outside_the_folder_is_shown(
    monkeypatch, data_folder, images, outside, capsys, how, name
):
    name = name.format(outside=outside.as_posix())
    monkeypatch.chdir(images)
    if how == "listed":  # a data set from elsewhere may say anything
        names = {"train": [name, *NAMES["train"][1:]], "val": NAMES["val"]}
        folder = write(data_folder / "odd", images, names=NAMES)
        urls = "".join(f"{url}\n" for url in names["train"])
        (folder / "train2014_urls.txt").write_text(urls, "utf-8")
        name = str(load_coco_data(folder)["train_urls"][0])
    else:
        write(data_folder / "holiday", images)
        choose(monkeypatch, "holiday")
    said = refused(capsys, name)
    assert "only files in there are shown" in said
    assert "holiday photos" in said


def test_links_inside_the_folder_are_followed(holiday, images, outside):
    del outside
    (images / "w.png").unlink()
    (images / "w.png").symlink_to(images / "x.png")
    load_coco_data(holiday)
    np.testing.assert_array_equal(image_from_url("w.png"), load_image(images / "x.png"))


def test_a_name_may_look_like_an_address(data_folder, images, capsys):
    names = {"train": NAMES["train"], "val": ["http://127.0.0.1/x.png", "w.png", "x"]}
    folder = write(data_folder / "odd", images, names=NAMES)
    urls = "".join(f"{url}\n" for url in names["val"])
    (folder / "val2014_urls.txt").write_text(urls, "utf-8")
    load_coco_data(folder)
    assert "no such file" in refused(capsys, names["val"][0])  # nothing is fetched


@pytest.mark.parametrize("gone", ["the photo", "the folder"])
def test_a_photo_that_is_gone_is_told(holiday, images, capsys, gone):
    load_coco_data(holiday)
    if gone == "the photo":
        (images / "w.png").unlink()
    else:
        images.rename(images.with_name("moved"))
    said = refused(capsys, "w.png")
    assert "w.png" in said
    assert "no such file" in said


def test_other_pictures_are_shown_as_before(monkeypatch, holiday, tmp_path, rng):
    paint(tmp_path / "mine.png", rng)
    load_coco_data(holiday)
    monkeypatch.chdir(tmp_path)
    for url in ["mine.png", tmp_path / "mine.png", (tmp_path / "mine.png").as_uri()]:
        assert image_from_url(url).shape == (6, 8, 3)
    choose(monkeypatch, "holiday")
    assert image_from_url("scene://beach/red-car-m5080?0").shape == (240, 320, 3)


def test_the_course_s_own_data_have_no_folder_of_photos(
    monkeypatch, data_folder, tmp_path, rng
):
    coco_files.write(data_folder / "coco_captioning")
    paint(tmp_path / "mine.png", rng)
    choose(monkeypatch, "coco_captioning")
    assert image_from_url(tmp_path / "mine.png").shape == (6, 8, 3)


def test_a_choice_that_does_not_exist_is_told_there_too(monkeypatch, capsys):
    choose(monkeypatch, "hoilday")
    assert "no captioned data set is called 'hoilday'" in refused(capsys, "w.png")


def test_tests_are_free_of_a_choice_made_outside():
    assert chosen.VARIABLE not in os.environ
