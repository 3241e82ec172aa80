"""Judge functions again and again, each time with some files of the tree changed.

Started by asking.py as a program of its own, in a copy of a tree. What takes long to
import is imported once; each judgement is a fork of that. It needs nothing but Python's
own library and the tree, so nothing of staff's is in reach of what is run.

Reads lines of JSON, each with "files" (path -> text), and answers each with a line.
Asked for ``states``, it reads "keys" as well and answers with key -> state, from the
worker that the student's check starts; a function of which nothing is heard is "wrong".
Asked for ``opinions``, it reads "key", "tests" (arguments of pytest), "first" (a name:
tests that use it come before others) and "cells" (Python), and answers with "check" (a
state), "tests" and "cells" (whether they passed) and "said".
"""

import compileall
import contextlib
import gc
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HEAVY = (
    *("numpy", "scipy.sparse", "scipy.ndimage", "torch", "matplotlib", "PIL.Image"),
    "torch._dynamo",  # what the first optimizer imports
)
_HEAVY_FOR_NOTEBOOKS = (
    *("matplotlib.pyplot", "torchvision.transforms", "pytest", "hypothesis"),
    *("IPython", "h5py"),
)
_WORKER = "cs231n.tools.check.worker"
# Seconds of computing, after which a judgement counts as endless.
_PATIENCE, _PATIENCE_WITH_NOTEBOOKS = 60, 120


def forked(act: Callable[[], object], patience: int) -> bytes:
    """Return what is written to descriptor 1 while something runs in a fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            os.dup2(writer, 1)
            os.close(writer)
            signal.setitimer(signal.ITIMER_PROF, patience)  # other work does not count
            act()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def found_out(judge: Callable[[Any], Any], job: Any) -> Any:
    """Return what a function finds out in a process of its own; None if it dies."""

    def act() -> None:
        with os.fdopen(os.dup(1), "w") as out:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            json.dump(judge(job), out)

    said = forked(act, _PATIENCE_WITH_NOTEBOOKS)
    return json.loads(said) if said else None


def states(job: dict[str, Any]) -> dict[str, str]:
    """Return what the worker finds each function to be."""
    keys = job["keys"]
    found = dict.fromkeys(keys, "wrong")
    for line in _worker(keys).splitlines():
        with contextlib.suppress(ValueError):
            verdict = json.loads(line)
            if "end" in verdict:
                found[verdict["end"]] = verdict["state"]
    return found


def _worker(keys: list[str]) -> bytes:
    """Run the worker and return what it said."""
    if hasattr(os, "fork"):
        return forked(lambda: importlib.import_module(_WORKER).main(keys), _PATIENCE)
    command = [sys.executable, "-m", _WORKER, *keys]
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(
            command, stdout=subprocess.PIPE, check=False, timeout=_PATIENCE
        ).stdout
    return b""


def opinions(job: dict[str, Any]) -> dict[str, Any]:
    """Return what check, tests and notebook say of a function."""
    tested, why = found_out(tests, (job["tests"], job["first"])) or (False, "died")
    ran, where = found_out(cells, job["cells"]) or (False, "died")
    return {
        "check": found_out(check, job["key"]) or "wrong",
        "tests": tested,
        "cells": ran,
        "said": f"{why}\n{where}",
    }


def check(key: str) -> str:
    """Return the state that the student's check gives a function."""
    from cs231n.assignment.table import function
    from cs231n.tools.check import marks
    from cs231n.tools.check.exercises import exercise
    from cs231n.tools.check.verdict import judge

    return judge(function(key), marks.records(), exercise(key)).state


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


def main(what: str) -> None:
    """Serve the jobs that come on the standard input."""
    sys.path[0] = os.getcwd()  # noqa: PTH109 (a text is wanted)
    serve, heavy = {
        "states": (states, _HEAVY),
        "opinions": (opinions, (*_HEAVY, *_HEAVY_FOR_NOTEBOOKS)),
    }[what]
    for name in heavy if hasattr(os, "fork") else ():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if what == "opinions":
        compileall.compile_dir("tests", quiet=2)  # no job changes them
    gc.freeze()  # else each fork looks through all that is imported
    for line in sys.stdin:
        job = json.loads(line)
        before = {name: Path(name).read_bytes() for name in job["files"]}
        try:
            for name, text in job["files"].items():
                Path(name).write_text(text, "utf-8")
            found = serve(job)
        finally:
            for name, content in before.items():
                Path(name).write_bytes(content)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
