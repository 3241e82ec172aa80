"""Where hand-ins lie: folders and zips, looked into without writing or trusting.

Nothing is unpacked to the disk, no link is followed, and no more is read than is asked
for. What no hand-in needs, such as ``__MACOSX`` or a data set, is not even looked at.
"""

import itertools
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from cs231n.support.file_kinds import because, kind_of
from cs231n.tools.submission.collecting import DEVICE, JUNK, size

MOST_FILES = 20_000
DEEPEST = 20  # folders in one another
LARGEST_LIST = 4_000_000  # bytes of a zip's list of contents, which is read as a whole
LARGEST_WHOLE = 1_000_000_000  # bytes that a zip may unpack to
LARGEST_RATIO = 200  # of a file's size to what it takes in the zip
_SMALL = 10_000_000  # bytes of a file whose ratio does not matter
_PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_SCRIPT = "make the zip with collectSubmission.sh"
_ICON = "Icon\r"  # in which macOS keeps a folder's picture
_JUNK_FOLDERS = {"__MACOSX", "__pycache__", "node_modules"}
_JUNK_BELOW = {"datasets", "build", "drawing", "embedded"}  # in cs231n
_ARCHIVES = {"gzip", "bzip2", "xz", "7z", "rar"}


class RefusalError(Exception):
    """Something that is not read; the message is one sentence that says why."""


class TooLargeError(RefusalError):
    """A file that is larger than what is read of it."""


class Source(Protocol):
    """A folder, wherever it lies."""

    called: str

    def tops(self) -> dict[str, bool]:
        """Return what lies directly in it -> whether that is a folder."""
        ...

    def files(self) -> list[str]:
        """Return the paths of all files, sorted.

        Raises:
            RefusalError: If names or kinds of files are not safe to work with.
        """
        ...

    def skipped(self) -> list[str]:
        """Return folders, and files outside of them, that nobody looks into."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """Return a file's content.

        Raises:
            RefusalError: If it is larger than the limit, or damaged.
        """
        ...

    def below(self, top: str) -> "Source":
        """Return a folder that lies directly in it."""
        ...


class FolderSource:
    """A folder on the disk."""

    def __init__(self, path: Path, called: str = "") -> None:
        """Name it.

        Args:
            path: The folder.
            called: What people call it; its own name if empty.
        """
        self._path, self.called = path, called or path.name
        self._found: list[str] | None = None
        self._skipped: list[str] = []

    def tops(self) -> dict[str, bool]:
        """Return what lies directly in it -> whether that is a folder."""
        with self._spoken_of(), os.scandir(self._path) as entries:
            found = {e.name: e.is_dir(follow_symlinks=False) for e in entries}
        return {name: found[name] for name in sorted(found) if not _is_junk([name])}

    def files(self) -> list[str]:
        """Return the paths of all files, sorted."""
        if self._found is None:
            self._skipped = []
            found = []
            for path in self._walk(self._path, []):
                found.append(path)
                if len(found) > MOST_FILES:
                    raise RefusalError(_too_many(self.called))
            _require_distinct(self.called, found)
            self._found = sorted(found)
        return self._found

    def _walk(self, folder: Path, above: list[str]) -> Iterator[str]:
        with self._spoken_of(), os.scandir(folder) as entries:
            here = sorted(entries, key=lambda entry: entry.name)
        for entry in here:
            parts = [*above, entry.name]
            if entry.name == _ICON:
                continue
            if _is_junk(parts):
                self._skipped.append("/".join(parts))
                continue
            _require_name(self.called, "/".join(parts))
            with self._spoken_of():
                mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from self._walk(folder / entry.name, parts)
            else:
                _require_plain(self.called, "/".join(parts), mode)
                yield "/".join(parts)

    def skipped(self) -> list[str]:
        """Return folders, and files outside of them, that nobody looks into."""
        self.files()
        return self._skipped

    def read(self, path: str, limit: int) -> bytes:
        """Return a file's content."""
        with self._spoken_of():
            # A file may have become a link since it was listed.
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
            flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            handle = os.open(self._path / path, flags)
            with os.fdopen(handle, "rb") as file:
                _require_plain(self.called, path, os.fstat(handle).st_mode)
                size_now = os.fstat(handle).st_size
                if size_now > limit:
                    raise _too_large(path, size_now, limit)
                return _no_more(path, file.read(limit + 1), limit)

    def below(self, top: str) -> "FolderSource":
        """Return a folder that lies directly in it."""
        return FolderSource(self._path / top)

    def _spoken_of(self) -> "_Spoken":
        return _Spoken(self.called)


