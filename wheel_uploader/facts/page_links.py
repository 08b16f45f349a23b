"""Links and titles of HTML pages that show what a page is: folders, further pages, navigation. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wheel_uploader.core import bounds
from wheel_uploader.core.urls import SplitResult, parse_qsl, urlsplit
from wheel_uploader.facts.listing_page import ListedFolder

#: Titles of the directory listings of servers, and of the pages of package indexes.
_LISTING_TITLE = re.compile(
    r"(?:index of|directory|listing of|file listing|files within|contents of|(?:[^:]{0,100}: )?links for)\b",
    re.IGNORECASE,
)
_INDEX_TITLE = re.compile(
    r"(?:[^:]{0,100}: )?(?:pypi )?simple (?:package )?(?:index|list|repository)\b", re.IGNORECASE
)
_REFRESH = re.compile(
    r"[0-9.\s]{0,20}[;,]\s{0,20}(?:url\s{0,20}=)?\s{0,20}['\"]?([^'\"]{1,2000})", re.IGNORECASE
)
#: Texts of a link to the folder above, and of a link to the next page, without arrows and blanks.
_PARENT_TEXTS = frozenset({"..", "../", "parent directory", "parent directory/", "[parent directory]"})
_NEXT_TEXTS = frozenset({"next", "next page"})
_ARROWS = " \xa0>\u203a\u00bb\u2192"
#: Query parameters that number pages, from 1, or from 0 if a page links to 0, and those that number entries.
_PAGE_PARAMETERS = frozenset({"page", "p", "pg", "paged", "page_number", "pagenumber", "pagenum"})
_OFFSET_PARAMETERS = frozenset({"offset", "start", "skip", "from"})
#: Largest number of a page, or of its first entry.
_MAX_PAGE_NUMBER = 10**9
#: Maximum number of links to other pages of the same listing that are considered.
_MAX_PAGE_LINKS = 1000


def is_listing_title(title: str) -> bool:
    """Return whether a page is a directory listing, or the page of a project, according to its title."""
    return bool(_LISTING_TITLE.match(title))


def is_index_title(title: str) -> bool:
    """Return whether a page lists the projects of a package index, according to its title."""
    return bool(_INDEX_TITLE.match(title))


def find_refresh_target(content: str) -> str | None:
    """Return the URL in the content of ``<meta http-equiv=refresh>``, or None if it has none."""
    match = _REFRESH.match(content)
    return match[1].strip() if match else None


def get_directory(url: str) -> SplitResult:
    """Return the parts of the URL of the directory that a page is in."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path[: parts.path.rfind("/") + 1] or "/")


def is_below(parts: SplitResult, directory: SplitResult) -> bool:
    """Return whether a URL is that of something below a directory, on any level."""
    return (
        parts[:2] == directory[:2]
        and parts.path.startswith(directory.path)
        and parts.path.rstrip("/") != directory.path.rstrip("/")
    )


class _FolderLink(NamedTuple):
    name: str
    #: True if it is one level below the page.
    is_child: bool
    #: True if its URL, or its text, ends with a slash.
    has_slash: bool
    shows_slash: bool
    #: True if its text is its name.
    is_named: bool


class PageLinks:
    """The links of a page that are not files: folders, further pages of the listing, and others."""

    def __init__(self, page_url: str, directory: SplitResult) -> None:
        """Start without links; ``directory`` is that of the page, or of its ``<base>``."""
        self._page = urlsplit(page_url)
        self._directory = directory
        self._folders: dict[str, _FolderLink] = {}
        self._page_links: list[tuple[str, str]] = []
        self._has_parent = False
        self._has_other = False

    @property
    def is_uniform(self) -> bool:
        """True if the page looks like a directory: it has a link to the parent, or only links to folders."""
        return self._has_parent or (
            bool(self._folders)
            and not self._has_other
            and all(link.is_named or link.shows_slash for link in self._folders.values())
        )

    def add(self, url: str, parts: SplitResult, name: str, text: str, *, is_folder: bool) -> None:
        """Add a link that does not have the suffix of a file; ``name`` is the last segment of its path."""
        if parts[:2] == self._page[:2] and parts.path == self._page.path:
            if parts.query and len(self._page_links) < _MAX_PAGE_LINKS:
                self._page_links.append((url, text))
        elif text.lower() in _PARENT_TEXTS:
            self._has_parent = True
        elif is_folder and is_below(parts, self._directory):
            self._add_folder(url, parts, name, text)
        else:
            self._has_other = True

    def _add_folder(self, url: str, parts: SplitResult, name: str, text: str) -> None:
        # The URL of a folder may lack its slash, also after it was requested.
        below = f"{self._page.path.rstrip('/')}/"
        start = below if parts.path.startswith(below) else self._directory.path
        rest = parts.path[len(start) :].strip("/")
        link = _FolderLink(
            name,
            is_child="/" not in rest and not parts.query,
            has_slash=parts.path.endswith("/"),
            shows_slash=text.endswith("/"),
            is_named=text.removesuffix("/").rstrip() == name,
        )
        self._folders.setdefault(url, link)

    def iter_folders(self, *, is_listing: bool) -> Iterator[ListedFolder]:
        """Yield the folders below the page.

        Those deeper than one level are not certain, nor is a link on a page that is not a listing, unless its
        text has the slash of a folder.
        """
        for url, link in self._folders.items():
            is_certain = link.shows_slash or (is_listing and (link.is_named or link.has_slash))
            yield ListedFolder(link.name, url, link.is_child and is_certain)

    def find_next_page(self) -> str:
        """Return the URL of the next page by the text or the number of its link; empty if there is none."""
        for url, text in self._page_links:
            if text.lower().strip(_ARROWS) in _NEXT_TEXTS:
                return url
        return self._find_numbered_page()

    def _find_numbered_page(self) -> str:
        own = _parse_query(self._page.query)
        numbered: dict[str, dict[int, str]] = {}
        for url, _ in self._page_links:
            query = _parse_query(urlsplit(url).query)
            changed = [key for key in own.keys() | query.keys() if own.get(key) != query.get(key)]
            number = (
                bounds.parse_whole_number(query.get(changed[0], ""), _MAX_PAGE_NUMBER) if changed else None
            )
            if len(changed) == 1 and number is not None:
                numbered.setdefault(changed[0], {}).setdefault(number, url)
        for key, urls in sorted(numbered.items()):
            if key.lower() in _PAGE_PARAMETERS | _OFFSET_PARAMETERS:
                first = 0 if key.lower() in _OFFSET_PARAMETERS or 0 in urls else 1
                current = bounds.parse_whole_number(own.get(key, ""), _MAX_PAGE_NUMBER)
                later = [number for number in urls if number > (first if current is None else current)]
                if later:
                    return urls[min(later)]
        return ""


def _parse_query(query: str) -> Mapping[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))
