"""Pictures that anyone can read: they say in words what they show, and never speak through colour alone.

    picture, axes = figure(alt="Two lines that cross at step 40.")     your own chart, in the course's style
    curves({"train": losses}, levels={"floor": 1.2})                   loss against step

As the last line of a cell each shows itself, with its alt text. Dark ink on a light card can be read on a light
page and on a dark one. Lines differ in dashes as well as in colour.

Charts are matplotlib's, without pyplot and its list of open figures. What has to be drawn while a slider moves is
in `handmade.drawings`.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handmade.drawings import COLOURS, GREY, INK, PAPER

DASHES = ["-", "--", "-.", ":"]
STYLE = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "lines.linewidth": 2,
    "legend.frameon": False,
    "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
}

# --- Charts -------------------------------------------------------------------------------------------


class Picture(Figure):
    """A matplotlib figure that carries its alt text into the notebook.

    Notebooks show a PNG output without one, so this shows itself as an <img>.
    """

    alt = ""

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=2 * self.dpi)  # twice the pixels, for sharp screens
        source = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
        width = round(self.get_figwidth() * self.dpi)
        html = f'<img alt="{escape(self.alt)}" src="{source}" style="width: {width}px; max-width: 100%">'
        return {"text/html": html, "text/plain": self.alt}


def figure(
    alt: str, width: float = 8.0, height: float = 3.5, rows: int = 1, columns: int = 1
) -> tuple[Picture, Axes]:
    """An empty picture in the course's style, in inches, and its axes (an array of them where there are several).

    `alt` says in words what will be seen.
    """
    with matplotlib.rc_context(STYLE):
        picture = Picture(figsize=(width, height), layout="constrained")
        picture.alt = alt
        return picture, picture.subplots(rows, columns)


def curves(
    series: Mapping[str, Sequence[float]],
    levels: Mapping[str, float] | None = None,
    x: Sequence[float] | None = None,
    xlabel: str = "step",
    ylabel: str = "loss (nats per token)",
    title: str = "",
) -> Picture:
    """Lines by name, over `x` (0, 1, 2, … unless given), and level lines, such as floors, across the chart."""
    levels = levels or {}
    picture, axes = figure(_curves_in_words(series, levels, x, xlabel, ylabel, title))
    with matplotlib.rc_context(STYLE):
        for name, values in series.items():
            axes.plot(range(len(values)) if x is None else x, values, label=name)
        for i, (name, value) in enumerate(levels.items()):
            dashes = (0, (1 + 4 * i, 2))  # dots, then longer and longer dashes
            axes.axhline(value, color=INK, linewidth=1, linestyle=dashes, label=f"{name}: {value:.2f}")
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        picture.legend(loc="outside right upper")
    return picture


def _curves_in_words(series, levels, x, xlabel, ylabel, title) -> str:
    words = [f"{title}." if title else "", f"Line chart of {ylabel} against {xlabel}."]
    for name, values in series.items():
        first, last = (0, len(values) - 1) if x is None else (x[0], x[-1])
        words.append(f"{name}: from {values[0]:.2f} at {first} to {values[-1]:.2f} at {last}.")
    words += [f"Level line, {name}: {value:.2f}." for name, value in levels.items()]
    return " ".join(word for word in words if word)
