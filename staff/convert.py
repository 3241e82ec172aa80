"""Write each notebook from its text source, the same bytes every time."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import v4

from cs231n.support.files import replacing
from staff.diagrams.command import described
from staff.generated import arguments, differing
from staff.questions import notebook_names

# What a cell may carry besides its text; anything else is taken for a slip.
_KEPT = {"tags", "editable", "deletable"}
_DROPPED = {"id", "title", "lines_to_next_cell", "cell_marker"}
_NOTEBOOK_METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


# The header of a cell that stands in the twin's source alone.
_SAME = re.compile(r'^# %% \[markdown\] same_as="(.+)"$')


class SourceError(ValueError):
    """A notebook's text source cannot be turned into a notebook."""


def source_of(path: Path) -> str:
    """Return a notebook's text source, whole.

    What ``NAME-TensorFlow.py`` says in the same words as ``NAME-PyTorch.py`` stands in
    the latter only. ``# %% [markdown] same_as="## Set"`` with nothing below takes the
    place of the twin's text cell that begins with ``## Set``, along with that cell's
    header. Where several begin alike, ``same_as`` names a cell's id.

    Args:
        path: The source, beside its twin's.

    Raises:
        SourceError: If the twin has no such cell, or two, or text stands below.
    """
    cells = _parts(path.read_text("utf-8"))
    twin = path.with_name(path.name.replace("-TensorFlow", "-PyTorch"))
    for k, cell in enumerate(cells):
        header, _, below = cell.partition("\n")
        if not (named := _SAME.match(header)):
            continue
        first = named.group(1)
        if below.strip() or twin == path:
            problem = "text below its header" if below.strip() else "no twin"
            raise SourceError(
                f"{path.stem}: the cell that is the same as {first!r} has {problem}; "
                "write the cell here, or share that of the -PyTorch notebook."
            )
        begins = re.compile(
            rf'# %% \[markdown\](.* id="{re.escape(first)}"|.*\n# {re.escape(first)})'
        )
        others = _parts(twin.read_text("utf-8"))
        found = [other for other in others if begins.match(other)]
        if len(found) != 1:
            raise SourceError(
                f"{path.stem}: {len(found)} text cells of {twin.stem} begin with "
                f"{first!r}, where one is wanted; name more of the line, or an id."
            )
        cells[k] = found[0].rstrip("\n") + "\n" + below
    return "".join(cells)


def _parts(source: str) -> list[str]:
    """Part a source before each header; what stands above the first is the first."""
    return re.split(r"^(?=# %%)", source, flags=re.MULTILINE)


def convert(source: str, name: str) -> bytes:
    """Return the notebook that a source in jupytext's percent format stands for.

    A cell keeps the id that its source gives it (``# %% id="greet"``); the others get
    one that depends on nothing but the notebook's name and the cell's own text. A
    diagram gets its description.

    Args:
        source: The text.
        name: The notebook's name, without the extension.

    Returns:
        Notebook format 4.5 without outputs, ending in a newline.

    Raises:
        SourceError: If a cell has an id twice, a bad one, or unknown metadata, or shows
            a diagram that nothing draws.
    """
    parsed = jupytext.reads(source, fmt="py:percent")
    occurrences: Counter[tuple[str, str]] = Counter()
    taken: set[str] = set()
    cells = []
    for number, cell in enumerate(parsed.cells, start=1):
        kind, text = cell.cell_type, cell.source
        occurrences[kind, text] += 1
        cell_id = cell.metadata.get("id")
        if cell_id is None:
            origin = "\0".join([name, kind, text, str(occurrences[kind, text])])
            cell_id = hashlib.sha256(origin.encode()).hexdigest()[:12]
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", str(cell_id)):
            raise SourceError(
                f"{name}: cell {number} has the id {cell_id!r}; an id is 1 to 64 "
                "letters, digits, - or _."
            )
        if cell_id in taken:
            raise SourceError(
                f"{name}: cell {number} has the id {cell_id!r}, which an earlier cell "
                "has; give it another one."
            )
        taken.add(cell_id)
        if unknown := cell.metadata.keys() - _KEPT - _DROPPED:
            strange = ", ".join(sorted(unknown))
            raise SourceError(
                f"{name}: cell {number} has {strange} in its header, "
                f"where only id, {', '.join(sorted(_KEPT))} mean something."
            )
        kept = {k: v for k, v in cell.metadata.items() if k in _KEPT}
        make = getattr(v4, f"new_{kind}_cell")
        if kind == "markdown":
            try:
                text = described(text)
            except KeyError as error:
                raise SourceError(f"{name}: cell {number}: {error.args[0]}") from None
        cells.append(make(text, id=cell_id, metadata=kept))
    notebook = v4.new_notebook(cells=cells, metadata=_NOTEBOOK_METADATA)
    nbformat.validate(notebook)
    written: str = nbformat.writes(notebook)
    return (written.rstrip("\n") + "\n").encode()


def plain_python(source: str) -> str:
    """Return a cell as Python: IPython's own commands become calls."""
    code: str = TransformerManager().transform_cell(source)
    return code


def build(root: Path) -> dict[Path, bytes]:
    """Return what every notebook of the project at ``root`` should hold."""
    return {
        root / f"{source.stem}.ipynb": convert(source_of(source), source.stem)
        for source in sorted((root / "staff" / "notebooks").glob("*.py"))
    }


def out_of_step(root: Path) -> list[str]:
    """Name each notebook at ``root`` that is not what its source says."""
    wanted = build(root)
    found = {
        path: path.read_bytes()
        for name in notebook_names()
        if (path := root / f"{name}.ipynb").exists()
    }
    found |= {path: path.read_bytes() for path in wanted if path.exists()}
    return [path.name for path in differing(wanted, found)]


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff notebooks``."""
    args = arguments("notebooks", __doc__, argv)
    try:
        stale = out_of_step(args.root)
        if args.check:
            for name in stale:
                print(
                    f"{name} differs from its source staff/notebooks/"
                    f"{Path(name).stem}.py; run: python -m staff notebooks"
                )
            return 1 if stale else 0
        for path, content in build(args.root).items():
            if path.name in stale:
                with replacing(path) as draft:
                    draft.write_bytes(content)
            print(f"{path.name}: {'written' if path.name in stale else 'up to date'}")
    except SourceError as error:
        print(error)
        return 1
    return 0
