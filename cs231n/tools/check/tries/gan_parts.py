"""What trying out a GAN's pieces has in common in both frameworks."""

import numpy as np

from cs231n.tools.check.bench import Bench, as_array
from cs231n.tools.check.faults import UnfitError
from cs231n.tools.check.marks import Array, Results

NOISE_DIM = 4  # the number of parameters is known for this one
BATCH = 128  # what notebooks have
NOTEBOOKS_SIZE = "the notebook's batch"
COUNT = "the number of parameters"  # exact: a bias more or less is a part in 10,000

# Scores of real and of drawn pictures for which the course's answers are stored.
REAL = [0.93487311, -1.01698916, -0.57304769, -0.88162704, -1.40129389]
REAL += [-1.45395693, -1.54239755, -0.57273325, 0.98584429, 0.13312152]
FAKE = [-1.80865868, 0.09030055, -0.44289020, -0.07879368, -0.37655044]
FAKE += [0.32084742, -0.28590837, 1.01376281, 0.99241439, 0.39394346]
STORED = {"real": REAL, "fake": FAKE}


def noise(bench: Bench, drawn: object) -> Results:
    """Return what counts of (8, 4000) numbers that were drawn.

    Args:
        bench: Takes a remark.
        drawn: An array or a tensor.

    Raises:
        UnfitError: If there are more or fewer.
    """
    values = as_array("the noise", drawn)
    if values.shape != (8, 4000):
        raise UnfitError(f"the noise has shape {values.shape} instead of (8, 4000)")
    rows = len(np.unique(values, axis=0)) / len(values)
    if values.dtype != np.float32:
        bench.note(
            f"returns numbers of another dtype, {values.dtype}, than networks have"
        )
    return {
        "the smallest number": _rounded(values.min()),
        "the largest number": _rounded(values.max()),
        "the mean": _rounded(values.mean()),
        "the standard deviation": _rounded(values.std()),
        "the part of rows that differ": _rounded(rows),
    }


def _rounded(number: float) -> Array:
    # Rounded so far that chance has no part in it.
    return np.array([np.clip(np.round(number, 1), -2, 2)]) + 0.0
