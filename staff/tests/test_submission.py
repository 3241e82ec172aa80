"""A hand-in is complete, or the student is told at once all that is missing."""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from cs231n.assignment import table
from cs231n.tools.submission import collecting, public_checks
from cs231n.tools.submission import command as submission
from cs231n.tools.submission.collecting import LIMIT, MANIFEST, gather, required
from cs231n.tools.submission.public_checks import Score
from staff.mistakes.writings import answer, solved
from staff.questions import ROOT
from staff.tests.student_folder import (
    code,
    handout_files,
    notebook,
    prose,
    solved_module,
    unpack,
)

RUN = notebook([code("1", 1)])
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX names and shells")


@pytest.fixture
def folder(tmp_path):
    return unpack(tmp_path / "my assignment – größe")


def hand_in(folder, *arguments):
    return submission.main(["--root", str(folder), "--no-checks", *arguments])


def zip_of(folder):
    with zipfile.ZipFile(folder / "assignment3.zip") as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_zip_holds_the_work_and_a_list_with_its_hashes(folder, capsys):
    (folder / "styles").mkdir()
    (folder / "styles" / "mine.jpg").write_bytes(b"picture")
    (folder / "cs231n" / "im2col_cython.c").write_text("/* built */")

    assert hand_in(folder) == 0

    *_, last = capsys.readouterr().out.splitlines()
    assert re.match(r"assignment3\.zip was made, but is not whole: \d+ remarks", last)
    files = zip_of(folder)
    assert set(required(table.questions())) <= files.keys()
    assert {"styles/mine.jpg", "cs231n/im2col_cython.c", "setup.py"} <= files.keys()
    assert [*files] == [MANIFEST, *sorted(files.keys() - {MANIFEST})]
    listed = json.loads(files.pop(MANIFEST))
    assert listed["set"] == "2017"
    assert listed["handout"] == json.loads(files["cs231n/handout.json"])["version"]
    assert {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    } == {name: entry["sha256"] for name, entry in listed["files"].items()}


def test_nothing_generated_private_or_borrowed_is_in_it(folder):
    out = [
        ".git/config",
        ".git/hooks/x.py",
        ".gitattributes",
        "cs231n/.env",
        ".env/lib/x.py",
        ".venv/lib/x.py",
        "my env/pyvenv.cfg",
        "my env/lib/x.py",
        "conda/conda-meta/history",
        "__pycache__/x.pyc",
        "cs231n/__pycache__/x.cpython-311.pyc",
        ".ipynb_checkpoints/RNN_Captioning-checkpoint.ipynb",
        "cs231n/datasets/coco_captioning/train.h5",
        "cs231n/embedded/photos.py",
        "cs231n/build/temp.o",
        "build/report/index.html",
        "update-3/before.zip",
        "assignment3-handout.zip",
        "assignment3.zip",
        "README.md",
        "requirements.txt",
        "collectSubmission.sh",
        "cs231n/rnn_layers.py~",
        "cs231n/.rnn_layers-a8b_x2k1.py",
        ".DS_Store",
    ]
    within = ["cs231n/.gitignore", "pictures/cat.png", "notes.txt", "deep/er/data.npz"]
    for name in out + within:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")

    assert hand_in(folder) == 0

    files = zip_of(folder)
    assert [name for name in out if name in files] == []
    assert [name for name in within if name not in files] == []
    assert not any("datasets" in Path(name).parts for name in files)


def test_the_data_folder_stays_out_wherever_it_is(folder, monkeypatch):
    (folder / "data").mkdir()
    (folder / "data" / "train.h5").write_bytes(b"x")
    monkeypatch.setenv("CS231N_DATA_DIR", str(folder / "data"))

    assert hand_in(folder) == 0
    assert "data/train.h5" not in zip_of(folder)


