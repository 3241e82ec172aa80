"""The drawn stand-in of TinyImageNet: its classes, its files, whole or not at all."""

import contextlib
import json
import os
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from cs231n import datasets
from cs231n.data_utils import load_tiny_imagenet
from cs231n.drawing.scenes.scene import COLOURS
from cs231n.drawing.small import LABELS, draw_picture
from cs231n.embedded import tiny_folder
from cs231n.embedded.tiny_folder import Sizes
from cs231n.support import folders

SMALL = Sizes(train=2, val=1, test=1)


def names(folder):
    return {path.name for path in folder.iterdir()}


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    parent = tmp_path_factory.mktemp("data")
    built = tiny_folder.build(parent / "tiny", SMALL)
    assert names(parent) == {"tiny"}
    return built


@pytest.fixture
def quick(monkeypatch):
    """The rest of the building without what takes long: drawing."""
    monkeypatch.setattr(tiny_folder, "LABELS", LABELS[:4])

    def draw(label, rng):
        level = 20 + 40 * LABELS.index(label)
        return np.uint8(rng.integers(level, level + 8, (64, 64, 3)))

    monkeypatch.setattr(tiny_folder, "draw_picture", draw)


# Classes and pictures


def test_there_are_a_hundred_classes_each_with_names_of_its_own():
    assert len(LABELS) == 100
    assert len({label.wnid for label in LABELS}) == 100
    assert len({(label.kind, label.colour) for label in LABELS}) == 100
    every = [name for label in LABELS for name in label.names]
    assert len(set(every)) == len(every)
    assert all("," not in name and "_" not in name for name in every)
    assert all("_" not in label.wnid for label in LABELS)


def test_the_generator_decides_everything_but_the_class():
    first, again, other = (
        draw_picture(LABELS[7], np.random.default_rng(seed)) for seed in (5, 5, 6)
    )

    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.3


def test_the_thing_in_the_middle_has_its_colour():
    # Averaged over pictures, what differs between two classes is where the thing is.
    red, blue = (
        next(x for x in LABELS if (x.kind, x.colour) == ("car", colour))
        for colour in ("red", "blue")
    )
    means = []
    for label in (red, blue):
        drawn = [draw_picture(label, np.random.default_rng([9, i])) for i in range(30)]
        means.append(np.mean(drawn, axis=0)[30:60, 16:48].mean(axis=(0, 1)))
    difference = means[0] - means[1]
    wanted = np.subtract(COLOURS["red"], COLOURS["blue"])

    assert difference[0] > 20  # more red
    assert difference[2] < -20  # less blue
    assert np.corrcoef(difference, wanted)[0, 1] > 0.9


# Files


def test_files_lie_as_in_the_original(folder):
    assert names(folder) == {
        *("wnids.txt", "words.txt", "train", "val", "test"),
        *("README.txt", "build.json"),
    }
    wnids = (folder / "wnids.txt").read_text().split()
    assert wnids == [label.wnid for label in LABELS]
    words = dict(
        line.split("\t") for line in (folder / "words.txt").read_text().splitlines()
    )
    assert words[wnids[0]] == ", ".join(LABELS[0].names)
    for wnid in wnids:
        images = names(folder / "train" / wnid / "images")
        boxes = (folder / "train" / wnid / f"{wnid}_boxes.txt").read_text()
        listed = [line.split("\t")[0] for line in boxes.splitlines()]
        assert images == {f"{wnid}_0.JPEG", f"{wnid}_1.JPEG"} == set(listed)
    for split in ("val", "test"):
        lines = (folder / split / f"{split}_annotations.txt").read_text().splitlines()
        rows = [line.split("\t") for line in lines]
        assert {row[0] for row in rows} == names(folder / split / "images")
        assert Counter(row[1] for row in rows) == Counter(wnids)
        assert [row[1] for row in rows] != sorted(row[1] for row in rows)
    for text in folder.rglob("*.txt"):
        assert b"\r" not in text.read_bytes()


def test_pictures_are_jpegs_of_64_by_64_some_of_them_gray(folder):
    modes = Counter()
    for file in folder.rglob("*.JPEG"):
        with Image.open(file) as image:
            assert image.format == "JPEG"
            assert image.size == (64, 64)
            modes[image.mode] += 1
    assert modes.total() == 100 * sum(SMALL)
    assert set(modes) == {"L", "RGB"}
    assert 0.005 < modes["L"] / modes.total() < 0.1


def test_the_loader_reads_it(folder):
    data = load_tiny_imagenet(folder, verbose=False)

    assert data["X_train"].shape == (200, 3, 64, 64)
    assert np.bincount(data["y_train"]).tolist() == [2] * 100
    assert np.bincount(data["y_val"]).tolist() == [1] * 100
    assert np.bincount(data["y_test"]).tolist() == [1] * 100
    assert data["class_names"] == [list(label.names) for label in LABELS]
    # No picture is there twice, in one split or in two.
    X = np.concatenate([data["X_train"], data["X_val"], data["X_test"]])
    assert len(np.unique(X.reshape(len(X), -1), axis=0)) == len(X)


