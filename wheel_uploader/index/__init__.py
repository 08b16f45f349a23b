"""The target: what it serves of a project, compared with what we have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Sequence

from packaging.utils import canonicalize_name

from wheel_uploader import names
from wheel_uploader.display import bare_url, printable
from wheel_uploader.errors import HttpStatus, NetworkError, RedirectRefused
from wheel_uploader.http import Http
from wheel_uploader.http.reply import Page
from wheel_uploader.index import index_page
from wheel_uploader.index.index_page import GIVE_INDEX_URL, HTML_TYPES, JSON_TYPES
from wheel_uploader.models import FileState, IndexFile, IndexState, LocalFile, ProjectPage, WheelName
from wheel_uploader.urls import quote, urlsplit, urlunsplit

# --- where an index is read ------------------------------------------------------------------------

#: Upload paths that leave no doubt where the same index is read: pattern, and what takes its place.
_KNOWN_PATHS = (
    (re.compile(r"/legacy/?\Z"), "/simple/"),  # Warehouse: PyPI and TestPyPI
    (re.compile(r"(/api/v4/(?:projects|groups)/[^/]+/(?:-/)?packages/pypi)/?\Z"), r"\1/simple/"),  # GitLab
    (re.compile(r"(/api/packages/[^/]+/pypi)/?\Z"), r"\1/simple/"),  # Gitea, Forgejo
    (re.compile(r"(/api/pypi/[^/]+)/?\Z"), r"\1/simple/"),  # Artifactory
    (re.compile(r"(/repository/[^/]+)/?\Z"), r"\1/simple/"),  # Nexus
    (re.compile(r"(/_packaging/[^/]+/pypi)/upload/?\Z"), r"\1/simple/"),  # Azure Artifacts
)
_TWO_SEGMENTS = re.compile(r"/[^/]+/[^/]+/?\Z")


def reading_urls(upload_url: str) -> tuple[str, ...]:
    """Where the index behind ``upload_url`` is read: one URL when it is certain, else guesses, best first."""
    parts = urlsplit(upload_url)
    host = parts.netloc.rpartition("@")[2].removeprefix("upload.")

    def at(path: str) -> str:
        return urlunsplit((parts.scheme, host, path, "", ""))

    for pattern, replacement in _KNOWN_PATHS:
        if pattern.search(parts.path):
            return (at(pattern.sub(replacement, parts.path)),)
    base = parts.path.rstrip("/")
    simple, devpi = at(f"{base}/simple/"), at(f"{base}/+simple/")
    # devpi's upload URL is /USER/INDEX/; pypiserver and most others have /simple/ below theirs.
    return (devpi, simple) if _TWO_SEGMENTS.match(parts.path) else (simple, devpi)


# --- what an index serves --------------------------------------------------------------------------


class Index:
    """The reading side of a package index."""

    def __init__(self, http: Http, *urls: str) -> None:
        """``urls``: where the simple pages are; of several guesses the first that answers like an index."""
        self._http = http
        self._urls = tuple(url if url.endswith("/") else f"{url}/" for url in urls)
        self._digests: dict[Hashable, str] = {}

    @property
    def url(self) -> str:
        """Where the index is read, as far as that is known."""
        return self._urls[0]

    def log_in(self, username: str, password: str) -> None:
        """Ask with these credentials from now on, this index and no other host."""
        self._http.add_credentials(self.url, username, password)

    def page(self, project: str, *, fresh: bool = False) -> ProjectPage:
        """What the index says of ``project``; ``fresh`` asks caches on the way to look again.

        Raises NetworkError when the answer is no index page, CredentialsError when the index wants some.
        """
        name = canonicalize_name(project)
        silent: list[str] = []
        refused: NetworkError | None = None
        for root in self._urls:
            try:
                found = self._project_page(root, name, fresh=fresh)
            except NetworkError as error:
                # A wrong guess can be anything; a URL that is no guess is told as it is.
                if len(self._urls) == 1:
                    raise
                refused = refused or error
                continue
            if found:
                self._urls = (root,)
                return found
            silent.append(root)
        if len(self._urls) > 1:
            self._settle(silent, refused)
        return ProjectPage(url=f"{self.url}{name}/", exists=False)

    def html_page(self, project: str) -> ProjectPage | None:
        """What the index says to those who do not know JSON, older pips say; None when it has JSON only."""
        name = canonicalize_name(project)
        try:
            page = self._project_page(self.url, name, fresh=True, accept=index_page.ACCEPT_HTML)
        except HttpStatus as error:
            if error.status in (406, 415):
                return None
            raise
        if page and page.view == "json":
            return None
        return page or ProjectPage(url=f"{self.url}{name}/", exists=False)

    def _project_page(
        self, root: str, name: str, *, fresh: bool, accept: str = index_page.ACCEPT
    ) -> ProjectPage | None:
        """The page below ``root``, or None when the index does not know the project."""
        url = f"{root}{quote(name)}/"
        try:
            page = self._http.get(url, accept=accept, no_cache=fresh)
        except HttpStatus as error:
            if error.status in (404, 410):
                return None
            raise
        except RedirectRefused:
            # pypiserver sends those who ask for an unknown project on to PyPI: another index, not this one.
            # A place that sends everybody away (to its login, say) is no index at all.
            if self._is_index(root):
                return None
            raise
        return _read(page)

    def _settle(self, guesses: Sequence[str], refused: NetworkError | None) -> None:
        """Keep the guess that is an index: none knew the project, and a wrong guess looks just like that."""
        for root in guesses:
            if self._is_index(root):
                self._urls = (root,)
                return
        raise refused or NetworkError(
            f"found no package index at {' or '.join(map(bare_url, self._urls))}", hint=GIVE_INDEX_URL
        )

    def _is_index(self, root: str) -> bool:
        """Whether a list of projects begins there; it may be too long to be read."""
        try:
            with self._http.stream(root, headers={"Accept": index_page.ACCEPT}) as response:
                return response.content_type in (*JSON_TYPES, *HTML_TYPES)
        except NetworkError:
            return False

    def sha256_of(self, file: IndexFile) -> str:
        """The hex sha256 of a served file: as the index lists it, else of the bytes that it serves."""
        if "sha256" in file.hashes:
            return file.hashes["sha256"]
        key = (file.url, tuple(sorted(file.hashes.items())))
        if key not in self._digests:
            digest = self._http.retrying(f"hash {printable(file.filename)}", lambda: self._digest(file.url))
            if not file.hashes:
                return digest
            # Only where another hash (md5, say) would tell that the file was replaced meanwhile.
            self._digests[key] = digest
        return self._digests[key]

    def _digest(self, url: str) -> str:
        digest = hashlib.sha256()
        with self._http.stream(url) as response:
            for chunk in response.chunks():
                digest.update(chunk)
        return digest.hexdigest()

    def state_of(self, project: str, file: LocalFile) -> IndexState:
        """One of our files compared with what the index serves at this moment."""
        return compare(self.page(project, fresh=True), [file], self.sha256_of)[0]


def _read(page: Page) -> ProjectPage:
    kind = page.content_type
    if kind in JSON_TYPES:
        return index_page.from_json(page.text, page.url)
    if kind in HTML_TYPES:
        from wheel_uploader.sources.html import read_html  # lxml is not needed where JSON is spoken

        listing = read_html(page.text, page.url, page.url)
        if listing.asks_for_password:
            raise index_page.no_index_page(page.url, "it is a login page")
        return index_page.from_html(page.text, page.url, listing.files, listing.yanked)
    raise index_page.no_index_page(page.url, f"its type is {printable(kind) or 'not given'}")


# --- ours and theirs -------------------------------------------------------------------------------


def compare(
    page: ProjectPage, files: Sequence[LocalFile], sha256_of: Callable[[IndexFile], str]
) -> tuple[IndexState, ...]:
    """What the index has under each of our names, or of our bytes under another name.

    Names are compared as an index does: a spelling that differs only by normalization is the same place.
    """
    by_slot: dict[Hashable, list[IndexFile]] = {}
    for served in page.files:
        by_slot.setdefault(_slot(served.filename), []).append(served)
    by_hash = {served.hashes["sha256"]: served for served in page.files if "sha256" in served.hashes}

    def state(file: LocalFile) -> IndexState:
        places = [(served, sha256_of(served)) for served in by_slot.get(_slot(file.filename), ())]
        for served, digest in places:
            if digest != file.sha256:
                other = served.filename if served.filename != file.filename else ""
                return IndexState(file=file, state=FileState.DIFFERENT, index_sha256=digest, other_name=other)
        if any(served.filename == file.filename for served, _ in places):
            return IndexState(file=file, state=FileState.SAME, index_sha256=file.sha256)
        twin = places[0][0] if places else by_hash.get(file.sha256)
        if twin:
            return IndexState(file=file, state=FileState.SAME_BYTES_OTHER_NAME, other_name=twin.filename)
        return IndexState(file=file, state=FileState.ABSENT)

    return tuple(state(file) for file in files)


def _slot(filename: str) -> Hashable:
    """What two names have in common when an index takes them for one."""
    try:
        name = names.parse(filename)
    except names.NameRefused:
        return filename
    if isinstance(name, WheelName):
        return name.project, name.version, name.build, name.tags
    return name.project, name.version, filename.endswith(".zip")
