"""Code that ran and was wrong in the documents that the course grew out of. One test for each mistake."""

import dataclasses
import math
from collections import Counter
from itertools import pairwise

import pytest
import regex
import torch
import torch.nn as nn
import torch.nn.functional as F

from handmade import training
from handmade.attention import CausalSelfAttention, FusedCausalSelfAttention, attention_weights, causal_mask
from handmade.bpe import BPETokenizer
from handmade.checkpoints import save_checkpoint
from handmade.data import TextDataset, get_batch
from handmade.experiments import batch_floor, overfit_one_batch
from handmade.generate import main as generate_main
from handmade.model import GPT, GPT2, GPTConfig
from handmade.objective import unigram_entropy
from handmade.optim import get_lr, warmup_cosine
from handmade.sampling import apply_top_k, apply_top_p, sample_next_token
from handmade.tiny import TinyLM, bigram_floor
from handmade.tokenizers import SPLIT_PATTERN, CharTokenizer, encode_bpe, train_bpe
from handmade.training import TrainConfig, check_setup, estimate_run_time

INF = float("inf")
CONFIG = GPTConfig(vocab_size=65, block_size=32, n_layer=2, n_head=2, n_embd=64)


def char_ids(text):
    return torch.tensor(CharTokenizer.from_text(text).encode(text))


