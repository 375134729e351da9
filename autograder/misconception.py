"""How known answers are written: wrong ones, each with a single mistake, and right ones in another style.

    @wrong("day09.attention_weights", fails="rows")
    def attention_weights(q, k, mask=None):
        '''The mask is applied after the softmax, so the rows no longer sum to 1.'''
        ...

A known answer is complete code for the stub. A wrong one says which item it fails, and its docstring is the
sentence that a learner with the same mistake reads. It is used twice: to test the rubric (it must lose exactly
that item) and to diagnose learners (`autograder.examine` compares outputs). A right one must lose nothing.

Where the mistake is a few words in a long answer, only those are written, after the words of the model answer in
whose place they stand:

    slip("day08.GPTConfig", "head_size", "head_size is divided with /, which makes a float.",
         ("self.n_embd // self.n_head", "self.n_embd / self.n_head"))
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from autograder.rubric import import_all, load_exercises


@dataclass(frozen=True)
class KnownAnswer:
    """Code for one exercise. `fails` names the items that it loses: none if it is right."""

    exercise: str
    code: Any  # the function or class
    sentence: str
    fails: frozenset[str]
    written: str = ""  # its source, where that stands in no file

    @property
    def right(self) -> bool:
        return not self.fails

    def source(self) -> str:
        """What a learner would have written in the cell: the code without its decorator and docstring.

        A class of the same file that it builds on comes before it: known answers that change one method each.
        """
        if self.written:
            return self.written
        definition = self._definition()
        definition.decorator_list = [d for d in definition.decorator_list if not _is_ours(d)]
        if ast.get_docstring(definition) == self.sentence and len(definition.body) > 1:
            definition.body = definition.body[1:]
        bases = getattr(self.code, "__bases__", ())
        own = [inspect.getsource(base) for base in bases if base.__module__ == self.code.__module__]
        return "\n\n".join([*own, ast.unparse(definition) + "\n"])

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


def _is_ours(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in ("wrong", "right")


def wrong(exercise: str, fails: str | tuple[str, ...]) -> Callable[[Any], KnownAnswer]:
    """Register the decorated function or class as a known wrong answer that loses exactly the item(s) `fails`."""
    return _register(exercise, frozenset([fails] if isinstance(fails, str) else fails))


def right(exercise: str) -> Callable[[Any], KnownAnswer]:
    """Register the decorated function or class as a correct answer written in another way."""
    return _register(exercise, frozenset())


def slip(exercise: str, fails: str | tuple[str, ...], sentence: str, *changes: tuple[str, str]) -> None:
    """Register the model answer with words changed, (those in it, those in their place), as a known wrong answer."""
    reference = load_exercises()[exercise].reference()
    written = inspect.getsource(reference)
    for old, new in changes:
        if old not in written:
            raise ValueError(f"{exercise}: the model answer does not hold {old!r}")
        written = written.replace(old, new)
    namespace = dict(vars(inspect.getmodule(reference)))
    exec(compile(written, f"<{exercise}>", "exec"), namespace)
    aimed = frozenset([fails] if isinstance(fails, str) else fails)
    _registry.append(KnownAnswer(exercise, namespace[reference.__name__], sentence, aimed, written))


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
