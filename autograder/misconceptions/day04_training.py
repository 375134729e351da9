"""Day 4 · How training works: known wrong answers, then right ones, exercise by exercise."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from autograder.misconception import right, wrong

# --- compute_loss ---------------------------------------------------------------------------------------


@wrong("day04.compute_loss", fails="surprise")
def compute_loss(logits, targets):
    """The logits go through softmax first: cross_entropy does that itself, so here it happens twice."""
    return F.cross_entropy(logits.softmax(-1).flatten(0, 1), targets.flatten(), ignore_index=-1)


@wrong("day04.compute_loss", fails="surprise")
def compute_loss(logits, targets):
    """The loss is in bits (logarithms to base 2): it must be in nats, with the natural logarithm."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1) / math.log(2)


@wrong("day04.compute_loss", fails="surprise")
def compute_loss(logits, targets):
    """What is returned is the perplexity, the exponential of the loss."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1).double().exp()


@wrong("day04.compute_loss", fails="mean")
def compute_loss(logits, targets):
    """The losses of all positions are added up: their mean is asked for, so that batches of any size compare."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")


@wrong("day04.compute_loss", fails="mean")
def compute_loss(logits, targets):
    """The sum is divided by the number of sequences and not by the number of positions."""
    total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")
    return total / len(targets)


@wrong("day04.compute_loss", fails="every")
def compute_loss(logits, targets):
    """Only the last position of each sequence counts: every position has a next token, and learns from it."""
    return F.cross_entropy(logits[:, -1], targets[:, -1], ignore_index=-1)


@wrong("day04.compute_loss", fails="every")
def compute_loss(logits, targets):
    """Only the last sequence of the batch counts: all of them must."""
    return F.cross_entropy(logits[-1], targets[-1], ignore_index=-1)


@wrong("day04.compute_loss", fails=("surprise", "every", "aligned", "ignored"))
def compute_loss(logits, targets):
    """Inputs and targets are shifted once more: the targets already are one token later."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten(), ignore_index=-1)


@wrong("day04.compute_loss", fails="aligned")
def compute_loss(logits, targets):
    """The targets are transposed before they are flattened, so positions meet the targets of others."""
    return F.cross_entropy(logits.flatten(0, 1), targets.T.flatten(), ignore_index=-1)


@wrong("day04.compute_loss", fails="ignored")
def compute_loss(logits, targets):
    """Targets of -1 are not left out: cross_entropy is told so by ignore_index=-1."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@wrong("day04.compute_loss", fails="ignored")
def compute_loss(logits, targets):
    """Targets of -1 are left out of the sum, but still counted in the number that it is divided by."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="none").mean()


@wrong("day04.compute_loss", fails="extremes")
def compute_loss(logits, targets):
    """The logarithm is taken of a finished softmax: a probability that was rounded to 0 gives infinity."""
    probs = torch.softmax(logits.flatten(0, 1), dim=-1)
    targets = targets.flatten()
    kept = targets != -1
    return -torch.log(probs[kept].gather(1, targets[kept].unsqueeze(1))).mean()


@wrong("day04.compute_loss", fails="strides")
def compute_loss(logits, targets):
    """`view` only works where the tensor lies in memory row by row: `flatten` and `reshape` always do."""
    B, T, V = logits.shape
    return F.cross_entropy(logits.view(B * T, V), targets.view(B * T), ignore_index=-1)


@wrong("day04.compute_loss", fails="gradient")
def compute_loss(logits, targets):
    """The loss is cut off from the logits (detach, .item() or no_grad), so there is nothing to learn from."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1).detach()


@wrong("day04.compute_loss", fails="pytorch")
def compute_loss(logits, targets):
    """It is a mean of means, sequence by sequence: a sequence with few targets left weighs too much."""
    losses = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-1, reduction="none")  # (B, T)
    return (losses.sum(1) / (targets != -1).sum(1).clamp(min=1)).mean()


@right("day04.compute_loss")
def compute_loss(logits, targets):
    """reshape, with the sizes spelled out."""
    B, T, V = logits.shape
    return F.cross_entropy(logits.reshape(B * T, V), targets.reshape(B * T), ignore_index=-1)


@right("day04.compute_loss")
def compute_loss(logits, targets):
    """The classes moved to the second place, where cross_entropy looks for them."""
    return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-1)


@right("day04.compute_loss")
def compute_loss(logits, targets):
    """By hand, from log_softmax and gather."""
    counted = targets != -1
    log_probs = torch.log_softmax(logits, dim=-1)
    picked = log_probs.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)  # (B, T)
    return -(picked * counted).sum() / counted.sum()


@right("day04.compute_loss")
def compute_loss(logits, targets):
    """The module, on what a bool mask leaves, in float64."""
    kept = targets >= 0
    return nn.CrossEntropyLoss()(logits[kept].double(), targets[kept])


