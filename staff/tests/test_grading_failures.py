"""Files and functions that fail: each costs its own points, and is told what to do."""

import pytest

from cs231n.assignment.table import questions
from staff.grading.remote import Limits
from staff.grading.results import FAILED, UNBEGUN
from staff.mistakes.writings import with_answer
from staff.tests.graded import lost, solved

LAYERS, MODEL = "cs231n/rnn_layers.py", "cs231n/classifiers/rnn.py"
Q1 = [f.key for q in questions() if q.id == "Q1" for f in q.functions]
STEP, STEP_BACK, FORWARD, BACKWARD, WORDS, WORDS_BACK, LOSS, SAMPLE = Q1
TEXT = solved()[LAYERS]
MEND = "before that is mended"
DEFINE = "put what runs them under"
QUITS = "take out exit(), quit() and sys.exit()"
BLOCKS = "Indent all lines of a block alike"


def judged(graded, text, only, file=LAYERS):
    """Return what is found where one file is another."""
    return graded.judge(
        solved() | {file: text}, only=only, limits=Limits(call=2, start=3)
    )


def said(found, key=STEP):
    """Return what is said of a function."""
    checks = [c for c in found.checks if c.function == key]
    return " ".join(text for c in checks for text in (c.reason, c.remark) if text)


FILES = {
    "a syntax error": (f"def f(:\n{TEXT}", ["line 1: invalid syntax", MEND]),
    "Python 2": (f"print 'x'\n{TEXT}", ["Python 2; write print(x)", MEND]),
    "Python 2's exec": (f"exec 'x = 1'\n{TEXT}", ["Python 2; write exec(x)"]),
    "a package that is missing": (
        f"import seaborn\n{TEXT}",
        ["No module named 'seaborn' at line 1", "Take the import out"],
    ),
    "TensorFlow": (
        f"import tensorflow as tf\n{TEXT}",
        ["'tensorflow' at line 1", "TensorFlow is not installed here"],
    ),
    "tabs and spaces": (
        f"{TEXT}\ndef g():\n\tx = 1\n        y = 2\n",
        ["inconsistent use of tabs", "spaces alone to indent"],
    ),
    "a line too far in": (f"{TEXT}\ndef g():\n  x = 1\n    y = 2\n", [BLOCKS]),
    "a line too far out": (f"{TEXT}\ndef g():\n    x = 1\n  y = 2\n", [BLOCKS]),
    "an encoding that is none": (
        f"# coding: klingon\n{TEXT}",
        ["unknown encoding", "save the file as UTF-8"],
    ),
    "an encoding that is another": (
        f"# coding: ascii\n{TEXT}\nname = 'é'\n",
        ["can't decode", "save the file as UTF-8"],
    ),
    "typography": (f"{TEXT}\nx = 1 – 2\n", ["invalid character", "type it anew"]),
    "two versions": (
        f"{TEXT}\n<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n",
        ["git has left two versions", "keep one"],
    ),
    "sys.exit": (f"{TEXT}\nimport sys\nsys.exit(1)\n", [QUITS, DEFINE]),
    "quit": (f"{TEXT}\nquit()\n", [QUITS, DEFINE]),
    "an interrupt": (f"{TEXT}\nraise KeyboardInterrupt\n", ["Only people", DEFINE]),
    "a sudden end": (f"{TEXT}\nimport os\nos._exit(0)\n", [QUITS, DEFINE]),
    "training": (
        f"{TEXT}\nimport time\ntime.sleep(60)\n",
        ["within 3 seconds", DEFINE],
    ),
    "data": (f"{TEXT}\nopen('coco.h5')\n", ["FileNotFoundError", DEFINE]),
    "any error": (f"{TEXT}\n[][1]\n", ["IndexError", DEFINE]),
    "an older place": (f"from ..layers import *\n{TEXT}", ["cs231n.layers import"]),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_imported_costs_its_own_functions(graded, case):
    text, sentences = FILES[case]
    found = judged(graded, text, [STEP, WORDS])
    assert set(lost(found)) == {STEP, WORDS}
    for sentence in sentences:
        assert sentence in said(found)
    assert said(found, WORDS) == said(found)


@pytest.mark.parametrize("text", ["def f(:\n", "quit()\n", "\n"])
def test_it_costs_no_functions_of_other_files(graded, text):
    found = judged(graded, text, Q1)
    assert set(lost(found)) == set(Q1[:6])


def test_a_file_that_is_empty_is_not_begun(graded):
    for text in ("", " \n"):
        found = judged(graded, text, [STEP])
        assert {c.state for c in found.checks} == {UNBEGUN}
        assert "is empty: save it once more" in said(found)


def test_files_that_import_one_another_are_tried_one_by_one(graded):
    text = f"from cs231n.classifiers.rnn import CaptioningRNN\n{TEXT}"
    found = judged(graded, text, Q1)
    assert not lost(found)
    assert "take one of the two imports out" in said(found, LOSS)
    assert "without your other files" in said(found, LOSS)
    assert "/tmp/" not in said(found, LOSS)
    again = judged(graded, text, Q1)
    assert again.checks == found.checks


def test_a_file_that_another_one_breaks_costs_nothing_itself(graded):
    text = f"from cs231n.image_gradients import *\n{TEXT}"
    modules = solved() | {LAYERS: text, "cs231n/image_gradients.py": "quit()\n"}
    found = graded.judge(modules, only=[STEP, STEP_BACK])
    assert not lost(found)
    assert "without your other files" in said(found)


def test_given_code_that_is_gone_costs_nothing_in_other_files(graded):
    text = TEXT.replace("def temporal_softmax_loss(", "def softmax_of_captions(")
    found = judged(graded, text, Q1)
    assert not lost(found)
    assert "lacks temporal_softmax_loss" in said(found, LOSS)


def test_what_stands_under_main_is_nobody_s_business(graded):
    text = f"{TEXT}\nif __name__ == '__main__':\n    import sys\n    sys.exit(3)\n"
    assert not lost(judged(graded, text, [STEP, WORDS]))


def renamed(name):
    return TEXT.replace("def rnn_step_forward(", f"def {name}(")


GONE = {
    "renamed": (renamed("rnn_step_fwd"), "write it under this name again"),
    "a class": (
        f"{TEXT}\nclass rnn_step_forward:\n    pass\n",
        "is a class, where a function is wanted",
    ),
    "a number": (f"{TEXT}\nrnn_step_forward = 3\n", "is an int, where a function"),
    "a coroutine": (
        TEXT.replace("def rnn_step_forward(", "async def rnn_step_forward("),
        "a coroutine instead of next_h, cache",
    ),
    "other arguments": (
        TEXT.replace("def rnn_step_forward(\n", "def rnn_step_forward(\n    self,\n"),
        "missing 1 required positional argument",
    ),
}


@pytest.mark.parametrize("case", GONE)
def test_a_function_that_is_no_more_costs_its_own_points(graded, case):
    text, sentence = GONE[case]
    found = judged(graded, text, [STEP, WORDS, FORWARD])
    assert set(lost(found)) == {STEP}
    assert {c.state for c in found.checks if c.function == STEP} == {FAILED}
    assert sentence in said(found)


BODIES = {
    "import sys\nsys.exit(2)": QUITS,
    "exit()": QUITS,
    "raise SystemExit": QUITS,
    "import os\nos._exit(0)": QUITS,
    "raise KeyboardInterrupt": "Only people should interrupt",
    "raise GeneratorExit": "GeneratorExit",
    "input('how? ')": "take out input()",
    "breakpoint()": "Take out breakpoint()",
    "return rnn_step_forward(x, prev_h, Wx, Wh, b)": "calls itself without an end",
    "import tensorflow": "TensorFlow is not installed here",
    "next_h = np.zeros(10**15)": "far larger than its inputs",
    "yield x": "a generator instead of next_h",
}


@pytest.mark.parametrize("body", BODIES)
def test_a_function_that_ends_or_asks_costs_its_own_points(graded, body):
    text = with_answer(TEXT, "rnn_step_forward", f"{body}\nnext_h = cache = 0\n")
    found = judged(graded, text, [STEP, WORDS, FORWARD])
    assert set(lost(found)) == {STEP}
    assert BODIES[body] in said(found)
