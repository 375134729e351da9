"""The Linux calls that the jail needs and Python 3.11 has no names for. Each raises OSError where the kernel refuses.

Numbers and structures are those of the kernel's user interface (man 2 unshare, mount, pivot_root, landlock, seccomp).
"""

import ctypes
import os
import platform
import struct
from collections.abc import Iterable

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_THREAD = 0x00010000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, *arguments: object) -> int:
    """A call that libc has no name for; an int is passed as a long, whatever its size."""
    passed = [ctypes.c_long(a) if isinstance(a, int) else a for a in (SYSCALLS[what], *arguments)]
    return _check(_libc.syscall(*passed), what)


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name for new ones."""
    _check(_libc.unshare(flags), "unshare")


def enter(namespace: int, kind: int) -> None:
    """Enter the namespace that an open file of /proc/PID/ns stands for; of processes, only for what is forked next."""
    _check(_libc.setns(namespace, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount `source` at `target`."""
    arguments = [text.encode() for text in (source, target, kind)]
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def unmount(target: str) -> None:
    """Take away what is mounted at `target`, at once for everyone who looks it up anew."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root; the old one is found at `old`."""
    _syscall("pivot_root", ctypes.c_char_p(new.encode()), ctypes.c_char_p(old.encode()))


def make_read_only(target: str) -> None:
    """No writing below a mount, nor below any mount in it."""
    at_fdcwd, recursive = -100, 0x8000
    attributes = ctypes.create_string_buffer(struct.pack("=4Q", MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0, 0))
    _syscall("mount_setattr", at_fdcwd, ctypes.c_char_p(target.encode()), recursive, attributes, 32)


def prctl(option: int, value: int = 0) -> None:
    """Set one of the process's own properties."""
    _check(_libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))), "prctl")


def drop_capabilities() -> None:
    """Give up every privilege that root has beyond other users, for good."""
    version_3 = 0x20080522
    header, none = struct.pack("=Ii", version_3, 0), bytes(24)
    _check(_libc.capset(header, none), "capset")


# --- Landlock: which files, which ports ---------------------------------------------------------------

READ, WRITE = 1 << 2 | 1 << 3, sum(1 << bit for bit in (1, 2, 3, 4, 5, 7, 8, 12, 13, 14))
WRITE_FILE = 1 << 1 | 1 << 2
_RULE_BENEATH, _ONLY_FILES = 1, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14


def landlock_version() -> int:
    """The version of Landlock's interface, 0 where the kernel has none."""
    try:
        return _syscall("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def landlock(allowed: Iterable[tuple[str, int]]) -> None:
    """From now on only the paths in `allowed` can be reached, each with READ, WRITE or WRITE_FILE rights; no TCP.

    Signals and abstract sockets of the processes outside are out of reach too, where the kernel knows how.
    """
    version = landlock_version()
    files = (1 << {1: 13, 2: 14}.get(version, 15)) - 1 | (1 << 15 if version >= 5 else 0)
    ports, scope = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = struct.pack("=QQQ", files, ports, scope)[:size]
    rules = _syscall("landlock_create_ruleset", ctypes.create_string_buffer(attributes, size), size, 0)
    for path, access in allowed:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        access &= files
        if not os.path.isdir(path):
            access &= _ONLY_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, place), 12)
        _syscall("landlock_add_rule", rules, _RULE_BENEATH, rule, 0)
        os.close(place)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    _syscall("landlock_restrict_self", rules, 0)
    os.close(rules)


# --- Seccomp: which system calls ----------------------------------------------------------------------


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def seccomp(instructions: bytes) -> None:
    """Install a filter (see `autograder.jail.calls`) for good, for every thread."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    program = _Program(len(instructions) // 8, instructions)
    set_mode_filter, all_threads = 1, 1
    _syscall("seccomp", set_mode_filter, all_threads, ctypes.byref(program))


SYSCALLS = {
    "x86_64": {"pivot_root": 155, "seccomp": 317},
    "aarch64": {"pivot_root": 41, "seccomp": 277},
}.get(platform.machine(), {}) | {
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
