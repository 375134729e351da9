"""Are the answers in this notebook right? What `python -m handmade check NOTEBOOK` does.

For each exercise the notebook's cells run from the top, as after "Restart and run all", and then the check below the
exercise. Demonstrations and the checks of other exercises are left out. Each exercise has a process of its own with
a time limit, so a loop without end is said in a sentence, and what the cells print is not shown.

Where the grader is installed, its full rubric follows: the points, the properties that do not hold yet and why, and
the name of the mistake.
"""

import importlib
import importlib.util
import json
import multiprocessing
import os
import re
import secrets
import sys
import traceback
import types
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from handmade.errors import UserError

RIGHT, WRONG, UNWRITTEN = "✓", "✗", "·"


@dataclass(frozen=True)
class Cell:
    """One code cell. An exercise is called day09-attend, and its check day09-attend-check."""

    number: int  # among the code cells, from 1
    name: str  # its id, or nbgrader's where Jupyter's was lost
    tags: tuple[str, ...]
    source: str

    @property
    def file(self) -> str:
        """What tracebacks call it."""
        return f"<code cell {self.number}>"


def check_notebook(path: Path, limit: float) -> bool:
    """Print how each exercise stands; True if all are right. `limit` is the seconds that one may run.

    Raises:
        UserError: the file cannot be read, is no notebook, or holds no exercise.
    """
    raw = read(path)
    cells = code_cells(raw, path)
    pairs = exercises(cells)
    if not pairs:
        raise UserError(
            f"There is no exercise in {path}: give a notebook of the course that has your answers."
        )
    all_right = True
    for exercise, its_check in pairs:
        state, reason = judge(cells, exercise, its_check, path.resolve().parent, limit)
        name = exercise.name.partition("-")[2]
        print(f"{state} {name}" + (f": {reason}" if reason else ""), flush=True)
        all_right = all_right and state == RIGHT
    return full_rubric(raw, path, limit) and all_right


# --- Reading ------------------------------------------------------------------------------------------


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path} ({error.strerror}): give the path of a notebook.") from error


def code_cells(raw: bytes, path: Path) -> list[Cell]:
    """The notebook's code cells, in order."""
    try:
        found = []
        for entry in json.loads(raw)["cells"]:
            if entry["cell_type"] == "code":
                metadata = entry.get("metadata", {})
                ids = [entry.get("id", ""), metadata.get("nbgrader", {}).get("grade_id", "")]
                name = next((id for id in ids if re.match(r"day\d+[a-z]?-", id)), "")
                source = "".join(entry["source"])
                found.append(Cell(len(found) + 1, name, tuple(metadata.get("tags", [])), source))
        return found
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not a notebook: give the .ipynb that Jupyter saved.") from error


def exercises(cells: list[Cell]) -> list[tuple[Cell, Cell]]:
    """Each exercise's cell and that of its check, which stands further down."""
    named = {cell.name: cell for cell in cells if cell.name}  # of two with one name the last, as in a kernel
    pairs = [(cell, named.get(f"{name}-check")) for name, cell in named.items()]
    return [(cell, its_check) for cell, its_check in pairs if its_check and its_check.number > cell.number]


def plain(source: str) -> str:
    """A cell as plain Python: magics become calls that do nothing; those that only measure are taken off."""
    if source.lstrip().startswith("%%"):
        magic, _, body = source.lstrip().partition("\n")
        source = body if re.match(r"%%(time|capture|prun)\b", magic) else ""
    source = re.sub(r"^([ \t]*)%time[ \t]+", r"\1", source, flags=re.MULTILINE)
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:
        return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)
    return TransformerManager().transform_cell(source)


# --- Running, in a process of its own -----------------------------------------------------------------


