"""Q1 and Q2: how the captioning model's loss and its captions are tried out."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from cs231n.check_bench import Bench, Exercise, UnfitError, as_array, kind, unpack
from cs231n.check_layers import PAIRS
from cs231n.check_marks import Array, Results

MODEL = "cs231n.classifiers.rnn.CaptioningRNN"
WORDS = ["<NULL>", "<START>", "<END>", *"abcdefghijklmnopqrstuvwxyz"]
N, T, D, W = 4, 6, 3, 5
END = WORDS.index("<END>")


def _model(bench: Bench, rng: np.random.RandomState, cell: str, V: int, H: int) -> Any:
    """Build a model whose parameters all matter, biases included."""
    words = {word: index for index, word in enumerate(WORDS[:V])}
    model = bench.module.CaptioningRNN(words, D, W, H, cell, np.float64)
    for name, w in model.params.items():
        model.params[name] = rng.randn(*w.shape)
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


def _loss(cell: str) -> Exercise:
    def run(bench: Bench, way: str) -> Results:
        rng = bench.rng()
        model = _model(bench, rng, cell, V=11, H=7)
        features = rng.randn(N, D)
        captions = rng.randint(11, size=(N, T))
        captions[:, 0] = WORDS.index("<START>")
        captions[0, 3:] = captions[1, -1:] = WORDS.index("<NULL>")
        layers = {"word_embedding", "rnn", "lstm"} if way == "stand-in" else set()
        with _stand_ins(bench, layers):
            loss, grads = unpack(
                bench.call(model, features.copy(), captions.copy()), ["loss", "grads"]
            )
        if not isinstance(grads, dict):
            raise UnfitError(f"grads is {kind(grads)} instead of a dictionary")
        if missing := [name for name in model.params if name not in grads]:
            raise UnfitError(f"grads holds nothing for {', '.join(missing)}")
        results = {"loss": as_array("loss", loss)}
        return results | {
            f"grads[{name!r}]": as_array(f"grads[{name!r}]", grads[name])
            for name in model.params
        }

    return Exercise(run, ("own", "stand-in"), mentions="lstm" if cell == "lstm" else "")


def _sample(cell: str) -> Exercise:
    def run(bench: Bench, way: str) -> Results:
        rng = bench.rng()
        # Many words and units, and few ends, for captions that differ.
        model = _model(bench, rng, cell, V=len(WORDS), H=24)
        model.params["b_vocab"][END] -= 3
        model.params["W_embed"] *= 3
        features = rng.randn(40, D)
        step = way == "stand-in"
        with _stand_ins(bench, {"rnn_step", "lstm_step"}) if step else nullcontext():
            captions = bench.call(model, features.copy(), 9)
        captions = as_array("captions", captions)
        return {"captions": _up_to_the_end(captions)}

    return Exercise(run, ("own", "stand-in"), mentions="lstm" if cell == "lstm" else "")


def _up_to_the_end(captions: Array) -> Array:
    """Blank what follows <END>, where students are free to go on."""
    if captions.ndim != 2:
        return captions
    ended = np.cumsum(captions == END, axis=1) - (captions == END) > 0
    return np.where(ended, 0, captions)


EXERCISES = {
    f"{MODEL}.{name}{variant}": make(variant.lstrip(":") or "rnn")
    for variant in ("", ":lstm")
    for name, make in (("loss", _loss), ("sample", _sample))
}
