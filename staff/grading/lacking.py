"""What a student's module lacks and another of theirs takes from it.

A function that was deleted from ``rnn_layers.py`` costs what it is worth and no more:
without it ``rnn.py``, which imports it, could not be tried out at all.
"""

import ast
from collections.abc import Mapping
from functools import cache

from cs231n.assignment.canonical import parsed
from cs231n.assignment.table import file_of, module_of
from staff import markers
from staff.mistakes.writings import solved, takers
from staff.questions import questions

_GUARDED = "if {name!r} not in globals():\n    from {module} import {name}\n"


def lacking(modules: Mapping[str, str], module: str) -> dict[str, list[str]]:
    """Return the files that lack what a module takes, each with what that is.

    Args:
        modules: Path -> source, as they were handed in.
        module: Dotted name of the module that takes.
    """
    taken = _identifiers(modules.get(file_of(module), ""))
    found = {}
    for giver in sorted(takers()[module]):
        source = modules.get(file_of(giver))
        if source is None or (own := _defined(source)) is None:
            continue
        there = {
            node.name
            for node in ast.parse(_handed_out(giver)).body
            if isinstance(node, ast.FunctionDef)
        }
        if names := sorted((there & taken) - own):
            found[file_of(giver)] = names
    return found


def completed(modules: Mapping[str, str], module: str) -> dict[str, str]:
    """Return modules with what they lack, as it was handed out, for a module's sake.

    Args:
        modules: Path -> source, as they were handed in.
        module: Dotted name of the module that takes.
    """
    more = dict(modules)
    for file, names in lacking(modules, module).items():
        beside = file.replace(".py", "_as_handed_out.py")
        more[beside] = _handed_out(module_of(file))
        more[file] = f"{modules[file]}\n" + "".join(
            _GUARDED.format(name=name, module=module_of(beside)) for name in names
        )
    return more


@cache
def _handed_out(module: str) -> str:
    ids = [question.id for question in questions()]
    return markers.redact(solved(module), file_of(module), ids)


def _defined(source: str) -> set[str] | None:
    """Return the names that a module makes for others; None if it cannot be read."""
    tree = parsed(source)
    if tree is None:
        return None
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        for inner in ast.walk(node):
            match inner:
                case ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name):
                    found.add(name)
                case ast.alias(name=name, asname=other):
                    found.add(other or name)
    return found


def _identifiers(source: str) -> set[str]:
    """Return the names that a module uses, in whatever way."""
    tree = parsed(source)
    found: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
    return found
