"""Day 11 · The MLP: known wrong answers, then right ones, exercise by exercise."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from autograder.misconception import right, slip

# --- gelu -----------------------------------------------------------------------------------------------

GELU = "day11.gelu"

slip(GELU, "law", "The ½ is missing: far to the right the result is 2 x.", ("0.5 * x", "x"))

slip(
    GELU,
    ("law", "far"),
    "The 1 in the bracket is missing: erf runs from −1 to 1, and a chance from 0 to 1.",
    ("(1.0 + torch.erf(x / math.sqrt(2.0)))", "torch.erf(x / math.sqrt(2.0))"),
)

slip(
    GELU,
    ("law", "bend", "far", "each", "unchanged", "gradient"),
    "Φ(x) alone is returned, the chance to be kept: x itself is not multiplied by it.",
    ("0.5 * x *", "0.5 *"),
)

slip(GELU, "bend", "erf is given x, not x / √2: the curve bends too sharply.", ("x / math.sqrt(2.0)", "x"))

slip(GELU, "bend", "erf is given x / 2 in place of x / √2.", ("math.sqrt(2.0)", "2.0"))

slip(GELU, "bend", "erf is given x · √2: the root belongs under the fraction.", ("x / math", "x * math"))

slip(
    GELU,
    "bend",
    "The sigmoid of x stands for Φ(x): that is another curve, called SiLU or Swish.",
    ("0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))", "x * torch.sigmoid(x)"),
)

slip(
    GELU,
    "bend",
    "This is ReLU: it has a corner at 0, and slope 0 on all of the left.",
    ("0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))", "x.clamp(min=0.0)"),
)

slip(
    GELU,
    "far",
    "The sign before erf is wrong: the large numbers are dropped, and the small ones kept.",
    ("1.0 + torch", "1.0 - torch"),
)

slip(
    GELU,
    "far",
    "Numbers beyond ±10 are cut off: GELU has no upper end.",
    ("return 0.5 * x *", "x = x.clamp(-10.0, 10.0)\n    return 0.5 * x *"),
)

slip(
    GELU,
    "each",
    "It goes through the rows in a loop: a tensor of a single number has no rows.",
    (
        "return 0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))",
        "return torch.stack([0.5 * row * (1.0 + torch.erf(row / math.sqrt(2.0))) for row in x])",
    ),
)

slip(
    GELU,
    "unchanged",
    "It works in place: the tensor that it was given holds the result afterwards.",
    ("return 0.5 * x * (1.0", "x *= 0.5 * (1.0"),
    ("math.sqrt(2.0)))", "math.sqrt(2.0)))\n    return x"),
)

slip(
    GELU,
    "gradient",
    "The chance is detached from x: the slope lacks what comes from its growing.",
    ("torch.erf(x /", "torch.erf(x.detach() /"),
)

slip(
    GELU,
    "gradient",
    "It computes on x.data: no gradient gets through at all.",
    ("return 0.5", "x = x.data\n    return 0.5"),
)

slip(
    GELU,
    "exact",
    "This is the tanh form, which is up to 4.7e-4 away: the exact one has erf.",
    ("torch.erf(x / math.sqrt(2.0))", "torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))"),
)

slip(
    GELU,
    "exact",
    "This is the sigmoid form, x · σ(1.702 x), which is up to 0.02 away: the exact one has erf.",
    ("0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))", "x * torch.sigmoid(1.702 * x)"),
)

slip(
    GELU,
    "exact",
    "√2 is rounded to 1.4: use math.sqrt(2).",
    ("math.sqrt(2.0)", "1.4"),
)


@right("day11.gelu")
def gelu(x):
    """Φ as PyTorch has it."""
    return x * torch.special.ndtr(x)


@right("day11.gelu")
def gelu(x):
    """PyTorch's own."""
    return F.gelu(x)


@right("day11.gelu")
def gelu(x):
    """Φ from a distribution object."""
    return torch.distributions.Normal(0.0, 1.0).cdf(x) * x


