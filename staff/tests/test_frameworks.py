"""PyTorch and TensorFlow beside one another: who imports what, and in which order."""

import ast
import importlib.util
import os
import subprocess
import sys
from functools import cache

import pytest

from cs231n.support import frameworks
from staff.questions import ROOT

SENTENCE = "write 'import triton' above 'import tensorflow'"


def named(node):
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    return {(node.module or "").partition(".")[0]}


@cache
def imports(file):
    """Return what a file imports at once, and what it may import at all."""
    tree = ast.parse(file.read_text("utf-8"))
    kinds = (ast.Import, ast.ImportFrom)
    at_once = [named(node) for node in tree.body if isinstance(node, kinds)]
    at_all = [named(node) for node in ast.walk(tree) if isinstance(node, kinds)]
    return set().union(*at_once), set().union(*at_all)


def modules_with(framework):
    """Return the names of all modules that import a framework at once."""
    found = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in sorted((ROOT / "cs231n").rglob("*.py"))
        if framework in imports(file)[0]
    ]
    assert len(found) > 3
    return found


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_file_imports_both():
    places = ("cs231n", "staff", "tests", "benchmarks")
    files = [f for place in places for f in sorted((ROOT / place).rglob("*.py"))]
    assert len(files) > 200
    both = {"torch", "tensorflow"}
    assert [f for f in [*files, ROOT / "conftest.py"] if both <= imports(f)[1]] == []


def test_modules_in_tensorflow_ask_for_it_first():
    for name in modules_with("tensorflow"):
        text = (ROOT / f"{name.replace('.', '/')}.py").read_text("utf-8")
        before = text.partition("import tensorflow")[0]
        assert "\nrequire_tensorflow()\n" in before, name


# Stand-ins, which notice the order but do not crash.
REFUSED = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
import tensorflow
for name in sys.argv[2].split(","):
    try:
        importlib.import_module(name)
    except ImportError as error:
        assert sys.argv[3] in str(error), (name, error)
    else:
        sys.exit(f"{name} was imported")
import triton
for name in sys.argv[2].split(","):
    importlib.import_module(name)
"""
RIGHT_ORDER = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
assert "triton" not in sys.modules
import cs231n.support.validate_torch
assert "triton" not in sys.modules
import tensorflow
print(tensorflow.came_second)
"""


@pytest.fixture
def stand_ins(tmp_path):
    for name in ("tensorflow", "triton"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(
            "import sys\ncame_second = 'triton' in sys.modules\n"
        )
    return str(tmp_path)


def test_modules_in_torch_refuse_to_come_after_tensorflow(stand_ins):
    modules = ",".join(modules_with("torch"))
    done = run(REFUSED, stand_ins, modules, SENTENCE)
    assert done.returncode == 0, done.stderr


def test_triton_is_imported_before_tensorflow_once_torch_is_in_use(stand_ins):
    done = run(RIGHT_ORDER, stand_ins)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_missing_tensorflow_is_told(monkeypatch):
    for name in ("tensorflow", "triton"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"-r requirements-tensorflow\.txt"):
        frameworks.require_tensorflow()
    # A named tuple in part, as the function asks for names.
    version = type("", (tuple,), {"major": 3, "minor": 14})((3, 14, 0))
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(ModuleNotFoundError, match=r"Python 3\.14 yet; .* Python 3\.13"):
        frameworks.require_tensorflow()
