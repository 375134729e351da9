"""Sampling (days 22 and 24 to 26): from a model's logits to text, one token after another.

Each step asks the model for the logits of the next token, shapes the distribution (temperature, then top-k,
then top-p), draws from it, appends, and asks again. What searches for the likeliest text instead of drawing
(day 23) is in `handmade.search`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn as nn
from torch import Tensor

# --- Day 22: one token after another ------------------------------------------------------------------


@torch.no_grad()
def generate(
    model: nn.Module, idx: Tensor, max_new_tokens: int, generator: torch.Generator | None = None
) -> Tensor:
    """Continue each row of idx by tokens drawn from the model: (B, T) -> (B, T + max_new_tokens).

    The model sees at most the last block_size tokens; it runs in eval mode and gets its own mode back.
    """
    was_training = model.training
    model.eval()
    for _ in range(max_new_tokens):
        logits, _ = model(idx[:, -model.config.block_size :])  # (B, at most block_size, V)
        probs = torch.softmax(logits[:, -1, :], dim=-1)  # (B, V): only the last position predicts what is new
        next_token = torch.multinomial(probs, num_samples=1, generator=generator)  # (B, 1)
        idx = torch.cat([idx, next_token], dim=1)
    model.train(was_training)
    return idx


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; afterwards, also after an interrupt, the mode the model came in."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


# --- Day 24: temperature ------------------------------------------------------------------------------


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Logits of the same shape whose softmax is sharper (temperature below 1) or flatter (above 1).

    Raises:
        ValueError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(
            f"temperature is {temperature}: choose one above 0 (close to 0 takes the likeliest token)"
        )
    return logits / temperature


def distribution_entropy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """How unsure the next token is, in nats: (..., V) -> (...), from 0 (certain) to ln V (uniform).

    Raises:
        ValueError: the temperature is not above 0.
    """
    probs = torch.softmax(apply_temperature(logits, temperature), dim=-1)
    return torch.special.entr(probs).sum(dim=-1)  # entr(p) is -p ln p, and 0 where p is 0


# --- Day 25: top-k and top-p --------------------------------------------------------------------------


def apply_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep each row's k largest logits and set the others to -inf: (..., V) -> (..., V).

    Exactly k stay, also where logits are equal; k = 0 and k >= V keep all.
    Fan et al., "Hierarchical Neural Story Generation" (2018).

    Raises:
        ValueError: k is negative.
    """
    if k < 0:
        raise ValueError(f"k is {k}: choose how many tokens to keep, or 0 to keep all")
    if k == 0 or k >= logits.shape[-1]:
        return logits
    kept = logits.topk(k, dim=-1).indices  # (..., k)
    dropped = torch.ones_like(logits, dtype=torch.bool).scatter(-1, kept, False)  # (..., V)
    return logits.masked_fill(dropped, float("-inf"))


def apply_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep each row's likeliest tokens until they add up to p, the others -inf: (..., V) -> (..., V).

    The token that reaches p stays, so that at least one does; p = 1 keeps all.
    Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020).

    Raises:
        ValueError: p is not between 0 and 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}: choose a probability between 0 and 1")
    if p == 1:
        return logits  # rounding could let the sum reach 1 before the last token
    sorted_logits, order = logits.sort(dim=-1, descending=True)
    reached = torch.softmax(sorted_logits, dim=-1).cumsum(dim=-1) >= p  # True from the token that reaches p
    dropped = torch.zeros_like(reached)
    dropped[..., 1:] = reached[..., :-1]  # one place later: drop what comes after that token
    dropped = torch.zeros_like(dropped).scatter(-1, order, dropped)  # unsort, each row by its own order
    return logits.masked_fill(dropped, float("-inf"))


def sample_next_token(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw one token from each row of logits, after temperature, then top-k, then top-p: (B, V) -> (B, 1).

    Top-k would keep the same tokens before the temperature; top-p would not, since the temperature moves the
    probabilities that it adds up.

    Raises:
        ValueError: temperature, top_k or top_p is out of range.
    """
    logits = apply_temperature(logits, temperature)
    logits = apply_top_k(logits, top_k)
    logits = apply_top_p(logits, top_p)
    return torch.multinomial(torch.softmax(logits, dim=-1), num_samples=1, generator=generator)


# --- Day 26: the full generator -----------------------------------------------------------------------


def encode_prompt(prompt: str, tokenizer, block_size: int) -> Tensor:
    """The prompt's last block_size tokens as a batch of one: (1, T), with T at least 1.

    A model continues something, so an empty prompt becomes a line break: the start of a line.

    Raises:
        ValueError: the tokenizer does not know a character of the prompt.
    """
    ids = torch.as_tensor(tokenizer.encode(prompt or "\n"), dtype=torch.long)  # (T,)
    return ids[-block_size:].unsqueeze(0)


def generate_text(
    model: nn.Module,
    tokenizer,
    prompt: str,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    stop_token: int | None = None,
) -> str:
    """The prompt and what the model writes after it, at most max_new_tokens, or up to the first stop token.

    The stop token itself is not part of the text.

    Raises:
        ValueError: an unknown character in the prompt; temperature, top_k or top_p out of range.
    """
    device = next(model.parameters()).device
    block_size = model.config.block_size
    idx = encode_prompt(prompt, tokenizer, block_size).to(device)  # (1, T)
    generator = torch.Generator().manual_seed(seed)
    new_tokens = []
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits, _ = model(idx[:, -block_size:])
            logits = logits[:, -1, :].cpu()  # drawn on the CPU: a seed gives the same numbers on every device
            next_token = sample_next_token(logits, temperature, top_k, top_p, generator)  # (1, 1)
            if next_token.item() == stop_token:
                break
            new_tokens.append(next_token.item())
            idx = torch.cat([idx, next_token.to(device)], dim=1)
    return prompt + tokenizer.decode(new_tokens)


def generate_n_samples(
    model: nn.Module,
    tokenizer,
    prompt: str,
    n: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    stop_token: int | None = None,
) -> list[str]:
    """n continuations of one prompt, made side by side in one batch.

    Sample i draws with a generator of its own, seeded with seed + i: it is the text that `generate_text`
    writes with that seed, however many samples are made beside it.

    Raises:
        ValueError: as `generate_text`.
    """
    device = next(model.parameters()).device
    block_size = model.config.block_size
    idx = encode_prompt(prompt, tokenizer, block_size).to(device).repeat(n, 1)  # (n, T)
    generators = [torch.Generator().manual_seed(seed + i) for i in range(n)]
    new_tokens = [[] for _ in range(n)]
    stopped = [False] * n
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits, _ = model(idx[:, -block_size:])
            logits = logits[:, -1, :].cpu()  # (n, V)
            draws = [
                sample_next_token(logits[i : i + 1], temperature, top_k, top_p, generators[i])
                for i in range(n)
            ]
            for i, token in enumerate(draws):
                stopped[i] = stopped[i] or token.item() == stop_token
                if not stopped[i]:
                    new_tokens[i].append(token.item())
            if all(stopped):
                break
            idx = torch.cat([idx, torch.cat(draws).to(device)], dim=1)  # a stopped row runs on unread
    return [prompt + tokenizer.decode(tokens) for tokens in new_tokens]
