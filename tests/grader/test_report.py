"""What people read: pictures of differences, the learner's page, the class page, and nothing in them that is live."""

import html
import inspect
import json
import math
import shlex
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import check_elements, parse

from autograder import expect
from autograder.examine import ExerciseResult, examine, known_answer, nothing_to_grade
from autograder.expect import Failed
from autograder.grade import Run, grade_notebook
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.picture import SIDE, caption, compare, draw
from autograder.report import Report, as_report, repeat, write_class, write_report
from autograder.rubric import load_exercises

SCHEMA = json.loads((Path(__file__).parents[2] / "autograder" / "report_schema.json").read_text())
DAY = [exercise for exercise in load_exercises().values() if exercise.day == "day09"]
WRONG = [known for exercise in DAY for known in load_known_answers()[exercise.name] if not known.right]


def judged(known: KnownAnswer) -> ExerciseResult:
    """A known answer, examined in this process: it is ours."""
    exercise = load_exercises()[known.exercise]
    process = SimpleNamespace(
        send=known_answer(known, exercise), allow=lambda seconds: None, close=lambda: None, gone=False
    )
    session = SimpleNamespace(open=lambda exercise: process, seconds=10.0, something_lost=False)
    return examine(exercise, session, seed=3)


def report(*results: ExerciseResult, **changes: object) -> Report:
    told = {
        "learner": "ada",
        "file": "ada.ipynb",
        "digest": "0" * 64,
        "day": "day09",
        "title": "Day 9 · Attention, one head",
        "assignment": "week2_attention",
        "problem": "",
        "results": results,
        "places": {"day09.attend": "code cell 18, under “8 · Attend”"},
        "level": "namespaces",
        "locks": ["namespaces", "seccomp"],
        "grader": "0123456789abcdef",
        "seconds": 0.1,
    }
    return as_report(Run(seed=3), **told | changes)


def with_mistake(start: str) -> ExerciseResult:
    return judged(next(known for known in WRONG if known.sentence.startswith(start)))


def right(name: str) -> ExerciseResult:
    known = next(known for known in load_known_answers()[name] if known.right)
    return judged(known)


@pytest.fixture(scope="module")
def all_wrong() -> list[ExerciseResult]:
    return [judged(known) for known in WRONG]


# --- Pictures -----------------------------------------------------------------------------------------


def difference(yours: torch.Tensor, wanted: torch.Tensor) -> dict | None:
    with pytest.raises(Failed) as failed:
        expect.close(yours, wanted, "they differ")
    return failed.value.picture


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.data())
def test_a_picture_shows_the_worst_place_and_at_most_16_by_16(shape, data):
    wanted = torch.arange(math.prod(shape)).reshape(shape).double()
    worst = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    yours = wanted.clone()
    yours[worst] -= 1e6
    picture = difference(yours, wanted)
    if math.prod(shape[-2:]) == 1:
        assert picture is None, "one value is in the reason already"
        return
    assert all(1 <= len(part) <= SIDE for part in (picture["yours"], *picture["yours"]))
    *leading, row, column = worst if len(shape) > 1 else (0, *worst)
    assert picture["leading"] == leading and picture["shape"] == shape
    row, column = row - picture["top"], column - picture["left"]
    assert picture["differs"][row][column] and sum(map(sum, picture["differs"])) == 1
    assert picture["expected"][row][column] == pytest.approx(float(wanted[worst]), rel=1e-5)
    jsonschema.validate(picture, SCHEMA["$defs"]["picture"] | {"$defs": SCHEMA["$defs"]})


def test_a_picture_holds_numbers_that_json_has_and_names_for_the_others():
    odd = torch.tensor([[math.nan, math.inf], [-math.inf, 1 / 3]])
    picture = difference(odd, torch.zeros(2, 2))
    assert picture["yours"] == [["NaN", "inf"], ["-inf", 0.333333]]
    json.dumps(picture, allow_nan=False)
    assert difference(torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool))["yours"] == [
        [1, 1, 1]
    ]


def test_a_mask_that_is_wrong_can_be_shown_beside_the_right_one():
    mask = torch.ones(4, 4, dtype=torch.bool)
    with pytest.raises(Failed) as failed:
        expect.that(False, "row t must be False at every s > t", show=(mask.triu(), mask.tril()))
    assert failed.value.picture["yours"][0] == [1, 1, 1, 1]
    assert failed.value.picture["expected"][0] == [1, 0, 0, 0]


@pytest.mark.parametrize("columns", [4, 12])
def test_what_is_not_a_number_is_hatched_and_named(columns):
    yours = torch.full((3, columns), 0.25)
    yours[0, 0], yours[1, 1], yours[2, 2] = math.nan, math.inf, -math.inf
    drawn = draw(difference(yours, torch.full((3, columns), 0.25)))
    names = ["NaN", "inf", "-inf"] if columns == 4 else ["N", "∞", "−∞"]
    assert [name for name in names if f">{name}</text>" in drawn] == names
    assert drawn.count('class="hatch"') == 3
    assert "1 are NaN, 1 are inf, 1 are -inf" in drawn, "the words do not say it"


