"""Extra exercises of Q3: maps of attribution, and fooling within bounds."""

import numpy as np
import pytest
import torch

from cs231n.extras import adversarial, attribution
from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from cs231n.net_visualization_pytorch import compute_saliency_maps
from tests.pixel_networks import pretrained_network, square_photos, tiny_network

pytestmark = pytest.mark.extra


@pytest.fixture
def tiny():
    return tiny_network()


@pytest.fixture
def pictures(rng):
    return rng.normal(size=(3, 3, 9, 8))


@pytest.fixture
def labels():
    return torch.tensor([4, 0, 2])


@pytest.fixture(scope="module")
def squeezenet():
    return pretrained_network()


@pytest.fixture(scope="module")
def squares():
    return square_photos()


def test_without_noise_smooth_grad_is_the_gradient(tiny, pictures, labels):
    X = torch.tensor(pictures)
    smooth = attribution.smooth_grad(X, labels, tiny, torch.zeros(3, *X.shape))
    saliency = compute_saliency_maps(X.clone(), labels, tiny)
    np.testing.assert_allclose(np.abs(smooth.numpy()).max(axis=1), saliency, rtol=1e-6)
    assert not X.requires_grad


def test_smooth_grad_is_the_mean_over_the_noise(tiny, pictures, labels, rng):
    X = torch.tensor(pictures)
    noise = torch.tensor(rng.normal(size=(4, *X.shape)))
    together = attribution.smooth_grad(X, labels, tiny, noise)
    alone = [attribution.smooth_grad(X, labels, tiny, n[None]) for n in noise]
    torch.testing.assert_close(together, torch.stack(alone).mean(dim=0))


@pytest.mark.parametrize("given", [False, True])
def test_integrated_gradients_are_complete(tiny, pictures, labels, rng, given):
    X = torch.tensor(pictures)
    baseline = torch.tensor(rng.normal(size=X.shape)) if given else None
    gaps = []
    for steps in (10, 100):
        shares = attribution.integrated_gradients(X, labels, tiny, baseline, steps)
        gaps.append(
            attribution.completeness_gap(shares, X, labels, tiny, baseline).max()
        )
    assert gaps[1] < 1e-3
    assert gaps[1] < gaps[0] / 50  # the midpoint rule's error falls with steps squared


def test_where_picture_and_baseline_agree_nothing_is_shared_out(tiny, pictures, labels):
    X = torch.tensor(pictures)
    baseline = X.clone()
    baseline[:, :, 4:, :] += 1
    shares = attribution.integrated_gradients(X, labels, tiny, baseline)
    assert not shares[:, :, :4].any()
    assert shares[:, :, 4:].any()


def test_grad_cam_is_a_map_of_the_pictures_size(squeezenet, squares):
    X, y = squares
    maps = attribution.grad_cam(X[:2], y[:2], squeezenet)
    assert maps.shape == (2, 224, 224)
    assert (maps.numpy() >= 0).all()
    # Coarse: neighbours hardly differ.
    assert maps.diff(dim=2).abs().max() < maps.max() / 8
    assert not any(layer._forward_hooks for layer in squeezenet.features)
    for layer in (0, 3, -2):  # followed by a layer that works in place
        assert attribution.grad_cam(X[:1], y[:1], squeezenet, layer).any()


def test_exchange_begins_and_ends_with_the_pictures(tiny, pictures, rng):
    start, end = torch.tensor(pictures[:1]), torch.tensor(pictures[1:2])
    ranking = torch.tensor(rng.random((9, 8)))
    curve = attribution.exchange_curve(start, end, 3, tiny, ranking, steps=11)

    assert curve.shape == (12,)
    torch.testing.assert_close(curve[0], tiny(start).softmax(dim=1)[0, 3])
    torch.testing.assert_close(curve[-1], tiny(end).softmax(dim=1)[0, 3])
    # Back again, the last ones first, is the same way.
    back = attribution.exchange_curve(end, start, 3, tiny, -ranking, steps=12)
    there = attribution.exchange_curve(start, end, 3, tiny, ranking, steps=12)
    torch.testing.assert_close(back.flip(0), there)


