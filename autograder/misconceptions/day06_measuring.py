"""Day 6 · Measuring and debugging: known wrong answers, then right ones, exercise by exercise."""

import math

import torch

from autograder.misconception import right, slip, wrong
from handmade.experiments import batch_floor
from handmade.training import train_step

# --- compute_perplexity ---------------------------------------------------------------------------------

PERPLEXITY = "day06.compute_perplexity"
EXP = "math.exp(total_loss / total_tokens)"
COUNT = "n_tokens = (targets != -1).sum().item()"

slip(
    PERPLEXITY,
    "exponential",
    "The perplexity is 2 to the loss: the loss is in nats, so it is e that is raised to it.",
    (EXP, "2 ** (total_loss / total_tokens)"),
)

slip(
    PERPLEXITY,
    "exponential",
    "The mean loss itself is returned: the perplexity is e to it.",
    (EXP, "total_loss / total_tokens"),
)

slip(
    PERPLEXITY,
    "tokens",
    "It is the mean of the batches' means: a short last batch then counts as much as a full one.",
    (COUNT, "n_tokens = 1"),
)

slip(
    PERPLEXITY,
    "tokens",
    "Batches are weighted by their rows: rows of unlike length hold unlike numbers of tokens.",
    (COUNT, "n_tokens = len(targets)"),
)

slip(
    PERPLEXITY,
    "tokens",
    "The losses of all batches are added up and not divided again: more batches, higher perplexity.",
    (COUNT, "n_tokens = 1"),
    (EXP, "math.exp(total_loss)"),
)

slip(
    PERPLEXITY,
    "tokens",
    "It is the mean of the batches' perplexities: the exponential comes last, after the mean over all tokens.",
    (COUNT, "n_tokens = 1"),
    ("loss.item() * n_tokens", "math.exp(loss.item())"),
    (EXP, "total_loss / total_tokens"),
)

slip(
    PERPLEXITY,
    "tokens",
    "Only the last batch counts: its loss overwrites those before it.",
    ("total_loss += ", "total_loss = "),
    ("total_tokens += ", "total_tokens = "),
)

slip(
    PERPLEXITY,
    "left_out",
    "Targets of -1 are counted as tokens, although the loss leaves them out.",
    (COUNT, "n_tokens = targets.numel()"),
)

slip(
    PERPLEXITY,
    "evaluating",
    "The model is not put into eval mode: dropout is on, and each measurement gives another number.",
    ("    model.eval()\n", ""),
)

slip(
    PERPLEXITY,
    "evaluating",
    "model.train() is called before measuring: it should be model.eval().",
    ("model.eval()", "model.train()"),
)

slip(
    PERPLEXITY,
    "restored",
    "The model is left in eval mode: the rest of the training would run without dropout.",
    ("    model.train(was_training)\n", ""),
)

slip(
    PERPLEXITY,
    "restored",
    "The model is always put into training mode at the end, also when it came in eval mode.",
    ("model.train(was_training)", "model.train()"),
)

slip(
    PERPLEXITY,
    "gradients",
    "torch.no_grad() is missing: every operation is recorded for a backward pass that never comes.",
    ("with torch.no_grad():", "if True:"),
)


@wrong("day06.compute_perplexity", fails="all_of_it")
def compute_perplexity(model, loader):
    """Only the first two batches are measured."""
    was_training = model.training
    model.eval()
    total, tokens = 0.0, 0
    with torch.no_grad():
        for number, (idx, targets) in enumerate(loader):
            if number == 2:
                break
            n = (targets != -1).sum().item()
            total, tokens = total + model(idx, targets)[1].item() * n, tokens + n
    model.train(was_training)
    return math.exp(total / tokens)


@right("day06.compute_perplexity")
def compute_perplexity(model, loader):
    """From the logits, one loss for each token."""
    mode = model.training
    model.train(False)
    nats = []
    with torch.inference_mode():
        for idx, targets in loader:
            logits, _ = model(idx, targets)
            kept = targets >= 0
            log_probs = logits[kept].log_softmax(-1)
            nats.append(-log_probs[torch.arange(len(log_probs)), targets[kept]])
    model.train(mode)
    return torch.cat(nats).double().mean().exp().item()


@right("day06.compute_perplexity")
@torch.no_grad()
def compute_perplexity(model, loader):
    """A decorator, and a list of pairs."""
    came_training = model.training
    try:
        model.eval()
        pairs = [(float(model(x, y)[1]), int((y != -1).sum())) for x, y in loader]
    finally:
        if came_training:
            model.train()
    return math.exp(sum(loss * n for loss, n in pairs) / sum(n for _, n in pairs))


