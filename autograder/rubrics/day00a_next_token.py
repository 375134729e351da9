"""Day 0a · Guess the next token."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, keep
from autograder.rubric import exercise, free_answer, item

free_answer(
    "day00a.explain_cost",
    points=2,
    criteria="""
    One point: the second. The mean of -ln 0.9, three times, and -ln 0.0001 is about 2.4 nats, the mean of -ln 0.4 is
    about 0.9. Costs are averaged, not shares: the first has the larger average share and still the higher loss.

    One point: a guess that was nearly sure, and wrong, costs most, since -ln p grows without end as p goes to 0. One
    share of exactly 0 makes the whole loss infinite, however good all the other guesses are.

    Numbers may be rough, as long as the order is argued from costs. Geometric mean instead of mean cost is right too.
    """,
)


@exercise("day00a.softmax", answer="handmade.prelude.softmax")
class Softmax:
    """Softmax"""

    @item(1)
    def rows(learner: Learner, rand: Rand):
        """Each row is a probability distribution: nothing below 0, and it sums to 1."""
        logits = some_scores(rand)
        shares = ranked(learner, logits)
        sums = shares.sum(-1)
        expect.close(sums, torch.ones_like(sums), "each row, along the last axis, must sum to 1")

    @item(2)
    def ratios(learner: Learner, rand: Rand):
        """A token whose score is larger by 1 gets e times the share."""
        logits = some_scores(rand)
        shares = learner.softmax(logits)
        expect.numbers(shares, logits.shape, of="softmax(logits)")
        # These differences cancel whatever each row and each column was divided by.
        yours, wanted = both_differences(shares.double().log()), both_differences(logits.double())
        factor = math.exp((yours * wanted).sum() / (wanted * wanted).sum())
        expect.close(
            yours,
            wanted,
            f"the log of the shares must grow by 1 where the score does, which is e = 2.718 times the share; "
            f"yours grows {factor:.3f} times",
            tolerance=1e-3,
        )

    @item(1)
    def constant(learner: Learner, rand: Rand):
        """Adding one number to all scores changes nothing."""
        logits = some_scores(rand)
        before = ranked(learner, logits)
        for sign in (1, -1):
            number = sign * rand.integer(40, 70)
            after = learner.softmax(logits + number)
            expect.close(after, before, f"adding {number} to all scores changed the shares", tolerance=1e-4)

    @item(1)
    def extremes(learner: Learner, rand: Rand):
        """Scores of any size give finite shares: ten thousand, minus ten thousand, both in one table."""
        ranked(learner, some_scores(rand))
        V = rand.integer(4, 9)
        logits = -1e4 * (1 + rand.normal(3, V).abs())
        winner = rand.integer(0, V - 1)
        logits[0, winner] = 1e4  # all low but one; below it a row that is high, and one that is low
        logits[1] += 3e4
        shares = learner.softmax(logits)
        expect.numbers(shares, (3, V), of="softmax of scores up to ±10,000")
        expect.that(
            float(shares[0, winner]) >= float(shares[0].max()),
            "a score of 10,000 beside scores of -10,000 and less must get the largest share in its row",
        )

    @item(1)
    def shapes(learner: Learner, rand: Rand):
        """Any shape works, (..., V): a single row gets what it gets in a table or in a stack of tables."""
        logits = torch.stack([some_scores(rand)[:3, :6] for _ in range(2)])
        whole = learner.softmax(logits)
        for a in range(2):
            table = ranked(learner, logits[a])
            expect.close(whole[a], table, "a table alone must get what it gets in a stack of tables")
            for b in range(3):
                alone = learner.softmax(logits[a, b])
                expect.close(alone, table[b], "a row alone must get what it gets in a table")

    @item(1)
    def unchanged(learner: Learner, rand: Rand):
        """The scores are left as they were."""
        logits = some_scores(rand)
        kept = keep(learner, logits)
        first = learner.softmax(kept)
        judge_ranks(first, logits)
        expect.close(
            learner.softmax(kept), first, "a second call with the very same tensor gives another result"
        )
        left = torch.stack([kept[i] for i in range(len(logits))])
        expect.equal(left, logits, "after the call, the tensor of scores holds other numbers")

    @item(2, whole=True)
    def pytorch(learner: Learner, rand: Rand):
        """All in all: what torch.softmax returns, in float32 and in float64."""
        for dtype, scale, tolerance in (
            (torch.float32, 1.0, 1e-5),
            (torch.float64, 8.0, 1e-5),
            (torch.float32, 3000.0, 1e-2),  # a float32 of 10,000 is known to 0.001 only
        ):
            logits = rand.normal(2, rand.integer(2, 6), rand.integer(30, 70), scale=scale).to(dtype)
            peer = torch.softmax(logits, dim=-1)
            expect.close(learner.softmax(logits), peer, "the shares differ from torch.softmax's", tolerance)


@exercise("day00a.next_token_loss", answer="handmade.prelude.next_token_loss")
class NextTokenLoss:
    """The loss"""

    @item(2)
    def target(learner: Learner, rand: Rand):
        """What counts is the share of the target: 1 less in its score costs as much more, whichever token it is."""
        V = rand.integer(5, 9)
        logits = rand.normal(1, V, scale=1.5)
        costs = torch.stack([number(learner, logits, torch.tensor([t])) for t in range(V)])
        expect.finite(costs, of="the loss")
        # Centred: what is added to every cost is another item's business, and so is the unit.
        yours, wanted = costs - costs.mean(), logits[0].mean() - logits[0].double()
        factor = float((yours * wanted).sum() / (wanted * wanted).sum())
        expect.that(factor > 0.1, "a target with a lower score must cost more", show=(yours, wanted))
        expect.close(
            yours / factor, wanted, "the costs of the targets must differ as their scores do", tolerance=1e-3
        )

    @item(1)
    def nats(learner: Learner, rand: Rand):
        """Among V tokens with equal scores, any one costs ln V, in nats."""
        expects(learner, rand)
        for V in (rand.integer(3, 9), rand.integer(20, 90)):
            cost = number(learner, torch.full((1, V), rand.integer(1, 9) / 2), rand.integers(0, V - 1, 1))
            expect.close(
                cost, torch.tensor(math.log(V)), f"the loss of {V} equal scores must be ln {V}", 1e-4
            )

    @item(1)
    def mean(learner: Learner, rand: Rand):
        """The loss of many guesses is the mean of their costs, in a tensor of shape ()."""
        expects(learner, rand)
        N, V = rand.integer(3, 7), rand.integer(5, 9)
        logits, targets = rand.normal(N, V, scale=2.0), rand.integers(0, V - 1, N)
        costs = torch.stack([number(learner, logits[i : i + 1], targets[i : i + 1]) for i in range(N)])
        loss = learner.next_token_loss(logits, targets)
        expect.numbers(loss, (), of=f"the loss of {N} guesses")
        expect.close(loss, costs.mean(), f"the loss of {N} guesses must be the mean of their costs", 1e-4)

    @item(1)
    def extremes(learner: Learner, rand: Rand):
        """It stays finite for scores of any size: a target that lies 1,000 below costs 1,000."""
        expects(learner, rand)
        V, gap = rand.integer(4, 8), rand.integer(200, 2000)
        target, top = rand.permutation(V)[:2]
        costs = []
        for below in (gap, 2 * gap):
            logits = torch.full((1, V), -20.0)
            logits[0, top], logits[0, target] = 0.0, -below
            costs.append(number(learner, logits, target[None]))
        expect.finite(torch.stack(costs), of="the loss of a target far below the others")
        expect.close(
            costs[1],
            2 * costs[0],
            f"a target {2 * gap} below must cost twice what one {gap} below costs",
            1e-2,
        )

    @item(1)
    def shapes(learner: Learner, rand: Rand):
        """Any shape works, (..., V) and (...): one guess, a table of them, a stack of tables."""
        expects(learner, rand)
        logits, targets = rand.normal(2, 3, rand.integer(5, 9)), rand.integers(0, 4, 2, 3)
        table = number(learner, logits.flatten(0, 1), targets.flatten())
        stack = number(learner, logits, targets)
        expect.close(stack, table, "a stack of tables must cost what all its rows in one table cost")
        one = number(learner, logits[0, 0], targets[0, 0])
        row = number(learner, logits[0, :1], targets[0, :1])
        expect.close(one, row, "a single row (V,) with its target () must cost what it costs in a table")

    @item(2, whole=True)
    def pytorch(learner: Learner, rand: Rand):
        """All in all: what F.cross_entropy returns, in float32 and in float64."""
        for dtype, scale in ((torch.float32, 1.0), (torch.float64, 10.0), (torch.float32, 1000.0)):
            N, V = rand.integer(2, 40), rand.integer(10, 70)
            logits, targets = rand.normal(N, V, scale=scale).to(dtype), rand.integers(0, V - 1, N)
            loss = learner.next_token_loss(logits, targets)
            expect.close(loss, F.cross_entropy(logits, targets), "the loss differs from F.cross_entropy's")


@exercise("day00a.BigramModel", answer="handmade.prelude.BigramModel")
class Bigram:
    """The bigram model"""

    @item(2)
    def counts(learner: Learner, rand: Rand):
        """After fit, row a and column b of `counts`, (V, V), hold how often b has followed a."""
        V, ids = some_text(rand)
        V += 2  # two tokens that never occur
        counts = fitted(learner, V, ids).counts
        expect.shape(counts, (V, V), of=f"counts, for a vocabulary of {V},")
        wanted = pairs(ids, V)
        if torch.equal(counts, wanted.T):
            raise expect.Failed(
                "rows and columns of counts are swapped: row = current token, column = next token"
            )
        expect.equal(counts, wanted, "a count is not how often the pair occurs")

    @item(1)
    def again(learner: Learner, rand: Rand):
        """A second fit forgets the first."""
        V, ids = some_text(rand)
        model = fitted(learner, V, ids)
        first = model.counts
        other = rand.permutation(V)[ids[: len(ids) // 2]]
        model.fit(other)
        fresh = fitted(learner, V, other).counts
        expect.that(bool(first.any()) and not torch.equal(first, fresh), "fit counts nothing")
        expect.equal(model.counts, fresh, "after a second fit the counts are not those of its text alone")

    @item(1)
    def itself(learner: Learner, rand: Rand):
        """fit returns the model, so that BigramModel(V).fit(ids) is one."""
        V, ids = some_text(rand)
        model = learner.BigramModel(V)
        returned = model.fit(ids)
        expect.that(
            isinstance(returned, Remote), f"fit returned {type(returned).__name__}; write `return self`"
        )
        counts = returned.counts
        expect.that(bool(counts.any()), "what fit returns has counted nothing")
        expect.equal(counts, model.counts, "what fit returns is not the model that was fitted")

    @item(1)
    def shares(learner: Learner, rand: Rand):
        """With alpha 0, a token's share is its count by the sum of the row."""
        V, ids = some_text(rand)
        compare_shares(fitted(learner, V, ids, 0.0), 0.0, V)

    @item(2)
    def smoothing(learner: Learner, rand: Rand):
        """alpha is added to every count, and the sum grows by alpha times V."""
        V, ids = some_text(rand)
        for alpha in (1.0, rand.integer(1, 9) / 10):
            compare_shares(fitted(learner, V, ids, alpha), alpha, V)

    @item(1)
    def unseen(learner: Learner, rand: Rand):
        """After a token that nothing has followed, with alpha 0, all tokens are equally likely."""
        V, ids = some_text(rand)
        model = fitted(learner, V + 1, ids, 0.0)  # the last id never occurs
        seen = model.probs(int(ids[0]))
        expect.that(
            float(seen.max()) > 1.1 * float(seen.mean()), "after a token that was seen, shares must differ"
        )
        probs = model.probs(V)
        expect.close(
            probs,
            torch.full((V + 1,), 1 / (V + 1)),
            f"after a token never seen each of {V + 1} must get 1/{V + 1}",
        )

    @item(1)
    def kept(learner: Learner, rand: Rand):
        """Asking for shares changes nothing: the second answer is the first, and the counts stay."""
        V, ids = some_text(rand)
        model = fitted(learner, V + 1, ids, 1.0)  # the last id never occurs, so no row is even
        before, token = model.counts, int(ids[0])
        first = model.probs(token)
        expect.that(
            bool(before.any()) and float(first.std()) > 0, "the model has learnt nothing from its text"
        )
        expect.close(model.probs(token), first, "asked a second time, probs gives other shares")
        expect.equal(model.counts, before, "probs changed the counts")

    @item(2, whole=True)
    def formula(learner: Learner, rand: Rand):
        """All in all: the formula, on a longer text, after every token."""
        V = rand.integer(3, 4)
        ids = rand.integers(0, 2 * V, 6000) % V  # token 0 more often than the others
        smoothed = rand.integer(11, 40) / 10
        for options, alpha in (((), 1.0), ((smoothed,), smoothed)):  # alpha is 1 unless given
            model = learner.BigramModel(V + 1, *options)  # the last id never occurs
            model.fit(ids)
            rows = pairs(ids, V + 1) + alpha
            yours = torch.stack([model.probs(token) for token in range(V + 1)])
            expect.close(
                yours,
                rows / rows.sum(-1, keepdim=True),
                f"with alpha {alpha:g}, the shares are not those of the formula",
            )


