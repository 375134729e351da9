"""What Day 3's text says, checked on the notebook's own cells."""

import math
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from autograder.build.sources import read_source
from handmade.embeddings import nearest_tokens, sinusoidal_position_encoding

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week1_tokens" / "day03_embeddings.md", ROOT)


def cell(containing: str, kind: str = "code") -> str:
    """The one cell that holds this text."""
    (found,) = (c.source for c in SOURCE.cells if c.cell_type == kind and containing in c.source)
    return found


@pytest.fixture(scope="module")
def day():
    """The notebook's names: its imports, its answers, the text, and what it trains."""
    names, threads = {}, torch.get_num_threads()
    for containing in (
        "from handmade.drawings import",
        "for letter in",
        "class EmbeddingWithPosition",
        "def sinusoidal_position_encoding",
        "def nearest_tokens",
        "def trained",
        "KINDS =",
    ):
        exec(cell(containing), names)
    yield names
    torch.set_num_threads(threads)


def printed(capsys, code: str, names: dict) -> str:
    capsys.readouterr()
    exec(code, names)
    return capsys.readouterr().out


def test_a_is_used_like_e_and_not_like_b(day, capsys):
    """Part 1: by their ids a and b are neighbours, by the text a and e are."""
    vocab = day["vocab"]
    assert vocab.index("b") - vocab.index("a") == 1 < vocab.index("e") - vocab.index("a")
    lines = printed(capsys, cell("for letter in"), day).splitlines()
    after = {line[1]: set(re.findall(r"'(.)' +\d+%", line)) for line in lines}
    assert {" ", "n", "r", "l", "s"} == after["a"] & after["e"]
    assert len(after["b"] & set("aeiou")) >= 4 and not after["b"] & {" ", "n", "s"}


def test_the_tables_by_hand(capsys):
    """Parts 2 and 4: every row of both tables, from the cells' own numbers."""
    names = {"torch": torch}
    printed(capsys, cell("print(table[idx])"), names)
    rows = re.findall(r"^\| (\d) \| ([\d, ]+) \|$", cell("2 · By hand", "markdown"), re.M)
    assert [[float(x) for x in row.split(",")] for _, row in rows] == names["table"].tolist()
    printed(capsys, cell("places = torch.tensor"), names)
    sums = re.findall(
        r"^\| (\d) \| (\d) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", cell("a second table", "markdown"), re.M
    )
    for place, token, row, added, total in sums:
        row, added, total = (
            torch.tensor([float(x) for x in part.split(",")]) for part in (row, added, total)
        )
        assert names["idx"][int(place)] == int(token)
        assert torch.equal(row, names["table"][int(token)]) and torch.equal(
            added, names["places"][int(place)]
        )
        assert torch.allclose(row + added, total)
    assert len(sums) == 3


def test_only_places_tell_stop_from_pots(day):
    """Part 4: as sets, the token rows of both words are the same; with places they are not."""
    exec(cell("def vectors"), day)
    assert day["vectors"]("stop") == day["vectors"]("pots")
    embed = day["EmbeddingWithPosition"](len(day["vocab"]), 8, 4)
    idx = torch.tensor([day["encode_char"](word, day["vocab"]) for word in ("stop", "pots")])
    stop, pots = ({tuple(row) for row in rows} for rows in embed(idx).tolist())
    assert not stop & pots


def test_the_wrong_axis_tells_texts_apart_and_not_places(day, capsys):
    """Part 6."""
    yours, wrong = printed(capsys, cell("class WrongAxis"), day).splitlines()
    within, across = zip(
        *([float(x) for x in re.findall(r"\d\.\d+", line)] for line in (yours, wrong)), strict=True
    )
    assert within[0] > 0.05 and within[1] == 0
    assert across[0] == 0 and across[1] > 0.05


def test_a_start_of_1_is_sure_that_every_character_comes_twice(day, capsys):
    """Part 7: about 60 where the table is used twice, ln V with 0.02; with a head of its own the harm is small."""
    said = printed(capsys, cell("table used twice"), day).splitlines()
    uniform = math.log(len(day["vocab"]))
    assert f"ln V = {uniform:.2f}" in said[0]
    (one, tied, again, own), (small, tied_small, again_small, own_small) = (
        map(float, line.split()) for line in said[2:]
    )
    assert (one, small) == (1, 0.02)
    assert 55 < tied < 65 and again > 0.99
    assert abs(tied_small - uniform) < 0.02 and again_small < 0.02
    assert uniform + 0.1 < own < uniform + 0.6 and abs(own_small - uniform) < 0.05
    weight = torch.randn(1000, 64, generator=torch.Generator().manual_seed(0))
    assert abs((weight**2).sum(-1).mean() - 64) < 1, "a row's dot product with itself"
    assert (weight[1:] @ weight[0]).abs().mean() < 10, "and with another"


