"""The GPT (days 8 and 11 to 14): configuration, the parts, the whole, and the proofs that it works.

The architecture is GPT-2's (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019),
down to the names of the weights: a state dict of Hugging Face's GPT2LMHeadModel has the same keys.
"""

import copy
import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from handmade.attention import FusedCausalSelfAttention
from handmade.experiments import batch_floor

# --- Day 8: configuration and skeleton ----------------------------------------------------------------


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT. The defaults are GPT-2 small's.

    vocab_size, block_size, n_layer, n_head and n_embd are whole numbers, 1 or more; n_embd is a multiple of n_head;
    dropout is at least 0 and less than 1.

    Raises:
        ValueError: a value is none of that; the message names the field.
    """

    vocab_size: int = 50257
    block_size: int = 1024  # the longest context, in tokens
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True  # in linear layers and norms, as in GPT-2

    def __post_init__(self):
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}: it must be a whole number, 1 or more")
        if self.n_embd % self.n_head != 0:
            raise ValueError(
                f"n_embd is {self.n_embd} and n_head is {self.n_head}: n_embd must be a multiple of n_head"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is {self.dropout!r}: it must be at least 0 and less than 1")

    @property
    def head_size(self) -> int:
        """Channels of one head, a whole number."""
        return self.n_embd // self.n_head


# Made for characters; for another vocabulary `dataclasses.replace(TINY, vocab_size=...)`.
TINY = GPTConfig(vocab_size=65, block_size=128, n_layer=2, n_head=2, n_embd=128)
SMALL = GPTConfig(vocab_size=65, block_size=256, n_layer=4, n_head=4, n_embd=256)
MEDIUM = GPTConfig(vocab_size=65, block_size=256, n_layer=6, n_head=6, n_embd=384)
GPT2 = GPTConfig(dropout=0.1)


class GPTSkeleton(nn.Module):
    """A GPT whose blocks do nothing yet: embeddings, blocks, norm, head.

    self.transformer is an nn.ModuleDict: "wte" and "wpe", the tables of tokens and of places; "h", an nn.ModuleList
    of n_layer nn.Identity; "ln_f", an nn.LayerNorm, with a bias where the config says so. self.lm_head is an
    nn.Linear without a bias.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "h": nn.ModuleList(nn.Identity() for _ in range(config.n_layer)),
                "ln_f": nn.LayerNorm(config.n_embd, bias=config.bias),
            }
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """idx (B, T) -> logits (B, T, vocab_size) and the loss over all targets (B, T) but -1; without any, None.

        Raises:
            ValueError: T is more than block_size; the message names block_size.
        """
        T = idx.shape[1]
        if T > self.config.block_size:
            raise ValueError(
                f"idx is {T} tokens long and block_size is {self.config.block_size}: "
                "crop it, for instance idx[:, -block_size:]"
            )
        positions = torch.arange(T, device=idx.device)
        x = self.transformer.wte(idx) + self.transformer.wpe(positions)  # (B, T, C) + (T, C)
        for block in self.transformer.h:
            x = block(x)
        logits = self.lm_head(self.transformer.ln_f(x))  # (B, T, vocab_size)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


# --- Day 11: the MLP ----------------------------------------------------------------------------------


def gelu(x: Tensor) -> Tensor:
    """GELU, exactly: each number times Φ of it, the chance that a standard normal falls below it.

    Φ(x) = (1 + erf(x / √2)) / 2. Returns a new tensor of x's shape. Hendrycks and Gimpel (2016).
    """
    return 0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU with tanh in place of erf, at most 4.8e-4 away: the form that GPT-2 was trained with.

    x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2. Returns a new tensor of x's shape.
    """
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


class MLP(nn.Module):
    """Each position by itself: widen four times, bend, narrow again. (B, T, C) -> (B, T, C), with C = config.n_embd.

    self.c_fc is an nn.Linear from C to 4C and self.c_proj one back to C, with biases where config.bias says so. The
    bend between them is GELU's tanh form. Dropout, of config.dropout, comes last. x itself is not added.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.c_fc(x), approximate="tanh")  # gelu_tanh, in one pass over memory: (B, T, 4C)
        return self.dropout(self.c_proj(x))


# --- Day 12: norms, residuals, blocks -----------------------------------------------------------------


class LayerNorm(nn.Module):
    """Give every position mean 0 and variance 1 over its channels, then scale and shift. Ba et al. (2016)."""

    def __init__(self, ndim: int, bias: bool = True, eps: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(ndim))
        self.bias = nn.Parameter(torch.zeros(ndim)) if bias else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)  # divided by n, not n - 1
        y = self.weight * centred / torch.sqrt(variance + self.eps)
        return y if self.bias is None else y + self.bias


class Block(nn.Module):
    """Attention, then MLP, each added to what came in. The norms stand inside the branches (pre-norm)."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)  # our LayerNorm, as one kernel
        self.attn = FusedCausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class PostNormBlock(nn.Module):
    """The block of 2017: each norm stands on the sum, across the path that `Block` keeps open."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.attn = FusedCausalSelfAttention(config)
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.ln_1(x + self.attn(x))
        x = self.ln_2(x + self.mlp(x))
        return x


