"""Numerical gradients, and how to compare others with them.

The numerical gradient of f at x is the centred difference (f(x + h) - f(x - h)) / 2h,
one element at a time. The array is perturbed in place and restored, because notebook
lambdas often ignore their argument and read the array they close over.
"""

from cs231n.support import commands  # noqa: F401 (notebooks import this module first)

# isort: split
import copy
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from cs231n.support.accuracy import LIMITS as LIMITS  # noqa: PLC0414
from cs231n.support.accuracy import SINGLE, as_array, as_number
from cs231n.support.accuracy import rel_error as rel_error  # noqa: PLC0414
from cs231n.support.arrays import Array


def copies(*values: Any) -> tuple[Any, ...]:
    """Return copies for a function that may change what it is given.

    Args:
        values: Arrays, tensors, models, or lists and tuples of them. Gradients flow
            through the copy of a tensor.

    Example:
        >>> x = np.zeros(2)
        >>> (own,) = copies(x)
        >>> own += 1
        >>> x
        array([0., 0.])
    """
    return tuple(_copy(value) for value in values)


def _copy(value: Any) -> Any:
    if hasattr(value, "detach"):  # a tensor
        return value.clone()
    if type(value) in (list, tuple):
        return type(value)(_copy(part) for part in value)
    return copy.deepcopy(value)


# Differences of numbers in float32 have few digits, and need a longer step.
_STEP = 1e-3

ROUNDED = SINGLE[""]  # how far off float32 may be, relative to the largest number


def is_coarse(function: Callable[..., Any], *inputs: Array) -> bool:
    """Tell whether a smooth function computes in float32, though its inputs do not.

    It may, wherever it does; numerical gradients of it then have fewer digits. Tiny
    steps show it: float64 goes along evenly, float32 goes by leaps. A function that
    fails is not coarse: others may do without it.

    Args:
        function: Called with copies of the inputs; returns an array or a number, or a
            tuple of such things and, at its end, a cache, which is not looked at.
        *inputs: Arrays in float64.

    Example:
        >>> is_coarse(lambda x: np.tanh(x.astype(np.float32)), np.ones(9) / 2)
        True
        >>> is_coarse(np.tanh, np.ones(9) / 2)
        False
    """
    rng = np.random.RandomState(0)  # a notebook's own numbers go on as they were
    with suppress(Exception):
        return any(_leaps(function, inputs, rng) for _ in range(4))
    return False


def _leaps(
    function: Callable[..., Any], inputs: Sequence[Array], rng: np.random.RandomState
) -> bool:
    """Tell whether two tiny steps in one direction differ as rounding makes them."""
    directions = [rng.uniform(-1, 1, size=x.shape) for x in inputs]

    def values(step: float) -> list[Array]:
        results = function(
            *(x + step * d for x, d in zip(inputs, directions, strict=True))
        )
        outs = results[:-1] if isinstance(results, tuple) else (results,)
        return [as_array(out).astype(float) for out in outs]

    return any(
        _LEAPS[0] < np.abs(after - 2 * at + before).max(initial=0) < _LEAPS[1]
        for before, at, after in zip(
            values(-_TINY), values(0.0), values(_TINY), strict=True
        )
    )


_TINY = 2e-7  # about as far apart as neighbours in float32 are
_LEAPS = 5e-9, 1e-4  # more than curves make of two such steps; less than jumps do


def keeps_float32(forward: Callable[..., Any], gates: int = 1) -> bool:
    """Tell whether hidden states of whole sequences are computed in float32.

    They may be, and whatever is computed from them then has fewer digits. A function
    that fails keeps nothing: others may do without it.

    Args:
        forward: ``rnn_forward`` or ``lstm_forward``.
        gates: How many blocks of columns its weights have, 4 for an LSTM.

    Example:
        >>> keeps_float32(lambda x, h0, Wx, Wh, b: (x.astype(np.float32), None))
        True
        >>> keeps_float32(lambda x, h0, Wx, Wh, b: (x, None))
        False
    """
    N, T, D, H = 2, 3, 4, 5
    shapes = [(N, T, D), (N, H), (D, gates * H), (H, gates * H), (gates * H,)]
    rng = np.random.RandomState(1)
    return is_coarse(forward, *(rng.uniform(-1, 1, size=shape) for shape in shapes))


