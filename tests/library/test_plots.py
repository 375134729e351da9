"""Pictures: what is drawn is what was given, in words as well, and legible."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import torch
from matplotlib.colors import to_rgb

from handmade.drawings import (
    COLOURS,
    GREY,
    INK,
    NUMBERED,
    PAPER,
    SHADES,
    SPELLED_OUT,
    attention_maps,
    bars,
    flow,
    graph,
    heat_map,
    loop,
    text_windows,
    token_strip,
    valley,
)
from handmade.plots import DASHES, curves, figure

SVG = "{http://www.w3.org/2000/svg}"


def rows(T, S):
    return torch.softmax(torch.randn(T, S, generator=torch.Generator().manual_seed(0)), dim=-1)


def texts(drawing):
    return [node.text for node in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")]


def contrast(one, other):
    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", COLOURS)
def test_lines_stand_out(colour):
    assert contrast(colour, PAPER) >= 3, "a line needs 3:1 against its paper (WCAG 1.4.11)"


@pytest.mark.parametrize("colour", [INK, GREY])
def test_words_stand_out(colour):
    assert contrast(colour, PAPER) >= 4.5, "text needs 4.5:1 against its paper (WCAG 1.4.3)"


def test_a_small_map_holds_its_numbers():
    weights = rows(3, 4)
    drawn = texts(attention_maps({"a map": weights}, ["x", "y", "z"], list("abcd")))
    assert drawn[0] == "a map"
    numbers = [float(text) for text in drawn if re.fullmatch(r"[\d.]+", text)]
    assert numbers == [round(w, 2) for w in weights.double().flatten().tolist()]
    for token in "xyzabcd":
        assert token in drawn, f"the token {token} labels no row or column"


def test_the_numbers_can_be_read_on_their_shade():
    weights = torch.linspace(0.01, 1, 99)[:, None]
    svg = attention_maps({"": weights}, ["."] * 99, ["."]).svg
    pairs = re.findall(r'fill="rgb\((\d+),(\d+),(\d+)\)"/><text [^>]*fill="(#\w+)"', svg)
    assert len(pairs) == 99
    worst = min(contrast([int(c) / 255 for c in shade], ink) for *shade, ink in pairs)
    assert worst >= 4.5, f"a number stands out only {worst:.1f}:1 from its cell"


def test_a_large_map_shows_weights_as_areas():
    T = NUMBERED + 4
    weights = rows(T, T)
    squares = ElementTree.fromstring(attention_maps({"": weights}, ["a"] * T).svg).iter(f"{SVG}rect")
    sides = torch.tensor([float(square.get("width")) for square in squares])
    areas = sides**2 / 17**2
    assert (areas - weights.flatten()).abs().max() < 0.02, "a square's area must be its weight"


@pytest.mark.parametrize("T", [4, NUMBERED + 1])
def test_a_zero_has_a_stroke_and_no_number(T):
    weights = torch.ones(T, T).tril() / torch.arange(1, T + 1)[:, None]
    svg = attention_maps({"": weights}, ["a"] * T).svg
    strokes = re.search(r'<path d="([^"]*)" stroke="#b4b4b4"/>', svg)[1]
    assert strokes.count("M") == T * (T - 1) // 2
    assert svg.count("<title>") == T * (T + 1) // 2, "each weight that is not 0 says itself when pointed at"


def test_maps_stand_side_by_side():
    maps = {name: rows(2, 2) for name in ("one", "two", "three")}
    svg = attention_maps(maps, ["a", "b"], across=2).svg
    corners = re.findall(r'<g transform="translate\((\d+) (\d+)\)">', svg)
    assert len(set(corners)) == 3 and len({y for _, y in corners}) == 2


def test_spaces_and_markup_are_shown_as_they_are():
    drawing = attention_maps({"<b>": torch.eye(3)}, [" ", "\n", "<&>"])
    assert {"␣", "⏎", "<&>", "<b>"} <= set(texts(drawing))


def test_a_map_says_in_words_where_each_row_looks():
    alt = attention_maps({"mine": torch.tensor([[1.0, 0.0], [0.5, 0.5]])}, ["a", "b"]).alt
    assert alt == (
        "mine: attention map, 2 queries by 2 keys, 1 weights exactly 0. "
        "a looks most at a (1.00). b looks most at a, b (0.50)."
    )


def test_a_large_map_says_how_far_back_it_looks():
    T = 20
    previous = torch.diag(torch.ones(T - 1), -1)
    previous[0, 0] = 1
    assert "Average weight on 1 earlier: 0.95." in attention_maps({"": previous}, ["a"] * T).alt


def test_a_map_carries_its_alt_text_into_the_notebook():
    drawing = attention_maps({'a "quoted" one': torch.eye(2)}, ["a", "b"])
    shown = ElementTree.fromstring(drawing._repr_mimebundle_()["text/html"])
    assert shown.get("role") == "img" and shown.get("aria-label") == drawing.alt


def test_bars_are_as_long_as_their_shares():
    drawing = bars(["mat", " ", "<b>"], torch.tensor([0.6, 0.3, 0.0]), highlight=1, title="A guess")
    widths = [float(rect.get("width")) for rect in ElementTree.fromstring(drawing.svg).iter(f"{SVG}rect")]
    assert widths[0] == 2 * widths[1] > widths[2] == 0
    assert texts(drawing) == ["A guess", "mat", "60.0%", "␣", "30.0% ◀", "<b>", "0.0%"]
    assert drawing.alt == "A guess: bar chart of shares. mat 60.0%, ␣ 30.0% (marked), <b> 0.0%."
    half = ElementTree.fromstring(bars(["a"], [0.5], full=1.0).svg).find(f".//{SVG}rect")
    assert float(half.get("width")) == widths[0] / 2, "half of what fills the width"


@pytest.mark.parametrize("shares", [[0.0, 0.0], [1.0, 0.0]])
def test_bars_may_all_be_empty(shares):
    assert "nan" not in bars(["a", "b"], shares).svg


def cells(svg):
    """The shades of a heat map's cells by row and column, read from its paths."""
    shade = {}
    for fill, path in re.findall(r'<path fill="(rgb[^"]+)" d="([^"]+)"', svg.split("</g>")[0]):
        for c, t, n in re.findall(r"M(\d+) (\d+)h(\d+)", path):
            shade |= {(int(t), int(c) + i): fill for i in range(int(n))}
    return shade


