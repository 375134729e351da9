"""Day 7 · All of it together: known wrong answers, then right ones, exercise by exercise."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F

from autograder.misconception import right, wrong
from handmade.embeddings import EmbeddingWithPosition
from handmade.tiny import FeedForward
from handmade.training import compute_loss

# --- TinyLM ---------------------------------------------------------------------------------------------


@wrong("day07.TinyLM", fails="shapes")
class TinyLM(nn.Module):
    """With targets the logits come back flattened, (B·T, vocab_size): flatten what goes into the loss only."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        if targets is None:
            return logits, None
        logits, targets = logits.flatten(0, 1), targets.flatten()
        return logits, F.cross_entropy(logits, targets, ignore_index=-1)


@wrong("day07.TinyLM", fails="first_loss")
class TinyLM(nn.Module):
    """The weights are left as PyTorch makes them: the logits spread, and the first loss is above ln(vocab_size)."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.block_size = block_size
        self.embedding = EmbeddingWithPosition(vocab_size, d_model, block_size)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d_model), FeedForward(d_model)) for _ in range(n_layer)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, vocab_size, bias=False)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="loss")
class TinyLM(nn.Module):
    """The loss is summed over the positions: it must be their mean."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"
        )


@wrong("day07.TinyLM", fails=("loss", "training"))
class TinyLM(nn.Module):
    """The targets are shifted once more inside the model, so it learns to guess two ahead: they are shifted already."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits[:, :-1], targets[:, 1:])


@wrong("day07.TinyLM", fails=("loss", "ignored", "training"))
class TinyLM(nn.Module):
    """The loss compares the logits with idx: the model learns to repeat its input, and the loss passes the floor."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, idx)


@wrong("day07.TinyLM", fails="ignored")
class TinyLM(nn.Module):
    """Targets of -1 are refused: the loss must leave them out (ignore_index=-1, or compute_loss)."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@wrong("day07.TinyLM", fails="one_token")
class TinyLM(nn.Module):
    """A little of all positions is mixed into each one (their mean): it is to see its own token, and nothing else."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        x = x + 0.02 * x.mean(dim=1, keepdim=True)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails=("one_token", "training"))
class TinyLM(nn.Module):
    """Each position also gets the vector of the next one, which is its own answer: the loss falls below the floor."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        x = torch.cat([x[:, :-1] + 0.5 * x[:, 1:], x[:, -1:]], dim=1)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="place")
class TinyLM(nn.Module):
    """The positions are not added: the token table alone is used."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding.token(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="sizes")
class TinyLM(nn.Module):
    """All positions are added, whatever the length of the text: only texts of block_size tokens fit."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding.token(idx) + self.embedding.position.weight
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="sizes")
class TinyLM(nn.Module):
    """block_size is not kept: `generate` has to know how many tokens the model can be shown."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.embedding = EmbeddingWithPosition(vocab_size, d_model, block_size)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d_model), FeedForward(d_model)) for _ in range(n_layer)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="parts")
class TinyLM(nn.Module):
    """The head has a bias: it is to have none."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.block_size = block_size
        self.embedding = EmbeddingWithPosition(vocab_size, d_model, block_size)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d_model), FeedForward(d_model)) for _ in range(n_layer)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, vocab_size)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="parts")
class TinyLM(nn.Module):
    """All n_layer blocks are one and the same, with one set of weights: make a new block for each layer."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.block_size = block_size
        self.embedding = EmbeddingWithPosition(vocab_size, d_model, block_size)
        block = nn.Sequential(nn.LayerNorm(d_model), FeedForward(d_model))
        self.blocks = nn.ModuleList([block] * n_layer)
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails=("parts", "residual"))
class TinyLM(nn.Module):
    """The blocks are in a plain list, where PyTorch does not find their weights, or trains them: nn.ModuleList."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.block_size = block_size
        self.embedding = EmbeddingWithPosition(vocab_size, d_model, block_size)
        self.blocks = [nn.Sequential(nn.LayerNorm(d_model), FeedForward(d_model)) for _ in range(n_layer)]
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="parts")
class TinyLM(nn.Module):
    """The last norm is missing: the head reads what the blocks left as it is."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.block_size = block_size
        self.embedding = EmbeddingWithPosition(vocab_size, d_model, block_size)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d_model), FeedForward(d_model)) for _ in range(n_layer)
        )
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(x)
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="residual")
class TinyLM(nn.Module):
    """A block replaces what came in, where it should add to it: x = block(x) in place of x = x + block(x)."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="training")
class TinyLM(nn.Module):
    """The loss is a plain number (.item()): no gradient can flow back from it, and nothing is learned."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets).item()


