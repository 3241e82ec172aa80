"""The recurrent layers of Q1 and Q2 as the lecture writes them, a timestep at a time.

``cs231n/rnn_layers.py`` computes the same in fewer and larger products: all inputs are
projected at once, weights' gradients are summed at the end, and an LSTM's gates share a
single tanh. Here every sequence and timestep stands alone, so that a vector is what the
lecture calls one, and ``@`` between a vector and a matrix is all the algebra.

Letters in shapes: N sequences, T timesteps, D input size, H hidden size.

Four rules give every line of the backward passes. L is the loss, and dy is short for
its gradient at y, which is shaped like y.

    y = x @ W         y_j = sum_d x_d W_dj, so dL/dx_d = sum_j dy_j W_dj
                      and dL/dW_dj = x_d dy_j:    dx = W @ dy,  dW = outer(x, dy)
    y = a + b         da = dy,  db = dy
    y = u * v         du = v * dy,  dv = u * dy
    y = s(a)          da = s'(a) * dy, each number for itself

and whatever is used in several places gets the sum of what comes back from each. The
two s are tanh, with tanh' = 1 - tanh^2, and sigmoid, with sigmoid' = sigmoid (1 -
sigmoid): both derivatives can be had from the result alone.
"""

import numpy as np

from cs231n.support.arrays import Array


def rnn_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> Array:
    """Run h_t = tanh(x_t Wx + h_(t-1) Wh + b) from h0 on.

    Args:
        x: (N, T, D) inputs.
        h0: (N, H) initial hidden states.
        Wx: (D, H) input-to-hidden weights.
        Wh: (H, H) hidden-to-hidden weights.
        b: (H,) bias.

    Returns:
        (N, T, H) hidden states.
    """
    h = np.empty((*x.shape[:2], h0.shape[1]))
    for n, t in np.ndindex(x.shape[:2]):
        before = h[n, t - 1] if t else h0[n]
        h[n, t] = np.tanh(x[n, t] @ Wx + before @ Wh + b)
    return h


def rnn_backward(
    dh: Array, x: Array, h0: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, ...]:
    """Backpropagate through rnn_forward.

    Args:
        dh: (N, T, H) each timestep's own share of the gradient at the hidden states.
        x: (N, T, D) inputs.
        h0: (N, H) initial hidden states.
        Wx: (D, H) input-to-hidden weights.
        Wh: (H, H) hidden-to-hidden weights.
        b: (H,) bias.

    Returns:
        Gradients at x, h0, Wx, Wh and b.
    """
    h = rnn_forward(x, h0, Wx, Wh, b)
    dx, dh0, dWx, dWh, db = (np.zeros(w.shape) for w in (x, h0, Wx, Wh, b))
    N, T, _ = x.shape
    for n in range(N):
        later = np.zeros(len(Wh))  # what the next timestep sends back to h_t
        for t in reversed(range(T)):
            before = h[n, t - 1] if t else h0[n]
            # h_t is used twice: in the loss, and as the state of timestep t + 1.
            da = (1 - h[n, t] ** 2) * (dh[n, t] + later)  # through the tanh
            # a = x_t Wx + h_(t-1) Wh + b; all timesteps share the weights, so: +=.
            dx[n, t], later = Wx @ da, Wh @ da
            dWx += np.outer(x[n, t], da)
            dWh += np.outer(before, da)
            db += da
        dh0[n] = later
    return dx, dh0, dWx, dWh, db


def lstm_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, Array]:
    """Run an LSTM from h0 and an empty cell on.

    With (a_i, a_f, a_o, a_g) = x_t Wx + h_(t-1) Wh + b, four vectors of H numbers:

        i, f, o = sigmoid of a_i, a_f, a_o;  g = tanh(a_g)
        c_t = f * c_(t-1) + i * g
        h_t = o * tanh(c_t)

    Args:
        x: (N, T, D) inputs.
        h0: (N, H) initial hidden states.
        Wx: (D, 4H) input-to-hidden weights.
        Wh: (H, 4H) hidden-to-hidden weights.
        b: (4H,) biases.

    Returns:
        h: (N, T, H) hidden states.
        c: (N, T, H) cell states.
        gates: (N, T, 4, H) i, f, o and g.
    """
    h, c = np.empty((2, *x.shape[:2], h0.shape[1]))
    gates = np.empty((*x.shape[:2], 4, h0.shape[1]))
    for n, t in np.ndindex(x.shape[:2]):
        before, cell = (h[n, t - 1], c[n, t - 1]) if t else (h0[n], 0)
        a_i, a_f, a_o, a_g = np.split(x[n, t] @ Wx + before @ Wh + b, 4)
        i, f, o, g = _sigmoid(a_i), _sigmoid(a_f), _sigmoid(a_o), np.tanh(a_g)
        c[n, t] = f * cell + i * g
        h[n, t] = o * np.tanh(c[n, t])
        gates[n, t] = i, f, o, g
    return h, c, gates


def lstm_backward(
    dh: Array, x: Array, h0: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, ...]:
    """Backpropagate through lstm_forward's hidden states.

    Args:
        dh: (N, T, H) each timestep's own share of the gradient at the hidden states.
        x: (N, T, D) inputs.
        h0: (N, H) initial hidden states.
        Wx: (D, 4H) input-to-hidden weights.
        Wh: (H, 4H) hidden-to-hidden weights.
        b: (4H,) biases.

    Returns:
        Gradients at x, h0, Wx, Wh and b.
    """
    h, c, gates = lstm_forward(x, h0, Wx, Wh, b)
    dx, dh0, dWx, dWh, db = (np.zeros(w.shape) for w in (x, h0, Wx, Wh, b))
    N, T, _ = x.shape
    for n in range(N):
        later_h = np.zeros(len(Wh))  # what the next timestep sends back to h_t
        later_c = np.zeros(len(Wh))  # and to c_t
        for t in reversed(range(T)):
            before, cell = (h[n, t - 1], c[n, t - 1]) if t else (h0[n], 0)
            i, f, o, g = gates[n, t]
            dh_t = dh[n, t] + later_h
            # h_t = o * tanh(c_t), and c_t is used once more: by timestep t + 1.
            tanh_c = np.tanh(c[n, t])
            do = tanh_c * dh_t
            dc = later_c + (1 - tanh_c**2) * o * dh_t
            # Three products and a sum: c_t = f * c_(t-1) + i * g.
            df, di, dg = cell * dc, g * dc, i * dc
            later_c = f * dc
            # Through the three sigmoids and the tanh, to the four parts of a.
            da = np.concatenate(
                [i * (1 - i) * di, f * (1 - f) * df, o * (1 - o) * do, (1 - g**2) * dg]
            )
            # From here on as in rnn_backward.
            dx[n, t], later_h = Wx @ da, Wh @ da
            dWx += np.outer(x[n, t], da)
            dWh += np.outer(before, da)
            db += da
        dh0[n] = later_h
    return dx, dh0, dWx, dWh, db


def _sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))
