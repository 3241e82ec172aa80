"""Workers: what an honest student needs works, and ends are told apart."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from pathlib import Path

import pytest

from staff.grading.sandbox import folders, frames, keeper, windows, workers
from staff.grading.sandbox.plan import LEVELS, Limits, describe
from staff.grading.sandbox.workers import SandboxError, Server, WorkerGone

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers fork")

PROGRAM = Path(__file__).with_name("red_team")  # its inside.py calls attack(given)
ROOT = Path(__file__).parents[2]
LIMITS = Limits(cpu_seconds=5, wall_seconds=20, frame_bytes=1 << 20)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    for name, text in {
        "cs231n/__init__.py": "",
        "cs231n/layers.py": "GIVEN = 1\n",
        "cs231n/rnn_layers.py": "raise NotImplementedError\n",
        "cs231n/classifiers/__init__.py": "",
        "cs231n/classifiers/rnn.py": "WHOSE = 'stub'\n",
        "cs231n/classifiers/other.py": "WHOSE = 'given'\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module", params=LEVELS)
def server(request, package):
    if request.param in workers.lacking():
        pytest.skip(workers.lacking()[request.param])
    with Server(package, level=request.param, limits=LIMITS, program=PROGRAM) as server:
        yield server


def ask(server, body, seconds=20, **modules):
    """Return what a student's function returns, and its worker, which has ended."""
    source = "def attack(given):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    files = {"cs231n/rnn_layers.py": source} | {
        f"cs231n/{name.replace('__', '/')}.py": text for name, text in modules.items()
    }
    with server.worker(files) as worker:
        worker.send(b"{}")
        answer = json.loads(worker.receive(seconds))
    assert "raised" not in answer, answer
    return answer["returned"], worker


def test_what_students_do_works(server):
    found, worker = ask(
        server,
        """
        import inspect, os, shutil, tempfile, threading
        import numpy as np
        from cs231n import layers
        from cs231n.classifiers import other, rnn
        print("seen by nobody but the grader")
        with tempfile.NamedTemporaryFile("w", delete=False) as own:
            own.write("1")
        np.save("array", np.arange(3))
        done = []
        thread = threading.Thread(target=done.append, args=(1,))
        thread.start(); thread.join()
        return [
            layers.GIVEN, other.WHOSE, rnn.WHOSE, done, np.load("array.npy").tolist(),
            float(np.linalg.norm(np.ones((300, 300)) @ np.ones((300, 300)))),
            inspect.getsource(attack).count("attack") > 0, len(os.urandom(2)),
            sorted(set(os.listdir(os.environ["HOME"])) - {os.path.basename(own.name)}),
        ]
        """,
        classifiers__rnn="WHOSE = 'student'\n",
        helper="",
    )
    assert found[:5] == [1, "given", "student", [1], [0, 1, 2]]
    assert found[5] == pytest.approx(90000)
    assert found[6:] == [True, 2, ["array.npy"]]
    assert "seen by nobody" in worker.output
    assert 1 << 20 < worker.peak_bytes < 1 << 30
    assert 0 < worker.cpu_seconds < 5


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import os; os._exit(3)", "exit"),
        ("import os; os.abort()", "signal"),
        ("import ctypes; ctypes.string_at(0)", "signal"),
        ("import os; os.close(3)", "protocol"),
        ("import os; os.write(3, b'12345678' * 100); os._exit(0)", "protocol"),
        ("import time; time.sleep(9)", "time"),
    ],
)
def test_ends_are_told_apart(server, body, reason):
    with pytest.raises(WorkerGone) as gone:
        ask(server, body, seconds=1)
    assert gone.value.reason == reason or (
        reason == "protocol" and gone.value.reason == "exit"
    )


def test_nothing_of_a_worker_is_found_by_the_next(server):
    body = """
        import os
        found = os.listdir(os.environ["HOME"])
        open("left", "w").close()
        return [found, os.environ.get("LEFT"), os.environ.setdefault("LEFT", "1")]
    """
    for _ in range(2):
        assert ask(server, body)[0][:2] == [[], None]


