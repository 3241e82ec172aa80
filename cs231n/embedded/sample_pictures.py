"""The 2016 edition's two photos: the user's own where they are, else packaged ones."""

from pathlib import Path

import numpy as np

from cs231n import datasets
from cs231n.embedded.photos import load_photo
from cs231n.image_utils import load_image
from cs231n.support.picture_files import Picture

# Name of the file in the course -> name of the photo that stands in for it.
STAND_INS: dict[str, str] = {"kitten.jpg": "chelsea", "sky.jpg": "china"}


def read_image(
    name: str,
    longest: int | None = None,
    size: tuple[int, int] | None = None,
    verbose: bool = True,
) -> Picture:
    """Read a photo, scaled if that is wanted.

    Args:
        name: "kitten.jpg" or "sky.jpg", of the working directory or the data folder, or
            what stands in for it; or the path of any other picture.
        longest: What the longer side is scaled to; the shorter one keeps the
            proportion.
        size: Rows and columns to scale to, whatever the proportion.
        verbose: Whether to say in one printed line which photo it is, where it is not
            the one that was asked for.

    Returns:
        (H, W, 3) pixels.

    Raises:
        FileNotFoundError: If there is neither such a file nor one that stands in.
        ModuleNotFoundError: If the package that carries the photo is not installed.
        ValueError: If the file is no picture, or a size not positive.

    Example:
        >>> from PIL import Image
        >>> Image.new("RGB", (80, 60), "gold").save("gold.png")
        >>> read_image("gold.png", longest=40).shape
        (30, 40, 3)
    """
    if longest is not None and size is not None:
        raise ValueError("Both longest and size were given; give one of them.")
    picture = _find(name, verbose)
    if longest is not None:
        rows, columns = picture.shape[:2]
        # Whole numbers throughout: the longer side could come out one pixel too short.
        longer = max(rows, columns)
        size = max(1, rows * longest // longer), max(1, columns * longest // longer)
    if size is None:
        return picture
    if min(size) < 1 or (longest is not None and longest < 1):
        raise ValueError(f"A picture of {size[0]}x{size[1]} has no pixels.")
    from PIL import Image

    shape = size[1], size[0]  # Pillow wants the width first
    return np.array(Image.fromarray(picture).resize(shape, Image.Resampling.BILINEAR))


def _find(name: str, verbose: bool) -> Picture:
    own = Path(name)
    file = own if own.is_file() else datasets.find(own)
    if file is not None and file.is_file():
        return load_image(file)
    if own.name not in STAND_INS:
        raise FileNotFoundError(
            f"There is no picture {name}; give the path of one, or choose of "
            f"{', '.join(STAND_INS)}."
        )
    stand_in = STAND_INS[own.name]
    if verbose:
        print(f"There is no {own.name} here: using the packaged photo {stand_in}.")
    return load_photo(stand_in)
