"""What notebooks do on a graphics chip without float64, acted out on the CPU."""

import numpy as np
import pytest
import torch
from PIL import Image

from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.embedded.features import FeatureReducer, feature_maps
from cs231n.extras import adversarial, attribution, gan_extras, style_extras
from cs231n.gan_pytorch import (
    build_dc_classifier,
    build_dc_generator,
    discriminator,
    discriminator_loss,
    generator,
    generator_loss,
    get_optimizer,
    ls_discriminator_loss,
    ls_generator_loss,
    sample_noise,
)
from cs231n.lab.class_visualization import create_class_visualization
from cs231n.lab.painting import Features, make_objective, noise_like, paint
from cs231n.net_visualization_pytorch import (
    compute_saliency_maps,
    make_fooling_image,
    preprocess,
)
from cs231n.style_transfer_pytorch import gram_matrix
from cs231n.support.gans.training import Batches, draw, train_gan
from tests import apple_gpu


@pytest.fixture
def chip():
    with apple_gpu.imitated():
        yield "mps"


@pytest.fixture
def model():
    return apple_gpu.moved(load_squeezenet("embedded", "cpu", verbose=False))


@pytest.fixture
def photo(rng, chip):
    picture = Image.fromarray(rng.integers(256, size=(64, 80, 3), dtype=np.uint8))
    return preprocess(picture, size=64).to(chip)


def require_on_chip(*results):
    for result in results:
        assert isinstance(result, apple_gpu.OnMps)
        assert torch.isfinite(result.cpu()).all()


def test_the_imitation_refuses_what_the_chip_does(chip):
    x = torch.rand(3, device=chip)
    wide = torch.rand(3).double()
    for refused in (
        x.double,
        lambda: x.to(torch.float64),
        lambda: wide.to(chip),
        lambda: wide.to(x.device),
        lambda: torch.zeros(3, device=chip, dtype=torch.float64),
    ):
        with pytest.raises(TypeError, match="float64"):
            refused()
    with pytest.raises(TypeError, match="numpy"):
        x.numpy()
    require_on_chip(wide.to(x), wide.to(chip, torch.float32), x * 2.0)
    assert x.cpu().double().numpy().dtype == np.float64


def test_pictures_are_looked_into(model, photo):
    y = torch.tensor([3]).to("mps")
    compute_saliency_maps(photo.clone(), y, model)
    require_on_chip(
        make_fooling_image(photo.clone(), 7, model),
        adversarial.make_bounded_fooling_image(photo, 7, model, num_iterations=3),
        adversarial.change_in_levels(photo, photo),
    )
    create_class_visualization(2, model, torch.FloatTensor, num_iterations=3)


def test_maps_are_made_and_compared(model, photo):
    y = torch.tensor([3]).to("mps")
    noise = torch.randn(2, *photo.shape).to("mps")
    shares = attribution.integrated_gradients(photo, y, model)
    cam = attribution.grad_cam(photo, y, model)
    gap = attribution.completeness_gap(shares, photo, y, model)
    smooth = attribution.smooth_grad(photo, y, model, noise)
    curves = attribution.faithfulness(photo, y, model, {"cam": cam}, 0 * photo, 4)
    area = attribution.area(curves["cam"]["deletion"])
    require_on_chip(shares, cam, gap, smooth, area)


def test_photos_are_painted(model, photo):
    features = Features(model.features, [3, 6])
    content, style = photo, noise_like(photo)
    require_on_chip(*features(content))
    style = style_extras.match_colors(style, content)
    target = features(content)[3]
    grams = [gram_matrix(features(style)[layer]) for layer in (3, 6)]
    objective = make_objective(
        model.features, 3, 1e-2, target, [3, 6], [10.0, 5.0], grams, 1e-2
    )
    painting = paint(content, objective, num_iterations=3)
    lbfgs = style_extras.paint_with_lbfgs(content, objective, num_iterations=3)
    for painted in (painting, lbfgs):
        assert painted.picture.size


@pytest.mark.usefixtures("chip")
def test_photos_become_features(model, rng):
    pictures = rng.integers(256, size=(3, 30, 40, 3), dtype=np.uint8)
    maps, _ = feature_maps(pictures, model, progress=False)
    assert np.isfinite(FeatureReducer(2).fit(maps).transform(maps)).all()


@pytest.mark.parametrize("kind", ["vanilla", "least squares", "convolutional"])
def test_digits_are_learnt(kind, rng, chip, tmp_path):
    batches = Batches(
        rng.random((8, 1, 28, 28), np.float32), np.arange(8), 4, device=chip
    )
    if kind == "convolutional":
        D, G = build_dc_classifier(4), build_dc_generator(8)
    else:
        D, G = discriminator(), generator(8)
    losses = (
        (ls_discriminator_loss, ls_generator_loss)
        if kind == "least squares"
        else (discriminator_loss, generator_loss)
    )
    D, G = apple_gpu.moved(D), apple_gpu.moved(G)
    solvers = get_optimizer(D), get_optimizer(G)

    def train(epochs):
        return train_gan(
            *(D, G, *solvers, *losses, batches),
            draw_noise=sample_noise,
            batch_size=4,
            noise_size=8,
            num_epochs=epochs,
            checkpoint=tmp_path / "run.npz",
            verbose=False,
        )

    train(1)
    assert len(train(2).d_losses) == 4
    drawn = draw(G, sample_noise(3, 8).to(chip))
    assert drawn.dtype == np.float32


def test_bounded_critics_are_learnt(chip):
    W = torch.rand(4, 3, device=chip)
    require_on_chip(*gan_extras.largest_stretch(W, torch.ones(4, device=chip), 5))
    D = apple_gpu.moved(gan_extras.normalize_spectrally(discriminator()))
    x = torch.rand(4, 1, 28, 28, device=chip)
    require_on_chip(
        D(x), gan_extras.critic_loss(D(x), D(-x)), gan_extras.gradient_penalty(D, x, -x)
    )
