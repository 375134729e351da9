"""Day 0b · A model that learns sums."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder import expect, remote
from autograder.rand import Rand
from autograder.remote import Learner, LearnerError, Remote, build, keep
from autograder.rubric import exercise, item
from handmade.calculator import Calculator
from handmade.prelude import blame, number_to_words

# --- number_to_words ------------------------------------------------------------------------------------


@exercise("day00b.number_to_words", answer="handmade.prelude.number_to_words")
class NumberToWords:
    """Numbers in words"""

    @item(1)
    def small(learner: Learner, rand: Rand):
        """The numbers from 0 to 19 have words of their own."""
        for n in rand.permutation(20).tolist():
            says(learner, n, number_to_words(n))

    @item(1)
    def tens(learner: Learner, rand: Rand):
        """20, 30, … 90 are one word."""
        for n in (10 * rand.permutation(10)[:10]).tolist():
            if n >= 20:
                says(learner, n, number_to_words(n))

    @item(1)
    def joined(learner: Learner, rand: Rand):
        """Between the tens there are two words, with one space between them."""
        for n in (21 + rand.permutation(79)).tolist():
            if n % 10:
                says(learner, n, number_to_words(n))

    @item(1)
    def hundreds(learner: Learner, rand: Rand):
        """From 100 on it is "one hundred", and then what the rest is called, if there is a rest."""
        says(learner, 100, "one hundred")
        for rest in (1 + rand.permutation(99)).tolist():
            # What the learner calls the rest, so that a mistake in it is not counted twice.
            says(learner, 100 + rest, f"one hundred {words(learner, rest)}")

    @item(1)
    def refuses(learner: Learner, rand: Rand):
        """A number below 0 or above 199 is a ValueError."""
        for n in (rand.integer(1, 9), rand.integer(61, 69), rand.integer(101, 109)):
            known = number_to_words(n).split()[0]
            expect.that(known in words(learner, n), f'number_to_words({n}) must have the word "{known}"')
        for n in (-1, 200, -rand.integer(2, 19), rand.integer(201, 999)):
            refused(lambda n=n: learner.number_to_words(n), f"number_to_words({n})")


def words(learner: Learner, n: int) -> str:
    said = learner.number_to_words(n)
    expect.that(bool(said.strip()), f"number_to_words({n}) is empty")
    return said


def says(learner: Learner, n: int, wanted: str) -> None:
    said = learner.number_to_words(n)
    expect.that(said == wanted, f'number_to_words({n}) is "{said[:80]}", expected "{wanted}"')


def refused(call: Callable, what: str) -> None:
    """Fail unless the call raises a ValueError."""
    try:
        call()
    except LearnerError as error:
        if error.type == "ValueError":
            return
        raise
    expect.that(False, f"{what} must raise a ValueError, yours returned something")


# --- gradient_step --------------------------------------------------------------------------------------


@exercise("day00b.gradient_step", answer="handmade.prelude.gradient_step")
class GradientStep:
    """One step downhill"""

    @item(1)
    def downhill(learner: Learner, rand: Rand):
        """The weight moves against its gradient."""
        weight, gradient, lr = a_step(rand)
        moved = learner.gradient_step(weight, gradient, lr)
        expect.numbers(moved, weight.shape, of="gradient_step(weight, gradient, lr)")
        expect.that(
            correlation(moved - weight, gradient) < -0.5,
            "where the gradient is positive the weight must get smaller, where it is negative larger",
        )

    @item(1)
    def size(learner: Learner, rand: Rand):
        """It moves by lr times the gradient, no more and no less."""
        for _ in range(2):
            weight, gradient, lr = a_step(rand)
            moved = learner.gradient_step(weight, gradient, lr)
            expect.numbers(moved, weight.shape, of="gradient_step(weight, gradient, lr)")
            # Without the sign, so that a step uphill is another item's business.
            expect.close(
                (moved - weight).abs(),
                lr * gradient.abs(),
                f"each weight must move by lr = {lr:g} times its gradient",
                tolerance=1e-4,
            )

    @item(1)
    def unchanged(learner: Learner, rand: Rand):
        """Both tensors that were handed in stay as they were."""
        weight, gradient, lr = a_step(rand)
        kept = keep(learner, weight), keep(learner, gradient)
        first = learner.gradient_step(*kept, lr)
        expect.numbers(first, weight.shape, of="gradient_step(weight, gradient, lr)")
        expect.that(
            abs(correlation(first - weight, gradient)) > 0.5, "the weight must move along its gradient"
        )
        second = learner.gradient_step(*kept, lr)
        expect.close(second, first, "a second call with the very same tensors gives another result")

    @item(1, whole=True)
    def formula(learner: Learner, rand: Rand):
        """All in all: weight - lr * gradient, for any shape, for large gradients, in float32 and in float64."""
        for shape in ((), (rand.integer(2, 9),), (2, rand.integer(2, 5), 3)):
            for dtype in (torch.float32, torch.float64):
                weight, gradient = rand.normal(*shape).to(dtype), rand.normal(*shape, scale=100.0).to(dtype)
                for lr in (1.0, 0.0, rand.integer(1, 99) / 1000):
                    moved = learner.gradient_step(weight, gradient, lr)
                    expect.that(moved.dtype == dtype, f"for {dtype} weights the result is {moved.dtype}")
                    expect.close(moved, weight - lr * gradient, "the result is not weight - lr * gradient")


def a_step(rand: Rand) -> tuple[Tensor, Tensor, float]:
    """Weights, gradients and a learning rate. Many rows, so that no running sum looks like a gradient."""
    rows, columns = rand.integer(200, 220), rand.integer(2, 4)
    lr = rand.integer(20, 600) / 1000
    return rand.normal(rows, columns), rand.normal(rows, columns, scale=3.0), lr


def correlation(a: Tensor, b: Tensor) -> float:
    """From -1 to 1: 0 where two tensors have nothing to do with each other."""
    a, b = a.double().flatten(), b.double().flatten()
    if not a.any():
        return 0.0
    return float(torch.dot(a, b) / (a.norm() * b.norm()))


# --- blame ----------------------------------------------------------------------------------------------

STAGES = ("embedding", "attention", "mlp", "output")


@exercise("day00b.blame", answer="handmade.prelude.blame")
class Blame:
    """Where the gradient points"""

    @item(1)
    def shares(learner: Learner, rand: Rand):
        """The four shares sum to 1, and none is below 0."""
        for part in ("mlp", "lm_head"):
            judge_loudest(learner, rand, part)
        model, batch = a_model(rand), a_batch(rand)
        found = said(learner, there(learner, model), batch)
        expect.that(
            min(found.values()) >= 0, f"a share is a norm, or a part of one, never {min(found.values()):.3g}"
        )
        total = sum(found.values())
        expect.that(abs(total - 1) < 1e-4, f"the shares must sum to 1, yours sum to {total:.4g}")

    @item(2)
    def stages(learner: Learner, rand: Rand):
        """Each weight counts for its own stage: norms too, and the layers all."""
        for part in ("wte", "ln_1", "attn", "ln_2", "mlp", "ln_f", "lm_head"):
            judge_loudest(learner, rand, part)

    @item(2)
    def norm(learner: Learner, rand: Rand):
        """A stage has one norm: the root of the sum of all its squared gradients."""
        # One layer in which the norms' gradients are next to nothing, and only the two stages between which they
        # stand are compared: which stage the norms count for, or what the shares sum to, does not matter here.
        # Twice, with ten times as much in the mlp: one of the two ratios is far from 1, and so from its square.
        for c in (1e3, 1e4):
            model, batch = a_model(rand, n_layer=1), a_batch(rand)
            swap_scale(model, "ln_1", 1e3)
            swap_scale(model, "ln_2", c)
            attn, width = model.h[0]["attn"], SIZES["n_embd"]
            with (
                torch.no_grad()
            ):  # so that two tensors of attention, and not one alone, have a large gradient
                attn.in_proj_weight[-width:] *= 1e3
                attn.in_proj_bias[-width:] *= 1e3
                attn.out_proj.weight /= 1e3
            found, wanted = (
                shares["mlp"] / shares["attention"]
                for shares in (ratios(said(learner, there(learner, model), batch)), blame(model, *batch))
            )
            expect.that(
                abs(found / wanted - 1) < 1e-2,
                f"here the gradient of the mlp is {wanted:.4g} times as long as that of attention, by yours "
                f"{found:.4g} times: square all entries of a stage's gradients, add them up, take the root",
            )

    @item(1)
    def frozen(learner: Learner, rand: Rand):
        """A frozen stage (requires_grad=False) has no share, and the others keep their proportions."""
        model, batch = a_model(rand), a_batch(rand)
        before = ratios(said(learner, there(learner, model), batch))
        expect.that(min(before.values()) > 0, "where nothing is frozen every stage has a share")
        for stage, layer_parts in (("attention", ("ln_1", "attn")), ("mlp", ("ln_2", "mlp"))):
            theirs = there(learner, model)
            for i in range(len(model.h)):
                for part in layer_parts:
                    theirs.h[i][part].requires_grad_(False)
            after = ratios(said(learner, theirs, batch))
            expect.that(after[stage] == 0, f"the {stage} is frozen, and yet its share is {after[stage]:.3g}")
            one, other = (name for name in ("attention", "mlp", "embedding") if name != stage)
            expect.that(
                abs(after[one] / after[other] / (before[one] / before[other]) - 1) < 1e-2,
                f"freezing the {stage} must leave the proportion of {one} to {other} as it was",
            )

    @item(1)
    def traces(learner: Learner, rand: Rand):
        """It leaves no gradient in the model, and no weight changed."""
        judge_loudest(learner, rand, "mlp")
        model, batch = a_model(rand), a_batch(rand)
        theirs = there(learner, model)
        first = said(learner, theirs, batch)
        build(learner, "torch.optim.SGD", theirs.parameters(), lr=1.0).step()
        for name, weight in theirs.state_dict().items():
            expect.close(
                weight,
                model.state_dict()[name],
                f"after blame(model, idx, targets) an optimizer's step moves {name}: a gradient was left in the model",
            )
        again = said(learner, theirs, batch)
        expect.that(
            all(abs(again[stage] - first[stage]) < 1e-4 for stage in STAGES),
            "a second call with the same model and batch gives other shares",
        )

    @item(1)
    def tied(learner: Learner, rand: Rand):
        """A head that is tied to the token table is the token table: it counts once, as embedding."""
        for part in ("mlp", "lm_head", "attn"):
            judge_loudest(learner, rand, part)
        model, batch = a_model(rand, tied=True), a_batch(rand)
        swap_scale(model, "ln_f", 30.0)  # so that the last norm, which is all that is left, has little
        shares = ratios(said(learner, there(learner, model), batch))
        expect.that(
            shares["embedding"] > 0.5 and shares["output"] < 0.2,
            f"lm_head.weight is wte.weight here: nearly all belongs to the embedding, and yours gives it "
            f"{shares['embedding']:.3f} and the output {shares['output']:.3f}",
        )

    @item(2, whole=True)
    def all_in_all(learner: Learner, rand: Rand):
        """All in all: the shares of PyTorch's gradients, on models of several sizes."""
        for tied in (False, True):
            model, batch = a_model(rand, tied=tied, n_layer=rand.integer(1, 3)), a_batch(rand)
            found, wanted = said(learner, there(learner, model), batch), blame(model, *batch)
            for stage in STAGES:
                expect.that(
                    abs(found[stage] - wanted[stage]) < 2e-4,
                    f"the share of the {stage} is {found[stage]:.4f}, expected {wanted[stage]:.4f}",
                )


