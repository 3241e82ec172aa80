"""A made class is what ``answers.json`` says, and the same for the same seed."""

import json
import random

import pytest

from cs231n.assignment.table import function, questions
from cs231n.tools.check import marks
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.verdict import EARNS, UNBEGUN, WRONG, judge
from staff.grading import made_class, roster
from staff.grading.intake import submissions
from staff.grading.made_class import ANSWERS, EXPORTS, MAKERS, ROSTER, SUBMISSIONS
from staff.grading.submission import Refused
from staff.mistakes.writings import loaded
from staff.tests.student_folder import handout_files

STUDENTS = len(MAKERS) + 3  # each kind once, at least


@pytest.fixture(scope="module", autouse=True)
def _one_hand_out():
    """Take the hand-out that other tests have made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_class, "_handout", handout_files)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "of 2026"
    made_class.make(folder, STUDENTS, seed=5)
    return folder


def rows(folder):
    answers = json.loads((folder / ANSWERS).read_text("utf-8"))
    return {row["name"]: row for row in answers["submissions"]}


def test_every_kind_is_there(whole):
    assert {row["kind"] for row in rows(whole).values()} == set(MAKERS)


def test_intake_reads_it_as_it_was_meant(whole):
    known = rows(whole)
    found = {f.name: f for f in submissions([whole / SUBMISSIONS])}
    assert found.keys() == known.keys()
    for name, row in known.items():
        assert isinstance(found[name], Refused) == row["refused"], (row, found[name])
        if not row["refused"]:
            assert found[name].edition == row["edition"], row
            assert found[name].late == row["late"], row
            assert found[name].notebooks, row
            wanted = {f.file for f in map(function, row["unwritten"])}
            assert wanted <= found[name].modules.keys()


def test_the_roster_knows_everybody(whole):
    people = roster.read(whole / ROSTER)
    assert len(people.students) == STUDENTS
    known = rows(whole)
    matched = people.match(submissions([whole / SUBMISSIONS]))
    assert not matched.unmatched
    assert matched.missing
    for id, attempts in matched.attempts.items():
        assert {known[a.submission.name]["student"] for a in attempts} == {id}


def test_the_same_seed_makes_the_same_class(tmp_path, whole):
    again, other = tmp_path / "again", tmp_path / "other"
    made_class.make(again, STUDENTS, seed=5)
    made_class.make(other, 3, seed=6)
    files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(again) for p in again.rglob("*") if p.is_file()
    )
    for name in files:
        assert (whole / name).read_bytes() == (again / name).read_bytes(), name
    assert not {*rows(other)} & {*rows(whole)}


@pytest.mark.parametrize("export", sorted({*EXPORTS} - {"canvas"}))
def test_other_platforms(tmp_path, export, monkeypatch):
    kinds = dict.fromkeys(("half", "messy", "layout of 2018", "broken", "missing"), 1)
    monkeypatch.setattr(made_class, "_WEIGHTS", kinds)
    made_class.make(tmp_path / "c", 8, seed=3, export=export)
    known = rows(tmp_path / "c")
    found = list(submissions([tmp_path / "c" / SUBMISSIONS]))
    assert {f.name for f in found} == known.keys()
    matched = roster.read(tmp_path / "c" / ROSTER).match(found)
    assert not matched.unmatched
    for id, attempts in matched.attempts.items():
        assert {known[a.submission.name]["student"] for a in attempts} == {id}


def first(kind, fits):
    """Return the first submission of a kind that fits; no other need be packed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_class, "_packed", lambda _: b"")
        found = next(k for k in range(40) if fits(MAKERS[kind](random.Random(k))))
    return MAKERS[kind](random.Random(found))


def verdicts(made, tmp_path, questions_of):
    path = tmp_path / made.file
    path.write_bytes(made.content)
    (found,) = submissions([path])
    texts = {
        p.removesuffix(".py").replace("/", "."): t for p, t in found.modules.items()
    }
    modules = {f.module for q in questions() if q.points for f in q.functions}
    known = marks.records()
    with loaded({name: text for name, text in texts.items() if name in modules}):
        return {
            f.key: judge(f, known, exercise(f.key))
            for q in questions()
            if q.id in questions_of
            for f in q.functions
        }


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("half", ("Q1", "Q2")),
        ("mistakes", ("Q1", "Q2")),
        ("layout of 2016", ("Q3-2016", "Q4-2016")),
        ("set of 2016", ("Q3-2016", "Q4-2016")),
    ],
)
def test_the_answers_are_true(tmp_path, kind, about):
    keys = {f.key for q in questions() if q.id in about for f in q.functions}
    made = first(
        kind,
        lambda one: (
            keys & {s.key for s in one.mistakes} and (kind != "half" or one.unwritten)
        ),
    )
    wrong = {s.key for s in made.mistakes} & keys
    unwritten = {f.key for f in made.unwritten} & keys
    for key, verdict in verdicts(made, tmp_path, about).items():
        if key in wrong:
            assert verdict.state == WRONG, (key, verdict)
        elif key in unwritten:
            assert verdict.state in {UNBEGUN, WRONG}, (key, verdict)
        elif function(key).variant or "CaptioningRNN" in key:
            continue  # the other variant may have the mistake, too
        else:
            assert verdict.state in EARNS, (key, verdict)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").write_text("mine")
    assert made_class.main(["--students", "2", "--out", str(tmp_path)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_command_counts_what_it_made(tmp_path, capsys):
    assert made_class.main(["--students", "2", "--out", str(tmp_path / "c")]) == 0
    assert "submissions of 2 students" in capsys.readouterr().out


def test_nobody_is_no_class(tmp_path):
    with pytest.raises(SystemExit):
        made_class.main(["--students", "0", "--out", str(tmp_path / "c")])