def loss_keeps_float32(model: Any, features: Array, captions: Array) -> bool:
    """Tell whether a model's loss is computed in float32, though its numbers are not.

    Args:
        model: Has ``params`` and ``loss``; it is left as it is.
        features: (N, D) image features.
        captions: (N, T) word indices.

    Example:
        >>> class Model:
        ...     params = {"w": np.ones((3, 2))}
        ...     def loss(self, features, captions):
        ...         scores = (features @ self.params["w"]).astype(np.float32)
        ...         return np.sum(np.sin(scores)), {}
        >>> loss_keeps_float32(Model(), np.ones((4, 3)), np.zeros((4, 5), dtype=int))
        True
    """
    (own,) = copies(model)

    def loss(*values: Array) -> Any:
        own.params = dict(zip(model.params, values, strict=True))
        return own.loss(*copies(features, captions))[0]

    return is_coarse(loss, *model.params.values())


def step_for(single: bool, usual: float = 1e-5) -> float:
    """Return half the step of differences that fits numbers' precision.

    Args:
        single: Whether they are kept in float32.
        usual: What fits others.

    Example:
        >>> step_for(single=False), step_for(single=True)
        (1e-05, 0.001)
    """
    return _STEP if single else usual


def limits_for(
    single: bool,
    within: float | Mapping[str, float],
    absolute: bool = False,
    coarse: float = 1e-2,
) -> dict[str, Any]:
    """Return what ``check`` is to allow results that fit numbers' precision.

    Args:
        single: Whether the numbers are kept in float32.
        within: Largest error where they are not, for all results or by name.
        absolute: Whether that is a difference; a relative error if not.
        coarse: Largest difference where they are; by default that of gradients from
            numerical ones.

    Example:
        >>> limits_for(single=False, within=1e-8)
        {'within': 1e-08, 'absolute': False, 'rounded': 1e-05}
        >>> limits_for(single=True, within=1e-8)
        {'within': 0.01, 'absolute': True}
    """
    if single:
        return {"within": coarse, "absolute": True}
    return {
        "within": within,
        "absolute": absolute,
        "rounded": 0 if absolute else ROUNDED,
    }


def _require_float(x: Array) -> None:
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(
            f"x has dtype {x.dtype}, but a step of size h needs a floating point "
            "array; pass x.astype(float)."
        )


def _on_both_sides(
    f: Callable[[Array], Any], x: Array, index: tuple[int, ...], h: float
) -> tuple[Any, Any]:
    """Return f where one element of x is h larger, and where it is h smaller.

    The element is restored, also where f raises.
    """
    old = x[index]
    try:
        x[index] = old + h
        above = f(x)
        x[index] = old - h
        below = f(x)
    finally:
        x[index] = old
    return above, below


def eval_numerical_gradient(
    f: Callable[[Array], Any], x: Array, verbose: bool = True, h: float = 0.00001
) -> Array:
    """Evaluate the gradient of a scalar function by centred differences.

    Args:
        f: Maps an array like x to a scalar.
        x: Any shape, floating point; perturbed in place and restored.
        verbose: Print the index and the slope of each element.
        h: Half the step between the two evaluations.

    Returns:
        The gradient, shaped like x.

    Raises:
        TypeError: If x does not hold floating point numbers.

    Example:
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> grad = eval_numerical_gradient(lambda x: np.sum(x**2), x, verbose=False)
        >>> grad.round(6)
        array([2., 4., 6.])
    """
    _require_float(x)
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = _on_both_sides(f, x, index, h)
        grad[index] = (as_number(above) - as_number(below)) / (2 * h)
        if verbose:
            print(index, grad[index])
    return grad


