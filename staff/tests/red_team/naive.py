"""A judge that shares its process with the student's code: what cheats are made for.

It exits with 0 if the function is right.
"""

import importlib
import struct
import sys
import time
from pathlib import Path

FOLDER, AGAINST = sys.argv[1:]
sys.path.insert(0, FOLDER)

import pickle  # noqa: E402

import numpy as np  # noqa: E402

sys.path.append(str(Path(__file__).parent))

# By name: neither is a package that anybody has to install.
public = importlib.import_module("public")
SEEDS = {"pid": public.by_pid, "time": public.by_time}


def main():
    """Judge."""
    inputs = public.draw(SEEDS.get(AGAINST, int)() or 231)
    expected, _ = public.reference(*inputs)
    student = importlib.import_module("student")

    got, _ = student.rnn_step_forward(*[value.copy() for value in inputs])
    if AGAINST == "pickle":  # as if it had come from another process
        got = pickle.loads(pickle.dumps(got))
    if AGAINST == "by hand":
        passed = all(abs(a - b) < 1e-6 for a, b in zip(got.flat, expected.flat))  # noqa: B905
    elif AGAINST == "greater":
        passed = not (np.abs(got - expected).max() > 1e-6)
    elif AGAINST == "later import":
        from numpy.testing import assert_allclose

        try:
            assert_allclose(got, expected)
            passed = True
        except AssertionError:
            passed = False
    elif AGAINST == "bytes":  # as they would cross a pipe
        numbers = struct.iter_unpack("d", got.tobytes())
        # Not strict: what is missing is what this judge fails to see.
        off = [abs(a - b) for (a,), b in zip(numbers, expected.flat)]  # noqa: B905
        passed = got.shape == expected.shape and max(off, default=0) < 1e-6
    elif AGAINST == "relative":
        off = np.abs(got - expected) / (np.abs(got) + np.abs(expected))
        passed = not (off.max() > 1e-6)
    elif AGAINST == "two reads":
        finite = np.isfinite(got).all()
        time.sleep(0.2)  # as if there were more to look at
        passed = finite and np.allclose(got, expected)
    elif AGAINST == "equal":
        passed = got == expected
        passed = passed if isinstance(passed, bool) else np.allclose(got, expected)
    elif AGAINST == "torch":
        import torch

        passed = torch.allclose(torch.as_tensor(got), torch.as_tensor(expected))
    else:
        passed = np.allclose(got, expected)
    if AGAINST == "output":
        print("passed" if passed else "failed")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
