"""The bank of mistakes in TensorFlow: each is named, and nobody else is accused."""

import pytest

from cs231n.assignment.table import functions
from cs231n.tools.check import marks
from cs231n.tools.check.exercises import exercise
from staff.mistakes import fingerprints
from staff.tests.banked import (
    assert_named,
    assert_right,
    of_module,
    short,
    some,
    verdicts,
    writings_of,
)

FUNCTIONS = {f.key: f for f in functions() if f.framework == "tensorflow"}
MODULES = sorted({f.module for f in FUNCTIONS.values()})


@pytest.mark.parametrize("module", MODULES)
def test_some_mistakes_in_other_writings_than_the_stored_one_are_named(module):
    assert_named(verdicts(some(of_module(module), 8), marks.records(), ["others"]))


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_mistakes_in_all_writings_are_named(module):
    slips = of_module(module)
    said = verdicts(slips, marks.records(), ["edit", "others"])
    assert len(said) >= 2 * len(slips)
    assert_named(said)


@pytest.mark.parametrize(
    ("writing", "name"), writings_of(FUNCTIONS.values()), ids=short
)
def test_no_correct_writing_is_accused(writing, name):
    assert_right(writing, name)


@pytest.mark.parametrize("key", FUNCTIONS)
def test_the_shipped_fingerprints_are_those_of_the_solutions(key):
    stored = marks.records()
    record = stored.functions[key]
    found = fingerprints.observe(FUNCTIONS[key], stored.seed, "own", record.draw)
    for name, (wanted, *_) in record.right["own"].items():
        assert marks.agree(found[name], wanted, exercise(key).limit(name)), name
