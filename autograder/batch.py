"""Grading a class: find the submissions, hand them out to processes or to a cluster, and write as results come in.

Only this process writes. Each report is complete when its JSON is there, so a run that was killed goes on where it
stopped: what has a report made by the same grader from the same file is not graded again.
"""

import contextlib
import fcntl
import hashlib
import json
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.cluster import spread
from autograder.grade import Run, fingerprint, grade_notebook
from autograder.jail.levels import LEVELS
from autograder.names import page_name, same_to_some
from autograder.report import Report, write_class, write_report
from autograder.submission import released
from handmade.errors import UserError
from handmade.files import remove_half_written, write_atomically
from handmade.progress import Progress

LARGEST = 200 << 20  # bytes; a file that is larger is not read at all
RUN = "run.json"


@dataclass(frozen=True)
class Found:
    """One file to grade. `problem` says why it will not be."""

    learner: str
    path: Path
    assignment: str = ""  # nbgrader's, where the folders say it
    problem: str = ""


def find_submissions(folder: Path) -> list[Found]:
    """The notebooks in a folder: one a learner (`ada.ipynb`), or nbgrader's `[submitted/]ada/week2/day09.ipynb`.

    Raises:
        UserError: there is no such folder, or no notebook in it.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; give the one that holds the submissions.")
    if (folder / "submitted").is_dir():
        folder = folder / "submitted"
    found = []
    for kind in ("ipynb", "py"):
        found += [Found(path.stem, path) for path in sorted(folder.glob(f"*.{kind}"))]
        for path in sorted(folder.glob(f"*/*/*.{kind}")):
            if ".ipynb_checkpoints" not in path.parts:
                found.append(Found(path.parts[-3], path, path.parts[-2]))
    if not found:
        raise UserError(
            f"There are no notebooks in {folder}: put one a learner there (ada.ipynb), or in nbgrader's folders "
            "(submitted/ada/ASSIGNMENT/NAME.ipynb)."
        )
    return found


@dataclass(frozen=True)
class Task:
    """One submission to grade, as it travels to the process that does it."""

    found: Found
    file: str  # its path under the folder of submissions
    run: Run
    raw: bytes = b""

    def loaded(self) -> "Task":
        """With the submission's bytes, which are read only when it is its turn."""
        found, raw = _read(self.found)
        return replace(self, found=found, raw=raw)

    def do(self) -> Report:
        found = self.found
        return grade_notebook(
            self.raw, self.file, found.learner, self.run, found.assignment, problem=found.problem
        )


def grade_class(
    folder: Path,
    out: Path,
    run: Run,
    jobs: int = 1,
    scheduler: str = "",
    again: bool = False,
    same_seed: bool = False,
) -> list[Report]:
    """Grade every submission in a folder; reports and class pages are in `out`. Returns the reports.

    Args:
        jobs: how many processes of this machine.
        scheduler: the address of a Dask cluster, which then does the work.
        again: grade also what has an up-to-date report.
        same_seed: the seed of `run` was asked for, so reports with another one are not up to date.

    Raises:
        UserError: there is nothing to grade, `out` cannot be used, or the cluster cannot.
    """
    submissions = [_as_it_is(found, folder) for found in find_submissions(folder)]
    with _alone(out):
        remove_half_written(out)
        run, again = _begin(out, run, again, same_seed)
        _note(out, run, again, folder, finished=False)
        old = _reports_in(out)
        class_ = _Class(out, submissions)
        tasks = []
        for found in submissions:
            found, raw = _read(found)
            before = old.get((class_.page(found), hashlib.sha256(raw).hexdigest()))
            stale = before and before.get("started") != run.started  # from a run that came to its end
            if stale and (again or (same_seed and before.get("seed") != run.seed)):
                before = None
            if before and not found.problem and _still_holds(before, run):
                class_.take(found, before, written=True)
            else:
                tasks.append(Task(found, found.path.relative_to(folder).as_posix(), run))
        done = len(submissions) - len(tasks)
        with Progress(len(submissions), "grading", start=done) as bar:
            for task, report in spread(tasks, jobs, scheduler):
                class_.take(task.found, report)
                bar.advance(report["learner"])
        reports = class_.close(run)
        _note(out, run, again, folder, finished=True)
        return reports


class _Class:
    """The reports of a run, written as they come; what only the whole class can tell waits until the end."""

    def __init__(self, out: Path, submissions: Sequence[Found]) -> None:
        self.out, self.order = out, {found.path: number for number, found in enumerate(submissions)}
        self.files = Counter(found.learner for found in submissions)
        self.alike = Counter(same_to_some(learner) for learner in self.files)
        self.reports: dict[Path, Report] = {}
        self.waiting: dict[Path, tuple[Found, Report]] = {}

    def take(self, found: Found, report: Report, written: bool = False) -> None:
        """Write a report, unless it has to wait: of a notebook of no known day, or that may be one too many."""
        name = released(report["day"]).notebook if report["day"] else ""
        if not report["day"] or (self.files[found.learner] > 1 and found.path.stem != name):
            self.waiting[found.path] = (found, report)
        elif written:
            self.reports[found.path] = report
        else:
            self._write(found, report)

    def page(self, found: Found) -> str:
        """What the learner's files are called, so that nobody else's are."""
        return page_name(found.learner, apart=self.alike[same_to_some(found.learner)] > 1)

    def _write(self, found: Found, report: Report) -> None:
        page = self.page(found)
        if not report["day"]:  # of these a learner may have several
            page = f"{page}-{page_name(found.path.as_posix(), apart=True)[-8:]}"
        report = report | {"page": page}
        write_report(report, self.out)
        self.reports[found.path] = report

    def close(self, run: Run) -> list[Report]:
        """Settle what waited, and write the class pages."""
        days = {report["day"] for report in self.reports.values()}
        days |= {report["day"] for _, report in self.waiting.values() if report["day"]}
        for path in sorted(self.waiting, key=self.order.__getitem__):
            found, report = self.waiting[path]
            if not report["day"] and len(days) == 1:
                # A notebook in which nothing was found is of the day that all others are.
                (day,) = days
                report = _zero(found, report, run, report["problem"], day)
            taken = self._of(report["day"], report["learner"])
            if report["day"] and taken:
                only = f"Only one notebook a day is graded, and this learner's is {Path(taken['notebook']).name}."
                report = _zero(found, report, run, only, "")
            self._write(found, report)
        reports = [self.reports[path] for path in sorted(self.reports, key=self.order.__getitem__)]
        for day in sorted({report["day"] for report in reports}):
            write_class([report for report in reports if report["day"] == day], self.out)
        return reports

    def _of(self, day: str, learner: str) -> Report | None:
        return next((r for r in self.reports.values() if (r["day"], r["learner"]) == (day, learner)), None)


