"""The speed class: a factor beside the reference, which costs nothing."""

import multiprocessing
import re
from contextlib import contextmanager

import pytest

from cs231n.assignment.table import functions
from staff.grading import records
from staff.grading.records import Grounds
from staff.grading.remote import Limits
from staff.grading.speed import SIZES
from staff.grading.submission import Submission
from staff.mistakes.writings import with_answer
from staff.tests.graded import lost, solved

STEP, FORWARD = (
    next(f for f in functions() if f.short == name)
    for name in ("rnn_step_forward", "rnn_forward")
)
LIKE_OURS = "about as fast as the course's solution"
RIGHT = """\
next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
cache = (x, prev_h, Wx, Wh, next_h)
"""
LOOPS = """\
next_h = np.zeros(prev_h.shape, x.dtype)
for n in range(len(x)):
    for h in range(len(b)):
        a = b[h]
        for d in range(x.shape[1]):
            a = a + x[n, d] * Wx[d, h]
        for d in range(len(b)):
            a = a + prev_h[n, d] * Wh[d, h]
        next_h[n, h] = np.tanh(a)
cache = (x, prev_h, Wx, Wh, next_h)
"""


def judged(graded, body, only=(STEP.key,)):
    text = with_answer(solved()[STEP.file], "rnn_step_forward", body)
    modules = solved() | {STEP.file: text}
    limits = Limits(call=3, start=20)
    return graded.judge(modules, only=only, limits=limits, timed=True)


def factor(said):
    return float(re.match(r"about ([\d.e+]+) times slower than", said)[1])


def _burn():
    while True:
        pass


@contextmanager
def busy(count):
    """Keep the machine busy for a while."""
    context = multiprocessing.get_context("fork")
    burning = [context.Process(target=_burn, daemon=True) for _ in range(count)]
    for process in burning:
        process.start()
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.join()


def test_loops_over_single_numbers_are_slower_and_cost_nothing(graded):
    found = judged(graded, LOOPS, [STEP.key, FORWARD.key])
    assert not lost(found)
    assert factor(found.speed[STEP.key]) >= 20
    assert found.speed[STEP.key].endswith(" at N = 16, D = 32, H = 40")
    assert found.speed[FORWARD.key] == LIKE_OURS


@pytest.mark.slow  # it keeps all cores from the other tests
def test_a_machine_that_is_busy_changes_nothing(graded):
    with busy(4):
        assert judged(graded, RIGHT).speed == {STEP.key: LIKE_OURS}
        assert factor(judged(graded, LOOPS).speed[STEP.key]) >= 20


@pytest.mark.parametrize(
    "worse",
    ["raise ValueError", "import os; os._exit(1)", "import time; time.sleep(60)"],
)
def test_what_fails_at_the_stated_sizes_has_no_class_and_all_points(graded, worse):
    body = f"if x.shape == {SIZES['N'], SIZES['D']}:\n    {worse}\n{RIGHT}"
    found = judged(graded, body, [STEP.key, FORWARD.key])
    assert not lost(found)
    assert not found.timed_out
    assert found.speed == {FORWARD.key: LIKE_OURS}


@pytest.mark.parametrize("clock", ["float('nan')", "-5.0", "1e308"])
def test_a_clock_that_lies_harms_nothing(graded, clock):
    body = f"import time\ntime.process_time = lambda: {clock}\n{RIGHT}"
    found = judged(graded, body, [STEP.key, FORWARD.key])
    assert not lost(found)
    assert found.speed[FORWARD.key] == LIKE_OURS


def test_what_is_wrong_or_done_by_the_reference_has_no_class(graded):
    wrong = "next_h, cache = x @ Wx, None\n"
    assert judged(graded, wrong).speed == {}


def test_it_stands_beside_the_verdict(graded):
    found = judged(graded, LOOPS)
    one = Submission("a", "2017 assignment3.zip", "2017", solved())
    record = records.record(one, found, Grounds("a" * 64, "b" * 64, {}))
    assert record["host"]["speed"] == found.speed
    assert "slower" not in str(record["verdict"])
