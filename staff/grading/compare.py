"""Whose score a changed rubric moves, by how much and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from staff.grading import records
from staff.grading.records import Record
from staff.grading.results import PASSED, Check
from staff.grading.scores import Standing, shown, standing
from staff.grading.tables import text


@dataclass(frozen=True)
class Move:
    """One submission in two gradings.

    Attributes:
        file: What its files are called.
        name: Whose it is.
        ids: What tells its people, for whom it counts, from others.
        old: Points before; None if it was not judged.
        new: Points now; None if it is not judged.
        reasons: What moved them, a sentence each.
    """

    file: str
    name: str
    ids: tuple[str, ...]
    old: float | None
    new: float | None
    reasons: tuple[str, ...]

    @property
    def by(self) -> float:
        """How far the score moved."""
        return (self.new or 0.0) - (self.old or 0.0)


@dataclass(frozen=True)
class Difference:
    """Two gradings of one class.

    Attributes:
        moves: Submissions whose score or checks differ, those that moved most first.
        same: How many are as they were.
        only_old: Files of the old grading alone.
        only_new: Files of the new one alone.
        notes: What makes the two hard to compare, or is new for everybody.
    """

    moves: tuple[Move, ...]
    same: int
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    notes: tuple[str, ...]


def compare(old: Path, new: Path) -> Difference:
    """Compare two gradings.

    Args:
        old: A folder that ``grade`` or ``regrade`` wrote, or a record.
        new: The same, later.

    Raises:
        RecordError: If one of them is none.
    """
    before = {path.stem: record for path, record in records.every(old)}
    after = {path.stem: record for path, record in records.every(new)}
    both = [file for file in after if file in before]
    moves = [_move(file, before[file], after[file]) for file in both]
    moved = [move for move in moves if move.reasons or move.old != move.new]
    return Difference(
        moves=tuple(sorted(moved, key=lambda m: (-abs(m.by), m.name, m.file))),
        same=len(both) - len(moved),
        only_old=tuple(sorted(before.keys() - after.keys())),
        only_new=tuple(sorted(after.keys() - before.keys())),
        notes=tuple(_notes([before[f] for f in both], [after[f] for f in both])),
    )


def _notes(before: list[Record], after: list[Record]) -> list[str]:
    found = []
    pairs = list(zip(before, after, strict=True))
    for key, said in (
        ("rubric", "The rubric, a check or the reference has changed."),
        (
            "secret",
            "The course secret is another one, so hidden inputs are others, too.",
        ),
        ("environment", "The environment is another one."),
        ("only", "Other questions were judged."),
    ):
        if any(a["verdict"].get(key) != b["verdict"].get(key) for a, b in pairs):
            found.append(said)
    withdrawn = {
        check: why
        for a, b in pairs
        for check, why in b["verdict"]["withdrawn"].items()
        if check not in a["verdict"]["withdrawn"]
    }
    found += [f"Withdrawn: {check} ({why})" for check, why in sorted(withdrawn.items())]
    return found


def _move(file: str, before: Record, after: Record) -> Move:
    old, new = standing(before, file), standing(after, file)
    return Move(
        file,
        new.name,
        tuple(person.id for person in new.students if person.counts),
        old.total if old.parts else None,
        new.total if new.parts else None,
        tuple(_reasons(old, new)),
    )


def _reasons(old: Standing, new: Standing) -> list[str]:
    if not (old.parts and new.parts):
        said = new.failed or new.refused or "It is judged now."
        before = old.failed or old.refused
        return [said] if (before, bool(old.parts)) != (said, bool(new.parts)) else []
    found = []
    was, now = _checks(old), _checks(new)
    for name in dict.fromkeys([*was, *now]):
        if name not in now:
            found.append(f"{name} is no more ({_signed(-was[name].points)}).")
        elif name not in was:
            check = now[name]
            found.append(f"{name} is new: {check.state} ({_signed(check.points)}).")
        else:
            found += _change(was[name], now[name], new)
    if old.words != new.words:
        found.append(
            f"Answers in words: {shown(old.words)} → {shown(new.words)} points."
        )
    return found


def _change(was: Check, now: Check, new: Standing) -> list[str]:
    name, moved = now.id, abs(now.points - was.points) > 1e-9
    by = _signed(now.points - was.points)
    withdrawn = new.record["verdict"]["withdrawn"]
    decided = {d.override.check: d.override for d in new.decisions}
    if name in withdrawn and moved:
        return [f"{name} is withdrawn ({by}): {withdrawn[name]}"]
    if name in decided and moved:
        return [f"{name} ({by}): {decided[name].says}"]
    if was.state != now.state:
        why = f" {now.reason}" if now.reason and now.state != PASSED else ""
        return [f"{name}: {was.state} → {now.state} ({by}).{why}"]
    if moved:
        return [f"{name} is worth other points now ({by})."]
    return []


def _checks(s: Standing) -> Mapping[str, Check]:
    return {
        check.id: check
        for part in s.parts
        for work in part.works
        for check in work.checks
    }


def _signed(points: float) -> str:
    return f"{'−' if points < 0 else '+'}{shown(abs(points))}"


def lines(difference: Difference) -> list[str]:
    """Return a difference as lines to print."""
    found = [*difference.notes]
    for move in difference.moves:
        old = "not judged" if move.old is None else shown(move.old)
        new = "not judged" if move.new is None else shown(move.new)
        count = "" if move.ids else ", not the attempt that counts"
        found.append(f"{move.name}: {old} → {new} ({_signed(move.by)}{count})")
        found += [f"    {reason}" for reason in move.reasons]
    for file in difference.only_old:
        found.append(f"{file} is in the old grading only.")
    for file in difference.only_new:
        found.append(f"{file} is in the new grading only.")
    moved = sum(move.old != move.new for move in difference.moves)
    found.append(
        f"Scores moved: {moved}; other differences: {len(difference.moves) - moved}; "
        f"as they were: {difference.same}."
    )
    return found


def whom_to_tell(difference: Difference) -> list[list[str]]:
    """Return rows of those whose score that counts has moved, and what to tell them."""
    found = [["student", "id", "old", "new", "by", "why", "file"]]
    for move in difference.moves:
        if move.ids and move.old != move.new:
            found.append(
                [
                    text(move.name),
                    " ".join(move.ids),
                    "" if move.old is None else shown(move.old),
                    "" if move.new is None else shown(move.new),
                    shown(move.by),
                    text(" ".join(move.reasons)),
                    move.file,
                ]
            )
    return found
