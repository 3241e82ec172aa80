"""The command: a class from submissions to pages, whatever happens on the way."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from staff.grading import command, jobs, records, regrade, secret
from staff.grading.records import Grounds
from staff.grading.submission import Refused
from staff.questions import ROOT
from staff.tests import grading_fakes
from staff.tests.grading_fakes import STEP, page_of, submission, written

JUDGING = "staff.tests.grading_fakes:judging"
TWO_AT_ONCE = ("-j", "2")
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")


@pytest.fixture(autouse=True)
def ground(tmp_path, monkeypatch):
    """Keep the course's secret apart, and take what stands for real grounds."""
    monkeypatch.setenv(secret.SETTING, str(tmp_path / "home" / "secret"))
    monkeypatch.setattr(command, "level_for", lambda required: required or "limits")
    monkeypatch.setattr(command, "grounds_for", grounds)


def grounds(key, only=(), rubric="a", withdrawn=()):
    digest = secret.digest(key)
    return Grounds(rubric * 64, digest, {"python": "3"}, dict(withdrawn), only)


def hand_in(monkeypatch, *class_):
    monkeypatch.setattr(command, "submissions", lambda _: iter(class_))


def grade(out, *words):
    return command.main(
        ["x", "--out", str(out), "--judging", JUDGING, "-j", "1", *words]
    )


def verdicts(out):
    return {
        path.name: records.written(record["verdict"])
        for path, record in records.every(out)
    }


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def class_():
    return [
        submission("ada", notebooks={"RNN_Captioning": written()}),
        submission("bo", "wrong rnn_step_forward. named"),
        submission("cleo", "wrong rnn_step_forward. named again"),
        submission("dan", "unbegun rnn_step_forward."),
    ]


def test_a_class_becomes_records_pages_and_tables(tmp_path, monkeypatch, capsys):
    hand_in(monkeypatch, *class_(), Refused("x.zip", "It is no zip; send one."))
    assert grade(tmp_path / "g") == 0
    said = capsys.readouterr().out

    assert "Judged: 4, " in said
    assert "a minute" in said
    assert "Not read: x.zip: It is no zip; send one." in said
    found = {row["student"]: row for row in rows(tmp_path / "g" / "class.csv")}
    assert {name: row["total"] for name, row in found.items()} == {
        "Ada": "100",
        "Bo": "99",
        "Cleo": "99",
        "Dan": "98",
        "x.zip": "0",
    }
    assert found["x.zip"]["problem"] == "It is no zip; send one."
    (answer,) = rows(tmp_path / "g" / "written.csv")
    assert answer["answer"] == "Both, as I think."
    (largest,) = rows(tmp_path / "g" / "remarks.csv")
    assert largest["students"] == "2"
    assert [row["Assignment 3"] for row in rows(tmp_path / "g" / "canvas.csv")] == [
        *("100", "100", "99", "99", "98", "0"),
    ]
    assert len(list((tmp_path / "g" / "students").iterdir())) == 5


def test_verdicts_hang_on_no_order_number_of_jobs_or_run(tmp_path, monkeypatch):
    hand_in(monkeypatch, *class_())
    assert grade(tmp_path / "a", *TWO_AT_ONCE) == 0
    hand_in(monkeypatch, *reversed(class_()))
    assert grade(tmp_path / "b") == 0
    assert verdicts(tmp_path / "a") == verdicts(tmp_path / "b")
    assert len(verdicts(tmp_path / "a")) == 4


