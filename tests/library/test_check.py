"""`python -m handmade check`, as a learner would run it: on notebooks made from the released Day 9."""

import inspect
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import handmade
from autograder.rubric import load_exercises
from handmade import attention

PACKAGES = [str(Path(handmade.__file__).parents[1]), sysconfig.get_path("purelib")]
RELEASED = Path(__file__).parents[2] / "course" / "week2_attention" / "day09_attention.ipynb"
MASK, WEIGHTS, ATTEND = "day09-causal_mask", "day09-attention_weights", "day09-attend"


def run(folder: Path, *arguments: str, first: str = "") -> subprocess.CompletedProcess:
    """The command in a folder, where the grader is not installed; `first` comes first on the path of modules.

    Without -S the grader would be found, which the tests' own Python has.
    """
    path = os.pathsep.join([first, *PACKAGES] if first else PACKAGES)
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-S", "-m", "handmade", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result


def notebook(folder: Path, answers: dict[str, str], only: str = "", front: str = "") -> str:
    """The released notebook with these answers: all its exercises, or one only; `front` is a cell before them."""
    made = json.loads(RELEASED.read_text(encoding="utf-8"))
    if only:
        others = {MASK, WEIGHTS, ATTEND} - {only}
        made["cells"] = [cell for cell in made["cells"] if cell["id"].removesuffix("-check") not in others]
    for cell in made["cells"]:
        if cell["id"] in answers:
            cell["source"] = answers[cell["id"]].splitlines(keepends=True)
    if front:
        position = next(i for i, cell in enumerate(made["cells"]) if cell["id"] in (MASK, WEIGHTS, ATTEND))
        cell = {"cell_type": "code", "id": "mine", "metadata": {}, "outputs": [], "source": front}
        made["cells"].insert(position, cell | {"execution_count": None})
    (folder / "day09.ipynb").write_text(json.dumps(made), encoding="utf-8")
    return "day09.ipynb"


def right(name: str) -> str:
    return inspect.getsource(getattr(attention, name))


def test_each_exercise_has_a_line(tmp_path):
    """Right, not written, and right but for what it needs of an exercise that is not written."""
    made = notebook(tmp_path, {MASK: right("causal_mask"), ATTEND: right("attend")})
    result = run(tmp_path, "check", made)
    assert result.stdout.splitlines() == [
        "✓ causal_mask",
        "· attention_weights: not written yet",
        "✗ attend: Day 9: write attention_weights(q, k, mask) and run its cell.",
    ]
    assert result.returncode == 1


