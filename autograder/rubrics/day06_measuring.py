"""Day 6 · Measuring and debugging: the hidden checks."""

import math
from collections.abc import Iterator
from itertools import islice

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, build, callback, model, refused
from autograder.rubric import exercise, item
from handmade.experiments import batch_floor
from handmade.starter import Starter

Batch = tuple[Tensor, Tensor]


@exercise("day06.compute_perplexity", answer="handmade.experiments.compute_perplexity")
class ComputePerplexity:
    """Perplexity"""

    @item(2)
    def exponential(learner: Learner, rand: Rand):
        """For a single batch it is e to the batch's mean loss."""
        for _ in range(3):
            guess = Guess(learner, rand)
            tokens = guess.tokens(rand.integer(2, 5), rand.integer(3, 8))
            near(
                guess.perplexity([tokens]), guess.wanted([tokens]), "one batch: it must be e to the mean loss"
            )

    @item(2)
    def tokens(learner: Learner, rand: Rand):
        """Every token counts the same: how the text is cut into batches changes nothing."""
        guess = Guess(learner, rand)
        guess.tells_better_from_worse()
        for _ in range(2):
            n = 2 * rand.integer(10, 20)
            idx, targets = guess.tokens(1, 3 * n, sorted=True)
            whole = guess.perplexity([(idx.view(3, n), targets.view(3, n))])
            # Cut where the losses are lowest, so that the pieces, of unlike size and form, have unlike means.
            pieces = [(1, n), (4, n // 2)]
            batches = cut(idx, targets, pieces)
            near(
                guess.perplexity(batches),
                whole,
                f"the same tokens in batches of {said(pieces)}, and in one batch",
            )

    @item(2)
    def left_out(learner: Learner, rand: Rand):
        """Targets of -1 count neither as losses nor as tokens."""
        guess = Guess(learner, rand)
        guess.tells_better_from_worse()
        for _ in range(2):
            B, T, kept = rand.integer(2, 4), rand.integer(8, 12), rand.integer(1, 2)
            easy, hard = guess.tokens(B, T, sorted=True), guess.tokens(B, T, surprising=True)
            alone = guess.perplexity([(hard[0][:, :kept], hard[1][:, :kept]), easy])
            hard[1][:, kept:] = -1
            near(
                guess.perplexity([hard, easy]),
                alone,
                f"with targets of -1 in all but {kept} of {T} columns of one of two batches, and without these columns",
            )

    @item(1)
    def evaluating(learner: Learner, rand: Rand):
        """The model is measured in eval mode."""
        for mode in (True, False):
            guess = Guess(learner, rand)
            guess.tells_better_from_worse()
            guess.model.train(mode)
            guess.perplexity([guess.tokens(2, 3), guess.tokens(1, 3)])
            expect.that(
                bool(guess.modes) and not any(guess.modes),
                "while it is measured the model is in training mode, in which dropout would be on",
            )

    @item(1)
    def restored(learner: Learner, rand: Rand):
        """It leaves the model in the mode in which it came."""
        for mode in (True, False):
            guess = Guess(learner, rand)
            guess.tells_better_from_worse()
            guess.model.train(mode)
            guess.perplexity([guess.tokens(2, 3)])
            came, left = ("training" if each else "eval" for each in (mode, guess.model.training))
            expect.that(came == left, f"the model came in {came} mode and was left in {left} mode")

    @item(1)
    def gradients(learner: Learner, rand: Rand):
        """It measures without gradients: no record for `backward` is kept."""
        guess = Guess(learner, rand)
        guess.tells_better_from_worse()
        guess.perplexity([guess.tokens(2, 3), guess.tokens(1, 3)])
        expect.that(
            bool(guess.recorded) and not any(guess.recorded),
            "gradients are on while the model is measured: every operation is recorded, for nothing",
        )

    @item(2, whole=True)
    def all_of_it(learner: Learner, rand: Rand):
        """All in all: several batches of any size, some targets left out."""
        for _ in range(2):
            guess = Guess(learner, rand)
            batches = [
                guess.tokens(rand.integer(1, 5), rand.integer(1, 9)) for _ in range(rand.integer(3, 6))
            ]
            for _, targets in batches:
                targets[rand.normal(*targets.shape) > 1.0] = -1
                targets[0, 0] = 0
            near(
                guess.perplexity(batches),
                guess.wanted(batches),
                f"{len(batches)} batches, some targets of -1",
            )


@exercise("day06.overfit_one_batch", answer="handmade.experiments.overfit_one_batch")
class OverfitOneBatch:
    """One batch by heart"""

    @item(1)
    def losses(learner: Learner, rand: Rand):
        """`losses` has one loss for each step, the first that of the untrained model."""
        for steps in (1, rand.integer(3, 9)):
            trial = Trial(learner, rand)
            first = trial.loss()
            losses = trial.overfit(steps, 0.01)["losses"]
            expect.that(
                len(losses) == steps, f"{steps} steps must give {steps} losses, yours gives {len(losses)}"
            )
            near(
                losses[0], first, "the first loss must be that of the model as it came, before the first step"
            )

    @item(2)
    def learned(learner: Learner, rand: Rand):
        """The model is trained, on this batch: its loss comes down to the floor."""
        trial = Trial(learner, rand)
        trial.overfit(100, 0.1)
        gap = trial.loss() - trial.floor
        expect.that(
            gap < 0.02,
            f"after 100 steps at learning rate 0.1 the model's loss on the batch is {gap:.3f} above the floor",
        )

    @item(2)
    def floor(learner: Learner, rand: Rand):
        """`floor` is the floor of this very batch: what comes after equal beginnings; targets of -1 do not count."""
        for left_out, blind in ((False, False), (True, False), (False, True)):
            trial = Trial(learner, rand, left_out, blind)
            near(trial.overfit(1, 0.01)["floor"], trial.floor, "the floor of the batch is wrong")

    @item(2)
    def verdict(learner: Learner, rand: Rand):
        """`passed` is True where the last loss is less than 0.02 above the floor, and else False."""
        results = []
        for blind in (False, True):
            trial = Trial(learner, rand, blind=blind)
            steps = [60] if blind else trial.steps_around(0.02)
            results += [trial.overfit(n, 0.05) for n in steps]
        for result in results:
            last, floor, said = result["losses"][-1], result["floor"], result["passed"]
            wanted = last - floor < 0.02
            expect.that(isinstance(said, bool), f"`passed` must be True or False, yours is {said!r}")
            expect.that(
                said == wanted,
                f"your last loss is {last:.4f} and your floor {floor:.4f}, {last - floor:.4f} apart: "
                f"passed must be {wanted}, yours is {said}",
            )

    @item(1)
    def evaluating(learner: Learner, rand: Rand):
        """Dropout is off: each forward pass is in eval mode."""
        for mode in (True, False):
            trial = Trial(learner, rand, mode=mode)
            trial.theirs.register_forward_pre_hook(callback(learner, trial.look))
            trial.overfit(3, 0.01)
            expect.that(
                bool(trial.modes) and not any(trial.modes),
                "the model was in training mode while it learned the batch: dropout would be on",
            )

    @item(1)
    def restored(learner: Learner, rand: Rand):
        """It leaves the model in the mode in which it came."""
        for mode in (True, False):
            trial = Trial(learner, rand, mode=mode)
            trial.overfit(2, 0.01)
            came, left = ("training" if each else "eval" for each in (mode, trial.theirs.training))
            expect.that(came == left, f"the model came in {came} mode and was left in {left} mode")

    @item(1)
    def rate(learner: Learner, rand: Rand):
        """It is AdamW with the learning rate given: the first step moves each weight by lr."""
        for _ in range(2):
            trial, lr = Trial(learner, rand), rand.integer(2, 9) / 100
            steep = trial.gradient().abs() > 1e-4
            before = trial.weights()
            trial.overfit(1, lr)
            moved = (trial.weights() - before).abs()[steep]
            expect.close(
                moved / lr,
                torch.ones_like(moved),
                f"AdamW's first step moves a weight by lr = {lr}, however long its gradient is",
                tolerance=0.1,
            )

    @item(2, whole=True)
    def step_by_step(learner: Learner, rand: Rand):
        """All in all: 12 losses of AdamW, the gradient clipped to 1, some targets left out."""
        for left_out in (False, True):
            trial = Trial(learner, rand, left_out)
            wanted = torch.tensor(trial.by_hand(12, 0.05))
            found = torch.tensor(trial.overfit(12, 0.05)["losses"])
            expect.close(found, wanted, "the losses of 12 steps differ from ours", tolerance=1e-3)


@exercise("day06.run_ablation", answer="handmade.experiments.run_ablation")
class RunAblation:
    """The ablation"""

    @item(2)
    def rows(learner: Learner, rand: Rand):
        """It returns a list with a row for each config: its name, its config, in their order."""
        bench = Bench(learner, rand)
        rows = bench.run()
        expect.that(len(rows) == len(bench.configs), f"{len(bench.configs)} configs, and {len(rows)} rows")
        found = [(row.get("name"), row.get("config")) for row in rows]
        wanted = list(bench.configs.items())
        expect.that(found == wanted, f"names and configs of the rows are {found}, expected {wanted}")

    @item(2)
    def own(learner: Learner, rand: Rand):
        """A row's score is what eval_fn says of the model that train_fn made from that row's config."""
        bench = Bench(learner, rand)
        rows, configs = bench.run(), bench.configs.values()
        of = [row.get("config", config) for row, config in zip(rows, configs, strict=False)]
        found, wanted = [row["score"] for row in rows], [bench.scores.get(config["id"]) for config in of]
        expect.that(found == wanted, f"the scores of the rows are {found}, eval_fn said {wanted}")

    @item(1)
    def once(learner: Learner, rand: Rand):
        """Each config is trained once, and in the order given."""
        bench = Bench(learner, rand)
        bench.run()
        wanted = [config["id"] for config in bench.configs.values()]
        expect.that(
            bench.trained == wanted, f"configs were trained in the order {bench.trained}, expected {wanted}"
        )

    @item(2)
    def seed(learner: Learner, rand: Rand):
        """train_fn is given the same seed for each config: the one that was asked for."""
        for _ in range(2):
            bench = Bench(learner, rand)
            bench.run()
            expect.that(
                set(bench.seeds) == {bench.seed},
                f"seed is {bench.seed}, and train_fn was given {bench.seeds}",
            )

    @item(2)
    def start(learner: Learner, rand: Rand):
        """Each training begins from the same random numbers, those of the seed."""
        bench = Bench(learner, rand)
        bench.run()
        same_draws(bench.at_start, bench.seed, "a training")

    @item(2)
    def scoring(learner: Learner, rand: Rand):
        """Each evaluation begins from the same random numbers, however many training drew."""
        bench = Bench(learner, rand)
        bench.run()
        same_draws(bench.at_scoring, bench.seed, "an evaluation")

    @item(1, whole=True)
    def all_of_it(learner: Learner, rand: Rand):
        """All in all: two ablations, one after the other, on other seeds and without one."""
        for asked in (rand.integer(1, 99), None):
            bench = Bench(learner, rand, seed=asked)
            rows = bench.run()
            wanted = [
                {"name": name, "config": config, "score": bench.scores.get(config["id"])}
                for name, config in bench.configs.items()
            ]
            expect.that(rows == wanted, f"the rows are {rows}, expected {wanted}")
            expect.that(
                bench.seeds == [bench.seed] * len(rows), f"train_fn was given the seeds {bench.seeds}"
            )
            same_draws(bench.at_start + bench.at_scoring, bench.seed, "a training or an evaluation")


@exercise("day06.fit_power_law", answer="handmade.experiments.fit_power_law")
class FitPowerLaw:
    """The power law"""

    @item(2)
    def exponent(learner: Learner, rand: Rand):
        """From points that follow a law exactly, b is its exponent."""
        for _ in range(3):
            law = Law(rand)
            _, b = law.fit(learner, law.x, law.y)
            near(b, law.b, "b is not the exponent of an exact law", 1e-4)

    @item(1)
    def factor(learner: Learner, rand: Rand):
        """From points that follow a law exactly, a is its factor: y at x = 1."""
        for _ in range(3):
            law = Law(rand)
            a, _ = law.fit(learner, law.x, law.y)
            near(a / law.a, 1.0, f"a is not the factor of an exact law, {law.a:.3f}", 1e-3)

    @item(2, whole=True)
    def noisy(learner: Learner, rand: Rand):
        """All in all: from noisy points it is the best straight line in logarithms, by least squares."""
        for _ in range(2):
            law = Law(rand, noise=0.3)
            a, b = law.fit(learner, law.x, law.y)
            columns = torch.stack([law.x.log(), torch.ones_like(law.x)], dim=1)
            best_b, best_log_a = torch.linalg.lstsq(columns, law.y.log()[:, None]).solution.flatten().tolist()
            near(b, best_b, f"for {len(law.x)} noisy points b is not that of the best line", 1e-3)
            near(
                a / math.exp(best_log_a),
                1.0,
                f"for {len(law.x)} noisy points a is not that of the best line",
                5e-3,
            )

    @item(1)
    def kinds(learner: Learner, rand: Rand):
        """It takes lists as well as tensors, of whole numbers too, in any order."""
        law = Law(rand)
        law.is_seen(learner)
        _, b = law.fit(learner, law.x, law.y)
        order = rand.permutation(len(law.x))
        for x, y in ((law.x.tolist(), law.y.tolist()), (law.x[order].float(), law.y[order].float())):
            found = law.fit(learner, x, y)[1]
            near(
                found,
                b,
                f"given as a {type(x).__name__.lower()}, the same points have another exponent",
                1e-3,
            )
        x = [2, 4, 8, 16]
        squares = [n**2 for n in x]
        _, b = law.fit(learner, [float(n) for n in x], [float(n) for n in squares])
        near(law.fit(learner, x, squares)[1], b, "as whole numbers, the same points have another exponent")

    @item(1)
    def refuses(learner: Learner, rand: Rand):
        """Zero or less has no logarithm: that is a ValueError, in x as in y."""
        law = Law(rand)
        law.is_seen(learner)
        accepted = []  # all are asked first, so that a diagnosis can tell which of them got through
        for bad in (0.0, -float(rand.integer(1, 9))):
            for which in ("x", "y"):
                points = {"x": law.x.clone(), "y": law.y.clone()}
                points[which][rand.integer(0, len(law.x) - 1)] = bad
                try:
                    refused(
                        lambda p=points: learner.fit_power_law(p["x"], p["y"]),
                        f"{which} with a value of {bad:g}",
                    )
                except expect.Failed as failure:
                    accepted.append(failure)
        if accepted:
            raise accepted[0]


def near(found: object, wanted: float, because: str, tolerance: float = 1e-4) -> None:
    """Fail unless it is a number, and this one."""
    expect.that(isinstance(found, float | int), f"a number is wanted, yours is {found!r}")
    expect.close(torch.tensor(float(found)).double(), torch.tensor(wanted).double(), because, tolerance)


# --- Perplexity ---------------------------------------------------------------------------------------


class Guess:
    """A model that answers from a table here, and writes down in which state it was when it was asked."""

    def __init__(self, learner: Learner, rand: Rand) -> None:
        self.learner, self.rand, self.V = learner, rand, rand.integer(5, 9)
        self.logits = rand.normal(self.V, self.V, scale=2.0)
        self.modes: list[bool] = []
        self.recorded: list[bool] = []
        self.model = model(learner, self.answer)

    def answer(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        self.modes.append(self.model.training)
        self.recorded.append(self.learner.torch.is_grad_enabled())
        logits = self.logits[idx]
        return logits, None if targets is None else loss_of(logits, targets)

    def tokens(self, B: int, T: int, sorted: bool = False, surprising: bool = False) -> Batch:
        """A batch, its rows in any order; or from the most likely to the least; or with the least likely targets."""
        idx, targets = self.rand.integers(0, self.V - 1, 2, B, T)
        if surprising:
            targets = self.logits[idx].argmin(-1)
        if sorted:
            nats = F.cross_entropy(self.logits[idx].mT, targets, reduction="none")
            order = nats.flatten().argsort()
            idx, targets = idx.flatten()[order].view(B, T), targets.flatten()[order].view(B, T)
        return idx, targets

    def perplexity(self, batches: list[Batch]) -> float:
        """What the learner's code makes of them, once it is known to be a finite number."""
        found = self.learner.compute_perplexity(self.model, batches)
        expect.that(math.isfinite(found), f"the perplexity is {found}")
        return found

    def wanted(self, batches: list[Batch]) -> float:
        logits = torch.cat([self.logits[idx].flatten(0, 1) for idx, _ in batches])
        return loss_of(logits, torch.cat([targets.flatten() for _, targets in batches])).exp().item()

    def tells_better_from_worse(self) -> None:
        """Fail unless likely targets have the lower perplexity, by more than can be had by guessing."""
        for _ in range(3):
            idx, _ = self.tokens(2, 3)
            likely, unlikely = self.logits[idx].argmax(-1), self.logits[idx].argmin(-1)
            low, high = (self.perplexity([(idx, targets)]) for targets in (likely, unlikely))
            expect.that(
                low < high, f"likely targets must have a lower perplexity than unlikely ones: {low}, {high}"
            )
            near(
                self.perplexity([(idx, unlikely)]),
                high,
                "measured twice, the same batch has two perplexities",
            )
        self.modes.clear()
        self.recorded.clear()


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=-1)


def cut(idx: Tensor, targets: Tensor, shapes: list[tuple[int, int]]) -> list[Batch]:
    """The same tokens, one after another, as batches of these shapes."""
    sizes = [B * T for B, T in shapes]
    pieces = zip(idx.flatten().split(sizes), targets.flatten().split(sizes), shapes, strict=True)
    return [(x.view(shape), y.view(shape)) for x, y, shape in pieces]


def said(shapes: list[tuple[int, int]]) -> str:
    return " and ".join(f"{B} × {T}" for B, T in shapes)


# --- One batch ----------------------------------------------------------------------------------------


class Trial:
    """A Starter on the learner's side, the same one here, and a batch of which the floor is known."""

    def __init__(
        self, learner: Learner, rand: Rand, left_out: bool = False, blind: bool = False, mode: bool = True
    ) -> None:
        self.learner, V, C = learner, 24, 12
        self.ours = Starter(V, C).double()  # in which rounding does not show, however long it trains
        with torch.no_grad():  # of a size that makes the first gradients longer than 1
            for parameter in self.ours.parameters():
                parameter.copy_(rand.normal(*parameter.shape))
        self.theirs = build(learner, "handmade.starter.Starter", V, C)
        self.theirs.double()
        self.theirs.load_state_dict(self.ours.state_dict())
        self.theirs.train(mode)
        self.modes: list[bool] = []
        names = rand.permutation(V)  # which token is which
        if blind:  # after the second token it counts which the first one was, and a Starter cannot know
            rows = [[0, 2, 3], [1, 2, 4]]
        else:  # the first rows begin alike: some guessing is left, and no looking back helps
            rows = [[0, 1, 2, 3], [0, 1, 4, 5], [0, 6, 7, 8], [9, 10, 11, 12], [9, 13, 14, 15]]
        ids = names[torch.tensor(rows)]
        self.idx, self.targets = ids[:, :-1], ids[:, 1:].clone()
        if left_out:
            self.targets[0, 0] = self.targets[3, 1] = -1
        self.floor = batch_floor(self.idx, self.targets)

    def overfit(self, steps: int, lr: float) -> dict:
        """Have the learner's code train a fresh copy. What comes back is known to have the right form."""
        self.theirs.load_state_dict(self.ours.state_dict())
        untrained = self.loss()
        found = self.learner.overfit_one_batch(self.theirs, (self.idx, self.targets), steps, lr)
        right = isinstance(found, dict) and {"losses", "floor", "passed"} <= found.keys()
        expect.that(right, "it must return a dict with losses, floor and passed")
        losses = found["losses"]
        numbers = isinstance(losses, list) and all(isinstance(loss, float) for loss in losses)
        expect.that(numbers and losses, "`losses` must be a list of numbers")
        expect.that(
            isinstance(found["floor"], float | int), f"`floor` must be a number, yours is {found['floor']!r}"
        )
        # The least to ask: a loss among them that the model had, when it came or as it is now.
        had = (untrained, self.loss())
        belongs = any(math.isclose(loss, each, rel_tol=1e-4) for loss in losses for each in had)
        expect.that(belongs, f"the losses, {losses[0]:.3g} to {losses[-1]:.3g}, are not those of this model")
        return found

    def look(self, module: Remote, inputs: tuple) -> None:
        self.modes.append(module.training)

    def loss(self) -> float:
        """Of the model on the learner's side, as it is now."""
        now = Starter(24, 12).double()
        now.load_state_dict(self.theirs.state_dict())
        return loss_of(now(self.idx)[0], self.targets).item()

    def weights(self) -> Tensor:
        return torch.cat([value.flatten() for value in self.theirs.state_dict().values()])

    def gradient(self) -> Tensor:
        loss = loss_of(self.ours(self.idx)[0], self.targets)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(self.ours.parameters()))])

    def by_hand(self, steps: int, lr: float) -> list[float]:
        return list(islice(self._training(lr), steps))

    def steps_around(self, gap: float) -> list[int]:
        """After how many steps the last loss is clearly further above the floor than `gap`, and clearly less far."""
        above = [loss - self.floor for loss in self.by_hand(250, 0.05)]
        far = max(n for n, each in enumerate(above, 1) if each > 1.5 * gap)
        close = next(n for n, each in enumerate(above, 1) if n > far and each < 0.7 * gap)
        return [far, close]

    def _training(self, lr: float) -> Iterator[float]:
        trained = Starter(24, 12).double()
        trained.load_state_dict(self.ours.state_dict())
        optimizer = torch.optim.AdamW(trained.parameters(), lr=lr)
        while True:
            loss = loss_of(trained(self.idx)[0], self.targets)
            yield loss.item()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
            optimizer.step()


