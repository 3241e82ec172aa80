"""Q3 beside independent computations, and on every embedded photo."""

import copy
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.embedded import photos
from cs231n.extras import adversarial
from cs231n.lab.class_visualization import create_class_visualization
from cs231n.net_visualization_pytorch import (
    blur_image,
    class_visualization_update_step,
    compute_saliency_maps,
    deprocess,
    jitter,
    make_fooling_image,
    preprocess,
)

pytestmark = pytest.mark.q3


@pytest.fixture(scope="module")
def model():
    loaded = load_squeezenet("embedded", "cpu", verbose=False)
    return loaded.to(memory_format=torch.channels_last)


def small_network(rng, K=4, C=5):
    """Convolution, ReLU, 2 by 2 maximum, linear scores: with its weights in NumPy."""
    W, b = rng.normal(size=(K, 3, 3, 3)), rng.normal(size=K)
    V, c = rng.normal(size=(C, K * 2 * 3)), rng.normal(size=C)
    network = nn.Sequential(
        nn.Conv2d(3, K, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * K, C),
    ).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor(W))
        network[0].bias.copy_(torch.tensor(b))
        network[4].weight.copy_(torch.tensor(V))
        network[4].bias.copy_(torch.tensor(c))
    return network.requires_grad_(False), W, b, V


def slow_saliency(picture, label, W, b, V):
    """Trace the score back by hand, one number at a time."""
    K = len(W)
    _, H, width = picture.shape
    a = np.zeros((K, H - 2, width - 2))
    for k, i, j in np.ndindex(a.shape):
        a[k, i, j] = b[k]
        for channel, di, dj in np.ndindex(3, 3, 3):
            a[k, i, j] += W[k, channel, di, dj] * picture[channel, i + di, j + dj]
    dx = np.zeros_like(picture)
    rows, columns = a.shape[1] // 2, a.shape[2] // 2
    for k, i, j in np.ndindex(K, rows, columns):
        block = [(2 * i + di, 2 * j + dj) for di in (0, 1) for dj in (0, 1)]
        y, x = max(block, key=lambda place: a[(k, *place)])
        if a[k, y, x] <= 0:
            continue
        upstream = V[label, (k * rows + i) * columns + j]
        for channel, di, dj in np.ndindex(3, 3, 3):
            dx[channel, y + di, x + dj] += upstream * W[k, channel, di, dj]
    return np.max(np.abs(dx), axis=0)


def test_saliency_agrees_with_loops_in_float64(rng):
    network, W, b, V = small_network(rng)
    X, y = rng.normal(size=(3, 3, 6, 8)), [2, 0, 4]
    found = compute_saliency_maps(torch.tensor(X), torch.tensor(y), network).numpy()

    for picture, label, saliency in zip(X, y, found, strict=True):
        expected = slow_saliency(picture, label, W, b, V)
        assert expected.any()
        np.testing.assert_allclose(saliency, expected, rtol=1e-9, atol=1e-12)


