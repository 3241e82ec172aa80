"""Numerical gradients, and that the checks built on them notice what they should."""

import json
import random
import sys
import time
import types

import numpy as np
import pytest

from cs231n import rnn_layers
from cs231n.assignment.answers import CHECKS_MIME
from cs231n.gradient_check import (
    LIMITS,
    assert_gradients_match,
    copies,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    eval_numerical_gradient_blobs,
    eval_numerical_gradient_net,
    grad_check_sparse,
    is_coarse,
    keeps_float32,
    limits_for,
    rel_error,
    step_for,
)
from cs231n.lab import saved_code
from cs231n.lab.checks import check, check_at_least, check_below, check_captions
from cs231n.layers import affine_backward, affine_forward, relu_backward, relu_forward
from cs231n.support.accuracy import as_number
from tests.strategies import LAYOUTS, laid_out

INPUTS = {"x": (4, 3), "w": (3, 5), "b": (5,)}


def normals(rng, shapes=INPUTS):
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


# rel_error


def test_rel_error_is_relative_to_the_sum_with_a_floor():
    assert rel_error([1.0, 3.0], [1.0, 1.0]) == 0.5
    assert rel_error(0.0, 1e-9) == pytest.approx(0.1)
    assert rel_error(-1.0, 1.0) == 1
    assert rel_error([], []) == 0
    assert rel_error(np.uint8(1), np.uint8(3)) == 0.5  # no wrapping below zero
    assert np.isnan(rel_error([1.0, np.nan], [1.0, 1.0]))
    assert rel_error(np.ones((2, 3)), 1.0) == 0


# Numerical gradients


