"""Embeddings (day 3): what a token is and where it stands, as vectors."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class EmbeddingWithPosition(nn.Module):
    """A learned vector for each token plus one for each position. (B, T) ids -> (B, T, C), C = d_model.

    The tables are two nn.Embedding: `token`, (vocab_size, C), and `position`, (max_seq_len, C). Both are drawn from
    a normal distribution with mean 0 and standard deviation 0.02. Learned positions are GPT-2's choice (Radford
    et al., 2019); most newer models rotate instead.
    """

    def __init__(self, vocab_size: int, d_model: int, max_seq_len: int):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, d_model): each id's row of `token` plus its place's row of `position`.

        T may be anything from 1 to max_seq_len. What is made here is made on the device of idx.

        Raises:
            ValueError: idx has more than max_seq_len positions.
        """
        T, longest = idx.shape[1], self.position.num_embeddings
        if T > longest:
            raise ValueError(
                f"The sequence has {T} tokens and there are {longest} positions: "
                "crop it, or make max_seq_len larger."
            )
        positions = torch.arange(T, device=idx.device)
        return self.token(idx) + self.position(positions)  # (B, T, C) + (T, C), the same for all of the batch


def sinusoidal_position_encoding(seq_len: int, d_model: int, base: float = 10000.0) -> Tensor:
    """A vector for each position that need not be learned: (seq_len, d_model). Vaswani et al. (2017).

    Column 2i is sin(t / base^(2i / d_model)) at position t, and column 2i + 1 the cosine of the same angle.

    Raises:
        ValueError: d_model is odd.
    """
    if d_model % 2 != 0:
        raise ValueError(f"d_model is {d_model}: it must be even, for a sine and a cosine of each frequency.")
    frequencies = base ** (-torch.arange(0, d_model, 2) / d_model)  # (C / 2,), radians per position
    angles = torch.arange(seq_len).unsqueeze(1) * frequencies  # (T, 1) * (C / 2,) -> (T, C / 2)
    table = torch.empty(seq_len, d_model)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table


def nearest_tokens(weight: Tensor, token_id: int, k: int) -> list[int]:
    """The k ids whose rows point most nearly the same way as this token's (greatest cosine), nearest first.

    weight is an embedding table, (V, C), which stays as it is; it may be one that is being trained. The token itself
    is not among the k.

    Raises:
        ValueError: k is not from 1 to V - 1.
    """
    if not 1 <= k < len(weight):
        raise ValueError(f"k is {k}: of {len(weight)} tokens, from 1 to {len(weight) - 1} can be neighbours.")
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)  # (V, C), (C,) -> (V,)
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices.tolist()