# --- softmax ------------------------------------------------------------------------------------------


def some_scores(rand: Rand) -> Tensor:
    """(N, V) scores, N < V. Each row and each column holds different values, in steps of at least 0.65.

    So the largest of a row is the largest of its column too, and may be asked for whatever the softmax runs over.
    """
    N, V = rand.integer(3, 5), rand.integer(6, 9)
    values = 0.75 * (rand.permutation(V) - V / 2)
    logits = torch.stack([values.roll(int(shift)) for shift in rand.permutation(V)[:N]])
    return logits + 0.05 * rand.normal(N, V).clamp(-1, 1)


def ranked(learner: Learner, logits: Tensor) -> Tensor:
    """The learner's shares, once they are known to follow the scores."""
    shares = learner.softmax(logits)
    judge_ranks(shares, logits)
    return shares


def judge_ranks(shares: Tensor, logits: Tensor) -> None:
    """Fail unless these may be shares at all: nothing below 0, and in each row more for the largest score."""
    expect.numbers(shares, logits.shape, of="softmax(logits)")
    expect.that(bool((shares >= 0).all()), f"a share is below 0: {shares.min():.3g}")
    largest = shares.gather(-1, logits.argmax(-1, keepdim=True))
    smallest = shares.gather(-1, logits.argmin(-1, keepdim=True))
    expect.that(
        bool((largest > smallest).all()), "in each row the largest score must get more than the smallest"
    )


