"""The shape of a GPT before attention (day 5), and a model that cannot look back (day 7)."""

import torch
import torch.nn as nn
from torch import Tensor

from handmade.embeddings import EmbeddingWithPosition
from handmade.training import compute_loss

# --- Day 5: the shape of a GPT ------------------------------------------------------------------------


class FeedForward(nn.Module):
    """Each position by itself: widen, bend, narrow again. (B, T, d_model) -> (B, T, d_model).

    A linear layer to expansion * d_model channels, a GELU, and a linear layer back to d_model, both with biases.
    x itself is not added: the block does that.
    """

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

    (B, T, d_model) -> (B, T, d_model), and so are the modules `attention` and `feed_forward`. Each has a LayerNorm
    of its own before it, and nothing stands on the road around it (pre-norm, as in GPT-2).
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
    """Parameters of one block: attention, feed-forward, two norms.

    Attention has four linear layers from d_model to d_model: q, k, v and output. The feed-forward has two, and is
    expansion * d_model wide inside. A norm has a weight for each channel. With `bias`, a linear layer has one more
    number for each output, and a norm for each channel.
    """
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
    """Parameters of a whole GPT: two tables, the blocks, the last norm, the head.

    The tables have d_model numbers for each token, and for each of block_size positions. A tied head is the token
    table used again, and costs nothing; one of its own is as large, and never has a bias.
    """
    token_table = vocab_size * d_model
    position_table = block_size * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = 2 * d_model if bias else d_model
    head = 0 if tied else vocab_size * d_model  # the head never has a bias
    return token_table + position_table + blocks + last_norm + head


# --- Day 7: a model that cannot look back -------------------------------------------------------------


class TinyLM(nn.Module):
    """A language model without attention: no position ever sees another.

    Its parts: an EmbeddingWithPosition for `block_size` positions; `n_layer` blocks, each a LayerNorm and then a
    FeedForward, whose result is added to what came into the block; a last LayerNorm; a linear head without bias.
    The weights of all linear layers begin as draws from N(0, 0.02). `block_size` is kept as an attribute.

    model(idx, targets=None) takes (B, T) ids, T from 1 to block_size, and returns two things: logits
    (B, T, vocab_size), and the loss. Without targets the loss is None; with targets, also (B, T), it is
    `compute_loss` of logits and targets: the mean over all positions, of which targets of -1 do not count.
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
        return logits, compute_loss(logits, targets)


@torch.no_grad()
def generate(
    model: nn.Module,
    ids: Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Write `max_new_tokens` tokens, one after another: ids (T,), at least one -> (T + max_new_tokens,).

    Each is drawn from softmax(logits / temperature), with the logits that the model gives at the last position.
    It is shown a batch of one, (1, T): all tokens so far, or the last `model.block_size` of them. Random draws come
    from `generator`, so that the same seed writes the same text. All is on the device of `ids`.

    Raises:
        ValueError: temperature is not above 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}: it divides the logits and must be above 0")
    for _ in range(max_new_tokens):
        context = ids[-model.block_size :].unsqueeze(0)  # (1, T)
        logits, _ = model(context)  # (1, T, vocab_size)
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)  # (vocab_size,)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


def bigram_floor(ids: Tensor) -> float:
    """The entropy of a token when the one before it is known, in nats, counted in a text: ids (N,) -> a float.

    That is the mean of -ln P(next | current) over the N - 1 pairs of neighbours, where P is the share of this
    token among all that follow `current` in the text. A model that sees one token at a time has no lower loss on it.
    """
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()  # row: current token
    probs = counts / counts.sum(dim=1, keepdim=True)  # row a: P(next | a)
    seen = counts > 0  # what never follows is never a surprise, and has no logarithm
    return (counts[seen] * -probs[seen].log()).sum().item() / counts.sum().item()