def test_whatever_happens_to_one_the_others_are_judged(tmp_path, monkeypatch, capsys):
    hand_in(
        monkeypatch,
        submission("raises", "the grader raises"),
        submission("dies", "the grader dies"),
        submission("torn", "\ud800"),  # half a character, which no file can hold
        submission("fine"),
        submission("good"),
    )
    assert grade(tmp_path / "g", *TWO_AT_ONCE) == 0
    said = capsys.readouterr().out

    found = {row["submission"]: row for row in rows(tmp_path / "g" / "class.csv")}
    assert [found[name]["total"] for name in ("fine", "good")] == ["100", "100"]
    assert "a fault of the grader's" in found["raises"]["problem"]
    assert "ended (3)" in found["dies"]["problem"]
    assert found["raises"]["total"] == found["dies"]["total"] == ""
    assert "UTF-8" in found["torn"]["problem"]
    assert said.count("NOT JUDGED, the grader failed") == 2
    assert "no fault of the student" in page_of(tmp_path / "g", "graders", "dies")
    assert "a fault of" not in page_of(tmp_path / "g", "students", "raises")


def test_no_job_that_can_begin_is_an_error(tmp_path, monkeypatch, capsys):
    hand_in(monkeypatch, submission("ada"))
    assert grade(tmp_path / "g", "--judging", "staff.tests.grading_fakes:nothing") == 2
    assert "AttributeError" in capsys.readouterr().err


def test_a_second_run_must_say_that_it_goes_on(tmp_path, monkeypatch, capsys):
    hand_in(monkeypatch, *class_())
    assert grade(tmp_path / "g") == 0
    assert grade(tmp_path / "g") == 2
    assert "--resume" in capsys.readouterr().err


def test_resuming_judges_what_is_new_or_judged_by_other_rules(
    tmp_path, monkeypatch, capsys
):
    hand_in(monkeypatch, *class_()[1:2])
    assert grade(tmp_path / "g") == 0
    hand_in(monkeypatch, *class_()[1:])
    capsys.readouterr()
    assert grade(tmp_path / "g", "--resume") == 0
    said = capsys.readouterr().out
    assert "by the same rules: 1." in said
    assert "Judged: 2, " in said

    monkeypatch.setattr(
        command, "grounds_for", lambda key, only: grounds(key, only, "b")
    )
    assert grade(tmp_path / "g", "--resume") == 0
    assert "Judged: 3, " in capsys.readouterr().out
    os.environ[secret.SETTING] = str(tmp_path / "another")
    assert grade(tmp_path / "g", "--resume") == 0
    assert "Judged: 3, " in capsys.readouterr().out


def test_some_questions_alone_are_judged_and_their_records_say_so(
    tmp_path, monkeypatch, capsys
):
    out, words = tmp_path / "g", ["--resume", "--questions", "q2,Q1"]
    hand_in(monkeypatch, *class_()[1:3])
    assert grade(out, *words) == 0
    for _, record in records.every(out):
        verdict = records.checked(record, "x")["verdict"]
        assert (
            verdict["only"] == [q["id"] for q in verdict["questions"]] == ["Q1", "Q2"]
        )
        assert verdict["of"] == 55
    assert {row["total"] for row in rows(out / "class.csv")} == {"54"}
    assert grade(out, *words) == 0
    assert "by the same rules: 2." in capsys.readouterr().out
    assert regrade.main([str(out), "--judging", JUDGING, "-j", "1"]) == 0
    assert "The same to the byte: 2 of 2." in capsys.readouterr().out

    assert grade(out, "--resume") == 0  # all questions: those records say too little
    assert "Judged: 2, " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        grade(out, "--questions", "q9")
    assert "there is no question q9; name some of q1, " in capsys.readouterr().err


def test_what_ran_out_of_time_is_judged_once_more_alone(tmp_path, monkeypatch):
    mark = tmp_path / "tried"
    hand_in(monkeypatch, submission("busy", f"busy({mark})"), *class_())
    assert grade(tmp_path / "g", *TWO_AT_ONCE) == 0

    for _, record in records.every(tmp_path / "g"):
        assert record["host"]["confirmed"] is True
        assert record["host"]["timed_out"] == []
    assert mark.exists()
    assert rows(tmp_path / "g" / "class.csv")[1]["total"] == "99"  # of Bo
    found = {row["submission"]: row for row in rows(tmp_path / "g" / "class.csv")}
    assert found["busy"]["total"] == "100"


