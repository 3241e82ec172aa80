"""Q3 and Q4 of 2016: how gradients and pictures of the NumPy network are tried out.

A made-up network takes the place of PretrainedCNN, of which it inherits all that
students may use, as it needs no weights and no time.

Letters in shapes: N pictures, F features, H rows, W columns; C classes, D units.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.tools.check.bench import ASIDE, ONE, Bench, Exercise
from cs231n.tools.check.faults import UnfitError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import as_array
from cs231n.tools.check.shared import Shared

FIVE = "five pictures"  # the size that notebooks have
H, W, C, F, D = 6, 8, 100, 12, 16
WITHIN = 1e-5  # relative: a result in float32 will do
LAYER = 2  # whose features are inverted and dreamt of
DENSE = 9  # the first layer whose features are no maps
LAST = 10  # the layer that gives the scores
_CURVED = (LAYER, DENSE)  # layers that are not linear
_LARGE = 64  # levels of 0..255: a change of this size leaves nothing of a picture
# 100 times the gradient is a fourth of the way, as it is with the pretrained network.
_FLATTER, _RATE, _ROUNDS = 0.5, 100.0, (3, 6)
_CHANGE = "the change of the picture"


class Network(PretrainedCNN):
    """A smooth network with PretrainedCNN's face, whose layers can be run one by one.

    Ten layers turn round what comes in, each in its own way, and two of them bend it;
    the last one makes scores of it. So every class can be climbed to, in steps of any
    length.

    Attributes:
        seen: (N, 3, H, W) pictures it was shown, in order, without repetitions.
    """

    def __init__(self, rng: np.random.RandomState) -> None:
        """Draw the weights.

        Args:
            rng: Draws them.
        """
        # (A library's QR may turn signs round.)
        first = _at_right_angles(rng.randn(F, F)).reshape(F, 3, 2, 2) / 20
        others = [_at_right_angles(rng.randn(F, F)) for _ in range(1, DENSE)]
        dense = _at_right_angles(rng.randn(F * (H // 2) * (W // 2), D))
        scores = rng.randn(D, C)
        scores /= np.linalg.norm(scores, axis=0)
        weights = [first, *(w[..., None, None] for w in others), dense, scores]
        self.params = {}
        for k, w in enumerate(weights, start=1):
            units = w.shape[0] if w.ndim == 4 else w.shape[1]
            self.params |= {f"W{k}": w, f"b{k}": np.zeros(units)}
            if k <= LAST:
                self.params |= {
                    f"gamma{k}": np.ones(units),
                    f"beta{k}": np.zeros(units),
                }
        self.dtype = np.float64
        self.num_classes, self.input_size = C, H
        self.filter_sizes, self.num_filters = [2] + [1] * 8, [F] * 9
        self.conv_params = [{"stride": 2, "pad": 0}]
        self.conv_params += [{"stride": 1, "pad": 0} for _ in range(8)]
        self.bn_params = [{"mode": "test"} for _ in range(10)]
        self.seen: Shared[Array] = Shared()

    def forward(
        self,
        X: Array,
        start: int | None = None,
        end: int | None = None,
        mode: str = "test",
    ) -> tuple[Array, Any]:
        """Run layers ``start`` to ``end``, as PretrainedCNN does.

        Returns:
            (N, C) scores of the last layer, (N, D) features of the one before, else
            maps of shape (N, F, H/2, W/2); and a cache for ``backward``.
        """
        first, last = start or 0, LAST if end is None else end
        if not 0 <= first <= last <= LAST or mode not in {"train", "test"}:
            raise ValueError(
                f"forward() got start={start}, end={end} and mode={mode!r}; the layers "
                f"go from 0 to {LAST}, and the mode is 'train' or 'test'."
            )
        X = np.asarray(X, dtype=self.dtype)
        if first == 0 and not (self.seen and np.array_equal(self.seen[-1], X)):
            self.seen.append(X.copy())
        caches = []
        for layer in range(first, last + 1):
            self._require_input(X, layer)
            shape, a = X.shape, self._turned(X, layer)
            if mode == "train" and layer < LAST:
                a = a + 0.3
            X = a + 0.3 * np.sin(a) if layer in _CURVED else a
            caches.append((shape, a))
        return X, (first, last, caches)

    def _turned(self, X: Array, layer: int) -> Array:
        w = self.params[f"W{layer + 1}"]
        turned: Array
        if layer >= DENSE:
            turned = X.reshape(len(X), -1) @ w
        elif layer > 0:
            turned = np.einsum("nchw,fc->nfhw", X, w[:, :, 0, 0])
        else:
            turned = np.einsum("nchiwj,fcij->nfhw", _in_blocks(X), w)
        return turned

    def backward(self, dout: Array, cache: Any) -> tuple[Array, dict[str, Array]]:
        """Return the gradient at forward's input, and zeros at the weights."""
        first, last, caches = cache
        shape, a = caches[-1]
        dX = np.asarray(dout, dtype=self.dtype)
        if dX.shape != a.shape:
            raise ValueError(
                f"backward() got a gradient of shape {dX.shape}, where layer {last} "
                f"makes {a.shape}."
            )
        for layer, (shape, a) in zip(
            range(last, first - 1, -1), reversed(caches), strict=True
        ):
            if layer in _CURVED:
                dX = dX * (1 + 0.3 * np.cos(a))
            w = self.params[f"W{layer + 1}"]
            if layer >= DENSE:
                dX = (dX @ w.T).reshape(shape)
            elif layer > 0:
                dX = np.einsum("nfhw,fc->nchw", dX, w[:, :, 0, 0])
            else:
                blocks = np.einsum("nfhw,fcij->nchiwj", dX, w)
                dX = blocks.reshape(shape)
        run = {str(layer + 1) for layer in range(first, last + 1)}
        grads = {
            name: 0 * value
            for name, value in self.params.items()
            if name.lstrip("Wbgamet") in run
        }
        return dX, grads


