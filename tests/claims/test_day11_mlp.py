"""What Day 11's text says, checked on the notebook's own cells."""

import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from autograder.build.sources import read_source

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week2_attention" / "day11_mlp.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def prose(containing: str) -> str:
    """The one cell of prose that holds this text, its lines joined."""
    (text,) = (c.source for c in SOURCE.cells if c.cell_type == "markdown" and containing in c.source)
    return " ".join(text.split())


@pytest.fixture(scope="module")
def day():
    """The notebook's names, up to the MLP."""
    names: dict = {}
    threads = torch.get_num_threads()
    for containing in (
        "from handmade.drawings import",
        "def gelu(",
        "def gelu_tanh",
        "def sigmoid_form",
        "CURVES:",
        "class MLP",
        "def config_of",
    ):
        exec(code(containing), names)
    yield names
    torch.set_num_threads(threads)


def test_no_weighted_sum_says_and():
    """Part 1: the best straight fit misses, the bent sum does not."""
    news = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    wanted = torch.tensor([0.0, 0.0, 0.0, 1.0])
    terms = torch.cat([news, torch.ones(4, 1)], dim=1)
    best = terms @ torch.linalg.lstsq(terms, wanted[:, None]).solution
    assert (best[:, 0] - wanted).abs().max() > 0.2
    assert torch.equal(torch.relu(news.sum(1) - 1), wanted)


def test_the_table_of_chances(day):
    """Part 2: Φ and x · Φ, to three digits."""
    rows = re.findall(r"\| (−?\d) \| ([\d.]+) \| (−?[\d.]+) \|", prose("kept with chance"))
    assert len(rows) == 5
    for x, chance, result in ([float(n.replace("−", "-")) for n in row] for row in rows):
        assert torch.special.ndtr(torch.tensor(x)).item() == pytest.approx(chance, abs=6e-4)
        assert day["gelu"](torch.tensor(x)).item() == pytest.approx(result, abs=6e-4)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_tosses_come_to_gelu(seed, day, capsys):
    exec(code("tosses =").replace("manual_seed(11)", f"manual_seed({seed})"), day)
    for line in capsys.readouterr().out.splitlines():
        x, _, average = (float(n) for n in re.findall(r"-?\d+\.\d+", line))
        assert average == pytest.approx(day["gelu"](torch.tensor(x)).item(), abs=0.02)
    low, between, high = day["gelu"](torch.tensor([-1.0, -1.5, -2.0])).tolist()
    assert low < between < high


def test_the_lowest_point_of_gelu(day):
    """Parts 4 and 7: −0.17 at −0.75, and the only place left of 0 with slope 0."""
    x = torch.linspace(-6, 0, 60_001, dtype=torch.float64)
    y, slopes = day["gelu"](x), day["slope"](day["gelu"], x)
    assert x[y.argmin()].item() == pytest.approx(-0.75, abs=0.005)
    assert y.min().item() == pytest.approx(-0.17, abs=0.0005)
    assert int((slopes[1:] * slopes[:-1] <= 0).sum()) == 1
    right = torch.linspace(0, 4, 4001, dtype=torch.float64)
    steepest = day["slope"](day["gelu"], right)
    assert steepest.max() > 1.1 and right[steepest.argmax()].item() == pytest.approx(1.4, abs=0.05)


def test_the_hand_calculation_of_the_tanh_form(day):
    """Part 3."""
    said = prose("with a calculator")
    root = math.sqrt(2 / math.pi)
    for number in (
        root,
        root * 1.044715,
        math.tanh(root * 1.044715),
        day["gelu_tanh"](torch.tensor(1.0)).item(),
    ):
        assert f"{number:.5f}" in said, number
    assert f"{day['gelu'](torch.tensor(1.0)).item():.5f}" in said
    slope = day["slope"](lambda x: torch.erf(x / math.sqrt(2)), torch.tensor([0.0]))
    assert slope.item() == pytest.approx(root, rel=1e-6)


def test_how_far_the_forms_are_from_the_exact_one(day):
    """Part 3: the sigmoid form 43 times as far as the tanh form; left of 0 it is the same."""
    x = torch.linspace(-8, 8, 16_001, dtype=torch.float64)
    tanh, sigmoid = ((day[name](x) - day["gelu"](x)).abs() for name in ("gelu_tanh", "sigmoid_form"))
    assert round((sigmoid.max() / tanh.max()).item()) == 43 and tanh.max() < 4.8e-4
    for off in (tanh, sigmoid):
        torch.testing.assert_close(off, off.flip(0), rtol=0, atol=1e-12)
    assert (F.gelu(x) - day["gelu"](x)).abs().max() < 1e-12, "F.gelu is the exact one unless told otherwise"


