"""Day 3: the two tables and their gradients, the sinusoids against their formula, neighbours by cosine."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from handmade.embeddings import EmbeddingWithPosition, nearest_tokens, sinusoidal_position_encoding


def test_embedding_is_the_sum_of_two_rows():
    embed = EmbeddingWithPosition(vocab_size=11, d_model=6, max_seq_len=8)
    idx = torch.randint(0, 11, (3, 8))
    out = embed(idx)
    assert out.shape == (3, 8, 6)
    for b in range(3):
        for t in range(8):
            expected = embed.token.weight[idx[b, t]] + embed.position.weight[t]
            torch.testing.assert_close(
                out[b, t], expected, msg=f"row {b}, position {t} is not token + position"
            )


def test_embedding_weights_start_small():
    embed = EmbeddingWithPosition(vocab_size=500, d_model=100, max_seq_len=400)
    for table in (embed.token.weight, embed.position.weight):
        assert abs(table.std().item() - 0.02) < 0.001 and abs(table.mean().item()) < 0.001


def test_gradient_reaches_only_the_rows_used():
    embed = EmbeddingWithPosition(vocab_size=10, d_model=4, max_seq_len=8)
    embed(torch.tensor([[2, 7, 2]])).sum().backward()
    assert embed.token.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [2, 7]
    assert embed.token.weight.grad[2].tolist() == [2.0] * 4, "a token that occurs twice is blamed twice"
    assert embed.position.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [0, 1, 2]


def test_too_long_a_sequence_is_refused():
    embed = EmbeddingWithPosition(vocab_size=10, d_model=4, max_seq_len=8)
    assert embed(torch.zeros(1, 8, dtype=torch.long)).shape == (1, 8, 4)
    with pytest.raises(ValueError, match=r"9 tokens.*8 positions"):
        embed(torch.zeros(1, 9, dtype=torch.long))


def test_positions_are_made_on_the_device_of_the_input():
    embed = EmbeddingWithPosition(vocab_size=10, d_model=4, max_seq_len=8)
    idx = torch.randint(0, 10, (2, 5))
    with torch.device("meta"):  # where new tensors go that name no device
        out = embed(idx)
    assert out.device == idx.device, "the positions were not made where the input is"
    torch.testing.assert_close(out, embed(idx))


@given(st.integers(1, 40), st.integers(1, 16).map(lambda n: 2 * n), st.sampled_from([100.0, 10000.0]))
def test_sinusoids_follow_the_formula(seq_len, d_model, base):
    table = sinusoidal_position_encoding(seq_len, d_model, base)
    assert table.shape == (seq_len, d_model)
    for t in range(seq_len):
        for i in range(0, d_model, 2):
            angle = t / base ** (i / d_model)
            assert abs(table[t, i].item() - math.sin(angle)) < 1e-4, f"position {t}, column {i}"
            assert abs(table[t, i + 1].item() - math.cos(angle)) < 1e-4, f"position {t}, column {i + 1}"


def test_the_base_is_that_of_the_paper_and_odd_widths_are_refused():
    assert torch.equal(sinusoidal_position_encoding(9, 6), sinusoidal_position_encoding(9, 6, base=10000.0))
    with pytest.raises(ValueError, match="d_model is 5"):
        sinusoidal_position_encoding(4, 5)


@given(st.integers(2, 20), st.data())
def test_neighbours_are_those_of_the_greatest_cosine(vocab_size, data):
    token_id = data.draw(st.integers(0, vocab_size - 1))
    k = data.draw(st.integers(1, vocab_size - 1))
    scale = 10 ** torch.empty(vocab_size, 1).uniform_(-2, 2)  # so that the dot product would choose others
    weight = (torch.randn(vocab_size, 8, dtype=torch.float64) * scale).requires_grad_()
    before = weight.detach().clone()
    similar = [(F.cosine_similarity(weight[token_id], weight[j], dim=0).item(), j) for j in range(vocab_size)]
    expected = [j for _, j in sorted(similar, reverse=True) if j != token_id][:k]
    assert nearest_tokens(weight, token_id, k) == expected
    assert torch.equal(weight, before), "the table must stay as it is"


@pytest.mark.parametrize("k", [0, 5])
def test_more_neighbours_than_there_are_is_refused(k):
    with pytest.raises(ValueError, match=f"k is {k}"):
        nearest_tokens(torch.randn(5, 3), 0, k)
