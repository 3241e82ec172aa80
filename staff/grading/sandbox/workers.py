"""Workers for students' code, from a warm server: how the judge's side starts them.

    with Server(package, level=available()[0], framework="torch") as server:
        with server.worker(submission.modules) as worker:
            worker.send(frame)
            frame = worker.receive(seconds=10)

``package`` is a folder that holds the hand-out's ``cs231n``, without answers. What runs
in a worker is ``main`` of ``inside.py``.
"""

import compileall
import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from staff.grading.sandbox import calls, folders, frames, landlock, seccomp
from staff.grading.sandbox.closing import Closing
from staff.grading.sandbox.plan import DEFENCES, LEVELS, Limits, Plan, describe
from staff.grading.sandbox.windows import FreshWorker

__all__ = [
    "LEVELS",
    "Limits",
    "SandboxError",
    "Server",
    "Worker",
    "WorkerGone",
    "available",
    "describe",
    "lacking",
]

_HERE = Path(__file__).parent
_GRADING = _HERE.parent
_PROJECT = _GRADING.parents[1]
_PATIENCE = 120.0  # seconds for a server to import what it must
_PATIENCE_TO_START = 60.0
_PATIENCE_TO_END = 10.0
_REPORT = 1 << 20
# What is raised where a keeper says no more.
_NO_REPORT = frames.EndError, frames.FrameError, frames.LateError, OSError, ValueError
_FOLDERS = "cs231n-grading-"  # then the process's number, so that others can tell
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
_PRELOADED = {
    "": ("numpy",),
    # torch._dynamo is what the first optimizer imports.
    "torch": ("numpy", "torch", "torch._dynamo"),
    "tensorflow": ("numpy", "tensorflow"),
}
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from staff.grading.sandbox.warm import main; main(int(sys.argv[2]))"
)


class SandboxError(Exception):
    """A server or a worker cannot be started; the message says why."""


