"""Scores into nbgrader's gradebook, through nbgrader's API: formgrader and `nbgrader export` find them there.

The names are those of the released notebooks: the assignment is the week's folder, the graded cell of
day09.attend is "day09-attend-check".
"""

import os
import sys
import warnings
from pathlib import Path

from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedNotebook
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from autograder.grade import Graded
from autograder.rubric import load_exercises
from autograder.submission import released
from handmade.errors import UserError


def record(class_: list[Graded], path: Path) -> None:
    """Enter or update the scores of a class. What a person entered by hand stays as it is.

    Raises:
        UserError: `path` is not a gradebook, or cannot be written.
    """
    # nbgrader asks a command, alembic, for its version. It lies beside this Python, which need not be in the PATH.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    try:
        with warnings.catch_warnings(), Gradebook(f"sqlite:///{path}") as book:
            warnings.simplefilter("ignore", SAWarning)  # about nbgrader's own queries
            for graded in class_:
                if graded.results:
                    _record_one(book, graded)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        raise UserError(
            f"The gradebook {path} cannot be used ({reason}); move it away, or choose another --out."
        ) from error


def _record_one(book: Gradebook, graded: Graded) -> None:
    notebook, assignment = released(graded.day).notebook, graded.assignment
    book.update_or_create_assignment(assignment)
    book.update_or_create_notebook(notebook, assignment)
    for result in graded.results:
        book.update_or_create_grade_cell(
            load_exercises()[result.exercise].check_id,
            notebook,
            assignment,
            max_score=result.points,
            cell_type="code",
        )
    book.update_or_create_student(graded.learner)
    submission = book.update_or_create_submission(assignment, graded.learner)
    try:
        entry = book.find_submission_notebook(notebook, assignment, graded.learner)
    except MissingEntry:  # the submission was entered before the week had this day
        entry = SubmittedNotebook(notebook=book.find_notebook(notebook, assignment), assignment=submission)
        book.db.add(entry)
    for result in graded.results:
        cell = book.find_grade_cell(load_exercises()[result.exercise].check_id, notebook, assignment)
        grade = next((grade for grade in entry.grades if grade.cell_id == cell.id), None)
        if grade is None:
            grade = Grade(cell_id=cell.id, notebook=entry)
            book.db.add(grade)
        grade.auto_score = result.earned
        # As nbgrader's own autograder has it: a score given by hand is looked at again.
        grade.needs_manual_grade = grade.manual_score is not None
    book.db.commit()
