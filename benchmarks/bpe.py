"""Our BPE beside Hugging Face's `tokenizers` and tiktoken, both written in Rust: training, encoding, memory.

    python benchmarks/bpe.py [TEXT_FILE] [--rounds 5] [--stream-mb 100]

Without a file, the text is the course's own corpus. Training goes to 1,000 tokens. The contestants take turns,
so that whatever else the machine does falls on all of them alike; times are medians. Hugging Face runs twice:
as it comes, on all cores, and on one thread, as ours does.

The stream is the text over and over, with a thousand new words after each copy so that remembering every word
would show, encoded line by line in a process of its own. Its peak memory counts everything in that process:
Python, imports and the training.
"""

import argparse
import os
import random
import resource
import statistics
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VOCAB_SIZE = 1000


def write_corpus(path: Path) -> None:
    from handmade.corpus import load_corpus

    path.write_text(load_corpus(), encoding="utf-8")


def write_stream(text_path: Path, path: Path, megabytes: int) -> None:
    text = text_path.read_text(encoding="utf-8")
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1_000_000:
            file.write(text)
            new_words = ("".join(rng.choices(string.ascii_lowercase, k=8)) for _ in range(1000))
            file.write("\n" + " ".join(new_words) + "\n")


def encode_stream(text_path: Path, path: Path) -> None:
    """Print ids, seconds and peak memory in MB."""
    from handmade.bpe import BPETokenizer

    tokenizer = BPETokenizer.train(text_path.read_text(encoding="utf-8"), VOCAB_SIZE)
    start = time.perf_counter()
    with path.open(encoding="utf-8") as file:
        n = sum(1 for _ in tokenizer.encode_iterable(file))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kB on Linux
    print(n, seconds, peak * unit / 1e6)


def alone(step: str, *args: object) -> str:
    """Run a step in a process of its own and return what it prints."""
    command = [sys.executable, __file__, "--step", step, *map(str, args)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def hugging_face(parallel: bool):
    """(train, encode) with the same bytes, pattern and vocabulary size."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)

    def train(text_path: Path, text: str) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = str(parallel).lower()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=VOCAB_SIZE, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train([str(text_path)], trainer)

    def encode(text: str) -> list[int]:
        os.environ["TOKENIZERS_PARALLELISM"] = str(parallel).lower()
        return tokenizer.encode(text).ids

    return train, encode


def take_turns(contestants: dict, rounds: int) -> dict[str, float]:
    """Median seconds of each."""
    times = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def report(title: str, seconds: dict[str, float], goals: dict[str, float]) -> None:
    ours = seconds["handmade"]
    print(f"\n{title}\n  {'':<28}{'seconds':>9}{'ours / its':>12}")
    for name, value in seconds.items():
        ratio = "" if name == "handmade" else f"{ours / value:>12.2f}"
        print(f"  {name:<28}{value:>9.3f}{ratio}")
    for goal, (value, limit) in goals.items():
        print(f"  {'met' if value <= limit else 'MISSED'}: {goal} {value:.3g}, at most {limit}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text_file", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stream-mb", type=int, default=100)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        text_path, stream_path = args.text_file, Path(folder) / "stream.txt"
        if text_path is None:
            text_path = Path(folder) / "corpus.txt"
            alone("write_corpus", text_path)
        # First, while this process is small: a child's peak memory counts from its parent's.
        alone("write_stream", text_path, stream_path, args.stream_mb)
        n_ids, stream_seconds, peak = map(float, alone("encode_stream", text_path, stream_path).split())

        from handmade.bpe import BPETokenizer

        text = text_path.read_text(encoding="utf-8")
        trained = BPETokenizer.train(text, VOCAB_SIZE)
        as_tiktoken = trained.to_tiktoken()
        assert trained.encode(text) == as_tiktoken.encode(text), "our ids are not tiktoken's"
        train_all, encode_all = hugging_face(parallel=True)
        train_one, encode_one = hugging_face(parallel=False)
        training = take_turns(
            {
                "handmade": lambda: BPETokenizer.train(text, VOCAB_SIZE),
                "tokenizers (Rust)": lambda: train_all(text_path, text),
                "tokenizers, one thread": lambda: train_one(text_path, text),
            },
            args.rounds,
        )
        encoding = take_turns(
            {
                # A new tokenizer each time: nothing is remembered from the round before.
                "handmade": lambda: BPETokenizer(trained.merges).encode(text),
                "tokenizers (Rust)": lambda: encode_all(text),
                "tokenizers, one thread": lambda: encode_one(text),
                "tiktoken (Rust)": lambda: as_tiktoken.encode(text),
            },
            args.rounds,
        )

    report(
        f"Training on {len(text) / 1e6:.2f} million characters to {VOCAB_SIZE} tokens",
        training,
        {
            "seconds": (training["handmade"], 5),
            "times Hugging Face": (training["handmade"] / training["tokenizers (Rust)"], 15),
            "times Hugging Face on one thread": (
                training["handmade"] / training["tokenizers, one thread"],
                15,
            ),
        },
    )
    report("Encoding the same text", encoding, {"seconds": (encoding["handmade"], 2)})
    print(
        f"\nEncoding {args.stream_mb} MB as a stream: {n_ids / 1e6:.1f} million ids in {stream_seconds:.1f} s"
    )
    print(f"  {'met' if peak < 200 else 'MISSED'}: peak memory of the process in MB {peak:.0f}, under 200")


if __name__ == "__main__":
    if "--step" in sys.argv:
        _, _, step, *paths = sys.argv
        steps = {"write_corpus": write_corpus, "write_stream": write_stream, "encode_stream": encode_stream}
        steps[step](*(int(arg) if arg.isdigit() else Path(arg) for arg in paths))
    else:
        main()
