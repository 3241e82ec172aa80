"""Let the three instruments judge functions, each time with some files changed.

Started by instruments.py as a program of its own, in a copy of the solved tree. What
takes long to import is imported once; each judgement is a fork of that.

Reads lines of JSON with "files" (path -> text), "key", "tests" (arguments of pytest),
"first" (a name: tests that use it come before others) and "cells" (Python), and answers
each with "check" (a state), "tests" and "cells" (whether they passed) and "said".
"""

import compileall
import contextlib
import gc
import importlib
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HEAVY = (
    *("numpy", "scipy.sparse", "scipy.ndimage", "torch", "matplotlib.pyplot"),
    *("PIL.Image", "torchvision.transforms", "torch._dynamo", "pytest", "hypothesis"),
    *("IPython", "h5py"),
)
_PATIENCE = 120  # seconds of computing, after which a judgement counts as endless


def forked(judge: Callable[[Any], Any], job: Any) -> Any:
    """Return what a function finds out in a process of its own; None if it dies."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            signal.setitimer(signal.ITIMER_PROF, _PATIENCE)  # other work does not count
            with os.fdopen(writer, "w") as pipe:
                json.dump(judge(job), pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else None


def check(key: str) -> str:
    """Return the state that the student's check gives a function."""
    from cs231n import check_marks
    from cs231n.assignment import functions
    from cs231n.check_exercises import exercise
    from cs231n.check_verdict import judge

    function = next(f for f in functions() if f.key == key)
    return judge(function, check_marks.records(), exercise(key)).state


class First:
    """Plugin of pytest: tests that use a name come first, so that -x stops early."""

    def __init__(self, name: str) -> None:
        """Keep the name, the last part of it alone."""
        self.name = name

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Move tests of the name to the front; otherwise the order stays."""
        items.sort(key=lambda item: not self._is_used_by(item))

    def _is_used_by(self, item: Any) -> bool:
        test = getattr(item.function, "hypothesis", None)
        code = (test.inner_test if test else item.function).__code__
        return self.name in {*code.co_names, *code.co_freevars} or (
            self.name in item.name
        )


def tests(job: tuple[list[str], str]) -> tuple[bool, str]:
    """Tell whether public tests pass, and what they said.

    Args:
        job: Arguments of pytest, and the name whose tests come first.
    """
    import pytest

    arguments, first = job
    said = io.StringIO()
    plain = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "--tb=line"]
    # No other plugin, no assertions written anew: either takes long to begin with.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plain += ["--assert=plain", "-p", "_hypothesis_pytestplugin"]
    with contextlib.redirect_stdout(said):
        code = pytest.main([*plain, *arguments], plugins=[First(first)])
    return code == 0, said.getvalue()[-1500:]


def cells(sources: list[str]) -> tuple[bool, str]:
    """Tell whether a notebook's cells run to their end, and what stopped them."""
    import matplotlib as mpl

    mpl.use("Agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for source in sources:
            exec(compile(source, "<cell>", "exec"), names)
    except BaseException:  # a notebook stops at whatever is raised
        return False, traceback.format_exc()[-1500:]
    return True, ""


def main() -> None:
    """Serve the jobs that come on the standard input."""
    sys.path[0] = os.getcwd()  # noqa: PTH109 (a text is wanted)
    sys.dont_write_bytecode = True
    for name in _HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    compileall.compile_dir("tests", quiet=2)  # no job changes them
    gc.freeze()  # else each fork looks through all that is imported
    for line in sys.stdin:
        job = json.loads(line)
        before = {name: Path(name).read_bytes() for name in job["files"]}
        try:
            for name, text in job["files"].items():
                Path(name).write_text(text, "utf-8")
            state = forked(check, job["key"])
            tested, why = forked(tests, (job["tests"], job["first"])) or (False, "died")
            ran, where = forked(cells, job["cells"]) or (False, "died")
        finally:
            for name, content in before.items():
                Path(name).write_bytes(content)
        opinions = {"check": state or "wrong", "tests": tested, "cells": ran}
        sys.stdout.write(json.dumps(opinions | {"said": f"{why}\n{where}"}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
