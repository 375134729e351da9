"""Every benchmark, one after another: `python -m benchmarks [NAME ...]`, or `make bench`.

Each prints ratios measured side by side in one run. Text files that a benchmark can use are named by
HANDMADE_SHAKESPEARE (the path of Tiny Shakespeare); without it the course's own corpus is used.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TAKES_TEXT = {"bpe", "shakespeare"}


def main() -> int:
    every = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    names = sys.argv[1:] or every
    if unknown := sorted(set(names) - set(every)):
        print(f"There is no benchmark {unknown[0]}: choose from {', '.join(every)}.", file=sys.stderr)
        return 2
    failed = []
    for name in names:
        print(f"\n=== {name}", flush=True)
        text = os.environ.get("HANDMADE_SHAKESPEARE")
        arguments = [text] if text and name in TAKES_TEXT else []
        if subprocess.run([sys.executable, str(HERE / f"{name}.py"), *arguments]).returncode:
            failed.append(name)
    if failed:
        print(f"\nThese did not finish: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
