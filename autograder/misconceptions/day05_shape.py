"""Day 5 · The shape of a GPT: known wrong answers, then right ones, exercise by exercise."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from autograder.misconception import right, wrong
from handmade.tiny import count_block_params

# --- FeedForward ----------------------------------------------------------------------------------------


@wrong("day05.FeedForward", fails="widths")
class FeedForward(nn.Module):
    """The expansion is not used: the hidden layer is always 4 times as wide."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model))

    def forward(self, x):
        return self.net(x)


@wrong("day05.FeedForward", fails="widths")
class FeedForward(nn.Module):
    """The hidden layer is narrower than the input: d_model is divided by the expansion. It must be multiplied."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, d_model // expansion), nn.GELU(), nn.Linear(d_model // expansion, d_model)
        )

    def forward(self, x):
        return self.net(x)


@wrong("day05.FeedForward", fails="widths")
class FeedForward(nn.Module):
    """The hidden layer has expansion channels in all: it must be expansion times d_model wide."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d_model, expansion), nn.GELU(), nn.Linear(expansion, d_model))

    def forward(self, x):
        return self.net(x)


@wrong("day05.FeedForward", fails="biases")
class FeedForward(nn.Module):
    """The layers have no biases (bias=False): here, as in GPT-2, they have."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, expansion * d_model, bias=False),
            nn.GELU(),
            nn.Linear(expansion * d_model, d_model, bias=False),
        )

    def forward(self, x):
        return self.net(x)


@wrong("day05.FeedForward", fails="positions")
class FeedForward(nn.Module):
    """The mean over the positions is taken off first, so that positions are mixed: each must be treated by itself."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, expansion * d_model), nn.GELU(), nn.Linear(expansion * d_model, d_model)
        )

    def forward(self, x):
        return self.net(x - x.mean(dim=1, keepdim=True))


@wrong("day05.FeedForward", fails="bend")
class FeedForward(nn.Module):
    """There is no GELU between the layers: two linear layers in a row can do no more than one."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, expansion * d_model), nn.Linear(expansion * d_model, d_model)
        )

    def forward(self, x):
        return self.net(x)


@wrong("day05.FeedForward", fails="alone")
class FeedForward(nn.Module):
    """The input is added here already: the block does that, and it must not be done twice."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, expansion * d_model), nn.GELU(), nn.Linear(expansion * d_model, d_model)
        )

    def forward(self, x):
        return x + self.net(x)


@wrong("day05.FeedForward", fails="gradient")
class FeedForward(nn.Module):
    """The computation is cut off from its input (detach, .data or no_grad): nothing before it can learn."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, expansion * d_model), nn.GELU(), nn.Linear(expansion * d_model, d_model)
        )

    def forward(self, x):
        return self.net(x.detach())


@wrong("day05.FeedForward", fails=("widths", "biases", "positions", "bend", "alone", "gradient"))
class FeedForward(nn.Module):
    """The layers stand in a Python list, where no optimizer finds their weights: use nn.Sequential or attributes."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.layers = [
            nn.Linear(d_model, expansion * d_model),
            nn.GELU(),
            nn.Linear(expansion * d_model, d_model),
        ]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@wrong("day05.FeedForward", fails="pytorch")
class FeedForward(nn.Module):
    """The bend is a ReLU: it should be a GELU."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, expansion * d_model), nn.ReLU(), nn.Linear(expansion * d_model, d_model)
        )

    def forward(self, x):
        return self.net(x)


@wrong("day05.FeedForward", fails="pytorch")
class FeedForward(nn.Module):
    """There is a second GELU at the end: what is added to the stream could then hardly be negative."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.widen = nn.Linear(d_model, expansion * d_model)
        self.narrow = nn.Linear(expansion * d_model, d_model)

    def forward(self, x):
        return F.gelu(self.narrow(F.gelu(self.widen(x))))


@right("day05.FeedForward")
class FeedForward(nn.Module):
    """Two attributes and a function, the second layer made first."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        hidden = int(expansion * d_model)
        self.down = nn.Linear(hidden, d_model)
        self.up = nn.Linear(d_model, hidden)

    def forward(self, x):
        x = self.up(x)
        x = F.gelu(x)
        return self.down(x)


@right("day05.FeedForward")
class FeedForward(nn.Module):
    """Plain parameters, (in, out), and products."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(d_model, expansion * d_model) * 0.02)
        self.b1 = nn.Parameter(torch.zeros(expansion * d_model))
        self.w2 = nn.Parameter(torch.randn(expansion * d_model, d_model) * 0.02)
        self.b2 = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        h = x @ self.w1 + self.b1
        return (h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))) @ self.w2 + self.b2


