"""Day 5 · The shape of a GPT."""

from collections.abc import Callable

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, build
from autograder.rubric import exercise, item
from autograder.sublayers import (
    Shapes,
    State,
    an_input,
    check_gradient,
    hears,
    random_state,
    shapes,
    silent,
    through,
    with_stubs,
)

META = torch.device("meta")  # what is only counted needs no memory


@exercise("day05.FeedForward", answer="handmade.tiny.FeedForward")
class FeedForwardLayer:
    """The feed-forward layer"""

    @item(2)
    def widths(learner: Learner, rand: Rand):
        """It has two layers: one widens to expansion times d_model, 4 times unless told otherwise, one narrows back."""
        d, e = sizes(rand)
        for wanted, form in (
            (e, shapes(learner.FeedForward(d, expansion=e))),
            (4, shapes(learner.FeedForward(d))),
        ):
            found = [tuple(shape) for shape in form.values() if len(shape) == 2]
            hidden = [max(shape) if min(shape) == d else min(shape) for shape in found]
            expect.that(len(found) == 2, f"it has {len(found)} weight matrices, expected 2")
            expect.that(
                all(sorted(shape) == [d, wanted * d] for shape in found),
                f"with d_model={d} and {'no expansion given' if wanted == 4 else f'expansion={e}'} the hidden layer "
                f"is {hidden[0]} wide, expected {wanted * d}",
            )

    @item(1)
    def biases(learner: Learner, rand: Rand):
        """Both layers have a bias."""
        d, e = sizes(rand)
        form = shapes(learner.FeedForward(d, e))
        matrices, vectors = ([s for s in form.values() if len(s) == n] for n in (2, 1))
        expect.that(bool(matrices), "it has no weight matrices")
        expect.that(
            len(vectors) >= len(matrices), f"{len(matrices)} layers have {len(vectors)} biases among them"
        )

    @item(1)
    def positions(learner: Learner, rand: Rand):
        """Each position is treated by itself: alone it gets what it gets in a sequence."""
        layer, x, _ = loaded(learner, rand)
        together = layer(x)
        for t in range(x.shape[1]):
            expect.close(
                layer(x[:, t : t + 1]), together[:, t : t + 1], "alone, a position gets another result"
            )

    @item(2)
    def bend(learner: Learner, rand: Rand):
        """There is a bend between the layers: two straight layers would be no more than one."""
        layer, x, _ = loaded(learner, rand)
        there, back, middle = layer(x), layer(-x), layer(torch.zeros_like(x))
        # On a straight line zero lies half-way between x and -x.
        bent = (there + back - 2 * middle).abs().max()
        expect.that(bool(bent > 1e-3), "its outputs for x, 0 and -x lie on a straight line: nothing is bent")

    @item(1)
    def alone(learner: Learner, rand: Rand):
        """It returns only what is to be added: where all weights are 0, it returns 0."""
        layer, x, form = loaded(learner, rand)
        layer.load_state_dict({name: torch.zeros(shape) for name, shape in form.items()})
        expect.close(
            layer(x),
            torch.zeros_like(x),
            "with all weights 0 it must return 0: the block adds x, not this layer",
        )

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """Gradients flow back to what came in."""
        layer, x, _ = loaded(learner, rand)
        check_gradient(layer, x, rand)

    @item(2, whole=True)
    def pytorch(learner: Learner, rand: Rand):
        """All in all: widen, GELU, narrow, for any batch."""
        for batch in ((1, 1), (rand.integer(2, 4), rand.integer(5, 9))):
            d, e = sizes(rand)
            layer, x = learner.FeedForward(d, e), rand.normal(*batch, d)
            state = random_state(rand, shapes(learner.FeedForward(d, e)))
            peers = [peer(x) for peer in readings(state, d, e)]
            expect.that(
                bool(peers), "its weights are not two matrices and two biases of the widths asked for"
            )
            layer.load_state_dict(state)
            output = layer(x)
            expect.numbers(output, x.shape, of="FeedForward's output")
            nearest = min(peers, key=lambda wanted: float((output - wanted).abs().max()))
            # GELU's tanh form, which GPT-2 has, will do: it differs by less than 5e-4.
            because = "the output is not that of its own weights: widen, then GELU, then narrow"
            expect.close(output, nearest, because, tolerance=5e-3)


