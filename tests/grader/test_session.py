"""A submission's cells, run in jailed processes: what is there for an exercise, and what goes wrong costs."""

import hashlib
import json
import os

import pytest
from cells import cell, returns

from autograder.remote import LearnerError
from autograder.session import Missing
from autograder.submission import ROOT


def answers(name: str, source: str) -> dict:
    """The cell of an exercise of Day 9."""
    return cell(source, id=f"day09-{name}")


ATTEND = answers("attend", returns(1))


# --- What is there ------------------------------------------------------------------------------------


def test_the_answers_own_cell_counts_whatever_another_does_with_its_name(submit, enter):
    learner = enter(submit(ATTEND, returns(2), "attend = None"))
    assert learner.attend() == 1


def test_helpers_in_other_cells_are_there_wherever_they_stand(submit, enter):
    source = "def attend():\n    return helper() * WIDTH"
    learner = enter(submit("WIDTH = 3", answers("attend", source), "def helper():\n    return 2"))
    assert learner.attend() == 6


def test_what_the_instructors_notebook_imports_is_there_though_the_learner_deleted_it(submit, enter):
    names = "def attend():\n    return [math.pi, F.relu(Tensor([-1.0])), torch.float32.is_floating_point]"
    pi, zero, floating = enter(submit(answers("attend", names))).attend()
    assert (round(pi, 2), zero.item(), floating) == (3.14, 0.0, True)


def test_demonstrations_and_the_instructors_own_cells_are_not_run(submit, enter):
    released = json.loads(next((ROOT / "course").glob("*/day09_*.ipynb")).read_text(encoding="utf-8"))
    checks = [each for each in released["cells"] if each["id"].endswith("-check")]
    earlier = "ran = True  # in an earlier release, whose cells are told by their ids"
    digest = hashlib.sha256(earlier.encode()).hexdigest()[:8]
    learner = enter(
        submit(
            cell("ran = True", tags=("demonstration",)),
            cell(earlier, id=f"day09-{digest}"),
            cell(earlier, id=f"day09-{digest}-2"),
            *checks,
            answers("attend", "def attend():\n    return [name in globals() for name in ('ran', 'weights')]"),
        )
    )
    ran, checked = learner.attend()
    assert not ran, "a demonstration was run, or a cell of an earlier release"
    assert not checked, "a visible check was run"


def test_cells_with_magics_are_run_as_plain_python(submit, enter):
    learner = enter(
        submit(
            "%matplotlib inline\n!pip install nothing\nfiles = !ls\nx = 1",
            "%%time\ny = 2",
            "%time z = 3",
            "%%capture out\nw = 4",
            "%%bash\nrm -rf /nowhere",
            "\n\n%%html\n<b>no</b>",
            "len?",
            answers("attend", "def attend():\n    return [x, y, z, w]"),
        )
    )
    assert learner.attend() == [1, 2, 3, 4]


def test_a_cell_that_names_an_earlier_answer_runs_without_it(submit, enter):
    """As the type of an argument, or to build on: the earlier cell may be missing, or be no Python."""
    learner = enter(
        submit("def attend(mask=causal_mask(2), *, weights: type(attention_weights) = None): return mask")
    )
    assert learner.attend().tolist() == [[True, False], [True, True]]


def test_two_processes_share_nothing(submit, enter):
    submission = submit(
        "calls = []", answers("attend", "def attend():\n    calls.append(1)\n    return len(calls)")
    )
    first, second = enter(submission), enter(submission)
    assert [first.attend(), first.attend(), second.attend()] == [1, 2, 1]


def test_what_is_printed_goes_nowhere(submit, enter, capfd):
    print_all = "def attend():\n    print('x' * 100_000); os.write(1, b'out'); os.write(2, b'err')\n"
    which = "    return [os.fstat(number).st_rdev for number in (0, 1, 2)]"
    learner = enter(submit("import os\nprint('from the cell')", answers("attend", print_all + which)))
    assert learner.attend() == [os.stat(os.devnull).st_rdev] * 3
    assert capfd.readouterr() == ("", "")


# --- What stands in for a learner's answers, and what does not ----------------------------------------

WHOSE = "def attend():\n    return [f() if f.__module__ == '__main__' else 'the model answer' for f in ({})]"


def test_model_answers_stand_in_for_earlier_exercises(submit, enter):
    others = [answers("causal_mask", returns(1, "causal_mask")), returns(2, "attention_weights")]
    submission = submit(*others, answers("attend", WHOSE.format("causal_mask, attention_weights")))
    assert enter(submission).attend() == ["the model answer"] * 2
    assert enter(submission, corrected=False).attend() == [1, 2]


def test_a_later_exercise_stays_the_learners(submit, enter):
    """The model attend would give their attention_weights away: attend(q, k, torch.eye(T), mask) is the same."""
    recovered = (
        "def attention_weights(q, k, mask=None):\n    return attend(q, k, torch.eye(k.shape[-2]), mask)"
    )
    submission = submit(answers("attention_weights", recovered), ATTEND)
    assert enter(submission, "day09.attention_weights").attend() == 1
    with pytest.raises(LearnerError, match="TypeError"):  # theirs, which takes no mask by that name
        enter(submission, "day09.attention_weights").attend(mask=None)


def test_a_later_exercise_that_is_not_written_is_not_there(submit, enter):
    recovered = "def attention_weights(q):\n    return attend(q, q, q)"
    learner = enter(submit(answers("attention_weights", recovered)), "day09.attention_weights")
    with pytest.raises(LearnerError, match="name 'attend' is not defined"):
        learner.attention_weights(1)


