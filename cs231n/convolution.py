"""What fast_layers stands on: convolution and pooling without a copy of everything.

The images' patches are copied a few images at a time, so they stay in the cache until
the product is done, and are not kept: the backward pass copies them again, which takes
less time than fetching them from memory.

Letters in shapes: N images, C channels, F filters, H x W pixels, HH x WW pixels of a
filter, out_h x out_w places where it fits.
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cs231n.im2col import Array, pad_images, places

_BLOCK = 262144  # numbers in the columns that are made at a time


def windows(x: Array, field: tuple[int, int], stride: int) -> Array:
    """Look at the patch at every place, without copying any.

    Args:
        x: (N, C, H, W) images, padded already.
        field: (HH, WW).
        stride: Pixels from one place to the next.

    Returns:
        (N, C, HH, WW, out_h, out_w) read-only view.
    """
    out_h, out_w = places(x.shape, field, 0, stride)
    n, c, h, w = x.strides
    return as_strided(
        x,
        (*x.shape[:2], *field, out_h, out_w),
        (n, c, h, w, stride * h, stride * w),
        writeable=False,
    )


def _column_blocks(
    x: Array, field: tuple[int, int], padding: int, stride: int
) -> Iterator[tuple[slice, Array]]:
    """Yield a few images at a time: which, and their (n, C*HH*WW, places) columns."""
    N, C = x.shape[:2]
    view = windows(pad_images(x, padding), field, stride)
    rows, places_ = C * field[0] * field[1], view.shape[4] * view.shape[5]
    few = min(N, max(1, _BLOCK // (rows * places_)))
    buffer = np.empty((few, *view.shape[1:]), dtype=x.dtype)
    for start in range(0, N, few):
        part = view[start : start + few]
        cols = buffer[: len(part)]
        np.copyto(cols, part)
        yield (
            slice(start, start + len(part)),
            cols.reshape(len(part), rows, places_),
        )


def convolve(x: Array, w: Array, b: Array, stride: int, padding: int) -> Array:
    """Slide filters over images.

    Args:
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        b: (F,) biases.
        stride: Pixels from one place to the next.
        padding: Zeros added on each side.

    Returns:
        (N, F, out_h, out_w), contiguous.
    """
    F, _, HH, WW = w.shape
    out_h, out_w = places(x.shape, (HH, WW), padding, stride)
    dtype = np.result_type(x, w, b)
    out = np.empty((x.shape[0], F, out_h * out_w), dtype=dtype)
    rows = np.ascontiguousarray(w.reshape(F, -1), dtype=dtype)
    for chosen, cols in _column_blocks(
        x.astype(dtype, copy=False), (HH, WW), padding, stride
    ):
        np.matmul(rows, cols, out=out[chosen])
        out[chosen] += b[:, None]
    return out.reshape(-1, F, out_h, out_w)


def convolve_backward(
    dout: Array, x: Array, w: Array, stride: int, padding: int
) -> tuple[Array, Array, Array]:
    """Backpropagate through convolve.

    Args:
        dout: (N, F, out_h, out_w) gradient at its result.
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        stride: Pixels from one place to the next.
        padding: Zeros that were added on each side.

    Returns:
        dx: (N, C, H, W) gradient at x.
        dw: (F, C, HH, WW) gradient at w.
        db: (F,) gradient at b.
    """
    F, _, HH, WW = w.shape
    dtype = np.result_type(dout, x, w)
    dout = np.ascontiguousarray(dout, dtype=dtype)
    flat = dout.reshape(dout.shape[0], F, -1)
    dw = np.zeros((F, w[0].size), dtype=dtype)
    for chosen, cols in _column_blocks(
        x.astype(dtype, copy=False), (HH, WW), padding, stride
    ):
        for image, columns in zip(flat[chosen], cols, strict=True):
            dw += image @ columns.T
    dx = _spread(dout, w.astype(dtype, copy=False), x.shape, stride, padding)
    return dx, dw.reshape(w.shape), dout.sum(axis=(0, 2, 3))


def _spread(
    dout: Array, w: Array, shape: tuple[int, ...], stride: int, padding: int
) -> Array:
    """Return the gradient at the images: each place gives its share to its patch."""
    N, C, H, W = shape
    F, _, HH, WW = w.shape
    out_h, out_w = dout.shape[2:]
    rows = np.ascontiguousarray(w.reshape(F, -1).T)
    dx = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=dout.dtype)
    dcols = np.empty((C, HH, WW, out_h, out_w), dtype=dout.dtype)
    for image, target in zip(dout.reshape(N, F, -1), dx, strict=True):
        np.matmul(rows, image, out=dcols.reshape(len(rows), -1))
        for i, j in np.ndindex(HH, WW):
            target[
                :, i : i + stride * out_h : stride, j : j + stride * out_w : stride
            ] += dcols[:, i, j]
    return np.ascontiguousarray(dx[:, :, padding : padding + H, padding : padding + W])


def pool_tiles(x: Array, size: int) -> Array:
    """Take the maximum of every size x size tile.

    Args:
        x: (N, C, H, W) images, H and W multiples of size.
        size: Side of a tile.

    Returns:
        (N, C, H // size, W // size) maxima.
    """
    first, *rest = (x[:, :, i::size, j::size] for i, j in np.ndindex(size, size))
    out = np.array(first, order="C")
    for part in rest:
        np.maximum(out, part, out=out)
    return out


def pool_tiles_backward(dout: Array, x: Array, out: Array, size: int) -> Array:
    """Backpropagate through pool_tiles; equal maxima share the gradient equally.

    Args:
        dout: (N, C, H // size, W // size) gradient at the maxima.
        x: (N, C, H, W) images.
        out: The maxima.
        size: Side of a tile.

    Returns:
        (N, C, H, W) gradient at x.
    """
    dx = np.empty(x.shape, dtype=dout.dtype)
    tiles = [np.s_[:, :, i::size, j::size] for i, j in np.ndindex(size, size)]
    masks = [x[tile] == out for tile in tiles]
    share = dout / np.sum(masks, axis=0, dtype=dout.dtype)
    for tile, mask in zip(tiles, masks, strict=True):
        np.multiply(share, mask, out=dx[tile])
    return dx


def pool_windows(x: Array, field: tuple[int, int], stride: int) -> Array:
    """Take the maximum of the patch at every place; patches may overlap.

    Args:
        x: (N, C, H, W) images.
        field: Height and width of a patch.
        stride: Pixels from one place to the next.

    Returns:
        (N, C, out_h, out_w) maxima.
    """
    view = windows(x, field, stride)
    out = np.array(view[:, :, 0, 0], order="C")
    for i, j in np.ndindex(field):
        np.maximum(out, view[:, :, i, j], out=out)
    return out


def pool_windows_backward(
    dout: Array, x: Array, out: Array, field: tuple[int, int], stride: int
) -> Array:
    """Backpropagate through pool_windows; the first of equal maxima gets it all.

    Args:
        dout: (N, C, out_h, out_w) gradient at the maxima.
        x: (N, C, H, W) images.
        out: The maxima.
        field: Height and width of a patch.
        stride: Pixels from one place to the next.

    Returns:
        (N, C, H, W) gradient at x.
    """
    out_h, out_w = out.shape[2:]
    dx = np.zeros(x.shape, dtype=dout.dtype)
    waiting = np.ones(out.shape, dtype=bool)
    for i, j in np.ndindex(field):
        seen = np.s_[
            :, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride
        ]
        hit = (x[seen] == out) & waiting
        dx[seen] += dout * hit
        waiting &= ~hit
    return dx
