"""What the readers share: how files are opened, and what is said of damaged ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.support.file_kinds import because


def command(name: str) -> str:
    """Return what fetches a data set of ``registry.toml``."""
    return f"python -m cs231n.datasets get {name}"


def again(name: str) -> str:
    """Return the advice to fetch a data set once more."""
    return f"fetch it again: {command(name)}"


def read_text(file: Path, advice: str) -> str:
    """Return a text file's content.

    Args:
        file: The file; a mark that an editor put in front of it is left out.
        advice: What to do where it is missing or damaged.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is no text.
    """
    try:
        return file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{file} is missing; {advice}.") from error
    except UnicodeDecodeError as error:
        why = because(file, "text", error, advice)
        raise ValueError(f"{file} is no text file {why}") from error


@contextmanager
def opened_h5(file: Path, advice: str) -> Iterator[Any]:
    """Open an HDF5 file, and name it in whatever goes wrong while it is read.

    Args:
        file: The file.
        advice: What to do where it is missing or damaged.

    Raises:
        FileNotFoundError: If it is missing.
        OSError: If it is damaged.
    """
    import h5py

    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; {advice}.")
    try:
        with h5py.File(file, "r") as stream:
            yield stream
    except Exception as error:  # h5py meets damage with a dozen kinds
        why = because(file, "hdf5", error, f"delete it and {advice}")
        raise OSError(
            f"{file} ({file.stat().st_size:,} bytes) is no whole HDF5 file, perhaps "
            f"half a download {why}"
        ) from error


def require(what: str, found: Any, wanted: Any) -> None:
    """Insist on a size.

    Args:
        what: What has it.
        found: A number or a shape.
        wanted: What it should be.

    Raises:
        ValueError: If it is another one.
    """
    found, wanted = (tuple(x) if isinstance(x, list) else x for x in (found, wanted))
    if found != wanted:
        raise ValueError(f"{what}: {found} where {wanted} is right.")


def require_pixels(file: Path, X: NDArray[Any], y: NDArray[Any], classes: int) -> None:
    """Insist on pictures of bytes, and on classes that there are.

    Args:
        file: Where they stand.
        X: The pictures.
        y: Their classes, 0 <= y < classes.
        classes: How many there are.

    Raises:
        ValueError: If they are anything else.
    """
    if X.dtype != np.uint8:
        raise ValueError(f"{file} has pixels of {X.dtype}.")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= classes:
        raise ValueError(f"{file} has the classes {y.min()} to {y.max()}.")
