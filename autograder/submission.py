"""A learner's notebook: reading it, and finding the answer to each exercise in it.

The file is only ever read, never run here. Its outputs and metadata are not believed: cell ids and grade ids merely
say where to look first.
"""

import ast
import json
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
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

# What no honest submission comes near, and what keeps a made-up one from using up the examiner's memory and time.
LARGEST = 200_000_000  # bytes, outputs included
MOST_PARTS = 5_000_000  # lists and objects in the JSON: an empty one takes 3 bytes there, and 72 in memory
MOST_CELLS = 10_000
MOST_CODE = 500_000  # characters
LONGEST_CELL = 100_000
TOO_MUCH_CODE = (
    f"The file has more than {MOST_CELLS:,} cells or {MOST_CODE:,} characters of code; take out what is not yours and "
    "hand it in again."
)

MAGIC = re.compile(r"^[ \t]*[%!?,;/]|\?[ \t]*$|=[ \t]*[%!]", re.MULTILINE)
CELL_STARTS = re.compile(r"# ?(%%+(?=[ \t[]|$)|In ?\[[ \d]*\]:).*|# (\+( [\w-]+=.*)?|-)$")

# How a name comes by its value: `raise NotImplementedError`; `f = wrapped(g)`; `def f`, `class f` or `f = lambda`.
STUB, ASSIGNED, WRITTEN = range(3)


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
    defines: dict[str, int]  # the names of its functions and classes: STUB, ASSIGNED or WRITTEN
    problem: str  # why it is not Python, or ""

    @property
    def place(self) -> str:
        """Where in the notebook it is, for a person."""
        return f"code cell {self.number}" + (f", under “{self.heading}”" if self.heading else "")


def read_notebook(path: Path) -> list[Cell]:
    """The code cells of a notebook, or of a script with cells (`read_cells`).

    Raises:
        UserError: the file cannot be read, or is neither.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"The file cannot be read ({error.strerror}); hand it in again.") from None
    return read_cells(raw, path.name)


def read_cells(raw: bytes, file: str) -> list[Cell]:
    """The code cells of a submission as it was handed in. `file` is its name: one that ends in .py is a script.

    Raises:
        UserError: it is neither a notebook of format 4 nor a script, has no code, or is too large.
    """
    cells, heading, length = [], "", 0
    for entry in read_entries(raw, file):
        source = text_of(entry)
        if entry.get("cell_type") == "markdown":
            headings = [line.strip("# ") for line in source.splitlines() if re.match("#+ +[^ #]", line)]
            heading = headings[-1][:100] if headings else heading
        elif entry.get("cell_type") == "code":
            length += len(source) if len(source) <= LONGEST_CELL else 0  # a longer one is not even parsed
            if len(cells) == MOST_CELLS or length > MOST_CODE:
                raise UserError(TOO_MUCH_CODE)
            cells.append(_cell(len(cells) + 1, heading, entry, source))
    if not cells:
        raise UserError("The notebook has no code cells; hand in the one with your answers.")
    return cells


def read_entries(raw: bytes, file: str) -> list[dict]:
    """All cells of a submission as they stand in it, prose too; nothing in them is checked.

    Raises:
        UserError: it is neither a notebook of format 4 nor a script, or is too large.
    """
    if not raw.strip():
        raise UserError("The file is empty; save the notebook and hand it in again.")
    if len(raw) > LARGEST or raw.count(b"{") + raw.count(b"[") > MOST_PARTS:
        raise UserError("The file is too large; clear the outputs, save it and hand it in again.")
    # It finds out by itself whether this is UTF-8, UTF-16 or UTF-32, with a BOM or without.
    text = raw.decode(json.detect_encoding(raw), errors="replace")
    entries = _script(text) if file.lower().endswith(".py") else _notebook(text)
    return [entry for entry in entries if isinstance(entry, dict)]


def _notebook(text: str) -> list:
    """The cells as they stand in a notebook's JSON."""
    try:
        notebook = json.loads(
            text, strict=False
        )  # which only means: a bare tab in a string is no reason to stop
    except (ValueError, RecursionError):
        raise UserError(
            "The file is not a notebook (it is not JSON); save it in Jupyter and hand it in again."
        ) from None
    version = notebook.get("nbformat") if isinstance(notebook, dict) else None
    if type(version) is not int or not 0 < version < 100:
        raise UserError("The file is JSON, but not a notebook; hand in the .ipynb that Jupyter saved.")
    if version != 4:
        raise UserError(
            f"The notebook has format {version}, and only format 4 can be read; open it in Jupyter, save "
            "it and hand it in again."
        )
    cells = notebook.get("cells")
    return cells if isinstance(cells, list) else []


