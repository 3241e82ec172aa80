"""The critic of WGAN-GP in TensorFlow: known slopes, and what gradients flow into."""

import numpy as np
import pytest
import tensorflow as tf

from cs231n.extras.gan_extras_tensorflow import (
    build_critic,
    critic_generator_loss,
    critic_loss,
    gradient_penalty,
)
from cs231n.gan_tf import count_params

pytestmark = [pytest.mark.q5_tensorflow, pytest.mark.extra]


def linear_critic(slope):
    D = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    D.build((None, 784))
    D.set_weights([np.full((784, 1), slope / 28), np.ones(1)])
    return D


@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_known_everywhere(slope, rng):
    real, drawn = (rng.normal(size=(n, 784)).astype(np.float32) for n in (3, 5))
    found = gradient_penalty(linear_critic(slope), tf.constant(real), drawn, weight=2.0)
    assert float(found) == pytest.approx(2 * (slope - 1) ** 2, abs=1e-4)


def test_points_lie_between_a_fake_and_a_real_picture(rng):
    seen = []

    def D(x):
        seen.append(x.numpy())
        return tf.reduce_sum(x, axis=1, keepdims=True)

    real, drawn = (rng.normal(size=(200, 784)).astype(np.float32) for _ in range(2))
    gradient_penalty(D, tf.constant(real), tf.constant(drawn))
    shares = (seen[0] - drawn) / (real - drawn)
    share = np.median(shares, axis=1)
    between = drawn + share[:, None] * (real - drawn)
    np.testing.assert_allclose(seen[0], between, atol=1e-3)
    assert 0 <= share.min() < 0.1
    assert 0.9 < share.max() <= 1


def test_the_penalty_teaches_the_critic_and_not_the_generator(rng):
    D = linear_critic(3.0)
    real, drawn = (
        tf.Variable(rng.normal(size=(4, 784)).astype(np.float32)) for _ in range(2)
    )
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(D, real, drawn)
    weights, fakes = tape.gradient(penalty, [D.trainable_variables[0], drawn])
    # The penalty is 10 (|w| - 1)^2, and |w| = 3.
    np.testing.assert_allclose(weights, np.full((784, 1), 10 * 2 * 2 / 28), rtol=1e-4)
    assert fakes is None or not np.any(fakes)


def test_the_critics_losses_are_two_means_apart(rng):
    real, drawn = (rng.normal(size=(n, 1)) for n in (3, 5))
    found = float(critic_loss(tf.constant(real), tf.constant(drawn)))
    assert found == pytest.approx(drawn.mean() - real.mean())
    assert float(critic_generator_loss(tf.constant(drawn))) == pytest.approx(
        -drawn.mean()
    )


def test_the_critic_of_2017_has_the_parameters_it_had():
    D = build_critic()
    assert tuple(D(tf.zeros((2, 784)), training=True).shape) == (2, 1)
    assert count_params(D) == 3411649
