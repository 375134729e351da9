"""What the build refuses. Every problem is one sentence that says where, what is wrong and what to do."""

import ast
import importlib.util
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager
from markdown_it import MarkdownIt
from nbformat import NotebookNode

from autograder.build.assemble import MAP
from autograder.build.sources import START, Day, Source, enclosing, regions, squeeze
from autograder.rubric import Exercise, FreeAnswer

OPTIONS = {"exercise", "check", "answer", "tags", "prints"}
TAGS = {"demonstration", "raises-exception"}
TELLING = 24  # characters from which a line of code is more than an idiom that anyone might write again


def problems_in_source(
    source: Source, days: Mapping[str, Day], exercises: Mapping[str, Exercise]
) -> Iterator[str]:
    """What is wrong with one text by itself."""
    day = days.get(source.stem)
    if source.stem == START:
        if not any(MAP in cell.source for cell in source.cells):
            yield f"{source.path}: the map has no place; write {MAP} on a line of its own."
    elif day is None or day.notebook != source.notebook:
        yield f"{source.path}: solutions/days.toml has no such day; use the week and stem that it gives."
    elif not any(cell.source.startswith(f"# {day.heading}") for cell in source.cells):
        yield f"{source.path}: no heading says “# {day.heading}”, the title in solutions/days.toml; use that title."

    for index, cell in enumerate(source.cells):
        at = source.at(index)
        for option in sorted(cell.metadata.keys() - OPTIONS):
            yield f"{at}: a cell has no option “{option}”; points and ids come from the rubric, so remove it."
        if not isinstance(cell.metadata.get("prints", ""), str):
            yield f"{at}: “prints” is not text; put it in quotes."
        tags = cell.metadata.get("tags", [])
        for tag in sorted(set([tags] if isinstance(tags, str) else tags) - TAGS):
            yield f"{at}: there is no tag “{tag}”; use one of {', '.join(sorted(TAGS))}."
        if "HIDDEN TESTS" in cell.source:
            yield f"{at}: hidden checks have no place in a source; write them in autograder/rubrics."
        if cell.cell_type == "markdown":
            yield from _pictures_without_words(at, cell.source)
            if _markers(cell.source):
                yield f"{at}: a solution's markers belong in a code cell; is the fence above this line closed?"
        else:
            if "answer" in cell.metadata:
                yield f"{at}: a free answer is prose, and this is a code cell; write its question as markdown."
            yield from _problems_in_code(at, cell, exercises)


def _pictures_without_words(at: str, text: str) -> Iterator[str]:
    for token in MarkdownIt("commonmark").parse(text):
        for child in token.children or []:
            if child.type == "image" and not child.content.strip():
                yield f"{at}: the picture {child.attrs['src']} has no alt text; say in words what it shows."
    for tag in re.findall(r"<img\b[^>]*>", text):
        if not re.search(r"""\balt\s*=\s*(["'])\s*[^"'\s]""", tag):
            yield f"{at}: the picture {tag} has no alt text; say in words what it shows."


def _problems_in_code(at: str, cell: NotebookNode, exercises: Mapping[str, Exercise]) -> Iterator[str]:
    try:
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
    except SyntaxError as error:
        yield f"{at}: line {error.lineno} of the cell is not Python ({error.msg}); mend it, or close its fence."
        return
    try:
        begins = [line for line, _ in regions(cell.source)]
    except ValueError as error:
        yield f"{at}: {error}."
        return
    name = cell.metadata.get("exercise")
    if name is None:
        if begins:
            yield f"{at}: this cell holds a solution but names no exercise; add “:exercise: dayNN.name”."
        return
    if not begins:
        yield f"{at}: the cell of {name} has no solution to take out; add ### BEGIN SOLUTION and ### END SOLUTION."
    elif not all(enclosing(tree, line) for line in begins):
        yield f"{at}: a solution of {name} stands outside any def or class; move its markers inside."
    elif name in exercises:
        yield from _differences(at, exercises[name], {enclosing(tree, line)[0] for line in begins})


