"""Day 9 · Attention, one head: known wrong answers, then right ones, exercise by exercise."""

import math

import torch
import torch.nn.functional as F

from autograder.misconception import right, wrong
from handmade.attention import attention_weights

# --- causal_mask ----------------------------------------------------------------------------------------


@wrong("day09.causal_mask", fails="itself")
def causal_mask(T, device=None):
    """The diagonal is masked too: no position sees itself, and the first one sees nothing at all (a row of NaN)."""
    return torch.ones(T, T, dtype=torch.bool, device=device).tril(-1)


@wrong("day09.causal_mask", fails="direction")
def causal_mask(T, device=None):
    """The mask is transposed: each position sees the later ones instead of the earlier ones (triu for tril)."""
    return torch.ones(T, T, dtype=torch.bool, device=device).triu()


@wrong("day09.causal_mask", fails=("itself", "direction"))
def causal_mask(T, device=None):
    """The mask is inverted: it is True where looking is forbidden. Here True means "may look"."""
    return torch.ones(T, T, dtype=torch.bool, device=device).triu(1)


@wrong("day09.causal_mask", fails="direction")
def causal_mask(T, device=None):
    """Nothing is masked: every position sees every other, the later ones too."""
    return torch.ones(T, T, dtype=torch.bool, device=device)


@wrong("day09.causal_mask", fails="direction")
def causal_mask(T, device=None):
    """The mask has a fixed reach: positions further back than 8 are hidden."""
    mask = torch.ones(T, T, dtype=torch.bool, device=device)
    return mask.tril() & mask.triu(-8)


@wrong("day09.causal_mask", fails="form")
def causal_mask(T, device=None):
    """The mask holds numbers, 0 and 1: it must be of dtype bool, so that ~mask means "not"."""
    return torch.tril(torch.ones(T, T, device=device))


@wrong("day09.causal_mask", fails="form")
def causal_mask(T, device=None):
    """The mask is the additive kind, 0 and -inf: here it must be of dtype bool."""
    return torch.full((T, T), float("-inf"), device=device).triu(1)


@wrong("day09.causal_mask", fails="form")
def causal_mask(T, device=None):
    """The mask has extra dimensions of size 1: it must be (T, T), broadcasting adds the others."""
    return torch.ones(T, T, dtype=torch.bool, device=device).tril()[None, None]


@wrong("day09.causal_mask", fails="device")
def causal_mask(T, device=None):
    """The mask is always made on the CPU: the device argument is not used."""
    return torch.ones(T, T, dtype=torch.bool).tril()


@right("day09.causal_mask")
def causal_mask(T, device=None):
    """By comparing positions."""
    t = torch.arange(T, device=device)
    return t[None, :] <= t[:, None]


@right("day09.causal_mask")
def causal_mask(T, device=None):
    """Through triu and not."""
    return ~torch.triu(torch.ones(T, T, device=device), diagonal=1).bool()


@right("day09.causal_mask")
def causal_mask(T, device=None):
    """Row by row, in a loop."""
    mask = torch.zeros((T, T), dtype=torch.bool, device=device)
    for t in range(T):
        mask[t, : t + 1] = True
    return mask


@right("day09.causal_mask")
def causal_mask(T, device=None):
    """From indices, on the CPU first."""
    rows, columns = torch.tril_indices(T, T)
    mask = torch.zeros(T, T)
    mask[rows, columns] = 1
    return mask.to(torch.bool).to(device)


# --- attention_weights ----------------------------------------------------------------------------------


@wrong("day09.attention_weights", fails="rows")
def attention_weights(q, k, mask=None):
    """The mask is applied after the softmax: what is removed is missing, and the rows no longer sum to 1."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    weights = torch.softmax(scores, dim=-1)
    return weights if mask is None else weights.masked_fill(~mask, 0.0)


@wrong("day09.attention_weights", fails="rows")
def attention_weights(q, k, mask=None):
    """The softmax runs over the queries (dim=-2): the columns sum to 1, not the rows."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        # Hide whole columns only where no query may look, so that no column is all -inf.
        scores = scores.masked_fill(~mask & mask.any(-2, keepdim=True), float("-inf"))
    weights = torch.softmax(scores, dim=-2)
    return weights if mask is None else weights * mask