@pytest.mark.parametrize("layout", LAYOUTS[:-1])
def test_gradient_of_a_polynomial(layout, rng):
    values = rng.normal(size=(2, 3))
    x = laid_out(values, layout)
    grad = eval_numerical_gradient(lambda x: np.sum(x**3), x, verbose=False)
    np.testing.assert_allclose(grad, 3 * values**2, rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(x, values)


def test_a_lambda_may_ignore_its_argument_and_read_the_array_around_it(rng):
    x, df = rng.normal(size=(2, 2, 3))
    one = eval_numerical_gradient(lambda _: np.sum(np.sin(x)), x, verbose=False)
    np.testing.assert_allclose(one, np.cos(x), rtol=1e-8)
    two = eval_numerical_gradient_array(lambda _: np.sin(x), x, df)
    np.testing.assert_allclose(two, df * np.cos(x), rtol=1e-8)


def test_a_function_may_hand_out_its_own_buffer(rng):
    x, buffer = rng.normal(size=3), np.empty(3)
    grad = eval_numerical_gradient_array(lambda x: np.sin(x, out=buffer), x, np.ones(3))
    np.testing.assert_allclose(grad, np.cos(x), rtol=1e-8)


@pytest.mark.parametrize("evaluate", [eval_numerical_gradient, grad_check_sparse])
def test_an_array_is_restored_where_a_function_raises(evaluate, rng):
    def fails(_):
        raise ZeroDivisionError

    x = rng.normal(size=(2, 3))
    before = x.copy()
    with pytest.raises(ZeroDivisionError):
        evaluate(fails, x, *([x] if evaluate is grad_check_sparse else []))
    assert np.array_equal(x, before)


def test_verbose_prints_each_slope_and_is_the_default(capsys):
    eval_numerical_gradient(lambda x: np.sum(2 * x), np.zeros((1, 2)))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(") ")[0] for line in lines] == ["(0, 0", "(0, 1"]
    assert float(lines[0].split(") ")[1]) == pytest.approx(2)
    eval_numerical_gradient(np.sum, np.zeros(3), verbose=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shape", [(), (0,), (1, 1)])
def test_shapes_without_much_in_them(shape):
    x = np.ones(shape)
    grad = eval_numerical_gradient(lambda x: np.sum(x**2), x, verbose=False)
    np.testing.assert_allclose(grad, np.full(shape, 2.0), rtol=1e-9)
    grad = eval_numerical_gradient_array(lambda x: x**2, x, np.ones(shape))
    np.testing.assert_allclose(grad, np.full(shape, 2.0), rtol=1e-9)


@pytest.mark.parametrize("dtype", [int, bool])
def test_arrays_without_room_for_a_small_step_are_refused(dtype):
    x = np.ones(3, dtype=dtype)
    for call in (
        lambda: eval_numerical_gradient(np.sum, x, verbose=False),
        lambda: eval_numerical_gradient_array(np.array, x, 1.0),
        lambda: grad_check_sparse(np.sum, x, x),
    ):
        with pytest.raises(TypeError, match="floating point"):
            call()


class Blob:
    def __init__(self, vals, diffs=None):
        self.vals = vals
        self.diffs = np.zeros_like(vals) if diffs is None else diffs


def test_blobs_and_nets(rng):
    x, w, upstream = rng.normal(size=(3, 4))
    inputs, output = (Blob(x.copy()), Blob(w.copy())), Blob(np.zeros(4), upstream)

    def multiply(a, b, out):
        out.vals[:] = a.vals * b.vals

    dx, dw = eval_numerical_gradient_blobs(multiply, inputs, output)
    np.testing.assert_allclose(dx, upstream * w, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(dw, upstream * x, rtol=1e-8, atol=1e-10)

    net = types.SimpleNamespace(forward=lambda: multiply(*inputs, output))
    for one, two in zip(
        eval_numerical_gradient_net(net, inputs, output, h=1e-4), (dx, dw), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-6)
    np.testing.assert_array_equal(inputs[0].vals, x)


def test_sparse_check_prints_a_line_for_each_draw(capsys, rng):
    x = rng.normal(size=(3, 4))
    before = x.copy()
    random.seed(1)
    assert grad_check_sparse(lambda x: np.sum(x**2), x, 2 * x, num_checks=3) is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for line in lines:
        start, error = line.split(", relative error: ")
        assert start.startswith("numerical: ")
        assert " analytic: " in start
        assert float(error) < 1e-7
    np.testing.assert_array_equal(x, before)
    grad_check_sparse(lambda x: np.sum(x**2), x, -2 * x)
    lines = capsys.readouterr().out.splitlines()
    assert [float(line.split("error: ")[1]) for line in lines] == [1.0] * 10


# assert_gradients_match


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("limit", [600, 1], ids=["elements", "directions"])
def test_a_gradient_off_by_a_thousandth_is_noticed_and_named(position, limit, rng):
    def slightly_off(dout, cache):
        grads = list(affine_backward(dout, cache))
        grads[position] = grads[position] * 1.001
        return tuple(grads)

    def check_it(backward):
        inputs = normals(rng)
        before = {k: v.copy() for k, v in inputs.items()}
        try:
            assert_gradients_match(
                affine_forward, backward, inputs, rng, max_elements=limit
            )
        finally:
            for name, value in inputs.items():
                np.testing.assert_allclose(value, before[name], rtol=1e-15)

    check_it(affine_backward)
    with pytest.raises(AssertionError, match=f"d{'xwb'[position]} is off") as caught:
        check_it(slightly_off)
    assert str(caught.value).count("is off") == 1


def wrong_element(dout, cache):
    dx, dw, db = affine_backward(dout, cache)
    dw = dw.copy()
    dw[1, 2] += 1e-4
    return dx, dw, db


def swapped(dout, cache):
    dx, dw, db = affine_backward(dout, cache)
    return dx, db, dw


def missing(dout, cache):
    return affine_backward(dout, cache)[:2]


def nan_element(dout, cache):
    dx, dw, db = affine_backward(dout, cache)
    return dx, dw, np.where(np.arange(db.size) == 1, np.nan, db)


def broadcasts(dout, cache):
    dx, dw, db = affine_backward(dout, cache)
    return dx, dw, db[None]


@pytest.mark.parametrize(
    ("backward", "complaint"),
    [
        (wrong_element, "dw is off"),
        (swapped, r"dw has shape \(5,\) instead of \(3, 5\); db has shape"),
        (missing, r"missing returned 2 gradients, but 3 inputs \(x, w, b\)"),
        (nan_element, "db is off"),
        (broadcasts, "db has shape"),
    ],
)
def test_other_mistakes_are_noticed(backward, complaint, rng):
    with pytest.raises(AssertionError, match=complaint):
        assert_gradients_match(affine_forward, backward, normals(rng), rng)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_forward_pass_that_is_not_finite_never_passes(bad, rng):
    def forward(x):
        return x * bad, None

    def backward(dout, cache):  # noqa: ARG001
        return dout * bad

    with np.errstate(invalid="ignore"), pytest.raises(AssertionError, match="dx"):
        assert_gradients_match(forward, backward, {"x": rng.normal(size=3)}, rng)


def test_integers_have_no_gradient_and_one_gradient_may_come_bare(rng):
    def forward(x, k):
        return x * k, k

    def backward(dout, k):
        return dout * k

    inputs = {"x": rng.normal(size=3), "k": np.array([1, 2, 3])}
    assert_gradients_match(forward, backward, inputs, rng)
    x = {"x": rng.normal(size=(3, 4)) + 3}
    assert_gradients_match(relu_forward, relu_backward, x, rng)


def test_gradients_may_come_in_a_list(rng):
    def in_a_list(dout, cache):
        return list(affine_backward(dout, cache))

    assert_gradients_match(affine_forward, in_a_list, normals(rng), rng)


def test_directions_do_not_change_the_inputs(rng):
    inputs = normals(rng, {"x": (40, 30), "w": (30, 2), "b": (2,)})
    before = inputs["x"].copy()
    assert_gradients_match(affine_forward, affine_backward, inputs, rng)
    np.testing.assert_array_equal(inputs["x"], before)


def test_functions_that_change_what_they_are_given_are_judged_all_the_same(rng):
    def forward(x, w, b):
        kept = x.copy(), w.copy()
        x -= 1
        x += 1 + b.sum() * 0
        out = x @ w + b
        for given in (x, w, b):
            given *= 7
        return out, kept

    def backward(dout, cache):
        x, w = cache
        dout *= 2
        return dout @ w.T / 2, x.T @ dout / 2, dout.sum(axis=0) / 2

    def wrong(dout, cache):
        dx, dw, db = backward(dout, cache)
        return dx, dw * 1.001, db

    for limit in (600, 1):
        inputs = normals(rng)
        before = {name: value.copy() for name, value in inputs.items()}
        assert_gradients_match(forward, backward, inputs, rng, max_elements=limit)
        np.testing.assert_equal(inputs, before)
        with pytest.raises(AssertionError, match="dw is off"):
            assert_gradients_match(forward, wrong, inputs, rng, max_elements=limit)


def test_a_forward_pass_in_float32_is_compared_as_far_as_it_goes(rng):
    def forward(x, w, b):
        out, cache = affine_forward(x, w, b)
        return np.tanh(out).astype(np.float32), (out, cache)

    def backward(dout, cache, slip=1.0):
        out, affine = cache
        dx, dw, db = affine_backward(dout * (1 - np.tanh(out) ** 2), affine)
        return dx, dw * slip, db

    assert_gradients_match(forward, backward, normals(rng), rng)
    with pytest.raises(AssertionError, match="dw is off"):
        assert_gradients_match(
            forward, lambda d, c: backward(d, c, 1.1), normals(rng), rng
        )


@pytest.mark.parametrize("gates", [1, 4])
def test_states_in_float32_are_compared_with_longer_steps_and_more_room(gates):
    def forward(x, h0, Wx, Wh, b, dtype=np.float32):
        assert Wx.shape[1] == Wh.shape[1] == len(b) == gates * h0.shape[1]
        return np.tanh(x[..., :1] + h0[:, None]).astype(dtype), None

    assert keeps_float32(forward, gates)
    assert not keeps_float32(lambda *x: forward(*x, dtype=float), gates)
    assert not keeps_float32(lambda *_: None, gates)
    assert step_for(True, 1e-6) > step_for(False) > step_for(False, 1e-6)
    assert limits_for(False, 1e-7) == {
        "within": 1e-7,
        "absolute": False,
        "rounded": 1e-5,
    }
    exact = limits_for(False, 1e-7, absolute=True, coarse=1e-3)
    assert exact == {"within": 1e-7, "absolute": True, "rounded": 0}
    assert limits_for(True, 1e-7, coarse=1e-3) == {"within": 1e-3, "absolute": True}


@pytest.mark.parametrize("size", [(3, 4), (20, 30)])
def test_float32_shows_wherever_it_comes_in(size, rng):
    x, w = rng.normal(size=size), rng.normal(size=size[::-1])
    single = np.float32
    for coarse in (
        lambda x, w: (np.tanh(x @ w).astype(single), None),
        lambda x, w: (np.tanh(x @ w).astype(single).astype(float), None),
        lambda x, w: (np.tanh(x.astype(single) @ w), None),
        lambda x, w: float(np.sum(np.tanh(x @ w).astype(single), dtype=float)),
        lambda x, w: (np.zeros(3), (x @ w).astype(single), None),
    ):
        assert is_coarse(coarse, x, w)
    for fine in (
        lambda x, w: (np.tanh(x @ w), x.astype(single)),  # a cache says nothing
        lambda x, w: np.sum((x @ w) ** 3),
        lambda *_: (np.random.normal(size=3), None),
        lambda x, w: x.no_such_part + w,
    ):
        assert not is_coarse(fine, x, w)


def test_looking_for_float32_leaves_random_numbers_and_inputs_alone():
    x, before = np.ones(3), np.random.RandomState(5).normal(size=2)
    np.random.seed(5)
    assert not is_coarse(np.square, x)
    np.testing.assert_array_equal(np.random.randn(2), before)
    np.testing.assert_array_equal(x, 1)


def test_gradients_of_what_is_rounded_inside_match(rng):
    def forward(x, w, b):
        return np.tanh(x @ w + b).astype(np.float32).astype(float), (x, w, b)

    def backward(dout, cache, coarse=np.float32, by=1.0):
        x, w, b = cache
        da = (by * dout * (1 - np.tanh(x @ w + b) ** 2)).astype(coarse)
        return da @ w.T, x.T @ da, da.sum(axis=0)

    assert_gradients_match(forward, backward, normals(rng), rng)
    exact = lambda x, w, b: (np.tanh(x @ w + b), (x, w, b))  # noqa: E731
    assert_gradients_match(exact, backward, normals(rng), rng)
    for off in (forward, exact):
        with pytest.raises(AssertionError, match="db is off"):
            assert_gradients_match(
                off, lambda d, c: backward(d, c, by=1.05), normals(rng), rng
            )


def test_a_check_may_allow_the_digits_of_float32(capsys):
    expected = np.array([1e-9, 0.3, 0.7])
    found = expected.astype(np.float32) + np.array([1e-8, 0, 0])
    with pytest.raises(AssertionError, match="x has relative error"):
        check("t", {"x": (found, expected)}, 1e-9)
    check("t", {"x": (found, expected)}, 1e-9, rounded=1e-5)
    assert "below   1e-05   pass" in capsys.readouterr().out
    for wrong in (found * 1.001, found[:2], None, found * np.nan):
        with pytest.raises(AssertionError, match="x "):
            check("t", {"x": (wrong, expected)}, 1e-9, rounded=1e-5)


def test_copies_are_independent_and_deep(rng):
    x, rows = rng.normal(size=3), [rng.normal(size=2), rng.normal(size=2)]
    y, other = copies(x, rows)
    y += 1
    other[0] += 1
    assert not np.any(x == y)
    assert not np.any(rows[0] == other[0])
    assert np.all(rows[1] == other[1])


# The checks of notebooks


@pytest.mark.parametrize(
    "value", [2, 2.0, np.float32(2), np.array(2.0), np.array([2.0]), np.array([[2]])]
)
def test_a_single_number_may_come_in_any_wrapping(value):
    assert as_number(value) == 2
    check("loss", {"loss": (value, 2.0)}, 1e-9)
    check_below("loss", {"loss": (value, 2.5)})
    slope = eval_numerical_gradient(lambda x: x.sum() * value, np.ones(3), False)
    np.testing.assert_allclose(slope, 2)


@pytest.mark.parametrize("value", [np.ones(2), "2", None, [1.0, 2.0]])
def test_what_is_no_single_number_is_refused(value):
    with pytest.raises(TypeError, match="One number is wanted"):
        as_number(value)


def test_a_single_number_may_be_a_tensor():
    torch = pytest.importorskip("torch")
    for value in (torch.tensor(2.0), torch.tensor([2.0], requires_grad=True)):
        check("loss", {"loss": (value, 2.0)}, 1e-9)
        check_below("loss", {"loss": (value, 2.5)})
    x = torch.ones(3, requires_grad=True)
    check("x", {"x": (2 * x, np.full(3, 2.0))}, 1e-9)


def test_what_is_missing_is_named_and_nothing_at_all_fails(capsys):
    grads = {"Wx": np.ones(2)}
    with pytest.raises(AssertionError, match=r"b is missing, where shape \(3,\)"):
        check("t", {"Wx": (grads.get("Wx"), np.ones(2)), "b": (None, np.ones(3))}, 1)
    assert capsys.readouterr().out.count("FAIL") == 1
    for empty in (check, lambda t, p, _: check_below(t, p)):
        with pytest.raises(AssertionError, match="t: there is nothing to compare"):
            empty("t", {}, 1e-8)
    with pytest.raises(AssertionError, match="dx came as dict"):
        check("t", {"dx": ({}, np.ones(2))}, 1)


def test_differences_may_be_absolute():
    check("t", {"a": ([1e-9, 1.0], [0.0, 1.0])}, 1e-8, absolute=True)
    with pytest.raises(AssertionError, match=r"largest difference 2\.0e-08"):
        check("t", {"a": ([2e-8, 1.0], [0.0, 1.0])}, 1e-8, absolute=True)
    with pytest.raises(AssertionError, match="parameters is 7, expected 8"):
        check("t", {"parameters": (7, 8)}, 0)


@pytest.mark.parametrize(
    ("title", "command"),
    [
        ("rnn_step_backward", "rnn_step_backward"),
        ("gradients of CaptioningRNN.loss", "CaptioningRNN.loss"),
        ("CaptioningRNN.loss, lstm", "CaptioningRNN.loss:lstm"),
        ("tv_loss on a photo", "tv_loss"),
        ("class_visualization_step", "class_visualization_step"),
    ],
)
def test_a_failing_check_ends_with_the_command_that_says_more(title, command):
    from cs231n.tools.check.command import select

    with pytest.raises(AssertionError) as caught:
        check(title, {"a": (1.0, 2.0)}, 1e-8)
    assert str(caught.value).endswith(f"python -m cs231n.check {command}")
    assert select([command])[1]


def test_the_command_may_be_given_and_need_not_be_there():
    with pytest.raises(AssertionError, match=r"cs231n\.check rnn_forward$"):
        check_below("training", {"loss": (2.0, 1.0)}, function="rnn_forward")
    with pytest.raises(AssertionError) as caught:
        check_below("training", {"loss": (2.0, 1.0)})
    assert "cs231n.check" not in str(caught.value)


WORDS = ["<NULL>", "<START>", "<END>", "a", "boat"]


def test_captions_are_compared_up_to_their_ends(capsys):
    wanted = [[3, 4, 2], [4, 4, 4, 4]]
    check_captions("t", np.array([[3, 4, 2, 3], [4, 4, 4, 4]]), wanted, WORDS)
    assert capsys.readouterr().out.count("pass") == 2
    with pytest.raises(AssertionError, match=r"caption 2 .* column 1 .*'boat a boat"):
        check_captions("t", np.array([[3, 4, 2, 0], [4, 3, 4, 4]]), wanted, WORDS)
    with pytest.raises(AssertionError, match=r"2 of 2 captions.*first column holds"):
        check_captions("t", np.array([[1, 3, 4, 2], [1, 4, 4, 4]]), wanted, WORDS)


@pytest.mark.parametrize("bad", [None, [[1.0]], np.ones((2, 4)), np.ones((1, 4), int)])
def test_what_are_no_captions_fails_with_a_sentence(bad):
    with pytest.raises(AssertionError, match=r"integers of shape \(2, 4\)"):
        check_captions("t", bad, [[3, 4, 2], [4, 4, 4, 4]], WORDS)


def test_no_limit_is_below_what_rounding_allows():
    assert all(1e-11 < limit <= 1e-3 for limit in LIMITS.values())


# Whether what runs is what is saved


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A module of the assignment, loaded from a file of its own."""
    file = tmp_path / "rnn_layers.py"
    file.write_text(
        "def rnn_step_forward(x):\n"
        '    """Double."""\n'
        "    return [2 * v for v in x if v in {1, 2}]\n\n\n"
        "class Layer:\n    def run(self):\n        return 3.0\n"
    )
    module = types.ModuleType("cs231n.rnn_layers")
    module.__file__ = str(file)
    exec(compile(file.read_text(), str(file), "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "cs231n.rnn_layers", module)
    return file, module


def rewrite(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new) + "\n")  # so that its size changes


def test_a_file_that_cannot_be_read_fails_every_check(saved):
    file, _ = saved
    check("t", {"a": (1.0, 1.0)}, 1)
    rewrite(file, "2 * v", "2 * * v")
    for judge in (
        lambda: check("t", {"a": (1.0, 1.0)}, 1),
        lambda: check_below("t", {"a": (0.0, 1.0)}),
        lambda: check_at_least("t", {"a": (2.0, 1.0)}),
        lambda: check_captions("t", np.array([[3, 2]]), [[3, 2]], WORDS),
    ):
        with pytest.raises(AssertionError, match=r"rnn_layers\.py .*line 3: .*mend"):
            judge()
    rewrite(file, "2 * * v", "2 * v")
    check("t", {"a": (1.0, 1.0)}, 1)


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("2 * v", "3 * v", "rnn_step_forward"),
        ("{1, 2}", "{1, 3}", "rnn_step_forward"),
        ("if v in", "if x in", "rnn_step_forward"),
        ("forward(x)", "forward(x, *y)", "rnn_step_forward"),
        ("3.0", "3", r"Layer\.run"),
    ],
)
def test_old_code_that_still_runs_fails(saved, old, new, name):
    rewrite(saved[0], old, new)
    with pytest.raises(AssertionError, match=rf"{name} still runs as it was"):
        check("t", {"a": (1.0, 1.0)}, 1)


@pytest.mark.parametrize(("old", "new"), [("2 * v", "np.abs(v)"), ("3.0", "np.exp(2)")])
def test_what_autoreload_patches_in_is_no_alarm(saved, old, new):
    # It compiles what has changed on its own, and a method in a class of its own.
    file, module = saved
    rewrite(file, "def rnn_step", "import numpy as np\n\n\ndef rnn_step")
    rewrite(file, old, new)
    function, layer = file.read_text().split("class Layer")
    patched = {}
    if "np.abs" in new:
        part = function[function.index("def rnn_step") :]
        exec(compile(part, str(file), "exec"), patched)
        module.rnn_step_forward.__code__ = patched["rnn_step_forward"].__code__
    else:
        part = "class __autoreload_class__" + layer
        exec(compile(part, str(file), "exec"), patched)
        module.Layer.run.__code__ = patched["__autoreload_class__"].run.__code__
    check("t", {"a": (1.0, 1.0)}, 1)
    rewrite(file, new, "np.sin(1)")
    with pytest.raises(AssertionError, match="still runs as it was"):
        check("t", {"a": (1.0, 1.0)}, 1)


def test_what_does_not_change_what_runs_is_no_alarm(saved, monkeypatch):
    file, module = saved
    rewrite(
        file, "def rnn_step_forward", "# A comment, and two\n\ndef rnn_step_forward"
    )
    rewrite(file, "Double.", "Twice the numbers.")
    rewrite(file, "class Layer", "def another():\n    pass\n\n\nclass Layer")
    check("t", {"a": (1.0, 1.0)}, 1)
    rewrite(file, "2 * v", "3 * v")
    # A test that puts something in a function's place knows what it does.
    monkeypatch.setattr(module, "rnn_step_forward", lambda x: x)
    check("t", {"a": (1.0, 1.0)}, 1)
    del module.rnn_step_forward
    check("t", {"a": (1.0, 1.0)}, 1)


def test_a_file_saved_while_the_cell_runs_is_only_noted(saved, monkeypatch, capsys):
    file, _ = saved
    monkeypatch.setattr(saved_code, "_cell_began", file.stat().st_mtime - 60)
    rewrite(file, "2 * v", "2 * * v")
    check("t", {"a": (1.0, 1.0)}, 1)
    assert "was saved while this cell ran" in capsys.readouterr().out
    monkeypatch.setattr(saved_code, "_cell_began", file.stat().st_mtime + 60)
    with pytest.raises(AssertionError, match="cannot be read"):
        check("t", {"a": (1.0, 1.0)}, 1)


def test_looking_at_files_takes_a_moment():
    assert rnn_layers.__name__ in sys.modules
    seconds = []
    for _ in range(5):
        saved_code._compiled.clear()
        start = time.process_time()
        assert saved_code.unsaved() == ("", "")
        seconds.append(time.process_time() - start)
    first = min(seconds)
    start = time.process_time()
    saved_code.unsaved()
    again = time.process_time() - start
    assert first < 0.3  # here about 0.02: all modules of all questions, uncached
    assert again < 0.03


def test_check_prints_each_error_and_passes(capsys):
    check("title", {"dx": (1.0, 1.0 + 1e-9), "dWh": ([1.0], [1.0])}, 1e-8)
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "title"
    assert text.count("pass") == 2
    assert "5e-10" in text
    assert "1e-08" in text


def test_check_takes_a_limit_for_each_name():
    pairs = {"dx": (1.0, 1.0 + 1e-6), "dWh": (1.0, 1.0 + 1e-3)}
    check("title", pairs, {"dx": 1e-6, "dWh": 1e-2})
    with pytest.raises(
        AssertionError, match=r"dx has relative error 5\.0e-07"
    ) as caught:
        check("title", pairs, {"dx": 1e-7, "dWh": 1e-2})
    assert "dWh" not in str(caught.value)


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        (1.001, r"dx has relative error 5\.0e-04"),
        (np.nan, "dx has relative error nan"),
        ([1.0, 1.0], r"dx has shape \(2,\), expected \(\)"),
        (None, r"dx is missing, where shape \(\) is expected"),
    ],
)
def test_check_fails_loudly(result, complaint, capsys):
    with pytest.raises(AssertionError, match=complaint):
        check("title", {"dx": (result, 1.0)}, 1e-5)
    assert "FAIL" in capsys.readouterr().out


@pytest.mark.parametrize("value", [0.5, 0.6, np.nan, np.inf])
def test_check_below_wants_less(value):
    check_below("overfit", {"loss": (0.49, 0.5)})
    with pytest.raises(AssertionError, match=r"overfit: loss is .*0\.5") as caught:
        check_below("overfit", {"loss": (value, 0.5), "other": (0.1, 0.5)})
    assert "other" not in str(caught.value)


@pytest.mark.parametrize("value", [0.69, np.nan, -np.inf])
def test_check_at_least_wants_the_floor(value):
    check_at_least("scores", {"BLEU": (0.7, 0.7)})
    with pytest.raises(AssertionError, match=r"BLEU is .*0\.7") as caught:
        check_at_least("scores", {"BLEU": (value, 0.7), "order": (0.9, 0.88)})
    assert "order" not in str(caught.value)


def test_in_a_notebook_the_numbers_reach_the_report(monkeypatch):
    shown = []
    shell = types.SimpleNamespace(kernel=None, user_ns={"PROFILE": "quick"})
    core = types.ModuleType("IPython.core.getipython")
    core.get_ipython = lambda: shell
    display = types.ModuleType("IPython.display")
    display.display = lambda data, raw: shown.append((data, raw))
    monkeypatch.setitem(sys.modules, "IPython.core.getipython", core)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    with pytest.raises(AssertionError):
        check("t", {"a": (1.0, 1.0), "b": (np.nan, 1.0)}, 1e-8)
    [(data, raw)] = shown
    assert raw
    assert data["text/plain"].startswith("t\n")
    report = json.loads(json.dumps(data[CHECKS_MIME], allow_nan=False))
    assert report["title"] == "t"
    assert report["profile"] == "quick"
    assert [(r["name"], r["error"], r["passed"]) for r in report["rows"]] == [
        ("a", 0.0, True),
        ("b", None, False),
    ]
    assert {r["threshold"] for r in report["rows"]} == {1e-8}
