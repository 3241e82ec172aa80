"""What trying out a GAN's pieces has in common in both frameworks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cs231n.support.accuracy import LIMITS
from cs231n.tools.check.bench import ONE, Bench, Care, Exercise
from cs231n.tools.check.faults import UnfitError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import as_array
from cs231n.tools.check.tries.picture_parts import WITHIN

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


SAME = ("the first number", "the first column")  # from which other things follow
NO_ADAM = {"the kind of optimizer": "is not Adam as it was published"}
# What is said of noise where its statistics say yes or no.
NOT_NOISE = {
    "the first number": "is repeated everywhere",
    "the first row": "is repeated in all others",
    "the first column": "is repeated in all others",
    "the noise of a second call": "is that of the first",
    "the distribution of the numbers": "is not the uniform one from -1 to 1",
}
# Of the largest distance between shares of N numbers, N times squared, and those of
# the distribution they are from: more has a chance of one in a billion (Kolmogorov,
# Smirnov).
_CHANCE = 10.7


def noise(bench: Bench, drawn: object, again: object) -> Results:
    """Return what counts of (8, 4000) numbers that were drawn.

    Args:
        bench: Takes a remark.
        drawn: An array or a tensor.
        again: What the next call gave.

    Raises:
        UnfitError: If there are more or fewer.
    """
    values = as_array("the noise", drawn)
    if values.shape != (8, 4000):
        raise UnfitError(f"the noise has shape {values.shape} instead of (8, 4000)")
    constant = (values == values[0, 0]).all()
    same_rows = (values == values[0]).all() and not constant
    same_columns = (values[:, 0] == values.T).all() and not constant
    same = np.array_equal(values, as_array("the noise", again))
    uniform = values.size * _from_uniform(values) ** 2 < _CHANCE
    if constant or same_rows or same_columns:
        uniform = True  # so few numbers as there are say nothing of it
    if values.dtype != np.float32:
        bench.note(
            f"returns numbers of another dtype, {values.dtype}, than networks have"
        )
    statistics = {
        "the smallest number to a tenth": _rounded(values.min()),
        "the largest number to a tenth": _rounded(values.max()),
        "the mean to a tenth": _rounded(values.mean()),
        "the standard deviation to a tenth": _rounded(values.std()),
    }
    answers = (not constant, not same_rows, not same_columns, not same, uniform)
    return statistics | {
        name: np.array([1.0 if yes else -1.0])
        for name, yes in zip(NOT_NOISE, answers, strict=True)
    }


def _from_uniform(values: Array) -> float:
    """Return how far the share of numbers below one is from what it should be."""
    shares = (np.sort(values, axis=None).astype(np.float64) + 1) / 2
    steps = np.arange(len(shares) + 1) / len(shares)
    gaps = np.abs([shares - steps[1:], shares - steps[:-1]])
    return float(gaps.max())


def network(run: Callable[[Bench, int], Results], **more: Any) -> Exercise:
    """Try out a function that builds a network.

    Args:
        run: Gives the network so many inputs.
        **more: More of the exercise.
    """

    def run_in(bench: Bench, way: str) -> Results:
        return run(bench, BATCH if way == NOTEBOOKS_SIZE else 8)

    return Exercise(
        run_in,
        ways=("own", NOTEBOOKS_SIZE),
        narrow={NOTEBOOKS_SIZE: f"fails for other sizes than batches of {BATCH}"},
        within={"": WITHIN, COUNT: 1e-8},
        suits=_has_both_signs,
        **more,
    )


def _has_both_signs(results: Results) -> bool:
    """Tell whether it would show if a (leaky) ReLU followed the last layer."""
    out = results["the output"]
    return bool(out.min() < -0.1 * np.abs(out).max() and out.max() > 0)


def network_results(parameters: float, out: Array) -> Results:
    """Return what counts of a network.

    Args:
        parameters: How many numbers it has learned.
        out: What it made of its inputs.
    """
    return {COUNT: np.array([float(parameters)]), "the output": out}


def uniform(*shape: int) -> Callable[[np.random.RandomState, int], Array]:
    """Return what draws so many arrays of a shape, of numbers from -1 to 1."""
    return lambda rng, size: rng.uniform(-1, 1, size=(size, *shape))


def loss(
    names: Sequence[str],
    of_scores: Callable[..., Results],
    tensor: Callable[[Any], Any],
    one_number: Callable[[str, Any], Array],
    care: Care | None = None,
    **more: Any,
) -> Exercise:
    """Try out a loss.

    Args:
        names: Which scores it is of: "real", "fake".
        of_scores: Runs it on scores that are drawn: bench, shape, standard deviation.
        tensor: Makes a tensor of numbers.
        one_number: Takes a single number out of a result of a name.
        care: Remark -> case -> run, beside those of all losses.
        **more: More of the exercise.
    """

    def run(bench: Bench, way: str) -> Results:
        del way
        stored = [tensor(np.array(STORED[name])[:, None]) for name in names]
        known = one_number("the loss", bench.call(*stored))
        return of_scores(bench, (6, 1)) | {"the loss of the course's scores": known}

    return Exercise(
        run,
        within=LIMITS["GAN losses"],
        care={
            ONE: {"N = 1": lambda bench: of_scores(bench, (1, 1))},
            "fails for scores of extreme size": {
                "": lambda bench: of_scores(bench, (6, 1), 500)
            },
            **(care or {}),
        },
        letters={"N": 6},
        **more,
    )


def _rounded(number: float) -> Array:
    # Rounded so far that chance has no part in it: borders lie at 0.03, 0.13, …, nine
    # standard errors and more from what known ways to draw have, such as 2 / sqrt(3).
    return np.array([np.clip(np.round(number + 0.02, 1), -2, 2)]) + 0.0
