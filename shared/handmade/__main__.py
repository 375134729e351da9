"""The command `python -m handmade`, for learners on their own machine."""

import sys
from collections.abc import Sequence

from handmade.errors import UserError

HELP = """\
python -m handmade check NOTEBOOK    say which exercises of a notebook are right
            [--limit SECONDS]        and how long each of them may run (default: 20)
It ends with code 0 if all are right, 1 if something is not right yet, 2 if the notebook cannot be read."""


def main(argv: Sequence[str]) -> int:
    try:
        match argv:
            case [] | [*_, "-h" | "--help"]:
                print(HELP)
                return 0
            case ["check", notebook]:
                return check(notebook, 20.0)
            case ["check", notebook, "--limit", seconds]:
                return check(notebook, seconds_of(seconds))
        raise UserError("It is called so: python -m handmade check NOTEBOOK [--limit SECONDS]")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def check(notebook: str, limit: float) -> int:
    from pathlib import Path

    from handmade.check import check_notebook

    sys.stdout.reconfigure(errors="replace")  # a console that has no ✓ shows a ? instead of an error
    return 0 if check_notebook(Path(notebook), limit) else 1


def seconds_of(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise UserError(f"A limit is a number of seconds above 0, not {text}.")
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
