"""Source for any other HTTP URL; the parser is chosen by the response."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from packaging.utils import canonicalize_name

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    ListingError,
    NetworkError,
    NothingFoundError,
    ReleaseError,
)
from wheel_uploader.core.models import GapRemedy, ListingGap, RemoteFile
from wheel_uploader.core.redaction import sanitize, sanitize_url, strip_url
from wheel_uploader.core.urls import quote, unquote, urljoin, urlsplit, urlunsplit
from wheel_uploader.facts.listing_page import ListedFolder, Listing
from wheel_uploader.http.client import HttpClient, Page
from wheel_uploader.http.host_policy import find_permitting_option
from wheel_uploader.listing.sources import content_types, page_kinds, pagination, tree
from wheel_uploader.listing.sources.base import ListingEntry, ReleaseQuery, set_query_parameters
from wheel_uploader.listing.sources.tree import Folder, FolderContents, WalkLimits

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
#: Caddy and npm's serve only look for "application/json". Other servers should prefer HTML, because any
#: application may return some JSON.
ACCEPT_ALL = f"{ACCEPT}, application/json;q=0.001"

#: Error code and message of an object store.
_STORE_ERROR = re.compile(r"[A-Z][A-Za-z]{3,60}, ")


#: Requests take time: a place with more folders than these is not one that a release is staged in.
_LIMITS = WalkLimits(folders=200, unknown_folders=50, seconds=120.0)
#: The conventional end of the path of a package index.
_INDEX_ROOT = re.compile(r"/\+?simple/?\Z")
#: The page of a directory, named explicitly.
_INDEX_PAGE = re.compile(r"/index\.html?\Z", re.IGNORECASE)
#: Suffixes of pages whose URL cannot take a slash at its end.
_PAGE_SUFFIX = re.compile(r"\.(?:html?|xhtml|php|aspx?|jsp|cgi|json|xml|whl|gz|zip)\Z", re.IGNORECASE)


class HttpListing:
    """A directory listing of any HTTP server, or a page of a package index."""

    def __init__(self, url: str, http: HttpClient) -> None:
        self._url = url
        self._http = http

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is an HTTP or HTTPS URL."""
        return url.lower().startswith(("http://", "https://"))

    def iter_files(self, query: ReleaseQuery) -> Iterator[ListingEntry]:
        """Yield the files of the page and of the folders below it that may hold the release.

        The page of the project below the root of a package index is requested first, as pip does. Below
        other pages, it is requested if the page cannot be read, or does not lead to the project.
        """
        project_url = _build_project_url(self._url, query.project)
        is_index_root = bool(project_url and _INDEX_ROOT.search(urlsplit(self._url).path))
        if is_index_root:
            try:
                yield from self.walk(project_url, query)
            except NothingFoundError:
                pass
            else:
                return
        reader = _FolderReader(self, canonicalize_name(query.project))
        try:
            yield from self._walk(reader, self._url, query)
        except (NothingFoundError, ListingError, HttpStatusError) as error:
            if not project_url or not _may_have_project_page(error):
                raise
            if is_index_root:
                raise _build_no_project_error(self._url, query.project, error) from None
            try:
                yield from self.walk(project_url, query)
            except (NothingFoundError, NetworkError, CredentialsError):
                raise error from None
        else:
            if project_url and not is_index_root and reader.may_hide_project():
                yield from self._try_project_page(project_url, query)

    def walk(self, url: str, query: ReleaseQuery, *, content_type: str = "") -> Iterator[ListingEntry]:
        """Yield the files of the page at ``url``, and of the folders below it that may hold the release.

        Raises ListingError if a page has another Content-Type than the given one.
        """
        return self._walk(_FolderReader(self, canonicalize_name(query.project), content_type), url, query)

    def _walk(self, reader: _FolderReader, url: str, query: ReleaseQuery) -> Iterator[ListingEntry]:
        return tree.walk(url, reader.read, query, _LIMITS, strip_url(url))

    def _try_project_page(self, url: str, query: ReleaseQuery) -> Iterator[ListingEntry]:
        """Yield what the project's page lists, if it is one: a server may hide it from its root."""
        try:
            entries = list(self.walk(url, query))
        except (NothingFoundError, NetworkError, CredentialsError):
            return
        project = canonicalize_name(query.project)
        if any(isinstance(entry, RemoteFile) and _belongs_to(entry, project) for entry in entries):
            yield from entries

    def iter_pages(self, url: str) -> Iterator[tuple[Page, Listing]]:
        """Yield the page at ``url`` and all that follow it, each with its listing."""
        is_first_page = iter([True])
        return pagination.iter_pages(
            url, self._get, lambda page: self._read(page, is_first_page=next(is_first_page, False))
        )

    def link_rejection(self, url: str, listing_url: str) -> str:
        """Return in one clause why the page at ``url`` must not be fetched; empty if it may be."""
        return self._http.link_rejection(url, listing_url=listing_url, has_trusted_digest=False)

    def is_missing(self, url: str, listing_url: str) -> bool:
        """Return whether nothing is at the URL of a file or folder, or a page in place of a file.

        Object stores answer with 403 if the user may not list the bucket, and applications with a page.
        """
        try:
            with self._http.stream(url, headers={"range": "bytes=0-0"}, listing_url=listing_url) as response:
                return _is_distribution_url(url) and response.content_type == "text/html"
        except HttpStatusError as error:
            return error.status in {400, 403, 404, 410}
        except (NetworkError, CredentialsError):
            return False

    def _read(self, page: Page, *, is_first_page: bool) -> Listing:
        try:
            return content_types.read_listing(page, is_first_page=is_first_page)
        except ListingError:
            if not content_types.is_generic_json(page):
                raise
            # The server has no listing in JSON, but may have one in HTML.
            try:
                return content_types.read_listing(self._get(page.url, ACCEPT))
            except ReleaseError:
                pass
            raise

    def _get(self, url: str, accept: str = ACCEPT_ALL) -> Page:
        try:
            try:
                return self._http.get(url, accept=accept)
            except HttpStatusError as error:
                parts = urlsplit(url)
                if error.status != 404 or parts.path.endswith("/"):
                    raise
                return self._http.get(urlunsplit(parts._replace(path=f"{parts.path}/")), accept=accept)
        except HttpStatusError as error:
            if error.status not in {404, 410}:
                raise
            store_error = f": {error.excerpt}" if _STORE_ERROR.match(error.excerpt) else ""
            raise NothingFoundError(
                f"{strip_url(url)} was not found (status {error.status}{store_error})",
                hint=_suggest_url(url, store_error),
            ) from None


