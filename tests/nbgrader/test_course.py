"""nbgrader's own commands on a course of ours: a small class is collected, graded, given feedback and exported."""

import csv
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from liveness import Page
from nbgrader.api import Gradebook

from autograder import cli
from autograder.build import samples
from autograder.build.check import TELLING, hidden_lines
from autograder.build.sources import read_days, read_source, regions, squeeze
from autograder.rubric import load_exercises, load_free_answers

ROOT = Path(__file__).parents[2]
WEEK, DAY = "week2_attention", "day09_attention"
CHECKS = ["day09-causal_mask-check", "day09-attention_weights-check", "day09-attend-check"]
QUESTION = "day09-explain_scale"
SEED = 11


# --- The class ----------------------------------------------------------------------------------------


def ada() -> str:
    """All right, and the question answered."""
    made = samples.ada()
    (question,) = [cell for cell in made["cells"] if cell["id"] == QUESTION]
    question["source"] = "".join(question["source"]).replace("*Write your answer", "Saturated. *I wrote it")
    return json.dumps(made)


def alan() -> str:
    """One known mistake, in a file that has lost all its metadata; the question is answered in it all the same."""
    made = samples.alan()
    for cell in made["cells"]:
        if cell["id"] == QUESTION:
            cell["source"] = "".join(cell["source"]) + "\n\nFlat, since a < b and b>c."
        cell.pop("id")
        cell["metadata"] = {}
    return json.dumps(made | {"nbformat_minor": 0, "metadata": {}})


def niklaus() -> str:
    """All right, and messy: a BOM, warnings and progress bars on stderr, a foreign kernel, magics, big outputs."""
    return samples.niklaus()


CHEAT = """
import builtins, sys
import torch
torch.allclose = torch.equal = lambda *arguments, **options: True
torch.Tensor.__eq__ = lambda self, other: torch.ones(1, dtype=torch.bool)
builtins.all = builtins.any = lambda values: True
sys.displayhook = lambda value: print(12.0)
get_ipython().run_cell = lambda *arguments: None
sys.stderr.write("0 errors")
12.0
"""

# Each of these is live in a page if it gets there as it is.
SCRIPTS = [
    "<script>alert('evil')</script>",
    "<img src=x onerror=alert('evil')>",
    "<details open ontoggle=alert('evil')><summary>evil</summary></details>",
    "<iframe srcdoc='evil'></iframe> <svg/onload=alert('evil')>",
    "[evil](javascript:alert('evil')) [evil](JaVaScRiPt:alert(1)) [evil](java&#115;cript:alert(1))",
    "[evil][1]\n\n[1]: javascript:alert('evil')",
    "<javascript:alert('evil')>",
    '![evil](x "\\" onerror=\\"alert(1)") ![evil" onerror="alert(1)](x)',
    '```html" onload="alert(1)\nevil\n```',
    "$$\n</div><script>alert('evil')</script>\n$$ and $\\href{javascript:alert('evil')}{evil}$",
    "\\begin{evil}<script>alert('evil')</script>\\end{evil}",
    "![evil](attachment:evil.png)",
]
# And this ends nbgrader's feedback with an error.
LOST_PICTURE = "evil ```` ![](attachment&#58;lost.png)"


def eve() -> dict:
    """Garbage, which patches whatever might judge it, claims points, and would run scripts in a person's browser."""
    made = samples.notebook({"day09.attend": "def attend(*arguments):\n    return arguments[2] * 0"})
    for cell in made["cells"]:
        nbgrader = cell["metadata"].get("nbgrader")
        if cell["id"] == "day09-attend-check":
            nbgrader["points"], cell["source"] = 10_000, "10_000"
        elif cell["id"] == QUESTION:
            cell["source"] = "\n\n".join(["".join(cell["source"]), *SCRIPTS])
            cell["attachments"] = {"evil.png": {'image/png" onerror="alert(1)': "evil"}}
        elif cell["id"] == "day09-causal_mask":
            nbgrader["grade_id"] = "\"><script>alert('evil')</script>"
    grade = {
        "grade": True,
        "solution": False,
        "locked": False,
        "task": False,
        "schema_version": 99,
        "points": 9,
    }
    made["cells"] += [
        samples.code(CHEAT, "cheat", [html_output()]),
        {"cell_type": "raw", "id": "raw", "metadata": {"raw_mimetype": "text/html"}, "source": SCRIPTS[0]},
        {"cell_type": "markdown", "id": '"><b>', "metadata": {"nbgrader": grade}, "source": SCRIPTS[1]},
        {"cell_type": "markdown", "id": "lost", "metadata": {}, "source": LOST_PICTURE},
    ]
    made["metadata"]["title"] = SCRIPTS[0]
    return made


def mallory() -> str:
    """As evil, and not even what the notebook format allows."""
    made = eve()
    made["cells"] += [
        {"cell_type": "code", "metadata": {"nbgrader": []}, "source": [1, "2"], "outputs": "none"},
        7,
    ]
    return json.dumps(made)


