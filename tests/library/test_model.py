"""The GPT and its parts against PyTorch's operators and transformers' GPT-2, in value and gradient."""

import copy
import dataclasses
import math

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.testing import assert_close

from handmade.model import (
    GPT,
    GPT2,
    MEDIUM,
    MLP,
    SMALL,
    TINY,
    Block,
    GPTConfig,
    GPTSkeleton,
    LayerNorm,
    PostNormBlock,
    count_parameters,
    gelu,
    gelu_tanh,
    gradient_by_depth,
    gradient_report,
    init_weights,
    is_causal,
    memorise,
)
from handmade.tiny import TinyLM

CONFIG = GPTConfig(vocab_size=19, block_size=12, n_layer=3, n_head=2, n_embd=16)


@pytest.fixture
def model():
    """A GPT whose every parameter is random: fresh biases of 0 would hide the wrong ones."""
    model = GPT(CONFIG)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model


@pytest.fixture
def batch():
    ids = torch.randint(CONFIG.vocab_size, (4, CONFIG.block_size + 1))
    return ids[:, :-1], ids[:, 1:]


# --- Day 8: configuration and skeleton ----------------------------------------------------------------


@pytest.mark.parametrize("field", ["vocab_size", "block_size", "n_layer", "n_head", "n_embd"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "4"])
def test_sizes_must_be_positive_whole_numbers(field, value):
    with pytest.raises(ValueError, match=f"^{field} is "):
        GPTConfig(**{field: value})


@pytest.mark.parametrize("bad", [{"n_embd": 100, "n_head": 6}, {"dropout": -0.1}, {"dropout": 1.0}])
def test_a_refused_config_names_its_field(bad):
    with pytest.raises(ValueError, match=f"^{next(iter(bad))} is "):
        GPTConfig(**bad)


def test_head_size_is_a_whole_property_that_follows_the_config():
    assert GPT2.head_size == 64 and isinstance(GPT2.head_size, int), "GPT-2's heads have 64 channels"
    assert dataclasses.replace(GPT2, n_head=6).head_size == 128, "head_size does not follow n_head"


@pytest.mark.parametrize(
    "config, parameters",
    [(TINY, 421_504), (SMALL, 3_241_728), (MEDIUM, 10_770_816), (GPT2, 124_439_808)],
)
def test_presets_have_their_published_sizes(config, parameters):
    with torch.device("meta"):
        assert count_parameters(GPT(config)) == parameters


def test_skeleton_runs_its_blocks_in_order(batch):
    class Tag(nn.Module):
        def __init__(self, number):
            super().__init__()
            self.number = number

        def forward(self, x):
            seen.append(self.number)
            return x

    seen = []
    skeleton = GPTSkeleton(CONFIG)
    skeleton.transformer.h = nn.ModuleList(Tag(i) for i in range(CONFIG.n_layer))
    logits, loss = skeleton(*batch)
    assert seen == [0, 1, 2], f"blocks ran in the order {seen}"
    x = skeleton.transformer.wte(batch[0]) + skeleton.transformer.wpe.weight
    assert_close(logits, skeleton.lm_head(skeleton.transformer.ln_f(x)))
    assert_close(loss, F.cross_entropy(logits.transpose(1, 2), batch[1]))
    assert skeleton(batch[0])[1] is None, "a loss without targets"


@pytest.mark.parametrize("kind", [GPTSkeleton, GPT])
def test_too_long_an_input_is_refused_in_words(kind):
    with pytest.raises(ValueError, match="13 tokens long and block_size is 12: crop it"):
        kind(CONFIG)(torch.zeros(1, 13, dtype=torch.long))


# --- Day 11: the MLP ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ours, form", [(gelu, "none"), (gelu_tanh, "tanh")])
def test_gelu_is_pytorchs_far_from_0_too(ours, form):
    x = torch.cat([torch.linspace(-30, 30, 401), torch.randn(200)]).double().requires_grad_()
    y, expected = ours(x), F.gelu(x, approximate=form)
    assert_close(y, expected)
    gradients = [torch.autograd.grad(z.sum(), x)[0] for z in (y, expected)]
    assert_close(*gradients, msg="the derivative differs from PyTorch's")


def test_the_two_gelus_differ_by_less_than_the_docstring_says():
    x = torch.linspace(-10, 10, 20001).double()
    assert 4.7e-4 < (gelu(x) - gelu_tanh(x)).abs().max() < 4.8e-4


