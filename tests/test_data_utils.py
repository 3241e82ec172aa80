"""Labelled photographs: the course's file where it is, embedded ones where not."""

import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cs231n import datasets
from cs231n.data_utils import load_imagenet_val, load_pickle
from cs231n.embedded import photos

REAL = (
    Path(__file__).resolve().parents[1]
    / "../shared/data/imagenet_val_25/imagenet_val_25.npz"
)
pytestmark = pytest.mark.q3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Let nothing be found outside an empty data folder."""
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path])
    return tmp_path


def write(folder, **changes):
    """Write a file of the course's format with three pictures of a colour each."""
    X = np.zeros((3, 224, 224, 3), np.uint8)
    X += np.array([10, 100, 200], np.uint8)[:, None, None, None]
    arrays = {
        "X": X,
        "y": np.array([1, 999, 0]),
        "label_map": np.array({i: f"class {i}" for i in range(1000)}, dtype=object),
    } | changes
    np.savez(folder / "imagenet_val_25.npz", **arrays)


def require_contract(X, y, class_names, num):
    assert X.shape == (num, 224, 224, 3)
    assert X.dtype == np.uint8
    assert y.shape == (num,)
    assert y.dtype == np.int64
    assert sorted(class_names) == list(range(1000))
    assert {type(k) for k in class_names} == {int}
    assert {type(v) for v in class_names.values()} == {str}
    for label in y:
        assert class_names[label]  # NumPy's integers serve as keys


def test_embedded_photos_have_the_files_types(folder, capsys):
    X, y, class_names = load_imagenet_val(num=5)

    require_contract(X, y, class_names, 5)
    assert [class_names[label] for label in y] == [
        "tabby",
        "espresso",
        "moped",
        "palace",
        "missile",
    ]
    assert capsys.readouterr().out.count("\n") == 1
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("folder")
def test_all_embedded_photos_come_without_a_number():
    X, y, class_names = load_imagenet_val()

    require_contract(X, y, class_names, len(photos.PHOTOS))
    # None is empty, and no two are alike.
    assert X.std(axis=(1, 2, 3)).min() > 20
    assert len({x.tobytes() for x in X}) == len(X)


@pytest.mark.parametrize("num", [None, 0, 1, 2])
def test_a_file_in_the_data_folder_comes_first(folder, num):
    write(folder)
    X, y, class_names = load_imagenet_val(num)

    require_contract(X, y, class_names, 3 if num is None else num)
    assert X[:, 0, 0, 0].tolist() == [10, 100, 200][:num]
    assert class_names[999] == "class 999"


def test_a_missing_name_is_filled_in(folder):
    names = {i: f"class {i}" for i in range(1000) if i != 134}
    write(folder, label_map=np.array(names, dtype=object))

    assert load_imagenet_val()[2][134] == "crane bird"


def test_the_courses_own_file(folder):
    if not REAL.exists():
        pytest.skip("the real imagenet_val_25.npz is not beside this checkout")
    (folder / REAL.name).symlink_to(REAL.resolve())
    X, y, class_names = load_imagenet_val()

    require_contract(X, y, class_names, 25)
    assert y[:3].tolist() == [958, 85, 244]
    assert class_names[0] == "tench, Tinca tinca"


class Hostile:
    def __reduce__(self):
        return (print, ("this ran",))


def test_a_file_cannot_run_code(folder, capsys):
    write(folder, label_map=np.array({0: Hostile()}, dtype=object))

    with pytest.raises(ValueError, match=r"refused.*fetch"):
        load_imagenet_val()
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [
        {"y": np.arange(2)},
        {"X": np.zeros((3, 10))},
        {"label_map": np.arange(3)},
    ],
)
def test_a_file_that_does_not_fit_is_named(folder, changes):
    write(folder, **changes)

    with pytest.raises(ValueError, match=r"imagenet_val_25.npz does not hold"):
        load_imagenet_val()


def test_a_truncated_file_is_named(folder):
    write(folder)
    file = folder / "imagenet_val_25.npz"
    file.write_bytes(file.read_bytes()[:5000])

    with pytest.raises(ValueError, match=r"imagenet_val_25.npz.*again"):
        load_imagenet_val()


def test_without_file_and_packages_it_says_what_to_do(folder, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(AssertionError, match="imagenet_val_25"):
        load_imagenet_val()
    said = capsys.readouterr().out
    assert "pip install scikit-image" in said
    assert "python -m cs231n.datasets get imagenet_val" in said
    assert str(folder) in said


@pytest.mark.usefixtures("folder")
def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="num is -1"):
        load_imagenet_val(-1)


def test_load_pickle_reads_plain_data_and_refuses_the_rest(tmp_path):
    batch = {"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, 2]}
    file = tmp_path / "batch"
    file.write_bytes(pickle.dumps(batch, protocol=2))
    with file.open("rb") as stream:
        read = load_pickle(stream)

    np.testing.assert_array_equal(read["data"], batch["data"])
    assert read["labels"] == [1, 2]
    # A text of Python 2 with a byte beyond ASCII.
    assert load_pickle(io.BytesIO(b"U\x01\xe9.")) == "\xe9"
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        load_pickle(io.BytesIO(pickle.dumps(Hostile())))


@pytest.mark.parametrize("name", photos.PHOTOS)
def test_photos_are_whole_colour_pictures(name):
    picture = photos.load_photo(name)

    left, top, right, bottom = photos.PHOTOS[name].box
    assert right - left == bottom - top > 200
    assert min(left, top) >= 0
    assert right <= picture.shape[1]
    assert bottom <= picture.shape[0]
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


def test_photos_lie_in_the_wheels():
    from importlib.metadata import files

    for photo in photos.PHOTOS.values():
        shipped = {str(file) for file in files(photo.project) or []}
        # Matplotlib's data folder lies inside its package, too.
        assert f"{photo.package}/{photo.path}" in shipped


def test_an_unknown_photo_is_refused():
    with pytest.raises(KeyError, match="chelsea"):
        photos.load_photo("garfield")


def test_reading_photos_imports_none_of_their_packages():
    code = (
        "import sys\n"
        "from cs231n.embedded.photos import load_squares\n"
        "load_squares()\n"
        "print([n for n in ('skimage', 'sklearn', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
