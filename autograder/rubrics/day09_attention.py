"""Day 9 · Attention, one head."""

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.question import Question
from autograder.rand import Rand
from autograder.remote import Learner, Remote, keep
from autograder.rubric import exercise, free_answer, item

free_answer(
    "day09.explain_scale",
    points=2,
    criteria="""
    One point: undivided, the scores have a variance of 256, so softmax gives nearly all of each row to one position.
    A share p near 0 or 1 has a slope p(1 - p) near 0, so most rows pass hardly any gradient on. (The few rows that are
    still undecided pass on a large one. Nobody needs to say so.)

    One point: divided by d_k they have a variance of 1/256, so the shares are nearly equal. Softmax passes the gradient
    on, but a score changes 16 times less with its query and key than with √d_k, so little arrives once more.

    Numbers are not asked for, and neither are these words: saturated or one-hot, flat or uniform, will do.
    """,
)


@exercise("day09.causal_mask", answer="handmade.attention.causal_mask")
class CausalMask:
    """The causal mask"""

    @item(1)
    def form(learner: Learner, rand: Rand):
        """It is a (T, T) tensor of dtype bool, for every T from 1 up."""
        for T in (1, *two_sizes(rand)):
            mask = a_mask(learner, T)
            expect.shape(mask, (T, T), of=f"causal_mask({T})")
            expect.that(
                mask.dtype == torch.bool, f"causal_mask({T}) has dtype {mask.dtype}, expected torch.bool"
            )

    @item(1)
    def itself(learner: Learner, rand: Rand):
        """A position sees itself."""
        for T in two_sizes(rand):
            seen = allowed(learner.causal_mask(T), T)
            blind = int((~seen.diagonal()).sum())
            expect.that(
                blind == 0,
                f"{blind} of {T} positions may not see themselves: the diagonal belongs to the mask",
                show=(seen, lower_triangle(T)),
            )

    @item(2)
    def direction(learner: Learner, rand: Rand):
        """A position sees every earlier one and no later one."""
        for T in two_sizes(rand):
            seen = allowed(learner.causal_mask(T), T)
            t, s = torch.meshgrid(torch.arange(T), torch.arange(T), indexing="ij")
            later, earlier = int(seen[s > t].sum()), int((~seen[s < t]).sum())
            expect.that(
                later == 0,
                f"row t must be False at every column s > t: {later} later positions can be seen",
                show=(seen, s <= t),
            )
            expect.that(
                earlier == 0,
                f"row t must be True at every column s < t: {earlier} earlier positions are hidden",
                show=(seen, s <= t),
            )

    @item(1)
    def device(learner: Learner, rand: Rand):
        """It lies on the device that was asked for."""
        a_mask(learner, two_sizes(rand)[1])
        T = rand.integer(12, 400)
        mask = learner.causal_mask(T, device="meta")
        expect.shape(mask, (*mask.shape[:-2], T, T), of=f"causal_mask({T}, device)")
        expect.that(
            mask.device.type == "meta",
            f'with device="meta" the mask must be on "meta", yours is on "{mask.device}"',
        )


