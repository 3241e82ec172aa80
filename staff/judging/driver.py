"""Judge functions again and again, each time with some files of the tree changed.

Started by asking.py as a program of its own, in a copy of a tree. What takes long to
import is imported once; each judgement is a fork of that. It needs nothing but Python's
own library and the tree, so nothing of staff's is in reach of what is run.

Reads lines of JSON, each with "files" (path -> text), and answers each with a line.
Asked for ``states``, it reads "keys" as well and answers with key -> state, from the
worker that the student's check starts; a function of which nothing is heard is "wrong".
Asked for ``opinions``, it reads "keys", "framework" (the one that they need, if any),
"tests" (arguments of pytest), "first" (names: tests that use one come before others)
and "cells" (Python), and answers with "check" (key -> state), "tests" and "cells"
(whether they passed) and "said"; or with "failed", where they fail before anything is
changed.

For opinions, more is done only once: a process collects the tests, another runs the
cells up to the first call of what students write, and each judgement is a fork of that
in which functions get their new code. As they stay the same objects, it does not matter
who has imported them before.
"""

import contextlib
import gc
import importlib
import inspect
import json
import linecache
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, TextIO

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


@contextlib.contextmanager
def rewritten(files: dict[str, str]) -> Iterator[None]:
    """Change files of the tree for a while.

    Args:
        files: Path -> text.
    """
    before = {name: Path(name).read_bytes() for name in files}
    try:
        for name, text in files.items():
            Path(name).write_text(text, "utf-8")
        yield
    finally:
        for name, content in before.items():
            Path(name).write_bytes(content)


def states(job: dict[str, Any]) -> dict[str, str]:
    """Return what the worker finds each function to be."""
    keys = job["keys"]
    found = dict.fromkeys(keys, "wrong")
    with rewritten(job["files"]):
        said = _worker(keys)
    for line in said.splitlines():
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


Judge = Callable[[Any], Any]


class Warm:
    """A process that does once what judgements begin with, and forks for each."""

    def __init__(self, prepare: Callable[..., None], *arguments: Any) -> None:
        """Start it, and wait until it is ready.

        Args:
            prepare: Called there with a function and the arguments; it has to call that
                function with what judges a job, and it returns when no job is left.
            *arguments: What else it needs.

        Raises:
            RuntimeError: If it fails.
        """
        self._jobs: TextIO
        theirs, jobs = os.pipe()
        answers, ours = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            try:
                for other in _running:  # or they would wait for more from here
                    other._jobs.close()
                os.close(jobs)
                os.close(answers)
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, 0)
                os.dup2(nowhere, 1)
                with os.fdopen(theirs) as lines, os.fdopen(ours, "w") as out:
                    prepare(lambda judge: _serve(judge, lines, out), *arguments)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(theirs)
        os.close(ours)
        self._jobs, self._answers = os.fdopen(jobs, "w"), os.fdopen(answers)
        _running.append(self)
        if not self._answers.readline():
            self.close()
            raise RuntimeError("What is judged failed before anything was changed.")

    def ask(self, job: Any) -> Any:
        """Return what is found out about a job; None if the judgement dies."""
        self._jobs.write(json.dumps(job) + "\n")
        self._jobs.flush()
        return json.loads(self._answers.readline())

    def close(self) -> None:
        """End it."""
        _running.remove(self)
        self._jobs.close()
        self._answers.close()
        os.waitpid(self._process, 0)


_running: list[Warm] = []


def _serve(judge: Judge, lines: Any, out: Any) -> None:
    """Answer each line with what a fork finds out, once functions are changed."""

    def with_changes(job: dict[str, Any]) -> Any:
        for path in job["files"]:
            change(path)
        linecache.checkcache()
        return judge(job)

    gc.freeze()  # else each fork looks through all that is loaded
    print("ready", file=out, flush=True)
    for line in lines:
        found = found_out(with_changes, json.loads(line))
        print(json.dumps(found), file=out, flush=True)


def change(path: str) -> None:
    """Give what a loaded module defines the code that its file has now.

    Args:
        path: The file.
    """
    module = sys.modules.get(path.removesuffix(".py").replace("/", "."))
    if module is None:
        return  # it is read when somebody imports it
    names = vars(module)
    before = dict(names)
    exec(compile(Path(path).read_text("utf-8"), str(module.__file__), "exec"), names)
    for name, old in before.items():
        if getattr(old, "__module__", None) == module.__name__:
            names[name] = _changed(old, names[name])


def _changed(old: Any, new: Any) -> Any:
    """Return the old function or class with the code of the new one."""
    if isinstance(old, type) and isinstance(new, type):
        before = dict(vars(old))
        for name, part in vars(new).items():
            if name in before and isinstance(part, FunctionType):
                _changed(before[name], part)
            elif isinstance(part, FunctionType):
                setattr(old, name, part)
        return old
    function, other = inspect.unwrap(old), inspect.unwrap(new)
    if not isinstance(function, FunctionType) or not isinstance(other, FunctionType):
        return new
    function.__code__ = other.__code__
    function.__defaults__ = other.__defaults__
    function.__kwdefaults__ = other.__kwdefaults__
    return old


_warm: dict[str, tuple[Any, Warm]] = {}


def warm(what: str, *arguments: Any) -> Warm:
    """Return the process for one kind of judgement: the last one, if it fits."""
    if what in _warm and _warm[what][0] != arguments:
        _warm.pop(what)[1].close()
    if what not in _warm:
        prepare: dict[str, Callable[..., None]]
        prepare = {"check": check, "tests": tests, "cells": cells}
        _warm[what] = arguments, Warm(prepare[what], *arguments)
    return _warm[what][1]


