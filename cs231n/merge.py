"""Bring a student's answers into a newer version of a file. Bytes in, bytes out.

What a student wrote is never thrown away: it is carried, or set aside with a note, or
the merge is refused.
"""

import ast
import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cs231n import regions
from cs231n.handout import cell_text, fingerprint

Cell: TypeAlias = dict[str, Any]
_NOTHING = ast.Constant(None)
ANSWER = "*Your answer:*"  # what comes below this line of a cell is the student's


class MergeError(ValueError):
    """Answers that cannot be carried; one message for each."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the problems; together they are the message."""
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class Merged:
    """What becomes of a file.

    Attributes:
        content: The file, new and with the student's answers.
        carried: Names of the answers and cells that were carried over.
        notes: What the student should look at.
        aside: What of the student's is in ``content`` no longer, or what of the new
            version is not in it, as text to read; empty if there is no such thing.
    """

    content: bytes
    carried: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    aside: str = ""


def merge_module(yours: bytes, new: bytes, old_given: str, path: str) -> Merged:
    """Move what a student wrote between a module's boxes into a newer module.

    Args:
        yours: The student's module.
        new: The newer one, as handed out.
        old_given: The stamp's hash of what was given in the old one.
        path: What the module is called.

    Raises:
        MergeError: If an answer has no place to go, or a box of yours is damaged.
    """
    wanted = new.decode("utf-8").replace("\r\n", "\n")
    source = _text(yours, path)
    try:
        mine, theirs = regions.find(source, path), regions.find(wanted, path)
    except regions.RegionError as error:
        raise MergeError([str(error)]) from None
    places = {region.key: region for region in theirs}
    count, counted = (Counter(r.owner for r in found) for found in (mine, theirs))
    headers, old_headers = _headers(wanted, path), _headers(source, path)

    merged = Merged(b"")
    bodies: dict[regions.Key, str] = {}
    problems = []
    for region in mine:
        if regions.is_stub(region.body) or not region.body.strip():
            continue
        place = places.get(region.key)
        where = f"{path}:{region.first + 1}: your answer in {region.name}"
        if place is None:
            problems.append(f"{where} has no place in the new version.")
        elif count[region.owner] != counted[region.owner] or (
            count[region.owner] > 1 and place.prompt != region.prompt
        ):
            problems.append(
                f"{where} cannot be placed, as that function has other places to write "
                "in now."
            )
        elif place.indent != region.indent:
            problems.append(
                f"{where} stands {region.indent} columns in, and its place in the new "
                f"version {place.indent}."
            )
        else:
            bodies[region.key] = region.body
            merged.carried.append(region.name)
            if old_headers.get(region.owner) != headers.get(region.owner):
                merged.notes.append(
                    f"{path}: {region.name} now begins with another line; see whether "
                    "your answer still fits."
                )
            if place.prompt != region.prompt:
                merged.notes.append(
                    f"{path}: the TODO of {region.name} has new words; read it again."
                )
    if problems:
        raise MergeError(problems)
    content = regions.fill(wanted, bodies, path)
    merged.content = content.encode()
    given = regions.skeleton(source, path)
    if fingerprint(given) not in {
        old_given,
        fingerprint(regions.skeleton(wanted, path)),
    }:
        merged.aside = difference(content, source, path)
        merged.notes.append(
            f"{path}: you had changed code outside the boxes. The new file does not "
            "have that change; what differed is kept here to look at."
        )
    return merged


def difference(new: str, yours: str, path: str) -> str:
    """Return in what the student's file differs from the new one, as a diff."""
    return "".join(
        line if line.endswith("\n") else f"{line}\n"
        for line in difflib.unified_diff(
            new.splitlines(keepends=True),
            yours.splitlines(keepends=True),
            f"new/{path}",
            f"yours/{path}",
        )
    )


