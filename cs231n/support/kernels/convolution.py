"""Convolution without a copy of everything, for fast_layers.

Patches are copied a few at a time, so they stay in the cache until the product is done,
and are not kept: the backward pass copies them again, which takes less time than
fetching them from memory. Compiled kernels copy no patch at all where that pays.

Letters in shapes: N images, C channels, F filters, H x W pixels, HH x WW pixels of a
filter, out_h x out_w places where it fits, K = C * HH * WW weights of a filter.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cs231n.im2col import places
from cs231n.support.arrays import Array
from cs231n.support.kernels.compiled import in_parts, kernels, warn_if_missing

_BLOCK = 1 << 20  # numbers in the columns that a kernel makes at a time
_BAND = 1 << 18  # and in those that NumPy makes
_MANY = 512  # places from which tiles are worth their way through the weights


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
    dtype = np.result_type(x, w, b)
    x, w, b = (np.ascontiguousarray(a, dtype=dtype) for a in (x, w, b))
    out_h, out_w = places(x.shape, w.shape[2:], padding, stride)
    out = np.empty((len(x), len(w), out_h, out_w), dtype=dtype)
    k = kernels_for(dtype)
    if k is None:
        _numpy_forward(x, w, b, out, stride, padding)
    elif _tiles_pay(k, w, out, stride):

        def work(part: slice) -> None:
            k.convolve(x[part], w, b, out[part], stride, padding)

        in_parts(work, len(x), _few_images(w, out))
    else:
        rows = w.reshape(len(w), -1)
        for images, columns in _gathered(k, x, w, out, stride, padding):
            product = rows @ columns.reshape(rows.shape[1], -1)
            product += b[:, None]
            apart = product.reshape(len(w), -1, out_h, out_w)
            out[images] = apart.transpose(1, 0, 2, 3)
    return out


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
    dtype = np.result_type(dout, x, w)
    dout, x, w = (np.ascontiguousarray(a, dtype=dtype) for a in (dout, x, w))
    dx = np.empty(x.shape, dtype=dtype)
    k = kernels_for(dtype)
    if k is None:
        dw = np.zeros(w.shape, dtype=dtype)
        _numpy_backward(dout, x, w, dx, dw, stride, padding)
    elif _tiles_pay(k, w, dout, stride):
        shares = []

        def work(part: slice) -> None:
            share = np.zeros(w.shape, dtype=dtype)  # each thread's own
            k.convolve_weights(dout[part], x[part], share, stride, padding)
            k.convolve_images(dout[part], w, dx[part], stride, padding)
            shares.append(share)

        in_parts(work, len(x), _few_images(w, dout))
        dw = shares[0] if len(shares) == 1 else np.sum(shares, axis=0)
    else:
        dx.fill(0)
        dw = np.empty(w.shape, dtype=dtype)
        flat, rows = dw.reshape(len(w), -1), w.reshape(len(w), -1).T
        for images, columns in _gathered(k, x, w, dout, stride, padding):
            given = dout[images].transpose(1, 0, 2, 3).reshape(len(w), -1)
            seen = columns.reshape(len(rows), -1).T
            if images.start == 0:
                np.matmul(given, seen, out=flat)
            else:
                flat += given @ seen
            back = (rows @ given).reshape(columns.shape).transpose(3, 0, 1, 2, 4, 5)
            some = dx[images]

            def add(part: slice, back: Array = back, some: Array = some) -> None:
                k.scatter(back[part], some[part], padding, stride)

            in_parts(add, len(some), max(1, _BLOCK // 8 // back[0].size))
    return dx, dw, dout.sum(axis=(0, 2, 3))


def kernels_for(dtype: np.dtype[Any]) -> Any:
    """Return the compiled kernels if there are some, and for such numbers.

    Args:
        dtype: Of the numbers.
    """
    warn_if_missing()
    return kernels() if dtype in (np.float32, np.float64) else None


def _tiles_pay(k: Any, w: Array, out: Array, stride: int) -> bool:
    """Tell whether sums in registers beat a copy of the patches and a product.

    They compute places that hang over the right edge too: many, in small images. And
    they go through the weights again and again, which does not pay for a few places.
    """
    N, _, out_h, out_w = out.shape
    hanging = (out_h - 1) * ((w.shape[3] - 1) // stride) / (out_h * out_w)
    return bool(k.WIDEST > 0 and hanging < 0.15 and N * out_h * out_w >= _MANY)


def _few_images(w: Array, out: Array) -> int:
    """Return how many images are worth a thread: about half a millisecond of work."""
    return max(1, int(2e7 / (w.size * out.shape[2] * out.shape[3])))


def _gathered(
    k: Any, x: Array, w: Array, out: Array, stride: int, padding: int
) -> Iterator[tuple[slice, Array]]:
    """Yield a few images at a time: which, and (C, HH, WW, n, out_h, out_w) columns."""
    shape = (*w.shape[1:], len(x), *out.shape[2:])
    each = w[0].size * out.shape[2] * out.shape[3]
    few = min(len(x), max(1, _BLOCK // each))
    buffer = np.empty(few * each, dtype=x.dtype)
    for start in range(0, len(x), few):
        images = slice(start, min(start + few, len(x)))
        some = x[images]
        columns = buffer[: len(some) * each].reshape(*shape[:3], len(some), *shape[4:])
        view = columns.transpose(3, 0, 1, 2, 4, 5)

        def copy(part: slice, some: Array = some, view: Array = view) -> None:
            k.gather(some[part], view[part], padding, stride)

        in_parts(copy, len(some), max(1, _BLOCK // 8 // each))
        yield images, columns


# NumPy copies and adds whole runs of memory fast, and short ones slowly. So some images
# are handled together and stand last, and a run is one pixel of all of them.


def _numpy_forward(
    x: Array, w: Array, b: Array, out: Array, stride: int, padding: int
) -> None:
    rows, scratch = w.reshape(len(w), -1), _Scratch(x.dtype)
    for images in _chunks(x, out):
        last = _images_last(x[images], padding, scratch)
        patches = _patches(last, w, out, stride)
        sums = scratch("sums", (len(w), *patches.shape[3:]))
        for band, columns in _bands(patches, scratch):
            part = _flat(sums, band)
            np.matmul(rows, columns.reshape(rows.shape[1], -1), out=part)
        np.add(sums.transpose(3, 0, 1, 2), b[:, None, None], out=out[images])


def _numpy_backward(
    dout: Array, x: Array, w: Array, dx: Array, dw: Array, stride: int, padding: int
) -> None:
    flat, scratch = dw.reshape(len(w), -1), _Scratch(x.dtype)
    rows = w.reshape(len(w), -1).T
    (H, W), out_w = x.shape[2:], dout.shape[3]
    for images in _chunks(x, dout):
        last = _images_last(x[images], padding, scratch)
        some = dout[images].transpose(1, 2, 3, 0)
        given = scratch("given", some.shape)
        np.copyto(given, some)
        dlast = scratch("dlast", last.shape)
        dlast.fill(0)
        for band, columns in _bands(_patches(last, w, dout, stride), scratch):
            part = _flat(given, band)
            flat += part @ columns.reshape(len(rows), -1).T
            # The columns have done their duty; their place is taken by gradients.
            np.matmul(rows, part, out=columns.reshape(len(rows), -1))
            top = band.start * stride
            for i, j in np.ndindex(w.shape[2:]):
                seen = np.s_[
                    :,
                    top + i : top + i + stride * columns.shape[3] : stride,
                    j : j + stride * out_w : stride,
                ]
                dlast[seen] += columns[:, i, j]
        inner = dlast[:, padding : padding + H, padding : padding + W]
        dx[images] = inner.transpose(3, 0, 1, 2)


class _Scratch:
    """Memory that is asked for once and used again: fresh pages are slow."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.kept: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return an array of this shape; what is in it may be anything."""
        size = math.prod(shape)
        if name not in self.kept or self.kept[name].size < size:
            self.kept[name] = np.empty(size, dtype=self.dtype)
        return self.kept[name][:size].reshape(shape)


