"""Pictures in and out: files, URLs, and the networks' way of writing pixels.

Letters in shapes: N pictures, C channels, H rows, W columns.
"""

import os
import sys
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cs231n.datasets import pictures
from cs231n.datasets.captions import shown
from cs231n.datasets.fetching.http import HttpError
from cs231n.drawing.placeholder import placeholder_image
from cs231n.support.arrays import Array
from cs231n.support.imagenet import SQUEEZENET_MEAN as SQUEEZENET_MEAN  # noqa: PLC0414
from cs231n.support.imagenet import SQUEEZENET_STD as SQUEEZENET_STD  # noqa: PLC0414
from cs231n.support.picture_files import Picture, TooLargeError, decode
from cs231n.support.validate import require_count

Mean: TypeAlias = Literal["image", "pixel", "none"]


def blur_image(X: Array) -> NDArray[np.floating]:
    """Blur pictures very slightly, each channel by itself.

    The kernel is [[1, 2, 1], [2, 188, 2], [1, 2, 1]] / 200; outside is zero.

    Args:
        X: (N, C, H, W) pictures, unchanged.

    Returns:
        (N, C, H, W) blurred pictures in the dtype of X; float64 for integers.

    Example:
        >>> blur_image(np.ones((1, 1, 3, 3)))[0, 0].round(3)  # outside is zero
        array([[0.965, 0.98 , 0.965],
               [0.98 , 1.   , 0.98 ],
               [0.965, 0.98 , 0.965]])
    """
    if X.ndim != 4:
        raise ValueError(
            f"X has shape {X.shape}; pictures (N, C, H, W) can be blurred, so give a "
            "single one an axis in front."
        )
    if not np.issubdtype(X.dtype, np.floating):
        X = X.astype(np.float64)
    framed = np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)))
    sides = framed[..., :-2] + framed[..., 2:]  # left and right, of H + 2 rows
    middle = framed[..., 1:-1]
    out: NDArray[np.floating] = 188 * X + 2 * (
        middle[:, :, :-2] + middle[:, :, 2:] + sides[:, :, 1:-1]
    )
    out += sides[:, :, :-2] + sides[:, :, 2:]
    out /= 200
    return out


def preprocess_image(
    img: Array,
    mean_img: Array | None = None,
    mean: Mean | None = None,
) -> NDArray[np.float32]:
    """Turn a picture into a network's input; the arguments say which network's.

    ``preprocess_image(img)`` is for SqueezeNet: pixels to 0..1, minus the mean, over
    the deviation. ``preprocess_image(img, mean_img, mean="image")`` is for the
    pretrained CNN of 2016: pixels minus a mean picture.

    Args:
        img: (H, W, 3) pixels in 0..255, unchanged.
        mean_img: (3, H, W) mean picture.
        mean: What to subtract: the mean picture ("image", the default), its average in
            each channel ("pixel"), or nothing ("none").

    Returns:
        (H, W, 3) for SqueezeNet, (1, 3, H, W) for the pretrained CNN.

    Example:
        >>> img = np.array([[[0, 128, 255]]])  # one pixel
        >>> preprocess_image(img, np.full((3, 1, 1), 100), mean="image").ravel()
        array([-100.,   28.,  155.], dtype=float32)
    """
    img = np.asarray(img)
    if img.ndim != 3 or img.shape[2] != 3:
        raise ValueError(
            f"img has shape {img.shape}; one picture (H, W, 3) is wanted, as "
            "load_image returns it."
        )
    pixels = img.astype(np.float32)
    if mean_img is None and mean is None:
        pixels /= 255
        pixels -= SQUEEZENET_MEAN
        pixels /= SQUEEZENET_STD
        return pixels
    channels_first = pixels.transpose(2, 0, 1)[None]
    return channels_first - _mean_pixels(mean_img, mean, channels_first.shape)


