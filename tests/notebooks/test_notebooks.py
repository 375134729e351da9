"""Every notebook runs from end to end without a network, on the library that a class has.

With its solutions in, nbval runs it: each cell must run, and where its source says what it prints, it must print that.
As learners get it, what needs an answer says which one to write, and all else runs.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from autograder.build.__main__ import make
from autograder.build.sources import read_days, source_paths
from autograder.library import write_library
from autograder.rubric import load_exercises, load_free_answers

ROOT = Path(__file__).parents[2]
OFFLINE = Path(__file__).parent / "offline"
STEMS = [path.stem for path in source_paths(ROOT)]


@pytest.fixture(scope="module")
def notebooks() -> tuple[dict[str, str], dict[str, str]]:
    """The released and the solved notebooks by stem."""
    released, solved = make(ROOT, load_exercises(), load_free_answers())
    return (
        {Path(path).stem: text for path, text in released.items()},
        {Path(path).stem: text for path, text in solved.items()},
    )


def write_open_library(stem: str, folder: Path) -> None:
    """What a class has that day: the library without the answers of that day and of all later ones."""
    days = [day for week in read_days(ROOT) for day in week.days]
    first = next((i for i, day in enumerate(days) if day.stem == stem), 0)  # before the first: the start page
    write_library([answer for day in days[first:] for answer in day.answers], folder)


def offline(folder: Path, *command: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(OFFLINE), str(folder)])}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
    )


def nbval(folder: Path, notebook: str) -> subprocess.CompletedProcess:
    options = [
        "--nbval-lax",
        "--nbval-current-env",
        "--nbval-cell-timeout=400",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    return offline(folder, "-m", "pytest", *options, notebook)


@pytest.mark.parametrize("stem", STEMS)
def test_solved_it_runs_without_a_network_and_without_the_answers_still_open(stem, notebooks, tmp_path):
    write_open_library(stem, tmp_path)
    (tmp_path / f"{stem}.ipynb").write_text(notebooks[1][stem])
    result = nbval(tmp_path, f"{stem}.ipynb")
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]


@pytest.mark.parametrize("stem", STEMS)
def test_released_it_stops_only_where_an_answer_is_wanted_and_says_which(stem, notebooks, tmp_path):
    write_open_library(stem, tmp_path)
    (tmp_path / f"{stem}.ipynb").write_text(notebooks[0][stem])
    convert = ("-m", "nbconvert", "--to", "notebook", "--inplace", "--execute", "--allow-errors")
    done = offline(tmp_path, *convert, f"{stem}.ipynb")
    assert done.returncode == 0, done.stderr[-3000:]
    cells = [c for c in nbformat.read(tmp_path / f"{stem}.ipynb", 4).cells if c.cell_type == "code"]
    # The sentence stands in the stub itself: of this day's exercises, and of nothing in the library.
    sentences = {s for cell in cells for s in re.findall(r'raise NotImplementedError\("(.*)"\)', cell.source)}
    failed = set()
    for cell in cells:
        for output in cell.outputs:
            if output.output_type == "error":
                failed.add(cell.id)
                assert output.ename == "NotImplementedError" and output.evalue in sentences, (
                    f"a cell that stops must name the exercise to write; this one says {output.ename}: "
                    f"{output.evalue}\n{cell.source}"
                )
    unsolved = {cell.id for cell in cells if cell.id.endswith("-check")} - failed
    assert not unsolved, f"these checks pass without an answer: {unsolved}"


def test_the_runner_would_notice(tmp_path):
    """A net that catches nothing would pass every notebook: each of these cells must fail, and say why."""
    bad = {
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1')": "asked for 192.0.2.1",
        "import socket; socket.create_connection(('example.org', 80))": "asked for example.org",
        "1 / 0": "ZeroDivisionError",
        "print(5)": "mismatch 'stdout'",
    }
    expected = [new_output("stream", name="stdout", text="4\n")]
    tags = {"tags": ["nbval-check-output"]}
    cells = [
        new_code_cell(code, outputs=expected, execution_count=1, metadata=tags) for code in ("print(4)", *bad)
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "trial.ipynb")
    said = nbval(tmp_path, "trial.ipynb").stdout
    assert "4 failed, 1 passed" in said, said
    for message in bad.values():
        assert message in said, f"not a word of {message!r} in:\n{said}"


def test_what_runs_on_this_machine_may_talk_to_itself(tmp_path):
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    )
    assert offline(tmp_path, "-c", code).returncode == 0