@exercise("day09.attention_weights", answer="handmade.attention.attention_weights")
class AttentionWeights:
    """The attention weights"""

    @item(1)
    def rows(learner: Learner, rand: Rand):
        """Each row is a probability distribution: it sums to 1."""
        weighs(learner, rand)
        T = rand.integer(3, 8)
        q, k = rand.normal(2, T, 8), rand.normal(2, T, 8)
        for mask in (None, random_mask(rand, T)):
            weights = learner.attention_weights(q, k, mask)
            expect.numbers(weights, (2, T, T), of="attention_weights(q, k, mask)")
            sums = weights.sum(-1)
            expect.close(
                sums,
                torch.ones_like(sums),
                "each row must sum to 1 " + ("without" if mask is None else "with") + " a mask",
            )

    @item(2)
    def masked(learner: Learner, rand: Rand):
        """Where the mask is False the weight is exactly 0, and where it is True it is not."""
        weighs(learner, rand)
        T = rand.integer(4, 8)
        q, k, mask = rand.normal(2, T, 8, scale=0.5), rand.normal(2, T, 8, scale=0.5), random_mask(rand, T)
        mask = (
            mask if not torch.equal(mask, mask.T) else lower_triangle(T)
        )  # a symmetric one hides a transposition
        weights = learner.attention_weights(q, k, mask)
        expect.numbers(weights, (2, T, T), of="attention_weights(q, k, mask)")
        hidden = weights[:, ~mask].abs()
        expect.that(
            not hidden.any(),
            f"{int(hidden.count_nonzero())} of {hidden.numel()} masked weights are not 0 "
            f"(the largest is {hidden.max():.3g})",
        )
        expect.that(bool((weights[:, mask] > 0).all()), "some weights that the mask allows are 0")

    @item(2)
    def scale(learner: Learner, rand: Rand):
        """The scores are divided by √d_k before the softmax."""
        # With k = q the scores are symmetric, so this holds whichever is the query. The differences taken below
        # cancel whatever each row and each column was divided by, so it holds whatever the softmax runs over.
        T, d_k = rand.integer(3, 6), rand.integer(17, 35)
        q = rand.normal(2, T, d_k, scale=0.4)
        weights = learner.attention_weights(q, q, None)
        expect.numbers(weights, (2, T, T), of="attention_weights(q, k)")
        scores = (q @ q.transpose(-2, -1)).double()
        yours, unscaled = both_differences(weights.double().log()), both_differences(scores)
        ratio = float((yours * unscaled).sum() / (unscaled * unscaled).sum())
        expect.close(
            yours,
            unscaled / d_k**0.5,
            f"the log of the weights must grow with the score by 1/√d_k = {d_k**-0.5:.4f} (d_k = {d_k}), "
            f"yours grows by {ratio:.4f}",
            tolerance=1e-3,
        )

    @item(1)
    def queries(learner: Learner, rand: Rand):
        """Rows belong to queries and columns to keys, also when there are more keys than queries."""
        S, T = rand.integer(5, 8), rand.integer(3, 4)
        wanted = rand.permutation(S)[:T]  # query t points at key wanted[t]
        k = 8.0 * torch.eye(S, 16).expand(2, S, 16)
        weights = learner.attention_weights(k[:, wanted], k, None)
        expect.numbers(weights, (2, T, S), of=f"attention_weights of {T} queries and {S} keys")
        expect.that(
            bool((weights.argmax(-1) == wanted).all()),
            "a query that equals one of the keys must give that key the largest weight in its row",
        )

    @item(1)
    def extremes(learner: Learner, rand: Rand):
        """Large scores stay finite, and bring back nothing that the mask had hidden."""
        question = Question(rand, 2)
        question.judge_weights(learner.attention_weights(1000.0 * question.q, question.k, None))
        T = rand.integer(4, 8)
        q, k, mask = rand.normal(2, T, 16), rand.normal(2, T, 16), random_mask(rand, T)
        small = learner.attention_weights(q, k, mask)
        # A mask value that is only "rather small" loses against allowed scores that are smaller still.
        q, k = 300.0 * q, 300.0 * k
        q[..., 0], k[..., 0] = 1000.0, -1000.0
        large = learner.attention_weights(q, k, mask)
        expect.numbers(small, (2, T, T), of="attention_weights(q, k, mask)")
        expect.numbers(large, (2, T, T), of="attention_weights of large scores")
        if not small[:, ~mask].any():
            expect.that(not large[:, ~mask].any(), "with large scores some masked weights are no longer 0")

    @item(1)
    def batches(learner: Learner, rand: Rand):
        """Any leading shape works: none, a batch, a batch of heads."""
        question = Question(rand, 2, 3)
        q, k = question.q, question.k
        for mask in (None, random_mask(rand, len(question.wanted))):
            whole = learner.attention_weights(q, k, mask)
            if mask is None:
                question.judge_weights(whole)
            for b, h in enumerate(rand.permutation(3)[:2]):
                alone = learner.attention_weights(q[b, h], k[b, h], mask)
                expect.close(alone, whole[b, h], "one sequence alone must get what it gets in a batch")

    @item(1)
    def unchanged(learner: Learner, rand: Rand):
        """The arguments are left as they were."""
        question = Question(rand, 2)
        q, k = keep(learner, question.q), keep(learner, question.k)
        first = learner.attention_weights(q, k, None)
        question.judge_weights(first)
        second = learner.attention_weights(q, k, None)
        expect.close(second, first, "a second call with the very same tensors gives another result")

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """Gradients flow back to the queries and the keys."""
        weighs(learner, rand)
        T = rand.integer(3, 6)
        inputs = [rand.normal(2, T, 8) for _ in range(2)]
        check_gradient(learner.attention_weights, rand, inputs, [None], shape=(2, T, T))

    @item(2, whole=True)
    def pytorch(learner: Learner, rand: Rand):
        """All in all: the weights that PyTorch's own attention uses."""
        for T, d_k, scale in (
            (1, 4, 1.0),
            (rand.integer(5, 9), rand.integer(8, 20), 4.0),
            (rand.integer(50, 90), 8, 1.0),
        ):
            q, k, mask = (
                rand.normal(2, T, d_k, scale=scale),
                rand.normal(2, T, d_k, scale=scale),
                random_mask(rand, T),
            )
            weights = learner.attention_weights(q, k, mask)
            # Attention over the identity matrix returns the weights themselves.
            peer = F.scaled_dot_product_attention(q, k, torch.eye(T).expand(2, T, T), attn_mask=mask)
            expect.close(weights, peer, "the weights differ from PyTorch's")


