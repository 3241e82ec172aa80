"""Extra exercises of Q5: what bounded discriminators promise."""

import numpy as np
import pytest
import torch
from torch import nn

from cs231n.extras.gan_extras import (
    critic_generator_loss,
    critic_loss,
    gradient_penalty,
    largest_stretch,
    normalize_spectrally,
)

pytestmark = pytest.mark.extra


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (5, 3), (1, 1)])
def test_the_largest_stretch_of_a_diagonal_matrix(shape):
    W = torch.zeros(shape)
    for k, size in zip(range(min(shape)), (4.0, -2.0, 1.0), strict=False):
        W[k, k] = size
    u = torch.ones(shape[0]) / shape[0] ** 0.5
    sigma, better = largest_stretch(W, u, 40)
    assert sigma.shape == ()
    assert sigma.item() == pytest.approx(4, rel=1e-5)
    assert abs(better[0].item()) == pytest.approx(1, abs=1e-5)
    assert not better.requires_grad


def test_one_iteration_at_a_time_comes_as_far(rng):
    W = torch.from_numpy(rng.normal(size=(4, 6)))
    u = one_by_one = torch.ones(4).double() / 2
    sigma, _ = largest_stretch(W, u, 12)
    for _ in range(12):
        last, one_by_one = largest_stretch(W, one_by_one, 1)
    torch.testing.assert_close(last, sigma)


def test_a_stretch_scales_with_its_matrix_and_has_a_gradient(rng):
    W = torch.from_numpy(rng.normal(size=(4, 6))).requires_grad_()
    _, u = largest_stretch(W, torch.ones(4).double() / 2, 200)
    sigma, _ = largest_stretch(W, u, 1)
    threefold, _ = largest_stretch(3 * W, u, 1)
    torch.testing.assert_close(threefold, 3 * sigma)
    sigma.backward()
    # Euler: a function that scales with W is the gradient's product with W.
    torch.testing.assert_close((W.grad * W).sum(), sigma)


def test_spectral_normalization_bounds_what_a_layer_does(rng):
    torch.manual_seed(231)
    model = nn.Sequential(nn.Linear(8, 6), nn.Conv2d(2, 3, 3), nn.ReLU())
    assert normalize_spectrally(model) is model
    layer = model[0]
    layer.parametrizations.weight.original.data *= 50
    for _ in range(30):
        layer(torch.zeros(1, 8))
    x, y = (torch.from_numpy(rng.normal(size=(200, 8))).float() for _ in range(2))
    stretch = (layer(x) - layer(y)).norm(dim=1) / (x - y).norm(dim=1)
    assert 0.3 < stretch.max().item() <= 1.01
    assert model[1].weight.shape == (3, 2, 3, 3)


def test_critic_losses_by_hand():
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.5], [-1.5]])
    assert critic_loss(real, fake).item() == -2.5
    assert critic_generator_loss(fake).item() == 0.5
    for size in (1e4, -1e4):
        assert np.isfinite(critic_loss(real * size, fake).item())


@pytest.mark.parametrize("N", [1, 4])
def test_a_linear_critic_has_the_same_gradient_everywhere(N):
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 1))
    nn.init.constant_(D[1].weight, 3 / 28)
    real, fake = torch.rand(N, 1, 28, 28), -torch.rand(N, 1, 28, 28)
    assert gradient_penalty(D, real, fake).item() == pytest.approx(40, rel=1e-5)
    assert gradient_penalty(D, real, fake, 1.0).item() == pytest.approx(4, rel=1e-5)
    nn.init.constant_(D[1].weight, 1 / 28)
    assert gradient_penalty(D, real, fake).item() == pytest.approx(0, abs=1e-8)


def test_the_penalty_looks_between_the_pictures():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(x.detach())
            return (x**2).flatten(1).sum(1, keepdim=True)

    real, fake = torch.ones(50, 1, 28, 28), -torch.ones(50, 1, 28, 28)
    fake.requires_grad_()
    penalty = gradient_penalty(Spy(), real, fake)
    (x,) = seen
    assert x.flatten(1).std(1).max() < 1e-6  # one share for a whole picture
    shares = x[:, 0, 0, 0]
    assert -1 <= shares.min() < -0.7 < 0.7 < shares.max() <= 1
    expected = 10 * (2 * shares.abs() * 28 - 1).square().mean()
    torch.testing.assert_close(penalty, expected, check_stride=False)


def test_the_penalty_teaches_the_critic_and_not_the_generator():
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.Tanh(), nn.Linear(3, 1))
    fake = torch.rand(2, 1, 28, 28, requires_grad=True)
    gradient_penalty(D, torch.rand(2, 1, 28, 28), fake).backward()
    assert fake.grad is None
    assert D[1].weight.grad.abs().sum() > 0
    assert D[3].weight.grad.abs().sum() > 0
