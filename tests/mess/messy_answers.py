"""Right answers in other styles than the library's: other algorithms, wrappers, and forms that are no plain `def`."""

from messes import style

from autograder.build.samples import ATTEND, MASK, WEIGHTS


@style
def einsum():
    """Einsum, and the mask by comparing positions."""
    return {
        MASK: """
def causal_mask(T, device=None):
    return torch.arange(T, device=device)[:, None] >= torch.arange(T, device=device)
""",
        WEIGHTS: """
def attention_weights(q, k, mask=None):
    s = torch.einsum("...id,...jd->...ij", q, k) / q.size(-1) ** 0.5
    return (s if mask is None else s.masked_fill(~mask, -torch.inf)).softmax(-1)
""",
        ATTEND: """
def attend(q, k, v, mask=None):
    return torch.einsum("...ij,...jd->...id", attention_weights(q, k, mask), v)
""",
    }


@style
def pytorchs_own():
    """PyTorch's attention for both."""
    return {
        WEIGHTS: """
def attention_weights(q, k, mask=None):
    one = torch.eye(k.size(-2), dtype=k.dtype).expand(*k.shape[:-1], k.size(-2))
    return F.scaled_dot_product_attention(q, k, one, attn_mask=mask)
""",
        ATTEND: "attend = F.scaled_dot_product_attention",
    }


@style
def loops():
    """Loops over positions, and lists."""
    return {
        MASK: """
def causal_mask(T, device=None):
    return torch.tensor([[s <= t for s in range(T)] for t in range(T)], dtype=torch.bool, device=device)
""",
        ATTEND: """
def attend(q, k, v, mask=None):
    w = attention_weights(q, k, mask)
    rows = []
    for t in range(q.shape[-2]):
        row = 0
        for s in range(k.shape[-2]):
            row = row + w[..., t, s, None] * v[..., s, :]
        rows.append(row)
    return torch.stack(rows, -2)
""",
    }


@style
def baddbmm():
    """Flattened to three dimensions, and baddbmm with an additive mask."""
    return {
        WEIGHTS: """
def attention_weights(q, k, mask=None):
    T, S = q.shape[-2], k.shape[-2]
    add = q.new_zeros(T, S)
    if mask is not None:
        add = add.masked_fill(~mask, float("-inf"))
    a, b = q.reshape(-1, T, q.shape[-1]), k.reshape(-1, S, k.shape[-1])
    scores = torch.baddbmm(add.expand(len(a), T, S), a, b.transpose(1, 2), alpha=1 / math.sqrt(q.shape[-1]))
    return scores.softmax(-1).reshape(*q.shape[:-1], S)
""",
    }


@style
def float64_inside():
    """In float64, and back at the end."""
    return {
        WEIGHTS: """
def attention_weights(q, k, mask=None):
    scores = (q.double() @ k.double().mT) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores[~mask.expand(scores.shape)] = -math.inf
    return scores.softmax(-1).to(q.dtype)
""",
    }


@style
def log_softmax():
    """Through logarithms: logsumexp, and the exponential at the end."""
    return {
        WEIGHTS: """
def attention_weights(q, k, mask=None):
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores + mask.to(scores.dtype).log()
    return (scores - scores.logsumexp(-1, keepdim=True)).exp()
""",
    }


@style
def wrapped():
    """Decorators of the learner's own, with and without functools.wraps."""
    return {
        MASK: """
import functools

@functools.lru_cache(maxsize=None)
def causal_mask(T, device=None):
    return torch.ones(T, T, dtype=torch.bool, device=device).tril()
""",
        WEIGHTS: """
def shout(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        print("calling", function.__name__)
        return function(*args, **kwargs)
    return inner

@shout
@shout
def attention_weights(q, k, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, -1)
""",
        ATTEND: """
def twice(function):
    return lambda *a, **k: (function(*a, **k) + function(*a, **k)) / 2

@twice
def attend(q, k, v, mask=None):
    return attention_weights(q, k, mask) @ v
""",
    }


