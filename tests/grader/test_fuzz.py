"""2,000 damaged submissions: each is read, or told in one sentence what is wrong with it; nothing stops the grader."""

import ast
import copy
import json
import random
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autograder.build.samples import (
    ATTEND,
    MASK,
    WEIGHTS,
    ada,
    grace,
    john,
    katherine,
    model_answers,
    niklaus,
)
from autograder.grade import Run, grade_notebook
from autograder.submission import (
    LARGEST,
    LONGEST_CELL,
    MOST_CELLS,
    MOST_CODE,
    MOST_PARTS,
    find_day,
    read_cells,
)
from handmade.errors import UserError

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "autograder" / "report_schema.json").read_text())
COUNT, GRADED = 2000, 60

# --- What is damaged ----------------------------------------------------------------------------------


@cache
def originals() -> list[dict]:
    """The sample notebooks, shortened: the answers, the cells around them, and what is odd at the ends."""
    made = []
    for notebook in (ada(), grace(), john(), katherine(), json.loads(niklaus().removeprefix("\ufeff"))):
        cells = notebook["cells"]
        keep = {0, 1, 2, 3, *range(len(cells) - 6, len(cells))}
        for number, cell in enumerate(cells):
            if any(
                name in "".join(cell["source"])
                for name in ("def causal_mask", "def attention_w", "def attend")
            ):
                keep |= {number - 1, number, number + 1}
        made.append(notebook | {"cells": [cell for number, cell in enumerate(cells) if number in keep]})
    return made


# --- How: bytes ---------------------------------------------------------------------------------------


def flip_bits(rand: random.Random, raw: bytes) -> bytes:
    damaged = bytearray(raw)
    for _ in range(rand.choice([1, 1, 3, 30])):
        damaged[rand.randrange(len(raw))] ^= 1 << rand.randrange(8)
    return bytes(damaged)


def truncate(rand: random.Random, raw: bytes) -> bytes:
    return raw[: rand.randrange(len(raw))]


def cut_out(rand: random.Random, raw: bytes) -> bytes:
    start = rand.randrange(len(raw))
    return raw[:start] + raw[start + rand.choice([1, 2, 20, 2000]) :]


def put_in(rand: random.Random, raw: bytes) -> bytes:
    start = rand.randrange(len(raw))
    odd = (
        b"\0",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 5000,
        b"9" * 5000,
        b"NaN",
        b"\\ud800",
        b"\r",
        b'"',
        b",,",
        b"\xc3",
    )
    return raw[:start] + rand.choice(odd) + raw[start:]


def twice(rand: random.Random, raw: bytes) -> bytes:
    start = rand.randrange(len(raw))
    end = start + rand.randrange(2000)
    return raw[:end] + raw[start:]


def in_another_encoding(rand: random.Random, raw: bytes) -> bytes:
    encoding = rand.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp1252"])
    return flip_bits(rand, raw.decode(errors="replace").encode(encoding, errors="replace"))


# --- How: the tree ------------------------------------------------------------------------------------

JUNK: list[Any] = [
    None, True, 0, -1, 4, 10**300, 1e308, float("nan"), float("-inf"), "", "x", "code", "day09-attend", "\ud800", "\0",
    "\x1b[31m", "9" * 5000, [], {}, [[]], [None, 7], {"a": {}}, {"": ""}, ["x = 1\n", 5], {"tags": "setup"},
]  # fmt: skip


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a tree."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [each for key in keys for each in ((node, key), *places(node[key]))]


def damage_tree(rand: random.Random, tree: dict) -> None:
    """Delete, double, exchange, bury or replace a few nodes."""
    for _ in range(rand.choice([1, 1, 2, 5, 20])):
        spots = places(tree)
        if not spots:
            return
        node, key = rand.choice(spots)
        match rand.randrange(6):
            case 0:
                del node[key]
            case 1 if isinstance(node, list):
                node.insert(key, copy.deepcopy(node[key]))
            case 2:
                other, its_key = rand.choice(spots)
                node[key] = copy.deepcopy(other[its_key])
            case 3:
                for _ in range(rand.choice([1, 50])):
                    node[key] = rand.choice([[node[key]], {"cells": node[key]}])
            case _:
                node[key] = copy.deepcopy(rand.choice(JUNK))


