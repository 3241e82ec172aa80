"""Convolution and pooling: stored values, finite differences, properties, bad input."""

import numpy as np
import pytest
from hypothesis import given

from cs231n import fast_layers
from cs231n.fast_layers import (
    conv_backward_fast,
    conv_backward_im2col,
    conv_backward_strides,
    conv_forward_fast,
    conv_forward_im2col,
    conv_forward_strides,
    max_pool_backward_fast,
    max_pool_backward_im2col,
    max_pool_backward_reshape,
    max_pool_forward_fast,
    max_pool_forward_im2col,
    max_pool_forward_reshape,
)
from cs231n.gradient_check import assert_gradients_match
from cs231n.support.kernels import compiled
from tests.strategies import convolutions, laid_out, pools, ramp

CONVS = {
    "im2col": (conv_forward_im2col, conv_backward_im2col),
    "strides": (conv_forward_strides, conv_backward_strides),
    "fast": (conv_forward_fast, conv_backward_fast),
}
each_conv = pytest.mark.parametrize("pair", CONVS.values(), ids=CONVS)
POOLS = {
    "reshape": (max_pool_forward_reshape, max_pool_backward_reshape),
    "im2col": (max_pool_forward_im2col, max_pool_backward_im2col),
    "fast": (max_pool_forward_fast, max_pool_backward_fast),
}
each_pool = pytest.mark.parametrize("pair", POOLS.values(), ids=POOLS)
TWOS = {"pool_height": 2, "pool_width": 2, "stride": 2}


@pytest.fixture(scope="module", params=["compiled", "numpy"], autouse=True)
def _way(request):
    """Run everything with the compiled kernels, and with NumPy alone."""
    if request.param == "compiled":
        if compiled.kernels() is None:
            pytest.skip("the kernels are not built")
        yield
    else:
        with compiled.only_numpy():
            yield


@each_conv
def test_convolution_gives_the_stored_values(pair):
    forward, _ = pair
    x, w = ramp(-0.1, 0.5, 2, 3, 4, 4), ramp(-0.2, 0.3, 3, 3, 4, 4)
    out, _ = forward(x, w, ramp(-0.1, 0.2, 3), {"stride": 2, "pad": 1})

    expected = [
        [
            [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
            [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
            [[0.50813986, 0.54309974], [0.64082444, 0.67101435]],
        ],
        [
            [[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
            [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
            [[2.36270298, 2.36904306], [2.38090835, 2.38247847]],
        ],
    ]
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-8)


@each_pool
def test_pooling_gives_the_stored_values(pair):
    forward, _ = pair
    out, _ = forward(ramp(-0.3, 0.4, 2, 3, 4, 4), TWOS)

    first = [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]]
    last = [[0.32631579, 0.34105263], [0.38526316, 0.4]]
    np.testing.assert_allclose(out[0, 0], first, rtol=0, atol=1e-8)
    np.testing.assert_allclose(out[1, 2], last, rtol=0, atol=1e-8)


@each_conv
@pytest.mark.parametrize(
    ("field", "stride", "pad"), [((3, 3), 1, 1), ((1, 2), 2, 0), ((2, 1), 1, 3)]
)
def test_convolution_agrees_with_finite_differences(pair, field, stride, pad, rng):
    forward, backward = pair
    inputs = {
        "x": rng.normal(size=(2, 3, 5, 6)),
        "w": rng.normal(size=(4, 3, *field)),
        "b": rng.normal(size=4),
    }

    def bound(x, w, b):
        return forward(x, w, b, {"stride": stride, "pad": pad})

    assert_gradients_match(bound, backward, inputs, rng)


def by_hand(x, w, b, stride, pad):
    """Convolve one output number at a time."""
    N, (F, _, HH, WW) = len(x), w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height = (padded.shape[2] - HH) // stride + 1
    width = (padded.shape[3] - WW) // stride + 1
    out = np.empty((N, F, height, width), dtype=x.dtype)
    for n, f, i, j in np.ndindex(out.shape):
        top, left = i * stride, j * stride
        patch = padded[n, :, top : top + HH, left : left + WW]
        out[n, f, i, j] = np.sum(patch * w[f]) + b[f]
    return out


@given(convolutions())
def test_convolution_agrees_with_loops_in_any_layout(case):
    inputs, param = case
    out, _ = conv_forward_fast(**inputs, conv_param=param)

    assert out.flags.c_contiguous
    expected = by_hand(*inputs.values(), **param)
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-12)


@given(convolutions())
def test_the_ways_to_convolve_agree(case):
    inputs, param = case
    out, cache = conv_forward_fast(**inputs, conv_param=param)
    dout = np.sin(1 + np.arange(out.size)).reshape(out.shape)
    grads = conv_backward_fast(dout, cache)

    for forward, backward in CONVS.values():
        try:
            again, cache = forward(**inputs, conv_param=param)
        except AssertionError as error:
            assert "over" in str(error)  # noqa: PT017 (only im2col insists on tiling)
            assert forward is conv_forward_im2col
            continue
        np.testing.assert_allclose(again, out, rtol=1e-9, atol=1e-12)
        for a, b in zip(backward(dout, cache), grads, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_columns_of_the_strides_version_are_ordered_by_image_row_column(rng):
    x, w = rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 3, 2, 3))
    _, cache = conv_forward_strides(x, w, np.zeros(2), {"stride": 1, "pad": 0})
    cols = cache[4].reshape(3, 2, 3, 2, 4, 2)
    for c, i, j, n, y, x_ in np.ndindex(cols.shape):
        assert cols[c, i, j, n, y, x_] == x[n, c, y + i, x_ + j]


def test_columns_of_the_im2col_version_have_the_image_last(rng):
    x, w = rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 3, 2, 3))
    _, cache = conv_forward_im2col(x, w, np.zeros(2), {"stride": 1, "pad": 0})
    cols = cache[4].reshape(3, 2, 3, 4, 2, 2)
    for c, i, j, y, x_, n in np.ndindex(cols.shape):
        assert cols[c, i, j, y, x_, n] == x[n, c, y + i, x_ + j]