def test_no_value_is_told_by_colour_alone():
    small = torch.tensor([[0.5, -0.25], [0.0, 1.0]])
    drawn = draw(difference(small, torch.zeros(2, 2)))
    assert all(f">{number}</text>" in drawn for number in ("0.50", "−0.25", "0", "1"))
    large = torch.linspace(-1, 1, 120).reshape(10, 12)
    large[0, 5] = 0.0
    shown = parse(draw(difference(large, torch.zeros(10, 12))))
    sizes = {a["width"] for tag, a in shown.elements if tag == "rect"}
    assert len(sizes) > 10, "where there is no room for numbers, size must say how large they are"
    signs = [a["class"] for tag, a in shown.elements if tag == "rect"]
    assert {"plus sized", "minus sized"} <= set(signs) and any(
        a.get("class") == "hatch" for _, a in shown.elements
    )


@pytest.mark.parametrize(
    ("shape", "worst", "wanted"),
    [
        ((3, 4), (0, 0), "[0:3, 0:4] of values of shape (3, 4)."),
        ((2, 40, 50), (1, 20, 49), "[1, 12:28, 34:50] of values of shape (2, 40, 50)."),
        ((5,), (2,), "[0:5] of values of shape (5,)."),
    ],
)
def test_the_caption_is_an_index_that_a_learner_can_type(shape, worst, wanted):
    differs = torch.zeros(shape, dtype=torch.bool)
    picture = compare(torch.zeros(shape), torch.zeros(shape), differs, worst)
    assert caption(picture).startswith(wanted)


def test_an_exercise_has_one_picture_at_most(all_wrong):
    for result in all_wrong:
        pictured = {item.item for item in result.items if item.picture}
        assert len(pictured) <= 1 and pictured <= {item.item for item in result.failed}, result.diagnosis
    assert sum(any(item.picture for item in result.items) for result in all_wrong) > len(WRONG) / 2


def test_the_safety_nets_picture_is_shown_before_the_others():
    """Of the weights themselves, rather than of the sums of their rows."""
    result = with_mistake("The mask is applied after")
    assert [item.item for item in result.failed] == ["rows", "pytorch"]
    (picture,) = [item.picture for item in result.items if item.picture]
    assert result.items[-1].picture is picture and len(picture["shape"]) == 3


def test_a_picture_crosses_from_a_jailed_learner_to_the_report():
    sample = Path(__file__).parents[2] / "autograder" / "samples" / "charles.ipynb"
    made = grade_notebook(sample.read_bytes(), "charles.ipynb", "charles", Run(seed=3))
    (picture,) = [i["picture"] for e in made["exercises"] for i in e["items"] if i["picture"]]
    assert picture["yours"][0][:3] == [1, 1, 1] and picture["expected"][0][:3] == [1, 0, 0]


# --- The report ---------------------------------------------------------------------------------------


def test_reports_follow_the_published_schema(all_wrong):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for result in all_wrong:
        jsonschema.validate(report(result), SCHEMA)
    nothing = report(problem="The file is empty.", level="", locks=[], day="", title="")
    jsonschema.validate(nothing, SCHEMA)


def test_nothing_of_a_check_or_of_a_model_answer_is_in_a_report(all_wrong, tmp_path):
    secret = {
        line.strip()
        for exercise in DAY
        for code in (exercise.reference(), *(item.check for item in exercise.items))
        for line in inspect.getsource(code).splitlines()
        if len(line.strip()) > 20 and not line.strip().startswith(('"', "'", 'f"', "def "))
    }
    assert len(secret) > 50
    for result in all_wrong:
        for text in (
            json.dumps(report(result), ensure_ascii=False),
            html.unescape(page(report(result), tmp_path)),
        ):
            assert not [line for line in secret if line in text], result.diagnosis


# --- Pages --------------------------------------------------------------------------------------------

HOSTILE = (
    '<script>alert(1)</script> "onload="x" \' `<b>` {{ 7*7 }} &lt;i&gt; javascript:x \x1b[31m \u202e</svg>'
)


def page(made: Report, folder: Path) -> str:
    write_report(made, folder)
    return (folder / (made["day"] or "no-day") / f"{made['page']}.html").read_text()


def class_page(made: list[Report], folder: Path) -> str:
    for each in made:
        write_report(each, folder)
    write_class(made, folder)
    return (folder / (made[0]["day"] or "no-day") / "index.html").read_text()


