"""Small models and a tokenizer whose behaviour is known, for the tests of days 22 to 28."""

from types import SimpleNamespace

import torch
import torch.nn as nn

from handmade.model import GPT, GPTConfig


class TableModel(nn.Module):
    """Logits that depend on the last token alone, from a table; keeps the contexts it was shown."""

    def __init__(self, table, block_size=8):
        super().__init__()
        self.table = nn.Parameter(torch.as_tensor(table, dtype=torch.float32))  # (V, V)
        self.config = SimpleNamespace(block_size=block_size)
        self.contexts = []

    def forward(self, idx, targets=None):
        assert idx.shape[1] <= self.config.block_size, f"saw {idx.shape[1]} tokens, more than block_size"
        self.contexts.append(idx)
        return self.table[idx], None


class LetterTokenizer:
    letters = "\nabcdefgh"

    def encode(self, text):
        for letter in text:
            if letter not in self.letters:
                raise ValueError(f"{letter!r} is not in the vocabulary")
        return [self.letters.index(letter) for letter in text]

    def decode(self, ids):
        return "".join(self.letters[i] for i in ids)


def random_table(vocab_size, seed, scale=2.0):
    return torch.randn(vocab_size, vocab_size, generator=torch.Generator().manual_seed(seed)) * scale


def small_gpt(seed=0, **sizes):
    torch.manual_seed(seed)
    sizes = {"vocab_size": 9, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 16} | sizes
    model = GPT(GPTConfig(**sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8.0)  # far from uniform
    return model
