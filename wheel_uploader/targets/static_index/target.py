"""The target that is a static index: a folder, or a bucket of S3 or Google.

Each file is created under its own name, never overwritten; then its core metadata (PEP 658). ``finish`` lists
the files on the pages of the project, and a new project on the list of projects: no page ever lists a file
that is not there. A run that was killed at any point is completed by the same command.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    NetworkError,
)
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    Confirmation,
    FileComparison,
    IndexComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    Signature,
    TargetSettings,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.target import Target
from wheel_uploader.targets.protocol import IndexState, PublishTarget, Release
from wheel_uploader.targets.pruning import TargetFile, find_rule
from wheel_uploader.targets.static_index.folder import FolderStore
from wheel_uploader.targets.static_index.location import open_store
from wheel_uploader.targets.static_index.pages import IndexPage, find_duplicates
from wheel_uploader.targets.static_index.removal import StaticRemover
from wheel_uploader.targets.static_index.static_index import ProjectState, StaticIndex
from wheel_uploader.targets.static_index.stored_files import StoredFiles
from wheel_uploader.upload.response import UploadResponse

if TYPE_CHECKING:
    from wheel_uploader.index.client import IndexClient


class StaticIndexTarget(PublishTarget):
    """A static index as a target."""

    replaces_files = False

    def __init__(self, options: Options, progress: Progress, settings: TargetSettings) -> None:
        """Take the folder or bucket that the upload URL names. Raises UsageError. Sends no request."""
        self._options = options
        self._progress = progress
        self._resources = contextlib.ExitStack()
        place = open_store(settings.url, options)
        self._store = place.store
        self._resources.callback(self._store.close)
        self.info = Target(url=place.url, is_pypi=False, name=self._store.location)
        self._static = StaticIndex(
            self._store,
            pages_root=place.pages_root,
            reading_url=self._find_reading_url,
            retries=options.retries,
            progress=progress,
            sleep=cancellation.sleep_unless_cancelled,
        )
        self.settings = settings
        self._login = ""
        self._remover: StaticRemover | None = None
        self._files = StoredFiles(self._static, progress)

    def close(self) -> None:
        """Close the connections."""
        self._resources.close()

    # --- login -----------------------------------------------------------------------------------------

    @property
    def login(self) -> str:
        """Which credentials the store takes."""
        return self._login

    def prepare_login(self, *, is_required: bool) -> None:
        """Find the credentials of the store, and print which. Raises CredentialsError."""
        try:
            self._login = self._store.log_in()
        except CredentialsError:
            if is_required:
                raise
            self._progress.info(f"no login is known for {self.info.name}; this run does not need one")
            return
        self._progress.info(f"login: {self._login}")

    # --- reading ---------------------------------------------------------------------------------------

    def _find_reading_url(self, pages_root: str) -> str:
        """Return the URL at which installers read the pages; empty for a folder without ``--index-url``."""
        url = self._options.index_url or ""
        if not url and self._store.served_url:
            url = f"{self._store.served_url}{pages_root}"
        return url if not url or url.endswith("/") else f"{url}/"

    @property
    def index(self) -> IndexClient | None:
        """The pages as installers read them; None for a folder without ``--index-url``."""
        return self._open_index if self._options.index_url or self._store.served_url else None

    @functools.cached_property
    def _open_index(self) -> IndexClient:
        from wheel_uploader.index.client import IndexClient

        options = self._options
        url = self._static.find_layout(str(canonicalize_name(options.project))).reading_url
        http = HttpClient(
            user_urls=(url,),
            allow_insecure_hosts=options.allow_insecure_hosts,
            timeout=options.timeout,
            retries=options.retries,
            progress=self._progress,
        )
        return IndexClient(self._resources.enter_context(http), url)

    def fetch_project(self, project: str) -> ProjectPage:
        """Return the files that the pages list, as they are stored."""
        return self._make_project_page(project, self._static.read(_canonical(project), ()))

    def _make_project_page(self, project: str, state: ProjectState) -> ProjectPage:
        name = _canonical(project)
        layout = self._static.find_layout(name)
        folder_url = f"{self.info.url.rstrip('/')}/{layout.pages_root}{name}/"
        url = layout.page_url(name) if layout.reading_url else folder_url
        for page in state.pages:
            if page.project_page and (page.files or page is state.pages[-1]):
                return replace(page.project_page, url=url)
        return ProjectPage(url=url, exists=False)

    def get_sha256(self, file: IndexFile) -> str:
        """Return the sha256 of a listed file, as listed or computed from the store."""
        if "sha256" in file.hashes:
            return file.hashes["sha256"]
        key = self._static.find_layout("").find_key(file.url)
        if not key:
            return super().get_sha256(file)
        return self._files.hash(key)

    def fetch_state(self, project: str, version: Version, files: Sequence[LocalFile]) -> IndexState:  # noqa: ARG002
        """Read the pages and compare the files with them and with the store.

        A page that cannot be edited is an error before anything is written.
        """
        name = _canonical(project)
        state = self._static.read(name, files)
        self._files.remember(name, state.files)
        for problem in self._static.find_problems(name, state, files):
            self._files.tell(problem)
        comparisons = tuple(self._compare(name, state, file) for file in files)
        return IndexState(project_page=self._make_project_page(name, state), comparisons=comparisons)

    def require_replaceable(self) -> None:
        """Accept ``--replace``: it keeps one entry of a name that pages list twice, and replaces no file."""

    def _compare(self, project: str, state: ProjectState, file: LocalFile) -> IndexComparison:
        """Compare a file with every page, and with the object of its name.

        It is the same only if nothing is left to do: no page, file or list of projects lacks it.
        """
        is_same = state.is_listed(file.filename, file.sha256, project)
        for page in state.pages:
            if page.project_page and not self._is_corrected(page, file):
                comparison = self.compare(page.project_page, [file])[0]
                if comparison.result not in (FileComparison.SAME, FileComparison.ABSENT):
                    return comparison
        if not is_same:
            stored = self._files.compare_stored(project, file)
            is_conflict = stored.result is FileComparison.DIFFERENT
            return stored if is_conflict else IndexComparison(file=file, result=FileComparison.ABSENT)
        key = self._files.find_key(project, file)
        facts = self._files.stat(key)
        if facts and facts.size == file.size:
            return IndexComparison(file=file, result=FileComparison.SAME, index_sha256=file.sha256)
        return self._files.compare_stored(project, file)

    def _is_corrected(self, page: IndexPage, file: LocalFile) -> bool:
        """Return whether ``--replace`` corrects what a page lists: the bytes in the store then decide."""
        return self._options.replace and file.filename in find_duplicates(page.files)

    def fetch_file_state(self, project: str, file: LocalFile) -> IndexComparison:
        """Compare a file with the object of its name; pages list it at the end."""
        return self._files.compare_with_companions(_canonical(project), file)

    # --- writing ---------------------------------------------------------------------------------------

    def set_signatures(self, signatures: Sequence[Signature]) -> None:
        """Store these signatures with their files."""
        self._files.signatures = {signature.filename: signature.content for signature in signatures}

    def upload(self, file: LocalFile) -> UploadResponse:
        """Create the file, its core metadata and its signature."""
        return self._files.upload(file)

    def finish(self, release: Release) -> None:
        """List the files on the pages, and a new project on the list of projects."""
        project = _canonical(release.project)
        with self._progress.waiting(f"upload: editing the pages of {project}"):
            if self._options.replace:
                self._remove_duplicates(project)
            self._static.publish(project, release.files, lambda file: self._files.describe(project, file))

    def _remove_duplicates(self, project: str) -> None:
        """Keep one entry of each name that a page lists twice, with the hash of what the store has."""
        layout, state = self._static.find_layout(project), self._static.read(project, ())
        urls = {file.filename: file.url for page in state.pages for file in page.files}
        names = {name for page in state.pages for name in find_duplicates(page.files)}
        for name in sorted(names):
            key = layout.find_key(urls[name])
            if key and self._files.stat(key):
                digest = self._files.hash(key)
                self._static.keep_one(project, name, digest)
                self._progress.info(f"{sanitize(name)}: one entry is left on the pages, sha256 {digest}")

    # --- removal of older releases ---------------------------------------------------------------------

    def require_prunable(self) -> None:
        """Permit ``--prune``."""

    def list_files(self, project: str) -> tuple[TargetFile, ...]:
        """Return the files that the pages list, as they are stored."""
        rule = find_rule(self._options, self.settings)
        self._remover = StaticRemover(self._static, _canonical(project))
        return self._remover.list_files(with_times=bool(rule and rule.days))

    def is_same_file(self, listed: TargetFile, file: LocalFile) -> bool:
        """Compare by the sha256 that the pages list, else by the bytes in the store."""
        key = self._static.find_layout(_canonical(file.name.project)).find_key(listed.url)
        sha256 = listed.hashes.get("sha256") or (self._files.hash(key) if key else "")
        return sha256 == file.sha256

    def remove(self, file: TargetFile, labels: Sequence[str] = ()) -> None:  # noqa: ARG002
        """Remove a file from the pages, then from the store."""
        if self._remover:
            self._remover.remove(file)

    # --- confirmation ----------------------------------------------------------------------------------

    def confirm(
        self, project: str, files: Sequence[LocalFile], *, timeout: float, was_uploaded: bool = True
    ) -> tuple[Confirmation, ...]:
        """Read the pages as installers do, and request each file.

        A folder without ``--index-url`` is read as pip reads a file: URL.
        """
        if self.index is None:
            return self._confirm_folder(_canonical(project), files)
        from wheel_uploader.index.confirmation import confirm_files

        try:
            return confirm_files(
                self._open_index,
                project,
                files,
                timeout=timeout,
                progress=self._progress,
                was_uploaded=was_uploaded,
            )
        except DeadlineError as error:
            raise self._explain(_canonical(project), error) from error

    def _explain(self, project: str, error: DeadlineError) -> DeadlineError:
        """Return the error with what to do if the pages are stored but not served at their URL."""
        url = f"{self._open_index.url}{project}/"
        try:
            if self._open_index.fetch_project(project, revalidate=True).exists:
                return error
        except (NetworkError, CredentialsError) as refusal:
            return error.with_details(
                refusal.message,
                hint="The pages are stored, and users cannot read them at this URL: allow reading, or "
                "pass the URL that pip uses with --index-url.",
            )
        return error.with_details(
            hint=f"The pages are stored in {self._store.location}, and {strip_url(url)} answers 404: this "
            "endpoint may serve exact names only, without index.html. Serve index documents there, or pass "
            "the URL that pip uses with --index-url."
        )

    def _confirm_folder(self, project: str, files: Sequence[LocalFile]) -> tuple[Confirmation, ...]:
        state = self._static.read(project, files)
        missing, confirmations = [], []
        for file in files:
            comparison = self._compare(project, state, file)
            if comparison.result is FileComparison.SAME:
                comparison = self._files.compare_stored(project, file)
            if comparison.result is FileComparison.DIFFERENT:
                raise ConflictError(
                    f"{self._store.location} has other bytes: {file.filename}: local sha256 {file.sha256}, "
                    f"index sha256 {comparison.index_sha256}"
                )
            if comparison.result is not FileComparison.SAME:
                missing.append(file.filename)
            confirmations.append(self._make_confirmation(project, state, file))
        if missing:
            raise DeadlineError(
                f"{self._store.location} does not list {len(missing)} of {format_count(len(files), 'file')}",
                details=missing,
            )
        return tuple(confirmations)

    def _make_confirmation(self, project: str, state: ProjectState, file: LocalFile) -> Confirmation:
        key = self._files.find_key(project, file)
        url = self._store.local_path(key).absolute().as_uri() if isinstance(self._store, FolderStore) else key
        formats = tuple(sorted({"json" if page.form.is_json else "html" for page in state.pages}))
        return Confirmation(filename=file.filename, sha256=file.sha256, url=url, page_formats=formats)


def _canonical(project: str) -> str:
    return str(canonicalize_name(project))
