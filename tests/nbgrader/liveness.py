"""Looking into a page for what could do something there."""

import re
from collections import Counter
from html.parser import HTMLParser


class Page(HTMLParser):
    """What a page says, and everything in it that can do something: scripts, handlers, links that run code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.live: Counter[str] = Counter()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "base", "form", "svg", "meta", "link"):
            self.live[tag] += 1
        for name, value in attributes:
            address = re.sub(r"[\s\x00-\x1f]", "", value or "").lower()
            address = address if name in ("href", "src", "action") else ""
            if (
                name.startswith("on")
                or name == "srcdoc"
                or re.match("(javascript|vbscript|data:text)", address)
            ):
                self.live[f"{tag} {name}={value}"] += 1

    def handle_data(self, data: str) -> None:
        self.text.append(data)
