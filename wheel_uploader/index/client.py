"""A client that reads a package index, and the comparison of local files with those that it serves."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from packaging.utils import canonicalize_name

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import (
    FileError,
    HttpStatusError,
    IndexNotFoundError,
    NetworkError,
    PrivateHostError,
    RedirectNotAllowed,
    SignInPageError,
    StorageError,
    UnsupportedVersionError,
    UsageError,
)
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    FileComparison,
    IndexComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize, sanitize_url, strip_url
from wheel_uploader.core.urls import quote, urlsplit, urlunsplit
from wheel_uploader.core.verified_file import VerifiedFile, open_regular_file
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.response import Page, StreamedResponse
from wheel_uploader.index import project_page
from wheel_uploader.index.project_page import HTML_CONTENT_TYPES, JSON_CONTENT_TYPES
from wheel_uploader.index.target import Target

# --- the URL of an index's simple pages ------------------------------------------------------------

#: Upload paths that determine the path of the simple pages: pattern and replacement.
_KNOWN_PATHS = (
    (re.compile(r"/legacy/?\Z"), "/simple/"),  # Warehouse: PyPI and TestPyPI
    (re.compile(r"(/api/v4/(?:projects|groups)/[^/]+/(?:-/)?packages/pypi)/?\Z"), r"\1/simple/"),  # GitLab
    (re.compile(r"(/api/packages/[^/]+/pypi)/?\Z"), r"\1/simple/"),  # Gitea, Forgejo
    (re.compile(r"(/api/pypi/[^/]+)/?\Z"), r"\1/simple/"),  # Artifactory
    (re.compile(r"(/repository/[^/]+)/?\Z"), r"\1/simple/"),  # Nexus
    (re.compile(r"(/_packaging/[^/]+/pypi)/upload/?\Z"), r"\1/simple/"),  # Azure Artifacts
    (re.compile(r"(/pypi/[^/]+(?:/[^/]+)?/simple)/?\Z"), r"\1/"),  # Pulp, which accepts uploads there
    (re.compile(r"(/pypi/[^/]+)/?\Z"), r"\1/simple/"),  # CodeArtifact
)
#: Hosts of services whose upload paths do not identify them: patterns, and the URLs of the pages.
_KNOWN_HOSTS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"\A[a-z0-9-]+-python\.pkg\.dev\Z"),
        ("{scheme}://{host}{path}/simple/",),
    ),  # Artifact Registry
    (
        re.compile(r"\Apython\.(?P<domain>cloudsmith\.io)\Z"),
        tuple(f"{{scheme}}://dl.{{domain}}/{kind}{{path}}/python/simple/" for kind in ("public", "basic")),
    ),
    # The address of the pages of Gemfury contains a token.
    (re.compile(r"\Apush\.fury\.io\Z"), ()),
)
_TWO_SEGMENT_PATH = re.compile(r"/[^/]+/[^/]+/?\Z")


def derive_simple_urls(upload_url: str) -> tuple[str, ...]:
    """Return the URL of an index's simple pages, given its upload URL; guesses, best first, if uncertain.

    Empty if the pages are known to be on another host that cannot be derived.
    """
    parts = urlsplit(upload_url)
    host = parts.netloc.rpartition("@")[2].removeprefix("upload.")

    def with_path(path: str) -> str:
        return urlunsplit((parts.scheme, host, path, "", ""))

    for host_pattern, templates in _KNOWN_HOSTS:
        if match := host_pattern.match((parts.hostname or "").rstrip(".")):
            values = {
                "scheme": parts.scheme,
                "host": host,
                "path": parts.path.rstrip("/"),
                **match.groupdict(),
            }
            return tuple(template.format(**values) for template in templates)
    for pattern, replacement in _KNOWN_PATHS:
        if pattern.search(parts.path):
            return (with_path(pattern.sub(replacement, parts.path)),)
    base = parts.path.rstrip("/")
    simple, devpi = with_path(f"{base}/simple/"), with_path(f"{base}/+simple/")
    # devpi uploads to /USER/INDEX/. pypiserver and most others have /simple/ below their upload URL.
    return (devpi, simple) if _TWO_SEGMENT_PATH.match(parts.path) else (simple, devpi)


# --- the client ------------------------------------------------------------------------------------


#: Bytes of a file that is taken whole from a host without ranges, and of one range.
MAX_WHOLE_FILE = 16 << 20
#: Connections to a host, and files that are requested at once to confirm them.
MAX_CONNECTIONS = 32
#: Bytes that show whether a response is the file or a page.
_PROBED_BYTES = 4
#: With these statuses, a host may refuse only the range.
_STATUSES_WITHOUT_RANGES = frozenset({400, 405, 416, 501})
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,20})-([0-9]{1,20})/([0-9]{1,20})\Z")


#: For an index that answers no request that names JSON, and the statuses with which it says so.
_ACCEPT_ONLY_HTML = "text/html"
_NOT_ACCEPTABLE = frozenset({406, 415})
#: Content types of JSON that some indexes give their pages.
_PLAIN_JSON_TYPES = ("application/json", "text/json")


class FileRange(NamedTuple):
    """Part of a served file: its bytes, their offset, and the size of the whole file."""

    data: bytes
    start: int
    total: int


class IndexClient:
    """A client that reads the simple pages and files of a package index."""

    def __init__(self, http: HttpClient, *urls: str) -> None:
        """Open the index at the first of ``urls``, the candidate URLs of its simple pages, that is an index.

        No request is sent before the first page is read.
        """
        self._http = http
        self._urls = tuple(url if url.endswith("/") else f"{url}/" for url in urls)
        self._digests: dict[Hashable, str] = {}
        self._accept = project_page.ACCEPT_ANY

    @property
    def url(self) -> str:
        """The URL of the simple pages; the best guess until a page has been read."""
        return self._urls[0]

    def log_in(self, username: str, password: str) -> None:
        """Send these credentials with all later requests to this index, and to no other host."""
        self._http.add_credentials(self.url, username, password)

    def log_out(self) -> None:
        """Send no credentials to this index any more."""
        self._http.remove_credentials(self.url)

    @property
    def is_logged_in(self) -> bool:
        """True if credentials are sent to this index."""
        return self._http.has_credentials(self.url)

    def fetch_project(self, project: str, *, revalidate: bool = False) -> ProjectPage:
        """Return the page of ``project``; if ``revalidate``, ask caches to revalidate it.

        Raises NetworkError if the response is not an index page, and CredentialsError if the index requires
        credentials.
        """
        name = canonicalize_name(project)
        roots_without_project: list[str] = []
        first_error: NetworkError | None = None
        for root in self._urls:
            try:
                page = self._fetch_page(root, name, fresh=revalidate)
            except NetworkError as error:
                # A wrong guess may fail in any way; a URL that is not a guess raises its own error. A page of
                # an unsupported version belongs to an index, so the guess is right.
                if len(self._urls) == 1 or isinstance(error, UnsupportedVersionError):
                    raise
                first_error = first_error or error
                continue
            if page:
                self._urls = (root,)
                return page
            roots_without_project.append(root)
        if len(self._urls) > 1:
            self._resolve_root(roots_without_project, first_error)
        return ProjectPage(url=f"{self.url}{name}/", exists=False)

    def fetch_html_project(self, project: str) -> ProjectPage | None:
        """Return the HTML page, as an older pip reads it, or None if the index serves JSON only."""
        name = canonicalize_name(project)
        try:
            page = self._fetch_page(self.url, name, fresh=True, accept=project_page.ACCEPT_HTML)
        except HttpStatusError as error:
            if error.status in _NOT_ACCEPTABLE:
                return None
            raise
        if page and page.page_format == "json":
            return None
        return page or ProjectPage(url=f"{self.url}{name}/", exists=False)

    def _fetch_page(self, root: str, name: str, *, fresh: bool, accept: str = "") -> ProjectPage | None:
        """Return the project's page below ``root``, or None if the index does not have the project."""
        url = f"{root}{quote(name)}/"
        try:
            page = self._http.get(url, accept=accept or self._accept, no_cache=fresh)
        except HttpStatusError as error:
            if error.status in (404, 410):
                return None
            if error.status in _NOT_ACCEPTABLE and not accept and self._accept != _ACCEPT_ONLY_HTML:
                self._accept = _ACCEPT_ONLY_HTML
                return self._fetch_page(root, name, fresh=fresh)
            raise
        except RedirectNotAllowed:
            # pypiserver redirects requests for an unknown project to PyPI, which is another index. A URL that
            # redirects all requests, to a login page for example, is not an index.
            if self._is_index(root):
                return None
            raise
        return _parse_page(page)

    def _resolve_root(self, roots: Sequence[str], first_error: NetworkError | None) -> None:
        """Keep the guess that is an index: a wrong guess also answers that it does not have the project."""
        for root in roots:
            if self._is_index(root):
                self._urls = (root,)
                return
        raise first_error or IndexNotFoundError(
            f"no package index found at {' or '.join(map(strip_url, self._urls))}: neither has a page of the "
            "project, which is expected if it is new, or a list of projects",
            hint="If the project is new, name the URL of the index's simple pages: "
            f"--index-url {strip_url(self._urls[-1])}",
        )

    def _is_index(self, root: str) -> bool:
        """Return whether ``root`` serves a list of projects. It is not read, because it may be too long."""
        for accept in (self._accept, _ACCEPT_ONLY_HTML):
            try:
                with self._http.stream(root, headers={"Accept": accept}) as response:
                    known_types = (*JSON_CONTENT_TYPES, *HTML_CONTENT_TYPES, *_PLAIN_JSON_TYPES)
                    return response.content_type in known_types
            except HttpStatusError as error:
                if error.status not in _NOT_ACCEPTABLE:
                    return False
            except NetworkError:
                return False
        return False

    def get_sha256(self, file: IndexFile) -> str:
        """Return the hexadecimal SHA-256 of a served file, as listed or computed from a download."""
        if "sha256" in file.hashes:
            return file.hashes["sha256"]
        key = (file.url, tuple(sorted(file.hashes.items())))
        if key not in self._digests:
            digest = self._http.call_with_retries(
                f"hash {sanitize(file.filename)}", lambda: self._compute_sha256(file.url)
            )
            if not file.hashes:
                return digest
            # Cached only if another listed hash, such as MD5, would change when the file is replaced.
            self._digests[key] = digest
        return self._digests[key]

    def fetch_range(self, url: str, byte_range: str) -> FileRange:
        """Return part of a served file; ``byte_range`` is like ``0-99``, or ``-100`` for its end.

        A host without ranges sends the whole file, which is taken if it is small. Raises NetworkError.
        """
        return self._http.call_with_retries(
            f"read part of {sanitize_url(url)}", lambda: self._read_range(url, byte_range)
        )

    def fetch_bytes(self, url: str, limit: int) -> bytes:
        """Return a small file of at most ``limit`` bytes. Raises NetworkError."""

        def read() -> bytes:
            with self._http.stream(url) as response:
                _require_whole_file(response)
                return _read_limited(response, limit)

        return self._http.call_with_retries(f"read {sanitize_url(url)}", read)

    def fetch_date(self, served: IndexFile) -> datetime | None:
        """Return the Last-Modified of a served file; None if its host states none, or refuses the request.

        Raises NetworkError.
        """
        if self._http.url_rejection(served.url):
            return None

        def request() -> str:
            # For one byte, because not every server supports HEAD.
            with self._http.stream(
                served.url, headers={"Range": "bytes=0-0"}, has_trusted_digest="sha256" in served.hashes
            ) as response:
                return response.headers.get("last-modified", "")

        try:
            text = self._http.call_with_retries(f"request the date of {sanitize(served.filename)}", request)
        except HttpStatusError as error:
            if error.status >= 500 or error.status == 429:
                raise
            return None
        return bounds.parse_listed_date(text)

    def fetch_linked_bytes(self, url: str, limit: int) -> bytes:
        """Return a small document that a page of this index links to. Raises NetworkError."""
        reason = self._http.link_rejection(url, listing_url=self.url, has_trusted_digest=False)
        if reason:
            raise NetworkError(f"refusing to fetch {sanitize_url(url)}: {reason}").as_permanent()
        return self.fetch_bytes(url, limit)

    def probe_file(self, served: IndexFile, file: LocalFile) -> str:
        """Request the first bytes of a served file; return why users cannot download it, or an empty string.

        The size and the bytes are compared with ``file``. Raises NetworkError if there is no response.
        """
        if self._http.url_rejection(served.url):
            return ""  # A host that this run may not ask, in contrast to users.
        # A URL with credentials has been rejected.
        host, answer = urlsplit(served.url).netloc, ""
        for headers in ({"Range": f"bytes=0-{_PROBED_BYTES - 1}"}, {}):
            try:
                with self._http.stream(
                    served.url, headers=headers, has_trusted_digest="sha256" in served.hashes
                ) as response:
                    answer = f"{host} answered {response.status}"
                    if response.status in (200, 206):
                        difference = _compare_beginning(response, file)
                        return f"{answer} with {difference}" if difference else ""
            except HttpStatusError as error:
                answer = f"{host} answered {error.status}{f' ({error.reason})' if error.reason else ''}"
                if error.status not in _STATUSES_WITHOUT_RANGES:
                    break
            except (RedirectNotAllowed, PrivateHostError):
                return ""  # To a host that this run may not ask, in contrast to users.
        return answer

    def _read_range(self, url: str, byte_range: str) -> FileRange:
        with self._http.stream(url, headers={"Range": f"bytes={byte_range}"}) as response:
            declared = _parse_content_range(response.headers.get("content-range", ""))
            if response.status == 206 and declared:
                return _check_range(_read_limited(response, MAX_WHOLE_FILE), *declared)
            if response.status == 200:
                data = _read_limited(response, MAX_WHOLE_FILE)
                return FileRange(data=data, start=0, total=len(data))
        raise NetworkError(f"{strip_url(url)} was not answered with a valid range")

    def _compute_sha256(self, url: str) -> str:
        digest = hashlib.sha256()
        with self._http.stream(url) as response:
            _require_whole_file(response)
            for chunk in response.iter_chunks():
                digest.update(chunk)
        return digest.hexdigest()

    def fetch_file_state(self, project: str, file: LocalFile) -> IndexComparison:
        """Compare a local file with what the index serves now."""
        return compare_with_index(self.fetch_project(project, revalidate=True), [file], self.get_sha256)[0]