@right("day06.compute_perplexity")
def compute_perplexity(model, loader):
    """A running mean, and gradients switched off by hand."""
    mode, mean, n = model.training, 0.0, 0
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    model.eval()
    for idx, targets in loader:
        new = int((targets != -1).sum())
        n += new
        mean += (model(idx, targets)[1].item() - mean) * new / n
    model.train(mode)
    torch.set_grad_enabled(before)
    return torch.tensor(mean, dtype=torch.float64).exp().item()


# --- overfit_one_batch ----------------------------------------------------------------------------------

OVERFIT = "day06.overfit_one_batch"
STEP = "loss, _ = train_step(model, batch, optimizer, max_norm=1.0)"
FLOOR = "floor = batch_floor(*batch)"
PASSED = "losses[-1] - floor < 0.02"

slip(
    OVERFIT,
    "losses",
    "The losses are taken after each step: asked for is the loss before it, which the step computes anyway.",
    (STEP, "train_step(model, batch, optimizer, max_norm=1.0); loss = model(*batch)[1]"),
)

slip(
    OVERFIT,
    ("losses", "rate"),
    "There is one step too many: range(steps + 1).",
    ("range(steps)", "range(steps + 1)"),
)

slip(
    OVERFIT,
    ("learned", "rate"),
    "A copy of the model is trained, and the model that was handed over has learned nothing.",
    (
        "    optimizer = torch",
        "    import copy\n    came, model = model, copy.deepcopy(model)\n    optimizer = torch",
    ),
    ("model.train(was_training)", "came.train(was_training)"),
)

slip(
    OVERFIT,
    "learned",
    "Training stops as soon as the loss is within half a nat of the floor, and the last loss is repeated.",
    (
        STEP,
        "loss = model(*batch)[1]\n        if loss.item() - batch_floor(*batch) > 0.5:\n            " + STEP,
    ),
)

slip(
    OVERFIT,
    "floor",
    "The floor is said to be 0: where rows begin alike and go on differently it is higher.",
    (FLOOR, "floor = 0.0"),
)

slip(
    OVERFIT,
    "floor",
    "The floor is the entropy of the targets: what comes before each of them is not looked at.",
    (FLOOR, "floor = batch_floor(0 * batch[1].reshape(-1, 1), batch[1].reshape(-1, 1))"),
)


@wrong("day06.overfit_one_batch", fails="floor")
def overfit_one_batch(model, batch, steps=300, lr=1e-3):
    """The floor is that of pairs: only the token before is looked at, and not all that came before."""
    mode = model.training
    model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = [train_step(model, batch, optimizer, 1.0)[0].item() for _ in range(steps)]
    model.train(mode)
    floor = batch_floor(batch[0].reshape(-1, 1), batch[1].reshape(-1, 1))
    return {"losses": losses, "floor": floor, "passed": losses[-1] - floor < 0.02}


slip(
    OVERFIT,
    "verdict",
    "`passed` asks for a loss below 0.02, whatever the floor is: on most batches no model can get there.",
    (PASSED, "losses[-1] < 0.02"),
)

slip(
    OVERFIT,
    "verdict",
    "`passed` asks whether the loss has fallen by half: that says nothing about the floor.",
    (PASSED, "losses[-1] < losses[0] / 2"),
)

slip(
    OVERFIT,
    "verdict",
    "`passed` is always True.",
    (PASSED, "True"),
)

slip(
    OVERFIT,
    "verdict",
    "`passed` is turned round: it is True where the loss is still far from the floor.",
    (PASSED, "losses[-1] - floor >= 0.02"),
)

slip(
    OVERFIT,
    "verdict",
    "`passed` allows 0.2 above the floor; it should be 0.02.",
    (PASSED, "losses[-1] - floor < 0.2"),
)

slip(
    OVERFIT,
    "evaluating",
    "The model is not put into eval mode: with dropout on, no model learns a batch by heart.",
    ("    model.eval()\n", ""),
)

slip(
    OVERFIT,
    "restored",
    "The model is not put back into the mode in which it came.",
    ("    model.train(was_training)\n", ""),
)

slip(
    OVERFIT,
    "restored",
    "The model always leaves in training mode, however it came.",
    ("model.train(was_training)", "model.train()"),
)

