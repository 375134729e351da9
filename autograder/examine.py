"""Judging one exercise: run its items, explain what failed, and name the mistake.

An exercise is examined with the model answers standing in for the day's other exercises, so that a mistake in
one does not spoil the next ("error carried forward"). Only if an item fails there is it tried in the learner's
own namespace as it stands; passing in either counts.
"""

import inspect
import math
import typing
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from autograder.expect import Failed
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.rand import Rand
from autograder.remote import Learner, LearnerError
from autograder.rubric import Exercise, Item, load_exercises
from autograder.wire import Handle
from autograder.worker import Worker, run_cell

Namespace = dict[str, Any]
Guard = Callable[[], AbstractContextManager]  # entered whenever the learner's code runs


@dataclass
class ItemResult:
    """One property: what it was worth, what was earned and, if it failed, why."""

    item: str
    statement: str
    points: int
    earned: int
    reason: str = ""


@dataclass
class ExerciseResult:
    """One exercise: its items and, where a known wrong answer gives the same output, the mistake's name."""

    exercise: str
    title: str
    items: list[ItemResult] = field(default_factory=list)
    diagnosis: str = ""

    @property
    def points(self) -> int:
        return sum(item.points for item in self.items)

    @property
    def earned(self) -> int:
        return sum(item.earned for item in self.items)

    @property
    def failed(self) -> list[ItemResult]:
        return [item for item in self.items if item.earned < item.points]


def examine(
    exercise: Exercise, namespace: Callable[[], Namespace], seed: int, guard: Guard = nullcontext
) -> ExerciseResult:
    """Grade one exercise. Each call of `namespace` runs the learner's notebook and returns what it defines."""
    corrected, own = namespace(), None
    if exercise.defines not in corrected:
        return nothing_to_grade(exercise, f"The notebook does not define `{exercise.defines}`.")
    corrected.update(references(exercise))
    result = ExerciseResult(exercise.name, exercise.title)
    transcripts = {}
    for item in exercise.items:
        reason, transcripts[item] = run_item(exercise, item, corrected, seed, guard)
        if reason:
            own = own or namespace()
            if not run_item(exercise, item, own, seed, guard)[0]:
                reason = ""
        earned = 0 if reason else item.points
        result.items.append(ItemResult(item.name, item.statement, item.points, earned, reason))
    if result.failed:
        result.diagnosis = diagnose(exercise, result, transcripts, seed)
    return result


def nothing_to_grade(exercise: Exercise, reason: str) -> ExerciseResult:
    """Every item at zero, with one reason."""
    items = [ItemResult(item.name, item.statement, item.points, 0, reason) for item in exercise.items]
    return ExerciseResult(exercise.name, exercise.title, items)


def run_item(
    exercise: Exercise, item: Item, namespace: Namespace, seed: int, guard: Guard = nullcontext
) -> tuple[str, list[Any]]:
    """Run one item; return the reason why it fails ("" if it passes) and everything the learner's code returned."""
    learner = Learner(Worker(namespace, guard).answer, {exercise.defines: declared_return(exercise)})
    try:
        item.check(learner, Rand(seed, f"{exercise.name}/{item.name}"))
        reason = ""
    except Failed as failure:
        reason = str(failure)
    except LearnerError as error:
        match error.type:
            case "NotImplementedError":
                reason = f"`{exercise.defines}` is not written yet."
            case "TimeUp":
                reason = f"`{exercise.defines}` did not finish: {error.message}."
            case _:
                reason = f"`{exercise.defines}` raised {error}"
    except Exception as error:
        # The check itself stumbled over what the learner returned: that is the learner's failure, not a stop.
        reason = f"The result has an unexpected form ({type(error).__name__}: {error})"
    return reason, learner._channel.transcript


def declared_return(exercise: Exercise) -> type | None:
    """The type that the model answer declares to return, where it is one that can be checked."""
    reference = exercise.reference()
    if not inspect.isfunction(reference):
        return None
    declared = typing.get_type_hints(reference).get("return")
    return declared if declared in (Tensor, int, float, str, list, dict, tuple, bool) else None


def references(exercise: Exercise) -> Namespace:
    """The model answers of the day's other exercises."""
    day = [other for other in load_exercises().values() if other.day == exercise.day]
    return {other.defines: other.reference() for other in day if other is not exercise}


def known_answer_namespace(known: KnownAnswer, exercise: Exercise) -> Namespace:
    """A notebook in which the known answer is what the learner wrote, and all else is right."""
    namespace: Namespace = {
        "__name__": "__main__",
        "math": math,
        "torch": torch,
        "nn": nn,
        "F": F,
        "Tensor": Tensor,
    }
    namespace |= references(exercise)
    run_cell(known.source(), exercise.name, namespace)
    return namespace


def diagnose(
    exercise: Exercise, result: ExerciseResult, transcripts: dict[Item, list[Any]], seed: int
) -> str:
    """The sentence of the known wrong answer that gives what the learner's code gave, or ""."""
    failed = {item.item for item in result.failed}
    best, most = "", 0
    for known in load_known_answers().get(exercise.name, []):
        if not known.fails & failed:
            continue
        namespace = known_answer_namespace(known, exercise)
        same = [
            item
            for item, transcript in transcripts.items()
            if alike(transcript, run_item(exercise, item, namespace, seed)[1])
        ]
        # It must explain every failure, with outputs that are themselves wrong; the closest match wins.
        if failed <= {item.name for item in same} and known.fails & failed and len(same) > most:
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
