"""`autograder release`: what a class is given. Notebooks up to a week or a day, and the library they stand on.

The library in it is a package of its own, to be installed with pip, without the answers that are still open: by
default those of the week or day released last, and all later ones.
"""

import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from autograder.build.sources import START, Day, read_days
from autograder.library import ROOT, write_library
from handmade.errors import UserError

README = """\
# Handmade: a language model, built by hand

The course up to **{through}**, and the library that its notebooks stand on.

With Python {python}, in this folder:

    python -m venv .venv
    .venv/bin/pip install . "jupyterlab>=4.2,<5"
    .venv/bin/jupyter lab course/{start}.ipynb

(Under Windows write `.venv\\Scripts\\` for `.venv/bin/`.) In Colab, upload this folder and begin each notebook with
`!pip install ./{folder}`.

Each exercise has a check below it. To see how all of a notebook stands:

    .venv/bin/python -m handmade check course/{example}

{still_open}
"""

OPEN = """\
The library holds the answers to the days before **{heading}**, to look up and to build on. From there on they are
open: what the library has in their place says so when it is called, and the notebook is where to write it.
"""

PYPROJECT = """\
[build-system]
requires = {requires}
build-backend = "setuptools.build_meta"

[project]
name = {name}
version = {version}
description = "A language model, built by hand: the library of the notebook course"
requires-python = {python}
dependencies = {dependencies}

[tool.setuptools]
packages = ["handmade", "handmade.domains"]

[tool.handmade]
through = {through}
"""


def release(through: str, out: Path, open_from: str | None = None) -> list[str]:
    """Write the bundle to the folder `out`; an earlier bundle there is replaced as a whole. Returns its notebooks.

    `through` is a week or a day, as in "week2" or "day09"; `open_from` says where the open answers begin.

    Raises:
        UserError: there is no such week or day, nothing of it is released, or `out` holds something else.
    """
    days = [day for week in read_days(ROOT) for day in week.days]
    last = days.index(find_days(through, days)[-1])
    first_open = days.index(find_days(open_from or through, days)[0])
    given = [day for day in days[: last + 1] if (ROOT / "course" / day.notebook).is_file()]
    if not given:
        raise UserError(f"No notebook up to {through} is in course/ yet: choose a later week or day.")
    out = out.resolve()
    check_is_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.", suffix=".part") as aside:
            new, old = Path(aside, "new"), Path(aside, "old")
            write(new, out.name, given, days[first_open:])
            if out.exists():
                os.rename(out, old)
            os.rename(new, out)
    except OSError as error:
        raise UserError(f"Cannot write {out} ({error.strerror}): choose another --out.") from error
    return [day.notebook for day in given]


def find_days(name: str, days: Sequence[Day]) -> list[Day]:
    """The days of a week, or the one day, of that name."""
    found = [day for day in days if name in (day.week.split("_")[0], day.stem.split("_")[0])]
    if not found:
        raise UserError(f"There is no week or day {name}: give one as in week2 or day09.")
    return found


def check_is_free(out: Path) -> None:
    """Only what `release` has written may be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        made = tomllib.loads((out / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["handmade"][
            "through"
        ]
    except (OSError, ValueError, KeyError):
        made = None
    if made is None:
        raise UserError(f"{out} is there already and is no earlier bundle: choose another --out.")


def write(folder: Path, name: str, given: Sequence[Day], still_open: Sequence[Day]) -> None:
    """Write the bundle to a new folder that will be called `name`."""
    write_library([answer for day in still_open for answer in day.answers], folder)
    for path in [f"{START}.ipynb", *(day.notebook for day in given)]:
        target = folder / "course" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "course" / path, target)
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = ours["project"]
    pyproject = {  # a TOML string or list of strings is what JSON makes of it
        "requires": ours["build-system"]["requires"],
        "name": project["name"],
        "version": project["version"],
        "python": project["requires-python"],
        "dependencies": project["dependencies"],
        "through": given[-1].stem,
    }
    text = PYPROJECT.format(**{key: json.dumps(value) for key, value in pyproject.items()})
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    readme = README.format(
        through=given[-1].heading,
        python=project["requires-python"],
        start=START,
        folder=name,
        example=given[-1].notebook,
        still_open=OPEN.format(heading=still_open[0].heading),
    )
    (folder / "README.md").write_text(readme.rstrip("\n") + "\n", encoding="utf-8")
