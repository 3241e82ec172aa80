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


def test_smooth_grad_is_the_slope_of_the_mean_score(tiny, pictures, labels, rng):
    X = torch.tensor(pictures)
    noise, way = (torch.tensor(rng.normal(size=(n, *X.shape))) for n in (4, 1))
    smooth = attribution.smooth_grad(X, labels, tiny, noise)

    def mean_scores(X):
        return torch.stack([tiny(X + n)[range(3), labels] for n in noise]).mean(dim=0)

    slope = (mean_scores(X + 1e-5 * way[0]) - mean_scores(X - 1e-5 * way[0])) / 2e-5
    found = (smooth * way[0]).flatten(1).sum(dim=1)
    torch.testing.assert_close(found, slope, rtol=1e-6, atol=1e-9)
    # What the noise adds is not lost in the error allowed.
    exact = attribution.smooth_grad(X, labels, tiny, 0 * noise[:1])
    assert (smooth - exact).norm() > 0.1 * exact.norm()


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


def test_each_number_gets_what_it_brings_where_all_are_added_up(pictures, labels, rng):
    W = torch.tensor(rng.normal(size=(3 * 9 * 8, 5)))

    class Sum(torch.nn.Module):
        def forward(self, x):
            return torch.tanh(x).flatten(1) @ W

    X, baseline = torch.tensor(pictures), torch.tensor(rng.normal(size=(3, 9, 8)))
    shares = attribution.integrated_gradients(X, labels, Sum(), baseline, 500)
    gains = (X.tanh() - baseline.tanh()).flatten(1) * W.T[labels]
    torch.testing.assert_close(shares.flatten(1), gains, rtol=1e-4, atol=1e-4)


# Nine rows of two columns: three of each picture's map, of the first and last layer.
CAM = {
    0: [
        *([0.0, 0.0], [0.0, 0.000145], [0.0, 0.007392]),
        *([0.06943, 0.013078], [0.0, 0.0], [0.142984, 0.0]),
        *([0.029419, 0.0], [0.047764, 0.0], [0.0, 0.065365]),
    ],
    -1: [
        *([0.0, 0.024918], [0.063259, 0.021917], [0.001824, 0.0]),
        *([0.0, 0.0], [0.0, 0.0], [0.0, 0.105524]),
        *([0.0, 0.004876], [0.084932, 0.0], [0.090938, 0.092797]),
    ],
}


@pytest.mark.parametrize("layer", CAM)
def test_grad_cam_of_fixed_weights(layer, tiny, labels):
    draw = np.random.RandomState(0)
    for weights in tiny.parameters():
        weights.copy_(torch.tensor(draw.normal(size=weights.shape)) / 2)
    X = torch.tensor(draw.normal(size=(3, 3, 9, 8)))
    maps = attribution.grad_cam(X, labels, tiny, layer)
    found = maps[:, ::4, ::7].flatten(0, 1)
    np.testing.assert_allclose(found.detach(), CAM[layer], rtol=1e-4, atol=2e-6)


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


class TwoClasses(torch.nn.Module):
    """The other class rises faster with each of the pixels than the target does."""

    def forward(self, x):
        total = x.mean(dim=(1, 2, 3))
        return torch.stack([total, 3 * total + 0.04], dim=1)


def test_fooling_raises_the_probability_step_by_step_and_no_further():
    X = torch.zeros(1, 3, 4, 5)
    model = TwoClasses().requires_grad_(False)
    fooled = adversarial.make_bounded_fooling_image(X, 0, model, 8, 0.5)
    levels = adversarial.change_in_levels(X, fooled)
    assert model(fooled).argmax() == 0
    assert model(fooled + (X - fooled) * (0.5 / levels.abs().max())).argmax() == 1
    torch.testing.assert_close(levels, levels.mean().expand_as(levels))
    assert adversarial.make_bounded_fooling_image(fooled, 0, model).equal(fooled)
    # Not as far as it could go, where there are few iterations.
    early = adversarial.make_bounded_fooling_image(X, 0, model, 8, 0.25, 3)
    levels = adversarial.change_in_levels(X, early)
    torch.testing.assert_close(levels, torch.full_like(levels, -0.75))


def test_each_step_of_bounded_fooling_looks_at_its_own_gradient(tiny, pictures):
    X = torch.tensor(pictures[:1]) / 4
    target = int(tiny(X).argmin())
    once, twice = (
        adversarial.make_bounded_fooling_image(X, target, tiny, 60, 20, n)
        for n in (1, 2)
    )
    again = adversarial.make_bounded_fooling_image(once, target, tiny, 60, 20, 1)
    assert tiny(once).argmax() != target
    torch.testing.assert_close(again, twice)
    change = adversarial.change_in_levels(X, twice).abs()
    assert (change < 1).any()  # some turn round


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
