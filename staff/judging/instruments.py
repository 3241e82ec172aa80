"""What the three instruments say of one function: the check, the tests, the notebook.

A student meets a verdict in three places. They have to agree on every right and every
wrong way to write a function, so this tries all three out on trees with changes made to
them.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jupytext

from cs231n.assignment.table import Function
from cs231n.tools.check.command import EARNS
from staff.judging.asking import ask, environment
from staff.questions import ROOT, Question, package_files, questions


@dataclass(frozen=True)
class Opinions:
    """What the three say.

    Attributes:
        check: State that ``python -m cs231n.check`` gives.
        tests: Whether the public tests of its question pass, those of care left out.
        cells: Whether the notebook's checks of it pass.
        said: What tests and cells said where they failed.
    """

    check: str
    tests: bool
    cells: bool
    said: str

    @property
    def accepted(self) -> tuple[bool, bool, bool]:
        """Whether each accepts it: check, tests, cells."""
        return self.check in EARNS, self.tests, self.cells


@dataclass(frozen=True)
class Job:
    """A function to try out, in a tree with changed modules.

    Attributes:
        function: Its row in the table.
        files: Path -> text of the modules that are changed.
    """

    function: Function
    files: Mapping[str, str]


def opinions(
    jobs: Sequence[Job], data: Path, description: str = ""
) -> Iterator[Opinions]:
    """Ask all three of each job.

    Args:
        jobs: What to try.
        data: The data folder.
        description: What the progress bar says, if there shall be one.

    Yields:
        What they say, in order.

    Raises:
        AskingError: If they cannot be asked.
    """
    asked = [_asked(job) for job in jobs]
    variables = environment(data, CS231N_PROFILE="quick")
    for said in ask("opinions", _tree(), asked, variables, description):
        yield Opinions(**said)


def _tree() -> dict[str, bytes]:
    """Return the solved package with its public tests."""
    names = [*package_files(), "conftest.py", "pyproject.toml"]
    names += [p.relative_to(ROOT).as_posix() for p in (ROOT / "tests").glob("*.py")]
    return {name: (ROOT / name).read_bytes() for name in names}


def _asked(job: Job) -> dict[str, Any]:
    question = question_of(job.function)
    marker = question.id.lower().replace("-", "_")
    return {
        "files": dict(job.files),
        "key": job.function.key,
        "tests": ["-m", f"{marker} and not care and not data", *_test_files(marker)],
        "first": _last_name(job.function),
        "cells": list(cells(job.function)),
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


def cells(function: Function) -> tuple[str, ...]:
    """Return what has to run of a notebook to judge one function, as Python.

    Those are the cells that check it, and what they need of the cells above.

    Args:
        function: Its row in the table.
    """
    (notebook,) = question_of(function).notebooks
    code = _code_cells(notebook)
    judging = [k for k, cell in enumerate(code) if _judges(cell, function)]
    needed: set[int] = set()
    waiting = list(judging)
    while waiting:
        at = waiting.pop()
        if at in needed:
            continue
        needed.add(at)
        for name in _read(code[at]):
            above = [k for k in range(at) if name in _bound(code[k])]
            waiting += above[-1:]
    starred = [k for k, cell in enumerate(code) if "import *" in cell]
    return tuple(code[k] for k in sorted(needed | set(starred)))


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
    if any("overfits" in ast.unparse(check) for check in checks):
        return False  # what was trained tells little of one function
    word = re.compile(rf"(?<![\w.])({re.escape(plain)}|{last}(?=\())(?!\w)")
    if any(word.search(ast.unparse(check)) for check in checks):
        return True
    called = {ast.unparse(call.func).rpartition(".")[2] for call in calls}
    return "assert " in cell and last in called


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