def test_mlp_is_the_tanh_form_between_two_projections():
    mlp = MLP(CONFIG)
    x = torch.randn(2, 5, CONFIG.n_embd, requires_grad=True)
    expected = mlp.c_proj(gelu_tanh(mlp.c_fc(x)))
    assert mlp.c_fc.weight.shape == (4 * CONFIG.n_embd, CONFIG.n_embd)
    assert_close(mlp(x), expected)
    gradients = [torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in (mlp(x), expected)]
    assert_close(*gradients)


# --- Day 12: norms, residuals, blocks -----------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_layer_norm_is_pytorchs(bias, eps):
    ours, theirs = LayerNorm(10, bias, eps).double(), nn.LayerNorm(10, eps=eps, bias=bias).double()
    with torch.no_grad():
        for p in ours.parameters():
            p.normal_()
    theirs.load_state_dict(ours.state_dict())  # the names agree
    x = torch.randn(2, 5, 10).double().mul_(3).add_(1).requires_grad_()
    results = []
    for module in (ours, theirs):
        y = module(x)
        results.append((y, *torch.autograd.grad((y**3).sum(), [x, *module.parameters()])))
    for name, a, b in zip(("output", "dx", "dweight", "dbias"), *results, strict=False):
        assert_close(a, b, msg=lambda m, name=name: f"{name} differs from nn.LayerNorm's: {m}")


def test_block_equations():
    x = torch.randn(2, 5, CONFIG.n_embd)
    pre, post = Block(CONFIG), PostNormBlock(CONFIG)
    h = x + pre.attn(pre.ln_1(x))
    assert_close(pre(x), h + pre.mlp(pre.ln_2(h)))
    h = post.ln_1(x + post.attn(x))
    assert_close(post(x), post.ln_2(h + post.mlp(h)))


def test_block_is_the_identity_where_its_branches_are_silent():
    block = Block(CONFIG)
    for projection in (block.attn.c_proj, block.mlp.c_proj):
        nn.init.zeros_(projection.weight)
        nn.init.zeros_(projection.bias)
    x = torch.randn(2, 5, CONFIG.n_embd)
    assert torch.equal(block(x), x), "something stands in the residual's way"


def test_gradient_by_depth_is_what_backward_gives(model, batch):
    model.transformer.wte.weight.grad = kept = torch.ones_like(model.transformer.wte.weight)
    norms = gradient_by_depth(model, batch)
    assert model.transformer.wte.weight.grad is kept and (kept == 1).all(), "stored gradients were touched"
    model.zero_grad()
    model(*batch)[1].backward()
    expected = [
        torch.cat([p.grad.flatten() for p in block.parameters()]).norm().item()
        for block in model.transformer.h
    ]
    assert norms == pytest.approx(expected, rel=1e-4)


# --- Day 13: the whole model --------------------------------------------------------------------------


def linear_weights(model):
    """The keys that transformers' Conv1D holds transposed."""
    return {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name != "lm_head"
    }


@pytest.fixture
def twin(model):
    """transformers' GPT-2 with the weights of `model`."""
    from transformers import GPT2Config, GPT2LMHeadModel

    c = model.config
    twin = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=c.vocab_size,
            n_positions=c.block_size,
            n_embd=c.n_embd,
            n_layer=c.n_layer,
            n_head=c.n_head,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    transposed = linear_weights(model)
    twin.load_state_dict({k: w.T if k in transposed else w for k, w in model.state_dict().items()})
    return twin.eval()


def test_state_dict_keys_are_gpt2s(model, twin):
    assert list(model.state_dict()) == list(twin.state_dict())


def test_logits_loss_and_gradients_are_gpt2s(model, twin, batch):
    idx, targets = batch
    targets = targets.masked_fill(torch.rand(targets.shape) < 0.2, -1)
    logits, loss = model(idx, targets)
    assert_close(logits, twin(idx).logits, rtol=0, atol=1e-4)
    # Their loss shifts by itself, so it is given each row's targets one place later, behind a place ignored.
    labels = torch.cat([torch.full((4, 1), -100), targets.masked_fill(targets == -1, -100)], dim=1)
    their_logits = F.pad(twin(idx).logits, (0, 0, 0, 1))
    their_loss = twin.loss_function(their_logits, labels, vocab_size=CONFIG.vocab_size)
    assert_close(loss, their_loss, rtol=1e-5, atol=1e-5)
    loss.backward()
    their_loss.backward()
    transposed, theirs = linear_weights(model), dict(twin.named_parameters())
    for name, p in model.named_parameters():
        grad = theirs[name].grad.T if name in transposed else theirs[name].grad
        assert_close(p.grad, grad, rtol=1e-3, atol=1e-5, msg=lambda m, name=name: f"gradient of {name}: {m}")


