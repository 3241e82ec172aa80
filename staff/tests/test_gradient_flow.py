"""The microscope for gradients through time, beside computations of another kind."""

import re
import sys
from types import SimpleNamespace

import IPython.display
import numpy as np
import pytest

from cs231n import rnn_layers
from cs231n.assignment.table import function
from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.lab import gradient_flow
from cs231n.lab.gradient_flow import measure_gradient_flow, show_gradient_flow
from staff.mistakes.bank import answers_of, bank
from staff.mistakes.writings import rewritten

WORDS = ["<NULL>", "<START>", "<END>", "a", "red", "boat", "sails"]
CAPTION = np.array([1, 3, 4, 5, 6, 2, 0, 0])
T, D, H = 5, 4, 6
cells = pytest.mark.parametrize("cell", ["rnn", "lstm"])


def captioner(cell, rng, scale=0.6):
    indices = {word: index for index, word in enumerate(WORDS)}
    model = CaptioningRNN(indices, D, 3, H, cell, np.float64)
    for name, w in model.params.items():
        model.params[name] = scale * rng.normal(size=w.shape)
    return model


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def after(model, word, h, c):
    """Return hidden and cell state after a timestep, as the equations have them."""
    p = model.params
    a = p["W_embed"][word] @ p["Wx"] + h @ p["Wh"] + p["b"]
    if model.cell_type == "rnn":
        return np.tanh(a), c
    i, f, o, g = a.reshape(4, H)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def loss_of(model, word, h):
    scores = h @ model.params["W_vocab"] + model.params["b_vocab"]
    return np.log(np.exp(scores).sum()) - scores[word]


def losses_after(model, t, h, c):
    """Return the losses of timesteps t + 1 to T, from the state after timestep t."""
    lost = []
    for word, following in zip(CAPTION[t:T], CAPTION[t + 1 : T + 1], strict=True):
        h, c = after(model, word, h, c)
        lost.append(loss_of(model, following, h))
    return np.array(lost)


def states(model, features):
    """Yield the state that the picture gives, and the one after each timestep."""
    h, c = features @ model.params["W_proj"] + model.params["b_proj"], np.zeros(H)
    yield h, c
    for word in CAPTION[:T]:
        h, c = after(model, word, h, c)
        yield h, c


@cells
def test_gradients_are_the_slopes_of_the_losses_at_the_states(cell, rng):
    model, features, step = captioner(cell, rng), rng.normal(size=D), 1e-5
    flow = measure_gradient_flow(model, features, CAPTION)
    for t, (h, c) in enumerate(states(model, features)):
        if t == T:
            break  # its own loss alone; the next test looks at it
        slopes = np.array(
            [
                losses_after(model, t, h + nudge, c)
                - losses_after(model, t, h - nudge, c)
                for nudge in step * np.eye(H)
            ]
        ) / (2 * step)  # (H, T - t)
        # What the state's own word costs is no part of what comes after it.
        later = np.linalg.norm(slopes, axis=0)
        np.testing.assert_allclose(flow.norms[t:, t], later, rtol=1e-7)


@cells
def test_a_loss_begins_with_the_slope_of_its_own_word(cell, rng):
    model, features, step = captioner(cell, rng), rng.normal(size=D), 1e-5
    flow = measure_gradient_flow(model, features, CAPTION)
    for t, (h, _) in enumerate(states(model, features)):
        if t == 0:
            continue
        slope = [
            loss_of(model, CAPTION[t], h + nudge)
            - loss_of(model, CAPTION[t], h - nudge)
            for nudge in step * np.eye(H)
        ]
        wanted = np.linalg.norm(slope) / (2 * step)
        assert flow.norms[t - 1, t] == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("radius", [0.11, 0.5, 1.0, 2.0, 9.0])
