"""Q1: the vanilla RNN and the word embedding, and the temporal layers given with them.

Stored numbers stand for the course's fixed and seeded inputs.
"""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n import rnn_layers
from cs231n.gradient_check import (
    LIMITS,
    assert_gradients_match,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    is_coarse,
    rel_error,
)
from cs231n.rnn_layers import (
    sigmoid,
    temporal_affine_backward,
    temporal_affine_forward,
    temporal_softmax_loss,
)
from tests.on_copies import assert_close, assert_gradient, assert_values, on_copies
from tests.strategies import (
    LAYOUTS,
    arrays,
    documented_shapes,
    laid_out,
    ramp,
    scored_words,
    sequence_shapes,
    sequences,
    sizes,
    step_shapes,
    steps,
    words_and_vectors,
)

q1, care = pytest.mark.q1, pytest.mark.care

rnn_step_forward = on_copies(rnn_layers.rnn_step_forward)
rnn_step_backward = on_copies(rnn_layers.rnn_step_backward)
rnn_forward = on_copies(rnn_layers.rnn_forward)
rnn_backward = on_copies(rnn_layers.rnn_backward)
word_embedding_forward = on_copies(rnn_layers.word_embedding_forward)
word_embedding_backward = on_copies(rnn_layers.word_embedding_backward)

# Sizes differ within a case, so that a swapped axis cannot go unseen.
STEP_SIZES = [(4, 3, 2), (2, 5, 3)]
STEP_SIZES += [pytest.param(s, marks=care) for s in [(1, 2, 3), (2, 5, 1), (1, 1, 1)]]
SEQUENCE_SIZES = [(3, 4, 2, 5), (2, 3, 5, 4)]
SEQUENCE_SIZES += [
    pytest.param(s, marks=care)
    for s in [(1, 2, 3, 4), (3, 4, 2, 1), (2, 1, 4, 3), (2, 3, 1, 2)]
]


def normals(rng, shapes, dtype=np.float64):
    return {name: rng.normal(size=s).astype(dtype) for name, s in shapes.items()}


# The step


@q1
@pytest.mark.points(2)
def test_step_forward_gives_the_stored_values():
    next_h, _ = rnn_step_forward(
        ramp(-0.4, 0.7, 3, 10),
        ramp(-0.2, 0.5, 3, 4),
        ramp(-0.1, 0.9, 10, 4),
        ramp(-0.3, 0.7, 4, 4),
        ramp(-0.2, 0.4, 4),
    )
    expected = [
        [-0.58172089, -0.50182032, -0.41232771, -0.31410098],
        [0.66854692, 0.79562378, 0.87755553, 0.92795967],
        [0.97934501, 0.99144213, 0.99646691, 0.99854353],
    ]
    assert_values(next_h, expected, "rnn_step_forward")


@q1
@pytest.mark.points(3)
def test_step_backward_agrees_with_finite_differences_and_stored_sums():
    np.random.seed(231)
    inputs = [np.random.randn(*s) for s in [(4, 5), (4, 6), (5, 6), (6, 6), (6,)]]
    next_h, cache = rnn_step_forward(*inputs)
    dnext_h = np.random.randn(*next_h.shape)
    grads = rnn_step_backward(dnext_h, cache)

    sums = [
        4.626637363163,
        6.064457683498,
        -2.065520202291,
        2.171249118479,
        -1.636689250649,
    ]
    coarse = is_coarse(rnn_step_forward, *inputs)
    for x, grad, total in zip(inputs, grads, sums, strict=True):
        numeric = None
        if not coarse:  # differences of float32 have too few digits
            numeric = eval_numerical_gradient_array(
                lambda _: rnn_step_forward(*inputs)[0], x, dnext_h
            )
        assert_gradient(grad, x, numeric, total, "rnn_step_backward")


@q1
@pytest.mark.parametrize("size", STEP_SIZES)
def test_step_backward_agrees_with_finite_differences_at_many_sizes(size, rng):
    inputs = normals(rng, step_shapes(*size))
    assert_gradients_match(rnn_step_forward, rnn_step_backward, inputs, rng)