def test_the_fast_parts_do_not_change_the_model(model, batch):
    """The same GPT from the plain forms of days 10 to 12: attention, GELU and norms by hand."""
    from handmade.attention import CausalSelfAttention

    class PlainMLP(MLP):
        def forward(self, x):
            return self.c_proj(gelu_tanh(self.c_fc(x)))

    plain = GPT(CONFIG)
    plain.transformer.ln_f = LayerNorm(CONFIG.n_embd)
    for block in plain.transformer.h:
        block.ln_1, block.ln_2 = LayerNorm(CONFIG.n_embd), LayerNorm(CONFIG.n_embd)
        block.attn, block.mlp = CausalSelfAttention(CONFIG), PlainMLP(CONFIG)
    plain.load_state_dict(model.state_dict())
    for m in (model, plain):
        m(*batch)[1].backward()
    assert_close(plain(*batch), model(*batch), rtol=1e-4, atol=1e-5)
    for (name, p), q in zip(plain.named_parameters(), model.parameters(), strict=True):
        assert_close(
            p.grad, q.grad, rtol=1e-3, atol=1e-5, msg=lambda m, name=name: f"gradient of {name}: {m}"
        )


def test_the_tie_survives_loading_copying_and_training(model, batch):
    loaded = GPT(CONFIG)
    loaded.load_state_dict(model.state_dict())
    for what, m in (("load_state_dict", loaded), ("deepcopy", copy.deepcopy(model)), ("to", model.double())):
        assert m.lm_head.weight is m.transformer.wte.weight, f"{what} unties the head"
    optimizer = torch.optim.SGD(loaded.parameters(), lr=0.1)
    loaded(*batch)[1].backward()
    optimizer.step()
    assert torch.equal(loaded.lm_head.weight, loaded.transformer.wte.weight), "a step unties the head"


@pytest.mark.parametrize("config", [TINY, dataclasses.replace(SMALL, n_layer=8, vocab_size=1000)])
def test_the_first_loss_is_near_ln_v(config):
    ids = torch.randint(config.vocab_size, (8, 33))
    _, loss = GPT(config)(ids[:, :-1], ids[:, 1:])
    assert abs(loss.item() - math.log(config.vocab_size)) < 0.1, "the initialisation is off"


def test_initialisation_is_gpt2s():
    model = GPT(SMALL)
    for name, p in model.named_parameters():
        if name.endswith("bias"):
            assert (p == 0).all(), f"{name} does not begin at 0"
        elif ".ln_" in name:
            assert (p == 1).all(), f"{name} does not begin at 1"
        else:
            std = 0.02 / math.sqrt(2 * SMALL.n_layer) if "c_proj" in name else 0.02
            assert p.std().item() == pytest.approx(std, rel=0.05), f"std of {name}"


def test_init_weights_follows_its_generator():
    a, b = GPT(CONFIG), GPT(CONFIG)
    for m in (a, b):
        init_weights(m, torch.Generator().manual_seed(3))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_every_parameter_gets_a_gradient(model, batch):
    model(*batch)[1].backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle, f"no gradient reaches {idle}"


def test_targets_of_minus_1_do_not_count_and_strides_do_not_matter(model, batch):
    idx, targets = batch
    masked = targets.clone()
    masked[:, 5:] = -1
    _, loss = model(idx, masked)
    logits, none = model(idx)
    assert none is None and logits.shape == (4, 12, CONFIG.vocab_size)
    assert_close(loss, F.cross_entropy(logits[:, :5].flatten(0, 1), targets[:, :5].flatten()))
    assert_close(model(idx.T.contiguous().T, masked.T.contiguous().T)[1], loss)


def test_dropout_acts_in_each_of_gpt2s_places_in_training_only():
    model = GPT(dataclasses.replace(CONFIG, dropout=0.3))
    idx = torch.randint(CONFIG.vocab_size, (2, 5))
    places = {name: m for name, m in model.named_modules() if isinstance(m, nn.Dropout)}
    assert len(places) == 1 + 3 * CONFIG.n_layer, "embeddings, and per block: attention, its output, MLP"
    for name in places:
        for other, dropout in places.items():
            dropout.p = 0.3 if other == name else 0.0
        assert not torch.equal(model.train()(idx)[0], model(idx)[0]), f"{name} does nothing in training"
        assert torch.equal(model.eval()(idx)[0], model(idx)[0]), f"{name} acts in eval mode"


# --- Day 14: prove that it works ----------------------------------------------------------------------