def test_equal_folders_make_equal_zips(folder, tmp_path):
    twin = tmp_path / "twin"
    shutil.copytree(folder, twin)
    for path in twin.rglob("*"):
        os.utime(path, (1e9, 1e9))

    assert hand_in(folder) == hand_in(twin) == 0
    first, second = (f / "assignment3.zip" for f in (folder, twin))
    assert first.read_bytes() == second.read_bytes()


def test_everything_missing_is_named_at_once_and_an_older_zip_stays(folder, capsys):
    older = folder / "assignment3.zip"
    older.write_bytes(b"older")
    lost = ["RNN_Captioning.ipynb", "cs231n/rnn_layers.py", "GANs-PyTorch.ipynb"]
    for name in lost:
        (folder / name).unlink()
    before = sorted(folder.rglob("*"))

    assert hand_in(folder) == 1

    said = capsys.readouterr()
    assert "Done" not in said.out
    for name in lost:
        assert f"{name} is missing." in said.err
    assert "is an older one" in " ".join(said.err.split())
    assert older.read_bytes() == b"older"
    assert sorted(folder.rglob("*")) == before


def test_what_there_is_can_be_handed_in_anyway(folder, capsys):
    (folder / "RNN_Captioning.ipynb").unlink()

    assert hand_in(folder, "--anyway") == 0

    said = capsys.readouterr().out
    assert "RNN_Captioning.ipynb is missing." in said
    assert said.splitlines()[-1].startswith("assignment3.zip was made, but is not who")
    (problem,) = json.loads(zip_of(folder)[MANIFEST])["problems"]
    assert "RNN_Captioning.ipynb" in problem


@pytest.mark.parametrize(
    "slip",
    [
        "rnn_captioning_.ipynb",
        "RNN_Captioning (1).ipynb",
        "RNN_Captioning-Copy1.ipynb",
        "solved/RNN_Captioning.ipynb",
    ],
)
def test_a_slip_of_the_name_is_pointed_out(folder, slip, capsys):
    (folder / slip).parent.mkdir(exist_ok=True)
    (folder / "RNN_Captioning.ipynb").rename(folder / slip)

    assert hand_in(folder) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"RNN_Captioning.ipynb is missing. There is {slip}" in said


TWINS = {
    "Q3": "NetworkVisualization",
    "Q4": "StyleTransfer",
    "Q5": "GANs",
}


def begin(folder, *ids):
    """Let a student have written the answers of some questions."""
    for question in table.questions():
        if question.id in ids:
            for path in question.modules:
                (folder / path).write_text(solved_module(path), "utf-8")


def test_one_framework_is_enough(folder, capsys):
    begin(folder, *(f"{id}-TensorFlow" for id in TWINS))
    for name in TWINS.values():
        (folder / f"{name}-PyTorch.ipynb").unlink()
        (folder / f"{name}-TensorFlow.ipynb").write_text(json.dumps(RUN))
    for path in ("net_visualization", "style_transfer", "gan"):
        (folder / "cs231n" / f"{path}_pytorch.py").unlink()
    assert hand_in(folder) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "-PyTorch.ipynb" not in said

    (folder / "GANs-TensorFlow.ipynb").unlink()
    assert hand_in(folder) == 1
    assert "GANs-TensorFlow.ipynb is missing." in capsys.readouterr().err


def test_what_was_not_begun_need_not_be_there_and_is_not_looked_at(folder, capsys):
    for name in TWINS.values():
        (folder / f"{name}-TensorFlow.ipynb").write_text("no notebook")
    assert hand_in(folder) == 0
    begin(folder, "Q3-TensorFlow")
    assert hand_in(folder) == 1
    said = capsys.readouterr().err
    assert "NetworkVisualization-TensorFlow.ipynb" in said
    assert "StyleTransfer-TensorFlow.ipynb" not in said

    # One of the two is whole, and that is enough.
    begin(folder, "Q3")
    assert hand_in(folder) == 0


