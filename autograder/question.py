"""Questions that only attention answers: who must find whom is known, whatever else may be wrong.

Sums, counters, constants and inputs handed back have many a property of attention: they are causal, differentiable,
the same in a batch. An item that asks for such a property puts a question first, or is about a question's answer.

    question = Question(rand, 2)  # a batch of two
    output = learner.attend(question.q, question.k, question.v)
    question.judge_output(output)
"""

import torch
from torch import Tensor

from autograder import expect
from autograder.rand import Rand


class Question:
    """Queries that each look for one key. A key is an address and a content, all at right angles to each other.

    It is chosen so that other mistakes do not show. Positions are paired and look for each other: queries and keys
    may be swapped, the softmax may run over the other axis, the weights may be transposed. Values are keys, and
    nothing but the content is read from them. The largest share counts, not its size: it may be scaled in any way.
    And only who looks back is judged: a causal mask may hide the others.
    """

    def __init__(self, rand: Rand, *batch: int, T: int | None = None, d_v: int | None = None) -> None:
        """As many keys as queries and values like keys; or only T <= 3 queries; or values of a width 9 <= d_v."""
        S = rand.integer(6, 9)
        d_k = rand.integer(2 * S, 2 * S + 6)
        address, self.content = right_angles(rand, *batch, 2 * S, d_k).chunk(2, dim=-2)  # (..., S, d_k) each
        self.k = self.v = address + self.content
        if d_v:
            self.v = self.content = right_angles(rand, *batch, S, d_v)
        # With fewer queries than keys, these are keys that the first query, too, sees under a causal mask.
        self.wanted = rand.permutation(S - T + 1)[:T] if T else paired(rand, S)
        # Divided by √d_k this is a score of 5 to 7: nearly all of a row, and no exponential overflows.
        self.q = rand.integer(5, 7) * d_k**0.5 * address[..., self.wanted, :]
        self.looks_back = self.wanted <= torch.arange(len(self.wanted)) + (S - (T or S))

    def judge_weights(self, weights: Tensor) -> None:
        """Fail unless each query gives the key that it looks for the largest weight."""
        expect.numbers(weights, (*self.q.shape[:-1], self.k.shape[-2]), of="the weights")
        expect.that(
            self._found(weights),
            "a query that points at one key, and at right angles to all others, "
            "must give that key the largest weight in its row",
        )

    def judge_output(self, output: Tensor) -> None:
        """Fail unless each query gets more of the value that it looks for than of any other."""
        expect.numbers(output, (*self.q.shape[:-1], self.v.shape[-1]), of="the output")
        expect.that(
            self._found(output.double() @ self.content.double().transpose(-2, -1)),
            "a query that points at one key, and at right angles to all others, must get most of that key's value",
        )

    def _found(self, shares: Tensor) -> bool:
        return bool((shares.argmax(-1) == self.wanted)[..., self.looks_back].all())


def right_angles(rand: Rand, *shape: int) -> Tensor:
    """(..., n, d) vectors of length 1, n <= d, in random directions at right angles to each other."""
    return torch.linalg.qr(rand.normal(*shape).transpose(-2, -1)).Q.transpose(-2, -1).contiguous()


def paired(rand: Rand, n: int) -> Tensor:
    """For each of n positions its partner, (n,) int64; one is left with itself where n is odd."""
    order, partner = rand.permutation(n), torch.arange(n)
    some, others = order[: n // 2], order[n // 2 : n // 2 * 2]
    partner[some], partner[others] = others, some
    return partner