def _zero(found: Found, report: Report, run: Run, problem: str, day: str) -> Report:
    """The report of a submission that is not graded, with the reason."""
    zero = grade_notebook(
        b"", report["notebook"], found.learner, run, found.assignment, day=day, problem=problem
    )
    return zero | {"sha256": report["sha256"]}


def _as_it_is(found: Found, folder: Path) -> Found:
    """The same, with the reason why it is not to be opened, if there is one."""
    try:
        status = found.path.lstat()
        inside = found.path.resolve().is_relative_to(folder)
    except OSError as error:
        return replace(found, problem=f"The file cannot be read ({error.strerror}); hand it in again.")
    if stat.S_ISLNK(status.st_mode) or not inside:
        return replace(found, problem="The file is a link to another; hand in the notebook itself.")
    if not stat.S_ISREG(status.st_mode):
        return replace(found, problem="This is no file; hand in the notebook itself.")
    if status.st_size > LARGEST:
        return replace(found, problem="The file is over 200 MB; clear its outputs and hand it in again.")
    return found


def _read(found: Found) -> tuple[Found, bytes]:
    """A submission's bytes, or why there are none."""
    if found.problem:
        return found, b""
    try:
        return found, found.path.read_bytes()
    except OSError as error:
        return replace(found, problem=f"The file cannot be read ({error.strerror}); hand it in again."), b""


# --- Going on -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder: two runs at once would write over each other."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError:
        raise UserError(f"Another run is writing to {out}; wait for it, or choose another --out.") from None
    except OSError as error:
        raise UserError(
            f"The folder {out} cannot be made ({error.strerror}); choose another --out."
        ) from error


def _begin(out: Path, run: Run, again: bool, same_seed: bool) -> tuple[Run, bool]:
    """This run, or the one that was begun in the folder and did not come to its end: it goes on with its seed.

    After the end a new run draws a new one. Reports tell the seed, and with it an answer could learn what to return.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before = json.loads((out / RUN).read_text(encoding="utf-8"))
        if not before["finished"] and not (same_seed and before["seed"] != run.seed):
            run = replace(run, seed=int(before["seed"]), started=str(before["started"]))
            again = bool(before["again"])
    return run, again


def _note(out: Path, run: Run, again: bool, folder: Path, finished: bool) -> None:
    """What `_begin` and `regrade` need to know."""
    facts = {"seed": run.seed, "started": run.started, "again": again}
    with write_atomically(out / RUN) as file:
        json.dump(facts | {"submissions": str(folder), "finished": finished}, file)


def regrade(path: Path, notebook: Path | None) -> tuple[Report, Report]:
    """A report, and what the same file gets when it is graded again with the same inputs.

    Raises:
        UserError: `path` is no report, or the notebook is not found or is another.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        run = Run(report["seed"], report["limits"]["seconds"], device=report["device"])
        if notebook is None:
            notebook = (
                Path(json.loads((path.parents[1] / RUN).read_text())["submissions"]) / report["notebook"]
            )
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} is not a report in the folder of a run; give a LEARNER.json that `grade` wrote."
        ) from None
    try:
        raw = notebook.read_bytes()
    except OSError as error:
        raise UserError(
            f"The submission {notebook} cannot be read ({error.strerror}); give it with --notebook."
        ) from None
    if hashlib.sha256(raw).hexdigest() != report["sha256"]:
        raise UserError(
            f"{notebook} is not the file that was graded: it has changed since. Give that one with --notebook."
        )
    again = grade_notebook(
        raw, report["notebook"], report["learner"], run, report["assignment"], report["day"]
    )
    return report, again


def _reports_in(out: Path) -> dict[tuple[str, str], Report]:
    """The reports that are in a folder, by page and what was graded. What is no report is passed over."""
    reports = {}
    for path in sorted(out.glob("*/*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            report = json.loads(path.read_text(encoding="utf-8"))
            if path.stem == report["page"]:
                reports[report["page"], report["sha256"]] = report
    return reports


def _still_holds(report: Report, run: Run) -> bool:
    """Whether grading the same file again would be the same work again."""
    isolation = report.get("isolation", {})
    return (
        report.get("grader") == fingerprint()
        and report.get("limits", {}).get("seconds") == run.limit
        and report.get("device") == run.device
        # not one that was cut short, nor one from a system that isolates less than is required now
        and bool(report.get("problem") or (isolation.get("locks") and _does(isolation.get("level"), run)))
    )


def _does(level: str, run: Run) -> bool:
    """Whether this level is at least the one that the run requires."""
    return not run.isolation or level in LEVELS[: LEVELS.index(run.isolation) + 1]
