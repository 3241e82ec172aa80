"""A program begun in a copy of this process is like one that was begun afresh."""

import subprocess
import sys

import pytest

from staff.tests import programs

SAYS = """
import os, sys, warnings
import cs231n, torch
print(os.getcwd(), cs231n.__file__, os.environ["ASKED"], torch.zeros(2).tolist())
print(*(name for name in os.environ if name.startswith("PYTEST_")))
warnings.warn("beware", stacklevel=1)
warnings.warn("old", DeprecationWarning, stacklevel=1)
sys.exit(int(sys.argv[1]))
"""


def test_it_sees_its_folder_and_says_and_ends_as_ever(tmp_path, monkeypatch):
    (tmp_path / "cs231n").mkdir()
    (tmp_path / "cs231n" / "__init__.py").write_text("")
    words = ("-c", SAYS, "7")
    found = programs.run(tmp_path, *words, before=programs.TORCH, ASKED="for")
    monkeypatch.setattr(sys, "platform", "another")
    afresh = programs.run(tmp_path, *words, ASKED="for")
    assert found.returncode == afresh.returncode == 7
    first, *_ = found.stdout.splitlines()
    place = tmp_path / "cs231n" / "__init__.py"
    assert first == f"{tmp_path} {place} for [0.0, 0.0]"
    assert found.stdout.splitlines() == [first, ""]  # not in pytest, as far as it sees
    assert afresh.stdout.splitlines()[0] == first
    assert found.stderr == afresh.stderr
    assert "UserWarning: beware" in found.stderr


def test_errors_are_told_and_a_program_without_an_end_is_ended(tmp_path):
    found = programs.run(tmp_path, "-c", "import sys; print('so'); 1 / 0")
    assert (found.returncode, found.stdout) == (1, "so\n")
    assert "ZeroDivisionError" in found.stderr
    with pytest.raises(subprocess.TimeoutExpired):
        programs.run(tmp_path, "-c", "while True: pass", timeout=1)


def test_a_pytest_in_there_is_its_own(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import pytest\n\n\ndef test_it(tmp_path):\n    one = [1, 2]\n"
        "    assert one == [1, 3]\n"
    )
    found = programs.run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert found.returncode == 1
    assert "assert [1, 2] == [1, 3]" in found.stdout  # rewritten there