slip(
    OVERFIT,
    "rate",
    "The learning rate of the first step is not the one asked for: it is warmed up, and only then lr.",
    (
        "for _ in range(steps):\n",
        "for _ in range(steps):\n        optimizer.param_groups[0]['lr'] = lr * min(1, (len(losses) + 1) / 3)\n",
    ),
)

slip(
    OVERFIT,
    ("learned", "rate"),
    "The learning rate is a constant: lr is not used.",
    ("lr=lr", "lr=1e-3"),
)

slip(
    OVERFIT,
    ("learned", "rate"),
    "The optimizer is plain SGD; AdamW was asked for.",
    ("torch.optim.AdamW", "torch.optim.SGD"),
)

slip(
    OVERFIT,
    "step_by_step",
    "The gradient is not clipped to a norm of 1.",
    ("max_norm=1.0", "max_norm=float('inf')"),
)

slip(
    OVERFIT,
    ("learned", "step_by_step"),
    "The gradients of earlier steps are never cleared: each step follows the sum of all of them.",
    (
        STEP,
        "_, loss = model(*batch)\n        loss.backward()\n"
        "        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n        optimizer.step()",
    ),
)

slip(
    OVERFIT,
    ("learned", "step_by_step"),
    "A new optimizer is made for each step: AdamW then forgets what it has learned about the gradients.",
    (STEP, "optimizer = torch.optim.AdamW(model.parameters(), lr=lr)\n        " + STEP),
)


@right("day06.overfit_one_batch")
def overfit_one_batch(model, batch, steps=300, lr=1e-3):
    """The step written out."""
    mode = model.training
    model.eval()
    idx, targets = batch
    optimizer, losses = torch.optim.AdamW(list(model.parameters()), lr), []
    while len(losses) < steps:
        model.zero_grad()
        _, loss = model(idx, targets)
        losses.append(float(loss.detach()))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    if mode:
        model.train()
    lowest = batch_floor(idx, targets)
    return {"passed": bool(losses[-1] < lowest + 0.02), "floor": lowest, "losses": losses}


@right("day06.overfit_one_batch")
def overfit_one_batch(model, batch, steps=300, lr=1e-3):
    """A comprehension, the floor first, and the mode set back part by part."""
    result = {"floor": batch_floor(*batch)}
    modes = [(module, module.training) for module in model.modules()]
    model.train(False)
    adam = torch.optim.AdamW(model.parameters(), lr=lr)
    result["losses"] = [train_step(model, batch, adam, 1.0)[0].item() for _ in range(steps)]
    for module, training in modes:
        module.training = training
    return result | {"passed": result["losses"][-1] < result["floor"] + 0.02}


@right("day06.overfit_one_batch")
def overfit_one_batch(model, batch, steps=300, lr=1e-3):
    """The floor counted again, with sorted prefixes."""
    idx, targets = batch
    seen = {}
    for row, wanted in zip(idx.tolist(), targets.tolist(), strict=True):
        for t, target in enumerate(wanted):
            if target >= 0:
                seen.setdefault(str(row[: t + 1]), []).append(target)
    costs = [-math.log(each.count(target) / len(each)) for each in seen.values() for target in each]
    floor, mode = sum(costs) / len(costs), model.training
    model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = torch.stack([train_step(model, batch, optimizer, 1.0)[0] for _ in range(steps)]).tolist()
    model.train(mode)
    return {"losses": losses, "floor": floor, "passed": losses[-1] - floor < 0.02}


# --- run_ablation ---------------------------------------------------------------------------------------

ABLATION = "day06.run_ablation"
START = "torch.manual_seed(seed)  # first weights and dropout"
SCORING = "torch.manual_seed(seed)  # the same evaluation, however much training drew"

slip(
    ABLATION,
    "rows",
    "Each row is put before the others: they should stand in the order of the configs.",
    ("rows.append(", "rows.insert(0, "),
)

slip(
    ABLATION,
    "rows",
    "A row's config is missing: name, config and score are asked for.",
    ('"config": config, ', ""),
)

slip(
    ABLATION,
    "rows",
    "A row's name is its number: it should be the name that configs gives it.",
    ('"name": name', '"name": len(rows)'),
)

slip(
    ABLATION,
    "rows",
    "Only the best config has a row: there should be one for each.",
    ("return rows", 'return [min(rows, key=lambda row: row["score"])]'),
)


@wrong("day06.run_ablation", fails="own")
def run_ablation(configs, train_fn, eval_fn, seed=0):
    """All models are trained first, and then the last one is scored again and again."""
    for config in configs.values():
        torch.manual_seed(seed)
        model = train_fn(config, seed)
    rows = []
    for name, config in configs.items():
        torch.manual_seed(seed)
        rows.append({"name": name, "config": config, "score": eval_fn(model)})
    return rows


