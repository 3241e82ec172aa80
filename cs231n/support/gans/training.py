"""The training loop of GANs (given), with reports and checkpoints.

Letters in shapes: N pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cs231n.support.gans import loop
from cs231n.support.gans.checkpoint import load_checkpoint, save_checkpoint
from cs231n.support.gans.history import GANHistory
from cs231n.support.gans.loop import PIXELS, SHAPE
from cs231n.support.gans.step import DrawNoise, GANStep, Loss, Penalty, evaluating
from cs231n.support.progress import progress_bar


class Batches:
    """Minibatches of pictures that are put on the device once, not batch by batch.

    Each pass has a new order, drawn from torch's random numbers, and leaves out what
    does not fill a batch.

    Example:
        >>> images, labels = np.zeros((10, 1, 28, 28), np.float32), np.arange(10)
        >>> batches = Batches(images, labels, batch_size=4)
        >>> [tuple(batch.shape) for batch, _ in batches]
        [(4, 1, 28, 28), (4, 1, 28, 28)]
    """

    def __init__(
        self,
        images: NDArray[np.float32] | torch.Tensor,
        labels: NDArray[np.integer[Any]] | torch.Tensor,
        batch_size: int = 128,
        device: str | torch.device = "cpu",
    ) -> None:
        """Move the pictures to the device.

        Args:
            images: (N, 1, 28, 28) pictures.
            labels: (N,) what is on them.
            batch_size: Pictures in a batch.
            device: Where the networks are.

        Raises:
            ValueError: If there are not enough pictures for a batch.
        """
        loop.require_a_batch(len(images), batch_size)
        self.images = torch.as_tensor(images).to(device)
        self.labels = torch.as_tensor(labels).to(device)
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Return how many batches a pass has."""
        return len(self.images) // self.batch_size

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Go through the pictures in a new order."""
        order = torch.randperm(len(self.images)).to(self.images.device)
        for k in range(len(self)):
            chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
            yield self.images[chosen], self.labels[chosen]


def train_gan(
    D: nn.Module,
    G: nn.Module,
    D_solver: torch.optim.Optimizer,
    G_solver: torch.optim.Optimizer,
    discriminator_loss: Loss,
    generator_loss: Loss,
    loader: Iterable[Any],
    *,
    draw_noise: DrawNoise,
    show_every: int = 250,
    batch_size: int = 128,
    noise_size: int = 96,
    num_epochs: int = 10,
    critic_steps: int = 1,
    penalty: Penalty | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1,
    report: Callable[[int, NDArray[np.float32]], None] | None = None,
    verbose: bool = True,
) -> GANHistory:
    """Train a GAN: the discriminator learns a little, then the generator, in turns.

    With a checkpoint, everything the run depends on is saved as it goes. A run that was
    killed continues with the very numbers of an unbroken one, on the CPU: build the
    same networks, optimizers and loader again, and call this again.

    Args:
        D: Scaled pictures (N, 1, 28, 28) -> N scores. Its convolutions' weights are put
            channels last, and a new Adam is fused; neither changes results.
        G: Noise (N, noise_size) -> N * 784 scaled pixels.
        D_solver: Changes D's weights.
        G_solver: Changes G's weights.
        discriminator_loss: Scores of real pictures and of fakes -> loss of D.
        generator_loss: Scores of fakes -> loss of G.
        loader: Batches of pictures from 0 to 1, with labels or without.
        draw_noise: Draws noise, on the CPU, as sample_noise does.
        show_every: Iterations between reports.
        batch_size: Pictures in a batch; a shorter last one is left out.
        noise_size: Numbers that G makes a picture of.
        num_epochs: Passes over the pictures.
        critic_steps: Steps of the discriminator for each of the generator.
        penalty: Added to the discriminator's loss.
        checkpoint: File to save to and to resume from, ``.npz``.
        checkpoint_every: Epochs between checkpoints; the last one is always saved.
        report: Called with the iteration and (16, 784) pictures.
        verbose: Whether to print losses with each report, and show a progress bar.

    Returns:
        How it went; D and G are trained.

    Raises:
        ValueError: If the loader gives no full batch, or pictures of another size or
            range; if the networks do not fit; if the checkpoint is of another run.
        FloatingPointError: If a loss or a weight stops being finite; checkpoints stay.

    Example:
        >>> from cs231n import gan_pytorch as q5
        >>> D = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 1))
        >>> G = torch.nn.Sequential(torch.nn.Linear(4, 784), torch.nn.Tanh())
        >>> images, labels = torch.rand(10, 1, 28, 28), torch.arange(10)
        >>> history = train_gan(
        ...     *(D, G, q5.get_optimizer(D), q5.get_optimizer(G)),
        ...     *(q5.discriminator_loss, q5.generator_loss),
        ...     loader=Batches(images, labels, batch_size=5),
        ...     draw_noise=q5.sample_noise,
        ...     batch_size=5,
        ...     noise_size=4,
        ...     verbose=False,
        ... )
        >>> history.epochs, len(history.d_losses)  # two batches an epoch
        (10, 20)
    """
    settings = {
        "batch_size": batch_size,
        "noise_size": noise_size,
        "critic_steps": critic_steps,
        "show_every": show_every,
    }
    loop.require_arguments(loader, **settings, checkpoint_every=checkpoint_every)
    step = GANStep(
        *((D, G), (D_solver, G_solver), (discriminator_loss, generator_loss)),
        draw_noise=draw_noise,
        noise_size=noise_size,
        penalty=penalty,
        batch_size=batch_size,
    )
    saved = {"D": D, "G": G}, {"D_solver": D_solver, "G_solver": G_solver}, settings
    history = GANHistory()
    if checkpoint is not None and Path(checkpoint).exists():
        history = load_checkpoint(checkpoint, *saved)
        so_far = f"Resuming after epoch {history.epochs} of {num_epochs}"
        if verbose:
            print(f"{so_far} from {os.fspath(checkpoint)}.")
    shown = torch.from_numpy(loop.fixed_noise(noise_size)).to(step.device, step.dtype)
    for model in (D, G):
        model.train()

    def epoch() -> Iterator[tuple[int, float, float]]:
        yield from loop.take_turns(
            history,
            _full_batches(loader, step),
            step.train_discriminator,
            lambda real: step.train_generator(len(real)),
            critic_steps,
        )
        step.require_finite()

    def after_step(t: int, d_loss: float, g_loss: float) -> None:
        bar.update()
        if t % show_every == 0:
            history.samples.append((t, draw(G, shown, batch_size)))
            if verbose:
                bar.write(f"Iter: {t}, D: {d_loss:.4}, G:{g_loss:.4}")
            if report is not None:
                report(*history.samples[-1])

    def after_epoch() -> None:
        due = history.epochs % checkpoint_every == 0 or history.epochs == num_epochs
        if checkpoint is not None and due:
            save_checkpoint(checkpoint, *saved, history)

    total, start = num_epochs * loop.length(loader), len(history.d_losses)
    with progress_bar(total, "training", verbose, initial=start) as bar:
        loop.train(history, num_epochs, epoch, after_step, after_epoch, checkpoint)
    return history


def draw(
    G: nn.Module, noise: torch.Tensor, batch_size: int = 128
) -> NDArray[np.float32]:
    """Let a generator draw, without teaching it anything.

    Args:
        G: The generator; its layers' running averages stay as they are.
        noise: (N, D) noise on the generator's device.
        batch_size: Rows at a time for a generator that is made for that number alone.

    Returns:
        (N, 784) scaled pictures.

    Example:
        >>> G = torch.nn.Sequential(torch.nn.Linear(4, 784), torch.nn.Tanh())
        >>> draw(G, torch.zeros(3, 4)).shape
        (3, 784)
    """
    N = len(noise)
    with evaluating(G), torch.no_grad():
        try:
            fakes = G(noise)
        except (RuntimeError, ValueError):
            if batch_size == N:
                raise
            full = noise.new_zeros(-(-N // batch_size) * batch_size, noise.shape[1])
            full[:N] = noise
            starts = range(0, len(full), batch_size)
            parts = [G(full[k : k + batch_size]).flatten() for k in starts]
            fakes = torch.cat(parts)[: N * PIXELS]
    pictures: NDArray[np.float32] = fakes.reshape(N, PIXELS).float().cpu().numpy()
    return pictures


def count_params(model: nn.Module) -> int:
    """Return how many numbers a model can learn.

    Example:
        >>> count_params(torch.nn.Linear(3, 2))  # 3 * 2 weights, 2 biases
        8
    """
    return sum(weight.numel() for weight in model.parameters())


def _full_batches(loader: Iterable[Any], step: GANStep) -> Iterator[torch.Tensor]:
    """Go through an epoch's scaled pictures, and look at what comes."""
    full, short, batch_size = 0, 0, step.batch_size
    for batch in loader:
        x = batch[0] if isinstance(batch, list | tuple) else batch
        x = torch.as_tensor(x)
        if len(x) < batch_size:
            short += 1
            continue
        loop.require_pictures(x, x.is_floating_point(), _ends, batch_size)
        full += 1
        x = x.to(step.device, step.dtype)
        yield 2 * x.reshape(batch_size, *SHAPE) - 1
    if not full:
        raise ValueError(loop.nothing_came(short, batch_size))


def _ends(x: torch.Tensor) -> tuple[float, float]:
    low, high = x.aminmax()
    return low.item(), high.item()
