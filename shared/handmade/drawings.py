"""Drawings that are ready at once, so that they can follow a slider, and that say in words what they show.

    attention_maps({"with the mask": weights}, tokens)     who looks at whom
    bars(["mat", "sofa"], [0.7, 0.3], highlight=0)         shares, one a row

As the last line of a cell each shows itself, with its alt text. They are SVG written here: matplotlib takes too long
to draw while a slider moves. Dark ink on a light card can be read on a light page and on a dark one, and nothing is
said through colour alone.
"""

from collections.abc import Mapping, Sequence
from html import escape

from torch import Tensor

INK, GREY, PAPER = "#1b1b1b", "#6b6b6b", "#ffffff"
# Told apart by the colour-blind too (after Okabe and Ito), and each at least 3:1 against the paper.
COLOURS = ["#0067a5", "#c44900", "#00755a", "#8a3b8f"]


class Drawing:
    """An SVG with its alt text."""

    def __init__(self, svg: str, alt: str):
        self.svg, self.alt = svg, alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/html": self.svg, "text/plain": self.alt}


def drawing(parts: str, width: float, height: float, alt: str) -> Drawing:
    """SVG elements on a light card of width × height pixels, which shrinks where the page is narrower."""
    return Drawing(
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(alt)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" font-family="sans-serif" font-size="12" fill="{INK}" '
        f'style="background: {PAPER}; display: block; max-width: 100%; height: auto">{parts}</svg>',
        alt,
    )


def visible(token: str) -> str:
    """A token as a drawing writes it: a space and a line break are given a sign."""
    return token.replace(" ", "␣").replace("\n", "⏎")


# --- Attention maps -----------------------------------------------------------------------------------

NUMBERED = 12  # up to this many columns a map has room for numbers


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
    return drawing("".join(parts), width, height, alt)


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


# --- Bars ---------------------------------------------------------------------------------------------


def bars(
    labels: Sequence[str],
    shares: Sequence[float],
    highlight: int | None = None,
    title: str = "",
    full: float | None = None,
) -> Drawing:
    """Shares from 0 to 1 (a list, or a tensor of one axis) by their labels, as lengths and as numbers, one a row.

    The row `highlight` is bold and has an arrow. `full` is the share that fills the width: the largest, unless given.
    """
    labels, shares = [visible(label) for label in labels], [float(share) for share in shares]
    full = max(shares) if full is None else full
    x0, row, longest, top = 22 + 7.5 * max(map(len, labels)), 24, 320, 34 if title else 8
    parts = [f'<text x="10" y="21" font-size="14" font-weight="bold">{escape(title)}</text>'] if title else []
    for i, (label, share) in enumerate(zip(labels, shares, strict=True)):
        y, length = top + row * i, longest * share / full if full else 0
        number, weight, colour = f"{share:.1%}", "normal", COLOURS[0]
        if i == highlight:
            number, weight, colour = f"{number} ◀", "bold", COLOURS[1]
        parts.append(
            f'<g font-size="13" font-weight="{weight}">'
            f'<text x="{x0 - 8}" y="{y + 16}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{x0}" y="{y + 4}" width="{length:.1f}" height="16" fill="{colour}"/>'
            f'<text x="{x0 + length + 6:.1f}" y="{y + 16}">{number}</text></g>'
        )
    parts.append(f'<path d="M{x0} {top}v{row * len(labels)}" stroke="{GREY}"/>')
    said = [
        f"{label} {share:.1%}{' (marked)' if i == highlight else ''}"
        for i, (label, share) in enumerate(zip(labels, shares, strict=True))
    ]
    alt = f"{title + ': bar' if title else 'Bar'} chart of shares. {', '.join(said)}."
    return drawing("".join(parts), x0 + longest + 80, top + row * len(labels) + 8, alt)
