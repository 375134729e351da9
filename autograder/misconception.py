"""How known answers are written: wrong ones, each with a single mistake, and right ones in another style.

    @wrong("day09.attention_weights", fails="rows")
    def attention_weights(q, k, mask=None):
        '''The mask is applied after the softmax, so the rows no longer sum to 1.'''
        ...

A known answer is complete code for the stub. A wrong one says which item it fails, and its docstring is the
sentence that a learner with the same mistake reads. It is used twice: to test the rubric (it must lose exactly
that item) and to diagnose learners (`autograder.examine` compares outputs). A right one must lose nothing.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from autograder.rubric import import_all


@dataclass(frozen=True)
class KnownAnswer:
    """Code for one exercise. `fails` names the items that it loses: none if it is right."""

    exercise: str
    code: Any  # the function or class
    sentence: str
    fails: frozenset[str]

    @property
    def right(self) -> bool:
        return not self.fails

    def source(self) -> str:
        """What a learner would have written in the cell: the code without its decorator and docstring."""
        definition = self._definition()
        definition.decorator_list = []
        if ast.get_docstring(definition) == self.sentence and len(definition.body) > 1:
            definition.body = definition.body[1:]
        return ast.unparse(definition) + "\n"

    def _definition(self) -> ast.FunctionDef | ast.ClassDef:
        if not inspect.isclass(self.code):
            return ast.parse(textwrap.dedent(inspect.getsource(self.code))).body[0]
        # Until Python 3.13 `inspect` finds the first class of a name, and here many have the same one.
        tree = ast.parse(inspect.getsource(inspect.getmodule(self.code)))
        (definition,) = (
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            and node.name == self.code.__name__
            and ast.get_docstring(node) == inspect.getdoc(self.code)
        )
        return definition


def wrong(exercise: str, fails: str | tuple[str, ...]) -> Callable[[Any], KnownAnswer]:
    """Register the decorated function or class as a known wrong answer that loses exactly the item(s) `fails`."""
    return _register(exercise, frozenset([fails] if isinstance(fails, str) else fails))


def right(exercise: str) -> Callable[[Any], KnownAnswer]:
    """Register the decorated function or class as a correct answer written in another way."""
    return _register(exercise, frozenset())


def _register(exercise: str, fails: frozenset[str]) -> Callable[[Any], KnownAnswer]:
    def make(code: Any) -> KnownAnswer:
        sentence = inspect.getdoc(code)
        if not sentence:
            raise TypeError(f"{code.__qualname__}, a known answer to {exercise}, needs a docstring")
        known = KnownAnswer(exercise, code, " ".join(sentence.split()), fails)
        _registry.append(known)
        return known

    return make


_registry: list[KnownAnswer] = []


@cache
def load_known_answers() -> dict[str, list[KnownAnswer]]:
    """Every known answer, by exercise, in the order written."""
    import_all("autograder.misconceptions")
    answers: dict[str, list[KnownAnswer]] = {}
    for known in _registry:
        answers.setdefault(known.exercise, []).append(known)
    return answers
