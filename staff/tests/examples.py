"""What tests of docstrings' examples ask, whatever framework the notebooks are in."""

import ast
import doctest
import importlib
import inspect
import json
import random
import sys
import types

import numpy as np

from staff.questions import ROOT

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def code(name):
    """Return the text of a notebook's code cells, without magics."""
    cells = json.loads((ROOT / f"{name}.ipynb").read_text("utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
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


def is_in_tensorflow(name):
    """Tell whether a module needs TensorFlow, by its name."""
    return name.endswith(("_tensorflow", "_tf"))


def imported(tree, tensorflow):
    """Return what a program imports from the package: its name -> the thing."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("cs231n"):
            if is_in_tensorflow(node.module) and not tensorflow:
                continue
            module = importlib.import_module(node.module)
            for alias in node.names:
                if is_in_tensorflow(alias.name) and not tensorflow:
                    continue
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


def used(source, tensorflow=False):
    """Return what a program uses of the package: dotted name -> function or class.

    A function may be called or handed on. Methods count by name, of every class that is
    used or returned by what is used.

    Args:
        source: The program.
        tensorflow: Whether modules in TensorFlow are imported, or left out.
    """
    tree = ast.parse(source)
    names = imported(tree, tensorflow)
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


def namespace(module, framework):
    """Return what an example finds there: NumPy, the framework, its module's own."""
    own = {
        name: thing
        for name, thing in vars(module).items()
        if name[0] != "_" and getattr(thing, "__module__", None) == module.__name__
    }
    return {"np": np} | framework | own


def problem(thing, framework, seed):
    """Say what is wrong with the example of a function or class; else return ''.

    Args:
        thing: The function or class.
        framework: What examples call it -> the module.
        seed: Seeds its generator with a number.
    """
    name, text = thing.__qualname__, thing.__doc__ or ""
    module = sys.modules[thing.__module__]
    known = namespace(module, framework)
    test = doctest.DocTestParser().get_doctest(text, known, name, None, 0)
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
    seed(231)
    report = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    return "".join(report)
