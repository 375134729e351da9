"""Grading a class: the examiner against nbgrader's autograde, the same submissions and the same checks, side by side.

    python benchmarks/grading.py [--submissions 400] [--theirs 8]

The submissions are the sample class's, cut down to the set-up and the three exercises of Day 9, which do not train.
nbgrader gets the rubrics as its hidden tests, which it puts into the submission and runs in the learner's kernel. It
grades one after another; two of it, with half of the class each, are measured too. All commands are timed whole,
start included.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from autograder.examine import run_item
from autograder.grade import Run, grade_notebook, the_nursery
from autograder.report import write_report
from autograder.rubric import load_exercises
from autograder.session import Session
from autograder.submission import ROOT, read_cells

SAMPLES = ("ada", "alan", "barbara", "charles", "dorothy", "edsger", "frances", "george", "grace", "john")
EXERCISES = [exercise for exercise in load_exercises().values() if exercise.day == "day09"]
TARGETS = {"faster": 50.0, "median_ms": 100.0, "memory_mb": 60.0}
NBGRADER = [sys.executable, "-m", "nbgrader"]

SETUP = "import math\nimport torch\nimport torch.nn.functional as F\nfrom torch import Tensor"
CHECK = """\
### BEGIN HIDDEN TESTS
from autograder.examine import run_item
from autograder.rubric import load_exercises
from autograder.worker import Worker
day = [exercise for exercise in load_exercises().values() if exercise.day == "day09"]
exercise, send = load_exercises()[{name!r}], Worker(globals()).answer
globals().update({{earlier.defines: earlier.reference() for earlier in day[: day.index(exercise)]}})
sum(item.points for item in exercise.items if not run_item(exercise, item, send, 11).reason)
### END HIDDEN TESTS"""


