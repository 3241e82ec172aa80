"""Fast convolution and max pooling layers (given).

Convolution comes three ways, with the same results. ``*_im2col`` and ``*_strides`` put
all patches into one matrix, by fancy indexing and by strides, and show the idea;
``*_fast`` does so a few images at a time, and is what models use.

Letters in shapes: N images, C channels, F filters, H x W pixels, HH x WW pixels of a
filter, out_h x out_w places where it fits.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cs231n.im2col import *
from cs231n.support.arrays import Array
from cs231n.support.kernels.compiled import (  # noqa: F401 (star imports find them here)
    col2im_6d_cython,
    col2im_cython,
    im2col_cython,
)
from cs231n.support.kernels.convolution import convolve, convolve_backward
from cs231n.support.kernels.pooling import (
    pool_tiles_backward,
    pool_windows,
    pool_windows_backward,
)


def _conv_arguments(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[int, int, int, int]:
    """Check a convolution's arguments; return stride, pad, out_h, out_w."""
    stride = whole_number(conv_param, "stride", 1, "conv_param")
    pad = whole_number(conv_param, "pad", 0, "conv_param")
    require_images(x)
    require_images(w, "w")
    if x.shape[1] != w.shape[1]:
        turn = " Pass x.transpose(0, 3, 1, 2)." if x.shape[3] == w.shape[1] else ""
        raise ValueError(
            f"x has shape {x.shape} and thus {x.shape[1]} channels, but the filters w, "
            f"{w.shape}, want {w.shape[1]}; both have their channels on axis 1.{turn}"
        )
    if b.shape != w.shape[:1]:
        raise ValueError(
            f"b has shape {b.shape}, but ({w.shape[0]},) is wanted: one for each of "
            "the filters w."
        )
    return stride, pad, *places(x.shape, w.shape[2:], pad, stride)


def _require_tiling(x: Array, field: tuple[int, int], pad: int, stride: int) -> None:
    for name, size, f in zip(("height", "width"), x.shape[2:], field, strict=True):
        over = (size + 2 * pad - f) % stride
        if over != 0:
            raise AssertionError(
                f"A field of {f} with stride {stride} and padding {pad} leaves {over} "
                f"pixels of the {name} {size} over; change one of them, or use the "
                "fast layers, which leave those out."
            )


def _require_gradient(dout: Array, shape: tuple[int, ...]) -> None:
    if dout.shape != shape:
        raise ValueError(
            f"dout has shape {dout.shape}, but the output had {shape}; pass the "
            "gradient at that output, with its cache."
        )