def test_the_course_draws_with_a_standard_deviation_of_0_02(day):
    """PyTorch's own start is 1, and the text that says 0.02 stands beside code that does it."""
    assert abs(torch.nn.Embedding(500, 100).weight.std() - 1) < 0.02
    embed = day["EmbeddingWithPosition"](500, 100, 400)
    for weight in embed.parameters():
        assert abs(weight.std() - 0.02) < 0.001


def test_the_text_says_who_uses_which_positions():
    """Part 8: learned ones are GPT-2's choice, and most of today's models rotate."""
    said = " ".join(cell("8 · The table ends", "markdown").split())
    assert (
        "Learned positions are the choice of GPT-2 (2019)" in said
        and "Most language models of today do neither" in said
    )


def test_the_clocks_by_hand(day):
    """Part 9: each number of the table, and the formula with C = 4 and base 100."""
    table = sinusoidal_position_encoding(8, 4, base=100.0)
    text = cell("9 · By hand", "markdown").replace("−", "-")
    rows = re.findall(r"^\| (\d) \|(.*)\|$", text, re.M)
    assert len(rows) == 3
    for place, row in rows:
        numbers = [float(entry.split("=")[1]) for entry in row.split("|")]
        assert (torch.tensor(numbers) - table[int(place)]).abs().max() < 0.0051
    exec(cell("Two hands, eight places"), day)
    assert torch.allclose(torch.tensor(day["rows"]), table, atol=1e-6)
    assert 6 < 2 * math.pi < 7, "once round by place 6 or 7"


def test_what_the_slider_of_the_base_shows(day):
    """Part 11."""
    clocks, table = {}, {}
    exec(cell("def clocks").split("explore(")[0], day)
    for power in (4.0, 0.0, 2.0):
        clocks[power] = day["clocks"](power)
        table[power] = sinusoidal_position_encoding(64, 32, 10**power)
    assert 9.5 < 64 / (2 * math.pi) < 10.5, "the first pair goes round about ten times"
    last = table[4.0][:, -2:]
    assert (last - last[0]).abs().max() < 0.02, "the last hardly moves"
    assert torch.equal(table[0.0][:, :2].repeat(1, 16), table[0.0]), "only 2 of 32 columns say anything new"
    assert (table[2.0].amax(0) - table[2.0].amin(0)).min() > 0.3, "every column has something to do"
    assert "once in 35,333 places" in clocks[4.0].alt
    assert abs(2 * math.pi * 10000 ** (30 / 32) - 35333) < 1


def test_products_depend_on_the_distance_alone_where_pairs_share_their_angle(day, capsys):
    """Part 12."""
    said = printed(capsys, cell("own_angles ="), day).splitlines()[1:]
    yours, wrong = zip(*([float(x) for x in re.findall(r"\d+\.\d+", line)] for line in said), strict=True)
    assert yours[0] == yours[1] and yours[2] == yours[3]
    assert wrong[0] != wrong[1] and wrong[2] != wrong[3]
    products = day["yours"] @ day["yours"].T
    for d in range(-63, 64):
        diagonal = products.diagonal(d)
        assert (diagonal - diagonal[0]).abs().max() < 1e-3


def test_the_cosines_by_hand():
    """Part 13: each figure of the table; by the dot product it would be another."""
    rows = re.findall(
        r"^\| (\(.*?\)) \| (\S+) \| (\S+) \| (.*) \|$", cell("13 · Which", "markdown").replace("−", "-"), re.M
    )
    assert len(rows) == 4
    weight = torch.tensor([[1.0, 0.0], *([float(x) for x in row[0].strip("()").split(",")] for row in rows)])
    for row, (_, dot, length, cosine) in zip(weight[1:], rows, strict=True):
        assert math.isclose(row @ weight[0], float(dot), rel_tol=1e-6)
        assert math.isclose(row.norm(), float(length), rel_tol=1e-6)
        found = F.cosine_similarity(row, weight[0], dim=0)
        assert math.isclose(found, float(cosine.split("=")[-1]), abs_tol=1e-6)
    assert (weight[1:] @ weight[0]).argmax() == 0 and nearest_tokens(weight, 0, 1) == [2]


