"""What Day 2's text says, checked on the notebook's own cells."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from autograder.build.sources import read_source
from handmade.data import TextDataset, make_loader

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week1_tokens" / "day02_data.md", ROOT)
PROSE = " ".join(" ".join(c.source for c in SOURCE.cells if c.cell_type == "markdown").split())


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


@pytest.fixture
def day():
    """The notebook's names: its imports, its text, and its four answers."""
    names = {}
    for containing in (
        "from handmade.drawings import",
        "text = make_corpus",
        "def shift",
        "class TextDataset",
        "def train_val_split",
        "def make_loader",
    ):
        exec(code(containing), names)
    return names


@pytest.fixture
def said(day, capsys):
    """said(containing): what that cell prints, as lines."""

    def said(containing: str, *changes: tuple[str, str]) -> list[str]:
        cell = code(containing)
        for old, new in changes:
            assert old in cell
            cell = cell.replace(old, new)
        capsys.readouterr()
        exec(cell, day)
        return capsys.readouterr().out.splitlines()

    return said


def numbers(line: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", line)]


def test_a_wrong_shift_in_the_loss(said):
    """Part 1: equal targets give 0, backwards is as hard as forwards, shifting twice is harder."""
    right, same, before, twice = (line.split()[-1] for line in said("def table_loss"))
    assert same == "0.000" and right == before, "to the last digit shown"
    assert float(twice) > float(right) + 0.1


def test_the_table_of_windows():
    """Part 2: the two windows done by hand, and what is left over."""
    rows = re.findall(r"\| (\d) \| tokens (\d) to (\d) \| tokens (\d) to (\d) \|", PROSE)
    dataset = TextDataset(torch.arange(11), 4)
    found = [(i, int(x[0]), int(x[-1]), int(y[0]), int(y[-1])) for i, (x, y) in enumerate(dataset)]
    assert found == [tuple(map(int, row)) for row in rows]
    assert 11 - 1 - found[-1][-1] == 2, "the two tokens at the end"
    assert "Who goes th"[4] == "g" and found[0][-1] == found[1][1] == 4


def test_how_many_windows_fit(said):
    counts = [numbers(line)[:2] for line in said("for n in (8, 9, 12, 13)")]
    assert counts == [[8, 1], [9, 2], [12, 2], [13, 3]]
    for k in range(1, 9):
        assert len(TextDataset(torch.arange(4 * k + 1), 4)) == k, "k windows take 4k + 1 tokens"
        assert k == 1 or len(TextDataset(torch.arange(4 * k), 4)) == k - 1


def test_the_sentence_of_the_widget():
    """Part 2: 41 characters are two windows of 20 and one of 21."""
    (sentence,) = re.findall(r'Text\("([^"]*)"', code("def show("))
    assert len(sentence) == 41 and f'"{sentence}"' in code("def chopped")
    assert [len(TextDataset(torch.arange(41), T)) for T in (20, 21)] == [2, 1]


def test_every_picture_of_the_widget_covers_all_targets_but_the_rest(day):
    """Below the text there is never a gap, and the title says what is left over."""
    exec(code("def show").split("explore(")[0], day)
    for block_size in range(1, 41):
        alt = day["show"]("Who goes there? A ghost, or only a goose?", block_size).alt
        left = int(re.search(r"(\d+) left over", alt)[1])
        never = [int(n) for n in re.search(r"Nobody's target: (.*)\.", alt)[1].split(", ")]
        assert never == [0, *range(41 - left, 41)]


def test_chopping_loses_one_target_in_block_size(day, said):
    """Part 3: every first token of a piece; and the library's windows lose less than one window."""
    exec(code("def chopped"), day)
    for line in said("n_tokens = 100_001")[1:]:
        block_size, chopped, ours = numbers(line)
        assert abs(chopped / 100 - 1 / block_size) < 6e-4 and ours == 0.0
    asked = {place for _, y in day["chopped"](41, 8) for place in y}
    assert set(range(40)) - asked == {0, 8, 16, 24, 32}
    assert all(len(x) == len(y) == 7 for x, y in day["chopped"](41, 8))


def test_padding_must_not_count(said):
    real, ignored, counted = (line.split()[-1] for line in said("ignore_index=-1"))
    assert real == ignored != counted


def test_targets_stay_and_the_past_grows(said):
    """Part 4: a quarter of the windows, hardly fewer targets, and a mean past of (T + 1) / 2."""
    rows = [numbers(line) for line in said("past = torch.arange")[1:]]
    targets = [row[2] for row in rows]
    assert max(targets) - min(targets) < 512
    assert [row[3] for row in rows] == [(row[0] + 1) / 2 for row in rows]
    windows = {row[0]: row[1] for row in rows}
    assert round(windows[32] / windows[128], 2) == 4.0


@pytest.mark.parametrize("seed", range(6, 10))  # 6 is the notebook's
def test_a_parrot_is_flattered_by_a_random_choice(said, seed):
    """Part 5: the answers lie under the desk, or they do not."""
    at_random, one_cut = said("def parrot", ("manual_seed(6)", f"manual_seed({seed})"))
    assert numbers(at_random)[-1] > 90 and numbers(one_cut)[-1] < 30


def test_validation_has_no_unknown_character(day):
    train_ids, val_ids = day["train_val_split"](day["ids"])
    assert int(val_ids.max()) < len(day["vocab"]) and len(train_ids) + len(val_ids) == len(day["ids"])


def test_a_generator_has_a_memory_of_its_own(said):
    one, other = said("somebody else draws")
    assert one.split(":")[1].split() == other.split(":")[1].split()
    first, second = one.split(":")[1].split("then")
    assert first.strip() != second.strip(), "the second order differs from the first"


def test_without_shuffle_the_rows_of_a_batch_follow_each_other(day, said):
    lines = said("# the first batch")
    rows = [eval(line) for line in lines if line.startswith("    ")]
    assert "".join(rows[:3]) == day["text"][:96]
    assert rows[3:] != rows[:3]


@pytest.mark.parametrize("seed", range(7, 11))  # 7 is the notebook's
def test_the_hat_leaves_out_more_than_a_third(day, said, seed):
    """Part 6: 1 - 1/e of 1,000 windows, whatever the seed; shuffled epochs have them all."""
    (line,) = said("drawn from a hat", ("manual_seed(7)", f"manual_seed({seed})"))
    assert abs(numbers(line)[1] / 100 - (1 - 1 / math.e)) < 0.04
    assert day["share"]["shuffled epochs"][20] == 1.0 > day["share"]["drawn from a hat"][-1]
    times = np.bincount(np.random.default_rng(seed).integers(0, 1000, 1000), minlength=1000)
    assert (times == 0).mean() > 1 / 3 and (times >= 2).any() and (times >= 3).any()


def test_sixteen_bits_hold_gpt2_and_no_larger_vocabulary(said, gpt2):
    """Part 7: NumPy refuses what does not fit, and a conversion wraps around without a word."""
    room, fits, refused, wrapped = said("OverflowError")
    assert numbers(room)[1] == 4 * numbers(room)[3] == 8_004_760 and "50256" in fits
    assert "out of bounds" in refused and str(100_276 - 65_536) in wrapped
    assert 50_257 - 1 <= np.iinfo(np.uint16).max == 65_535 < 100_277 - 1
    if gpt2:
        assert gpt2.n_vocab == 50_257


def test_the_stretch_exercise_can_be_solved(said):
    """And its cell says so; as it stands it says that it is not done yet."""
    cell = code("def sliding_windows")
    assert said("def sliding_windows")[-1].endswith("(not yet)")
    body = cell[cell.index("    return [(ids[s") : cell.index("# change this")]
    solved = """    windows = []
    for s in starts:
        y = ids[s + 1 : s + block_size + 1].clone()
        if s > 0:
            y[: block_size - stride] = -1
        windows.append((ids[s : s + block_size], y))
    return windows  """
    assert said("def sliding_windows", (body, solved))[-1].endswith("(done)")


def test_the_last_cell_counts_every_target_once(day, said):
    asked, of = numbers(said("were asked for")[0])
    assert 0 < of - asked <= 64
    assert sum(y.numel() for _, y in make_loader(TextDataset(torch.arange(int(of)), 64), 512)) == asked
