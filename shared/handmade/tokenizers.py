"""Tokenizers (days 1 and 16): from text to a list of whole numbers, the ids, and back.

Two of them. One id per character: simple, and the text becomes long. And byte-pair encoding (BPE): start from
the 256 bytes, so that nothing is ever unknown, and give each frequent pair a new id. BPE as a tokenizer is
Sennrich et al. (2016); over bytes, and split by a pattern first, it is GPT-2's (Radford et al., 2019).

The forms here are for reading: training costs a pass over the whole text for every merge.
`handmade.bpe.BPETokenizer` learns and applies the same merges fast.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import regex

from handmade.errors import UserError
from handmade.files import write_atomically

# GPT-2's pattern: where a text may be cut into words before BPE. Every character belongs to exactly one piece,
# a space belongs to the word after it, and merges never cross from one piece to the next.
SPLIT_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

# --- Day 1: characters --------------------------------------------------------------------------------


def build_char_vocab(text: str) -> list[str]:
    """The distinct characters of a text, sorted. A character's id is its place in this list.

    Raises:
        ValueError: the text is empty.
    """
    if not text:
        raise ValueError(
            "The text is empty, so it has no characters to make a vocabulary of: give some text."
        )
    return sorted(set(text))


def encode_char(text: str, vocab: list[str]) -> list[int]:
    """One id per character.

    Raises:
        ValueError: a character that the vocabulary does not have; the message names it.
    """
    ids = {char: i for i, char in enumerate(vocab)}
    for char in text:
        if char not in ids:
            raise ValueError(f"The character {char!r} is not in the vocabulary: remove it or add it.")
    return [ids[char] for char in text]


def decode_char(ids: list[int], vocab: list[str]) -> str:
    """The text that these ids stand for."""
    return "".join(vocab[i] for i in ids)


# --- Day 1: byte-pair encoding ------------------------------------------------------------------------


def count_pairs(ids: list[int]) -> dict[tuple[int, int], int]:
    """How often each pair of neighbours occurs. [7, 7, 7] holds the pair (7, 7) twice."""
    counts = {}
    for pair in pairwise(ids):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge(ids: list[int], pair: tuple[int, int], new_id: int) -> list[int]:
    """A new list in which `new_id` stands for every occurrence of the pair, from left to right, without overlap.

    merge([7, 7, 7], (7, 7), 256) is [256, 7].
    """
    merged = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def train_bpe(text: str, vocab_size: int) -> dict[tuple[int, int], int]:
    """Learn a byte-level BPE: the merges as {pair of ids: new id}, in the order in which they were learned.

    Ids 0 to 255 are the bytes; the first merge makes 256, the next 257, until there are `vocab_size` tokens or
    nothing is left to merge. The text is split with SPLIT_PATTERN first, and pairs are counted inside the words
    only. Each merge takes the most frequent pair; among equals, the one whose two byte strings are greatest:
    (b"t", b"h") before (b"a", b"b"), and (b"t", b"he") before (b"t", b"h").

    Raises:
        ValueError: the text is empty, or vocab_size is under 256.
    """
    if not text:
        raise ValueError("The text is empty, so there is nothing to learn merges from: give some text.")
    if vocab_size < 256:
        raise ValueError(f"vocab_size is {vocab_size}: it must be at least 256, one for every byte.")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    tokens = {i: bytes([i]) for i in range(256)}  # id -> the bytes it stands for
    merges = {}
    while len(tokens) < vocab_size:
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        new_id = len(tokens)
        merges[best] = new_id
        tokens[new_id] = tokens[best[0]] + tokens[best[1]]
        words = [merge(word, best, new_id) for word in words]
    return merges


def encode_bpe(text: str, merges: dict[tuple[int, int], int]) -> list[int]:
    """The ids of a text: its bytes, word by word, with the merges applied in the order they were learned.

    The text is split with SPLIT_PATTERN. In each word the pair that was learned first is merged first, then the
    next, until no pair of neighbours is in `merges`.
    """
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        word_ids = list(word.encode("utf-8"))
        while True:
            known = [pair for pair in count_pairs(word_ids) if pair in merges]
            if not known:
                break
            earliest = min(known, key=lambda pair: merges[pair])  # ids grow in the order of learning
            word_ids = merge(word_ids, earliest, merges[earliest])
        ids.extend(word_ids)
    return ids


def decode_bpe(ids: list[int], merges: dict[tuple[int, int], int]) -> str:
    """The text that these ids stand for. Bytes that are not UTF-8, such as half a character, become U+FFFD."""
    tokens = {i: bytes([i]) for i in range(256)}
    for (left, right), new_id in merges.items():  # in the order of learning: both halves are there already
        tokens[new_id] = tokens[left] + tokens[right]
    return b"".join(tokens[i] for i in ids).decode("utf-8", errors="replace")


# --- Day 16: the character tokenizer, with a file ------------------------------------------------------


class CharTokenizer:
    """One id per character. `chars` is the vocabulary: a character's id is its place in it."""

    def __init__(self, chars: Iterable[str]):
        self.chars = list(chars)
        self.vocab_size = len(self.chars)
        self.id_of = {char: i for i, char in enumerate(self.chars)}

    @classmethod
    def from_text(cls, text: str) -> "CharTokenizer":
        """A tokenizer for the characters of this text, in sorted order.

        Raises:
            ValueError: the text is empty.
        """
        return cls(build_char_vocab(text))

    def encode(self, text: str) -> list[int]:
        """One id per character.

        Raises:
            ValueError: a character that the vocabulary does not have; the message names it.
        """
        try:
            return [self.id_of[char] for char in text]
        except KeyError as error:
            raise ValueError(
                f"The character {error.args[0]!r} is not among the {self.vocab_size} of this tokenizer: "
                "remove it, or build the tokenizer from a text that has it."
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text that these ids stand for.

        Raises:
            ValueError: an id that is not from 0 to vocab_size - 1.
        """
        chars = []
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(
                    f"{int(i)} is no id of this tokenizer: they go from 0 to {self.vocab_size - 1}."
                )
            chars.append(self.chars[i])
        return "".join(chars)

    def to_dict(self) -> dict:
        """The tokenizer as plain values, for a file or a checkpoint."""
        return {"kind": "CharTokenizer", "chars": self.chars}

    @classmethod
    def from_dict(cls, saved: dict) -> "CharTokenizer":
        """The tokenizer that `to_dict` described.

        Raises:
            ValueError: it describes something else.
        """
        if saved["kind"] != "CharTokenizer":
            raise ValueError(f"it holds a {saved['kind']}")
        return cls(saved["chars"])

    def save(self, path: str | os.PathLike) -> None:
        """Write the vocabulary to a JSON file."""
        with write_atomically(path) as file:
            json.dump(self.to_dict(), file)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "CharTokenizer":
        """Read back what `save` wrote.

        Raises:
            UserError: the file cannot be read, or `save` did not write it.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is not a saved CharTokenizer ({error!r}): give a file that CharTokenizer.save wrote."
            ) from error
