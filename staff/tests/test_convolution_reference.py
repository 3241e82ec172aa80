"""Convolution, pooling and the 2016 network against PyTorch, in float64 to 1e-9.

Everything runs twice where kernels are built: with them, and with NumPy alone.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from cs231n import fast_layers, layer_utils, layers
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.support.kernels import compiled
from tests.strategies import arrays, convolutions, laid_out, pools

LIMIT = {"rtol": 1e-9, "atol": 1e-11}
WAYS = ("compiled", "numpy")


@pytest.fixture(scope="module", params=WAYS, autouse=True)
def way(request):
    if request.param == "numpy":
        with compiled.only_numpy():
            yield request.param
    elif compiled.kernels() is None:
        pytest.skip("the kernels are not built")
    else:
        yield request.param


def upstream(out):
    """Make up an upstream gradient without symmetry."""
    return np.sin(1 + 3 * np.arange(out.size)).reshape(out.shape)


def tensor(x):
    return torch.tensor(np.array(x), requires_grad=True)


def assert_agrees(outs, grads, expected, leaves, dout):
    np.testing.assert_allclose(outs, expected.detach().numpy(), **LIMIT)
    wanted = torch.autograd.grad(expected, leaves, torch.tensor(np.array(dout)))
    for grad, right in zip(grads, wanted, strict=True):
        assert grad.shape == tuple(right.shape)
        np.testing.assert_allclose(grad, right.numpy(), **LIMIT)


CONVS = {
    "im2col": (fast_layers.conv_forward_im2col, fast_layers.conv_backward_im2col),
    "strides": (fast_layers.conv_forward_strides, fast_layers.conv_backward_strides),
    "fast": (fast_layers.conv_forward_fast, fast_layers.conv_backward_fast),
}


@pytest.mark.parametrize("name", CONVS)
@given(data=st.data())
def test_convolution_agrees_with_torch(name, data):
    inputs, param = data.draw(convolutions())
    forward, backward = CONVS[name]
    try:
        out, cache = forward(**inputs, conv_param=param)
    except AssertionError:
        assert name == "im2col"  # the one that insists on tiling
        return
    leaves = [tensor(v) for v in inputs.values()]
    expected = functional.conv2d(*leaves, stride=param["stride"], padding=param["pad"])
    dout = laid_out(upstream(out), data.draw(st.sampled_from(["plain", "fortran"])))
    assert_agrees(out, backward(dout, cache), expected, leaves, dout)


# Sizes that take every path: tiles and products, images of which few or many go
# together, bands of rows, threads; ends that fill no vector.
REAL = [
    ((1, 3, 40, 70), (7, 3, 5, 3), 1, 2),
    ((3, 64, 32, 32), (64, 64, 3, 3), 1, 1),
    ((2, 128, 7, 9), (130, 128, 3, 3), 2, 1),
    ((70, 5, 9, 31), (25, 5, 3, 3), 2, 0),
    ((20, 40, 4, 4), (50, 40, 3, 3), 2, 1),
    ((5, 8, 20, 20), (16, 8, 1, 1), 1, 0),
    ((5, 8, 20, 20), (16, 8, 4, 2), 3, 5),
    ((2, 1, 65, 3), (1, 1, 65, 3), 1, 0),
]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("x", "w", "stride", "pad"), REAL)
def test_convolution_agrees_with_torch_at_real_sizes(x, w, stride, pad, threads, rng):
    inputs = [rng.normal(size=s) for s in (x, w, w[:1])]
    leaves = [tensor(v) for v in inputs]
    expected = functional.conv2d(*leaves, stride=stride, padding=pad)
    with compiled.using_threads(threads):
        out, cache = fast_layers.conv_forward_fast(
            *inputs, {"stride": stride, "pad": pad}
        )
        dout = rng.normal(size=out.shape)
        grads = fast_layers.conv_backward_fast(dout, cache)
    assert_agrees(out, grads, expected, leaves, dout)


@pytest.mark.parametrize(("x", "w", "stride", "pad"), REAL)
def test_float32_stays_float32_and_is_as_exact_as_it_can_be(x, w, stride, pad, rng):
    inputs = [rng.normal(size=s).astype(np.float32) for s in (x, w, w[:1])]
    param = {"stride": stride, "pad": pad}
    out, cache = fast_layers.conv_forward_fast(*inputs, param)
    parts = [out, *fast_layers.conv_backward_fast(out, cache)]

    doubles = [v.astype(np.float64) for v in inputs]
    exact, cache = fast_layers.conv_forward_fast(*doubles, param)
    wanted = [exact, *fast_layers.conv_backward_fast(out.astype(np.float64), cache)]
    for part, right in zip(parts, wanted, strict=True):
        assert part.dtype == np.float32
        assert np.abs(part - right).max() < 2e-5 * np.abs(right).max()


@given(pools())
def test_pools_agree_with_torch(case):
    x, param = case
    height, width, stride = param["pool_height"], param["pool_width"], param["stride"]
    leaf = tensor(x)
    expected = functional.max_pool2d(leaf, (height, width), stride)
    for forward, backward in (
        (fast_layers.max_pool_forward_fast, fast_layers.max_pool_backward_fast),
        (fast_layers.max_pool_forward_im2col, fast_layers.max_pool_backward_im2col),
        (fast_layers.max_pool_forward_reshape, fast_layers.max_pool_backward_reshape),
    ):
        try:
            out, cache = forward(x, param)
        except AssertionError:
            continue
        dout = upstream(out)
        leaves = [leaf]
        again = functional.max_pool2d(leaf, (height, width), stride)
        assert_agrees(out, [backward(dout, cache)], again, leaves, dout)
    assert expected.shape == out.shape


@pytest.mark.parametrize("mode", ["train", "test"])
@given(data=st.data())
def test_batchnorm_of_images_agrees_with_torch(mode, data):
    N, C, H, W = (data.draw(st.integers(2, 5)) for _ in "NCHW")
    shapes = {"x": (N, C, H, W), "gamma": (C,), "beta": (C,), "mean": (C,)}
    *inputs, mean = data.draw(arrays(shapes)).values()
    var = np.linspace(0.5, 2, C)
    param = {"mode": mode, "running_mean": mean.copy(), "running_var": var.copy()}
    out, cache = layers.spatial_batchnorm_forward(*inputs, param)
    leaves = [tensor(v) for v in inputs]
    running = [torch.tensor(np.array(v)) for v in (mean, var)]
    expected = functional.batch_norm(
        leaves[0], *running, *leaves[1:], training=mode == "train", momentum=0.1
    )
    dout = upstream(out)
    grads = layers.spatial_batchnorm_backward(dout, cache)
    limit = {"rtol": 1e-9, "atol": 1e-9}  # a spread near zero magnifies rounding
    np.testing.assert_allclose(out, expected.detach().numpy(), **limit)
    wanted = torch.autograd.grad(expected, leaves, torch.tensor(dout))
    for grad, right in zip(grads, wanted, strict=True):
        np.testing.assert_allclose(grad, right.numpy(), **limit)
    np.testing.assert_allclose(param["running_mean"], running[0], rtol=1e-9, atol=1e-12)
    if mode == "train":  # torch's running variance is the unbiased one
        count = N * H * W
        biased = 0.9 * var + (running[1].numpy() - 0.9 * var) * (count - 1) / count
        np.testing.assert_allclose(param["running_var"], biased, rtol=1e-9)


@given(convolutions())
def test_sandwiches_agree_with_torch(case):
    inputs, param = case
    leaves = [tensor(v) for v in inputs.values()]
    conv = functional.conv2d(*leaves, stride=param["stride"], padding=param["pad"])
    out, cache = layer_utils.conv_relu_forward(**inputs, conv_param=param)
    dout = upstream(out)
    grads = layer_utils.conv_relu_backward(dout, cache)
    assert_agrees(out, grads, functional.relu(conv), leaves, dout)

    conv = functional.conv2d(*leaves, stride=param["stride"], padding=param["pad"])
    pool = {"pool_height": 1, "pool_width": conv.shape[3], "stride": 2}
    out, cache = layer_utils.conv_relu_pool_forward(
        **inputs, conv_param=param, pool_param=pool
    )
    pooled = functional.max_pool2d(functional.relu(conv), (1, conv.shape[3]), 2)
    np.testing.assert_allclose(out, pooled.detach().numpy(), **LIMIT)
    # Where a whole pool is zero its maximum is tied, but the ReLU stops that gradient.
    dout = upstream(out)
    grads = layer_utils.conv_relu_pool_backward(dout, cache)
    wanted = torch.autograd.grad(pooled, leaves, torch.tensor(dout))
    for grad, right in zip(grads, wanted, strict=True):
        np.testing.assert_allclose(grad, right.numpy(), **LIMIT)


CHANNELS = [3, 4, 4, 6, 6, 5, 5, 7, 7, 8]  # into each layer, a few for many


@pytest.fixture(scope="module")
def network():
    """Give the network with fewer channels, and nothing in it at 0 or 1."""
    rng = np.random.default_rng(231)
    model = PretrainedCNN(dtype=np.float64, num_classes=7, input_size=16)
    sides = [5, *[3] * 8]
    shapes = [
        (F, C, s, s) for C, F, s in zip(CHANNELS[:-1], CHANNELS[1:], sides, strict=True)
    ]
    for k, shape in enumerate([*shapes, (8, 9), (9, 7)], start=1):
        units = shape[0] if len(shape) == 4 else shape[1]
        model.params[f"W{k}"] = 0.4 * rng.normal(size=shape)
        model.params[f"b{k}"] = rng.normal(size=units)
        if k <= 10:
            model.params[f"gamma{k}"] = rng.uniform(0.5, 2, size=units)
            model.params[f"beta{k}"] = rng.normal(size=units)
            averages = {"running_mean": rng.normal(size=units)}
            averages["running_var"] = rng.uniform(0.5, 2, size=units)
            model.bn_params[k - 1].update(averages)
    return model


def torch_layers(model, leaves, x, start, end, mode):
    """Run some layers of the network in torch."""
    for i in range(start, end + 1):
        k = i + 1
        w, b = leaves[f"W{k}"], leaves[f"b{k}"]
        if i < 9:
            p = model.conv_params[i]
            x = functional.conv2d(x, w, b, stride=p["stride"], padding=p["pad"])
        else:
            x = x.flatten(1) @ w + b
        if i < 10:
            p = model.bn_params[i]
            running = [torch.tensor(p[f"running_{s}"]) for s in ("mean", "var")]
            train, scale = mode == "train", (leaves[f"gamma{k}"], leaves[f"beta{k}"])
            x = functional.batch_norm(x, *running, *scale, training=train)
            x = functional.relu(x)
    return x


@pytest.mark.parametrize("mode", ["train", "test"])
@pytest.mark.parametrize(
    ("start", "end"), list(itertools.combinations_with_replacement(range(11), 2))
)
def test_the_network_agrees_with_torch_between_any_two_layers(
    network, start, end, mode, rng
):
    # As large as that layer's input is for a 32 x 32 picture, or what fits the last.
    side = 32 // 2 ** ((start + 1) // 2)
    if end >= 9:
        side = 16 // 2 ** ((start + 1) // 2) if start < 9 else 1
    side = max(side, 1)
    shape = (6, 9) if start == 10 else (6, CHANNELS[start], side, side)
    x = rng.normal(size=shape)
    leaf = tensor(x)
    names = [n for n in network.params if start <= int(n.lstrip("Wbgamet")) - 1 <= end]
    leaves = {n: tensor(network.params[n]) for n in names}
    expected = torch_layers(network, leaves, leaf, start, end, mode)

    kept = [dict(p) for p in network.bn_params]
    out, cache = network.forward(x, start=start, end=end, mode=mode)
    for p, old in zip(network.bn_params, kept, strict=True):
        p.update(old)
    dout = upstream(out)
    dx, grads = network.backward(dout, cache)

    def same(ours, theirs):
        limit = 1e-9 * max(np.abs(theirs).max(), 1e-3)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=limit)

    same(out, expected.detach().numpy())
    wanted = torch.autograd.grad(expected, [leaf, *leaves.values()], torch.tensor(dout))
    assert grads.keys() == leaves.keys()
    same(dx, wanted[0].numpy())
    for name, right in zip(leaves, wanted[1:], strict=True):
        same(grads[name], right.numpy())


def test_the_loss_of_the_network_agrees_with_torch(network, rng):
    x, y = rng.normal(size=(4, 3, 16, 16)), np.array([0, 6, 2, 2])
    leaves = {n: tensor(v) for n, v in network.params.items()}
    scores = torch_layers(network, leaves, torch.tensor(x), 0, 10, "train")
    expected = functional.cross_entropy(scores, torch.tensor(y))
    kept = [dict(p) for p in network.bn_params]
    loss, grads = network.loss(x, y)
    for p, old in zip(network.bn_params, kept, strict=True):
        p.update(old)
    assert loss == pytest.approx(expected.item(), rel=1e-9)
    wanted = torch.autograd.grad(expected, list(leaves.values()))
    for name, right in zip(leaves, wanted, strict=True):
        limit = 1e-9 * max(float(right.abs().max()), 1e-3)
        np.testing.assert_allclose(grads[name], right.numpy(), rtol=1e-8, atol=limit)


def test_a_gradient_that_is_slightly_off_is_noticed(rng):
    x, w, b = (rng.normal(size=s) for s in ((2, 3, 5, 5), (4, 3, 3, 3), (4,)))
    leaves = [tensor(v) for v in (x, w, b)]
    out, cache = fast_layers.conv_forward_fast(x, w, b, {"stride": 1, "pad": 1})
    dx, dw, db = fast_layers.conv_backward_fast(out, cache)
    expected = functional.conv2d(*leaves, padding=1)
    with pytest.raises(AssertionError):
        assert_agrees(out, (dx, dw * (1 + 1e-8), db), expected, leaves, out)
