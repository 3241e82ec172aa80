"""Student functions as tests call them: they may change what they are given.

What a test asks of them at ordinary sizes is marked with the question alone. What it
asks besides (sizes of 1, inputs left alone, dtypes kept, extremes, odd layouts) is
marked ``care``.
"""

import copy
import functools
import inspect
import sys

import numpy as np

from cs231n.gradient_check import copies
from cs231n.support.accuracy import LIMITS, is_right, rel_error, single_limit


def on_copies(function):
    """Return a function that works on copies of its arguments.

    Args:
        function: A student's; models are handed on as they are.
    """
    ending = with_an_end(function)
    by_name = inspect.signature(function).bind_partial

    @functools.wraps(function)
    def call(*arguments, **named):
        bound = by_name(*arguments, **named)
        for name, given in bound.arguments.items():
            copied = _copy_of_cache(given) if name == "cache" else _copy(given)
            bound.arguments[name] = copied
        return ending(*bound.args, **bound.kwargs)

    return call


def _copy(argument):
    if hasattr(argument, "parameters") or hasattr(argument, "params"):
        return argument
    try:
        return copies(argument)[0]
    except Exception:  # a cache by another name
        return _copy_of_cache(argument)


def _copy_of_cache(part):
    """Copy what can be copied: a cache may hold anything, modules and graphs too."""
    if type(part) in (list, tuple):
        return type(part)(map(_copy_of_cache, part))
    if type(part) is dict:
        return {name: _copy_of_cache(value) for name, value in part.items()}
    if hasattr(part, "detach"):  # a tensor, whose copy would be in no graph
        return part
    try:
        return copy.deepcopy(part)
    except Exception:  # whatever the parts of an object raise
        return part


def with_an_end(function):
    """Return a function that fails where its loop would go on for ever.

    Lines of its file are counted, not seconds. A debugger, which follows lines as
    well, is left alone.

    Args:
        function: A student's, or a method.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return function

    @functools.wraps(function)
    def call(*arguments, **named):
        if sys.gettrace() is not None:
            return function(*arguments, **named)
        ran = 0

        def on_call(frame, *_):
            return on_line if frame.f_code.co_filename == code.co_filename else None

        def on_line(*_):
            nonlocal ran
            ran += 1
            assert ran <= LINES, ENDLESS_LINES
            return on_line

        sys.settrace(on_call)
        try:
            return function(*arguments, **named)
        finally:
            sys.settrace(None)

    return call


# In one call; loops over every pixel of a picture of 192 by 192 run half of them.
LINES = 2_000_000
ENDLESS_LINES = (
    f"It looks as if a loop had no end: the call ran {LINES:,} lines, and half of them "
    "are enough even for a loop over every pixel."
)

# Of a network, by a loop that should end after less than a hundred steps.
PASSES = 3000
ENDLESS = (
    f"It looks as if the loop had no end: it used the network {PASSES} times, and less "
    "than a hundred steps are enough."
)


def assert_close(found, expected, tolerance=1e-5):
    """Compare arrays as far as float32 goes, relative to the largest element."""
    floor = tolerance * np.abs(expected).max(initial=1e-3)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=floor)


def assert_values(found, expected, check):
    """Compare results with stored ones: what is right to float32's digits is right.

    Args:
        found: What a function returned.
        expected: The stored values.
        check: The function's name.
    """
    expected = np.array(expected)
    assert np.shape(found) == expected.shape
    assert is_right(found, expected, check), rel_error(found, expected)


def assert_gradient(found, x, numeric, total, check):
    """Compare a gradient with finite differences and with its stored sum.

    What is right to the digits of float32 is right.

    Args:
        found: The gradient.
        x: What it is the gradient at.
        numeric: Finite differences, None for those of a float32 function: they say
            nothing.
        total: The sum that is stored.
        check: The backward function's name, or whose limit it has.
    """
    assert np.shape(found) == x.shape
    if numeric is not None:
        assert is_right(found, numeric, check), rel_error(numeric, found)
    limit = max(LIMITS[check], single_limit(check))
    assert abs(found.sum() - total) <= limit * np.abs(found).sum() + 1e-9
