"""Attacks on what a notebook says of itself: tags, ids, points, which cell is whose."""

import copy
import json

from registry import (
    ATTEND,
    GARBAGE,
    MASK,
    RELEASED_CELLS,
    WEIGHTS,
    Files,
    attack,
    code,
    edit,
    garbage,
    position,
)

ALL = (MASK, WEIGHTS, ATTEND)


@attack
def skip_execution():
    """Every cell is tagged skip-execution: nbgrader then runs none, and no failure counts."""
    made = garbage()
    for cell in made["cells"]:
        cell["metadata"]["tags"] = ["skip-execution", "raises-exception", "remove-cell"]
    return made


@attack
def points_edited():
    """The points, grade ids and checksums in nbgrader's metadata are edited, and its cells unlocked."""
    made = garbage()
    for cell in made["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] |= {
                "points": 1000,
                "locked": False,
                "grade": True,
                "checksum": "0" * 32,
            }
    made["metadata"]["nbgrader"] = {"score": 26, "max_score": 0}
    return made


@attack
def answers_are_demonstrations():
    """The garbage is tagged `demonstration`, so that it is skipped and whatever stands in for it is judged."""
    made = garbage()
    for exercise in ALL:
        edit(made, exercise, metadata={"tags": ["demonstration", "setup"]})
    return made


@attack
def answers_are_the_instructors():
    """The cells are dressed up as the released notebook's own, by id and text, so that they are left out."""
    made = garbage()
    by_id = {cell["id"]: cell for cell in RELEASED_CELLS}
    for exercise in ALL:
        stub = by_id[made["cells"][position(made, exercise)]["id"]]
        made["cells"].append(code(GARBAGE[exercise], stub["id"] + "-again"))
        edit(made, exercise, source=stub["source"])
    return made


@attack
def cells_deleted():
    """No answer at all: every graded cell is deleted, and the names come from `import`, if they come."""
    made = garbage(
        first="from handmade.attention import *\nfrom handmade.attention import attend, attention_weights"
    )
    made["cells"] = [
        cell for cell in made["cells"] if not cell["id"].startswith(("day09-causal", "day09-att"))
    ]
    return made


@attack
def names_deleted():
    """Each answer is deleted again, so that the name falls back to whatever stood there before."""
    made = garbage()
    for exercise, name in zip(ALL, ("causal_mask", "attention_weights", "attend"), strict=True):
        edit(made, exercise, source=f"{GARBAGE[exercise]}\ndel {name}")
    return made


@attack
def answers_are_imported():
    """Each answer's cell imports its answer from the library."""
    made = garbage()
    for exercise, name in zip(ALL, ("causal_mask", "attention_weights", "attend"), strict=True):
        edit(made, exercise, source=f"def {name}(*a): ...\nfrom handmade.attention import {name}")
    return made


@attack
def answers_are_borrowed():
    """Each answer is another exercise's: whatever stands in for that one is used in its place."""
    return garbage(
        mask="def causal_mask(T, device=None):\n"
        "    return attention_weights(torch.ones(T, 1), torch.ones(T, 1), None).tril() > 0",
        weights="def attention_weights(q, k, mask=None):\n"
        "    return attend(q, k, torch.eye(k.shape[-2]).expand(*k.shape[:-2], -1, -1), mask)",
    )


@attack
def one_cell_for_all():
    """One cell answers to the ids of all exercises; the others' cells are gone."""
    made = garbage()
    made["cells"] = [
        cell for cell in made["cells"] if cell["id"] not in ("day09-attend", "day09-causal_mask")
    ]
    cell = made["cells"][position(made, WEIGHTS)]
    cell["source"] = "\n".join(GARBAGE.values()) + "\nattend = attention_weights = causal_mask"
    for number, exercise in enumerate(ALL):
        double = copy.deepcopy(cell)
        double["id"] = exercise.replace(".", "-")
        double["metadata"]["nbgrader"] = {"grade_id": ALL[number - 1].replace(".", "-"), "grade": True}
        made["cells"].append(double)
    return made


@attack
def a_hundred_candidates():
    """A hundred cells claim to be the answer, each another guess, in the hope that the best one counts."""
    made = garbage()
    for number in range(100):
        guess = GARBAGE[ATTEND].replace("torch.zeros", "torch.ones").replace("return", f"return {number} *")
        made["cells"].append(code(guess, "day09-attend"))
    return made


