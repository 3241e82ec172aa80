"""The set-up: does nothing twice, and says what to do when a step fails."""

import os
import shutil
import sys
import venv

import pytest

from staff import environment
from staff.environment import StepError, fingerprint, interpreter, prepare, requirements

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="stands in for pip with a script"
)

PROJECT = """\
[dependency-groups]
staff = []
test = ["pytest>=9"]
lint = ["ruff"]
"""


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "a project"
    (root / "cs231n").mkdir(parents=True)
    (root / "requirements.txt").write_text("# why\nnumpy>=1.26,<3  # arrays\n\ntorch\n")
    (root / "pyproject.toml").write_text(PROJECT)
    return root


@pytest.fixture
def ready(project, monkeypatch):
    """Give a project whose environment has a pip that notes its arguments."""
    folder = project / ".venv"
    venv.create(folder, symlinks=True, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "pip").mkdir()
    (site / "pip" / "__init__.py").touch()
    (site / "pip" / "__main__.py").write_text(
        "import os, pathlib, sys\n"
        "here = pathlib.Path(sys.prefix)\n"
        "if 'install' in sys.argv:\n"
        "    with open(here / 'asked.txt', 'a') as file:\n"
        "        print(*sys.argv[1:], file=file)\n"
        "    print(os.environ.get('SAID', 'fine'))\n"
        "    sys.exit('SAID' in os.environ)\n"
    )
    monkeypatch.delenv("SAID", raising=False)
    return project


def asked(project):
    file = project / ".venv" / "asked.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_students_needs_come_first_then_the_groups(project):
    assert requirements(project) == ["numpy>=1.26,<3", "torch", "pytest>=9", "ruff"]


def test_everything_is_asked_of_pip_once(ready, capsys):
    prepare(ready, ready / ".venv")
    first = capsys.readouterr().out
    prepare(ready, ready / ".venv")

    assert len(asked(ready)) == 1
    for need in requirements(ready):
        assert need in asked(ready)[0]
    assert "step 2 of 2" in first
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("file", "text", "again"),
    [
        ("requirements.txt", "numpy>=2\ntorch\n", True),
        ("requirements.txt", "torch\nnumpy>=1.26,<3 # another reason\n", False),
        ("pyproject.toml", PROJECT.replace("ruff", "ruff>=1"), True),
        ("pyproject.toml", PROJECT + "[tool.ruff]\n", False),
        ("cs231n/im2col_cython.pyx", "x = 1\n", True),
    ],
)
def test_it_runs_again_when_the_needs_change_and_only_then(ready, file, text, again):
    prepare(ready, ready / ".venv")
    (ready / file).write_text(text)
    prepare(ready, ready / ".venv")

    assert len(asked(ready)) == 1 + again


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("NewConnectionError: no route", "check the network"),
        ("ERROR: No matching distribution found for torch>=2.4", "for torch>=2.4"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("something else entirely", r"setup\.log"),
    ],
    ids=["network", "no package", "disk", "other"],
)
def test_a_failed_installation_says_which_step_and_what_to_do(
    ready, monkeypatch, said, advice
):
    monkeypatch.setenv("SAID", said)
    with pytest.raises(StepError, match=f"step 2 of 2, installing.*failed: .*{advice}"):
        prepare(ready, ready / ".venv")
    assert said in (ready / "build" / "setup.log").read_text()

    monkeypatch.delenv("SAID")
    prepare(ready, ready / ".venv")
    assert len(asked(ready)) == 2


def test_a_torn_update_is_not_forgotten_when_the_needs_change_back(ready, monkeypatch):
    needs = ready / "requirements.txt"
    before = needs.read_text()
    prepare(ready, ready / ".venv")
    needs.write_text("numpy==1\n")
    monkeypatch.setenv("SAID", "half of it is done")
    with pytest.raises(StepError):
        prepare(ready, ready / ".venv")
    monkeypatch.delenv("SAID")
    needs.write_text(before)
    prepare(ready, ready / ".venv")

    assert len(asked(ready)) == 3


def test_a_folder_that_holds_something_else_is_left_alone(project):
    (project / "photos").mkdir()
    (project / "photos" / "cat.jpg").touch()

    with pytest.raises(StepError, match="holds something else"):
        prepare(project, project / "photos")
    assert (project / "photos" / "cat.jpg").exists()


def test_a_python_without_venv_is_told_where_to_get_it(project, monkeypatch, tmp_path):
    poor = tmp_path / "python"
    poor.write_text("#!/bin/sh\necho 'ensurepip is not available'\nexit 1\n")
    poor.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(poor))

    with pytest.raises(StepError, match=r"step 1 of 2, making.*-venv'"):
        prepare(project, project / ".venv")


def test_an_environment_whose_python_is_gone_is_made_anew(ready, monkeypatch):
    made = []

    def logged(command, *_):
        made.append(command)
        return 0

    interpreter(ready / ".venv").unlink()
    monkeypatch.setattr(environment, "_logged", logged)
    prepare(ready, ready / ".venv")

    assert made[0][1:4] == ["-m", "venv", "--clear"]


def test_an_environment_of_an_old_python_is_not_used(ready):
    python = interpreter(ready / ".venv")
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.9.1\n")
    python.chmod(0o755)

    with pytest.raises(StepError, match=r"holds Python 3\.9\.1"):
        prepare(ready, ready / ".venv")


def test_the_fingerprint_knows_the_python(project):
    assert fingerprint(project, "3.11.7") != fingerprint(project, "3.12.1")


def test_kernels_that_cannot_be_built_are_no_failure(ready, capsys):
    (ready / "cs231n" / "im2col_cython.pyx").write_text("syntax error\n")
    shutil.copy(environment.ROOT / "setup.py", ready)
    prepare(ready, ready / ".venv")

    assert "NumPy versions serve" in capsys.readouterr().out