def _chunks(x: Array, out: Array) -> Iterator[slice]:
    """Cut a batch into images that are handled together."""
    N, out_w = len(x), out.shape[3]
    few = max(16, 256 // out_w) if out_w < 4 * N else 1
    parts = -(-N // few)
    for k in range(parts):
        yield slice(N * k // parts, N * (k + 1) // parts)


def _images_last(x: Array, padding: int, scratch: _Scratch) -> Array:
    """Return (C, H, W, n) images, padded."""
    n, C, H, W = x.shape
    out = scratch("last", (C, H + 2 * padding, W + 2 * padding, n))
    if padding:
        out.fill(0)
    out[:, padding : padding + H, padding : padding + W] = x.transpose(1, 2, 3, 0)
    return out


def _patches(last: Array, w: Array, out: Array, stride: int) -> Array:
    """Look at the patch at every place: (C, HH, WW, out_h, out_w, n)."""
    c, h, v, n = last.strides
    return as_strided(
        last,
        (*w.shape[1:], *out.shape[2:], last.shape[3]),
        (c, h, v, stride * h, stride * v, n),
        writeable=False,
    )


def _bands(patches: Array, scratch: _Scratch) -> Iterator[tuple[slice, Array]]:
    """Copy patches of a few rows of places at a time; the copy may be overwritten."""
    height = patches.shape[3]
    rows = min(height, max(1, _BAND * height // patches.size))
    for start in range(0, height, rows):
        band = slice(start, min(start + rows, height))
        part = patches[:, :, :, band]
        columns = scratch("columns", part.shape)
        np.copyto(columns, part)
        yield band, columns


def _flat(last: Array, band: slice) -> Array:
    """View some rows of (F, out_h, out_w, n) as (F, places)."""
    across = last.shape[2] * last.shape[3]
    rows: Array = last.reshape(len(last), -1)
    return rows[:, band.start * across : band.stop * across]