def _may_have_project_page(error: ReleaseError) -> bool:
    """Return whether the page of the project may exist below a page that cannot be read.

    A root may be too large, may not be listed for anyone, or may be an application for people.
    """
    if isinstance(error, HttpStatusError):
        return error.status in _UNLISTED_STATUSES
    return isinstance(error, NothingFoundError) or error.is_permanent


#: Statuses of servers that do not list the root.
_UNLISTED_STATUSES = frozenset({400, 403, 405, 406, 501})


def _suggest_url(url: str, store_error: str) -> str:
    bucket, _, prefix = urlsplit(url).path.strip("/").partition("/")
    if "NoSuchKey" not in store_error or not prefix:
        return "Open the URL in a browser to check it."
    prefix_url = set_query_parameters(urljoin(url, f"/{bucket}"), {"prefix": f"{unquote(prefix)}/"})
    return f"If it is a prefix in a bucket, pass {sanitize(prefix_url)}"


def _belongs_to(file: RemoteFile, project: str) -> bool:
    try:
        return filenames.parse_filename(file.filename).project == project
    except filenames.InvalidFilename:
        return False


def _build_project_url(url: str, project: str) -> str:
    """Return the URL of the project's page below ``url``; empty if it can have none."""
    parts = urlsplit(url)
    parts = parts._replace(path=_INDEX_PAGE.sub("/", parts.path))
    if not project or parts.query or _PAGE_SUFFIX.search(parts.path):
        return ""
    name = quote(canonicalize_name(project), safe="", errors="replace")
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}/", fragment=""))


def _build_no_project_error(url: str, project: str, error: ReleaseError) -> NothingFoundError:
    return NothingFoundError(
        f"the package index at {strip_url(url)} has no page of {sanitize(project)}",
        details=[sanitize(str(error))],
        hint="Check PROJECT and the URL of the index, or run the command again when the build is finished.",
    )


