"""Proofs that a data set on disk is what its loader expects, before it gets its name.

Its reader looks at the structure: files, shapes, dtypes, and that indices point at
something. ``expect`` holds the sizes that ``registry.toml`` gives for a data set.
"""

import importlib
import pickle
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Path, Mapping[str, Any]], None]


class DamagedError(ValueError):
    """A data set is not what it should be."""


def check_of(name: str) -> Check:
    """Return what raises DamagedError where a data set is damaged.

    Args:
        name: The module of ``cs231n.datasets.readers`` whose ``check`` looks at it.

    Raises:
        KeyError: If there is none.
    """
    try:
        reader = importlib.import_module(f"cs231n.datasets.readers.{name}")
        look: Check = reader.check
    except (ModuleNotFoundError, AttributeError) as error:
        raise KeyError(
            f"There is no check {name!r}; write check(path, expect) in "
            f"cs231n/datasets/readers/{name}.py ({error})."
        ) from error

    def check(path: Path, expect: Mapping[str, Any]) -> None:
        try:
            look(path, expect)
        except (OSError, ValueError, pickle.UnpicklingError, zlib.error) as error:
            raise DamagedError(str(error)) from error

    return check