def both_differences(x: Tensor) -> Tensor:
    """x[i, j] less the first of its row and of its column."""
    return x - x[:, :1] - x[:1] + x[:1, :1]


# --- next_token_loss ----------------------------------------------------------------------------------


def number(learner: Learner, logits: Tensor, targets: Tensor) -> Tensor:
    """The learner's loss as a float64 tensor (). A loss in a shape of its own, but one number, is `mean`'s business."""
    loss = learner.next_token_loss(logits, targets)
    expect.that(loss.numel() == 1, f"the loss must be one number; yours has shape {tuple(loss.shape)}")
    return loss.reshape(()).double()


def expects(learner: Learner, rand: Rand) -> None:
    """Fail unless a guess that was sure and right costs less than no guess at all: what no constant does."""
    for _ in range(6):
        V = rand.integer(4, 9)
        t = rand.integers(0, V - 1, 1)
        sure = torch.zeros(1, V)
        sure[0, t] = 12.0 + rand.integer(0, 8)
        cheap, dear = number(learner, sure, t), number(learner, torch.zeros(1, V), t)
        expect.that(
            bool(cheap < dear - 0.4),
            f"a guess that is sure and right must cost less than equal scores do, {dear:.3g}",
        )


# --- BigramModel --------------------------------------------------------------------------------------


