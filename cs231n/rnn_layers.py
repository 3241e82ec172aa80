"""Q1, Q2, yours: recurrent layers, each ``*_forward`` with its ``*_backward`` below it.

Letters in shapes: N sequences, T timesteps, D input size, H hidden size, V words,
M outputs.
"""

from typing import Any

import numpy as np

# Since 2021 student files find these two here.
from cs231n.layers import affine_backward as affine_backward  # noqa: PLC0414
from cs231n.layers import affine_forward as affine_forward  # noqa: PLC0414
from cs231n.layers import weighted_softmax_loss
from cs231n.support.arrays import Array as Array  # noqa: PLC0414 (star imports)
from cs231n.support.validate import require_cache, require_shapes, require_words


def rnn_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Any]:
    """Advance a vanilla (tanh) RNN by one timestep.

    Args:
        x: (N, D) inputs at this timestep.
        prev_h: (N, H) hidden state left by the previous timestep.
        Wx: (D, H) input-to-hidden weights.
        Wh: (H, H) hidden-to-hidden weights.
        b: (H,) bias.

    Returns:
        next_h: (N, H) hidden state after this timestep.
        cache: What rnn_step_backward will need; nobody else looks inside.

    Example:
        >>> x = np.array([[0.0], [100.0]])  # N, D, H = 2, 1, 3
        >>> prev_h, b = np.zeros((2, 3)), np.zeros(3)
        >>> next_h, cache = rnn_step_forward(x, prev_h, np.ones((1, 3)), np.eye(3), b)
        >>> next_h  # large inputs saturate
        array([[0., 0., 0.],
               [1., 1., 1.]])
    """
    # TODO(Q1): Compute next_h, and put in cache whatever the backward pass needs.
    # BEGIN SOLUTION
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    cache = (x, prev_h, Wx, Wh, next_h)
    # END SOLUTION
    return next_h, cache


def rnn_step_backward(
    dnext_h: Array, cache: Any
) -> tuple[Array, Array, Array, Array, Array]:
    """Backpropagate through one timestep of a vanilla RNN.

    Args:
        dnext_h: (N, H) gradient of the loss at next_h.
        cache: Second result of rnn_step_forward.

    Returns:
        dx: (N, D) gradient at x.
        dprev_h: (N, H) gradient at prev_h.
        dWx: (D, H) gradient at Wx.
        dWh: (H, H) gradient at Wh.
        db: (H,) gradient at b.

    Example:
        >>> x, prev_h = np.ones((2, 1)), np.zeros((2, 3))  # N, D, H = 2, 1, 3
        >>> args = x, prev_h, np.ones((1, 3)), np.eye(3), np.zeros(3)
        >>> next_h, cache = rnn_step_forward(*args)
        >>> grads = rnn_step_backward(np.ones((2, 3)), cache)
        >>> [grad.shape for grad in grads]  # those of args
        [(2, 1), (2, 3), (1, 3), (3, 3), (3,)]
    """
    # TODO(Q1): Carry dnext_h back to each of the five inputs.
    # BEGIN SOLUTION
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)  # gradient just before the tanh, (N, H)
    dx, dprev_h = da @ Wx.T, da @ Wh.T
    dWx, dWh, db = x.T @ da, prev_h.T @ da, da.sum(axis=0)
    # END SOLUTION
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Any]:
    """Run a vanilla RNN over whole sequences.

    Args:
        x: (N, T, D) inputs for all timesteps.
        h0: (N, H) initial hidden state.
        Wx: (D, H) input-to-hidden weights.
        Wh: (H, H) hidden-to-hidden weights.
        b: (H,) bias.

    Returns:
        h: (N, T, H) hidden states after each timestep.
        cache: What rnn_backward will need.

    Example:
        >>> x, h0 = np.zeros((2, 5, 3)), np.zeros((2, 4))  # N, T, D, H = 2, 5, 3, 4
        >>> h, cache = rnn_forward(x, h0, np.ones((3, 4)), np.eye(4), np.full(4, 100.0))
        >>> h.shape, h[0, 0]  # a large bias saturates
        ((2, 5, 4), array([1., 1., 1., 1.]))
    """
    # TODO(Q1): Run the RNN from h0 through all T timesteps.
    # BEGIN SOLUTION
    N, T, D = x.shape
    H = h0.shape[1]
    # Timesteps first, so that each one lies together in memory. One product projects
    # all inputs; the loop keeps the recurrent product alone.
    xs = np.ascontiguousarray(x.transpose(1, 0, 2)).reshape(T * N, D)
    hs = np.empty((T + 1, N, H), dtype=np.result_type(x, h0, Wx, Wh, b))
    hs[0] = h0
    np.matmul(xs, Wx, out=hs[1:].reshape(T * N, H))
    hs[1:] += b
    recurrent = np.empty_like(hs[0])
    for t in range(T):
        hs[t + 1] += np.matmul(hs[t], Wh, out=recurrent)
        np.tanh(hs[t + 1], out=hs[t + 1])
    h = hs[1:].transpose(1, 0, 2)
    cache = (xs, hs, Wx, Wh)
    # END SOLUTION
    return h, cache