def lightness(fill):
    return sum(w * int(x) for w, x in zip((0.2126, 0.7152, 0.0722), re.findall(r"\d+", fill), strict=True))


def test_a_heat_map_is_darker_where_the_number_is_larger():
    values = torch.randn(30, 50, generator=torch.Generator().manual_seed(0))
    shade = cells(heat_map(values, "").svg)
    assert shade.keys() == {(t, c) for t in range(30) for c in range(50)}
    order = values.flatten().sort().indices.tolist()
    dark = [lightness(shade[divmod(i, 50)]) for i in order]
    assert dark == sorted(dark, reverse=True) and len(set(dark)) == SHADES + 1


def test_a_heat_map_has_a_scale_and_says_what_it_shows():
    values = torch.linspace(-1, 1, 400).view(20, 20)
    drawn = heat_map(values, "A title", "position", "channel", says="It grows.")
    assert {"-1", "0", "1", "A title", "← position", "channel →"} <= set(texts(drawn))
    assert drawn.alt == (
        "A title: heat map, 20 rows (position) by 20 columns (channel), from -1 (light) to 1 (dark). It grows."
    )
    assert cells(heat_map(values, "", limits=(5, 6)).svg)[19, 19] == "rgb(255,255,255)", "beyond its limits"


def test_a_small_heat_map_holds_its_numbers():
    values = torch.tensor([[0.0, 1.0], [0.84, 0.54]])
    drawn = heat_map(values, "t", labels=["a", " "])
    assert [text for text in texts(drawn) if re.fullmatch(r"\d\.\d\d", text)] == [
        "0.00",
        "1.00",
        "0.84",
        "0.54",
    ]
    assert "a: 0.00, 1.00. ␣: 0.84, 0.54." in drawn.alt


