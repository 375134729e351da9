"""What Day 8's text says, checked on the notebook's own cells."""

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn as nn

from autograder.build.sources import read_source
from handmade.model import GPT, GPT2, MEDIUM, SMALL, TINY, GPTConfig, GPTSkeleton
from handmade.tiny import count_gpt_params

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week2_attention" / "day08_skeleton.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


@pytest.fixture(scope="module")
def day() -> dict:
    """The notebook's names, its answers among them."""
    names: dict = {}
    for containing in ("import dataclasses", "class GPTConfig", "SIZES =", "def frame(", "class GPTSkeleton"):
        exec(code(containing), names)
    return names


def test_the_four_sizes_are_the_librarys(day):
    for name, ours in {"TINY": TINY, "SMALL": SMALL, "MEDIUM": MEDIUM, "GPT-2": GPT2}.items():
        theirs = dataclasses.asdict(day["preset"](name)) | {"dropout": ours.dropout}
        assert theirs == dataclasses.asdict(ours), name
    assert GPT2.dropout == 0.1, "part 1's table"


def test_medium_weighs_26_times_tiny(day):
    ratio = day["weigh"](day["preset"]("MEDIUM")) / day["weigh"](day["preset"]("TINY"))
    assert round(ratio) == 26 and 3**2 * 3 == 27


@pytest.mark.parametrize("n_head", [1, 6, 12])
def test_heads_cost_no_parameters(n_head):
    """On real models, not by the formula that part 4 prints."""
    config = GPTConfig(vocab_size=65, block_size=16, n_layer=2, n_head=n_head, n_embd=96)
    assert sum(p.numel() for p in GPT(config).parameters()) == count_gpt_params(65, 16, 2, 96)


def test_biases_are_less_than_a_thousandth_of_gpt_2(day):
    weigh = day["weigh"]
    fewer = weigh(GPT2) - weigh(dataclasses.replace(GPT2, bias=False))
    # In each block 3C + C for attention and 4C + C for the MLP, two norms; and the final norm.
    C = GPT2.n_embd
    assert fewer == 12 * (4 * C + 5 * C + 2 * C) + C and fewer / weigh(GPT2) < 1e-3


def test_two_thirds_of_gpt_2_are_its_blocks(day, capsys):
    exec(code("gpt2 = preset"), day)
    assert 0.66 < 12 * day["block"] / day["weigh"](GPT2) < 0.69


def test_a_python_list_hides_its_layers(day, capsys):
    exec(code("class WithAList"), dict(day))
    assert capsys.readouterr().out.split("\n")[:2] == ["WithAList: 0 weights", "WithAModuleList: 18 weights"]


def test_the_weights_are_named_as_gpt_2s():
    config = GPTConfig(vocab_size=11, block_size=6, n_layer=3, n_head=2, n_embd=8)
    assert GPTSkeleton(config).state_dict().keys() <= GPT(config).state_dict().keys()


def test_untrained_it_is_a_little_worse_than_knowing_nothing():
    """About ln V + 1/6: scores of a default nn.Linear on normed channels have variance 1/3."""
    torch.manual_seed(0)
    losses = []
    for _ in range(5):
        skeleton = GPTSkeleton(GPTConfig(vocab_size=64, block_size=32, n_layer=2, n_head=2, n_embd=64))
        idx = torch.randint(64, (32, 32))
        losses.append(skeleton(idx, idx.roll(-1, 1))[1].item())
    excess = sum(losses) / 5 - torch.tensor(64.0).log()
    assert 0.1 < excess < 0.3, f"{excess:.2f} above ln V"


def test_trained_it_stops_at_the_bigram_floor(day, capsys):
    """A tenth of the way above it after 400 steps, and not below."""
    names = dict(day)
    threads = torch.get_num_threads()
    exec(code("def skeleton_for_the_play"), names)
    exec(code("STEPS = 400"), names)
    torch.set_num_threads(threads)
    last = sum(names["losses"][-100:]) / 100
    floor = names["bigram_floor"](names["ids"])
    assert floor < last < floor + 0.1


def test_empty_blocks_carry_nothing():
    skeleton = GPTSkeleton(GPTConfig(vocab_size=64, block_size=8, n_layer=12, n_head=2, n_embd=16))
    assert all(isinstance(block, nn.Identity) for block in skeleton.transformer.h)
    idx = torch.randint(64, (1, 8), generator=torch.Generator().manual_seed(0))
    other = idx.clone()
    other[0, 0] = (other[0, 0] + 1) % 64
    assert torch.equal(skeleton(idx)[0][:, 1:], skeleton(other)[0][:, 1:])
