"""Day 1 · Tokenization: known wrong answers, then right ones, exercise by exercise."""

from collections import Counter
from itertools import pairwise

import regex

from autograder.misconception import right, wrong
from handmade.tokenizers import SPLIT_PATTERN, count_pairs, merge

# --- build_char_vocab -----------------------------------------------------------------------------------


@wrong("day01.build_char_vocab", fails="distinct")
def build_char_vocab(text):
    """The text is sorted, and each character still stands there as often as it occurs: a set keeps one of each."""
    if not text:
        raise ValueError("empty text")
    return sorted(text)


@wrong("day01.build_char_vocab", fails="order")
def build_char_vocab(text):
    """The characters stand in the order in which the text first shows them: they must be sorted."""
    if not text:
        raise ValueError("empty text")
    return list(dict.fromkeys(text))


@wrong("day01.build_char_vocab", fails="order")
def build_char_vocab(text):
    """The most frequent character comes first: the order must be that of `sorted`."""
    if not text:
        raise ValueError("empty text")
    return [char for char, _ in Counter(text).most_common()]


@wrong("day01.build_char_vocab", fails="distinct")
def build_char_vocab(text):
    """The text is turned into lower case first: capitals have no id, and cannot come back."""
    if not text:
        raise ValueError("empty text")
    return sorted(set(text.lower()))


@wrong("day01.build_char_vocab", fails="distinct")
def build_char_vocab(text):
    """White space is left out: spaces and line breaks are characters like all others."""
    if not text:
        raise ValueError("empty text")
    return sorted(set("".join(text.split())))


@wrong("day01.build_char_vocab", fails="distinct")
def build_char_vocab(text):
    """Only ASCII is kept: a text may hold any Unicode character."""
    if not text:
        raise ValueError("empty text")
    return sorted(char for char in set(text) if char.isascii())


@wrong("day01.build_char_vocab", fails="refuses")
def build_char_vocab(text):
    """An empty text gives an empty vocabulary, without an error."""
    return sorted(set(text))


@right("day01.build_char_vocab")
def build_char_vocab(text):
    """With a loop."""
    if len(text) == 0:
        raise ValueError("no text")
    chars = []
    for char in text:
        if char not in chars:
            chars.append(char)
    chars.sort()
    return chars


@right("day01.build_char_vocab")
def build_char_vocab(text):
    """With the keys of a Counter."""
    if text == "":
        raise ValueError("no text")
    return sorted(Counter(text))


@right("day01.build_char_vocab")
def build_char_vocab(text):
    """Sorted first, by code point, and then each that differs from the one before it."""
    if not text:
        raise ValueError("no text")
    every = sorted(text, key=ord)
    return [every[0]] + [char for before, char in pairwise(every) if char != before]


# --- encode_char ----------------------------------------------------------------------------------------


@wrong("day01.encode_char", fails="place")
def encode_char(text, vocab):
    """The ids begin at 1: a place in a list is counted from 0."""
    ids = {char: i for i, char in enumerate(vocab, 1)}
    for char in text:
        if char not in ids:
            raise ValueError(f"unknown character {char!r}")
    return [ids[char] for char in text]


@wrong("day01.encode_char", fails="place")
def encode_char(text, vocab):
    """The ids are the characters' code points (ord), not their places in the vocabulary."""
    for char in text:
        if char not in vocab:
            raise ValueError(f"unknown character {char!r}")
    return [ord(char) for char in text]


@wrong("day01.encode_char", fails="place")
def encode_char(text, vocab):
    """The vocabulary is sorted again: its own order is what gives the ids."""
    ids = {char: i for i, char in enumerate(sorted(vocab))}
    for char in text:
        if char not in ids:
            raise ValueError(f"unknown character {char!r}")
    return [ids[char] for char in text]


@wrong("day01.encode_char", fails="every")
def encode_char(text, vocab):
    """The text is stripped first: spaces and line breaks at its ends are lost."""
    ids = {char: i for i, char in enumerate(vocab)}
    for char in text:
        if char not in ids:
            raise ValueError(f"unknown character {char!r}")
    return [ids[char] for char in text.strip()]


@wrong("day01.encode_char", fails="refuses")
def encode_char(text, vocab):
    """Characters that the vocabulary does not have are left out without a word."""
    ids = {char: i for i, char in enumerate(vocab)}
    return [ids[char] for char in text if char in ids]