def test_of_two_frameworks_the_one_with_more_in_it_is_looked_at(folder, capsys):
    begin(folder, "Q4", "Q4-TensorFlow")
    gram = folder / "cs231n" / "style_transfer_tensorflow.py"
    gram.write_text(handout_files()["cs231n/style_transfer_tensorflow.py"].decode())
    for name in ("PyTorch", "TensorFlow"):
        (folder / f"StyleTransfer-{name}.ipynb").write_text(json.dumps(RUN))
    assert hand_in(folder, "--preview") == 0
    said = capsys.readouterr().out
    assert "StyleTransfer-TensorFlow.ipynb" not in said

    begin(folder, "Q4-TensorFlow")
    style = folder / "cs231n" / "style_transfer_pytorch.py"
    half = solved_module("cs231n/style_transfer_pytorch.py").replace(
        answer(solved("cs231n.style_transfer_pytorch"), "tv_loss").splitlines()[0],
        'raise NotImplementedError("tv_loss: your code goes here.")',
    )
    style.write_text(half, "utf-8")
    (folder / "StyleTransfer-PyTorch.ipynb").write_text(json.dumps(notebook([])))
    assert hand_in(folder) == 0


def test_the_option_of_2020_says_which_framework_counts(folder, capsys):
    begin(folder, "Q3", "Q4", "Q5")
    assert hand_in(folder, "-t", "true") == 0
    (folder / "GANs-TensorFlow.ipynb").unlink()
    assert hand_in(folder, "-t", "false") == 0
    assert hand_in(folder, "-t", "true") == 1
    said = capsys.readouterr().err
    assert "GANs-TensorFlow.ipynb is missing." in said
    with pytest.raises(SystemExit):
        hand_in(folder, "-t", "perhaps")


def test_the_notebook_of_2019_has_another_name_in_either_framework(folder):
    begin(folder, "Q5-TensorFlow")
    (folder / "GANs-TensorFlow.ipynb").unlink()
    assert hand_in(folder) == 1
    whole = json.dumps(RUN)
    (folder / "Generative_Adversarial_Networks_TF.ipynb").write_text(whole)
    assert hand_in(folder) == 0


def test_points_are_those_of_the_better_framework():
    questions = {q.id: q for q in table.questions()}
    rows = [questions["Q4"], questions["Q4-TensorFlow"]]
    found = scores(content_loss="wrong")
    assert public_checks.better(rows, found) is rows[0]
    worse = {f.key: found[f.key] for f in rows[1].functions}
    torch = {f.key: replace(found[f.key], earned=0.0) for f in rows[0].functions}
    assert public_checks.better(rows, worse | torch) is rows[1]
    assert public_checks.better(rows, torch) is rows[0]


def test_a_course_may_ask_for_the_questions_of_2016(folder, capsys):
    for name in ("StyleTransfer-PyTorch.ipynb", "GANs-PyTorch.ipynb"):
        (folder / name).unlink()

    assert hand_in(folder) == 1
    assert hand_in(folder, "--set", "2016") == 0
    assert json.loads(zip_of(folder)[MANIFEST])["set"] == "2016"
    (folder / "ImageGradients.ipynb").unlink()
    assert hand_in(folder, "--set", "2016") == 1
    assert "ImageGradients.ipynb is missing." in capsys.readouterr().err


def whole(folder):
    """Give a folder notebooks in which all was run, and every answer."""
    for question in table.questions():
        for name in question.notebooks:
            path = folder / f"{name}.ipynb"
            content = json.loads(path.read_bytes())
            for number, cell in enumerate(content["cells"], 1):
                if cell["cell_type"] == "code":
                    cell["execution_count"] = number
                elif "*Your answer:*" in "".join(cell["source"]):
                    cell["source"] = [*cell["source"], "\n\nBecause."]
            path.write_text(json.dumps(content))


def scores(**states):
    """Return what the public checks say when all is done but what is named."""
    return {
        f.key: Score(
            states.get(f.short, "done"), f.points, f.points * (f.short not in states)
        )
        for f in table.functions()
    }


