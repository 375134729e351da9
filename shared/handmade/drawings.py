"""Drawings that are ready at once, so that they can follow a slider, and that say in words what they show.

    attention_maps({"with the mask": weights}, tokens)     who looks at whom
    token_strip({"16 tokens": ["The", " cat"]})            where a text was cut
    text_windows("Who goes", [([0, 1], [1, 2])])           which windows a text was cut into
    heat_map(table, "a table of numbers")                  the larger, the darker
    bars(["mat", "sofa"], [0.7, 0.3], highlight=0)         shares, one a row
    valley({"SGD": [(-4, 1), (-3, 0.2)]}, steepness=20)    ways down a long valley, step by step
    graph({"GELU": y}, x, reach=(-1, 3))                   curves over x, with points marked
    loop([("guess", "4"), ("score", "1 off")])             steps that come round again
    flow([("token ids", "(4, 8)"), ("embedding", "(4, 8, 64)")])     what happens to a tensor, and its shapes

As the last line of a cell each shows itself, with its alt text. They are SVG written here: matplotlib takes too long
to draw while a slider moves. Dark ink on a light card can be read on a light page and on a dark one, and nothing is
said through colour alone.
"""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from itertools import groupby, takewhile
from unicodedata import east_asian_width

import torch
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


def _shade(level: float) -> str:
    """From 0, the paper, to 1, a dark blue."""
    red, green, blue = (round(255 - level * (255 - full)) for full in (0, 62, 117))
    return f"rgb({red},{green},{blue})"


