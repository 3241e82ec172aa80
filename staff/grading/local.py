"""Workers without any isolation, for tests and for trying things out.

A process that has imported NumPy, and what else is needed, forks one worker for each
request: what a worker does is gone with it. Nothing keeps it from doing harm.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from staff.grading import line
from staff.grading.sandbox import frames

_SIZE = 1 << 16
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)


class WorkerGone(Exception):  # noqa: N818 (the name that sandbox.workers gives it)
    """The worker is no more.

    Attributes:
        reason: ``time``, ``exit`` or ``protocol``.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


class LocalServer:
    """Starts workers of one package."""

    level = "none"

    def __init__(self, package: Path, framework: str = "") -> None:
        """Start a process that workers fork from.

        Args:
            package: The folder that ``cs231n`` lies in.
            framework: What workers shall have: "torch", "tensorflow" or nothing.
        """
        self._socket, theirs = socket.socketpair()
        here = Path(__file__).with_name("local_server.py")
        command = [sys.executable, str(here), str(theirs.fileno()), str(package)]
        command += [str(here.with_name("inside.py")), framework]
        env = os.environ | dict.fromkeys(_THREADS, "1")
        env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
        env |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env=env, cwd=package
        )
        theirs.close()
        self._socket.recv(_SIZE)  # when it has imported all

    def worker(self, modules: Mapping[str, str]) -> "LocalWorker":
        """Start a worker.

        Args:
            modules: Path within the project -> text of a student's module.
        """
        return LocalWorker(self._socket, modules)

    def __enter__(self) -> Self:
        """Do nothing: it is started already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._socket.close()
        self._process.wait()


class LocalWorker:
    """A process with a student's code."""

    def __init__(self, server: socket.socket, modules: Mapping[str, str]) -> None:
        """Lay the modules over the package, in a process of their own."""
        self._folder = Path(tempfile.mkdtemp(prefix="cs231n-worker-"))
        for name, text in modules.items():
            file = self._folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        request = json.dumps(str(self._folder)).encode()
        socket.send_fds(server, [request], [theirs_in, theirs_out])
        self._pid = int(server.recv(_SIZE))
        os.close(theirs_in)
        os.close(theirs_out)
        self.peak_bytes, self.cpu_seconds, self.output = 0, 0.0, ""

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        try:
            frames.write(self._to, frame)
        except (frames.EndError, OSError):
            raise WorkerGone("exit") from None

    def receive(self, seconds: float) -> bytes:
        """Return the next frame."""
        try:
            until = time.monotonic() + seconds
            return frames.read(self._from, line.MAX_FRAME, until)
        except frames.LateError:
            raise WorkerGone("time") from None
        except (frames.EndError, OSError):
            raise WorkerGone("exit") from None
        except frames.FrameError:
            raise WorkerGone("protocol") from None

    def __enter__(self) -> Self:
        """Do nothing: it is started already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and what it started."""
        os.close(self._to)
        os.close(self._from)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)
