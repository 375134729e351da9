"""What Day 9's text says, checked on the notebook's own cells."""

import ast
import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from autograder.build.sources import read_source
from handmade.data import TextDataset, make_loader

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week2_attention" / "day09_attention.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


@pytest.fixture(scope="module")
def day():
    """The notebook's names: its imports, its three functions, and what it builds on them."""
    names = {}
    for containing in (
        "from handmade.drawings import",
        "def causal_mask",
        "def attention_weights",
        "def attend",
        "def who_noticed",
        "class OneHead",
    ):
        exec(code(containing), names)
    names["play"] = names["make_corpus"]("play", seed=0)
    names["text"] = names["play"].text
    threads = torch.get_num_threads()
    exec(code("def trained").replace("32, 600", "32, 200"), names)  # a third of the steps shows the same
    yield names
    torch.set_num_threads(threads)


def printed(capsys, cell: str, names=None) -> str:
    exec(cell, {"torch": torch, "math": math} if names is None else names)
    return capsys.readouterr().out


def test_further_back_helps(day, capsys):
    """Part 1: the same letter, and quite different answers."""
    lines = printed(capsys, code("def what_follows"), day).splitlines()
    best = {line.split("'")[1]: (line.split("'")[3], int(re.search(r"(\d+)%", line)[1])) for line in lines}
    assert best["igh"][0] == "t" and best[" th"][0] == "e"
    assert best["h"][1] < best["th"][1] < best[" th"][1], "more context does not sharpen what follows th"


def test_the_row_by_hand():
    """Part 4: every figure of the table, and what the third position receives."""
    (table,) = (c.source for c in SOURCE.cells if c.source.lstrip("# ").startswith("4 · How a position"))
    query, values = torch.ones(4), torch.tensor([6.0, 0.0, 3.0])
    rows = [
        [part.strip() for part in line.strip("|").split("|")] for line in table.splitlines() if "(1," in line
    ]
    rows = [row for row in rows if len(row) == 6]
    assert len(rows) == 3
    keys = torch.tensor([ast.literal_eval(row[1].replace("−", "-")) for row in rows], dtype=torch.float)
    dots = keys @ query
    powers = (dots / 2).exp()
    shares = powers / powers.sum()
    for row, dot, power, share in zip(rows, dots, powers, shares, strict=True):
        assert row[2:] == [f"{dot:g}", f"{dot / 2:g}", f"{power:.2f}", f"{share:.2f}"]
    assert f"add up to {powers.sum():.2f}" in table
    assert f"receives {shares[0]:.2f} · 6 + {shares[1]:.2f} · 0 + {shares[2]:.2f} · 3" in " ".join(
        table.split()
    )
    assert math.isclose(shares @ values, 2.5359, abs_tol=1e-4)


def test_the_count_of_the_mask(day):
    for T in (1, 4, 100):
        assert day["causal_mask"](T).sum() == T * (T + 1) // 2


def test_the_variance_of_a_dot_product_is_its_width(capsys):
    """Part 5: d_k without the scale, 1 with it; unscaled, the largest share goes to 1 and its slope to 0."""
    table = printed(capsys, code("for d_k in")).splitlines()[2:]
    rows = {int(d_k): [float(x) for x in rest] for d_k, *rest in (line.split() for line in table)}
    for d_k, (unscaled, _, _, scaled, _, _) in rows.items():
        assert abs(unscaled / d_k - 1) < 0.1 and abs(scaled - 1) < 0.1
    _, largest, slope, _, largest_scaled, slope_scaled = rows[1024]
    assert largest > 0.95 > 0.5 > largest_scaled, "the largest share: nearly all without the scale"
    assert slope < 0.03 < 0.15 < slope_scaled, "its slope: nearly none without the scale"
    assert 1024 / 4 == 256, "the prompt offers this growth"


@pytest.mark.parametrize("seed", range(10, 20))  # 10 is the notebook's
def test_without_the_scale_few_queries_get_nearly_all_of_the_gradient(seed, capsys):
    """Part 5: hardly any for the typical query, a few make the mean larger all the same; with it, one pace for all."""
    cell = code("median gradient").replace("manual_seed(10)", f"manual_seed({seed})")
    table = [line.split() for line in printed(capsys, cell).splitlines()[1:]]
    unscaled, scaled = ([float(x) for x in row[1:]] for row in table)  # median, mean, largest
    assert unscaled[0] < scaled[0] / 8, "the typical query's gradient is not far smaller without the scale"
    assert unscaled[1] > 2 * scaled[1], "the mean is not larger without the scale"
    assert unscaled[2] > 10 * unscaled[1] and scaled[2] < 7 * scaled[1], "the largest, by the mean"


