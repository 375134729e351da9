"""Day 23: what greedy decoding and beam search find, against exhaustive search and Hugging Face's generate."""

import itertools
import random

import pytest
import torch
from crafted import TableModel, small_gpt
from transformers import GPT2Config, GPT2LMHeadModel

from handmade.search import beam_search, generate_greedy, repetition_rate, sequence_log_prob


def all_continuations(model, prompt, n, stop_token=None):
    """Every continuation of n tokens, or fewer up to the first stop token, with its log-probability."""
    vocab_size = model(prompt)[0].shape[-1]
    seen = {}
    for tokens in itertools.product(range(vocab_size), repeat=n):
        if stop_token in tokens:
            tokens = tokens[: tokens.index(stop_token) + 1]
        ids = torch.cat([prompt[0], torch.tensor(tokens, dtype=torch.long)])
        seen[tokens] = (ids, sequence_log_prob(model, ids[None], prompt.shape[1]).item())
    return list(seen.values())


def test_greedy_takes_the_likeliest_token_each_time_in_each_row():
    model = small_gpt(dropout=0.5).train()
    idx = torch.tensor([[1, 2, 3], [4, 5, 6]])
    out = generate_greedy(model, idx, 12)
    assert model.training and torch.equal(out[:, :3], idx) and out.shape == (2, 15)
    model.eval()
    for t in range(3, 15):
        logits, _ = model(out[:, max(0, t - 8) : t])
        assert torch.equal(out[:, t], logits[:, -1].argmax(dim=-1)), f"token {t} is not the likeliest"


def test_sequence_log_prob_adds_what_the_model_gives_each_token():
    model = small_gpt()
    idx = torch.randint(9, (3, 9), generator=torch.Generator().manual_seed(0))  # block_size + 1 tokens
    for prompt_len in (1, 4, 9):
        expected = torch.zeros(3)
        for t in range(prompt_len, 9):
            logits, _ = model(idx[:, :t])
            expected += torch.log_softmax(logits[:, -1], dim=-1)[torch.arange(3), idx[:, t]].detach()
        torch.testing.assert_close(sequence_log_prob(model, idx, prompt_len), expected, atol=1e-4, rtol=1e-4)


def test_sequence_log_prob_refuses_what_it_cannot_score():
    model = small_gpt()
    for prompt_len in (0, 6):
        with pytest.raises(ValueError, match="prompt_len"):
            sequence_log_prob(model, torch.zeros(1, 5, dtype=torch.long), prompt_len)
    with pytest.raises(ValueError, match="block_size"):
        sequence_log_prob(model, torch.zeros(1, 10, dtype=torch.long), 1)


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_greedy_also_past_the_context(seed):
    model, prompt = small_gpt(seed), torch.tensor([[seed, 1, 2]])
    [(ids, score)] = beam_search(model, prompt, 1, 20)
    assert torch.equal(ids, generate_greedy(model, prompt, 20)[0])
    [(ids, score)] = beam_search(model, prompt, 1, 5)
    assert score == pytest.approx(sequence_log_prob(model, ids[None], 3).item(), abs=1e-4)


def test_a_beam_finds_the_best_path_where_greedy_walks_past_it():
    # From 0: token 1 (0.6) leads to an even split of three; token 2 (0.4) leads to 3 for certain.
    probs = torch.full((4, 4), 1e-9)
    probs[0, 1], probs[0, 2] = 0.6, 0.4
    probs[1, 1:] = 1 / 3
    probs[2, 3] = 1.0
    model, prompt = TableModel(probs.log()), torch.tensor([[0]])
    assert generate_greedy(model, prompt, 2)[0, 1] == 1
    ids, score = beam_search(model, prompt, 2, 2)[0]
    assert ids.tolist() == [0, 2, 3], "0.4 x 1 is more than 0.6 x 1/3"
    assert score == pytest.approx(torch.tensor(0.4).log().item(), abs=1e-5)


