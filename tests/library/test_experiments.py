"""Day 6: perplexity by tokens, a batch's own floor, ablations under one seed, power laws."""

import itertools
import math

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from handmade.experiments import (
    batch_floor,
    compute_perplexity,
    fit_power_law,
    overfit_one_batch,
    run_ablation,
)
from handmade.model import GPT, GPTConfig
from handmade.tiny import TinyLM

CONFIG = GPTConfig(vocab_size=9, block_size=8, n_layer=2, n_head=2, n_embd=32, dropout=0.5)


# --- perplexity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_perplexity_weighs_every_token_the_same(training):
    model = GPT(CONFIG).train(training)
    with torch.no_grad():
        model.transformer.wte.weight.mul_(20)  # so that losses differ from batch to batch
    batches = [tuple(torch.randint(9, (2, B, T))) for B, T in ((4, 8), (4, 8), (1, 3))]
    batches[1][1][0, 2:] = -1
    perplexity = compute_perplexity(model, batches)
    assert model.training is training, "the mode was not restored"
    model.eval()
    losses = torch.cat(
        [F.cross_entropy(model(x)[0].mT, y, ignore_index=-1, reduction="none")[y != -1] for x, y in batches]
    )
    assert perplexity == pytest.approx(losses.mean().exp().item(), rel=1e-4)
    assert all(p.grad is None for p in model.parameters())


def test_perplexity_of_a_model_that_knows_nothing_is_the_vocabulary_size():
    model = GPT(CONFIG)
    nn.init.zeros_(model.lm_head.weight)
    assert compute_perplexity(model, [tuple(torch.randint(9, (2, 4, 8)))]) == pytest.approx(9, rel=1e-4)


# --- one batch ----------------------------------------------------------------------------------------


def rows(*texts):
    return torch.tensor([[ord(c) - ord("a") for c in text] for text in texts])


def test_batch_floor_by_hand():
    assert batch_floor(rows("abc", "bcd"), rows("bcd", "cde")) == 0.0, (
        "unlike beginnings leave nothing to guess"
    )
    one_guess_in_two = batch_floor(rows("ab", "ac"), rows("bx", "cx"))  # after "a": b or c
    assert one_guess_in_two == pytest.approx(2 * math.log(2) / 4)
    assert batch_floor(rows("ab", "ac"), torch.tensor([[-1, 3], [2, 3]])) == 0.0, "-1 must not count"


@given(
    st.integers(1, 5).flatmap(
        lambda T: st.lists(
            st.lists(st.integers(0, 2), min_size=T + 1, max_size=T + 1), min_size=1, max_size=6
        )
    )
)
def test_batch_floor_is_the_loss_of_a_table_over_prefixes(ids):
    def share(row, t):  # of the rows that begin like this one, how many go on like it
        same = [other for other in ids if other[: t + 1] == row[: t + 1]]
        return sum(other[t + 1] == row[t + 1] for other in same) / len(same)

    T = len(ids[0]) - 1
    expected = -sum(math.log(share(row, t)) for row, t in itertools.product(ids, range(T))) / (len(ids) * T)
    ids = torch.tensor(ids)
    assert batch_floor(ids[:, :-1], ids[:, 1:]) == pytest.approx(expected, abs=1e-9)


def test_a_sound_model_overfits_down_to_the_floor_and_a_broken_one_is_found_out():
    ids = torch.randint(3, (8, 9))  # three letters: rows begin alike, so the floor is far above 0
    batch = ids[:, :-1], ids[:, 1:]
    model = GPT(CONFIG)
    sound = overfit_one_batch(model, batch, steps=300, lr=3e-3)
    assert sound["floor"] > 0.1, "the test needs a batch that cannot be known by heart"
    assert sound["passed"] and abs(sound["losses"][-1] - sound["floor"]) < 0.02, sound["losses"][-1]
    assert len(sound["losses"]) == 300 and model.training
    blind = overfit_one_batch(TinyLM(9, 32, 8, 2), batch, steps=300, lr=3e-3)
    assert not blind["passed"], "a model that cannot look back passed"


# --- ablation -----------------------------------------------------------------------------------------


def test_ablation_gives_every_config_the_same_luck():
    seen = []

    def train_fn(config, seed):
        start = torch.rand(1).item()
        torch.rand(config)  # configs draw different amounts
        seen.append((config, seed, start))
        return config

    table = run_ablation(
        {"small": 2, "large": 5}, train_fn, lambda model: model + torch.rand(1).item(), seed=7
    )
    assert [config for config, *_ in seen] == [2, 5]
    assert {(seed, start) for _, seed, start in seen} == {(7, seen[0][2])}, (
        "configs began from different seeds"
    )
    assert [(row["name"], row["config"]) for row in table] == [("small", 2), ("large", 5)]
    luck = [row["score"] - row["config"] for row in table]
    assert luck[0] == pytest.approx(luck[1], abs=1e-6), "configs were evaluated on different draws"


# --- power laws ---------------------------------------------------------------------------------------


@given(a=st.floats(0.01, 100), b=st.floats(-2, 2))
def test_power_law_is_recovered_from_clean_points(a, b):
    x = torch.tensor([1.0, 3.0, 10.0, 40.0, 1000.0], dtype=torch.float64)
    assert fit_power_law(x, a * x**b) == pytest.approx((a, b), rel=1e-6, abs=1e-9)


def test_power_law_is_recovered_from_noisy_points():
    x = torch.logspace(3, 9, 200, dtype=torch.float64)
    noise = torch.exp(
        0.05 * torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )
    a, b = fit_power_law(x.tolist(), (5.0 * x**-0.076 * noise).tolist())
    assert b == pytest.approx(-0.076, abs=0.01) and a == pytest.approx(5.0, rel=0.15)


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_power_law_refuses_what_has_no_logarithm(bad):
    with pytest.raises(ValueError, match="positive"):
        fit_power_law([1.0, 2.0], [1.0, bad])
