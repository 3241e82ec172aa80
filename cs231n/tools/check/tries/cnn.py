"""Q3 and Q4 of 2016: how gradients and pictures of the NumPy network are tried out.

A made-up network takes the place of PretrainedCNN, of which it inherits all that
students may use, as it needs no weights and no time.

Letters in shapes: N pictures, F features, H rows, W columns; C classes.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.gradient_check import eval_numerical_gradient
from cs231n.tools.check.bench import ONE, Bench, Exercise
from cs231n.tools.check.faults import UnfitError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import as_array

FIVE = "five pictures"  # the size that notebooks have
H, W, C, F = 6, 8, 100, 4
WITHIN = 1e-5  # relative: a result in float32 will do
LAYER = 2  # whose features are inverted and dreamt of
DENSE = 9  # the first layer whose features are no maps
_CHANGE = "the change of the picture"


class Network(PretrainedCNN):
    """A smooth network with PretrainedCNN's face; every layer is another one.

    Attributes:
        seen: (N, 3, H, W) pictures it was shown, in order, without repetitions.
    """

    def __init__(self, rng: np.random.RandomState) -> None:
        """Draw the weights.

        Args:
            rng: Draws them.
        """
        D = 3 * H * W
        # Directions of one length at right angles: so every class can be climbed to,
        # in steps of any length. (A library's QR may turn signs round.)
        self._A = _at_right_angles(rng.randn(D, 16)) / 30
        self._B = rng.randn(16, C)
        self._B /= np.linalg.norm(self._B, axis=0)
        self._mix = rng.randn(11, 3, F) / 20
        self.dtype = np.float64
        self.num_classes, self.input_size = C, H
        self.filter_sizes, self.num_filters = [1] * 9, [F] * 9
        self.conv_params = [{"stride": 2, "pad": 0} for _ in range(9)]
        self.bn_params = [{"mode": "test"} for _ in range(10)]
        shapes = [(F, 3, 1, 1), *[(F, F, 1, 1)] * 8, (D, 16), (16, C)]
        self.params = {}
        for k, shape in enumerate(shapes, start=1):
            units = shape[0] if len(shape) == 4 else shape[1]
            names = [f"b{k}", f"gamma{k}", f"beta{k}"][: 3 if k < len(shapes) else 1]
            self.params[f"W{k}"] = np.zeros(shape)
            self.params |= {name: np.zeros(units) for name in names}
        self.seen: list[Array] = []

    def forward(
        self,
        X: Array,
        start: int | None = None,
        end: int | None = None,
        mode: str = "test",
    ) -> tuple[Array, Any]:
        """Run layers 0 to ``end``.

        Returns:
            (N, C) scores of all, (N, 16) features of the dense layer before, else maps
            of shape (N, F, H/2, W/2).
        """
        if start:
            raise ValueError("The pictures are the input of layer 0.")
        X = np.asarray(X, dtype=self.dtype)
        if not self.seen or not np.array_equal(self.seen[-1], X):
            self.seen.append(X.copy())
        bent = 0.3 if mode == "train" else 0.0
        if end is None or end in {DENSE, DENSE + 1}:
            a = X.reshape(len(X), -1) @ self._A + bent
            units = a + 0.3 * np.sin(a)
            if end == DENSE:
                return units, (end, X.shape, a)
            return units @ self._B, (None, X.shape, a)
        halved = X[:, :, ::2, ::2]
        a = np.einsum("nchw,cf->nfhw", halved, self._mix[end]) + bent
        return np.sin(a), (end, X.shape, a)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, dict[str, Array]]:
        """Return the gradient at the pictures, and zeros at the weights."""
        end, shape, a = cache
        grads = {name: 0 * value for name, value in self.params.items()}
        if np.shape(dout) != ((len(a), C) if end is None else a.shape):
            raise ValueError(f"backward() got a gradient of shape {np.shape(dout)}.")
        if end is None or end == DENSE:
            dunits = dout if end == DENSE else dout @ self._B.T
            flat = (dunits * (1 + 0.3 * np.cos(a))) @ self._A.T
            return flat.reshape(shape), grads
        dX = np.zeros(shape)
        mixed = np.einsum("nfhw,cf->nchw", dout * np.cos(a), self._mix[end])
        dX[:, :, ::2, ::2] = mixed
        return dX, grads


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
    X = _picture(rng)
    target = int(np.argsort(model.forward(X)[0][0])[-4])
    model.seen.clear()
    given = X.copy()
    fooling = as_array("the picture", bench.call(given, target, model))
    bench.require({"X": given}, {"X": X})
    if fooling.shape != X.shape:
        raise UnfitError(f"the picture has shape {fooling.shape} instead of {X.shape}")
    path, looked_again = [*model.seen, fooling], len(model.seen) > 1
    steps = [b - a for a, b in pairwise(path) if (a != b).any()]
    places = [a for a, b in pairwise(path) if (a != b).any()]
    # Finite differences take their time: look at the first two steps and the last.
    moves = [*zip(places, steps, strict=True)]
    moves = moves[:2] + moves[2:][-1:]
    agreement = [_cosine(step, _slope(model, place, target)) for place, step in moves]
    # How long a step is, is free; where it goes is not.
    first = steps[0] / np.linalg.norm(steps[0]) if steps else np.zeros_like(X)
    reached = model.forward(fooling)[0][0].argmax() == target
    return {
        "the direction of the first step": first,
        "going on until the class is reached": np.array(
            [float((reached or len(steps) > 1) and looked_again)]
        ),
        "how well steps follow the gradient": np.array([min(agreement, default=0.0)]),
        "the class it ends with": np.array([float(reached)]),
    }


def _slope(model: Network, place: Array, target: int) -> Array:
    """Find out by finite differences where the target's score rises."""

    def score(X: Array) -> Any:
        return model.forward(X)[0][0, target]

    return eval_numerical_gradient(score, place.copy(), verbose=False)


def _cosine(one: Array, other: Array) -> float:
    return float(np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other))


def _step(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model, X = Network(rng), _picture(rng)
    target = int(np.argsort(model.forward(X)[0][0])[-5])  # not the highest score
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
        within=1e-6,
        telling=(
            "the direction of the first step",
            "going on until the class is reached",
        ),
        begun=_CALLS_MODEL,
        blank=lambda results: not results["the direction of the first step"].any(),
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
