"""Day 4 · How training works."""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, build
from autograder.rubric import exercise, free_answer, item
from handmade.starter import Starter

free_answer(
    "day04.stale_gradients",
    points=2,
    criteria="""
    One point: without zero_grad the gradients of all batches so far are added up, so each step follows that sum. Most
    of it was measured at weights that the model no longer has: the direction is stale (old, out of date, dominated by
    the past), whatever the present batch says.

    One point: clipping scales the sum as a whole. It changes the length and never the direction, so a step of allowed
    length still goes the wrong way; for the same reason a smaller learning rate only goes there more slowly. (That
    AdamW does not care about the length anyway is true, and not asked for.)
    """,
)


@exercise("day04.compute_loss", answer="handmade.training.compute_loss")
class ComputeLoss:
    """The loss"""

    @item(2)
    def surprise(learner: Learner, rand: Rand):
        """For a single position it is -ln of the probability that softmax gives to the target."""
        for _ in range(3):
            V = rand.integer(5, 40)
            logits, target = rand.normal(1, 1, V, scale=2.0), rand.integers(0, V - 1, 1, 1)
            expect.close(
                loss_of(learner, logits, target),
                -logits.flatten().log_softmax(0)[target.item()],
                f"one position, {V} logits: the loss must be -ln(probability of the target)",
            )

    @item(1)
    def mean(learner: Learner, rand: Rand):
        """It is a mean: how many positions a batch has does not matter, where all of them are equal."""
        tells_right_from_wrong(learner, rand)
        V = rand.integer(5, 40)
        logits, target = rand.normal(1, 1, V), rand.integers(0, V - 1, 1, 1)
        few = loss_of(learner, logits.repeat(1, 2, 1), target.repeat(1, 2))
        for _ in range(2):
            B, T = rand.integer(2, 6), rand.integer(7, 12)
            expect.close(
                loss_of(learner, logits.repeat(B, T, 1), target.repeat(B, T)),
                few,
                f"{B} × {T} equal positions must have the loss of 1 × 2 of them: a mean, not a sum",
            )

    @item(2)
    def every(learner: Learner, rand: Rand):
        """Every position counts, and each as much as any other."""
        # One and the same target everywhere, so that which target goes with which position does not matter.
        B, T, V = rand.integer(2, 4), rand.integer(5, 7), rand.integer(5, 20)
        c = rand.integer(0, V - 1)
        targets = torch.full((B, T), c)
        unsure = loss_of(learner, torch.zeros(B, T, V), targets)
        changes = torch.zeros(B, T, dtype=torch.float64)
        for b in range(B):
            for t in range(T):
                logits = torch.zeros(B, T, V)
                logits[b, t, c] = 3.0
                changes[b, t] = unsure - loss_of(learner, logits, targets)
        deaf = int((changes.abs() < 1e-4).sum())
        expect.that(deaf == 0, f"the loss does not notice what is predicted at {deaf} of {B} × {T} positions")
        expect.close(
            changes,
            changes[-1:, -1:].expand(B, T),
            "the same prediction must change the loss as much at one position as at another",
            tolerance=1e-4,
        )

    @item(2)
    def aligned(learner: Learner, rand: Rand):
        """The target of a position meets the logits of the same position."""
        B, T, V = rand.integer(3, 5), rand.integer(6, 9), rand.integer(12, 30)
        targets = rand.integers(0, V - 1, B, T)
        wrong = (targets + rand.integers(1, V - 1, B, T)) % V
        unsure, right, wrong = (
            loss_of(learner, 20.0 * hot, targets)
            for hot in (torch.zeros(B, T, V), F.one_hot(targets, V), F.one_hot(wrong, V))
        )
        expect.that(
            bool(right < unsure < wrong),
            "logits that favour the right token everywhere must have a lower loss than equal ones "
            f"({right:.3g} and {unsure:.3g}), and those that favour a wrong one a higher loss ({wrong:.3g})",
        )

    @item(2)
    def ignored(learner: Learner, rand: Rand):
        """Targets of -1 do not count: it is the mean over the others."""
        tells_right_from_wrong(learner, rand)
        for _ in range(2):
            T, V = rand.integer(6, 12), rand.integer(5, 20)
            first = rand.integer(1, T - 2)
            logits, targets = rand.normal(1, T, V), rand.integers(0, V - 1, 1, T)
            kept = loss_of(learner, logits[:, first:], targets[:, first:])
            targets[:, :first] = -1
            expect.close(
                loss_of(learner, logits, targets),
                kept,
                f"with -1 as the first {first} of {T} targets the loss must be that of the other positions alone",
            )

    @item(1)
    def extremes(learner: Learner, rand: Rand):
        """It stays finite where logits are large."""
        V = rand.integer(5, 20)
        for size in (50.0, 500.0):
            logits, target = torch.zeros(1, 3, V), rand.integer(0, V - 1)
            logits[..., (target + 1) % V] = size
            loss = loss_of(learner, logits, torch.full((1, 3), target))
            expect.that(
                bool(loss.isfinite()) and loss > 1,
                f"logits of 0 at the target and {size:g} elsewhere must give a large, finite loss, yours is {loss:g}",
            )

    @item(1)
    def strides(learner: Learner, rand: Rand):
        """It does not matter how the tensors lie in memory."""
        tells_right_from_wrong(learner, rand)
        B, T, V = rand.integer(3, 4), rand.integer(5, 7), rand.integer(8, 12)
        logits, targets = rand.normal(V, T, B).permute(2, 1, 0), rand.integers(0, V - 1, T, B).T
        plain = loss_of(learner, logits.contiguous(), targets.contiguous())
        expect.close(
            loss_of(learner, logits, targets),
            plain,
            "the same numbers, laid out differently, give another loss",
        )

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """The gradient flows back to the logits."""
        tells_right_from_wrong(learner, rand)
        B, T, V = rand.integer(2, 3), rand.integer(3, 5), rand.integer(5, 9)
        logits, direction = rand.normal(B, T, V).double(), rand.normal(B, T, V).double()
        targets, step = rand.integers(0, V - 1, B, T), 1e-4
        ahead, behind = (loss_of(learner, logits + sign * step * direction, targets) for sign in (1, -1))
        one = torch.ones((), dtype=torch.float64)
        _, (gradient, _) = learner.compute_loss.gradients(logits, targets, cotangent=one)
        expect.that(
            gradient is not None, "no gradient reaches the logits: is the loss detached, or a number?"
        )
        expect.numbers(gradient, (B, T, V), of="the gradient")
        expect.close(
            (gradient * direction).sum(),
            (ahead - behind) / (2 * step),
            "the gradient is not the slope of the loss",
            tolerance=1e-3,
        )

    @item(2, whole=True)
    def pytorch(learner: Learner, rand: Rand):
        """All in all: PyTorch's cross-entropy, on batches of any size, some targets left out."""
        for _ in range(3):
            B, T, V = rand.integer(2, 9), rand.integer(2, 30), rand.integer(3, 70)
            logits, targets = rand.normal(B, T, V, scale=3.0), rand.integers(0, V - 1, B, T)
            targets[rand.normal(B, T) > 0.8] = -1
            targets[0, 0], targets[-1, 1:] = 1, -1  # rows of which more and less is left
            counted = targets != -1
            expect.close(
                loss_of(learner, logits, targets),
                F.cross_entropy(logits[counted], targets[counted]),
                f"the loss of a batch of {B} × {T} differs from PyTorch's",
                tolerance=1e-4,
            )


