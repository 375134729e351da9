"""Measuring and debugging (day 6): what a loss means, whether a model can learn, what a part is worth."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from handmade.training import train_step


def compute_perplexity(model: nn.Module, loader: Iterable[tuple[Tensor, Tensor]]) -> float:
    """e to the mean loss per token: among how many tokens, all equally likely, a guess would be as hard.

    loader gives batches (idx, targets), both (B, T), not all of one size; model(idx, targets) returns (logits, loss),
    the loss being the batch's mean. Every token counts the same, whatever the size of its batch; targets of -1 do
    not count. The model is measured in eval mode and without gradients, and left in the mode in which it came.
    """
    was_training = model.training
    model.eval()
    total_loss, total_tokens = 0.0, 0
    with torch.no_grad():
        for idx, targets in loader:
            _, loss = model(idx, targets)
            n_tokens = (targets != -1).sum().item()
            total_loss += loss.item() * n_tokens  # the batch's mean, back to its sum
            total_tokens += n_tokens
    model.train(was_training)
    return math.exp(total_loss / total_tokens)


def batch_floor(idx: Tensor, targets: Tensor) -> float:
    """The lowest mean loss, in nats, that any causal model can reach on this batch.

    Where rows begin alike and go on differently, a model can do no better than give each continuation its
    share. idx and targets are (B, T); targets of -1 do not count.
    """
    continuations = defaultdict(Counter)  # prefix -> how often each target follows it
    for row, row_targets in zip(idx.tolist(), targets.tolist(), strict=True):
        for t, target in enumerate(row_targets):
            if target != -1:
                continuations[tuple(row[: t + 1])][target] += 1
    nats, tokens = 0.0, 0
    for counts in continuations.values():
        n = counts.total()
        nats -= sum(count * math.log(count / n) for count in counts.values())
        tokens += n
    return nats / tokens


def overfit_one_batch(
    model: nn.Module, batch: tuple[Tensor, Tensor], steps: int = 300, lr: float = 1e-3
) -> dict[str, Any]:
    """Train on one batch (idx, targets) again and again: a sound model learns it by heart.

    Each of the `steps` is one of torch.optim.AdamW with learning rate `lr`, the gradient clipped to a norm of 1.
    Dropout is off meanwhile (eval mode), and the model is left in the mode in which it came. Returns a dict:
    "losses", a list with the loss before each step; "floor", the batch's own floor; and "passed", a bool: whether
    the last of the losses is less than 0.02 above the floor.
    """
    was_training = model.training
    model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        loss, _ = train_step(model, batch, optimizer, max_norm=1.0)
        losses.append(loss.item())
    model.train(was_training)
    floor = batch_floor(*batch)
    return {"losses": losses, "floor": floor, "passed": losses[-1] - floor < 0.02}


def run_ablation(
    configs: dict[str, Any],
    train_fn: Callable[[Any, int], Any],
    eval_fn: Callable[[Any], float],
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Train and score one model per config, so that they differ in their configs and in nothing else.

    configs maps a name to whatever `train_fn` understands. `train_fn(config, seed)` returns a trained model; it
    draws its batches by that seed. `eval_fn(model)` returns the score. PyTorch's global generator is set to `seed`
    before each training and once more before each evaluation, so that both begin from the same draws, however many
    were made before. Returns one row {"name": ..., "config": ..., "score": ...} per config, in the order of configs.
    """
    rows = []
    for name, config in configs.items():
        torch.manual_seed(seed)  # first weights and dropout
        model = train_fn(config, seed)
        torch.manual_seed(seed)  # the same evaluation, however much training drew
        rows.append({"name": name, "config": config, "score": eval_fn(model)})
    return rows


def fit_power_law(x: list[float] | Tensor, y: list[float] | Tensor) -> tuple[float, float]:
    """The a and b of y ≈ a · x^b: the straight line through log y against log x, by least squares.

    x and y are lists or 1-D tensors of the same length, in any order. Returns two floats.

    Raises:
        ValueError: some x or y is 0 or negative, and so has no logarithm.
    """
    x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
    if (x <= 0).any() or (y <= 0).any():
        raise ValueError("a power law joins positive numbers only: leave out zeros and negative values")
    log_x, log_y = x.log(), y.log()
    dx = log_x - log_x.mean()
    b = (dx * log_y).sum() / dx.square().sum()
    a = (log_y.mean() - b * log_x.mean()).exp()
    return a.item(), b.item()
