"""Attacks on the reader of notebooks, which works in the grader's own process, before any jail."""

import json

from registry import ATTEND, Files, attack, code, edit, garbage, position


@attack(costly=True)
def many_magics():
    """Four hundred magics above many lines: the text is taken apart anew for each."""
    return garbage(first="x = !ls\n" * 400 + "y = 1\n" * 10_000)


@attack(costly=True)
def a_slow_heading():
    """A heading of three hundred thousand spaces, for the expression that finds where it ends."""
    made = garbage()
    heading = "# x" + " " * 300_000 + "y"
    made["cells"].insert(1, {"cell_type": "markdown", "id": "slow", "metadata": {}, "source": heading})
    return made


@attack(costly=True)
def two_hundred_thousand_cells():
    """Two hundred thousand cells, each of which is one number."""
    made = garbage()
    made["cells"] += [{"cell_type": "code", "source": "1"}] * 200_000
    return made


@attack(costly=True)
def one_long_line():
    """A source line of fifty megabytes, and one of a million statements."""
    return garbage(first="x = '" + "a" * 50_000_000 + "'", last="x = 1;" * 300_000)


@attack
def deep_source():
    """Source nested so deeply that a parser, a compiler or whoever walks the tree runs out of stack."""
    made = garbage()
    for number, source in enumerate(
        ("x = " + "(" * 50_000 + ")" * 50_000, "x = " + "-" * 50_000 + "1", "x = a" + ".a" * 50_000,
         "x = " + "1+" * 50_000 + "1",
         "if a: pass\n" + "elif a: pass\n" * 10_000, "x = " + "[" * 90 + "]" * 90, "lambda: " * 20_000 + "1",
         "x = f'" + "{x:" * 500,
         "\n".join(" " * n + "if 1:" for n in range(99)) + " pass")
    ):  # fmt: skip
        made["cells"].append(code(source, f"deep-{number}"))
    return made


@attack
def deep_answers():
    """The same in the answers' own cells, where a cell that cannot be read is reported."""
    made = garbage()
    edit(
        made,
        ATTEND,
        source="def attend(q, k, v, mask=None):\n    return " + "(" * 20_000 + "q" + ")" * 20_000,
    )
    return edit(made, "day09.causal_mask", source="def causal_mask(T):\n    return " + "1+" * 20_000 + "1")


@attack
def deep_metadata():
    """Ids, tags and metadata that are lists nested nine hundred deep."""
    deep = "[" * 900 + "]" * 900
    text = json.dumps(garbage())
    return text.replace('"day09-attend"', deep, 1).replace(
        '"metadata": {', f'"tags": {deep}, "metadata": {{"x": {deep}, "tags": {deep}, '
    )


@attack
def deep_json():
    """JSON nested a hundred thousand deep, beside the cells."""
    return json.dumps(garbage())[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}"


@attack
def odd_types():
    """Numbers, lists and nulls where texts are expected, in every field of every cell."""
    made = garbage()
    odd = [None, 5, -1.5, [], {}, [None, 3, "x"], {"a": 1}, True]
    made["cells"] += [
        {"cell_type": value, "id": value, "source": value, "metadata": value, "outputs": value}
        for value in odd
    ]
    made["cells"] += [
        {"cell_type": "code", "id": value, "source": value, "metadata": {"tags": value, "nbgrader": value}}
        for value in odd
    ]
    made["cells"] += odd
    return made | {"metadata": None, "nbformat_minor": "5"}


@attack
def odd_characters():
    """Null bytes, lone surrogates, form feeds, other line ends, tabs, and code that reads from right to left."""
    made = garbage()
    for number, source in enumerate(
        ("x = 1\0", "x = '\ud800'", "\ud800", "\x0cx = 1", "x = 1\rdef attend(*a): pass", "if 1:\n\tx\n        y",
         "# \u202e x = 1",
         "ａｔｔｅｎｄ = lambda *a: 1", "\ufeffx = 1", "# -*- coding: rot13 -*-\nqrs nggraq(): cnff",
         "x = 1\u2028y = 2", "\x1a", "?" * 5000)
    ):  # fmt: skip
        made["cells"].append(code(source, f"odd-{number}"))
    return made


@attack
def huge_numbers():
    """Numbers of a million digits in the JSON and in the source."""
    text = json.dumps(garbage(first="x = 0x" + "f" * 10**6))
    return text.replace('"nbformat": 4', f'"x": {"9" * 4000}, "nbformat": 4, "y": 1e999999')


@attack
def other_formats():
    """Files that are something else: an old format, a zip, a script, and text in another encoding."""
    made = garbage()
    return Files(
        {
            "@NAME@.ipynb": json.dumps(made).encode("utf-16"),
            "@NAME@-old.ipynb": json.dumps(made | {"nbformat": 3, "worksheets": [{"cells": made["cells"]}]}),
            "@NAME@-zip.ipynb": b"PK\x03\x04" + bytes(1000),
            "@NAME@-nan.ipynb": json.dumps(made)[:-1] + ', "x": NaN, "y": -Infinity}',
            "@NAME@-utf32.ipynb": json.dumps(made).encode("utf-32"),
        }
    )


@attack
def a_script():
    """A .py file whose cell marks, encoding and first line are meant for other tools."""
    source = "#!/bin/sh -c 'touch @FOLDER@/@TOKEN@'\n# -*- coding: utf-7 -*-\n# %% [markdown] <script>\n"
    made = garbage()
    cells = [cell["source"] for cell in made["cells"] if cell["cell_type"] == "code"]
    body = "\n\n# %% id=day09-attend\n".join("".join(cell) for cell in cells)
    return Files({"@NAME@.py": source + body})


@attack
def candidates_by_the_hundred():
    """Three hundred cells that each define the answers, for a search that looks at all of them."""
    made = garbage()
    at = position(made, ATTEND)
    source = "\n".join(
        cell["source"] for cell in made["cells"] if cell.get("id") in ("day09-attend", "day09-causal_mask")
    )
    made["cells"] += [code(source, f"again-{number}") for number in range(300)]
    made["cells"].insert(0, made["cells"][at])
    return made
