"""The hand-out: what goes in, the same bytes every time, nothing half-written."""

import errno
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from cs231n.assignment import stamp
from staff.course import course
from staff.handout import build as handout
from staff.handout import golden
from staff.handout.archive import pack, release_day, write
from staff.handout.build import build, differences
from staff.handout.files import (
    HandoutError,
    collect,
    entries,
    package,
    student_pyproject,
)
from staff.questions import ROOT, questions
from staff.report.jobs import durations
from staff.tests import programs
from staff.tests.student_folder import handout_files

TABLE = golden.table()
# Of a program: leave out what takes longer to import than all else, as conftest.py.
QUICKLY = "sys.modules['rfc3987_syntax'] = None\n"


@pytest.fixture
def tree(tmp_path):
    """A copy of the tiny tree, to be spoilt."""
    return Path(shutil.copytree(golden.TREE, tmp_path / "tree"))


@pytest.fixture(scope="module")
def real():
    return handout_files()


def test_the_package_alone_is_the_same_files(real):
    quick = package(ROOT, questions())
    assert quick == {
        name: content
        for name, content in real.items()
        if name.startswith("cs231n/") and name != stamp.STAMP
    }


def message(tree):
    with pytest.raises(HandoutError) as caught:
        collect(tree, TABLE)
    return str(caught.value)


# What goes in


def test_the_tiny_trees_handout_is_the_golden_one():
    assert golden.problems() == []


def test_the_golden_copy_is_written_anew_and_a_difference_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(golden, "GOLDEN", tmp_path / "golden")
    assert len(golden.problems()) == len(golden.made())
    golden.update(tmp_path / "golden")
    assert golden.problems() == []
    (tmp_path / "golden" / "run.sh.golden").write_text("echo other\n")
    (tmp_path / "golden" / "more.golden").write_text("more\n")
    assert [p.split()[3] for p in golden.problems()] == ["more", "run.sh"]


def test_what_nobody_names_stays(tree):
    files = collect(tree, TABLE)
    for stays in ("SECRETS.md", "benchmarks/speed.py", "cs231n/notes.txt"):
        assert (tree / stays).exists()
        assert stays not in files
    assert not [name for name in files if name.startswith(("staff", "benchmarks"))]
    assert "collectSubmission.sh" not in files
    (tree / "collectSubmission.sh").write_text("echo\n")
    (tree / "cs231n" / "more.py").write_text("x = 1\n")
    more = collect(tree, TABLE)
    assert more.keys() - files.keys() == {"collectSubmission.sh", "cs231n/more.py"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("staff/handout.py", "what staff keep"),
        ("benchmarks/*.py", "what staff keep"),
        ("a.py <- benchmarks/speed.py", "what staff keep"),
        ("a.py <- staff/run.py", "what staff keep"),
        ("build/x", "what staff keep"),
        ("../other", "leads out"),
        ("/etc/passwd", "leads out"),
        ("a <- ../b", "leads out"),
        ("a b", "is no path"),
        ("a <-", "is no path"),
        ("*.py <- staff/student/*.py", "pattern cannot come"),
    ],
)
def test_an_allow_list_that_lets_too_much_through_is_refused(line, words):
    with pytest.raises(HandoutError, match=rf"files\.txt:2: .*{words}"):
        list(entries(f"# comment\n{line}\n"))


def test_the_real_handout_has_what_students_need_and_nothing_of_staffs(real):
    needed = {
        *("README.md", "LICENSE", "pyproject.toml", "requirements.txt", "setup.py"),
        *("conftest.py", ".gitignore", "start_ipython_osx.sh"),
        *(
            "cs231n/rnn_layers.py",
            "cs231n/drawing/scenes/scene.py",
            "tests/strategies.py",
        ),
    }
    assert needed <= real.keys()
    folders = {name.split("/")[0] for name in real if "/" in name}
    assert folders == {"cs231n", "tests", "images", "binder", ".devcontainer"}
    for question in questions():
        for name in question.notebooks:
            there = (ROOT / "staff" / "notebooks" / f"{name}.py").exists()
            assert (f"{name}.ipynb" in real) == there
    assert {Path(name).suffix for name in real} <= {
        *("", ".h", ".py", ".pyx", ".md", ".toml", ".txt", ".json", ".sh", ".ipynb"),
        ".svg",
    }
    shown = re.findall(r"\]\((images/[^)]+)\)", real["RNN_Captioning.ipynb"].decode())
    assert len(shown) == 3
    assert set(shown) <= real.keys()


def test_readme_tells_the_questions_and_names_what_is_there(real):
    text = real["README.md"].decode()
    assert "{{" not in text
    for question in questions():
        for points in question.points.values():
            assert f"| {question.id} | {question.title} | {points} |" in text
        if question.instead_of:
            assert f" or `{question.notebooks[0]}` |" in text