@exercise("day05.TransformerBlock", answer="handmade.tiny.TransformerBlock")
class Block:
    """The transformer block"""

    @item(2)
    def around(learner: Learner, rand: Rand):
        """A road leads around each sublayer: where both return 0, the input still comes out."""
        hears(learner, rand)
        x = an_input(rand)
        y, _, _ = through(learner, x, silent, silent)
        expect.close(
            F.layer_norm(y, y.shape[-1:]),  # whether it was normalised or halved on its way is not asked here
            F.layer_norm(x, x.shape[-1:]),
            "with sublayers that return 0 the input does not get through: what they return must be added to it",
            tolerance=1e-2,
        )

    @item(2)
    def road(learner: Learner, rand: Rand):
        """Nothing normalises the road itself: with silent sublayers, ten times the input gives ten times the output."""
        hears(learner, rand)
        x = an_input(rand)
        once, _, _ = through(learner, x, silent, silent)
        ten_times, _, _ = through(learner, 10 * x, silent, silent)
        expect.close(
            ten_times,
            10 * once,
            "with sublayers that return 0, ten times the input must give ten times the output: norms belong before "
            "the sublayers, not on the road around them",
            tolerance=1e-3,
        )

    @item(2)
    def norms(learner: Learner, rand: Rand):
        """Each sublayer is given normalised vectors: at each position a mean of 0 and a variance of 1."""
        hears(learner, rand)
        x = an_input(rand)
        answer = rand.normal(*x.shape, scale=2.0)
        _, for_attention, for_feed_forward = through(learner, x, lambda _: answer, silent)
        for name, given in (("attention", for_attention), ("feed-forward", for_feed_forward)):
            mean, variance = given.mean(-1), given.var(-1, correction=0)
            said = f"the {name} is given vectors with a mean of {mean.flatten()[0]:.2f} and a variance of "
            said += (
                f"{variance.flatten()[0]:.2f} (at the first position); a norm before it makes that 0 and 1"
            )
            expect.that(bool(((mean.abs() < 0.01) & ((variance - 1).abs() < 0.01)).all()), said)

    @item(2)
    def order(learner: Learner, rand: Rand):
        """Attention comes first, and the feed-forward works on what attention has added."""
        hears(learner, rand)
        x = an_input(rand)
        answer = rand.normal(*x.shape, scale=2.0)
        _, before, given = through(learner, x, lambda _: answer, silent)
        _, _, given_otherwise = through(learner, x, lambda _: -answer, silent)
        _, after, _ = through(learner, x, lambda _: answer, lambda _: 3 * answer)
        expect.that(
            not torch.allclose(given, given_otherwise, atol=1e-3),
            "what the attention returns makes no difference to what the feed-forward is given",
        )
        expect.close(
            after, before, "what the feed-forward returns must not reach the attention of the same block"
        )

    @item(1)
    def own_norms(learner: Learner, rand: Rand):
        """Each sublayer has a norm of its own, with weights of its own."""
        hears(learner, rand)
        x = an_input(rand)
        state = random_state(rand, shapes(with_stubs(learner, x.shape[-1], silent, silent)[0]))
        _, for_attention, for_feed_forward = through(learner, x, silent, silent, state)
        expect.that(
            not torch.allclose(for_attention, for_feed_forward, atol=1e-3),
            "all weights of the block were set to random numbers, and still both sublayers are given the same (the "
            "attention had returned 0): the norms have no weights, or share them",
        )

    @item(1)
    def parameters(learner: Learner, rand: Rand):
        """The weights of both sublayers are among the block's own, so that an optimizer finds them."""
        hears(learner, rand)
        d = rand.integer(6, 20)
        sublayers = [build(learner, "torch.nn.Linear", d, d) for _ in range(2)]
        form = shapes(learner.TransformerBlock(d, *sublayers))
        found = list(form.values()).count((d, d))
        expect.that(
            found == 2,
            f"each sublayer has one weight matrix, and of the two {found} can be found with block.parameters()",
        )

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """Gradients flow back to what came in, through both sublayers and around them."""
        hears(learner, rand)
        x = an_input(rand)
        d = x.shape[-1]
        form = {"weight": (d, d), "bias": (d,)}
        sublayers = [  # in float64 from the start: a block that has lost sight of them does not convert them
            build(learner, "torch.nn.Linear", d, d, state=random_state(rand, form)).double() for _ in range(2)
        ]
        check_gradient(learner.TransformerBlock(d, *sublayers), x, rand)

    @item(2, whole=True)
    def equations(learner: Learner, rand: Rand):
        """All in all: h = x + attention(norm(x)), then h + feed_forward(norm(h))."""
        for batch in ((1, 1), (rand.integer(2, 3), rand.integer(4, 7))):
            x = an_input(rand, *batch)
            one, two = rand.normal(*x.shape, scale=2.0), rand.normal(*x.shape, scale=2.0)
            y, for_attention, for_feed_forward = through(learner, x, lambda _, a=one: a, lambda _, f=two: f)
            d = x.shape[-1:]
            expect.close(for_attention, F.layer_norm(x, d), "the attention must be given norm(x)", 1e-3)
            expect.close(
                for_feed_forward, F.layer_norm(x + one, d), "the feed-forward must be given norm(h)", 1e-3
            )
            expect.close(y, x + one + two, "the block must return x + attention(...) + feed_forward(...)")


