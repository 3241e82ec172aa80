"""One worker's keeper: isolates it, watches what it uses, and ends it as a whole.

A process of its own between the warm server and the worker. It holds nothing secret.
"""

import contextlib
import io
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from staff.grading.sandbox import calls, folders, frames, landlock, seccomp
from staff.grading.sandbox.plan import Plan

LINE = 3  # the worker's only descriptor beside input, output and errors
MOST_SOURCE = 64 << 20  # bytes of modules
_OWN_COMMAND = "/proc/self/cmdline"  # TensorFlow ends the process that cannot read it
_TICK = 0.02  # seconds between two looks
_TICK_BY_PS = 0.25  # where a look starts a program
_TAIL = 16 << 10  # bytes of output that are kept
_PATIENCE = 30.0  # seconds in which a worker has to be isolated
_SLACK = 64 << 20  # address space for what is not the student's
_ADDRESS_SPACE = 2  # times the memory that may be used

Entry = Callable[[int, int], None]


def keep(
    plan: Plan, namespaces: bool, entry: types.ModuleType, reports: socket.socket
) -> None:
    """Start a worker, look after it until it ends, and say how it ended.

    Args:
        plan: What the server was told.
        namespaces: Whether the worker gets namespaces of its own.
        entry: The worker's side, with its ``main``.
        reports: Where what the student wrote comes from, followed by the worker's end
            of the line, and where reports go; when its other end is closed, the worker
            is ended.
    """
    spec = json.loads(frames.read(reports.fileno(), MOST_SOURCE))
    _, [line], _, _ = socket.recv_fds(reports, 1, 1)
    with contextlib.suppress(OSError):
        calls.adopt_orphans()
    folder = Path(tempfile.mkdtemp(dir=plan.scratch))
    try:
        keeper = _Keeper(plan, namespaces, reports, folder)
        failed = keeper.start(spec["modules"], entry, line)
        if failed:
            keeper.say({"failed": failed})
        else:
            keeper.say({"ready": keeper.child})
            keeper.watch()
            keeper.say({"end": keeper.state()})
    finally:
        _remove(folder)