def test_b1_a_model_without_attention_stops_at_the_bigram_entropy(text, is_shakespeare):
    """The tiny model was to reach a loss of 1.5 to 1.8; it sees one token, so the bigram entropy is its floor."""
    ids = char_ids(text)
    model = TinyLM(int(ids.max()) + 1, d_model=32, block_size=64, n_layer=1)
    idx = ids[:64].repeat(2, 1)
    idx[1, :32] = idx[1, :32].roll(7)
    logits, _ = model(idx)
    assert torch.equal(logits[0, 32:], logits[1, 32:]), "an earlier token changed a later prediction"

    floor = bigram_floor(ids)
    pairs, firsts = Counter(pairwise(text)), Counter(text[:-1])
    by_hand = -sum(n * math.log(n / firsts[a]) for (a, _), n in pairs.items()) / (len(text) - 1)
    assert floor == pytest.approx(by_hand)
    if is_shakespeare:
        assert floor == pytest.approx(2.4526, abs=5e-5)

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(120):
        loss = model(*get_batch(ids, 32, 64, generator=generator))[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        loss = model(*get_batch(ids, 1000, 64, generator=generator))[1].item()
    assert floor - 0.02 < loss < unigram_entropy(ids) - 0.3, f"loss {loss:.3f}, floor {floor:.3f}"


def test_b2_the_first_loss_is_that_of_a_guess():
    """No initialisation was given: with PyTorch's own, a tied model starts in the hundreds, not at ln V."""
    batch = torch.randint(65, (8, 32)), torch.randint(65, (8, 32))
    for seed in range(3):
        torch.manual_seed(seed)
        model = GPT(CONFIG)
        assert model(*batch)[1].item() == pytest.approx(math.log(65), abs=0.1)
        nn.init.normal_(model.lm_head.weight)  # what nn.Embedding does
        assert model(*batch)[1].item() > 5 * math.log(65)


def test_b3_a_first_loss_of_zero_is_found_out():
    """The smoke test asked the model for its own input: a tied model with default weights gives 0, as if it knew."""
    model = GPT(CONFIG)
    nn.init.normal_(model.lm_head.weight)
    idx = torch.randint(65, (8, 32))
    assert model(idx, idx)[1].item() < 1e-3, "the mistake no longer looks like a success"
    assert any(problem.startswith("shift") for problem in check_setup(GPT(CONFIG), (idx, idx), 65))


def test_b4_overfitting_is_judged_by_what_the_batch_allows():
    """A loss under 0.01 was demanded of one batch; where a prefix goes on in two ways, no model can get there."""
    torch.manual_seed(0)
    idx = torch.tensor([[1, 2, 3, 4], [1, 5, 6, 7]])
    targets = torch.tensor([[2, 3, 4, 5], [5, 6, 7, 8]])
    assert batch_floor(idx, targets) == pytest.approx(2 * math.log(2) / 8), "1 goes on with 2 or with 5"
    result = overfit_one_batch(
        GPT(dataclasses.replace(CONFIG, vocab_size=9)), (idx, targets), steps=100, lr=3e-3
    )
    assert result["passed"], f"loss {result['losses'][-1]:.4f}, floor {result['floor']:.4f}"
    assert result["losses"][-1] > 0.01, "below its floor: the model sees its targets"


def test_b4_most_batches_of_text_cannot_reach_a_hundredth(text):
    """In 32 windows of 64 characters, some begin alike and go on differently in most batches."""
    ids, generator = char_ids(text), torch.Generator().manual_seed(0)
    floors = [batch_floor(*get_batch(ids, 32, 64, generator=generator)) for _ in range(30)]
    assert sum(floor > 0.01 for floor in floors) >= 20


def test_b8_filters_change_no_input_and_keep_no_more_than_k():
    """The caller's logits were overwritten, and equal logits all stayed."""
    logits = torch.tensor([[2.0, 2.0, 2.0, 2.0, 0.0]])
    before = logits.clone()
    assert (apply_top_k(logits, 2) > -INF).sum() == 2
    assert (apply_top_p(logits, 0.4) > -INF).sum() == 2, "each of four has just under a quarter"
    sample_next_token(logits, top_k=2, top_p=0.4)
    assert torch.equal(logits, before)


def test_b9_the_peak_is_where_the_warmup_ends():
    """The schedule was plotted with its own defaults, so that the peak came at 100 although 500 was asked for."""
    rates = [get_lr(step, 500, 1e-3, 2000, 1e-4) for step in range(2000)]
    assert rates.index(max(rates)) == 500 and max(rates) == 1e-3
    with pytest.raises(TypeError):
        get_lr(0)


def test_b10_the_rate_stays_down_after_the_end_and_begins_above_0():
    """An unclamped cosine climbs back to its peak after the last step; and the first step did not move."""
    for step in (5000, 6000, 8000, 9900, 198_000):
        assert get_lr(step, 100, 3e-4, 5000, 3e-5) == 3e-5, f"step {step}"
        assert warmup_cosine(step, 100, 5000) == 0.0, f"step {step}"
    assert get_lr(0, 100, 3e-4, 5000, 3e-5) > 0


@pytest.mark.parametrize("n_tokens", [129, 1280, 1281, 1300])
def test_b11_no_target_is_lost_between_windows(n_tokens):
    """Windows of T tokens give T - 1 pairs and never train the step from one window to the next."""
    dataset = TextDataset(torch.arange(n_tokens), 128)
    targets = torch.cat([y for _, y in dataset])
    assert targets.tolist() == list(range(1, 128 * len(dataset) + 1)), (
        "each once, none between windows missing"
    )
    assert n_tokens - 1 - len(targets) < 128, "a full window was left out"


def test_b11_padding_at_the_end_needs_no_attention_mask_but_targets_that_do_not_count():
    """Padding was said to need attention masks; nothing looks to the right, so it is the loss that must ignore it."""
    model = GPT(CONFIG).eval()
    idx, targets = torch.randint(65, (1, 20)), torch.randint(65, (1, 20))
    padded = torch.cat([idx, torch.zeros(1, 12, dtype=torch.long)], dim=1)
    ignored = torch.cat([targets, torch.full((1, 12), -1)], dim=1)
    torch.testing.assert_close(model(padded, ignored)[1], model(idx, targets)[1])


def merge_by(choose, word, ranks):
    """Merge the neighbours of a word, again and again the pair whose rank is the least (min) or greatest (max)."""
    parts = [bytes([byte]) for byte in word.encode()]
    while True:
        known = [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in ranks]
        if not known:
            return [ranks[part] for part in parts]
        i = choose(known, key=lambda i: ranks[parts[i] + parts[i + 1]])
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def test_b12_merges_apply_in_the_order_they_were_learned(text, gpt2):
    """ "From the bottom of the table up" is ambiguous: the earliest merge comes first; the latest first is wrong."""
    merges = train_bpe(text[:20_000], 400)
    ours = BPETokenizer(merges).to_tiktoken()
    words = sorted(set(regex.findall(SPLIT_PATTERN, text[:40_000])))
    for encoding in [ours, gpt2] if gpt2 else [ours]:
        ranks = encoding._mergeable_ranks
        expected = [encoding.encode_ordinary(word) for word in words]
        assert [merge_by(min, word, ranks) for word in words] == expected, encoding.name
        latest_first = [merge_by(max, word, ranks) for word in words]
        differing = sum(a != b for a, b in zip(latest_first, expected, strict=True))
        assert differing > len(words) / 4, f"{encoding.name}: {differing} of {len(words)} words differ"
    assert [encode_bpe(word, merges) for word in words] == [ours.encode(word) for word in words]


def test_b13_run_time_is_estimated_from_whole_steps(monkeypatch):
    """Ten forward passes were timed and multiplied: no backward pass, no warm-up, no waiting for the GPU."""
    clock, events = [0.0], []

    def slow_step(*arguments, **keywords):
        events.append("step")
        clock[0] += 100.0 if events.count("step") == 1 else 2.0  # the first also pays for what happens once
        return torch.tensor(1.0), torch.tensor(1.0)

    monkeypatch.setattr(training.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(training, "train_step", slow_step)
    monkeypatch.setattr(training, "synchronize", lambda device: events.append("wait"))
    batch = torch.randint(65, (2, 32)), torch.randint(65, (2, 32))
    model = GPT(CONFIG)
    assert estimate_run_time(model, batch, 1000) == pytest.approx(2000.0), "not the time of 1000 steps"
    assert events[:3] == ["wait", "step", "wait"], "the clock did not wait for the device"


def test_b17_head_size_is_a_number():
    """A method was passed off as a derived property, so that config.head_size was no number."""
    assert GPT2.head_size == 64 and isinstance(GPT2.head_size, int)


def test_b18_attention_weights_can_be_looked_at_and_dropped():
    """Learners were to print attention weights that no function returned; and attention dropout was missing."""
    q, k, v = torch.randn(3, 1, 2, 5, 4)
    weights = attention_weights(q, k, causal_mask(5))
    assert weights.shape == (1, 2, 5, 5)
    torch.testing.assert_close(weights @ v, F.scaled_dot_product_attention(q, k, v, is_causal=True))
    for kind in (CausalSelfAttention, FusedCausalSelfAttention):
        attention = kind(dataclasses.replace(CONFIG, dropout=0.5))
        attention.resid_dropout.p = 0.0
        x = torch.randn(1, 8, 64)
        assert not torch.equal(attention(x), attention(x)), f"{kind.__name__} drops no weights in training"
        attention.eval()
        assert torch.equal(attention(x), attention(x)), f"{kind.__name__} drops weights in eval mode"


def test_b19_a_sample_says_on_what_it_was_made(tmp_path, capsys, monkeypatch):
    """A command was to give the same text anywhere; rounding differs between devices, so the header names them."""
    monkeypatch.setenv("HANDMADE_DEVICE", "cpu")
    tokenizer = CharTokenizer.from_text("abc\n")
    model = GPT(dataclasses.replace(CONFIG, vocab_size=4))
    optimizer = torch.optim.AdamW(model.parameters())
    save_checkpoint(tmp_path / "last.pt", model, optimizer, 0, TrainConfig(), tokenizer, rng={}, history=[])
    assert generate_main(["--checkpoint", str(tmp_path / "last.pt"), "--max-new-tokens", "3"]) == 0
    header = capsys.readouterr().out
    assert "# device: cpu\n" in header and f"# torch: {torch.__version__}\n" in header
