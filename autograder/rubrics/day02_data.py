"""Day 2 · The data pipeline."""

from typing import Any

import torch
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, build, keep, refused
from autograder.rubric import exercise, item


@exercise("day02.shift", answer="handmade.data.shift")
class Shift:
    """Inputs and targets"""

    @item(2)
    def following(learner: Learner, rand: Rand):
        """The target at every position is the token that follows, at the last position too."""
        ids = a_text(rand, rand.integer(12, 60))
        x, y = a_pair(learner.shift(ids), "shift(ids)")
        n = min(x.numel(), y.numel())  # how many there must be is `every`'s business
        y_follows_x(x.flatten()[:n], y.flatten()[:n], ids, "shift(ids)")

    @item(1)
    def every(learner: Learner, rand: Rand):
        """No pair is lost and none is added: N tokens give N - 1 inputs and N - 1 targets."""
        for N in (2, rand.integer(12, 60)):
            ids = a_text(rand, N)
            for name, part in zip("xy", a_pair(learner.shift(ids), "shift(ids)"), strict=True):
                expect.shape(part, (N - 1,), of=f"{name} of {N} tokens")
                found = places(part, ids, name)
                expect.that(len(found.unique()) == N - 1, f"some token comes twice in {name}")

    @item(1)
    def unchanged(learner: Learner, rand: Rand):
        """The text is left as it was."""
        ids = a_text(rand, rand.integer(12, 60))
        kept = keep(learner, ids)
        first, second = (a_pair(learner.shift(kept), "shift(ids)") for _ in range(2))
        for name, one, other in zip("xy", first, second, strict=True):
            places(one, ids, name)
            expect.equal(other, one, f"a second call with the very same ids gives another {name}")

    @item(1, whole=True)
    def exact(learner: Learner, rand: Rand):
        """All in all: exactly ids[0] … ids[N-2] and ids[1] … ids[N-1], of the same dtype, whatever repeats."""
        for most in (2, 50_000):
            ids = rand.integers(0, most, rand.integer(20, 60))
            for part, wanted, name in zip(
                a_pair(learner.shift(ids), "shift(ids)"), (ids[:-1], ids[1:]), "xy", strict=True
            ):
                expect.equal(part, wanted, f"{name} is not what it should be")
                expect.that(part.dtype == torch.long, f"{name} has dtype {part.dtype}, expected torch.int64")


