"""What `autograder release` gives to a class: it stands on its own, and holds no open answer."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from autograder import bundle, cli
from autograder.build.check import TELLING, hidden_lines
from autograder.build.sources import regions, squeeze
from autograder.library import ROOT, answers
from handmade.errors import UserError

NOTEBOOK = "course/week2_attention/day09_attention.ipynb"


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("class") / "learners"
    assert cli.main(["release", "--through", "week2", "--out", str(out)]) == 0
    return out


def python(folder: Path, code: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def imports_of(notebook: Path) -> str:
    """The released notebook's imports, as they stand in it."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return next(source for source in sources if "from handmade" in source)


def test_the_bundle_stands_on_its_own(released):
    result = python(
        released,
        f"""
import handmade, pathlib
assert pathlib.Path(handmade.__file__).parents[1] == pathlib.Path({str(released)!r}), handmade.__file__
{imports_of(released / NOTEBOOK)}
assert build_char_vocab("ba") == ["a", "b"], "an earlier day's answer is there"
from handmade.attention import attend
try:
    attend(1, 2, 3)
except NotImplementedError as error:
    print(error)
""",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        "Day 9: attend(q, k, v, mask) is an answer that is still open: write it in your notebook.\n"
    )


def test_the_bundle_can_be_installed(released):
    """What pip reads: the metadata, and every package there is."""
    made = tomllib.loads((released / "pyproject.toml").read_text(encoding="utf-8"))
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for key in ("name", "version", "requires-python", "dependencies"):
        assert made["project"][key] == ours[key]
    packages = {path.parent.relative_to(released).as_posix() for path in released.rglob("__init__.py")}
    assert {name.replace(".", "/") for name in made["tool"]["setuptools"]["packages"]} == packages


def test_the_notebooks_are_those_of_the_course(released):
    notebooks = {name for name in files(released) if name.endswith(".ipynb")}
    weeks = {name.rpartition("/")[0] for name in notebooks}
    assert {"course/start_here.ipynb", NOTEBOOK} <= notebooks
    assert weeks == {"course", "course/week0_prelude", "course/week1_tokens", "course/week2_attention"}
    for name in notebooks:
        assert (released / name).read_bytes() == (ROOT / name).read_bytes()
    readme = (released / "README.md").read_text(encoding="utf-8")
    assert "{" not in readme and "Day 8 · Configuration and skeleton" in readme
    named = re.findall(r"course/\S+\.ipynb", readme)
    assert named and set(named) <= notebooks, named


def test_no_solution_and_no_grader_is_in_it(released):
    for path in released.rglob("*"):
        assert "autograder" not in path.name and "rubric" not in path.name
    source = (ROOT / "solutions" / "week2_attention" / "day09_attention.md").read_text(encoding="utf-8")
    secrets = {squeeze(line) for _, body in regions(source) for line in body}
    for rubric in (ROOT / "autograder" / "rubrics").glob("day*.py"):
        secrets |= set(hidden_lines(rubric.read_text(encoding="utf-8")))
    secrets = {secret for secret in secrets if len(secret) >= TELLING}
    assert secrets
    for name, content in files(released).items():
        text = content.decode("utf-8")
        if name.endswith(".ipynb"):
            text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
        shown = {secret for secret in secrets if secret in squeeze(text)}
        assert not shown, f"{name} shows {shown}"
        assert "import autograder" not in text and "from autograder" not in text, name


@pytest.mark.parametrize(
    ("through", "open_from", "is_open", "is_not"),
    [
        ("week2", None, "model.GPTConfig", "tiny.bigram_floor"),
        ("day09", None, "attention.causal_mask", "model.GPTSkeleton"),
        ("week2", "week3", "objective.perplexity", "attention.attend"),
        ("day10", "day02", "data.shift", "tokenizers.decode_bpe"),
    ],
)
def test_where_the_open_answers_begin(tmp_path, through, open_from, is_open, is_not):
    bundle.release(through, tmp_path / "b", open_from)
    for name, expected in ((is_open, True), (is_not, False)):
        assert f"handmade.{name}" in answers()
        module, _, definition = name.partition(".")
        code = (tmp_path / "b" / "handmade" / f"{module}.py").read_text(encoding="utf-8")
        written = next(node for node in ast.parse(code).body if getattr(node, "name", "") == definition)
        assert ("still open" in ast.unparse(written)) == expected, f"{name} with {through}, {open_from}"


def test_an_earlier_bundle_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "b"
    out.mkdir()  # empty: nothing to lose
    bundle.release("week2", out, "week3")
    (out / "course" / "old.ipynb").write_text("{}")
    bundle.release("week2", out)
    first = files(out)
    assert "course/old.ipynb" not in first, "something of the earlier bundle is left"
    bundle.release("week2", out)
    assert files(out) == first, "the same release differs"
    assert [path.name for path in tmp_path.iterdir()] == ["b"], "something was left beside it"


def test_what_is_refused_leaves_everything_as_it_was(tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "pyproject.toml").write_text("[tool.handmade]\ncolab_package = 'x'\n")
    before = files(tmp_path)
    for arguments, sentence in [
        (("week9", tmp_path / "new"), "There is no week or day week9: give one as in week2 or day09."),
        (("week2", tmp_path / "new", "day99"), "There is no week or day day99"),
        (("week2", mine), "is there already and is no earlier bundle: choose another --out."),
        (("week2", mine / "pyproject.toml"), "is there already"),
        (("week2", mine / "pyproject.toml" / "under"), "choose another --out."),
    ]:
        with pytest.raises(UserError, match=sentence):
            bundle.release(*arguments)
        assert files(tmp_path) == before
    assert cli.main(["release", "--through", "week9", "--out", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_release_that_fails_leaves_the_earlier_bundle(tmp_path, monkeypatch):
    bundle.release("week2", tmp_path / "b")
    before = files(tmp_path)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle.shutil, "copyfile", full)
    with pytest.raises(UserError, match="No space left on device"):
        bundle.release("week2", tmp_path / "b")
    assert files(tmp_path) == before
