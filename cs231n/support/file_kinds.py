"""What a file is, told by how it begins, where it is not what was wanted."""

import os
from pathlib import Path
from typing import BinaryIO

_LENGTH = 512
_PAGE = "a web page, which a server sent in its place"
_UNPACK = "unpack it first"
# Kind -> how such files begin, what to call one, and what to do about it.
_KINDS: dict[str, tuple[tuple[bytes, ...], str, str]] = {
    "page": ((b"<!doctype", b"<html", b"<?xml"), _PAGE, ""),
    "gzip": ((b"\x1f\x8b",), "compressed by gzip", _UNPACK),
    "bzip2": ((b"BZh",), "compressed by bzip2", _UNPACK),
    "xz": ((b"\xfd7zXZ\0",), "compressed by xz", _UNPACK),
    "7z": ((b"7z\xbc\xaf\x27\x1c",), "a 7z archive", _UNPACK),
    "rar": ((b"Rar!\x1a\x07",), "a rar archive", _UNPACK),
    "zip": ((b"PK\3\4", b"PK\5\6"), "a zip archive", _UNPACK),
    "hdf5": ((b"\x89HDF\r\n\x1a\n",), "an HDF5 file", ""),
    "npy": ((b"\x93NUMPY",), "a npy file of NumPy", ""),
    "pickle": (tuple(bytes((0x80, n)) for n in range(2, 6)), "a pickle", ""),
    "picture": ((b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), "a picture", ""),
    "pdf": ((b"%PDF",), "a PDF", ""),
    "git-lfs": (
        (b"version https://git-lfs",),
        "what git-lfs keeps in place of a file",
        "say 'git lfs pull'",
    ),
    "utf-16": ((b"\xff\xfe", b"\xfe\xff"), "text in UTF-16", "save it as UTF-8"),
}


def because(
    file: str | os.PathLike[str] | BinaryIO, wanted: str, error: object, advice: str
) -> str:
    """Return the end of a sentence that says why a file cannot be read.

    Args:
        file: Path, or a binary file, which is read from where it stands.
        wanted: The kind that it should be: ``pickle``, ``zip``, ``hdf5``, ``text``, …
        error: What was wrong, if the file is of no other kind.
        advice: What to do then.

    Returns:
        The reason in parentheses, a semicolon, what to do, and a full stop.
    """
    kind = kind_of(_head(file))
    if kind in ("", wanted):
        return f"({error}); {advice}."
    _, what, remedy = _KINDS[kind]
    steps = [step for step in dict.fromkeys((remedy, advice)) if step]
    return f"(it is {what}); {', or '.join(steps)}."


def kind_of(head: bytes) -> str:
    """Return the kind of file that begins so, or '' if that cannot be told."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for kind, (begins, _, _) in _KINDS.items():
        if (text if kind == "page" else head).startswith(begins):
            return kind
    return ""


def _head(file: str | os.PathLike[str] | BinaryIO) -> bytes:
    try:
        if isinstance(file, (str, os.PathLike)):
            with Path(file).open("rb") as stream:
                return stream.read(_LENGTH)
        return file.read(_LENGTH)
    except (OSError, ValueError):  # gone or closed
        return b""
