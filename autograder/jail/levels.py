"""The jail, rung by rung: how much of it there is depends on what the system allows, and every report says which.

    namespaces   a root, processes, a network and users of its own; Landlock where the kernel has it; seccomp; limits
    landlock     the same without namespaces: it sees no files but its own, but shares the machine's processes
    process      a process of its own with limits; the learner's code could read and write what the grader can

What each step does is in one place below, in the order in which it is taken.
"""

import contextlib
import os
import resource
import signal
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.jail import linux
from autograder.jail.calls import filter_available, program

MEANINGS = {
    "namespaces": "learners' code ran without network, other processes or files, within limits",
    "landlock": "learners' code ran without network or other files, within limits, among the machine's processes",
    "process": "learners' code ran in processes of its own, within limits, but was not kept from files or network",
}
LEVELS = tuple(MEANINGS)  # the strongest first

NOBODY = 65534  # the user that a worker becomes where the grader is root
INSIDE = 1000  # what that user is called in the worker
OPEN_FILES, FILE_SIZE, THREADS = 256, 64 << 20, 256
SCRATCH_AT = "scratch"
SCRATCH = "size=128m,nr_inodes=4096,mode=777"


@dataclass(frozen=True)
class Limits:
    """What a worker may use. Wall-clock time is kept by the examiner, outside."""

    memory: int = 2 << 30  # bytes beyond what the nursery had
    cpu: int = 600  # seconds; only the last resort, should nobody be there to end it


@cache
def needed() -> dict[str, str]:
    """Where Python, its packages and the libraries under them are: paths, and where links on the way lead."""
    places = [sys.prefix, sys.base_prefix, *site.getsitepackages(), sysconfig.get_path("stdlib")]
    places += ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/share/fonts"]
    places += ["/etc/ld.so.cache", "/etc/localtime", "/etc/fonts"]
    found = {os.path.abspath(place) for place in places} | {os.path.realpath(place) for place in places}
    kept: dict[str, str] = {}
    for place in sorted(found):
        if os.path.exists(place) and not any(place.startswith(other + "/") for other in kept):
            kept[place] = os.path.realpath(place)
    return kept


@cache
def hidden() -> list[str]:
    """Installed copies of this project: the answers and the rubrics are in them."""
    folders = {Path(folder) for folder in (*site.getsitepackages(), site.getusersitepackages())}
    return [str(f / name) for f in folders for name in ("handmade", "autograder") if (f / name).exists()]


# --- Once, in the nursery -----------------------------------------------------------------------------


def enter_namespaces() -> None:
    """Leave the machine's users, processes, network and mounts. Only in a process with one thread.

    Where the grader is root, a second user is brought along, as whom the workers run. Only a process outside can
    write that map, so one is left behind for it. Another is left behind to wait: who goes on is a fork, the first
    process of the new namespace, and when it dies all that are in there die.
    """
    root, user, group = os.geteuid() == 0, os.geteuid(), os.getegid()
    users = f"0 {user} 1\n" + (f"{INSIDE} {NOBODY} 1\n" if root else "")
    groups = f"0 {group} 1\n" + (f"{INSIDE} {NOBODY} 1\n" if root else "")
    ready, done = os.pipe(), os.pipe()
    me = os.getpid()
    mapper = os.fork()
    if mapper == 0:
        try:
            os.close(ready[1])
            os.read(ready[0], 1)
            if not root:
                Path(f"/proc/{me}/setgroups").write_text("deny")
            Path(f"/proc/{me}/uid_map").write_text(users)
            Path(f"/proc/{me}/gid_map").write_text(groups)
            os.write(done[1], b"1")
        finally:
            os._exit(0)
    os.close(done[1])
    try:
        linux.unshare(
            linux.CLONE_NEWUSER
            | linux.CLONE_NEWPID
            | linux.CLONE_NEWNS
            | linux.CLONE_NEWNET
            | linux.CLONE_NEWIPC
            | linux.CLONE_NEWUTS
        )
    finally:
        os.close(ready[1])
        mapped = os.read(done[0], 1)
        os.waitpid(mapper, 0)
    if not mapped:
        raise OSError("the map of users was refused")
    if child := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)


