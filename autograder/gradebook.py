"""Scores into nbgrader's gradebook, through nbgrader's API: formgrader and `nbgrader export` find them there.

The names are those of the released notebooks: the assignment is the week's folder, the graded cell of
day09.attend is "day09-attend-check".
"""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedNotebook
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from autograder.rubric import load_exercises, load_free_answers
from autograder.submission import released
from handmade.errors import UserError


def record(reports: list[dict[str, Any]], path: Path) -> None:
    """Enter or update the scores of a class, given as reports. What a person entered by hand stays as it is.

    Raises:
        UserError: `path` is not a gradebook, or cannot be written.
    """
    # nbgrader asks a command, alembic, for its version. It lies beside this Python, which need not be in the PATH.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    try:
        with warnings.catch_warnings(), Gradebook(f"sqlite:///{path}") as book:
            warnings.simplefilter("ignore", SAWarning)  # about nbgrader's own queries
            for report in reports:
                if report["exercises"]:
                    _record_one(book, report)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        raise UserError(
            f"The gradebook {path} cannot be used ({reason}); move it away, or choose another --out."
        ) from error


def _record_one(book: Gradebook, report: dict[str, Any]) -> None:
    assignment, learner = report["assignment"], report["learner"]
    notebook = released(report["day"]).notebook
    earned = {load_exercises()[each["exercise"]].check_id: each for each in report["exercises"]}
    questions = {each.cell_id: each for each in load_free_answers().values() if each.day == report["day"]}
    book.update_or_create_assignment(assignment)
    book.update_or_create_notebook(notebook, assignment)
    for name, exercise in earned.items():
        book.update_or_create_grade_cell(
            name, notebook, assignment, max_score=exercise["points"], cell_type="code"
        )
    for name, question in questions.items():
        book.update_or_create_grade_cell(
            name, notebook, assignment, max_score=question.points, cell_type="markdown"
        )
    book.update_or_create_student(learner)
    submission = book.update_or_create_submission(assignment, learner)
    try:
        entry = book.find_submission_notebook(notebook, assignment, learner)
    except MissingEntry:  # the submission was entered before the week had this day
        entry = SubmittedNotebook(notebook=book.find_notebook(notebook, assignment), assignment=submission)
        book.db.add(entry)
    grades = {grade.cell_id: grade for grade in entry.grades}
    for name in [*earned, *questions]:
        cell = book.find_grade_cell(name, notebook, assignment)
        grade = grades.get(cell.id)
        if grade is None:
            grade = Grade(cell_id=cell.id, notebook=entry)
            book.db.add(grade)
        if name in earned:
            grade.auto_score = earned[name]["earned"]
            # As nbgrader's own autograder has it: a score given by hand is looked at again.
            grade.needs_manual_grade = grade.manual_score is not None
        elif grade.auto_score is None and grade.manual_score is None:
            grade.needs_manual_grade = True
    book.db.commit()
