"""Day 0a · Guess the next token: known wrong answers, then right ones, exercise by exercise."""

import math

import torch
import torch.nn.functional as F

from autograder.misconception import right, wrong

# --- softmax --------------------------------------------------------------------------------------------


@wrong("day00a.softmax", fails="extremes")
def softmax(logits):
    """The powers are taken of the scores as they are, and a large score overflows: take each row's largest away."""
    exps = torch.exp(logits)
    return exps / exps.sum(dim=-1, keepdim=True)


@wrong("day00a.softmax", fails="extremes")
def softmax(logits):
    """The largest score of the whole table is taken away: a row far below it becomes 0 / 0. Take each row's own."""
    exps = torch.exp(logits - logits.max())
    return exps / exps.sum(dim=-1, keepdim=True)


@wrong("day00a.softmax", fails="rows")
def softmax(logits):
    """The powers are divided by the largest of them, not by their sum."""
    exps = torch.exp(logits - logits.max(dim=-1, keepdim=True).values)
    return exps / exps.max(dim=-1, keepdim=True).values


@wrong("day00a.softmax", fails=("rows", "shapes"))
def softmax(logits):
    """The sum runs over the first axis, the batch (dim=0): each column sums to 1. It must be each row (dim=-1)."""
    exps = torch.exp(logits - logits.max(dim=0, keepdim=True).values)
    return exps / exps.sum(dim=0, keepdim=True)


@wrong("day00a.softmax", fails=("rows", "shapes"))
def softmax(logits):
    """The powers are divided by the sum of the whole table: only all rows together sum to 1."""
    exps = torch.exp(logits - logits.max(dim=-1, keepdim=True).values)
    return exps / exps.sum()


@wrong("day00a.softmax", fails="ratios")
def softmax(logits):
    """The powers are those of 2, not of e."""
    exps = 2 ** (logits - logits.max(dim=-1, keepdim=True).values)
    return exps / exps.sum(dim=-1, keepdim=True)


@wrong("day00a.softmax", fails=("ratios", "constant", "extremes"))
def softmax(logits):
    """Each score is squashed by itself (a sigmoid) and then divided by the sum, in place of a power of e."""
    squashed = torch.sigmoid(logits)
    return squashed / squashed.sum(dim=-1, keepdim=True)


@wrong("day00a.softmax", fails=("rows", "ratios", "constant", "extremes", "shapes", "unchanged"))
def softmax(logits):
    """The scores themselves are divided by their sum: a score below 0 makes a share below 0. Powers of e come first."""
    return logits / logits.sum(dim=-1, keepdim=True)


@wrong("day00a.softmax", fails="constant")
def softmax(logits):
    """The scores are clipped so that no power overflows, and scores beyond the limit become equal."""
    exps = torch.exp(logits.clamp(-20, 20))
    return exps / exps.sum(dim=-1, keepdim=True)


@wrong("day00a.softmax", fails="shapes")
def softmax(logits):
    """The axis is counted from the front (dim=1), which is the last one in a table only."""
    exps = torch.exp(logits - logits.max(dim=1, keepdim=True).values)
    return exps / exps.sum(dim=1, keepdim=True)


@wrong("day00a.softmax", fails="unchanged")
def softmax(logits):
    """The largest scores are taken away in place (-=): the caller's tensor changes."""
    logits -= logits.max(dim=-1, keepdim=True).values
    exps = torch.exp(logits)
    return exps / exps.sum(dim=-1, keepdim=True)


@wrong("day00a.softmax", fails="pytorch")
def softmax(logits):
    """Scores far below the largest are lifted to 10 below it, so that unlikely tokens get too much."""
    shifted = (logits - logits.max(dim=-1, keepdim=True).values).clamp(min=-10)
    return shifted.exp() / shifted.exp().sum(dim=-1, keepdim=True)


@right("day00a.softmax")
def softmax(logits):
    """PyTorch's own."""
    return torch.softmax(logits, -1)


@right("day00a.softmax")
def softmax(logits):
    """Through the logarithm of the sum."""
    return torch.exp(logits - torch.logsumexp(logits, dim=-1, keepdim=True))


@right("day00a.softmax")
def softmax(logits):
    """With the functions of the module, unsqueeze, and in float64."""
    x = logits.double()
    x = x - torch.amax(x, -1).unsqueeze(-1)
    powers = math.e**x
    return torch.div(powers, torch.sum(powers, -1).unsqueeze(-1))


@right("day00a.softmax")
def softmax(logits):
    """Row by row, in a loop, on plain numbers."""
    rows = []
    for row in logits.reshape(-1, logits.shape[-1]).tolist():
        largest = max(row)
        powers = [math.exp(x - largest) for x in row]
        rows.append([power / sum(powers) for power in powers])
    return torch.tensor(rows, dtype=logits.dtype).reshape(logits.shape)


