"""The layout of a static index: the keys of its pages and files, and the URLs that lead to them."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable

from packaging.utils import canonicalize_name

from wheel_uploader.core import filenames
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import IndexFile, LocalFile
from wheel_uploader.core.urls import quote, unquote
from wheel_uploader.targets.static_index.object_store import ObjectStore, StoredPage
from wheel_uploader.targets.static_index.pages import IndexPage, PageForm

#: The folder of the pages of a new index, as installers and most generators expect it.
SIMPLE = "simple/"
#: Stands for the URL of an index whose URL is not known. A link that begins with a slash leads out of it, so
#: that it is not taken for a key.
_UNKNOWN_URL = "http://index.invalid/unknown/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The places of an index."""

    #: The folder of the list of projects: empty, or with a slash at the end.
    pages_root: str
    #: The URL of that folder as installers ask it; empty if unknown.
    reading_url: str = ""

    def page_key(self, project: str, form: PageForm) -> str:
        """Return the key of a page of a project, or of the list of projects if ``project`` is empty."""
        folder = f"{self.pages_root}{project}/" if project else self.pages_root
        return f"{folder}{form.suffix}"

    def page_url(self, project: str) -> str:
        """Return the URL that the links of a project's page are relative to."""
        return f"{self._pages_url}{quote(project)}/"

    @property
    def _pages_url(self) -> str:
        return self.reading_url or f"{_UNKNOWN_URL}{self.pages_root}"

    def find_key(self, url: str) -> str:
        """Return the key that a link leads to; empty if it leads out of the index, or may do so."""
        url = url.partition("#")[0].partition("?")[0]
        pages_url, key = self._pages_url, ""
        root_url = (
            pages_url.removesuffix(self.pages_root) if pages_url.endswith(f"/{self.pages_root}") else ""
        )
        if not self.pages_root:
            root_url = pages_url
        if url.startswith(pages_url):
            key = self.pages_root + unquote(url[len(pages_url) :])
        elif root_url and url.startswith(root_url):
            key = unquote(url[len(root_url) :])
        return key if key and posixpath.normpath(key) == key and not key.startswith(("/", "..")) else ""

    def find_folder(self, project: str, files: Iterable[IndexFile], version: str) -> str:
        """Return the folder for new files: that of most listed files, else that of the project's page.

        A folder that is named after the version of its files is that of the new ``version``.
        """
        folders: Counter[str] = Counter()
        for file in files:
            key = self.find_key(file.url)
            try:
                old = str(filenames.parse_filename(file.filename).raw_version)
            except filenames.InvalidFilename:
                continue
            if key:
                folder = posixpath.dirname(key)
                if posixpath.basename(folder) == old:
                    folder = posixpath.join(posixpath.dirname(folder), version)
                folders[folder and f"{folder}/"] += 1
        return max(folders, key=folders.__getitem__, default=f"{self.pages_root}{project}/")

    def make_link(self, project: str, key: str) -> str:
        """Return the link from the page of a project to an object."""
        path = posixpath.relpath(key, f"{self.pages_root}{project}")
        return quote(path)


def find_pages_root(store: ObjectStore, project: str) -> str:
    """Return the folder of the pages below the store's root: ``simple/``, or the root itself.

    Generators that write pages into the folders of the files (simple503, s3pypi) use the root.
    """
    top = store.list_names("")
    if "simple" in top.folders:
        return SIMPLE
    if project in top.folders:
        names = store.list_names(f"{project}/")
        if names.files & {form.suffix for form in PageForm}:
            return ""
    page = store.read_page(PageForm.HTML.suffix)
    if page and _lists_folders(page, top.folders):
        return ""
    return SIMPLE


def _lists_folders(page: StoredPage, folders: frozenset[str]) -> bool:
    """Return whether a page links to folders of the store, so that it is a list of projects."""
    from wheel_uploader.targets.static_index import html_pages
    from wheel_uploader.targets.static_index.html_scan import IncompletePage

    try:
        projects = html_pages.find_projects(page.data.decode("latin-1"))
    except IncompletePage:
        return False
    return bool(projects & {str(canonicalize_name(folder)) for folder in folders})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPages:
    """The forms in which a project and the list of projects are to have pages."""

    project: tuple[PageForm, ...]
    root: tuple[PageForm, ...]


def choose_pages(
    *,
    pages: Iterable[IndexPage],
    roots: Iterable[IndexPage],
    project: str,
    files: Iterable[LocalFile],
    has_other_projects: bool,
    has_exact_keys: bool,
    has_pages_at_top: bool = False,
) -> WantedPages:
    """Return the pages that the project is to have.

    An index keeps the forms that it has: a page in another form would be out of date as soon as another tool
    adds a file. The pages of a new project or index that a killed run left are completed.
    """
    pages, roots = tuple(pages), tuple(roots)
    defaults = [form for form in PageForm if has_exact_keys or form is not PageForm.HTML_AT_FOLDER]
    ours = {(file.filename, file.sha256) for file in files}
    listed = {(file.filename, file.hashes.get("sha256", "")) for page in pages for file in page.files}
    is_new_index = not has_other_projects and all(root.projects <= {project} for root in roots)
    root_forms = {root.form for root in roots} or {form for form in defaults if not form.is_json}
    if is_new_index:
        root_forms = set(defaults)
    forms = {page.form for page in pages}
    if not forms or listed <= ours:
        forms |= root_forms
    if not roots and has_other_projects:
        root_forms = set()
    if has_pages_at_top:
        # There is no key for the page of the whole store.
        root_forms.discard(PageForm.HTML_AT_FOLDER)
    return WantedPages(
        project=tuple(form for form in PageForm if form in forms),
        root=tuple(form for form in PageForm if form in root_forms),
    )
