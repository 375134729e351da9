"""A model to train before there is a GPT (days 4 and 6)."""

import torch.nn as nn
from torch import Tensor

from handmade.training import compute_loss


class Starter(nn.Module):
    """A vector for each token, and from it a score for each next one: the smallest model with the course's API.

    (B, T) ids -> logits (B, T, vocab_size), and the loss where there are targets (-1 does not count).
    """

    def __init__(self, vocab_size: int, n_embd: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, n_embd)
        self.head = nn.Linear(n_embd, vocab_size)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        logits = self.head(self.embedding(idx))
        return logits, None if targets is None else compute_loss(logits, targets)
