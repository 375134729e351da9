"""`autograder course`: a folder in which nbgrader's own commands, and formgrader, grade this course."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from autograder.build.__main__ import Refused, make, write
from autograder.rubric import load_exercises, load_free_answers
from handmade.errors import UserError
from handmade.files import write_atomically

CONFIG = '''\
"""nbgrader's configuration for this course, written by `autograder course`."""

c = get_config()

c.CourseDirectory.course_id = "handmade"

# nbgrader's own steps, with two of ours: no learner's code runs in a kernel, and no metadata of theirs is believed.
c.Autograde.sanitize_preprocessors = [
    "autograder.nbgrader.Restore",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "autograder.nbgrader.Examine",  # in place of nbgrader.preprocessors.Execute
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# c.Examine.seed = 11  # to draw the inputs of an earlier run again; each autograded notebook names its own
# c.Examine.limit = 10.0  # seconds for each exercise
# c.Examine.isolation = "namespaces"  # to refuse to grade on a machine that isolates less; see `autograder doctor`

# nbgrader's own list, except that each stub says what is to be written there.
c.GenerateAssignment.preprocessors = [
    "nbgrader.preprocessors.IncludeHeaderFooter",
    "nbgrader.preprocessors.InstantiateTests",
    "nbgrader.preprocessors.LockCells",
    "autograder.build.release.ClearToSentence",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
]
'''


def make_course(root: Path, out: Path) -> list[str]:
    """Write the course of the repository `root` into `out`, and return its assignments: the weeks.

    A course that is there is brought up to date; grades in its gradebook stay.

    Raises:
        UserError: `root` is not the repository, or the build or nbgrader refuses.
    """
    if not (root / "solutions" / "days.toml").exists():
        raise UserError("The course is made from the repository's solutions/; run this from a checkout.")
    try:
        solved = make(root, load_exercises(), load_free_answers())[1]
    except Refused as refused:
        raise UserError(str(refused)) from None
    weeks = {path: text for path, text in solved.items() if "/" in path}  # the start page is not graded
    write(out / "source", weeks)
    with write_atomically(out / "nbgrader_config.py") as file:
        file.write(CONFIG)
    assignments = sorted({path.partition("/")[0] for path in weeks})
    for assignment in assignments:
        run_nbgrader(out, "generate_assignment", assignment, "--force")
    return assignments


def run_nbgrader(course: Path, *arguments: str) -> None:
    """Run one of nbgrader's commands in a course.

    Raises:
        UserError: it failed; the message ends in what nbgrader said last.
    """
    # nbgrader asks a command, alembic, for its version. It lies beside this Python, which need not be in the PATH.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(
        command, cwd=course, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        said = "\n".join(list(_errors(done.stderr))[:10])
        raise UserError(f"nbgrader refused `{' '.join(arguments)}` in {course}; it says:\n{said}")


def _errors(log: str) -> Iterator[str]:
    """The lines of nbgrader's log that name an error, without the tracebacks."""
    for line in log.splitlines():
        if "| ERROR]" in line or line.startswith(("RuntimeError", "sqlalchemy", "ValueError")):
            yield f"  {line}"
