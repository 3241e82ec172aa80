"""Q5, yours: two networks, one makes digits, one tells fake from real.

Letters in shapes: N pictures, C channels, H rows, W columns. Pictures have one channel
of 28 rows and 28 columns; a scaled picture goes from -1 (paper) to 1 (ink).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the name that everybody knows)
from torch.utils.data import Sampler

from cs231n.gradient_check import rel_error as rel_error  # noqa: PLC0414
from cs231n.support.gans.loop import deprocess_img as deprocess_img  # noqa: PLC0414 (a re-export)
from cs231n.support.gans.loop import preprocess_img as preprocess_img  # noqa: PLC0414 (a re-export)
from cs231n.support.gans.training import Batches, train_gan
from cs231n.support.gans.training import count_params as count_params  # noqa: PLC0414 (a re-export)

NOISE_DIM = 96

# What notebooks of old pass to Tensor.type(); new code names a device and a dtype.
dtype = torch.FloatTensor


def sample_noise(batch_size: int, dim: int, seed: int | None = None) -> torch.Tensor:
    """Draw what a generator makes pictures of.

    Args:
        batch_size: How many rows.
        dim: Numbers in a row.
        seed: Of torch's random numbers; None leaves them as they are.

    Returns:
        noise: (batch_size, dim) independent numbers, uniform between -1 and 1.

    Example:
        >>> noise = sample_noise(2, 3, seed=231)
        >>> noise.shape, bool(noise.abs().max() <= 1)
        (torch.Size([2, 3]), True)
    """
    if seed is not None:
        torch.manual_seed(seed)
    # TODO(Q5): Draw the noise.
    # BEGIN SOLUTION
    noise = 2 * torch.rand(batch_size, dim) - 1
    # END SOLUTION
    return noise


def discriminator(seed: int | None = None) -> nn.Module:
    """Build the network that tells real pictures from fakes.

    Args:
        seed: Of torch's random numbers; None leaves them as they are.

    Returns:
        model: (N, 1, 28, 28) scaled pictures -> (N, 1) logits, high for real ones.

    Example:
        >>> discriminator(seed=231)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 1])
    """
    if seed is not None:
        torch.manual_seed(seed)
    # TODO(Q5): Put the layers that the notebook lists into nn.Sequential. Flatten is
    # given below.
    # BEGIN SOLUTION
    model = nn.Sequential(
        Flatten(),
        nn.Linear(784, 256),
        nn.LeakyReLU(0.01),
        nn.Linear(256, 256),
        nn.LeakyReLU(0.01),
        nn.Linear(256, 1),
    )
    # END SOLUTION
    return model


def generator(noise_dim: int = NOISE_DIM, seed: int | None = None) -> nn.Module:
    """Build the network that makes fakes.

    Args:
        noise_dim: Numbers that a picture is made of.
        seed: Of torch's random numbers; None leaves them as they are.

    Returns:
        model: (N, noise_dim) noise -> (N, 784) scaled pictures.

    Example:
        >>> generator(noise_dim=4, seed=231)(torch.zeros(2, 4)).shape
        torch.Size([2, 784])
    """
    if seed is not None:
        torch.manual_seed(seed)
    # TODO(Q5): Put the layers that the notebook lists into nn.Sequential.
    # BEGIN SOLUTION
    model = nn.Sequential(
        nn.Linear(noise_dim, 1024),
        nn.ReLU(),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Linear(1024, 784),
        nn.Tanh(),
    )
    # END SOLUTION
    return model


def bce_loss(input: Any, target: Any) -> torch.Tensor:
    """Measure how well scores say yes and no: binary cross-entropy.

    It is computed from the scores, not from probabilities, so that it is finite and
    has the right gradient for scores of any size.

    Args:
        input: Scores of any shape, such as (N, 1), from minus to plus infinity.
        target: 1 where yes is right, 0 where no is: a number for each score, such as
            (N,) or (N, 1), or one number for all of them.

    Returns:
        () the mean over all scores.

    Raises:
        TypeError: If the scores are no tensor of floating point numbers, or the
            targets no numbers.
        ValueError: If there is neither one target nor one for each score.
    """
    if not (isinstance(input, torch.Tensor) and input.is_floating_point()):
        kind = input.dtype if isinstance(input, torch.Tensor) else type(input).__name__
        raise TypeError(
            f"bce_loss got scores as {kind}; a tensor of floating point numbers is "
            "wanted."
        )
    try:
        wanted = torch.as_tensor(target).to(input)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"bce_loss got {type(target).__name__} for targets; numbers are wanted."
        ) from error
    if wanted.numel() == 1:
        wanted = wanted.reshape(()).expand_as(input)
    elif wanted.squeeze().shape == input.squeeze().shape:
        wanted = wanted.reshape(input.shape)
    else:
        raise ValueError(
            f"bce_loss got targets of shape {tuple(wanted.shape)} for scores of shape "
            f"{tuple(input.shape)}; a target for each score is wanted, or a single "
            "number."
        )
    return F.binary_cross_entropy_with_logits(input, wanted)


def discriminator_loss(
    logits_real: torch.Tensor, logits_fake: torch.Tensor
) -> torch.Tensor:
    """Measure how badly the discriminator tells real from fake.

    Args:
        logits_real: (N, 1) logits of real pictures.
        logits_fake: (N, 1) logits of fakes.

    Returns:
        loss: () what the discriminator is to minimise.

    Example:
        >>> undecided = torch.zeros(4, 1)  # logits, so a probability of 1 / 2
        >>> loss = discriminator_loss(undecided, undecided)
        >>> f"{loss.item():.4f}", f"{2 * np.log(2):.4f}"
        ('1.3863', '1.3863')
    """
    # TODO(Q5): Compute the discriminator's loss, l_D in the notebook, with bce_loss.
    # BEGIN SOLUTION
    loss = bce_loss(logits_real, torch.ones_like(logits_real))
    loss = loss + bce_loss(logits_fake, torch.zeros_like(logits_fake))
    # END SOLUTION
    return loss


def generator_loss(logits_fake: torch.Tensor) -> torch.Tensor:
    """Measure how seldom the discriminator takes fakes for real.

    Args:
        logits_fake: (N, 1) logits of fakes.

    Returns:
        loss: () what the generator is to minimise.

    Example:
        >>> undecided = torch.zeros(4, 1)  # logits, so a probability of 1 / 2
        >>> f"{generator_loss(undecided).item():.4f}", f"{np.log(2):.4f}"
        ('0.6931', '0.6931')
    """
    # TODO(Q5): Compute the generator's loss, l_G in the notebook, with bce_loss.
    # BEGIN SOLUTION
    loss = bce_loss(logits_fake, torch.ones_like(logits_fake))
    # END SOLUTION
    return loss


def get_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Build what changes a model's weights.

    Args:
        model: Either network.

    Returns:
        optimizer: Adam with a learning rate of 1e-3, beta1 of 0.5 and beta2 of 0.999.

    Example:
        >>> optimizer = get_optimizer(generator(noise_dim=4))
        >>> type(optimizer).__name__
        'Adam'
    """
    # TODO(Q5): Build the optimizer; see torch.optim.
    # BEGIN SOLUTION
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.999))
    # END SOLUTION
    return optimizer