@right("day11.gelu")
def gelu(x):
    """The complement of erf, and in float64 inside."""
    wide = x.double()
    return (wide * torch.erfc(-wide * 2**-0.5) / 2).to(x.dtype)


# --- gelu_tanh ------------------------------------------------------------------------------------------

TANH = "day11.gelu_tanh"
WHOLE = "0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))"

slip(TANH, "law", "The ½ in front is missing: far to the right the result is twice x.", ("0.5 * x", "x"))

slip(
    TANH,
    ("law", "far"),
    "The 1 beside tanh is missing: negative numbers come out positive.",
    ("(1.0 + torch.tanh", "(torch.tanh"),
)

slip(
    TANH,
    "root",
    "√2 / π is taken in place of √(2 / π): the root covers the whole fraction.",
    ("math.sqrt(2.0 / math.pi)", "math.sqrt(2.0) / math.pi"),
)

slip(TANH, "root", "The root of 2 / π is missing.", ("math.sqrt(2.0 / math.pi)", "2.0 / math.pi"))

slip(TANH, "root", "The fraction is upside down: √(π / 2).", ("2.0 / math.pi", "math.pi / 2.0"))

slip(TANH, "root", "The factor √(2 / π) is missing.", ("math.sqrt(2.0 / math.pi) * (x", "(x"))

slip(
    TANH, "cube", "The x³ is missing: without it the result is up to 0.017 away.", (" + 0.044715 * x**3", "")
)

slip(
    TANH,
    "cube",
    "√(2 / π) multiplies x only, and not the x³ beside it: the bracket is missing.",
    ("math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)", "math.sqrt(2.0 / math.pi) * x + 0.044715 * x**3"),
)

slip(TANH, "cube", "A zero is missing in 0.044715: the x³ weighs ten times too much.", ("0.0447", "0.447"))

slip(
    TANH,
    ("root", "cube"),
    "x * 3 is taken in place of x³: in Python a power is written x**3.",
    ("x**3", "x * 3"),
)

slip(
    TANH,
    ("root", "cube"),
    "This is the sigmoid form, which is not what GPT-2 was trained with: use the formula with tanh.",
    (WHOLE, "x * torch.sigmoid(1.702 * x)"),
)

slip(
    TANH,
    "far",
    "tanh is made by hand from exponentials, which overflow far from 0: use torch.tanh.",
    (
        "return " + WHOLE,
        "z = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)\n    "
        "up, down = torch.exp(z), torch.exp(-z)\n    "
        "return 0.5 * x * (1.0 + (up - down) / (up + down))",
    ),
)

slip(
    TANH,
    "far",
    "The tanh is subtracted: large numbers are dropped, and negative ones kept.",
    ("1.0 + torch", "1.0 - torch"),
)

slip(
    TANH,
    "each",
    "A loop goes through the rows, and a tensor of one number has none.",
    ("return " + WHOLE, "return torch.stack([" + WHOLE.replace("x", "row") + " for row in x])"),
)

slip(
    TANH,
    "unchanged",
    "The x³ is added in place: the caller's own tensor is changed, although a copy was kept.",
    (
        "return " + WHOLE,
        "old = x.clone()\n    x += 0.044715 * old**3\n"
        "    return 0.5 * old * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * x))",
    ),
)

slip(
    TANH,
    "gradient",
    "tanh is given x.detach(): the gradient misses tanh's own slope.",
    ("(x + 0.044715", "(x.detach() + 0.044715"),
    ("* x**3", "* x.detach() ** 3"),
)

slip(
    TANH,
    "pytorch",
    "This is the exact form, with erf: GPT-2 was trained with tanh, which differs by up to 4.7e-4.",
    ("torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))", "torch.erf(x / math.sqrt(2.0))"),
)

slip(
    TANH,
    "pytorch",
    "√(2 / π) is rounded to 0.8: use math.sqrt and math.pi.",
    ("math.sqrt(2.0 / math.pi)", "0.8"),
)


