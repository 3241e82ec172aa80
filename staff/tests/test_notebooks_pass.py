"""Each notebook runs from top to bottom in the quick profile and passes its checks."""

import json

import pytest

from staff.questions import ROOT, notebook_names
from staff.report.run import main

NAMES = [name for name in notebook_names() if (ROOT / f"{name}.ipynb").exists()]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_passes_in_the_quick_profile(name, tmp_path):
    code = main([name, "--profile", "quick", "--out", str(tmp_path)])

    facts = json.loads((tmp_path / "report.json").read_text("utf-8"))
    (notebook,) = facts["notebooks"]
    assert [check for check in notebook["checks"] if not check["passed"]] == []
    assert notebook["warnings"] == []
    assert notebook["figures_without_alt"] == 0
    assert notebook["checks"], "a notebook without checks shows nothing"
    assert code == 0, notebook["reason"] or "a cell raised; its line above names it"