def test_a_matrix_of_known_radius_shrinks_and_stretches_by_it(radius, rng):
    # At state zero, tanh's slope is 1: what is left is the matrix, a turn and a factor.
    model = captioner("rnn", rng)
    for name in ("W_proj", "b_proj", "W_embed", "b"):
        model.params[name][:] = 0
    turn, _ = np.linalg.qr(rng.normal(size=(H, H)))
    model.params["Wh"] = radius * turn
    flow = measure_gradient_flow(model, np.zeros(D), CAPTION)

    back = np.arange(1, T + 1)[:, None] - np.arange(T + 1)
    wanted = np.where(back >= 0, float(radius) ** back, 0)
    np.testing.assert_allclose(flow.shares, wanted, rtol=1e-9)
    assert flow.factor == pytest.approx(radius)
    # The third power of 0.11 or 9 is the first beyond; of 0.5 or 2, the seventh.
    assert flow.vanished() == ({3: 0, 4: 1, 5: 2} if radius == 0.11 else {})
    assert flow.exploded() == ({3: 0, 4: 1, 5: 2} if radius == 9 else {})
    said = flow.verdict()
    assert f"by {radius:.2g} (median)" in said
    kind = {0.11: "Vanish", 9.0: "Explode"}.get(radius)
    assert re.findall(r"(\w+) \([^)]*\): 3 of 5; that of 'boat', timestep 3", said) == (
        [kind] if kind else []
    )


def test_open_gates_carry_what_closed_ones_stop(rng):
    # Nearly all that crosses a timestep is the cell: states have small weights.
    model = captioner("lstm", rng)
    model.params["Wh"][:] = 0
    model.params["Wh"][:, 3 * H :] = rng.normal(size=(H, H)) / 10  # written
    model.params["Wx"][:] = 0
    arrived = {}
    for bias in (-4, 4):
        model.params["b"][:] = 0
        model.params["b"][H : 2 * H] = bias  # of the forget gate
        flow = measure_gradient_flow(model, rng.normal(size=D), CAPTION)
        np.testing.assert_allclose(flow.gates["kept"], sigmoid(bias), rtol=1e-9)
        arrived[bias] = flow.shares[T - 1, 0]
    assert arrived[4] > 20 * arrived[-4]


@cells
def test_no_loss_reaches_a_later_state_and_all_add_up(cell, rng):
    model, features = captioner(cell, rng), rng.normal(size=D)
    flow = measure_gradient_flow(model, features, CAPTION)
    later = np.arange(T + 1) > np.arange(1, T + 1)[:, None]
    assert not flow.norms[later].any()
    assert flow.norms[~later].all()
    assert flow.words == ("<START>", "a", "red", "boat", "sails", "<END>")

    # The model's own gradient at b_proj is that of all losses at state 0.
    _, grads = model.loss(features[None], CAPTION[None])
    assert flow.whole[0] == pytest.approx(np.linalg.norm(grads["b_proj"]))
    assert flow.whole[T] == pytest.approx(flow.norms[-1, -1])


@pytest.mark.parametrize("cell", [pytest.param("rnn", marks=pytest.mark.slow), "lstm"])
def test_every_other_right_writing_is_followed_as_well(cell, rng):
    model, features = captioner(cell, rng), rng.normal(size=D)
    wanted = measure_gradient_flow(model, features, CAPTION)
    tried = 0
    for part in ("forward", "backward", "step_forward", "step_backward"):
        name = f"cs231n.rnn_layers.{cell}_{part}"
        assert function(name).name == name
        for writing, other in bank()[0].items():
            if name in other.bodies:
                with rewritten(*answers_of(name, writing)):
                    found = measure_gradient_flow(model, features, CAPTION)
                np.testing.assert_allclose(found.norms, wanted.norms, rtol=1e-6)
                tried += 1
    assert tried >= 20


@cells
def test_nothing_is_changed(cell, rng):
    model, features, caption = captioner(cell, rng), rng.normal(size=D), CAPTION.copy()
    before = {name: w.copy() for name, w in model.params.items()}
    measure_gradient_flow(model, features, caption)
    for name, w in before.items():
        np.testing.assert_array_equal(model.params[name], w)
    np.testing.assert_array_equal(caption, CAPTION)


def not_written(*_):
    raise NotImplementedError("rnn_backward is not written yet.")


