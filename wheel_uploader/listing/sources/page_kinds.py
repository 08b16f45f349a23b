"""Recognizes pages that are not listings, and describes them: login pages, errors. No I/O."""

from __future__ import annotations

import re

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.html_text import extract_visible_text
from wheel_uploader.core.redaction import sanitize, sanitize_url
from wheel_uploader.facts.listing_page import Listing

_LOGIN_HINT = "Pass a URL that lists the files without a login, or put USER:PASSWORD@ before its host."
_DIRECTORY_HINT = (
    "Pass the URL of a directory listing, an index page, a bucket or a release that lists the files."
)

_LOGIN_TITLE = re.compile(
    r"\b(?:sign[ -]?(?:in|on)|log[ -]?(?:in|on)|single sign-on|authentication required|authenticate)\b",
    re.IGNORECASE,
)
#: A status code counts only at the start, or after a word that announces it.
_STATUS = r"(?:\A|\b(?:error|http|status)[ :]{{1,3}}|- ){}\b"
_DENIED_TITLE = re.compile(
    r"\b(?:access (?:is )?denied|unauthori[sz]ed|forbidden|permission denied)\b|" + _STATUS.format("40[13]"),
    re.IGNORECASE,
)
_MISSING_TITLE = re.compile(
    r"\b(?:not found|does(?:n't| not) exist|no such (?:page|file)|page (?:is )?(?:missing|gone))\b|"
    + _STATUS.format("4(?:04|10)"),
    re.IGNORECASE,
)
_TEMPORARY_TITLE = re.compile(
    r"\b(?:maintenance|unavailable|internal server error|bad gateway|gateway time-?out|try again"
    r"|too many requests|rate limit(?:ed)?)\b|" + _STATUS.format("(?:50[0234]|429)"),
    re.IGNORECASE,
)
_CHALLENGE_TITLE = re.compile(
    r"\b(?:just a moment|attention required|are you (?:a )?(?:human|robot)|captcha|checking your browser"
    r"|security check|ddos)\b",
    re.IGNORECASE,
)
#: A page that is built by scripts has fewer characters of text than this.
_MAX_STATIC_TEXT = 200


def reject_page_for_people(listing: Listing, text: str, source: str) -> None:
    """Raise ListingError if an HTML page without wheels and sdists is evidently not a listing."""
    signs = listing.signs
    if signs.is_listing or any(
        file.filename.endswith((".whl", *filenames.SDIST_SUFFIXES)) for file in listing.files
    ):
        return
    title = f" (its title: {sanitize(signs.title, limit=100)})" if signs.title else ""
    if _TEMPORARY_TITLE.search(signs.title):
        raise ListingError(f"{source} returned an error page{title}")
    if listing.asks_for_password or _LOGIN_TITLE.search(signs.title):
        raise _permanent(f"{source} returned a login page{title}", _LOGIN_HINT)
    if _DENIED_TITLE.search(signs.title):
        raise _permanent(f"{source} returned a page that denies access{title}", _LOGIN_HINT)
    if _CHALLENGE_TITLE.search(signs.title):
        raise _permanent(f"{source} returned a check for browsers, not a listing{title}", _DIRECTORY_HINT)
    if _MISSING_TITLE.search(signs.title):
        message = f"{source} returned a page that says that there is nothing{title}"
        raise _permanent(message, "Check the URL: open it in a browser.")
    if signs.refresh_url:
        shown_url = sanitize_url(signs.refresh_url, limit=200)
        message = f"{source} returned a page without files that leads browsers on to {shown_url}{title}"
        raise _permanent(message, f"Pass that URL if it lists the files: -u {shown_url}")
    if not listing.folders and signs.has_scripts and len(extract_visible_text(text)) < _MAX_STATIC_TEXT:
        message = (
            f"{source} returned a page that a script builds in the browser, and that has no links{title}"
        )
        raise _permanent(message, f"Scripts are not run. {_DIRECTORY_HINT}")


def describe_page(listing: Listing) -> str:
    """Return what to tell about an HTML page without files, in one clause; empty if it is a listing."""
    signs = listing.signs
    if listing.files or listing.folders or signs.is_listing or not signs.title:
        return ""
    return f"the page links to no files; its title is: {sanitize(signs.title, limit=100)}"


def require_end(text: str, source: str) -> None:
    """Raise ListingError if an HTML page of unknown length may be cut: it has no closing tag at its end."""
    last_tag = text.rstrip()[-_MAX_TRAILER:].lower()
    if not any(f"</{tag}" in last_tag for tag in _OUTER_TAGS):
        raise ListingError(
            f"{source} may be cut: it was sent without a length, and does not end with a closing tag",
            hint="Run the same command again; if it fails again, let the server send a Content-Length, "
            "or end the page with </html>.",
        )


#: Elements around the links of a listing, and the characters at its end that may hold their closing tags.
_OUTER_TAGS = ("html", "body", "pre", "ul", "ol", "dl", "table", "div", "main", "section")
_MAX_TRAILER = 2000


def _permanent(message: str, hint: str) -> ListingError:
    return ListingError(message, hint=hint).as_permanent()