@exercise("day05.count_block_params", answer="handmade.tiny.count_block_params")
class BlockCount:
    """The parameters of a block"""

    # A count is a sum of parts. Differences of counts, in which all other parts cancel, show one part alone.

    @item(1)
    def attention(learner: Learner, rand: Rand):
        """Attention has four matrices of d_model by d_model."""
        d = rand.integer(20, 200)

        def quadratic(expansion: int) -> float:
            """How many times d² there is, by the second difference over d: norms and biases cancel."""
            count = [learner.count_block_params(d * n, expansion, False) for n in (1, 2, 3)]
            return (count[2] - 2 * count[1] + count[0]) / (2 * d * d)

        with_4, with_5 = quadratic(4), quadratic(5)
        without = with_4 - 4 * (with_5 - with_4)  # what is left for an expansion of 0
        # Where the expansion makes no difference, all that can be asked is that 4 + 8 is right for 4.
        expect.that(
            without == 4 or with_4 == 12,
            f"beside the feed-forward, a block has {without:g} matrices of d_model by d_model, expected 4: "
            "q, k, v and output",
        )

    @item(1)
    def feed_forward(learner: Learner, rand: Rand):
        """The feed-forward has two matrices: each step of the expansion adds 2 · d_model² weights."""
        d, e = rand.integer(20, 200), rand.integer(1, 7)

        def more(d_model: int) -> int:
            return learner.count_block_params(d_model, e + 1, False) - learner.count_block_params(
                d_model, e, False
            )

        matrices = (more(2 * d) - 2 * more(d)) / (2 * d * d)  # biases, which should not be there, cancel
        expect.that(
            matrices == 2,
            f"an expansion of {e + 1} in place of {e} adds {matrices:g} · d_model² weights, expected 2 · d_model²",
        )

    @item(1)
    def norms(learner: Learner, rand: Rand):
        """Two norms have a weight for each channel, also where there are no biases."""
        d = rand.integer(20, 200)
        once, twice = (learner.count_block_params(n * d, 4, False) for n in (1, 2))
        vectors = (4 * once - twice) / (2 * d)  # the matrices cancel: they grow four times
        expect.that(
            vectors == 2,
            f"without biases, what is no matrix comes to {vectors:g} · d_model, expected 2 · d_model: the weights of "
            "two norms",
        )

    @item(2)
    def biases(learner: Learner, rand: Rand):
        """With bias=True each output of a layer has one more number, and so has each channel of a norm."""
        d = rand.integer(20, 200)
        with_biases, without = (learner.count_block_params(d, 4, bias) for bias in (True, False))
        expect.that(
            with_biases - without == 11 * d,
            f"with an expansion of 4, the biases come to {(with_biases - without) / d:g} · d_model, expected 11: "
            "4 in attention, 4 + 1 in the feed-forward, 2 in the norms",
        )

    @item(2, whole=True)
    def modules(learner: Learner, rand: Rand):
        """All in all: what PyTorch counts in blocks of many sizes."""
        for d, options in (
            (768, {}),
            (rand.integer(8, 300), {"expansion": rand.integer(1, 3)}),
            (rand.integer(8, 300), {"expansion": rand.integer(5, 8), "bias": True}),
            (rand.integer(8, 300), {"expansion": rand.integer(1, 8), "bias": False}),
        ):
            count = learner.count_block_params(d, **options)
            wanted = size_of(a_block(d, **options))
            expect.that(
                count == wanted,
                f"count_block_params({arguments(d, **options)}) is {count:,}, such a block has {wanted:,}",
            )


