"""What a record is worth in the end: the verdict, then what people decided."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cs231n.assignment import table
from staff.grading.overrides import ALL, Override, apply
from staff.grading.records import Record
from staff.grading.results import FAILED, UNBEGUN, Check

DONE, REMARKED, PARTLY, WRONG = "done", "done, with a remark", "partly done", "wrong"


_UNREAD: dict[str, Any] = {
    **dict.fromkeys(("layout", "edition", "digest", "received"), ""),
    **dict.fromkeys(("left", "remarks", "modules", "notebooks"), ()),
}


@dataclass(frozen=True)
class Person:
    """Somebody whose submission it is.

    Attributes:
        name: As the roster or the platform spells it.
        id: What tells them from all others.
        counts: Whether this attempt of theirs counts.
        columns: What else is known of them.
    """

    name: str
    id: str
    counts: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What a person decided about a check, against the verdict.

    Attributes:
        override: The decision.
        before: What the verdict gave.
        points: What it earns now.
    """

    override: Override
    before: float
    points: float


@dataclass(frozen=True)
class Finding:
    """What is wrong with a function, in one sentence.

    Attributes:
        checks: The checks that say so.
        lost: The points that they cost.
        reason: The sentence.
        mistakes: Mistakes that the sentence does not name.
    """

    checks: tuple[Check, ...]
    lost: float
    reason: str
    mistakes: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """One function of a submission.

    Attributes:
        key: Its key in the table.
        checks: Its checks, with the points that people gave.
        points: What it earns after overrides.
        of: What it can earn.
        decisions: What people decided about its checks.
        seconds: How long its checks took; None if nobody measured.
        speed: Its speed class.
    """

    key: str
    checks: tuple[Check, ...]
    points: float
    of: float
    decisions: tuple[Decision, ...] = ()
    seconds: float | None = None
    speed: str = ""

    @property
    def short(self) -> str:
        """What people call it."""
        try:
            return table.function(self.key).short
        except KeyError:
            return self.key

    @property
    def state(self) -> str:
        """One of ``not started``, ``done``, ``done, with a remark`` and so on."""
        counted = [check for check in self.checks if check.of]
        if self.points >= self.of - 1e-9:
            return REMARKED if self.remarks else DONE
        if counted and all(check.state == UNBEGUN for check in counted):
            return UNBEGUN
        return PARTLY if self.points > 0 else WRONG

    @property
    def failed(self) -> list[Check]:
        """Checks that cost points."""
        return [check for check in self.checks if check.state == FAILED and check.of]

    @property
    def findings(self) -> list[Finding]:
        """What failed, each sentence once, whatever number of checks it is about."""
        found: dict[tuple[str, tuple[str, ...]], list[Check]] = {}
        for check in self.failed:
            found.setdefault((check.reason, check.mistakes), []).append(check)
        return [
            Finding(
                tuple(checks),
                lost=sum(check.of - check.points for check in checks),
                reason=reason,
                mistakes=tuple(m for m in mistakes if m not in reason),
            )
            for (reason, mistakes), checks in found.items()
        ]

    @property
    def remarks(self) -> list[str]:
        """What costs nothing and should be known, and no finding says already."""
        said = {check.reason for check in self.failed}
        found = []
        for check in self.checks:
            if check.state == FAILED and not check.of:
                found.append(check.reason or check.name)
            if check.remark:
                found.append(check.remark)
        return [text for text in dict.fromkeys(found) if text not in said]


@dataclass(frozen=True)
class Part:
    """One question of a submission.

    Attributes:
        id: The question's.
        title: What was done, in a few words.
        points: What it earns after overrides.
        of: What it can earn.
        works: Its functions, or those of the alternative that counts.
        remark: What is to be said of others that may be done in its place.
    """

    id: str
    title: str
    points: float
    of: float
    works: tuple[Work, ...]
    remark: str = ""


