"""Parses the links of HTML listings, PEP 503 pages included. The only module that uses lxml.

lxml reports events to a parser target, so that no tree is built: 100,000 links take 0.3 s and hardly any
memory. BeautifulSoup takes 3.4 s and 120 MB, and html.parser of Python 3.11 100 s for 120 kB of ``<a``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from packaging.utils import canonicalize_name

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import SplitResult, unquote, urljoin, urlsplit
from wheel_uploader.facts import link_names
from wheel_uploader.facts.index_pages import check_version
from wheel_uploader.facts.listing_page import (
    MAX_LINKS,
    Listing,
    PageSigns,
    describe_withdrawal,
    make_limit_error,
    normalize_digests,
)
from wheel_uploader.facts.page_buttons import BUTTON_TAGS, PageButtons
from wheel_uploader.facts.page_links import (
    PageLinks,
    announces_next_page,
    find_refresh_target,
    get_directory,
    is_below,
    is_index_title,
    is_listing_title,
)

#: Characters that are passed to the parser at a time.
_CHUNK_SIZE = 64 * 1024
_HASH = re.compile(r"(?:\A|&)([A-Za-z0-9_-]{1,32})=([0-9A-Fa-f]{1,512})(?=&|\Z)")
#: The size in a row of a listing: ``21-Nov-2026 10:15  16939602``, ``2026-11-21 10:15  16M``, ``16.2 MiB``.
_ROW_SIZE = re.compile(
    r"(?<![\w:.,/+-])([0-9]{1,15}(?:\.[0-9]{1,3})?)[ \xa0]?([KMG])?i?(?:B|Bytes)?(?![\w:.,/+-])",
    re.IGNORECASE,
)
#: A date in words: its day and year are not sizes.
_DATE_IN_WORDS = re.compile(
    r"\b(?:[0-9]{1,2}\.? )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
    r"(?: [0-9]{1,2}\b,?)?(?: [0-9]{4}\b)?",
    re.IGNORECASE,
)
#: A number without a unit is a size from here on, in bytes; smaller ones count pages, downloads or days.
_MIN_BARE_SIZE = 100
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
#: Characters of the text after a link that are searched for a size.
_MAX_ROW_TEXT = 200
#: Suffixes of files: no project, and no directory of one, has a name with such a suffix.
_FILE_SUFFIXES = (".whl", ".tar.gz", ".zip", ".asc", ".metadata", ".attestation")
#: A link that is the plain name of a file in the same directory, without encoded characters.
_PLAIN = re.compile(
    r"([A-Za-z0-9_][\w.+-]*\.(?:whl|tar\.gz|zip|asc|metadata|attestation))(?:#([\w=&-]*))?\Z", re.ASCII
)
#: The names of the meta elements with the status of a project (PEP 792) begin with this.
_STATUS_META = "pypi:project-status"
#: Tags other than links that are read.
_STRUCTURE_TAGS = frozenset(
    {"base", "link", "script", "title", "meta", "h1", "img", "frame", "iframe"} | BUTTON_TAGS
)
#: First characters of the targets of links that only a script handles: ``#``, ``javascript:``, none.
_BUTTON_TARGETS = ("", "#", "j", "J", " ")
#: Attributes that may name the file of a link whose URL does not, after ``download``.
_NAMING_ATTRIBUTES = ("data-filename", "data-name", "title", "aria-label")
#: Parts of the target of a form that asks for a login without a field for a password.
_LOGIN_FORM = re.compile(r"(?:log|sign)[-_]?(?:in|on)\b|\b(?:sso|saml2?|oauth2?|openid)\b", re.IGNORECASE)
#: Invisible characters that pages insert into long names, where a line may be broken.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
#: Characters of a title that are kept.
_MAX_TITLE = 200
#: Characters that browsers strip from a URL in an attribute.
_URL_WHITESPACE = "".join(map(chr, range(33)))


@dataclass(slots=True)
class _Anchor:
    href: str
    #: The attribute ``download``: the name for saving the file.
    download: str = ""
    #: The wheel or sdist that another attribute names; its page, if another link leads to the file.
    label: str = ""
    #: The beginning of the link's text, if its URL may not name the file.
    text: str = ""
    #: The last visible character of the link's text; a slash marks a directory.
    last_character: str = ""
    #: The reason, or True if there is none; False if the file is not yanked (PEP 592).
    yanked: str | bool = False
    #: The URL of the file's attestations (PEP 740).
    provenance: str = ""
    #: Approximate size in bytes, from the text between this link and the next one.
    approximate_size: int | None = None
    #: True if an attribute, or its image, says that it leads to the next page.
    is_next: bool = False


class _AnchorTarget:
    """A parser target that collects links, the base URL, and what the page says about itself."""

    def __init__(self) -> None:
        self.anchors: list[_Anchor] = []
        self.base: str | None = None
        self.has_password = False
        self.has_scripts = False
        self.is_index = False
        #: The version of the index API (PEP 629); empty if the page has none.
        self.api_version = ""
        self.title = ""
        #: The first heading.
        self.heading = ""
        #: Targets of ``<meta http-equiv=refresh>`` and of the first ``rel=next``, as written; None if absent.
        self.refresh: str | None = None
        self.next_href: str | None = None
        #: The target of the first frame, as written; None if there is none.
        self.frame: str | None = None
        self.buttons = PageButtons()
        self._inside_title = False
        self._inside_heading = False
        #: The status of the project and its reason (PEP 792).
        self.status: dict[str, str] = {}
        self._inside_anchor = False
        #: Whether the text of the current link is kept.
        self._reads_text = False
        #: The beginning of the text after the last link.
        self._row_text = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "a":
            href = attributes.get("href")
            self._inside_anchor = href is not None
            if href is None or href[:1] in _BUTTON_TARGETS:
                self.buttons.start_link(attributes)
            if href is not None:
                self._read_row_size()
                href = href.strip(_URL_WHITESPACE)
                self._reads_text = not _PLAIN.match(href)
                # The attribute marks the file as yanked, even with an empty value (PEP 592).
                anchor = _Anchor(
                    href, yanked="data-yanked" in attributes and (attributes["data-yanked"] or True)
                )
                if provenance := attributes.get("data-provenance"):
                    anchor.provenance = provenance.strip(_URL_WHITESPACE)
                if self._reads_text:
                    anchor.download = attributes.get("download", "")[: link_names.MAX_TEXT_LENGTH]
                    anchor.label = _find_named_file(attributes)
                    anchor.is_next = announces_next_page(attributes)
                self.anchors.append(anchor)
            if "rel" in attributes:
                self._read_relation(attributes)
        elif tag in _STRUCTURE_TAGS:
            self._read_structure(tag, attributes)

    def _read_structure(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in BUTTON_TAGS:
            self.buttons.start(tag, attributes)
        if tag == "base":
            if self.base is None:
                self.base = attributes.get("href")
        elif tag == "input":
            is_login = attributes.get("type", "").lower() == "password" or (
                "name" in attributes and (attributes["name"].lower() == "samlrequest")
            )
            self.has_password = self.has_password or is_login
        elif tag == "form":
            self.has_password = self.has_password or bool(_LOGIN_FORM.search(attributes.get("action", "")))
        elif tag == "img":
            if self._inside_anchor and self.anchors:
                anchor = self.anchors[-1]
                anchor.is_next = anchor.is_next or announces_next_page({"title": attributes.get("alt", "")})
        elif tag == "h1":
            self._inside_heading = not self.heading
        elif tag in {"frame", "iframe"}:
            self.frame = self.frame or attributes.get("src")
        elif tag == "link":
            self._read_relation(attributes)
        elif tag == "script":
            self.has_scripts = True
        elif tag == "title":
            self._inside_title = True
        elif (name := attributes.get("name", "").lower()).startswith(_STATUS_META):
            self.status[name] = attributes.get("content", "")
        elif name == "pypi:repository-version":
            self.is_index = True
            self.api_version = attributes.get("content", "").strip()
        elif attributes.get("http-equiv", "").lower() == "refresh":
            self.refresh = find_refresh_target(attributes.get("content", ""))

    def _read_relation(self, attributes: Mapping[str, str]) -> None:
        href = attributes.get("href", "").strip(_URL_WHITESPACE)
        # The button of the last page has no target, or only a fragment.
        if (
            self.next_href is None
            and href.partition("#")[0]
            and "next" in attributes.get("rel", "").lower().split()
        ):
            self.next_href = href

    def end(self, tag: str) -> None:
        if tag == "form" or (tag in {"a", "button"} and self.buttons.is_inside):
            self.buttons.end(tag)
        if tag == "a":
            self._inside_anchor = False
        elif tag == "title":
            self._inside_title = False
        elif tag == "h1":
            self._inside_heading = False

    def data(self, text: str) -> None:
        if self.buttons.is_inside:
            self.buttons.add_text(text)
        if self._inside_anchor:
            visible, anchor = text.rstrip(), self.anchors[-1]
            anchor.last_character = visible[-1:] or anchor.last_character
            if self._reads_text and len(anchor.text) < link_names.MAX_TEXT_LENGTH:
                anchor.text += text[: link_names.MAX_TEXT_LENGTH]
        elif self._inside_title:
            if len(self.title) < _MAX_TITLE:
                self.title += text[:_MAX_TITLE]
        elif self._inside_heading:
            if len(self.heading) < _MAX_TITLE:
                self.heading += text[:_MAX_TITLE]
        elif self.anchors and len(self._row_text) < _MAX_ROW_TEXT:
            self._row_text += f" {text[:_MAX_ROW_TEXT]}"

    def close(self) -> None:
        self._read_row_size()

    def _read_row_size(self) -> None:
        """Read the size of the last link from the text after it, now complete, and discard the text."""
        if self.anchors and self._row_text:
            self.anchors[-1].approximate_size = _find_size(self._row_text)
        self._row_text = ""


def iter_html_files(text: str, base_url: str, source: str) -> Iterator[RemoteFile]:
    """Yield every file that a page links to. Raises ListingError.

    ``base_url`` is the URL of the page, and ``source`` the name to show for it in messages.
    """
    yield from read_html_listing(text, base_url, source).files


def read_html_listing(text: str, base_url: str, source: str) -> Listing:
    """Return every file, and every page below this one, that a page links to. Raises ListingError."""
    target = _parse_anchors(text, source)
    if target.api_version[:1].isdigit():
        check_version(target.api_version, source)
    base = _resolve(base_url, target.base) or base_url
    status, status_reason = target.status.get(_STATUS_META), target.status.get(f"{_STATUS_META}-reason")
    links = _LinkCollector(
        base_url, base, source, lambda yanked: describe_withdrawal(yanked, status, status_reason)
    )
    # Anchors are read in order and freed one by one: a large page has 100,000 of them.
    target.anchors.reverse()
    while target.anchors:
        links.add(target.anchors.pop())
    title = " ".join((target.title.strip() or target.heading).split())
    is_index = target.is_index or is_index_title(title)
    is_listing = is_index or is_listing_title(title) or links.page_links.is_uniform
    files, refresh_url = links.get_files(), _resolve(base, target.refresh)
    # The button of the last page may lead to the page itself.
    next_url = _resolve(base, target.next_href).partition("#")[0] or links.page_links.find_next_page()
    obstacle = ""
    if not next_url:
        next_url, obstacle = target.buttons.find_next(base, base_url)
    if not files and not refresh_url and not links.page_links.has_folders:
        refresh_url = _resolve(base, target.frame)
        refresh_url = refresh_url if _split_or_empty(refresh_url)[:2] == _split_or_empty(base_url)[:2] else ""
    return Listing(
        files=files,
        folders=tuple(links.page_links.iter_folders(is_listing=is_listing)),
        subpage_urls=links.pages,
        is_index=is_index,
        signs=PageSigns(
            title=title,
            refresh_url=refresh_url,
            has_scripts=target.has_scripts,
            has_base=target.base is not None,
            is_listing=is_listing,
        ),
        asks_for_password=target.has_password,
        yanked_urls=frozenset(links.files[key].url for key in links.yanked),
        provenance_urls={
            links.files[key].url: _resolve(base, provenance) for key, provenance in links.provenance.items()
        },
        next_url="" if next_url == base_url else next_url,
        obstacle=obstacle,
    )


class _LinkCollector:
    """Collects the files and pages that the links of a page lead to, each file once."""

    def __init__(
        self, page_url: str, base: str, source: str, describe_withdrawal: Callable[[str | bool], str]
    ) -> None:
        """Collect links relative to ``base``; ``describe_withdrawal`` gets what a link says about a yank."""
        self._base = base
        self._source = source
        self._describe_withdrawal = describe_withdrawal
        #: The withdrawal of all files of the page.
        self._page_withdrawal = describe_withdrawal(False)
        self._base_parts = _split_or_empty(base)
        self._base_directory = get_directory(base)
        self.page_links = PageLinks(page_url, self._base_directory)
        #: URL of the directory, and the key of its files; empty if plain names cannot be resolved in it.
        self._directory = _resolve(base, "x").removesuffix("x")
        self._directory_key = link_names.make_directory_key(_split_or_empty(self._directory))
        self.files: dict[str, RemoteFile] = {}
        self.pages: dict[str, str] = {}
        self.yanked: set[str] = set()
        self.provenance: dict[str, str] = {}
        #: Keys of the files that only the text of their link names.
        self._named_by_text: set[str] = set()

    def add(self, anchor: _Anchor) -> None:
        plain_match = _PLAIN.match(anchor.href) if self._directory else None
        if plain_match and anchor.last_character != "/":
            # A fast path for the links of large pages: a plain name needs no resolution.
            name = plain_match[1]
            url, fragment = f"{self._directory}{name}", plain_match[2] or ""
            self._add_file(anchor, f"{self._directory_key}{name}", name, url, fragment)
            return
        resolved, parts = _resolve_link(self._base, anchor.href)
        url, _, fragment = resolved.partition("#")
        names_itself = url != self._base and parts.netloc == self._base_parts.netloc
        shown = anchor.text.translate(_INVISIBLE)
        text = (shown if not anchor.label else anchor.label) if names_itself else ""
        link = link_names.name_link(parts, download=anchor.download, text=text, fragment=fragment)
        if not parts.netloc:
            self._add_unreachable(anchor)
        is_folder = not link.is_file and (parts.path.endswith("/") or anchor.last_character == "/")
        is_page = is_folder or not (link.is_file or link.filename.endswith(_FILE_SUFFIXES))
        if is_page:
            text = anchor.text.strip() or anchor.last_character
            is_next = anchor.is_next
            self.page_links.add(url, parts, link.filename, text, is_folder=is_folder, is_next=is_next)
        if not link.filename:  # not an HTTP link, or one to the root of a host
            return
        if is_page and is_below(parts, self._base_directory):
            self.pages.setdefault(canonicalize_name(link.filename), url)
        # aiohttp omits the trailing slash of a directory in the URL, and shows it in the text of the link.
        if not is_folder:
            key = link_names.make_file_key(parts, link)
            archive = link_names.is_source_archive(parts, self._base_parts)
            self._add_file(anchor, key, link.filename, url, fragment, is_source_archive=archive)
            if link.is_from_text:
                self._named_by_text.add(key)

    def _add_file(
        self,
        anchor: _Anchor,
        key: str,
        name: str,
        url: str,
        fragment: str,
        *,
        is_source_archive: bool = False,
    ) -> None:
        withdrawal = self._describe_withdrawal(anchor.yanked) if anchor.yanked else self._page_withdrawal
        file = RemoteFile(
            filename=name,
            url=url,
            hashes=_parse_hashes(fragment),
            source=self._source,
            approximate_size=anchor.approximate_size,
            unavailable_reason=withdrawal,
            is_withdrawn=bool(withdrawal),
            exclusion_reason=link_names.SOURCE_ARCHIVE_REASON if is_source_archive else "",
        )
        _merge_file(self.files, key, file)
        if anchor.yanked:
            self.yanked.add(key)
        if anchor.provenance:
            self.provenance[key] = anchor.provenance

    def _add_unreachable(self, anchor: _Anchor) -> None:
        """Add the file of a link that is neither http nor https: it is listed, but cannot be downloaded."""
        name = link_names.name_unreachable_link(anchor.href)
        if name:
            scheme = sanitize(anchor.href.partition(":")[0], limit=20)
            is_http = scheme.lower() in {"http", "https"}
            problem = "it is not a URL" if is_http else f"it is neither http nor https, but {scheme}"
            reason = f"its link is not valid: {problem}"
            file = RemoteFile(filename=name, url="", source=self._source, unavailable_reason=reason)
            self.files.setdefault(anchor.href[:1000], file)

    def get_files(self) -> tuple[RemoteFile, ...]:
        """Return the files. One that only a text names may be the page of one that its URL names."""
        if not self._named_by_text:
            return tuple(self.files.values())
        named = {file.filename for key, file in self.files.items() if key not in self._named_by_text}
        return tuple(
            file
            for key, file in self.files.items()
            if key not in self._named_by_text or file.filename not in named
        )


def _find_named_file(attributes: Mapping[str, str]) -> str:
    """Return the name of the wheel or sdist in an attribute of a link; empty if there is none."""
    for key in _NAMING_ATTRIBUTES:
        if (text := attributes.get(key)) and (name := link_names.find_in_text(text)):
            return name
    return ""


def _parse_anchors(text: str, source: str) -> _AnchorTarget:
    # Imported late: this module is loaded with the table of sources, and many runs read no HTML.
    from lxml import etree

    target = _AnchorTarget()
    if not text or text.isspace():
        return target
    # The text is already decoded, so a charset that the page declares must be ignored.
    parser_target: Any = target
    parser = etree.HTMLParser(target=parser_target, encoding="utf-8", huge_tree=True)
    try:
        for offset in range(0, len(text), _CHUNK_SIZE):
            chunk = text[offset : offset + _CHUNK_SIZE].replace("\0", " ")
            parser.feed(chunk.encode("utf-8", errors="replace"))
            if len(target.anchors) > MAX_LINKS:
                raise make_limit_error(
                    f"{source} has more than {MAX_LINKS} links, too many for one release",
                    "Pass the URL of a single directory or project.",
                )
        parser.close()
    except etree.LxmlError as error:
        raise ListingError(f"cannot parse {source}: {sanitize(str(error), limit=200)}") from None
    return target


def _resolve(base: str, href: str | None) -> str:
    """Return the absolute URL of a link; empty unless its scheme is http or https."""
    return "" if href is None else _resolve_link(base, href)[0]


def _resolve_link(base: str, href: str) -> tuple[str, SplitResult]:
    """Return the absolute URL of a link and its parts; both are empty unless its scheme is http or https."""
    try:
        url = urljoin(base, _with_slashes(href) if "\\" in href else href)
        parts = urlsplit(url)
    except ValueError:
        return "", _NO_URL
    return (url, parts) if parts.scheme in {"http", "https"} and parts.netloc else ("", _NO_URL)


_NO_URL = SplitResult("", "", "", "", "")


def _with_slashes(href: str) -> str:
    """Return a link with slashes instead of backslashes in its path, as browsers read it."""
    path = re.split("[?#]", href, maxsplit=1)[0]
    return path.replace("\\", "/") + href[len(path) :]


def _split_or_empty(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return _NO_URL


def _find_size(row_text: str) -> int | None:
    """Return the approximate size in bytes that the text after a link states, or None."""
    for match in _ROW_SIZE.finditer(_DATE_IN_WORDS.sub(" ", row_text)):
        number, unit = match[1], match[2] or ""
        size = int(float(number) * _UNITS[unit.lower()])
        has_unit = match[0].strip("0123456789. \xa0") != ""
        if (has_unit or size >= _MIN_BARE_SIZE) and bounds.is_valid_size(size):
            return size
    return None


def _parse_hashes(fragment: str) -> dict[str, str]:
    return normalize_digests(dict(_HASH.findall(unquote(fragment).strip()))) if fragment else {}


def _merge_file(files: dict[str, RemoteFile], key: str, file: RemoteFile) -> None:
    """Add a file, or merge it with an earlier link to the same file: their hashes, and the better URL.

    Links with contradicting hashes are kept apart, so that selection reports the conflict.
    """
    merged = files.setdefault(key, file)
    if merged is file:
        return
    if any(merged.hashes.get(name, value) != value for name, value in file.hashes.items()):
        files.setdefault(f"{key}#{sorted(file.hashes.items())}", file)
        return
    size = merged.approximate_size if file.approximate_size is None else file.approximate_size
    is_better = file.url != merged.url and _rank(file.url) < _rank(merged.url)
    # `replace` is slow, and a hostile page may repeat one link 100,000 times.
    if (
        is_better
        or size != merged.approximate_size
        or not file.hashes.keys() <= merged.hashes.keys()
        or (file.is_withdrawn and not merged.is_withdrawn)
    ):
        files[key] = replace(
            merged,
            url=file.url if is_better else merged.url,
            hashes={**merged.hashes, **file.hashes},
            approximate_size=size,
            unavailable_reason=merged.unavailable_reason or file.unavailable_reason,
            is_withdrawn=merged.is_withdrawn or file.is_withdrawn,
        )


@lru_cache(maxsize=64)
def _rank(url: str) -> int:
    return link_names.rank_link(urlsplit(url))