# --- The ablation -------------------------------------------------------------------------------------


class Bench:
    """Configs, and functions that pretend to train and to score, and write down what they were given."""

    def __init__(self, learner: Learner, rand: Rand, seed: int | None = -1) -> None:
        self.learner, self.rand = learner, rand
        self.asked = rand.integer(1, 999) if seed == -1 else seed
        self.seed = self.asked or 0
        ids = (10 + rand.permutation(80)[: rand.integer(3, 5)]).tolist()
        self.configs = {f"part {n}": {"id": n, "draws": rand.integer(1, 30)} for n in ids}
        self.trained: list[int] = []
        self.seeds: list[int] = []
        self.scores: dict[int, float] = {}  # what was said of the model of a config, last
        self.said: list[float] = []
        self.at_start: list[list[float]] = []
        self.at_scoring: list[list[float]] = []

    def draws(self, n: int) -> list[float]:
        """The next numbers of the learner's global generator."""
        return self.learner.torch.rand(n).tolist()

    def train(self, config: dict, seed: int) -> dict:
        self.trained.append(config["id"])
        self.seeds.append(seed)
        self.at_start.append(self.draws(3))
        self.draws(config["draws"])  # what is left of the generator depends on the config
        return {"made from": config["id"]}

    def score(self, trained: dict) -> float:
        self.at_scoring.append(self.draws(3))
        self.said.append(float(self.rand.normal(1).double()))
        self.scores[trained["made from"]] = self.said[-1]
        return self.said[-1]

    def run(self) -> list[dict]:
        """Have the learner's code run it. What comes back is known to be rows with scores that were really given."""
        functions = callback(self.learner, self.train), callback(self.learner, self.score)
        options = {} if self.asked is None else {"seed": self.asked}
        rows = self.learner.run_ablation(self.configs, *functions, **options)
        right = isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)
        expect.that(right, "it must return a list of rows, each of them a dict")
        scores = [row.get("score") for row in rows]
        given = all(any(score == each for each in self.said) for score in scores)
        expect.that(given, f"the scores are {scores}, and eval_fn returned {self.said}")
        return rows


