"""Photographs that come with installed packages, for when ImageNet's are not at hand.

They lie in the packages' own wheels, so nothing is fetched; the packages are asked for
their folders and are not imported.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.support.files import table_of
from cs231n.support.packaged import packaged_file
from cs231n.support.picture_files import Picture, decode

SIDE = 224
"""Height and width of ``load_squares``'s pictures, as ImageNet's networks see them."""


@dataclass(frozen=True)
class Photo:
    """Where a photo lies, what is on it, and which part of it to show a network.

    Attributes:
        package: Name under which the package is imported.
        project: Name under which pip installs it.
        path: File, below the package's folder.
        label: ImageNet's class for it, 0 <= label < 1000.
        box: Left, top, right and bottom of a square, in pixels.
    """

    package: str
    project: str
    path: str
    label: int
    box: tuple[int, int, int, int]


PHOTOS = {
    name: Photo(**photo | {"box": tuple(photo["box"])})
    for name, photo in table_of(__file__).items()
}


def load_photo(name: str) -> Picture:
    """Read a whole photo.

    Args:
        name: One of ``PHOTOS``.

    Returns:
        (H, W, 3) pixels.

    Raises:
        KeyError: If there is no photo of that name.
        ModuleNotFoundError: If the package that carries it is not installed.
        FileNotFoundError: If the package is there without the photo.
    """
    if name not in PHOTOS:
        raise KeyError(f"There is no photo {name!r}; choose of {', '.join(PHOTOS)}.")
    photo = PHOTOS[name]
    file = packaged_file(photo.package, photo.path, photo.project, f"The photo {name}")
    return decode(file.read_bytes())


def load_squares(num: int | None = None) -> tuple[Picture, NDArray[Any]]:
    """Read the first photos, cut and scaled to what ImageNet's networks look at.

    Args:
        num: How many at most; None for all.

    Returns:
        X: (num, 224, 224, 3) pixels.
        y: (num,) classes, int64.
    """
    from PIL import Image

    names = list(PHOTOS)[:num]
    X = np.empty((len(names), SIDE, SIDE, 3), dtype=np.uint8)
    for square, name in zip(X, names, strict=True):
        picture = Image.fromarray(load_photo(name))
        square[...] = np.asarray(
            picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=PHOTOS[name].box)
        )
    y = np.array([PHOTOS[name].label for name in names], dtype=np.int64)
    return X, y
