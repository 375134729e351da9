"""How a day's hidden checks are written.

    @exercise("day09.attend", answer="handmade.attention.attend")
    class Attend:
        '''Scaled dot-product attention'''

        @item(2)
        def causality(learner, rand):
            '''No position sees a later one.'''
            ...

An exercise is a class of items; an item is a function of the learner's namespace and of random inputs that
returns when one property holds and raises `expect.Failed` when it does not. Its docstring is what the learner
sees. `learner.attend(q, k, v)` reaches the learner's code through `autograder.remote`: only plain data crosses.

An item isolates one mechanism: it must hold for code whose other mechanisms are wrong. The exception is an item
marked `whole`, the safety net that compares everything at once: it fails with any other, and alone for a
mistake that nobody foresaw.

What no machine can judge is a free answer: a question in the notebook that a person grades, in formgrader.

    free_answer("day09.explain_scale", points=2, criteria="One point for ..., one for ...")
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

Check = Callable[[Any, Any], None]


@dataclass(frozen=True)
class Item:
    """One property, and what it is worth."""

    name: str
    points: int
    statement: str  # one sentence, shown to the learner
    check: Check
    whole: bool = False
    steady: bool = True  # the same code returns the same again, in another process too


@dataclass(frozen=True)
class Exercise:
    """One stub in a notebook: `name` is "day09.attend", `answer` is "handmade.attention.attend"."""

    name: str
    title: str
    answer: str
    items: tuple[Item, ...]
    seconds: float | None = None  # what the learner's code may take; None: what the command says

    @property
    def points(self) -> int:
        return sum(item.points for item in self.items)

    @property
    def day(self) -> str:
        """The day's part of the name: "day09"."""
        return self.name.split(".")[0]

    @property
    def defines(self) -> str:
        """The name that the stub defines: "attend"."""
        return self.answer.rsplit(".", 1)[1]

    @property
    def cell_id(self) -> str:
        """The id of its solution cell, and nbgrader's grade_id, which may not hold a dot: "day09-attend"."""
        return self.name.replace(".", "-")

    @property
    def check_id(self) -> str:
        """The same for the cell of its visible check, where nbgrader keeps the points: "day09-attend-check"."""
        return self.cell_id + "-check"

    def reference(self) -> Any:
        """The model answer itself, from the library."""
        module, name = self.answer.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class FreeAnswer:
    """A question that a person grades. `criteria` says what a good answer contains; learners never see it."""

    name: str  # "day09.explain_scale"
    points: int
    criteria: str

    @property
    def day(self) -> str:
        return self.name.split(".")[0]

    @property
    def cell_id(self) -> str:
        """The id of its cell, and nbgrader's grade_id: "day09-explain_scale"."""
        return self.name.replace(".", "-")


def item(points: int, whole: bool = False, steady: bool = True) -> Callable[[Check], Item]:
    """Mark a function as an item worth `points`. One that trains is not `steady`: with each step rounding grows."""

    def make(check: Check) -> Item:
        statement = inspect.getdoc(check)
        if not statement:
            raise TypeError(f"item {check.__name__} needs a docstring: it is what the learner reads")
        return Item(check.__name__, points, statement, check, whole, steady)

    return make


def exercise(name: str, answer: str, seconds: float | None = None) -> Callable[[type], Exercise]:
    """Turn a class of items into an Exercise, in the order written, and register it."""

    def make(cls: type) -> Exercise:
        items = tuple(value for value in vars(cls).values() if isinstance(value, Item))
        made = Exercise(name, inspect.getdoc(cls) or name, answer, items, seconds)
        if name in _registry:
            raise TypeError(f"two rubrics are called {name}")
        _registry[name] = made
        return made

    return make


def free_answer(name: str, points: int, criteria: str) -> None:
    """Register a question that a person grades."""
    if name in _free_answers:
        raise TypeError(f"two free answers are called {name}")
    _free_answers[name] = FreeAnswer(name, points, inspect.cleandoc(criteria))


_registry: dict[str, Exercise] = {}
_free_answers: dict[str, FreeAnswer] = {}


@cache
def load_exercises() -> dict[str, Exercise]:
    """Every exercise of every day, in the order of the course."""
    import_all("autograder.rubrics")
    return dict(_registry)


@cache
def load_free_answers() -> dict[str, FreeAnswer]:
    """Every free answer of every day, in the order of the course."""
    import_all("autograder.rubrics")
    return dict(_free_answers)


def import_all(package: str) -> None:
    """Import every module of a package, in the order of the names."""
    for module in sorted(
        pkgutil.iter_modules(importlib.import_module(package).__path__), key=lambda m: m.name
    ):
        importlib.import_module(f"{package}.{module.name}")
