"""Fetch data sets: each is there whole, or it is not there.

A draft is made in the work folder, checked, and then renamed. So a run that is killed
at any moment leaves either the old state or the new one, and the next run takes up what
it left.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from cs231n import datasets
from cs231n.datasets.fetching.checks import DamagedError, check_of
from cs231n.datasets.fetching.disk import delete, file_hashes, folder_size, matches
from cs231n.datasets.fetching.download import download, folder_name
from cs231n.datasets.fetching.http import HttpError
from cs231n.datasets.fetching.inventory import (
    DAMAGED,
    WORK,
    FetchError,
    examine,
    only_one,
    record_path,
    write_record,
)
from cs231n.datasets.fetching.registry import Dataset, RemoteFile
from cs231n.datasets.fetching.unpack import ArchiveError, unpack
from cs231n.support.files import replace

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OfflineError(FetchError):
    """Something was to be fetched although ``CS231N_OFFLINE`` is set."""


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
    try:
        with only_one(dataset, folder, say):
            # Another process may just have done it.
            if not force and (path := _sound(dataset)) is not None:
                return path
            if datasets.offline():
                raise OfflineError(
                    f"{dataset.name} is not in the data folder, and CS231N_OFFLINE is "
                    "set; unset it to fetch the data set."
                )
            return _fetch(dataset, folder, say)
    except FetchError:
        raise
    except OSError as error:
        raise FetchError(_unwritten(dataset, folder, error)) from error


def _sound(dataset: Dataset) -> Path | None:
    """Return where a data set is if its structure is right."""
    state = examine(dataset)
    return None if state.problem else state.path


def _tidy(dataset: Dataset) -> None:
    """Remove what a run left that was killed just after the data set got its name."""
    from filelock import FileLock, Timeout

    # Somebody else is at work, or may not delete: what is left does no harm.
    with suppress(OSError, Timeout):
        work = datasets.cache_dir() / WORK / dataset.name
        if work.is_dir():
            with FileLock(work.with_name(f"{work.name}.lock"), timeout=0):
                delete(work)


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
    for place in takewhile(lambda place: place != folder, datasets.search_path()):
        path = place / dataset.target
        if path.exists():
            problem = examine(dataset).problem
            raise FetchError(
                f"{path} is read before anything in {folder}, and is "
                f"{'damaged: ' + problem if problem else 'there'}; move it away first."
            )
    return folder


def _fetch(dataset: Dataset, folder: Path, say: Callable[[str], None]) -> Path:
    work = folder / WORK / dataset.name
    work.mkdir(parents=True, exist_ok=True)
    _drop_what_is_of_no_use(dataset, work)
    _require_room(dataset, work)
    draft = Path(tempfile.mkdtemp(dir=work, prefix="draft-"))
    whole = draft / dataset.target
    try:
        sources = [_bring(dataset, file, draft, say) for file in dataset.files]
        found, target = file_hashes(whole), folder / dataset.target
        # No record is no lie; verify would make one. An old one would be.
        record_path(dataset, folder).unlink(missing_ok=True)
        _publish(whole, target, say)
        with suppress(OSError):
            write_record(dataset, folder, target, found, " ".join(sources))
    finally:
        delete(draft)
    delete(work)
    return folder / dataset.target


def _bring(
    dataset: Dataset, file: RemoteFile, draft: Path, say: Callable[[str], None]
) -> str:
    """Put one file into the draft, and return the address that had it.

    With the last file the draft is whole, and its structure is checked as well.
    """

    def accept(path: Path) -> None:
        try:
            _place(dataset, file, path, draft)
            if file is dataset.files[-1]:
                check_of(dataset.check)(draft / dataset.target, dataset.expect)
                _require_published(dataset, draft / dataset.target)
        except (ArchiveError, DamagedError):
            _take_back(dataset, file, draft)
            raise

    reasons = []
    for url in file.urls:
        say(f"{dataset.name}: {url}")
        try:
            download(file, url, draft.parent, accept)
        except (HttpError, ArchiveError, DamagedError) as error:
            reason = str(error).replace(f"{draft}{os.sep}", "").rstrip(".")
            reasons.append(f"{url}: {reason}")
            say(f"  {reason}")
        else:
            return url
    raise FetchError(
        f"{dataset.name} could not be fetched: no address gives {file.name} "
        f"({'; '.join(reasons)}). Try again later, or put it in place by hand; until "
        f"then loaders use what is embedded."
    )


def _place(dataset: Dataset, file: RemoteFile, path: Path, draft: Path) -> None:
    if file.unpack in ("zip", "tar"):
        if file.path:
            unpack(path, file.unpack, draft / dataset.target, "", file.limit)
        else:
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
    delete(draft / dataset.target / file.path if file.path else draft / dataset.target)


def _require_published(dataset: Dataset, whole: Path) -> None:
    for name, known in dataset.published().items():
        path = whole / name if name else whole
        if not path.is_file() or not matches(path, known):
            raise DamagedError(f"{name or whole.name} is not the published file")


def _publish(whole: Path, target: Path, say: Callable[[str], None]) -> None:
    """Give a checked draft its name; what had the name before is put aside."""
    if target.exists():
        aside = target.with_name(target.name + DAMAGED)
        delete(aside)
        replace(target, aside)
        say(f"  what was in {target} is now {aside}; clean removes it.")
    replace(whole, target)


def _drop_what_is_of_no_use(dataset: Dataset, work: Path) -> None:
    """Remove drafts of killed runs; keep what downloads can go on with."""
    useful = {folder_name(url) for file in dataset.files for url in file.urls}
    for path in work.iterdir():
        if path.name not in useful:
            delete(path)


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
    if error.errno in _NO_ROOM:
        return (
            f"{dataset.name} could not be written: the disk of {folder} is full; make "
            f"room for about {sum(dataset.bytes) / 1e6:,.0f} MB or name another data "
            "folder in CS231N_DATA_DIR. What came so far is kept for the next try."
        )
    return (
        f"{dataset.name} could not be written to {folder} ({error}); mend that or name "
        "another data folder in CS231N_DATA_DIR."
    )