class _FolderReader:
    """Reads the pages of one folder after another."""

    def __init__(self, source: HttpListing, project: str, content_type: str = "") -> None:
        """Read for the canonical name ``project``; ``content_type``: the required one of all pages."""
        self._source = source
        self._project = project
        self._content_type = content_type
        self._root: FolderContents | None = None

    def may_hide_project(self) -> bool:
        """Return whether the root has folders or is an index, and nothing in it belongs to the project."""
        root, project = self._root, self._project
        return (
            root is not None
            and (root.is_index or bool(root.folders) or not root.files)
            and not any(canonicalize_name(folder.name) == project for folder in root.folders)
            and not any(_belongs_to(file, project) for file in root.files)
        )

    def read(self, folder: Folder) -> FolderContents:
        """Return the contents of a folder, from all of its pages."""
        contents, page_url, has_base = self._read_pages(folder.address)
        slashed = "" if has_base else _add_slash(page_url)
        link = slashed and _find_relative_link(contents, page_url)
        if link and self._source.is_missing(link, page_url):
            contents = self._read_with_slash(slashed, link) or contents
        self._root = self._root or contents
        return contents

    def _read_with_slash(self, url: str, missing_link: str) -> FolderContents | None:
        """Return the contents of the page at the URL with a slash if its links lead somewhere, else None.

        The server does not redirect to that URL, which relative links may be relative to.
        """
        try:
            contents, _, _ = self._read_pages(url)
        except (NothingFoundError, NetworkError, CredentialsError):
            return None
        link = next((file.url for file in contents.files if _is_distribution_url(file.url)), "")
        if link and (link == missing_link or self._source.is_missing(link, url)):
            return None
        return contents if contents.files or contents.folders else None

    def _read_pages(self, url: str) -> tuple[FolderContents, str, bool]:
        """Return the contents of a folder, the final URL of its first page, and whether that has a base."""
        pages = self._source.iter_pages(url)
        first_page, first_listing = next(pages)
        files: list[RemoteFile] = []
        folders: dict[str, Folder] = {}
        gaps: list[ListingGap] = []
        for page, listing in itertools.chain([(first_page, first_listing)], pages):
            if not _continues(first_page.url, page.url, listing):
                break
            if self._content_type not in {"", page.content_type}:
                raise ListingError(f"{strip_url(page.url)} returned {sanitize(page.content_type)}")
            files += listing.files
            for folder in self._list_folders(listing, page.url):
                folders.setdefault(folder.address, folder)
            if listing.next_url and (reason := self._source.link_rejection(listing.next_url, page.url)):
                gaps.append(_build_next_page_gap(page.url, listing.next_url, reason))
                break
        contents = FolderContents(
            files=tuple(files),
            folders=tuple(folders.values()),
            gaps=tuple(gaps),
            remark=page_kinds.describe_page(first_listing),
            is_index=first_listing.is_index,
            identity=first_page.url,
        )
        return contents, first_page.url, first_listing.signs.has_base

    def _list_folders(self, listing: Listing, page_url: str) -> Iterator[Folder]:
        """Yield the folders on a page, the page of the project among them; of an index, only that one."""
        project_url = listing.subpage_urls.get(self._project, "")
        listed: Iterable[ListedFolder] = listing.folders
        if listing.is_index and self._project:
            listed = [ListedFolder(self._project, project_url)] if project_url else []
        elif project_url and all(folder.url != project_url for folder in listing.folders):
            listed = [*listed, ListedFolder(self._project, project_url)]
        rejections: dict[str, str] = {}
        for folder in listed:
            origin = "/".join(folder.url.split("/", 3)[:3])
            if origin not in rejections:
                rejections[origin] = self._source.link_rejection(f"{origin}/", page_url)
            yield Folder(
                name=folder.name,
                address=folder.url,
                is_certain=folder.is_certain,
                rejection=rejections[origin],
            )


def _continues(first_url: str, url: str, listing: Listing) -> bool:
    """Return whether a page goes on with a listing, and is not the next chapter of a document."""
    is_same_path = urlsplit(first_url).path == urlsplit(url).path
    return is_same_path or listing.signs.is_listing or bool(listing.files) or bool(listing.folders)


def _build_next_page_gap(url: str, next_url: str, reason: str) -> ListingGap:
    option = find_permitting_option(reason)
    shown_url = strip_url(url)
    return ListingGap(
        message=f"the listing at {shown_url} continues at {sanitize_url(next_url, limit=200)}, "
        f"which was not read: {reason}",
        source=shown_url,
        remedy=GapRemedy.CALL,
        hint=f"If you trust that host, add {option}" if option else "Pass each page of the listing with -u.",
    )


def _add_slash(url: str) -> str:
    """Return the URL of a page with a slash at its end; empty if it has one, or cannot have one."""
    parts = urlsplit(url)
    if parts.path.endswith("/") or not parts.path or parts.query or _PAGE_SUFFIX.search(parts.path):
        return ""
    return urlunsplit(parts._replace(path=f"{parts.path}/", fragment=""))


def _find_relative_link(contents: FolderContents, page_url: str) -> str:
    """Return a link that may be relative to the URL of the page with a slash; empty if there is none.

    It is the first file on the same host that is not below the page, or else a folder beside the page.
    """
    origin, directory = "/".join(page_url.split("/", 3)[:3]), page_url[: page_url.rfind("/") + 1]
    for file in contents.files:
        is_below = file.url.startswith(f"{page_url}/")
        if file.url.startswith(f"{origin}/") and not is_below and _is_distribution_url(file.url):
            return file.url
    for folder in contents.folders:
        url = folder.address.removesuffix("/")
        if url.startswith(directory) and "/" not in url[len(directory) :]:
            return url
    return ""


def _is_distribution_url(url: str) -> bool:
    return urlsplit(url).path.endswith((".whl", *filenames.SDIST_SUFFIXES))