@exercise("day04.train_step", answer="handmade.training.train_step")
class TrainStep:
    """One step"""

    @item(1)
    def loss(learner: Learner, rand: Rand):
        """It returns the loss of the batch, before the move."""
        for _ in range(2):
            trial = Trial(learner, rand)
            loss, _ = trial.step(max_norm=100.0)
            expect.close(loss, trial.expected_loss, "the loss must be that of the weights before the move")

    @item(2)
    def step(learner: Learner, rand: Rand):
        """A gradient shorter than max_norm is left as it is, and the optimizer goes one step against it."""
        trial = Trial(learner, rand)
        trial.step(max_norm=rand.integer(100, 1000))
        expect.close(
            trial.moved(),
            -trial.lr * trial.gradient,
            f"with SGD, a learning rate of {trial.lr} and nothing to clip, each weight must move by "
            "-lr · its gradient",
            tolerance=1e-4,
        )

    @item(2)
    def fresh(learner: Learner, rand: Rand):
        """A step follows the gradient of its own batch: those of earlier batches do not pile up."""
        trial = Trial(learner, rand)
        trial.step(max_norm=30.0)
        for _ in range(2):
            trial.next_batch(rand)
            trial.step(max_norm=30.0)
            along = F.cosine_similarity(-trial.moved(), trial.gradient, dim=0)
            expect.that(
                bool(along > 0.999),
                "the second of two steps must go against the gradient of the second batch; the cosine between "
                f"the two should be 1, yours is {along:.3f}: is there something left of the first batch?",
            )

    @item(2)
    def norm(learner: Learner, rand: Rand):
        """It returns the norm of all gradients as one long vector, before clipping."""
        for shorten in (0.05, 0.5, 50.0):
            trial = Trial(learner, rand)
            length = trial.gradient.norm()
            _, norm = trial.step(max_norm=shorten * float(length))
            expect.close(
                norm,
                length,
                f"with max_norm = {shorten * length:.3g} the norm must be the one before clipping",
                tolerance=1e-4,
            )

    @item(2)
    def clipped(learner: Learner, rand: Rand):
        """A gradient longer than max_norm is scaled down to it as a whole, and that is what the optimizer uses."""
        for _ in range(2):
            trial = Trial(learner, rand)
            max_norm = rand.integer(10, 90) / 100
            trial.step(max_norm)
            used = -trial.moved() / trial.lr
            expect.close(
                used.norm(),
                torch.tensor(max_norm),
                f"the gradient is {trial.gradient.norm():.3f} long and max_norm is {max_norm}: "
                "what the optimizer used must be as long as max_norm",
                tolerance=1e-3,
            )
            along = F.cosine_similarity(used, trial.gradient, dim=0)
            expect.that(
                bool(along > 0.9999),
                "clipping must keep the direction of all gradients together; the cosine between before and after "
                f"should be 1, yours is {along:.4f}: was each parameter clipped by itself?",
            )

    @item(1)
    def optimizer(learner: Learner, rand: Rand):
        """It is the optimizer that moves the weights, whichever it is."""
        trial = Trial(learner, rand, "torch.optim.Adam")
        trial.step(max_norm=100.0)
        steep = trial.gradient.abs() > 1e-3
        expect.close(
            trial.moved()[steep],
            -trial.lr * trial.gradient.sign()[steep],
            f"Adam's first step moves each weight by the learning rate, {trial.lr}, however long its gradient is",
            tolerance=1e-3,
        )

    @item(2, whole=True)
    def written_out(learner: Learner, rand: Rand):
        """All in all: three steps with momentum, with some targets left out, as they are when written out."""
        trial = Trial(learner, rand, "torch.optim.SGD", momentum=0.9)
        optimizer = torch.optim.SGD(trial.ours.parameters(), lr=trial.lr, momentum=0.9)
        for number in (1, 2, 3):
            max_norm = rand.integer(5, 200) / 100
            trial.next_batch(rand, left_out=0.3)
            loss, norm = trial.step(max_norm)
            parameters = list(trial.ours.parameters())
            for p, g in zip(parameters, trial.gradients, strict=True):
                p.grad = g * min(1.0, max_norm / float(trial.gradient.norm()))
            optimizer.step()
            after = f"after step {number} of three with momentum"
            expect.close(loss, trial.expected_loss, f"another loss {after}", tolerance=1e-4)
            expect.close(norm, trial.gradient.norm(), f"another norm {after}", tolerance=1e-4)
            expect.close(trial.weights(), flat(parameters), f"other weights {after}")


