"""Q1 and Q2: how the captioning model's loss and its captions are tried out."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from cs231n.support.accuracy import LIMITS, single_limit
from cs231n.tools.check.bench import ONE, Bench, Exercise
from cs231n.tools.check.faults import AGAIN, STAYS, UnfitError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import as_array, kind, unpack
from cs231n.tools.check.tries.layers import PAIRS
from cs231n.tools.check.words import listed

WORDS = ["<NULL>", "<START>", "<END>", *"abcdefghijklmnopqrstuvwxyz"]
SIZES = {"N": 4, "T": 6, "D": 3, "W": 5, "H": 7, "V": 11}
NULL, END = WORDS.index("<NULL>"), WORDS.index("<END>")
ROWS = 16  # captions that are written at once
LIKING = 4.0  # by how much a score rises for one step in how much <END> is liked


def _model(
    bench: Bench,
    rng: np.random.RandomState,
    cell: str,
    sizes: Mapping[str, int],
    dtype: type[np.floating[Any]] = np.float64,
) -> Any:
    """Build a model whose parameters all matter, biases included."""
    D, W, H, V = (sizes[letter] for letter in "DWHV")
    words = {word: index for index, word in enumerate(WORDS[:V])}
    model = bench.module.CaptioningRNN(words, D, W, H, cell, dtype)
    for name, w in model.params.items():
        model.params[name] = rng.randn(*w.shape).astype(dtype)
    return model


def _stand_ins(bench: Bench, names: set[str]) -> AbstractContextManager[None]:
    """Put made-up layers in the place of some of the student's."""
    layers = {}
    for pair in PAIRS:
        if pair.name in names:
            made_up = pair.stand_in(bench)
            layers[f"{pair.name}_forward"] = made_up.forward
            layers[f"{pair.name}_backward"] = made_up.backward
    return bench.instead(**layers)


def _mentions(cell: str) -> str:
    return "lstm" if cell == "lstm" else ""


def _loss(cell: str) -> Exercise:
    def call(bench: Bench, model: Any, features: Array, captions: Array) -> Results:
        given = {"features": features.copy(), "captions": captions.copy()}
        loss, grads = unpack(bench.call(model, *given.values()), ["loss", "grads"])
        bench.require(given, {"features": features, "captions": captions})
        if not isinstance(grads, dict):
            raise UnfitError(f"grads is {kind(grads)} instead of a dictionary")
        results = {"loss": as_array("loss", loss).reshape(-1)}
        if missing := [name for name in model.params if name not in grads]:
            if len(missing) == len(model.params):
                results["grads"] = np.zeros(0)
                return results
            raise UnfitError(f"grads holds nothing for {', '.join(missing)}")
        if more := [str(name) for name in grads if name not in model.params]:
            bench.note(
                f"grads holds {listed(more)} as well, no parameter of the model: "
                "CaptioningSolver leaves that aside"
            )
        return results | {
            f"grads[{name!r}]": as_array(f"grads[{name!r}]", grads[name])
            for name in model.params
        }

    def draw(
        bench: Bench, rows: int = 0, dtype: type[np.floating[Any]] = np.float64
    ) -> tuple[Any, Array, Array]:
        rng, sizes = bench.rng(), bench.sizes(SIZES)
        model = _model(bench, rng, cell, sizes, dtype)
        rows = rows or sizes["N"]
        features = rng.randn(rows, sizes["D"]).astype(dtype)
        captions = rng.randint(sizes["V"], size=(rows, sizes["T"]))
        captions[:, 0] = WORDS.index("<START>")
        captions[2:3, 2:4] = [[WORDS.index("<START>"), END]]
        captions[0, 3:] = NULL
        captions[1:2, -1:] = NULL
        # Of the others the last word counts, or nobody could tell who leaves it out.
        others = captions[2:, -1]
        others[others == NULL] = END
        return model, features, captions

    def run(bench: Bench, way: str) -> Results:
        layers = {"word_embedding", "rnn", "lstm"} if way == "stand-in" else set()
        with _stand_ins(bench, layers):
            drawn = draw(bench)
            results = call(bench, *drawn)
            _require_same(results, call(bench, *drawn))
        return results

    def of_nothing(bench: Bench) -> Results:
        model, features, captions = draw(bench)
        captions[:, 1:] = NULL
        return call(bench, model, features, captions)

    def of_two_words(bench: Bench) -> Results:
        model, features, captions = draw(bench)
        return call(bench, model, features, captions[:, :2])

    def single(bench: Bench) -> Results:
        results = call(bench, *draw(bench, dtype=np.float32))
        for name, value in results.items():
            if value.dtype != np.float32 and name != "loss":
                raise UnfitError(
                    f"{name} is {value.dtype}, here or in a layer that is called"
                )
        return results

    layers = tuple(
        f"{name}_{part}"
        for name in ("word_embedding", cell)
        for part in ("forward", "backward")
    )
    return Exercise(
        run,
        ("own", "stand-in"),
        within={
            "": single_limit("CaptioningRNN.loss, gradients"),
            "loss": single_limit("CaptioningRNN.loss, difference"),
        },
        exact={
            "": LIMITS["CaptioningRNN.loss, gradients"],
            "loss": LIMITS["CaptioningRNN.loss, difference"],
        },
        care={
            ONE: {
                "N = 1": lambda bench: call(bench, *draw(bench, rows=1)),
                "T = 2": of_two_words,
            },
            "fails for captions that hold nothing": {"": of_nothing},
            "turns float32 into another dtype": {"": single},
        },
        earlier=(*layers, f"{cell}_step_forward", f"{cell}_step_backward"),
        replaced=layers,
        mentions=_mentions(cell),
        begun=r"forward\(|@|\.dot\(",
        blank=lambda results: "grads" in results and not results["loss"].any(),
        parts={f"grads[{name!r}]": {"gate": -1} for name in ("Wx", "Wh", "b")}
        if cell == "lstm"
        else {},
        letters={"N": SIZES["N"], "T": SIZES["T"] - 1, "T+1": SIZES["T"]}
        | {letter: SIZES[letter] for letter in "DWHV"},
        imports=("scipy.sparse",),
    )


