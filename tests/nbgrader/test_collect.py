"""Submissions in any state end up where nbgrader looks for them, in a form that it can read."""

import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from liveness import Page
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat.v4 import new_notebook
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import determine_grade, parse_utc

from autograder import cli
from autograder.build import samples
from autograder.nbgrader.collect import collect, database
from autograder.nbgrader.examine import outputs
from autograder.nbgrader.prose import prose
from autograder.nbgrader.restore import graded_cells, restored

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "autograder" / "samples"
WEEK, DAY = "week2_attention", "day09_attention"
QUESTION = "day09-explain_scale"


@pytest.fixture
def course(made_course, tmp_path) -> Path:
    return Path(shutil.copytree(made_course, tmp_path / "course"))


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture(scope="module")
def graded(made_course) -> list:
    return graded_cells(database(made_course), WEEK, DAY)


def placed(course: Path) -> set[str]:
    return {path.relative_to(course).as_posix() for path in course.glob("submitted/*/*/*.ipynb")}


def target(course: Path, student: str) -> Path:
    return course / "submitted" / student / WEEK / f"{DAY}.ipynb"


def put(path: Path, text: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((SAMPLES / "ada.ipynb").read_text() if text is None else text)
    return path


# --- Where they go ------------------------------------------------------------------------------------


def test_loose_files_folders_and_scripts_are_found(course, folder):
    put(folder / "ada.ipynb")
    put(folder / "Grace Hopper" / "my notebook (final).ipynb")
    put(folder / "zoë" / "week2" / "deep" / f"{DAY}.ipynb")
    put(folder / "alan.py", "# %%\ndef attend(q, k, v, mask=None):\n    return v\n")
    put(folder / "zoë" / ".ipynb_checkpoints" / "old.ipynb", "{}")
    collected = collect(folder, course)
    assert collected.refused == []
    students = ["ada", "Grace Hopper", "zoë", "alan"]
    assert placed(course) == {f"submitted/{student}/{WEEK}/{DAY}.ipynb" for student in students}
    cells = nbformat.read(target(course, "alan"), as_version=4).cells
    (answer,) = [cell for cell in cells if cell.id == "day09-attend"]
    assert answer.source.startswith("def attend"), "the script's answer is not in its cell"


@pytest.mark.parametrize(
    "name",
    ["..ipynb", "-rf.ipynb", "a;b.ipynb", "<b>.ipynb", " ada.ipynb", "a\nb.ipynb", "*.ipynb", "$HOME.ipynb"],
)
def test_odd_names_are_refused_and_the_others_go_on(course, folder, name, capsys):
    put(folder / name)
    put(folder / "ada.ipynb")
    assert cli.main(["collect", str(folder), "--course", str(course)]) == 2
    said = capsys.readouterr()
    assert "letters, digits, spaces" in said.err and said.err.count("\n") == 1, said.err
    assert placed(course) == {f"submitted/ada/{WEEK}/{DAY}.ipynb"}


def test_links_and_pipes_are_refused(course, folder, tmp_path):
    secret = put(tmp_path / "elsewhere" / "secret.ipynb")
    (folder / "eve.ipynb").symlink_to(secret)
    (folder / "mallory").symlink_to(secret.parent, target_is_directory=True)
    os.mkfifo(folder / "oscar.ipynb")
    refused = sorted(collect(folder, course).refused)
    assert [sentence.partition(":")[0] for sentence in refused] == ["eve.ipynb", "mallory", "oscar.ipynb"]
    assert all("link" in sentence for sentence in refused[:2]) and "not a file" in refused[2], refused
    assert not placed(course)


def test_of_two_files_for_one_notebook_the_one_with_its_name_is_taken(course, folder):
    put(folder / "ada" / "copy.ipynb", samples.as_text(samples.hedy()))
    put(folder / "ada" / f"{DAY}.ipynb")
    (sentence,) = collect(folder, course).refused
    assert sentence == f"ada/copy.ipynb: ada's {DAY} is ada/{DAY}.ipynb already; keep one."
    assert "tril()" in target(course, "ada").read_text(), "the other one was taken"


def test_an_unknown_day_is_refused(course, folder):
    put(folder / "ada" / "notes.py", "print(1)")
    (sentence,) = collect(folder, course).refused
    assert "give the file one of the names" in sentence and DAY in sentence


def test_what_says_nothing_is_of_the_notebook_that_all_others_are(course, folder):
    put(folder / "ada.ipynb")
    (folder / "ida.ipynb").write_text("not a notebook")
    assert not collect(folder, course).refused and target(course, "ida").exists()


@pytest.mark.parametrize("what", ["no course", "no folder", "empty folder"])
def test_what_cannot_be_done_is_one_sentence(what, course, folder, tmp_path, capsys):
    if what == "no course":
        put(folder / "ada.ipynb")
        course = tmp_path / "nowhere"
    elif what == "no folder":
        folder = tmp_path / "nowhere"
    assert cli.main(["collect", str(folder), "--course", str(course)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("There ") and said.count("\n") == 1, said


def test_a_changed_submission_is_newer_and_an_unchanged_one_stays(course, folder):
    file = put(folder / "ada.ipynb", samples.as_text(samples.hedy()))
    collect(folder, course)
    stamp, first = target(course, "ada").with_name("timestamp.txt"), target(course, "ada").read_bytes()
    when = parse_utc(stamp.read_text().strip())
    os.utime(file)
    collect(folder, course)
    assert (parse_utc(stamp.read_text().strip()), target(course, "ada").read_bytes()) == (when, first)
    put(file)
    os.utime(file, (0, 0))  # as when it comes out of an archive
    collect(folder, course)
    assert parse_utc(stamp.read_text().strip()) > when, "nbgrader would not grade it again"
    assert target(course, "ada").read_bytes() != first


# --- In what form -------------------------------------------------------------------------------------


def check(notebook, graded) -> None:
    """What nbgrader demands: a valid notebook in which each cell with points is there once."""
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells), "two cells have the same id"
    ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len(ids) == len(set(ids))
    assert {cell.id for cell in graded if cell.metadata.nbgrader.grade} <= set(ids), (
        "a cell with points is missing"
    )
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs of the learner's are left"


@pytest.mark.parametrize("learner", samples.CLASS, ids=lambda learner: learner.__name__)
def test_every_sample_becomes_what_nbgrader_can_read(learner, graded):
    made = learner()
    raw = (made if isinstance(made, str) else samples.as_text(made)).encode()
    check(restored(raw, "x.ipynb", graded), graded)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from([QUESTION, "```", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["nbgrader", "tags", "grade_id", "points", "a.png", "image/png"]), inner
        )
    ),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw", "code"]) | anything},
    optional={
        "source": st.sampled_from(["def attend(): pass", "![](attachment:a.png)", "<b", "%%x"]) | anything,
        "id": st.sampled_from([QUESTION, "day09-attend", "day09-attend-check"]) | anything,
        "metadata": anything,
        "attachments": anything,
        "outputs": anything,
    },
)


