"""A judge that shares its process with the student's code: what cheats are made for.

Each line that it reads names a folder and a kind of judge. That one judges the folder's
``student.py`` in a process forked for it, which exits with 0 if the function is right.
What it prints goes to the folder's ``said``; the status is answered. Modules that are
named as arguments are imported once, before.
"""

import importlib
import os
import pickle
import signal
import struct
import sys
import time
from pathlib import Path

PATIENCE = 60  # seconds


def serve():
    """Judge until nobody asks any more."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        folder, against = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            signal.alarm(PATIENCE)
            _shut_in(folder)
            # It ends as every program does, so that what runs at its exit does run.
            judge(folder, against)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _shut_in(folder):
    """Leave no descriptor of the server's to a student's code."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(Path(folder) / "said", os.O_WRONLY | os.O_CREAT, 0o600)
    for ours, theirs in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(ours, theirs)
    os.closerange(3, 64)


def judge(folder, against):
    """Judge, and exit."""
    sys.path.insert(0, folder)
    import numpy as np

    sys.path.append(str(Path(__file__).parent))
    public = importlib.import_module("public")  # by name: no package to install
    seeds = {"pid": public.by_pid, "time": public.by_time}
    inputs = public.draw(seeds.get(against, int)() or 231)
    expected, _ = public.reference(*inputs)
    student = importlib.import_module("student")

    got, _ = student.rnn_step_forward(*[value.copy() for value in inputs])
    if against == "pickle":  # as if it had come from another process
        got = pickle.loads(pickle.dumps(got))
    if against == "by hand":
        passed = all(abs(a - b) < 1e-6 for a, b in zip(got.flat, expected.flat))  # noqa: B905
    elif against == "greater":
        passed = not (np.abs(got - expected).max() > 1e-6)
    elif against == "later import":
        from numpy.testing import assert_allclose

        try:
            assert_allclose(got, expected)
            passed = True
        except AssertionError:
            passed = False
    elif against == "bytes":  # as they would cross a pipe
        numbers = struct.iter_unpack("d", got.tobytes())
        # Not strict: what is missing is what this judge fails to see.
        off = [abs(a - b) for (a,), b in zip(numbers, expected.flat)]  # noqa: B905
        passed = got.shape == expected.shape and max(off, default=0) < 1e-6
    elif against == "relative":
        off = np.abs(got - expected) / (np.abs(got) + np.abs(expected))
        passed = not (off.max() > 1e-6)
    elif against == "two reads":
        finite = np.isfinite(got).all()
        time.sleep(0.2)  # as if there were more to look at
        passed = finite and np.allclose(got, expected)
    elif against == "equal":
        passed = got == expected
        passed = passed if isinstance(passed, bool) else np.allclose(got, expected)
    elif against == "torch":
        import torch

        passed = torch.allclose(torch.as_tensor(got), torch.as_tensor(expected))
    else:
        passed = np.allclose(got, expected)
    if against == "output":
        print("passed" if passed else "failed")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    serve()