@given(pools())
def test_pooling_agrees_with_loops_in_any_layout(case):
    x, param = case
    out, cache = max_pool_forward_fast(x, param)

    height, width, stride = param["pool_height"], param["pool_width"], param["stride"]
    dout = np.sin(1 + np.arange(out.size)).reshape(out.shape)
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(out.shape):
        rows = slice(i * stride, i * stride + height)
        columns = slice(j * stride, j * stride + width)
        patch = x[n, c, rows, columns]
        assert out[n, c, i, j] == patch.max()
        winner = np.unravel_index(patch.argmax(), patch.shape)
        dx[n, c, rows, columns][winner] += dout[n, c, i, j]
    np.testing.assert_allclose(max_pool_backward_fast(dout, cache), dx, rtol=1e-12)


def test_tiles_share_the_gradient_between_equal_maxima_and_windows_give_the_first_all():
    x = np.zeros((1, 1, 2, 4))
    x[0, 0, 1, 3] = 1
    for name, expected in (
        ("reshape", [[0.25, 0.25, 0, 0], [0.25, 0.25, 0, 1]]),
        ("im2col", [[1, 0, 0, 0], [0, 0, 0, 1]]),
    ):
        forward, backward = POOLS[name]
        out, cache = forward(x, TWOS)
        np.testing.assert_array_equal(
            backward(np.ones_like(out), cache)[0, 0], expected
        )


@pytest.mark.parametrize(
    ("size", "param", "method"),
    [
        ((4, 6), TWOS, "reshape"),
        ((5, 6), TWOS, "im2col"),
        ((4, 6), TWOS | {"stride": 1}, "im2col"),
        ((4, 6), TWOS | {"pool_width": 1}, "im2col"),
    ],
)
def test_the_cache_says_how_it_was_pooled(size, param, method, rng):
    _, (said, _) = max_pool_forward_fast(rng.normal(size=(1, 1, *size)), param)
    assert said == method


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_dtype_stays_and_inputs_are_not_touched(dtype, stride, rng):
    shapes = {"x": (3, 2, 6, 6), "w": (4, 2, 3, 3), "b": (4,)}
    inputs = {k: rng.normal(size=s).astype(dtype) for k, s in shapes.items()}
    before = {name: value.copy() for name, value in inputs.items()}
    for forward, backward in CONVS.values():
        try:
            out, cache = forward(**inputs, conv_param={"stride": stride, "pad": 1})
        except AssertionError:
            continue
        parts = [out, *backward(out, cache)]
        assert {part.dtype for part in parts} == {np.dtype(dtype)}
    for param in (TWOS, TWOS | {"stride": 1}):
        out, cache = max_pool_forward_fast(inputs["x"], param)
        assert out.dtype == max_pool_backward_fast(out, cache).dtype == dtype
    for name, value in inputs.items():
        np.testing.assert_array_equal(value, before[name])


def test_a_cache_of_one_way_serves_the_other(rng):
    x, w = rng.normal(size=(2, 3, 5, 5)), rng.normal(size=(4, 3, 3, 3))
    param = {"stride": 2, "pad": 1}
    out, fast = conv_forward_fast(x, w, np.zeros(4), param)
    _, plain = conv_forward_strides(x, w, np.zeros(4), param)
    for a, b in zip(
        conv_backward_strides(out, fast), conv_backward_fast(out, plain), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-10)


