"""What is to be written and what it is worth, read from ``assignment.json``.

That file is made from the staff's table of questions, by ``python -m staff table``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("assignment.json")


@dataclass(frozen=True)
class Function:
    """A function that students write, or one of the two ways in which it is used.

    Attributes:
        module: The dotted name of its module, such as ``cs231n.classifiers.rnn``.
        qualname: Its name within the module, such as ``CaptioningRNN.loss``.
        points: What it is worth in the first set that has its question.
        variant: Tells apart two checks of one function, such as ``lstm``; else empty.
        tries: The module of ``cs231n.tools.check.tries`` that tries it out.
        torch: Whether that needs torch, which takes long to import.
    """

    module: str
    qualname: str
    points: float
    variant: str = ""
    tries: str = ""
    torch: bool = False

    # Whoever has a key or a name asks ``function`` for the rest, and takes none apart.

    @property
    def name(self) -> str:
        """The dotted path, which both variants share."""
        return f"{self.module}.{self.qualname}"

    @property
    def key(self) -> str:
        """The dotted path, then ``:variant`` if there is one."""
        return f"{self.name}:{self.variant}" if self.variant else self.name

    @property
    def short(self) -> str:
        """What people call it: the key without the module."""
        return self.key.removeprefix(f"{self.module}.")

    @property
    def file(self) -> str:
        """The path of its module, from the project's root."""
        return f"{self.module.replace('.', '/')}.py"


@dataclass(frozen=True)
class Question:
    """One row of the table.

    Attributes:
        id: What markers call it, such as ``Q1``.
        title: What it is about, in a few words.
        points: What it is worth in each set that has it.
        notebooks: Names of its notebooks, without the extension.
        modules: Files that a student edits for it, from the project's root.
        extra: Files of exercises that are worth no points.
        functions: What a student writes for it.
    """

    id: str
    title: str
    points: dict[str, int]
    notebooks: tuple[str, ...]
    modules: tuple[str, ...]
    extra: tuple[str, ...]
    functions: tuple[Function, ...]

    @property
    def marker(self) -> str:
        """What pytest's marker of its tests is called, such as ``q3_2016``."""
        return marker(self.id)

    def worth(self, function: Function, edition: str) -> float:
        """Return what one of the functions is worth in a set.

        Args:
            function: One of ``functions``.
            edition: Name of a set that has this question, such as ``2017``.
        """
        total = sum(f.points for f in self.functions)
        return function.points * self.points[edition] / total


def marker(name: str) -> str:
    """Return what pytest calls a question.

    Args:
        name: The question's id, such as ``Q3-2016``.
    """
    return name.lower().replace("-", "_")


def parse(table: Mapping[str, Any]) -> tuple[Question, ...]:
    """Return every question of every set, in the order of the table.

    Args:
        table: What ``assignment.json`` holds, or the staff's table.
    """
    return tuple(
        Question(
            id=row["id"],
            title=row["title"],
            points={
                chosen["name"]: chosen["points"][row["id"]]
                for chosen in table["sets"]
                if row["id"] in chosen["points"]
            },
            notebooks=tuple(row["notebooks"]),
            modules=tuple(row["modules"]),
            extra=tuple(row.get("extra", ())),
            functions=tuple(_function(row, entry) for entry in row["functions"]),
        )
        for row in table["questions"]
    )


def _function(question: Mapping[str, Any], row: Mapping[str, Any]) -> Function:
    module, _, qualname = row["name"].partition(":")
    known = {key: row[key] for key in ("points", "variant", "tries") if key in row}
    return Function(module, qualname, torch=question.get("torch", False), **known)


@cache
def questions() -> tuple[Question, ...]:
    """Return every question of every set, in the order of the table."""
    return parse(json.loads(FILE.read_text("utf-8")))


def functions() -> tuple[Function, ...]:
    """Return every function of every question, in the order of the table."""
    return tuple(f for q in questions() for f in q.functions)


def function(key: str) -> Function:
    """Return the function with a key.

    Args:
        key: Its dotted path, then ``:variant`` if there is one.

    Raises:
        KeyError: If the table has none of that key.
    """
    return _by_key()[key]


@cache
def _by_key() -> dict[str, Function]:
    return {f.key: f for f in functions()}


@cache
def given(module: str) -> frozenset[str]:
    """Return what the course wrote in a student's module.

    Args:
        module: Its dotted name.

    Returns:
        Names of functions and methods, such as ``Flatten.forward``.
    """
    stored: dict[str, list[str]] = json.loads(FILE.read_text("utf-8"))["given"]
    return frozenset(stored.get(module, ()))


def editions() -> list[str]:
    """Return the names of the sets, the default one first."""
    return list(dict.fromkeys(name for q in questions() for name in q.points))