def last_line(folder, capsys, *arguments):
    assert submission.main(["--root", str(folder), *arguments]) == 0
    return capsys.readouterr().out.splitlines()[-1]


def test_only_what_is_whole_is_called_done_and_else_the_remarks_are_counted(
    folder, monkeypatch, capsys
):
    whole(folder)
    monkeypatch.setattr(submission.public_checks, "run_checks", lambda *_: scores())
    done = "### Done! assignment3.zip is ready to be handed in."
    assert last_line(folder, capsys) == done
    unseen = f"{done[:-1]}, though the public checks were not run."
    assert last_line(folder, capsys, "--no-checks") == unseen
    looked = last_line(folder, capsys, "--preview")
    assert looked == "This was a preview; no zip was made."

    partly = scores(rnn_forward="wrong", lstm_forward="not started")
    monkeypatch.setattr(submission.public_checks, "run_checks", lambda *_: partly)
    assert "not whole: 2 remarks above" in last_line(folder, capsys)
    remarked = scores()
    key = "cs231n.rnn_layers.rnn_forward"
    remarked[key] = replace(remarked[key], state="done, remark")
    monkeypatch.setattr(submission.public_checks, "run_checks", lambda *_: remarked)
    assert last_line(folder, capsys) == done

    path = folder / "RNN_Captioning.ipynb"
    content = json.loads(path.read_bytes())
    content["cells"].append(code("input()", 999))
    path.write_text(json.dumps(content))
    assert "not whole: one remark above" in last_line(folder, capsys)
    looked = last_line(folder, capsys, "--preview")
    assert looked == "This was a preview with one remark; no zip was made."


def stop(*_):
    raise KeyboardInterrupt


def test_what_was_not_looked_at_is_not_called_done(folder, monkeypatch, capsys):
    whole(folder)
    monkeypatch.setattr(submission.public_checks, "run_checks", stop)
    assert "not all looked at" in last_line(folder, capsys)


def test_what_a_grader_could_not_read_stops_the_hand_in_and_says_what_to_do(
    folder, capsys
):
    path = folder / "RNN_Captioning.ipynb"
    good = path.read_text("utf-8")
    bare = {k: v for k, v in json.loads(good).items() if k != "metadata"}
    torn = good.replace('"cells": [', '"cells": [\n<<<<<<< HEAD\n=======\n>>>>>>> b\n')
    inside = json.loads(good)
    inside["cells"][3]["source"] = "<<<<<<< local\nx\n=======\ny\n>>>>>>> remote"
    cases = [
        (b"\xef\xbb\xbf" + good.encode(), "begins with a byte order mark"),
        (good.encode("utf-16"), "is saved as utf-16"),
        (good.encode("utf-32-le"), "is saved as utf-32-le"),
        (json.dumps(bare).encode(), "open it and save it again in Jupyter"),
        (json.dumps(notebook([])).encode(), "has no cells; take a copy from"),
        (torn.encode(), "RNN_Captioning.ipynb:3: git has left two versions here"),
        (json.dumps(inside).encode(), "RNN_Captioning.ipynb, cell 4: git has left two"),
    ]
    for content, wanted in cases:
        path.write_bytes(content)
        assert hand_in(folder) == 1
        assert wanted in " ".join(capsys.readouterr().err.split())
        assert hand_in(folder, "--anyway") == 0
        said = " ".join(capsys.readouterr().out.split())
        assert said.count(wanted) == 1


def test_a_conflict_in_a_module_stops_the_hand_in(folder, capsys):
    path = folder / "cs231n" / "rnn_layers.py"
    text = path.read_text("utf-8")
    path.write_text(f"<<<<<<< HEAD\n=======\n>>>>>>> b\n{text}", "utf-8")
    assert hand_in(folder) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "cs231n/rnn_layers.py:1: git has left two versions here; keep one" in said


