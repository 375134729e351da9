"""What Day 5's text says, checked on the notebook's own cells."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from autograder.build.sources import read_source

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week1_tokens" / "day05_shape.md", ROOT)
PROSE = " ".join(" ".join(c.source.split()) for c in SOURCE.cells if c.cell_type == "markdown")


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def rows(containing: str) -> list[list[str]]:
    """The table in the one cell of prose that holds this text, without its head."""
    (part,) = (c.source for c in SOURCE.cells if c.cell_type == "markdown" and containing in c.source)
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[entry.strip(" *") for entry in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def day():
    """The notebook's names: its imports, its answers, and what it builds on them."""
    names = {}
    for containing in (
        "from handmade.drawings import",
        "def draw_shapes",
        "class FeedForward",
        "def who_moved",
        "class Average",
        "class TransformerBlock",
        "class Times",
        "class OtherBlock",
        "def count_block_params",
        "def count_gpt_params",
        "def where_they_sit",
    ):
        exec(code(containing), names)
    return names


def printed(capsys, cell: str, names: dict) -> str:
    capsys.readouterr()
    exec(cell, names)
    return capsys.readouterr().out


def test_which_shapes_change(day):
    """Part 1: the number of blocks changes no shape, the length of the texts every one."""
    sizes = {"B": 4, "T": 16, "d_model": 64, "expansion": 4, "n_layer": 12, "vocab_size": "65"}
    shapes = re.findall(r"→ (\(.*?\))", day["draw_shapes"](**sizes).alt)
    assert re.findall(r"→ (\(.*?\))", day["draw_shapes"](**sizes | {"n_layer": 48}).alt) == shapes
    longer = re.findall(r"→ (\(.*?\))", day["draw_shapes"](**sizes | {"T": 17}).alt)
    assert all(one != other for one, other in zip(shapes, longer, strict=True))
    assert len(shapes) == 9 and sum("256" in shape for shape in shapes) == 1, (
        "it gets wider in one place only"
    )


def test_the_feed_forward_by_hand():
    """Part 2: the table, and nearly the size of each number."""
    x, sums = torch.tensor([2.0, -1.0]), []
    for _, weights, total, bent, _ in rows("By hand: widen"):
        weights = torch.tensor([float(w) for w in weights.replace("−", "-").strip("()").split(",")])
        sums.append(float(total.replace("−", "-")))
        assert weights @ x == sums[-1]
        assert f"{F.gelu(torch.tensor(sums[-1])):.2f}" == bent.replace("−", "-")
    bent = F.gelu(torch.tensor(sums))
    assert f"{bent[0] + bent[1]:.2f}" == "1.91" and f"{bent[2] + bent[3]:.2f}" == "0.68"
    for value, wanted in re.findall(r"GELU\((−?\d)\) = (−?[\d.]+\d)", PROSE):
        value, wanted = (text.replace("−", "-") for text in (value, wanted))
        assert f"{F.gelu(torch.tensor(float(value))):.2f}" == wanted


def test_without_a_bend_nothing_is_left(day, capsys):
    assert printed(capsys, code("widen = torch.tensor"), day) == "tensor([1.9090, 0.6827])\n"
    assert printed(capsys, code("print(narrow @ (widen @ x))"), day) == "tensor([0., 0.])\n"


def test_the_feed_forward_is_alone_at_every_position(day):
    """Part 4: only the diagonal; Average carries something to every later position, and to no earlier one."""
    torch.manual_seed(5)
    assert torch.equal(day["who_moved"](day["FeedForward"](16)), torch.eye(6))
    assert torch.equal(day["who_moved"](day["Average"]()), torch.ones(6, 6).tril())


def test_the_block_by_hand(day):
    """Part 5: every row of the table."""
    vectors = [
        [float(n) for n in row[1].replace("−", "-").strip("()").split(",")] for row in rows("| $y$, the sum")
    ]
    x, normed, doubled, h, again, tripled, y = map(torch.tensor, vectors)
    for vector, norm in ((x, normed), (h, again)):
        torch.testing.assert_close(F.layer_norm(vector, (2,)), norm, atol=1e-4, rtol=0)
    assert torch.equal(2 * normed, doubled) and torch.equal(x + doubled, h)
    assert torch.equal(3 * again, tripled) and torch.equal(h + tripled, y)


