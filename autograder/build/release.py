"""nbgrader's own generate_assignment turns the assembled notebooks into those that learners get."""

import ast
import logging
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import ClearSolutions, SaveCells

from autograder.build.sources import enclosing, regions
from handmade.errors import UserError


def release(notebooks: Mapping[str, NotebookNode]) -> dict[str, NotebookNode]:
    """Take the solutions out of assembled notebooks, given by their paths under `course/`.

    nbgrader works on a course folder, which is made for the occasion; its assignments are our weeks.

    Raises:
        UserError: nbgrader refuses a notebook.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path, notebook in notebooks.items():
            target = root / "source" / _assignment(path) / Path(path).name
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, target)
        for assignment in sorted({_assignment(path) for path in notebooks}):
            _generate(root, assignment)
        return {
            path: nbformat.read(root / "release" / _assignment(path) / Path(path).name, as_version=4)
            for path in notebooks
        }


def _assignment(path: str) -> str:
    return Path(path).parent.name or "start"


def _generate(root: Path, assignment: str) -> None:
    """Run generate_assignment as with --no-db: nothing is graded here, so nobody would read a gradebook."""
    converter = GenerateAssignment(coursedir=CourseDirectory(root=str(root), assignment_id=assignment))
    converter.no_database = True
    converter.preprocessors = [
        ClearToSentence if preprocessor is ClearSolutions else preprocessor
        for preprocessor in converter.preprocessors
        if preprocessor is not SaveCells
    ]
    complaints = logging.StreamHandler()
    complaints.setLevel(logging.ERROR)
    converter.log.addHandler(complaints)
    try:
        converter.start()
    except NbGraderException as error:
        raise UserError(f"nbgrader refused the notebooks of {assignment}; it says above why.") from error
    finally:
        converter.log.removeHandler(complaints)


class ClearToSentence(ClearSolutions):
    """nbgrader's ClearSolutions, except that each stub says what is to be written there."""

    text_stub = "*Write your answer here, in place of this line.*"

    def preprocess_cell(self, cell: NotebookNode, resources: ResourcesDict, cell_index: int):
        code = cell.source if cell.cell_type == "code" else ""
        sentences = stub_sentences(code, resources["nbgrader"]["notebook"])
        self.code_stub = {"python": "raise NotImplementedError(__SENTENCE__)"}
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        for sentence in sentences:
            cell.source = cell.source.replace("__SENTENCE__", f'"{sentence}"', 1)
        return cell, resources


def stub_sentences(code: str, stem: str) -> list[str]:
    """What each solution region of a cell says until it is written."""
    if "BEGIN SOLUTION" not in code:
        return []
    tree = ast.parse(code)
    day = re.match(r"day0*(\d+\w?)_", stem)[1]  # "9" of "day09_attention", "0a" of "day00a_next_token"
    return [f"Day {day}: write {_call(enclosing(tree, line))} and run its cell." for line, _ in regions(code)]


def _call(definitions: list) -> str:
    """How the thing to write is called: "attend(q, k, v, mask)", "Block.forward(x)"."""
    name = ".".join(definition.name for definition in definitions)
    inner = definitions[-1]
    if isinstance(inner, ast.ClassDef):
        return name
    arguments = [a.arg for a in (*inner.args.posonlyargs, *inner.args.args, *inner.args.kwonlyargs)]
    return f"{name}({', '.join(a for a in arguments if a != 'self')})"
