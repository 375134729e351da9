"""The library without the answers that are still open: for every answer of the course, nothing of it is left."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import handmade
from autograder.build.check import TELLING
from autograder.build.sources import read_days, squeeze
from autograder.library import ROOT, answers, library_before, without
from autograder.rubric import load_exercises

PACKAGE = Path(handmade.__file__).parent

# Public, in a module with answers, and no answer: learners may have them from the first day.
GIVEN = {
    "handmade.device.pick",
    "handmade.device.synchronize",
    "handmade.training.MixedPrecision",
    "handmade.training.TrainConfig",
    "handmade.training.fast_form",
    "handmade.training.sample_text",
}

# What calls answers that stand later in the table than it does: until they are written it raises their sentence.
NEEDS_LATER = {
    "handmade.experiments.overfit_one_batch": {"handmade.experiments.batch_floor"},  # of the same exercise
    "handmade.training.estimate_run_time": {"handmade.optim.configure_optimizer"},  # day 17 needs day 19
    "handmade.optim.lr_range_test": {"handmade.optim.configure_optimizer"},  # day 18 needs day 19
    "handmade.training.train": {
        "handmade.checkpoints.get_rng",  # of the same exercise
        "handmade.checkpoints.set_rng",
        "handmade.sampling.generate",  # day 20 needs day 22, where train is given a tokenizer
    },
}

# What is no answer and calls some.
SUPPORT_NEEDS = {
    "handmade.corpus.floors": {"handmade.objective.unigram_entropy", "handmade.objective.bigram_entropy"},
    "handmade.starter.Starter": {"handmade.training.compute_loss"},
    "handmade.training.sample_text": {"handmade.sampling.generate"},
}


@cache
def parse(module: str) -> ast.Module:
    return ast.parse(Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8"))


def definitions(module: str) -> dict[str, ast.stmt]:
    return {node.name: node for node in parse(module).body if hasattr(node, "name")}


# --- The table ----------------------------------------------------------------------------------------


def test_each_answer_is_there_and_is_listed_once():
    listed = [answer for week in read_days(ROOT) for day in week.days for answer in day.answers]
    assert len(set(listed)) == len(listed), "an answer is listed twice in solutions/days.toml"
    assert listed == list(answers()), "read_days and answers read the same table"
    for answer in listed:
        module, _, name = answer.rpartition(".")
        if (PACKAGE / f"{name}.py").exists() and module == "handmade":
            continue
        assert name in definitions(module), f"solutions/days.toml lists {answer}, which does not exist"


def test_each_rubric_finds_its_answer_under_its_day():
    for week in read_days(ROOT):
        for day in week.days:
            prefix = day.stem.split("_")[0]
            asked = [exercise.answer for exercise in load_exercises().values() if exercise.day == prefix]
            listed = [answer for answer in day.answers if answer in asked]
            assert listed == asked, f"solutions/days.toml, {prefix}: list the answers in the rubric's order"


def test_nothing_public_beside_the_answers_is_forgotten():
    found = set()
    for module in {answer.rpartition(".")[0] for answer in answers()} - {"handmade"}:
        found |= {f"{module}.{name}" for name in definitions(module) if not name.startswith("_")}
    assert found - answers().keys() == GIVEN, "list it under the day whose answer it gives away, or in GIVEN"


def imported(tree: ast.AST) -> dict[str, str]:
    """What `from handmade... import` gives in a module or in a function."""
    return {
        alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("handmade.")
        for alias in node.names
    }


def needs(full_name: str, seen: frozenset = frozenset()) -> set[str]:
    """The answers that a definition names, what is no answer followed to the answers that it names."""
    module, _, name = full_name.rpartition(".")
    inside = definitions(module)
    if name not in inside:  # a constant
        return set()
    known = {other: f"{module}.{other}" for other in inside} | imported(parse(module))
    named = {known[n.id] for n in ast.walk(inside[name]) if isinstance(n, ast.Name) and n.id in known}
    found = named & answers().keys()
    for helper in named - found - seen - {full_name}:
        found |= needs(helper, seen | {full_name})
    return found - {full_name}


def test_answers_need_only_earlier_ones():
    order = list(answers())
    for i, answer in enumerate(order):
        if answer.rpartition(".")[0] != "handmade":
            later = needs(answer) - set(order[:i])
            assert later == NEEDS_LATER.get(answer, set()), f"{answer} needs {later or 'no later answer'}"


def test_what_is_no_answer_needs_no_more_than_is_known():
    for path in sorted(PACKAGE.glob("*.py")):
        module = f"handmade.{path.stem}"
        for name in [] if module in answers() else definitions(module):
            full_name = f"{module}.{name}"
            if not name.startswith("_") and full_name not in answers():
                needed = needs(full_name)
                assert needed == SUPPORT_NEEDS.get(full_name, set()), (
                    f"{full_name} needs {needed or 'nothing'}"
                )


def test_a_notebook_calls_only_what_earlier_days_wrote():
    """While a day is open, its class has the library without the answers of that day and of all later ones.

    This names what would stop a notebook there; tests/notebooks runs each one with that library.
    """
    order = list(answers())
    for day in [day for week in read_days(ROOT) for day in week.days]:
        path = ROOT / "course" / day.notebook
        if path.exists() and day.answers:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
            used = {name for source in sources for name in imported(ast.parse(source)).values()}
            closed = set(order[: order.index(day.answers[0])])
            stops = {name for name in used - closed if name in answers() or needs(name) - closed}
            assert not stops, f"{day.notebook}: {stops} will raise in a class"


# --- The copies ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Path:
    """A folder with the library before each answer."""
    folder = tmp_path_factory.mktemp("copies")
    for name in answers():
        library_before(name, folder / name)
    return folder


def test_no_line_of_an_open_answer_is_left(copies):
    files = {
        path.relative_to(PACKAGE): path.read_text("utf-8").splitlines() for path in PACKAGE.rglob("*.py")
    }
    order = list(answers())
    spans = {}  # answer -> its file and lines
    for answer in order:
        module, _, name = answer.rpartition(".")
        if module == "handmade":
            path = Path(f"{name}.py")
            spans[answer] = path, range(len(files[path]))
        else:
            node = definitions(module)[name]
            first = node.body[1 if ast.get_docstring(node) else 0].lineno
            spans[answer] = Path(f"{module.split('.')[1]}.py"), range(first - 1, node.end_lineno)
    for i, name in enumerate(order):
        lines = {path: list(map(squeeze, text)) for path, text in files.items()}
        secrets = set()
        for answer in order[i:]:
            path, span = spans[answer]
            for number in span:
                secrets.add(lines[path][number])
                lines[path][number] = ""
        elsewhere = {line for text in lines.values() for line in text}
        secrets = {line for line in secrets - elsewhere if len(line) >= TELLING}
        assert secrets, "there is something to hide"
        for path in (copies / name).rglob("*.py"):
            shown = set(map(squeeze, path.read_text("utf-8").splitlines()))
            assert not shown & secrets, f"{path} shows {shown & secrets}"


LOAD_AND_CALL = """
import importlib, inspect, os, pkgutil, sys
import matplotlib, regex, tiktoken, torch, torch.nn.parallel
sys.dont_write_bytecode = True
folder, *order = sys.argv[1:]

