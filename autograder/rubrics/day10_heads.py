"""Day 10 · Many heads: the hidden checks."""

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, build
from autograder.rubric import exercise, item
from autograder.sublayers import check_gradient, shapes

# --- Cutting and putting together ---------------------------------------------------------------------
# Both only move numbers. They are given numbers that are all different, so that each can be followed.


@exercise("day10.split_heads", answer="handmade.attention.split_heads")
class Split:
    """Cutting the channels into heads"""

    @item(2)
    def positions(learner: Learner, rand: Rand):
        """Row t of each head holds numbers of position t of the same sequence, and of no other."""
        b, t, _ = split_up(learner, rand, *some_sizes(rand))
        stays(b, dim=0, what="sequence")
        stays(t, dim=2, what="position")

    @item(1)
    def neighbours(learner: Learner, rand: Rand):
        """A head gets channels that stand side by side, in their order."""
        _, _, channel = split_up(learner, rand, *some_sizes(rand))
        steps = channel.diff(dim=-1)
        expect.that(
            bool((steps == 1).all()),
            f"from one number of a head to the next the channel grows by {some(steps)}, expected 1 everywhere",
        )

    @item(1)
    def order(learner: Learner, rand: Rand):
        """Head 0 gets the first channels, the last head the last ones."""
        _, _, channel = split_up(learner, rand, *some_sizes(rand))
        middles = channel.double().mean(-1)  # (B, n_head, T)
        expect.that(
            bool((middles.diff(dim=1) > 0).all()),
            f"at position 0 the middle channels of the heads are {some(middles[0, :, 0])}: they must grow",
        )

    @item(1)
    def extremes(learner: Learner, rand: Rand):
        """One head, as many heads as channels, one sequence, one position: there are always four dimensions."""
        for sizes in extreme_sizes(rand):
            split_up(learner, rand, *sizes)

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """The gradient finds its way back."""
        B, T, n_head, head_size = some_sizes(rand)
        split_up(learner, rand, B, T, n_head, head_size)
        x, w = rand.normal(B, T, n_head * head_size), rand.normal(B, n_head, T, head_size)
        comes_back(*learner.split_heads.gradients(x, n_head, cotangent=w), x, w)

    @item(2, whole=True)
    def slices(learner: Learner, rand: Rand):
        """All in all: head h is slice h of the channels, in the dtype of x and whatever its strides."""
        B, T, n_head, head_size = some_sizes(rand)
        C = n_head * head_size
        for x in (
            rand.normal(B, T, 3 * C).chunk(3, dim=-1)[1],
            rand.normal(B, C, T).double().transpose(1, 2),
        ):
            heads = learner.split_heads(x, n_head)
            expect.that(heads.dtype == x.dtype, f"x is {x.dtype}, the result {heads.dtype}")
            wanted = torch.stack(x.split(head_size, dim=-1), dim=1)
            expect.equal(heads, wanted, "the heads are not the slices of the channels")


@exercise("day10.merge_heads", answer="handmade.attention.merge_heads")
class Merge:
    """Putting the heads side by side"""

    @item(2)
    def positions(learner: Learner, rand: Rand):
        """Position t gets what the heads have for position t of the same sequence, and nothing else."""
        b, _, t, _ = put_together(learner, rand, *some_sizes(rand))
        stays(b, dim=0, what="sequence")
        stays(t, dim=1, what="position")

    @item(1)
    def together(learner: Learner, rand: Rand):
        """What one head has for a position stays side by side, in its order."""
        B, T, n_head, head_size = some_sizes(rand)
        *_, place = put_together(learner, rand, B, T, n_head, head_size)
        wanted = torch.arange(head_size).repeat(n_head)
        expect.that(
            bool((place == wanted).all()),
            f"the numbers of a position had the places {place[0, 0].tolist()} in their heads, expected "
            f"{wanted.tolist()}",
        )

    @item(1)
    def order(learner: Learner, rand: Rand):
        """Head 0 comes first, the last head last."""
        B, T, n_head, head_size = some_sizes(rand)
        _, head, *_ = put_together(learner, rand, B, T, n_head, head_size)
        where = torch.arange(n_head * head_size).double()
        for h in range(n_head - 1):
            one, next_one = (((head == i) * where).sum(-1) / (head == i).sum(-1) for i in (h, h + 1))
            # Where a head is missing its middle is NaN, which is less than nothing.
            expect.that(
                bool((one < next_one).all()),
                f"the numbers of a position come from the heads {head[0, 0].tolist()}: {h} must stand before {h + 1}",
            )

    @item(1)
    def extremes(learner: Learner, rand: Rand):
        """One head, as many heads as channels, one sequence, one position: there are always three dimensions."""
        for sizes in extreme_sizes(rand):
            put_together(learner, rand, *sizes)

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """The gradient finds its way back."""
        B, T, n_head, head_size = some_sizes(rand)
        put_together(learner, rand, B, T, n_head, head_size)
        x, w = rand.normal(B, n_head, T, head_size), rand.normal(B, T, n_head * head_size)
        comes_back(*learner.merge_heads.gradients(x, cotangent=w), x, w)

    @item(2, whole=True)
    def inverse(learner: Learner, rand: Rand):
        """All in all: it undoes a split, in any dtype and whatever the strides."""
        B, T, n_head, head_size = some_sizes(rand)
        for dtype in (torch.float32, torch.float64):
            x = rand.normal(B, T, n_head * head_size).to(dtype)
            heads = torch.stack(x.split(head_size, dim=-1), dim=1)
            for each in (heads, heads.transpose(1, 2).contiguous().transpose(1, 2)):
                back = learner.merge_heads(each)
                expect.that(back.dtype == dtype, f"the heads are {dtype}, the result {back.dtype}")
                expect.equal(back, x, "what was split does not come back")