def test_the_highest_ranked_pixels_are_exchanged_first(tiny, pictures):
    start, end = torch.tensor(pictures[:1]), torch.tensor(pictures[1:2])
    ranking = torch.zeros(9, 8)
    ranking[2, 3] = 2.0
    ranking[5, 1] = 1.0
    curve = attribution.exchange_curve(start, end, 0, tiny, ranking, steps=72)
    mixed = start.clone()
    for k, (row, column) in enumerate([(2, 3), (5, 1)], start=1):
        mixed[:, :, row, column] = end[:, :, row, column]
        torch.testing.assert_close(curve[k], tiny(mixed).softmax(dim=1)[0, 0])


def test_area_is_that_of_trapezoids():
    assert attribution.area(torch.tensor([0.0, 1.0, 1.0])) == 0.75
    assert attribution.area(torch.ones(2, 5)).tolist() == [1, 1]


@pytest.mark.parametrize("epsilon", [1, 2, 4])
def test_bounded_fooling_keeps_its_bounds(squeezenet, squares, epsilon):
    X = squares[0][:1].clone()
    X[:, :, :20] = (1 - torch.tensor(SQUEEZENET_MEAN).view(3, 1, 1)) / torch.tensor(
        SQUEEZENET_STD
    ).view(3, 1, 1)  # white: no room above
    before = X.clone()
    fooled = adversarial.make_bounded_fooling_image(X, 6, squeezenet, epsilon)

    change = adversarial.change_in_levels(X, fooled)
    assert squeezenet(fooled).argmax() == 6
    assert change.abs().max() <= epsilon + 1e-3
    assert change[:, :, :20].max() <= 1e-3
    assert torch.equal(X, before)


def test_a_single_step_changes_every_pixel_alike(squeezenet, squares):
    X = squares[0][1:2]
    fooled = adversarial.make_bounded_fooling_image(X, 6, squeezenet, 2, 2, 1)
    change = adversarial.change_in_levels(X, fooled).abs()
    assert (change > 1.99).float().mean() > 0.5
    before, after = (squeezenet(x).log_softmax(dim=1)[0, 6] for x in (X, fooled))
    assert after > before + 1


def test_bounds_that_make_no_sense_are_refused(tiny, pictures):
    X = torch.tensor(pictures[:1])
    with pytest.raises(ValueError, match="levels"):
        adversarial.make_bounded_fooling_image(X, 1, tiny, epsilon=-1)


# Wrong input


def call_smooth_grad(X, y, model):
    return attribution.smooth_grad(X, y, model, X[None])


def call_integrated(X, y, model):
    return attribution.integrated_gradients(X, y, model)


def call_grad_cam(X, y, model):
    return attribution.grad_cam(X, y, model)


CALLS = [call_smooth_grad, call_integrated, call_grad_cam]


@pytest.mark.parametrize("call", CALLS)
def test_wrong_pictures_and_classes_are_refused(call, tiny, pictures, labels):
    X = torch.tensor(pictures)
    broken = X.clone()
    broken[1, 2, 3, 4] = float("nan")
    for bad_X, bad_y, kind, words in [
        (broken, labels, ValueError, "NaN"),
        (X[0], labels, ValueError, r"\(N, 3, H, W\)"),
        (X.byte(), labels, TypeError, "uint8"),
        (X, labels[:2], ValueError, "3 pictures"),
        (X, labels.double(), TypeError, "integers"),
        (X, labels + 1, IndexError, "no class 5; the network knows 0 to 4"),
        (X, labels - 1, IndexError, "no class -1"),
    ]:
        with pytest.raises(kind, match=words):
            call(bad_X, bad_y, tiny)


@pytest.mark.parametrize("target", [-1, 5])
def test_wrong_targets_are_refused(tiny, pictures, target):
    with pytest.raises(IndexError, match=f"no class {target}"):
        adversarial.make_bounded_fooling_image(torch.tensor(pictures[:1]), target, tiny)


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_out_of_range_is_refused(tiny, pictures, labels, layer):
    with pytest.raises(IndexError, match=f"no layer {layer}"):
        attribution.grad_cam(torch.tensor(pictures), labels, tiny, layer)
