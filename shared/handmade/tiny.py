"""The shape of a GPT before attention (day 5), and a model that cannot look back (day 7)."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from handmade.embeddings import EmbeddingWithPosition

# --- Day 5: the shape of a GPT ------------------------------------------------------------------------


class FeedForward(nn.Module):
    """Each position by itself: widen, bend, narrow again. (B, T, d_model) -> (B, T, d_model)."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, expansion * d_model),
            nn.GELU(),
            nn.Linear(expansion * d_model, d_model),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Attention mixes positions, the feed-forward thinks about each; both add to what came in.

    (B, T, d_model) -> (B, T, d_model). Each has a norm of its own before it (pre-norm, as in GPT-2).
    """

    def __init__(self, d_model: int, attention: nn.Module, feed_forward: nn.Module):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_1(x))
        x = x + self.feed_forward(self.norm_2(x))
        return x


def count_block_params(d_model: int, expansion: int = 4, bias: bool = True) -> int:
    """Parameters of one block: q, k, v and output projections, feed-forward, two norms."""
    attention = 4 * d_model * d_model
    feed_forward = 2 * expansion * d_model * d_model
    norms = 2 * d_model
    biases = 4 * d_model + (expansion + 1) * d_model + 2 * d_model  # of the same three, in order
    return attention + feed_forward + norms + (biases if bias else 0)


def count_gpt_params(
    vocab_size: int,
    block_size: int,
    n_layer: int,
    d_model: int,
    expansion: int = 4,
    bias: bool = True,
    tied: bool = True,
) -> int:
    """Parameters of a whole GPT. A tied head is the token table used again, and costs nothing."""
    token_table = vocab_size * d_model
    position_table = block_size * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = 2 * d_model if bias else d_model
    head = 0 if tied else vocab_size * d_model  # the head never has a bias
    return token_table + position_table + blocks + last_norm + head


# --- Day 7: a model that cannot look back -------------------------------------------------------------


class TinyLM(nn.Module):
    """Embeddings, feed-forward blocks, head: no position ever sees another.

    (B, T) ids -> logits (B, T, vocab_size), and the loss where there are targets (-1 does not count). All it
    can learn is which token follows which, so its loss stops at `bigram_floor`.
    """

    def __init__(self, vocab_size: int, d_model: int, block_size: int, n_layer: int):
        super().__init__()
        self.block_size = block_size
        self.embedding = EmbeddingWithPosition(vocab_size, d_model, block_size)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d_model), FeedForward(d_model)) for _ in range(n_layer)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)  # so that the first loss is close to ln(vocab_size)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        x = self.embedding(idx)  # (B, T, d_model)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))  # (B, T, vocab_size)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


@torch.no_grad()
def generate(
    model: nn.Module,
    ids: Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw `max_new_tokens` tokens, one after another, each from the model's prediction: (T,) -> (T + n,).

    The model sees the last `model.block_size` tokens. A temperature under 1 prefers likely tokens more.

    Raises:
        ValueError: temperature is not above 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}: it divides the logits and must be above 0")
    for _ in range(max_new_tokens):
        context = ids[-model.block_size :].unsqueeze(0)  # (1, T)
        logits, _ = model(context)
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)  # (vocab_size,)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


def bigram_floor(ids: Tensor) -> float:
    """The entropy of a token given the one before it, in nats, from the pairs of a corpus `ids` (N,).

    No model that sees one token at a time has a lower loss on this text.
    """
    V = int(ids.max()) + 1
    pairs = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    joint = pairs / pairs.sum()
    conditional = pairs / pairs.sum(dim=1, keepdim=True).clamp(min=1)  # row a: P(next | a)
    return -torch.special.xlogy(joint, conditional).sum().item()
