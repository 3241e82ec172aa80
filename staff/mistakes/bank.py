"""The bank: correct ways to write each function, and typical mistakes in them."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeAlias

from cs231n.assignment.table import function, functions
from cs231n.tools.check.bench import Exercise
from staff.mistakes.writings import WritingError, answer, edited, solved
from staff.questions import ROOT, questions


@dataclass(frozen=True)
class Writing:
    """Correct answers that go together.

    Attributes:
        bodies: Function's dotted name -> answer.
        helpers: Function's dotted name -> what else stands in its module, below.
        remarks: Function's dotted name -> part of the remark that the check makes.
        accepted: Functions whose results differ from the solution's and are right too.
    """

    bodies: dict[str, str] = field(default_factory=dict)
    helpers: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Slip:
    """A mistake of the bank, in all writings it is known in.

    Attributes:
        key: The function's key.
        says: The sentence that names it.
        edits: "edit" or the name of a writing -> pairs of old and new text.
        tier: "asked" if it costs points, "care" if it earns a remark.
        implied: Whether it was written for another variant of the function: then it
            need not spoil anything here.
    """

    key: str
    says: str
    edits: Mapping[str, list[list[str]]]
    tier: str = "asked"
    implied: bool = False


Answers: TypeAlias = tuple[dict[str, str], dict[str, str]]


@cache
def bank() -> tuple[dict[str, Writing], tuple[Slip, ...]]:
    """Read the bank.

    Returns:
        Writings by name; and the mistakes.
    """
    # A name alone means the first function of that name; a question before it, its own.
    known = {f.short: f for q in reversed(questions()) for f in q.functions}
    known |= {f"{q.id}/{f.short}": f for q in questions() for f in q.functions}
    writings: dict[str, Writing] = {}
    slips = []
    for file in sorted((ROOT / "staff" / "mistakes").glob("q*.toml")):
        stored: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        for row in stored["writings"]:
            writing = writings.setdefault(row["name"], Writing())
            for part in ("bodies", "helpers", "remarks"):
                texts = {known[k].name: text for k, text in row.get(part, {}).items()}
                getattr(writing, part).update(texts)
            writing.accepted.update(known[k].name for k in row.get("accepted", ()))
        for row in stored["mistakes"]:
            about = {"function", "says", "tier"}
            edits = {k: v for k, v in row.items() if k not in about}
            key, tier = known[row["function"]].key, row.get("tier", "asked")
            slips.append(Slip(key, row["says"], edits, tier))
    return writings, (*slips, *_implied(slips))


def _implied(slips: Sequence[Slip]) -> Iterator[Slip]:
    """Yield mistakes of one variant of a function for its others as well."""
    said = {(slip.key, slip.says) for slip in slips}
    for slip in slips:
        for f in functions():
            other = f.name == slip.key and f.key != slip.key
            if other and (f.key, slip.says) not in said:
                yield replace(slip, key=f.key, implied=True)


def shown_by(name: str, how: Exercise, way: str) -> Answers:
    """Return the answers that show what is right of a function in one way.

    Stand-ins take the place of steps, which the solution may do without.

    Args:
        name: Its dotted name.
        how: How it is tried out.
        way: One of its ways.
    """
    by_steps = way == "stand-in" and how.inlined
    return answers_of(name, "step by step") if by_steps else ({}, {})


def answers_with(slip: Slip, writing: str) -> Answers:
    """Return the answers that make a mistake, and those that go with them.

    Args:
        slip: The mistake.
        writing: "edit" for the one made in the solution, else a writing's name.
    """
    spoilt = function(slip.key)
    name = spoilt.name
    if writing == "edit":
        right = answer(solved(spoilt.module), spoilt.qualname)
        return {name: edited(right, slip.edits["edit"])}, {}
    answers, helpers = answers_of(name, writing)
    try:
        return answers | {name: edited(answers[name], slip.edits[writing])}, helpers
    except WritingError as error:
        raise WritingError(f"{slip.key}, {writing}: {error}") from None


def answers_of(name: str, writing: str) -> Answers:
    """Return one writing of a function, with its partner's if they go together.

    Args:
        name: The function's dotted name.
        writing: The writing's name.

    Returns:
        Function's dotted name -> answer; and what else stands in their modules.
    """
    chosen = bank()[0][writing]
    stem, _, part = name.rpartition("_")
    partner = f"{stem}_{'backward' if part == 'forward' else 'forward'}"
    names = [n for n in (name, partner) if n in chosen.bodies]
    if part not in {"forward", "backward"}:
        names = [name]
    return (
        {n: chosen.bodies[n] for n in names},
        {n: chosen.helpers[n] for n in names if n in chosen.helpers},
    )
