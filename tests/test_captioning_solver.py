"""The training loop: one step, whole runs, checkpoints. The model here is a small one.

``Bigram`` guesses a caption's second word from the image and the first one.
"""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cs231n import optim
from cs231n.captioning_solver import CaptioningSolver
from cs231n.layers import affine_backward, affine_forward, softmax_loss

ROOT = Path(__file__).resolve().parents[1]
V, D = 5, 3


class Bigram:
    def __init__(self, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.params = {
            "W": rng.normal(size=(D + V, V)).astype(dtype),
            "b": np.zeros(V, dtype),
        }
        self.batches = []

    def loss(self, features, captions):
        self.batches.append(captions)
        x = np.hstack([features, np.eye(V, dtype=features.dtype)[captions[:, 0]]])
        scores, cache = affine_forward(x, self.params["W"], self.params["b"])
        loss, dscores = softmax_loss(scores, captions[:, 1])
        _, dW, db = affine_backward(dscores, cache)
        return loss, {"W": dW, "b": db}


def make_data(train=10, val=7):
    rng = np.random.default_rng(1)
    data = {}
    for split, size in (("train", train), ("val", val)):
        captions = rng.integers(V, size=(size, 2))
        captions[:, 1] = (captions[:, 0] + 1) % V
        data[f"{split}_captions"] = captions
        data[f"{split}_image_idxs"] = rng.integers(4, size=size)
        data[f"{split}_features"] = rng.normal(size=(4, D)).astype(np.float32)
        data[f"{split}_urls"] = np.array(["scene"] * 4)
    return data


def make_solver(model=None, data=None, **options):
    options = {"batch_size": 4, "num_epochs": 3, "verbose": False} | options
    return CaptioningSolver(model or Bigram(), data or make_data(), **options)


def trained(seed=231, model=None, **options):
    solver = make_solver(model, **options)
    np.random.seed(seed)
    solver.train()
    return solver


def assert_same_run(one, two):
    assert one.loss_history == two.loss_history
    assert one.val_loss_history == two.val_loss_history
    assert one.epoch == two.epoch
    np.testing.assert_equal(one.optim_configs, two.optim_configs)
    for name, w in one.model.params.items():
        assert w.dtype == two.model.params[name].dtype
        np.testing.assert_array_equal(w, two.model.params[name])


# Construction


def test_defaults_and_attributes_are_the_promised_ones():
    model, data = Bigram(), make_data()
    solver = CaptioningSolver(model, data)
    assert solver.model is model
    assert solver.data is data
    assert solver.update_rule is optim.sgd
    promised = {
        "optim_config": {},
        "lr_decay": 1.0,
        "batch_size": 100,
        "num_epochs": 10,
        "print_every": 10,
        "verbose": True,
        "epoch": 0,
        "best_val_acc": 0,
        "best_params": {},
        "loss_history": [],
        "train_acc_history": [],
        "val_acc_history": [],
        "optim_configs": {"W": {}, "b": {}},
    }
    assert {name: getattr(solver, name) for name in promised} == promised
    assert solver.check_accuracy(None, None, num_samples=3, batch_size=2) == 0.0
    assert solver.check_accuracy(np.ones(2), np.ones(2)) == 0.0


def test_unknown_keywords_are_named():
    with pytest.raises(ValueError, match="'bath_size', 'learning_rate'"):
        make_solver(learning_rate=1, bath_size=2)


@pytest.mark.parametrize("rule", ["adamm", "", "_blocks", "__doc__", None, optim.adam])
def test_an_unknown_update_rule_is_named(rule):
    message = re.escape(repr(rule)) + ".*sgd, .*adam"
    with pytest.raises(ValueError, match=message):
        make_solver(update_rule=rule)


def test_an_update_rule_of_ones_own_is_found_in_optim(monkeypatch):
    monkeypatch.setattr(optim, "mine", optim.sgd, raising=False)
    assert make_solver(update_rule="mine").update_rule is optim.sgd


@pytest.mark.parametrize("name", ["batch_size", "num_epochs", "feature_noise"])
def test_numbers_out_of_range_are_named(name):
    with pytest.raises(ValueError, match=f"{name} is -1"):
        make_solver(**{name: -1})


def test_settings_are_copied_for_each_parameter():
    config = {"learning_rate": 0.25, "beta1": 0.5}
    solver = trained(update_rule="adam", optim_config=config, lr_decay=0.5)
    assert config == {"learning_rate": 0.25, "beta1": 0.5}
    W, b = solver.optim_configs["W"], solver.optim_configs["b"]
    assert W is not b
    assert W["m"].shape != b["m"].shape
    assert (W["t"], b["t"]) == (6, 6)


# Steps and runs


def test_one_step_equals_the_formula():
    model = Bigram(dtype=np.float64)
    before = {name: w.copy() for name, w in model.params.items()}
    data = make_data()
    solver = make_solver(model, data, optim_config={"learning_rate": 0.5})
    np.random.seed(231)
    solver._step()

    np.random.seed(231)
    drawn = np.random.choice(10, 4)
    captions = data["train_captions"][drawn]
    features = data["train_features"][data["train_image_idxs"][drawn]]
    np.testing.assert_array_equal(model.batches[0], captions)
    twin = Bigram(dtype=np.float64)
    loss, grads = twin.loss(features, captions)
    assert solver.loss_history == [loss]
    for name, w in before.items():
        np.testing.assert_allclose(model.params[name], w - 0.5 * grads[name])


def test_a_rule_that_returns_a_new_array_is_obeyed(monkeypatch):
    def fresh(w, dw, config=None):
        return w - dw, {**config, "learning_rate": 1.0, "calls": 1}

    monkeypatch.setattr(optim, "fresh", fresh, raising=False)
    model = Bigram()
    old = model.params["W"]
    solver = make_solver(model, update_rule="fresh")
    solver._step()
    assert model.params["W"] is not old
    assert solver.optim_configs["W"]["calls"] == 1


@pytest.mark.parametrize(
    ("train", "batch_size", "epochs", "total"),
    [(10, 4, 3, 6), (10, 10, 2, 2), (10, 100, 5, 5), (9, 1, 1, 9), (10, 4, 0, 0)],
)
def test_an_epoch_is_the_captions_over_the_batch_size_but_one_at_least(
    train, batch_size, epochs, total
):
    solver = make_solver(
        data=make_data(train), batch_size=batch_size, num_epochs=epochs
    )
    solver.train()
    assert len(solver.loss_history) == total
    assert solver.epoch == epochs


@pytest.mark.parametrize("rule", ["sgd", "sgd_momentum", "rmsprop", "adam"])
def test_the_learning_rate_decays_after_each_epoch(rule):
    solver = trained(
        update_rule=rule, optim_config={"learning_rate": 0.8}, lr_decay=0.5
    )
    for config in solver.optim_configs.values():
        assert config["learning_rate"] == pytest.approx(0.1)
    rates = []
    solver = make_solver(optim_config={"learning_rate": 0.8}, lr_decay=0.5)
    rule = solver.update_rule

    def spy(w, dw, config):
        rates.append(config["learning_rate"])
        return rule(w, dw, config)

    solver.update_rule = spy
    solver.train()
    assert rates == [0.8] * 4 + [0.4] * 4 + [0.2] * 4


def test_the_same_seed_gives_the_same_run():
    assert_same_run(trained(update_rule="adam"), trained(update_rule="adam"))
    assert trained(1).loss_history != trained(2).loss_history


def test_the_loss_falls():
    losses = trained(
        update_rule="adam", optim_config={"learning_rate": 0.1}, num_epochs=60
    ).loss_history
    assert np.mean(losses[-5:]) < 0.05 * np.mean(losses[:5])


def test_feature_noise_has_the_size_asked_for_and_stays_out_of_the_data():
    class Listening(Bigram):
        def loss(self, features, captions):
            self.seen = features
            return super().loss(features, captions)

    data = make_data(train=2000)
    data["train_features"] = np.full((4, D), -3, np.float32)
    solver = make_solver(Listening(), data, batch_size=2000, feature_noise=0.5)
    np.random.seed(231)
    solver._step()
    noise = solver.model.seen + 3
    assert noise.dtype == np.float32
    assert abs(noise.std() - 1.5) < 0.05
    assert abs(noise.mean()) < 0.08
    np.testing.assert_array_equal(data["train_features"], -3)

    solver.validation_loss()
    np.testing.assert_array_equal(
        np.unique(solver.model.seen, axis=0), np.unique(data["val_features"], axis=0)
    )


def test_parameters_and_state_stay_float32():
    solver = trained(update_rule="adam", num_epochs=50)
    assert {w.dtype for w in solver.model.params.values()} == {np.dtype(np.float32)}
    for config in solver.optim_configs.values():
        assert config["m"].dtype == config["v"].dtype == np.float32


def test_printed_lines_have_the_classic_format(capsys):
    solver = trained(verbose=True, print_every=2, num_epochs=2)
    losses = solver.loss_history
    assert capsys.readouterr().out.splitlines() == [
        f"(Iteration 1 / 4) loss: {losses[0]:f}",
        f"(Iteration 3 / 4) loss: {losses[2]:f}",
    ]
    trained(verbose=False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_validation_changes_nothing_but_its_own_history():
    plain = trained(update_rule="adam")
    for every in (1, 2, 4):
        watched = trained(update_rule="adam", val_every=every, val_size=250)
        assert watched.loss_history == plain.loss_history
        for name, w in plain.model.params.items():
            np.testing.assert_array_equal(watched.model.params[name], w)
        iterations = [t for t, _ in watched.val_loss_history]
        assert iterations == list(range(every, 7, every))
    assert plain.val_loss_history == []
    assert watched.val_loss_history[-1][1] > 0


def test_validation_loss_is_the_mean_over_its_captions():
    model = Bigram()
    solver = make_solver(model, val_size=250)
    loss = solver.validation_loss()
    assert solver.validation_loss() == loss
    drawn = np.concatenate(model.batches[:3])
    assert len(drawn) == 250
    model.params["W"] *= 0
    assert solver.validation_loss() == pytest.approx(np.log(V), rel=1e-6)


WORSE_LATER = {"optim_config": {"learning_rate": 30.0}, "val_every": 1}


def test_the_best_parameters_are_kept_where_that_is_asked_for():
    last = trained(**WORSE_LATER)
    best = trained(keep_best=True, **WORSE_LATER)
    assert best.loss_history == last.loss_history
    assert best.val_loss_history == last.val_loss_history
    losses = [loss for _, loss in best.val_loss_history]
    assert losses[-1] > min(losses)  # or this test says nothing
    assert last.best_params == {}
    assert last.validation_loss() == losses[-1]
    assert best.validation_loss() == min(losses)
    best.model.params["W"][:] = 0  # which shares no memory with what is kept
    assert np.any(best.best_params["W"])


@pytest.mark.parametrize("stop", range(1, 6))
def test_the_best_parameters_outlive_an_interruption(stop, tmp_path):
    options = WORSE_LATER | {"keep_best": True}
    whole = trained(**options)
    path = tmp_path / "run.npz"
    with pytest.raises(FloatingPointError):
        trained(
            model=Breaking(stop, np.nan),
            checkpoint=path,
            checkpoint_every=1,
            **options,
        )
    for _ in range(2):  # goes on, and then is asked for once more
        again = trained(model=Bigram(seed=5), checkpoint=path, **options)
        assert_same_run(again, whole)


def test_the_best_of_what_is_never_measured_is_refused():
    with pytest.raises(ValueError, match=r"keep_best asks for .* val_every is 0"):
        make_solver(keep_best=True)


class Breaking(Bigram):
    def __init__(self, after, value):
        super().__init__()
        self.left, self.value = after, value

    def loss(self, features, captions):
        loss, grads = super().loss(features, captions)
        self.left -= len(captions) == 4  # a minibatch for training
        if self.left < 0:
            grads = {name: grad * np.nan for name, grad in grads.items()}
        return (loss if self.left >= 0 else self.value), grads


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_no_number_stops_before_the_parameters_change(value, tmp_path):
    path = tmp_path / "run.npz"
    solver = make_solver(Breaking(3, value), checkpoint=path, checkpoint_every=1)
    np.random.seed(231)
    with pytest.raises(FloatingPointError, match=rf"{value} at iteration 4; lower the"):
        solver.train()
    expected = make_solver()
    np.random.seed(231)
    for _ in range(3):
        expected._step()
    assert solver.loss_history == expected.loss_history
    fresh = make_solver(checkpoint=path)
    fresh.load_checkpoint(path)
    for name, w in expected.model.params.items():
        np.testing.assert_array_equal(solver.model.params[name], w)
        np.testing.assert_array_equal(fresh.model.params[name], w)


# Checkpoints


ADAM = {
    "update_rule": "adam",
    "optim_config": {"learning_rate": 0.05},
    "lr_decay": 0.9,
    "val_every": 2,
    "feature_noise": 0.1,
}


@pytest.mark.parametrize("rule", ["sgd", "sgd_momentum", "rmsprop", "adam"])
@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_a_run_in_two_parts_equals_one_unbroken(rule, stop, tmp_path):
    options = ADAM | {"update_rule": rule}
    whole = trained(**options)
    model = Breaking(stop, np.nan)
    path = tmp_path / "run.npz"
    first = make_solver(model, checkpoint=path, checkpoint_every=1, **options)
    np.random.seed(231)
    with pytest.raises(FloatingPointError):
        first.train()

    np.random.seed(99)  # the checkpoint brings its own random numbers
    second = make_solver(Bigram(seed=5), checkpoint=path, **options)
    second.train()
    assert_same_run(second, whole)
    assert np.random.rand() == _next_number_after(options)


def _next_number_after(options):
    trained(**options)
    return np.random.rand()


def test_a_half_used_normal_draw_is_kept(tmp_path):
    solver = make_solver()
    np.random.seed(1)
    np.random.randn()  # the legacy generator makes them in pairs
    solver.save_checkpoint(tmp_path / "a.npz")
    expected = np.random.randn(3)
    solver.load_checkpoint(tmp_path / "a.npz")
    np.testing.assert_array_equal(np.random.randn(3), expected)


@pytest.mark.parametrize("number", [np.float32, np.float64])
def test_numpy_numbers_among_the_settings_survive(number, tmp_path):
    # A NumPy learning rate promotes differently from Python's: it must stay one.
    def options():
        return ADAM | {
            "update_rule": "sgd",
            "optim_config": {"learning_rate": number(0.3)},
        }

    whole = trained(**options())
    path = tmp_path / "run.npz"
    first = make_solver(
        Breaking(3, np.nan), checkpoint=path, checkpoint_every=1, **options()
    )
    np.random.seed(231)
    with pytest.raises(FloatingPointError):
        first.train()
    second = make_solver(checkpoint=path, **options())
    second.train()
    assert_same_run(second, whole)


def test_a_finished_run_is_not_run_again_and_may_be_continued(tmp_path, capsys):
    path = tmp_path / "run.npz"
    trained(checkpoint=path, **ADAM)
    again = trained(checkpoint=path, verbose=True, **ADAM)
    assert len(again.loss_history) == 6
    text = capsys.readouterr().out
    assert text == f"Resuming after iteration 6 of 6 from {path}.\n"
    longer = trained(checkpoint=path, num_epochs=5, **ADAM)
    assert_same_run(longer, trained(num_epochs=5, **ADAM))


def test_checkpoints_come_at_the_end_of_each_epoch_or_as_often_as_asked(
    tmp_path, monkeypatch
):
    saved = []
    monkeypatch.setattr(
        CaptioningSolver,
        "save_checkpoint",
        lambda self, _: saved.append(len(self.loss_history)),
    )
    trained(checkpoint=tmp_path / "a.npz")
    assert saved == [2, 4, 6]
    saved.clear()
    trained(checkpoint=tmp_path / "a.npz", checkpoint_every=4)
    assert saved == [4, 6]
    saved.clear()
    trained()
    assert saved == []


def test_there_is_no_pickle_inside_and_no_other_file_beside(tmp_path):
    path = tmp_path / "deep" / "run.checkpoint"
    trained(checkpoint=path, **ADAM)
    assert list(path.parent.iterdir()) == [path]
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert not any(array.dtype.hasobject for array in arrays.values())
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            assert file.read(name).startswith(b"\x93NUMPY")
    np.testing.assert_equal(json.loads(str(arrays["facts"]))["epoch"], 3)


def test_resuming_does_not_share_memory_with_another_solver(tmp_path):
    path = tmp_path / "run.npz"
    trained(checkpoint=path, **ADAM)
    one, two = make_solver(**ADAM), make_solver(**ADAM)
    one.load_checkpoint(path)
    two.load_checkpoint(path)
    one.model.params["W"] += 1
    one.optim_configs["W"]["m"] += 1
    assert (one.model.params["W"] != two.model.params["W"]).all()
    assert (one.optim_configs["W"]["m"] != two.optim_configs["W"]["m"]).all()


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*gone\.npz"):
        make_solver().load_checkpoint(tmp_path / "gone.npz")


def frozen(solver):
    """Return a copy of what a failed load must leave alone."""
    return json.dumps(
        [
            {name: w.tolist() for name, w in solver.model.params.items()},
            solver.epoch,
            solver.loss_history,
            sorted(solver.optim_configs),
            np.random.get_state()[1].tolist(),
        ]
    )


def assert_refused(path, message, **options):
    solver = make_solver(**ADAM | options)
    before = frozen(solver)
    with pytest.raises(ValueError, match=message):
        solver.load_checkpoint(path)
    assert frozen(solver) == before


@pytest.fixture
def checkpoint(tmp_path):
    trained(checkpoint=tmp_path / "run.npz", **ADAM)
    return tmp_path / "run.npz"


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused(checkpoint, share):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(share * len(content))])
    assert_refused(checkpoint, r"run\.npz is not a whole checkpoint .*delete it")