def ls_discriminator_loss(
    scores_real: torch.Tensor, scores_fake: torch.Tensor
) -> torch.Tensor:
    """Measure how far the discriminator's scores are from what they should be.

    Args:
        scores_real: (N, 1) scores of real pictures.
        scores_fake: (N, 1) scores of fakes.

    Returns:
        loss: () what the discriminator is to minimise.

    Example:
        >>> real, fake = torch.ones(4, 1), torch.zeros(4, 1)  # scores that are right
        >>> ls_discriminator_loss(real, fake).item()
        0.0
    """
    # TODO(Q5): Compute the least squares l_D of the notebook. With operators and
    # .mean() only, it takes NumPy arrays as well.
    # BEGIN SOLUTION
    loss = 0.5 * ((scores_real - 1) ** 2).mean() + 0.5 * (scores_fake**2).mean()
    # END SOLUTION
    return loss


def ls_generator_loss(scores_fake: torch.Tensor) -> torch.Tensor:
    """Measure how far fakes' scores are from those that real pictures should have.

    Args:
        scores_fake: (N, 1) scores of fakes.

    Returns:
        loss: () what the generator is to minimise.

    Example:
        >>> ls_generator_loss(torch.ones(4, 1)).item()  # all fakes are taken for real
        0.0
    """
    # TODO(Q5): Compute the least squares l_G of the notebook, again with operators and
    # .mean() only.
    # BEGIN SOLUTION
    loss = 0.5 * ((scores_fake - 1) ** 2).mean()
    # END SOLUTION
    return loss


