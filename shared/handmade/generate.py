"""The command line tool (day 27): text from a checkpoint.

    python -m handmade.generate --checkpoint last.pt --prompt "Once" --num-samples 3 --seed 7

What it writes begins with what made it, so that a sample found a year later can be made again: the same
checkpoint, options, device and version of PyTorch give the same bytes.
"""

import argparse
import hashlib
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import torch

from handmade import device
from handmade.bpe import BPETokenizer
from handmade.checkpoints import load_checkpoint
from handmade.errors import UserError
from handmade.files import write_atomically
from handmade.model import GPT, GPTConfig
from handmade.sampling import generate_n_samples
from handmade.tokenizers import CharTokenizer

TOKENIZERS = {"CharTokenizer": CharTokenizer, "BPETokenizer": BPETokenizer}


def load_model(path: str | os.PathLike) -> tuple[GPT, CharTokenizer | BPETokenizer]:
    """The model of a checkpoint, in eval mode on the CPU, and its tokenizer.

    Raises:
        UserError: the checkpoint cannot be read, or holds no GPT with a tokenizer.
    """
    checkpoint = load_checkpoint(path)
    try:
        tokenizer = TOKENIZERS[checkpoint["tokenizer"]["kind"]].from_dict(checkpoint["tokenizer"])
        model = GPT(GPTConfig(**checkpoint["model_config"]))
        model.load_state_dict(checkpoint["model"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{path} does not hold a GPT and its tokenizer ({type(error).__name__}): give a checkpoint that "
            "`train` wrote with a tokenizer"
        ) from error
    return model.eval(), tokenizer


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (--help lists the options)")


def at_least(minimum: int) -> Callable[[str], int]:
    """For argparse: read a whole number that is not below the minimum."""

    def read(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) < 2**63:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {minimum}")
        return int(text)

    return read


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m handmade.generate", description="Write text with a trained model.")
    add = parser.add_argument
    add("--checkpoint", required=True, metavar="FILE", help="what training wrote, such as best.pt")
    add("--prompt", default="", help="the text to continue; without one a new line begins")
    add("--max-new-tokens", type=at_least(1), default=500, metavar="N", help="how much to write (500)")
    add("--temperature", type=float, default=1.0, metavar="T", help="below 1 safer, above 1 wilder (1.0)")
    add("--top-k", type=int, default=0, metavar="K", help="draw among the K likeliest tokens (0: all)")
    add(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="draw among the likeliest that reach P (1.0: all)",
    )
    add("--seed", type=at_least(0), metavar="S", help="sample i draws with seed S + i (a new one each time)")
    add("--num-samples", type=at_least(1), default=1, metavar="N", help="how many texts (1)")
    add("--output", metavar="FILE", help="write there instead of to the screen")
    arguments = parser.parse_args(argv)
    if arguments.seed is None:
        arguments.seed = random.randrange(2**32)  # the header says which, so that it can be had again
    return arguments


def write_samples(arguments: argparse.Namespace) -> str:
    """The samples, one after another, under a header of what made them."""
    model, tokenizer = load_model(arguments.checkpoint)
    model = model.to(device.pick())
    header = {
        "checkpoint": arguments.checkpoint,
        "sha256": hashlib.sha256(Path(arguments.checkpoint).read_bytes()).hexdigest(),
        "prompt": repr(arguments.prompt),
        "max-new-tokens": arguments.max_new_tokens,
        "temperature": arguments.temperature,
        "top-k": arguments.top_k,
        "top-p": arguments.top_p,
        "seed": arguments.seed,
        "num-samples": arguments.num_samples,
        "device": device.pick(),
        "torch": torch.__version__,
    }
    samples = generate_n_samples(
        model,
        tokenizer,
        arguments.prompt,
        arguments.num_samples,
        arguments.max_new_tokens,
        arguments.temperature,
        arguments.top_k,
        arguments.top_p,
        arguments.seed,
    )
    text = "".join(f"# {name}: {value}\n" for name, value in header.items())
    for i, sample in enumerate(samples):
        text += f"\n--- sample {i + 1} (seed {arguments.seed + i}) ---\n{sample}\n"
    return text


def main(argv: list[str] | None = None) -> int:
    try:
        arguments = parse(argv)
        text = write_samples(arguments)
        if arguments.output is None:
            sys.stdout.write(text)
        else:
            with write_atomically(arguments.output) as file:
                file.write(text)
    except ValueError as error:  # every ValueError of this library is one sentence for a person
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
