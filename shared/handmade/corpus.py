"""Text to train on: corpora whose entropy is known exactly, sums in words, Tiny Shakespeare, and your own files.

The generated corpora are drawn from the rules in `handmade.domains` (notation and proofs: `handmade.grammar`).
Whoever knew the rules could predict their text to `entropy` nats per character and nobody could do better, so
that is the floor under every loss curve in the course. A loss that stays below it has seen the answers.
"""

import hashlib
import importlib
import math
import os
import random
import sys
import urllib.request
from dataclasses import dataclass
from functools import cache, lru_cache
from http.client import HTTPException
from pathlib import Path

from handmade.errors import UserError
from handmade.files import write_atomically
from handmade.grammar import Grammar

DOMAINS = ("play", "logbook", "cookbook")

# Every generated text uses these 64 characters and no other (the play uses all), so one vocabulary serves all.
CHARACTERS = "\n !',-.:;?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]abcdefghijklmnopqrstuvwxyz"

SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


# --- corpora whose entropy is known -------------------------------------------------------------------


@dataclass(frozen=True)
class Corpus:
    """A generated text, and what is known of it.

    `entropy` belongs to the source: the mean surprise of its text, in nats per character, worked out from the
    probabilities of the rules. `log_prob` belongs to this text: ln of the probability of drawing it. What the two
    say of a character, `entropy` and `surprise`, differ by chance alone, and less the longer the text.
    """

    domain: str
    seed: int
    text: str
    log_prob: float
    entropy: float

    @property
    def surprise(self) -> float:
        """-log_prob per character of this text, in nats: the loss on it of a model that knows the rules."""
        return -self.log_prob / len(self.text)


@lru_cache(maxsize=8)
def make_corpus(domain: str = "play", n_chars: int = 1_000_000, seed: int = 0) -> Corpus:
    """Draw a text of whole passages (scenes, days, recipes) from one of the `DOMAINS`.

    The first passage that brings the text to `n_chars` characters is the last one, so it runs over a little
    and is never cut: its probability is the product of its passages'. Stopping so costs the floor nothing: by
    Wald's identity E[-log_prob] / E[len(text)] is exactly `entropy`, whatever `n_chars` is.

    The same arguments give the same text on every machine: only `random.Random.random` is used, which Python
    promises never to change.

    Raises:
        ValueError: there is no such domain, or n_chars is not positive.
    """
    grammar = _grammar(domain)
    if n_chars < 1:
        raise ValueError(f"A corpus of {n_chars} characters holds nothing to learn: ask for at least 1.")
    rng = random.Random(seed)
    passages, log_probs, length = [], [], 0
    while length < n_chars:
        passage, log_prob = grammar.write(rng)
        passages.append(passage)
        log_probs.append(log_prob)
        length += len(passage)
    mean_length, entropy = grammar.weigh()
    return Corpus(domain, seed, "".join(passages), math.fsum(log_probs), entropy / mean_length)


def log_prob(text: str, domain: str = "play") -> float:
    """ln of the probability of `text`, found by parsing it; for a corpus this is its `log_prob` again.

    Raises:
        ValueError: there is no such domain, or its rules cannot give this text.
    """
    return _grammar(domain).read(text)


def floors(corpus: Corpus) -> dict[str, float]:
    """The ladder of baselines in nats per character: what is the best loss for one who knows how much?

    "uniform" knows the characters, "unigram" how often each occurs, "bigram" how often each follows each other
    one, and "source" knows the rules.
    """
    import torch

    from handmade.objective import bigram_entropy, unigram_entropy

    vocab = {character: i for i, character in enumerate(sorted(set(corpus.text)))}
    ids = torch.tensor([vocab[character] for character in corpus.text])  # (N,)
    return {
        "uniform": math.log(len(vocab)),
        "unigram": unigram_entropy(ids),
        "bigram": bigram_entropy(ids),
        "source": corpus.entropy,
    }


@cache
def _grammar(domain: str) -> Grammar:
    if domain not in DOMAINS:
        raise ValueError(f"There is no corpus named {domain!r}: choose one of {', '.join(DOMAINS)}.")
    return Grammar(importlib.import_module(f"handmade.domains.{domain}").RULES)


# --- sums in words (day 0b) ---------------------------------------------------------------------------