def refuses(function, arguments):
    try:
        function(*arguments)
    except NotImplementedError as error:
        return "still open" in str(error)
    except Exception:
        return False
    return False

for i, name in enumerate(order):
    for module in [m for m in sys.modules if m.split(".")[0] == "handmade"]:
        del sys.modules[module]
    importlib.invalidate_caches()
    sys.path[0] = os.path.join(folder, name)
    import handmade
    assert handmade.__file__.startswith(folder), handmade.__file__
    still_open = order[i:]
    for module in pkgutil.walk_packages(handmade.__path__, "handmade."):
        try:
            importlib.import_module(module.name)
            imported = True
        except ImportError as error:
            imported = "still open" not in str(error)
            if imported:
                print(f"before {name}: {module.name} cannot be imported: {error}")
        if imported == (module.name in still_open):
            print(f"before {name}: {module.name} is {'open' if imported else 'not open'}, and was imported: {imported}")
    for answer in still_open:
        module, _, defined = answer.rpartition(".")
        if module == "handmade" or module in still_open:
            continue
        found = getattr(sys.modules[module], defined)
        arguments = [] if inspect.isclass(found) else [None] * len(inspect.signature(found).parameters)
        if not refuses(found, arguments):
            print(f"before {name}: {answer} can be called")
    for answer in order[:i]:
        module, _, defined = answer.rpartition(".")
        if "still open" in inspect.getsource(getattr(sys.modules[module], defined)):
            print(f"before {name}: {answer} is not open, and was taken out")
"""


def test_every_copy_can_be_imported_and_no_open_answer_called(copies):
    command = [sys.executable, "-c", LOAD_AND_CALL, str(copies), *answers()]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "", result.stdout


def test_a_copy_is_the_same_each_time_and_changes_no_more_than_it_must(copies, tmp_path):
    library_before("handmade.attention.attend", tmp_path)
    one, two = copies / "handmade.attention.attend" / "handmade", tmp_path / "handmade"
    names = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    assert sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file()) == names
    open_modules = {
        answer.split(".")[1]
        for answer in list(answers())[list(answers()).index("handmade.attention.attend") :]
    }
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()
        changed = (two / name).read_bytes() != (PACKAGE / name).read_bytes()
        assert changed == (name.stem in open_modules), f"{name}: changed is {changed}"


def test_an_unknown_answer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="list it there"):
        library_before("handmade.attention.attends", tmp_path)


# --- One module ---------------------------------------------------------------------------------------

MODULE = '''\
"""A module."""

import functools
from dataclasses import dataclass

LIMIT = 3  # stays


# --- The size ---


@dataclass(frozen=True)
class Size:
    """How big.

    Not this line.
    """

    width: int = 1


# Made for small ones.
# Two of them.
SMALL = Size(2)
SMALLER = [SMALL, LIMIT]


def shown(x):
    return _kept(x)  # as it was


@functools.cache
def area(size: Size, *, unit: str = "m") -> float:
    """How much room. Not
    this line."""
    return _secret(size)


def _secret(size):
    return _deep(size) + _kept(size.width)


@functools.cache
def _deep(size):
    return size.width**2


def _kept(x):
    return x


alias = area
'''

WITHOUT = '''\
"""A module."""

import functools
from dataclasses import dataclass

LIMIT = 3  # stays


# --- The size ---


class Size:
    """How big."""

    def __init__(self, *arguments, **options):
        raise NotImplementedError('Day 8: Size is an answer that is still open: write it in your notebook.')


def shown(x):
    return _kept(x)  # as it was


def area(size: Size, *, unit: str='m') -> float:
    """How much room. Not"""
    raise NotImplementedError('Day 9: area(size, unit) is an answer that is still open: write it in your notebook.')


def _kept(x):
    return x
'''


def test_what_only_an_open_answer_needs_goes_with_it():
    assert without(MODULE, {"Size": "8", "area": "9"}) == WITHOUT


def test_what_an_earlier_answer_needs_stays():
    left = without(MODULE, {"area": "9"})
    assert "SMALL = Size(2)" in left and "@dataclass" in left
    assert re.findall(r"def (_\w+)", left) == ["_kept"]
