"""Days 4, 18 and 19: schedules and their joints, the range test, and AdamW against PyTorch's."""

import copy
import functools
import math
from itertools import pairwise

import pytest
import torch
import torch.nn as nn
from hypothesis import given
from hypothesis import strategies as st

from handmade.model import GPT, GPTConfig
from handmade.optim import AdamW, configure_optimizer, get_lr, lr_range_test, set_lr, warmup_cosine

CONFIG = GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=16)

# --- Schedules ----------------------------------------------------------------------------------------


@given(st.integers(0, 50), st.integers(1, 200))
def test_multiplier_starts_at_0_peaks_at_1_and_stays_at_0(warmup, decay):
    total = warmup + decay
    values = [warmup_cosine(step, warmup, total) for step in range(2 * total)]
    assert values[warmup] == 1.0, "1 at the end of warm-up"
    assert warmup == 0 or values[0] == 0.0, "0 at step 0"
    assert values[: warmup + 1] == sorted(values[: warmup + 1]), "it only rises during warm-up"
    assert values[warmup:] == sorted(values[warmup:], reverse=True), "after warm-up it only falls"
    assert set(values[total:]) == {0.0}, "0 at and after the end: an unclamped cosine climbs again"


@given(st.integers(0, 50), st.integers(0, 200), st.floats(1e-5, 1.0), st.floats(0, 1))
def test_learning_rate_has_three_regions_that_meet(warmup, decay, max_lr, fraction):
    max_steps, min_lr = warmup + decay, fraction * max_lr
    rates = [get_lr(step, warmup, max_lr, max_steps, min_lr) for step in range(max_steps + 20)]
    assert all(rate > 0 for rate in rates[:warmup]), "a first step at rate 0 wastes a batch"
    assert rates[:warmup] == sorted(rates[:warmup]), "it only rises during warm-up"
    if decay:
        assert rates[warmup] == pytest.approx(max_lr), "step warmup_steps is the first at max_lr"
        assert rates[warmup] == max(rates)
    falling = rates[warmup:]
    assert all(a >= b - 1e-12 for a, b in pairwise(falling)), "then it only falls"
    assert set(rates[max_steps:]) == {min_lr}, "min_lr at and after the end"


def test_learning_rate_halfway_down_is_halfway():
    assert get_lr(60, 20, 1e-3, 100, 1e-4) == pytest.approx((1e-3 + 1e-4) / 2)


