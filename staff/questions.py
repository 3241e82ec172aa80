"""The question table, read from ``questions.toml``; what students' tools need of it."""

import ast
import json
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from cs231n.assignment import table as assignment
from cs231n.assignment.table import Question as Question  # noqa: PLC0414 (a re-export)
from staff import markers

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "staff" / "questions.toml"


_CODE = {".py", ".pyx", ".h", ".json", ".toml", ".so", ".pyd"}


def package_files() -> list[str]:
    """Return the paths of the package's files from the root: all but data."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for package in (ROOT / "cs231n").rglob("__init__.py")
        for path in package.parent.iterdir()
        if path.suffix in _CODE
    )


@cache
def questions() -> tuple[Question, ...]:
    """Return every question of every set, in the order of the table."""
    return assignment.parse(tomllib.loads(TABLE.read_text("utf-8")))


def notebook_names() -> list[str]:
    """Return the names of all notebooks, in the order of the table."""
    return [name for question in questions() for name in question.notebooks]


def question_of(notebook: str) -> Question | None:
    """Return the question that a notebook belongs to, or None for a stranger."""
    return next((q for q in questions() if notebook in q.notebooks), None)


def can_run(notebook: str) -> bool:
    """Tell whether what a notebook of the table needs is installed."""
    question = question_of(notebook)
    return question is None or assignment.installed(question.framework)


def editions_as_markdown(table: Sequence[Question], chosen: str) -> str:
    """Return the questions of a course, and below them what other editions ask.

    Args:
        table: All questions.
        chosen: The set that the course has picked.
    """
    others = dict.fromkeys(name for q in table for name in q.points if name != chosen)
    parts = [as_markdown(table, chosen)]
    for name in others:
        said = f"The {name} edition asks for these instead:"
        parts += [said, as_markdown(table, name)]
    return "\n\n".join(parts)


def as_markdown(table: Sequence[Question], edition: str) -> str:
    """Return a set's questions as a table for a page.

    Args:
        table: All questions.
        edition: Name of a set, such as ``2017``.
    """
    lines = ["| | question | points | notebook |", "| --- | --- | ---: | --- |"]
    for question in table:
        if points := question.points.get(edition):
            others = [q for q in table if q.instead_of == question.id]
            names = " or ".join(
                f"`{name}`" for q in (question, *others) for name in q.notebooks
            )
            lines.append(f"| {question.id} | {question.title} | {points} | {names} |")
    return "\n".join(lines)


def given(path: str) -> list[str]:
    """Return the functions and methods of a module that students do not write.

    Args:
        path: The solved module's, from the root.
    """
    source = (ROOT / path).read_text("utf-8")
    ids = [question.id for question in questions()]
    written = {answer.function for answer in markers.answers(source, path, ids)}

    def names(body: Sequence[ast.stmt], scope: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from names(node.body, f"{scope}{node.name}.")
            elif isinstance(node, ast.FunctionDef):
                yield scope + node.name

    return sorted(set(names(ast.parse(source).body, "")) - written)


def table_for_students(chosen: str) -> str:
    """Return what ``assignment.json`` has to hold: the table, and what is given.

    What is given tells the check which code a student is not to blame for.

    Args:
        chosen: The set that the course has picked: it comes first, as the default.

    Raises:
        ValueError: If there is no such set.
    """
    table = tomllib.loads(TABLE.read_text("utf-8"))
    table.pop("jobs", None)  # those of the staff's run
    names = [edition["name"] for edition in table["sets"]]
    if chosen not in names:
        raise ValueError(
            f"The edition {chosen!r} is no set of {TABLE.name}, which has "
            f"{', '.join(names)}; name one of these in course.toml."
        )
    table["sets"].sort(key=lambda edition: edition["name"] != chosen)
    modules = dict.fromkeys(path for q in questions() for path in q.modules)
    table["given"] = {
        assignment.module_of(path): given(path)
        for path in modules
        if (ROOT / path).is_file()  # the doctor names those that are yet to be written
    }
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"
