"""Q1 and Q2: how the recurrent layers and the word embedding are tried out.

Letters in shapes: N sequences, T timesteps, D input size, H hidden size, V words.
"""

import copy
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from cs231n.gradient_check import eval_numerical_gradient_array
from cs231n.support.accuracy import LIMITS, single_limit
from cs231n.tools.check.bench import (
    ONE,
    Bench,
    Exercise,
    Run,
    Shapes,
    StandIn,
    changed_inputs,
)
from cs231n.tools.check.faults import SealedError, UnfitError, WaitingError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import as_array, unpack
from cs231n.tools.check.words import listed

# The sizes differ, so that a swapped axis cannot go unseen.
SIZES = {"N": 3, "T": 4, "D": 2, "H": 5, "V": 6}
NO_CHANGE: Mapping[str, int] = {}


@dataclass(frozen=True)
class Pair:
    """A layer: a forward function, its backward function, what goes in and out.

    Attributes:
        name: What both names begin with.
        inputs: Argument -> letters of its shape, in order; K is 4H.
        outputs: What forward returns before its cache -> letters.
        step: The layer that this one may consist of, if it is a sequence.
        words: Argument that holds numbers of words, so that it gets no gradient.
    """

    name: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    step: "Pair | None" = None
    words: str = ""

    def draw(self, bench: Bench, change: Mapping[str, int] = NO_CHANGE) -> "Drawn":
        """Draw inputs, and a gradient for each output.

        Args:
            bench: Knows the generator and the sizes.
            change: Letters that are of another size.
        """
        rng, sizes = bench.rng(), {**bench.sizes(SIZES), **change}
        inputs: dict[str, Array] = {}
        for name, letters in self.inputs.items():
            shape = _shape(letters, sizes)
            inputs[name] = (
                rng.randn(*shape)
                if self.differentiable(name)
                else rng.randint(sizes["V"], size=shape)
            )
        return inputs, [rng.randn(*_shape(s, sizes)) for s in self.outputs.values()]

    def cases(self, bench: Bench) -> "dict[str, Drawn]":
        """Draw what decides whether a layer is done: a name for each set of inputs."""
        drawn = self.draw(bench)
        if not self.words:
            return {"": drawn}
        inputs, douts = drawn
        x = inputs[self.words]
        # The last word; one twice in a sequence; one in two of them at one timestep.
        V = bench.sizes(SIZES)["V"]
        x[0, 0], x[0, 2], x[1, 1] = V - 1, x[0, 3], x[2, 1]
        # Words that are in no sequence have vectors all the same.
        fewer = inputs | {self.words: x % (V - 1)}
        return {
            "": drawn,
            " where no sequence has the last of all words": (fewer, douts),
        }

    @property
    def grads(self) -> list[str]:
        """What backward returns."""
        return [f"d{name}" for name in self.inputs if self.differentiable(name)]

    def differentiable(self, name: str) -> bool:
        """Tell whether an argument gets a gradient."""
        return name != self.words

    @property
    def imports(self) -> tuple[str, ...]:
        """What takes long to import and is of use for such a layer."""
        return ("scipy.sparse",) if self.words else ()

    def stand_in(self, bench: Bench) -> StandIn:
        """Make up a layer with these inputs and outputs."""

        def shapes(*inputs: Array) -> tuple[Shapes, Shapes]:
            sizes = dict.fromkeys("".join(self.inputs.values()), 1)
            for letters, value in zip(self.inputs.values(), inputs, strict=True):
                aligned = zip(reversed(letters), reversed(value.shape), strict=False)
                for letter, size in aligned:
                    if sizes[letter] == 1:  # which broadcasting makes more of
                        sizes[letter] = size
            full = [_shape(letters, sizes) for letters in self.inputs.values()]
            for name, value, shape in zip(self.inputs, inputs, full, strict=True):
                try:
                    np.broadcast_to(value, shape)
                except ValueError:
                    raise ValueError(
                        f"{self.name}_forward got {name} with shape {value.shape}, "
                        "which does not fit its other arguments"
                    ) from None
            return full, [_shape(s, sizes) for s in self.outputs.values()]

        back = getattr(bench.module, f"{self.name}_backward", None)
        like = getattr(bench.module, f"{self.name}_forward")
        # The inputs of a timestep, not the states that another timestep has left: these
        # are wrong already where a sequence hands on the wrong ones.
        words = [k for k, name in enumerate(self.inputs) if name == self.words]
        telling = [0] if self.name.endswith("_step") else []
        return StandIn(like, shapes, back, words, telling)


