"""The log of a run: one line of JSON for each row of its history, readable while the run goes on."""

import json
import math
import os
from pathlib import Path

from handmade.errors import UserError
from handmade.files import write_atomically


def write_log(path: str | os.PathLike, history: list[dict]) -> None:
    """Begin a log with the rows that there are. A resumed run does again what came after its checkpoint.

    Raises:
        UserError: the file cannot be written.
    """
    with write_atomically(path) as file:
        file.writelines(_line(row) for row in history)


def append_row(path: str | os.PathLike, row: dict) -> None:
    """Add one row, written in one piece, so that a killed run leaves whole lines.

    JSON knows no NaN: a loss that is no number is written as null.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        with open(path, "ab", buffering=0) as file:
            file.write(_line(row).encode())
    except OSError as error:
        raise UserError(
            f"Cannot write {path} ({error.strerror}): make room, then resume from last.pt."
        ) from error


def read_log(path: str | os.PathLike) -> list[dict]:
    """The rows of a log; a last line that is still being written does not count.

    Raises:
        UserError: there is no such file, or it is not a log.
    """
    try:
        *lines, _unfinished = Path(path).read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines]
        return [{key: math.nan if value is None else value for key, value in row.items()} for row in rows]
    except OSError as error:
        raise UserError(f"Cannot read {path} ({error.strerror}): give the log.jsonl of a run.") from error
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} is not a log of a run: give the log.jsonl that training wrote.") from error


def _line(row: dict) -> str:
    return json.dumps({key: value if math.isfinite(value) else None for key, value in row.items()}) + "\n"
