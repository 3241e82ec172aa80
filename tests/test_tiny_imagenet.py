"""TinyImageNet's loader, on small folders and on every way to spoil one."""

import shutil

import numpy as np
import pytest

from cs231n import datasets
from cs231n.data_utils import find_tiny_imagenet, load_tiny_imagenet
from cs231n.datasets.readers import tiny_imagenet
from cs231n.embedded import tiny_folder, tiny_model
from tests.tiny_files import LEVELS, WNIDS, write_folder, write_picture


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("tiny") / "some-pictures")


@pytest.fixture
def folder(whole, tmp_path):
    """Return a copy that a test may spoil."""
    return shutil.copytree(whole, tmp_path / "pictures")


def test_shapes_types_and_names(whole):
    data = load_tiny_imagenet(whole)

    assert set(data) == {
        "class_names",
        "mean_image",
        *(f"{x}_{split}" for x in "Xy" for split in ("train", "val", "test")),
    }
    for split, number in (("train", 9), ("val", 6), ("test", 6)):
        assert data[f"X_{split}"].shape == (number, 3, 64, 64)
        assert data[f"X_{split}"].dtype == np.float32
        assert data[f"y_{split}"].shape == (number,)
        assert data[f"y_{split}"].dtype == np.int64
    assert data["mean_image"].shape == (3, 64, 64)
    assert data["mean_image"].dtype == np.float32
    # In the order of wnids.txt; the class that words.txt forgot is called by its wnid.
    assert data["class_names"] == [["n02"], ["frog", "toad"], ["stone"]]


def test_pictures_lie_with_their_classes(whole):
    data = load_tiny_imagenet(whole, subtract_mean=False)

    for split in ("train", "val", "test"):
        for x, label in zip(data[f"X_{split}"], data[f"y_{split}"], strict=True):
            corner = x[:, -1, -1]
            np.testing.assert_allclose(corner, LEVELS[WNIDS[label]], atol=3)
            # Rows and columns are not mixed up with channels.
            np.testing.assert_allclose(x[:, 0, 0], corner - 8, atol=4)


