"""Builds that are not finished: one at a time of each name, and what killed ones left.

A lock beside the data set, which the system frees when a process dies, tells the builds
that go on from those that were killed.
"""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cs231n import datasets
from cs231n.datasets.fetching.disk import delete, folder_size
from cs231n.datasets.fetching.inventory import acquired
from cs231n.support import folders

_LOCK = re.compile(r"\.(.+)\.lock")
_PIECES = re.compile(r"\.(.+)-[^-]+\.pieces")
_QUIET = 3600.0  # seconds without a new piece: a build that takes no lock has stopped


class BusyError(OSError):
    """Another process builds the same."""


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Hold the lock of a data set that is built.

    Args:
        target: The folder to make; the one that it will lie in is there.

    Raises:
        BusyError: If another process holds the lock.
    """

    def refuse() -> None:
        raise BusyError(
            f"{target} is being built by another process; wait for its end, or choose "
            "another --name."
        )

    file = _lock_of(target)
    lock = acquired(file, refuse)
    try:
        yield
    finally:
        if not folders.leftovers(target):
            with suppress(OSError):  # some systems keep a file that is open
                file.unlink(missing_ok=True)
        lock.release()


def remove_all() -> int:
    """Remove what killed builds left in the data folders, and return its bytes."""
    freed = 0
    for place in datasets.search_path():
        if not place.is_dir():
            continue
        hidden = sorted(entry.name for entry in place.iterdir() if entry.name[0] == ".")
        locked = [found[1] for name in hidden if (found := _LOCK.fullmatch(name))]
        others = {found[1] for name in hidden if (found := _PIECES.fullmatch(name))}
        for name in locked:
            try:
                with alone(place / name):
                    freed += _remove(folders.leftovers(place / name))
            except BusyError:
                print(f"{place / name}: left alone, another process builds it.")
        for name in sorted(others - set(locked)):
            freed += _remove(filter(_is_quiet, folders.leftovers(place / name)))
    return freed


def _remove(paths: Iterable[Path]) -> int:
    freed = 0
    for path in paths:
        size = folder_size(path)
        delete(path)
        print(f"{path}: removed")
        freed += size
    return freed


def _is_quiet(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _QUIET


def _lock_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")
