"""What the training loops of both frameworks share: turns, fixed noise, complaints."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cs231n.support.gans.history import GANHistory

SHAPE = (1, 28, 28)
PIXELS = math.prod(SHAPE)
SHOWN = 16  # pictures in a report

T = TypeVar("T", bound=Any)


def require_arguments(loader: Any, **counts: int) -> None:
    """Insist on batches to go through, and on whole numbers from 1.

    Args:
        loader: What batches come from.
        **counts: Name of an argument -> its value.

    Raises:
        ValueError: If a number is another one.
        TypeError: If nothing can be gone through.
    """
    for name, number in counts.items():
        if not number >= 1 or number != int(number):
            raise ValueError(f"{name} is {number!r}; use a whole number from 1.")
    if not hasattr(loader, "__iter__"):
        raise TypeError(
            f"loader_train came as {type(loader).__name__}, not as batches of pictures;"
            " name the arguments that follow it, such as show_every=100."
        )


def require_a_batch(count: int, batch_size: int) -> None:
    """Insist on pictures for at least one batch.

    Args:
        count: How many there are.
        batch_size: How many a batch holds.

    Raises:
        ValueError: If there are not enough.
    """
    if not 1 <= batch_size <= count:
        raise ValueError(
            f"{count} pictures do not fill a batch of {batch_size}; choose a "
            f"batch_size from 1 to {count}."
        )


def take_turns(
    history: GANHistory,
    real: Iterable[T],
    train_discriminator: Callable[[T], float],
    train_generator: Callable[[T], float],
    critic_steps: int,
) -> Iterator[tuple[int, float, float]]:
    """Go through real pictures once; note and yield each iteration's two losses.

    Args:
        history: Where the losses are noted.
        real: Batches of scaled pictures.
        train_discriminator: Takes a step, and returns its loss.
        train_generator: The same; it may want to know how many pictures there are.
        critic_steps: Steps of the discriminator for each of the generator.

    Yields:
        The iteration, the discriminator's loss and the generator's.
    """
    for pictures in real:
        t = len(history.d_losses)
        d_loss = train_discriminator(pictures)
        due = t % critic_steps == 0
        g_loss = train_generator(pictures) if due else history.g_losses[-1]
        history.d_losses.append(d_loss)
        history.g_losses.append(g_loss)
        yield t, d_loss, g_loss


def train(
    history: GANHistory,
    num_epochs: int,
    epoch: Callable[[], Iterable[tuple[int, float, float]]],
    after_step: Callable[[int, float, float], None],
    after_epoch: Callable[[], None] = lambda: None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> None:
    """Train until so many epochs are finished.

    Args:
        history: What has been; what comes is noted in it.
        num_epochs: How many epochs it shall have in the end.
        epoch: Goes through the pictures once, as ``take_turns`` does.
        after_step: Called with what it yields.
        after_epoch: Called when an epoch is finished.
        checkpoint: The file that holds an earlier state, if there is one.

    Raises:
        FloatingPointError: If a loss or a weight stops being finite.
    """
    began = time.perf_counter() - history.seconds
    while history.epochs < num_epochs:
        try:
            for t, d_loss, g_loss in epoch():
                after_step(t, d_loss, g_loss)
        except FloatingPointError as error:
            done = len(history.d_losses), history.epochs
            raise FloatingPointError(_farewell(error, *done, checkpoint)) from error
        history.epochs += 1
        history.seconds = time.perf_counter() - began
        after_epoch()


def preprocess_img(x: Any) -> Any:
    """Scale pixels from 0..1 to -1..1, which is the range of tanh."""
    return 2 * x - 1.0


def deprocess_img(x: Any) -> Any:
    """Scale pixels from -1..1 back to 0..1.

    Example:
        >>> deprocess_img(np.array([-1.0, 0.0, 1.0]))
        array([0. , 0.5, 1. ])
    """
    return (x + 1.0) / 2.0


def fixed_noise(noise_size: int) -> NDArray[np.float32]:
    """Draw a report's noise, without touching anybody's random numbers.

    Args:
        noise_size: Numbers in a row.

    Returns:
        (16, noise_size) numbers, uniform between -1 and 1.
    """
    noise = np.random.default_rng(231).uniform(-1, 1, size=(SHOWN, noise_size))
    return noise.astype(np.float32)


def length(loader: Any) -> int:
    """Return how many batches a pass has, 0 if nobody knows."""
    try:
        return len(loader)
    except TypeError:
        return 0


def require_pictures(
    x: T, is_floating: bool, ends: Callable[[T], tuple[float, float]], batch_size: int
) -> None:
    """Insist that a batch holds digits as the loop scales them.

    Args:
        x: What a loader gave: an array or a tensor.
        is_floating: Whether it holds floating point numbers.
        ends: Returns the smallest and the largest of them.
        batch_size: How many pictures it should hold.

    Raises:
        ValueError: If their number, size or range is another one.
        TypeError: If they are not floating point numbers.
    """
    shape = tuple(x.shape)
    if shape[0] != batch_size:
        raise ValueError(
            f"A batch holds {shape[0]} pictures, more than the batch_size of "
            f"{batch_size}; give the loader's own batch size."
        )
    if math.prod(shape[1:]) != PIXELS:
        raise ValueError(
            f"Pictures came with shape {shape[1:]}; (1, 28, 28) is wanted, so "
            "scale or crop them before."
        )
    if not is_floating:
        raise TypeError(
            f"Pixels came as {x.dtype}; floating point numbers from 0 to 1 are wanted, "
            "so convert them and divide by 255."
        )
    low, high = ends(x)
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        raise ValueError(
            f"Pixels lie between {low:g} and {high:g}; numbers from 0 to 1 are wanted, "
            "which the loop itself scales to -1 to 1."
        )


def require_fakes(shape: tuple[int, ...], N: int) -> None:
    """Insist that a generator made a picture of each row of noise.

    Args:
        shape: Of what it made.
        N: Rows of noise.

    Raises:
        ValueError: If it made something else.
    """
    if not shape or shape[0] != N or math.prod(shape) != N * PIXELS:
        raise ValueError(
            f"The generator made {tuple(shape)} of {N} rows of noise; "
            f"({N}, {PIXELS}) is wanted, a picture of 28 x 28 for each row."
        )


def nothing_came(short: int, batch_size: int) -> str:
    """Return what to say of a pass that had no full batch.

    Args:
        short: How many shorter ones it had.
        batch_size: Pictures in a full one.
    """
    came = f"{short} batches, all shorter than" if short else "nothing, and not"
    return (
        f"The loader gave {came} the batch_size of {batch_size}; check the data "
        "set, or use the loader's own batch size."
    )


def _farewell(
    error: FloatingPointError,
    t: int,
    epochs: int,
    checkpoint: str | os.PathLike[str] | None,
) -> str:
    """Return what to say of a training that ended in numbers that are not finite.

    Args:
        error: What stopped it.
        t: The iteration.
        epochs: Epochs that were finished.
        checkpoint: The file that holds an earlier state, if there is one.
    """
    text = f"{error} at iteration {t}, in epoch {epochs + 1}; "
    if checkpoint is not None and Path(checkpoint).exists():
        text += f"{os.fspath(checkpoint)} still holds the last good state, and "
    return text + "lower the learning rate or look at the loss, then start again."
