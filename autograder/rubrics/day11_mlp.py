"""Day 11 · The MLP: the hidden checks.

A curve is taken apart. Its odd part, y(x) - y(-x), shows the factors in front of the bracket and the 1 in it. Its
even part, y(x) + y(-x), is x times what stands beside that 1, a curve from -1 to 1; divided by its own value far out
it shows this curve whatever the factors are.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, build, keep
from autograder.rubric import exercise, item
from autograder.sublayers import Shapes, State, check_gradient, random_state, shapes

FAR = 6.0  # there erf and tanh are 1, and no curve is cut off yet


@exercise("day11.gelu", answer="handmade.model.gelu")
class Gelu:
    """GELU"""

    @item(1)
    def law(learner: Learner, rand: Rand):
        """It obeys the law GELU(x) − GELU(−x) = x."""
        obeys_the_law(learner.gelu, rand)

    @item(2)
    def bend(learner: Learner, rand: Rand):
        """It bends where the bell curve says: at most 0.03 from x · Φ(x)."""
        x = some_places(rand)
        wanted = x * torch.erf(x / math.sqrt(2.0))
        expect.close(
            x * middle(learner.gelu, x),
            wanted,
            "gelu(x) + gelu(−x), which is x · erf(x / √2), is not",
            tolerance=0.06,
        )

    @item(1)
    def far(learner: Learner, rand: Rand):
        """Far from 0 it is x on the right and 0 on the left, and finite."""
        far_from_0(learner.gelu, rand)

    @item(1)
    def each(learner: Learner, rand: Rand):
        """Each number is treated by itself, in a tensor of any shape."""
        each_by_itself(learner.gelu, rand)

    @item(1)
    def unchanged(learner: Learner, rand: Rand):
        """What it is given is left as it was."""
        left_as_it_was(learner, learner.gelu, rand)

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """Gradients flow back, and are the curve's slope."""
        gradient_is_the_slope(learner.gelu, rand)

    @item(3, whole=True)
    def exact(learner: Learner, rand: Rand):
        """All in all: exact to the last digits, near 0 and far from it, in float32 and in float64."""
        like_pytorch(learner.gelu, rand, "none")


@exercise("day11.gelu_tanh", answer="handmade.model.gelu_tanh")
class GeluTanh:
    """GELU's tanh form"""

    @item(1)
    def law(learner: Learner, rand: Rand):
        """It obeys the law GELU(x) − GELU(−x) = x, as the exact form does."""
        obeys_the_law(learner.gelu_tanh, rand)

    @item(2)
    def root(learner: Learner, rand: Rand):
        """Inside tanh, x is multiplied by √(2/π)."""
        factor, _ = inside_tanh(learner, rand)
        wanted = math.sqrt(2.0 / math.pi)
        expect.that(
            abs(factor - wanted) < 0.01,
            f"near 0, what is inside tanh is {factor:.4f} times x; it must be √(2/π) = {wanted:.4f} times x",
        )

    @item(2)
    def cube(learner: Learner, rand: Rand):
        """Inside tanh, 0.044715 x³ is added to x before √(2/π) multiplies both."""
        factor, cube = inside_tanh(learner, rand)
        share = cube / factor
        expect.that(
            abs(share - 0.044715) < 0.004,
            f"inside tanh, for each x there is {share:.4f} x³; it must be 0.0447 x³",
        )

    @item(1)
    def far(learner: Learner, rand: Rand):
        """Far from 0 it is x on the right and 0 on the left, and finite."""
        far_from_0(learner.gelu_tanh, rand)

    @item(1)
    def each(learner: Learner, rand: Rand):
        """Each number is treated by itself, in a tensor of any shape."""
        each_by_itself(learner.gelu_tanh, rand)

    @item(1)
    def unchanged(learner: Learner, rand: Rand):
        """What it is given is left as it was."""
        left_as_it_was(learner, learner.gelu_tanh, rand)

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """Gradients flow back, and are the curve's slope."""
        gradient_is_the_slope(learner.gelu_tanh, rand)

    @item(2, whole=True)
    def pytorch(learner: Learner, rand: Rand):
        """All in all: PyTorch's tanh form, near 0 and far from it, in float32 and in float64."""
        like_pytorch(learner.gelu_tanh, rand, "tanh")