# --- next_token_loss ------------------------------------------------------------------------------------


@wrong("day00a.next_token_loss", fails="target")
def next_token_loss(logits, targets):
    """The cost is that of the likeliest token, not of the target: what came plays no part."""
    return -torch.log_softmax(logits, dim=-1).max(dim=-1).values.mean()


@wrong("day00a.next_token_loss", fails=("target", "nats", "extremes"))
def next_token_loss(logits, targets):
    """The cost is 1 minus the share of the target: the logarithm is missing, and being sure and wrong costs only 1."""
    probs = torch.softmax(logits, dim=-1)
    return (1 - probs.gather(-1, targets.unsqueeze(-1))).mean()


@wrong("day00a.next_token_loss", fails=("target", "extremes"))
def next_token_loss(logits, targets):
    """Softmax is taken twice: what is softmaxed once more are shares, which all lie between 0 and 1."""
    probs = torch.softmax(logits, dim=-1)
    return -torch.log_softmax(probs, dim=-1).gather(-1, targets.unsqueeze(-1)).mean()


@wrong("day00a.next_token_loss", fails=("target", "nats", "mean", "extremes", "shapes"))
def next_token_loss(logits, targets):
    """The sign is missing: ln p is below 0, and the better the guess, the larger it is. The cost is -ln p."""
    return torch.log_softmax(logits, dim=-1).gather(-1, targets.unsqueeze(-1)).mean()


@wrong("day00a.next_token_loss", fails="nats")
def next_token_loss(logits, targets):
    """The logarithm is to base 2: the loss is in bits, not in nats."""
    log_probs = torch.log_softmax(logits, dim=-1) / math.log(2)
    return -log_probs.gather(-1, targets.unsqueeze(-1)).mean()


@wrong("day00a.next_token_loss", fails="nats")
def next_token_loss(logits, targets):
    """The score of the target is taken as it is, without softmax: other tokens' scores play no part."""
    return -logits.gather(-1, targets.unsqueeze(-1)).mean()


@wrong("day00a.next_token_loss", fails="mean")
def next_token_loss(logits, targets):
    """The costs are added up and not averaged: more guesses make a larger loss."""
    return -torch.log_softmax(logits, dim=-1).gather(-1, targets.unsqueeze(-1)).sum()


@wrong("day00a.next_token_loss", fails="mean")
def next_token_loss(logits, targets):
    """The shares are averaged before the logarithm: the loss is the mean of the logarithms."""
    log_probs = torch.log_softmax(logits, dim=-1).gather(-1, targets.unsqueeze(-1))
    return math.log(targets.numel()) - torch.logsumexp(log_probs.flatten(), dim=0)


@wrong("day00a.next_token_loss", fails=("mean", "shapes"))
def next_token_loss(logits, targets):
    """The mean is missing: what comes back is the cost of each guess."""
    return -torch.log_softmax(logits, dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


@wrong("day00a.next_token_loss", fails="extremes")
def next_token_loss(logits, targets):
    """Softmax first, then its logarithm: a share too small for a float becomes 0, and the loss infinite."""
    probs = torch.softmax(logits, dim=-1)
    return -probs.gather(-1, targets.unsqueeze(-1)).log().mean()


@wrong("day00a.next_token_loss", fails="extremes")
def next_token_loss(logits, targets):
    """A small number is added to each share before the logarithm: no guess can cost more than its logarithm."""
    probs = torch.softmax(logits, dim=-1) + 1e-9
    return -probs.gather(-1, targets.unsqueeze(-1)).log().mean()


@wrong("day00a.next_token_loss", fails="shapes")
def next_token_loss(logits, targets):
    """The targets are picked with one index for each row (arange), which works for a table and for no other shape."""
    log_probs = torch.log_softmax(logits, dim=-1)
    return -log_probs[torch.arange(len(targets)), targets].mean()


@wrong("day00a.next_token_loss", fails="pytorch")
def next_token_loss(logits, targets):
    """A little of every other token's cost is mixed in (label smoothing): only the target's counts."""
    log_probs = torch.log_softmax(logits, dim=-1)
    costs = -log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (0.995 * costs - 0.005 * log_probs.mean(dim=-1)).mean()


@right("day00a.next_token_loss")
def next_token_loss(logits, targets):
    """PyTorch's own, on a table."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


@right("day00a.next_token_loss")
def next_token_loss(logits, targets):
    """The logarithm of the sum, less the target's score."""
    chosen = torch.take_along_dim(logits, targets[..., None], dim=-1)[..., 0]
    return (torch.logsumexp(logits, dim=-1) - chosen).mean()


@right("day00a.next_token_loss")
def next_token_loss(logits, targets):
    """With a table of zeros and ones, in float64."""
    x = logits.double()
    x = x - x.max(-1, keepdim=True)[0]
    wanted = F.one_hot(targets, x.shape[-1]).double()
    costs = torch.log(torch.exp(x).sum(-1)) - (x * wanted).sum(-1)
    return costs.sum() / costs.numel()


@right("day00a.next_token_loss")
def next_token_loss(logits, targets):
    """Guess by guess, in a loop, with an index for each row."""
    rows, ids = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
    costs = []
    for row, target in zip(rows, ids.tolist(), strict=True):
        costs.append((row - row.max()).exp().sum().log() + row.max() - row[target])
    return sum(costs) / len(costs)


# --- BigramModel ----------------------------------------------------------------------------------------


class Right:
    """What is right, for the answers below: each does one thing differently."""

    def __init__(self, vocab_size, alpha=1.0):
        self.vocab_size, self.alpha = vocab_size, alpha

    def fit(self, ids):
        V = self.vocab_size
        self.counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V)
        return self

    def probs(self, token_id):
        row = self.counts[token_id] + self.alpha
        if row.sum() == 0:
            return torch.full((self.vocab_size,), 1.0 / self.vocab_size)
        return row / row.sum()


