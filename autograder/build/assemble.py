"""A source becomes an nbgrader source notebook: cell ids, nbgrader's metadata, the set-up cell, the map."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.build.sources import Source, Week
from autograder.rubric import Exercise, FreeAnswer

MAP = "{{ map }}"  # the line of the start page that the map of the days replaces

KERNEL = {  # no version of anything: the notebook is the same whoever builds it
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

SETUP = """\
# In Colab this installs the course's library. Anywhere else it does nothing.
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("handmade") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "{package}"], check=True)"""


def assemble(
    source: Source,
    exercises: Mapping[str, Exercise],
    free_answers: Mapping[str, FreeAnswer],
    package: str,
    course_map: str,
) -> NotebookNode:
    """The notebook with its solutions in: what nbgrader reads, and what the tests run."""
    cells = [
        new_code_cell(
            SETUP.format(package=package),
            id=f"{source.prefix}-setup",
            metadata={"tags": ["setup"], "jupyter": {"source_hidden": True}},
        )
    ]
    seen = Counter()
    for cell in source.cells:
        options, text = cell.metadata, cell.source.replace(MAP, course_map)
        if "exercise" in options:
            name = exercises[options.exercise].cell_id
            metadata = {"nbgrader": nbgrader_metadata(name, solution=True)}
        elif "check" in options:
            name = exercises[options.check].check_id
            metadata = {"nbgrader": nbgrader_metadata(name, points=exercises[options.check].points)}
        elif "answer" in options:
            question = free_answers[options.answer]
            name = question.cell_id
            metadata = {"nbgrader": nbgrader_metadata(name, solution=True, points=question.points)}
            # For the grader's eyes: the release takes it out with the solutions.
            text = f"{text}\n\n### BEGIN SOLUTION\n{question.criteria}\n### END SOLUTION"
        else:
            # From the content, so that a new cell leaves the ids of the others as they are.
            digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
            seen[digest] += 1
            name = f"{source.prefix}-{digest}" + (f"-{seen[digest]}" if seen[digest] > 1 else "")
            metadata = {}
        tags = list(options.get("tags", []))
        ran = {}
        if "prints" in options:
            tags.append("nbval-check-output")
            text = options.prints.rstrip("\n") + "\n"
            # nbval compares the outputs of cells that were run, so it has a number.
            ran = {"outputs": [new_output("stream", name="stdout", text=text)], "execution_count": 1}
        if tags:
            metadata["tags"] = tags
        if cell.cell_type == "code":
            cells.append(new_code_cell(cell.source, id=name, metadata=metadata, **ran))
        else:
            cells.append(new_markdown_cell(text, id=name, metadata=metadata))
    notebook = new_notebook(cells=cells, metadata=KERNEL)
    nbformat.validate(notebook)
    return notebook


def nbgrader_metadata(grade_id: str, solution: bool = False, points: int | None = None) -> dict:
    """nbgrader's metadata, schema 3: a solution is the learner's to write, and what has points is graded."""
    metadata = {
        "schema_version": 3,
        "grade_id": grade_id,
        "solution": solution,
        "grade": points is not None,
        "locked": not solution,
        "task": False,
    }
    return metadata if points is None else metadata | {"points": points}


def draw_map(weeks: list[Week], released: Collection[str]) -> str:
    """The days as a markdown list: those with a notebook are links, the others are said to be coming."""
    lines = []
    for week in weeks:
        lines += [f"### {week.title}", ""]
        for day in week.days:
            here = day.notebook in released
            lines.append(f"- [{day.heading}]({day.notebook})" if here else f"- {day.heading} *(coming)*")
        lines.append("")
    return "\n".join(lines).rstrip()
