"""What is to be written and what it is worth, read from ``assignment.json``.

That file is made from the staff's table of questions, by ``python -m staff table``.
"""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("assignment.json")
FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
"""What functions may need, and what people call it."""


@dataclass(frozen=True)
class Function:
    """A function that students write, or one of the two ways in which it is used.

    Attributes:
        module: The dotted name of its module, such as ``cs231n.classifiers.rnn``.
        qualname: Its name within the module, such as ``CaptioningRNN.loss``.
        points: What it is worth in the first set that has its question.
        variant: Tells apart two checks of one function, such as ``lstm``; else empty.
        tries: The module of ``cs231n.tools.check.tries`` that tries it out.
        framework: What that needs, which takes long to import and goes together with
            no other: "torch", "tensorflow" or nothing.
    """

    module: str
    qualname: str
    points: float
    variant: str = ""
    tries: str = ""
    framework: str = ""

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
        return file_of(self.module)


@dataclass(frozen=True)
class Question:
    """One row of the table.

    Attributes:
        id: What markers call it, such as ``Q1``.
        title: What it is about, in a few words.
        points: What it is worth in each set that has it. An alternative has none of
            its own: the better one of it and the question in whose place it may be
            done counts.
        notebooks: Names of its notebooks, without the extension.
        modules: Files that a student edits for it, from the project's root.
        extra: Files of exercises that are worth no points.
        functions: What a student writes for it.
        framework: What its functions need: see ``Function``.
        instead_of: Id of the question in whose place it may be done; else empty.
        shared: What its functions share out in each set: its own points, or those of
            the question in whose place it may be done.
    """

    id: str
    title: str
    points: dict[str, int]
    notebooks: tuple[str, ...]
    modules: tuple[str, ...]
    extra: tuple[str, ...]
    functions: tuple[Function, ...]
    framework: str = ""
    instead_of: str = ""
    shared: dict[str, int] = field(default_factory=dict)

    @property
    def graded_as(self) -> str:
        """The id of the question whose points it earns, which its TODOs name."""
        return self.instead_of or self.id

    @property
    def marker(self) -> str:
        """What pytest's marker of its tests is called, such as ``q3_2016``."""
        return marker(self.id)

    def worth(self, function: Function, edition: str) -> float:
        """Return what one of the functions is worth in a set.

        Args:
            function: One of ``functions``.
            edition: Name of a set that has this question, or the one in whose place it
                may be done, such as ``2017``.
        """
        total = sum(f.points for f in self.functions)
        return function.points * self.shared[edition] / total


def file_of(module: str) -> str:
    """Return a module's path from the project's root, given its dotted name."""
    return f"{module.replace('.', '/')}.py"


def module_of(file: str) -> str:
    """Return a module's dotted name, given its path from the project's root."""
    return file.removesuffix(".py").replace("/", ".")


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
    return tuple(_question(row, table["sets"]) for row in table["questions"])


def _question(row: Mapping[str, Any], sets: Sequence[Mapping[str, Any]]) -> Question:
    instead_of = row.get("instead_of", "")
    shared = {
        chosen["name"]: chosen["points"][instead_of or row["id"]]
        for chosen in sets
        if (instead_of or row["id"]) in chosen["points"]
    }
    return Question(
        id=row["id"],
        title=row["title"],
        points={} if instead_of else shared,
        notebooks=tuple(row["notebooks"]),
        modules=tuple(row["modules"]),
        extra=tuple(row.get("extra", ())),
        functions=tuple(_function(row, entry) for entry in row["functions"]),
        framework=row.get("framework", ""),
        instead_of=instead_of,
        shared=shared,
    )


def _function(question: Mapping[str, Any], row: Mapping[str, Any]) -> Function:
    module, _, qualname = row["name"].partition(":")
    known = {key: row[key] for key in ("points", "variant", "tries") if key in row}
    framework = question.get("framework", "")
    return Function(module, qualname, framework=framework, **known)


@cache
def questions() -> tuple[Question, ...]:
    """Return every question of every set, in the order of the table."""
    return parse(json.loads(FILE.read_text("utf-8")))


def ways(question: Question) -> tuple[Question, ...]:
    """Return a question, and then what may be done in its place."""
    return (question, *(q for q in questions() if q.instead_of == question.id))


def installed(framework: str) -> bool:
    """Tell whether what functions need is installed, without importing it."""
    return not framework or importlib.util.find_spec(framework) is not None


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


def namesake(function: Function, short: str) -> Function:
    """Return the function that another one means by a short name.

    Args:
        function: The other one.
        short: The name; one of its own module comes first.

    Raises:
        KeyError: If the table has none of that name.
    """
    found = [f for f in functions() if f.short == short]
    if not found:
        raise KeyError(short)
    return next((f for f in found if f.module == function.module), found[0])


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