X, W, B = np.ones((2, 3, 8, 6)), np.ones((4, 3, 3, 3)), np.ones(4)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"conv_param": {"stride": 0, "pad": 1}}, ValueError, r"\['stride'\] is 0"),
        ({"conv_param": {"stride": 1, "pad": -1}}, ValueError, r"\['pad'\] is -1"),
        ({"conv_param": {"stride": 1.5, "pad": 1}}, TypeError, r"'stride'\] is 1.5"),
        ({"conv_param": {"stride": 1}}, ValueError, "no 'pad'"),
        ({"x": np.ones((2, 8, 6, 3))}, ValueError, r"x.transpose\(0, 3, 1, 2\)"),
        ({"x": np.ones((0, 3, 8, 6))}, ValueError, "x has shape .* no images"),
        ({"x": np.ones((3, 8, 6))}, ValueError, r"x has shape \(3, 8, 6\)"),
        ({"w": np.ones((4, 3, 9, 3))}, ValueError, "field of 9 x 3 is larger"),
        ({"w": np.ones((4, 27))}, ValueError, r"w has shape \(4, 27\)"),
        ({"b": np.ones(3)}, ValueError, r"b has shape \(3,\)"),
    ],
)
@each_conv
def test_wrong_arguments_of_a_convolution_are_named(pair, change, error, words):
    arguments = {"x": X, "w": W, "b": B, "conv_param": {"stride": 1, "pad": 0}}
    with pytest.raises(error, match=words):
        pair[0](**arguments | change)


@pytest.mark.parametrize(
    ("x", "change", "error", "words"),
    [
        (X, {"stride": 0}, ValueError, r"\['stride'\] is 0"),
        (X, {"pool_width": 0}, ValueError, r"\['pool_width'\] is 0"),
        (X, {"pool_height": 9}, ValueError, "field of 9 x 2 is larger"),
        (X[:0], {}, ValueError, "no images"),
        (X[0], {}, ValueError, "x has shape"),
    ],
)
@each_pool
def test_wrong_arguments_of_a_pool_are_named(pair, x, change, error, words):
    with pytest.raises(error, match=words):
        pair[0](x, TWOS | change)


@pytest.mark.parametrize("pair", [CONVS["fast"], POOLS["fast"]], ids=["conv", "pool"])
def test_a_gradient_of_another_shape_is_refused(pair):
    forward, backward = pair
    arguments = (
        (X, TWOS)
        if len(X) == 0 or pair is POOLS["fast"]
        else (
            X,
            W,
            B,
            {"stride": 1, "pad": 1},
        )
    )
    out, cache = forward(*arguments)
    with pytest.raises(ValueError, match="dout has shape"):
        backward(out[:, :, :-1], cache)


def test_sizes_that_do_not_tile_are_refused_where_that_was_promised():
    with pytest.raises(AssertionError, match="1 pixels of the height 8 over"):
        conv_forward_im2col(X, W, B, {"stride": 2, "pad": 0})
    with pytest.raises(AssertionError, match="no square tiles"):
        max_pool_forward_reshape(X, TWOS | {"stride": 1})
    with pytest.raises(AssertionError, match="over"):
        max_pool_forward_im2col(X, TWOS | {"pool_height": 3})


def test_a_cache_of_something_else_is_refused():
    with pytest.raises(ValueError, match="'strides'"):
        max_pool_backward_fast(X, ("strides", None))


def test_star_import_exposes_all_of_im2col():
    names = {}
    exec("from cs231n.fast_layers import *", names)
    assert names["im2col_indices"] is fast_layers.im2col_indices
    assert {"get_im2col_indices", "col2im_indices", "np"} <= names.keys()


def test_the_layout_of_inputs_does_not_matter_at_real_sizes(rng):
    x, w = rng.normal(size=(3, 16, 17, 20)), rng.normal(size=(33, 16, 3, 3))
    param = {"stride": 1, "pad": 1}
    out, cache = conv_forward_fast(x, w, np.ones(33), param)
    grads = conv_backward_fast(out, cache)
    for layout in ("fortran", "sliced", "backward"):
        other, cache = conv_forward_fast(
            laid_out(x, layout), laid_out(w, layout), np.ones(33), param
        )
        np.testing.assert_allclose(other, out, rtol=1e-10, atol=1e-12)
        for a, b in zip(
            conv_backward_fast(laid_out(out, layout), cache), grads, strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