def _differences(
    at: str, exercise: Exercise, written: Collection[ast.FunctionDef | ast.ClassDef]
) -> Iterator[str]:
    """The library is the model answer: the same syntax tree, and the docstring too, since the stub shows it."""
    module = exercise.answer.rsplit(".", 1)[0]
    library = ast.parse(Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8"))
    answers = {node.name: ast.dump(node) for node in library.body if hasattr(node, "name")}
    if exercise.defines not in {node.name for node in written}:
        yield f"{at}: no solution here defines {exercise.defines}, the answer of {exercise.name}; write it here."
    for node in written:
        if answers.get(node.name) != ast.dump(node):
            yield f"{at}: {node.name} differs from {module}.{node.name}; make code and docstring the same in both."


def problems_between(
    sources: Collection[Source], exercises: Mapping[str, Exercise], free_answers: Mapping[str, FreeAnswer]
) -> Iterator[str]:
    """What is wrong with texts and rubrics together: each exercise has one cell and then one visible check, and each
    free answer has one cell.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for source in sources:
        for index, cell in enumerate(source.cells):
            for role in ("exercise", "check", "answer"):
                name = cell.metadata.get(role)
                if name is None:
                    continue
                at = source.at(index)
                if name not in (free_answers if role == "answer" else exercises):
                    what = "free answer" if role == "answer" else "rubric"
                    yield f"{at}: no {what} is called {name}; write it in autograder/rubrics, or mend the name."
                elif not name.startswith(f"{source.prefix}."):
                    yield f"{at}: {name} belongs to another day; move the cell there, or mend the name."
                if role == "check" and ("exercise", name) not in places:
                    yield f"{at}: the check of {name} stands before its exercise; move it after the stub."
                places.setdefault((role, name), []).append(at)
    for (role, name), ats in places.items():
        if len(ats) > 1:
            yield f"{ats[1]}: {name} already has its {role} cell at {ats[0]}; keep one."
    for name, exercise in exercises.items():
        if ("exercise", name) not in places:
            yield f"autograder/rubrics: {name} has no cell; write one in the source of {exercise.day}."
        elif ("check", name) not in places:
            yield f"{places['exercise', name][0]}: no visible check follows {name}; add one with “:check: {name}”."
    for name, question in free_answers.items():
        if ("answer", name) not in places:
            yield f"autograder/rubrics: {name} has no cell; ask its question in the source of {question.day}."


def leaks(
    path: str, notebook: NotebookNode, sources: Collection[Source], rubrics: Collection[str]
) -> Iterator[str]:
    """What a learner's notebook must not hold: markers, outputs, answers, hidden checks.

    Of its own day no telling line of a solution may be seen, of other days no whole solution; of the hidden
    checks (`rubrics` are the texts of their modules) no telling line at all.
    """
    for marker in _markers(json.dumps(notebook)):
        yield f"course/{path}: it holds the marker {marker}; take it out of the source."
    if any(cell.get("outputs") for cell in notebook.cells):
        yield f"course/{path}: it holds outputs; a released notebook has none."
    secrets = {}
    for source in sources:
        for cell in source.cells:
            for _, body in regions(cell.source):
                secrets[squeeze("\n".join(body))] = "a solution"
                if source.notebook == path:
                    secrets |= {squeeze(line): "a solution" for line in body}
    for rubric in rubrics:
        secrets |= dict.fromkeys(hidden_lines(rubric), "a hidden check")
    shown = [squeeze(cell.source) for cell in notebook.cells]
    for secret, what in secrets.items():
        if len(secret) >= TELLING and any(secret in cell for cell in shown):
            yield f"course/{path}: “{secret}” is part of {what}; take it out of the prose and the other cells."


def _markers(text: str) -> list[str]:
    return [marker for marker in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS") if marker in text]


def hidden_lines(rubric: str) -> Iterator[str]:
    """The lines of a rubric's free answers, and of its items without their docstrings, which learners read."""
    lines = rubric.splitlines()
    for node in ast.walk(ast.parse(rubric)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "free_answer":
            texts = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant)]
            yield from (squeeze(line) for text in texts for line in str(text).splitlines())
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            for statement in body:
                yield from map(squeeze, lines[statement.lineno - 1 : statement.end_lineno])


def stale(course: Path, texts: Mapping[str, str]) -> Iterator[str]:
    """Where `course/` is not what the sources give; `texts` are the notebooks by their paths under it."""
    for path, text in texts.items():
        file = course / path
        if not file.exists():
            yield f"course/{path}: it is missing; run make build."
        elif file.read_text(encoding="utf-8") != text:
            yield f"course/{path}: it is not what its source gives; run make build."
    for path in extra(course, texts):
        yield f"course/{path}: no source makes it; remove it, or write its source."


def extra(course: Path, texts: Collection[str]) -> list[str]:
    """Notebooks under `course/` that no source makes."""
    found = (file.relative_to(course) for file in sorted(course.rglob("*.ipynb")))
    return [p.as_posix() for p in found if ".ipynb_checkpoints" not in p.parts and p.as_posix() not in texts]
