"""What the three instruments say of one function: the check, the tests, the notebook.

A student meets a verdict in three places. They have to agree on every right and every
wrong way to write a function, so this tries all three out on trees with changes made to
them.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jupytext

from cs231n.assignment.table import Function
from cs231n.tools.check.command import EARNS
from staff.judging.asking import AskingError, driver, environment
from staff.questions import ROOT, Question, package_files, questions


@dataclass(frozen=True)
class Opinions:
    """What the three say.

    Attributes:
        check: Key -> state that ``python -m cs231n.check`` gives each function.
        tests: Whether the public tests of their question pass, those of care left out.
        cells: Whether the notebook's checks of them pass.
        said: What tests and cells said where they failed.
    """

    check: Mapping[str, str]
    tests: bool
    cells: bool
    said: str

    @property
    def accepted(self) -> tuple[bool, bool, bool]:
        """Whether each accepts them: check, tests, cells."""
        return all(s in EARNS for s in self.check.values()), self.tests, self.cells


@dataclass(frozen=True)
class Job:
    """Functions of one question to try out, in a tree with changed modules.

    Attributes:
        functions: Their rows in the table.
        files: Path -> text of the modules that are changed.
    """

    functions: tuple[Function, ...]
    files: Mapping[str, str]


@contextmanager
def instruments(data: Path) -> Iterator[Callable[[Job], Opinions]]:
    """Yield a function that asks all three of a job, for as long as it is needed.

    What is ready for a job is kept for the next one, if that is of the same functions.

    Args:
        data: The data folder.

    Yields:
        What asks; it raises AskingError where a notebook or the tests fail before
        anything was changed.
    """
    variables = environment(data, CS231N_PROFILE="quick")
    with driver("opinions", _tree(), variables) as answer:

        def ask(job: Job) -> Opinions:
            said = answer(_asked(job))
            if "failed" in said:
                raise AskingError(said["failed"])
            return Opinions(**said)

        yield ask


def _tree() -> dict[str, bytes]:
    """Return the solved package with its public tests."""
    names = [*package_files(), "conftest.py", "pyproject.toml"]
    names += [p.relative_to(ROOT).as_posix() for p in (ROOT / "tests").glob("*.py")]
    return {name: (ROOT / name).read_bytes() for name in names}


def _asked(job: Job) -> dict[str, Any]:
    marker = question_of(job.functions[0]).marker
    return {
        "files": dict(job.files),
        "keys": [function.key for function in job.functions],
        "framework": job.functions[0].framework,
        "tests": ["-m", f"{marker} and not care and not data", *_test_files(marker)],
        "first": [_last_name(function) for function in job.functions],
        "cells": list(cells(job.functions)),
    }


def question_of(function: Function) -> Question:
    """Return the question that has a function, or one of its variants."""
    return next(q for q in questions() if function in q.functions)


@cache
def _test_files(marker: str) -> tuple[str, ...]:
    """Return the files of public tests that carry a question's marker."""
    return tuple(
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests").glob("test_*.py"))
        if any(
            re.search(rf"pytest\.mark\.{marker}\b", line.partition("#")[0])
            for line in path.read_text("utf-8").splitlines()
        )
    )


@cache
def cells(functions: tuple[Function, ...]) -> tuple[str, ...]:
    """Return what has to run of a notebook to judge functions, as Python.

    Those are the cells that check them, and what they need of the cells above.

    Args:
        functions: Their rows in the table, of one question.
    """
    (notebook,) = question_of(functions[0]).notebooks
    code = _code_cells(notebook)
    judging = [
        k for k, cell in enumerate(code) if any(_judges(cell, f) for f in functions)
    ]
    # What gives no names that could be looked for is needed, with what it needs itself.
    starred = [k for k, cell in enumerate(code) if "import *" in cell]
    needed: set[int] = set()
    waiting = judging + starred
    while waiting:
        at = waiting.pop()
        if at in needed:
            continue
        needed.add(at)
        for name in _read(code[at]):
            above = [k for k in range(at) if name in _bound(code[k])]
            waiting += above[-1:]
    return tuple(code[k] for k in sorted(needed))


@cache
def _code_cells(notebook: str) -> tuple[str, ...]:
    """Return a notebook's code as Python, without IPython's commands."""
    source = (ROOT / "staff" / "notebooks" / f"{notebook}.py").read_text("utf-8")
    return tuple(
        "\n".join(line for line in cell.source.split("\n") if line[:1] != "%")
        for cell in jupytext.reads(source, fmt="py:percent").cells
        if cell.cell_type == "code"
    )


def _judges(cell: str, function: Function) -> bool:
    """Tell whether a cell checks a function: by name, or by an assertion."""
    plain, last = function.qualname, _last_name(function)
    calls = [node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Call)]
    checks = [c for c in calls if ast.unparse(c.func).startswith("check")]
    if any(_is_of_many_steps(check) for check in checks):
        return False  # what was trained tells little of one function, and takes long
    word = re.compile(rf"(?<![\w.])({re.escape(plain)}|{last}(?=\())(?!\w)")
    if any(isinstance(part, ast.JoinedStr) for c in checks for part in c.args):
        return bool(word.search(cell))  # the titles' names stand elsewhere in it
    if any(word.search(ast.unparse(check)) for check in checks):
        return True
    called = {ast.unparse(call.func).rpartition(".")[2] for call in calls}
    return "assert " in cell and last in called


def _is_of_many_steps(check: ast.Call) -> bool:
    """Tell whether a check compares a result of many steps with a limit of luck.

    Then it only blames a function, as the one to look at first.
    """
    blames = any(word.arg == "function" for word in check.keywords)
    return ast.unparse(check.func) in {"check_below", "check_at_least"} and blames


def _last_name(function: Function) -> str:
    """Return a function's name without its class and its variant."""
    return function.qualname.rpartition(".")[2]


def _read(cell: str) -> set[str]:
    """Return the names that a cell takes from others."""
    names = {
        node.id
        for node in ast.walk(ast.parse(cell))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return names - _bound(cell)


@cache
def _bound(cell: str) -> frozenset[str]:
    """Return the names that a cell gives a meaning, at its outermost level."""
    found = set()
    for statement in ast.parse(cell).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.alias):
                found.add((node.asname or node.name).partition(".")[0])
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return frozenset(found)
