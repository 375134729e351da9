"""Grading a class: the sample submissions get what a person would give them, in the table, reports and gradebook."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from nbgrader.api import Gradebook

from autograder import cli
from autograder.report import clean

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "autograder" / "samples"
SCHEMA = json.loads((ROOT / "autograder" / "report_schema.json").read_text())

# What a person would give for causal_mask (5), attention_weights (12) and attend (9), and what the reason must say.
BY_HAND = {
    "ada": (5, 12, 9, ""),
    "grace": (5, 12, 9, ""),  # another style is not a mistake
    "alan": (5, 9, 9, "The mask is applied after the softmax"),  # rows (1) and the whole (2)
    "barbara": (5, 8, 9, "The scores are not scaled"),  # the scale (2) and the whole (2)
    "charles": (3, 12, 9, "The mask is transposed"),  # the direction (2); the diagonal is right
    "dorothy": (5, 12, 5, "The mask is not passed on"),  # causality (2) and the whole (2)
    "edsger": (
        5,
        11,
        9,
        "The queries are scaled in place",
    ),  # the values are right, the caller's tensor is not (1)
    "frances": (5, 6, 9, "masked weights are not 0"),  # two mistakes: mask (2), scale (2) and the whole (2)
    "george": (5, 12, 0, "`attend` is not written yet"),
    "hedy": (0, 0, 0, "`causal_mask` is not written yet"),
    "ida": (0, 0, 0, "not a notebook (it is not JSON)"),
    "john": (5, 12, 9, ""),  # lost metadata is not a mistake
    "katherine": (5, 12, 9, ""),  # nor are duplicated cells
    "linus": (5, 0, 9, "is not valid Python: expected ':' (line 9 of the cell)"),
    "margaret": (5, 0, 9, "`attention_weights` did not finish"),
    "niklaus": (5, 12, 9, ""),  # nor is noise
}


def run(*arguments: str | Path) -> int:
    return cli.main([str(argument) for argument in arguments])


def reports(out: Path) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*/*.json"))}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The samples, graded once: (folder, what was printed)."""
    out = tmp_path_factory.mktemp("graded")
    command = [
        sys.executable,
        "-m",
        "autograder",
        "grade",
        SAMPLES,
        "--out",
        out,
        "--limit",
        "3",
        "--seed",
        "11",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"a class that can be graded gives no errors: {done.stderr}"
    return out, done.stdout


# --- Scores -------------------------------------------------------------------------------------------


def test_the_samples_are_what_the_script_makes():
    made = runpy.run_path(str(SAMPLES / "make.py"))["samples"]()
    there = {path.name: path.read_text(encoding="utf-8") for path in SAMPLES.glob("*.ipynb")}
    assert there.keys() == made.keys()
    stale = [name for name in made if there[name] != made[name]]
    assert not stale, f"{stale} are not what autograder/samples/make.py makes: run it"


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_each_sample_gets_what_a_person_would_give(tmp_path, capsys, seed):
    assert run("grade", SAMPLES, "--out", tmp_path, "--seed", seed, "--limit", 2) == 0
    check_scores(reports(tmp_path))


def test_each_sample_gets_it_from_the_command_too(graded):
    check_scores(reports(graded[0]))


def check_scores(found: dict[str, dict]) -> None:
    assert found.keys() == BY_HAND.keys()
    for learner, (*scores, reason) in BY_HAND.items():
        report = found[learner]
        lost = [(e["mistake"], [i["reason"] for i in e["items"] if i["reason"]]) for e in report["exercises"]]
        assert [e["earned"] for e in report["exercises"]] == scores, f"{learner}: {lost}"
        assert report["earned"] == sum(scores) and report["points"] == 26
        said = " ".join(mistake or " ".join(reasons[:1]) for mistake, reasons in lost)
        assert reason in said if reason else not said.strip(), f"{learner} reads {said!r}, not {reason!r}"


# --- What is printed and written ----------------------------------------------------------------------


def test_the_table_has_a_row_a_learner_with_scores_and_why(graded):
    printed = graded[1]
    for learner, (mask, weights, attend, reason) in BY_HAND.items():
        row = rf"^{learner} +{mask + weights + attend}/26 +{mask}/5 +{weights}/12 +{attend}/9"
        assert re.search(row, printed, re.MULTILINE), f"no row {row} in\n{printed}"
        assert reason in " ".join(printed.split()), f"{reason!r} is not in the table"
    assert "16/16" in printed, "there is no progress line"
    assert "Seed 11. Isolation: none" in printed, "the table must say how far it can be trusted"


def test_nothing_that_learners_print_is_shown(graded):
    assert "noisy" not in graded[1] and "defined attend" not in graded[1]


def test_reports_follow_the_published_schema(graded):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for learner, report in reports(graded[0]).items():
        jsonschema.validate(report, SCHEMA)
        assert (report["learner"], report["seed"], report["isolation"]["level"]) == (learner, 11, "none")
        assert report["versions"].keys() == {"python", "torch", "handmade"}
        assert report["earned"] == sum(item["earned"] for e in report["exercises"] for item in e["items"])


def test_the_learners_page_says_what_where_and_why(graded):
    page = (graded[0] / "day09" / "alan.html").read_text()
    assert "The mask is applied after the softmax" in page
    assert "code cell 15, under “7 · Attention weights”" in page
    assert "Each row is a probability distribution" in page and "23 of 26 points" in page
    assert "Isolation: none" in page


def test_the_class_page_lists_scores_misses_and_mistakes(graded):
    page = (graded[0] / "day09" / "index.html").read_text()
    for learner in BY_HAND:
        assert f'<a href="{learner}.html">' in page
    assert "All in all: the weights that PyTorch" in page
    assert page.index("Known mistakes") < page.index("The mask is transposed", page.index("Known mistakes"))


def test_pages_stand_alone_and_show_no_checks_or_answers(graded):
    for path in (graded[0] / "day09").glob("*.html"):
        page = path.read_text()
        assert not re.search(r"<(script|link|img|iframe)|src=|http:|https:", page), (
            f"{path.name} asks for more"
        )
        for secret in ("rand.", "expect.", "learner.", "handmade.attention", "masked_fill(~mask"):
            assert secret not in page, f"{path.name} shows {secret}"


def test_the_same_seed_gives_the_same_reports(tmp_path, capsys):
    shutil.copy(SAMPLES / "frances.ipynb", tmp_path / "frances.ipynb")
    found = []
    for out in ("a", "b"):
        assert run("grade", tmp_path, "--out", tmp_path / out, "--seed", 5) == 0
        found.append(reports(tmp_path / out)["frances"])
    assert found[0]["exercises"] == found[1]["exercises"]


def test_without_a_seed_each_run_draws_its_own(tmp_path, capsys):
    shutil.copy(SAMPLES / "hedy.ipynb", tmp_path / "hedy.ipynb")
    seeds = set()
    for _ in range(3):
        assert run("grade", tmp_path, "--out", tmp_path / "out") == 0
        seeds.add(reports(tmp_path / "out")["hedy"]["seed"])
    assert len(seeds) > 1, f"three runs drew the same seed {seeds}"


def test_what_a_learner_writes_is_text_and_never_markup(tmp_path, capsys):
    source = "def attend(*_, **__):\n    raise ValueError('<script>alert(1)</script> \\x1b[31m`<b>` ' + 'x' * 5000)"
    make(tmp_path / "<i>eve.ipynb", source, heading="## <img src=x>")
    assert run("grade", tmp_path, "--out", tmp_path / "out") == 0
    for page in (tmp_path / "out" / "day09").glob("*.html"):
        text = page.read_text()
        assert not re.search(r"<(script|img|b>|i>)", text), f"{page.name} holds the learner's markup"
        assert "&lt;script&gt;" in text, "the reason is lost"
        assert len(text) < 40_000, "a long message was not cut"
    assert "\x1b" not in capsys.readouterr().out, "a learner can write to the instructor's terminal"


def test_clean_keeps_one_printable_line():
    assert clean("a\n\x1b[0m\u202eb\ud800\0é√") == "a  [0m b  é√"


# --- Folders, days and gradebook ----------------------------------------------------------------------


def make(path: Path, source: str, heading: str = "## Attend") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": heading},
        {"cell_type": "code", "id": "day09-attend", "metadata": {}, "source": source, "outputs": []},
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))