def deprocess_image(
    img: Array,
    mean_img: Array | bool | None = None,
    mean: Mean | None = None,
    renorm: bool | None = None,
    *,
    rescale: bool | None = None,
) -> Picture:
    """Turn a network's input back into a picture; undoes ``preprocess_image``.

    ``deprocess_image(img, rescale=False)`` is for SqueezeNet, a bool in second place is
    ``rescale``. ``deprocess_image(img, mean_img, mean="image", renorm=False)`` is for
    the pretrained CNN of 2016. Values beyond 0..255 are clipped, fractions cut off, and
    what is not a number becomes black.

    Args:
        img: (H, W, 3) for SqueezeNet; (1, 3, H, W) or (3, H, W) for the pretrained CNN.
        mean_img: (3, H, W) mean picture.
        mean: What was subtracted: "image" (the default), "pixel" or "none".
        renorm: Whether to stretch the pixels to 0..255, the pretrained CNN's way.
        rescale: Whether to stretch the pixels to 0..255, SqueezeNet's way. A picture
            of one value everywhere is not stretched.

    Returns:
        (H, W, 3) pixels, uint8.

    Example:
        >>> img = np.array([[[0, 128, 255]]])  # one pixel
        >>> mean_img = np.full((3, 1, 1), 100)
        >>> X = preprocess_image(img, mean_img, mean="image")
        >>> deprocess_image(X, mean_img, mean="image", renorm=False).tolist()
        [[[0, 128, 255]]]
    """
    img = np.asarray(img)
    if isinstance(mean_img, bool | np.bool_):
        if rescale is not None:
            raise TypeError(
                "rescale came twice, as second argument and by name; give it once."
            )
        mean_img, rescale = None, bool(mean_img)
    of_2016 = mean_img is not None or mean is not None or renorm is not None
    if of_2016 and rescale is not None:
        raise TypeError(
            "rescale goes with SqueezeNet, mean_img, mean and renorm with the "
            "pretrained CNN; give one kind or the other."
        )
    if not of_2016:
        if img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                f"img has shape {img.shape}; (H, W, 3) is wanted, or a mean picture as "
                "second argument for the pretrained CNN's (1, 3, H, W)."
            )
        pixels = img * SQUEEZENET_STD + SQUEEZENET_MEAN
        return _to_uint8(pixels, top=1, stretch=bool(rescale))

    batch = img[None] if img.ndim == 3 else img
    if batch.ndim != 4 or batch.shape[:2] != (1, 3):
        raise ValueError(
            f"img has shape {img.shape}; one picture, (1, 3, H, W) or (3, H, W), is "
            "wanted, so index the batch first."
        )
    pixels = (batch + _mean_pixels(mean_img, mean, batch.shape))[0].transpose(1, 2, 0)
    return _to_uint8(pixels, stretch=bool(renorm))


def load_image(filename: str | os.PathLike[str], size: int | None = None) -> Picture:
    """Read a picture file, upright and in colour.

    Cameras that store a picture lying down say so in the file: it is turned upright.
    Grayscale, palette and CMYK become red, green and blue, 16 bits, 32 bits and
    fractions become 8 bits, what is transparent shows white, and of an animation the
    first frame counts.

    Args:
        filename: Any file that Pillow reads.
        size: What the shorter side is scaled to, bilinear; the longer side keeps the
            proportion, rounded down. None leaves the picture as it is. Of a picture
            with more pixels than Pillow allows, no more is read than a size needs.

    Returns:
        (H, W, 3) pixels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no picture, or has too many pixels to be read whole,
            or the size is not a positive whole number.

    Example:
        >>> from PIL import Image
        >>> Image.new("L", (80, 60)).save("gray.png")
        >>> load_image("gray.png", size=30).shape
        (30, 40, 3)
    """
    if size is not None:
        size = require_count(size, "size", "or None to keep it")
    path = Path(filename)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no picture {path}; check its name and the working directory."
        ) from error
    try:
        picture = decode(content, size)
    except TooLargeError as error:
        way_out = "." if size else ", or ask for a size."
        raise TooLargeError(f"{path} cannot be read: {error}{way_out}") from error
    except ValueError as error:
        raise ValueError(
            f"{path} is no picture that can be read ({error}); save it as PNG or JPEG."
        ) from error
    return picture if size is None else _scale(picture, size)


