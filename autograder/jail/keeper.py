"""The parent of workers: it ends each when it is told to or when the grader is gone, and says how it ended."""

import json
import os
import select
import shutil
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass

TICK = 20  # milliseconds between looks where the kernel has no pidfd (before Linux 5.3)


@dataclass
class Kept:
    """A child to see to its end. Whoever holds the other end of the leash is told of it."""

    pid: int
    leash: socket.socket | None
    scratch: str = ""  # the folder to remove when it is dead; "" where it goes with the worker's own mounts


class Keeper:
    """All the workers of one process, at one level. Nobody else may wait for its children."""

    def __init__(self, level: str) -> None:
        self.level = level
        self.kept: list[Kept] = []
        self.poll = select.poll()
        self.meanings: dict[int, Kept] = {}  # what a file that has become readable is of
        self.pidfds = hasattr(os, "pidfd_open")

    def take(self, child: Kept) -> None:
        self.kept.append(child)
        if child.leash:
            self._watch(child.leash.fileno(), child)
        if self.pidfds:
            try:
                self._watch(os.pidfd_open(child.pid), child)
            except OSError:
                self.pidfds = False

    def wait(self, control: socket.socket | None = None) -> None:
        """See to the workers until an order comes, or the orders end; without a `control`, until none is left."""
        if control:
            self.poll.register(control, select.POLLIN)
        while control or self.kept:
            ready = [fd for fd, _ in self.poll.poll(None if self.pidfds else TICK)]
            for fd in ready:
                child = self.meanings.get(fd)
                if child and child.leash and fd == child.leash.fileno():
                    self._forget(fd)
                    os.kill(child.pid, signal.SIGKILL)  # in a namespace all that it started dies with it
                elif child:
                    self._forget(fd)
                    os.close(fd)
                    self._bury(child)
            if not self.pidfds:
                look = os.WEXITED | os.WNOHANG | os.WNOWAIT
                for child in [child for child in self.kept if os.waitid(os.P_PID, child.pid, look)]:
                    self._bury(child)
            if control and control.fileno() in ready:
                return

    def _watch(self, fd: int, child: Kept) -> None:
        self.meanings[fd] = child
        self.poll.register(fd, select.POLLIN)

    def _forget(self, fd: int) -> None:
        if self.meanings.pop(fd, None):
            self.poll.unregister(fd)

    def _bury(self, child: Kept) -> None:
        """It is dead. Until somebody has waited for it, its number is nobody else's."""
        self.kept.remove(child)
        if self.level == "process" and child.leash:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)  # what it started and is still in its session
        _, status, used = os.wait4(child.pid, 0)
        if child.leash:
            self._forget(child.leash.fileno())
            report = {
                "status": os.waitstatus_to_exitcode(status),
                "cpu": used.ru_utime + used.ru_stime,
                "flt": used.ru_minflt,
                "st": used.ru_stime,
            }
            with suppress(OSError):  # the grader may be gone
                child.leash.send(json.dumps(report).encode())
            child.leash.close()
        if child.scratch:  # in a process of its own: how much is in there is up to the learner
            remover = os.fork()
            if remover == 0:
                try:
                    shutil.rmtree(child.scratch, ignore_errors=True)
                finally:
                    os._exit(0)
            self.take(Kept(remover, None))
