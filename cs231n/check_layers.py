"""Q1 and Q2: how the recurrent layers and the word embedding are tried out.

Letters in shapes: N sequences, T timesteps, D input size, H hidden size, V words.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cs231n.check_bench import (
    Bench,
    Exercise,
    StandIn,
    UnfitError,
    WaitingError,
    as_array,
    unpack,
)
from cs231n.check_marks import Array, Results
from cs231n.gradient_check import eval_numerical_gradient_array

# The sizes differ, so that a swapped axis cannot go unseen; the second set has none of
# what many sequences and timesteps have in common.
SIZES = {
    "": {"N": 3, "T": 4, "D": 2, "H": 5, "V": 6},
    "of one": {"N": 1, "T": 1, "D": 3, "H": 2, "V": 4},
}
LAYERS = "cs231n.rnn_layers."


@dataclass(frozen=True)
class Pair:
    """A layer: a forward function, its backward function, what goes in and out.

    Attributes:
        name: What both names begin with.
        inputs: Argument -> letters of its shape, in order; K is 4H.
        outputs: What forward returns before its cache -> letters.
        step: The layer that this one may consist of, if it is a sequence.
    """

    name: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    step: "Pair | None" = None

    def draw(self, bench: Bench, which: str) -> tuple[dict[str, Array], list[Array]]:
        """Draw inputs, and a gradient for each output."""
        rng, sizes = bench.rng(), SIZES[which]
        inputs: dict[str, Array] = {}
        for name, letters in self.inputs.items():
            shape = _shape(letters, sizes)
            words = self.name == "word_embedding" and name == "x"
            inputs[name] = (
                rng.randint(sizes["V"], size=shape) if words else rng.randn(*shape)
            )
        return inputs, [rng.randn(*_shape(s, sizes)) for s in self.outputs.values()]

    @property
    def grads(self) -> list[str]:
        """What backward returns."""
        return [f"d{name}" for name in self.inputs if self.differentiable(name)]

    def differentiable(self, name: str) -> bool:
        """Tell whether an argument gets a gradient."""
        return self.name != "word_embedding" or name != "x"

    def stand_in(self, bench: Bench) -> StandIn:
        """Make up a layer with these inputs and outputs."""

        def shapes(*inputs: Array) -> list[tuple[int, ...]]:
            sizes: dict[str, int] = {}
            for (name, letters), value in zip(self.inputs.items(), inputs, strict=True):
                for letter, size in zip(letters, value.shape, strict=False):
                    sizes.setdefault(letter, size)
                if [sizes[c] for c in letters] != list(value.shape):
                    raise ValueError(
                        f"{self.name}_forward got {name} with shape {value.shape}, "
                        "which does not fit its other arguments"
                    )
            return [_shape(letters, sizes) for letters in self.outputs.values()]

        return StandIn(getattr(bench.module, f"{self.name}_forward"), shapes)


RNN = {"Wx": "DH", "Wh": "HH", "b": "H"}
LSTM = {"Wx": "DK", "Wh": "HK", "b": "K"}  # K = 4H
RNN_STEP = Pair("rnn_step", {"x": "ND", "prev_h": "NH"} | RNN, {"next_h": "NH"})
LSTM_STEP = Pair(
    "lstm_step",
    {"x": "ND", "prev_h": "NH", "prev_c": "NH"} | LSTM,
    {"next_h": "NH", "next_c": "NH"},
)
SEQUENCE, STATES = {"x": "NTD", "h0": "NH"}, {"h": "NTH"}
PAIRS = [
    RNN_STEP,
    Pair("rnn", SEQUENCE | RNN, STATES, RNN_STEP),
    Pair("word_embedding", {"x": "NT", "W": "VD"}, {"out": "NTD"}),
    LSTM_STEP,
    Pair("lstm", SEQUENCE | LSTM, STATES, LSTM_STEP),
]


def _shape(letters: str, sizes: dict[str, int]) -> tuple[int, ...]:
    known = {"K": 4 * sizes.get("H", 0)} | sizes
    return tuple(known[letter] for letter in letters)


def call_forward(
    pair: Pair, call: Callable[..., Any], inputs: dict[str, Array]
) -> tuple[Results, Any]:
    """Call a student's forward function and look at what comes back.

    Args:
        pair: The layer.
        call: Its forward function.
        inputs: Argument -> array.

    Returns:
        results: Output -> array.
        cache: Whatever it is.

    Raises:
        UnfitError: If results are missing, no arrays, or inputs were changed.
    """
    given = {name: value.copy() for name, value in inputs.items()}
    *outs, cache = unpack(call(*given.values()), [*pair.outputs, "cache"])
    _require_untouched(given, inputs)
    names = list(pair.outputs)
    return {n: as_array(n, o) for n, o in zip(names, outs, strict=True)}, cache


def _require_untouched(given: dict[str, Array], inputs: dict[str, Array]) -> None:
    for name, value in inputs.items():
        if not np.array_equal(given[name], value, equal_nan=True):
            raise UnfitError(f"changed its input {name}; work on a copy of it")


@contextmanager
def _made_up_step(pair: Pair, bench: Bench, way: str) -> Iterator[None]:
    if way != "stand-in" or pair.step is None:
        yield
        return
    step = pair.step.stand_in(bench)
    name = pair.step.name
    layers = {f"{name}_forward": step.forward, f"{name}_backward": step.backward}
    with bench.instead(**layers):
        yield


def _forward(pair: Pair) -> Exercise:
    def run(bench: Bench, way: str) -> Results:
        results: Results = {}
        with _made_up_step(pair, bench, way):
            for which in SIZES:
                inputs, _ = pair.draw(bench, which)
                found, _ = call_forward(pair, bench.call, inputs)
                results |= _named(found, which)
        return results

    return Exercise(run, ("own", "stand-in") if pair.step else ("own",))


def _backward(pair: Pair) -> Exercise:
    def run(bench: Bench, way: str) -> Results:
        results: Results = {}
        with _made_up_step(pair, bench, way):
            for which in SIZES:
                inputs, douts = pair.draw(bench, which)
                if way == "sample":
                    cache = copy.deepcopy(bench.record.cache)[which == "of one"]
                else:
                    _, cache = _students_forward(pair, bench, inputs)
                results |= _named(call_backward(pair, bench, douts, cache), which)
        return results

    def differences(bench: Bench) -> dict[str, tuple[Array, Array]]:
        inputs, douts = pair.draw(bench, "")
        _, cache = _students_forward(pair, bench, inputs)
        grads = call_backward(pair, bench, douts, cache)

        def objective(_: Array) -> Any:
            found, _ = _students_forward(pair, bench, inputs)
            return sum(
                np.sum(o * d) for o, d in zip(found.values(), douts, strict=True)
            )

        return {
            f"d{name}": (
                grads[f"d{name}"],
                eval_numerical_gradient_array(objective, value, 1.0),
            )
            for name, value in inputs.items()
            if pair.differentiable(name)
        }

    ways = ("own", "sample", "stand-in") if pair.step else ("own", "sample")
    return Exercise(run, ways, differences=differences)


def call_backward(pair: Pair, bench: Bench, douts: list[Array], cache: Any) -> Results:
    """Call a student's backward function and look at what comes back.

    Args:
        pair: The layer.
        bench: Its backward function stands there.
        douts: A gradient for each output, which must stay as it is.
        cache: What the forward function left.

    Raises:
        UnfitError: If results are missing, no arrays, or the gradients were changed.
    """
    names = [f"d{name}" for name in pair.outputs]
    before = dict(zip(names, douts, strict=True))
    given = {name: value.copy() for name, value in before.items()}
    grads = unpack(bench.call(*given.values(), cache), pair.grads)
    _require_untouched(given, before)
    return {n: as_array(n, g) for n, g in zip(pair.grads, grads, strict=True)}


def _students_forward(
    pair: Pair, bench: Bench, inputs: dict[str, Array]
) -> tuple[Results, Any]:
    name = f"{pair.name}_forward"
    try:
        return call_forward(pair, getattr(bench.module, name), inputs)
    except Exception as error:  # whatever a student's code raises
        raise WaitingError(
            f"{name} has to work first, as this function reads the cache it leaves"
        ) from error


def _named(found: Results, which: str) -> Results:
    return {f"{name} {which}".strip(): value for name, value in found.items()}


EXERCISES = {
    f"{LAYERS}{pair.name}_{part}": make(pair)
    for pair in PAIRS
    for part, make in (("forward", _forward), ("backward", _backward))
}
