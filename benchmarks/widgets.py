"""How long a widget takes to answer: each notebook's own drawing function, at every value that its still twin shows.

    python benchmarks/widgets.py [day09 ...]

The solved notebook runs from the top, as a learner's has, and each `explore` in it is measured instead of shown.
"""

import os
import re
import statistics
import sys
import time
from pathlib import Path

import nbformat

import handmade.widgets
from autograder.build.__main__ import make
from autograder.rubric import load_exercises, load_free_answers
from handmade.check import plain

ROOT = Path(__file__).parents[1]
TARGET_MS = 100.0


def measure(draw, stills, **controls) -> None:
    """In place of `explore`."""
    start = {name: control.start for name, control in controls.items()}
    for name, control in controls.items():
        if isinstance(control, handmade.widgets.Text):
            start[name] = start[name][: control.longest]
    draw(**start)  # what it makes once, it has made
    times = []
    for still in stills * 5:
        began = time.perf_counter()
        handmade.widgets._html(draw(**start | still))
        times.append(1e3 * (time.perf_counter() - began))
    print(
        f"  {', '.join(controls):32} {statistics.median(times):7.1f} ms median {max(times):7.1f} ms at most",
        flush=True,
    )


def main() -> None:
    os.environ["MPLBACKEND"] = "agg"
    handmade.widgets.explore = measure
    wanted = sys.argv[1:]
    for path, text in make(ROOT, load_exercises(), load_free_answers())[1].items():
        stem = Path(path).stem
        cells = [cell.source for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
        if any(re.search(r"\bexplore\(", cell) for cell in cells) and (
            not wanted or stem.split("_")[0] in wanted
        ):
            print(f"{stem} (target {TARGET_MS:.0f} ms)", flush=True)
            run(cells)


def run(cells: list[str]) -> None:
    """Run a notebook's cells with their output thrown away."""
    namespace = {"__name__": "__main__", "display": lambda *objects, **options: None}
    loud = sys.stdout
    for cell in cells:
        sys.stdout = loud if re.search(r"^explore\(", cell, re.MULTILINE) else open(os.devnull, "w")  # noqa: SIM115
        try:
            exec(compile(plain(cell), "<cell>", "exec"), namespace)
        finally:
            sys.stdout = loud


if __name__ == "__main__":
    main()
