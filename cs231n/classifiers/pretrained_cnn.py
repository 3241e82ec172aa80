"""The convolutional network of the 2016 edition, in NumPy (given).

Nine blocks of convolution, batch normalization and ReLU; one of affine layer, batch
normalization and ReLU; an affine layer that gives the scores. They are numbered from 0
to 10, and forward and backward run from any of them to any other.

Letters in shapes: N images, C channels, H x W pixels.
"""

import operator
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from cs231n import datasets
from cs231n.datasets.readers import pretrained_cnn
from cs231n.im2col import places, require_images
from cs231n.layer_utils import *

Layer: TypeAlias = int | None

_LAST = 10  # the layer that gives the scores
_BLOCKS = 10  # layers with batch normalization: all but that one


class PretrainedCNN:
    """A network for small pictures whose every layer can be read and entered.

    Attributes:
        params: ``W1`` to ``W11``, ``b1`` to ``b11``, ``gamma1`` to ``gamma10`` and
            ``beta1`` to ``beta10``.
        conv_params: A dictionary with ``stride`` and ``pad`` for each convolution.
        bn_params: A dictionary for each batch normalization, holding its running
            averages once there are some.
        dtype: Of the weights, and of all that is computed.

    Example:
        >>> model = PretrainedCNN(num_classes=5, input_size=16)
        >>> len(model.conv_params), model.params["W1"].shape, model.params["b11"].shape
        (9, (64, 3, 5, 5), (5,))
    """

    def __init__(
        self,
        dtype: Any = np.float32,
        num_classes: int = 100,
        input_size: int = 64,
        h5_file: str | os.PathLike[str] | None = None,
    ) -> None:
        """Build the network with random weights, or with those of a file.

        Args:
            dtype: float32, or float64 for gradient checks.
            num_classes: Scores per image.
            input_size: Rows and columns of the images that get scores; up to the
                last convolution, any size will do.
            h5_file: Weights to load, as for load_weights.
        """
        self.dtype = dtype
        self.num_classes = num_classes
        self.input_size = input_size
        self.params: dict[str, Array] = {}
        self.bn_params: list[dict[str, Any]] = [
            {"mode": "train"} for _ in range(_BLOCKS)
        ]
        self.filter_sizes = [5, 3, 3, 3, 3, 3, 3, 3, 3]
        self.num_filters = [64, 64, 128, 128, 256, 256, 512, 512, 1024]
        strides = [2, 1, 2, 1, 2, 1, 2, 1, 2]
        pads = [2, 1, 1, 1, 1, 1, 1, 1, 1]
        self.conv_params = [
            {"stride": stride, "pad": pad}
            for stride, pad in zip(strides, pads, strict=True)
        ]
        hidden = 512

        channels, size = 3, input_size
        for i, (side, filters) in enumerate(
            zip(self.filter_sizes, self.num_filters, strict=True)
        ):
            self._draw(i, (filters, channels, side, side), channels * side * side)
            size, _ = places(
                (1, channels, size, size), (side, side), pads[i], strides[i]
            )
            channels = filters
        fan_in = channels * size * size
        self._draw(9, (fan_in, hidden), fan_in)
        self._draw(10, (hidden, num_classes), hidden)
        for name, value in self.params.items():
            self.params[name] = value.astype(dtype)
        if h5_file is not None:
            self.load_weights(h5_file)

    def _draw(self, layer: int, shape: tuple[int, ...], fan_in: int) -> None:
        """Give a layer random weights of a size that keeps its ReLUs' outputs alike.

        Source: He et al., "Delving Deep into Rectifiers", 2015.
        """
        units = shape[0] if len(shape) == 4 else shape[1]
        self.params[f"W{layer + 1}"] = np.sqrt(2 / fan_in) * np.random.randn(*shape)
        self.params[f"b{layer + 1}"] = np.zeros(units)
        if layer < _LAST:
            self.params[f"gamma{layer + 1}"] = np.ones(units)
            self.params[f"beta{layer + 1}"] = np.zeros(units)

    def load_weights(
        self, h5_file: str | os.PathLike[str], verbose: bool = False
    ) -> None:
        """Take over all weights and running averages from a file.

        Args:
            h5_file: Flat datasets named like ``params``, and ``running_mean1`` to
                ``running_mean10`` and ``running_var1`` to ``running_var10``. Weights
                may lie transposed. Where ``pretrained_model.h5`` is asked for and is
                not there, the data folder's is taken, or else a network that was
                trained on drawn pictures.
            verbose: Print each name and shape.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or belongs to another architecture; the
                network is as it was then.
        """
        wanted = {name: value.shape for name, value in self.params.items()}
        for i in range(1, _BLOCKS + 1):
            shape = self.params[f"gamma{i}"].shape
            wanted |= {f"running_mean{i}": shape, f"running_var{i}": shape}
        found = pretrained_cnn.read(locate_weights(h5_file), wanted)
        for name, value in found.items():
            if verbose:
                print(name, value.shape)
            value = value.astype(self.dtype)
            if name in self.params:
                self.params[name] = value
            else:
                kind = name.rstrip("0123456789")
                self.bn_params[int(name.removeprefix(kind)) - 1][kind] = value

    def forward(
        self, X: Array, start: Layer = None, end: Layer = None, mode: str = "test"
    ) -> tuple[Array, Any]:
        """Run some of the layers, or all of them.

        Args:
            X: (N, C, H, W) input of layer ``start``: pixels for layer 0. For the last
                layer (N, 512).
            start: First layer to run; 0 if not given.
            end: Last layer to run, that one included; 10 if not given.
            mode: 'test' normalizes with the running averages, 'train' with the
                batch's own, which it folds into the running ones.

        Returns:
            out: Output of layer ``end``.
            cache: For backward.

        Raises:
            ValueError: If there are no such layers, or X does not fit the first.

        Example:
            >>> model = PretrainedCNN(input_size=16)
            >>> out, cache = model.forward(np.zeros((2, 3, 16, 16), np.float32), end=0)
            >>> out.shape  # 64 filters, with stride 2
            (2, 64, 8, 8)
        """
        first, last = _layer(start, 0, "start"), _layer(end, _LAST, "end")
        if first > last:
            raise ValueError(
                f"start is {first} and end {last}; a forward pass runs upwards, so "
                "start must not be above end."
            )
        if mode not in {"train", "test"}:
            raise ValueError(f"forward got mode {mode!r}; use 'train' or 'test'.")
        X = np.asarray(X).astype(self.dtype, copy=False)
        caches = []
        for i in range(first, last + 1):
            self._require_input(X, i)
            w, b = self.params[f"W{i + 1}"], self.params[f"b{i + 1}"]
            if i == _LAST:
                X, cache = affine_forward(X, w, b)
                caches.append(cache)
                break
            scale = self.params[f"gamma{i + 1}"], self.params[f"beta{i + 1}"]
            bn_param = self.bn_params[i]
            bn_param["mode"] = mode
            if i < len(self.conv_params):
                X, cache = conv_bn_relu_forward(
                    X, w, b, *scale, self.conv_params[i], bn_param
                )
            else:
                X, cache = affine_bn_relu_forward(X, w, b, *scale, bn_param)
            caches.append(cache)
        return X, (first, last, caches)

    def _require_input(self, X: Array, layer: int) -> None:
        w = self.params[f"W{layer + 1}"]
        if layer < len(self.conv_params):
            require_images(X, "X")
            if X.shape[1] != w.shape[1]:
                hint = (
                    "; put channels first, with X.transpose(0, 3, 1, 2)"
                    if X.shape[3] == w.shape[1]
                    else ""
                )
                raise ValueError(
                    f"X has shape {X.shape}, but layer {layer} wants (N, {w.shape[1]}, "
                    f"H, W){hint}."
                )
        elif X.ndim < 2 or X.size == 0 or X[0].size != w.shape[0]:
            raise ValueError(
                f"X has shape {X.shape}, but layer {layer} wants {w.shape[0]} numbers "
                f"for each image; give what layer {layer - 1} puts out."
            )

    def backward(self, dout: Array, cache: Any) -> tuple[Array, dict[str, Array]]:
        """Backpropagate through the layers that forward ran.

        Args:
            dout: Gradient at forward's output, shaped like it.
            cache: Second result of forward; it may be used again.

        Returns:
            dX: Gradient at forward's X, shaped like it.
            grads: Gradients of the parameters of the layers that were run.
        """
        first, last, caches = cache
        dX = np.asarray(dout).astype(self.dtype, copy=False)
        grads: dict[str, Array] = {}
        for i, layer_cache in zip(
            range(last, first - 1, -1), reversed(caches), strict=True
        ):
            k = i + 1
            if i == _LAST:
                dX, grads[f"W{k}"], grads[f"b{k}"] = affine_backward(dX, layer_cache)
                continue
            step = (
                conv_bn_relu_backward
                if i < len(self.conv_params)
                else affine_bn_relu_backward
            )
            dX, dw, db, dgamma, dbeta = step(dX, layer_cache)
            grads |= {f"W{k}": dw, f"b{k}": db, f"gamma{k}": dgamma, f"beta{k}": dbeta}
        return dX, grads

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """Score images, and differentiate the loss where labels are given.

        Args:
            X: (N, 3, H, W) images.
            y: (N,) labels, 0 <= y < num_classes.

        Returns:
            Without labels, (N, num_classes) scores in test mode. With labels, the
            softmax loss in train mode and a dictionary of the gradients of all
            parameters.

        Example:
            >>> model = PretrainedCNN(num_classes=5, input_size=16)
            >>> X = np.random.randn(4, 3, 16, 16).astype(np.float32)
            >>> loss, grads = model.loss(X, np.array([3, 1, 0, 4]))
            >>> sorted(grads) == sorted(model.params), model.loss(X).shape
            (True, (4, 5))
        """
        if y is None:
            return self.forward(X, mode="test")[0]
        scores, cache = self.forward(X, mode="train")
        loss, dscores = softmax_loss(scores, y)
        _, grads = self.backward(dscores, cache)
        return loss, grads


def _layer(number: Layer, default: int, name: str) -> int:
    if number is None:
        return default
    index = operator.index(number)
    if not 0 <= index <= _LAST:
        raise ValueError(
            f"{name} is {number}, but the layers are numbered from 0 to {_LAST}."
        )
    return index


def locate_weights(path: str | os.PathLike[str]) -> Path:
    """Return the file of a network's weights that a path stands for.

    Args:
        path: The file. Where the original's ``pretrained_model.h5`` is asked for and is
            not there, the data folder is searched, and then a network is taken that was
            trained on drawn pictures; one printed line says so.

    Raises:
        FileNotFoundError: If another file is asked for that is not there.
    """
    file = Path(path)
    if file.is_file():
        return file
    if file.name != pretrained_cnn.FILE or file.exists():
        raise FileNotFoundError(
            f"There is no file {path}; get_pretrained_model.sh in cs231n/datasets "
            f"fetches the course's, and {pretrained_cnn.FILE!r} means the data "
            "folder's own."
        )
    from cs231n.embedded import tiny_model

    return datasets.find_or(
        pretrained_cnn.FILE,
        "a network trained on drawn pictures",
        lambda: tiny_model.ensure()[1],
    )