def test_the_numbers_of_a_heat_map_can_be_read_on_their_shade():
    for level in torch.linspace(0, 1, 200).tolist():
        drawn = heat_map(torch.tensor([[level]]), "", limits=(0, 1))
        (ink,) = re.findall(rf'fill="(#\w+)">{level:.2f}<', drawn.svg)
        shade = [int(x) / 255 for x in re.findall(r"\d+", cells(drawn.svg)[0, 0])]
        assert contrast(shade, ink) >= 4.5


def test_a_heat_map_of_one_value_is_drawn():
    assert cells(heat_map(torch.zeros(3, 3), "").svg)


def test_a_flow_says_what_happens_in_which_order_and_where_roads_join():
    steps = [("ids", "(4, 8)"), ("norm", "(4, 8, 16)"), ("<layer>", "(4, 8, 16)")]
    drawn = flow(steps, around=[(1, 2)], frame=(1, 2, "× 3"), title="A model")
    assert [text for text in texts(drawn) if text != "× 3"] == [
        "A model",
        *(word for step in steps for word in step),
    ]
    assert "× 3" in texts(drawn)
    root = ElementTree.fromstring(drawn.svg)
    assert len(list(root.iter(f"{SVG}circle"))) == 1, "one road joins"
    boxes = [float(rect.get("y")) for rect in root.iter(f"{SVG}rect")][1:]  # the first is the frame
    assert boxes == sorted(boxes) and len(boxes) == len(steps)
    (sum_at,) = (float(circle.get("cy")) for circle in root.iter(f"{SVG}circle"))
    assert boxes[2] + 32 < sum_at, "the road joins below the step whose result it is added to"
    assert "<layer> → (4, 8, 16)." in drawn.alt
    assert (
        "before “norm” is also added to what “<layer>” leaves" in drawn.alt and "“<layer>”: × 3." in drawn.alt
    )


TOKENS = ["the", " cat", "\n", "日本", "<&>", "the", "the"]


def boxes(drawing):
    return list(ElementTree.fromstring(drawing.svg).iter(f"{SVG}rect"))


def test_a_strip_has_a_box_a_word_and_an_id_for_each_token():
    drawn = token_strip({"one": TOKENS, "two": ["x"]}, ids={"one": range(300, 307)})
    assert len(boxes(drawn)) == len(TOKENS) + 1
    words = texts(drawn)
    assert words[0] == "one · 7 tokens" and words[1:15:2] == ["the", "␣cat", "⏎", "日本", "<&>", "the", "the"]
    assert words[2:16:2] == [str(i) for i in range(300, 307)] and words[15:] == ["two · 1 token", "x"]


def test_neighbours_on_a_strip_are_told_apart_by_their_borders():
    drawn = boxes(token_strip({"": ["same"] * 60}))
    assert all(box.get("stroke") == drawn[0].get("stroke") for box in drawn), "the same token, another colour"
    spans = [(float(b.get("y")), float(b.get("x")), float(b.get("x")) + float(b.get("width"))) for b in drawn]
    for (y, _, right), (next_y, left, next_right) in pairwise(spans):
        assert next_right <= 700, "a box stands out of the strip"
        assert left > right + 1 if next_y == y else next_y >= y + 22, "two boxes touch"


def test_what_is_marked_on_a_strip_has_a_thick_border():
    drawn = token_strip({"": TOKENS}, marked={"the"})
    assert [box.get("stroke-width") for box in boxes(drawn)] == ["3", "1", "1", "1", "1", "3", "3"]
    assert drawn.alt.endswith("Marked: “the”.")


