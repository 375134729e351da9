"""Byte-pair encoding, fast: the merges and the ids of `handmade.tokenizers`, at the speed that a corpus needs.

Three ideas make the difference to the forms that are written for reading:

- most words of a text are repeats: each distinct word is counted, merged and remembered once;
- a merge changes only the words that hold its pair: an index from pairs to words finds them, and a heap finds
  the next pair without looking at all of them;
- a text need not be in memory to be split: only the end of each piece has to wait for what comes next.
"""

import heapq
import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import regex
import tiktoken

from handmade.errors import UserError
from handmade.files import write_atomically
from handmade.tokenizers import SPLIT_PATTERN, merge

# An encoder remembers the ids of this many words of up to this many characters: some 25 MB at most.
CACHE_WORDS, CACHE_CHARS = 1 << 16, 32


# --- Splitting a stream -------------------------------------------------------------------------------


def special_pattern(special_tokens: Collection[str]) -> regex.Pattern | None:
    """A pattern that finds special tokens in a text, the longer ones first; None if there are none to find."""
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return regex.compile("(" + "|".join(map(regex.escape, longest_first)) + ")") if longest_first else None


def split(text: str, special: regex.Pattern | None = None) -> list[str]:
    """Cut a text into words by GPT-2's pattern; what `special` finds is a word of its own."""
    if special is None:
        return regex.findall(SPLIT_PATTERN, text)
    words = []
    for i, part in enumerate(special.split(text)):
        if i % 2 == 1:  # what the pattern found stands between the rest
            words.append(part)
        else:
            words.extend(regex.findall(SPLIT_PATTERN, part))
    return words


def split_stream(
    chunks: Iterable[str], special_tokens: Collection[str] = (), batch_chars: int = 1 << 16
) -> Iterator[list[str]]:
    """The words of the joined chunks, a batch at a time, the same wherever the borders of the chunks fall.

    A word is certain only once enough text follows it. One more character shows that a run of letters has
    ended; two, that ' before l will not become 'll; and behind it a special token may have begun, which would
    cut the word short. Words nearer than that to the end of a batch wait for the next one.

    Raises:
        UserError: the chunks come from a file that is not UTF-8.
    """
    special = special_pattern(special_tokens)
    certain_after = 1 + max(map(len, special_tokens), default=1)  # characters
    text = ""
    try:
        for chunk in chunks:
            text += chunk
            if len(text) < batch_chars:
                continue
            words = split(text, special)
            waiting = 0
            while words and waiting < certain_after:
                waiting += len(words.pop())
            text = text[len(text) - waiting :]
            yield words
    except UnicodeDecodeError as error:
        raise UserError(f"The file is not UTF-8 text ({error.reason}): save it as UTF-8 first.") from error
    yield split(text, special)


# --- Training -----------------------------------------------------------------------------------------