@exercise("day11.MLP", answer="handmade.model.MLP")
class TheMLP:
    """The MLP"""

    @item(1)
    def names(learner: Learner, rand: Rand):
        """Its layers are called c_fc and c_proj, as in GPT-2's files."""
        made = Made(learner, rand)
        layers = {name.rpartition(".")[0] for name in made.form}
        expect.that(
            (made.widen, made.narrow) == ("c_fc.weight", "c_proj.weight") and layers == {"c_fc", "c_proj"},
            f"its layers are called {' and '.join(sorted(layers))}; expected c_fc, which widens, and c_proj",
        )

    @item(2)
    def widths(learner: Learner, rand: Rand):
        """It is four times as wide in the middle: 8 C² weights, two thirds of a block's."""
        made = Made(learner, rand)
        C = made.C
        found = made.form[made.widen], made.form[made.narrow]
        expect.that(
            found == ((4 * C, C), (C, 4 * C)),
            f"for C = {C} its matrices are {found[0]} and {found[1]}, expected {(4 * C, C)} and {(C, 4 * C)}",
        )

    @item(1)
    def biases(learner: Learner, rand: Rand):
        """Both layers have a bias where the config says so, and none where it does not."""
        found = []
        for bias in (True, False):
            made = Made(learner, rand, bias=bias)
            found.append(sum(len(shape) == 1 for shape in made.form.values()))
        expect.that(
            found == [2, 0],
            f"with bias=True it has {found[0]} biases, expected 2; with bias=False {found[1]}, expected 0",
        )

    @item(2)
    def curve(learner: Learner, rand: Rand):
        """What is between the layers goes through the tanh form of GELU, not the exact one nor another curve."""
        made = Made(learner, rand)
        h = torch.cat([some_places(rand), torch.tensor([-FAR, FAR]).double()])
        # One hidden channel hears one channel of x, with a weight and a bias; one output reads it, and so softly that
        # a curve behind the second layer would see a straight line.
        state = {name: torch.zeros(shape) for name, shape in made.form.items()}
        weight, bias = rand.integer(2, 5) / 2, rand.integer(-3, 3) / 2
        state[made.widen][0, 0], state[made.narrow][0, 0] = weight, 1e-6
        named = made.widen.replace("weight", "bias")
        if named in state:
            state[named][0] = bias
        else:
            bias = 0.0
        made.mlp.load_state_dict(state)
        x = torch.zeros(
            len(h), 1, made.C, dtype=torch.float64
        )  # one position each: what mixes them does not show
        x[:, 0, 0] = (h - bias) / weight
        y = made.mlp.double()(x)
        expect.numbers(y, x.shape, of="MLP's output")
        y = y[:, 0, 0]
        expect.that(
            bool(y[-1].abs() > 1e-9), "a hidden channel that is large and positive does not get through"
        )
        expect.close(
            y / y[-1] * FAR,  # whatever multiplies it
            F.gelu(h, approximate="tanh"),
            "between c_fc and c_proj there must be the tanh form of GELU, and there is not",
            tolerance=1e-4,
        )

    @item(2)
    def straight(learner: Learner, rand: Rand):
        """Behind c_proj nothing bends: twice its weights, twice the output."""
        made = Made(learner, rand)
        state = made.weights | {name: torch.zeros(s) for name, s in made.form.items() if s == (made.C,)}
        outputs = []
        for factor in (1.0, 2.0):
            made.mlp.load_state_dict(state | {made.narrow: factor * state[made.narrow]})
            outputs.append(made.mlp(made.x))
        expect.close(
            outputs[1],
            2.0 * outputs[0],
            "with twice the weights in c_proj, and no bias there, the output must be twice as large: does a curve "
            "follow it, or is x added?",
            tolerance=1e-4,
        )

    @item(1)
    def positions(learner: Learner, rand: Rand):
        """Each position is treated by itself: alone it gets what it gets in a sequence."""
        made = Made(learner, rand)
        together = made.mlp(made.x)
        for t in range(made.x.shape[1]):
            alone = made.mlp(made.x[:, t : t + 1])
            expect.close(
                alone, together[:, t : t + 1], "alone, a position gets another result than in a sequence"
            )

    @item(2)
    def dropout(learner: Learner, rand: Rand):
        """In training, config.dropout of the outputs are 0, and the others are larger to make up for it."""
        p = rand.integer(3, 6) / 10
        made = Made(learner, rand, dropout=p)
        x = rand.normal(8, 40, made.C)
        without = made.again(dropout=0.0)(x)
        build(learner, "torch.manual_seed", rand.integer(0, 10**6))
        y = made.mlp.train()(x)
        expect.numbers(y, x.shape, of="MLP's output")
        zeros = float((y == 0).double().mean())
        expect.that(
            abs(zeros - p) < 0.07,
            f"in training, with dropout {p}, {zeros:.2f} of the outputs are 0: dropout comes last, after c_proj",
        )
        wanted = torch.where(y == 0, 0.0, without / (1 - p))
        expect.close(y, wanted, f"with dropout {p}, what is kept must be divided by {1 - p:.1f}", 1e-4)

    @item(1)
    def evaluation(learner: Learner, rand: Rand):
        """After .eval() nothing is dropped."""
        made = Made(learner, rand, dropout=rand.integer(3, 6) / 10)
        wanted = made.again(dropout=0.0)(made.x)
        build(learner, "torch.manual_seed", rand.integer(0, 10**6))
        expect.close(
            made.mlp.eval()(made.x),
            wanted,
            "after .eval() the output is not what it is without dropout",
            1e-4,
        )

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """Gradients flow back to what came in."""
        made = Made(learner, rand)
        check_gradient(made.mlp, made.x, rand)

    @item(2, whole=True)
    def all_of_it(learner: Learner, rand: Rand):
        """All in all: c_fc, the tanh form, c_proj, with biases and without, for any batch."""
        for bias in (True, False):
            made = Made(learner, rand, bias=bias)
            w = {name: made.weights.get(name) for name in NAMES}
            for x in (made.x, rand.normal(1, 1, made.C), rand.normal(3, 9, made.C, scale=8.0)):
                y = made.mlp(x)
                h = F.gelu(F.linear(x, w["c_fc.weight"], w["c_fc.bias"]), approximate="tanh")
                wanted = F.linear(h, w["c_proj.weight"], w["c_proj.bias"])
                expect.close(y, wanted, "the output differs from c_proj(gelu_tanh(c_fc(x)))", 1e-4)


