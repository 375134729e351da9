"""Attention (days 9 and 10): how each position gathers information from the positions before it.

Scaled dot-product attention and its heads are those of Vaswani et al., "Attention Is All You Need" (2017);
the fused projection and the names `c_attn` and `c_proj` are GPT-2's (Radford et al., 2019).
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

# --- Day 9: one head ----------------------------------------------------------------------------------


def causal_mask(T: int, device: torch.device | str | None = None) -> Tensor:
    """Who may look at whom: a (T, T) bool tensor on `device`, True where row t may see column s (s <= t)."""
    return torch.ones(T, T, dtype=torch.bool, device=device).tril()


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None = None) -> Tensor:
    """How much each position looks at each other one: softmax(q kᵀ / √d_k), row by row.

    q is (..., T, d_k), k is (..., S, d_k), mask is a bool tensor that broadcasts to (..., T, S), True where
    looking is allowed; None allows everything. Returns (..., T, S); each row sums to 1, and is exactly 0
    where the mask is False.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (..., T, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention: each position's weighted average of the values.

    q is (..., T, d_k), k is (..., S, d_k), v is (..., S, d_v), mask as in `attention_weights`.
    Returns (..., T, d_v).
    """
    return attention_weights(q, k, mask) @ v  # (..., T, S) @ (..., S, d_v) -> (..., T, d_v)


# --- Day 10: many heads -------------------------------------------------------------------------------


def split_heads(x: Tensor, n_head: int) -> Tensor:
    """Cut the channels into heads: (B, T, C) -> (B, n_head, T, C / n_head).

    Head 0 gets the first C / n_head channels of each position, head 1 the next ones, and so on. n_head divides C.
    """
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Put the heads side by side again, undoing `split_heads`: (B, n_head, T, head_size) -> (B, T, C).

    Each position gets what head 0 has for it, then what head 1 has, and so on: C = n_head * head_size channels.
    """
    B, n_head, T, head_size = x.shape
    return x.transpose(1, 2).reshape(B, T, n_head * head_size)


class CausalSelfAttention(nn.Module):
    """Several heads at once, each attending to its own part of the channels: (B, T, C) -> (B, T, C).

    `config` has n_embd (C), n_head, dropout and bias. self.c_attn is an nn.Linear from C to 3C: of what it returns,
    the first C are all heads' queries, the next C their keys, the last C their values. self.c_proj, an nn.Linear from
    C to C, is applied to the merged heads. Both have a bias where config.bias says so. In training, dropout falls on
    the attention weights, and on the result. The names are GPT-2's, so its weights load.
    """

    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)  # q, k, v at once
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.attn_dropout = nn.Dropout(config.dropout)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.c_attn(x).chunk(3, dim=-1)  # each (B, T, C)
        q, k, v = (split_heads(part, self.n_head) for part in (q, k, v))  # each (B, n_head, T, head_size)
        y = merge_heads(self.attend(q, k, v))  # (B, T, C)
        return self.resid_dropout(self.c_proj(y))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """All heads' attention, with dropout on the weights: three (B, n_head, T, head_size) -> one."""
        mask = causal_mask(q.shape[-2], q.device)
        return self.attn_dropout(attention_weights(q, k, mask)) @ v


class FusedCausalSelfAttention(CausalSelfAttention):
    """The same values through PyTorch's fused kernel, which never stores the (T, T) weights.

    This is what the library's GPT uses. FlashAttention: Dao et al. (2022).
    """

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        dropout = self.attn_dropout.p if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