def notebook(answers: dict[str, str], tests: bool) -> nbformat.NotebookNode:
    """The set-up, and for each exercise its answer and its check: with the hidden tests, or as learners have it."""
    cells = [new_code_cell(SETUP, id="setup")]
    for exercise in EXERCISES:
        common = {"schema_version": 3, "task": False}
        answer = common | {"grade_id": exercise.cell_id, "solution": True, "grade": False, "locked": False}
        check = common | {"grade_id": exercise.check_id, "solution": False, "grade": True, "locked": True}
        check |= {"points": exercise.points}
        cells += [
            new_code_cell(answers[exercise.name], id=exercise.cell_id, metadata={"nbgrader": answer}),
            new_code_cell(
                CHECK.format(name=exercise.name) if tests else "",
                id=exercise.check_id,
                metadata={"nbgrader": check},
            ),
        ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


def sample(name: str) -> nbformat.NotebookNode:
    """A learner of the sample class, cut down; a helper's cells go into the first answer."""
    from autograder.submission import find_answer

    cells = read_cells((ROOT / "autograder" / "samples" / f"{name}.ipynb").read_bytes(), f"{name}.ipynb")
    session = Session(cells, "day09", None, 1.0)  # which cells are the learner's own
    answers = {exercise.name: find_answer(exercise, cells) for exercise in EXERCISES}
    helpers = [cell.source for cell in session.cells if cell not in answers.values()]
    sources = {name: cell.source for name, cell in answers.items()}
    sources[EXERCISES[0].name] = "\n".join([*helpers, sources[EXERCISES[0].name]])
    return notebook(sources, tests=False)


# --- nbgrader -----------------------------------------------------------------------------------------


def make_course(folder: Path, students: list[str]) -> None:
    """A course of one assignment, released, with its submissions."""
    source = notebook(
        {e.name: f"### BEGIN SOLUTION\n{e.defines} = None\n### END SOLUTION" for e in EXERCISES}, tests=True
    )
    (folder / "source" / "week2").mkdir(parents=True)
    nbformat.write(source, folder / "source" / "week2" / "day09.ipynb")
    (folder / "nbgrader_config.py").write_text(
        'c = get_config()\nc.CourseDirectory.course_id = "bench"\nc.ExecutePreprocessor.timeout = 120\n'
    )
    nbgrader(folder, "generate_assignment", "week2")
    for student in students:
        target = folder / "submitted" / student / "week2" / "day09.ipynb"
        target.parent.mkdir(parents=True)
        nbformat.write(sample(student.rstrip("0123456789")), target)


def nbgrader(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [*NBGRADER, *command], cwd=folder, env=environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"nbgrader {' '.join(command)} failed:\n{done.stderr[-2000:]}")


def their_scores(folder: Path) -> dict[str, float]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        return {s.student.id: s.score for s in book.assignment_submissions("week2")}


def measure_nbgrader(folder: Path, n: int, processes: int) -> tuple[float, dict[str, float]]:
    """Seconds for n submissions, each process with its share of them, and their scores."""
    parts = [folder / str(number) for number in range(processes)]
    names = [f"{SAMPLES[i % len(SAMPLES)]}{i:03}" for i in range(n)]
    for number, part in enumerate(parts):
        make_course(part, names[number::processes])
    began = time.perf_counter()
    runs = [
        subprocess.Popen(
            [*NBGRADER, "autograde", "week2"],
            cwd=part,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for part in parts
    ]
    if any(run.wait() for run in runs):
        raise SystemExit("nbgrader autograde failed")
    took = time.perf_counter() - began
    return took, {name: score for part in parts for name, score in their_scores(part).items()}


# --- Ours ---------------------------------------------------------------------------------------------


def measure_command(folder: Path, n: int) -> tuple[float, float, float, dict[str, float]]:
    """Seconds for n submissions with two jobs, until the first report, between reports, and the scores."""
    class_, out = folder / "class", folder / "out"
    class_.mkdir()
    texts = {name: nbformat.writes(sample(name)) for name in SAMPLES}
    for number in range(n):
        name = SAMPLES[number % len(SAMPLES)]
        (class_ / f"{name}{number:03}.ipynb").write_text(texts[name])
    began, clock = time.perf_counter(), time.time()
    command = [
        sys.executable,
        "-m",
        "autograder",
        "grade",
        class_,
        "--out",
        out,
        "--jobs",
        "2",
        "--seed",
        "11",
    ]
    subprocess.run(command, env=environment(), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - began
    written = sorted(path.stat().st_mtime for path in out.glob("day09/*.json"))
    scores = {path.stem: json.loads(path.read_text())["earned"] for path in out.glob("day09/*.json")}
    middle = written[n // 4 :]  # both processes are at work by then
    return took, written[0] - clock, (middle[-1] - middle[0]) / (len(middle) - 1), scores


def measure_latency(folder: Path) -> tuple[float, float]:
    """Median and longest time in milliseconds from a submission's bytes to its report's files, warm, one process."""
    run = Run(seed=11)
    texts = {name: nbformat.writes(sample(name)).encode() for name in SAMPLES}

    def one(name: str) -> float:
        began = time.perf_counter()
        write_report(grade_notebook(texts[name], f"{name}.ipynb", name, run), folder)
        return 1e3 * (time.perf_counter() - began)

    for name in SAMPLES:
        one(name)
    times = [one(name) for _ in range(6) for name in SAMPLES]
    return statistics.median(times), max(times)


def measure_memory() -> float:
    """Megabytes that a worker has for itself alone, at most, when its exercise is done."""
    nursery = the_nursery()
    cells = read_cells(nbformat.writes(sample("ada")).encode(), "ada.ipynb")
    most = 0.0
    for exercise in EXERCISES:
        session = Session(cells, "day09", nursery, 10.0)
        before = set(descendants(nursery.process.pid))
        process = session.open(exercise)
        for process_waiting in session.ready.values():
            process_waiting.close()  # only the one that is measured
        process.allow(60.0)
        for item in exercise.items:
            run_item(exercise, item, process.send, 11)
        time.sleep(0.2)
        most = max(most, sum(private_mb(pid) for pid in set(descendants(nursery.process.pid)) - before))
        process.close()
        time.sleep(0.2)
    return most


def descendants(pid: int) -> list[int]:
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(fields[1])
    below = [pid]
    for each in below:
        below += [child for child, parent in parents.items() if parent == each]
    return below[1:]


def private_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def environment() -> dict[str, str]:
    """Every process computes on one thread, theirs and ours."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"OMP_NUM_THREADS": "1", "PATH": path}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=400, help="for the examiner (default: 400)")
    parser.add_argument("--theirs", type=int, default=8, help="for nbgrader (default: 8)")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"

    def in_a_folder(measure: Callable, *arguments: object) -> object:
        with tempfile.TemporaryDirectory() as folder:
            return measure(Path(folder), *arguments)

    theirs, their_points = in_a_folder(measure_nbgrader, options.theirs, 1)
    twice, _ = in_a_folder(measure_nbgrader, options.theirs, 2)
    ours, first, pace, our_points = in_a_folder(measure_command, options.submissions)
    different = {name for name in their_points if their_points[name] != our_points[name]}
    if different:
        found = {name: (their_points[name], our_points[name]) for name in sorted(different)}
        raise SystemExit(f"the same checks gave other scores (nbgrader's, ours): {found}")
    median, longest = in_a_folder(measure_latency)
    memory = measure_memory()

    rate, rate_of_two, ours_rate = options.theirs / theirs, options.theirs / twice, options.submissions / ours
    print(f"isolation {the_nursery().level}; the same scores for {len(their_points)} submissions")
    print("submissions per second")
    print(f"  nbgrader autograde            {rate:6.2f}   ({options.theirs} in {theirs:.1f} s)")
    print(f"  two of them side by side      {rate_of_two:6.2f}   ({options.theirs} in {twice:.1f} s)")
    print(f"  autograder grade --jobs 2     {ours_rate:6.2f}   ({options.submissions} in {ours:.1f} s)")
    print(f"  the same, once warm           {1 / pace:6.2f}   (first report after {first:.1f} s)")
    print(
        f"ratio to nbgrader autograde     {ours_rate / rate:6.1f}, warm {1 / pace / rate:.1f} "
        f"(target {TARGETS['faster']:.0f})"
    )
    print(
        f"ratio to two of them            {ours_rate / rate_of_two:6.1f}, warm {1 / pace / rate_of_two:.1f}"
    )
    print(f"submission to report, warm         {median:6.1f} ms median, {longest:.1f} ms at most "
          f"(target {TARGETS['median_ms']:.0f})")  # fmt: skip
    print(f"memory of a worker                {memory:6.1f} MB  (target {TARGETS['memory_mb']:.0f})")


if __name__ == "__main__":
    main()
