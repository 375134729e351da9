"""What Day 6's text says, checked on the notebook's own cells."""

import ast
import inspect
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from autograder.build.sources import read_source
from handmade import experiments

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week1_tokens" / "day06_measuring.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def prose(containing: str) -> str:
    (text,) = (c.source for c in SOURCE.cells if c.cell_type == "markdown" and containing in c.source)
    return " ".join(text.split())


def rows(containing: str) -> list[list[str]]:
    """The table of the part that holds this text, without its two lines of heading."""
    (text,) = (c.source for c in SOURCE.cells if c.cell_type == "markdown" and containing in c.source)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[part.strip() for part in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def day():
    """The notebook's names: its imports, its four functions, and what it builds on them."""
    names, threads = {}, torch.get_num_threads()
    for containing in (
        "from handmade.plots import",
        "LEVELS = {",
        "def compute_perplexity",
        "class Small",
        "def batch_floor",
        "def overfit_one_batch",
        "def run_ablation",
        "def fit_power_law",
        "PLANTED = {",
    ):
        exec(code(containing), names)
    for containing, until in (
        ("def val_batches", "\n\ntorch.manual_seed(0)"),
        ("def one_batch", "\n\ntorch.manual_seed(0)"),
        ("def train_without", "\n\nscores = "),
        ("def spreads", "\n\na, b = "),
        ("def by_width", "\n\nsizes, losses"),
    ):
        definitions, _, _ = code(containing).partition(until)
        exec(definitions, names)
    yield names
    torch.set_num_threads(threads)


def printed(capsys, cell: str, names: dict) -> str:
    capsys.readouterr()
    exec(cell, names)
    return capsys.readouterr().out


# --- Parts 1 to 3: perplexity ---------------------------------------------------------------------------


def test_two_positions_by_hand(capsys):
    """Part 1: the loss is the logarithm of a geometric mean, and the ordinary one is higher."""
    table = rows("## 1 · By hand")
    p = torch.tensor([float(row[1]) for row in table])
    assert [row[2] for row in table] == [f"{-x.log():.3f}" for x in p]
    loss, text = -p.log().mean(), prose("## 1 · By hand")
    assert f"{loss:.3f} nats" in text and f"$e^{{-{loss:.3f}}} = {(-loss).exp():.2f}$" in text
    assert f"= {loss.exp():.2f}$" in text and p.prod().sqrt() == pytest.approx((-loss).exp())
    said = printed(capsys, code("0.1, 0.001"), {"torch": torch})
    first, then = (float(x) for x in re.findall(r"perplexity (\d+\.\d)", said))
    assert 6.5 < then / first < 7.5, "not seven times as large"
    assert f"{math.exp(-1):.0%}" == "37%"


def test_what_is_good_for_characters(day):
    """Part 2: dice have the vocabulary; 30 is no better than counting characters; pairs have about 12."""
    dice, shares, pairs = (math.exp(loss) for loss in day["LEVELS"].values())
    assert dice == pytest.approx(64) and 25 < shares < 31 and 11 < pairs < 13
    assert f"{math.exp(2.4875):.0f}" == "12" and f"{math.exp(1.4697):.1f}" in ("4.3", "4.4")


def test_two_batches_by_hand():
    """Part 3."""
    table = [[float(x) for x in row[1:]] for row in rows("## 3 · Perplexity")]
    assert all(n * mean == total for n, mean, total in table)
    per_token = sum(total for *_, total in table) / sum(n for n, *_ in table)
    of_means = sum(mean for _, mean, _ in table) / 2
    assert (per_token, of_means) == (2, 3)
    text = prose("## 3 · Perplexity")
    assert f"$e^2 = {math.exp(2):.2f}$" in text and f"$e^3 = {math.exp(3):.1f}$" in text


def test_training_mode_measures_too_high_and_never_the_same(day, capsys):
    said = printed(capsys, code("dropping = Small"), day)
    train_1, train_2, eval_1, eval_2 = (float(x) for x in re.findall(r": (\d+\.\d\d)", said))
    assert train_1 != train_2 and eval_1 == eval_2 and min(train_1, train_2) > eval_1


# --- Part 5: one batch ----------------------------------------------------------------------------------


def test_the_floor_given_is_the_library_s():
    (shown,) = (n for n in ast.parse(code("def batch_floor")).body if isinstance(n, ast.FunctionDef))
    (kept,) = ast.parse(inspect.getsource(experiments.batch_floor)).body
    assert ast.dump(shown) == ast.dump(kept)


def test_the_floor_of_two_lines(day):
    text = prose("## 5 · Can it learn")
    assert f"2 · {math.log(2):.3f}" in text and f"cost {2 * math.log(2):.3f} nats" in text
    lines = day["lines"]
    assert day["batch_floor"](lines[:, :-1], lines[:, 1:]) == pytest.approx(2 * math.log(2) / 6)
    assert f"{2 * math.log(2) / 6:.3f} each" in text


def test_most_batches_cannot_reach_a_hundredth(day, capsys):
    said = printed(capsys, code("floors = sorted"), day)
    assert int(said.split()[0]) < 50


def test_only_a_model_that_looks_back_learns_a_batch_of_the_play(day):
    torch.manual_seed(0)
    sound, starter = day["one_batch"](day["Small"](day["V"])), day["one_batch"](day["Starter"](day["V"], 24))
    assert sound["passed"] and not starter["passed"] and starter["losses"][-1] > 1


# --- Part 6: four bugs ----------------------------------------------------------------------------------


def test_each_bug_has_its_own_row(day):
    """First loss, one batch, the end: what the list below the table says of each."""
    first = {name: day["planted_run"](name)[0] for name in day["PLANTED"]}
    end = {name: day["tail"](name) for name in day["PLANTED"]}
    learned = {}
    for name, (make, change) in day["PLANTED"].items():
        torch.manual_seed(0)
        learned[name] = day["one_batch"](make(day["V"]), change)["passed"]
    dice, shares, _ = day["LEVELS"].values()
    assert (
        all(abs(first[name] - dice) < 0.1 for name in first if name != "run 4") and first["run 4"] > dice + 2
    )
    assert [name for name in learned if not learned[name]] == ["run 3"]
    assert end["run 1"] < day["play"].entropy, "the leak is not below what is possible"
    assert abs(end["run 2"] - shares) < 0.05
    assert end["run 3"] > dice - 0.3
    assert abs(end["run 4"] - end["sound"]) < 0.2 and end["sound"] < shares - 0.4
    assert f"{dice:.2f}" == "4.16" and "4.16" in prose("No two rows are alike")


@pytest.mark.parametrize("seed", [0, 1, 2])  # 0 is the notebook's
def test_a_correct_run_goes_up_now_and_then(day, seed):
    torch.manual_seed(seed)
    losses = day["fit"](day["Small"](day["V"]), seed, steps=21)
    ups = sum(later > sooner for sooner, later in pairwise(losses))
    assert 1 <= ups <= 10 and losses[-1] < losses[0]


# --- Parts 7 and 8: the ablation ------------------------------------------------------------------------


def test_the_global_generator_chooses_other_text_for_another_width(capsys, day):
    one, other = printed(capsys, code("by_its_own"), day).splitlines()
    by_global, by_its_own = (re.findall(r"\[[\d, ]+\]", line) for line in (one, other))
    assert by_global[0] != by_its_own[0] and by_global[1] == by_its_own[1]


def test_what_the_parts_are_worth_in_this_run(day):
    """Roads: everything. The others: less than nothing, by more than the complete model's spread."""
    scores = {name: [] for name in day["CONFIGS"]}
    for seed in (0, 1, 2):
        for row in day["ablation"](seed):
            scores[row["name"]].append(row["score"])
    complete = scores.pop("everything")
    assert abs(min(scores.pop("no roads")) - day["LEVELS"]["shares of the characters"]) < 0.05
    assert all(max(three) < min(complete) for three in scores.values()), scores
    assert 0.01 < max(complete) - min(complete) < 0.1, "they do not differ by some hundredths"


# --- Part 9: power laws ---------------------------------------------------------------------------------


def test_the_law_by_hand(day):
    a, b = day["fit_power_law"]([10, 100, 1000], [8, 4, 2])
    assert a == pytest.approx(16) and b == pytest.approx(math.log(0.5) / math.log(10))
    assert f"b = \\ln ½ / \\ln 10 = {b:.3f}" in prose("## 9 · Straight lines")
    assert f"{2**-0.076:.2f}" == "0.95"


def test_a_hundred_times_the_tokens_a_tenth_of_the_spread(day):
    spreads = day["spreads"]()
    _, b = day["fit_power_law"](list(spreads), list(spreads.values()))
    assert b == pytest.approx(-0.5, abs=0.05)
    assert spreads[10] / spreads[1000] == pytest.approx(10, rel=0.25)
    assert spreads[1000] > 0.02, "on a thousand tokens a hundredth can be seen"


def test_small_squares_follow_the_largest_number(day, capsys):
    said = printed(capsys, code("def fit_as_they_are"), day)
    logs, plain = (
        [float(x) for x in re.findall(r"-?\d+\.\d+", line.replace("100,000", ""))]
        for line in said.splitlines()
    )
    assert abs(logs[1] + 0.5) < 0.02 < 0.08 < abs(plain[1] + 0.5)
    assert plain[2] < logs[3] / 2 and abs(logs[2] / logs[3] - 1) < 0.1


def test_the_fourth_model_lies_above_the_line(day):
    sizes, losses = zip(*day["by_width"](), strict=True)
    a, b = day["fit_power_law"](sizes[:3], losses[:3])
    assert losses == tuple(sorted(losses, reverse=True)) and losses[3] > a * sizes[3] ** b + 0.05


# --- Part 10, and the rest ------------------------------------------------------------------------------


def test_a_step_is_three_times_the_forward_pass(day, capsys):
    said = printed(capsys, code("FlopCounterMode(display"), day)
    assert "3.0 times" in said


def test_the_stretch_exercise_can_be_solved(day, capsys):
    cell = code("def tokens_needed")
    assert "(not yet)" in printed(capsys, cell, day)
    assert "(done)" in printed(capsys, cell.replace("return 0.0", "return (spread / a) ** (1 / b)"), day)