def damage_fields(rand: random.Random, tree: dict) -> None:
    """Give junk to the very fields that are looked at."""
    for _ in range(rand.choice([1, 3, 10])):
        cell = rand.choice(tree["cells"])
        field = rand.choice(
            ["id", "metadata", "source", "cell_type", "outputs", "tags", "nbgrader", "grade_id", "nbformat"]
        )
        match field:
            case "nbformat":
                tree[rand.choice(["nbformat", "nbformat_minor", "metadata"])] = rand.choice(JUNK)
            case "tags" | "nbgrader":
                cell["metadata"] = {field: rand.choice(JUNK)}
            case "grade_id":
                cell["metadata"] = {"nbgrader": {"grade_id": rand.choice(JUNK)}}
            case _:
                cell[field] = rand.choice(JUNK)


# --- How: the code ------------------------------------------------------------------------------------

SNIPPETS = [
    "\0", "\ud83d", "\x0c", "\x1b", "\r", "\u2028", "\ufeff", "\xa0", "é = ", "'", '"""', "'''", "(", ")",
    "[" * 300, "(" * 10_000, "-" * 30_000 + "1", "not " * 5000, "lambda: " * 500, "f'{f\"{", "\\", "\\\n",
    "\t", "   ", ":", ";", "@", "%%time", "%%", "%", "%%bash\nls", "!", "!(", "!echo '''", "?", "??", "%time",
    "x = %", "x = !", "%%time\n%%time", ",a b", "/f x", "await x", "return", "yield", "global q",
    "del attend", "raise NotImplementedError", "print 1", "0777", "1_", "if x:\n" * 120, "class",
    "def attend(", "async def f():", "match x:\n case", "# -*- coding: utf-7 -*-", "\\N{DASH}",
    "get_ipython().run_cell_magic('time', '', 3)", "get_ipython().run_cell_magic(*x)",
    "from __future__ import braces", "%time x\n" * 40, "while True: pass", "attend = attend", "x: int",
    "a.b = c[0] = d, *e = f", "\\ud800", "# %%", "$",
]  # fmt: skip


def damage_code(rand: random.Random, source: str) -> str:
    """Break indentation, leave strings open, put in what is no Python, or mix up lines."""
    for _ in range(rand.choice([1, 1, 2, 6])):
        at = rand.randrange(len(source) + 1)
        lines = source.split("\n")
        line = rand.randrange(len(lines))
        match rand.randrange(7):
            case 0:
                source = source[:at] + source[at + rand.choice([1, 5, 50]) :]
            case 1:
                lines[line] = rand.choice([" ", "\t", "  \t", "        "]) + lines[line].lstrip()
                source = "\n".join(lines)
            case 2:
                lines.insert(line, rand.choice(SNIPPETS))
                source = "\n".join(lines)
            case 3:
                rand.shuffle(lines)
                source = "\n".join(lines)
            case 4:
                source = (
                    source[:at]
                    + chr(rand.choice([rand.randrange(128), rand.randrange(0x11_0000)]))
                    + source[at:]
                )
            case _:
                source = source[:at] + rand.choice(SNIPPETS) + source[at:]
    return source


def damage_cells(rand: random.Random, tree: dict) -> None:
    for cell in rand.sample(tree["cells"], rand.choice([1, 3, len(tree["cells"])])):
        cell["source"] = damage_code(rand, "".join(cell["source"]))


# --- The 2,000 ----------------------------------------------------------------------------------------

BYTES: list[Callable] = [flip_bits, truncate, cut_out, put_in, twice, in_another_encoding]
TREES: list[Callable] = [damage_tree, damage_fields, damage_cells]


def submission(seed: int) -> tuple[bytes, str]:
    """A damaged file and its name: every kind in turn, a tenth of them scripts."""
    rand = random.Random(seed)
    if seed % 10 == 9:
        script = rand.choice(["\n\n", "\n# %%\n", "\n# In[3]:\n", "\n# +\n"]).join(
            ["import torch", *model_answers().values()]
        )
        damaged = damage_code(rand, script)
        raw = damaged.encode(errors=rand.choice(["replace", "surrogatepass"]))
        return (rand.choice(BYTES)(rand, raw) if raw and rand.random() < 0.3 else raw), "ada.py"
    tree = copy.deepcopy(rand.choice(originals()))
    kind = (BYTES + 3 * TREES)[seed % (len(BYTES) + 3 * len(TREES))]
    if kind in TREES:
        kind(rand, tree)
    raw = json.dumps(tree, ensure_ascii=rand.random() < 0.5).encode(errors="surrogatepass")
    return (kind(rand, raw) if kind in BYTES else raw), "ada.ipynb"


