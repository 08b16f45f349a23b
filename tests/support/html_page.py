"""The tags, attributes and text of an HTML page."""

from __future__ import annotations

import html.parser
from collections import Counter

import cmarkgfm
from cmarkgfm.cmark import Options as CmarkOptions

#: The tags that an HTML report may have; they neither load nor run anything.
HTML_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "div", "span"),
    *("h1", "h2", "p", "b", "strong", "small", "ul", "ol", "li", "dl", "dt", "dd", "code", "pre", "wbr", "a"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"),
    *("svg", "symbol", "use", "path", "rect", "circle"),
}

#: The tags that a Markdown report may have: no links, no images, no HTML except <details>.
MARKDOWN_TAGS = {
    *("h2", "h3", "h4", "p", "strong", "em", "ul", "li", "code", "pre", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Page(html.parser.HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in {"meta", "wbr", "use", "path", "rect", "circle"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in {"td", "th"} else ""

    def handle_data(self, data: str) -> None:
        if "style" not in self.open[-1:]:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def render_markdown(markdown: str) -> Page:
    """Return the page that GitHub renders from Markdown, including raw HTML."""
    return Page(cmarkgfm.github_flavored_markdown_to_html(markdown, CmarkOptions.CMARK_OPT_UNSAFE))