@right("day11.gelu_tanh")
def gelu_tanh(x):
    """PyTorch's, asked for by name."""
    return F.gelu(x, approximate="tanh")


@right("day11.gelu_tanh")
def gelu_tanh(x):
    """With a sigmoid of twice what is inside: (1 + tanh z) / 2 = σ(2z)."""
    return x * torch.sigmoid(2 * (2 / torch.pi) ** 0.5 * x * (1 + 0.044715 * x * x))


@right("day11.gelu_tanh")
def gelu_tanh(x):
    """Step by step, with a power."""
    inside = x + 0.044715 * torch.pow(x, 3.0)
    share = (torch.tanh(inside * math.sqrt(2 / math.pi)) + 1) / 2
    return torch.mul(x, share)


@right("day11.gelu_tanh")
def gelu_tanh(x):
    """A module of PyTorch's, made for the call."""
    return nn.GELU("tanh")(x)


# --- MLP ------------------------------------------------------------------------------------------------

MLP_ = "day11.MLP"
BEND = 'x = F.gelu(self.c_fc(x), approximate="tanh")'
LAST = "return self.dropout(self.c_proj(x))"

slip(
    MLP_,
    "names",
    "The layers are called fc1 and fc2: GPT-2's files call them c_fc and c_proj.",
    ("self.c_fc", "self.fc1"),
    ("self.c_proj", "self.fc2"),
)

slip(
    MLP_,
    "names",
    "The names are the wrong way round: c_fc widens and c_proj narrows.",
    ("self.c_fc", "self.between"),
    ("self.c_proj", "self.c_fc"),
    ("self.between", "self.c_proj"),
)

slip(MLP_, "widths", "It is twice as wide in the middle, not four times.", ("4 * config", "2 * config"))

slip(
    MLP_, "widths", "It does not widen: there is one detector for each channel.", ("4 * config", "1 * config")
)

slip(
    MLP_,
    "biases",
    "The layers have biases whatever the config says: pass bias=config.bias.",
    (", bias=config.bias", ""),
)

slip(
    MLP_, "biases", "The layers never have biases: pass bias=config.bias.", ("bias=config.bias", "bias=False")
)

slip(
    MLP_,
    "biases",
    "Only the first layer asks config.bias, the second always has one.",
    ("config.n_embd, config.n_embd, bias=config.bias", "config.n_embd, config.n_embd"),
)

slip(
    MLP_,
    "curve",
    "It uses the exact GELU: GPT-2 was trained with the tanh form.",
    (', approximate="tanh"', ""),
)

slip(MLP_, "curve", "It uses ReLU in place of GELU.", (BEND, "x = F.relu(self.c_fc(x))"))

slip(MLP_, "curve", "There is no bend: the two layers together are one.", (BEND, "x = self.c_fc(x)"))

slip(
    MLP_,
    "curve",
    "The bend stands before the first layer: it belongs between the two.",
    (BEND, 'x = self.c_fc(F.gelu(x, approximate="tanh"))'),
)

slip(
    MLP_,
    ("curve", "straight"),
    "The bend stands at the end, after c_proj: the result can hardly be negative, and the two layers are one.",
    (BEND, "x = self.c_fc(x)"),
    (LAST, 'return self.dropout(F.gelu(self.c_proj(x), approximate="tanh"))'),
)

slip(
    MLP_,
    "straight",
    "There is a second bend after c_proj: what the MLP writes must be free to be negative.",
    (LAST, 'return self.dropout(F.gelu(self.c_proj(x), approximate="tanh"))'),
)

slip(
    MLP_,
    ("curve", "straight", "dropout"),
    "x is added inside the MLP: the block does that, tomorrow.",
    (BEND, 'start = x\n        x = F.gelu(self.c_fc(x), approximate="tanh")'),
    (LAST, "return start + self.dropout(self.c_proj(x))"),
)

slip(
    MLP_,
    "positions",
    "Every position is given the mean over all of them: the MLP must not mix positions.",
    (LAST, "return self.dropout(self.c_proj(x).mean(dim=1, keepdim=True).expand(-1, x.shape[1], -1))"),
)

