"""Visible text of HTML and XML pages, for error messages. Only this module uses BeautifulSoup.

Listings have another parser, facts/html_links.py, which builds no tree: they may have 100,000 links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

#: Characters to parse: an error message is near the beginning, and a larger tree takes noticeable time.
MAX_MARKUP_LENGTH = 16_384
#: Elements with the short description of an HTML page or of an object store's XML error.
_HEADING_ELEMENTS = ("title", "code", "message")
_INVISIBLE_ELEMENTS = ("head", "script", "style", "template")


def is_markup(text: str) -> bool:
    """Return whether ``text`` starts like HTML or XML."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def extract_headings(page: str) -> str:
    """Return the title of an HTML page, or the code and message of an XML error; empty without either."""
    elements = _parse_page(page).find_all(lambda tag: tag.name.lower() in _HEADING_ELEMENTS)
    return ", ".join(filter(None, (_normalize_whitespace(element.get_text(" ")) for element in elements)))


def extract_visible_text(page: str) -> str:
    """Return the visible text of a page, in one line."""
    soup = _parse_page(page)
    for element in soup.find_all(_INVISIBLE_ELEMENTS):
        element.extract()
    return _normalize_whitespace(soup.get_text(" "))


def _parse_page(page: str) -> BeautifulSoup:
    from bs4 import BeautifulSoup

    # lxml does not accept lone surrogates, which may come from JSON text, for example.
    text = page[:MAX_MARKUP_LENGTH].lstrip("\ufeff \t\r\n").encode("utf-8", "replace").decode()
    # BeautifulSoup warns if XML is parsed as HTML. A declared encoding is cut: it does not apply to a str.
    if text.startswith("<?xml"):
        return BeautifulSoup(text.partition("?>")[2], "xml")
    return BeautifulSoup(text, "lxml")


def _normalize_whitespace(text: str) -> str:
    return " ".join(text.split())