def test_a_job_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE", 1.0)
    hand_in(monkeypatch, submission("sleeps", "sleep(60)"), submission("fine"))
    start = time.monotonic()
    assert grade(tmp_path / "g") == 0
    assert time.monotonic() - start < 40
    found = {row["submission"]: row for row in rows(tmp_path / "g" / "class.csv")}
    assert "longer than 1 s" in found["sleeps"]["problem"]
    assert found["fine"]["total"] == "100"


DRIVER = """
import sys
from staff.grading import command
from staff.tests import test_grading_command as test
from staff.tests.grading_fakes import submission
command.level_for = lambda required: "limits"
command.grounds_for = test.grounds
many = [submission(f"s{k}", "sleep(0.3)begin(%s)" % sys.argv[1]) for k in range(8)]
command.submissions = lambda paths: iter(many)
if __name__ == "__main__":
    sys.exit(test.grade(*sys.argv[2:]))
"""


@POSIX
@pytest.mark.parametrize(
    "how",
    [
        signal.SIGINT,
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in (signal.SIGTERM, signal.SIGKILL)
        ),
    ],
)
def test_an_interruption_leaves_whole_records_and_is_resumed(tmp_path, how):
    script, mark = tmp_path / "driver.py", tmp_path / "begun"
    script.write_text(DRIVER)
    words = [sys.executable, str(script), str(mark), str(tmp_path / "g")]
    words += ["--resume", *TWO_AT_ONCE]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    out = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    run = subprocess.Popen(words, env=env, cwd=ROOT, **out)
    folder = tmp_path / "g" / "records"
    until = time.monotonic() + 30
    while time.monotonic() < until and len(list(folder.glob("[!.]*.json"))) < 2:
        time.sleep(0.02)
    os.kill(run.pid, how)
    said = run.communicate(timeout=30)[1]

    whole = list(folder.glob("[!.]*.json"))
    assert 2 <= len(whole) < 8
    for path in whole:
        records.read(path)
    if how != signal.SIGKILL:
        assert run.returncode == 130
        assert "--resume goes on" in said
    before = {path: path.stat().st_mtime_ns for path in whole}
    done = subprocess.run(words, env=env, cwd=ROOT, check=False, **out)
    assert done.returncode == 0, done.stderr
    # Nobody loses points as the judge was ended in the middle of something.
    totals = [row["total"] for row in rows(tmp_path / "g" / "class.csv")]
    assert totals == ["100"] * 8
    same = [p for p, judged in before.items() if p.exists()]
    begun = [records.read(path)["host"]["begun"] for path in same]
    assert len(begun) == len(whole)


def test_a_faulty_check_is_mended_and_those_whom_it_moves_are_told(
    tmp_path, monkeypatch, capsys
):
    """The recipe of docs/grading.md, from a faulty check to whom to tell."""
    old, new = tmp_path / "old", tmp_path / "new"
    withdrawn = {f"{STEP}/dW": "it drew from the wrong seed"}
    hand_in(monkeypatch, *class_())
    assert grade(old) == 0
    table = f"student,check,points,reason,who\nada-id,{STEP}/values,0.5,copied,ab\n"
    (tmp_path / "overrides.csv").write_text(table)
    words = ["--out", str(old), "--overrides", str(tmp_path / "overrides.csv")]
    assert command.main(words) == 0
    again = ["--judging", JUDGING, "-j", "1"]

    # By the same rules the same comes out.
    assert regrade.main([str(old), *again]) == 0
    assert "The same to the byte: 4 of 4." in capsys.readouterr().out
    # The check is mended: here, the judge finds nothing wrong any more.
    monkeypatch.setattr(
        command, "grounds_for", lambda key, only=(): grounds(key, only, "b", withdrawn)
    )
    mended = "staff.tests.test_grading_command:mended"
    assert regrade.main([str(old), "--out", str(new), *again, "--judging", mended]) == 0
    assert "99 → 100, by another rubric" in capsys.readouterr().out
    assert command.main(["--diff", str(old), str(new)]) == 0
    said = capsys.readouterr().out

    assert f"Withdrawn: {STEP}/dW (it drew from the wrong seed)" in said
    assert f"Bo: 99 → 100 (+1)\n    {STEP}/dW is withdrawn (+1)" in said
    tell = rows(new / "whom-to-tell.csv")
    assert [(row["student"], row["id"], row["by"]) for row in tell] == [
        ("Bo", "bo-id", "1"),
        ("Cleo", "cleo-id", "1"),
    ]
    ada = next(row for row in rows(new / "class.csv") if row["student"] == "Ada")
    assert (ada["verdict"], ada["total"]) == ("100", "99.5")  # the decision is kept
    for kind in ("students", "graders"):
        assert "copied (ab)" in page_of(new, kind, "ada")


