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
_NEXT_TEXTS = frozenset(
    {"next", "next page", "go to next page", "older", "load more", "show more", "more", "more files"}
    | {"weiter", "nächste", "nächste seite", "suivant", "suivante", "page suivante", "siguiente"}
    | {
        "página siguiente",
        "próxima",
        "próximo",
        "próxima página",
        "successiva",
        "successivo",
    }
    | {"avanti", "volgende", "nästa", "następna"}
    | {"下一页", "下一頁", "次へ", "次のページ"}
)
_ARROWS = " \xa0>\u203a\u00bb\u2192\u25b6"
#: ``Next 100``: the number of entries, or of the page, after the word.
_COUNT = re.compile(r" [0-9]{1,6}(?: (?:files|entries|items|results))?\Z")
#: The end of the path of a further page: ``page/2/``, ``page2.html``.
_PAGE_PATH = re.compile(r"(?:.*/)?page[-_/]?([0-9]{1,6})(?:/|\.html?|\.php)?\Z", re.IGNORECASE)
#: Query parameters that number pages, from 1, or from 0 if a page links to 0, and those that number entries.
_PAGE_PARAMETERS = frozenset({"page", "p", "pg", "paged", "page_number", "pagenumber", "pagenum"})
_OFFSET_PARAMETERS = frozenset({"offset", "start", "skip", "from"})
#: Query parameters that say how many entries a page has, or in which order.
_SIZE_PARAMETERS = frozenset(
    {
        "limit",
        "per_page",
        "per-page",
        "perpage",
        "page_size",
        "pagesize",
        "count",
        "size",
        "n",
        "sort",
        "order",
    }
)
#: Query parameters that name a folder: ``?path=wheels/``.
_FOLDER_PARAMETERS = frozenset({"path", "dir", "directory", "folder", "d", "p", "prefix", "subdir", "sub"})
#: Texts of a link to the next page that are only an arrow.
_NEXT_ARROWS = frozenset({">", ">>", "\u203a", "\u00bb", "\u2192", "\u203a\u203a"})
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


def announces_next_page(attributes: Mapping[str, str]) -> bool:
    """Return whether the attributes of a link, apart from ``rel``, say that it leads to the next page."""
    if "class" in attributes and "next" in attributes["class"].lower().split():
        return True
    return any(key in attributes and is_next_text(attributes[key]) for key in ("title", "aria-label"))


def is_next_text(text: str) -> bool:
    """Return whether a text announces the next page."""
    words = " ".join(text.lower().split()).strip(_ARROWS)
    return words in _NEXT_TEXTS or _COUNT.sub("", words) in _NEXT_TEXTS