@exercise("day05.count_gpt_params", answer="handmade.tiny.count_gpt_params")
class GPTCount:
    """The parameters of a GPT"""

    @item(1)
    def tied(learner: Learner, rand: Rand):
        """With a tied head, one token more costs d_model numbers: its row in the one table."""
        sizes = some_sizes(rand)
        more = step(learner, sizes, "vocab_size", tied=True)
        d = sizes["d_model"]
        expect.that(
            more == d,
            f"with a tied head and d_model={d}, one token more adds {more:,} parameters, expected {d:,}",
        )

    @item(1)
    def untied(learner: Learner, rand: Rand):
        """A head of its own has vocab_size times d_model weights, and no bias."""
        sizes = some_sizes(rand)
        bias = bool(rand.integer(0, 1))
        own, tied = (learner.count_gpt_params(**sizes, bias=bias, tied=tied) for tied in (False, True))
        head = sizes["vocab_size"] * sizes["d_model"]
        expect.that(
            own - tied == head,
            f"tied=False adds {own - tied:,} parameters, expected vocab_size · d_model = {head:,}",
        )

    @item(1)
    def places(learner: Learner, rand: Rand):
        """One more position in the context costs d_model numbers."""
        sizes = some_sizes(rand)
        more, d = step(learner, sizes, "block_size"), sizes["d_model"]
        expect.that(
            more == d, f"with d_model={d}, one position more adds {more:,} parameters, expected {d:,}"
        )

    @item(2)
    def blocks(learner: Learner, rand: Rand):
        """One more layer costs what its block has, whatever the expansion, with biases and without."""
        for bias in (True, False):
            sizes = some_sizes(rand)
            more = step(learner, sizes, "n_layer", bias=bias)
            d, e = sizes["d_model"], sizes["expansion"]
            wanted = size_of(a_block(d, e, bias))
            expect.that(
                more == wanted,
                f"one layer more with {arguments(d_model=d, expansion=e, bias=bias)} adds {more:,} parameters, its "
                f"block has {wanted:,}",
            )

    @item(1)
    def last_norm(learner: Learner, rand: Rand):
        """After the last block comes one more norm."""
        for bias in (True, False):
            sizes = some_sizes(rand)
            # The parts that grow are taken off, each as large as it was counted. (A head that has been counted grows
            # with the vocabulary, as the table does.)
            rest = learner.count_gpt_params(**sizes, bias=bias, tied=True)
            for name in ("vocab_size", "block_size", "n_layer"):
                rest -= sizes[name] * step(learner, sizes, name, bias=bias)
            wanted = (2 if bias else 1) * sizes["d_model"]
            expect.that(
                rest == wanted,
                f"beside tables and blocks there are {rest:,} parameters with {arguments(bias=bias)}, expected "
                f"{wanted:,}: the last norm",
            )

    @item(2, whole=True)
    def modules(learner: Learner, rand: Rand):
        """All in all: what PyTorch counts in models of many sizes. GPT-2 small has 124,439,808."""
        count = learner.count_gpt_params(50257, 1024, 12, 768)
        expect.that(count == 124_439_808, f"for GPT-2 small you count {count:,}, expected 124,439,808")
        for bias in (True, False):
            for tied in (True, False):
                sizes = some_sizes(rand)
                count = learner.count_gpt_params(**sizes, bias=bias, tied=tied)
                wanted = size_of(a_gpt(**sizes, bias=bias, tied=tied))
                expect.that(
                    count == wanted,
                    f"count_gpt_params({arguments(**sizes, bias=bias, tied=tied)}) is {count:,}, such a model has "
                    f"{wanted:,}",
                )


