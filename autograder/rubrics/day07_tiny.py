"""Day 7 · All of it together: a model that cannot look back."""

import math
from collections import Counter
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, LearnerError, Remote, build, model
from autograder.rubric import exercise, item
from handmade.tiny import TinyLM as OurTinyLM


@exercise("day07.TinyLM", answer="handmade.tiny.TinyLM")
class TinyLM:
    """A model that cannot look back"""

    @item(1)
    def shapes(learner: Learner, rand: Rand):
        """It returns (logits, loss): the logits always (B, T, vocab_size), the loss one number, or None."""
        drawn = Drawn(rand)
        tiny, idx = drawn.model(learner), drawn.batch(3)
        for given in ((idx,), (idx, drawn.batch(3))):
            called = "model(idx)" if len(given) == 1 else "model(idx, targets)"
            answer = tiny(*given)
            expect.that(
                isinstance(answer, tuple) and len(answer) == 2,
                f"{called} must return two things, the logits and the loss",
            )
            expect.numbers(answer[0], (3, drawn.T, drawn.V), of=f"the logits of {called}")
            if len(given) == 1:
                expect.that(answer[1] is None, "without targets there is no loss: return None for it")
            else:
                expect.numbers(loss_of(answer), (), of="the loss")

    @item(2)
    def first_loss(learner: Learner, rand: Rand):
        """Untrained, it guesses: its loss is within 0.05 of ln(vocab_size)."""
        Drawn(rand).model(learner)
        V = rand.integer(60, 300)
        tiny = new(learner, rand, V, rand.integer(40, 70), 16, rand.integer(2, 4))
        idx, targets = rand.integers(0, V - 1, 64, 16), rand.integers(0, V - 1, 64, 16)
        loss = cross_entropy(logits_of(tiny(idx)), targets)
        expect.that(
            abs(loss - math.log(V)) < 0.05,
            f"before any training the loss is {loss:.3f}, and a guess among {V} tokens costs {math.log(V):.3f}: "
            "do the weights of all linear layers begin as N(0, 0.02)?",
        )

    @item(1)
    def loss(learner: Learner, rand: Rand):
        """The loss is the mean cross-entropy of its own logits and the targets, over all positions."""
        drawn = Drawn(rand)
        tiny, idx, targets = drawn.model(learner), drawn.batch(3), drawn.batch(3)
        expect.close(
            loss_of(tiny(idx, targets)),
            torch.tensor(cross_entropy(logits_of(tiny(idx)), targets)),
            "the loss is not the mean cross-entropy of the logits and the targets, in nats",
            tolerance=1e-4,
        )

    @item(1)
    def ignored(learner: Learner, rand: Rand):
        """Targets of -1 do not count."""
        drawn = Drawn(rand)
        tiny, idx, targets = drawn.model(learner), drawn.batch(2), drawn.batch(2)
        alone = loss_of(tiny(idx[:1], targets[:1]))
        targets[1] = -1
        expect.close(
            loss_of(tiny(idx, targets)),
            alone,
            "a row whose targets are all -1 must leave the loss as it is without this row",
            tolerance=1e-4,
        )

    @item(2)
    def one_token(learner: Learner, rand: Rand):
        """A position sees its own token and its place: no other token moves its logits."""
        drawn = Drawn(rand)
        tiny, idx = drawn.model(learner), drawn.batch(2)
        before = logits_of(tiny(idx))
        for s in rand.permutation(drawn.T)[:4].tolist():
            changed = idx.clone()
            changed[:, s] = (idx[:, s] + rand.integer(1, drawn.V - 1)) % drawn.V
            moved = (logits_of(tiny(changed)) - before).abs().amax((0, 2)) > 1e-4  # (T,)
            expect.that(bool(moved[s]), f"another token at position {s} gets the same logits there")
            moved[s] = False
            expect.that(
                not moved.any(),
                f"another token at position {s} moves the logits at position {int(moved.int().argmax())}: "
                "each position must be worked on by itself",
            )

    @item(1)
    def place(learner: Learner, rand: Rand):
        """The place counts: the same token at two places gets different logits."""
        drawn = Drawn(rand)
        tiny = drawn.model(learner)
        logits = logits_of(tiny(torch.full((1, drawn.T), rand.integer(0, drawn.V - 1))))[0]  # (T, V)
        apart = (logits[1:] - logits[:1]).abs().amax(-1)  # of each place from the first
        expect.that(
            bool((apart > 1e-4).all()),
            "one token, repeated, gets the same logits at the first place and at another: are positions added?",
        )

    @item(1)
    def sizes(learner: Learner, rand: Rand):
        """It takes any number of tokens up to block_size, and keeps block_size for `generate`."""
        drawn = Drawn(rand)
        tiny, idx = drawn.model(learner), drawn.batch(2)
        for T in (1, rand.integer(2, drawn.T - 1)):
            expect.numbers(logits_of(tiny(idx[:, :T])), (2, T, drawn.V), of=f"the logits of {T} tokens")
        kept = tiny.block_size
        expect.that(kept == drawn.T, f"model.block_size is {kept}; the model was made with {drawn.T}")

    @item(1)
    def parts(learner: Learner, rand: Rand):
        """It has the parameters of its parts: two tables, n_layer blocks, a last norm, a head without bias."""
        drawn = Drawn(rand)
        drawn.model(learner)
        V, d, T, L = drawn.V, drawn.d, drawn.T, rand.integer(3, 5)
        found = sum(weight.numel() for weight in new(learner, rand, V, d, T, L).parameters())
        block = 2 * d + 2 * 4 * d * d + 4 * d + d  # a norm, two matrices, their biases
        wanted = V * d + T * d + L * block + 2 * d + V * d
        expect.that(
            found == wanted,
            f"with vocab_size {V}, d_model {d}, block_size {T} and n_layer {L} the model has {found:,} parameters, "
            f"and its parts have {V * d:,} (tokens) + {T * d:,} (places) + {L} · {block:,} (blocks) + {2 * d} (norm) "
            f"+ {V * d:,} (head) = {wanted:,}",
        )

    @item(1)
    def residual(learner: Learner, rand: Rand):
        """Each block adds to what came in: where the feed-forwards are silent, the token still gets through."""
        drawn = Drawn(rand)
        tiny = drawn.model(learner, silent=True)
        logits = logits_of(tiny(torch.arange(drawn.V)[:, None].expand(-1, drawn.T)))  # a row for each token
        expect.that(
            bool(((logits[1:] - logits[:1]).abs().amax((1, 2)) > 1e-4).all()),
            "with silent feed-forwards every token gets the same logits: x = x + block(x), not x = block(x)",
        )

    @item(3, steady=False)
    def training(learner: Learner, rand: Rand):
        """Trained, its loss comes close to the bigram floor of the text, and is never below it."""
        Drawn(rand).model(learner)
        V, T = rand.integer(5, 7), 12
        text, unseen = two_texts(rand, V, T)
        tiny = new(learner, rand, V, 16, T, 2)
        # It is trained over there, by Day 6's answer, and measured here, on text that it has never seen.
        batch = text[:, :-1], text[:, 1:]
        build(learner, "handmade.experiments.overfit_one_batch", tiny, batch, steps=100, lr=0.02)
        idx, targets = unseen[:, :-1], unseen[:, 1:]
        floor, loss = floor_of(unseen.tolist()), cross_entropy(logits_of(tiny(idx)), targets)
        for below in (
            loss,
            loss_of(tiny(idx, targets)).item(),
        ):  # the second is what the model says of itself
            expect.that(
                below > floor - 0.02,
                f"after training the loss is {below:.3f}, below the bigram floor of {floor:.3f}, and who sees one "
                "token cannot get there. It is a leak: a position sees another one, or the loss is not of the targets",
            )
        expect.that(
            loss < floor + 0.2,
            f"after training the loss is {loss:.3f}, and {floor:.3f}, the bigram floor, is in reach "
            f"(a guess costs {math.log(V):.3f})",
        )

    @item(2, whole=True)
    def logits(learner: Learner, rand: Rand):
        """All in all: with weights of ours, the logits are those of the model described."""
        for _ in range(2):
            drawn = Drawn(rand)
            tiny, idx = drawn.model(learner), drawn.batch(2)
            with torch.no_grad():
                wanted, _ = drawn.ours()(idx)
            expect.close(
                logits_of(tiny(idx)),
                wanted,
                "the logits are not head(norm(x)), where x is the embedding and each block makes it "
                "x + feed_forward(norm(x))",
                tolerance=1e-3,
            )


