"""A network of a few weights with PretrainedCNN's interface, for finite differences."""

import numpy as np

from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.tools.check.shared import Shared
from tests.on_copies import ENDLESS, PASSES

LAST = 10  # the layer that gives the scores


class SmallCNN(PretrainedCNN):
    """Eleven smooth layers, to be run one by one or together, as PretrainedCNN's.

    Layers 0 and 1 mix colours and neighbours, those from 2 to 8 hand on what they get,
    layer 9 takes means over places and layer 10 makes scores of them. Every picture of
    any height and width will do. In train mode the batch's mean is taken off first, so
    results differ from those of test mode.
    """

    def __init__(self, rng, classes=100):
        self.mix = [rng.normal(size=(4, 3)), rng.normal(size=(6, 4))]
        W = rng.normal(size=(6, classes))
        # Of one length, so that there is a way to the top for each of many classes.
        W *= np.sqrt(6) / np.linalg.norm(W, axis=0)
        self.params = {"W11": W, "b11": np.zeros(classes)}
        self.dtype, self.num_classes, self.input_size = np.float64, classes, 6
        self.filter_sizes, self.num_filters = [1] * 9, [4] + [6] * 8
        self.conv_params = [{"stride": 1, "pad": 0} for _ in range(9)]
        self.bn_params = [{"mode": "test"} for _ in range(10)]
        self.runs = Shared()  # start, end and mode of each forward pass

    def forward(self, X, start=None, end=None, mode="test"):
        first, last = start or 0, LAST if end is None else end
        self.runs.append((first, last, mode))
        assert len(self.runs) <= PASSES, ENDLESS
        if mode == "train":
            X = X - X.mean()
        caches = []
        for layer in range(first, last + 1):
            if layer < 2:
                X = np.einsum("kc,nchw->nkhw", self.mix[layer], _blend(X)) / 4
                caches.append(X)
                X = np.arctan(X)
                continue
            caches.append(X.shape)
            if layer == LAST - 1:
                X = X.mean(axis=(2, 3))
            elif layer == LAST:
                X = X @ self.params["W11"] + self.params["b11"]
        return X, (first, last, caches)

    def backward(self, dout, cache):
        first, last, caches = cache
        for layer in range(last, first - 1, -1):
            kept = caches[layer - first]
            if layer == LAST:
                dout = dout @ self.params["W11"].T
            elif layer == LAST - 1:
                H, W = kept[2:]
                dout = np.broadcast_to(dout[:, :, None, None] / (H * W), kept)
            elif layer < 2:
                dmixed = dout / (1 + kept**2) / 4
                dout = _unblend(np.einsum("kc,nkhw->nchw", self.mix[layer], dmixed))
        return np.array(dout), {}


def _blend(X):
    return X + 0.5 * np.roll(X, 1, 2) - 0.3 * np.roll(X, 1, 3)


def _unblend(dX):
    return dX + 0.5 * np.roll(dX, -1, 2) - 0.3 * np.roll(dX, -1, 3)
