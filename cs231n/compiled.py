"""The compiled kernels where they are built, and what serves where they are not.

Letters in shapes: as in cs231n.im2col.
"""

import numpy as np

from cs231n.im2col import Array, col2im_indices, im2col_indices, places


def im2col_cython(
    x: Array, field_height: int, field_width: int, padding: int, stride: int
) -> Array:
    """Copy the patch at every place into a column of its own.

    Args:
        x: (N, C, H, W) images, float32 or float64.
        field_height: fh.
        field_width: fw.
        padding: Zeros added on each side.
        stride: Pixels from one place to the next.

    Returns:
        (C * fh * fw, N * out_h * out_w): row c*fh*fw + ii*fw + jj, column
        y*out_w*N + x*N + n.
    """
    _require_float(x)
    return im2col_indices(x, field_height, field_width, padding, stride)


def col2im_cython(
    cols: Array,
    N: int,
    C: int,
    H: int,
    W: int,
    field_height: int,
    field_width: int,
    padding: int,
    stride: int,
) -> Array:
    """Add columns up where their patches were: the transpose of im2col_cython.

    Args:
        cols: (C * fh * fw, N * out_h * out_w) columns, float32 or float64.
        N: Images.
        C: Channels.
        H: Rows of an image.
        W: Columns of an image.
        field_height: fh.
        field_width: fw.
        padding: Zeros that had been added on each side.
        stride: Pixels from one place to the next.

    Returns:
        (N, C, H, W) sums; what fell on the padding is dropped.
    """
    _require_float(cols)
    return col2im_indices(
        cols, (N, C, H, W), field_height, field_width, padding, stride
    )


def col2im_6d_cython(
    cols: Array,
    N: int,
    C: int,
    H: int,
    W: int,
    HH: int,
    WW: int,
    pad: int,
    stride: int,
) -> Array:
    """Add columns up as col2im_cython does, the columns having an axis for each letter.

    Args:
        cols: (C, HH, WW, N, out_h, out_w) columns, float32 or float64.
        N: Images.
        C: Channels.
        H: Rows of an image.
        W: Columns of an image.
        HH: Height of the field.
        WW: Width of the field.
        pad: Zeros that had been added on each side.
        stride: Pixels from one place to the next.

    Returns:
        (N, C, H, W) sums; what fell on the padding is dropped.
    """
    _require_float(cols)
    out_h, out_w = places((N, C, H, W), (HH, WW), pad, stride)
    if cols.shape != (C, HH, WW, N, out_h, out_w):
        raise ValueError(
            f"cols has shape {cols.shape}, but {(C, HH, WW, N, out_h, out_w)} is "
            "wanted for these sizes."
        )
    padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dtype=cols.dtype)
    for i, j in np.ndindex(HH, WW):
        padded[
            :, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride
        ] += cols[:, i, j].transpose(1, 0, 2, 3)
    return np.ascontiguousarray(padded[:, :, pad : pad + H, pad : pad + W])


def _require_float(x: Array) -> None:
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"The array came as {x.dtype}, but float32 or float64 is wanted; convert "
            "it with astype(np.float32)."
        )
