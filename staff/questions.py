"""The question table, read from ``questions.toml``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


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
    """

    id: str
    title: str
    points: dict[str, int]
    notebooks: tuple[str, ...]
    modules: tuple[str, ...]
    extra: tuple[str, ...]


@cache
def questions() -> tuple[Question, ...]:
    """Return every question of every set, in the order of the table."""
    with (ROOT / "staff" / "questions.toml").open("rb") as file:
        table = tomllib.load(file)
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
        )
        for row in table["questions"]
    )


def notebook_names() -> list[str]:
    """Return the names of all notebooks, in the order of the table."""
    return [name for question in questions() for name in question.notebooks]


def question_of(notebook: str) -> Question | None:
    """Return the question that a notebook belongs to, or None for a stranger."""
    return next((q for q in questions() if notebook in q.notebooks), None)