@q1
@care
def test_the_check_notices_a_step_gradient_that_is_slightly_off(rng):
    def slightly_off(dnext_h, cache):
        *others, db = rnn_step_backward(dnext_h, cache)
        return *others, db * 1.001

    inputs = normals(rng, step_shapes(4, 3, 2))
    with pytest.raises(AssertionError, match="db"):
        assert_gradients_match(rnn_step_forward, slightly_off, inputs, rng)


# Whole sequences


@q1
@pytest.mark.points(2)
def test_forward_gives_the_stored_values():
    h, _ = rnn_forward(
        ramp(-0.1, 0.3, 2, 3, 4),
        ramp(-0.3, 0.1, 2, 5),
        ramp(-0.2, 0.4, 4, 5),
        ramp(-0.4, 0.1, 5, 5),
        ramp(-0.7, 0.1, 5),
    )
    expected = [
        [
            [-0.42070749, -0.27279261, -0.11074945, 0.05740409, 0.22236251],
            [-0.39525808, -0.22554661, -0.0409454, 0.14649412, 0.32397316],
            [-0.42305111, -0.24223728, -0.04287027, 0.15997045, 0.35014525],
        ],
        [
            [-0.55857474, -0.39065825, -0.19198182, 0.02378408, 0.23735671],
            [-0.27150199, -0.07088804, 0.13562939, 0.33099728, 0.50158768],
            [-0.51014825, -0.30524429, -0.06755202, 0.17806392, 0.40333043],
        ],
    ]
    assert_values(h, expected, "rnn_forward")


@q1
@pytest.mark.points(4)
def test_backward_agrees_with_finite_differences_and_stored_sums():
    np.random.seed(231)
    shapes = [(2, 10, 3), (2, 5), (3, 5), (5, 5), (5,)]
    inputs = [np.random.randn(*s) for s in shapes]
    h, cache = rnn_forward(*inputs)
    dh = np.random.randn(*h.shape)
    grads = rnn_backward(dh, cache)

    sums = [-34.457494473, -60.976468019, 32.891198092, -106.980471832, 23.003642563]
    coarse = is_coarse(rnn_forward, *inputs)
    for x, grad, total in zip(inputs, grads, sums, strict=True):
        numeric = None
        if not coarse:  # differences of float32 have too few digits
            numeric = eval_numerical_gradient_array(
                lambda _: rnn_forward(*inputs)[0], x, dh
            )
        assert_gradient(grad, x, numeric, total, "rnn_backward")


@q1
@pytest.mark.parametrize("size", SEQUENCE_SIZES)
def test_backward_agrees_with_finite_differences_at_many_sizes(size, rng):
    inputs = normals(rng, sequence_shapes(*size))
    assert_gradients_match(rnn_forward, rnn_backward, inputs, rng)


@q1
@care
def test_a_sequence_of_one_equals_a_step(rng):
    inputs = normals(rng, sequence_shapes(3, 1, 4, 2))
    x, h0, *weights = inputs.values()
    h, cache = rnn_forward(x, h0, *weights)
    next_h, step_cache = rnn_step_forward(x[:, 0], h0, *weights)
    assert_close(h[:, 0], next_h)

    dh = rng.normal(size=h.shape)
    dx, *others = rnn_backward(dh, cache)
    dx_step, *others_step = rnn_step_backward(dh[:, 0], step_cache)
    assert_close(dx[:, 0], dx_step)
    for ours, theirs in zip(others, others_step, strict=True):
        assert_close(ours, theirs)


@q1
@given(data=st.data())
def test_splitting_a_sequence_and_carrying_the_state_changes_nothing(data):
    size = data.draw(sizes("NTDH", ordinary=True))
    size["T"] += 2
    inputs = data.draw(arrays(sequence_shapes(**size), layouts=["plain"]))
    cut = data.draw(st.integers(2, size["T"] - 2))
    assert_splitting_changes_nothing(data, inputs, cut)


