"""Does context pay? Trains the same small GPT on the play with 8, 64 and 256 characters of context.

Each sees the same number of characters, and is measured on the same unseen play, in windows as long as its context.

    python benchmarks/context.py [--steps 2000] [--domain play]
"""

import argparse
import time

import torch
from handmade.corpus import floors, make_corpus
from handmade.model import GPT, GPTConfig

CHARACTERS_PER_STEP = 2048


def batch(ids, block_size, generator):
    """Random windows: inputs and targets, each (B, block_size), with the same B * block_size for every context."""
    n = CHARACTERS_PER_STEP // block_size
    starts = torch.randint(len(ids) - block_size, (n, 1), generator=generator)
    windows = ids[starts + torch.arange(block_size + 1)]  # (B, block_size + 1)
    return windows[:, :-1], windows[:, 1:]


@torch.no_grad()
def val_loss(model, ids, block_size):
    """The mean loss over all of `ids`, in windows that do not overlap."""
    n = (len(ids) - 1) // 256 * 256  # the same targets for every context
    inputs, targets = ids[:n].view(-1, block_size), ids[1 : n + 1].view(-1, block_size)
    losses = [model(x, y)[1] * len(x) for x, y in zip(inputs.split(64), targets.split(64), strict=True)]
    return (sum(losses) / len(inputs)).item()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--domain", default="play")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    corpus, unseen = make_corpus(args.domain), make_corpus(args.domain, 50_000, seed=1)
    vocab = {character: i for i, character in enumerate(sorted(set(corpus.text)))}
    train_ids, val_ids = (torch.tensor([vocab[c] for c in text]) for text in (corpus.text, unseen.text))
    print("floors:", {name: round(floor, 3) for name, floor in floors(corpus).items()})

    for block_size in (8, 64, 256):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        config = GPTConfig(block_size=block_size, vocab_size=len(vocab), n_layer=2, n_head=4, n_embd=64)
        model = GPT(config).to(args.device)
        optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=args.steps, pct_start=0.1)
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
        loss = val_loss(model, val_ids.to(args.device), block_size)
        seconds = time.perf_counter() - start
        print(
            f"context {block_size:3}: validation loss {loss:.4f} nats per character ({seconds:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