@wrong("day01.encode_char", fails="refuses")
def encode_char(text, vocab):
    """An unknown character gets the id 0, which is another character's."""
    ids = {char: i for i, char in enumerate(vocab)}
    return [ids.get(char, 0) for char in text]


@wrong("day01.encode_char", fails="refuses")
def encode_char(text, vocab):
    """An unknown character is a KeyError: it must be a ValueError with a message."""
    ids = {char: i for i, char in enumerate(vocab)}
    return [ids[char] for char in text]


@wrong("day01.encode_char", fails="refuses")
def encode_char(text, vocab):
    """The ValueError does not say which character is unknown."""
    ids = {char: i for i, char in enumerate(vocab)}
    if any(char not in ids for char in text):
        raise ValueError("unknown character")
    return [ids[char] for char in text]


@right("day01.encode_char")
def encode_char(text, vocab):
    """With list.index."""
    ids = []
    for char in text:
        if char not in vocab:
            raise ValueError(f"{char} is unknown")
        ids.append(vocab.index(char))
    return ids


@right("day01.encode_char")
def encode_char(text, vocab):
    """With zip, and the KeyError caught."""
    place = dict(zip(vocab, range(len(vocab)), strict=True))
    try:
        return [place[char] for char in text]
    except KeyError as error:
        raise ValueError(f"no such character: {error.args[0]}") from None


@right("day01.encode_char")
def encode_char(text, vocab):
    """With sets."""
    unknown = set(text) - set(vocab)
    if unknown:
        raise ValueError(f"not in the vocabulary: {sorted(unknown)}")
    place = {}
    for i in range(len(vocab)):
        place[vocab[i]] = i
    return list(map(place.__getitem__, text))


# --- decode_char ----------------------------------------------------------------------------------------


@wrong("day01.decode_char", fails="place")
def decode_char(ids, vocab):
    """The ids are taken for code points (chr), not for places in the vocabulary."""
    return "".join(chr(0x4E00 + i) if i < 32 else chr(i) for i in ids)


@wrong("day01.decode_char", fails="place")
def decode_char(ids, vocab):
    """Every character is the one before the right one: ids are counted from 0, not from 1."""
    return "".join(vocab[i - 1] for i in ids)


@wrong("day01.decode_char", fails="place")
def decode_char(ids, vocab):
    """The vocabulary is sorted again: its own order is what gives the ids."""
    chars = sorted(vocab)
    return "".join(chars[i] for i in ids)


@wrong("day01.decode_char", fails="complete")
def decode_char(ids, vocab):
    """A space is put between the characters."""
    return " ".join(vocab[i] for i in ids)


@wrong("day01.decode_char", fails="complete")
def decode_char(ids, vocab):
    """The text is stripped: spaces and line breaks at its ends are lost."""
    return "".join(vocab[i] for i in ids).strip()


@wrong("day01.decode_char", fails="complete")
def decode_char(ids, vocab):
    """What is not ASCII is dropped."""
    return "".join(vocab[i] for i in ids).encode("ascii", "ignore").decode()


@wrong("day01.decode_char", fails=("place", "complete"))
def decode_char(ids, vocab):
    """A list of characters is returned: it must be one string."""
    return [vocab[i] for i in ids]


@right("day01.decode_char")
def decode_char(ids, vocab):
    """Character by character."""
    text = ""
    for i in ids:
        text += vocab[i]
    return text


@right("day01.decode_char")
def decode_char(ids, vocab):
    """Through a dict."""
    char_of = dict(enumerate(vocab))
    return "".join([char_of[i] for i in ids])


@right("day01.decode_char")
def decode_char(ids, vocab):
    """With map."""
    return "".join(map(vocab.__getitem__, ids))


# --- count_pairs ----------------------------------------------------------------------------------------


