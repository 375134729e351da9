"""What Day 1's text says, checked on the notebook's own cells."""

import ast
import os
import re
from pathlib import Path

import pytest
import regex

from autograder.build.sources import read_source
from handmade.tokenizers import SPLIT_PATTERN

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week1_tokens" / "day01_tokenization.md", ROOT)
ANSWERS = (
    "build_char_vocab",
    "encode_char",
    "decode_char",
    "count_pairs",
    "merge",
    "train_bpe",
    "encode_bpe",
    "decode_bpe",
)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def prose(heading: str) -> str:
    (cell,) = (c.source for c in SOURCE.cells if c.source.startswith(f"## {heading}"))
    return " ".join(cell.split())


@pytest.fixture(scope="module")
def day():
    """The notebook's names: its imports, its eight functions, and what it builds on them."""
    names = {}
    for containing in ("import tiktoken", *(f"def {name}(" for name in ANSWERS), "28", "known = set"):
        exec(code(containing) if containing != "28" else code("pangram = "), names)
    exec(code("def learned_from_play"), names)
    return names


def printed(capsys, cell: str, names: dict) -> str:
    capsys.readouterr()
    exec(cell, names)
    return capsys.readouterr().out


def strips(cell: str, names: dict) -> dict[str, list[str]]:
    """The tokens that a cell draws."""
    drawn = {}
    exec(cell, names | {"token_strip": lambda given, **options: drawn.update(given)})
    return drawn


def test_the_table_by_hand(day):
    """Part 1: The cat sat. has nine characters and twelve ids; h of the pangram is 9 of 28 (not 20, nor from 1)."""
    vocab = day["build_char_vocab"]("The cat sat.")
    row = next(line for line in prose("1 · One id").split("| character |")[1:])
    cells = [cell.strip().strip("`") for cell in row.split("|")][:9]
    assert [" " if cell == "space" else cell for cell in cells] == vocab
    exec(code("by_hand ="), names := dict(day))
    assert names["by_hand"] == day["encode_char"]("The cat sat.", vocab) and len(names["by_hand"]) == 12
    assert (ord("T"), ord("a")) == (84, 97)
    vocab = day["build_char_vocab"](day["pangram"])
    assert len(vocab) == 28 and vocab[:3] == [" ", "T", "a"] and vocab.index("h") == 2 + 7


def test_many_words_of_the_cookbook_are_unknown(day, capsys):
    """Part 2: also such as begin with a capital in one text only."""
    assert 0.3 < len(day["unknown"]) / len(day["words"]) < 0.4
    assert "take" in day["known"] and "Take" not in day["known"] and "Take" in day["unknown"][:40]
    assert set(day["cookbook"]) <= set(day["play"]), "the cookbook has characters that the play does not have"


def test_characters_of_one_to_four_bytes():
    """Part 3."""
    assert [len(char.encode()) for char in "hé本🙂"] == [1, 2, 3, 4]
    assert all(byte > 127 for char in "é本🙂" for byte in char.encode())


def test_the_merges_by_hand(day):
    """Part 4: both tables, the tie, and each line of the picture."""
    words = [list(word.encode()) for word in regex.findall(SPLIT_PATTERN, "the thin thing")]
    merges = day["train_bpe"]("the thin thing", 300)
    assert list(merges)[:4] == [(116, 104), (256, 105), (257, 110), (32, 258)]
    wanted = [[3, 1, 2, 2, 2, 1], [1, 2, 2, 2, 1]]
    rows = re.findall(r"\| how often \|([^a-z]+?\|) [A-Z`]", prose("4 · By hand"))
    for (pair, new_id), row, counts in zip(merges.items(), rows, wanted, strict=False):
        found = {}
        for word in words:
            for each, n in day["count_pairs"](word).items():
                found[each] = found.get(each, 0) + n
        assert [int(cell.strip(" *")) for cell in row.strip(" |").split("|")] == counts
        assert sorted(counts) == sorted(found.values())
        words = [day["merge"](word, pair, new_id) for word in words]
    assert len(rows) == 2
    assert max([b" ", b"th", b"i"]) == b"th", "the greatest of the left halves"
    drawn = strips(code('"257 is th + i"'), day)
    for n, tokens in enumerate(drawn.values()):
        few = dict(list(merges.items())[:n])
        ids = day["encode_bpe"]("the thin thing", few)
        assert [day["decode_bpe"]([i], few) for i in ids] == tokens
    assert [len(tokens) for tokens in drawn.values()][::4] == [14, 5]


def test_without_words_merges_glue_them_together(day, capsys):
    """Part 7: the end of a word with a comma, a full stop with a line break."""
    tokens = ast.literal_eval(printed(capsys, code("range(256, 316)"), day))
    across = [token for token in tokens if len(regex.findall(SPLIT_PATTERN, token)) > 1]
    assert "t, " in across and ".\n\n" in tokens and len(across) > 20


def test_the_pattern_never_joins_a_word_and_its_full_stop(day, gpt2):
    """Part 7: four tokens where three were said; nothing is lost."""
    assert regex.findall(SPLIT_PATTERN, "The cat sat.") == ["The", " cat", " sat", "."]
    trained = day["train_bpe"]("The cat sat. " * 50, 300)
    ids = day["encode_bpe"]("The cat sat.", trained)
    assert [day["decode_bpe"]([i], trained) for i in ids] == ["The", " cat", " sat", "."]
    said = "She'll see 12 cats?!  日本"
    assert "".join(regex.findall(SPLIT_PATTERN, said)) == said
    (cell,) = (c.source for c in SOURCE.cells if "| part | takes |" in c.source)
    parts = re.findall(r"^\| `(.*?)` \|", cell, flags=re.MULTILINE)
    assert "|".join(parts).replace("\\|", "|") == SPLIT_PATTERN, "the table does not hold the pattern"
    if gpt2:
        assert [gpt2.decode([i]) for i in gpt2.encode("The cat sat.")] == ["The", " cat", " sat", "."]