def _is_vague(text: str) -> bool:
    """Return whether a text announces the next page only if the link leads to the same path."""
    return any(word in text.lower() for word in ("more", "older"))


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
        #: Links to the next page on another path, and the pages that a path numbers.
        self._next_urls: list[str] = []
        self._numbered_paths: dict[int, str] = {}
        self._has_parent = False
        self._has_other = False

    @property
    def has_folders(self) -> bool:
        """True if the page links to folders below it."""
        return bool(self._folders)

    @property
    def is_uniform(self) -> bool:
        """True if the page looks like a directory: it has a link to the parent, or only links to folders."""
        return self._has_parent or (
            bool(self._folders)
            and not self._has_other
            and all(link.is_named or link.shows_slash for link in self._folders.values())
        )

    def add(
        self, url: str, parts: SplitResult, name: str, text: str, *, is_folder: bool, is_next: bool = False
    ) -> None:
        """Add a link that does not have the suffix of a file; ``name`` is the last segment of its path.

        ``is_next``: an attribute says that it leads to the next page.
        """
        if parts[:2] == self._page[:2] and parts.path == self._page.path:
            self._add_page_link(url, parts, text, is_next=is_next)
        elif is_below(parts, self._directory) and self._is_further_page(url, parts, text, is_next=is_next):
            self._has_other = True
        elif text.lower() in _PARENT_TEXTS:
            self._has_parent = True
        elif is_folder and is_below(parts, self._directory):
            self._add_folder(url, parts, name, text)
        else:
            self._has_other = True

    def _add_page_link(self, url: str, parts: SplitResult, text: str, *, is_next: bool) -> None:
        """Add a link to the same path with another query: a folder, or a further page."""
        if not parts.query or len(self._page_links) >= _MAX_PAGE_LINKS:
            return
        if name := self._find_folder_name(parts.query, text):
            link = _FolderLink(name, is_child=True, has_slash=True, shows_slash=True, is_named=True)
            self._folders.setdefault(url, link)
        elif is_next:
            self._next_urls.append(url)
        else:
            self._page_links.append((url, text))

    def _find_folder_name(self, query: str, text: str) -> str:
        """Return the name of the folder below this one that a query names, and its link shows; else empty."""
        own, other = _parse_query(self._page.query), _parse_query(query)
        changed = [key for key in own.keys() | other.keys() if own.get(key) != other.get(key)]
        if len(changed) != 1 or changed[0].lower() not in _FOLDER_PARAMETERS:
            return ""
        before, after = (values.get(changed[0], "").strip("/") for values in (own, other))
        parent, _, name = after.rpartition("/")
        is_shown = text.removesuffix("/").strip() == name and not name.isdecimal()
        return name if name and parent == before and is_shown else ""

    def _is_further_page(self, url: str, parts: SplitResult, text: str, *, is_next: bool) -> bool:
        """Return whether a link leads to a further page below the same directory, and remember it."""
        name = parts.path.rstrip("/").rpartition("/")[2]
        # A folder may be called "next".
        if text.lower().strip() != name.lower() and (is_next or (is_next_text(text) and not _is_vague(text))):
            self._next_urls.append(url)
            return True
        match = _PAGE_PATH.fullmatch(parts.path[len(self._directory.path) :])
        number = bounds.parse_whole_number(match[1], _MAX_PAGE_NUMBER) if match else None
        if number is None or text.strip() != str(number):
            return False
        self._numbered_paths.setdefault(number, url)
        return True

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
        texts = [url for url, text in self._page_links if is_next_text(text)]
        arrows = [url for url, text in self._page_links if text.strip() in _NEXT_ARROWS]
        named = [*self._next_urls, *texts]
        if named:
            return named[0]
        return self._find_numbered_page() or self._find_numbered_path() or next(iter(arrows), "")

    def _find_numbered_path(self) -> str:
        match = _PAGE_PATH.fullmatch(self._page.path)
        own = bounds.parse_whole_number(match[1], _MAX_PAGE_NUMBER) if match else 1
        return self._numbered_paths.get((own or 1) + 1, "")

    def _find_numbered_page(self) -> str:
        own = _parse_query(self._page.query)
        numbered: dict[str, dict[int, str]] = {}
        shown: set[tuple[str, int]] = set()
        for url, text in self._page_links:
            query = _parse_query(urlsplit(url).query)
            changed = [
                key
                for key in own.keys() | query.keys()
                if own.get(key) != query.get(key) and key.lower() not in _SIZE_PARAMETERS
            ]
            number = (
                bounds.parse_whole_number(query.get(changed[0], ""), _MAX_PAGE_NUMBER) if changed else None
            )
            if len(changed) == 1 and number is not None:
                numbered.setdefault(changed[0], {}).setdefault(number, url)
                if text.strip() == str(number):
                    shown.add((changed[0], number))
        for key, urls in sorted(numbered.items()):
            current = bounds.parse_whole_number(own.get(key, ""), _MAX_PAGE_NUMBER)
            # In another language, a parameter counts pages if the links with the texts 1 and 2 set it so.
            is_page = (key, (current or 1) + 1) in shown and (current is None or (key, 1) in shown)
            if is_page or key.lower() in _PAGE_PARAMETERS | _OFFSET_PARAMETERS:
                first = 0 if key.lower() in _OFFSET_PARAMETERS or 0 in urls else 1
                later = [number for number in urls if number > (first if current is None else current)]
                if later:
                    return urls[min(later)]
        return ""


def _parse_query(query: str) -> Mapping[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))