class WorkerGone(Exception):  # noqa: N818 - the name says what happened
    """A worker has ended.

    Attributes:
        reason: "time", "memory", "processes", "disk", "output" if it used too much;
            "exit" or "signal" if it ended by itself; "protocol" if what it sent is no
            frame.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        """Say why.

        Args:
            reason: As in the attribute.
            detail: The same in half a sentence.
        """
        super().__init__(f"the worker is gone ({reason}): {detail}")
        self.reason, self.detail = reason, detail


class Server(Closing):
    """A process that has imported what is slow and forks workers."""

    def __init__(
        self,
        package: Path,
        *,
        level: str,
        framework: str = "",
        limits: Limits | None = None,
        weaken: Iterable[str] = (),
        program: Path = _GRADING,
        preload: Iterable[str] | None = None,
    ) -> None:
        """Start it.

        Args:
            package: The folder that holds ``cs231n``, without answers.
            level: One of ``LEVELS``; it is not replaced by a weaker one.
            framework: What workers need: "torch", "tensorflow" or nothing.
            limits: What each worker may use.
            weaken: For tests: keys of ``DEFENCES`` that are off.
            program: The folder with ``inside.py``.
            preload: Modules to import, if not NumPy and the framework.

        Raises:
            SandboxError: If it does not start at this level.
        """
        self.level = level
        self._limits = limits or (Limits.for_networks() if framework else Limits())
        unknown = set(weaken) - set(DEFENCES)
        if unknown or level not in LEVELS:
            wrong = ", ".join(sorted(unknown)) or level
            raise SandboxError(f"{wrong} is no defence or level: see sandbox/plan.py.")
        if os.name == "nt" and level != "limits":
            raise SandboxError(f"Windows has no level {level}: it has limits alone.")
        _remove_what_the_killed_left()
        self._scratch = Path(tempfile.mkdtemp(prefix=prefix())).resolve()
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._hidden = False
        package = package.resolve()
        copied = self._scratch / "program"
        workers = self._scratch / "workers"
        workers.mkdir()
        _copy_program(copied, program)
        with contextlib.suppress(OSError):
            compileall.compile_dir(package, quiet=2, workers=1)
        if preload is None:
            preload = _PRELOADED[framework]
        self._plan = Plan(
            level=level,
            package=str(package),
            program=str(copied),
            scratch=str(workers),
            view=tuple(_view(package)),
            preload=tuple(preload),
            framework=framework,
            limits=self._limits,
            weaken=tuple(weaken),
        )
        if os.name == "nt":
            return  # nothing to keep warm
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        around = _bubblewrap(self._plan) if self.level == "bubblewrap" else []
        self._control, theirs = socket.socketpair()
        try:
            with theirs, (self._scratch / "errors").open("wb") as errors:
                command = [
                    *(*around, sys.executable, "-s", "-P", "-c", _START),
                    *(self._plan.program, str(theirs.fileno())),
                ]
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env=self._environment(),
                    cwd=self._plan.scratch,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C is for the grader alone
                )
            until = time.monotonic() + _PATIENCE
            descriptor = self._control.fileno()
            frames.write(descriptor, json.dumps(asdict(self._plan)).encode(), until)
            frames.read(descriptor, 16, until)
        except (frames.EndError, frames.FrameError, frames.LateError, OSError) as error:
            said = (self._scratch / "errors").read_text("utf-8", errors="replace")
            last = (said.strip().splitlines() or [str(error)])[-1]
            raise SandboxError(
                f"No worker can be started at level {self.level}: {last}"
            ) from None
        if self.level == "limits":
            # Nothing else keeps a student's code from reading the judge's memory.
            calls.hide_memory(True)
            self._hidden = True

    def _environment(self) -> dict[str, str]:
        """Return the server's environment: one thread, fixed hashes, no secret."""
        inherited = {} if self._plan.holds("environment") else dict(os.environ)
        return inherited | {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self._scratch),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **dict.fromkeys(_THREADS, "1"),
        }

    def worker(self, modules: Mapping[str, str]) -> "Worker | FreshWorker":
        """Start a worker.

        Args:
            modules: Path within the package, such as ``cs231n/rnn_layers.py`` -> what a
                student wrote.

        Raises:
            SandboxError: If it cannot be isolated.
        """
        if os.name == "nt":
            program = Path(self._plan.program)
            package = Path(self._plan.package)
            return FreshWorker(package, program, modules, self._limits, WorkerGone)
        if self._control is None:
            raise SandboxError("The server has been closed: start another one.")
        ours, line = socket.socketpair()
        reports, theirs = socket.socketpair()
        with line, theirs:
            try:
                with self._lock:
                    socket.send_fds(self._control, [b"w"], [theirs.fileno()])
                spec = json.dumps({"modules": dict(modules)}).encode()
                until = time.monotonic() + _PATIENCE_TO_START
                frames.write(reports.fileno(), spec, until)
                socket.send_fds(reports, [b"l"], [line.fileno()])
                theirs.close()
                line.close()
                said = json.loads(frames.read(reports.fileno(), _REPORT, until))
            except (frames.EndError, frames.LateError, OSError):
                ours.close()
                reports.close()
                raise SandboxError(f"No worker came: {self._errors()}") from None
        if "failed" in said:
            ours.close()
            reports.close()
            raise SandboxError(
                f"A worker could not be isolated at level {self.level}: "
                f"{said['failed']}"
            )
        return Worker(ours, reports, self._limits)

    def _errors(self) -> str:
        """Return the end of what the server complained about."""
        with contextlib.suppress(OSError):
            said = (self._scratch / "errors").read_text("utf-8", errors="replace")
            return said.strip()[-2000:] or "the server is gone"
        return "the server is gone"

    def close(self) -> None:
        """End the server and all its workers."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(_PATIENCE_TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._hidden:
            calls.hide_memory(False)
            self._hidden = False
        shutil.rmtree(self._scratch, ignore_errors=True)


class Worker(Closing):
    """A process with a student's code, seen from outside."""

    def __init__(
        self, line: socket.socket, reports: socket.socket, limits: Limits
    ) -> None:
        """Take over what a server has started.

        Args:
            line: The end of its line.
            reports: Where its keeper reports.
            limits: What it may use.
        """
        self._line, self._reports, self._limits = line, reports, limits
        self._until = time.monotonic() + limits.wall_seconds + _PATIENCE_TO_END
        self._end: dict[str, Any] | None = None
        line.setblocking(False)

    def send(self, frame: bytes) -> None:
        """Send a frame.

        Args:
            frame: Its bytes, without a length.

        Raises:
            ValueError: If it is longer than frames may be.
            WorkerGone: If the worker has ended, or does not read.
        """
        if len(frame) > self._limits.frame_bytes:
            raise ValueError(
                f"A frame of {len(frame)} bytes cannot be sent; "
                f"{self._limits.frame_bytes} are the most."
            )
        self._refuse_if_ended()
        try:
            frames.write(self._line.fileno(), frame, self._until)
        except frames.EndError:
            raise self._gone("protocol", "it closed its line") from None
        except frames.LateError:
            raise self._gone("time", "it did not read what was sent") from None

    def receive(self, seconds: float) -> bytes:
        """Return the next frame that the worker sends.

        Args:
            seconds: How long to wait for all of it.

        Raises:
            WorkerGone: If none came, or the worker has ended; it is ended then.
        """
        self._refuse_if_ended()
        until = min(time.monotonic() + seconds, self._until)
        try:
            return frames.read(self._line.fileno(), self._limits.frame_bytes, until)
        except frames.EndError:
            raise self._gone("protocol", "it closed its line") from None
        except frames.FrameError as error:
            raise self._gone("protocol", str(error)) from None
        except frames.LateError:
            raise self._gone("time", f"nothing came in {seconds:g} seconds") from None

    @property
    def peak_bytes(self) -> int:
        """The most memory that it had, the server's share among it."""
        return int(self._state()["peak"])

    @property
    def cpu_seconds(self) -> float:
        """How long it has computed, its keeper's share among it."""
        return float(self._state()["cpu"])

    @property
    def output(self) -> str:
        """The end of what it printed."""
        return str(self._state()["output"])

    @property
    def reason(self) -> str:
        """Why it ended, as in ``WorkerGone``; "closed" if the judge's side ended it."""
        return "" if self._end is None else str(self._end["reason"])

    def close(self) -> None:
        """End it, with all that it started."""
        if self._end is not None:
            return
        with contextlib.suppress(OSError):
            self._reports.shutdown(socket.SHUT_WR)
        self._end = {
            "reason": "closed",
            "detail": "",
            "peak": 0,
            "cpu": 0,
            "output": "",
        }
        with contextlib.suppress(*_NO_REPORT):
            until = time.monotonic() + _PATIENCE_TO_END
            while "end" not in (said := self._report(until)):
                pass
            self._end = said["end"]
        self._line.close()
        self._reports.close()

    def _gone(self, reason: str, detail: str) -> WorkerGone:
        """End the worker and return why it is gone, by its keeper's word if it has one.

        Args:
            reason: What it looks like from here.
            detail: The same in half a sentence.
        """
        # A line that ends is the sign of a process that ends, a moment later.
        if reason == "protocol" and "closed" in detail:
            self._wait_for_end(0.5)
        self.close()
        assert self._end is not None
        if self._end["reason"] not in ("", "closed"):
            reason, detail = self._end["reason"], self._end["detail"]
        self._end |= {"reason": reason, "detail": detail}
        return WorkerGone(reason, detail)

    def _wait_for_end(self, seconds: float) -> None:
        """Give a process that is ending the time to do so."""
        with contextlib.suppress(*_NO_REPORT):
            said = self._report(time.monotonic() + seconds)
            if "end" in said:
                self._end = said["end"]
                self._line.close()
                self._reports.close()

    def _refuse_if_ended(self) -> None:
        if self._end is not None:
            raise WorkerGone(self._end["reason"], self._end["detail"])

    def _state(self) -> dict[str, Any]:
        """Return what the keeper says now, or said at the end."""
        if self._end is None:
            try:
                until = time.monotonic() + _PATIENCE_TO_END
                frames.write(self._reports.fileno(), b"?", until)
                said = self._report(until)
                if "now" in said:
                    now: dict[str, Any] = said["now"]
                    return now
                self._end = said["end"]
            except (frames.EndError, frames.LateError, OSError):
                self.close()
        assert self._end is not None
        return self._end

    def _report(self, until: float) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(
            frames.read(self._reports.fileno(), _REPORT, until)
        )
        return said


