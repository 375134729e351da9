"""Code that crashed in the documents that the course grew out of: here it runs. One test for each mistake."""

import dataclasses
import re
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
import torch.nn as nn
from torch.utils._python_dispatch import TorchDispatchMode

from handmade.attention import causal_mask
from handmade.bpe import BPETokenizer
from handmade.checkpoints import load_checkpoint, save_checkpoint
from handmade.data import get_batch, load_data
from handmade.embeddings import EmbeddingWithPosition
from handmade.errors import UserError
from handmade.generate import load_model
from handmade.model import GPT, TINY, GPTConfig, GPTSkeleton
from handmade.optim import configure_optimizer
from handmade.sampling import (
    apply_temperature,
    apply_top_k,
    apply_top_p,
    distribution_entropy,
    encode_prompt,
    generate_n_samples,
    generate_text,
    sample_next_token,
)
from handmade.tiny import TinyLM
from handmade.tokenizers import CharTokenizer, build_char_vocab
from handmade.training import TrainConfig, compute_loss, estimate_loss, train_step

INF = float("inf")
CONFIG = GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=16)
PANGRAM = "The quick brown fox jumps over the lazy dog"


def random_batch(vocab_size=11, shape=(4, 8)):
    ids = torch.randint(vocab_size, (shape[0], shape[1] + 1), generator=torch.Generator().manual_seed(0))
    return ids[:, :-1], ids[:, 1:]


@pytest.mark.parametrize("kind", [GPT, GPTSkeleton, TinyLM])
def test_a1_every_model_returns_logits_and_loss(kind):
    """The model returned a pair while training and plotting code took it for logits; every model gives a pair."""
    model, batch = TinyLM(11, 16, 8, 2) if kind is TinyLM else kind(CONFIG), random_batch()
    logits, loss = model(batch[0])
    assert logits.shape == (4, 8, 11) and loss is None
    logits, loss = model(*batch)
    assert loss.dim() == 0
    loss, _ = train_step(model, batch, torch.optim.SGD(model.parameters(), lr=0.1), max_norm=1.0)
    assert loss.isfinite(), "the training step does not fit the model"


def test_a2_logits_are_for_all_positions_without_targets_too():
    """Without targets only the last position came back, so that evaluation could not compute its loss."""
    model, (idx, targets) = GPT(CONFIG).eval(), random_batch()
    logits, _ = model(idx)
    torch.testing.assert_close(compute_loss(logits, targets), model(idx, targets)[1])
    losses = estimate_loss(model, {"val": torch.arange(100) % 11}, batch_size=2, eval_batches=2)
    assert losses["val"] > 0


@pytest.mark.parametrize("B", [1, 3, 65, 100])
def test_a3_top_p_handles_batches(B):
    """Unsorting along the batch failed for B < V and mixed up the rows for B >= V; each row has its own order."""
    logits = torch.randn(B, 65, generator=torch.Generator().manual_seed(B))
    filtered = apply_top_p(logits, 0.7)
    for row, expected in zip(filtered, logits, strict=True):
        torch.testing.assert_close(
            row, apply_top_p(expected, 0.7), msg="a row differs from the same row alone"
        )
        kept = row > -INF
        assert torch.equal(row[kept], expected[kept]), "the logits are not back in their own places"


@pytest.mark.parametrize("shape", [(6,), (1, 6), (5, 6)])
def test_a4_drawn_tokens_are_ids_not_ranks_for_any_batch(shape):
    """The rank in sorted order was turned into an id in a way that works for a single row only."""
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for _ in range(20):
        drawn = sample_next_token(logits, top_p=0.5)
        assert drawn.shape == (*shape[:-1], 1)
        assert (apply_top_p(logits, 0.5).gather(-1, drawn) > -INF).all(), "drew a token that top-p dropped"


def test_a5_top_k_may_exceed_the_vocabulary():
    """k = 40 failed for the 28 characters of a pangram; more than there are keeps all."""
    logits = torch.randn(2, len(build_char_vocab(PANGRAM)))
    assert logits.shape[-1] == 28
    assert torch.equal(apply_top_k(logits, 40), logits)
    assert sample_next_token(logits, top_k=40).shape == (2, 1)


def test_a6_the_optimizer_tells_what_it_decays():
    """The number of decayed parameters was read from variables that existed only inside a function."""
    model = GPT(CONFIG)
    decayed, plain = configure_optimizer(model, 1e-3, 0.1, (0.9, 0.95)).param_groups
    assert decayed["weight_decay"] == 0.1 and plain["weight_decay"] == 0.0
    counted = sum(p.numel() for group in (decayed, plain) for p in group["params"])
    assert counted == sum(p.numel() for p in model.parameters())


def test_a7_a_models_settings_and_a_runs_settings_are_two_things():
    """One dictionary held both, so that a model could not be built from it; here each config makes its own."""
    shared = {f.name for f in dataclasses.fields(GPTConfig)} & {
        f.name for f in dataclasses.fields(TrainConfig)
    }
    assert not shared, f"both configs have {shared}"
    assert GPT(GPTConfig(**asdict(CONFIG))).config == CONFIG


def test_a8_loading_and_batching_fit_each_other(tmp_path):
    """Three days used three incompatible forms of load_data and get_batch; there is one of each."""
    path = tmp_path / "text.txt"
    path.write_text(PANGRAM * 5)
    train_ids, val_ids, tokenizer = load_data(path)
    for ids in (train_ids, val_ids):
        x, y = get_batch(ids, batch_size=3, context_len=8)
        assert x.shape == y.shape == (3, 8) and x.max() < tokenizer.vocab_size


