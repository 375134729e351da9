"""What Day 0a's text says, checked on the notebook's own cells."""

import math
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from autograder.build.sources import read_source

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week0_prelude" / "day00a_next_token.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def prose(containing: str) -> str:
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "markdown" and containing in c.source)
    return cell


@pytest.fixture(scope="module")
def day():
    """The notebook's names: its imports, its three answers, the play, and what it builds on them."""
    names = {}
    for containing in (
        "from handmade.drawings import",
        "def softmax",
        "def next_token_loss",
        "class BigramModel",
        "play = make_corpus",
        "def learn",
        "def scores_for",
        "def write",
    ):
        exec(code(containing), names)
    return names


def printed(capsys, cell: str, names: dict) -> str:
    capsys.readouterr()
    exec(cell, names)
    return capsys.readouterr().out


def test_the_softmax_by_hand():
    """Part 3: every figure of the table, and the checks' figures."""
    rows = re.findall(r"\| (?:mat|sofa|moon) \| (\S+) \| (\S+) \| (\S+) \|", prose("| token | score"))
    scores = torch.tensor([float(score.replace("−", "-")) for score, _, _ in rows])
    powers = scores.exp()
    assert [power for _, power, _ in rows] == [f"{power:.2f}" for power in powers]
    assert [share for _, _, share in rows] == [f"{share:.2f}" for share in powers / powers.sum()]
    assert f"{powers.sum():.2f}" == "10.24"
    costs = [round(-math.log(share), 4) for share in (powers / powers.sum()).double().tolist()]
    assert costs[0] == 0.3266 and costs[2] == 4.3266
    assert round((costs[0] + math.log(3)) / 2, 4) == 0.7126


def test_only_differences_matter():
    """Part 3: a lead of 1 is e times the share, wherever it stands."""
    shares = torch.softmax(torch.tensor([2.0, 1.0, -2.0]) + 10, dim=0)
    assert math.isclose(shares[0] / shares[1], math.e, rel_tol=1e-5)


def test_where_floats_end():
    """Parts 3 and 5: e^89 is too large for a float32, and e^-200 too small."""
    assert torch.tensor(89.0).exp() == math.inf and torch.tensor(88.0).exp() < math.inf
    assert 3.4e38 < torch.finfo(torch.float32).max < math.exp(89)
    assert torch.tensor(-200.0).exp() == 0


def test_the_table_of_costs():
    """Part 4."""
    shares, costs = (
        [part.strip() for part in line.strip("|").split("|")][1:]
        for line in prose("| share of the token that came").splitlines()
        if line.startswith(("| share", "| cost"))
    )
    for share, cost in zip(shares[:-1], costs[:-1], strict=True):
        assert math.isclose(float(cost), -math.log(float(share)), abs_tol=0.005)
    assert (shares[-1], costs[-1]) == ("0", "∞")
    assert round(1 / math.log(2), 2) == 1.44, "bits to a nat"


def test_only_the_share_of_the_token_that_came_counts(day):
    """Part 4 (a source computed the loss from the likeliest token's share)."""
    for others in ([0.47, 0.11], [0.58, 1e-9]):
        logits = torch.tensor([0.42, *others]).log()
        loss = day["next_token_loss"](logits, torch.tensor(0))
        assert f"{loss:.2f}" == "0.87"


def test_e_to_the_minus_loss_is_the_geometric_mean(day, capsys):
    """Parts 5 and 7 (sources call it the average): 0.30 for 0.9 and 0.1; on the play four times too low."""
    assert math.isclose(math.exp((math.log(0.9) + math.log(0.1)) / 2), 0.3, abs_tol=1e-9)
    said = printed(capsys, code("e to the minus loss"), day)
    geometric, average = (float(line.split()[-1]) for line in said.splitlines())
    assert 3.5 < average / geometric < 4.5


def test_equal_scores_cost_ln_v_whatever_the_targets(day):
    """Part 5 (a source says that targets of 0 only make a loss of 0)."""
    for targets in (torch.zeros(8, dtype=torch.long), torch.arange(8)):
        loss = day["next_token_loss"](torch.zeros(8, 1000), targets)
        assert math.isclose(loss, math.log(1000), rel_tol=1e-5)
    sure = torch.zeros(8, 1000)
    sure[:, 0] = 30
    assert day["next_token_loss"](sure, torch.zeros(8, dtype=torch.long)) < 1e-5, "it expects them"


