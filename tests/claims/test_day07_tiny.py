"""What Day 7's text says, checked on the notebook's own cells."""

import itertools
import math
from pathlib import Path

import pytest
import torch

from autograder.build.sources import read_source
from handmade.tiny import TinyLM, bigram_floor
from handmade.tokenizers import build_char_vocab, encode_char

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week1_tokens" / "day07_tiny.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def prose(containing: str) -> str:
    """The one cell of prose that holds this text, as one line."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "markdown" and containing in c.source)
    return " ".join(cell.split())


@pytest.fixture(scope="module")
def day():
    """The notebook's names, with its three models trained for fewer steps: they show the same."""
    names, threads = {}, torch.get_num_threads()
    for containing in (
        "from handmade.drawings import",
        "play = make_corpus",
        "class TinyLM",
        "def generate",
        "def bigram_floor",
        "def first_losses",
        "def write",
        "share = torch.bincount",
    ):
        exec(code(containing), names)
    training = code("def trained").split("losses = trained")[0]
    names["RUNS"] = {
        "first": (300, 32),
        "longer": (600, 32),
        "bigger": (200, 96),
        "targets = inputs": (200, 32),
    }
    exec(training.replace("RUNS = {", "FULL_RUNS = {"), names)
    exec(code("def val_loss").split("for name in")[0], names)
    yield names
    torch.set_num_threads(threads)


def printed(capsys, cell: str, names: dict) -> str:
    exec(cell, names)
    return capsys.readouterr().out


def test_the_places_in_the_table_of_texts():
    """Part 1: which place each t has."""
    table = prose("text so far")
    for text, place in (("the wit", "7th"), ("do not t", "8th"), ("three nights a wit", "18th")):
        assert f"| `{text}` | `t`, {place} place |" in table and len(text) == int(place.removesuffix("th"))


def test_a_sound_start_costs_ln_v_and_others_more(day, capsys):
    """Part 3: small weights within a few hundredths, PyTorch's own above; constant targets cost as much as any."""
    capsys.readouterr()
    lines = printed(capsys, code("def first_losses"), day).splitlines()
    assert lines[0].split()[-1] == f"{math.log(64):.2f}"
    sound, as_pytorch, zeros = ([float(x) for x in line.split()[-5:]] for line in lines[1:])
    assert all(abs(loss - math.log(64)) < 0.05 for loss in sound)
    assert min(as_pytorch) > max(sound) + 0.05
    assert min(zeros) > 3.9


def test_softmax_at_three_temperatures():
    """Part 4: every row of the table."""
    table = prose("By hand, for three tokens")
    for temperature, logits in ((0.5, "4, 2, 0"), (1, "2, 1, 0"), (2, "1, 0.5, 0")):
        shares = torch.softmax(torch.tensor([2.0, 1.0, 0.0]) / temperature, 0)
        assert f"| {temperature} | {logits} | {', '.join(f'{p:.2f}' for p in shares)} |" in table


def test_what_a_prompt_may_hold(day):
    """Part 4: the play has no digits; a character that it lacks is refused, not left out."""
    assert not any(letter.isdigit() for letter in day["play"].text)
    with pytest.raises(ValueError, match="not in the vocabulary"):
        day["write"](TinyLM(64, 8, 32, 1), "1603")
    for name in ("AMBROSE", "BEATRIX"):
        assert f"\n{name}:\n" in day["play"].text, "a prompt must be something that the model has read"


def test_the_sizes_that_the_prose_names(day):
    """Part 5 and 6: weights, characters a step, and how much more the others do."""
    models = {name: TinyLM(64, d_model, day["BLOCK"], 2) for name, (_, d_model) in day["FULL_RUNS"].items()}
    weights = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    steps = {name: steps for name, (steps, _) in day["FULL_RUNS"].items()}
    assert weights["first"] == 22_016 and steps["first"] == 500 and 32 * day["BLOCK"] == 1024
    assert round(weights["bigger"] / weights["first"]) == 7 and steps["longer"] == 3 * steps["first"]
    assert steps["bigger"] < steps["first"]


