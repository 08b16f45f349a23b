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
    r"\b(?:sign[ -]?(?:in|on)|log[ -]?(?:in|on)|single sign-on|authenticat(?:e|ion)|authorization required"
    r"|anmelden|anmeldung|einloggen|(?:se )?connecter|connexion|iniciar sesión|inicia sesión"
    r"|accedi|inloggen|logowanie|logga in|iniciar sessão)\b"
    r"|登录|登入|ログイン|로그인",
    re.IGNORECASE,
)
#: A status code counts only at the start, or after a word that announces it.
_STATUS = r"(?:\A|\b(?:error|http|status)[ :]{{1,3}}|- ){}\b"
_DENIED_TITLE = re.compile(
    r"\b(?:access (?:is )?(?:denied|restricted|blocked)|unauthori[sz]ed|not authori[sz]ed|forbidden"
    r"|permission denied|no permission|blocked|accès (?:refusé|interdit)|zugriff verweigert"
    r"|acceso denegado|acesso negado|accesso negato)\b|" + _STATUS.format("40[13]"),
    re.IGNORECASE,
)
_MISSING_TITLE = re.compile(
    r"\b(?:not found|nothing (?:was )?found|does(?:n't| not) exist|no such (?:page|file)"
    r"|page (?:is )?(?:missing|gone)|(?:link|share|url) (?:has )?expired|no longer (?:available|exists)"
    r"|is(?:n't| not) (?:a|an) [\w -]{1,40} here|is for sale|nicht gefunden|existiert nicht|introuvable"
    r"|non trouvée?|no encontrad[ao]|não encontrad[ao]|non trovat[ao]|niet gevonden|hittades inte"
    r"|nie znaleziono)\b"
    r"|不存在|找不到|未找到|見つかりません"
    r"|[!?.:|-] ?404\b|" + _STATUS.format("4(?:04|10)"),
    re.IGNORECASE,
)
_TEMPORARY_TITLE = re.compile(
    r"\b(?:maintenance|back soon|back shortly|wartung|mantenimiento|unavailable"
    r"|internal server error|bad gateway|gateway time-?out|try again"
    r"|too many requests|rate limit(?:ed)?)\b|" + _STATUS.format("(?:50[0234]|429)"),
    re.IGNORECASE,
)
_CHALLENGE_TITLE = re.compile(
    r"\b(?:just a moment|attention required|are you (?:a )?(?:human|robot)|captcha|checking your browser"
    r"|security check|ddos|verify (?:that )?you(?: are|'re) (?:a )?human|human verification"
    r"|before you continue|one more step)\b",
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


def build_part_error(source: str, reason: str) -> ListingError:
    """Return the error for a page that goes on without a link to the rest; ``reason``: one clause."""
    message = f"{source} shows only a part of its files, and has no link to the rest: {reason}"
    return _permanent(message, "Pass a URL that lists all files on one page, or a folder with all of them.")


def describe_page(listing: Listing) -> str:
    """Return what to tell about an HTML page without files, in one clause; empty if it is a listing."""
    signs = listing.signs
    if listing.files or listing.folders or signs.is_listing or not signs.title:
        return ""
    return f"the page links to no files; its title is: {sanitize(signs.title, limit=100)}"


def require_end(text: str, source: str) -> None:
    """Raise ListingError if an HTML page of unknown length may be cut: its outer element is not closed."""
    if not _is_closed(text.lower()):
        raise ListingError(
            f"{source} may be cut: it was sent without a length, and does not end with a closing tag",
            hint="Run the same command again; if it fails again, let the server send a Content-Length, "
            "or end the page with </html>.",
        )


#: Characters at the end of a page that may hold the closing tag of the page.
_MAX_TRAILER = 2000
#: Elements around the links of a listing.
_OUTER_TAG = re.compile(r"<(/?)(?:pre|ul|ol|dl|table|div|main|section)\b")
_PAGE_TAG = re.compile(r"<(?:html|body)\b")
_DISTRIBUTION = re.compile(r"\.whl|\.tar\.gz")


def _is_closed(text: str) -> bool:
    """Return whether an element is closed that has all links in it; ``text`` is in lower case.

    Elements may end before the page does: ``<div>menu</div>``, and one list for each link.
    """
    if any(tag in text[-_MAX_TRAILER:] for tag in ("</html", "</body")):
        return True  # HTML does not need the opening tags.
    if _PAGE_TAG.search(text):
        return False
    first_file = _DISTRIBUTION.search(text)
    depth = start = 0
    end = -1
    for tag in _OUTER_TAG.finditer(text):
        start = tag.start() if depth == 0 and not tag[1] else start
        depth = max(0, depth - 1) if tag[1] else depth + 1
        end = tag.end() if depth == 0 else -1
    is_last = end >= 0 and "<a" not in text[end:]
    return is_last and (first_file is None or start < first_file.start())


def _permanent(message: str, hint: str) -> ListingError:
    return ListingError(message, hint=hint).as_permanent()
