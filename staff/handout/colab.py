"""The hand-out's notebooks for Colab, which has none of its files: they bring them.

Students get the same notebooks with a cell before and one after: the first fetches the
hand-out's zip from where the course published it, the last keeps their work.
"""

import json
from collections.abc import Mapping
from pathlib import Path

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
    return {
        name: _with_cells(json.loads(content), about.release)
        for name, content in files.items()
        if name.endswith(".ipynb")
    }


def _with_cells(notebook: dict[str, list[object]], release: str) -> bytes:
    first = (CELLS / "begin.py.txt").read_text("utf-8").replace("{{release}}", release)
    notebook["cells"] = [
        _cell("colab-text", "markdown", _TEXT),
        _cell("colab-begin", "code", first),
        *notebook["cells"],
        _cell("colab-keep", "code", (CELLS / "keep.py.txt").read_text("utf-8")),
    ]
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _cell(name: str, kind: str, source: str) -> dict[str, object]:
    made: dict[str, object] = {"cell_type": kind, "id": name, "metadata": {}}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made | {"source": source.rstrip().splitlines(keepends=True)}