def rnn_backward(dh: Array, cache: Any) -> tuple[Array, Array, Array, Array, Array]:
    """Backpropagate through a vanilla RNN over whole sequences.

    Args:
        dh: (N, T, H) gradient at the hidden states, each timestep's own share of the
            loss only: what reaches a state from later timesteps is not in it.
        cache: Second result of rnn_forward.

    Returns:
        dx: (N, T, D) gradient at x.
        dh0: (N, H) gradient at h0.
        dWx: (D, H) gradient at Wx.
        dWh: (H, H) gradient at Wh.
        db: (H,) gradient at b.

    Example:
        >>> x, h0 = np.ones((2, 5, 3)), np.zeros((2, 4))  # N, T, D, H = 2, 5, 3, 4
        >>> h, cache = rnn_forward(x, h0, np.ones((3, 4)), np.eye(4), np.zeros(4))
        >>> [grad.shape for grad in rnn_backward(np.ones_like(h), cache)]
        [(2, 5, 3), (2, 4), (3, 4), (4, 4), (4,)]
    """
    # TODO(Q1): Walk the sequence backward. The weights are shared by all timesteps.
    # BEGIN SOLUTION
    xs, hs, Wx, Wh = cache
    N, T, H = dh.shape
    da = hs[1:] ** 2
    np.subtract(1, da, out=da)  # the tanh's slopes, turned into gradients in the loop
    dh0 = np.zeros((N, H), dtype=da.dtype)
    back = np.ascontiguousarray(Wh.T)  # small products are faster without a transpose
    for t in reversed(range(T)):
        da[t] *= dh[:, t] + dh0  # this step's own share, and what later steps send back
        np.matmul(da[t], back, out=dh0)
    da = da.reshape(T * N, H)
    dx = (da @ Wx.T).reshape(T, N, len(Wx)).transpose(1, 0, 2)
    dWx, dWh, db = xs.T @ da, hs[:-1].reshape(T * N, H).T @ da, da.sum(axis=0)
    # END SOLUTION
    return dx, dh0, dWx, dWh, db


def word_embedding_forward(x: Array, W: Array) -> tuple[Array, Any]:
    """Look up the vector of each word.

    Args:
        x: (N, T) word indices, integers, 0 <= x < V.
        W: (V, D) one vector a word.

    Returns:
        out: (N, T, D) the words' vectors.
        cache: What word_embedding_backward will need.

    Raises:
        TypeError: If x does not hold integers.
        IndexError: If a word index is negative or not below V.

    Example:
        >>> W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])  # V, D = 3, 2
        >>> out, cache = word_embedding_forward(np.array([[2, 0]]), W)
        >>> out
        array([[[5., 6.],
                [1., 2.]]])
    """
    require_words(x, W.shape[0])
    # TODO(Q1): Look up the words' vectors. One line of NumPy does it.
    # BEGIN SOLUTION
    out, cache = W[x], (x, W.shape)
    # END SOLUTION
    return out, cache


def word_embedding_backward(dout: Array, cache: Any) -> Array:
    """Backpropagate through the word embedding; words get gradients, indices do not.

    Args:
        dout: (N, T, D) gradient at the words' vectors.
        cache: Second result of word_embedding_forward.

    Returns:
        dW: (V, D) gradient at W.

    Example:
        >>> x, W = np.array([[2, 0, 2]]), np.ones((4, 5))  # V, D = 4, 5
        >>> out, cache = word_embedding_forward(x, W)
        >>> dW = word_embedding_backward(np.ones_like(out), cache)
        >>> dW.shape, dW[1]  # word 1 is nowhere
        ((4, 5), array([0., 0., 0., 0., 0.]))
    """
    # TODO(Q1): Compute the gradient of each word's vector. A word may stand in many
    # places, or in none.
    # BEGIN SOLUTION
    from scipy.sparse import csc_array

    x, (V, D) = cache
    places, words = np.arange(x.size + 1), x.reshape(-1)
    # The plain form is np.add.at(dW, x, dout), as words repeat; a sparse product makes
    # the same sums ten times as fast. Column n of S is one-hot at the nth word.
    S = csc_array((np.ones(x.size, dout.dtype), words, places), shape=(V, x.size))
    dW: Array = S @ dout.reshape(-1, D)
    # END SOLUTION
    return dW