def _in_blocks(X: Array) -> Array:
    """Cut pictures into blocks of 2 x 2: (N, C, H/2, 2, W/2, 2)."""
    N, channels, rows, columns = X.shape
    return X.reshape(N, channels, rows // 2, 2, columns // 2, 2)


def _at_right_angles(columns: Array) -> Array:
    """Make columns orthonormal, one after another (Gram and Schmidt)."""
    for k in range(columns.shape[1]):
        before = columns[:, :k]
        columns[:, k] -= before @ (before.T @ columns[:, k])
        columns[:, k] /= np.linalg.norm(columns[:, k])
    return columns


def _picture(rng: np.random.RandomState, N: int = 1) -> Array:
    return 20 * rng.randn(N, 3, H, W)


def _saliency_of(bench: Bench, labels: list[int]) -> Results:
    rng = bench.rng()
    model = Network(rng)
    X, y = _picture(rng, len(labels)), np.array(labels)
    given = {"X": X.copy(), "y": y.copy()}
    maps = as_array("saliency", bench.call(*given.values(), model))
    _same_dtype(bench, maps)
    bench.require(given, {"X": X, "y": y})
    return {"saliency": maps}


def _saliency(bench: Bench, way: str) -> Results:
    return _saliency_of(bench, [4, 0, 3, 99, 4] if way == FIVE else [4, 0, 99])


def _fooling(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = Network(rng)
    # Steps by the gradient itself that need several rounds there need several here.
    for name in ("W11", "b11"):
        model.params[name] *= _FLATTER
    X = _picture(rng)
    target = _low(model.forward(X)[0][0], 4)
    rounds = _rounds(model, X, target)
    model.seen.clear()
    given = X.copy()
    fooling = as_array("the picture", bench.call(given, target, model))
    bench.require({"X": given}, {"X": X})
    if fooling.shape != X.shape:
        raise UnfitError(f"the picture has shape {fooling.shape} instead of {X.shape}")
    seen, looked_again = model.seen, len(model.seen) > 1
    # Who looks at the first picture again has not gone back to it.
    path = [*seen[:1], *(x for x in seen[1:] if (x != X).any()), fooling]
    steps = [b - a for a, b in pairwise(path) if (a != b).any()]
    places = [a for a, b in pairwise(path) if (a != b).any()]
    # Finite differences take their time: look at the first two steps and the last.
    moves = [*zip(places, steps, strict=True)]
    moves = moves[:2] + moves[2:][-1:]
    agreement = [_cosine(step, _slope(model, place, target)) for place, step in moves]
    # How long a step is, is free; where it goes is not.
    first = steps[0] / np.linalg.norm(steps[0]) if steps else np.zeros_like(X)
    reached = model.forward(fooling)[0][0].argmax() == target
    change = float(np.sqrt(np.mean((fooling - X) ** 2)))
    arrived = [model.forward(x)[0][0].argmax() == target for x in places[1:]]
    if sum(arrived) > 1:
        bench.note(
            "goes on when the network takes the picture for target_y: it may end "
            "there, and the picture stays closer to X"
        )
    elif change > _LARGE:
        bench.note(
            f"changes the picture by {change:.0f} of 255 levels (root mean square): "
            "nothing is left of it; a shorter step will do"
        )
    return {
        "the direction of the first step": first,
        "going on until the class is reached": np.array(
            [float((reached or len(steps) > 1) and looked_again)]
        ),
        "how well steps follow the gradient": np.array([min(agreement, default=0.0)]),
        "the class it ends with": np.array([float(reached)]),
        f"{ASIDE}rounds": np.array([float(rounds)]),
    }


def _rounds(model: Network, place: Array, target: int) -> int:
    """Return after how many steps by the gradient, times a rate, the class is reached.

    More than enough are not counted.
    """
    for number in range(_ROUNDS[1] + 1):
        if model.forward(place)[0][0].argmax() == target:
            return number
        place = place + _RATE * _slope(model, place, target)
    return _ROUNDS[1] + 1


def _slope(model: Network, place: Array, target: int) -> Array:
    """Find out by central differences where the target's score rises."""
    nudges = 1e-3 * np.eye(place.size).reshape(-1, *place.shape[1:])
    up, down = (
        model.forward(place + nudge)[0][:, target] for nudge in (nudges, -nudges)
    )
    return (up - down).reshape(place.shape) / 2e-3


def _cosine(one: Array, other: Array) -> float:
    return float(np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other))


def _low(scores: Array, place: int) -> int:
    """Return a class that has not the highest score, and not the number 0 or 1.

    Args:
        scores: (C,) scores.
        place: Which it is from the top, or the next one below that has such a number.
    """
    order: list[int] = np.argsort(scores)[-place::-1].tolist()
    return next(label for label in order if label > 1)


def _step(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model, X = Network(rng), _picture(rng)
    target = _low(model.forward(X)[0][0], 5)
    given = X.copy()
    results = _moved(bench, X, bench.call(given, target, model, 0.001, 2000.0))
    bench.require({"X": given}, {"X": X})
    return results


def _invert(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model, start = Network(rng), _picture(rng)
    wanted = model.forward(_picture(rng), end=LAYER)[0]
    picture = bench.call(
        wanted.copy(),
        LAYER,
        model,
        learning_rate=30.0,
        num_iterations=3,
        l2_reg=0.001,
        blur_every=0,
        show_every=0,
        start=start.copy(),
    )
    return _moved(bench, start, picture)


def _dream(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model, X = Network(rng), _picture(rng)
    results = _dreamt(bench, model, X, LAYER, _CHANGE)
    return results | _dreamt(
        bench, model, X, DENSE, f"{_CHANGE} by features that are no maps"
    )


def _dreamt(bench: Bench, model: Network, X: Array, layer: int, says: str) -> Results:
    given = X.copy()
    picture = bench.call(
        given,
        layer,
        model,
        learning_rate=30.0,
        max_jitter=0,
        num_iterations=3,
        show_every=0,
    )
    results = _moved(bench, X, picture, says)
    bench.require({"X": given}, {"X": X})
    return results


def _same_dtype(bench: Bench, found: Array) -> None:
    if found.dtype != np.float64:
        bench.note(f"returns another dtype, {found.dtype}, than the pictures have")


def _moved(bench: Bench, start: Array, picture: Any, says: str = _CHANGE) -> Results:
    """Return how a picture was changed."""
    found = as_array("the picture", picture)
    if found.shape != start.shape:
        raise UnfitError(
            f"the picture has shape {found.shape} instead of {start.shape}"
        )
    _same_dtype(bench, found)
    return {says: found - start}


def _unmoved(results: Results) -> bool:
    return not results[_CHANGE].any()


_CALLS_MODEL = r"\bmodel\.(backward|loss)\b"
EXERCISES = {
    "compute_saliency_maps": Exercise(
        _saliency,
        ways=("own", FIVE),
        narrow={FIVE: "fails for other sizes than five pictures"},
        care={ONE: {"N = 1": lambda bench: _saliency_of(bench, [2])}},
        within=WITHIN,
        begun=_CALLS_MODEL,
        letters={"N": 3, "C": C},
    ),
    "make_fooling_image": Exercise(
        _fooling,
        # As the difference of pictures in float32, a short step has few digits.
        within={"": 1e-6, "the direction of the first step": 1e-3},
        telling=(
            "the direction of the first step",
            "going on until the class is reached",
        ),
        begun=_CALLS_MODEL,
        blank=lambda results: not results["the direction of the first step"].any(),
        no={
            "going on until the class is reached": "is missing",
            "the class it ends with": "is not the target's",
        },
        suits=lambda results: _ROUNDS[0] <= results[f"{ASIDE}rounds"][0] <= _ROUNDS[1],
        letters={"C": C},
    ),
    "class_visualization_step": Exercise(
        _step, within=WITHIN, begun=_CALLS_MODEL, blank=_unmoved
    ),
    "invert_features": Exercise(
        _invert, within=WITHIN, begun=_CALLS_MODEL, blank=_unmoved
    ),
    "deepdream": Exercise(_dream, begun=_CALLS_MODEL, blank=_unmoved),
}
