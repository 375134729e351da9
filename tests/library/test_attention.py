"""Attention against PyTorch's own, in value and gradient, and against a loop over heads."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from handmade.attention import (
    CausalSelfAttention,
    FusedCausalSelfAttention,
    attend,
    attention_weights,
    causal_mask,
    merge_heads,
    split_heads,
)
from handmade.model import GPTConfig


def config(n_embd=24, n_head=3, dropout=0.0, bias=True):
    return GPTConfig(
        vocab_size=7, block_size=16, n_layer=1, n_head=n_head, n_embd=n_embd, dropout=dropout, bias=bias
    )


def value_and_gradients(f, *inputs):
    """f's output and the gradients of a random weighting of it, the weights the same for outputs of one shape."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    y = f(*inputs)
    weighting = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    return y, *torch.autograd.grad((y * weighting).sum(), inputs)


# --- Day 9 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
@given(
    lead=st.lists(st.integers(1, 3), max_size=3),
    T=st.integers(1, 9),
    d_k=st.integers(1, 12),
    d_v=st.integers(1, 12),
)
def test_attend_is_pytorchs_attention(masked, lead, T, d_k, d_v):
    q, k = torch.randn(2, *lead, T, d_k, dtype=torch.float64)
    v = torch.randn(*lead, T, d_v, dtype=torch.float64)
    mask = causal_mask(T) if masked else None
    ours = value_and_gradients(lambda q, k, v: attend(q, k, v, mask), q, k, v)
    theirs = value_and_gradients(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask), q, k, v)
    for name, a, b in zip(("output", "dq", "dk", "dv"), ours, theirs, strict=True):
        assert_close(a, b, msg=lambda m, name=name: f"{name} differs from PyTorch's: {m}")


@given(T=st.integers(1, 9), S=st.integers(1, 9))
def test_attend_takes_more_or_fewer_keys_than_queries(T, S):
    q, k, v = torch.randn(2, T, 4), torch.randn(2, S, 4), torch.randn(2, S, 5)
    assert_close(attend(q, k, v), F.scaled_dot_product_attention(q, k, v), rtol=1e-4, atol=1e-5)


@given(T=st.integers(1, 12))
def test_weights_are_a_distribution_over_the_past(T):
    w = attention_weights(*torch.randn(2, 3, T, 8), causal_mask(T))
    assert_close(w.sum(-1), torch.ones(3, T), msg="rows do not sum to 1")
    assert (w.triu(1) == 0).all(), "a weight above the diagonal is not exactly 0"
    assert (w.diagonal(dim1=-2, dim2=-1) > 0).all(), "a position does not see itself"


def test_no_position_sees_a_later_one():
    q, k, v = torch.randn(3, 2, 6, 8)
    before = attend(q, k, v, causal_mask(6))
    for t in range(1, 6):
        k2, v2 = k.clone(), v.clone()
        k2[:, t], v2[:, t] = torch.randn(2, 2, 8)
        after = attend(q, k2, v2, causal_mask(6))
        assert torch.equal(before[:, :t], after[:, :t]), f"changing position {t} changed an earlier output"
        assert not torch.equal(before[:, t], after[:, t]), f"position {t} does not see itself"


def test_large_scores_stay_finite():
    q, k, v = torch.randn(3, 5, 8)
    y = attend(1e4 * q, 1e4 * k, v, causal_mask(5))
    assert y.isfinite().all(), "large scores overflow"


# --- Day 10 -------------------------------------------------------------------------------------------


@given(B=st.integers(1, 3), T=st.integers(1, 6), n_head=st.integers(1, 5), head_size=st.integers(1, 5))
def test_heads_are_slices_of_the_channels_and_merge_back(B, T, n_head, head_size):
    x = torch.randn(B, T, n_head * head_size)
    heads = split_heads(x, n_head)
    assert heads.shape == (B, n_head, T, head_size)
    for h in range(n_head):
        assert torch.equal(heads[:, h], x[..., h * head_size : (h + 1) * head_size]), (
            f"head {h} is not its slice"
        )
    assert torch.equal(merge_heads(heads), x), "merging does not undo splitting"


@pytest.mark.parametrize("kind", [CausalSelfAttention, FusedCausalSelfAttention])
@pytest.mark.parametrize("n_head", [1, 3, 24])
@pytest.mark.parametrize("bias", [True, False])
def test_self_attention_is_a_loop_over_heads(kind, n_head, bias):
    c = config(n_head=n_head, bias=bias)
    module = kind(c)
    x = torch.randn(2, 5, c.n_embd)
    q, k, v = F.linear(x, module.c_attn.weight, module.c_attn.bias).split(c.n_embd, dim=-1)
    heads = []
    for h in range(n_head):
        part = slice(h * c.head_size, (h + 1) * c.head_size)
        heads.append(attend(q[..., part], k[..., part], v[..., part], causal_mask(5)))
    expected = F.linear(torch.cat(heads, dim=-1), module.c_proj.weight, module.c_proj.bias)
    assert_close(module(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("T", [1, 7, 40])
def test_fused_attention_equals_plain_attention(T):
    plain, fused = CausalSelfAttention(config()), FusedCausalSelfAttention(config())
    fused.load_state_dict(plain.state_dict())
    x = torch.randn(2, T, 24)
    results = []
    for module in (plain, fused):
        y, dx = value_and_gradients(module, x)
        weight_grads = torch.autograd.grad(module(x).square().sum(), list(module.parameters()))
        results.append((y, dx, *weight_grads))
    names = ("output", "gradient of x", *(f"gradient of {name}" for name, _ in plain.named_parameters()))
    for name, a, b in zip(names, *results, strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-5, msg=lambda m, name=name: f"{name} differs: {m}")


@pytest.mark.parametrize("kind", [CausalSelfAttention, FusedCausalSelfAttention])
def test_dropout_falls_on_weights_and_output_in_training_only(kind):
    module = kind(config(dropout=0.5))
    x = torch.randn(1, 16, 24)
    zeros = (module(x) == 0).float().mean().item()
    assert 0.3 < zeros < 0.7, f"half of the outputs should be dropped in training, {zeros:.0%} are"
    module.resid_dropout.p = 0.0
    assert not torch.equal(module(x), module(x)), "no dropout on the attention weights in training"
    module.eval()
    assert torch.equal(module(x), module(x)), "dropout in eval mode"
