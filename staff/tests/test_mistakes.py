"""The bank of mistakes: each is named in every writing, and nobody else is accused."""

import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cs231n.assignment.table import questions
from cs231n.tools.check import marks
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.verdict import judge
from staff import doctor
from staff.mistakes import fingerprints
from staff.mistakes.bank import answers_with, bank
from staff.mistakes.writings import (
    WritingError,
    answer,
    edited,
    rewritten,
    solved,
)
from staff.questions import ROOT
from staff.tests.asked import FUNCTIONS
from staff.tests.banked import (
    assert_named,
    assert_right,
    of_module,
    short,
    some,
    verdicts,
    writings_of,
)

MODULES = sorted({f.module for f in FUNCTIONS.values()})
# Of the shipped fingerprints, and one that nobody chose them for.
OTHER_SEED = 20_260_117
FIXED_INPUTS = ("sample_noise", "get_optimizer")  # nothing is drawn for these


@pytest.mark.parametrize("module", MODULES)
def test_some_mistakes_in_other_writings_than_the_stored_one_are_named(module):
    assert_named(verdicts(some(of_module(module), 16), marks.records(), ["others"]))


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_mistakes_in_all_writings_are_named(module):
    slips = of_module(module)
    said = verdicts(slips, marks.records(), ["edit", "others"])
    assert len(said) >= 2 * len(slips)
    assert_named(said)


def assert_told_apart(slips, module):
    records = fingerprints.make(OTHER_SEED, only=module + ".", watched=False)
    assert_named(verdicts(slips, records, ["edit"]))
    # Without the fingerprints of these inputs nothing fits, and nothing is named.
    strangers = marks.Records(OTHER_SEED + 1, records.functions)
    slip = next(s for s in of_module(module) if not s.key.endswith(FIXED_INPUTS))
    with rewritten(*answers_with(slip, "edit")):
        verdict = judge(FUNCTIONS[slip.key], strangers, exercise(slip.key))
    assert verdict.state in {"wrong", "cannot tell yet"}
    assert slip.says not in verdict.named


def test_on_other_inputs_some_mistakes_are_told_apart_as_well():
    module = "cs231n.image_gradients"
    assert_told_apart(some(of_module(module), 4), module)


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_on_other_inputs_all_mistakes_are_told_apart_as_well(module):
    assert_told_apart(of_module(module), module)


@pytest.mark.parametrize(
    ("writing", "name"), writings_of(FUNCTIONS.values()), ids=short
)
def test_no_correct_writing_is_accused(writing, name):
    assert_right(writing, name)


def test_every_function_has_six_writings_and_five_mistakes_in_two_each():
    assert list(doctor.in_bank(questions())) == []
    said_twice = Counter((slip.key, slip.says) for slip in bank()[1])
    assert max(said_twice.values()) == 1


def test_the_sentences_name_no_answer():
    """Sentences are read one after another by students who look for answers."""
    for slip in bank()[1]:
        assert "np." not in slip.says
        assert " @ " not in slip.says
        assert "**" not in slip.says
        assert slip.says.endswith((".", "?"))


def test_no_two_mistakes_of_a_function_are_one():
    for key, record in marks.records().functions.items():
        results = [str(mistake.marks) for mistake in record.mistakes]
        assert len({*results}) == len(results), key


def test_the_shipped_fingerprints_are_those_of_the_bank():
    stored = marks.records()
    assert set(stored.functions) == {f.key for q in questions() for f in q.functions}
    for key, function in FUNCTIONS.items():
        record = stored.functions[key]
        found = fingerprints.observe(function, stored.seed, "own", record.draw)
        for name, (wanted, *_) in record.right["own"].items():
            within = exercise(key).limit(name)
            assert marks.agree(found[name], wanted, within), (key, name)
    assert list(doctor.in_fingerprints(questions())) == []
    made = fingerprints.make(only="cs231n.classifiers.", watched=False)
    part = {k: r for k, r in stored.functions.items() if k in made.functions}
    assert fingerprints.same(marks.Records(stored.seed, part), made)


def test_fingerprints_that_are_out_of_date_are_noticed():
    made = fingerprints.make(only="cs231n.rnn_layers.word", watched=False)
    key = "cs231n.rnn_layers.word_embedding_backward"
    record = made.functions[key]
    fewer = replace(record, mistakes=record.mistakes[1:])
    changed = marks.Records(made.seed, made.functions | {key: fewer})
    assert not fingerprints.same(made, changed)
    (mark,) = record.right["own"]["dW"]
    off = marks.Mark(mark.shape, (mark.along[0] + 1e-3, *mark.along[1:]))
    moved = replace(record, right={"own": {**record.right["own"], "dW": (off,)}})
    changed = marks.Records(made.seed, made.functions | {key: moved})
    assert not fingerprints.same(made, changed)


def test_the_course_s_stored_losses_are_those_of_the_marks():
    expected = {
        "discriminator_loss": 1.8423983904443109,
        "generator_loss": 0.771286196423346,
        "ls_discriminator_loss": 1.8770293614440594,
        "ls_generator_loss": 0.816954786997558,
    }
    parameters = {
        "discriminator": 267009,
        "generator": 1858320,
        "build_dc_classifier": 1102721,
        "build_dc_generator": 6580801,
    }
    for name, value in expected.items():
        output = "the loss of the course's scores"
        stored = marks.records().functions[f"cs231n.gan_pytorch.{name}"]
        wanted = marks.mark(output, np.array(value))
        assert marks.agree(stored.right["own"][output][0], wanted, 1e-6)
    for name, count in parameters.items():
        output = "the number of parameters"
        stored = marks.records().functions[f"cs231n.gan_pytorch.{name}"]
        wanted = marks.mark(output, np.array([float(count)]))
        assert marks.agree(stored.right["own"][output][0], wanted, 1e-9)


