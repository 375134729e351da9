"""What the documents name exists: commands and their options, links, files. Nothing is run."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import handmade.__main__
from autograder import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# Options that are talked about without their command, and are not ours.
OTHERS = {"--force": "nbgrader", "--host": "dask scheduler"}

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def code(document: Path) -> list[str]:
    """What stands in backticks, and each line of the blocks, without the prompt and what follows a #."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    lines = [line.removeprefix("$ ").partition(" #")[0] for block in blocks for line in block.splitlines()]
    return [" ".join(each.split()) for each in (*spans, *lines)]


def commands(document: Path, start: str) -> list[list[str]]:
    """The arguments of each command that starts so, wherever its Python or its script lies."""
    starts = re.compile(rf"(?:\.venv/bin/)?{start} (?=[a-z])")
    return [shlex.split(each[found.end() :]) for each in code(document) if (found := starts.match(each))]


def subcommands() -> dict:
    """The parsers of `autograder`'s commands, by name."""
    (action,) = [each for each in cli._parser()._actions if each.dest != "help"]
    return action.choices


def test_there_are_commands_to_find():
    """If the documents were written otherwise, the tests below would pass for want of anything to look at."""
    found = [command for document in DOCUMENTS for command in commands(document, "autograder")]
    assert {command[0] for command in found} == subcommands().keys(), "a command that no document names"
    assert any(commands(document, "make") for document in DOCUMENTS)
    assert any(commands(document, "python -m handmade") for document in DOCUMENTS)


@every_document
def test_each_command_of_the_grader_is_one(document, capsys):
    for arguments in [*commands(document, "autograder"), *commands(document, "python -m autograder")]:
        assert arguments[0] in subcommands(), f"there is no autograder {arguments[0]}"
        if len(arguments) > 1:  # else it is only spoken of
            try:
                cli._parser().parse_args(arguments)
            except SystemExit:
                pytest.fail(f"autograder {shlex.join(arguments)}: {capsys.readouterr().err.splitlines()[-1]}")


@every_document
def test_each_command_of_the_learners_is_one(document, monkeypatch, capsys):
    monkeypatch.setattr(handmade.__main__, "check", lambda notebook, limit: 0)
    for arguments in commands(document, "python -m handmade"):
        assert handmade.__main__.main(arguments) == 0, capsys.readouterr().err


@every_document
def test_each_target_of_make_is_one(document):
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.MULTILINE))
    for arguments in commands(document, "make"):
        for word in arguments:
            variable, is_one, _ = word.partition("=")
            known = variables if is_one else targets
            assert variable in known, f"make {shlex.join(arguments)}: the Makefile knows no {variable}"


@every_document
def test_each_option_is_one(document):
    ours = {option for parser in subcommands().values() for option in parser._option_string_actions}
    for each in code(document):
        if each.startswith("--"):
            option = each.split()[0]
            assert option in ours | OTHERS.keys(), f"nothing has the option {option}"


@every_document
def test_each_module_that_is_run_exists(document):
    for arguments in commands(document, "python -m"):
        assert importlib.util.find_spec(arguments[0]), f"there is no module {arguments[0]}"


@every_document
def test_each_link_leads_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = document.parent / path if path else document
        assert file.exists(), f"the link to {target} leads nowhere"
        if anchor:
            assert anchor in anchors(file), f"{file.name} has no heading for the link to {target}"


def anchors(document: Path) -> set[str]:
    """The names that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_document
def test_each_file_of_the_repository_exists(document):
    """Paths with a placeholder in capitals, as in weekN_topic, are of no one file."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build"}
    for each in code(document):
        found = re.match(r"([\w.-]+)/[\w./-]*(?=$|\s)", each)
        if found and found[1] in folders and not re.search("[A-Z]", found[0]):
            assert (ROOT / found[0]).exists(), f"{found[0]} does not exist"


@every_document
def test_no_path_or_host_of_one_machine_is_named(document):
    text = document.read_text(encoding="utf-8")
    for found in re.finditer(r"(?<![\w.~:/)*>])/\w+/|\b\w+://(?!127\.0\.0\.1[:/])[^\s`)]+", text):
        assert found[0] == "tcp://HOST:PORT", f"{found[0]} is on one machine only"
