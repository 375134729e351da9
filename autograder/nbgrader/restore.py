"""A submission in a form that nbgrader can read, whatever has become of it.

nbgrader believes a submission's metadata, and stumbles over what it cannot read. So the graded cells get theirs from
the gradebook, which holds what was released; of all other cells only the text, the id and the tags are kept, and
prose is made harmless (`prose`).
"""

import re
from collections.abc import Sequence
from typing import Any

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.build.assemble import KERNEL, nbgrader_metadata
from autograder.build.release import ClearToSentence
from autograder.nbgrader.prose import plain_text, prose
from autograder.rubric import load_exercises
from autograder.submission import MOST_CELLS, Cell, find_answer, read_cells, read_entries, squeeze, text_of
from handmade.errors import UserError

MOST_TEXT = 2_000_000  # characters; where there is more, only the code is kept


class Restore(NbGraderPreprocessor):
    """The first of nbgrader's sanitize_preprocessors, for submissions that did not come through `collect`."""

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        names = resources["nbgrader"]
        graded = graded_cells(names["db_url"], names["assignment"], names["notebook"])
        raw = nbformat.writes(nb).encode(errors="replace")
        return restored(raw, f"{names['notebook']}.ipynb", graded), resources


def graded_cells(db_url: str, assignment: str, notebook: str) -> list[NotebookNode]:
    """The stubs, checks and free answers of a notebook as they were released, in its order.

    Raises:
        MissingEntry: the gradebook has no such notebook.
    """
    with Gradebook(db_url) as book:
        entry = book.find_notebook(notebook, assignment)
        points = {cell.name: cell.max_score for cell in entry.grade_cells}
        solutions = {cell.name for cell in entry.solution_cells}
        cells = []
        for source in entry.source_cells:
            metadata = nbgrader_metadata(source.name, source.name in solutions, points.get(source.name))
            metadata |= {"checksum": source.checksum, "cell_type": source.cell_type}
            new = new_code_cell if source.cell_type == "code" else new_markdown_cell
            cells.append(new(source.source, id=source.name, metadata={"nbgrader": metadata}))
        return cells


def restored(raw: bytes, file: str, graded: Sequence[NotebookNode]) -> NotebookNode:
    """The submission with its graded cells as nbgrader wants them; one that cannot be read says so itself."""
    try:
        entries, cells = read_entries(raw, file), read_cells(raw, file)
    except UserError as error:
        note = new_markdown_cell(plain_text(f"**This submission could not be read.** {error}"), id="problem")
        return new_notebook(cells=[note, *filter(_has_points, graded)], metadata=KERNEL)
    if len(entries) > MOST_CELLS or sum(len(text_of(entry)) for entry in entries) > MOST_TEXT:
        entries = [entry for entry in entries if entry.get("cell_type") == "code"]
    found = {cell.id: _find(cell, entries, cells) for cell in graded}
    at = {index: cell for cell in graded if (index := found[cell.id]) is not None}
    missing, before = {}, -1  # by the place after which they belong: that of the graded cell before them
    for cell in graded:
        if found[cell.id] is not None:
            before = found[cell.id]
        elif _has_points(cell):
            missing.setdefault(before, []).append(cell)
    made, ids = list(missing.get(-1, [])), {cell.id for cell in graded}
    for index, entry in enumerate(entries):
        made.append(_filled(at[index], entry) if index in at else _learners(entry, index, ids))
        made += missing.get(index, [])
    return new_notebook(cells=made, metadata=KERNEL)


def _find(released: NotebookNode, entries: list[dict], cells: list[Cell]) -> int | None:
    """Where among the submission's cells a graded cell of the release is; None if it is lost."""
    exercise = next((e for e in load_exercises().values() if e.cell_id == released.id), None)
    if exercise:
        answer = find_answer(exercise, cells)
        code = [index for index, entry in enumerate(entries) if entry.get("cell_type") == "code"]
        return code[answer.number - 1] if answer else None
    if not released.metadata.nbgrader.solution:  # a check: one that was changed is the learner's own cell
        same = [i for i, entry in enumerate(entries) if squeeze(text_of(entry)) == squeeze(released.source)]
        return same[-1] if same else None
    # A free answer goes by its id or else by its question. As for exercises, a written one comes before a blank one.
    question = squeeze(released.source.removesuffix(ClearToSentence.text_stub))
    candidates = []
    for index, entry in enumerate(entries):
        text = squeeze(text_of(entry))
        named = released.id in (entry.get("id"), _metadata(entry).get("grade_id"))
        if named or question in text:
            candidates.append((text != squeeze(released.source), named, index))
    return max(candidates)[-1] if candidates else None


def _has_points(cell: NotebookNode) -> bool:
    return cell.metadata.nbgrader.grade


def _filled(released: NotebookNode, entry: dict) -> NotebookNode:
    """A graded cell of the release with the learner's text in it, if it is theirs to write."""
    cell = NotebookNode(released)
    if released.metadata.nbgrader.solution:
        cell |= prose(entry) if cell.cell_type == "markdown" else {"source": text_of(entry)}
    return cell


def _learners(entry: dict, index: int, ids: set[str]) -> NotebookNode:
    """Any other cell. `ids` are those that are taken."""
    id = entry.get("id")
    if not isinstance(id, str) or not re.fullmatch(r"(?!cell-)[a-zA-Z0-9_-]{1,64}", id) or id in ids:
        id = f"cell-{index}"
    ids.add(id)
    if entry.get("cell_type") == "code":
        metadata = entry["metadata"] if isinstance(entry.get("metadata"), dict) else {}
        tags = metadata["tags"] if isinstance(metadata.get("tags"), list) else []
        tags = sorted({tag for tag in tags if isinstance(tag, str) and re.fullmatch(r"[\w-]+", tag)})
        return new_code_cell(text_of(entry), id=id, metadata={"tags": tags} if tags else {})
    # A raw cell too: nbconvert would put it into the page as HTML.
    return new_markdown_cell(**prose(entry), id=id)


def _metadata(entry: dict) -> dict[str, Any]:
    metadata = entry["metadata"] if isinstance(entry.get("metadata"), dict) else {}
    return metadata["nbgrader"] if isinstance(metadata.get("nbgrader"), dict) else {}