def _ink(level: float) -> str:
    """What can be read on that shade."""
    return PAPER if level > 0.69 else "#000000"


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
    number = "1" if weight == 1 else f"{weight:.2f}"
    return (
        f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{_shade(weight)}"/>'
        f'<text x="{x + cell / 2}" y="{y + cell / 2 + 4}" text-anchor="middle" fill="{_ink(weight)}">{number}</text>'
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


# --- Heat maps ----------------------------------------------------------------------------------------

SHADES = 32  # a heat map's steps from light to dark: as fine as an eye can tell apart in small cells


def heat_map(
    values: Tensor,
    title: str,
    rows: str = "row",
    columns: str = "column",
    limits: tuple[float, float] | None = None,
    labels: Sequence[str] | None = None,
    says: str = "",
) -> Drawing:
    """A table of numbers, (T, C), as shades: the larger, the darker, with the numbers where there is room.

    `rows` and `columns` say what a row and a column stand for, `labels` what each row does, if not its number.
    `limits` are the values of the lightest and of the darkest shade, the smallest and the largest unless given; what
    lies beyond gets the shade of the limit. `says` goes into the alt text: what there is to be seen.
    """
    values = values.detach().double()
    T, C = values.shape
    low, high = limits or (values.min().item(), values.max().item())
    levels = ((values - low) / ((high - low) or 1)).clamp(0, 1)
    roomy = T <= NUMBERED and C <= NUMBERED
    w, h = (44, 28) if roomy else (max(4, min(20, 560 // C)), max(3, min(20, 400 // T)))
    x0, y0 = 50, 64
    labels = [str(t) for t in range(T)] if labels is None else [visible(label) for label in labels]
    parts = [
        f'<text x="{x0}" y="16" font-size="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="{x0}" y="38" fill="{GREY}">{escape(columns)} →</text>',
        f'<text transform="translate(14 {y0}) rotate(-90)" text-anchor="end" fill="{GREY}">← {escape(rows)}</text>',
        f'<g transform="translate({x0} {y0}) scale({w} {h})" shape-rendering="crispEdges">{_shaded(levels)}</g>',
        f'<rect x="{x0}" y="{y0}" width="{w * C}" height="{h * T}" fill="none" stroke="{GREY}"/>',
    ]
    for t in range(0, T, 1 if roomy else _step(T, h, 14)):
        y = y0 + h * (t + 0.5) + 4
        parts.append(f'<text x="{x0 - 6}" y="{y:g}" text-anchor="end">{escape(labels[t])}</text>')
    for c in range(0, C, 1 if roomy else _step(C, w, 28)):
        parts.append(f'<text x="{x0 + w * (c + 0.5):g}" y="{y0 - 6}" text-anchor="middle">{c}</text>')
    if roomy:
        for t, c in ((t, c) for t in range(T) for c in range(C)):
            parts.append(
                f'<text x="{x0 + w * (c + 0.5):g}" y="{y0 + h * (t + 0.5) + 4:g}" text-anchor="middle" '
                f'fill="{_ink(_rounded(levels[t, c].item()))}">{values[t, c]:.2f}</text>'
            )
    right, tall = x0 + w * C + 20, max(h * T, 84)
    parts += [
        f'<g transform="translate({right} {y0 + tall}) scale(14 {-tall / (SHADES + 1)})" '
        f'shape-rendering="crispEdges">{_shaded(torch.linspace(0, 1, SHADES + 1)[:, None])}</g>',
        f'<rect x="{right}" y="{y0}" width="14" height="{tall}" fill="none" stroke="{GREY}"/>',
    ]
    for share in (0, 0.5, 1):  # the scale
        y = y0 + tall - share * (tall - 8)
        parts.append(f'<text x="{right + 20}" y="{y:g}">{low + share * (high - low):.3g}</text>')
    words = [
        f"{title}: heat map, {T} rows ({rows}) by {C} columns ({columns}), "
        f"from {low:.3g} (light) to {high:.3g} (dark).",
        says,
    ]
    if roomy:
        words += [
            f"{label}: {', '.join(f'{x:.2f}' for x in row)}."
            for label, row in zip(labels, values.tolist(), strict=True)
        ]
    return drawing("".join(parts), right + 80, y0 + tall + 12, " ".join(word for word in words if word))


def _shaded(levels: Tensor) -> str:
    """Cells of 1 by 1, (T, C) levels from 0 to 1: one path for each shade, in which neighbours are one stroke."""
    paths = [[] for _ in range(SHADES + 1)]
    for t, row in enumerate(levels.mul(SHADES).round().long().tolist()):
        c = 0
        for shade, run in groupby(row):
            n = len(list(run))
            paths[shade].append(f"M{c} {t}h{n}v1h-{n}z")
            c += n
    return "".join(
        f'<path fill="{_shade(i / SHADES)}" d="{"".join(path)}"/>' for i, path in enumerate(paths) if path
    )


def _rounded(level: float) -> float:
    return round(level * SHADES) / SHADES


def _step(n: int, size: float, room: float) -> int:
    """How many rows or columns of this size go by between two labels, so that each has room: 1, 2, 5, 10, …"""
    return next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, n) if step * size >= room or step >= n)


# --- Data flow ----------------------------------------------------------------------------------------


def flow(
    steps: Sequence[tuple[str, str]],
    around: Sequence[tuple[int, int]] = (),
    frame: tuple[int, int, str] | None = None,
    title: str = "",
) -> Drawing:
    """What happens to a tensor, from top to bottom: `steps` are pairs of what is done and the shape it leaves.

    For each (i, j) of `around` a road leaves before step i and is added to what step j leaves. `frame` is (i, j, what
    is written on it): a frame around steps i to j.
    """
    box, row, x0, top = 210, 72, 96, 40 if title else 12  # a box is 32 high
    y, middle = [top + row * i for i in range(len(steps))], x0 + box / 2
    parts = [f'<text x="10" y="24" font-size="14" font-weight="bold">{escape(title)}</text>'] if title else []
    if frame:
        first, last, words = frame
        parts.append(
            f'<rect x="36" y="{y[first] - 18}" width="{box + 174}" height="{y[last] - y[first] + 76}" rx="8" '
            f'fill="#f4f4f4" stroke="{GREY}" stroke-dasharray="5 4"/>'
            f'<text x="{box + 202}" y="{y[first] + 4}" text-anchor="end" font-weight="bold">{escape(words)}</text>'
        )
    for y_i, (name, shape) in zip(y, steps, strict=True):
        arrow = f"M{middle} {y_i + 32}v38m-4 -6l4 6l4 -6" if y_i != y[-1] else f"M{middle} {y_i + 32}v20"
        parts.append(
            f'<rect x="{x0}" y="{y_i}" width="{box}" height="32" rx="5" fill="{PAPER}" stroke="{COLOURS[0]}" '
            f'stroke-width="1.5"/><text x="{middle}" y="{y_i + 20}" text-anchor="middle" font-size="13">'
            f'{escape(name)}</text><path d="{arrow}" stroke="{INK}" fill="none"/>'
            f'<text x="{middle + 16}" y="{y_i + 49}" font-family="monospace" font-size="13">{escape(shape)}</text>'
        )
    for i, j in around:
        start, end = y[i] - 12, y[j] + 44
        parts.append(
            f'<path d="M{middle} {start}H{x0 - 38}V{end}H{middle - 8}m-6 -4l6 4l-6 4" stroke="{COLOURS[1]}" '
            f'stroke-width="2" fill="none"/><circle cx="{middle}" cy="{end}" r="8" fill="{PAPER}" '
            f'stroke="{COLOURS[1]}" stroke-width="2"/>'
            f'<path d="M{middle - 4} {end}h8m-4 -4v8" stroke="{COLOURS[1]}" stroke-width="2"/>'
        )
    return drawing("".join(parts), box + 230, y[-1] + 60, _flow_in_words(steps, around, frame, title))


def _flow_in_words(steps, around, frame, title) -> str:
    words = [f"{title + ': data' if title else 'Data'} flow from top to bottom."]
    words += [f"{name} → {shape}." for name, shape in steps]
    for i, j in around:
        words.append(f"What comes before “{steps[i][0]}” is also added to what “{steps[j][0]}” leaves.")
    if frame:
        first, last, what = frame
        words.append(f"A frame from “{steps[first][0]}” to “{steps[last][0]}”: {what}.")
    return " ".join(words)


# --- Strips of tokens ---------------------------------------------------------------------------------

SPELLED_OUT = 40  # up to this many tokens a strip's alt text holds them all


def token_strip(
    strips: Mapping[str, Sequence[str]],
    ids: Mapping[str, Sequence[int]] | None = None,
    marked: Collection[str] = (),
    width: int = 700,
) -> Drawing:
    """Texts cut into tokens, by title: each token in a box of its own, in lines of `width` pixels.

    The same token has the same colour and underline wherever it stands. Below it stands its id, where a title has
    `ids`. What is `marked` has a thick border.
    """
    parts, y = [], 0
    for title, tokens in strips.items():
        words = f"{title} · {_number_of(tokens)}" if title else _number_of(tokens)
        parts.append(f'<text x="4" y="{y + 18}" font-size="14" font-weight="bold">{escape(words)}</text>')
        drawn, y = _boxes(tokens, (ids or {}).get(title), marked, width, y + 28)
        parts += drawn
    alt = " ".join(_strip_in_words(title, tokens, marked) for title, tokens in strips.items())
    return drawing("".join(parts), width, y, alt)


def _boxes(tokens, ids, marked, width, y) -> tuple[list[str], int]:
    """The boxes of one strip, from the height y down, and the height where the next strip begins."""
    parts, x, line = [], 4, 28 if ids is None else 44
    looks = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    for n, token in enumerate(tokens):
        shown, number = visible(token), "" if ids is None else str(ids[n])
        letters = 8.4 * sum(2 if east_asian_width(char) in "WF" else 1 for char in shown)
        box = max(letters, 7.0 * len(number)) + 6
        if x + box > width - 4 and x > 4:
            x, y = 4, y + line
        colour, dashes = COLOURS[looks[token] % len(COLOURS)], ("", "5 2", "1 2")[looks[token] % 3]
        thick = 3 if token in marked else 1
        middle = x + box / 2
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{box:.1f}" height="22" rx="3" fill="{colour}" fill-opacity="0.1" '
            f'stroke="{colour}" stroke-width="{thick}"/>'
            f'<path d="M{x + 3:.1f} {y + 18}h{box - 6:.1f}" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"/>'
            f'<text x="{middle:.1f}" y="{y + 14}" font-family="monospace" font-size="14" text-anchor="middle" '
            f'textLength="{letters:.1f}" lengthAdjust="spacingAndGlyphs">{escape(shown)}</text>'
        )
        if number:
            parts.append(
                f'<text x="{middle:.1f}" y="{y + 35}" text-anchor="middle" fill="{GREY}">{number}</text>'
            )
        x += box + 3
    return parts, y + line + 6


def _number_of(tokens) -> str:
    return f"{len(tokens)} token{'s' if len(tokens) != 1 else ''}"


def _strip_in_words(title, tokens, marked) -> str:
    words = ", ".join(f"“{visible(token)}”" for token in tokens[:SPELLED_OUT])
    more = f" and {len(tokens) - SPELLED_OUT} more" if len(tokens) > SPELLED_OUT else ""
    thick = ", ".join(f"“{visible(token)}”" for token in dict.fromkeys(tokens) if token in marked)
    return f"{title}: {_number_of(tokens)}: {words}{more}." + (f" Marked: {thick}." if thick else "")


# --- Windows over a text ------------------------------------------------------------------------------


def text_windows(
    tokens: Sequence[str], windows: Sequence[tuple[Sequence[int], Sequence[int]]], title: str = ""
) -> Drawing:
    """Windows over a strip of tokens: each is (the places of its inputs, the places of its targets).

    Inputs stand above the strip, targets below it, both with the window's number. A stroke goes through each token
    that is nobody's target. Where windows overlap, they are drawn in several lanes.
    """
    cell, x0 = 20, 62
    top = 34 if title else 8
    inputs, above = _lanes([places for places, _ in windows])
    targets, below = _lanes([places for _, places in windows])
    strip = top + 24 * above + 2  # where the strip begins; it is 24 high
    bottom = strip + 26 + 24 * below
    width = max(x0 + cell * len(tokens), 8 * len(title)) + 8
    parts = [f'<text x="4" y="20" font-size="14" font-weight="bold">{escape(title)}</text>'] if title else []
    for words, y in (("inputs x", strip - 10), ("text", strip + 16), ("targets y", strip + 42)):
        parts.append(f'<text x="{x0 - 6}" y="{y}" text-anchor="end" fill="{GREY}">{words}</text>')
    never = [i for i in range(len(tokens)) if not any(i in places for _, places in windows)]
    for i, token in enumerate(tokens):
        x = x0 + cell * i
        stroke = (
            f'<path d="M{x + 2} {strip + 22}L{x + cell - 2} {strip + 2}" stroke="{GREY}"/>'
            if i in never
            else ""
        )
        parts.append(
            f'<rect x="{x}" y="{strip}" width="{cell}" height="24" fill="{PAPER}" stroke="#b4b4b4"/>'
            f'<text x="{x + cell / 2}" y="{strip + 16}" font-family="monospace" font-size="14" text-anchor="middle">'
            f"{escape(visible(token))}</text>{stroke}"
        )
    for i, (places, lane) in enumerate(inputs):
        parts.append(_span(places, i, x0, cell, strip - 24 * (lane + 1), COLOURS[0], ""))
    for i, (places, lane) in enumerate(targets):
        parts.append(_span(places, i, x0, cell, strip + 28 + 24 * lane, COLOURS[1], "4 2"))
    return drawing("".join(parts), width, bottom + 6, _windows_in_words(tokens, windows, never, title))


def _lanes(spans: Sequence[Sequence[int]]) -> tuple[list[tuple[Sequence[int], int]], int]:
    """Each span with the first lane in which it meets no earlier one, and the number of lanes."""
    ends, placed = [], []
    for places in spans:
        lane = next((i for i, end in enumerate(ends) if end < min(places)), len(ends))
        ends[lane : lane + 1] = [max(places)]
        placed.append((places, lane))
    return placed, len(ends)


def _span(places, number, x0, cell, y, colour, dashes) -> str:
    x, width = x0 + cell * min(places), cell * (max(places) - min(places) + 1)
    return (
        f'<rect x="{x + 1.5}" y="{y}" width="{width - 3}" height="20" rx="4" fill="{colour}" '
        f'fill-opacity="{0.16 if number % 2 else 0.05}" stroke="{colour}" stroke-dasharray="{dashes}"/>'
        f'<text x="{x + width / 2}" y="{y + 14}" text-anchor="middle">{number}</text>'
    )


def _windows_in_words(tokens, windows, never, title) -> str:
    words = [f"{title}." if title else "", f"{len(windows)} windows over {len(tokens)} tokens."]
    shown = list(enumerate(windows))
    for i, (x, y) in shown if len(shown) <= 6 else [*shown[:3], shown[-1]]:
        words.append(f"Window {i}: inputs {min(x)} to {max(x)}, targets {min(y)} to {max(y)}.")
    words.append(f"Nobody's target: {', '.join(map(str, never)) or 'none'}.")
    return " ".join(word for word in words if word)


# --- A valley -----------------------------------------------------------------------------------------


def valley(
    paths: Mapping[str, Sequence[tuple[float, float]]],
    steepness: float,
    reach: tuple[float, float] = (5.0, 1.8),
) -> Drawing:
    """The valley ½(x² + steepness · y²) from above, as contour lines, and ways down to its lowest point, (0, 0).

    Each path is the points (x, y) of its steps, the start first. A path that leaves the map, which reaches from
    -reach to reach, is cut off at its edge. Up to four paths, each with its own colour, dashes and mark.
    """
    scale, edge = 66, 8
    width, height = 2 * scale * reach[0], 2 * scale * reach[1]
    middle_x, middle_y = width / 2, height / 2
    lines = "".join(
        f'<ellipse cx="{middle_x}" cy="{middle_y}" rx="{scale * a}" ry="{scale * a / steepness**0.5:.2f}"/>'
        for a in range(1, 2 * int(reach[0]) + 1)
    )
    drawn, legend = [], []
    for i, (name, points) in enumerate(paths.items()):
        line = f'stroke="{COLOURS[i]}" stroke-width="2" stroke-dasharray="{("", "7 3", "2 3", "9 3 2 3")[i]}"'
        # What is no number, or far outside, cannot be drawn; nor does what follows it matter.
        near = takewhile(lambda point: all(abs(n) < 100 for n in point), points)
        on_page = [(middle_x + scale * x, middle_y - scale * y) for x, y in near]
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in on_page)
        drawn.append(f'<path d="M{way}" fill="none" {line}/>' + "".join(_mark(i, x, y) for x, y in on_page))
        y = height + 30 + 20 * i
        legend.append(
            f'<path d="M{edge + 8} {y - 4}h36" {line}/>{_mark(i, edge + 26, y - 4)}<text x="{edge + 54}" y="{y}">'
            f"{escape(name)}: {_outside(points, reach)}height {_height(points[-1], steepness)}</text>"
        )
    parts = (  # an <svg> inside cuts off what is outside it
        f'<svg x="{edge}" y="{edge}" width="{width}" height="{height}"><g fill="none" stroke="#c4c4c4">{lines}</g>'
        f'<path d="M{middle_x - 7} {middle_y}h14m-7 -7v14" stroke="{INK}"/>{"".join(drawn)}'
        f'<rect width="{width}" height="{height}" fill="none" stroke="{GREY}"/></svg>{"".join(legend)}'
    )
    words = [f"Contour lines of the valley ½(x² + {steepness:g} y²), lowest at (0, 0)."]
    for name, points in paths.items():
        first, last = (", ".join(f"{round(n, 2) + 0:g}" for n in points[i]) for i in (0, -1))  # and -0 is 0
        words.append(
            f"{name}: {len(points) - 1} steps from ({first}) to ({last}), "
            f"{_outside(points, reach)}height {_height(points[-1], steepness)}."
        )
    return drawing(parts, width + 2 * edge, height + 22 + 20 * len(paths), " ".join(words))