@wrong("day00a.BigramModel", fails="counts")
class BigramModel(Right):
    """Rows and columns are swapped: the row must be the current token, the column the next one."""

    def fit(self, ids):
        V = self.vocab_size
        self.counts = torch.bincount(ids[1:] * V + ids[:-1], minlength=V * V).view(V, V)
        return self


@wrong("day00a.BigramModel", fails="counts")
class BigramModel(Right):
    """The last pair is lost: N tokens make N - 1 pairs."""

    def fit(self, ids):
        V = self.vocab_size
        self.counts = torch.bincount(ids[:-2] * V + ids[1:-1], minlength=V * V).view(V, V)
        return self


@wrong("day00a.BigramModel", fails="counts")
class BigramModel(Right):
    """A pair counts once, however often it occurs (= 1 where += 1 belongs)."""

    def fit(self, ids):
        self.counts = torch.zeros(self.vocab_size, self.vocab_size, dtype=torch.long)
        self.counts[ids[:-1], ids[1:]] = 1
        return self


@wrong("day00a.BigramModel", fails="counts")
class BigramModel(Right):
    """Every other pair is skipped: each token has a next one, so the pairs overlap."""

    def fit(self, ids):
        self.counts = torch.zeros(self.vocab_size, self.vocab_size, dtype=torch.long)
        for i in range(0, len(ids) - 1, 2):
            self.counts[ids[i], ids[i + 1]] += 1
        return self


@wrong("day00a.BigramModel", fails="counts")
class BigramModel(Right):
    """alpha is put into the counts, and added again by probs."""

    def fit(self, ids):
        self.counts = torch.full((self.vocab_size, self.vocab_size), float(self.alpha))
        for i in range(len(ids) - 1):
            self.counts[ids[i], ids[i + 1]] += 1
        return self


@wrong("day00a.BigramModel", fails="again")
class BigramModel(Right):
    """A second fit adds to the counts of the first: start from zeros each time."""

    def __init__(self, vocab_size, alpha=1.0):
        self.vocab_size, self.alpha = vocab_size, alpha
        self.counts = torch.zeros(vocab_size, vocab_size, dtype=torch.long)

    def fit(self, ids):
        for i in range(len(ids) - 1):
            self.counts[ids[i], ids[i + 1]] += 1
        return self


@wrong("day00a.BigramModel", fails="itself")
class BigramModel(Right):
    """fit returns nothing: `return self` is missing."""

    def fit(self, ids):
        V = self.vocab_size
        self.counts = torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V)


@wrong("day00a.BigramModel", fails="shares")
class BigramModel(Right):
    """An alpha of 0 is taken for one that was not given (alpha or 1.0), and smooths all the same."""

    def probs(self, token_id):
        row = self.counts[token_id] + (self.alpha or 1.0)
        return row / row.sum()


@wrong("day00a.BigramModel", fails=("shares", "smoothing"))
class BigramModel(Right):
    """The counts are divided by the number of all pairs, not by the sum of their row."""

    def probs(self, token_id):
        row = self.counts[token_id] + self.alpha
        if row.sum() == 0:
            return torch.full((self.vocab_size,), 1.0 / self.vocab_size)
        return row / (self.counts + self.alpha).sum()


@wrong("day00a.BigramModel", fails="smoothing")
class BigramModel(Right):
    """alpha is missing in the denominator: the shares sum to more than 1."""

    def probs(self, token_id):
        row = self.counts[token_id]
        if row.sum() == 0:
            return torch.full((self.vocab_size,), 1.0 / self.vocab_size)
        return (row + self.alpha) / row.sum()


