"""What attacks aim at: files, sockets and a process of the grader's account."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

SECRET = "the course's secret seed"
SHARED_MEMORY = 0x23100000 + os.getpid() % 0x10000  # a key that attacks use
_SLEEPER = "echo up; read nothing"


class Stage:
    """The grader's side, made anew for each attack; nothing of it is real."""

    def __init__(self, folder: Path, package: Path) -> None:
        self.folder, self.package = folder, package
        folder.mkdir()
        self.secret, self.target = folder / "secret.txt", folder / "target.txt"
        self.secret.write_text(SECRET)
        self.target.write_text("intact")
        self.mode = self.target.stat().st_mode
        self.sockets: dict[str, socket.socket] = {}
        abstract = f"\0cs231n-{os.getpid()}-{folder.name}"
        for name, family, kind, where in (
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            ("unix", socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "unix")),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, abstract),
        ):
            self.sockets[name] = one = socket.socket(family, kind)
            one.bind(where)
            if kind == socket.SOCK_STREAM:
                one.listen()
            one.settimeout(0.2)
        self.victim = subprocess.Popen(
            ["sh", "-c", _SLEEPER, SECRET],
            env={"SECRET": SECRET},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.victim.stdout.readline()
        self.given = {
            "secret": str(self.secret),
            "target": str(self.target),
            "folder": str(folder),
            "package": str(package),
            "project": str(Path(__file__).resolve().parents[3]),
            "tcp": self.sockets["tcp"].getsockname()[1],
            "udp": self.sockets["udp"].getsockname()[1],
            "unix": str(folder / "unix"),
            "abstract": abstract[1:],
            "victim": self.victim.pid,
            "shared_memory": SHARED_MEMORY,
        }

    def reached(self, name: str) -> bool:
        """Tell whether something came at one of the sockets."""
        one = self.sockets[name]
        try:
            if one.type == socket.SOCK_DGRAM:
                return bool(one.recv(16))
            one.accept()[0].close()
        except OSError:
            return False
        return True

    def victim_lives(self) -> bool:
        """Tell whether the grader's other process was left alone."""
        return self.victim.poll() is None

    def close(self) -> None:
        """Clean up after an attack, whatever it did."""
        for one in self.sockets.values():
            one.close()
        self.victim.kill()
        self.victim.wait()
        self.victim.stdin.close()
        self.victim.stdout.close()
        libc = ctypes.CDLL(None)
        segment = libc.shmget(SHARED_MEMORY, 0, 0)
        if segment >= 0:
            libc.shmctl(segment, 0, None)
        (self.package / "cs231n" / "__init__.py").write_text("")
        (self.package / "numpy.py").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Seen:
    """What came of an attack, as the host sees it.

    Attributes:
        stage: What it aimed at.
        returned: What it returned, None if it did not.
        raised: What it raised, empty if it did not.
        gone: Why its worker ended, empty if it did not.
        cpu: How long its workers computed, in seconds.
        next: What the same attack returned in the next worker, if that was asked for.
    """

    stage: Stage
    returned: object = None
    raised: str = ""
    gone: str = ""
    next: object = None
    cpu: float = 0.0


def alive(pid: object, patience: float = 1.0) -> bool:
    """Tell whether a process outlives its worker, and end it."""
    if not isinstance(pid, int) or pid <= 1:
        return False
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return True


def try_out(server, stage: Stage, source: str, seconds: float, twice: bool) -> Seen:
    """Run an attack in a worker, and once more in the next one if ``twice``."""
    from staff.grading.sandbox.workers import WorkerGone

    found = []
    for _ in range(1 + twice):
        seen = Seen(stage)
        with server.worker({"cs231n/rnn_layers.py": source}) as worker:
            try:
                worker.send(json.dumps(stage.given).encode())
                answer = json.loads(worker.receive(seconds))
                seen.returned = answer.get("returned")
                seen.raised = answer.get("raised", "")
            except WorkerGone as gone:
                seen.gone = gone.reason
            except ValueError:
                seen.gone = "protocol"
        seen.cpu = worker.cpu_seconds
        found.append(seen)
    if twice:
        found[0].next = found[1].returned
        found[0].cpu += found[1].cpu
    return found[0]