def test_warmup_is_a_line_whose_next_point_is_the_peak():
    rates = [get_lr(step, 4, 1.0, 100, 0.0) for step in range(5)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_set_lr_reaches_every_group():
    optimizer = configure_optimizer(GPT(CONFIG), lr=1.0, weight_decay=0.1, betas=(0.9, 0.99))
    set_lr(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


# --- The range test -----------------------------------------------------------------------------------


def test_range_test_sweeps_the_rates_and_leaves_the_model_unharmed():
    ids = torch.arange(400) % 11
    model = GPT(CONFIG).eval()
    before = copy.deepcopy(model.state_dict())
    rates, losses = lr_range_test(lambda: model, ids, min_lr=1e-4, max_lr=1e-1, steps=31, batch_size=4)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items()), (
        "the range test trained the model it was shown"
    )
    assert not model.training and all(p.grad is None for p in model.parameters())
    assert rates == pytest.approx([1e-4 * 10 ** (i / 10) for i in range(31)]), "each rate a fixed factor up"
    assert losses[0] == pytest.approx(math.log(11), abs=0.3) and min(losses) < losses[0] - 0.5


def test_range_test_ends_when_the_loss_explodes():
    ids = torch.arange(400) % 11
    rates, losses = lr_range_test(lambda: GPT(CONFIG), ids, min_lr=1e-2, max_lr=1e6, steps=60, batch_size=4)
    assert len(rates) == len(losses) < 60, "the sweep went on after the loss had exploded"
    assert all(math.isfinite(loss) for loss in losses), "what is reported can be drawn"


# --- AdamW --------------------------------------------------------------------------------------------


def trees():
    """Twice the same parameters: for the reference and for ours."""
    torch.manual_seed(0)
    shapes = [(7, 5), (5,), (3, 2, 4), ()]
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    return ours, [nn.Parameter(p.detach().clone()) for p in ours]


def optimizers(ours, theirs, **options):
    def groups(params):
        return [{"params": params[:2], "weight_decay": 0.3}, {"params": params[2:], "weight_decay": 0.0}]

    return AdamW(groups(ours), **options), torch.optim.AdamW(groups(theirs), **options)


@pytest.mark.parametrize("gradients", ["dense", "sometimes None", "sometimes zero", "tiny", "huge"])
def test_adamw_takes_the_steps_of_pytorchs(gradients):
    ours, theirs = trees()
    a, b = optimizers(ours, theirs, lr=0.05, betas=(0.8, 0.95), eps=1e-6)
    random = torch.Generator().manual_seed(1)
    for step in range(50):
        rate = get_lr(step, 10, 0.05, 40, 0.005)
        set_lr(a, rate)
        set_lr(b, rate)
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            grad = torch.randn(p.shape, generator=random)
            absent = (step + i) % 3 == 0
            if gradients == "sometimes None" and absent:
                grad = None
            elif gradients == "sometimes zero" and absent:
                grad = torch.zeros(p.shape)
            elif gradients in ("tiny", "huge"):
                grad = grad * {"tiny": 1e-7, "huge": 1e6}[gradients]
            p.grad, q.grad = grad, None if grad is None else grad.clone()
        a.step()
        b.step()
        for p, q in zip(ours, theirs, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6, msg=f"apart after step {step + 1}")


def test_adamw_saves_and_resumes():
    ours, theirs = trees()
    a, _ = optimizers(ours, theirs, lr=0.05)

    def steps(optimizer, params, seed):
        random = torch.Generator().manual_seed(seed)
        for _ in range(5):
            for p in params:
                p.grad = torch.randn(p.shape, generator=random)
            optimizer.step()

    steps(a, ours, seed=1)
    resumed = [nn.Parameter(p.detach().clone()) for p in ours]
    c, _ = optimizers(resumed, theirs, lr=0.7)
    c.load_state_dict(copy.deepcopy(a.state_dict()))
    steps(a, ours, seed=2)
    steps(c, resumed, seed=2)
    assert all(torch.equal(p, q) for p, q in zip(ours, resumed, strict=True)), "resumed, it took other steps"


@pytest.mark.parametrize(
    "optimizer", [AdamW, torch.optim.AdamW, functools.partial(torch.optim.AdamW, fused=True)]
)
def test_configured_optimizer_trains_a_gpt_as_the_plain_form_does(optimizer):
    """The fast forms that training uses and the one written out take the same ten steps."""
    torch.manual_seed(0)
    plain, fast = GPT(CONFIG), GPT(CONFIG)
    fast.load_state_dict(plain.state_dict())
    idx, targets = torch.randint(11, (2, 4, 8))
    losses = []
    for model, form in ((plain, AdamW), (fast, optimizer)):
        configured = configure_optimizer(model, 1e-2, 0.1, (0.9, 0.95), form)
        for _ in range(10):
            _, loss = model(idx, targets)
            configured.zero_grad()
            loss.backward()
            configured.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_matrices_decay_and_every_parameter_is_updated_once():
    model = GPT(CONFIG)  # its head and token table are one
    model.transformer.wpe.weight.requires_grad_(False)
    decayed, kept = configure_optimizer(model, 1e-3, 0.1, (0.9, 0.99)).param_groups
    assert decayed["weight_decay"] == 0.1 and kept["weight_decay"] == 0.0
    assert all(p.dim() >= 2 for p in decayed["params"]), "biases and norms must not decay"
    assert all(p.dim() < 2 for p in kept["params"]), "weights of linear layers and embeddings decay"
    listed = [id(p) for p in decayed["params"] + kept["params"]]
    expected = {id(p) for p in model.parameters() if p.requires_grad}
    assert len(listed) == len(set(listed)) and set(listed) == expected, "each trained parameter exactly once"


def test_decay_shrinks_what_has_no_gradient_to_follow():
    weight = nn.Parameter(torch.full((2, 2), 3.0))
    weight.grad = torch.zeros(2, 2)
    AdamW([weight], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(
        weight.data, torch.full((2, 2), 3.0 * (1 - 0.1 * 0.5)), msg="decay by lr times decay"
    )
