"""Code that takes too much, or ends its process, costs the exercise in which it does and no other."""

import os
from pathlib import Path

import pytest
from cells import notebook

from autograder import session, wire
from autograder.grade import Run, grade_notebook, the_nursery
from autograder.jail import handling
from autograder.jail.levels import Limits
from autograder.remote import LearnerError

SAMPLES = Path(__file__).parents[2] / "autograder" / "samples"

MASK = "def causal_mask(T, device=None):\n    return torch.ones(T, T, dtype=torch.bool, device=device).tril()"
ATTEND = "def attend(q, k, v, mask=None):\n    return attention_weights(q, k, mask) @ v"
WEIGHTS = """
import ctypes, os, sys, threading, time
def attention_weights(q, k, mask=None):
    {0}
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return torch.softmax(scores if mask is None else scores.masked_fill(~mask, -math.inf), -1)
"""

ENDED = "`attention_weights` did not finish: its process ended."
CRASHED = "`attention_weights` did not finish: its process crashed."


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("x = bytearray(4 << 30)", "`attention_weights` raised MemoryError"),
        ("x = torch.ones(1 << 30)", "`attention_weights` raised RuntimeError"),
        ("x = []\n    while True: x.append(bytearray(1 << 26))", "`attention_weights` raised MemoryError"),
        ("os._exit(0)", ENDED),
        ("os.abort()", "`attention_weights` did not finish: its process "),
        ("ctypes.string_at(0)", CRASHED),
        ("threading.Thread(target=lambda: os._exit(1)).start(); time.sleep(5)", ENDED),
        ("return torch.zeros(1_000_000)", "returned a message of 4,000,"),
    ],
)
def test_it_costs_its_own_exercise_only(monkeypatch, body, reason):
    monkeypatch.setattr(session, "Limits", lambda: Limits(memory=256 << 20))  # which is sooner used up
    monkeypatch.setattr(wire, "LONGEST_FRAME", 3 << 20)
    check(body, reason, limit=30.0)


@pytest.mark.parametrize(
    "body", ["while True: pass", "time.sleep(100)", "sys.setrecursionlimit(10**9)\n    def f(): f()\n    f()"]
)
def test_so_does_what_does_not_end(body):
    check(body, "`attention_weights` ", limit=1.0)


def check(body: str, reason: str, limit: float) -> None:
    raw = notebook(MASK, WEIGHTS.format(body), ATTEND)
    report = grade_notebook(raw, "ada.ipynb", "ada", Run(seed=3, limit=limit))
    earned = {each["exercise"]: each["earned"] for each in report["exercises"]}
    said = report["exercises"][1]["items"][0]["reason"]
    assert reason in said, said
    assert earned == {"day09.causal_mask": 5, "day09.attention_weights": 0, "day09.attend": 9}


def test_what_it_returns_in_all_is_limited_too(submit, enter, monkeypatch):
    monkeypatch.setattr(handling, "MOST_DATA", 1 << 20)
    learner = enter(submit("def attend():\n    return torch.zeros(30_000)"))
    with pytest.raises(LearnerError, match="returned over 256 MiB in all"):
        for _ in range(20):
            learner.attend()
    with pytest.raises(LearnerError, match="returned over 256 MiB in all"):
        learner.attend()


def test_files_and_threads_are_limited_and_of_use(submit, enter):
    source = """
import os, tempfile, threading
def attend():
    with tempfile.TemporaryFile() as file:
        try:
            for _ in range(65): file.write(b"x" * (1 << 20))
            written = "all"
        except OSError as error:
            written = type(error).__name__
    files, threads, stop = [], [], threading.Event()
    try:
        while len(files) < 1000: files.append(open(os.devnull))
    except OSError:
        pass
    [file.close() for file in files]
    try:
        while len(threads) < 1000:
            threads.append(threading.Thread(target=stop.wait))
            threads[-1].start()
    except RuntimeError:
        pass
    stop.set()
    return written, len(files), len(threads)
"""
    written, files, threads = enter(submit(source, seconds=20.0)).attend()
    assert written != "all" and 100 < files < 1000 and threads > 100


def test_a_process_that_was_let_go_is_gone(submit, enter):
    """Also if the learner's code is in the middle of something, and ignores signals."""
    source = """
import os, signal, time
def attend(until):
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            pass
    while time.monotonic() < until: pass
"""
    learner = enter(submit(source, seconds=0.5))
    process = learner._channel.send.__self__
    with pytest.raises(LearnerError, match="it ran longer than"):
        learner.attend(1e12)
    assert process.leash.fileno() == -1 and process.gone, "the keeper has not said that it is dead"
    with pytest.raises(LearnerError, match="it ran longer than"):
        learner.attend(0.0)


def test_a_worker_sees_nothing_of_the_examiners_environment(submit, enter, monkeypatch):
    monkeypatch.setenv("HANDMADE_SEED", "12345")
    learner = enter(
        submit("import os, sys\ndef attend():\n    return dict(os.environ), sys.argv, os.getcwd()")
    )
    environment, arguments, folder = learner.attend()
    assert "HANDMADE_SEED" not in environment and arguments == [""] and folder != os.getcwd()


def test_a_nursery_that_was_killed_costs_one_submission_a_second_run_and_no_more():
    raw = (SAMPLES / "ada.ipynb").read_bytes()
    run = Run(seed=3)
    assert grade_notebook(raw, "ada.ipynb", "ada", run)["earned"] == 26
    the_nursery("", "cpu").process.kill()
    for branch in the_nursery("", "cpu").branches.values():
        branch.control.close()
    cut_short = grade_notebook(raw, "ada.ipynb", "ada", run)
    reasons = {item["reason"] for e in cut_short["exercises"] for item in e["items"]}
    assert all("grade it again" in reason for reason in reasons), reasons
    assert not cut_short["isolation"]["locks"], "it would count as up to date"
    assert grade_notebook(raw, "ada.ipynb", "ada", run)["earned"] == 26


def test_branches_do_not_grow_in_number_without_end(monkeypatch):
    """A class may hand in every day of the course at once."""
    monkeypatch.setattr(handling, "MOST_BRANCHES", 2)
    nursery = handling.start()
    try:
        monkeypatch.setattr("autograder.grade.the_nursery", lambda *_: nursery)
        for _ in range(2):
            report = grade_notebook(
                (SAMPLES / "barbara.ipynb").read_bytes(), "barbara.ipynb", "barbara", Run(seed=4)
            )
            assert report["earned"] == 22, report["problem"]
            assert len(nursery.branches) == 2
    finally:
        nursery.close()