NO_NOTEBOOKS = [
    b"",
    b"not JSON",
    b"\xff\xfe{",
    b"[]",
    b"[" * 100_000,
    b'{"cells": {}}',
    b'{"nbformat": 3, "worksheets": []}',
    b'{"nbformat": 4, "cells": [7]}',
]


@pytest.mark.parametrize("content", NO_NOTEBOOKS)
def test_a_notebook_that_is_none_is_named(folder, content, capsys):
    (folder / "RNN_Captioning.ipynb").write_bytes(content)

    assert hand_in(folder) == 1
    said = capsys.readouterr().err
    assert "RNN_Captioning.ipynb" in said
    assert "Traceback" not in said
    assert not (folder / "assignment3.zip").exists()


def test_a_folder_without_notebooks_names_them_all(folder, capsys):
    for path in folder.glob("*.ipynb"):
        path.unlink()

    assert hand_in(folder) == 1
    said = capsys.readouterr().err
    assert said.count(".ipynb is missing.") == 5


def test_a_large_file_beside_the_notebooks_stays_out_unread(folder, capsys):
    with (folder / "video.avi").open("wb") as file:
        file.truncate(2 << 30)

    assert hand_in(folder) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "video.avi is left out: it has 2.15 GB, and the limit is 20 MB." in said
    assert "video.avi" not in zip_of(folder)
    assert "video.avi" in json.loads(zip_of(folder)[MANIFEST])["left_out"]


def test_a_notebook_over_the_limit_is_a_problem(folder, capsys):
    long = [{"output_type": "stream", "text": "x" * (LIMIT - 5_000_000)}]
    short = [{"output_type": "stream", "text": "x" * 5_100_000}]
    cells = [code("y", 1, short), code("plot()\nx", 2, long), code("z", 3, [])]
    (folder / "RNN_Captioning.ipynb").write_text(json.dumps(notebook(cells)))

    assert hand_in(folder) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "RNN_Captioning.ipynb cannot be handed in: it has 20.1 MB" in said
    assert "; clear the outputs of cell 2 (“plot()”), 15 MB; then save" in said
    assert "cell 1" not in said


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (
            "attachments",
            "; take the pictures out of cell 2 (“Look.”), 21 MB; then save",
        ),
        ("source", "; take text out of cell 2 (“xxx"),
        ("widgets", "; clear what widgets keep, 21 MB; then save it again"),
    ],
)
def test_whatever_makes_a_notebook_too_large_is_named(folder, where, wanted, capsys):
    whole, heavy = notebook([code("y", 1, []), prose("Look.")]), "x" * 21_000_000
    if where == "widgets":
        whole["metadata"]["widgets"] = {"state": heavy}
    else:
        whole["cells"][1][where] = heavy if where == "source" else {"a.png": heavy}
    (folder / "RNN_Captioning.ipynb").write_text(json.dumps(whole))

    assert hand_in(folder) == 1
    assert wanted in " ".join(capsys.readouterr().err.split())


def test_the_whole_has_a_limit_too_and_work_goes_first(folder, monkeypatch, capsys):
    (folder / "a.bin").write_bytes(b"x" * 90_000)
    (folder / "b.bin").write_bytes(b"x" * 90_001)
    code_size = sum(
        len(content)
        for name, content in gather(folder).files.items()
        if name not in {"a.bin", "b.bin"}
    )
    monkeypatch.setattr(collecting, "WHOLE", code_size + 120_000)

    assert hand_in(folder) == 0
    assert "b.bin is left out" in capsys.readouterr().out
    assert "b.bin" not in zip_of(folder)
    assert set(required(table.questions())) <= zip_of(folder).keys()