@exercise("day09.attend", answer="handmade.attention.attend")
class Attend:
    """Scaled dot-product attention"""

    @item(1)
    def values(learner: Learner, rand: Rand):
        """Outputs are averages of values: where all keys are alike, the last position gets the plain mean."""
        attends(learner, rand)
        T = rand.integer(3, 6)
        q, k, v = rand.normal(2, T, 8), rand.normal(2, 1, 8).expand(2, T, 8), rand.normal(2, T, 8)
        output = learner.attend(q, k, v, lower_triangle(T))
        expect.numbers(output, (2, T, 8), of="attend(q, k, v, mask)")
        expect.close(
            output[:, -1], v.mean(1), "with equal keys the last output must be the mean of all values"
        )

    @item(2)
    def causality(learner: Learner, rand: Rand):
        """With a causal mask, no position depends on a later one."""
        question = Question(rand, 2)
        q, k, v, T = question.q, question.k, question.v, len(question.wanted)
        mask = lower_triangle(T)
        before = learner.attend(q, k, v, mask)
        question.judge_output(before)
        for t in range(1, T):
            after = learner.attend(*rand.changed_from(t, q, k, v), mask)
            expect.close(
                after[:, :t],
                before[:, :t],
                f"changing positions {t} and later changed an earlier output: it looks into the future",
                tolerance=1e-6,
            )
            expect.that(
                not torch.equal(after[:, t:], before[:, t:]),
                f"changing positions {t} and later changed no output at all",
            )

    @item(1)
    def seen(learner: Learner, rand: Rand):
        """Without a mask, every position depends on every other."""
        question = Question(rand, 2)
        q, k, v = question.q, question.k, question.v
        before = learner.attend(q, k, v)
        question.judge_output(before)
        for s in rand.permutation(len(question.wanted)):
            k_changed, v_changed = k.clone(), v.clone()
            k_changed[:, s] *= 1.5
            v_changed[:, s] *= 1.5
            after = learner.attend(q, k_changed, v_changed)
            question.judge_output(after)
            moved = (after - before).abs().amax(-1) > 1e-6  # (2, T)
            expect.that(
                bool(moved.all()),
                f"without a mask, changing position {s} must change the output at every position",
            )

    @item(1)
    def widths(learner: Learner, rand: Rand):
        """Values may be wider or narrower than queries, and there may be more keys than queries."""
        for d_v in (rand.integer(9, 11), rand.integer(25, 30)):  # queries are 12 to 24 wide
            question = Question(rand, 2, T=rand.integer(2, 3), d_v=d_v)
            question.judge_output(learner.attend(question.q, question.k, question.v))

    @item(1)
    def batches(learner: Learner, rand: Rand):
        """Any leading shape works: none, a batch, a batch of heads."""
        question = Question(rand, 2, 3)
        q, k, v = question.q, question.k, question.v
        for mask in (None, lower_triangle(len(question.wanted))):
            whole = learner.attend(q, k, v, mask)
            if mask is None:
                question.judge_output(whole)
            for b, h in enumerate(rand.permutation(3)[:2]):
                alone = learner.attend(q[b, h], k[b, h], v[b, h], mask)
                expect.close(alone, whole[b, h], "one sequence alone must get what it gets in a batch")

    @item(1)
    def gradient(learner: Learner, rand: Rand):
        """Gradients flow back to the queries, the keys and the values."""
        attends(learner, rand)
        T = rand.integer(3, 6)
        inputs = [rand.normal(2, T, 8) for _ in range(3)]
        check_gradient(learner.attend, rand, inputs, [lower_triangle(T)], shape=(2, T, 8))

    @item(2, whole=True)
    def pytorch(learner: Learner, rand: Rand):
        """All in all: what PyTorch's own attention returns, in float32 and in float64, whatever the strides."""
        for dtype in (torch.float32, torch.float64):
            T, d_k, d_v = rand.integer(2, 70), rand.integer(3, 20), rand.integer(3, 20)
            # As a split into heads makes them: (B, T, H, d) seen as (B, H, T, d), not contiguous.
            q, k, v = (rand.normal(2, T, 3, d).to(dtype).transpose(1, 2) for d in (d_k, d_k, d_v))
            mask = random_mask(rand, T)
            output = learner.attend(q, k, v, mask)
            expect.that(output.dtype == dtype, f"for {dtype} inputs the output is {output.dtype}")
            peer = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            expect.close(output, peer, "the output differs from PyTorch's scaled_dot_product_attention")