def sigmoid(x: Array) -> Array:
    """Compute the logistic function without overflow (given).

    Args:
        x: Any shape.

    Returns:
        1 / (1 + exp(-x)), in the shape and floating point dtype of x.
    """
    e = np.exp(-np.abs(x))  # never above 1
    out: Array = np.where(np.asarray(x) >= 0, np.ones((), e.dtype), e) / (1 + e)
    return out


def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, Any]:
    """Advance an LSTM by one timestep.

    The four blocks of H columns in Wx, Wh and b belong to the input gate, the forget
    gate, the output gate and the block input, in that order.

    Args:
        x: (N, D) inputs at this timestep.
        prev_h: (N, H) hidden state left by the previous timestep.
        prev_c: (N, H) cell state left by the previous timestep.
        Wx: (D, 4H) input-to-hidden weights.
        Wh: (H, 4H) hidden-to-hidden weights.
        b: (4H,) biases.

    Returns:
        next_h: (N, H) hidden state after this timestep.
        next_c: (N, H) cell state after this timestep.
        cache: What lstm_step_backward will need.

    Source: Hochreiter and Schmidhuber, 1997; forget gate of Gers et al., 2000.

    Example:
        >>> x, prev_h, prev_c = np.ones((2, 3)), np.zeros((2, 4)), np.ones((2, 4))
        >>> Wx, Wh, b = np.zeros((3, 16)), np.zeros((4, 16)), np.zeros(16)
        >>> next_h, next_c, cache = lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)
        >>> next_h.shape, next_c[0]  # without weights, gates are half open
        ((2, 4), array([0.5, 0.5, 0.5, 0.5]))
    """
    # TODO(Q2): Compute the gates, then the cell state, then the hidden state.
    # BEGIN SOLUTION
    a = x @ Wx + prev_h @ Wh + b
    a_i, a_f, a_o, a_g = np.split(a, 4, axis=1)
    i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), np.tanh(a_g)
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    next_h = o * tanh_c
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c)
    # END SOLUTION
    return next_h, next_c, cache


