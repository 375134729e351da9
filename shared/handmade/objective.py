"""The objective (day 15): what a language model is asked to do, and how well it could be done without one.

A model's loss is the mean surprise, -ln p, of the token that came next, in nats. The ladder of baselines,
from a guess to a table of pairs: `random_baseline` >= `unigram_entropy` >= `bigram_entropy`. The entropies
are Shannon's ("Prediction and Entropy of Printed English", 1951), of the text itself: no model that
looks back no further can do better on it, on average.
"""

import math

import torch
from torch import Tensor


def get_input_and_labels(sequence: Tensor) -> tuple[Tensor, Tensor]:
    """Split (..., T + 1) token ids into inputs and labels, both (..., T): each label is the next token.

    Raises:
        ValueError: there are fewer than two tokens, so that nothing has a next one.
    """
    if sequence.shape[-1] < 2:
        raise ValueError(
            f"A sequence of {sequence.shape[-1]} tokens holds no pair to learn from: give 2 or more."
        )
    return sequence[..., :-1], sequence[..., 1:]


def random_baseline(vocab_size: int) -> float:
    """The loss of a model that gives every token the same probability 1 / vocab_size, in nats."""
    return math.log(vocab_size)


def perplexity(loss: float) -> float:
    """How many equally likely tokens would be as hard to guess from: e^loss."""
    return math.exp(loss)


def unigram_entropy(ids: Tensor) -> float:
    """The best loss on `ids` (N,) for a model that knows how often each token occurs, and nothing else.

    In nats per token: the sum of p(a) · -ln p(a) over the tokens a that occur.

    Raises:
        ValueError: `ids` is empty.
    """
    if len(ids) < 1:
        raise ValueError("The entropy of no tokens is not defined: give at least 1.")
    _, counts = torch.unique(ids, return_counts=True)
    p = counts.double() / len(ids)
    return (p * -p.log()).sum().item()


def bigram_entropy(ids: Tensor) -> float:
    """The best loss on `ids` (N,) for a model that sees the current token, and nothing before it.

    In nats per token: the sum of p(a, b) · -ln p(b | a) over the neighbours a, b that occur.

    Raises:
        ValueError: `ids` has fewer than two tokens, so no neighbours.
    """
    if len(ids) < 2:
        raise ValueError(f"{len(ids)} tokens have no neighbours to count: give at least 2.")
    current, following = ids[:-1], ids[1:]
    vocab_size = ids.max() + 1
    pairs, pair_counts = torch.unique(current * vocab_size + following, return_counts=True)
    current_counts = torch.bincount(current)[
        pairs // vocab_size
    ]  # how often each pair's first token came first
    p_pair = pair_counts.double() / len(current)
    p_following = pair_counts.double() / current_counts
    return (p_pair * -p_following.log()).sum().item()
