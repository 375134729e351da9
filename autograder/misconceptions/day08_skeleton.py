"""Day 8 · Configuration and skeleton: known wrong answers, then right ones, exercise by exercise."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn as nn
import torch.nn.functional as F

from autograder.misconception import right, slip

# --- GPTConfig ------------------------------------------------------------------------------------------

CONFIG = "day08.GPTConfig"
WHOLE = "isinstance(value, int) or value < 1"
MULTIPLE = "self.n_embd % self.n_head != 0"

slip(
    CONFIG,
    "head_size",
    "head_size is divided with /, which makes a float: nothing has 64.0 channels. Use //.",
    ("self.n_embd // self.n_head", "self.n_embd / self.n_head"),
)

slip(
    CONFIG,
    "head_size",
    "head_size is a method, not a property: config.head_size is then the method itself, not a number.",
    ("    @property\n", ""),
)

slip(
    CONFIG,
    "head_size",
    "head_size is the other way round: n_head divided by n_embd is 0.",
    ("self.n_embd // self.n_head", "self.n_head // self.n_embd"),
)

slip(
    CONFIG,
    "head_size",
    "head_size is a constant: 64 is right for GPT-2 only. It must be worked out from n_embd and n_head.",
    ("return self.n_embd // self.n_head", "return 64"),
)

slip(
    CONFIG,
    "sizes",
    "The message does not say which size is wrong: name the field, so that a reader knows what to change.",
    ("{name} is {value!r}: it", "a size"),
)

slip(
    CONFIG,
    "sizes",
    "A size of 0 gets through: only negative sizes are refused.",
    (WHOLE, "isinstance(value, int) or value < 0"),
    (MULTIPLE, "self.n_head and self.n_embd % self.n_head != 0"),
)

slip(
    CONFIG,
    "sizes",
    "Sizes with a fraction get through: nothing asks whether they are whole numbers.",
    (WHOLE, "value or value < 1"),
    (
        MULTIPLE,
        "isinstance(self.n_embd, int) and isinstance(self.n_head, int) and self.n_embd % self.n_head != 0",
    ),
)

slip(
    CONFIG,
    "sizes",
    "vocab_size is not looked at: its field is missing from the loop.",
    ('("vocab_size", "block_size"', '("block_size"'),
)

slip(
    CONFIG,
    "sizes",
    "n_layer is not looked at: its field is missing from the loop.",
    ('"n_layer", ', ""),
)

slip(
    CONFIG,
    "heads",
    "That n_embd is a multiple of n_head is never asked: the channels cannot be shared out evenly.",
    (MULTIPLE, "False"),
)

slip(
    CONFIG,
    "heads",
    "n_embd is only asked to be as large as n_head: it must be a multiple of it.",
    (MULTIPLE, "self.n_embd < self.n_head"),
)

slip(
    CONFIG,
    "heads",
    "The remainder is compared with 1: any other remainder gets through.",
    (MULTIPLE, "self.n_embd % self.n_head == 1"),
)

slip(
    CONFIG,
    "dropout",
    "A dropout of 1 gets through: it would set everything to 0. It must be less than 1.",
    ("self.dropout < 1.0", "self.dropout <= 1.0"),
)

slip(
    CONFIG,
    "dropout",
    "A dropout of 0 is refused: it is the usual one, and means that nothing is dropped.",
    ("0.0 <= self.dropout", "0.0 < self.dropout"),
    ("dropout: float = 0.0", "dropout: float = 0.1"),
)

slip(
    CONFIG,
    "dropout",
    "dropout is not looked at.",
    ("not 0.0 <= self.dropout < 1.0", "False"),
)

slip(
    CONFIG,
    ("sizes", "heads", "dropout"),
    "What is wrong is said with print, and the object is made all the same: raise a ValueError.",
    ("raise ValueError(", "print("),
)

slip(
    CONFIG,
    ("sizes", "heads", "dropout"),
    "assert is used in place of raise ValueError: it raises an AssertionError, and python -O leaves it out.",
    ("ValueError", "AssertionError"),
)


@right("day08.GPTConfig")
@dataclass
class GPTConfig:
    """One question after another, and a head_size that is worked out once."""

    vocab_size: int = 50257
    block_size: int = 1024
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True
    head_size: int = field(init=False)

    def __post_init__(self):
        for name, value in vars(self).items():
            if name in ("dropout", "bias"):
                continue
            if type(value) is not int:
                raise ValueError(f"{name}: {value} is not a whole number")
            if value <= 0:
                raise ValueError(f"{name}: {value} is less than 1")
        self.head_size, left_over = divmod(self.n_embd, self.n_head)
        if left_over:
            raise ValueError(f"{self.n_head} heads (n_head) cannot share {self.n_embd} channels")
        if self.dropout < 0 or self.dropout >= 1:
            raise ValueError(f"dropout: {self.dropout}")


@right("day08.GPTConfig")
class GPTConfig:
    """An ordinary class."""

    def __init__(
        self, vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768, dropout=0.0, bias=True
    ):
        sizes = {"vocab_size": vocab_size, "block_size": block_size, "n_layer": n_layer}
        sizes |= {"n_head": n_head, "n_embd": n_embd}
        bad = [name for name, size in sizes.items() if not (isinstance(size, int) and size > 0)]
        if bad:
            raise ValueError("not a whole number above 0: " + ", ".join(bad))
        if n_embd != n_embd // n_head * n_head:
            raise ValueError("n_head must divide n_embd")
        if dropout not in (0, 0.0) and not 0 < dropout < 1:
            raise ValueError("dropout is out of range")
        self.__dict__.update(sizes, dropout=dropout, bias=bias)

    head_size = property(lambda self: self.n_embd // self.n_head)


@right("day08.GPTConfig")
@dataclass(kw_only=True)
class GPTConfig:
    """Each question in a function of its own, and a cached property."""

    vocab_size: int = 50257
    block_size: int = 1024
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True

    def __post_init__(self):
        self._check_sizes()
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd={self.n_embd} is not a multiple of n_head={self.n_head}")
        if not (self.dropout >= 0 and self.dropout < 1):
            raise ValueError(f"dropout={self.dropout} is not in [0, 1)")

    def _check_sizes(self):
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            size = self.__dict__[name]
            try:
                whole = size == int(size)
            except TypeError:
                whole = False
            if not whole or size < 1:
                raise ValueError(f"{name}={size}")

    @cached_property
    def head_size(self):
        return self.n_embd // self.n_head


# --- GPTSkeleton ----------------------------------------------------------------------------------------

SKELETON = "day08.GPTSkeleton"

slip(
    SKELETON,
    "names",
    "The head has a bias: GPT-2's has none (bias=False).",
    ("vocab_size, bias=False)", "vocab_size)"),
)

slip(
    SKELETON,
    "names",
    "The final norm always has a bias: it should have one only where config.bias says so.",
    (", bias=config.bias)", ")"),
)

slip(
    SKELETON,
    "embeddings",
    "The positions are not added: the model cannot tell first from last.",
    (" + self.transformer.wpe(positions)", ""),
)

slip(
    SKELETON,
    "embeddings",
    "The positions are counted from 1, so the table's row 0 is never used.",
    (
        "torch.arange(T, device=idx.device)",
        "torch.arange(1, T + 1, device=idx.device) % self.config.block_size",
    ),
)

slip(
    SKELETON,
    "embeddings",
    "The positions are counted along the batch, not along the text.",
    ("torch.arange(T, device=idx.device)", "torch.arange(len(idx), device=idx.device).unsqueeze(1)"),
)

slip(
    SKELETON,
    ("embeddings", "blocks", "head", "loss"),
    "There are always block_size positions: a shorter text does not fit to them.",
    ("torch.arange(T,", "torch.arange(self.config.block_size,"),
)

slip(
    SKELETON,
    "blocks",
    "The blocks run in reverse: the last one first.",
    ("in self.transformer.h:", "in reversed(self.transformer.h):"),
)

slip(
    SKELETON,
    "blocks",
    "Every block is given the embeddings, not what the block before it left: only the last one counts.",
    ("        for block in", "        start = x\n        for block in"),
    ("block(x)", "block(start)"),
)

slip(
    SKELETON,
    "blocks",
    "There is one block too few.",
    ("range(config.n_layer)", "range(config.n_layer - 1)"),
)

slip(
    SKELETON,
    ("embeddings", "blocks", "head", "too_long"),
    "The blocks are made and never called.",
    ("x = block(x)", "pass"),
)

slip(
    SKELETON,
    "head",
    "The final norm is missing before the head.",
    ("self.lm_head(self.transformer.ln_f(x))", "self.lm_head(x)"),
)

slip(
    SKELETON,
    "blocks",
    "The norm stands inside the loop, after every block: it is the final norm, used once.",
    ("x = block(x)", "x = self.transformer.ln_f(block(x))"),
    ("self.lm_head(self.transformer.ln_f(x))", "self.lm_head(x)"),
)

slip(
    SKELETON,
    ("head", "loss"),
    "Only the last position's logits are returned: training needs all of them.",
    ("self.lm_head(self.transformer.ln_f(x))", "self.lm_head(self.transformer.ln_f(x))[:, -1:]"),
    ("targets.flatten()", "targets[:, -1:].flatten()"),
)

slip(
    SKELETON,
    "head",
    "The logits are put through a softmax: cross-entropy does that itself.",
    ("self.lm_head(self.transformer.ln_f(x))", "self.lm_head(self.transformer.ln_f(x)).softmax(-1)"),
)

slip(
    SKELETON,
    "too_long",
    "A text of exactly block_size tokens is refused: there is a place for each of them.",
    ("T > self.config", "T >= self.config"),
)

slip(
    SKELETON,
    "too_long",
    "A text that is too long is not refused: the place table raises an IndexError that explains nothing.",
    ("T > self.config.block_size", "False"),
)

slip(
    SKELETON,
    "too_long",
    "The message does not name block_size, so that nobody knows what is too long for what.",
    ("and block_size is", "and the most is"),
    ("-block_size:", "-longest:"),
)

slip(
    SKELETON,
    "loss",
    "Targets of -1 are not ignored: say ignore_index=-1.",
    (", ignore_index=-1", ""),
)

slip(
    SKELETON,
    "loss",
    "The loss is a sum over the positions, not their mean: it grows with the batch.",
    ("ignore_index=-1", 'ignore_index=-1, reduction="sum"'),
)

slip(
    SKELETON,
    "loss",
    "The loss is divided by all positions: those with a target of -1 must not count.",
    ("ignore_index=-1)", 'ignore_index=-1, reduction="sum") / targets.numel()'),
)

slip(
    SKELETON,
    "loss",
    "The loss shifts the targets once more: they are already one token later than idx.",
    ("logits.flatten(0, 1), targets.flatten()", "logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten()"),
)

slip(
    SKELETON,
    "all_of_it",
    "With targets the logits are scaled: the model in training is another one than the model in use.",
    ("        return logits, F.", "        logits = 2.0 * logits\n        return logits, F."),
)


@right("day08.GPTSkeleton")
class GPTSkeleton(nn.Module):
    """The parts as attributes of a module, the blocks as one nn.Sequential."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.transformer = nn.Module()
        self.transformer.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.transformer.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.transformer.h = nn.Sequential(*[nn.Identity() for _ in range(config.n_layer)])
        self.transformer.ln_f = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx, targets=None):
        if idx.size(1) > self.config.block_size:
            raise ValueError(f"at most block_size = {self.config.block_size} tokens")
        places = self.transformer.wpe.weight[: idx.size(1)]
        x = self.transformer.h(self.transformer.wte(idx) + places)
        logits = self.lm_head(self.transformer.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-1)
        return logits, loss


