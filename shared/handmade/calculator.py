"""The model that Day 0b trains: a small GPT put together from PyTorch's own parts.

No answer of the course. The parts are written by hand from Day 3 to Day 12, the whole on Day 13.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class Calculator(nn.Module):
    """A GPT: (B, T) ids -> logits (B, T, vocab_size), and the loss where there are targets (-1 does not count).

    A `tied` one uses the token table `wte` a second time, as its head `lm_head`.
    """

    def __init__(
        self,
        vocab_size: int,
        block_size: int,
        n_layer: int = 2,
        n_head: int = 4,
        n_embd: int = 64,
        tied: bool = False,
    ):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, n_embd)  # a row for each token,
        self.wpe = nn.Embedding(block_size, n_embd)  # and one for each place
        self.h = nn.ModuleList(_layer(n_embd, n_head) for _ in range(n_layer))
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight
        for matrix in (self.wte.weight, self.wpe.weight, self.lm_head.weight):
            nn.init.normal_(matrix, std=0.02)  # so that the first guess is nearly even

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        T = idx.shape[1]
        later = torch.ones(T, T, dtype=torch.bool, device=idx.device).triu(1)  # what no place may look at
        x = self.wte(idx) + self.wpe.weight[:T]  # (B, T, n_embd)
        for layer in self.h:
            y = layer["ln_1"](x)
            x = x + layer["attn"](y, y, y, attn_mask=later, need_weights=False)[0]
            x = x + layer["mlp"](layer["ln_2"](x))
        logits = self.lm_head(self.ln_f(x))
        if targets is None:
            return logits, None
        loss = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=-1)
        return logits, loss


def _layer(n_embd: int, n_head: int) -> nn.ModuleDict:
    """One round of looking at the earlier words (attn) and thinking about what was seen (mlp)."""
    return nn.ModuleDict(
        {
            "ln_1": nn.LayerNorm(n_embd),
            "attn": nn.MultiheadAttention(n_embd, n_head, batch_first=True),
            "ln_2": nn.LayerNorm(n_embd),
            "mlp": nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd)),
        }
    )
