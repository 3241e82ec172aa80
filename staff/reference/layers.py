"""Backward passes of other layers, one number or one place at a time.

``docs/derivations/`` derives each line. Letters in shapes are those of the layers:
N sequences, images or inputs, T timesteps, V words, D features, C channels, F filters,
H x W pixels, HH x WW pixels of a filter, out_h x out_w places where it fits.
"""

import numpy as np

from cs231n.support.arrays import Array


def word_embedding_backward(dout: Array, x: Array, V: int) -> Array:
    """Backpropagate through a look-up of words' vectors.

    Args:
        dout: (N, T, D) gradient at the vectors that were looked up.
        x: (N, T) word indices.
        V: How many words there are.

    Returns:
        (V, D) gradient at the words' vectors.
    """
    dW = np.zeros((V, dout.shape[2]))
    for n, t in np.ndindex(x.shape):
        dW[x[n, t]] += dout[n, t]
    return dW


def temporal_softmax_loss(x: Array, y: Array, mask: Array) -> tuple[float, Array]:
    """Score every timestep's word with the cross-entropy of a softmax.

    Args:
        x: (N, T, V) scores.
        y: (N, T) the true words.
        mask: (N, T) booleans, False where a timestep does not count.

    Returns:
        The loss, and (N, T, V) gradient at the scores.
    """
    loss, dx = 0.0, np.zeros(x.shape)
    for n, t in np.ndindex(y.shape):
        if not mask[n, t]:
            continue  # neither in the loss nor in its gradient
        e = np.exp(x[n, t] - x[n, t].max())
        p = e / e.sum()
        loss -= np.log(p[y[n, t]]) / len(x)
        dx[n, t] = p / len(x)
        dx[n, t, y[n, t]] -= 1 / len(x)
    return loss, dx


def batchnorm_backward(
    dout: Array, x: Array, gamma: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Backpropagate through batch normalization in train mode, a node at a time.

    Args:
        dout: (N, D) gradient at the outputs.
        x: (N, D) inputs.
        gamma: (D,) scale.
        eps: What is added to the variance.

    Returns:
        Gradients at x, gamma and beta.
    """
    N = len(x)
    centred = x - x.mean(axis=0)
    std = np.sqrt((centred**2).mean(axis=0) + eps)
    normed = centred / std
    # Through out = gamma * normed + beta,
    dbeta, dgamma = dout.sum(axis=0), (dout * normed).sum(axis=0)
    dnormed = gamma * dout
    # normed = centred / std, where every row shares std,
    dcentred = dnormed / std
    dstd = -(dnormed * centred).sum(axis=0) / std**2
    # std = sqrt(mean of centred ** 2 + eps),
    dcentred = dcentred + dstd / std * centred / N
    # and centred = x - mean of x.
    return dcentred - dcentred.mean(axis=0), dgamma, dbeta


def conv_backward(
    dout: Array, x: Array, w: Array, stride: int, pad: int
) -> tuple[Array, Array, Array]:
    """Backpropagate through a convolution.

    Args:
        dout: (N, F, out_h, out_w) gradient at the responses.
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        stride: Pixels from one place to the next.
        pad: Zeros added on each side.

    Returns:
        Gradients at x, w and the F biases.
    """
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dpadded, dw, db = np.zeros(padded.shape), np.zeros(w.shape), np.zeros(len(w))
    HH, WW = w.shape[2:]
    for n, f, i, j in np.ndindex(dout.shape):
        rows = slice(i * stride, i * stride + HH)
        columns = slice(j * stride, j * stride + WW)
        # The response is (w[f] * padded[n, :, rows, columns]).sum() + b[f].
        d = dout[n, f, i, j]
        dpadded[n, :, rows, columns] += w[f] * d
        dw[f] += padded[n, :, rows, columns] * d
        db[f] += d
    H, W = x.shape[2:]
    return dpadded[:, :, pad : pad + H, pad : pad + W], dw, db


def max_pool_backward(
    dout: Array, x: Array, height: int, width: int, stride: int
) -> Array:
    """Backpropagate through max pooling; the first of equal maxima gets it all.

    Args:
        dout: (N, C, out_h, out_w) gradient at the maxima.
        x: (N, C, H, W) images.
        height: Rows of a pool.
        width: Columns of a pool.
        stride: Pixels from one place to the next.

    Returns:
        (N, C, H, W) gradient at x.
    """
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        top, left = i * stride, j * stride
        patch = x[n, c, top : top + height, left : left + width]
        down, right = np.unravel_index(patch.argmax(), patch.shape)
        dx[n, c, top + down, left + right] += dout[n, c, i, j]
    return dx
