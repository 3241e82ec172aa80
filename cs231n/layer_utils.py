"""Sandwiches: layers that often follow one another, fused for convenience (given).

Each returns ``(out, cache)``, the cache being the tuple of its layers' caches.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from cs231n.fast_layers import *
from cs231n.layers import *

Backward: TypeAlias = Callable[[Array, Any], tuple[Array, Array, Array]]


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
    return _bn_relu_backward(dout, cache, batchnorm_backward, affine_backward)


def conv_relu_forward(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Apply a convolution, then a ReLU.

    Args:
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        b: (F,) biases.
        conv_param: ``stride`` and ``pad``.

    Returns:
        out: (N, F, out_h, out_w) outputs.
        cache: For conv_relu_backward.
    """
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    out, relu_cache = relu_forward(a)
    return out, (conv_cache, relu_cache)


def conv_relu_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through conv_relu_forward.

    Args:
        dout: (N, F, out_h, out_w) gradient at the outputs.
        cache: Second result of conv_relu_forward.

    Returns:
        dx: (N, C, H, W) gradient at x.
        dw: (F, C, HH, WW) gradient at w.
        db: (F,) gradient at b.
    """
    conv_cache, relu_cache = cache
    return conv_backward_fast(relu_backward(dout, relu_cache), conv_cache)


def conv_bn_relu_forward(
    x: Array,
    w: Array,
    b: Array,
    gamma: Array,
    beta: Array,
    conv_param: dict[str, Any],
    bn_param: dict[str, Any],
) -> tuple[Array, Any]:
    """Apply a convolution, spatial batch normalization, then a ReLU.

    Args:
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        b: (F,) biases.
        gamma: (F,) scale of the normalized values.
        beta: (F,) shift of the normalized values.
        conv_param: ``stride`` and ``pad``.
        bn_param: As in batchnorm_forward.

    Returns:
        out: (N, F, out_h, out_w) outputs.
        cache: For conv_bn_relu_backward.
    """
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    normed, bn_cache = spatial_batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normed)
    return out, (conv_cache, bn_cache, relu_cache)


def conv_bn_relu_backward(
    dout: Array, cache: Any
) -> tuple[Array, Array, Array, Array, Array]:
    """Backpropagate through conv_bn_relu_forward.

    Args:
        dout: (N, F, out_h, out_w) gradient at the outputs.
        cache: Second result of conv_bn_relu_forward.

    Returns:
        dx: (N, C, H, W) gradient at x.
        dw: (F, C, HH, WW) gradient at w.
        db: (F,) gradient at b.
        dgamma: (F,) gradient at gamma.
        dbeta: (F,) gradient at beta.
    """
    return _bn_relu_backward(
        dout, cache, spatial_batchnorm_backward, conv_backward_fast
    )


def _bn_relu_backward(
    dout: Array, cache: Any, batchnorm: Backward, layer: Backward
) -> tuple[Array, Array, Array, Array, Array]:
    """Backpropagate through a layer, its batch normalization and a ReLU."""
    layer_cache, bn_cache, relu_cache = cache
    dnormed = relu_backward(dout, relu_cache)
    da, dgamma, dbeta = batchnorm(dnormed, bn_cache)
    return *layer(da, layer_cache), dgamma, dbeta


def conv_relu_pool_forward(
    x: Array,
    w: Array,
    b: Array,
    conv_param: dict[str, Any],
    pool_param: dict[str, Any],
) -> tuple[Array, Any]:
    """Apply a convolution, a ReLU, then max pooling.

    Args:
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        b: (F,) biases.
        conv_param: ``stride`` and ``pad``.
        pool_param: ``pool_height``, ``pool_width`` and ``stride``.

    Returns:
        out: Maxima of the outputs, (N, F) and two axes of places.
        cache: For conv_relu_pool_backward.
    """
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    rectified, relu_cache = relu_forward(a)
    out, pool_cache = max_pool_forward_fast(rectified, pool_param)
    return out, (conv_cache, relu_cache, pool_cache)


def conv_relu_pool_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through conv_relu_pool_forward.

    Args:
        dout: Gradient at the outputs, shaped like them.
        cache: Second result of conv_relu_pool_forward.

    Returns:
        dx: (N, C, H, W) gradient at x.
        dw: (F, C, HH, WW) gradient at w.
        db: (F,) gradient at b.
    """
    conv_cache, relu_cache, pool_cache = cache
    da = relu_backward(max_pool_backward_fast(dout, pool_cache), relu_cache)
    return conv_backward_fast(da, conv_cache)