@style
def partials():
    """The names are given to partials, lambdas and compositions."""
    return {
        MASK: "causal_mask = lambda T, device=None: torch.ones(T, T, device=device).bool().tril()",
        WEIGHTS: """
from functools import partial

def general(q, k, mask=None, *, scale, hidden):
    s = q @ k.mT * scale(q.shape[-1])
    return torch.softmax(s if mask is None else s.masked_fill(~mask, hidden), -1)

attention_weights = partial(general, scale=lambda d: d ** -0.5, hidden=-math.inf)
""",
        ATTEND: """
def compose(first, then):
    return lambda q, k, v, mask=None: then(first(q, k, mask), v)

attend: "a function" = compose(attention_weights, torch.matmul)
""",
    }


@style
def callable_objects():
    """Objects with __call__, of classes that inherit, and a module."""
    return {
        MASK: """
class Masker:
    def __call__(self, T, device=None):
        raise NotImplementedError

class Causal(Masker):
    made = {}

    def __call__(self, T, device=None):
        key = T, str(device)
        if key not in self.made:
            self.made[key] = torch.ones(T, T, dtype=torch.bool, device=device).tril()
        return self.made[key]

causal_mask = Causal()
""",
        WEIGHTS: """
class Weights(nn.Module):
    def __init__(self):
        super().__init__()
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, q, k, mask=None):
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        return self.softmax(scores if mask is None else scores.masked_fill(mask.logical_not(), -math.inf))

attention_weights = Weights()
""",
        ATTEND: """
class attend:
    def __new__(cls, q, k, v, mask=None):
        return attention_weights(q, k, mask) @ v
""",
    }


@style
def modern_syntax():
    """Walrus, match, dataclasses, nested functions, positional-only arguments, type variables."""
    return {
        WEIGHTS: """
from __future__ import annotations
from dataclasses import dataclass, field

@dataclass(frozen=True)
class Scale:
    d_k: int
    root: float = field(init=False, default=0.5)

    def __rmatmul__(self, scores: Unknown) -> Unknown:
        return scores / self.d_k**self.root

def attention_weights(q: Tensor, k: Tensor, mask: Nothing | None = None, /) -> Tensor:
    def hide(scores):
        match mask:
            case None:
                return scores
            case Tensor():
                return scores.masked_fill(~mask, -math.inf)
    if (d_k := q.shape[-1]) < 1:
        raise ValueError(f"{d_k=}")
    return hide((q @ k.mT) @ Scale(d_k)).softmax(-1)
""",
    }


@style
def other_arguments():
    """Other names, more arguments, *args and **kwargs."""
    return {
        MASK: """
def causal_mask(size, *rest, device=None, **options):
    return torch.tril(torch.ones((size, size), device=device, **options)) > 0
""",
        WEIGHTS: """
def attention_weights(queries, keys, allowed=None, dropout=0.0, temperature=1.0, *, training=False):
    s = queries @ keys.mT / math.sqrt(queries.shape[-1]) / temperature
    s = s if allowed is None else torch.where(allowed, s, -math.inf)
    return F.dropout(s.softmax(-1), dropout, training)
""",
        ATTEND: """
def attend(*args, **kwargs):
    q, k, v, *mask = args
    return attention_weights(q, k, *mask, **kwargs) @ v
""",
    }


@style
def compiled():
    """torch.compile, plainly and with a fallback."""
    return {
        WEIGHTS: """
def maybe_compiled(function):
    try:
        return torch.compile(function)
    except Exception:
        return function

@maybe_compiled
def attention_weights(q, k, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, -1)
""",
        ATTEND: """
@torch.compile
def attend(q, k, v, mask=None):
    return attention_weights(q, k, mask) @ v
""",
    }


@style
def scripted():
    """torch.jit.script, which reads the function's source."""
    return {
        WEIGHTS: """
from typing import Optional

@torch.jit.script
def attention_weights(q: Tensor, k: Tensor, mask: Optional[Tensor] = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, -1)
""",
    }


