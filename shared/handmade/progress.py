"""A progress bar that says how long is left: in a terminal, in a notebook, and (sparingly) in a log.

    for batch in progress(batches, "training"):
        ...

    with Progress(1000, "training") as bar:
        for step in range(1000):
            ...
            bar.advance(f"loss {loss:.3f}")
            if step % 200 == 0:
                bar.write(sample)  # a line of its own, which stays

A terminal's bar is one line that redraws itself; a notebook's is one output that is replaced; a file, a pipe
or a captured stream gets the last line, and one a minute on the way there.
"""

import shutil
import sys
import time
from collections.abc import Iterable, Iterator

WIDTH = 24  # characters of the bar itself


def format_seconds(seconds: float) -> str:
    """Seconds as a clock would show them: 7 -> 0:07, 3725 -> 1:02:05."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


class Progress:
    """`total` steps of work, of which `start` were done before (a resumed run); a context manager.

    Without `show` nothing is printed.
    """

    def __init__(self, total: int, label: str = "", start: int = 0, show: bool = True):
        self.total, self.label, self.start = total, label, start
        self.done, self.note = start, ""
        self.began = time.monotonic()
        self.drawn = self.began  # when the line was last drawn
        self.screen = _screen() if show else _Nowhere()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        self.screen.draw(self.line())
        self.screen.close()

    def advance(self, note: str = "") -> None:
        """One step is done. `note` stands at the end of the line until there is another."""
        self.done, self.note = self.done + 1, note or self.note
        if self.done < self.total and time.monotonic() - self.drawn >= self.screen.interval:
            self.drawn = time.monotonic()
            self.screen.draw(self.line())

    def write(self, text: str) -> None:
        """Print `text` on lines of its own, above the bar."""
        self.screen.write(text)

    def line(self) -> str:
        """`training ██████░░░░ 60/100 · 0:12 left · loss 2.345`"""
        filled = WIDTH * self.done // max(self.total, 1)
        elapsed = time.monotonic() - self.began
        if self.done >= self.total:
            clock = f"took {format_seconds(elapsed)}"
        elif self.done > self.start:
            clock = f"{format_seconds(elapsed / (self.done - self.start) * (self.total - self.done))} left"
        else:
            clock = "starting"
        bar = "█" * filled + "░" * (WIDTH - filled)
        text = " · ".join(filter(None, [f"{self.done}/{self.total}", clock, self.note]))
        return f"{self.label} {bar} {text}".lstrip()


def progress(items: Iterable, label: str = "") -> Iterator:
    """The items, one by one, with a bar that shows how far the loop around them has come."""
    with Progress(len(items), label) as bar:
        for item in items:
            yield item
            bar.advance()


# --- Where to draw: each place takes the line again every `interval` seconds ----------------------------


class _Terminal:
    interval = 0.1

    def draw(self, line: str) -> None:
        line = line[: shutil.get_terminal_size().columns - 1]  # a line that wraps could not be drawn over
        sys.stdout.write(f"\r{line}\x1b[K")  # back to the start, draw, clear what is left of the old line
        sys.stdout.flush()

    def write(self, text: str) -> None:
        sys.stdout.write(f"\r\x1b[K{text}\n")

    def close(self) -> None:
        sys.stdout.write("\n")


class _Notebook:
    interval = 0.2

    def __init__(self):
        self.handle = None

    def draw(self, line: str) -> None:
        from IPython.display import display

        data = {"text/plain": line}
        if self.handle is None:
            self.handle = display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)

    def write(self, text: str) -> None:
        print(text)

    def close(self) -> None:
        pass


class _Log:
    interval = 60.0

    def draw(self, line: str) -> None:
        print(line, flush=True)

    def write(self, text: str) -> None:
        print(text, flush=True)

    def close(self) -> None:
        pass


class _Nowhere:
    interval = float("inf")

    def draw(self, line: str) -> None:
        pass

    def write(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


def _screen() -> _Terminal | _Notebook | _Log:
    if "IPython" in sys.modules and getattr(sys.modules["IPython"].get_ipython(), "kernel", None):
        return _Notebook()
    return _Terminal() if sys.stdout.isatty() else _Log()
