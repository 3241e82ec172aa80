"""The files of a hand-out, written to a folder and to a zip."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from cs231n.support import archive as zips
from cs231n.support.files import set_mode
from staff.handout.files import HandoutError
from staff.questions import ROOT

TOP = "assignment3"  # the folder that the archive unpacks to
CHANGES = ROOT / "CHANGELOG.md"


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into an empty folder; shell scripts are executable."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        set_mode(path, zips.mode(name))


def pack(files: Mapping[str, bytes], archive: Path) -> None:
    """Write files into an archive, the same bytes every time and everywhere.

    All files are of the release's day: what students unpack shows a time that is true.
    Nothing is compressed: the bytes would then depend on the machine's zlib.
    """
    noon = (*release_day(CHANGES.read_text("utf-8")), 12, 0, 0)
    below = {f"{TOP}/{name}": files[name] for name in sorted(files)}
    zips.pack(below, archive, noon, compressed=False)


def release_day(changes: str) -> tuple[int, int, int]:
    """Return year, month and day of the newest term in the change notes.

    Raises:
        HandoutError: If its heading does not name them.
    """
    newest = re.search(r"^## .*$", changes, re.MULTILINE)
    heading = newest[0] if newest else ""
    try:
        day = date.fromisoformat(heading.rpartition("(")[2].removesuffix(")"))
    except ValueError:
        raise HandoutError(
            f"{CHANGES.name}: the newest heading, {heading!r}, names no day; write one "
            "such as '## 2026.1 (2026-11-28)'."
        ) from None
    return day.year, day.month, day.day
