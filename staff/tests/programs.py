"""Python programs in a folder, begun in a copy of this process where that is quick.

To import NumPy, PyTorch and their like takes longer than most programs that tests run.
"""

import importlib
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from staff.questions import ROOT

TORCH = ("torch", "torch._dynamo", "torchvision")  # torch imports its second when used
OWN = {"cs231n", "staff", "tests", "conftest", "benchmarks"}


def run(folder, *words, before=(), timeout=300, **environment):
    """Run Python with these words in a folder, whose modules it sees and none of ours.

    Args:
        folder: Where it runs: a copy of the tree, or of its package.
        *words: ``-m`` and a module, or ``-c`` and code, and arguments.
        before: Modules of others that are imported in this process first, so that
            neither this program nor a later one has to.
        timeout: Seconds, after which it is killed.
        **environment: What is set for it beside what is set here.

    Returns:
        subprocess.CompletedProcess with texts.
    """
    if sys.platform != "linux":  # elsewhere libraries do not bear to be copied
        return subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    for name in before:
        importlib.import_module(name)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            _become(folder, words, environment, (out, err), timeout)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(words, timeout)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(words, status, *texts)


def _become(folder, words, environment, files, timeout):
    """Be that program from here on; never return."""
    status = 99
    try:
        signal.alarm(timeout)
        out, err = (
            os.fdopen(os.dup2(file.fileno(), number), "w", encoding="utf-8")
            for number, file in enumerate(files, 1)
        )
        sys.stdout = sys.__stdout__ = out
        sys.stderr = sys.__stderr__ = err
        for name in ("_py_warnings", "warnings"):  # a test has warnings of its own
            if name in sys.modules:
                importlib.reload(sys.modules[name])
        for name in list(sys.modules):
            if name.partition(".")[0] in OWN:
                del sys.modules[name]
        # A pytest in there brings its own of these, and is nobody's worker.
        sys.meta_path[:] = [
            f for f in sys.meta_path if not type(f).__module__.startswith("_pytest")
        ]
        for name in [name for name in os.environ if name.startswith("PYTEST_")]:
            del os.environ[name]
        os.chdir(folder)
        os.environ.update(environment)
        sys.path[:] = [str(folder), *(p for p in sys.path if Path(p or ".") != ROOT)]
        option, what, *arguments = words
        sys.argv = [option if option == "-c" else what, *arguments]
        try:
            if option == "-c":
                exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
            else:
                runpy.run_module(what, run_name="__main__", alter_sys=True)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else end.code is not None
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
