"""The compiled kernels where they are built, and what serves where they are not.

``python setup.py build_ext --inplace`` builds them; ``CS231N_NO_EXTENSION=1`` leaves
them aside. ``CS231N_THREADS`` says how many threads they use, else what BLAS obeys,
``OMP_NUM_THREADS``, else there is one for each core.

Letters in shapes: as in cs231n.im2col.
"""

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from cs231n.im2col import col2im_indices, im2col_indices, places
from cs231n.support.arrays import Array
from cs231n.support.cores import cores

_VERSION = 1  # of the kernels that this package goes with
_state: dict[str, Any] = {"kernels": None, "threads": 1, "warned": False}


def _load() -> Any:
    """Import the kernels, or return None where there are none to use."""
    if os.environ.get("CS231N_NO_EXTENSION", "0") not in {"", "0"}:
        _state["warned"] = True  # they are not missed
        return None
    try:
        module = importlib.import_module("cs231n.im2col_cython")
    except ImportError:
        return None
    return module if getattr(module, "VERSION", 0) == _VERSION else None


def _threads() -> int:
    for name in ("CS231N_THREADS", "OMP_NUM_THREADS"):
        number = os.environ.get(name, "")
        if number.isdigit() and int(number) > 0:
            return int(number)
    return cores()


_state["kernels"] = _load()
_state["threads"] = _threads()


def kernels() -> Any:
    """Return the module with the compiled kernels, or None."""
    return _state["kernels"]


def warn_if_missing() -> None:
    """Say, once, that convolution could be faster."""
    if _state["kernels"] is None and not _state["warned"]:
        _state["warned"] = True
        warnings.warn(
            "The compiled kernels are not built, so NumPy does convolution and "
            "pooling: same numbers, but slower. Run 'python setup.py build_ext "
            "--inplace' in the assignment's folder, or set CS231N_NO_EXTENSION=1 to "
            "stop this message.",
            stacklevel=3,
        )


def only_numpy() -> AbstractContextManager[None]:
    """Leave the kernels aside for a while."""
    return _changed(kernels=None, warned=True)


def using_threads(count: int) -> AbstractContextManager[None]:
    """Let kernels use this many threads for a while.

    Args:
        count: 1 or more.
    """
    return _changed(threads=count)


@contextmanager
def _changed(**state: Any) -> Iterator[None]:
    before = {name: _state[name] for name in state}
    _state.update(state)
    try:
        yield
    finally:
        _state.update(before)


def in_parts(work: Callable[[slice], object], total: int, worth: int = 2) -> None:
    """Do work on consecutive parts of a batch, each on a thread of its own.

    Threads come and go with the call, which takes some 90 microseconds: a pool that
    stayed would not survive a fork.

    Args:
        work: Called with slices that make up ``range(total)``; should let other
            threads run.
        total: How much there is.
        worth: How much a thread must have to do to be worth its start.
    """
    count = max(1, min(_state["threads"], total // max(worth, 1)))
    cuts = [total * k // count for k in range(count + 1)]
    first, *others = (slice(a, b) for a, b in pairwise(cuts))
    if not others:
        work(first)
        return
    # It takes longer to import than all of this, and one thread does without it.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(others)) as pool:
        waiting = [pool.submit(work, part) for part in others]
        work(first)
    for each in waiting:
        each.result()


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
    _require_floats(x, 4)
    if (k := _state["kernels"]) is not None:
        result: Array = k.im2col_cython(x, field_height, field_width, padding, stride)
        return result
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
    _require_floats(cols, 2)
    if (k := _state["kernels"]) is not None:
        sizes = (N, C, H, W, field_height, field_width, padding, stride)
        result: Array = k.col2im_cython(cols, *sizes)
        return result
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
    _require_floats(cols, 6)
    if (k := _state["kernels"]) is not None:
        result: Array = k.col2im_6d_cython(cols, N, C, H, W, HH, WW, pad, stride)
        return result
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


def _require_floats(x: Array, axes: int) -> None:
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"The array came as {x.dtype}, but float32 or float64 is wanted; convert "
            "it with astype(np.float32)."
        )
    if x.ndim != axes:
        raise ValueError(f"The array has shape {x.shape}, but {axes} axes are wanted.")
