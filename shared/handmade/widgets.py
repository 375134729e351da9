"""Pictures that answer while you type or move a slider, each with a still twin that says the same.

The twin is what you get where ipywidgets is missing, and where the environment variable HANDMADE_WIDGETS is "off".
"""

import importlib.util
import os
from collections.abc import Callable, Sequence
from html import escape

from torch import Tensor

from handmade.plots import Drawing, attention_maps

Look = Callable[[str, float, bool], tuple[Sequence[str], Tensor]]


def enabled() -> bool:
    """Whether widgets can be shown, and are wanted."""
    wanted = os.environ.get("HANDMADE_WIDGETS", "on") != "off"
    return wanted and importlib.util.find_spec("ipywidgets") is not None


def explore_attention(look: Look, text: str, longest: int):
    """An attention map of a text that you type, with a slider for the scale and a switch for the mask.

    `look(text, scale, masked)` returns the tokens and their weights (T, T); a scale of 1 is the usual 1/√d_k.
    `longest` is the most characters that the box passes on. A ValueError from `look` is shown as its message.
    """
    if not enabled():
        return attention_stills(look, text[:longest])
    import ipywidgets

    typed = ipywidgets.Text(text, description="Text", layout={"width": "34em"})
    scale = ipywidgets.FloatSlider(1.0, min=0.0, max=4.0, step=0.25, description="Scale ×")
    masked = ipywidgets.Checkbox(True, description="Causal mask", indent=False)
    shown = ipywidgets.HTML()

    def draw(change=None) -> None:
        try:
            tokens, weights = look(typed.value[:longest], scale.value, masked.value)
        except ValueError as error:
            shown.value = f"<p>{escape(str(error))}</p>"
            return
        shown.value = attention_maps({_title(scale.value, masked.value): weights}, tokens).svg

    for control in (typed, scale, masked):
        control.observe(draw, names="value")
    draw()
    return ipywidgets.VBox([typed, ipywidgets.HBox([scale, masked]), shown])


def attention_stills(look: Look, text: str) -> Drawing:
    """The explorer's still twin: the mask on and off, then the scale at both ends."""
    stills = {}
    for scale, masked in ((1.0, True), (1.0, False), (0.0, True), (4.0, True)):
        tokens, stills[_title(scale, masked)] = look(text, scale, masked)
    return attention_maps(stills, tokens)


def _title(scale: float, masked: bool) -> str:
    return f"scale × {scale:g}, {'with' if masked else 'without'} the mask"