@exercise("day07.generate", answer="handmade.tiny.generate")
class Generate:
    """Writing, one token after another"""

    @item(1)
    def appends(learner: Learner, rand: Rand):
        """Exactly max_new_tokens tokens are added, after the prompt as it was."""
        for n in (rand.integer(4, 9), 1, 0):
            table = Counting(learner, rand, block_size=16)
            ids = learner.generate(table.model, table.prompt, n, generator=seeded(learner, rand))
            expect.shape(ids, (3 + n,), of=f"generate(model, ids, {n}) of 3 ids")
            expect.equal(ids[:3], table.prompt, "the prompt must come first, as it was")

    @item(2)
    def last(learner: Learner, rand: Rand):
        """Each token follows from the prediction at the last position, and the next one from it."""
        table, n = Counting(learner, rand, block_size=16), rand.integer(5, 9)
        ids = learner.generate(table.model, table.prompt, n, generator=seeded(learner, rand))
        expect.equal(
            written(ids, table.prompt, n),
            table.must_follow(n),
            "at the last position the model was sure of another token",
        )

    @item(2)
    def context(learner: Learner, rand: Rand):
        """The model is shown all tokens so far, as (1, T), and at most the last block_size of them."""
        size = rand.integer(4, 7)
        table, n = Counting(learner, rand, block_size=size), 2 * size
        ids = learner.generate(table.model, table.prompt, n, generator=seeded(learner, rand))
        new = written(ids, table.prompt, n)
        expect.that(len(table.shown) >= n, f"for {n} tokens the model was called {len(table.shown)} times")
        so_far = torch.cat([table.prompt, new])
        for i, shown in enumerate(table.shown[:n]):
            wanted = so_far[: 3 + i][-size:]
            expect.that(
                shown.numel() <= size,
                f"the model was shown {shown.numel()} tokens; its block_size is {size}",
            )
            expect.shape(shown, (1, len(wanted)), of=f"what the model was shown after {3 + i} tokens")
            expect.equal(
                shown[0], wanted, f"after {3 + i} tokens the model must be shown the last {len(wanted)}"
            )

    @item(2)
    def draws(learner: Learner, rand: Rand):
        """Tokens are drawn, each as often as softmax of the logits says."""
        probs, n = torch.tensor([0.5, 0.25, 0.13, 0.08, 0.04])[rand.permutation(5)], 400
        table = Constant(learner, rand, probs.log())
        ids = learner.generate(table.model, table.prompt, n, generator=seeded(learner, rand))
        counts = table.count(ids, n)
        chi_square = (
            (counts - n * probs).square() / (n * probs)
        ).sum()  # 4 degrees of freedom: above 40 is no chance
        expect.that(
            bool(chi_square < 40),
            f"of {n} tokens that were drawn the shares are {shares(counts / n)}; by softmax they are {shares(probs)}",
        )

    @item(2)
    def temperature(learner: Learner, rand: Rand):
        """The temperature divides the logits: a low one keeps to the likeliest token, a high one to none."""
        logits, n = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0])[rand.permutation(5)], 60
        cold, hot = (Constant(learner, rand, logits) for _ in range(2))
        of_cold, of_hot = (
            table.count(learner.generate(table.model, table.prompt, n, degrees, seeded(learner, rand)), n)
            for table, degrees in ((cold, 0.02), (hot, 50.0))
        )
        expect.that(
            int(of_cold[logits.argmax()]) == n,
            f"at a temperature of 0.02 the likeliest token was drawn {int(of_cold[logits.argmax()])} times of {n}: "
            "are the logits divided, before the softmax?",
        )
        expect.that(
            int(of_hot[logits.argmin()]) > 0 and int(of_hot.max()) < 0.6 * n,
            f"at a temperature of 50 the 5 tokens are about equally likely; of {n} the shares are {shares(of_hot / n)}",
        )

    @item(1)
    def seed(learner: Learner, rand: Rand):
        """The draws come from `generator`: the same seed writes the same text, another seed another one."""
        table, n, number = Constant(learner, rand, torch.zeros(5)), 40, rand.integer(1, 10**6)
        texts = []
        for seed in (number, number, number + 1):
            ids = learner.generate(table.model, table.prompt, n, generator=seeded(learner, rand, seed))
            table.count(ids, n)
            texts.append(written(ids, table.prompt, n))
        expect.equal(texts[1], texts[0], "two generators with one seed must write the same text")
        expect.that(
            not torch.equal(texts[2], texts[0]), f"two seeds wrote the same {n} tokens, all equally likely"
        )

    @item(1)
    def refuses(learner: Learner, rand: Rand):
        """A temperature that is not above 0 is a ValueError."""
        for degrees in (0.0, -rand.integer(1, 20) / 10):
            table = Counting(learner, rand, block_size=16)
            try:
                learner.generate(table.model, table.prompt, 3, degrees, seeded(learner, rand))
            except LearnerError as error:
                raised = error.type
            else:
                raised = "nothing"
            expect.that(
                raised == "ValueError",
                f"a temperature of {degrees} must raise a ValueError; yours raised {raised}",
            )


