"""What Day 0b's text says, checked on the notebook's own cells."""

import math
import re
from pathlib import Path

import pytest
import torch

from autograder.build.sources import read_source

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week0_prelude" / "day00b_sums.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def prose(containing: str) -> str:
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "markdown" and containing in c.source)
    return " ".join(cell.split())


@pytest.fixture(scope="module")
def day():
    """The notebook's names, up to the training."""
    names = {"display": lambda *objects, **options: Shown()}
    threads = torch.get_num_threads()
    for containing in (
        "from handmade.calculator import",
        "def number_to_words",
        "sums = word_sums",
        "def encode",
        "def new_model",
        "def ask",
        "def answer",
        "def gradient_step",
        "def one_round",
        "def blame",
        "def exact_match",
        "def as_ids",
        "floor = ",
        "def as_tensors",
    ):
        exec(code(containing), names)
    yield names
    torch.set_num_threads(threads)


class Shown:
    def update(self, *objects) -> None:
        pass


@pytest.fixture(scope="module")
def trained(day):
    """After the notebook's own training, to the last step."""
    exec(code("def train("), day)
    return day["model"]


def printed(capsys, cell: str, names) -> str:
    capsys.readouterr()
    exec(cell, names)
    return capsys.readouterr().out


def test_the_first_guess_is_even(day):
    """Part 2: 33 tokens, about 3 % each, a loss of ln 33."""
    assert "$\\ln 33 = 3.50$" in prose("about equally likely") and round(math.log(33), 2) == 3.50
    model = day["new_model"]()
    assert sum(p.numel() for p in model.parameters()) == 105_024
    logits, _ = model(torch.tensor([day["encode"]("end two plus three equals")]))
    shares = torch.softmax(logits[0, -1], -1)
    assert len(shares) == 33 and 0.015 < shares.min() and shares.max() < 0.06


def test_the_rounds_by_hand():
    """Part 3: every figure of the table."""
    (table,) = (c.source for c in SOURCE.cells if "| round |" in c.source)
    w, rows = 1.0, [line.strip("| ").split("|") for line in table.splitlines() if re.match(r"\| \d \|", line)]
    assert len(rows) == 3
    for row in rows:
        _, shown, guess, score, slope, step = (cell.strip().replace("−", "-") for cell in row)
        gradient = 4 * (2 * w - 6)
        assert math.isclose(float(shown), w) and math.isclose(float(guess), 2 * w)
        assert math.isclose(float(score), (2 * w - 6) ** 2, rel_tol=1e-9)
        assert math.isclose(float(slope), gradient, abs_tol=1e-9)
        assert step == f"{w:g} + {-0.1 * gradient:g} = {w - 0.1 * gradient:g}"
        w -= 0.1 * gradient


def test_one_rate_creeps_one_arrives_one_never_does(day, capsys):
    printed(capsys, code("def path"), day)
    creeps, arrives, leaps = (day["paths"][lr] for lr in (0.02, 0.1, 0.26))
    assert abs(arrives[-1] - 3) < 0.001 and 0.1 < 3 - creeps[-1] < 1.5
    distances = [abs(w - 3) for w in leaps]
    assert distances == sorted(distances) and (leaps[1] - 3) * (leaps[2] - 3) < 0, "higher each time, across"


def test_one_line_is_learned_by_heart(day, capsys):
    """Part 4: it learns the line, gives the same answer to another question, and uphill gets worse."""
    said = printed(capsys, code("def one_round"), day).splitlines()
    assert said[-1].endswith("two plus three equals → five end")
    losses = [float(re.search(r"loss ([\d.]+)", line)[1]) for line in said]
    assert losses[0] > 3.4 and losses[-1] < 0.1
    said = printed(capsys, code("uphill"), day).splitlines()
    assert said[0] == "four plus four equals → five end"
    losses = [float(line.split()[-1]) for line in said[1:]]
    assert losses == sorted(losses) and losses[-1] > losses[0]


@pytest.mark.parametrize("seed", range(3))
def test_the_embedding_has_most_of_a_new_models_gradient(day, seed):
    """Part 5: its rows are short; and with a tied head the output has nearly none."""
    idx, targets = (
        torch.tensor([day["encode"]("end two plus three equals five end")])[:, i : i + 6] for i in (0, 1)
    )
    model = day["new_model"](seed)
    shares = day["blame"](model, idx, targets)
    assert max(shares, key=shares.get) == "embedding" and abs(model.wte.weight.std() - 0.02) < 0.002
    torch.manual_seed(seed)
    tied = day["Calculator"](33, 11, n_layer=2, n_head=8, n_embd=64, tied=True)
    assert day["blame"](tied, idx, targets)["output"] < 0.1


def test_the_floor_is_exact(day):
    """Part 7: ln N over the tokens of a line; the library's own count gives the same."""
    assert len(day["problems"]) == 15_050 and "$N = 15050$" in prose("A line is one of")
    assert math.isclose(day["floor"], day["sums"].floor)
    assert len(set(day["problems"])) == 15_050, "all questions differ, so all are equally likely"


def test_the_opening_example_was_held_out(day):
    assert ("sixty four plus fifty nine equals", "one hundred twenty three") in day["sums"].held_out
    assert prose("although nobody ever")


def test_by_heart_is_right_on_training_problems_alone(day, capsys):
    said = printed(capsys, code("by_heart = "), day)
    assert "training problems: 100%" in said and "held-out problems: 0%" in said


def test_it_learns_to_add(trained, day, capsys):
    """Part 8: from nothing to 95 % and more of the held-out problems; what is left of the loss is in the question."""
    assert day["exact_match"](day["new_model"](), day["as_ids"](day["sums"].held_out[:200])) == 0
    assert day["exact_match"](trained, day["as_ids"](day["sums"].held_out)) >= 0.95
    assert day["answer"](trained, "sixty four plus fifty nine equals") == "one hundred twenty three end"
    table = printed(capsys, code("in_question ="), day).splitlines()
    (question, answer), (floor, _) = ([float(x) for x in line.split()[-2:]] for line in table[2:])
    assert floor <= question + 0.05 < floor + 0.4, "the question costs what it must, and little more"
    assert answer < 0.3, "the answer costs next to nothing"
    assert torch.tensor(day["losses"][-20:]).mean() < day["floor"] + 0.05
