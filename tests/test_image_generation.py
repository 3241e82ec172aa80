"""2016's Q4: steps by finite differences, and what the loops round them must do."""

import numpy as np
import pytest

from cs231n import image_generation as student
from cs231n.gradient_check import eval_numerical_gradient
from cs231n.image_generation import (
    create_class_visualization,
    deepdream_octaves,
    resize,
)
from cs231n.image_utils import blur_image
from tests.on_copies import on_copies
from tests.small_cnn import SmallCNN

pytestmark = pytest.mark.q4_2016
care = pytest.mark.care

class_visualization_step = on_copies(student.class_visualization_step)
invert_features = on_copies(student.invert_features)
deepdream = on_copies(student.deepdream)


@pytest.fixture
def model(rng):
    return SmallCNN(rng)


@pytest.fixture
def X(rng):
    return rng.normal(size=(1, 3, 6, 4))


# One step of each


@pytest.mark.points(5)
@pytest.mark.parametrize("l2_reg", [0.0, 0.03])
def test_a_visualization_step_agrees_with_finite_differences(model, X, l2_reg):
    def objective(X):
        return model.forward(X)[0][0, 2] - l2_reg * np.sum(X**2)

    slope = eval_numerical_gradient(objective, X.copy(), verbose=False)
    moved = class_visualization_step(X, 2, model, l2_reg, learning_rate=0.7)

    np.testing.assert_allclose((moved - X) / 0.7, slope, rtol=1e-4, atol=1e-6)
    assert {mode for *_, mode in model.runs} == {"test"}


@pytest.mark.points(5)
@pytest.mark.parametrize(("layer", "l2_reg"), [(0, 0.0), (1, 0.0), (1, 0.03)])
def test_an_inversion_step_agrees_with_finite_differences(model, X, rng, layer, l2_reg):
    target = model.forward(rng.normal(size=X.shape), end=layer)[0]

    def objective(X):
        feats = model.forward(X, end=layer)[0]
        return np.sum((feats - target) ** 2) + l2_reg * np.sum(X**2)

    slope = eval_numerical_gradient(objective, X.copy(), verbose=False)
    model.runs.clear()
    settings = {"learning_rate": 0.7, "l2_reg": l2_reg, "num_iterations": 1}
    moved = invert_features(target, layer, model, start=X, blur_every=0, **settings)

    np.testing.assert_allclose((X - moved) / 0.7, slope, rtol=1e-4, atol=1e-6)
    assert {mode for *_, mode in model.runs} == {"test"}


@pytest.mark.points(5)
@pytest.mark.parametrize("layer", [0, 1, 10])  # the last one's are the scores
def test_a_dream_step_climbs_half_the_squared_activations(model, X, layer):
    def objective(X):
        return np.sum(model.forward(X, end=layer)[0] ** 2) / 2

    slope = eval_numerical_gradient(objective, X.copy(), verbose=False)
    model.runs.clear()
    settings = {"learning_rate": 0.7, "max_jitter": 0, "num_iterations": 1}
    moved = deepdream(X, layer, model, **settings)

    np.testing.assert_allclose((moved - X) / 0.7, slope, rtol=1e-4, atol=1e-6)
    assert {mode for *_, mode in model.runs} == {"test"}


@care
def test_functions_leave_their_input_alone(model, X):
    before = X.copy()
    mean = np.full((3, 6, 4), 100.0)
    loose = {"num_iterations": 2, "mean_image": mean}
    target = model.forward(X, end=1)[0]
    for moved in (
        student.class_visualization_step(X, 1, model, 0.1, 0.5),
        create_class_visualization(1, model, start=X, learning_rate=1, **loose),
        student.invert_features(target, 1, model, start=X, learning_rate=1, **loose),
        student.deepdream(X, 1, model, learning_rate=1, **loose),
        deepdream_octaves(X, 1, model, octaves=2, learning_rate=1, **loose),
    ):
        assert moved.shape == X.shape
        assert not np.shares_memory(moved, X)
    np.testing.assert_array_equal(X, before)


# The loops


def test_a_visualization_raises_its_score(model, rng):
    x = create_class_visualization(
        3, model, start=np.zeros((1, 3, 6, 4)), learning_rate=30, l2_reg=0
    )

    # More than any of a hundred pictures as large as this one that were drawn blindly.
    blind = rng.normal(size=(100, *x.shape[1:]))
    blind *= np.linalg.norm(x) / np.sqrt(np.sum(blind**2, (1, 2, 3), keepdims=True))
    assert model.forward(x)[0][0, 3] > model.forward(blind)[0][:, 3].max()


def test_an_inversion_finds_the_features_again(model, X, rng):
    target = model.forward(X, end=0)[0]
    start = rng.normal(size=X.shape)
    settings = {"learning_rate": 0.1, "l2_reg": 0, "blur_every": 0}
    found = invert_features(target, 0, model, start=start, **settings)

    far = np.sum((model.forward(start, end=0)[0] - target) ** 2)
    near = np.sum((model.forward(found, end=0)[0] - target) ** 2)
    assert near < 0.05 * far


def test_a_dream_strengthens_its_layer(model, X):
    dreamt = deepdream(X, 1, model, learning_rate=0.5, max_jitter=2)

    before, after = (np.sum(model.forward(x, end=1)[0] ** 2) for x in (X, dreamt))
    assert after > 1.5 * before


