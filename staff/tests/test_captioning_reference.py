"""The captioning model against PyTorch and slow loops, in float64 to 1e-9."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from cs231n.classifiers.rnn import CaptioningRNN
from tests.strategies import LAYOUTS, laid_out, seeds

ROOT = Path(__file__).resolve().parents[2]
LIMIT = {"rtol": 1e-9, "atol": 1e-12}
WORDS = ("<NULL>", "<START>", "<END>", "a", "red", "boat", "sails", "by")
each_cell = pytest.mark.parametrize("cell", ["rnn", "lstm"])


def build(cell, rng, words=WORDS, D=4, W=5, H=6, scale=1.0):
    vocabulary = {word: index for index, word in enumerate(words)}
    model = CaptioningRNN(vocabulary, D, W, H, cell, np.float64)
    for name, w in model.params.items():
        model.params[name] = scale * rng.normal(size=w.shape)
    return model


def torch_step(cell, x, h, c, p):
    a = x @ p["Wx"] + h @ p["Wh"] + p["b"]
    if cell == "rnn":
        return torch.tanh(a), c
    i, f, o, g = a.chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def torch_loss(model, features, captions):
    p = {
        name: torch.tensor(np.array(w), requires_grad=True)
        for name, w in model.params.items()
    }
    words = torch.tensor(np.array(captions, dtype=np.int64))
    h = torch.tensor(np.array(features)) @ p["W_proj"] + p["b_proj"]
    c, loss = torch.zeros_like(h), 0.0
    for t in range(words.shape[1] - 1):
        h, c = torch_step(model.cell_type, p["W_embed"][words[:, t]], h, c, p)
        scores = h @ p["W_vocab"] + p["b_vocab"]
        loss = loss + functional.cross_entropy(
            scores, words[:, t + 1], ignore_index=model._null, reduction="sum"
        )
    loss = loss / len(words)
    loss.backward()
    zeros = {name: np.zeros_like(w) for name, w in model.params.items()}
    return loss.item(), {
        name: zeros[name] if w.grad is None else w.grad.numpy() for name, w in p.items()
    }


@each_cell
@given(
    seed=seeds,
    N=st.integers(1, 5),
    T=st.integers(2, 6),
    V=st.integers(1, 8),
    sizes=st.tuples(*[st.integers(1, 5)] * 3),
    null=st.integers(0, 7),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
)
def test_loss_and_all_gradients_agree_with_autograd(
    cell, seed, N, T, V, sizes, null, layouts
):
    rng = np.random.default_rng(seed)
    words = [f"word {k}" for k in range(V)]
    words[null % V] = "<NULL>"  # it need not be the first word
    model = build(cell, rng, words, *sizes)
    features = laid_out(rng.normal(size=(N, sizes[0])), layouts[0])
    captions = laid_out(rng.integers(V, size=(N, T)), layouts[1])
    loss, grads = model.loss(features, captions)
    expected, expected_grads = torch_loss(model, features, captions)
    np.testing.assert_allclose(loss, expected, **LIMIT)
    assert grads.keys() == expected_grads.keys()
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected_grads[name], **LIMIT)


@each_cell
def test_float32_agrees_with_float64_to_its_precision(cell, rng):
    model = build(cell, rng, H=32, scale=0.3)
    twin = build(cell, rng, H=32)
    twin.params = {k: w.astype(np.float32) for k, w in model.params.items()}
    features, captions = rng.normal(size=(9, 4)), rng.integers(8, size=(9, 17))
    loss, grads = model.loss(features, captions)
    single, single_grads = twin.loss(features.astype(np.float32), captions)
    assert single == pytest.approx(loss, rel=1e-6)
    for name, grad in grads.items():
        error = np.abs(single_grads[name] - grad).max() / np.abs(grad).max()
        assert error < 1e-5


# Captions


def slow_greedy(model, features, max_length):
    """Caption one picture after the other with PyTorch."""
    p = {name: torch.tensor(w) for name, w in model.params.items()}
    captions = np.full((len(features), max_length), model._null)
    for row, feature in zip(captions, torch.tensor(features), strict=True):
        h = feature[None] @ p["W_proj"] + p["b_proj"]
        c, word = torch.zeros_like(h), model._start
        for t in range(max_length):
            h, c = torch_step(model.cell_type, p["W_embed"][[word]], h, c, p)
            word = int((h @ p["W_vocab"] + p["b_vocab"]).argmax())
            row[t] = word
            if word == model._end:
                break
    return captions


@each_cell
@given(seed=seeds, N=st.integers(1, 5), T=st.integers(1, 9), end=st.booleans())
def test_greedy_captions_agree_with_a_loop(cell, seed, N, T, end):
    rng = np.random.default_rng(seed)
    words = WORDS if end else [w for w in WORDS if w != "<END>"]
    model = build(cell, rng, words, scale=2)
    features = rng.normal(size=(N, 4))
    captions = model.sample(features, T)
    assert captions.dtype == np.int32
    np.testing.assert_array_equal(captions, slow_greedy(model, features, T))
    narrow = model._beam_search(features, T, 1, 1.0)
    np.testing.assert_array_equal(narrow, captions)


def slow_beam(model, feature, max_length, width, power):
    """Search with lists, keeping one hidden state for each partial caption."""
    p = {name: torch.tensor(w) for name, w in model.params.items()}
    h = torch.tensor(feature)[None] @ p["W_proj"] + p["b_proj"]
    running, done = [(0.0, [], h, torch.zeros_like(h))], []
    for t in range(max_length):
        grown = []
        for total, caption, h, c in running:
            word = caption[-1] if caption else model._start
            h_new, c_new = torch_step(model.cell_type, p["W_embed"][[word]], h, c, p)
            scores = torch.log_softmax(h_new @ p["W_vocab"] + p["b_vocab"], dim=1)[0]
            for word, score in enumerate(scores.tolist()):
                grown.append((total + score, [*caption, word], h_new, c_new))
        grown.sort(key=lambda beam: -beam[0])
        running = []
        for beam in grown[:width]:
            ended = beam[1][-1] == model._end or t == max_length - 1
            (done if ended else running).append(beam)
    best = max(done, key=lambda beam: beam[0] / len(beam[1]) ** power)
    return best[1] + [model._null] * (max_length - len(best[1]))


@each_cell
@given(
    seed=seeds,
    T=st.integers(1, 6),
    width=st.integers(2, 12),
    power=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    V=st.integers(3, 8),
)
def test_beam_search_agrees_with_a_search_over_lists(cell, seed, T, width, power, V):
    rng = np.random.default_rng(seed)
    model = build(cell, rng, WORDS[:V], scale=1.5)
    features = rng.normal(size=(3, 4))
    captions = model.sample(features, T, beam_width=width, length_power=power)
    for caption, feature in zip(captions.tolist(), features, strict=True):
        assert caption == slow_beam(model, feature, T, width, power)


@each_cell
def test_after_the_end_drawn_captions_are_padded(cell, rng):
    model = build(cell, rng)
    captions = model.sample(rng.normal(size=(200, 4)), 12, temperature=1.0, rng=1)
    for caption in captions.tolist():
        if 2 in caption:
            assert not any(caption[caption.index(2) + 1 :])
    assert any(2 in caption[:-1] for caption in captions.tolist())


# A real run, killed and taken up again

RUN = """
import os, signal, sys
import numpy as np
from cs231n.captioning_solver import CaptioningSolver
from cs231n.classifiers.rnn import CaptioningRNN