@pytest.mark.parametrize(
    "content",
    [
        b"not a checkpoint",
        b"PK\x03\x04" + bytes(100),
        b"\x93NUMPY\x01\x00",
        b"\x80\x04.",
    ],
)
def test_another_kind_of_file_is_refused(tmp_path, content):
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    assert_refused(path, "is not a whole checkpoint")
    np.savez(path, W=np.ones(3))
    assert_refused(path, "is not a whole checkpoint")
    np.savez(path, facts=np.array({"format": 1}, dtype=object))
    assert_refused(path, "is not a whole checkpoint")
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    assert_refused(path, "is not a whole checkpoint")


def test_no_damaged_byte_gets_past(checkpoint, rng):
    content = checkpoint.read_bytes()
    good = make_solver(**ADAM)
    good.load_checkpoint(checkpoint)
    # Any byte of the zip's directory, which has many kinds of nonsense to say, and
    # some of the rest.
    start = content.index(b"PK\x01\x02")
    places = [
        *rng.choice(np.arange(start, len(content)), 250, replace=False),
        *rng.choice(start, 100, replace=False),
    ]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        checkpoint.write_bytes(damaged)
        solver = make_solver(**ADAM)
        before = frozen(solver)
        try:
            solver.load_checkpoint(checkpoint)
        except ValueError as error:
            assert "run.npz" in str(error)  # noqa: PT017
            assert frozen(solver) == before
        else:
            assert_same_run(solver, good)  # a byte that does not matter


