"""Reading a learner's notebook: what is found in it, how it runs, and what each bad file is told."""

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from autograder.rubric import load_exercises
from autograder.submission import Submission, find_answer, find_day, plain, read_notebook
from handmade.errors import UserError

EXERCISES = load_exercises()
ATTEND = EXERCISES["day09.attend"]
STUB = "def attend(q, k, v, mask=None):\n    raise NotImplementedError('Day 9: write attend')"


def cell(source: str, id: str = "", grade_id: str = "", tags: tuple[str, ...] = ()) -> dict:
    metadata = {"tags": list(tags)} | ({"nbgrader": {"grade_id": grade_id}} if grade_id else {})
    return {"cell_type": "code", "id": id, "metadata": metadata, "source": source, "outputs": []}


def answer(number: int, name: str = "attend") -> str:
    """A definition that can be told from others."""
    return f"def {name}(*args):\n    return {number}"


@pytest.fixture
def read(tmp_path):
    """Write cells as a notebook and read it."""

    def read(*cells: dict | str):
        path = tmp_path / "ada.ipynb"
        entries = [cell(each) if isinstance(each, str) else each for each in cells]
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": entries}))
        return read_notebook(path)

    return read


@pytest.fixture
def run(read):
    """The submission made of these cells, with a second for each."""

    def run(*cells: dict | str, limit: float = 1.0) -> Submission:
        return Submission(read(*cells), "day09", limit)

    return run


# --- Finding ------------------------------------------------------------------------------------------


def test_the_cell_with_the_id_counts_whatever_an_experiment_below_defines(run):
    submission = run(cell(answer(1), id="day09-attend"), answer(2), "attend = None")
    assert submission.namespace()["attend"]() == 1


def test_the_grade_id_counts_where_ids_are_lost(run):
    submission = run(answer(1), cell(answer(2), grade_id="day09-attend"), answer(3))
    assert submission.namespace()["attend"]() == 2


def test_of_several_definitions_without_ids_the_last_counts(run):
    submission = run(answer(1), "x = 1", answer(2))
    assert submission.namespace()["attend"]() == 2
    assert submission.answers[ATTEND].number == 3


def test_an_answer_below_a_stub_that_was_left_counts(run):
    submission = run(cell(STUB, id="day09-attend", grade_id="day09-attend"), answer(2))
    assert submission.namespace()["attend"]() == 2


def test_an_answer_in_a_new_cell_counts_if_the_first_one_is_not_python(run):
    submission = run(cell("def attend(q:\n    return", id="day09-attend"), answer(2))
    assert submission.missing(ATTEND) == ""
    assert submission.namespace()["attend"]() == 2


def test_a_copy_with_the_same_ids_replaces_the_original(run):
    double = cell(answer(2), id="day09-attend", grade_id="day09-attend")
    submission = run(cell(answer(1), id="day09-attend", grade_id="day09-attend"), double)
    assert submission.namespace()["attend"]() == 2


def test_a_named_lambda_is_an_answer_like_any_other(run):
    submission = run(cell("attend = lambda q, k, v, mask=None: weigh(q) @ v"), cell("def weigh(q): return q"))
    assert submission.missing(ATTEND) == ""
    namespace = submission.namespace()
    assert namespace["attend"].__globals__["weigh"] is namespace["weigh"], (
        "it calls functions of another judgement"
    )


def test_an_imported_answer_is_no_answer(run):
    submission = run("from handmade.attention import attend")
    assert submission.missing(ATTEND) == "The notebook does not define `attend`."


def test_the_day_is_that_of_the_exercises(read):
    assert find_day(read(answer(1)), "homework.ipynb") == "day09"
    assert find_day(read("x = 1"), "day09_attention.ipynb") == ""


def test_where_to_look_names_the_cell_and_the_heading(read):
    heading = {"cell_type": "markdown", "metadata": {}, "source": ["text\n", "## 8 · Attend\n", "more"]}
    found = find_answer(ATTEND, read("x = 1", heading, cell(answer(1), id="day09-attend")))
    assert found.place == "code cell 2, under “8 · Attend”"


# --- Running ------------------------------------------------------------------------------------------


def test_helpers_in_other_cells_are_there_wherever_they_stand(run):
    submission = run(
        "WIDTH = 3",
        cell("def attend():\n    return helper() * WIDTH", id="day09-attend"),
        "def helper():\n    return 2",
    )
    assert submission.namespace()["attend"]() == 6


def test_what_the_instructors_notebook_imports_is_there_though_the_learner_deleted_it(run):
    names = run(answer(1)).namespace()
    assert {"math", "torch", "F", "Tensor"} <= names.keys()


@pytest.mark.parametrize(
    "noise",
    [
        "1 / 0",
        "raise SystemExit(3)",
        "import sys; sys.exit('bye')",
        "raise KeyboardInterrupt",
        "input('name? ')",
        "import a_package_that_nobody_has",
        "def broken(:",
        "\0",
        "\ud800 = 1",
        "(" * 5000 + ")" * 5000,
        "!exit 1\n%no_such_magic\n%%neither",
        "while True: pass",
        "while True:\n    try:\n        pass\n    except Exception:\n        pass",
        "display(attend); attend?",
    ],
)
def test_a_cell_that_goes_wrong_costs_nothing(run, noise):
    submission = run(noise, cell(answer(1), id="day09-attend"), noise, limit=0.3)
    assert submission.missing(ATTEND) == ""
    assert submission.namespace()["attend"]() == 1


def test_what_a_cell_defined_before_it_went_wrong_is_there(run):
    names = run("x = 1\ny = 1 / 0\nz = 3").namespace()
    assert names["x"] == 1 and "z" not in names


