"""Q3 and Q4 in TensorFlow beside loops in float64, and beside the PyTorch twins."""

import importlib.util
import json
import math
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cs231n.lab import style_checks, style_checks_tensorflow
from cs231n.lab.painting_tensorflow import (
    make_objective,
    noise_like,
    paint,
    read_picture,
)
from cs231n.net_visualization_tensorflow import (
    class_visualization_update_step,
    compute_saliency_maps,
    make_fooling_image,
)
from cs231n.style_transfer_tensorflow import (
    content_loss,
    extract_features,
    gram_matrix,
    style_loss,
    tv_loss,
)
from cs231n.support.accuracy import rel_error
from staff.questions import ROOT

SHAPES = [(1, 1, 1, 1), (1, 4, 5, 3), (1, 3, 1, 5), (1, 6, 2, 4)]
each_shape = pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda shape: "x".join(map(str, shape))
)


# Q3: a convolution, a ReLU, a maximum of 2 x 2 places and linear scores, by hand.


def small_network(rng, K=4, C=5):
    """Return a network for pictures of 6 x 8 pixels, and its weights."""
    W, b = rng.normal(size=(3, 3, 3, K)), rng.normal(size=K)
    V, c = rng.normal(size=(2 * 3 * K, C)), rng.normal(size=C)
    layers, kind = tf.keras.layers, {"dtype": "float64"}
    network = tf.keras.Sequential(
        [
            tf.keras.Input((6, 8, 3), dtype="float64"),
            layers.Conv2D(K, 3, activation="relu", **kind),
            layers.MaxPool2D(2, **kind),
            layers.Flatten(**kind),
            layers.Dense(C, **kind),
        ]
    )
    network.set_weights([W, b, V, c])
    network.trainable = False
    return network, W, b, V


def slow_slope(picture, label, W, b, V):
    """Trace a score back to the pixels, one number at a time."""
    K = len(b)
    a = np.zeros((4, 6, K))
    for i, j, k in np.ndindex(a.shape):
        a[i, j, k] = b[k]
        for di, dj, channel in np.ndindex(3, 3, 3):
            a[i, j, k] += W[di, dj, channel, k] * picture[i + di, j + dj, channel]
    dx = np.zeros_like(picture)
    for i, j, k in np.ndindex(2, 3, K):
        block = [(2 * i + di, 2 * j + dj) for di in (0, 1) for dj in (0, 1)]
        y, x = max(block, key=lambda place: a[(*place, k)])
        if a[y, x, k] <= 0:
            continue
        upstream = V[(i * 3 + j) * K + k, label]
        for di, dj, channel in np.ndindex(3, 3, 3):
            dx[y + di, x + dj, channel] += upstream * W[di, dj, channel, k]
    return dx


def test_saliency_agrees_with_loops_in_float64(rng):
    network, W, b, V = small_network(rng)
    X, y = rng.normal(size=(3, 6, 8, 3)), np.array([2, 0, 4])
    found = compute_saliency_maps(X, y, network)

    for picture, label, saliency in zip(X, y, found, strict=True):
        expected = np.abs(slow_slope(picture, label, W, b, V)).max(axis=2)
        assert expected.any()
        np.testing.assert_allclose(saliency, expected, rtol=1e-9, atol=1e-12)


def test_a_step_is_the_formula(rng):
    network, W, b, V = small_network(rng)
    X = rng.normal(size=(1, 6, 8, 3))
    slope = slow_slope(X[0], 1, W, b, V)[None] - 2 * 0.2 * X
    expected = X + 0.7 * slope / math.sqrt((slope**2).sum())
    found = class_visualization_update_step(tf.constant(X), network, 1, 0.2, 0.7)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_fooling_is_the_courses_loop(rng):
    network, W, b, V = small_network(rng)
    expected = rng.normal(size=(1, 6, 8, 3))
    target = int(np.argmin(network(expected)))
    found = make_fooling_image(expected, target, network)
    for _ in range(100):
        if int(np.argmax(network(expected))) == target:
            break
        slope = slow_slope(expected[0], target, W, b, V)[None]
        expected = expected + slope / np.linalg.norm(slope)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


# Q4


def slow_content(weight, current, original):
    pairs = zip(current.ravel().tolist(), original.ravel().tolist(), strict=True)
    return weight * math.fsum((a - b) ** 2 for a, b in pairs)


def slow_gram(features, normalize=True):
    _, H, W, C = features.shape
    gram = np.zeros((C, C))
    for i, j, c, d in np.ndindex(H, W, C, C):
        gram[c, d] += features[0, i, j, c] * features[0, i, j, d]
    return gram / (H * W * C) if normalize else gram