@pytest.mark.parametrize(
    "source",
    [
        "from handmade.attention import attend as theirs\ndef attend(*args):\n    return theirs(*args)",
        "import handmade.attention\ndef attend(*args):\n    return handmade.attention.attend(*args)",
        "import handmade.attention\nattend = handmade.attention.attend",
    ],
)
def test_the_library_says_that_the_answer_is_still_open(submit, enter, source):
    said = r"Day 9: attend\(q, k, v, mask\) is an answer that is still open: write it in your notebook\."
    with pytest.raises(LearnerError, match=said):
        enter(submit(answers("attend", source))).attend(1, 2, 3)


def test_the_library_has_the_answers_to_earlier_exercises_and_no_later_ones(submit, enter):
    source = """
from handmade import attention, model
def attend():
    return attention.causal_mask(3)
def later():
    return model.GPT(None)
"""
    learner = enter(submit(answers("attend", source)))
    assert learner.attend().tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    with pytest.raises(LearnerError, match="is an answer that is still open"):
        learner.later()


# --- What goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise",
    [
        "1 / 0",
        "raise SystemExit(3)",
        "import sys; sys.exit('bye')",
        "raise KeyboardInterrupt",
        "input('name? ')",
        "import a_package_that_nobody_has",
        "def broken(:",
        "\0",
        "\ud800 = 1",
        "(" * 5000 + ")" * 5000,
        "!exit 1\n%no_such_magic\n%%neither",
        "while True: pass",
        "while True:\n    try:\n        pass\n    except BaseException:\n        pass",
        "import os; os._exit(1)",
        "import os; os.kill(os.getpid(), 9)",
        "import ctypes; ctypes.string_at(0)",
        "x = bytearray(4 << 30)",
        "display(attend); attend?",
        "del attend",
        "globals().clear()",
    ],
)
def test_a_cell_that_goes_wrong_costs_nothing(submit, enter, noise):
    assert enter(submit(noise, ATTEND, noise, seconds=0.5)).attend() == 1


def test_what_a_cell_defined_before_it_went_wrong_is_there(submit, enter):
    source = "def attend():\n    return ['x' in globals(), 'z' in globals()]"
    learner = enter(submit("x = 1\ny = 1 / 0\nz = 3", answers("attend", source)))
    assert learner.attend() == [True, False]


def test_an_answer_with_an_endless_demonstration_below_it_is_there(submit, enter):
    """The process is ended; in the next one only what the cell defines is run."""
    submission = submit(answers("attend", returns(1) + "\nwhile True: attend()"), seconds=0.5)
    assert enter(submission).attend() == 1
    assert [each.number for each in submission.shortened] == [1] and not submission.left_out


def test_what_an_endless_cell_computes_is_not_there_and_what_it_defines_is(submit, enter):
    endless = "count = len('abc')\nf = lambda: 1\ndef g():\n    return 2\nwhile True: pass"
    source = "def attend():\n    return [f(), g(), 'count' in globals()]"
    assert enter(submit(endless, answers("attend", source), seconds=0.5)).attend() == [1, 2, False]


def test_a_cell_whose_definitions_never_end_is_left_out(submit, enter):
    endless = "class Stuck:\n    while True: pass\ndef lost(): pass"
    submission = submit(
        endless, answers("attend", "def attend():\n    return 'lost' in globals()"), seconds=0.5
    )
    assert enter(submission).attend() is False
    assert [each.number for each in submission.left_out] == [1]


def test_a_cell_that_is_known_to_hang_is_not_waited_for_in_the_next_exercise(submit, enter):
    submission = submit("while True: pass", returns(1, "attention_weights"), ATTEND, seconds=0.5)
    enter(submission)
    spent = submission.spent
    enter(submission, "day09.attention_weights")
    assert spent >= 0.5 and submission.spent - spent < 0.5, "the endless cell was run in full a second time"


def test_many_slow_cells_do_not_add_up(submit, enter):
    """Each ends in time; together they may take no more than a few times as long."""
    slow = [f"import time; x{n} = time.sleep(0.4)" for n in range(9)]
    source = "def attend():\n    return sum(f'x{n}' in globals() for n in range(9))"
    submission = submit(*slow, answers("attend", source), seconds=0.5)
    assert 7 <= enter(submission).attend() < 9
    assert submission.spent < 5


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def attend(q):\n    return q +", "is not valid Python: invalid syntax (line 2 of the cell)"),
        ("def my_attend(q):\n    return q", "does not define it, but `my_attend`"),
        ("", "does not define it."),
        (
            "x = 1 / 0\nattend = x",
            "stopped before defining it: ZeroDivisionError: division by zero",
        ),
        ("attend = input()", "stopped before defining it: EOFError"),
        (
            "while True: pass\nattend = 1 / 0",
            "did not finish: it ran longer than 0.5 seconds",
        ),
        ("import os\nos._exit(0)\nattend = 1 / 0", "stopped before defining it: Died: its process ended"),
    ],
)
def test_what_there_is_to_judge_or_why_not(submit, enter, source, reason):
    with pytest.raises(Missing) as caught:
        enter(submit(answers("attend", source), seconds=0.5))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "broken",
    [
        "import importlib; importlib.import_module = None",
        "import sys; sys.modules['handmade.attention'] = None",
    ],
)
def test_a_notebook_that_breaks_importing_has_nothing_to_judge(submit, enter, broken):
    with pytest.raises(Missing, match="The notebook as a whole cannot be used: "):
        enter(submit(broken, ATTEND))