Drawn: TypeAlias = tuple[dict[str, Array], list[Array]]  # inputs; a gradient each

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
    Pair("word_embedding", {"x": "NT", "W": "VD"}, {"out": "NTD"}, words="x"),
    LSTM_STEP,
    Pair("lstm", SEQUENCE | LSTM, STATES, LSTM_STEP),
]


def _shape(letters: str, sizes: dict[str, int]) -> tuple[int, ...]:
    known = {"K": 4 * sizes.get("H", 0)} | sizes
    return tuple(known[letter] for letter in letters)


def call_forward(
    pair: Pair,
    bench: Bench,
    call: Callable[..., Any],
    inputs: dict[str, Array],
    given: dict[str, Array] | None = None,
) -> tuple[Results, Any]:
    """Call a student's forward function and look at what comes back.

    Args:
        pair: The layer.
        bench: Takes notes.
        call: Its forward function.
        inputs: Argument -> array, which stays as it is.
        given: Copies to hand over; they are made if there are none.

    Returns:
        results: Output -> array.
        cache: Whatever it is.

    Raises:
        UnfitError: If results are missing or no arrays.
    """
    given = given or {name: value.copy(order="K") for name, value in inputs.items()}
    *outs, cache = unpack(call(*given.values()), [*pair.outputs, "cache"])
    names = list(pair.outputs)
    results = {n: as_array(n, o) for n, o in zip(names, outs, strict=True)}
    if call is bench.call:
        bench.require(given, inputs, "its cache, or whoever calls it,")
        _compare_dtypes(bench, inputs, results)
    return results, cache


def call_backward(pair: Pair, bench: Bench, douts: list[Array], cache: Any) -> Results:
    """Call a student's backward function and look at what comes back.

    Args:
        pair: The layer.
        bench: Its backward function stands there.
        douts: A gradient for each output, which stays as it is.
        cache: What the forward function left.

    Raises:
        UnfitError: If results are missing or no arrays.
    """
    names = [f"d{name}" for name in pair.outputs]
    before = dict(zip(names, douts, strict=True))
    given = {name: value.copy(order="K") for name, value in before.items()}
    grads = unpack(bench.call(*given.values(), cache), pair.grads)
    results = {n: as_array(n, g) for n, g in zip(pair.grads, grads, strict=True)}
    bench.require(given, before)
    _compare_dtypes(bench, before, results)
    return results


def _compare_dtypes(bench: Bench, inputs: dict[str, Array], results: Results) -> None:
    wanted = np.result_type(*(v for v in inputs.values() if v.dtype.kind == "f"))
    if other := [name for name, value in results.items() if value.dtype != wanted]:
        bench.note(
            f"returns {listed(other)} of another dtype, "
            f"{results[other[0]].dtype}, where the inputs are {wanted}"
        )


@contextmanager
def _made_up_step(pair: Pair, bench: Bench, way: str) -> Iterator[StandIn | None]:
    if way != "stand-in" or pair.step is None:
        yield None
        return
    name, made_up = pair.step.name, pair.step.stand_in(bench)
    layers = {f"{name}_forward": made_up.forward, f"{name}_backward": made_up.backward}
    with bench.instead(name, **layers):
        yield made_up


Change: TypeAlias = Callable[[Array], Array]


def _changed(drawn: Drawn, change: Change) -> Drawn:
    inputs, douts = drawn
    return {n: change(v) for n, v in inputs.items()}, [change(d) for d in douts]


