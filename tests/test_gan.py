"""Q5: losses by hand and at extremes, networks by their counts, steps by what moves."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from cs231n import gan_pytorch
from cs231n.gan_pytorch import (
    NOISE_DIM,
    ChunkSampler,
    Flatten,
    Unflatten,
    bce_loss,
    build_dc_classifier,
    build_dc_generator,
    count_params,
    deprocess_img,
    discriminator,
    dtype,
    generator,
    get_optimizer,
    initialize_weights,
    preprocess_img,
    rel_error,
    sample_noise,
)
from cs231n.lab.fixed_weights import fixed_output
from cs231n.support.accuracy import LIMITS, as_number
from cs231n.support.gans.editions import for_batches_of
from cs231n.support.gans.step import is_adam
from tests.on_copies import on_copies

q5, care = pytest.mark.q5, pytest.mark.care

# What the course stored in gan-checks-tf.npz.
REAL = np.array(
    [
        *(0.9348731096217853, -1.0169891625223137, -0.5730476939393363),
        *(-0.8816270356958762, -1.4012938925983567, -1.4539569266944938),
        *(-1.542397547964014, -0.5727332515501994, 0.9858442941304029),
        0.13312152437312422,
    ]
)[:, None]
FAKE = np.array(
    [
        *(-1.8086586792257076, 0.09030055369905954, -0.44289020393777767),
        *(-0.0787936751879477, -0.3765504411101933, 0.3208474241671663),
        *(-0.28590836517263224, 1.013762805378476, 0.9924143914567469),
        0.3939434608511722,
    ]
)[:, None]
STORED = {
    "discriminator_loss": 1.8423983904443109,
    "generator_loss": 0.771286196423346,
    "ls_discriminator_loss": 1.8770293614440594,
    "ls_generator_loss": 0.816954786997558,
}
LOSSES = list(STORED)
# A network may be built for the notebook's number of pictures alone.
NOTEBOOK = 128
SIZES = [NOTEBOOK, *(pytest.param(N, marks=care) for N in (1, 2, 7))]


def loss_of(name, real, fake):
    function = on_copies(getattr(gan_pytorch, name))
    return function(fake) if "generator" in name else function(real, fake)


# Losses.


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_stored_losses(name, kind):
    loss = loss_of(name, torch.tensor(REAL, dtype=kind), torch.tensor(FAKE, dtype=kind))
    assert rel_error(as_number(loss), STORED[name]) < LIMITS["GAN losses"]


@q5
@care
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_stay_in_the_dtype_of_the_scores(name, kind):
    loss = loss_of(name, torch.tensor(REAL, dtype=kind), torch.tensor(FAKE, dtype=kind))
    assert (loss.shape, loss.dtype) == ((), kind)


@q5
@care
@pytest.mark.parametrize("name", ["ls_discriminator_loss", "ls_generator_loss"])
def test_least_squares_losses_take_numpy_arrays(name):
    assert rel_error(float(loss_of(name, REAL, FAKE)), STORED[name]) < 1e-14


@q5
@pytest.mark.parametrize("N", [7, 2, pytest.param(1, marks=care)])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_the_right_gradient(name, N, rng):
    scores = [torch.from_numpy(rng.normal(size=(N, 1))) for _ in range(2)]
    leaves = [x.clone().requires_grad_() for x in scores]
    loss_of(name, *leaves).sum().backward()
    for which, leaf in enumerate(leaves):
        if "generator" in name and not which:
            continue
        for n in range(N):
            # A step that leaves enough digits also where a loss is float32.
            change = torch.zeros(N, 1, dtype=torch.float64)
            change[n] = 1e-2
            ends = []
            for sign in (1, -1):
                moved = [x + sign * change * (k == which) for k, x in enumerate(scores)]
                ends.append(as_number(loss_of(name, *moved)))
            slope = (ends[0] - ends[1]) / 2e-2
            assert leaf.grad[n].item() == pytest.approx(slope, rel=1e-3, abs=1e-4)


# Far out, the loss is a straight line: (real scores, fake scores, loss, slopes).
EXTREMES = {
    "discriminator_loss": [
        (100.0, -100.0, 0.0, 0.0, 0.0),
        (-100.0, 100.0, 200.0, -1.0, 1.0),
        (0.0, 0.0, 2 * np.log(2), -0.5, 0.5),
    ],
    "generator_loss": [
        (0.0, 100.0, 0.0, 0.0, 0.0),
        (0.0, -100.0, 100.0, 0.0, -1.0),
        (0.0, 0.0, np.log(2), 0.0, -0.5),
    ],
    "ls_discriminator_loss": [
        (100.0, -100.0, (99.0**2 + 100.0**2) / 2, 99.0, -100.0),
        (-100.0, 100.0, (101.0**2 + 100.0**2) / 2, -101.0, 100.0),
    ],
    "ls_generator_loss": [
        (0.0, 100.0, 99.0**2 / 2, 0.0, 99.0),
        (0.0, -100.0, 101.0**2 / 2, 0.0, -101.0),
    ],
}


@q5
@care
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_right_at_scores_of_a_hundred(name):
    for real, fake, expected, real_slope, fake_slope in EXTREMES[name]:
        x, y = torch.full((4, 1), real), torch.full((4, 1), fake)
        x.requires_grad_()
        y.requires_grad_()
        loss = loss_of(name, x, y)
        loss.sum().backward()
        assert as_number(loss) == pytest.approx(expected, abs=1e-6)
        if x.grad is not None:
            assert float(x.grad.sum()) == pytest.approx(real_slope, abs=1e-6)
        assert float(y.grad.sum()) == pytest.approx(fake_slope, abs=1e-6)


@q5
@care
@pytest.mark.parametrize("name", LOSSES)
def test_losses_leave_their_inputs_alone_and_do_not_care_for_order(name, rng):
    real, fake = (torch.from_numpy(rng.normal(size=(5, 1))) for _ in range(2))
    before = real.clone(), fake.clone()
    loss = loss_of(name, real, fake)
    getattr(gan_pytorch, name)(*((fake,) if "generator" in name else (real, fake)))
    assert torch.equal(real, before[0])
    assert torch.equal(fake, before[1])
    torch.testing.assert_close(loss_of(name, real.flip(0), fake.roll(2, 0)), loss)
    spread = torch.stack([real, real], 1)[:, 0], torch.stack([fake, fake], 1)[:, 0]
    torch.testing.assert_close(loss_of(name, *spread), loss)


@q5
@care
def test_losses_are_means_of_two_batches_of_any_sizes(rng):
    real, fake = (torch.from_numpy(rng.normal(size=(n, 1))) for n in (3, 8))
    for name in ("discriminator_loss", "ls_discriminator_loss"):
        twice = loss_of(name, torch.cat([real, real]), torch.cat([fake] * 3))
        torch.testing.assert_close(loss_of(name, real, fake), twice)


def test_the_slope_of_bce_is_right_at_zero():
    x = torch.zeros(2, requires_grad=True)
    bce_loss(x, torch.tensor([0.0, 1.0])).backward()
    assert x.grad.tolist() == [0.25, -0.25]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("yes", [0, 1])
def test_bce_takes_targets_of_every_shape(yes, kind, rng):
    x = torch.from_numpy(rng.normal(size=(5, 1))).to(kind)
    sign = 2 * yes - 1
    expected = nn.functional.softplus(-sign * x).mean()
    for target in (
        yes,
        float(yes),
        np.float64(yes),
        torch.tensor(yes),
        torch.full((1,), float(yes)),
        torch.full((5,), yes),
        torch.full((5, 1), float(yes)),
        torch.full((1, 5), yes, dtype=torch.float64),
        np.full(5, yes),
        [yes] * 5,
    ):
        loss = bce_loss(x, target)
        assert (loss.shape, loss.dtype) == ((), kind)
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(bce_loss(x[:, 0], target), expected)
    # Each target belongs to its own score.
    mixed = torch.tensor([0.0, 1, 1, 0, 1])
    each = [bce_loss(a, b) for a, b in zip(x, mixed, strict=True)]
    torch.testing.assert_close(bce_loss(x, mixed), torch.stack(each).mean())


@pytest.mark.parametrize(
    ("scores", "target", "error", "message"),
    [
        (torch.ones(4, 1), torch.ones(5), ValueError, r"\(5,\) .*\(4, 1\)"),
        (torch.ones(4, 1), torch.ones(4, 4), ValueError, r"\(4, 4\) .*\(4, 1\)"),
        (torch.ones(4, 1).int(), 1, TypeError, "int32"),
        (np.ones((4, 1)), 1, TypeError, "ndarray"),
        (torch.ones(4, 1), None, TypeError, "NoneType for targets"),
    ],
)
def test_bce_says_what_it_cannot_take(scores, target, error, message):
    with pytest.raises(error, match=message):
        bce_loss(scores, target)


# Noise and networks.


@q5
@pytest.mark.points(1)
def test_noise_is_between_minus_one_and_one():
    noise = sample_noise(3, 4)
    assert isinstance(noise, torch.Tensor)
    assert noise.shape == (3, 4)
    many = sample_noise(30, 40)  # so many that chance has no part in it
    assert float(many.min()) < 0 < float(many.max())
    assert float(many.abs().max()) <= 1
    assert not torch.equal(sample_noise(3, 4), sample_noise(3, 4))


@q5
def test_noise_is_uniform():
    noise = sample_noise(400, 50).numpy().ravel()
    counts, _ = np.histogram(noise, bins=10, range=(-1, 1))
    assert counts.sum() == 20_000
    # Six standard deviations of a bin's count.
    assert np.abs(counts - 2000).max() < 6 * np.sqrt(20_000 * 0.1 * 0.9)


@q5
@care
def test_noise_may_be_a_single_number_and_is_float32_and_a_seed_fixes_it():
    noise = sample_noise(1, 1, seed=231)
    assert (noise.shape, noise.dtype) == ((1, 1), torch.float32)
    assert torch.equal(noise, sample_noise(1, 1, seed=231))


NETWORKS = {
    "discriminator": (discriminator, 267009),
    "generator": (lambda: generator(4), 1858320),
    "generator, 96": (generator, 1952528),
    "build_dc_classifier": (
        lambda: for_batches_of(build_dc_classifier, NOTEBOOK),
        1102721,
    ),
    "build_dc_generator": (lambda: build_dc_generator(4), 6580801),
    "build_dc_generator, 96": (build_dc_generator, 6675009),
}


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_as_many_parameters_as_they_should(name):
    build, count = NETWORKS[name]
    assert count_params(build()) == count


# What they make of fixed inputs once their weights are fixed.
OUTPUTS = {
    "discriminator": [[-0.025173], [0.337198], [-0.692456]],
    "generator": [
        [-0.640826, -0.947105, 0.11248],
        [-0.1888, -0.963932, -0.895484],
        [-0.763019, -0.959539, -0.07932],
    ],
    "build_dc_classifier": [[0.073202], [-0.525319], [-0.8871]],
    "build_dc_generator": [
        [0.984694, -0.996853, 0.999049],
        [0.998557, 0.999998, -0.772065],
        [0.994853, 0.884231, 0.999944],
    ],
}


@q5
@pytest.mark.parametrize("name", OUTPUTS)
def test_networks_have_the_layers_they_should_in_their_order(name):
    judges = name in ("discriminator", "build_dc_classifier")
    out = fixed_output(NETWORKS[name][0](), *((128, 1, 28, 28) if judges else (128, 4)))
    assert out.shape == (128, 1 if judges else 784)
    error = rel_error(out[:3, ::300].numpy(), np.array(OUTPUTS[name]))
    assert error < LIMITS["GAN networks"]


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("build", [discriminator, build_dc_classifier])
def test_a_discriminator_gives_each_picture_a_score_of_its_own(build, N, rng):
    torch.manual_seed(231)
    D = for_batches_of(build, N) if build is build_dc_classifier else build()
    x = torch.from_numpy(rng.uniform(-1, 1, size=(N, 1, 28, 28))).float()
    scores = D(x)
    assert scores.shape == (N, 1)
    order = torch.from_numpy(rng.permutation(N))
    torch.testing.assert_close(D(x[order]), scores[order], rtol=1e-4, atol=1e-5)


@q5
@care
@pytest.mark.parametrize("build", [discriminator, build_dc_classifier])
def test_a_discriminator_takes_pictures_however_they_lie_in_memory(build, rng):
    D = build()
    x = torch.from_numpy(rng.uniform(-1, 1, size=(5, 1, 28, 28))).float()
    turned = x.transpose(2, 3).contiguous().transpose(2, 3)  # not contiguous
    torch.testing.assert_close(D(turned), D(x))
    torch.testing.assert_close(D(x[-1:]), D(x)[-1:], rtol=1e-4, atol=1e-5)


@q5
@care
@pytest.mark.parametrize("batch_size", [None, -1, 3])
def test_a_convolutional_discriminator_takes_flat_pictures_too(batch_size, rng):
    D = build_dc_classifier(batch_size)
    x = torch.from_numpy(rng.uniform(-1, 1, size=(3, 1, 28, 28))).float()
    torch.testing.assert_close(D(x.reshape(3, 784)), D(x))


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("N", [NOTEBOOK, *SIZES[2:]])
@pytest.mark.parametrize("build", [generator, build_dc_generator])
def test_a_generator_draws_a_picture_for_each_row(build, N, rng):
    torch.manual_seed(231)
    noise = torch.from_numpy(100 * rng.uniform(-1, 1, size=(N, 5))).float()
    images = build(5)(noise)
    assert images.shape == (N, 784)
    assert float(images.detach().abs().max()) <= 1
    assert float(images.detach().min()) < -0.01 < 0.01 < float(images.detach().max())
    assert not torch.equal(images[0], images[1])


# Editions before 2020 have no seed.
@q5
@care
@pytest.mark.parametrize("build", [discriminator, generator])
def test_a_seed_fixes_the_weights(build):
    first, same, other = build(seed=1), build(seed=1), build(seed=2)
    for a, b in zip(first.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@q5
@pytest.mark.points(1)
def test_the_optimizer_is_the_promised_adam():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    optimizer = get_optimizer(model)
    assert is_adam(optimizer)
    for group in optimizer.param_groups:
        assert (group["lr"], tuple(group["betas"])) == (1e-3, (0.5, 0.999))
        assert group["weight_decay"] == 0
    weights = [id(w) for group in optimizer.param_groups for w in group["params"]]
    assert sorted(weights) == sorted(id(w) for w in model.parameters())


# Names that notebooks use.


@pytest.mark.parametrize(
    ("name", "signature"),
    {
        "sample_noise": "(batch_size, dim, seed=None)",
        "discriminator": "(seed=None)",
        "generator": "(noise_dim=96, seed=None)",
        "bce_loss": "(input, target)",
        "discriminator_loss": "(logits_real, logits_fake)",
        "generator_loss": "(logits_fake)",
        "get_optimizer": "(model)",
        "ls_discriminator_loss": "(scores_real, scores_fake)",
        "ls_generator_loss": "(scores_fake)",
        "build_dc_classifier": "(batch_size=None)",
        "build_dc_generator": "(noise_dim=96)",
        "run_a_gan": "(D, G, D_solver, G_solver, discriminator_loss, generator_loss, "
        "loader_train=None, show_every=250, batch_size=128, noise_size=96, "
        "num_epochs=10)",
        "ChunkSampler": "(num_samples, start=0)",
        "Flatten": "()",
        "Unflatten": "(N=-1, C=128, H=7, W=7)",
        "initialize_weights": "(m)",
        "preprocess_img": "(x)",
        "deprocess_img": "(x)",
        "rel_error": "(x, y)",
        "count_params": "(model)",
    }.items(),
)
def test_arguments_have_the_promised_names_order_and_defaults(name, signature):
    thing = getattr(gan_pytorch, name)
    function = thing.__init__ if inspect.isclass(thing) else thing
    described = [
        p.name + ("" if p.default is p.empty else f"={p.default!r}")
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
    ]
    assert f"({', '.join(described)})" == signature


def test_names_and_helpers_of_old_notebooks():
    names = {}
    exec("from cs231n.gan_pytorch import *", names)
    assert {"NOISE_DIM", "dtype", "run_a_gan", "np", "torch", "nn"} <= names.keys()
    assert NOISE_DIM == 96
    assert torch.zeros(2).type(dtype).dtype == torch.float32
    x = np.array([0.0, 0.25, 1.0])
    assert preprocess_img(x).tolist() == [-1, -0.5, 1]
    assert deprocess_img(preprocess_img(x)).tolist() == x.tolist()
    assert rel_error(np.ones(2), np.full(2, 3.0)) == 0.5


def test_flatten_and_unflatten_undo_one_another(rng):
    x = torch.from_numpy(rng.normal(size=(3, 128, 7, 7)))
    flat = Flatten()(x)
    assert flat.shape == (3, 128 * 49)
    assert torch.equal(Unflatten()(flat), x)
    assert torch.equal(Unflatten(3, 2, 64, 49)(flat).flatten(), x.flatten())
    spread = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(Flatten()(spread), flat)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Unflatten(128), (8, 6272), r"\(8, 6272\); 128 pictures of 128 x 7 x 7 .* 8,"),
        (Unflatten(C=1, H=28, W=28), (2, 783), r"\(2, 783\); any number of pictures"),
        (Unflatten(None), (3, 100), r"any number of pictures .*layer before"),
        (Flatten(), (784,), r"\(784,\); pictures \(N, C, H, W\)"),
    ],
)
def test_sizes_that_do_not_fit_are_named(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(torch.zeros(shape))


def test_unflatten_takes_as_many_pictures_as_come(rng):
    flat = torch.from_numpy(rng.normal(size=(3, 784)))
    for N in (-1, None, 3):
        assert torch.equal(Unflatten(N, 1, 28, 28)(flat), flat.reshape(3, 1, 28, 28))
    assert Unflatten(None, 1, 28, 28).N == -1


def test_chunk_sampler_goes_through_a_stretch_in_order():
    assert list(ChunkSampler(3)) == [0, 1, 2]
    assert list(ChunkSampler(2, 5)) == [5, 6]
    assert len(ChunkSampler(2, 5)) == 2
    loader = torch.utils.data.DataLoader(
        torch.arange(10), batch_size=2, sampler=ChunkSampler(5, 3)
    )
    assert [batch.tolist() for batch in loader] == [[3, 4], [5, 6], [7]]


def test_weights_are_drawn_as_glorot_and_bengio_proposed():
    torch.manual_seed(231)
    model = nn.Sequential(
        nn.Linear(200, 100), nn.ConvTranspose2d(30, 20, 4), nn.Conv2d(3, 4, 3)
    )
    before = model[2].weight.detach().clone()
    model.apply(initialize_weights)
    assert torch.equal(model[2].weight, before)
    for layer, inputs, outputs in (
        (model[0], 200, 100),
        (model[1], 30 * 16, 20 * 16),
    ):
        limit = np.sqrt(6 / (inputs + outputs))
        size = layer.weight.detach().abs()
        assert 0.98 * limit < float(size.max()) <= limit * (1 + 1e-6)
        assert float(size.mean()) == pytest.approx(limit / 2, rel=0.02)
