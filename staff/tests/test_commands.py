"""Commands run, and name the file, whatever lies beside the notebooks or reads them."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cs231n.support import commands
from staff.questions import ROOT
from staff.tests.student_folder import unpack

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX shells")
COMMANDS = {
    "hint": ["cs231n.hint", "rnn_step_forward", "--step", "1"],
    "update": ["cs231n.update", "."],
    "submission": ["cs231n.submission", "--preview", "--no-checks"],
    "datasets": ["cs231n.datasets", "where"],
}
SCRATCH = ["random", "token", "typing", "re", "torch", "numpy", "json", "queue"]


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return unpack(tmp_path_factory.mktemp("a") / "my work")


def run(command, folder, **environment):
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def python(folder, *arguments, **environment):
    return run([sys.executable, *arguments], folder, **environment)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_scratch_file_called_as_a_module_is_named_and_stops_nothing(student, command):
    for name in SCRATCH:
        (student / f"{name}.py").write_text("raise SystemExit('a scratch file')\n")
    done = python(student, "-m", *COMMANDS[command])
    for name in SCRATCH:
        (student / f"{name}.py").unlink()

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for name in SCRATCH:
        assert done.stderr.count(f"{name}.py has the name of a module") == 1


NOTEBOOK = """
import sys
import ipykernel
{before}
from cs231n.gradient_check import copies
import h5py
print(h5py.File.__name__)
"""


def test_a_notebook_names_a_scratch_file_and_goes_round_it(student):
    (student / "h5py.py").write_text("raise SystemExit('a scratch file')\n")
    done = python(student, "-c", NOTEBOOK.format(before=""))
    (student / "h5py.py").unlink()
    assert (done.returncode, done.stdout) == (0, "File\n"), done.stderr
    assert "h5py.py has the name of a module" in done.stderr

    (student / "numpy.py").write_text("x = 1\n")  # which came first there
    done = python(student, "-c", NOTEBOOK.format(before="import numpy as np"))
    (student / "numpy.py").unlink()
    assert done.returncode == 1
    assert "numpy.py has the name of a module" in done.stderr.partition("Traceback")[0]

    done = python(student, "-c", NOTEBOOK.format(before=""))
    assert (done.returncode, done.stdout, done.stderr) == (0, "File\n", "")


def test_a_folder_can_be_such_a_file_and_what_nobody_imports_is_none(tmp_path):
    for name in ("torch", "numpy", "json"):
        (tmp_path / name).mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    for name in ("test.py", "turtle.py", "mine.py", "Random.py", "random.txt"):
        (tmp_path / name).touch()
    assert commands.scratch_files(str(tmp_path)) == ["torch/"]


def test_where_packages_are_installed_nothing_is_a_scratch_file(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    (site / "torch").mkdir(parents=True)
    (site / "torch" / "__init__.py").touch()
    path = [str(tmp_path), str(site), "/elsewhere"]
    monkeypatch.setattr(sys, "path", path)
    monkeypatch.chdir(tmp_path)
    assert commands.clear_the_way(str(site)) == []
    assert path == [str(site), "/elsewhere", str(tmp_path)]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps such a folder")
def test_a_folder_that_was_removed_is_no_hindrance(student, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd '{gone}' && rmdir '{gone}' && '{sys.executable}' -c 'import sys; "
    script += f'sys.path.insert(0, "{student}"); from cs231n.support import commands; '
    script += f'print(commands.clear_the_way("{student}"))\''
    done = run(["bash", "-c", script], tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", ["types", "functools", "operator"])
def test_names_that_python_itself_needs_can_be_gone_round(student, name):
    """With -m nothing of ours is read before Python stops; the script gets through."""
    scratch = student / f"{name}.py"
    scratch.write_text("x = 1\n")
    start = commands.words(student, "cs231n.hint")
    done = run([*start, "rnn_forward", "--step", "1"], student)
    below = run([*start, "rnn_forward", "--step", "1"], student / "cs231n")
    assert (below.returncode, below.stdout) == (0, done.stdout)
    alone = python(student, "-m", "cs231n.hint")
    scratch.unlink()

    assert done.returncode == 0, done.stderr
    assert "rnn_forward: a nudge" in done.stdout
    assert f"{name}.py has the name of a module" in done.stderr
    last = alone.stderr.splitlines()[-1]
    assert f"{name}.py" in last or f"module '{name}'" in last  # the latter in 3.12


@POSIX
def test_the_course_script_gets_past_every_scratch_file(student):
    shutil.copy(ROOT / "collectSubmission.sh", student)
    names = [*SCRATCH, "types", "collections"]
    for name in names:
        (student / f"{name}.py").write_text("x = 1\n")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = run(["bash", "collectSubmission.sh", "--preview"], student, PATH=path)
    for name in names:
        (student / f"{name}.py").unlink()

    assert done.returncode == 0, done.stderr
    assert "no zip was made" in done.stdout
    for name in names:
        assert f"{name}.py has the name of a module" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_without_asserts_and_docstrings_commands_do_the_same(student, command):
    plain = python(student, "-m", *COMMANDS[command])
    bare = python(student, "-m", *COMMANDS[command], PYTHONOPTIMIZE="2")
    assert (bare.returncode, bare.stdout) == (plain.returncode, plain.stdout)
    assert bare.stderr == plain.stderr == ""


def test_gradients_are_compared_without_asserts_too():
    program = (
        "import numpy as np\n"
        "from cs231n.gradient_check import assert_gradients_match as match\n"
        "rng = np.random.default_rng(0)\n"
        "twice = lambda x: (2 * x, None)\n"
        "match(twice, lambda d, c: 2 * d, {'x': np.ones(3)}, rng)\n"
        "for wrong in (lambda d, c: 3 * d, lambda d, c: (d, d)):\n"
        "    try:\n"
        "        match(twice, wrong, {'x': np.ones(3)}, rng)\n"
        "    except AssertionError as error:\n"
        "        print(error)\n"
    )
    done = python(ROOT, "-c", program, PYTHONOPTIMIZE="2")
    assert done.returncode == 0, done.stderr
    assert "dx is off" in done.stdout
    assert "returned 2 gradients" in done.stdout


@POSIX
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "reader", ["head -1", pytest.param("true", marks=pytest.mark.slow)]
)
def test_a_reader_that_stops_reading_gets_no_traceback(student, command, reader):
    words = " ".join([f"'{sys.executable}'", "-m", *COMMANDS[command]])
    pipe = f"set -o pipefail; {words} | {reader} 2>/dev/null; echo ${{PIPESTATUS[0]}}"
    done = run(["bash", "-c", pipe], student)
    assert done.stdout.splitlines()[-1] == "0", done.stderr
    assert done.stderr == ""
    full = run(["bash", "-c", f"{words} > /dev/full"], student)
    assert (full.returncode, full.stderr) == (0, "")
    closed = run(["bash", "-c", f"{words} >&-"], student)
    assert (closed.returncode, closed.stderr) == (0, "")


def test_every_package_that_is_imported_is_known():
    names = {"ipykernel"}  # starts the notebooks
    for path in [*ROOT.glob("cs231n/**/*.py"), *ROOT.glob("staff/notebooks/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
    assert names - sys.stdlib_module_names - {"cs231n"} == commands.PACKAGES


def test_every_command_imports_the_guard_first():
    for path in ROOT.glob("cs231n/**/*.py"):
        text = path.read_text("utf-8")
        if not re.search(r'^if __name__ == "__main__":', text, re.MULTILINE):
            continue
        if path.name == "setup.py":
            continue
        room = path.relative_to(ROOT / "cs231n").parts[0]
        if room in {"datasets", "drawing", "embedded"}:
            # The package is imported before its modules.
            text = (ROOT / "cs231n" / room / "__init__.py").read_text("utf-8")
        else:
            assert "commands.run(main)" in text, path
        first = ast.parse(text).body[1]
        assert isinstance(first, ast.ImportFrom), path
        assert (first.module, first.names[0].name) == ("cs231n.support", "commands"), (
            path
        )


DEAF = """\
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
import conftest

assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


@POSIX
def test_tests_in_the_background_can_interrupt_what_they_start():
    done = run([sys.executable, "-c", DEAF], ROOT)
    assert not done.returncode, done.stderr