@dataclass(frozen=True)
class Standing:
    """All that there is to say of one submission.

    Attributes:
        record: The record itself.
        file: What its files are called.
        parts: Its questions.
        points: What the code earns after overrides.
        verdict: What it earned before.
        of: What it can earn.
        words: The points given for answers in words.
        words_of: What they can earn, where a course says so.
        decisions: What people decided.
        said: A group of identical failures -> what is said to all in it.
    """

    record: Record
    file: str
    parts: tuple[Part, ...] = ()
    points: float = 0.0
    verdict: float = 0.0
    of: float = 0.0
    words: float = 0.0
    words_of: float = 0.0
    decisions: tuple[Decision, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def submission(self) -> Mapping[str, Any]:
        """What the record says of the submission; one that was not read says little."""
        return {**_UNREAD, **self.record["verdict"]["submission"]}

    @property
    def refused(self) -> str:
        """Why it was not read, if it was not."""
        return str(self.record["verdict"].get("refused", ""))

    @property
    def failed(self) -> str:
        """Where the grader failed, if it did."""
        return str(self.record["verdict"].get("failed", ""))

    @property
    def total(self) -> float:
        """Points for code and words."""
        return self.points + self.words

    @property
    def students(self) -> tuple[Person, ...]:
        """Whose it is; several if it is a group's."""
        return tuple(Person(**row) for row in self.record["people"].get("students", ()))

    @property
    def name(self) -> str:
        """What to call whose it is."""
        names = [person.name for person in self.students]
        return " & ".join(names) or str(self.submission["name"])

    @property
    def note(self) -> str:
        """Why the roster does not tell whose it is, if it does not."""
        return str(self.record["people"].get("note", ""))

    @property
    def late(self) -> bool:
        """Whether it came late."""
        return bool(self.record["people"].get("late", self.submission.get("late")))

    @property
    def counts(self) -> bool:
        """Whether it is the attempt that counts, for one of its people at least."""
        return not self.students or any(person.counts for person in self.students)


def standing(record: Record, file: str) -> Standing:
    """Apply what people decided to a verdict.

    Args:
        record: The record.
        file: What its files are called.
    """
    verdict, people = record["verdict"], record["people"]
    if "checks" not in verdict:
        return Standing(record, file)
    checks = [_check(row) for row in verdict["checks"]]
    overrides = [
        Override(ALL if row["points"] is None else file, **row)
        for row in people.get("overrides", ())
    ]
    decided, used = apply(checks, overrides, [file])
    by_check = {o.check: o for o in used}
    now, decisions = [], []
    for before, after in zip(checks, decided, strict=True):
        # Pages show decisions beside the verdict's own remarks.
        now.append(replace(after, remark=before.remark))
        if before.id in by_check:
            decisions.append(Decision(by_check[before.id], before.points, after.points))
    parts = tuple(
        _part(row, now, decisions, record["host"]) for row in verdict["questions"]
    )
    words = people.get("written", ())
    return Standing(
        record,
        file,
        parts,
        points=round(sum(part.points for part in parts), 6),
        verdict=verdict["score"],
        of=verdict["of"],
        words=sum(row["points"] or 0.0 for row in words),
        words_of=sum(row["of"] or 0.0 for row in words),
        decisions=tuple(decisions),
        said=people.get("remarks", {}),
    )


def _check(row: Mapping[str, Any]) -> Check:
    return Check(**{**row, "mistakes": tuple(row["mistakes"])})


def _part(
    row: Mapping[str, Any],
    checks: Iterable[Check],
    decisions: Iterable[Decision],
    host: Mapping[str, Any],
) -> Part:
    by_key: dict[str, list[Check]] = {key: [] for key in row["functions"]}
    for check in checks:
        if check.function in by_key:
            by_key[check.function].append(check)
    works = []
    for key, own in by_key.items():
        ids = {check.id for check in own}
        works.append(
            Work(
                key,
                tuple(own),
                points=round(sum(c.points for c in own), 6),
                of=round(sum(c.of for c in own), 6),
                decisions=tuple(d for d in decisions if d.override.check in ids),
                seconds=host.get("seconds", {}).get(key),
                speed=host.get("speed", {}).get(key, ""),
            )
        )
    points = round(sum(work.points for work in works), 6)
    remark = row.get("remark", "")
    return Part(row["id"], row["title"], points, row["of"], tuple(works), remark)


def shown(points: float) -> str:
    """Write points as people do: at most two digits, none that say nothing."""
    return f"{points + 0.0:.2f}".rstrip("0").rstrip(".")
