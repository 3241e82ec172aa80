"""How values cross between judge and worker: a head in JSON, then plain arrays.

A frame (``sandbox.frames`` sends and reads it) is four bytes with the length of its
head, the head, and the arrays' bytes one after another. The head lists each array's
dtype and shape and holds the message, in which ``{"array": 3}`` stands for the fourth
of them. What comes from a worker may be anything: every number is checked before memory
is asked for, and nothing but numbers, words, lists and dictionaries can come out.

This module is loaded in workers, too: it imports Python's own modules and NumPy alone.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
_CODES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
DTYPES = {np.dtype(code).name for code in _CODES}
MAX_FRAME = 1 << 26  # bytes
MAX_HEAD = 1 << 20
MAX_ARRAY = 1 << 25
MAX_ARRAYS = 5000
MAX_AXES = 8


class LineError(Exception):
    """What came is no frame."""


def fits(array: Array) -> bool:
    """Tell whether an array may cross as it is."""
    return (
        array.dtype.name in DTYPES
        and array.ndim <= MAX_AXES
        and array.nbytes <= MAX_ARRAY
    )


def pack(message: Any, arrays: Sequence[Array] = ()) -> bytes:
    """Return a frame.

    Args:
        message: What JSON can hold.
        arrays: Those that ``{"array": number}`` stands for; all of them fit.
    """
    heads = [[a.dtype.name, list(a.shape)] for a in arrays]
    head = json.dumps({"message": message, "arrays": heads}).encode()
    plain = [np.ascontiguousarray(a).tobytes() for a in arrays]
    return b"".join([len(head).to_bytes(4, "little"), head, *plain])


def unpack(frame: bytes) -> tuple[Any, list[Array]]:
    """Read a frame.

    Args:
        frame: What ``pack`` returned, or anything.

    Returns:
        message: What JSON can hold.
        arrays: Arrays that may be changed.

    Raises:
        LineError: If it is no frame.
    """
    if len(frame) < 4:
        raise LineError("the frame is too short")
    size = int.from_bytes(frame[:4], "little")
    if size > min(MAX_HEAD, len(frame) - 4):
        raise LineError("the head is too long")
    try:
        head = json.loads(frame[4 : 4 + size])
        message, heads = head["message"], head["arrays"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise LineError("the head is no JSON of the right form") from None
    if not isinstance(heads, list) or len(heads) > MAX_ARRAYS:
        raise LineError("too many arrays")
    arrays, place = [], 4 + size
    for row in heads:
        dtype, shape = _checked(row)
        count = math.prod(shape)
        end = place + count * dtype.itemsize
        if end > len(frame):
            raise LineError("an array is longer than what came")
        array = np.frombuffer(frame, dtype, count, place).reshape(shape).copy()
        if dtype == np.bool_:  # bytes that are neither 0 nor 1 may come
            array = np.array(array.view(np.uint8) != 0)
        arrays.append(array)
        place = end
    if place != len(frame):
        raise LineError("something follows the arrays")
    return message, arrays


def _checked(row: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return an array's dtype and shape, if they are what may come."""
    if not isinstance(row, list) or len(row) != 2:
        raise LineError("an array has no dtype and shape")
    name, shape = row
    if not isinstance(name, str) or name not in DTYPES:
        raise LineError("an array has a dtype that may not come")
    if not isinstance(shape, list) or len(shape) > MAX_AXES:
        raise LineError("an array has too many axes")
    if not all(type(n) is int and 0 <= n <= MAX_ARRAY for n in shape):
        raise LineError("an array has a shape that may not come")
    dtype = np.dtype(name)
    # An axis of no length hides none of the others.
    if math.prod(n for n in shape if n) * dtype.itemsize > MAX_ARRAY:
        raise LineError("an array is too large")
    return dtype, tuple(shape)


def number(message: Any, key: str, below: int) -> int:
    """Return a whole number in a message.

    Args:
        message: A dictionary, or anything.
        key: Where it stands.
        below: What it must be less than; it must not be less than 0.

    Raises:
        LineError: If it is anything else.
    """
    value = message.get(key) if isinstance(message, dict) else None
    if type(value) is not int or not 0 <= value < below:
        raise LineError(f"{key} is no number that may come")
    return value


def words(value: Any, longest: int = 300) -> str:
    """Return a text that may be shown: short, printable, or nothing.

    Args:
        value: A text, or anything.
        longest: How many characters are kept.
    """
    if not isinstance(value, str):
        return ""
    plain = "".join(c if c.isprintable() else " " for c in value[: longest + 1])
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"
