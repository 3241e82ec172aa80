"""Marks of arrays: a shape and a few random projections, enough to know them again.

``fingerprints.json`` holds the marks of right results and of typical mistakes on the
public inputs, made by ``python -m staff fingerprints``. Four sums of random multiples
tell arrays apart but say nothing about how they came to be, so no answer is in them.
Of short lists of words, such as captions, the words themselves are kept.
A backward function's record also holds an example of the cache that it reads: numbers
without names, which show at most what is worth keeping.
"""

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Results: TypeAlias = dict[str, Array]

FILE = Path(__file__).with_name("fingerprints.json")
PROJECTIONS = 4
_COARSE = 7  # digits that are enough to name a mistake


@dataclass(frozen=True)
class Mark:
    """What is kept of an array.

    Attributes:
        shape: Its shape.
        along: Its projections on fixed random directions, each the sum over all
            elements times standard normal numbers.
        words: Its elements, row by row, if they are integers; else empty.
    """

    shape: tuple[int, ...]
    along: tuple[float, ...]
    words: tuple[int, ...] = ()

    @property
    def size(self) -> float:
        """How large the projections are, as a yardstick for differences."""
        return float(np.linalg.norm(self.along))


def mark(name: str, array: Array) -> Mark:
    """Return the mark of an array.

    Args:
        name: What the array is called; every name has directions of its own.
        array: Any shape, real numbers.
    """
    directions = _directions(name, array.shape)
    with np.errstate(all="ignore"):
        along = directions @ array.astype(np.float64).reshape(-1)
    words = array.reshape(-1).tolist() if array.dtype.kind in "iu" else ()
    return Mark(array.shape, tuple(along.tolist()), tuple(words))


@lru_cache(maxsize=100)
def _directions(name: str, shape: tuple[int, ...]) -> Array:
    """Return what the arrays of a name and shape are projected on."""
    seed = zlib.crc32(f"{name} {shape}".encode())
    # The legacy stream is frozen for good; the newer generators may change.
    return np.random.RandomState(seed).randn(PROJECTIONS, math.prod(shape))


def agree(one: Mark, other: Mark, within: float) -> bool:
    """Tell whether two marks are those of the same array, but for rounding.

    Args:
        one: A mark.
        other: The mark it should be.
        within: Largest difference, relative to the projections' size.
    """
    if one.shape != other.shape:
        return False
    gap = np.abs(np.subtract(one.along, other.along)).max(initial=0)
    return bool(gap <= within * max(other.size, 1e-12))


def ratio(one: Mark, other: Mark, within: float) -> float | None:
    """Return the number by which one array is a multiple of another, if it is."""
    if one.shape != other.shape or not np.isfinite(one.along).all() or not other.size:
        return None
    factor = float(np.dot(one.along, other.along)) / other.size**2
    scaled = Mark(other.shape, tuple(factor * p for p in other.along))
    return factor if factor and agree(one, scaled, within) else None


def single(name: str, one: Mark) -> float:
    """Return the one number of an array that has no other, from its mark.

    Args:
        name: What the array is called.
        one: Its mark.
    """
    (direction,) = _directions(name, one.shape).T
    return float(direction @ one.along / (direction @ direction))


Accepted: TypeAlias = Mapping[str, tuple[Mark, ...]]


@dataclass(frozen=True)
class Mistake:
    """A typical mistake.

    Attributes:
        says: One sentence that names it.
        marks: Way of looking -> output -> mark, of those outputs that it spoils.
    """

    says: str
    marks: Mapping[str, Mapping[str, Mark]]


@dataclass(frozen=True)
class Record:
    """What is stored for one function.

    Attributes:
        right: Way of looking -> output -> marks, each of which is right: some texts
            leave a choice.
        care: What takes care -> case -> output -> marks, likewise.
        parts: Output -> "sequence", "timestep" or "gate" -> mark of each part, in the
            first of the ways.
        mistakes: Those that are known.
        cache: An example of what the function reads, for when the one that makes it
            is missing.
        draw: Which draw of inputs it is: some show more than others.
    """

    right: Mapping[str, Accepted]
    care: Mapping[str, Mapping[str, Accepted]] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, tuple[Mark, ...]]] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()
    cache: Any = None
    draw: int = 0


@dataclass(frozen=True)
class Records:
    """All that is stored.

    Attributes:
        seed: Draws the public inputs.
        functions: Function's key -> record.
    """

    seed: int
    functions: dict[str, Record] = field(default_factory=dict)


@cache
def records() -> Records:
    """Return what ``fingerprints.json`` holds."""
    return loads(FILE.read_text("utf-8"))