def _script(text: str) -> list[dict]:
    """A script's cells, as a notebook would hold them; what is commented out after each is its Markdown.

    They start at `# %%` (Jupytext, VS Code, Spyder), `# In[3]:` (nbconvert) or `# +` (Jupytext's light format, where
    `# -` ends them). Where there is no such line, each statement is a cell of its own, so that one that never ends,
    or raises, takes no other with it.
    """
    if len(text) > MOST_CODE:
        raise UserError(TOO_MUCH_CODE)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    starts = [number for number, line in enumerate(lines) if CELL_STARTS.match(line)]
    if not starts:
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            for node in ast.parse("\n".join(lines)).body:
                starts.append(min(each.lineno for each in [node, *getattr(node, "decorator_list", [])]) - 1)
    entries: list[dict] = []
    for start, end in zip([0, *starts], [*starts, len(lines)], strict=True):
        marker = CELL_STARTS.match(lines[start]) if start < end else None
        part = lines[start + 1 if marker else start : end]
        comments = [line.removeprefix("# ") for line in part if line.startswith("#")]
        while part and (not part[-1].strip() or part[-1].startswith("#")):
            part.pop()
        if part and not (marker and re.search(r"\[(markdown|md|raw)\]", marker[0])):
            tags = re.findall(r"[\w-]+", marker[0].partition("tags=")[2]) if marker else []
            entries.append({"cell_type": "code", "source": "\n".join(part), "metadata": {"tags": tags}})
        entries.append({"cell_type": "markdown", "source": "\n".join(comments)})
    return entries


def _cell(number: int, heading: str, entry: dict, text: str) -> Cell:
    metadata = entry["metadata"] if isinstance(entry.get("metadata"), dict) else {}
    nbgrader = metadata["nbgrader"] if isinstance(metadata.get("nbgrader"), dict) else {}
    tags = metadata["tags"] if isinstance(metadata.get("tags"), list) else []
    source, defines, problem = _as_python(text)
    return Cell(
        number,
        heading,
        _string(entry.get("id")),
        _string(nbgrader.get("grade_id")),
        frozenset(map(_string, tags)),
        text,
        source,
        defines,
        problem,
    )


@lru_cache(2048)  # most cells of a class are the same
def _as_python(text: str) -> tuple[str, dict[str, int], str]:
    """A cell as plain Python, what it defines, and why it is not Python; the first two are empty then."""
    try:
        if len(text) > LONGEST_CELL:
            raise ValueError(f"it is longer than {LONGEST_CELL:,} characters")
        with warnings.catch_warnings(
            action="ignore"
        ):  # a "\\d" in a learner's code is not the grader's to report
            source = plain(text)
            return source, _definitions(ast.parse(source)), ""
    except SyntaxError as error:
        return "", {}, f"{error.msg} (line {error.lineno} of the cell)"
    except (ValueError, RecursionError, MemoryError, RuntimeError) as error:
        return "", {}, str(error) or type(error).__name__


