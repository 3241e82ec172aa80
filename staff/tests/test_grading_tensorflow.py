"""The grader tries functions of TensorFlow in workers, and does itself without it."""

import subprocess
import sys

import pytest

from cs231n.assignment.table import questions
from staff.grading.judging import package
from staff.grading.results import ASKED, CARE
from staff.grading.sandbox.workers import Server, available
from staff.mistakes.bank import bank
from staff.mistakes.writings import solved, sources
from staff.questions import ROOT
from staff.tests.graded import lost, stubs, with_slip

STYLE = next(q for q in questions() if q.id == "Q4-TensorFlow")
TORCH = next(q for q in questions() if q.id == STYLE.instead_of)
(PATH,) = STYLE.modules
KEYS = {f.qualname: f.key for f in STYLE.functions}
SOLVED = solved(STYLE.functions[0].module)


def judged(graded, text, *names):
    """Return what is found of some functions in a module of a student's."""
    keys = [KEYS[name] for name in names or KEYS]
    return graded.judge(stubs() | {PATH: text}, only=keys)


def body(name, text):
    """Return the solved module with another answer."""
    (module,) = sources({KEYS[name]: text}).values()
    return module


def test_what_is_right_earns_all_and_what_was_not_begun_nothing(graded):
    found = judged(graded, SOLVED)
    assert lost(found) == {}
    assert sum(check.points for check in found.checks) == pytest.approx(15)
    assert found.counted == {TORCH.id: STYLE.id}
    assert {check.tier for check in found.checks} == {ASKED, CARE}

    half = body("tv_loss", 'raise NotImplementedError("tv_loss: your code goes here.")')
    checks = judged(graded, half).checks
    states = {c.function: c.state for c in checks if c.tier == ASKED}
    assert states.pop(KEYS["tv_loss"]) == "not started"
    assert set(states.values()) == {"passed"}


@pytest.mark.parametrize("name", ["gram_matrix", "tv_loss"])
def test_a_mistake_costs_its_own_points_and_is_named(graded, name):
    slip = next(s for s in bank()[1] if s.key == KEYS[name] and s.tier == ASKED)
    found = judged(graded, with_slip(slip, "edit")[PATH])
    assert {*lost(found)} == {KEYS[name]}  # the style loss takes another Gram matrix
    assert slip.says in {m for check in found.checks for m in check.mistakes}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loss = content_current.nothing\n", "AttributeError"),
        ("loss = tf.placeholder(tf.float32)\n", "code for TensorFlow 1"),
        ("loss = 'many words'\n", "no array of real numbers"),
        ("import os\nos._exit(0)\n", "It ended the whole program"),
        ("loss = tf.reduce_sum(content_current) * 0 + 7.0\n", "the loss is 7 instead"),
    ],
)
def test_code_that_fails_says_how(graded, text, said):
    found = judged(graded, body("content_loss", text), "content_loss")
    (key,) = lost(found)
    assert key == KEYS["content_loss"]
    assert any(said in check.reason for check in found.checks), found.checks


def test_a_file_that_cannot_be_imported_says_so_for_all(graded):
    found = judged(graded, f"{SOLVED}\n\nimport a_package_that_nobody_has\n")
    assert {*lost(found)} == {*KEYS.values()}
    assert all("a_package_that_nobody_has" in c.reason for c in found.checks)


@pytest.mark.parametrize("level", available())
def test_tensorflow_runs_at_every_level_of_isolation(level, tmp_path):
    package(tmp_path)
    with Server(tmp_path, level=level, framework="tensorflow") as server:
        from staff.grading.elsewhere import Elsewhere
        from staff.grading.reference import Draw

        asked = next(f for f in STYLE.functions if f.qualname == "tv_loss")
        elsewhere = Elsewhere(asked, server.worker)
        try:
            right = elsewhere.reference(Draw(7)).record.right["own"]
        finally:
            elsewhere.close()
        assert {*right} == {"the loss", "the gradient of the loss"}


PROGRAM = """
import sys
from pathlib import Path
from staff.tests.graded import grader, stubs
from staff.mistakes.writings import solved
module, key, folder = sys.argv[1:]
path = module.replace(".", "/") + ".py"
with grader(Path(folder)) as at:
    found = at.judge(stubs() | {path: solved(module)}, only=[key])
assert found.checks and all(check.state == "passed" for check in found.checks), found
print([name for name in ("tensorflow", "keras", "torch") if name in sys.modules])
"""


def test_the_judge_itself_imports_no_framework(tmp_path):
    asked = STYLE.functions[0]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, asked.module, asked.key, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


WORKER = """
import sys
from cs231n.tools.check.worker import main
main(sys.argv[1:])
sys.exit(3 if "torch" in sys.modules else 0)
"""


def test_the_check_tries_them_without_torch():
    done = subprocess.run(
        [sys.executable, "-c", WORKER, *KEYS.values()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"state": "done"') == len(KEYS)
