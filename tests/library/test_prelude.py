"""Days 0a and 0b: softmax and loss against PyTorch, counting against brute force, sums in words."""

import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from handmade.model import GPT, GPTConfig
from handmade.prelude import (
    BigramModel,
    blame,
    exact_match,
    gradient_step,
    next_token_loss,
    number_to_words,
    softmax,
)

# --- softmax and loss ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 7)])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_softmax_equals_pytorchs(shape, scale):
    logits = scale * torch.randn(shape)
    torch.testing.assert_close(softmax(logits), torch.softmax(logits, dim=-1))
    torch.testing.assert_close(softmax(logits + 3.0), torch.softmax(logits + 3.0, dim=-1))


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 7)])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_loss_equals_pytorchs_in_value_and_gradient(shape, scale):
    logits = (scale * torch.randn(shape)).requires_grad_()
    targets = torch.randint(0, shape[-1], shape[:-1])
    ours = next_token_loss(logits, targets)
    theirs = F.cross_entropy(logits.reshape(-1, shape[-1]), targets.reshape(-1))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)))


def test_loss_of_equal_scores_is_ln_v():
    loss = next_token_loss(torch.full((4, 65), 7.0), torch.randint(0, 65, (4,)))
    assert loss.item() == pytest.approx(math.log(65), abs=1e-5), "the loss is in nats, averaged"


# --- counting -----------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.sampled_from([0.0, 0.5, 1.0]))
def test_bigram_model_counts_and_smooths(ids, alpha):
    model = BigramModel(vocab_size=5, alpha=alpha).fit(torch.tensor([0, 1, 2, 3, 4] * 3))
    assert model.fit(torch.tensor(ids)) is model
    pairs = Counter(pairwise(ids))
    for a in range(5):
        row = [pairs[a, b] for b in range(5)]
        assert model.counts[a].tolist() == row, "the counts are those of the last fit, and exact"
        total = sum(row) + 5 * alpha
        expected = [(count + alpha) / total for count in row] if total > 0 else [0.2] * 5
        assert model.probs(a).tolist() == pytest.approx(expected), f"what follows {a}"


# --- sums in words ------------------------------------------------------------------------------------


def words_to_number(text: str) -> int:
    """The other way, by what each word is worth."""
    worth = {number_to_words(n): n for n in [*range(20), *range(20, 100, 10)]} | {"hundred": 100}
    total = 0
    for word in text.split(" "):
        total = total * 100 if word == "hundred" else total + worth[word]
    return total


def test_numbers_round_trip_through_words():
    words = [number_to_words(n) for n in range(200)]
    assert [words_to_number(text) for text in words] == list(range(200))
    assert len(set(words)) == 200
    vocabulary = {word for text in words for word in text.split(" ")}
    assert len(vocabulary) == 29, "twenty small numbers, eight tens and the word hundred"
    examples = {0: "zero", 13: "thirteen", 20: "twenty", 42: "forty two", 100: "one hundred"}
    examples |= {107: "one hundred seven", 199: "one hundred ninety nine"}
    assert {n: number_to_words(n) for n in examples} == examples


@pytest.mark.parametrize("n", [-1, 200])
def test_numbers_without_words_are_refused(n):
    with pytest.raises(ValueError, match=f"{n} has no words"):
        number_to_words(n)


def test_gradient_step_goes_downhill_and_keeps_its_argument():
    weight, gradient = torch.randn(3, 4), torch.randn(3, 4)
    before = weight.clone()
    torch.testing.assert_close(gradient_step(weight, gradient, 0.1), before - 0.1 * gradient)
    assert torch.equal(weight, before), "the step must not change its argument"


# --- blame --------------------------------------------------------------------------------------------

STAGES = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f"}


@pytest.fixture
def problem():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=13, block_size=8, n_layer=2, n_head=2, n_embd=16))
    return model, torch.randint(0, 13, (4, 8)), torch.randint(0, 13, (4, 8))


def test_blame_is_each_stages_share_of_the_gradient(problem):
    model, idx, targets = problem
    shares = blame(model, idx, targets)
    assert all(weight.grad is None for weight in model.parameters()), "blame must leave no gradient behind"
    model(idx, targets)[1].backward()
    norms = {}
    for stage, parts in STAGES.items():
        weights = [w for name, w in model.named_parameters() if any(f".{p}." in name for p in parts.split())]
        norms[stage] = torch.cat([weight.grad.flatten() for weight in weights]).norm().item()
    assert shares == pytest.approx(
        {stage: norm / sum(norms.values()) for stage, norm in norms.items()}, rel=1e-4
    )
    assert sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("stage", STAGES)
def test_a_frozen_stage_has_no_blame(problem, stage):
    model, idx, targets = problem
    for name, weight in model.named_parameters():
        if any(f".{part}." in name for part in STAGES[stage].split()):
            weight.requires_grad_(False)
    shares = blame(model, idx, targets)
    assert shares[stage] == 0.0 and sum(shares.values()) == pytest.approx(1.0)


# --- exact match --------------------------------------------------------------------------------------


class Recite(nn.Module):
    """Says token (the last one + 1) next; in training mode, nonsense."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, idx, targets=None):
        logits = F.one_hot((idx + 1) % 10, 10).float() + self.weight
        return (-logits if self.training else logits), None


def test_exact_match_wants_every_token():
    right, wrong_end, wrong_start = ([5, 1], [2, 3, 4]), ([1], [2, 3, 9]), ([1], [9, 3, 4])
    # The model writes 2, 3, 4 whatever the answer says: after a wrong start it does not go on from the answer.
    follows_answer = ([1], [5, 6, 7])
    model = Recite().train()
    assert exact_match(model, [right]) == 1.0
    assert exact_match(model, [right, wrong_end]) == 0.5, "an answer with one wrong token is wrong"
    assert exact_match(model, [right, wrong_start, wrong_end, follows_answer]) == 0.25
    assert model.training, "the model is left in the mode it came in"
    assert exact_match(model.eval(), iter([right])) == 1.0 and not model.training
    with pytest.raises(ValueError, match="no problems"):
        exact_match(model, [])
