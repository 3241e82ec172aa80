"""What a notebook calls of modules in TensorFlow shows a call, which does what it says.

Examples of what notebooks call besides run with those of all other modules.
"""

import pytest
import tensorflow as tf

from staff.questions import notebook_names, question_of
from staff.tests.examples import code, is_in_tensorflow, problem, used

NOTEBOOKS = [
    name for name in notebook_names() if question_of(name).framework == "tensorflow"
]
USED = {
    name: thing
    for notebook in NOTEBOOKS
    for name, thing in used(code(notebook), tensorflow=True).items()
    if is_in_tensorflow(thing.__module__)
}


@pytest.mark.parametrize("name", sorted(USED))
def test_the_example_works(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files
    if complaint := problem(USED[name], {"tf": tf}, tf.random.set_seed):
        pytest.fail(complaint, pytrace=False)


def test_every_notebook_uses_the_package():
    assert NOTEBOOKS
    for notebook in NOTEBOOKS:
        assert len(used(code(notebook), tensorflow=True)) > 10, notebook