class _Spoken:
    """Makes an error of the disk a sentence."""

    def __init__(self, called: str) -> None:
        self._called = called

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        """Say what went wrong."""
        if isinstance(error, OSError | ValueError):
            what = getattr(error, "strerror", None) or error
            raise RefusalError(
                f"{shown(self._called)} cannot be read ({what}); look at its "
                "permissions, or copy it anew."
            ) from None


class ZipSource:
    """A zip, or a folder in one."""

    def __init__(self, file: BinaryIO, called: str) -> None:
        """Read a zip's list of contents.

        Args:
            file: The zip; whoever gives it closes it.
            called: What people call it.

        Raises:
            RefusalError: If it is no zip, is damaged, or its list is too large.
        """
        self.called = called
        _require_short_list(file, called)
        try:
            self._archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise _damaged(called, file, error) from None
        infos = self._archive.infolist()
        if len(infos) > MOST_FILES:
            raise RefusalError(_too_many(called))
        if sum(i.compress_size for i in infos) > file.seek(0, os.SEEK_END):
            raise RefusalError(
                f"{shown(called)} says that it holds more than it is long, as zip "
                f"bombs do; {_SCRIPT}."
            )
        self._prefix = ""
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._folders: set[str] = set()
        self._skipped: list[str] = []
        self._twice: list[str] = []
        for info in infos:
            self._take(info)

    def _take(self, info: zipfile.ZipInfo) -> None:
        # What stands behind a NUL is not part of the name that zipfile shows.
        path = _require_name(self.called, info.orig_filename)
        if info.orig_filename.endswith(_ICON):
            return
        parts = path.split("/")
        if not path:
            return
        if _is_junk(parts):
            first = next(k for k in range(len(parts)) if _is_junk(parts[: k + 1]))
            top = "/".join(parts[: first + 1])
            if top not in self._skipped[-1:]:
                self._skipped.append(top)
        elif info.is_dir() or info.orig_filename.endswith("\\"):
            self._folders.add(path)
        elif path in self._members:
            self._twice.append(path)
        else:
            self._members[path] = info

    def tops(self) -> dict[str, bool]:
        """Return what lies directly in it -> whether that is a folder."""
        inside = [*self._inside(self._members), *self._inside(self._folders)]
        found: dict[str, bool] = {}
        for path in sorted(inside):
            top, deeper, _ = path.partition("/")
            found[top] = found.get(top, False) or bool(deeper)
        for path in self._inside(self._folders):
            found[path.partition("/")[0]] = True
        return found

    def _inside(self, paths: Iterable[str]) -> list[str]:
        cut = len(self._prefix)
        return [path[cut:] for path in paths if path.startswith(self._prefix)]

    def files(self) -> list[str]:
        """Return the paths of all files, sorted."""
        found = sorted(self._inside(self._members))
        if twice := self._inside(self._twice):
            raise RefusalError(
                f"{shown(self.called)} has {shown(twice[0])} in it twice, and which "
                f"one counts cannot be told; {_SCRIPT}."
            )
        _require_distinct(self.called, found)
        whole = 0
        for path in found:
            info = self._members[self._prefix + path]
            self._require_tame(path, info)
            whole += info.file_size
        if whole > LARGEST_WHOLE:
            raise RefusalError(
                f"{shown(self.called)} would unpack to {size(whole)}, and the limit is "
                f"{size(LARGEST_WHOLE)}; leave data and models out."
            )
        return found

    def _require_tame(self, path: str, info: zipfile.ZipInfo) -> None:
        called = shown(self.called)
        _require_plain(self.called, path, info.external_attr >> 16)
        if info.flag_bits & 0x1:
            raise RefusalError(
                f"{called} is encrypted ({shown(path)}), and a grader has no password; "
                f"{_SCRIPT}."
            )
        if info.compress_type not in _PACKED:
            raise RefusalError(
                f"{called} is packed in a way that is not read here ({shown(path)}, "
                f"method {info.compress_type}); {_SCRIPT}."
            )
        ratio = info.file_size / max(info.compress_size, 1)
        if info.file_size > _SMALL and ratio > LARGEST_RATIO:
            raise RefusalError(
                f"{called} has a file that unpacks to {ratio:.0f} times its size "
                f"({shown(path)}), as zip bombs do; leave it out."
            )

    def skipped(self) -> list[str]:
        """Return folders, and files outside of them, that nobody looks into."""
        return sorted(set(self._inside(self._skipped)))

    def read(self, path: str, limit: int) -> bytes:
        """Return a file's content."""
        info = self._members[self._prefix + path]
        if info.file_size > limit:
            raise _too_large(path, info.file_size, limit)
        try:
            with self._archive.open(info) as file:
                return _no_more(path, file.read(limit + 1), limit)
        except (
            *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError),
            *(OSError, ValueError, RuntimeError, struct.error),
        ) as error:
            raise RefusalError(
                f"{shown(self.called)} is damaged at {shown(path)} ({_said(error)}); "
                "make it anew, and upload it again."
            ) from None

    def below(self, top: str) -> "ZipSource":
        """Return a folder that lies directly in it."""
        inner = object.__new__(ZipSource)
        inner.__dict__ = {**self.__dict__, "_prefix": f"{self._prefix}{top}/"}
        inner.called = top
        return inner


