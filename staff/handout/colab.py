"""The hand-out's notebooks for Colab, which has none of its files: they bring them.

Students get the same notebooks with a cell before and one after: the first fetches the
hand-out's zip from where the course published it, the last keeps their work. Diagrams
stand in the notebooks themselves.
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from staff.course import Course

CELLS = Path(__file__).resolve().parents[1] / "student" / "colab"
_TEXT = """\
*This notebook runs on Colab.* The next cell fetches the rest of the hand-out; nothing
has to be mounted. Save a copy of the notebook in your drive, write your modules in the
folder `assignment3` of the file list at the left, and run the last cell before you
leave: the machine, and all that is on its disk, will be lost."""


def flavour(files: Mapping[str, bytes], about: Course) -> dict[str, bytes]:
    """Return the notebooks of a hand-out as Colab is to open them; none without a zip.

    Args:
        files: The hand-out: path -> content.
        about: The course; its release is what the first cell fetches.
    """
    if not about.release:
        return {}
    images = {
        name: base64.b64encode(content).decode()
        for name, content in files.items()
        if name.endswith(".svg")
    }
    return {
        name: _with_cells(json.loads(content), about.release, images)
        for name, content in files.items()
        if name.endswith(".ipynb")
    }


def _with_cells(
    notebook: dict[str, list[Any]], release: str, images: Mapping[str, str]
) -> bytes:
    first = (CELLS / "begin.py.txt").read_text("utf-8").replace("{{release}}", release)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [_with_diagrams(line, images) for line in cell["source"]]
    notebook["cells"] = [
        _cell("colab-text", "markdown", _TEXT),
        _cell("colab-begin", "code", first),
        *notebook["cells"],
        _cell("colab-keep", "code", (CELLS / "keep.py.txt").read_text("utf-8")),
    ]
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _with_diagrams(line: str, images: Mapping[str, str]) -> str:
    """Put diagrams into a line of a notebook; beside it, Colab has no files."""
    return re.sub(
        r"(?<=\]\()[\w./-]+\.svg(?=\))",
        lambda found: f"data:image/svg+xml;base64,{images[found[0]]}",
        line,
    )


def _cell(name: str, kind: str, source: str) -> dict[str, object]:
    made: dict[str, object] = {"cell_type": kind, "id": name, "metadata": {}}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made | {"source": source.rstrip().splitlines(keepends=True)}
