"""PyTorch and TensorFlow in one process, with the packages themselves."""

import importlib.util

import pytest

from staff.tests.test_frameworks import SENTENCE, run

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tensorflow", "torch", "triton"))),
    reason="not both are here; make setup TENSORFLOW=1 makes an environment with both",
)

BOTH = """
import numpy as np
from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.classifiers.squeezenet_tf import load_squeezenet_tensorflow
x = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
ours = np.asarray(load_squeezenet_tensorflow("embedded", verbose=False)(x))
import torch
model = load_squeezenet("embedded", "cpu", verbose=False)
theirs = model(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
assert np.abs(ours - theirs).max() < 1e-4, np.abs(ours - theirs).max()
w = torch.ones(3, requires_grad=True)
w.sum().backward()
torch.optim.Adam([w]).step()
print("alive")
"""
WRONG_ORDER = """
import tensorflow, torch
try:
    import cs231n.net_visualization_pytorch
except ImportError as error:
    print(error, flush=True)
w = torch.ones(3, requires_grad=True)
torch.optim.Adam([w])
"""


def test_both_live_in_one_process_where_our_modules_come_first():
    done = run(BOTH)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-2000:]
    assert "oneDNN" not in done.stderr


def test_the_wrong_order_is_told_before_it_ends_the_process():
    done = run(WRONG_ORDER)
    assert SENTENCE in done.stdout
    if done.returncode >= 0:  # else a signal ended it
        pytest.skip("with these versions the wrong order does no harm")