def lstm_step_backward(
    dnext_h: Array, dnext_c: Array, cache: Any
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Backpropagate through one timestep of an LSTM.

    Args:
        dnext_h: (N, H) gradient of the loss at next_h.
        dnext_c: (N, H) gradient of the loss at next_c, apart from what reaches it
            through next_h.
        cache: Third result of lstm_step_forward.

    Returns:
        dx: (N, D) gradient at x.
        dprev_h: (N, H) gradient at prev_h.
        dprev_c: (N, H) gradient at prev_c.
        dWx: (D, 4H) gradient at Wx.
        dWh: (H, 4H) gradient at Wh.
        db: (4H,) gradient at b.

    Example:
        >>> x, prev_h, prev_c = np.ones((2, 3)), np.zeros((2, 4)), np.ones((2, 4))
        >>> args = x, prev_h, prev_c, np.zeros((3, 16)), np.zeros((4, 16)), np.zeros(16)
        >>> next_h, next_c, cache = lstm_step_forward(*args)
        >>> grads = lstm_step_backward(np.ones((2, 4)), np.ones((2, 4)), cache)
        >>> [grad.shape for grad in grads]  # those of args
        [(2, 3), (2, 4), (2, 4), (3, 16), (4, 16), (16,)]
    """
    # TODO(Q2): Carry both gradients back to each of the six inputs.
    # BEGIN SOLUTION
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)  # next_c is used twice
    da = np.concatenate(
        [
            dc * g * i * (1 - i),
            dc * prev_c * f * (1 - f),
            dnext_h * tanh_c * o * (1 - o),
            dc * i * (1 - g**2),
        ],
        axis=1,
    )
    dx, dprev_h, dprev_c = da @ Wx.T, da @ Wh.T, dc * f
    dWx, dWh, db = x.T @ da, prev_h.T @ da, da.sum(axis=0)
    # END SOLUTION
    return dx, dprev_h, dprev_c, dWx, dWh, db


def lstm_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Any]:
    """Run an LSTM over whole sequences; its cell state starts at zero.

    Args:
        x: (N, T, D) inputs for all timesteps.
        h0: (N, H) initial hidden state.
        Wx: (D, 4H) input-to-hidden weights.
        Wh: (H, 4H) hidden-to-hidden weights.
        b: (4H,) biases.

    Returns:
        h: (N, T, H) hidden states after each timestep; cell states stay inside.
        cache: What lstm_backward will need.

    Example:
        >>> x, h0 = np.ones((2, 5, 3)), np.ones((2, 4))  # N, T, D, H = 2, 5, 3, 4
        >>> Wx, Wh, b = np.zeros((3, 16)), np.zeros((4, 16)), np.zeros(16)
        >>> h, cache = lstm_forward(x, h0, Wx, Wh, b)
        >>> h.shape, float(np.abs(h).max())  # nothing was written to the cells
        ((2, 5, 4), 0.0)
    """
    # TODO(Q2): Run the LSTM from h0 through all T timesteps.
    # BEGIN SOLUTION
    N, T, D = x.shape
    H = h0.shape[1]
    # As in rnn_forward: timesteps first, all inputs projected by one product.
    xs = np.ascontiguousarray(x.transpose(1, 0, 2)).reshape(T * N, D)
    projected = xs @ Wx
    projected += b
    dtype = np.result_type(projected, h0, Wh)
    gates = projected.astype(dtype, copy=False).reshape(T, N, 4 * H)
    hs, cs = np.empty((2, T + 1, N, H), dtype=dtype)
    tanh_c = np.empty((T, N, H), dtype=dtype)
    recurrent = np.empty((N, 4 * H), dtype=dtype)
    hs[0], cs[0] = h0, 0
    for t in range(T):
        a = gates[t]
        a += np.matmul(hs[t], Wh, out=recurrent)
        # sigmoid(a) = (1 + tanh(a / 2)) / 2, so a single tanh serves all four blocks.
        squashed = a[:, : 3 * H]
        squashed *= 0.5
        np.tanh(a, out=a)
        squashed *= 0.5
        squashed += 0.5
        i, f, o, g = a.reshape(N, 4, H).swapaxes(0, 1)
        np.multiply(f, cs[t], out=cs[t + 1])
        cs[t + 1] += i * g
        np.tanh(cs[t + 1], out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=hs[t + 1])
    h = hs[1:].transpose(1, 0, 2)
    cache = (xs, hs, cs, tanh_c, gates, Wx, Wh)
    # END SOLUTION
    return h, cache


def lstm_backward(dh: Array, cache: Any) -> tuple[Array, Array, Array, Array, Array]:
    """Backpropagate through an LSTM over whole sequences.

    Args:
        dh: (N, T, H) gradient at the hidden states, each timestep's own share of the
            loss only: what reaches a state from later timesteps is not in it.
        cache: Second result of lstm_forward.

    Returns:
        dx: (N, T, D) gradient at x.
        dh0: (N, H) gradient at h0.
        dWx: (D, 4H) gradient at Wx.
        dWh: (H, 4H) gradient at Wh.
        db: (4H,) gradient at b.

    Example:
        >>> x, h0 = np.ones((2, 5, 3)), np.ones((2, 4))  # N, T, D, H = 2, 5, 3, 4
        >>> Wx, Wh, b = np.ones((3, 16)), np.ones((4, 16)), np.ones(16)
        >>> h, cache = lstm_forward(x, h0, Wx, Wh, b)
        >>> [grad.shape for grad in lstm_backward(np.ones_like(h), cache)]
        [(2, 5, 3), (2, 4), (3, 16), (4, 16), (16,)]
    """
    # TODO(Q2): Walk the sequence backward, with two states to carry this time.
    # BEGIN SOLUTION
    xs, hs, cs, tanh_c, gates, Wx, Wh = cache
    N, T, H = dh.shape
    da = np.empty_like(gates)
    # Products with Wh.T are faster written to columns in float32, to rows in float64.
    columns = gates.dtype == np.float32
    dh0 = np.zeros((N, H), dtype=gates.dtype, order="F" if columns else "C")
    dc = np.zeros((N, H), dtype=gates.dtype)
    for t in reversed(range(T)):
        i, f, o, g = gates[t].reshape(N, 4, H).swapaxes(0, 1)
        da_i, da_f, da_o, da_g = da[t].reshape(N, 4, H).swapaxes(0, 1)
        dnext_h = dh[:, t] + dh0
        np.multiply(dnext_h, tanh_c[t], out=da_o)
        slope = tanh_c[t] ** 2
        np.subtract(1, slope, out=slope)
        dnext_h *= o
        dnext_h *= slope
        dc += dnext_h
        np.multiply(dc, g, out=da_i)
        np.multiply(dc, cs[t], out=da_f)
        np.multiply(dc, i, out=da_g)
        dc *= f
        # Through the sigmoids, s (1 - s), and the tanh, 1 - g^2.
        s = gates[t][:, : 3 * H]
        da[t][:, : 3 * H] *= s * (1 - s)
        da_g *= 1 - g * g
        np.matmul(da[t], Wh.T, out=dh0)
    da = da.reshape(T * N, 4 * H)
    dx = (da @ Wx.T).reshape(T, N, len(Wx)).transpose(1, 0, 2)
    dWx, dWh, db = xs.T @ da, hs[:-1].reshape(T * N, H).T @ da, da.sum(axis=0)
    # END SOLUTION
    return dx, dh0, dWx, dWh, db


def temporal_affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """Apply one fully connected layer at every timestep (given).

    Args:
        x: (N, T, D) inputs.
        w: (D, M) weights.
        b: (M,) biases.

    Returns:
        out: (N, T, M) outputs.
        cache: (x, w, b, out), for temporal_affine_backward.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> x, w, b = np.ones((2, 3, 4)), np.ones((4, 5)), np.zeros(5)
        >>> out, cache = temporal_affine_forward(x, w, b)
        >>> out.shape, out[0, 0]
        ((2, 3, 5), array([4., 4., 4., 4., 4.]))
    """
    require_shapes("temporal_affine_forward", x=(x, "NTD"), w=(w, "DM"), b=(b, "M"))
    N, T, D = x.shape
    flat = x.reshape(N * T, D) @ w
    flat += b
    out = flat.reshape(N, T, w.shape[1])
    return out, (x, w, b, out)


def temporal_affine_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Backpropagate through temporal_affine_forward (given).

    Args:
        dout: (N, T, M) gradient at the outputs.
        cache: Second result of temporal_affine_forward.

    Returns:
        dx: (N, T, D) gradient at x.
        dw: (D, M) gradient at w.
        db: (M,) gradient at b.

    Raises:
        ValueError: If dout is not shaped like the outputs.
        TypeError: If cache is not what temporal_affine_forward returned.

    Example:
        >>> x, w, b = np.ones((2, 3, 4)), np.ones((4, 5)), np.zeros(5)
        >>> out, cache = temporal_affine_forward(x, w, b)
        >>> dx, dw, db = temporal_affine_backward(np.ones_like(out), cache)
        >>> dx.shape, dw.shape, db  # each bias is used at N * T = 6 places
        ((2, 3, 4), (4, 5), array([6., 6., 6., 6., 6.]))
    """
    name = "temporal_affine_backward"
    x, w, _, out = require_cache(name, cache, 4, "temporal_affine_forward")
    require_shapes(name, out=(out, "NTM"), dout=(dout, "NTM"))
    N, T, D = x.shape
    flat = dout.reshape(N * T, w.shape[1])
    dx = (flat @ w.T).reshape(N, T, D)
    dw = x.reshape(N * T, D).T @ flat
    return dx, dw, flat.sum(axis=0)


def temporal_softmax_loss(
    x: Array, y: Array, mask: Array, verbose: bool = False
) -> tuple[float, Array]:
    """Score every timestep's word with the cross-entropy of a softmax (given).

    The losses are summed over the timesteps that count and averaged over sequences:
    divided by N, not by the number of words.

    Args:
        x: (N, T, V) scores of all words at each timestep.
        y: (N, T) the true words, 0 <= y < V.
        mask: (N, T) booleans, False where a timestep does not count.
        verbose: Print the shape of the gradient as it is computed, (N*T, V).

    Returns:
        loss: The summed loss over N.
        dx: (N, T, V) gradient at the scores.

    Raises:
        ValueError: If the shapes do not fit.
        TypeError: If y does not hold integers.
        IndexError: If a true word is negative or not below V.

    Example:
        >>> x, y = np.zeros((1, 3, 10)), np.array([[7, 2, 0]])  # N, T, V = 1, 3, 10
        >>> loss, dx = temporal_softmax_loss(x, y, mask=y != 0)
        >>> f"{loss:.4f}", f"{2 * np.log(10):.4f}"  # two words count
        ('4.6052', '4.6052')
    """
    y, mask = np.asarray(y), np.asarray(mask)
    require_shapes(
        "temporal_softmax_loss", x=(x, "NTV"), y=(y, "NT"), mask=(mask, "NT")
    )
    N, T, V = x.shape
    require_words(y, V)
    weights = mask.reshape(N * T).astype(x.dtype) / x.dtype.type(max(N, 1))
    words = y.reshape(N * T)
    flat = x.reshape(N * T, V)
    dx = np.empty_like(flat, order="C")
    loss = weighted_softmax_loss(flat, words, weights, dx)
    if verbose:
        print("dx_flat:", dx.shape)
    return loss, dx.reshape(N, T, V)
