"""Judging one exercise: run its items, explain what failed, and name the mistake.

An exercise is examined with the model answers standing in for the day's earlier exercises, so that a mistake in
one does not spoil the next ("error carried forward"). Only if an item fails there, and something was lost before, is
it tried with the learner's own; passing in either counts.
"""

import inspect
import math
import sys
import typing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from autograder.expect import Failed
from autograder.jail.handling import NotJailed
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.picture import Picture
from autograder.rand import Rand
from autograder.remote import Channel, Connection, Learner, LearnerError
from autograder.rubric import Exercise, Item, load_exercises
from autograder.session import Missing, Session
from autograder.wire import Handle
from autograder.worker import Worker, run_cell

Namespace = dict[str, Any]


@dataclass
class ItemResult:
    """One property: what it was worth, what was earned and, if it failed, why."""

    item: str
    statement: str
    points: int
    earned: int
    reason: str = ""
    picture: Picture | None = None


@dataclass
class ExerciseResult:
    """One exercise: its items and, where a known wrong answer gives the same output, the mistake's name."""

    exercise: str
    title: str
    items: list[ItemResult] = field(default_factory=list)
    diagnosis: str = ""
    seconds: float = 0.0  # what examining it took

    @property
    def points(self) -> int:
        return sum(item.points for item in self.items)

    @property
    def earned(self) -> int:
        return sum(item.earned for item in self.items)

    @property
    def failed(self) -> list[ItemResult]:
        return [item for item in self.items if item.earned < item.points]


class Outcome(NamedTuple):
    """What running one item came to."""

    reason: str  # why it fails, "" if it passes
    transcript: list[Any]  # everything that the learner's code returned
    picture: Picture | None = None


def examine(exercise: Exercise, session: Session, seed: int) -> ExerciseResult:
    """Grade one exercise of a submission."""
    try:
        process = session.open(exercise)
    except Missing as missing:
        session.something_lost = True
        return nothing_to_grade(exercise, str(missing))
    seconds = exercise.seconds or session.seconds
    outcomes: dict[Item, Outcome] = {}
    try:
        process.allow(seconds)
        for item in exercise.items:
            outcomes[item] = run_item(exercise, item, process.send, seed)
    finally:
        process.close()
    failed = [item for item, outcome in outcomes.items() if outcome.reason]
    if failed and session.something_lost and not process.gone:
        passed = _with_their_own(exercise, session, seconds, seed, failed)
        failed = [item for item in failed if not passed.get(item)]
    shown = picture_worth_showing(failed, outcomes)
    result = ExerciseResult(exercise.name, exercise.title)
    for item, (reason, _, picture) in outcomes.items():
        judged = ItemResult(item.name, item.statement, item.points, item.points)
        if item in failed:
            judged.earned, judged.reason = 0, reason
            judged.picture = picture if item is shown else None
        result.items.append(judged)
    if failed:
        session.something_lost = True
        transcripts = {item: outcome.transcript for item, outcome in outcomes.items()}
        result.diagnosis = diagnose(exercise, result, transcripts, seed)
    return result


def picture_worth_showing(failed: list[Item], outcomes: dict[Item, Outcome]) -> Item | None:
    """One is enough: that of the safety net, which compares what was returned as it is, or else the first."""
    pictured = [item for item in failed if outcomes[item].picture]
    return min(pictured, key=lambda item: not item.whole, default=None)


def _with_their_own(
    exercise: Exercise, session: Session, seconds: float, seed: int, failed: list[Item]
) -> dict[Item, bool]:
    """The items that failed, tried with the learner's own answers to the earlier exercises: whether they pass."""
    try:
        process = session.open(exercise, corrected=False)
    except Missing:
        return {}
    try:
        process.allow(seconds)
        return {item: not run_item(exercise, item, process.send, seed).reason for item in failed}
    finally:
        process.close()


