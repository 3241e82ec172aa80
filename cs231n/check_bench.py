"""Where a student's function is tried out: inputs, stand-ins for what is missing."""

import importlib
import inspect
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cs231n.assignment import Function
from cs231n.check_marks import Array, Record, Results


class GoneError(Exception):
    """A function that is not there any more."""


class UnfitError(Exception):
    """A result that is of the wrong kind, so that its numbers cannot be looked at."""


class WaitingError(Exception):
    """Another function has to be written first."""


class Bench:
    """One function of a student's, with all that a check of it needs.

    Attributes:
        function: Its row in the table.
        module: The module it stands in.
        call: The function itself.
        record: What is stored for it.
    """

    def __init__(self, function: Function, seed: int, record: Record) -> None:
        """Import the student's module, which may fail in any way.

        Args:
            function: Its row in the table.
            seed: Draws the public inputs.
            record: What is stored for it.
        """
        self.function, self.record = function, record
        parts = function.name.split(".")
        depth = next((i for i, p in enumerate(parts) if p[:1].isupper()), -1)
        self.module: Any = importlib.import_module(".".join(parts[:depth]))
        self.call: Any = self.module
        for part in parts[depth:]:
            if not hasattr(self.call, part):
                raise GoneError(
                    f"{part} is not there any more: write it under this name again"
                )
            self.call = getattr(self.call, part)
        self._seed = (seed + zlib.crc32(function.name.encode())) % 2**32

    def rng(self) -> np.random.RandomState:
        """Return the generator of this function's inputs, always from its start."""
        return np.random.RandomState(self._seed)

    def normals(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Draw standard normal numbers for each named shape."""
        rng = self.rng()
        return {name: rng.randn(*shape) for name, shape in shapes.items()}

    @contextmanager
    def instead(self, **layers: Callable[..., Any]) -> Iterator[None]:
        """Put other functions in the place of the student's, wherever they are known.

        Args:
            **layers: Name -> what is called instead.
        """
        students = [
            m
            for n, m in sys.modules.items()
            if n.startswith("cs231n.") and m is not None
        ]
        places = [(m, name) for m in students for name in layers if name in vars(m)]
        before = [(m, name, vars(m)[name]) for m, name in places]
        try:
            for m, name in places:
                setattr(m, name, layers[name])
            yield
        finally:
            for m, name, function in before:
                setattr(m, name, function)


class StandIn:
    """A made-up layer with its true adjoint, for when a student's own is missing.

    Every output is a fixed random linear function of every floating point input, and
    depends on integer inputs in an arbitrary way. So it is as good as any layer to see
    whether it is called with the right things and its gradients go to the right places.
    """

    def __init__(
        self, like: Callable[..., Any], shapes: Callable[..., Sequence[tuple[int, ...]]]
    ) -> None:
        """Make up a layer.

        Args:
            like: The layer whose place it takes, for its signature.
            shapes: Maps the inputs to the shapes of the outputs.
        """
        self._signature, self._shapes = inspect.signature(like), shapes
        self._name = like.__name__
        self._maps: dict[str, tuple[Array, Array]] = {}

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs and a cache."""
        inputs = [np.asarray(v) for v in self._signature.bind(*args, **kwargs).args]
        words = str([v.tolist() for v in inputs if v.dtype.kind in "iub"])
        shapes = self._shapes(*inputs)
        maps = [
            [
                None if v.dtype.kind in "iub" else self._map((o, k), shape, v, words)
                for k, v in enumerate(inputs)
            ]
            for o, shape in enumerate(shapes)
        ]
        outs = [
            np.reshape(
                sum(
                    narrow[0] @ (narrow[1] @ v.reshape(-1))
                    for narrow, v in zip(row, inputs, strict=True)
                    if narrow is not None
                ),
                shape,
            )
            for row, shape in zip(maps, shapes, strict=True)
        ]
        return (*outs, (maps, [v.shape for v in inputs]))

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Return a gradient for each floating point input; a lone one by itself."""
        *douts, (maps, shapes) = (*args, *kwargs.values())
        grads = [
            np.reshape(
                sum(
                    row[k][1].T @ (row[k][0].T @ np.reshape(dout, -1))
                    for row, dout in zip(maps, douts, strict=True)
                ),
                shape,
            )
            for k, shape in enumerate(shapes)
            if maps[0][k] is not None
        ]
        return tuple(grads) if len(grads) > 1 else grads[0]

    def _map(
        self, which: tuple[int, int], shape: tuple[int, ...], v: Array, words: str
    ) -> tuple[Array, Array]:
        """Return the two factors of what maps one input to one output."""
        key = f"{self._name} {which} {shape} {v.shape} {words}"
        if key not in self._maps:
            rng = np.random.RandomState(zlib.crc32(key.encode()))
            rows, rank = int(np.prod(shape)), 16
            wide, narrow = rng.randn(rows, rank), rng.randn(rank, v.size)
            self._maps[key] = wide / 4, narrow / np.sqrt(v.size)
        return self._maps[key]


@dataclass(frozen=True)
class Exercise:
    """How one function is tried out.

    Attributes:
        run: Calls the student's function in one of the ways, returns its results.
        ways: "own" goes with what the student wrote before; "sample" reads a stored
            cache instead; "stand-in" goes with made-up layers. One that succeeds
            is enough, so that no function has to pay for another one's mistakes.
        within: Largest relative difference from what is stored.
        differences: Name -> (result, finite difference of the student's own forward
            pass), or None where there is no such pair.
        telling: Outputs that tell mistakes apart, where others depend on choices that
            are free; all of them if empty.
        mentions: A word that the code must hold before it is begun, "" for none.
    """

    run: Callable[[Bench, str], Results]
    ways: tuple[str, ...] = ("own",)
    within: float = 1e-8
    differences: Callable[[Bench], dict[str, tuple[Array, Array]]] | None = None
    telling: tuple[str, ...] = ()
    mentions: str = ""


def unpack(result: Any, names: Sequence[str]) -> list[Any]:
    """Insist on a tuple of so many results.

    Args:
        result: What a student's function returned.
        names: What its parts are called.

    Raises:
        UnfitError: If there are more or fewer.
    """
    wanted = ", ".join(names)
    if len(names) == 1:
        return [result]
    if not isinstance(result, tuple | list):
        raise UnfitError(f"returned {kind(result)} instead of {wanted}")
    if len(result) != len(names):
        raise UnfitError(f"returned {len(result)} results instead of {wanted}")
    return list(result)


def as_array(name: str, value: Any) -> Array:
    """Insist on real numbers.

    Args:
        name: What the result is called.
        value: An array, a tensor or a number.

    Raises:
        UnfitError: If it is anything else.
    """
    if value is None:
        raise UnfitError(f"{name} is None: nothing was computed")
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise UnfitError(f"{name} is {kind(value)}, no array of numbers") from None
    if array.dtype.kind not in "fiub":
        raise UnfitError(f"{name} is {kind(value)}, no array of real numbers")
    return array


def kind(value: Any) -> str:
    """Describe a value in a few words."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
