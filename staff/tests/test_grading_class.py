"""A class graded by real judges: killed on the way, by one or by two, in any order."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from cs231n.assignment.table import questions
from staff.grading import command, made_class, records, regrade, secret
from staff.grading.results import ASKED, PASSED
from staff.mistakes.bank import bank
from staff.questions import ROOT
from staff.tests.graded import solved, stubs, with_slip

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")
STUDENTS = 200
LAYERS, MODEL = "cs231n/rnn_layers.py", "cs231n/classifiers/rnn.py"


@pytest.fixture(autouse=True)
def _own_secret(tmp_path, monkeypatch):
    monkeypatch.setenv(secret.SETTING, str(tmp_path / "home" / "secret"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))


def start(paths, out, *words):
    """Start the command in a process of its own."""
    command_line = [sys.executable, "-m", "staff", "grade", *map(str, paths)]
    return subprocess.Popen(
        [*command_line, "--out", str(out), *words],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def grade(paths, out, *words):
    """Grade to the end; return what it said."""
    run = start(paths, out, *words)
    said = run.communicate()[0]
    assert run.returncode == 0, said
    return said


def whole(out):
    """Return name -> record, each of which can be read and fits the schema."""
    found = [record for _, record in records.every(out)]
    return {r["verdict"]["submission"]["name"]: r for r in found}


def verdicts(out):
    """Return name -> the bytes that are to be the same every time."""
    return {n: records.written(r["verdict"]) for n, r in whole(out).items()}


def kill_at(count, paths, out, *words):
    """Grade until so many are done, kill the grader, return the records."""
    run, folder = start(paths, out, *words), out / records.FOLDER
    while run.poll() is None and len(list(folder.glob("[!.]*.json"))) < count:
        time.sleep(0.05)
    assert run.poll() is None, run.communicate()[0]
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()  # ends when the last of its processes has ended
    return whole(out)


@pytest.mark.slow
def test_killed_resumed_in_another_order_or_alone_the_records_are_the_same(
    tmp_path, capsys
):
    key = "cs231n.rnn_layers.rnn_step_backward"
    slip = next(s for s in bank()[1] if s.key == key and "edit" in s.edits)
    class_ = {
        "ada": solved(),
        "bo": with_slip(slip, "edit"),
        "dan": stubs(),
        "eve": {LAYERS: f"import os\nos._exit(0)\n{solved()[LAYERS]}"},
    }
    files = []
    for name, modules in class_.items():
        files.append(tmp_path / f"{name}.zip")
        with zipfile.ZipFile(files[-1], "w") as packed:
            for module in (LAYERS, MODEL):
                packed.writestr(module, modules.get(module, solved()[module]))
    (tmp_path / "torn.zip").write_bytes(files[0].read_bytes()[:999])
    files.append(tmp_path / "torn.zip")
    one, two = tmp_path / "one", tmp_path / "two"
    words = ["--resume", "--questions", "q1"]

    before = kill_at(2, files, one, "--jobs", "2", *words)
    said = grade(files, one, "--jobs", "2", *words)
    judged = len(before) - ("torn" in before)
    assert f"Judged before, by the same rules: {judged}." in said
    assert {n: r["host"] for n, r in before.items()}.items() <= {
        n: r["host"] for n, r in whole(one).items()
    }.items()
    grade(reversed(files), two, "--jobs", "1", *words)

    assert verdicts(one) == verdicts(two)
    scores = {n: r["verdict"].get("score") for n, r in whole(one).items()}
    assert scores["ada"] == 25
    assert scores["dan"] == 0
    assert scores["eve"] == 11  # of the model, whose file is in order
    assert 0 < scores["bo"] < 25
    assert scores["torn"] is None
    some = [
        str(file) for file, _ in records.every(one) if file.name[:2] in ("bo", "to")
    ]
    assert regrade.main([*some, "--jobs", "1"]) == 0
    assert "The same to the byte: 2 of 2." in capsys.readouterr().out
    # What the killed ones left was removed by those that came after.
    pids = {int(p.name.split("-")[2]) for p in tmp_path.glob("tmp/cs231n-grading-*")}
    assert not pids - {os.getpid()}
    assert {p.name[:15] for p in (tmp_path / "tmp").iterdir()} <= {"cs231n-grading-"}


def fits(row, record, keys):
    """Compare a record with what was made; return what does not fit."""
    verdict = record["verdict"]
    if row["refused"]:
        return [] if "refused" in verdict else ["it was read"]
    if "checks" not in verdict:
        return [f"not judged: {verdict}"]
    checks = [c for c in verdict["checks"] if c["tier"] == ASKED]
    lost = {c["function"] for c in checks if c["state"] != PASSED}
    made = {m["function"] for m in row["mistakes"]} & keys
    bare = {*row["unwritten"], *row["spoilt"]} & keys
    may = made | bare | {*row["doubtful"]} | {m["function"] for m in row["possible"]}
    return [f"{key} lost points" for key in sorted(lost - may)] + [
        f"{key} lost none" for key in sorted((made | bare) - lost)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["q1", "q1,q2,q3,q4,q5,q3_2016,q4_2016"])
def test_a_class_of_200_is_graded_though_it_is_killed_three_times(
    tmp_path, asked, tell
):
    folder, out = tmp_path / "class", tmp_path / "grades"
    made_class.make(folder, STUDENTS, seed=231)
    answers = json.loads((folder / made_class.ANSWERS).read_text("utf-8"))
    rows = {row["name"]: row for row in answers["submissions"]}
    handed_in, roster = folder / made_class.SUBMISSIONS, folder / made_class.ROSTER
    words = ["--resume", "--questions", asked, "--jobs", "2", "--roster", str(roster)]
    begun: dict[str, str] = {}
    refused = sum(row["refused"] for row in rows.values())
    for part in (0.2, 0.45, 0.7):
        count = refused + round(part * (len(rows) - refused))
        found = kill_at(count, [handed_in], out, *words)
        now = {n: r["host"]["begun"] for n, r in found.items() if "begun" in r["host"]}
        assert begun.items() <= now.items()  # nothing was judged twice
        begun = now
    begin = time.monotonic()
    said = grade([handed_in], out, *words)
    took = time.monotonic() - begin
    tell(f"a class of {STUDENTS}, {asked}, the last run: {took:.0f} s")
    tell("; ".join(re.findall(r"Judged.*", said)))

    all_ = whole(out)
    assert all_.keys() == rows.keys()
    keys = {
        f.key for q in questions() if q.marker in asked.split(",") for f in q.functions
    }
    wrong = {name: fits(row, all_[name], keys) for name, row in rows.items()}
    assert not {name: said for name, said in wrong.items() if said}
    peak = max(r["host"].get("peak_bytes", 0) for r in all_.values())
    tell(
        f"a class of {STUDENTS}, {asked}: none lost; a worker's peak is {peak >> 20} MB"
    )

    # Some of them afresh, one after the other, those that came last first.
    judged = sorted(n for n, row in rows.items() if not row["refused"])
    some = sorted(random.Random(7).sample(judged, 12))
    halves = tmp_path / "b", tmp_path / "a"
    for half, names in zip(halves, (some[:6], some[6:]), strict=True):
        half.mkdir()
        for name in names:
            (file,) = handed_in.glob(f"{name}.*")
            shutil.copy(file, half)
    again = tmp_path / "again"
    grade(halves[::-1], again, "--questions", asked, "--jobs", "1")
    fresh, before = verdicts(again), verdicts(out)
    assert fresh == {name: before[name] for name in some}
    assert command.main(["--diff", str(again), str(out)]) == 0
