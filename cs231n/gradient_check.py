"""Numerical gradients, and the checks that notebooks and tests make with them.

The numerical gradient of f at x is the centred difference (f(x + h) - f(x - h)) / 2h,
one element at a time. The array is perturbed in place and restored, because notebook
lambdas often ignore their argument and read the array they close over.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cs231n.answers import CHECKS_MIME, digests

Array: TypeAlias = NDArray[Any]


def rel_error(x: Any, y: Any) -> float:
    """Return the largest elementwise relative error between two arrays.

    Args:
        x: Any shape.
        y: The same shape as x, or one that broadcasts to it.

    Returns:
        max(|x - y| / max(1e-8, |x| + |y|)); 0.0 for empty arrays, nan if one has nan.
    """
    x, y = (
        a if a.dtype.kind in "fc" else a.astype(float) for a in map(np.asarray, (x, y))
    )
    difference = np.abs(x - y)
    if difference.size == 0:
        return 0.0
    return float(np.max(difference / np.maximum(1e-8, np.abs(x) + np.abs(y))))


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
    """
    _require_float(x)
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = _on_both_sides(f, x, index, h)
        grad[index] = (above - below) / (2 * h)
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
    """
    _require_float(x)
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        # A copy of each result: f may hand out its own buffer.
        above, below = _on_both_sides(lambda x: np.array(f(x)), x, index, h)
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
        numerical = (above - below) / (2 * h)
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
    rtol: float = 1e-6,
    atol: float = 1e-8,
    max_elements: int = 600,
) -> None:
    """Assert that ``backward`` agrees with finite differences of ``forward``.

    The results of ``backward`` are paired with the floating point arguments of
    ``forward`` by position. Arrays with more than ``max_elements`` are compared along
    eight random directions instead of element by element.

    Args:
        forward: Called as forward(**inputs); returns one or more outputs, then a cache.
        backward: Called with an upstream gradient per output, then the cache; returns
            a gradient per floating point input (a bare array when there is only one).
        inputs: Argument name -> array, in the order of ``forward``'s signature;
            float64 for the tolerances to make sense.
        rng: Draws upstream gradients and directions.
        rtol: Relative tolerance for each element.
        atol: Floor under it, for elements near zero.
        max_elements: Largest array that is compared element by element.

    Raises:
        AssertionError: Naming the gradients that are off, their shape or their number.
    """
    *outputs, cache = forward(**inputs)
    upstream = [rng.normal(size=np.shape(out)) for out in outputs]
    grads = backward(*upstream, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    names = [
        name
        for name, value in inputs.items()
        if np.issubdtype(np.asarray(value).dtype, np.floating)
    ]
    if len(grads) != len(names):
        raise AssertionError(
            f"{getattr(backward, '__name__', 'backward')} returned {len(grads)} "
            f"gradients, but {len(names)} inputs ({', '.join(names)}) need one each."
        )

    def objective(_: Array) -> Any:
        *outs, _cache = forward(**inputs)
        return sum(np.sum(o * u) for o, u in zip(outs, upstream, strict=True))

    wrong = []
    for name, result in zip(names, grads, strict=True):
        x, grad = inputs[name], np.asarray(result)
        if grad.shape != x.shape:
            wrong.append(f"d{name} has shape {grad.shape} instead of {x.shape}")
            continue
        if x.size <= max_elements:
            numeric = eval_numerical_gradient(objective, x, verbose=False)
            analytic = grad
        else:
            numeric, analytic = _slopes(objective, x, grad, rng)
        if not np.allclose(analytic, numeric, rtol=rtol, atol=atol):
            wrong.append(
                f"d{name} is off: rel_error {rel_error(analytic, numeric):.1e}"
            )
    if wrong:
        raise AssertionError("; ".join(wrong))


def _slopes(
    f: Callable[[Array], Any],
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


def check(
    title: str,
    pairs: Mapping[str, tuple[Any, Any]],
    within: float | Mapping[str, float],
) -> None:
    """Compare results with what is expected, show a table, and fail loudly.

    Args:
        title: What is checked, such as ``rnn_step_backward``.
        pairs: Name -> (result, expected), such as ``{"dx": (dx, dx_num)}``.
        within: Largest relative error allowed, for all or by name.

    Raises:
        AssertionError: Naming each result whose error or shape is off.
    """
    rows, complaints = [], []
    for name, (result, expected) in pairs.items():
        limit = within[name] if isinstance(within, Mapping) else within
        got, wanted = np.shape(result), np.shape(expected)
        error: float | None = None
        if got != wanted:
            complaints.append(f"{name} has shape {got}, expected {wanted}")
        else:
            error = rel_error(result, expected)
            if not error <= limit:  # nan is no pass
                complaints.append(
                    f"{name} has relative error {error:.1e}, expected {limit:.0e}"
                )
        passed = error is not None and error <= limit
        rows.append(_row(name, error, limit, "<", passed))
    _report(title, rows, complaints)


def check_below(title: str, values: Mapping[str, tuple[Any, float]]) -> None:
    """Check that numbers, such as a final loss, lie below their limits.

    Args:
        title: What is checked.
        values: Name -> (number, what it must be smaller than).

    Raises:
        AssertionError: Naming each number that is not smaller, or is nan.
    """
    _compare(title, values, "<", "less than")


def check_at_least(title: str, values: Mapping[str, tuple[Any, float]]) -> None:
    """Check that numbers, such as scores, reach their floors.

    Args:
        title: What is checked.
        values: Name -> (number, smallest number that passes).

    Raises:
        AssertionError: Naming each number that is too small, or is nan.
    """
    _compare(title, values, ">=", "at least")


def _compare(
    title: str, values: Mapping[str, tuple[Any, float]], relation: str, words: str
) -> None:
    rows, complaints = [], []
    for name, (number, limit) in values.items():
        value = float(number)
        passed = value < limit if relation == "<" else value >= limit
        rows.append(_row(name, value, limit, relation, passed))
        if not passed:
            complaints.append(f"{name} is {value:.4g}, expected {words} {limit:g}")
    _report(title, rows, complaints)


def _row(
    name: str, error: float | None, threshold: float, relation: str, passed: bool
) -> dict[str, Any]:
    if error is not None and not np.isfinite(error):
        error = None  # JSON has no nan
    return {
        "name": name,
        "error": error,
        "threshold": float(threshold),
        "relation": relation,
        "passed": bool(passed),
    }


def _report(title: str, rows: list[dict[str, Any]], complaints: Iterable[str]) -> None:
    """Print a table of checks, hand it to the run's report, raise on complaints."""
    width = max(len(row["name"]) for row in rows)
    lines = [title]
    for row in rows:
        error = "-" if row["error"] is None else _short(row["error"], row["relation"])
        threshold = _short(row["threshold"], row["relation"])
        verdict = "pass" if row["passed"] else "FAIL"
        relation = "below" if row["relation"] == "<" else "at least"
        lines.append(
            f"  {row['name']:<{width}}  {error:>8}   {relation} {threshold:>7}"
            f"   {verdict}"
        )
    _publish("\n".join(lines), {"title": title, "rows": rows})
    complaints = list(complaints)
    if complaints:
        raise AssertionError(f"{title}: " + "; ".join(complaints) + ".")


def _short(number: float, relation: str) -> str:
    """Errors as orders of magnitude, scores as plain numbers."""
    small = relation == "<" and (number == 0 or abs(number) < 1e-3)
    return f"{number:.0e}" if small else f"{number:.4g}"


def _publish(text: str, data: dict[str, Any]) -> None:
    """Show ``text``; inside a notebook, attach ``data`` for report and hand-in."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        print(text)
        return
    from IPython.display import display

    profile = getattr(shell, "user_ns", {}).get("PROFILE", "full")
    data = data | {"answers": digests(), "profile": str(profile)}
    display({"text/plain": text, CHECKS_MIME: data}, raw=True)
