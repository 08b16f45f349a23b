"""Reads the pages of a static index, and adds files and projects to them.

A page that is cut, that is not a page of an index, or whose markup is not understood is never replaced: a
tool that starts afresh in that case makes all older releases vanish.
"""

from __future__ import annotations

import enum
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

from packaging.utils import canonicalize_name

from wheel_uploader.core.errors import ListingError, NetworkError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import IndexFile, ProjectPage
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import unquote, urljoin, urlsplit
from wheel_uploader.facts.listing_remarks import find_part_remark
from wheel_uploader.http.body import decode_text
from wheel_uploader.index import project_page
from wheel_uploader.targets.static_index import html_pages, json_pages
from wheel_uploader.targets.static_index.html_scan import IncompletePage, scan_page
from wheel_uploader.targets.static_index.new_file import NewFile
from wheel_uploader.targets.static_index.object_store import MAX_PAGE_SIZE, StoredPage

_REPAIR_HINT = (
    "Nothing was written. Restore or repair this page, or remove it if it is not one of the index, then run "
    "the same command again."
)


class PageForm(enum.Enum):
    """A form in which a static index has a page: the end of its key and its content type."""

    HTML = ("index.html", "text/html")
    #: At the URL that installers ask, for a store that serves exact keys only.
    HTML_AT_FOLDER = ("", "text/html")
    JSON = ("index.v1+json", "application/vnd.pypi.simple.v1+json")

    @property
    def is_json(self) -> bool:
        """Return whether it is a JSON page (PEP 691)."""
        return self is PageForm.JSON

    @property
    def suffix(self) -> str:
        """The end of the page's key, after the folder."""
        return self.value[0]

    @property
    def content_type(self) -> str:
        """The content type of a new page."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPage:
    """One page of a project or of the list of projects, as it is stored."""

    key: str
    form: PageForm
    stored: StoredPage
    #: For HTML one character per byte.
    text: str
    #: The files of a project's page.
    project_page: ProjectPage | None = None
    #: The canonical names of the projects on a root page.
    projects: frozenset[str] = frozenset()

    @property
    def files(self) -> tuple[IndexFile, ...]:
        """The files that the page lists."""
        return self.project_page.files if self.project_page else ()


def read_project_page(key: str, form: PageForm, stored: StoredPage, *, url: str, location: str) -> IndexPage:
    """Return a page of a project; ``url`` is the one that its links are relative to. Raises ListingError."""
    source = f"{location}{key}"
    try:
        text = _decode(stored, form)
        if form.is_json:
            json_pages.add_files(text, ())
            _require_project(json_pages.find_project(text), url)
            page = project_page.parse_json_page(text, url)
        else:
            if scan_page(text).has_base:
                raise IncompletePage("its links are relative to another URL (<base>)")
            page = _parse_html(decode_text(stored.data), url, source)
    except IncompletePage as error:
        raise _make_error(source, str(error)) from None
    except NetworkError as error:
        # The URL is only what the links of the page are relative to.
        reason = (*error.details, error.message)[0].replace(strip_url(url), "the page")
        raise _make_error(source, reason) from None
    return IndexPage(key=key, form=form, stored=stored, text=text, project_page=page)


def _require_project(name: str, url: str) -> None:
    """Raise IncompletePage if a page is that of another project than the one in its URL."""
    project = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    if name and canonicalize_name(name) != canonicalize_name(project):
        raise IncompletePage(f"it is the page of {sanitize(name, limit=100)}")


def read_root_page(key: str, form: PageForm, stored: StoredPage, *, location: str) -> IndexPage:
    """Return a page that lists the projects. Raises ListingError."""
    try:
        text = _decode(stored, form)
        projects = (json_pages if form.is_json else html_pages).find_projects(text)
    except IncompletePage as error:
        raise _make_error(f"{location}{key}", str(error)) from None
    if not form.is_json and _asks_for_password(text):
        raise _make_error(f"{location}{key}", "it is a login page")
    return IndexPage(key=key, form=form, stored=stored, text=text, projects=projects)


def add_files(page: IndexPage, files: Sequence[NewFile], *, url: str, location: str) -> StoredPage:
    """Return the page with ``files``; prove by reading it that everything else is as before."""
    text = (json_pages if page.form.is_json else html_pages).add_files(page.text, files)
    stored = _encode(page, text)
    edited = read_project_page(page.key, page.form, stored, url=url, location=location)
    expected = _summarize(page.files) | {(file.filename, file.sha256) for file in files}
    if _summarize(edited.files) != expected or edited.files[: len(page.files)] != page.files:
        raise _make_error(f"{location}{page.key}", "a link added to it is not read as expected")
    return stored


def add_project(page: IndexPage, project: str, *, location: str) -> StoredPage:
    """Return the root page with a link to ``project``; prove by reading it that the others are as before."""
    text = (json_pages if page.form.is_json else html_pages).add_project(page.text, project)
    stored = _encode(page, text)
    edited = read_root_page(page.key, page.form, stored, location=location)
    if edited.projects != page.projects | {project}:
        raise _make_error(f"{location}{page.key}", "a link added to it is not read as expected")
    return stored


def keep_one(page: IndexPage, filename: str, sha256: str, *, url: str, location: str) -> StoredPage:
    """Return the page with one entry for ``filename``, with the hash ``sha256``."""
    if page.form.is_json:
        text = json_pages.keep_one_entry(page.text, filename, sha256)
    else:
        text = html_pages.keep_one_link(page.text, filename, sha256, lambda href: get_name(url, href))
    stored = _encode(page, text)
    edited = read_project_page(page.key, page.form, stored, url=url, location=location)
    others = {entry for entry in _summarize(page.files) if entry[0] != filename}
    if _summarize(edited.files) != others | {(filename, sha256)}:
        raise _make_error(f"{location}{page.key}", "a link changed in it is not read as expected")
    return stored


def remove_file(page: IndexPage, filename: str, *, url: str, location: str) -> StoredPage:
    """Return the page without a file; prove by reading it that everything else is as before."""
    others = tuple(file for file in page.files if file.filename != filename)
    if page.form.is_json:
        text = json_pages.remove_entry(page.text, filename, [file.filename for file in others])
    else:
        text = html_pages.remove_link(page.text, filename, lambda href: get_name(url, href))
    stored = _encode(page, text)
    edited = read_project_page(page.key, page.form, stored, url=url, location=location)
    if edited.files != others:
        raise _make_error(f"{location}{page.key}", "a link that was removed from it was not only that")
    return stored


def make_page(form: PageForm, project: str, headers: Mapping[str, str]) -> StoredPage:
    """Return an empty page of a project, or of an index if ``project`` is empty."""
    module = json_pages if form.is_json else html_pages
    text = module.make_project_page(project) if project else module.make_root_page()
    return StoredPage(data=text.encode(), version="", headers=headers)


def find_duplicates(files: Iterable[IndexFile]) -> dict[str, tuple[str, ...]]:
    """Return the names that are listed with several hashes, and the hashes."""
    hashes: dict[str, set[str]] = {}
    for file in files:
        hashes.setdefault(file.filename, set()).add(file.hashes.get("sha256", ""))
    return {name: tuple(sorted(found)) for name, found in hashes.items() if len(found) > 1}


def get_name(base_url: str, href: str) -> str:
    """Return the file name that a link leads to."""
    try:
        return posixpath.basename(unquote(urlsplit(urljoin(base_url, href)).path))
    except ValueError:
        return ""


def _summarize(files: Iterable[IndexFile]) -> set[tuple[str, str]]:
    return {(file.filename, file.hashes.get("sha256", "")) for file in files}


def _decode(stored: StoredPage, form: PageForm) -> str:
    encoding = next(
        (v for k, v in stored.headers.items() if k.lower().replace("-", "") == "contentencoding"), ""
    )
    if encoding not in ("", "identity"):
        raise IncompletePage(f"it is stored with the content encoding {encoding[:20]}")
    if len(stored.data) > MAX_PAGE_SIZE:
        raise IncompletePage(f"it is larger than {MAX_PAGE_SIZE >> 20} MiB")
    if form.is_json:
        try:
            return stored.data.decode()
        except UnicodeDecodeError:
            raise IncompletePage("it is not complete UTF-8") from None
    if not stored.data.strip():
        raise IncompletePage("it is empty")
    if b"\0" in stored.data:
        raise IncompletePage("it is not text in an encoding that extends ASCII")
    return stored.data.decode("latin-1")


def _encode(page: IndexPage, text: str) -> StoredPage:
    data = text.encode() if page.form.is_json else text.encode("latin-1")
    return StoredPage(data=data, version=page.stored.version, headers=page.stored.headers)


#: The first line of a merge conflict.
_CONFLICT = re.compile(r"^<{7} ", re.MULTILINE)


def _parse_html(text: str, url: str, source: str) -> ProjectPage:
    from wheel_uploader.facts.html_links import read_html_listing  # late: lxml is not needed for JSON

    listing = read_html_listing(text, url, source)
    if listing.asks_for_password:
        raise IncompletePage("it is a login page")
    if listing.next_url or listing.obstacle or find_part_remark(text):
        raise IncompletePage("it lists only a part of the files")
    if _CONFLICT.search(text):
        raise IncompletePage("it has the marks of a merge conflict")
    return project_page.build_html_page(
        text, url, listing.files, listing.yanked_urls, listing.provenance_urls
    )


def _asks_for_password(text: str) -> bool:
    from wheel_uploader.facts.html_links import read_html_listing

    return read_html_listing(text, "http://index.invalid/", "the page").asks_for_password


def _make_error(source: str, reason: str) -> ListingError:
    return ListingError(f"{source} cannot be edited: {reason}", hint=_REPAIR_HINT).as_permanent()
