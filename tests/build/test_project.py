"""The project as a whole: its files agree with each other, and its parts keep to their place."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
INSTALLED = ("learn", "grading", "pretrained", "dev")  # what `make test` asks for
PYTHONS = ("3.11", "3.12", "3.13")


def tracked(*patterns: str) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True
    ).stdout
    return [ROOT / name for name in names.decode().split("\0") if name and (ROOT / name).exists()]


def test_conda_gives_what_make_gives():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, _, pip = environment["dependencies"]
    requirement = Requirement(python)
    assert requirement.name == "python"
    assert requirement.specifier == SpecifierSet(PROJECT["requires-python"])
    (install,) = pip["pip"]
    assert install == f"-e .[{','.join(INSTALLED)}]"
    assert f"EXTRAS := {','.join(INSTALLED)}\n" in (ROOT / "Makefile").read_text()
    assert set(INSTALLED) <= EXTRAS.keys()


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_every_range(python):
    locked = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            here = {"python_version": python, "python_full_version": f"{python}.9"}
            if pin.marker is None or pin.marker.evaluate(here):
                locked[pin.name] = next(iter(pin.specifier)).version
    wanted = [*PROJECT["dependencies"], *(r for extra in INSTALLED for r in EXTRAS[extra])]
    for requirement in map(Requirement, wanted):
        assert requirement.name in locked, f"requirements.lock lacks {requirement.name}: run make lock"
        version = locked[requirement.name]
        assert version in requirement.specifier, (
            f"the lock has {requirement.name} {version}, not {requirement}"
        )


def test_every_python_that_is_promised_is_in_range():
    for python in PYTHONS:
        assert python in SpecifierSet(PROJECT["requires-python"])
    assert "3.10" not in SpecifierSet(PROJECT["requires-python"])
    assert "3.14" not in SpecifierSet(PROJECT["requires-python"])


def test_no_file_names_a_machine():
    """A path in somebody's home, or of this checkout, and a private host's address work on one machine only."""
    homes = rf"/home/\w+|/Users/\w+|/roo[t]/|(?<![\w.]){re.escape(str(ROOT))}/"
    hosts = r"https?://(?!localhost\b|127\.)([\w-]+[:/]|10\.|192\.168\.|[\w.-]+\.(internal|local|corp)\b)"
    machine = re.compile(f"{homes}|{hosts}")
    for path in tracked():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found = machine.search(line)
            assert not found, f"{path.relative_to(ROOT)}:{number} names a machine: {found[0]}"


def imports(code: str) -> set[str]:
    """The packages that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(
    ("folder", "never"),
    [("shared/handmade", {"autograder", "tests", "benchmarks"}), ("autograder", {"tests", "benchmarks"})],
)
def test_imports_go_one_way(folder, never):
    for path in tracked(f"{folder}/*.py"):
        wrong = imports(path.read_text(encoding="utf-8")) & never
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(wrong)}, which stands above it"


def test_notebooks_import_nothing_of_the_grader():
    for path in [*tracked("course/*.ipynb"), *tracked("solutions/*.md")]:
        assert not re.search(
            r"^\W*(import|from) autograder\b", path.read_text(encoding="utf-8"), re.MULTILINE
        ), f"{path.relative_to(ROOT)} imports the grader, which learners do not have"


def test_the_library_imports_nothing_heavy():
    """Widgets and Hugging Face code load when they are used; matplotlib with the modules that draw."""
    code = """
import importlib, pkgutil, sys
import handmade
assert "torch" not in sys.modules, "import handmade imports torch"
import torch
before = set(sys.modules)
heavy = {"matplotlib", "ipywidgets", "IPython", "transformers", "jupyterlab"}
drawing = ["handmade.plots"]
others = {module.name for module in pkgutil.walk_packages(handmade.__path__, "handmade.")} - set(drawing)
for name in [*sorted(others), *drawing]:
    if name in drawing:
        heavy.discard("matplotlib")
    importlib.import_module(name)
    found = heavy & (set(sys.modules) - before)
    assert not found, f"import {name} imports {', '.join(sorted(found))}"
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr.splitlines()[-1]