@wrong("day01.count_pairs", fails="overlap")
def count_pairs(ids):
    """In a run of equal ids only every other pair is counted: when counting, pairs may overlap."""
    counts, before = {}, -1  # where the last pair of equal ids that counts begins
    for i, pair in enumerate(pairwise(ids)):
        if pair[0] == pair[1] and i > 0 and before == i - 1 and ids[i - 1] == pair[0]:
            continue
        before = i if pair[0] == pair[1] else -1
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@wrong("day01.count_pairs", fails="ends")
def count_pairs(ids):
    """The last pair is lost: n ids have n - 1 pairs."""
    counts = {}
    for i in range(len(ids) - 2):
        pair = ids[i], ids[i + 1]
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@wrong("day01.count_pairs", fails="ends")
def count_pairs(ids):
    """The first pair is lost: the loop begins one too late."""
    counts = {}
    for i in range(1, len(ids) - 1):
        pair = ids[i], ids[i + 1]
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@wrong("day01.count_pairs", fails="ends")
def count_pairs(ids):
    """The last id and the first are counted as a pair: ids[i - 1] is the last one where i is 0."""
    counts = {}
    for i in range(len(ids) if len(ids) > 1 else 0):
        pair = ids[i - 1], ids[i]
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@wrong("day01.count_pairs", fails="neighbours")
def count_pairs(ids):
    """(1, 2) and (2, 1) are counted as the same pair: the order belongs to it."""
    counts = {}
    for pair in pairwise(ids):
        pair = tuple(sorted(pair))
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@wrong("day01.count_pairs", fails="often")
def count_pairs(ids):
    """Each count is one too high: a pair that was not there yet starts at 0."""
    counts = {}
    for pair in pairwise(ids):
        counts[pair] = counts.get(pair, 1) + 1
    return counts


@wrong("day01.count_pairs", fails=("often", "overlap"))
def count_pairs(ids):
    """It says 1 for every pair: it notes which pairs occur, and not how often."""
    return dict.fromkeys(pairwise(ids), 1)


@wrong("day01.count_pairs", fails="short")
def count_pairs(ids):
    """An empty list is an IndexError: it has no first id."""
    counts, left = {}, ids[0]
    for i in ids[1:]:
        counts[left, i] = counts.get((left, i), 0) + 1
        left = i
    return counts


@right("day01.count_pairs")
def count_pairs(ids):
    """A Counter over zip."""
    return dict(Counter(zip(ids, ids[1:])))  # noqa: B905, RUF007


@right("day01.count_pairs")
def count_pairs(ids):
    """By index, with a question."""
    counts = {}
    for i in range(len(ids) - 1):
        pair = (ids[i], ids[i + 1])
        if pair in counts:
            counts[pair] += 1
        else:
            counts[pair] = 1
    return counts


@right("day01.count_pairs")
def count_pairs(ids):
    """Each kind of pair counted by itself, in another order."""
    pairs = list(pairwise(ids))
    return {pair: pairs.count(pair) for pair in sorted(set(pairs))}


# --- merge ----------------------------------------------------------------------------------------------


@wrong("day01.merge", fails="overlap")
def merge(ids, pair, new_id):
    """An id that was merged is used for a second pair: [7, 7, 7] becomes two new ids."""
    merged, skip = [], False
    for i, left in enumerate(ids):
        if (left, *ids[i + 1 : i + 2]) == pair:
            merged.append(new_id)
            skip = True
        else:
            if not skip:
                merged.append(left)
            skip = False
    return merged


@wrong("day01.merge", fails="overlap")
def merge(ids, pair, new_id):
    """It works from right to left: [7, 7, 7] becomes 7 and the new id."""
    merged, i = [], len(ids) - 1
    while i >= 0:
        if i > 0 and (ids[i - 1], ids[i]) == pair:
            merged.insert(0, new_id)
            i -= 2
        else:
            merged.insert(0, ids[i])
            i -= 1
    return merged


@wrong("day01.merge", fails="end")
def merge(ids, pair, new_id):
    """The last id is lost where no pair ends there: the loop stops one before the end."""
    merged, i = [], 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@wrong("day01.merge", fails="end")
