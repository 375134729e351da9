"""The notebooks' prose: links that lead somewhere, one spelling, and nothing that Colab or GitHub refuse."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "course").rglob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

# What is spelt otherwise in Britain. (Tokenization is the field's own word, and -ize is British too.)
AMERICAN = re.compile(
    r"\b(colors?|colored|colorful|behaviors?|centers?|centered|neighbors?|neighboring|favorites?|gray|labeled"
    r"|labeling|modeled|modeling|canceled|traveled|analyze[ds]?|honor|flavors?|fulfill|skillful|defense)\b",
    re.IGNORECASE,
)


def prose(path: Path) -> list[str]:
    """The text cells, without code and formulas."""
    texts = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
    return [re.sub(r"`[^`]*`|\$[^$]*\$|```.*?```", "", text, flags=re.DOTALL) for text in texts]


@every_notebook
def test_spelling_is_british(path):
    for text in prose(path):
        found = AMERICAN.search(re.sub(r"\]\([^)]*\)|<[^>]*>", "", text))
        assert not found, f"“{found[0]}” in: {text[max(0, found.start() - 60) : found.end() + 60]!r}"


@every_notebook
def test_each_link_leads_somewhere(path):
    for text in prose(path):
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"https://[\w.-]+/", target):
                continue
            assert "://" not in target, f"{target} is not an https address"
            assert (path.parent / target.partition("#")[0]).exists(), f"the link to {target} leads nowhere"


@every_notebook
def test_each_picture_has_words(path):
    for text in prose(path):
        assert "![](" not in text and not re.search(r"<img(?![^>]*\balt=\"[^\"]+\")", text), text


@every_notebook
def test_its_metadata_is_what_colab_and_github_take(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5), "cells need ids"
    assert notebook.metadata.kernelspec.name == "python3", "Colab has no other kernel"
    # The state of widgets without their views is what GitHub refuses to show.
    assert notebook.metadata.keys() <= {"kernelspec", "language_info", "colab"}, notebook.metadata.keys()
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids), "two cells have one id"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, "outputs are for learners to make"
