"""What a hand-out held when it was made: its stamp, ``cs231n/handout.json``.

The stamp tells, without the old hand-out at hand, what a student has changed since: a
file, the given part of a module, a cell of a notebook. It holds hashes only.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cs231n import regions

STAMP = "cs231n/handout.json"
FORMAT = 1


class StampError(ValueError):
    """A hand-out's stamp is missing, damaged or of another format."""


@dataclass(frozen=True)
class Stamp:
    """What a hand-out held.

    Attributes:
        version: Such as ``2026.1``.
        files: Path -> hash of the file.
        given: Path of a module with regions -> hash of all that is not in a region.
        cells: Path of a notebook -> cell id -> hash of the cell's text.
    """

    version: str
    files: Mapping[str, str]
    given: Mapping[str, str]
    cells: Mapping[str, Mapping[str, str]]


def fingerprint(content: bytes | str) -> str:
    """Return a hash that line ends of other systems do not change."""
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def take(version: str, files: Mapping[str, bytes]) -> Stamp:
    """Return the stamp of a hand-out.

    Args:
        version: Such as ``2026.1``.
        files: Path from the hand-out's root, with slashes -> content. The stamp itself,
            if it is among them, is left out.

    Raises:
        RegionError: If a module's box is damaged.
        ValueError: If a notebook or a module cannot be read.
    """
    hashes, given, cells = {}, {}, {}
    for path, content in sorted(files.items()):
        if path == STAMP:
            continue
        hashes[path] = fingerprint(content)
        suffix = PurePosixPath(path).suffix
        if suffix == ".py":
            source = content.decode("utf-8").replace("\r\n", "\n")
            if regions.find(source, path):
                given[path] = fingerprint(regions.skeleton(source, path))
        elif suffix == ".ipynb":
            cells[path] = {
                cell["id"]: fingerprint(cell_text(cell))
                for cell in json.loads(content)["cells"]
                if "id" in cell
            }
    return Stamp(version, hashes, given, cells)


def cell_text(cell: Mapping[str, Any]) -> str:
    """Return a notebook cell's text, which JSON holds whole or as a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def write(stamp: Stamp) -> bytes:
    """Return the content of the stamp's file."""
    facts = {
        "format": FORMAT,
        "version": stamp.version,
        "files": dict(stamp.files),
        "given": dict(stamp.given),
        "cells": {path: dict(cells) for path, cells in stamp.cells.items()},
    }
    return (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode()


def read(content: bytes) -> Stamp:
    """Return the stamp that a file holds.

    Raises:
        StampError: If it holds none, or one of a format that is not known here.
    """
    try:
        facts = json.loads(content)
        if facts["format"] != FORMAT:
            raise StampError(
                f"{STAMP} has format {facts['format']!r}, {FORMAT} was expected; use "
                "the update of the newer hand-out."
            )
        return Stamp(
            str(facts["version"]),
            {str(path): str(value) for path, value in facts["files"].items()},
            {str(path): str(value) for path, value in facts["given"].items()},
            {
                str(path): {str(k): str(v) for k, v in cells.items()}
                for path, cells in facts["cells"].items()
            },
        )
    except StampError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StampError(f"{STAMP} is damaged: {error!r}.") from None
