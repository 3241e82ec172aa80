"""Solved modules with some of the answers written another way, run without files."""

import ast
import importlib
import linecache
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from graphlib import TopologicalSorter

from cs231n.assignment import regions
from cs231n.assignment.table import file_of, function, functions
from staff import markers
from staff.questions import ROOT, questions


class WritingError(ValueError):
    """An answer cannot be replaced as it was asked for."""


@cache
def place(source: str, name: str) -> markers.Answer:
    """Find the answer in a function.

    Args:
        source: A module's text.
        name: The function, such as ``CaptioningRNN.loss``.

    Raises:
        WritingError: If there is not one answer in it.
        MarkerError: If the module's markers break the grammar.
    """
    ids = [question.id for question in questions()]
    found = [a for a in markers.answers(source, name, ids) if a.function == name]
    if len(found) != 1:
        raise WritingError(f"{name}: one answer is wanted in it, {len(found)} are.")
    return found[0]


def answer(source: str, name: str) -> str:
    """Return a function's answer, without its indentation."""
    found = place(source, name)
    lines = regions.split(source)
    return textwrap.dedent("".join(lines[found.begin : found.end - 1]))


def with_answer(source: str, name: str, body: str) -> str:
    """Return the module with another answer.

    Args:
        source: The module's text.
        name: The function.
        body: Its new answer, without indentation.
    """
    found = place(source, name)
    lines = regions.split(source)
    indent = lines[found.begin - 1].partition("#")[0]
    lines[found.begin : found.end - 1] = [textwrap.indent(body, indent)]
    return "".join(lines)


def edited(body: str, edits: list[list[str]]) -> str:
    """Replace texts in an answer.

    Args:
        body: The answer.
        edits: Pairs of old and new text.

    Raises:
        WritingError: If an old text does not occur.
    """
    for old, new in edits:
        if old not in body:
            raise WritingError(f"{old!r} does not occur in:\n{body}")
        body = body.replace(old, new)
    return body


@cache
def solved(module: str) -> str:
    """Return a solved module's text."""
    return (ROOT / file_of(module)).read_text("utf-8")


def sources(
    answers: Mapping[str, str], helpers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return modules with other answers in the place of the solved ones.

    Args:
        answers: Dotted name of a function -> its answer, without indentation.
        helpers: Dotted name of a function -> what else stands in its module, below.

    Returns:
        Module's dotted name -> its text.
    """
    found: dict[str, str] = {}
    for name, body in answers.items():
        written = function(name)
        source = found.get(written.module) or solved(written.module)
        found[written.module] = with_answer(source, written.qualname, body)
    for name, text in (helpers or {}).items():
        module = function(name).module
        found[module] = f"{found.get(module) or solved(module)}\n\n{text}"
    return found


@contextmanager
def rewritten(
    answers: Mapping[str, str], helpers: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run modules with other answers in the place of the solved ones, for a while.

    Args:
        answers: Dotted name of a function -> its answer, without indentation.
        helpers: Dotted name of a function -> what else stands in its module, below.
    """
    with loaded(sources(answers, helpers)):
        yield


@cache
def takers() -> dict[str, set[str]]:
    """Return each module that takes names from others of the students', and those.

    Givers come before takers.
    """
    modules = dict.fromkeys(f.module for f in functions())
    givers = {
        module: {
            node.module
            for node in ast.walk(ast.parse(solved(module)))
            if isinstance(node, ast.ImportFrom) and node.module in modules
        }
        for module in modules
    }
    return {
        module: givers[module] for module in TopologicalSorter(givers).static_order()
    }


@contextmanager
def loaded(modules: Mapping[str, str]) -> Iterator[None]:
    """Put modules made from these texts in the place of their namesakes, for a while.

    Args:
        modules: Module's dotted name -> its text.
    """
    texts = dict(modules)
    # A module is run again when one that it takes names from is.
    for taker, givers in takers().items():
        if taker not in texts and givers & texts.keys():
            texts[taker] = solved(taker)
    order = [name for name in takers() if name in texts]
    # All of them before the first is replaced, or they would take names from it.
    before = {name: importlib.import_module(name) for name in order}
    try:
        for name in order:
            _install(name, _run(name, texts[name]))
        yield
    finally:
        for name, module in before.items():
            _install(name, module)
        for name in order:
            linecache.cache.pop(_file(name), None)


def _file(name: str) -> str:
    return f"<rewritten>/{file_of(name)}"


def _run(name: str, text: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__file__ = _file(name)
    module.__package__ = name.rpartition(".")[0]
    linecache.cache[module.__file__] = (
        len(text),
        None,
        text.splitlines(True),
        _file(name),
    )
    sys.modules[name] = module
    exec(_compiled(text, module.__file__), module.__dict__)
    return module


@cache
def _compiled(text: str, file: str) -> types.CodeType:
    return compile(text, file, "exec")


def _install(name: str, module: types.ModuleType) -> None:
    sys.modules[name] = module
    package, _, last = name.rpartition(".")
    setattr(sys.modules[package], last, module)