slip(
    ABLATION,
    "own",
    "Only the first model is scored, and all rows have its score.",
    ("eval_fn(model)}", 'rows[0]["score"] if rows else eval_fn(model)}'),
)

slip(
    ABLATION,
    "once",
    "Each config is trained twice.",
    (
        "        model = train_fn(config, seed)\n",
        "        train_fn(config, seed)\n        " + START + "\n        model = train_fn(config, seed)\n",
    ),
)

slip(
    ABLATION,
    "once",
    "The configs are trained in another order than the one given.",
    ("configs.items()", "reversed(configs.items())"),
    ("return rows", "return rows[::-1]"),
)

slip(
    ABLATION,
    "seed",
    "Each config gets another seed: its data come in another order, and that is one more difference.",
    ("train_fn(config, seed)", "train_fn(config, seed + len(rows))"),
)

slip(
    ABLATION,
    "seed",
    "train_fn is always given seed 0, whatever was asked for.",
    ("train_fn(config, seed)", "train_fn(config, 0)"),
)

slip(
    ABLATION,
    ("seed", "start", "scoring"),
    "The seed is a constant, 42: the argument is not used.",
    ("(seed)", "(42)"),
    ("(config, seed)", "(config, 42)"),
)

slip(
    ABLATION,
    "start",
    "The generator is not set before training: each config begins where the one before it has left off.",
    (START, "pass"),
)

slip(
    ABLATION,
    "start",
    "The generator is set once, before the loop: only the first config begins training from the seed.",
    ("    rows = []\n", "    rows = []\n    torch.manual_seed(seed)\n"),
    ("        " + START + "\n", ""),
)

slip(
    ABLATION,
    "scoring",
    "The generator is not set again before scoring: it depends on how many numbers training drew.",
    (SCORING, "pass"),
)

slip(
    ABLATION,
    "scoring",
    "The generator is set before scoring to another seed for each config.",
    (SCORING, "torch.manual_seed(seed + len(rows))"),
)

slip(
    ABLATION,
    "all_of_it",
    "The default seed is not 0.",
    ("seed: int = 0", "seed: int = 1"),
)


@right("day06.run_ablation")
def run_ablation(configs, train_fn, eval_fn, seed=0):
    """A function inside, and a comprehension."""

    def fresh(function, *arguments):
        torch.manual_seed(seed)
        return function(*arguments)

    return [
        {"name": name, "config": config, "score": fresh(eval_fn, fresh(train_fn, config, seed))}
        for name, config in configs.items()
    ]


@right("day06.run_ablation")
def run_ablation(configs, train_fn, eval_fn, seed=0):
    """All models first, then all scores."""
    models = {}
    for name in configs:
        torch.manual_seed(seed)
        models[name] = train_fn(configs[name], seed)
    rows = []
    for name, model in models.items():
        torch.manual_seed(seed)
        score = eval_fn(model)
        rows.append({"score": score, "name": name, "config": configs[name]})
    return rows


@right("day06.run_ablation")
def run_ablation(configs, train_fn, eval_fn, seed=0):
    """The generator's state, taken once and put back."""
    torch.manual_seed(seed)
    state = torch.get_rng_state()
    rows = [{"name": name, "config": config} for name, config in configs.items()]
    for row in rows:
        torch.set_rng_state(state)
        model = train_fn(row["config"], seed)
        torch.set_rng_state(state)
        row["score"] = eval_fn(model)
    return rows


# --- fit_power_law --------------------------------------------------------------------------------------

LAW = "day06.fit_power_law"
A = "a = (log_y.mean() - b * log_x.mean()).exp()"

slip(
    LAW,
    ("exponent", "factor"),
    "x is not in logarithms: that fits an exponential, a straight line in log y against x itself.",
    ("x.log(), y.log()", "x, y.log()"),
)

slip(
    LAW,
    ("exponent", "factor"),
    "x and y have changed places: b is then about one over the exponent.",
    ("x.log(), y.log()", "y.log(), x.log()"),
)

slip(
    LAW,
    "exponent",
    "b has the wrong sign: it is negative where y falls.",
    ("return a.item(), b.item()", "return a.item(), -b.item()"),
)

slip(
    LAW,
    "factor",
    "ln a is returned in place of a: the exponential is missing.",
    (A, "a = log_y.mean() - b * log_x.mean()"),
)