def image_from_url(url: str) -> Picture:
    """Get the picture that a URL names, or a placeholder that says why not.

    ``scene://…`` is drawn, ``http(s)://…`` fetched and kept on disk, ``file://…`` and
    plain paths read. A photo of a data set of your own goes by its name there: that of
    one which was loaded, or that ``CS231N_CAPTIONS`` chooses; then no file outside its
    folder of photos is read. Whatever goes wrong is printed in one line and written on
    the placeholder; nothing is raised. With ``CS231N_OFFLINE=1`` the network is left
    alone.

    Returns:
        (H, W, 3) pixels.

    Example:
        >>> image_from_url("scene://beach/red-car-m5080?0").shape
        (240, 320, 3)
        >>> placeholder = image_from_url("scene://moon")
        No picture from scene://moon (...): showing a placeholder.
    """
    url = str(url).strip()
    try:
        return _picture_at(url)
    except Exception as error:  # a notebook must go on, whatever a server sends
        known = isinstance(error, HttpError | shown.PhotoError | _NoPictureError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        said = f"No picture from {_shorten(url)} ({_shorten(reason)})"
        # A terminal may not know every letter; printing must not raise either.
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        said = said.encode(encoding, "backslashreplace").decode(encoding)
        print(f"{said}: showing a placeholder.")
        return placeholder_image(reason, url)


class _NoPictureError(Exception):
    """Why there is no picture, in words for a reader."""


def _shorten(text: str) -> str:
    """Return text in one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def _picture_at(url: str) -> Picture:
    """Get a picture or raise; three kinds of errors have plain words."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    if (photo := shown.find(url)) is not None:  # first: a name may look like a URL
        return _read(photo)
    scheme = urlsplit(url).scheme.lower()
    if scheme == "scene":
        from cs231n.drawing.scenes.scene import draw, scene_from_url

        return np.array(draw(scene_from_url(url)), dtype=np.uint8)
    if scheme in ("http", "https"):
        return pictures.fetch_picture(url)
    # One letter is a drive, as in C:\photos\cat.jpg.
    if len(scheme) > 1 and scheme != "file":
        raise _NoPictureError(f"{scheme}:// is not a kind of URL that can be fetched")
    path = url2pathname(urlsplit(url).path) if scheme == "file" else url
    if not path:
        raise _NoPictureError("the URL is empty")
    return _read(Path(path))


def _read(path: Path) -> Picture:
    try:
        return decode(path.read_bytes())
    except FileNotFoundError as error:
        raise _NoPictureError("there is no such file") from error
    except OSError as error:
        raise _NoPictureError(f"the file cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _NoPictureError(f"the file is no readable picture: {error}") from error


def _mean_pixels(
    mean_img: Array | None, mean: str | None, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return what the 2016 style subtracts, ready to broadcast to ``shape``."""
    if mean not in (None, "image", "pixel", "none"):
        raise ValueError(f"mean is {mean!r}; choose 'image', 'pixel' or 'none'.")
    if mean == "none":
        return np.zeros(1, dtype=np.float32)
    if mean_img is None:
        raise ValueError(
            f"mean={mean or 'image'!r} needs a mean picture; give mean_img or "
            "mean='none'."
        )
    pixels: NDArray[np.float32] = np.asarray(mean_img, dtype=np.float32)
    if pixels.ndim >= 3 and mean == "pixel":
        pixels = pixels.mean(axis=(-2, -1), keepdims=True)
    wanted = {(*shape[1:2], 1, 1), shape[1:]}
    if pixels.shape[-3:] not in wanted or pixels.size != np.prod(pixels.shape[-3:]):
        raise ValueError(
            f"mean_img has shape {np.shape(mean_img)}, the picture {shape[1:]} with "
            "channels first; scale the picture to the mean's size or pass mean='pixel'."
        )
    return pixels


def _to_uint8(
    pixels: NDArray[np.floating], top: float = 255, stretch: bool = False
) -> Picture:
    """Map 0..``top``, or with ``stretch`` smallest to largest value, to 0..255."""
    with np.errstate(over="ignore", invalid="ignore"):
        if stretch:
            finite = pixels[np.isfinite(pixels)]
            low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
            # Not for a flat picture: that would stretch nothing but rounding errors.
            if high - low > 1e-6 * max(abs(low), abs(high)):
                pixels, top = (pixels - low) / (high - low), 1
        clipped = np.clip(pixels * (255 / top), 0, 255)
    whole: Picture = np.nan_to_num(clipped).astype(np.uint8)
    return whole


def _scale(picture: Picture, size: int) -> Picture:
    from PIL import Image

    rows, columns = picture.shape[:2]
    shortest = min(rows, columns)
    # Whole numbers throughout: size / shortest can come out a little too small.
    shape = (columns * size // shortest, rows * size // shortest)
    return np.array(Image.fromarray(picture).resize(shape, Image.Resampling.BILINEAR))
