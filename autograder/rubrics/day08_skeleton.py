"""Day 8 · Configuration and skeleton: the hidden checks."""

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, build, model, refused
from autograder.rubric import exercise, item

SIZES = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd")


@exercise("day08.GPTConfig", answer="handmade.model.GPTConfig")
class Config:
    """The configuration"""

    @item(2)
    def head_size(learner: Learner, rand: Rand):
        """head_size is n_embd divided by n_head: a whole number, read like a field."""
        for _ in range(3):
            sizes = some_sizes(rand)
            config = learner.GPTConfig(**sizes)
            size, wanted = config.head_size, sizes["n_embd"] // sizes["n_head"]
            said = f"n_embd {sizes['n_embd']} and n_head {sizes['n_head']}"
            expect.that(
                not isinstance(size, Remote),
                f"for {said}, config.head_size is no number: is it a method that wants to be called? "
                "A property is read like a field",
            )
            expect.that(
                type(size) is int and size == wanted, f"for {said}, head_size is {size!r}, expected {wanted}"
            )

    @item(2)
    def sizes(learner: Learner, rand: Rand):
        """Each size must be a whole number, 1 or more; else it is a ValueError that names the field."""
        cases = []
        for name in SIZES:
            good = accepted(learner, rand)
            for bad in (0, -rand.integer(1, 9), rand.integer(1, 9) + 0.5, None):
                cases.append(((name,), good | {name: bad}))
        all_refused(learner, cases)

    @item(2)
    def heads(learner: Learner, rand: Rand):
        """n_embd must be a multiple of n_head; else it is a ValueError that names one of them."""
        good = accepted(learner, rand)
        expect.that(
            learner.GPTConfig(**good | {"n_head": 8, "n_embd": 8}).n_embd == 8,
            "8 heads of one channel each must be allowed",
        )
        n_head = rand.integer(4, 9)
        # One too many, several too many, and fewer channels than heads.
        cases = [(n_head, n_head * rand.integer(2, 9) + more) for more in (1, rand.integer(2, n_head - 1))]
        cases.append((n_head, rand.integer(2, n_head - 1)))
        both_named = ("n_head", "n_embd")
        all_refused(
            learner, [(both_named, good | dict(zip(both_named, sizes, strict=True))) for sizes in cases]
        )

    @item(1)
    def dropout(learner: Learner, rand: Rand):
        """dropout is at least 0 and less than 1; else it is a ValueError that names it."""
        good = accepted(learner, rand)
        for right in (0.0, 0.999):
            kept = learner.GPTConfig(**good | {"dropout": right}).dropout
            expect.that(kept == right, f"dropout {right} must be allowed, and kept; yours is {kept!r}")
        bad = (1.0, -0.1, 1.0 + rand.integer(1, 20))
        all_refused(learner, [(("dropout",), good | {"dropout": value}) for value in bad])


def some_sizes(rand: Rand) -> dict[str, int]:
    """Good ones."""
    n_head = rand.integer(2, 9)
    return {
        "vocab_size": rand.integer(10, 99),
        "block_size": rand.integer(5, 40),
        "n_layer": rand.integer(1, 9),
        "n_head": n_head,
        "n_embd": n_head * rand.integer(2, 20),
    }


def accepted(learner: Learner, rand: Rand) -> dict[str, int]:
    """Good sizes, once it is seen that the learner's class takes and keeps them: to refuse everything is no work."""
    sizes = some_sizes(rand)
    config = learner.GPTConfig(**sizes)
    for name, value in sizes.items():
        kept = getattr(config, name)
        expect.that(kept == value, f"{name}={value} was given, and config.{name} is {kept!r}")
    return sizes


def all_refused(learner: Learner, cases: list[tuple[tuple[str, ...], dict]]) -> None:
    """Fail unless each config is refused with a message that holds one of the names. All are asked before one fails:
    which are refused tells one mistake from another."""
    failures = []
    for any_of, fields in cases:
        shown = f"GPTConfig({', '.join(f'{name}={fields[name]!r}' for name in any_of)})"
        try:
            message = refused(lambda fields=fields: learner.GPTConfig(**fields), shown)
            expect.that(
                any(name in message for name in any_of),
                f"{shown} is refused, but the message does not name {' or '.join(any_of)}: “{message[:80]}”",
            )
        except expect.Failed as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


