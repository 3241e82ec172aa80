"""A student's folder, made from the hand-out of this tree, for tests of the hand-in."""

import functools
import json
import pickle
import shutil
from pathlib import Path

from filelock import FileLock

from cs231n.assignment import given, table
from cs231n.tools.submission.collecting import required
from staff import markers
from staff.handout import archive as packing
from staff.handout.files import collect
from staff.questions import ROOT, package_files, questions

# Releases differ from the hand-out in a few modules, so the others are read once.
given.says = functools.cache(given.says)


shared: Path | None = None  # a folder in which other processes find what one made


@functools.cache
def handout_files():
    """Return the hand-out of this tree, path by path."""
    if shared is None:
        return collect(ROOT, questions())
    kept = shared / "handout.pickle"
    with FileLock(shared / "handout.lock"):
        if not kept.exists():
            kept.write_bytes(pickle.dumps(collect(ROOT, questions())))
        return pickle.loads(kept.read_bytes())


def copy_package(folder: Path, *more: str) -> Path:
    """Copy the solved package without data, and further files or folders of code."""
    names = [*package_files(), *more]
    for name in names:
        for path in sorted((ROOT / name).rglob("*.py")) or [ROOT / name]:
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return folder


def unpack(folder: Path) -> Path:
    """Write the hand-out to a folder, and what it still lacks of what is required."""
    folder.mkdir(parents=True)
    packing.write(handout_files(), folder)
    stand_ins(folder)
    return folder


def stand_ins(folder: Path) -> None:
    """Write files that say nothing where questions are still to come."""
    for name in required(table.questions()):
        path = folder / name
        if not path.exists() and name.endswith(".ipynb"):
            path.write_text(json.dumps(notebook([prose("Still to come.")])))
        elif not path.exists():
            path.write_text('"""Still to come."""\n')


def notebook(cells):
    """Return a notebook of format 4.5."""
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def code(text, count=None, outputs=(), **more):
    """Return a code cell."""
    return {
        "cell_type": "code",
        "metadata": {},
        "source": text,
        "execution_count": count,
        "outputs": list(outputs),
        **more,
    }


def prose(text, **more):
    """Return a Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": text, **more}


@functools.cache
def solved_module(path):
    """Return a module as a student would have it who wrote what the solved tree has."""
    source = (ROOT / path).read_text("utf-8")
    ids = [question.id for question in questions()]
    functions = [region.function for region in markers.answers(source, path, ids)]
    return markers.redact(source, path, ids, keep=functions)


def read_notebook(path):
    """Return a notebook and its cells by id."""
    whole = json.loads(path.read_bytes())
    return whole, {cell["id"]: cell for cell in whole["cells"]}


def tree(folder):
    """Return every file below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