def test_all_models_stop_at_the_floor(day):
    """Parts 6 and 7: above it, and close, however long and however large; a loss may rise from step to step."""
    floor = bigram_floor(day["ids"])
    assert f"{floor:.2f}" == "2.42" and f"{day['play'].entropy:.2f}" == "0.13"
    for name in ("first", "longer", "bigger"):
        model, losses = day["trained"](name)
        assert floor - 0.01 < day["val_loss"](model) < floor + 0.08
        assert sum(b > a for a, b in itertools.pairwise(losses)) > 0
    assert day["unigram"] == pytest.approx(3.36, abs=0.005)


def test_the_floor_by_hand():
    """Part 7: abababac."""
    text = prose("Take a text of eight letters")
    b, c = -math.log(3 / 4), -math.log(1 / 4)
    assert f"| `b` {b:.3f}, `c` {c:.3f} |" in text
    total = 3 * b + c
    assert f"= {total:.3f}, which is {total / 7:.3f} per letter" in text
    assert bigram_floor(torch.tensor([0, 1, 0, 1, 0, 1, 0, 2])) == pytest.approx(total / 7)


def test_the_floor_of_tiny_shakespeare(text, is_shakespeare):
    """Part 7: 2.45 nats, where the file is at hand."""
    if is_shakespeare:
        assert f"{bigram_floor(torch.tensor(encode_char(text, build_char_vocab(text)))):.2f}" == "2.45"


def test_unshifted_targets_fall_through_the_floor(day):
    """Part 8: the loss begins as any other and ends near 0; what it learned is to repeat."""
    model, losses = day["trained"]("targets = inputs")
    assert abs(losses[0] - math.log(64)) < 0.1 and losses[-1] < 0.05
    assert set(day["write"](model, "AMBROSE:\n", n=40).removeprefix("AMBROSE:\n")) == {"\n"}


def test_the_name_has_no_way_into_the_speech(day, capsys):
    """Part 9: two speakers, the same words; changing an earlier character moves nothing at all."""
    assert "202 of 202 characters are the same" in printed(capsys, code("speeches = "), day)
    said = printed(capsys, code("def moves"), day)
    assert "by at most 0.0" in said
    assert torch.equal(day["moved"] > 0, torch.eye(12, dtype=torch.bool))


def test_only_the_last_character_counts(day):
    """Part 9: the widget's texts that end alike give nearly the same shares."""
    day["explore"] = lambda draw, stills, **controls: None
    exec(code("def what_next"), day)
    shares = {}
    for text in ("the wit", "do not t", "h", "Who is at the wizard's h"):
        idx = torch.tensor([encode_char(text, day["vocab"])])
        with torch.no_grad():
            shares[text] = torch.softmax(day["trained"]("first")[0](idx)[0][0, -1], dim=-1)
    assert (shares["the wit"] - shares["do not t"]).abs().sum() / 2 < 0.1
    assert (shares["h"] - shares["Who is at the wizard's h"]).abs().sum() / 2 < 0.1
    assert (shares["h"] - shares["the wit"]).abs().sum() / 2 > 0.4


def test_it_learned_the_table(day, capsys):
    """Part 10: a few hundredths lie elsewhere."""
    said = printed(capsys, code("elsewhere = "), day)
    assert float(said.split("%")[0].split()[-1]) < 6
    assert 64**2 == 4096


def test_the_stretch_exercise_can_be_solved(day, capsys):
    """And as it stands it says nothing new."""
    cell = code("pair_ids = ")
    one, two = printed(capsys, cell, day).split()[2::3]
    assert abs(float(one.strip(",")) - float(two)) < 0.01
    solved = cell.replace(
        "pair_ids = ids[:-1]", "pair_ids = torch.unique(ids[:-1] * 64 + ids[1:], return_inverse=True)[1]"
    )
    exec(solved, day)
    assert bigram_floor(day["pair_ids"]) < 2.0