@exercise("day02.TextDataset", answer="handmade.data.TextDataset")
class TextDataset:
    """Windows of a text"""

    @item(2)
    def pairs(learner: Learner, rand: Rand):
        """In every window, the target at each position is the token that follows, at the last position too."""
        ids, T = windows_of_a_text(rand)
        dataset = learner.TextDataset(ids, T)
        for i in rand.permutation(4).tolist():
            x, y = a_pair(dataset[i], f"dataset[{i}]")
            n = min(x.numel(), y.numel())
            y_follows_x(x.flatten()[:n], y.flatten()[:n], ids, f"window {i}")

    @item(2)
    def length(learner: Learner, rand: Rand):
        """Inputs and targets are block_size tokens long, both."""
        ids, T = windows_of_a_text(rand)
        dataset = learner.TextDataset(ids, T)
        for i in rand.permutation(4).tolist():
            for name, part in zip("xy", a_pair(dataset[i], f"dataset[{i}]"), strict=True):
                found = places(part, ids, f"{name} of window {i}").flatten()
                expect.that(
                    len(found) == T,
                    f"with block_size {T}, {name} has {len(found)} tokens, expected {T}: "
                    f"a window takes {T + 1} tokens of text, since its last input needs a target too",
                )
                expect.that(len(found.unique()) == T, f"some token comes twice in {name} of window {i}")

    @item(1)
    def starts(learner: Learner, rand: Rand):
        """Windows lie side by side: window i begins at token i · block_size."""
        ids, T = windows_of_a_text(rand)
        dataset = learner.TextDataset(ids, T)
        for i in rand.permutation(4).tolist():
            x, _ = a_pair(dataset[i], f"dataset[{i}]")
            first = int(places(x, ids, f"x of window {i}").flatten()[0])
            expect.that(
                first == i * T,
                f"with block_size {T}, window {i} begins at token {first}, expected {i} · {T} = {i * T}",
            )

    @item(1)
    def count(learner: Learner, rand: Rand):
        """The length counts every window that is complete, and no other: also where the text just fits."""
        T, n = rand.integer(3, 9), rand.integer(5, 12)
        for N in (n * T, n * T + 1, n * T + 2, n * T + T - 1):
            found, wanted = len(learner.TextDataset(a_text(rand, N), T)), (N - 1) // T
            expect.that(
                found == wanted,
                f"{N} tokens with block_size {T} make {wanted} windows, since {wanted} · {T} + 1 = {wanted * T + 1} "
                f"tokens are needed for {wanted} and {(wanted + 1) * T + 1} for {wanted + 1}; yours says {found}",
            )

    @item(1)
    def end(learner: Learner, rand: Rand):
        """Where there is no window, there is an IndexError, so that a for loop ends."""
        ids, T = windows_of_a_text(rand)
        dataset = learner.TextDataset(ids, T)
        places(a_pair(dataset[0], "dataset[0]")[0], ids, "x of window 0")
        n = len(dataset)
        for i in (n, n + rand.integer(1, 9)):
            refused(lambda i=i: dataset[i], f"len(dataset) is {n}, so dataset[{i}]", "IndexError")

    @item(1)
    def short(learner: Learner, rand: Rand):
        """A text too short for a single window is a ValueError, and one that just suffices is not."""
        T = rand.integer(3, 9)
        ids = a_text(rand, T + 1)
        places(a_pair(learner.TextDataset(ids, T)[0], "dataset[0]")[0], ids, "x of the only window")
        for N in (T, rand.integer(1, T - 1)):
            text = a_text(rand, N)
            refused(
                lambda text=text: learner.TextDataset(text, T),
                f"with block_size {T} one window needs {T + 1} tokens, so TextDataset of {N}",
            )

    @item(1)
    def form(learner: Learner, rand: Rand):
        """Inputs and targets are 1-D tensors of dtype int64."""
        ids, T = windows_of_a_text(rand)
        dataset = learner.TextDataset(ids, T)
        i = rand.integer(0, 3)
        given = dataset[i]
        for name, part, raw in zip("xy", a_pair(given, f"dataset[{i}]"), given, strict=True):
            places(part, ids, f"{name} of window {i}")
            expect.that(isinstance(raw, Tensor), f"{name} is a list, expected a tensor")
            expect.that(part.dim() == 1, f"{name} has {part.dim()} dimensions, expected 1")
            expect.that(part.dtype == torch.long, f"{name} has dtype {part.dtype}, expected torch.int64")

    @item(2, whole=True)
    def epoch(learner: Learner, rand: Rand):
        """All in all: window by window, a pass asks for each token after the first exactly once, whatever its id."""
        for T in (1, rand.integer(2, 9), rand.integer(10, 30)):
            ids = rand.integers(0, 100_276, rand.integer(60, 120))  # as many as a large vocabulary has
            dataset = learner.TextDataset(ids, T)
            n = (len(ids) - 1) // T
            expect.that(len(dataset) == n, f"{len(ids)} tokens with block_size {T} make {n} windows")
            inputs, targets = zip(*(a_pair(dataset[i], f"dataset[{i}]") for i in range(n)), strict=True)
            expect.equal(torch.cat(inputs), ids[: n * T], f"with block_size {T} some inputs are wrong")
            expect.equal(
                torch.cat(targets), ids[1 : n * T + 1], f"with block_size {T} some targets are wrong"
            )


