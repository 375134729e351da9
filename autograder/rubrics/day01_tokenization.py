"""Day 1 · Tokenization."""

from collections import Counter
from itertools import pairwise
from string import ascii_letters
from typing import Any

import regex
import tiktoken

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, Remote, keep, refused
from autograder.rubric import exercise, item
from autograder.texts import (
    WIDE,
    a_vocab,
    in_words,
    learned,
    letters,
    no_doubles,
    one_of,
    one_word,
    pattern,
    some_ids,
    some_text,
    spell,
    tokens_of,
    your_merges,
)
from handmade.tokenizers import SPLIT_PATTERN, train_bpe


@exercise("day01.build_char_vocab", answer="handmade.tokenizers.build_char_vocab")
class BuildCharVocab:
    """The vocabulary of characters"""

    @item(1)
    def distinct(learner: Learner, rand: Rand):
        """It holds each character of the text once: capitals, spaces, line breaks and all the rest."""
        text = some_text(rand)
        vocab = the_list(learner.build_char_vocab(text), str, of="build_char_vocab(text)")
        twice = [char for char, count in Counter(vocab).items() if count > 1]
        expect.that(not twice, f"{twice[:1]} is in the vocabulary more than once")
        missing, more = sorted(set(text) - set(vocab)), sorted(set(vocab) - set(text))
        expect.that(not missing, f"the text has {missing[:3]}, and the vocabulary does not")
        expect.that(not more, f"the vocabulary has {more[:3]}, which the text does not have")

    @item(1)
    def order(learner: Learner, rand: Rand):
        """The characters are sorted, so that the same text always gives the same ids."""
        vocab = knows_characters(learner, rand)
        wrong = [pair for pair in pairwise(vocab) if pair[0] > pair[1]]
        expect.that(not wrong, f"the order is not that of `sorted`: {wrong[:1]} stand the wrong way round")

    @item(1)
    def refuses(learner: Learner, rand: Rand):
        """An empty text is a ValueError."""
        knows_characters(learner, rand)
        refused(lambda: learner.build_char_vocab(""), 'build_char_vocab("")')


