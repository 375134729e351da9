"""A class on a real Dask cluster and on this machine's cores; what happens when something is killed in mid-run."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "autograder" / "samples"
MIX = ("ada", "alan", "barbara", "charles", "dorothy", "edsger", "frances", "george")
SCORES = dict(zip(MIX, (26, 23, 22, 24, 22, 25, 20, 17), strict=True))
PATIENCE = 120.0  # seconds for what a busy machine does in a few
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def class_(tmp_path) -> Path:
    """Twenty-four submissions."""
    folder = tmp_path / "class"
    folder.mkdir()
    for number in range(24):
        name = MIX[number % len(MIX)]
        (folder / f"{name}{number:02}.ipynb").write_bytes((SAMPLES / f"{name}.ipynb").read_bytes())
    return folder


def grade(folder: Path, out: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "autograder", "grade", folder, "--out", out, *options]
    return subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(run: subprocess.Popen) -> str:
    printed, complaints = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, complaints
    assert "Traceback" not in complaints, complaints
    return printed


def reports(out: Path) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in out.glob("day09/*.json")}


def check(out: Path, folder: Path) -> None:
    found = reports(out)
    assert found.keys() == {path.stem for path in folder.iterdir()}, "a submission has no report"
    wrong = {name: r["earned"] for name, r in found.items() if r["earned"] != SCORES[name[:-2]]}
    assert not wrong, wrong
    assert not list(out.rglob("*.part")), "half a file was left"
    assert all((out / "day09" / f"{name}.html").exists() for name in found)


def wait_for(what: str, true) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited for {what} in vain"
        time.sleep(0.02)


@contextlib.contextmanager
def dask(*arguments: str) -> Iterator[subprocess.Popen]:
    """`dask ...` in a session of its own, so that all of it can be killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def cluster(tmp_path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a scheduler on loopback, and its two workers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    options = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path))
    with (
        dask("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
        dask("worker", address, *options) as one,
        dask("worker", address, *options) as two,
    ):
        from distributed import Client

        with Client(address, timeout=PATIENCE) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
        yield address, [one, two]


def test_a_cluster_of_which_a_worker_is_killed_grades_everyone(cluster, class_, tmp_path):
    address, workers = cluster
    out = tmp_path / "out"
    run = grade(class_, out, "--scheduler", address)
    wait_for("the first reports", lambda: len(reports_there(out)) >= 4)
    assert len(reports_there(out)) < 24, "it was done before anything could be killed"
    os.killpg(workers[0].pid, signal.SIGKILL)
    printed = finish(run)
    check(out, class_)
    assert "24/24" in printed and "Isolation: namespaces" in printed


def test_processes_of_this_machine_give_the_same(class_, tmp_path):
    out = tmp_path / "out"
    finish(grade(class_, out, "--jobs", "2"))
    check(out, class_)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_that_was_killed_goes_on_where_it_stopped(class_, tmp_path, jobs):
    out = tmp_path / "out"
    run = grade(class_, out, "--jobs", jobs)
    wait_for("the first reports", lambda: len(reports_there(out)) >= 4)
    run.kill()
    run.communicate()
    done = {path: path.stat().st_mtime_ns for path in reports_there(out)}
    assert 4 <= len(done) < 24, f"{len(done)} were done when it was killed"
    seeds = {json.loads(path.read_text())["seed"] for path in done}  # each is whole: it can be read
    finish(grade(class_, out, "--jobs", jobs))
    check(out, class_)
    again = [path.stem for path, when in done.items() if path.stat().st_mtime_ns != when]
    assert not again, f"{again} were graded twice"
    assert {r["seed"] for r in reports(out).values()} == seeds, "the class was not given the same inputs"
    written = {path: path.stat().st_mtime_ns for path in reports_there(out)}
    assert "24/24" in finish(grade(class_, out, "--jobs", jobs))
    assert written == {path: path.stat().st_mtime_ns for path in reports_there(out)}, "done, and done again"


def test_two_runs_do_not_write_into_one_folder(class_, tmp_path):
    out = tmp_path / "out"
    first = grade(class_, out, "--jobs", "1")
    wait_for("the first report", lambda: reports_there(out))
    second = grade(class_, out, "--jobs", "1")
    _, complaints = second.communicate(timeout=PATIENCE)
    assert second.returncode == 2
    assert complaints.count("\n") == 1 and "Another run is writing to" in complaints, complaints
    finish(first)
    check(out, class_)


def test_a_scheduler_that_is_not_there_is_one_sentence(class_, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = grade(class_, tmp_path / "out", "--scheduler", f"tcp://127.0.0.1:{port}")
    _, complaints = run.communicate(timeout=PATIENCE)
    assert run.returncode == 2
    assert complaints.count("\n") == 1 and "There is no Dask scheduler at" in complaints, complaints


def reports_there(out: Path) -> list[Path]:
    return list(out.glob("day09/*.json"))
