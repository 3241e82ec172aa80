"""Processes that tests start and end: whether they are there, on Linux."""

import contextlib
import time
from pathlib import Path


def wait_for(event, seconds=1200):
    end = time.monotonic() + seconds  # long enough to be reached by what hangs alone
    while not event():
        assert time.monotonic() < end
        time.sleep(0.1)


def children_of(pid):
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Behind the name, which may hold anything: the state and the parent.
            if status.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(status.parent)
    return found


def is_alive(process):
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
