"""Unpack archives that strangers made, into a folder and nowhere else.

Names that are absolute or climb out, links, devices, doubled names and more bytes than
announced stop the work with an error. What systems put beside files (``__MACOSX``) is
passed over.
"""

import errno
import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from cs231n.support.file_kinds import because
from cs231n.support.progress import progress_bar

MOST_MEMBERS = 300_000
"""More files than any data set has."""

_BLOCK = 1 << 20


class ArchiveError(ValueError):
    """An archive is damaged, or does what no honest archive does."""


def unpack(archive: Path, kind: str, into: Path, top: str, limit: int) -> None:
    """Unpack an archive.

    Args:
        archive: The file.
        kind: ``zip``, ``tar`` or ``gzip``.
        into: A folder; what comes out is written below it.
        top: The one folder of a zip or tar archive that is wanted, empty for all that
            is in it; for gzip the file to write.
        limit: The most bytes that may come out.

    Raises:
        ArchiveError: If the archive cannot be read to its end or must not be trusted.
        OSError: If the files cannot be written.
    """
    try:
        if kind == "zip":
            _unzip(archive, into, top, limit)
        elif kind == "tar":
            _untar(archive, into, top, limit)
        else:
            with gzip.open(archive) as source:
                _copy(source, into / top, limit, archive.name)
    except ArchiveError:
        raise
    except (
        *(EOFError, NotImplementedError, RuntimeError, ValueError, KeyError, OSError),
        *(zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error),
    ) as error:
        # EINVAL: a place before the file's begin, as damaged zips name them.
        of_the_disk = isinstance(error, OSError) and error.errno != errno.EINVAL
        if of_the_disk and not isinstance(error, gzip.BadGzipFile):
            raise
        what = str(error) or type(error).__name__
        why = because(archive, kind, what, "fetch it again").removesuffix(".")
        raise ArchiveError(f"{archive.name} is no whole {kind} {why}") from error


def _unzip(archive: Path, into: Path, top: str, limit: int) -> None:
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        if len(members) > MOST_MEMBERS:
            raise ArchiveError(f"{archive.name} holds {len(members):,} files")
        announced = sum(member.file_size for member in members)
        if announced > limit:
            raise ArchiveError(_bomb(archive.name, announced, limit))
        wanted = []
        names = _Names(archive.name, top)
        for member in members:
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(
                    f"{archive.name} holds {member.filename!r}, a link or a device"
                )
            if member.flag_bits & 1:
                raise ArchiveError(f"{archive.name} is encrypted")
            if names.take(member.orig_filename, member.is_dir()):
                wanted.append(member)
        left = limit
        with progress_bar(len(wanted), f"unpacking {archive.name}") as bar:
            for member in wanted:
                with source.open(member) as stream:
                    left -= _copy(stream, into / member.filename, left, archive.name)
                bar.update()


def _untar(archive: Path, into: Path, top: str, limit: int) -> None:
    names, left = _Names(archive.name, top), limit
    with tarfile.open(archive, "r:*") as source:
        for count, member in enumerate(source):
            if count >= MOST_MEMBERS:
                raise ArchiveError(f"{archive.name} holds more than {count:,} files")
            if member.size > left:
                size = limit - left + member.size
                raise ArchiveError(_bomb(archive.name, size, limit))
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise ArchiveError(
                    f"{archive.name} holds {member.name!r}, a link or a device"
                )
            left -= member.size
            if names.take(member.name, member.isdir()):
                stream = source.extractfile(member)
                assert stream is not None  # it is a regular file
                _copy(stream, into / member.name, member.size, archive.name)


class _Names:
    """Says which members to write, and refuses names that no honest archive has."""

    def __init__(self, archive: str, top: str) -> None:
        self.archive, self.top = archive, top
        self.seen: set[str] = set()

    def take(self, name: str, is_folder: bool) -> bool:
        """Tell whether a member is a file below the wanted folder.

        Raises:
            ArchiveError: If its name leads elsewhere or came before.
        """
        parts = name.rstrip("/").split("/")
        if name.startswith("./"):
            parts = parts[1:]
        odd = set(parts) & {"", ".", ".."} or set(name) & set("\\:\0")
        if odd and name not in (".", "./"):
            raise ArchiveError(
                f"{self.archive} holds {name!r}, a name that leads out of its folder"
            )
        if is_folder or parts[0] == "__MACOSX" or parts[0] != (self.top or parts[0]):
            return False
        key = "/".join(parts).casefold()
        if key in self.seen:
            raise ArchiveError(f"{self.archive} holds {name!r} twice")
        self.seen.add(key)
        return True


def _copy(
    source: IO[bytes] | gzip.GzipFile, target: Path, limit: int, archive: str
) -> int:
    """Write a stream to a new file and return its length."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with target.open("xb") as file:
        for block in iter(lambda: source.read(_BLOCK), b""):
            written += len(block)
            if written > limit:
                raise ArchiveError(_bomb(archive, None, limit))
            file.write(block)
    return written


def _bomb(archive: str, size: int | None, limit: int) -> str:
    much = "more" if size is None else f"{size:,} bytes"
    return f"{archive} would unpack to {much} where at most {limit:,} are right"
