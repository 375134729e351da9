"""Day 10 · Many heads: known wrong answers, then right ones, exercise by exercise."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from autograder.misconception import right, slip, wrong
from handmade.attention import attention_weights, causal_mask, merge_heads, split_heads

# --- split_heads ----------------------------------------------------------------------------------------

SPLIT = "day10.split_heads"
CUT = "x.view(B, T, n_head, C // n_head)"

slip(
    SPLIT,
    ("positions", "order"),
    "The numbers are viewed as (B, n_head, T, head_size) at once: the shape is right, but a head's rows come from "
    "other positions. View as (B, T, n_head, head_size) first, then exchange T and n_head.",
    (CUT + ".transpose(1, 2)", "x.view(B, n_head, T, C // n_head)"),
)

slip(
    SPLIT,
    ("positions", "neighbours"),
    "T and C are exchanged before the cut, so that a head's rows run along the text and not along the channels.",
    (CUT + ".transpose(1, 2)", "x.transpose(1, 2).reshape(B, n_head, T, C // n_head)"),
)

slip(
    SPLIT,
    "positions",
    "The sequences of the batch are mixed with the positions: the view begins with T, but x begins with B.",
    (CUT + ".transpose(1, 2)", "x.view(T, B, n_head, C // n_head).permute(1, 2, 0, 3)"),
)

slip(
    SPLIT,
    "neighbours",
    "The channels are dealt out like cards: head h gets every n_head-th one, where it should get neighbours.",
    (CUT + ".transpose(1, 2)", "x.view(B, T, C // n_head, n_head).permute(0, 3, 1, 2)"),
)

slip(
    SPLIT,
    "order",
    "The heads are in reverse: head 0 should get the first channels.",
    (".transpose(1, 2)", ".transpose(1, 2).flip(1)"),
)

slip(
    SPLIT,
    ("positions", "neighbours", "order", "gradient", "extremes"),
    "T and n_head are not exchanged: the result is (B, T, n_head, head_size).",
    (".transpose(1, 2)", ""),
)

slip(
    SPLIT,
    ("positions", "neighbours", "order", "gradient", "extremes"),
    "n_head is taken for the size of a head: the result has as many heads as each should have channels.",
    ("n_head, C // n_head", "C // n_head, n_head"),
)

slip(
    SPLIT,
    "extremes",
    "Dimensions of size 1 are squeezed away: a single head, position or sequence needs its dimension all the same.",
    (".transpose(1, 2)", ".transpose(1, 2).squeeze()"),
)

slip(
    SPLIT,
    "gradient",
    "The heads are cut off from x (detach, .data or torch.tensor), so nothing before them can learn.",
    (".transpose(1, 2)", ".transpose(1, 2).detach()"),
)


@wrong("day10.split_heads", fails="slices")
def split_heads(x, n_head):
    """The heads are written into a new tensor of zeros, which is float32 whatever x is: say dtype=x.dtype."""
    B, T, C = x.shape
    size = C // n_head
    heads = torch.zeros(B, n_head, T, size)
    for h in range(n_head):
        heads[:, h] = x[..., h * size : (h + 1) * size]
    return heads


@right("day10.split_heads")
def split_heads(x, n_head):
    """Slices, stacked."""
    return torch.stack(x.chunk(n_head, dim=-1), dim=1)


@right("day10.split_heads")
def split_heads(x, n_head):
    """Unflatten and permute."""
    return x.unflatten(-1, (n_head, -1)).permute(0, 2, 1, 3).contiguous()


@right("day10.split_heads")
def split_heads(x, n_head):
    """Indexing with a table of the channels that each head gets."""
    channels = torch.arange(x.shape[-1], device=x.device).reshape(n_head, -1)
    return x[:, :, channels].movedim(2, 1)


# --- merge_heads ----------------------------------------------------------------------------------------

MERGE = "day10.merge_heads"
JOIN = "x.transpose(1, 2).reshape(B, T, n_head * head_size)"

slip(
    MERGE,
    ("positions", "order"),
    "The heads are reshaped without exchanging T and n_head: the shape is right, but a position gets the rows of "
    "other positions.",
    (JOIN, "x.reshape(B, T, n_head * head_size)"),
)

slip(
    MERGE,
    "together",
    "The head size is put before the heads, so that channels of different heads alternate: a head's stay together.",
    (JOIN, "x.permute(0, 2, 3, 1).reshape(B, T, n_head * head_size)"),
)

slip(
    MERGE,
    "positions",
    "The batch and the positions change places before the heads are joined.",
    (JOIN, "x.permute(2, 0, 1, 3).reshape(B, T, n_head * head_size)"),
)

slip(
    MERGE,
    "order",
    "The heads are joined in reverse, the last one first.",
    ("x.transpose(1, 2)", "x.flip(1).transpose(1, 2)"),
)

slip(
    MERGE,
    ("positions", "together", "order", "gradient", "extremes"),
    "view cannot join what transpose has exchanged, since the numbers do not stand side by side in memory: use "
    "reshape, or contiguous() before the view.",
    (JOIN, "x.transpose(1, 2).view(B, T, n_head * head_size)"),
)

slip(
    MERGE,
    ("positions", "together", "order", "gradient", "extremes"),
    "The heads are put one after another along the text, where they should stand side by side.",
    (JOIN, "x.reshape(B, n_head * T, head_size)"),
)

slip(
    MERGE,
    ("positions", "together", "order", "gradient", "extremes"),
    "The heads are added up: each should keep channels of its own.",
    (JOIN, "x.sum(1)"),
)

slip(
    MERGE,
    "extremes",
    "Dimensions of size 1 are squeezed away on the way: one sequence is still a batch.",
    (JOIN, JOIN + ".squeeze()"),
)

slip(
    MERGE,
    "gradient",
    "The result is cut off from the heads (detach or .data), so that no head can learn.",
    ("x.transpose(1, 2)", "x.data.transpose(1, 2)"),
)


@wrong("day10.merge_heads", fails="inverse")
def merge_heads(x):
    """The result is written into a new tensor of zeros, which is float32 whatever the heads are."""
    B, n_head, T, size = x.shape
    y = torch.zeros(B, T, n_head * size)
    for h in range(n_head):
        y[..., h * size : (h + 1) * size] = x[:, h]
    return y


@right("day10.merge_heads")
def merge_heads(x):
    """Side by side with cat."""
    return torch.cat(x.unbind(1), dim=-1)


@right("day10.merge_heads")
def merge_heads(x):
    """Permute, contiguous, view."""
    B, n_head, T, size = x.size()
    return x.permute(0, 2, 1, 3).contiguous().view(B, T, -1 if T else n_head * size)


@right("day10.merge_heads")
def merge_heads(x):
    """Exchange, then flatten the last two."""
    return x.swapaxes(1, 2).flatten(start_dim=2)


# --- CausalSelfAttention --------------------------------------------------------------------------------

LAYER = "day10.CausalSelfAttention"
PARTS = "q, k, v = self.c_attn(x).chunk(3, dim=-1)"
HEADS = "q, k, v = (split_heads(part, self.n_head) for part in (q, k, v))"
WEIGHTS = "attention_weights(q, k, mask)"
MERGED = "merge_heads(self.attend(q, k, v))"
RESULT = "self.resid_dropout(self.c_proj(y))"

slip(
    LAYER,
    "names",
    "The biases are always there: they should be only where config.bias says so.",
    (", bias=config.bias)", ")"),
)

slip(
    LAYER,
    "names",
    "The layers have names of their own: c_attn and c_proj are the ones under which weights are saved and loaded.",
    ("self.c_attn", "self.qkv"),
    ("self.c_proj", "self.proj"),
)

slip(
    LAYER,
    "parts",
    "Queries and keys are exchanged: c_attn's first third are the queries.",
    ("q, k, v = self", "k, q, v = self"),
)

slip(
    LAYER,
    "parts",
    "The values are taken first: c_attn returns queries, keys and values, in this order.",
    ("q, k, v = self", "v, q, k = self"),
)

slip(
    LAYER,
    ("parts", "heads"),
    "The result of c_attn is cut into heads first and then into three: queries, keys and values of all heads stand one "
    "after another, so chunk first.",
    (PARTS, "qkv = split_heads(self.c_attn(x), self.n_head)"),
    (HEADS, "q, k, v = qkv.chunk(3, dim=-1)"),
)

slip(
    LAYER,
    ("heads", "scale", "dropped_output"),
    "There is one large head: queries, keys and values are never split.",
    (HEADS, "pass"),
    (MERGED, "self.attend(q, k, v)"),
)

slip(
    LAYER,
    ("parts", "heads", "causality"),
    "The heads are merged with a reshape alone, so that a position gets the rows of other positions.",
    (MERGED, "self.attend(q, k, v).reshape(x.shape)"),
)

slip(
    LAYER,
    "heads",
    "The queries of a head meet the keys of the next one: their heads are not in the same order.",
    (WEIGHTS, "attention_weights(q, k.roll(1, 1), mask)"),
)

slip(
    LAYER,
    "scale",
    "The scores are divided by √n_embd: a head's queries are only head_size wide.",
    (WEIGHTS, "attention_weights(q / self.n_head**0.5, k, mask)"),
)

slip(
    LAYER,
    "scale",
    "The queries are divided by √head_size, and attention_weights does it once more.",
    (WEIGHTS, "attention_weights(q / q.shape[-1] ** 0.5, k, mask)"),
)

slip(
    LAYER,
    "causality",
    "No mask is given: every position sees the whole text.",
    (WEIGHTS, "attention_weights(q, k)"),
)

slip(
    LAYER,
    "causality",
    "The weights are made without the mask, and hidden ones are set to 0 afterwards: the future leaks through the sum.",
    (WEIGHTS, "(attention_weights(q, k) * mask)"),
)

slip(
    LAYER,
    "projection",
    "The merged heads go through c_proj twice.",
    ("self.c_proj(y)", "self.c_proj(self.c_proj(y))"),
)

slip(
    LAYER,
    ("projection", "dropped_output"),
    "c_proj is made and never called: the heads' results are not mixed.",
    (RESULT, "self.resid_dropout(y)"),
)

slip(
    LAYER,
    "sizes",
    "The mask is made once, block_size long, and not cut to the text: a shorter text does not fit.",
    ("self.n_head = config.n_head", "self.n_head, self.block_size = config.n_head, config.block_size"),
    ("causal_mask(q.shape[-2], ", "causal_mask(self.block_size, "),
)

slip(
    LAYER,
    "sizes",
    "Dimensions of size 1 are squeezed away, so that a single head or a single position breaks it.",
    (
        "self.attn_dropout(" + WEIGHTS + ") @ v",
        "(self.attn_dropout(" + WEIGHTS + ") @ v).squeeze(1).view_as(q.squeeze(1))",
    ),
)

slip(
    LAYER,
    "dropped_weights",
    "There is no dropout on the attention weights.",
    ("self.attn_dropout(" + WEIGHTS + ")", WEIGHTS),
)

slip(
    LAYER,
    "dropped_weights",
    "Dropout falls on the values: whole weights should be dropped, after the softmax.",
    ("self.attn_dropout(" + WEIGHTS + ") @ v", WEIGHTS + " @ self.attn_dropout(v)"),
)

slip(
    LAYER,
    "dropped_weights",
    "Dropout falls on the queries, before the softmax: a weight is never dropped.",
    ("self.attn_dropout(" + WEIGHTS + ")", "attention_weights(self.attn_dropout(q), k, mask)"),
)

slip(LAYER, "dropped_output", "There is no dropout on the result.", (RESULT, "self.c_proj(y)"))

slip(
    LAYER,
    "dropped_output",
    "Dropout falls on the merged heads, before c_proj, which spreads what is left over all channels.",
    (RESULT, "self.c_proj(self.resid_dropout(y))"),
)

slip(
    LAYER,
    ("dropped_weights", "dropped_output"),
    "The dropout is 0.1 whatever the config says.",
    ("nn.Dropout(config.dropout)", "nn.Dropout(0.1)"),
)

slip(
    LAYER,
    "evaluation",
    "F.dropout is called without training=self.training: it drops in eval mode too.",
    ("self.attn_dropout(" + WEIGHTS + ")", "F.dropout(" + WEIGHTS + ", self.attn_dropout.p)"),
)

slip(
    LAYER,
    "gradient",
    "The attention weights are detached: queries and keys get no gradient, so no head can learn where to look.",
    (WEIGHTS + ")", WEIGHTS + ".detach())"),
)

slip(
    LAYER,
    "loop",
    "The queries are clamped, so that a head cannot make up its mind where they are large.",
    (WEIGHTS, "attention_weights(q.clamp(-4, 4), k, mask)"),
)


@right("day10.CausalSelfAttention")
class CausalSelfAttention(nn.Module):
    """One head after another."""

    def __init__(self, config):
        super().__init__()
        self.head_size = config.n_embd // config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = config.dropout

    def forward(self, x):
        mask = causal_mask(x.shape[1], x.device)
        q, k, v = self.c_attn(x).split(x.shape[-1], dim=2)
        heads = []
        for start in range(0, x.shape[-1], self.head_size):
            part = slice(start, start + self.head_size)
            weights = attention_weights(q[..., part], k[..., part], mask)
            weights = F.dropout(weights, self.dropout, self.training)
            heads.append(weights @ v[..., part])
        return F.dropout(self.c_proj(torch.cat(heads, dim=-1)), self.dropout, self.training)


@right("day10.CausalSelfAttention")
class CausalSelfAttention(nn.Module):
    """A mask kept as a buffer and cropped, the softmax by hand, one dropout module for both."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.c_attn = nn.Linear(config.n_embd, config.n_embd * 3, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)
        ones = torch.ones(config.block_size, config.block_size)
        self.register_buffer("bias", torch.tril(ones).view(1, 1, config.block_size, config.block_size))

    def forward(self, x):
        B, T, C = x.size()
        n, size = self.config.n_head, self.config.n_embd // self.config.n_head
        q, k, v = self.c_attn(x).view(B, T, 3, n, size).permute(2, 0, 3, 1, 4)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(size))
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf")).softmax(dim=-1)
        y = self.dropout(att) @ v
        return self.dropout(self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C)))


