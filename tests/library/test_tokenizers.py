"""Days 1 and 16: the plain tokenizers against brute force, the fast one against the plain one and tiktoken."""

import json
import socket
import subprocess
import sys
from collections import Counter
from itertools import islice, pairwise, repeat

import pytest
import regex
import tiktoken
import tiktoken.load
from hypothesis import given
from hypothesis import strategies as st

from handmade import bpe
from handmade.bpe import GPT2_ALPHABET, BPETokenizer, split, split_stream
from handmade.errors import UserError
from handmade.tokenizers import (
    SPLIT_PATTERN,
    CharTokenizer,
    build_char_vocab,
    count_pairs,
    decode_bpe,
    decode_char,
    encode_bpe,
    encode_char,
    merge,
    train_bpe,
)

# Characters that every Unicode version in use knows: `regex` and tiktoken may class newer ones differently.
any_text = st.text(st.characters(exclude_categories=("Cs", "Cn")))
# Text in which BPE has something to do: repeats, ties, contractions, runs of spaces, characters of many bytes.
pieces = [
    "a",
    "b",
    "ab",
    "the",
    " the",
    "'l",
    "l",
    "'",
    "ve",
    "  ",
    "\n",
    " 12",
    "1",
    "?!",
    "é",
    "日本",
    "🙂",
    " ",
]
lumpy_text = st.lists(st.sampled_from(pieces) | any_text, max_size=40).map("".join)

CORPUS = (
    "They'll say that the theatre's there, and that she'd've been in it: 'I'm here,' she said, 'we're all here.'\n"
    "   In 1999, or 2001, the naïve café — 日本の本, 日本の人 — closed at 12:45!!!\n\n\tThat is that. 🙂🙂 the end, "
    "the the the other mother's brother bothers another; hm, hmm, hmmm, aaaaaaa, bananas.\n"
) * 2
MERGES = train_bpe(CORPUS, 340)
TOKENIZER = BPETokenizer(MERGES)
TIKTOKEN = TOKENIZER.to_tiktoken()

# --- characters ---------------------------------------------------------------------------------------


@given(any_text.filter(bool))
def test_char_vocab_is_sorted_and_round_trips(text):
    vocab = build_char_vocab(text)
    assert vocab == sorted(set(text)), "the vocabulary is the distinct characters, sorted"
    ids = encode_char(text, vocab)
    assert [vocab[i] for i in ids] == list(text), "an id is the place of its character in the vocabulary"
    assert decode_char(ids, vocab) == text, "decoding gives the text back"


def test_unknown_character_is_named():
    vocab = build_char_vocab("abc")
    with pytest.raises(ValueError, match="'é'"):
        encode_char("abécx", vocab)
    with pytest.raises(ValueError, match="'é'"):
        CharTokenizer(vocab).encode("abécx")


# --- the parts of BPE ---------------------------------------------------------------------------------

few_ids = st.lists(st.integers(0, 2), max_size=30)


def test_aaa_holds_its_pair_twice():
    assert count_pairs([7, 7, 7]) == {(7, 7): 2}, "pairs overlap when they are counted"
    assert merge([7, 7, 7], (7, 7), 9) == [9, 7], "and do not when they are merged, from the left"


@given(few_ids)
def test_count_pairs_counts_neighbours(ids):
    assert count_pairs(ids) == dict(Counter((ids[i], ids[i + 1]) for i in range(len(ids) - 1)))


