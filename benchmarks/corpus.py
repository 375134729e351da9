"""How long a megabyte of generated text takes, beside a megabyte of words drawn independently on this machine.

python benchmarks/corpus.py
"""

import random
import time

from handmade.corpus import DOMAINS, log_prob, make_corpus

N_CHARS = 1_000_000
REPEATS = 3


def best_time(function):
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    words = make_corpus("play", N_CHARS).text.split()
    rng = random.Random(0)
    yardstick = best_time(lambda: " ".join(rng.choices(words, k=len(words))))
    print(f"random.choices of {len(words):,} words: {yardstick:.2f} s per MB")
    for domain in DOMAINS:
        make_corpus(domain, 1)  # reads the rules
        writing = best_time(lambda domain=domain: make_corpus.__wrapped__(domain, N_CHARS))
        text = make_corpus(domain, N_CHARS).text
        reading = best_time(lambda domain=domain, text=text: log_prob(text, domain))
        print(
            f"{domain:9} {writing:.2f} s per MB to write ({writing / yardstick:.1f} times the words; "
            f"at most 1.5 s wanted), {reading:.2f} s to parse"
        )


if __name__ == "__main__":
    main()
