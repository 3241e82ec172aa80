"""Caches of a student's own steps beside steps that are right."""

import collections
import functools
import types

import numpy as np
import pytest
import torch

from cs231n.tools.check.own_caches import OwnCaches, content


class Kept:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


def adding(x):
    return lambda y: x + y


def itself(x):
    cache = [x]
    cache.append(cache)
    return cache


ARRAYS = (np.arange(3.0), np.arange(3.0), np.arange(3.0) + 1)
HOLDING = {
    "tuple": lambda x: (x, np),
    "dictionary": lambda x: {"x": x, "of": Kept},
    "set": lambda x: {*x.tolist(), "words"},
    "deque": lambda x: collections.deque([x]),
    "slots": Kept,
    "namespace": lambda x: types.SimpleNamespace(x=x),
    "array of objects": lambda x: np.array([x, None], dtype=object),
    "partial": lambda x: functools.partial(np.dot, x),
    "closure": adding,
    "method": lambda x: Kept(x).__init__,
    "tensor": torch.tensor,
    "graph": lambda x: 2 * torch.tensor(x, requires_grad=True),
    "default": lambda x: lambda y, x=x: x + y,
}


@pytest.mark.parametrize("holding", HOLDING.values(), ids=HOLDING)
def test_contents_are_the_same_where_data_are(holding):
    first, same, other = (content(holding(x.copy())) for x in ARRAYS)
    assert first is not None
    assert first == same != other


@pytest.mark.parametrize("value", [(x for x in "ab"), itself(1)])
def test_what_cannot_be_taken_apart_has_no_content(value):
    assert content([value]) is None


def test_other_functions_and_shapes_have_other_contents():
    values = [np.tanh, np.sin, print, len, np, types, 1, 1.0, "1", [1], {1}, None]
    values += [np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(6)]
    values += [lambda x: x, lambda x: 2 * x]
    assert len({content(v) for v in values}) == len(values)


def test_a_cache_may_be_made_anew_in_another_dtype():
    x = np.linspace(0, 1, 7, dtype=np.float32)
    assert content([x, 1]) == content([x.astype(float), 1])


def test_a_cache_may_move_from_tuples_into_arrays():
    cache = (np.zeros(2), np.ones(3))
    assert content(cache) == content([*cache]) == content(np.array(cache, dtype=object))


def wrong(x, h):
    """Take the sine where the hyperbolic tangent is right."""
    next_h = np.sin(x + h)
    return next_h, (x, h, next_h)


def right(x, h):
    return np.tanh(x + h), "cache"


def test_outputs_that_a_cache_holds_are_the_right_ones():
    step = OwnCaches(wrong, right, lambda d, cache: (d, cache))
    x, h = np.ones((2, 3)), np.full((2, 3), 0.5)
    next_h, cache = step.forward(x, h)
    assert np.array_equal(next_h, np.tanh(x + h))
    assert all(map(np.array_equal, cache, (x, h, next_h)))
    assert step.backward(next_h, cache)[1] == "cache"


def test_an_input_that_goes_through_stays_as_it_is():
    step = OwnCaches(lambda x, h: (h, (x, h)), right, lambda d, cache: (d, cache))
    x, h = np.ones((2, 3)), np.full((2, 3), 0.5)
    _, cache = step.forward(x, h)
    assert np.array_equal(cache[1], h)
