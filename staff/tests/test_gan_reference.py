"""Q5 another way: a step by hand, singular values, distances that are known."""

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn

from benchmarks import gans
from cs231n import gan_pytorch as q5
from cs231n.extras.gan_extras import (
    SpectralNorm,
    critic_loss,
    gradient_penalty,
    largest_stretch,
    normalize_spectrally,
)
from cs231n.extras.semi_supervised import feature_matching_loss, real_or_drawn_loss
from cs231n.lab.gan_metrics import frechet_distance, precision_and_recall
from cs231n.support.gans.step import GANStep

pytestmark = pytest.mark.q5


class Adam:
    """Adam by its formulas, one weight after another."""

    def __init__(self, weights):
        self.weights = weights
        self.m = [torch.zeros_like(w) for w in weights]
        self.v = [torch.zeros_like(w) for w in weights]
        self.t = 0

    def step(self, grads):
        self.t += 1
        for w, g, m, v in zip(self.weights, grads, self.m, self.v, strict=True):
            m.mul_(0.5).add_(0.5 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            change = m / (1 - 0.5**self.t) / ((v / (1 - 0.999**self.t)).sqrt() + 1e-8)
            w.data -= 1e-3 * change


def log_loss(real, fake):
    """Lowered by the discriminator, out of probabilities."""
    return (
        -torch.log(torch.sigmoid(real)).mean()
        - torch.log(1 - torch.sigmoid(fake)).mean()
    )


def fool_loss(fake):
    return -torch.log(torch.sigmoid(fake)).mean()


def small_networks():
    torch.manual_seed(231)
    D = nn.Sequential(
        q5.Unflatten(-1, 1, 28, 28),
        *(nn.Conv2d(1, 3, 5, stride=3), nn.LeakyReLU(0.01), nn.MaxPool2d(2)),
        *(q5.Flatten(), nn.Linear(48, 1)),
    )
    G = nn.Sequential(
        *(nn.Linear(5, 2 * 49), nn.ReLU(), nn.BatchNorm1d(98)),
        *(q5.Unflatten(-1, 2, 7, 7), nn.ConvTranspose2d(2, 3, 4, 2, 1), nn.ReLU()),
        *(nn.BatchNorm2d(3), nn.ConvTranspose2d(3, 1, 4, 2, 1), nn.Tanh()),
        q5.Flatten(),
    )
    return D.double(), G.double()


def test_steps_are_those_written_with_autograd_one_pass_at_a_time(rng):
    noises = [torch.from_numpy(rng.uniform(-1, 1, size=(6, 5))) for _ in range(6)]
    real = torch.from_numpy(rng.uniform(-1, 1, size=(6, 1, 28, 28)))

    D, G = small_networks()
    feed = iter(noises)
    step = GANStep(
        *((D, G), (q5.get_optimizer(D), q5.get_optimizer(G))),
        *((q5.discriminator_loss, q5.generator_loss), lambda *_: next(feed), 5),
    )
    assert step.together
    losses = [
        f()
        for _ in range(3)
        for f in (
            lambda: step.train_discriminator(real),
            lambda: step.train_generator(6),
        )
    ]

    slow_D, slow_G = small_networks()
    D_weights, G_weights = list(slow_D.parameters()), list(slow_G.parameters())
    D_adam, G_adam = Adam(D_weights), Adam(G_weights)
    feed, expected = iter(noises), []
    for _ in range(3):
        fake = slow_G(next(feed)).detach()
        loss = log_loss(slow_D(real), slow_D(fake))
        D_adam.step(torch.autograd.grad(loss, D_weights))
        expected.append(loss.item())
        loss = fool_loss(slow_D(slow_G(next(feed))))
        G_adam.step(torch.autograd.grad(loss, G_weights))
        expected.append(loss.item())

    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    for fast, slow in ((D, slow_D), (G, slow_G)):
        theirs = slow.state_dict()
        for name, value in fast.state_dict().items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-6, atol=1e-9)


def test_a_step_that_is_slightly_off_is_noticed(rng):
    real = torch.from_numpy(rng.uniform(-1, 1, size=(6, 1, 28, 28)))
    weights = []
    for factor in (1.0, 1.001):
        D, G = small_networks()
        torch.manual_seed(1)
        step = GANStep(
            (D, G),
            (torch.optim.SGD(D.parameters(), 0.1 * factor), q5.get_optimizer(G)),
            (q5.discriminator_loss, q5.generator_loss),
            *(lambda N, dim: torch.ones(N, dim).double(), 5),
        )
        step.train_discriminator(real)
        weights.append(D[-1].weight.detach())
    assert not torch.allclose(*weights, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (1, 5), (3, 7), (6, 6)])
def test_power_iteration_finds_the_largest_singular_value(shape, rng):
    W = torch.from_numpy(rng.normal(size=shape))
    u = torch.from_numpy(rng.normal(size=shape[0]))
    u /= u.norm()
    sigma, better = largest_stretch(W, u, 2000)
    exact = np.linalg.svd(W.numpy(), compute_uv=False)
    assert float(sigma) == pytest.approx(exact[0], rel=1e-6)
    assert float(better.norm()) == pytest.approx(1)
    once, _ = largest_stretch(W, better, 1)
    assert float(once) == pytest.approx(exact[0], rel=1e-6)


def test_the_gradient_of_the_largest_singular_value(rng):
    W = torch.from_numpy(rng.normal(size=(3, 4))).requires_grad_()
    _, u = largest_stretch(W.detach(), torch.ones(3).double() / 3**0.5, 500)
    sigma, _ = largest_stretch(W, u, 1)
    sigma.backward()
    left, _, right = np.linalg.svd(W.detach().numpy())
    np.testing.assert_allclose(W.grad, np.outer(left[:, 0], right[0]), atol=1e-6)