def rewritten(path, **changes):
    """Change arrays of a checkpoint; None takes one out."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})


@pytest.mark.parametrize(
    "name", ["params/W", "facts", "random/keys", "loss_history", "val_loss_history"]
)
def test_a_checkpoint_that_lacks_something_is_refused(checkpoint, name):
    rewritten(checkpoint, **{name: None})
    assert_refused(checkpoint, "is not a whole checkpoint")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("params/W", np.ones((2, 2), np.float32)),
        ("params/b", np.ones(V)),
        ("random/keys", np.ones(3, np.uint32)),
        ("facts", np.array("[]")),
        ("facts", np.array("{}")),
        ("facts", np.array('{"settings"')),
    ],
)
def test_a_checkpoint_with_something_else_inside_is_refused(checkpoint, name, array):
    rewritten(checkpoint, **{name: array})
    assert_refused(checkpoint, "is not a whole checkpoint")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update_rule": "sgd"}, "update_rule was adam, is sgd"),
        (
            {"optim_config": {"learning_rate": 0.1}},
            "optim_config was .*0.05.* is .*0.1",
        ),
        ({"lr_decay": 1.0}, "lr_decay was 0.9, is 1.0"),
        ({"batch_size": 5}, "batch_size was 4, is 5"),
        ({"val_every": 0}, "val_every was 2, is 0"),
        ({"feature_noise": 0.0}, "feature_noise was 0.1, is 0.0"),
        ({"data": make_data(train=11)}, r"train_captions was \[10, 2\], is \[11, 2\]"),
        ({"model": Bigram(dtype=np.float64)}, "params was .*float32.* is .*float64"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_checkpoint_of_another_run_is_refused(checkpoint, options, message):
    assert_refused(checkpoint, f"belongs to another run .*{message}", **options)


def test_a_checkpoint_of_another_format_is_refused(checkpoint):
    with np.load(checkpoint) as file:
        facts = json.loads(str(file["facts"]))
    rewritten(checkpoint, facts=np.array(json.dumps(facts | {"format": 2})))
    assert_refused(checkpoint, "format is 2, not 1")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), MemoryError()]
)
def test_an_interrupted_write_leaves_the_old_checkpoint(checkpoint, error, monkeypatch):
    old = checkpoint.read_bytes()
    solver = make_solver(checkpoint=checkpoint, num_epochs=5, **ADAM)

    def fill_the_disk(file, **_):
        file.write(old[: len(old) // 2])
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fill_the_disk)
        with pytest.raises(type(error)):
            solver.train()
    assert checkpoint.read_bytes() == old
    assert list(checkpoint.parent.iterdir()) == [checkpoint]
    resumed = trained(checkpoint=checkpoint, num_epochs=5, **ADAM)
    assert_same_run(resumed, trained(num_epochs=5, **ADAM))


# A run in a process of its own, which can be told where to die.
RUN = """
import os, signal, sys, time
import numpy as np
from tests.test_captioning_solver import ADAM, Bigram, make_data
from cs231n.captioning_solver import CaptioningSolver