def eval_numerical_gradient_array(
    f: Callable[[Array], Any], x: Array, df: Any, h: float = 1e-5
) -> Array:
    """Evaluate the gradient of an array-valued function, contracted with df.

    Args:
        f: Maps an array like x to an array.
        x: Any shape, floating point; perturbed in place and restored.
        df: Upstream gradient, shaped like f(x).
        h: Half the step between the two evaluations.

    Returns:
        The gradient of sum(df * f(x)) at x, shaped like x.

    Raises:
        TypeError: If x does not hold floating point numbers.

    Example:
        >>> x, df = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 10.0])
        >>> eval_numerical_gradient_array(lambda x: x**2, x, df).round(6)
        array([ 2.,  4., 60.])
    """
    _require_float(x)
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        # A copy of each result: f may hand out its own buffer.
        above, below = _on_both_sides(lambda x: as_array(f(x)).copy(), x, index, h)
        grad[index] = np.sum((above - below) * df) / (2 * h)
    return grad


def eval_numerical_gradient_blobs(
    f: Callable[..., Any], inputs: Sequence[Any], output: Any, h: float = 1e-5
) -> list[Array]:
    """Evaluate numerical gradients of a function that writes into an output blob.

    Args:
        f: Called as f(*inputs, output); reads each input's ``vals`` and writes
            ``output.vals``.
        inputs: Blobs with ``vals`` and ``diffs`` arrays.
        output: Blob whose ``diffs`` is the upstream gradient.
        h: Half the step between the two evaluations.

    Returns:
        One gradient per input blob, shaped like its ``diffs``.
    """
    blobs = (*inputs, output)

    def run(_: Array) -> Array:
        f(*blobs)
        return np.array(output.vals)

    return [
        eval_numerical_gradient_array(run, blob.vals, output.diffs, h=h).reshape(
            blob.diffs.shape
        )
        for blob in inputs
    ]


def eval_numerical_gradient_net(
    net: Any, inputs: Sequence[Any], output: Any, h: float = 1e-5
) -> list[Array]:
    """Evaluate the blob gradients of ``net.forward()``.

    Args:
        net: Its ``forward()`` reads the input blobs and writes the output blob.
        inputs: Blobs with ``vals`` and ``diffs`` arrays.
        output: Blob whose ``diffs`` is the upstream gradient.
        h: Half the step between the two evaluations.

    Returns:
        One gradient per input blob.
    """
    return eval_numerical_gradient_blobs(lambda *_: net.forward(), inputs, output, h=h)


def grad_check_sparse(
    f: Callable[[Array], Any],
    x: Array,
    analytic_grad: Array,
    num_checks: int = 10,
    h: float = 1e-5,
) -> None:
    """Compare an analytic gradient with numerical ones at a few random elements.

    Args:
        f: Maps an array like x to a scalar.
        x: Any shape, floating point; perturbed in place and restored.
        analytic_grad: Shaped like x.
        num_checks: How many elements are drawn, with ``random.randrange``.
        h: Half the step between the two evaluations.
    """
    _require_float(x)
    for _ in range(num_checks):
        index = tuple(random.randrange(size) for size in x.shape)
        above, below = _on_both_sides(f, x, index, h)
        numerical = (as_number(above) - as_number(below)) / (2 * h)
        analytic = analytic_grad[index]
        error = abs(numerical - analytic) / max(1e-8, abs(numerical) + abs(analytic))
        print(
            f"numerical: {numerical:f} analytic: {analytic:f}, "
            f"relative error: {error:e}"
        )