def scores(out: Path, assignment: str = "week2_attention") -> dict[str, dict[str, float]]:
    """Per student: the auto scores of the graded cells."""
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        return {
            submission.student.id: {g.name: g.auto_score for n in submission.notebooks for g in n.grades}
            for submission in book.assignment_submissions(assignment)
        }


def test_the_gradebook_has_each_exercise_with_its_points(graded):
    found = scores(graded[0])
    assert found.keys() == BY_HAND.keys()
    names = ["day09-causal_mask-check", "day09-attention_weights-check", "day09-attend-check"]
    for learner, (*earned, _) in BY_HAND.items():
        assert found[learner] == dict(zip(names, earned, strict=True)), learner
    with Gradebook(f"sqlite:///{graded[0] / 'gradebook.db'}") as book:
        cells = book.find_notebook("day09_attention", "week2_attention").grade_cells
        assert {cell.name: cell.max_score for cell in cells} == dict(zip(names, (5, 12, 9), strict=True))
        submission = book.find_submission("week2_attention", "alan")
        assert (submission.score, submission.max_score, submission.needs_manual_grade) == (23, 26, False)


def test_a_second_run_updates_and_keeps_what_was_graded_by_hand(tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(SAMPLES / "george.ipynb", folder / "mary.ipynb")
    assert run("grade", folder, "--out", out) == 0
    assert scores(out)["mary"]["day09-attend-check"] == 0
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        grade = book.find_grade("day09-causal_mask-check", "day09_attention", "week2_attention", "mary")
        grade.manual_score = 4
        book.db.commit()
    shutil.copy(SAMPLES / "ada.ipynb", folder / "mary.ipynb")
    assert run("grade", folder, "--out", out) == 0
    assert scores(out) == {
        "mary": {"day09-causal_mask-check": 5, "day09-attention_weights-check": 12, "day09-attend-check": 9}
    }
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        grade = book.find_grade("day09-causal_mask-check", "day09_attention", "week2_attention", "mary")
        assert (grade.manual_score, grade.needs_manual_grade) == (4, True)


def test_a_gradebook_in_which_the_week_has_no_such_day_yet_takes_it(tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        book.add_assignment("week2_attention")
        book.add_notebook("day08_skeleton", "week2_attention")
        book.add_student("ada")
        book.add_submission("week2_attention", "ada")
    shutil.copy(SAMPLES / "ada.ipynb", tmp_path / "ada.ipynb")
    assert run("grade", tmp_path, "--out", out) == 0
    assert sum(scores(out)["ada"].values()) == 26


def test_nbgraders_folders_are_understood(tmp_path, capsys):
    for learner, sample in (("u1", "ada"), ("u2", "alan"), ("u3", "ida")):
        path = tmp_path / "submitted" / learner / "homework9" / "day09_attention.ipynb"
        path.parent.mkdir(parents=True)
        shutil.copy(SAMPLES / f"{sample}.ipynb", path)
    double = tmp_path / "submitted" / "u1" / "homework9" / "Untitled.ipynb"
    shutil.copy(SAMPLES / "hedy.ipynb", double)
    checkpoint = double.parent / ".ipynb_checkpoints" / "day09_attention-checkpoint.ipynb"
    checkpoint.parent.mkdir()
    shutil.copy(SAMPLES / "hedy.ipynb", checkpoint)
    assert run("grade", tmp_path, "--out", tmp_path / "out") == 0
    found = {learner: sum(cells.values()) for learner, cells in scores(tmp_path / "out", "homework9").items()}
    assert found == {"u1": 26, "u2": 23, "u3": 0}
    printed = " ".join(capsys.readouterr().out.split())
    assert "Only one notebook a day is graded, and this learner's is day09_attention.ipynb." in printed


def test_a_notebook_without_exercises_is_a_line_and_no_stop(tmp_path, capsys):
    for name in ("day99_future.ipynb", "holiday.ipynb"):
        make(tmp_path / name, "x = 1")
        notebook = json.loads((tmp_path / name).read_text())
        notebook["cells"][1]["id"] = "x"
        (tmp_path / name).write_text(json.dumps(notebook))
    assert run("grade", tmp_path, "--out", tmp_path / "out") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "None of the course's exercises is in this notebook" in printed
    assert "Nothing is known of day99 here." in printed
    for report in reports(tmp_path / "out").values():
        jsonschema.validate(report, SCHEMA)
        assert report["problem"] and not report["exercises"]


def test_the_submissions_are_left_as_they_were(tmp_path, capsys):
    source = "open('traces.txt', 'w').write('x')\nimport os\nHERE = os.getcwd()\ndef attend(*_): pass"
    make(tmp_path / "ada.ipynb", source)
    before = (tmp_path / "ada.ipynb").read_bytes()
    assert run("grade", tmp_path, "--out", tmp_path / "out") == 0
    assert (tmp_path / "ada.ipynb").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ada.ipynb", "out"], (
        "a learner's cell left something here"
    )


# --- What a person can get wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["grade", "nowhere", "--out", "out"], "There is no folder"),
        (["grade", "empty", "--out", "out"], "There are no notebooks in"),
        (["grade", "class", "--out", "file"], "cannot be made"),
        (["grade", "class", "--out", "foreign"], "cannot be used"),
        (["verify", "day99"], "There are no rubrics for day99"),
        (["verify", "--seeds", "0"], "At least one seed"),
    ],
)
def test_a_persons_mistake_ends_in_one_sentence_and_exit_code_2(
    tmp_path, monkeypatch, capsys, arguments, reason
):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    make(Path("class/ada.ipynb"), "def attend(): pass")
    Path("file").write_text("not a folder")
    Path("foreign").mkdir()
    Path("foreign/gradebook.db").write_text("this is not a database, although it has its name")
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert reason in said and said.count("\n") == 1 and "Traceback" not in said, said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["grade", "class"],
        ["grade", "class", "--out", "x", "--seed", "-1"],
        ["grade", "class", "--out", "x", "--seed", "one"],
        ["grade", "class", "--out", "x", "--limit", "0"],
        ["grade", "class", "--out", "x", "--limit", "nan"],
        ["burn"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_has_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2
    assert "usage: autograder" in capsys.readouterr().err
