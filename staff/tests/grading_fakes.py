"""Submissions and a judge for tests of what is kept and shown of verdicts.

The judge looks at words in a module's text in place of running it.
"""

import contextlib
import json
import os
import re
import time
from pathlib import Path

from staff.grading.results import CARE, FAILED, PASSED, UNBEGUN, Check, Judged
from staff.grading.submission import Submission
from staff.questions import questions

LAYERS = "cs231n/rnn_layers.py"
STEP = "cs231n.rnn_layers.rnn_step_forward"
MISTAKE = "The bias is added twice."
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
FUNCTION = "def rnn_step_forward(x, prev_h, Wx, Wh, b):\n    return x @ Wx + b + b\n"


def submission(name="ada", text="", **more):
    """Return a submission whose module holds ``text``, which tells the judge."""
    facts = {
        "layout": "2017 assignment3.zip",
        "edition": "2017",
        "modules": {LAYERS: FUNCTION + text},
        "student": {"Student": name.title(), "ID": f"{name}-id"},
        **more,
    }
    return Submission(name, **facts)


def written(answer="Both, as I think."):
    """Return the notebook of Q1 with an answer in words and a picture."""
    picture = {
        "output_type": "display_data",
        "data": {"image/png": PIXEL},
        "metadata": {"image/png": {"alt": "a loss that falls"}},
    }
    from staff.grading.written import asking  # the judge's processes need none of it

    (asked,) = asking("RNN_Captioning").values()
    asks = f"## A question\n\n**TODO(Q1):** {asked}\n\n*Your answer:*\n\n{answer}"
    plot = {"execution_count": 1, "outputs": [picture], "source": "plot()"}
    cells = [
        {"cell_type": "code", "id": "a", "metadata": {}, **plot},
        {
            "cell_type": "markdown",
            "id": "q1-characters-or-words",
            "metadata": {},
            "source": asks,
        },
    ]
    whole = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole).encode()


@contextlib.contextmanager
def judging(level, only=()):
    """Yield the judge."""
    yield lambda one, secret: judge(one, secret, level, only)


def judge(one, secret, level="limits", only=()):
    """Return a verdict by the words in a module."""
    text = "\n".join(one.modules.values())
    if "begin(" in text:  # a file that tells that judging has begun
        Path(re.search(r"begin\((.*?)\)", text)[1]).touch()
    if found := re.search(r"sleep\((.*?)\)", text):
        try:
            time.sleep(float(found[1]))
        except BaseException:  # the judge takes all that is raised for the student's
            text += "wrong rnn_step_forward."
    if "the grader dies" in text:
        os._exit(3)
    if "the grader raises" in text:
        raise RuntimeError("a fault of the grader's")
    busy = re.search(r"busy\((.*?)\)", text)
    late = bool(busy) and not Path(busy[1]).exists()
    if late:
        Path(busy[1]).touch()
    checks = [
        check
        for question in questions()
        if one.edition in question.points and (not only or question.id in only)
        for f in question.functions
        for check in _checks(f, question.worth(f, one.edition), text, late)
    ]
    keys = dict.fromkeys(check.function for check in checks)
    slow = next(iter(keys))
    return Judged(
        tuple(checks),
        level,
        seconds=dict.fromkeys(keys, 0.25) | {slow: secret[0] / 100},
        speed={slow: "loops over time only"},
        peak=123 << 20,
        timed_out=(slow,) if late else (),
    )


def _checks(function, worth, text, late):
    share = worth / 2
    wrong = f"wrong {function.short}." in text
    unbegun = f"unbegun {function.short}." in text
    state = UNBEGUN if unbegun else FAILED if wrong or late else PASSED
    yield Check(
        function.key,
        "values",
        "asked",
        PASSED if not unbegun else state,
        0.0 if unbegun else share,
        share,
    )
    reason = f"is off by {len(text)}e-3 of its size; 1e-8 is allowed." if wrong else ""
    yield Check(
        function.key,
        "dW",
        "asked",
        state,
        share if state == PASSED else 0.0,
        share,
        reason,
        (MISTAKE,) if wrong and "named" in text else (),
        hidden="HIDDEN INPUT x = [[1.25, <b>2</b>]]" if wrong else "",
    )
    careless = f"careless {function.short}." in text
    yield Check(
        function.key,
        "float32",
        CARE,
        FAILED if careless else PASSED,
        0.0,
        0.0,
        "With float32 inputs it returns float64." if careless else "",
    )


def page_of(folder, kind, name):
    """Return the page of a submission."""
    (page,) = (folder / kind).glob(f"{name}-*.html")
    return page.read_text("utf-8")