@exercise("day08.GPTSkeleton", answer="handmade.model.GPTSkeleton")
class Skeleton:
    """The skeleton"""

    @item(1)
    def names(learner: Learner, rand: Rand):
        """Its weights are called and shaped as GPT-2's are; the final norm has a bias where the config says so."""
        made = {bias: Made(learner, rand, bias=bias) for bias in (True, False)}
        states = {bias: each.skeleton.state_dict() for bias, each in made.items()}
        for bias, state in states.items():
            wanted = {name: tuple(value.shape) for name, value in made[bias].weights.items()}
            found = {name: tuple(value.shape) for name, value in state.items()}
            for name, shape in wanted.items():
                expect.that(name in found, f"with bias={bias} there must be a weight called {name}")
                expect.that(found[name] == shape, f"{name} is {found[name]}, expected {shape}")
            extra = sorted(found.keys() - wanted.keys())
            expect.that(not extra, f"with bias={bias} there must be no weight called {', '.join(extra[:3])}")

    @item(2)
    def embeddings(learner: Learner, rand: Rand):
        """A position starts as its token's row plus its place's row, counted from 0, for any length."""
        made = Made(learner, rand)
        block_size = made.sizes["block_size"]
        for T in (1, rand.integer(2, block_size - 2), block_size - 1):
            idx = rand.integers(0, made.sizes["vocab_size"] - 1, 3, T)
            entered = made.what_enters(idx)
            wanted = F.embedding(idx, made.weights["transformer.wte.weight"])
            wanted = wanted + made.weights["transformer.wpe.weight"][:T]
            expect.close(entered, wanted, f"what enters the first block is not wte + wpe, for {T} tokens")

    @item(2)
    def blocks(learner: Learner, rand: Rand):
        """There are n_layer blocks, and each works on what the one before it left."""
        made = Made(learner, rand)
        n_layer = made.sizes["n_layer"]
        found = len(made.skeleton.transformer.h)
        expect.that(found == n_layer, f"n_layer is {n_layer}, and transformer.h has {found} blocks")
        idx = rand.integers(0, made.sizes["vocab_size"] - 1, 2, rand.integer(2, 4))
        came: list[Tensor] = []
        left: list[Tensor] = []

        def block(x: Tensor) -> Tensor:
            came.append(x)
            left.append(x * (2.0 + len(left)) + 1.0)
            return left[-1]

        # In the module list, block i is the one that runs as the i-th.
        order: list[int] = []
        for place in range(n_layer):
            made.replace(place, lambda x, place=place: order.append(place) or block(x))
        made.skeleton(idx)
        expect.that(
            order == list(range(n_layer)),
            f"the blocks ran in the order {order}, expected {list(range(n_layer))}",
        )
        for i in range(1, n_layer):
            expect.close(came[i], left[i - 1], f"block {i} is not given what block {i - 1} left")

    @item(2)
    def head(learner: Learner, rand: Rand):
        """After the blocks come the final norm and the head: logits for every position, and no loss."""
        made = Made(learner, rand)
        B, T = rand.integer(2, 4), rand.integer(2, made.sizes["block_size"] - 1)
        C = made.sizes["n_embd"]
        x = rand.normal(B, T, C)
        made.replace_all(lambda _: x)
        logits, loss = both(made.skeleton(rand.integers(0, made.sizes["vocab_size"] - 1, B, T)))
        weights = made.weights
        x = F.layer_norm(x, (C,), weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"])
        wanted = x @ weights["lm_head.weight"].T
        expect.numbers(logits, wanted.shape, of="logits")
        expect.close(logits, wanted, "the logits are not lm_head(ln_f(x)) of what the last block left", 1e-4)
        expect.that(loss is None, "without targets the loss must be None")

    @item(1)
    def too_long(learner: Learner, rand: Rand):
        """More than block_size tokens are a ValueError that names block_size; exactly block_size are not."""
        made = Made(learner, rand)
        block_size, V = made.sizes["block_size"], made.sizes["vocab_size"]
        entered = made.what_enters(rand.integers(0, V - 1, 1, block_size))
        expect.that(
            float(entered.std()) > 0.1, "for exactly block_size tokens the first block is given nothing"
        )
        for longer in (1, rand.integer(2, 9)):
            idx = rand.integers(0, V - 1, 1, block_size + longer)
            message = refused(
                lambda idx=idx: made.skeleton(idx), f"{block_size + longer} tokens, block_size {block_size},"
            )
            expect.that("block_size" in message, f"the message does not name block_size: “{message[:80]}”")

    @item(2)
    def loss(learner: Learner, rand: Rand):
        """With targets, the loss is the mean cross-entropy over all positions whose target is not -1."""
        made = Made(learner, rand)
        V = made.sizes["vocab_size"]
        B, T = rand.integer(2, 4), rand.integer(3, made.sizes["block_size"] - 1)
        idx, targets = rand.integers(0, V - 1, B, T), rand.integers(0, V - 1, B, T)
        for ignored in (0, 2):
            targets[0, :ignored] = -1
            logits, loss = both(made.skeleton(idx, targets))
            expect.numbers(logits, (B, T, V), of="logits")
            expect.that(float(logits.std()) > 1e-4, "the logits are all alike")
            # Of the learner's own logits: what is in them is another item's business.
            wanted = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
            expect.that(isinstance(loss, Tensor), "with targets the loss must be a tensor")
            expect.close(loss, wanted, f"with {ignored} targets of -1 the loss is wrong", 1e-4)

    @item(1, whole=True)
    def all_of_it(learner: Learner, rand: Rand):
        """All in all: the logits and the loss of a skeleton of our own with the same weights."""
        made = Made(learner, rand)
        B, T = rand.integer(2, 5), rand.integer(2, made.sizes["block_size"] - 1)
        idx = rand.integers(0, made.sizes["vocab_size"] - 1, B, T)
        targets = rand.integers(0, made.sizes["vocab_size"] - 1, B, T)
        logits, loss = both(made.skeleton(idx, targets))
        ours, our_loss = made.reference(idx, targets)
        expect.close(logits, ours, "the logits differ from our skeleton's", 1e-4)
        expect.close(loss, our_loss, "the loss differs from our skeleton's", 1e-4)


class Made:
    """A learner's skeleton with weights of ours, so that what it computes is known."""

    def __init__(self, learner: Learner, rand: Rand, bias: bool = True) -> None:
        self.learner, self.sizes = learner, some_sizes(rand) | {"n_layer": rand.integer(3, 5)}
        config = build(learner, "handmade.model.GPTConfig", **self.sizes, bias=bias)
        self.skeleton = learner.GPTSkeleton(config)
        V, T, C = (self.sizes[name] for name in ("vocab_size", "block_size", "n_embd"))
        self.weights = {
            "transformer.wte.weight": rand.normal(V, C),
            "transformer.wpe.weight": rand.normal(T, C),
            "transformer.ln_f.weight": rand.normal(C),
            "transformer.ln_f.bias": rand.normal(C),
            "lm_head.weight": rand.normal(V, C),
        }
        if not bias:
            del self.weights["transformer.ln_f.bias"]
        # A bias of the head, which should not be there, is zero for all other items.
        self.skeleton.load_state_dict(self.weights | {"lm_head.bias": torch.zeros(V)}, False)

    def replace(self, i: int, function) -> None:
        self.skeleton.transformer.h.assign(str(i), model(self.learner, function))

    def replace_all(self, function) -> None:
        for i in range(len(self.skeleton.transformer.h)):
            self.replace(i, function)

    def what_enters(self, idx: Tensor) -> Tensor:
        """What the blocks are given, whichever runs first."""
        came: list[Tensor] = []
        self.replace_all(lambda x: came.append(x) or x)
        self.skeleton(idx)
        expect.that(bool(came), "no block of transformer.h was called")
        expect.numbers(came[0], (*idx.shape, self.sizes["n_embd"]), of="what enters the first block")
        return came[0]

    def reference(self, idx: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        w = self.weights
        x = w["transformer.wte.weight"][idx] + w["transformer.wpe.weight"][: idx.shape[1]]
        x = F.layer_norm(x, x.shape[-1:], w["transformer.ln_f.weight"], w["transformer.ln_f.bias"])
        logits = x @ w["lm_head.weight"].T
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def both(returned: object) -> tuple[Tensor, Tensor | None]:
    """The pair that a model returns."""
    expect.that(
        isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[0], Tensor),
        "the skeleton must return two things: logits, loss",
    )
    return returned
