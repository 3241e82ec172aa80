"""Try functions out again and again, each time with some files of the tree changed.

Started by handout_scores.py as a program of its own, in a copy of a tree. What takes
long to import is imported once; each run is a fork of that, of the worker that the
student's check starts. It needs nothing but Python's own library, so nothing of staff's
is in reach of what is run.

Reads lines of JSON ``{"files": {path: text}, "keys": [...]}`` and answers each with a
line ``{key: state}``; a function of which nothing is heard is ``"wrong"``.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

_HEAVY = (
    *("numpy", "scipy.sparse", "scipy.ndimage", "torch", "matplotlib", "PIL.Image"),
    "torch._dynamo",  # what the first optimizer imports
)
_WORKER = "cs231n.tools.check.worker"
_PATIENCE = 60  # seconds for a run, after which it counts as endless


def run(keys: list[str]) -> bytes:
    """Run the worker in a process of its own and return what it said."""
    if not hasattr(os, "fork"):
        command = [sys.executable, "-m", _WORKER, *keys]
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(
                command, stdout=subprocess.PIPE, check=False, timeout=_PATIENCE
            ).stdout
        return b""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, 1)
            os.close(reader)
            os.close(writer)
            signal.alarm(_PATIENCE)
            importlib.import_module(_WORKER).main(keys)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def states(keys: list[str]) -> dict[str, str]:
    """Return what the worker finds each function to be."""
    found = dict.fromkeys(keys, "wrong")
    for line in run(keys).splitlines():
        with contextlib.suppress(ValueError):
            verdict = json.loads(line)
            if "end" in verdict:
                found[verdict["end"]] = verdict["state"]
    return found


def main() -> None:
    """Serve the jobs that come on the standard input."""
    sys.path[0] = os.getcwd()  # noqa: PTH109 (a text is wanted)
    for name in _HEAVY if hasattr(os, "fork") else ():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        job = json.loads(line)
        before = {name: Path(name).read_bytes() for name in job["files"]}
        try:
            for name, text in job["files"].items():
                Path(name).write_text(text, "utf-8")
            found = states(job["keys"])
        finally:
            for name, content in before.items():
                Path(name).write_bytes(content)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
