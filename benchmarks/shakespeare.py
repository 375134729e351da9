"""Tiny Shakespeare to validation loss 1.886 on two CPU cores: nanoGPT's published recipe, and the course's.

    python benchmarks/shakespeare.py [PATH/TO/tinyshakespeare.txt] [--threads 2]

Without a file the text is the course's own corpus, and the loss to reach that of the published recipe.
Both train the same GPT class with the same loop, one after the other. The published recipe is the CPU example
in nanoGPT's README (Karpathy, 2022), which reports a loss of 1.88. In so short a run a model of 0.8 million
weights is far from full: half the layers, at six times the learning rate and along a cosine that ends at 0,
learn more from each step, and a step costs half.

The loss is over the whole validation split, in the same windows for both, after the clock has stopped. CPU
seconds stand beside those on the clock because other programs slow the clock down.
"""

import argparse
import time

import torch

from handmade.corpus import load_corpus
from handmade.data import load_data, train_val_split
from handmade.model import GPT, GPTConfig
from handmade.tokenizers import CharTokenizer
from handmade.training import TrainConfig, train

TARGET = 1.886  # nats per character
CONTEXT = 64

RECIPES = {
    "nanoGPT's": (
        {"n_layer": 4, "n_head": 4, "n_embd": 128},
        {"max_steps": 2000, "lr": 1e-3, "min_lr": 1e-4, "warmup_steps": 100},
    ),
    "ours": (
        {"n_layer": 2, "n_head": 4, "n_embd": 128},
        {"max_steps": 1400, "lr": 6e-3, "min_lr": 0.0, "warmup_steps": 50},
    ),
}


@torch.no_grad()
def validation_loss(model: GPT, ids: torch.Tensor) -> float:
    """The mean loss over all windows of CONTEXT tokens that lie side by side."""
    n = (len(ids) - 1) // CONTEXT * CONTEXT
    idx, targets = ids[:n].view(-1, CONTEXT), ids[1 : n + 1].view(-1, CONTEXT)
    total = 0.0
    for x, y in zip(idx.split(64), targets.split(64), strict=True):
        total += model.eval()(x, y)[1].item() * len(x)
    return total / len(idx)


def main() -> None:
    parser = argparse.ArgumentParser(description="Tiny Shakespeare: our recipe against nanoGPT's")
    parser.add_argument("text_file", nargs="?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.text_file:
        train_ids, val_ids, tokenizer = load_data(arguments.text_file)
    else:
        text = load_corpus()
        tokenizer = CharTokenizer.from_text(text)
        train_ids, val_ids = train_val_split(torch.tensor(tokenizer.encode(text)))

    results = {}
    for name, (sizes, settings) in RECIPES.items():
        torch.manual_seed(arguments.seed)
        model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, block_size=CONTEXT, bias=False, **sizes))
        config = TrainConfig(
            batch_size=12,
            weight_decay=0.1,
            betas=(0.9, 0.99),
            seed=arguments.seed,
            eval_interval=settings["max_steps"],
            eval_batches=1,
            **settings,
        )
        wall, cpu = time.perf_counter(), time.process_time()
        train(model, {"train": train_ids, "val": val_ids}, config)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        results[name] = (sum(p.numel() for p in model.parameters()), config.max_steps, wall, cpu)
        results[name] += (validation_loss(model, val_ids),)

    print(f"\n{'recipe':12}{'weights':>10}{'steps':>8}{'seconds':>10}{'CPU s':>8}{'val loss':>10}")
    for name, (weights, steps, wall, cpu, loss) in results.items():
        print(f"{name:12}{weights:>10,}{steps:>8}{wall:>10.1f}{cpu:>8.1f}{loss:>10.4f}")
    theirs, ours = results.values()
    print(f"\ntime, ours / nanoGPT's: {ours[2] / theirs[2]:.2f} ({ours[3] / theirs[3]:.2f} in CPU seconds)")
    target = TARGET if arguments.text_file else theirs[4]
    print(f"our loss is {'at most' if ours[4] <= target else 'ABOVE'} {target:.4f}")


if __name__ == "__main__":
    main()
