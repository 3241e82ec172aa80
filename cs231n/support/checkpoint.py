"""Checkpoints of a training: plain arrays and some facts in one file, whole or absent.

Whoever takes up a run reads and compares all of it first, and only then changes
anything, so that a file that is damaged or of another run does no harm.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.support.arrays import Array
from cs231n.support.file_kinds import because
from cs231n.support.files import replacing

_FORMAT = 1


def save(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Any],
    settings: Mapping[str, Any],
    **facts: Any,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: An ``.npz`` file; replaced if it exists.
        arrays: Name -> array.
        settings: What must be the same for the run to continue.
        **facts: What else is to be known, as JSON has it.

    Raises:
        OSError: If it cannot be written; an older checkpoint stays as it was.
    """
    page = {"format": _FORMAT, "settings": _as_json(settings), **facts}
    text = np.array(json.dumps(page))
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, **arrays, facts=text)


@contextmanager
def reading(
    path: str | os.PathLike[str], training: str, settings: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Array], dict[str, Any]]]:
    """Yield a checkpoint's arrays and facts to a block that finds all it needs in them.

    Args:
        path: A file that ``save`` wrote.
        training: What it is a checkpoint of, for errors.
        settings: What must be the same as it was then.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another run, or damaged: whatever the block raises says
            that it is.
    """
    name = os.fspath(path)
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no checkpoint {name}; save one first.")
    try:
        with Path(path).open("rb") as stream, np.load(stream) as file:
            arrays = dict(file)
        facts = json.loads(str(arrays["facts"]))
        wrong = _differences(facts, settings)
        if not wrong:
            yield arrays, facts
    except Exception as error:  # damaged bytes raise a dozen kinds in zipfile alone
        raise ValueError(
            f"{name} is not a whole checkpoint of {training} "
            + because(path, "zip", error, "delete it to start anew")
        ) from error
    if wrong:
        raise ValueError(
            f"{name} belongs to another run ({'; '.join(wrong)}); use those settings "
            "again, or delete it to start anew."
        )


def fitting(arrays: Mapping[str, Array], key: str, place: Array) -> Array:
    """Return the array that is to take the place of another one.

    Args:
        arrays: What ``reading`` gave.
        key: Its name.
        place: The other one.

    Raises:
        KeyError: If there is none of that name.
        ValueError: If its shape or dtype is not that of the other one.
    """
    saved = arrays[key]
    if (saved.shape, saved.dtype) != (place.shape, place.dtype):
        raise ValueError(f"{key} came as {saved.dtype} {saved.shape}")
    return saved


def below(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the arrays whose names begin with a prefix, by what follows it."""
    return {
        key.removeprefix(prefix): array
        for key, array in arrays.items()
        if key.startswith(prefix)
    }


def _as_json(settings: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(settings, default=repr))


def _differences(facts: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    was, now = facts["settings"], _as_json(settings)
    wrong = [f"{k} was {was.get(k)}, is {v}" for k, v in now.items() if was.get(k) != v]
    if facts["format"] != _FORMAT:
        wrong.append(f"its format is {facts['format']}, not {_FORMAT}")
    return wrong
