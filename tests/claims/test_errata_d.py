"""Misconceptions in the documents that the course grew out of, each shown by an experiment. One test for each."""

import copy
import dataclasses
import math
from itertools import pairwise

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from handmade import training
from handmade.attention import CausalSelfAttention, attention_weights, split_heads
from handmade.checkpoints import load_checkpoint, save_checkpoint
from handmade.data import get_batch
from handmade.model import GPT, GPT2, MLP, Block, GPTConfig, PostNormBlock, gelu, gelu_tanh
from handmade.optim import AdamW
from handmade.prelude import next_token_loss
from handmade.sampling import apply_temperature, apply_top_k, apply_top_p, generate
from handmade.tiny import FeedForward, TinyLM, TransformerBlock
from handmade.training import TrainConfig, train, train_step

INF = float("inf")
CONFIG = GPTConfig(vocab_size=11, block_size=16, n_layer=2, n_head=2, n_embd=32)


def counting_ids(n=2000, seed=0):
    """Text in which the next token is the last one plus 1 or 2."""
    steps = torch.randint(1, 3, (n,), generator=torch.Generator().manual_seed(seed))
    return steps.cumsum(dim=0) % 11


def test_d1_gpt2_has_biases():
    """GPT-2 was said to leave them out; it has 73, and leaving them out is the later fashion."""
    with torch.device("meta"):
        model = GPT(GPT2)
    assert GPT2.bias
    assert sum(name.endswith(".bias") for name, _ in model.named_parameters()) == 73
    linear = (module.bias for module in model.modules() if isinstance(module, nn.Linear))
    assert sum(bias.numel() for bias in linear if bias is not None) == 82_944
    with torch.device("meta"):
        plain = GPT(dataclasses.replace(GPT2, bias=False))
    assert not any(name.endswith(".bias") for name, _ in plain.named_parameters())


def test_d2_top_k_commutes_with_temperature_and_top_p_does_not():
    """Top-k before the temperature was called subtly wrong; it is top-p whose set depends on the order."""
    generator, differing = torch.Generator().manual_seed(0), 0
    for _ in range(300):
        logits = 3 * torch.randn(1, 30, generator=generator)
        T = 0.3 + 2 * torch.rand(1, generator=generator).item()
        k = int(torch.randint(1, 30, (1,), generator=generator))
        first, last = (
            apply_top_k(apply_temperature(logits, T), k),
            apply_temperature(apply_top_k(logits, k), T),
        )
        assert torch.equal(first, last), f"top-{k} and temperature {T} do not commute"
        first, last = (
            apply_top_p(apply_temperature(logits, T), 0.9),
            apply_temperature(apply_top_p(logits, 0.9), T),
        )
        differing += not torch.equal(first, last)
    assert differing > 200, f"top-p: only {differing} of 300 differ"


@pytest.mark.parametrize("lr", [3e-4, 1e-3, 3e-3])
def test_d3_a_constant_rate_does_not_diverge(lr):
    """A constant 3e-4 was said to diverge within 100 steps; a small model takes ten times that."""
    torch.manual_seed(0)
    model, generator = GPT(CONFIG), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = [
        train_step(model, get_batch(counting_ids(), 8, 16, generator=generator), optimizer, 1.0)[0].item()
        for _ in range(100)
    ]
    assert max(losses) < losses[0] + 0.3 and sum(losses[-10:]) / 10 < losses[0] - 0.1, losses