def _sample(cell: str) -> Exercise:
    def call(bench: Bench, rows: int = ROWS, columns: int = 9) -> Results:
        rng = bench.rng()
        found, given, before = [], [], []
        # The more <END> is liked, the sooner captions end, the first one's included.
        for liking in (-2.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0):
            # Many words and units, for captions that differ.
            model = _model(bench, rng, cell, SIZES | {"V": len(WORDS), "H": 24})
            model.params["b_vocab"][END] += liking * LIKING
            model.params["W_embed"] *= 3
            features = rng.randn(rows, SIZES["D"])
            before.append(features)
            given.append(features.copy())
            captions = as_array("captions", bench.call(model, given[-1], columns))
            whole = captions.astype(int, copy=False)
            if captions.dtype.kind == "f" and (whole == captions).all():
                bench.note("returns words of another dtype: as floating point numbers")
                captions = whole
            if captions.shape != (rows, columns):
                return {"captions": captions}
            found.append(_up_to_the_end(captions))
            if len(found) == 1:
                again = as_array(
                    "captions", bench.call(model, features.copy(), columns)
                )
                _require_same(
                    {"captions": found[0]}, {"captions": _up_to_the_end(again)}
                )
        bench.require({"features": np.stack(given)}, {"features": np.stack(before)})
        return {"captions": np.concatenate(found)}

    def run(bench: Bench, way: str) -> Results:
        step = way == "stand-in"
        with _stand_ins(bench, {"rnn_step", "lstm_step"}) if step else nullcontext():
            return call(bench)

    return Exercise(
        run,
        ("own", "stand-in"),
        care={
            ONE: {
                "N = 1": lambda bench: call(bench, rows=1),
                "max_length = 1": lambda bench: call(bench, columns=1),
            }
        },
        earlier=(f"{cell}_step_forward",),
        replaced=(f"{cell}_step_forward",),
        mentions=_mentions(cell),
        begun=r"forward\(|@|\.dot\(|matmul",
        blank=lambda results: not results["captions"].any(),
        suits=_shows_enough,
        letters={"N": ROWS, "T": 9, "H": 24, "V": len(WORDS)},
    )


def _require_same(results: Results, again: Results) -> None:
    """Compare what two calls of the same model give for the same inputs."""
    other = [
        name
        for name, value in results.items()
        if value.shape != again[name].shape
        or not np.allclose(value, again[name], rtol=1e-6, equal_nan=True)
    ]
    if other:
        raise UnfitError(f"{AGAIN} changes {listed(other)}: {STAYS}")


def _shows_enough(results: Results) -> bool:
    """Tell whether it shows what a model does with the ends of captions, and <NULL>.

    Some captions go on when the first one has ended; in some, <NULL> is a word.
    """
    captions = results["captions"]
    going_on = np.cumsum(captions == END, axis=1) == 0
    if (going_on & (captions == NULL)).any(axis=1).sum() < 2:
        return False
    ends = np.where((captions == END).any(axis=1), (captions == END).argmax(axis=1), 99)
    groups = ends.reshape(-1, ROWS)
    alone = (groups[:, 0] < 7) & (groups.max(axis=1) > groups[:, 0] + 1)
    return int(alone.sum()) >= 2


def _up_to_the_end(captions: Array) -> Array:
    """Blank what follows <END>, where students are free to go on."""
    if captions.ndim != 2:
        return captions
    ended = np.cumsum(captions == END, axis=1) - (captions == END) > 0
    return np.where(ended, NULL, captions)


EXERCISES = {
    f"CaptioningRNN.{name}{variant}": make(variant.lstrip(":") or "rnn")
    for variant in ("", ":lstm")
    for name, make in (("loss", _loss), ("sample", _sample))
}
