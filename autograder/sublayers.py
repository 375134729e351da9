"""For rubrics of modules: weights of ours in a learner's layer, and a learner's block around sublayers of ours.

    layer.load_state_dict(random_state(rand, shapes(learner.FeedForward(16))))
    y, for_attention, for_feed_forward = through(learner, x, silent, silent)

A new layer draws its weights. They are replaced by ours, so that two runs, and a learner's answer and a known wrong
one, can be compared; and of theirs only the shapes are read.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, model

Shapes = dict[str, tuple[int, ...]]
State = dict[str, Tensor]
Sublayer = Callable[[Tensor], Tensor]

# --- Weights ------------------------------------------------------------------------------------------


def shapes(module: Remote) -> Shapes:
    """The shapes of a module's parameters, by name. The module is of no use afterwards."""
    return {name: tuple(value.shape) for name, value in module.to("meta").state_dict().items()}


def random_state(rand: Rand, form: Shapes) -> State:
    """Random weights of these shapes; matrices such that what passes neither swells nor shrinks."""
    return {
        name: rand.normal(*shape, scale=shape[-1] ** -0.5 if len(shape) == 2 else 1.0)
        for name, shape in form.items()
    }


def check_gradient(module: Remote, x: Tensor, rand: Rand) -> None:
    """Compare the gradient at x with the slope of the module's own output along random directions."""
    module, x = module.double(), x.double()
    cotangent = rand.normal(*x.shape).double()
    output, (gradient,) = module.gradients(x, cotangent=cotangent)
    expect.numbers(output, x.shape, of="the result")
    expect.that(gradient is not None, "no gradient reaches what came in: is it detached, or under no_grad?")
    expect.numbers(gradient, x.shape, of="the gradient")
    for _ in range(3):
        direction, step = rand.normal(*x.shape).double(), 1e-4
        ahead, behind = (module(x + sign * step * direction) for sign in (1, -1))
        slope = ((ahead - behind) * cotangent).sum() / (2 * step)
        along = (gradient * direction).sum()
        because = "the gradient is not the slope of the result: is a part detached?"
        expect.close(along, slope, because, tolerance=1e-3)


# --- Sublayers ----------------------------------------------------------------------------------------


def an_input(rand: Rand, *batch: int) -> Tensor:
    """(B, T, d_model), neither of mean 0 nor of variance 1 at any position."""
    batch = batch or (2, rand.integer(3, 6))
    return rand.normal(*batch, rand.integer(12, 24), scale=3.0) + 4.0


def silent(x: Tensor) -> Tensor:
    """A sublayer that has nothing to say."""
    return torch.zeros_like(x)


def with_stubs(
    learner: Learner, d_model: int, attention: Sublayer, feed_forward: Sublayer
) -> tuple[Remote, list[tuple[str, Tensor]]]:
    """A block around two sublayers of ours, and the list in which these write down what they are given."""
    given = []

    def stub(name: str, sublayer: Sublayer) -> Remote:
        def forward(x: Tensor) -> Tensor:
            expect.kind(x, Tensor, of=f"what stands before the {name}")
            given.append((name, x))
            return sublayer(x)

        return model(learner, forward)

    stubs = stub("attention", attention), stub("feed-forward", feed_forward)
    return learner.TransformerBlock(d_model, *stubs), given


def through(
    learner: Learner, x: Tensor, attention: Sublayer, feed_forward: Sublayer, state: State | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What a block around these sublayers returns, and what it gives to its attention and its feed-forward."""
    block, given = with_stubs(learner, x.shape[-1], attention, feed_forward)
    if state:
        block.load_state_dict(state)
    y = block(x)
    expect.numbers(y, x.shape, of="the block's output")
    seen = []
    for name in ("attention", "feed-forward"):
        inputs = [x for called, x in given if called == name]
        expect.that(len(inputs) == 1, f"the {name} was called {len(inputs)} times, expected once")
        expect.numbers(inputs[0], x.shape, of=f"what the {name} is given")
        seen += inputs
    return y, *seen


def hears(learner: Learner, rand: Rand) -> None:
    """Fail unless it is a block at all: its result follows what both sublayers return, and nothing else."""
    x = an_input(rand)
    one, other = rand.normal(*x.shape), rand.normal(*x.shape)
    first, _, _ = through(learner, x, lambda _: one, lambda x: x)
    again, _, _ = through(learner, x, lambda _: one, lambda x: x)
    expect.close(again, first, "a second block of the same sublayers gives another result")
    for name, *sublayers in (
        ("attention", lambda _: other, lambda x: x),
        ("feed-forward", lambda _: one, lambda _: other),
    ):
        y, _, _ = through(learner, x, *sublayers)
        expect.that(
            not torch.allclose(y, first, atol=1e-3),
            f"what the {name} returns makes no difference to the result",
        )
