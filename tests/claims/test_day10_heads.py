"""What Day 10's text says, checked on the notebook's own cells."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from autograder.build.sources import read_source
from handmade.attention import FusedCausalSelfAttention
from handmade.model import GPT2, GPTConfig

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week2_attention" / "day10_heads.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def printed(capsys, cell: str, names: dict) -> str:
    exec(cell, names)
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def day() -> dict:
    """The notebook's names: its imports, its three answers, and what it builds on them."""
    names: dict = {}
    for containing in (
        "import functools",
        "def split_heads",
        "def merge_heads",
        "class CausalSelfAttention",
        "class ViewAlone",
        "def multiplications",
        "def milliseconds",
    ):
        exec(code(containing), names)
    threads = torch.get_num_threads()
    exec(code("def trained").replace("32, 600", "32, 300"), names)  # half of the steps shows the same
    exec(code("def smooth"), names)
    yield names
    torch.set_num_threads(threads)


def test_the_table_by_hand(day):
    """Part 2: what stands in each head, and what a view alone makes of it."""
    (table,) = (c.source for c in SOURCE.cells if "| | head 0 | head 1 |" in c.source)
    rows = [re.findall(r"\d+", line)[1:] for line in table.splitlines() if line.startswith("| position")]
    numbered = 10 * torch.arange(3)[:, None] + torch.arange(6)
    heads = day["split_heads"](numbered[None], 2)[0]
    assert [[int(n) for n in row] for row in rows] == torch.cat([heads[0], heads[1]], dim=-1).tolist()
    alone = numbered.view(2, 3, 3)[0].flatten().tolist()
    assert alone == [*range(6), 10, 11, 12], "head 0 of a view alone is not position 0 and half of position 1"


def test_heads_at_once_are_a_loop(day, capsys):
    assert float(printed(capsys, code("together ="), dict(day)).split()[-1]) < 1e-6


def test_gpt_2_has_12_heads_of_64_and_biases_here():
    assert (GPT2.n_embd, GPT2.n_head, GPT2.head_size, GPT2.bias) == (768, 12, 64, True)


def test_the_scale_makes_the_variance_of_a_head_1():
    """Part 4: a score of head_size products has variance head_size."""
    q, k = torch.randn(2, 20_000, 4, generator=torch.Generator().manual_seed(0))
    assert abs((q * k).sum(-1).var() - 4) < 0.2


def test_dropout_leaves_the_mean_as_it_was():
    torch.manual_seed(0)
    assert abs(torch.nn.Dropout(0.3)(torch.ones(100_000)).mean() - 1) < 0.01


def test_heads_cost_no_parameters_and_no_products(day):
    """Part 6, and the counts of part 9: 4TC² in the linear layers and 2T²C for the pairs, whatever the heads."""
    T, C = 24, 48
    sizes, products = set(), set()
    for n_head in (1, 6, 12, 48):
        layer = day["CausalSelfAttention"](GPTConfig(n_head=n_head, n_embd=C))
        sizes.add(sum(p.numel() for p in layer.parameters()))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            layer(torch.zeros(1, T, C))
        products.add(counter.get_total_flops() // 2)  # a multiplication and an addition each
    assert sizes == {4 * C * C + 4 * C} and products == {sum(day["multiplications"](T, C))}


def test_twice_the_text_is_less_than_four_times_the_layer(day):
    """Part 9: 2.8 times and 8.8 times for GPT-2's width from 1,024 on; both parts equal at T = 2C."""
    count = day["multiplications"]
    whole = {T: sum(count(T, 768)) for T in (1024, 2048, 4096)}
    assert round(whole[2048] / whole[1024], 1) == 2.8 and round(whole[4096] / whole[1024], 1) == 8.8
    assert count(2 * 768, 768)[0] == count(2 * 768, 768)[1]


def test_a_view_alone_leaks_or_forgets(day):
    """Part 7: with a proper merge the future leaks in; with a view there too, the text falls in two."""
    yours, split, both = day["three_layers"]().values()
    lower = torch.ones(6, 6, dtype=torch.bool).tril()
    assert torch.equal(yours, lower)
    assert (split & ~lower).any(), "no row sees its future"
    assert torch.equal(both, lower & (torch.arange(6)[:, None] // 3 == torch.arange(6) // 3))


def test_more_heads_are_better_with_the_same_parameters(day):
    """Part 8: each doubling helps, all are below the bigram floor, and each of the four heads is missed."""
    losses, sizes = [], set()
    for n_head in (1, 2, 4, 8):
        model, each = day["trained"](n_head)
        sizes.add(sum(p.numel() for p in model.parameters()))
        losses.append(sum(each[-60:]) / 60)
    assert len(sizes) == 1 and losses == sorted(losses, reverse=True) and losses[0] < day["wall"], losses
    assert losses[0] - losses[2] > 0.05
    exec(code("def head_weights"), day)
    exec(code("favourites ="), day)
    assert day["places"] > 2, "the four heads look at the same place"
    exec(code("def loss_without"), day)
    model = day["trained"](4)[0]
    whole = day["loss_without"](model, None)
    assert all(day["loss_without"](model, h) > whole + 0.05 for h in range(4))
    assert day["loss_without"](model, None) == whole, "silencing a head left something behind"


def test_heads_cost_memory_where_the_tables_are_kept(day, capsys):
    """Part 9: n T² weights; what is kept for backward grows with them, but not in the fused form."""
    exec(code("def kept_for_backward"), day)
    capsys.readouterr()
    kept, T, C = day["kept_for_backward"], 128, 768
    x = torch.randn(1, T, C)
    bytes_of = {n: kept(day["CausalSelfAttention"](GPTConfig(n_head=n, n_embd=C)), x) for n in (1, 12, 768)}
    assert bytes_of[768] - bytes_of[1] == pytest.approx(767 * T * T * 4, rel=0.02)
    assert bytes_of[12] < 1.3 * bytes_of[1] and bytes_of[768] > 10 * bytes_of[1], (
        "nothing beside the rest; most"
    )
    fused = FusedCausalSelfAttention(GPTConfig(n_head=64, n_embd=C))
    plain = day["CausalSelfAttention"](GPTConfig(n_head=64, n_embd=C))
    assert kept(fused, x) < kept(plain, x) - 0.9 * 64 * T * T * 4, "the fused form keeps the tables"
    plain.load_state_dict(fused.state_dict())
    torch.testing.assert_close(fused(x), plain(x), rtol=1e-4, atol=1e-5)


def test_it_is_pytorchs_attention(day):
    layer = day["CausalSelfAttention"](GPTConfig(n_head=3, n_embd=12)).eval()
    x = torch.randn(2, 5, 12)
    q, k, v = (day["split_heads"](part, 3) for part in layer.c_attn(x).chunk(3, dim=-1))
    wanted = layer.c_proj(day["merge_heads"](F.scaled_dot_product_attention(q, k, v, is_causal=True)))
    torch.testing.assert_close(layer(x), wanted, rtol=1e-4, atol=1e-5)


def test_the_stretch_exercise_can_be_solved(day, capsys):
    """And its cell says so; as it stands it says that it is not done yet. 1,930 tokens stay below 16 GiB."""
    cell = code("def weights_in_bytes")
    assert "(not yet)" in printed(capsys, cell, day)
    solved = cell.replace("return 0", "return 4 * config.n_layer * config.n_head * B * T * T")
    assert "4.5 GiB (done)" in printed(capsys, solved, day)
    longest = max(T for T in range(1, 4000) if day["weights_in_bytes"](GPT2, 8, T) < 2**34)
    assert longest == 1930