@right("day05.FeedForward")
class FeedForward(nn.Module):
    """GELU's tanh form, as GPT-2 has it, and a ModuleList."""

    def __init__(self, d_model, expansion=4):
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Linear(d_model, d_model * expansion),
                nn.GELU(approximate="tanh"),
                nn.Linear(d_model * expansion, d_model),
            ]
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@right("day05.FeedForward")
class FeedForward(nn.Sequential):
    """A Sequential itself."""

    def __init__(self, d_model, expansion=4):
        super().__init__(
            nn.Linear(d_model, expansion * d_model), nn.GELU(), nn.Linear(expansion * d_model, d_model)
        )


# --- TransformerBlock -----------------------------------------------------------------------------------


@wrong("day05.TransformerBlock", fails="around")
class TransformerBlock(nn.Module):
    """The road around the attention is missing: what came in must be added to what the attention returns."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


@wrong("day05.TransformerBlock", fails="around")
class TransformerBlock(nn.Module):
    """The road around the feed-forward is missing: what came before it must be added to what it returns."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return self.feed_forward(self.norm_2(x))


@wrong("day05.TransformerBlock", fails="around")
class TransformerBlock(nn.Module):
    """Nothing is added: each sublayer replaces what came in."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = self.attention(self.norm_1(x))
        return self.feed_forward(self.norm_2(x))


@wrong("day05.TransformerBlock", fails=("road", "norms"))
class TransformerBlock(nn.Module):
    """This is post-norm: the norms stand after the sums, on the road. They belong before the sublayers."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


@wrong("day05.TransformerBlock", fails="road")
class TransformerBlock(nn.Module):
    """The road begins after the norm: x itself is overwritten by norm(x), and that is what is added."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = self.norm_1(x)
        x = x + self.attention(x)
        x = self.norm_2(x)
        return x + self.feed_forward(x)


@wrong("day05.TransformerBlock", fails="road")
class TransformerBlock(nn.Module):
    """There is one more norm at the end of the block: the last norm stands once, after all blocks."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward
        self.norm_3 = nn.LayerNorm(d_model)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        x = x + self.feed_forward(self.norm_2(x))
        return self.norm_3(x)


@wrong("day05.TransformerBlock", fails=("norms", "own_norms"))
class TransformerBlock(nn.Module):
    """There are no norms: each sublayer is given x as it is."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.attention = attention
        self.feed_forward = feed_forward

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.feed_forward(x)


@wrong("day05.TransformerBlock", fails="norms")
class TransformerBlock(nn.Module):
    """Only the attention has a norm before it: the feed-forward is given x as it is."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(x)


@wrong("day05.TransformerBlock", fails="norms")
class TransformerBlock(nn.Module):
    """What the sublayers return is normalised, and what they are given is not: the norm belongs before the sublayer."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = x + self.norm_1(self.attention(x))
        return x + self.norm_2(self.feed_forward(x))


@wrong("day05.TransformerBlock", fails="order")
class TransformerBlock(nn.Module):
    """The two sublayers work side by side on the same x: the feed-forward never sees what attention has found."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        return x + self.attention(self.norm_1(x)) + self.feed_forward(self.norm_2(x))


@wrong("day05.TransformerBlock", fails="order")
class TransformerBlock(nn.Module):
    """The feed-forward comes first: attention must come before it."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = x + self.feed_forward(self.norm_2(x))
        return x + self.attention(self.norm_1(x))


@wrong("day05.TransformerBlock", fails="own_norms")
class TransformerBlock(nn.Module):
    """One norm serves both sublayers: each needs one with weights of its own."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.attention = attention
        self.feed_forward = feed_forward

    def forward(self, x):
        x = x + self.attention(self.norm(x))
        return x + self.feed_forward(self.norm(x))


