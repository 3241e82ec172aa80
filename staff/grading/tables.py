"""Tables that leave the grader, and those that come back filled in.

A spreadsheet takes a cell that begins with ``=`` and the like for a formula, so texts
of students get an apostrophe before it.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cs231n.support.files import replacing
from staff.grading import cohort
from staff.grading import roster as rosters
from staff.grading.roster import ID, LOGIN, SECTION, SIS, STUDENT, Roster, Student
from staff.grading.scores import Person, Standing, shown
from staff.grading.written import Answer

WRITTEN = (
    *("file", "student", "question", "notebook", "cell", "asked", "answer", "note"),
    *("points", "of", "remark", "who"),
)
REMARKS = ("group", "students", "function", "failure", "remark")
# What a program that reads a sheet as formulas would start at.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
ASSIGNMENT = "Assignment 3"
_CANVAS = (STUDENT, ID, SIS, LOGIN, SECTION)
_OURS = re.compile(r"assignment\s*3\b", re.IGNORECASE)  # its title, then a number


class TableError(ValueError):
    """A table that cannot be taken back in."""


def save(rows: Iterable[Sequence[Any]], path: Path) -> None:
    """Write rows as CSV, whole or not at all."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    with replacing(path) as draft:
        # The mark at the start tells Excel that it is UTF-8.
        draft.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "replace"))


