"""The extra exercise: the fast model agrees with your own CaptioningRNN."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.extras.fast_rnn import FastCaptioningRNN
from tests.strategies import LAYOUTS, laid_out, seeds

pytestmark = pytest.mark.extra

each_cell = pytest.mark.parametrize("cell", ["rnn", "lstm"])
WORDS = ("<NULL>", "<START>", "<END>", "a", "red", "boat", "sails", "by", "two", "of")
NULL, START, END = 0, 1, 2

# The largest difference, beside the largest number of the same gradient. The largest in
# 800 draws of the size worth training: 1.9e-6 in float32 (0.9e-6, deviation 0.2e-6).
LIMITS = {np.float32: 3e-6, np.float64: 1e-12}


def twins(cell, dtype=np.float64, words=WORDS, seed=231, scale=0.5, D=4, W=5, H=6):
    """Build both models with the same parameters, all of which matter."""
    rng = np.random.default_rng(seed)
    vocabulary = {word: index for index, word in enumerate(words)}
    pair = [
        kind(vocabulary, D, W, H, cell, dtype)
        for kind in (CaptioningRNN, FastCaptioningRNN)
    ]
    for name, w in pair[0].params.items():
        value = (scale * rng.normal(size=w.shape)).astype(dtype)
        for model in pair:
            model.params[name] = value.copy()
    return pair


def written(rng, lengths, T, holes=0.0, V=10):
    """Write captions of given lengths, some of their words replaced by <NULL>."""
    captions = rng.integers(1, V, size=(len(lengths), T))
    captions[rng.random(captions.shape) < holes] = NULL
    captions[np.arange(T) > np.asarray(lengths)[:, None]] = NULL
    return captions


def assert_same(plain, fast, dtype):
    (loss, grads), (fast_loss, fast_grads) = plain, fast
    limit = LIMITS[dtype]
    assert abs(fast_loss - loss) <= limit * max(abs(loss), 1)
    assert fast_grads.keys() == grads.keys()
    for name, grad in grads.items():
        assert fast_grads[name].dtype == grad.dtype == dtype, name
        assert fast_grads[name].shape == grad.shape, name
        error = np.abs(fast_grads[name] - grad).max()
        assert error <= limit * np.abs(grad).max(), f"{name} is off by {error:.1e}"


@pytest.mark.parametrize("dtype", LIMITS, ids=lambda dtype: dtype.__name__)
@each_cell
@given(
    seed=seeds,
    T=st.integers(2, 9),
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=7),
    holes=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    layout=st.sampled_from(LAYOUTS),
)
def test_loss_and_gradients_agree(cell, dtype, seed, T, lengths, holes, layout):
    rng = np.random.default_rng(seed)
    plain, fast = twins(cell, dtype, seed=seed)
    captions = laid_out(written(rng, lengths, T, holes), layout)
    features = laid_out(rng.normal(size=(len(lengths), 4)).astype(dtype), layout)
    assert_same(plain.loss(features, captions), fast.loss(features, captions), dtype)


@pytest.mark.parametrize("dtype", LIMITS, ids=lambda dtype: dtype.__name__)
@each_cell
def test_they_agree_at_a_size_worth_training(cell, dtype, rng):
    words = [*WORDS[:3], *(f"word{k}" for k in range(97))]
    sizes = {"scale": 0.1, "D": 32, "W": 24, "H": 40}
    plain, fast = twins(cell, dtype, words, **sizes)
    captions = written(rng, rng.integers(5, 17, size=50), 17, V=100)
    features = rng.normal(size=(50, 32)).astype(dtype)
    assert_same(plain.loss(features, captions), fast.loss(features, captions), dtype)


@pytest.mark.parametrize(
    "captions",
    [
        [[1, 3]],
        [[1, 3, 4, 2], [NULL] * 4, [1, 2, NULL, NULL]],
        [[1, NULL, NULL, 5], [NULL, NULL, 6, NULL]],
        [[NULL] * 3] * 2,
        [[NULL, 4], [1, NULL]],
    ],
    ids=["one word", "an empty one", "holes", "all empty", "two words"],
)
@each_cell
def test_unusual_captions_agree(cell, captions, rng):
    plain, fast = twins(cell)
    features = rng.normal(size=(len(captions), 4))
    both = [model.loss(features, np.array(captions)) for model in (plain, fast)]
    assert_same(*both, np.float64)


@each_cell
def test_captions_without_words_cost_nothing(cell, rng):
    _, fast = twins(cell)
    loss, grads = fast.loss(rng.normal(size=(2, 4)), np.zeros((2, 5), dtype=int))
    assert loss == 0
    for name, grad in grads.items():
        assert grad.shape == fast.params[name].shape
        assert not grad.any(), name


@each_cell
def test_more_padding_changes_nothing(cell, rng):
    _, fast = twins(cell)
    captions, features = written(rng, [3, 1, 4], 5), rng.normal(size=(3, 4))
    padded = np.pad(captions, ((0, 0), (0, 6)), constant_values=NULL)
    loss, grads = fast.loss(features, captions)
    padded_loss, padded_grads = fast.loss(features, padded)
    assert padded_loss == loss
    for name, grad in grads.items():
        np.testing.assert_array_equal(padded_grads[name], grad, err_msg=name)


@each_cell
def test_the_order_of_captions_does_not_matter(cell, rng):
    _, fast = twins(cell)
    captions = written(rng, [3, 5, 1, 4, 4], 6, holes=0.2)
    features, order = rng.normal(size=(5, 4)), rng.permutation(5)
    assert_same(
        fast.loss(features, captions),
        fast.loss(features[order], captions[order]),
        np.float64,
    )


@each_cell
def test_nothing_given_is_changed(cell, rng):
    _, fast = twins(cell)
    captions, features = written(rng, [3, 1, 4], 5), rng.normal(size=(3, 4))
    arrays = {"captions": captions, "features": features, **fast.params}
    copies = {name: a.copy() for name, a in arrays.items()}
    fast.loss(features, captions)
    fast.sample(features)
    for name, a in arrays.items():
        np.testing.assert_array_equal(a, copies[name], err_msg=name)


def test_a_gradient_that_is_slightly_off_is_noticed(rng):
    plain, fast = twins("rnn")
    captions, features = written(rng, [3, 1, 4], 5), rng.normal(size=(3, 4))
    loss, grads = fast.loss(features, captions)
    grads["Wh"] = grads["Wh"] * 1.001
    with pytest.raises(AssertionError, match="Wh"):
        assert_same(plain.loss(features, captions), (loss, grads), np.float64)


# Captions


def chatty_twins(cell, dtype, seed, N):
    """Build models whose captions differ, and end at different places."""
    plain, fast = twins(cell, dtype, seed=seed, scale=1.5, H=16)
    features = np.random.default_rng(seed).normal(size=(N, 4)).astype(dtype)
    return plain, fast, features


@pytest.mark.parametrize(("N", "steps"), [(2, 4), (1, 10), (7, 12), (1, 1), (40, 15)])
@pytest.mark.parametrize("dtype", LIMITS, ids=lambda dtype: dtype.__name__)
@each_cell
def test_captions_are_the_same(cell, dtype, N, steps):
    for seed in range(5):
        plain, fast, features = chatty_twins(cell, dtype, seed, N)
        captions = fast.sample(features, steps)
        assert captions.dtype == np.int32
        np.testing.assert_array_equal(captions, plain.sample(features, steps))


@each_cell
def test_captions_of_that_test_end_here_and_there(cell):
    lengths = set()
    for seed in range(5):
        _, fast, features = chatty_twins(cell, np.float64, seed, 40)
        lengths |= set((fast.sample(features, 15) != NULL).sum(axis=1).tolist())
    assert 15 in lengths
    assert len(lengths) > 3


@each_cell
def test_what_follows_the_end_is_null(cell):
    _, fast, features = chatty_twins(cell, np.float64, 1, 40)
    fast.params["b_vocab"][END] += 1  # so that all seeds have some
    captions = fast.sample(features, 15)
    ended = np.cumsum(captions == END, axis=1) - (captions == END) > 0
    assert ended.any()
    assert np.all(captions[ended] == NULL)


@each_cell
def test_all_captions_may_end_at_once(cell, rng):
    plain, fast = twins(cell)
    for model in (plain, fast):
        model.params["b_vocab"][END] = 100
    features = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(fast.sample(features, 6), [[END] + [NULL] * 5] * 3)
    np.testing.assert_array_equal(fast.sample(features, 6), plain.sample(features, 6))


@each_cell
def test_a_vocabulary_may_lack_the_end(cell, rng):
    plain, fast = twins(cell, words=("<NULL>", "<START>", "cat", "dog"))
    features = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(fast.sample(features, 6), plain.sample(features, 6))


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7, "rng": 1},
        {"top_k": 3, "rng": 2},
        {"beam_width": 3},
        {"beam_width": 2, "length_power": 0.0},
    ],
    ids=["temperature", "top_k", "beam", "short beam"],
)
@each_cell
def test_options_do_what_they_do_there(cell, options):
    plain, fast, features = chatty_twins(cell, np.float64, 3, 5)
    np.testing.assert_array_equal(
        fast.sample(features, 8, **options), plain.sample(features, 8, **options)
    )


@each_cell
def test_training_by_either_gives_the_same_model(cell, rng):
    plain, fast = twins(cell)
    features = rng.normal(size=(4, 4))
    for _ in range(5):
        captions = written(rng, [3, 1, 4, 4], 5)
        for model in (plain, fast):
            _, grads = model.loss(features, captions)
            for name, w in model.params.items():
                w -= 0.1 * grads[name]
    for name, w in plain.params.items():
        np.testing.assert_allclose(fast.params[name], w, rtol=1e-9, atol=1e-12)


# Bad input


@pytest.mark.parametrize(
    ("features", "captions", "error"),
    [
        (np.zeros((2, 4)), np.zeros((2, 1), int), ValueError),
        (np.zeros((2, 4)), np.zeros(5, int), ValueError),
        (np.zeros((2, 3)), np.zeros((2, 5), int), ValueError),
        (np.zeros((3, 4)), np.zeros((2, 5), int), ValueError),
        (np.zeros((2, 4)), np.zeros((2, 5)), TypeError),
        (np.zeros((2, 4)), np.full((2, 5), len(WORDS)), IndexError),
        (np.zeros((2, 4)), np.full((2, 5), -1), IndexError),
    ],
    ids=["short", "rank", "width", "count", "dtype", "too large", "negative"],
)
def test_it_refuses_what_the_plain_model_refuses(features, captions, error):
    messages = []
    for model in twins("rnn"):
        with pytest.raises(error) as caught:
            model.loss(features, captions)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("words", "width", "options"),
    [
        (("<NULL>", "cat"), 4, {}),
        (WORDS, 5, {}),
        (WORDS, 4, {"beam_width": 2, "top_k": 1}),
    ],
    ids=["no start", "width", "options"],
)
def test_it_refuses_to_sample_where_the_plain_model_does(words, width, options):
    messages = []
    for model in twins("lstm", words=words):
        with pytest.raises(ValueError, match=r"\w") as caught:
            model.sample(np.zeros((2, width)), 3, **options)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