def prefix() -> str:
    """Return how a temporary folder's name begins that is removed if this is killed."""
    return f"{_FOLDERS}{os.getpid()}-"


def _remove_what_the_killed_left() -> None:
    """Remove temporary folders of graders of this account that are no more."""
    if os.name != "posix":
        return  # no way to ask for a process without a risk to it
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}[0-9]*-*"):
        pid = folder.name.removeprefix(_FOLDERS).partition("-")[0]
        with contextlib.suppress(OSError, ValueError):
            if folder.lstat().st_uid == os.getuid() and not _lives(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    """Tell whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _copy_program(place: Path, program: Path) -> None:
    """Copy what runs in the server, and nothing else of staff's, to a folder."""
    inner = place / "staff" / "grading" / "sandbox"
    inner.mkdir(parents=True)
    for package in (inner, inner.parent, inner.parent.parent):
        (package / "__init__.py").touch()
    for name in ("plan", "calls", "frames", "folders", "landlock", "seccomp"):
        shutil.copyfile(_HERE / f"{name}.py", inner / f"{name}.py")
    for name in ("keeper", "warm"):
        shutil.copyfile(_HERE / f"{name}.py", inner / f"{name}.py")
    (place / "sandbox").mkdir()
    for path in ("inside.py", "line.py", "sandbox/frames.py"):  # the worker's side
        if (program / path).exists():
            shutil.copyfile(program / path, place / path)


def _view(package: Path) -> list[str]:
    """Return what workers read beside the package: the interpreter and its packages.

    Raises:
        SandboxError: If that would show the project to them.
    """
    paths = sysconfig.get_paths()
    interpreter = {
        paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    # Shared libraries lie beside the standard library, in a virtual environment's home.
    libraries = {str(Path(sys.base_prefix) / "lib"), str(Path(sys.prefix) / "lib")}
    found = folders.readable(sorted(interpreter | libraries))
    for path in found:
        real = Path(path).resolve()
        if _PROJECT.is_relative_to(real) and not package.is_relative_to(_PROJECT):
            raise SandboxError(
                f"Workers have to read {real}, in which the staff's tree lies: move "
                "the tree, or use another interpreter."
            )
        if (real / "cs231n").is_dir() or (real / "staff").is_dir():
            raise SandboxError(
                f"A package cs231n or staff is installed in {real}, where workers "
                "could read it: uninstall it."
            )
    return found


def _bubblewrap(plan: Plan) -> list[str]:
    """Return the start of a command that runs the server in a container.

    Raises:
        SandboxError: If bubblewrap is not installed.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError(
            "bubblewrap is not installed: install the package of that name, or take "
            "another level."
        )
    holds = plan.holds
    command = [program, "--unshare-user", "--unshare-ipc", "--unshare-uts"]
    # Not as root: that one could not give namespaces of their own to workers.
    command += ["--uid", "1000", "--gid", "1000"]
    command += ["--unshare-cgroup-try", "--cap-drop", "ALL", "--new-session"]
    command += ["--unshare-net"] if holds("network") else []
    command += ["--unshare-pid"] if holds("neighbours") else []
    bind = "--ro-bind" if holds("writing") else "--bind"
    if holds("files"):
        shown = [plan.package, plan.program, *plan.view, sys.executable]
        shown += [str(Path(sys.prefix) / "bin"), str(Path(sys.base_prefix) / "bin")]
        shown += [str(Path(sys.prefix) / "pyvenv.cfg")]
        for path in _in_order(shown):
            if os.path.realpath(path) == path:
                command += [bind, path, path]
            else:
                command += ["--symlink", os.path.realpath(path), path]
        command += ["--dev", "/dev", "--proc", "/proc"]
    else:
        command += [bind, "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"]
    shared = ["--bind", plan.scratch]  # a tmpfs of its own cannot be made in "/"
    command += [*(["--tmpfs"] if holds("files") else shared), plan.scratch]
    return [*command, "--chdir", "/", "--"]


def _in_order(paths: Iterable[str]) -> list[str]:
    """Return paths that exist, outer ones first, without those within another one."""
    kept: list[str] = []
    for path in sorted({p for p in paths if os.path.lexists(p)}):
        real = os.path.realpath(path)
        if real != path and not any(Path(path).is_relative_to(k) for k in kept):
            kept += [real, path]
        elif not any(Path(real).is_relative_to(k) for k in kept):
            kept.append(real)
    return sorted(set(kept))


@functools.cache
def _tried() -> dict[str, str]:
    """Try each level once; return level -> why it does not work, empty if it does."""
    return {level: _try(level) for level in LEVELS}


def available() -> tuple[str, ...]:
    """Return the levels that work here, strongest first, tried out once."""
    return tuple(level for level, why in _tried().items() if not why)


def lacking() -> dict[str, str]:
    """Return the levels that do not work here, each with the reason."""
    return {level: why for level, why in _tried().items() if why}


_TRIAL = """
import os, socket

def main(reader, writer):
    found = []
    for what, path in (("files", {secret!r}), ("writing", {package!r} + "/written")):
        try:
            open(path, "r" if what == "files" else "w").close()
            found.append(what)
        except OSError:
            pass
    try:
        socket.create_connection(("127.0.0.1", {port}), 1)
        found.append("network")
    except OSError:
        pass
    try:
        if os.name == "posix":  # elsewhere 0 is a signal, too
            os.kill({pid}, 0)
            found.append("neighbours")
    except OSError:
        pass
    with open(os.path.join(os.environ["HOME"], "own"), "w") as own:
        own.write("can be written")
    text = ",".join(found).encode()
    os.write(writer, len(text).to_bytes(8, "little") + text)
"""


def _try(level: str) -> str:
    """Return why a level does not work on this machine, or nothing.

    A worker tries to do what it must not do; where that succeeds, the level is none.
    """
    if level in ("namespaces", "landlock") and not (calls.LINUX and seccomp.usable()):
        return "it needs Linux on x86_64 or aarch64"
    if level in ("namespaces", "landlock") and landlock.version() < landlock.NEEDED:
        return (
            f"it needs Landlock {landlock.NEEDED} (Linux 6.2), and this kernel has "
            f"{landlock.version() or 'none'}"
        )
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        package, program = Path(folder) / "package", Path(folder) / "program"
        (package / "cs231n").mkdir(parents=True)
        (package / "cs231n" / "__init__.py").touch()
        program.mkdir()
        secret = Path(folder) / "secret"
        secret.touch()
        (program / "inside.py").write_text(
            _TRIAL.format(
                secret=str(secret),
                package=str(package),
                port=listener.getsockname()[1],
                pid=os.getpid(),
            ),
            "ascii",
        )
        try:
            with (
                Server(package, level=level, program=program, preload=()) as server,
                server.worker({}) as worker,
            ):
                found = worker.receive(20).decode()
        except (SandboxError, WorkerGone) as error:
            return str(error)
    if found and level != "limits":
        return f"a worker could get past its defences: {found}"
    return ""