def judge(cells: list[Cell], exercise: Cell, its_check: Cell, folder: Path, limit: float) -> tuple[str, str]:
    """How one exercise stands, and why."""
    needed = [
        cell
        for cell in cells[: its_check.number - 1]
        if "demonstration" not in cell.tags and not cell.name.endswith("-check")
    ]
    context = multiprocessing.get_context("spawn")  # a new interpreter: nothing of another exercise is in it
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(needed, exercise, its_check, folder, theirs))
    process.start()
    theirs.close()
    try:
        ours.recv_bytes()  # PyTorch is loaded: from here on it is the notebook's time
        if not ours.poll(limit):
            return WRONG, f"it was not done after {limit:g} s; is there a loop without end?"
        state, reason = json.loads(ours.recv_bytes())
        return state, reason
    except EOFError:
        return WRONG, "the notebook ended Python itself; take out what stops it, such as os._exit()"
    finally:
        process.kill()
        process.join()


def work(needed: list[Cell], exercise: Cell, its_check: Cell, folder: Path, connection: Connection) -> None:
    """The new process: run the cells with everything they print thrown away, and send the verdict."""
    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for as long as the process lives)
    os.dup2(nowhere.fileno(), 1)
    os.dup2(nowhere.fileno(), 2)
    sys.stdout = sys.stderr = nowhere
    os.environ |= {"MPLBACKEND": "agg", "HANDMADE_WIDGETS": "off"}  # no window opens
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    import torch  # noqa: F401

    connection.send_bytes(b"ready")
    connection.send_bytes(json.dumps(verdict(needed, exercise, its_check)).encode())


def verdict(needed: list[Cell], exercise: Cell, its_check: Cell) -> tuple[str, str]:
    """Run the cells and then the check: how the exercise stands, and why."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.get_ipython = Kernel
    main.display = lambda *objects, **options: None
    before = ""  # the first cell that stopped, other than for an answer that is not written
    for cell in needed:
        try:
            run(cell, main)
        except NotImplementedError:
            pass
        except BaseException as error:
            if cell == exercise:
                return WRONG, f"its cell stops with {said(error)}"
            before = before or f" (code cell {cell.number} had stopped with {said(error)})"
    try:
        run(its_check, main)
    except NotImplementedError as error:
        if traceback.extract_tb(error.__traceback__)[-1].filename == exercise.file:
            return UNWRITTEN, "not written yet"
        return WRONG, message(error)
    except AssertionError as error:
        return WRONG, message(error) or "its check fails"
    except BaseException as error:
        return WRONG, said(error) + before
    return RIGHT, ""


def run(cell: Cell, main: types.ModuleType) -> None:
    exec(compile(plain(cell.source), cell.file, "exec", dont_inherit=True), vars(main))


class Kernel:
    """What magics call instead of IPython: every method accepts anything and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


def said(error: BaseException) -> str:
    return f"{type(error).__name__}: {message(error)}"


def message(error: BaseException) -> str:
    """What it says, on one line."""
    return " ".join(str(error).split())[:300]


# --- The full rubric ----------------------------------------------------------------------------------


def full_rubric(raw: bytes, path: Path, limit: float) -> bool:
    """Print what the grader says, where there is one; False if something is not right yet."""
    if importlib.util.find_spec("autograder") is None:
        return True
    try:
        # By name: the library stands below the grader, and is given to learners without it.
        grader = importlib.import_module("autograder.grade")
        run = grader.Run(seed=secrets.randbelow(2**31), limit=limit)
        report = grader.grade_notebook(raw, path.name, path.stem, run)
    except (ImportError, OSError, UserError) as error:  # only half of it is here
        print(f"The full rubric cannot be had here ({message(error)}); these were the notebook's own checks.")
        return True
    print("\nWith the full rubric:")
    if report["problem"]:
        print(report["problem"])
    for exercise in report["exercises"]:
        all_right = exercise["earned"] == exercise["points"]
        name = exercise["exercise"].partition(".")[2]
        print(f"{RIGHT if all_right else WRONG} {name}: {exercise['earned']} of {exercise['points']} points")
        if exercise["mistake"]:
            print(f"    {exercise['mistake']}")
        for item in exercise["items"]:
            if item["earned"] < item["points"]:
                print(f"    lost: {item['statement']}\n          {item['reason']}")
    return not report["problem"] and all(e["earned"] == e["points"] for e in report["exercises"])
