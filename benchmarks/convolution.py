"""Convolution, pooling and the 2016 network beside torch and beside plain loops.

Every piece of work has a row for NumPy alone and, where the kernels are built, one with
them.

Letters in shapes: as in cs231n.fast_layers.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 (its usual name)

from benchmarks.captioning import assert_close
from benchmarks.harness import Row, Work, ways
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.fast_layers import (
    conv_backward_fast,
    conv_backward_strides,
    conv_forward_fast,
    conv_forward_strides,
    max_pool_backward_fast,
    max_pool_forward_fast,
)
from cs231n.support.arrays import Array
from cs231n.support.kernels import compiled

TWOS = {"pool_height": 2, "pool_width": 2, "stride": 2}


@dataclass(frozen=True)
class Conv:
    """A convolution that is measured."""

    x: tuple[int, int, int, int]
    w: tuple[int, int, int, int]
    stride: int
    pad: int
    dtype: str = "float32"


CONVS = {
    "A": Conv((100, 3, 31, 31), (25, 3, 3, 3), 2, 1),
    "A float64": Conv((100, 3, 31, 31), (25, 3, 3, 3), 2, 1, "float64"),
    "B": Conv((50, 64, 32, 32), (64, 64, 3, 3), 1, 1),
    "C": Conv((16, 128, 28, 28), (128, 128, 3, 3), 1, 1),
}
LOOPED = {
    "A": CONVS["A"],
    "B": CONVS["B"],
    "C": CONVS["C"],
    "of PretrainedCNN's layer 8": Conv((1, 512, 4, 4), (512, 512, 3, 3), 1, 1),
}
SMALL_CONVS = {
    "small": Conv((3, 2, 7, 6), (4, 2, 3, 3), 2, 1),
    "small float64": Conv((2, 5, 8, 8), (7, 5, 3, 3), 1, 1, "float64"),
}
POOLS = ((100, 25, 16, 16), (50, 64, 32, 32))


# Plain loops: one output number at a time, as the layers are first written in class.


def loop_convolution(
    x: Array, w: Array, b: Array, dout: Array, stride: int, pad: int
) -> list[Array]:
    """Return out, dx, dw, db."""
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    HH, WW = w.shape[2:]
    out, dpadded, dw = np.empty_like(dout), np.zeros_like(padded), np.zeros_like(w)
    for n, f, i, j in np.ndindex(out.shape):
        rows, columns = i * stride, j * stride
        seen = np.s_[n, :, rows : rows + HH, columns : columns + WW]
        out[n, f, i, j] = np.sum(padded[seen] * w[f]) + b[f]
        dpadded[seen] += dout[n, f, i, j] * w[f]
        dw[f] += dout[n, f, i, j] * padded[seen]
    H, W = x.shape[2:]
    dx = dpadded[:, :, pad : pad + H, pad : pad + W]
    return [out, dx, dw, dout.sum(axis=(0, 2, 3))]


def loop_pool(x: Array, dout: Array) -> list[Array]:
    """Return out and dx of 2 x 2 tiles."""
    out, dx = np.empty_like(dout), np.zeros_like(x)
    for n, c, i, j in np.ndindex(out.shape):
        tile = np.s_[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        out[n, c, i, j] = x[tile].max()
        mask = x[tile] == out[n, c, i, j]
        dx[tile] = mask * (dout[n, c, i, j] / mask.sum())
    return [out, dx]


def reshaped_pool(x: Array, dout: Array) -> list[Array]:
    """Return out and dx of 2 x 2 tiles by the textbook reshape, ties shared."""
    N, C, H, W = x.shape
    tiles = x.reshape(N, C, H // 2, 2, W // 2, 2)
    out = tiles.max(axis=3).max(axis=4)
    mask = tiles == out[:, :, :, None, :, None]
    dtiles = np.zeros_like(tiles)
    spread, _ = np.broadcast_arrays(dout[:, :, :, None, :, None], dtiles)
    dtiles[mask] = spread[mask]
    dtiles /= mask.sum(axis=(3, 5), keepdims=True)
    return [out, dtiles.reshape(x.shape)]


def _compare(results: Any, *others: Any) -> None:
    for other in others:
        for mine, theirs in zip(results, other, strict=True):
            assert_close(mine, theirs)


def _compare_work(work: Work, *others: Work) -> None:
    _compare(work(), *(other() for other in others))


def convolution(convs: dict[str, Conv]) -> Iterator[Row]:
    """Yield rows for convolutions."""
    for name, c in convs.items():
        rng = np.random.default_rng(231)
        x, w, b = (rng.normal(size=s).astype(c.dtype) for s in (c.x, c.w, c.w[:1]))
        param = {"stride": c.stride, "pad": c.pad}
        out, _ = conv_forward_fast(x, w, b, param)
        dout = rng.normal(size=out.shape).astype(c.dtype)
        leaves = [torch.from_numpy(a).requires_grad_() for a in (x, w, b)]
        dout_t = torch.from_numpy(dout)

        def theirs_forward(v: Any = leaves, c: Conv = c) -> Any:
            with torch.no_grad():
                return F.conv2d(*v, stride=c.stride, padding=c.pad)

        def theirs(v: Any = leaves, c: Conv = c, d: Any = dout_t) -> list[Any]:
            result = F.conv2d(*v, stride=c.stride, padding=c.pad)
            return [result, *torch.autograd.grad(result, v, d)]

        def fast(a: Any = (x, w, b, param), d: Array = dout) -> list[Array]:
            result, cache = conv_forward_fast(*a)
            return [result, *conv_backward_fast(d, cache)]

        def strides(a: Any = (x, w, b, param), d: Array = dout) -> list[Array]:
            result, cache = conv_forward_strides(*a)
            return [result, *conv_backward_strides(d, cache)]

        def agree(fast: Any = fast, theirs: Any = theirs, strides: Any = strides):
            with compiled.only_numpy():
                alone = fast()
            _compare(fast(), theirs(), strides(), alone)

        size = name if "float" in name else f"{name} {c.dtype}"
        for way, wrap in ways():
            yield Row(
                f"conv {size} forward, {way}",
                wrap(partial(conv_forward_fast, x, w, b, param)),
                {
                    "torch no-grad": theirs_forward,
                    "all columns": wrap(partial(conv_forward_strides, x, w, b, param)),
                },
                agree,
            )
            yield Row(
                f"conv {size} forward+backward, {way}",
                wrap(fast),
                {"torch": theirs, "all columns": wrap(strides)},
                agree,
            )


def pooling(shapes: Any) -> Iterator[Row]:
    """Yield rows for max pooling over 2 x 2 tiles."""
    for shape in shapes:
        rng = np.random.default_rng(231)
        x = rng.normal(size=shape).astype(np.float32)
        N, C, H, W = shape
        dout = rng.normal(size=(N, C, H // 2, W // 2)).astype(np.float32)
        x_t, dout_t = torch.from_numpy(x).requires_grad_(), torch.from_numpy(dout)

        def theirs_forward(x: Any = x_t) -> Any:
            with torch.no_grad():
                return F.max_pool2d(x, 2)

        def theirs(x: Any = x_t, dout: Any = dout_t) -> list[Any]:
            out = F.max_pool2d(x, 2)
            return [out, *torch.autograd.grad(out, x, dout)]

        def fast(x: Array = x, dout: Array = dout) -> list[Array]:
            out, cache = max_pool_forward_fast(x, TWOS)
            return [out, max_pool_backward_fast(dout, cache)]

        reshaped = partial(reshaped_pool, x, dout)

        def agree(fast: Any = fast, theirs: Any = theirs, reshaped: Any = reshaped):
            with compiled.only_numpy():
                alone = fast()
            _compare(fast(), theirs(), reshaped(), alone)

        size = "x".join(map(str, shape))
        for way, wrap in ways():
            yield Row(
                f"max pool {size} forward, {way}",
                wrap(partial(max_pool_forward_fast, x, TWOS)),
                {"torch no-grad": theirs_forward},
                agree,
            )
            yield Row(
                f"max pool {size} forward+backward, {way}",
                wrap(fast),
                {"torch": theirs, "reshape": reshaped},
                agree,
            )


def torch_loss(model: PretrainedCNN, v: dict[str, Any], X: Any, y: Any) -> Any:
    """Return PretrainedCNN's training loss, computed by torch.

    Args:
        model: Whose settings hold.
        v: Its parameters, as tensors.
        X: (N, 3, H, W) images.
        y: (N,) labels.
    """
    for i, p in enumerate(model.conv_params, start=1):
        X = F.conv2d(X, v[f"W{i}"], v[f"b{i}"], stride=p["stride"], padding=p["pad"])
        X = F.batch_norm(X, None, None, v[f"gamma{i}"], v[f"beta{i}"], training=True)
        X = F.relu(X)
    X = X.flatten(1) @ v["W10"] + v["b10"]
    X = F.batch_norm(X, None, None, v["gamma10"], v["beta10"], training=True)
    return F.cross_entropy(F.relu(X) @ v["W11"] + v["b11"], y)


def network(N: int, size: int) -> Iterator[Row]:
    """Yield rows for a training pass of the 2016 network.

    Args:
        N: Images.
        size: Rows and columns of each.
    """
    state = np.random.get_state()
    np.random.seed(231)
    model = PretrainedCNN(num_classes=100, input_size=size)
    np.random.set_state(state)
    rng = np.random.default_rng(231)
    X = rng.normal(size=(N, 3, size, size)).astype(np.float32)
    y = rng.integers(100, size=N)
    leaves = {k: torch.from_numpy(w).requires_grad_() for k, w in model.params.items()}
    X_t, y_t = torch.from_numpy(X), torch.from_numpy(y)

    def ours() -> Any:
        return model.loss(X, y)

    def theirs() -> Any:
        loss = torch_loss(model, leaves, X_t, y_t)
        grads = torch.autograd.grad(loss, list(leaves.values()))
        return loss, dict(zip(leaves, grads, strict=True))

    def agree() -> None:
        expected, grads_t = theirs()
        with compiled.only_numpy():
            alone = ours()
        for loss, grads in (ours(), alone):
            assert_close(np.float32(loss), expected, "loss")
            for name, grad in grads.items():
                # Before batch normalization a bias changes nothing: all is rounding.
                if name[0] != "b" or name.startswith("beta") or name == "b11":
                    # A few of a million ReLUs fall on the other side of their kink.
                    off = np.linalg.norm(grad - grads_t[name].numpy())
                    off /= np.linalg.norm(grad)
                    assert off < 0.05, f"{name} differs from torch's by {off:.1e}"

    for way, wrap in ways():
        yield Row(
            f"PretrainedCNN forward+backward N={N} float32, {way}",
            wrap(ours),
            {"torch": theirs},
            agree if way == "NumPy" else None,  # it compares both ways
        )


def loops(convs: dict[str, Conv], pool: tuple[int, ...]) -> Iterator[Row]:
    """Yield rows for one image beside plain loops, which take seconds.

    Args:
        convs: What to convolve; the 2016 network's own layers among them.
        pool: Shape of the images to pool.
    """
    for name, c in convs.items():
        rng = np.random.default_rng(231)
        x, w, b = (
            rng.normal(size=s).astype(c.dtype) for s in ((1, *c.x[1:]), c.w, c.w[:1])
        )
        param = {"stride": c.stride, "pad": c.pad}
        out, _ = conv_forward_fast(x, w, b, param)
        dout = rng.normal(size=out.shape).astype(c.dtype)

        def fast(a: Any = (x, w, b, param), d: Array = dout) -> list[Array]:
            result, cache = conv_forward_fast(*a)
            return [result, *conv_backward_fast(d, cache)]

        slow = partial(loop_convolution, x, w, b, dout, **param)
        yield from _beside_loops(f"conv {name}", fast, slow)
    rng = np.random.default_rng(231)
    x = rng.normal(size=(1, *pool[1:])).astype(np.float32)
    dout = rng.normal(size=(1, pool[1], pool[2] // 2, pool[3] // 2)).astype(np.float32)

    def pooled() -> list[Array]:
        out, cache = max_pool_forward_fast(x, TWOS)
        return [out, max_pool_backward_fast(dout, cache)]

    yield from _beside_loops("max pool", pooled, partial(loop_pool, x, dout))


def _beside_loops(name: str, fast: Work, slow: Work) -> Iterator[Row]:
    for way, wrap in ways():
        yield Row(
            f"{name} forward+backward, one image, {way}",
            wrap(fast),
            {"loops": slow},
            agree=partial(_compare_work, fast, slow) if way == "NumPy" else None,
            rounds=1,
        )


def peak_memory() -> None:
    """Print the most memory that arrays take at a time: ``all columns``, and ours."""
    for name, c in CONVS.items():
        x, w = np.ones(c.x, c.dtype), np.ones(c.w, c.dtype)
        b, param = np.ones(c.w[0], c.dtype), {"stride": c.stride, "pad": c.pad}
        pairs = {
            "all columns": (conv_forward_strides, conv_backward_strides),
            "fast": (conv_forward_fast, conv_backward_fast),
        }
        for way, (forward, backward) in pairs.items():
            for by, wrap in ways():

                def work(forward: Any = forward, backward: Any = backward) -> Any:
                    out, cache = forward(x, w, b, param)  # noqa: B023 (runs at once)
                    return backward(out, cache)

                print(f"conv {name}, {way}, {by}: {_peak(wrap(work)):.0f} MB")
    model, X = PretrainedCNN(), np.ones((50, 3, 64, 64), np.float32)
    for by, wrap in ways():
        peak = _peak(wrap(partial(model.loss, X, np.arange(50))))
        print(f"PretrainedCNN, 50 images, {by}: {peak:.0f} MB")


def _peak(work: Work) -> float:
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


GROUPS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "conv": lambda quick: convolution(SMALL_CONVS if quick else CONVS),
    "pool": lambda quick: pooling([(2, 3, 4, 6)] if quick else POOLS),
    "cnn": lambda quick: network(*((3, 16) if quick else (50, 64))),
    "loops": lambda quick: (
        loops(SMALL_CONVS, (2, 3, 4, 6)) if quick else loops(LOOPED, POOLS[1])
    ),
}
