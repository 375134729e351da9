"""The explorer: every control changes what is drawn, and its still twin shows the same."""

import ipywidgets
import pytest

from handmade.drawings import drawing
from handmade.plots import figure
from handmade.widgets import Choice, Slider, Switch, Text, Twin, enabled, explore

CONTROLS = {
    "text": Text("handmade", longest=10),
    "scale": Slider(1.0, 0.0, 4.0, 0.5, label="Scale ×"),
    "masked": Switch(True),
    "kind": Choice("plain", ["plain", "fancy"]),
    "n_head": Slider(2, 1, 8),
}
START = {"text": "handmade", "scale": 1.0, "masked": True, "kind": "plain", "n_head": 2}


def draw(**values):
    if not values["text"]:
        raise ValueError("Type <something>.")
    return drawing(f"<text>{sorted(values.items())}</text>", 10, 10, f"alt of {values['text']}")


def expected(**changed):
    return draw(**START | changed).svg


@pytest.fixture
def explorer(monkeypatch):
    monkeypatch.delenv("HANDMADE_WIDGETS", raising=False)
    return explore(draw, [{}], **CONTROLS)


def test_each_control_changes_what_is_drawn(explorer):
    *widgets, shown = explorer.children
    changed = {}
    assert shown.value == expected(), "before anything is moved the start values are drawn"
    for widget, (name, value) in zip(
        widgets,
        {"text": "by hand", "scale": 2.5, "masked": False, "kind": "fancy", "n_head": 5}.items(),
        strict=True,
    ):
        changed[name] = widget.value = value
        assert shown.value == expected(**changed), f"a change of {name} does not reach the picture"


def test_controls_say_what_they_are(explorer):
    text, scale, _, kind, n_head = explorer.children[:-1]
    assert (text.description, scale.description, n_head.description) == ("text", "Scale ×", "n head")
    assert isinstance(scale, ipywidgets.FloatSlider) and (scale.min, scale.max, scale.step) == (0, 4, 0.5)
    assert isinstance(n_head, ipywidgets.IntSlider), "a slider of whole numbers must not give fractions"
    assert kind.options == ("plain", "fancy")


def test_what_cannot_be_drawn_says_why(explorer):
    typed, shown = explorer.children[0], explorer.children[-1]
    typed.value = ""
    assert shown.value == "<p>Type &lt;something&gt;.</p>"
    typed.value = "on"
    assert shown.value == expected(text="on"), "after a mistake the picture must come back"


def test_a_long_text_is_cut(explorer):
    typed, shown = explorer.children[0], explorer.children[-1]
    typed.value = "a long sentence"
    assert shown.value == expected(text="a long sen")


def test_charts_of_matplotlib_can_be_explored_too(monkeypatch):
    monkeypatch.delenv("HANDMADE_WIDGETS", raising=False)
    shown = explore(lambda n: figure(f"{n} lines")[0], [{}], n=Slider(1, 1, 3)).children[-1]
    assert 'alt="1 lines"' in shown.value


def test_widgets_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("HANDMADE_WIDGETS", "off")
    twin = explore(draw, [{}, {"text": "a b", "masked": False, "scale": 0.0}], **CONTROLS)
    shown = twin._repr_mimebundle_()
    assert (
        expected() in shown["text/html"]
        and expected(text="a b", masked=False, scale=0.0) in shown["text/html"]
    )
    assert "text: a␣b · Scale ×: 0 · masked: off · kind: plain · n head: 2" in shown["text/html"]
    assert "n head: 2: alt of a b" in shown["text/plain"], "the twin's alt texts are lost"


def test_without_ipywidgets_there_is_the_twin(monkeypatch):
    monkeypatch.delenv("HANDMADE_WIDGETS", raising=False)
    assert enabled()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert isinstance(explore(draw, [{}], **CONTROLS), Twin)


def test_the_twin_cuts_a_long_text_too(monkeypatch):
    monkeypatch.setenv("HANDMADE_WIDGETS", "off")
    assert (
        explore(lambda text: drawing("", 1, 1, text), [{}], text=Text("handmade", 4)).pictures[0][1].alt
        == "hand"
    )