@given(few_ids, st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_merge_equals_replacing_in_a_string(ids, pair):
    before = list(ids)
    as_text = "".join(map(str, ids)).replace(f"{pair[0]}{pair[1]}", "9")
    assert merge(ids, pair, 9) == [int(digit) for digit in as_text], (
        "left to right, without overlap, to the end"
    )
    assert ids == before, "merge must not change the list it is given"


def brute_train(text: str, n_merges: int) -> list[tuple[bytes, bytes]]:
    """BPE on byte strings: no ids at all, every word of the text, counted anew for every merge."""
    words = [[bytes([b]) for b in word.encode()] for word in regex.findall(SPLIT_PATTERN, text)]
    learned = []
    for _ in range(n_merges):
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        learned.append(best)
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [best[0] + best[1]]
                i += 1
    return learned


@given(lumpy_text.filter(bool), st.integers(0, 40))
def test_training_equals_brute_force_and_the_fast_form(text, n_merges):
    merges = train_bpe(text, 256 + n_merges)
    assert list(merges.values()) == list(range(256, 256 + len(merges))), (
        "new ids follow the order of learning"
    )
    tokens = BPETokenizer(merges).tokens
    learned = [(tokens[left], tokens[right]) for left, right in merges]
    assert learned == brute_train(text, n_merges), "merges differ from brute force on byte strings"
    assert BPETokenizer.train(text, 256 + n_merges).merges == merges, "the fast form learned other merges"


def test_the_fast_form_learns_the_same_merges_from_a_longer_text():
    """Long enough for pairs that lose some of their occurrences to other merges and are merged later."""
    assert list(BPETokenizer.train(CORPUS, 2000).merges) == list(train_bpe(CORPUS, 2000)) != []


@pytest.mark.parametrize(
    ("text", "merges"),
    [
        ("abc ab zz", ["a b", "z z"]),  # not "ab c", though the id of "ab" is greater than that of "z"
        ("abc bc az", ["b c", "a z"]),  # not "a bc", though the id of "bc" is greater than that of "z"
        ("abc bc bc ab", ["b c", "  bc", "a bc", "a b"]),  # a string is greater than its beginning
    ],
)
def test_ties_go_to_the_greatest_byte_strings(text, merges):
    learned = train_bpe(text, 256 + len(merges))
    tokens = BPETokenizer(learned).tokens
    spelt = [f"{tokens[left].decode()} {tokens[right].decode()}" for left, right in learned]
    assert spelt == merges


def test_merges_stay_inside_words():
    tokens = BPETokenizer(train_bpe("to be to be to be to be!", 400)).tokens[256:]
    assert b" to" in tokens and b" be" in tokens, "a space belongs to the word after it"
    assert not any(b" " in token[1:] for token in tokens), "a merge crossed from one word into the next"


@pytest.mark.parametrize("train", [train_bpe, BPETokenizer.train])
def test_training_refuses_what_it_cannot_learn_from(train):
    with pytest.raises(ValueError, match="empty"):
        train("", 300)
    with pytest.raises(ValueError, match="at least 256"):
        train("some text", 255)
    with pytest.raises(ValueError, match="at least 257"):
        BPETokenizer.train("some text", 256, special_tokens=["<|end|>"])


def test_training_reads_a_stream_and_leaves_special_tokens_out():
    documents = [CORPUS, "the end", "", "<|en"]
    text = "<|end|>".join(documents)
    whole = BPETokenizer.train(text, 300, ["<|end|>"])
    assert BPETokenizer.train(iter(text), 300, ["<|end|>"]).merges == whole.merges, (
        "pieces taught other merges"
    )
    word_counts = Counter(word for document in documents for word in split(document))
    assert list(whole.merges) == bpe.learn_merges(word_counts, 43), "special tokens must not be learned from"
    assert whole.special_tokens == {"<|end|>": 299}, "special tokens follow the merges"


# --- encoding -----------------------------------------------------------------------------------------


@given(lumpy_text)
def test_encoding_round_trips_and_equals_tiktoken(text):
    ids = encode_bpe(text, MERGES)
    assert decode_bpe(ids, MERGES) == text, "encode, then decode, must give the text back"
    assert ids == TIKTOKEN.encode(text), "tiktoken with the same merges gives other ids"
    assert TOKENIZER.encode(text) == ids, "the fast form gives other ids than the plain one"
    assert TOKENIZER.decode(ids) == text


def test_the_earliest_learned_merge_comes_first():
    merges = {(98, 99): 256, (97, 98): 257, (257, 256): 258}  # bc, ab, abbc
    assert encode_bpe("abc", merges) == [97, 256], '"bc" was learned before "ab", so it is merged first'
    assert encode_bpe("abbc", merges) == [258]
    assert BPETokenizer(merges).encode("abc") == [97, 256]


def test_half_a_character_decodes_to_the_replacement_character():
    half = "é".encode()[0]
    assert decode_bpe([97, half], {}) == "a\ufffd"
    assert BPETokenizer().decode([97, half]) == "a\ufffd"


@pytest.mark.parametrize("tokenizer", [BPETokenizer(), CharTokenizer("abc")])
@pytest.mark.parametrize("i", [-1, 256])
def test_an_id_from_elsewhere_is_refused(tokenizer, i):
    with pytest.raises(ValueError, match=f"{i} is no id"):
        tokenizer.decode([0, i])


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(bpe, "CACHE_WORDS", 5)
    tokenizer = BPETokenizer(MERGES)
    text = CORPUS + "a" * 1000
    assert tokenizer.encode(text) == TOKENIZER.to_tiktoken().encode(text), (
        "ids change when the cache starts afresh"
    )
    assert len(tokenizer._cache) <= 5, "the cache grew past its bound"
    assert not any(len(word) > bpe.CACHE_CHARS for word in tokenizer._cache), "a long word was kept"


# --- special tokens -----------------------------------------------------------------------------------

SPECIAL = ["<|end|>", "<|end|><|end|>", "the"]
special_text = st.lists(st.sampled_from([*SPECIAL, "<|en", "d|>", "<", "|>", *pieces]), max_size=30).map(
    "".join
)


def test_special_tokens_are_refused_unless_allowed():
    tokenizer = BPETokenizer(MERGES, ["<|end|>", "<|pad|>"])
    text = "that<|end|> is"
    for encode in (tokenizer.encode, tokenizer.to_tiktoken().encode):
        with pytest.raises(ValueError, match=r"<\|end\|>"):
            encode(text)
        with pytest.raises(ValueError, match=r"<\|end\|>"):
            encode(text, allowed_special={"<|pad|>"})
    expected = [*tokenizer.encode("that"), tokenizer.special_tokens["<|end|>"], *tokenizer.encode(" is")]
    for allowed in ({"<|end|>"}, "all"):
        assert tokenizer.encode(text, allowed_special=allowed) == expected
        assert tokenizer.to_tiktoken().encode(text, allowed_special=allowed) == expected
    assert tokenizer.encode_ordinary(text) == encode_bpe(text, MERGES), "nothing is special in ordinary text"
    assert tokenizer.decode(expected) == text


def test_a_special_token_that_is_also_a_word_keeps_both_meanings():
    tokenizer = BPETokenizer(MERGES, ["the"])
    ordinary = tokenizer.encode_ordinary("the")
    assert ordinary == encode_bpe("the", MERGES)
    assert tokenizer.encode("the", allowed_special="all") == [tokenizer.special_tokens["the"]]
    assert tokenizer.encode_ordinary("the") == ordinary


@given(special_text)
def test_the_longest_special_token_wins(text):
    tokenizer = BPETokenizer(MERGES, SPECIAL)
    ids = tokenizer.encode(text, allowed_special="all")
    assert tokenizer.decode(ids) == text
    double, single = tokenizer.special_tokens["<|end|><|end|>"], tokenizer.special_tokens["<|end|>"]
    assert (single, single) not in pairwise(ids), "two in a row are the longer token"
    assert 2 * ids.count(double) + ids.count(single) == text.count("<|end|>")


# --- streams ------------------------------------------------------------------------------------------


@given(lumpy_text | special_text, st.sampled_from([(), SPECIAL]), st.data())
def test_the_borders_of_a_stream_leave_no_trace(text, special_tokens, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    chunks = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]
    whole = split(text, bpe.special_pattern(special_tokens))
    for pieces in (chunks, list(text)):
        words = [word for words in split_stream(pieces, special_tokens, batch_chars=1) for word in words]
        assert words == whole, f"cut into {pieces}, the text splits into other words"
    tokenizer = BPETokenizer(MERGES, special_tokens)
    ids = tokenizer.encode(text, allowed_special="all")
    assert list(tokenizer.encode_iterable(chunks, allowed_special="all")) == ids


@pytest.mark.parametrize("text", ["we'll", "we'l", "x   y", "x  \n", "a <|end|>b", "a  <|end|>", "12 34"])
def test_a_border_inside_a_word_leaves_no_trace(text):
    for special_tokens in ((), ["<|end|>"]):
        words = [word for words in split_stream(text, special_tokens, batch_chars=1) for word in words]
        assert words == split(text, bpe.special_pattern(special_tokens))


def test_a_stream_is_read_only_as_far_as_it_is_used():
    endless = TOKENIZER.encode_iterable(repeat(CORPUS))
    assert list(islice(endless, 1000)) == TOKENIZER.encode(CORPUS * 10)[:1000]


def test_a_stream_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "latin-1.txt"
    path.write_bytes("naïve café".encode("latin-1"))
    for read in (
        lambda file: list(TOKENIZER.encode_iterable(file)),
        lambda file: BPETokenizer.train(file, 300),
    ):
        with path.open(encoding="utf-8") as file, pytest.raises(UserError, match="not UTF-8"):
            read(file)


# --- GPT-2's files ------------------------------------------------------------------------------------

GPT2_URL = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/"


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    """(our tokenizer, tiktoken's) from GPT-2's own files, or offline without a cache from files of our merges."""
    folder = tmp_path_factory.mktemp("gpt2")
    vocab_bpe, encoder_json = folder / "vocab.bpe", folder / "encoder.json"
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10)
    try:
        theirs = tiktoken.get_encoding("gpt2")
        vocab_bpe.write_bytes(tiktoken.load.read_file_cached(GPT2_URL + "vocab.bpe"))
        encoder_json.write_bytes(tiktoken.load.read_file_cached(GPT2_URL + "encoder.json"))
    except Exception:  # no network, in one of its many forms
        write_gpt2_files(vocab_bpe, encoder_json)
        ranks = tiktoken.load.data_gym_to_mergeable_bpe_ranks(str(vocab_bpe), str(encoder_json))
        special = {"<|endoftext|>": len(ranks)}
        theirs = tiktoken.Encoding(
            "ours", pat_str=SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens=special
        )
    finally:
        socket.setdefaulttimeout(timeout)
    return BPETokenizer.from_gpt2_files(vocab_bpe, encoder_json), theirs


