"""Day 28: numbers and labels on texts that were made to have them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handmade.corpus import make_corpus
from handmade.judging import diagnose_sample, distinct_n, longest_copied_span


def test_distinct_n_is_the_share_of_different_runs_over_all_texts():
    assert distinct_n(["a b a b"], 1) == 0.5
    assert distinct_n(["a b a b"], 2) == pytest.approx(2 / 3), "a b, b a, a b"
    assert distinct_n(["a b", "a b", "b c"], 2) == pytest.approx(2 / 3), (
        "runs are counted over all texts together"
    )
    assert distinct_n(["a b", "c d"], 2) == 1.0, "no run spans two texts"
    assert distinct_n(["a", ""], 2) == 0.0 == distinct_n([], 1), "no runs"


def brute_force_span(text, corpus):
    pieces = (text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1))
    return max((piece for piece in pieces if piece in corpus), key=len, default="")


@given(st.text("ab ", max_size=25), st.text("ab ", max_size=60))
def test_copied_span_is_the_longest_common_piece(text, corpus):
    span = longest_copied_span(text, corpus)
    assert span in text and span in corpus
    assert len(span) == len(brute_force_span(text, corpus)), f"{span!r} is not the longest"
    assert span == brute_force_span(text, corpus), "not the first of the longest"


def test_copied_span_at_the_edges():
    assert (
        longest_copied_span("", "abc")
        == longest_copied_span("abc", "")
        == longest_copied_span("x", "abc")
        == ""
    )
    assert longest_copied_span("abc", "abc") == "abc" == longest_copied_span("abc", "zabcz")


def test_copied_span_finds_a_planted_piece_in_a_long_corpus():
    rng = random.Random(0)
    corpus = "".join(rng.choices("abcdefgh ", k=1_000_000))
    for start in (0, 500_000, 999_700):
        planted = corpus[start : start + 300]
        text = "".join(rng.choices("ABC ", k=200)) + planted + "".join(rng.choices("ABC ", k=200))
        assert planted in longest_copied_span(text, corpus), f"the piece from {start} was not found"


NOUNS = ["moon", "cheese", "dragon", "teapot", "miller", "goose", "lantern", "pirate"]
VERBS = ["steals", "paints", "forgets", "follows", "sings", "bakes", "hides", "buys"]


def sentence(rng):
    return f"The {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)}, and nobody {rng.choice(VERBS)} it.\n"


@pytest.fixture(scope="module")
def corpus():
    rng = random.Random(1)
    return "".join(sentence(rng) for _ in range(300))


@pytest.mark.parametrize("seed", range(5))
def test_five_failures_and_good_health_get_their_labels(corpus, seed):
    rng = random.Random(100 + seed)
    fresh = "".join(sentence(rng) for _ in range(8))
    words = corpus.split()
    samples = {
        "healthy": fresh,
        "empty": rng.choice(["", "\n", "  \n\n "]),
        "loop": fresh[:60] + sentence(rng)[:20] * 12,
        "noise": "".join(rng.choices("etaoin shrdlu.\n", k=400)),
        "word salad": " ".join(rng.choices(words, k=80)),
        "copied": fresh[:50] + corpus[rng.randrange(9000) :][:200],
    }
    for label, sample in samples.items():
        assert diagnose_sample(sample, corpus) == label, f"{label}: {sample!r}"


@pytest.mark.parametrize("seed", range(3))
def test_the_labels_hold_on_the_courses_own_corpus(seed):
    learned, fresh = (
        make_corpus("play", 200_000, seed=0).text,
        make_corpus("play", 20_000, seed=1 + seed).text,
    )
    rng, words = random.Random(seed), learned.split()
    start = rng.randrange(len(fresh) - 400)
    samples = {
        "healthy": fresh[start : start + 400],
        "loop": fresh[start : start + 40] * 10,
        "noise": "".join(rng.choices(learned, k=400)),
        "word salad": " ".join(rng.choices(words, k=80)),
        "copied": fresh[start : start + 100] + learned[10_000:10_300],
    }
    for label, sample in samples.items():
        assert diagnose_sample(sample, learned) == label, f"{label}: {sample!r}"


def test_one_letter_for_ever_is_a_loop(corpus):
    assert diagnose_sample("e" * 300, corpus) == "loop"
