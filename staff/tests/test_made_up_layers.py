"""The layer that takes the place of a student's own while that is wrong."""

import numpy as np
import pytest

from cs231n import rnn_layers
from cs231n.tools.check.bench import StandIn

SHAPES = {"x": (3, 2), "prev_h": (3, 4), "Wx": (2, 4), "Wh": (4, 4), "b": (4,)}


def make():
    return StandIn(
        rnn_layers.rnn_step_forward,
        lambda *inputs: ([x.shape for x in inputs], [inputs[1].shape]),
        rnn_layers.rnn_step_backward,
        telling=[0],
    )


@pytest.fixture
def inputs(rng):
    return [rng.standard_normal(shape) for shape in SHAPES.values()]


def test_its_gradients_are_its_adjoint(inputs, rng):
    made_up, dout = make(), rng.standard_normal((3, 4))
    out, cache = made_up.forward(*inputs)
    grads = made_up.backward(dout, cache)
    there = sum(np.vdot(x, g) for x, g in zip(inputs, grads, strict=True))
    assert there == pytest.approx(np.vdot(out, dout))


@pytest.mark.parametrize("k", range(len(SHAPES)))
def test_calls_are_told_apart_by_one_input(inputs, rng, k):
    """Whatever states a sequence hands on, its gradients can be looked at."""
    dout = rng.standard_normal((3, 4))
    others = [*inputs[:k], inputs[k] + 0.1, *inputs[k + 1 :]]

    def gradients(layer, given):
        return layer.backward(dout, layer.forward(*given)[1])

    made_up = make()
    expected = gradients(made_up, inputs)
    rounded = [x.astype(np.float32) for x in inputs]
    assert all(map(np.allclose, expected, gradients(made_up, rounded)))
    assert {*map(np.allclose, expected, gradients(make(), others))} == {k > 0}
    # The same timestep with another state is no repetition.
    assert not any(map(np.allclose, expected, gradients(made_up, others)))