def allowed(mask: Tensor, T: int) -> Tensor:
    """What a mask means, whichever way it was written: bools, zeros and ones, or 0 and -inf to be added.

    Fails unless it is a mask at all: for T positions, some of which see another one.
    """
    mask = mask.reshape(mask.shape[-2:])  # extra dimensions of size 1 are `form`'s business
    expect.shape(mask, (T, T), of=f"causal_mask({T})")
    expect.that(not mask.isnan().any(), f"causal_mask({T}) has values that are NaN")
    seen = mask == 0 if mask.is_floating_point() and mask.isneginf().any() else mask.bool()
    others = seen & ~torch.eye(T, dtype=torch.bool)
    expect.that(T == 1 or bool(others.any()), f"with causal_mask({T}) nobody sees anybody else")
    return seen


def two_sizes(rand: Rand) -> tuple[int, int]:
    """A mask has nothing but its size to draw. A table of the answers to an earlier seed may hold one of them."""
    return rand.integer(12, 60), rand.integer(61, 400)


def a_mask(learner: Learner, T: int) -> Tensor:
    """The learner's mask, once it is known to be one, and the same at a second call."""
    mask = learner.causal_mask(T)
    allowed(mask, T)
    expect.equal(learner.causal_mask(T), mask, f"causal_mask({T}) gives another mask at every call")
    return mask


def attends(learner: Learner, rand: Rand) -> None:
    """Fail unless `attend` answers a question: what no sum, constant or copy of the inputs does."""
    question = Question(rand, 2)
    question.judge_output(learner.attend(question.q, question.k, question.v))


def weighs(learner: Learner, rand: Rand) -> None:
    """The same of `attention_weights`."""
    question = Question(rand, 2)
    question.judge_weights(learner.attention_weights(question.q, question.k, None))


def lower_triangle(T: int) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool).tril()


def random_mask(rand: Rand, T: int) -> Tensor:
    """A (T, T) bool mask; each row allows at least one place and, if T > 1, hides at least one."""
    mask = rand.normal(T, T) > 0
    order = torch.stack([rand.permutation(T) for _ in range(T)])
    mask.scatter_(1, order[:, -1:], False)
    return mask.scatter_(1, order[:, :1], True)


def both_differences(x: Tensor) -> Tensor:
    """x[i, j] less the first of its row and of its column: what dividing rows or columns cannot change."""
    return x - x[..., :1, :] - x[..., :, :1] + x[..., :1, :1]


def check_gradient(
    function: Remote, rand: Rand, inputs: list[Tensor], rest: list, shape: tuple[int, ...]
) -> None:
    """Compare the gradients with the slope of the learner's own output, of this shape, along a random direction.

    Measured against the function's own output, so that a wrong output does not look like a wrong gradient.
    """

    def output(*inputs: Tensor) -> Tensor:
        value = function(*inputs, *rest)
        expect.numbers(value, shape, of="the result")
        return value.double()

    inputs = [x.double() for x in inputs]
    cotangent = rand.normal(*shape).double()
    _, gradients = function.gradients(*inputs, *rest, cotangent=cotangent)
    flat = True
    for i, name in enumerate("qkv"[: len(inputs)]):
        direction, step = rand.normal(*inputs[i].shape).double(), 1e-3
        ahead, behind = (
            output(*(x + sign * step * direction if i == j else x for j, x in enumerate(inputs)))
            for sign in (1, -1)
        )
        slope = ((ahead - behind) * cotangent).sum() / (2 * step)
        if slope.abs() < 1e-9:
            continue  # the output does not depend on this input: another item's business
        flat = False
        expect.that(
            gradients[i] is not None, f"no gradient reaches {name}: is it detached, or under no_grad?"
        )
        expect.numbers(gradients[i], inputs[i].shape, of=f"the gradient with respect to {name}")
        along = (gradients[i] * direction).sum()
        expect.close(along, slope, f"the gradient with respect to {name} is wrong", tolerance=0.02)
    expect.that(not flat, "the result depends on none of its inputs")