# --- train_step -----------------------------------------------------------------------------------------


@wrong("day04.train_step", fails="fresh")
def train_step(model, batch, optimizer, max_norm):
    """zero_grad is missing: the gradients of all earlier batches pile up, and each step follows their sum."""
    idx, targets = batch
    _, loss = model(idx, targets)
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails="clipped")
def train_step(model, batch, optimizer, max_norm):
    """The gradients are clipped after the step, when the optimizer has already used them."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails=("clipped", "norm"))
def train_step(model, batch, optimizer, max_norm):
    """The gradients are clipped before backward has made them: there is nothing yet to clip or to measure."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    loss.backward()
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails="clipped")
def train_step(model, batch, optimizer, max_norm):
    """Each parameter is clipped by itself, which turns the step: all gradients together are one vector."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    norms = [nn.utils.clip_grad_norm_([p], max_norm) for p in model.parameters()]
    optimizer.step()
    return loss.detach(), torch.stack(norms).norm()


@wrong("day04.train_step", fails="clipped")
def train_step(model, batch, optimizer, max_norm):
    """Each number of the gradient is cut off at max_norm (clip_grad_value_): it is the length that is meant."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    grad_norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    nn.utils.clip_grad_value_(model.parameters(), max_norm)
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails="clipped")
def train_step(model, batch, optimizer, max_norm):
    """The gradients are clipped to 1, whatever max_norm says."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0 if max_norm < 5 else max_norm)
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails="step")
def train_step(model, batch, optimizer, max_norm):
    """The gradients are always scaled to max_norm: shorter ones must stay as they are."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    grad_norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    for p in model.parameters():
        p.grad *= max_norm / grad_norm
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails=("step", "fresh", "clipped", "optimizer"))
def train_step(model, batch, optimizer, max_norm):
    """The weights do not move: optimizer.step() is missing, or zero_grad stands between backward and it."""
    idx, targets = batch
    _, loss = model(idx, targets)
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.zero_grad()
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails=("step", "fresh", "clipped", "optimizer"))
def train_step(model, batch, optimizer, max_norm):
    """The step comes before backward, so each batch is answered with the gradient of the one before it."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails=("step", "norm"))
def train_step(model, batch, optimizer, max_norm):
    """backward runs twice for one step, so every gradient is counted twice."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward(retain_graph=True)
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails="norm")
def train_step(model, batch, optimizer, max_norm):
    """The norm is measured after clipping: it can never be larger than max_norm, and tells nothing."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    grad_norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails="norm")
def train_step(model, batch, optimizer, max_norm):
    """The norms of the parameters are added up: the norm of one long vector is the root of their squares' sum."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    grad_norm = torch.stack([p.grad.norm() for p in model.parameters()]).sum()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails="loss")
def train_step(model, batch, optimizer, max_norm):
    """The loss is computed again after the move: a second pass through the model, for a number nobody trained on."""
    idx, targets = batch
    optimizer.zero_grad()
    model(idx, targets)[1].backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return model(idx, targets)[1].detach(), grad_norm


@wrong("day04.train_step", fails="optimizer")
def train_step(model, batch, optimizer, max_norm):
    """The weights are moved by hand, w - lr * gradient: that is SGD, whatever the optimizer is."""
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    with torch.no_grad():
        for p in model.parameters():
            p -= optimizer.param_groups[0]["lr"] * p.grad
    return loss.detach(), grad_norm


@wrong("day04.train_step", fails="written_out")
def train_step(model, batch, optimizer, max_norm):
    """The loss is computed anew, and targets of -1 count as the last token: the model returns the right one."""
    idx, targets = batch
    logits, _ = model(idx, targets)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten() % logits.shape[-1])
    optimizer.zero_grad()
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.detach(), grad_norm


@right("day04.train_step")
def train_step(model, batch, optimizer, max_norm):
    """From the logits, with the day's own loss; the gradients are cleared first, and two floats come back."""
    optimizer.zero_grad(set_to_none=False)
    logits = model(batch[0])[0]
    loss = compute_loss(logits, batch[1])
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(list(model.parameters()), max_norm=max_norm)
    optimizer.step()
    return loss.item(), norm.item()


@right("day04.train_step")
def train_step(model, batch, optimizer, max_norm):
    """Clipping by hand."""
    idx, targets = batch
    _, loss = model(idx, targets)
    model.zero_grad()
    loss.backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    norm = sum(g.pow(2).sum() for g in grads).sqrt()
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    optimizer.step()
    return loss.detach(), norm