def test_a_third_of_the_relus_die_and_none_comes_back(day, capsys):
    """Part 5; and so it is with other seeds."""
    cell = code("def trained(")
    for seed in (11, 12, 13):
        names = dict(day)
        exec(cell.replace("torch.manual_seed(11)", f"torch.manual_seed({seed})"), names)
        counts = {curve: [count for _, count, _ in names["trained"](curve)[1]] for curve in ("ReLU", "GELU")}
        assert counts["GELU"] == [0, 0, 0], seed
        assert counts["ReLU"][1] > 64 / 5 and counts["ReLU"][2] >= counts["ReLU"][1], seed
        if seed == 11:
            assert 64 / 4 < counts["ReLU"][1] < 64 / 2.5, "a third"
            fc, _ = names["trained"]("ReLU")
            largest = fc(names["examples"]).amax(0)
            assert int((largest <= 0).sum()) == counts["ReLU"][2], "the dead are those left of 0"
            assert largest.min() > -1, "a mark stands outside the picture"
            largest = names["trained"]("GELU")[0](names["examples"]).amax(0)
            assert -1 < largest.min() and 2 <= int((largest < 0).sum()) <= 5, "a few never get a positive sum"


def test_far_out_gelus_slope_is_0_to_a_float(day):
    slopes = day["slope"](day["gelu"], torch.tensor([-6.0, -20.0]))
    assert slopes[0] != 0 and slopes[0].abs() < 1e-7 and slopes[1] == 0


def test_a_bend_at_the_end_can_hardly_subtract(day, capsys):
    """Part 7."""
    exec(code("bend at the end"), day)
    right, late = (
        [float(n) for n in re.findall(r"-?\d+\.\d+", line)] for line in capsys.readouterr().out.splitlines()
    )
    assert right[0] < -0.5 and late[0] == pytest.approx(-0.17)


def test_two_thirds_of_a_block(day, capsys):
    """Part 8: 66.6 % of a block and 45.5 % of the model, and the parts are those of a real GPT."""
    from handmade.model import GPT, GPTConfig

    exec(code("def count_parts"), day)
    n = day["count_parts"]()
    with torch.device("meta"):
        model = GPT(GPTConfig())
    weigh = day["count"]
    assert n["whole"] == weigh(model) and n["block"] == weigh(model.transformer.h[0])
    assert n["mlp"] == weigh(model.transformer.h[0].mlp)
    C = 768
    assert n["mlp"] == 8 * C * C + 5 * C and n["attention"] == 4 * C * C + 4 * C
    tables = (n["whole"] - 12 * (n["mlp"] + n["attention"])) / n["whole"]
    assert 0.3 < tables < 1 / 3, "nearly a third"


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_wrong_gelu_drifts_further_with_depth(seed, day, capsys):
    """Part 9: beyond what Day 14 allows, and the more the deeper."""
    exec(code("def drift").replace("manual_seed(11)", f"manual_seed({seed})"), day)
    drifts = [day["drift"](depth) for depth in (1, 4, 12)]
    assert all(one < other for one, other in pairwise(drifts)), drifts
    assert drifts[-1] > 1e-4


def test_what_an_mlp_is_worth(day):
    """Part 10: with the bend the same 33,000 weights lower the loss more than three times as much."""
    names = dict(day)
    exec(code("class OneLayer"), names)
    exec(code("KINDS =").split("curves(")[0], names)
    last = {kind: sum(names["losses_with"](kind)[-100:]) / 100 for kind in names["KINDS"].values()}
    assert last["nothing"] > last["no bend"] > last["MLP"]
    assert last["nothing"] - last["MLP"] > 3 * (last["nothing"] - last["no bend"]), last
    assert round(sum(p.numel() for p in day["MLP"](day["config_of"](64)).parameters()), -3) == 33_000


def test_the_stretch_exercise_can_be_solved(day, capsys):
    """And its cell says so; as it stands it says that it is not done yet."""
    cell = code("second = torch.zeros")
    exec(cell, dict(day))
    assert "(not yet)" in capsys.readouterr().out
    small = 0.1
    first = f"first = {small} * torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])"
    weight = 1 / (4 * small**2 * math.sqrt(2 / math.pi))
    second = f"second = {weight} * torch.tensor([[1.0, 1.0, -1.0, -1.0]])"
    solved = cell.replace("first = torch.zeros(4, 2)", first).replace("second = torch.zeros(1, 4)", second)
    exec(solved, dict(day))
    assert "(done)" in capsys.readouterr().out