def test_workers_live_side_by_side(server):
    source = {"cs231n/rnn_layers.py": "def attack(given):\n    return given\n"}
    with server.worker(source) as one, server.worker(source) as two:
        two.send(b'{"a": 2}')
        one.send(b'{"a": 1}')
        assert json.loads(one.receive(20)) == {"returned": {"a": 1}}
        assert json.loads(two.receive(20)) == {"returned": {"a": 2}}


def test_a_worker_that_has_ended_says_why_again(server):
    with server.worker({"cs231n/rnn_layers.py": "import os; os._exit(1)"}) as worker:
        worker.send(b"{}")
        for _ in range(2):
            with pytest.raises(WorkerGone, match="exit"):
                worker.receive(20)
        with pytest.raises(WorkerGone, match="exit"):
            worker.send(b"{}")
    assert worker.reason == "exit"


def test_modules_may_not_lead_out_of_the_package(server):
    for name in ("../x.py", "/x.py"):
        with pytest.raises(SandboxError, match="no path within the package"):
            server.worker({name: ""})


def test_too_long_a_frame_is_not_sent(server):
    with server.worker({}) as worker, pytest.raises(ValueError, match="cannot be sent"):
        worker.send(bytes(2 << 20))


def test_the_start_is_fast(server, tell):
    def once():
        begin = time.perf_counter()
        with server.worker({}):
            started = time.perf_counter()
        return started - begin, time.perf_counter() - started

    times = [once() for _ in range(5)]
    start, end = (1000 * min(column) for column in zip(*times, strict=True))
    tell(f"worker at level {server.level}: {start:.0f} ms to start, {end:.0f} to end")
    assert start < 1000


KILLED = """
import os, sys, time
from pathlib import Path
from staff.grading.sandbox.workers import Server
server = Server(Path(sys.argv[1]), level=sys.argv[2], program=Path(sys.argv[3]))
worker = server.worker({"cs231n/rnn_layers.py": "import time; time.sleep(60)"})
worker.send(b"{}")
print(server._scratch, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("level", LEVELS)
def test_a_grader_killed_leaves_no_process_behind(package, level):
    if level in workers.lacking():
        pytest.skip(workers.lacking()[level])
    arguments = [sys.executable, "-c", KILLED, str(package), level, str(PROGRAM)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as grader:
        scratch = grader.stdout.readline().strip()
        assert named(scratch), "nothing is there to be left behind"
        grader.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while named(scratch) and time.monotonic() < until:
        time.sleep(0.05)
    assert not named(scratch)
    assert not list(Path(scratch, "workers").glob("*"))
    with Server(package, level="limits", program=PROGRAM, preload=()):
        assert not Path(scratch).exists()


def named(text):
    """Return the processes whose arguments hold a text."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


def test_a_level_that_does_not_work_is_refused_with_the_reason(package, monkeypatch):
    monkeypatch.setattr(workers.shutil, "which", lambda _: None)
    with pytest.raises(SandboxError, match="bubblewrap is not installed"):
        Server(package, level="bubblewrap", program=PROGRAM, preload=())


def test_old_kernels_lack_landlock_and_say_so(monkeypatch):
    monkeypatch.setattr(workers.landlock, "version", lambda: 1)
    for level in ("namespaces", "landlock"):
        assert "Landlock 3 (Linux 6.2), and this kernel has 1" in workers._try(level)


def test_levels_are_tried_by_breaking_out(monkeypatch):
    # A level whose isolation does nothing is no level.
    monkeypatch.setattr(
        workers,
        "asdict",
        lambda plan: dataclasses.asdict(plan) | {"weaken": ["files"]},
    )
    if "landlock" in workers.available():
        assert "could get past its defences: files" in workers._try("landlock")


def test_each_level_is_described():
    sentences = {describe(level) for level in LEVELS}
    assert len(sentences) == len(LEVELS)
    assert all(s.endswith(".") for s in sentences)