def test_what_a_learner_wrote_is_text_and_never_markup(tmp_path):
    attend = DAY[2]
    hostile = [nothing_to_grade(attend, HOSTILE), with_mistake("The mask is applied after")]
    hostile[1].items[0].reason = HOSTILE
    first = report(
        *hostile, learner="<i>eve", file=f"{HOSTILE}.ipynb".replace("/", ""), places={attend.name: HOSTILE}
    )
    second = report(nothing_to_grade(attend, HOSTILE), learner="javascript:mallory", problem=HOSTILE)
    unknown = report(learner='"><b>', file="x.ipynb", day="", title="", problem=HOSTILE)
    for markup in (page(first, tmp_path), page(second, tmp_path), class_page([unknown], tmp_path)):
        parsed = check_elements(markup)
        assert "<script>alert(1)</script>" in parsed.text, "the text is lost"
        assert "{{ 7*7 }}" in parsed.text and "\x1b" not in markup and "\u202e" not in markup
    parsed = check_elements(class_page([first, second], tmp_path))
    assert "<i>eve" in parsed.text and "{{ 7*7 }}" in parsed.text


def test_every_page_keeps_to_the_allowed_elements(all_wrong, tmp_path):
    made = [report(result, learner=f"l{number}") for number, result in enumerate(all_wrong)]
    for each in made:
        check_elements(page(each, tmp_path))
    check_elements(class_page(made, tmp_path))


def test_the_learners_page_says_what_where_and_why(tmp_path):
    lost, won = with_mistake("The mask is not passed on"), right("day09.causal_mask")
    text = parse(page(report(won, lost), tmp_path)).text
    for part in (
        "ada · 10 of 14 points",
        "✓ It lies on the device that was asked for.",
        "✗ With a causal mask, no position depends on a later one. Not so: changing position",
        "Your results are those of a known mistake: The mask is not passed on to attention_weights",
        "Your answer is in code cell 18, under “8 · Attend”.",
        "Outlined: what differs.",
        "Seed 3 (the same seed draws the same inputs)",
        "10 seconds for each cell and each exercise",
        "Locks: namespaces, seccomp.",
        "grader 0123456789abcdef",
        "An instructor runs autograder regrade day09/ada.json",
    ):
        assert part in text, f"{part!r} is not in {text}"


def test_one_reason_for_all_is_said_once(tmp_path):
    text = parse(page(report(nothing_to_grade(DAY[2], "`attend` is not written yet.")), tmp_path)).text
    assert text.count("attend is not written yet.") == 1 and "Not so" not in text


@pytest.mark.parametrize("learner", ["ada", "o'brien; rm -rf ~", "$(id)"])
def test_the_command_that_repeats_a_grading_can_be_pasted(learner):
    made = report(learner=learner) | {"page": learner}  # whatever a page might be called one day
    assert shlex.split(repeat(made)) == ["autograder", "regrade", f"day09/{learner}.json"]


def test_the_class_page_has_scores_misses_mistakes_and_problems(tmp_path):
    transposed = with_mistake("The mask is transposed: each")
    mask = DAY[0]
    made = [
        report(right(mask.name), learner="grace"),
        report(transposed, learner="alan"),
        report(transposed, learner="barbara"),
        report(with_mistake("The diagonal is masked"), learner="charles"),
        report(
            nothing_to_grade(mask, "no JSON"), learner="ida", file="ida.ipynb", problem="no JSON", level=""
        ),
    ]
    parsed = check_elements(class_page(made, tmp_path))
    for part in (
        "5 submissions, of which 1 could not be graded.",
        "The median is 3.5 of 5 points; 1 has full marks.",
        "Problems Learner Why the file could not be graded ida no JSON ida.ipynb",
        "alan 3 of 5 causal_mask 3 of 5: The mask is transposed",
        "2 of 5 (40 %) The causal mask The mask is transposed",
        "(triu for tril). alan, barbara",
        "2 of 5 (40 %) The causal mask A position sees every earlier one",
        "namespaces (learners' code ran without network, other processes or files, within limits): 4 of 5",
        "autograder regrade day09/LEARNER.json",
    ):
        assert part in parsed.text, f"{part!r} is not in {parsed.text}"
    bars = [a["width"] for tag, a in parsed.elements if tag == "rect"]
    assert bars[0] == "40.0", f"the bar of 2 of 5 is {bars[0]} of 100"


def test_a_class_in_which_nothing_could_be_graded_has_a_page(tmp_path):
    made = [report(learner="ida", day="", title="", problem="The file is empty.", level="", locks=[])]
    text = check_elements(class_page(made, tmp_path)).text
    assert "1 submission, of which 1 could not be graded." in text and "No learner’s code was run." in text


def test_a_class_that_was_graded_in_several_runs_has_several_seeds(tmp_path):
    late = report(learner="zoe") | {"seed": 77}
    (tmp_path / "day09").mkdir()
    write_class([report(), late], tmp_path)
    text = parse((tmp_path / "day09" / "index.html").read_text()).text
    assert "Seeds 3, 77 (the same seed draws the same inputs)" in text, text