class _Keeper:
    def __init__(
        self, plan: Plan, namespaces: bool, reports: socket.socket, folder: Path
    ) -> None:
        self._plan, self._namespaces, self._reports = plan, namespaces, reports
        self._folder = folder
        self._limits = plan.limits
        self._began = time.monotonic()
        self._printed, self._tail = 0, b""
        self._peak, self._cpu = 0, 0.0
        self._reason, self._detail = "", ""
        self._base = 0
        self.child = 0

    def say(self, what: Mapping[str, Any]) -> None:
        """Report to the judge's process, if it is still there."""
        with contextlib.suppress(frames.EndError, OSError):
            frames.write(self._reports.fileno(), json.dumps(what).encode())

    def start(
        self, modules: Mapping[str, str], entry: types.ModuleType, line: int
    ) -> str:
        """Fork the worker; return why it could not be isolated, or nothing."""
        self._output, output = os.pipe()
        isolated, ready = os.pipe()
        try:
            if self._namespaces:
                _own_namespaces(self._plan)
        except OSError as error:
            return str(error)
        self.child = os.fork()
        if self.child == 0:
            _Worker(self._plan, self._namespaces, self._folder).run(
                modules, entry, line=line, output=output, ready=ready
            )
        for descriptor in (line, output, ready):
            os.close(descriptor)
        if not select.select([isolated], [], [], _PATIENCE)[0]:
            self._kill()
            return f"isolating took longer than {_PATIENCE:.0f} seconds"
        said = os.read(isolated, 1 << 16)
        os.close(isolated)
        if said != b"isolated":
            self._kill()
            return said.decode(errors="replace") or "it ended while it was isolated"
        self._base = _memory([self.child])
        return ""

    def watch(self) -> None:
        """Look at the worker until it ends or uses too much, then end it."""
        poll = select.poll()
        poll.register(self._reports, select.POLLIN | select.POLLHUP)
        poll.register(self._output, select.POLLIN | select.POLLHUP)
        os.set_blocking(self._output, False)
        ended = _ending(self.child)
        if ended is not None:
            poll.register(ended, select.POLLIN)
        tick = _TICK if calls.LINUX else _TICK_BY_PS
        looked = 0.0
        while not self._reason:
            happened = [fd for fd, _ in poll.poll(tick * 1000)]
            if self._output in happened and not self._drain():
                poll.unregister(self._output)
            if self._reports.fileno() in happened and not self._answer():
                self._reason = "closed"
            elif self._has_ended(block=ended in happened):
                break
            elif time.monotonic() >= looked + tick:
                looked = time.monotonic()
                self._look()
        self._kill()
        with contextlib.suppress(OSError):
            while self._drain():
                pass

    def state(self) -> dict[str, Any]:
        """Return what the worker used and how it ended."""
        used = os.times()  # this process's, and of those that have ended
        ended = used.children_user + used.children_system
        return {
            "reason": self._reason,
            "detail": self._detail,
            "peak": self._peak,
            "cpu": used.user + used.system + max(ended, self._cpu),
            "output": self._tail.decode(errors="replace"),
        }

    def _drain(self) -> bool:
        """Take what was printed; tell whether more may come."""
        try:
            part = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return not self._reason
        self._printed += len(part)
        self._tail = (self._tail + part)[-_TAIL:]
        if self._printed > self._limits.output_bytes and self._plan.holds("output"):
            self._stop(
                "output", f"it printed more than {self._limits.output_bytes} bytes"
            )
            return False
        return bool(part)

    def _answer(self) -> bool:
        """Answer a question of the judge's process; tell whether it is still there."""
        try:
            frames.read(self._reports.fileno(), 16)
        except (frames.EndError, frames.FrameError, OSError):
            return False
        self.say({"now": self.state()})
        return True

    def _look(self) -> None:
        """End the worker if it uses more than it may."""
        limits, holds = self._limits, self._plan.holds
        members = [self.child, *_descendants(self.child)]
        memory, self._cpu, threads = _memory(members), *_use(members)
        self._peak = max(self._peak, memory)
        if holds("memory") and memory - self._base > limits.memory_bytes:
            self._stop("memory", f"it used more than {limits.memory_bytes} bytes")
        elif holds("wall") and time.monotonic() - self._began > limits.wall_seconds:
            self._stop("time", f"it took longer than {limits.wall_seconds:g} seconds")
        elif holds("cpu") and self._cpu > limits.cpu_seconds:
            self._stop("time", f"it computed longer than {limits.cpu_seconds} seconds")
        elif holds("processes") and threads > limits.processes:
            self._stop("processes", f"it ran more than {limits.processes} threads")
        elif (
            holds("disk")
            and not self._namespaces
            and _size(self._folder / "home") > limits.file_bytes
        ):
            self._stop("disk", f"it wrote more than {limits.file_bytes} bytes")

    def _stop(self, reason: str, detail: str) -> None:
        self._reason, self._detail = reason, detail

    def _has_ended(self, *, block: bool) -> bool:
        """Note how the worker ended, if it has."""
        pid, status, used = os.wait4(self.child, 0 if block else os.WNOHANG)
        if pid:
            self._note(status, used)
        return bool(pid)

    def _note(self, status: int, used: resource.struct_rusage) -> None:
        """Take down how the worker ended and what it used."""
        self.child = 0
        unit = 1024 if calls.LINUX else 1
        self._peak = max(self._peak, used.ru_maxrss * unit)
        self._cpu = max(self._cpu, used.ru_utime + used.ru_stime)
        if self._reason:
            return
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            self._stop("exit", f"it ended by itself, with status {code}")
        elif -code in (signal.SIGXCPU, signal.SIGKILL) and (
            self._cpu >= self._limits.cpu_seconds - 0.5
        ):
            detail = f"it computed longer than {self._limits.cpu_seconds} seconds"
            self._stop("time", detail)
        elif -code == signal.SIGXFSZ:
            self._stop("disk", f"it wrote more than {self._limits.file_bytes} bytes")
        else:
            self._stop("signal", f"it was ended by {signal.Signals(-code).name}")

    def _kill(self) -> None:
        """End the worker and all that it started."""
        group = self.child
        if self.child:
            self._cpu = max(self._cpu, _use([self.child])[0])
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            _, status, used = os.wait4(self.child, 0)
            self._note(status, used)
        if not self._plan.holds("survivors"):
            return
        if group and not calls.LINUX:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        # Orphans have become this process's children; some may be forking still.
        while orphans := _descendants(os.getpid()):
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


