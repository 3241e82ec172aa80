"""The layer that takes the place of a student's own while that is wrong."""

import numpy as np
import pytest

from cs231n import rnn_layers
from cs231n.gradient_check import eval_numerical_gradient_array
from cs231n.tools.check.bench import StandIn

SHAPES = {"x": (3, 2), "prev_h": (3, 4), "Wx": (2, 4), "Wh": (4, 4), "b": (4,)}


@pytest.fixture
def made_up():
    return StandIn(
        rnn_layers.rnn_step_forward,
        lambda *inputs: [inputs[1].shape],
        rnn_layers.rnn_step_backward,
    )


@pytest.fixture
def inputs(rng):
    return [rng.standard_normal(shape) for shape in SHAPES.values()]


def test_its_gradients_are_those_of_finite_differences(made_up, inputs, rng):
    dout = rng.standard_normal((3, 4))
    _, cache = made_up.forward(*inputs)
    grads = made_up.backward(dout, cache)
    for k, grad in enumerate(grads):

        def moved(value, k=k):
            return made_up.forward(*inputs[:k], value, *inputs[k + 1 :])[0]

        numeric = eval_numerical_gradient_array(moved, inputs[k].copy(), dout)
        np.testing.assert_allclose(grad, numeric, rtol=1e-6, atol=1e-8)


def test_gradients_of_another_call_are_others(made_up, inputs, rng):
    dout = rng.standard_normal((3, 4))
    _, cache = made_up.forward(*inputs)
    _, other = made_up.forward(*(x + 0.1 for x in inputs))
    pairs = zip(
        made_up.backward(dout, cache), made_up.backward(dout, other), strict=True
    )
    assert not any(np.allclose(*pair, rtol=1e-3) for pair in pairs)


def test_a_cache_holds_what_inputs_were(made_up, inputs, rng):
    dout = rng.standard_normal((3, 4))
    _, cache = made_up.forward(*inputs)
    before = made_up.backward(dout, cache)
    for x in inputs:
        x *= 2
    assert all(map(np.array_equal, before, made_up.backward(dout, cache)))
