"""nbgrader's autograde step with our examiner in it."""

import secrets
from functools import cache
from typing import Any

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Float, Integer, Unicode

from autograder.grade import Run, grade_notebook
from autograder.rubric import load_exercises


class Examine(NbGraderPreprocessor):
    """In place of nbgrader's Execute: each check gets its points, and why, as outputs.

    nbgrader takes the number in a graded cell's first `execute_result` for its score. Free answers it leaves to
    a person, and so do we. The learner's own outputs go.
    """

    seed = Integer(
        None, allow_none=True, min=0, help="What the inputs are drawn from (default: new for each run)"
    ).tag(config=True)
    limit = Float(10.0, help="Seconds that the learner's code may take, for each exercise").tag(config=True)
    isolation = Unicode("", help="The least isolation that will do (default: what there is)").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        names = resources["nbgrader"]
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        seed = seed_of_this_run() if self.seed is None else self.seed
        run = Run(seed, limit=self.limit, isolation=self.isolation)
        report = grade_notebook(
            nbformat.writes(nb).encode(errors="replace"),
            f"{names['notebook']}.ipynb",
            names["student"],
            run,
            names["assignment"],
        )
        results = {load_exercises()[each["exercise"]].check_id: each for each in report["exercises"]}
        for cell in nb.cells:
            if is_grade(cell) and not is_solution(cell):
                cell.outputs = outputs(results.get(cell.metadata.nbgrader.grade_id), cell, report)
        # With these the same scores can be had again.
        nb.metadata["handmade"] = {key: report[key] for key in ("seed", "limits", "isolation", "versions")}
        return nb, resources


@cache
def seed_of_this_run() -> int:
    """One for all submissions that this process grades."""
    return secrets.randbelow(2**31)


def outputs(result: dict[str, Any] | None, cell: NotebookNode, report: dict[str, Any]) -> list[NotebookNode]:
    """A check's score, and why, both as plain text: what the learner's code said is never HTML."""
    if result is None:
        earned, lines = 0.0, [report["problem"]]
    else:
        # In the points that the cell had when it was released, should the rubric have changed since.
        earned = result["earned"] * cell.metadata.nbgrader.points / result["points"]
        lines = explanation(result)
    score = new_output("execute_result", {"text/plain": f"{earned:g}"})
    return [score, new_output("stream", name="stdout", text="\n".join(lines) + "\n")]


def explanation(result: dict[str, Any]) -> list[str]:
    """What was lost and why, in lines."""
    lines = [f"{result['title']}: {result['earned']} of {result['points']} points."]
    if result["mistake"]:
        lines.append(f"Your results are those of a known mistake: {result['mistake']}")
    for item in result["items"]:
        mark = "✓" if item["earned"] == item["points"] else "✗"
        lines.append(f"{mark} {item['statement']} ({item['earned']} of {item['points']})")
        if item["reason"]:
            lines.append(f"  Not so: {item['reason']}")
    return lines