def same_draws(draws: list[list[float]], seed: int, of: str) -> None:
    """Fail unless each list holds the first numbers that the seed gives."""
    first = torch.rand(3, generator=torch.Generator().manual_seed(seed))
    for n, found in enumerate(draws, 1):
        expect.close(
            torch.tensor(found),
            first,
            f"number {n}: {of} must begin from the numbers that torch.manual_seed({seed}) gives",
        )


# --- The power law ------------------------------------------------------------------------------------


class Law:
    """A power law and points on it, or near it."""

    def __init__(self, rand: Rand, noise: float = 0.0) -> None:
        self.b = (1 if rand.integer(0, 1) else -1) * rand.integer(5, 150) / 100
        self.a = math.exp(rand.integer(-20, 20) / 10 + 0.05)
        n = rand.integer(6, 10)
        self.x = (1.0 + 9.0 * torch.rand(n, generator=rand.generator).double()).cumprod(0) + torch.arange(n)
        self.y = self.a * self.x**self.b * (noise * rand.normal(n).double()).exp()

    def fit(self, learner: Learner, x: Tensor | list, y: Tensor | list) -> tuple[float, float]:
        """What the learner's code returns, once it is known to be two numbers."""
        found = learner.fit_power_law(x, y)
        expect.that(isinstance(found, tuple | list) and len(found) == 2, "it must return two things: a and b")
        found = tuple(
            each.item() if isinstance(each, Tensor) and each.numel() == 1 else each for each in found
        )
        expect.that(
            all(isinstance(each, float | int) for each in found), f"a and b must be numbers, not {found!r}"
        )
        return found

    def is_seen(self, learner: Learner) -> None:
        """Fail unless the points make the difference: two laws have two exponents, the same points have one."""
        b, again = (self.fit(learner, self.x, self.y)[1] for _ in range(2))
        steeper = self.fit(learner, self.x, self.y.square())[1]
        expect.that(
            math.isclose(b, again), f"the same points, fitted twice, have the exponents {b} and {again}"
        )
        expect.that(not math.isclose(b, steeper, rel_tol=0.1), f"y and y² have the same exponent, {b}")
