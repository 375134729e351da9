"""The prelude (days 0a and 0b): what a language model is, with counting only, and how one learns."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
import torch.nn as nn
from torch import Tensor

# --- Day 0a: guess the next token ---------------------------------------------------------------------


def softmax(logits: Tensor) -> Tensor:
    """Turn scores into probabilities along the last axis: (..., V) -> (..., V), each row summing to 1.

    The largest score of each row is taken away first. That changes nothing, since e^(x - m) / Σ e^(x - m) is
    e^x / Σ e^x, but it keeps e^x finite for scores of any size.
    """
    exps = torch.exp(logits - logits.max(dim=-1, keepdim=True).values)
    return exps / exps.sum(dim=-1, keepdim=True)


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean of -ln p(target), in nats: logits (..., V) and targets (...) of ids -> a tensor of shape ().

    Also known as the cross-entropy. It stays finite for scores of any size: ln softmax(x) is x - ln Σ e^x.
    """
    shifted = logits - logits.max(dim=-1, keepdim=True).values
    log_probs = shifted - shifted.exp().sum(dim=-1, keepdim=True).log()  # (..., V)
    return -log_probs.gather(-1, targets.unsqueeze(-1)).mean()


class BigramModel:
    """Guess the next token from the current one, by counting which tokens have followed it.

    `alpha` is added to every count (additive smoothing), so that what was never seen is not impossible.
    After `fit`, `counts` is a (V, V) long tensor: row = current token, column = next token.
    """

    def __init__(self, vocab_size: int, alpha: float = 1.0):
        self.vocab_size = vocab_size
        self.alpha = alpha
        self.counts = torch.zeros(vocab_size, vocab_size, dtype=torch.long)

    def fit(self, ids: Tensor) -> "BigramModel":
        """Count the pairs of neighbours in a (N,) tensor of ids, forgetting any earlier counts. Returns self."""
        self.counts = torch.zeros(self.vocab_size, self.vocab_size, dtype=torch.long)
        for current, following in pairwise(ids.tolist()):
            self.counts[current, following] += 1
        return self

    def probs(self, token_id: int) -> Tensor:
        """The probability of each next token after `token_id`: (V,), summing to 1.

        (count + alpha) / (sum of the row + alpha * V). Without any count and with alpha 0: all equal.
        """
        row = self.counts[token_id] + self.alpha
        if row.sum() == 0:
            return torch.full((self.vocab_size,), 1.0 / self.vocab_size)
        return row / row.sum()


# --- Day 0b: a model that learns sums -----------------------------------------------------------------


def number_to_words(n: int) -> str:
    """A number from 0 to 199 in words: 0 is "zero", 21 "twenty one", 100 "one hundred", 107 "one hundred seven".

    Words are separated by one space; there is no "and" and no hyphen.

    Raises:
        ValueError: n is not from 0 to 199.
    """
    if not 0 <= n <= 199:
        raise ValueError(f"{n} has no words here: give a whole number from 0 to 199.")
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    if n < 20:
        return small.split()[n]
    if n < 100:
        words = tens.split()[n // 10 - 2]
        return words if n % 10 == 0 else words + " " + number_to_words(n % 10)
    return "one hundred" if n == 100 else "one hundred " + number_to_words(n - 100)


def gradient_step(weight: Tensor, gradient: Tensor, lr: float) -> Tensor:
    """A new tensor, one step downhill: weight - lr * gradient. `weight` stays as it is."""
    return weight - lr * gradient


def blame(model: nn.Module, idx: Tensor, targets: Tensor) -> dict[str, float]:
    """Which stage of a GPT the gradient of the loss points at: each stage's share of the gradient's norm.

    idx and targets are (B, T); the loss is the second thing that model(idx, targets) returns. The stages are
    "embedding" (weights with wte or wpe in their name), "attention" (ln_1, attn), "mlp" (ln_2, mlp) and "output"
    (ln_f, lm_head). A share is the norm of the gradient over all weights of the stage, divided by the sum of
    the four norms. A frozen weight (requires_grad=False) has none. A head that is tied to the token table is
    the token table, and counts as embedding. No gradient is left in the model.
    """
    stages = {
        "embedding": ("wte", "wpe"),
        "attention": ("ln_1", "attn"),
        "mlp": ("ln_2", "mlp"),
        "output": ("ln_f", "lm_head"),
    }
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    _, loss = model(idx, targets)
    gradients = torch.autograd.grad(loss, [weight for _, weight in named])
    squares = dict.fromkeys(stages, 0.0)  # the squared norm of each stage
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if any(part in name.split(".") for part in parts):  # "transformer.h.0.mlp.c_fc.weight"
                squares[stage] += gradient.square().sum().item()
    total = sum(square**0.5 for square in squares.values())
    return {stage: square**0.5 / total for stage, square in squares.items()}


@torch.no_grad()
def exact_match(model: nn.Module, problems: Iterable[tuple[Sequence[int], Sequence[int]]]) -> float:
    """The share of problems that the model answers exactly, from 0 to 1.

    A problem is (question ids, answer ids); the answer ends with the token that ends every answer. The model
    writes greedily, always its most probable next token, as many tokens as the answer has, and all of them must
    be right. model(idx), idx (1, T), returns logits (1, T, V) and a second thing of no interest here. The
    model runs in eval mode and is left in the mode it came in.

    Raises:
        ValueError: there are no problems.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    results = []
    for question, answer in problems:
        idx = torch.tensor([list(question)], device=device)  # (1, T)
        for _ in answer:
            logits, _ = model(idx)
            idx = torch.cat([idx, logits[:, -1].argmax(dim=-1, keepdim=True)], dim=1)  # (1, T + 1)
        results.append(idx[0, len(question) :].tolist() == list(answer))
    model.train(was_training)
    if not results:
        raise ValueError("There are no problems to score: give at least one.")
    return sum(results) / len(results)
