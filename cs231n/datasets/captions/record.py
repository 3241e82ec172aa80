"""What is known of a data set that was built from photos: ``record.json`` beside it."""

import json
import os
import re
from pathlib import Path
from typing import Any

from cs231n import datasets
from cs231n.datasets.fetching.disk import file_hash

RECORD = "record.json"
MADE_BY = "python -m cs231n.datasets build captions"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{,99}")


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a folder's record, or an empty one if it has none of ours."""
    try:
        content = json.loads((Path(folder) / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(content, dict) and content.get("made_by") == MADE_BY
    return content if ours else {}


def built() -> dict[str, Path]:
    """Return the folders of all data sets that were built, by name."""
    found: dict[str, Path] = {}
    for place in datasets.search_path():
        if place.is_dir():
            for folder in sorted(place.iterdir()):
                if folder.name[0] != "." and read(folder):
                    found.setdefault(folder.name, folder)
    return found


def problem(folder: Path) -> str:
    """Return what is wrong with a data set's files, or nothing."""
    from cs231n.datasets.readers import coco

    known = read(folder).get("files")
    if not isinstance(known, dict):
        return f"{RECORD} does not name its files"
    for name, digits in known.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if file_hash(file) != digits:
            return f"{name} is not what was built"
    try:
        coco.read(folder, in_memory=False)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def require_name(name: str, taken: set[str]) -> str:
    """Return a name that a data set may have.

    Args:
        name: What is asked for.
        taken: Names that mean something else.

    Raises:
        ValueError: If it may not.
    """
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise ValueError(
            f"The name {name!r} cannot be a folder's everywhere; use at most 100 "
            "letters without accents, digits, -, _ and dots."
        )
    if name in taken:
        raise ValueError(f"{name} is the name of something else; choose another one.")
    return name