@exercise("day07.bigram_floor", answer="handmade.tiny.bigram_floor")
class BigramFloor:
    """The bigram floor"""

    @item(1)
    def nats(learner: Learner, rand: Rand):
        """It is in nats: where all pairs are equally frequent it is ln(vocab_size)."""
        counts(learner, rand)
        V = rand.integer(3, 9)
        floor = learner.bigram_floor(all_pairs(rand, V).repeat(30))
        expect.that(
            abs(floor - math.log(V)) < 2e-3,
            f"where each of {V} tokens follows each one equally often, the floor is ln({V}) = {math.log(V):.3f}; "
            f"yours is {floor:.3f}",
        )

    @item(2)
    def given(learner: Learner, rand: Rand):
        """It is the surprise at the next token where the current one is known, not the other way round."""
        counts(learner, rand)
        V = rand.integer(4, 9)
        tokens, rounds = rand.permutation(V + 1), rand.integer(3, 6)
        # Round and round, and one that comes in from outside: each decides the next. The first has two before it.
        text = torch.cat([tokens[V:], tokens[:V].repeat(rounds), tokens[:1]])
        floor = learner.bigram_floor(text)
        expect.that(
            abs(floor) < 1e-6,
            f"where each token decides the next, nothing is left to guess and the floor is 0; yours is {floor:.4f} "
            f"for {text.tolist()[: V + 3]} and so on, round and round",
        )

    @item(2)
    def frequent(learner: Learner, rand: Rand):
        """A token counts as often as it occurs."""
        counts(learner, rand)
        V = rand.integer(3, 5)
        sure = torch.arange(V, 2 * V).repeat(
            rand.integer(3, 6)
        )  # what follows is certain, and here anything may:
        unsure = all_pairs(rand, V).repeat(3)
        texts = torch.cat([sure.repeat(20), unsure]), torch.cat([sure, unsure.repeat(20)])
        less, more = map(learner.bigram_floor, texts)
        wanted = [floor_of([text.tolist()]) for text in texts]
        expect.that(
            less > 0 and math.isclose(more / less, wanted[1] / wanted[0], rel_tol=0.1),
            f"of two texts, one mostly certain and one mostly not, the floors are {less:.4f} and {more:.4f}; expected "
            f"{wanted[0]:.4f} and {wanted[1]:.4f}. It is a mean over all pairs of the text",
        )

    @item(1)
    def ends(learner: Learner, rand: Rand):
        """The pairs are those of neighbours: the last is counted, and none joins the end to the beginning."""
        counts(learner, rand)
        V = rand.integer(4, 9)
        tokens = rand.permutation(V)
        certain = torch.cat([tokens, tokens, tokens[: V - 2]])
        floor = learner.bigram_floor(certain)
        expect.that(
            abs(floor) < 1e-6,
            f"in {certain.tolist()} each token decides the next, and the floor is 0; yours is {floor:.4f}. "
            "Nothing follows the last token",
        )
        surprising = torch.cat([certain, tokens[:1]])  # it was followed by another one before
        floor = learner.bigram_floor(surprising)
        expect.that(
            floor > 1e-6,
            f"in {surprising.tolist()} the last token is a surprise; yours is {floor:.4f}: was it counted?",
        )

    @item(1)
    def unseen(learner: Learner, rand: Rand):
        """Ids that do not occur change nothing."""
        counts(learner, rand)
        V = rand.integer(4, 8)
        ids = rand.integers(0, V - 1, rand.integer(50, 90))
        others = rand.permutation(40)[:V] + rand.integer(1, 20)  # the same text by other numbers, with gaps
        expect.close(
            torch.tensor(learner.bigram_floor(others[ids])),
            torch.tensor(learner.bigram_floor(ids)),
            "a text has another floor when its ids are replaced by others, not all of which occur",
            tolerance=1e-4,
        )

    @item(2, whole=True)
    def value(learner: Learner, rand: Rand):
        """All in all: the mean of -ln P(next | current) over all pairs of a text."""
        for V, N in (
            (rand.integer(2, 4), rand.integer(2, 9)),
            (rand.integer(50, 60), rand.integer(1000, 2000)),
        ):
            ids = (rand.normal(N).abs() * V / 2).long().clamp(max=V - 1)
            expect.close(
                torch.tensor(learner.bigram_floor(ids)),
                torch.tensor(floor_of([ids.tolist()])),
                f"for {N} ids the floor is another",
                tolerance=1e-4,
            )


