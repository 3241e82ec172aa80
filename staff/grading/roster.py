"""Who is in the class, and which submission counts for whom.

A roster is a csv. Canvas's own export of its gradebook will do, whose columns are
``Student``, ``ID``, ``SIS User ID``, ``SIS Login ID`` and ``Section``; so will any
other with a column for names and one for something that tells people apart.
"""

import csv
import datetime
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cs231n.support.file_kinds import because
from staff.grading.intake.sources import shown
from staff.grading.intake.texts import decode
from staff.grading.submission import Refused, Submission

STUDENT, ID, SIS, LOGIN, EMAIL = "Student", "ID", "SIS User ID", "SIS Login ID", "Email"
SECTION, IDENTIFIER, FILE = "Section", "Identifier", "File"
LAST, BEST = "last", "best"
# What a platform says -> columns of a roster in which it may stand.
_PLACES = {
    ID: (ID,),
    SIS: (SIS, LOGIN),
    LOGIN: (LOGIN,),
    EMAIL: (EMAIL, LOGIN),
    IDENTIFIER: (IDENTIFIER,),
    FILE: (ID, SIS, LOGIN, EMAIL),
}
_LARGEST = 20_000_000  # bytes
# What other programs call the same columns, in lower case.
_NAMES = {
    STUDENT: ("student", "name", "full name", "student name", "display name"),
    ID: ("id", "student id", "canvas id", "student_id", "user id"),
    SIS: ("sis user id", "sid", "sis id", "id number", "student number", "suid"),
    LOGIN: ("sis login id", "login", "login id", "username", "user name", "sunet id"),
    EMAIL: ("email", "email address", "e-mail", "mail"),
    SECTION: ("section", "sections", "group"),
    IDENTIFIER: ("identifier",),
}
_TELLING = (ID, SIS, LOGIN, EMAIL, IDENTIFIER, STUDENT)  # the best first
_FIRST = ("first name", "first_name", "given name", "firstname")
_FAMILY = ("last name", "last_name", "surname", "family name", "lastname")