def _text(content: bytes, path: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MergeError(
            [f"{path}:{line}: this is not UTF-8; save the file as UTF-8."]
        ) from None
    return text.replace("\r\n", "\n")


def _headers(source: str, path: str) -> dict[str, str]:
    """Return how each function with a region begins, as far as that can be read."""
    stubs = {
        region.key: " " * region.indent + "pass\n"
        for region in regions.find(source, path)
    }
    try:
        tree = ast.parse(regions.fill(source, stubs, path))
    except (SyntaxError, ValueError):
        return {}
    return {
        name: f"{ast.unparse(node.args)} -> {ast.unparse(node.returns or _NOTHING)}"
        for name, node in _functions(tree, "")
    }


def _functions(
    tree: ast.AST, inside: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{inside}{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield name, node
            yield from _functions(node, f"{name}.")


def parse_notebook(content: bytes, path: str) -> dict[str, Any]:
    """Return a notebook's content, insisting on a notebook's shape.

    Raises:
        MergeError: If it is none of format 4.
    """
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MergeError(
            [
                f"{path} cannot be read as a notebook ({error}); take a copy from "
                ".ipynb_checkpoints, or save it again."
            ]
        ) from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if (
        not isinstance(cells, list)
        or notebook.get("nbformat") != 4
        or not all(_is_cell(cell) for cell in cells)
    ):
        raise MergeError(
            [f"{path} is no notebook of format 4; open it in Jupyter and save it."]
        )
    return dict(notebook)


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        return False
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    outputs = cell.get("outputs", [])
    return (
        all(isinstance(line, str) for line in lines)
        and isinstance(cell.get("metadata", {}), dict)
        and isinstance(outputs, list)
        and all(isinstance(output, dict) for output in outputs)
    )


def merge_notebook(
    yours: bytes, new: bytes, old: Mapping[str, str], path: str
) -> Merged:
    """Bring what a student wrote and ran in a notebook into a newer one, cell by cell.

    Cells are known by their ids. What both sides changed stays as the student has it,
    with the new version set aside; cells that only the student has stay behind those
    that they followed.

    Args:
        yours: The student's notebook.
        new: The newer one, as handed out.
        old: Id -> hash of the text of each cell of the old one, from the stamp.
        path: What the notebook is called.

    Raises:
        MergeError: If yours is no notebook.
    """
    mine, theirs = parse_notebook(yours, path), parse_notebook(new, path)
    places = {cell["id"]: cell for cell in theirs["cells"]}
    merged = Merged(b"")
    asides: list[str] = []
    found: dict[str, Cell] = {}
    extras: dict[str | None, list[Cell]] = {}
    anchor: str | None = None
    for cell_id, cell in _recognised(mine["cells"], old, places):
        text = cell_text(cell)
        if cell_id is not None and cell_id in places:
            anchor = cell_id
            found[cell_id] = _merge_cell(
                cell, places[cell_id], old.get(cell_id), merged, asides
            )
        elif cell_id is None or fingerprint(text) != old.get(cell_id):
            extras.setdefault(anchor, []).append(cell)
            merged.carried.append(f"a cell of your own ({_first_line(text)})")
            if cell_id is not None:
                merged.notes.append(
                    f"{path}: the cell that you changed to “{_first_line(text)}” is in "
                    "the hand-out no longer; yours stays, beside what may replace it."
                )

    cells, taken = [], set(places)
    for cell_id in (None, *places):
        if cell_id is not None:
            cells.append(found.get(cell_id, places[cell_id]))
        cells += [_named_apart(cell, taken) for cell in extras.get(cell_id, [])]
    made = theirs | {"cells": cells, "metadata": theirs["metadata"] | mine["metadata"]}
    merged.content = write_notebook(made)
    merged.aside = "\n".join(asides)
    if asides:
        merged.notes.append(
            f"{path}: {len(asides)} cells were changed by you and by the course. Yours "
            "stay in the notebook; the new texts are kept here to look at."
        )
    return merged


def _recognised(
    cells: list[Cell], old: Mapping[str, str], places: Mapping[str, Cell]
) -> list[tuple[str | None, Cell]]:
    """Pair each cell with the id the course knows it by, or None if it is a new one."""
    ids: list[str | None] = []
    for cell in cells:
        cell_id = cell.get("id") or cell.get("metadata", {}).get("id")  # Colab's place
        known = cell_id in old or cell_id in places
        ids.append(cell_id if known and cell_id not in ids else None)
    # A tool that drops ids leaves texts: those that nobody touched tell their places.
    by_hash = {value: key for key, value in old.items() if key not in ids}
    for at, cell in enumerate(cells):
        if ids[at] is None:
            head, mark, _ = cell_text(cell).partition(ANSWER)
            for text in (cell_text(cell), head + mark):
                if cell_id := by_hash.pop(fingerprint(text), None):
                    ids[at] = cell_id
                    break
    return list(zip(ids, cells, strict=True))


def _merge_cell(
    mine: Cell, theirs: Cell, old: str | None, merged: Merged, asides: list[str]
) -> Cell:
    text, wanted = cell_text(mine), cell_text(theirs)
    if text == wanted and mine["cell_type"] == theirs["cell_type"]:
        return _kept(mine, theirs, theirs["source"])  # with the student's outputs
    if fingerprint(text) == old:
        return theirs
    merged.carried.append(f"the cell {theirs['id']}")
    if fingerprint(wanted) == old:
        return _kept(mine, theirs, mine["source"])
    head, mark, answer = text.partition(ANSWER)
    new_head, new_mark, below = wanted.partition(ANSWER)
    if mark and new_mark and not below.strip() and fingerprint(head + mark) == old:
        lines = (new_head + new_mark + answer).splitlines(keepends=True)
        return _kept(mine, theirs, lines)
    asides.append(f"----- the cell {theirs['id']}, new -----\n{wanted}\n")
    return _kept(mine, theirs, mine["source"])


def _kept(mine: Cell, theirs: Cell, source: str | list[str]) -> Cell:
    metadata = mine.get("metadata", {}) | theirs["metadata"]
    return mine | {"id": theirs["id"], "metadata": metadata, "source": source}


def _named_apart(cell: Cell, taken: set[str]) -> Cell:
    """Return the cell with an id that no other one has."""
    cell_id, number = cell.get("id"), 0
    while not isinstance(cell_id, str) or cell_id in taken:
        origin = f"{number}\0{cell_text(cell)}".encode("utf-8", "replace")
        cell_id, number = hashlib.sha256(origin).hexdigest()[:12], number + 1
    taken.add(cell_id)
    return cell | {"id": cell_id}


def write_notebook(notebook: Mapping[str, Any]) -> bytes:
    """Return a notebook's bytes, written as Jupyter does."""
    for plain in (False, True):  # half a surrogate pair can only be written escaped
        written = json.dumps(notebook, indent=1, ensure_ascii=plain, sort_keys=True)
        try:
            return (written + "\n").encode()
        except UnicodeEncodeError:
            continue
    raise AssertionError("escaped text is ASCII")


def _first_line(text: str) -> str:
    lines = text.strip().splitlines() or ["empty"]
    return lines[0] if len(lines[0]) <= 50 else f"{lines[0][:49]}…"


def answered(content: bytes, path: str) -> list[str]:
    """Say where a module holds answers.

    Raises:
        MergeError: If that cannot be told.
    """
    try:
        found = regions.find(_text(content, path), path)
    except regions.RegionError as error:
        raise MergeError([str(error)]) from None
    return [
        f"{path}:{region.first + 1}: your answer in {region.name}"
        for region in found
        if region.body.strip() and not regions.is_stub(region.body)
    ]