def learn_merges(word_counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    """The pairs that `train_bpe` would merge in a text whose words occur this often, first one first."""
    words = [list(word.encode("utf-8")) for word in word_counts]
    repeats = list(word_counts.values())
    tokens = [bytes([i]) for i in range(256)]  # id -> the bytes it stands for
    counts = Counter()  # pair -> how often it occurs in the text
    holders = defaultdict(set)  # pair -> the words that hold it, or once did
    for w, ids in enumerate(words):
        for pair in pairwise(ids):
            counts[pair] += repeats[w]
            holders[pair].add(w)

    def entry(pair: tuple[int, int]) -> tuple:
        # The heap gives the least entry first: the highest count, then the greatest byte strings.
        return -counts[pair], descending(tokens[pair[0]]), descending(tokens[pair[1]]), pair

    heap = [entry(pair) for pair in counts]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < n_merges:
        minus_count, _, _, pair = heapq.heappop(heap)
        if counts[pair] != -minus_count:  # other merges have taken some of its occurrences since
            if counts[pair] > 0:
                heapq.heappush(heap, entry(pair))
            continue
        new_id = len(tokens)
        merges.append(pair)
        tokens.append(tokens[pair[0]] + tokens[pair[1]])
        new_pairs = set()
        for w in holders.pop(pair):
            for old in pairwise(words[w]):
                counts[old] -= repeats[w]
            words[w] = merge(words[w], pair, new_id)
            for new in pairwise(words[w]):
                counts[new] += repeats[w]
                if new_id in new:
                    holders[new].add(w)
                    new_pairs.add(new)
        for new in new_pairs:
            heapq.heappush(heap, entry(new))
    return merges


def descending(token: bytes) -> tuple[int, ...]:
    """A key that sorts byte strings the other way round: descending(a) < descending(b) exactly if a > b."""
    return (*(-byte for byte in token), 1)  # the 1 puts a string behind the longer ones that begin with it


# --- The tokenizer ------------------------------------------------------------------------------------


class BPETokenizer:
    """Byte-level BPE with GPT-2's split pattern and special tokens.

    `merges` are pairs of ids in the order they were learned (what `train_bpe` returns will do). Ids 0 to 255
    are the bytes, in `byte_order`; then one for each merge; then the special tokens.
    """

    def __init__(
        self,
        merges: Iterable[tuple[int, int]] = (),
        special_tokens: Iterable[str] = (),
        byte_order: Iterable[int] = range(256),
    ):
        self.byte_order = bytes(byte_order)
        self.tokens = [bytes([byte]) for byte in self.byte_order]  # id -> the bytes it stands for
        self.merges = {}  # pair of ids -> new id
        for left, right in merges:
            self.merges[left, right] = len(self.tokens)
            self.tokens.append(self.tokens[left] + self.tokens[right])
        self.special_tokens = {}  # text -> id
        for token in special_tokens:
            self.special_tokens[token] = len(self.tokens)
            self.tokens.append(token.encode("utf-8"))
        self.vocab_size = len(self.tokens)
        self._byte_ids = bytes(map(self.byte_order.index, range(256)))  # byte -> id
        self._cache = {}  # word -> its ids

    @classmethod
    def train(
        cls, text: str | Iterable[str], vocab_size: int, special_tokens: Collection[str] = ()
    ) -> "BPETokenizer":
        """Learn the merges of `train_bpe` from a text, or from a stream of its pieces, such as an open file.

        vocab_size counts the 256 bytes, the merges and the special tokens; there are fewer merges if the text
        runs out of pairs. Special tokens in the text separate words, and are not learned from.

        Raises:
            ValueError: the text is empty, or vocab_size has no room for the bytes and the special tokens.
        """
        n_merges = vocab_size - 256 - len(special_tokens)
        if n_merges < 0:
            raise ValueError(
                f"vocab_size is {vocab_size}: it must be at least {vocab_size - n_merges}, "
                "one for every byte and every special token."
            )
        word_counts = Counter()
        for words in split_stream([text] if isinstance(text, str) else text, special_tokens):
            word_counts.update(words)
        for token in special_tokens:
            del word_counts[token]
        if not word_counts:
            raise ValueError("The text is empty, so there is nothing to learn merges from: give some text.")
        return cls(learn_merges(word_counts, n_merges), special_tokens)

    def encode(self, text: str, allowed_special: Collection[str] = ()) -> list[int]:
        """The ids of a text. A special token in it counts as one only if `allowed_special` has it or is "all".

        Raises:
            ValueError: the text holds a special token that is not allowed: text from strangers must not be able
                to end a document. `encode_ordinary` treats special tokens as the characters they consist of.
        """
        return list(self.encode_iterable([text], allowed_special))

    def encode_iterable(self, chunks: Iterable[str], allowed_special: Collection[str] = ()) -> Iterator[int]:
        """The ids of `encode("".join(chunks), allowed_special)`, one by one, without joining the chunks.

        An open text file is such an iterable: it gives its lines.
        """
        allowed = self.special_tokens if allowed_special == "all" else allowed_special
        for words in split_stream(chunks, self.special_tokens):
            for word in words:
                if word not in self.special_tokens:
                    yield from self._encode_word(word)
                elif word in allowed:
                    yield self.special_tokens[word]
                else:
                    raise ValueError(
                        f"The text holds the special token {word!r}: pass allowed_special={{{word!r}}} to encode it "
                        "as one id, or use encode_ordinary to treat it as text."
                    )

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text in which nothing is special."""
        return [i for word in split(text) for i in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        ids = self._cache.get(word)
        if ids is not None:
            return ids
        ids = list(word.encode("utf-8").translate(self._byte_ids))
        while len(ids) > 1:
            earliest = min(set(pairwise(ids)), key=lambda pair: self.merges.get(pair, self.vocab_size))
            if earliest not in self.merges:
                break
            ids = merge(ids, earliest, self.merges[earliest])
        if len(word) <= CACHE_CHARS:
            if len(self._cache) >= CACHE_WORDS:
                self._cache.clear()  # the frequent words are back at once
            self._cache[word] = ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text that these ids stand for. Bytes that are not UTF-8, such as half a character, become U+FFFD.

        Raises:
            ValueError: an id that is not from 0 to vocab_size - 1.
        """
        parts = []
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(
                    f"{int(i)} is no id of this tokenizer: they go from 0 to {self.vocab_size - 1}."
                )
            parts.append(self.tokens[i])
        return b"".join(parts).decode("utf-8", errors="replace")

    # --- to and from other forms ---

    def to_tiktoken(self, name: str = "handmade") -> tiktoken.Encoding:
        """The same tokenizer as a `tiktoken.Encoding`, which encodes in Rust."""
        ranks = {token: i for i, token in enumerate(self.tokens[: 256 + len(self.merges)])}
        return tiktoken.Encoding(
            name, pat_str=SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens=self.special_tokens
        )

    @classmethod
    def from_gpt2_files(
        cls, vocab_bpe_path: str | os.PathLike, encoder_json_path: str | os.PathLike | None = None
    ) -> "BPETokenizer":
        """GPT-2's own tokenizer, from the file of its merges; the file of its ids, if given, must agree.

        Raises:
            UserError: a file cannot be read, or is not GPT-2's.
        """
        ids = {char: i for i, char in enumerate(GPT2_ALPHABET)}
        merges = []
        try:
            for line in Path(vocab_bpe_path).read_text(encoding="utf-8").splitlines()[1:]:  # after "#version"
                left, right = line.split()
                merges.append((ids[left], ids[right]))
                ids[left + right] = len(ids)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{vocab_bpe_path} does not hold GPT-2's merges ({error!r}): give its vocab.bpe."
            ) from error
        ids["<|endoftext|>"] = len(ids)
        if encoder_json_path is not None:
            try:
                agrees = json.loads(Path(encoder_json_path).read_text(encoding="utf-8")) == ids
            except (OSError, ValueError) as error:
                raise UserError(
                    f"{encoder_json_path} does not hold GPT-2's ids ({error!r}): give its encoder.json."
                ) from error
            if not agrees:
                raise UserError(
                    f"The ids in {encoder_json_path} are not those of the merges in {vocab_bpe_path}: "
                    "give the two files of one model."
                )
        return cls(merges, ["<|endoftext|>"], GPT2_ALPHABET.values())

    def to_dict(self) -> dict:
        """The tokenizer as plain values, for a file or a checkpoint."""
        return {
            "kind": "BPETokenizer",
            "merges": list(self.merges),
            "special_tokens": list(self.special_tokens),
            "byte_order": list(self.byte_order),
        }

    @classmethod
    def from_dict(cls, saved: dict) -> "BPETokenizer":
        """The tokenizer that `to_dict` described.

        Raises:
            ValueError: it describes something else.
        """
        if saved["kind"] != "BPETokenizer":
            raise ValueError(f"it holds a {saved['kind']}")
        return cls(saved["merges"], saved["special_tokens"], saved["byte_order"])

    def save(self, path: str | os.PathLike) -> None:
        """Write the tokenizer to a JSON file."""
        with write_atomically(path) as file:
            json.dump(self.to_dict(), file)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "BPETokenizer":
        """Read back what `save` wrote.

        Raises:
            UserError: the file cannot be read, or `save` did not write it.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise UserError(
                f"{path} is not a saved BPETokenizer ({error!r}): give a file that BPETokenizer.save wrote."
            ) from error


def _gpt2_alphabet() -> dict[str, int]:
    """The characters that stand for bytes in GPT-2's files, in the order of their ids.

    A byte that prints in Latin-1 stands for itself; the other 68 are written as U+0100 and on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


GPT2_ALPHABET = _gpt2_alphabet()
