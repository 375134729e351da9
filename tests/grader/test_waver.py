"""Grades do not waver: whatever the seed, a right answer gets everything."""

import pytest

from autograder.examine import known_answer, run_item
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.rubric import load_exercises

EXERCISES = load_exercises()
MODEL = [
    KnownAnswer(exercise.name, exercise.reference(), "The model answer.", frozenset())
    for exercise in EXERCISES.values()
]
VARIANTS = [known for answers in load_known_answers().values() for known in answers if known.right]


@pytest.mark.parametrize(
    "known", MODEL + VARIANTS, ids=lambda known: f"{known.exercise}: {known.sentence[:60]}"
)
def test_one_score_under_many_seeds(known):
    exercise = EXERCISES[known.exercise]
    send = known_answer(known, exercise)
    for seed in range(200 if known in MODEL else 50):
        lost = {item.name: run_item(exercise, item, send, seed).reason for item in exercise.items}
        assert not any(lost.values()), f"seed {seed}: {lost}"
