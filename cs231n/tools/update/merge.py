"""Bring a student's answers into a newer version of a file. Bytes in, bytes out.

What a student wrote is never thrown away: it is carried, or set aside with a note, or
the merge is refused.
"""

import ast
import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cs231n.assignment import canonical, given, regions, stamp
from cs231n.assignment.stamp import cell_text, fingerprint

Cell: TypeAlias = dict[str, Any]
_NOTHING = ast.Constant(None)
ANSWER = "*Your answer:*"  # what comes below this line of a cell is the student's


class MergeError(regions.ProblemsError):
    """Answers that cannot be carried; one message for each."""


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


def merge_module(
    yours: bytes,
    new: bytes,
    old_given: str,
    path: str,
    places: Collection[str] = (),
    lines: str = "",
) -> Merged:
    """Move what a student wrote between a module's boxes into a newer module.

    Args:
        yours: The student's module.
        new: The newer one, as handed out.
        old_given: The stamp's hash of what was given in the old one.
        path: What the module is called.
        places: The stamp's list of the old one's boxes, should it have one.
        lines: What the stamp knows of the old one's given lines, likewise.

    Raises:
        MergeError: If an answer has no place to go, stands outside its box, or may do
            so because a box is damaged or gone.
    """
    wanted, source = stamp.text(new), _text(yours, path)
    if line := regions.conflict(source):
        raise MergeError([f"{path}:{line}: {regions.SETTLE}"])
    theirs = regions.find(wanted, path)
    mine, damages = regions.scan(source)
    if damages:
        torn = {damage.owner for damage in damages}
        gone = _gone(source, mine, theirs, places, path, torn)
        raise MergeError([*(f"{path}:{d.line}: {d.text}" for d in damages), *gone])
    new_places = {region.key: region for region in theirs}
    count, counted = (Counter(r.owner for r in found) for found in (mine, theirs))
    functions, old_functions = _functions_of(wanted, path), _functions_of(source, path)
    changed = given.changes(source, lines or given.lines(wanted, path), path)

    merged = Merged(b"")
    bodies: dict[regions.Key, str] = {}
    problems = list(_gone(source, mine, theirs, places, path))
    for region in mine:
        if regions.is_stub(region.body) or not region.body.strip():
            outside = [c for c in changed if c.owner == region.owner and c.text]
            if outside and not _alike(region.owner, functions, old_functions):
                problems.append(
                    f"{path}:{outside[0].line}: in {region.name} nothing of yours "
                    f"stands between the boxes, but {outside[0].text!r} does outside; "
                    "move your answer between them, or put the function back as the "
                    "hand-out has it."
                )
            continue
        place = new_places.get(region.key)
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
            now = _header(functions, region.owner)
            if old_functions and _header(old_functions, region.owner) != now:
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
    left = fingerprint(regions.skeleton(source, path))
    if left not in {old_given, fingerprint(regions.skeleton(wanted, path))}:
        merged.aside = difference(content, source, path)
        places_of = dict.fromkeys(c.owner or "the module itself" for c in changed)
        where = f" (in {', '.join(places_of)})" if places_of else ""
        merged.notes.append(
            f"{path}: you had changed code outside the boxes{where}. The new file does "
            "not have that change; what differed is kept here to look at."
        )
    return merged


def _gone(
    source: str,
    mine: Collection[regions.Region],
    theirs: Collection[regions.Region],
    places: Collection[str],
    path: str,
    torn: Collection[str] = (),
) -> Iterator[str]:
    """Name each box that was handed out and is not in a student's module.

    Args:
        source: The module's text.
        mine: The boxes that are whole in it.
        theirs: Those of the newer one.
        places: The stamp's list of those that were handed out, should it have one.
        path: What the module is called.
        torn: Functions with damaged boxes, of which something was said already.
    """
    owners = regions.owners(source)
    known: list[regions.Key] = [
        (owner, int(number))
        for owner, _, number in (place.rpartition(":") for place in places)
    ]
    if not known:  # of an earlier release: the boxes of the new one, save new functions
        known = [region.key for region in theirs if region.owner in owners]
    there = {region.key for region in mine}
    for owner, number in known:
        if (owner, number) in there or owner in torn:
            continue
        name = regions.called(owner, number)
        if owner in owners:
            yield (
                f"{path}:{owners.index(owner) + 1}: the box of {name} is gone, so that "
                "your answer cannot be told from given code; put the comment lines "
                "above and below it back as the hand-out has them."
            )
        else:
            yield (
                f"{path}: {name} is gone, with its box; put it back as the hand-out "
                "has it."
            )


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
    at = content.find(b"\0")  # half of each letter in UTF-16, nothing in a module
    try:
        text = stamp.text(content)
    except UnicodeDecodeError as error:
        at = error.start
    if at < 0:
        return text
    line = content[:at].count(b"\n") + 1
    raise MergeError([f"{path}:{line}: this is not UTF-8; save the file as UTF-8."])


def _functions_of(source: str, path: str) -> dict[str, canonical.Function]:
    """Return a module's functions without their answers, as far as it can be read."""
    stubs = {
        region.key: " " * region.indent + "pass\n"
        for region in regions.find(source, path)
    }
    tree = canonical.parsed(regions.fill(source, stubs, path))
    return dict(canonical.functions(tree)) if tree else {}


def _header(functions: Mapping[str, canonical.Function], name: str) -> str:
    node = functions.get(name)
    if node is None:
        return ""
    return f"{ast.unparse(node.args)} -> {ast.unparse(node.returns or _NOTHING)}"


def _alike(
    name: str,
    one: Mapping[str, canonical.Function],
    other: Mapping[str, canonical.Function],
) -> bool:
    """Tell whether the given code of a function differs in its layout alone."""
    if name not in one or name not in other:
        return False
    return canonical.structure(one[name]) == canonical.structure(other[name])


def parse_notebook(content: bytes, path: str) -> dict[str, Any]:
    """Return a notebook's content, insisting on a notebook's shape.

    Raises:
        MergeError: If it is none of format 4, or git has left a conflict in it.
    """
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as error:
        text = content.decode("utf-8", "replace")
        if isinstance(error, ValueError) and (line := regions.conflict(text)):
            raise MergeError([f"{path}:{line}: {regions.SETTLE}"]) from None
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
    torn = [
        f"{path}, cell {number}: {regions.SETTLE}"
        for number, cell in enumerate(cells, start=1)
        if regions.conflict(cell_text(cell))
    ]
    if torn:
        raise MergeError(torn)
    if not isinstance(notebook.get("metadata"), dict):
        notebook["metadata"] = {}  # written by a program that is not Jupyter
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
        raise MergeError(error.problems) from None
    return [
        f"{path}:{region.first + 1}: your answer in {region.name}"
        for region in found
        if region.body.strip() and not regions.is_stub(region.body)
    ]
