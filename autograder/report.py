"""Reports: for each submission JSON and a page for the learner, and for each day a page for the instructor.

What the learner's code said (an error's message, a name, a value) is text, cut to length and escaped. Nothing of
a hidden check or a model answer is in a report, beyond what the check's author wrote for learners to read.
"""

import json
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

import handmade
from autograder.confine import ISOLATION, MEANING
from autograder.examine import ExerciseResult
from autograder.grade import Graded, mistakes, most_missed, title
from handmade.files import write_atomically

LONGEST = 600  # characters of a text that may come from a learner
UNKNOWN = "no-day"  # the folder for notebooks of which nobody can say the day


@dataclass(frozen=True)
class Run:
    """What is the same for every submission of one run."""

    seed: int
    limit: float
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def clean(text: str) -> str:
    """Text that is safe to print: one line, of printable characters, not too long."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def as_data(graded: Graded, run: Run) -> dict[str, Any]:
    """One submission's report, as `report_schema.json` describes it."""
    return {
        "learner": clean(graded.learner),
        "notebook": clean(graded.notebook),
        "assignment": clean(graded.assignment),
        "day": graded.day,
        "title": title(graded.day) if graded.day else "",
        "earned": graded.earned,
        "points": graded.points,
        "problem": clean(graded.problem),
        "exercises": [_exercise(result, graded) for result in graded.results],
        "seed": run.seed,
        "isolation": {"level": ISOLATION, "meaning": MEANING},
        "limit_seconds": run.limit,
        "started": run.started,
        "seconds": round(graded.seconds, 3),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "handmade": handmade.__version__,
        },
    }


def _exercise(result: ExerciseResult, graded: Graded) -> dict[str, Any]:
    return {
        "exercise": result.exercise,
        "title": result.title,
        "earned": result.earned,
        "points": result.points,
        "place": clean(graded.places.get(result.exercise, "")),
        "mistake": result.diagnosis,
        "items": [
            {
                "item": item.item,
                "statement": item.statement,
                "earned": item.earned,
                "points": item.points,
                "reason": clean(item.reason),
            }
            for item in result.items
        ],
    }


def why(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The exercises that lost points, each with the mistake's name or else the first two reasons."""
    lost = []
    for exercise in report["exercises"]:
        reasons = list(dict.fromkeys(item["reason"] for item in exercise["items"] if item["reason"]))
        if reasons:
            lost.append(
                (exercise["exercise"].partition(".")[2], exercise["mistake"] or "; ".join(reasons[:2]))
            )
    return lost


# --- Writing ------------------------------------------------------------------------------------------


def write_report(report: dict[str, Any], out: Path) -> None:
    """Write LEARNER.json and LEARNER.html into the folder of the day."""
    folder = out / (report["day"] or UNKNOWN)
    folder.mkdir(parents=True, exist_ok=True)
    name = file_name(report)
    with write_atomically(folder / f"{name}.json") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    with write_atomically(folder / f"{name}.html") as file:
        file.write(_templates().get_template("learner.html").render(report=report))


def write_class(day: str, class_: list[Graded], reports: list[dict[str, Any]], out: Path) -> None:
    """Write the instructor's page of one day, index.html."""
    page = (
        _templates()
        .get_template("class.html")
        .render(
            day=title(day) if day else "Notebooks of no known day",
            reports=reports,
            missed=most_missed(class_),
            mistakes=mistakes(class_),
            why=why,
            file_name=file_name,
        )
    )
    with write_atomically(out / (day or UNKNOWN) / "index.html") as file:
        file.write(page)


def file_name(report: dict[str, Any]) -> str:
    """What a learner's files are called. Of a notebook without a day there may be several, so its own name is added."""
    if report["day"] and report["learner"] != "index":
        return report["learner"]
    return f"{report['learner']}-{Path(report['notebook']).stem}"


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("autograder"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    return environment


def _code(text: str) -> Markup:
    """Escaped, with what stands in backticks set as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def summary(reports: Iterable[dict[str, Any]]) -> list[list[str]]:
    """Rows for the table: learner, score, and a score for each exercise."""
    return [
        [report["learner"], score(report), *(score(exercise) for exercise in report["exercises"])]
        for report in reports
    ]


def score(part: dict[str, Any]) -> str:
    """ "3/9"; "–" where nothing could be scored."""
    return f"{part['earned']}/{part['points']}" if part["points"] else "–"
