"""The recurrent and given layers against loops and PyTorch, in float64 to 1e-9."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from cs231n import layer_utils, layers, optim, rnn_layers
from tests.strategies import (
    arrays,
    scored_words,
    sequences,
    sizes,
    steps,
    words_and_vectors,
)

LIMIT = {"rtol": 1e-9, "atol": 1e-12}


def tensors(inputs):
    return [
        torch.tensor(np.array(x), requires_grad=x.dtype.kind == "f")
        for x in inputs.values()
    ]


def upstream_for(outs):
    """Make up an upstream gradient without symmetry for each output."""
    return [np.sin(1 + 3 * np.arange(o.size)).reshape(o.shape) for o in outs]


def assert_agrees(forward, backward, reference, inputs):
    """Compare outputs and every gradient of a pair with a function of tensors."""
    *outs, cache = forward(**inputs)
    variables = tensors(inputs)
    expected = reference(*variables)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for out, wanted in zip(outs, expected, strict=True):
        np.testing.assert_allclose(out, wanted.detach().numpy(), **LIMIT)

    douts = upstream_for(outs)
    grads = backward(*douts, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    wanted_grads = torch.autograd.grad(
        expected,
        [v for v in variables if v.requires_grad],
        [torch.tensor(d) for d in douts],
    )
    for grad, wanted in zip(grads, wanted_grads, strict=True):
        assert grad.shape == tuple(wanted.shape)
        np.testing.assert_allclose(grad, wanted.numpy(), **LIMIT)


def torch_rnn_step(x, h, Wx, Wh, b):
    return torch.tanh(x @ Wx + h @ Wh + b)


def torch_rnn(x, h, Wx, Wh, b):
    states = []
    for t in range(x.shape[1]):
        h = torch_rnn_step(x[:, t], h, Wx, Wh, b)
        states.append(h)
    return torch.stack(states, dim=1)


def torch_lstm_step(x, h, c, Wx, Wh, b):
    i, f, o, g = (x @ Wx + h @ Wh + b).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def torch_lstm(x, h, Wx, Wh, b):
    states, c = [], torch.zeros_like(h)
    for t in range(x.shape[1]):
        h, c = torch_lstm_step(x[:, t], h, c, Wx, Wh, b)
        states.append(h)
    return torch.stack(states, dim=1)


@given(steps())
def test_rnn_step_agrees_with_autograd(inputs):
    assert_agrees(
        rnn_layers.rnn_step_forward,
        rnn_layers.rnn_step_backward,
        torch_rnn_step,
        inputs,
    )


@given(sequences())
def test_rnn_agrees_with_autograd(inputs):
    assert_agrees(rnn_layers.rnn_forward, rnn_layers.rnn_backward, torch_rnn, inputs)


@given(steps(gates=4, cell=True))
def test_lstm_step_agrees_with_autograd(inputs):
    assert_agrees(
        rnn_layers.lstm_step_forward,
        rnn_layers.lstm_step_backward,
        torch_lstm_step,
        inputs,
    )


@given(sequences(gates=4))
def test_lstm_agrees_with_autograd(inputs):
    assert_agrees(rnn_layers.lstm_forward, rnn_layers.lstm_backward, torch_lstm, inputs)


@pytest.mark.parametrize("size", [(25, 16, 40, 64), (3, 60, 5, 7)])
def test_lstm_and_rnn_agree_with_torchs_own_at_real_sizes(size, rng):
    N, T, D, H = size
    for gates, module, forward, backward in (
        (1, torch.nn.RNN, rnn_layers.rnn_forward, rnn_layers.rnn_backward),
        (4, torch.nn.LSTM, rnn_layers.lstm_forward, rnn_layers.lstm_backward),
    ):
        theirs = module(D, H, batch_first=True).double()
        x, h0 = rng.normal(size=(N, T, D)), rng.normal(size=(N, H))
        Wx = rng.normal(size=(D, gates * H)) / D**0.5
        Wh = rng.normal(size=(H, gates * H)) / H**0.5
        b = rng.normal(size=gates * H)
        # torch's gates stand in the order i, f, g, o, and its weights transposed.
        blocks = np.arange(gates * H).reshape(gates, H)
        order = blocks[[0, 1, 3, 2] if gates == 4 else [0]].ravel()
        with torch.no_grad():
            theirs.weight_ih_l0.copy_(torch.tensor(Wx[:, order].T))
            theirs.weight_hh_l0.copy_(torch.tensor(Wh[:, order].T))
            theirs.bias_ih_l0.copy_(torch.tensor(b[order]))
            theirs.bias_hh_l0.zero_()
        tx = torch.tensor(x, requires_grad=True)
        th = torch.tensor(h0[None], requires_grad=True)
        state = (th, torch.zeros_like(th)) if gates == 4 else th
        expected, _ = theirs(tx, state)
        h, cache = forward(x, h0, Wx, Wh, b)
        np.testing.assert_allclose(h, expected.detach().numpy(), **LIMIT)

        [dh] = upstream_for([h])
        expected.backward(torch.tensor(dh))
        dx, dh0, dWx, dWh, db = backward(dh, cache)
        limit = {"rtol": 1e-9, "atol": 1e-11}
        np.testing.assert_allclose(dx, tx.grad.numpy(), **limit)
        np.testing.assert_allclose(dh0, th.grad[0].numpy(), **limit)
        for ours, parameter in (
            (dWx, "weight_ih"),
            (dWh, "weight_hh"),
            (db, "bias_ih"),
        ):
            grad = getattr(theirs, f"{parameter}_l0").grad.numpy()
            np.testing.assert_allclose(ours[..., order].T, grad, **limit)


@given(words_and_vectors())
def test_embedding_agrees_with_a_loop_and_autograd(inputs):
    x, W, dout = inputs.values()
    out, cache = rnn_layers.word_embedding_forward(x, W)
    dW = rnn_layers.word_embedding_backward(dout, cache)
    expected = np.zeros_like(W)
    for n, t in np.ndindex(x.shape):
        np.testing.assert_array_equal(out[n, t], W[x[n, t]])
        expected[x[n, t]] += dout[n, t]
    np.testing.assert_allclose(dW, expected, **LIMIT)

    table = torch.tensor(np.array(W), requires_grad=True)
    looked_up = functional.embedding(torch.tensor(x.astype(np.int64)), table)
    looked_up.backward(torch.tensor(np.array(dout)))
    np.testing.assert_allclose(dW, table.grad.numpy(), **LIMIT)


@given(data=st.data())
def test_temporal_affine_agrees_with_autograd(data):
    N, T, D, M = data.draw(sizes("NTDM")).values()
    assert_agrees(
        rnn_layers.temporal_affine_forward,
        rnn_layers.temporal_affine_backward,
        lambda x, w, b: x @ w + b,
        data.draw(arrays({"x": (N, T, D), "w": (D, M), "b": (M,)})),
    )


@given(scored_words())
def test_temporal_softmax_agrees_with_a_loop_and_autograd(inputs):
    x, y, mask = inputs.values()
    loss, dx = rnn_layers.temporal_softmax_loss(x, y, mask)
    total = 0.0
    for n, t in np.ndindex(y.shape):
        if mask[n, t]:
            likeliest = max(x[n, t])
            terms = math.fsum(math.exp(s - likeliest) for s in x[n, t])
            total += math.log(terms) + likeliest - x[n, t, y[n, t]]
    np.testing.assert_allclose(loss, total / len(x), **LIMIT)

    scores = torch.tensor(np.array(x), requires_grad=True)
    chosen = functional.cross_entropy(
        scores.flatten(0, 1), torch.tensor(np.array(y)).flatten(), reduction="none"
    )
    weights = torch.tensor(np.array(mask)).flatten().double() / len(x)
    (chosen * weights).sum().backward()
    np.testing.assert_allclose(dx, scores.grad.numpy(), **LIMIT)


@pytest.mark.parametrize("size", [(25, 16, 1004), (2, 1, 140_000), (900, 40, 9)])
def test_temporal_softmax_agrees_with_torch_at_real_sizes(size, rng):
    N, T, V = size
    x, y = 3 * rng.normal(size=size), rng.integers(V, size=(N, T))
    mask = rng.random((N, T)) < 0.6
    loss, dx = rnn_layers.temporal_softmax_loss(x, y, mask)
    scores = torch.tensor(x, requires_grad=True)
    targets = torch.tensor(np.where(mask, y, -100)).flatten()
    expected = functional.cross_entropy(
        scores.flatten(0, 1), targets, ignore_index=-100, reduction="sum"
    )
    (expected / N).backward()
    np.testing.assert_allclose(loss, expected.item() / N, rtol=1e-12)
    np.testing.assert_allclose(dx, scores.grad.numpy(), rtol=1e-9, atol=1e-15)


@given(sequences())
def test_rnn_agrees_with_one_unit_at_a_time(inputs):
    h, _ = rnn_layers.rnn_forward(**inputs)
    x, before, Wx, Wh, b = (np.array(v) for v in inputs.values())
    for t in range(x.shape[1]):
        for n, j in np.ndindex(before.shape):
            a = sum(x[n, t] * Wx[:, j]) + sum(before[n] * Wh[:, j]) + b[j]
            np.testing.assert_allclose(h[n, t, j], math.tanh(a), **LIMIT)
        before = h[:, t]


@given(sequences(gates=4))
def test_lstm_agrees_with_one_unit_at_a_time(inputs):
    h, _ = rnn_layers.lstm_forward(**inputs)
    x, before, Wx, Wh, b = (np.array(v) for v in inputs.values())
    H = before.shape[1]
    cell = np.zeros_like(before)
    for t in range(x.shape[1]):
        for n, j in np.ndindex(before.shape):
            a_i, a_f, a_o, a_g = (
                sum(x[n, t] * Wx[:, k]) + sum(before[n] * Wh[:, k]) + b[k]
                for k in range(j, 4 * H, H)
            )
            i, f, o = (1 / (1 + math.exp(-a)) for a in (a_i, a_f, a_o))
            cell[n, j] = f * cell[n, j] + i * math.tanh(a_g)
            expected = o * math.tanh(cell[n, j])
            np.testing.assert_allclose(h[n, t, j], expected, **LIMIT)
        before = h[:, t]


@given(sequences(gates=4))
def test_lstm_is_a_chain_of_steps(inputs):
    x, h, *weights = inputs.values()
    whole, cache = rnn_layers.lstm_forward(**inputs)
    c, caches = np.zeros(h.shape), []
    for t in range(x.shape[1]):
        h, c, step_cache = rnn_layers.lstm_step_forward(x[:, t], h, c, *weights)
        np.testing.assert_allclose(whole[:, t], h, **LIMIT)
        caches.append(step_cache)

    [dh] = upstream_for([whole])
    dx, dh0, *dweights = rnn_layers.lstm_backward(dh, cache)
    carried, dc, totals = 0, np.zeros_like(c), [np.zeros(w.shape) for w in weights]
    for t in reversed(range(x.shape[1])):
        dx_t, carried, dc, *parts = rnn_layers.lstm_step_backward(
            dh[:, t] + carried, dc, caches[t]
        )
        np.testing.assert_allclose(dx[:, t], dx_t, **LIMIT)
        for total, part in zip(totals, parts, strict=True):
            total += part
    np.testing.assert_allclose(dh0, carried, **LIMIT)
    for ours, total in zip(dweights, totals, strict=True):
        np.testing.assert_allclose(ours, total, **LIMIT)


@pytest.mark.parametrize("letters", [(0, 3), (3, 0), (0, 0)], ids=str)
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_no_sequences_or_no_timesteps_is_no_trouble(letters, cell, rng):
    (N, T), D, H = letters, 4, 5
    k = {"rnn": 1, "lstm": 4}[cell]
    forward = getattr(rnn_layers, f"{cell}_forward")
    backward = getattr(rnn_layers, f"{cell}_backward")
    x, h0 = rng.normal(size=(N, T, D)), rng.normal(size=(N, H))
    Wx, Wh, b = (rng.normal(size=s) for s in ((D, k * H), (H, k * H), k * H))
    h, cache = forward(x, h0, Wx, Wh, b)
    assert h.shape == (N, T, H)
    dx, dh0, *dweights = backward(h, cache)
    assert (dx.shape, dh0.shape) == (x.shape, h0.shape)
    for w, dw in zip((Wx, Wh, b), dweights, strict=True):
        np.testing.assert_array_equal(dw, np.zeros_like(w))
    out, affine_cache = rnn_layers.temporal_affine_forward(h, Wh, b)
    assert out.shape == (N, T, k * H)
    assert rnn_layers.temporal_affine_backward(out, affine_cache)[0].shape == h.shape
    loss, _ = rnn_layers.temporal_softmax_loss(
        out, np.zeros((N, T), int), np.ones((N, T), bool)
    )
    assert loss == 0


# Given layers


@given(data=st.data())
def test_affine_and_its_sandwich_agree_with_autograd(data):
    N, C, D, M = data.draw(sizes("NCDM")).values()
    inputs = data.draw(arrays({"x": (N, C, D), "w": (C * D, M), "b": (M,)}))
    assert_agrees(
        layers.affine_forward,
        layers.affine_backward,
        lambda x, w, b: x.flatten(1) @ w + b,
        inputs,
    )
    assert_agrees(
        layer_utils.affine_relu_forward,
        layer_utils.affine_relu_backward,
        lambda x, w, b: torch.relu(x.flatten(1) @ w + b),
        inputs,
    )


@pytest.mark.parametrize("mode", ["train", "test"])
@given(data=st.data())
def test_batchnorm_agrees_with_torch(mode, data):
    N, D, H, W = data.draw(sizes("NDHW")).values()
    N += 1
    shapes = {"x": (N, D, H, W), "gamma": (D,), "beta": (D,)}
    images = data.draw(arrays(shapes))
    rows = images | {"x": data.draw(arrays({"x": (N, D)}))["x"]}
    mean, var = np.linspace(-1, 1, D), np.linspace(0.5, 2, D)

    for forward, backward, inputs in (
        (layers.batchnorm_forward, layers.batchnorm_backward, rows),
        (
            layers.spatial_batchnorm_forward,
            layers.spatial_batchnorm_backward,
            images,
        ),
    ):
        bn_param = {"mode": mode, "running_mean": mean, "running_var": var}
        means, variances = torch.tensor(mean), torch.tensor(var)

        def theirs(x, gamma, beta, means=means, variances=variances):
            return functional.batch_norm(
                x, means, variances, gamma, beta, mode == "train", momentum=0.1
            )

        def ours(x, gamma, beta, bn_param=bn_param, forward=forward):
            return forward(x, gamma, beta, dict(bn_param))

        assert_agrees(ours, backward, theirs, inputs)
        forward(**inputs, bn_param=bn_param)
        np.testing.assert_allclose(bn_param["running_mean"], means.numpy(), **LIMIT)
        if mode == "train":
            # torch keeps the unbiased variance in its running average.
            count = inputs["x"].size / D
            unbiased = (variances.numpy() - 0.9 * var) / 0.1
            expected = 0.9 * var + 0.1 * unbiased * (count - 1) / count
            np.testing.assert_allclose(bn_param["running_var"], expected, **LIMIT)


@given(data=st.data())
def test_losses_agree_with_torch(data):
    N, C = data.draw(sizes("NC")).values()
    x = data.draw(arrays({"x": (N, C)}))["x"]
    y = np.array(data.draw(st.lists(st.integers(0, C - 1), min_size=N, max_size=N)))
    for ours, theirs in (
        (layers.softmax_loss, functional.cross_entropy),
        (layers.svm_loss, lambda x, y: C * functional.multi_margin_loss(x, y)),
    ):
        loss, dx = ours(x, y)
        scores = torch.tensor(np.array(x), requires_grad=True)
        expected = theirs(scores, torch.tensor(y))
        expected.backward()
        np.testing.assert_allclose(loss, expected.item(), **LIMIT)
        np.testing.assert_allclose(dx, scores.grad.numpy(), **LIMIT)


def test_sigmoid_agrees_with_torch():
    x = np.linspace(-50, 50, 1001)
    expected = torch.sigmoid(torch.tensor(x)).numpy()
    np.testing.assert_allclose(rnn_layers.sigmoid(x), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("rule", "theirs", "ours", "options"),
    [
        ("sgd", torch.optim.SGD, {}, {}),
        ("sgd_momentum", torch.optim.SGD, {}, {"momentum": 0.9}),
        ("rmsprop", torch.optim.RMSprop, {}, {}),
        # torch adds epsilon to the corrected root, so here there is none.
        ("adam", torch.optim.Adam, {"epsilon": 0}, {"eps": 0}),
    ],
)
def test_update_rules_agree_with_torch(rule, theirs, ours, options, rng):
    w = rng.normal(size=(4, 5))
    twin = torch.tensor(w.copy(), requires_grad=True)
    optimizer = theirs([twin], lr=1e-2, **options)
    config = {"learning_rate": 1e-2, **ours}
    for _ in range(20):
        dw = rng.normal(size=w.shape)
        w, config = getattr(optim, rule)(w, dw, config)
        twin.grad = torch.tensor(dw)
        optimizer.step()
        np.testing.assert_allclose(w, twin.detach().numpy(), rtol=1e-9)
