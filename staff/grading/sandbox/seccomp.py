"""seccomp: the kernel refuses certain calls of this process, for good.

A list of what is refused, not of what is allowed: what NumPy, torch and their libraries
call differs between their versions and is harmless. Calls that came after the list was
written do not exist for a worker.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Collection

from staff.grading.sandbox.calls import MACHINE, prctl

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_LAST_KNOWN = 462  # mseal, of Linux 6.10
_NONE = -1  # where a machine does not have a call

# Call -> its number on x86_64 and on aarch64, by what it is refused for.
_NETWORK = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
}
_PROCESSES = {
    "fork": (57, _NONE),
    "vfork": (58, _NONE),
    "execve": (59, 221),
    "execveat": (322, 281),
}
_NEIGHBOURS = {
    "tkill": (200, 130),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "kcmp": (312, 272),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "setpgid": (109, 154),
    "setsid": (112, 157),
}
# First argument: a process, which has to be this one.
_OF_A_PROCESS = {
    "kill": (62, 129),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}
_PRIVILEGES = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "quotactl_fd": (443, 443),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, _NONE),
    "ioperm": (173, _NONE),
    "personality": (135, 92),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
}
# Memory that belongs to no process and that nobody would count.
_MEMORY = {"memfd_create": (319, 279), "memfd_secret": (447, 447)}
# What Landlock does not know of: changes to files that need no right to write.
_WRITING = {
    "chmod": (90, _NONE),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, _NONE),
    "fchown": (93, 55),
    "lchown": (94, _NONE),
    "fchownat": (260, 54),
    "utime": (132, _NONE),
    "utimes": (235, _NONE),
    "utimensat": (280, 88),
    "futimesat": (261, _NONE),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}
GROUPS = {
    "network": _NETWORK,
    "neighbours": _NEIGHBOURS,
    "processes": _PROCESSES,
    "privileges": _PRIVILEGES,
    "memory": _MEMORY,
    "writing": _WRITING,
}
"""What can be refused."""
_CLONE, _CLONE3 = (56, 220), (435, 435)
_CLONE_THREAD = 0x00010000
_FCNTL, _IOCTL = (72, 25), (16, 29)
_SIGNALS_OF_FILES = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX
# FIOSETOWN and SIOCSPGRP send signals; TIOCSTI and TIOCLINUX type on a terminal.
_SIGNALS_OF_DEVICES = (0x8901, 0x8902, 0x5412, 0x541C)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # places in what the kernel shows
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSED = _ERROR | errno.EPERM
_UNKNOWN = _ERROR | errno.ENOSYS
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


def usable() -> bool:
    """Tell whether the numbers of this machine's calls are known."""
    return MACHINE in _ARCHITECTURES


def restrict(refused: Collection[str]) -> None:
    """Have calls refused from now on, to this process and all that it starts.

    Args:
        refused: Keys of ``GROUPS``: "network" for sockets, "neighbours" for what
            reaches other processes, "processes" for starting programs or processes
            (threads stay), "privileges" for namespaces, mounts, keys, kernel modules
            and the like, "memory" for memory behind descriptors, "writing" for changes
            of owners, modes and times, which Landlock lets pass.
    """
    if not usable():
        raise OSError(f"seccomp: the calls of {MACHINE} are not known")
    code, column = _ARCHITECTURES[MACHINE]
    groups = [calls for name, calls in GROUPS.items() if name in refused]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, code),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _LAST_KNOWN + 1),
        (_RETURN, 0, 0, _UNKNOWN),
    ]
    for numbers in (call[column] for group in groups for call in group.values()):
        if numbers != _NONE:
            steps += [(_EQUAL, 0, 1, numbers), (_RETURN, 0, 0, _REFUSED)]
    if "processes" in refused:
        # Libraries fall back to clone, whose flags can be seen.
        steps += [(_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _UNKNOWN)]
        threads = [(_ANY_BIT, 0, 1, _CLONE_THREAD), (_RETURN, 0, 0, _ALLOW)]
        steps += _when(_CLONE[column], 0, threads, _REFUSED)
    if "neighbours" in refused:
        allowed: list[tuple[int, int, int, int]] = []
        for this in (0, os.getpid()):
            allowed += [(_EQUAL, 0, 1, this), (_RETURN, 0, 0, _ALLOW)]
        for call in _OF_A_PROCESS.values():
            steps += _when(call[column], 0, allowed, _REFUSED)
        for call, values in (
            (_FCNTL, _SIGNALS_OF_FILES),
            (_IOCTL, _SIGNALS_OF_DEVICES),
        ):
            never: list[tuple[int, int, int, int]] = []
            for value in values:
                never += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _REFUSED)]
            steps += _when(call[column], 1, never, _ALLOW)
    steps.append((_RETURN, 0, 0, _ALLOW))
    program = ctypes.create_string_buffer(
        b"".join(struct.pack("HBBI", *step) for step in steps)
    )
    described = ctypes.create_string_buffer(
        struct.pack("HP", len(steps), ctypes.addressof(program))
    )
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(described))


def _when(
    number: int, argument: int, then: list[tuple[int, int, int, int]], last: int
) -> list[tuple[int, int, int, int]]:
    """Return steps that look at one argument of one call and decide.

    Args:
        number: The call's.
        argument: Which argument; its lower half counts.
        then: Steps that return something, or not.
        last: What is returned if they did not.
    """
    load = (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
    return [(_EQUAL, 0, len(then) + 2, number), load, *then, (_RETURN, 0, 0, last)]
