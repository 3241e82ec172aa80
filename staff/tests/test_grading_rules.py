"""What verdicts depend on: an edit of that judges anew, an edit of the rest does not."""

import shutil
import subprocess
import sys

import pytest

from staff.grading import rules
from staff.questions import ROOT, package_files


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


def edited(root, name):
    """Return the hash after a docstring, or a table, has got one more word."""
    path, before = root / name, (root / name).read_text("utf-8")
    path.write_text(
        before.replace('"""', '"""Edited. ', 1) if path.suffix == ".py" else f"{before}\n"
    )
    try:
        return rules.digest(root)
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    "name",
    [
        *("cs231n/optim.py", "cs231n/captioning_solver.py", "cs231n/lab/study.py"),
        *("cs231n/tools/update/merge.py", "cs231n/extras/attribution.py"),
        *("staff/grading/tables.py", "staff/grading/records.py", "staff/doctor.py"),
    ],
)
def test_an_edit_of_what_no_verdict_hangs_on_judges_nothing_anew(tree, name):
    assert edited(tree, name) == rules.digest(tree) == rules.digest()


@pytest.mark.parametrize(
    "name",
    [
        *("cs231n/rnn_layers.py", "cs231n/layers.py", "cs231n/tools/check/bench.py"),
        *("cs231n/tools/check/tries/gan.py", "cs231n/tools/check/fingerprints.json"),
        *("staff/questions.toml", "staff/grading/rubric.toml", "staff/mistakes/q1.toml"),
        *("staff/grading/judge.py", "staff/grading/sandbox/seccomp.py"),
        *("staff/mistakes/writings.py", "staff/handout/files.py"),
    ],
)
def test_an_edit_of_what_decides_judges_anew(tree, name):
    assert edited(tree, name) != rules.digest(tree)


PROGRAM = """
import sys
from cs231n.assignment.table import functions
from cs231n.tools.check.exercises import exercise
from staff.grading import inside, judge
from staff.grading.reference import Draw, Reference

for f in functions():
    exercise(f.key)
    Reference(f, Draw(1)).record
inside.prepare(True)
print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", "")))
"""


def test_all_that_judging_imports_counts():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    ours = {
        name.removeprefix(f"{ROOT}/")
        for name in done.stdout.split()
        if name.startswith(f"{ROOT}/") and name.endswith(".py")
    }
    assert len(ours) > 50
    assert ours <= set(rules.files())
