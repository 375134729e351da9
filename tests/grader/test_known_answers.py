"""Every known wrong answer loses exactly the items it is aimed at; every right variant loses nothing."""

import random

import pytest
import torch
from hollow import STUBS, hollow

from autograder.examine import known_answer, run_item
from autograder.grade import Run, grade_notebook
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.rubric import load_exercises
from autograder.worker import Worker

SEEDS = range(10)
EXERCISES = load_exercises()
KNOWN = [known for answers in load_known_answers().values() for known in answers]


def label(known: KnownAnswer) -> str:
    return f"{known.exercise}: {known.sentence[:60]}"


@pytest.mark.parametrize("known", KNOWN, ids=label)
def test_loses_exactly_what_it_is_aimed_at(known):
    exercise = EXERCISES[known.exercise]
    items = {item.name: item for item in exercise.items}
    assert known.fails <= items.keys(), f"aimed at items that do not exist: {known.fails - items.keys()}"
    send = known_answer(known, exercise)
    for seed in SEEDS:
        reasons = {name: run_item(exercise, item, send, seed).reason for name, item in items.items()}
        lost = {name for name, reason in reasons.items() if reason}
        # The safety net fails beside any other item; it counts only where it is what is aimed at.
        beside = {name for name in lost - known.fails if items[name].whole and known.fails}
        assert lost - beside == known.fails, (
            f"seed {seed}: lost {lost - beside}, aimed at {set(known.fails)}: {reasons}"
        )


@pytest.mark.parametrize("known", [known for known in KNOWN if not known.right], ids=label)
def test_is_named_when_submitted(known):
    """A learner who makes a known mistake reads the sentence that names it."""
    day = EXERCISES[known.exercise].day
    report = grade_notebook(known.source().encode(), f"{day}.py", "ada", Run(seed=1))
    (exercise,) = [each for each in report["exercises"] if each["exercise"] == known.exercise]
    assert exercise["mistake"] == known.sentence, exercise["items"]


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)
def test_every_item_has_a_wrong_answer_that_it_alone_catches(exercise):
    alone = {
        name for known in load_known_answers()[exercise.name] if len(known.fails) == 1 for name in known.fails
    }
    missing = {item.name for item in exercise.items} - alone
    assert not missing, f"no wrong answer is caught by {missing} alone: is the item needed?"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)
def test_there_are_enough_of_both_kinds(exercise):
    answers = load_known_answers()[exercise.name]
    wrong = [known for known in answers if not known.right]
    assert len(wrong) >= 5, f"{len(wrong)} known wrong answers"
    assert len(answers) - len(wrong) >= 3, f"{len(answers) - len(wrong)} right variants"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)
def test_no_two_are_the_same_code(exercise):
    """All bear the exercise's name, and each is read from its file by it."""
    sources = [known.source() for known in load_known_answers()[exercise.name]]
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("stub", STUBS)
@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)
def test_no_item_can_be_had_for_nothing(exercise, stub):
    """Code that computes nothing to the purpose, in the right form, loses every item."""
    random.seed(0), torch.manual_seed(0)
    send = Worker({exercise.defines: hollow(exercise.reference(), stub)}).answer
    for seed in SEEDS:
        for item in exercise.items:
            reason = run_item(exercise, item, send, seed).reason
            assert reason, f"seed {seed}: {item.name} is given to code that returns {stub}"
