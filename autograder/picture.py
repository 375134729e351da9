"""A failure as a picture: the values that a learner's code gave, beside those that were wanted.

`compare` cuts out a window that a report can hold, `draw` makes SVG of it. Only numbers go through here, so nothing
that a learner wrote can reach a page.
"""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from torch import Tensor

SIDE = 16  # rows and columns at most
NUMBERED = 9  # columns up to which there is room to print each value
AXIS, TITLE = 24, 20  # pixels beside and above the cells

Picture = dict[str, Any]


def compare(yours: Tensor, expected: Tensor, differs: Tensor, at: Sequence[int]) -> Picture | None:
    """The rows and columns around the position `at`; None where there is only one value to see."""
    shape, at = list(yours.shape), list(at)
    if yours.dim() == 1:
        yours, expected, differs, at = yours[None], expected[None], differs[None], [0, *at]
    if yours.dim() < 2 or yours.shape[-2:].numel() == 1:
        return None
    leading, (rows, columns) = at[:-2], yours.shape[-2:]
    top = min(max(at[-2] - SIDE // 2, 0), max(rows - SIDE, 0))
    left = min(max(at[-1] - SIDE // 2, 0), max(columns - SIDE, 0))
    window = (*leading, slice(top, top + SIDE), slice(left, left + SIDE))
    return {
        "shape": shape,
        "leading": leading,
        "top": top,
        "left": left,
        "yours": _plain(yours[window]),
        "expected": _plain(expected[window]),
        "differs": differs[window].tolist(),
    }


def _plain(values: Tensor) -> list[list[float | str]]:
    """Numbers as JSON has them, to six digits, and names for those that it does not have."""
    named = {math.inf: "inf", -math.inf: "-inf"}
    return [
        ["NaN" if math.isnan(v) else named.get(v) or float(f"{v:.6g}") for v in row]
        for row in values.double().tolist()
    ]


# --- Drawing ------------------------------------------------------------------------------------------


def draw(picture: Picture) -> Markup:
    """Both maps as SVG. Values are numbers where there is room, else sizes of squares, never colours alone."""
    # The expected values set the scale, so that one outlier of the learner's does not make all others pale.
    full = _largest(picture["expected"]) or _largest(picture["yours"]) or 1.0
    yours = _map("yours", "Your values", picture, full)
    return Markup(yours + _map("expected", "Expected values", picture, full))


def _largest(values: list[list[float | str]]) -> float:
    return max((abs(v) for row in values for v in row if not isinstance(v, str)), default=0.0)


def caption(picture: Picture) -> str:
    """Where the values are from, and what the marks mean."""
    part = [str(i) for i in picture["leading"]]
    rows, columns = len(picture["yours"]), len(picture["yours"][0])
    ends = [(picture["left"], columns)]
    if len(picture["shape"]) > 1:
        ends.insert(0, (picture["top"], rows))
    part += [f"{start}:{start + length}" for start, length in ends]
    shape = ", ".join(map(str, picture["shape"])) + ("," if len(picture["shape"]) == 1 else "")
    marks = "Outlined: what differs."
    if columns > NUMBERED:
        marks += (
            " The larger a square, the larger the value; hollow ones are negative, a stroke is exactly 0."
        )
    return f"[{', '.join(part)}] of values of shape ({shape}). {marks}"


def _map(side: str, name: str, picture: Picture, full: float) -> str:
    values = picture[side]
    rows, columns = len(values), len(values[0])
    numbered = columns <= NUMBERED
    width, height = (40, 24) if numbered else (20, 20)
    x0, y0 = AXIS, TITLE + AXIS - 4
    parts = [f'<text x="{x0}" y="14" class="side">{side}</text>']
    for column in range(columns):
        parts.append(_text(x0 + width * (column + 0.5), y0 - 5, picture["left"] + column, "axis"))
    for i, row in enumerate(values):
        y = y0 + height * i
        if len(picture["shape"]) > 1:
            parts.append(_text(x0 - 12, y + height / 2 + 4, picture["top"] + i, "axis"))
        for j, value in enumerate(row):
            x = x0 + width * j
            parts.append(_cell(x, y, width, height, value, full, numbered))
    right, bottom = x0 + width * columns, y0 + height * rows
    lines = [f"M{x0 + width * j} {y0}V{bottom}" for j in range(columns + 1)]
    lines += [f"M{x0} {y0 + height * i}H{right}" for i in range(rows + 1)]
    parts.append(f'<path d="{"".join(lines)}" class="grid"/>')
    outline = [
        f"M{x0 + width * j} {y0 + height * i}{'h' if flat else 'v'}{width if flat else height}"
        for i, j, flat in _edges(picture["differs"])
    ]
    parts.append(f'<path d="{"".join(outline)}" class="outline"/>')
    return (
        f'<svg role="img" aria-label="{_words(name, values, picture["differs"])}" class="map" '
        f'width="{right + 2}" height="{bottom + 2}" viewBox="0 0 {right + 2} {bottom + 2}">{"".join(parts)}</svg>'
    )


def _edges(differs: list[list[bool]]) -> list[tuple[int, int, bool]]:
    """The sides of cells between what differs and what does not: row, column, and whether the side is horizontal."""
    rows, columns = len(differs), len(differs[0])

    def inside(i: int, j: int) -> bool:
        return 0 <= i < rows and 0 <= j < columns and differs[i][j]

    above = [
        (i, j, True) for i in range(rows + 1) for j in range(columns) if inside(i, j) != inside(i - 1, j)
    ]
    beside = [
        (i, j, False) for i in range(rows) for j in range(columns + 1) if inside(i, j) != inside(i, j - 1)
    ]
    return above + beside


def _cell(x: int, y: int, width: int, height: int, value: float | str, full: float, numbered: bool) -> str:
    if isinstance(value, str):  # hatched, with a letter
        hatching = "".join(
            f"M{x + max(start, 0)} {y + height + min(start, 0)}"
            f"L{x + min(start + height, width)} {y + max(start + height - width, 0)}"
            for start in range(8 - height, width, 8)  # where a line at 45° would leave the bottom
        )
        letter = {"NaN": "N", "inf": "∞", "-inf": "−∞"}[value]
        middle = _text(x + width / 2, y + height / 2 + 4, value if numbered else letter, "odd")
        return f'<path d="{hatching}" class="hatch"/>{middle}'
    strength, sign = min(abs(value) / full, 1.0), "minus" if value < 0 else "plus"
    if numbered:
        box = f'x="{x}" y="{y}" width="{width}" height="{height}"'
        shade = f'<rect {box} class="{sign}" fill-opacity="{0.5 * strength:.2f}"/>'
        return shade + _text(x + width / 2, y + height / 2 + 4, _short(value, full), "value")
    if value == 0:
        return f'<path d="M{x + 7} {y + height - 7}L{x + width - 7} {y + 7}" class="hatch"/>'
    length = max(2.0, (width - 6) * strength**0.5)
    corner = f'x="{x + (width - length) / 2:.1f}" y="{y + (height - length) / 2:.1f}"'
    return f'<rect {corner} width="{length:.1f}" height="{length:.1f}" class="{sign} sized"/>'


def _text(x: float, y: float, text: object, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{text}</text>'


def _short(value: float, full: float) -> str:
    """A number in at most six characters, where values are about as large as `full`."""
    size = abs(value)
    if 0 < size < full / 1000:
        return "≈0"
    if value == int(value) and size < 1000:
        text = str(int(value))
    elif size < 0.001 or size >= 1000:
        mantissa, exponent = f"{value:.0e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        digits = 3 if size < 0.1 else 2 if size < 10 else 1 if size < 100 else 0
        text = f"{value:.{digits}f}"
    return text.replace("-", "−")


def _words(name: str, values: list[list[float | str]], differs: list[list[bool]]) -> str:
    """The picture for who cannot see it."""
    flat = [value for row in values for value in row]
    numbers = [value for value in flat if not isinstance(value, str)]
    words = [f"{name}, {len(values)} by {len(values[0])}"]
    if numbers:
        words.append(f"from {min(numbers):.3g} to {max(numbers):.3g}")
    words += [f"{flat.count(odd)} are {odd}" for odd in ("NaN", "inf", "-inf") if odd in flat]
    words.append(f"{sum(map(sum, differs))} of {len(flat)} differ")
    return ", ".join(words) + "."
