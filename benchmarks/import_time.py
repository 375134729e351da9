"""What `import handmade` costs on top of `import torch`, in fresh processes that take turns.

    python benchmarks/import_time.py [--rounds 7]

The library imports nothing by itself; the row beside it imports every module that a notebook of weeks 0 to 4
might use.
"""

import argparse
import statistics
import subprocess
import sys
import time

BASE = "import torch"
CONTESTANTS = {
    "import torch": BASE,
    "+ import handmade": f"{BASE}; import handmade",
    "+ the modules of a training notebook": f"{BASE}; import handmade.corpus, handmade.model, handmade.training",
}
TARGET = 100.0  # milliseconds, for `import handmade`


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    times = {name: [] for name in CONTESTANTS}
    for i in range(-1, args.rounds):  # one round to warm the disk's cache
        for name, code in CONTESTANTS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            if i >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    base = times["import torch"]
    print(f"{'fresh process':<40}{'median':>10}{'on top':>12}{'ratio':>8}   target")
    for name, values in times.items():
        more = statistics.median(a - b for a, b in zip(values, base, strict=True))
        ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
        verdict = (
            f"{TARGET:.0f} ms {'met' if more <= TARGET else 'MISSED'}" if name == "+ import handmade" else ""
        )
        print(f"{name:<40}{statistics.median(values):>7.0f} ms{more:>9.0f} ms{ratio:>8.2f}   {verdict}")


if __name__ == "__main__":
    main()
