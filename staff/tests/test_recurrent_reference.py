"""The tuned recurrent layers against the plain ones, in float64 to 1e-12."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n import rnn_layers
from cs231n.extras.fast_rnn import FastCaptioningRNN
from staff.reference import recurrent
from tests.strategies import seeds, sequences

CELLS = {
    "rnn": (
        *(rnn_layers.rnn_forward, rnn_layers.rnn_backward),
        *(recurrent.rnn_forward, recurrent.rnn_backward),
    ),
    "lstm": (
        *(rnn_layers.lstm_forward, rnn_layers.lstm_backward),
        *(recurrent.lstm_forward, recurrent.lstm_backward),
    ),
}
each_cell = pytest.mark.parametrize("cell", CELLS)


def assert_same(results, expected):
    for mine, right in zip(results, expected, strict=True):
        assert mine.shape == right.shape
        scale = np.abs(right).max(initial=1)
        np.testing.assert_allclose(mine, right, rtol=0, atol=1e-12 * scale)


def upstream(h):
    return np.sin(1 + 3 * np.arange(h.size)).reshape(h.shape)


def hidden(result):
    return result[0] if isinstance(result, tuple) else result


def assert_agrees(cell, inputs):
    forward, backward, plain_forward, plain_backward = CELLS[cell]
    h, cache = forward(*inputs)
    assert_same([h], [hidden(plain_forward(*inputs))])
    dh = upstream(h)
    assert_same(backward(dh, cache), plain_backward(dh, *inputs))


@given(sequences())
def test_the_rnn_agrees(inputs):
    assert_agrees("rnn", list(inputs.values()))


@given(sequences(gates=4))
def test_the_lstm_agrees(inputs):
    assert_agrees("lstm", list(inputs.values()))


def draw(rng, cell, N, T, D, H):
    kH = H * {"rnn": 1, "lstm": 4}[cell]
    shapes = (N, T, D), (N, H), (D, kH), (H, kH), (kH,)
    return [rng.normal(size=shape) for shape in shapes]


@each_cell
@pytest.mark.parametrize(
    "sizes",
    [
        (1, 1, 1, 1),
        (1, 5, 2, 3),
        (4, 1, 3, 2),
        (2, 3, 1, 4),
        (3, 4, 5, 1),
        (7, 20, 9, 8),
    ],
)
def test_sizes_of_one_and_long_sequences_agree(cell, sizes, rng):
    assert_agrees(cell, draw(rng, cell, *sizes))


@each_cell
@given(
    seed=seeds,
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5).map(
        lambda lengths: sorted(lengths, reverse=True)
    ),
)
def test_packed_sequences_agree_one_by_one(cell, seed, lengths):
    rng, words = np.random.default_rng(seed), {"<NULL>": 0, "cat": 1}
    model = FastCaptioningRNN(words, 2, 3, 4, cell, np.float64)
    x, h0, Wx, Wh, b = draw(rng, cell, len(lengths), lengths[0], 3, 4)
    model.params["Wh"] = Wh
    sizes = [sum(length > t for length in lengths) for t in range(lengths[0])]
    rows = [(n, t) for t, running in enumerate(sizes) for n in range(running)]
    h, cache = model._run(np.stack([x[row] @ Wx + b for row in rows]), h0, sizes)
    dh = upstream(h)
    da, dh0, dWh = model._run_back(dh.copy(), cache)

    _, _, forward, backward = CELLS[cell]
    total = np.zeros_like(Wh)
    for n, length in enumerate(lengths):
        places = [k for k, row in enumerate(rows) if row[0] == n]
        inputs = x[n : n + 1, :length], h0[n : n + 1], Wx, Wh, b
        assert_same([h[places]], hidden(forward(*inputs)))
        dx_n, dh0_n, _, dWh_n, _ = backward(dh[places][None], *inputs)
        assert_same([da[places] @ Wx.T, dh0[n : n + 1]], [dx_n[0], dh0_n])
        total += dWh_n
    assert_same([dWh], [total])


@each_cell
@pytest.mark.parametrize("which", range(5))
def test_a_gradient_that_is_slightly_off_is_noticed(cell, which, rng):
    inputs = draw(rng, cell, 2, 3, 4, 5)
    forward, backward, _, plain_backward = CELLS[cell]
    h, cache = forward(*inputs)
    grads = list(backward(upstream(h), cache))
    grads[which] = grads[which] * (1 + 1e-9)
    with pytest.raises(AssertionError):
        assert_same(grads, plain_backward(upstream(h), *inputs))