def test_count_parameters_counts_a_tied_matrix_once():
    with torch.device("meta"):
        model = GPT(GPT2)
        assert count_parameters(model) == 124_439_808
        assert count_parameters(model, non_embedding=True) == 124_439_808 - (50257 + 1024) * 768
        model.lm_head.weight = nn.Parameter(torch.empty(50257, 768))  # an untied head counts
        assert count_parameters(model) == 124_439_808 + 50257 * 768


def faults(model):
    return {row["name"]: row["fault"] for row in gradient_report(model) if row["fault"]}


@pytest.mark.parametrize("config", [CONFIG, TINY, dataclasses.replace(CONFIG, n_layer=12, bias=False)])
def test_gradient_report_finds_nothing_in_a_sound_model(config):
    model = GPT(config)
    ids = torch.randint(config.vocab_size, (4, 9))
    model(ids[:, :-1], ids[:, 1:])[1].backward()
    assert faults(model) == {}
    assert [row["name"] for row in gradient_report(model)] == [name for name, _ in model.named_parameters()]


def test_gradient_report_finds_a_dead_layer(model, batch):
    with torch.no_grad():
        model.transformer.h[1].mlp.c_proj.weight.zero_()  # nothing gets back through it
    model(*batch)[1].backward()
    layers = ("ln_2", "mlp.c_fc")
    expected = {f"transformer.h.1.{layer}.{p}": "dead" for layer in layers for p in ("weight", "bias")}
    assert faults(model) == expected


def test_gradient_report_finds_a_layer_that_the_loss_does_not_use(model, batch):
    model.transformer.h[2].attn = nn.Sequential(nn.Identity())
    model.spare = nn.Linear(2, 2)
    model(*batch)[1].backward()
    assert faults(model) == {"spare.weight": "missing", "spare.bias": "missing"}


@pytest.mark.parametrize(
    "factor, fault", [(1e6, "exploding"), (math.nan, "not finite"), (math.inf, "not finite")]
)
def test_gradient_report_finds_exploding_and_nan_layers(model, batch, factor, fault):
    bad = model.transformer.h[0].attn.c_attn.weight
    bad.register_hook(lambda grad: grad * factor)
    model(*batch)[1].backward()
    assert faults(model) == {"transformer.h.0.attn.c_attn.weight": fault}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("T", [2, 12])
def test_is_causal_accepts_sound_models_and_leaves_them_alone(model, training, T):
    for sound in (model, GPT(dataclasses.replace(CONFIG, dropout=0.5)), TinyLM(19, 16, 12, 2)):
        sound.train(training)
        assert is_causal(sound, T), f"{type(sound).__name__} was refused"
        assert sound.training is training, "the mode was not restored"


LEAKS = {
    "no mask": lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    "mask one off": lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, torch.ones(q.shape[-2], q.shape[-2]).tril(1).bool()
    ),
    "mask transposed": lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, torch.ones(q.shape[-2], q.shape[-2]).triu().bool()
    ),
    "mask after the softmax": lambda q, k, v: torch.softmax(q @ k.mT, dim=-1).tril() @ v,
    "softmax over queries": lambda q, k, v: (
        torch.softmax(
            (q @ k.mT).masked_fill(torch.ones(q.shape[-2], q.shape[-2]).triu(1).bool(), -torch.inf), dim=-2
        )
        @ v
    ),
    "mean over the sequence": lambda q, k, v: v - v.mean(dim=-2, keepdim=True),
    "only the last head looks ahead": lambda q, k, v: torch.cat(
        [F.scaled_dot_product_attention(q, k, v, is_causal=True)[:, :-1], v.flip(-2)[:, -1:]], dim=1
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("layer", [0, 2])
def test_is_causal_finds_every_leak_in_a_fresh_model(leak, layer):
    model = GPT(CONFIG)
    model.transformer.h[layer].attn.attend = LEAKS[leak]
    assert not is_causal(model, 8), f"{leak}, in block {layer}, went unseen"


def test_is_causal_refuses_a_model_that_returns_nan(model):
    with torch.no_grad():
        model.transformer.h[0].mlp.c_fc.weight[0, 0] = math.nan
    assert not is_causal(model, 8)


def test_memorise_tells_a_sound_model_from_a_broken_one():
    ids = torch.randint(5, (4, 13))
    batch = ids[:, :-1], ids[:, 1:]
    config = dataclasses.replace(CONFIG, n_embd=32, n_layer=2, dropout=0.5)
    model = GPT(config)
    steps = memorise(model, batch, max_steps=500, lr=3e-3)
    assert steps is not None and steps > 5, "a sound GPT does not learn one batch by heart"
    assert model.training, "the mode was not restored"
    assert memorise(TinyLM(19, 32, 12, 2), batch, max_steps=500, lr=3e-3) is None, (
        "a bigram model cannot know this"
    )
