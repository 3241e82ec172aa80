"""Records: what they hold, that they are whole, the same bytes for the same facts."""

import csv
import io
import json
import os
import zipfile
from dataclasses import replace
from datetime import datetime

import pytest
from jsonschema import Draft202012Validator

from staff.grading import cohort, compare, overrides, people, records, secret, tables
from staff.grading.records import Grounds, RecordError
from staff.grading.results import FAILED, Check, Judged
from staff.grading.roster import parse as roster
from staff.grading.scores import DONE, PARTLY, REMARKED, standing
from staff.grading.secret import SecretError
from staff.grading.submission import Left, Refused
from staff.grading.tables import TableError
from staff.grading.written import answers
from staff.tests.grading_fakes import (
    LAYERS,
    MISTAKE,
    STEP,
    judge,
    submission,
    written,
)

GROUNDS = Grounds("a" * 64, "b" * 64, {"python": "3.11.7"})


def made(name="ada", text="", **more):
    one = submission(name, text, **more)
    return records.record(one, judge(one, b"0" * 32), GROUNDS)


def class_of(*texts):
    """Return records of students with these texts: file -> record."""
    found = {}
    for number, text in enumerate(texts):
        one = submission(
            f"s{number}", text, student={"Student": f"S {number}", "ID": str(number)}
        )
        found[records.stem(one)] = records.record(one, judge(one, b"0" * 32), GROUNDS)
    people.assign(found, None, "last")
    return found


def standings(all_):
    return [standing(record, file) for file, record in all_.items()]


def test_the_schema_is_a_schema_and_takes_every_kind_of_record():
    Draft202012Validator.check_schema(json.loads(records.SCHEMA.read_text("utf-8")))
    for record in (
        made(),
        records.refusal(Refused("x.zip", "It is no zip; send one."), GROUNDS),
        records.failure(submission(), "Traceback: a fault", GROUNDS),
    ):
        records.checked(json.loads(records.written(record)), "a record")


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (lambda r: r["verdict"].update(score=-1), "score"),
        (lambda r: r["verdict"].update(rubric="short"), "rubric"),
        (lambda r: r["verdict"]["checks"][0].update(tier="extra"), "tier"),
        (lambda r: r["verdict"].update(time=3.0), "time"),
        (lambda r: r["verdict"].update(refused=""), "refused"),
        (lambda r: r["verdict"].pop("checks"), "verdict"),
        (lambda r: r["host"].update(isolation=3), "isolation"),
        (lambda r: r.update(format=2), "format 1"),
    ],
)
def test_what_does_not_fit_the_schema_is_no_record(spoil, place, tmp_path):
    record = made()
    spoil(record)
    (tmp_path / "r.json").write_text(json.dumps(record))

    with pytest.raises(RecordError, match=place):
        records.read(tmp_path / "r.json")


def test_points_that_are_no_numbers_make_no_record():
    one = submission()
    checks = (Check(STEP, "values", "asked", FAILED, float("nan"), 1.0),)
    with pytest.raises((RecordError, ValueError)):
        records.written(records.record(one, Judged(checks), GROUNDS))


def test_the_verdict_is_the_same_bytes_and_the_host_stands_apart():
    one = submission(text="wrong rnn_step_forward.")
    first = records.record(one, judge(one, b"0" * 32), GROUNDS)
    other = judge(one, b"9" * 32, "bubblewrap")
    second = records.record(one, other, GROUNDS, {"total_seconds": 3.5})

    assert first["host"] != second["host"]
    assert records.written(first["verdict"]) == records.written(second["verdict"])


def test_the_score_is_the_sum_of_its_checks_in_both_editions():
    for edition in ("2017", "2016"):
        verdict = made(edition=edition)["verdict"]
        assert verdict["score"] == verdict["of"] == 100
        assert [q["points"] for q in verdict["questions"]] == [
            q["of"] for q in verdict["questions"]
        ]
    half = made(text="wrong rnn_step_forward.")["verdict"]
    assert half["score"] == 99  # the step is worth 2, and half of it is wrong


