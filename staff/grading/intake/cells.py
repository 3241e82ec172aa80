"""Functions that stand in a notebook's cells, taken out with all that they need.

Nothing is run: names are followed through the syntax tree, from the functions that are
asked for to helpers, classes, imports and constants, wherever in the notebook they are.
"""

import ast
import builtins
import re
import symtable
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cs231n.assignment.stamp import cell_text
from cs231n.assignment.table import Function
from staff.grading.intake import loops

_LONGEST = 200_000  # characters of a cell
_MOST_CODE = 2_000_000  # of a notebook
_LONGEST_MAGIC = 20_000  # of one that IPython has to translate, which takes its time
_MOST_MAGIC = 50  # lines in it, each of which makes IPython begin anew
_FOLLOWED = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom),
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.If, ast.Try),
)
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
# Magics of a whole cell that run it as it is.
_CLEAR_MAGIC = re.compile(r"\s*%%(?:time|timeit|capture|prun)\b[^\n]*\n")
_OF_PYTHON_2 = {"xrange": "range", "unicode": "str", "raw_input": "input"}

_MISSING = '''
class _Missing:
    """What a notebook could not get here; whoever uses it learns why."""

    def __init__(self, error):
        self.__dict__["_error"] = error

    def __call__(self, *args, **kwargs):
        raise self._error

    def __getattr__(self, name):
        if name.startswith("__"):  # asked by Python itself
            raise AttributeError(name)
        raise self._error
'''


@dataclass
class Taken:
    """What was found in a notebook.

    Attributes:
        source: Text to stand below a module; empty if nothing was found.
        places: Qualified name of each function that was found -> its cell's number.
        remarks: What students and graders should know about it, in sentences.
    """

    source: str = ""
    places: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Statement:
    """A statement of a cell, at its top level.

    Attributes:
        cell: The cell's number.
        node: The statement.
        text: As it is written.
        binds: Names that it gives a meaning.
        needs: Names that it wants from elsewhere, at once or when it is called.
        at_once: Those of them that it wants at once.
    """

    cell: int
    node: ast.stmt
    text: str
    binds: frozenset[str]
    needs: frozenset[str]
    at_once: frozenset[str]

    @property
    def is_star(self) -> bool:
        """Whether it imports all names of a module."""
        return isinstance(self.node, ast.ImportFrom) and self.node.names[0].name == "*"


def take(
    notebook: Mapping[str, Any], called: str, wanted: Sequence[Function], base: str
) -> Taken:
    """Take functions of one module out of a notebook.

    Args:
        notebook: Its content.
        called: Its name, for messages.
        wanted: The functions, all of one module.
        base: Text of the module below which they will stand, whose names are known.
    """
    cells = _Cells(notebook, called)
    known = frozenset(dir(builtins)) | {
        name for s in _statements(0, base) or () for name in s.binds
    }
    found = Taken()
    chosen: dict[int, _Statement] = {}
    for function in wanted:
        name = function.qualname
        host, step = loops.STEPS.get(function.name, (name, None))
        place, unreadable = cells.definition(name), cells.unreadable(name)
        if place is None and function.name in loops.REDEFINED:
            host = loops.REDEFINED[function.name]
            step = loops.renamed(name) if cells.is_redefined(host) else None
        elif name in loops.REDEFINED.values():
            place = cells.first_definition(name)
        if step and (place is None or host == name):
            place, unreadable = cells.definition(host), cells.unreadable(host)
        else:
            step = None
        statement = cells.statements[place] if place is not None else None
        if unreadable and (statement is None or unreadable > statement.cell):
            statement = cells.raising(name, unreadable)
            found.remarks.append(
                f"Cell {unreadable} of {called}, with {name}, is no Python 3; its "
                "functions cannot be tried before it is."
            )
        elif statement is None:
            continue
        elif step:
            statement = cells.step(function, statement, step, found.remarks)
        if place is None or place in chosen:
            place = max([len(cells.statements), *chosen]) + 1
        chosen[place] = statement
        found.places[name] = statement.cell
    if not chosen:
        return found
    asked = frozenset(name for s in chosen.values() for name in s.binds)
    _follow(chosen, cells, known | asked)
    found.source = _written(chosen, called, known, found)
    return found