checkpoint, result, deadline = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(0)
data = {}
for split in ("train", "val"):
    data[split + "_captions"] = rng.integers(8, size=(30, 9))
    data[split + "_image_idxs"] = rng.integers(10, size=30)
    data[split + "_features"] = rng.normal(size=(10, 6)).astype(np.float32)
    data[split + "_urls"] = np.array(["scene"] * 10)
np.random.seed(231)
words = ("<NULL>", "<START>", "<END>", "a", "red", "boat", "sails", "by")
model = CaptioningRNN({w: i for i, w in enumerate(words)}, 6, 7, 8, cell_type="lstm")
if deadline:
    signal.setitimer(signal.ITIMER_REAL, deadline / 1000)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
solver = CaptioningSolver(
    model, data, update_rule="adam", optim_config={"learning_rate": 5e-3},
    lr_decay=0.95, batch_size=5, num_epochs=10, verbose=False, val_every=7,
    checkpoint=None if checkpoint == "none" else checkpoint, checkpoint_every=2,
)
solver.train()
losses, val = solver.loss_history, solver.val_loss_history
np.savez(result, losses=losses, val=val, **model.params)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_an_lstm_killed_at_random_moments_continues_with_the_same_numbers(
    tmp_path, rng
):
    path, unbroken, resumed = (tmp_path / n for n in ("run.npz", "one.npz", "two.npz"))

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", RUN, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
            check=False,
        ).returncode

    assert run("none", unbroken, 0) == 0
    for _ in range(4):
        assert run(path, resumed, rng.integers(5, 60)) in (0, -signal.SIGKILL)
    assert run(path, resumed, 0) == 0
    with np.load(unbroken) as one, np.load(resumed) as two:
        assert one.files == two.files
        for name in one.files:
            assert one[name].dtype == two[name].dtype
            np.testing.assert_array_equal(one[name], two[name])
