"""Grading a class: the sample submissions get what a person would give them, in the table, reports and gradebook."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from cells import cell, notebook
from nbgrader.api import Gradebook

from autograder import batch, cli
from autograder.build import samples
from autograder.jail.levels import LEVELS
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


def grade(folder: Path, out: Path, *options: str | int) -> int:
    return cli.main(["grade", str(folder), "--out", str(out), "--jobs", "1", *map(str, options)])


def reports(out: Path) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*/*.json"))}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The samples, graded once: (folder, what was printed)."""
    out, folder = tmp_path_factory.mktemp("graded"), tmp_path_factory.mktemp("class")
    for path in SAMPLES.glob("*.ipynb"):
        shutil.copy(path, folder)
    options = ["--limit", "2", "--seed", "11", "--require-isolation", "process"]
    command = [sys.executable, "-m", "autograder", "grade", folder, "--out", out, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"a class that can be graded gives no errors: {done.stderr}"
    return out, done.stdout


@pytest.fixture
def no_gradebook(monkeypatch):
    """Making a gradebook takes nbgrader seconds, which most tests need not spend."""
    monkeypatch.setattr("autograder.gradebook.record", lambda reports, path: None)


# --- Scores -------------------------------------------------------------------------------------------


def test_the_samples_are_what_the_script_makes():
    made = samples.samples()
    there = {path.name: path.read_text(encoding="utf-8") for path in SAMPLES.glob("*.ipynb")}
    assert there.keys() == made.keys()
    stale = [name for name in made if there[name] != made[name]]
    assert not stale, f"{stale} are not what autograder/build/samples.py makes: run make build"


def test_each_sample_gets_what_a_person_would_give(graded):
    found = reports(graded[0])
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
    used = reports(graded[0])["ada"]["isolation"]
    said = f"Seed 11. Isolation: {used['level']} ({used['meaning']})."
    assert said in printed, "the table must say how far it can be trusted"


def test_nothing_that_learners_print_is_shown(graded):
    assert "noisy" not in graded[1] and "defined attend" not in graded[1]


def test_reports_follow_the_published_schema(graded):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for learner, report in reports(graded[0]).items():
        jsonschema.validate(report, SCHEMA)
        assert (report["learner"], report["seed"], report["limits"]["seconds"]) == (learner, 11, 2)
        assert report["sha256"] == hashlib.sha256((SAMPLES / report["notebook"]).read_bytes()).hexdigest()
        assert report["versions"].keys() == {"python", "torch", "handmade"}
        isolation = report["isolation"]
        if report["problem"]:
            assert (isolation["level"], isolation["locks"]) == ("", []), "nothing was run, so nothing held it"
        else:
            assert isolation["level"] in LEVELS and "limits" in isolation["locks"]
        assert report["earned"] == sum(item["earned"] for e in report["exercises"] for item in e["items"])


def test_the_learners_page_says_what_where_and_why(graded):
    page = (graded[0] / "day09" / "alan.html").read_text()
    assert "The mask is applied after the softmax" in page
    assert "code cell 16, under “7 · Attention weights”" in page
    assert "Each row is a probability distribution" in page and "23 of 26 points" in page
    assert reports(graded[0])["alan"]["isolation"]["level"] in page


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


def test_what_a_learner_writes_is_text_and_never_markup(tmp_path, capsys, no_gradebook):
    source = "def attend(*_, **__):\n    raise ValueError('<script>alert(1)</script> \\x1b[31m`<b>` ' + 'x' * 5000)"
    make(tmp_path / "<i>eve.ipynb", source, heading="## <img src=x>")
    assert grade(tmp_path, tmp_path / "out") == 0
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
    prose = {"cell_type": "markdown", "metadata": {}, "source": heading}
    path.write_bytes(notebook(prose, cell(source, id="day09-attend")))


def scores(out: Path, assignment: str = "week2_attention") -> dict[str, dict[str, float]]:
    """Per student: the auto scores of the graded cells."""
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        return {
            submission.student.id: {g.name: g.auto_score for n in submission.notebooks for g in n.grades}
            for submission in book.assignment_submissions(assignment)
        }


NAMES = ["day09-causal_mask-check", "day09-attention_weights-check", "day09-attend-check"]
QUESTION = "day09-explain_scale"  # a free answer, which a person grades


def test_the_gradebook_has_each_exercise_with_its_points(graded):
    found = scores(graded[0])
    assert found.keys() == BY_HAND.keys()
    for learner, (*earned, _) in BY_HAND.items():
        assert found[learner] == dict(zip(NAMES, earned, strict=True)) | {QUESTION: None}, learner
    with Gradebook(f"sqlite:///{graded[0] / 'gradebook.db'}") as book:
        cells = book.find_notebook("day09_attention", "week2_attention").grade_cells
        points = {cell.name: (cell.max_score, cell.cell_type) for cell in cells}
        codes = {name: (most, "code") for name, most in zip(NAMES, (5, 12, 9), strict=True)}
        assert points == codes | {QUESTION: (2, "markdown")}
        submission = book.find_submission("week2_attention", "alan")
        assert (submission.score, submission.max_score) == (23, 28)
        waiting = [
            grade.name
            for notebook in submission.notebooks
            for grade in notebook.grades
            if grade.needs_manual_grade
        ]
        assert waiting == [QUESTION], "a person has to look at the free answer, and at nothing else"


def test_a_second_run_updates_and_keeps_what_was_graded_by_hand(tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    by_hand = {NAMES[0]: 4, QUESTION: 1.5}

    def by_a_person(book: Gradebook) -> dict:
        found = {
            name: book.find_grade(name, "day09_attention", "week2_attention", "mary") for name in by_hand
        }
        return {name: (grade.manual_score, grade.needs_manual_grade) for name, grade in found.items()}

    shutil.copy(SAMPLES / "george.ipynb", folder / "mary.ipynb")
    assert grade(folder, out) == 0
    assert scores(out)["mary"]["day09-attend-check"] == 0
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        assert by_a_person(book) == {NAMES[0]: (None, False), QUESTION: (None, True)}
        for name, score in by_hand.items():
            given = book.find_grade(name, "day09_attention", "week2_attention", "mary")
            given.manual_score, given.needs_manual_grade = score, False
        book.db.commit()
    shutil.copy(SAMPLES / "ada.ipynb", folder / "mary.ipynb")
    assert grade(folder, out) == 0
    assert scores(out) == {"mary": dict(zip(NAMES, (5, 12, 9), strict=True)) | {QUESTION: None}}
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        # A new score of the grader's is one more reason to look again; a free answer has none.
        assert by_a_person(book) == {NAMES[0]: (4, True), QUESTION: (1.5, False)}


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # about nbgrader's own queries
def test_a_gradebook_in_which_the_week_has_no_such_day_yet_takes_it(tmp_path, monkeypatch, capsys):
    # nbgrader asks alembic, which lies beside this Python, for its version.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    out = tmp_path / "out"
    out.mkdir()
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        book.add_assignment("week2_attention")
        book.add_notebook("day08_skeleton", "week2_attention")
        book.add_student("ada")
        book.add_submission("week2_attention", "ada")
    shutil.copy(SAMPLES / "ada.ipynb", tmp_path / "ada.ipynb")
    assert grade(tmp_path, out) == 0
    assert {name: scores(out)["ada"][name] for name in NAMES} == dict(zip(NAMES, (5, 12, 9), strict=True))


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
    assert grade(tmp_path, tmp_path / "out") == 0
    found = scores(tmp_path / "out", "homework9")
    assert {learner: sum(cells[name] for name in NAMES) for learner, cells in found.items()} == {
        "u1": 26,
        "u2": 23,
        "u3": 0,
    }
    printed = " ".join(capsys.readouterr().out.split())
    assert "Only one notebook a day is graded, and this learner's is day09_attention.ipynb." in printed


def test_a_notebook_without_exercises_is_a_line_and_no_stop(tmp_path, capsys, no_gradebook):
    for name in ("day99_future.ipynb", "holiday.ipynb"):
        (tmp_path / name).write_bytes(notebook("x = 1"))
    assert grade(tmp_path, tmp_path / "out") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "None of the course's exercises is in this notebook" in printed
    assert "Nothing is known of day99 here." in printed
    for report in reports(tmp_path / "out").values():
        jsonschema.validate(report, SCHEMA)
        assert report["problem"] and not report["exercises"]


def test_the_submissions_are_left_as_they_were(tmp_path, capsys, no_gradebook):
    make(tmp_path / "ada.ipynb", "open('traces.txt', 'w').write('x')\ndef attend(*_): pass")
    before = (tmp_path / "ada.ipynb").read_bytes()
    assert grade(tmp_path, tmp_path / "out") == 0
    assert (tmp_path / "ada.ipynb").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ada.ipynb", "out"], (
        "a learner's cell left something here"
    )


# --- A second run, and an appeal ----------------------------------------------------------------------


@pytest.fixture
def class_(tmp_path, monkeypatch, no_gradebook):
    """Three submissions, where their reports go, and a list to which each file is added when it is graded."""
    graded, really = [], batch.grade_notebook

    def grade_and_note(raw, file, *rest, **options):
        graded.append(file)
        return really(raw, file, *rest, **options)

    monkeypatch.setattr(batch, "grade_notebook", grade_and_note)
    (tmp_path / "in").mkdir()
    for name in ("ada", "alan", "hedy"):
        shutil.copy(SAMPLES / f"{name}.ipynb", tmp_path / "in")
    return tmp_path / "in", tmp_path / "out", graded


def test_a_second_run_grades_only_what_has_changed_and_with_new_inputs(class_, capsys):
    folder, out, graded = class_
    assert grade(folder, out) == 0
    assert graded == ["ada.ipynb", "alan.ipynb", "hedy.ipynb"]
    before = reports(out)
    shutil.copy(SAMPLES / "frances.ipynb", folder / "alan.ipynb")
    shutil.copy(SAMPLES / "grace.ipynb", folder / "grace.ipynb")
    graded.clear()
    assert grade(folder, out) == 0
    assert graded == ["alan.ipynb", "grace.ipynb"]
    after = reports(out)
    seeds = {name: report["seed"] for name, report in after.items()}
    assert seeds["ada"] == seeds["hedy"] != seeds["alan"] == seeds["grace"], (
        "a report tells its seed, so what is handed in after it needs another"
    )
    assert (after["ada"], after["hedy"]) == (before["ada"], before["hedy"])
    assert [after[name]["earned"] for name in ("alan", "grace")] == [20, 26]
    graded.clear()
    assert grade(folder, out) == 0
    assert not graded and "4/4" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--again"], ["--seed", 5], ["--limit", 9]])
def test_other_inputs_or_limits_are_another_run(class_, capsys, options):
    folder, out, graded = class_
    assert grade(folder, out, "--seed", 4) == 0
    graded.clear()
    assert grade(folder, out, *options) == 0
    assert graded == ["ada.ipynb", "alan.ipynb", "hedy.ipynb"]
    (seed,) = {report["seed"] for report in reports(out).values()}
    assert seed == 5 if options[0] == "--seed" else seed != 4


def test_without_a_seed_each_class_has_its_own(tmp_path, capsys, no_gradebook):
    make(tmp_path / "in" / "ada.ipynb", "attend = 3")
    seeds = set()
    for number in range(3):
        assert grade(tmp_path / "in", tmp_path / str(number)) == 0
        seeds.update(report["seed"] for report in reports(tmp_path / str(number)).values())
    assert len(seeds) > 1, f"three classes drew the same seed {seeds}: it can be learnt"


@pytest.mark.parametrize(
    ("key", "value"),
    [("grader", "an earlier one"), ("isolation", {"level": "process", "meaning": "", "locks": ["limits"]})],
)
def test_a_report_of_another_grader_or_from_a_weaker_system_is_made_anew(class_, capsys, key, value):
    folder, out, graded = class_
    assert grade(folder, out) == 0
    level = reports(out)["ada"]["isolation"]["level"]
    if level == "process":
        value = {"level": "process", "meaning": "", "locks": []}  # nothing is weaker but what was cut short
    path = out / "day09" / "ada.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    graded.clear()
    assert grade(folder, out, "--require-isolation", level) == 0
    assert graded == ["ada.ipynb"]


def test_a_report_that_is_damaged_is_made_anew(class_, capsys):
    folder, out, graded = class_
    assert grade(folder, out) == 0
    for name, text in (("ada", '{"learner": "ada"'), ("alan", "[]"), ("hedy", "{}")):
        (out / "day09" / f"{name}.json").write_text(text)
    (out / "run.json").write_text("{")
    graded.clear()
    assert grade(folder, out) == 0
    assert graded == ["ada.ipynb", "alan.ipynb", "hedy.ipynb"]


def regrade(*arguments: str | Path) -> int:
    return cli.main(["regrade", *map(str, arguments)])


@pytest.mark.parametrize("learner", ["ada", "frances", "ida"])
def test_a_report_can_be_made_again_to_the_point(graded, capsys, learner):
    assert regrade(graded[0] / "day09" / f"{learner}.json") == 0
    printed = capsys.readouterr().out
    mask, weights, attend, _ = BY_HAND[learner]
    assert f"all: {mask + weights + attend}, again {mask + weights + attend}\n" in printed
    assert f"day09.attention_weights: {weights}, again {weights}\n" in printed
    assert printed.endswith("The score is the same.\n")


def raise_the_total(report: dict) -> None:
    report["earned"] += 1


def raise_an_exercise(report: dict) -> None:
    report["exercises"][1]["earned"] = 12


def raise_an_item(report: dict) -> None:
    report["exercises"][1]["items"][0]["earned"] += 1


def leave_an_item_out(report: dict) -> None:
    del report["exercises"][1]["items"][0]


@pytest.mark.parametrize("tamper", [raise_the_total, raise_an_exercise, raise_an_item, leave_an_item_out])
def test_a_report_that_was_tampered_with_is_found_out(graded, tmp_path, capsys, tamper):
    report = reports(graded[0])["alan"]
    tamper(report)
    (tmp_path / "alan.json").write_text(json.dumps(report))
    assert regrade(tmp_path / "alan.json", "--notebook", SAMPLES / "alan.ipynb") == 1
    printed = capsys.readouterr().out
    assert "The score is not the same." in printed
    assert "attention_weights: The mask is applied after the softmax" in printed, "why it is what it is"


def test_another_file_than_the_one_that_was_graded_is_refused(graded, tmp_path, capsys):
    path = graded[0] / "day09" / "alan.json"
    assert regrade(path, "--notebook", SAMPLES / "ada.ipynb") == 2
    assert "is not the file that was graded: it has changed since." in capsys.readouterr().err
    assert regrade(path, "--notebook", tmp_path / "gone.ipynb") == 2
    assert "cannot be read" in capsys.readouterr().err
    for no_report in (graded[0] / "run.json", SAMPLES / "ada.ipynb", tmp_path / "gone.json"):
        assert regrade(no_report) == 2
        assert "is not a report" in capsys.readouterr().err


# --- What a person can get wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["grade", "nowhere", "--out", "out"], "There is no folder"),
        (["grade", "empty", "--out", "out"], "There are no notebooks in"),
        (["grade", "class", "--out", "file"], "cannot be made"),
        (["grade", "class", "--out", "foreign", "--jobs", "1"], "cannot be used"),
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
    assert cli.main(arguments) == 2
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
        ["grade", "class", "--out", "x", "--jobs", "0"],
        ["grade", "class", "--out", "x", "--require-isolation", "none"],
        ["burn"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_has_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert "usage: autograder" in capsys.readouterr().err