def test_a_strip_says_its_tokens_in_words():
    assert token_strip({"a cat": ["the", " cat"]}).alt == "a cat: 2 tokens: “the”, “␣cat”."
    assert token_strip({"": ["a"] * (SPELLED_OUT + 3)}).alt.endswith("“a” and 3 more.")


def spans(drawing, dashes):
    """Where each box with these dashes begins and ends, in cells of the strip, and its height on the page."""
    boxes = re.findall(
        rf'<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"[^>]*stroke-dasharray="{dashes}"/>', drawing.svg
    )
    return [((float(x) - 63.5) / 20, (float(x) + float(width) - 60.5) / 20, int(y)) for x, y, width in boxes]


def test_windows_stand_where_their_tokens_stand():
    drawing = text_windows("abcdefg", [([0, 1, 2], [1, 2, 3]), ([3, 4, 5], [4, 5, 6])])
    inputs, targets = spans(drawing, ""), spans(drawing, "4 2")
    assert [(begin, end) for begin, end, _ in inputs] == [(0, 3), (3, 6)]
    assert [(begin, end) for begin, end, _ in targets] == [(1, 4), (4, 7)]
    assert len({y for *_, y in inputs}) == len({y for *_, y in targets}) == 1, "side by side, so in one lane"
    assert inputs[0][2] < targets[0][2], "inputs stand above the text and targets below it"


def test_windows_that_overlap_have_lanes_of_their_own():
    drawing = text_windows("abcdef", [(range(i, i + 3), range(i + 1, i + 4)) for i in range(3)])
    assert len({y for *_, y in spans(drawing, "")}) == 3


def test_a_token_that_is_nobodys_target_has_a_stroke_and_is_named():
    drawing = text_windows("abcdef", [([0, 1], [1, 2]), ([3], [4])], "<cut>")
    assert drawing.svg.count("<path") == 3
    assert drawing.alt == (
        "<cut>. 2 windows over 6 tokens. Window 0: inputs 0 to 1, targets 1 to 2. "
        "Window 1: inputs 3 to 3, targets 4 to 4. Nobody's target: 0, 3, 5."
    )
    assert {"<cut>", "a", "f", "0", "1"} <= set(texts(drawing))


def test_a_path_down_the_valley_stands_where_its_points_stand():
    drawing = valley({"SGD": [(-4, 1), (-2, -0.5), (-0.0, 0)], "<other>": [(-4, 1), (1, 0.1)]}, steepness=20)
    first, _ = re.findall(r'd="M(-?[\d.]+ -?[\d.]+(?:L[\d. -]+)+)" fill="none"', drawing.svg)
    places = [[float(n) for n in point.split()] for point in first.split("L")]
    (x0, y0), (x1, y1), (lowest_x, lowest_y) = places
    assert x0 - lowest_x == pytest.approx(-4 * 66) and lowest_y - y0 == pytest.approx(66), "up is up"
    assert x1 - lowest_x == pytest.approx(-2 * 66) and lowest_y - y1 == pytest.approx(-33)
    assert drawing.svg.count("<circle") == 4, "a mark for each point, and one for the legend"
    assert "<other>: height 0.6" in texts(drawing), "½(1 + 20 · 0.01)"
    assert drawing.alt == (
        "Contour lines of the valley ½(x² + 20 y²), lowest at (0, 0). "
        "SGD: 2 steps from (-4, 1) to (0, 0), height 0. "
        "<other>: 1 steps from (-4, 1) to (1, 0.1), height 0.6."
    )


def test_a_contour_line_is_where_the_valley_is_level():
    drawing = valley({}, steepness=4)
    for across, up in re.findall(r'rx="(\d+)" ry="([\d.]+)"', drawing.svg):
        assert int(across) ** 2 == pytest.approx(4 * float(up) ** 2)


def test_a_path_that_leaves_the_map_says_so_even_where_it_overflows():
    drawing = valley({"too fast": [(-4, 1), (3, -9), (1e30, 4), (float("inf"), float("nan"))]}, steepness=20)
    assert "too fast: leaves the map, height nan" in texts(drawing)
    body = drawing.svg.split(">", 1)[1]  # without the words
    assert "inf" not in body and "1e+30" not in body