# --- Models to ask ------------------------------------------------------------------------------------


class Drawn:
    """Sizes of which none can be taken for another, and a weight for each shape: it does not matter how the learner's
    parts are called, nor in which order they were made. What has the same shape has the same weights.
    """

    def __init__(self, rand: Rand) -> None:
        self.rand = rand
        V, d, T = self.V, self.d, self.T = rand.integer(11, 15), rand.integer(16, 24), rand.integer(6, 9)
        shapes = [(V, d), (T, d), (4 * d, d), (d, 4 * d), (4 * d,)]
        self.weights = {shape: rand.normal(*shape, scale=0.2) for shape in shapes}
        self.weights[d,] = 1.0 + rand.normal(d, scale=0.4)  # a norm's weight is one of these

    def batch(self, rows: int) -> Tensor:
        """As many tokens as there are places: not every model takes fewer."""
        return self.rand.integers(0, self.V - 1, rows, self.T)

    def model(self, learner: Learner, silent: bool = False) -> Remote:
        """The learner's model with these weights. It tells tokens apart, else it fails; then it is silenced."""
        tiny = new(learner, self.rand, self.V, self.d, self.T, 2)
        state = self.loaded(tiny.state_dict())
        tiny.load_state_dict(state)
        a, b = self.rand.permutation(self.V)[:2].tolist()
        logits = logits_of(tiny(torch.tensor([[a], [b], [a]]).expand(3, self.T)))
        expect.numbers(logits, (3, self.T, self.V), of="the logits")
        apart = (logits - logits[:1]).abs().amax((1, 2))  # of each row from the first
        expect.that(
            bool(apart[1] > 1e-4 > apart[2]), "the logits do not depend on the token, or not on it alone"
        )
        if silent:
            second = [name for name, weight in state.items() if weight.shape == (self.d, 4 * self.d)]
            expect.that(bool(second), "no feed-forward is among the model's parts")
            tiny.load_state_dict(state | {name: torch.zeros_like(state[name]) for name in second})
        return tiny

    def loaded(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same names, with these weights; what has no such shape stays as it is."""
        return {name: self.weights.get(tuple(weight.shape), weight) for name, weight in state.items()}

    def ours(self) -> OurTinyLM:
        tiny = OurTinyLM(self.V, self.d, self.T, 2)
        tiny.load_state_dict(self.loaded(tiny.state_dict()))
        return tiny


def new(learner: Learner, rand: Rand, *sizes: int) -> Remote:
    """The learner's model as it begins, from a seed of ours."""
    build(learner, "torch.manual_seed", rand.integer(0, 10**9))
    return learner.TinyLM(*sizes)


def logits_of(answer: object) -> Tensor:
    """Whether they come alone or with a loss is another item's business."""
    logits = answer[0] if isinstance(answer, tuple) and answer else answer
    expect.that(isinstance(logits, Tensor), "model(idx) returned no logits")
    return logits


def loss_of(answer: object) -> Tensor:
    loss = answer[1] if isinstance(answer, tuple) and len(answer) == 2 else None
    expect.that(isinstance(loss, Tensor | float), "model(idx, targets) returned no loss")
    return torch.as_tensor(loss)


def cross_entropy(logits: Tensor, targets: Tensor) -> float:
    expect.numbers(logits, (*targets.shape, logits.shape[-1]), of="the logits")
    return F.cross_entropy(logits.double().flatten(0, 1), targets.flatten()).item()


class Counting:
    """A model that knows, of each token, the one that must follow. It remembers what it was shown."""

    def __init__(self, learner: Learner, rand: Rand, block_size: int) -> None:
        V = rand.integer(20, 24)
        order = rand.permutation(V)
        self.follows = torch.empty(V, dtype=torch.long)
        self.follows[order] = order.roll(1)
        self.prompt = order[
            [2, 3, 0]
        ]  # from the last it goes to order[-1], order[-2] and on: none is predicted twice
        self.shown: list[Tensor] = []
        self.model = model(learner, self.table, block_size=block_size)

    def table(self, idx: Tensor, targets: None = None) -> tuple[Tensor, None]:
        self.shown.append(a_batch(idx))
        logits = 2000.0 * F.one_hot(self.follows[idx], len(self.follows))
        logits[:, :-1] += 1000.0  # which changes no softmax over the vocabulary
        return logits, None

    def must_follow(self, n: int) -> Tensor:
        """The n tokens that follow the prompt, (n,)."""
        new = [int(self.follows[self.prompt[-1]])]
        while len(new) < n:
            new.append(int(self.follows[new[-1]]))
        return torch.tensor(new)


class Constant:
    """A model that always gives the same logits, at every position."""

    def __init__(self, learner: Learner, rand: Rand, logits: Tensor) -> None:
        self.logits, self.prompt = logits, rand.integers(0, 4, 2)
        self.model = model(learner, self.table, block_size=4)

    def table(self, idx: Tensor, targets: None = None) -> tuple[Tensor, None]:
        return self.logits.expand(*a_batch(idx).shape, 5), None

    def count(self, ids: Tensor, n: int) -> Tensor:
        """How often each of the 5 tokens was written, (5,)."""
        new = written(ids, self.prompt, n)
        expect.shape(new, (n,), of="what was written")
        expect.that(
            not new.is_floating_point() and bool(((new >= 0) & (new < 5)).all()),
            "what was written are no ids",
        )
        return torch.bincount(new, minlength=5)


def a_batch(idx: object) -> Tensor:
    expect.that(
        isinstance(idx, Tensor) and idx.dim() == 2 and idx.shape[1] > 0,
        "the model must be shown a batch of one text, (1, T)",
    )
    return idx


def written(ids: Tensor, prompt: Tensor, n: int) -> Tensor:
    """The first n tokens after the prompt. Whether it stands before them is another item's business."""
    ids = ids.flatten()
    if len(ids) != n and torch.equal(
        ids[: len(prompt)], prompt
    ):  # new tokens alone may begin like it, by chance
        ids = ids[len(prompt) :]
    return ids[:n]


def seeded(learner: Learner, rand: Rand, seed: int | None = None) -> Remote:
    """A generator over there. Who draws from PyTorch's own instead gets numbers that do not depend on `seed`."""
    build(learner, "torch.manual_seed", rand.integer(0, 10**9))
    generator = build(learner, "torch.Generator")
    generator.manual_seed(rand.integer(0, 10**9) if seed is None else seed)
    return generator


def shares(values: Tensor) -> str:
    return ", ".join(f"{value:.0%}" for value in values.tolist())


# --- Texts --------------------------------------------------------------------------------------------


def floor_of(rows: list[list[int]]) -> float:
    """The bigram floor, counted pair by pair."""
    pairs = Counter(pair for row in rows for pair in pairwise(row))
    currents = Counter()
    for (current, _), count in pairs.items():
        currents[current] += count
    return sum(count * math.log(currents[a] / count) for (a, _), count in pairs.items()) / pairs.total()


def two_texts(rand: Rand, V: int, T: int) -> tuple[Tensor, Tensor]:
    """From one source two texts of 256 rows, (256, T + 1). Each token depends on the two before it.

    So who sees more than one token finds more, and gets below the bigram floor.
    """
    scores = 3.0 * rand.normal(1, V, V) + 2.0 * rand.normal(V, V, V)
    follows = torch.softmax(scores, dim=-1)
    rows = rand.integers(0, V - 1, 512, 2)
    for _ in range(20 + T):  # after 20 no place is special any more
        drawn = torch.multinomial(follows[rows[:, -2], rows[:, -1]], 1, generator=rand.generator)
        rows = torch.cat([rows, drawn], dim=1)
    return rows[:256, -T - 1 :], rows[256:, -T - 1 :]


def all_pairs(rand: Rand, V: int) -> Tensor:
    """A text that, repeated, lets each of V tokens follow each one, itself too, equally often: (V²,)."""
    left = {a: rand.permutation(V).tolist() for a in range(V)}  # where one can still go
    way, text = [0], []
    while way:  # Hierholzer's: go on until there is nowhere to go, then back to where there is
        if left[way[-1]]:
            way.append(left[way[-1]].pop())
        else:
            text.append(way.pop())
    return torch.tensor(text[:0:-1])  # it ends where it began


def counts(learner: Learner, rand: Rand) -> None:
    """Fail unless `bigram_floor` finds some surprise in a text, and the same one twice."""
    ids = all_pairs(rand, rand.integer(3, 6)).repeat(3)
    floor = learner.bigram_floor(ids)
    expect.that(
        math.isfinite(floor) and floor > 0.1, f"in a text in which anything may follow the floor is {floor}"
    )
    expect.that(learner.bigram_floor(ids) == floor, "the same text has another floor at a second call")