def check_sentence(said: str, seed: int) -> None:
    """One line, not long, that ends like a sentence and says what to do."""
    fine = said.endswith((".", ".)")) and "; " in said and said.isprintable() and len(said) < 250
    assert fine, f"seed {seed}: not a sentence that says what to do: {said!r}"


def test_2000_damaged_files_are_read_or_told_in_one_sentence(recwarn, capfd):
    outcomes = Counter()
    for seed in range(COUNT):
        raw, file = submission(seed)
        try:
            cells = read_cells(raw, file)
        except UserError as error:
            check_sentence(str(error), seed)
            outcomes["told"] += 1
            continue
        except BaseException as error:
            raise AssertionError(f"seed {seed}: reading it ended in a traceback") from error
        assert cells, f"seed {seed}: neither cells nor a reason"
        for number, cell in enumerate(cells, start=1):
            cell.place.encode(), cell.written.encode(), cell.id.encode(), cell.problem.encode()
            assert cell.number == number
            assert not (cell.problem and cell.source), f"seed {seed}: code that is no Python would be run"
            assert len(cell.place) < 200 and len(cell.problem) < 300, f"seed {seed}: too long for a line"
            with warnings.catch_warnings(action="ignore"):
                ast.parse(cell.source)
        find_day(cells, file)
        outcomes["read, with cells that are no Python" if any(c.problem for c in cells) else "read"] += 1
    assert outcomes.total() == COUNT
    assert min(outcomes.values()) > COUNT / 20 and len(outcomes) == 3, f"the fuzzer is too tame: {outcomes}"
    assert not recwarn.list and capfd.readouterr() == ("", ""), "reading is not quiet"


@pytest.mark.parametrize("part", range(3))
def test_damaged_files_are_graded_to_the_end(part):
    """The whole way for some of them: a report by the schema, within what there is to earn."""
    for seed in range(part, COUNT, COUNT // GRADED * 3):
        raw, file = submission(seed)
        report = grade_notebook(raw, file, "ada", Run(seed=seed, limit=1.0))
        jsonschema.validate(report, SCHEMA)
        json.dumps(report).encode()
        if report["problem"]:
            check_sentence(report["problem"], seed)
            assert report["earned"] == 0
        else:
            assert [e["exercise"] for e in report["exercises"]] == [MASK, WEIGHTS, ATTEND], f"seed {seed}"
            told = all(
                item["reason"] for e in report["exercises"] for item in e["items"] if not item["earned"]
            )
            assert told, f"seed {seed}: points were lost for no reason given"


HEAD = b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "x = 1", "outputs": ['


@pytest.mark.parametrize(
    ("make", "file", "said"),
    [
        (lambda: b" " * LARGEST + b"[]", "ada.ipynb", "too large"),
        (lambda: HEAD + b"[]," * MOST_PARTS + b"1]}]}", "ada.ipynb", "too large"),
        (
            lambda: HEAD + b"]}" + b', {"cell_type": "code"}' * MOST_CELLS + b"]}",
            "ada.ipynb",
            "characters of code",
        ),
        (lambda: b"x = 1\n" * (MOST_CODE // 6 + 1), "ada.py", "characters of code"),
    ],
    ids=["bytes", "lists", "cells", "code"],
)
def test_what_would_use_up_the_examiner_is_told_too(make, file, said):
    with pytest.raises(UserError, match=said) as caught:
        read_cells(make(), file)
    check_sentence(str(caught.value), seed=0)


def test_one_cell_that_is_too_long_is_left_out_alone():
    cells = [{"cell_type": "code", "source": source} for source in ("x = 1", "x\n" * LONGEST_CELL, "y = 1")]
    problems = [
        cell.problem for cell in read_cells(json.dumps({"nbformat": 4, "cells": cells}).encode(), "ada.ipynb")
    ]
    assert problems == ["", f"it is longer than {LONGEST_CELL:,} characters", ""]
