"""Does context pay? Trains the same small GPT on the play with 8, 64 and 256 characters of context.

Each is trained on the same number of characters and measured on the same unseen play. "In sight" is the loss at the
end of the first 8, 64 and 256 characters of a window, where the same model sees no more than these: what it gains
from one to the next it gains by looking further back.

    python benchmarks/context.py [--steps 8000] [--domain play] [--contexts 8 64 256]

A long context pays late: looking far back is learned after everything near. With half the steps the longest one is
hardly ahead, with fewer still it is behind. Ten minutes a context on one core.
"""

import argparse
import time

import torch
import torch.nn.functional as F

from handmade.corpus import floors, make_corpus
from handmade.model import GPT, GPTConfig

CONTEXTS = (8, 64, 256)
CHARACTERS_PER_STEP = 2048


def batch(ids, block_size, generator):
    """Random windows: inputs and targets, each (B, block_size), with the same B * block_size for every context."""
    n = CHARACTERS_PER_STEP // block_size
    starts = torch.randint(len(ids) - block_size, (n, 1), generator=generator)
    windows = ids[starts + torch.arange(block_size + 1)]  # (B, block_size + 1)
    return windows[:, :-1], windows[:, 1:]


@torch.no_grad()
def loss_by_position(model, ids, block_size):
    """The mean loss at each place of a window, (block_size,): at place t the model sees t + 1 characters."""
    windows = ids.unfold(0, block_size + 1, min(block_size, 64))  # (N, block_size + 1), overlapping if long
    losses = []
    for window in windows.split(64):
        logits, _ = model(window[:, :-1])
        losses.append(F.cross_entropy(logits.transpose(1, 2), window[:, 1:], reduction="none"))  # (B, T)
    return torch.cat(losses).mean(dim=0)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--domain", default="play")
    parser.add_argument("--contexts", type=int, nargs="+", default=CONTEXTS)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    corpus, unseen = make_corpus(args.domain), make_corpus(args.domain, 50_000, seed=1)
    vocab = {character: i for i, character in enumerate(sorted(set(corpus.text)))}
    train_ids, val_ids = (torch.tensor([vocab[c] for c in text]) for text in (corpus.text, unseen.text))
    print("floors:", {name: round(floor, 3) for name, floor in floors(corpus).items()})

    for block_size in args.contexts:
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        config = GPTConfig(block_size=block_size, vocab_size=len(vocab), n_layer=2, n_head=4, n_embd=128)
        model = GPT(config).to(args.device)
        optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 6e-3, total_steps=args.steps, pct_start=0.05
        )
        start = time.perf_counter()
        for _ in range(args.steps):
            x, y = batch(train_ids, block_size, generator)
            _, loss = model(x.to(args.device), y.to(args.device))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        model.eval()
        losses = loss_by_position(model, val_ids.to(args.device), block_size)
        seconds = time.perf_counter() - start
        seen = {n: losses[n - n // 8 : n].mean().item() for n in CONTEXTS if n <= block_size}
        print(
            f"context {block_size:3}: mean loss {losses.mean():.3f}; with about n characters in sight "
            + ", ".join(f"{n}: {loss:.3f}" for n, loss in seen.items())
            + f" ({seconds:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
