"""Photographs that come with installed packages, for when ImageNet's are not at hand.

They lie in the packages' own wheels, so nothing is fetched; the packages are asked for
their folders and are not imported.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


PHOTOS: dict[str, Photo] = {
    "chelsea": Photo(
        *("skimage", "scikit-image", "data/chelsea.png", 281), box=(105, 30, 345, 270)
    ),
    "coffee": Photo(
        *("skimage", "scikit-image", "data/coffee.png", 967), box=(140, 20, 510, 390)
    ),
    "motorcycle": Photo(
        *("skimage", "scikit-image", "data/motorcycle_left.png", 665),
        box=(180, 0, 680, 500),
    ),
    "china": Photo(
        *("sklearn", "scikit-learn", "datasets/images/china.jpg", 698),
        box=(64, 43, 448, 427),
    ),
    "rocket": Photo(
        *("skimage", "scikit-image", "data/rocket.jpg", 657), box=(256, 0, 554, 298)
    ),
    "grace_hopper": Photo(
        *("matplotlib", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg", 652),
        box=(25, 0, 434, 409),
    ),
    # A dahlia. ImageNet has no such class; the daisy is of the same family.
    "flower": Photo(
        *("sklearn", "scikit-learn", "datasets/images/flower.jpg", 985),
        box=(106, 0, 533, 427),
    ),
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
