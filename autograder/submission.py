"""A learner's notebook: reading it, and finding the answer to each exercise in it.

The file is only ever read, never run here. Its outputs and metadata are not believed: cell ids and grade ids merely
say where to look first.
"""

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from autograder.rubric import Exercise, load_exercises
from handmade.errors import UserError

ROOT = Path(__file__).parents[1]

# What the exercises of a day without a released notebook may rely on.
PRELUDE = """\
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
"""


# --- Reading ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)  # two cells with the same text are two cells
class Cell:
    """One code cell."""

    number: int  # among the notebook's code cells, from 1
    heading: str  # the last heading above it
    id: str
    grade_id: str  # nbgrader's
    tags: frozenset[str]
    written: str  # as it stands in the notebook
    source: str  # the same as plain Python
    defines: dict[str, bool]  # the names of its functions and classes; False for one that is still a stub
    problem: str  # why it is not Python, or ""

    @property
    def place(self) -> str:
        """Where in the notebook it is, for a person."""
        return f"code cell {self.number}" + (f", under “{self.heading}”" if self.heading else "")


def read_notebook(path: Path) -> list[Cell]:
    """The code cells of a notebook in a file."""
    return read_cells(path.read_bytes(), path.name)


def read_cells(raw: bytes, file: str) -> list[Cell]:
    """The code cells of what was handed in; `file` is its name.

    Raises:
        UserError: it is not a notebook of format 4.
    """
    if not raw.strip():
        raise UserError("The file is empty; save the notebook and hand it in again.")
    try:
        notebook = json.loads(raw)  # finds out by itself whether it is UTF-8 or UTF-16, with a BOM or without
    except (ValueError, RecursionError):
        raise UserError(
            "The file is not a notebook (it is not JSON); save it in Jupyter and hand it in again."
        ) from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise UserError("The file is JSON, but not a notebook; hand in the .ipynb that Jupyter saved.")
    if notebook["nbformat"] != 4:
        raise UserError(
            f"The notebook has format {notebook['nbformat']}, and only format 4 can be read; open it in Jupyter, save "
            "it and hand it in again."
        )
    cells, heading = [], ""
    entries = notebook.get("cells")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        text = _text(entry.get("source"))
        if entry.get("cell_type") == "markdown":
            headings = re.findall(r"^#+ +(.+?)[ #]*$", text, re.MULTILINE)
            heading = headings[-1] if headings else heading
        elif entry.get("cell_type") == "code":
            cells.append(_cell(len(cells) + 1, heading, entry, text))
    if not cells:
        raise UserError("The notebook has no code cells; hand in the one with your answers.")
    return cells


def _cell(number: int, heading: str, entry: dict, text: str) -> Cell:
    metadata = entry["metadata"] if isinstance(entry.get("metadata"), dict) else {}
    nbgrader = metadata["nbgrader"] if isinstance(metadata.get("nbgrader"), dict) else {}
    tags = metadata["tags"] if isinstance(metadata.get("tags"), list) else []
    try:
        source = plain(text)
        defines, problem = _definitions(ast.parse(source)), ""
    except SyntaxError as error:
        defines, problem = {}, f"{error.msg} (line {error.lineno} of the cell)"
    except (ValueError, RecursionError, MemoryError, RuntimeError) as error:
        defines, problem = {}, str(error) or type(error).__name__
    return Cell(
        number,
        heading,
        str(entry.get("id", "")),
        str(nbgrader.get("grade_id", "")),
        frozenset(map(str, tags)),
        text,
        "" if problem else source,
        defines,
        problem,
    )


def _text(source: Any) -> str:
    """A cell's source: one string, or a list of lines."""
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))