@q1
@care
@given(data=st.data())
def test_a_sequence_may_be_split_at_any_step(data):
    size = data.draw(sizes("NTDH"))
    size["T"] += 1
    inputs = data.draw(arrays(sequence_shapes(**size)))
    cut = data.draw(st.integers(1, size["T"] - 1))
    assert_splitting_changes_nothing(data, inputs, cut)


def assert_splitting_changes_nothing(data, inputs, cut):
    x, h0, *weights = inputs.values()
    h, cache = rnn_forward(x, h0, *weights)
    first, first_cache = rnn_forward(x[:, :cut], h0, *weights)
    second, second_cache = rnn_forward(x[:, cut:], first[:, -1], *weights)
    assert_close(np.concatenate([first, second], 1), h, 1e-4)

    dh = data.draw(arrays({"dh": h.shape}, layouts=["plain"]))["dh"]
    dx, dh0, *dweights = rnn_backward(dh, cache)
    dx_2, carried, *dweights_2 = rnn_backward(dh[:, cut:], second_cache)
    early = dh[:, :cut].copy()
    early[:, -1] += carried
    dx_1, dh0_1, *dweights_1 = rnn_backward(early, first_cache)
    assert_close(np.concatenate([dx_1, dx_2], axis=1), dx, 1e-4)
    assert_close(dh0_1, dh0, 1e-4)
    for whole, one, two in zip(dweights, dweights_1, dweights_2, strict=True):
        assert_close(one + two, whole, 1e-4)


@q1
def test_no_word_knows_the_future(rng):
    inputs = normals(rng, sequence_shapes(2, 5, 3, 4))
    h, cache = rnn_forward(**inputs)
    changed = inputs | {"x": inputs["x"].copy()}
    changed["x"][:, 3] += 1
    other, _ = rnn_forward(**changed)
    np.testing.assert_array_equal(other[:, :3], h[:, :3])
    assert np.abs(other[:, 3:] - h[:, 3:]).max() > 0

    dh = np.zeros_like(h)
    dh[:, 2] = 1
    dx, *_ = rnn_backward(dh, cache)
    assert not dx[:, 3:].any()
    assert np.abs(dx[:, :3]).max(axis=(0, 2)).min() > 0


@q1
def test_the_order_of_sequences_does_not_matter(rng):
    inputs = normals(rng, sequence_shapes(5, 3, 2, 4))
    order = rng.permutation(5)
    mixed = inputs | {name: inputs[name][order] for name in ("x", "h0")}
    h, cache = rnn_forward(**inputs)
    h_mixed, cache_mixed = rnn_forward(**mixed)
    assert_close(h_mixed, h[order])

    dh = rng.normal(size=h.shape)
    dx, dh0, *dweights = rnn_backward(dh, cache)
    dx_mixed, dh0_mixed, *dweights_mixed = rnn_backward(dh[order], cache_mixed)
    assert_close(dx_mixed, dx[order])
    assert_close(dh0_mixed, dh0[order])
    for one, two in zip(dweights, dweights_mixed, strict=True):
        assert_close(one, two)


# The word embedding


@q1
@pytest.mark.points(1)
def test_embedding_forward_gives_the_stored_values():
    x = np.array([[0, 3, 1, 2], [2, 1, 0, 3]])
    out, _ = word_embedding_forward(x, ramp(0, 1, 5, 3))
    rows = [
        [0, 0.07142857, 0.14285714],
        [0.21428571, 0.28571429, 0.35714286],
        [0.42857143, 0.5, 0.57142857],
        [0.64285714, 0.71428571, 0.78571429],
    ]
    expected = [[rows[0], rows[3], rows[1], rows[2]], [*rows[2:0:-1], rows[0], rows[3]]]
    assert_values(out, expected, "word_embedding_forward")