def nothing_to_grade(exercise: Exercise, reason: str) -> ExerciseResult:
    """Every item at zero, with one reason."""
    items = [ItemResult(item.name, item.statement, item.points, 0, reason) for item in exercise.items]
    return ExerciseResult(exercise.name, exercise.title, items)


def run_item(exercise: Exercise, item: Item, send: Connection, seed: int) -> Outcome:
    """Run one item against a learner's code."""
    channel = Channel(send)
    learner = Learner(channel, {exercise.defines: declared_return(exercise)})
    reason, picture = "", None
    try:
        item.check(learner, Rand(seed, f"{exercise.name}/{item.name}"))
    except Failed as failure:
        reason, picture = str(failure), failure.picture
    except LearnerError as error:
        match error.type:
            case "NotImplementedError":
                reason = f"`{exercise.defines}` is not written yet."
            case "TimeUp" | "Died":
                reason = f"`{exercise.defines}` did not finish: {error.message}."
            case _:
                reason = f"`{exercise.defines}` raised {error}"
    except NotJailed:
        raise
    except Exception as error:
        # The check itself stumbled over what the learner returned: that is the learner's failure, not a stop.
        reason = f"The result has an unexpected form ({type(error).__name__}: {error})"
    return Outcome(reason, channel.transcript, picture)


def declared_return(exercise: Exercise) -> type | None:
    """The type that the model answer declares to return, where it is one that can be checked."""
    reference = exercise.reference()
    if not inspect.isfunction(reference):
        return None
    declared = typing.get_type_hints(reference).get("return")
    return declared if declared in (Tensor, int, float, str, list, dict, tuple, bool) else None


# --- Known answers, which are ours and run in this process ----------------------------------------------


def known_answer(known: KnownAnswer, exercise: Exercise) -> Connection:
    """A notebook in which the known answer is what the learner wrote, and the day's other answers are right.

    It has what the known answer's module imports, as the learner's has what the released notebook imports.
    """
    others = [e for e in load_exercises().values() if e.day == exercise.day and e is not exercise]
    namespace: Namespace = {
        "__name__": "__main__",
        "math": math,
        "torch": torch,
        "nn": nn,
        "F": F,
        "Tensor": Tensor,
    }
    namespace |= {
        name: value
        for name, value in vars(sys.modules[known.code.__module__]).items()
        if not name.startswith("_") and not isinstance(value, KnownAnswer)
    }
    namespace |= {other.defines: other.reference() for other in others}
    run_cell(known.source(), exercise.name, namespace)
    return Worker(namespace).answer


@lru_cache(4096)
def known_transcript(known: KnownAnswer, exercise: Exercise, item: Item, seed: int) -> list[Any]:
    """What a known answer returns to an item's inputs: the same for every learner of a class."""
    return run_item(exercise, item, known_answer(known, exercise), seed).transcript


def diagnose(
    exercise: Exercise, result: ExerciseResult, transcripts: dict[Item, list[Any]], seed: int
) -> str:
    """The sentence of the known wrong answer that gives what the learner's code gave, or ""."""
    failed = {item.item for item in result.failed}
    steady = {item.name for item in transcripts if item.steady}
    # Where what was returned cannot be compared, all the rest must be the same.
    to_explain = failed if failed <= steady else steady
    best, most = "", 0
    for known in load_known_answers().get(exercise.name, []):
        if not known.fails & failed:
            continue
        same = {
            item.name
            for item, transcript in transcripts.items()
            if item.steady and alike(transcript, known_transcript(known, exercise, item, seed))
        }
        # It must explain every failure; the closest match wins.
        if to_explain <= same and len(same) > most:
            best, most = known.sentence, len(same)
    return best


def alike(a: Any, b: Any) -> bool:
    """Whether two transcripts, or parts of them, say the same up to rounding."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
            return False
        if a.device.type == "meta":
            return True
        return torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6, equal_nan=True)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list | tuple) and type(a) is type(b):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, Handle) and isinstance(b, Handle):
        return a.kind == b.kind
    return type(a) is type(b) and a == b
