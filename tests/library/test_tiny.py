"""Days 5 and 7: the block's equations, parameter counts, and a model that cannot look back."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from handmade.model import GPT, Block, GPTConfig, count_parameters
from handmade.tiny import (
    FeedForward,
    TinyLM,
    TransformerBlock,
    bigram_floor,
    count_block_params,
    count_gpt_params,
    generate,
)


class Times(nn.Module):
    """A stub sublayer that multiplies: f(x) = factor * x."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


# --- Day 5 --------------------------------------------------------------------------------------------


def test_block_equations_with_stub_sublayers():
    block = TransformerBlock(8, Times(2.0), Times(3.0))
    norms = [m for m in block.modules() if isinstance(m, nn.LayerNorm)]
    assert len(norms) == 2, "each sublayer needs a norm of its own"
    for norm in norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(2, 5, 8)
    h = x + 2.0 * norms[0](x)
    assert_close(block(x), h + 3.0 * norms[1](h))


def test_block_is_the_identity_where_its_sublayers_are_silent():
    x = torch.randn(2, 5, 8)
    assert torch.equal(TransformerBlock(8, Times(0.0), Times(0.0))(x), x)


@pytest.mark.parametrize("expansion", [1, 3, 4])
def test_feed_forward_widens_and_does_not_mix_positions(expansion):
    ff = FeedForward(8, expansion)
    assert [m.weight.shape for m in ff.modules() if isinstance(m, nn.Linear)] == [
        (8 * expansion, 8),
        (8, 8 * expansion),
    ]
    x = torch.randn(2, 5, 8)
    assert_close(ff(x)[:, 3], ff(x[:, 3]), msg="a position depends on the others")


@given(n_head=st.integers(1, 4), head_size=st.integers(1, 8), bias=st.booleans())
def test_block_count_is_what_the_model_has(n_head, head_size, bias):
    block = Block(GPTConfig(n_head=n_head, n_embd=n_head * head_size, bias=bias))
    assert count_block_params(n_head * head_size, bias=bias) == count_parameters(block)


@given(d_model=st.integers(1, 16), expansion=st.integers(1, 6))
def test_block_count_follows_the_expansion(d_model, expansion):
    attention = nn.ModuleList(nn.Linear(d_model, d_model) for _ in range(4))  # q, k, v, output
    block = TransformerBlock(d_model, attention, FeedForward(d_model, expansion))
    assert count_block_params(d_model, expansion) == count_parameters(block)


@given(
    vocab_size=st.integers(1, 50),
    block_size=st.integers(1, 20),
    n_layer=st.integers(1, 4),
    d_model=st.integers(1, 16),
    bias=st.booleans(),
    tied=st.booleans(),
)
def test_gpt_count_is_what_the_model_has(vocab_size, block_size, n_layer, d_model, bias, tied):
    with torch.device("meta"):
        model = GPT(GPTConfig(vocab_size, block_size, n_layer, 1, d_model, bias=bias))
        if not tied:
            model.lm_head.weight = nn.Parameter(torch.empty(vocab_size, d_model))
    count = count_gpt_params(vocab_size, block_size, n_layer, d_model, bias=bias, tied=tied)
    assert count == count_parameters(model)


def test_gpt2_small_has_124_439_808_parameters():
    assert count_gpt_params(50257, 1024, 12, 768) == 124_439_808


# --- Day 7 --------------------------------------------------------------------------------------------


def random_walk(V, length, generator):
    """Ids whose next token depends on the one before and on nothing else."""
    transitions = torch.rand(V, V, generator=generator) ** 4
    ids = [0]
    for _ in range(length - 1):
        ids.append(torch.multinomial(transitions[ids[-1]], 1, generator=generator).item())
    return torch.tensor(ids)


def test_tiny_lm_sees_one_token_and_its_place():
    model = TinyLM(11, 16, 8, 2)
    idx = torch.randint(11, (3, 8))
    logits, loss = model(idx)
    assert logits.shape == (3, 8, 11) and loss is None
    changed = idx.clone()
    changed[:, :7] = torch.randint(11, (3, 7))
    assert_close(model(changed)[0][:, 7], logits[:, 7], msg="the last logits depend on earlier tokens")


