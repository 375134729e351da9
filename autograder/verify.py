"""Does a rubric do what its author says? Every known answer against every item, as a matrix.

A wrong answer must lose exactly the items that it is aimed at, and a right one none. The `whole` item, the safety
net, may fail beside any other. And each item must be needed: there is a wrong answer that it alone catches.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.examine import known_answer, run_item
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.report import templates
from autograder.rubric import Exercise, Item
from handmade.files import write_atomically

# How an item and a known answer meet: the mark, and what it means.
MARKS = {
    "caught": ("✗", "caught, as aimed"),
    "beside": ("+", "the safety net, which may fail beside any other"),
    "passed": ("·", "passed"),
    "stray": ("!", "lost, but NOT AIMED at"),
    "missed": ("?", "aimed at, but NOT CAUGHT"),
    "wavers": ("~", "caught with some seeds only"),
}


@dataclass(frozen=True)
class Row:
    """One known answer, and with each seed the items that it lost."""

    exercise: Exercise
    known: KnownAnswer
    lost: tuple[frozenset[str], ...]

    def kind(self, item: Item) -> str:
        """How the item met this answer: a key of MARKS."""
        times = sum(item.name in lost for lost in self.lost)
        if item.name in self.known.fails:
            return "caught" if times == len(self.lost) else "wavers" if times else "missed"
        if not times:
            return "passed"
        return "beside" if item.whole and not self.known.right else "stray"

    @property
    def as_aimed(self) -> bool:
        return not {"stray", "missed", "wavers"} & {self.kind(item) for item in self.exercise.items}

    @property
    def caught_by(self) -> list[str]:
        """The items that catch it with every seed; the safety net only if nothing else does."""
        items = [item for item in self.exercise.items if all(item.name in lost for lost in self.lost)]
        return [item.name for item in items if not item.whole] or [item.name for item in items]


@dataclass(frozen=True)
class Matrix:
    """All of an exercise's known answers."""

    exercise: Exercise
    rows: tuple[Row, ...]

    @cached_property
    def alone(self) -> dict[str, int]:
        """For each item, how many wrong answers it alone catches."""
        caught = [row.caught_by for row in self.rows if not row.known.right]
        return {item.name: caught.count([item.name]) for item in self.exercise.items}

    @property
    def not_needed(self) -> list[str]:
        return [name for name, count in self.alone.items() if not count]

    @property
    def good(self) -> bool:
        return all(row.as_aimed for row in self.rows) and not self.not_needed

    def __str__(self) -> str:
        """A line an item, which gives it a number, and a line a known answer, with a column for each number."""
        items = self.exercise.items
        width = len(str(len(items))) + 1
        lines = [f"{self.exercise.name}, {self.exercise.points} points"]
        longest = max(len(item.name) for item in items)
        for number, item in enumerate(items, 1):
            alone = self.alone[item.name]
            said = f"alone catches {alone}" if alone else "NOTHING IS CAUGHT BY THIS ALONE: is it needed?"
            lines.append(f"{number:>{width + 2}}  {item.name:<{longest}}  {item.statement} ({said})")
        lines += ["", "  " + "".join(f"{number:>{width}}" for number in range(1, len(items) + 1))]
        for row in self.rows:
            marks = "".join(MARKS[row.kind(item)][0].rjust(width) for item in items)
            kind = "right" if row.known.right else "wrong"
            lines.append(f"  {marks}  {'' if row.as_aimed else 'NOT AS AIMED: '}{kind}: {row.known.sentence}")
        return "\n".join(lines)


def verify(exercise: Exercise, seeds: Iterable[int]) -> Matrix:
    """Judge every known answer of one exercise with each seed."""
    seeds, rows = list(seeds), []
    for known in load_known_answers().get(exercise.name, []):
        send = known_answer(known, exercise)
        lost = [
            frozenset(item.name for item in exercise.items if run_item(exercise, item, send, seed).reason)
            for seed in seeds
        ]
        rows.append(Row(exercise, known, tuple(lost)))
    return Matrix(exercise, tuple(rows))


def write_page(matrices: Sequence[Matrix], seeds: int, path: Path) -> None:
    """Draw the matrices on a page.

    Raises:
        UserError: the page cannot be written there.
    """
    page = templates().get_template("verify.html").render(matrices=matrices, seeds=seeds, marks=MARKS)
    with write_atomically(path) as file:
        file.write(page)
