"""A tiny tree and what its hand-out must be, byte for byte."""

import shutil
from pathlib import Path
from typing import Any

from cs231n.assignment.table import Question, parse
from staff.handout.archive import write
from staff.handout.files import collect
from staff.questions import ROOT

TREE = ROOT / "staff" / "tests" / "handout" / "tree"
GOLDEN = ROOT / "staff" / "tests" / "handout" / "golden"
TABLE: dict[str, list[dict[str, Any]]] = {
    "questions": [
        {"id": "Q1", "title": "Twice", "notebooks": ["Tiny"]},
        {"id": "Q2", "title": "Halves", "notebooks": []},
    ],
    "sets": [{"name": "2017", "points": {"Q1": 60, "Q2": 40}}],
}


def table() -> tuple[Question, ...]:
    """Return the tiny tree's questions."""
    none: dict[str, list[str]] = {"modules": [], "functions": []}
    rows = [row | none for row in TABLE["questions"]]
    return parse({**TABLE, "questions": rows})


def made() -> dict[str, bytes]:
    """Return the tiny tree's hand-out."""
    return collect(TREE, table())


def problems() -> list[str]:
    """Name the files in which the tiny tree's hand-out and its golden copy differ."""
    wanted = {
        path.relative_to(GOLDEN).as_posix().removesuffix(".golden"): path.read_bytes()
        for path in GOLDEN.rglob("*")
        if path.is_file()
    }
    found = made()
    return [
        f"the tiny tree's {name} is not what the golden copy says; look at the "
        "difference, then run: python -m staff handout --update-goldens"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def update(folder: Path = GOLDEN) -> None:
    """Write the golden copy anew, with a suffix that keeps tools from running it."""
    shutil.rmtree(folder, ignore_errors=True)
    write({f"{name}.golden": content for name, content in made().items()}, folder)
