"""The command `autograder`: grade a folder of submissions, build the notebooks, verify the rubrics."""

import argparse
import os
import secrets
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from autograder.jail.levels import LEVELS, MEANINGS
from handmade.errors import UserError

EXIT_USER_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all is well, 1 if `verify` found a rubric wrong, 2 if a person must mend something."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv[:1] == ["build"]:
        from autograder.build.__main__ import main as build

        return build(argv[1:])
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="autograder", description="Grade the notebooks of the course.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    grade = commands.add_parser("grade", help="grade a folder of submissions")
    grade.add_argument(
        "submissions",
        type=Path,
        metavar="SUBMISSIONS",
        help="a folder with one notebook a learner, or nbgrader's submitted/",
    )
    grade.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where reports and gradebook go"
    )
    grade.add_argument(
        "--jobs",
        type=_jobs,
        default=os.cpu_count(),
        metavar="N",
        help="processes at work (default: one a core)",
    )
    grade.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="grade on the Dask cluster at tcp://HOST:PORT"
    )
    grade.add_argument(
        "--again",
        action="store_true",
        help="grade also what has an up-to-date report in --out",
    )
    grade.add_argument(
        "--seed", type=_seed, help="draw these inputs (default: new ones, or those of an interrupted run)"
    )
    grade.add_argument(
        "--limit",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="what a learner's code may take, for each exercise (default: 10)",
    )
    grade.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where learners' code gets its tensors"
    )
    grade.add_argument(
        "--require-isolation",
        choices=LEVELS,
        default="",
        metavar="LEVEL",
        help=f"refuse to run with less than this: {', '.join(LEVELS)}",
    )
    grade.set_defaults(run=_grade)

    course = commands.add_parser("course", help="make a course folder for nbgrader's own commands")
    course.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the course goes")
    course.set_defaults(run=_course)

    collect = commands.add_parser("collect", help="put submissions into such a course folder")
    collect.add_argument("submissions", type=Path, metavar="SUBMISSIONS", help="a folder, in any state")
    collect.add_argument("--course", type=Path, required=True, metavar="DIR", help="the course's folder")
    collect.set_defaults(run=_collect)

    regrade = commands.add_parser("regrade", help="repeat a grading from its report, and compare")
    regrade.add_argument(
        "report", type=Path, metavar="REPORT", help="a LEARNER.json that `grade` has written"
    )
    regrade.add_argument(
        "--notebook", type=Path, metavar="FILE", help="the submission (default: where it was graded)"
    )
    regrade.set_defaults(run=_regrade)

    doctor = commands.add_parser("doctor", help="say how well learners' code can be isolated here")
    doctor.set_defaults(run=_doctor)

    commands.add_parser("build", help="build course/ from solutions/", add_help=False)

    verify = commands.add_parser("verify", help="try the rubrics on the known wrong and right answers")
    verify.add_argument("day", nargs="?", metavar="DAY", help="one day only, as in day09")
    verify.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="how many inputs to draw (default: 3)"
    )
    verify.add_argument("--out", type=Path, metavar="FILE.html", help="draw the matrix on a page, too")
    verify.set_defaults(run=_verify)

    release = commands.add_parser("release", help="write what a class is given: notebooks and library")
    release.add_argument(
        "--through", required=True, metavar="WEEK_OR_DAY", help="the last to give out, as in week2 or day09"
    )
    release.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    release.add_argument(
        "--open",
        metavar="WEEK_OR_DAY",
        help="where the answers begin that the library must not hold (default: the last to give out)",
    )
    release.set_defaults(run=_release)
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 up, not {text}")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"a number of processes is 1 or more, not {text}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise argparse.ArgumentTypeError(f"a limit is a number of seconds above 0, not {text}")
    return seconds


# --- grade --------------------------------------------------------------------------------------------


def _grade(arguments: argparse.Namespace) -> int:
    # Imported here, so that `autograder --help` answers at once.
    import torch

    from autograder.batch import grade_class
    from autograder.grade import Run
    from autograder.gradebook import record

    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    run = Run(seed, arguments.limit, arguments.require_isolation, arguments.device)
    if run.device == "cuda" and not torch.cuda.is_available():
        raise UserError("There is no CUDA device here; leave out --device cuda.")
    folder, out = arguments.submissions.resolve(), arguments.out.resolve()
    same_seed = arguments.seed is not None
    reports = grade_class(folder, out, run, arguments.jobs, arguments.scheduler, arguments.again, same_seed)
    record(reports, out / "gradebook.db")  # before anything is printed: nobody may be reading any more
    for day in sorted({report["day"] for report in reports}):
        print()
        _print_table([report for report in reports if report["day"] == day])
    print()
    seeds = sorted({report["seed"] for report in reports})
    print(f"Seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}. {_isolation(reports)}")
    print(f"Reports and gradebook.db are in {arguments.out}; the class pages are DAY/index.html.")
    return 0


def _isolation(reports: list[dict]) -> str:
    """The weakest isolation of any report, since that is what can be relied on."""
    used = [report["isolation"] for report in reports if report["isolation"]["level"]]
    if not used:
        return "No learner's code was run."
    weakest = max(used, key=lambda each: LEVELS.index(each["level"]))
    return f"Isolation: {weakest['level']} ({weakest['meaning']})."


