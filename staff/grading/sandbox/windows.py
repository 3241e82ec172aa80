"""Workers on Windows: a fresh process for each, in a job object that limits it.

Windows cannot fork, so there is no warm server. Acted out in tests with a kernel that
is made up; untried on Windows itself.
"""

import contextlib
import ctypes
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from staff.grading.sandbox import folders, frames
from staff.grading.sandbox.closing import Closing
from staff.grading.sandbox.plan import Limits

_TIME, _PROCESSES, _MEMORY = 0x4, 0x8, 0x200
_DIE_ON_CRASH, _KILL_ON_CLOSE = 0x400, 0x2000
_EXTENDED_LIMITS = 9  # of SetInformationJobObject
_ACCOUNTING = 1  # of QueryInformationJobObject
_TICKS = 10_000_000  # in a second
_TAIL = 16 << 10
# It waits for a word before it reads what a student wrote: by then it is in its job.
_START = """
import os, sys
program, tree = sys.argv[1:]
reader, writer = os.dup(0), os.dup(1)
if os.name == "nt":
    import msvcrt
    msvcrt.setmode(reader, os.O_BINARY)
    msvcrt.setmode(writer, os.O_BINARY)
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.dup2(2, 1)
os.read(reader, 1)
sys.path[:0] = [tree, program]
import inside
sys.path.remove(program)
inside.main(reader, writer)
"""


class _Counters(ctypes.Structure):
    _fields_ = [(f"unused{n}", ctypes.c_uint64) for n in range(6)]


class _Basic(ctypes.Structure):
    _fields_ = [
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("least_set", ctypes.c_size_t),
        ("most_set", ctypes.c_size_t),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    ]


class _Extended(ctypes.Structure):
    _fields_ = [
        ("basic", _Basic),
        ("counters", _Counters),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process", ctypes.c_size_t),
        ("peak_job", ctypes.c_size_t),
    ]


class _Times(ctypes.Structure):
    _fields_ = [
        ("user", ctypes.c_int64),
        ("kernel", ctypes.c_int64),
        ("period_user", ctypes.c_int64),
        ("period_kernel", ctypes.c_int64),
        ("faults", ctypes.c_uint32),
        ("processes", ctypes.c_uint32),
        ("active", ctypes.c_uint32),
        ("terminated", ctypes.c_uint32),
    ]


def kernel() -> Any:
    """Return Windows' own library."""
    library = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    for name in ("CreateJobObjectW", "OpenProcess"):
        getattr(library, name).restype = ctypes.c_void_p
    return library


class Job:
    """A group of processes that Windows limits and ends together."""

    def __init__(self, limits: Limits, library: Any) -> None:
        """Make one.

        Args:
            limits: What its processes may use.
            library: Windows' kernel.
        """
        self._library = library
        self._handle = ctypes.c_void_p(library.CreateJobObjectW(None, None))
        wanted = _Extended()
        wanted.basic.flags = (
            _TIME | _PROCESSES | _MEMORY | _DIE_ON_CRASH | _KILL_ON_CLOSE
        )
        wanted.basic.job_time = limits.cpu_seconds * _TICKS
        wanted.basic.processes = 1
        wanted.job_memory = limits.memory_bytes
        self._check(
            library.SetInformationJobObject(
                self._handle,
                _EXTENDED_LIMITS,
                ctypes.byref(wanted),
                ctypes.sizeof(wanted),
            ),
            "SetInformationJobObject",
        )

    def take(self, pid: int) -> None:
        """Take a process in."""
        rights = 0x0001 | 0x0100  # to end it, to set its limits
        process = ctypes.c_void_p(self._library.OpenProcess(rights, 0, pid))
        self._check(
            self._library.AssignProcessToJobObject(self._handle, process),
            "AssignProcessToJobObject",
        )
        self._library.CloseHandle(process)

    def used(self) -> tuple[int, float]:
        """Return the largest memory and the time that it has used."""
        memory, times = _Extended(), _Times()
        for number, into in ((_EXTENDED_LIMITS, memory), (_ACCOUNTING, times)):
            self._library.QueryInformationJobObject(
                self._handle, number, ctypes.byref(into), ctypes.sizeof(into), None
            )
        return int(memory.peak_job), (times.user + times.kernel) / _TICKS

    def end(self) -> None:
        """End all processes in it."""
        self._library.TerminateJobObject(self._handle, 1)
        self._library.CloseHandle(self._handle)

    @staticmethod
    def _check(result: int, what: str) -> None:
        if not result:
            raise OSError(f"{what} failed, so no worker can be limited.")