def test_noise_is_the_usual_size_and_always_the_same(model):
    first, again = (
        create_class_visualization(1, model, num_iterations=2) for _ in range(2)
    )
    other = create_class_visualization(
        1, model, num_iterations=2, rng=np.random.default_rng(1)
    )

    assert first.shape == (1, 3, 64, 64)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_colours_stay_on_the_screen(model, rng):
    mean = rng.uniform(60, 200, size=(3, 6, 4))
    start = rng.normal(size=(1, 3, 6, 4)) * 50
    target = model.forward(start, end=1)[0]
    wild = {"num_iterations": 3, "learning_rate": 1e6, "mean_image": mean}
    for x in (
        create_class_visualization(1, model, start=start, blur_every=0, **wild),
        invert_features(target, 1, model, start=start, blur_every=0, **wild),
    ):
        colours = x[0] + mean
        assert colours.min() >= -1e-4
        assert colours.max() <= 255 + 1e-4
        assert colours.min() < 1  # and the limits were reached
    # A dream may have any size, so its limits are those of the mean pixel.
    dreamt = deepdream(start[..., :2], 1, model, **wild)
    colours = dreamt[0] + mean.mean(axis=(1, 2), keepdims=True)
    assert colours.min() >= -1e-4
    assert colours.max() <= 255 + 1e-4


def test_pictures_are_shown_when_they_should_be(model, X):
    shown = []
    settings = {"num_iterations": 7, "show_every": 3, "learning_rate": 1e-6}
    settings["show"] = lambda t, x: shown.append((t, x.shape))
    target = model.forward(X, end=1)[0]
    create_class_visualization(1, model, start=X, **settings)
    invert_features(target, 1, model, start=X, **settings)
    deepdream(X, 1, model, **settings)

    assert shown == [(t, X.shape) for t in (0, 3, 6)] * 3
    shown.clear()
    deepdream(X, 1, model, **settings | {"show_every": 0})
    assert shown == []


def test_blurring_happens_when_it_should(model, X):
    still = {"learning_rate": 0, "num_iterations": 3}
    target = model.forward(X, end=1)[0]

    twice = invert_features(target, 1, model, start=X, blur_every=2, **still)
    np.testing.assert_allclose(twice, blur_image(blur_image(X)))
    never = create_class_visualization(1, model, start=X, blur_every=0, **still)
    np.testing.assert_allclose(never, X, atol=1e-6)  # shifts were undone


def test_defaults_are_those_of_2016():
    import inspect

    wanted = {
        create_class_visualization: {
            "learning_rate": 10000,
            "blur_every": 1,
            "l2_reg": 1e-6,
            "max_jitter": 4,
            "num_iterations": 100,
            "show_every": 25,
        },
        invert_features: {
            "learning_rate": 10000,
            "num_iterations": 500,
            "l2_reg": 1e-7,
            "blur_every": 1,
            "show_every": 50,
        },
        deepdream: {
            "learning_rate": 5.0,
            "max_jitter": 16,
            "num_iterations": 100,
            "show_every": 25,
        },
    }
    for function, defaults in wanted.items():
        parameters = inspect.signature(function).parameters
        assert {name: parameters[name].default for name in defaults} == defaults


# Octaves


def test_octaves_grow_to_the_pictures_size(model, rng):
    X = rng.normal(size=(1, 3, 20, 30))
    sizes = []
    settings = {"learning_rate": 0.1, "num_iterations": 2}
    dreamt = deepdream_octaves(
        *(X, 1, model),
        octaves=3,
        ratio=2,
        show=lambda number, x: sizes.append((number, x.shape[2:])),
        **settings,
    )

    assert sizes == [(0, (5, 8)), (1, (10, 15)), (2, (20, 30))]
    assert dreamt.shape == X.shape
    once = deepdream_octaves(X, 1, model, octaves=1, **settings)
    np.testing.assert_allclose(once, deepdream(X, 1, model, **settings))


def test_octaves_without_a_step_change_nothing(model, rng):
    X = rng.normal(size=(1, 3, 20, 30))
    still = deepdream_octaves(X, 1, model, learning_rate=0, num_iterations=1)

    np.testing.assert_allclose(still, X, atol=1e-5)


@pytest.mark.parametrize("size", [(6, 4), (3, 9), (12, 8), (1, 1)])
def test_resizing_keeps_flat_pictures_flat_and_channels_apart(size):
    X = np.arange(6.0).reshape(2, 3, 1, 1) * np.ones((6, 4))
    scaled = resize(X, size)

    assert scaled.shape == (2, 3, *size)
    expected = np.arange(6.0).reshape(2, 3, 1, 1) * np.ones(size)
    np.testing.assert_allclose(scaled, expected, atol=1e-5)


# Bad input


@care
def test_what_does_not_fit_is_named(model, X):
    with pytest.raises(IndexError, match="no class 100; the network knows 0 to 99"):
        create_class_visualization(100, model, num_iterations=1)
    with pytest.raises(ValueError, match="layer 1 makes"):
        invert_features(model.forward(X, end=0)[0], 1, model, start=X)
    with pytest.raises(ValueError, match=r"mean_image has shape \(3, 5, 5\)"):
        create_class_visualization(1, model, start=X, mean_image=np.ones((3, 5, 5)))
    with pytest.raises(ValueError, match="colours last"):
        deepdream(X.transpose(0, 2, 3, 1), 1, model)
    with pytest.raises(TypeError, match="floating point"):
        deepdream(X.astype(int), 1, model)
    with pytest.raises(ValueError, match="at least 1 octave"):
        deepdream_octaves(X, 1, model, octaves=0)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_learning_rate_that_is_far_too_high_is_named(model, X):
    with pytest.raises(
        FloatingPointError, match="iteration 0; lower the learning rate"
    ):
        create_class_visualization(1, model, start=X, learning_rate=np.inf)