def write_gpt2_files(vocab_bpe, encoder_json):
    """Our merges in the form of GPT-2's: a character for each byte, a line for each merge."""
    spell = {byte: char for char, byte in GPT2_ALPHABET.items()}
    names = ["".join(spell[byte] for byte in token) for token in TOKENIZER.tokens]
    lines = [f"{names[left]} {names[right]}" for left, right in MERGES]
    vocab_bpe.write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    ordered = [*GPT2_ALPHABET, *names[256:], "<|endoftext|>"]
    encoder_json.write_text(json.dumps({name: i for i, name in enumerate(ordered)}), encoding="utf-8")


@given(text=lumpy_text)
def test_gpt2_files_give_the_ids_of_tiktoken(gpt2, text):
    ours, theirs = gpt2
    ids = ours.encode_ordinary(text)
    assert ids == theirs.encode_ordinary(text), "GPT-2's merges give other ids than tiktoken's gpt2"
    assert ours.decode(ids) == text


def test_gpt2_files_give_the_special_token(gpt2):
    ours, theirs = gpt2
    text = "one<|endoftext|>two"
    assert ours.to_tiktoken().encode(CORPUS) == theirs.encode(CORPUS)
    assert ours.vocab_size == theirs.n_vocab
    assert ours.encode(text, allowed_special="all") == theirs.encode(text, allowed_special="all")