@dataclass(frozen=True)
class WordSums:
    """Sums and differences in words: ("two plus three equals", "five"), in two lists that share no problem.

    `floor` is the least loss that is possible on average, in nats per word, where a problem is read from its
    first word to an end mark after the answer. With N problems, all equally likely, telling which one it is takes
    ln N nats; the answer follows from the question and takes none.
    """

    train: list[tuple[str, str]]
    held_out: list[tuple[str, str]]
    floor: float


def word_sums(largest: int = 99, held_out: float = 0.1, seed: int = 0) -> WordSums:
    """All a plus b, and all a minus b that are not negative, for a and b from 0 to `largest`; shuffled by seed.

    Raises:
        ValueError: `largest` is not from 1 to 99 (its double needs a name), or `held_out` not between 0 and 1.
    """
    if not 1 <= largest <= 99:
        raise ValueError(f"There are no sums up to {largest} here: give a largest number from 1 to 99.")
    if not 0 < held_out < 1:
        raise ValueError(f"A share of {held_out} cannot be held out: give a number between 0 and 1.")
    # All that are needed, from zero on. The way from one number to its words is Day 0b's to find.
    names = (
        "one two three four five six seven eight nine",
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
        "twenty thirty forty fifty sixty seventy eighty ninety",
    )
    digits, teens, tens = map(str.split, names)
    count = digits + teens + [name for ten in tens for name in (ten, *(f"{ten} {digit}" for digit in digits))]
    words = ["zero", *count, "one hundred", *(f"one hundred {name}" for name in count)]
    pairs = [(a, b) for a in range(largest + 1) for b in range(largest + 1)]
    problems = [(f"{words[a]} plus {words[b]} equals", words[a + b]) for a, b in pairs]
    problems += [(f"{words[a]} minus {words[b]} equals", words[a - b]) for a, b in pairs if a >= b]
    n_words = sum(len(question.split()) + len(answer.split()) + 1 for question, answer in problems)
    rng = random.Random(seed)
    problems = [problem for _, problem in sorted((rng.random(), problem) for problem in problems)]
    split = math.ceil(held_out * len(problems))
    return WordSums(problems[split:], problems[:split], len(problems) * math.log(len(problems)) / n_words)


# --- any text -----------------------------------------------------------------------------------------


def load_corpus(name_or_path: str | os.PathLike = "play", cache_dir: str | os.PathLike | None = None) -> str:
    """The text of a corpus: one of the `DOMAINS` (about 1 MB), "shakespeare", or a text file in UTF-8.

    Tiny Shakespeare is downloaded once, checked, and kept in `cache_dir` (by default the user's own cache).

    Raises:
        UserError: the file is missing, empty or not UTF-8, or Tiny Shakespeare cannot be had.
    """
    if name_or_path in DOMAINS:
        return make_corpus(name_or_path).text
    if name_or_path == "shakespeare":
        return _shakespeare(Path(cache_dir) if cache_dir else _user_cache()).decode("ascii")
    try:
        text = Path(name_or_path).read_text(encoding="utf-8-sig")  # -sig: a byte order mark is not text
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name_or_path} is not UTF-8 text (byte {error.start} is no part of it): save it as UTF-8 and try again."
        ) from error
    except OSError as error:
        raise UserError(
            f"Cannot read {name_or_path} ({error.strerror}): give the path of a text file, or one of the names "
            f"{', '.join(DOMAINS)}, shakespeare."
        ) from error
    if not text.strip():
        raise UserError(f"{name_or_path} holds no text: give a file with something to learn from.")
    return text


def _shakespeare(cache_dir: Path) -> bytes:
    path = cache_dir / "tinyshakespeare.txt"
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == SHAKESPEARE_SHA256:
        return path.read_bytes()
    try:
        with urllib.request.urlopen(SHAKESPEARE_URL, timeout=30) as response:
            data = response.read()
    except (OSError, HTTPException) as error:
        raise UserError(
            f"Tiny Shakespeare is not here yet and cannot be downloaded ({error}): connect to the network, put the "
            f'file at {path}, or use load_corpus("play"), which needs neither.'
        ) from error
    if hashlib.sha256(data).hexdigest() != SHAKESPEARE_SHA256:
        raise UserError(
            f"What came from {SHAKESPEARE_URL} is not Tiny Shakespeare (its SHA-256 is another): try again on a "
            'network that shows no sign-in page, or use load_corpus("play").'
        )
    cache_dir.mkdir(parents=True, exist_ok=True)
    with write_atomically(path, "wb") as file:
        file.write(data)
    return data


def _user_cache() -> Path:
    """Where this system keeps what can be fetched again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(base) / "handmade"