def slow_tv(img, weight):
    _, H, W, C = img.shape
    total = 0.0
    for i, j, c in np.ndindex(H, W, C):
        if i + 1 < H:
            total += (img[0, i + 1, j, c] - img[0, i, j, c]) ** 2
        if j + 1 < W:
            total += (img[0, i, j + 1, c] - img[0, i, j, c]) ** 2
    return weight * total


@each_shape
def test_losses_agree_with_loops(shape, rng):
    x, y = rng.normal(size=(2, *shape))
    loss = content_loss(0.06, tf.constant(x), tf.constant(y))
    assert float(loss) == pytest.approx(slow_content(0.06, x, y), rel=1e-9)
    for normalize in (True, False):
        found = gram_matrix(tf.constant(x), normalize)
        np.testing.assert_allclose(found, slow_gram(x, normalize), rtol=1e-9)
    img = rng.normal(size=(1, *shape[1:3], 3))
    loss = tv_loss(tf.constant(img), 0.02)
    assert float(loss) == pytest.approx(slow_tv(img, 0.02), rel=1e-9)


def test_style_loss_agrees_with_a_loop(rng):
    feats = [rng.normal(size=(1, 6 - k, 3, 2 + k)) for k in range(5)]
    layers, weights = [3, 0, 4], [20000, 0.5, 3]
    targets = [rng.normal(size=(2 + k, 2 + k)) for k in layers]
    expected = sum(
        weight * ((slow_gram(feats[k]) - target) ** 2).sum()
        for k, weight, target in zip(layers, weights, targets, strict=True)
    )
    found = style_loss([tf.constant(f) for f in feats], layers, targets, weights)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_the_stored_answers_are_those_of_this_network():
    checks = style_checks_tensorflow.load_checks(verbose=False)
    img = read_picture(checks.content, 192)
    feats = extract_features(img, checks.cnn)
    style_feats = extract_features(read_picture(checks.style, 192), checks.cnn)
    blank = extract_features(tf.zeros_like(img), checks.cnn)
    layers = [0, 3, 5, 6]
    targets = [gram_matrix(style_feats[k]) for k in layers]
    smooth = read_picture(checks.smooth, 192)
    found = {
        "cl_out": content_loss(6e-2, blank[2], feats[2]),
        "gm_out": style_checks.summarize(gram_matrix(style_feats[4])),
        "sl_out": style_loss(feats, layers, targets, [300000, 1000, 15, 3]),
        "tv_out": tv_loss(smooth, 2e-2),
    }
    for name, value in found.items():
        assert rel_error(value, checks.answers[name]) < 1e-5, name


# The twin, in a process of its own


def of_the_twin(code, *words):
    """Run code in a process with PyTorch; return the JSON that it prints."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *words],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


TWIN = """
    import json, sys
    import numpy as np
    import torch
    from cs231n.lab.painting import make_objective, paint
    start = torch.tensor(np.load(sys.argv[1])).permute(0, 3, 1, 2).contiguous()
    objective = make_objective(
        torch.nn.Sequential(torch.nn.Identity()),
        0, 2.0, start.flip(3), [0], [500.0], [torch.eye(3)[None] / 3], 0.3,
    )
    painting = paint(start, objective, 40, snapshots=0)
    image = painting.image.permute(0, 2, 3, 1)
    print(json.dumps([image.tolist(), painting.losses]))
"""


def test_the_twins_paint_the_same_picture(tmp_path):
    """The same steps, small ones at the end, colours limited and then free."""
    start = noise_like(tf.zeros((1, 7, 9, 3))).numpy()
    np.save(tmp_path / "start.npy", start)
    image, losses = of_the_twin(TWIN, str(tmp_path / "start.npy"))

    same = SimpleNamespace(net=SimpleNamespace(layers=(tf.identity, None, None)))
    objective = make_objective(
        same,
        0,
        2.0,
        start[:, :, ::-1],
        [0],
        [500.0],
        [np.eye(3, dtype=np.float32) / 3],
        0.3,
    )
    painting = paint(tf.constant(start), objective, 40, snapshots=0)
    np.testing.assert_allclose(painting.image, image, atol=1e-3)
    for name, values in losses.items():
        np.testing.assert_allclose(painting.losses[name], values, rtol=1e-3)


def test_pictures_are_read_as_the_twin_reads_them(tmp_path, rng):
    file = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(file)
    code = """
        import json, sys
        from PIL import Image
        from cs231n.style_transfer_pytorch import preprocess
        img = preprocess(Image.open(sys.argv[1]), 40)
        print(json.dumps(img.permute(0, 2, 3, 1).tolist()))
    """
    found = read_picture(file, 40)
    np.testing.assert_allclose(found, of_the_twin(code, str(file)), atol=1e-5)
