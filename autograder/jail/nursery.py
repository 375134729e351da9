"""The warm process of which workers are forks: torch is imported, one thread runs, and there is nothing to find.

    python -m autograder.jail.nursery CONTROL LEVEL LIBRARIES

It takes orders from the grader over the socket CONTROL. For each exercise it grows a *branch*, a fork that has one
copy of the library and has run the day's set-up, and takes orders in turn. For each worker, a fork of it, a branch is
sent two sockets: the *channel*, which carries requests and answers, and the *leash*. The branch ends the worker as
soon as the other end of the leash is closed, so that none outlives the grader, and reports over it how the worker
ended. Nursery and branches never compute: a fork of a process with more than one thread can hang.
"""

import gc
import importlib.util
import json
import os
import random
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass, field, replace
from typing import Any

import matplotlib
import matplotlib.pyplot
import numpy
import torch
import torch.utils.data

from autograder.jail import levels
from autograder.jail.keeper import Keeper, Kept
from autograder.wire import decode, encode, send_frame
from autograder.worker import Worker, cell, serve, setup

SEED = 0  # of what the learner's code may draw; no secret, and the same for everyone


@dataclass(frozen=True)
class Ground:
    """What a fork inherits."""

    level: str
    memory: int  # the address space in use before any learner's code, in bytes
    processes: levels.Processes | None = None
    library: str = ""  # the folder with the branch's copy
    namespace: dict[str, Any] = field(default_factory=dict)  # what the set-up has defined
    device: str = "cpu"  # where the learner's code is given its tensors


def main(control: socket.socket, level: str, libraries: str) -> None:
    """Warm up, enter the jail as far as all workers share it, and fork until the grader closes the socket."""
    if level == "namespaces":
        levels.enter_namespaces()
    warm_up()
    processes = levels.Processes(level)
    ground = Ground(level, levels.memory_in_use() if sys.platform == "linux" else 0, processes)
    levels.needed(), levels.hidden()  # found while they can be
    if level == "namespaces":
        levels.enter_root(libraries)
    forget_the_grader()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the dead
    grow_branches(control, ground)


def warm_up() -> None:
    """Have everything imported that is imported at first use: seconds, which are not the learner's."""
    torch.set_num_threads(1)
    torch.ones(2, 2, device="meta").tril()
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    matplotlib.use("agg")
    # Compiling changes no result, takes seconds, and starts a compiler, which no worker may.
    torch.compile = lambda function=None, **options: function or (lambda function: function)


def forget_the_grader() -> None:
    """Leave no way by which `import` finds the grader or the library with its answers."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in str(finder)]
    sys.path[:] = [p for p in sys.path if any(p == n or p.startswith(n + "/") for n in levels.needed())]
    sys.path_importer_cache.clear()
    sys.modules["autograder"].__path__ = []
    os.environ.clear()
    os.environ.update(HOME="/tmp", PATH="", LANG="C.UTF-8", USER="learner", MPLBACKEND="agg")
    sys.argv = [""]


def grow_branches(control: socket.socket, ground: Ground) -> None:
    """Fork a branch at every order, until the grader closes the socket."""
    share()
    control.send(b"ready")
    while order := receive(control):
        message, (end,) = order
        if os.fork() == 0:
            try:
                control.close()
                grow(json.loads(message), ground, socket.socket(fileno=end))
            finally:
                os._exit(0)
        os.close(end)


def share() -> None:
    """Make ready to be forked: what is there now stays as it is, so that its memory stays shared with the forks."""
    gc.collect()
    gc.freeze()


def receive(control: socket.socket) -> tuple[bytes, list[int]] | None:
    """An order, with the files that came with it; None at the end."""
    message, files, *_ = socket.recv_fds(control, 1 << 20, 2)
    return (message, files) if message else None


def grow(order: dict[str, Any], ground: Ground, control: socket.socket) -> None:
    """Be a branch: see one copy of the library, run the day's set-up, which is ours, and take orders."""
    library = levels.enter_library(ground.level, order["library"])
    sys.path.insert(0, library)
    worker = Worker({})
    setup(worker, order["setup"], order["stand_ins"])
    rehearse()
    # Each folder of packages has then been listed once, for all.
    importlib.util.find_spec("what_is_nowhere")
    seed()
    start_workers(control, replace(ground, library=library, namespace=worker.namespace))


def rehearse() -> None:
    """Answer a few questions, so that what Python and torch make ready at the first ones is not made in each worker."""

    def attend(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = (q @ k.transpose(-2, -1) / 2.0).masked_fill(~mask, float("-inf"))
        return torch.nn.functional.softmax(scores, dim=-1) @ k

    worker = Worker({"attend": attend})
    q, mask = torch.zeros(2, 4, 8), torch.ones(4, 4, dtype=torch.bool).tril()
    cell(worker, CELL, "cell", only_definitions=False, answers=["Layer"])
    for _ in range(20):
        for cotangent in ({}, {"cotangent": q}):
            request = {
                "op": "gradients" if cotangent else "call",
                "args": (q, q, mask),
                "kwargs": {},
            } | cotangent
            target = decode(worker.answer(encode({"op": "name", "name": "attend"}), bytes))["ok"]
            worker.answer(encode(request | {"target": target}), bytes)


CELL = '''
import math

class Layer:
    """A small one."""

    def forward(self, x: float, *others, scale=2.0) -> float:
        if x is None or not others:
            return [scale * y / 2 for y in (1, 2)]
        return {"x": f"{x:.2f}", **{}}
'''


def seed() -> None:
    """What the learner's code draws is the same in every worker."""
    random.seed(SEED), numpy.random.seed(SEED), torch.manual_seed(SEED)


def start_workers(control: socket.socket, ground: Ground) -> None:
    """Fork a worker at every order, and be the keeper of all, until the grader closes the socket."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # how they end is told
    keeper = Keeper(ground.level)
    share()
    control.send(b"ready")
    while True:
        keeper.wait(control)
        order = receive(control)
        if not order:
            return
        message, (channel, leash) = order
        scratch = levels.make_scratch(ground.level)
        with ground.processes.new():
            worker = os.fork()
            if worker == 0:
                be_worker(levels.Limits(**json.loads(message)), ground, scratch, channel)
        os.close(channel)
        keeper.take(
            Kept(worker, socket.socket(fileno=leash), "" if ground.level == "namespaces" else scratch)
        )


def be_worker(limits: levels.Limits, ground: Ground, scratch: str, channel_fd: int) -> None:
    """Lock oneself in, and answer until the channel is closed. Never returns."""
    try:
        os.closerange(3, channel_fd)
        os.closerange(channel_fd + 1, 1 << 20)  # of other workers, and what leads to the grader
        channel = socket.socket(fileno=channel_fd)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        os.close(nowhere)
        os.environ.update(HOME=scratch, TMPDIR=scratch, MPLCONFIGDIR=scratch)
        tempfile.tempdir = None  # it is found anew
        try:
            levels.enter_scratch(ground.level, scratch)
            locks = levels.lock(ground.level, scratch, ground.library, ground.memory, limits)
        except OSError as error:
            send_frame(channel, b"E", str(error).encode())
            os._exit(1)
        send_frame(channel, b"L", " ".join(locks).encode())
        serve(Worker(ground.namespace, ground.device), channel)
    finally:
        os._exit(0)


if __name__ == "__main__":
    # The grader's end of the socket is the only file that came along.
    _control, _level, _libraries = sys.argv[1:]
    main(socket.socket(fileno=int(_control)), _level, _libraries)
