"""What a fooling image's way uphill tells, in whatever framework it was walked."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from cs231n.tools.check.bench import ASIDE
from cs231n.tools.check.faults import UnfitError
from cs231n.tools.check.marks import Array, Results

RANK = 4  # of the target among the classes before the first step, from 0
CLASS, END = "the class it ends with", "the end of the steps"
NO = {CLASS: "is not the target's", END: "comes too late"}
_STRAIGHT = 0.99  # cosine between two steps
_FEW = 50  # steps; the right way takes 12 to 40


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
    # Each place on the way once, however often it was looked at. Who looks at the first
    # picture again has not gone back to it.
    path = [path[0], *(x for x in path[1:-1] if not np.array_equal(x, X)), path[-1]]
    path = [path[0], *(b for a, b in pairwise(path) if not np.array_equal(a, b))]
    steps = [b - a for a, b in pairwise([X, *path[1:]])] or [np.zeros_like(X)]
    if not np.array_equal(path[0], X):
        steps = [path[0] - X, *steps]
    classes = [int(scores_at(b).argmax()) for b in [X, *path[1:]]]
    first, last = classes[0], classes[-1]
    # It may step once more before it looks, and so go one step too far: behind the
    # target's class, even.
    last = target if target in classes[-2:] else last
    on = max(0, classes[1:].count(target) - 2)
    # Only of a few steps can be said that they ended too early.
    few = len(steps) < _FEW and bool(np.isfinite(path[-1]).all())
    others = [c for c in classes if c not in {first, target}]
    return {
        "the first step": steps[0],
        "the second step": steps[1] if len(steps) > 1 else 0 * X,
        CLASS: np.array(
            [1.0 if last == target else 0.0 if last == first else -1.0 if few else -2.0]
        ),
        END: np.array([1.0 + on]),
        f"{ASIDE}steps": np.array([float(len(steps))]),
        f"{ASIDE}places of other classes": np.array([float(len(others))]),
    }


def shows_enough(results: Results) -> bool:
    """Tell whether a way shows what can be wrong with one.

    It has to take some steps, or it would not show when they end too early or go on;
    to turn, or gradients of the first step would not show in the second; and to lead
    through other classes than the first and the target, for so long that one step more
    does not reach it, or it would not show when it ends there.
    """
    first, second = (
        results[f"the {which} step"].ravel() for which in ("first", "second")
    )
    both = float(np.linalg.norm(first) * np.linalg.norm(second))
    turns = both > 0 and float(first @ second) / both < _STRAIGHT
    if float(results[f"{ASIDE}places of other classes"][0]) < 3:
        return False
    return turns and 12 <= float(results[f"{ASIDE}steps"][0]) <= 40
