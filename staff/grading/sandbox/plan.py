"""What a worker may do: levels, defences and limits, as both sides know them."""

from dataclasses import dataclass

# Strongest first.
LEVELS = ("bubblewrap", "namespaces", "landlock", "limits")

# What stands between students' code and the rest. A test may switch one off to show
# that an attack is stopped by it and not by luck.
DEFENCES = {
    "files": "sees the interpreter, the package and its own folders alone",
    "writing": "changes nothing but its own temporary folder",
    "disk": "fills no more than its temporary folder may hold",
    "network": "opens no socket",
    "neighbours": "neither sees, signals nor traces any other process",
    "processes": "starts no process, and no more threads than it may",
    "survivors": "leaves nothing that lives on",
    "privileges": "gains no privilege",
    "memory": "grows no more than it may",
    "cpu": "computes no longer than it may",
    "wall": "exists no longer than it may",
    "output": "prints no more than it may",
    "environment": "inherits nothing of the grader's environment",
    "descriptors": "opens no more files than it may, and inherits none but its line",
}

_DESCRIPTIONS = {
    "bubblewrap": (
        "Students' code ran in a container of bubblewrap: it saw the interpreter and a "
        "read-only package, had no network, could start and reach no other process, "
        "and was limited in time, memory, disk and output."
    ),
    "namespaces": (
        "Students' code ran in user, mount, process, network and IPC namespaces of its "
        "own, with Landlock and seccomp: it saw the interpreter and a read-only "
        "package, had no network, could start and reach no other process, and was "
        "limited in time, memory, disk and output."
    ),
    "landlock": (
        "Students' code ran under Landlock and seccomp: it could read the interpreter "
        "and a read-only package alone, had no network, could start and reach no other "
        "process, and was limited in time, memory, disk and output; it could tell "
        "which paths exist."
    ),
    "limits": (
        "Students' code was limited in time, memory, disk and output and nothing else: "
        "it could read, write and connect to whatever the grader's own account can."
    ),
}


def describe(level: str) -> str:
    """Return one sentence that says what holds at a level.

    Args:
        level: One of ``LEVELS``.
    """
    return _DESCRIPTIONS[level]


@dataclass(frozen=True)
class Limits:
    """What one worker may use.

    Attributes:
        cpu_seconds: Time that it computes, all its threads together.
        wall_seconds: Time from its start to its end.
        memory_bytes: What it may grow by, beyond what the warm server holds.
        processes: Threads; it starts no process where seccomp is there.
        file_bytes: What its temporary folder may hold.
        open_files: Descriptors that it may have open.
        output_bytes: What it may print; all but the end is thrown away.
        frame_bytes: How long a frame may be, in either direction.
    """

    cpu_seconds: int = 60
    wall_seconds: float = 180.0
    memory_bytes: int = 1 << 30
    processes: int = 32
    file_bytes: int = 64 << 20
    open_files: int = 128
    output_bytes: int = 16 << 20
    frame_bytes: int = 1 << 26

    @classmethod
    def for_networks(cls) -> "Limits":
        """Return limits for the questions that need torch or TensorFlow."""
        return cls(cpu_seconds=180, wall_seconds=600.0, memory_bytes=3 << 30)


@dataclass(frozen=True)
class Plan:
    """What the warm server is told once.

    Attributes:
        level: One of ``LEVELS``.
        package: The folder that holds ``cs231n``.
        program: The folder that holds this program, the worker's side among it.
        scratch: An empty folder for what is temporary.
        view: Further folders and files that workers may read.
        preload: Modules to import before the first worker.
        framework: What workers need: "torch", "tensorflow" or nothing.
        limits: What each worker may use.
        weaken: Defences that are off.
    """

    level: str
    package: str
    program: str
    scratch: str
    view: tuple[str, ...]
    preload: tuple[str, ...]
    framework: str
    limits: Limits
    weaken: tuple[str, ...] = ()

    def holds(self, defence: str) -> bool:
        """Tell whether a defence is on.

        Args:
            defence: A key of ``DEFENCES``.
        """
        return defence not in self.weaken