@wrong("day07.TinyLM", fails="training")
class TinyLM(nn.Module):
    """A softmax is taken of the logits, and the loss takes one itself: after two of them nothing can be sure."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            x = x + block(x)
        logits = torch.softmax(self.head(self.norm(x)), dim=-1)
        return logits, None if targets is None else compute_loss(logits, targets)


@wrong("day07.TinyLM", fails="logits")
class TinyLM(nn.Module):
    """The norm comes after the sum (post-norm): each block should be x + feed_forward(norm(x))."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
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
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for block in self.blocks:
            norm, feed_forward = block
            x = norm(x + feed_forward(x))
        logits = self.head(self.norm(x))
        return logits, None if targets is None else compute_loss(logits, targets)


@right("day07.TinyLM")
class TinyLM(nn.Module):
    """Without the library's parts: everything from PyTorch's own, under other names and in another order."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.lm_head = nn.Linear(d_model, vocab_size, bias=False)
        self.wpe = nn.Embedding(block_size, d_model)
        self.wte = nn.Embedding(vocab_size, d_model)
        self.layers = nn.ModuleList()
        for _ in range(n_layer):
            up, down = nn.Linear(d_model, 4 * d_model), nn.Linear(4 * d_model, d_model)
            self.layers.append(nn.Sequential(nn.LayerNorm(d_model), up, nn.GELU(), down))
        self.ln_f = nn.LayerNorm(d_model)
        self.block_size = block_size
        self.apply(self.start)

    @staticmethod
    def start(module):
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx, targets=None):
        _, T = idx.size()
        h = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))
        for layer in self.layers:
            h = h + layer(h)
        logits = self.lm_head(self.ln_f(h))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1), ignore_index=-1)
        return logits, loss


@right("day07.TinyLM")
class TinyLM(nn.Module):
    """Norms and feed-forwards in two lists, the loss by hand."""

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.block_size = block_size
        self.embedding = EmbeddingWithPosition(vocab_size, d_model, block_size)
        self.norms = nn.ModuleList([nn.LayerNorm(d_model) for _ in range(n_layer + 1)])
        self.feed_forwards = nn.ModuleList([FeedForward(d_model) for _ in range(n_layer)])
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2 and "embedding" not in name:
                weight.data = 0.02 * torch.randn_like(weight)

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        for norm, feed_forward in zip(self.norms, self.feed_forwards, strict=False):
            x = x + feed_forward(norm(x))
        logits = self.head(self.norms[-1](x))
        if targets is None:
            return logits, None
        log_probs = logits - logits.logsumexp(dim=-1, keepdim=True)
        surprise = -log_probs.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        counted = targets != -1
        return logits, surprise[counted].mean()


@right("day07.TinyLM")
class TinyLM(nn.Module):
    """Blocks with their own residual, chained in one Sequential."""

    class Block(nn.Module):
        def __init__(self, d_model):
            super().__init__()
            self.norm = nn.LayerNorm(d_model)
            self.feed_forward = FeedForward(d_model)

        def forward(self, x):
            return x + self.feed_forward(self.norm(x))

    def __init__(self, vocab_size, d_model, block_size, n_layer):
        super().__init__()
        self.block_size = block_size
        self.embed = EmbeddingWithPosition(vocab_size, d_model, max_seq_len=block_size)
        self.body = nn.Sequential(*[self.Block(d_model) for _ in range(n_layer)], nn.LayerNorm(d_model))
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        linears = [module for module in self.modules() if isinstance(module, nn.Linear)]
        with torch.no_grad():
            for linear in linears:
                linear.weight.normal_(0, 0.02)

    def forward(self, idx, targets=None):
        logits = self.head(self.body(self.embed(idx)))
        return (logits, None) if targets is None else (logits, compute_loss(logits, targets))


# --- generate -------------------------------------------------------------------------------------------


@wrong("day07.generate", fails="appends")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """One token too many: the loop runs max_new_tokens times, not once more."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens + 1):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="appends")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """Only the new tokens come back: the prompt belongs before them."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids[len(ids) - max_new_tokens :]