def test_the_row_that_is_counted_by_hand(day):
    """Part 6: every figure of the table."""
    table = prose("| after *the* |")
    words = re.search(r"^\*(the cat sat .*)\*$", table, re.MULTILINE)[1].split()
    vocab = sorted(set(words))
    rows = [
        [part.strip() for part in line.strip("|").split("|")] for line in table.splitlines() if "|" in line
    ]
    assert rows[0][1:-1] == vocab and f"the $V = {len(vocab)}$ tokens" in table
    assert words.count("ran") == 1 and words[-1] == "ran"
    model = day["BigramModel"](len(vocab)).fit(torch.tensor([vocab.index(word) for word in words]))
    for alpha, counts, shares in ((0.0, rows[2], rows[3]), (1.0, rows[4], rows[5])):
        model.alpha = alpha
        row = model.counts[vocab.index("the")] + alpha
        assert [float(count) for count in counts[1:]] == [*row.tolist(), row.sum()]
        fractions = [eval(share) for share in shares[1:-1]]
        assert torch.allclose(model.probs(vocab.index("the")), torch.tensor(fractions, dtype=torch.float))


def test_people_in_the_play_make_vows(day):
    probs = day["learn"]().probs(day["id_of"]["i"])
    assert day["vocab"][int(probs.argmax())] == "shall" and probs.max() > 0.3


def test_the_best_smoothing_shows_on_new_text_only(day, capsys):
    """Part 7: no smoothing is best on what was counted and infinite on new text, where the best lies between."""
    said = printed(capsys, code("def scores_for"), day)
    losses = {}
    for line in said.splitlines()[1:-1]:
        alpha, *both = map(float, line.split())
        losses[alpha] = both
    counted, new = ([losses[alpha][i] for alpha in sorted(losses)] for i in (0, 1))
    assert counted == sorted(counted) and len(set(counted)) == len(counted)
    assert new[0] == math.inf and sorted(losses)[new.index(min(new))] == 0.01
    assert new[-1] > min(new) + 2 and max(new[1:]) < math.log(day["V"])
    assert f"{day['V']:,} pretended pairs" in prose("On what it has counted")


def test_neighbours_stood_side_by_side(day, capsys):
    """Part 8: without smoothing, every two neighbours of what it writes are neighbours in the play."""
    said = printed(capsys, code("def write"), day)
    known = set(pairwise(day["train_ids"].tolist()))
    for text in said.strip().split(" \n\n"):
        written = [day["id_of"][token] for token in text.split()]
        assert len(written) == 61 and set(pairwise(written)) <= known


def test_the_same_last_word_gives_the_same_guess(day, monkeypatch):
    """Parts 9 and 10; and the widget answers what it cannot guess with a sentence."""
    monkeypatch.setenv("HANDMADE_WIDGETS", "off")
    exec(code("def guess_next"), day)
    guess = day["guess_next"]
    assert guess("The cat sat on the", 0.01).svg == guess("My uncle ate the", 0.01).svg
    assert "sonnets" in guess("First you must WRITE", 0.01).alt
    for text, said in ((" ", "Type a few words"), ("the floccinaucinihil", "has no id")):
        with pytest.raises(ValueError, match=said):
            guess(text, 0.01)
    for word in ("the", "my", "is", "a"):
        assert word in day["id_of"], "the message offers a word that is not in the play"


def test_longer_beginnings_cannot_be_counted(day, capsys):
    """Part 10: most rows of five are possible and few were seen; two in five of the new text's were never seen."""
    said = printed(capsys, code("possible rows"), day).splitlines()[1:]
    never = {int(line.split()[0]): int(line.split()[-1].rstrip("%")) for line in said}
    assert list(never.values()) == sorted(never.values())
    assert never[1] == 0 and never[2] < 10 and never[5] > 35 and never[8] > 60


def test_the_stretch_exercise_can_be_solved(day, capsys):
    """As its hint says; and as it stands the cell says that it is not done yet."""
    cell = code("def after_two")
    assert "(not yet)" in printed(capsys, cell, day)
    day["followers"] = defaultdict(Counter)
    train = day["train_ids"].tolist()
    for *pair, following in zip(train, train[1:], train[2:], strict=False):
        day["followers"][tuple(pair)][following] += 1
    solved = cell.replace(
        "    return model.probs(second)  # change this: it does not look at `first`",
        """
    row = 2 * model.probs(second)
    for token, count in followers[first, second].items():
        row[token] += count
    return row / row.sum()
""",
    )
    assert solved != cell and "(done)" in printed(capsys, solved, day)


def test_a_line_that_the_play_says_often(day, capsys):
    """The last cell."""
    assert "costs" in printed(capsys, code("Day 0a done"), day)
