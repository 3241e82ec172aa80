"""Landlock: the kernel lets this process reach certain folders alone, for good."""

import ctypes
import os
import stat
from collections.abc import Sequence

from staff.grading.sandbox.calls import LINUX, syscall

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same on every architecture
# Rights of the kernel's ABI, by bit.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_CHANGES = sum(1 << bit for bit in range(4, 15)) | _WRITE_FILE
_DEVICES = 1 << 6 | 1 << 11  # making them
_READS = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP = 3  # bind and connect
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
# Older kernels would let a file be emptied that may not be written (Linux 6.2).
NEEDED = 3


def version() -> int:
    """Return the version of the kernel's Landlock, 0 without."""
    if not LINUX:
        return 0
    try:
        return syscall("landlock", _CREATE, None, 0, 1)
    except OSError:
        return 0


def restrict(
    readable: Sequence[str],
    writable: Sequence[str],
    *,
    files: bool = True,
    writing: bool = True,
    network: bool = True,
    neighbours: bool = True,
) -> None:
    """Take from this process, and all it starts, what is not listed.

    Args:
        readable: Folders and files to read; what does not exist is left out.
        writable: Folders to read and write, and devices.
        files: Whether reading is restricted.
        writing: Whether changing files is restricted.
        network: Whether TCP and abstract UNIX sockets are forbidden.
        neighbours: Whether signals to processes outside are forbidden.

    Raises:
        OSError: If the kernel cannot.
    """
    known = version()
    if known < NEEDED:
        raise OSError(f"Landlock has version {known}; {NEEDED} or later is needed")
    handled = files * _READS | writing * _CHANGES
    if known >= 5 and writing:
        handled |= _IOCTL_DEV
    scoped = network * _ABSTRACT_SOCKETS | neighbours * _SIGNALS
    values = [handled]
    if known >= 4:
        values.append(network * _TCP)
    if known >= 6:
        values.append(scoped)
    if not any(values):
        return
    attributes = (ctypes.c_uint64 * len(values))(*values)
    size = ctypes.sizeof(attributes)
    rules = syscall("landlock", _CREATE, ctypes.byref(attributes), size, 0)
    try:
        for path in readable:
            _allow(rules, path, handled & _READS)
        for path in writable:
            _allow(rules, path, handled & ~_DEVICES)
        syscall("landlock", _RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    """Add a rule for all below a path."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        if rights:
            rule = ctypes.create_string_buffer(
                rights.to_bytes(8, "little") + place.to_bytes(4, "little"), 12
            )
            syscall("landlock", _ADD_RULE, rules, 1, rule, 0)
    finally:
        os.close(place)
