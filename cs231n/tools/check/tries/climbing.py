"""What a fooling image's way uphill tells, in whatever framework it was walked."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from cs231n.tools.check.bench import ASIDE
from cs231n.tools.check.faults import UnfitError
from cs231n.tools.check.marks import Array, Results

_STRAIGHT = 0.99  # cosine between two steps


def climb(
    X: Array, path: Sequence[Array], target: int, scores_at: Callable[[Array], Array]
) -> Results:
    """Return what counts of a way from a picture to one that fools.

    Args:
        X: The picture that it starts from, one of a batch.
        path: Pictures that the network was shown, in order, and the last one.
        target: The class that the last one shall be taken for.
        scores_at: Maps a picture to the scores of all classes.

    Raises:
        UnfitError: If the last picture has another shape.
    """
    if path[-1].shape != X.shape:
        raise UnfitError(
            f"the picture has shape {path[-1].shape}; {X.shape} went in, and a picture "
            "of the same shape is wanted"
        )
    # Each place on the way once, however often it was looked at.
    path = [path[0], *(b for a, b in pairwise(path) if not np.array_equal(a, b))]
    steps = [b - a for a, b in pairwise([X, *path[1:]])] or [np.zeros_like(X)]
    if not np.array_equal(path[0], X):
        steps = [path[0] - X, *steps]
    reached = [int(scores_at(b).argmax()) == target for b in path[1:]]
    # It may look after it has stepped, and so go one step too far.
    on = max(0, sum(reached) - 2)
    ends = int(scores_at(path[-1]).argmax())
    return {
        "the first step": steps[0],
        "the second step": steps[1] if len(steps) > 1 else 0 * X,
        "the class it ends with": np.array([float(ends == target)]),
        "the number of steps behind the goal, and 1": np.array([1.0 + on]),
        f"{ASIDE}steps": np.array([float(len(steps))]),
    }


def shows_enough(results: Results) -> bool:
    """Tell whether a way shows what can be wrong with one.

    It has to take some steps, or it would not show when they end too early or go on;
    and to turn, or gradients of the first step would not show in the second.
    """
    first, second = (
        results[f"the {which} step"].ravel() for which in ("first", "second")
    )
    both = float(np.linalg.norm(first) * np.linalg.norm(second))
    turns = both > 0 and float(first @ second) / both < _STRAIGHT
    return turns and 3 <= float(results[f"{ASIDE}steps"][0]) <= 40
