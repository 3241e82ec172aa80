"""PyTorch and TensorFlow beside one another: who imports what, and in which order."""

import ast
import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from cs231n.support import frameworks
from staff.environment import interpreter
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


def run(code, *arguments, python=sys.executable):
    return subprocess.run(
        [str(python), "-c", code, *arguments],
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


@pytest.fixture(scope="module")
def python_with_both():
    """The Python of an environment that has both frameworks, and triton."""
    there = "from importlib.util import find_spec as f\nprint(all(map(f, %r)))"
    asked = there % (("tensorflow", "torch", "triton"),)
    for python in (Path(sys.executable), interpreter(ROOT / ".venv-tensorflow")):
        found = run(asked, python=python).stdout if python.exists() else ""
        if found == "True\n":
            return python
    pytest.skip("no environment here has both; make setup TENSORFLOW=1 makes it")


BOTH = """
import numpy as np
from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.classifiers.squeezenet_tf import load_squeezenet_tensorflow
x = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
ours = np.asarray(load_squeezenet_tensorflow("embedded", verbose=False)(x))
import torch
model = load_squeezenet("embedded", "cpu", verbose=False)
theirs = model(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
assert np.abs(ours - theirs).max() < 1e-4, np.abs(ours - theirs).max()
w = torch.ones(3, requires_grad=True)
w.sum().backward()
torch.optim.Adam([w]).step()
print("alive")
"""
WRONG_ORDER = """
import tensorflow, torch
try:
    import cs231n.net_visualization_pytorch
except ImportError as error:
    print(error, flush=True)
w = torch.ones(3, requires_grad=True)
torch.optim.Adam([w])
"""


def test_both_live_in_one_process_where_our_modules_come_first(python_with_both):
    done = run(BOTH, python=python_with_both)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-2000:]
    assert "oneDNN" not in done.stderr


def test_the_wrong_order_is_told_before_it_ends_the_process(python_with_both):
    done = run(WRONG_ORDER, python=python_with_both)
    assert SENTENCE in done.stdout
    if done.returncode >= 0:  # else a signal ended it
        pytest.skip("with these versions the wrong order does no harm")