def text_of(entry: dict) -> str:
    """A cell's source: one string, or a list of lines."""
    source = entry.get("source")
    lines = source if isinstance(source, list) else [source]
    return _string("".join(line for line in lines if isinstance(line, str)))


def _string(value: Any) -> str:
    """A string that can be written to a file: half a character (a lone surrogate) becomes a question mark."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def plain(source: str) -> str:
    """A cell as plain Python: magics become calls that do nothing (see `Kernel`); line numbers stay.

    %%time and %time, which only measure, are taken off the code that they measure.
    """
    while magic := re.match(r"(\n*)%%(\w*).*", source):
        source = magic[1] + (source[magic.end() :] if magic[2] in ("time", "capture", "prun") else "")
    with suppress(SyntaxError):
        return _exported_magic(ast.parse(source)) or source.rstrip("\n") + "\n"
    source = re.sub(r"^([ \t]*(?:\w+[ \t]*=[ \t]*)?)%time[ \t]+", r"\1", source, flags=re.MULTILINE)
    # IPython reads the whole cell anew for each magic: what is far beyond any honest cell stays invalid Python.
    if len(source) > 20_000 or len(MAGIC.findall(source)) > 30:
        return source
    blank = len(source) - len(source.lstrip("\n"))
    return source[:blank] + TransformerManager().transform_cell(source[blank:])


def _exported_magic(tree: ast.Module) -> str:
    """The code of a %%time cell that nbconvert made into `get_ipython().run_cell_magic("time", "", "...")`, or ""."""
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        match tree.body[0].value:
            case ast.Call(ast.Attribute(attr="run_cell_magic"), [ast.Constant(name), _, ast.Constant(code)]):
                return plain(f"%%{name}\n{code}")
    return ""


def _definitions(tree: ast.Module) -> dict[str, int]:
    """The names that a cell gives to a function or class, at its top level or in an `if`, and how."""
    defined: dict[str, int] = {}

    def define(name: str, how: int) -> None:
        defined[name] = max(how, defined.get(name, STUB))

    statements = tree.body[::-1]
    while statements:
        match node := statements.pop():
            case ast.FunctionDef() | ast.ClassDef():
                define(node.name, STUB if _is_stub(node) else WRITTEN)
            case ast.Assign(targets=[ast.Name(name)], value=ast.Lambda()):
                define(name, WRITTEN)
            case ast.Assign(value=ast.Constant()) | ast.AnnAssign(value=ast.Constant() | None):
                continue
            case ast.Assign() | ast.AnnAssign():
                for target in getattr(node, "targets", None) or [node.target]:
                    for name in ast.walk(target):
                        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                            define(name.id, ASSIGNED)
            case _:
                blocks = ("body", "handlers", "cases", "orelse", "finalbody")
                inside = [each for block in blocks for each in getattr(node, block, [])]
                statements.extend(inside[::-1])
    return defined


def _is_stub(node: ast.AST) -> bool:
    """Whether it, or a method of it, still ends in the stub's `raise NotImplementedError`."""
    for statement in getattr(node, "body", []):
        match statement:
            case ast.Return():
                return False
            case ast.Raise(exc=ast.Name("NotImplementedError") | ast.Call(ast.Name("NotImplementedError"))):
                return True
            case ast.FunctionDef() if isinstance(node, ast.ClassDef) and _is_stub(statement):
                return True
    return False


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


def find_answer(exercise: Exercise, cells: Sequence[Cell]) -> Cell | None:
    """The cell with the answer: it has the exercise's id, or else its nbgrader id, or else defines its name.

    A cell that defines the name comes before one that does not, and an answer before a stub: some learners leave
    the stub and answer below it. Of equals the last counts, as in a kernel.
    """
    candidates = []
    for cell in cells:
        how = cell.defines.get(exercise.defines, STUB)
        rank = (
            exercise.defines in cell.defines,
            how > STUB,
            cell.id == exercise.cell_id,
            cell.grade_id == exercise.cell_id,
            how,
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