def gradient_by_depth(model: nn.Module, batch: tuple[Tensor, Tensor]) -> list[float]:
    """The norm of the loss's gradient with respect to each block's weights, first block first.

    batch is (idx, targets). The gradients stored in the model stay as they were.
    """
    _, loss = model(*batch)
    weights = [p for block in model.transformer.h for p in block.parameters()]
    grads = dict(zip(weights, torch.autograd.grad(loss, weights), strict=True))
    return [
        math.sqrt(sum(grads[p].square().sum().item() for p in block.parameters()))
        for block in model.transformer.h
    ]


# --- Day 13: the whole model --------------------------------------------------------------------------


def init_weights(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw the weights as GPT-2 did, in place: N(0, 0.02), biases 0.

    Each layer adds two branches to the residual stream. Their last projections start smaller, by
    1 / √(2 n_layer), so that the stream's variance at the end does not grow with depth.
    """
    residual_std = 0.02 / math.sqrt(2 * model.config.n_layer)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            std = residual_std if name.endswith("c_proj") else 0.02
            nn.init.normal_(module.weight, std=std, generator=generator)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


class GPT(nn.Module):
    """A GPT-2: (B, T) ids -> logits (B, T, vocab_size) for the token after each position, and the loss.

    The head and the token table are one matrix (Press and Wolf, 2017).
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "drop": nn.Dropout(config.dropout),
                "h": nn.ModuleList(Block(config) for _ in range(config.n_layer)),
                "ln_f": nn.LayerNorm(config.n_embd, bias=config.bias),
            }
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer.wte.weight  # both are (vocab_size, n_embd)
        init_weights(self)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """idx and targets are (B, T); a target of -1 does not count. Without targets the loss is None.

        Raises:
            ValueError: idx is longer than block_size.
        """
        T = idx.shape[1]
        if T > self.config.block_size:
            raise ValueError(
                f"idx is {T} tokens long and block_size is {self.config.block_size}: "
                "crop it, for instance idx[:, -block_size:]"
            )
        positions = torch.arange(T, device=idx.device)
        x = self.transformer.wte(idx) + self.transformer.wpe(positions)  # (B, T, C) + (T, C)
        x = self.transformer.drop(x)
        for block in self.transformer.h:
            x = block(x)
        logits = self.lm_head(self.transformer.ln_f(x))  # (B, T, vocab_size)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


# --- Day 14: prove that it works ----------------------------------------------------------------------


def count_parameters(model: nn.Module, non_embedding: bool = False) -> int:
    """How many numbers the model learns; a matrix used twice counts once.

    With `non_embedding` the token and position tables are left out, and with them a head tied to one: the
    N of the scaling laws (Kaplan et al., 2020).
    """
    tables = {m.weight for m in model.modules() if isinstance(m, nn.Embedding)} if non_embedding else set()
    return sum(p.numel() for p in model.parameters() if p not in tables)


def gradient_report(model: nn.Module, limit: float = 100.0) -> list[dict]:
    """After backward(): each parameter's name, the norm of its gradient, and what is wrong with it.

    Rows are {"name", "norm", "fault"}; fault is None where all is well, else "missing" (the loss does not
    depend on it), "not finite" (NaN or infinite), "dead" (all zero) or "exploding" (norm above `limit`;
    where the loss is a mean, healthy norms are of the order of 1).
    """
    rows = []
    for name, p in model.named_parameters():
        norm = None if p.grad is None else p.grad.norm().item()
        if norm is None:
            fault = "missing"
        elif not math.isfinite(norm):
            fault = "not finite"
        elif norm == 0.0:
            fault = "dead"
        else:
            fault = "exploding" if norm > limit else None
        rows.append({"name": name, "norm": norm, "fault": fault})
    return rows


@torch.no_grad()
def is_causal(model: nn.Module, T: int, generator: torch.Generator | None = None) -> bool:
    """Whether no logit depends on a later token: change each token in turn, compare all that came before.

    One random sequence of T tokens, through a copy of the model in eval mode and float64: in a small fresh
    model a mask after the softmax leaks by 1e-5, which a tolerance wide enough for float32 would forgive.
    """
    model = copy.deepcopy(model).cpu().double().eval()
    vocab_size = model(torch.zeros(1, 1, dtype=torch.long))[0].shape[-1]
    idx = torch.randint(vocab_size, (T,), generator=generator).expand(T, T)  # T times the same sequence
    steps = torch.randint(1, vocab_size, (T,), generator=generator)
    changed = (idx + torch.diag(steps)) % vocab_size  # row t has another token at position t
    before = torch.ones(T, T, dtype=torch.bool).tril(-1)  # row t: positions s < t
    logits, _ = model(idx)
    logits_changed, _ = model(changed)
    return torch.allclose(logits[before], logits_changed[before], rtol=0.0, atol=1e-10)


def memorise(
    model: nn.Module, batch: tuple[Tensor, Tensor], max_steps: int = 500, lr: float = 1e-3
) -> int | None:
    """Train the model on one batch, without dropout, until its loss is within 0.02 of the batch's floor.

    Returns the number of steps that took, or None where `max_steps` were not enough: a GPT that cannot learn
    one batch by heart has a fault.
    """
    was_training = model.training
    model.eval()
    floor = batch_floor(*batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    steps_taken = None
    for step in range(max_steps):
        _, loss = model(*batch)
        if loss.item() - floor < 0.02:
            steps_taken = step
            break
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.train(was_training)
    return steps_taken
