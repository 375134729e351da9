"""Grading a folder of submissions: find the notebooks, settle which day each is of, and examine it."""

import contextlib
import importlib
import pkgutil
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from autograder import rubrics
from autograder.confine import Allowance, warm_up
from autograder.examine import ExerciseResult, examine, nothing_to_grade
from autograder.rubric import load_exercises
from autograder.submission import Cell, Submission, find_day, read_notebook, released
from handmade.errors import UserError


@dataclass(frozen=True)
class Found:
    """One file to grade."""

    learner: str
    path: Path
    assignment: str = ""  # nbgrader's, where the folders say it


@dataclass
class Graded:
    """One submission and what it earned. `problem` says why nothing could be graded."""

    learner: str
    notebook: str  # as found under the folder of submissions
    day: str  # "day09", or "" if nothing tells
    assignment: str
    results: list[ExerciseResult] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # where in the notebook each exercise is
    seconds: float = 0.0
    problem: str = ""

    @property
    def points(self) -> int:
        return sum(result.points for result in self.results)

    @property
    def earned(self) -> int:
        return sum(result.earned for result in self.results)


def find_submissions(folder: Path) -> list[Found]:
    """The notebooks in a folder: one a learner (`ada.ipynb`), or nbgrader's `[submitted/]ada/week2/day09.ipynb`.

    Raises:
        UserError: there is no such folder, or no notebook in it.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; give the one that holds the submissions.")
    if (folder / "submitted").is_dir():
        folder = folder / "submitted"
    found = [Found(path.stem, path) for path in sorted(folder.glob("*.ipynb"))]
    for path in sorted(folder.glob("*/*/*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            found.append(Found(path.parts[-3], path, path.parts[-2]))
    if not found:
        raise UserError(
            f"There are no notebooks in {folder}: put one a learner there (ada.ipynb), or in nbgrader's folders "
            "(submitted/ada/ASSIGNMENT/NAME.ipynb)."
        )
    return found


class Entry:
    """One submission, read: its cells, or why there are none."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.cells: list[Cell] = []
        self.day, self.problem = "", ""
        try:
            self.cells = read_notebook(found.path)
        except UserError as error:
            self.problem = str(error)
            return
        self.day = find_day(self.cells, found.path.name)
        if not self.day:
            self.problem = (
                "None of the course's exercises is in this notebook; hand in the one with your answers."
            )


def read_all(found: list[Found]) -> list[Entry]:
    """Read the notebooks, and settle the day of each.

    One in which no exercise can be found is of the day in its file's name, or else of the day that all others are.
    """
    entries = [Entry(each) for each in found]
    days = {entry.day for entry in entries if entry.day}
    known = {exercise.day for exercise in load_exercises().values()}
    for entry in entries:
        if not entry.day:
            named = re.match(r"day\d+[a-z]?(?=_)", entry.found.path.name)
            if named and named[0] not in known:
                entry.problem += f" (Nothing is known of {named[0]} here.)"
            elif named:
                entry.day = named[0]
            elif len(days) == 1:
                (entry.day,) = days
    _one_each(entries)
    return entries


def _one_each(entries: list[Entry]) -> None:
    """Of two notebooks by one learner for one day, keep the one with the released name, or else the first."""
    kept: dict[tuple[str, str], Entry] = {}
    for entry in sorted(entries, key=lambda e: bool(e.day) and e.found.path.stem != released(e.day).notebook):
        if entry.day and entry is not kept.setdefault((entry.found.learner, entry.day), entry):
            first = kept[entry.found.learner, entry.day].found.path.name
            entry.problem = f"Only one notebook a day is graded, and this learner's is {first}."
            entry.day = ""


def grade(entry: Entry, folder: Path, seed: int, limit: float) -> Graded:
    """Examine one submission. `limit` is the seconds that the learner's code may take, for each exercise."""
    warm_up()
    began = time.monotonic()
    assignment = entry.found.assignment or (released(entry.day).assignment if entry.day else "")
    graded = Graded(
        entry.found.learner,
        entry.found.path.relative_to(folder).as_posix(),
        entry.day,
        assignment,
        problem=entry.problem,
    )
    if entry.problem:
        for exercise in load_exercises().values():
            if exercise.day == entry.day:
                graded.results.append(nothing_to_grade(exercise, entry.problem))
        return graded
    # In a folder of its own, so that what the learner's cells write lands nowhere.
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        submission = Submission(entry.cells, entry.day, limit)
        for exercise, cell in submission.answers.items():
            if missing := submission.missing(exercise):
                result = nothing_to_grade(exercise, missing)
            else:
                result = examine(exercise, submission.namespace, seed, Allowance(limit).spend)
            graded.results.append(result)
            if cell is not None:
                graded.places[exercise.name] = cell.place
    graded.seconds = time.monotonic() - began
    return graded


def title(day: str) -> str:
    """What a day is called: "Day 9 · Attention, one head", the first line of its rubrics."""
    for module in pkgutil.iter_modules(rubrics.__path__):
        if module.name.startswith(f"{day}_"):
            text = importlib.import_module(f"{rubrics.__name__}.{module.name}").__doc__ or ""
            return text.strip().splitlines()[0].rstrip(".")
    return day


def most_missed(class_: list[Graded]) -> list[tuple[str, str, int]]:
    """Exercise, property and how many lost it, the most missed first.

    What could not be judged at all, so that one reason stands at every item, says nothing about a property.
    """
    judged = [r for one in class_ for r in one.results if len({item.reason for item in r.items}) > 1]
    lost = Counter((result.title, item.statement) for result in judged for item in result.failed)
    return [(exercise, statement, count) for (exercise, statement), count in lost.most_common()]


def mistakes(class_: list[Graded]) -> list[tuple[str, str, int]]:
    """Exercise, named mistake and how many made it, the most frequent first."""
    made = Counter(
        (result.title, result.diagnosis) for one in class_ for result in one.results if result.diagnosis
    )
    return [(exercise, sentence, count) for (exercise, sentence), count in made.most_common()]