@pytest.mark.parametrize("ipython", [True, False])
def test_what_a_notebook_may_hold_besides(tmp_path, ipython):
    """Magics, much printing, a cell that stops, a demonstration that never ends, ids that an editor has lost."""
    (tmp_path / "beside.txt").write_text("found as Jupyter finds it")
    front = (
        "%matplotlib inline\n"
        "%time ready = 1\n"
        "beside = open('beside.txt').read()\n"
        "import os, sys\n"
        "print('x' * 10_000_000, file=sys.stderr)\n"
        "os.system('echo printed beside Python')\n"
        "display(ready)\n"
        "!pip --version\n"
        "undefined_name\n"
    )
    made = notebook(
        tmp_path, {MASK: "%%time\n" + right("causal_mask") + "ready, beside"}, only=MASK, front=front
    )
    data = json.loads((tmp_path / made).read_text(encoding="utf-8"))
    for cell in data["cells"]:
        if "demonstration" in cell["metadata"].get("tags", []):
            cell["source"] = "while True: pass"
        del cell["id"]
    (tmp_path / made).write_text(json.dumps(data), encoding="utf-8-sig")
    if not ipython:
        (tmp_path / "without").mkdir()
        (tmp_path / "without" / "IPython.py").write_text("raise ImportError")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = run(elsewhere, "check", f"../{made}", first="" if ipython else str(tmp_path / "without"))
    assert (result.stdout, result.stderr, result.returncode) == ("✓ causal_mask\n", "", 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            "def causal_mask(T, device=None):\n    return torch.ones(T, T, dtype=torch.bool).triu()\n",
            "row 0 sees only itself, yours is [True, True, True, True]",
        ),
        (
            "import os\ndef causal_mask(T, device=None):\n    os._exit(0)\n",
            "the notebook ended Python itself; take out what stops it, such as os._exit()",
        ),
        ("def causal_mask(T, device=None)\n", "its cell stops with SyntaxError: expected ':'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path, answer, reason):
    result = run(tmp_path, "check", notebook(tmp_path, {MASK: answer}, only=MASK))
    assert result.stdout.startswith(f"✗ causal_mask: {reason}")
    assert (result.stdout.count("\n"), result.stderr, result.returncode) == (1, "", 1)


def test_a_loop_without_end_is_stopped(tmp_path):
    answer = "def causal_mask(T, device=None):\n    while True: print('still here')\n"
    result = run(tmp_path, "check", notebook(tmp_path, {MASK: answer}, only=MASK), "--limit", "1")
    sentence = "✗ causal_mask: it was not done after 1 s; is there a loop without end?\n"
    assert (result.stdout, result.stderr, result.returncode) == (sentence, "", 1)


def test_a_cell_that_stopped_before_is_named(tmp_path):
    answer = "def causal_mask(T, device=None):\n    return nowhere.mask(T)\n"
    made = notebook(tmp_path, {MASK: answer}, only=MASK, front="import nowhere")
    assert run(tmp_path, "check", made).stdout == (
        "✗ causal_mask: NameError: name 'nowhere' is not defined (code cell 7 had stopped with "
        "ModuleNotFoundError: No module named 'nowhere')\n"
    )


# --- Where the grader is ------------------------------------------------------------------------------

GRADER = """
from dataclasses import dataclass

@dataclass
class Run:
    seed: int
    limit: float

def grade_notebook(raw, file, learner, run):
    assert raw == open(file, "rb").read() and learner == "day09" and run.limit == 30.0
    items = [
        {"item": "form", "statement": "It is a (T, T) tensor.", "earned": 1, "points": 1, "reason": ""},
        {"item": "device", "statement": "It lies on the device.", "earned": 0, "points": 1, "reason": "Yours is not."},
    ]
    exercise = {"exercise": "day09.causal_mask", "earned": 1, "points": 2, "mistake": "It forgets the device."}
    return {"problem": "", "exercises": [exercise | {"items": items}]}
"""


@pytest.mark.parametrize(
    ("grader", "code", "lines"),
    [
        (
            GRADER,
            1,
            [
                "",
                "With the full rubric:",
                "✗ causal_mask: 1 of 2 points",
                "    It forgets the device.",
                "    lost: It lies on the device.",
                "          Yours is not.",
            ],
        ),
        (
            "import jinja2_which_is_not_installed",
            0,
            [
                "The full rubric cannot be had here (No module named 'jinja2_which_is_not_installed'); "
                "these were the notebook's own checks."
            ],
        ),
    ],
)
def test_where_the_grader_is_its_rubric_follows(tmp_path, grader, code, lines):
    (tmp_path / "grader" / "autograder").mkdir(parents=True)
    (tmp_path / "grader" / "autograder" / "grade.py").write_text(grader)
    made = notebook(tmp_path, {MASK: right("causal_mask")}, only=MASK)
    result = run(tmp_path, "check", made, "--limit", "30", first=str(tmp_path / "grader"))
    assert result.stdout.splitlines() == ["✓ causal_mask", *lines], result.stderr
    assert result.returncode == code


def test_the_grader_of_this_repository_is_found(tmp_path):
    made = notebook(tmp_path, {MASK: right("causal_mask")}, only=MASK)
    command = [sys.executable, "-m", "handmade", "check", made]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    lines = result.stdout.splitlines()
    points = sum(item.points for item in load_exercises()["day09.causal_mask"].items)
    assert lines[:4] == [
        "✓ causal_mask",
        "",
        "With the full rubric:",
        f"✓ causal_mask: {points} of {points} points",
    ]
    assert result.returncode == 1, "the other exercises of the day are not in this notebook"


# --- How it is called ---------------------------------------------------------------------------------


def test_without_arguments_it_says_how_it_is_called(tmp_path):
    for arguments in ([], ["--help"], ["check", "--help"]):
        result = run(tmp_path, *arguments)
        assert result.stdout.startswith("python -m handmade check NOTEBOOK")
        assert (result.stdout.count("\n"), result.stderr, result.returncode) == (3, "", 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "missing.ipynb"], "Cannot read missing.ipynb (No such file or directory): give the path"),
        (["check", "."], "Cannot read . (Is a directory): give the path of a notebook."),
        (["check", "text.ipynb"], "text.ipynb is not a notebook: give the .ipynb that Jupyter saved."),
        (["check", "list.ipynb"], "list.ipynb is not a notebook"),
        (["check", "deep.ipynb"], "deep.ipynb is not a notebook"),
        (["check", "odd.ipynb"], "odd.ipynb is not a notebook"),
        (["check", "other.ipynb"], "There is no exercise in other.ipynb: give a notebook of the course"),
        (["check", "other.ipynb", "--limit", "soon"], "A limit is a number of seconds above 0, not soon."),
        (["check"], "It is called so: python -m handmade check NOTEBOOK"),
        (["grade", "other.ipynb"], "It is called so: python -m handmade check NOTEBOOK"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, arguments, sentence):
    odd = {"cells": [{"cell_type": "code", "id": 5, "metadata": [], "source": None}]}
    other = {"cells": [{"cell_type": "code", "id": "day09-attend", "metadata": {}, "source": "1"}]}
    for name, text in {
        "text": "hello",
        "list": "[]",
        "deep": "[" * 100_000,
        "odd": json.dumps(odd),
        "other": json.dumps(other),
    }.items():
        (tmp_path / f"{name}.ipynb").write_text(text)
    result = run(tmp_path, *arguments)
    assert result.stderr.startswith(sentence)
    assert (result.stdout, result.stderr.count("\n"), result.returncode) == ("", 1, 2)
