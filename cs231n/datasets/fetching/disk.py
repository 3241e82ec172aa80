"""Files and folders on disk: their size, their hashes, their removal."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from cs231n.support.progress import progress_bar


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's hash in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def matches(path: Path, known: str) -> bool:
    """Tell whether a file has the hash ``algorithm:digits``."""
    algorithm, _, digits = known.partition(":")
    found = file_hash(path, algorithm.removesuffix("-prefix"))
    return found.startswith(digits) if "prefix" in algorithm else found == digits


def file_hashes(path: Path) -> dict[str, str]:
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


def folder_size(path: Path) -> int:
    """Return the bytes of a file or of all files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def delete(path: Path) -> None:
    """Remove a file or a folder, if there is one.

    Raises:
        OSError: If it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    if os.path.lexists(path):
        raise OSError(f"{path} cannot be removed")