def test_gray_files_get_three_equal_channels(whole):
    data = load_tiny_imagenet(whole, subtract_mean=False)
    stones = data["X_train"][data["y_train"] == 2]

    assert len(stones) == 3
    assert (stones == stones[:, :1]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float16"])
def test_the_training_mean_is_taken_off_all_splits(whole, dtype):
    plain = load_tiny_imagenet(whole, dtype, subtract_mean=False)
    data = load_tiny_imagenet(whole, dtype)

    np.testing.assert_allclose(
        plain["mean_image"], plain["X_train"].astype(float).mean(axis=0), rtol=1e-3
    )
    for split in ("train", "val", "test"):
        assert data[f"X_{split}"].dtype == np.dtype(dtype)
        restored = data[f"X_{split}"] + data["mean_image"]
        np.testing.assert_allclose(restored, plain[f"X_{split}"], atol=0.2)
    assert abs(data["X_train"].mean(dtype=float)) < 0.1


def test_whole_numbers_are_kept_as_they_are(whole):
    data = load_tiny_imagenet(whole, np.uint8, subtract_mean=False)

    assert data["X_val"].dtype == np.uint8
    assert data["mean_image"].dtype == np.float32
    with pytest.raises(TypeError, match=r"no uint8; ask for a floating point dtype"):
        load_tiny_imagenet(whole, np.uint8)


def test_test_pictures_come_in_the_order_of_their_names(tmp_path):
    folder = write_folder(tmp_path / "x", test=1, annotated=False)
    data = load_tiny_imagenet(folder, subtract_mean=False)

    assert data["y_test"] is None
    expected = [LEVELS[wnid] for wnid in WNIDS]
    np.testing.assert_allclose(data["X_test"][:, :, -1, -1], expected, atol=3)


def test_progress_is_a_line_for_every_twenty_classes(whole, capsys, monkeypatch):
    load_tiny_imagenet(whole)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(tiny_imagenet, "_PROGRESS_EVERY", 2)
    load_tiny_imagenet(whole)
    assert capsys.readouterr().out.splitlines() == [
        "Loading the training pictures: class 2 of 3"
    ]
    load_tiny_imagenet(whole, verbose=False)
    assert capsys.readouterr().out == ""


# What can be wrong with a folder: how it is spoilt, the error, what it says.
def remove(name):
    def spoil(folder):
        target = folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return spoil


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def truncate(name):
    def spoil(folder):
        file = folder / name
        file.write_bytes(file.read_bytes()[:400])

    return spoil


def shrink(folder):
    write_picture(folder / "val/images/val_3.JPEG", (9, 9, 9), side=32)


def empty(folder):
    for file in (folder / "test/images").iterdir():
        file.unlink()


SPOILT = {
    "no list of classes": (remove("wnids.txt"), OSError, r"wnids\.txt is missing"),
    "an empty list": (write("wnids.txt", "\n"), ValueError, r"wnids\.txt names no"),
    "a class twice": (write("wnids.txt", "n00\nn00\n"), ValueError, "class n00 twice"),
    "no words": (remove("words.txt"), OSError, r"words\.txt is missing"),
    "a class missing": (remove("train/n00"), OSError, r"n00_boxes\.txt is missing"),
    "a class without pictures": (
        write("train/n00/n00_boxes.txt", ""),
        ValueError,
        r"n00_boxes\.txt names no picture",
    ),
    "a training picture missing": (
        remove("train/n01/images/n01_2.JPEG"),
        OSError,
        r"n01_boxes\.txt names n01_2\.JPEG, and there is no",
    ),
    "a truncated picture": (
        truncate("train/n00/images/n00_1.JPEG"),
        ValueError,
        r"n00_1\.JPEG is no picture that can be read",
    ),
    "something that is no picture": (
        write("val/images/val_0.JPEG", "<html>not found</html>"),
        ValueError,
        r"val_0\.JPEG is no picture that can be read",
    ),
    "a picture of another size": (shrink, ValueError, r"val_3\.JPEG has 32 by 32"),
    "a mislabelled training picture": (
        write("train/n00/n00_boxes.txt", "n01_0.JPEG\t0\t0\t63\t63\n"),
        ValueError,
        r"n00_boxes\.txt of class n00 names n01_0\.JPEG, a picture of class n01",
    ),
    "a mislabelled validation picture": (
        write("val/val_annotations.txt", "val_0.JPEG\tn77\t0\t0\t63\t63\n"),
        ValueError,
        r"val_annotations\.txt, line 1: val_0\.JPEG .* class 'n77'",
    ),
    "two labels for one picture": (
        write("val/val_annotations.txt", "val_0.JPEG\tn00\nval_0.JPEG\tn01\n"),
        ValueError,
        r"line 2: val_0\.JPEG is of another class further up",
    ),
    "a line without a label": (
        write("val/val_annotations.txt", "val_0.JPEG\n"),
        ValueError,
        r"line 1: val_0\.JPEG is said to be of class ''",
    ),
    "no annotations": (
        remove("val/val_annotations.txt"),
        OSError,
        r"val_annotations\.txt is missing",
    ),
    "annotations that name an absent file": (
        remove("val/images/val_5.JPEG"),
        OSError,
        r"val_annotations\.txt names val_5\.JPEG, and there is no",
    ),
    "no validation pictures": (
        write("val/val_annotations.txt", ""),
        ValueError,
        r"val_annotations\.txt names no picture",
    ),
    "no test folder": (remove("test"), OSError, r"images is missing"),
    "no test pictures": (empty, ValueError, r"There is no picture in .*test"),
    "a test picture that is not annotated": (
        write("test/test_annotations.txt", "test_0.JPEG\tn00\n"),
        ValueError,
        r"test_annotations\.txt does not say what test_1\.JPEG shows",
    ),
    "bytes for text": (
        lambda folder: (folder / "words.txt").write_bytes(b"\xff\xfe\x00"),
        ValueError,
        r"words\.txt is no text file",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_wrong_is_named(folder, how):
    spoil, error, message = SPOILT[how]
    spoil(folder)

    with pytest.raises(error, match=message) as raised:
        load_tiny_imagenet(folder)
    # And what to do about it.
    assert "python -m cs231n.datasets get tiny_imagenet_a" in str(raised.value)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*elsewhere"):
        load_tiny_imagenet(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="file is a file"):
        load_tiny_imagenet(tmp_path / "file")


# Which pictures are used when none are named


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path / "data"])
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_the_originals_name_finds_it_in_the_data_folder(data_folder):
    write_folder(data_folder / "tiny-imagenet-100-A")
    data = load_tiny_imagenet("cs231n/datasets/tiny-imagenet-100-A")

    assert len(data["class_names"]) == 3


def test_without_it_pictures_are_drawn(data_folder, monkeypatch, capsys):
    drawn = write_folder(data_folder / "drawn")
    monkeypatch.setattr(tiny_folder, "ensure", lambda: drawn)
    data = load_tiny_imagenet("cs231n/datasets/tiny-imagenet-100-A")

    assert len(data["class_names"]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "tiny-imagenet-100-A is not in the data folder: using drawn pictures."
    ]


@pytest.mark.parametrize("there", [(), ("pictures",), ("network",)])
def test_pictures_and_network_belong_together(data_folder, monkeypatch, capsys, there):
    asked = []

    def ensure(quick):
        asked.append(quick)
        return data_folder / "drawn", data_folder / "drawn.h5"

    monkeypatch.setattr(tiny_model, "ensure", ensure)
    if "pictures" in there:
        write_folder(data_folder / "tiny-imagenet-100-A")
    if "network" in there:
        (data_folder / "pretrained_model.h5").touch()

    assert find_tiny_imagenet(quick=True) == (
        data_folder / "drawn",
        data_folder / "drawn.h5",
    )
    assert asked == [True]
    assert capsys.readouterr().out.count("\n") == 1


def test_the_originals_are_used_where_both_are(data_folder, monkeypatch, capsys):
    monkeypatch.setattr(tiny_model, "ensure", None)
    folder = write_folder(data_folder / "tiny-imagenet-100-A")
    file = data_folder / "pretrained_model.h5"
    file.touch()

    assert find_tiny_imagenet() == (folder, file)
    assert str(file) in capsys.readouterr().out
    assert find_tiny_imagenet(verbose=False) == (folder, file)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["train/n00/n00_boxes.txt", "val/val_annotations.txt"])
def test_a_list_that_was_cut_off_is_told(folder, capsys, name):
    load_tiny_imagenet(folder)
    assert capsys.readouterr().out == ""
    lines = (folder / name).read_text().splitlines(keepends=True)
    (folder / name).write_text("".join(lines[:-1]))
    load_tiny_imagenet(folder)
    said = capsys.readouterr().out
    assert f"names {len(lines) - 1} pictures and leaves out 1, such as " in said