class _Worker:
    """What happens in the worker's process before a student's code runs."""

    def __init__(self, plan: Plan, namespaces: bool, folder: Path) -> None:
        self._plan, self._namespaces, self._folder = plan, namespaces, folder

    def run(
        self,
        modules: Mapping[str, str],
        entry: types.ModuleType,
        *,
        line: int,
        output: int,
        ready: int,
    ) -> NoReturn:
        """Isolate this process and hand it over; never return."""
        try:
            self._own_session()
            ready = _only(line, output, ready, self._plan.holds("descriptors"))
            tree, home = self._isolate(modules)
            _settle(tree, home)
            entry = _overlaid(self._plan, tree, modules, entry)
        except BaseException as error:
            os.write(ready, f"{type(error).__name__}: {error}"[:2000].encode())
            os._exit(1)
        os.write(ready, b"isolated")
        os.close(ready)
        status = 1
        try:
            entry.main(LINE, LINE)
            status = 0
        except SystemExit:
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _own_session(self) -> None:
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if calls.LINUX:
            calls.die_with_parent()
            with contextlib.suppress(OSError):  # first to go where memory runs out
                Path("/proc/self/oom_score_adj").write_text("1000", "ascii")

    def _isolate(self, modules: Mapping[str, str]) -> tuple[Path, Path]:
        """Take all from this process that it need not have."""
        plan, holds = self._plan, self._plan.holds
        package = Path(plan.package)
        space = _address_space()
        if self._namespaces:
            tree, home = folders.enter(
                root=self._folder,
                view=[plan.package, plan.program, *plan.view],
                package=package,
                modules=modules,
                temporary_bytes=plan.limits.file_bytes,
                files=holds("files"),
                writing=holds("writing"),
                disk=holds("disk"),
                named=plan.framework == "tensorflow",
            )
        else:
            tree, home = self._folder / "tree", self._folder / "home"
            folders.lay(tree, package, modules)
            home.mkdir()
        os.chdir(home)
        _limit(plan, space, own_count=self._namespaces)
        if holds("privileges"):
            with contextlib.suppress(OSError):
                calls.drop_capabilities()
            calls.refuse_new_privileges()
        if plan.level == "limits":
            return tree, home
        calls.refuse_new_privileges()  # or seccomp and Landlock refuse
        if landlock.version() >= landlock.NEEDED or not self._namespaces:
            readable = [plan.package, plan.program, str(tree), *plan.view]
            if plan.framework == "tensorflow":
                readable.append(_OWN_COMMAND)
            landlock.restrict(
                readable,
                [str(home), *folders.devices()],
                files=holds("files"),
                writing=holds("writing"),
                network=holds("network"),
                neighbours=holds("neighbours"),
            )
        refused = {name for name in seccomp.GROUPS if holds(name)}
        if self._namespaces:  # all else is read-only: only its own files can change
            refused.discard("writing")
        seccomp.restrict(refused)
        return tree, home


def _own_namespaces(plan: Plan) -> None:
    """Move this process and its children to come into namespaces of their own."""
    user, group = os.geteuid(), os.getegid()
    kinds = ["user", "ipc", "names"]
    kinds += ["network"] if plan.holds("network") else []
    kinds += ["processes"] if plan.holds("neighbours") else []
    calls.unshare(*kinds)
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny", "ascii")
    (own / "uid_map").write_text(f"0 {user} 1", "ascii")
    (own / "gid_map").write_text(f"0 {group} 1", "ascii")


def _only(line: int, output: int, ready: int, close: bool) -> int:
    """Put the descriptors where they belong, close all others, return ``ready``."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    # None of them may lie where another one goes.
    line, output, ready, nothing = (
        os.dup(os.dup(os.dup(os.dup(os.dup(d)))))
        for d in (line, output, ready, nothing)
    )
    os.dup2(nothing, 0, inheritable=False)
    os.dup2(output, 1, inheritable=False)
    os.dup2(output, 2, inheritable=False)
    os.dup2(line, LINE, inheritable=False)
    os.dup2(ready, LINE + 1, inheritable=False)
    if close:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        os.closerange(LINE + 2, 1 << 20 if most == resource.RLIM_INFINITY else most)
    return LINE + 1


def _limit(plan: Plan, space: int, *, own_count: bool) -> None:
    """Set the kernel's limits of this process."""
    limits = plan.limits
    wanted = {
        "cpu": {"CPU": limits.cpu_seconds},
        # The address space is far larger than memory with torch, whose libraries lie
        # in it. What may be added is limited, so that a huge array fails as it should;
        # what counts is the memory itself, which the keeper watches.
        "memory": {
            "AS": space + _ADDRESS_SPACE * limits.memory_bytes + _SLACK,
            "MEMLOCK": 0,
        },
        "disk": {"FSIZE": limits.file_bytes, "CORE": 0},
        "descriptors": {"NOFILE": limits.open_files},
        "processes": _most_tasks(plan, own_count=own_count),
        "neighbours": {"MSGQUEUE": 0},
    }
    for defence, numbers in wanted.items():
        if not plan.holds(defence):
            continue
        for name, most in numbers.items():
            kind = getattr(resource, f"RLIMIT_{name}", None)
            if kind is not None and not (name == "AS" and not calls.LINUX):
                hard = resource.getrlimit(kind)[1]
                if hard != resource.RLIM_INFINITY:
                    most = min(most, hard)
                resource.setrlimit(kind, (most, most))