checkpoint, result, moment, count = sys.argv[1:]
count = int(count)

def die_at(owner, name, before=None):
    original, calls = getattr(owner, name), []
    def wrapper(*args, **kwargs):
        calls.append(1)
        if len(calls) == count:
            if before:
                before(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    setattr(owner, name, wrapper)

def half_a_file(file, **arrays):
    file.write(bytes(1000))
    file.flush()

if moment == "loss":
    die_at(Bigram, "loss")
elif moment == "writing":
    die_at(np, "savez", half_a_file)
elif moment == "syncing":
    die_at(os, "fsync")
elif moment == "any":
    loss = Bigram.loss
    def slow(*args):
        time.sleep(0.002)
        return loss(*args)
    Bigram.loss = slow

np.random.seed(231)
solver = CaptioningSolver(
    Bigram(), make_data(), batch_size=4, num_epochs=20, verbose=False,
    checkpoint=checkpoint if checkpoint != "none" else None, checkpoint_every=3, **ADAM,
)
print("ready", flush=True)
solver.train()
config = solver.optim_configs["W"]
np.savez(
    result, losses=solver.loss_history, val=solver.val_loss_history, m=config["m"],
    rate=config["learning_rate"], random=np.random.rand(4), **solver.model.params,
)
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(process):
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_run_killed_at_any_moment_continues_with_the_same_numbers(tmp_path, rng):
    path, unbroken, resumed = (tmp_path / n for n in ("run.npz", "one.npz", "two.npz"))
    assert finish(start("none", unbroken, "never", 1)) == 0

    for moment, count in (("loss", 2), ("loss", 12), ("writing", 2), ("syncing", 1)):
        assert finish(start(path, resumed, moment, count)) == -signal.SIGKILL
    assert 0 < saved_iterations(path) < 40
    for _ in range(2):
        process = start(path, resumed, "any", 1)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.04))
        process.kill()
        finish(process)

    assert finish(start(path, resumed, "never", 1)) == 0
    with np.load(unbroken) as one, np.load(resumed) as two:
        assert one.files == two.files
        for name in one.files:
            assert one[name].dtype == two[name].dtype
            np.testing.assert_array_equal(one[name], two[name])


def saved_iterations(path):
    with np.load(path) as file:
        return len(file["loss_history"])