def test_digits_stay_where_they_were_drawn_and_places_move_together(day):
    """Part 14."""
    embed, before, losses = day["trained"]()
    token, place = day["token_table"](), embed.position.weight.detach()
    same = {day["vocab"][i] for i in range(len(token)) if torch.equal(token[i], before[i])}
    assert same == set("0123456789")
    assert F.cosine_similarity(place, place[:1], dim=-1).min() > 0.97
    assert place.norm(dim=-1).min() > 1 > 10 * before.norm(dim=-1).max() / 2, "they did move"
    assert losses[0] > 4.2 and sum(losses[-50:]) / 50 < 2.5
    near = {
        char: [day["vocab"][i] for i in nearest_tokens(token, day["vocab"].index(char), 3)] for char in "a.?A"
    }
    assert set(near["a"]) <= set("eiou") and set(near["A"]) <= set("EIOU"), "vowels find vowels"
    assert set(near["."]) <= set("?!:,;") and set(near["?"]) <= set(".!:,;"), "ends find ends"
    e = [day["vocab"][i] for i in nearest_tokens(token, day["vocab"].index("e"), 3)]
    assert {";", "d"} <= set(e)
    for char in "e;d":
        follows = [
            after for before, after in zip(day["text"], day["text"][1:], strict=False) if before == char
        ]
        assert Counter(follows).most_common(1)[0][0] == " ", f"{char} is mostly followed by another"


def test_long_rows_win_by_the_dot_product(day, capsys):
    """Part 15: the rows found are longer and never digits, and many lists change."""
    cosine, dot, same = printed(capsys, cell("by_dot ="), day).splitlines()
    (short, some), (long, none) = (re.findall(r"[\d.]+", line) for line in (cosine, dot))
    assert float(long) > float(short) + 0.2 and int(some) > 0 == int(none)
    agree, of = map(int, re.findall(r"\d+", same))
    assert of == 64 and 32 < of - agree < 54
    lengths = day["lengths"][day["used"]]
    assert lengths.max() < 3 * lengths.min()


def test_the_map_and_what_it_does_not_show(day, capsys):
    """Part 16: what the picture shows, its share, and that the vowels find each other in all dimensions."""
    picture = day["map_of"](day["token_table"]())
    middles = {
        name: (float(x), float(y))
        for name, x, y in re.findall(r"(\w+) at \((-?[\d.]+), (-?[\d.]+)\)", picture.alt)
    }
    assert middles.keys() == day["KINDS"].keys()
    assert int(re.search(r"keeps (\d+)%", picture.alt)[1]) < 50, "most of what the table knows is not in it"
    assert math.dist(middles["capitals"], middles["consonants"]) > 1.5, "most capitals stand on one side"
    assert math.dist(middles["vowels"], middles["consonants"]) < 1, (
        "the vowels seem to stand among the consonants"
    )
    assert len({line.get_marker() for line in picture.axes[0].lines}) == 5, "told apart by more than colour"
    token = day["token_table"]()
    digits = token[[day["vocab"].index(d) for d in "0123456789"]].norm(dim=-1)
    assert digits.max() < 0.1 * token.norm(dim=-1).median(), "beside the others almost 0"
    for line in printed(capsys, cell("kind_of ="), day).splitlines()[1:]:
        name, hits, _, _, chance = line.split()
        assert (float(hits) > 1.8 * float(chance) + 4) == (name != "digits"), line
        if name == "digits":
            assert abs(float(hits) - float(chance)) < 5


def test_the_stretch_exercise_can_be_solved(day, capsys):
    code = cell("step = torch.eye(4)")
    assert "(not yet)" in printed(capsys, code, day)
    turns = "(torch.tensor([[math.cos(b), -math.sin(b)], [math.sin(b), math.cos(b)]]) for b in (5, 0.5))"
    solved = code.replace("step = torch.eye(4)", f"step = torch.block_diag(*{turns})")
    assert "(done)" in printed(capsys, solved, day)