def test_a_tree_has_the_students_modules_and_links_the_rest(package, tmp_path):
    cache = package / "cs231n" / "__pycache__"
    cache.mkdir(exist_ok=True)
    for name in ("layers", "rnn_layers"):
        (cache / f"{name}.cpython-311.pyc").touch()
    tree = tmp_path / "tree"
    folders.lay(tree, package, {"cs231n/rnn_layers.py": "mine", "cs231n/a/b.py": ""})
    assert (tree / "cs231n" / "rnn_layers.py").read_text() == "mine"
    assert (tree / "cs231n" / "layers.py").is_symlink()
    assert (tree / "cs231n" / "classifiers").is_symlink()
    assert (tree / "cs231n" / "a" / "b.py").exists()
    codes = [path.name for path in (tree / "cs231n" / "__pycache__").iterdir()]
    assert "layers.cpython-311.pyc" in codes
    assert "rnn_layers.cpython-311.pyc" not in codes


def test_frames_are_bounded_before_anything_is_read():
    reader, writer = os.pipe()
    os.write(writer, (1 << 62).to_bytes(8, "little"))
    with pytest.raises(frames.FrameError, match="at most 10 may come"):
        frames.read(reader, 10)
    os.write(writer, b"123")
    with pytest.raises(frames.LateError):
        frames.read(reader, 10, time.monotonic() + 0.01)
    os.close(writer)
    with pytest.raises(frames.EndError):
        frames.read(reader, 10)
    os.close(reader)


def test_frames_cross_a_pipe_whole():
    reader, writer = os.pipe()
    sent = bytes(range(256)) * 4_000  # more than a pipe holds
    sending = threading.Thread(target=frames.write, args=(writer, sent))
    sending.start()
    assert frames.read(reader, len(sent), time.monotonic() + 10) == sent
    sending.join()
    os.close(reader)
    with pytest.raises(frames.EndError):
        frames.write(writer, sent)
    os.close(writer)


def test_frames_without_a_deadline_need_no_poll(monkeypatch):
    # Windows' select has neither poll nor its words.
    monkeypatch.setattr(frames, "select", types.SimpleNamespace())
    reader, writer = os.pipe()
    frames.write(writer, b"word")
    assert frames.read(reader, 10) == b"word"
    os.close(reader)
    os.close(writer)