@pytest.mark.parametrize("seed", [5, 6])  # 5 is the notebook's
def test_only_the_block_with_roads_and_norms_gets_anywhere(day, capsys, seed):
    """Part 7, in all its twelve blocks: who is well below guessing, and how large the stream is."""
    threads = torch.get_num_threads()
    said = printed(capsys, code("losses, sizes = ").replace("manual_seed(5)", f"manual_seed({seed})"), day)
    torch.set_num_threads(threads)
    lines = re.findall(r"^(.*?) +last loss ([\d.]+) +size .*? ([\d.,]+)$", said, re.MULTILINE)
    found = {name: (float(loss), float(size.replace(",", ""))) for name, loss, size in lines}
    assert set(found) == {"yours", "no roads", "no norms", "post-norm"}
    assert found.pop("yours")[0] < 1.5
    assert all(loss > 2.8 for loss, _ in found.values()), found
    assert found["no norms"][1] > 1000 and found["no roads"][1] < 0.5, found


def test_a_road_does_not_keep_a_gradient_above_1(day, capsys):
    assert printed(capsys, code("def take_away"), day) == "gradient 0.0\n"


def test_the_count_by_hand(day):
    """Part 8: the table's two sums, and the counts of both."""
    *parts, total = rows("Counting a block, by hand")
    last = lambda entry: int(entry.split("=")[-1])  # noqa: E731
    for column in (1, 2):
        assert sum(last(row[column]) for row in parts) == int(total[column])
    weights, biases = int(total[1]), int(total[2])
    assert day["count_block_params"](2, bias=False) == weights
    assert day["count_block_params"](2) == weights + biases == 74


@pytest.mark.parametrize("d_model", [64, 768, 1600])
def test_two_thirds_of_a_block(day, d_model):
    feed_forward = sum(p.numel() for p in day["FeedForward"](d_model).parameters())
    assert feed_forward / day["count_block_params"](d_model) == pytest.approx(2 / 3, abs=0.006)


def test_a_head_and_a_table_have_one_shape(day, capsys):
    assert printed(capsys, code("table, head = "), day) == "table (65, 64), head (65, 64)\n"


def test_gpt2_small(day):
    """Part 9: what the parts come to, and what two usual slips make of it."""
    count, blocks = day["count_gpt_params"], 12 * day["count_block_params"](768)
    small = count(50257, 1024, 12, 768)
    assert f"{small:,}" in PROSE and small == blocks + (50257 + 1024) * 768 + 2 * 768
    assert f"{50257 * 768 / 1e6:.1f} million numbers" in PROSE
    assert f"at about {(blocks + 12e6) / 1e6:.0f} million" in PROSE
    assert f"counts it twice, at {count(50257, 1024, 12, 768, tied=False) / 1e6:.0f}." in PROSE


def shares(drawing) -> dict[str, float]:
    found = re.findall(
        r"([\w-]+(?:\s\w+)?): [\d,]+ ([\d.]+)%", drawing.alt.replace("\N{NO-BREAK SPACE}", " ")
    )
    return {name: float(share) for name, share in found}


def test_where_they_sit(day):
    """Part 10: what the text says of the still pictures."""
    gpt2 = shares(day["where_they_sit"]("50,257", 1024, 12, 768, True))
    assert f"{gpt2['feed-forward']} %" in PROSE and gpt2["feed-forward"] == 45.5
    assert 30 < gpt2["token table"] < 100 / 3
    characters = shares(day["where_they_sit"]("65", 256, 6, 384, True))
    assert characters["token table"] < 0.5 and characters["feed-forward"] > 65
    largest = shares(day["where_they_sit"]("50,257", 1024, 48, 1600, True))
    assert largest["token table"] < 6
    block = day["count_block_params"]
    assert block(1536) / block(768) == pytest.approx(4, rel=0.01)
    assert block(768) == pytest.approx(12 * 768**2, rel=0.01), "about 12 d² in each block"


def test_the_stretch_exercise_can_be_solved(day, capsys):
    """And its cell says so; as it stands it says that it is not done yet."""
    cell = code("stretch = ")
    assert "(not yet)" in printed(capsys, cell, day)
    fits = [
        (count, n_layer, d_model)
        for n_layer in range(1, 49)
        for d_model in range(64, 1601, 64)
        if (count := day["count_gpt_params"](65, 256, n_layer, d_model)) <= 10_000_000
    ]
    _, n_layer, d_model = max(fits)
    assert "(done)" in printed(capsys, cell.replace("(6, 320)", f"({n_layer}, {d_model})"), day)
    assert len({n_layer for _, n_layer, _ in sorted(fits)[-5:]}) > 2, "the runners-up have different forms"
