"""The classifier of digits without a framework: its stored weights, read by NumPy.

Letters in shapes: N pictures, C channels, H rows, W columns, O channels of the output,
K rows and columns of a filter.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cs231n import datasets
from cs231n.support.arrays import Array

FILE = "digit_classifier.npz"
ENOUGH = 0.98  # of the held-out digits
_ROOT = Path(__file__).resolve().parents[2]
_BLOCK = 100  # pictures at a time: patches of more take a lot of memory


class DigitReader:
    """Reads digits as the ``DigitClassifier`` does that its weights come from.

    Attributes:
        accuracy: Share of the held-out digits that it reads right.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]], accuracy: float) -> None:
        """Keep the weights.

        Args:
            weights: The classifier's, by their names there.
            accuracy: Share of the held-out digits that it reads right.
        """
        self._weights, self.accuracy = dict(weights), accuracy

    def look(self, images: NDArray[np.floating[Any]]) -> tuple[Array, Array]:
        """Return features and class probabilities.

        Args:
            images: (N, 784) or (N, 1, 28, 28) pictures from 0 to 1.

        Returns:
            features: (N, 64) what the last layer reads.
            probabilities: (N, 10) of each digit.
        """
        x = np.asarray(images, np.float32).reshape(-1, 1, 28, 28)
        starts = range(0, len(x), _BLOCK)
        features = np.concatenate([self._features(x[k : k + _BLOCK]) for k in starts])
        scores = self._affine(features, "scores").astype(np.float64)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return features.astype(np.float64), powers / powers.sum(axis=1, keepdims=True)

    def _features(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        for number, name in enumerate(("first", "second")):
            x = self._normalize(self._convolve(x, name), f"norms.{number}")
            N, C, H, W = x.shape
            x = x.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=(3, 5)).clip(min=0)
        features: NDArray[np.float32] = self._affine(
            x.reshape(len(x), -1), "hidden"
        ).clip(min=0)
        return features

    def _convolve(self, x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """Return (N, O, H, W) maps of (N, C, H, W)."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        K = weight.shape[-1]
        around = [(0, 0), (0, 0), (K // 2, K // 2), (K // 2, K // 2)]
        patches = sliding_window_view(np.pad(x, around), (K, K), axis=(2, 3))
        maps: NDArray[np.float32] = np.tensordot(
            patches, weight, axes=((1, 4, 5), (1, 2, 3))
        )
        maps += bias
        return maps.transpose(0, 3, 1, 2)

    def _normalize(self, x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        mean, var, weight, bias = (
            self._weights[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        normalized: NDArray[np.float32] = (x - mean) / np.sqrt(var + 1e-5)
        normalized *= weight
        normalized += bias
        return normalized

    def _affine(self, x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        out: NDArray[np.float32] = x @ self._weights[f"{name}.weight"].T
        out += self._weights[f"{name}.bias"]
        return out


def load_digit_reader(verbose: bool = True) -> DigitReader:
    """Read the classifier from the data folder, or have it trained in PyTorch.

    PyTorch does that in a process of its own.

    Args:
        verbose: Whether to say in one printed line how well it reads.

    Returns:
        The classifier.

    Raises:
        RuntimeError: If it cannot be trained.

    Example:
        >>> reader = load_digit_reader(verbose=False)
        >>> _, probabilities = reader.look(np.zeros((2, 784)))
        >>> probabilities.shape
        (2, 10)
    """
    reader = _stored()
    if reader is None:
        command = [sys.executable, "-m", "cs231n.embedded.digit_classifier"]
        done = subprocess.run(
            command, cwd=_ROOT, capture_output=True, text=True, check=False
        )
        reader = _stored()
        if reader is None:
            said = done.stderr.strip().rpartition("\n")[2] or "it said nothing"
            raise RuntimeError(
                f"The digit classifier could not be trained ({said}); run "
                "python -m cs231n.embedded.digit_classifier to see why."
            )
    if verbose:
        print(f"A classifier that reads {reader.accuracy:.1%} of digits it never saw.")
    return reader


def _stored() -> DigitReader | None:
    file = datasets.find(FILE)
    found = None if file is None else read_weights(file)
    if found is None or found[1] < ENOUGH:
        return None
    return DigitReader(*found)


def read_weights(file: Path) -> tuple[dict[str, NDArray[Any]], float] | None:
    """Return stored weights and the accuracy they are good for; None if damaged.

    Args:
        file: What ``load_digit_classifier`` has left in the data folder.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        return arrays, float(arrays.pop("accuracy"))
    except Exception:  # damaged bytes raise a dozen kinds in zipfile alone
        return None
