"""What can be held back while the learner's code runs in the examiner's own process.

Time, output, input, exits and the current folder: enough for honest mistakes, and no isolation at all. Code that
means harm can reach everything here; every report says so.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import cache

import torch

ISOLATION = "none"
MEANING = "learners' code ran inside the grader's own process, so it was not kept from tampering"


class TimeUp(BaseException):
    """The learner's code used up its time. Not an Exception, so that `except Exception` does not swallow it."""


class Interrupted(BaseException):
    """A person pressed Ctrl-C. A KeyboardInterrupt, on the other hand, was raised by the learner's code."""


class Allowance:
    """So many seconds of wall clock; each `spend()` takes from what is left. In the main thread only."""

    def __init__(self, seconds: float) -> None:
        self.seconds = self.left = seconds

    @contextlib.contextmanager
    def spend(self) -> Iterator[None]:
        """Run the learner's code: quietly, without input, and until the time is up.

        Raises:
            TimeUp: nothing is left.
        """
        if self.left <= 0:
            self._ring()
        began = time.monotonic()
        handlers = {s: signal.getsignal(s) for s in (signal.SIGALRM, signal.SIGINT)}
        signal.signal(signal.SIGALRM, self._ring)
        signal.signal(signal.SIGINT, _interrupt)
        # It rings again and again, for code that swallows the first ring in a bare `except:`.
        signal.setitimer(signal.ITIMER_REAL, self.left, 0.1)
        try:
            with _quiet():
                yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self.left -= time.monotonic() - began

    def _ring(self, *signal_and_frame: object) -> None:
        raise TimeUp(f"it ran longer than {self.seconds:g} seconds")


@cache
def warm_up() -> None:
    """Have torch import now what it imports at first use: seconds, which are not the learner's.

    An import that is cut off when time is up stays broken for everyone after.
    """
    torch.ones(2, 2, device="meta").tril()
    torch.optim.SGD([torch.zeros(1)])


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """stdout and stderr go nowhere, and there is nothing to read. They are real files: tqdm and others ask."""
    with open(os.devnull, "w") as nowhere, open(os.devnull) as nothing:
        stdin, sys.stdin = sys.stdin, nothing
        try:
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                yield
        finally:
            sys.stdin = stdin
