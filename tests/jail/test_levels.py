"""The jail on systems that allow all of it, less, and hardly anything: each in a process made to be like that.

A report says which level it was, and the level is what a trial break-out has shown. Scores are the same on all.
"""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autograder import cli
from autograder.grade import Run, grade_notebook
from autograder.jail import calls, linux
from autograder.jail.handling import Nursery, Spawner, break_out, start
from autograder.jail.levels import LEVELS
from autograder.remote import Channel, Learner
from autograder.worker import Worker
from handmade.errors import UserError

ROOT = Path(__file__).parents[2]
SUBMISSION = ROOT / "autograder" / "samples" / "barbara.ipynb"

GRADE = f"""
import json
from pathlib import Path
from autograder.grade import Run, grade_notebook
raw = Path({str(SUBMISSION)!r}).read_bytes()
print(json.dumps(grade_notebook(raw, "barbara.ipynb", "barbara", Run(seed=4))))
"""


def graded_where(change: Callable[[], None]) -> dict:
    """The report that a process makes after `change` was done to it."""
    done = subprocess.run(
        [sys.executable, "-c", GRADE], cwd=ROOT, preexec_fn=change, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(report: dict, level: str, locks: set[str]) -> None:
    isolation = report["isolation"]
    assert isolation["level"] == level, isolation
    assert set(isolation["locks"]) == locks, isolation
    lost = {item["item"] for e in report["exercises"] for item in e["items"] if item["reason"]}
    assert (report["earned"], lost) == (22, {"scale", "pytorch"}), "another level, another score"


# --- Systems ------------------------------------------------------------------------------------------


def become(inside: int) -> None:
    """Enter a user namespace, as root (0) or as somebody else, with the rights that one has there."""
    user, group = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {group} 1")


def ordinary_user() -> None:
    become(1000)


def no_user_namespaces() -> None:
    become(0)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def ordinary_user_without_namespaces() -> None:
    no_user_namespaces()
    linux.drop_capabilities()
    refuse("unshare")


def old_kernel() -> None:
    """Neither namespaces nor Landlock."""
    refuse("unshare", "landlock_create_ruleset")


def refuse(*names: str) -> None:
    numbers = {"unshare": calls.REFUSED[errno.EPERM]["unshare"], "landlock_create_ruleset": (444, 444)}
    column, _ = calls._MACHINES[os.uname().machine]
    code = [calls._instruction(calls._LOAD, calls._NUMBER)]
    for name in names:
        code += [calls._instruction(calls._EQUAL, numbers[name][column], 0, 1), calls._refuse(errno.EPERM)]
    linux.seccomp(b"".join([*code, calls._instruction(calls._RETURN, calls._ALLOW)]))


def test_as_whoever_runs_the_tests():
    locks = {"namespaces", "limits", "landlock", "seccomp"} | ({"user"} if os.geteuid() == 0 else set())
    check(graded_where(lambda: None), "namespaces", locks)


def test_as_an_ordinary_user():
    check(graded_where(ordinary_user), "namespaces", {"namespaces", "limits", "landlock", "seccomp"})


@pytest.mark.parametrize("system", [no_user_namespaces, ordinary_user_without_namespaces])
def test_without_user_namespaces(system):
    check(graded_where(system), "landlock", {"limits", "landlock", "seccomp"})


def test_on_an_old_kernel():
    check(graded_where(old_kernel), "process", {"limits"})


# --- What is said of them -----------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_holds_what_it_promises(level):
    nursery = Nursery(level)
    try:
        assert break_out(nursery) == []
    finally:
        nursery.close()


def test_a_level_that_does_not_hold_is_noticed(monkeypatch):
    """The trial would pass only if it really tried."""
    monkeypatch.setattr("autograder.jail.trial.ALLOWED", {"process": set()})
    nursery = Nursery("process")
    try:
        leaks = break_out(nursery)
    finally:
        nursery.close()
    for wanted in ("read files", "write files", "start processes", "use the network"):
        assert any(wanted in leak for leak in leaks), f"{wanted!r} is not in {leaks}"


def test_doctor_says_what_holds_and_what_will_be_used(capsys):
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[:3]] == list(LEVELS)
    assert printed.count("holds") == 3 and "isolation “namespaces”" in printed


def test_less_than_what_is_required_is_refused(tmp_path):
    command = [sys.executable, "-m", "autograder", "grade", SUBMISSION.parent, "--out", tmp_path]
    done = subprocess.run(
        [*command, "--require-isolation", "landlock"],
        cwd=ROOT,
        preexec_fn=old_kernel,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stdout
    assert "Isolation “landlock” is not to be had on this system" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*/*.json")), "it graded all the same"


def test_workers_that_are_started_anew_give_the_same_scores(monkeypatch):
    """As on macOS and with CUDA, where nothing may fork."""
    monkeypatch.setattr("autograder.grade.the_nursery", lambda *_: spawner)
    spawner = Spawner("cpu")
    try:
        report = grade_notebook(SUBMISSION.read_bytes(), "barbara.ipynb", "barbara", Run(seed=4))
    finally:
        spawner.close()
    check(report, "process", {"limits"})


def test_tensors_are_handed_over_on_the_device_of_the_run():
    """A device without a GPU is enough: what was made from what came lies where that was put."""
    worker = Worker({"made": lambda x: (str(x.device), x + 1)}, device="meta")
    where, made = Learner(Channel(worker.answer)).made(torch.ones(3))
    assert (where, made.device.type) == ("meta", "meta")


def test_a_device_that_is_not_there_and_isolation_that_no_gpu_has_are_refused(tmp_path, capsys):
    folder = str(SUBMISSION.parent)
    if not torch.cuda.is_available():
        assert cli.main(["grade", folder, "--out", str(tmp_path), "--device", "cuda"]) == 2
        assert "There is no CUDA device here" in capsys.readouterr().err
    with pytest.raises(UserError, match="no isolation but “process”"):
        start("landlock", "cuda")