def _mark(i: int, x: float, y: float) -> str:
    """A circle, a square, a triangle or a diamond."""
    if i == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[0]}"/>'
    corners = ("m-3 -3h6v6h-6z", "m0 -4l4 7h-8z", "m0 -4l4 4l-4 4l-4 -4z")[i - 1]
    return f'<path d="M{x:.1f} {y:.1f}{corners}" fill="{COLOURS[i]}"/>'


def _height(point: tuple[float, float], steepness: float) -> str:
    return f"{(point[0] ** 2 + steepness * point[1] ** 2) / 2:.3g}"


def _outside(points: Sequence[tuple[float, float]], reach: tuple[float, float]) -> str:
    inside = all(abs(x) <= reach[0] and abs(y) <= reach[1] for x, y in points)
    return "" if inside else "leaves the map, "


# --- Curves over x ------------------------------------------------------------------------------------


def graph(
    lines: Mapping[str, Sequence[float]],
    x: Sequence[float],
    reach: tuple[float, float],
    marks: Sequence[tuple[float, float, str]] = (),
    hatched: tuple[float, float, str] | None = None,
) -> Drawing:
    """Up to four lines by name over rising `x`; what is lower or higher than `reach` is cut off.

    `marks` are points (x, y) with words for the legend; `hatched` is (from, to, words), a stretch of x to be hatched.
    """
    width, height, left, top = 560, 280, 34, 10
    low, high = reach

    def across(value: float) -> float:
        return (value - x[0]) / (x[-1] - x[0]) * width

    def down(value: float) -> float:
        return (high - value) / (high - low) * height

    inside, legend = [], []
    if hatched:
        start, end, words = hatched
        inside.append(
            '<pattern id="strokes" width="7" height="7" patternUnits="userSpaceOnUse">'
            f'<path d="M0 7L7 0" stroke="{GREY}" stroke-width="0.7"/></pattern><rect x="{across(start):.1f}" y="0" '
            f'width="{across(end) - across(start):.1f}" height="{height}" fill="url(#strokes)"/>'
        )
        legend.append((f'<path d="M8 4l7 -7m1 7l7 -7m1 7l7 -7" stroke="{GREY}"/>', words))
    inside.append(f'<path d="M0 {down(0):.1f}H{width}M{across(0):.1f} 0V{height}" stroke="{GREY}"/>')
    for i, (name, values) in enumerate(lines.items()):
        dashes = ("", "7 3", "2 3", "9 3 2 3")[i]
        line = f'fill="none" stroke="{COLOURS[i]}" stroke-width="2" stroke-dasharray="{dashes}"'
        way = "L".join(f"{across(a):.1f} {down(b):.1f}" for a, b in zip(x, values, strict=True))
        inside.append(f'<path d="M{way}" {line}/>')
        legend.append((f'<path d="M4 0h36" {line}/>', name))
    for a, b, words in marks:
        inside.append(f'<circle cx="{across(a):.1f}" cy="{down(b):.1f}" r="5" fill="{INK}"/>')
        legend.append((f'<circle cx="22" cy="0" r="5" fill="{INK}"/>', words))
    numbers = [
        f'<text x="{left + across(n):.1f}" y="{top + height + 16}" text-anchor="middle">{n}</text>'
        for n in range(-int(-x[0] // 1), int(x[-1] // 1) + 1)
    ] + [
        f'<text x="{left - 6}" y="{top + down(n) + 4:.1f}" text-anchor="end">{n}</text>'
        for n in range(-int(-low // 1), int(high // 1) + 1)
    ]
    foot = top + height + 36
    rows = [
        f'<g transform="translate({left} {foot + 18 * i})">{sign}<text x="50" y="4">{escape(words)}</text></g>'
        for i, (sign, words) in enumerate(legend)
    ]
    parts = (  # an <svg> inside cuts off what is outside it
        f'<svg x="{left}" y="{top}" width="{width}" height="{height}">{"".join(inside)}</svg>'
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="{GREY}"/>'
        f"{''.join(numbers)}{''.join(rows)}"
    )

    def said(value: float) -> str:
        return f"{round(value, 2) + 0:.2f}"  # and -0.00 is 0.00

    alt = [f"Lines over x from {x[0]:g} to {x[-1]:g}."]
    alt += [f"{name}: from {said(values[0])} to {said(values[-1])}." for name, values in lines.items()]
    alt += [f"A point at ({said(a)}, {said(b)}): {words}." for a, b, words in marks]
    if hatched:
        alt.append(f"Hatched from {said(hatched[0])} to {said(hatched[1])}: {hatched[2]}.")
    return drawing(parts, left + width + 12, foot + 18 * len(legend), " ".join(alt))


# --- A loop -------------------------------------------------------------------------------------------


def loop(steps: Sequence[tuple[str, str]], middle: str = "") -> Drawing:
    """Steps that come round again, clockwise from the top left: pairs of a name and what happens there.

    The first half of them stands above, the others below from right to left; `middle` is written between.
    """
    box, high, gap, x0, y0 = 200, 52, 48, 8, 8
    above = -(-len(steps) // 2)
    places = [(i, 0) if i < above else (2 * above - 1 - i, 1) for i in range(len(steps))]
    corners = [(x0 + column * (box + gap), y0 + row * (high + 74)) for column, row in places]
    parts = []
    for i, ((name, what), (x, y)) in enumerate(zip(steps, corners, strict=True)):
        next_x, next_y = corners[(i + 1) % len(corners)]
        if next_y == y:
            sign = 1 if next_x > x else -1
            start = f"{x + (box if sign > 0 else 0)} {y + high / 2}h{sign * gap}"
            head = f"l{-7 * sign} -5m{7 * sign} 5l{-7 * sign} 5"
        else:
            sign = 1 if next_y > y else -1
            start = f"{x + box / 2} {y + (high if sign > 0 else 0)}v{sign * 74}"
            head = f"l-5 {-7 * sign}m5 {7 * sign}l5 {-7 * sign}"
        parts.append(
            f'<rect x="{x}" y="{y}" width="{box}" height="{high}" rx="6" fill="{PAPER}" stroke="{COLOURS[0]}" '
            f'stroke-width="1.5"/><g text-anchor="middle"><text x="{x + box / 2}" y="{y + 21}" font-size="14" '
            f'font-weight="bold">{i + 1} · {escape(name)}</text><text x="{x + box / 2}" y="{y + 40}">'
            f'{escape(what)}</text></g><path d="M{start}{head}" stroke="{INK}" fill="none" stroke-width="1.5"/>'
        )
    width, height = 2 * x0 + above * (box + gap) - gap, 2 * y0 + 2 * high + 74
    parts.append(
        f'<text x="{width / 2}" y="{height / 2 + 4}" text-anchor="middle" fill="{GREY}">{escape(middle)}</text>'
    )
    said = ", ".join(f"{i}. {name} ({what})" for i, (name, what) in enumerate(steps, 1))
    alt = f"A loop of {len(steps)} steps: {said}; and then again from 1." + (f" {middle}." if middle else "")
    return drawing("".join(parts), width, height, alt)
