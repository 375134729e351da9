"""The build, on a made-up repository of one day: what it makes, and each thing that it refuses."""

import inspect
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbgrader.nbgraderformat import MetadataValidator

import handmade.attention
from autograder.build import __main__ as build
from autograder.build.check import hidden_lines, leaks
from autograder.build.release import stub_sentences
from autograder.build.sources import read_days
from autograder.rubric import Exercise, FreeAnswer, Item

ROOT = Path(__file__).parents[2]
DAY = "week2_attention/day09_attention.ipynb"


def solution(name: str) -> str:
    """A function of the library with its body marked as the solution, as an author would write it."""
    code = inspect.getsource(getattr(handmade.attention, name)).rstrip()
    head, docstring, body = re.fullmatch(r'(.*?)(    """.*?"""\n)(.*)', code, re.DOTALL).groups()
    return f"{head}{docstring}    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"


def cell(code: str, *options: str) -> str:
    return "\n".join(["```{code-cell} ipython3", *(f":{option}" for option in options), "", code, "```", ""])


IMPORTS = cell("import math\n\nimport torch\nfrom torch import Tensor")
ATTEND = cell(solution("attend"), "exercise: day09.attend")
MASK = cell(solution("causal_mask"), "exercise: day09.causal_mask")
WEIGHTS = cell("from handmade.attention import attention_weights")
CHECK_MASK = cell(
    "assert causal_mask(3).tolist()[0] == [True, False, False], 'row 0 sees itself'",
    "check: day09.causal_mask",
)
CHECK_ATTEND = cell(
    "assert attend(*torch.ones(3, 1, 4, 2)).shape == (1, 4, 2), 'one row a position'", "check: day09.attend"
)
QUESTION = '+++ {"answer": "day09.explain"}\n\nWhy divide?\n\n+++\n'
PAGE = [
    "# Day 9 · Attention, one head\n",
    QUESTION,
    IMPORTS,
    MASK,
    CHECK_MASK,
    WEIGHTS,
    "Now attend.\n",
    ATTEND,
    CHECK_ATTEND,
]


def exercise(name: str, points: int) -> Exercise:
    day, _, function = name.partition(".")
    item = Item("right", points, "It is right.", check=lambda learner, rand: None)
    return Exercise(f"{day}.{function}", function, f"handmade.attention.{function}", (item,))


EXERCISES = {e.name: e for e in (exercise("day09.causal_mask", 2), exercise("day09.attend", 6))}

FREE = {"day09.explain": FreeAnswer("day09.explain", 2, "Saturated rows pass no gradient on.")}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "solutions/days.toml", "solutions/start_here.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    write_day(tmp_path, PAGE)
    return tmp_path


def write_day(root: Path, parts: list[str], name: str = "week2_attention/day09_attention.md") -> None:
    path = root / "solutions" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts))


