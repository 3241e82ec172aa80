"""Q3 and Q4 in TensorFlow: how gradients at the pixels and losses are tried out.

A made-up network of two small layers takes SqueezeNet's place: the functions work with
any, and this one needs no weights and no time.

Letters in shapes: N pictures, H rows, W columns, C channels of a feature map.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from cs231n.lab.watched_tensorflow import Watched
from cs231n.support.frameworks import require_tensorflow
from cs231n.tools.check.bench import Bench, Care
from cs231n.tools.check.faults import NothingError, UnfitError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import as_array
from cs231n.tools.check.tries import picture_parts
from cs231n.tools.check.tries.climbing import RANK, climb
from cs231n.tools.check.tries.picture_parts import (
    CLASSES,
    LABELS,
    PLACES,
    STYLE_LAYERS,
    STYLE_WEIGHTS,
)

require_tensorflow()

import tensorflow as tf  # noqa: E402

FEATURES = {"H": 5, "W": 6, "C": 4}
_CALLS_MODEL = r"\bmodel\s*\(|\bmodel\.(call|predict|net|extract_features)\b"


def small_classifier(rng: np.random.RandomState, dtype: str = "float32") -> Watched:
    """Return a small classifier that remembers the pictures it was shown.

    Args:
        rng: Draws its weights.
        dtype: Their type.
    """
    layers = tf.keras.layers
    network = tf.keras.Sequential(
        [
            tf.keras.Input((9, 12, 3), dtype=dtype),
            layers.Conv2D(8, 3, strides=2, activation="relu", dtype=dtype),
            layers.Conv2D(6, 3, padding="same", activation="relu", dtype=dtype),
            layers.AveragePooling2D(2, dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(CLASSES, dtype=dtype),
        ]
    )
    for layer in network.layers:
        shapes = [tuple(w.shape) for w in layer.weights]
        scales = [np.sqrt(np.prod(shape[:-1], initial=1)) for shape in shapes[:1]] * 2
        drawn = [rng.randn(*shape) for shape in shapes]
        layer.set_weights([w / s for w, s in zip(drawn, scales, strict=True)])
    return Watched(network)


def tensor(values: Any, dtype: str = "float32") -> Any:
    """Turn numbers into a tensor."""
    return tf.constant(np.asarray(values), dtype)


def as_result(name: str, value: Any) -> Array:
    """Insist on an array or a tensor of real numbers that was computed.

    Args:
        name: What the result is called.
        value: What a student's function returned.

    Raises:
        UnfitError: If it is anything else.
    """
    if tf.is_tensor(value) and not hasattr(value, "numpy"):
        raise UnfitError(f"{name} is a tensor without values; leave tf.function out")
    return as_array(name, value)


def _saliency_of(
    bench: Bench, labels: list[int], dtype: str = "float32", tensors: bool = False
) -> Results:
    rng = bench.rng()
    model = small_classifier(rng, dtype)
    X = rng.randn(len(labels), 9, 12, 3).astype(dtype)
    y = np.array(labels)
    if tensors:
        maps = bench.call(tf.constant(X), tf.constant(y), model)
        return {"saliency": as_result("saliency", maps)}
    given = {"X": X.copy(), "y": y.copy()}
    maps = as_result("saliency", bench.call(*given.values(), model))
    bench.require(given, {"X": X, "y": y})
    return {"saliency": maps}


def _saliency(bench: Bench, way: str) -> Results:
    return _saliency_of(bench, picture_parts.labels(way))


def _in_double(run: Callable[[Bench, str], Results]) -> Care:
    return picture_parts.in_double(run, "float64")


def _fooling(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = small_classifier(rng)
    X = (rng.randn(1, 9, 12, 3) / 4).astype(np.float32)

    def scores_at(picture: Array) -> Array:
        scores: Array = model.net(picture.astype(np.float32)).numpy()[0]
        return scores

    target = int(scores_at(X).argsort()[-1 - RANK])
    given = X.copy()
    fooling = as_result("the picture", bench.call(given, target, model))
    bench.require({"X": given}, {"X": X})
    return climb(X, [*model.seen, fooling], target, scores_at)


def _step(bench: Bench, model: Watched, X: Array, given: Any) -> Array:
    """Return a step from X, which is given as an array, a tensor or a variable."""
    target = int(model.net(X).numpy()[0].argsort()[-3])  # not the highest score
    after = as_result("the picture", bench.call(given, model, target, 0.01, 2.5))
    if after.shape != X.shape:
        raise UnfitError(
            f"the picture has shape {after.shape}; {X.shape} went in, and the next one "
            "of the same shape is wanted"
        )
    return after - X


def _update(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = small_classifier(rng)
    X = rng.randn(1, 9, 12, 3).astype(np.float32)
    results = {}
    for name in ("the first step", "the second step"):
        results[name] = _step(bench, model, X, tf.constant(X))
        X = (X + results[name]).astype(np.float32)
    return results


def _update_from(bench: Bench, wrapped: Callable[[Array], Any]) -> Results:
    """Look at a step's direction, as its length is the student's choice."""
    rng = bench.rng()
    model = small_classifier(rng)
    X = rng.randn(1, 9, 12, 3).astype(np.float32)
    given = wrapped(X.copy())
    step = _step(bench, model, X, given)
    bench.require({"X": given}, {"X": X})
    return {"the step's direction": step / max(float(np.linalg.norm(step)), 1e-12)}


def with_gradient(name: str, run: Callable[[Any], Any], at: Any) -> Results:
    """Return a loss, and its gradient at a tensor; zeros if there is none.

    Args:
        name: What the loss is called.
        run: Maps the tensor to a loss: a tensor or a number, with or without
            dimensions of one.
        at: What it may depend on.
    """
    losses, gradients = with_gradients(name, lambda: run(at), {"": at})
    return {name: losses, f"the gradient of {name}": gradients[""]}


def with_gradients(
    name: str, run: Callable[[], Any], at: dict[Any, Any]
) -> tuple[Array, dict[Any, Array]]:
    """Return a loss, and its gradients at several tensors.

    Args:
        name: What the loss is called.
        run: Computes it from them.
        at: Key -> tensor.
    """
    with tf.GradientTape() as tape:
        tape.watch(list(at.values()))
        loss = run()
        if loss is None:
            raise NothingError(f"{name} is None: nothing was computed")
        total = tf.reduce_sum(loss) if tf.is_tensor(loss) else None
    value = one_number(name, loss)
    zeros = {key: np.zeros(x.shape, np.float32) for key, x in at.items()}
    if total is None:
        return value, zeros
    found = tape.gradient(total, at)
    return value, {
        key: zeros[key] if grad is None else as_array(name, tf.convert_to_tensor(grad))
        for key, grad in found.items()
    }


def one_number(name: str, loss: Any) -> Array:
    """Insist on a single number, in whatever form.

    Args:
        name: What it is called.
        loss: A tensor, an array or a number.

    Returns:
        () the number.

    Raises:
        UnfitError: If it is anything else.
    """
    return picture_parts.only_one(name, as_result(name, loss))


def _features(bench: Bench) -> tuple[int, int, int]:
    """Return the shape of one picture's features, (H, W, C)."""
    sizes = bench.sizes(FEATURES)
    return sizes["H"], sizes["W"], sizes["C"]