def _follow(
    chosen: dict[int, _Statement], cells: "_Cells", known: frozenset[str]
) -> None:
    """Add to the chosen statements all that they need, by their places."""
    asked = set(known)
    asked -= cells.bound  # a notebook's own helper goes before the hand-out's
    asked |= {name for s in chosen.values() for name in s.binds}
    waiting = [name for s in chosen.values() for name in sorted(s.needs)]
    while waiting:
        name = waiting.pop()
        if name in asked:
            continue
        asked.add(name)
        places = cells.bindings(name)
        if not places and name not in _OF_PYTHON_2:
            places = [k for k, s in enumerate(cells.statements) if s.is_star]
        for place in places:
            if place not in chosen:
                chosen[place] = cells.statements[place]
                waiting += sorted(cells.statements[place].needs)


def _written(
    chosen: Mapping[int, _Statement], called: str, known: frozenset[str], found: Taken
) -> str:
    """Return statements as the end of a module, in the notebook's order."""
    statements = [chosen[place] for place in sorted(chosen)]
    bound = {name for s in statements for name in s.binds}
    needed = {name for s in statements for name in s.needs}
    parts = []
    sure = set(known)
    for statement in statements:
        parts.append(f"# {called}, cell {statement.cell}")
        parts.append(_careful(statement, sure))
        if isinstance(statement.node, _Definition):
            sure |= statement.binds
    head = []
    for name in sorted((needed - bound - known) & _OF_PYTHON_2.keys()):
        head.append(f"{name} = {_OF_PYTHON_2[name]}")
        found.remarks.append(
            f"{called} says {name}, which is Python 2; it is read as "
            f"{_OF_PYTHON_2[name]}. Write that."
        )
    body = "\n\n".join([*head, *parts])
    if "_Missing(" in body:
        body = f"{_MISSING}\n\n{body}"
    if "_hand_back(" in body:
        body = f"{loops.HELPERS}\n\n{body}"
    return f"{body}\n"


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _careful(statement: _Statement, sure: set[str]) -> str:
    """Return a statement such that a failure costs only those who need its names."""
    node = statement.node
    if isinstance(node, ast.Import):
        own = {"numpy", "torch", "tensorflow", *sys.stdlib_module_names}
        if all(alias.name in own for alias in node.names):
            return statement.text
    elif isinstance(node, _Definition):
        if statement.at_once <= sure:
            return statement.text
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
        return statement.text
    tried = "\n".join(f"    {line}" for line in ast.unparse(node).splitlines())
    names = sorted(statement.binds - {"*"})
    if not names:
        return f"try:\n{tried}\nexcept Exception:\n    pass"
    missing = " = ".join(names)
    return (
        f"try:\n{tried}\nexcept Exception as _error:\n    {missing} = _Missing(_error)"
    )