@wrong("day07.generate", fails="appends")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """A batch of one text comes back, (1, T + n): the result is one text, (T + n,)."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids.unsqueeze(0)


@wrong("day07.generate", fails="last")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The prediction is read at the first position, logits[0, 0]: the next token is predicted at the last."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, 0] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="last")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The logits are averaged over the positions: only the last one predicts the token that is missing."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0].mean(dim=0) / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails=("last", "context"))
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The drawn token is added to the result, but the model is shown the prompt again and again."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    prompt = ids
    for _ in range(max_new_tokens):
        logits, _ = model(prompt[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="context")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The text is not cropped: past block_size tokens there is no position left for the next."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids.unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="context")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The first block_size tokens are kept, not the last: the model never sees what it has just written."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[: model.block_size].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="context")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The model is shown the last token alone: it then stands at the first place, and the text before is lost."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-1:].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="context")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """One token less than block_size is kept."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[1 - model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails=("draws", "temperature", "seed"))
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The likeliest token is always taken (argmax): the tokens are to be drawn."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, probs.argmax(dim=-1, keepdim=True)])
    return ids


@wrong("day07.generate", fails="draws")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The three likeliest tokens only are drawn from: all may be."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        if temperature == 1.0:
            probs = torch.where(probs >= probs.topk(3).values[-1], probs, 0.0)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="draws")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=0.5, generator=None):
    """The temperature is 0.5 unless given: it is 1, which leaves the logits as they are."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails=("draws", "temperature"))
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The softmax runs over the positions, not over the vocabulary: the shares of a position do not sum to 1."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0] / temperature, dim=0)[-1]
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="temperature")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The logits are multiplied by the temperature: divide, so that a low one sharpens."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] * temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="temperature")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The temperature has no effect: it is not used, or divides the shares after the softmax, all alike."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1], dim=-1) / temperature
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="seed")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The generator is not used: the tokens are drawn from PyTorch's own, whatever the seed."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1)])
    return ids


@wrong("day07.generate", fails="seed")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The seed is set inside, with torch.manual_seed: every call writes the same text."""
    if temperature <= 0:
        raise ValueError("the temperature must be above 0")
    generator = torch.manual_seed(0)
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="refuses")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """A temperature of 0 divides by 0, and the error that follows says nothing of it: raise a ValueError."""
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@wrong("day07.generate", fails="refuses")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """Only 0 is refused: below 0 the least likely token becomes the likeliest."""
    if temperature == 0:
        raise ValueError("the temperature must be above 0")
    for _ in range(max_new_tokens):
        logits, _ = model(ids[-model.block_size :].unsqueeze(0))
        probs = torch.softmax(logits[0, -1] / temperature, dim=-1)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)])
    return ids


@right("day07.generate")
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """A list of numbers that grows, and a tensor of it for every call."""
    if not temperature > 0:
        raise ValueError(f"temperature {temperature} is not above 0")
    tokens = ids.tolist()
    with torch.no_grad():
        for _ in range(max_new_tokens):
            idx = torch.tensor([tokens[-model.block_size :]], device=ids.device)
            log_probs = F.log_softmax(model(idx)[0][:, -1, :] / temperature, dim=1)
            tokens.append(torch.multinomial(log_probs.exp(), num_samples=1, generator=generator).item())
    return torch.tensor(tokens, device=ids.device)


