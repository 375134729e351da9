"""Every notebook, with its solutions in, runs from end to end without a network, on the library that a class has.

nbval runs them: each cell must run, and where its source says what it prints, it must print that.
"""

import os
import shutil
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
def solved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("solved")
    for path, text in make(ROOT, load_exercises(), load_free_answers())[1].items():
        (folder / Path(path).name).write_text(text)
    return folder


def offline(folder: Path, *command: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(OFFLINE), str(folder)])}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
    )


def nbval(folder: Path, notebook: str) -> subprocess.CompletedProcess:
    options = [
        "--nbval-lax",
        "--nbval-current-env",
        "--nbval-cell-timeout=120",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    return offline(folder, "-m", "pytest", *options, notebook)


@pytest.mark.parametrize("stem", STEMS)
def test_it_runs_without_a_network_and_without_the_answers_still_open(stem, solved, tmp_path):
    """The library beside it is what a class has that day: without the answers of that day and of all later ones."""
    days = [day for week in read_days(ROOT) for day in week.days]
    first = next((i for i, day in enumerate(days) if day.stem == stem), 0)  # before the first: the start page
    write_library([answer for day in days[first:] for answer in day.answers], tmp_path)
    shutil.copy(solved / f"{stem}.ipynb", tmp_path)
    result = nbval(tmp_path, f"{stem}.ipynb")
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]


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