def test_d4_the_loss_of_fresh_batches_goes_up_now_and_then():
    """Every step was to lower the loss; between fresh batches it also rises, in correct code."""
    rises = []
    for seed in range(3):
        torch.manual_seed(seed)
        model, generator = GPT(CONFIG), torch.Generator().manual_seed(seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        losses = [
            train_step(model, get_batch(counting_ids(), 4, 16, generator=generator), optimizer, 1.0)[0].item()
            for _ in range(40)
        ]
        assert losses[-1] < losses[0]
        rises.append(sum(later > sooner for sooner, later in pairwise(losses)))
    assert all(rises), f"rises in 39 steps: {rises}"


def test_d5_adamw_takes_the_same_step_for_ten_times_the_gradient():
    """Gradients that pile up were said to make steps 10 times too large; AdamW divides their size away."""
    weights = []
    for factor in (1.0, 10.0):
        p = nn.Parameter(torch.linspace(-1, 1, 20))
        optimizer, generator = AdamW([p], lr=1e-2), torch.Generator().manual_seed(0)
        for _ in range(10):
            p.grad = factor * torch.randn(20, generator=generator)
            optimizer.step()
        weights.append(p.detach())
    torch.testing.assert_close(weights[0], weights[1], atol=1e-6, rtol=0)


def test_d6_a_smaller_beta2_forgets_sooner():
    """0.95 was called more momentum than 0.999; it is a memory of 20 steps in place of 1000."""
    left = {}
    for beta2 in (0.95, 0.999):
        p = nn.Parameter(torch.zeros(1))
        optimizer = AdamW([p], lr=0.0, betas=(0.9, beta2))
        for step in range(21):
            p.grad = torch.full((1,), 1.0 if step == 0 else 0.0)
            optimizer.step()
            if step == 0:
                first = optimizer.state[p]["exp_avg_sq"].clone()
        left[beta2] = (optimizer.state[p]["exp_avg_sq"] / first).item()
    assert left[0.95] == pytest.approx(math.exp(-1), abs=0.02), "after 1 / (1 - beta2) steps, 1/e is left"
    assert left[0.999] == pytest.approx(0.98, abs=0.001)


def test_d8_targets_of_zero_do_not_give_a_loss_of_zero():
    """A first loss of 0 was put down to targets that are all 0; an untrained model finds those as hard as any."""
    for seed in range(10):
        torch.manual_seed(seed)
        model = TinyLM(65, 64, 32, 2)
        loss = model(torch.randint(65, (8, 32)), torch.zeros(8, 32, dtype=torch.long))[1].item()
        assert loss == pytest.approx(math.log(65), abs=0.6), f"seed {seed}"


class Negative(nn.Module):
    def forward(self, x):
        return -x


def test_d10_a_residual_does_not_keep_a_gradient_above_1():
    """The gradient through x + F(x) was said to be at least 1; with F(x) = -x it is 0."""
    block = TransformerBlock(4, Negative(), nn.Identity())
    block.norm_1 = nn.Identity()
    x = torch.randn(1, 3, 4, requires_grad=True)
    block(x).sum().backward()
    assert x.grad.abs().max() == 0


def test_d11_both_kinds_of_block_have_their_skip_connections():
    """Post-norm was said to lack them; when the sublayers give nothing, the input still comes through both."""
    x = torch.randn(2, 5, 32)
    for kind in (Block, PostNormBlock):
        block = kind(CONFIG)
        for sublayer in (block.attn, block.mlp):
            nn.init.zeros_(sublayer.c_proj.weight)
            nn.init.zeros_(sublayer.c_proj.bias)
        expected = x if kind is Block else F.layer_norm(F.layer_norm(x, (32,)), (32,))
        torch.testing.assert_close(block(x), expected, msg=f"{kind.__name__} lost its input")


def test_d12_the_tied_matrices_have_one_shape():
    """They were called transposes of each other; both are (V, C), which is why one can be the other."""
    model = GPT(CONFIG)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert model.lm_head.weight.shape == (11, 32)


def test_d13_the_mlp_widens():
    """Four times the width was called a bottleneck; it is the opposite."""
    assert MLP(CONFIG).c_fc(torch.zeros(1, 32)).shape == (1, 4 * 32)
    assert FeedForward(32).net[0].out_features == 4 * 32


def test_d14_gpt2s_gelu_is_the_tanh_form():
    """The exact GELU was given for GPT-2; the two differ by up to 4.7e-4, which shows when weights are loaded."""
    x = torch.linspace(-6, 6, 10_001, dtype=torch.float64)
    assert (gelu(x) - gelu_tanh(x)).abs().max().item() == pytest.approx(4.7e-4, abs=5e-6)
    mlp = MLP(CONFIG)
    mlp.c_fc, mlp.c_proj = nn.Identity(), nn.Identity()
    x = x.float()
    torch.testing.assert_close(mlp(x), F.gelu(x, approximate="tanh"))
    assert (mlp(x) - F.gelu(x)).abs().max() > 4e-4


def test_d15_more_heads_cost_no_more_products_but_more_memory():
    """Heads were called free; the products are the same, the scores that must be kept grow with their number."""
    x = torch.randn(1, 16, 32)
    flops, scores = set(), []
    for n_head in (1, 4, 32):
        attention = CausalSelfAttention(dataclasses.replace(CONFIG, n_head=n_head))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            attention(x)
        flops.add(counter.get_total_flops())
        q = split_heads(x, n_head)
        scores.append(attention_weights(q, q).numel())
    assert len(flops) == 1, f"products: {flops}"
    assert scores == [16 * 16, 4 * 16 * 16, 32 * 16 * 16]


def test_d16_random_windows_leave_a_third_unseen():
    """Drawing at random was said to cover the text evenly in each epoch; n draws from n reach 63.2 % of it."""
    n = 20_000
    x, _ = get_batch(torch.arange(n + 1), n, 1, generator=torch.Generator().manual_seed(0))
    assert len(x.unique()) / n == pytest.approx(1 - math.exp(-1), abs=0.01)


def test_d18_past_the_context_there_is_an_error_not_a_worse_text():
    """Beyond block_size a model was said to degrade; it refuses, and generation crops to what it can see."""
    model = GPT(CONFIG).eval()
    with pytest.raises(ValueError, match="block_size"):
        model(torch.zeros(1, 17, dtype=torch.long))
    out = generate(model, torch.zeros(1, 40, dtype=torch.long), 5, torch.Generator().manual_seed(0))
    assert out.shape == (1, 45)


def test_d22_resuming_needs_more_than_weights(tmp_path, monkeypatch):
    """Weights alone were said to bring a run back; it also needs the optimizer's memory and the generators."""
    ids = counting_ids()
    data = {"train": ids[:1800], "val": ids[1800:]}
    config = TrainConfig(
        max_steps=12, batch_size=4, lr=1e-2, warmup_steps=2, eval_interval=6, eval_batches=2, out_dir=str(tmp_path),
        show_progress=False,
    )  # fmt: skip
    start = GPT(dataclasses.replace(CONFIG, dropout=0.1))

    def resumed_from(checkpoint):
        torch.save(checkpoint, tmp_path / "resume.pt")
        model = copy.deepcopy(start)
        train(model, data, config, resume=tmp_path / "resume.pt")
        return model.state_dict()

    def run_and_keep(path, *arguments, **keywords):
        save_checkpoint(path, *arguments, **keywords)
        kept.append(load_checkpoint(path))

    kept, whole = [], copy.deepcopy(start)
    monkeypatch.setattr(training, "save_checkpoint", run_and_keep)
    train(whole, data, config)
    halfway = kept[0]
    assert halfway["step"] == 6
    for name, weight in resumed_from(halfway).items():
        assert torch.equal(weight, whole.state_dict()[name]), f"{name} differs from the run without a stop"
    forgetful = {**halfway["optimizer"], "state": {}}
    fresh_batches = {**halfway["rng"], "batches": kept[-1]["rng"]["batches"]}
    for part in ({"optimizer": forgetful}, {"rng": fresh_batches}):
        weights = resumed_from(halfway | part)["lm_head.weight"]
        assert not torch.equal(weights, whole.lm_head.weight), f"{list(part)} makes no difference"


def test_s2_the_loss_is_the_surprise_at_the_target_not_at_the_guess():
    """A loss was computed from the probability of the likeliest token; it is that of the token that came."""
    probs = torch.tensor([[0.35, 0.05, 0.6]])
    assert next_token_loss(probs.log(), torch.tensor([1])).item() == pytest.approx(-math.log(0.05))
