"""How an exercise is judged: errors carried forward, reasons, and trouble that stays inside its item."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.confine import Allowance
from autograder.examine import ExerciseResult, alike, examine, run_item
from autograder.rubric import Exercise, Item, load_exercises
from autograder.wire import Handle
from autograder.worker import run_cell
from handmade.attention import attend, attention_weights, causal_mask

EXERCISES = load_exercises()


def judge(source: str, exercise: str = "day09.attend", seconds: float = 10.0) -> ExerciseResult:
    """Judge a notebook of one cell."""

    def namespace() -> dict:
        names = {"math": math, "torch": torch, "F": F, "Tensor": Tensor}
        run_cell(source, "code cell 1", names)
        return names

    return examine(EXERCISES[exercise], namespace, seed=5, guard=Allowance(seconds).spend)


def reasons(result: ExerciseResult) -> set[str]:
    return {item.reason for item in result.items}


RIGHT = "def attend(q, k, v, mask=None):\n    return attention_weights(q, k, mask) @ v\n"


def test_a_mistake_in_another_exercise_is_not_paid_for_twice():
    unmasked = "def attention_weights(q, k, mask=None):\n    return torch.softmax(q @ k.mT, -1)\n"
    result = judge(unmasked + RIGHT)
    assert result.earned == result.points == 9, reasons(result)
    assert judge(unmasked, "day09.attention_weights").earned < 12


def test_another_exercise_that_is_not_written_costs_nothing_here():
    assert (
        judge("def attention_weights(q, k, mask=None):\n    raise NotImplementedError\n" + RIGHT).earned == 9
    )


def test_what_works_with_the_learners_own_parts_counts():
    """Their attention_weights takes its arguments in another order, and their attend calls it so."""
    own = (
        "def attention_weights(mask, q, k):\n"
        "    s = q @ k.mT / math.sqrt(q.shape[-1])\n"
        "    return torch.softmax(s if mask is None else s.masked_fill(~mask, -math.inf), -1)\n"
        "def attend(q, k, v, mask=None):\n    return attention_weights(mask, q, k) @ v\n"
    )
    assert judge(own).earned == 9


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
        ("attend = 3", "`attend` raised TypeError: 'int' object is not callable"),
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
            "def attend(*_, **__):\n    while True: pass",
            "`attend` did not finish: it ran longer than 1 seconds.",
        ),
    ],
)
def test_what_each_failure_is_told(source, reason):
    result = judge(source, seconds=1.0)
    assert result.earned == 0
    first = result.items[0].reason
    assert reason in first, first
    assert "\n" not in first


def test_an_error_that_cannot_be_described_stays_inside():
    loud = "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\n"
    result = judge(loud + "def attend(*_, **__):\n    raise Odd")
    assert result.earned == 0
    assert reasons(result) == {"`attend` raised Odd (line 5 of your cell: `raise Odd`)"}


def test_a_wrong_form_is_the_learners_failure_and_no_stop():
    """The check of `causality` slices three dimensions; here it gets none."""
    result = judge("def attend(q, k, v, mask=None):\n    return torch.tensor(1.0)")
    assert result.earned == 0 and all(reasons(result))


def crash(learner, rand):
    """It crashes."""
    raise RuntimeError("a mistake of the rubric's author")


def test_a_check_that_crashes_costs_its_own_item_only():
    attend_ = EXERCISES["day09.attend"]
    exercise = Exercise("day09.attend", "x", attend_.answer, (Item("crash", 1, "x", crash), *attend_.items))
    names = {"attention_weights": attention_weights, "attend": attend}
    result = examine(exercise, lambda: dict(names), seed=1)
    assert [item.earned for item in result.items] == [0] + [item.points for item in attend_.items]
    assert "RuntimeError" in result.items[0].reason


def test_points_earned_before_an_endless_loop_are_kept():
    body = "    while q.shape != v.shape: pass\n    return attention_weights(q, k, mask) @ v\n"
    slow = "def attend(q, k, v, mask=None):\n" + body
    result = judge(slow, seconds=1.0)
    earned = {item.item: item.earned for item in result.items}
    assert earned["values"] == 1 and earned["causality"] == 2 and earned["widths"] == 0, earned


def test_the_same_seed_draws_the_same_inputs_and_another_seed_others():
    exercise = EXERCISES["day09.attend"]
    item = exercise.items[-1]
    names = {"attend": attend}
    first, again, other = (run_item(exercise, item, names, seed)[1] for seed in (1, 1, 2))
    assert alike(first, again), "one seed, two different transcripts"
    assert not alike(first, other), "two seeds, the same inputs: they could be learnt by heart"


def test_the_model_answers_earn_everything():
    names = {"attention_weights": attention_weights, "attend": attend, "causal_mask": causal_mask}
    for exercise in (e for e in EXERCISES.values() if e.day == "day09"):
        result = examine(exercise, lambda: dict(names), seed=2)
        assert result.earned == result.points, reasons(result)
        assert not result.diagnosis


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
