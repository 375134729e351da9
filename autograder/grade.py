"""Grading one submission, from the bytes that were handed in to the report."""

import contextlib
import gc
import hashlib
import importlib
import pkgutil
import re
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

import handmade
from autograder import rubrics
from autograder.examine import ExerciseResult, examine, nothing_to_grade
from autograder.jail.handling import NotJailed, Nursery, Spawner, start
from autograder.jail.levels import memory_in_use
from autograder.report import Report, as_report
from autograder.rubric import Exercise, load_exercises
from autograder.session import Session
from autograder.submission import ROOT, find_day, read_cells, released
from handmade.errors import UserError

ROOM = 6 << 30  # bytes that a check may take in the examiner, whatever a learner's code has returned


@dataclass(frozen=True)
class Run:
    """What is the same for every submission of one run."""

    seed: int
    limit: float = 10.0  # seconds that the learner's code may take, for each cell and for each exercise
    isolation: str = ""  # the least that will do, "" for any
    device: str = "cpu"  # on which the learner's code is given its tensors
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))


def grade_notebook(
    raw: bytes, file: str, learner: str, run: Run, assignment: str = "", day: str = "", problem: str = ""
) -> Report:
    """Grade one submission. Returns its report, as `report_schema.json` describes it.

    Args:
        raw: what was handed in, a notebook or Python; nothing in it can make this fail.
        file: its name, which says which of the two, and perhaps the day.
        day: of which day it is, where nothing in it tells.
        problem: why it is not to be graded at all, so that it gets nothing.

    Raises:
        UserError: this system cannot isolate as well as `run` requires.
    """
    began = time.monotonic()
    found, cells, places, level, locks = "", [], {}, "", []
    try:
        if not problem:
            cells = read_cells(raw, file)
            found = find_day(cells, file)
            if not found:
                problem = (
                    "None of the course's exercises is in this notebook; hand in the one with your answers."
                )
    except UserError as error:
        problem = str(error)
    if problem:
        found, problem = _day_of(file, day, problem)
    exercises = [exercise for exercise in load_exercises().values() if exercise.day == found]
    if problem:
        results = [nothing_to_grade(exercise, problem) for exercise in exercises]
    else:
        nursery = the_nursery(run.isolation, run.device)
        session = Session(cells, found, nursery, run.limit)
        with _room(), contextlib.closing(session):
            results = [_examine(exercise, session, run.seed) for exercise in exercises]
        places = {e.name: cell.place for e, cell in session.answers.items() if cell is not None}
        level, locks = nursery.level, [] if session.cut_short else session.locks
    return as_report(
        run,
        learner=learner,
        file=file,
        digest=hashlib.sha256(raw).hexdigest(),
        day=found,
        title=title(found) if found else "",
        assignment=assignment or (released(found).assignment if found else ""),
        problem=problem,
        results=results,
        places=places,
        level=level,
        locks=locks,
        grader=fingerprint(),
        seconds=time.monotonic() - began,
    )


def _examine(exercise: Exercise, session: Session, seed: int) -> ExerciseResult:
    """Where a worker cannot be locked in, nothing is run: the exercise says so, and the others go on.

    What starts workers is then begun anew for the next submission, and a report without locks is not up to date.
    """
    began = time.monotonic()
    try:
        result = examine(exercise, session, seed)
    except NotJailed as error:
        result = nothing_to_grade(
            exercise, f"The grader could not isolate this exercise ({error}): grade it again."
        )
        session.cut_short = True
        the_nursery.cache_clear()
        session.nursery.close()
    result.seconds = time.monotonic() - began
    return result


def _day_of(file: str, day: str, problem: str) -> tuple[str, str]:
    """The day of a notebook in which no exercise is found: in its file's name, or else `day`."""
    named = re.match(r"day\d+[a-z]?(?=_)", file.rpartition("/")[2])
    if not named:
        return day, problem
    if any(exercise.day == named[0] for exercise in load_exercises().values()):
        return named[0], problem
    return "", f"{problem} (Nothing is known of {named[0]} here.)"


@cache
def the_nursery(required: str = "", device: str = "cpu") -> Nursery | Spawner:
    """This process's nursery."""
    # A check's tensors are small, and threads that wait take time from the learner's code.
    torch.set_num_threads(1)
    nursery = start(required, device)
    gc.collect()
    gc.freeze()  # what has been imported is not looked through again and again
    return nursery


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """While a check runs, memory ends with an error and not with the machine."""
    if sys.platform != "linux":
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = memory_in_use() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@cache
def title(day: str) -> str:
    """What a day is called: "Day 9 · Attention, one head", the first line of its rubrics."""
    for module in pkgutil.iter_modules(rubrics.__path__):
        if module.name.startswith(f"{day}_"):
            text = importlib.import_module(f"{rubrics.__name__}.{module.name}").__doc__ or ""
            return text.strip().splitlines()[0].rstrip(".")
    return day


@cache
def fingerprint() -> str:
    """Of the grader, the library and the released notebooks: reports with the same one were made by the same code."""
    files = [*Path(__file__).parent.rglob("*.py"), *Path(handmade.__file__).parent.rglob("*.py")]
    files += (ROOT / "course").rglob("*.ipynb")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