@right("day04.train_step")
def train_step(model, batch, optimizer, max_norm):
    """Gradients from autograd.grad, written over the old ones."""
    idx, targets = batch
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    _, loss = model(idx, targets)
    grads = torch.autograd.grad(loss, parameters)
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads]))
    for p, g in zip(parameters, grads, strict=True):
        p.grad = g * torch.clamp(max_norm / norm, max=1.0)
    optimizer.step()
    return loss, norm


@right("day04.train_step")
def train_step(model, batch, optimizer, max_norm):
    """Cleared at the end, ready for the next batch."""
    _, loss = model(*batch)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach().clone(), norm


# --- warmup_cosine --------------------------------------------------------------------------------------


@wrong("day04.warmup_cosine", fails="after")
def warmup_cosine(step, warmup_steps, total_steps):
    """Nothing stops it at the end: after total_steps the cosine climbs again, back to 1."""
    if step < warmup_steps:
        return step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


@wrong("day04.warmup_cosine", fails="after")
def warmup_cosine(step, warmup_steps, total_steps):
    """After the end it goes back to 1: it must stay 0."""
    if step < warmup_steps:
        return step / warmup_steps
    if step > total_steps:
        return 1.0
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


@wrong("day04.warmup_cosine", fails="warmup")
def warmup_cosine(step, warmup_steps, total_steps):
    """The warm-up counts from 1: at step 0 it must be 0, and 1 at step warmup_steps, not one step before."""
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


@wrong("day04.warmup_cosine", fails="warmup")
def warmup_cosine(step, warmup_steps, total_steps):
    """The warm-up is divided with //, which rounds down to 0 until it is over."""
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return float(step // warmup_steps)
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


@wrong("day04.warmup_cosine", fails=("warmup", "cosine"))
def warmup_cosine(step, warmup_steps, total_steps):
    """Warm-up and cosine are multiplied: the cosine begins when the warm-up is over."""
    if step >= total_steps:
        return 0.0
    rise = min(1.0, step / warmup_steps) if warmup_steps else 1.0
    return rise * 0.5 * (1.0 + math.cos(math.pi * step / total_steps))


@wrong("day04.warmup_cosine", fails="cosine")
def warmup_cosine(step, warmup_steps, total_steps):
    """The cosine is counted from step 0 and not from the end of the warm-up: there it jumps."""
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return 0.5 * (1.0 + math.cos(math.pi * step / total_steps))


@wrong("day04.warmup_cosine", fails="cosine")
def warmup_cosine(step, warmup_steps, total_steps):
    """The way down is a straight line: half a cosine is asked for."""
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return 1.0 - (step - warmup_steps) / (total_steps - warmup_steps)


@wrong("day04.warmup_cosine", fails="cosine")
def warmup_cosine(step, warmup_steps, total_steps):
    """The cosine itself is returned, which falls to -1: halve it and lift it, 0.5 * (1 + cos)."""
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps))


@wrong("day04.warmup_cosine", fails="cosine")
def warmup_cosine(step, warmup_steps, total_steps):
    """It is a whole cosine, down and up again (2π): half of one, π, ends at 0."""
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(2 * math.pi * progress))


@wrong("day04.warmup_cosine", fails="without")
def warmup_cosine(step, warmup_steps, total_steps):
    """Without a warm-up it divides by 0: what is below warmup_steps has to be asked before dividing by it."""
    if step >= total_steps:
        return 0.0
    rise = step / warmup_steps
    if rise < 1:
        return rise
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


@right("day04.warmup_cosine")
def warmup_cosine(step, warmup_steps, total_steps):
    """Progress cut off at 1, and the square of a cosine."""
    if step < warmup_steps:
        return step / max(1, warmup_steps)
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return math.cos(0.5 * math.pi * progress) ** 2


@right("day04.warmup_cosine")
def warmup_cosine(step, warmup_steps, total_steps):
    """The warm-up includes its last step, at which both forms are 1."""
    if warmup_steps > 0 and step <= warmup_steps:
        return step / warmup_steps
    if step >= total_steps:
        return 0
    return (1 + math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps))) / 2


@right("day04.warmup_cosine")
def warmup_cosine(step, warmup_steps, total_steps):
    """With tensors, and back to a float."""
    down = torch.tensor((step - warmup_steps) / (total_steps - warmup_steps)).clamp(0, 1)
    up = step / warmup_steps if step < warmup_steps else 1.0
    return up * (0.5 * (1 + torch.cos(math.pi * down))).item()


@right("day04.warmup_cosine")
def warmup_cosine(step, warmup_steps, total_steps):
    """By a sine, from the end backwards."""
    if not warmup_steps <= step < total_steps:
        return step / warmup_steps if step < warmup_steps else 0.0
    left = (total_steps - step) / (total_steps - warmup_steps)
    return math.sin(0.5 * math.pi * left) ** 2