def assert_gradients_match(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Array],
    rng: np.random.Generator,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    max_elements: int = 600,
) -> None:
    """Assert that ``backward`` agrees with finite differences of ``forward``.

    The results of ``backward`` are paired with the floating point arguments of
    ``forward`` by position. Arrays with more than ``max_elements`` are compared along
    eight random directions instead of element by element; so are all, with what that
    allows, where ``forward`` computes in float32. Both may change what they are given.

    Args:
        forward: Called as forward(**inputs); returns one or more outputs, then a cache.
        backward: Called with an upstream gradient per output, then the cache; returns
            a gradient per floating point input (a bare array when there is only one).
        inputs: Argument name -> array, in the order of ``forward``'s signature;
            float64 for the tolerances to make sense. They are as they were afterwards.
        rng: Draws upstream gradients and directions.
        rtol: Relative tolerance for each element.
        atol: Floor under it, for elements near zero.
        max_elements: Largest array that is compared element by element.

    Raises:
        AssertionError: Naming the gradients that are off, their shape or their number.
    """
    kept = {name: np.array(value) for name, value in inputs.items()}
    *outputs, cache = forward(**inputs)
    upstream = [rng.normal(size=np.shape(out)) for out in outputs]
    coarse = any(np.asarray(out).dtype == np.float32 for out in outputs)
    coarse = coarse or _is_coarse_somewhere(forward, kept)
    results = backward(*copies(*upstream), cache)
    grads = copies(*(results if isinstance(results, tuple | list) else (results,)))
    for name, value in inputs.items():  # only now: the cache may hold the inputs
        if value.flags.writeable:
            value[...] = kept[name]
    names = [name for name, value in kept.items() if value.dtype.kind == "f"]
    if len(grads) != len(names):
        raise AssertionError(
            f"{getattr(backward, '__name__', 'backward')} returned {len(grads)} "
            f"gradients, but {len(names)} inputs ({', '.join(names)}) need one each."
        )

    def objective(_: Array) -> float:
        *outs, _cache = forward(**{n: v.copy() for n, v in kept.items()})
        return sum(
            float(np.sum(o * u, dtype=np.float64))
            for o, u in zip(outs, upstream, strict=True)
        )

    wrong = []
    for name, result in zip(names, grads, strict=True):
        x, grad = kept[name], np.asarray(result)
        if grad.shape != x.shape:
            wrong.append(f"d{name} has shape {grad.shape} instead of {x.shape}")
            continue
        relative, floor = rtol, atol
        if coarse:  # differences of float32 have few digits, and need a longer step
            numeric, analytic = _slopes(objective, x, grad, rng, h=1e-2)
            relative, floor = 0.0, 1e-2 * float(np.linalg.norm(grad)) + 1e-4
        elif x.size > max_elements:
            numeric, analytic = _slopes(objective, x, grad, rng)
        else:
            numeric = eval_numerical_gradient(objective, x, verbose=False)
            analytic = grad
        if not coarse:  # what was right to the digits of float32 on its way is right
            floor = max(atol, SINGLE[""] * float(np.abs(numeric).max(initial=0)))
        if not np.allclose(analytic, numeric, rtol=relative, atol=floor):
            wrong.append(
                f"d{name} is off: rel_error {rel_error(analytic, numeric):.1e}"
            )
    if wrong:
        raise AssertionError("; ".join(wrong))


def _is_coarse_somewhere(
    forward: Callable[..., Any], inputs: Mapping[str, Array]
) -> bool:
    smooth = [name for name, value in inputs.items() if value.dtype == np.float64]

    def call(*values: Array) -> Any:
        given = {name: value.copy() for name, value in inputs.items()}
        return forward(**given | dict(zip(smooth, values, strict=True)))

    return is_coarse(call, *(inputs[name] for name in smooth))


def _slopes(
    f: Callable[[Array], float],
    x: Array,
    grad: Array,
    rng: np.random.Generator,
    count: int = 8,
    h: float = 1e-5,
) -> tuple[Array, Array]:
    """Slopes of f at x along random unit directions: numerical and from grad."""
    numeric, analytic = np.zeros(count), np.zeros(count)
    original = x.copy()
    for k in range(count):
        direction = rng.normal(size=x.shape)
        direction /= np.linalg.norm(direction)
        x[...] = original + h * direction
        above = f(x)
        x[...] = original - h * direction
        below = f(x)
        numeric[k] = (above - below) / (2 * h)
        analytic[k] = np.sum(grad * direction)
    x[...] = original
    return numeric, analytic
