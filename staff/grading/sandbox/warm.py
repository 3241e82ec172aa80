"""The warm server: has imported what takes long, and forks a keeper for each worker.

It never runs a student's code. It ends when its caller does.
"""

import contextlib
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

from staff.grading.sandbox import calls, frames, keeper
from staff.grading.sandbox.plan import Limits, Plan

_MOST = 1 << 20


def main(descriptor: int) -> None:
    """Serve.

    Args:
        descriptor: The socket over which the plan and the requests come.
    """
    control = socket.socket(fileno=descriptor)
    told = json.loads(frames.read(descriptor, _MOST))
    limits = Limits(**told.pop("limits"))
    lists = {k: tuple(v) for k, v in told.items() if isinstance(v, list)}
    plan = Plan(**{**told, **lists, "limits": limits})
    sys.path.insert(0, plan.package)
    for name in plan.preload:
        importlib.import_module(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    entry = keeper.load_entry(plan)
    if hasattr(entry, "prepare"):
        entry.prepare(plan.framework)
    namespaces = plan.level in ("bubblewrap", "namespaces") and _try_namespaces()
    if plan.level == "namespaces" and not namespaces:
        raise SystemExit("This machine gives no namespaces to this account.")
    if calls.LINUX and len(list(Path("/proc/self/task").iterdir())) > 1:
        raise SystemExit("The warm server has threads, which a fork would lose.")
    gc.collect()
    gc.freeze()  # so that workers share its pages
    frames.write(descriptor, b"warm")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's concern
    while True:
        try:
            asked, given, _, _ = socket.recv_fds(control, 1, 1)
        except ConnectionResetError:
            break
        if not asked:
            break
        reports = socket.socket(fileno=given[0])
        if os.fork() == 0:
            status = 1
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                keeper.keep(plan, namespaces, entry, reports)
                status = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(status)
        reports.close()
    # Keepers notice the same end by themselves; none is left when this one goes.
    with contextlib.suppress(ChildProcessError):
        os.wait()  # returns when all have ended, as SIGCHLD is ignored
    shutil.rmtree(plan.scratch, ignore_errors=True)


def _try_namespaces() -> bool:
    """Tell whether a process may have namespaces of its own here."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            calls.unshare("user", "mount", "processes", "network", "ipc", "names")
            (Path("/proc/self") / "setgroups").write_text("deny", "ascii")
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