def test_a_graph_stands_where_its_numbers_stand():
    drawing = graph(
        {"<line>": [0.0, 1.0, 5.0]}, [-1.0, 0.0, 1.0], (-1, 3), [(0.0, 1.0, "here")], (-1.0, 0.0, "flat")
    )
    (way,) = re.findall(r'd="M(-?[\d.]+ -?[\d.]+(?:L[\d. -]+)+)" fill="none"', drawing.svg)
    (x0, y0), (x1, y1), (x2, y2) = ([float(n) for n in point.split()] for point in way.split("L"))
    assert x1 - x0 == x2 - x1 > 0 and y0 - y1 > 0 and y1 - y2 == pytest.approx(4 * (y0 - y1)), "up is up"
    assert f'cx="{x1:.1f}" cy="{y1:.1f}"' in drawing.svg, "the point is not on the line"
    assert f'<rect x="{x0:.1f}" y="0" width="{x1 - x0:.1f}"' in drawing.svg, "the hatched stretch"
    assert {"<line>", "here", "flat", "-1", "3"} <= set(texts(drawing))
    assert drawing.alt == (
        "Lines over x from -1 to 1. <line>: from 0.00 to 5.00. A point at (0.00, 1.00): here. "
        "Hatched from -1.00 to 0.00: flat."
    )


def test_curves_draw_what_they_were_given():
    picture = curves({"train": [4.0, 3.0, 2.5]}, {"floor": 2.0}, x=[10, 20, 30], xlabel="step", title="A run")
    (axes,) = picture.axes
    line, level = axes.lines
    assert line.get_xdata().tolist() == [10, 20, 30] and line.get_ydata().tolist() == [4.0, 3.0, 2.5]
    assert set(level.get_ydata()) == {2.0}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss (nats per token)")
    assert [text.get_text() for text in picture.legends[0].get_texts()] == ["train", "floor: 2.00"]
    assert "train: from 4.00 at 10 to 2.50 at 30." in picture.alt and "floor: 2.00" in picture.alt


def test_curves_differ_in_more_than_colour():
    picture = curves({str(i): [i, i] for i in range(4)}, {"a": 0.0, "b": 1.0})
    lines = picture.axes[0].lines
    assert [line.get_linestyle() for line in lines[:4]] == DASHES
    assert len({str(line._dash_pattern) for line in lines}) == 6, "two lines have the same dashes"


def test_a_picture_carries_its_alt_text_into_the_notebook():
    picture, _ = figure(alt='Two "lines" & a floor')
    shown = picture._repr_mimebundle_()
    assert 'alt="Two &quot;lines&quot; &amp; a floor"' in shown["text/html"]
    assert shown["text/plain"] == picture.alt


def test_a_figure_has_the_axes_that_were_asked_for():
    _, axes = figure(alt="Six charts.", rows=2, columns=3)
    assert axes.shape == (2, 3)


def test_a_loop_comes_round():
    drawn = loop([("guess", "a"), ("score", "b"), ("blame", "c"), ("nudge", "<d>")], middle="1,000 times")
    assert texts(drawn) == [
        "1 · guess", "a", "2 · score", "b", "3 · blame", "c", "4 · nudge", "<d>", "1,000 times",
    ]  # fmt: skip
    assert "1. guess (a), 2. score (b)" in drawn.alt and "again from 1. 1,000 times." in drawn.alt
    arrows = [path.get("d") for path in ElementTree.fromstring(drawn.svg).iter(f"{SVG}path")]
    starts = [tuple(map(float, re.match(r"M([\d.]+) ([\d.]+)", arrow).groups())) for arrow in arrows]
    directions = [re.search(r"(h-?|v-?)", arrow)[1] for arrow in arrows]
    assert directions == ["h", "v", "h-", "v-"], "to the right, down, to the left, up: clockwise"
    assert len(set(starts)) == 4