def test_a_submission_comes_back_from_beside_its_record(tmp_path):
    one = submission(
        text="é = 1",
        notebooks={"RNN_Captioning": written()},
        left=(Left("x/.DS_Store", "It is no file of the assignment."),),
        remarks=("A folder too many.",),
        received="2026-05-03T12:00:00+00:00",
        late=True,
    )
    records.keep(one, tmp_path / "a.zip")
    first = (tmp_path / "a.zip").read_bytes()
    back = records.kept(tmp_path / "a.zip")
    records.keep(back, tmp_path / "a.zip")

    assert back == one
    assert back.digest == one.digest
    assert (tmp_path / "a.zip").read_bytes() == first


def test_a_damaged_submission_is_named(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK, or not")
    with pytest.raises(RecordError, match=r"a\.zip.*cannot be read"):
        records.kept(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.writestr("modules/a.py", "")
    with pytest.raises(RecordError, match=r"b\.zip"):
        records.kept(tmp_path / "b.zip")


def test_files_are_called_so_that_none_takes_the_place_of_another():
    same = submission("a3")
    names = {
        records.stem(one)
        for one in (
            same,
            replace(same, student={"ID": "2"}),
            replace(same, modules={LAYERS: "x = 1"}),
            replace(same, late=True),
            submission("../../a3"),
            submission("…/日本"),
            Refused("a3", "why"),
        )
    }
    assert len(names) == 7
    assert all(name.isascii() and "/" not in name for name in names)
    assert records.stem(same) == records.stem(submission("a3"))


def test_the_secret_is_made_once_and_is_private(tmp_path, monkeypatch):
    place = tmp_path / "home" / "key"
    monkeypatch.setenv(secret.SETTING, str(place))
    out = tmp_path / "grades"

    first = secret.course_secret(out)
    assert secret.course_secret(out) == first
    assert len(first) == 32
    assert first.hex() not in secret.digest(first)
    if os.name == "posix":
        assert place.stat().st_mode & 0o777 == 0o600
        assert place.parent.stat().st_mode & 0o777 == 0o700
        assert sorted(p.name for p in place.parent.iterdir()) == ["key"]
        place.chmod(0o644)
        with pytest.raises(SecretError, match="chmod 600"):
            secret.course_secret(out)
        place.chmod(0o600)
    place.write_text("short")
    with pytest.raises(SecretError, match="no course secret"):
        secret.course_secret(out)
    monkeypatch.setenv(secret.SETTING, str(out / "key"))
    with pytest.raises(SecretError, match="handed on"):
        secret.course_secret(out)


def test_what_care_finds_is_a_remark_and_costs_nothing():
    (part, *_) = standing(made(text="careless rnn_step_forward."), "a").parts
    (work, *rest) = part.works

    assert work.state == REMARKED
    assert work.points == work.of
    assert work.remarks == ["With float32 inputs it returns float64."]
    assert {other.state for other in rest} == {DONE}


def test_a_function_is_partly_done_or_not_started():
    text = "wrong rnn_step_forward. unbegun rnn_step_backward."
    (part, *_) = standing(made(text=text), "a").parts

    assert [work.state for work in part.works[:2]] == [PARTLY, "not started"]
    assert part.points == 25 - 1 - 3


def test_decisions_are_applied_after_the_verdict():
    all_ = class_of("wrong rnn_step_forward.", "wrong rnn_step_forward.", "")
    text = (
        "student,check,points,reason,who\n"
        f"0,{STEP}/dW,0.5,an appeal,ab\n"
        "*,cs231n.rnn_layers.rnn_forward/values,,the check was wrong,cd\n"
    )
    people.override(all_, overrides.parse(text, "o.csv"))
    ada, bob, _ = standings(all_)

    assert (ada.verdict, ada.points) == (99, 99.5)
    assert bob.points == bob.verdict == 99
    assert [d.override.says for d in ada.decisions] == [
        "Set to 0.5 by hand: an appeal (ab).",
        "This check was withdrawn for all: the check was wrong (cd).",
    ]
    for record in all_.values():
        records.checked(record, "with decisions")


def test_decisions_about_nobody_or_nothing_are_refused():
    all_ = class_of("")
    for line in (f"9,{STEP}/dW,1,r,w", f"0,{STEP}/dX,1,r,w", f"0,{STEP}/dW,7,r,w"):
        rows = overrides.parse(f"student,check,points,reason,who\n{line}\n", "o.csv")
        with pytest.raises(overrides.OverridesError, match=r"csv:2: "):
            people.override(all_, rows)


def test_the_last_attempt_counts_or_the_best_and_late_ones_are_marked():
    early = submission("early", received="2026-05-01T00:00:00+00:00")
    late = submission(
        "late", "wrong rnn_step_forward.", received="2026-05-09T00:00:00+00:00"
    )
    early, late = (replace(one, student={"ID": "7"}) for one in (early, late))
    refused = Refused("broken", "It is no zip.", {"ID": "7"})
    all_ = {
        one.name: records.record(one, judge(one, b"0" * 32), GROUNDS)
        for one in (late, early)
    }
    all_["broken"] = records.refusal(refused, GROUNDS)
    class_ = roster("Student,ID\nAda,7\nBob,8\n", "roster.csv")
    due = datetime(2026, 5, 5)

    missing = people.assign(all_, class_, "last", due)
    assert [student.name for student in missing] == ["Bob"]
    assert {f: s.counts for f, s in zip(all_, standings(all_), strict=True)} == {
        "late": True,
        "early": False,
        "broken": False,
    }
    assert [s.late for s in standings(all_)] == [True, False, False]
    people.assign(all_, class_, "best", due)
    assert [s.counts for s in standings(all_)] == [False, True, False]


def test_who_is_not_in_the_roster_is_named():
    all_ = class_of("")
    people.assign(all_, roster("Student,ID\nBob,8\n", "roster.csv"), "last")
    (one,) = standings(all_)
    assert "The roster has nobody with" in one.note
    assert one.name == "S 0"


def test_groups_of_identical_failures_hold_whatever_the_numbers_are():
    all_ = class_of(
        "wrong rnn_step_forward.",
        "wrong rnn_step_forward. # with another number in its sentence",
        "wrong rnn_step_forward. named",
        "wrong rnn_forward. named",
        "",
    )
    groups = cohort.groups(standings(all_))

    assert [(g.function, len(g.members)) for g in groups] == [
        (STEP, 2),
        ("cs231n.rnn_layers.rnn_forward", 1),
        (STEP, 1),
    ]
    assert groups[2].what == MISTAKE
    people.remark(all_, {groups[0].key: "See page 3."})
    assert [list(s.said.values()) for s in standings(all_)] == [
        *([["See page 3."]] * 2),
        *([[]] * 3),
    ]


def test_difficulty_and_discrimination_of_a_check():
    both = "wrong rnn_step_forward. wrong rnn_forward. wrong rnn_backward."
    all_ = class_of(both, both, "", "", "wrong lstm_forward.", "")
    found = {check.id: check for check in cohort.checks(standings(all_))}

    assert found[f"{STEP}/dW"].share == pytest.approx(4 / 6)
    assert found[f"{STEP}/dW"].discrimination > 0.8
    assert found[f"{STEP}/values"].discrimination is None
    assert found["cs231n.rnn_layers.lstm_forward/dW"].discrimination < 0
    assert sum(cohort.distribution(standings(all_))) == 6


def test_answers_in_words_have_a_row_each_whether_answered_or_not():
    found = answers({"RNN_Captioning": written("Both.")}, "2017")
    assert [(a.question, a.cell, a.text) for a in found] == [
        ("Q1", "q1-characters-or-words", "Both.")
    ]
    (empty,) = answers({"RNN_Captioning": written("")}, "2017")
    assert empty.text == ""
    bare = json.dumps({"cells": [], "metadata": {}, "nbformat": 4}).encode()
    (gone,) = answers({"RNN_Captioning": bare}, "2017")
    assert "not in the notebook" in gone.note
    (broken,) = answers({"RNN_Captioning": b"{"}, "2017")
    assert "cannot be read" in broken.note


def test_answers_stand_in_cells_of_their_own_or_in_old_notebooks():
    notebook = json.loads(written(""))
    notebook["cells"].append(
        {"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "In mine."}
    )
    (one,) = answers({"RNN_Captioning": json.dumps(notebook).encode()}, "2017")
    assert one.text == "In mine."
    for cell in notebook["cells"]:  # as tools leave them that know no ids
        del cell["id"]
    notebook["cells"][1]["source"] += " Alone."
    (one,) = answers({"RNN_Captioning": json.dumps(notebook).encode()}, "2017")
    assert one.text == "Alone."
    old = {
        "cell_type": "markdown",
        "metadata": {},
        "source": "# INLINE QUESTION\nWhy?\n\n**Your Answer:** So.",
    }
    content = json.dumps({"cells": [old], "metadata": {}, "nbformat": 4}).encode()
    (one,) = answers({"RNN_Captioning": content}, "2017")
    assert (one.text, one.cell) == ("So.", "RNN_Captioning-1")
    assert one.asked.endswith("Why?")


def test_points_for_words_go_out_and_come_in_again(tmp_path):
    all_ = class_of("", "")
    file, other = all_
    words = {
        f: answers({"RNN_Captioning": written("=1+1 or @SUM(A1)")}, "2017")
        for f in all_
    }
    tables.save(tables.written_rows(standings(all_), words), tmp_path / "written.csv")
    sheet = (tmp_path / "written.csv").read_text("utf-8-sig")
    assert "'=1+1" in sheet
    rows = tables.rows(tmp_path / "written.csv", tables.WRITTEN)
    assert [row["file"] for row in rows] == [file, other]

    filled = list(csv.reader(io.StringIO(sheet)))
    assert filled[0][-4:] == ["points", "of", "remark", "who"]
    filled[1][-4:] = ["2,5", "3", "=Good", "ab"]
    tables.save(filled, tmp_path / "in.csv")
    people.give_written(all_, tables.read_written(tmp_path / "in.csv"))
    ada, bob = standings(all_)
    assert (ada.words, ada.words_of, ada.total) == (2.5, 3, 102.5)
    assert bob.words == 0
    again = tables.written_rows(standings(all_), words)
    assert again[1][-4:] == ["2.5", "3", "'=Good", "ab"]
    for row, said in (("x,c,1,r", "no record here"), (f"{file},c,many,", "a number")):
        text = f"file,cell,points,remark\n{row}\n"
        (tmp_path / "in.csv").write_text(text)
        with pytest.raises(TableError, match=said):
            people.give_written(all_, tables.read_written(tmp_path / "in.csv"))


def test_a_table_that_excel_saved_is_read(tmp_path):
    path = tmp_path / "remarks.csv"
    path.write_bytes("group;remark\r\nabc;S\u00fc\u00df, or not\r\n".encode("cp1252"))
    assert tables.read_remarks(path) == {"abc": "Süß, or not"}
    path.write_text("a,b\n")
    with pytest.raises(TableError, match="no column group, remark"):
        tables.read_remarks(path)


def test_canvas_gets_its_own_columns_back():
    class_ = roster(
        "Student,ID,SIS User ID,SIS Login ID,Section,Assignment 3 (4711),Quiz\n"
        "    Points Possible,,,,,100,5\n"
        '"Zero, S",0,u0,zero,A,,\n"Nobody, N",9,u9,none,B,,\n',
        "roster.csv",
    )
    all_ = class_of("wrong rnn_step_forward.")
    people.assign(all_, class_, "last")

    assert tables.canvas_rows(standings(all_), class_, 100) == [
        [
            *("Student", "ID", "SIS User ID", "SIS Login ID", "Section"),
            "Assignment 3 (4711)",
        ],
        ["    Points Possible", "", "", "", "", "100"],
        ["Zero, S", "0", "u0", "zero", "A", "99"],
        ["Nobody, N", "9", "u9", "none", "B", ""],
    ]


def test_a_difference_says_whose_score_moved_by_how_much_and_why(tmp_path):
    old = class_of("wrong rnn_step_forward.", "", "")
    new = class_of("", "wrong rnn_step_forward.", "")
    for folder, all_ in (("old", old), ("new", new)):
        for number, record in enumerate(all_.values()):
            records.save(record, tmp_path / folder / "records" / f"s{number}.json")
    found = compare.compare(tmp_path / "old", tmp_path / "new")

    assert [(m.name, m.old, m.new) for m in found.moves] == [
        ("S 0", 99, 100),
        ("S 1", 100, 99),
    ]
    assert found.moves[0].reasons == (f"{STEP}/dW: failed → passed (+1).",)
    assert found.moves[1].reasons[0].startswith(f"{STEP}/dW: passed → failed (−1). is")
    assert found.same == 1
    assert [row[:5] for row in compare.whom_to_tell(found)[1:]] == [
        ["S 0", "0", "99", "100", "1"],
        ["S 1", "1", "100", "99", "-1"],
    ]