@exercise("day02.train_val_split", answer="handmade.data.train_val_split")
class TrainValSplit:
    """Training and validation"""

    @item(1)
    def sizes(learner: Learner, rand: Rand):
        """The training part has int(train_ratio · N) tokens."""
        for ratio in ratios(rand):
            ids = a_text(rand, rand.integer(60, 300))
            train, _ = a_pair(learner.train_val_split(ids, ratio), "train_val_split")
            found, n = places(train, ids, "the training part"), int(ratio * len(ids))
            expect.that(len(found.unique()) == len(found), "some token comes twice in the training part")
            expect.that(
                len(found) == n,
                f"of {len(ids)} tokens, a train_ratio of {ratio} takes {n} for training; yours takes {len(found)}",
            )

    @item(2)
    def once(learner: Learner, rand: Rand):
        """Every token is in exactly one of the two parts: none is shared, none is lost."""
        for ratio in ratios(rand):
            ids = a_text(rand, rand.integer(60, 300))
            train, val = a_pair(learner.train_val_split(ids, ratio), "train_val_split")
            found = torch.cat(
                [places(train, ids, "the training part"), places(val, ids, "the validation part")]
            )
            times = found.bincount(minlength=len(ids))
            expect.that(
                not (times > 1).any(),
                f"{int((times > 1).sum())} of {len(ids)} tokens are in both parts: the model would be tested on what "
                "it was trained on",
            )
            expect.that(
                bool((times == 1).all()),
                f"{int((times == 0).sum())} of {len(ids)} tokens are in neither part",
            )

    @item(2)
    def cut(learner: Learner, rand: Rand):
        """There is one cut: training has the text's beginning, validation its end, both in order."""
        for ratio in ratios(rand):
            ids = a_text(rand, rand.integer(60, 300))
            train, val = a_pair(learner.train_val_split(ids, ratio), "train_val_split")
            for part, name in ((train, "training"), (val, "validation")):
                found = places(part, ids, f"the {name} part")
                broken = int((found.diff() != 1).sum())
                expect.that(broken == 0, f"the {name} part is no piece of the text: it jumps {broken} times")
            first, last = int(places(train, ids, "")[0]), int(places(val, ids, "")[-1])
            expect.that(first == 0, f"the training part begins at token {first} of the text, expected 0")
            expect.that(
                last == len(ids) - 1,
                f"the validation part ends at token {last} of the text, expected the last, {len(ids) - 1}",
            )

    @item(1)
    def refuses(learner: Learner, rand: Rand):
        """A train_ratio that is not above 0 and below 1 is a ValueError."""
        ids = a_text(rand, rand.integer(60, 300))
        for ratio in ratios(rand):
            places(
                a_pair(learner.train_val_split(ids, ratio), "train_val_split")[0], ids, "the training part"
            )
        for ratio in (rand.integer(50, 95), 1 + rand.integer(1, 9) / 10, -rand.integer(1, 9) / 10, 0.0, 1.0):
            refused(
                lambda ratio=ratio: learner.train_val_split(ids, ratio),
                f"train_val_split with a train_ratio of {ratio}",
            )


