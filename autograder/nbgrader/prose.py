"""A learner's Markdown, made such that no page that shows it can be made to do anything.

nbgrader puts what Markdown becomes into its pages as it is, among them formgrader's, where a script would act for the
instructor. So no tag is let through, and what Markdown itself makes is looked at as the page will have it.
"""

import re
from html.parser import HTMLParser
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from autograder.submission import text_of

# What starts a tag, except for those of the hints in the course's own prose, and for <https://...>.
TAG = re.compile(r"<(?=[a-zA-Z/!?])(?!/?(?:details|summary)>|https?://)")
# What gives a formula links and looks of its own.
FORMULA = re.compile(r"\\(href|class|cssId|style|require)")
LONGEST = 20_000  # characters; nbconvert takes ever longer for the next
PICTURES = ("image/png", "image/jpeg", "image/gif")

# What nbconvert makes of Markdown.
TAGS = {
    "a", "blockquote", "br", "code", "del", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img",
    "input", "li", "ol", "p", "pre", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "alt", "checked", "class", "disabled", "href", "id", "src", "start", "style", "title", "type"
}  # fmt: skip
ADDRESS = re.compile(
    r"(?!\s*[a-z][a-z0-9+.-]*\s*:)|https?:|mailto:|data:image/(png|jpeg|gif);", re.IGNORECASE
)


def prose(entry: dict) -> dict[str, Any]:
    """The source of a cell of prose, and its pasted pictures. What cannot be shown as Markdown is shown as it stands.

    A picture that is lost, for one, would end nbgrader's feedback for the whole submission with an error.
    """
    text, pictures = plain_text(text_of(entry)), _pictures(entry)
    try:
        if len(text) > LONGEST:
            raise ValueError("too long")
        renderer = IPythonRenderer(escape=False, attachments=pictures)
        _Harmless(MarkdownWithMath(renderer=renderer).render(text))
    except Exception:  # whatever nbconvert stumbles over
        fence = "`" * (1 + max(map(len, ["``", *re.findall("`+", text)])))
        text, pictures = f"{fence}\n{text}\n{fence}", {}
    return {"source": text} | ({"attachments": pictures} if pictures else {})


def plain_text(markdown: str) -> str:
    """Markdown in which nothing is a tag: a space keeps `<` from starting one. Formulas lose what makes links."""
    return FORMULA.sub(r"\\text", TAG.sub("< ", markdown))


def _pictures(entry: dict) -> dict[str, dict[str, str]]:
    """The pictures pasted into a cell of prose."""
    attachments = entry["attachments"] if isinstance(entry.get("attachments"), dict) else {}
    kept = {}
    for name, forms in attachments.items():
        for kind, data in forms.items() if isinstance(forms, dict) else []:
            if kind in PICTURES and isinstance(data, str) and re.fullmatch(r"[A-Za-z0-9+/=\s]*", data):
                kept[name] = {kind: data}
    return kept


class _Harmless(HTMLParser):
    """Raises ValueError for a page with anything in it that Markdown does not make, or that runs code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and not ADDRESS.match(value or ""):
                raise ValueError(f"{name}={value}")
            if name not in ATTRIBUTES or (
                name == "style" and not re.fullmatch(r"text-align: ?\w+;?", value or "")
            ):
                raise ValueError(name)
        if tag not in TAGS:
            raise ValueError(tag)
