"""Reading a learner's notebook: what is found in it, and what each bad file is told."""

import json

import pytest
from cells import cell, notebook, returns

from autograder.rubric import load_exercises
from autograder.submission import Cell, find_answer, find_day, plain, read_cells, read_notebook
from handmade.errors import UserError

ATTEND = load_exercises()["day09.attend"]
STUB = "def attend(q, k, v, mask=None):\n    raise NotImplementedError('Day 9: write attend')"


def read(*cells: dict | str) -> list[Cell]:
    return read_cells(notebook(*cells), "ada.ipynb")


def found(*cells: dict | str) -> int | None:
    """The number of the cell that counts for attend."""
    answer = find_answer(ATTEND, read(*cells))
    return answer and answer.number


# --- Finding ------------------------------------------------------------------------------------------


def test_the_cell_with_the_id_counts_whatever_an_experiment_below_defines():
    assert found(cell(returns(1), id="day09-attend"), returns(2), "attend = None") == 1


def test_the_grade_id_counts_where_ids_are_lost():
    assert found(returns(1), cell(returns(2), grade_id="day09-attend"), returns(3)) == 2


def test_of_several_definitions_without_ids_the_last_counts():
    assert found(returns(1), "x = 1", returns(2)) == 3


def test_an_answer_below_a_stub_that_was_left_counts():
    assert found(cell(STUB, id="day09-attend", grade_id="day09-attend"), returns(2)) == 2


def test_an_answer_in_a_new_cell_counts_if_the_first_one_is_not_python():
    assert found(cell("def attend(q:\n    return", id="day09-attend"), returns(2)) == 2


def test_a_copy_with_the_same_ids_replaces_the_original():
    double = [cell(returns(n), id="day09-attend", grade_id="day09-attend") for n in (1, 2)]
    assert found(*double) == 2


@pytest.mark.parametrize(
    "source",
    [
        "attend = lambda q, k, v, mask=None: q",
        "attend = torch.compile(other)",
        "if True:\n" + "    def attend(): pass",
    ],
)
def test_an_answer_may_be_written_in_other_ways(source):
    assert found(source) == 1


@pytest.mark.parametrize("source", ["from handmade.attention import attend", "attend = 3", "attend(1)"])
def test_what_is_no_definition_is_no_answer(source):
    assert found(source) is None


def test_the_day_is_that_of_the_exercises():
    assert find_day(read(returns(1)), "homework.ipynb") == "day09"
    assert find_day(read("x = 1"), "day09_attention.ipynb") == ""


def test_where_to_look_names_the_cell_and_the_heading():
    heading = {"cell_type": "markdown", "metadata": {}, "source": ["text\n", "## 8 · Attend\n", "more"]}
    answer = find_answer(ATTEND, read("x = 1", heading, cell(returns(1), id="day09-attend")))
    assert answer.place == "code cell 2, under “8 · Attend”"


# --- Magics -------------------------------------------------------------------------------------------


def test_lines_keep_their_numbers_when_magics_become_plain():
    source = "\n\n%matplotlib inline\nx = 1\n"
    assert plain(source).splitlines().index("x = 1") == source.splitlines().index("x = 1")
    assert plain("%%time\nx = 1\n").splitlines().index("x = 1") == 1


# --- Files ----------------------------------------------------------------------------------------


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
def test_a_bad_file_is_told_in_one_sentence(raw, reason):
    with pytest.raises(UserError, match=reason) as caught:
        read_cells(raw, "ada.ipynb")
    said = str(caught.value)
    assert said.endswith(".") and "\n" not in said and ";" in said, (
        f"not a sentence that says what to do: {said}"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_bom_does_not_matter(encoding):
    text = json.dumps({"nbformat": 4, "cells": [cell("é = 1")]}, ensure_ascii=False)
    assert read_cells(text.encode(encoding), "ada.ipynb")[0].source == "é = 1\n"


def test_odd_cells_do_not_matter():
    odd = {
        "cell_type": "code",
        "source": ["x = ", 5, "1\n"],
        "metadata": {"nbgrader": [], "tags": "x"},
        "id": 7,
    }
    cells = read(odd, {"cell_type": "code"}, {"cell_type": "raw", "source": "x"}, cell(returns(1)))
    assert [c.number for c in cells] == [1, 2, 3]
    assert cells[0].source == "x = 1\n"


def test_a_script_is_read_by_its_cells_or_by_its_statements():
    with_cells = "# %% [markdown]\n# # Attend\n# %%\nx = 1\ny = 2\n# In[3]:\nz = 3\n"
    cells = read_cells(with_cells.encode(), "ada.py")
    assert [c.written for c in cells] == ["x = 1\ny = 2", "z = 3"] and cells[0].heading == "Attend"
    cells = read_cells(b"x = 1\n\ndef f():\n    return x\n", "ada.py")
    assert [c.written.strip() for c in cells] == ["x = 1", "def f():\n    return x"]


def test_a_file_on_the_disk_is_read_and_one_that_is_not_there_is_a_sentence(tmp_path):
    (tmp_path / "ada.ipynb").write_bytes(notebook("x = 1"))
    assert [c.source for c in read_notebook(tmp_path / "ada.ipynb")] == ["x = 1\n"]
    with pytest.raises(UserError, match="cannot be read"):
        read_notebook(tmp_path / "grace.ipynb")