# --- A curve's parts ------------------------------------------------------------------------------------


def some_places(rand: Rand) -> Tensor:
    """Eighty numbers between 0.3 and 2.4, in float64."""
    steps = torch.arange(80) + torch.rand(80, generator=rand.generator)
    return 0.3 + 2.1 * steps.double() / 80


def middle(curve: Remote, x: Tensor) -> Tensor:
    """What stands beside the 1 in the bracket: for GELU erf(x / √2), for its tanh form tanh of what is inside."""
    both = torch.cat([x, -x, torch.tensor([FAR, -FAR], dtype=x.dtype)])
    y = curve(both)
    expect.numbers(y, both.shape, of="the result")
    even = y[: len(x)] + y[len(x) : -2]
    far = y[-2] + y[-1]
    expect.that(
        bool(far.abs() > 1.0), "far from 0 on both sides it gives numbers that cancel: nothing is bent"
    )
    return even / far * FAR / x


def inside_tanh(learner: Learner, rand: Rand) -> tuple[float, float]:
    """The a and b of what tanh is given, a x + b x³, read from the curve alone."""
    x = some_places(rand)
    z = torch.atanh(middle(learner.gelu_tanh, x).clamp(-0.999999, 0.999999))
    terms = torch.stack([x, x**3], dim=1)
    a, b = torch.linalg.lstsq(terms, z[:, None]).solution[:, 0].tolist()
    return a, b


def curved(curve: Remote, rand: Rand) -> None:
    """Fail unless it is a curve at all: the same again for the same numbers, and not on a straight line."""
    x = rand.normal(2, 5, 6, scale=2.0)
    there, again, back, at_0 = curve(x), curve(x), curve(-x), curve(torch.zeros_like(x))
    for y in (there, back, at_0):
        expect.numbers(y, x.shape, of="the result")
    expect.close(again, there, "a second call gives another result")
    bent = (there + back - 2 * at_0).abs().amax()
    expect.that(bool(bent > 0.1), "its results for x, 0 and −x lie on a straight line: nothing is bent")


def obeys_the_law(curve: Remote, rand: Rand) -> None:
    curved(curve, rand)
    x = rand.normal(4, 20, scale=1.5).clamp(-5, 5)
    expect.close(
        curve(x) - curve(-x), x, "GELU(x) − GELU(−x) must be x: check the ½, the 1 and the x in front", 1e-4
    )


def far_from_0(curve: Remote, rand: Rand) -> None:
    curved(curve, rand)
    sizes = torch.cat([torch.rand(8, generator=rand.generator) * 80 + 20, torch.tensor([1e3, 1e4])])
    x = torch.cat([sizes, -sizes])
    y = curve(x)
    expect.numbers(y, x.shape, of="the result for numbers far from 0")
    # Where a factor is missing is another item's business: it is divided out, as at 6.
    unit = curve(torch.tensor([FAR]))
    expect.numbers(unit, (1,), of="the result")
    expect.that(bool(unit.abs() > 0.5), "at 6 it gives almost nothing: nothing is kept on the right")
    right = y[: len(sizes)] / unit * FAR / sizes
    expect.close(right, torch.ones_like(right), "far to the right it must grow with x: is it cut off?", 1e-2)
    left = y[len(sizes) :] / sizes
    expect.close(left, torch.zeros_like(left), "far to the left it must be 0", 1e-3)


