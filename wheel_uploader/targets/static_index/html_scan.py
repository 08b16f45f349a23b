"""Scans the markup of an HTML page for the places at which links can be added. Pure functions of text.

The parser of ``facts/html_links.py`` repairs the markup, so it shows neither that a page was cut nor the
offsets of a link. This scanner accepts only complete markup, and every step takes linear time.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

#: A tag with its attributes, whose values may contain ``>`` in quotes.
_START_TAG = re.compile(r"<([A-Za-z][^\s/>]*+)((?:[^\"'>]|\"[^\"]*+\"|'[^']*+')*+)>")
_END_TAG = re.compile(r"</([A-Za-z][^\s/>]*+)[^>]*+>")
#: An attribute: its name, and its value in one of three forms.
_ATTRIBUTE = re.compile(r"([^\s\"'>/=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++)))?")
#: Elements whose contents are text, whatever they look like.
_RAW_TEXT = frozenset({"script", "style", "textarea", "title", "xmp", "noscript", "template"})
#: Their end tags.
_RAW_TEXT_ENDS = {tag: re.compile(rf"</{tag}\s*+>", re.IGNORECASE) for tag in _RAW_TEXT}
#: Nothing but blanks up to the end of a line.
_REST_OF_LINE = re.compile(r"[ \t]*+\r?+\n")
_BREAK = re.compile(r"[ \t]*+<br\s*+/?>", re.IGNORECASE)
#: The last segment of a link to a project: ``demo/``, ``/simple/demo/``, ``demo/index.html``.
_PROJECT_LINK = re.compile(r"((?:[^/?#]*+/)*?)([^/?#]++)(/?(?:index\.html?)?)(?:[?#].*+)?\Z", re.DOTALL)


class IncompletePage(ValueError):
    """The markup is cut or not understood; ``str()`` gives the reason in one clause."""


@dataclass(slots=True)
class Anchor:
    """A link of a page, and the part of the text that it takes."""

    #: The link as written, with entities resolved; the offsets are those of the value in the text.
    href: str
    href_start: int
    href_end: int
    #: Offsets of ``<a`` and of the end of ``</a>``.
    start: int
    end: int
    #: Offsets of the list item around it, if it is in one.
    item: tuple[int, int] | None = None

    @property
    def last_segment(self) -> str:
        """The name of the project that a link of a root page leads to; empty if it is not such a link."""
        match = _PROJECT_LINK.match(self.href)
        return match[2] if match else ""


@dataclass(slots=True)
class PageScan:
    """The links of a page, and the places where its body ends."""

    text: str
    anchors: list[Anchor] = field(default_factory=list)
    #: Offset of ``</body>``, or else of ``</html>``; the end of the text for a fragment.
    body_end: int = -1
    has_base: bool = False

    def unit(self, anchor: Anchor) -> tuple[int, int]:
        """Return the offsets of a link with its list item or line break, and its whole line if possible."""
        start, end = anchor.item or (anchor.start, anchor.end)
        if not anchor.item and (line_break := _BREAK.match(self.text, end)):
            end = line_break.end()
        line_start = self.text.rfind("\n", 0, start) + 1
        if not self.text[line_start:start].strip(" \t"):
            start = line_start
            rest = _REST_OF_LINE.match(self.text, end)
            end = rest.end() if rest else end
        return start, end

    def has_break(self, anchor: Anchor) -> bool:
        """Return whether a line break follows a link."""
        return _BREAK.match(self.text, anchor.end) is not None


def scan_page(text: str) -> PageScan:
    """Return where the links of a page are. Raises IncompletePage unless all its markup is complete."""
    scanner = _Scanner(text)
    scanner.run()
    return scanner.result


def split_project_link(href: str) -> tuple[str, str, str]:
    """Return what precedes the project's name in a link of a root page, the name, and what follows it."""
    match = _PROJECT_LINK.match(href)
    return (match[1], match[2], match[3]) if match else ("", href, "/")


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.result = PageScan(text)
        self._open: Anchor | None = None
        self._seen: set[str] = set()
        #: Offset of the open list item, and the number of links before it.
        self._item: tuple[int, int] | None = None
        self._ends: dict[str, int] = {}

    def run(self) -> None:
        position = self.text.find("<")
        while position >= 0:
            position = self.text.find("<", self._read_markup(position))
        if self._open:
            raise IncompletePage("its last link is not closed")
        for tag in ("html", "body"):
            if tag in self._seen and tag not in self._ends:
                raise IncompletePage(f"it does not end with </{tag}>")
        self.result.body_end = self._ends.get("body", self._ends.get("html", len(self.text)))

    def _read_markup(self, position: int) -> int:
        """Read what begins with ``<``, and return the offset of its end."""
        following = self.text[position + 1 : position + 2]
        if self.text.startswith("<!--", position):
            return self._find_end("-->", position + 4, "a comment")
        if following in ("!", "?"):
            return self._find_end(">", position, "a declaration")
        if following == "/":
            match = _END_TAG.match(self.text, position)
            if match:
                self._close(match[1].lower(), position, match.end())
                return match.end()
            return self._find_end(">", position, "a tag")
        if not following.isalpha():
            if not following:
                raise IncompletePage("it ends within a tag")
            return position + 1
        match = _START_TAG.match(self.text, position)
        if not match:
            raise IncompletePage("it ends within a tag, or quotes in a tag are not closed")
        return self._start(match[1].lower(), match)

    def _find_end(self, mark: str, position: int, what: str) -> int:
        end = self.text.find(mark, position)
        if end < 0:
            raise IncompletePage(f"it ends within {what}")
        return end + len(mark)

    def _start(self, tag: str, match: re.Match[str]) -> int:
        self._seen.add(tag)
        if tag == "a":
            self._start_anchor(match)
        elif tag == "li":
            self._item = (match.start(), len(self.result.anchors))
        elif tag == "base":
            self.result.has_base = True
        elif tag in _RAW_TEXT and not match[2].endswith("/"):
            end = _RAW_TEXT_ENDS[tag].search(self.text, match.end())
            if not end:
                raise IncompletePage(f"its <{tag}> is not closed")
            return end.end()
        return match.end()

    def _start_anchor(self, match: re.Match[str]) -> None:
        if self._open:
            raise IncompletePage("a link in it is not closed")
        attributes = _ATTRIBUTE.finditer(self.text, match.start(2), match.end(2))
        href = next((each for each in attributes if each[1].lower() == "href" and each.lastindex != 1), None)
        if not href:
            return
        group = href.lastindex or 0
        self._open = Anchor(
            href=html.unescape(href[group]).strip(),
            href_start=href.start(group),
            href_end=href.end(group),
            start=match.start(),
            end=match.end(),
        )

    def _close(self, tag: str, start: int, end: int) -> None:
        if tag == "a" and self._open:
            self._open.end = end
            self.result.anchors.append(self._open)
            self._open = None
        elif tag == "li" and self._item:
            item_start, count = self._item
            inside = self.result.anchors[count:]
            # A list item with several links is not that of one of them.
            if len(inside) == 1:
                inside[0].item = item_start, end
            self._item = None
        elif tag in ("body", "html"):
            self._ends[tag] = start
