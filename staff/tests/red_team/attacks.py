"""Attacks on isolation: what a hostile module tries, and how the host would notice.

Every source defines ``attack(given)``; ``given`` says where things are that it could
not know, so that an attack fails for want of power and not of luck. Whatever succeeds
does little: bombs are small and end by themselves.
"""

import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from staff.grading.sandbox.plan import LEVELS
from staff.tests.red_team.stage import SECRET, Seen, alive

ALL, SHUT = LEVELS, LEVELS[:3]  # every level; those that shut a worker in


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: What it does.
        source: Of the student's module.
        worked: Tells from the host's side whether it worked.
        off: The defences whose absence lets it work, at level "limits".
        stopped: Levels that stop it.
        proven: Further levels at which it works once ``off`` is off.
        twice: Whether it is run once more, in the next submission's worker.
        seconds: How long to wait for it.
        shown: The level at which it works without its defence.
    """

    name: str
    source: str
    worked: Callable[[Seen], object]
    off: tuple[str, ...]
    stopped: tuple[str, ...] = SHUT
    proven: tuple[str, ...] = ()
    twice: bool = False
    seconds: float = 20
    shown: str = "limits"


_PRELUDE = """
import ctypes, errno, os, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p

def call(number, *arguments):
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if libc.syscall(ctypes.c_long(number), *plain) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "done"