class _Cells:
    """All statements of a notebook's cells."""

    def __init__(self, notebook: Mapping[str, Any], called: str) -> None:
        self._called = called
        self.statements: list[_Statement] = []
        self._unreadable: list[tuple[int, str]] = []
        room = _MOST_CODE
        for number, cell in enumerate(notebook["cells"], start=1):
            if cell["cell_type"] != "code":
                continue
            text = cell_text(cell)
            room -= len(text)
            if room < 0:
                break
            found, text = _read(number, text)
            if found is None:
                self._unreadable.append((number, text))
            self.statements += found or []
        self._bindings: dict[str, list[int]] = {}
        for place, statement in enumerate(self.statements):
            for name in statement.binds:
                self._bindings.setdefault(name, []).append(place)

    @property
    def bound(self) -> set[str]:
        """Names that cells give a meaning which can be followed."""
        return {name for name in self._bindings if self.bindings(name)}

    def definition(self, name: str) -> int | None:
        """Return where a function is defined, for the last time; None if nowhere."""
        return max(self._definitions(name), default=None)

    def first_definition(self, name: str) -> int | None:
        """Return where a function is defined, for the first time; None if nowhere."""
        return min(self._definitions(name), default=None)

    def _definitions(self, name: str) -> list[int]:
        return [
            place
            for place in self._bindings.get(name, [])
            if isinstance(self.statements[place].node, ast.FunctionDef)
        ]

    def is_redefined(self, name: str) -> bool:
        """Tell whether a function is defined more than once."""
        return len(self._definitions(name)) > 1

    def bindings(self, name: str) -> list[int]:
        """Return what gives a name its last meaning, with what that builds on."""
        found: list[int] = []
        for place in reversed(self._bindings.get(name, [])):
            statement = self.statements[place]
            if not isinstance(statement.node, _FOLLOWED):
                continue
            found.append(place)
            builds_on = isinstance(statement.node, ast.AugAssign | ast.If | ast.Try)
            if not builds_on and name not in statement.at_once:
                break
        return found

    def unreadable(self, name: str) -> int:
        """Return the last cell that defines a function and is no Python; else 0."""
        pattern = re.compile(
            rf"^[ \t]*def[ \t]+{re.escape(name)}[ \t]*\(", re.MULTILINE
        )
        return max(
            (n for n, text in self._unreadable if pattern.search(text)), default=0
        )

    def raising(self, name: str, cell: int) -> _Statement:
        """Return a function that says why its cell cannot be read."""
        text = dict(self._unreadable)[cell]
        return _made(
            cell,
            f"def {name}(*args, **kwargs):\n"
            f"    compile({text!r}, {f'{self._called}, cell {cell}'!r}, 'exec')",
        )

    def step(
        self, function: Function, host: _Statement, make: Any, remarks: list[str]
    ) -> _Statement:
        """Return a function of the table that is a part of one in the notebook."""
        name = function.qualname
        node = host.node
        assert isinstance(node, ast.FunctionDef)
        try:
            made = make(node)
        except loops.ShapeError as error:
            said = (
                f"A person has to look at {name}, which cannot be told from the rest "
                f"of {node.name} in cell {host.cell} of {self._called}: {error}."
            )
            remarks.append(said)
            return _made(
                host.cell,
                f"def {name}(*args, **kwargs):\n    raise RuntimeError({said!r})",
            )
        if node.name != name:
            remarks.append(
                f"{name} was taken from {node.name} in cell {host.cell} of "
                f"{self._called}."
            )
        return _made(host.cell, made)


def _read(number: int, text: str) -> tuple[list[_Statement] | None, str]:
    """Return a cell's statements, None if it is no Python; and its text as Python."""
    if len(text) > _LONGEST:
        return [], text
    while magic := _CLEAR_MAGIC.match(text):
        text = text[magic.end() :]
    if text.lstrip().startswith("%%"):  # another language, or a file to write
        return [], text
    found = _statements(number, text)
    if found is None and len(text) <= _LONGEST_MAGIC:
        text = _without_magic(text)
        found = _statements(number, text)
    return found, text


def _without_magic(text: str) -> str:
    lines = sum(line.lstrip()[:1] in {"%", "!", "?"} for line in text.split("\n"))
    if lines > _MOST_MAGIC:
        return text
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(TransformerManager().transform_cell(text))
    except (*_UNREADABLE, RuntimeError, IndexError):
        return text


def _statements(number: int, text: str) -> list[_Statement] | None:
    """Return a text's statements, None if it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text).body
            lines = text.split("\n")
            spans = [(_first(node), node.end_lineno or node.lineno) for node in body]
            return [
                _statement(number, node, _text(node, k, spans, lines))
                for k, node in enumerate(body)
            ]
    except _UNREADABLE:
        return None


def _made(cell: int, text: str) -> _Statement:
    return _statement(cell, ast.parse(text).body[0], text)


def _statement(cell: int, node: ast.stmt, text: str) -> _Statement:
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    symbols = table.get_symbols()
    binds = {
        s.get_name()
        for s in symbols
        if s.is_assigned() or s.is_imported() or s.is_namespace()
    }
    at_once = {s.get_name() for s in symbols if s.is_referenced()}
    needs = at_once | {name for t in table.get_children() for name in _globals(t)}
    return _Statement(
        cell, node, text, frozenset(binds), frozenset(needs), frozenset(at_once)
    )


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """Yield the module's names that a function or a class uses."""
    for symbol in table.get_symbols():
        if symbol.is_global():
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals(child)


def _first(node: ast.stmt) -> int:
    decorators: Iterable[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _text(
    node: ast.stmt, k: int, spans: list[tuple[int, int]], lines: list[str]
) -> str:
    """Return a statement as it is written, unless it shares a line with another."""
    first, last = spans[k]
    alone = (k == 0 or spans[k - 1][1] < first) and (
        k + 1 == len(spans) or last < spans[k + 1][0]
    )
    return "\n".join(lines[first - 1 : last]) if alone else ast.unparse(node)
