"""Staff's command line: every verb is there, and says what it is for."""

import importlib
import subprocess
import sys

import pytest

from staff.__main__ import VERBS, main
from staff.questions import ROOT


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_command(verb, capsys):
    assert callable(importlib.import_module(f"staff.{VERBS[verb][0]}").main)
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    assert "usage: " in capsys.readouterr().out


def test_all_verbs_are_listed(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    for verb, (_, what) in VERBS.items():
        assert f"{verb:<14}{what}" in listed


def test_the_first_verb_needs_nothing_that_it_installs():
    code = (
        "import sys\n"
        "from staff.__main__ import main\n"
        "try:\n    main(['setup', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "wanted = {'numpy', 'torch', 'jupytext', 'nbformat'} & sys.modules.keys()\n"
        "raise SystemExit(str(wanted) if wanted else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["calibrate", "study", "--seeds", "0"],
        ["calibrate", "study", "--processes", "-1"],
        ["class", "--students", "0"],
        ["margins", "--seeds", "0"],
        ["new", "question", "Q9", "A title", "--points", "0"],
        ["run", "--jobs", "0"],
    ],
    ids=lambda words: words[0] + words[-2],
)
def test_what_is_counted_is_one_or_more(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert f"{words[-1]} is too few; take 1 or more" in capsys.readouterr().err
