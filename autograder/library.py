"""The library as a learner may see it: with the answers of earlier exercises, without those still open.

The table of days names the answers in the order of the course. In a copy of the library made for one of them, that
one and all later ones are taken out:

- a function keeps its name, its arguments and what it is for; a class keeps its name and its bases. Both raise
  NotImplementedError when called, so a module that imports them can still be imported;
- a module that is an answer as a whole raises ImportError;
- what only they used goes with them: private helpers, and constants that are made by calling them.

Everything else stays as it was written, comments too.
"""

import ast
import copy
import re
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import handmade

ROOT = Path(__file__).parents[1]
Definition = ast.FunctionDef | ast.ClassDef


@cache
def answers() -> dict[str, str]:
    """Every answer in the library and the number of its day, in the order of the course."""
    # Not through autograder.build, which loads jupytext: a second that grading need not wait for.
    table = tomllib.loads((ROOT / "solutions" / "days.toml").read_text(encoding="utf-8"))
    days = [day for week in table["week"] for day in week["days"]]
    return {answer: day["number"] for day in days for answer in day.get("answers", ())}


def library_before(name: str, target: Path) -> None:
    """Write the library as it stands before the answer `name` is written to the folder target/handmade.

    Raises:
        ValueError: the library has no answer of that name.
    """
    names = list(answers())
    if name not in names:
        raise ValueError(f"{name} is no answer in solutions/days.toml; list it there, under its day.")
    write_library(names[names.index(name) :], target)


def write_library(still_open: Iterable[str], target: Path) -> None:
    """Write a copy of the library without the answers that are still open to the folder target/handmade."""
    numbers = {answer: answers()[answer] for answer in still_open}
    inside: dict[str, dict[str, str]] = {}  # module -> the open names in it, and their days
    for answer, number in numbers.items():
        module, _, name = answer.rpartition(".")
        inside.setdefault(module, {})[name] = number
    package = Path(handmade.__file__).parent
    for file in sorted(package.rglob("*.py")):
        path = file.relative_to(package.parent)
        module = ".".join(path.with_suffix("").parts)
        file_copy = target / path
        file_copy.parent.mkdir(parents=True, exist_ok=True)
        if module in numbers:
            sentence = open_sentence(module, numbers[module])
            file_copy.write_text(f"raise ImportError({sentence!r})\n", encoding="utf-8")
        elif module in inside:
            code = file.read_text(encoding="utf-8")
            file_copy.write_text(without(code, inside[module]), encoding="utf-8")
        else:
            shutil.copyfile(file, file_copy)


def without(code: str, still_open: Mapping[str, str]) -> str:
    """A module's source without these definitions, given by name with the numbers of their days."""
    tree = ast.parse(code)
    stubs = {
        node: stub(node, still_open[node.name])
        for node in tree.body
        if isinstance(node, Definition) and node.name in still_open
    }
    gone = unusable([node for node in tree.body if node not in stubs], set(still_open))
    left = [stubs.get(node, node) for node in tree.body if node not in gone]
    gone |= set(unused(left))

    lines = code.splitlines(keepends=True)
    for node in reversed(tree.body):
        first, last = first_line(node), node.end_lineno
        if node in gone:
            while lines[first - 2].startswith("#"):  # what is said of it, on the lines above
                first -= 1
            lines[first - 1 : last] = []
        elif node in stubs:
            lines[first - 1 : last] = [ast.unparse(stubs[node]) + "\n"]
    return re.sub(r"\n{4,}", "\n\n\n", "".join(lines)).rstrip("\n") + "\n"


def stub(node: Definition, number: str) -> Definition:
    """The same definition with nothing in it but the sentence that says so."""
    what = node.name
    if isinstance(node, ast.FunctionDef):
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        what += f"({', '.join(argument.arg for argument in arguments)})"
    sentence = open_sentence(what, number)
    summary = (ast.get_docstring(node) or sentence).splitlines()[0]
    refusal = f"raise NotImplementedError({sentence!r})"
    if isinstance(node, ast.ClassDef):
        refusal = f"def __init__(self, *arguments, **options):\n    {refusal}"
    node = copy.copy(node)
    node.decorator_list = []
    node.body = ast.parse(f"{summary!r}\n{refusal}").body
    return node


def open_sentence(what: str, number: str) -> str:
    return f"Day {number}: {what} is an answer that is still open: write it in your notebook."


def unusable(statements: Iterable[ast.stmt], still_open: set[str]) -> set[ast.stmt]:
    """The statements that would call an open answer when the module is imported, such as TINY = GPTConfig(...)."""
    missing, found = set(still_open), set()
    for node in statements:
        if not isinstance(node, Definition | ast.Import | ast.ImportFrom) and names_in(node) & missing:
            found.add(node)
            missing |= names_in(node, ast.Store)
    return found


def unused(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The private definitions that nothing else here uses, nor what is used by no more than these."""
    private = {node.name: node for node in statements if isinstance(node, Definition) and node.name[0] == "_"}
    reached = [node for node in statements if node not in private.values()]
    for node in reached:  # grows while it is walked
        reached += [private.pop(name) for name in sorted(names_in(node) & private.keys())]
    return list(private.values())


def names_in(node: ast.AST, context: type[ast.expr_context] = ast.Load) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, context)}


def first_line(node: ast.stmt) -> int:
    """Where it begins, its decorators included."""
    return min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
