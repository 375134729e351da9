"""The grader's side of the jail: start a nursery at the strongest level that holds, get workers, end them."""

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from autograder.jail import trial
from autograder.jail.levels import LEVELS, Limits
from autograder.remote import Channel, Learner, LearnerError
from autograder.wire import WireError, receive_frame, send_frame
from autograder.worker import Ask
from handmade.errors import UserError

# Huge pages, which Python's own allocator would not use, make a fork a third cheaper; fewer arenas leave address space.
MEMORY = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "MALLOC_ARENA_MAX": "2"}
STARTING = 120.0  # seconds that a nursery may take to import torch on a busy machine
MOST_BRANCHES = 24  # each has some 20 MB to itself, and a day has at most eight exercises
MOST_DATA = 256 << 20  # bytes that one worker may return in all


class NotJailed(RuntimeError):
    """A worker could not be locked in as its nursery's level says. No learner's code was run in it."""


class Nursery:
    """The warm process. Copies of the library are put into the folder `libraries`.

    Raises:
        OSError: this level is not to be had here.
    """

    def __init__(self, level: str) -> None:
        self.level = level
        self.libraries = Path(tempfile.mkdtemp(prefix="handmade-libraries-"))
        self.libraries.chmod(0o755)
        self.branches: dict[str, Branch] = {}
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
        module = [sys.executable, "-m", "autograder.jail.nursery"]
        with theirs:
            self.process = subprocess.Popen(
                [*module, str(theirs.fileno()), level, str(self.libraries)],
                pass_fds=[theirs.fileno()],
                env=_innocent_environment() | threads | MEMORY,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the grader
            )
        atexit.register(self.close)
        try:
            _await(self.control)
        except OSError:
            complaint = self.process.stderr.read().decode(errors="replace").strip() or "it ended"
            self.close()
            raise OSError(complaint.splitlines()[-1]) from None

    def branch(self, name: str, setup: Sequence[str], stand_ins: dict[str, str] | None = None) -> "Branch":
        """The branch that has the library in libraries/`name`, has run `setup`, and has the library's `stand_ins`.

        It is grown when first asked for. Where there are many, the one that was not used for longest is cut off: its
        exercise is of another day than those that have workers now.
        """
        if name in self.branches:
            self.branches[name] = self.branches.pop(name)  # the last one used is the last one in
        else:
            if len(self.branches) == MOST_BRANCHES:
                self.branches.pop(next(iter(self.branches))).control.close()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            order = {"library": str(self.libraries / name), "setup": list(setup)} | {
                "stand_ins": stand_ins or {}
            }
            with theirs:
                socket.send_fds(self.control, [json.dumps(order).encode()], [theirs.fileno()])
            _await(ours)
            self.branches[name] = Branch(ours)
        return self.branches[name]

    def close(self) -> None:
        """End the nursery and its branches. Workers end with their leashes."""
        atexit.unregister(self.close)
        for branch in self.branches.values():
            branch.control.close()
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        shutil.rmtree(self.libraries, ignore_errors=True)


@dataclass(frozen=True)
class Branch:
    """A fork of the nursery, of which workers are forks."""

    control: socket.socket

    def worker(self, limits: Limits) -> "Process":
        """A new worker, jailed. It is getting ready while this returns."""
        ours, channel = socket.socketpair()
        leash, theirs = socket.socketpair()
        with channel, theirs:
            order = json.dumps(asdict(limits)).encode()
            socket.send_fds(self.control, [order], [channel.fileno(), theirs.fileno()])
        return Process(ours, leash)


class Spawner:
    """In place of a nursery where none may be: each worker is a new Python. Tensors are handed to it on `device`."""

    level = "process"

    def __init__(self, device: str) -> None:
        self.device = device
        self.libraries = Path(tempfile.mkdtemp(prefix="handmade-libraries-"))
        atexit.register(self.close)

    def branch(self, name: str, setup: Sequence[str], stand_ins: dict[str, str] | None = None) -> "Spawned":
        return Spawned(str(self.libraries / name), list(setup), stand_ins or {}, self.device)

    def close(self) -> None:
        atexit.unregister(self.close)
        shutil.rmtree(self.libraries, ignore_errors=True)


