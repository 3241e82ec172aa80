"""Fetch, verify and remove data sets: each is there whole, or it is not there.

Everything unfinished lies in the folder ``.cs231n`` of the data folder, where no loader
looks: a lock, the download, a draft of the data set, and the record of the hashes. A
draft is checked first and then renamed, so a run that is killed at any moment leaves
either the old state or the new one, and the next run takes up what it left.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cs231n import datasets
from cs231n.datasets.checks import CHECKS, DamagedError
from cs231n.datasets.download import (
    NO_ROOM,
    DiskFullError,
    DownloadError,
    download,
    local_name,
)
from cs231n.datasets.registry import Dataset, RemoteFile, file_hash, matches
from cs231n.datasets.unpack import ArchiveError, unpack
from cs231n.files import replacing
from cs231n.progress import progress_bar

WORK = ".cs231n"
DAMAGED = ".damaged"  # what a data set is renamed to that a fetched one replaces


class FetchError(OSError):
    """A data set could not be fetched, for the reasons given."""


class OfflineError(FetchError):
    """Something was to be fetched although ``CS231N_OFFLINE`` is set."""


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


def get(
    dataset: Dataset, *, force: bool = False, say: Callable[[str], None] = print
) -> Path:
    """Return where a data set is, after fetching it if it is not there whole.

    Args:
        dataset: What to get.
        force: Whether to fetch it even if it is there.
        say: Receives one line for each step.

    Raises:
        FetchError: If no address gives it, nothing may be fetched or it cannot be
            written. Nothing is left that a loader would read.
    """
    if not force and (path := _sound(dataset)) is not None:
        _tidy(dataset)
        return path
    folder = _folder(dataset)
    with _only_one(dataset, folder, say):
        # Another process may just have done it.
        if not force and (path := _sound(dataset)) is not None:
            return path
        if datasets.offline():
            raise OfflineError(
                f"{dataset.name} is not in the data folder, and CS231N_OFFLINE is set; "
                "unset it to fetch the data set."
            )
        try:
            return _fetch(dataset, folder, say)
        except FetchError:
            raise
        except OSError as error:
            raise FetchError(_unwritten(dataset, folder, error)) from error


def inspect(dataset: Dataset) -> State:
    """Check the structure of a data set on disk, without reading all of it."""
    path = datasets.find(dataset.target)
    if path is None:
        return State(None)
    try:
        CHECKS[dataset.check](path, dataset.expect)
    except DamagedError as error:
        return State(path, str(error))
    return State(path)


def verify(dataset: Dataset) -> State:
    """Check structure and every hash; record hashes of which nothing is known yet."""
    state = inspect(dataset)
    if state.path is None or state.problem:
        return state
    for name, known in dataset.published().items():
        if not matches(state.path / name if name else state.path, known):
            return State(state.path, f"{name or state.path.name} is not as published")
    found = _hashes(state.path)
    recorded = _recorded(dataset, state.path)
    if recorded is None:
        try:
            _record(dataset, datasets.cache_dir(), state.path, found, "found on disk")
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


def leftovers(folder: Path) -> list[Path]:
    """List what is of no use: unfinished downloads, drafts and damaged data sets."""
    work = [path for path in (folder / WORK).glob("*") if path.is_dir()]
    return sorted(work) + sorted(folder.glob(f"*{DAMAGED}"))


def remove_leftovers(folder: Path, say: Callable[[str], None] = print) -> int:
    """Remove what is of no use, unless a process is at it, and return its bytes."""
    from filelock import FileLock, Timeout

    freed = 0
    for path in leftovers(folder):
        name = path.name if path.parent.name == WORK else "clean"
        try:
            with FileLock(folder / WORK / f"{name}.lock", timeout=0):
                size = folder_size(path)
                _delete(path)
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
    with _only_one(dataset, folder, print):
        _record_path(dataset, folder).unlink(missing_ok=True)
        # Renamed first: half a data set never has the name of a whole one.
        trash = _emptied(folder / WORK / dataset.name) / path.name
        path.rename(trash)
        _delete(trash.parent)
    return path


def folder_size(path: Path) -> int:
    """Return the bytes of a file or of all files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def _sound(dataset: Dataset) -> Path | None:
    """Return where a data set is if its structure is right."""
    state = inspect(dataset)
    return None if state.problem else state.path