def some_text(rand: Rand) -> tuple[int, Tensor]:
    """A vocabulary's size and ids from it: fewer than 256, each token twice or more, some pairs much more often."""
    V = rand.integer(5, 8)
    ids = torch.cat([rand.permutation(V), rand.integers(0, V - 1, 60), rand.permutation(V)])
    habit = rand.permutation(V)  # after each token, most often this one
    follows = torch.stack([ids, habit[ids]], dim=1).flatten()
    return V, torch.cat([follows, follows[:1]])  # the last is one of them, so every token is followed


def pairs(ids: Tensor, V: int) -> Tensor:
    """How often each pair of neighbours occurs: (V, V)."""
    return torch.bincount(ids[:-1] * V + ids[1:], minlength=V * V).view(V, V)


def fitted(learner: Learner, V: int, ids: Tensor, alpha: float = 1.0) -> Remote:
    """The learner's model after it has read `ids`."""
    model = learner.BigramModel(V, alpha)
    model.fit(ids)
    return model


def compare_shares(model: Remote, alpha: float, V: int) -> None:
    """Compare shares with the formula on the model's own counts, so that wrong counts are not wrong shares too."""
    counts = model.counts
    expect.shape(counts, (V, V), of="counts")
    seen = [token for token in range(V) if counts[token].sum() > 0]
    expect.that(bool(seen), "fit has counted nothing")
    for token in seen:
        row = counts[token] + alpha
        expect.close(
            model.probs(token),
            row / row.sum(),
            f"with alpha {alpha:g} and the counts {counts[token].tolist()}, the shares are wrong",
        )