def some_sizes(rand: Rand) -> tuple[int, ...]:
    """B, T, n_head and head_size, all different, none 1."""
    return tuple(int(n) + 2 for n in rand.permutation(5)[:4])


def extreme_sizes(rand: Rand) -> list[tuple[int, ...]]:
    C = rand.integer(4, 9)
    return [(2, 3, 1, C), (3, 2, C, 1), (1, 4, 2, C), (2, 1, 3, C), (1, 1, 1, C)]


def split_up(learner: Learner, rand: Rand, B: int, T: int, n_head: int, head_size: int) -> list[Tensor]:
    """The sequence, position and channel that each number of the result had."""
    x = all_different(rand, B, T, n_head * head_size)
    of = f"split_heads of {tuple(x.shape)} into {n_head} heads"
    return followed(x, learner.split_heads(x, n_head), (B, n_head, T, head_size), of)


def put_together(learner: Learner, rand: Rand, B: int, T: int, n_head: int, head_size: int) -> list[Tensor]:
    """The sequence, head, position and place in its head that each number of the result had."""
    x = all_different(rand, B, n_head, T, head_size)
    of = f"merge_heads of {tuple(x.shape)}"
    return followed(x, learner.merge_heads(x), (B, T, n_head * head_size), of)


def all_different(rand: Rand, *shape: int) -> Tensor:
    """No two numbers alike, in random order."""
    return rand.permutation(torch.Size(shape).numel()).view(shape) + 0.5


def followed(x: Tensor, y: Tensor, shape: tuple[int, ...], of: str) -> list[Tensor]:
    """Where in x each number of y stood, one tensor for each dimension of x. Fails unless all of x is in y, once."""
    expect.numbers(y, shape, of)
    before, now = x.flatten().sort(), y.flatten().sort()
    expect.that(
        torch.equal(now.values.float(), before.values),
        f"{of} must hold each number of x once, and nothing else",
    )
    came_from = torch.empty_like(now.indices)
    came_from[now.indices] = before.indices
    return list(torch.unravel_index(came_from.view(shape), x.shape))


def stays(index: Tensor, dim: int, what: str) -> None:
    """Fail unless the index is the place along `dim`."""
    wanted = torch.arange(index.shape[dim]).view([-1 if d == dim else 1 for d in range(index.dim())])
    moved = int((index != wanted).sum())
    expect.that(
        moved == 0,
        f"{moved} of {index.numel()} numbers come from another {what}: in {what} 0 stand numbers of {what} "
        f"{', '.join(map(str, some(index.select(dim, 0))))}",
    )


def comes_back(y: Tensor, gradients: list, x: Tensor, w: Tensor) -> None:
    """Fail unless the gradient is that of a function that only moves numbers: sum(x · gradient) is sum(y · w)."""
    expect.numbers(y, w.shape, of="the result")
    expect.that(gradients[0] is not None, "no gradient reaches x: is it detached, or under no_grad?")
    expect.numbers(gradients[0], x.shape, of="the gradient")
    expect.close((gradients[0] * x).sum(), (y * w).sum(), "the gradient is wrong", tolerance=1e-4)


def some(values: Tensor) -> list:
    """The first few different ones, in the order in which they stand."""
    return list(dict.fromkeys(values.flatten().tolist()))[:8]


