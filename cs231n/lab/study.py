"""How well several ways to learn do with few labels, as numbers with error bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Study:
    """How well networks read digits that they never saw.

    Attributes:
        labels: Numbers of labelled digits.
        accuracies: Method -> (len(labels), runs) shares read right; one method may
            have more runs than another.
    """

    labels: tuple[int, ...]
    accuracies: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def mean(self, method: str) -> NDArray[np.float64]:
        """Return the mean over runs, for each number of labels.

        Example:
            >>> shares = np.array([[0.5, 0.7], [0.8, 0.8]])  # of two runs
            >>> Study((20, 50), {"labels alone": shares}).mean("labels alone").round(3)
            array([0.6, 0.8])
        """
        means: NDArray[np.float64] = self.accuracies[method].mean(axis=1)
        return means

    def error(self, method: str) -> NDArray[np.float64]:
        """Return the mean's standard error: what an error bar shows, either way."""
        values = self.accuracies[method]
        errors: NDArray[np.float64] = values.std(axis=1, ddof=1) / np.sqrt(
            values.shape[1]
        )
        return errors

    def gap(self, better: str, worse: str) -> NDArray[np.float64]:
        """Return what lies between two methods' error bars; negative if they overlap.

        Args:
            better: The method that should be better.
            worse: The other one.
        """
        low = self.mean(better) - self.error(better)
        return low - (self.mean(worse) + self.error(worse))

    def table(self) -> str:
        """Return means and standard errors in percent, a line for each method.

        Example:
            >>> shares = np.array([[0.5, 0.7], [0.8, 0.8]])  # of two runs
            >>> print(Study((20, 50), {"labels alone": shares}).table())
            labels                  20            50
            labels alone 60.0 ± 10.0 %  80.0 ± 0.0 %
        """
        width = max(map(len, self.accuracies))
        lines = [f"{'labels':{width}}" + "".join(f"{n:>14}" for n in self.labels)]
        for method in self.accuracies:
            pairs = zip(self.mean(method), self.error(method), strict=True)
            cells = [f"{100 * m:.1f} ± {100 * e:.1f} %" for m, e in pairs]
            lines.append(f"{method:{width}}" + "".join(f"{c:>14}" for c in cells))
        return "\n".join(lines)
