"""Pictures that anyone can read: they say in words what they show, and never speak through colour alone.

    picture, axes = figure(alt="Two lines that cross at step 40.")     your own chart, in the course's style
    curves({"train": losses}, levels={"floor": 1.2})                   loss against step
    attention_maps({"with the mask": weights}, tokens)                 who looks at whom

As the last line of a cell each shows itself, with its alt text. Dark ink on a light card can be read on a light
page and on a dark one. Lines differ in dashes as well as in colour, weights are numbers or sizes.

Charts are matplotlib's, without pyplot and its list of open figures. Attention maps are SVG written here: they
are drawn while a slider moves, which takes matplotlib too long.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

INK, GREY, PAPER = "#1b1b1b", "#6b6b6b", "#ffffff"
# Told apart by the colour-blind too (after Okabe and Ito), and each at least 3:1 against the paper.
COLOURS = ["#0067a5", "#c44900", "#00755a", "#8a3b8f"]
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


# --- Attention maps -----------------------------------------------------------------------------------

NUMBERED = 12  # up to this many columns a map has room for numbers


class Drawing:
    """An SVG with its alt text."""

    def __init__(self, svg: str, alt: str):
        self.svg, self.alt = svg, alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/html": self.svg, "text/plain": self.alt}


def attention_maps(
    maps: Mapping[str, Tensor], queries: Sequence[str], keys: Sequence[str] | None = None, across: int = 2
) -> Drawing:
    """Attention maps by title, `across` in a row. Each is (T, S), weights from 0 to 1 (or a bool mask).

    Row t shows where query t looks: the weight as a number and a shade where there is room, else as the area of a
    square. A stroke marks a weight that is exactly 0. `queries` are the T tokens; `keys` the S tokens, the
    same ones unless given.
    """
    keys = queries if keys is None else keys
    cell = 44 if len(keys) <= NUMBERED else 17
    width, height = 58 + cell * len(keys), 72 + cell * len(queries)
    parts = []
    for i, (title, weights) in enumerate(maps.items()):
        left, top = i % across * (width + 16), i // across * (height + 16)
        drawn = _map(title, weights.detach().double().tolist(), queries, keys, cell)
        parts.append(f'<g transform="translate({left} {top})">{drawn}</g>')
    width = min(across, len(maps)) * (width + 16)
    height = -(-len(maps) // across) * (height + 16)
    alt = " ".join(_map_in_words(title, weights, queries, keys) for title, weights in maps.items())
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(alt)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" font-family="sans-serif" font-size="12" fill="{INK}" '
        f'style="background: {PAPER}; display: block; max-width: 100%; height: auto">{"".join(parts)}</svg>'
    )
    return Drawing(svg, alt)


def visible(token: str) -> str:
    """A token as a map writes it: a space and a line break are given a sign."""
    return token.replace(" ", "␣").replace("\n", "⏎")


def _map(title, rows, queries, keys, cell) -> str:
    x0, y0 = 50, 64  # where the cells begin
    right, bottom = x0 + cell * len(keys), y0 + cell * len(queries)
    parts = [
        f'<text x="{x0}" y="16" font-size="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="{x0}" y="38" fill="{GREY}">looks at (key) →</text>',
        f'<text transform="translate(14 {y0}) rotate(-90)" text-anchor="end" fill="{GREY}">← position (query)</text>',
    ]
    for s, token in enumerate(keys):
        middle = x0 + cell * (s + 0.5)
        parts.append(f'<text x="{middle}" y="{y0 - 6}" text-anchor="middle">{escape(visible(token))}</text>')
    strokes = []
    for t, (token, row) in enumerate(zip(queries, rows, strict=True)):
        y = y0 + cell * t
        parts.append(
            f'<text x="{x0 - 6}" y="{y + cell / 2 + 4}" text-anchor="end">{escape(visible(token))}</text>'
        )
        for s, weight in enumerate(row):
            x = x0 + cell * s
            if weight == 0:
                strokes.append(f"M{x} {y + cell}l{cell} {-cell}")
            else:
                named = f"“{visible(token)}” ({t}) looks at “{visible(keys[s])}” ({s}): {weight:.3f}"
                parts.append(f"<g><title>{escape(named)}</title>{_cell(x, y, cell, weight)}</g>")
    lines = [f"M{x0 + cell * s} {y0}V{bottom}" for s in range(len(keys) + 1)]
    lines += [f"M{x0} {y0 + cell * t}H{right}" for t in range(len(queries) + 1)]
    parts.append(f'<path d="{"".join(lines)}" stroke="#d0d0d0" stroke-width="0.5"/>')
    parts.append(f'<path d="{"".join(strokes)}" stroke="#b4b4b4"/>')
    return "".join(parts)


def _cell(x, y, cell, weight) -> str:
    if cell < 40:  # no room for a number: the square's area is the weight
        side = cell * weight**0.5
        corner = (cell - side) / 2
        return (
            f'<rect x="{x + corner:.1f}" y="{y + corner:.1f}" width="{side:.1f}" height="{side:.1f}" '
            f'fill="{COLOURS[0]}"/>'
        )
    red, green, blue = (round(255 - weight * (255 - full)) for full in (0, 62, 117))  # paper to dark blue
    ink = PAPER if weight > 0.69 else "#000000"
    number = "1" if weight == 1 else f"{weight:.2f}"
    return (
        f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="rgb({red},{green},{blue})"/>'
        f'<text x="{x + cell / 2}" y="{y + cell / 2 + 4}" text-anchor="middle" fill="{ink}">{number}</text>'
    )


def _map_in_words(title, weights: Tensor, queries, keys) -> str:
    T, S = weights.shape
    zeros = int((weights == 0).sum())
    words = [f"{title}: attention map, {T} queries by {S} keys, {zeros} weights exactly 0."]
    weights = weights.detach().double()
    if S <= NUMBERED:
        for token, row in zip(queries, weights, strict=True):
            most = [visible(key) for key, weight in zip(keys, row, strict=True) if weight > row.max() - 1e-6]
            words.append(f"{visible(token)} looks most at {', '.join(most)} ({row.max():.2f}).")
    else:  # too many rows to read out: how much goes how far, on average
        share = {d: weights.diagonal(d).sum().item() / T for d in range(1 - T, S)}
        for d in sorted(share, key=share.get, reverse=True)[:3]:
            where = "itself" if d == 0 else f"{abs(d)} {'later' if d > 0 else 'earlier'}"
            words.append(f"Average weight on {where}: {share[d]:.2f}.")
    return " ".join(words)