def merge(ids, pair, new_id):
    """A pair at the very end is not merged: the last place where one can begin is len(ids) - 2."""
    merged, i = [], 0
    while i < len(ids):
        if i < len(ids) - 2 and (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@wrong("day01.merge", fails="every")
def merge(ids, pair, new_id):
    """Only the first occurrence is merged."""
    for i, found in enumerate(pairwise(ids)):
        if found == pair:
            return [*ids[:i], new_id, *ids[i + 2 :]]
    return list(ids)


@wrong("day01.merge", fails=("every", "end", "overlap"))
def merge(ids, pair, new_id):
    """After a merge it goes on by one place, not by two: the right half of the pair is still there."""
    merged = []
    for i in range(len(ids)):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
        else:
            merged.append(ids[i])
    return merged


@wrong("day01.merge", fails="order")
def merge(ids, pair, new_id):
    """The pair is merged the other way round too: (2, 1) is not (1, 2)."""
    merged, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) in (pair, pair[::-1]):
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@wrong("day01.merge", fails="order")
def merge(ids, pair, new_id):
    """Two neighbours are merged if both are in the pair: then (1, 1) and (2, 1) are merged like (1, 2)."""
    merged, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and ids[i] in pair and ids[i + 1] in pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@wrong("day01.merge", fails="unchanged")
def merge(ids, pair, new_id):
    """The list that was given is changed: merge must leave it alone and return a new one."""
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new_id]
        i += 1
    return ids


@right("day01.merge")
def merge(ids, pair, new_id):
    """On a copy, in place."""
    merged, i = list(ids), 0
    while i < len(merged) - 1:
        if merged[i] == pair[0] and merged[i + 1] == pair[1]:
            merged[i : i + 2] = [new_id]
        i += 1
    return merged


@right("day01.merge")
def merge(ids, pair, new_id):
    """As a text with one character for each id."""
    left, second = map(chr, pair)
    return [ord(char) for char in "".join(map(chr, ids)).replace(left + second, chr(new_id))]


@right("day01.merge")
def merge(ids, pair, new_id):
    """Looking back: the left half is taken off again when the right half comes."""
    merged, open_left = [], False  # is the last one of `merged` a left half that is still free?
    for i in ids:
        if open_left and i == pair[1]:
            merged[-1] = new_id
            open_left = False
        else:
            merged.append(i)
            open_left = i == pair[0]
    return merged


# --- train_bpe ------------------------------------------------------------------------------------------


@wrong("day01.train_bpe", fails="ties")
def train_bpe(text, vocab_size):
    """Among equally frequent pairs the first one that was seen is merged: it must be the greatest."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    merges = {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=counts.get)
        merges[best] = new_id
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="ties")
def train_bpe(text, vocab_size):
    """Among equally frequent pairs the least one is merged: it must be the greatest."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    tokens, merges = [bytes([i]) for i in range(256)], {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens.append(tokens[best[0]] + tokens[best[1]])
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="reference")
def train_bpe(text, vocab_size):
    """Ties go to the pair with the greatest ids: they must go to the greatest byte strings."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    merges = {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges[best] = new_id
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="words")
def train_bpe(text, vocab_size):
    """The text is not split into words: merges reach across spaces and full stops."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    ids = list(text.encode("utf-8"))
    tokens, merges = [bytes([i]) for i in range(256)], {}
    for new_id in range(256, vocab_size):
        counts = count_pairs(ids)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens.append(tokens[best[0]] + tokens[best[1]])
        ids = merge(ids, best, new_id)
    return merges