@right("day08.GPTSkeleton")
class GPTSkeleton(nn.Module):
    """Places for each row of the batch, blocks by number, and the loss by hand."""

    def __init__(self, config):
        super().__init__()
        self.n_layer, self.longest = config.n_layer, config.block_size
        self.transformer = nn.ModuleDict()
        self.transformer["wte"] = nn.Embedding(config.vocab_size, config.n_embd)
        self.transformer["wpe"] = nn.Embedding(config.block_size, config.n_embd)
        self.transformer["h"] = nn.ModuleList([nn.Identity()] * config.n_layer)
        self.transformer["ln_f"] = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx, targets=None):
        B, T = idx.shape
        if not T <= self.longest:
            raise ValueError(f"idx has {T} columns, block_size is {self.longest}")
        places = torch.arange(T, device=idx.device).expand(B, T)
        x = self.transformer["wte"](idx) + self.transformer["wpe"](places)
        for i in range(self.n_layer):
            x = self.transformer["h"][i](x)
        logits = self.lm_head(self.transformer["ln_f"](x))
        if targets is None:
            return logits, None
        counted = targets != -1
        picked = logits.log_softmax(-1)[counted].gather(-1, targets[counted][:, None])
        return logits, -picked.mean()


@right("day08.GPTSkeleton")
class GPTSkeleton(nn.Module):
    """The norm and the loss from functions, and a body of its own for the embeddings."""

    def __init__(self, config):
        super().__init__()
        V, C = config.vocab_size, config.n_embd
        parts = {"wte": nn.Embedding(V, C), "wpe": nn.Embedding(config.block_size, C)}
        parts["h"] = nn.ModuleList()
        for _ in range(config.n_layer):
            parts["h"].append(nn.Identity())
        parts["ln_f"] = nn.LayerNorm(C, bias=config.bias)
        self.transformer = nn.ModuleDict(parts)
        self.lm_head = nn.Linear(C, V, bias=False)

    def embed(self, idx):
        block_size = self.transformer.wpe.num_embeddings
        if idx.shape[-1] > block_size:
            raise ValueError("more tokens than block_size")
        return self.transformer.wte(idx) + self.transformer.wpe.weight[None, : idx.shape[-1], :]

    def forward(self, idx, targets=None):
        x = self.embed(idx)
        for block in self.transformer.h.children():
            x = block(x)
        norm = self.transformer.ln_f
        x = F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
        logits = F.linear(x, self.lm_head.weight)
        if targets is not None:
            return logits, F.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-1
            )
        return logits, None
