"""Messes of the file, of its metadata, and of where its cells stand."""

import copy
import json
import random

from messes import above, anonymous, answer_cells, mess

from autograder.build.samples import ATTEND, MASK, WEIGHTS, as_text, code, notebook, position
from autograder.rubric import load_exercises

MARKDOWN = {"cell_type": "markdown", "metadata": {}, "source": "My notes"}

# --- Bytes --------------------------------------------------------------------------------------------


@mess
def bom(answers):
    """The file starts with a byte order mark, as Windows editors write it."""
    return "\ufeff" + as_text(notebook(answers))


@mess
def utf16(answers):
    """Saved as “Unicode” by Windows' Notepad: UTF-16."""
    return as_text(notebook(answers)).encode("utf-16")


@mess
def escaped(answers):
    """All on one line, with every character that is not ASCII escaped."""
    return json.dumps(notebook(answers))


@mess
def windows_lines(answers):
    """Lines end in CR LF, in the file and in every cell."""
    made = notebook(answers)
    for cell in made["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
    return as_text(made).replace("\n", "\r\n")


@mess
def trailing_spaces(answers):
    """Each line of code ends in blanks, and each cell in empty lines."""
    made = notebook(answers)
    for cell in answer_cells(made):
        cell["source"] = "\n\n" + cell["source"].replace("\n", "  \t \n") + "\n\n \n"
    return made


@mess
def tabs(answers):
    """Indented with tabs."""
    return notebook({exercise: answer.replace("    ", "\t") for exercise, answer in answers.items()})


@mess
def lines_as_lists(answers):
    """Each cell's source is a list of lines, as Jupyter itself writes it."""
    made = notebook(answers)
    for cell in made["cells"]:
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
    return made


@mess
def latin1_in_an_output(answers):
    """A shell's output left bytes that are not UTF-8."""
    made = notebook(answers)
    made["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "caf@"}]
    return as_text(made).encode().replace(b"caf@", b"caf\xe9")


@mess
def half_characters(answers):
    """Emoji cut in two, in a heading, in an output and in a comment."""
    made = above(answers, "# \ud83d cut off")
    made["cells"].insert(0, MARKDOWN | {"source": "## 1 · \udc4d"})
    made["cells"][-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "\ud83d"}]
    return json.dumps(made)


@mess
def bare_control_characters(answers):
    """Mended by hand: there are bare tabs and a NaN in the JSON."""
    made = notebook(answers) | {"note": "a@b", "loss": float("nan")}
    return as_text(made).replace("a@b", "a\tb\x07")


@mess
def keys_twice(answers):
    """A merge left some keys twice."""
    return as_text(notebook(answers)).replace('"nbformat": 4', '"nbformat": 3,\n "nbformat": 4')


@mess
def huge_outputs(answers):
    """Outputs of 50 MB: plots, tables, and a progress bar that was printed 100,000 times."""
    made = notebook(answers)
    bar = "100%|██████████| 600/600 [00:05<00:00, 110.43it/s]\r" * 100_000
    picture = "iVBORw0KGgo" * 4_000_000
    for cell in answer_cells(made)[:1]:
        cell["outputs"] = [
            {"output_type": "stream", "name": "stderr", "text": bar},
            {"output_type": "display_data", "metadata": {}, "data": {"image/png": picture}},
        ]
    return made


@mess
def broken_outputs(answers):
    """Outputs that no tool would accept."""
    made = notebook(answers)
    for number, cell in enumerate(made["cells"]):
        cell["outputs"] = [None, 7, {}, {"output_type": 3}, []][: number % 6] if number % 7 else "no list"
        cell["execution_count"] = [None, -1, 1e300, "3", 10**30][number % 5]
    return made


# --- Metadata -----------------------------------------------------------------------------------------


@mess
def colab(answers):
    """Saved by Colab: its own ids, its own metadata, nbformat_minor 0."""
    made = anonymous(notebook(answers), minor=0)
    for number, cell in enumerate(made["cells"]):
        cell["metadata"] = {"id": f"Zx{number:09}", "colab": {"base_uri": "https://localhost:8080/"}}
    made["metadata"] = {"colab": {"provenance": []}, "accelerator": "GPU"}
    return made


@mess
def vs_code(answers):
    """Saved by VS Code: no metadata, new ids, languages named cell by cell."""
    made = anonymous(notebook(answers), minor=2)
    for number, cell in enumerate(made["cells"]):
        cell["metadata"] = {"vscode": {"languageId": "python"}}
        cell["id"] = f"{number:08x}"
    return made


@mess
def stripped(answers):
    """Cleaned by nbstripout, and without ids."""
    return anonymous(notebook(answers))


@mess
def minor_1(answers):
    """Saved in format 4.1, by a Jupyter of 2016."""
    return anonymous(notebook(answers), minor=1)


@mess
def no_minor(answers):
    """It does not say of which 4.x it is."""
    made = notebook(answers)
    del made["nbformat_minor"]
    return made


@mess
def minor_99(answers):
    """Saved in a format 4.99 that is still to come, with fields that nobody knows."""
    return notebook(answers) | {"nbformat_minor": 99, "signature": "none", "worksheets": []}


@mess
def kernel_of_r(answers):
    """Opened once with the kernel of another language."""
    made = notebook(answers)
    made["metadata"] = {
        "kernelspec": {"display_name": "R", "language": "R", "name": "ir"},
        "language_info": {"name": "R", "file_extension": ".r", "version": "4.3.1"},
    }
    return made


@mess
def kernel_of_my_own(answers):
    """A kernel with a name of the learner's, and an old Python."""
    made = notebook(answers)
    made["metadata"] = {
        "kernelspec": {"display_name": "torch 🐍", "name": "conda-env-torch-py"},
        "language_info": {"name": "python", "version": "2.7.18"},
    }
    return made


@mess
def metadata_of_the_wrong_kind(answers):
    """Lists where objects should be, numbers where strings should be, and one id for all."""
    made = notebook(answers)
    for number, cell in enumerate(made["cells"]):
        cell["metadata"] = [[], None, 7, "x", {"tags": 1, "nbgrader": []}, {"tags": [[], {}, 3]}][number % 6]
        cell["id"] = [7, None, [], {}, 1.5, "same"][number % 6]
    return made | {"metadata": None}


@mess
def all_with_one_id(answers):
    """A tool gave every cell the same id and the same grade_id."""
    made = notebook(answers)
    for cell in made["cells"]:
        cell["id"] = "day09-attend"
        cell["metadata"] = {"nbgrader": {"grade_id": "day09-attend", "solution": True}}
    return made


# --- Cells --------------------------------------------------------------------------------------------


@mess
def duplicated(answers):
    """Every cell stands there twice, with the same ids."""
    made = notebook(answers)
    made["cells"] = [each for cell in made["cells"] for each in (cell, copy.deepcopy(cell))]
    return made


@mess
def earlier_tries_above(answers):
    """Tries that failed stand above the answers, as copies of their cells."""
    made = notebook(answers)
    for exercise in (MASK, WEIGHTS, ATTEND):
        at = position(made, exercise)
        name = load_exercises()[exercise].defines
        made["cells"].insert(at, made["cells"][at] | {"source": f"def {name}(*args):\n    return None"})
    return made


@mess
def answers_alone(answers):
    """Everything but the answers was deleted, the imports too."""
    made = notebook(answers)
    made["cells"] = answer_cells(made)
    return made


@mess
def answers_alone_without_ids(answers):
    """The answers were copied into a new notebook."""
    made = notebook(answers)
    made["cells"] = [code(cell["source"], "") for cell in answer_cells(made)]
    return anonymous(made)


@mess
def in_one_cell(answers):
    """All three answers stand in the last exercise's cell; the other two were deleted."""
    made = notebook(answers)
    first, second, third = answer_cells(made)
    third["source"] = "\n\n\n".join(answers.values())
    made["cells"] = [cell for cell in made["cells"] if cell is not first and cell is not second]
    return made


@mess
def in_one_cell_with_stubs_left(answers):
    """All three answers stand in a cell at the top; the stubs are still in theirs."""
    made = notebook({})
    made["cells"].insert(3, code("\n\n".join(answers.values()), "mine"))
    return made


@mess
def reversed_order(answers):
    """The answers stand in the opposite order, at the top."""
    made = notebook(answers)
    three = answer_cells(made)
    made["cells"] = three[::-1] + [cell for cell in made["cells"] if cell not in three]
    return made


@mess
def shuffled(answers):
    """The cells were moved about."""
    made = notebook(answers)
    random.Random(9).shuffle(made["cells"])
    return made


@mess
def at_the_end(answers):
    """The stubs were left, and the answers stand in new cells at the end."""
    made = notebook({})
    made["cells"] += [code(answer, f"new-{number}") for number, answer in enumerate(answers.values())]
    return made


@mess
def below_the_stub(answers):
    """In each cell the stub was left, and the answer written below it."""
    made = notebook({})
    for cell, answer in zip(answer_cells(made), answers.values(), strict=True):
        cell["source"] = "".join(cell["source"]) + "\n\n" + answer
    return made


@mess
def raise_left_below(answers):
    """The answer was written above the stub's `raise`, which nobody reaches; tries that failed stand below."""
    made = notebook(
        {
            exercise: answer.rstrip() + "\n    raise NotImplementedError"
            for exercise, answer in answers.items()
        }
    )
    return anonymous(made)


@mess
def split(answers):
    """Written in two cells: a function with a name of its own, and the exercise's name given to it below."""
    made = notebook({})
    for exercise, answer in answers.items():
        name = load_exercises()[exercise].defines
        at = position(made, exercise) + 1
        cells = [code(answer.replace(f"def {name}(", f"def my_{name}("), ""), code(f"{name} = my_{name}", "")]
        made["cells"][at:at] = cells
    return made


@mess
def defined_in_an_if(answers):
    """Defined under an `if`, a `try` and a `with`."""
    made = notebook(answers)
    heads = ("if torch.__version__ > '1':", "try:", "with warnings.catch_warnings():")
    tails = ("", "\nfinally:\n    print('defined')", "")
    for cell, head, tail in zip(answer_cells(made), heads, tails, strict=True):
        indented = "\n".join("    " + line for line in cell["source"].splitlines())
        cell["source"] = f"import warnings\n{head}\n{indented}{tail}"
    return made


@mess
def checks_deleted(answers):
    """The visible checks were deleted."""
    made = notebook(answers)
    made["cells"] = [cell for cell in made["cells"] if not cell["id"].endswith("-check")]
    return made


@mess
def checks_edited(answers):
    """The visible checks were changed, and one no longer passes."""
    made = notebook(answers)
    for cell in made["cells"]:
        if cell["id"].endswith("-check"):
            cell["source"] = "print('mine')\nmask = q = k = v = None\nassert False, 'it never passes'"
    return made


@mess
def markdown_as_raw(answers):
    """All text cells were made raw, and some cells are of a kind that no longer exists."""
    made = notebook(answers)
    for cell in made["cells"]:
        cell["cell_type"] = "raw" if cell["cell_type"] == "markdown" else "code"
    made["cells"].append({"cell_type": "heading", "level": 2, "source": "2013", "metadata": {}})
    return made


@mess
def things_that_are_no_cells(answers):
    """Between the cells stand a null, a number and a cell without anything."""
    made = notebook(answers)
    made["cells"][3:3] = [None, 7, {}, {"cell_type": "code"}, {"cell_type": "code", "source": None}]
    return made


@mess
def an_answer_of_another_day(answers):
    """Practice for other days stands between."""
    return above(
        answers, "def generate(model, idx):\n    raise NotImplementedError\n\n\nclass GPT:\n    pass"
    )


@mess
def practice_below(answers):
    """Below, the learner plays with their own functions' names: tables of results, and a failed second version."""
    made = notebook(answers)
    made["cells"].append(code("def attend(q, k):\n    return q @ k", "play"))
    made["cells"].append(
        code("causal_mask = causal_mask(5)\nattention_weights = None\nmask = q = v = 0", "play-2")
    )
    made["cells"].append(code("del attend", "play-3"))
    return made


@mess
def a_whole_file_twice(answers):
    """The whole notebook was pasted below the released one, whose stubs are still there."""
    made = notebook({})
    made["cells"] += notebook(answers)["cells"]
    return made
