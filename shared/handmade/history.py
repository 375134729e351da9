"""Reading a run (day 21): which checkpoint to keep, when to stop, and what went wrong.

A history is what `handmade.training.train` returns: rows in the order of their steps. The rows of an
evaluation have {"step", "train_loss", "val_loss"}; the others do not matter here.
"""

import math


def best_checkpoint(history: list[dict]) -> int | None:
    """The step with the lowest validation loss, the earliest of equals; None if no evaluation gave a number."""
    evaluations = [row for row in history if math.isfinite(row.get("val_loss", math.nan))]
    if not evaluations:
        return None
    return min(evaluations, key=lambda row: row["val_loss"])["step"]  # min keeps the first of equals


class EarlyStopping:
    """Says when to stop: after `patience` evaluations in a row that were no better.

    Better is lower than the best so far by more than `min_delta`; NaN is never better.
    """

    def __init__(self, patience: int, min_delta: float = 0.0):
        self.patience = patience
        self.min_delta = min_delta
        self.best = math.inf
        self.waited = 0  # evaluations since the best

    def update(self, val_loss: float) -> bool:
        """Take one evaluation. True: stop now."""
        if val_loss < self.best - self.min_delta:
            self.best = val_loss
            self.waited = 0
        else:
            self.waited += 1
        return self.waited >= self.patience


def diagnose_run(history: list[dict]) -> str:
    """One word for a run, from its losses in nats. The first of these that fits:

    - diverged: a loss is no number, or training ended 0.5 above its own best;
    - broken-data: validation is easier than training by 0.2, or both are under 0.1. No text is that kind: look
      for targets that the model can see, or validation text that is in the training text;
    - overfit: validation ended 0.05 above its best, and training kept falling;
    - plateau: the second half of the run gained less than 0.01;
    - underfit: the last quarter of the run still gained a tenth of all that was gained. Train longer;
    - healthy.

    Raises:
        ValueError: fewer than two evaluations.
    """
    evaluations = [row for row in history if "val_loss" in row]
    train = [row["train_loss"] for row in evaluations]
    val = [row["val_loss"] for row in evaluations]
    n = len(evaluations)
    if n < 2:
        raise ValueError(f"A run with {n} evaluations has no shape yet: evaluate at least twice.")

    if not all(map(math.isfinite, train + val)) or train[-1] > min(train) + 0.5:
        return "diverged"
    if val[-1] < train[-1] - 0.2 or max(train[-1], val[-1]) < 0.1:
        return "broken-data"
    best = val.index(min(val))
    if val[-1] > val[best] + 0.05 and train[-1] < train[best]:
        return "overfit"
    if min(val[: (n + 1) // 2]) - min(val) < 0.01:
        return "plateau"
    if val[-1 - max(1, n // 4)] - val[-1] > 0.1 * (val[0] - val[-1]):
        return "underfit"
    return "healthy"
