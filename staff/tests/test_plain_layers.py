"""The plain backward passes that the derivations end in agree with the tuned ones."""

import numpy as np
import pytest

from cs231n import fast_layers, layers, rnn_layers
from staff.reference import layers as plain

SAME = {"rtol": 1e-10, "atol": 1e-12}


def assert_same(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, **SAME)


@pytest.fixture
def draw():
    return np.random.default_rng(231).normal


def test_the_embedding_agrees_where_words_repeat(draw):
    x, W = np.array([[2, 0, 2], [1, 2, 2]]), draw(size=(5, 4))
    out, cache = rnn_layers.word_embedding_forward(x, W)
    dout = draw(size=out.shape)
    dW = plain.word_embedding_backward(dout, x, len(W))
    assert_same([dW], [rnn_layers.word_embedding_backward(dout, cache)])
    assert not dW[3:].any()


def test_the_temporal_softmax_agrees_with_words_that_do_not_count(draw):
    x, y = draw(size=(2, 3, 5)), np.array([[1, 4, 0], [3, 0, 0]])
    found = plain.temporal_softmax_loss(x, y, y != 0)
    assert_same(found, rnn_layers.temporal_softmax_loss(x, y, y != 0))


def test_batch_normalization_agrees(draw):
    x, gamma, beta = draw(2, 3, size=(6, 3)), draw(size=3), draw(size=3)
    out, cache = layers.batchnorm_forward(x, gamma, beta, {"mode": "train"})
    dout = draw(size=out.shape)
    found = plain.batchnorm_backward(dout, x, gamma, 1e-5)
    assert_same(found, layers.batchnorm_backward(dout, cache))


@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (2, 1), (3, 2)])
def test_convolution_agrees(draw, stride, pad):
    x, w, b = draw(size=(2, 3, 6, 7)), draw(size=(4, 3, 3, 2)), draw(size=4)
    param = {"stride": stride, "pad": pad}
    out, cache = fast_layers.conv_forward_fast(x, w, b, param)
    dout = draw(size=out.shape)
    found = plain.conv_backward(dout, x, w, stride, pad)
    assert_same(found, fast_layers.conv_backward_fast(dout, cache))


@pytest.mark.parametrize(("height", "width", "stride"), [(2, 2, 2), (3, 2, 1)])
def test_pooling_agrees(draw, height, width, stride):
    x = draw(size=(2, 3, 4, 6))
    param = {"pool_height": height, "pool_width": width, "stride": stride}
    out, cache = fast_layers.max_pool_forward_fast(x, param)
    dout = draw(size=out.shape)
    found = plain.max_pool_backward(dout, x, height, width, stride)
    assert_same([found], [fast_layers.max_pool_backward_fast(dout, cache)])
