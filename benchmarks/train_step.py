"""One training step of our GPT beside one of transformers' GPT-2: same sizes, weights, batch and optimizer.

    python benchmarks/train_step.py [--rounds 60] [--threads 2]

Forward, loss, backward, clipping to norm 1 and AdamW, in float32, without dropout. The contestants take turns
step by step, so that whatever else the machine does falls on all of them alike; the ratio is the median of the
rounds' ratios. Both sides get plain AdamW, then the fused one, which is the faster for both and what our
`train` uses. The matmul floor is the time of the step's matrix products alone, as plain torch matmuls.
"""

import argparse
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
import transformers

from handmade.model import GPT, GPTConfig

CONFIG = GPTConfig(vocab_size=65, block_size=64, n_layer=4, n_head=4, n_embd=128)
BATCH_SIZE = 12
TARGET = 0.85


def hugging_face_twin(model: GPT) -> transformers.GPT2LMHeadModel:
    """transformers' GPT-2 with the sizes and weights of `model`; its linear layers keep theirs transposed."""
    c = model.config
    twin = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=c.vocab_size,
            n_positions=c.block_size,
            n_embd=c.n_embd,
            n_layer=c.n_layer,
            n_head=c.n_head,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
            use_cache=False,
        )
    )
    linear = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name != "lm_head"
    }
    twin.load_state_dict({k: w.T if k in linear else w for k, w in model.state_dict().items()})
    return twin.train()


def training_step(model, loss_of, **adamw):
    """A function that takes one step and returns its loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, **adamw)

    def step() -> float:
        loss = loss_of(model)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def matmul_floor(model: GPT):
    """A function that does a step's matrix products and nothing else, and how many FLOPs they are."""
    c, tokens = model.config, BATCH_SIZE * model.config.block_size
    products = []
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            w = layer.weight.detach()  # (out, in)
            x, g = torch.randn(tokens, w.shape[1]), torch.randn(tokens, w.shape[0])
            products += [(x, w.T), (g, w), (g.T, x)]  # output, input's gradient, weight's gradient
    q = torch.randn(BATCH_SIZE * c.n_head, c.block_size, c.head_size)
    att = torch.randn(BATCH_SIZE * c.n_head, c.block_size, c.block_size)
    # q kᵀ and att v, then the gradients of att, v, q and k
    products += c.n_layer * [(q, q.mT), (att, q), (q, q.mT), (att.mT, q), (att, q), (att.mT, q)]
    flops = sum(2 * a.numel() * b.shape[-1] for a, b in products)

    def multiply() -> None:
        for a, b in products:
            a @ b

    return multiply, flops


def interleave(contestants: dict, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each contestant in each round; every other round in reverse order."""
    times = {name: [] for name in contestants}
    for i in range(-5, rounds):  # five rounds to warm up
        for name in list(contestants)[:: 1 if i % 2 else -1]:
            start = time.perf_counter()
            contestants[name]()
            if i >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()

    idx = torch.randint(CONFIG.vocab_size, (BATCH_SIZE, CONFIG.block_size))
    targets = torch.randint(CONFIG.vocab_size, (BATCH_SIZE, CONFIG.block_size))

    def our_loss(model):
        return model(idx, targets)[1]

    def their_loss(model):  # from the logits: their own loss would shift the targets once more
        return F.cross_entropy(model(idx).logits.flatten(0, 1), targets.flatten())

    optimizers = {"AdamW": {}, "AdamW, fused": {"fused": True}}
    contestants = {}
    for label, adamw in optimizers.items():
        model = GPT(CONFIG)
        contestants[f"ours, {label}"] = training_step(model, our_loss, **adamw)
        contestants[f"theirs, {label}"] = training_step(hugging_face_twin(model), their_loss, **adamw)
        ours, theirs = (contestants[f"{who}, {label}"]() for who in ("ours", "theirs"))
        assert abs(ours - theirs) < 1e-4, f"not the same model: first losses {ours} and {theirs}"
    contestants["matmul floor"], flops = matmul_floor(model)
    times = interleave(contestants, args.rounds)

    median = {name: statistics.median(values) for name, values in times.items()}
    print(f"{CONFIG}, batch {BATCH_SIZE}, {args.threads} threads, medians of {args.rounds} rounds")
    print(f"{'one training step':<20}{'handmade':>12}{'transformers':>15}{'ratio':>8}   target")
    for label in optimizers:
        ours, theirs = times[f"ours, {label}"], times[f"theirs, {label}"]
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        print(
            f"{label:<20}{median[f'ours, {label}']:>9.1f} ms{median[f'theirs, {label}']:>12.1f} ms"
            f"{ratio:>8.2f}   {TARGET:.2f} {'met' if ratio <= TARGET else 'MISSED'}"
        )
    floor = median["matmul floor"]
    print(
        f"{'matmul floor':<20}{floor:>9.1f} ms   ({flops / 1e9:.2f} GFLOP at {flops / floor / 1e6:.0f} GFLOP/s)"
    )


if __name__ == "__main__":
    main()
