"""A learner's notebook: reading it, finding the answer to each exercise in it, and running it.

The namespace in which an exercise is judged is formed like this:

1. the instructor's imports, definitions and constants, from the released notebook;
2. then the learner's cells in the order of the notebook, as a kernel would run them, except those that are the
   instructor's unchanged. A cell that raises costs nothing by itself: what it defined before that is there;
3. of several definitions of an exercise's name, the one in the exercise's own cell counts (`find_answer`).

That is done once. Each judgement gets a copy, in which the learner's functions and classes are defined anew, so
that they call each other, or the model answers put in their place, by the names in that copy.

The submission's file is only ever read, and its outputs and metadata are not believed: cell ids and grade ids
merely say where to look first.
"""

import ast
import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from autograder.confine import Allowance, Interrupted, TimeUp
from autograder.rubric import Exercise, load_exercises
from autograder.worker import message_of, run_cell
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
    """The code cells of a notebook.

    Raises:
        UserError: the file is not a notebook of format 4.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"The file cannot be read ({error.strerror}); hand it in again.") from None
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
    setup: str  # imports, definitions and constants
    texts: frozenset[str]  # its code cells, to tell them from the learner's


@cache
def released(day: str) -> Released:
    """The instructor's copy of a day; a bare prelude where the day's notebook is not built yet."""
    path = next((ROOT / "course").glob(f"*/{day}_*.ipynb"), None)
    if path is None:
        return Released(day, day, PRELUDE, frozenset())
    cells = read_notebook(path)
    graded = {id for e in load_exercises().values() if e.day == day for id in (e.cell_id, e.check_id)}
    others = [cell for cell in cells if cell.id not in graded and not cell.tags & {"setup", "demonstration"}]
    setup = "\n".join(definitions(cell.source) for cell in others)
    return Released(path.parent.name, path.stem, setup, frozenset(_squeeze(cell.written) for cell in cells))


def definitions(source: str) -> str:
    """What is left of a cell without its demonstrations: imports, definitions, and constants (no calls)."""
    kept = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            keep = not any(isinstance(inner, ast.Call) for inner in ast.walk(node))
        else:
            keep = isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
        if keep:
            kept.append(ast.unparse(node))
    return "\n".join(kept)


def _squeeze(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


# --- Running ------------------------------------------------------------------------------------------


class Submission:
    """The cells of one notebook and the answers found in them. `limit` is in seconds, for each cell."""

    def __init__(self, cells: list[Cell], day: str, limit: float) -> None:
        self.limit, self.day, self.released = limit, day, released(day)
        self.exercises = [exercise for exercise in load_exercises().values() if exercise.day == day]
        self.answers = {exercise: find_answer(exercise, cells) for exercise in self.exercises}
        answers = self.answers.values()
        self.cells = [cell for cell in cells if cell in answers or not self._instructors(cell)]
        self.trouble: dict[Cell, BaseException] = {}  # what running a cell ended in
        self.first = self._run(self._set_up())

    def _instructors(self, cell: Cell) -> bool:
        """A cell of the released notebook as it was, or a demonstration, neither of which is the learner's work."""
        # The build names a cell after its text, so cells of an earlier release can be told too.
        digest = hashlib.sha256(cell.written.encode(errors="replace")).hexdigest()[:8]
        unchanged = _squeeze(cell.written) in self.released.texts or cell.id.startswith(
            f"{self.day}-{digest}"
        )
        return unchanged or "demonstration" in cell.tags

    def missing(self, exercise: Exercise) -> str:
        """Why there is nothing to judge, in one sentence, or "" if there is."""
        name, cell = exercise.defines, self.answers[exercise]
        if cell is None:
            return f"The notebook does not define `{name}`."
        if cell.problem:
            return f"The cell of `{name}` is not valid Python: {cell.problem}."
        trouble = self.trouble.get(cell)
        if isinstance(trouble, TimeUp):
            return f"The cell of `{name}` did not finish: {message_of(trouble)}."
        if name not in cell.defines:
            others = ", ".join(f"`{other}`" for other in cell.defines)
            return f"The cell of `{name}` does not define it" + (f", but {others}." if others else ".")
        if name not in self.first:
            said = f"{type(trouble).__name__}: {message_of(trouble)}"
            return f"The cell of `{name}` stopped before defining it: {said}."
        return ""

    def namespace(self) -> dict[str, Any]:
        """What the notebook defines, for one judgement."""
        return self._run(dict(self.first), definitions_only=True)

    def _set_up(self) -> dict[str, Any]:
        namespace: dict[str, Any] = {
            "__name__": "__main__",
            "get_ipython": _Kernel,
            "display": lambda *objects, **options: None,
        }
        for statement in ast.parse(self.released.setup).body:
            # What fails here is of no use to an exercise: a widget's import, a constant made from a run's result.
            with suppress(Exception):
                run_cell(ast.unparse(statement), "setup", namespace)
        return namespace

    def _run(self, namespace: dict[str, Any], definitions_only: bool = False) -> dict[str, Any]:
        """Run the learner's cells in the namespace; whatever one raises ends that cell only."""
        answers: dict[str, Any] = {}
        for cell in self.cells:
            part = None
            if definitions_only:
                part = ast.parse(cell.source)
                part.body = [
                    node
                    for node in part.body
                    if getattr(node, "name", None) in self.first or _is_named_lambda(node)
                ]
            try:
                with Allowance(self.limit).spend():
                    run_cell(cell.source, f"code cell {cell.number}", namespace, part)
            except Interrupted:
                raise
            except BaseException as error:
                self.trouble.setdefault(cell, error)
            for exercise, answer in self.answers.items():
                if answer is cell and exercise.defines in namespace:
                    answers[exercise.defines] = namespace[exercise.defines]
        namespace.update(answers)
        return namespace


class _Kernel:
    """What magics call instead of IPython: every method accepts anything and does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **options: None
