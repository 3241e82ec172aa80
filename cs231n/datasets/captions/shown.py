"""Photos of data sets of your own, by their names, and no other file.

Such a data set names its photos by their paths from a folder, which its record knows.
Whatever stands in its lists, nothing outside that folder is ever read.
"""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from cs231n.datasets.captions import record
from cs231n.datasets.captions.chosen import chosen

_folders: dict[str, Path] = {}  # of each name in the data sets that were loaded


class PhotoError(ValueError):
    """Why a photo is not shown, in words for a reader."""


def remember(folder: Path, names: Iterable[str]) -> bool:
    """Let names stand for the photos of a data set, from here on.

    Of several data sets that have the same name, the one that was loaded last counts.

    Args:
        folder: The data set; what has no photos of its own is left alone.
        names: Those of its photos.

    Returns:
        Whether it has photos of its own.
    """
    images = images_of(folder)
    if images is not None:
        _folders.update(dict.fromkeys(names, images))
    return images is not None


def images_of(folder: Path) -> Path | None:
    """Return the folder of a data set's photos, None if it has none of its own."""
    images = record.read(folder).get("images")
    return Path(images) if isinstance(images, str) else None


def find(name: str) -> Path | None:
    """Return the file of a photo, None if a name is no data set's.

    It is one's that was loaded; and while ``CS231N_CAPTIONS`` names a data set with
    photos of its own, so is everything but an address of the network.

    Raises:
        PhotoError: If the name leads out of the photos' folder.
    """
    images = _folders.get(name)
    if images is None and not _is_address(name):
        folder = chosen()
        images = images_of(folder) if folder is not None else None
    if images is None:
        return None
    return _inside(images, name)


def _is_address(name: str) -> bool:
    scheme = re.match(r"([a-z][a-z0-9+.-]+)://", name, re.IGNORECASE)
    return scheme is not None and scheme[1].lower() != "file"


def _inside(images: Path, name: str) -> Path:
    """Return a file of a folder, links followed, on any system.

    Raises:
        PhotoError: If it lies elsewhere.
    """
    ways = PurePosixPath(name), PureWindowsPath(name)
    leads_out = any(way.anchor or ".." in way.parts for way in ways)
    if not leads_out:
        file = (images / name).resolve()
        leads_out = not file.is_relative_to(images.resolve())
    if leads_out or name.startswith("file:"):
        raise PhotoError(
            f"the data set's photos lie in {images}, and only files in there are "
            "shown, by their paths from there; load_image reads any other"
        )
    return file