def _print_table(written: list[dict]) -> None:
    """One row a submission: its scores, and for each exercise that lost points why."""
    from autograder.report import score, why

    first = written[0]
    print(first["title"] or "Notebooks of no known day")
    rows = [["learner", "score", *(each["exercise"].partition(".")[2] for each in first["exercises"])]]
    rows += [
        [report["learner"], score(report), *(score(each) for each in report["exercises"])]
        for report in written
    ]
    notes = [["why"]]
    for report in written:
        reasons = (
            [report["problem"]] if report["problem"] else [f"{name}: {text}" for name, text in why(report)]
        )
        notes.append(reasons)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = sum(widths) + 2 * len(widths)
    room = max(shutil.get_terminal_size((140, 24)).columns - left, 40)
    for row, reasons in zip(rows, notes, strict=True):
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)),
        ]
        lines = [line for reason in reasons for line in textwrap.wrap(reason, room, subsequent_indent="  ")]
        print("  ".join([*cells, lines[0] if lines else ""]).rstrip())
        for line in lines[1:]:
            print(" " * left + line)


# --- nbgrader -----------------------------------------------------------------------------------------


def _course(arguments: argparse.Namespace) -> int:
    from autograder.nbgrader.course import make_course
    from autograder.submission import ROOT

    assignments = make_course(ROOT, arguments.out)
    print(f"A course for nbgrader is in {arguments.out}: {', '.join(assignments)}.")
    print(
        f"Hand out a bundle (autograder release); then `autograder collect SUBMISSIONS --course {arguments.out}`,"
    )
    print(
        "and in that folder nbgrader autograde, nbgrader generate_feedback, nbgrader export and formgrader."
    )
    return 0


def _collect(arguments: argparse.Namespace) -> int:
    from autograder.nbgrader.collect import collect
    from autograder.report import clean

    collected = collect(arguments.submissions, arguments.course)
    print(f"{len(collected.placed)} submissions are in {arguments.course / 'submitted'}.")
    for sentence in collected.refused:
        print(clean(sentence), file=sys.stderr)
    return EXIT_USER_ERROR if collected.refused else 0


# --- regrade, doctor ----------------------------------------------------------------------------------


def _regrade(arguments: argparse.Namespace) -> int:
    from autograder.batch import regrade
    from autograder.report import why

    before, after = regrade(arguments.report, arguments.notebook)
    was, now = _scores(before), _scores(after)
    for name in dict.fromkeys([*was, *now]):
        old, new = was.get(name, "not there"), now.get(name, "not there")
        if old != new or "/" not in name:
            print(f"{name}: {old}, again {new}")
    for name, reason in why(after):
        print(f"{name}: {reason}")
    if before["grader"] != after["grader"]:
        print("The grader has changed since the report was made.")
    print("The score is the same." if was == now else "The score is not the same.")
    return 0 if was == now else 1


def _scores(report: dict) -> dict[str, int]:
    """What was earned in all, for each exercise and for each of its items."""
    scores = {"all": report["earned"]}
    for exercise in report["exercises"]:
        scores[exercise["exercise"]] = exercise["earned"]
        scores |= {f"{exercise['exercise']}/{item['item']}": item["earned"] for item in exercise["items"]}
    return scores


def _doctor(arguments: argparse.Namespace) -> int:
    from autograder.jail.handling import examine_levels

    best = ""
    for level, reasons in examine_levels():
        if not reasons:
            best = best or level
        print(f"{level:<12}{'holds' if not reasons else 'not here: ' + '; '.join(reasons)}")
    if not best:
        raise UserError("No process for learners' code can be started here; see above why.")
    print(f"Submissions are graded with isolation “{best}”: {MEANINGS[best]}.")
    return 0


# --- verify -------------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> int:
    from autograder.rubric import load_exercises
    from autograder.verify import MARKS, verify, write_page

    if arguments.seeds < 1:
        raise UserError("At least one seed is needed: give --seeds 1 or more.")
    exercises = [e for e in load_exercises().values() if arguments.day in (None, e.day)]
    if not exercises:
        known = ", ".join(sorted({e.day for e in load_exercises().values()}))
        raise UserError(f"There are no rubrics for {arguments.day}; the days that have some are {known}.")
    matrices = []
    for exercise in exercises:
        matrices.append(verify(exercise, range(arguments.seeds)))
        print(matrices[-1], end="\n\n")
    print(*(f"{mark} {meaning}" for mark, meaning in MARKS.values()), sep="; ")
    if arguments.out:
        write_page(matrices, arguments.seeds, arguments.out)
        print(f"The same as a page is in {arguments.out}.")
    aimed = all(row.as_aimed for matrix in matrices for row in matrix.rows)
    print("All as aimed." if aimed else "Some are not as aimed.")
    not_needed = [f"{m.exercise.name}/{name}" for m in matrices for name in m.not_needed]
    if not_needed:
        print(f"Nothing is caught by these items alone: {', '.join(not_needed)}.")
    return 0 if aimed and not not_needed else 1


# --- release ------------------------------------------------------------------------------------------


def _release(arguments: argparse.Namespace) -> int:
    from autograder.bundle import release

    notebooks = release(arguments.through, arguments.out, arguments.open)
    print(f"{arguments.out} holds the library and {', '.join(notebooks)}.")
    return 0