def loads(text: str) -> Records:
    """Read records from JSON.

    Args:
        text: What ``dumps`` wrote.
    """
    stored = json.loads(text)
    return Records(
        stored["seed"], {key: _read(row) for key, row in stored["functions"].items()}
    )


def _read(row: Mapping[str, Any]) -> Record:
    right = {way: _read_accepted(r) for way, r in row["right"].items()}
    return Record(
        right=right,
        care={
            title: {case: _read_accepted(r) for case, r in cases.items()}
            for title, cases in row["care"].items()
        },
        parts={n: _read_accepted(r) for n, r in row["parts"].items()},
        mistakes=tuple(
            Mistake(m["says"], _read_marks(m["marks"], right)) for m in row["mistakes"]
        ),
        cache=_decode(row["cache"]) if "cache" in row else None,
        draw=row["draw"],
    )


def dumps(made: Records) -> str:
    """Write records as JSON, a line for each mistake.

    Args:
        made: What to write; numbers are rounded to 12 digits, those of mistakes to 7.
    """
    rows = []
    for key, record in made.functions.items():
        right = {w: _write_accepted(r) for w, r in record.right.items()}
        care = {
            title: {case: _write_accepted(r) for case, r in cases.items()}
            for title, cases in record.care.items()
        }
        row = f'  {json.dumps(key)}: {{"draw": {record.draw}'
        row += f',\n   "right": {json.dumps(right)}'
        row += f',\n   "care": {json.dumps(care)}'
        parts = {n: _write_accepted(r, _COARSE) for n, r in record.parts.items()}
        row += f',\n   "parts": {json.dumps(parts)}'
        if record.cache is not None:
            row += f',\n   "cache": {json.dumps(_encode(record.cache))}'
        mistakes = [
            f'    {{"says": {json.dumps(m.says)}, '
            f'"marks": {_write_marks(m.marks, record.right)}}}'
            for m in record.mistakes
        ]
        rows.append(row + ',\n   "mistakes": [\n' + ",\n".join(mistakes) + "]}")
    functions = ",\n".join(rows)
    return f'{{"seed": {made.seed}, "functions": {{\n{functions}}}}}\n'


def _read_mark(stored: Any) -> Mark:
    shape, along, *words = stored
    numbers = tuple(float(p) for p in along)
    return Mark(tuple(shape), numbers, tuple(words[0]) if words else ())


def _write_mark(one: Mark, digits: int = 12) -> list[Any]:
    def number(p: float) -> float | str:
        return float(f"{p:.{digits}g}") if np.isfinite(p) else str(p)

    words = [list(one.words)] if one.words else []
    return [list(one.shape), [number(p) for p in one.along], *words]


def _read_accepted(stored: Any) -> Accepted:
    return {n: tuple(_read_mark(m) for m in marks) for n, marks in stored.items()}


def _write_accepted(accepted: Accepted, digits: int = 12) -> dict[str, list[Any]]:
    return {n: [_write_mark(m, digits) for m in marks] for n, marks in accepted.items()}


def _read_marks(stored: Any, right: Mapping[str, Accepted]) -> dict[str, Any]:
    """Read a mistake's marks, whose shapes are the right ones where none are given."""
    return {
        way: {
            name: _read_mark(
                one if isinstance(one[0], list) else [right[way][name][0].shape, one]
            )
            for name, one in outputs.items()
        }
        for way, outputs in stored.items()
    }


def _write_marks(
    marks: Mapping[str, Mapping[str, Mark]], right: Mapping[str, Accepted]
) -> str:
    def written(one: Mark, wanted: tuple[Mark, ...]) -> list[Any]:
        shape, along = _write_mark(one, _COARSE)
        same = wanted and one.shape == wanted[0].shape
        return list(along) if same else [shape, along]

    return json.dumps(
        {
            way: {
                name: written(m, right.get(way, {}).get(name, ()))
                for name, m in outputs.items()
            }
            for way, outputs in marks.items()
        }
    )


def _encode(value: Any) -> str:
    """Pack nested tuples of arrays and plain numbers into one line of text."""

    def plain(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            data = base64.b64encode(np.ascontiguousarray(part).tobytes()).decode()
            return {"array": [part.dtype.str, list(part.shape), data]}
        if isinstance(part, tuple | list):
            return [plain(p) for p in part]
        return part

    packed = zlib.compress(json.dumps(plain(value)).encode(), 9)
    return base64.b64encode(packed).decode()


def _decode(text: str) -> Any:
    def rich(part: Any) -> Any:
        if isinstance(part, dict):
            dtype, shape, data = part["array"]
            return np.frombuffer(base64.b64decode(data), dtype).reshape(shape).copy()
        return tuple(rich(p) for p in part) if isinstance(part, list) else part

    return rich(json.loads(zlib.decompress(base64.b64decode(text))))