def _compare_beginning(response: StreamedResponse, file: LocalFile) -> str:
    """Return how a response differs from the first bytes and the size of ``file``; empty if it does not."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return ""
    declared = _parse_content_range(response.headers.get("content-range", ""))
    length = bounds.parse_whole_number(response.headers.get("content-length", ""), bounds.MAX_FILE_SIZE)
    size = (declared[2] if declared else None) if response.status == 206 else length
    kind = f" ({sanitize(response.content_type) or 'no content type'})"
    if size is not None and size != file.size:
        return f"{format_count(size, 'byte')} instead of {file.size}{kind}"
    beginning = response.read_beginning(_PROBED_BYTES)
    if beginning and beginning == _read_beginning(file):
        return ""
    # The served bytes are not compared with a file that was changed after it had been uploaded.
    try:
        VerifiedFile(file.path, file.sha256).close()
    except (FileError, StorageError):
        return ""
    return f"other contents{kind}"


def _read_beginning(file: LocalFile) -> bytes:
    """Return the first bytes of the file; none if it cannot be read any more."""
    try:
        descriptor = open_regular_file(file.path)
    except (FileError, StorageError):
        return b""
    with contextlib.suppress(OSError), open(descriptor, "rb") as local:  # noqa: PTH123 - a descriptor
        return local.read(_PROBED_BYTES)
    return b""


def _parse_content_range(header: str) -> tuple[int, int, int] | None:
    """Return the first and last offset and the total size of a Content-Range; None if it is not valid."""
    match = _CONTENT_RANGE.match(header)
    if not match:
        return None
    start, end, total = (bounds.parse_whole_number(text, bounds.MAX_FILE_SIZE) for text in match.groups())
    return None if start is None or end is None or total is None else (start, end, total)


def _check_range(data: bytes, start: int, end: int, total: int) -> FileRange:
    if len(data) != end + 1 - start or end >= total:
        raise NetworkError("the index sent another range than it declared")
    return FileRange(data=data, start=start, total=total)


def _require_whole_file(response: StreamedResponse) -> None:
    if response.status != 200:
        raise NetworkError(f"{strip_url(response.url)} returned {response.status} instead of the whole file")


def _read_limited(response: StreamedResponse, limit: int) -> bytes:
    data = bytearray()
    for chunk in response.iter_chunks():
        data += chunk
        if len(data) > limit:
            raise NetworkError("the index sends whole files only, and this one is too large to be read")
    return bytes(data)


def _parse_page(page: Page) -> ProjectPage:
    content_type = page.content_type
    if content_type in JSON_CONTENT_TYPES:
        return project_page.parse_json_page(page.text, page.url)
    if content_type in HTML_CONTENT_TYPES:
        # Imported here because lxml is not needed for JSON.
        from wheel_uploader.facts.html_links import read_html_listing
        from wheel_uploader.facts.listing_remarks import find_part_remark

        listing = read_html_listing(page.text, page.url, strip_url(page.url))
        if listing.asks_for_password:
            error = project_page.build_page_error(page.url, "it is a login page")
            raise SignInPageError(error.message, hint=error.hint)
        if listing.next_url or listing.obstacle or find_part_remark(page.text):
            raise project_page.build_page_error(page.url, "it is one page of several")
        return project_page.build_html_page(
            page.text, page.url, listing.files, listing.yanked_urls, listing.provenance_urls
        )
    project_page.check_content_type(content_type, page.url)
    if content_type in _PLAIN_JSON_TYPES and '"api-version"' in page.text:
        return project_page.parse_json_page(page.text, page.url)
    error = project_page.build_page_error(
        page.url, f"its content type is {sanitize(content_type) or 'missing'}"
    )
    # An error page in between may have another type of text or JSON.
    is_certain = not content_type.startswith("text/") and not content_type.endswith("json")
    raise error.as_permanent() if is_certain else error


# --- the comparison --------------------------------------------------------------------------------


def compare_with_index(
    page: ProjectPage, files: Sequence[LocalFile], get_sha256: Callable[[IndexFile], str]
) -> tuple[IndexComparison, ...]:
    """Return the state of each local file on the index: its name and its contents are both looked up.

    Names are compared as an index does: two that differ only in normalization are the same file.
    """
    by_name_key: dict[Hashable, list[IndexFile]] = {}
    for served in page.files:
        by_name_key.setdefault(_build_key(served.filename), []).append(served)
    by_hash = {served.hashes["sha256"]: served for served in page.files if "sha256" in served.hashes}

    def compare_file(file: LocalFile) -> IndexComparison:
        same_name = [
            (served, get_sha256(served)) for served in by_name_key.get(_build_key(file.filename), ())
        ]
        for served, digest in same_name:
            if digest != file.sha256:
                other = served.filename if served.filename != file.filename else ""
                return IndexComparison(
                    file=file, result=FileComparison.DIFFERENT, index_sha256=digest, other_name=other
                )
        if any(served.filename == file.filename for served, _ in same_name):
            return IndexComparison(file=file, result=FileComparison.SAME, index_sha256=file.sha256)
        twin = same_name[0][0] if same_name else by_hash.get(file.sha256)
        if twin:
            return IndexComparison(
                file=file, result=FileComparison.SAME_BYTES_OTHER_NAME, other_name=twin.filename
            )
        return IndexComparison(file=file, result=FileComparison.ABSENT)

    return tuple(compare_file(file) for file in files)


def _build_key(filename: str) -> Hashable:
    """Return the slot of the file; for a name that is not valid, the name."""
    try:
        return filenames.parse_filename(filename).slot
    except filenames.InvalidFilename:
        return filename


@contextlib.contextmanager
def open_comparison_index(options: Options, url: str, progress: Progress) -> Iterator[IndexClient]:
    """Open a second index for reading, without the credentials and certificates of the target."""
    with HttpClient(
        user_urls=(url,),
        allow_insecure_hosts=options.allow_insecure_hosts,
        timeout=options.timeout,
        retries=options.retries,
        progress=progress,
    ) as http:
        yield IndexClient(http, url)


@contextlib.contextmanager
def open_index(options: Options, target: Target, progress: Progress) -> Iterator[IndexClient]:
    """Open the target for reading, with its certificates."""
    urls = (options.index_url,) if options.index_url else derive_simple_urls(target.url)
    if not urls:
        raise UsageError(
            f"the pages of the index at {strip_url(target.url)} are on another host",
            hint="Pass the URL that pip uses for this index with --index-url.",
        )
    with HttpClient(
        user_urls=urls,
        allow_insecure_hosts=options.allow_insecure_hosts,
        timeout=options.timeout,
        retries=options.retries,
        verify=str(target.cert) if target.cert else True,
        max_connections=MAX_CONNECTIONS,
        progress=progress,
    ) as http:
        yield IndexClient(http, *urls)