@q1
@pytest.mark.points(2)
def test_embedding_backward_agrees_with_finite_differences_and_a_stored_sum():
    np.random.seed(231)
    x = np.random.randint(5, size=(50, 3))
    W = np.random.randn(5, 6)
    out, cache = word_embedding_forward(x, W)
    dout = np.random.randn(*out.shape)
    dW = word_embedding_backward(dout, cache)
    numeric = None
    if not is_coarse(lambda W: word_embedding_forward(x, W), W):
        numeric = eval_numerical_gradient_array(
            lambda _: word_embedding_forward(x, W)[0], W, dout
        )
    assert isinstance(dW, np.ndarray)
    assert_gradient(dW, W, numeric, -9.091879299421, "word_embedding_backward")


@q1
@given(words_and_vectors(ordinary=True))
def test_embedding_keeps_every_repetition(inputs):
    assert_repetitions_add_up(inputs)


@q1
@care
@given(words_and_vectors())
def test_embedding_takes_any_size_layout_and_integer_type(inputs):
    dW = assert_repetitions_add_up(inputs)
    assert dW.dtype == inputs["dout"].dtype


def assert_repetitions_add_up(inputs):
    x, W, dout = inputs.values()
    out, cache = word_embedding_forward(x, W)
    np.testing.assert_array_equal(out.shape, (*x.shape, W.shape[1]))
    dW = word_embedding_backward(dout, cache)
    assert dW.shape == W.shape
    assert_close(dW.sum(axis=0), dout.sum(axis=(0, 1)))
    absent = np.setdiff1d(np.arange(len(W)), x)
    assert not dW[absent].any()
    return dW


@q1
def test_one_word_everywhere_collects_all_gradients():
    _, cache = word_embedding_forward(np.full((3, 7), 2), np.zeros((4, 5)))
    dW = word_embedding_backward(np.ones((3, 7, 5)), cache)
    np.testing.assert_array_equal(dW[2], 21)
    assert dW.sum() == 3 * 7 * 5


@pytest.mark.parametrize("word", [-1, 5, 10**6])
def test_a_word_outside_the_vocabulary_is_named(word):
    with pytest.raises(IndexError, match=f"{word} .*5 words.* 0 to 4"):
        word_embedding_forward(np.array([[0, word, 1]]), np.zeros((5, 2)))


@pytest.mark.parametrize("dtype", [float, bool, object])
def test_words_that_are_no_integers_are_refused(dtype):
    with pytest.raises(TypeError, match="integers"):
        word_embedding_forward(np.ones((2, 2), dtype=dtype), np.zeros((5, 2)))


# What holds for each of these pairs


def pairs():
    """Return name -> (forward, backward, inputs drawn by a generator)."""
    return {
        "step": (rnn_step_forward, rnn_step_backward, step_shapes(3, 4, 2)),
        "sequence": (rnn_forward, rnn_backward, sequence_shapes(3, 2, 4, 5)),
        "temporal affine": (
            temporal_affine_forward,
            temporal_affine_backward,
            {"x": (3, 2, 4), "w": (4, 5), "b": (5,)},
        ),
    }


each_pair = pytest.mark.parametrize(
    "pair",
    [
        pytest.param(pair, id=name, marks=() if name == "temporal affine" else q1)
        for name, pair in pairs().items()
    ],
)


@each_pair
def test_zero_upstream_gives_zero_gradients(pair, rng):
    forward, backward, shapes = pair
    out, cache = forward(**normals(rng, shapes))
    for grad in backward(np.zeros_like(out), cache):
        assert not grad.any()


@each_pair
def test_backward_is_linear_in_the_upstream_gradient(pair, rng):
    forward, backward, shapes = pair
    out, cache = forward(**normals(rng, shapes))
    u, v = rng.normal(size=(2, *out.shape))
    both, one, two = (backward(d, cache) for d in (2 * u - v, u, v))
    for total, du, dv in zip(both, one, two, strict=True):
        assert_close(total, 2 * du - dv)