def _most_tasks(plan: Plan, *, own_count: bool) -> dict[str, int]:
    """Return the kernel's limit of threads, which counts all of an account's."""
    if own_count:
        return {"NPROC": plan.limits.processes + 2}  # its keeper and itself
    if plan.level == "limits":
        return {"NPROC": plan.limits.processes + _tasks_of_account()}
    return {}  # seccomp leaves threads alone, and the keeper counts those


def _settle(tree: Path, home: Path) -> None:
    """Make the worker's own folders those that Python uses."""
    os.environ.update(
        HOME=str(home),
        TMPDIR=str(home),
        MPLCONFIGDIR=str(home),
        XDG_CACHE_HOME=str(home),
    )
    tempfile.tempdir = None
    sys.path.insert(0, str(tree))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def _overlaid(
    plan: Plan, tree: Path, modules: Mapping[str, str], entry: types.ModuleType
) -> types.ModuleType:
    """Have all that is imported from now on come from the tree.

    Given modules that the server has imported stay, unless a student's stands in for
    one of them.
    """
    sys.path[:] = [p for p in sys.path if p not in (plan.package, plan.program)]
    for name in [n for n in sys.modules if n.partition(".")[0] == "staff"]:
        del sys.modules[name]
    package = Path(plan.package)
    loaded = {
        name: Path(file).relative_to(package).as_posix()
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "cs231n"
        and (file := getattr(module, "__file__", None))
    }
    if set(loaded.values()) & set(modules):
        for name in loaded:
            del sys.modules[name]
        return load_entry(plan)
    for name in loaded:
        module = sys.modules[name]
        if hasattr(module, "__path__"):
            inner = Path(module.__path__[0]).relative_to(package)
            module.__path__[:] = [str(tree / inner)]
    return entry


def load_entry(plan: Plan) -> types.ModuleType:
    """Return the worker's side, a fresh module."""
    place = Path(plan.program) / "inside.py"
    module = types.ModuleType("inside")
    module.__file__ = str(place)
    code = compile(place.read_text("utf-8"), str(place), "exec")
    exec(code, vars(module))
    return module


def _ending(pid: int) -> int | None:
    """Return a descriptor that can be read once a process has ended."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _table() -> list[tuple[int, int, int]]:
    """Return number, parent and memory in KiB of every process, where /proc is not."""
    rows = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,rss="],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    return [(int(a), int(b), int(c)) for a, b, c in (row.split() for row in rows)]


def _descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    found: list[int] = []
    if not calls.LINUX:
        table = [row for row in _table() if row[0] != os.getpid()]
        waiting = [pid]
        while waiting:
            parent = waiting.pop()
            children = [own for own, above, _ in table if above == parent]
            found += children
            waiting += children
        return found
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                text = (task / "children").read_text("ascii")
                children = [int(child) for child in text.split()]
                found += children
                waiting += children
    return found


def _memory(pids: Iterable[int]) -> int:
    """Return the bytes of memory that processes hold now."""
    if not calls.LINUX:
        wanted = set(pids)
        return sum(kib << 10 for pid, _, kib in _table() if pid in wanted)
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
            total += int(pages) * resource.getpagesize()
    return total


def _use(pids: Iterable[int]) -> tuple[float, int]:
    """Return the seconds that processes computed and how many threads they run."""
    if not calls.LINUX:
        return 0.0, len(list(pids))
    seconds, threads = 0.0, 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
            fields = text.rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            threads += int(fields[17])
    return seconds, threads


def _address_space() -> int:
    """Return the bytes of address space that this process has."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def _tasks_of_account() -> int:
    """Return how many threads this account runs on the whole machine."""
    total, user = 0, os.getuid()
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if entry.stat().st_uid == user:
                        total += _use([int(entry.name)])[1]
    return total or 4096


def _size(folder: Path) -> int:
    """Return the bytes that a folder's files take."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += max(1, os.lstat(Path(place) / name).st_blocks) * 512
    return total


def _remove(folder: Path) -> None:
    """Remove a worker's folder, whatever rights it took away from itself."""

    def force(act: Callable[[str], object], path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(0o700)
            if not Path(path).is_symlink():
                Path(path).chmod(0o700)
            act(path)

    shutil.rmtree(folder, onerror=force)