def _content_of(bench: Bench, dtype: str = "float32") -> Results:
    rng, shape = bench.rng(), _features(bench)
    current = tensor(rng.randn(1, *shape), dtype)
    original = tensor(rng.randn(1, *shape), dtype)
    return with_gradient("the loss", lambda x: bench.call(0.35, x, original), current)


def _gram_of(bench: Bench, dtype: str = "float32") -> Results:
    rng, shape = bench.rng(), _features(bench)
    features = tensor(rng.randn(1, *shape), dtype)
    with tf.GradientTape() as tape:
        tape.watch(features)
        gram = bench.call(features)
        matrix = as_result("the matrix", gram)
        weights = np.resize(rng.randn(64), matrix.shape).astype(matrix.dtype)
        total = tf.reduce_sum(gram * weights)
    grad = tape.gradient(total, features)
    plain = as_result("the matrix", bench.call(features, False))
    # Notebooks of the course take it with an axis for its one picture as well.
    C = shape[-1]
    return {
        "the matrix": bench.shaped("the matrix", matrix, (C, C)),
        "its gradient": np.zeros(features.shape) if grad is None else grad.numpy(),
        "the matrix without normalizing": bench.shaped("the matrix", plain, (C, C)),
    }


def _made_up_gram(features: Any, normalize: bool = True) -> Any:
    """Stand in for a Gram matrix: as large, as smooth, and nothing like one."""
    m = tf.reduce_mean(tf.cos(features), axis=(0, 1, 2))
    return (m[:, None] - 2 * m[None, :]) * (1 if normalize else 3)