@each_pair
@care
def test_float32_stays_and_inputs_are_not_touched(pair, rng):
    forward, backward, shapes = (getattr(part, "__wrapped__", part) for part in pair)
    inputs = normals(rng, shapes, np.float32)
    before = {name: value.copy() for name, value in inputs.items()}
    out, cache = forward(**inputs)
    assert out.dtype == np.float32
    dout = rng.normal(size=out.shape).astype(np.float32)
    dout_before = dout.copy()
    grads = backward(dout, cache)
    assert [g.dtype for g in grads] == [np.float32] * len(grads)
    # A second call finds the cache as the first one did.
    for first, second in zip(grads, backward(dout, cache), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(dout, dout_before)
    for name, value in inputs.items():
        np.testing.assert_array_equal(value, before[name])


@each_pair
@care
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_memory_layout_does_not_matter(pair, layout, rng):
    forward, backward, shapes = (getattr(part, "__wrapped__", part) for part in pair)
    inputs = normals(rng, shapes)
    out, cache = forward(**inputs)
    dout = rng.normal(size=out.shape)
    grads = backward(dout, cache)
    other, other_cache = forward(**{k: laid_out(v, layout) for k, v in inputs.items()})
    np.testing.assert_allclose(other, out, rtol=1e-12)
    others = backward(laid_out(dout, layout), other_cache)
    for one, two in zip(grads, others, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


@each_pair
@care
def test_results_have_the_shapes_their_docstrings_promise(pair, rng):
    forward, backward, _ = pair
    letters = {"N": 2, "T": 3, "D": 4, "H": 5, "M": 6}
    inputs = normals(rng, documented_shapes(forward, "Args", letters))
    out, cache = forward(**inputs)
    [promised] = documented_shapes(forward, "Returns", letters).values()
    assert out.shape == promised
    grads = documented_shapes(backward, "Returns", letters)
    assert list(grads) == ["d" + name for name in inputs]
    assert [g.shape for g in backward(out, cache)] == list(grads.values())


@q1
@given(steps(ordinary=True))
def test_a_step_stays_between_minus_one_and_one(inputs):
    next_h, _ = rnn_step_forward(**inputs)
    assert next_h.shape == inputs["prev_h"].shape
    assert np.abs(next_h).max() <= 1


@q1
@given(sequences(ordinary=True))
def test_finite_differences_agree_at_ordinary_sizes(inputs):
    rng = np.random.default_rng(0)
    assert_gradients_match(rnn_forward, rnn_backward, inputs, rng)


@q1
@care
@given(sequences())
def test_finite_differences_agree_in_every_layout(inputs):
    inputs = {k: v if v.flags.writeable else v.copy() for k, v in inputs.items()}
    rng = np.random.default_rng(0)
    assert_gradients_match(rnn_layers.rnn_forward, rnn_layers.rnn_backward, inputs, rng)


# Given: the temporal layers and the sigmoid


def test_temporal_affine_agrees_with_finite_differences_and_the_softmax_follows(capsys):
    np.random.seed(231)
    x, w, b = (np.random.randn(*s) for s in [(2, 3, 4), (4, 5), (5,)])
    out, cache = temporal_affine_forward(x, w, b)
    dout = np.random.randn(*out.shape)
    assert [id(part) for part in cache] == [id(part) for part in (x, w, b, out)]
    for grad, value in zip(
        temporal_affine_backward(dout, cache), (x, w, b), strict=True
    ):
        numeric = eval_numerical_gradient_array(
            lambda _: temporal_affine_forward(x, w, b)[0], value, dout
        )
        assert rel_error(numeric, grad) < LIMITS["temporal_affine_backward"]

    # The random stream runs on, so these losses are known exactly.
    for size, share, expected in [
        ((100, 1, 10), 1.0, 2.3027781774290146),
        ((100, 10, 10), 1.0, 23.025985953127226),
        ((5000, 10, 10), 0.1, 2.264361179029339),
    ]:
        scores = 0.001 * np.random.randn(*size)
        y = np.random.randint(size[2], size=size[:2])
        mask = np.random.rand(*size[:2]) <= share
        loss, _ = temporal_softmax_loss(scores, y, mask)
        assert loss == pytest.approx(expected, rel=1e-13)

    N, T, V = 7, 8, 9
    x = np.random.randn(N, T, V)
    y = np.random.randint(V, size=(N, T))
    mask = np.random.rand(N, T) > 0.5
    _, dx = temporal_softmax_loss(x, y, mask)
    numeric = eval_numerical_gradient(
        lambda _: temporal_softmax_loss(x, y, mask)[0], x, verbose=False
    )
    assert rel_error(dx, numeric) < LIMITS["temporal_softmax_loss"]
    assert capsys.readouterr().out == ""
    temporal_softmax_loss(x, y, mask, verbose=True)
    assert str((N * T, V)) in capsys.readouterr().out


@pytest.mark.parametrize("size", [(1, 2, 3, 4), (3, 2, 1, 5), (2, 3, 4, 1)])
def test_temporal_affine_agrees_with_finite_differences_at_many_sizes(size, rng):
    N, T, D, M = size
    inputs = normals(rng, {"x": (N, T, D), "w": (D, M), "b": (M,)})
    assert_gradients_match(
        temporal_affine_forward, temporal_affine_backward, inputs, rng
    )


@given(scored_words())
def test_softmax_ignores_masked_words_and_whatever_is_added_to_all_scores(inputs):
    x, y, mask = inputs.values()
    loss, dx = temporal_softmax_loss(x, y, mask)
    assert isinstance(loss, float)
    assert loss >= 0
    assert dx.shape == x.shape
    assert not dx[~mask].any()
    np.testing.assert_allclose(dx.sum(axis=2), 0, atol=1e-14)
    np.testing.assert_array_less(dx[mask, y[mask]], 1e-14)

    changed, other = x.copy(), np.where(mask, y, (y + 1) % x.shape[2])
    changed[~mask] += 7 * np.arange(x.shape[2])
    loss_changed, dx_changed = temporal_softmax_loss(changed, other, mask)
    assert loss_changed == loss
    np.testing.assert_array_equal(dx_changed, dx)

    shifted, dx_shifted = temporal_softmax_loss(x + 3, y, mask)
    assert shifted == pytest.approx(loss, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(dx_shifted, dx, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("N", "T"), [(1, 1), (2, 1), (1, 3), (4, 5)])
def test_softmax_sums_over_time_and_divides_by_the_number_of_sequences(N, T):
    V = 6
    loss, _ = temporal_softmax_loss(
        np.zeros((N, T, V)), np.zeros((N, T), int), np.ones((N, T), bool)
    )
    assert loss == pytest.approx(T * np.log(V))


@pytest.mark.parametrize("V", [1, 7, 1004, 140_000])
def test_softmax_of_a_large_batch_is_that_of_its_parts(V, rng):
    N = {1: 300, 7: 20_000, 1004: 150, 140_000: 3}[V]
    x, y = rng.normal(size=(N, 1, V)), rng.integers(V, size=(N, 1))
    mask = rng.random((N, 1)) < 0.7
    loss, dx = temporal_softmax_loss(x, y, mask)
    total = 0.0
    for part in np.array_split(np.arange(N), 3):
        part_loss, part_dx = temporal_softmax_loss(x[part], y[part], mask[part])
        total += part_loss * len(part) / N
        np.testing.assert_allclose(
            dx[part], part_dx * len(part) / N, rtol=1e-10, atol=1e-15
        )
    assert total == pytest.approx(loss, rel=1e-12)


def test_softmax_of_fully_masked_words_is_zero(rng):
    x = rng.normal(size=(3, 4, 5))
    loss, dx = temporal_softmax_loss(x, np.zeros((3, 4), int), np.zeros((3, 4), bool))
    assert loss == 0
    assert not dx.any()


def test_softmax_of_a_single_word_costs_nothing(rng):
    x = rng.normal(size=(3, 4, 1))
    loss, dx = temporal_softmax_loss(x, np.zeros((3, 4), int), np.ones((3, 4), bool))
    assert loss == 0
    assert not dx.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_survives_huge_scores(dtype):
    x = np.array([[[1000, -1000, 0], [-1000, 1000, 999]]], dtype=dtype)
    before = x.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, dx = temporal_softmax_loss(x, np.array([[0, 2]]), np.ones((1, 2), bool))
    assert loss == pytest.approx(np.log1p(np.e), rel=1e-6)
    assert np.isfinite(dx).all()
    assert dx.dtype == dtype
    np.testing.assert_array_equal(x, before)


def test_softmax_names_what_is_wrong_with_the_true_words():
    x, mask = np.zeros((1, 2, 3)), np.ones((1, 2), bool)
    with pytest.raises(IndexError, match=r"3 .*3 words.* 0 to 2"):
        temporal_softmax_loss(x, np.array([[0, 3]]), mask)
    with pytest.raises(TypeError, match=r"integers.*float64"):
        temporal_softmax_loss(x, np.array([[0.0, 1.0]]), mask)


SCORES, TRUE = np.zeros((4, 6, 9)), np.zeros((4, 6), int)


@pytest.mark.parametrize(
    ("x", "y", "mask", "message"),
    [
        (SCORES, TRUE[:, :5], TRUE == 0, r"y of shape \(4, 5\); .* that is \(4, 6\)"),
        (SCORES, TRUE, TRUE[:3] == 0, r"mask of shape \(3, 6\); .* N = 4 as in x"),
        (SCORES[:, :5], TRUE, TRUE == 0, r"y of shape \(4, 6\); .* T = 5 as in x"),
        (SCORES[0], TRUE, TRUE == 0, r"x of shape \(6, 9\); \(N, T, V\)"),
        (SCORES, TRUE.ravel(), TRUE == 0, r"y of shape \(24,\); \(N, T\)"),
    ],
)
def test_softmax_names_shapes_that_do_not_fit(x, y, mask, message):
    with pytest.raises(ValueError, match="temporal_softmax_loss got " + message):
        temporal_softmax_loss(x, y, mask)


def test_temporal_affine_names_shapes_that_do_not_fit(rng):
    x, w, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5)), np.zeros(5)
    for inputs, error, message in [
        ((x[0], w, b), ValueError, r"x of shape \(3, 4\); \(N, T, D\)"),
        ((x, w.T, b), ValueError, r"w of shape \(5, 4\); .* D = 4 as in x"),
        ((x, w, b[:3]), ValueError, r"b of shape \(3,\); .* M = 5 as in w"),
        ((None, w, b), TypeError, "NoneType for x"),
    ]:
        with pytest.raises(error, match="temporal_affine_forward got " + message):
            temporal_affine_forward(*inputs)
    out, cache = temporal_affine_forward(x, w, b)
    for dout, kept, error, message in [
        (out[:, :2], cache, ValueError, r"dout of shape \(2, 2, 5\); .* T = 3"),
        (out.reshape(6, 5), cache, ValueError, r"dout of shape \(6, 5\)"),
        (out, cache[:3], TypeError, "a cache that is a tuple of 3 parts"),
    ]:
        with pytest.raises(error, match="temporal_affine_backward got " + message):
            temporal_affine_backward(dout, kept)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sigmoid_keeps_shape_and_dtype_and_never_overflows(dtype):
    x = np.array([[-1000, -1, -0.0], [0, 1, 1000]], dtype=dtype)
    before = x.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = sigmoid(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    s = 0.2689414213699951
    limit = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, [[0, s, 0.5], [0.5, 1 - s, 1]], rtol=limit, atol=0)
    np.testing.assert_array_equal(x, before)


@given(arrays({"x": (3, 4)}))
def test_sigmoid_is_symmetric_and_rises(inputs):
    x = inputs["x"]
    np.testing.assert_allclose(sigmoid(x) + sigmoid(-x), 1, rtol=1e-15)
    assert (np.diff(sigmoid(np.sort(x.ravel()))) >= 0).all()
    tiny = sigmoid(np.array([-700.0]))
    assert tiny[0] == pytest.approx(np.exp(-700.0), rel=1e-12)
    assert sigmoid(np.array(2.0)) == pytest.approx(0.8807970779778823)
