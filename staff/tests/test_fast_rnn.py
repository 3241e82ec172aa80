"""The packed captioning model against torch, in float64 to 1e-9, and what it skips."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.torch_twin import TorchCaptioner
from cs231n.extras.fast_rnn import FastCaptioningRNN
from tests.strategies import seeds

NULL, START, END = range(3)
each_cell = pytest.mark.parametrize("cell", ["rnn", "lstm"])


def build(cell, rng, V=9, D=4, W=5, H=6, scale=0.7):
    names = ["<NULL>", "<START>", "<END>", *(f"word{k}" for k in range(3, V))]
    vocabulary = {name: index for index, name in enumerate(names)}
    model = FastCaptioningRNN(vocabulary, D, W, H, cell, np.float64)
    for name, w in model.params.items():
        model.params[name] = scale * rng.normal(size=w.shape)
    return model, TorchCaptioner(cell, model.params, NULL, START)


def write(rng, lengths, T, holes, V=9):
    captions = rng.integers(1, V, size=(len(lengths), T))
    captions[rng.random(captions.shape) < holes] = NULL
    captions[np.arange(T) > np.asarray(lengths)[:, None]] = NULL
    return captions


@each_cell
@given(
    seed=seeds,
    T=st.integers(2, 8),
    lengths=st.lists(st.integers(0, 8), min_size=1, max_size=6),
    holes=st.sampled_from([0.0, 0.3]),
    sizes=st.fixed_dictionaries({c: st.integers(1, 6) for c in "DWH"}),
)
def test_loss_and_all_gradients_agree_with_autograd(
    cell, seed, T, lengths, holes, sizes
):
    rng = np.random.default_rng(seed)
    model, twin = build(cell, rng, **sizes)
    captions = write(rng, lengths, T, holes)
    features = rng.normal(size=(len(lengths), sizes["D"]))
    loss, grads = model.loss(features, captions)
    expected = twin.loss(torch.from_numpy(features), torch.from_numpy(captions))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-9)
    for name, grad in twin.gradients().items():
        np.testing.assert_allclose(
            grads[name], grad, rtol=1e-9, atol=1e-11, err_msg=name
        )


@each_cell
def test_captions_agree_with_torch(cell, rng):
    for _ in range(100):  # until a model ends some of its captions early
        model, twin = build(cell, rng, H=12, scale=1.5)
        features = rng.normal(size=(30, 4))
        captions = model.sample(features, 12)
        ended = np.cumsum(captions == END, axis=1) - (captions == END) > 0
        if ended.any():
            break
    assert ended.any()
    expected = twin.sample(torch.from_numpy(features), 12).numpy()
    assert not ended.all(axis=1).any()
    np.testing.assert_array_equal(captions, np.where(ended, NULL, expected))


@each_cell
def test_only_live_places_are_computed(cell, rng, monkeypatch):
    model, _ = build(cell, rng)
    lengths = [3, 0, 5, 1]
    captions, features = write(rng, lengths, 7, 0.0), rng.normal(size=(4, 4))
    run, seen = model._run, []

    def spy(a, h0, sizes):
        seen.append((a.shape[0], h0.shape[0], list(sizes)))
        return run(a, h0, sizes)

    monkeypatch.setattr(model, "_run", spy)
    model.loss(features, captions)
    assert seen == [(9, 3, [3, 2, 2, 1, 1])]


@each_cell
def test_a_wrong_cell_is_noticed(cell, rng, monkeypatch):
    model, twin = build(cell, rng)
    captions, features = write(rng, [3, 5], 7, 0.0), rng.normal(size=(2, 4))
    back = model._run_back

    def slightly_off(dh, cache):
        da, dh0, dWh = back(dh, cache)
        return da, dh0 * 1.001, dWh

    monkeypatch.setattr(model, "_run_back", slightly_off)
    _, grads = model.loss(features, captions)
    twin.loss(torch.from_numpy(features), torch.from_numpy(captions)).backward()
    error = np.abs(grads["W_proj"] - twin.gradients()["W_proj"]).max()
    assert error > 1e-9
