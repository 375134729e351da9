"""`autograder collect`: submissions, in whatever state they are, into the folders in which nbgrader looks for them."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.utils import parse_utc

from autograder.nbgrader.restore import graded_cells, restored
from autograder.submission import LARGEST, find_day, read_cells
from handmade.errors import UserError
from handmade.files import write_atomically

# What a student may be called: nothing that means something to a shell, a page or a file system.
NAME = re.compile(r"\w([\w .@+-]{0,98}[\w@+-])?")


@dataclass
class Collected:
    """What became of a folder of submissions: files written, and a sentence for each that was refused."""

    placed: list[Path] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def collect(folder: Path, course: Path) -> Collected:
    """Put each notebook under `folder` into `course`/submitted/STUDENT/ASSIGNMENT/.

    A notebook `ada.ipynb` is Ada's, and so is every one in a folder `ada`. One that cannot be read becomes one that
    says so, so that nbgrader can give it its zero. Symbolic links and odd names are refused.

    Raises:
        UserError: `folder` is not there or empty, or `course` is not a course.
    """
    notebooks = read_course(course)
    collected = Collected()
    taken: dict[Path, Path] = {}
    files = list(find(folder))
    if not files:
        raise UserError(f"There are no notebooks in {folder}; give the folder that holds the submissions.")

    def put(path: Path, where: Path, student: str, raw: bytes, notebook: str) -> None:
        target = course / "submitted" / student / notebooks[notebook] / f"{notebook}.ipynb"
        if target in taken:
            raise UserError(f"{student}'s {notebook} is {taken[target]} already; keep one.")
        graded = graded_cells(database(course), notebooks[notebook], notebook)
        place(target, nbformat.writes(restored(raw, path.name, graded)) + "\n", path.stat().st_mtime)
        taken[target] = where
        collected.placed.append(target)

    unclear = []
    for path in sorted(files, key=lambda path: (path.stem not in notebooks, path)):
        where = path.relative_to(folder)
        with refusing(where, collected):
            student, raw = who(folder, where), read(path)
            notebook = which(path, raw, notebooks)
            if notebook:
                put(path, where, student, raw, notebook)
            else:
                unclear.append(path)
    # Of what does not say it, it can be told where all others are of one notebook.
    known = {target.stem for target in taken} if taken else set(notebooks)
    for path in unclear:
        where = path.relative_to(folder)
        with refusing(where, collected):
            if len(known) > 1 or path.suffix != ".ipynb":
                names = ", ".join(sorted(notebooks))
                raise UserError(
                    f"nothing says which notebook this is; give the file one of the names {names}."
                )
            put(path, where, who(folder, where), read(path), *known)
    return collected


@contextlib.contextmanager
def refusing(where: Path, collected: Collected) -> Iterator[None]:
    """What cannot be placed is said, and the others go on."""
    try:
        yield
    except (UserError, OSError) as error:
        collected.refused.append(f"{where}: {error}")


def database(course: Path) -> str:
    return f"sqlite:///{(course / 'gradebook.db').resolve()}"


def read_course(course: Path) -> dict[str, str]:
    """The notebooks that a course's gradebook knows, and the assignment of each."""
    if not (course / "gradebook.db").is_file():
        raise UserError(f"There is no course in {course}; make one with `autograder course --out {course}`.")
    with Gradebook(database(course)) as book:
        return {notebook.name: each.name for each in book.assignments for notebook in each.notebooks}


def find(folder: Path) -> Iterator[Path]:
    """Every notebook, and what only claims to be one, under a folder; links are not followed."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; give the one that holds the submissions.")
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".ipynb_checkpoints"]
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        yield from (
            Path(parent) / name
            for name in [*names, *links]
            if name.endswith((".ipynb", ".py")) or name in links
        )


def who(folder: Path, where: Path) -> str:
    """Whose submission a file is, from its place."""
    for part in [where, *where.parents]:
        if (folder / part).is_symlink() and part != Path():
            raise UserError("a symbolic link is not a submission; copy the file itself.")
    student = where.parts[0] if len(where.parts) > 1 else where.stem
    if not NAME.fullmatch(student):
        raise UserError("the name of a student is made of letters, digits, spaces and _ . @ + -; rename it.")
    return student


def read(path: Path) -> bytes:
    """The file's content, as far as it will be looked at."""
    if not path.is_file():
        raise UserError("this is not a file; hand in a notebook.")
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"it cannot be read ({error.strerror}); hand it in again.") from None


def which(path: Path, raw: bytes, notebooks: dict[str, str]) -> str:
    """Which notebook of the course a file is: by the exercises in it, or else by its name; "" where nothing says."""
    try:
        day = find_day(read_cells(raw, path.name), path.name)
    except UserError:
        day = ""
    for notebook in notebooks:
        if notebook.partition("_")[0] == day or (not day and notebook in path.stem):
            return notebook
    if day:
        raise UserError(f"it is of {day}, which this course does not hold.")
    return ""


def place(target: Path, text: str, modified: float) -> None:
    """Write a submission and when it was handed in, if it is not there already.

    From the time nbgrader sees that a submission is newer than what it has graded, so it never goes back.
    """
    if target.exists() and target.read_text(encoding="utf-8") == text:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(target) as file:
        file.write(text)
    stamp, when = target.with_name("timestamp.txt"), datetime.fromtimestamp(modified, UTC)
    if stamp.exists():
        when = max(when, parse_utc(stamp.read_text().strip()).replace(tzinfo=UTC) + timedelta(seconds=1))
    with write_atomically(stamp) as file:
        file.write(f"{when:%Y-%m-%d %H:%M:%S} UTC\n")