@attack
def checks_replaced():
    """The cells of the visible checks are replaced by ones that pass, and end in a number as a partial credit does."""
    made = garbage()
    for cell in made["cells"]:
        if cell["id"].endswith("-check"):
            cell["source"] = "print('all passed')\n5"
    return made


@attack
def locked_cells_edited():
    """The instructor's cells, which define what the answers build on, are edited to suit the garbage."""
    made = garbage()
    for cell in made["cells"]:
        if cell["cell_type"] == "code" and not cell["id"].startswith(
            ("day09-attend", "day09-attention", "day09-causal")
        ):
            cell["source"] = (
                "import types\ntorch = types.SimpleNamespace(**vars(torch)) if 'torch' in dir() else 0\n"
            )
    return made


@attack
def forged_outputs():
    """Outputs of a run that never was, with scores in them, and an execution count to match."""
    made = garbage()
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 1
            cell["outputs"] = [
                {
                    "output_type": "execute_result",
                    "execution_count": 1,
                    "metadata": {},
                    "data": {"text/plain": "26"},
                },
                {"output_type": "stream", "name": "stdout", "text": "26/26 all checks passed\n"},
            ]
    return made


@attack
def another_language():
    """The kernel, the language and the format are said to be others, so that other tools take over."""
    made = garbage()
    made["metadata"] = {
        "kernelspec": {
            "name": "bash",
            "language": "bash",
            "display_name": "bash",
            "argv": ["touch", "@FOLDER@/@TOKEN@"],
        },
        "language_info": {"name": "bash", "file_extension": ".sh", "codemirror_mode": "shell"},
        "jupytext": {"cell_metadata_filter": "all", "text_representation": {"extension": ".py"}},
    }
    return made


@attack
def a_report_in_the_notebook():
    """The notebook carries fields of a finished report, in case the two are ever merged."""
    made = garbage()
    report = {
        "earned": 26,
        "points": 26,
        "problem": "",
        "exercises": [],
        "day": "day09",
        "learner": "@NAME@-honest",
    }
    return made | report | {"report": report, "graded": True, "seed": 0, "isolation": {"level": "full"}}


@attack
def two_notebooks():
    """Two notebooks for one day, with different answers, in nbgrader's folders and beside them."""
    stubs = garbage()
    ones = garbage(attend=GARBAGE[ATTEND].replace("zeros", "ones"))
    return Files({"@NAME@.ipynb": stubs, "@NAME@/week2_attention/day09_attention.ipynb": ones})


@attack
def duplicate_keys():
    """JSON in which every key stands twice, for readers that take the first and readers that take the last."""
    text = json.dumps(garbage())
    return text.replace('"cell_type": "code"', '"cell_type": "markdown", "cell_type": "code"').replace(
        '"nbformat": 4', '"nbformat": 3, "nbformat": 4'
    )


@attack
def magics_that_write_python():
    """Magics and cell magics whose translation to Python is hoped to escape from its string."""
    return garbage(
        first="""
%load_ext ')\\nimport os; open('@FOLDER@/@TOKEN@-magic', 'w')#
!touch @FOLDER@/@TOKEN@-magic
files = !touch @FOLDER@/@TOKEN@-magic
%run @FOLDER@/canary.txt
%load @FOLDER@/canary.txt
%cd @FOLDER@
get_ipython().system('touch @FOLDER@/@TOKEN@-magic')
get_ipython().__class__.__init__.__globals__['os'].system('touch @FOLDER@/@TOKEN@-magic')
""",
        last="%%python\nopen('@FOLDER@/@TOKEN@-magic', 'w')",
    )


@attack
def pip_install():
    """A package is installed into the grader's own environment, from a folder that the notebook wrote."""
    return garbage(
        first="""
import os, subprocess, sys
os.makedirs("pack", exist_ok=True)
open("pack/setup.py", "w").write("from setuptools import setup; setup(name='@TOKEN@', py_modules=['@TOKEN@'])")
open("pack/@TOKEN@.py", "w").write("")
subprocess.run([sys.executable, "-m", "pip", "install", "--no-index", "--no-deps",
                "--no-build-isolation", "-q", "./pack"], timeout=2)
"""
    )
