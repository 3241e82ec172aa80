"""Picture files of all kinds as pixels: upright, in colour, 8 bits.

Whoever reads pictures goes through here, so that a photo is the same numbers for all.
"""

import io
import math
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cs231n.support.arrays import Array

if TYPE_CHECKING:
    from PIL import Image

Picture: TypeAlias = NDArray[np.uint8]

_ORIENTATION = 0x0112  # the entry of EXIF
_SAMPLE_FORMAT = 339  # the entry of TIFF
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}
_REDUCIBLE = {"RGB", "L", "RGBA", "LA", "CMYK"}


class TooLargeError(ValueError):
    """A picture has more pixels than are read."""


def decode(content: bytes, shortest: int | None = None) -> Picture:
    """Turn the content of a picture file into (H, W, 3) pixels.

    Args:
        content: Of any file that Pillow reads. What it says of the picture may be odd,
            and the mark at a JPEG's end may be missing.
        shortest: What the shorter side will be scaled to: a picture of too many pixels
            is then read reduced, if its format can, to no less than that.

    Raises:
        TooLargeError: If it has too many pixels all the same.
        ValueError: If Pillow cannot read it.
    """
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata are no news to the reader
            try:
                return _decode(content, shortest)
            except TooLargeError:
                raise
            except Exception:
                if (mended := _mended(content)) is None:
                    raise
                return _decode(mended, shortest)
    except TooLargeError:
        raise
    except UnidentifiedImageError as error:
        raise ValueError("not a picture format that Pillow knows") from error
    except Exception as error:  # damaged files raise anything, struct.error included
        raise ValueError(str(error) or type(error).__name__) from error


def is_whole_jpeg(content: bytes) -> bool:
    """Tell whether a file begins and ends as a JPEG does, without decoding it."""
    return content.startswith(_JPEG) and _JPEG_END in content[-64:]


def as_pixels(picture: "Image.Image") -> Picture:
    """Return a Pillow picture of any mode as (H, W, 3) pixels.

    Cameras that store a picture lying down say so: it is turned upright. 16 bits become
    8. Fractions and whole numbers of 32 bits are taken to count up to 1, 255 or 65535,
    whichever fits, and are stretched from smallest to largest where none does. What is
    transparent shows white.

    Raises:
        ValueError: If it was opened from a file that cannot be read to its end.
    """
    try:
        picture = _loaded(picture)
    except Exception as error:  # damaged files raise anything
        raise ValueError(
            f"The picture cannot be read ({error}); save it again as PNG or JPEG."
        ) from error
    return _pixels_of(picture)


def _pixels_of(picture: "Image.Image") -> Picture:
    from PIL import Image

    picture = _loaded(picture)  # which turns some kinds upright, and says so no more
    orientation = _orientation(picture)
    if picture.mode.startswith("I;16"):
        pixels = _gray(np.asarray(picture) >> 8)
    elif picture.mode in ("I", "F"):
        pixels = _gray(_as_bytes(_numbers(picture)))
    else:
        if "A" in picture.mode.upper() or "transparency" in picture.info:
            solid = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(solid, picture.convert("RGBA"))
        pixels = np.array(picture.convert("RGB"))
    return _upright(pixels, orientation)


