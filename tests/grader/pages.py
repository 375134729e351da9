"""Reading the pages that the grader writes: what is in them, and that nothing else is."""

from html.parser import HTMLParser

# Every element that our templates and pictures use, each with its attributes.
ALLOWED = """
html lang | meta charset name content | title | style | body
h1 | h2 id | p class | a href | br | code | strong class | span class
div class role aria-label tabindex | footer class | dl class | dt | dd
table class | thead | tr | th scope class colspan | td class colspan
svg role aria-label aria-hidden class width height viewbox preserveaspectratio
rect x y width height class fill-opacity | path d class | text x y class
"""
ALLOWED = {tag: set(rest) for tag, *rest in map(str.split, ALLOWED.strip().replace("\n", "|").split("|"))}


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text, self.open = "", []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("td", "th", "dt", "dd", "br", "text", "span"):
            self.text += " "
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


def parse(markup: str) -> Page:
    """Fails if an element is left open."""
    parsed = Page()
    parsed.feed(markup)
    parsed.close()
    assert not parsed.open, f"left open: {parsed.open}"
    parsed.text = " ".join(parsed.text.split())
    return parsed


def check_elements(markup: str) -> Page:
    """Fails if there is anything but what is allowed, a link to elsewhere, or a picture without words."""
    parsed = parse(markup)
    for tag, attributes in parsed.elements:
        assert tag in ALLOWED, f"<{tag}> is on the page"
        assert set(attributes) <= ALLOWED[tag], f"<{tag}> has {set(attributes) - ALLOWED[tag]}"
        link = attributes.get("href", "")
        assert not link or link.startswith("#") or link.endswith(".html"), f"a link to {link}"
        assert ":" not in link, f"a link to elsewhere: {link}"
        if tag == "svg":
            said = attributes.get("role") == "img" and attributes.get("aria-label")
            assert said or attributes.get("aria-hidden") == "true", "a picture without words"
    return parsed
