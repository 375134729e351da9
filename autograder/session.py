"""A learner's notebook, run: for each exercise a jailed process in which all that the notebook defines is there.

The namespace in which an exercise is judged is formed like this:

1. the instructor's imports, definitions and constants, from the released notebook;
2. then the learner's cells in the order of the notebook, as a kernel would run them, except those that are the
   instructor's unchanged. A cell that raises costs nothing by itself: what it defined before that is there. One
   that does not end, or ends its process, is left out, but for its definitions;
3. of several definitions of an exercise's name, the one in the exercise's own cell counts (`find_answer`);
4. in place of the learner's answers to the day's *earlier* exercises, the model answers. Later ones stay the
   learner's: a model answer to a later exercise could give this one away.

`handmade` is the library as it stands before the exercise: without its answer and all that come after.
"""

import compileall
import hashlib
from collections.abc import Sequence

from autograder.jail.handling import Branch, NotJailed, Nursery, Process, Spawned, Spawner
from autograder.jail.levels import Limits
from autograder.library import library_before
from autograder.remote import Channel, LearnerError
from autograder.rubric import Exercise, load_exercises
from autograder.submission import Cell, find_answer, released, squeeze

SLOW = 2.0  # seconds; a cell that takes longer, and is no answer, is run in full only once
MOST = 6  # times `seconds` for all cells that are no answers; after that definitions only, after twice that nothing
MOST_LOST = 10  # processes that cells may take with them; after that only the answers' cells are run
SETTLING = 20.0  # seconds for importing the library's answers, on a busy machine


class Missing(Exception):
    """There is nothing to judge; the message says why, in one sentence."""


class Session:
    """One submission's cells of one day. `seconds` is what each cell may take."""

    def __init__(self, cells: Sequence[Cell], day: str, nursery: Nursery | Spawner, seconds: float) -> None:
        self.day, self.nursery, self.seconds, self.released = day, nursery, seconds, released(day)
        self.exercises = [exercise for exercise in load_exercises().values() if exercise.day == day]
        self.answers = {exercise: find_answer(exercise, cells) for exercise in self.exercises}
        answers = self.answers.values()
        self.cells = [cell for cell in cells if cell in answers or not self._instructors(cell)]
        self.ready: dict[Exercise, Process] = {}  # started ahead
        self.shortened: set[Cell] = set()  # of which only the definitions are run
        self.left_out: set[Cell] = set()
        self.trouble: dict[Cell, LearnerError] = {}  # what running a cell ended in
        self.something_lost = False  # in an exercise examined before
        self.cut_short = False  # a worker could not be locked in
        self.locks: list[str] = []  # what held the processes
        self.lost = 0  # processes that a cell took with it
        self.spent = 0.0  # seconds on cells that are no answers, over all exercises

    def _instructors(self, cell: Cell) -> bool:
        """A cell of the released notebook as it was, or a demonstration, neither of which is the learner's work."""
        # The build names a cell after its text, so cells of an earlier release can be told too.
        digest = hashlib.sha256(cell.written.encode(errors="replace")).hexdigest()[:8]
        unchanged = squeeze(cell.written) in self.released.texts or cell.id.startswith(f"{self.day}-{digest}")
        return unchanged or "demonstration" in cell.tags

    def open(self, exercise: Exercise, corrected: bool = True) -> Process:
        """A process in which the notebook has run; `corrected`: with model answers to the earlier exercises.

        Raises:
            Missing: the exercise's answer is not there to be judged.
        """
        name, answer = exercise.defines, self.answers[exercise]
        if answer is None:
            raise Missing(f"The notebook does not define `{name}`.")
        if answer.problem:
            raise Missing(f"The cell of `{name}` is not valid Python: {answer.problem}.")
        while True:  # each time round, one cell more is shortened or left out
            process = self.ready.pop(exercise, None) or self._start(exercise)
            stand_ins = earlier_answers(exercise) if corrected else {}
            names = self._run(process, stand_ins)
            if names is not None:
                break
            process.close()
        if name in names:
            for following in self.exercises[self.exercises.index(exercise) + 1 :][:1]:
                if following not in self.ready:  # it gets ready while this one is examined
                    self.ready[following] = self._start(following)
            return process
        process.close()
        trouble = self.trouble.get(answer)
        if name not in answer.defines:
            others = ", ".join(f"`{other}`" for other in answer.defines)
            raise Missing(
                f"The cell of `{name}` does not define it" + (f", but {others}." if others else ".")
            )
        if trouble and trouble.type == "TimeUp":
            raise Missing(f"The cell of `{name}` did not finish: {trouble.message}.")
        raise Missing(f"The cell of `{name}` stopped before defining it: {trouble or 'its process ended'}.")

    def close(self) -> None:
        """Let go of what was started and not needed."""
        for process in self.ready.values():
            process.close()

    def _start(self, exercise: Exercise) -> Process:
        try:
            return branch(self.nursery, exercise).worker(Limits())
        except OSError as error:
            raise NotJailed(f"what starts workers is gone: {error.strerror or error}") from None

    def _run(self, process: Process, stand_ins: dict[str, str]) -> list[str] | None:
        """Run the notebook in a process; the names that it defines, or None if a cell took the process with it."""
        channel = Channel(process.send)
        for cell in self.cells:
            if cell in self.left_out or self._too_much(cell):
                continue
            process.allow(self.seconds)
            try:
                channel.ask(
                    "cell",
                    source=cell.source,
                    name=f"code cell {cell.number}",
                    only_definitions=cell in self.shortened or self.spent > MOST * self.seconds,
                    answers=[e.defines for e, answer in self.answers.items() if answer is cell],
                )
            except LearnerError as error:
                self.trouble.setdefault(cell, error)
                if process.gone:
                    (self.left_out if cell in self.shortened else self.shortened).add(cell)
                    self.lost += 1
                    return None
            finally:
                if cell not in self.answers.values():
                    took = self.seconds - process.left
                    self.spent += took
                    if took > SLOW and not process.gone:
                        self.shortened.add(cell)
        process.allow(SETTLING)
        try:
            names = channel.ask("settle", stand_ins=stand_ins)
        except LearnerError as error:  # it broke what importing needs, or ended in the background
            process.close()
            raise Missing(f"The notebook as a whole cannot be used: {error}.") from None
        self.locks = process.locks
        return names if isinstance(names, list) else []

    def _too_much(self, cell: Cell) -> bool:
        too_long = self.spent > 2 * MOST * self.seconds or self.lost > MOST_LOST
        return too_long and cell not in self.answers.values()


def before(exercise: Exercise) -> list[Exercise]:
    """The day's exercises before this one."""
    day = [other for other in load_exercises().values() if other.day == exercise.day]
    return day[: day.index(exercise)]


def branch(nursery: Nursery | Spawner, exercise: Exercise) -> Branch | Spawned:
    """Of which the exercise's workers are forks: it has the library as it stands before the answer."""
    folder = nursery.libraries / exercise.answer
    if not folder.exists():
        library_before(exercise.answer, folder)
        # Workers could not keep what they compile. And an answer that stands in is not to be read, and told.
        compileall.compile_dir(folder, quiet=2, legacy=True)
        for source in folder.rglob("*.py"):
            source.unlink()
    return nursery.branch(exercise.answer, released(exercise.day).setup, earlier_answers(exercise))


def earlier_answers(exercise: Exercise) -> dict[str, str]:
    """What stands in for a learner's earlier answers of the day: names, and the library's modules that have them."""
    return {other.defines: other.answer.rpartition(".")[0] for other in before(exercise)}