def judged(name, edits):
    body = edited(answer(solved("cs231n.rnn_layers"), name), edits)
    key = f"cs231n.rnn_layers.{name}"
    with rewritten({key: body}):
        return judge(FUNCTIONS[key], marks.records(), exercise(key))


def test_two_mistakes_in_different_results_are_both_named():
    db = ["da.sum(axis=0)", "da.mean(axis=0)"]
    dWh = ["prev_h.T @ da", "da.T @ prev_h"]
    verdict = judged("rnn_step_backward", [db, dWh])
    assert len(verdict.named) == 2
    assert all(part in " ".join(verdict.named) for part in ("In db", "In dWh"))


def test_a_mistake_is_named_though_another_one_came_on_top():
    later = ["dh[:, t] + dh0  #", "dh[:, t]  #"]
    dWx = ["xs.T @ da, ", "xs.T @ da / 7, "]
    verdict = judged("rnn_backward", [later, dWx])
    (said,) = verdict.named
    assert "comes back from later timesteps" in said


def test_what_nobody_foresaw_is_described_and_not_named():
    verdict = judged("rnn_backward", [["dh[:, t] + dh0  #", "dh[:, t] ** 3 + dh0  #"]])
    assert (verdict.state, verdict.named) == ("wrong", [])
    assert "off by" in verdict.message or "far off" in verdict.message
    verdict = judged("rnn_backward", [["da[t] *= dh[:, t]", "da[t] *= 2 * dh[:, t]"]])
    assert "are 2 times what they should be" in verdict.message


@pytest.mark.parametrize(
    ("name", "old"),
    [("rnn_step_forward", "prev_h @ Wh + b"), ("word_embedding_forward", "W[x]")],
)
def test_what_is_off_by_very_little_is_wrong(name, old):
    assert judged(name, [[old, f"{old} + 1e-4"]]).state == "wrong"


# The tools themselves


def test_an_edit_that_changes_nothing_is_refused():
    with pytest.raises(WritingError, match="does not occur"):
        edited("a = 1\n", [["b", "c"]])
    with pytest.raises(WritingError, match="no_such: one answer is wanted"):
        answer(solved("cs231n.rnn_layers"), "no_such")
    with pytest.raises(WritingError, match="sigmoid: one answer is wanted"):
        answer(solved("cs231n.rnn_layers"), "sigmoid")


def test_modules_are_put_back_whatever_happens():
    import cs231n.classifiers.rnn
    import cs231n.rnn_layers

    name = "cs231n.rnn_layers.rnn_step_forward"

    def fail_inside():
        with rewritten({name: "next_h = cache = 5\n"}):
            from cs231n import rnn_layers

            taker = sys.modules["cs231n.classifiers.rnn"]
            assert rnn_layers.rnn_step_forward(*[None] * 5) == (5, 5)
            assert taker.rnn_step_forward is rnn_layers.rnn_step_forward
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert sys.modules["cs231n.rnn_layers"] is cs231n.rnn_layers
    assert sys.modules["cs231n.classifiers.rnn"] is cs231n.classifiers.rnn
    from cs231n import rnn_layers

    assert rnn_layers is cs231n.rnn_layers


def test_a_module_that_was_not_imported_before_is_put_back_as_it_should_be():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from staff.mistakes.writings import rewritten\n"
            "with rewritten({'cs231n.rnn_layers.rnn_step_forward': 'pass'}): pass\n"
            "from cs231n import rnn_layers\n"
            "from cs231n.classifiers import rnn\n"
            "assert rnn.rnn_step_forward is rnn_layers.rnn_step_forward\n",
        ],
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0


# Mistakes that were written without a look at the bank


TRIALS = ROOT / "staff" / "mistakes" / "trials.toml"
NAMED = 0.7


def trial_verdicts(step):
    """Judge the trials; for each, its row and what is said of it."""
    rows = tomllib.loads(TRIALS.read_text("utf-8"))["trials"][::step]
    said = []
    for row in rows:
        function = FUNCTIONS[row["function"]]
        answers = {function.name: row["body"]}
        if "partner" in row:
            forward = function.name.replace("backward", "forward")
            answers[forward] = row["partner"]
        with rewritten(answers):
            verdict = judge(function, marks.records(), exercise(function.key))
        said.append((row, verdict))
    return said


def assert_most_are_named(said, tell):
    passed = [row["what"] for row, verdict in said if verdict.state == "done"]
    assert not passed
    named = [row for row, verdict in said if verdict.named]
    tell(f"{len(named)} of {len(said)} mistakes that the bank does not know are named")
    assert len(named) >= NAMED * len(said)


def test_most_of_some_mistakes_that_the_bank_does_not_know_are_named(tell):
    assert_most_are_named(trial_verdicts(5), tell)


@pytest.mark.slow
def test_most_mistakes_that_the_bank_does_not_know_are_named(tell):
    assert_most_are_named(trial_verdicts(1), tell)