# --- Feed-forward layers ------------------------------------------------------------------------------


def sizes(rand: Rand) -> tuple[int, int]:
    """A width, and an expansion other than 4."""
    e = (2, 3, 5)[rand.integer(0, 2)]
    return e * rand.integer(2, 5), e


def loaded(learner: Learner, rand: Rand) -> tuple[Remote, Tensor, Shapes]:
    """A layer with weights of ours, an input for it and its weights' shapes.

    Fails unless the same weights give the same result, and others another.
    """
    d, e = sizes(rand)
    layer, x = learner.FeedForward(d, e), rand.normal(2, rand.integer(4, 7), d)
    form = shapes(learner.FeedForward(d, e))
    expect.that(
        bool(form), "it has no weights: layers kept in a Python list or made in forward are not found"
    )
    state = random_state(rand, form)
    results = []
    for weights in (random_state(rand, form), state, state):
        layer.load_state_dict(weights)
        results.append(layer(x))
        expect.numbers(results[-1], x.shape, of="FeedForward's output")
    other, first, second = results
    expect.close(second, first, "a second call gives another result")
    expect.that(not torch.allclose(other, first, atol=1e-3), "its weights make no difference to its result")
    return layer, x, form


def readings(state: State, d: int, e: int) -> list[Callable[[Tensor], Tensor]]:
    """The functions that these weights can stand for: matrices are (out, in), as nn.Linear's are, or (in, out)."""
    matrices = {tuple(w.shape): w for w in state.values() if w.dim() == 2}
    vectors = {tuple(w.shape): w for w in state.values() if w.dim() == 1}
    if set(matrices) != {(e * d, d), (d, e * d)} or set(vectors) != {(e * d,), (d,)}:
        return []
    first, second = matrices[e * d, d], matrices[d, e * d]
    return [
        lambda x, widen=widen, narrow=narrow: F.linear(
            F.gelu(F.linear(x, widen, vectors[(e * d,)])), narrow, vectors[(d,)]
        )
        for widen, narrow in ((first, second), (second.T, first.T))
    ]


# --- Counts -------------------------------------------------------------------------------------------


def some_sizes(rand: Rand) -> dict[str, int]:
    """The sizes of a GPT, as the arguments of count_gpt_params."""
    return {
        "vocab_size": rand.integer(300, 5000),
        "block_size": rand.integer(10, 200),
        "n_layer": rand.integer(1, 5),
        "d_model": rand.integer(12, 200),
        "expansion": (1, 2, 3, 5, 6)[rand.integer(0, 4)],
    }


def step(learner: Learner, sizes: dict[str, int], name: str, bias: bool = True, tied: bool = True) -> int:
    """What one more of `name` adds to the learner's count."""
    more = sizes | {name: sizes[name] + 1}
    after, before = (learner.count_gpt_params(**each, bias=bias, tied=tied) for each in (more, sizes))
    return after - before


def arguments(*values: object, **named: object) -> str:
    """A call's arguments, as they are written."""
    return ", ".join([*map(str, values), *(f"{name}={value}" for name, value in named.items())])


def a_block(d_model: int, expansion: int = 4, bias: bool = True) -> nn.Module:
    """Modules with the parameters of a block."""
    widths = [(d_model, d_model)] * 4 + [(d_model, expansion * d_model), (expansion * d_model, d_model)]
    with META:
        layers = [nn.Linear(n, m, bias=bias) for n, m in widths]
        return nn.ModuleList([*layers, *(nn.LayerNorm(d_model, bias=bias) for _ in range(2))])


def a_gpt(vocab_size, block_size, n_layer, d_model, expansion, bias, tied) -> nn.Module:
    """Modules with the parameters of a GPT."""
    blocks = [a_block(d_model, expansion, bias) for _ in range(n_layer)]
    with META:
        tables = [nn.Embedding(rows, d_model) for rows in (vocab_size, block_size)]
        heads = [] if tied else [nn.Linear(d_model, vocab_size, bias=False)]
        return nn.ModuleList([*tables, *blocks, nn.LayerNorm(d_model, bias=bias), *heads])


def size_of(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
