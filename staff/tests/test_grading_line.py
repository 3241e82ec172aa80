"""What crosses between judge and worker, and what may not."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from staff.grading import line


def frame(arrays, body=b"", message=None):
    """Return a frame whose head says this, whatever its bytes are."""
    head = json.dumps({"message": message, "arrays": arrays}).encode()
    return len(head).to_bytes(4, "little") + head + body


@given(
    hnp.arrays(
        st.sampled_from(sorted(line.DTYPES)),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_arrays_cross_as_they_are(array):
    message, (found,) = line.unpack(line.pack({"a": [1, None, "x"]}, [array]))
    assert message == {"a": [1, None, "x"]}
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == np.ascontiguousarray(array).tobytes()
    assert found.flags.writeable


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x01",
        b"\xff\xff\xff\xff{}",
        b"\x02\x00\x00\x00{}",
        b"\x02\x00\x00\x00[]",
        b"\x04\x00\x00\x00\xff\xfe{}",
        (20000).to_bytes(4, "little") + b"[" * 20000,
        frame([["float64", [2]]], b"\0" * 15),
        frame([["float64", [2]]], b"\0" * 17),
        frame([["object", [1]]], b"\0" * 8),
        frame([["O", [1]]], b"\0" * 8),
        frame([["<U4", [1]]], b"\0" * 16),
        frame([["complex128", [1]]], b"\0" * 16),
        frame([["float64", [-1]]]),
        frame([["float64", [True]]], b"\0" * 8),
        frame([["float64", [1.0]]], b"\0" * 8),
        frame([["float64", ["1"]]], b"\0" * 8),
        frame([["float64", [1 << 60, 1 << 60]]]),
        frame([["float64", [0, 1 << 20, 1 << 20]]]),
        frame([["float64", [1] * 9]], b"\0" * 8),
        frame([["float64"]]),
        frame(["float64"]),
        frame({"0": ["float64", [1]]}, b"\0" * 8),
        frame([["int8", [0]]] * 5001),
    ],
)
def test_what_is_no_frame_is_refused(bad):
    with pytest.raises(line.LineError):
        line.unpack(bad)


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_frame_or_is_refused(data):
    with contextlib.suppress(line.LineError):
        line.unpack(data)


@given(st.data())
def test_a_frame_that_was_tampered_with_is_read_or_refused(data):
    whole = bytearray(line.pack({"id": 1}, [np.arange(6.0).reshape(2, 3)]))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    try:
        _, arrays = line.unpack(bytes(whole))
    except line.LineError:
        return
    assert all(a.nbytes <= len(whole) for a in arrays)


def test_truths_are_truths_whatever_their_bytes_are():
    _, (found,) = line.unpack(frame([["bool", [3]]], b"\x00\x02\xff"))
    assert found.tolist() == [False, True, True]
    assert found.view(np.uint8).tolist() == [0, 1, 1]


def test_words_that_a_worker_says_are_short_and_printable():
    assert line.words("a\x1b[31m\nb\u202e") == "a [31m b "
    assert len(line.words("x" * 10_000)) == 300
    assert line.words(["no text"]) == ""