def each_by_itself(curve: Remote, rand: Rand) -> None:
    curved(curve, rand)
    x = rand.normal(2, 3, 4, scale=2.0)
    together = curve(x)
    expect.numbers(together, x.shape, of="the result")
    for b, t, c in ((0, 0, 1), (1, 2, 3), (0, 2, 0)):
        alone = curve(x[b, t, c])
        expect.close(alone, together[b, t, c], "alone, a number gets another result than in a tensor")
    flat = curve(x.flatten())
    expect.close(flat, together.flatten(), "in a tensor of another shape the same numbers get other results")


def left_as_it_was(learner: Learner, curve: Remote, rand: Rand) -> None:
    curved(curve, rand)
    x = rand.normal(3, 5, scale=2.0)
    held = keep(learner, x)
    first = curve(held)
    expect.close(curve(held), first, "a second call with the very same tensor gives another result")


def gradient_is_the_slope(curve: Remote, rand: Rand) -> None:
    curved(curve, rand)
    x, step = rand.normal(4, 6, scale=1.5).double(), 1e-4
    output, (gradient,) = curve.gradients(x, cotangent=torch.ones_like(x))
    expect.numbers(output, x.shape, of="the result")
    expect.that(gradient is not None, "no gradient reaches x: is it detached, or under no_grad?")
    slope = (curve(x + step) - curve(x - step)) / (2 * step)
    expect.close(gradient, slope, "the gradient is not the curve's slope: is a part detached?", 1e-3)


def like_pytorch(curve: Remote, rand: Rand, form: str) -> None:
    for dtype in (torch.float32, torch.float64):
        x = torch.cat([rand.normal(300, scale=2.0), rand.normal(20, scale=50.0)]).to(dtype).view(4, 80).T
        y = curve(x)
        expect.that(y.dtype == dtype, f"for {dtype} it returns {y.dtype}")
        what = "the exact GELU" if form == "none" else "GELU's tanh form"
        expect.close(y, F.gelu(x, approximate=form), f"it differs from {what}", 5e-6)


# --- A learner's MLP ------------------------------------------------------------------------------------

NAMES = ("c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias")


class Made:
    """A learner's MLP with weights of ours, whatever it calls them and however wide it is."""

    def __init__(self, learner: Learner, rand: Rand, dropout: float = 0.0, bias: bool = True) -> None:
        self.learner, self.bias = learner, bias
        self.C = rand.integer(6, 14)
        self.form = shapes(self.new(dropout))
        self.widen, self.narrow = two_matrices(self.form, self.C)
        self.mlp = self.new(dropout).eval()
        self.x = rand.normal(2, rand.integer(4, 7), self.C)
        self.weights = random_state(rand, self.form)
        self.works(random_state(rand, self.form))

    def new(self, dropout: float) -> Remote:
        config = build(
            self.learner, "handmade.model.GPTConfig", n_head=1, n_embd=self.C, dropout=dropout, bias=self.bias
        )
        return self.learner.MLP(config)

    def again(self, dropout: float) -> Remote:
        """Another with the same weights, in eval mode."""
        mlp = self.new(dropout).eval()
        mlp.load_state_dict(self.weights)
        return mlp

    def works(self, other: State) -> None:
        """Fail unless its weights make a difference; afterwards it has `self.weights`."""
        results = []
        for weights in (other, self.weights):
            self.mlp.load_state_dict(weights)
            results.append(self.mlp(self.x))
            expect.numbers(results[-1], self.x.shape, of="MLP's output")
        expect.that(not torch.allclose(*results, atol=1e-3), "its weights make no difference to its output")


def two_matrices(form: Shapes, C: int) -> tuple[str, str]:
    """The names of the matrix that takes C channels and of the one that returns them."""
    matrices = [name for name, shape in form.items() if len(shape) == 2]
    expect.that(
        len(matrices) == 2,
        f"it has {len(matrices)} weight matrices, expected 2 (layers in a Python list do not count)",
    )
    first, second = matrices
    if form[second][0] != C and form[second][1] == C:  # written down in the other order
        first, second = second, first
    fits = form[first][1] == C and form[second][0] == C
    expect.that(
        fits, f"for C = {C} the matrices are {form[first]} and {form[second]}: one takes C, one returns C"
    )
    return first, second
