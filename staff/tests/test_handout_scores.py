"""The check gives nothing for nothing, all for all, and a function its own points."""

from pathlib import Path

import pytest

from staff.handout import scores
from staff.handout.files import HandoutError, collect
from staff.handout.scores import (
    Mutant,
    environment,
    keys_of,
    mutant_problems,
    mutants,
    mutate,
    score,
    score_problems,
    solved_files,
    states,
)
from staff.markers import redact, regions
from staff.questions import ROOT, questions

DATA = ROOT / "cs231n" / "datasets"
IDS = [question.id for question in questions()]
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
    "cs231n/check_worker.py": WORKER.encode(),
    "cs231n/one.py": b"def f(x):\n    return 2 * x\n\n\ndef g(x):\n    return x + x\n",
}


@pytest.fixture(scope="module")
def handed_out():
    return collect(ROOT, questions())


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


def test_the_handout_has_nothing_done_and_the_solution_everything(handed_out, solved):
    keys = list(keys_of(questions(), solved))
    (nothing,) = states(handed_out, [{}], [keys], DATA)
    (everything,) = states(solved, [{}], [keys], DATA)
    assert len(keys) >= 21
    assert {k: s for k, s in nothing.items() if s != "not started"} == {}
    assert {k: s for k, s in everything.items() if s != "done"} == {}


def test_filling_one_function_moves_its_own_points_and_no_others(handed_out, solved):
    keys = keys_of(questions(), solved)
    names = {key: key.partition(":")[0] for key in keys}
    filled, changes, asked = [], [], []
    for path in sorted({m for q in questions() for m in q.modules} & handed_out.keys()):
        source = (ROOT / path).read_text("utf-8")
        module = path.removesuffix(".py").replace("/", ".")
        near = [key for key in keys if names[key].startswith(f"{module}.")]
        for region in regions(source, path, IDS):
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
    bank = mutants(ROOT)
    for key, question in keys_of(questions(), solved).items():
        parts = key.partition(":")[0].split(".")
        names = {".".join(parts[k:]) for k in range(1, len(parts))}
        own = [m for m in bank if m.function in names and question in m.questions]
        assert len(own) >= 3, key
    for mutant in bank:
        source = solved[mutant.file].decode()
        assert mutate(source, mutant, IDS) != source


def some_mutants():
    """Every fourth one, so that a run of all tests stays short."""
    return mutants(ROOT)[1::4]


def test_some_mutants_lose_points_on_their_question_and_on_no_other(solved):
    assert len(some_mutants()) >= 17
    assert mutant_problems(solved, some_mutants(), questions(), DATA) == []


@pytest.mark.slow
def test_every_mutant_loses_points_on_its_question_and_on_no_other(solved):
    assert mutant_problems(solved, mutants(ROOT), questions(), DATA) == []


@pytest.mark.slow
def test_scores_are_nothing_and_everything_in_both_editions(handed_out, solved):
    assert score_problems(handed_out, solved, questions(), DATA) == []


def test_a_mutant_that_is_none_and_one_of_another_question_are_named(solved):
    file, function = "cs231n/rnn_layers.py", "rnn_step_forward"
    same = Mutant(file, function, "prev_h @ Wh + b", "b + prev_h @ Wh", ("Q1",))
    other = Mutant(file, function, "prev_h @ Wh + b", "b", ("Q2",))
    found = mutant_problems(solved, [same, other], questions(), DATA)
    assert [problem.split("'")[-1] for problem in found] == [
        " loses no points on Q1.",
        " loses no points on Q2.",
        " also loses points on Q1.",
    ]


@pytest.mark.parametrize(
    ("function", "old", "words"),
    [
        ("rnn_step_forward", "nowhere", "0 times"),
        ("rnn_step_backward", "da", "times 'da'; once is wanted"),
        ("rnn_nothing", "x", "no answer in a function rnn_nothing"),
    ],
)
def test_mutants_that_do_not_fit_are_named(solved, function, old, words):
    mutant = Mutant("cs231n/rnn_layers.py", function, old, "", ("Q1",))
    with pytest.raises(HandoutError, match=words):
        mutate(solved["cs231n/rnn_layers.py"].decode(), mutant, IDS)


def test_a_bank_that_is_not_complete_is_named(tmp_path):
    (tmp_path / "staff").mkdir()
    path = tmp_path / scores.MUTANTS
    path.write_text('[[mutants]]\nfile = "a.py"\nedits = [["a", "b"]]\n')
    with pytest.raises(HandoutError, match="not complete"):
        mutants(tmp_path)