@style
def harmless_no_grad():
    """no_grad where nothing needs a gradient: around the mask, and around a maximum that cancels."""
    return {
        MASK: """
@torch.no_grad()
def causal_mask(T, device=None):
    with torch.inference_mode(False):
        return torch.ones(T, T, dtype=torch.bool, device=device).tril()
""",
        WEIGHTS: """
def attention_weights(q, k, mask=None):
    s = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s.masked_fill(~mask, -math.inf)
    with torch.no_grad():
        top = s.max(-1, keepdim=True).values
    e = (s - top).exp()
    return e / e.sum(-1, keepdim=True)
""",
    }


@style
def careful():
    """Asserts, conversions, try and finally, copies of the arguments."""
    return {
        WEIGHTS: '''
def attention_weights(q, k, mask=None):
    """My own docstring, with %time and !ls in it
%time at the start of a line
"""
    assert q.shape[-1] == k.shape[-1], "widths differ"
    q, k = torch.as_tensor(q).clone(), torch.as_tensor(k).clone()
    try:
        q /= math.sqrt(q.shape[-1])
        scores = torch.matmul(q, torch.swapaxes(k, -1, -2))
        if mask is not None:
            scores.masked_fill_(~mask, float("-inf"))
    finally:
        del q, k
    return torch.softmax(scores, dim=-1).contiguous()
''',
    }


@style
def bound_methods():
    """Static methods, class methods and methods of one object, assigned to the names."""
    return {
        MASK: """
class Attention:
    @staticmethod
    def mask(T, device=None):
        return torch.full((T, T), True, device=device).tril()

    @classmethod
    def weights(cls, q, k, mask=None):
        return torch.softmax(cls.hide(q @ k.mT / math.sqrt(q.shape[-1]), mask), -1)

    @staticmethod
    def hide(scores, mask):
        return scores if mask is None else scores.masked_fill(~mask, -math.inf)

    def __call__(self, q, k, v, mask=None):
        return self.weights(q, k, mask) @ v

causal_mask = Attention.mask
""",
        WEIGHTS: "attention_weights = Attention.weights",
        ATTEND: "attention = attend = Attention()",
    }


@style
def several_at_once():
    """Two names in one assignment, and one of a dict."""
    return {
        WEIGHTS: """
def build():
    def weights(q, k, mask=None):
        s = q @ k.mT / math.sqrt(q.shape[-1])
        return torch.softmax(s if mask is None else s.masked_fill(~mask, -math.inf), -1)
    return weights, lambda q, k, v, mask=None: weights(q, k, mask) @ v

attention_weights, attend = build()
tools = {"attend": attend}
""",
        ATTEND: "attend = tools['attend']",
    }


@style
def its_own_device():
    """A device of the learner's own choosing, and everything moved there."""
    return {
        MASK: """
dev = "cuda" if torch.cuda.is_available() else "cpu"

def causal_mask(T, device=dev):
    return torch.ones(T, T, dtype=torch.bool, device=device or dev).tril()
""",
        ATTEND: """
def attend(q, k, v, mask=None):
    q, k, v = (x.to(dev) for x in (q, k, v))
    return attention_weights(q, k, mask).to(dev) @ v
""",
    }


@style
def numpys_mask():
    """The mask made by NumPy, where no device is asked for."""
    return {
        MASK: """
import numpy as np

def causal_mask(T, device=None):
    return torch.from_numpy(np.tril(np.ones((T, T), dtype=bool))).to(device or "cpu")
""",
    }


@style
def recursive():
    """A mask made recursively, cell by cell."""
    return {
        MASK: """
def causal_mask(T, device=None):
    if T == 1:
        return torch.ones(1, 1, dtype=torch.bool, device=device)
    return torch.block_diag(causal_mask(T - 1, device), torch.ones(1, 1, dtype=torch.bool, device=device)) | (
        torch.arange(T, device=device)[:, None] == T - 1)
""",
    }


@style
def subclassed_tensors():
    """Tensors of a class of the learner's own, that only adds a method."""
    return {
        ATTEND: """
class Named(Tensor):
    def hello(self):
        return "hello"

def attend(q, k, v, mask=None):
    return (attention_weights(q, k, mask) @ v).as_subclass(Named)
""",
    }