class FreshWorker(Closing):
    """A worker as ``workers.Worker``, without a server."""

    def __init__(
        self,
        package: Path,
        program: Path,
        modules: Mapping[str, str],
        limits: Limits,
        gone: type[Exception],
        library: Any = None,
    ) -> None:
        """Start it.

        Args:
            package: The folder that holds ``cs231n``.
            program: The folder with ``inside.py``.
            modules: Path within the package -> what a student wrote.
            limits: What it may use.
            gone: The exception, of a reason and a detail, for a worker that has ended.
            library: Windows' kernel.
        """
        self._limits, self._gone = limits, gone
        self.peak_bytes, self.cpu_seconds, self.output = 0, 0.0, ""
        self._printed = 0
        self._until = time.monotonic() + limits.wall_seconds
        self._folder = Path(tempfile.mkdtemp(prefix="cs231n-grading-"))
        self._frames: queue.Queue[bytes | Exception] = queue.Queue(2)
        self._ended = ""
        tree, home = self._folder / "tree", self._folder / "home"
        home.mkdir()
        folders.lay(tree, package, modules)
        kept = ("SYSTEMROOT", "SYSTEMDRIVE", "PATH")  # Windows' Python needs these
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self._job = Job(limits, library or kernel())
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-c", _START, str(program), str(tree)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            bufsize=0,
            env={name: os.environ[name] for name in kept if name in os.environ}
            | {"HOME": str(home), "USERPROFILE": str(home), "TEMP": str(home)}
            | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
            | dict.fromkeys(threads, "1"),
        )
        try:
            self._job.take(self._process.pid)
        except OSError:
            self.close()
            raise
        for act in (self._listen, self._drain):
            threading.Thread(target=act, daemon=True).start()
        self._write(b"!")

    def send(self, frame: bytes) -> None:
        """Send a frame; a worker that does not read it is not waited for."""
        sent = threading.Thread(
            target=self._write,
            args=(len(frame).to_bytes(8, "little") + frame,),
            daemon=True,
        )
        sent.start()
        sent.join(max(0.0, self._until - time.monotonic()))
        if sent.is_alive():
            raise self._end("time", "it did not read what was sent")

    def receive(self, seconds: float) -> bytes:
        """Return the next frame; raise what ``workers.Worker`` raises."""
        if self._ended:
            raise self._gone(self._ended, "it has ended already")
        left = min(seconds, self._until - time.monotonic())
        try:
            got = self._frames.get(timeout=max(0.0, left))
        except queue.Empty:
            raise self._end("time", f"nothing came in {seconds:g} seconds") from None
        if isinstance(got, bytes):
            return got
        if isinstance(got, frames.FrameError):
            raise self._end("protocol", str(got))
        if self._printed > self._limits.output_bytes:
            raise self._end("output", "it printed too much")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        raise self._end(*self._how_it_ended())

    def close(self) -> None:
        """End it and all that it started."""
        if self._ended == "closed":
            return
        self._ended = self._ended or "closed"
        with contextlib.suppress(OSError):
            self.peak_bytes, self.cpu_seconds = self._job.used()
        self._job.end()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _how_it_ended(self) -> tuple[str, str]:
        self.peak_bytes, self.cpu_seconds = self._job.used()
        if self.cpu_seconds >= self._limits.cpu_seconds:
            return "time", "it computed too long"
        if self.peak_bytes >= self._limits.memory_bytes:
            return "memory", "it used too much memory"
        code = self._process.poll()
        if code is None:
            return "protocol", "it closed its line"
        if code < 0 or code >= 0xC0000000:  # Windows' numbers of crashes
            return "signal", f"it crashed with status {code}"
        return "exit", f"it ended by itself, with status {code}"

    def _end(self, reason: str, detail: str) -> Exception:
        self.close()
        self._ended = reason
        return self._gone(reason, detail)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            left = memoryview(data)
            while left:
                left = left[self._process.stdin.write(left) :]

    def _listen(self) -> None:
        """Read frames; few wait at a time, so that a worker cannot fill memory."""
        assert self._process.stdout is not None
        try:
            while True:
                descriptor = self._process.stdout.fileno()
                got = frames.read(descriptor, self._limits.frame_bytes)
                self._frames.put(got, timeout=self._limits.wall_seconds)
        except (frames.EndError, frames.FrameError, OSError, ValueError) as error:
            with contextlib.suppress(queue.Full):
                self._frames.put(error, timeout=self._limits.wall_seconds)
        except queue.Full:
            return

    def _drain(self) -> None:
        """Keep the end of what is printed, and end a worker that prints too much."""
        assert self._process.stderr is not None
        tail = b""
        with contextlib.suppress(OSError, ValueError):
            while part := self._process.stderr.read(1 << 16):
                self._printed += len(part)
                tail = (tail + part)[-_TAIL:]
                self.output = tail.decode(errors="replace")
                if self._printed > self._limits.output_bytes:
                    self._process.kill()
                    return
