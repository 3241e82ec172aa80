"""The process in which students' functions are tried out: ``check`` starts it.

It says what it finds in lines of JSON, one when a function's turn comes and one with
the verdict. Whatever students' code prints goes nowhere.
"""

from cs231n.support import commands  # first, so that no scratch file comes before it

# isort: split
import argparse
import functools
import importlib
import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

from cs231n.assignment.table import function
from cs231n.tools.check import marks
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.faults import WaitingError
from cs231n.tools.check.verdict import judge


def main(argv: list[str] | None = None) -> int:
    """Try functions out in the order in which their keys are given."""
    parser = argparse.ArgumentParser(prog="python -m cs231n.tools.check.worker")
    parser.add_argument("keys", nargs="+", help="which functions to try")
    parser.add_argument(
        "--without", action="append", default=[], help="what not to call"
    )
    args = parser.parse_args(argv)
    keys: list[str] = args.keys
    with _keep_stdout() as out:
        known = marks.records()
        # What is slow to import shall not count as a function's time.
        exercises = {key: exercise(key) for key in keys}
        for how in exercises.values():
            for name in how.imports:
                importlib.import_module(name)
        with _any_device(keys):
            for key in keys:
                _import_quietly(function(key).module)
            for name in args.without:
                _disable(name)
            for key in keys:
                _say(out, {"begin": key})
                verdict = judge(function(key), known, exercises[key])
                _say(out, {"end": key} | vars(verdict))
    return 0


def _any_device(keys: list[str]) -> AbstractContextManager[None]:
    """Let modules be imported that name a GPU."""
    if not any(function(key).framework == "torch" for key in keys):
        return nullcontext()
    from cs231n.tools.check.gpu import cpu_for_gpu

    return cpu_for_gpu(lambda: None)


def _keep_stdout() -> IO[str]:
    """Send what is printed from now on nowhere; return a file for what we say."""
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    return out


def _say(out: IO[str], line: dict[str, Any]) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()


def _disable(name: str) -> None:
    """Keep a function that never ends from being called by others."""
    last = name.rpartition(".")[2]
    students = [m for n, m in sys.modules.items() if n.startswith("cs231n.")]
    for module in students:
        if last in vars(module):

            @functools.wraps(vars(module)[last])
            def never(*args: Any, **kwargs: Any) -> Any:
                del args, kwargs
                raise WaitingError(last)

            setattr(module, last, never)


def _import_quietly(name: str) -> None:
    """Import a student's module; what is wrong with it is said later."""
    try:
        importlib.import_module(name)
    except BaseException:
        return


if __name__ == "__main__":
    commands.run(main)