def text(said: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    said = said.replace("\0", "")
    return f"'{said}" if said.startswith(_FORMULA) else said


def rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return a CSV's rows, each with the number of its line under ``line``.

    Args:
        path: The file, with commas, semicolons or tabs between columns.
        columns: Names that its first row must have.

    Raises:
        TableError: If it cannot be read, or columns are missing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(
            f"{path} cannot be read ({error.strerror}); name a table."
        ) from None
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        decoded = content.decode("cp1252", "replace")  # as Excel saves it
    lines = io.StringIO(decoded, newline="")
    reader = csv.DictReader(lines, delimiter=rosters.separator(decoded))
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        if missing := [name for name in columns if name not in names]:
            raise TableError(
                f"{path} has no column {', '.join(missing)} (it has "
                f"{', '.join(names) or 'none'}); fill in the table as it came out."
            )
        reader.fieldnames = names
        return [
            {name: (row.get(name) or "").strip() for name in names}
            | {"line": str(reader.line_num)}
            for row in reader
        ]
    except csv.Error as error:
        raise TableError(f"{path}: {error}; save it as CSV once more.") from None


def class_rows(
    class_: Sequence[Standing], missing: Sequence[Student] = ()
) -> list[list[Any]]:
    """Return the class, one row for each submission of each student.

    Args:
        class_: All submissions.
        missing: Students without one.
    """
    ids = list(dict.fromkeys(part.id for s in class_ for part in s.parts))
    head = [
        *("student", "id", "submission", "edition", "received", "late", "counts"),
        *ids,
        *("code", "code of", "verdict", "written", "total", "decisions", "problem"),
        *("isolation", "file"),
    ]
    found: list[list[Any]] = [head]
    for s in class_:
        points = {part.id: part.points for part in s.parts}
        for person in s.students or (Person(s.name, ""),):
            found.append(
                [
                    *(text(person.name), text(person.id), text(s.submission["name"])),
                    *(
                        s.submission["edition"],
                        s.submission["received"],
                    ),
                    *("yes" if s.late else "", "yes" if person.counts else "no"),
                    *(shown(points[i]) if i in points else "" for i in ids),
                    *(
                        map(shown, (s.points, s.of, s.verdict, s.words))
                        if s.parts
                        else [""] * 4
                    ),
                    "" if s.failed else shown(s.total),
                    len(s.decisions) or "",
                    text(s.refused or s.failed or s.note),
                    s.record["host"].get("isolation", ""),
                    s.file,
                ]
            )
    for student in missing:
        row = dict.fromkeys(head, "")
        row |= {"student": text(student.name), "id": text(student.id)}
        found.append(list((row | {"problem": "No submission."}).values()))
    return found


def written_rows(
    class_: Sequence[Standing], answers: Mapping[str, Sequence[Answer]]
) -> list[list[Any]]:
    """Return the answers in words, with what people have given them so far.

    Args:
        class_: All submissions.
        answers: A submission's file -> its answers.
    """
    found: list[list[Any]] = [list(WRITTEN)]
    for s in class_:
        given = {row["cell"]: row for row in s.record["people"].get("written", ())}
        for answer in answers.get(s.file, ()):
            row = given.get(answer.cell, {})
            found.append(
                [
                    *(s.file, text(s.name), answer.question, answer.notebook),
                    answer.cell,
                    *(text(answer.asked), text(answer.text), text(answer.note)),
                    "" if row.get("points") is None else shown(row["points"]),
                    "" if row.get("of") is None else shown(row["of"]),
                    text(row.get("remark", "")),
                    text(row.get("who", "")),
                ]
            )
    return found


def read_written(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what graders filled in: a submission's file -> rows for its record.

    Rows in which nothing was filled in are left out.

    Raises:
        TableError: If it is no such table, or its points are no numbers.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(path, ("file", "cell", "points", "remark")):
        points = _points(row["points"], f"{path}:{row['line']}: points")
        of = _points(row.get("of", ""), f"{path}:{row['line']}: of")
        if points is None and not row["remark"]:
            continue
        if points is not None and of is not None and points > of:
            raise TableError(
                f"{path}:{row['line']}: {shown(points)} points of {shown(of)}; one of "
                "them is mistyped."
            )
        if not row["cell"]:
            raise TableError(
                f"{path}:{row['line']}: the cell has no name; fill in the table as it "
                "came out."
            )
        found.setdefault(row["file"], []).append(
            {
                "cell": row["cell"],
                "points": points,
                "of": of,
                "remark": row["remark"].removeprefix("'"),
                "who": row.get("who", "").removeprefix("'"),
            }
        )
    return found


def _points(said: str, where: str) -> float | None:
    if not said:
        return None
    try:
        value = float(said.replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e6:
        raise TableError(
            f"{where} must be a number from 0, or empty, but is {said!r}; mend the row."
        )
    return value


def remark_rows(class_: Sequence[Standing]) -> list[list[Any]]:
    """Return groups of identical failures, each with a place for a remark."""
    said = {key: remark for s in class_ for key, remark in s.said.items()}
    found: list[list[Any]] = [list(REMARKS)]
    for group in cohort.groups(class_):
        found.append(
            [
                *(group.key, len(group.members), group.function, text(group.what)),
                text(said.get(group.key, "")),
            ]
        )
    return found


def read_remarks(path: Path) -> dict[str, str]:
    """Return what graders say to groups: a group's key -> the remark.

    Raises:
        TableError: If it is no such table.
    """
    return {
        row["group"]: row["remark"].removeprefix("'")
        for row in rows(path, ("group", "remark"))
        if row["group"] and row["remark"]
    }


def canvas_rows(
    class_: Sequence[Standing], roster: Roster | None, of: float
) -> list[list[Any]]:
    """Return a gradebook for Canvas, which knows students by ``ID``, or by their login.

    Args:
        class_: All submissions; those that count go in.
        roster: Who is in the class: Canvas's own export names our column, and who
            handed in nothing is left without points.
        of: What the assignment is worth.
    """
    counts = {
        person.id: s
        for s in class_
        for person in s.students
        if person.counts and not s.failed
    }
    if roster:
        people = [(student.id, student.columns) for student in roster.students]
        known = {student.id for student in roster.students}
    else:
        people, known = [], set()
    people += [
        (person.id, {STUDENT: person.name, **person.columns})
        for s in class_
        for person in s.students
        if person.counts and person.id not in known
    ]
    own = [name for name in roster.header if _OURS.search(name)] if roster else []
    head = [*_CANVAS, own[0] if own else ASSIGNMENT]
    found: list[list[Any]] = [head, ["    Points Possible", *[""] * 4, shown(of)]]
    for id_, columns in people:
        points = shown(counts[id_].total) if id_ in counts else ""
        found.append([*(text(columns.get(name, "")) for name in _CANVAS), points])
    return found
