"""Zips that hold the same bytes whenever and wherever they are made."""

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from cs231n.support.files import Name

Time = tuple[int, int, int, int, int, int]
EARLIEST: Time = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can name."""


def mode(name: str) -> int:
    """Return a file's permissions: shell scripts are executable."""
    return 0o755 if name.endswith(".sh") else 0o644


def pack(
    files: Mapping[str, bytes],
    archive: Name | BinaryIO,
    time: Time = EARLIEST,
    *,
    compressed: bool = True,
) -> None:
    """Write files into a zip, in their order.

    Args:
        files: Name -> content.
        archive: The zip, or a file to write it to.
        time: When all of them seem to have been written.
        compressed: Whether to make it smaller; the bytes then depend on the machine's
            zlib.
    """
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(archive, "w", method) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, time)
            entry.create_system = 3  # Unix, whose modes the next line speaks of
            entry.external_attr = (stat.S_IFREG | mode(name)) << 16
            packed.writestr(entry, content, method)


def holds(archive: Path, files: Mapping[str, bytes]) -> bool:
    """Tell whether a zip, read back, has these contents."""
    with zipfile.ZipFile(archive) as packed:
        return all(packed.read(name) == content for name, content in files.items())
