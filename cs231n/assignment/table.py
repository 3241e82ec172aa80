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
        name: Its dotted path, such as ``cs231n.classifiers.rnn.CaptioningRNN.loss``.
        points: What it is worth in the first set that has its question.
        variant: Tells apart two checks of one function, such as ``lstm``; else empty.
    """

    name: str
    points: float
    variant: str = ""

    @property
    def module(self) -> str:
        """The dotted name of the module it stands in: the path's lower case part."""
        parts = self.name.split(".")
        start = next((i for i, part in enumerate(parts) if part[:1].isupper()), -1)
        return ".".join(parts[:start])

    @property
    def key(self) -> str:
        """The dotted path, then ``:variant`` if there is one."""
        return f"{self.name}:{self.variant}" if self.variant else self.name

    @property
    def short(self) -> str:
        """What people call it: the path without its lower case modules."""
        parts = self.key.split(".")
        start = next((i for i, part in enumerate(parts) if part[:1].isupper()), -1)
        return ".".join(parts[start:])


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

    def worth(self, function: Function, edition: str) -> float:
        """Return what one of the functions is worth in a set.

        Args:
            function: One of ``functions``.
            edition: Name of a set that has this question, such as ``2017``.
        """
        total = sum(f.points for f in self.functions)
        return function.points * self.points[edition] / total


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
            functions=tuple(Function(**entry) for entry in row["functions"]),
        )
        for row in table["questions"]
    )


@cache
def questions() -> tuple[Question, ...]:
    """Return every question of every set, in the order of the table."""
    return parse(json.loads(FILE.read_text("utf-8")))


def functions() -> tuple[Function, ...]:
    """Return every function of every question, in the order of the table."""
    return tuple(f for q in questions() for f in q.functions)


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
