"""Q3 and Q4 of 2016: how gradients and pictures of the NumPy network are tried out.

A made-up network with the methods of PretrainedCNN takes its place, as it needs no
weights and no time.

Letters in shapes: N pictures, F features, H rows, W columns; C classes.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from cs231n.check_bench import Bench, Exercise, UnfitError, as_array, kind
from cs231n.check_marks import Array, Results

GRADIENTS, GENERATION = "cs231n.image_gradients.", "cs231n.image_generation."
H, W, C, F = 6, 8, 5, 4
LAYER = 2  # whose features are inverted and dreamt of


class Network:
    """A smooth network with PretrainedCNN's methods; every layer is another one.

    Attributes:
        params: As far as anybody looks, "b11" tells the number of classes.
        seen: (N, 3, H, W) pictures it was shown, in order, without repetitions.
    """

    def __init__(self, rng: np.random.RandomState) -> None:
        """Draw the weights.

        Args:
            rng: Draws them.
        """
        D = 3 * H * W
        self._A, self._B = rng.randn(D, 16) / (10 * np.sqrt(D)), rng.randn(16, C)
        self._mix = rng.randn(11, 3, F) / 20
        self.params = {"b11": np.zeros(C)}
        self.seen: list[Array] = []

    def forward(
        self,
        X: Array,
        start: int | None = None,
        end: int | None = None,
        mode: str = "test",
    ) -> tuple[Array, Any]:
        """Run layers 0 to ``end``: (N, C) scores of all, else (N, F, H/2, W/2)."""
        if start:
            raise ValueError("The pictures are the input of layer 0.")
        if not self.seen or not np.array_equal(self.seen[-1], X):
            self.seen.append(X.copy())
        bent = 0.3 if mode == "train" else 0.0
        if end is None or end == 10:
            hidden = np.tanh(X.reshape(len(X), -1) @ self._A + bent)
            return hidden @ self._B, (None, X.shape, hidden)
        halved = X[:, :, ::2, ::2]
        features = np.tanh(np.einsum("nchw,cf->nfhw", halved, self._mix[end]) + bent)
        return features, (end, X.shape, features)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, dict[str, Array]]:
        """Return the gradient at the pictures, and none at the weights."""
        end, shape, out = cache
        if np.shape(dout) != ((len(out), C) if end is None else out.shape):
            raise ValueError(f"backward() got a gradient of shape {np.shape(dout)}.")
        if end is None:
            flat = (dout @ self._B.T * (1 - out**2)) @ self._A.T
            return flat.reshape(shape), {}
        dX = np.zeros(shape)
        da = dout * (1 - out**2)
        dX[:, :, ::2, ::2] = np.einsum("nfhw,cf->nchw", da, self._mix[end])
        return dX, {}


def _picture(rng: np.random.RandomState, N: int = 1) -> Array:
    return 20 * rng.randn(N, 3, H, W)


def _untouched(given: Array, before: Array) -> None:
    if not np.array_equal(given, before):
        raise UnfitError("changed the picture it was given; start from a copy of it")


def _saliency(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = Network(rng)
    results: Results = {}
    for name, labels in (("saliency", [4, 0, 3]), ("saliency of one", [2])):
        X = _picture(rng, len(labels))
        maps = bench.call(X.copy(), np.array(labels), model)
        results[name] = as_array(name, maps)
    return results


def _fooling(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = Network(rng)
    X = _picture(rng)
    target = int(np.argmin(model.forward(X)[0][0]))
    model.seen.clear()
    given = X.copy()
    fooling = as_array("the picture", bench.call(given, target, model))
    _untouched(given, X)
    if fooling.shape != X.shape:
        raise UnfitError(f"the picture has shape {fooling.shape} instead of {X.shape}")
    path = [*model.seen, fooling]
    steps = [b - a for a, b in itertools.pairwise(path) if (a != b).any()]
    places = [a for a, b in itertools.pairwise(path) if (a != b).any()]
    upward = np.eye(C)[[target]]
    agreement = [
        np.sum(step * g) / (np.linalg.norm(step) * np.linalg.norm(g))
        for place, step in zip(places, steps, strict=True)
        for g in [model.backward(upward, model.forward(place)[1])[0]]
    ]
    # How long a step is, is free; where it goes is not.
    first = steps[0] / np.linalg.norm(steps[0]) if steps else np.zeros_like(X)
    reached = model.forward(fooling)[0][0].argmax() == target
    return {
        "the direction of the first step": first,
        "going on until the class is reached": np.array(
            [float(reached or len(steps) > 1)]
        ),
        "how well steps follow the gradient": np.array([min(agreement, default=0.0)]),
        "the class it ends with": np.array([float(reached)]),
    }


def _step(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model, X = Network(rng), _picture(rng)
    given = X.copy()
    moved = as_array("the picture", bench.call(given, 3, model, 0.001, 2000.0))
    _untouched(given, X)
    return {"the picture": moved}


def _invert(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model, start = Network(rng), _picture(rng)
    wanted = model.forward(_picture(rng), end=LAYER)[0]
    return _painted(
        lambda: bench.call(
            wanted.copy(),
            LAYER,
            model,
            learning_rate=30.0,
            num_iterations=3,
            l2_reg=0.001,
            blur_every=0,
            show_every=0,
            start=start,
        )
    )


def _dream(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model, X = Network(rng), _picture(rng)
    given = X.copy()
    results = _painted(
        lambda: bench.call(
            given,
            LAYER,
            model,
            learning_rate=30.0,
            max_jitter=0,
            num_iterations=3,
            show_every=0,
        )
    )
    _untouched(given, X)
    return results


def _painted(paint: Callable[[], Any]) -> Results:
    picture = paint()
    if picture is None:
        raise UnfitError(f"returned {kind(picture)} instead of a picture")
    return {"the picture": as_array("the picture", picture)}


EXERCISES = {
    f"{GRADIENTS}compute_saliency_maps": Exercise(_saliency),
    f"{GRADIENTS}make_fooling_image": Exercise(
        _fooling,
        telling=(
            "the direction of the first step",
            "going on until the class is reached",
        ),
    ),
    f"{GENERATION}class_visualization_step": Exercise(_step),
    f"{GENERATION}invert_features": Exercise(_invert),
    f"{GENERATION}deepdream": Exercise(_dream),
}
