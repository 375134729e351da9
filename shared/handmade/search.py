"""Search (day 23): the likeliest continuation, instead of one drawn at random.

Greedy decoding takes the likeliest token at every step; beam search keeps several beginnings alive, because
the likeliest text need not begin with the likeliest token. Both are deterministic, and both love to repeat
themselves.
"""

import torch
import torch.nn as nn
from torch import Tensor

from handmade.sampling import evaluating


def generate_greedy(model: nn.Module, idx: Tensor, max_new_tokens: int) -> Tensor:
    """Continue each row of idx by the likeliest token, again and again: (B, T) -> (B, T + max_new_tokens)."""
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits, _ = model(idx[:, -model.config.block_size :])
            next_token = logits[:, -1, :].argmax(dim=-1, keepdim=True)  # (B, 1)
            idx = torch.cat([idx, next_token], dim=1)
    return idx


def sequence_log_prob(model: nn.Module, idx: Tensor, prompt_len: int) -> Tensor:
    """ln P(everything after the first prompt_len tokens | those tokens), in nats: (B, T) -> (B,).

    One pass scores every token, because position t already predicts position t + 1.

    Raises:
        ValueError: the prompt is empty, or the sequence does not fit into the model.
    """
    T = idx.shape[1]
    if not 1 <= prompt_len <= T:
        raise ValueError(f"prompt_len is {prompt_len}: it must be between 1 and the {T} tokens of idx")
    if T - 1 > model.config.block_size:
        raise ValueError(f"idx has {T} tokens: score at most block_size + 1 = {model.config.block_size + 1}")
    if prompt_len == T:
        return torch.zeros(idx.shape[0], device=idx.device)
    with evaluating(model):
        logits, _ = model(idx[:, :-1])  # (B, T - 1, V)
    log_probs = torch.log_softmax(logits[:, prompt_len - 1 :, :], dim=-1)  # (B, T - prompt_len, V)
    return log_probs.gather(-1, idx[:, prompt_len:, None]).squeeze(-1).sum(dim=-1)


def beam_search(
    model: nn.Module,
    idx: Tensor,
    beam_width: int,
    max_new_tokens: int,
    length_penalty: float = 0.0,
    stop_token: int | None = None,
) -> list[tuple[Tensor, float]]:
    """The likeliest continuations of one prompt (1, T) that a beam finds: (ids, score) pairs, best first.

    ids is 1-D: the prompt, then max_new_tokens tokens, or fewer if the last of them is the stop token. A
    score is the continuation's log-probability divided by its length to the power of length_penalty: 0 ranks
    by probability, which favours the short; 1 by the mean per token. A beam of 1 is greedy decoding. A wider
    beam usually finds better, but is not bound to: a beginning that looks good may crowd out one that ends well.

    Raises:
        ValueError: idx holds more than one prompt, or beam_width is below 1.
    """
    if idx.shape[0] != 1:
        raise ValueError(f"idx has {idx.shape[0]} rows: search from one prompt at a time")
    if beam_width < 1:
        raise ValueError(f"beam_width is {beam_width}: keep at least 1 beam")
    # On the CPU, in float64: the sum of many logarithms must still tell close rivals apart.
    beams = idx.cpu()  # (W, T): W is at most beam_width
    log_prob = torch.zeros(1, dtype=torch.float64)  # (W,)
    length = torch.zeros(1, dtype=torch.long)  # (W,) new tokens so far
    stopped = torch.zeros(1, dtype=torch.bool)  # (W,)
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits, _ = model(beams[:, -model.config.block_size :].to(idx.device))
            step = torch.log_softmax(logits[:, -1, :].cpu().double(), dim=-1)  # (W, V)
            if stop_token is not None:  # a stopped beam stays as it is: one more stop token, at no cost
                step[stopped] = float("-inf")
                step[stopped, stop_token] = 0.0
            candidates = log_prob[:, None] + step  # (W, V)
            length = length + ~stopped
            scores = (candidates / length[:, None] ** length_penalty).flatten()  # (W * V,)
            best = scores.topk(min(beam_width, scores.numel())).indices
            best = best[scores[best] > float("-inf")]  # fewer than beam_width where the rest is impossible
            row, token = best // step.shape[1], best % step.shape[1]
            beams = torch.cat([beams[row], token[:, None]], dim=1)
            log_prob, length, stopped = candidates.flatten()[best], length[row], stopped[row]
            if stop_token is not None:
                stopped = stopped | (token == stop_token)
            if stopped.all():
                break
    scores = log_prob / length.clamp(min=1) ** length_penalty
    ends = idx.shape[1] + length
    return [
        (beam[:end].to(idx.device), score)
        for beam, end, score in zip(beams, ends.tolist(), scores.tolist(), strict=True)
    ]


def repetition_rate(ids, n: int) -> float:
    """The share of runs of n tokens in ids (1-D) that came before: 0 if all differ, near 1 in a loop."""
    ids = torch.as_tensor(ids).tolist()
    runs = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    if not runs:
        return 0.0
    return 1 - len(set(runs)) / len(runs)