def test_a_wider_beam_can_find_worse():
    # Greedy's start is the best one; two others look better after the second token and crowd it out.
    probs = torch.full((7, 7), 1e-9)
    probs[0, 1], probs[0, 2] = 0.51, 0.49
    probs[1, 3], probs[1, 5], probs[1, 6] = 0.34, 0.33, 0.33  # 1 -> 3 -> 0 for certain
    probs[2, 4], probs[2, 5] = 0.5, 0.5  # then four ways on, evenly
    probs[3, 0] = 1.0
    probs[4, 1:5] = probs[5, 1:5] = 0.25
    model, prompt = TableModel(probs.log()), torch.tensor([[0]])
    one, two = (beam_search(model, prompt, width, 3)[0] for width in (1, 2))
    assert one[0].tolist() == [0, 1, 3, 0]
    assert two[1] < one[1], "a guarantee that a wider beam is no worse would be false"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("stop_token", [None, 2])
def test_full_width_is_exhaustive_search(seed, length_penalty, stop_token):
    model, prompt, n = small_gpt(seed, vocab_size=4), torch.tensor([[3, 1]]), 4
    found = beam_search(model, prompt, 4**n, n, length_penalty, stop_token)
    every = all_continuations(model, prompt, n, stop_token)
    scores = {tuple(ids.tolist()): log_prob / (len(ids) - 2) ** length_penalty for ids, log_prob in every}
    assert {tuple(ids.tolist()) for ids, _ in found} == set(scores), (
        "a continuation is missing, or there twice"
    )
    for ids, score in found:
        assert score == pytest.approx(scores[tuple(ids.tolist())], abs=1e-4), f"score of {ids.tolist()}"
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True), (
        "not best first"
    )


def test_beam_refuses_a_batch_and_no_beams():
    with pytest.raises(ValueError, match="2 rows"):
        beam_search(small_gpt(), torch.zeros(2, 3, dtype=torch.long), 2, 4)
    with pytest.raises(ValueError, match="beam_width"):
        beam_search(small_gpt(), torch.zeros(1, 3, dtype=torch.long), 0, 4)


@pytest.fixture(scope="module")
def twins():
    """One random GPT-2, as Hugging Face's module and ours."""
    model = small_gpt(block_size=32)
    theirs = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=9, n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=None, eos_token_id=None
        )
    ).eval()
    transposed = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
    theirs.load_state_dict(
        {name: w.T if name.endswith(transposed) else w for name, w in model.state_dict().items()},
        strict=False,
    )
    torch.testing.assert_close(theirs(torch.tensor([[1, 2]])).logits, model(torch.tensor([[1, 2]]))[0])
    return model, theirs


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("stop_token", [None, 7])
def test_search_finds_what_transformers_finds(twins, width, stop_token):
    model, theirs = twins
    for seed in range(3):
        prompt = torch.randint(9, (1, 3), generator=torch.Generator().manual_seed(seed))
        expected = theirs.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=12,
            num_beams=width,
            do_sample=False,
            length_penalty=0.0,
            eos_token_id=stop_token,
            pad_token_id=stop_token,
        )
        ids, _ = beam_search(model, prompt, width, 12, stop_token=stop_token)[0]
        assert ids.tolist() == expected[0].tolist(), f"prompt {prompt.tolist()}, {width} beams"
        if width == 1 and stop_token is None:
            assert torch.equal(generate_greedy(model, prompt, 12), expected)


def test_repetition_rate_counts_runs_that_were_there_before():
    assert repetition_rate([1, 2, 3, 4], 2) == 0.0
    assert repetition_rate([1, 1, 1, 1, 1], 2) == 0.75, "4 runs of two, 1 distinct"
    assert repetition_rate(torch.tensor([1, 2, 1, 2, 1]), 2) == 0.5, "12 21 12 21"
    assert repetition_rate([1, 2], 3) == 0.0, "too short for a run"
    ids = random.Random(0).choices(range(3), k=200)
    before, repeated = set(), 0
    for i in range(198):
        run = tuple(ids[i : i + 3])
        repeated += run in before
        before.add(run)
    assert repetition_rate(ids, 3) == pytest.approx(repeated / 198)