def test_starting_workers_needs_no_module_that_windows_lacks():
    lacking = dict.fromkeys(["fcntl", "grp", "pwd", "resource", "termios"])
    code = f"""
        import sys
        sys.modules.update({lacking})
        from staff.grading.sandbox import windows, workers
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=100)


def test_without_proc_processes_are_found_by_ps(monkeypatch):
    # As on macOS, acted out.
    child = subprocess.Popen(["sleep", "20"])
    try:
        time.sleep(0.1)
        with_proc = keeper._memory([child.pid])
        assert child.pid in keeper._descendants(os.getpid())
        monkeypatch.setattr(keeper.calls, "LINUX", False)
        assert child.pid in keeper._descendants(os.getpid())
        assert keeper._memory([child.pid]) == pytest.approx(with_proc, rel=0.5)
    except FileNotFoundError:
        pytest.skip("ps is not installed")
    finally:
        child.kill()
        child.wait()


AS_OTHER = """
set -e
mount --make-rprivate /
python=$1; shift
# What leads to the interpreter may be closed to others: show it to them.
home=$(dirname "$(dirname "$(readlink -f "$python")")")
mkdir "$1/home" && mount --bind "$home" "$1/home"
case "$home" in /root/*) mount -t tmpfs -o mode=755 own /root; mkdir -p "$home";; esac
mount --move "$1/home" "$home"
shift
exec setpriv --reuid 23100 --regid 23100 --clear-groups "$python" "$@"
"""


@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="needs root")
def test_an_ordinary_account_has_the_levels_too(tmp_path, tell):
    # Graders are seldom root, and root has ways that others lack.
    said = (
        "import sys; sys.path.insert(0, '.'); "
        "from staff.grading.sandbox.workers import available, lacking; "
        "print(','.join(available())); print(lacking(), file=sys.stderr)"
    )
    done = subprocess.run(
        [
            *("unshare", "-m", "sh", "-c", AS_OTHER, "sh", sys.executable),
            *(str(tmp_path), "-c", said),
        ],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no other account can be acted out: {done.stderr[-300:]}")
    tell(f"levels for an ordinary account: {done.stdout.strip()}")
    assert set(done.stdout.strip().split(",")) >= {"limits"}
    if "namespaces" in workers.available():
        assert "namespaces" in done.stdout, done.stderr


class Kernel32:
    """What a job asks of Windows, and what was answered."""

    def __init__(self, memory=0, seconds=0):
        self.said, self._memory, self._seconds = [], memory, seconds

    def __getattr__(self, name):
        def call(*arguments):
            self.said.append(name)
            if name == "SetInformationJobObject":
                self.limits = windows._Extended.from_buffer_copy(arguments[2]._obj)
            if name == "QueryInformationJobObject":
                into = arguments[2]._obj
                if arguments[1] == windows._EXTENDED_LIMITS:
                    into.peak_job = self._memory
                else:
                    into.user = int(self._seconds * windows._TICKS)
            return 1

        return call


def on_windows(package, body, kernel=None, **limits):
    source = "def attack(given):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return windows.FreshWorker(
        package,
        PROGRAM,
        {"cs231n/rnn_layers.py": source},
        dataclasses.replace(LIMITS, **limits),
        WorkerGone,
        kernel or Kernel32(),
    )


def test_windows_limits_a_fresh_process_acted_out(package):
    kernel = Kernel32(memory=5 << 20, seconds=0.5)
    body = """
        import os
        print("said")
        return [given, os.environ.get("USER"), os.getcwd()]
    """
    with on_windows(package, body, kernel) as worker:
        worker.send(b'{"a": 1}')
        given, user, home = json.loads(worker.receive(20))["returned"]
    assert (given, user) == ({"a": 1}, None)
    assert not Path(home).exists()
    assert worker.peak_bytes == 5 << 20
    assert worker.cpu_seconds == 0.5
    assert kernel.limits.basic.processes == 1
    assert kernel.limits.basic.job_time == 5 * windows._TICKS
    assert kernel.limits.job_memory == LIMITS.memory_bytes
    assert kernel.limits.basic.flags & windows._KILL_ON_CLOSE
    first = kernel.said.index
    assert first("AssignProcessToJobObject") < first("TerminateJobObject")


@pytest.mark.parametrize(
    ("body", "reason", "kernel"),
    [
        ("import os; os._exit(3)", "exit", Kernel32()),
        ("import os; os.abort()", "signal", Kernel32()),
        ("import os; os._exit(1)", "memory", Kernel32(memory=LIMITS.memory_bytes)),
        ("import os; os._exit(1)", "time", Kernel32(seconds=LIMITS.cpu_seconds)),
        ("import time; time.sleep(9)", "time", Kernel32()),
        (
            "print('x' * 3000000, flush=True)\nimport time; time.sleep(9)",
            "output",
            None,
        ),
        (
            "import os\nfor n in range(3, 9):\n    try: os.write(n, b'9' * 99)\n"
            "    except OSError: pass",
            "protocol",
            None,
        ),
    ],
)
def test_ends_are_told_apart_on_windows_acted_out(package, body, reason, kernel):
    with on_windows(package, body, kernel, output_bytes=1 << 20) as worker:
        worker.send(b"{}")
        with pytest.raises(WorkerGone) as gone:
            worker.receive(1.5)
    assert gone.value.reason == reason


def test_a_job_that_windows_refuses_starts_no_worker(package, monkeypatch):
    kernel = Kernel32()
    monkeypatch.setattr(kernel, "AssignProcessToJobObject", lambda *_: 0, raising=False)
    with pytest.raises(OSError, match="no worker can be limited"):
        on_windows(package, "return 1", kernel)
    assert "TerminateJobObject" in kernel.said
