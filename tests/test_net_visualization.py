"""Q3: gradients at the pixels, by finite differences and by what must always hold."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cs231n import net_visualization_pytorch as student
from cs231n.gradient_check import eval_numerical_gradient
from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from cs231n.lab.class_visualization import create_class_visualization
from cs231n.net_visualization_pytorch import class_visualization_update_step
from cs231n.support.accuracy import as_array
from cs231n.support.pixels import blur_image, deprocess, jitter, preprocess, rescale
from tests.on_copies import assert_close, on_copies
from tests.pixel_networks import (
    pretrained_network,
    square_photos,
    tiny_network,
    with_an_end,
)

pytestmark = pytest.mark.q3
care = pytest.mark.care

compute_saliency_maps = on_copies(student.compute_saliency_maps)
fool = with_an_end(student.make_fooling_image)
make_fooling_image = on_copies(fool)


@pytest.fixture
def tiny():
    return tiny_network()


# As many as the notebook has: a batch may be fixed at that number.
@pytest.fixture
def pictures(rng):
    return rng.normal(size=(5, 3, 9, 8))


@pytest.fixture
def labels():
    return torch.tensor([4, 0, 2, 3, 0])


@pytest.fixture(scope="module")
def squeezenet():
    return pretrained_network()


@pytest.fixture(scope="module")
def squares():
    return square_photos()


def score(model, pixels, label):
    return model(torch.tensor(pixels))[0, label].item()


# Saliency maps


@pytest.mark.points(4)
def test_saliency_agrees_with_finite_differences(tiny, pictures, labels):
    saliency = compute_saliency_maps(torch.tensor(pictures), labels, tiny)

    for picture, label, found in zip(pictures, labels, saliency, strict=True):
        slope = eval_numerical_gradient(
            lambda x, label=label: score(tiny, x[None], label), picture, verbose=False
        )
        assert_close(as_array(found), np.abs(slope).max(axis=0))


def test_saliency_is_a_plain_tensor_of_the_right_shape(tiny, pictures, labels):
    saliency = compute_saliency_maps(torch.tensor(pictures), labels, tiny)

    assert saliency.shape == (5, 9, 8)
    assert (saliency.numpy() >= 0).all()


@care
@pytest.mark.parametrize("N", [2, 3])
def test_saliency_takes_any_number_of_pictures(N, tiny, pictures, labels):
    X = torch.tensor(pictures)
    together = compute_saliency_maps(X, labels, tiny)
    fewer = compute_saliency_maps(X[:N], labels[:N], tiny)
    torch.testing.assert_close(fewer, together[:N])


@care
def test_saliency_of_a_batch_is_that_of_its_pictures(tiny, pictures, labels):
    X = torch.tensor(pictures)
    together = student.compute_saliency_maps(X, labels, tiny)
    again = student.compute_saliency_maps(X, labels, tiny)  # nothing has piled up
    alone = [
        compute_saliency_maps(X[n : n + 1].detach(), labels[n : n + 1], tiny)
        for n in range(5)
    ]

    torch.testing.assert_close(torch.cat(alone), together)
    torch.testing.assert_close(again, together, rtol=0, atol=0)


@care
def test_saliency_leaves_the_network_alone(squeezenet, squares):
    X, y = squares
    squeezenet.train()
    one = compute_saliency_maps(X[:1].clone(), y[:1], squeezenet)
    two = compute_saliency_maps(X[:1].clone(), y[:1], squeezenet)

    assert not squeezenet.training  # or dropout would make it a matter of chance
    torch.testing.assert_close(one, two)
    assert all(w.grad is None for w in squeezenet.parameters())


@care
def test_saliency_works_on_a_network_that_is_not_frozen(tiny, pictures, labels):
    frozen = compute_saliency_maps(torch.tensor(pictures), labels, tiny)
    thawed = compute_saliency_maps(
        torch.tensor(pictures), labels, tiny.requires_grad_(True)
    )
    torch.testing.assert_close(thawed, frozen)


# Fooling images


@pytest.mark.points(4)
@pytest.mark.parametrize(("photo", "target"), [(0, 6), (1, 500), (6, 400)])
def test_photos_are_fooled(squeezenet, squares, photo, target):
    X = squares[0][photo : photo + 1]
    fooled = make_fooling_image(X, target, squeezenet).detach()

    assert fooled.shape == X.shape
    scores = squeezenet(fooled)[0]
    # A loop that steps before it looks may go one step too far.
    assert (scores > scores[target]).sum() < 2
    # Small, and not zero: steps of length 1, less than a hundred of them.
    assert 0.5 < (fooled - X).norm() < 100
    # They end where the target wins.
    assert squeezenet((X + fooled) / 2).argmax() != target


@care
def test_fooling_leaves_the_picture_alone(tiny, pictures):
    X = torch.tensor(pictures[:1])
    before = X.clone()
    fool(X, 3, tiny)
    assert torch.equal(X, before)
    assert not X.requires_grad


@care
def test_what_needs_no_fooling_stays(squeezenet, squares):
    X = squares[0][1:2]
    label = int(squeezenet(X).argmax())
    torch.testing.assert_close(make_fooling_image(X, label, squeezenet), X)


def test_a_step_of_fooling_has_length_one(tiny, pictures):
    X = torch.tensor(pictures[:1])
    scores = tiny(X)[0]
    runner_up = int(scores.argsort(descending=True)[1])
    fooled = make_fooling_image(X, runner_up, tiny).detach()
    assert tiny(fooled).argmax() == runner_up
    steps = (fooled - X).norm().item()
    # The direction hardly turns in so few steps.
    assert abs(steps - round(steps)) < 0.2
    assert steps > 0.5


def test_steps_of_fooling_do_not_pile_up_gradients(tiny, pictures):
    X = torch.tensor(pictures[:1])
    target = int(tiny(X)[0].argmin())
    seen = []
    hook = tiny.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].detach().clone())
    )
    ended = make_fooling_image(X, target, tiny).detach()
    hook.remove()
    second = next((x for x in seen if not torch.equal(x, X)), X)
    again = make_fooling_image(second, target, tiny).detach()
    torch.testing.assert_close(again, ended, rtol=1e-4, atol=1e-5)


def test_fooling_climbs_the_score_itself(pictures):
    # The gradient of a linear network is the same at all pictures.
    X = torch.tensor(pictures[:1])
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 9 * 8, 6)).double()
    linear.requires_grad_(False)
    weights = torch.tensor(np.random.RandomState(5).randn(6, 3 * 9 * 8))
    linear[1].weight.copy_(weights)
    target = int(linear(X).argmin())
    change = (make_fooling_image(X, target, linear).detach() - X).ravel()

    length = change.norm().item()
    assert length == pytest.approx(max(1, round(length)), rel=1e-4)
    uphill = weights[target] / weights[target].norm()
    torch.testing.assert_close(change / length, uphill, rtol=1e-4, atol=1e-5)


# Class visualization


@pytest.mark.points(4)
@pytest.mark.parametrize("l2_reg", [0.0, 0.3])
def test_a_step_of_class_visualization_goes_uphill(tiny, pictures, l2_reg):
    before = pictures[:1].copy()
    img = torch.tensor(before).requires_grad_()
    class_visualization_update_step(img, tiny, 3, l2_reg, learning_rate=1e-2)

    slope = eval_numerical_gradient(
        lambda x: score(tiny, x, 3) - l2_reg * np.sum(x**2), before, verbose=False
    )
    step = img.detach().numpy() - before
    length, steepness = np.linalg.norm(step), np.linalg.norm(slope)
    np.testing.assert_allclose(step / length, slope / steepness, atol=1e-5)
    # The gradient may be divided by its norm.
    assert length / 1e-2 == pytest.approx(
        min(steepness, 1, key=lambda right: abs(right - length / 1e-2)), rel=1e-4
    )


def test_a_step_of_class_visualization_scales_with_the_learning_rate(tiny, pictures):
    steps = []
    for learning_rate in (0.5, 1.5):
        img = torch.tensor(pictures[:1]).requires_grad_()
        class_visualization_update_step(img, tiny, 3, 0.1, learning_rate)
        assert img.requires_grad
        assert img.is_leaf
        steps.append(img.detach() - torch.tensor(pictures[:1]))
    torch.testing.assert_close(3 * steps[0], steps[1], rtol=1e-5, atol=1e-7)


def test_steps_do_not_pile_up_gradients(tiny, pictures):
    img = torch.tensor(pictures[:1]).requires_grad_()
    class_visualization_update_step(img, tiny, 1, 0.1, 0.5)
    fresh = img.detach().clone().requires_grad_()
    class_visualization_update_step(img, tiny, 1, 0.1, 0.5)
    class_visualization_update_step(fresh, tiny, 1, 0.1, 0.5)
    torch.testing.assert_close(img, fresh)


def test_class_visualization_shows_its_progress_and_repeats_itself(tiny):
    def run(**settings):
        random.seed(3)
        torch.manual_seed(3)
        return create_class_visualization(
            2, tiny, torch.float64, num_iterations=12, show_every=5, **settings
        )

    seen = {}
    picture = run(show=seen.__setitem__)
    assert list(seen) == [0, 5, 10, 11]
    assert picture.size == (224, 224)
    np.testing.assert_array_equal(seen[11], picture)
    np.testing.assert_array_equal(run(), picture)
    assert (np.asarray(seen[0]) != np.asarray(picture)).any()


@care
def test_tensor_types_of_old_are_understood(tiny):
    create_class_visualization(2, tiny.float(), torch.FloatTensor, num_iterations=1)
    create_class_visualization(2, tiny.double(), torch.DoubleTensor, num_iterations=1)


def test_class_visualization_makes_the_class_likelier(tiny):
    noise = torch.randn(1, 3, 24, 20, dtype=torch.float64)
    before = noise.clone()
    picture = create_class_visualization(
        2,
        *(tiny, torch.float64),
        start=noise,
        l2_reg=0,
        learning_rate=2,
        num_iterations=20,
        max_jitter=0,
    )
    after = preprocess(picture, size=20).double()
    assert tiny(after)[0, 2] > tiny(noise)[0, 2]
    assert torch.equal(noise, before)


# Given helpers


def test_preprocess_normalizes_each_colour():
    red = preprocess(Image.new("RGB", (300, 250), (255, 0, 102)), size=50)

    assert red.shape == (1, 3, 50, 60)
    assert red.dtype == torch.float32
    expected = (np.array([1, 0, 0.4]) - SQUEEZENET_MEAN) / SQUEEZENET_STD
    np.testing.assert_allclose(red[0, :, 7, 9], expected, rtol=1e-5)


def test_deprocess_undoes_preprocess(rng):
    pixels = rng.integers(0, 256, (224, 230, 3), dtype=np.uint8)
    there = preprocess(Image.fromarray(pixels))
    before = there.clone()

    np.testing.assert_array_equal(deprocess(there, should_rescale=False), pixels)
    assert torch.equal(there, before)
    stretched = np.asarray(deprocess(there - 0.5))
    assert (stretched.min(), stretched.max()) == (0, 255)


def test_deprocess_cuts_off_and_does_not_wrap_around():
    white = torch.full((1, 3, 4, 5), 99.0)
    assert np.asarray(deprocess(white, should_rescale=False)).min() == 255
    assert np.asarray(deprocess(-white, should_rescale=False)).max() == 0
    assert np.asarray(deprocess(white)).shape == (4, 5, 3)  # nothing to stretch


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("L", 77, (77, 77, 77)),
        ("I;16", 77 * 256, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_preprocess_takes_pictures_of_every_mode(mode, value, expected):
    there = preprocess(Image.new(mode, (8, 9), value), size=8)
    back = np.asarray(deprocess(there, should_rescale=False))
    np.testing.assert_array_equal(back[4, 4], expected)


def test_a_picture_one_pixel_wide_is_scaled():
    assert preprocess(Image.new("RGB", (1, 3)), size=20).shape == (1, 3, 60, 20)


@pytest.mark.parametrize("size", [(1, 2000), (0, 5)])
def test_pictures_that_scaling_makes_larger_than_fifty_megapixels_are_refused(size):
    with pytest.raises(ValueError, match="50 megapixels"):
        preprocess(Image.new("L", size))


def test_what_is_no_picture_is_refused(pictures):
    with pytest.raises(TypeError, match="ndarray"):
        preprocess(pictures[0])
    with pytest.raises(ValueError, match="shape"):
        deprocess(torch.tensor(pictures))


def test_rescale_runs_from_0_to_1(rng):
    x = rng.normal(size=(4, 5))
    scaled = rescale(torch.tensor(x))
    assert (scaled.min(), scaled.max()) == (0, 1)
    np.testing.assert_allclose(scaled, rescale(x))
    assert rescale(torch.ones(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("sigma", [0.5, 1, 3])
def test_blur_spreads_a_dot_in_place(sigma):
    X = torch.zeros(2, 3, 41, 41)
    X[1, 2, 20, 20] = 1
    result = blur_image(X, sigma=sigma)

    assert result is X
    assert X[1, 2].sum() == pytest.approx(1, abs=1e-4)
    assert X[1, 2, 20, 20] == X.max() < 1
    torch.testing.assert_close(X[1, 2], X[1, 2].T)
    assert not X[0].any()
    assert not X[1, :2].any()
    # The variance along an axis is sigma squared.
    offsets = torch.arange(41) - 20.0
    assert (X[1, 2].sum(0) * offsets**2).sum() == pytest.approx(sigma**2, rel=0.15)


def test_blur_keeps_an_even_picture_and_works_on_leaves():
    X = torch.full((1, 3, 8, 9), 0.7, requires_grad=True)
    torch.testing.assert_close(blur_image(X).detach(), torch.full((1, 3, 8, 9), 0.7))


def test_jitter_shifts_right_and_down_and_back():
    X = torch.zeros(1, 1, 4, 5)
    X[0, 0, 1, 4] = 1
    assert jitter(X, 1, 2)[0, 0, 3, 0] == 1
    assert jitter(X, 0, -2)[0, 0, 3, 4] == 1
    for ox, oy in [(0, 0), (0, 3), (7, 0), (-4, 9)]:
        assert torch.equal(jitter(jitter(X, ox, oy), -ox, -oy), X)
    assert jitter(X, 0, 0).data_ptr() != X.data_ptr()


# Wrong input


@care
def test_wrong_pictures_and_classes_are_refused(tiny, pictures, labels):
    X = torch.tensor(pictures)
    broken = X.clone()
    broken[1, 2, 3, 4] = float("nan")
    for bad_X, bad_y, kind, words in [
        (broken, labels, ValueError, "NaN"),
        (X[0], labels, ValueError, r"\(N, 3, H, W\)"),
        (X.byte(), labels, TypeError, "uint8"),
        (X, labels[:2], ValueError, "5 pictures"),
        (X, labels.double(), TypeError, "integers"),
        (X, labels + 1, IndexError, "no class 5; the network knows 0 to 4"),
        (X, labels - 1, IndexError, "no class -1"),
    ]:
        with pytest.raises(kind, match=words):
            compute_saliency_maps(bad_X, bad_y, tiny)


@care
@pytest.mark.parametrize("target", [-1, 5])
def test_wrong_targets_are_refused(tiny, pictures, target):
    X = torch.tensor(pictures[:1])
    for call in (
        lambda: make_fooling_image(X, target, tiny),
        lambda: create_class_visualization(target, tiny),
        lambda: class_visualization_update_step(X, tiny, target, 0, 1),
    ):
        with pytest.raises(IndexError, match=f"no class {target}"):
            call()


@care
def test_a_target_may_be_any_integer(tiny, pictures):
    X = torch.tensor(pictures[:1])
    for target in (np.int64(2), torch.tensor(2)):
        torch.testing.assert_close(
            make_fooling_image(X, target, tiny), make_fooling_image(X, 2, tiny)
        )
