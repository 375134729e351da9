"""The parent of one worker: it waits, ends the worker when it is told to or when the grader is gone, and says how."""

import json
import os
import select
import signal
import socket
from contextlib import suppress


def watch_over(worker: int, leash: socket.socket, level: str) -> None:
    """See one's child to its end, and report it over the leash."""
    _, status, used = _wait(worker, leash) or _kill(worker, level)
    tell(leash, {"status": os.waitstatus_to_exitcode(status), "cpu": used.ru_utime + used.ru_stime})


def _kill(worker: int, level: str) -> tuple:
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)  # in a namespace all that it started dies with it
    if level == "process":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker, signal.SIGKILL)  # else what is still in its session does
    return os.wait4(worker, 0)


def tell(leash: socket.socket, report: dict) -> None:
    """Send a report, if the grader is still there."""
    with suppress(OSError):
        leash.send(json.dumps(report).encode())


def _wait(worker: int, leash: socket.socket) -> tuple | None:
    """Until the other end of the leash is closed, or the worker has ended."""
    watch = select.poll()
    watch.register(leash, select.POLLIN)
    if hasattr(os, "pidfd_open"):
        watch.register(os.pidfd_open(worker), select.POLLIN)
        watch.poll()
        return None
    while not watch.poll(20):
        ended = os.wait4(worker, os.WNOHANG)
        if ended[0]:
            return ended
    return None
