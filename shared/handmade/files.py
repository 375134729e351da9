"""Writing files so that what was there stays whole until the new one is complete."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from handmade.errors import UserError

PART = ".part"


@contextmanager
def write_atomically(path: str | os.PathLike, mode: str = "w", encoding: str | None = None) -> Iterator[IO]:
    """Open a temporary file beside `path`; on success rename it to `path`, on any error remove it.

    A reader sees the old file or the new one, never half of either.

    Raises:
        UserError: the folder does not exist or cannot be written, or the disk is full.
    """
    path = Path(path)
    if "b" not in mode and encoding is None:
        encoding = "utf-8"
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
        with os.fdopen(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files that only the owner can read
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise UserError(
            f"Cannot write {path} ({error.strerror or error}): choose a folder that exists, can be written "
            "and has free space. Nothing that was there has changed."
        ) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def remove_half_written(folder: str | os.PathLike) -> None:
    """Remove what `write_atomically` left below `folder` when its process was killed. Nobody may be writing there."""
    for path in Path(folder).rglob(f".*{PART}"):
        path.unlink(missing_ok=True)
