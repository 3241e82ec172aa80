"""Sandwiches: layers that often follow one another, fused for convenience (given).

Each returns ``(out, cache)``, the cache being the tuple of its layers' caches. Those
with a convolution join them together with ``cs231n.fast_layers``.
"""

from typing import Any

from cs231n.layers import *


def affine_relu_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """Apply a fully connected layer, then a ReLU.

    Args:
        x: (N, d_1, ..., d_k) inputs.
        w: (D, M) weights.
        b: (M,) biases.

    Returns:
        out: (N, M) outputs.
        cache: For affine_relu_backward.
    """
    a, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (affine_cache, relu_cache)


def affine_relu_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through affine_relu_forward.

    Args:
        dout: (N, M) gradient at the outputs.
        cache: Second result of affine_relu_forward.

    Returns:
        dx: (N, d_1, ..., d_k) gradient at x.
        dw: (D, M) gradient at w.
        db: (M,) gradient at b.
    """
    affine_cache, relu_cache = cache
    return affine_backward(relu_backward(dout, relu_cache), affine_cache)


def affine_bn_relu_forward(
    x: Array, w: Array, b: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Apply a fully connected layer, batch normalization, then a ReLU.

    Args:
        x: (N, d_1, ..., d_k) inputs.
        w: (D, M) weights.
        b: (M,) biases.
        gamma: (M,) scale of the normalized values.
        beta: (M,) shift of the normalized values.
        bn_param: As in batchnorm_forward.

    Returns:
        out: (N, M) outputs.
        cache: For affine_bn_relu_backward.
    """
    a, affine_cache = affine_forward(x, w, b)
    normed, bn_cache = batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normed)
    return out, (affine_cache, bn_cache, relu_cache)


def affine_bn_relu_backward(
    dout: Array, cache: Any
) -> tuple[Array, Array, Array, Array, Array]:
    """Backpropagate through affine_bn_relu_forward.

    Args:
        dout: (N, M) gradient at the outputs.
        cache: Second result of affine_bn_relu_forward.

    Returns:
        dx: (N, d_1, ..., d_k) gradient at x.
        dw: (D, M) gradient at w.
        db: (M,) gradient at b.
        dgamma: (M,) gradient at gamma.
        dbeta: (M,) gradient at beta.
    """
    affine_cache, bn_cache, relu_cache = cache
    dnormed = relu_backward(dout, relu_cache)
    da, dgamma, dbeta = batchnorm_backward(dnormed, bn_cache)
    dx, dw, db = affine_backward(da, affine_cache)
    return dx, dw, db, dgamma, dbeta
