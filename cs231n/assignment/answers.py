"""Which answers a notebook's outputs are of: digests of what is written now."""

import ast
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from cs231n.assignment import canonical
from cs231n.assignment import table as assignment
from cs231n.assignment.table import Function

ROOT = Path(__file__).resolve().parents[2]
CHECKS_MIME = "application/vnd.cs231n.checks+json"  # how checks lie in a notebook
# A function's variant -> the cell type it is used with, and what the other one calls.
_CELL_TYPES = {
    "": ("rnn", re.compile(r"cell_type|lstm")),
    "lstm": ("lstm", re.compile(r"cell_type|^rnn_")),
}


def digests(root: Path = ROOT) -> dict[str, dict[str, str]]:
    """Return a short text for each function that changes when it does something else.

    Checks in notebooks store it beside their results, so that a hand-in can tell
    results of older answers. It changes with whatever else of a student's the function
    calls, but not with comments, layout and names of locals. Where one function serves
    two questions, it does not change with what the other question runs of it.

    Args:
        root: The folder that ``cs231n`` lies in.

    Returns:
        Question -> short name of a function -> text. Left out is what cannot be told:
        functions of a file that is missing or no Python, and those of two questions
        whose parts cannot be told apart.
    """
    try:
        questions = assignment.questions()
    except (OSError, ValueError, KeyError):
        return {}
    table = [function for question in questions for function in question.functions]
    modules: dict[str, _Module] = {}
    for path in dict.fromkeys(f.file for f in table):
        try:
            modules[path] = _read((root / path).read_text("utf-8-sig"))
        except (OSError, ValueError):
            continue
    found = {}
    for question in questions:
        told = {f.short: _digest(f, table, modules, ()) for f in question.functions}
        if known := {name: text for name, text in told.items() if text}:
            found[question.id] = known
    return found


class _Module:
    """The functions of a module, each brought into its canonical form once."""

    def __init__(self, text: str) -> None:
        try:
            self.functions = dict(canonical.functions(ast.parse(text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.functions = {}
        self.forms: dict[tuple[str, str], tuple[str, set[str]]] = {}

    def form(self, name: str, cell_type: str) -> tuple[str, set[str]] | None:
        """Return a function's form for a cell type, and the words in it.

        None if there is no such function.
        """
        if name not in self.functions:
            return None
        key = name, cell_type
        if key not in self.forms:
            made = canonical.simplify(self.functions[name], cell_type)
            self.forms[key] = canonical.structure(made), canonical.words(made)
        return self.forms[key]


_read = lru_cache(maxsize=16)(_Module)


def _digest(
    function: Function,
    table: list[Function],
    modules: Mapping[str, _Module],
    callers: tuple[str, ...],
) -> str:
    """Return the digest of a function and of all it calls; '' if it cannot be told."""
    cell_type, foreign = "", re.compile(r"(?!)")
    shared = {f.name for f in table if f.variant}
    if function.name in shared:
        cell_type, foreign = _CELL_TYPES[function.variant]
    module = modules.get(function.file)
    made = module.form(function.qualname, cell_type) if module else None
    if made is None or any(foreign.search(word) for word in made[1]):
        return ""
    parts = [made[0]]
    callers = (*callers, function.name)
    for other in table:
        if (
            other.name not in (*shared, *callers)
            and (other.file == function.file or function.name in shared)
            and other.qualname in made[1]
        ):
            parts.append(_digest(other, table, modules, callers))
    return canonical.short_digest("\0".join(parts))