def _tidy(dataset: Dataset) -> None:
    """Remove what a run left that was killed just after the data set got its name."""
    from filelock import FileLock, Timeout

    with suppress(OSError, Timeout):
        work = datasets.cache_dir() / WORK / dataset.name
        if work.is_dir():
            with FileLock(work.with_suffix(".lock"), timeout=0):
                _delete(work)


def _folder(dataset: Dataset) -> Path:
    """Return the folder to write to.

    Raises:
        FetchError: If a damaged copy elsewhere would be read instead.
    """
    try:
        folder = datasets.cache_dir()
        (folder / WORK).mkdir(exist_ok=True)
    except OSError as error:
        raise FetchError(
            f"{dataset.name} has nowhere to go ({error}); name a folder that can be "
            "written in CS231N_DATA_DIR."
        ) from error
    path = datasets.find(dataset.target)
    places = datasets.search_path()
    if path is not None and path != folder / dataset.target:
        first = next(place for place in places if place / dataset.target == path)
        if places.index(first) < places.index(folder):
            problem = inspect(dataset).problem
            raise FetchError(
                f"{path} is read before anything in {folder}, and is "
                f"{'damaged: ' + problem if problem else 'there'}; move it away first."
            )
    return folder


@contextmanager
def _only_one(
    dataset: Dataset, folder: Path, say: Callable[[str], None]
) -> Iterator[None]:
    """Hold the lock of a data set; the system frees it when a process dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / WORK / f"{dataset.name}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{dataset.name}: another process is at it; waiting for its end.")
            lock.acquire()
    except OSError as error:
        raise FetchError(_unwritten(dataset, folder, error)) from error
    try:
        yield
    finally:
        lock.release()


def _fetch(dataset: Dataset, folder: Path, say: Callable[[str], None]) -> Path:
    work = folder / WORK / dataset.name
    work.mkdir(parents=True, exist_ok=True)
    _drop_what_is_of_no_use(dataset, work)
    _require_room(dataset, work)
    draft = Path(tempfile.mkdtemp(dir=work, prefix="draft-"))
    whole = draft / dataset.target
    sources = []
    try:
        for file in dataset.files:
            last = file is dataset.files[-1]
            sources.append(_bring(dataset, file, draft, last, say))
        found, target = _hashes(whole), folder / dataset.target
        # No record is no lie; verify would make one. An old one would be.
        _record_path(dataset, folder).unlink(missing_ok=True)
        _publish(whole, target, say)
        with suppress(OSError):
            _record(dataset, folder, target, found, " ".join(sources))
    finally:
        _delete(draft)
    _delete(work)
    return folder / dataset.target


def _bring(
    dataset: Dataset,
    file: RemoteFile,
    draft: Path,
    last: bool,
    say: Callable[[str], None],
) -> str:
    """Put one file into the draft, and return the address that had it.

    With the last file the draft is whole, and its structure is checked as well.
    """
    reasons = []
    for url in file.urls:
        say(f"{dataset.name}: {url}")
        for again in (False, True):
            resumed = False
            try:
                path, resumed = download(file, url, draft.parent)
                _place(dataset, file, path, draft)
                if last:
                    CHECKS[dataset.check](draft / dataset.target, dataset.expect)
                    _require_published(dataset, draft / dataset.target)
                return url
            except DiskFullError:
                raise
            except (DownloadError, ArchiveError, DamagedError) as error:
                if not isinstance(error, DownloadError):
                    path.unlink(missing_ok=True)
                _take_back(dataset, file, draft)
                if resumed and not again:  # pieces of two versions, perhaps
                    continue
                reason = str(error).replace(f"{draft}{os.sep}", "").rstrip(".")
                reasons.append(f"{url}: {reason}")
                say(f"  {reason}")
                break
    raise FetchError(
        f"{dataset.name} could not be fetched: no address gives {file.name} "
        f"({'; '.join(reasons)}). Try again later, or put it in place by hand; until "
        f"then loaders use what is embedded."
    )


def _place(dataset: Dataset, file: RemoteFile, path: Path, draft: Path) -> None:
    if file.unpack in ("zip", "tar"):
        unpack(path, file.unpack, draft, dataset.target, file.limit)
        return
    target = draft / dataset.target / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.unpack:
        unpack(path, file.unpack, target.parent, target.name, file.limit)
        return
    try:
        target.hardlink_to(path)
    except OSError:  # a file system without links
        shutil.copyfile(path, target)


def _take_back(dataset: Dataset, file: RemoteFile, draft: Path) -> None:
    """Remove from the draft what one file put there."""
    _delete(draft / dataset.target / file.path if file.path else draft / dataset.target)


def _require_published(dataset: Dataset, whole: Path) -> None:
    for name, known in dataset.published().items():
        path = whole / name if name else whole
        if not path.is_file() or not matches(path, known):
            raise DamagedError(f"{name or whole.name} is not the published file")


def _publish(whole: Path, target: Path, say: Callable[[str], None]) -> None:
    """Give a checked draft its name; what had the name before is put aside."""
    if target.exists():
        aside = target.with_name(target.name + DAMAGED)
        _delete(aside)
        target.rename(aside)
        say(f"  what was in {target} is now {aside}; clean removes it.")
    whole.rename(target)


def _drop_what_is_of_no_use(dataset: Dataset, work: Path) -> None:
    """Remove drafts of killed runs; keep what downloads can go on with."""
    useful = {
        local_name(file, url) + ending
        for file in dataset.files
        for url in file.urls
        for ending in ("", ".part", ".part.json")
    }
    for path in work.iterdir():
        if path.name not in useful:
            _delete(path)


def _require_room(dataset: Dataset, work: Path) -> None:
    needed = sum(dataset.bytes) - folder_size(work)
    free = shutil.disk_usage(work).free
    if free < needed:
        raise FetchError(
            f"{dataset.name} needs about {needed / 1e6:,.0f} MB while it is fetched, "
            f"and {work.parent.parent} has {free / 1e6:,.0f} MB left; make room there "
            "or name another data folder in CS231N_DATA_DIR."
        )


def _unwritten(dataset: Dataset, folder: Path, error: OSError) -> str:
    if isinstance(error, DiskFullError) or error.errno in NO_ROOM:
        return (
            f"{dataset.name} could not be written: the disk of {folder} is full; make "
            f"room for about {sum(dataset.bytes) / 1e6:,.0f} MB or name another data "
            "folder in CS231N_DATA_DIR. What came so far is kept for the next try."
        )
    return (
        f"{dataset.name} could not be written to {folder} ({error}); mend that or name "
        "another data folder in CS231N_DATA_DIR."
    )


def _hashes(path: Path) -> dict[str, str]:
    """Return the SHA-256 of every file, by path below ``path``."""
    if path.is_file():
        return {"": file_hash(path)}
    files = sorted(p for p in path.rglob("*") if p.is_file())
    found = {}
    with progress_bar(len(files), f"hashing {path.name}") as bar:
        for file in files:
            found[file.relative_to(path).as_posix()] = file_hash(file)
            bar.update()
    return found


def _record_path(dataset: Dataset, folder: Path) -> Path:
    return folder / WORK / f"{dataset.name}.json"


def _record(
    dataset: Dataset, folder: Path, path: Path, found: dict[str, str], source: str
) -> None:
    facts = {"path": str(path), "from": source, "sha256": found}
    with replacing(_record_path(dataset, folder)) as draft:
        draft.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def _read_record(dataset: Dataset, folder: Path) -> dict[str, Any]:
    try:
        record = json.loads(_record_path(dataset, folder).read_text("utf-8"))
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
    _delete(folder)
    folder.mkdir(parents=True)
    return folder


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    if os.path.lexists(path):
        raise OSError(f"{path} cannot be removed")
