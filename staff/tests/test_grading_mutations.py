"""The mutation score: what the grader takes for wrong, and for right.

Run with ``-m slow -s``, it prints the counts.
"""

from collections import Counter

import pytest

from cs231n.assignment.table import function, functions
from cs231n.tools.check.exercises import exercise
from staff.grading.judge import Judging
from staff.grading.remote import Limits
from staff.grading.rubric import rubric
from staff.grading.submission import Submission
from staff.mistakes.bank import answers_of, bank
from staff.mistakes.writings import sources, with_answer
from staff.tests.graded import (
    SECRET,
    edition_of,
    grader,
    lost,
    neighbours,
    remarks,
    solved,
    with_slip,
)
from staff.tests.mutants import EQUIVALENT, mutants

SLIPS = [(s, w) for s in bank()[1] if not s.implied for w in s.edits]
WRITINGS = [
    (name, writing) for writing, chosen in bank()[0].items() for name in chosen.bodies
]
MUTANTS = [m for m in mutants() if m.id not in EQUIVALENT]
FILES = sorted({f.file for f in functions()})
SEEDS = 500


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    with grader(tmp_path_factory.mktemp("package")) as made:
        yield made


def fault_of_slip(graded, slip, writing):
    """Return what is wrong with how a mistake of the bank is judged, or nothing."""
    judged = graded.judge(
        with_slip(slip, writing), edition_of(slip.key), neighbours(slip.key)
    )
    name = function(slip.key).name
    own, others = split(judged, name)
    if others:
        return f"{slip.key}, {writing}: {slip.says} spoils {others}"
    if slip.tier == "asked" and slip.key not in own:
        return f"{slip.key}, {writing}: {slip.says} costs nothing"
    if slip.tier == "care" and (own or not remarks(judged, name)):
        return f"{slip.key}, {writing}: {slip.says} costs {own} or is not remarked"
    return ""


def split(judged, name):
    """Return which functions lost points: of a name, and others."""
    wrong = set(lost(judged))
    own = {key for key in wrong if function(key).name == name}
    return own, wrong - own


def fault_of_writing(graded, name, writing):
    """Return what is wrong with how right answers are judged, or nothing."""
    changed = sources(*answers_of(name, writing))
    modules = solved() | {f"{n.replace('.', '/')}.py": t for n, t in changed.items()}
    key = next(f.key for f in functions() if f.name == name)
    wrong = lost(graded.judge(modules, edition_of(key), neighbours(key)))
    return f"{name}, {writing}: {wrong}" if wrong else ""


def fault_of_mutant(graded, mutant):
    """Return what is wrong with how a mutant is judged, or nothing."""
    f = next(f for f in functions() if f.name == mutant.name)
    modules = solved()
    modules[f.file] = with_answer(modules[f.file], f.qualname, mutant.body)
    judged = graded.judge(
        modules, edition_of(f.key), neighbours(f.key), limits=Limits(call=5, start=20)
    )
    own, others = split(judged, mutant.name)
    if others:
        return f"{mutant.id} spoils {others}"
    return "" if own else f"{mutant.id} costs nothing"


def faults(found):
    """Return those that are not empty."""
    return [fault for fault in found if fault]


def test_some_mistakes_of_the_bank_cost_their_own_points_alone(graded):
    some = [pair for pair in SLIPS if not function(pair[0].key).torch][::110]
    some += [pair for pair in SLIPS if "style" in pair[0].key][::40]
    assert not faults(fault_of_slip(graded, *pair) for pair in some)


def test_some_right_writings_lose_nothing(graded):
    some = [pair for pair in WRITINGS if "pytorch" not in pair[0]][::16]
    assert not faults(fault_of_writing(graded, *pair) for pair in some)


def test_some_mutants_cost_their_own_points_alone(graded):
    some = [m for m in MUTANTS if "pytorch" not in m.name][::60]
    assert not faults(fault_of_mutant(graded, mutant) for mutant in some)


def test_those_that_are_no_mistakes_are_among_the_mutants():
    assert set(EQUIVALENT) <= {m.id for m in mutants()}
    assert all(EQUIVALENT.values())
    assert len(MUTANTS) >= 300


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_all_mistakes_of_the_bank_cost_their_own_points_alone(graded, file, capsys):
    those = [pair for pair in SLIPS if function(pair[0].key).file == file]
    wrong = faults(fault_of_slip(graded, *pair) for pair in those)
    tiers = Counter(slip.tier for slip, _ in those)
    with capsys.disabled():
        print(f"\n{file}: {dict(tiers)} mistakes in all writings, {len(wrong)} faults")
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_all_right_writings_lose_nothing(graded, file, capsys):
    those = [pair for pair in WRITINGS if _file(pair[0]) == file]
    wrong = faults(fault_of_writing(graded, *pair) for pair in those)
    with capsys.disabled():
        print(f"\n{file}: {len(those)} right writings, {len(wrong)} faults")
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_all_mutants_cost_their_own_points_alone(graded, file, capsys):
    those = [m for m in MUTANTS if _file(m.name) == file]
    wrong = faults(fault_of_mutant(graded, mutant) for mutant in those)
    with capsys.disabled():
        print(f"\n{file}: {len(those)} mutants, {len(wrong)} faults")
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("key", [f.key for f in functions()])
def test_no_right_function_fails_by_chance(graded, key, capsys):
    f = function(key)
    largest: dict[str, float] = {}
    for k in range(SEEDS):
        judging = Judging(
            Submission("a", "2017 assignment3.zip", edition_of(key), solved()),
            SECRET + str(k).encode(),
            graded.server,
            rubric(),
            None,
        )
        judged = judging.all([key])
        assert not lost(judged), k
        for name, gap in judging.found[key].gaps.items():
            largest[name] = max(largest.get(name, 0), gap)
    assert exercise(key).ways
    with capsys.disabled():
        for name, gap in largest.items():
            print(f"\n{f.short}, {name}: {gap:.2g} of what is allowed", end="")


def _file(name):
    return next(f.file for f in functions() if f.name == name)