def test_the_objectives_pass_gradcheck(rng):
    network, *_ = small_network(rng)
    x = torch.tensor(rng.normal(size=(1, 3, 6, 8)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: network(x)[0, 3], x)
    assert torch.autograd.gradcheck(
        lambda x: network(x)[0, 3] - 0.2 * x.square().sum(), x
    )


def test_a_step_is_the_formula(rng):
    network, *_ = small_network(rng)
    x = torch.tensor(rng.normal(size=(1, 3, 6, 8)), requires_grad=True)
    objective = network(x)[0, 1] - 0.2 * (x**2).sum()
    objective.backward()
    expected = x.detach() + 0.7 * x.grad / x.grad.pow(2).sum().sqrt()
    x.grad = None
    class_visualization_update_step(x, network, 1, 0.2, 0.7)
    torch.testing.assert_close(x.detach(), expected)


def test_fooling_is_the_courses_loop():
    # In float64: in float32, rounding at the kinks of ReLUs grows from step to step.
    model = load_squeezenet("embedded", "cpu", verbose=False).double()
    X, _ = photos.load_squares(1)
    x = preprocess(Image.fromarray(X[0])).double()
    expected = x.clone()
    for _ in range(100):
        leaf = expected.clone().requires_grad_()
        scores = model(leaf)
        if scores.argmax(dim=1).item() == 6:
            break
        scores[0, 6].backward()
        expected = expected + leaf.grad / torch.norm(leaf.grad)
    torch.testing.assert_close(make_fooling_image(x, 6, model), expected)


@pytest.mark.parametrize("name", ["preprocess", "deprocess", "rescaled"])
def test_pictures_go_in_and_out_as_with_torchvision(rng, name):
    from torchvision import transforms

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    picture = Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
    there = preprocess(picture, size=40)
    if name == "preprocess":
        way = transforms.Compose(
            [
                transforms.Resize(40),
                transforms.ToTensor(),
                transforms.Normalize(mean, std),
            ]
        )
        torch.testing.assert_close(there[0], way(picture))
        return
    pixels = there[0] * std.view(3, 1, 1) + mean.view(3, 1, 1)
    if name == "rescaled":
        pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    expected = np.asarray(transforms.ToPILImage()(pixels.clamp(0, 1))).astype(int)
    found = np.asarray(deprocess(there, name == "rescaled")).astype(int)
    assert np.abs(found - expected).max() <= 1
    assert found.shape == expected.shape == (40, 53, 3)


def test_jitter_and_blur_are_torch_roll_and_scipys_filter(rng):
    from scipy.ndimage import gaussian_filter

    X = torch.tensor(rng.normal(size=(2, 3, 12, 10)))
    assert torch.equal(jitter(X, 3, -4), torch.roll(X, (-4, 3), (2, 3)))
    expected = gaussian_filter(X.numpy(), (0, 0, 0.8, 0.8))
    np.testing.assert_allclose(blur_image(X.clone(), 0.8), expected, rtol=1e-12)


TARGETS = [6, 100, 200, 300, 400, 500, 600, 700, 800, 900]


@pytest.mark.slow
@pytest.mark.parametrize("photo", range(len(photos.PHOTOS)))
def test_every_photo_is_fooled_to_ten_targets(model, photo):
    X, _ = photos.load_squares()
    x = preprocess(Image.fromarray(X[photo]))
    before = int(model(x).argmax())
    for target in TARGETS:
        assert target != before
        for fool in (make_fooling_image, adversarial.make_bounded_fooling_image):
            assert int(model(fool(x, target, model)).argmax()) == target


@pytest.mark.slow
def test_ideal_pictures_are_recognised_even_when_shifted(model):
    sure, steady = 0, 0
    for target in (76, 78, 130, 187, 323, 366, 604, 683, 951, 980):
        random.seed(231)
        torch.manual_seed(231)
        x = preprocess(create_class_visualization(target, model))
        shifts = [(8, 0), (0, 8), (-8, -8), (5, -7)]
        scores = model(torch.cat([x, *(jitter(x, *shift) for shift in shifts)]))
        sure += float(scores.softmax(dim=1)[0, target]) >= 0.99
        steady += bool((scores.argmax(dim=1) == target).all())
    assert sure >= 9
    assert steady >= 9


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-3), ("float64", 1e-12)])
def test_freezing_and_memory_layout_change_no_result(model, dtype, limit):
    """Against the course's form: weights that want gradients, colours in planes.

    In float32 rounding decides on which side of a kink a few numbers lie, so it is the
    mean that is compared; `make bench` says what the time is.
    """
    kind = getattr(torch, dtype)
    course = load_squeezenet("embedded", "cpu", verbose=False)
    course = course.requires_grad_(True).to(kind)
    ours = copy.deepcopy(model).to(kind)
    last = torch.channels_last
    assert next(ours.parameters()).is_contiguous(memory_format=last)
    X, y = photos.load_squares(2)
    x = torch.cat([preprocess(Image.fromarray(p)) for p in X]).to(kind)
    labels = torch.as_tensor(y)

    leaf = x.clone().requires_grad_()
    course(leaf).gather(1, labels.view(-1, 1)).sum().backward()
    theirs = leaf.grad.abs().max(dim=1)[0]
    difference = (compute_saliency_maps(x.clone(), labels, ours) - theirs).abs().mean()
    assert difference / theirs.mean() < limit
