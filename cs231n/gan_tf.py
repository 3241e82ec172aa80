"""Q5 in TensorFlow, yours: two networks, one makes digits, one tells fake from real.

Letters in shapes: N pictures. A picture is a row of 784 pixels, those of 28 rows and 28
columns with one channel; a scaled picture goes from -1 (paper) to 1 (ink).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.embedded.digits import load_training_split
from cs231n.gradient_check import rel_error as rel_error  # noqa: PLC0414
from cs231n.support.frameworks import require_tensorflow
from cs231n.support.gans.loop import deprocess_img as deprocess_img  # noqa: PLC0414 (a re-export)
from cs231n.support.gans.loop import fixed_noise
from cs231n.support.gans.loop import preprocess_img as preprocess_img  # noqa: PLC0414 (a re-export)
from cs231n.support.gans.training_tensorflow import Batches, Report, draw, train_gan
from cs231n.support.gans.training_tensorflow import count_params as count_params  # noqa: PLC0414 (a re-export)

require_tensorflow()

import tensorflow as tf  # noqa: E402

NOISE_DIM = 96


def leaky_relu(x: Any, alpha: float = 0.01) -> Any:
    """Let positive numbers through, and a little of negative ones.

    Args:
        x: Numbers of any shape.
        alpha: Slope for negative numbers, between 0 and 1.

    Returns:
        Numbers of the same shape and dtype: max(x, alpha * x).

    Example:
        >>> leaky_relu(tf.constant([-2.0, 3.0]), alpha=0.5).numpy().tolist()
        [-1.0, 3.0]
    """
    # TODO(Q5): Compute the leaky ReLU.
    # BEGIN SOLUTION
    x = tf.maximum(x, alpha * x)
    # END SOLUTION
    return x


def sample_noise(batch_size: int, dim: int, seed: int | None = None) -> tf.Tensor:
    """Draw what a generator makes pictures of.

    Args:
        batch_size: How many rows.
        dim: Numbers in a row.
        seed: Of TensorFlow's random numbers; None leaves them as they are.

    Returns:
        noise: (batch_size, dim) independent numbers, uniform between -1 and 1.

    Example:
        >>> noise = sample_noise(2, 3, seed=231)
        >>> tuple(noise.shape), float(tf.abs(noise).numpy().max()) <= 1
        ((2, 3), True)
    """
    if seed is not None:
        tf.random.set_seed(seed)
    # TODO(Q5): Draw the noise.
    # BEGIN SOLUTION
    noise = tf.random.uniform((batch_size, dim), minval=-1, maxval=1)
    # END SOLUTION
    return noise


def discriminator(seed: int | None = None) -> tf.keras.Model:
    """Build the network that tells real pictures from fakes.

    Args:
        seed: Of Keras' random numbers, from which Python's, NumPy's and TensorFlow's
            are set as well; None leaves them as they are.

    Returns:
        model: (N, 784) scaled pictures -> (N, 1) logits, high for real ones.

    Example:
        >>> tuple(discriminator(seed=231)(tf.zeros((2, 784))).shape)
        (2, 1)
    """
    if seed is not None:
        tf.keras.utils.set_random_seed(seed)
    # TODO(Q5): Put the layers that the notebook lists into tf.keras.Sequential; it
    # begins with tf.keras.Input, which says how long a row is.
    # BEGIN SOLUTION
    model = tf.keras.Sequential(
        [
            tf.keras.Input((784,)),
            tf.keras.layers.Dense(256),
            tf.keras.layers.LeakyReLU(negative_slope=0.01),
            tf.keras.layers.Dense(256),
            tf.keras.layers.LeakyReLU(negative_slope=0.01),
            tf.keras.layers.Dense(1),
        ]
    )
    # END SOLUTION
    return model


def generator(noise_dim: int = NOISE_DIM, seed: int | None = None) -> tf.keras.Model:
    """Build the network that makes fakes.

    Args:
        noise_dim: Numbers that a picture is made of.
        seed: As for discriminator.

    Returns:
        model: (N, noise_dim) noise -> (N, 784) scaled pictures.

    Example:
        >>> tuple(generator(noise_dim=4, seed=231)(tf.zeros((2, 4))).shape)
        (2, 784)
    """
    if seed is not None:
        tf.keras.utils.set_random_seed(seed)
    # TODO(Q5): Put the layers that the notebook lists into tf.keras.Sequential.
    # BEGIN SOLUTION
    model = tf.keras.Sequential(
        [
            tf.keras.Input((noise_dim,)),
            tf.keras.layers.Dense(1024, activation="relu"),
            tf.keras.layers.Dense(1024, activation="relu"),
            tf.keras.layers.Dense(784, activation="tanh"),
        ]
    )
    # END SOLUTION
    return model


def discriminator_loss(logits_real: Any, logits_fake: Any) -> Any:
    """Measure how badly the discriminator tells real from fake.

    Args:
        logits_real: (N, 1) logits of real pictures.
        logits_fake: (N, 1) logits of fakes; there may be more or fewer of them.

    Returns:
        loss: () what the discriminator is to minimise.

    Example:
        >>> undecided = tf.zeros((4, 1))  # logits, so a probability of 1 / 2
        >>> loss = discriminator_loss(undecided, undecided)
        >>> f"{float(loss):.4f}", f"{2 * np.log(2):.4f}"
        ('1.3863', '1.3863')
    """
    # TODO(Q5): Compute the discriminator's loss, l_D in the notebook. Look for a
    # function of tf.nn that takes logits, so that it is finite for those of any size.
    # BEGIN SOLUTION
    real = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.ones_like(logits_real), logits=logits_real
    )
    fake = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.zeros_like(logits_fake), logits=logits_fake
    )
    loss = tf.reduce_mean(real) + tf.reduce_mean(fake)
    # END SOLUTION
    return loss


def generator_loss(logits_fake: Any) -> Any:
    """Measure how seldom the discriminator takes fakes for real.

    Args:
        logits_fake: (N, 1) logits of fakes.

    Returns:
        loss: () what the generator is to minimise.

    Example:
        >>> undecided = tf.zeros((4, 1))  # logits, so a probability of 1 / 2
        >>> f"{float(generator_loss(undecided)):.4f}", f"{np.log(2):.4f}"
        ('0.6931', '0.6931')
    """
    # TODO(Q5): Compute the generator's loss, l_G in the notebook.
    # BEGIN SOLUTION
    fake = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.ones_like(logits_fake), logits=logits_fake
    )
    loss = tf.reduce_mean(fake)
    # END SOLUTION
    return loss


def get_solvers(learning_rate: float = 1e-3, beta1: float = 0.5) -> tuple[Any, Any]:
    """Build what changes the two networks' weights, one for each of them.

    Args:
        learning_rate: Of both.
        beta1: Of both: how much of the last steps' gradients is kept.

    Returns:
        D_solver: Adam for the discriminator.
        G_solver: Another Adam for the generator.

    Example:
        >>> D_solver, G_solver = get_solvers()
        >>> type(D_solver).__name__, D_solver is G_solver
        ('Adam', False)
    """
    # TODO(Q5): Build the two solvers; see tf.keras.optimizers.
    # BEGIN SOLUTION
    D_solver = tf.keras.optimizers.Adam(learning_rate, beta_1=beta1)
    G_solver = tf.keras.optimizers.Adam(learning_rate, beta_1=beta1)
    # END SOLUTION
    return D_solver, G_solver


def ls_discriminator_loss(scores_real: Any, scores_fake: Any) -> Any:
    """Measure how far the discriminator's scores are from what they should be.

    Args:
        scores_real: (N, 1) scores of real pictures.
        scores_fake: (N, 1) scores of fakes; there may be more or fewer of them.

    Returns:
        loss: () what the discriminator is to minimise.

    Example:
        >>> real, fake = tf.ones((4, 1)), tf.zeros((4, 1))  # scores that are right
        >>> float(ls_discriminator_loss(real, fake))
        0.0
    """
    # TODO(Q5): Compute the least squares l_D of the notebook.
    # BEGIN SOLUTION
    loss = 0.5 * tf.reduce_mean((scores_real - 1) ** 2)
    loss = loss + 0.5 * tf.reduce_mean(scores_fake**2)
    # END SOLUTION
    return loss


def ls_generator_loss(scores_fake: Any) -> Any:
    """Measure how far fakes' scores are from those that real pictures should have.

    Args:
        scores_fake: (N, 1) scores of fakes.

    Returns:
        loss: () what the generator is to minimise.

    Example:
        >>> float(ls_generator_loss(tf.ones((4, 1))))  # all fakes are taken for real
        0.0
    """
    # TODO(Q5): Compute the least squares l_G of the notebook.
    # BEGIN SOLUTION
    loss = 0.5 * tf.reduce_mean((scores_fake - 1) ** 2)
    # END SOLUTION
    return loss


def dc_discriminator() -> tf.keras.Model:
    """Build a discriminator with convolutions.

    Returns:
        model: (N, 784) scaled pictures -> (N, 1) scores.

    Example:
        >>> tuple(dc_discriminator()(tf.zeros((2, 784))).shape)
        (2, 1)
    """
    # TODO(Q5): Put the layers that the notebook lists into tf.keras.Sequential.
    # BEGIN SOLUTION
    model = tf.keras.Sequential(
        [
            tf.keras.Input((784,)),
            tf.keras.layers.Reshape((28, 28, 1)),
            tf.keras.layers.Conv2D(32, 5),
            tf.keras.layers.LeakyReLU(negative_slope=0.01),
            tf.keras.layers.MaxPool2D(2),
            tf.keras.layers.Conv2D(64, 5),
            tf.keras.layers.LeakyReLU(negative_slope=0.01),
            tf.keras.layers.MaxPool2D(2),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(4 * 4 * 64),
            tf.keras.layers.LeakyReLU(negative_slope=0.01),
            tf.keras.layers.Dense(1),
        ]
    )
    # END SOLUTION
    return model


def dc_generator(noise_dim: int = NOISE_DIM) -> tf.keras.Model:
    """Build a generator with transposed convolutions.

    Args:
        noise_dim: Numbers that a picture is made of.

    Returns:
        model: (N, noise_dim) noise -> (N, 784) scaled pictures. Called with
            ``training=True``, as it always is here, its batch normalization goes by the
            batch.

    Example:
        >>> tuple(dc_generator(noise_dim=4)(tf.zeros((2, 4)), training=True).shape)
        (2, 784)
    """
    # TODO(Q5): Put the layers that the notebook lists into tf.keras.Sequential.
    # BEGIN SOLUTION
    model = tf.keras.Sequential(
        [
            tf.keras.Input((noise_dim,)),
            tf.keras.layers.Dense(1024, activation="relu"),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.Dense(7 * 7 * 128, activation="relu"),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.Reshape((7, 7, 128)),
            tf.keras.layers.Conv2DTranspose(
                64, 4, strides=2, padding="same", activation="relu"
            ),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.Conv2DTranspose(
                1, 4, strides=2, padding="same", activation="tanh"
            ),
            tf.keras.layers.Flatten(),
        ]
    )
    # END SOLUTION
    return model


def run_a_gan(
    D: Any,
    G: Any,
    D_solver: Any,
    G_solver: Any,
    discriminator_loss: Callable[..., Any],
    generator_loss: Callable[..., Any],
    show_every: int = 250,
    print_every: int = 20,
    batch_size: int = 128,
    num_epochs: int = 10,
    noise_size: int = 96,
    *,
    loader_train: Iterable[Any] | None = None,
    report: Report | None = None,
) -> tuple[list[NDArray[np.float32]], tf.Tensor]:
    """Train a GAN, printing losses now and then.

    Args:
        D: The discriminator.
        G: The generator.
        D_solver: Changes D's weights.
        G_solver: Changes G's weights.
        discriminator_loss: Logits of real pictures and of fakes -> loss of D.
        generator_loss: Logits of fakes -> loss of G.
        show_every: Iterations between reports.
        print_every: Iterations between lines with losses.
        batch_size: Pictures in a batch.
        num_epochs: Passes over the pictures.
        noise_size: Numbers that G makes a picture of.
        loader_train: Batches of pictures between 0 and 1, with or without labels; None
            takes the digits that are here, in a new order in each pass.
        report: Called with the iteration and the pictures of each report.

    Returns:
        images: (16, 784) pictures of each report, always of the same noise, from -1 to
            1.
        last: (16, 784) pictures of that noise at the end.
    """
    if loader_train is None:
        loader_train = MNIST(batch_size, shuffle=True)
    history = train_gan(
        *(D, G, D_solver, G_solver, discriminator_loss, generator_loss, loader_train),
        draw_noise=sample_noise,
        show_every=show_every,
        print_every=print_every,
        batch_size=batch_size,
        num_epochs=num_epochs,
        noise_size=noise_size,
        report=report,
    )
    last = draw(G, tf.constant(fixed_noise(noise_size)), batch_size)
    return [images for _, images in history.samples], tf.constant(last)


class MNIST(Batches):
    """Minibatches of digits, and what they are: all that MNIST has to train on.

    Attributes:
        X: (N, 784) float32 pictures from 0 (paper) to 1 (ink), where N is 60,000, or
            4,000 where only a part of MNIST is at hand.
        y: (N,) int64, 0 to 9.

    Example:
        >>> images, labels = next(iter(MNIST(batch_size=16)))
        >>> images.shape, labels.shape
        ((16, 784), (16,))
    """

    def __init__(self, batch_size: int, shuffle: bool = False) -> None:
        """Read the digits that are here.

        Args:
            batch_size: Pictures in a batch.
            shuffle: Whether each pass has a new order.
        """
        digits = load_training_split()
        super().__init__(digits.images, digits.labels, batch_size, shuffle)
