"""The explorer: every control changes what is drawn, and its still twin shows the same."""

import ipywidgets
import pytest
import torch

from handmade.attention import attention_weights, causal_mask
from handmade.plots import Drawing, attention_maps
from handmade.widgets import attention_stills, enabled, explore_attention


def look(text, scale, masked):
    if not text:
        raise ValueError("Type <something>.")
    q = k = torch.tensor([[float(ord(char) % 7), float(ord(char) % 5)] for char in text])
    return list(text), attention_weights(scale * q, k, causal_mask(len(text)) if masked else None)


def expected(text, scale, masked):
    tokens, weights = look(text, scale, masked)
    title = f"scale × {scale:g}, {'with' if masked else 'without'} the mask"
    return attention_maps({title: weights}, tokens).svg


@pytest.fixture
def explorer(monkeypatch):
    monkeypatch.delenv("HANDMADE_WIDGETS", raising=False)
    return explore_attention(look, "handmade", longest=10)


def test_each_control_changes_what_is_drawn(explorer):
    typed, controls, shown = explorer.children
    scale, masked = controls.children
    assert shown.value == expected("handmade", 1, True)
    typed.value = "by hand"
    assert shown.value == expected("by hand", 1, True), "typing does not reach the map"
    scale.value = 2.5
    assert shown.value == expected("by hand", 2.5, True), "the slider does not reach the map"
    masked.value = False
    assert shown.value == expected("by hand", 2.5, False), "the switch does not reach the map"


def test_a_text_that_cannot_be_drawn_says_why(explorer):
    typed, _, shown = explorer.children
    typed.value = ""
    assert shown.value == "<p>Type &lt;something&gt;.</p>"
    typed.value = "on"
    assert shown.value == expected("on", 1, True), "after a mistake the map must come back"


def test_a_long_text_is_cut(explorer):
    typed, _, shown = explorer.children
    typed.value = "a long sentence"
    assert shown.value == expected("a long sen", 1, True)


def test_widgets_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("HANDMADE_WIDGETS", "off")
    twin = explore_attention(look, "handmade", longest=4)
    assert isinstance(twin, Drawing) and twin.svg == attention_stills(look, "hand").svg


def test_without_ipywidgets_there_is_the_twin(monkeypatch):
    monkeypatch.delenv("HANDMADE_WIDGETS", raising=False)
    assert enabled()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert isinstance(explore_attention(look, "hand", longest=4), Drawing)


def test_the_twin_shows_both_masks_and_both_ends_of_the_slider():
    explorer = explore_attention(look, "hand", longest=4)
    slider = explorer.children[1].children[0]
    assert isinstance(slider, ipywidgets.FloatSlider)
    svg = attention_stills(look, "hand").svg
    for scale, masked in ((1, True), (1, False), (slider.min, True), (slider.max, True)):
        drawn = expected("hand", scale, masked)
        cells = drawn[drawn.index("<g ") + len('<g transform="translate(0 0)">') : drawn.rindex("</g></svg>")]
        assert cells in svg, f"the twin lacks the map of scale {scale}, masked {masked}"
