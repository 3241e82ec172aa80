"""Long work leaves the machine to others: one thread for BLAS, none that spins."""

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cs231n.captioning_solver import CaptioningSolver


def blas_threads():
    return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}


knows_blas = pytest.mark.skipif(
    not blas_threads(),
    reason="threadpoolctl cannot set this BLAS's threads, as of Apple's Accelerate",
)


class Watched:
    """A model that notes the threads of its steps, and may fail."""

    def __init__(self, fails):
        self.params = {"w": np.ones(2)}
        self.fails, self.seen = fails, set()

    def loss(self, features, captions):  # noqa: ARG002
        self.seen |= blas_threads()
        return np.nan if self.fails else 1.0, {"w": np.ones(2)}


@knows_blas
@pytest.mark.parametrize("fails", [False, True])
def test_training_takes_one_thread_of_blas_and_gives_the_others_back(fails):
    data = {
        "train_captions": np.array([[1, 2]]),
        "train_image_idxs": np.array([0]),
        "train_features": np.ones((1, 5), np.float32),
        "train_urls": np.array(["a"]),
    }
    model = Watched(fails)
    solver = CaptioningSolver(model, data, batch_size=1, verbose=False)
    with threadpool_limits(2, user_api="blas"):
        assert blas_threads() == {2}
        try:
            solver.train()
        except FloatingPointError:
            assert fails
        assert blas_threads() == {2}
    assert model.seen == {1}


@pytest.mark.parametrize("own", [None, "ACTIVE"])
def test_torchs_threads_do_not_spin_unless_somebody_wants_that(own):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    if own:
        environment["OMP_WAIT_POLICY"] = own
    # As a notebook's first cell does, before torch.
    program = (
        "import os, sys, cs231n.lab.checks; assert 'torch' not in sys.modules; "
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == (own or "PASSIVE")