def test_a_normalized_discriminator_stretches_by_one_at_most():
    torch.manual_seed(231)
    model = normalize_spectrally(q5.discriminator())
    for _ in range(60):
        model(torch.zeros(1, 1, 28, 28))
    model.eval()
    for layer in (model[1], model[3], model[5]):
        exact = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0]
        assert exact == pytest.approx(1, rel=2e-2)
    before = model[1].parametrizations.weight[0].u.clone()
    model(torch.zeros(1, 1, 28, 28))
    assert torch.equal(model[1].parametrizations.weight[0].u, before)
    assert isinstance(model[1].parametrizations.weight[0], SpectralNorm)


def test_the_gradient_penalty_by_finite_differences(rng):
    torch.manual_seed(231)
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 4), nn.Tanh(), nn.Linear(4, 1))
    D.double()
    real, fake = (
        torch.from_numpy(rng.uniform(-1, 1, size=(2, 1, 28, 28))) for _ in range(2)
    )
    torch.manual_seed(7)
    penalty = gradient_penalty(D, real, fake, weight=3.0)
    torch.manual_seed(7)
    share = torch.rand(2, 1, 1, 1).double()
    x = (share * real + (1 - share) * fake).numpy()
    expected = 0.0
    for n in range(2):
        gradient = np.zeros(784)
        for k in range(784):
            ends = []
            for h in (1e-5, -1e-5):
                moved = x[n].copy()
                moved.flat[k] += h
                ends.append(D(torch.from_numpy(moved)[None]).item())
            gradient[k] = (ends[0] - ends[1]) / 2e-5
        expected += 3.0 * (np.linalg.norm(gradient) - 1) ** 2 / 2
    assert penalty.item() == pytest.approx(expected, rel=1e-6)
    penalty.backward()
    assert D[1].weight.grad.abs().sum() > 0


def test_a_critics_step_with_a_penalty_moves_only_the_critic():
    D, G = q5.discriminator(1), q5.generator(5, seed=2)
    step = GANStep(
        *((D, G), (q5.get_optimizer(D), q5.get_optimizer(G))),
        *((critic_loss, q5.generator_loss), q5.sample_noise, 5, gradient_penalty),
    )
    before = [w.clone() for w in G.parameters()]
    first = D[1].weight.detach().clone()
    step.train_discriminator(torch.rand(4, 1, 28, 28))
    assert all(map(torch.equal, before, G.parameters()))
    assert not torch.equal(first, D[1].weight)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
def test_semi_supervised_losses_are_those_of_a_softmax_over_one_class_more(scale, rng):
    real, fake = (torch.from_numpy(scale * rng.normal(size=(5, 10))) for _ in range(2))

    def log_probabilities(scores):
        return np.stack(
            [
                np.append(row, 0) - np.logaddexp.reduce(np.append(row, 0))
                for row in scores.numpy()
            ]
        )

    is_real = np.logaddexp.reduce(log_probabilities(real)[:, :10], axis=1)
    expected = -is_real.mean() - log_probabilities(fake)[:, 10].mean()
    assert real_or_drawn_loss(real, fake).item() == pytest.approx(expected, rel=1e-9)


def test_semi_supervised_losses_have_the_right_gradients(rng):
    real, fake = (
        torch.from_numpy(rng.normal(size=(2, 3, 4))).requires_grad_() for _ in range(2)
    )
    assert torch.autograd.gradcheck(real_or_drawn_loss, (real, fake))
    assert torch.autograd.gradcheck(
        lambda d: feature_matching_loss(real.detach(), d), (fake,)
    )
    feature_matching_loss(real, fake).backward()
    assert real.grad is None
    by_hand = np.mean(
        [
            (fake[m, :, d].mean() - real[m, :, d].mean()).item() ** 2
            for m in range(2)
            for d in range(4)
        ]
    )
    loss = feature_matching_loss(real, fake).item()
    assert loss == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("D", [1, 3, 6])
def test_the_frechet_distance_is_that_of_a_matrix_root(D, rng):
    first, second = (
        rng.normal(size=(40, D)) @ rng.normal(size=(D, D)) + k for k in range(2)
    )
    A, B = (np.atleast_2d(np.cov(x.T, bias=True)) for x in (first, second))
    gap = first.mean(0) - second.mean(0)
    root = linalg.sqrtm(A @ B)
    expected = gap @ gap + np.trace(A + B - 2 * np.real(root))
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


def test_precision_and_recall_by_loops(rng):
    def inside(points, cloud):
        count = 0
        for p in points:
            for c in cloud:
                reach = sorted(np.linalg.norm(c - other) for other in cloud)[3]
                if np.linalg.norm(p - c) <= reach:
                    count += 1
                    break
        return count / len(points)

    found = []
    for apart in (0, 0.7, 1.4, 2.1, 2.8):
        real, drawn = rng.normal(size=(12, 2)), rng.normal(size=(15, 2)) + apart
        precision, recall = precision_and_recall(real, drawn)
        assert precision == pytest.approx(inside(drawn, real))
        assert recall == pytest.approx(inside(real, drawn))
        found.append(precision)
    assert any(0 < precision < 1 for precision in found)


# Speed.


def test_the_rivals_of_a_step_agree_before_they_are_timed(monkeypatch):
    for row in gans.gan_step(4):
        row.agree()
        assert set(row.targets) <= set(row.peers)
    monkeypatch.setattr(gans.GANStep, "train_generator", lambda *_: 1.0)
    with pytest.raises(AssertionError, match="losses differ"):
        next(gans.gan_step(4)).agree()
