"""Layers of earlier assignments: affine, ReLU, batch normalization and two losses.

Each is a ``*_forward`` with its ``*_backward`` right below it; all of this is given.

Letters in shapes: N examples, D features, M outputs, C channels or classes, H x W
pixels.
"""

import math
from typing import Any

import numpy as np

from cs231n.support.arrays import Array as Array  # noqa: PLC0414 (star imports)
from cs231n.support.kernels import compiled
from cs231n.support.validate import require_cache, require_labels, require_shapes

_SOFTMAX_BLOCK = 131072  # scores handled at a time


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """Apply a fully connected layer to each example.

    Args:
        x: (N, d_1, ..., d_k) inputs; each example is read as a row of D numbers.
        w: (D, M) weights.
        b: (M,) biases.

    Returns:
        out: (N, M) outputs.
        cache: (x, w, b), for affine_backward.

    Raises:
        ValueError: If the shapes do not fit.
    """
    require_shapes("affine_forward", w=(w, "DM"))
    if np.shape(b) not in {(), (1,), (w.shape[1],)}:
        raise ValueError(
            f"affine_forward got w of shape {w.shape} and b of shape {np.shape(b)}; "
            f"({w.shape[1]},) is wanted."
        )
    shape = getattr(x, "shape", ())
    if not shape or math.prod(shape[1:]) != len(w):
        came = f"x of shape {shape}" if shape else f"{type(x).__name__} for x"
        raise ValueError(
            f"affine_forward got {came} and w of shape {w.shape}; {len(w)} numbers are "
            "wanted for each example, as many as w has rows."
        )
    out = x.reshape(shape[0], len(w)) @ w + b
    return out, (x, w, b)


def affine_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through a fully connected layer.

    Args:
        dout: (N, M) gradient at the outputs.
        cache: Second result of affine_forward.

    Returns:
        dx: (N, d_1, ..., d_k) gradient at x.
        dw: (D, M) gradient at w.
        db: (M,) gradient at b.

    Raises:
        ValueError: If dout is not shaped like the outputs.
        TypeError: If cache is not what affine_forward returned.
    """
    x, w, _ = require_cache("affine_backward", cache, 3, "affine_forward")
    require_shapes("affine_backward", w=(w, "DM"), dout=(dout, "NM"))
    if len(dout) != len(x):
        raise ValueError(
            f"affine_backward got dout of shape {dout.shape} for {len(x)} examples; "
            f"({len(x)}, {w.shape[1]}) is wanted."
        )
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), len(w)).T @ dout
    return dx, dw, dout.sum(axis=0)


def relu_forward(x: Array) -> tuple[Array, Array]:
    """Replace negative inputs by zero.

    Args:
        x: Inputs of any shape.

    Returns:
        out: max(0, x), shaped like x.
        cache: x itself.
    """
    return np.maximum(0, x), x


def relu_backward(dout: Array, cache: Array) -> Array:
    """Backpropagate through the ReLU.

    Args:
        dout: Gradient at the outputs, of any shape.
        cache: Second result of relu_forward.

    Returns:
        Gradient at x: dout where x was positive, else zero.
    """
    return np.where(cache > 0, dout, np.zeros((), dtype=dout.dtype))


def batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Normalize each feature over the batch, then scale and shift it.

    In ``train`` mode the batch's own mean and (biased) variance are used, and folded
    into running averages; in ``test`` mode the running averages are.

    Args:
        x: (N, D) inputs.
        gamma: (D,) scale.
        beta: (D,) shift.
        bn_param: ``mode`` ('train' or 'test', required), ``eps`` (1e-5), ``momentum``
            (0.9: the share of the old average kept), ``running_mean`` and
            ``running_var`` ((D,), zeros if absent, written back).

    Returns:
        out: (N, D) normalized, scaled and shifted inputs.
        cache: For batchnorm_backward; its first element is the mode.

    Raises:
        ValueError: If the mode is neither 'train' nor 'test'.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015.
    """
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    zeros = np.zeros(x.shape[1], dtype=x.dtype)
    running_mean = bn_param.get("running_mean", zeros)
    running_var = bn_param.get("running_var", zeros)

    if mode == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        mean, var = running_mean, running_var
    else:
        raise ValueError(
            f"Batch normalization got mode {mode!r}; "
            "set bn_param['mode'] to 'train' or 'test'."
        )
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var

    std = np.sqrt(var + eps)
    normed = (x - mean) / std
    return gamma * normed + beta, (mode, normed, gamma, std)


def batchnorm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through batch normalization, in either mode.

    Args:
        dout: (N, D) gradient at the outputs.
        cache: Second result of batchnorm_forward.

    Returns:
        dx: (N, D) gradient at x.
        dgamma: (D,) gradient at gamma.
        dbeta: (D,) gradient at beta.
    """
    mode, normed, gamma, std = cache
    dgamma = (dout * normed).sum(axis=0)
    dbeta = dout.sum(axis=0)
    if mode == "test":
        return dout * gamma / std, dgamma, dbeta
    # In train mode the batch's mean and variance depend on x as well.
    N = dout.shape[0]
    dx = gamma / std * (dout - dbeta / N - normed * dgamma / N)
    return dx, dgamma, dbeta


def spatial_batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Normalize each channel over the batch and all pixels.

    Args:
        x: (N, C, H, W) inputs.
        gamma: (C,) scale.
        beta: (C,) shift.
        bn_param: As in batchnorm_forward, with C in place of D.

    Returns:
        out: (N, C, H, W) outputs.
        cache: For spatial_batchnorm_backward.
    """
    N, C, H, W = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out, cache = batchnorm_forward(rows, gamma, beta, bn_param)
    return np.ascontiguousarray(out.reshape(N, H, W, C).transpose(0, 3, 1, 2)), cache


