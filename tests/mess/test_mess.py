"""Honest mess costs nothing: a messy submission gets exactly what the clean one with the same answers gets."""

import messy_answers  # noqa: F401 - it registers styles
import messy_cells  # noqa: F401
import messy_files  # noqa: F401
import messy_scripts  # noqa: F401
import pytest
from messes import MESSES, RIGHT, STYLES, WRONG, Mess

from autograder.build.samples import as_text, notebook
from autograder.grade import Run, grade_notebook

CASES = [(mess, "right") for mess in (*MESSES.values(), *STYLES.values())]
# Where answers stand elsewhere, and earlier tries beside them, wrong ones must be found as surely as right ones.
CASES += [(mess, "wrong") for mess in MESSES.values() if mess.make.__module__ != "messy_cells"]
ANSWERS = {"right": RIGHT, "wrong": WRONG}
SCORES = {"right": [5, 12, 9], "wrong": [3, 8, 5]}


def scores(raw: bytes, file: str, limit: float) -> tuple[list[int], str]:
    """What each exercise earned, and why what was lost was lost."""
    report = grade_notebook(raw, file, "ada", Run(seed=5, limit=limit))
    why = [report["problem"], *(item["reason"] for e in report["exercises"] for item in e["items"])]
    return [e["earned"] for e in report["exercises"]], "; ".join(dict.fromkeys(filter(None, why)))


@pytest.mark.parametrize("answers", ANSWERS)
def test_the_clean_submission_gets(answers):
    assert scores(as_text(notebook(ANSWERS[answers])).encode(), "ada.ipynb", 10)[0] == SCORES[answers]


@pytest.mark.parametrize(("mess", "answers"), CASES, ids=lambda value: getattr(value, "name", value))
def test_mess_costs_nothing(mess: Mess, answers: str):
    got, why = scores(mess.raw(ANSWERS[answers]), mess.file, mess.limit)
    assert got == SCORES[answers], f"{mess.says} It gets {got}: {why}"


def test_there_are_enough():
    assert len(MESSES) >= 60 and len(STYLES) >= 20
