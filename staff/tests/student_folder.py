"""A student's folder, made from the hand-out of this tree, for tests of the hand-in."""

import functools
import json
from pathlib import Path

from cs231n import assignment
from cs231n.collecting import required
from staff import handout
from staff.handout_files import collect
from staff.questions import ROOT, questions


@functools.cache
def handout_files():
    """Return the hand-out of this tree, path by path."""
    return collect(ROOT, questions())


def unpack(folder: Path) -> Path:
    """Write the hand-out to a folder, and what it still lacks of what is required."""
    folder.mkdir(parents=True)
    handout.write(handout_files(), folder)
    for name in required(assignment.questions()):
        path = folder / name
        if not path.exists() and name.endswith(".ipynb"):
            path.write_text(json.dumps(notebook([])))
        elif not path.exists():
            path.write_text('"""Still to come."""\n')
    return folder


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
