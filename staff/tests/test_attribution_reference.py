"""Maps of SqueezeNet's scores, beside those of Captum."""

import warnings

import pytest
import torch
from PIL import Image

from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.embedded import photos
from cs231n.extras import attribution
from cs231n.net_visualization_pytorch import compute_saliency_maps, preprocess

pytestmark = pytest.mark.q3


@pytest.fixture(scope="module")
def captum():
    with warnings.catch_warnings():  # about its own plots
        warnings.simplefilter("ignore")
        return pytest.importorskip("captum.attr", reason="captum is not installed")


@pytest.fixture(scope="module")
def model():
    # In float32, a rounding error at the kink of a ReLU can change a gradient by more
    # than what is allowed here.
    return load_squeezenet("embedded", "cpu", verbose=False).double()


@pytest.fixture(scope="module")
def inputs():
    X, y = photos.load_squares(2)
    pixels = torch.cat([preprocess(Image.fromarray(x)) for x in X])
    return pixels.double(), torch.as_tensor(y)


def require_equal(ours, theirs):
    """Equal within a hundred-thousandth of the largest value."""
    scale = theirs.abs().max()
    assert scale > 0
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1e-5 * scale


def test_saliency_is_captums(captum, model, inputs):
    X, y = inputs
    theirs = captum.Saliency(model).attribute(X.clone().requires_grad_(), target=y)
    require_equal(compute_saliency_maps(X.clone(), y, model), theirs.amax(dim=1))


def test_smooth_grad_is_captums(captum, model, inputs, monkeypatch):
    X, y = inputs
    drawn = []
    normal = torch.normal

    def keep(*args, **kwargs):
        drawn.append(normal(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(torch, "normal", keep)
    torch.manual_seed(231)
    tunnel = captum.NoiseTunnel(captum.Saliency(model))
    theirs = tunnel.attribute(
        X.clone().requires_grad_(),
        nt_type="smoothgrad",
        nt_samples=4,
        stdevs=0.4,
        target=y,
        abs=False,
    )
    (noise,) = drawn  # every picture's samples in a row
    noise = noise.view(2, 4, *X.shape[1:]).transpose(0, 1)
    require_equal(attribution.smooth_grad(X, y, model, noise), theirs.detach())


@pytest.mark.parametrize("given", [pytest.param(False, marks=pytest.mark.slow), True])
def test_integrated_gradients_are_captums(captum, model, inputs, given):
    X, y = inputs
    baseline = X.flip(3).clone() if given else None
    theirs = captum.IntegratedGradients(model).attribute(
        X, baselines=baseline, target=y, n_steps=9, method="riemann_middle"
    )
    ours = attribution.integrated_gradients(X, y, model, baseline, steps=9)
    require_equal(ours, theirs.detach())


@pytest.mark.parametrize("layer", [3, 7, 12, -1])
def test_grad_cam_is_captums(captum, model, inputs, layer):
    X, y = inputs
    explained = captum.LayerGradCam(model, model.features[layer])
    theirs = explained.attribute(
        X.clone().requires_grad_(), target=y, relu_attributions=True
    )
    theirs = captum.LayerAttribution.interpolate(
        theirs.detach(), tuple(X.shape[2:]), "bilinear"
    )
    require_equal(attribution.grad_cam(X, y, model, layer), theirs[:, 0])


def test_a_difference_would_be_noticed(model, inputs):
    X, y = inputs
    good = compute_saliency_maps(X.clone(), y, model)
    with pytest.raises(AssertionError):
        require_equal(good * (1 + 1e-4), good)
    with pytest.raises(AssertionError):
        require_equal(good.transpose(1, 2), good)