@settings(max_examples=60)
@example(
    cells=[{"cell_type": "code", "id": "cell-1"}, {"cell_type": "code"}, {"cell_type": "raw", "id": "cell-1"}]
)
@given(cells=st.lists(entries | anything, max_size=6) | anything)
def test_whatever_is_in_a_notebook_nbgrader_can_read_it(cells, graded):
    raw = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()
    check(restored(raw, "x.ipynb", graded), graded)


def test_a_changed_check_is_kept_as_the_learners_own_and_the_real_one_is_back(graded):
    made = samples.ada()
    (changed,) = [cell for cell in made["cells"] if cell["id"] == "day09-attend-check"]
    changed["source"] = "mine = 1"
    cells = restored(json.dumps(made).encode(), "x.ipynb", graded).cells
    (check,) = [cell for cell in cells if cell.id == "day09-attend-check"]
    assert "assert" in check.source and check.metadata.nbgrader.points == 9
    assert [cell.metadata for cell in cells if cell.source == "mine = 1"] == [{}], "the learner may need it"


def test_a_free_answer_is_found_by_its_question_when_ids_are_lost(graded):
    (question,) = [cell for cell in graded if cell.id == QUESTION]
    blank = {"cell_type": "markdown", "source": question.source}
    answer = {"cell_type": "markdown", "source": question.source.replace("Write", "It saturates: 1<2. Write")}
    code = {"cell_type": "code", "source": "1"}
    raw = json.dumps({"nbformat": 4, "cells": [code, answer, blank]}).encode()
    (found,) = [cell for cell in restored(raw, "x.ipynb", graded).cells if cell.id == QUESTION]
    assert "It saturates: 1<2." in found.source
    assert determine_grade(found)[0] is None, "nbgrader would give it zero without asking a person"