@dataclass(frozen=True)
class Spawned:
    """What the workers of one exercise are started with."""

    library: str
    setup: list[str]
    stand_ins: dict[str, str]
    device: str

    def worker(self, limits: Limits) -> "Process":
        """A new worker. It is getting ready, for some seconds, while this returns."""
        ours, channel = socket.socketpair()
        leash, theirs = socket.socketpair()
        order = asdict(self) | {"limits": asdict(replace(limits, memory=0))}
        with channel, theirs, tempfile.TemporaryFile() as file:
            file.write(json.dumps(order).encode())
            file.seek(0)
            ends = [channel.fileno(), theirs.fileno()]
            subprocess.Popen(
                [sys.executable, "-m", "autograder.jail.alone", "keeper", *map(str, ends)],
                pass_fds=ends,
                env=_innocent_environment(),
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return Process(ours, leash)


def _await(control: socket.socket) -> None:
    control.settimeout(STARTING)
    if control.recv(16) != b"ready":
        raise OSError("it ended")


def _innocent_environment() -> dict[str, str]:
    """What Python needs to start; nothing that somebody may have put into theirs."""
    kept = (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "VIRTUAL_ENV",
        "SYSTEMROOT",
        "TMPDIR",
    )
    return {name: os.environ[name] for name in kept if name in os.environ}


@dataclass
class Process:
    """One worker. It, and whatever is done with its answers, may last until `deadline`, a monotonic time."""

    channel: socket.socket
    leash: socket.socket
    deadline: float = 0.0
    allowed: float = 0.0
    received: int = 0
    gone: LearnerError | None = None
    locks: list[str] = field(default_factory=list)  # what holds it; known once it has answered

    def allow(self, seconds: float) -> None:
        """Give it so much time from now on."""
        self.allowed, self.deadline = seconds, time.monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds that it has left."""
        return max(0.0, self.deadline - time.monotonic())

    def send(self, request: bytes, serve: Ask) -> bytes:
        """Ask it something; its own questions in between go to `serve`.

        Raises:
            LearnerError: it took too long, said too much, or died, now or earlier.
            NotJailed: it never got as far as a learner's code.
        """
        if self.gone:
            raise self.gone
        if not self.locks:
            self._meet()
        try:
            send_frame(self.channel, b"R", request, self.deadline)
            while True:
                letter, message = receive_frame(self.channel, self.deadline)
                self.received += len(message)
                if self.received > MOST_DATA:
                    raise WireError("over 256 MiB in all")
                if letter == b"A":
                    return message
                if letter != b"Q":
                    raise WireError("a frame of an unknown kind")
                reply = serve(message)  # in which it may be asked something in turn
                if self.gone:
                    raise self.gone
                send_frame(self.channel, b"A", reply, self.deadline)
        except TimeoutError:
            raise self._end(f"it ran longer than {self.allowed:g} seconds", "TimeUp") from None
        except WireError as error:
            raise self._end(f"it returned {error}", "WireError") from None
        except (EOFError, OSError):
            raise self._end("", "Died") from None

    def _meet(self) -> None:
        """Wait until it is locked in. That takes its time from nobody's allowance."""
        began = time.monotonic()
        try:
            letter, message = receive_frame(self.channel, began + STARTING)
        except (EOFError, OSError) as error:
            raise NotJailed(self.end().get("error") or str(error)) from None
        if letter != b"L":
            raise NotJailed(message.decode())
        self.locks = message.decode().split()
        self.deadline += time.monotonic() - began

    def _end(self, message: str, kind: str) -> LearnerError:
        report = self.end()
        if kind == "Died":
            message = _death(report.get("status"))
        self.gone = LearnerError(kind, message)
        return self.gone

    def end(self) -> dict:
        """End it, and wait until it is dead. Returns how it ended, and the processor time that it had."""
        if self.leash.fileno() < 0:
            return {}
        self.channel.close()
        self.leash.shutdown(socket.SHUT_WR)
        self.leash.settimeout(5.0)
        with self.leash, contextlib.suppress(OSError, ValueError):
            return json.loads(self.leash.recv(1 << 16))
        return {}

    def close(self) -> None:
        """Let go: its parent ends it, within milliseconds."""
        self.channel.close()
        self.leash.close()


def _death(status: int | None) -> str:
    """Why a process ended that should have gone on, as far as its exit status tells."""
    match status:
        case -9 | None:
            return "its process was killed: most likely it used too much memory"
        case -11 | -7 | -4:
            return "its process crashed"
        case _:
            return "its process ended"


# --- Choosing a level ---------------------------------------------------------------------------------


def start(required: str = "", device: str = "cpu") -> Nursery | Spawner:
    """A nursery at the strongest level that this system allows and that holds against a trial break-out.

    Raises:
        UserError: that is weaker than `required`.
    """
    if device != "cpu" or sys.platform == "darwin":
        if required not in ("", "process"):
            raise UserError(
                f"On {device if device != 'cpu' else 'macOS'} there is no isolation but “process”; leave "
                f"out --require-isolation {required}, or grade on the CPU of a Linux machine."
            )
        return Spawner(device)
    reasons = []
    for level in LEVELS:
        nursery, problems = _try(level)
        if nursery:
            return nursery
        reasons.append(f"{level}: {'; '.join(problems)}")
        if level == required:
            raise UserError(
                f"Isolation “{required}” is not to be had on this system ({'; '.join(reasons)}); "
                "choose a lower --require-isolation, or another system."
            )
    raise UserError(f"No process for learners' code can be started ({'; '.join(reasons)}).")


def examine_levels() -> Iterator[tuple[str, list[str]]]:
    """Each level, and why it does not hold here: nothing where it does."""
    for level in LEVELS:
        nursery, problems = _try(level)
        if nursery:
            nursery.close()
        yield level, problems


def _try(level: str) -> tuple[Nursery | None, list[str]]:
    try:
        nursery = Nursery(level)
    except OSError as error:
        return None, [str(error)]
    if problems := break_out(nursery):
        nursery.close()
        return None, problems
    return nursery, []


def break_out(nursery: Nursery) -> list[str]:
    """What a worker of this nursery can do that its level should not let it: a real attempt at each."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        secret = Path(folder) / "secret"
        os.chmod(folder, 0o755)
        secret.write_text("secret")
        (nursery.libraries / "none").mkdir()
        worker = nursery.branch("none", [Path(trial.__file__).read_text(encoding="utf-8")]).worker(Limits())
        worker.allow(STARTING)
        here = {"secret": str(secret), "port": listener.getsockname()[1], "grader": os.getpid()}
        try:
            attempts = Learner(Channel(worker.send)).attempts(here)
        except (LearnerError, NotJailed) as error:
            return [str(error)]
        finally:
            worker.close()
    allowed = trial.ALLOWED[nursery.level]
    return sorted(name for name, happened in attempts.items() if happened and name not in allowed)
