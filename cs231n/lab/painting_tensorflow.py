"""Paint by gradient descent in TensorFlow, as ``painting`` does in PyTorch.

The losses are those of ``style_transfer_tensorflow``. The network is frozen, and runs
no further than the last layer that a loss looks at. Pictures are (1, h, w, 3).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cs231n.image_utils import deprocess_image, load_image, preprocess_image
from cs231n.lab.painted import (
    LIMIT,
    Record,
    moments,
    require_layers,
    what_counts,
)
from cs231n.style_transfer_tensorflow import (
    content_loss,
    gram_matrix,
    style_loss,
    tv_loss,
)
from cs231n.support.frameworks import require_tensorflow
from cs231n.support.graphs_tensorflow import Graph
from cs231n.support.progress import progress_bar

require_tensorflow()

import tensorflow as tf  # noqa: E402

if TYPE_CHECKING:
    from PIL import Image

# Picture -> its losses by name; their sum is what gets lower.
Objective: TypeAlias = Callable[[tf.Tensor], dict[str, tf.Tensor]]


class Painting(Record):
    """A picture that was painted, (1, h, w, 3), and how it came about."""

    @property
    def picture(self) -> Image.Image:
        """The picture as people see it."""
        return as_picture(self.image)


def as_picture(img: NDArray[Any] | tf.Tensor) -> Image.Image:
    """Turn a network's input, (1, h, w, 3), into a picture of the whole range."""
    from PIL import Image

    return Image.fromarray(deprocess_image(np.asarray(img)[0], rescale=True))


def read_picture(file: str | os.PathLike[str], size: int) -> tf.Tensor:
    """Read a picture as the network's input.

    Args:
        file: The picture's file.
        size: What the shorter side is scaled to.

    Returns:
        (1, h, w, 3) picture.

    Example:
        >>> from PIL import Image
        >>> Image.new("RGB", (80, 60), "gold").save("gold.png")
        >>> read_picture("gold.png", 30).shape
        TensorShape([1, 30, 40, 3])
    """
    return tf.constant(preprocess_image(load_image(file, size))[None])


class Features:
    """The first layers of a frozen network, as far as they are needed."""

    def __init__(self, cnn: tf.keras.Model, layers: Collection[int]) -> None:
        """Keep what computes some layers' features.

        Args:
            cnn: Such as SqueezeNet; unchanged.
            layers: Places of the layers whose features are wanted, as
                ``extract_features`` counts them.

        Raises:
            IndexError: If the network has no such layer.
        """
        there = cnn.net.layers[:-2]
        require_layers(layers, len(there))
        self.layers = there[: max(layers, default=-1) + 1]

    def __call__(self, img: tf.Tensor) -> list[tf.Tensor]:
        """Return the features of a picture at each layer up to the last one needed."""
        features = []
        for layer in self.layers:
            img = layer(img)
            features.append(img)
        return features


def make_objective(
    cnn: tf.keras.Model,
    content_layer: int,
    content_weight: float,
    content_target: tf.Tensor | None,
    style_layers: Sequence[int],
    style_weights: Sequence[float],
    style_targets: Sequence[tf.Tensor],
    tv_weight: float,
) -> Objective:
    """Put the three losses together; what has no weight is not computed.

    Args:
        cnn: Such as SqueezeNet.
        content_layer: Layer at which content is compared.
        content_weight: Weight of the content loss.
        content_target: (1, H, W, C) features to come near; None for no content at all.
        style_layers: Layers at which style is compared.
        style_weights: Weight of each of them.
        style_targets: Gram matrix to come near at each of them.
        tv_weight: Weight of the total variation.

    Returns:
        Picture -> its losses "content", "style" and "tv".
    """
    content = content_layer, content_weight, content_target
    with_content, styles, needed = what_counts(
        content, style_layers, style_weights, style_targets
    )
    features = Features(cnn, needed)

    def objective(img: tf.Tensor) -> dict[str, tf.Tensor]:
        feats = features(img)
        losses: dict[str, Any] = {}
        if with_content:
            losses["content"] = content_loss(
                content_weight, feats[content_layer], content_target
            )
        if styles:
            layers, weights, targets = zip(*styles, strict=True)
            losses["style"] = style_loss(feats, layers, targets, weights)
        if tv_weight != 0:
            losses["tv"] = tv_loss(img, tv_weight)
        # A loss may come as a number, or with an axis of one.
        return {
            name: tf.reshape(tf.cast(loss, img.dtype), ())
            for name, loss in losses.items()
        }

    return objective