@wrong("day01.train_bpe", fails="words")
def train_bpe(text, vocab_size):
    """The text is split at white space (str.split): the spaces are lost, and full stops stick to words."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in text.split()]
    tokens, merges = [bytes([i]) for i in range(256)], {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens.append(tokens[best[0]] + tokens[best[1]])
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="repeats")
def train_bpe(text, vocab_size):
    """Each distinct word counts once, however often the text has it."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in dict.fromkeys(regex.findall(SPLIT_PATTERN, text))]
    tokens, merges = [bytes([i]) for i in range(256)], {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens.append(tokens[best[0]] + tokens[best[1]])
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="counts_anew")
def train_bpe(text, vocab_size):
    """The pairs are counted once, at the start: no merge ever builds on another."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    counts = Counter()
    for word in regex.findall(SPLIT_PATTERN, text):
        counts.update(count_pairs(list(word.encode("utf-8"))))
    best = sorted(counts, key=lambda pair: (counts[pair], pair), reverse=True)
    return {pair: 256 + i for i, pair in enumerate(best[: vocab_size - 256])}


@wrong("day01.train_bpe", fails="number")
def train_bpe(text, vocab_size):
    """vocab_size is taken for the number of merges: the 256 bytes belong to the vocabulary."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    tokens, merges = [bytes([i]) for i in range(256)], {}
    for new_id in range(256, 256 + vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens.append(tokens[best[0]] + tokens[best[1]])
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="number")
def train_bpe(text, vocab_size):
    """There is one merge too many: the loop goes on while there are no more than vocab_size tokens."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    tokens, merges = [bytes([i]) for i in range(256)], {}
    while len(tokens) <= vocab_size:
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = len(tokens)
        words = [merge(word, best, len(tokens)) for word in words]
        tokens.append(tokens[best[0]] + tokens[best[1]])
    return merges


@wrong("day01.train_bpe", fails="ids")
def train_bpe(text, vocab_size):
    """The first merge makes 257: the bytes are 0 to 255, so the first id that is free is 256."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    tokens, merges = {i: bytes([i]) for i in range(256)}, {}
    for new_id in range(257, vocab_size + 1):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens[new_id] = tokens[best[0]] + tokens[best[1]]
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="bytes")
def train_bpe(text, vocab_size):
    """The words are lists of code points (ord), not of bytes: ids of other scripts collide with those of merges."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [[ord(char) for char in word] for word in regex.findall(SPLIT_PATTERN, text)]
    tokens, merges = {}, {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        spell = lambda i: tokens.get(i) or chr(i)  # noqa: E731
        best = max(counts, key=lambda pair: (counts[pair], spell(pair[0]), spell(pair[1])))
        merges[best] = new_id
        tokens[new_id] = spell(best[0]) + spell(best[1])
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="runs_out")
def train_bpe(text, vocab_size):
    """It stops at pairs that occur once: it must go on until nothing is left to merge."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    tokens, merges = [bytes([i]) for i in range(256)], {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts or max(counts.values()) < 2:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens.append(tokens[best[0]] + tokens[best[1]])
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="runs_out")
def train_bpe(text, vocab_size):
    """Where nothing is left to merge it stops with an error (max of nothing): it must return what it has."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    tokens, merges = [bytes([i]) for i in range(256)], {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens.append(tokens[best[0]] + tokens[best[1]])
        words = [merge(word, best, new_id) for word in words]
    return merges


@wrong("day01.train_bpe", fails="refuses")
def train_bpe(text, vocab_size):
    """Neither an empty text nor a vocab_size under 256 is an error: both give no merges without a word."""
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    tokens, merges = [bytes([i]) for i in range(256)], {}
    for new_id in range(256, vocab_size):
        counts = Counter()
        for word in words:
            counts.update(count_pairs(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        merges[best] = new_id
        tokens.append(tokens[best[0]] + tokens[best[1]])
        words = [merge(word, best, new_id) for word in words]
    return merges


@right("day01.train_bpe")
def train_bpe(text, vocab_size):
    """On distinct words with their counts."""
    if text == "" or vocab_size < 256:
        raise ValueError("give a text and a vocab_size of 256 or more")
    repeats = Counter(tuple(word.encode()) for word in regex.findall(SPLIT_PATTERN, text))
    tokens, merges = [bytes([i]) for i in range(256)], {}
    while len(tokens) < vocab_size:
        counts = Counter()
        for word, n in repeats.items():
            for pair in zip(word, word[1:]):  # noqa: B905, RUF007
                counts[pair] += n
        if not counts:
            break
        pair = max(counts, key=lambda p: (counts[p], tokens[p[0]], tokens[p[1]]))
        merges[pair] = len(tokens)
        # Two words may become one: their counts are added.
        merged = Counter()
        for word, n in repeats.items():
            merged[tuple(merge(list(word), pair, len(tokens)))] += n
        repeats = merged
        tokens.append(tokens[pair[0]] + tokens[pair[1]])
    return merges


@right("day01.train_bpe")
def train_bpe(text, vocab_size):
    """On byte strings, with the ids at the end."""
    if not text:
        raise ValueError("empty")
    if vocab_size < 256:
        raise ValueError("too small")
    words = [[bytes([b]) for b in word.encode("utf-8")] for word in regex.findall(SPLIT_PATTERN, text)]
    learned = []
    for _ in range(vocab_size - 256):
        counts = {}
        for word in words:
            for pair in pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        most = max(counts.values())
        left, second = max(pair for pair, count in counts.items() if count == most)
        learned.append((left, second))
        for word in words:
            i = 0
            while i + 1 < len(word):
                if word[i] == left and word[i + 1] == second:
                    word[i : i + 2] = [left + second]
                i += 1
    ids = {bytes([b]): b for b in range(256)}
    merges = {}
    for left, second in learned:
        ids[left + second] = 256 + len(merges)
        merges[ids[left], ids[second]] = ids[left + second]
    return merges


@right("day01.train_bpe")
def train_bpe(text, vocab_size):
    """On the whole text as one list, with a border that is no id between the words."""
    if not text or vocab_size < 256:
        raise ValueError("empty text, or too small a vocabulary")
    ids = []
    for piece in regex.finditer(SPLIT_PATTERN, text):
        ids += [*piece.group().encode("utf-8"), None]
    vocab = {i: bytes([i]) for i in range(256)}
    merges = {}
    for new_id in range(256, vocab_size):
        counts = {pair: n for pair, n in count_pairs(ids).items() if None not in pair}
        if len(counts) == 0:
            return merges
        ranked = sorted(counts.items(), key=lambda item: (item[1], vocab[item[0][0]], vocab[item[0][1]]))
        pair = ranked[-1][0]
        ids = merge(ids, pair, new_id)
        vocab[new_id] = vocab[pair[0]] + vocab[pair[1]]
        merges[pair] = new_id
    return merges


# --- encode_bpe -----------------------------------------------------------------------------------------


@wrong("day01.encode_bpe", fails="earliest")
def encode_bpe(text, merges):
    """The merge that was learned last comes first: it must be the one that was learned earliest."""
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        word_ids = list(word.encode("utf-8"))
        while True:
            known = [pair for pair in count_pairs(word_ids) if pair in merges]
            if not known:
                break
            latest = max(known, key=lambda pair: merges[pair])
            word_ids = merge(word_ids, latest, merges[latest])
        ids.extend(word_ids)
    return ids


@wrong("day01.encode_bpe", fails="earliest")
def encode_bpe(text, merges):
    """The most frequent pair of the word comes first, as in training: the merges have an order of their own."""
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        word_ids = list(word.encode("utf-8"))
        while True:
            counts = {pair: n for pair, n in count_pairs(word_ids).items() if pair in merges}
            if not counts:
                break
            most = max(counts, key=counts.get)
            word_ids = merge(word_ids, most, merges[most])
        ids.extend(word_ids)
    return ids


@wrong("day01.encode_bpe", fails="earliest")
def encode_bpe(text, merges):
    """From left to right, what fits is taken, the longest token first: the order of the merges has no say."""
    tokens = [bytes([i]) for i in range(256)]
    for left, second in merges:
        tokens.append(tokens[left] + tokens[second])
    ranks = {token: i for i, token in enumerate(tokens)}
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        rest = word.encode("utf-8")
        while rest:
            longest = max((rest[:n] for n in range(1, len(rest) + 1) if rest[:n] in ranks), key=len)
            ids.append(ranks[longest])
            rest = rest[len(longest) :]
    return ids


@wrong("day01.encode_bpe", fails="all_merges")
def encode_bpe(text, merges):
    """Only pairs of bytes are merged: a new token is a neighbour too, and may be merged again."""
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        word_ids = list(word.encode("utf-8"))
        known = [pair for pair in count_pairs(word_ids) if pair in merges]
        for pair in sorted(known, key=lambda pair: merges[pair]):
            word_ids = merge(word_ids, pair, merges[pair])
        ids.extend(word_ids)
    return ids


@wrong("day01.encode_bpe", fails=("earliest", "all_merges"))
def encode_bpe(text, merges):
    """Each word gets one merge, and no more: it must go on until none is left."""
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        word_ids = list(word.encode("utf-8"))
        known = [pair for pair in count_pairs(word_ids) if pair in merges]
        if known:
            earliest = min(known, key=lambda pair: merges[pair])
            word_ids = merge(word_ids, earliest, merges[earliest])
        ids.extend(word_ids)
    return ids


@wrong("day01.encode_bpe", fails="words")
def encode_bpe(text, merges):
    """The text is not split into words: merges are applied across spaces and full stops."""
    ids = list(text.encode("utf-8"))
    while True:
        known = [pair for pair in count_pairs(ids) if pair in merges]
        if not known:
            return ids
        earliest = min(known, key=lambda pair: merges[pair])
        ids = merge(ids, earliest, merges[earliest])


@wrong("day01.encode_bpe", fails="words")
def encode_bpe(text, merges):
    """The text is split at white space (str.split): the spaces are lost for good."""
    ids = []
    for word in text.split():
        word_ids = list(word.encode("utf-8"))
        while True:
            known = [pair for pair in count_pairs(word_ids) if pair in merges]
            if not known:
                break
            earliest = min(known, key=lambda pair: merges[pair])
            word_ids = merge(word_ids, earliest, merges[earliest])
        ids.extend(word_ids)
    return ids


@wrong("day01.encode_bpe", fails="tiktoken")
def encode_bpe(text, merges):
    """Runs of spaces are split otherwise than by SPLIT_PATTERN: the last space belongs to the word after them."""
    ids = []
    for word in regex.findall(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+", text):
        word_ids = list(word.encode("utf-8"))
        while True:
            known = [pair for pair in count_pairs(word_ids) if pair in merges]
            if not known:
                break
            earliest = min(known, key=lambda pair: merges[pair])
            word_ids = merge(word_ids, earliest, merges[earliest])
        ids.extend(word_ids)
    return ids


@wrong("day01.encode_bpe", fails="bytes")
def encode_bpe(text, merges):
    """The words are lists of code points (ord), not of bytes: ids of other scripts collide with those of merges."""
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        word_ids = [ord(char) for char in word]
        while True:
            known = [pair for pair in count_pairs(word_ids) if pair in merges]
            if not known:
                break
            earliest = min(known, key=lambda pair: merges[pair])
            word_ids = merge(word_ids, earliest, merges[earliest])
        ids.extend(word_ids)
    return ids


@wrong("day01.encode_bpe", fails="bytes")
def encode_bpe(text, merges):
    """What is not ASCII is dropped: a byte-level tokenizer loses nothing."""
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        word_ids = list(word.encode("ascii", "ignore"))
        while True:
            known = [pair for pair in count_pairs(word_ids) if pair in merges]
            if not known:
                break
            earliest = min(known, key=lambda pair: merges[pair])
            word_ids = merge(word_ids, earliest, merges[earliest])
        ids.extend(word_ids)
    return ids


@right("day01.encode_bpe")
def encode_bpe(text, merges):
    """Once through all merges, in their order: a later one never makes room for an earlier one."""
    words = [list(word.encode("utf-8")) for word in regex.findall(SPLIT_PATTERN, text)]
    for pair, new_id in merges.items():
        words = [merge(word, pair, new_id) for word in words]
    return [i for word in words for i in word]


@right("day01.encode_bpe")
def encode_bpe(text, merges):
    """One occurrence at a time."""
    ids = []
    for word in regex.findall(SPLIT_PATTERN, text):
        word_ids = list(word.encode("utf-8"))
        while len(word_ids) > 1:
            ranks = [merges.get(pair, float("inf")) for pair in pairwise(word_ids)]
            i = ranks.index(min(ranks))
            if ranks[i] == float("inf"):
                break
            word_ids[i : i + 2] = [ranks[i]]
        ids += word_ids
    return ids


@right("day01.encode_bpe")
def encode_bpe(text, merges):
    """On byte strings, ranked by their ids, each word once."""
    tokens = [bytes([i]) for i in range(256)]
    for left, second in merges:
        tokens.append(tokens[left] + tokens[second])

    def cut(word):
        parts = [bytes([b]) for b in word.encode("utf-8")]
        for left, second in merges:
            i = 0
            while i + 1 < len(parts):
                if parts[i] == tokens[left] and parts[i + 1] == tokens[second]:
                    parts[i : i + 2] = [parts[i] + parts[i + 1]]
                i += 1
        return [tokens.index(part) for part in parts]

    known = {}
    for word in regex.findall(SPLIT_PATTERN, text):
        if word not in known:
            known[word] = cut(word)
    return [i for word in regex.findall(SPLIT_PATTERN, text) for i in known[word]]


# --- decode_bpe -----------------------------------------------------------------------------------------


@wrong("day01.decode_bpe", fails="joined")
def decode_bpe(ids, merges):
    """Each token is decoded by itself: a character whose bytes are in two tokens is lost."""
    tokens = {i: bytes([i]) for i in range(256)}
    for (left, second), new_id in merges.items():
        tokens[new_id] = tokens[left] + tokens[second]
    return "".join(tokens[i].decode("utf-8", errors="replace") for i in ids)


@wrong("day01.decode_bpe", fails="replaced")
def decode_bpe(ids, merges):
    """Bytes that are no UTF-8 are an error: errors="replace" makes U+FFFD of them."""
    tokens = {i: bytes([i]) for i in range(256)}
    for (left, second), new_id in merges.items():
        tokens[new_id] = tokens[left] + tokens[second]
    return b"".join(tokens[i] for i in ids).decode("utf-8")


@wrong("day01.decode_bpe", fails="replaced")
def decode_bpe(ids, merges):
    """Bytes that are no UTF-8 disappear (errors="ignore"): they must be seen, as U+FFFD."""
    tokens = {i: bytes([i]) for i in range(256)}
    for (left, second), new_id in merges.items():
        tokens[new_id] = tokens[left] + tokens[second]
    return b"".join(tokens[i] for i in ids).decode("utf-8", errors="ignore")


@wrong("day01.decode_bpe", fails=("joined", "replaced"))
def decode_bpe(ids, merges):
    """Each byte becomes a character of its own (chr, or Latin-1): the bytes are UTF-8."""
    tokens = {i: bytes([i]) for i in range(256)}
    for (left, second), new_id in merges.items():
        tokens[new_id] = tokens[left] + tokens[second]
    return b"".join(tokens[i] for i in ids).decode("latin-1")


@wrong("day01.decode_bpe", fails="nested")
def decode_bpe(ids, merges):
    """A token is taken apart once: its halves may be merged tokens themselves."""
    halves = {new_id: pair for pair, new_id in merges.items()}
    parts = []
    for i in ids:
        parts.extend(halves.get(i, (i,)))
    return bytes(parts).decode("utf-8", errors="replace")


@wrong("day01.decode_bpe", fails="expands")
def decode_bpe(ids, merges):
    """The halves of a token stand in the wrong order."""
    tokens = {i: bytes([i]) for i in range(256)}
    for (left, second), new_id in merges.items():
        tokens[new_id] = tokens[second] + tokens[left]
    return b"".join(tokens[i] for i in ids).decode("utf-8", errors="replace")


@wrong("day01.decode_bpe", fails="expands")
def decode_bpe(ids, merges):
    """The text is stripped: spaces and line breaks at its ends are lost."""
    tokens = {i: bytes([i]) for i in range(256)}
    for (left, second), new_id in merges.items():
        tokens[new_id] = tokens[left] + tokens[second]
    return b"".join(tokens[i] for i in ids).decode("utf-8", errors="replace").strip()


@wrong("day01.decode_bpe", fails=("expands", "joined"))
def decode_bpe(ids, merges):
    """A space is put between the tokens: where a space belongs, a token has one already."""
    tokens = {i: bytes([i]) for i in range(256)}
    for (left, second), new_id in merges.items():
        tokens[new_id] = tokens[left] + tokens[second]
    return b" ".join(tokens[i] for i in ids).decode("utf-8", errors="replace")


@right("day01.decode_bpe")
def decode_bpe(ids, merges):
    """By recursion."""
    halves = {new_id: pair for pair, new_id in merges.items()}

    def spell(i):
        if i < 256:
            return bytes([i])
        left, second = halves[i]
        return spell(left) + spell(second)

    return b"".join(map(spell, ids)).decode("utf-8", "replace")


@right("day01.decode_bpe")
def decode_bpe(ids, merges):
    """Merges undone from the last to the first, then bytes."""
    ids = list(ids)
    for (left, second), new_id in reversed(merges.items()):
        opened = []
        for i in ids:
            opened += [left, second] if i == new_id else [i]
        ids = opened
    return bytes(ids).decode(errors="replace")


@right("day01.decode_bpe")
def decode_bpe(ids, merges):
    """With a stack and a bytearray."""
    halves = dict(zip(merges.values(), merges.keys(), strict=True))
    data, stack = bytearray(), list(ids)[::-1]
    while stack:
        i = stack.pop()
        if i in halves:
            stack.extend(halves[i][::-1])
        else:
            data.append(i)
    return str(data, encoding="utf-8", errors="replace")
