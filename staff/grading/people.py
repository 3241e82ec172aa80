"""What people add to verdicts: whose they are, overrides, points for words, remarks.

All of it goes into the part ``people`` of the records, so that pages and tables come from
records alone and ``regrade`` keeps it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from staff.grading import tables
from staff.grading.records import Record
from staff.grading.scores import Standing, standing
from staff.grading.tables import TableError

OVERRIDES = ("student", "check", "points", "reason", "who")
ATTEMPTS = ("last", "best")


def read_overrides(path: Path) -> list[dict[str, str]]:
    """Return the rows of ``overrides.csv``.

    Raises:
        TableError: If it is no such table.
    """
    found = tables.rows(path, OVERRIDES)
    for row in found:
        for name in ("student", "check", "points", "reason", "who"):
            if not row[name]:
                raise TableError(
                    f"{path}:{row['line']}: {name} is empty; say whose, which check, how "
                    "many points, why and who decided."
                )
    return found


def override(
    all_: Mapping[str, Record], rows: Iterable[Mapping[str, str]], where: str
) -> None:
    """Put overrides into the records that they are about, in place of older ones.

    Args:
        all_: File -> record.
        rows: As ``read_overrides`` returns them.
        where: What the table is called.

    Raises:
        TableError: If a row fits no submission, or no check of it, or gives points that
            the check does not have.
    """
    new: dict[str, list[dict[str, Any]]] = {file: [] for file in all_}
    for row in rows:
        place = f"{where}:{row['line']}"
        found = [file for file in all_ if _is(all_[file], file, row["student"])]
        if not found:
            raise TableError(
                f"{place}: nobody here is called {row['student']!r}; write a name or an "
                "id as class.csv has it."
            )
        if len({str(standing(all_[file], file).student) for file in found}) > 1:
            raise TableError(
                f"{place}: {row['student']!r} may be several people ({', '.join(found)}); "
                "write the id, or the file's name."
            )
        known = False
        for file in found:
            checks = {
                f"{check['function']}/{check['name']}": check["of"]
                for check in all_[file]["verdict"].get("checks", ())
            }
            of = checks.get(row["check"])
            if of is None:
                continue
            known = True
            points = _points(row["points"], of, place)
            new[file] = [o for o in new[file] if o["check"] != row["check"]]
            new[file].append(
                {
                    "check": row["check"],
                    "points": points,
                    "reason": row["reason"],
                    "who": row["who"],
                }
            )
        if not known:
            raise TableError(
                f"{place}: {row['student']} has no check {row['check']!r}; the page for "
                "graders names them."
            )
    for file, found_ones in new.items():
        people = all_[file]["people"]
        people.pop("overrides", None)
        if found_ones:
            people["overrides"] = found_ones


def _points(said: str, of: float, place: str) -> float:
    try:
        points = float(said.replace(",", "."))
    except ValueError:
        points = -1.0
    if not 0 <= points <= of + 1e-9:
        raise TableError(
            f"{place}: points must be from 0 to {of:g}, what the check is worth, but are "
            f"{said!r}; mend the row."
        )
    return points


def _is(record: Record, file: str, said: str) -> bool:
    """Tell whether a record is of whom a table speaks."""
    verdict, people = record["verdict"], record["people"]
    names = {file, verdict["submission"]["name"]}
    names |= set(verdict["submission"]["student"].values())
    names |= set(people.get("student", {}).values())
    return said.strip().casefold() in {name.strip().casefold() for name in names if name}


def give_written(
    all_: Mapping[str, Record], given: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Put points and remarks for answers in words into the records.

    What a table does not speak of stays as it was.

    Args:
        all_: File -> record.
        given: As ``tables.read_written`` returns them.

    Raises:
        TableError: If it speaks of a submission that is not here.
    """
    for file, rows in given.items():
        if file not in all_:
            raise TableError(
                f"written.csv speaks of {file}, which has no record here; fill in the "
                "table that came out of these grades."
            )
        people = all_[file]["people"]
        merged = {row["cell"]: dict(row) for row in people.get("written", ())}
        merged |= {row["cell"]: dict(row) for row in rows}
        people["written"] = list(merged.values())


def remark(all_: Mapping[str, Record], said: Mapping[str, str]) -> None:
    """Put what is said to groups into the records.

    Args:
        all_: File -> record.
        said: A group's key -> the remark.
    """
    from staff.grading.cohort import groups_of

    for file, record in all_.items():
        own = {
            key: said[key] for key in groups_of(standing(record, file)) if key in said
        }
        record["people"].pop("remarks", None)
        if own:
            record["people"]["remarks"] = own


def choose_attempts(all_: Mapping[str, Record], which: str) -> None:
    """Mark of several submissions of one student which one counts.

    Submissions that name no student stand for themselves.

    Args:
        all_: File -> record.
        which: One of ``ATTEMPTS``. The last one is by the time that the platform tells,
            a refused one counts only where there is no other.
    """
    of: dict[str, list[str]] = {}
    for file, record in all_.items():
        of.setdefault(_owner(standing(record, file)), []).append(file)
    for files in of.values():
        best = max(files, key=lambda file: _rank(standing(all_[file], file), which))
        for file in files:
            people = all_[file]["people"]
            people.pop("counts", None)
            if file != best:
                people["counts"] = False


def _owner(s: Standing) -> str:
    if s.id:
        return f"id {s.id}"
    # A platform's other words, such as the attempt's number, differ between attempts.
    return f"name {s.name}" if s.name != s.submission["name"] else f"file {s.file}"


def _rank(s: Standing, which: str) -> tuple[Any, ...]:
    judged = bool(s.parts) or bool(s.failed)
    received = str(s.submission.get("received", ""))
    if which == "best":
        return judged, s.points, received, s.file
    return judged, received, s.submission["name"], s.file
