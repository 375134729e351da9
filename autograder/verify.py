"""Does a rubric do what its author says? Every known answer against every item.

A wrong answer must lose exactly the items that it is aimed at, and a right one none. The `whole` item, the safety
net, may fail beside any other.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from autograder.examine import known_answer, run_item
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.rubric import Exercise


@dataclass(frozen=True)
class Row:
    """One known answer: the items that it lost with any of the seeds, and whether that was as aimed with each."""

    known: KnownAnswer
    lost: frozenset[str]
    as_aimed: bool


def verify(exercise: Exercise, seeds: Iterable[int]) -> list[Row]:
    """Judge every known answer of one exercise."""
    nets = {item.name for item in exercise.items if item.whole}
    rows = []
    for known in load_known_answers().get(exercise.name, []):
        send = known_answer(known, exercise)
        lost = [
            frozenset(item.name for item in exercise.items if run_item(exercise, item, send, seed)[0])
            for seed in seeds
        ]
        beside = nets - known.fails if known.fails else set()
        rows.append(Row(known, frozenset().union(*lost), all(each - beside == known.fails for each in lost)))
    return rows
