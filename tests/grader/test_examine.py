"""How an exercise is judged: errors carried forward, reasons, and trouble that stays inside its item."""

import inspect
import math
from collections.abc import Callable

import pytest
import torch

from autograder.examine import ExerciseResult, alike, examine, run_item
from autograder.rubric import Item, load_exercises
from autograder.wire import Handle
from autograder.worker import Worker
from handmade.attention import attend

EXERCISES = load_exercises()
DAY = [exercise for exercise in EXERCISES.values() if exercise.day == "day09"]


@pytest.fixture
def judge(submit) -> Callable[..., ExerciseResult]:
    """Judge attend in a notebook of these cells, after the exercises before it."""

    def judge(*cells: str, seconds: float = 2.0) -> ExerciseResult:
        session = submit(*cells, seconds=seconds)
        return [examine(exercise, session, seed=5) for exercise in DAY][-1]

    return judge


def reasons(result: ExerciseResult) -> set[str]:
    return {item.reason for item in result.items}


RIGHT = "def attend(q, k, v, mask=None):\n    return attention_weights(q, k, mask) @ v\n"


def test_the_model_answers_earn_everything(submit):
    session = submit(*(inspect.getsource(exercise.reference()) for exercise in DAY))
    for exercise in DAY:
        result = examine(exercise, session, seed=2)
        assert result.earned == result.points, reasons(result)
        assert not result.diagnosis


def test_a_mistake_in_an_earlier_exercise_is_not_paid_for_twice(submit):
    unmasked = "def attention_weights(q, k, mask=None):\n    return torch.softmax(q @ k.mT, -1)\n"
    session = submit(unmasked, RIGHT)
    _, weights, result = (examine(exercise, session, seed=5) for exercise in DAY)
    assert result.earned == result.points == 9, reasons(result)
    assert weights.earned < 12


def test_an_earlier_exercise_that_is_not_written_costs_nothing_here(judge):
    assert judge("def attention_weights(q, k, mask=None):\n    raise NotImplementedError", RIGHT).earned == 9
    assert judge(RIGHT).earned == 9


def test_what_works_with_the_learners_own_parts_counts(judge):
    """Their attention_weights takes its arguments in another order, and their attend calls it so."""
    own = (
        "def attention_weights(mask, q, k):\n"
        "    s = q @ k.mT / math.sqrt(q.shape[-1])\n"
        "    return torch.softmax(s if mask is None else s.masked_fill(~mask, -math.inf), -1)\n"
    )
    assert judge(own, RIGHT.replace("q, k, mask) @", "mask, q, k) @")).earned == 9


def test_a_later_exercise_helps_no_earlier_one(submit):
    """An attend that is right, with weights computed in it, does not make attention_weights right."""
    recovered = (
        "def attention_weights(q, k, mask=None):\n    return attend(q, k, torch.eye(k.shape[-2]), mask)"
    )
    for session in (submit(recovered), submit(recovered, RIGHT)):
        assert examine(DAY[1], session, seed=5).earned == 0, "the model attend gave it away"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = 1", "The notebook does not define `attend`."),
        (
            "def attend(q, k, v, mask=None):\n    raise NotImplementedError('Day 9')",
            "`attend` is not written yet.",
        ),
        (
            "def attend(q, k, v, mask=None):\n    attention_weights(q, k, mask) @ v",
            "attend returned None (is there a `return`?); it must return a tensor",
        ),
        (
            "def attend(q, k, v, mask=None):\n    return [1, 2]",
            "attend returned a list; it must return a tensor",
        ),
        (
            "def attend(q, k, v, mask=None):\n    return attend",
            "attend returned a function; it must return a tensor",
        ),
        ("attend = int(3)", "`attend` raised TypeError: 'int' object is not callable"),
        (
            "def attend(q, k, v, mask=None):\n    return q + missing",
            "`attend` raised NameError: name 'missing' is not defined (line 2 of your cell: `return q + missing`)",
        ),
        ("def attend(q, k, v, mask=None):\n    exit()", "`attend` raised SystemExit"),
        ("import sys\ndef attend(*_, **__):\n    sys.exit('bye')", "`attend` raised SystemExit: bye"),
        ("def attend(*_, **__):\n    raise KeyboardInterrupt", "`attend` raised KeyboardInterrupt"),
        ("def attend(*_, **__):\n    return input()", "`attend` raised EOFError"),
        ("def attend(*a, **b):\n    return attend(*a, **b)", "`attend` raised RecursionError"),
        (
            "def attend(*_, **__):\n    return torch.eye(3).to_sparse()",
            "`attend` raised WireError: returned a tensor of type torch.float32, torch.sparse_coo is not plain data",
        ),
        (
            "from handmade.attention import attend as theirs\ndef attend(*args):\n    return theirs(*args)",
            "`attend` is not written yet.",
        ),
        (
            "def attend(*_, **__):\n    while True: pass",
            "`attend` did not finish: it ran longer than 1 seconds.",
        ),
    ],
)
def test_what_each_failure_is_told(judge, source, reason):
    result = judge(source, seconds=1.0)
    assert result.earned == 0
    first = result.items[0].reason
    assert reason in first, first
    assert "\n" not in first