"""


def _attack(body: str) -> str:
    return (
        _PRELUDE
        + "def attack(given):\n"
        + textwrap.indent(textwrap.dedent(body), "    ")
    )


def _told(seen: Seen) -> bool:
    return SECRET in str(seen.returned)


def _done(seen: Seen) -> bool:
    return seen.returned == "done"


def _changed(seen: Seen) -> bool:
    return not seen.stage.target.exists() or seen.stage.target.read_text() != "intact"


def _reached(name: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.stage.reached(name)


def _lasted(seen: Seen) -> bool:
    return seen.gone == "" or seen.returned == "done"


FILES = [
    Attack(
        "reads a file of the grader's",
        _attack("return open(given['secret']).read()"),
        _told,
        ("files",),
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
    Attack(
        "lists a folder of the grader's",
        _attack("return os.listdir(given['folder'])"),
        lambda seen: "secret.txt" in (seen.returned or ()),
        ("files",),
        proven=("landlock",),
    ),
    Attack(
        "reads through a symbolic link of its own",
        _attack("os.symlink(given['secret'], 'own'); return open('own').read()"),
        _told,
        ("files",),
        proven=("landlock",),
    ),
    Attack(
        "reads through a hard link of its own",
        _attack("os.link(given['secret'], 'own'); return open('own').read()"),
        _told,
        ("files",),
    ),
    Attack(
        "climbs out by ..",
        _attack("return open('../' * 30 + given['secret'].lstrip('/')).read()"),
        _told,
        ("files",),
        proven=("landlock",),
    ),
    Attack(
        "imports the staff's modules",
        _attack("""
            sys.path.insert(0, given["project"])
            import staff.grading.results
            return "done"
        """),
        _done,
        ("files",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "reads the solved module",
        _attack("return open(given['project'] + '/cs231n/rnn_layers.py').read()"),
        lambda seen: "BEGIN SOLUTION" in str(seen.returned),
        ("files",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "reads another process's environment",
        _attack("return open(f'/proc/{given[\"victim\"]}/environ').read()"),
        _told,
        ("privileges",),
    ),
    Attack(
        "reads another process's arguments",
        _attack("return open(f'/proc/{given[\"victim\"]}/cmdline').read()"),
        _told,
        (),
    ),
    Attack(
        "reads another process's memory through /proc",
        _attack("""
            place = f"/proc/{given['victim']}/"
            for line in open(place + "maps"):
                if "[stack]" in line:
                    first, last = (int(x, 16) for x in line.split()[0].split("-"))
                    with open(place + "mem", "rb") as memory:
                        memory.seek(first)
                        return memory.read(last - first).decode("latin1")
        """),
        _told,
        ("privileges",),
    ),
    Attack(
        "looks for processes to spy on",
        _attack("""
            return [n for n in os.listdir("/proc") if n.isdigit()]
        """),
        lambda seen: str(seen.stage.victim.pid) in (seen.returned or ()),
        (),
        proven=(),
    ),
    Attack(
        "searches the descriptors it inherits",
        _attack("""
            def is_open(number):
                try:
                    os.fstat(number)
                except OSError:
                    return False
                return True
            return [n for n in range(5, 60) if is_open(n)]
        """),
        lambda seen: bool(seen.returned),
        ("descriptors",),
        ALL,
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "finds the grader's environment in its own",
        _attack("""
            return str(dict(os.environ)) + " ".join(sys.orig_argv)
        """),
        lambda seen: "RED_TEAM_SECRET" in str(seen.returned),
        ("environment",),
        ALL,
    ),
]

WRITING = [
    Attack(
        "overwrites a file of the grader's",
        _attack("open(given['target'], 'w').write('mine')"),
        _changed,
        ("writing",),
        proven=("landlock",),
    ),
    Attack(
        "acts as its process ends",
        _attack("""
            import atexit
            atexit.register(lambda: open(given["target"], "w").write("mine"))
            atexit._run_exitfuncs()  # its own call: workers end without them
        """),
        _changed,
        ("writing",),
        proven=("landlock",),
    ),
    Attack(
        "empties a file without opening it",
        _attack("os.truncate(given['target'], 0)"),
        _changed,
        ("writing",),
        proven=("landlock",),
    ),
    Attack(
        "deletes a file of the grader's",
        _attack("os.unlink(given['target'])"),
        _changed,
        ("writing",),
        proven=("landlock",),
    ),
    Attack(
        "moves another file over it",
        _attack("""
            place = given["folder"] + "/other"
            open(place, "w").write("mine")
            os.replace(place, given["target"])
        """),
        _changed,
        ("writing",),
        proven=("landlock",),
    ),
    Attack(
        "opens the grader's files to everybody",
        _attack("os.chmod(given['target'], 0o777)"),
        lambda seen: seen.stage.target.stat().st_mode != seen.stage.mode,
        ("writing",),
        proven=("landlock",),
    ),
    Attack(
        "makes the grader's file an old one",
        _attack("os.utime(given['target'], (1, 1))"),
        lambda seen: seen.stage.target.stat().st_mtime == 1,
        ("writing",),
        proven=("landlock",),
    ),
    Attack(
        "changes the package for the next submission",
        _attack("""
            place = os.path.realpath(sys.modules["cs231n"].__file__)
            place = given["package"] + "/cs231n/__init__.py"
            open(place, "a").write("# mine")
        """),
        lambda seen: "mine" in (seen.stage.package / "cs231n/__init__.py").read_text(),
        ("writing",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "adds a module numpy.py to the package",
        _attack("open(given['package'] + '/numpy.py', 'w').write('# mine')"),
        lambda seen: (seen.stage.package / "numpy.py").exists(),
        ("writing",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "leaves a file for the next submission",
        _attack("""
            found = []
            above = os.environ["HOME"] + "/../.."
            for place in ("/tmp", "/var/tmp", "/dev/shm", above):
                path = os.path.join(place, "left-by-red-team")
                try:
                    found.append(open(path).read())
                    os.unlink(path)
                except OSError:
                    pass
                try:
                    open(path, "w").write("mine")
                except OSError:
                    pass
            return found
        """),
        lambda seen: "mine" in (seen.next or ()),
        ("writing",),
        twice=True,
    ),
]

DISK = [
    Attack(
        "fills the disk with one file",
        _attack("""
            with open("own", "wb") as own:
                for _ in range(64):
                    own.write(bytes(1 << 17))
            return "done"
        """),
        _done,
        ("disk",),
        ALL,
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
    Attack(
        "fills the disk with many files",
        _attack("""
            for number in range(64):
                with open(f"own{number}", "wb") as own:
                    own.write(bytes(1 << 17))
            time.sleep(0.5)
            return "done"
        """),
        _done,
        ("disk",),
        ALL,
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
    Attack(
        "asks for disk that it does not write",
        _attack("""
            with open("own", "wb") as own:
                os.posix_fallocate(own.fileno(), 0, 8 << 20)
            return "done"
        """),
        _done,
        ("disk",),
        ALL,
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
]

NETWORK = [
    Attack(
        "connects by TCP",
        _attack("socket.create_connection(('127.0.0.1', given['tcp']), 2)"),
        _reached("tcp"),
        ("network",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "sends by UDP",
        _attack("""
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.sendto(b"mine", ("127.0.0.1", given["udp"]))
        """),
        _reached("udp"),
        ("network",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "connects to a UNIX socket",
        _attack("socket.socket(socket.AF_UNIX).connect(given['unix'])"),
        _reached("unix"),
        ("network",),
        proven=("landlock",),
    ),
    Attack(
        "connects to an abstract UNIX socket",
        _attack("socket.socket(socket.AF_UNIX).connect(chr(0) + given['abstract'])"),
        _reached("abstract"),
        ("network",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "listens for others",
        _attack("""
            one = socket.socket()
            one.bind(("127.0.0.1", 0))
            one.listen()
            return "done"
        """),
        _done,
        ("network",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "asks io_uring to do what is refused",
        _attack("return call(425, 4, ctypes.create_string_buffer(120))"),
        _done,
        ("privileges", "memory"),
        ALL,
        proven=("namespaces", "landlock"),
    ),
]

NEIGHBOURS = [
    Attack(
        "kills another process",
        _attack("os.kill(given['victim'], signal.SIGKILL); time.sleep(0.2)"),
        lambda seen: not seen.stage.victim_lives(),
        ("neighbours",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "signals its parent",
        _attack("""
            if os.getppid() == 0:
                return "there is none"
            os.kill(os.getppid(), 0)
            return "done"
        """),
        _done,
        ("neighbours",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "signals every process",
        _attack("os.kill(-1, 0); return 'done'"),
        _done,
        ("neighbours",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "has the kernel send a signal for it",
        _attack("""
            import fcntl
            reader, writer = os.pipe()
            fcntl.fcntl(reader, 10, signal.SIGKILL)
            fcntl.fcntl(reader, fcntl.F_SETOWN, given["victim"])
            fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
            os.write(writer, b"x")
            time.sleep(0.2)
        """),
        lambda seen: not seen.stage.victim_lives(),
        ("neighbours",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "traces another process",
        _attack("""
            result = call(101, 16, given["victim"], 0, 0)
            os.waitpid(given["victim"], 0x40000000)
            call(101, 17, given["victim"], 0, 0)
            return result
        """),
        _done,
        ("neighbours", "privileges"),
    ),
    Attack(
        "reads another process's memory by process_vm_readv",
        _attack("""
            own = ctypes.create_string_buffer(8)
            here = struct.pack("PN", ctypes.addressof(own), 8)
            there = struct.pack("PN", 16, 8)  # an address that is never mapped
            try:
                call(310, given["victim"], here, 1, there, 1, 0)
            except OSError as error:
                return "done" if error.errno == errno.EFAULT else error.errno
        """),
        _done,
        ("neighbours", "privileges"),
    ),
    Attack(
        "takes a descriptor from another process",
        _attack("""
            other = libc.syscall(434, given["victim"], 0)
            return call(438, other, 1, 0)
        """),
        _done,
        ("neighbours", "privileges"),
    ),
    Attack(
        "changes another process's limits",
        _attack("""
            import resource
            resource.prlimit(given["victim"], resource.RLIMIT_CORE, (0, 0))
            return "done"
        """),
        _done,
        ("neighbours", "privileges"),
    ),
    Attack(
        "slows another process down",
        _attack("os.setpriority(os.PRIO_PROCESS, given['victim'], 19)"),
        lambda seen: os.getpriority(os.PRIO_PROCESS, seen.stage.victim.pid) == 19,
        ("neighbours", "privileges"),
        proven=("landlock",),
    ),
    Attack(
        "leaves shared memory for the next submission",
        _attack("""
            found = libc.shmget(given["shared_memory"], 0, 0)
            libc.shmget(given["shared_memory"], 4096, 0o1666)
            return found
        """),
        lambda seen: isinstance(seen.next, int) and seen.next >= 0,
        ("neighbours",),
        proven=("landlock",),
        twice=True,
    ),
]

PROCESSES = [
    Attack(
        "starts a process",
        _attack("""
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
            return "done"
        """),
        _done,
        ("processes",),
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
    Attack(
        "runs a program",
        _attack("""
            os.execv("/lib64/ld-linux-x86-64.so.2", ["ld", "--version"])
        """),
        lambda seen: seen.gone == "exit",
        ("processes", "files"),
    ),
    Attack(
        "forks like a bomb",
        _attack("""
            for _ in range(40):
                if os.fork() == 0:
                    time.sleep(3)
                    os._exit(0)
            time.sleep(0.3)
            return "done"
        """),
        _done,
        ("processes", "memory"),
        ALL,
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "starts threads without end",
        _attack("""
            wait = threading.Event()
            for _ in range(40):
                threading.Thread(target=wait.wait, args=(3,), daemon=True).start()
            time.sleep(0.3)
            return "done"
        """),
        _done,
        ("processes", "memory"),
        ALL,
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "leaves a process that lives on",
        _attack("""
            reader, writer = os.pipe()
            if os.fork() == 0:
                os.setsid()
                child = os.fork()
                if child:
                    os.write(writer, str(child).encode())
                    os._exit(0)
                time.sleep(4)
                os._exit(0)
            return int(os.read(reader, 20))
        """),
        lambda seen: alive(seen.returned),
        ("survivors",),
        ALL,
    ),
]

PRIVILEGES = [
    Attack(
        "makes namespaces in which it is root",
        _attack("return 'done' if libc.unshare(0x10000000) == 0 else 'refused'"),
        _done,
        ("privileges",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "mounts a file system over what is there",
        _attack("""
            if libc.unshare(0x10020000):
                return "refused"
            libc.mount(b"none", b"/", None, 1 << 18 | 16384, None)
            where = os.environ["HOME"].encode()
            return "done" if libc.mount(b"x", where, b"tmpfs", 0, None) == 0 else "no"
        """),
        _done,
        ("privileges",),
    ),
    Attack(
        "can still gain by set-user-id programs",
        _attack("return 'done' if libc.prctl(39, 0, 0, 0, 0) == 0 else 'no'"),
        _done,
        ("privileges",),
        ALL,
    ),
    Attack(
        "keeps capabilities",
        _attack("""
            both = (ctypes.c_uint32 * 6)()
            call(125, (ctypes.c_uint32 * 2)(0x20080522, 0), both)
            return "done" if any(both) else "none"
        """),
        _done,
        ("privileges",),
        ALL,
        shown="namespaces",  # where an ordinary account has some
    ),
    Attack(
        "adds a key to the kernel's",
        _attack("return call(248, b'user', b'mine', b'x', 1, -2)"),
        _done,
        ("privileges",),
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "hides memory behind a descriptor",
        _attack("os.memfd_create('mine'); return 'done'"),
        _done,
        ("memory",),
        proven=("namespaces", "landlock"),
    ),
]

RESOURCES = [
    Attack(
        "takes memory without end",
        _attack("""
            held = []
            for _ in range(60):
                held.append(bytearray(4 << 20))
                time.sleep(0.005)
            return "done"
        """),
        _done,
        ("memory",),
        ALL,
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
    Attack(
        "takes shared memory without end",
        _attack("""
            import mmap
            held = []
            for _ in range(30):
                held.append(mmap.mmap(-1, 8 << 20))
                held[-1].write(bytes(8 << 20))
                time.sleep(0.01)
            return "done"
        """),
        _done,
        ("memory",),
        ALL,
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
    Attack(
        "asks for a huge array at once",
        _attack("""
            import mmap
            mmap.mmap(-1, 4 << 30)
            return "done"
        """),
        _done,
        ("memory",),
        ALL,
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
    Attack(
        "computes without end, deaf to signals",
        _attack("""
            for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)
            while time.process_time() < 1.3:
                pass
            return "done"
        """),
        _done,
        ("cpu",),
        ALL,
        proven=("namespaces",),
    ),
    Attack(
        "computes without end in threads",
        _attack("""
            def turn():
                while time.process_time() < 1.3:
                    pass
            threads = [threading.Thread(target=turn) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return "done"
        """),
        _done,
        ("cpu",),
        ALL,
    ),
    Attack(
        "sleeps for ever",
        _attack("time.sleep(3); return 'done'"),
        _done,
        ("wall",),
        ALL,
        proven=("namespaces",),
    ),
    Attack(
        "prints without end",
        _attack("""
            for _ in range(100):
                print("x" * 10_000)
            sys.stdout.flush()
            time.sleep(0.2)
            return "done"
        """),
        _done,
        ("output",),
        ALL,
        proven=("bubblewrap", "namespaces", "landlock"),
    ),
    Attack(
        "opens files without end",
        _attack("""
            held = [open("/dev/null") for _ in range(200)]
            return "done"
        """),
        _done,
        ("descriptors",),
        ALL,
        proven=("namespaces", "landlock"),
    ),
    Attack(
        "sends a frame larger than may come",
        _attack("return 'x' * (2 << 20)"),
        lambda seen: len(str(seen.returned)) > 1 << 20,
        ("frames",),
        ALL,
    ),
    Attack(
        "promises a frame of a billion gigabytes",
        _attack("""
            os.write(3, (1 << 62).to_bytes(8, "little"))
            time.sleep(2)
        """),
        lambda seen: seen.gone == "time",
        ("frames",),
        ALL,
        seconds=1.5,
    ),
]

ATTACKS = [
    *FILES,
    *WRITING,
    *DISK,
    *NETWORK,
    *NEIGHBOURS,
    *PROCESSES,
    *PRIVILEGES,
    *RESOURCES,
]
