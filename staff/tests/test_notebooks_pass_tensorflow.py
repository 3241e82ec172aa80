"""Each notebook in TensorFlow runs in the quick profile and passes its checks."""

import pytest

from staff.questions import ROOT, notebook_names, question_of
from staff.tests.test_notebooks_pass import require_to_pass

NAMES = [
    name
    for name in notebook_names()
    if (ROOT / f"{name}.ipynb").exists() and question_of(name).framework == "tensorflow"
]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_passes_in_the_quick_profile(name, tmp_path):
    require_to_pass(name, tmp_path)