def reduced(picture: "Image.Image", shortest: int) -> "Image.Image":
    """Return a picture, smaller by a whole factor if its kind can be.

    Args:
        picture: It is left as it is.
        shortest: What the shorter side keeps at least.
    """
    if picture.mode not in _REDUCIBLE:
        return picture
    return _loaded(picture).reduce(max(1, min(picture.size) // shortest))


def _loaded(picture: "Image.Image") -> "Image.Image":
    """Return a picture with its pixels; what is no flaw of them is left out."""
    from PIL import Image

    try:
        picture.load()
    except Exception:
        if (mended := _mended(_content(picture))) is None:
            raise
        picture = Image.open(io.BytesIO(mended))
        picture.load()
    return picture


def _content(picture: "Image.Image") -> bytes:
    """Return the file that a picture was opened from, or nothing if that is gone."""
    file: Any = getattr(picture, "fp", None)
    try:
        file.seek(0)
        return bytes(file.read())
    except (AttributeError, OSError, ValueError):  # closed, or no file at all
        return b""


def _decode(content: bytes, shortest: int | None) -> Picture:
    from PIL import Image

    most = Image.MAX_IMAGE_PIXELS or math.inf
    with _opened(content, shortest) as picture:
        large = picture.width * picture.height > most
        if large and shortest:
            picture.draft(None, (shortest, shortest))
            most *= 2  # what does not come reduced is there as a whole for a moment
        if picture.width * picture.height > most:
            size = f"{picture.width:,} by {picture.height:,} pixels"
            raise _too_large(f"{size} where at most {most:,} are read")
        if large and shortest:
            picture = reduced(picture, shortest)
        return _pixels_of(picture)


def _opened(content: bytes, shortest: int | None) -> "Image.Image":
    from PIL import Image, JpegImagePlugin

    try:
        return Image.open(io.BytesIO(content))
    except Image.DecompressionBombError:
        if shortest and content.startswith(_JPEG):  # it can come reduced
            return JpegImagePlugin.JpegImageFile(io.BytesIO(content))
        raise _too_large("far too many pixels") from None


def _too_large(much: str) -> TooLargeError:
    return TooLargeError(f"it has {much}; scale it down")


def _mended(content: bytes) -> bytes | None:
    """Return a file without a flaw that is none of its picture; None if it has none."""
    if content.startswith(_PNG):
        bare = _without_texts(content)
        return bare if len(bare) < len(content) else None
    if content.startswith(_JPEG):
        begun = content.removesuffix(_JPEG_END[:1])
        return begun + _JPEG_END if _has_all_pixels(begun) else None
    return None


def _without_texts(content: bytes) -> bytes:
    """Leave out a PNG's texts and colour profile, which Pillow may find too long."""
    kept, place = [content[: len(_PNG)]], len(_PNG)
    while place < len(content):
        length, kind = content[place : place + 4], content[place + 4 : place + 8]
        end = place + int.from_bytes(length, "big") + 12
        if kind not in _PNG_TEXTS:
            kept.append(content[place:end])
        place = end
    return b"".join(kept)


def _has_all_pixels(content: bytes) -> bool:
    """Tell whether a JPEG without its end mark lacks nothing else.

    If it does, what stands before the mark is taken for the pixels that are missing.
    """
    from PIL import Image

    fillings = [b"", *(bytes(k * n % 251 for n in range(1, 251)) for k in (85, 170))]
    try:
        first, *others = (
            np.asarray(Image.open(io.BytesIO(content + filling + _JPEG_END)))
            for filling in fillings
        )
    except Exception:  # more is wrong with it
        return False
    return all(np.array_equal(first, other) for other in others)


def _orientation(picture: "Image.Image") -> int:
    """Return how a picture lies, 1 to 8; 1 is upright."""
    try:
        value: Any = picture.getexif().get(_ORIENTATION)
    except Exception:  # metadata that cannot be read say nothing
        return 1
    return int(value) if value in range(1, 9) else 1


def _upright(pixels: Picture, orientation: int) -> Picture:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _numbers(picture: "Image.Image") -> Array:
    """Return the numbers of a picture of one channel of 32 bits."""
    values = np.asarray(picture)
    unsigned = getattr(picture, "tag_v2", {1: 1}).get(_SAMPLE_FORMAT, (1,)) == (1,)
    if values.dtype == np.int32 and picture.format == "TIFF" and unsigned:
        return values.view(np.uint32)
    return values


def _as_bytes(values: Array) -> NDArray[np.uint8]:
    """Scale numbers of unknown range to 0..255; what is not a number becomes black."""
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    # A little beyond the range is left by a change of size, say.
    fitting = (
        top
        for top in (1, 255, 65535)
        if top / 16 < high <= 1.1 * top and low >= -0.1 * top
    )
    top = next(fitting, None)
    if top is not None:
        low, high = 0.0, float(top)
    with np.errstate(invalid="ignore"):
        scaled = (values.astype(np.float64) - low) * (255 / ((high - low) or 1))
    return np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)


def _gray(values: Array) -> Picture:
    return np.repeat(values.astype(np.uint8)[:, :, None], 3, axis=2)
