"""What README promises is there, and the frame's parts agree with one another."""

import fnmatch
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib

import pytest

from staff.questions import ROOT, questions

README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def file_map():
    """Return every path of README's map, folders with a slash at the end."""
    paths, parent = [], ""
    for line in blocks("text")[-1].splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            parent = name if name.endswith("/") else ""
            paths.append(name)
        else:
            paths.append(parent + name)
    return paths


@pytest.mark.parametrize("path", [p for p in file_map() if p != "build/"])
def test_every_path_of_the_map_exists(path):
    assert list(ROOT.glob(path.rstrip("/"))), path
    if path.endswith("/"):
        assert (ROOT / path).is_dir()


def test_the_map_leaves_no_module_or_notebook_out():
    listed = file_map()
    found = [
        path.relative_to(ROOT).as_posix()
        for pattern in ("cs231n/**/*.py", "*.ipynb", "*.py", "*.sh", "*.toml", "*.txt")
        for path in ROOT.glob(pattern)
        if path.name != "__init__.py"
    ]

    missing = [p for p in found if not any(fnmatch.fnmatch(p, q) for q in listed)]
    assert missing == []


def test_files_that_prose_names_exist():
    named = re.findall(r"`((?:cs231n|staff|docs|tests)/[\w./-]*)`", README)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("edition", ["2017", "2016"])
def test_points_add_up_to_a_hundred(edition):
    assert sum(q.points.get(edition, 0) for q in questions()) == 100


def test_the_tables_of_questions_say_what_the_one_table_says():
    rows = re.findall(
        r"^\| (Q[\w-]+) \| (.+?) \| (\d+) \| `([\w-]+)` \| (\w+) \|$",
        README,
        re.MULTILINE,
    )

    expected = []
    for question in questions():
        (notebook,) = question.notebooks
        points = question.points.get("2017", question.points.get("2016"))
        there = (ROOT / f"{notebook}.ipynb").exists()
        state = "ready" if there else "coming"
        expected.append((question.id, question.title, str(points), notebook, state))
    assert rows == expected
    first, second, *_ = questions()
    for question, said in [
        (first, r"gave (\d+) points for Q1"),
        (second, r"and (\d+) for"),
    ]:
        (points,) = re.findall(said, " ".join(README.split()))
        assert int(points) == question.points["2016"]


def test_what_a_ready_question_needs_is_there():
    for question in questions():
        if all((ROOT / f"{name}.ipynb").exists() for name in question.notebooks):
            for path in (*question.modules, *question.extra):
                assert (ROOT / path).is_file(), path


def test_every_make_verb_that_is_named_exists():
    verbs = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    named = {
        verb
        for text in (README, MAKEFILE)
        for verb in re.findall(
            r"(?:`|^|\s)make ([a-z]+)\b(?=[` ]|$)", text, re.MULTILINE
        )
    }

    assert {
        "run",
        "test",
        "lint",
        "bench",
        "data",
        "lab",
        "notebooks",
        "clean",
    } <= verbs
    assert {"run", "test", "lab"} <= named
    # "make one", "make it" and their like are English.
    assert named - verbs <= {"one", "it", "and", "room", "the"}


def test_every_plain_command_can_be_started():
    commands = [
        line.split("#")[0].split()
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("python ")
    ]

    assert len(commands) >= 4
    for _, dash, module, *words in commands:
        assert dash == "-m"
        done = subprocess.run(
            [sys.executable, "-m", module, *words, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "usage" in done.stdout.lower()


def test_every_variable_is_one_that_the_code_reads():
    named = set(re.findall(r"`(CS231N_\w+)`", README))
    code = "".join(
        path.read_text("utf-8")
        for folder in ("cs231n", "staff")
        for path in (ROOT / folder).rglob("*.py")
        if "tests" not in path.parts
    )

    known = "DATA_DIR DEVICE PROFILE NO_EXTENSION THREADS OFFLINE"
    assert named == {f"CS231N_{x}" for x in known.split()}
    assert [name for name in named if name not in code] == []


def test_every_picture_has_a_description_and_exists():
    for alt, path in re.findall(r"!\[(.*?)\]\((.*?)\)", README):
        assert len(alt) > 20
        assert (ROOT / path).exists(), path


@POSIX
def test_bare_make_prints_the_help():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    for verb in re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE):
        assert re.search(rf"^  {verb} +\w", done.stdout, re.MULTILINE)
    assert all(len(line) <= 88 for line in done.stdout.splitlines())


@POSIX
@pytest.mark.parametrize("name", ["start_ipython_osx.sh", ".ci/run"])
def test_scripts_are_executable_stop_at_errors_and_parse(name):
    script = ROOT / name

    assert script.stat().st_mode & stat.S_IXUSR
    assert "set -euo pipefail" in script.read_text("utf-8")
    assert b"\r" not in script.read_bytes()
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_version_is_the_newest_of_the_change_notes():
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]

    notes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## (\S+)", notes, re.MULTILINE)[0] == version


def test_without_a_kernel_to_compile_setup_builds_nothing(tmp_path):
    shutil.copy(ROOT / "setup.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*.so"))