def build_dc_classifier(batch_size: int | None = None) -> nn.Module:
    """Build a discriminator with convolutions.

    Args:
        batch_size: Pictures that come at a time; -1 or None for as many as come, which
            is what the model may do in any case.

    Returns:
        model: (N, 1, 28, 28) or (N, 784) scaled pictures -> (N, 1) scores.

    Example:
        >>> build_dc_classifier()(torch.zeros(2, 784)).shape
        torch.Size([2, 1])
    """
    if batch_size is None:
        batch_size = -1
    # TODO(Q5): Put the layers that the notebook lists into nn.Sequential. Unflatten is
    # given below; with N=-1 it takes as many pictures as come.
    # BEGIN SOLUTION
    model = nn.Sequential(
        Unflatten(-1, 1, 28, 28),
        nn.Conv2d(1, 32, kernel_size=5),
        nn.LeakyReLU(0.01),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, kernel_size=5),
        nn.LeakyReLU(0.01),
        nn.MaxPool2d(2),
        Flatten(),
        nn.Linear(4 * 4 * 64, 4 * 4 * 64),
        nn.LeakyReLU(0.01),
        nn.Linear(4 * 4 * 64, 1),
    )
    # END SOLUTION
    return model


def build_dc_generator(noise_dim: int = NOISE_DIM) -> nn.Module:
    """Build a generator with transposed convolutions.

    Args:
        noise_dim: Numbers that a picture is made of.

    Returns:
        model: (N, noise_dim) noise -> (N, 784) scaled pictures.

    Example:
        >>> build_dc_generator(noise_dim=4)(torch.zeros(2, 4)).shape
        torch.Size([2, 784])
    """
    # TODO(Q5): Put the layers that the notebook lists into nn.Sequential.
    # BEGIN SOLUTION
    model = nn.Sequential(
        nn.Linear(noise_dim, 1024),
        nn.ReLU(),
        nn.BatchNorm1d(1024),
        nn.Linear(1024, 7 * 7 * 128),
        nn.ReLU(),
        nn.BatchNorm1d(7 * 7 * 128),
        Unflatten(-1, 128, 7, 7),
        nn.ConvTranspose2d(128, 64, kernel_size=4, stride=2, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(64),
        nn.ConvTranspose2d(64, 1, kernel_size=4, stride=2, padding=1),
        nn.Tanh(),
        Flatten(),
    )
    # END SOLUTION
    return model


def run_a_gan(
    D: nn.Module,
    G: nn.Module,
    D_solver: torch.optim.Optimizer,
    G_solver: torch.optim.Optimizer,
    discriminator_loss: Callable[..., torch.Tensor],
    generator_loss: Callable[..., torch.Tensor],
    loader_train: Iterable[Any] | None = None,
    show_every: int = 250,
    batch_size: int = 128,
    noise_size: int = 96,
    num_epochs: int = 10,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
) -> list[NDArray[np.float32]] | None:
    """Train a GAN, printing losses now and then.

    Args:
        D: The discriminator.
        G: The generator, on the same device.
        D_solver: Changes D's weights.
        G_solver: Changes G's weights.
        discriminator_loss: Logits of real pictures and of fakes -> loss of D.
        generator_loss: Logits of fakes -> loss of G.
        loader_train: Batches of pictures between 0 and 1, with or without labels. None
            takes the digits that are here and, as in older editions, shows pictures in
            place of returning them.
        show_every: Iterations between reports.
        batch_size: Pictures in a batch; a shorter last one is left out.
        noise_size: Numbers that G makes a picture of.
        num_epochs: Passes over the pictures.
        checkpoint: File to save to and to resume from, ``.npz``.

    Returns:
        (16, 784) pictures of each report, always of the same noise, from -1 to 1; None
        if there was no loader_train.
    """
    report = None
    if loader_train is None:
        from cs231n.embedded.digits import load_digits
        from cs231n.support.figures import show_digits

        train, _ = load_digits(verbose=False)
        loader_train = Batches(train.images, train.labels, batch_size)
        report = show_digits
    history = train_gan(
        *(D, G, D_solver, G_solver, discriminator_loss, generator_loss, loader_train),
        draw_noise=sample_noise,
        show_every=show_every,
        batch_size=batch_size,
        noise_size=noise_size,
        num_epochs=num_epochs,
        checkpoint=checkpoint,
        report=report,
    )
    return [images for _, images in history.samples] if report is None else None


class ChunkSampler(Sampler[int]):
    """Go through a stretch of a data set in order."""

    def __init__(self, num_samples: int, start: int = 0) -> None:
        """Choose the stretch.

        Args:
            num_samples: How many indices.
            start: The first one.
        """
        self.num_samples = num_samples
        self.start = start

    def __iter__(self) -> Iterator[int]:
        """Go through it."""
        return iter(range(self.start, self.start + self.num_samples))

    def __len__(self) -> int:
        """Return how many there are."""
        return self.num_samples


class Flatten(nn.Module):
    """Turn (N, C, H, W) into (N, C * H * W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Put each picture's numbers in a row, however they lie in memory.

        Raises:
            ValueError: If there is no axis for pictures.
        """
        if x.ndim < 2:
            raise ValueError(
                f"Flatten got shape {tuple(x.shape)}; pictures (N, C, H, W) are "
                "wanted, so give a single one an axis in front."
            )
        return x.flatten(1)


class Unflatten(nn.Module):
    """Turn (N, C * H * W) into (N, C, H, W)."""

    def __init__(
        self, N: int | None = -1, C: int = 128, H: int = 7, W: int = 7
    ) -> None:
        """Choose the shape.

        Args:
            N: Pictures; -1 or None for as many as come.
            C: Channels.
            H: Rows.
            W: Columns.
        """
        super().__init__()
        self.N, self.C, self.H, self.W = -1 if N is None else N, C, H, W

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give each row the shape of a picture.

        Raises:
            ValueError: If the numbers do not fill N pictures.
        """
        size = self.C * self.H * self.W
        fits = x.numel() == self.N * size if self.N >= 0 else x.numel() % size == 0
        if not fits:
            count = "any number of" if self.N < 0 else str(self.N)
            advice = "look at the layer before"
            if x.numel() % size == 0:
                advice = (
                    f"these are {x.numel() // size}, and N=-1 takes as many as come"
                )
            raise ValueError(
                f"Unflatten got shape {tuple(x.shape)}; {count} pictures of {self.C} x "
                f"{self.H} x {self.W} numbers are wanted: {advice}."
            )
        return x.reshape(self.N, self.C, self.H, self.W)


def initialize_weights(m: nn.Module) -> None:
    """Draw a layer's weights as Glorot and Bengio proposed; for ``model.apply``.

    Args:
        m: A layer; only linear and transposed convolutional ones are changed.

    Example:
        >>> layer = torch.nn.Linear(3, 3)
        >>> layer.weight.data[:] = 9
        >>> _ = layer.apply(initialize_weights)
        >>> bool(layer.weight.abs().max() <= 1)  # sqrt(6 / (3 + 3))
        True
    """
    if isinstance(m, nn.Linear | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(m.weight)