@POSIX
def test_names_that_do_not_travel_are_left_out_and_shown_on_one_line(folder, capsys):
    names = [b"two\nlines.py", b"latin-\xe9.py", b"back\\slash.py", b"bell\x07.py"]
    for name in names:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("pass\n")
    (folder / "naïve café.py").write_text("pass\n")

    assert hand_in(folder) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert r"two\nlines.py is left out" in said
    assert r"latin-\udce9.py is left out" in said
    files = zip_of(folder)
    assert "naïve café.py" in files
    assert not [n for n in files if n.startswith(("two", "latin", "back", "bell"))]


@POSIX
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("loss 12:30.png", "Windows allows no :"),
        pytest.param("what?.png", "Windows allows no ?", marks=pytest.mark.slow),
        pytest.param('a"b.txt', 'Windows allows no "', marks=pytest.mark.slow),
        ("a|b/x.txt", "Windows allows no |"),
        ("CON.txt", "the name of a device"),
        pytest.param("nul", "the name of a device", marks=pytest.mark.slow),
        pytest.param("lpt1 .log.txt", "the name of a device", marks=pytest.mark.slow),
        pytest.param("COM¹.txt", "the name of a device", marks=pytest.mark.slow),
        ("draft.", "drops the end of such a name"),
        pytest.param(
            "plots /x.png", "drops the end of such a name", marks=pytest.mark.slow
        ),
        pytest.param(
            "Notes.txt", "takes its name for that of notes.txt", marks=pytest.mark.slow
        ),
        ("u\u0308bung.txt", "take its name for that of \xfcbung.txt"),
        ("Notes.txt/more.txt", "takes its name for that of notes.txt"),
        pytest.param(
            "A.B.C", "takes its name for that of a.b.C/", marks=pytest.mark.slow
        ),
    ],
)
def test_names_that_other_systems_refuse_are_left_out_with_the_reason(
    folder, name, reason, capsys
):
    for other in ("notes.txt", "\xfcbung.txt", "console.txt", "a.b.C/x", "nullable.py"):
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_text("x")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("longer than the other, so it comes second")
    assert hand_in(folder) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{name} is left out: " in said
    assert reason.replace("takes", "take") in said
    assert "rename" in said
    files = zip_of(folder)
    assert name not in files
    assert {
        "notes.txt",
        "\xfcbung.txt",
        "console.txt",
        "a.b.C/x",
        "nullable.py",
    } <= set(files)


