"""What a notebook calls shows a call in its docstring, and the call does what it says.

Examples call, they do not show the inside: docstrings go to students, so what stands
there must hold for every right answer and give none away.
"""

import ast
import doctest
import importlib
import inspect
import random
import sys
import types

import jupytext
import numpy as np
import pytest
import torch

from cs231n import data_utils, datasets
from cs231n.datasets.readers import imagenet_val
from staff.questions import ROOT, notebook_names
from tests.tiny_files import write_folder

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def code(name):
    """Return the text of a notebook's code cells, without magics."""
    path = ROOT / "staff" / "notebooks" / f"{name}.py"
    cells = jupytext.read(path, fmt="py:percent").cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return "\n".join(
        "" if line.startswith(("%", "!")) else line for line in text.splitlines()
    )


def is_ours(thing):
    """Tell whether something is a public function or class of the package."""
    return (
        (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__.partition(".")[0] == "cs231n"
        and not thing.__name__.startswith("_")
    )


def imported(tree):
    """Return what a program imports from the package: its name -> the thing."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("cs231n"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if alias.name == "*":
                    public = (name for name in vars(module) if name[0] != "_")
                    wanted = getattr(module, "__all__", public)
                    names |= {name: getattr(module, name) for name in wanted}
                elif hasattr(module, alias.name):
                    names[alias.asname or alias.name] = getattr(module, alias.name)
                else:
                    inner = importlib.import_module(f"{node.module}.{alias.name}")
                    names[alias.asname or alias.name] = inner
    return names


def returned(function):
    """Return the class of the package that a function says it returns, or None."""
    kind = inspect.signature(function).return_annotation
    if isinstance(kind, str):  # from __future__ import annotations
        kind = getattr(sys.modules[function.__module__], kind.strip("\"'"), None)
    return kind if is_ours(kind) else None


def used(source):
    """Return what a program uses of the package: dotted name -> function or class.

    A function may be called or handed on. Methods count by name, of every class that is
    used or returned by what is used.
    """
    tree = ast.parse(source)
    names = imported(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.append(names.get(node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = names.get(node.value.id)
            if isinstance(module, types.ModuleType):
                found.append(getattr(module, node.attr, None))
    found = [thing for thing in found if is_ours(thing)]
    classes = {x if inspect.isclass(x) else returned(x) for x in found} - {None}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            methods = [getattr(kind, node.func.attr, None) for kind in classes]
            found += [method for method in methods if is_ours(method)]
    return {f"{thing.__module__}.{thing.__qualname__}": thing for thing in found}


USED = {
    name: thing
    for notebook in notebook_names()
    for name, thing in used(code(notebook)).items()
}


def namespace(module):
    """Return what an example finds there: NumPy, torch, and what its module defines."""
    own = {
        name: thing
        for name, thing in vars(module).items()
        if name[0] != "_" and getattr(thing, "__module__", None) == module.__name__
    }
    return {"np": np, "torch": torch} | own


def problem(thing):
    """Say what is wrong with the example of a function or class; else return ''."""
    name, text = thing.__qualname__, thing.__doc__ or ""
    module = sys.modules[thing.__module__]
    test = doctest.DocTestParser().get_doctest(text, namespace(module), name, None, 0)
    if not test.examples or "Example:\n" not in text:
        return f"{name} has no example; end its docstring with a section Example."
    named = {
        getattr(node, "attr", getattr(node, "id", ""))
        for example in test.examples
        for node in ast.walk(ast.parse(example.source))
    }
    if thing.__name__ not in named:
        return f"{name} has an example that does not call it."
    if not any(example.want for example in test.examples):
        return f"{name} has an example that shows no result."
    random.seed(231)
    np.random.seed(231)
    torch.manual_seed(231)
    report = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    return "".join(report)


@pytest.fixture(scope="module", autouse=True)
def _workplace(tmp_path_factory):
    """Let examples write files, and print what they do where nothing was fetched."""
    data_utils.find_tiny_imagenet(quick=True)  # says so where it has to draw
    folder, find = tmp_path_factory.mktemp("examples"), datasets.find
    write_folder(folder / "tiny-imagenet-100-A")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(
            datasets,
            "find",
            lambda name: None if str(name) == imagenet_val.FILE else find(name),
        )
        yield


@pytest.mark.parametrize("name", sorted(USED))
def test_the_example_works(name):
    if complaint := problem(USED[name]):
        pytest.fail(complaint, pytrace=False)


MADE_UP = '''
import numpy as np

def double(x):
    """Double.

    Example:
        {example}
    """
    return 2 * np.asarray(x)

def _hidden(x):
    return x
'''


def made_up(monkeypatch, example):
    module = types.ModuleType("cs231n.made_up")
    lines = example.replace("\n", "\n        ")
    exec(MADE_UP.format(example=lines), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        (">>> double([1, 2])\narray([2, 4])", ""),
        (">>> double(np.ones(2)).tolist()\n[2.0, 2.0]", ""),
        (">>> torch.is_tensor(double(1))\nFalse", ""),
        (">>> double([1, 2])\narray([2, 5])", "Expected"),
        (">>> double([1, 2]) + other\narray([2, 4])", "NameError"),
        (">>> _hidden(double(1))\n2", "NameError"),
        (">>> twice = 2 * 1\n>>> twice\n2", "does not call it"),
        (">>> x = double([1, 2])", "shows no result"),
        ("double([1, 2]) is array([2, 4])", "has no example"),
    ],
)
def test_what_is_wrong_with_an_example_is_said(monkeypatch, example, complaint):
    double = made_up(monkeypatch, example).double
    assert complaint in problem(double)
    assert bool(problem(double)) == bool(complaint)


def test_an_example_without_its_heading_is_none(monkeypatch):
    double = made_up(monkeypatch, ">>> double(1)\n2").double
    double.__doc__ = double.__doc__.replace("Example:", "")
    assert "has no example" in problem(double)
    double.__doc__ = None
    assert "has no example" in problem(double)


def test_all_ways_of_use_are_found():
    source = """
from cs231n.rnn_layers import *
from cs231n.classifiers.rnn import CaptioningRNN as Model
from cs231n.extras import attribution
from cs231n.extras.semi_supervised import run_study
from cs231n.lab.captions import show_samples, plot_gates
from cs231n.gradient_check import LIMITS

model = Model({})
eval_numerical_gradient(lambda x: rnn_forward(x), LIMITS)
print(attribution.area(1), map(show_samples, []))
study = run_study(1, 2)
print(study.table(), model.loss(1).sum(), np.sort([]))
"""
    assert set(used(source)) == {
        "cs231n.rnn_layers.rnn_forward",
        "cs231n.classifiers.rnn.CaptioningRNN",
        "cs231n.classifiers.rnn.CaptioningRNN.loss",
        "cs231n.extras.attribution.area",
        "cs231n.extras.semi_supervised.run_study",
        "cs231n.lab.study.Study.table",
        "cs231n.lab.captions.show_samples",
    }


def test_every_notebook_uses_the_package():
    assert all(len(used(code(notebook))) > 10 for notebook in notebook_names())
