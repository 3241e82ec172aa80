"""Max pooling without index arrays, for fast_layers.

The backward pass compares each pixel with the maximum again, which takes less time than
remembering where it was.

Letters in shapes: N images, C channels, H x W pixels, out_h x out_w places.
"""

from typing import Any

import numpy as np

from cs231n.im2col import places
from cs231n.support.arrays import Array
from cs231n.support.kernels.compiled import in_parts
from cs231n.support.kernels.convolution import kernels_for

_WORTH = 1 << 18  # pixels that are worth a thread


def pool_tiles_backward(dout: Array, x: Array, out: Array, size: int) -> Array:
    """Backpropagate through tiles' maxima; equal ones share the gradient equally.

    Args:
        dout: (N, C, H // size, W // size) gradient at the maxima.
        x: (N, C, H, W) images.
        out: The maxima.
        size: Side of a tile.

    Returns:
        (N, C, H, W) gradient at x.
    """
    k = kernels_for(x.dtype)
    if k is not None and x.dtype == dout.dtype:
        return _compiled_backward(k, dout, x, out, (size, size), size, share=True)
    dx = np.empty(x.shape, dtype=dout.dtype)
    tiles = [np.s_[:, :, i::size, j::size] for i, j in np.ndindex(size, size)]
    masks = [x[tile] == out for tile in tiles]
    with np.errstate(divide="ignore", invalid="ignore"):  # nan equals nothing
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
    k = kernels_for(x.dtype)
    if k is not None:
        return _compiled_pool(k, x, field, stride)
    out_h, out_w = places(x.shape, field, 0, stride)
    first, *rest = (
        x[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride]
        for i, j in np.ndindex(field)
    )
    out = np.array(first, order="C")
    for part in rest:
        np.maximum(out, part, out=out)
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
    k = kernels_for(x.dtype)
    if k is not None and x.dtype == dout.dtype:
        return _compiled_backward(k, dout, x, out, field, stride, share=False)
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


def _compiled_pool(k: Any, x: Array, field: tuple[int, int], stride: int) -> Array:
    out = np.empty((*x.shape[:2], *places(x.shape, field, 0, stride)), dtype=x.dtype)

    def work(part: slice) -> None:
        k.pool(x[part], out[part], *field, stride)

    in_parts(work, len(x), _WORTH * len(x) // x.size)
    return out


def _compiled_backward(
    k: Any,
    dout: Array,
    x: Array,
    out: Array,
    field: tuple[int, int],
    stride: int,
    share: bool,
) -> Array:
    dx = np.zeros(x.shape, dtype=x.dtype)

    def work(part: slice) -> None:
        k.pool_backward(dout[part], x[part], out[part], dx[part], *field, stride, share)

    in_parts(work, len(x), _WORTH * len(x) // x.size)
    return dx