def _style(bench: Bench, way: str) -> Results:
    rng = bench.rng()
    # As many channels everywhere, so that a layer mixed up gives numbers all the same.
    feats = [tensor(rng.randn(1, *s, 4)) for s in PLACES]
    targets = [tensor(rng.randn(4, 4)) for _ in STYLE_LAYERS]
    layers, weights = [*STYLE_LAYERS], [*STYLE_WEIGHTS]
    with picture_parts.stand_in(bench, way, _made_up_gram):
        loss, gradients = with_gradients(
            "the loss",
            lambda: bench.call(list(feats), layers, targets, weights),
            {layer: feats[layer] for layer in layers},
        )
    return {"the loss": loss} | {
        f"the gradient at layer {layer}": gradients[layer] for layer in layers
    }


def _style_of_nothing(bench: Bench) -> Results:
    """No layers cost nothing; in which form that is said is free."""
    feats = [tensor(bench.rng().randn(1, 4, 5, 3))]
    return {"the loss": one_number("the loss", bench.call(feats, [], [], []))}


def _tv_of(bench: Bench, dtype: str = "float32") -> Results:
    sizes = bench.sizes({"H": 6, "W": 9})
    img = tensor(bench.rng().randn(1, sizes["H"], sizes["W"], 3), dtype)
    return with_gradient("the loss", lambda x: bench.call(x, 0.35), img)


def _tv_of_an_array(bench: Bench) -> Results:
    img = bench.rng().randn(1, 6, 9, 3).astype(np.float32)
    return {"the loss": one_number("the loss", bench.call(img, 0.35))}


EXERCISES = picture_parts.exercises(
    {
        "compute_saliency_maps": (
            _saliency,
            {
                "care": {
                    **picture_parts.saliency_care(_saliency_of, "float64"),
                    "fails for tensors": {
                        "": lambda bench: _saliency_of(bench, LABELS, tensors=True)
                    },
                },
            },
        ),
        "make_fooling_image": (_fooling, {}),
        "class_visualization_update_step": (
            _update,
            {
                "care": {
                    "fails for arrays": {
                        "": lambda bench: _update_from(bench, np.array)
                    },
                    "fails for variables": {
                        "": lambda bench: _update_from(bench, tf.Variable)
                    },
                },
            },
        ),
        "content_loss": (
            picture_parts.in_one_way(_content_of),
            {"care": _in_double(_content_of), "letters": FEATURES},
        ),
        "gram_matrix": (
            picture_parts.in_one_way(_gram_of),
            {"care": _in_double(_gram_of), "letters": FEATURES},
        ),
        "style_loss": (
            _style,
            {"care": {"fails for no layers": {"": _style_of_nothing}}},
        ),
        "tv_loss": (
            picture_parts.in_one_way(_tv_of),
            {"care": {"fails for arrays": {"": _tv_of_an_array}, **_in_double(_tv_of)}},
        ),
    },
    _CALLS_MODEL,
)