slip(
    MLP_,
    "positions",
    "Positions are added up along the sequence: attention mixes them, the MLP does not.",
    (LAST, "return self.dropout(self.c_proj(x).cumsum(dim=1))"),
)

slip(MLP_, "dropout", "There is no dropout: config.dropout is never used.", (LAST, "return self.c_proj(x)"))

slip(
    MLP_,
    "dropout",
    "Dropout works on the wide hidden layer: it belongs to the end, after c_proj.",
    (LAST, "return self.c_proj(self.dropout(x))"),
)

slip(
    MLP_,
    "dropout",
    "The share of dropout is written down as 0.1: take config.dropout.",
    ("nn.Dropout(config.dropout)", "nn.Dropout(0.1)"),
)

slip(
    MLP_,
    "dropout",
    "What is kept is not divided by 1 − p: nn.Dropout does that.",
    ("self.dropout = nn.Dropout(config.dropout)", "self.p = config.dropout"),
    (LAST, "y = self.c_proj(x)\n        return y * (torch.rand_like(y) >= self.p) if self.training else y"),
)

slip(
    MLP_,
    "evaluation",
    "F.dropout is called without training=self.training, so it drops after .eval() too.",
    ("self.dropout = nn.Dropout(config.dropout)", "self.p = config.dropout"),
    (LAST, "return F.dropout(self.c_proj(x), self.p)"),
)

slip(
    MLP_,
    "gradient",
    "The input is detached: nothing below this layer can learn.",
    ("self.c_fc(x)", "self.c_fc(x.detach())"),
)

slip(
    MLP_,
    "gradient",
    "It computes under torch.no_grad: neither it nor anything below can learn.",
    (BEND, 'with torch.no_grad():\n            x = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))'),
    (LAST, "return self.dropout(x)"),
)

slip(
    MLP_,
    "all_of_it",
    "c_proj's weights are used without its bias.",
    ("self.c_proj(x)", "(x @ self.c_proj.weight.T)"),
)


@right("day11.MLP")
class MLP(nn.Module):
    """With the day's own curve, and the width worked out once."""

    def __init__(self, config):
        super().__init__()
        hidden = config.n_embd * 4
        self.c_fc = nn.Linear(config.n_embd, hidden, config.bias)
        self.c_proj = nn.Linear(hidden, config.n_embd, config.bias)
        self.drop = nn.Dropout(p=config.dropout)

    def forward(self, x):
        return self.drop(self.c_proj(gelu_tanh(self.c_fc(x))))


@right("day11.MLP")
class MLP(nn.Module):
    """The curve as a part, and dropout as a function."""

    def __init__(self, config):
        super().__init__()
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.act, self.p = nn.GELU(approximate="tanh"), config.dropout

    def forward(self, x):
        B, T, C = x.shape
        y = self.c_proj(self.act(self.c_fc(x.reshape(B * T, C))))
        return F.dropout(y.reshape(B, T, C), self.p, training=self.training)


@right("day11.MLP")
class MLP(nn.Sequential):
    """An nn.Sequential whose parts have names."""

    def __init__(self, config):
        super().__init__()
        self.add_module("c_fc", nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias))
        self.add_module("gelu", nn.GELU(approximate="tanh"))
        self.add_module("c_proj", nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias))
        self.add_module("dropout", nn.Dropout(config.dropout))


@right("day11.MLP")
class MLP(nn.Module):
    """Position by position, in a loop, with the mask of dropout drawn by hand."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x):
        y = torch.stack([self.one(x[:, t]) for t in range(x.shape[1])], dim=1)
        keep = 1 - self.config.dropout
        return y * (torch.rand_like(y) < keep) / keep if self.training else y

    def one(self, x):
        h = self.c_fc(x)
        return self.c_proj(0.5 * h * (1 + torch.tanh((2 / math.pi) ** 0.5 * (h + 0.044715 * h**3))))
