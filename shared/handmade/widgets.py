"""Pictures that answer while you type or move a slider, each with a still twin that says the same.

    explore(draw, [{}, {"scale": 4.0}], text=Text("to be", longest=20), scale=Slider(1.0, 0.0, 4.0, 0.25))

shows what `draw(text="to be", scale=1.0)` returns, and draws it anew at every change. The twin is what you get where
ipywidgets is missing, and where the environment variable HANDMADE_WIDGETS is "off": the pictures at the values that
the list names, one below the other.
"""

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from handmade.drawings import Drawing, visible


@dataclass(frozen=True)
class Text:
    """A line to type in, of which at most the first `longest` characters are used."""

    start: str
    longest: int
    label: str = ""


@dataclass(frozen=True)
class Slider:
    """A number from `low` to `high`: whole if all of them are ints."""

    start: float
    low: float
    high: float
    step: float = 1
    label: str = ""


@dataclass(frozen=True)
class Switch:
    """On or off."""

    start: bool
    label: str = ""


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    start: str
    options: Sequence[str]
    label: str = ""


Control = Text | Slider | Switch | Choice


def enabled() -> bool:
    """Whether widgets can be shown, and are wanted."""
    wanted = os.environ.get("HANDMADE_WIDGETS", "on") != "off"
    return wanted and importlib.util.find_spec("ipywidgets") is not None


def explore(draw: Callable[..., Any], stills: Sequence[Mapping[str, Any]], **controls: Control):
    """What `draw` returns for the controls' values, which are its arguments, drawn anew when one of them changes.

    `draw` returns a picture of `handmade.drawings`, or of `handmade.plots` where that is quick enough (a tenth of a
    second); a ValueError from it is shown as its message. Each of `stills` names the values in which a picture of the
    twin differs from the start.
    """
    start = {name: _used(control, control.start) for name, control in controls.items()}
    if not enabled():
        return Twin([(start | still, draw(**start | still)) for still in stills], controls)
    import ipywidgets

    widgets = {name: _widget(ipywidgets, name, control) for name, control in controls.items()}
    shown = ipywidgets.HTML()

    def show(change=None) -> None:
        try:
            shown.value = _html(draw(**{name: _used(controls[name], w.value) for name, w in widgets.items()}))
        except ValueError as error:
            shown.value = f"<p>{escape(str(error))}</p>"

    for widget in widgets.values():
        widget.observe(show, names="value")
    show()
    return ipywidgets.VBox([*widgets.values(), shown])


class Twin:
    """Still pictures, each below the values that it was drawn with."""

    def __init__(self, pictures: Sequence[tuple[Mapping[str, Any], Any]], controls: Mapping[str, Control]):
        self.pictures = []
        for values, picture in pictures:
            words = (_in_words(_label(name, controls[name]), value) for name, value in values.items())
            self.pictures.append((" · ".join(words), picture))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        html = "".join(f"<p>{escape(words)}</p>{_html(picture)}" for words, picture in self.pictures)
        text = "\n".join(f"{words}: {_bundle(picture)['text/plain']}" for words, picture in self.pictures)
        return {"text/html": html, "text/plain": text}


def _widget(ipywidgets: Any, name: str, control: Control) -> Any:
    label = {"description": _label(name, control), "style": {"description_width": "initial"}}
    wide = {"layout": {"width": "34em"}}
    match control:
        case Text():
            return ipywidgets.Text(control.start, **label, **wide)
        case Switch():
            return ipywidgets.Checkbox(control.start, indent=False, **label)
        case Choice():
            return ipywidgets.Dropdown(value=control.start, options=list(control.options), **label)
        case Slider():
            whole = all(isinstance(n, int) for n in (control.start, control.low, control.high, control.step))
            kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
            return kind(control.start, min=control.low, max=control.high, step=control.step, **label, **wide)


def _used(control: Control, value: Any) -> Any:
    return value[: control.longest] if isinstance(control, Text) else value


def _label(name: str, control: Control) -> str:
    return control.label or name.replace("_", " ")


def _in_words(label: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{label}: {'on' if value else 'off'}"
    return f"{label}: {visible(value) if isinstance(value, str) else format(value, 'g')}"


def _bundle(picture: Any) -> dict[str, str]:
    return picture._repr_mimebundle_()


def _html(picture: Drawing | Any) -> str:
    return _bundle(picture)["text/html"]