def test_other_files_are_not_taken_for_gpt2s(tmp_path):
    vocab_bpe, encoder_json = tmp_path / "vocab.bpe", tmp_path / "encoder.json"
    write_gpt2_files(vocab_bpe, encoder_json)
    assert BPETokenizer.from_gpt2_files(vocab_bpe).byte_order[:3] == b'!"#', (
        "GPT-2's bytes begin with those that print"
    )
    for content in (b"", b"{}", b'{"a": 0}', b"\xff\xfe", encoder_json.read_bytes()[:-40]):
        encoder_json.write_bytes(content)
        with pytest.raises(UserError, match=r"encoder\.json"):
            BPETokenizer.from_gpt2_files(vocab_bpe, encoder_json)
    for content in (b"#version: 0.2\nq", b"#version: 0.2\nq qu u", b"#version: 0.2\nqu u", b"\xff\xfe"):
        vocab_bpe.write_bytes(content)
        with pytest.raises(UserError, match=r"vocab\.bpe"):
            BPETokenizer.from_gpt2_files(vocab_bpe)
    with pytest.raises(UserError, match="missing"):
        BPETokenizer.from_gpt2_files(tmp_path / "missing")


# --- files --------------------------------------------------------------------------------------------


def test_saved_tokenizers_come_back(tmp_path, gpt2):
    path = tmp_path / "tokenizer.json"
    chars = CharTokenizer.from_text(CORPUS)
    chars.save(path)
    assert CharTokenizer.load(path).chars == chars.chars == sorted(set(CORPUS))
    for tokenizer in (BPETokenizer(MERGES, ["<|end|>"]), gpt2[0]):
        tokenizer.save(path)
        loaded = BPETokenizer.load(path)
        assert loaded.tokens == tokenizer.tokens and loaded.special_tokens == tokenizer.special_tokens
        assert loaded.encode(CORPUS) == tokenizer.encode(CORPUS)


@pytest.mark.parametrize("kind", [CharTokenizer, BPETokenizer])
def test_files_that_are_not_saved_tokenizers_are_refused(tmp_path, kind):
    path, other = tmp_path / "tokenizer.json", tmp_path / "other.json"
    kind.from_text(CORPUS).save(path) if kind is CharTokenizer else TOKENIZER.save(path)
    whole = path.read_bytes()
    TOKENIZER.save(other) if kind is CharTokenizer else CharTokenizer("abc").save(other)
    foreign = [
        whole[: len(whole) // 2],
        other.read_bytes(),
        b"",
        b"[]",
        b"{}",
        b"3",
        b"\xff\xfe\x00",
        b"not JSON",
    ]
    for content in foreign:
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"not a saved {kind.__name__}"):
            kind.load(path)
    with pytest.raises(UserError, match="missing"):
        kind.load(tmp_path / "missing")


def test_tokenizing_does_not_load_torch():
    """Importing torch takes more memory than encoding a file of any size may."""
    code = "import sys, handmade.bpe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0, "handmade.bpe imports torch"