def enter_root(libraries: str) -> None:
    """A root that holds Python and the libraries, read-only, a few devices, and nothing else."""
    linux.mount("tmpfs", "/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,mode=755")
    for name in ("old", "new"):
        os.mkdir(f"/tmp/{name}")
    linux.pivot_root("/tmp", "/tmp/old")
    os.chdir("/")
    linux.mount("tmpfs", "/new", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,mode=755")
    for place, real in needed().items():
        _bind("/old" + real, "/new" + place)
    _bind("/old" + libraries, "/new/libraries")
    os.makedirs("/new/empty")
    for place in hidden():
        linux.mount("/new/empty", "/new" + place, flags=linux.MS_BIND)
    for device in ("null", "zero", "full", "random", "urandom"):
        _bind(f"/old/dev/{device}", f"/new/dev/{device}", read_only=False)
    for folder in ("library", "proc", SCRATCH_AT):
        os.makedirs(f"/new/{folder}")
    if not os.path.exists("/new/tmp"):  # Python itself may lie there
        os.symlink(f"/{SCRATCH_AT}", "/new/tmp")
    Path("/new/etc").mkdir(exist_ok=True)
    Path("/new/etc/passwd").write_text(f"learner:x:{INSIDE}:{INSIDE}::/tmp:/bin/false\n")
    linux.pivot_root("/new", "/new/empty")
    os.chdir("/")
    linux.unmount("/empty")
    read_only = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("none", "/", flags=linux.MS_REMOUNT | linux.MS_BIND | read_only)


def _bind(source: str, target: str, read_only: bool = True) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    linux.mount(source, target, flags=linux.MS_BIND | linux.MS_REC)
    if read_only:
        linux.make_read_only(target)


def memory_in_use() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


# --- For each exercise, in its branch ------------------------------------------------------------------


def enter_library(level: str, library: str) -> str:
    """See one copy of the library and none of the others. Returns its path."""
    if level != "namespaces":
        return library
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(f"/libraries/{Path(library).name}", "/library", flags=linux.MS_BIND | linux.MS_REC)
    linux.unmount("/libraries")
    return "/library"


class Processes:
    """Sees to it that each worker has a namespace of processes to itself, where the level has that."""

    def __init__(self, level: str) -> None:
        self.ours = os.open("/proc/self/ns/pid", os.O_RDONLY) if level == "namespaces" else None

    @contextlib.contextmanager
    def new(self) -> Iterator[None]:
        """What is forked meanwhile is the first process of a namespace of its own."""
        if self.ours is None:
            yield
            return
        linux.unshare(linux.CLONE_NEWPID)
        try:
            yield
        finally:
            linux.enter(self.ours, linux.CLONE_NEWPID)


def make_scratch(level: str) -> str:
    """The path of a folder that will be the worker's own."""
    if level == "namespaces":
        return f"/{SCRATCH_AT}"
    scratch = tempfile.mkdtemp(prefix="handmade-")
    if os.geteuid() == 0:
        os.chmod(scratch, 0o777)
    return scratch


# --- In the worker itself, before it reads the first line of a learner ---------------------------------


def enter_scratch(level: str, scratch: str) -> None:
    """Be in the folder, which at the strongest level nobody else can see."""
    if level == "namespaces":
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("tmpfs", scratch, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, SCRATCH)
    os.chdir(scratch)


def lock(level: str, scratch: str, library: str, memory: int, limits: Limits) -> list[str]:
    """Give everything up. Returns the names of the locks that are on."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu, limits.cpu))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory + limits.memory,) * 2)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an OSError, not a death
    if level == "process":
        return ["limits"]
    locks = ["namespaces", "limits"] if level == "namespaces" else ["limits"]
    if os.geteuid() == 0 and (level == "namespaces" or _readable_by_nobody(library)):
        # In a namespace of one's own this is only possible where the grader is root; else it is not needed.
        try:
            nobody = INSIDE if level == "namespaces" else NOBODY
            os.setgroups([])
            os.setresgid(nobody, nobody, nobody)
            os.setresuid(nobody, nobody, nobody)
            locks.append("user")
        except OSError:
            pass
    if level == "namespaces":
        resource.setrlimit(resource.RLIMIT_NPROC, (THREADS, THREADS))
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if linux.landlock_version():
        devices = [
            (f"/dev/{name}", linux.WRITE_FILE) for name in ("null", "zero", "full", "random", "urandom")
        ]
        visible = needed() if level == "namespaces" else _without_hidden(list(needed()))
        places = [(place, linux.READ) for place in (*visible, library)]
        linux.landlock([*places, *devices, (scratch, linux.READ | linux.WRITE)])
        locks.append("landlock")
    elif level == "landlock":
        raise OSError("this kernel has no Landlock")
    if not filter_available():
        raise OSError("there is no filter of system calls for this machine")
    linux.seccomp(program(os.getpid()))
    return [*locks, "seccomp"]


def _readable_by_nobody(library: str) -> bool:
    """Whether another user could read Python at all: a home folder is often closed to others."""
    parents = {parent for place in (sys.base_prefix, sys.prefix, library) for parent in Path(place).parents}
    return all(parent.stat().st_mode & 0o001 for parent in parents)


def _without_hidden(places: list[str]) -> list[str]:
    """Landlock can only allow, so a folder that holds something hidden is allowed piece by piece."""
    secret = hidden()
    allowed = []
    while places:
        place = places.pop()
        if any(other.startswith(place + "/") for other in secret):
            places += [entry.path for entry in os.scandir(place)]
        elif place not in secret:
            allowed.append(place)
    return allowed