def test_an_error_that_cannot_be_described_stays_inside(judge):
    loud = "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\n"
    result = judge(loud + "def attend(*_, **__):\n    raise Odd")
    assert result.earned == 0
    assert reasons(result) == {"`attend` raised Odd (line 5 of your cell: `raise Odd`)"}


def test_a_wrong_form_is_the_learners_failure_and_no_stop(judge):
    """The check of `causality` slices three dimensions; here it gets none."""
    result = judge("def attend(q, k, v, mask=None):\n    return torch.tensor(1.0)")
    assert result.earned == 0 and all(reasons(result))


def crash(learner, rand):
    """It crashes."""
    raise RuntimeError("a mistake of the rubric's author")


def test_a_check_that_crashes_costs_its_own_item_only():
    exercise, send = EXERCISES["day09.attend"], Worker({"attend": attend}).answer
    crashed = run_item(exercise, Item("crash", 1, "It crashes.", crash), send, seed=1)
    assert (
        crashed.reason == "The result has an unexpected form (RuntimeError: a mistake of the rubric's author)"
    )
    assert not any(run_item(exercise, item, send, seed=1).reason for item in exercise.items)


def test_points_earned_before_an_endless_loop_are_kept(judge):
    body = "    while q.shape != v.shape: pass\n    return attention_weights(q, k, mask) @ v\n"
    result = judge("def attend(q, k, v, mask=None):\n" + body, seconds=1.0)
    earned = {item.item: item.earned for item in result.items}
    assert earned["values"] == 1 and earned["causality"] == 2 and earned["widths"] == 0, earned


def test_the_same_seed_draws_the_same_inputs_and_another_seed_others():
    exercise, send = EXERCISES["day09.attend"], Worker({"attend": attend}).answer
    first, again, other = (
        run_item(exercise, exercise.items[-1], send, seed).transcript for seed in (1, 1, 2)
    )
    assert alike(first, again), "one seed, two different transcripts"
    assert not alike(first, other), "two seeds, the same inputs: they could be learnt by heart"


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (torch.ones(2), torch.ones(2) + 1e-6, True),
        (torch.ones(2), torch.ones(2) + 1e-2, False),
        (torch.ones(2), torch.ones(2).double(), False),
        (torch.ones(2), torch.ones(1, 2), False),
        (torch.tensor([math.nan]), torch.tensor([math.nan]), True),
        (1.0, 1.0 + 1e-9, True),
        (1, 1.0, False),
        (True, 1, False),
        ([1, [2.0]], [1, [2.0]], True),
        ([1], (1,), False),
        ({"a": 1.0}, {"a": 1.0}, True),
        ({"a": 1}, {"b": 1}, False),
        (Handle(1, "GPT"), Handle(2, "GPT"), True),
        (Handle(1, "GPT"), Handle(1, "MLP"), False),
    ],
)
def test_when_two_outputs_are_alike(a, b, wanted):
    assert alike(a, b) is wanted