@wrong("day09.attention_weights", fails="masked")
def attention_weights(q, k, mask=None):
    """Masked scores are set to 0 instead of -inf: exp(0) is 1, so hidden positions keep a share."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, 0.0)
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="masked")
def attention_weights(q, k, mask=None):
    """The mask is not used at all."""
    return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)


@wrong("day09.attention_weights", fails="masked")
def attention_weights(q, k, mask=None):
    """The mask is used the wrong way round: what may be seen is hidden (masked_fill(mask, …) for ~mask)."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="masked")
def attention_weights(q, k, mask=None):
    """The mask is transposed before use: rows and columns have changed places."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask.transpose(-2, -1), -1e30)
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="masked")
def attention_weights(q, k, mask=None):
    """The bool mask is added to the scores: that adds 1 where looking is allowed, and hides nothing."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="scale")
def attention_weights(q, k, mask=None):
    """The scores are not scaled: the division by √d_k is missing."""
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="scale")
def attention_weights(q, k, mask=None):
    """The scores are divided by d_k, not by its square root."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1]
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="scale")
def attention_weights(q, k, mask=None):
    """The scores are divided by the root of the sequence length T, not of the width d_k."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-2])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="queries")
def attention_weights(q, k, mask=None):
    """Queries and keys are swapped (k qᵀ for q kᵀ): each row belongs to a key."""
    scores = k @ q.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="extremes")
def attention_weights(q, k, mask=None):
    """Scores are exponentiated as they are: exp of a large score overflows. Take off each row's maximum first."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    exponentials = scores.exp()
    return exponentials / exponentials.sum(-1, keepdim=True)


@wrong("day09.attention_weights", fails="extremes")
def attention_weights(q, k, mask=None):
    """Masked scores are set to -10,000, which is not low enough once allowed scores are lower: use -inf."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e4)
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="batches")
def attention_weights(q, k, mask=None):
    """The dimensions are counted from the front (transpose(1, 2)), which is right for one leading shape only."""
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=2)


@wrong("day09.attention_weights", fails="unchanged")
def attention_weights(q, k, mask=None):
    """The queries are scaled in place: the caller's tensor changes, and a second call gives another result."""
    q /= math.sqrt(q.shape[-1])
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="gradient")
def attention_weights(q, k, mask=None):
    """The computation is cut off from its inputs (detach, .data or no_grad), so nothing before it can learn."""
    scores = q.detach() @ k.detach().transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


@wrong("day09.attention_weights", fails="pytorch")
def attention_weights(q, k, mask=None):
    """The scores are clamped to ±5, which flattens every weight beyond."""
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).clamp(-5, 5)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


@right("day09.attention_weights")
def attention_weights(q, k, mask=None):
    """Einsum, and the scale on the queries."""
    scores = torch.einsum("...td,...sd->...ts", q * q.size(-1) ** -0.5, k)
    if mask is not None:
        scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
    return scores.softmax(-1)


@right("day09.attention_weights")
def attention_weights(q, k, mask=None):
    """The softmax by hand, with each row's maximum taken off first."""
    scores = torch.matmul(q, k.mT) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask == False, float("-inf"))  # noqa: E712
    exponentials = torch.exp(scores - scores.max(dim=-1, keepdim=True).values)
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


@right("day09.attention_weights")
def attention_weights(q, k, mask=None):
    """In float64 inside, and back."""
    scores = q.double() @ k.double().transpose(-1, -2) / math.sqrt(k.shape[-1])
    if mask is not None:
        scores = scores + torch.zeros_like(scores).masked_fill(mask.logical_not(), float("-inf"))
    return F.softmax(scores, dim=-1).type_as(q)


@right("day09.attention_weights")
def attention_weights(q, k, mask=None):
    """Row by row, in a loop."""
    rows = []
    for t in range(q.shape[-2]):
        scores = (k @ q[..., t, :, None]).squeeze(-1) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask[..., t, :], float("-inf"))
        rows.append(torch.softmax(scores, dim=-1))
    return torch.stack(rows, dim=-2)


