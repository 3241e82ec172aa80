"""Files that are whole or absent: written to a temporary name, then renamed.

Mounted drives of Windows or a cloud may refuse permissions, and to say that everything
has reached the disk: both are left undone there. A virus scanner or the like may hold a
file for a moment: renaming waits for it.
"""

import errno
import os
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

T = TypeVar("T")
Name = str | os.PathLike[str]

PATIENCE = 2.0
"""Seconds for which another program may hold a file."""
_PAUSE = 0.02
_HELD = {errno.EACCES, errno.EPERM, errno.EBUSY}
# Where there is no syncing; a full or broken disk says other things.
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, *_HELD}


@contextmanager
def replacing(path: Name) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place on success.

    If the block raises, the temporary file is removed and ``path`` is as it was.

    Args:
        path: The file to write; its folder is made if it is missing.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        # Windows only syncs what it may write.
        with _patiently(lambda: draft.open("rb+")) as file:
            sync(file)
        # mkstemp makes private files; give what open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        set_mode(draft, 0o666 & ~umask)
        replace(draft, target)
    except BaseException:
        with suppress(PermissionError):  # held, and what went wrong matters more
            draft.unlink(missing_ok=True)
        raise


def table_of(module: str) -> dict[str, Any]:
    """Return the TOML table that lies beside a module, under the same name.

    Args:
        module: The module's ``__file__``.
    """
    return tomllib.loads(Path(module).with_suffix(".toml").read_text("utf-8"))


def replace(source: Name, target: Name) -> None:
    """Rename a file or a folder, in the place of an older file if there is one.

    Raises:
        OSError: If it cannot be done, or another program holds one of the two for more
            than ``PATIENCE`` seconds.
    """
    _patiently(lambda: Path(source).replace(target))


def sync(file: BinaryIO) -> None:
    """Wait until what was written has reached the disk, if the disk knows of that."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def set_mode(path: Name, mode: int) -> None:
    """Set permissions, if the disk has any."""
    with suppress(OSError):
        Path(path).chmod(mode)


def _patiently(act: Callable[[], T]) -> T:
    """Try again while another program holds what is wanted."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except OSError as error:
            if error.errno not in _HELD or time.monotonic() >= end:
                raise
        time.sleep(_PAUSE)
