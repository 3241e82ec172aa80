"""Q2: the LSTM. Stored numbers stand for the course's fixed and seeded inputs."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n import rnn_layers
from cs231n.gradient_check import (
    assert_gradients_match,
    eval_numerical_gradient_array,
    is_coarse,
)
from tests.on_copies import assert_close, assert_gradient, assert_values, on_copies
from tests.strategies import (
    LAYOUTS,
    documented_shapes,
    laid_out,
    ramp,
    sequence_shapes,
    sequences,
    step_shapes,
    steps,
)

pytestmark = pytest.mark.q2
care = pytest.mark.care

lstm_step_forward = on_copies(rnn_layers.lstm_step_forward)
lstm_step_backward = on_copies(rnn_layers.lstm_step_backward)
lstm_forward = on_copies(rnn_layers.lstm_forward)
lstm_backward = on_copies(rnn_layers.lstm_backward)

STEP_SIZES = [(4, 3, 2), (2, 5, 3)]
STEP_SIZES += [pytest.param(s, marks=care) for s in [(1, 2, 3), (2, 5, 1), (1, 1, 1)]]
SEQUENCE_SIZES = [(3, 4, 2, 5), (2, 3, 5, 4)]
SEQUENCE_SIZES += [
    pytest.param(s, marks=care)
    for s in [(1, 2, 3, 4), (3, 4, 2, 1), (2, 1, 4, 3), (2, 3, 1, 2)]
]


def normals(rng, shapes, dtype=np.float64):
    return {name: rng.normal(size=s).astype(dtype) for name, s in shapes.items()}


def lstm_step_shapes(N, D, H):
    return step_shapes(N, D, H, gates=4, cell=True)


def lstm_shapes(N, T, D, H):
    return sequence_shapes(N, T, D, H, gates=4)


@pytest.mark.points(3)
def test_step_forward_gives_the_stored_values():
    next_h, next_c, _ = lstm_step_forward(
        ramp(-0.4, 1.2, 3, 4),
        ramp(-0.3, 0.7, 3, 5),
        ramp(-0.4, 0.9, 3, 5),
        ramp(-2.1, 1.3, 4, 20),
        ramp(-0.7, 2.2, 5, 20),
        ramp(0.3, 0.7, 20),
    )
    expected_h = [
        [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904],
        [0.49223563, 0.55611431, 0.61507696, 0.66844003, 0.7159181],
        [0.56735664, 0.66310127, 0.74419266, 0.80889665, 0.858299],
    ]
    expected_c = [
        [0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407],
        [0.66382255, 0.76674007, 0.87195994, 0.97902709, 1.08751345],
        [0.74192008, 0.90592151, 1.07717006, 1.25120233, 1.42395676],
    ]
    assert_values(next_h, expected_h, "lstm_step_forward")
    assert_values(next_c, expected_c, "lstm_step_forward")


@pytest.mark.points(6)
def test_step_backward_agrees_with_finite_differences_and_stored_sums():
    np.random.seed(231)
    shapes = [(4, 5), (4, 6), (4, 6), (5, 24), (6, 24), (24,)]
    inputs = [np.random.randn(*s) for s in shapes]
    next_h, next_c, cache = lstm_step_forward(*inputs)
    dnext_h = np.random.randn(*next_h.shape)
    dnext_c = np.random.randn(*next_c.shape)
    grads = lstm_step_backward(dnext_h, dnext_c, cache)

    sums = [
        6.921497067821,
        8.040820023507,
        3.442429090040,
        -0.267635696062,
        0.317421297000,
        -1.736707764987,
    ]
    coarse = is_coarse(lstm_step_forward, *inputs)
    for x, grad, total in zip(inputs, grads, sums, strict=True):
        numeric = None
        if not coarse:  # differences of float32 have too few digits
            numeric = sum(
                eval_numerical_gradient_array(
                    lambda _, k=k: lstm_step_forward(*inputs)[k], x, upstream
                )
                for k, upstream in enumerate((dnext_h, dnext_c))
            )
        assert_gradient(grad, x, numeric, total, "lstm_step_backward")


@pytest.mark.points(4)
def test_forward_gives_the_stored_values():
    h, _ = lstm_forward(
        ramp(-0.4, 0.6, 2, 3, 5),
        ramp(-0.4, 0.8, 2, 4),
        ramp(-0.2, 0.9, 5, 16),
        ramp(-0.3, 0.6, 4, 16),
        ramp(0.2, 0.7, 16),
    )
    expected = [
        [
            [0.01764008, 0.01823233, 0.01882671, 0.0194232],
            [0.11287491, 0.12146228, 0.13018446, 0.13902939],
            [0.31358768, 0.33338627, 0.35304453, 0.37250975],
        ],
        [
            [0.45767879, 0.4761092, 0.4936887, 0.51041945],
            [0.6704845, 0.69350089, 0.71486014, 0.7346449],
            [0.81733511, 0.83677871, 0.85403753, 0.86935314],
        ],
    ]
    assert_values(h, expected, "lstm_forward")


@pytest.mark.points(7)
def test_backward_agrees_with_finite_differences_and_stored_sums():
    np.random.seed(231)
    shapes = [(2, 10, 3), (2, 6), (3, 24), (6, 24), (24,)]
    inputs = [np.random.randn(*s) for s in shapes]
    h, cache = lstm_forward(*inputs)
    dh = np.random.randn(*h.shape)
    grads = lstm_backward(dh, cache)

    coarse = is_coarse(lstm_forward, *inputs)
    checks = ["lstm_backward"] * 5
    checks[3] = "lstm_backward, dWh"
    sums = [-10.187296530, -0.360028518, -3.595080121, 9.081081181, 9.443074283]
    for x, grad, check, total in zip(inputs, grads, checks, sums, strict=True):
        numeric = None
        if not coarse:  # differences of float32 have too few digits
            numeric = eval_numerical_gradient_array(
                lambda _: lstm_forward(*inputs)[0], x, dh
            )
        assert_gradient(grad, x, numeric, total, check)


@pytest.mark.parametrize("size", STEP_SIZES)
def test_step_backward_agrees_with_finite_differences_at_many_sizes(size, rng):
    inputs = normals(rng, lstm_step_shapes(*size))
    assert_gradients_match(lstm_step_forward, lstm_step_backward, inputs, rng)


@pytest.mark.parametrize("size", SEQUENCE_SIZES)
def test_backward_agrees_with_finite_differences_at_many_sizes(size, rng):
    inputs = normals(rng, lstm_shapes(*size))
    assert_gradients_match(lstm_forward, lstm_backward, inputs, rng)


@given(sequences(gates=4, ordinary=True))
def test_finite_differences_agree_at_ordinary_sizes(inputs):
    rng = np.random.default_rng(0)
    assert_gradients_match(lstm_forward, lstm_backward, inputs, rng)


@care
@given(sequences(gates=4))
def test_finite_differences_agree_in_every_layout(inputs):
    inputs = {k: v if v.flags.writeable else v.copy() for k, v in inputs.items()}
    rng = np.random.default_rng(0)
    forward, backward = rnn_layers.lstm_forward, rnn_layers.lstm_backward
    assert_gradients_match(forward, backward, inputs, rng)


@care
def test_the_check_notices_a_step_gradient_that_is_slightly_off(rng):
    def slightly_off(dnext_h, dnext_c, cache):
        dx, dprev_h, dprev_c, *others = lstm_step_backward(dnext_h, dnext_c, cache)
        return dx, dprev_h, dprev_c * 1.001, *others

    inputs = normals(rng, lstm_step_shapes(4, 3, 2))
    with pytest.raises(AssertionError, match="dprev_c"):
        assert_gradients_match(lstm_step_forward, slightly_off, inputs, rng)


@care
def test_the_check_notices_gradients_of_gates_in_another_order(rng):
    def swapped(dh, cache):
        dx, dh0, dWx, dWh, db = lstm_backward(dh, cache)
        i, f, o, g = np.split(db, 4)
        return dx, dh0, dWx, dWh, np.concatenate([i, o, f, g])

    inputs = normals(rng, lstm_shapes(2, 3, 2, 3))
    with pytest.raises(AssertionError, match="db"):
        assert_gradients_match(lstm_forward, swapped, inputs, rng)


# Gates wide open or shut tell their order apart.


def with_gates(rng, *, i=0, f=0, o=0, g=0, H=3):
    """Draw a small step whose gates are driven by the bias alone."""
    inputs = normals(rng, lstm_step_shapes(2, 4, H))
    inputs["Wx"] *= 0
    inputs["Wh"] *= 0
    inputs["b"][:] = np.repeat([i, f, o, g], H)
    return inputs


def test_shut_input_and_open_forget_gate_keep_the_cell(rng):
    inputs = with_gates(rng, i=-30, f=30, g=5)
    _, next_c, _ = lstm_step_forward(**inputs)
    assert_close(next_c, inputs["prev_c"])


def test_open_input_and_shut_forget_gate_replace_the_cell(rng):
    _, next_c, _ = lstm_step_forward(**with_gates(rng, i=30, f=-30, g=-30))
    assert_close(next_c, np.full_like(next_c, -1))


def test_shut_output_gate_hides_the_cell(rng):
    next_h, next_c, _ = lstm_step_forward(**with_gates(rng, i=2, f=2, o=-30, g=2))
    np.testing.assert_allclose(next_h, 0, atol=1e-9)
    assert np.abs(next_c).min() > 0


@care
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_inputs_give_no_warning(dtype, rng):
    x = normals(rng, lstm_shapes(2, 3, 4, 5), dtype)
    x["b"] *= 1000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        h, cache = lstm_forward(**x)
        grads = lstm_backward(np.ones_like(h), cache)
    assert all(np.isfinite(part).all() for part in (h, *grads))


# Properties


@given(steps(gates=4, cell=True, ordinary=True))
def test_the_hidden_state_stays_between_minus_one_and_one(inputs):
    next_h, next_c, _ = lstm_step_forward(**inputs)
    assert next_h.shape == next_c.shape == inputs["prev_c"].shape
    assert np.abs(next_h).max() <= 1
    assert (np.abs(next_c) <= np.abs(inputs["prev_c"]) + 1 + 1e-6).all()


@care
def test_a_sequence_of_one_equals_a_step_from_an_empty_cell(rng):
    x, h0, *weights = normals(rng, lstm_shapes(3, 1, 4, 2)).values()
    empty = np.zeros_like(h0)
    h, cache = lstm_forward(x, h0, *weights)
    next_h, _, step_cache = lstm_step_forward(x[:, 0], h0, empty, *weights)
    np.testing.assert_allclose(h[:, 0], next_h, rtol=1e-12)

    dh = rng.normal(size=h.shape)
    dx, *others = lstm_backward(dh, cache)
    dx_step, dh0, _, *others_step = lstm_step_backward(dh[:, 0], empty, step_cache)
    np.testing.assert_allclose(dx[:, 0], dx_step, rtol=1e-9)
    for ours, theirs in zip(others, [dh0, *others_step], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@given(data=st.data())
def test_cutting_the_end_off_leaves_the_beginning_as_it_was(data):
    inputs = data.draw(sequences(gates=4, ordinary=True))
    T = data.draw(st.integers(2, inputs["x"].shape[1]))
    assert_the_beginning_is_as_it_was(inputs, T)


@care
@given(data=st.data())
def test_any_part_of_the_end_may_be_cut_off(data):
    inputs = data.draw(sequences(gates=4))
    T = data.draw(st.integers(1, inputs["x"].shape[1]))
    assert_the_beginning_is_as_it_was(inputs, T)


def assert_the_beginning_is_as_it_was(inputs, T):
    h, cache = lstm_forward(**inputs)
    short = inputs | {"x": inputs["x"][:, :T]}
    h_short, cache_short = lstm_forward(**short)
    assert_close(h_short, h[:, :T], 1e-4)

    # A loss that only looks at the beginning has the same gradients either way.
    dh = np.zeros(h.shape)
    dh[:, :T] = np.cos(np.arange(dh[:, :T].size)).reshape(dh[:, :T].shape)
    dx, *others = lstm_backward(dh, cache)
    dx_short, *others_short = lstm_backward(dh[:, :T], cache_short)
    assert not dx[:, T:].any()
    assert_close(dx[:, :T], dx_short, 1e-4)
    for one, two in zip(others, others_short, strict=True):
        assert_close(one, two, 1e-4)


def test_the_order_of_sequences_does_not_matter(rng):
    inputs = normals(rng, lstm_shapes(5, 3, 2, 4))
    order = rng.permutation(5)
    mixed = inputs | {name: inputs[name][order] for name in ("x", "h0")}
    h, cache = lstm_forward(**inputs)
    h_mixed, cache_mixed = lstm_forward(**mixed)
    assert_close(h_mixed, h[order])

    dh = rng.normal(size=h.shape)
    dx, dh0, *dweights = lstm_backward(dh, cache)
    dx_mixed, dh0_mixed, *dweights_mixed = lstm_backward(dh[order], cache_mixed)
    assert_close(dx_mixed, dx[order])
    assert_close(dh0_mixed, dh0[order])
    for one, two in zip(dweights, dweights_mixed, strict=True):
        assert_close(one, two)


# What holds for the step and for the sequence

PAIRS = {
    "step": (lstm_step_forward, lstm_step_backward, lstm_step_shapes(3, 4, 2)),
    "sequence": (lstm_forward, lstm_backward, lstm_shapes(3, 2, 4, 5)),
}
each_pair = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


@each_pair
def test_zero_upstream_gives_zero_gradients(pair, rng):
    forward, backward, shapes = pair
    *outs, cache = forward(**normals(rng, shapes))
    for grad in backward(*map(np.zeros_like, outs), cache):
        assert not grad.any()


@each_pair
def test_backward_is_linear_in_the_upstream_gradients(pair, rng):
    forward, backward, shapes = pair
    *outs, cache = forward(**normals(rng, shapes))
    u = [rng.normal(size=out.shape) for out in outs]
    v = [rng.normal(size=out.shape) for out in outs]
    both = backward(*(2 * a - b for a, b in zip(u, v, strict=True)), cache)
    one, two = backward(*u, cache), backward(*v, cache)
    for total, du, dv in zip(both, one, two, strict=True):
        assert_close(total, 2 * du - dv)


@each_pair
@care
def test_float32_stays_and_inputs_are_not_touched(pair, rng):
    forward, backward, shapes = (getattr(part, "__wrapped__", part) for part in pair)
    inputs = normals(rng, shapes, np.float32)
    before = {name: value.copy() for name, value in inputs.items()}
    *outs, cache = forward(**inputs)
    douts = [rng.normal(size=out.shape).astype(np.float32) for out in outs]
    douts_before = [dout.copy() for dout in douts]
    grads = backward(*douts, cache)
    assert {part.dtype for part in (*outs, *grads)} == {np.dtype(np.float32)}
    # A second call finds the cache as the first one did.
    for first, second in zip(grads, backward(*douts, cache), strict=True):
        np.testing.assert_array_equal(first, second)
    for dout, dout_before in zip(douts, douts_before, strict=True):
        np.testing.assert_array_equal(dout, dout_before)
    for name, value in inputs.items():
        np.testing.assert_array_equal(value, before[name])


@each_pair
@care
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_memory_layout_does_not_matter(pair, layout, rng):
    forward, backward, shapes = (getattr(part, "__wrapped__", part) for part in pair)
    inputs = normals(rng, shapes)
    *outs, cache = forward(**inputs)
    douts = [rng.normal(size=out.shape) for out in outs]
    grads = backward(*douts, cache)
    *others, other_cache = forward(
        **{k: laid_out(v, layout) for k, v in inputs.items()}
    )
    for one, two in zip(outs, others, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-12)
    other_grads = backward(*(laid_out(d, layout) for d in douts), other_cache)
    for one, two in zip(grads, other_grads, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)


@each_pair
@care
def test_results_have_the_shapes_their_docstrings_promise(pair, rng):
    forward, backward, _ = pair
    letters = {"N": 2, "T": 3, "D": 4, "H": 5}
    inputs = normals(rng, documented_shapes(forward, "Args", letters))
    *outs, cache = forward(**inputs)
    promised = documented_shapes(forward, "Returns", letters)
    assert [out.shape for out in outs] == list(promised.values())
    grads = documented_shapes(backward, "Returns", letters)
    assert list(grads) == ["d" + name for name in inputs]
    assert [g.shape for g in backward(*outs, cache)] == list(grads.values())
