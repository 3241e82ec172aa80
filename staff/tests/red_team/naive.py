"""A judge that shares its process with the student's code: what cheats are made for.

It exits with 0 if the function is right.
"""

import importlib
import sys
from pathlib import Path

FOLDER, AGAINST = sys.argv[1:]
sys.path.insert(0, FOLDER)

import pickle  # noqa: E402

import numpy as np  # noqa: E402

sys.path.append(str(Path(__file__).parent))

# By name: neither is a package that anybody has to install.
public = importlib.import_module("public")


def main():
    """Judge."""
    inputs = public.draw()
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
    else:
        passed = np.allclose(got, expected)
    if AGAINST == "output":
        print("passed" if passed else "failed")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
