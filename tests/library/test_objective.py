"""Day 15: the shift, and the ladder of baselines against brute force."""

import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handmade.objective import (
    bigram_entropy,
    get_input_and_labels,
    perplexity,
    random_baseline,
    unigram_entropy,
)

texts = st.integers(1, 6).flatmap(lambda v: st.lists(st.integers(0, v - 1), min_size=2, max_size=60))


def brute_unigram(ids: list[int]) -> float:
    counts = Counter(ids)
    return -sum(math.log(counts[a] / len(ids)) for a in ids) / len(ids)


def brute_bigram(ids: list[int]) -> float:
    """Walk the text: the mean of -ln p(next | current), with p from the pairs that start with `current`."""
    pairs = list(pairwise(ids))
    pair_counts, first_counts = Counter(pairs), Counter(a for a, _ in pairs)
    return -sum(math.log(pair_counts[a, b] / first_counts[a]) for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("shape", [(2,), (9,), (3, 5), (2, 3, 4)])
def test_each_label_is_the_next_token(shape):
    sequence = torch.randint(0, 50, shape)
    inputs, labels = get_input_and_labels(sequence)
    assert torch.equal(inputs, sequence[..., :-1]), "the inputs are all tokens but the last"
    assert torch.equal(labels, sequence[..., 1:]), "the labels are all tokens but the first"


def test_one_token_has_no_next():
    with pytest.raises(ValueError, match="2 or more"):
        get_input_and_labels(torch.tensor([7]))


def test_closed_forms():
    assert random_baseline(65) == pytest.approx(4.174, abs=5e-4), "ln 65 is 4.174 nats"
    assert perplexity(random_baseline(65)) == pytest.approx(65), "a uniform guess over 65 has perplexity 65"
    assert perplexity(0.0) == 1.0, "a certain model has perplexity 1"
    uniform = torch.arange(8).repeat(5)
    assert unigram_entropy(uniform) == pytest.approx(math.log(8)), "eight equally frequent tokens: ln 8"
    assert bigram_entropy(uniform) == pytest.approx(0), "in 0 1 2 … 7 0 1 2 … the next token is certain"


@given(texts)
def test_entropies_match_brute_force(ids):
    tensor = torch.tensor(ids)
    assert unigram_entropy(tensor) == pytest.approx(brute_unigram(ids), abs=1e-12), "unigram entropy"
    assert bigram_entropy(tensor) == pytest.approx(brute_bigram(ids), abs=1e-12), "bigram entropy"


@given(texts)
def test_knowing_more_never_costs(ids):
    """Against the tokens that a pair predicts, ids[1:]: the first token is predicted by no pair."""
    tensor = torch.tensor(ids)
    bigram, unigram = bigram_entropy(tensor), unigram_entropy(tensor[1:])
    assert 0 <= bigram <= unigram + 1e-12, "looking at the current token made the best loss worse"
    assert unigram <= random_baseline(max(ids) + 1) + 1e-12, "no text is harder than a uniform one"


@given(texts, st.integers(1, 50_000))
def test_which_ids_stand_for_the_tokens_does_not_matter(ids, offset):
    tensor = torch.tensor(ids)
    assert bigram_entropy(tensor + offset) == pytest.approx(bigram_entropy(tensor), abs=1e-12)
    assert unigram_entropy(tensor + offset) == pytest.approx(unigram_entropy(tensor), abs=1e-12)


@pytest.mark.parametrize(
    ("entropy", "ids"), [(unigram_entropy, []), (bigram_entropy, []), (bigram_entropy, [3])]
)
def test_too_short_a_text_is_said_plainly(entropy, ids):
    with pytest.raises(ValueError, match="give at least"):
        entropy(torch.tensor(ids, dtype=torch.long))