def test_three_ways_to_hide(capsys):
    """Part 6: only -inf leaves a row that sums to 1, is 0 at the future and does not depend on it."""
    names = {"torch": torch, "math": math}
    before = printed(capsys, code("def three_ways"), names)
    names["three_ways"](future=8.0)
    after = capsys.readouterr().out
    to_0, afterwards, inf = (
        [float(x) for x in re.findall(r"\d\.\d{3}", line)] for line in before.splitlines()
    )
    assert to_0[2] > 0.05 and to_0[3] == 1
    assert afterwards[2] == 0 and afterwards[3] < 0.5
    assert inf[2] == 0 and inf[3] == 1
    changed = [one != other for one, other in zip(before.splitlines(), after.splitlines(), strict=True)]
    assert changed == [False, True, False]
    assert "0.002  0.001  0.000" in after, "the visible shares are not almost nothing"
    assert torch.full((3,), -math.inf).softmax(0).isnan().all()


def test_hiding_afterwards_leaks_through_the_sum(day):
    """Part 9: its weights are 0 above the diagonal, and yet every row notices every change."""
    assert torch.equal(day["who_noticed"](day["attend"]), day["causal_mask"](6))
    assert day["who_noticed"](day["hide_afterwards"]).all()


def test_without_mask_and_positions_order_does_not_matter(day, capsys):
    """Part 10."""
    said = printed(capsys, code("torch.randperm"), day)
    assert float(said.split()[-1]) < 1e-5


def test_it_is_pytorch_s_attention(day, capsys):
    said = printed(capsys, code("theirs = F.scaled"), day)
    assert float(said.split()[-1]) < 1e-5


def test_one_head_breaks_the_wall_and_the_leak_breaks_the_floor(day):
    """Part 11: with the mask, between the two floors; without it, below what is possible."""
    wall, floor, n = day["wall"], day["floor"], 20
    honest, leaky = (torch.tensor(day["trained"](masked=m)[1][-n:]).mean() for m in (True, False))
    assert floor < honest < wall, f"with the mask: {honest:.2f}"
    x, y = next(iter(make_loader(TextDataset(day["val_ids"], day["BLOCK"]), batch_size=500, seed=4)))
    last = {}
    for masked in (True, False):
        with torch.no_grad():
            logits, _ = day["trained"](masked=masked)[0](x)
        last[masked] = F.cross_entropy(logits[:, -1], y[:, -1])
        before = F.cross_entropy(logits[:, :-1].flatten(0, 1), y[:, :-1].flatten())
        assert (before < floor) == (not masked), f"masked={masked}: {before:.3f} before the last position"
    assert leaky < 0.2 and last[True] < last[False], "the leaky model is the worse writer"


def test_where_the_trained_heads_look(day):
    """Part 11: the honest one at the character before or at itself, the leaky one at the next."""
    idx = day["val_ids"][: day["BLOCK"]][None]
    honest = day["trained"](masked=True)[0].weights(idx)[0]
    leaky = day["trained"](masked=False)[0].weights(idx, masked=False)[0]
    near = honest.diagonal(-1).sum() + honest.diagonal().sum()
    assert near / len(honest) > 0.5, (
        "the honest head does not look mostly at the character before and at itself"
    )
    assert leaky.diagonal(1).mean() > 0.8, "there is no stripe at the next character"


def test_the_stretch_exercise_can_be_solved(day, capsys):
    """And its cell says so; as it stands it says that it is not done yet."""
    cell = code("stretch_q")
    exec(cell, day)
    assert "(not yet)" in capsys.readouterr().out
    solved = cell.replace("stretch_k = torch.zeros(6, 6)", "stretch_k = torch.eye(6)").replace(
        "stretch_q = torch.zeros(6, 6)", "stretch_q = 30 * torch.eye(6)[[0, 0, 1, 2, 3, 4]]"
    )
    exec(solved, day)
    assert "(done)" in capsys.readouterr().out
