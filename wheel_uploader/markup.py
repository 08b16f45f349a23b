"""What a page of HTML or XML says to a person: the one home of BeautifulSoup.

Listings are not read here: they may have 100,000 links, and the parser of sources/html.py builds no tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

#: Characters: the words of an error stand at the beginning, and a tree of more takes noticeable time.
LIMIT = 16_384
#: Where a page or an object store's XML says in short what it is.
_HEADINGS = ("title", "code", "message")
_UNSEEN = ("head", "script", "style", "template")


def is_markup(text: str) -> bool:
    """Whether ``text`` begins as a page does."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def headings(page: str) -> str:
    """The title of an HTML page, or code and message of an XML error; empty when there is none."""
    found = _parsed(page).find_all(lambda tag: tag.name.lower() in _HEADINGS)
    return ", ".join(filter(None, (_one_line(tag.get_text(" ")) for tag in found)))


def words(page: str) -> str:
    """All that a reader of the page sees, in one line."""
    soup = _parsed(page)
    for unseen in soup.find_all(_UNSEEN):
        unseen.extract()
    return _one_line(soup.get_text(" "))


def _parsed(page: str) -> BeautifulSoup:
    from bs4 import BeautifulSoup

    # A lone surrogate, of a JSON text say, is nothing that lxml can be given.
    text = page[:LIMIT].lstrip("\ufeff \t\r\n").encode("utf-8", "replace").decode()
    # As HTML, BeautifulSoup would warn of XML; the encoding that a declaration names is none of a str.
    if text.startswith("<?xml"):
        return BeautifulSoup(text.partition("?>")[2], "xml")
    return BeautifulSoup(text, "lxml")


def _one_line(text: str) -> str:
    return " ".join(text.split())