def test_what_the_play_teaches(day):
    """Part 8: letters first, " the" as the fifth, names and whole words at the end."""
    merges, spelled = day["learned_from_play"]()
    assert list(merges.values()) == list(range(256, 556))
    assert max(map(len, spelled[256:260])) == 2 and spelled[260] == b" the"
    assert {b"NETTLE", b" petticoat"} <= set(spelled[-12:])


def test_the_order_of_the_merges_matters(day, capsys):
    """Part 9: lone by hand; and the latest first cuts about half of the play's words in another way."""
    two = {(ord("o"), ord("n")): 256, (ord("l"), ord("o")): 257}
    assert day["encode_bpe"]("lone", two) == [ord("l"), 256, ord("e")]
    said = printed(capsys, code("def latest_first"), day)
    assert len(day["differ"]) > 0.4 * len(day["words"])
    assert "'l', 'on', 'el'] became" in said and "'lo', 'ne', 'l']" in said
    assert "".join(day["spelled"][i].decode() for i in day["latest_first"](" colonel")) == " colonel"
    day["merges"] = two
    assert day["latest_first"]("lone") == [257, ord("n"), ord("e")]


def test_half_a_character(day):
    """Part 10: token by token, é becomes two question marks; nothing that was never seen is lost."""
    merges, _ = day["learned_from_play"]()
    assert "".join(day["decode_bpe"]([i], merges) for i in (195, 169)) == "\ufffd\ufffd"
    for text in ("naïve 日本 #1", "Hello, world!", "\x00\t🙂"):
        assert day["decode_bpe"](day["encode_bpe"](text, merges), merges) == text


def test_it_is_tiktoken_s(day, capsys):
    """Part 11."""
    said = printed(capsys, code("tiktoken.Encoding("), day)
    assert said.endswith("identical: True\n")


def test_the_stepper_is_quick_and_says_what_is_new(day):
    """Part 12: bytes at first, fewer tokens at every still."""
    exec(code("def step").split("\nexplore(")[0], day)
    counts = []
    for n in (0, 1, 5, 20, 80, 300):
        drawn = day["step"]("I shall marry the colonel in the café.", n)
        counts.append(int(re.search(r"(\d+) tokens", drawn.alt)[1]))
    assert counts == sorted(counts, reverse=True) and counts[0] == 39 > counts[-1]
    with pytest.raises(ValueError, match="Type"):
        day["step"]("", 3)


def test_what_merges_are_worth(day, capsys):
    """Part 13: each less than the one before; German gains less than English, Greek nothing."""
    charts = []
    names = day | {"curves": lambda series, **options: charts.append((series, options["x"]))}
    exec(code('"other pages of the play"'), names)
    (series, sizes) = charts[0]
    play = series["other pages of the play"]
    first, last = play[sizes.index(50)] - play[0], play[sizes.index(300)] - play[sizes.index(250)]
    assert first > 2 * last > 0
    assert play[sizes.index(200)] < 2 * play[sizes.index(100)]
    gain = {name: series[name][-1] / series[name][0] for name in ("English", "German", "Greek")}
    assert gain["English"] > 1.3 * gain["German"] > 1.3 > 1.05 > gain["Greek"]


def test_gpt2_s_tokens_are_real(day, gpt2):
    """Part 14: ids and pieces as tiktoken gives them, where GPT-2's vocabulary can be had."""
    exec(code("GPT2 = {"), day)
    for text, (ids, tokens) in day["GPT2"].items():
        assert "".join(tokens) == text and len(ids) == len(tokens)
        if gpt2:
            assert gpt2.encode(text) == ids
            assert [gpt2.decode([i]) for i in ids] == tokens
    assert len(day["pangram"]) == 43 and len(day["GPT2"][day["pangram"]][0]) == 9
    assert "`unfortunately` is `un` and `fortunately`" in " ".join(
        c.source.replace("\n", " ") for c in SOURCE.cells
    )
    if gpt2:
        assert gpt2.n_vocab == gpt2.max_token_value + 1 == 50_257 == 256 + 50_000 + 1
        assert gpt2.encode("A") == [32] and ord("A") == 65
        assert len({gpt2.encode(text)[0] for text in ("The", " the", "the")}) == 3
        folder = os.environ.get("TIKTOKEN_CACHE_DIR")
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) if folder else 1.5e6
        assert 1.4e6 < size < 1.6e6, "a megabyte and a half"


def test_the_stretch_exercise_can_be_solved(day, capsys):
    """And its cell says so; as it stands it says that it is not done yet."""
    cell = code("def encode_with_end")
    assert "(not yet" in printed(capsys, cell, day)
    solution = """ids = []
    for part in text.split("<|endoftext|>"):
        ids += [*encode_bpe(part, merges), 256 + len(merges)]
    return ids[:-1]"""
    solved = cell.replace("return encode_bpe(text, merges)  # change this", solution)
    assert "(done)" in printed(capsys, solved, day)
