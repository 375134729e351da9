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
    """Which positions may look at which: a (T, T) bool tensor, True where row t may see column s (s <= t)."""
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