# --- The layer ----------------------------------------------------------------------------------------


@exercise("day10.CausalSelfAttention", answer="handmade.attention.CausalSelfAttention")
class SelfAttention:
    """Many heads of attention, as one layer"""

    @item(1)
    def names(learner: Learner, rand: Rand):
        """Its weights are called and shaped as GPT-2's are, with biases where the config says so."""
        C = 2 * rand.integer(3, 20)
        for bias in (True, False):
            layer = learner.CausalSelfAttention(a_config(learner, C, 2, bias=bias)).to("meta")
            found = {name: tuple(value.shape) for name, value in layer.named_parameters()}
            wanted = {name: shape for shape, name in gpt2_names(C).items() if bias or name.endswith("weight")}
            expect.that(
                found == wanted,
                f"with n_embd={C} and bias={bias} the parameters are {found}, expected {wanted}",
            )

    @item(2)
    def parts(learner: Learner, rand: Rand):
        """Of what c_attn returns, the first third are queries, the second keys, the last values."""
        # Queries are made of the first third of the channels of x only, keys of the second, values of the last. So to
        # change such channels at a position is to change its query, its key or its value.
        n_head, T = rand.integer(2, 4), rand.integer(4, 6)
        C = n_head * 3 * rand.integer(1, 2)
        weights = some_weights(rand, C)
        weights["c_attn.weight"].view(3, C, 3, C // 3).mul_(3**0.5 * torch.eye(3)[:, None, :, None])
        layer = made(learner, n_head, T, weights)
        x, s = rand.normal(2, T, 3, C // 3), rand.integer(1, T - 2)
        before = called(layer, x.flatten(2))

        def moved(part: int) -> Tensor:
            """(T,): how far the outputs move when that part of position s changes."""
            changed = x.clone()
            changed[:, s, part] += 2.0 + rand.normal(C // 3).abs()
            return (called(layer, changed.flatten(2)) - before).abs().amax((0, 2))

        first, second = moved(0), moved(1)
        x[:, :, 2] *= 2.0
        louder = called(layer, x.flatten(2))
        others = torch.arange(T) != s
        expect.that(
            float(first[s]) > 1e-4 and float(first[others].max()) < 1e-5,
            f"the first third must be the queries: another one at position {s} changes the output there, and nowhere "
            f"else; yours changes it by {first.tolist()}",
        )
        expect.that(
            float(second[others].max()) > 1e-4,
            f"the second third must be the keys: another one at position {s} changes the output elsewhere",
        )
        expect.close(
            louder, 2.0 * before, "the last third must be the values: twice of them is twice the output", 1e-4
        )

    @item(2)
    def heads(learner: Learner, rand: Rand):
        """Head h is made of its own slice of the queries, keys and values, and of nothing else."""
        n_head, head_size, T = rand.integer(2, 4), rand.integer(2, 4), rand.integer(3, 6)
        C = n_head * head_size
        weights = some_weights(rand, C, projects=False)
        x, h = rand.normal(2, T, C), rand.integer(0, n_head - 1)
        own = torch.arange(C) // head_size == h
        before = called(made(learner, n_head, T, weights), x)
        for part, name in enumerate(("queries", "keys", "values")):
            changed = {key: value.clone() for key, value in weights.items()}
            changed["c_attn.weight"].view(3, C, C)[part, own] += rand.normal(head_size, C)
            moved = (called(made(learner, n_head, T, changed), x) - before).abs().amax((0, 1)) > 1e-5  # (C,)
            expect.that(bool(moved[own].any()), f"other {name} of head {h} make no difference to its output")
            expect.that(
                not moved[~own].any(),
                f"other {name} of head {h} of {n_head} change more than its {head_size} channels: also "
                f"{torch.arange(C)[moved & ~own].tolist()}, where c_proj is the identity",
            )

    @item(2)
    def scale(learner: Learner, rand: Rand):
        """Scores are divided by the root of the head's size, not of the number of all channels."""
        # Two positions, and queries, keys and values that are the same: neither a mask nor their order makes a
        # difference to the second position. The heads are the same too; of an odd number of them, a merge that mixes
        # positions up leaves the second position's first head where it is.
        n_head, head_size = 2 * rand.integer(1, 2) + 1, rand.integer(4, 8)
        C = n_head * head_size
        weights = all_alike(rand, C, n_head)
        matrix = weights["c_attn.weight"][:head_size]
        x = rand.normal(8, 2, C, scale=0.7)
        y = called(made(learner, n_head, 2, weights), x)[:, 1, :head_size].double()
        first, second = (
            (x @ matrix.T).double().unbind(1)
        )  # (8, head_size): query, key and value of each position
        way = second - first
        share = ((y - first) * way).sum(-1) / way.square().sum(-1)  # of its attention, for itself
        scores, odds = (second * way).sum(-1), torch.logit(share)
        expect.close(
            odds,
            scores / head_size**0.5,
            f"the log of the weights must grow with the score by 1/√head_size = {head_size**-0.5:.4f} (head_size is "
            f"{head_size}, n_embd {C}), yours grows by {float((odds / scores).median()):.4f}",
            tolerance=2e-3,
        )

    @item(2)
    def causality(learner: Learner, rand: Rand):
        """No position depends on a later one."""
        a_layer_at_all(learner, rand)
        n_head, T = rand.integer(2, 4), rand.integer(4, 7)
        C = n_head * rand.integer(2, 4)
        layer, x = made(learner, n_head, T, some_weights(rand, C)), rand.normal(2, T, C)
        before = called(layer, x)
        for t in range(1, T):
            after = called(layer, *rand.changed_from(t, x))
            expect.close(
                after[:, :t],
                before[:, :t],
                f"changing positions {t} and later changed an earlier output: it looks into the future",
            )

    @item(1)
    def projection(learner: Learner, rand: Rand):
        """The merged heads go through c_proj."""
        a_layer_at_all(learner, rand, projects=True)

    @item(1)
    def sizes(learner: Learner, rand: Rand):
        """Any length up to block_size, one head, and as many heads as channels."""
        C, block_size = rand.integer(5, 9), rand.integer(6, 9)
        for n_head in (1, C):
            weights = all_alike(rand, C, n_head)
            layer = made(learner, n_head, block_size, weights)
            for T in (block_size, rand.integer(2, block_size - 1)):
                called(layer, rand.normal(2, T, C))
            its_own_value(layer, weights, rand.normal(2, 1, C))

    @item(2)
    def dropped_weights(learner: Learner, rand: Rand):
        """In training, dropout falls on the attention weights."""
        # A single position gives itself all its attention: if that one weight is dropped, its head has nothing.
        a_layer_at_all(learner, rand)
        p, head_size = rand.integer(25, 40) / 100, 16
        y = in_training(learner, rand, p, 8 * head_size, n_head=8)
        empty = (y.unflatten(-1, (8, head_size)) == 0).all(-1).double().mean().item()
        expect.that(
            abs(empty - p) < 0.07,
            f"with dropout={p} and a single position, a head has nothing in a share {p} of all cases; yours in "
            f"{empty:.2f}",
        )

    @item(1)
    def dropped_output(learner: Learner, rand: Rand):
        """In training, dropout falls on the result, after c_proj."""
        a_layer_at_all(learner, rand)
        p = rand.integer(25, 40) / 100
        y = in_training(learner, rand, p, C=32, n_head=16, projects=True)
        zeros = (y == 0).double().mean().item()
        expect.that(
            abs(zeros - p) < 0.05, f"with dropout={p}, a share {p} of the result is 0; yours {zeros:.2f}"
        )

    @item(1)
    def evaluation(learner: Learner, rand: Rand):
        """In eval mode nothing is dropped, whatever the config says."""
        a_layer_at_all(learner, rand)
        n_head, T = rand.integer(2, 4), rand.integer(5, 8)
        C = n_head * rand.integer(2, 4)
        weights, x = some_weights(rand, C), rand.normal(4, T, C)
        build(learner, "torch.manual_seed", rand.integer(0, 2**31))
        wanted, found = (called(made(learner, n_head, T, weights, dropout=p), x) for p in (0.0, 0.5))
        expect.close(found, wanted, "in eval mode, dropout=0.5 gives another result than dropout=0")

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """Gradients reach what came in, through the queries and keys too."""
        a_layer_at_all(learner, rand)
        n_head, T = rand.integer(2, 3), rand.integer(3, 5)
        C = n_head * rand.integer(2, 3)
        check_gradient(made(learner, n_head, T, some_weights(rand, C)), rand.normal(2, T, C), rand)

    @item(2, whole=True)
    def loop(learner: Learner, rand: Rand):
        """All in all: what a loop over heads gives with the same weights, by PyTorch's own attention."""
        for scale in (1.0, 3.0):
            n_head, T = rand.integer(2, 5), rand.integer(5, 40)
            C = n_head * rand.integer(3, 8)
            weights, x = some_weights(rand, C), rand.normal(3, T, C, scale=scale)
            weights |= {"c_attn.bias": rand.normal(3 * C), "c_proj.bias": rand.normal(C)}
            q, k, v = F.linear(x, weights["c_attn.weight"], weights["c_attn.bias"]).split(C, dim=-1)
            slices = zip(*(part.split(C // n_head, dim=-1) for part in (q, k, v)), strict=True)
            heads = [F.scaled_dot_product_attention(*one, is_causal=True) for one in slices]
            wanted = F.linear(torch.cat(heads, dim=-1), weights["c_proj.weight"], weights["c_proj.bias"])
            y = called(made(learner, n_head, T, weights), x)
            expect.close(y, wanted, "the output differs from that of a loop over heads", tolerance=1e-4)


def gpt2_names(C: int) -> dict[tuple[int, ...], str]:
    """What GPT-2 calls them, by their shapes."""
    return {
        (3 * C, C): "c_attn.weight",
        (3 * C,): "c_attn.bias",
        (C, C): "c_proj.weight",
        (C,): "c_proj.bias",
    }


def a_config(
    learner: Learner, C: int, n_head: int, block_size: int = 8, dropout: float = 0.0, bias: bool = True
) -> Remote:
    sizes = {"vocab_size": 9, "block_size": block_size, "n_layer": 1, "n_head": n_head, "n_embd": C}
    return build(learner, "handmade.model.GPTConfig", **sizes, dropout=dropout, bias=bias)


def some_weights(rand: Rand, C: int, projects: bool = True) -> dict[str, Tensor]:
    """Random ones without biases; where it does not project, c_proj hands on what it is given."""
    return {
        "c_attn.weight": rand.normal(3 * C, C, scale=C**-0.5),
        "c_proj.weight": rand.normal(C, C, scale=C**-0.5) if projects else torch.eye(C),
    }


def all_alike(rand: Rand, C: int, n_head: int, projects: bool = False) -> dict[str, Tensor]:
    """The same where each head's queries, keys and values are the same, in whichever order they are taken."""
    weights = some_weights(rand, C, projects)
    return weights | {"c_attn.weight": weights["c_attn.weight"][: C // n_head].repeat(3 * n_head, 1)}


def made(
    learner: Learner, n_head: int, block_size: int, weights: dict[str, Tensor], dropout: float = 0.0
) -> Remote:
    """A learner's layer with weights of ours, in eval mode.

    Names and biases are the business of `names`: a weight that has another name is found by its shape.
    """
    C = len(weights["c_proj.weight"])
    config = a_config(learner, C, n_head, block_size, dropout)
    layer, form = learner.CausalSelfAttention(config), shapes(learner.CausalSelfAttention(config))
    state = {}
    for shape, name in gpt2_names(C).items():
        called_so = [name] if name in form else [other for other in form if form[other] == shape]
        state |= dict.fromkeys(called_so[:1], weights.get(name, torch.zeros(shape)))
    layer.load_state_dict(state, False)
    layer.eval()
    return layer


def called(layer: Remote, x: Tensor) -> Tensor:
    y = layer(x)
    expect.kind(y, Tensor, of="the layer")
    expect.numbers(y, x.shape, of=f"the output for {tuple(x.shape)}")
    return y


def its_own_value(layer: Remote, weights: dict[str, Tensor], x: Tensor) -> None:
    """Fail unless a single position gets its own value, through c_proj: nobody else is there."""
    wanted = x @ weights["c_attn.weight"][-x.shape[-1] :].T @ weights["c_proj.weight"].T
    because = "a single position can look at itself only, so its output must be its own value, through c_proj"
    expect.close(called(layer, x), wanted, because, tolerance=1e-4)


def a_layer_at_all(learner: Learner, rand: Rand, projects: bool = False) -> None:
    """Fail unless it makes values of what comes in, and hands them on."""
    n_head = rand.integer(2, 4)
    C = n_head * rand.integer(2, 4)
    weights = all_alike(rand, C, n_head, projects)
    its_own_value(made(learner, n_head, 1, weights), weights, rand.normal(3, 1, C))


def in_training(
    learner: Learner, rand: Rand, p: float, C: int, n_head: int, projects: bool = False
) -> Tensor:
    """What single positions get in training, (1500, 1, C)."""
    layer = made(learner, n_head, 1, all_alike(rand, C, n_head, projects), dropout=p)
    layer.train()
    build(learner, "torch.manual_seed", rand.integer(0, 2**31))
    return called(layer, rand.normal(1500, 1, C))