@wrong("day05.TransformerBlock", fails="own_norms")
class TransformerBlock(nn.Module):
    """The norms have no weights to learn (F.layer_norm, or elementwise_affine=False): use nn.LayerNorm."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.attention = attention
        self.feed_forward = feed_forward

    def forward(self, x):
        x = x + self.attention(F.layer_norm(x, x.shape[-1:]))
        return x + self.feed_forward(F.layer_norm(x, x.shape[-1:]))


@wrong("day05.TransformerBlock", fails="parameters")
class TransformerBlock(nn.Module):
    """The sublayers stand in a Python list, where no optimizer finds their weights: make each an attribute."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.sublayers = [attention, feed_forward]

    def forward(self, x):
        x = x + self.sublayers[0](self.norm_1(x))
        return x + self.sublayers[1](self.norm_2(x))


@wrong("day05.TransformerBlock", fails="gradient")
class TransformerBlock(nn.Module):
    """What the attention returns is detached: it gets no gradient, and neither does anything through it."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = x + self.attention(self.norm_1(x)).detach()
        return x + self.feed_forward(self.norm_2(x))


@wrong("day05.TransformerBlock", fails="gradient")
class TransformerBlock(nn.Module):
    """The sums are made in place (+=): that overwrites the caller's x, which backward still needs."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x += self.attention(self.norm_1(x))
        x += self.feed_forward(self.norm_2(x))
        return x


@wrong("day05.TransformerBlock", fails="equations")
class TransformerBlock(nn.Module):
    """Each sum is halved: the two are added, not averaged."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        x = (x + self.attention(self.norm_1(x))) / 2
        return (x + self.feed_forward(self.norm_2(x))) / 2


@wrong("day05.TransformerBlock", fails="equations")
class TransformerBlock(nn.Module):
    """The second sum starts from the first x again, and what the attention has added is lost."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = attention
        self.norm_2 = nn.LayerNorm(d_model)
        self.feed_forward = feed_forward

    def forward(self, x):
        h = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(h))


@right("day05.TransformerBlock")
class TransformerBlock(nn.Module):
    """In one expression, with names of its own."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.attn, self.mlp = attention, feed_forward
        self.ln_1, self.ln_2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)

    def forward(self, x):
        h = self.attn(self.ln_1(x)) + x
        return self.mlp(self.ln_2(h)) + h


@right("day05.TransformerBlock")
class TransformerBlock(nn.Module):
    """A loop over pairs of a norm and a sublayer."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(2))
        self.sublayers = nn.ModuleList([attention, feed_forward])

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers, strict=True):
            x = x + sublayer(norm(x))
        return x


@right("day05.TransformerBlock")
class TransformerBlock(nn.Module):
    """The norm by hand."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, d_model))
        self.bias = nn.Parameter(torch.zeros(2, d_model))
        self.attention, self.feed_forward = attention, feed_forward

    def norm(self, x, i):
        centred = x - x.mean(-1, keepdim=True)
        return (
            centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight[i] + self.bias[i]
        )

    def forward(self, x):
        x = x + self.attention(self.norm(x, 0))
        return x + self.feed_forward(self.norm(x, 1))


@right("day05.TransformerBlock")
class TransformerBlock(nn.Module):
    """Each branch a Sequential, sums in place on a copy."""

    def __init__(self, d_model, attention, feed_forward):
        super().__init__()
        self.mix = nn.Sequential(nn.LayerNorm(d_model), attention)
        self.think = nn.Sequential(nn.LayerNorm(d_model), feed_forward)

    def forward(self, x):
        x = x.clone()
        x = torch.add(x, self.mix(x))
        x = torch.add(x, self.think(x))
        return x


# --- count_block_params ---------------------------------------------------------------------------------


@wrong("day05.count_block_params", fails="attention")
def count_block_params(d_model, expansion=4, bias=True):
    """The attention's output projection is forgotten: beside q, k and v there is a fourth matrix."""
    matrices = (3 + 2 * expansion) * d_model**2
    biases = (4 + expansion + 1 + 2) * d_model
    return matrices + 2 * d_model + (biases if bias else 0)


@wrong("day05.count_block_params", fails="attention")
def count_block_params(d_model, expansion=4, bias=True):
    """Only one of the attention's four matrices is counted."""
    matrices = (1 + 2 * expansion) * d_model**2
    biases = (4 + expansion + 1 + 2) * d_model
    return matrices + 2 * d_model + (biases if bias else 0)


@wrong("day05.count_block_params", fails="feed_forward")
def count_block_params(d_model, expansion=4, bias=True):
    """Only one of the feed-forward's two matrices is counted: it widens and narrows again."""
    matrices = (4 + expansion) * d_model**2
    biases = (4 + expansion + 1 + 2) * d_model
    return matrices + 2 * d_model + (biases if bias else 0)


