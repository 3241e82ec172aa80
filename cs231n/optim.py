"""Update rules for gradient descent (given).

Each takes a weight array, the loss gradient at it and a dictionary of settings and
state, and returns the next weights and that same dictionary, filled with defaults.
Editions call the arrays ``w, dw`` or ``x, dx``; every rule takes either by name.
Weights and state are updated in place where their memory allows it, so a step allocates
next to nothing and float32 stays float32.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeAlias

import numpy as np

from cs231n.support.arrays import Array
from cs231n.support.kernels import compiled

Config: TypeAlias = dict[str, Any]
_P = ParamSpec("_P")

_BLOCK = 32768  # elements; a handful of blocks this long stay in the L2 cache


def _by_either_name(
    rule: Callable[_P, tuple[Array, Config]],
) -> Callable[_P, tuple[Array, Config]]:
    """Let a rule's arrays be given as w, dw and as x, dx, whatever it calls them."""
    own = list(inspect.signature(rule).parameters)[:2]
    arrays = [("weights", "w", "x", "first"), ("gradients", "dw", "dx", "second")]

    @functools.wraps(rule)
    def step(*args: _P.args, **kwargs: _P.kwargs) -> tuple[Array, Config]:
        for place, (what, one, other, nth) in enumerate(arrays):
            given = ["by position"] * (len(args) > place)
            given += [f"as {name}" for name in (one, other) if name in kwargs]
            if len(given) != 1:
                came = f"came {' and '.join(given)}" if given else "are missing"
                raise TypeError(
                    f"{rule.__name__}: the {what} {came}; give them once, in {nth} "
                    f"place or as {one} or {other}."
                )
            if len(args) <= place:
                kwargs[own[place]] = kwargs.pop(one if one in kwargs else other)
        return rule(*args, **kwargs)

    return step


@_by_either_name
def sgd(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """Take one step of plain stochastic gradient descent.

    Args:
        w: Weights of any shape, updated in place.
        dw: Gradient at w, shaped like it.
        config: ``learning_rate`` (1e-2).

    Returns:
        next_w: w, one step further.
        config: The settings, filled with defaults.
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    w -= config["learning_rate"] * dw
    return w, config


@_by_either_name
def sgd_momentum(
    w: Array, dw: Array, config: Config | None = None
) -> tuple[Array, Config]:
    """Take one step of gradient descent with momentum.

    Args:
        w: Weights of any shape, updated in place.
        dw: Gradient at w, shaped like it.
        config: ``learning_rate`` (1e-2), ``momentum`` (0.9: the share of the velocity
            kept), ``velocity`` (zeros shaped like w).

    Returns:
        next_w: w, one step further.
        config: The settings and state.
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.setdefault("velocity", np.zeros_like(w))
    v *= config["momentum"]
    v -= config["learning_rate"] * dw
    w += v
    return w, config


@_by_either_name
def rmsprop(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """Take one step of RMSProp.

    Args:
        w: Weights of any shape, updated in place.
        dw: Gradient at w, shaped like it.
        config: ``learning_rate`` (1e-2), ``decay_rate`` (0.99: the share of the old
            average kept), ``epsilon`` (1e-8), ``cache`` (average of squared gradients,
            zeros shaped like w).

    Returns:
        next_w: w, one step further.
        config: The settings and state.

    Source: Tieleman and Hinton, Coursera lecture 6.5, 2012.
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.99)
    config.setdefault("epsilon", 1e-8)
    cache = config.setdefault("cache", np.zeros_like(w))
    decay = config["decay_rate"]
    cache *= decay
    cache += (1 - decay) * dw**2
    w -= config["learning_rate"] * dw / (np.sqrt(cache) + config["epsilon"])
    return w, config


@_by_either_name
def adam(x: Array, dx: Array, config: Config | None = None) -> tuple[Array, Config]:
    """Take one step of Adam.

    The bias corrections are folded into the step size, so epsilon is added to the
    uncorrected root: the form at the end of section 2 of the paper.

    Args:
        x: Weights of any shape, updated in place.
        dx: Gradient at x, shaped like it.
        config: ``learning_rate`` (1e-3), ``beta1`` (0.9), ``beta2`` (0.999),
            ``epsilon`` (1e-8), ``m`` and ``v`` (averages of the gradient and of its
            square, zeros shaped like x, updated in place), ``t`` (steps taken, 0).

    Returns:
        next_x: x, one step further.
        config: The settings and state.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015.
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-3)
    beta1 = config.setdefault("beta1", 0.9)
    beta2 = config.setdefault("beta2", 0.999)
    epsilon = config.setdefault("epsilon", 1e-8)
    m = config.setdefault("m", np.zeros_like(x))
    v = config.setdefault("v", np.zeros_like(x))
    t = config["t"] = config.get("t", 0) + 1

    step = config["learning_rate"] * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    if _compiled_adam((x, dx, m, v), beta1, beta2, step, epsilon):
        return x, config
    for x_k, dx_k, m_k, v_k, scratch in _blocks(x, dx, m, v):
        np.multiply(dx_k, 1 - beta1, out=scratch)
        m_k *= beta1
        m_k += scratch
        np.multiply(dx_k, dx_k, out=scratch)
        scratch *= 1 - beta2
        v_k *= beta2
        v_k += scratch
        np.sqrt(v_k, out=scratch)
        scratch += epsilon
        np.divide(m_k, scratch, out=scratch)
        scratch *= step
        x_k -= scratch
    return x, config


def _compiled_adam(arrays: tuple[Array, ...], *settings: float) -> bool:
    """Take Adam's step with the kernel, going over memory once; tell if it fits."""
    k, x = compiled.kernels(), arrays[0]
    if k is None or k.WIDEST < 0 or x.dtype not in (np.float32, np.float64):
        return False
    for a in arrays:
        if a.dtype != x.dtype or a.shape != x.shape or not a.flags.c_contiguous:
            return False
    if not all(a.flags.writeable for a in (x, *arrays[2:])):
        return False
    flat = [a.reshape(-1) for a in arrays]
    compiled.in_parts(
        lambda part: k.adam(*(a[part] for a in flat), *settings), x.size, 8 * _BLOCK
    )
    return True


def _blocks(x: Array, *others: Array) -> Iterator[tuple[Array, ...]]:
    """Cut arrays into matching views short enough for the cache, with scratch space.

    Arrays that do not all lie in memory row by row come back whole.
    """
    arrays = (x, *others)
    if not all(a.flags.c_contiguous and a.shape == x.shape for a in arrays):
        yield (*arrays, np.empty_like(x))
        return
    flat = [a.reshape(-1) for a in arrays]
    scratch = np.empty(min(_BLOCK, x.size), dtype=x.dtype)
    for start in range(0, x.size, _BLOCK):
        views = [a[start : start + _BLOCK] for a in flat]
        yield (*views, scratch[: views[0].size])