SIZES = {"vocab_size": 13, "block_size": 6, "n_head": 2, "n_embd": 8}


def a_model(rand: Rand, n_layer: int = 2, tied: bool = False) -> Calculator:
    """A small model in which every stage has a gradient worth the name."""
    model = Calculator(**SIZES, n_layer=n_layer, tied=tied)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(rand.normal(*weight.shape, scale=0.4))
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.weight += 1.0
    return model


def a_batch(rand: Rand) -> tuple[Tensor, Tensor]:
    T = rand.integer(3, SIZES["block_size"])
    return rand.integers(0, 12, 4, T), rand.integers(0, 12, 4, T)


def there(learner: Learner, model: Calculator) -> Remote:
    """A copy of the model on the learner's side."""
    tied = model.lm_head.weight is model.wte.weight
    return build(
        learner,
        "handmade.calculator.Calculator",
        **SIZES,
        n_layer=len(model.h),
        tied=tied,
        state=dict(model.state_dict()),
    )


def said(learner: Learner, model: Remote, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
    """What blame returns, once it is known to be four numbers by the stages' names."""
    found = learner.blame(model, *batch)
    expect.kind(found, dict, "blame(model, idx, targets)")
    expect.that(
        set(found) == set(STAGES),
        f"its keys must be {', '.join(STAGES)}, yours are {', '.join(map(str, found))}",
    )
    for stage, share in found.items():
        expect.kind(share, float, f'blame(model, idx, targets)["{stage}"]')
        expect.finite(torch.tensor(float(share)), f"the share of the {stage}")
    return found


def ratios(found: dict[str, float]) -> dict[str, float]:
    """The same with a sum of 1: whether it is, is another item's business."""
    total = sum(found.values())
    expect.that(total > 0, "all shares are 0, and yet the model has a gradient")
    return {stage: share / total for stage, share in found.items()}


def swap_scale(model: Calculator, norm: str, c: float, layers: slice = slice(None)) -> None:
    """Make a norm c times larger and what reads it c times smaller: the model computes the same.

    The norm's gradient is now c times smaller, and its reader's c times larger.
    """
    readers = {
        "ln_1": [(layer["ln_1"], layer["attn"].in_proj_weight) for layer in model.h[layers]],
        "ln_2": [(layer["ln_2"], layer["mlp"][0].weight) for layer in model.h[layers]],
        "ln_f": [(model.ln_f, model.lm_head.weight)],
    }
    with torch.no_grad():
        for scaled, reader in readers[norm]:
            scaled.weight *= c
            scaled.bias *= c
            reader /= c


LOUD = {  # how a part gets nearly all of the gradient: which norm is scaled by what; and the part's stage
    "ln_1": ("ln_1", 1e-4, "attention"),
    "attn": ("ln_1", 1e4, "attention"),
    "ln_2": ("ln_2", 1e-4, "mlp"),
    "mlp": ("ln_2", 1e4, "mlp"),
    "ln_f": ("ln_f", 1e-4, "output"),
    "lm_head": ("ln_f", 1e4, "output"),
}


def judge_loudest(learner: Learner, rand: Rand, part: str) -> None:
    """Fail unless blame finds the stage of a part that has nearly all of the gradient, in one layer."""
    if (
        part == "wte"
    ):  # a norm divides by the length of what it reads: the shorter that is, the more a change counts
        model, stage = a_model(rand, n_layer=0), "embedding"
        with torch.no_grad():
            model.wte.weight *= 0.02
            model.wpe.weight *= 0.02
    else:
        norm, c, stage = LOUD[part]
        model, first = a_model(rand), rand.integer(0, 1)
        swap_scale(model, norm, c, slice(first, first + 1))
    share = ratios(said(learner, there(learner, model), a_batch(rand)))[stage]
    expect.that(
        share > 0.8,
        f"in this model nearly all of the gradient is in {part}, so the share of the {stage} is near 1, "
        f"and by yours it is {share:.3f}",
    )


# --- exact_match ----------------------------------------------------------------------------------------

V, END = 16, 15  # the tokens of the questions are 0 to 4, those of the answers 5 to 14
Problem = tuple[list[int], list[int]]


@exercise("day00b.exact_match", answer="handmade.prelude.exact_match")
class ExactMatch:
    """Exact answers"""

    @item(2)
    def answers(learner: Learner, rand: Rand):
        """It is the share of problems answered rightly, and an answer that is partly right is not right."""
        for _ in range(2):
            problems = some_problems(rand)
            right = rand.integer(2, len(problems) - 2)
            order = rand.permutation(len(problems)).tolist()
            writes = {i: answer for i, (_, answer) in enumerate(problems)}
            for i in order[right:]:  # a wrong word at the start, and right ones after it
                writes[i] = [other(rand, writes[i][0]), *writes[i][1:]]
            found = learner.exact_match(a_writer(learner, problems, writes), problems)
            expect.that(
                abs(found - right / len(problems)) < 1e-6,
                f"{right} of {len(problems)} problems are answered rightly, which is {right / len(problems):.4f}; "
                f"yours is {found:.4f}",
            )

    @item(2)
    def to_the_end(learner: Learner, rand: Rand):
        """Every word counts, up to the token that ends the answer."""
        problems = some_problems(rand)
        right = [answer for _, answer in problems]
        all_right, once_more = (
            learner.exact_match(a_writer(learner, problems, right), problems) for _ in range(2)
        )
        expect.that(
            all_right == once_more, "the same model and problems score something else the second time"
        )
        for place in (-1, -2):
            writes = [[*answer] for answer in right]
            for answer in writes:
                answer[place] = other(rand, answer[place])
            found = learner.exact_match(a_writer(learner, problems, writes), problems)
            where = "last token, the end" if place == -1 else "last word"
            expect.that(
                found < all_right,
                f"answers that are wrong in their {where} alone score {found:.3f}, as much as right ones",
            )

    @item(1)
    def greedy(learner: Learner, rand: Rand):
        """The model writes its most probable token each time, however narrowly it wins."""
        problems = some_problems(rand)
        all_right = judge_writing(learner, rand, problems)
        narrowly = a_writer(learner, problems, [answer for _, answer in problems], margin=0.2)
        expect.that(
            abs(learner.exact_match(narrowly, problems) - all_right) < 1e-6,
            "where the right token is the most probable by a narrow margin, every answer is right",
        )

    @item(1)
    def mode(learner: Learner, rand: Rand):
        """The model runs in eval mode, and is left in the mode that it came in."""
        problems = some_problems(rand)
        judge_writing(learner, rand, problems)
        for training in (True, False):
            modes = []
            model = a_writer(learner, problems, [answer for _, answer in problems], modes=modes)
            model.train(training)
            learner.exact_match(model, problems)
            expect.that(bool(modes), "the model was never asked")
            expect.that(not any(modes), "the model was asked while in training mode: call model.eval() first")
            names = {True: "training", False: "eval"}
            expect.that(
                model.training == training,
                f"the model came in {names[training]} mode and was left in {names[not training]} mode",
            )

    @item(1)
    def nothing(learner: Learner, rand: Rand):
        """No problems at all is a ValueError."""
        problems = some_problems(rand)
        judge_writing(learner, rand, problems)
        model = a_writer(learner, problems, [answer for _, answer in problems])
        refused(lambda: learner.exact_match(model, []), "exact_match(model, [])")

    @item(2, whole=True)
    def all_in_all(learner: Learner, rand: Rand):
        """All in all: a model that errs in every way, and one problem alone."""
        problems = some_problems(rand, n=12)
        writes = [[*answer] for _, answer in problems]
        for i, answer in enumerate(writes):
            if i % 4 == 1:  # the right words in another order
                answer.reverse()
            elif i % 4 == 2:  # it stops too soon, and goes on with something else
                answer[-2:] = [END, other(rand, END)]
            elif i % 4 == 3:  # it does not stop
                answer[-1] = other(rand, END)
        expected = sum(wrote == answer for wrote, (_, answer) in zip(writes, problems, strict=True)) / 12
        found = learner.exact_match(a_writer(learner, problems, writes), problems)
        expect.that(abs(found - expected) < 1e-6, f"it is {found:.4f}, expected {expected:.4f}")
        model = a_writer(learner, problems, writes)
        for i in rand.permutation(12).tolist()[:5]:
            found, expected = learner.exact_match(model, [problems[i]]), float(writes[i] == problems[i][1])
            expect.that(
                abs(found - expected) < 1e-6, f"of one problem alone it is {found:.4f}, expected {expected}"
            )


def some_problems(rand: Rand, n: int | None = None) -> list[Problem]:
    """Questions, all different, and answers of 2 to 4 different words before the end."""
    questions = {tuple(rand.integers(0, 4, rand.integer(3, 6)).tolist()) for _ in range(40)}
    # None begins another, so that whoever reads on never meets a second question.
    questions = [q for q in sorted(questions) if not any(p != q and p == q[: len(p)] for p in questions)]
    chosen = [questions[i] for i in rand.permutation(len(questions)).tolist()][: n or rand.integer(7, 10)]
    return [(list(q), [*(5 + rand.permutation(10)[: rand.integer(2, 4)]).tolist(), END]) for q in chosen]


def other(rand: Rand, token: int) -> int:
    """Another token of an answer."""
    return 5 + (token - 5 + rand.integer(1, 9)) % 10


def a_writer(
    learner: Learner, problems: list[Problem], writes, margin: float = 60.0, modes: list | None = None
) -> Remote:
    """A model that after the i-th question writes writes[i], whatever it was made to write before.

    The token that it writes leads all others by `margin`. In `modes` it notes whether it was training when asked.
    """
    scripts = {tuple(question): writes[i] for i, (question, _) in enumerate(problems)}

    def forward(idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, None]:
        if modes is not None:
            modes.append(model.training)
        logits = torch.zeros(*idx.shape, V)
        for row, line in enumerate(idx.tolist()):
            for question, script in scripts.items():
                if tuple(line[: len(question)]) == question:
                    for place in range(len(question), len(line) + 1):
                        word = script[place - len(question)] if place - len(question) < len(script) else 0
                        logits[row, place - 1, word] = margin
        return logits, None

    model = remote.model(learner, forward)
    return model


def judge_writing(learner: Learner, rand: Rand, problems: list[Problem]) -> float:
    """Fail unless right answers score more than wrong ones. Returns what right ones score."""
    right = [answer for _, answer in problems]
    wrong = [[other(rand, token) for token in answer] for answer in right]
    all_right, none_right = (
        learner.exact_match(a_writer(learner, problems, writes), problems) for writes in (right, wrong)
    )
    expect.that(all_right > none_right, f"right answers score {all_right:.3f}, wrong ones {none_right:.3f}")
    return all_right