@exercise("day01.encode_char", answer="handmade.tokenizers.encode_char")
class EncodeChar:
    """From characters to ids"""

    @item(2)
    def place(learner: Learner, rand: Rand):
        """A character's id is its place in the vocabulary that is given, in whatever order that is."""
        vocab = a_vocab(rand)
        text = "".join(vocab[i] for i in rand.integers(0, len(vocab) - 1, 30).tolist())
        ids = the_list(learner.encode_char(text, vocab), int, of="encode_char(text, vocab)")
        for char, i in zip(text, ids, strict=False):
            wanted = vocab.index(char)
            expect.that(
                i == wanted, f"{char!r} stands at place {wanted} of the vocabulary, and its id is {i}"
            )
        expect.that(bool(ids), "a text of 30 characters gives no ids")

    @item(1)
    def every(learner: Learner, rand: Rand):
        """Each character of the text gets one id: spaces and line breaks too, and those that come again."""
        vocab = [*a_vocab(rand), " ", "\n"]
        some = "".join(vocab[i] for i in rand.integers(0, len(vocab) - 1, 30).tolist())
        text = "\n " + some + some[:5] + " \n"
        ids = the_list(learner.encode_char(text, vocab), int, of="encode_char(text, vocab)")
        expect.that(len(ids) == len(text), f"{len(text)} characters give {len(ids)} ids")
        expect.that(pattern(ids) == pattern(text), "equal characters must get equal ids, others others")

    @item(1)
    def refuses(learner: Learner, rand: Rand):
        """A character that the vocabulary does not have is a ValueError, and the message names it."""
        vocab = a_vocab(rand)
        unknown = next(char for char in vocab if char in WIDE)  # which no sentence holds by chance
        vocab.remove(unknown)
        text = "".join(vocab[i] for i in rand.permutation(len(vocab)).tolist())
        ids = the_list(learner.encode_char(text, vocab), int, of="encode_char(text, vocab)")
        expect.that(len(set(ids)) > len(vocab) // 2, "a text of known characters only must get ids")
        place = rand.integer(2, len(text) - 2)
        strange = text[:place] + unknown + text[place:]
        said = refused(
            lambda: learner.encode_char(strange, vocab), f"encode_char with the unknown {unknown!r}"
        )
        expect.that(
            unknown in said, f"the character {unknown!r} is unknown, and the message does not name it: {said}"
        )


@exercise("day01.decode_char", answer="handmade.tokenizers.decode_char")
class DecodeChar:
    """From ids to characters"""

    @item(1)
    def place(learner: Learner, rand: Rand):
        """An id becomes the character at that place of the vocabulary."""
        vocab = a_vocab(rand)
        ids = rand.integers(0, len(vocab) - 1, 30).tolist()
        wanted = "".join(vocab[i] for i in ids)
        text = "".join(
            learner.decode_char(ids, vocab).split()
        )  # what stands between them is `complete`'s business
        # And so are those that were left out.
        expect.that(
            text == wanted or (bool(text) and text == "".join(char for char in wanted if char in text)),
            f"ids {ids[:5]} … of the vocabulary {vocab[:5]} … are {wanted[:5]!r} …, yours is {text[:5]!r} …",
        )

    @item(1)
    def complete(learner: Learner, rand: Rand):
        """Each id gives one character, and nothing stands between them: spaces at the ends and any Unicode stay."""
        vocab = [*a_vocab(rand), " ", "\n"]
        space, line = len(vocab) - 2, len(vocab) - 1
        ids = [line, space, *rand.integers(0, len(vocab) - 1, 30).tolist(), space, line]
        text = learner.decode_char(ids, vocab)
        expect.that(len(text) == len(ids), f"{len(ids)} ids give {len(text)} characters")
        expect.that(pattern(text) == pattern(ids), "equal ids must give equal characters, others others")


@exercise("day01.count_pairs", answer="handmade.tokenizers.count_pairs")
class CountPairs:
    """Pairs of neighbours"""

    @item(1)
    def neighbours(learner: Learner, rand: Rand):
        """Its keys are the pairs of neighbours, the left one first, and no others."""
        some = no_doubles(rand, 12)
        ids = some + some  # what is at the ends occurs inside as well
        counts = the_counts(learner, ids)
        missing, more = set(pairwise(ids)) - counts.keys(), counts.keys() - set(pairwise(ids))
        expect.that(
            not missing, f"in {ids} the pairs {sorted(missing)[:3]} are neighbours, and have no count"
        )
        expect.that(not more, f"in {ids} the pairs {sorted(more)[:3]} are no neighbours, and have a count")

    @item(1)
    def often(learner: Learner, rand: Rand):
        """Each pair's count is how often it occurs."""
        some = no_doubles(rand, 12)
        ids = [100, *some, *some, *some[: rand.integer(3, 9)], 101, 102]
        counts = the_counts(learner, ids)
        right = Counter(pairwise(ids))
        for left, second in list(right)[1:-1]:  # the ends, and which of two is left, are for other items
            wanted, found = (both(each, left, second) for each in (right, counts))
            expect.that(
                found == wanted, f"in {ids} {(left, second)} occurs {wanted} times, yours says {found}"
            )

    @item(1)
    def ends(learner: Learner, rand: Rand):
        """The first and the last pair count too, and the end is no neighbour of the start."""
        for _ in range(3):
            ids = [1, 2, *(x + 10 for x in no_doubles(rand, 10)), 50, 60]
            counts = the_counts(learner, ids)
            for where, pair in (("first", (1, 2)), ("last", (50, 60))):
                expect.that(pair in counts, f"the {where} two ids, {pair}, are a pair and have no count")
            around = (60, 1)
            expect.that(
                around not in counts and around[::-1] not in counts, "the last id and the first are no pair"
            )

    @item(1)
    def overlap(learner: Learner, rand: Rand):
        """In a run of equal ids each is a pair with the next: [7, 7, 7] holds (7, 7) twice."""
        x, short = rand.integer(200, 999), rand.integer(3, 6)
        long = short + rand.integer(4, 9)
        two = [the_counts(learner, [1, 2, *[x] * n, 3, 4]).get((x, x), 0) for n in (short, long)]
        expect.that(
            two[1] - two[0] == long - short,
            f"a run of {long} equal ids has {long - short} pairs more than a run of {short}; yours counts {two}",
        )

    @item(1)
    def short(learner: Learner, rand: Rand):
        """A list that is empty or holds one id has no pairs: {}."""
        the_counts(learner, no_doubles(rand, 12))
        for ids in ([], [rand.integer(0, 999)]):
            counts = learner.count_pairs(ids)
            expect.that(counts == {}, f"count_pairs({ids}) must be {{}}, yours is {str(counts)[:80]}")


@exercise("day01.merge", answer="handmade.tokenizers.merge")
class Merge:
    """Merging a pair"""

    @item(2)
    def every(learner: Learner, rand: Rand):
        """Every occurrence of the pair becomes the new id, and all else stays as it was."""
        a, b, new, *others = some_ids(rand, 20)
        parts = [[a, b]] * 3 + [[a]] * 2 + [[b]] * 2
        ids = [others.pop()]
        for i in rand.permutation(len(parts)).tolist():
            ids += [*parts[i], others.pop()]  # always something between, so that nothing overlaps
        wanted = " ".join(map(str, ids)).replace(f"{a} {b}", str(new)).split()
        ids, wanted = ids + others[:3], [int(word) for word in wanted]
        merged = merge_of(learner, ids, (a, b), new)[: len(wanted)]  # the end has an item of its own
        expect.that(
            merged == wanted, f"merge({ids}, {(a, b)}, {new}) must begin {wanted}, yours begins {merged}"
        )

    @item(1)
    def overlap(learner: Learner, rand: Rand):
        """From left to right and without overlap: three in a row become the new id and one that is left."""
        a, new, *others = some_ids(rand, 6)
        ids = [others[0], a, a, a, *others[1:]]
        merged = merge_of(learner, ids, (a, a), new)
        expect.that(
            merged[:3] == [others[0], new, a],
            f"merge({ids}, {(a, a)}, {new}) must begin {[others[0], new, a]}, yours begins {merged[:3]}",
        )

    @item(1)
    def end(learner: Learner, rand: Rand):
        """The end is not lost: neither a pair that stands there, nor an id without a partner."""
        a, b, new, *others = some_ids(rand, 9)
        for ids, wanted in (
            ([*others, a, b], [*others, new]),
            ([*others, a, b, others[0]], [*others, new, others[0]]),
            ([*others, a], [*others, a]),
            ([b], [b]),
        ):
            merged = merge_of(learner, ids, (a, b), new)
            expect.that(
                merged == wanted, f"merge({ids}, {(a, b)}, {new}) must be {wanted}, yours is {merged}"
            )

    @item(1)
    def order(learner: Learner, rand: Rand):
        """The pair has an order: (1, 2) is not (2, 1), (1, 1) or (2, 2)."""
        a, b, new, x, y, z = some_ids(rand, 6)
        merged = merge_of(learner, [x, a, b, y, z], (a, b), new)
        expect.that(merged.count(new) == 1, f"in {[x, a, b, y, z]} the pair {(a, b)} must be merged once")
        for other in ((a, a), (b, a), (b, b)):
            ids = [x, *other, y, z]
            merged = merge_of(learner, ids, (a, b), new)
            expect.that(
                new not in merged, f"{other} is not the pair {(a, b)}, and merge({ids}, …) gives {merged}"
            )

    @item(1)
    def unchanged(learner: Learner, rand: Rand):
        """The list that is given stays as it is: the result is a new one."""
        a, b, c, d, first, second, *others = some_ids(rand, 12)
        ids = keep(learner, [*others[:2], a, b, *others[2:4], c, d, *others[4:]])
        one, two = merge_of(learner, ids, (a, b), first), merge_of(learner, ids, (c, d), second)
        expect.that(first in one and second in two, "a pair that stands in the middle must be merged")
        expect.that(
            first not in two, "a second merge of the same list finds the new id of the first one in it"
        )


@exercise("day01.train_bpe", answer="handmade.tokenizers.train_bpe")
class TrainBPE:
    """Learning the merges"""

    # One word, without ties and without words that come again, is what the other mistakes do not touch.

    @item(2)
    def counts_anew(learner: Learner, rand: Rand):
        """After each merge the pairs are counted anew, so that merges build on merges."""
        text, wanted = one_word(rand)
        found = learned(learner, text, 256 + 8)[:5]
        show_difference(found, wanted, text)

    @item(1)
    def repeats(learner: Learner, rand: Rand):
        """A word that comes often counts as often as it comes."""
        a, b, c, d, *others = letters(rand, 12)
        n = rand.integer(5, 9)
        words = [a + b] * n + [c + d + other for other in others[: n - 2]]
        text = "".join(str(rand.integer(0, 9)) + words[i] for i in rand.permutation(len(words)).tolist())
        first = learned(learner, text, 256 + 4)[0]
        expect.that(
            first == (a.encode(), b.encode()),
            f"in {text!r} the pair {a + b!r} occurs {n} times, more than any other; yours merges {spell(first)}",
        )

    @item(1)
    def ties(learner: Learner, rand: Rand):
        """Among pairs that are equally frequent, the one whose byte strings are greatest is merged first."""
        alone = letters(rand, 26, ascii_letters)
        a, b, c, d, e, *rest = alone
        pairs = sorted([a + b, a + c, d + e, d + b])
        seen = [pairs[i] for i in (1, 3, 0, 2)]  # the greatest is neither the first that is seen nor the last
        spare = iter(rest + [char for char in ascii_letters if char not in alone])
        text = "".join(pair + next(spare) for pair in seen * 3)
        first = learned(learner, text, 256 + 5)[0]
        expect.that(
            first == tuple(char.encode() for char in pairs[-1]),
            f"in {text!r} the pairs {', '.join(pairs)} occur three times each; first merged must be {pairs[-1]}, "
            f"yours is {spell(first)}",
        )

    @item(2)
    def words(learner: Learner, rand: Rand):
        """Pairs are counted inside the words of SPLIT_PATTERN, to which the space before belongs, and never across."""
        q, z, *inside = letters(rand, 20)
        words = [f" {q}{a}{b}{z}" for a, b in zip(inside[::2], inside[1::2], strict=True)]  # no word twice
        text = "".join(word + one_of(rand, ["7!", "3?"]) for word in words)
        found = learned(learner, text, 256 + 8)
        expect.that(
            found[0] == (b" ", q.encode()),
            f"in {text!r} the first merge must be {' ' + q!r}: yours is {spell(found[0])}",
        )
        for left, right in found:
            pieces = regex.findall(SPLIT_PATTERN, (left + right).decode())
            expect.that(
                len(pieces) == 1,
                f"in {text!r} the merge {spell((left, right))} crosses the border of two words",
            )

    @item(1)
    def bytes(learner: Learner, rand: Rand):
        """It works on the bytes of UTF-8: a character of two bytes is a pair, and a merge makes it one token."""
        often, rare = (WIDE[i] for i in rand.permutation(18)[:2].tolist())  # the first 18 are two bytes long
        text = often * rand.integer(12, 15) + "x" + rare * rand.integer(4, 7)
        first = learned(learner, text, 256 + 4)[0]
        expect.that(
            b"".join(first) == often.encode(),
            f"in {text!r} the first merge must join the two bytes of {often!r}, yours joins {spell(first)}",
        )

    @item(1)
    def ids(learner: Learner, rand: Rand):
        """The first merge makes 256, the next 257, and so on."""
        text, _ = one_word(rand)
        n = rand.integer(3, 5)
        learned(learner, text, 256 + n)
        new = list(learner.train_bpe(text, 256 + n).values())
        wanted = list(range(256, 256 + len(new)))
        expect.that(new == wanted, f"the new ids must be {wanted}, yours are {new}")

    @item(1)
    def number(learner: Learner, rand: Rand):
        """vocab_size counts the 256 bytes: there are vocab_size - 256 merges."""
        text, _ = one_word(rand)
        for n in (0, rand.integer(1, 2), rand.integer(3, 5)):
            found = learned(learner, text, 256 + n)
            expect.that(len(found) == n, f"vocab_size {256 + n} means {n} merges; yours are {len(found)}")

    @item(1)
    def runs_out(learner: Learner, rand: Rand):
        """It goes on until nothing is left to merge, also where each pair occurs once, and then it stops."""
        word = "".join(letters(rand, rand.integer(7, 12)))
        found = learned(learner, word, 256 + 40)
        expect.that(
            len(found) == len(word) - 1,
            f"{len(word)} different letters allow {len(word) - 1} merges, yours are {len(found)}",
        )

    @item(1)
    def refuses(learner: Learner, rand: Rand):
        """An empty text is a ValueError, and so is a vocab_size under 256."""
        text, _ = one_word(rand)
        learned(learner, text, 256 + 5)
        refused(lambda: learner.train_bpe("", 300), 'train_bpe("", 300)')
        size = rand.integer(1, 255)
        refused(lambda: learner.train_bpe(text, size), f"train_bpe(text, {size})")

    @item(2, whole=True)
    def reference(learner: Learner, rand: Rand):
        """All in all: the merges of the reference, in their order, on texts of many kinds."""
        for _ in range(3):
            text = some_text(rand)
            wanted = train_bpe(text, 256 + 25)
            merges = learner.train_bpe(text, 256 + 25)
            expect.that(isinstance(merges, dict), "train_bpe must return a dict")
            for n, (ours, yours) in enumerate(zip(wanted.items(), merges.items(), strict=False), 1):
                expect.that(ours == yours, f"merge {n} of {text!r} must be {ours}, yours is {yours}")
            expect.that(
                len(merges) == len(wanted), f"{text!r} allows {len(wanted)} merges, yours are {len(merges)}"
            )


@exercise("day01.encode_bpe", answer="handmade.tokenizers.encode_bpe")
class EncodeBPE:
    """Encoding with the merges"""

    @item(2)
    def earliest(learner: Learner, rand: Rand):
        """Of the merges that are possible in a word, the one that was learned first comes first."""
        a, b, c, d, e, f = map(ord, letters(rand, 6))
        merges = {(b, c): 256, (d, e): 257, (a, b): 258, (c, d): 259, (e, f): 260}
        questions = {  # what stands left, what is frequent, what is long and what was learned last are no reasons
            (a, b, c): [a, 256],
            (a, b, c, d, e): [a, 256, 257],
            (a, b, a, b, c, a, b): [258, a, 256, 258],
            (d, e, f): [257, f],
            (d, e, f, e, f, e, f): [257, f, 260, 260],
        }
        found = {word: encoding_of(learner, "".join(map(chr, word)), merges) for word in questions}
        for word, wanted in questions.items():
            text, ids = "".join(map(chr, word)), found[word]
            expect.that(
                ids == wanted, f"with the merges {in_words(merges)} {text!r} is {wanted}, yours is {ids}"
            )

    @item(1)
    def all_merges(learner: Learner, rand: Rand):
        """Merges are applied until none is left: all occurrences, and merges of merged tokens."""
        a, b, c, d = map(ord, letters(rand, 4))
        merges = {(a, b): 256, (256, c): 257, (257, d): 258}
        text = "".join(map(chr, [a, b, c, d] * rand.integer(2, 4) + [a, b, c] + [d, d, a, b]))
        wanted = [258] * text.count(text[:4]) + [d, 256]
        ids = encoding_of(learner, text, merges)
        expect.that(
            ids == wanted,
            f"with the merges {in_words(merges)} {text!r} is {wanted}, yours is {ids}",
        )

    @item(2)
    def words(learner: Learner, rand: Rand):
        """The text is split with SPLIT_PATTERN first, nothing is lost, and no merge reaches across a border."""
        q, z = map(ord, letters(rand, 2))
        space, digit, mark = ord(" "), ord(str(rand.integer(0, 9))), ord(one_of(rand, "!?;"))
        merges = {(z, space): 256, (z, digit): 257, (z, mark): 258, (space, q): 259}
        ids = [space, q, z, space, q, z, digit, z, mark, space, q]
        text = "".join(map(chr, ids))
        wanted = [259, z, 259, z, digit, z, mark, 259]
        found = encoding_of(learner, text, merges)
        expect.that(
            found == wanted,
            f"with the merges {in_words(merges)} {text!r} is {wanted}, yours is {found}",
        )

    @item(1)
    def bytes(learner: Learner, rand: Rand):
        """Ids below 256 are the bytes of UTF-8: every text has ids, also one with characters never seen."""
        word = "".join(WIDE[i] for i in rand.permutation(len(WIDE))[:8].tolist())
        ids = encoding_of(learner, word, {})
        expect.that(
            ids == list(word.encode()),
            f"without merges {word!r} is its bytes, {list(word.encode())}; yours {ids}",
        )

    @item(2, whole=True)
    def tiktoken(learner: Learner, rand: Rand):
        """All in all: the ids that tiktoken gives with the same merges, on texts of many kinds."""
        for _ in range(4):
            text = some_text(rand)
            merges = your_merges(learner, text)
            ranks = {token: i for i, token in enumerate(tokens_of(merges))}
            peer = tiktoken.Encoding("yours", pat_str=SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens={})
            for said in (text, some_text(rand)):
                ids, wanted = encoding_of(learner, said, merges), peer.encode_ordinary(said)
                expect.that(
                    ids == wanted, f"with its merges tiktoken encodes {said!r} as {wanted}, yours is {ids}"
                )


@exercise("day01.decode_bpe", answer="handmade.tokenizers.decode_bpe")
class DecodeBPE:
    """Back to text"""

    @item(1)
    def expands(learner: Learner, rand: Rand):
        """A merged token becomes its two halves, left one first, and nothing is added or taken away."""
        alphabet = [" ", "\n", *letters(rand, 6)]
        merges = {}
        for _ in range(4):
            left, right = (alphabet[i] for i in rand.permutation(len(alphabet))[:2].tolist())
            merges.setdefault((ord(left), ord(right)), 256 + len(merges))
        ids = [
            ord("\n"),
            *(one_of(rand, [*merges.values(), *map(ord, alphabet)]) for _ in range(20)),
            256,
            ord(" "),
        ]
        tokens = tokens_of(merges)
        wanted = "".join(tokens[i].decode() for i in ids)
        text = learner.decode_bpe(ids, merges)
        expect.that(
            text == wanted, f"with the merges {in_words(merges)} {ids} is {wanted!r}, yours is {text!r}"
        )

    @item(1)
    def nested(learner: Learner, rand: Rand):
        """Tokens that were made of merged tokens are taken apart down to their bytes."""
        word, merges = letters(rand, 9), {}
        whole = ord(word[0])
        for letter in word[1:]:
            merges[whole, ord(letter)] = 256 + len(merges)
            whole = 255 + len(merges)
        text = learner.decode_bpe([whole], merges)
        # In any order, and with anything between: that is the business of `expands`.
        expect.that(
            sorted(text.replace(" ", "")) == sorted(word),
            f"with the merges {in_words(merges)} [{whole}] is {''.join(word)!r}, yours is {text!r}",
        )

    @item(2)
    def joined(learner: Learner, rand: Rand):
        """A character whose bytes are in several tokens comes back whole: bytes are joined first, then decoded."""
        wanted = "".join(WIDE[i] for i in rand.permutation(len(WIDE))[:8].tolist())
        text = learner.decode_bpe(list(wanted.encode()), {})
        expect.that(text.replace(" ", "") == wanted, f"the bytes of {wanted!r} come back as {text!r}")

    @item(1)
    def replaced(learner: Learner, rand: Rand):
        """Bytes that are no UTF-8, such as half a character, become U+FFFD, and are no error."""
        a, b, c = letters(rand, 3)
        for bad in (rand.integer(0x80, 0xBF), rand.integer(0xF8, 0xFF), rand.integer(0xC2, 0xDF)):
            ids = [ord(a), ord(b), bad, ord(c)]
            wanted, text = f"{a}{b}\ufffd{c}", learner.decode_bpe(ids, {})
            expect.that(
                text.replace(" ", "") == wanted,
                f"{bad} alone is no UTF-8, so {ids} is {wanted!r} (with U+FFFD); yours is {text!r}",
            )


def the_list(value: Any, kind: type, of: str) -> list:
    """The value, if it is a list of such."""
    expect.kind(value, list, of)
    other = [each for each in value if type(each) is not kind]
    expect.that(not other, f"{of} must hold only {kind.__name__}, yours holds {str(other[:1])[:80]}")
    return value


def knows_characters(learner: Learner, rand: Rand) -> list[str]:
    """The vocabulary of a text, once it holds at least a third of its characters."""
    text = some_text(rand)
    vocab = the_list(learner.build_char_vocab(text), str, of="build_char_vocab(text)")
    found = len(set(vocab) & set(text))
    expect.that(3 * found > len(set(text)), f"of {len(set(text))} characters the vocabulary has {found}")
    return vocab


def both(counts: dict, left: int, right: int) -> int:
    return counts.get((left, right), 0) + counts.get((right, left), 0)


def the_counts(learner: Learner, ids: list[int]) -> dict:
    """What `count_pairs` returns, once it is a dict of counts for some pairs, and the same at a second call."""
    counts = learner.count_pairs(ids)
    expect.kind(counts, dict, "count_pairs(ids)")
    expect.that(bool(counts), f"count_pairs({ids}) is empty")
    for count in counts.values():
        expect.that(
            type(count) is int and count > 0, f"count_pairs({ids}) says {count!r}: a count is 1 or more"
        )
    expect.that(learner.count_pairs(ids) == counts, "count_pairs gives another result at every call")
    return counts


def merge_of(learner: Learner, ids: list[int] | Remote, pair: tuple[int, int], new: int) -> list[int]:
    return the_list(learner.merge(ids, pair, new), int, of="merge(ids, pair, new_id)")


def encoding_of(learner: Learner, text: str, merges: dict) -> list[int]:
    return the_list(learner.encode_bpe(text, merges), int, of="encode_bpe(text, merges)")


def show_difference(found: list, wanted: list, text: str) -> None:
    """Fail at the first merge that differs."""
    for n, (yours, ours) in enumerate(zip(found, wanted, strict=False), 1):
        expect.that(yours == ours, f"merge {n} of {text!r} must be {spell(ours)}, yours is {spell(yours)}")
    expect.that(
        len(found) == len(wanted), f"{text!r} has at least {len(wanted)} merges, yours are {len(found)}"
    )
