"""The check gives nothing for nothing, all for all, and a function its own points."""

from pathlib import Path

import pytest

from cs231n.assignment.table import function, installed
from staff.handout.files import HandoutError
from staff.handout.scores import (
    keys_of,
    mutant_problems,
    mutants,
    score,
    score_problems,
    solved_files,
    states,
    text_with,
)
from staff.judging.asking import AskingError, ask, environment
from staff.markers import answers, redact
from staff.mistakes.bank import Slip
from staff.mistakes.writings import WritingError
from staff.questions import ROOT, questions
from staff.tests.student_folder import handout_files

DATA = ROOT / "cs231n" / "datasets"
IDS = [question.id for question in questions()]
HERE = [question for question in questions() if installed(question.framework)]
# Stands in for the check's worker: a function is done if it doubles.
WORKER = """\
import importlib, json, os, sys

def main(keys):
    for key in keys:
        module, _, name = key.rpartition(".")
        try:
            done = getattr(importlib.import_module(module), name)(2) == 4
            state = "done" if done else "wrong"
        except NotImplementedError:
            state = "not started"
        os.write(1, (json.dumps({"begin": key}) + "\\nnoise\\n").encode())
        os.write(1, (json.dumps({"end": key, "state": state}) + "\\n").encode())

if __name__ == "__main__":
    main(sys.argv[1:])
"""
TREE = {
    "cs231n/__init__.py": b"",
    "cs231n/tools/check/worker.py": WORKER.encode(),
    "cs231n/one.py": b"def f(x):\n    return 2 * x\n\n\ndef g(x):\n    return x + x\n",
    # The driver imports what every check needs before it judges; this one needs none.
    "torch.py": b"raise ImportError\n",
}


@pytest.fixture(scope="module")
def handed_out():
    return handout_files()


@pytest.fixture(scope="module")
def solved(handed_out):
    return solved_files(ROOT, handed_out)


def test_each_run_sees_its_own_changes_and_no_others():
    keys = ["cs231n.one.f", "cs231n.one.g"]
    changes = [
        {},
        {"cs231n/one.py": "def f(x):\n    return 3 * x\n\n\ndef g(x):\n    return 4\n"},
        {"cs231n/one.py": "def f(x):\n    raise NotImplementedError\n\n\ng = f\n"},
        {"cs231n/one.py": "import os\n\n\ndef f(x):\n    os._exit(0)\n"},
        {},
    ]
    found = [tuple(run.values()) for run in states(TREE, changes, [keys] * 5, DATA)]
    assert found == [
        ("done", "done"),
        ("wrong", "done"),
        ("not started", "not started"),
        ("wrong", "wrong"),
        ("done", "done"),
    ]


def test_programs_are_run_with_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    monkeypatch.setenv("CS231N_PROFILE", "full")
    monkeypatch.delenv("CS231N_DATA_DIR", raising=False)
    found = environment(Path("data"), CS231N_PROBE="x")
    assert not {"PYTHONPATH", "PYTEST_ADDOPTS", "CS231N_PROFILE"} & found.keys()
    assert (found["CS231N_DATA_DIR"], found["CS231N_PROBE"]) == ("data", "x")
    assert found["OMP_NUM_THREADS"] == "1"


def test_a_check_that_breaks_is_named():
    broken = TREE | {"cs231n/check.py": b"raise SystemExit('it is broken')\n"}
    with pytest.raises(HandoutError, match="no score but: it is broken"):
        score(broken, DATA, "2017")


@pytest.mark.slow
def test_the_handout_has_nothing_done_and_the_solution_everything(handed_out, solved):
    keys = list(keys_of(questions(), solved))
    (nothing,) = states(handed_out, [{}], [keys], DATA)
    (everything,) = states(solved, [{}], [keys], DATA)
    assert len(keys) >= 21
    assert {k: s for k, s in nothing.items() if s != "not started"} == {}
    assert {k: s for k, s in everything.items() if s != "done"} == {}


@pytest.mark.slow
def test_filling_one_function_moves_its_own_points_and_no_others(handed_out, solved):
    keys = keys_of(questions(), solved)
    names = {key: key.partition(":")[0] for key in keys}
    filled, changes, asked = [], [], []
    modules = {m for q in HERE for m in q.modules}
    for path in sorted(modules & handed_out.keys()):
        source = (ROOT / path).read_text("utf-8")
        module = path.removesuffix(".py").replace("/", ".")
        near = [key for key in keys if names[key].startswith(f"{module}.")]
        for region in answers(source, path, IDS):
            if f"{module}.{region.function}" in names.values():
                filled.append(f"{module}.{region.function}")
                text = redact(source, path, IDS, keep=[region.function])
                changes.append({path: text})
                asked.append(near)
    assert sorted(filled) == sorted(set(names.values()))
    for name, found in zip(
        filled, states(handed_out, changes, asked, DATA), strict=True
    ):
        done = {key for key, state in found.items() if state == "done"}
        assert done == {key for key in found if names[key] == name}, name
        rest = {state for key, state in found.items() if names[key] != name}
        assert rest <= {"not started"}, name


# Mutants


def test_the_bank_has_at_least_three_mutants_of_every_function(solved):
    for key in keys_of(questions(), solved):
        name = function(key).name
        assert len([m for m in mutants() if function(m.key).name == name]) >= 3, key
    for mutant in mutants():
        assert text_with(mutant).encode() != solved[function(mutant.key).file]


def test_some_mutants_lose_points_on_their_question_and_on_no_other(solved):
    """One that another question rests on; in PyTorch there are slow ones.

    Beside it one that is none and one that spoils other questions: they are named.
    """
    last = {function(m.key).name: m for m in mutants()}
    some = [last["cs231n.rnn_layers.word_embedding_forward"]]
    edits = [["prev_h @ Wh + b", "b + prev_h @ Wh"]], [["next_h = ", "next_h = ("]]
    same, no_python = [
        Slip("cs231n.rnn_layers.rnn_step_forward", "It is odd.", {"edit": edit})
        for edit in edits
    ]
    found = mutant_problems(solved, [*some, same, no_python], questions(), DATA)
    assert [problem.split("'")[-1] for problem in found] == [
        " loses no points on Q1.",
        " also loses points on Q2.",
    ]


@pytest.mark.slow
def test_every_mutant_loses_points_on_its_question_and_on_no_other(solved):
    assert mutant_problems(solved, mutants(), questions(), DATA) == []


@pytest.mark.slow
def test_scores_are_nothing_and_everything_in_both_editions(handed_out, solved):
    assert score_problems(handed_out, solved, questions(), DATA) == []


def test_a_mutant_that_does_not_fit_is_named():
    key = "cs231n.rnn_layers.rnn_step_forward"
    with pytest.raises(WritingError, match="'nowhere' does not occur"):
        text_with(Slip(key, "It is odd.", {"edit": [["nowhere", "x"]]}))


def test_a_driver_that_dies_is_named():
    with pytest.raises(AskingError, match="no answer"):
        list(ask("nothing it knows", TREE, [{"files": {}}], environment(DATA)))