@exercise("day04.warmup_cosine", answer="handmade.optim.warmup_cosine")
class WarmupCosine:
    """Warm-up and half a cosine"""

    @item(1)
    def warmup(learner: Learner, rand: Rand):
        """During the warm-up it is step / warmup_steps: 0 at step 0, and then up in a line."""
        warmup, total = a_schedule(rand)
        for step in (0, 1, rand.integer(2, warmup - 2), warmup - 1):
            is_near(learner, step, warmup, total, step / warmup, "in the warm-up it is step / warmup_steps")

    @item(2)
    def cosine(learner: Learner, rand: Rand):
        """From 1 at step warmup_steps it falls along half a cosine, which would reach 0 at total_steps."""
        warmup, total = a_schedule(rand)
        for step in (warmup, warmup + 1, rand.integer(warmup + 2, total - 2), total - 1):
            wanted = math.cos(math.pi / 2 * (step - warmup) / (total - warmup)) ** 2
            is_near(learner, step, warmup, total, wanted, "after the warm-up it is half a cosine from 1 to 0")

    @item(2)
    def after(learner: Learner, rand: Rand):
        """It is 0 at total_steps, and it stays 0."""
        warmup, total = a_schedule(rand)
        begin = learner.warmup_cosine(warmup, warmup, total)
        expect.that(begin > 0, f"at the end of the warm-up it must be above 0, yours is {begin:g}")
        for step in (total, total + 1, rand.integer(total + 2, 2 * total), 2 * total - warmup, 10 * total):
            is_near(learner, step, warmup, total, 0.0, "from total_steps on it must be 0")

    @item(1)
    def without(learner: Learner, rand: Rand):
        """Without a warm-up (warmup_steps = 0) it begins at 1."""
        total = rand.integer(20, 500)
        is_near(learner, 0, 0, total, 1.0, "without a warm-up it begins at 1")
        later = learner.warmup_cosine(total // 3, 0, total)
        expect.that(later < 1, f"a third of the way on it must have fallen below 1, yours is {later:g}")


# --- The loss -----------------------------------------------------------------------------------------


def loss_of(learner: Learner, logits: Tensor, targets: Tensor) -> Tensor:
    """The learner's loss, once it is known to be one number."""
    loss = learner.compute_loss(logits, targets)
    expect.shape(loss, (), of="the loss")
    expect.that(not loss.isnan(), "the loss is NaN")
    return loss.double()


def tells_right_from_wrong(learner: Learner, rand: Rand) -> None:
    """Fail unless it is a loss at all: lower for the right token than for equal logits, higher for a wrong one."""
    for _ in range(3):
        B, T, V = rand.integer(1, 3), rand.integer(2, 4), rand.integer(5, 9)
        right = rand.integer(0, V - 1)
        targets = torch.full((B, T), right)
        losses = []
        for favoured in (right, None, (right + 1) % V):
            logits = torch.zeros(B, T, V)
            if favoured is not None:
                logits[..., favoured] = 3.0
            losses.append(loss_of(learner, logits, targets))
        expect.that(
            bool(losses[0] < losses[1] < losses[2]),
            "the loss must be lowest where the right token is favoured, and highest where a wrong one is: "
            + ", ".join(f"{loss:.3g}" for loss in losses),
        )


# --- One step -----------------------------------------------------------------------------------------


class Trial:
    """A model, its optimizer and a batch on the learner's side, and here what a step should make of them.

    What a step should do is worked out from the weights that are really there before it, so that a mistake in one
    step does not spoil what is asked of the next.
    """

    def __init__(
        self, learner: Learner, rand: Rand, optimizer: str = "torch.optim.SGD", **options: float
    ) -> None:
        self.learner, self.V, C = learner, rand.integer(7, 12), rand.integer(4, 6)
        self.ours = Starter(self.V, C)
        state = {  # of a size that makes gradients longer than any max_norm that is meant to clip them
            "embedding.weight": rand.normal(self.V, C, scale=3.0),
            "head.weight": rand.normal(self.V, C),
            "head.bias": rand.normal(self.V),
        }
        self.theirs = build(learner, "handmade.starter.Starter", self.V, C, state=state)
        self.lr = rand.integer(5, 20) / 100
        self.optimizer = build(learner, optimizer, self.theirs.parameters(), lr=self.lr, **options)
        self.next_batch(rand)

    def next_batch(self, rand: Rand, left_out: float = 0.0) -> None:
        """Draw a batch, with this share of the targets left out; its loss and gradient at the weights as they are."""
        self.ours.load_state_dict(self.theirs.state_dict())
        self.before = self.weights()
        B, T = rand.integer(2, 4), rand.integer(5, 9)
        idx, targets = rand.integers(0, self.V - 1, 2, B, T)
        targets[torch.rand(B, T, generator=rand.generator) < left_out] = -1
        targets[0, 0] = 0
        self.batch = idx, targets
        counted = targets != -1
        loss = F.cross_entropy(self.ours(idx)[0][counted], targets[counted])
        self.expected_loss = loss.detach()
        self.gradients = torch.autograd.grad(loss, list(self.ours.parameters()))
        self.gradient = flat(self.gradients)

    def step(self, max_norm: float) -> tuple[Tensor, Tensor]:
        """Have the learner's code take a step. Returns the loss and the norm, once they are known to be numbers."""
        result = self.learner.train_step(self.theirs, self.batch, self.optimizer, max_norm)
        two = isinstance(result, tuple | list) and len(result) == 2
        expect.that(two, "train_step must return two things: the loss and the norm of the gradients")
        numbers = [torch.as_tensor(value, dtype=torch.float64) for value in result]
        for number, name in zip(numbers, ("loss", "norm"), strict=True):
            expect.that(number.numel() == 1, f"the {name} must be one number, yours has {number.numel()}")
        return numbers[0].flatten()[0], numbers[1].flatten()[0]

    def weights(self) -> Tensor:
        """All weights on the learner's side, as one long vector."""
        return flat(self.theirs.state_dict().values())

    def moved(self) -> Tensor:
        """How they moved since the batch was drawn."""
        return self.weights() - self.before


def flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).double()


# --- The schedule -------------------------------------------------------------------------------------


def a_schedule(rand: Rand) -> tuple[int, int]:
    """A warm-up, and a total that is no multiple of it."""
    warmup = rand.integer(10, 60)
    return warmup, 3 * warmup + rand.integer(1, warmup - 1)


def is_near(learner: Learner, step: int, warmup: int, total: int, wanted: float, because: str) -> None:
    found = learner.warmup_cosine(step, warmup, total)
    expect.close(
        torch.tensor(found),
        torch.tensor(wanted),
        f"warmup_cosine({step}, {warmup}, {total}): {because}",
    )
