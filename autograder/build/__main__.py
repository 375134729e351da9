"""`python -m autograder.build`: sources -> course/ (and, with their solutions, build/solved/)."""

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.build.assemble import assemble, draw_map
from autograder.build.check import extra, leaks, problems_between, problems_in_source, stale
from autograder.build.release import release
from autograder.build.sources import Source, read_days, read_source, source_paths
from autograder.rubric import Exercise, FreeAnswer, load_exercises, load_free_answers
from handmade.errors import UserError
from handmade.files import write_atomically


class Refused(Exception):
    """The build found problems; `problems` has a sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def make(
    root: Path, exercises: Mapping[str, Exercise], free_answers: Mapping[str, FreeAnswer]
) -> tuple[dict[str, str], dict[str, str]]:
    """The released and the solved notebooks of a repository, as texts by their paths. Writes nothing.

    Raises:
        Refused: something is wrong with the sources, or the release would give an answer away.
    """
    weeks = read_days(root)
    sources, problems = read_all(root)
    days = {day.stem: day for week in weeks for day in week.days}
    for source in sources:
        problems += problems_in_source(source, days, exercises)
    problems += problems_between(sources, exercises, free_answers)
    if problems:
        raise Refused(problems)

    package = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["handmade"]["colab_package"]
    course_map = draw_map(weeks, {source.notebook for source in sources})
    solved = {
        source.notebook: assemble(source, exercises, free_answers, package, course_map) for source in sources
    }
    released = release(solved)
    rubrics = [file.read_text(encoding="utf-8") for file in (root / "autograder" / "rubrics").glob("*.py")]
    for path, notebook in released.items():
        problems += leaks(path, notebook, sources, rubrics)
    if problems:
        raise Refused(problems)
    return _texts(released), _texts(solved)


def read_all(root: Path) -> tuple[list[Source], list[str]]:
    """The sources that can be read, and what is wrong with the others."""
    sources, problems = [], []
    for path in source_paths(root):
        try:
            sources.append(read_source(path, root))
        except UserError as error:
            problems.append(str(error))
    return sources, problems


def _texts(notebooks: Mapping[str, NotebookNode]) -> dict[str, str]:
    return {path: nbformat.writes(notebook) + "\n" for path, notebook in notebooks.items()}


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write what changed, each file aside and then renamed."""
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            with write_atomically(file) as out:
                out.write(text)
            print(f"wrote {file}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="autograder build", description="Build course/ from solutions/.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing in course/: refuse if it is stale"
    )
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: here)")
    arguments = parser.parse_args(argv)
    root, course = arguments.root, arguments.root / "course"
    try:
        if not (root / "solutions" / "days.toml").exists():
            raise UserError(
                "There is no solutions/days.toml here: run this in the repository, or give --root."
            )
        released, solved = make(root, load_exercises(), load_free_answers())
        if arguments.check and (problems := list(stale(course, released))):
            raise Refused(problems)
        write(root / "build" / "solved", solved)
        if not arguments.check:
            write(course, released)
            for path in extra(course, released):
                (course / path).unlink()
                print(f"removed {course / path}, which no source makes")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except Refused as refused:
        print(*refused.problems, sep="\n", file=sys.stderr)
        print(f"Nothing was written: {len(refused.problems)} to put right.", file=sys.stderr)
        return 2
    print(f"course/ holds {len(released)} notebooks, as their sources say.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
