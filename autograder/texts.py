"""Texts to tokenize, drawn when grading, and what merges mean, whatever ids a learner gave them (day 1)."""

from collections.abc import Sequence
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Any

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, LearnerError
from handmade.tokenizers import train_bpe

# Letters, signs and emoji, of two to four bytes: first 18 letters of two.
WIDE = "àéîöøčğşžñßλπσωджщюяђאבגدرسकखग本日語漢字한글あいうカキ€→∑🙂🎲🚀"


# --- Inputs -------------------------------------------------------------------------------------------


def letters(rand: Rand, n: int, among: str = ascii_lowercase) -> list[str]:
    """n different letters."""
    return [among[i] for i in rand.permutation(len(among))[:n].tolist()]


def one_of(rand: Rand, choices: Sequence) -> Any:
    return choices[rand.integer(0, len(choices) - 1)]


def a_vocab(rand: Rand) -> list[str]:
    """Characters of all kinds, in no order, without white space."""
    chars = [*letters(rand, 8, ascii_letters), *letters(rand, 8, WIDE), str(rand.integer(0, 9)), "."]
    return [chars[i] for i in rand.permutation(len(chars)).tolist()]


def some_text(rand: Rand) -> str:
    """Words that come again, contractions, digits, marks, runs of white space, and characters of up to four bytes."""
    few = ["".join(one_of(rand, "aehnrst") for _ in range(rand.integer(2, 6))) for _ in range(12)]
    few += [few[0].capitalize(), WIDE[rand.integer(0, 17)] + few[1], one_of(rand, WIDE)]
    marks = [" ", " ", "  ", "   ", "\n", "\n\n", "\t", "'s ", "'ll ", ", ", ".\n", "! ", "-"]
    between = [*marks, f" {rand.integer(9, 2000)} "]
    return "".join(one_of(rand, few) + one_of(rand, between) for _ in range(60))


def one_word(rand: Rand) -> tuple[str, list[tuple[bytes, bytes]]]:
    """Letters without a border, and their first five merges: without ties, and the last three build on the others."""
    a, b, c, d, e, f, g, *rest = letters(rand, 26)
    # How often each occurs, with the longer ones in which it stands: all different.
    abcd, efg, abc, ef, ab = rand.integers(2, 4, 5).cumsum(0).tolist()
    parts = [a + b + c + d] * abcd + [a + b + c] * (abc - abcd) + [a + b] * (ab - abc)
    parts += [e + f + g] * efg + [e + f] * (ef - efg)
    between = iter(rest + list(ascii_uppercase))  # each once, so that nothing else occurs twice
    text = "".join(parts[i] + next(between) for i in rand.permutation(len(parts)).tolist())
    merges = [(a, b), (e, f), (a + b, c), (e + f, g), (a + b + c, d)]
    return text, [(left.encode(), right.encode()) for left, right in merges]


def some_ids(rand: Rand, n: int) -> list[int]:
    """n different ids of three digits."""
    return (rand.permutation(900)[:n] + 100).tolist()


def no_doubles(rand: Rand, n: int) -> list[int]:
    """n ids of few kinds, of which no two neighbours are equal, nor the last and the first."""
    steps = rand.integers(1, 4, n).cumsum(0) % 9
    ids = steps.tolist()
    return ids if ids[-1] != ids[0] else [*ids[:-1], 9]


def pattern(sequence: str | list) -> list[int]:
    """For each element, where it stood first: the same for all that are the same up to names."""
    return [sequence.index(each) for each in sequence]


# --- Merges -------------------------------------------------------------------------------------------


def tokens_of(merges: dict) -> list[bytes]:
    """What each id stands for."""
    tokens = [bytes([i]) for i in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return tokens


def learned(learner: Learner, text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    """The merges of `train_bpe` as pairs of byte strings, whatever their ids.

    Fails unless they are merges at all: of what is known by then, to something new that the text holds, and the
    same at a second call. There may be none only where none was asked for.
    """
    merges = learner.train_bpe(text, vocab_size)
    expect.kind(merges, dict, "train_bpe(text, vocab_size)")
    tokens, pairs = {i: bytes([i]) for i in range(256)}, []
    for pair, new in merges.items():
        known = (
            isinstance(pair, tuple) and len(pair) == 2 and all(type(i) is int and i in tokens for i in pair)
        )
        expect.that(
            known,
            f"the merges have the key {str(pair)[:80]}: it must be a pair of ids that are known by then",
        )
        expect.that(
            type(new) is int and new not in tokens, f"{pair} is merged to {str(new)[:80]}, which is no new id"
        )
        tokens[new] = tokens[pair[0]] + tokens[pair[1]]
        expect.that(
            tokens[new] in text.encode(), f"{spell(tokens[new])} is merged, and does not occur in {text!r}"
        )
        pairs.append((tokens[pair[0]], tokens[pair[1]]))
    expect.that(
        bool(pairs) or vocab_size == 256, f"nothing was learned from {text!r} with vocab_size {vocab_size}"
    )
    expect.that(
        learner.train_bpe(text, vocab_size) == merges, "train_bpe learns something else at every call"
    )
    return pairs


def your_merges(learner: Learner, text: str) -> dict[tuple[int, int], int]:
    """What the learner's own `train_bpe` learns from a text, if tiktoken can work with it; else what ours does."""
    try:
        merges = learner.train_bpe(text, 256 + 25)
        tokens = tokens_of(merges)
        if list(merges.values()) == list(range(256, len(tokens))) and len(set(tokens)) == len(tokens):
            return merges
    except (LearnerError, TypeError, ValueError, IndexError, AttributeError):
        pass
    return train_bpe(text, 256 + 25)


def spell(token: bytes | tuple[bytes, bytes]) -> str:
    """Bytes as text where they are text: “th” + “e”."""
    if isinstance(token, tuple):
        return " + ".join(map(spell, token))
    try:
        return f"“{token.decode()}”"
    except UnicodeDecodeError:
        return str(token)


def in_words(merges: dict) -> str:
    tokens = tokens_of(merges)
    return ", ".join(
        f"{spell((tokens[left], tokens[right]))} → {new}" for (left, right), new in merges.items()
    )