def paint(
    start: tf.Tensor,
    objective: Objective,
    num_iterations: int = 200,
    learning_rate: float = 3.0,
    snapshots: int = 6,
) -> Painting:
    """Lower a picture's losses with Adam: large steps, and small ones at the end.

    Args:
        start: (1, h, w, 3) picture to begin with, unchanged.
        objective: The losses of a picture.
        num_iterations: How many steps; the last tenth is taken with a thirtieth of the
            learning rate, and in the last twentieth colours are not limited any more.
        learning_rate: Adam's.
        snapshots: How many pictures to keep on the way, the first and last included.

    Returns:
        The painting.

    Raises:
        FloatingPointError: If the losses become NaN or infinite.

    Example:
        >>> def objective(img):
        ...     return {"content": tf.reduce_sum(tf.square(img - 0.5))}
        >>> painting = paint(tf.zeros((1, 4, 4, 3)), objective, num_iterations=5)
        >>> len(painting.losses["content"]), painting.picture.size
        (5, (4, 4))
    """

    def slopes(img: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(img)
            losses = objective(img)
            total = tf.add_n([*losses.values()])
        nothing = tf.UnconnectedGradients.ZERO
        return losses, tape.gradient(total, img, unconnected_gradients=nothing)

    slopes_at = Graph(slopes)
    img = tf.Variable(start)
    painting = Painting(start)
    descend = _adam(img, learning_rate)
    began = time.perf_counter()
    with progress_bar(num_iterations, "painting") as bar:
        for moment in moments(num_iterations, snapshots):
            if moment.limited:
                img.assign(tf.clip_by_value(img, -LIMIT, LIMIT))
            losses, gradient = slopes_at(img.value())
            painting.write_down({k: float(loss) for k, loss in losses.items()}, began)
            if moment.slows:
                descend = _adam(img, learning_rate / 30)
            descend(gradient)
            if moment.shown:
                painting.snapshots.append((moment.t, as_picture(img)))
            bar.update()
    painting.image = img.numpy()
    return painting


def _adam(img: tf.Variable, learning_rate: float) -> Callable[[tf.Tensor], Any]:
    """Return what takes a step of Adam's from a gradient at a picture."""
    optimizer = tf.keras.optimizers.Adam(learning_rate, epsilon=1e-8)  # as PyTorch's
    optimizer.build([img])
    step: Callable[[tf.Tensor], Any] = tf.function(
        lambda gradient: optimizer.apply_gradients([(gradient, img)])
    )
    return step


def style_transfer(
    content_image: str | os.PathLike[str],
    style_image: str | os.PathLike[str],
    image_size: int,
    style_size: int,
    content_layer: int,
    content_weight: float,
    style_layers: Sequence[int],
    style_weights: Sequence[float],
    tv_weight: float,
    init_random: bool = False,
    *,
    cnn: tf.keras.Model,
    num_iterations: int = 200,
    snapshots: int = 6,
    seed: int = 231,
) -> Painting:
    """Paint the content of one picture in the style of another.

    Args:
        content_image: File of the picture whose content is kept.
        style_image: File of the picture whose style is borrowed.
        image_size: What the content picture's shorter side is scaled to.
        style_size: What the style picture's shorter side is scaled to.
        content_layer: Layer at which content is compared, as ``extract_features``
            counts them.
        content_weight: Weight of the content loss.
        style_layers: Layers at which style is compared.
        style_weights: Weight of each of them.
        tv_weight: Weight of the total variation.
        init_random: Whether to begin with noise in place of the content picture.
        cnn: The network, such as SqueezeNet.
        num_iterations: How many steps.
        snapshots: How many pictures to keep on the way.
        seed: Of the noise.

    Returns:
        The painting.

    Example:
        >>> from PIL import Image
        >>> from cs231n.classifiers.squeezenet_tf import SqueezeNet
        >>> Image.new("RGB", (80, 60), "gold").save("gold.png")
        >>> Image.linear_gradient("L").save("gray.png")
        >>> painting = style_transfer(
        ...     *("gold.png", "gray.png"),
        ...     image_size=30,
        ...     style_size=20,
        ...     content_layer=1,
        ...     content_weight=0.1,
        ...     style_layers=[0, 1],
        ...     style_weights=[1.0, 1.0],
        ...     tv_weight=0.1,
        ...     cnn=SqueezeNet(num_classes=10),
        ...     num_iterations=5,
        ... )
        >>> painting.picture.size, sorted(painting.losses)
        ((40, 30), ['content', 'style', 'tv'])
    """
    wanted = Features(cnn, [content_layer, *style_layers])
    content = read_picture(content_image, image_size)
    style_feats = wanted(read_picture(style_image, style_size))
    grams = [gram_matrix(style_feats[layer]) for layer in style_layers]
    objective = make_objective(
        *(cnn, content_layer, content_weight, wanted(content)[content_layer]),
        *(style_layers, style_weights, grams, tv_weight),
    )
    start = noise_like(content, seed) if init_random else content
    return paint(start, objective, num_iterations, snapshots=snapshots)


def noise_like(img: tf.Tensor, seed: int = 231) -> tf.Tensor:
    """Draw noise between 0 and 1, shaped like a picture.

    Example:
        >>> noise_like(tf.zeros((1, 4, 4, 3))).shape
        TensorShape([1, 4, 4, 3])
    """
    return tf.constant(np.random.default_rng(seed).random(img.shape), img.dtype)