class RosterError(ValueError):
    """A roster that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Student:
    """Somebody in the class.

    Attributes:
        name: As the roster spells it.
        id: What tells them from all others: their ID, else SIS id, login, email, name.
        columns: All that the roster says of them, under Canvas's names of columns.
        row: The line of the roster, as it was, by its own names of columns.
    """

    name: str
    id: str
    columns: Mapping[str, str] = field(hash=False)
    row: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Attempt:
    """A submission that is somebody's.

    Attributes:
        submission: The submission, or why it could not be read.
        students: Whose it is: several if it is a group's.
        late: Whether it came late.
    """

    submission: Submission | Refused
    students: tuple[Student, ...]
    late: bool


@dataclass(frozen=True)
class Matched:
    """A class's submissions by student.

    Attributes:
        attempts: A student's id -> their attempts, the earliest first.
        unmatched: Submissions of nobody in the roster, each with the reason.
        missing: Students without a submission.
    """

    attempts: Mapping[str, tuple[Attempt, ...]]
    unmatched: tuple[tuple[Submission | Refused, str], ...]
    missing: tuple[Student, ...]


class Roster:
    """A class.

    Attributes:
        students: In the order of the roster.
        header: Names of its columns, as it spells them.
    """

    def __init__(self, students: Sequence[Student], header: Sequence[str]) -> None:
        """Take the students; ids must differ.

        Raises:
            RosterError: If two have the same.
        """
        self.students, self.header = tuple(students), tuple(header)
        seen: dict[str, Student] = {}
        for student in students:
            other = seen.setdefault(student.id, student)
            if other is not student:
                raise RosterError(
                    f"The roster has {shown(other.name)} and {shown(student.name)} "
                    f"under one id, {shown(student.id)}; correct it."
                )

    def find(self, who: Mapping[str, str]) -> tuple[Student, ...]:
        """Return whom a platform, or a file's name, means.

        Looked for are ID, SIS id, login and email, and then names, whatever their
        accents and order.

        Args:
            who: ``student`` of a submission. Values of a group have a line for each.

        Raises:
            LookupError: If it is nobody, or not clear; the message is a sentence.
        """
        count = max((value.count("\n") + 1 for value in who.values()), default=0)
        found = []
        for k in range(count):
            parts = {c: v.split("\n") for c, v in who.items()}
            one = {c: v[k].strip() for c, v in parts.items() if k < len(v)}
            found.append(self._find_one({c: v for c, v in one.items() if v}))
        if not found:
            raise LookupError("Nothing says whose it is; add a line to the overrides.")
        return tuple(dict.fromkeys(found))

    def _find_one(self, who: Mapping[str, str]) -> Student:
        for column, places in _PLACES.items():
            for place in places:
                if match := self._only(place, who.get(column, "")):
                    return match
        for number in re.findall(r"\d{4,}", who.get(FILE, "")):
            for place in (ID, SIS):
                if match := self._only(place, number):
                    return match
        said = who.get(STUDENT) or who.get(FILE, "")
        for alike in (_words, _letters):
            same = [s for s in self.students if said and alike(s.name) == alike(said)]
            if len(same) == 1:
                return same[0]
            if same:
                raise LookupError(
                    f"{shown(said)} is the name of {len(same)} students "
                    f"({', '.join(shown(s.id) for s in same)}); say which one by an ID."
                )
        told = ", ".join(f"{c} {shown(v)}" for c, v in who.items()) or "nothing"
        raise LookupError(f"The roster has nobody with {told}; look at the spelling.")

    def _only(self, column: str, value: str) -> Student | None:
        found = [s for s in self.students if value and _equal(s, column, value)]
        return found[0] if len(found) == 1 else None

    def match(
        self,
        submissions: Iterable[Submission | Refused],
        due: datetime.datetime | None = None,
    ) -> Matched:
        """Sort submissions by student.

        Args:
            submissions: In the order in which intake read them.
            due: When they were due: what came later is late, and what has no time is
                late if its platform says so.
        """
        attempts: dict[str, list[Attempt]] = {s.id: [] for s in self.students}
        unmatched = []
        for submission in submissions:
            try:
                students = self.find(submission.student)
            except LookupError as error:
                unmatched.append((submission, str(error.args[0])))
                continue
            attempt = Attempt(submission, students, is_late(submission, due))
            for student in students:
                attempts[student.id].append(attempt)
        return Matched(
            {
                id: tuple(sorted(found, key=lambda a: order(a.submission)))
                for id, found in attempts.items()
                if found
            },
            tuple(unmatched),
            tuple(s for s in self.students if not attempts[s.id]),
        )


def read(path: Path) -> Roster:
    """Read a roster.

    Args:
        path: A csv, such as Canvas's export.

    Raises:
        RosterError: If it cannot be read, or has no column that tells people apart.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST)
        if content.startswith(b"PK"):
            reason = because(path, "text", "", "save it as csv")
            raise RosterError(f"{path.name} is no csv {reason}")
        text, _ = decode(content)
    except OSError as error:
        raise RosterError(
            f"{path.name} cannot be read ({error.strerror}); give the csv of the class."
        ) from None
    except ValueError as error:
        if isinstance(error, RosterError):
            raise
        raise RosterError(
            f"{path.name} is no csv: {error}; save it anew as csv in UTF-8."
        ) from None
    return parse(text, path.name)


def parse(text: str, called: str) -> Roster:
    """Return the roster that a csv's text holds.

    Args:
        text: The text.
        called: What to call it in messages.

    Raises:
        RosterError: If something is wrong with it.
    """
    try:
        read_rows = csv.reader(io.StringIO(text), delimiter=separator(text))
        rows = [row for row in read_rows if any(row)]
    except csv.Error as error:
        raise RosterError(f"{called} is no csv ({error}); export it anew.") from None
    if not rows:
        raise RosterError(f"{called} is empty; export the class anew.")
    header = [name.strip().removeprefix("\ufeff") for name in rows[0]]
    columns = _columns(header)
    if not columns.keys() & set(_TELLING):
        raise RosterError(
            f"{called} has the columns {', '.join(map(shown, header[:8]))}; "
            f"one of {', '.join(_TELLING)} is wanted in its first line."
        )
    students = []
    for row in rows[1:]:
        cells = [cell.strip() for cell in row] + [""] * (len(header) - len(row))
        # Canvas's second row says what assignments are worth; its last is a test.
        if cells[0].startswith("Points Possible") or cells[0] == "Student, Test":
            continue
        found = {column: join(cells) for column, join in columns.items()}
        found = {column: value for column, value in found.items() if value}
        if id := next((found[c] for c in _TELLING if c in found), ""):
            whole = dict(zip(header, cells, strict=False))
            students.append(Student(found.get(STUDENT, id), id, found, whole))
    if not students:
        raise RosterError(f"{called} has nobody in it; export the class anew.")
    return Roster(students, header)