def test_cells_are_run_once_and_what_they_made_stays(run):
    submission = run(
        "count = [0]",
        "count[0] += 1\nstart = len('abc')\ndef helper():\n    return start\nstart = start + 1\nwhile True: pass",
        limit=0.5,
    )
    for _ in range(3):
        names = submission.namespace()
        assert (names["count"], names["helper"](), names["start"]) == ([1], 4, 4)


def test_each_namespace_has_functions_of_its_own(run):
    """What is put in the place of one function is what the others call, in this namespace and in no other."""
    submission = run(answer(1, "attention_weights"), "def attend():\n    return attention_weights()")
    first, second = submission.namespace(), submission.namespace()
    first["attention_weights"] = lambda: 5
    assert (first["attend"](), second["attend"]()) == (5, 1)


def test_a_cell_of_an_earlier_release_is_the_instructors_too(run):
    text = "import sys; sys.ran = True"
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    run(cell(text, id=f"day09-{digest}"), cell(text, id=f"day09-{digest}-2"), answer(1))
    assert not hasattr(sys, "ran")


def test_demonstrations_and_the_instructors_own_cells_are_not_run(run, monkeypatch):
    monkeypatch.delattr(sys, "ran", raising=False)
    released = json.loads(next((Path(__file__).parents[2] / "course").glob("*/day09_*.ipynb")).read_text())
    checks = [c for c in released["cells"] if c["id"].endswith("-check")]
    names = run(cell("import sys; sys.ran = True", tags=("demonstration",)), *checks, answer(1)).namespace()
    assert not hasattr(sys, "ran"), "a demonstration was run"
    assert "weights" not in names, "a visible check was run"


def test_output_is_kept_back_and_streams_come_back(run, capfd):
    before = sys.stdin, sys.stdout, sys.stderr
    run("import sys, os\nprint('out'); print('err', file=sys.stderr); sys.stdout.flush(); sys.stdout = None")
    assert (sys.stdin, sys.stdout, sys.stderr) == before
    assert capfd.readouterr() == ("", "")


def test_cells_with_magics_are_plain_python(run):
    names = run(
        "%matplotlib inline\n!pip install nothing\nfiles = !ls\nx = 1",
        "%%time\ny = 2",
        "%time z = 3",
        "%%capture out\nw = 4",
        "%%bash\nrm -rf /nowhere",
        "\n\n%%html\n<b>no</b>",
        "len?",
    ).namespace()
    assert [names[n] for n in "xyzw"] == [1, 2, 3, 4]


def test_lines_keep_their_numbers_when_magics_become_plain():
    source = "\n\n%matplotlib inline\nx = 1\n"
    assert plain(source).splitlines().index("x = 1") == source.splitlines().index("x = 1")
    assert plain("%%time\nx = 1\n").splitlines().index("x = 1") == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def attend(q):\n    return q +", "is not valid Python: invalid syntax (line 2 of the cell)"),
        ("def my_attend(q):\n    return q", "does not define it, but `my_attend`"),
        ("", "does not define it."),
        (
            "x = 1 / 0\ndef attend(q):\n    return q",
            "stopped before defining it: ZeroDivisionError: division by zero",
        ),
        ("def attend(q):\n    return q\nwhile True: pass", "did not finish: it ran longer than 0.5 seconds"),
    ],
)
def test_what_there_is_to_judge_or_why_not(run, source, reason):
    said = run(cell(source, id="day09-attend"), limit=0.5).missing(ATTEND)
    assert reason in said, said


# --- Bad files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not JSON"),
        (b'{"nbformat": 4, "cells": [', "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "not a notebook"),
        (b'"nbformat"', "not a notebook"),
        (b'{"cells": []}', "not a notebook"),
        (b'{"nbformat": "4", "cells": []}', "not a notebook"),
        (b'{"nbformat": 3, "worksheets": []}', "format 3"),
        (b'{"nbformat": 5, "cells": []}', "format 5"),
        (b'{"nbformat": 4, "cells": []}', "no code cells"),
        (b'{"nbformat": 4, "cells": {"a": 1}}', "no code cells"),
        (
            b'{"nbformat": 4, "cells": [1, null, "x", {"cell_type": "markdown", "source": 7}]}',
            "no code cells",
        ),
    ],
)
def test_a_bad_file_is_told_in_one_sentence(tmp_path, raw, reason):
    path = tmp_path / "ada.ipynb"
    path.write_bytes(raw)
    with pytest.raises(UserError, match=reason) as caught:
        read_notebook(path)
    said = str(caught.value)
    assert said.endswith(".") and "\n" not in said and ";" in said, (
        f"not a sentence that says what to do: {said}"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_bom_does_not_matter(tmp_path, encoding):
    path = tmp_path / "ada.ipynb"
    path.write_bytes(
        json.dumps({"nbformat": 4, "cells": [cell("é = 1")]}, ensure_ascii=False).encode(encoding)
    )
    assert read_notebook(path)[0].source == "é = 1\n"


def test_odd_cells_do_not_matter(read):
    odd = {
        "cell_type": "code",
        "source": ["x = ", 5, "1\n"],
        "metadata": {"nbgrader": [], "tags": "x"},
        "id": 7,
    }
    cells = read(odd, {"cell_type": "code"}, {"cell_type": "raw", "source": "x"}, cell(answer(1)))
    assert [c.number for c in cells] == [1, 2, 3]
    assert cells[0].source == "x = 1\n"


def test_the_submission_is_left_as_it_was(tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "cells": [cell("x = 1")]}))
    os.chmod(path, 0o444)
    before = path.read_bytes(), path.stat().st_mtime_ns
    Submission(read_notebook(path), "day09", 1.0).namespace()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