@pytest.mark.usefixtures("quick")
def test_the_seed_decides_every_byte(tmp_path):
    first, again, other = (
        contents(tiny_folder.build(tmp_path / name, SMALL, seed, progress=False))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )

    assert first == again
    assert first.keys() != other.keys() or first != other
    assert json.loads(first["build.json"])["seed"] == 1


@pytest.mark.usefixtures("quick")
def test_made_once_and_again_when_the_code_changes(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path])
    assert tiny_folder.find(SMALL) is None
    folder = tiny_folder.ensure(SMALL)
    assert folder.parent == tmp_path
    assert "Drawing 16 small pictures, once" in capsys.readouterr().out
    stamp = (folder / "build.json").stat().st_mtime_ns

    assert tiny_folder.ensure(SMALL) == tiny_folder.find(SMALL) == folder
    assert capsys.readouterr().out == ""
    assert (folder / "build.json").stat().st_mtime_ns == stamp

    monkeypatch.setattr(folders, "code_key", lambda *_: "new code")
    assert tiny_folder.find(SMALL) is None
    tiny_folder.ensure(SMALL)
    assert json.loads((folder / "build.json").read_text())["key"] == "new code"
    (folder / "build.json").write_text("{")
    assert tiny_folder.find(SMALL) is None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path, monkeypatch, error):
    expected = contents(tiny_folder.build(tmp_path / "unbroken", SMALL))
    draw, drawn = tiny_folder.draw_picture, []

    def stop(*arguments):
        if len(drawn) == 10:
            raise error
        drawn.append(draw(*arguments))
        return drawn[-1]

    monkeypatch.setattr(tiny_folder, "draw_picture", stop)
    with pytest.raises(type(error)):
        tiny_folder.build(tmp_path / "tiny", SMALL)
    (pieces,) = names(tmp_path) - {"unbroken"}
    assert pieces.startswith(".tiny-")

    monkeypatch.setattr(
        tiny_folder, "draw_picture", lambda *a: drawn.append(0) or draw(*a)
    )
    drawn.clear()
    folder = tiny_folder.build(tmp_path / "tiny", SMALL)
    assert len(drawn) == 16 - 8  # two classes of four were whole
    assert contents(folder) == expected
    assert names(tmp_path) == {"unbroken", "tiny"}


@pytest.mark.usefixtures("quick")
def test_what_a_killed_build_leaves_is_not_taken_for_a_data_set(tmp_path):
    key = "anything"
    draft = tmp_path / ".tiny-x7abcde_"
    with contextlib.suppress(RuntimeError), folders.building(tmp_path / "t", key) as f:
        f.rename(draft)  # as if the process had ended here
        raise RuntimeError
    assert names(tmp_path) == {draft.name}
    assert not folders.is_built(draft, key)
    # A day later, the next build sweeps it away.
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(draft, (long_ago, long_ago))
    tiny_folder.build(tmp_path / "tiny", SMALL)
    assert names(tmp_path) == {"tiny"}


@pytest.mark.usefixtures("quick")
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_is_said_and_leaves_the_old_data(tmp_path):
    import resource
    import signal

    folder = tiny_folder.build(tmp_path / "tiny", SMALL)
    before = contents(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(OSError, match=r"could not be written to .*; make room"):
            tiny_folder.build(folder, SMALL, seed=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert names(tmp_path) == {"tiny"}
    assert contents(folder) == before


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="holds other things"):
        tiny_folder.build(tmp_path, SMALL)
    assert names(tmp_path) == {"thesis.txt"}


def test_a_folder_may_come_and_go_while_it_is_asked_for(tmp_path):
    draft, target = tmp_path / "draft", tmp_path / "t"
    draft.mkdir()
    (draft / folders.RECORD).touch()
    ended = threading.Event()

    def come_and_go():
        while not ended.is_set():
            draft.rename(target)
            target.rename(draft)

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(1000):
            folders.require_place(target)
    finally:
        ended.set()
        other.join()


@pytest.mark.usefixtures("quick")
def test_two_builders_at_once(tmp_path):
    made = []
    threads = [
        threading.Thread(
            target=lambda: made.append(
                tiny_folder.build(tmp_path / "t", SMALL, progress=False)
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [tmp_path / "t"] * 4
    assert names(tmp_path) == {"t"}


@pytest.mark.usefixtures("quick")
def test_command(tmp_path, capsys):
    out = tmp_path / "small"
    sizes = ["--train", "2", "--val", "1", "--test", "1"]
    assert tiny_folder.main([*sizes, "--out", str(out)]) == 0
    assert "16 pictures" in capsys.readouterr().out
    assert tiny_folder.main(["--train", "0", "--out", str(out)]) == 1
    assert "take at least one of each" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        tiny_folder.main(["--help"])
    assert stop.value.code == 0