@wrong("day05.count_block_params", fails="feed_forward")
def count_block_params(d_model, expansion=4, bias=True):
    """The expansion is not used: the feed-forward is counted as 4 times as wide, whatever it is."""
    biases = (4 + 4 + 1 + 2) * d_model
    return 12 * d_model**2 + 2 * d_model + (biases if bias else 0)


@wrong("day05.count_block_params", fails=("norms", "biases"))
def count_block_params(d_model, expansion=4, bias=True):
    """The norms are not counted where there are no biases: they still have their weights."""
    matrices = (4 + 2 * expansion) * d_model**2
    biases = (4 + expansion + 1 + 4) * d_model
    return matrices + (biases if bias else 0)


@wrong("day05.count_block_params", fails="norms")
def count_block_params(d_model, expansion=4, bias=True):
    """One norm is counted: there is one before each sublayer."""
    matrices = (4 + 2 * expansion) * d_model**2
    biases = (4 + expansion + 1 + 2) * d_model
    return matrices + d_model + (biases if bias else 0)


@wrong("day05.count_block_params", fails=("norms", "biases"))
def count_block_params(d_model, expansion=4, bias=True):
    """The norms' biases are counted also with bias=False: without biases a norm has only its weights."""
    matrices = (4 + 2 * expansion) * d_model**2
    biases = (4 + expansion + 1) * d_model
    return matrices + 4 * d_model + (biases if bias else 0)


@wrong("day05.count_block_params", fails="biases")
def count_block_params(d_model, expansion=4, bias=True):
    """The norms' biases are forgotten: with biases, a norm has two numbers for each channel."""
    matrices = (4 + 2 * expansion) * d_model**2
    biases = (4 + expansion + 1) * d_model
    return matrices + 2 * d_model + (biases if bias else 0)


@wrong("day05.count_block_params", fails="biases")
def count_block_params(d_model, expansion=4, bias=True):
    """The hidden layer's bias is counted as d_model long: it has expansion times d_model outputs."""
    matrices = (4 + 2 * expansion) * d_model**2
    biases = (4 + 1 + 1 + 2) * d_model
    return matrices + 2 * d_model + (biases if bias else 0)


@wrong("day05.count_block_params", fails="biases")
def count_block_params(d_model, expansion=4, bias=True):
    """The biases are never counted: GPT-2 has them, and bias=True asks for them."""
    matrices = (4 + 2 * expansion) * d_model**2
    return matrices + 2 * d_model


@wrong("day05.count_block_params", fails=("norms", "biases"))
def count_block_params(d_model, expansion=4, bias=True):
    """The biases are always counted: with bias=False there are none."""
    matrices = (4 + 2 * expansion) * d_model**2
    return matrices + 2 * d_model + (4 + expansion + 1 + 2) * d_model


@wrong("day05.count_block_params", fails="modules")
def count_block_params(d_model, expansion=4, bias=True):
    """The hidden layer's bias is counted as 4 · d_model long, whatever the expansion."""
    matrices = (4 + 2 * expansion) * d_model**2
    biases = (4 + 4 + 1 + 2) * d_model
    return matrices + 2 * d_model + (biases if bias else 0)


@right("day05.count_block_params")
def count_block_params(d_model, expansion=4, bias=True):
    """All terms in one line."""
    return (4 + 2 * expansion) * d_model**2 + 2 * d_model + (7 + expansion) * d_model * int(bias)


@right("day05.count_block_params")
def count_block_params(d_model, expansion=4, bias=True):
    """Layer by layer, from a table of widths."""
    widths = [(d_model, d_model)] * 4 + [(d_model, expansion * d_model), (expansion * d_model, d_model)]
    total = sum(n * m + (m if bias else 0) for n, m in widths)
    return total + 2 * (2 if bias else 1) * d_model


@right("day05.count_block_params")
def count_block_params(d_model, expansion=4, bias=True):
    """PyTorch counts real layers."""
    layers = [nn.Linear(d_model, d_model, bias=bias, device="meta") for _ in range(4)]
    layers.append(nn.Linear(d_model, expansion * d_model, bias=bias, device="meta"))
    layers.append(nn.Linear(expansion * d_model, d_model, bias=bias, device="meta"))
    layers += [nn.LayerNorm(d_model, bias=bias, device="meta") for _ in range(2)]
    return sum(p.numel() for layer in layers for p in layer.parameters())


