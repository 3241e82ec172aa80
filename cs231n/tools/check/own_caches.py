"""A layer that is right, or made up, with the caches of a student's own.

A sequence may look into the caches of its steps, for sizes most often. It finds there
what the student's step left, also where a right step takes the place of a wrong one.
"""

import copy
import hashlib
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np


class OwnCaches:
    """Runs one layer and hands out the caches of another one."""

    def __init__(
        self,
        own: Callable[..., Any],
        forward: Callable[..., Any],
        backward: Callable[..., Any],
    ) -> None:
        """Take both.

        Args:
            own: The forward function whose caches are handed out.
            forward: That of the layer that runs.
            backward: Its backward function.
        """
        self._own, self._forward, self._backward = own, forward, backward
        self._caches: dict[bytes, tuple[bytes | None, Any]] = {}

    def named(self, step: str) -> dict[str, Callable[..., Any]]:
        """Return the two functions that students call, under their names."""
        return {f"{step}_forward": self.forward, f"{step}_backward": self.backward}

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs of the layer that runs, and a cache."""
        inputs = content([args, kwargs])
        given, named = copy.deepcopy((args, kwargs))
        *outs, cache = self._forward(*args, **kwargs)
        try:
            *own_outs, own = self._own(*given, **named)
            _correct(own_outs, outs, [*given, *named.values()])
        except BaseException:  # whatever a student's code raises
            own = None
        key = None if own is None else content(own)
        if key is None:
            return (*outs, cache)
        # One that is the same for other inputs tells nothing of these.
        known, _ = self._caches.setdefault(key, (inputs, cache))
        return (*outs, own if known == inputs else cache)

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the gradients of the layer that runs."""
        named = {name: self._running(v) for name, v in kwargs.items()}
        return self._backward(*map(self._running, args), **named)

    def _running(self, value: Any) -> Any:
        """Return the cache of the layer that runs in the place of the other one's."""
        key = content(value)
        known = None if key is None else self._caches.get(key)
        return value if known is None else known[1]


def _correct(own: Sequence[Any], right: Sequence[Any], given: Sequence[Any]) -> None:
    """Write right outputs into a student's arrays, which the cache may hold as well.

    Arrays that share memory with what was given stay as they are.
    """
    for mine, out in zip(own, right, strict=False):
        if (
            isinstance(mine, np.ndarray)
            and mine.flags.writeable
            and mine.shape == out.shape
            and not any(np.may_share_memory(mine, x) for x in given)
        ):
            mine[...] = out


def content(value: Any) -> bytes | None:
    """Return what differs where data differ, None of what cannot be taken apart.

    Args:
        value: Arrays and plain values, functions, modules and classes, in tuples,
            lists, dictionaries and whatever else pickle takes apart.
    """
    digest = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, np.ndarray | np.generic) and not part.dtype.hasobject:
            if part.dtype.kind == "f":  # a cache may be made anew, in another dtype
                part = part.astype(float)
            digest.update(f"{part.shape} {part.dtype.str}".encode())
            digest.update(part.tobytes())
        elif part is None or isinstance(part, bool | int | float | str | bytes):
            digest.update(f"{part!r};".encode())
        else:
            kind, parts = _parts(part)
            digest.update(f"{kind} of {len(parts)} ".encode())
            for inside in parts:
                add(inside)

    try:
        add(value)
    except Exception:  # whatever the parts of a student's cache raise
        return None
    return digest.digest()


def _parts(value: Any) -> tuple[str, Sequence[Any]]:
    """Take apart what is neither plain nor an array of numbers.

    Returns:
        kind: What it is; caches may be moved between tuples, lists and arrays.
        parts: What is in it.

    Raises:
        TypeError: If it cannot be taken apart, as a generator.
    """
    kind = type(value).__qualname__
    match value:
        case np.ndarray(ndim=0):
            return _parts([value.item()])
        case tuple() | list() | np.ndarray():
            return "sequence", [*value]
        case dict():
            return kind, [*value, *value.values()]
        case set() | frozenset():
            return kind, sorted(map(repr, map(content, value)))
        case types.ModuleType() | np.ufunc() | type():
            return kind, [value.__name__]
        case types.FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return kind, [id(value.__code__), value.__defaults__, cells]
    if hasattr(value, "__array__"):
        return kind, [np.asarray(getattr(value, "detach", lambda: value)())]
    reduced = value.__reduce_ex__(2)
    if isinstance(reduced, str):
        return kind, [reduced]
    return kind, [list(p) if isinstance(p, Iterator) else p for p in reduced]
