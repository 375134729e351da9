"""Reports: for each submission JSON and a page for the learner, and for each day a page for the instructor.

What the learner's code said (an error's message, a name, a value) is text, cut to length and escaped. Nothing of
a hidden check or a model answer is in a report, beyond what the check's author wrote for learners to read.
"""

import json
import platform
import re
import shlex
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

import handmade
from autograder.examine import ExerciseResult
from autograder.jail.levels import MEANINGS, Limits
from autograder.names import page_name, shown_name
from autograder.picture import caption, draw
from handmade.files import write_atomically

if TYPE_CHECKING:
    from autograder.grade import Run

Report = dict[str, Any]

LONGEST = 600  # characters of a text that may come from a learner
UNKNOWN = "no-day"  # the folder for notebooks of which nobody can say the day


def clean(text: str) -> str:
    """Text that is safe to print: one line, of printable characters, not too long."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def as_report(
    run: "Run",
    *,
    learner: str,
    file: str,
    digest: str,
    day: str,
    title: str,
    assignment: str,
    problem: str,
    results: Sequence[ExerciseResult],
    places: Mapping[str, str],
    level: str,
    locks: Sequence[str],
    grader: str,
    seconds: float,
) -> Report:
    """One submission's report, as `report_schema.json` describes it."""
    return {
        "learner": shown_name(learner, clean(learner)),
        "page": page_name(learner),
        "notebook": shown_name(file, clean(file)),
        "sha256": digest,
        "assignment": clean(assignment),
        "day": day,
        "title": title,
        "earned": sum(result.earned for result in results),
        "points": sum(result.points for result in results),
        "problem": clean(problem),
        "exercises": [_exercise(result, places.get(result.exercise, "")) for result in results],
        "seed": run.seed,
        "isolation": {
            "level": level,
            "meaning": MEANINGS.get(level, "nothing of the learner's was run"),
            "locks": list(locks),
        },
        "limits": {"seconds": run.limit, "memory_bytes": Limits().memory},
        "device": run.device,
        "grader": grader,
        "started": run.started,
        "seconds": round(seconds, 3),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "handmade": handmade.__version__,
        },
    }


def _exercise(result: ExerciseResult, place: str) -> Report:
    return {
        "exercise": result.exercise,
        "title": result.title,
        "earned": result.earned,
        "points": result.points,
        "seconds": round(result.seconds, 3),
        "place": clean(place),
        "mistake": result.diagnosis,
        "items": [
            {
                "item": item.item,
                "statement": item.statement,
                "earned": item.earned,
                "points": item.points,
                "reason": clean(item.reason),
                "picture": item.picture,
            }
            for item in result.items
        ],
    }


# --- What it says -------------------------------------------------------------------------------------


def why(report: Report) -> list[tuple[str, str]]:
    """The exercises that lost points, each with the mistake's name or else the first two reasons."""
    lost = [exercise for exercise in report["exercises"] if exercise["earned"] < exercise["points"]]
    return [(short(exercise), reason(exercise)) for exercise in lost]


def short(exercise: Report) -> str:
    """An exercise's name without its day: "attend"."""
    return exercise["exercise"].partition(".")[2]


def reason(exercise: Report) -> str:
    """Why an exercise lost points: the mistake's name, or else the first two reasons."""
    reasons = dict.fromkeys(item["reason"] for item in exercise["items"] if item["reason"])
    return exercise["mistake"] or "; ".join(list(reasons)[:2])


def most_missed(class_: Iterable[Report]) -> list[tuple[str, str, int]]:
    """Exercise, property and how many lost it, the most missed first.

    What could not be judged at all, so that one reason stands at every item, says nothing about a property.
    """
    exercises = [exercise for report in class_ for exercise in report["exercises"]]
    judged = [e for e in exercises if len({item["reason"] for item in e["items"]}) > 1]
    lost = Counter(
        (e["title"], item["statement"])
        for e in judged
        for item in e["items"]
        if item["earned"] < item["points"]
    )
    return [(exercise, statement, count) for (exercise, statement), count in lost.most_common()]


def mistakes(class_: Iterable[Report]) -> list[tuple[str, str, list[Report]]]:
    """Exercise, named mistake and the reports of who made it, the most frequent first."""
    made = defaultdict(list)
    for report in class_:
        for exercise in report["exercises"]:
            if exercise["mistake"]:
                made[exercise["title"], exercise["mistake"]].append(report)
    most_first = sorted(made.items(), key=lambda each: -len(each[1]))
    return [(exercise, sentence, who) for (exercise, sentence), who in most_first]


def isolation(class_: Iterable[Report]) -> list[tuple[str, str, int]]:
    """Level, its meaning and how many were graded with it."""
    levels = Counter((each["isolation"]["level"], each["isolation"]["meaning"]) for each in class_)
    return [(level, meaning, count) for (level, meaning), count in levels.most_common() if level]


# --- Writing ------------------------------------------------------------------------------------------


def write_report(report: Report, out: Path) -> None:
    """Write PAGE.html and then PAGE.json into the folder of the day: where there is JSON, all is there."""
    folder = out / (report["day"] or UNKNOWN)
    folder.mkdir(parents=True, exist_ok=True)
    name = report["page"]
    with write_atomically(folder / f"{name}.html") as file:
        file.write(templates().get_template("learner.html").render(report=report))
    with write_atomically(folder / f"{name}.json") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


def write_class(reports: Sequence[Report], out: Path) -> None:
    """Write the instructor's page of one day, index.html."""
    graded = [report for report in reports if not report["problem"]]
    page = (
        templates()
        .get_template("class.html")
        .render(
            day=reports[0]["title"] or "Notebooks of no known day",
            points=reports[0]["points"],
            reports=reports,
            graded=graded,
            median=statistics.median(report["earned"] for report in graded) if graded else 0,
            full=sum(report["earned"] == report["points"] for report in graded),
            missed=most_missed(reports),
            mistakes=mistakes(reports),
            isolation=isolation(reports),
        )
    )
    with write_atomically(out / (reports[0]["day"] or UNKNOWN) / "index.html") as file:
        file.write(page)


def repeat(report: Report) -> str:
    """The command that grades a submission again with the same inputs, for the folder of the reports."""
    return "autograder regrade " + shlex.quote(f"{report['day'] or UNKNOWN}/{report['page']}.json")


@cache
def templates() -> Environment:
    """The pages. What is put into them is escaped, all but our own SVG."""
    environment = Environment(
        loader=PackageLoader("autograder"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": _code, "drawn": draw, "caption": caption}
    environment.globals |= {"reason": reason, "repeat": repeat, "short": short}
    return environment


def _code(text: str) -> Markup:
    """Escaped, with what stands in backticks set as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def score(part: dict[str, Any]) -> str:
    """ "3/9"; "–" where nothing could be scored."""
    return f"{part['earned']}/{part['points']}" if part["points"] else "–"
