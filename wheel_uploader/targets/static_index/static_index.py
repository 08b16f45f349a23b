"""The state of a static index and its changes: what its pages list, and the edits that add a release."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    DeadlineError,
    HttpStatusError,
    ListingError,
    NetworkError,
    TransportError,
)
from wheel_uploader.core.formatting import format_count, format_duration, join_some
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import IndexFile, LocalFile
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http import retry
from wheel_uploader.targets.static_index import pages as index_pages
from wheel_uploader.targets.static_index.layout import Layout, WantedPages, choose_pages, find_pages_root
from wheel_uploader.targets.static_index.new_file import NewFile
from wheel_uploader.targets.static_index.object_store import ObjectStore, PreconditionFailed, StoredPage
from wheel_uploader.targets.static_index.pages import IndexPage, PageForm

T = TypeVar("T")

#: Attempts to edit a page that other runs change at the same moment, and the longest pause between two.
_MAX_CONFLICTS, _MAX_CONFLICT_PAUSE = 50, 2.0
#: Times that the pages are edited and read again.
_MAX_ROUNDS = 5
_jitter = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectState:
    """The pages of a project and the lists of projects of the index."""

    pages: tuple[IndexPage, ...]
    roots: tuple[IndexPage, ...]
    wanted: WantedPages

    @property
    def files(self) -> tuple[IndexFile, ...]:
        """The files of the first page, or of the first one that lists any."""
        return next((page.files for page in self.pages if page.files), ())

    def is_listed(self, filename: str, sha256: str, project: str) -> bool:
        """Return whether every page that is wanted lists the file, and the lists of projects the project."""
        forms = {page.form for page in self.pages if _lists(page, filename, sha256)}
        root_forms = {root.form for root in self.roots if project in root.projects}
        return forms >= set(self.wanted.project) and root_forms >= set(self.wanted.root)


class StaticIndex:
    """An index in an object store. A page is written only if it is still the one that was read."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        pages_root: str | None,
        reading_url: Callable[[str], str],
        retries: int,
        progress: Progress,
        sleep: Callable[[float], None],
    ) -> None:
        """Take a store; ``pages_root`` is None to find it.

        ``reading_url`` returns the URL of the pages, given their folder.
        """
        self.store = store
        self._pages_root = pages_root
        self._reading_url = reading_url
        self._retries = retries
        self._progress = progress
        self._sleep = sleep
        self._layout: Layout | None = None
        self._lock = threading.Lock()

    def find_layout(self, project: str) -> Layout:
        """Return where the pages are; read the store for it once."""
        with self._lock:
            if self._layout is None:
                root = self._pages_root
                if root is None:
                    root = self.attempt("find the pages", lambda: find_pages_root(self.store, project))
                self._layout = Layout(pages_root=root, reading_url=self._reading_url(root))
            return self._layout

    def attempt(self, operation: str, action: Callable[[], T]) -> T:
        """Perform an action that may be repeated, with retries."""
        return retry.call_with_retries(
            operation, action, max_attempts=self._retries, progress=self._progress, sleep=self._sleep
        )

    # --- reading ---------------------------------------------------------------------------------------

    def read(self, project: str, files: Sequence[LocalFile]) -> ProjectState:
        """Read the pages. Raises ListingError for one that cannot be edited, and errors of the store."""
        layout = self.find_layout(project)
        pages = tuple(page for form in self._forms if (page := self.read_page(project, form)))
        roots = tuple(root for form in self._forms if (root := self._read_root(form)))
        has_others = False
        if not roots or not layout.pages_root:
            names = self.attempt("list the projects", lambda: self.store.list_names(layout.pages_root))
            has_others = bool(names.folders - {project})
            if not layout.pages_root:
                # The page at the top may be the home page of a site.
                roots = tuple(root for root in roots if not root.projects or root.projects & names.folders)
        wanted = choose_pages(
            pages=pages,
            roots=roots,
            project=project,
            files=files,
            has_other_projects=has_others,
            has_exact_keys=self.store.has_exact_keys,
            has_pages_at_top=not layout.pages_root,
        )
        return ProjectState(pages=pages, roots=roots, wanted=wanted)

    @property
    def _forms(self) -> tuple[PageForm, ...]:
        exact = self.store.has_exact_keys
        return tuple(form for form in PageForm if exact or form is not PageForm.HTML_AT_FOLDER)

    def read_page(self, project: str, form: PageForm) -> IndexPage | None:
        """Return a page of the project, or None if it does not exist."""
        layout = self.find_layout(project)
        key = layout.page_key(project, form)
        stored = self.attempt(f"read {key}", lambda: self.store.read_page(key))
        if stored is None:
            return None
        return index_pages.read_project_page(
            key, form, stored, url=layout.page_url(project), location=self.store.location
        )

    def _read_root(self, form: PageForm) -> IndexPage | None:
        key = self.find_layout("").page_key("", form)
        if not key:
            return None
        stored = self.attempt(f"read {key}", lambda: self.store.read_page(key))
        if stored is None:
            return None
        return index_pages.read_root_page(key, form, stored, location=self.store.location)

    # --- what looks wrong ------------------------------------------------------------------------------

    def find_problems(self, project: str, state: ProjectState, files: Sequence[LocalFile]) -> list[str]:
        """Return sentences about what the run sees on the index and leaves as it is."""
        problems = [
            f"{page.key} lists {sanitize(name)} with {len(hashes)} hashes: an installer may take either"
            for page in state.pages
            for name, hashes in index_pages.find_duplicates(page.files).items()
        ]
        problems += self._find_disagreements(project, state, files)
        return problems + self._find_unlisted(project, state, files)

    def _find_disagreements(self, project: str, state: ProjectState, files: Sequence[LocalFile]) -> list[str]:
        ours = {(file.filename, file.sha256) for file in files}
        lists = {
            page.key: {(file.filename, file.hashes.get("sha256", "")) for file in page.files} - ours
            for page in state.pages
        }
        if len({frozenset(entries) for entries in lists.values()}) < 2:
            return []
        every = set.union(*lists.values())
        missing_names = {
            key: sorted(sanitize(name) for name, _ in every - entries) for key, entries in lists.items()
        }
        return [
            f"{key} does not list {join_some(names, 3)} as another page of {project} does: "
            "the pages of this project disagree, and this run adds only its own files"
            for key, names in missing_names.items()
            if names
        ]

    def _find_unlisted(self, project: str, state: ProjectState, files: Sequence[LocalFile]) -> list[str]:
        version = str(files[0].name.version) if files else ""
        folder = self.find_layout(project).find_folder(project, state.files, version)
        names = self.attempt(f"list {folder}", lambda: self.store.list_names(folder)).files
        known = {file.filename for page in state.pages for file in page.files} | {f.filename for f in files}
        unlisted = sorted(name for name in names - known if _belongs_to(name, project))
        if not unlisted:
            return []
        names_text = join_some([sanitize(name) for name in unlisted], 3)
        count = format_count(len(unlisted), "file")
        them = "it" if len(unlisted) == 1 else "them"
        problem = f"no page lists {count} of {project} in {self.store.location}{folder} ({names_text})"
        return [f"{problem}: this run neither lists nor removes {them}"]

    # --- writing ---------------------------------------------------------------------------------------

    def publish(
        self, project: str, files: Sequence[LocalFile], describe: Callable[[LocalFile], NewFile]
    ) -> None:
        """List the files: on the pages of the project first, then the project on the lists of projects.

        Every file must be in the store. Then the pages are read again: a store may ignore conditions. Raises
        DeadlineError if other runs change the pages all the time.
        """
        for _ in range(_MAX_ROUNDS):
            state = self.read(project, files)
            if all(state.is_listed(file.filename, file.sha256, project) for file in files):
                return
            self._list_files(project, state, files, describe)
        raise DeadlineError(
            f"{self.store.location}: another program removes the files of this release from its pages",
            hint="Find out which program writes these pages, then run the same command again.",
        )

    def _list_files(
        self,
        project: str,
        state: ProjectState,
        files: Sequence[LocalFile],
        describe: Callable[[LocalFile], NewFile],
    ) -> None:
        url, location = self.find_layout(project).page_url(project), self.store.location

        def edit(page: IndexPage) -> StoredPage | None:
            missing = [describe(file) for file in files if not _lists(page, file.filename, file.sha256)]
            return index_pages.add_files(page, missing, url=url, location=location) if missing else None

        def edit_root(page: IndexPage) -> StoredPage | None:
            is_listed = project in page.projects
            return None if is_listed else index_pages.add_project(page, project, location=location)

        for form in state.wanted.project:
            self._edit_page(project, form, edit, existed=any(page.form is form for page in state.pages))
        for form in state.wanted.root:
            self._edit_page("", form, edit_root, existed=any(root.form is form for root in state.roots))

    def keep_one(self, project: str, filename: str, sha256: str) -> None:
        """Remove all entries of a file but one, with this hash, from the pages of the project."""
        layout, location = self.find_layout(project), self.store.location

        def edit(page: IndexPage) -> StoredPage | None:
            if filename not in index_pages.find_duplicates(page.files):
                return None
            return index_pages.keep_one(
                page, filename, sha256, url=layout.page_url(project), location=location
            )

        self.edit_project_pages(project, edit)

    def edit_project_pages(self, project: str, edit: Callable[[IndexPage], StoredPage | None]) -> None:
        """Edit every page that the project has; ``edit`` returns None for a page to leave as it is."""
        for form in self._forms:
            if self.read_page(project, form):
                self._edit_page(project, form, edit, existed=True)

    def _edit_page(
        self,
        project: str,
        form: PageForm,
        edit: Callable[[IndexPage], StoredPage | None],
        *,
        existed: bool,
    ) -> None:
        """Edit the newest version of a page until no other run changes it in between.

        ``existed`` says whether it was there when the run looked: then it is not started afresh.
        """
        layout = self.find_layout(project)
        key = layout.page_key(project, form)
        failures = conflicts = 0
        while True:
            page = self.read_page(project, form) if project else self._read_root(form)
            if page is None and existed:
                raise ListingError(
                    f"{self.store.location}{key} was removed during the run",
                    hint="Find out who removed it, restore it, and run the same command again.",
                )
            page = page or self._make_page(project, form, key)
            edited = edit(page)
            if edited is None:
                return
            try:
                self.store.replace(key, edited)
                return
            except PreconditionFailed:
                conflicts += 1
                if conflicts >= _MAX_CONFLICTS:
                    raise DeadlineError(
                        f"{self.store.location}{key} was changed by other runs {conflicts} times in a row"
                    ) from None
                self._progress.debug(f"{key} was changed by another run; editing the newer version")
                self._sleep(_jitter.uniform(0, _MAX_CONFLICT_PAUSE * min(conflicts, 10) / 10))
            except (HttpStatusError, TransportError) as error:
                # The page may have been written or not: the next reading shows it.
                failures += 1
                self._wait_or_raise(error, failures)

    def _wait_or_raise(self, error: NetworkError, failures: int) -> None:
        if not retry.is_retryable(error) or failures >= self._retries:
            raise error
        pause = retry.compute_backoff(error, failures)
        attempt = f"attempt {failures + 1} of {self._retries} in {format_duration(pause)}"
        self._progress.debug(f"{error.message}; {attempt}")
        self._sleep(pause)

    def _make_page(self, project: str, form: PageForm, key: str) -> IndexPage:
        """Return an empty page, which is not stored yet."""
        # Caches have to ask whether it has changed.
        headers = self.store.make_headers(form.content_type, "no-cache")
        stored = index_pages.make_page(form, project, headers)
        location = self.store.location
        if not project:
            return index_pages.read_root_page(key, form, stored, location=location)
        url = self.find_layout(project).page_url(project)
        return index_pages.read_project_page(key, form, stored, url=url, location=location)


def _lists(page: IndexPage, filename: str, sha256: str) -> bool:
    # A link without a sha256 is not one to other bytes: those in the store are compared.
    return any(
        file.filename == filename and file.hashes.get("sha256", sha256) == sha256 for file in page.files
    )


def _belongs_to(filename: str, project: str) -> bool:
    try:
        return str(filenames.parse_filename(filename).project) == project
    except filenames.InvalidFilename:
        return False
