"""The question table, read from ``questions.toml``; what students' tools need of it."""

import argparse
import ast
import json
import sys
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from cs231n.assignment import table as assignment
from cs231n.assignment.table import Question as Question  # noqa: PLC0414 (a re-export)
from cs231n.support.files import replacing
from staff import markers

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "staff" / "questions.toml"


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


def given(path: str) -> list[str]:
    """Return the functions and methods of a module that students do not write.

    Args:
        path: The solved module's, from the root.
    """
    source = (ROOT / path).read_text("utf-8")
    ids = [question.id for question in questions()]
    written = {region.function for region in markers.regions(source, path, ids)}

    def names(body: Sequence[ast.stmt], scope: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from names(node.body, f"{scope}{node.name}.")
            elif isinstance(node, ast.FunctionDef):
                yield scope + node.name

    return sorted(set(names(ast.parse(source).body, "")) - written)


def table_for_students() -> str:
    """Return what ``assignment.json`` has to hold: the table, and what is given.

    What is given tells the check which code a student is not to blame for.
    """
    table = tomllib.loads(TABLE.read_text("utf-8"))
    modules = dict.fromkeys(path for q in questions() for path in q.modules)
    table["given"] = {
        path.removesuffix(".py").replace("/", "."): given(path) for path in modules
    }
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff table``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff table",
        description="Write what students' tools need of the question table.",
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)

    wanted, file = table_for_students(), assignment.FILE
    if args.check:
        if file.is_file() and file.read_text("utf-8") == wanted:
            return 0
        print(f"{file} is out of date; run: python -m staff table", file=sys.stderr)
        return 1
    with replacing(file) as draft:
        draft.write_bytes(wanted.encode())
    print(file)
    return 0