@right("day09.attention_weights")
def attention_weights(q, k, mask=None):
    """Through PyTorch's attention: over the identity matrix it returns its weights."""
    identity = torch.eye(k.shape[-2], dtype=k.dtype, device=k.device).expand(*k.shape[:-1], k.shape[-2])
    return F.scaled_dot_product_attention(q, k, identity, attn_mask=mask)


# --- attend ---------------------------------------------------------------------------------------------


@wrong("day09.attend", fails=("values", "widths"))
def attend(q, k, v, mask=None):
    """The weights average the keys: the values v are not used."""
    return attention_weights(q, k, mask) @ k


@wrong("day09.attend", fails="values")
def attend(q, k, v, mask=None):
    """The output is divided by √d_k: only the scores are, before the softmax."""
    return attention_weights(q, k, mask) @ v / math.sqrt(q.shape[-1])


@wrong("day09.attend", fails="causality")
def attend(q, k, v, mask=None):
    """The mask is not passed on to attention_weights: every position sees the whole sequence."""
    return attention_weights(q, k) @ v


@wrong("day09.attend", fails=("values", "causality", "widths"))
def attend(q, k, v, mask=None):
    """The weights are transposed before they meet the values: each position gives where it should gather."""
    return attention_weights(q, k, mask).transpose(-2, -1) @ v


@wrong("day09.attend", fails="causality")
def attend(q, k, v, mask=None):
    """The weights go through a second softmax, which gives the masked zeros a share again."""
    return torch.softmax(attention_weights(q, k, mask), dim=-1) @ v


@wrong("day09.attend", fails="seen")
def attend(q, k, v, mask=None):
    """A causal mask is always added, also when the caller gives none."""
    causal = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril(
        k.shape[-2] - q.shape[-2]
    )
    return attention_weights(q, k, causal if mask is None else causal & mask) @ v


@wrong("day09.attend", fails="widths")
def attend(q, k, v, mask=None):
    """The output is given the queries' shape; its width is that of the values."""
    return (attention_weights(q, k, mask) @ v).view(q.shape)


@wrong("day09.attend", fails="batches")
def attend(q, k, v, mask=None):
    """Only (B, T, C) inputs are handled: torch.bmm knows one batch dimension and no other."""
    return torch.bmm(attention_weights(q, k, mask), v)


@wrong("day09.attend", fails="gradient")
def attend(q, k, v, mask=None):
    """The weights are detached: queries and keys get no gradient, and the model cannot learn where to look."""
    return attention_weights(q, k, mask).detach() @ v


@wrong("day09.attend", fails="pytorch")
def attend(q, k, v, mask=None):
    """The scores are scaled twice: attention_weights already divides by √d_k."""
    return attention_weights(q / math.sqrt(q.shape[-1]), k, mask) @ v


@right("day09.attend")
def attend(q, k, v, mask=None):
    """Einsum."""
    return torch.einsum("...ts,...sd->...td", attention_weights(q, k, mask), v)


@right("day09.attend")
def attend(q, k, v, mask=None):
    """All in one place, without the day's other function."""
    scores = torch.matmul(q, torch.transpose(k, -1, -2)) * (1.0 / math.sqrt(k.size(-1)))
    if mask is not None:
        scores = scores.masked_fill(torch.logical_not(mask), -torch.inf)
    return torch.matmul(torch.nn.Softmax(dim=-1)(scores), v)


@right("day09.attend")
def attend(q, k, v, mask=None):
    """A weighted sum, written as one."""
    weights = attention_weights(q, k, mask)
    return (weights.unsqueeze(-1) * v.unsqueeze(-3)).sum(dim=-2)


@right("day09.attend")
def attend(q, k, v, mask=None):
    """PyTorch's own."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@right("day09.attend")
def attend(q, k, v, mask=None):
    """Row by row, in a loop, into a tensor made beforehand."""
    weights = attention_weights(q, k, mask)
    output = torch.zeros(*q.shape[:-1], v.shape[-1], dtype=v.dtype, device=v.device)
    for t in range(q.shape[-2]):
        output[..., t, :] = (weights[..., t, :, None] * v).sum(-2)
    return output