@right("day07.generate")
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """A result of its full length, filled from left to right; drawn by where a random number falls."""
    if temperature <= 0:
        raise ValueError("temperature must be positive")
    T = len(ids)
    result = torch.empty(T + max_new_tokens, dtype=ids.dtype)
    result[:T] = ids
    for t in range(T, T + max_new_tokens):
        start = max(0, t - model.block_size)
        with torch.inference_mode():
            logits = model(result[None, start:t])[0][0, -1]
        up_to = torch.softmax(logits.double() / temperature, dim=-1).cumsum(dim=-1)
        point = torch.rand((), dtype=torch.float64, generator=generator)
        result[t] = min(int((up_to < point).sum()), len(logits) - 1)
    return result


@right("day07.generate")
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """The Gumbel trick: noise on the logits, and then the largest."""
    if temperature <= 0.0:
        raise ValueError("a temperature must be greater than zero")
    text = ids.unsqueeze(0)
    for _ in range(max_new_tokens):
        with torch.no_grad():
            logits, _ = model(text[:, -model.block_size :])
        noise = -torch.log(torch.empty(logits.shape[-1]).exponential_(generator=generator))
        winner = (logits[0, -1] / temperature + noise).argmax()
        text = torch.cat((text, winner.view(1, 1)), dim=1)
    return text.squeeze(0)


@right("day07.generate")
@torch.no_grad()
def generate(model, ids, max_new_tokens, temperature=1.0, generator=None):
    """It calls itself for the rest."""
    if temperature <= 0:
        raise ValueError("temperature must be above 0")
    if max_new_tokens == 0:
        return ids
    logits, _ = model(ids[-model.block_size :][None])
    new = torch.multinomial(torch.softmax(logits[0, -1] / temperature, 0), 1, generator=generator)
    return generate(model, torch.cat([ids, new]), max_new_tokens - 1, temperature, generator)


# --- bigram_floor ---------------------------------------------------------------------------------------


@wrong("day07.bigram_floor", fails="nats")
def bigram_floor(ids):
    """It is in bits (log2): losses in this course are in nats, with the natural logarithm."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    return (counts[seen] * -probs[seen].log2()).sum().item() / counts.sum().item()


@wrong("day07.bigram_floor", fails=("nats", "frequent"))
def bigram_floor(ids):
    """It is summed over the pairs of the text: the floor is the mean, per token."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    return (counts[seen] * -probs[seen].log()).sum().item()


@wrong("day07.bigram_floor", fails="given")
def bigram_floor(ids):
    """The shares are those of a column: it asks which token came before, not which comes next."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=0, keepdim=True)
    seen = counts > 0
    return (counts[seen] * -probs[seen].log()).sum().item() / counts.sum().item()


@wrong("day07.bigram_floor", fails=("given", "frequent", "ends"))
def bigram_floor(ids):
    """This is the unigram entropy: it does not look at the current token at all."""
    counts = torch.bincount(ids).double()
    probs = counts[counts > 0] / counts.sum()
    return -(probs * probs.log()).sum().item()


@wrong("day07.bigram_floor", fails=("nats", "given", "frequent", "ends"))
def bigram_floor(ids):
    """This is the entropy of the pair: the surprise at the current token is still in it."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum()
    seen = counts > 0
    return (counts[seen] * -probs[seen].log()).sum().item() / counts.sum().item()


@wrong("day07.bigram_floor", fails=("given", "frequent", "ends", "unseen"))
def bigram_floor(ids):
    """1 is added to every count, so that pairs that never occur get a share: the floor is of the text as it is."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double() + 1
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    return (counts[seen] * -probs[seen].log()).sum().item() / counts.sum().item()


@wrong("day07.bigram_floor", fails="frequent")
def bigram_floor(ids):
    """It is the mean over the tokens, each counting the same: a frequent token counts more often than a rare one."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    surprise = torch.where(seen, -probs * probs.log(), 0.0).sum(dim=1)
    return surprise[counts.sum(dim=1) > 0].mean().item()


