"""Where the work is done: in this process, in several of this machine, or on a Dask cluster."""

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from handmade.errors import UserError

if TYPE_CHECKING:
    from distributed import Client

    from autograder.batch import Task
    from autograder.report import Report

WORTH = 20  # submissions for which one process more is worth its start of some seconds
AHEAD = 4  # tasks that are under way for each worker, so that none waits, and few notebooks are in memory
LIVES = 3  # workers that may die under one submission before it is left to a person


def spread(tasks: "Sequence[Task]", jobs: int, scheduler: str) -> "Iterator[tuple[Task, Report]]":
    """Do the tasks; each comes back with its report, in the order in which they are done."""
    if not tasks:
        return
    jobs = min(jobs, -(-len(tasks) // WORTH))
    if not scheduler and jobs == 1:
        for task in tasks:
            yield task, task.loaded().do()
        return
    with _client(jobs, scheduler) as client:
        yield from _on(client, tasks)


@contextlib.contextmanager
def _client(jobs: int, scheduler: str) -> "Iterator[Client]":
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said in the reports
    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": LIVES - 1,
            "distributed.comm.timeouts.connect": "10s",
            "distributed.worker.profile.enabled": False,  # it would look at every thread a hundred times a second
        }
    )
    if not scheduler:
        with (
            LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"There is no Dask scheduler at {scheduler} ({reason}); start one: dask scheduler"
        ) from None
    with client:
        yield client


def _on(client: "Client", tasks: "Sequence[Task]") -> "Iterator[tuple[Task, Report]]":
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    left = iter(tasks)
    underway = {}

    def next_one() -> list:
        for task in left:
            future = client.submit(do, task.loaded(), pure=False)
            underway[future] = task
            return [future]
        return []

    ready = as_completed()
    for _ in range(AHEAD * max(1, sum(client.nthreads().values()))):
        ready.update(next_one())
    for future in ready:
        task = underway.pop(future)
        try:
            report = future.result()
        except KilledWorker:
            report = _gave_up(task)
        ready.update(next_one())
        yield task, report


# A worker of a cluster may have several threads, and limits are a process's.
_one_at_a_time = threading.Lock()


def do(task: "Task") -> "Report":
    """Grade one submission, in a worker of the cluster."""
    with _one_at_a_time:
        return task.do()


def _gave_up(task: "Task") -> "Report":
    problem = f"The grader itself was ended {LIVES} times at this submission: an instructor must look at it."
    return replace(task, found=replace(task.found, problem=problem)).do()
