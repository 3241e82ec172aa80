"""Extra, yours: a critic that cannot change too fast, in TensorFlow.

A discriminator that is much too good teaches nothing: its scores are flat wherever
fakes are. WGAN-GP (Gulrajani et al., 2017) bounds the length of their gradient.

Letters in shapes: N pictures.
"""

from __future__ import annotations

from typing import Any

from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402

from cs231n.support.gans.training_tensorflow import in_training  # noqa: E402


def critic_loss(scores_real: Any, scores_drawn: Any) -> Any:
    """Measure how little higher a critic scores real pictures than fakes.

    Args:
        scores_real: (N, 1) scores of real pictures.
        scores_drawn: (N, 1) scores of fakes.

    Returns:
        loss: () minus the difference of the two means.

    Example:
        >>> float(critic_loss(tf.fill((4, 1), 3.0), tf.ones((4, 1))))
        -2.0
    """
    # TODO(extra): No logarithms here: scores are no probabilities.
    # BEGIN SOLUTION
    loss = tf.reduce_mean(scores_drawn) - tf.reduce_mean(scores_real)
    # END SOLUTION
    return loss


def critic_generator_loss(scores_drawn: Any) -> Any:
    """Measure how low a critic scores fakes.

    Args:
        scores_drawn: (N, 1) scores of fakes.

    Returns:
        loss: () minus their mean.

    Example:
        >>> float(critic_generator_loss(tf.fill((4, 1), 3.0)))
        -3.0
    """
    # TODO(extra): See critic_loss: the real pictures are none of the generator's doing.
    # BEGIN SOLUTION
    loss = -tf.reduce_mean(scores_drawn)
    # END SOLUTION
    return loss


def gradient_penalty(D: Any, real: Any, drawn: Any, weight: float = 10.0) -> Any:
    """Measure how far the critic's gradient is from 1, between real pictures and fakes.

    Args:
        D: The critic: (N, 784) -> (N, 1) scores.
        real: (N, 784) scaled real pictures.
        drawn: (M, 784) scaled fakes; of more than N, the first N count. No gradient
            flows into them.
        weight: What the penalty is multiplied by.

    Returns:
        penalty: () the weighted mean of (length of the gradient - 1) squared, at one
            point on the line from each fake to a real picture.

    Example:
        >>> D = tf.keras.Sequential([tf.keras.layers.Dense(1)])
        >>> D.build((None, 784))
        >>> D.set_weights([tf.fill((784, 1), 1 / 28), tf.zeros(1)])  # a slope of 1
        >>> real, drawn = tf.zeros((2, 784)), tf.ones((2, 784))
        >>> f"{float(gradient_penalty(D, real, drawn)):.3f}"
        '0.000'
    """
    # One share for each picture.
    N = real.shape[0]
    share = tf.random.uniform((N, 1))
    drawn = tf.stop_gradient(drawn[:N])
    # TODO(extra): Mix the pictures by their shares and ask for the gradient there: that
    # of the scores' sum, by a tape of your own, inside of which in_training(D, ...)
    # gives the scores. What you compute of it can be differentiated once more, as the
    # loop does, with respect to D's weights.
    # BEGIN SOLUTION
    between = share * real + (1 - share) * drawn
    with tf.GradientTape() as tape:
        tape.watch(between)
        total = tf.reduce_sum(in_training(D, between))
    slopes = tape.gradient(total, between)
    length = tf.sqrt(tf.reduce_sum(slopes**2, axis=1))
    penalty = weight * tf.reduce_mean((length - 1) ** 2)
    # END SOLUTION
    return penalty


def build_critic() -> tf.keras.Model:
    """Build the 2017 edition's discriminator for WGAN-GP.

    Returns:
        model: (N, 784) scaled pictures -> (N, 1) scores.

    Example:
        >>> tuple(build_critic()(tf.zeros((2, 784))).shape)
        (2, 1)
    """
    # TODO(extra): Put the layers that the notebook lists into tf.keras.Sequential.
    # BEGIN SOLUTION
    model = tf.keras.Sequential(
        [
            tf.keras.Input((784,)),
            tf.keras.layers.Reshape((28, 28, 1)),
            tf.keras.layers.Conv2D(64, 4, strides=2),
            tf.keras.layers.LeakyReLU(negative_slope=0.01),
            tf.keras.layers.Conv2D(128, 4, strides=2),
            tf.keras.layers.LeakyReLU(negative_slope=0.01),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(1024),
            tf.keras.layers.LeakyReLU(negative_slope=0.01),
            tf.keras.layers.Dense(1),
        ]
    )
    # END SOLUTION
    return model
