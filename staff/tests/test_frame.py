"""What README promises is there, and the frame's parts agree with one another."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib

import pytest

from staff import pages
from staff.questions import ROOT, questions

README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_what_is_made_of_the_table_is_up_to_date():
    assert pages.main(["--check"]) == 0


def test_the_page_of_the_package_leaves_no_file_or_folder_out():
    page = (ROOT / "cs231n" / "README.md").read_text("utf-8")
    listed = re.findall(r"`(?:python -m cs231n\.)?([\w/.]+)`", page)
    found = {path.name for path in (ROOT / "cs231n").glob("*.py")} - {"__init__.py"}
    commands = {f"{name}.py" for name in pages.COMMANDS}
    assert found - commands <= set(listed)
    assert set(pages.COMMANDS) <= set(listed)
    folders = {p.parent.name for p in (ROOT / "cs231n").glob("*/__init__.py")}
    assert {f"{name}/" for name in folders} <= set(listed)


def test_the_map_names_what_is_there():
    names = [
        line.split()[0] for line in blocks("text")[-1].splitlines() if line[:1] != " "
    ]
    assert [n for n in names if n != "build/" and not list(ROOT.glob(n))] == []


def test_entries_of_the_package_are_few():
    ignored = {"__pycache__"}
    found = {
        path.name
        for path in (ROOT / "cs231n").iterdir()
        if path.name not in ignored and path.suffix not in {".so", ".pyd", ".c"}
    }
    in_tensorflow = {
        *("net_visualization_tensorflow.py", "style_transfer_tensorflow.py"),
        "gan_tf.py",
    }
    assert len(found - in_tensorflow) <= 33, sorted(found)


def test_files_that_prose_names_exist():
    named = re.findall(r"`((?:cs231n|staff|docs|tests)/[\w./-]*)`", README)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("edition", ["2017", "2016"])
def test_points_add_up_to_a_hundred(edition):
    assert sum(q.points.get(edition, 0) for q in questions()) == 100


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

    known = "CAPTIONS DATA_DIR DEVICE PROFILE NO_EXTENSION THREADS OFFLINE"
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
@pytest.mark.parametrize(
    "name", ["start_ipython_osx.sh", ".ci/run", "binder/postBuild"]
)
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