def plain(source: str) -> str:
    """A cell as plain Python: magics become calls that do nothing (see `_Kernel`); line numbers stay.

    %%time and %time, which only measure, are taken off the code that they measure.
    """
    blank = len(source) - len(source.lstrip("\n"))
    source = source[blank:]
    if source.startswith("%%"):
        magic, _, body = source.partition("\n")
        source = "#\n" + body if re.match(r"%%(time|capture|prun)\b", magic) else ""
    source = re.sub(r"^([ \t]*)%time[ \t]+", r"\1", source, flags=re.MULTILINE)
    return "\n" * blank + TransformerManager().transform_cell(source)


def _definitions(tree: ast.Module) -> dict[str, bool]:
    """The functions (a named lambda too) and classes at the top level, by name, and whether each is written."""
    defined = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            raised = [inner.exc for inner in ast.walk(node) if isinstance(inner, ast.Raise)]
            names = {getattr(getattr(error, "func", error), "id", "") for error in raised}
            defined[node.name] = "NotImplementedError" not in names
        elif _is_named_lambda(node):
            defined[node.targets[0].id] = True
    return defined


def _is_named_lambda(node: ast.stmt) -> bool:
    """`f = lambda x: ...`, a definition in all but form."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Lambda)
    )


# --- Finding ------------------------------------------------------------------------------------------


def find_day(cells: list[Cell], file: str) -> str:
    """The day of which a notebook holds the most exercises, "" if none. A tie goes to the day in the file's name."""
    found: dict[str, list[int]] = {}
    for exercise in load_exercises().values():
        answer = find_answer(exercise, cells)
        by_id = answer is not None and exercise.cell_id in (answer.id, answer.grade_id)
        counts = found.setdefault(exercise.day, [0, 0])
        counts[0] += by_id
        counts[1] += answer is not None
    best = max(found, key=lambda day: (found[day], day in file), default="")
    return best if best and any(found[best]) else ""


def find_answer(exercise: Exercise, cells: list[Cell]) -> Cell | None:
    """The cell with the answer: it has the exercise's id, or else its nbgrader id, or else defines its name.

    A cell that defines the name comes before one that does not, and a written answer before a stub: some learners
    leave the stub and answer below it. Of equals the last counts, as in a kernel.
    """
    candidates = []
    for cell in cells:
        rank = (
            exercise.defines in cell.defines,
            cell.defines.get(exercise.defines, False),
            cell.id == exercise.cell_id,
            cell.grade_id == exercise.cell_id,
            cell.number,
        )
        if rank[0] or rank[2] or rank[3]:
            candidates.append((rank, cell))
    return max(candidates, key=lambda candidate: candidate[0])[1] if candidates else None


# --- The instructor's copy ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Released:
    """What the day's released notebook says, whatever a submission has made of it."""

    assignment: str  # nbgrader's name for it: the week's folder
    notebook: str  # "day09_attention"
    setup: list[
        str
    ]  # imports, definitions and constants, one by one: what fails does not take the next with it
    texts: frozenset[str]  # its code cells, to tell them from the learner's


@cache
def released(day: str) -> Released:
    """The instructor's copy of a day; a bare prelude where the day's notebook is not built yet."""
    path = next((ROOT / "course").glob(f"*/{day}_*.ipynb"), None)
    if path is None:
        return Released(day, day, definitions(PRELUDE), frozenset())
    cells = read_notebook(path)
    graded = {id for e in load_exercises().values() if e.day == day for id in (e.cell_id, e.check_id)}
    others = [cell for cell in cells if cell.id not in graded and not cell.tags & {"setup", "demonstration"}]
    setup = [statement for cell in others for statement in definitions(cell.source)]
    return Released(path.parent.name, path.stem, setup, frozenset(squeeze(cell.written) for cell in cells))


def definitions(source: str) -> list[str]:
    """What is left of a cell without its demonstrations: imports, definitions, and constants (no calls)."""
    kept = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            keep = not any(isinstance(inner, ast.Call) for inner in ast.walk(node))
        else:
            keep = isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
        if keep:
            kept.append(ast.unparse(node))
    return kept


def squeeze(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.strip().splitlines())