def test_more_prose_than_anybody_writes_is_dropped_and_the_code_stays(graded):
    made = samples.ada()
    made["cells"] += [{"cell_type": "markdown", "source": "![](" * 5000}] * 200
    cells = restored(json.dumps(made).encode(), "x.ipynb", graded).cells
    assert len(cells) < 100 and sum(cell.id.startswith("day09-attend") for cell in cells) == 2


# --- Prose --------------------------------------------------------------------------------------------


def page(cell: dict) -> str:
    renderer = IPythonRenderer(escape=False, attachments=cell.get("attachments", {}))
    return MarkdownWithMath(renderer=renderer).render(cell["source"])


@pytest.mark.parametrize(
    "text",
    [
        "# A title\n\nSome *prose*, `code` and $a<b$.\n\n- [x] done\n- [a link](../day07.ipynb) <https://a.b>",
        "<details><summary>Hint</summary>\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n</details>\n\n```python\nx = 1\n```",
    ],
)
def test_ordinary_prose_stays_markdown(text):
    assert prose({"source": text})["source"].replace("a< b", "a<b") == text


def test_a_pasted_picture_stays_and_a_lost_one_is_named():
    picture = {"image/png": "iVBORw0KGgo="}
    kept = prose({"source": "![my sketch](attachment:a.png)", "attachments": {"a.png": picture}})
    assert kept["attachments"] == {"a.png": picture}
    lost = prose({"source": "![`my` sketch](attachment:a.png)"})
    assert lost["source"] == "```\n![`my` sketch](attachment:a.png)\n```"


PIECES = """
< <a script> <script>alert(1)</script> </ javascript: [x]( ) ` `` ``` ~~~ $ $$ " ' onerror=alert(1) &#60; &lt; ![ ]( >
&#x3C;script&#x3E; attachment: <details> <details </summary> <!-- --> <? \\ \\begin{a} \\end{a} <svg/onload=1> a - # |
|-| [1]: <javascript:alert(1)> &#106;avascript: data:text/html,x * _ ~~ http://a.b/ <http://a.b/"onclick=1> ^
"""
pieces = st.sampled_from([*PIECES.split(), "\n", "\n\n", "    ", " ", "\t", "\x00", "\u2028"])


@settings(max_examples=150)
@given(st.lists(pieces, max_size=14))
@example(["\n", "# ", "[x](&#106;avascript:alert(1))"])
@example(["&#60;\n[x](&#106;avascript:script>)\\begin{a}"])
@example(['\n\\begin{a}\n\n[x](data:text/html,x<http://a.b/"onclick=1>~~)`<details></|<details>a'])
def test_no_prose_comes_to_life(text):
    live = Page(page(prose({"source": "".join(text)}))).live
    assert not live, f"{live} in a page that anybody may open"


# --- What nbgrader makes of our outputs ---------------------------------------------------------------


def result(earned: int, points: int) -> dict:
    items = [
        {"item": "a", "statement": "It is so.", "earned": earned, "points": points, "reason": "<b>no</b>"}
    ]
    return {"title": "Attend", "earned": earned, "points": points, "mistake": "", "items": items}


@pytest.mark.parametrize(("earned", "points", "score"), [(0, 9, 0), (4, 9, 4), (9, 9, 9), (1, 18, 0.5)])
def test_nbgrader_reads_the_points_that_were_earned(earned, points, score, graded):
    (cell,) = [nbformat.from_dict(cell) for cell in graded if cell.id == "day09-attend-check"]
    cell.outputs = outputs(result(earned, points), cell, {})
    nbformat.validate(new_notebook(cells=[cell]))
    assert determine_grade(cell) == (score, 9)
    assert not any("text/html" in output.get("data", {}) for output in cell.outputs), (
        "the reason must stay text"
    )


def test_a_submission_without_any_answers_is_a_zero_with_its_reason(graded):
    (cell,) = [nbformat.from_dict(cell) for cell in graded if cell.id == "day09-attend-check"]
    cell.outputs = outputs(None, cell, {"problem": "Nothing is here."})
    assert determine_grade(cell) == (0, 9)
    assert cell.outputs[1].text == "Nothing is here.\n"