def opinions(job: dict[str, Any]) -> dict[str, Any]:
    """Return what check, tests and notebook say of functions."""
    try:
        by_check, by_tests, by_cells = (
            warm("check", job["framework"]),
            warm("tests", job["tests"]),
            warm("cells", job["cells"], job["framework"]),
        )
    except RuntimeError as error:
        return {"failed": str(error)}
    with rewritten(job["files"]):
        tested = by_tests.ask(job) or (False, "died")
        ran = by_cells.ask(job) or (False, "died")
        checked = by_check.ask(job)
    return {
        "check": checked or dict.fromkeys(job["keys"], "wrong"),
        "tests": tested[0],
        "cells": ran[0],
        "said": f"{tested[1]}\n{ran[1]}",
    }


def written(framework: str) -> list[CodeType]:
    """Return the code of what students write, as it is loaded.

    Args:
        framework: What needs another one is left out: that one may not be installed,
            and no process shall have two of them.
    """
    from cs231n.assignment.table import functions

    found = (
        attrgetter(function.qualname)(importlib.import_module(function.module))
        for function in functions()
        if function.framework in {"", framework}
    )
    return [inspect.unwrap(function).__code__ for function in found]


def check(serve: Callable[[Judge], None], framework: str) -> None:
    """Judge by the student's check: the state of each function.

    Args:
        serve: What takes the judge.
        framework: What the functions need, if any.
    """
    from cs231n.assignment.table import function
    from cs231n.tools.check import marks
    from cs231n.tools.check.exercises import exercise
    from cs231n.tools.check.verdict import judge

    written(framework)
    records = marks.records()
    serve(
        lambda job: {
            key: judge(function(key), records, exercise(key)).state
            for key in job["keys"]
        }
    )


def tests(serve: Callable[[Judge], None], arguments: list[str]) -> None:
    """Judge by public tests: whether they pass, and what the first to fail said.

    Args:
        serve: What takes the judge.
        arguments: Arguments of pytest.
    """
    import pytest

    plain = ["-q", "-s", "--no-header", "-p", "no:cacheprovider", "--tb=line"]
    # No other plugin, no assertions written anew: either takes long to begin with.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plain += ["--assert=plain", "-p", "_hypothesis_pytestplugin"]
    plugin = Tests(serve)
    pytest.main([*plain, *arguments], plugins=[plugin])
    if plugin.complaint:
        raise RuntimeError(plugin.complaint)


class Tests:
    """Plugin of pytest: all is collected once, and run for each job.

    Attributes:
        complaint: Why no job could be judged; else empty.
    """

    def __init__(self, serve: Callable[[Judge], None]) -> None:
        """Keep what takes the judge."""
        self.complaint = ""
        self._serve = serve
        self._failed = ""

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run the tests for each job, those that are soonest done before others."""

        def took(_: None) -> tuple[dict[str, float], str]:
            return dict(self._seconds(session.items)), self._failed

        seconds, failed = found_out(took, None) or ({}, "died")
        if failed or not seconds:
            self.complaint = f"Failed when nothing was changed: {failed}"
            return True

        def judge(job: dict[str, Any]) -> tuple[bool, str]:
            def late(item: Any) -> tuple[bool, float]:
                return not _is_used_by(item, job["first"]), seconds[item.nodeid]

            for _ in self._seconds(sorted(session.items, key=late)):
                pass
            return not self._failed, self._failed[-1500:]

        self._serve(judge)
        return True

    def _seconds(self, items: Sequence[Any]) -> Iterator[tuple[str, float]]:
        """Run tests until one fails; yield what each that passed took."""
        for item, following in zip(items, [*items[1:], None], strict=True):
            begun = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                return
            yield item.nodeid, time.process_time() - begun

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep what the first failure said."""
        if report.failed and not self._failed:
            self._failed = f"{report.nodeid}: {report.longreprtext}"


def _is_used_by(item: Any, names: list[str]) -> bool:
    test = getattr(item.function, "hypothesis", None)
    code = (test.inner_test if test else item.function).__code__
    used = {*code.co_names, *code.co_freevars}
    return any(name in used or name in item.name for name in names)


def cells(serve: Callable[[Judge], None], sources: list[str], framework: str) -> None:
    """Judge by a notebook's cells: whether they run to their end, and what stops them.

    Args:
        serve: What takes the judge.
        sources: The cells.
        framework: What the notebook needs, if any.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    codes = set(written(framework))
    begun = found_out(lambda them: _cells_before_calls(them, codes), sources)
    if begun is None:
        raise RuntimeError("The cells end when nothing is changed.")
    for source in sources[:begun]:
        exec(compile(source, "<cell>", "exec"), names)

    def judge(_: object) -> tuple[bool, str]:
        try:
            for source in sources[begun:]:
                exec(compile(source, "<cell>", "exec"), names)
        except BaseException:  # a notebook stops at whatever is raised
            return False, traceback.format_exc()[-1500:]
        return True, ""

    serve(judge)


class _CalledError(BaseException):
    """Something calls what students write."""


def _cells_before_calls(sources: list[str], codes: set[CodeType]) -> int:
    """Return how many cells run without calling what students write."""

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in codes:
            raise _CalledError

    names: dict[str, Any] = {"__name__": "__main__"}
    for count, source in enumerate(sources):
        sys.setprofile(look)
        try:
            exec(compile(source, "<cell>", "exec"), names)
        except _CalledError:
            return count
        finally:
            sys.setprofile(None)
    return len(sources)


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
    gc.freeze()  # else each fork looks through all that is imported
    for line in sys.stdin:
        found = serve(json.loads(line))
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