def test_the_beginning_works_with_any_python_and_any_pip(real, tmp_path):
    text = real["README.md"].decode()
    begin = text.partition("## Begin")[2].partition("\n## ")[0]
    lines = re.findall(r"^(python.*)", begin, re.MULTILINE)
    # Some systems have no "python" outside of an environment.
    assert lines[0].startswith("python3 -m venv .venv")
    assert "py -m venv" in lines[0]
    commands = [line.partition("  #")[0] for line in lines[1:]]
    torch, rest, proof = commands[:3]
    assert torch.endswith(
        "torch torchvision --index-url https://download.pytorch.org/whl/cpu"
    )
    assert rest == "python -m pip install -r requirements.txt"
    # Size and minutes stand before the first of them.
    before = begin.partition("```")[0]
    assert re.search(r"\b\d+ GB", before)
    assert "minutes" in before
    assert re.search(r"\w+ minutes\s+after unzipping", begin)

    words = shlex.split(proof)[1:]
    done = programs.run(tmp_path, *words, before=programs.TORCH)
    assert done.stdout.strip() == "All is there."

    assert "--group" not in text  # pip of Python 3.11 has no such option
    (packages,) = re.findall(r'pip install ("pytest.*)', text)
    project = tomllib.loads(real["pyproject.toml"].decode())
    assert shlex.split(packages) == project["dependency-groups"]["test"]
    for section in ("What you should know", "When something goes wrong"):
        assert f"\n## {section}\n" in text
    assert durations(ROOT, course().edition, questions()) in text


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_jupyter_starts_with_whatever_python_is_called(real, tmp_path):
    script = tmp_path / "start_ipython_osx.sh"
    script.write_bytes(real[script.name])
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "env"):
        (tools / tool).symlink_to(shutil.which(tool))

    def start():
        return subprocess.run(
            ["bash", script, "--port", "1"],
            env={"PATH": str(tools)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert "No Python with JupyterLab was found" in start().stderr
    (tools / "python3").write_text('#!/bin/bash\necho "$@"\n')
    (tools / "python3").chmod(0o755)
    assert start().stdout == "-m jupyter lab --port 1\n"


def test_every_command_of_readme_is_there(real):
    text = real["README.md"].decode()
    modules = re.findall(r"python -m (cs231n[\w.]*)", text)
    assert len(modules) >= 2
    for module in modules:
        path = module.replace(".", "/")
        assert {f"{path}.py", f"{path}/__main__.py"} & real.keys()
    for script in re.findall(r"\./(\w+\.sh)", text):
        assert script in real
    marks = re.findall(r"pytest -m \"?(?:not )?(\w+)", text)
    declared = tomllib.loads(real["pyproject.toml"].decode())["tool"]["pytest"][
        "markers"
    ]
    of_questions = {q.marker for q in questions()}
    assert set(marks) <= {mark.split(":")[0] for mark in declared} | of_questions


def test_the_short_pyproject_says_what_the_staffs_says(real):
    short = tomllib.loads(real["pyproject.toml"].decode())
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    assert short["project"] == whole["project"]
    assert short["tool"].keys() == {"setuptools", "pytest"}
    assert short["tool"]["setuptools"] == whole["tool"]["setuptools"]
    pytest_settings = whole["tool"]["pytest"] | {"testpaths": ["tests"]}
    assert short["tool"]["pytest"] == pytest_settings
    (needs,) = short["dependency-groups"].values()
    assert len(needs) == 3
    assert set(needs) < set(whole["dependency-groups"]["test"])


@pytest.mark.parametrize("text", ["[project]\n", "[project\n", "[tool.pytest]\n"])
def test_a_pyproject_that_lacks_something_is_named(text):
    with pytest.raises(HandoutError, match=r"pyproject\.toml"):
        student_pyproject(text)


# Bad trees


def test_marker_slips_of_all_files_are_named_at_once(tree):
    for name in ("cs231n/tiny.py", "staff/notebooks/Tiny.py"):
        path = tree / name
        path.write_text(path.read_text("utf-8").replace("# END", "# ENDS", 1))
    (tree / "run.sh").write_text("# BEGIN SOLUTION\n")
    found = message(tree).splitlines()

    names = {line.split(":")[0] for line in found}
    assert names == {"cs231n/tiny.py", "staff/notebooks/Tiny.py", "run.sh"}
    assert all(line.split(":")[1].isdigit() for line in found)


def test_bytes_that_are_no_utf8_are_named_with_their_line(tree):
    (tree / "cs231n" / "tiny.py").write_bytes(b"x = 1\ny = '\xff'\n")
    assert "cs231n/tiny.py:2: this is not UTF-8" in message(tree)


def test_windows_line_ends_are_named(tree):
    (tree / "run.sh").write_bytes(b"#!/bin/sh\necho\r\n")
    assert "run.sh:2: lines end in CR LF" in message(tree)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", [b"a\nb.py", b"a\xff.py", b"a b.py", "ä.py".encode()])
def test_names_that_do_not_travel_are_refused(tree, name):
    try:
        (Path(os.fsdecode(os.fsencode(tree) + b"/cs231n/" + name))).touch()
    except OSError:
        pytest.skip("this file system refuses the name itself")
    assert "does not travel; rename it" in message(tree)


def test_a_missing_file_is_named(tree):
    (tree / "run.sh").unlink()
    assert "run.sh is missing" in message(tree)


def test_a_missing_list_is_named(tree):
    (tree / "staff" / "student" / "files.txt").unlink()
    assert "files.txt is missing" in message(tree)


def test_folders_and_links_in_the_place_of_files_are_refused(tree):
    (tree / "cs231n" / "folder.py").mkdir()
    assert "folder.py is no plain file" in message(tree)
    (tree / "cs231n" / "folder.py").rmdir()
    try:
        (tree / "cs231n" / "link.py").symlink_to(tree / "SECRETS.md")
    except OSError:
        pytest.skip("no links here")
    assert "link.py is no plain file" in message(tree)


def test_a_file_that_cannot_be_read_is_named(tree, monkeypatch):
    read_bytes = Path.read_bytes

    def refuse(self):
        if self.name == "run.sh":
            raise PermissionError(errno.EACCES, "Permission denied")
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "run.sh cannot be read (Permission denied)" in message(tree)


# The same bytes every time


def test_the_archive_repeats_to_the_byte_and_holds_the_files(tmp_path, real):
    again = collect(ROOT, questions())
    assert again == real
    shuffled = dict(reversed(real.items()))
    for name, files in (("a.zip", real), ("b.zip", shuffled)):
        pack(files, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()

    notes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    (day, *_) = re.findall(r"^## \S+ \((\d+)-(\d+)-(\d+)\)$", notes, re.MULTILINE)
    day = tuple(map(int, day))
    assert day > (2026, 1, 1)  # and not the 1980 that archives begin with
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names)
        assert {n.removeprefix("assignment3/") for n in names} == real.keys()
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            assert stat.S_ISREG(mode)
            assert bool(mode & 0o111) == entry.filename.endswith(".sh")
            assert entry.date_time == (*day, 12, 0, 0)
            assert entry.compress_type == zipfile.ZIP_STORED


@pytest.mark.parametrize(
    "notes",
    ["", "# Changes\n", "## 2026.2\n\n## 2026.1 (2026-11-28)", "## 2 (2026-13-01)"],
)
def test_change_notes_without_a_day_are_named(notes):
    assert release_day("# C\n\n## 2027.1 (2027-02-03)\n\n## 2026.1\n") == (2027, 2, 3)
    with pytest.raises(HandoutError, match=r"CHANGELOG\.md: .*names no day; write"):
        release_day(notes)


def test_the_tree_alone_decides(tree, tmp_path):
    copy = Path(shutil.copytree(tree, tmp_path / "elsewhere" / "copy"))
    for path in copy.rglob("*"):
        os.utime(path, (1e9, 1e9))
    assert collect(copy, TABLE) == collect(tree, TABLE)


# Nothing half-written


FILES = {"a.txt": b"one\n", "b/run.sh": b"echo\n"}


def test_a_build_replaces_what_was_there(tmp_path):
    out, archive = tmp_path / "build" / "handout", tmp_path / "build" / "a.zip"
    build(FILES, out, archive)
    assert differences(FILES, out) == []
    assert os.name == "nt" or (out / "b" / "run.sh").stat().st_mode & stat.S_IXUSR
    (out / "stale.txt").touch()
    build({"c.txt": b"two\n"}, out, archive)
    assert sorted(p.name for p in out.iterdir()) == ["c.txt"]
    assert sorted(p.name for p in out.parent.iterdir()) == ["a.zip", "handout"]
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == ["assignment3/c.txt"]


def untouched(out, archive):
    return (
        differences(FILES, out) == []
        and zipfile.ZipFile(archive).namelist()
        == ["assignment3/a.txt", "assignment3/b/run.sh"]
        and sorted(p.name for p in out.parent.iterdir()) == ["a.zip", "handout"]
    )


@pytest.fixture
def built(tmp_path):
    out, archive = tmp_path / "build" / "handout", tmp_path / "build" / "a.zip"
    build(FILES, out, archive)
    return out, archive


def test_the_folder_that_was_written_is_what_is_checked(built):
    out, archive = built
    seen = []

    def check(folder):
        seen.append(differences({"c.txt": b"two\n"}, folder))
        return ["c.txt:1: this is wrong."]

    with pytest.raises(HandoutError, match=r"c\.txt:1"):
        build({"c.txt": b"two\n"}, out, archive, check)
    assert seen == [[]]
    assert untouched(out, archive)


def test_a_check_that_leaves_traces_is_noticed(built):
    out, archive = built

    def check(folder):
        (folder / "left.pyc").touch()
        (folder / "a.txt").write_text("other\n")
        (folder / "b" / "run.sh").unlink()
        return []

    with pytest.raises(HandoutError) as caught:
        build(FILES, out, archive, check)
    text = str(caught.value)
    assert "left.pyc was not put there" in text
    assert "a.txt has changed" in text
    assert "b/run.sh is gone" in text
    assert untouched(out, archive)


def test_a_full_disk_leaves_everything_as_it_was(built, monkeypatch):
    out, archive = built
    write_bytes = Path.write_bytes

    def full(self, data):
        if self.name == "run.sh":
            write_bytes(self, data[:2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(HandoutError, match=r"No space left on device.* as it was"):
        build(FILES, out, archive)
    monkeypatch.undo()
    assert untouched(out, archive)


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on file sizes")
def test_a_disk_that_fills_up_while_packing_leaves_everything_as_it_was(built):
    out, archive = built
    program = (
        f"import resource, sys\n{QUICKLY}from pathlib import Path\n"
        "from staff.handout.build import build, HandoutError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"
        "files = {f'{k}.txt': bytes(500_000) for k in range(3)}\n"
        "try:\n    build(files, Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except HandoutError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(out), str(archive)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large" in done.stdout
    assert untouched(out, archive)


def test_an_archive_that_cannot_be_replaced_leaves_the_folder_as_it_was(built):
    out, archive = built
    archive.unlink()
    archive.mkdir()
    (archive / "file").touch()
    with pytest.raises(HandoutError, match="Cannot write"):
        build({"c.txt": b"two\n"}, out, archive)
    assert differences(FILES, out) == []
    assert sorted(p.name for p in out.parent.iterdir()) == ["a.zip", "handout"]


def test_names_that_begin_with_the_folder_itself_lead_nowhere(tmp_path):
    """As some tools pack a folder again."""
    files = {"a.txt": b"one\n", "b/c.txt": b"two\n"}
    files[stamp.STAMP] = stamp.write(stamp.take("1", files))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("./")
        for name, content in files.items():
            archive.writestr(f"./assignment3/{name}", content)
    assert stamp.load(tmp_path / "a.zip")[1] == files
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("./../a.txt", "")
    with pytest.raises(stamp.StampError, match="leads astray"):
        stamp.load(tmp_path / "b.zip")
    (tmp_path / "page.zip").write_text("<!doctype html><title>gone</title>")
    with pytest.raises(stamp.StampError, match="it is a web page"):
        stamp.load(tmp_path / "page.zip")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "build").write_text("a file")
    with pytest.raises(HandoutError, match="Cannot write to"):
        build(FILES, tmp_path / "build" / "handout", tmp_path / "build" / "a.zip")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has other permissions")
def test_a_read_only_folder_is_named(tmp_path):
    folder = tmp_path / "build"
    folder.mkdir()
    folder.chmod(0o555)
    program = (
        f"import os, sys\n{QUICKLY}from pathlib import Path\n"
        "from staff.handout.build import build, HandoutError\n"
        "if os.geteuid() == 0:\n    os.seteuid(65534)\n"
        "out = Path(sys.argv[1])\n"
        "try:\n    build({'a.txt': b''}, out / 'handout', out / 'a.zip')\n"
        "except HandoutError as error:\n    print(error)\n"
    )
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)  # or another user could not even come here
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Permission denied" in done.stdout
    assert list(folder.iterdir()) == []


def test_the_command_writes_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(handout, "collect", lambda *_: handout_files())
    command = ["--checks", "none", "--out", str(tmp_path / "h"), "--zip"]
    assert handout.main([*command, str(tmp_path / "h.zip")]) == 0
    assert "not checked" in capsys.readouterr().out
    assert differences(handout_files(), tmp_path / "h") == []


def test_the_command_says_what_is_wrong_and_makes_nothing(
    tmp_path, capsys, monkeypatch, tree
):
    (tree / "run.sh").unlink()
    monkeypatch.setattr(handout, "ROOT", tree)
    monkeypatch.setattr(handout, "questions", lambda: TABLE)
    command = ["--checks", "none", "--out", str(tmp_path / "h"), "--zip"]
    assert handout.main([*command, str(tmp_path / "h.zip")]) == 1
    said = capsys.readouterr().err
    assert "run.sh is missing" in said
    assert "No hand-out was made." in said
    assert not (tmp_path / "h").exists()


def test_write_needs_no_folders(tmp_path):
    write(FILES, tmp_path / "new")
    assert differences(FILES, tmp_path / "new") == []
