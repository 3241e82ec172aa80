"""Each notebook runs from top to bottom in the quick profile and passes its checks.

One does so in every run of the tests, the others with ``-m slow``; check cells of all
of them are run by ``test_notebook_cells.py`` as well.
"""

import json

import pytest

from staff.questions import ROOT, notebook_names, question_of
from staff.report.run import main

OFTEN = "RNN_Captioning"
NAMES = [
    pytest.param(name, marks=() if name == OFTEN else pytest.mark.slow)
    for name in notebook_names()
    if (ROOT / f"{name}.ipynb").exists()
    and question_of(name).framework != "tensorflow"  # in a file of their own
]


def require_to_pass(name, tmp_path):
    """Run a notebook and look at what its report says of it."""
    code = main([name, "--profile", "quick", "--out", str(tmp_path)])

    facts = json.loads((tmp_path / "report.json").read_text("utf-8"))
    (notebook,) = facts["notebooks"]
    assert [check for check in notebook["checks"] if not check["passed"]] == []
    assert notebook["warnings"] == []
    assert notebook["figures_without_alt"] == 0
    assert notebook["checks"], "a notebook without checks shows nothing"
    assert code == 0, notebook["reason"] or "a cell raised; its line above names it"


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_passes_in_the_quick_profile(name, tmp_path):
    require_to_pass(name, tmp_path)