@exercise("day02.make_loader", answer="handmade.data.make_loader")
class MakeLoader:
    """Batches"""

    @item(2)
    def batches(learner: Learner, rand: Rand):
        """A batch is x and y, both (batch_size, block_size), and each row of y belongs to its row of x."""
        text = Windows(learner, rand)
        for shuffle in (False, True):
            B = rand.integer(8, 12)
            served = text.epoch(text.loader(B, shuffle))
            full = [(x, y) for x, y in served if len(x) == B]
            expect.that(
                len(full) == text.n // B,
                f"{text.n} windows make {text.n // B} batches of {B} rows and at most one smaller one; of yours "
                f"{len(full)} have {B} rows, and the first has shape {tuple(served[0][0].shape)}",
            )
            for x, y in full:
                expect.shape(x, (B, text.T), of=f"x, with batch_size {B} and block_size {text.T},")
                expect.shape(y, (B, text.T), of=f"y, with batch_size {B} and block_size {text.T},")
                y_follows_x(x, y, text.ids, "the batch")

    @item(2)
    def once(learner: Learner, rand: Rand):
        """Every window comes exactly once in an epoch: the last batch too, though it may be smaller."""
        text = Windows(learner, rand)
        for shuffle in (False, True):
            B = next(B for B in rand.permutation(12).tolist() if B > 4 and text.n % B)
            times = torch.tensor(text.order(text.loader(B, shuffle))).bincount(minlength=text.n)
            lost, again = int((times == 0).sum()), int((times > 1).sum())
            expect.that(
                not lost and not again,
                f"with batch_size {B} and shuffle={shuffle}, {lost} of {text.n} windows never come and {again} come "
                "more than once",
            )

    @item(1)
    def in_order(learner: Learner, rand: Rand):
        """Without shuffle, windows come in the order of the text, in every epoch."""
        text = Windows(learner, rand)
        loader = text.loader(rand.integer(5, 12), False)
        for _ in range(2):
            order = text.order(loader)
            expect.that(
                order == sorted(order),
                f"with shuffle=False the windows begin with {order[:5]}, expected the order of the text",
            )

    @item(2)
    def shuffled(learner: Learner, rand: Rand):
        """With shuffle, windows come in a random order: neighbours are torn apart, and anyone may come first."""
        text = Windows(learner, rand)
        order = torch.tensor(text.order(text.loader(rand.integer(5, 12), True)))
        kept = int((order.diff() == 1).sum())
        expect.that(
            kept < len(order) / 4,
            f"with shuffle=True {kept} of {len(order)} windows still come right after their neighbour in the text",
        )
        drift = torch.corrcoef(torch.stack([order, torch.arange(len(order))]).double())[0, 1]
        expect.that(
            bool(drift < 0.5),
            "with shuffle=True windows hardly leave their place: early ones still come early, late ones late",
        )

    @item(2)
    def repeats(learner: Learner, rand: Rand):
        """Two loaders with one seed have the same orders, epoch by epoch, whatever else draws random numbers."""
        text = Windows(learner, rand)
        B, seed = rand.integer(5, 12), rand.integer(0, 10_000)
        one, other = (text.loader(B, True, seed) for _ in range(2))
        for epoch in (1, 2):
            orders = []
            for loader in (one, other):
                text.stir()
                orders.append(text.order(loader))
            expect.that(
                orders[0] == orders[1],
                f"two loaders with seed {seed} have different orders in epoch {epoch}: does the loader have a "
                "generator of its own?",
            )

    @item(1)
    def epochs(learner: Learner, rand: Rand):
        """With shuffle, every epoch has another order."""
        text = Windows(learner, rand)
        loader = text.loader(rand.integer(5, 12), True)
        orders = [text.order(loader) for _ in range(3)]
        for i, j in ((0, 1), (1, 2), (0, 2)):
            expect.that(orders[i] != orders[j], f"epochs {i + 1} and {j + 1} have the same order")

    @item(1)
    def seeds(learner: Learner, rand: Rand):
        """Another seed gives another order."""
        text = Windows(learner, rand)
        B, seed = rand.integer(5, 12), rand.integer(0, 10_000)
        orders = [
            text.order(text.loader(B, True, each)) for each in (seed, seed + 1, seed + rand.integer(2, 999))
        ]
        expect.that(
            orders[0] != orders[1] and orders[0] != orders[2],
            f"seed {seed} and another one have the same order: is the seed used?",
        )


