"""A layer that is right, or made up, with the caches of a student's own.

A sequence may look into the caches of its steps, for sizes most often. It finds there
what the student's step left, also where a right step takes the place of a wrong one.
"""

import copy
import hashlib
from collections.abc import Callable
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
        self.went_back = False  # whether the backward function was called
        self._caches: dict[bytes, tuple[bytes | None, Any]] = {}

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs of the layer that runs, and a cache."""
        inputs = content([args, kwargs])
        try:
            own = self._own(*copy.deepcopy(args), **copy.deepcopy(kwargs))[-1]
        except BaseException:  # whatever a student's code raises
            own = None
        *outs, cache = self._forward(*args, **kwargs)
        key = None if own is None else content(own)
        if key is None:
            return (*outs, cache)
        # One that is the same for other inputs tells nothing of these.
        known, _ = self._caches.setdefault(key, (inputs, cache))
        return (*outs, own if known == inputs else cache)

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the gradients of the layer that runs."""
        self.went_back = True
        named = {name: self._running(v) for name, v in kwargs.items()}
        return self._backward(*map(self._running, args), **named)

    def _running(self, value: Any) -> Any:
        """Return the cache of the layer that runs in the place of the other one's."""
        key = content(value)
        known = None if key is None else self._caches.get(key)
        return value if known is None else known[1]


def content(value: Any) -> bytes | None:
    """Return what differs where data differ, None of what holds something else.

    Args:
        value: Arrays and plain values, in tuples, lists, dictionaries and objects.
    """
    digest = hashlib.sha256()

    def add(part: Any) -> bool:
        if isinstance(part, np.ndarray | np.generic):
            array = np.asarray(part)
            if array.dtype.hasobject:
                return add([*array]) if array.ndim else add(array.item())
            digest.update(f"{array.shape} {array.dtype.str}".encode())
            digest.update(array.tobytes())
            return True
        if isinstance(part, tuple | list):
            digest.update(f"{len(part)} in ".encode())
            return all(add(p) for p in part)
        if isinstance(part, dict):
            return add([*part]) and add([*part.values()])
        if part is None or isinstance(part, bool | int | float | str):
            digest.update(f"{part!r};".encode())
            return True
        return hasattr(part, "__dict__") and not callable(part) and add(vars(part))

    try:
        return digest.digest() if add(value) else None
    except RecursionError:
        return None