@POSIX
def test_links_that_lead_out_of_the_folder_are_not_followed(folder, tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.py").write_text("secret = 1\n")
    (folder / "key.py").symlink_to(secret / "key.py")
    (folder / "more").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.py").symlink_to("nowhere.py")
    (folder / "inside.py").symlink_to(folder / "setup.py")
    os.mkfifo(folder / "pipe.py")

    assert hand_in(folder) == 0

    files = zip_of(folder)
    assert not [n for n in files if "key" in n or n.startswith(("more", "loop"))]
    assert files["inside.py"] == files["setup.py"]
    said = " ".join(capsys.readouterr().out.split())
    for name in ("key.py", "more", "loop", "dangling.py", "pipe.py"):
        assert f"{name} is left out" in said, name


@POSIX
def test_a_required_file_that_is_a_link_elsewhere_is_missing(folder, tmp_path, capsys):
    shutil.move(folder / "cs231n" / "rnn_layers.py", tmp_path)
    (folder / "cs231n" / "rnn_layers.py").symlink_to(tmp_path / "rnn_layers.py")

    assert hand_in(folder) == 1
    assert "put the file itself here" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_cannot_be_read_is_named(folder, monkeypatch, capsys):
    read = collecting._read

    def refuse(path, root):
        if path.name in {"notes.txt", "rnn_layers.py"}:
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(path, root)

    monkeypatch.setattr(collecting, "_read", refuse)
    (folder / "notes.txt").touch()
    assert hand_in(folder) == 1
    said = capsys.readouterr()
    assert "notes.txt is left out: it cannot be read" in said.out
    assert "rnn_layers.py cannot be handed in: it cannot be read" in said.err


def as_nobody(command, **kwargs):
    """Run a command without root's power to read and write everything."""
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    return subprocess.run(
        command,
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        check=False,
        **kwargs,
    )


@pytest.fixture
def public(folder, tmp_path_factory):
    """Open the way to the folder for everybody, as root's temporary files are not."""
    top = tmp_path_factory.getbasetemp().parent
    if "PYTEST_XDIST_WORKER" in os.environ:  # which has a folder of its own in there
        top = top.parent
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            mode = stat.S_IMODE(parent.stat().st_mode)
            parent.chmod(mode | 0o055)
        if parent == top:
            break
    return folder


@POSIX
@pytest.mark.parametrize("lock", ["folder", "file"])
def test_without_permission_nothing_is_made_and_the_reason_is_told(public, lock):
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None or sys.version_info[:2] < (3, 11):
        pytest.skip("there is no Python that everybody may run")
    known = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if as_nobody(known).returncode:
        pytest.skip("the system's Python is too old")
    public.chmod(0o555 if lock == "folder" else 0o777)
    if lock == "file":
        (public / "cs231n" / "rnn_layers.py").chmod(0)

    done = as_nobody(
        [python, "-B", "-m", "cs231n.submission", "--no-checks"], cwd=public
    )

    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    wanted = "cannot be written" if lock == "folder" else "rnn_layers.py cannot be"
    assert wanted in " ".join(done.stderr.split())
    assert not (public / "assignment3.zip").exists()


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 3 MB, which only root can do."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@POSIX
def test_on_a_full_disk_the_older_zip_stays(folder, small_disk, capsys):
    (folder / "noise.bin").write_bytes(os.urandom(4_000_000))
    older = small_disk / "mine.zip"
    older.write_bytes(b"older")

    assert hand_in(folder, "--out", str(older)) == 1

    said = " ".join(capsys.readouterr().err.split())
    assert "No space left on device" in said
    assert "is as it was" in said
    assert older.read_bytes() == b"older"
    assert [path.name for path in small_disk.iterdir()] == ["mine.zip"]


def test_a_disk_that_forgets_is_noticed(folder, monkeypatch, capsys):
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: b"something else")

    assert hand_in(folder) == 1
    assert "does not hold what was written" in " ".join(capsys.readouterr().err.split())
    assert not (folder / "assignment3.zip").exists()


@POSIX
def test_the_script_works_from_any_folder_through_a_name_with_spaces(folder, tmp_path):
    shutil.copy(ROOT / "collectSubmission.sh", folder)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    done = subprocess.run(
        [folder / "collectSubmission.sh", "--no-checks"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},  # no other Python of ours is to be found
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("assignment3.zip was made")
    assert (folder / "assignment3.zip").exists()
    assert not (tmp_path / "assignment3.zip").exists()


@POSIX
def test_the_script_fails_as_the_command_does_and_says_when_there_is_no_python(folder):
    shutil.copy(ROOT / "collectSubmission.sh", folder)
    (folder / "GANs-PyTorch.ipynb").unlink()
    command = ["/bin/bash", "collectSubmission.sh", "--no-checks"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "GANs-PyTorch.ipynb is missing." in done.stderr

    tools = folder / "bin"
    tools.mkdir()
    (tools / "dirname").symlink_to(shutil.which("dirname"))
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "No Python 3.11 or newer was found" in done.stderr


@POSIX
def test_the_script_is_executable_thin_and_has_unix_line_ends():
    script = ROOT / "collectSubmission.sh"

    assert script.stat().st_mode & stat.S_IXUSR
    assert b"\r" not in script.read_bytes()
    assert len(script.read_text().splitlines()) < 20
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_nothing_but_the_standard_library_is_imported(folder):
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            "import sys; sys.path.insert(0, '.');"
            "from cs231n.submission import main; sys.exit(main(['--no-checks']))",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