def html_output() -> dict:
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": SCRIPTS[0]}}


def ida() -> str:
    """Cut off while it was being uploaded."""
    return ada()[:20_000]


CLASS = {"ada": ada, "alan": alan, "niklaus": niklaus, "mallory": mallory, "ida": ida}
STUDENTS = [*CLASS, "eve"]


# --- The course ---------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> int:
    return cli.main([str(argument) for argument in arguments])


def nbgrader(course: Path, *arguments: str) -> None:
    """Run one of nbgrader's commands."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("class")
    for student, made in CLASS.items():
        (folder / f"{student}.ipynb").write_text(made(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def course(made_course, handed_in, tmp_path_factory) -> Path:
    """A course with the class collected, graded and given feedback."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(made_course, course, dirs_exist_ok=True)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"c.Examine.seed = {SEED}\n")
    assert run("collect", handed_in, "--course", course) == 0
    # Eve's did not come through `collect` but, say, through nbgrader's exchange: as it was handed in.
    file = course / "submitted" / "eve" / WEEK / f"{DAY}.ipynb"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(eve()))
    nbgrader(course, "autograde", WEEK)
    nbgrader(course, "generate_feedback", WEEK)
    return course


@pytest.fixture(scope="module")
def reports(handed_in, tmp_path_factory) -> dict[str, dict]:
    """What `autograder grade` gives the same class."""
    out = tmp_path_factory.mktemp("graded")
    assert run("grade", handed_in, "--out", out, "--seed", SEED, "--jobs", 1) == 0
    return {path.stem: json.loads(path.read_text()) for path in out.glob("day09/*.json")}


def scores(course: Path, student: str) -> dict[str, float]:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        notebook = book.find_submission_notebook(DAY, WEEK, student)
        return {grade.name: grade.score for grade in notebook.grades}


def feedback(course: Path, student: str) -> str:
    return (course / "feedback" / student / WEEK / f"{DAY}.html").read_text(encoding="utf-8")


# --- Scores -------------------------------------------------------------------------------------------


def test_the_release_is_what_learners_get_in_course(course):
    released = (course / "release" / WEEK / f"{DAY}.ipynb").read_bytes()
    assert released == (ROOT / "course" / WEEK / f"{DAY}.ipynb").read_bytes()


def test_the_scores_are_those_of_autograder_grade(course, reports):
    for student in CLASS:
        by_exercise = [each["earned"] for each in reports[student]["exercises"]]
        found = scores(course, student)
        assert [found[name] for name in CHECKS] == by_exercise, f"{student}: nbgrader has {found}"


def test_each_gets_what_they_should(course):
    totals = {student: sum(scores(course, student)[name] for name in CHECKS) for student in STUDENTS}
    assert totals == {"ada": 26, "alan": 23, "niklaus": 26, "mallory": 0, "ida": 0, "eve": 0}