# --- count_gpt_params -----------------------------------------------------------------------------------


@wrong("day05.count_gpt_params", fails=("tied", "untied"))
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """The head is always counted: tied, it is the token table itself, and would be counted twice."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    return tables + blocks + last_norm + vocab_size * d_model


@wrong("day05.count_gpt_params", fails=("tied", "untied"))
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """tied is the wrong way round: a head that is *not* tied has a matrix of its own."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    head = vocab_size * d_model if tied else 0
    return tables + blocks + last_norm + head


@wrong("day05.count_gpt_params", fails="tied")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """The token table is forgotten: tied, the head and it are one matrix, and that one is counted."""
    heads = 0 if tied else vocab_size * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    return block_size * d_model + blocks + last_norm + heads


@wrong("day05.count_gpt_params", fails="untied")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """A head of its own is not counted: tied is not looked at."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    return tables + blocks + last_norm


@wrong("day05.count_gpt_params", fails="untied")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """A head of its own is given a bias: it never has one."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    head = 0 if tied else vocab_size * d_model + vocab_size
    return tables + blocks + last_norm + head


@wrong("day05.count_gpt_params", fails="places")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """The position table is forgotten."""
    tables = vocab_size * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + last_norm + head


@wrong("day05.count_gpt_params", fails=("places", "last_norm"))
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """The position table is counted as block_size by block_size: each position has a vector of d_model numbers."""
    tables = vocab_size * d_model + block_size * block_size
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + last_norm + head


@wrong("day05.count_gpt_params", fails="blocks")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """bias is not passed on to count_block_params."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion)
    last_norm = (2 if bias else 1) * d_model
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + last_norm + head


@wrong("day05.count_gpt_params", fails="blocks")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """expansion is not passed on to count_block_params."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, bias=bias)
    last_norm = (2 if bias else 1) * d_model
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + last_norm + head


@wrong("day05.count_gpt_params", fails=("blocks", "last_norm"))
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """One block is counted: there are n_layer of them."""
    tables = (vocab_size + block_size) * d_model
    blocks = count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + last_norm + head


@wrong("day05.count_gpt_params", fails="last_norm")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """The norm after the last block is forgotten."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + head


@wrong("day05.count_gpt_params", fails="last_norm")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """The last norm's bias is forgotten: with bias=True it has two numbers for each channel."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + d_model + head


@wrong("day05.count_gpt_params", fails="last_norm")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """The last norm's bias is counted also with bias=False."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + 2 * d_model + head


@wrong("day05.count_gpt_params", fails="modules")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=False):
    """The head is not tied unless asked for: here it is, as in GPT-2, unless told otherwise."""
    tables = (vocab_size + block_size) * d_model
    blocks = n_layer * count_block_params(d_model, expansion, bias)
    last_norm = (2 if bias else 1) * d_model
    head = 0 if tied else vocab_size * d_model
    return tables + blocks + last_norm + head


@right("day05.count_gpt_params")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """In one sum."""
    return (
        (vocab_size * (1 if tied else 2) + block_size) * d_model
        + n_layer * count_block_params(d_model, expansion, bias=bias)
        + d_model * (1 + bias)
    )


@right("day05.count_gpt_params")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """A list of parts, without the day's other function."""
    block = (4 + 2 * expansion) * d_model**2 + 2 * d_model
    if bias:
        block += (expansion + 7) * d_model
    parts = [vocab_size * d_model, block_size * d_model, d_model] + [block] * n_layer
    if bias:
        parts.append(d_model)
    if not tied:
        parts.append(vocab_size * d_model)
    return sum(parts)


@right("day05.count_gpt_params")
def count_gpt_params(vocab_size, block_size, n_layer, d_model, expansion=4, bias=True, tied=True):
    """PyTorch counts the tables and the head, made without memory."""
    with torch.device("meta"):
        layers = [
            nn.Embedding(vocab_size, d_model),
            nn.Embedding(block_size, d_model),
            nn.LayerNorm(d_model, bias=bias),
        ]
        if not tied:
            layers.append(nn.Linear(d_model, vocab_size, bias=False))
    ends = sum(p.numel() for layer in layers for p in layer.parameters())
    return ends + n_layer * count_block_params(d_model, expansion, bias)
