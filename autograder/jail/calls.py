"""Which system calls a worker may make: a seccomp filter, as instructions of the kernel's BPF.

Everything that Python and torch need to compute is allowed. What starts processes or programs, opens a way to other
processes or to the network, changes mounts, namespaces, keys or the kernel, or holds memory that no limit counts,
is refused with an error that Python reports like any other.
"""

import errno
import platform
import struct

from autograder.jail.linux import CLONE_THREAD, PR_SET_PDEATHSIG

#           name                  x86_64, aarch64 (None: the machine has no such call)
REFUSED = {
    errno.EACCES: {
        # Programs and the network.
        "execve": (59, 221), "execveat": (322, 281), "socket": (41, 198),
        "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    },
    errno.EPERM: {
        # Other processes.
        "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
        "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
        "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
        "process_madvise": (440, 440), "process_mrelease": (448, 448), "migrate_pages": (256, 238),
        "move_pages": (279, 239), "setpriority": (141, 140), "ioprio_set": (251, 30),
        "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274),
        # Mounts, namespaces, files by number.
        "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
        "unshare": (272, 97), "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429),
        "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
        "mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
        # Memory that outlives the process or that its limit does not count, and channels between processes.
        "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
        "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
        "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
        # Parts of the kernel that code in a notebook has no business with.
        "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
        "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
        "personality": (135, 92), "quotactl": (179, 60), "acct": (163, 89), "swapon": (167, 224),
        "reboot": (169, 142), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
        "kexec_load": (246, 104), "iopl": (172, None), "ioperm": (173, None),
    },
    errno.EAGAIN: {"fork": (57, None), "vfork": (58, None)},  # as where a user has too many processes
    errno.ENOSYS: {"clone3": (435, 435)},  # its flags lie in memory, which no filter sees; libc falls back to clone
    # These succeed and do nothing: shutil.copy wants them, and Landlock does not guard them.
    0: {
        "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
        "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
        "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
        "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
        "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    },
}  # fmt: skip
ON_ITSELF = {  # allowed where the first argument is the process itself
    "kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261), "sched_setaffinity": (203, 122),
}  # fmt: skip
CLONE, PRCTL, SOCKETPAIR = (56, 220), (157, 167), (53, 199)
NEWEST = 450  # calls that came after this filter was written do not exist

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _EQUAL, _ABOVE, _ALL_BITS, _AND, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x54, 0x06
_STREAM, _KIND = 1, 0xF  # of a socket, without flags
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
# Where seccomp_data has them; low halves come first.
_NUMBER, _MACHINE, _ARGUMENT, _SECOND = 0, 4, 16, 24


def filter_available() -> bool:
    """Whether the filter knows this machine's numbers."""
    return platform.machine() in _MACHINES


def program(pid: int) -> bytes:
    """The filter for the process `pid`."""
    column, machine = _MACHINES[platform.machine()]
    code = [
        _instruction(_LOAD, _MACHINE),
        _instruction(_EQUAL, machine, 1, 0),  # no calls in the numbering of another machine
        _refuse(errno.ENOSYS),
        _instruction(_LOAD, _NUMBER),
    ]
    for error, calls in REFUSED.items():
        for numbers in calls.values():
            if numbers[column] is not None:
                code += [_instruction(_EQUAL, numbers[column], 0, 1), _refuse(error)]
    for numbers in ON_ITSELF.values():
        code += _if_first_argument(numbers[column], _EQUAL, (0, pid), otherwise=errno.EPERM)
    # A thread is part of the process; anything else that clone makes is another one.
    code += _if_first_argument(CLONE[column], _ALL_BITS, (CLONE_THREAD,), otherwise=errno.EAGAIN)
    # A pair of streams, which asyncio needs, reaches nobody; a pair of datagram sockets can be sent elsewhere.
    code += [
        _instruction(_EQUAL, SOCKETPAIR[column], 0, 5),
        _instruction(_LOAD, _SECOND),
        _instruction(_AND, _KIND),
        _instruction(_EQUAL, _STREAM, 1, 0),
        _refuse(errno.EACCES),
        _instruction(_RETURN, _ALLOW),
    ]
    # The one property that it may not change: dying with its keeper.
    code += [
        _instruction(_EQUAL, PRCTL[column], 0, 3),
        _instruction(_LOAD, _ARGUMENT),
        _instruction(_EQUAL, PR_SET_PDEATHSIG, 0, 1),
        _refuse(errno.EPERM),
        _instruction(_LOAD, _NUMBER),
        _instruction(_ABOVE, NEWEST, 0, 1),
        _refuse(errno.ENOSYS),
        _instruction(_RETURN, _ALLOW),
    ]
    return b"".join(code)


def _if_first_argument(number: int, test: int, values: tuple[int, ...], otherwise: int) -> list[bytes]:
    """For this call: allowed if its first argument passes the test with one of the values."""
    tests = [_instruction(test, value, len(values) - i, 0) for i, value in enumerate(values)]
    return [
        _instruction(_EQUAL, number, 0, len(values) + 3),
        _instruction(_LOAD, _ARGUMENT),
        *tests,
        _refuse(otherwise),
        _instruction(_RETURN, _ALLOW),
    ]


def _refuse(error: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | error)


def _instruction(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_so, if_not, value)