def write_checkpoint(path):
    tokenizer = CharTokenizer.from_text(PANGRAM)
    model = GPT(dataclasses.replace(CONFIG, vocab_size=tokenizer.vocab_size))
    optimizer = torch.optim.AdamW(model.parameters())
    save_checkpoint(path, model, optimizer, 3, TrainConfig(), tokenizer, rng={}, history=[])
    return model, tokenizer


def test_a9_a_checkpoint_alone_is_enough_to_generate(tmp_path):
    """The checkpoint held no config, so that nothing later could rebuild the model; it holds the tokenizer too."""
    model, tokenizer = write_checkpoint(tmp_path / "last.pt")
    again, tokenizer_again = load_model(tmp_path / "last.pt")
    assert tokenizer_again.chars == tokenizer.chars and again.config == model.config
    idx = torch.randint(28, (2, 8))
    torch.testing.assert_close(again(idx)[0], model.eval()(idx)[0])


class Bomb:
    """When unpickled it leaves a file, as hostile code could."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a10_loading_a_checkpoint_runs_no_code_from_it(tmp_path):
    """The whole config object was pickled and weights_only=False advised, which runs what the file says."""
    write_checkpoint(tmp_path / "last.pt")
    assert isinstance(load_checkpoint(tmp_path / "last.pt")["model_config"], dict), "configs are plain values"
    torch.save({"kind": "handmade checkpoint", "config": Bomb(tmp_path / "ran")}, tmp_path / "hostile.pt")
    with pytest.raises(UserError, match=r"hostile\.pt"):
        load_checkpoint(tmp_path / "hostile.pt")
    assert not (tmp_path / "ran").exists(), "code from the file was run"


def test_a13_bpe_decodes_what_it_encodes_and_loses_no_byte():
    """A tokenizer without byte-level decoder broke up words, and dropped bytes it had not been trained on."""
    tokenizer = BPETokenizer.train("Hello, world! " * 3 + PANGRAM, 270)
    for said in ("Hello, world!", "naïve 日本 #1", "\x00\t🙂"):
        assert tokenizer.decode(tokenizer.encode(said)) == said


def test_a14_special_tokens_in_a_text_are_refused_unless_allowed(gpt2):
    """Documents were joined by <|endoftext|> and then encoded, which a tokenizer refuses for good reason."""
    ours = BPETokenizer.train(PANGRAM, 270, ["<|endoftext|>"])
    for encoding, end in [(ours, ours.vocab_size - 1)] + ([(gpt2, 50256)] if gpt2 else []):
        with pytest.raises(ValueError, match="special token"):
            encoding.encode("one<|endoftext|>two")
        assert encoding.encode("one<|endoftext|>two", allowed_special={"<|endoftext|>"}).count(end) == 1


class Elsewhere(nn.Module):
    """A model whose weights are not on the CPU, without needing a GPU: it insists that its input is there too."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, device="meta"))
        self.config = SimpleNamespace(block_size=4)

    def forward(self, idx, targets=None):
        assert idx.device == self.weight.device, (
            f"the model is on {self.weight.device}, its input on {idx.device}"
        )
        return torch.zeros(*idx.shape, 28), None


class OnlyOn(TorchDispatchMode):
    """Inside, every tensor that an operation makes must be on this device."""

    def __init__(self, device):
        super().__init__()
        self.device = torch.device(device)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                assert tensor.device == self.device, f"{func} made a tensor on {tensor.device}"
        return out


def test_a15_everything_follows_the_models_device():
    """Contexts and positions were made on the CPU whatever the device of the model."""
    tokenizer = CharTokenizer.from_text(PANGRAM)
    assert len(generate_text(Elsewhere(), tokenizer, "fox", 6)) == 9
    assert len(generate_n_samples(Elsewhere(), tokenizer, "fox", 2, 6)) == 2
    idx = torch.zeros(2, 8, dtype=torch.long, device="meta")
    with torch.device("meta"):
        models = [GPT(CONFIG), GPTSkeleton(CONFIG), TinyLM(11, 16, 8, 2), EmbeddingWithPosition(11, 16, 8)]
    with OnlyOn("meta"):
        for model in models:
            model(idx)
        causal_mask(4, device="meta")
    assert get_batch(torch.arange(20), 2, 4, device="meta")[0].device.type == "meta"


def test_a16_temperature_0_is_refused_in_one_sentence():
    """Temperature 0 was promised to work and divided by 0; greedy decoding is what it would mean."""
    logits = torch.tensor([[1.0, 2.0]])
    for use in (apply_temperature, distribution_entropy, sample_next_token):
        with pytest.raises(ValueError, match=r"temperature is 0: choose one above 0"):
            use(logits, 0)


def test_a17_unknown_characters_in_a_prompt_are_named():
    """Unknown characters vanished, and a prompt of them alone ended in an IndexError."""
    tokenizer = CharTokenizer.from_text(PANGRAM + "\n")
    for prompt in ("fox?", "???"):
        with pytest.raises(ValueError, match=re.escape("'?'")):
            encode_prompt(prompt, tokenizer, 8)
    assert encode_prompt("", tokenizer, 8).shape == (1, 1), "an empty prompt starts a line"
    model = GPT(dataclasses.replace(TINY, vocab_size=tokenizer.vocab_size))
    assert len(generate_text(model, tokenizer, "", 5)) == 5
