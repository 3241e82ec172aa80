"""Convolution without a copy of everything, for fast_layers.

Patches are copied a few at a time, so they stay in the cache until the product is done,
and are not kept: the backward pass copies them again, which takes less time than
fetching them from memory. Compiled kernels copy no patch at all where that pays.

Letters in shapes: N images, C channels, F filters, H x W pixels, HH x WW pixels of a
filter, out_h x out_w places where it fits, K = C * HH * WW weights of a filter.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cs231n.compiled import in_parts, kernels, warn_if_missing
from cs231n.im2col import Array, places

_BLOCK = 1 << 20  # numbers in the columns that are made at a time


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
    dw, dx = np.zeros(w.shape, dtype=dtype), np.zeros(x.shape, dtype=dtype)
    k = kernels_for(dtype)
    if k is None:
        _numpy_backward(dout, x, w, dx, dw, stride, padding)
    elif _tiles_pay(k, w, dout, stride):
        shares = []

        def work(part: slice) -> None:
            share = np.zeros(w.shape, dtype=dtype)  # each thread's own
            k.convolve_weights(dout[part], x[part], share, stride, padding)
            k.convolve_images(dout[part], w, dx[part], stride, padding)
            shares.append(share)

        in_parts(work, len(x), _few_images(w, dout))
        dw = np.sum(shares, axis=0)
    else:
        flat = dw.reshape(len(w), -1)
        rows = np.ascontiguousarray(w.reshape(len(w), -1).T)
        for images, columns in _gathered(k, x, w, dout, stride, padding):
            given = dout[images].transpose(1, 0, 2, 3).reshape(len(w), -1)
            flat += given @ columns.reshape(len(rows), -1).T
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

    They compute places that hang over the edge, and BLAS is a little faster; the copy
    takes the longer the fewer filters use it.
    """
    out_h, out_w = out.shape[2:]
    hanging = (out_h - 1) * ((w.shape[3] - 1) // stride) / (out_h * out_w)
    return bool(k.WIDEST > 0 and 1.15 * (1 + hanging) < 1.05 + 15 / len(w))


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


# NumPy copies and adds whole runs of memory fast, and short ones slowly. Where rows of
# places are short, images stand last, so a run is one pixel of all images.


def _numpy_forward(
    x: Array, w: Array, b: Array, out: Array, stride: int, padding: int
) -> None:
    rows = w.reshape(len(w), -1)
    for images in _chunks(x, out):
        patches = _patches(_images_last(x[images], padding), w, out, stride)
        sums = np.empty((len(w), *patches.shape[3:]), dtype=x.dtype)
        for band, columns in _bands(patches):
            product = rows @ columns.reshape(rows.shape[1], -1)
            product += b[:, None]
            sums[:, band] = product.reshape(len(w), *columns.shape[3:])
        out[images] = sums.transpose(3, 0, 1, 2)


def _numpy_backward(
    dout: Array, x: Array, w: Array, dx: Array, dw: Array, stride: int, padding: int
) -> None:
    flat = dw.reshape(len(w), -1)
    rows = np.ascontiguousarray(w.reshape(len(w), -1).T)
    (H, W), out_w = x.shape[2:], dout.shape[3]
    for images in _chunks(x, dout):
        last = _images_last(x[images], padding)
        given = np.ascontiguousarray(dout[images].transpose(1, 2, 3, 0))
        dlast = np.zeros_like(last)
        for band, columns in _bands(_patches(last, w, dout, stride)):
            part = given[:, band].reshape(len(w), -1)
            flat += part @ columns.reshape(len(rows), -1).T
            back = np.matmul(rows, part, out=columns.reshape(len(rows), -1))
            back = back.reshape(columns.shape)
            top = band.start * stride
            for i, j in np.ndindex(w.shape[2:]):
                seen = np.s_[
                    :,
                    top + i : top + i + stride * columns.shape[3] : stride,
                    j : j + stride * out_w : stride,
                ]
                dlast[seen] += back[:, i, j]
        inner = dlast[:, padding : padding + H, padding : padding + W]
        dx[images] = inner.transpose(3, 0, 1, 2)


def _chunks(x: Array, out: Array) -> Iterator[slice]:
    """Cut a batch into images that are handled together."""
    N, out_w = len(x), out.shape[3]
    parts = -(-N // 64) if out_w < N else N
    for k in range(parts):
        yield slice(N * k // parts, N * (k + 1) // parts)


def _images_last(x: Array, padding: int) -> Array:
    """Return (C, H, W, n) images, padded."""
    n, C, H, W = x.shape
    out = np.zeros((C, H + 2 * padding, W + 2 * padding, n), dtype=x.dtype)
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


def _bands(patches: Array) -> Iterator[tuple[slice, Array]]:
    """Copy patches of a few rows of places at a time; the copy may be overwritten."""
    height = patches.shape[3]
    rows = min(height, max(1, _BLOCK * height // patches.size))
    buffer = np.empty(rows * (patches.size // height), dtype=patches.dtype)
    for start in range(0, height, rows):
        band = slice(start, min(start + rows, height))
        part = patches[:, :, :, band]
        columns = buffer[: part.size].reshape(part.shape)
        np.copyto(columns, part)
        yield band, columns
