"""Steps of the notebooks in TensorFlow, as their loops take them.

Letters in shapes: N pictures, H rows, W columns.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cs231n import gan_tf as q5
from cs231n.classifiers.squeezenet_tf import load_squeezenet_tensorflow
from cs231n.lab.painting_tensorflow import Features, make_objective
from cs231n.net_visualization_tensorflow import class_visualization_update_step
from cs231n.style_transfer_tensorflow import gram_matrix
from cs231n.support.frameworks import require_tensorflow
from cs231n.support.gans.training_tensorflow import GANStep
from cs231n.support.graphs_tensorflow import Graph

require_tensorflow()

import tensorflow as tf  # noqa: E402

# Does a step, and returns what the same step in PyTorch gives.
Step = Callable[[], NDArray[np.floating]]


def class_visualization(side: int) -> Step:
    """Return a step of class visualization, which gives how the picture changes."""
    model = load_squeezenet_tensorflow(verbose=False)
    (start,) = _draw((1, 3, side, side))

    def update(X: tf.Tensor) -> tf.Tensor:
        return class_visualization_update_step(X, model, 76, 1e-3, 25)

    step = Graph(update)
    return lambda: _channels_first(step(start) - start)


def style_transfer(height: int, width: int) -> Step:
    """Return a step of style transfer with Adam, which gives the gradient."""
    model = load_squeezenet_tensorflow(verbose=False)
    content, style, start = _draw(*[(1, 3, height, width)] * 3)
    layers, weights = (0, 3, 5, 6), (20000, 500, 12, 1)
    features = Features(model, layers)
    feats = features(style)
    targets = [gram_matrix(feats[layer]) for layer in layers]
    objective = make_objective(
        model, 2, 5e-2, features(content)[2], layers, weights, targets, 5e-2
    )

    def slopes(img: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(img)
            total = tf.add_n([*objective(img).values()])
        return tape.gradient(total, img)

    slopes_at = Graph(slopes)
    img = tf.Variable(start)
    adam = tf.keras.optimizers.Adam(3.0)
    adam.build([img])
    descend = tf.function(lambda g: adam.apply_gradients([(g, img)]))

    def step() -> NDArray[np.floating]:
        img.assign(start)
        gradient = slopes_at(img.value())
        descend(gradient)
        return _channels_first(gradient)

    return step


def convolutional_gan(N: int) -> Step:
    """Return a step of the convolutional GAN, which gives both losses."""
    tf.keras.utils.set_random_seed(3)
    pixels = np.random.default_rng(231).random((N, 784), dtype=np.float32)
    step = GANStep(
        (q5.dc_discriminator(), q5.dc_generator()),
        q5.get_solvers(),
        (q5.discriminator_loss, q5.generator_loss),
        batch_size=N,
    )

    def both() -> NDArray[np.floating]:
        first, second = (q5.sample_noise(N, q5.NOISE_DIM) for _ in range(2))
        d_loss = step.train_discriminator(tf.constant(2 * pixels - 1), first)
        return np.array([d_loss, step.train_generator(second)])

    return both


def _draw(*shapes: tuple[int, ...]) -> list[tf.Tensor]:
    """Draw what the benchmarks of PyTorch draw."""
    rng = np.random.default_rng(231)
    return [
        tf.constant(rng.normal(size=shape).transpose(0, 2, 3, 1), tf.float32)
        for shape in shapes
    ]


def _channels_first(pictures: tf.Tensor) -> NDArray[np.floating]:
    return np.asarray(pictures).transpose(0, 3, 1, 2)
