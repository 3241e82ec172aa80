"""What the commands of this package stand on: ``python -m cs231n.check`` and its like.

A scratch file that is called ``random.py`` and lies beside the notebooks takes the
place of Python's own module for everything that is started there. So this module is the
first that a command and a notebook's set-up cell import: it lets the real ones come
first, and names such files. It imports nothing but what Python loads when it starts,
which no such file can replace.
(With ``-m`` Python itself stumbles over eight names, such as ``types``, before it reads
anything of ours; its last line then names the file, or in Python 3.12 the module alone,
and ``words`` goes round that.)
"""

import io
import os
import sys

TYPE_CHECKING = False  # that of typing, which is not loaded when Python starts
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))  # noqa: PTH100, PTH118, PTH120
_TOLD = "CS231N_SCRATCH_FILES_TOLD"  # set for what a command starts
# What is imported from elsewhere, besides Python's own modules.
PACKAGES = {
    *("IPython", "PIL", "filelock", "h5py", "imageio", "ipykernel", "joblib"),
    *("matplotlib", "numpy", "requests", "scipy", "tensorflow", "threadpoolctl"),
    *("torch", "torchvision", "tqdm", "urllib3"),
}
_START = """
import sys
sys.path.insert(0, sys.argv[1])
from cs231n.support import commands
commands.clear_the_way(sys.argv.pop(1))
commands.start(sys.argv.pop(1))
"""
# Python's own modules that nothing imports, so that a file may well be called so.
_UNUSED = {"antigravity", "idlelib", "lib2to3", "test", "this", "turtle", "turtledemo"}


def scratch_files(folder: str) -> list[str]:
    """Name the files and packages in a folder that hide a module which is needed.

    Args:
        folder: Where notebooks and commands are started.
    """
    needed = (sys.stdlib_module_names | PACKAGES) - _UNUSED
    found = []
    for entry in sorted(os.listdir(folder)):  # noqa: PTH208 (pathlib is not loaded)
        inside = os.path.join(folder, entry, "__init__.py")  # noqa: PTH118
        if entry.removesuffix(".py") in needed and entry.endswith(".py"):
            found.append(entry)
        elif entry in needed and os.path.isfile(inside):  # noqa: PTH113
            found.append(f"{entry}/")
    return found


def _real(path: str) -> str:
    """Return a path without links; '' in a working directory that was removed."""
    try:
        return os.path.realpath(path)
    except OSError:
        return ""


def clear_the_way(root: str = _ROOT) -> list[str]:
    """Let Python's and installed modules come before files beside the notebooks.

    Args:
        root: The folder that ``cs231n`` lies in.

    Returns:
        Names of the files that would have taken their places, after telling of them.
    """
    here = {_real(root), _real("")} - {""}
    places = {place for place in here if not place.endswith("-packages")}
    ours = [place for place in sys.path if _real(place) in places]
    sys.path[:] = [place for place in sys.path if place not in ours]
    sys.path += dict.fromkeys(ours)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if (
            name.partition(".")[0] in sys.stdlib_module_names
            and name != "__main__"
            and file
            and os.path.dirname(_real(file)) in places  # noqa: PTH120
        ):
            del sys.modules[name]  # the file was imported already; now the real one is
    found = []
    for place in sorted(places):
        try:
            found += scratch_files(place)
        except OSError:
            continue
    if found and not os.environ.get(_TOLD):
        os.environ[_TOLD] = "1"
        for name in found:
            print(
                f"{name} has the name of a module that notebooks and commands import "
                "and would be imported in its place; rename it.",
                file=sys.stderr,
            )
    return found


def words(root: str | os.PathLike[str], module: str) -> list[str]:
    """Return a command line that starts a module whatever lies beside the notebooks.

    With ``-m`` alone Python itself would import a ``types.py`` that lies there.

    Args:
        root: The folder that ``cs231n`` lies in.
        module: Such as ``cs231n.check``; its arguments may follow.
    """
    return [sys.executable, "-P", "-c", _START, os.fspath(root), module]


def positive(text: str) -> int:
    """Read a whole number, as ``type`` of an argument of argparse's.

    Raises:
        argparse.ArgumentTypeError: If it is less than 1.
        ValueError: If it is no whole number.
    """
    import argparse

    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is too few; take 1 or more")
    return number


def start(module: str) -> None:
    """Run a module as ``python -m`` does, in this process.

    Args:
        module: Such as ``cs231n.check``.
    """
    import runpy

    runpy.run_module(module, run_name="__main__", alter_sys=True)


class _Patient(io.TextIOWrapper):
    """Takes what is written, whether or not anybody still reads it.

    Output goes to ``head``, or to a disk that is full: what a command does is done all
    the same, and there is nobody to whom more could be said.
    """

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            self._let_go()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            self._let_go()

    def _let_go(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def run(main: "Callable[[], int]") -> "NoReturn":
    """Run a command and end with its exit status; Ctrl-C is no error to trace.

    Args:
        main: What the command does; it returns the exit status.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            buffer, encoding = stream.buffer, stream.encoding
            patient = _Patient(buffer, encoding, "backslashreplace", None, True)
            setattr(sys, name, patient)
        elif stream is None:  # closed from the start, as by >&-
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
            setattr(sys, name, nowhere)
    try:
        status = main()
    except KeyboardInterrupt:
        status = 130
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(status)


_COMMAND = any(word.removeprefix("-m").startswith("cs231n.") for word in sys.orig_argv)
_NOTEBOOK = "ipykernel" in sys.modules
if _COMMAND or (_NOTEBOOK and scratch_files(_ROOT)):
    clear_the_way()
