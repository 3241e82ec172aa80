"""What people add to verdicts: whose they are, decisions, points for words, remarks.

All of it goes into the part ``people`` of the records, so that pages and tables come
from records alone and ``regrade`` keeps it.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from staff.grading import overrides, roster
from staff.grading.cohort import groups_of
from staff.grading.overrides import Override
from staff.grading.records import Record
from staff.grading.roster import Attempt, Roster, Student
from staff.grading.scores import Standing, standing
from staff.grading.submission import Refused, Submission
from staff.grading.tables import TableError

ATTEMPTS = (roster.LAST, roster.BEST)
_TELLING = (roster.ID, roster.SIS, roster.LOGIN, roster.EMAIL)


def assign(
    all_: Mapping[str, Record],
    class_: Roster | None,
    rule: str,
    due: datetime.datetime | None = None,
) -> tuple[Student, ...]:
    """Say whose each submission is, which one counts for whom, and which are late.

    Args:
        all_: File -> record.
        class_: Who is in the class; None if nobody says, and then people are told
            apart by what their platform said of them.
        rule: Which of several attempts counts, one of ``ATTEMPTS``.
        due: When they were due; None if only the platform can tell.

    Returns:
        Students without a submission.
    """
    file_of: dict[int, str] = {}
    attempts: dict[str, list[Attempt]] = {}
    for file, record in all_.items():
        one, people = _as_submission(record), record["people"]
        file_of[id(one)] = file
        owners, note = _owners(one, class_, file)
        late = roster.is_late(one, due)
        for key, value in (("note", note), ("late", late)):
            people.pop(key, None)
            if value:
                people[key] = value
        people["students"] = [_row(owner) for owner in owners]
        for owner in owners:
            attempts.setdefault(owner.id, []).append(Attempt(one, owners, late))

    def score(one: Submission) -> float:
        file = file_of[id(one)]
        return standing(all_[file], file).points

    for owner_id, found in attempts.items():
        found.sort(key=lambda attempt: roster.order(attempt.submission))
        best = roster.chosen(found, rule, score)
        for attempt in found:
            for row in all_[file_of[id(attempt.submission)]]["people"]["students"]:
                if row["id"] == owner_id:
                    row["counts"] = attempt is best
    here = class_.students if class_ else ()
    return tuple(student for student in here if student.id not in attempts)


def _as_submission(record: Record) -> Submission | Refused:
    """Return what the rules about attempts need to know of a submission."""
    about = record["verdict"]["submission"]
    if "refused" in record["verdict"]:
        return Refused(about["name"], "", about["student"])
    return Submission(
        about["name"],
        about.get("layout", ""),
        about.get("edition", ""),
        {},
        student=about["student"],
        received=about.get("received", ""),
        late=about.get("late", False),
    )


def _owners(
    one: Submission | Refused, class_: Roster | None, file: str
) -> tuple[tuple[Student, ...], str]:
    """Return whose a submission is, and a note where the roster does not tell."""
    if class_ is not None:
        try:
            return class_.find(one.student), ""
        except LookupError as error:
            return _told(one, file), str(error.args[0])
    return _told(one, file), ""


def _told(one: Submission | Refused, file: str) -> tuple[Student, ...]:
    """Return whose a submission is by what came with it alone."""
    count = max((value.count("\n") + 1 for value in one.student.values()), default=0)
    found = []
    for k in range(count):
        parts = {c: v.split("\n") for c, v in one.student.items()}
        own = {c: v[k].strip() for c, v in parts.items() if k < len(v) and v[k].strip()}
        known = (roster.ID, roster.SIS, roster.LOGIN, roster.EMAIL, roster.STUDENT)
        told = next((own[c] for c in known if c in own), "")
        name = own.get(roster.STUDENT) or told or own.get(roster.FILE) or one.name
        found.append(Student(name, told or file, own))
    return tuple(found) or (Student(one.name, file, {}),)


def _row(student: Student) -> dict[str, Any]:
    columns = {k: v for k, v in student.columns.items() if v}
    return {"name": student.name, "id": student.id, "counts": True, "columns": columns}


def override(all_: Mapping[str, Record], decisions: Sequence[Override]) -> None:
    """Put decisions into the records that they are about, in place of older ones.

    Args:
        all_: File -> record, whose students are known.
        decisions: Of ``overrides.csv``.

    Raises:
        OverridesError: If one is about nobody, or no check, or gives too much.
    """
    class_ = {file: standing(record, file) for file, record in all_.items()}
    checks = {
        (check.id, check.of): check
        for s in class_.values()
        for part in s.parts
        for work in part.works
        for check in work.checks
    }
    known = {id_ for s in class_.values() for id_ in _ids(s)}
    worth_most = sorted(checks.values(), key=lambda check: check.of)  # of editions
    overrides.require_known(decisions, known, worth_most)
    for file, record in all_.items():
        record["people"].pop("overrides", None)
        own = [
            d for d in decisions if d.is_withdrawal or d.student in _ids(class_[file])
        ]
        has = {
            c["function"] + "/" + c["name"] for c in record["verdict"].get("checks", ())
        }
        if rows := [_decision(d) for d in own if d.check in has]:
            record["people"]["overrides"] = rows


def _ids(s: Standing) -> set[str]:
    """Return what a table may call the people of a submission."""
    found = {s.file}
    for student in s.students:
        # Names may be two people's; an id never is.
        found |= {student.id, *(student.columns.get(c, "") for c in _TELLING)}
    return found - {""}


def _decision(one: Override) -> dict[str, Any]:
    found = {"check": one.check, "reason": one.reason, "who": one.who}
    return found | {"points": one.points}


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
    """Put what is said to groups into the records, in place of what was said before.

    Args:
        all_: File -> record.
        said: A group's key -> the remark.
    """
    for file, record in all_.items():
        groups = groups_of(standing(record, file))
        record["people"].pop("remarks", None)
        if own := {key: said[key] for key in groups if key in said}:
            record["people"]["remarks"] = own