def _single(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype.kind == "f" else x


def _turned(x: Array) -> Array:
    """Return the same numbers, lying in memory from the last axis to the first."""
    return np.asfortranarray(x)


def _large(x: Array) -> Array:
    return x * 300 if x.dtype.kind == "f" else x


def _care(
    pair: Pair,
    run: Callable[[Bench, Drawn], Results],
    forward: bool,
) -> dict[str, dict[str, Run]]:
    """Say what takes care: sizes of 1, float32, other orders in memory, large inputs.

    Args:
        pair: The layer.
        run: Calls the student's function with inputs and gradients.
        forward: Whether that is the forward function.
    """

    def at(letter: str) -> Run:
        return lambda bench: run(bench, pair.draw(bench, {letter: 1}))

    def with_(change: Change) -> Run:
        return lambda bench: run(bench, _changed(pair.draw(bench), change))

    def single(bench: Bench) -> Results:
        results = with_(_single)(bench)
        for name, value in results.items():
            if value.dtype != np.float32:
                raise UnfitError(f"{name} is {value.dtype}")
        return results

    letters = sorted({c for s in pair.inputs.values() for c in s} - {"V", "K"})
    care: dict[str, dict[str, Run]] = {
        ONE: {f"{c} = 1": at(c) for c in letters},
        "turns float32 into another dtype": {"": single},
        "fails for arrays that lie in another order in memory": {"": with_(_turned)},
    }
    if forward and not pair.words:
        care["fails for inputs of extreme size"] = {"": with_(_large)}
    return care


def _exact(name: str) -> dict[str, float]:
    """Return what notebooks and tests allow: for all outputs, and for some of them."""
    own = {f"{name}, {output}": output for output in ("dWh",)}
    return {"": LIMITS[name]} | {o: LIMITS[k] for k, o in own.items() if k in LIMITS}


def _within(name: str) -> dict[str, float]:
    """Return what is right to the digits of float32."""
    return {o: max(limit, single_limit(name)) for o, limit in _exact(name).items()}


def _parts(outputs: dict[str, str]) -> dict[str, dict[str, int]]:
    """Say along which axes results come apart: sequences, timesteps, gates."""
    words = {"N": "sequence", "T": "timestep", "K": "gate"}
    return {
        name: {words[c]: k for k, c in enumerate(letters) if c in words}
        for name, letters in outputs.items()
    }


def _forward(pair: Pair) -> Exercise:
    name = f"{pair.name}_forward"

    def run(bench: Bench, way: str) -> Results:
        with _made_up_step(pair, bench, way):
            return {
                f"{output}{case}": value
                for case, (inputs, _) in pair.cases(bench).items()
                for output, value in call_forward(pair, bench, bench.call, inputs)[
                    0
                ].items()
            }

    step = (f"{pair.step.name}_forward",) if pair.step else ()
    return Exercise(
        run,
        ("own", "stand-in") if pair.step else ("own",),
        within=_within(name),
        exact=_exact(name),
        parts=_parts(pair.outputs),
        inputs=lambda bench: pair.draw(bench)[0],
        care=_care(
            pair,
            lambda bench, drawn: call_forward(pair, bench, bench.call, drawn[0])[0],
            forward=True,
        ),
        earlier=step,
        replaced=step,
        letters=SIZES,
        imports=pair.imports,
        inlined=True,
    )


def _backward(pair: Pair) -> Exercise:
    name, forward = f"{pair.name}_backward", f"{pair.name}_forward"
    find_forward = _forward(pair)

    def with_own_cache(bench: Bench, drawn: Drawn) -> Results:
        given = {n: value.copy(order="K") for n, value in drawn[0].items()}
        _, cache = _students_forward(pair, bench, drawn[0], given)
        before = {n: value.copy() for n, value in given.items()}
        results = call_backward(pair, bench, drawn[1], cache)
        if changed := changed_inputs(given, before):
            bench.note(
                f"changes {listed(changed)}, which its cache shares with whoever "
                f"called {forward}: work on a copy, or others find other numbers"
            )
        return results

    def run(bench: Bench, way: str) -> Results:
        results: Results = {}
        with _made_up_step(pair, bench, way) as step:
            for k, (case, drawn) in enumerate(pair.cases(bench).items()):
                if way == "sample":
                    cache = copy.deepcopy(bench.record.cache)[k]
                    found = call_backward(pair, bench, drawn[1], cache)
                else:
                    found = with_own_cache(bench, drawn)
                results |= {f"{output}{case}": v for output, v in found.items()}
            if step is not None and not step.went_back:
                raise SealedError  # it reads numbers of a step that did not run
        return results

    def differences(bench: Bench) -> dict[str, tuple[Array, Array]]:
        inputs, douts = pair.draw(bench)
        grads = with_own_cache(bench, (inputs, douts))

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

    def conclusive(bench: Bench, way: str) -> bool:
        """Tell whether the forward pass that left the cache is right."""
        if way == "sample":
            return False  # a cache may be laid out otherwise
        partner = bench.other(forward)
        found = find_forward.run(partner, way)
        return partner.agrees(found, way, find_forward.limit(""))

    def doubt(bench: Bench) -> str:
        """Say whether the forward pass changed what its own cache holds."""
        inputs, _ = pair.draw(bench)
        given = {name: value.copy() for name, value in inputs.items()}
        try:
            *_, cache = getattr(bench.module, forward)(*given.values())
            kept = list(_arrays_in(cache))
            changed = [
                name
                for name in changed_inputs(given, inputs)
                if any(np.shares_memory(given[name], array) for array in kept)
            ]
        except BaseException:  # as may a function
            return ""
        if not changed:
            return ""
        return (
            f"{forward} comes first: it changes its input {listed(changed)} after it "
            "has put that very array into its cache, so other numbers are read here. "
            "Work on a copy there."
        )

    def caches(bench: Bench) -> tuple[Any, ...]:
        cases = pair.cases(bench).values()
        return tuple(_students_forward(pair, bench, x)[1] for x, _ in cases)

    steps = (
        (f"{pair.step.name}_forward", f"{pair.step.name}_backward") if pair.step else ()
    )
    return Exercise(
        run,
        ("own", "sample", "stand-in") if pair.step else ("own", "sample"),
        within=_within(name),
        exact=_exact(name),
        parts=_parts({f"d{n}": s for n, s in pair.inputs.items()}),
        inputs=lambda bench: dict(
            zip([f"d{n}" for n in pair.outputs], pair.draw(bench)[1], strict=True)
        ),
        care=_care(pair, with_own_cache, forward=False),
        differences=differences,
        earlier=(forward, *steps),
        replaced=steps,
        conclusive=conclusive,
        doubt=doubt,
        letters=SIZES,
        imports=pair.imports,
        inlined=True,
        caches=caches,
    )


def _arrays_in(cache: Any) -> Iterator[Array]:
    """Yield the arrays in tuples, lists and dictionaries, one in another."""
    if isinstance(cache, np.ndarray):
        yield cache
    elif isinstance(cache, tuple | list | dict):
        parts = cache.values() if isinstance(cache, dict) else cache
        for part in parts:
            yield from _arrays_in(part)


def _students_forward(
    pair: Pair,
    bench: Bench,
    inputs: dict[str, Array],
    given: dict[str, Array] | None = None,
) -> tuple[Results, Any]:
    name = f"{pair.name}_forward"
    try:
        return call_forward(pair, bench, getattr(bench.module, name), inputs, given)
    except Exception as error:  # whatever a student's code raises
        step = f"{pair.step.name}_forward" if pair.step else name
        through = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        raise WaitingError(step if step in through else name) from error


EXERCISES = {
    f"{pair.name}_{part}": make(pair)
    for pair in PAIRS
    for part, make in (("forward", _forward), ("backward", _backward))
}