class RenamedSource:
    """Files of a folder under other names, such as they had on a student's disk."""

    def __init__(self, source: Source, names: Mapping[str, str], called: str) -> None:
        """Choose files.

        Args:
            source: Where they lie.
            names: Name to go by -> what it is called there.
            called: What people call all of them.
        """
        self._source, self._names, self.called = source, names, called

    def tops(self) -> dict[str, bool]:
        """Return what lies directly in it; there are no folders."""
        return dict.fromkeys(self._names, False)

    def files(self) -> list[str]:
        """Return the names of all files, sorted."""
        for name in self._names:
            _require_name(self.called, name)
        return sorted(self._names)

    def skipped(self) -> list[str]:
        """Return nothing: all that was chosen is looked at."""
        return []

    def read(self, path: str, limit: int) -> bytes:
        """Return a file's content."""
        return self._source.read(self._names[path], limit)

    def below(self, top: str) -> Source:
        """Refuse: there are no folders."""
        raise RefusalError(f"{shown(top)} is no folder.")


def printable(name: str) -> str:
    """Return a name as it can be written to any file, on one line."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(name: str) -> str:
    """Return a name as it is told to people, not too long."""
    text = printable(name)
    return text if len(text) <= 80 else f"{text[:40]}…{text[-30:]}"


def is_zip(head: bytes) -> bool:
    """Tell whether a file that begins so is a zip."""
    return kind_of(head) == "zip"


def is_other_archive(head: bytes) -> bool:
    """Tell whether a file that begins so is an archive that is not read here."""
    return kind_of(head) in _ARCHIVES


def _is_junk(parts: list[str]) -> bool:
    last = parts[-1]
    return (
        last.startswith(".")  # .git, .env, .ipynb_checkpoints, .DS_Store, ._name
        or last in _JUNK_FOLDERS
        or any(part.startswith(".") or part in _JUNK_FOLDERS for part in parts[:-1])
        or any(
            above == "cs231n" and here in _JUNK_BELOW
            for above, here in itertools.pairwise(parts)
        )
        or JUNK.fullmatch(last) is not None
    )


def _require_name(called: str, raw: str) -> str:
    """Return a path with slashes, insisting that it stays inside its folder."""
    where, name = shown(called), shown(raw)
    raw = raw.removesuffix("\r") if raw.endswith(_ICON) else raw
    if re.search(r"[\x00-\x1f\x7f]", raw):
        raise RefusalError(
            f"{where} has a file with a NUL, a line break or the like in its name "
            f"({name}); rename it."
        )
    if re.search(r"[\ud800-\udfff]", raw):
        raise RefusalError(
            f"{where} has a file whose name is not UTF-8 ({name}); rename it."
        )
    path = raw.replace("\\", "/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise RefusalError(
            f"{where} has a file with an absolute name ({name}), which leads out of "
            f"the folder; {_SCRIPT}."
        )
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise RefusalError(
            f"{where} has a file whose name leads out of the folder ({name}); "
            f"{_SCRIPT}."
        )
    if len(parts) > DEEPEST or len(path) > 1000:
        raise RefusalError(
            f"{where} has folders in folders, {len(parts)} deep, and {DEEPEST} are the "
            f"limit; {_SCRIPT}."
        )
    return "/".join(parts)


def _require_plain(called: str, path: str, mode: int) -> None:
    """Insist on a plain file; a mode of 0 says nothing."""
    kind = stat.S_IFMT(mode)
    if kind in {0, stat.S_IFREG}:
        return
    what = "a link" if kind == stat.S_IFLNK else "a device, a pipe or the like"
    if kind == stat.S_IFDIR:
        what = "a folder that says it is a file"
    raise RefusalError(
        f"{shown(called)} has {what} in it ({shown(path)}); hand in the files "
        "themselves."
    )


def _require_distinct(called: str, paths: Iterable[str]) -> None:
    """Insist on names that are distinct, and allowed, on every system."""
    seen: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            key = unicodedata.normalize("NFC", part).casefold()
            if (other := seen.setdefault(key, part)) != part:
                raise RefusalError(
                    f"{shown(called)} has {shown(other)} and {shown(part)} in it, "
                    "which are one file on Windows and macOS; remove one."
                )
        for part in parts:
            if DEVICE.fullmatch(part.partition(".")[0].rstrip()):
                raise RefusalError(
                    f"{shown(called)} has {shown(path)} in it, a name that Windows "
                    "keeps for a device; rename it."
                )


def _require_short_list(file: BinaryIO, called: str) -> None:
    """Refuse a zip whose list of contents would fill the memory.

    zipfile reads the list as a whole, and trusts its length in the zip's last record.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 65_557))  # a record of 22 bytes and the longest comment
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    file.seek(0)
    if at < 0 or len(tail) < at + 22:
        raise _damaged(called, file, "it has no end")
    if tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        raise RefusalError(
            f"{shown(called)} is of the kind for more than 4 GB (zip64), which no "
            f"hand-in needs; {_SCRIPT}."
        )
    (length,) = struct.unpack("<L", tail[at + 12 : at + 16])
    if length > LARGEST_LIST:
        raise RefusalError(_too_many(called))


def _damaged(called: str, file: BinaryIO, error: object) -> RefusalError:
    file.seek(0)
    reason = because(file, "zip", _said(error), "make it anew, and upload it again")
    return RefusalError(f"{shown(called)} is no whole zip file {reason}")


def _said(error: object) -> str:
    return shown(str(error)) or type(error).__name__


def _no_more(path: str, content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise _too_large(path, len(content), limit)
    return content


def _too_large(path: str, count: int, limit: int) -> TooLargeError:
    return TooLargeError(
        f"{shown(path)} has {size(count)}, and {size(limit)} are the limit; clear its "
        "outputs, or take data out of it."
    )


def _too_many(called: str) -> str:
    return (
        f"{shown(called)} has more than {MOST_FILES} files in it; hand in notebooks "
        "and modules alone."
    )
