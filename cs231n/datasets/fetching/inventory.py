"""What is on disk: checked, recorded, locked while it changes, removed.

Everything unfinished lies in the folder ``.cs231n`` of the data folder, where no loader
looks: for each data set a lock, a folder to work in, and the record of its hashes.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cs231n import datasets
from cs231n.datasets.fetching.checks import DamagedError, check_of
from cs231n.datasets.fetching.disk import delete, file_hashes, folder_size, matches
from cs231n.datasets.fetching.registry import Dataset
from cs231n.support.files import replace, replacing

if TYPE_CHECKING:
    from filelock import FileLock

WORK = ".cs231n"
DAMAGED = ".damaged"  # what a data set is renamed to that a fetched one replaces
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class FetchError(OSError):
    """A data set could not be fetched or changed, for the reasons given."""


@dataclass(frozen=True)
class State:
    """What is known of a data set on disk.

    Attributes:
        path: Where it is; None if it is nowhere.
        problem: What is wrong with it; empty if nothing is.
        recorded: Whether its hashes were written down just now, for the first time.
    """

    path: Path | None
    problem: str = ""
    recorded: bool = False


def examine(dataset: Dataset) -> State:
    """Check the structure of a data set on disk, without reading all of it."""
    path = datasets.find(dataset.target)
    if path is None:
        return State(None)
    try:
        check_of(dataset.check)(path, dataset.expect)
    except DamagedError as error:
        return State(path, str(error))
    return State(path)


def verify(dataset: Dataset) -> State:
    """Check structure and every hash; record hashes of which nothing is known yet."""
    state = examine(dataset)
    if state.path is None or state.problem:
        return state
    for name, known in dataset.published().items():
        if not matches(state.path / name if name else state.path, known):
            return State(state.path, f"{name or state.path.name} is not as published")
    found = file_hashes(state.path)
    recorded = _recorded(dataset, state.path)
    if recorded is None:
        try:
            write_record(
                dataset, datasets.cache_dir(), state.path, found, "found on disk"
            )
        except OSError as error:
            return State(state.path, f"its hashes cannot be recorded ({error})")
        return State(state.path, recorded=True)
    for name in sorted(found.keys() | recorded.keys()):
        if found.get(name) != recorded.get(name):
            what = "differs from" if name in found else "is missing, unlike"
            return State(
                state.path, f"{name or state.path.name} {what} what was recorded"
            )
    return state


def remove_leftovers(dataset: Dataset, say: Callable[[str], None] = print) -> int:
    """Remove what is of no use, unless a process is at it, and return its bytes.

    That is an unfinished download, a draft, and what a fetched data set replaced.
    """
    from filelock import FileLock, Timeout

    folder, freed = datasets.cache_dir(), 0
    for path in (folder / WORK / dataset.name, folder / f"{dataset.target}{DAMAGED}"):
        if not os.path.lexists(path):
            continue
        try:
            with FileLock(folder / WORK / f"{dataset.name}.lock", timeout=0):
                size = folder_size(path)
                delete(path)
        except Timeout:
            say(f"{path}: left alone, another process is at it.")
            continue
        say(f"{path}: removed")
        freed += size
    return freed


def remove(dataset: Dataset) -> Path | None:
    """Remove a data set that ``get`` fetched, and return where it was.

    Raises:
        FetchError: If it is there but was not fetched, so it is not ours to remove.
    """
    path = datasets.find(dataset.target)
    if path is None:
        return None
    folder = datasets.cache_dir()
    record = _read_record(dataset, folder)
    if record.get("path") != str(path) or record.get("from") == "found on disk":
        raise FetchError(
            f"{path} was not fetched by this command; remove it by hand if it may go."
        )
    with only_one(dataset, folder, print):
        record_path(dataset, folder).unlink(missing_ok=True)
        # Renamed first: half a data set never has the name of a whole one.
        trash = _emptied(folder / WORK / dataset.name) / path.name
        replace(path, trash)
        delete(trash.parent)
    return path


@contextmanager
def only_one(
    dataset: Dataset, folder: Path, say: Callable[[str], None]
) -> Iterator[None]:
    """Hold the lock of a data set; the system frees it when a process dies."""
    waiting = f"{dataset.name}: another process is at it; waiting for its end."
    file = folder / WORK / f"{dataset.name}.lock"
    lock = acquired(file, lambda: say(waiting))
    try:
        yield
    finally:
        lock.release()


def acquired(file: Path, busy: Callable[[], object]) -> FileLock:
    """Return a lock that is held, or does nothing where a mounted drive knows none.

    Args:
        file: The lock's file.
        busy: Called if another process holds it; then it is waited for, unless this
            raises something.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        busy()
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return lock


def record_path(dataset: Dataset, folder: Path) -> Path:
    """Return where the hashes of a data set are written down."""
    return folder / WORK / f"{dataset.name}.json"


def write_record(
    dataset: Dataset, folder: Path, path: Path, found: dict[str, str], source: str
) -> None:
    """Write down the hashes of a data set, where it is and where it came from."""
    facts = {"path": str(path), "from": source, "sha256": found}
    with replacing(record_path(dataset, folder)) as draft:
        draft.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def _read_record(dataset: Dataset, folder: Path) -> dict[str, Any]:
    try:
        record = json.loads(record_path(dataset, folder).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _recorded(dataset: Dataset, path: Path) -> dict[str, str] | None:
    """Return the recorded hashes of the data set at a path, None if there are none."""
    record = _read_record(dataset, datasets.cache_dir())
    found = record.get("sha256")
    known = record.get("path") == str(path) and isinstance(found, dict)
    return found if known else None


def _emptied(folder: Path) -> Path:
    delete(folder)
    folder.mkdir(parents=True)
    return folder
