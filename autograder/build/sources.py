"""Reading the sources: one MyST text a day under `solutions/`, and `solutions/days.toml`, the table of days.

A text is markdown with code cells. A cell may carry these options, and no others:

    :exercise: day09.attend     a solution, with ### BEGIN SOLUTION ... ### END SOLUTION in its bodies
    :check: day09.attend        the visible check of that exercise
    :tags: [demonstration]      Jupyter's tags; a demonstration is too long to run when grading
    :prints: 4 tokens           what the cell must print, where the prose relies on it

A cell of prose that asks for a free answer, which a person grades, says so on the line that begins it:

    +++ {"answer": "day09.explain_scale"}
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jupytext.myst import MystMetadataParsingError, myst_to_notebook
from nbformat import NotebookNode

from handmade.errors import UserError

START = "start_here"
Definition = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Day:
    """One row of the table of days."""

    number: str  # "9", "0a"
    stem: str  # "day09_attention"
    title: str
    week: str  # the folder: "week2_attention"
    answers: tuple[str, ...] = ()  # what of the library answers its exercises, in their order

    @property
    def heading(self) -> str:
        return f"Day {self.number} · {self.title}"

    @property
    def notebook(self) -> str:
        """Where the released notebook stands under `course/`."""
        return f"{self.week}/{self.stem}.ipynb"


@dataclass(frozen=True)
class Week:
    folder: str
    title: str
    days: tuple[Day, ...]


@dataclass(frozen=True)
class Source:
    """One text, read."""

    path: str  # as messages name it: "solutions/week2_attention/day09_attention.md"
    folder: str  # "week2_attention", or "" for the start page
    cells: list[NotebookNode]
    lines: list[int]  # the line on which each cell starts

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    @property
    def prefix(self) -> str:
        """What the names of its exercises and cells begin with: "day09"."""
        return self.stem if self.stem == START else self.stem.split("_")[0]

    @property
    def notebook(self) -> str:
        return f"{self.folder}/{self.stem}.ipynb" if self.folder else f"{self.stem}.ipynb"

    def at(self, index: int) -> str:
        return f"{self.path}:{self.lines[index]}"


def read_days(root: Path) -> list[Week]:
    """The table of days."""
    table = tomllib.loads((root / "solutions" / "days.toml").read_text(encoding="utf-8"))
    weeks = []
    for week in table["week"]:
        days = [
            Day(row["number"], row["stem"], row["title"], week["folder"], tuple(row.get("answers", ())))
            for row in week["days"]
        ]
        weeks.append(Week(week["folder"], week["title"], tuple(days)))
    return weeks


def source_paths(root: Path) -> list[Path]:
    """Every text under `solutions/`, in the order of the course; the start page comes last."""
    folder = root / "solutions"
    return [*sorted(folder.glob("week*/*.md")), *folder.glob(f"{START}.md")]


def read_source(path: Path, root: Path) -> Source:
    """Read one text.

    Raises:
        UserError: it is not UTF-8, or its options cannot be read.
    """
    name = path.relative_to(root).as_posix()
    try:
        notebook = myst_to_notebook(path.read_text(encoding="utf-8"), add_source_map=True)
    except UnicodeDecodeError:
        raise UserError(f"{name}: this is not UTF-8 text; save it as UTF-8.") from None
    except MystMetadataParsingError as error:
        raise UserError(f"{name}: {' '.join(str(error).split())}; mend the cell's options.") from None
    folder = path.parent.relative_to(root / "solutions").as_posix()
    lines = [line + 1 for line in notebook.metadata.source_map]
    return Source(name, "" if folder == "." else folder, notebook.cells, lines)


def regions(code: str) -> Iterator[tuple[int, list[str]]]:
    """The solution regions of a cell: the line of BEGIN SOLUTION (from 1), and the lines inside.

    Raises:
        ValueError: the markers do not pair up.
    """
    begin, inside = 0, []
    for number, line in enumerate(code.splitlines(), 1):
        if "BEGIN SOLUTION" in line:
            if begin:
                raise ValueError("BEGIN SOLUTION stands inside a solution; end the first one before it")
            begin, inside = number, []
        elif "END SOLUTION" in line:
            if not begin:
                raise ValueError("END SOLUTION stands without BEGIN SOLUTION; begin the solution before it")
            yield begin, inside
            begin = 0
        elif begin:
            inside.append(line)
    if begin:
        raise ValueError("BEGIN SOLUTION has no END SOLUTION; end the solution")


def enclosing(tree: ast.Module, line: int) -> list[Definition]:
    """The definitions around a line, outermost first: [class, method]."""
    around = []
    for node in ast.walk(tree):  # breadth first: outer definitions come before inner ones
        if isinstance(node, Definition) and node.lineno <= line <= node.end_lineno:
            around.append(node)
    return around


def squeeze(code: str) -> str:
    """Code without comments and line breaks, for finding it again in another layout."""
    return " ".join(re.sub(r"(^|\s)#.*", "", line).strip() for line in code.splitlines()).strip()
