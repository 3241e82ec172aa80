"""2016's Q3 and Q4 on the real network, beside torch's autograd and plain formulas."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.embedded import tiny_twin
from cs231n.image_generation import (
    class_visualization_step,
    create_class_visualization,
    deepdream,
    deepdream_octaves,
    invert_features,
    resize,
)
from cs231n.image_gradients import compute_saliency_maps, make_fooling_image
from cs231n.image_utils import blur_image
from tests.small_cnn import SmallCNN
from tests.test_threads import blas_threads, knows_blas

CLASSES = 6


@pytest.fixture(scope="module")
def pair():
    """Return the twin, the NumPy network with its weights, and pictures, in float64."""
    rng = np.random.default_rng(8)
    twin = tiny_twin.Twin(CLASSES, rng).eval()
    with torch.no_grad():
        for norm in twin.norm:
            norm.running_mean.normal_(
                0, 0.1, generator=torch.Generator().manual_seed(1)
            )
            norm.running_var.fill_(0.8)
    arrays = tiny_twin.export(twin)
    model = PretrainedCNN(dtype=np.float64, num_classes=CLASSES)
    for name, array in arrays.items():
        if name in model.params:
            model.params[name] = array.astype(np.float64)
        else:
            kind = name.rstrip("0123456789")
            place = int(name.removeprefix(kind)) - 1
            model.bn_params[place][kind] = array.astype(np.float64)
    return twin.double(), model, rng.normal(size=(2, 3, 64, 64))


def gradient(f, X):
    leaf = torch.tensor(X, requires_grad=True)
    (found,) = torch.autograd.grad(f(leaf), leaf)
    return found.numpy()


@pytest.mark.q3_2016
def test_saliency_is_autograds(pair):
    twin, model, X = pair
    y = np.array([4, 1])
    slope = gradient(lambda x: twin(x)[0, 4] + twin(x)[1, 1], X)

    found = compute_saliency_maps(X, y, model)
    np.testing.assert_allclose(found, np.abs(slope).max(axis=1), rtol=1e-9)


@pytest.mark.q3_2016
def test_fooling_follows_the_gradient_until_it_is_done(pair):
    twin, model, X = pair
    start = X[:1] * 50
    said = twin(torch.tensor(start))[0]
    target = int(said.argsort()[-2])
    fooling = make_fooling_image(start, target, model)

    assert twin(torch.tensor(fooling)).argmax() == target
    # The first step's direction is that of the gradient.
    expected = gradient(lambda x: twin(x)[0, target], start)
    moved = fooling - start
    cosine = np.sum(moved * expected)
    cosine /= np.linalg.norm(moved) * np.linalg.norm(expected)
    assert cosine > 0.3


@pytest.mark.q3_2016
def test_fooling_gives_up_where_nothing_helps(rng):
    model = SmallCNN(rng)
    model.params["W11"][:] = 0
    model.params["b11"][0] = 1
    X = rng.normal(size=(1, 3, 6, 4))

    np.testing.assert_array_equal(make_fooling_image(X, 3, model), X)
    assert len(model.runs) < 1000


@pytest.mark.q4_2016
def test_a_visualization_step_is_the_formula(pair):
    twin, model, X = pair
    slope = gradient(lambda x: twin(x)[0, 3] - 0.02 * x.square().sum(), X[:1])

    moved = class_visualization_step(X[:1], 3, model, 0.02, 7.0)
    np.testing.assert_allclose(moved, X[:1] + 7 * slope, rtol=1e-9, atol=1e-12)


@pytest.mark.q4_2016
@pytest.mark.parametrize("layer", [0, 3, 6])
def test_an_inversion_is_gradient_descent(pair, layer):
    twin, model, X = pair
    target = twin(torch.tensor(X[1:]), end=layer).detach()
    expected = X[:1]
    for _ in range(2):
        expected = expected - 1e-3 * gradient(
            lambda x: (
                (twin(x, end=layer) - target).square().sum() + 0.1 * x.square().sum()
            ),
            expected,
        )
        expected = blur_image(expected)

    settings = {"learning_rate": 1e-3, "l2_reg": 0.1, "num_iterations": 2}
    found = invert_features(target.numpy(), layer, model, start=X[:1], **settings)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-11)


@pytest.mark.q4_2016
@pytest.mark.parametrize("shape", [(64, 64), (37, 50)])
def test_a_dream_is_gradient_ascent_on_half_the_squares(pair, rng, shape):
    twin, model, _ = pair
    X = rng.normal(size=(1, 3, *shape))
    expected = X
    for _ in range(2):
        expected = expected + 0.01 * gradient(
            lambda x: twin(x, end=4).square().sum() / 2, expected
        )

    settings = {"learning_rate": 0.01, "max_jitter": 0, "num_iterations": 2}
    found = deepdream(X, 4, model, **settings)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-11)


@pytest.mark.q4_2016
def test_shifts_are_undone_and_come_from_the_generator(rng):
    model = SmallCNN(rng)
    X = rng.normal(size=(1, 3, 8, 8))

    def dream(seed, **settings):
        settings = {"learning_rate": 0.1, "num_iterations": 3} | settings
        return deepdream(X, 0, model, rng=np.random.default_rng(seed), **settings)

    # The small network does not care where things are, so shifts change nothing.
    np.testing.assert_allclose(dream(1), dream(2))
    np.testing.assert_allclose(dream(1), dream(1, max_jitter=0))


@pytest.mark.q4_2016
def test_octaves_carry_the_dream_over(rng):
    model = SmallCNN(rng)
    X = rng.normal(size=(1, 3, 12, 18))
    settings = {"learning_rate": 0.1, "num_iterations": 2, "max_jitter": 0}
    found = deepdream_octaves(X, 1, model, octaves=2, ratio=1.5, **settings)

    small = resize(X, (8, 12))
    dreamt = deepdream(small, 1, model, **settings) - small
    expected = deepdream(X + resize(dreamt, (12, 18)), 1, model, **settings)
    np.testing.assert_allclose(found, expected)


@knows_blas
@pytest.mark.parametrize(
    "run",
    [
        lambda X, model: create_class_visualization(
            1, model, start=X, num_iterations=1, show_every=0
        ),
        lambda X, model: invert_features(
            model.forward(X, end=1)[0], 1, model, start=X, num_iterations=1
        ),
        lambda X, model: deepdream(X, 1, model, num_iterations=1, show_every=0),
    ],
    ids=["visualization", "inversion", "dream"],
)
def test_long_work_takes_one_thread_of_blas_and_gives_the_others_back(
    run, pair, monkeypatch
):
    model, seen = pair[1], []
    backward = model.backward

    def noting(*arguments, **named):
        seen.append(blas_threads())
        return backward(*arguments, **named)

    monkeypatch.setattr(model, "backward", noting)
    with threadpool_limits(2, user_api="blas"):
        run(np.ones((1, 3, 64, 64)), model)
        assert blas_threads() == {2}
    assert seen == [{1}]
