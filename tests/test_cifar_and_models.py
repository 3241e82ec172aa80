"""CIFAR-10 and pickled models: files of old read without running anything in them."""

import pickle

import numpy as np
import pytest

from cs231n import datasets
from cs231n.data_utils import (
    get_CIFAR10_data,
    load_CIFAR10,
    load_CIFAR_batch,
    load_models,
)

SIZE = 8  # pictures in a batch


def write_batch(file, first, **changes):
    """Write a batch whose picture i has the red level i, green 100 and blue 200."""
    numbers = np.arange(first, first + SIZE)
    pixels = np.zeros((SIZE, 3, 32, 32), np.uint8)
    pixels[:, 0], pixels[:, 1], pixels[:, 2] = numbers[:, None, None], 100, 200
    pixels[:, 0, 0, 5] = 255  # upper edge, sixth column
    batch = {"data": pixels.reshape(SIZE, -1), "labels": (numbers % 10).tolist()}
    file.write_bytes(pickle.dumps(batch | changes, protocol=2))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path])
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(1, 6):
        write_batch(folder / f"data_batch_{number}", (number - 1) * SIZE)
    write_batch(folder / "test_batch", 100)
    return folder


def test_a_batch_has_channels_last_and_pixels_in_place(folder):
    X, Y = load_CIFAR_batch(folder / "data_batch_2")

    assert X.shape == (SIZE, 32, 32, 3)
    assert X.dtype == np.float64
    assert X[3, 20, 20].tolist() == [SIZE + 3, 100, 200]
    assert X[3, 0, 5, 0] == 255
    assert Y.tolist() == [(SIZE + i) % 10 for i in range(SIZE)]


def test_what_python_2_wrote_can_be_read(tmp_path):
    # As in the real files: protocol 2 with texts of bytes, the array's content a str.
    data = np.arange(3072, dtype=np.uint8) % 251
    file = tmp_path / "batch"
    file.write_bytes(
        b"\x80\x02}(U\x06labels](K\x07eU\x04datac"
        b"numpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R("
        b"K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x00\x0c\x00\x00"
        + data.tobytes()
        + b"tbu."
    )
    X, Y = load_CIFAR_batch(file)

    assert Y.tolist() == [7]
    np.testing.assert_array_equal(X[0].transpose(2, 0, 1).ravel(), data)


def test_all_batches_follow_one_another(folder):
    Xtr, Ytr, Xte, Yte = load_CIFAR10(folder)

    assert Xtr[:, 9, 9, 0].tolist() == list(range(5 * SIZE))
    assert Ytr.tolist() == [i % 10 for i in range(5 * SIZE)]
    assert Xte[:, 9, 9, 0].tolist() == list(range(100, 100 + SIZE))
    assert Yte.shape == (SIZE,)


@pytest.mark.usefixtures("folder")
def test_data_are_split_channels_first_minus_the_training_mean():
    sizes = {"num_training": 20, "num_validation": 6, "num_test": 3}
    plain = get_CIFAR10_data(**sizes, subtract_mean=False)
    data = get_CIFAR10_data(**sizes)

    assert list(data) == [f"{x}_{s}" for s in ("train", "val", "test") for x in "Xy"]
    for split, number in (("train", 20), ("val", 6), ("test", 3)):
        assert data[f"X_{split}"].shape == (number, 3, 32, 32)
        assert data[f"y_{split}"].shape == (number,)
        np.testing.assert_allclose(
            data[f"X_{split}"], plain[f"X_{split}"] - plain["X_train"].mean(axis=0)
        )
    assert plain["X_val"][:, 0, 9, 9].tolist() == list(range(20, 26))
    assert data["X_train"].flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_training": 40}, "at most 40 together"),
        ({"num_training": 0}, "take at least one"),
        ({"num_training": 9, "num_validation": 9, "num_test": 9}, "there are 8"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_sizes_that_are_not_there_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        get_CIFAR10_data(**sizes)


def test_missing_files_are_named(tmp_path, monkeypatch, folder):
    (folder / "data_batch_3").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"data_batch_3; fetch CIFAR-10: .*get cifar10"
    ):
        load_CIFAR10(folder)
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path / "elsewhere"])
    with pytest.raises(
        FileNotFoundError, match=r"cifar-10-batches-py .*elsewhere: .*get cifar10"
    ):
        get_CIFAR10_data()


class Hostile:
    def __reduce__(self):
        return (print, ("this ran",))


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": [1, 2]},
        {"labels": ["a"] * SIZE},
        {"data": np.zeros((SIZE, 100), np.uint8)},
        {"data": Hostile()},
    ],
)
def test_batches_that_are_none_are_named(folder, capsys, changes):
    write_batch(folder / "data_batch_1", 0, **changes)

    with pytest.raises(ValueError, match="data_batch_1 is no batch of CIFAR-10"):
        load_CIFAR_batch(folder / "data_batch_1")
    assert "this ran" not in capsys.readouterr().out


def test_a_truncated_batch_is_named(folder):
    file = folder / "test_batch"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"test_batch is no batch.*again"):
        load_CIFAR_batch(file)


def test_models_are_loaded_and_the_rest_is_left_out(tmp_path, capsys):
    model = {"W1": np.eye(2), "depth": 3}
    (tmp_path / "good").write_bytes(pickle.dumps({"model": model}))
    (tmp_path / "hostile").write_bytes(pickle.dumps({"model": Hostile()}))
    (tmp_path / "other").write_bytes(pickle.dumps({"net": 1}))
    (tmp_path / "list").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "notes.txt").write_text("no pickle")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    models = load_models(tmp_path)

    assert list(models) == ["good"]
    assert models["good"]["depth"] == 3
    np.testing.assert_array_equal(models["good"]["W1"], np.eye(2))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 5
    assert all(line.startswith("Left out: ") for line in said)
    for name in ("empty", "hostile", "list", "notes.txt", "other"):
        assert any(name in line for line in said)
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_models(tmp_path / "elsewhere")
