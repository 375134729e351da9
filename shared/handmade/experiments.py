"""Measuring and debugging (day 6): what a loss means, whether a model can learn, what a part is worth."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor


@torch.no_grad()
def compute_perplexity(model: nn.Module, loader: Iterable[tuple[Tensor, Tensor]]) -> float:
    """e to the mean loss per token over all batches (idx, targets): among how many tokens the model wavers.

    Every token counts the same, whatever the size of its batch; targets of -1 do not count. The model is
    measured in eval mode and left in the mode it came in.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    total_loss, total_tokens = 0.0, 0
    for idx, targets in loader:
        _, loss = model(idx.to(device), targets.to(device))
        tokens = (targets != -1).sum().item()
        total_loss += loss.item() * tokens  # the batch's mean, back to its sum
        total_tokens += tokens
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
    total_loss, total_tokens = 0.0, 0
    for counts in continuations.values():
        n = counts.total()
        total_loss -= sum(count * math.log(count / n) for count in counts.values())
        total_tokens += n
    return total_loss / total_tokens


def overfit_one_batch(
    model: nn.Module, batch: tuple[Tensor, Tensor], steps: int = 300, lr: float = 1e-3
) -> dict[str, Any]:
    """Train on one batch (idx, targets) again and again: a sound model learns it by heart.

    Returns {"losses": one per step, "floor": the batch's own floor, "passed": whether the last loss is within
    0.02 of the floor}. Dropout is off meanwhile, and the model is left in the mode it came in.
    """
    was_training = model.training
    model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        _, loss = model(*batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
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

    `train_fn(config, seed)` returns a model and draws its batches from a generator of its own with that seed:
    from PyTorch's global one, models of different size would see different batches. `eval_fn(model)` returns
    the score. Returns one row {"name", "config", "score"} per config, in order.
    """
    rows = []
    for name, config in configs.items():
        torch.manual_seed(seed)  # first weights and dropout
        model = train_fn(config, seed)
        torch.manual_seed(seed)  # the same evaluation, however much training drew
        rows.append({"name": name, "config": config, "score": eval_fn(model)})
    return rows


def fit_power_law(x: list[float] | Tensor, y: list[float] | Tensor) -> tuple[float, float]:
    """The a and b of y ≈ a · x^b: a straight line through log x and log y by least squares.

    Raises:
        ValueError: a value that is not positive has no logarithm.
    """
    x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
    if (x <= 0).any() or (y <= 0).any():
        raise ValueError("a power law joins positive numbers only: leave out zeros and negative values")
    log_x, log_y = x.log(), y.log()
    dx = log_x - log_x.mean()
    b = (dx * log_y).sum() / dx.square().sum()
    a = (log_y.mean() - b * log_x.mean()).exp()
    return a.item(), b.item()
