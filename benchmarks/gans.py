"""A training step of the two kinds of GAN, beside the course's form of it.

The course's form takes each batch out of a loader that collates picture by picture,
sends real pictures and fakes through the discriminator one after the other, computes
the discriminator's gradients while the generator learns, and leaves Adam and the order
of memory as they come.

Letters in shapes: N pictures.
"""

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.harness import Row
from cs231n import gan_pytorch as q5
from cs231n.support.gans.step import GANStep
from cs231n.support.gans.training import Batches

Draw = Callable[[int, int], torch.Tensor]


def _digits(N: int) -> torch.Tensor:
    pixels = np.random.default_rng(231).random((N, 1, 28, 28), dtype=np.float32)
    return torch.from_numpy(pixels)


def _forever(loader: DataLoader | Batches) -> Iterator[torch.Tensor]:
    while True:
        for x, _ in loader:
            yield x


def _course_step(
    D: nn.Module, G: nn.Module, loader: DataLoader, draw: Draw = q5.sample_noise
) -> Callable[[], tuple[float, float]]:
    D_solver, G_solver = (
        torch.optim.Adam(m.parameters(), lr=1e-3, betas=(0.5, 0.999)) for m in (D, G)
    )
    batches = _forever(loader)

    def step() -> tuple[float, float]:
        x = next(batches)
        D_solver.zero_grad()
        logits_real = D(2 * (x - 0.5))
        fake = G(draw(len(x), q5.NOISE_DIM)).detach()
        d_loss = q5.discriminator_loss(logits_real, D(fake.view(len(x), 1, 28, 28)))
        d_loss.backward()
        D_solver.step()
        G_solver.zero_grad()
        fake = G(draw(len(x), q5.NOISE_DIM))
        g_loss = q5.generator_loss(D(fake.view(len(x), 1, 28, 28)))
        g_loss.backward()
        G_solver.step()
        return d_loss.item(), g_loss.item()

    return step


def _our_step(
    D: nn.Module, G: nn.Module, loader: Batches, draw: Draw = q5.sample_noise
) -> Callable[[], tuple[float, float]]:
    step = GANStep(
        *((D, G), (q5.get_optimizer(D), q5.get_optimizer(G))),
        *((q5.discriminator_loss, q5.generator_loss), draw),
    )
    batches = _forever(loader)

    def both() -> tuple[float, float]:
        x = next(batches)
        return step.train_discriminator(2 * x - 1), step.train_generator(len(x))

    return both


def gan_step(N: int = 128) -> Iterator[Row]:
    """Yield a step of the fully connected and of the convolutional GAN.

    Args:
        N: Pictures in a batch.
    """
    # One batch, so that both see the same pictures, in whatever order.
    images, labels = _digits(N), torch.zeros(N)
    for name, D, G in (
        ("fully connected GAN", q5.discriminator(1), q5.generator(seed=2)),
        ("convolutional GAN", *_convolutional()),
    ):

        def fresh(D: nn.Module = D, G: nn.Module = G) -> list[nn.Module]:
            return [copy.deepcopy(D), copy.deepcopy(G)]

        loader = DataLoader(TensorDataset(images, labels), batch_size=N)
        ours = _our_step(*fresh(), Batches(images, labels, N))
        course = _course_step(*fresh(), loader)

        def agree(
            fresh: Callable[[], list[nn.Module]] = fresh,
            loader: DataLoader = loader,
        ) -> None:
            pairs = []
            for make, batches in (
                (_our_step, Batches(images, labels, N)),
                (_course_step, loader),
            ):
                step = make(*fresh(), batches, _repeatable())
                # Adam's first step takes each gradient's sign, so rounding sets the two
                # apart soon after; in float64 they are equal, and that is tested.
                pairs.append(step())
            np.testing.assert_allclose(*pairs, rtol=1e-3, err_msg="losses differ")

        yield Row(
            f"{name}, a step at N={N}",
            ours,
            {"course": course},
            agree=agree,
        )


def _repeatable() -> Draw:
    """Draw the same noise each time, whatever the loaders take of torch's numbers."""
    rng = np.random.default_rng(5)
    return lambda N, dim: torch.from_numpy(rng.uniform(-1, 1, (N, dim))).float()


def _convolutional() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(3)
    return (
        q5.build_dc_classifier().apply(q5.initialize_weights),
        q5.build_dc_generator().apply(q5.initialize_weights),
    )


GROUPS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "gans": lambda quick: gan_step(8 if quick else 128),
}
