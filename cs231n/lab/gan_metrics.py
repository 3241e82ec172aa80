"""How good drawn digits are, in numbers: what a classifier sees in them.

Letters in shapes: N and M pictures, D features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cs231n.support.arrays import Array
from cs231n.support.gans.loop import PIXELS

# A class counts as drawn when one picture in a hundred is surely of it.
LEAST_SHARE, SURE = 0.01, 0.9


@dataclass(frozen=True)
class Quality:
    """What a classifier says of drawn digits.

    Attributes:
        modes: How many of the ten digits are drawn at all.
        confidence: The classifier's mean probability of the digit that it sees.
        frechet: Fréchet distance from real digits' features, as a share of the variance
            of these; 0 for digits that are spread as real ones are.
        precision: Share of drawn pictures that lie where real ones are.
        recall: Share of real pictures that lie where drawn ones are.
        shares: (10,) share of pictures that are surely of each digit.
    """

    modes: int
    confidence: float
    frechet: float
    precision: float
    recall: float
    shares: Array


class Reader(Protocol):
    """What reads digits, with the help of whichever framework."""

    def look(self, images: NDArray[np.floating[Any]]) -> tuple[Array, Array]:
        """Return (N, D) features and (N, K) probabilities of pictures."""
        ...


class Judge:
    """Compares drawn digits with real ones, through a classifier's eyes.

    Example:
        >>> from cs231n.embedded.digit_classifier import load_digit_classifier
        >>> from cs231n.embedded.digits import load_digits
        >>> _, held_out = load_digits(verbose=False)
        >>> real, others = held_out.images[:100], held_out.images[100:200]
        >>> judge = Judge(load_digit_classifier(verbose=False), real)
        >>> judge(others).modes  # all ten digits are there
        10
    """

    def __init__(self, classifier: Reader, real: NDArray[np.float32]) -> None:
        """Look at the real digits.

        Args:
            classifier: A ``DigitClassifier`` in evaluation mode, or a ``DigitReader``.
            real: (N, 1, 28, 28) digits from 0 to 1, best a thousand that the generator
                was not trained on.
        """
        self.classifier = classifier
        self.real, _ = self._look(real)

    def __call__(self, images: NDArray[np.floating[Any]]) -> Quality:
        """Judge as many drawn pictures as there are real ones.

        Args:
            images: (N, 784) or (N, 1, 28, 28) pictures from 0 to 1.

        Returns:
            Their quality.

        Raises:
            ValueError: If there are fewer than the real ones, or shape or range is
                another one.
        """
        if len(images) < len(self.real):
            raise ValueError(
                f"There are {len(images)} pictures to judge and {len(self.real)} real "
                "ones to compare them with; draw as many, or the numbers are biased."
            )
        features, probabilities = self._look(images[: len(self.real)])
        precision, recall = precision_and_recall(self.real, features)
        return Quality(
            *mode_coverage(probabilities),
            frechet_distance(self.real, features) / self.real.var(axis=0).sum(),
            precision,
            recall,
            _shares(probabilities),
        )

    def _look(self, images: NDArray[np.floating[Any]]) -> tuple[Array, Array]:
        """Return features and class probabilities."""
        x = np.asarray(images, dtype=np.float32)
        if x.ndim < 2 or x[0].size != PIXELS:
            raise ValueError(
                f"Pictures came with shape {x.shape}; (N, 784) or (N, 1, 28, 28) is "
                "wanted."
            )
        if not (x.min() >= -1e-3 and x.max() <= 1 + 1e-3):
            raise ValueError(
                f"Pixels lie between {x.min():g} and {x.max():g}; give numbers from 0 "
                "to 1 (deprocess_img makes them so)."
            )
        return self.classifier.look(x)


def mode_coverage(probabilities: Array) -> tuple[int, float]:
    """Count the classes that are drawn.

    Args:
        probabilities: (N, K) of each class, for each picture.

    Returns:
        modes: How many of the K classes have a hundredth of the pictures, and a
            classifier that is sure of them.
        confidence: Mean of the largest probability.
    """
    modes = int((_shares(probabilities) >= LEAST_SHARE).sum())
    return modes, float(probabilities.max(axis=1).mean())


def _shares(probabilities: Array) -> Array:
    sure = probabilities.max(axis=1) >= SURE
    counts = np.bincount(
        probabilities.argmax(axis=1)[sure], minlength=probabilities.shape[1]
    )
    shares: Array = counts / len(probabilities)
    return shares


def frechet_distance(first: Array, second: Array) -> float:
    """Compare two clouds of points by mean and covariance.

    It is the squared distance of the two means, plus what is left between the two
    covariances: tr(A + B - 2 (A B)^(1/2)).

    Args:
        first: (N, D) points.
        second: (M, D) points.

    Returns:
        The distance, squared as usual; 0 for the same mean and covariance.
    """
    means = first.mean(axis=0), second.mean(axis=0)
    A, B = (np.cov(points, rowvar=False, ddof=0) for points in (first, second))
    A, B = np.atleast_2d(A), np.atleast_2d(B)
    # A^(1/2) B A^(1/2) has the eigenvalues of A B and is symmetric, so that no
    # rounding makes its root complex.
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ B @ root).clip(min=0)).sum()
    gap = means[0] - means[1]
    return float(max(gap @ gap + np.trace(A) + np.trace(B) - 2 * shared, 0.0))


def precision_and_recall(
    real: Array, drawn: Array, neighbours: int = 3
) -> tuple[float, float]:
    """Ask of each point whether it lies where the other cloud is.

    A cloud is everywhere within its points' distances to their third neighbours
    (Kynkäänniemi et al., 2019).

    Args:
        real: (N, D) features of real pictures, N > neighbours.
        drawn: (M, D) features of drawn ones, M > neighbours.
        neighbours: Which neighbour's distance is a point's reach.

    Returns:
        precision: Share of drawn points that lie in the real cloud.
        recall: Share of real points that lie in the drawn cloud.
    """

    def share_inside(points: Array, cloud: Array) -> float:
        # The nearest of all is the point itself.
        reach = np.partition(cdist(cloud, cloud), neighbours, axis=1)[:, neighbours]
        return float((cdist(points, cloud) <= reach).any(axis=1).mean())

    return share_inside(drawn, real), share_inside(real, drawn)
