"""What Day 4's text says, checked on the notebook's own cells."""

import math
import re
from pathlib import Path

import pytest
import torch

from autograder.build.sources import read_source

ROOT = Path(__file__).parents[2]
SOURCE = read_source(ROOT / "solutions" / "week1_tokens" / "day04_training.md", ROOT)


def code(containing: str) -> str:
    """The one code cell that holds this text."""
    (cell,) = (c.source for c in SOURCE.cells if c.cell_type == "code" and containing in c.source)
    return cell


def rows(heading: str) -> list[list[str]]:
    """The table of the part with this heading, without its two lines of heading."""
    (text,) = (c.source for c in SOURCE.cells if c.cell_type == "markdown" and f"## {heading}" in c.source)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[part.strip() for part in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def day():
    """The notebook's names: its imports, its three functions, and what it builds on them."""
    names = {}
    threads = torch.get_num_threads()
    for containing in (
        "from handmade.drawings import",
        "def compute_loss",
        "class Chars",
        "def train_step",
        "def run(",
        "def forgetful_step",
        "def damaged_runs",
        "def descend",
        "def warmup_cosine",
        "def endless",
    ):
        exec(code(containing), names)
    yield names
    torch.set_num_threads(threads)


def printed(capsys, cell: str, names: dict) -> str:
    capsys.readouterr()
    exec(cell, names)
    return capsys.readouterr().out


def test_one_weight_by_hand():
    w = 0.0
    for step, weight, loss, gradient, move in rows("1 · By hand"):
        slope = 2 * (w - 3)
        assert [step, weight, loss] == [step, f"{w:.3g}", f"{(w - 3) ** 2:.3g}"]
        assert (gradient.replace("−", "-"), move) == (f"{slope:.3g}", f"{-0.1 * slope:+.3g}")
        w -= 0.1 * slope


def test_the_loss_by_hand():
    found = []
    for logits, target, shares, p, surprise in rows("2 · The score"):
        probs = torch.tensor([float(n) for n in re.findall(r"\d", logits)]).softmax(0)
        assert shares == ", ".join(f"{share:.3f}" for share in probs)
        assert p == f"{probs[int(target)]:.3f}" and surprise == f"{-probs[int(target)].log():.3f}"
        found.append(-probs[int(target)].log().item())
    assert f"{sum(found) / 2:.3f}" in ("0.895", "0.896") and math.isclose(
        sum(found) / 2, 0.8955, abs_tol=5e-5
    )


def test_the_tokens_are_sought_in_the_second_dimension(day, capsys):
    """Part 2: where T is V nothing complains, and a model that is always right gets a poor loss."""
    flat, as_it_is = re.findall(r"\d\.\d+", printed(capsys, code("handed over as is"), day))
    assert float(flat) < 0.1 and float(as_it_is) > math.log(8)


def test_clipping_by_hand():
    """Part 3: together the ratio 3 : 4 stays, each by itself it becomes 1 : 1, and the norm is √2."""
    a, b = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert torch.cat([a, b]).norm() == 5 and torch.cat([a / 5, b / 5]).norm() == pytest.approx(1)
    assert f"{torch.cat([a / a.norm(), b / b.norm()]).norm():.2f}" == "1.41"


@pytest.mark.parametrize("seed", [4, 5, 6])  # 4 is the notebook's
def test_correct_code_has_steps_that_go_up_and_needs_no_clipping(day, seed):
    """Part 4."""
    made = day["run"]("SGD", lr=1.0, seed=seed)
    up = sum(later > sooner for sooner, later in zip(made.losses[:20], made.losses[1:21], strict=True))
    assert 1 <= up < 10, f"{up} of 20 steps go up: not a few"
    assert max(made.norms) < 1, "clipping to 1 did something"
    assert sum(made.losses[-20:]) / 20 < made.losses[0] - 1


def test_old_gradients_harm_also_where_their_size_does_not_count(day):
    """Part 5: by SGD and by AdamW, and clipping makes neither as good as it was."""
    run, forget = day["run"], day["forgetful_step"]
    for optimizer, lr in (("SGD", 1.0), ("AdamW", 0.01)):
        right = run(optimizer, lr, math.inf).val_loss
        stale = [run(optimizer, lr, limit, take_step=forget).val_loss for limit in (math.inf, 1.0)]
        assert min(stale) > right + 0.1, f"{optimizer}: {right:.2f}, and without zero_grad {stale}"


def test_one_damaged_page(day):
    """Part 6: what it does to SGD with and without clipping, and that AdamW needs none."""
    runs = day["damaged_runs"]()
    free, belted = runs["without clipping"], runs["clipped to 1"]
    assert free.norms[150] == belted.norms[150] > 5 * max(free.norms[:150])
    assert free.norms[151] > free.norms[150], "the next gradient is not longer still"
    assert free.losses[151] > 2 * free.losses[149] and free.val_loss > belted.val_loss + 0.3
    assert belted.losses[151] < belted.losses[149] + 0.3
    adam = [day["run"]("AdamW", lr=0.01, max_norm=limit, damaged=150) for limit in (math.inf, 1.0)]
    assert all(abs(made.losses[151] - made.losses[149]) < 0.3 for made in adam)
    assert abs(adam[0].val_loss - adam[1].val_loss) < 0.03


def test_the_valley(day):
    """Part 7: SGD's factor across, which way leaves the map, and that AdamW does not mind the steepness."""
    walk = day["walk"]
    for lr, factor in ((0.05, 0.0), (0.09, -0.8), (0.11, -1.2)):
        for step, (_, y) in enumerate(walk("SGD", lr, 20, 8)):
            assert y == pytest.approx(factor**step, abs=1e-4)
    assert walk("SGD", 0.05, 20, 30)[-1][0] < -0.5, "it does not creep along the floor"
    assert max(x for x, _ in walk("SGD with momentum", 0.05, 20, 30)) > 1, "momentum does not overshoot"
    assert "SGD: leaves the map" in day["descend"](0.11, 20, 30).svg
    flat, steep = (torch.tensor(walk("AdamW", 0.05, steepness, 30)) for steepness in (1, 20))
    assert (flat - steep).abs().max() < 0.02


def test_adamw_divides_the_size_away(day, capsys):
    said = printed(capsys, code("has moved by"), day)
    moved = [float(n) for n in re.findall(r"by (\d\.\d+)", said)]
    assert moved[1] / moved[0] == pytest.approx(10, rel=0.01), "SGD"
    assert moved[3] / moved[2] == pytest.approx(10, rel=0.01), "momentum"
    assert moved[4] == moved[5], "AdamW"


def test_the_memory_of_a_running_mean(day, capsys):
    """0.95 remembers 20 steps and 0.999 a thousand: about 1/e is left."""
    said = re.findall(
        r"after +(\d+) steps a gradient counts (\d\.\d\d)", printed(capsys, code("for beta in"), day)
    )
    assert [int(n) for n, _ in said] == [10, 20, 1000]
    assert all(float(left) == pytest.approx(math.exp(-1), abs=0.02) for _, left in said)


def test_the_schedule_by_hand(day):
    """Part 8: the table, the check's table, and the peak where the warm-up ends."""
    (text,) = (c.source for c in SOURCE.cells if "| multiplier |" in c.source)
    steps, _, _, multipliers = (
        line.strip("|").split("|")[1:] for line in text.splitlines() if line.startswith("|")
    )
    for step, multiplier in zip(steps, multipliers, strict=True):
        found = day["warmup_cosine"](int(step.split()[0]), 4, 12)
        assert f"{found:.3g}" == multiplier.strip() or f"{found:.3f}" == multiplier.strip()
    values = [day["warmup_cosine"](step, 4, 12) for step in range(30)]
    assert values.index(max(values)) == 4


def test_a_cosine_without_an_end_climbs_again(day):
    endless, schedule = day["endless"], day["schedule"]
    assert all(endless(step) == pytest.approx(schedule(step)) for step in range(301))
    assert endless(570) == 1 == max(endless(step) for step in range(301, 601))
    assert not any(schedule(step) for step in range(300, 601))


def test_when_a_schedule_pays(day):
    """Part 9: not at a rate that is too small; else it does, and no run of the day comes below 2.4."""
    run, schedule = day["run"], day["schedule"]
    made = {
        lr: (run("AdamW", lr).val_loss, run("AdamW", lr, multiplier=schedule).val_loss)
        for lr in (1e-3, 1e-2, 0.1)
    }
    assert made[1e-3][1] > made[1e-3][0] + 0.05
    assert all(made[lr][1] < made[lr][0] - 0.01 for lr in (1e-2, 0.1))
    assert abs(made[0.1][1] - made[1e-2][1]) < 0.02
    assert all(2.4 < loss < 3 for pair in made.values() for loss in pair)


def test_the_stretch_exercise_can_be_solved(day, capsys):
    cell = code("def largest_lr")
    assert "(not yet)" in printed(capsys, cell, day)
    assert "(done)" in printed(capsys, cell.replace("return 0.01", "return 2 / steepness"), day)
