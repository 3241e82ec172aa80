"""What verdicts depend on: an edit of that judges anew, of the rest it does not."""

import shutil

import pytest

from staff.grading import rules
from staff.questions import ROOT, package_files
from staff.tests import programs


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    staff = [p.relative_to(ROOT) for p in (ROOT / "staff").rglob("*") if p.is_file()]
    names = [p.as_posix() for p in staff if p.suffix in (".py", ".toml")]
    for name in [*names, *package_files()]:
        if not name.startswith("staff/tests/"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    return root


def edit(root, name):
    """Write one more word into a docstring or a table; return what undoes it."""
    path, before = root / name, (root / name).read_text("utf-8")
    edited = before.replace('"""', '"""Edited. ', 1)
    path.write_text(edited if path.suffix == ".py" else f"{before}\n")
    return lambda: path.write_text(before)


def test_an_edit_of_what_no_verdict_hangs_on_judges_nothing_anew(tree):
    before = rules.digest(tree)
    assert before == rules.digest()
    undo = [
        edit(tree, name)
        for name in (
            *("cs231n/optim.py", "cs231n/captioning_solver.py", "cs231n/lab/study.py"),
            *("cs231n/tools/update/merge.py", "cs231n/extras/attribution.py"),
            *("staff/grading/tables.py", "staff/grading/records.py"),
            "staff/doctor.py",
        )
    ]
    assert rules.digest(tree) == before
    for back in undo:
        back()


@pytest.mark.parametrize(
    "name",
    [
        *("cs231n/layers.py", "cs231n/tools/check/fingerprints.json"),
        *("staff/grading/judge.py", "staff/grading/rubric.toml"),
    ],
)
def test_an_edit_of_what_decides_judges_anew(tree, name):
    before = rules.digest(tree)
    undo = edit(tree, name)
    assert rules.digest(tree) != before
    undo()


def test_what_decides_is_known():
    assert {
        *("cs231n/rnn_layers.py", "cs231n/tools/check/bench.py"),
        *("cs231n/tools/check/tries/gan.py", "cs231n/assignment/assignment.json"),
        *("staff/questions.toml", "staff/mistakes/q1.toml", "staff/handout/files.py"),
        *("staff/grading/sandbox/seccomp.py", "staff/mistakes/writings.py"),
    } <= set(rules.files())


PROGRAM = """
import sys
from cs231n.assignment.table import functions
from cs231n.tools.check.exercises import exercise
from staff.grading import elsewhere, inside, judge
from staff.grading.reference import Draw, Reference

for f in functions():
    if f.framework not in elsewhere.FRAMEWORKS:
        exercise(f.key)
        Reference(f, Draw(1)).record
inside.prepare("torch")
print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", "")))
"""


def test_all_that_judging_imports_counts():
    done = programs.run(ROOT, "-c", PROGRAM, before=programs.TORCH)
    assert done.returncode == 0, done.stderr
    ours = {
        name.removeprefix(f"{ROOT}/")
        for name in done.stdout.split()
        if name.startswith((f"{ROOT}/cs231n/", f"{ROOT}/staff/"))
        and name.endswith(".py")
    }
    assert len(ours) > 50
    assert ours <= set(rules.files())