def test_tiny_lm_loss_is_cross_entropy_without_the_targets_of_minus_1():
    model = TinyLM(11, 16, 8, 1)
    idx, targets = torch.randint(11, (2, 3, 8))
    targets[:, 4:] = -1
    logits, loss = model(idx, targets)
    assert_close(loss, F.cross_entropy(logits[:, :4].flatten(0, 1), targets[:, :4].flatten()))


@pytest.mark.parametrize("vocab_size", [5, 65, 1000])
def test_tiny_lm_begins_at_ln_v(vocab_size):
    idx, targets = torch.randint(vocab_size, (2, 16, 32))
    _, loss = TinyLM(vocab_size, 64, 32, 4)(idx, targets)
    assert abs(loss.item() - math.log(vocab_size)) < 0.05


def test_tiny_lm_refuses_too_long_an_input():
    with pytest.raises(ValueError, match="9 tokens and there are 8 positions"):
        TinyLM(11, 16, 8, 1)(torch.zeros(1, 9, dtype=torch.long))


def test_tiny_lm_learns_down_to_the_bigram_floor_and_no_further():
    generator = torch.Generator().manual_seed(0)
    ids = random_walk(6, 2001, generator)
    floor = bigram_floor(ids)
    model = TinyLM(6, 32, 20, 1)
    idx, targets = ids[:-1].view(100, 20), ids[1:].view(100, 20)
    optimizer = torch.optim.AdamW(
        [p for name, p in model.named_parameters() if "position" not in name], lr=1e-2
    )  # places would let it memorise such a short text
    nn.init.zeros_(model.embedding.position.weight)
    for _ in range(200):
        _, loss = model(idx, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert floor - 1e-4 < loss.item() < floor + 0.01, f"loss {loss.item():.4f} and floor {floor:.4f}"


@given(ids=st.lists(st.integers(0, 4), min_size=2, max_size=60))
def test_bigram_floor_is_the_best_table_of_probabilities(ids):
    """Brute force: the mean of -ln p(next | current), with p counted from the same pairs."""
    pairs = list(pairwise(ids))
    firsts = [a for a, _ in pairs]
    expected = -sum(math.log(pairs.count(pair) / firsts.count(pair[0])) for pair in pairs) / len(pairs)
    assert bigram_floor(torch.tensor(ids)) == pytest.approx(expected, abs=1e-9)


class Counting(nn.Module):
    """Predicts, with certainty, the last token of its context plus one; remembers the longest context."""

    block_size = 4
    longest = 0

    def forward(self, idx):
        self.longest = max(self.longest, idx.shape[1])
        return 1e4 * F.one_hot((idx + 1) % 10, 10).float(), None


def test_generate_appends_the_prediction_of_the_last_position_and_crops():
    model = Counting()
    ids = torch.tensor([3, 1])
    assert generate(model, ids, 7).tolist() == [3, 1, 2, 3, 4, 5, 6, 7, 8]
    assert ids.tolist() == [3, 1], "the prompt was changed"
    assert model.longest == 4, f"the model was shown {model.longest} tokens, its block_size is 4"
    assert generate(model, ids, 0).tolist() == [3, 1]


def test_generate_follows_its_generator_and_temperature():
    model = TinyLM(11, 16, 8, 1)
    start = torch.tensor([0])
    draw = lambda seed, temperature=1.0: generate(  # noqa: E731
        model, start, 30, temperature, torch.Generator().manual_seed(seed)
    )
    assert torch.equal(draw(0), draw(0)) and not torch.equal(draw(0), draw(1))
    greedy = [0]
    for _ in range(30):
        greedy.append(model(torch.tensor([greedy[-8:]]))[0][0, -1].argmax().item())
    assert draw(0, temperature=1e-6).tolist() == greedy, "near temperature 0 the likeliest token must win"
    with pytest.raises(ValueError, match="temperature is 0"):
        draw(0, temperature=0)
