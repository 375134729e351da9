"""Days 22 and 24 to 26: what is drawn, from which distribution, and what generation leaves as it was."""

import math

import pytest
import torch
from crafted import LetterTokenizer, TableModel, random_table, small_gpt
from hypothesis import given
from hypothesis import strategies as st

from handmade import sampling

INF = float("inf")


def assert_drawn_from(counts, probs, what):
    """Chi-squared, with a limit that a right sampler passes for all but one in a million seeds."""
    counts, probs = torch.as_tensor(counts, dtype=torch.float64), torch.as_tensor(probs, dtype=torch.float64)
    assert counts[probs == 0].sum() == 0, f"{what}: a token of probability 0 was drawn: {counts.tolist()}"
    expected = counts.sum() * probs[probs > 0]
    chi2 = ((counts[probs > 0] - expected) ** 2 / expected).sum().item()
    df = len(expected) - 1
    # Wilson and Hilferty: the cube root of chi2/df is nearly normal; 5 standard deviations.
    limit = df * (1 - 2 / (9 * df) + 5 * math.sqrt(2 / (9 * df))) ** 3
    assert chi2 < limit, (
        f"{what}: chi2 {chi2:.1f} > {limit:.1f}; counted {counts.tolist()}, expected {expected}"
    )


# --- Day 22 -------------------------------------------------------------------------------------------


def test_generate_keeps_the_prompt_grows_by_n_and_crops_the_context():
    model = TableModel(random_table(5, seed=1), block_size=4)
    idx = torch.tensor([[0, 1, 2], [3, 4, 0]])
    before = idx.clone()
    out = sampling.generate(model, idx, 7, torch.Generator().manual_seed(0))
    assert out.shape == (2, 10), "7 tokens are asked for after a prompt of 3"
    assert torch.equal(out[:, :3], before) and torch.equal(idx, before), "the prompt was changed"
    assert torch.equal(model.contexts[-1], out[:, -5:-1]), "the model must see the last block_size tokens"
    assert sampling.generate(model, idx, 0).equal(idx), "0 new tokens leave the prompt"


