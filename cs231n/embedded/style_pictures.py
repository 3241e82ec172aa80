"""Pictures for style transfer: the course's own where they are, else stand-ins.

They are asked for by the names they have in the course's ``styles/`` folder. Paintings
are stood in for by drawings of this project, made stroke by stroke and always the same;
the photo of a town by another photo. Stand-ins are kept on disk once they are made.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from cs231n import datasets
from cs231n.drawing import paintings
from cs231n.drawing.paintings import abstract, evening, night
from cs231n.embedded.photos import load_photo
from cs231n.support.files import replacing
from cs231n.support.picture_files import Picture

FOLDER = "styles"


def _photo() -> Picture:
    return load_photo("china")


# Name in the course's folder -> what the stand-in is called, what makes it.
STAND_INS: dict[str, tuple[str, Callable[[], Picture]]] = {
    "tubingen": ("the photo china.jpg of scikit-learn", _photo),
    "starry_night": ("our drawing of a night sky", night.draw_night),
    "the_scream": ("our drawing of an evening", evening.draw_evening),
    "composition_vii": ("our abstract drawing", abstract.draw_abstract),
}


def find_picture(name: str, verbose: bool = True) -> Path:
    """Return the file of a picture, making the stand-in first if need be.

    Args:
        name: "tubingen" for the content; "starry_night", "the_scream" or
            "composition_vii" for a style; or any other picture in a folder styles/ of
            the working directory or the data folder.
        verbose: Whether to say in one printed line which picture is used.

    Raises:
        FileNotFoundError: If there is no such picture, nor one that stands in for it.
        OSError: If the stand-in cannot be written to the data folder.

    Example:
        >>> import os
        >>> from PIL import Image
        >>> os.mkdir("styles")
        >>> Image.new("RGB", (80, 60), "gold").save("styles/gold.png")
        >>> find_picture("gold", verbose=False).name
        'gold.png'
    """
    if file := find_original(name):
        source = str(file)
    else:
        file = find_stand_in(name)
        source = f"no {FOLDER}/{name}.jpg here, so {STAND_INS[name][0]}"
    if verbose:
        print(f"{name}: {source}.")
    return file


def find_original(name: str) -> Path | None:
    """Return the file of a picture that somebody has put into a folder styles/."""
    for suffix in (".jpg", ".jpeg", ".png"):
        file = Path(FOLDER, f"{name}{suffix}")
        if found := file if file.is_file() else datasets.find(file):
            return found
    return None


def find_stand_in(name: str) -> Path:
    """Return the file of a stand-in, made and stored by the first call."""
    if name not in STAND_INS:
        raise FileNotFoundError(
            f"There is no picture {name!r}; choose of {', '.join(STAND_INS)}, or put "
            f"{name}.jpg into a folder {FOLDER}/."
        )
    _, make = STAND_INS[name]
    file = datasets.cache_dir() / "style_pictures" / f"{name}-{_version()}.png"
    if not file.exists():
        from PIL import Image

        picture = make()
        with replacing(file) as draft:
            Image.fromarray(picture).save(draft, format="PNG", compress_level=3)
    return file


def _version() -> str:
    """Name the drawing code's state, so that no old drawing is taken for a new one."""
    folder = Path(str(paintings.__file__)).parent
    texts = [
        file.read_bytes()
        for file in sorted([*folder.glob("*.py"), *folder.glob("*.toml")])
    ]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:8]