def chosen(
    attempts: Sequence[Attempt],
    rule: str = LAST,
    score: Callable[[Submission], float] | None = None,
) -> Attempt:
    """Return the attempt that counts.

    What could not be read counts only where nothing else is there.

    Args:
        attempts: One student's, the earliest first.
        rule: ``LAST`` or ``BEST``.
        score: What a submission earned, for ``BEST``.

    Raises:
        ValueError: If there is no such rule, or no score for it.
    """
    if rule not in {LAST, BEST} or (rule == BEST and score is None):
        raise ValueError(
            f"The rule {rule!r} was asked for; {LAST!r} is wanted, or {BEST!r} with a "
            "score."
        )
    whole = [a for a in attempts if isinstance(a.submission, Submission)]
    if rule == BEST and score is not None:
        best = None
        for attempt in whole:
            assert isinstance(attempt.submission, Submission)
            points = score(attempt.submission)
            if best is None or points >= best[0]:  # of equal ones the last
                best = points, attempt
        if best is not None:
            return best[1]
    return (whole or list(attempts))[-1]


def is_late(submission: Submission | Refused, due: datetime.datetime | None) -> bool:
    """Tell whether a submission came late.

    Args:
        submission: The submission.
        due: When it was due; None if only its platform can tell.
    """
    if isinstance(submission, Refused):
        return False
    came = _time(submission.received)
    if due is None or came is None:
        return submission.late
    if due.tzinfo is None:
        due = due.replace(tzinfo=came.tzinfo)
    return came > due


def _columns(header: Sequence[str]) -> dict[str, Callable[[Sequence[str]], str]]:
    """Return Canvas's names of columns -> what finds their value in a row."""
    lower = [name.casefold() for name in header]

    def at(names: Iterable[str]) -> int | None:
        return next((lower.index(name) for name in names if name in lower), None)

    def cell(place: int) -> Callable[[Sequence[str]], str]:
        return lambda cells: cells[place]

    found = {
        column: cell(place)
        for column, names in _NAMES.items()
        if (place := at(names)) is not None
    }
    first, family = at(_FIRST), at(_FAMILY)
    if STUDENT not in found and first is not None and family is not None:
        a, b = first, family
        found[STUDENT] = lambda cells: f"{cells[a]} {cells[b]}".strip()
    return found


def separator(text: str) -> str:
    """Return what keeps a table's cells apart: a comma, a semicolon or a tab."""
    return max(",;\t", key=text.partition("\n")[0].count)


def _equal(student: Student, column: str, value: str) -> bool:
    own = student.columns.get(column, "")
    if not own:
        return False
    if own.isdigit() and value.isdigit():
        return own.lstrip("0") == value.lstrip("0")  # spreadsheets eat zeros
    return own.casefold() == value.casefold()


def _words(name: str) -> tuple[str, ...]:
    """Return a name's words without accents, in one order for all spellings."""
    return tuple(sorted(re.findall(r"\w+", _bare(name))))


def _letters(name: str) -> str:
    """Return a name as Canvas writes it into names of files: ``doejane``."""
    family, comma, given = name.partition(",")
    if comma:
        name = f"{family} {given}"
    else:
        *first, last = name.split() or [""]
        # One word may be such a name already.
        name = " ".join([last, *first])
    return re.sub(r"[\W_]", "", _bare(name))


def _bare(name: str) -> str:
    """Return a name in lower case without accents."""
    spelled = name.translate({ord(a): b for a, b in _SPELLED.items()})
    plain = unicodedata.normalize("NFKD", spelled)
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()


# Letters that have no accent to take off.
_SPELLED = {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "\u0131": "i"}
_SPELLED |= {"æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ð": "d", "þ": "th"}


def order(submission: Submission | Refused) -> tuple[float, tuple[object, ...]]:
    """Return what sorts attempts by time, and where there is none by number."""
    received = submission.received if isinstance(submission, Submission) else ""
    came = _time(received)
    parts = re.split(r"(\d+)", submission.name)
    natural = tuple((int(p), "") if p.isdecimal() else (-1, p) for p in parts if p)
    return came.timestamp() if came else float("-inf"), natural


def _time(received: str) -> datetime.datetime | None:
    try:
        came = datetime.datetime.fromisoformat(received)
    except ValueError:
        return None
    return came if came.tzinfo else came.replace(tzinfo=datetime.UTC)
