"""A break-out attempt, run inside a worker before any learner's code is: each thing that a jail should prevent.

It is the grader's own code, so it says truly what it could do. The source of this file is what the worker runs.
"""

import os
import socket
import threading

ALLOWED = {  # what a level does not promise to prevent
    "namespaces": set(),
    "landlock": set(),
    "process": {
        "it can read files",
        "it can write files",
        "it can start processes",
        "it can use the network",
    },
}


def attempts(here):
    """What happened, as {what: whether it could}. `here` has a secret file, a port and the grader's number."""

    def read():
        return open(here["secret"]).read() == "secret"

    def write():
        return open(here["secret"], "a").write("!") == 1

    def run():
        child = os.fork()
        if child == 0:
            os._exit(0)
        return os.waitpid(child, 0)[0] == child

    def connect():
        return bool(socket.create_connection(("127.0.0.1", here["port"]), timeout=1))

    def grader():
        __import__("autograder.rubric")
        return True

    def answers():
        __import__("handmade.attention")
        return True

    def no_scratch():
        with open("scratch", "w") as file:
            file.write("x")
        return open("scratch").read() != "x"

    def no_threads():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        return False

    return {
        "it can read files": succeeds(read),
        "it can write files": succeeds(write),
        "it can start processes": succeeds(run),
        "it can use the network": succeeds(connect),
        "it can import the grader": succeeds(grader),
        "it can import the library's answers": succeeds(answers),
        "it has no folder to write to": succeeds(no_scratch, otherwise=True),
        "it has no threads": succeeds(no_threads, otherwise=True),
    }


def succeeds(attempt, otherwise=False):
    try:
        return attempt()
    except Exception:
        return otherwise