@right("day10.CausalSelfAttention")
class CausalSelfAttention(nn.Module):
    """PyTorch's own attention."""

    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.p = config.dropout

    def forward(self, x):
        q, k, v = (
            part.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for part in self.c_attn(x).chunk(3, -1)
        )
        p = self.p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        return F.dropout(self.c_proj(y.transpose(1, 2).flatten(2)), p, self.training)


@right("day10.CausalSelfAttention")
class CausalSelfAttention(nn.Module):
    """Einsum, the weights of each part taken out of c_attn, and the day's other functions not used."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.shape = (3, config.n_head, C // config.n_head)
        self.c_attn = nn.Linear(C, 3 * C, bias=config.bias)
        self.c_proj = nn.Linear(C, C, bias=config.bias)
        self.attn_dropout, self.resid_dropout = nn.Dropout(config.dropout), nn.Dropout(config.dropout)

    def forward(self, x):
        n, size = self.shape[1:]
        qkv = torch.einsum("btc,phdc->pbhtd", x, self.c_attn.weight.view(*self.shape, -1))
        if self.c_attn.bias is not None:
            qkv = qkv + self.c_attn.bias.view(3, 1, n, 1, size)
        q, k, v = qkv
        scores = torch.einsum("bhtd,bhsd->bhts", q, k) / self.shape[-1] ** 0.5
        late = torch.triu(torch.ones_like(scores, dtype=torch.bool), diagonal=1)
        weights = self.attn_dropout(scores.masked_fill(late, -torch.inf).softmax(-1))
        return self.resid_dropout(self.c_proj(torch.einsum("bhts,bhsd->bthd", weights, v).flatten(2)))
