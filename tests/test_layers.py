"""The given layers: affine, ReLU, batch normalization, losses, sandwiches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n.gradient_check import (
    assert_gradients_match,
    eval_numerical_gradient,
    rel_error,
)
from cs231n.layer_utils import (
    affine_bn_relu_backward,
    affine_bn_relu_forward,
    affine_relu_backward,
    affine_relu_forward,
)
from cs231n.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    svm_loss,
)
from tests.strategies import LAYOUTS, arrays, laid_out, ramp, sizes


def normals(rng, shapes, dtype=np.float64):
    return {name: rng.normal(size=s).astype(dtype) for name, s in shapes.items()}


def away_from_kinks(x):
    """Move numbers near zero away from it, where finite differences mislead."""
    return np.where(np.abs(x) < 0.01, 0.5, x)


def with_running(mode):
    """Return batchnorm and its sandwich as functions of arrays alone."""

    def bn_param(x, channels):
        size = x.shape[1] if channels is None else channels
        return {
            "mode": mode,
            "running_mean": ramp(-1, 1, size).astype(x.dtype),
            "running_var": ramp(0.5, 2, size).astype(x.dtype),
        }

    def plain(x, gamma, beta):
        return batchnorm_forward(x, gamma, beta, bn_param(x, None))

    def spatial(x, gamma, beta):
        return spatial_batchnorm_forward(x, gamma, beta, bn_param(x, None))

    def sandwich(x, w, b, gamma, beta):
        return affine_bn_relu_forward(x, w, b, gamma, beta, bn_param(x, w.shape[1]))

    return plain, spatial, sandwich


TRAIN, TEST = with_running("train"), with_running("test")
DENSE = {"x": (4, 3), "w": (3, 5), "b": (5,)}
DEEP = {"x": (4, 2, 1, 3), "w": (6, 5), "b": (5,)}
SCALED = {"gamma": (5,), "beta": (5,)}
PAIRS = {
    "affine": (affine_forward, affine_backward, DENSE),
    "affine of images": (affine_forward, affine_backward, DEEP),
    "relu": (relu_forward, relu_backward, {"x": (3, 4, 2)}),
    "bn train": (TRAIN[0], batchnorm_backward, {"x": (6, 5)} | SCALED),
    "bn test": (TEST[0], batchnorm_backward, {"x": (6, 5)} | SCALED),
    "bn of one": (TEST[0], batchnorm_backward, {"x": (1, 5)} | SCALED),
    "spatial train": (
        TRAIN[1],
        spatial_batchnorm_backward,
        {"x": (2, 5, 3, 4)} | SCALED,
    ),
    "spatial test": (TEST[1], spatial_batchnorm_backward, {"x": (2, 5, 3, 4)} | SCALED),
    "affine relu": (affine_relu_forward, affine_relu_backward, DEEP),
    "affine bn relu train": (TRAIN[2], affine_bn_relu_backward, DEEP | SCALED),
    "affine bn relu test": (TEST[2], affine_bn_relu_backward, DEEP | SCALED),
}
each_pair = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def gradients(backward, dout, cache):
    grads = backward(dout, cache)
    return grads if isinstance(grads, tuple) else (grads,)


@each_pair
def test_backward_agrees_with_finite_differences(pair, rng):
    forward, backward, shapes = pair
    inputs = normals(rng, shapes)
    inputs["x"] = away_from_kinks(inputs["x"])
    assert_gradients_match(forward, backward, inputs, rng, rtol=1e-5, atol=1e-7)


@each_pair
def test_zero_upstream_gives_zero_gradients(pair, rng):
    forward, backward, shapes = pair
    out, cache = forward(**normals(rng, shapes))
    for grad in gradients(backward, np.zeros_like(out), cache):
        assert not grad.any()


@each_pair
def test_float32_stays_and_inputs_are_not_touched(pair, rng):
    forward, backward, shapes = pair
    inputs = normals(rng, shapes, np.float32)
    before = {name: value.copy() for name, value in inputs.items()}
    out, cache = forward(**inputs)
    dout = rng.normal(size=out.shape).astype(np.float32)
    grads = gradients(backward, dout, cache)
    assert {part.dtype for part in (out, *grads)} == {np.dtype(np.float32)}
    again = gradients(backward, dout, cache)
    for first, second in zip(grads, again, strict=True):
        np.testing.assert_array_equal(first, second)
    for name, value in inputs.items():
        np.testing.assert_array_equal(value, before[name])


@each_pair
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_memory_layout_does_not_matter(pair, layout, rng):
    forward, backward, shapes = pair
    inputs = normals(rng, shapes)
    out, cache = forward(**inputs)
    dout = rng.normal(size=out.shape)
    other, other_cache = forward(**{k: laid_out(v, layout) for k, v in inputs.items()})
    np.testing.assert_allclose(other, out, rtol=1e-10, atol=1e-13)
    for one, two in zip(
        gradients(backward, dout, cache),
        gradients(backward, laid_out(dout, layout), other_cache),
        strict=True,
    ):
        np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)


def test_caches_are_as_old_code_unpacks_them(rng):
    x, w, b = normals(rng, DENSE).values()
    _, cache = affine_forward(x, w, b)
    assert [id(part) for part in cache] == [id(x), id(w), id(b)]
    assert relu_forward(x)[1] is x
    for mode in ("train", "test"):
        _, cache = batchnorm_forward(x, np.ones(3), np.zeros(3), {"mode": mode})
        assert cache[0] == mode
    assert isinstance(relu_backward(x, x), np.ndarray)


def test_relu_keeps_what_is_positive():
    x = np.array([-2.0, -0.0, 0.0, 3.0])
    out, cache = relu_forward(x)
    np.testing.assert_array_equal(out, [0, 0, 0, 3])
    np.testing.assert_array_equal(relu_backward(np.ones(4), cache), [0, 0, 0, 1])


# Batch normalization


@given(data=st.data())
def test_train_mode_normalizes_each_feature(data):
    N, D = data.draw(sizes("ND")).values()
    x = data.draw(arrays({"x": (N + 1, D)}))["x"] * 3 + 5
    out, _ = batchnorm_forward(x, np.ones(D), np.zeros(D), {"mode": "train", "eps": 0})
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose((out**2).mean(axis=0), 1, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_averages_keep_nine_tenths_of_the_old(dtype, rng):
    x = rng.normal(2, 3, size=(50, 4)).astype(dtype)
    ones, zeros = np.ones(4, dtype), np.zeros(4, dtype)
    bn_param = {"mode": "train"}
    out, cache = batchnorm_forward(x, ones, zeros, bn_param)
    np.testing.assert_allclose(bn_param["running_mean"], x.mean(0) / 10, rtol=1e-5)
    biased = ((x - x.mean(0)) ** 2).sum(0) / 50
    np.testing.assert_allclose(bn_param["running_var"], biased / 10, rtol=1e-5)
    parts = (out, *batchnorm_backward(x, cache), *list(bn_param.values())[1:])
    assert {part.dtype for part in parts} == {np.dtype(dtype)}

    batchnorm_forward(x, ones, zeros, bn_param | {"momentum": 0.0})
    batchnorm_forward(x, ones, zeros, bn_param)
    np.testing.assert_allclose(bn_param["running_var"], biased * 0.19, rtol=1e-5)


def test_test_mode_uses_the_running_averages_and_leaves_them(rng):
    x = rng.normal(size=(3, 2))
    mean, var = np.array([1.0, -1.0]), np.array([4.0, 0.25])
    bn_param = {"mode": "test", "running_mean": mean, "running_var": var}
    out, _ = batchnorm_forward(x, np.array([2.0, 3.0]), np.array([5.0, 6.0]), bn_param)
    expected = [2.0, 3.0] * (x - mean) / np.sqrt(var + 1e-5) + [5.0, 6.0]
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    np.testing.assert_array_equal(bn_param["running_mean"], [1, -1])
    np.testing.assert_array_equal(bn_param["running_var"], [4, 0.25])


def test_an_unknown_mode_is_named():
    with pytest.raises(ValueError, match=r"'tset'.*'train' or 'test'"):
        batchnorm_forward(np.ones((2, 2)), np.ones(2), np.ones(2), {"mode": "tset"})
    with pytest.raises(KeyError, match="mode"):
        batchnorm_forward(np.ones((2, 2)), np.ones(2), np.ones(2), {})


def test_spatial_statistics_are_per_channel(rng):
    x = rng.normal(3, 2, size=(4, 3, 5, 6))
    bn_param = {"mode": "train"}
    out, _ = spatial_batchnorm_forward(x, np.ones(3), np.zeros(3), bn_param)
    assert out.flags.c_contiguous
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axis=(0, 2, 3)), 1, rtol=1e-4)
    expected = x.mean(axis=(0, 2, 3)) / 10
    np.testing.assert_allclose(bn_param["running_mean"], expected, rtol=1e-10)


# The two losses


@pytest.mark.parametrize(
    ("loss_function", "expected"),
    [(softmax_loss, 1.3868466551943879), (svm_loss, 2.8181818181818)],
)
def test_losses_give_the_stored_values(loss_function, expected):
    loss, dx = loss_function(ramp(-1, 2, 3, 4), np.array([0, 2, 3]))
    assert loss == pytest.approx(expected, rel=1e-13)
    assert dx.shape == (3, 4)


@pytest.mark.parametrize("loss_function", [softmax_loss, svm_loss])
@pytest.mark.parametrize(("N", "C"), [(1, 1), (1, 5), (4, 2), (3, 7)])
def test_losses_agree_with_finite_differences(loss_function, N, C, rng):
    x, y = rng.normal(size=(N, C)), rng.integers(C, size=N)
    before = x.copy()
    loss, dx = loss_function(x, y)
    np.testing.assert_array_equal(x, before)
    numeric = eval_numerical_gradient(
        lambda x: loss_function(x, y)[0], x, verbose=False
    )
    assert isinstance(loss, float)
    assert rel_error(dx, numeric) < 1e-6
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-15)
    assert loss_function(x.astype(np.float32), y)[1].dtype == np.float32


def test_softmax_loss_survives_huge_scores():
    loss, dx = softmax_loss(np.array([[1000.0, -1000.0]]), np.array([1]))
    assert loss == 2000
    np.testing.assert_array_equal(dx, [[1, -1]])


@pytest.mark.parametrize("loss_function", [softmax_loss, svm_loss])
def test_one_label_stands_for_all_rows(loss_function, rng):
    x = rng.normal(size=(3, 4))
    loss, dx = loss_function(x, np.array([2, 2, 2]))
    for label in (2, np.int64(2), np.array([2])):
        other, other_dx = loss_function(x, label)
        assert other == loss
        np.testing.assert_array_equal(other_dx, dx)


@pytest.mark.parametrize("loss_function", [softmax_loss, svm_loss])
@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (np.ones((3, 4)), [0, 1], ValueError, r"\(2,\); a label .*\(3,\)"),
        (np.ones((3, 4)), [[0], [1], [2]], ValueError, r"\(3, 1\); a label"),
        (np.ones((3, 4)), [0.0, 1, 2], TypeError, "float64; integers"),
        (np.ones((3, 4)), [0, 4, 2], IndexError, "the label 4; .* 0 to 3"),
        (np.ones(3), [0, 1, 2], ValueError, r"x of shape \(3,\); \(N, C\)"),
        (None, [0], TypeError, "NoneType for x"),
    ],
)
def test_scores_and_labels_that_do_not_fit_are_named(
    loss_function, x, y, error, message
):
    with pytest.raises(error, match=loss_function.__name__ + ".*" + message):
        loss_function(x, y)


def test_affine_shapes_that_do_not_fit_are_named(rng):
    x, w, b = rng.normal(size=(3, 4)), rng.normal(size=(4, 5)), np.zeros(5)
    for inputs, error, message in [
        ((x[:, :3], w, b), ValueError, r"x of shape \(3, 3\) .*4 numbers"),
        ((None, w, b), ValueError, "NoneType for x"),
        ((x, w[0], b), ValueError, r"w of shape \(5,\); \(D, M\)"),
        ((x, w, b[:4]), ValueError, r"b of shape \(4,\); \(5,\)"),
    ]:
        with pytest.raises(error, match="affine_forward got .*" + message):
            affine_forward(*inputs)
    np.testing.assert_allclose(affine_forward(x, w, 0)[0], x @ w)
    out, cache = affine_forward(x, w, b)
    for dout, kept, error, message in [
        (out[:, :4], cache, ValueError, r"dout of shape \(3, 4\).* is \(3, 5\)"),
        (out[:2], cache, ValueError, r"dout of shape \(2, 5\) for 3 examples"),
        (out, (cache, cache), TypeError, "tuple of 2 parts; .* affine_forward"),
        (out, None, TypeError, "NoneType"),
    ]:
        with pytest.raises(error, match="affine_backward got .*" + message):
            affine_backward(dout, kept)
