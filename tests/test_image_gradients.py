"""2016's Q3: gradients at the pixels, by finite differences and by what must hold."""

import numpy as np
import pytest

from cs231n import image_gradients as student
from cs231n.gradient_check import eval_numerical_gradient
from tests.on_copies import assert_close, on_copies
from tests.small_cnn import SmallCNN

pytestmark = pytest.mark.q3_2016
care = pytest.mark.care

compute_saliency_maps = on_copies(student.compute_saliency_maps)
make_fooling_image = on_copies(student.make_fooling_image)


@pytest.fixture
def model(rng):
    return SmallCNN(rng)


@pytest.fixture
def X(rng):
    return rng.normal(size=(5, 3, 6, 4))  # as many as the notebook has


Y = np.array([4, 0, 2, 3, 0])


# Saliency maps


@pytest.mark.points(5)
def test_saliency_agrees_with_finite_differences(model, X):
    saliency = compute_saliency_maps(X, Y, model)

    for x, label, found in zip(X, Y, saliency, strict=True):
        slope = eval_numerical_gradient(
            lambda x, label=label: model.forward(x[None])[0][0, label], x, verbose=False
        )
        assert_close(found, np.abs(slope).max(axis=0))


def test_saliency_has_a_number_for_each_pixel(model, X):
    saliency = compute_saliency_maps(X, Y, model)

    assert saliency.shape == (5, 6, 4)
    assert (saliency >= 0).all()
    assert {mode for *_, mode in model.runs} == {"test"}


@care
def test_saliency_of_a_batch_is_that_of_its_pictures(model, X):
    before = X.copy()
    together = student.compute_saliency_maps(X, Y, model)
    alone = [
        compute_saliency_maps(X[n : n + 1], Y[n : n + 1], model)[0] for n in range(5)
    ]

    np.testing.assert_allclose(alone, together)
    np.testing.assert_array_equal(X, before)


@care
def test_saliency_takes_pictures_however_they_lie_in_memory(model, X):
    wanted = compute_saliency_maps(X, Y, model)
    for strange in (np.asfortranarray(X), np.repeat(X, 2, axis=3)[..., ::2]):
        np.testing.assert_allclose(compute_saliency_maps(strange, Y, model), wanted)


@care
def test_a_class_that_does_not_depend_on_the_pixels_has_none(model, X):
    model.params["W11"][:, 1] = 0

    assert not compute_saliency_maps(X, np.ones(5, int), model).any()


# Fooling images


@pytest.mark.points(5)
@pytest.mark.parametrize("place", range(6))
def test_the_network_is_fooled(model, rng, place):
    model.mix[0] /= 100  # it sees a hundredth of pixels that are as large as real ones
    pictures = rng.normal(size=(200, 3, 6, 4)) * 60
    target = int(np.bincount(model.forward(pictures)[0].argmax(axis=1)).argmax())
    # From far away a climb need not arrive, nor where what raises the target's score
    # raises another just as fast: the nearest pictures, and a score that rises fastest.
    model.params["W11"][:, target] *= 3
    scores = model.forward(pictures)[0]
    behind = scores.max(axis=1) - scores[:, target]
    X = pictures[np.argsort(np.where(behind > 0, behind, np.inf))[[place]]]
    model.runs.clear()
    fooling = make_fooling_image(X, target, model)

    assert model.forward(fooling)[0].argmax() == target
    assert fooling.shape == X.shape
    assert {mode for *_, mode in model.runs} == {"test"}


def test_the_first_step_goes_where_the_score_of_the_target_rises(model, X):
    X, shown, forward = X[:1], [], model.forward

    def remember(X, *arguments, **named):
        shown.append(X.copy())
        return forward(X, *arguments, **named)

    target = int(forward(X)[0][0].argsort()[-2])
    model.forward = remember
    ended = make_fooling_image(X, target, model)
    first = next(x for x in [*shown, ended] if (x != X).any()) - X
    slope = eval_numerical_gradient(
        lambda x: forward(x)[0][0, target], X.copy(), verbose=False
    )
    assert_close(first / np.linalg.norm(first), slope / np.linalg.norm(slope))


@care
def test_fooling_leaves_the_picture_alone(model, X):
    before = X.copy()
    student.make_fooling_image(X[:1], 1, model)
    np.testing.assert_array_equal(X, before)


@care
def test_what_the_network_says_already_is_left_alone(model, X):
    said = int(model.forward(X[:1])[0].argmax())

    np.testing.assert_array_equal(make_fooling_image(X[:1], said, model), X[:1])


# Bad input


@care
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X: X.transpose(0, 2, 3, 1), ValueError, "colours last"),
        (lambda X: X[0], ValueError, r"an axis in front"),
        (lambda X: X[:0], ValueError, r"at least 1"),
        (lambda X: X[:, :2], ValueError, r"\(N, 3, H, W\) is wanted"),
        (lambda X: X.astype(np.uint8), TypeError, "floating point"),
        (lambda X: X * np.inf, ValueError, "NaN or infinity"),
    ],
)
def test_pictures_that_are_none_are_refused(model, X, change, error, message):
    with pytest.raises(error, match=message):
        compute_saliency_maps(change(X), Y, model)
    if len(change(X[:1])) == 1:
        with pytest.raises(error, match=message):
            make_fooling_image(change(X[:1]), 1, model)


@care
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.array([1, 2]), ValueError, "5 pictures and classes of shape"),
        (np.array([1.0, 2, 3, 0, 0]), TypeError, "integers"),
        (np.array([1, 2, 100, 0, 0]), IndexError, "no class 100; .* 0 to 99"),
        (np.array([1, -1, 2, 0, 0]), IndexError, "no class -1"),
    ],
)
def test_classes_that_are_none_are_refused(model, X, y, error, message):
    with pytest.raises(error, match=message):
        compute_saliency_maps(X, y, model)


@care
def test_a_target_that_is_no_class_and_several_pictures_are_refused(model, X):
    with pytest.raises(IndexError, match="no class 100"):
        make_fooling_image(X[:1], 100, model)
    with pytest.raises(ValueError, match="5 pictures where one is wanted"):
        make_fooling_image(X, 1, model)
