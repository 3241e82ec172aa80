"""The restricted unpickler: plain data come back whole, everything else is refused."""

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from cs231n.support import safe_pickle

REAL = Path(__file__).resolve().parents[1] / "../shared/data/imagenet_val_25"

PLAIN = {
    "matrix": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "objects": np.array([1, "two", None], dtype=object),
    "strings": np.array(["a", "bcd"]),
    "bytes array": np.array([b"a", b"bcd"]),
    "no rows": np.zeros((0, 3)),
    "no dimensions": np.array(True),
    "scalars": [np.float32(2), np.int64(-3), np.str_("né"), np.bool_(False)],
    "containers": (1, [2.5, {3: "x"}], {4, 5}, frozenset({6}), OrderedDict(seven=8)),
    "bytes": [b"\x00\xff", bytearray(b"z")],
    "numbers": [True, None, 10**30, 1 - 2j],
}


class Calls:
    def __init__(self, function, *arguments):
        self.how = (function, arguments)

    def __reduce__(self):
        return self.how


def read(value, protocol=2, **options):
    return safe_pickle.load(io.BytesIO(pickle.dumps(value, protocol)), **options)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", PLAIN)
def test_plain_data_come_back_whole(name, protocol):
    expected = PLAIN[name]
    value = read(expected, protocol)
    assert type(value) is type(expected)
    np.testing.assert_equal(value, expected)
    if isinstance(expected, np.ndarray):
        # NumPy itself turns some big-endian arrays round as it reads them.
        assert value.dtype == pickle.loads(pickle.dumps(expected, protocol)).dtype
        assert value.flags.writeable


def test_old_and_new_numpy_names_are_read():
    new = pickle.dumps(np.arange(3), 2)
    old = new.replace(b"numpy._core.", b"numpy.core.")
    for data in (old, old.replace(b"numpy.core.", b"numpy._core.")):
        np.testing.assert_array_equal(safe_pickle.load(io.BytesIO(data)), np.arange(3))


def test_python_2_text_needs_latin1():
    # Python 2 wrote byte strings, such as the raw bytes of an array, as plain text.
    python2 = b"\x80\x02}U\x04dataU\x02\x80\xffs."
    assert safe_pickle.load(io.BytesIO(python2), encoding="latin1") == {"data": "\x80ÿ"}
    with pytest.raises(pickle.UnpicklingError, match="not a pickle of plain data"):
        safe_pickle.load(io.BytesIO(python2))


def test_nothing_is_run(tmp_path):
    trace = tmp_path / "trace"
    for value in (
        Calls(os.system, f"touch {trace}"),
        Calls(eval, f"open({str(trace)!r}, 'w')"),
        [{"deep": Calls(os.mkdir, str(trace))}],
    ):
        with pytest.raises(pickle.UnpicklingError, match=r"(system|eval|mkdir) is ref"):
            read(value)
        assert not trace.exists()
    # The same bytes do run in an ordinary pickle.load: the test can fail.
    pickle.loads(pickle.dumps(Calls(os.mkdir, str(trace))))
    assert trace.exists()


@pytest.mark.parametrize(
    "value",
    [
        Path("x"),
        np.dtype([("a", "O")]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        Calls(np.load, "x"),
        Calls(getattr, "x", "upper"),
        Calls(np.ndarray, (4,)),
        Calls(np.dtype, "M8[s]"),
        np.ma.masked_array([1, 2], [True, False]),
        np.random.default_rng(0),
    ],
    ids=["path", "dtype", "record", "load", "getattr", "shape", "time", "mask", "rng"],
)
def test_the_rest_is_refused(value):
    with pytest.raises(pickle.UnpicklingError, match=r"^the file is not .* \(.+\); "):
        read(value)


def test_an_array_of_objects_never_takes_raw_addresses():
    good = pickle.dumps(np.array([None], dtype=object), 2)
    np.testing.assert_equal(safe_pickle.load(io.BytesIO(good)), [None])
    # As flags 0 would have it, the array's items are read from bytes.
    assert good.count(b"K?t") == 1
    no_flags = good.replace(b"K?t", b"K\x00t")
    np.testing.assert_equal(safe_pickle.load(io.BytesIO(no_flags)), [None])
    address = no_flags.replace(b"]q\x11Nat", b"U\x0841414141t")
    assert address != no_flags
    with pytest.raises(pickle.UnpicklingError, match="object array of raw bytes"):
        safe_pickle.load(io.BytesIO(address))


def test_a_narrower_list_is_kept_to():
    assert read([1, "a", np.arange(2)], allow=safe_pickle.ARRAYS)[1] == "a"
    with pytest.raises(pickle.UnpicklingError, match=r"builtin__.set is refused"):
        read({1, 2}, allow=safe_pickle.ARRAYS)
    with pytest.raises(pickle.UnpicklingError, match=r"posix.system|nt.system"):
        read(Calls(os.system, "true"), allow={"posix.system", "nt.system"})


@pytest.mark.parametrize("length", [0, 1, 10, 60])
def test_damaged_files_say_so(tmp_path, length):
    path = tmp_path / "half.pkl"
    path.write_bytes(pickle.dumps(np.arange(20))[:length])
    with pytest.raises(pickle.UnpicklingError, match=r"half\.pkl is not a pickle"):
        safe_pickle.load(path)


def test_npz_with_an_object_array(tmp_path):
    path = tmp_path / "labels.npz"
    np.savez(path, X=np.arange(4), names={3: np.str_("cat")}, y=np.array([1, "b"], "O"))
    arrays = safe_pickle.load_npz(path)
    np.testing.assert_array_equal(arrays["X"], np.arange(4))
    assert arrays["names"] == {3: "cat"}
    assert arrays["y"].tolist() == [1, "b"]

    np.savez(path, bad=np.array([Calls(os.getcwd)], dtype=object))
    with pytest.raises(pickle.UnpicklingError, match="getcwd is refused"):
        safe_pickle.load_npz(path)
    path.write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match=r"labels\.npz cannot be read as an npz"):
        safe_pickle.load_npz(path)


def test_the_courses_label_map():
    if not REAL.exists():
        pytest.skip("the real imagenet_val_25.npz is not beside this checkout")
    arrays = safe_pickle.load_npz(REAL / "imagenet_val_25.npz")
    assert arrays["X"].shape == (25, 224, 224, 3)
    assert arrays["y"].shape == (25,)
    assert len(arrays["label_map"]) == 999  # one of the 1000 is missing
    assert arrays["label_map"][0].startswith("tench")