@contextlib.contextmanager
def mended(level, only):
    del only
    """Yield a judge whose faulty check is mended."""

    def judge(one, key):
        right = {k: v.replace("wrong", "right") for k, v in one.modules.items()}
        return grading_fakes.judge(replace(one, modules=right), key, level)

    yield judge


def test_regrading_needs_the_secret_and_what_was_judged(tmp_path, monkeypatch, capsys):
    hand_in(monkeypatch, *class_()[:1])
    assert grade(tmp_path / "g") == 0
    words = [str(tmp_path / "g"), "--judging", JUDGING]
    monkeypatch.setenv(secret.SETTING, str(tmp_path / "another"))
    assert regrade.main(words) == 2
    assert "another course secret" in capsys.readouterr().err
    monkeypatch.setenv(secret.SETTING, str(tmp_path / "home" / "secret"))
    assert regrade.main([*words, "--out", str(tmp_path / "g")]) == 2
    assert "another folder" in capsys.readouterr().err
    (kept,) = (tmp_path / "g" / "records").glob("*.zip")
    records.keep(submission("ada", "other"), kept)
    assert regrade.main(words) == 2
    assert "not what" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "g" / "records")
    assert regrade.main(words) == 2
    assert "holds no records" in capsys.readouterr().err


def test_words_and_remarks_come_in_without_judging(tmp_path, monkeypatch, capsys):
    out = tmp_path / "g"
    hand_in(monkeypatch, *class_())
    assert grade(out) == 0
    table = rows(out / "remarks.csv")
    with (tmp_path / "r.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerow(table[0] | {"remark": "See <page> 3."})
    (answer,) = rows(out / "written.csv")
    filled = (
        f"file,cell,points,of,remark,who\n{answer['file']},{answer['cell']},2,3,Ok,ab\n"
    )
    (tmp_path / "w.csv").write_text(filled)
    words = ["--remarks", str(tmp_path / "r.csv"), "--written", str(tmp_path / "w.csv")]
    capsys.readouterr()
    assert command.main(["--out", str(out), *words]) == 0
    assert "Judged" not in capsys.readouterr().out

    assert "See &lt;page&gt; 3." in page_of(out, "students", "bo")
    assert "See &lt;page&gt; 3." in page_of(out, "students", "cleo")
    assert "See" not in page_of(out, "students", "dan")
    assert "2 of 3 points, ab" in page_of(out, "students", "ada")
    assert next(r for r in rows(out / "class.csv"))["total"] == "102"
    assert json.loads(next((out / "records").glob("ada-*.json")).read_text())["people"]


def test_a_level_that_the_machine_lacks_is_refused(monkeypatch):
    from staff.grading.sandbox import workers

    monkeypatch.undo()
    monkeypatch.setattr(workers, "available", lambda: ("landlock", "limits"))
    assert command.level_for("") == "landlock"
    assert command.level_for("limits") == "landlock"
    with pytest.raises(command.GradeError, match="bubblewrap was required"):
        command.level_for("bubblewrap")
    with pytest.raises(command.GradeError, match="no level is called jail"):
        command.level_for("jail")