@pytest.mark.parametrize("training", [True, False])
def test_generate_runs_without_dropout_or_graph_and_restores_the_mode(training):
    model = small_gpt(dropout=0.5).train(training)
    idx = torch.tensor([[1, 2, 3]])
    outs = [sampling.generate(model, idx, 20, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert model.training is training, "the model did not come back in the mode it was in"
    model.eval()
    outs.append(sampling.generate(model, idx, 20, torch.Generator().manual_seed(3)))
    assert torch.equal(outs[0], outs[1]), "the same generator gave other tokens"
    assert torch.equal(outs[0], outs[2]), "dropout was active while generating"
    with sampling.evaluating(model):
        logits, _ = model(idx)
    assert not logits.requires_grad, "generation keeps a graph"


def test_a_row_depends_on_its_own_prompt_only():
    model = small_gpt()
    idx = torch.tensor([[1, 2, 3], [4, 5, 6]])
    other = torch.tensor([[1, 2, 3], [8, 8, 0]])
    out = sampling.generate(model, idx, 12, torch.Generator().manual_seed(0))
    changed = sampling.generate(model, other, 12, torch.Generator().manual_seed(0))
    assert torch.equal(out[0], changed[0]), "another second row changed the first one"
    assert not torch.equal(out[1, 3:], changed[1, 3:]), "the second row ignores its prompt"


def test_generate_draws_from_the_last_positions_distribution():
    table = random_table(4, seed=5, scale=1.0)
    out = sampling.generate(
        TableModel(table), torch.tensor([[0, 2]]).repeat(4000, 1), 1, torch.Generator().manual_seed(1)
    )
    assert_drawn_from(
        torch.bincount(out[:, -1], minlength=4), torch.softmax(table[2], dim=-1), "after token 2"
    )


def test_evaluating_restores_the_mode_after_an_error():
    model = small_gpt().train()
    with pytest.raises(KeyboardInterrupt), sampling.evaluating(model):
        assert not model.training and not torch.is_grad_enabled()
        raise KeyboardInterrupt
    assert model.training and torch.is_grad_enabled(), "an interrupt left the model in eval mode"


# --- Day 24 -------------------------------------------------------------------------------------------

# Multiples of 1/8, so that equal logits are common and survive arithmetic unchanged.
LOGIT = st.integers(-80, 80).map(lambda n: n / 8)


@st.composite
def logit_batches(draw):
    rows, vocab_size = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    return torch.tensor(
        draw(
            st.lists(st.lists(LOGIT, min_size=vocab_size, max_size=vocab_size), min_size=rows, max_size=rows)
        )
    )


TEMPERATURES = st.sampled_from([0.05, 0.25, 0.5, 0.7, 1.0, 1.5, 2.0, 16.0])


@given(logit_batches(), TEMPERATURES)
def test_temperature_divides_keeps_the_order_and_the_input(logits, temperature):
    before = logits.clone()
    scaled = sampling.apply_temperature(logits, temperature)
    torch.testing.assert_close(scaled, before / temperature)
    assert torch.equal(logits, before), "the input was changed"
    assert torch.equal(scaled.argsort(dim=-1, stable=True), before.argsort(dim=-1, stable=True)), (
        "order changed"
    )


def test_temperature_limits():
    logits = torch.tensor([1.0, 3.0, 2.0])
    cold = torch.softmax(sampling.apply_temperature(logits, 1e-3), dim=-1)
    hot = torch.softmax(sampling.apply_temperature(logits, 1e6), dim=-1)
    torch.testing.assert_close(
        cold, torch.tensor([0.0, 1.0, 0.0]), msg="towards 0: the likeliest token alone"
    )
    torch.testing.assert_close(hot, torch.full((3,), 1 / 3), msg="towards infinity: uniform")


@pytest.mark.parametrize("temperature", [0, 0.0, -1.0, float("nan")])
def test_temperature_must_be_above_0(temperature):
    for refuse in (sampling.apply_temperature, sampling.distribution_entropy, sampling.sample_next_token):
        with pytest.raises(ValueError, match="temperature"):
            refuse(torch.zeros(1, 3), temperature)


@given(logit_batches(), TEMPERATURES)
def test_entropy_is_minus_p_ln_p_between_0_and_ln_v_and_grows_with_temperature(logits, temperature):
    entropy = sampling.distribution_entropy(logits, temperature)
    assert entropy.shape == logits.shape[:-1]
    for row, value in zip(logits.double(), entropy.tolist(), strict=True):
        weights = [math.exp((x - row.max().item()) / temperature) for x in row.tolist()]
        probs = [w / sum(weights) for w in weights]
        assert value == pytest.approx(-sum(p * math.log(p) for p in probs if p > 0), abs=1e-5)
    assert (entropy >= 0).all() and (entropy <= math.log(logits.shape[-1]) + 1e-5).all()
    assert (sampling.distribution_entropy(logits, temperature * 2) >= entropy - 1e-5).all(), (
        "not monotone in T"
    )


def test_entropy_is_finite_where_tokens_are_impossible():
    entropy = sampling.distribution_entropy(torch.tensor([[0.0, 0.0, -INF], [5.0, -INF, -INF]]))
    torch.testing.assert_close(entropy, torch.tensor([math.log(2), 0.0]))


# --- Day 25 -------------------------------------------------------------------------------------------


@given(logit_batches(), st.integers(0, 12))
def test_top_k_keeps_exactly_the_k_largest_of_each_row(logits, k):
    before = logits.clone()
    filtered = sampling.apply_top_k(logits, k)
    assert torch.equal(logits, before), "the input was changed"
    kept = filtered > -INF
    V = logits.shape[-1]
    assert (kept.sum(dim=-1) == (k if 0 < k < V else V)).all(), (
        f"k = {k} of {V} kept {kept.sum(dim=-1).tolist()}"
    )
    assert torch.equal(filtered[kept], before[kept]), "a kept logit was changed"
    for row, keep in zip(before, kept, strict=True):
        if not keep.all():
            assert row[keep].min() >= row[~keep].max(), "a smaller logit was kept in place of a larger one"


@given(logit_batches(), st.integers(0, 1000).map(lambda n: n / 1000))
def test_top_p_keeps_the_smallest_set_that_reaches_p_in_each_row(logits, p):
    before = logits.clone()
    filtered = sampling.apply_top_p(logits, p)
    assert torch.equal(logits, before), "the input was changed"
    kept = filtered > -INF
    assert torch.equal(filtered[kept], before[kept]), "a kept logit was changed"
    for row, keep, probs in zip(before, kept, torch.softmax(before.double(), dim=-1), strict=True):
        assert keep.any(), "a row lost all its tokens"
        if not keep.all():
            assert row[keep].min() >= row[~keep].max(), (
                "a less likely token was kept in place of a likelier one"
            )
        assert probs[keep].sum() >= p - 1e-6, f"kept {probs[keep].sum():.4f} of the probability: p is {p}"
        without_the_last = probs[keep].sum() - probs[keep].min()
        assert keep.sum() == 1 or without_the_last < p + 1e-6, "a smaller set would have reached p"


@given(logit_batches(), st.integers(0, 12), st.integers(0, 100).map(lambda n: n / 100))
def test_filters_treat_every_row_of_a_batch_by_itself(logits, k, p):
    for name, filtered, alone in (
        ("top-k", sampling.apply_top_k(logits, k), [sampling.apply_top_k(row, k) for row in logits]),
        ("top-p", sampling.apply_top_p(logits, p), [sampling.apply_top_p(row, p) for row in logits]),
    ):
        assert torch.equal(filtered > -INF, torch.stack(alone) > -INF), f"{name}: rows of a batch mix"
    deep = logits.expand(2, *logits.shape)
    assert torch.equal(sampling.apply_top_p(deep, p)[1], sampling.apply_top_p(logits, p)), "a third dimension"


@given(logit_batches(), st.integers(1, 9), TEMPERATURES)
def test_top_k_and_temperature_commute(logits, k, temperature):
    first = sampling.apply_top_k(sampling.apply_temperature(logits, temperature), k)
    last = sampling.apply_temperature(sampling.apply_top_k(logits, k), temperature)
    # Among equal logits either may be kept: compare what is kept by value.
    torch.testing.assert_close(first.sort(dim=-1).values, last.sort(dim=-1).values, msg="top-k depends on T")


def test_top_p_stops_where_p_is_reached_exactly():
    quarters = torch.zeros(1, 4)
    for p, kept in ((0.25, 1), (0.5, 2), (0.51, 3), (0.75, 3), (1.0, 4)):
        assert (sampling.apply_top_p(quarters, p) > -INF).sum() == kept, f"four equal tokens, p = {p}"


def test_top_p_and_temperature_do_not_commute():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    first = sampling.apply_top_p(sampling.apply_temperature(logits, 2.0), 0.8)
    last = sampling.apply_temperature(sampling.apply_top_p(logits, 0.8), 2.0)
    assert (first > -INF).sum() == 3 and (last > -INF).sum() == 2, (
        "a flatter distribution needs more tokens for p"
    )


def test_filters_agree_with_transformers():
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(64, 50, generator=torch.Generator().manual_seed(2)) * 3
    for k in (1, 7, 49):
        assert torch.equal(sampling.apply_top_k(logits, k), TopKLogitsWarper(k)(None, logits)), f"k = {k}"
    for p in (0.05, 0.5, 0.9, 0.99):
        assert torch.equal(sampling.apply_top_p(logits, p), TopPLogitsWarper(p)(None, logits)), f"p = {p}"


def test_out_of_range_filters_are_refused():
    with pytest.raises(ValueError, match="k is -1"):
        sampling.apply_top_k(torch.zeros(1, 3), -1)
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="p is"):
            sampling.apply_top_p(torch.zeros(1, 3), p)


@pytest.mark.parametrize(
    "settings", [(1.0, 0, 1.0), (0.5, 0, 1.0), (2.0, 3, 1.0), (1.0, 0, 0.6), (1.0, 3, 0.87), (2.0, 4, 0.7)]
)
def test_draws_follow_the_distribution_after_temperature_then_k_then_p(settings):
    temperature, k, p = settings
    logits = torch.tensor([1.0, 0.4, -0.5, 2.0, 0.0, -3.0], dtype=torch.float64)
    # By hand: temper, keep the k likeliest, renormalise, keep the smallest set that reaches p, renormalise.
    probs = torch.softmax(logits / temperature, dim=-1).tolist()
    order = sorted(range(6), key=lambda i: -probs[i])[: k or 6]
    total, reached, expected = sum(probs[i] for i in order), 0.0, [0.0] * 6
    for i in order:
        if reached < p:
            expected[i] = probs[i] / total
        reached += probs[i] / total
    expected = torch.tensor(expected) / sum(expected)
    draws = sampling.sample_next_token(
        logits.repeat(5000, 1), temperature, k, p, torch.Generator().manual_seed(11)
    )
    assert draws.shape == (5000, 1)
    assert_drawn_from(torch.bincount(draws.squeeze(1), minlength=6), expected, f"T, k, p = {settings}")


# --- Day 26 -------------------------------------------------------------------------------------------


def test_a_prompt_becomes_a_batch_of_one_cropped_at_the_front():
    tokenizer = LetterTokenizer()
    assert sampling.encode_prompt("abc", tokenizer, 8).tolist() == [[1, 2, 3]]
    assert sampling.encode_prompt("abcdefgh", tokenizer, 3).tolist() == [[6, 7, 8]], (
        "keep the last block_size"
    )
    assert sampling.encode_prompt("", tokenizer, 8).tolist() == [[0]], "an empty prompt starts a line"
    with pytest.raises(ValueError, match="'z'"):
        sampling.encode_prompt("az", tokenizer, 8)


def test_generate_text_keeps_the_whole_prompt_and_follows_its_settings():
    model, tokenizer = small_gpt(), LetterTokenizer()
    prompt = "abcdefghabcdefgh"  # twice the context
    text = sampling.generate_text(model, tokenizer, prompt, 10, seed=4)
    assert text.startswith(prompt) and len(text) == len(prompt) + 10
    assert text == sampling.generate_text(model, tokenizer, prompt, 10, seed=4), "same seed, other text"
    greedy = sampling.generate_text(model, tokenizer, prompt, 10, top_k=1)
    for settings in ({"top_p": 0.0}, {"temperature": 1e-4}):
        assert sampling.generate_text(model, tokenizer, prompt, 10, **settings) == greedy, (
            f"{settings} is greedy"
        )
    assert len(sampling.generate_text(model, tokenizer, "", 10, seed=4)) == 10, "an empty prompt adds nothing"


def test_each_of_n_samples_is_the_text_that_its_seed_gives_alone():
    model, tokenizer = small_gpt(dropout=0.3).train(), LetterTokenizer()
    for stop_token in (None, 3):
        samples = sampling.generate_n_samples(
            model,
            tokenizer,
            "ab",
            6,
            15,
            temperature=1.5,
            top_k=5,
            top_p=0.95,
            seed=20,
            stop_token=stop_token,
        )
        alone = [
            sampling.generate_text(
                model,
                tokenizer,
                "ab",
                15,
                temperature=1.5,
                top_k=5,
                top_p=0.95,
                seed=20 + i,
                stop_token=stop_token,
            )
            for i in range(6)
        ]
        assert samples == alone, "sample i is not the one that seed + i gives by itself"
        assert len(set(samples)) > 1, "all samples are the same"
    assert model.training, "the mode was not restored"


def test_rows_stop_by_themselves_at_the_stop_token():
    # 'a' or the stop token 'h', evenly; after the stop token only 'b'.
    table = torch.full((9, 9), -INF)
    table[:, 1] = table[:, 8] = 0.0
    table[8] = -INF
    table[8, 2] = 0.0
    model, tokenizer = TableModel(table), LetterTokenizer()
    samples = sampling.generate_n_samples(model, tokenizer, "a", 400, 30, stop_token=8)
    assert all(set(sample) == {"a"} for sample in samples), "a row went on after its stop token, or shows it"
    lengths = torch.tensor([len(sample) - 1 for sample in samples])
    assert_drawn_from(
        torch.bincount(lengths.clamp(max=6), minlength=7),
        [0.5 ** (n + 1) for n in range(6)] + [0.5**6],
        "length",
    )
    assert len(model.contexts) <= lengths.max() + 1, "the batch ran on after its last row had stopped"
    assert "b" in sampling.generate_text(model, tokenizer, "a", 30), "without a stop token it goes on"


def test_samples_follow_the_models_distribution_over_whole_texts():
    table = random_table(9, seed=7, scale=1.0)
    table[:, 3:] = -INF  # three tokens: nine texts of two
    model, tokenizer = TableModel(table), LetterTokenizer()
    samples = sampling.generate_n_samples(model, tokenizer, "a", 3000, 2, seed=100)
    first = torch.softmax(table[1, :3], dim=-1)
    second = torch.softmax(table[:3, :3], dim=-1)
    joint = (first[:, None] * second).flatten()
    texts = [tokenizer.encode(sample)[1:] for sample in samples]
    counts = torch.bincount(torch.tensor([3 * a + b for a, b in texts]), minlength=9)
    assert_drawn_from(counts, joint, "texts of two tokens")