slip(
    LAW,
    "factor",
    "a is the geometric mean of y: what b contributes to it, b times the mean of log x, has to come off.",
    (A, "a = log_y.mean().exp()"),
)

slip(
    LAW,
    "refuses",
    "Zero and negative values are not refused: their logarithms are -inf and nan.",
    ("(x <= 0).any() or (y <= 0).any()", "False"),
)

slip(
    LAW,
    "refuses",
    "Only y is looked at: an x of 0 or less has no logarithm either.",
    ("(x <= 0).any() or (y <= 0).any()", "(y <= 0).any()"),
)

slip(
    LAW,
    "refuses",
    "Zero gets through: it has no logarithm, as little as negative numbers.",
    ("(x <= 0).any() or (y <= 0).any()", "(x < 0).any() or (y < 0).any()"),
)

slip(
    LAW,
    "refuses",
    "Values that have no logarithm are left out without a word: whoever called should hear of them.",
    (
        'raise ValueError("a power law joins positive numbers only: leave out zeros and negative values")',
        "x, y = x[(x > 0) & (y > 0)], y[(x > 0) & (y > 0)]",
    ),
)

slip(
    LAW,
    "kinds",
    "Lists are not taken: a list has no .log(). torch.as_tensor makes a tensor of either.",
    (
        "x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)",
        "x, y = x.double(), y.double()",
    ),
)


@wrong("day06.fit_power_law", fails="noisy")
def fit_power_law(x, y):
    """The line goes through the first and the last point: those between do not count."""
    x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
    if min(x.min(), y.min()) <= 0:
        raise ValueError("positive numbers only")
    b = (y[-1] / y[0]).log() / (x[-1] / x[0]).log()
    return (y[0] / x[0] ** b).item(), b.item()


@wrong("day06.fit_power_law", fails="noisy")
def fit_power_law(x, y):
    """The slopes from point to point are averaged: two points that lie close together then count too much."""
    x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
    if min(x.min(), y.min()) <= 0:
        raise ValueError("positive numbers only")
    order = x.argsort()
    b = (y.log()[order].diff() / x.log()[order].diff()).mean().item()
    return (y.log().mean() - b * x.log().mean()).exp().item(), b


@wrong("day06.fit_power_law", fails="noisy")
def fit_power_law(x, y):
    """The fit is in y itself and not in its logarithm: the largest values decide nearly alone."""
    x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
    if min(x.min(), y.min()) <= 0:
        raise ValueError("positive numbers only")
    log_x, log_y = x.log(), y.log()
    weights = y.square() / y.square().sum()  # what small steps in y weigh in logarithms
    dx = log_x - (weights * log_x).sum()
    b = (weights * dx * log_y).sum() / (weights * dx.square()).sum()
    return ((weights * (log_y - b * log_x)).sum()).exp().item(), b.item()


@right("day06.fit_power_law")
def fit_power_law(x, y):
    """PyTorch's own least squares."""
    x, y = torch.as_tensor(x).double(), torch.as_tensor(y).double()
    if not (x > 0).all() or not (y > 0).all():
        raise ValueError("no logarithm")
    columns = torch.stack([torch.ones_like(x), x.log()], dim=1)
    log_a, b = torch.linalg.lstsq(columns, y.log().unsqueeze(1)).solution.flatten()
    return float(log_a.exp()), float(b)


@right("day06.fit_power_law")
def fit_power_law(x, y):
    """Without tensors."""
    x, y = [float(n) for n in x], [float(n) for n in y]
    if min(x + y) <= 0:
        raise ValueError(f"{min(x + y)} is not positive")
    u, v = [math.log(n) for n in x], [math.log(n) for n in y]
    mean_u, mean_v = sum(u) / len(u), sum(v) / len(v)
    b = sum((p - mean_u) * (q - mean_v) for p, q in zip(u, v, strict=True)) / sum(
        (p - mean_u) ** 2 for p in u
    )
    return math.exp(mean_v - b * mean_u), b


@right("day06.fit_power_law")
def fit_power_law(x, y):
    """In powers of ten, from covariance and variance."""
    x, y = (torch.tensor(list(map(float, each)), dtype=torch.float64) for each in (x, y))
    for each in (x, y):
        if each.min() <= 0:
            raise ValueError("only positive numbers")
    points = torch.stack([x.log10(), y.log10()])
    covariance = torch.cov(points)
    b = covariance[0, 1] / covariance[0, 0]
    return 10 ** (points[1].mean() - b * points[0].mean()).item(), b.item()