def test_free_answers_wait_for_a_person(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        waiting = {
            student: book.find_grade(QUESTION, DAY, WEEK, student).needs_manual_grade for student in STUDENTS
        }
    # Mallory's question holds something, so a person looks at it; Niklaus and Ida left it as it was.
    expected = {"ada": True, "alan": True, "mallory": True, "eve": True, "niklaus": False, "ida": False}
    assert waiting == expected


def test_grading_again_with_the_seed_that_the_notebook_names_is_possible(course):
    notebook = json.loads((course / "autograded" / "alan" / WEEK / f"{DAY}.ipynb").read_text())
    assert notebook["metadata"]["handmade"]["seed"] == SEED


# --- Feedback -----------------------------------------------------------------------------------------


def test_the_feedback_says_what_was_lost_and_why(course, reports):
    page = feedback(course, "alan")
    assert "The mask is applied after the softmax" in page, "the mistake is not named"
    lost = [i["reason"] for e in reports["alan"]["exercises"] for i in e["items"] if i["reason"]]
    assert lost and all(reason[:40] in page for reason in lost), f"not all of {lost} are in the page"
    assert "This submission could not be read" in feedback(course, "ida")
    assert "it is not JSON" in feedback(course, "ida")


@pytest.mark.parametrize("student", STUDENTS)
def test_the_feedback_gives_nothing_away(course, student):
    """No line of a hidden check, a criterion or a model answer, but for what the student wrote or was given."""
    source = read_source(ROOT / "solutions" / WEEK / f"{DAY}.md", ROOT)
    secret = {squeeze(line) for cell in source.cells for _, body in regions(cell.source) for line in body}
    for rubric in (ROOT / "autograder" / "rubrics").glob("*.py"):
        secret |= set(hidden_lines(rubric.read_text(encoding="utf-8")))
    given = " ".join(
        squeeze(text) for text in sources(course / "submitted" / student / WEEK / f"{DAY}.ipynb")
    )
    page = squeeze(text_of(feedback(course, student)))
    secret = {line for line in secret if len(line) >= TELLING and line not in given}
    assert len(secret) > 50, "there is hardly anything to look for: is the test broken?"
    assert not [line for line in secret if line in page]
    assert load_free_answers()["day09.explain_scale"].criteria.splitlines()[0] in secret, "criteria count too"


def sources(path: Path) -> list[str]:
    return ["".join(map(str, cell["source"])) for cell in json.loads(path.read_text())["cells"]]


def text_of(html: str) -> str:
    return "".join(Page(html).text)


@pytest.mark.parametrize("student", ["mallory", "eve"])
def test_nothing_of_the_learners_is_live_in_the_feedback(course, student):
    ours, theirs = Page(feedback(course, "niklaus")), Page(feedback(course, student))
    assert theirs.live == ours.live, f"this came to life: {theirs.live - ours.live}"
    assert "\\href" not in "".join(theirs.text), "MathJax would make a link of it"
    assert "evil" in "".join(theirs.text), "what the student wrote should be readable, as text"


def test_prose_with_comparisons_and_the_courses_own_hints_stays_as_it_is(course):
    page = feedback(course, "alan")
    assert "Flat, since a &lt; b and b&gt;c." in page
    assert page.count("<summary>Hint 1</summary>") == 3


# --- What a person entered, export and formgrader -----------------------------------------------------


def test_what_a_person_entered_survives_everything(course, capsys):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        grade = book.find_grade(QUESTION, DAY, WEEK, "ada")
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        book.find_grade(CHECKS[2], DAY, WEEK, "alan").manual_score = 4
        book.db.commit()
    nbgrader(course, "autograde", WEEK, "--force", "--student", "a*")
    assert scores(course, "ada")[QUESTION] == 1.5
    assert run("grade", course, "--out", course, "--jobs", 1) == 0, capsys.readouterr()
    assert run("course", "--out", course) == 0, "a course in use cannot be brought up to date"
    assert scores(course, "ada") == dict(zip([*CHECKS, QUESTION], [5, 12, 9, 1.5], strict=True))
    assert scores(course, "alan")[CHECKS[2]] == 4, "a person may overrule the examiner"

    nbgrader(course, "export", "--to", "grades.csv")
    with (course / "grades.csv").open() as file:
        rows = {
            row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)
        }
    # An assignment is a week: of its other notebooks nobody has handed in any.
    days = [
        day.stem.partition("_")[0] for week in read_days(ROOT) if week.folder == WEEK for day in week.days
    ]
    tasks = [*load_exercises().values(), *load_free_answers().values()]
    most = sum(task.points for task in tasks if task.day in days)
    earned = {"ada": 27.5, "alan": 18, "niklaus": 26, "mallory": 0, "ida": 0, "eve": 0}
    assert rows == {name: (points, most) for name, points in earned.items()}


@pytest.fixture(scope="module")
def formgrader(course, tmp_path_factory) -> Iterator:
    """A function that gets a page of formgrader from a Jupyter server in the course."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    home = str(tmp_path_factory.mktemp("home"))
    command = [
        *(sys.executable, "-m", "jupyter_server", "--allow-root", "--ServerApp.open_browser=False"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
    ]
    log = course / "server.log"
    environment = os.environ | {"HOME": home, "JUPYTER_CONFIG_DIR": home, "JUPYTER_RUNTIME_DIR": home}
    with log.open("w") as file:
        server = subprocess.Popen(command, cwd=course, env=environment, stdout=file, stderr=file)

    def get(path: str, method: str = "GET") -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/{path}", headers={"Authorization": f"token {token}"}, method=method
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()

    try:
        for _ in range(600):
            try:
                get("api/status")
                break
            except urllib.error.URLError:
                assert server.poll() is None, log.read_text()[-4000:]
                time.sleep(0.1)
        yield get
    finally:
        server.terminate()
        server.wait(30)


def test_formgrader_shows_the_gradebook_and_a_submission_that_can_do_nothing(course, formgrader):
    assert "day09_attention" in formgrader(f"formgrader/gradebook/{WEEK}/{DAY}")
    listed = json.loads(formgrader(f"formgrader/api/submitted_notebooks/{WEEK}/{DAY}"))
    ids = {each["student"]: each["id"] for each in listed if each["id"]}
    assert ids.keys() >= {"ada", "mallory"}, listed
    ours, theirs = (Page(formgrader(f"formgrader/submissions/{ids[name]}/")) for name in ("ada", "mallory"))
    assert "The causal mask: 5 of 5 points." in "".join(ours.text)
    assert theirs.live == ours.live, (
        f"this came to life in the instructor's browser: {theirs.live - ours.live}"
    )


def test_formgraders_own_button_grades_with_the_examiner(course, formgrader):
    said = json.loads(formgrader(f"formgrader/api/submission/{WEEK}/alan/autograde", "POST"))
    assert said["success"], said
    assert scores(course, "alan")[CHECKS[1]] == 9
