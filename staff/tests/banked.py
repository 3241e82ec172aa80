"""What tests ask of the bank of mistakes, whatever framework its functions need."""

from cs231n.assignment.table import function, functions
from cs231n.tools.check import marks
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.verdict import judge
from staff.mistakes.bank import answers_of, answers_with, bank
from staff.mistakes.writings import rewritten

NEEDED = 0.95


def of_module(module):
    return [
        slip
        for slip in bank()[1]
        if slip.key.startswith(module + ".") and not slip.implied
    ]


def verdicts(slips, records, writings):
    """Return what is said of each mistake, in each of the writings it is known in."""
    said = {}
    for slip in slips:
        for writing in slip.edits:
            if writing in writings or (writing != "edit" and "others" in writings):
                with rewritten(*answers_with(slip, writing)):
                    verdict = judge(function(slip.key), records, exercise(slip.key))
                said[slip.key, writing, slip.says] = verdict
    return said


def assert_named(said):
    tiers = {(slip.key, slip.says): slip.tier for slip in bank()[1]}
    states = {"asked": "wrong", "care": "done, with a remark"}
    judged_otherwise = {
        k: v for k, v in said.items() if v.state != states[tiers[k[0], k[2]]]
    }
    assert not judged_otherwise
    missed = {k: v for k, v in said.items() if v.named != [k[2]]}
    assert len(missed) <= (1 - NEEDED) * len(said), missed


def some(slips, step):
    """Every so many of the mistakes, so that a run of all tests is short."""
    return [s for k, s in enumerate(slips) if k % step == 0]


def writings_of(asked):
    """Return the name of each correct writing of some functions, and which it is of."""
    names = {f.name for f in asked}
    return [
        (writing, name)
        for writing, stored in bank()[0].items()
        for name in stored.bodies
        if name in names
    ]


def short(part):
    """Return what pytest calls a writing or a function."""
    return part.removeprefix("cs231n.")


def assert_right(writing, name):
    """Insist that a writing is right, with the remark it should earn, or none."""
    wanted = bank()[0][writing].remarks.get(name, "")
    for asked in (f for f in functions() if f.name == name):
        with rewritten(*answers_of(name, writing)):
            verdict = judge(asked, marks.records(), exercise(asked.key))
        assert (verdict.message, verdict.named) == ("", []), asked.key
        assert verdict.state == ("done, with a remark" if wanted else "done"), verdict
        assert wanted in " ".join(verdict.remarks)
