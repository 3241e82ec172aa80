"""What people decide after the grader: points for one, checks withdrawn for all.

``overrides.csv`` has a line for each decision::

    student,check,points,reason,who
    4711,cs231n.rnn_layers.rnn_forward/values,2,appeal of May 3: the text allows it,ab
    *,cs231n.gan_pytorch.sample_noise/values,,the check drew from the wrong seed,cd

A line with ``*`` in place of a student, and no points, withdraws the check for all:
everybody gets its points, as if it had passed.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from staff.grading.intake.sources import shown
from staff.grading.intake.texts import decode
from staff.grading.results import PASSED, Check

COLUMNS = ("student", "check", "points", "reason", "who")
ALL = "*"
_LARGEST = 20_000_000  # bytes


class OverridesError(ValueError):
    """Lines of no use; each line of the message begins with ``file:line:``."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems; together they are the message."""
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Override:
    """One decision.

    Attributes:
        student: The student's id in the roster; ``ALL`` if the check is withdrawn.
        check: The check's id, such as ``cs231n.rnn_layers.rnn_forward/values``.
        points: What it is to earn; None if it is withdrawn.
        reason: Why, for the student to read.
        who: Who decided.
        line: Where it stands in the file.
    """

    student: str
    check: str
    points: float | None
    reason: str
    who: str
    line: int = 0

    @property
    def is_withdrawal(self) -> bool:
        """Whether it is about everybody."""
        return self.student == ALL

    @property
    def says(self) -> str:
        """What both pages show of it."""
        if self.is_withdrawal:
            return f"This check was withdrawn for all: {self.reason} ({self.who})."
        return f"Set to {self.points:g} by hand: {self.reason} ({self.who})."


def read(path: Path) -> tuple[Override, ...]:
    """Read the file of decisions.

    Args:
        path: The csv.

    Raises:
        OverridesError: Naming every line that cannot be used.
    """
    try:
        with path.open("rb") as file:
            text, _ = decode(file.read(_LARGEST))
    except OSError as error:
        raise OverridesError(
            [f"{path.name}:1: it cannot be read ({error.strerror}); look at its name."]
        ) from None
    except ValueError as error:
        raise OverridesError(
            [f"{path.name}:1: it is no csv: {error}; save it as csv in UTF-8."]
        ) from None
    return parse(text, path.name)


def parse(text: str, called: str) -> tuple[Override, ...]:
    """Return the decisions that a csv's text holds.

    Args:
        text: The text.
        called: What to call it in messages.

    Raises:
        OverridesError: Naming every line that cannot be used.
    """
    rows = csv.reader(io.StringIO(text), strict=True)
    found: list[Override] = []
    problems: list[str] = []
    first: dict[tuple[str, str], int] = {}
    header: list[str] = []
    line = 1
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                line = rows.line_num + 1
                continue
            if not header:
                header = [cell.casefold() for cell in cells]
                if missing := [name for name in COLUMNS if name not in header]:
                    raise OverridesError(
                        [
                            f"{called}:{line}: the first line lacks "
                            f"{', '.join(missing)}; write {','.join(COLUMNS)}."
                        ]
                    )
            else:
                try:
                    decision = _override(header, cells, line)
                    key = decision.student, decision.check
                    if first.setdefault(key, line) != line:
                        raise ValueError(
                            f"line {first[key]} says something of the same student and "
                            "check; keep one"
                        )
                    found.append(decision)
                except ValueError as error:
                    problems.append(f"{called}:{line}: {error}.")
            line = rows.line_num + 1
    except csv.Error as error:
        problems.append(f"{called}:{rows.line_num}: this is no csv ({error}); mend it.")
    if not header and not problems:
        problems.append(
            f"{called}:1: it is empty; write {','.join(COLUMNS)} in its first line."
        )
    if problems:
        raise OverridesError(problems)
    return tuple(found)


def _override(header: Sequence[str], cells: Sequence[str], line: int) -> Override:
    if len(cells) != len(header):
        raise ValueError(
            f"it has {len(cells)} cells, and the first line {len(header)}; put a "
            "reason with a comma in it between quotation marks"
        )
    row = dict(zip(header, cells, strict=True))
    for column in ("student", "check", "reason", "who"):
        if not row[column]:
            raise ValueError(f"{column} is empty; whoever reads it later needs it")
    if "/" not in row["check"]:
        raise ValueError(
            f"{shown(row['check'])} is no check; write a function's name, a slash and "
            "the check's name, as the grader's page has them"
        )
    points = _points(row["points"], row["student"] == ALL)
    return Override(
        row["student"], row["check"], points, row["reason"], row["who"], line
    )


def _points(cell: str, withdrawn: bool) -> float | None:
    if withdrawn:
        if cell:
            raise ValueError(
                f"points are {shown(cell)} for all; leave them empty, which withdraws "
                "the check"
            )
        return None
    try:
        points = float(cell)
    except ValueError:
        raise ValueError(f"points are {shown(cell)!r}; a number is wanted") from None
    if not math.isfinite(points) or points < 0:
        raise ValueError(f"points are {shown(cell)}; a number from 0 on is wanted")
    return points


def require_known(
    overrides: Iterable[Override],
    students: Iterable[str],
    checks: Iterable[Check],
    called: str = "overrides.csv",
) -> None:
    """Insist on decisions about students and checks that exist.

    Args:
        overrides: The decisions.
        students: Ids of all students.
        checks: All checks that anybody has, for their ids and points.
        called: What to call the file in messages.

    Raises:
        OverridesError: Naming every line that is about nobody, nothing, or gives more
            than a check is worth.
    """
    people = set(students)
    worth = {check.id: check.of for check in checks}
    problems = []
    for o in overrides:
        if not o.is_withdrawal and o.student not in people:
            problems.append(
                f"{called}:{o.line}: there is no student {shown(o.student)}; write the "
                "id that the roster has."
            )
        if o.check not in worth:
            problems.append(
                f"{called}:{o.line}: there is no check {shown(o.check)}; the grader's "
                "page has their names."
            )
        elif o.points is not None and o.points > worth[o.check] + 1e-9:
            problems.append(
                f"{called}:{o.line}: {o.points:g} points are more than the check is "
                f"worth, {worth[o.check]:g}."
            )
    if problems:
        raise OverridesError(problems)


def apply(
    checks: Sequence[Check],
    overrides: Iterable[Override],
    students: Iterable[str],
) -> tuple[tuple[Check, ...], tuple[Override, ...]]:
    """Return checks as people decided, and the decisions that were about them.

    Where a student's own line meets a withdrawal for all, the more generous counts.

    Args:
        checks: One submission's.
        overrides: All decisions.
        students: Ids of those whose submission it is.
    """
    people = set(students)
    decided: dict[str, list[Override]] = {}
    for o in overrides:
        if o.is_withdrawal or o.student in people:
            decided.setdefault(o.check, []).append(o)
    made, used = [], []
    for check in checks:
        if not (found := decided.get(check.id)):
            made.append(check)
            continue
        points = [check.of if o.points is None else o.points for o in found]
        best = max(range(len(found)), key=lambda k: points[k])  # the first of equals
        made.append(_decided(check, found[best], points[best]))
        used.append(found[best])
    return tuple(made), tuple(used)


def _decided(check: Check, override: Override, points: float) -> Check:
    """Return a check with the points that people gave; why it failed stays in it."""
    remark = f"{check.remark} {override.says}".strip()
    state = PASSED if override.is_withdrawal else check.state
    return replace(check, points=points, state=state, remark=remark)
