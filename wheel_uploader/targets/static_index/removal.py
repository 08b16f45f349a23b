"""The removal of single files from a static index: from its pages first, then from the store.

A run that is killed in between leaves files that no page lists, never a link to a file that is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from wheel_uploader.core.errors import ConflictError, NetworkError
from wheel_uploader.core.models import IndexFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.task_pool import TaskPool
from wheel_uploader.targets.pruning import TargetFile
from wheel_uploader.targets.static_index import pages as index_pages
from wheel_uploader.targets.static_index.object_store import StoredPage
from wheel_uploader.targets.static_index.pages import IndexPage
from wheel_uploader.targets.static_index.static_index import ProjectState, StaticIndex

#: Ends of the names of the objects that belong to a file.
_COMPANIONS = (".metadata", ".asc")
#: Parallel requests for the times of files.
_MAX_LOOKS = 8


class StaticRemover:
    """Lists all files of a project, and removes single ones."""

    def __init__(self, static: StaticIndex, project: str) -> None:
        """``project``: its canonical name."""
        self._static = static
        self._store = static.store
        self._project = project

    def list_files(self, *, with_times: bool) -> tuple[TargetFile, ...]:
        """Return the files that any page lists. Raises NetworkError if there are none.

        ``with_times``: take the time of creation from the store if the pages have none.
        """
        state = self._static.read(self._project, ())
        listed: dict[str, list[IndexFile]] = {}
        for file in (file for page in state.pages for file in page.files):
            listed.setdefault(file.filename, []).append(file)
        if not listed:
            raise NetworkError(f"no page of {self._project} in {self._store.location} lists a file")
        files = [self._describe(state, entries) for entries in listed.values()]
        if not with_times:
            return tuple(files)
        with TaskPool("look", _MAX_LOOKS) as pool:
            return tuple(pool.map(self._with_time, files, stop=lambda: None))

    def _describe(self, state: ProjectState, entries: list[IndexFile]) -> TargetFile:
        file = entries[0]
        times = [each.upload_time for each in entries if each.upload_time]
        return TargetFile(
            filename=file.filename,
            url=file.url,
            hashes=file.hashes,
            uploaded_at=max(times, default=None),
            kept_because=self._explain_kept(state, file.filename, entries),
        )

    def _explain_kept(self, state: ProjectState, filename: str, entries: list[IndexFile]) -> str:
        if any(filename in index_pages.find_duplicates(page.files) for page in state.pages):
            return "a page lists it twice"
        if len({(each.hashes.get("sha256"), self._find_key(each.url)) for each in entries}) > 1:
            return "the pages disagree about it"
        return "" if self._find_key(entries[0].url) else "it is not stored in this index"

    def _find_key(self, url: str) -> str:
        return self._static.find_layout(self._project).find_key(url)

    def _with_time(self, file: TargetFile) -> TargetFile:
        key = self._find_key(file.url)
        if file.uploaded_at or file.kept_because or not key:
            return file
        facts = self._static.attempt(f"look for {key}", lambda: self._store.stat(key))
        return replace(file, uploaded_at=facts.created_at if facts else None)

    def remove(self, file: TargetFile) -> None:
        """Remove a file from all pages, then the file with its metadata and its signature.

        Raises ConflictError if a page lists something else under its name by now.
        """
        key = self._find_key(file.url)
        if not key:
            raise NetworkError(f"{sanitize(file.filename)} is not stored in {self._store.location}")
        layout = self._static.find_layout(self._project)
        url, location = layout.page_url(self._project), self._store.location

        def edit(page: IndexPage) -> StoredPage | None:
            found = [each for each in page.files if each.filename == file.filename]
            if any(each.hashes != file.hashes or each.url != file.url for each in found):
                raise ConflictError(f"{sanitize(file.filename)} has changed on {location}{page.key}")
            return index_pages.remove_file(page, file.filename, url=url, location=location) if found else None

        self._static.edit_project_pages(self._project, edit)
        state = self._static.read(self._project, ())
        if any(self._links_to(page.files, key) for page in state.pages):
            raise ConflictError(f"a page in {location} still links to {sanitize(key)}")
        for suffix in (*_COMPANIONS, ""):
            self._static.attempt(f"remove {key}{suffix}", lambda: self._store.remove(f"{key}{suffix}"))  # noqa: B023

    def _links_to(self, files: Iterable[IndexFile], key: str) -> bool:
        return any(self._find_key(each.url) == key for each in files)