@pytest.mark.parametrize(
    ("function", "double", "complaint"),
    [
        ("rnn_backward", not_written, r"^rnn_backward is not written yet"),
        (
            "rnn_backward",
            lambda *_: None,
            "rnn_backward returned NoneType; 5 are wanted",
        ),
        ("rnn_forward", lambda x, *_: (x, 1, 2), "returned 3 results; 2 are wanted"),
        ("rnn_forward", lambda x, *_: (x, 1), r"h of shape \(5, 5, 9\); \(5, 5, 6\)"),
        (
            "rnn_backward",
            lambda dh, _: (np.full((5, 5, 9), np.nan), dh[:, 0], 1, 2, 3),
            "dx with numbers that are not finite.* cs231n.check rnn_backward",
        ),
    ],
)
def test_what_is_wrong_is_named(monkeypatch, rng, function, double, complaint):
    monkeypatch.setattr(rnn_layers, function, double)
    with pytest.raises((ValueError, NotImplementedError), match=complaint):
        measure_gradient_flow(captioner("rnn", rng), rng.normal(size=D), CAPTION)


@pytest.mark.parametrize("caption", [[], [0, 0], [1, 0, 0]])
def test_a_caption_without_words_to_predict_is_refused(rng, caption):
    with pytest.raises(ValueError, match=f"has {len(caption) == 3:d} words; give"):
        measure_gradient_flow(captioner("rnn", rng), np.ones(D), np.array(caption, int))


@pytest.fixture
def shown(monkeypatch):
    pictures = []
    monkeypatch.setattr(IPython.display, "display", pictures.append)
    return pictures


@cells
def test_one_call_shows_a_figure_and_the_same_in_words(cell, rng, shown, capsys):
    model, features = captioner(cell, rng), rng.normal(size=D)
    flow = measure_gradient_flow(model, features, CAPTION)
    show_gradient_flow(model, features, CAPTION)

    (picture,) = shown
    assert picture.data.startswith(b"\x89PNG")
    assert "'<START> a red boat sails <END>'" in picture.alt
    assert flow.verdict().splitlines()[0] in picture.alt
    said = capsys.readouterr().out
    rows = re.findall(
        r"^ *(\d) +(\S+) +(\S+) +(\S+)%(?: +(\d+)%)?$", said, re.MULTILINE
    )
    assert [row[1] for row in rows] == ["(picture)", *flow.words[:-1]]
    np.testing.assert_allclose([float(row[2]) for row in rows], flow.whole, rtol=0.01)
    shares = [float(row[3]) / 100 for row in rows]
    np.testing.assert_allclose(shares, flow.shares[-1], atol=1e-4)
    assert [row[4] != "" for row in rows] == [False, *T * [cell == "lstm"]]
    assert said.endswith(flow.verdict() + "\n")


def test_a_slider_follows_one_loss_where_there_are_sliders(
    monkeypatch, rng, shown, capsys
):
    model, features = captioner("rnn", rng), rng.normal(size=D)
    moved = SimpleNamespace(
        IntSlider=lambda value, low, high, **_: (value, low, high),
        interact=lambda draw, timestep: [draw(t) for t in timestep[1:]],
    )
    monkeypatch.setitem(sys.modules, "ipywidgets", moved)
    show_gradient_flow(model, features, CAPTION, slider=True)
    assert len(shown) == 3
    assert re.search(
        r"loss of 'a' that arrive at states 0 to 1: \S+%, 100", shown[1].alt
    )
    assert shown[2].alt.count("%") == T + 1

    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    show_gradient_flow(model, features, CAPTION, slider=True)
    assert "no slider without ipywidgets" in capsys.readouterr().out
    assert len(shown) == 4


@pytest.mark.parametrize("scale", [0, 50])
def test_what_is_nothing_or_huge_can_be_drawn(rng, scale, shown, capsys):
    model = captioner("rnn", rng)
    model.params["Wh"] *= scale
    show_gradient_flow(model, rng.normal(size=D), CAPTION)
    assert len(shown) == 1
    if scale == 0:
        assert "by 0 (median)" in capsys.readouterr().out


def test_thresholds_are_what_the_words_say():
    assert gradient_flow.VANISHED == 1 / 100
    assert gradient_flow.EXPLODED == 100
