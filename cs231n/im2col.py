"""Patches of images as columns of a matrix, and back (given).

These are the plain versions, by fancy indexing; ``im2col_cython`` holds the fast ones.

Letters in shapes: N images, C channels, H x W pixels, fh x fw pixels of a field (the
patch that one output number sees), out_h x out_w places where the field fits.
"""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def whole_number(settings: Mapping[str, Any], key: str, least: int, name: str) -> int:
    """Look up a size such as a stride.

    Args:
        settings: Where it stands.
        key: Under which name.
        least: The smallest number that makes sense.
        name: What the settings are called, for errors.

    Raises:
        ValueError: If it is missing or too small.
        TypeError: If it is no whole number.
    """
    if key not in settings:
        raise ValueError(f"{name} has no {key!r}; give it a whole number >= {least}.")
    try:
        number = operator.index(settings[key])
    except TypeError:
        raise TypeError(
            f"{name}[{key!r}] is {settings[key]!r}; give a whole number >= {least}."
        ) from None
    if number < least:
        raise ValueError(f"{name}[{key!r}] is {number}; it must be {least} or more.")
    return number


def require_images(x: NDArray[Any], name: str = "x") -> None:
    """Insist on a batch of images.

    Args:
        x: What came.
        name: What it is called, for errors.

    Raises:
        ValueError: If it has not four axes, or one of them is empty.
    """
    if x.ndim != 4:
        raise ValueError(
            f"{name} has shape {x.shape}, but (N, C, H, W) is wanted: images, "
            "channels, rows, columns."
        )
    if x.size == 0:
        what = "no images" if x.shape[0] == 0 else "images of no size"
        raise ValueError(
            f"{name} has shape {x.shape}, so it holds {what}; give at least one image "
            "with at least one pixel."
        )


def places(
    shape: tuple[int, ...], field: tuple[int, int], padding: int, stride: int
) -> tuple[int, int]:
    """Count the places where a field fits; what is left over at the end is not seen.

    Args:
        shape: (N, C, H, W), of which the last two count.
        field: (fh, fw).
        padding: Zeros added on each side.
        stride: Pixels from one place to the next.

    Returns:
        out_h and out_w.

    Raises:
        ValueError: If the image, the field or the stride is empty, the padding
            negative, or the field larger than the padded image.
    """
    _, _, H, W = shape
    fh, fw = field
    if padding < 0 or min(H, W, fh, fw, stride) < 1:
        raise ValueError(
            f"The image is {H} x {W}, the field {fh} x {fw}, the stride {stride} and "
            f"the padding {padding}; use 1 or more for all but the last, and 0 or more "
            "for that."
        )
    room_h, room_w = H + 2 * padding - fh, W + 2 * padding - fw
    if min(room_h, room_w) < 0:
        raise ValueError(
            f"The field of {fh} x {fw} is larger than the image of {H} x {W} with "
            f"padding {padding}; use a smaller field, larger images or more padding."
        )
    return room_h // stride + 1, room_w // stride + 1


def pad_images(x: NDArray[Any], padding: int) -> NDArray[Any]:
    """Return images with a frame of zeros, or themselves where there is none to add.

    Args:
        x: (N, C, H, W) images.
        padding: Width of the frame.
    """
    if padding == 0:
        return x
    N, C, H, W = x.shape
    out = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=x.dtype)
    out[:, :, padding:-padding, padding:-padding] = x
    return out


def get_im2col_indices(
    x_shape: tuple[int, ...],
    field_height: int,
    field_width: int,
    padding: int = 1,
    stride: int = 1,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return which pixel of the padded image stands where in the columns.

    Args:
        x_shape: (N, C, H, W).
        field_height: fh.
        field_width: fw.
        padding: Zeros added on each side.
        stride: Pixels from one place to the next.

    Returns:
        k: (C * fh * fw, 1) channels.
        i: (C * fh * fw, out_h * out_w) rows.
        j: (C * fh * fw, out_h * out_w) columns.
    """
    C = x_shape[1]
    out_h, out_w = places(x_shape, (field_height, field_width), padding, stride)
    k, di, dj = np.indices((C, field_height, field_width)).reshape(3, -1, 1)
    y, x = np.indices((out_h, out_w)).reshape(2, 1, -1)
    return k, di + stride * y, dj + stride * x


def im2col_indices(
    x: NDArray[Any],
    field_height: int,
    field_width: int,
    padding: int = 1,
    stride: int = 1,
) -> NDArray[Any]:
    """Copy the patch at every place into a column of its own.

    Args:
        x: (N, C, H, W) images.
        field_height: fh.
        field_width: fw.
        padding: Zeros added on each side.
        stride: Pixels from one place to the next.

    Returns:
        (C * fh * fw, out_h * out_w * N): row c*fh*fw + ii*fw + jj, column
        y*out_w*N + x*N + n.
    """
    require_images(x)
    k, i, j = get_im2col_indices(x.shape, field_height, field_width, padding, stride)
    cols = pad_images(x, padding)[:, k, i, j]  # (N, C*fh*fw, out_h*out_w)
    return cols.transpose(1, 2, 0).reshape(k.shape[0], -1)


def col2im_indices(
    cols: NDArray[Any],
    x_shape: tuple[int, int, int, int],
    field_height: int = 3,
    field_width: int = 3,
    padding: int = 1,
    stride: int = 1,
) -> NDArray[Any]:
    """Add columns up where their patches were: the transpose of im2col_indices.

    Args:
        cols: (C * fh * fw, out_h * out_w * N) columns.
        x_shape: (N, C, H, W).
        field_height: fh.
        field_width: fw.
        padding: Zeros that had been added on each side.
        stride: Pixels from one place to the next.

    Returns:
        (N, C, H, W) sums; what fell on the padding is dropped.
    """
    N, C, H, W = x_shape
    if min(x_shape) < 1:
        raise ValueError(f"x_shape is {x_shape}; all four sizes must be 1 or more.")
    k, i, j = get_im2col_indices(x_shape, field_height, field_width, padding, stride)
    wanted = (k.shape[0], i.shape[1] * N)
    if cols.shape != wanted:
        raise ValueError(
            f"cols has shape {cols.shape}, but images of {x_shape} give {wanted}; pass "
            "what im2col_indices made of the same sizes."
        )
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=cols.dtype)
    # Fields overlap, so indices repeat: a plain += would keep one of the sums only.
    where: Any = (slice(None), k, i, j)
    np.add.at(padded, where, cols.reshape(k.shape[0], -1, N).transpose(2, 0, 1))
    return padded[:, :, padding : padding + H, padding : padding + W]