@wrong("day00a.BigramModel", fails="smoothing")
class BigramModel(Right):
    """alpha is added to the denominator once: each of V counts grew by it, so the sum grows by alpha times V."""

    def probs(self, token_id):
        row = self.counts[token_id] + self.alpha
        if row.sum() == 0:
            return torch.full((self.vocab_size,), 1.0 / self.vocab_size)
        return row / (self.counts[token_id].sum() + self.alpha)


@wrong("day00a.BigramModel", fails="smoothing")
class BigramModel(Right):
    """Only counts of 0 are raised to alpha: it belongs to every count."""

    def probs(self, token_id):
        row = self.counts[token_id].float()
        row[row == 0] = self.alpha
        if row.sum() == 0:
            return torch.full((self.vocab_size,), 1.0 / self.vocab_size)
        return row / row.sum()


@wrong("day00a.BigramModel", fails="unseen")
class BigramModel(Right):
    """A row without counts is divided by its sum, 0 / 0, which is NaN: give each token the same share."""

    def probs(self, token_id):
        row = self.counts[token_id] + self.alpha
        return row / row.sum()


@wrong("day00a.BigramModel", fails="unseen")
class BigramModel(Right):
    """After a token never seen all shares are 0, so they do not sum to 1."""

    def probs(self, token_id):
        row = self.counts[token_id] + self.alpha
        return row / row.sum().clamp(min=1e-9)


@wrong("day00a.BigramModel", fails="kept")
class BigramModel(Right):
    """alpha is added in place (+=) to a row of the counts, and once more at every call."""

    def fit(self, ids):
        self.counts = torch.zeros(self.vocab_size, self.vocab_size)
        for i in range(len(ids) - 1):
            self.counts[ids[i], ids[i + 1]] += 1
        return self

    def probs(self, token_id):
        row = self.counts[token_id]
        row += self.alpha
        if row.sum() == 0:
            return torch.full((self.vocab_size,), 1.0 / self.vocab_size)
        return row / row.sum()


@wrong("day00a.BigramModel", fails="formula")
class BigramModel(Right):
    """The counts are numbers of 8 bits (uint8), which start again from 0 after 255."""

    def fit(self, ids):
        super().fit(ids)
        self.counts = self.counts.to(torch.uint8)
        return self


@right("day00a.BigramModel")
class BigramModel(Right):
    """In plain lists, which become a tensor at the end."""

    def fit(self, ids):
        table = [[0] * self.vocab_size for _ in range(self.vocab_size)]
        for i in range(len(ids) - 1):
            table[ids[i]][ids[i + 1]] += 1
        self.counts = torch.tensor(table)
        return self

    def probs(self, token_id):
        total = int(self.counts[token_id].sum()) + self.alpha * self.vocab_size
        if total == 0:
            return torch.tensor([1 / self.vocab_size] * self.vocab_size)
        return torch.tensor([(count.item() + self.alpha) / total for count in self.counts[token_id]])


@right("day00a.BigramModel")
class BigramModel(Right):
    """Added up in place by indices, as floats, and smoothed in float64."""

    def fit(self, ids):
        self.counts = torch.zeros(self.vocab_size, self.vocab_size)
        ones = torch.ones(len(ids) - 1)
        self.counts.index_put_((ids[:-1], ids[1:]), ones, accumulate=True)
        return self

    def probs(self, token_id):
        V, row = self.vocab_size, self.counts[token_id].double()
        total = row.sum() + self.alpha * V
        return (row + self.alpha) / total if total > 0 else torch.ones(V) / V


@right("day00a.BigramModel")
class BigramModel(Right):
    """With a Counter for each token, and the table from those."""

    def fit(self, ids):
        from collections import Counter, defaultdict

        followers = defaultdict(Counter)
        for i in range(len(ids) - 1):
            followers[int(ids[i])][int(ids[i + 1])] += 1
        V = range(self.vocab_size)
        self.counts = torch.tensor([[followers[a][b] for b in V] for a in V])
        return self

    def probs(self, token_id):
        row = [count + self.alpha for count in self.counts[token_id].tolist()]
        if not any(row):
            row = [1] * self.vocab_size
        return torch.tensor([count / sum(row) for count in row])


@right("day00a.BigramModel")
class BigramModel(Right):
    """With tables of zeros and ones, multiplied: one product counts every pair."""

    def fit(self, ids):
        ones = torch.eye(self.vocab_size)[ids]  # (N, V)
        self.counts = (ones[:-1].T @ ones[1:]).long()
        return self

    def probs(self, token_id):
        row = self.counts[token_id] + self.alpha
        return torch.nan_to_num(row / row.sum(), nan=1.0 / self.vocab_size)
