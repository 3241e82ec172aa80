"""What a notebook calls shows a call in its docstring, and the call does what it says.

Examples call, they do not show the inside: docstrings go to students, so what stands
there must hold for every right answer and give none away.
"""

import sys
import types

import pytest
import torch

from cs231n import data_utils, datasets
from cs231n.datasets.readers import imagenet_val
from cs231n.embedded import captions, digit_classifier, digit_reader
from staff.questions import notebook_names, question_of
from staff.tests import examples
from staff.tests.examples import code, used
from tests.tiny_files import write_folder

# It prepares a process and shows nothing; test_frameworks.py has it.
SILENT = {"cs231n.support.frameworks.require_tensorflow"}
# What needs TensorFlow is in a file of its own.
USED = {
    name: thing
    for notebook in notebook_names()
    for name, thing in used(code(notebook)).items()
    if name not in SILENT
}


def problem(thing):
    return examples.problem(thing, {"torch": torch}, torch.manual_seed)


@pytest.fixture(scope="module", autouse=True)
def _workplace(tmp_path_factory):
    """Let examples write files, and print what they do where nothing was fetched."""
    # What has to be drawn first says so, which no example expects.
    data_utils.find_tiny_imagenet(quick=True)
    captions.ensure()
    folder, find = tmp_path_factory.mktemp("examples"), datasets.find
    write_folder(folder / "tiny-imagenet-100-A")
    # Trained for a tenth of the time, it tells the ten digits apart all the same.
    classifier = folder / digit_classifier.FILE

    def found(name):
        if str(name) == imagenet_val.FILE:
            return None
        if str(name) != digit_classifier.FILE:
            return find(name)
        if not classifier.exists():
            model = digit_classifier._train_well(verbose=False)
            digit_classifier._write(model, classifier)
        return classifier

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(datasets, "find", found)
        patch.setattr(digit_classifier, "_EPOCHS", 2)
        for module in (digit_classifier, digit_reader):
            patch.setattr(module, "ENOUGH", 0.9)
        yield


@pytest.mark.parametrize("name", sorted(USED))
def test_the_example_works(name):
    if complaint := problem(USED[name]):
        pytest.fail(complaint, pytrace=False)


MADE_UP = '''
import numpy as np

def double(x):
    """Double.

    Example:
        {example}
    """
    return 2 * np.asarray(x)

def _hidden(x):
    return x
'''


def made_up(monkeypatch, example):
    module = types.ModuleType("cs231n.made_up")
    lines = example.replace("\n", "\n        ")
    exec(MADE_UP.format(example=lines), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        (">>> double([1, 2])\narray([2, 4])", ""),
        (">>> double(np.ones(2)).tolist()\n[2.0, 2.0]", ""),
        (">>> torch.is_tensor(double(1))\nFalse", ""),
        (">>> double([1, 2])\narray([2, 5])", "Expected"),
        (">>> double([1, 2]) + other\narray([2, 4])", "NameError"),
        (">>> _hidden(double(1))\n2", "NameError"),
        (">>> twice = 2 * 1\n>>> twice\n2", "does not call it"),
        (">>> x = double([1, 2])", "shows no result"),
        ("double([1, 2]) is array([2, 4])", "has no example"),
    ],
)
def test_what_is_wrong_with_an_example_is_said(monkeypatch, example, complaint):
    double = made_up(monkeypatch, example).double
    assert complaint in problem(double)
    assert bool(problem(double)) == bool(complaint)


def test_an_example_without_its_heading_is_none(monkeypatch):
    double = made_up(monkeypatch, ">>> double(1)\n2").double
    double.__doc__ = double.__doc__.replace("Example:", "")
    assert "has no example" in problem(double)
    double.__doc__ = None
    assert "has no example" in problem(double)


def test_all_ways_of_use_are_found():
    source = """
from cs231n.rnn_layers import *
from cs231n.classifiers.rnn import CaptioningRNN as Model
from cs231n.extras import attribution
from cs231n.extras.semi_supervised import run_study
from cs231n.lab.captions import show_samples, plot_gates
from cs231n.gradient_check import LIMITS

model = Model({})
eval_numerical_gradient(lambda x: rnn_forward(x), LIMITS)
print(attribution.area(1), map(show_samples, []))
study = run_study(1, 2)
print(study.table(), model.loss(1).sum(), np.sort([]))
"""
    assert set(used(source)) == {
        "cs231n.rnn_layers.rnn_forward",
        "cs231n.classifiers.rnn.CaptioningRNN",
        "cs231n.classifiers.rnn.CaptioningRNN.loss",
        "cs231n.extras.attribution.area",
        "cs231n.extras.semi_supervised.run_study",
        "cs231n.lab.study.Study.table",
        "cs231n.lab.captions.show_samples",
    }


def test_every_notebook_uses_the_package():
    for notebook in notebook_names():
        if question_of(notebook).framework != "tensorflow":
            assert len(used(code(notebook))) > 10, notebook


def test_what_needs_tensorflow_is_left_out():
    source = """
from cs231n.gan_tf import sample_noise
from cs231n.classifiers import squeezenet_tf, squeezenet
from cs231n.support.accuracy import as_array

as_array(sample_noise(1, 2))
squeezenet.load_squeezenet(squeezenet_tf.load_squeezenet_tensorflow())
"""
    assert set(used(source)) == {
        "cs231n.support.accuracy.as_array",
        "cs231n.datasets.readers.squeezenet.load_squeezenet",
    }