def run(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(build, "load_exercises", lambda: EXERCISES)
    monkeypatch.setattr(build, "load_free_answers", lambda: FREE)
    return build.main(["--root", str(root), *arguments])


def by_id(text: str) -> dict[str, dict]:
    return {cell["id"]: cell for cell in json.loads(text)["cells"]}


# --- What it makes ------------------------------------------------------------------------------------


def test_building_twice_changes_no_byte(repository, monkeypatch):
    assert run(repository, monkeypatch) == 0
    first = {p: p.read_bytes() for p in repository.rglob("*.ipynb")}
    for path in first:
        path.unlink()
    assert run(repository, monkeypatch) == 0
    second = {p: p.read_bytes() for p in repository.rglob("*.ipynb")}
    assert len(first) == 4, (
        f"a day and the start page, released and solved, are four notebooks: {sorted(first)}"
    )
    assert first == second, "the same sources gave different notebooks"
    assert run(repository, monkeypatch, "--check") == 0, "the check calls a fresh build stale"


def test_points_and_ids_come_from_the_rubric_and_nbgrader_accepts_them(repository):
    released, _ = build.make(repository, EXERCISES, FREE)
    notebook = nbformat.reads(released[DAY], as_version=4)
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    cells = by_id(released[DAY])
    stub, check = cells["day09-attend"]["metadata"], cells["day09-attend-check"]["metadata"]
    assert (stub["nbgrader"]["solution"], stub["nbgrader"]["grade"]) == (True, False), (
        "the stub is the learner's"
    )
    assert (check["nbgrader"]["grade"], check["nbgrader"]["locked"]) == (True, True), (
        "the check is graded and locked"
    )
    assert check["nbgrader"]["points"] == 6, "the check's points are not the rubric's"
    assert check["editable"] is False, "nbgrader's LockCells did not run"
    assert len(stub["nbgrader"]["checksum"]) == 32, "nbgrader's ComputeChecksums did not run"


def test_a_new_cell_leaves_the_other_ids_alone(repository):
    before = by_id(build.make(repository, EXERCISES, FREE)[0][DAY])
    write_day(repository, [PAGE[0], "+++\n\nA new paragraph.\n", *PAGE[1:]])
    after = by_id(build.make(repository, EXERCISES, FREE)[0][DAY])
    assert before.keys() < after.keys(), f"ids were lost: {before.keys() - after.keys()}"


def test_the_stub_names_the_exercise_and_the_rest_of_the_cell_stays(repository):
    released, solved = build.make(repository, EXERCISES, FREE)
    stub = "".join(by_id(released[DAY])["day09-attend"]["source"])
    sentence = "Day 9: write attend(q, k, v, mask) and run its cell."
    assert stub.endswith(f'"""\n    raise NotImplementedError("{sentence}")'), stub
    assert "Scaled dot-product attention" in stub, "the stub lost its docstring"
    assert "".join(by_id(solved[DAY])["day09-attend"]["source"]) == solution("attend")


def test_a_free_answer_keeps_its_question_and_a_person_grades_it(repository):
    released, solved = build.make(repository, EXERCISES, FREE)
    question = by_id(released[DAY])["day09-explain"]
    asked = "".join(question["source"])
    assert asked == "Why divide?\n\n*Write your answer here, in place of this line.*"
    nbgrader = question["metadata"]["nbgrader"]
    assert (nbgrader["grade"], nbgrader["solution"], nbgrader["locked"]) == (True, True, False), (
        "nbgrader takes a cell that is graded and the learner's to write for one that a person grades"
    )
    assert nbgrader["points"] == 2, "the points are not the rubric's"
    assert "Saturated rows" in "".join(by_id(solved[DAY])["day09-explain"]["source"]), (
        "the grader cannot see what a good answer holds"
    )


def test_it_refuses_a_free_answer_without_a_cell_and_criteria_in_the_prose(repository, monkeypatch, capsys):
    write_day(repository, [part for part in PAGE if part != QUESTION])
    assert run(repository, monkeypatch) == 2
    assert "autograder/rubrics: day09.explain has no cell" in capsys.readouterr().err
    rubric = (
        'free_answer("day09.explain", points=2, criteria="""\n    Saturated rows pass no gradient on.\n""")'
    )
    (repository / "autograder" / "rubrics").mkdir(parents=True)
    (repository / "autograder" / "rubrics" / "day09_attention.py").write_text(rubric)
    write_day(repository, [*PAGE, "A hint: Saturated rows pass no gradient on.\n"])
    assert run(repository, monkeypatch) == 2
    assert "is part of a hidden check" in capsys.readouterr().err


def test_every_region_of_a_class_names_its_method():
    code = (
        "class Norm:\n    def __init__(self, n):\n        ### BEGIN SOLUTION\n        self.n = n\n"
        "        ### END SOLUTION\n    def forward(self, x, *, eps):\n        ### BEGIN SOLUTION\n"
        "        return x\n        ### END SOLUTION"
    )
    sentences = stub_sentences(code, "day00b_sums")
    assert [s.split(" and ")[0] for s in sentences] == [
        "Day 0b: write Norm.__init__(n)",
        "Day 0b: write Norm.forward(x, eps)",
    ]


def test_the_released_notebook_runs_to_its_first_stub_and_says_what_to_write(repository):
    released, _ = build.make(repository, EXERCISES, FREE)
    notebook = nbformat.reads(released[DAY], as_version=4)
    with pytest.raises(CellExecutionError) as failure:
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert failure.value.ename == "NotImplementedError"
    assert failure.value.evalue == "Day 9: write causal_mask(T, device) and run its cell."
    ran = [cell.id for cell in notebook.cells if cell.cell_type == "code" and cell.execution_count]
    assert ran[-1] == "day09-causal_mask-check", (
        f"it stopped at {ran[-1]}, not at the check of the first stub"
    )


def test_what_a_cell_must_print_is_for_the_tests_and_not_for_learners(repository):
    write_day(repository, [*PAGE, cell("print(2 + 2)", "prints: '4'", "tags: [demonstration]")])
    released, solved = build.make(repository, EXERCISES, FREE)
    shown, ran = json.loads(released[DAY])["cells"][-1], json.loads(solved[DAY])["cells"][-1]
    assert ran["outputs"][0]["text"] == ["4\n"]
    assert "nbval-check-output" in ran["metadata"]["tags"], "nbval would not compare it"
    assert shown["outputs"] == []
    assert "demonstration" in shown["metadata"]["tags"], "the grader would run the demonstration"


def test_the_first_cell_installs_the_library_in_colab_only(repository, monkeypatch):
    released, _ = build.make(repository, EXERCISES, FREE)
    setup = "".join(json.loads(released[DAY])["cells"][0]["source"])
    commands = []
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    exec(setup, {})
    assert commands == [], "it installed something outside Colab"
    monkeypatch.setitem(sys.modules, "google.colab", object())
    exec(setup, {})
    assert commands == [], "it installed over a library that is there"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    exec(setup, {})
    assert [command[-1] for command in commands] == ["handmade-lm"]


def test_the_map_links_what_is_there_and_lists_the_rest(repository):
    released, _ = build.make(repository, EXERCISES, FREE)
    page = "".join("".join(c["source"]) for c in json.loads(released["start_here.ipynb"])["cells"])
    assert f"- [Day 9 · Attention, one head]({DAY})" in page
    assert page.count("*(coming)*") == 50
    assert "{{" not in page


def test_the_table_has_51_days_and_stems_that_agree_with_their_numbers():
    days = [day for week in read_days(ROOT) for day in week.days]
    assert [day.number for day in days] == ["0a", "0b", *(str(n) for n in range(1, 50))]
    for day in days:
        number = day.number.zfill(3 if day.number[-1].isalpha() else 2)
        assert day.stem.startswith(f"day{number}_"), f"Day {day.number} is called {day.stem}"


# --- What it refuses ----------------------------------------------------------------------------------

GOOD = [ATTEND, CHECK_ATTEND]
BROKEN = {
    "no markers": (
        [cell("def attend(): ...", "exercise: day09.attend"), CHECK_ATTEND],
        "the cell of day09.attend has no solution to take out",
    ),
    "no name": ([cell(solution("attend"))], "this cell holds a solution but names no exercise"),
    "unended solution": ([ATTEND.replace("### END SOLUTION", "")], "BEGIN SOLUTION has no END SOLUTION"),
    "nested solution": (
        [ATTEND.replace("    ### END", "    ### BEGIN SOLUTION\n    ### END")],
        "BEGIN SOLUTION stands inside a solution",
    ),
    "end without begin": (
        [ATTEND.replace("### BEGIN SOLUTION", "")],
        "END SOLUTION stands without BEGIN SOLUTION",
    ),
    "solution outside a def": (
        [cell("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "exercise: day09.attend")],
        "a solution of day09.attend stands outside any def or class",
    ),
    "other code than the library's": (
        [ATTEND.replace("@ v ", "@ v * 1 "), CHECK_ATTEND],
        "attend differs from handmade.attention.attend",
    ),
    "other docstring than the library's": (
        [ATTEND.replace("weighted average", "weighted sum"), CHECK_ATTEND],
        "attend differs from handmade.attention.attend",
    ),
    "another function than the answer": (
        [cell(solution("causal_mask"), "exercise: day09.attend"), CHECK_ATTEND],
        "no solution here defines attend",
    ),
    "check before its exercise": (
        [CHECK_ATTEND, ATTEND],
        "the check of day09.attend stands before its exercise",
    ),
    "no check": ([ATTEND], "no visible check follows day09.attend"),
    "rubric without a cell": ([], "day09.attend has no cell"),
    "cell without a rubric": (
        [ATTEND.replace("day09.attend", "day09.atend")],
        "no rubric is called day09.atend",
    ),
    "question without a rubric": (
        [*GOOD, QUESTION.replace("day09.explain", "day09.explian")],
        "no free answer is called day09.explian",
    ),
    "two questions": ([*GOOD, QUESTION], "day09.explain already has its answer cell at"),
    "question in code": (
        [*GOOD, cell("# why?", "answer: day09.explain")],
        "a free answer is prose, and this is a code cell",
    ),
    "two cells": ([ATTEND, *GOOD], "day09.attend already has its exercise cell at"),
    "markers in the prose": ([*GOOD, "### BEGIN SOLUTION\n"], "a solution's markers belong in a code cell"),
    "points in the source": (
        [ATTEND.replace(":exercise: day09.attend", ":exercise: day09.attend\n:points: 6"), CHECK_ATTEND],
        "a cell has no option “points”",
    ),
    "unknown tag": ([*GOOD, cell("1 + 1", "tags: [demonstation]")], "there is no tag “demonstation”"),
    "code that does not parse": ([*GOOD, cell("def attend(:")], "line 1 of the cell is not Python"),
    "options that are not YAML": ([*GOOD, cell("1 + 1", "tags: [a")], "mend the cell's options"),
    "picture without words": ([*GOOD, "![](heads.png)\n"], "the picture heads.png has no alt text"),
    "HTML picture without words": ([*GOOD, "<img src='heads.png' alt=''>\n"], "has no alt text"),
    "answer in the prose": (
        [*GOOD, "The trick is `return attention_weights(q, k, mask) @ v`.\n"],
        "“return attention_weights(q, k, mask) @ v” is part of a solution",
    ),
    "answer in another layout": (
        [
            *GOOD,
            cell("def again(q, k, v, mask):\n    return attention_weights(q, k,  # first\n        mask) @ v"),
        ],
        "“return attention_weights(q, k, mask) @ v” is part of a solution",
    ),
    "hidden tests in the source": (
        [*GOOD, cell("### BEGIN HIDDEN TESTS\nassert True\n### END HIDDEN TESTS")],
        "hidden checks have no place in a source",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_refuses_and_writes_nothing(name, repository, monkeypatch, capsys):
    parts, message = BROKEN[name]
    write_day(repository, [*PAGE[:-2], *parts])
    assert run(repository, monkeypatch) == 2
    said = capsys.readouterr().err
    assert message in said
    assert not list(repository.rglob("*.ipynb")), "it refused, and wrote all the same"
    first = next(line for line in said.splitlines() if message in line)
    assert first.startswith(
        ("solutions/week2_attention/day09", "course/week2_attention/day09", "autograder/rubrics")
    )


def test_it_names_the_line(repository, monkeypatch, capsys):
    write_day(repository, [*PAGE, cell("1 + 1", "tags: [demonstation]")])
    run(repository, monkeypatch)
    path = repository / "solutions" / "week2_attention" / "day09_attention.md"
    line = path.read_text().splitlines().index("1 + 1") + 1
    assert int(capsys.readouterr().err.split(":")[1]) in range(line - 3, line + 1)


def test_it_says_everything_that_is_wrong_at_once(repository, monkeypatch, capsys):
    write_day(repository, ["# Day 9 · Attention\n", *PAGE[1:-1], "![](a.png)\n"])
    write_day(repository, ["# Day 99\n"], "week2_attention/day99_more.md")
    assert run(repository, monkeypatch) == 2
    said = capsys.readouterr().err
    for part in (
        "no heading says “# Day 9 · Attention, one head”",
        "a.png",
        "no visible check",
        "has no such day",
    ):
        assert part in said


def test_it_refuses_a_source_that_is_not_text(repository, monkeypatch, capsys):
    (repository / "solutions" / "week2_attention" / "day09_attention.md").write_bytes(b"# Day 9 \xff")
    assert run(repository, monkeypatch) == 2
    assert "day09_attention.md: this is not UTF-8 text" in capsys.readouterr().err


def test_it_refuses_a_hidden_check_in_a_notebook(repository, monkeypatch, capsys):
    hidden = "expect.equal(learner.attend(q, k, v)[..., 0, :], v[..., 0, :])"
    (repository / "autograder" / "rubrics").mkdir(parents=True)
    rubric = (
        f'class Attend:\n    def first(learner, rand):\n        """The first is v."""\n        {hidden}\n'
    )
    (repository / "autograder" / "rubrics" / "day09_attention.py").write_text(rubric)
    assert list(hidden_lines(rubric)) == [hidden]
    assert run(repository, monkeypatch) == 0
    write_day(repository, [*PAGE, f"We then call `{hidden}`.\n"])
    assert run(repository, monkeypatch) == 2
    assert "is part of a hidden check" in capsys.readouterr().err


def test_nothing_leaves_with_a_marker_or_an_output():
    """The last look at a notebook, should the steps before it have gone wrong."""
    notebook = new_notebook(
        cells=[new_code_cell("### BEGIN SOLUTION", outputs=[new_output("stream", text="4")])]
    )
    assert ["BEGIN SOLUTION" in p or "outputs" in p for p in leaks(DAY, notebook, [], [])] == [True, True]


def test_the_check_refuses_what_is_stale_missing_or_extra_and_changes_nothing(
    repository, monkeypatch, capsys
):
    assert run(repository, monkeypatch) == 0
    course = repository / "course"
    (course / DAY).write_text((course / DAY).read_text().replace("Now attend.", "Now, attend."))
    (course / "start_here.ipynb").unlink()
    (course / "week2_attention" / "day10_heads.ipynb").write_text("{}")
    before = {p: p.read_bytes() for p in course.rglob("*.ipynb")}
    assert run(repository, monkeypatch, "--check") == 2
    said = capsys.readouterr().err
    assert f"course/{DAY}: it is not what its source gives" in said
    assert "course/start_here.ipynb: it is missing" in said
    assert "course/week2_attention/day10_heads.ipynb: no source makes it" in said
    assert before == {p: p.read_bytes() for p in course.rglob("*.ipynb")}, "--check changed course/"
    assert run(repository, monkeypatch) == 0
    assert run(repository, monkeypatch, "--check") == 0, "a build does not mend what the check refuses"


def test_a_folder_that_is_no_repository_is_one_sentence(tmp_path, monkeypatch, capsys):
    assert run(tmp_path, monkeypatch) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
