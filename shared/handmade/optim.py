"""Optimizers and learning-rate schedules (days 4, 18 and 19)."""

import copy
import math
from collections.abc import Callable

import torch
import torch.nn as nn
from torch import Tensor

from handmade.data import get_batch

# --- Day 4: a first schedule --------------------------------------------------------------------------


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """What to multiply the learning rate by at `step`: 0 up to 1 in a line, then down to 0 along half a cosine.

    It is 0 at step 0, 1 at step `warmup_steps` and 0 at step `total_steps`, where it stays; a bare cosine would
    climb again. Without a warm-up (0 steps) it begins at 1. Loshchilov and Hutter, SGDR (2017).
    """
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)  # 0 to 1
    return 0.5 * (1.0 + math.cos(math.pi * progress))


# --- Day 18: the learning rate ------------------------------------------------------------------------


def get_lr(step: int, warmup_steps: int, max_lr: float, max_steps: int, min_lr: float) -> float:
    """The learning rate of one step: warm-up to `max_lr`, half a cosine down to `min_lr`, then `min_lr`.

    Steps count from 0. The first step already moves (a rate of 0 would waste its batch); step
    `warmup_steps` is the first at `max_lr`, step `max_steps` the first at `min_lr`.
    """
    if step >= max_steps:
        return min_lr
    if step < warmup_steps:
        return max_lr * (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / (max_steps - warmup_steps)  # 0 to 1
    return min_lr + 0.5 * (1.0 + math.cos(math.pi * progress)) * (max_lr - min_lr)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use `lr` from the next step on, in every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def lr_range_test(
    make_model: Callable[[], nn.Module],
    ids: Tensor,
    min_lr: float = 1e-5,
    max_lr: float = 1.0,
    steps: int = 100,
    batch_size: int = 12,
    seed: int = 0,
) -> tuple[list[float], list[float]]:
    """Train a throw-away model while the learning rate grows from step to step by the same factor.

    Returns the rates and the loss at each, as far as it went: it ends where the loss has grown past four
    times its best, or is no number. A good rate lies a few times below the one where the loss turns up.
    Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).
    """
    model = copy.deepcopy(make_model()).train()  # a copy, in case make_model returns one that is in use
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    optimizer = configure_optimizer(model, lr=min_lr, weight_decay=0.0, betas=(0.9, 0.99))
    rates, losses = [], []
    for step in range(steps):
        lr = min_lr * (max_lr / min_lr) ** (step / max(1, steps - 1))
        set_lr(optimizer, lr)
        x, y = get_batch(ids, batch_size, model.config.block_size, device, generator)
        _, loss = model(x, y)
        if not loss.item() <= 4 * min(losses, default=math.inf):  # NaN is not <= anything
            break
        rates.append(lr)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return rates, losses


# --- Day 19: AdamW ------------------------------------------------------------------------------------


class AdamW(torch.optim.Optimizer):
    """Adam with decoupled weight decay. Kingma and Ba (2015); Loshchilov and Hutter (2019).

    Every weight moves against the running mean of its gradient, divided by the root of the running mean
    of the gradient's square: by about `lr` a step, however large its gradients are.
    """

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"] = 0  # of this parameter: it may have had no gradient in some steps
                    state["exp_avg"] = torch.zeros_like(p)
                    state["exp_avg_sq"] = torch.zeros_like(p)
                state["step"] += 1
                mean, mean_square = state["exp_avg"], state["exp_avg_sq"]
                mean.mul_(beta1).add_(p.grad, alpha=1 - beta1)
                mean_square.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                # Both began at 0 and are still too small; after `step` steps by exactly these factors.
                unbiased_mean = mean / (1 - beta1 ** state["step"])
                unbiased_mean_square = mean_square / (1 - beta2 ** state["step"])
                p.mul_(1 - group["lr"] * group["weight_decay"])  # not through the gradient, so not divided
                p.sub_(group["lr"] * unbiased_mean / (unbiased_mean_square.sqrt() + group["eps"]))


def configure_optimizer(
    model: nn.Module,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
    optimizer: Callable[..., torch.optim.Optimizer] = AdamW,
) -> torch.optim.Optimizer:
    """AdamW that decays the matrices (weights of linear layers, embeddings) and not biases and norms.

    `parameters()` lists a tied weight once, so it is updated once. `torch.optim.AdamW` as `optimizer` gives
    the same steps, faster.
    """
    params = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in params if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
    ]
    return optimizer(groups, lr=lr, betas=betas)
