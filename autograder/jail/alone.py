"""A worker without a nursery, for where a process that has imported torch must not fork: with CUDA, and on macOS.

    python -m autograder.jail.alone keeper CHANNEL LEASH < order

The keeper, which imports nothing, starts the worker as a new Python: seconds instead of milliseconds. There is no
jail beyond limits on a process of its own: CUDA needs the machine's devices, and more address space than any limit.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile

from autograder.jail.keeper import Keeper, Kept


def keep(channel: int, leash: int) -> None:
    """Start a worker, which reads the order from the same standard input, and see it to its end."""
    scratch = tempfile.mkdtemp(prefix="handmade-")
    command = [sys.executable, "-m", "autograder.jail.alone", "worker", str(channel), scratch]
    worker = subprocess.Popen(command, pass_fds=[channel])
    os.close(channel)
    keeper = Keeper("process")
    keeper.take(Kept(worker.pid, socket.socket(fileno=leash), scratch))
    keeper.wait()


def work(order: dict, channel: int, scratch: str) -> None:
    """Do at once what nursery, branch and worker do one after the other."""
    from autograder.jail import nursery
    from autograder.jail.levels import Limits
    from autograder.worker import Worker, setup

    nursery.warm_up()
    nursery.forget_the_grader()
    sys.path.insert(0, order["library"])
    prepared = Worker({})
    setup(prepared, order["setup"], order["stand_ins"])
    nursery.seed()
    ground = nursery.Ground("process", 0, None, order["library"], prepared.namespace, order["device"])
    nursery.be_worker(Limits(**order["limits"]), ground, scratch, channel)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["keeper", _channel, _leash]:
            keep(int(_channel), int(_leash))
        case ["worker", _channel, _scratch]:
            work(json.loads(sys.stdin.read()), int(_channel), _scratch)