class Windows:
    """Windows of a text, of which the learner's loader makes batches."""

    def __init__(self, learner: Learner, rand: Rand) -> None:
        self.learner, self.rand = learner, rand
        self.T, self.n = rand.integer(3, 6), rand.integer(120, 160)
        self.ids = a_text(rand, self.n * self.T + 1)
        self.dataset = build(learner, "handmade.data.TextDataset", self.ids, self.T)

    def loader(self, batch_size: int, shuffle: bool, seed: int | None = None) -> Remote:
        seed = self.rand.integer(0, 10_000) if seed is None else seed
        self.stir()
        return self.learner.make_loader(self.dataset, batch_size=batch_size, shuffle=shuffle, seed=seed)

    def stir(self) -> None:
        """What else draws random numbers leaves PyTorch's common generator somewhere."""
        self.learner.torch.manual_seed(self.rand.integer(0, 2**40))

    def epoch(self, loader: Remote) -> list[tuple[Tensor, Tensor]]:
        """One pass over the loader."""
        batches = []
        for batch in loader:
            x, y = a_pair(batch, "a batch")
            expect.that(
                x.dim() == 2, f"a batch's x has {x.dim()} dimensions, expected 2: rows, and tokens of a row"
            )
            batches.append((x, y))
            expect.that(len(batches) <= 2 * self.n, "an epoch has no end")
        expect.that(bool(batches), "an epoch has no batches")
        return batches

    def order(self, loader: Remote) -> list[int]:
        """The windows of an epoch as they come, whichever way a batch is turned."""
        order = []
        for x, _ in self.epoch(loader):
            found = (places(x, self.ids, "x of a batch").flatten() // self.T).tolist()
            for window in dict.fromkeys(found):
                order += [window] * max(1, found.count(window) // self.T)
        return order


def ratios(rand: Rand) -> tuple[float, float]:
    """One that leaves less than half for training, and one that leaves more, neither of them the default."""
    return rand.integer(20, 45) / 100, rand.integer(55, 85) / 100


def a_text(rand: Rand, N: int) -> Tensor:
    """N ids, all different, so that each token says where in the text it stands."""
    return rand.permutation(N) + rand.integer(100, 10_000)


def windows_of_a_text(rand: Rand) -> tuple[Tensor, int]:
    """A text and a block_size; it holds at least the windows 0 to 3, also where windows are a token longer."""
    T = rand.integer(4, 9)
    return a_text(rand, rand.integer(7, 12) * T + rand.integer(2, T - 1)), T


def places(values: Tensor, ids: Tensor, of: str) -> Tensor:
    """Where in the text these tokens stand. Fails unless they are tokens of it, and at least one."""
    expect.that(values.numel() > 0, f"{of} is empty")
    expect.that(values.numel() <= len(ids), f"{of} has {values.numel()} tokens, more than the text")
    same = values.unsqueeze(-1) == ids
    strange = values[~same.any(-1)]
    expect.that(not len(strange), f"{of} holds {strange[:1].tolist()}, which is no token of the text")
    return same.int().argmax(-1)


def y_follows_x(x: Tensor, y: Tensor, ids: Tensor, of: str) -> None:
    """Fail unless each target is the token that stands after its input in the text."""
    p, q = places(x, ids, f"x of {of}").flatten(), places(y, ids, f"y of {of}").flatten()
    for t in (q != p + 1).nonzero().flatten().tolist():
        raise expect.Failed(
            f"in {of}, input {t} is token {int(p[t])} of the text and its target is token {int(q[t])}, "
            f"expected {int(p[t]) + 1}, the next one"
        )


def a_pair(value: Any, of: str) -> tuple[Tensor, Tensor]:
    """x and y, as tensors; lists of numbers will do here."""
    expect.that(isinstance(value, tuple | list) and len(value) == 2, f"{of} must give two tensors, x and y")
    return a_tensor(value[0], "x"), a_tensor(value[1], "y")


def a_tensor(value: Any, of: str) -> Tensor:
    numbers = isinstance(value, list) and all(isinstance(each, int) for each in value)
    expect.that(isinstance(value, Tensor) or numbers, f"{of} is not a tensor")
    return torch.tensor(value) if numbers else value