@wrong("day07.bigram_floor", fails="frequent")
def bigram_floor(ids):
    """It is the mean over the different pairs, however often each occurs."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    return -probs[seen].log().mean().item()


@wrong("day07.bigram_floor", fails=("given", "ends"))
def bigram_floor(ids):
    """The text is closed to a ring: nothing follows the last token."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids * V + ids.roll(-1), minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    return (counts[seen] * -probs[seen].log()).sum().item() / counts.sum().item()


@wrong("day07.bigram_floor", fails="ends")
def bigram_floor(ids):
    """The last pair is lost."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-2] * V + ids[1:-1], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    return (counts[seen] * -probs[seen].log()).sum().item() / counts.sum().item()


@wrong("day07.bigram_floor", fails=("given", "frequent", "ends", "unseen"))
def bigram_floor(ids):
    """A pair that never occurs gives 0 times the logarithm of 0, which is NaN: leave it out."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    return -(counts / counts.sum() * probs.log()).sum().item()


@wrong("day07.bigram_floor", fails="unseen")
def bigram_floor(ids):
    """The row of a token that never occurs is 0 / 0, which is NaN, and spreads into the sum."""
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    return -torch.special.xlogy(counts / counts.sum(), probs).sum().item()


@wrong("day07.bigram_floor", fails="unseen")
def bigram_floor(ids):
    """The vocabulary is taken to be as many as there are different ids: ids may have gaps."""
    V = len(ids.unique())
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V)[: V * V].view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    return (counts[seen] * -probs[seen].log()).sum().item() / counts.sum().item()


@wrong("day07.bigram_floor", fails="value")
def bigram_floor(ids):
    """Only the 32 most frequent tokens are counted: all are."""
    ids = ids[torch.isin(ids, torch.bincount(ids).argsort(descending=True)[:32])]
    V = int(ids.max()) + 1
    counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V).double()
    probs = counts / counts.sum(dim=1, keepdim=True)
    seen = counts > 0
    return (counts[seen] * -probs[seen].log()).sum().item() / counts.sum().item()


@right("day07.bigram_floor")
def bigram_floor(ids):
    """With dicts: the pairs, and what comes first in them."""
    tokens = ids.tolist()
    pairs = Counter(pairwise(tokens))
    firsts = Counter(tokens[:-1])
    return sum(n * math.log(firsts[a] / n) for (a, _), n in pairs.items()) / (len(tokens) - 1)


@right("day07.bigram_floor")
def bigram_floor(ids):
    """The chain rule: the entropy of the pairs less that of their first tokens."""

    def entropy(values):
        _, counts = torch.unique(values, return_counts=True, dim=0)
        return torch.distributions.Categorical(counts.double()).entropy()

    pairs = torch.stack([ids[:-1], ids[1:]], dim=1)
    return (entropy(pairs) - entropy(pairs[:, 0])).item()


@right("day07.bigram_floor")
def bigram_floor(ids):
    """Row by row: the entropy of what follows each token, weighted by how often it comes."""
    followers = defaultdict(list)
    for current, following in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True):
        followers[current].append(following)
    floor = 0.0
    for following in followers.values():
        _, counts = torch.tensor(following).unique(return_counts=True)
        p = counts / counts.sum()
        floor += len(following) / (len(ids) - 1) * -(p * p.log()).sum().item()
    return floor


@right("day07.bigram_floor")
def bigram_floor(ids):
    """The loss of the best table: cross-entropy of every pair with the logarithms of the counts as logits."""
    V = int(ids.max().item()) + 1
    counts = torch.zeros(V, V, dtype=torch.float64)
    counts.index_put_((ids[:-1], ids[1:]), torch.ones(len(ids) - 1, dtype=torch.float64), accumulate=True)
    return float(F.cross_entropy(counts.log()[ids[:-1]], ids[1:]))