def conv_forward_im2col(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Convolve by copying all patches into a matrix.

    Args:
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        b: (F,) biases.
        conv_param: ``stride``, and ``pad``: zeros added on each side.

    Returns:
        out: (N, F, out_h, out_w) responses.
        cache: (x, w, b, conv_param, x_cols), for conv_backward_im2col.

    Raises:
        AssertionError: If the fields do not tile the padded images exactly.
    """
    stride, pad, out_h, out_w = _conv_arguments(x, w, b, conv_param)
    N, (F, _, HH, WW) = x.shape[0], w.shape
    _require_tiling(x, (HH, WW), pad, stride)
    x_cols = im2col_indices(x, HH, WW, pad, stride)
    out = w.reshape(F, -1) @ x_cols + b[:, None]
    out = out.reshape(F, out_h, out_w, N).transpose(3, 0, 1, 2)
    return np.ascontiguousarray(out), (x, w, b, conv_param, x_cols)


def conv_backward_im2col(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through conv_forward_im2col.

    Args:
        dout: (N, F, out_h, out_w) gradient at the responses.
        cache: Second result of conv_forward_im2col.

    Returns:
        dx: (N, C, H, W) gradient at x.
        dw: (F, C, HH, WW) gradient at w.
        db: (F,) gradient at b.
    """
    x, w, b, conv_param, x_cols = cache
    stride, pad, out_h, out_w = _conv_arguments(x, w, b, conv_param)
    F, _, HH, WW = w.shape
    _require_gradient(dout, (x.shape[0], F, out_h, out_w))
    rows = dout.transpose(1, 2, 3, 0).reshape(F, -1)
    dx_cols = w.reshape(F, -1).T @ rows
    dx = col2im_indices(dx_cols, x.shape, HH, WW, pad, stride)
    return dx, (rows @ x_cols.T).reshape(w.shape), dout.sum(axis=(0, 2, 3))


def conv_forward_strides(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Convolve by copying all patches into a matrix, through a strided view.

    What is left over at the right and at the bottom, where fields do not tile the
    padded images, is not seen.

    Args:
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        b: (F,) biases.
        conv_param: ``stride``, and ``pad``: zeros added on each side.

    Returns:
        out: (N, F, out_h, out_w) responses, contiguous.
        cache: (x, w, b, conv_param, x_cols), for conv_backward_strides; x_cols is
            (C * HH * WW, N * out_h * out_w).
    """
    stride, pad, out_h, out_w = _conv_arguments(x, w, b, conv_param)
    F, _, HH, WW = w.shape
    x_cols = _all_columns(x, (HH, WW), pad, stride)
    out = w.reshape(F, -1) @ x_cols + b[:, None]
    out = out.reshape(F, -1, out_h, out_w).transpose(1, 0, 2, 3)
    return np.ascontiguousarray(out), (x, w, b, conv_param, x_cols)


def conv_backward_strides(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through conv_forward_strides.

    Args:
        dout: (N, F, out_h, out_w) gradient at the responses.
        cache: Second result of conv_forward_strides, or of conv_forward_fast.

    Returns:
        dx: (N, C, H, W) gradient at x.
        dw: (F, C, HH, WW) gradient at w.
        db: (F,) gradient at b.
    """
    x, w, b, conv_param, x_cols = cache
    stride, pad, out_h, out_w = _conv_arguments(x, w, b, conv_param)
    (N, C, H, W), (F, _, HH, WW) = x.shape, w.shape
    _require_gradient(dout, (N, F, out_h, out_w))
    if x_cols is None:
        x_cols = _all_columns(x, (HH, WW), pad, stride)
    rows = dout.transpose(1, 0, 2, 3).reshape(F, -1)
    dx_cols = (w.reshape(F, -1).T @ rows).reshape(C, HH, WW, N, out_h, out_w)
    dx = col2im_6d_cython(dx_cols, N, C, H, W, HH, WW, pad, stride)
    return dx, (rows @ x_cols.T).reshape(w.shape), dout.sum(axis=(0, 2, 3))


def _all_columns(x: Array, field: tuple[int, int], pad: int, stride: int) -> Array:
    N, C = x.shape[:2]
    padded = pad_images(x, pad)
    n, c, h, w = padded.strides
    view = as_strided(
        padded,
        (C, *field, N, *places(x.shape, field, pad, stride)),
        (c, h, w, n, stride * h, stride * w),
        writeable=False,
    )
    return view.reshape(C * field[0] * field[1], -1)


def conv_forward_fast(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Convolve as conv_forward_strides does, in less time and memory.

    Args:
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        b: (F,) biases.
        conv_param: ``stride``, and ``pad``: zeros added on each side.

    Returns:
        out: (N, F, out_h, out_w) responses, contiguous.
        cache: For conv_backward_fast; the columns are None, since making them again
            is faster than keeping them.
    """
    stride, pad, _, _ = _conv_arguments(x, w, b, conv_param)
    return convolve(x, w, b, stride, pad), (x, w, b, conv_param, None)


def conv_backward_fast(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through conv_forward_fast.

    Args:
        dout: (N, F, out_h, out_w) gradient at the responses.
        cache: Second result of conv_forward_fast, or of conv_forward_strides.

    Returns:
        dx: (N, C, H, W) gradient at x.
        dw: (F, C, HH, WW) gradient at w.
        db: (F,) gradient at b.
    """
    x, w, b, conv_param, _ = cache
    stride, pad, out_h, out_w = _conv_arguments(x, w, b, conv_param)
    _require_gradient(dout, (x.shape[0], w.shape[0], out_h, out_w))
    return convolve_backward(dout, x, w, stride, pad)


def _pool_arguments(x: Array, pool_param: dict[str, Any]) -> tuple[int, int, int]:
    """Check a pool's arguments; return its height, width and stride."""
    height = whole_number(pool_param, "pool_height", 1, "pool_param")
    width = whole_number(pool_param, "pool_width", 1, "pool_param")
    stride = whole_number(pool_param, "stride", 1, "pool_param")
    require_images(x)
    places(x.shape, (height, width), 0, stride)
    return height, width, stride


def _are_tiles(x: Array, height: int, width: int, stride: int) -> bool:
    square = height == width == stride
    return square and x.shape[2] % height == 0 and x.shape[3] % width == 0


def max_pool_forward_fast(x: Array, pool_param: dict[str, Any]) -> tuple[Array, Any]:
    """Take the maximum of the patch at every place.

    What is left over at the right and at the bottom, where pools do not tile the
    images, is not seen.

    Args:
        x: (N, C, H, W) images.
        pool_param: ``pool_height``, ``pool_width`` and ``stride``.

    Returns:
        out: (N, C, out_h, out_w) maxima.
        cache: For max_pool_backward_fast: how it was done, 'reshape' where pools are
            square tiles of the image and 'im2col' elsewhere, and what that needs.
    """
    height, width, stride = _pool_arguments(x, pool_param)
    if _are_tiles(x, height, width, stride):
        out, cache = max_pool_forward_reshape(x, pool_param)
        return out, ("reshape", cache)
    out = pool_windows(x, (height, width), stride)
    return out, ("im2col", (x, out, pool_param))


def max_pool_backward_fast(dout: Array, cache: Any) -> Array:
    """Backpropagate through max_pool_forward_fast.

    Args:
        dout: (N, C, out_h, out_w) gradient at the maxima.
        cache: Second result of max_pool_forward_fast.

    Returns:
        (N, C, H, W) gradient at x.

    Raises:
        ValueError: If the cache says neither 'reshape' nor 'im2col'.
    """
    method, real_cache = cache
    if method == "reshape":
        return max_pool_backward_reshape(dout, real_cache)
    if method == "im2col":
        return max_pool_backward_im2col(dout, real_cache)
    raise ValueError(
        f"The cache's method is {method!r}, and 'reshape' or 'im2col' is wanted; pass "
        "the second result of max_pool_forward_fast."
    )


def max_pool_forward_reshape(x: Array, pool_param: dict[str, Any]) -> tuple[Array, Any]:
    """Take the maximum of every tile; pools are square, and tile the images.

    Args:
        x: (N, C, H, W) images.
        pool_param: ``pool_height``, ``pool_width`` and ``stride``, all the same.

    Returns:
        out: (N, C, out_h, out_w) maxima.
        cache: For max_pool_backward_reshape.

    Raises:
        AssertionError: If pools are not square tiles of the images.
    """
    height, width, stride = _pool_arguments(x, pool_param)
    if not _are_tiles(x, height, width, stride):
        raise AssertionError(
            f"Pools of {height} x {width} with stride {stride} are no square tiles of "
            f"images of {x.shape[2]} x {x.shape[3]}; use max_pool_forward_fast."
        )
    out = pool_windows(x, (height, width), stride)
    return out, (x, out, pool_param)


def max_pool_backward_reshape(dout: Array, cache: Any) -> Array:
    """Backpropagate through max_pool_forward_reshape; ties share equally.

    Args:
        dout: (N, C, out_h, out_w) gradient at the maxima.
        cache: Second result of max_pool_forward_reshape.

    Returns:
        (N, C, H, W) gradient at x.
    """
    x, out, pool_param = cache
    _require_gradient(dout, out.shape)
    return pool_tiles_backward(dout, x, out, pool_param["stride"])


def max_pool_forward_im2col(x: Array, pool_param: dict[str, Any]) -> tuple[Array, Any]:
    """Take the maximum of the patch at every place; patches may overlap.

    Args:
        x: (N, C, H, W) images.
        pool_param: ``pool_height``, ``pool_width`` and ``stride``.

    Returns:
        out: (N, C, out_h, out_w) maxima.
        cache: For max_pool_backward_im2col.

    Raises:
        AssertionError: If the pools leave a part of the images out.
    """
    height, width, stride = _pool_arguments(x, pool_param)
    _require_tiling(x, (height, width), 0, stride)
    out = pool_windows(x, (height, width), stride)
    return out, (x, out, pool_param)


def max_pool_backward_im2col(dout: Array, cache: Any) -> Array:
    """Backpropagate through max_pool_forward_im2col; the first maximum gets it all.

    Args:
        dout: (N, C, out_h, out_w) gradient at the maxima.
        cache: Second result of max_pool_forward_im2col.

    Returns:
        (N, C, H, W) gradient at x.
    """
    x, out, pool_param = cache
    _require_gradient(dout, out.shape)
    height, width, stride = _pool_arguments(x, pool_param)
    return pool_windows_backward(dout, x, out, (height, width), stride)