def spatial_batchnorm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through spatial batch normalization.

    Args:
        dout: (N, C, H, W) gradient at the outputs.
        cache: Second result of spatial_batchnorm_forward.

    Returns:
        dx: (N, C, H, W) gradient at x.
        dgamma: (C,) gradient at gamma.
        dbeta: (C,) gradient at beta.
    """
    N, C, H, W = dout.shape
    rows = dout.transpose(0, 2, 3, 1).reshape(-1, C)
    dx, dgamma, dbeta = batchnorm_backward(rows, cache)
    dx = np.ascontiguousarray(dx.reshape(N, H, W, C).transpose(0, 3, 1, 2))
    return dx, dgamma, dbeta


def svm_loss(x: Array, y: Array) -> tuple[float, Array]:
    """Compute the multiclass hinge loss with margin 1, averaged over the batch.

    Args:
        x: (N, C) scores.
        y: (N,) labels, 0 <= y < C; a single one stands for all examples.

    Returns:
        loss: Mean over examples of the summed margin violations.
        dx: (N, C) gradient at the scores.
    """
    require_shapes("svm_loss", x=(x, "NC"))
    y = require_labels("svm_loss", y, x)
    rows = np.arange(x.shape[0])
    margins = np.maximum(0, x - x[rows, y][:, None] + 1)
    margins[rows, y] = 0
    violated = (margins > 0).astype(x.dtype)
    violated[rows, y] = -violated.sum(axis=1)
    return float(margins.sum() / x.shape[0]), violated / x.shape[0]


def softmax_loss(x: Array, y: Array) -> tuple[float, Array]:
    """Compute the cross-entropy of softmax scores, averaged over the batch.

    Args:
        x: (N, C) scores.
        y: (N,) labels, 0 <= y < C; a single one stands for all examples.

    Returns:
        loss: Mean over examples of -log p(y).
        dx: (N, C) gradient at the scores.
    """
    require_shapes("softmax_loss", x=(x, "NC"))
    y = require_labels("softmax_loss", y, x)
    N = x.shape[0]
    dx = np.empty_like(x, order="C")
    weights = np.full(N, 1 / max(N, 1), dtype=x.dtype)
    return weighted_softmax_loss(x, y, weights, dx), dx


def weighted_softmax_loss(x: Array, y: Array, weights: Array, out: Array) -> float:
    """Sum the weighted cross-entropies of a softmax over each row.

    Args:
        x: (R, V) scores of all classes in each row.
        y: (R,) the true classes, 0 <= y < V.
        weights: (R,) how much each row's loss counts, in the dtype of x.
        out: (R, V) receives the gradient at the scores; may be x itself.

    Returns:
        The sum of weight times loss.
    """
    R, V = x.shape
    if (loss := _compiled_softmax(x, y, weights, out)) is not None:
        return loss
    ones = np.ones(V, dtype=x.dtype)
    block = max(1, _SOFTMAX_BLOCK // V)  # so few rows stay in the cache until done
    loss = 0.0
    for start in range(0, R, block):
        rows = slice(start, start + block)
        target = (np.arange(len(y[rows])), y[rows])
        p, weight = out[rows], weights[rows]
        # The largest becomes 0, so no exp is above 1 and none overflows.
        np.subtract(x[rows], x[rows].max(axis=1, keepdims=True), out=p)
        picked = p[target]
        np.exp(p, out=p)
        total = p @ ones  # faster than p.sum(axis=1)
        loss += float(np.sum(weight * (np.log(total) - picked), dtype=np.float64))
        p *= (weight / total)[:, None]
        p[target] -= weight
    return loss


def _compiled_softmax(x: Array, y: Array, weights: Array, out: Array) -> float | None:
    """Compute weighted_softmax_loss with the kernel; None where that does not fit."""
    k = compiled.kernels()
    arrays = (x, weights, out)
    if k is None or k.WIDEST < 1 or any(a.dtype != np.float32 for a in arrays):
        return None
    classes = np.ascontiguousarray(y)
    if classes.dtype.kind not in "iu" or not all(a.flags.c_contiguous for a in arrays):
        return None
    if classes.size and not (classes.min() >= 0 and classes.max() < x.shape[1]):
        return None
    classes = classes.astype(np.intp, copy=False)
    losses: list[float] = []

    def work(part: slice) -> None:
        losses.append(k.softmax_loss(x[part], classes[part], weights[part], out[part]))

    compiled.in_parts(work, len(x), _SOFTMAX_BLOCK // x.shape[1])
    return sum(losses)
