"""anaconda.org as a target: written and read through its API, and confirmed by pip's page as well."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    NetworkError,
    UsageError,
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
    TargetSettings,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.urls import quote
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.host_policy import parse_origin
from wheel_uploader.http.hostnames import is_loopback_host
from wheel_uploader.index.client import IndexClient
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.index.target import Target
from wheel_uploader.targets.anaconda import credentials as anaconda_credentials
from wheel_uploader.targets.anaconda import payloads, urls
from wheel_uploader.targets.anaconda.api import Api
from wheel_uploader.targets.anaconda.file_steps import FileSteps, load_metadata
from wheel_uploader.targets.anaconda.package import AnacondaPackage, compute_md5
from wheel_uploader.targets.anaconda.pip_page import PipPage
from wheel_uploader.targets.anaconda.removal import AnacondaRemover
from wheel_uploader.targets.anaconda.replacement import AnacondaReplacer
from wheel_uploader.targets.protocol import IndexState, PublishTarget, Release
from wheel_uploader.targets.pruning import TargetFile
from wheel_uploader.upload.file_replacement import Replacer
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.wheelhouse.saved_files import SavedFiles

#: Seconds between two looks at the API while it does not list a file: short at first.
_MIN_PAUSE, _MAX_PAUSE = 1.0, 20.0
_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class AnacondaTarget(PublishTarget):
    """An organization or user on anaconda.org, or on another server with its API."""

    def __init__(self, options: Options, progress: Progress, settings: TargetSettings) -> None:
        """Find the API, the labels and the token. Raises UsageError and CredentialsError."""
        if options.write_only:
            raise UsageError("--write-only applies to package indexes only", hint="Omit --write-only.")
        parsed = urls.parse_upload_url(settings.url)
        self.settings = settings
        self.info = Target(
            url=f"{urls.SITE_URL}/{parsed.owner}", is_pypi=False, name=f"anaconda.org/{parsed.owner}"
        )
        self.labels = urls.check_labels(
            options.labels or settings.labels or (parsed.label or urls.MAIN_LABEL,)
        )
        self._options = options
        self._progress = progress
        self._token = anaconda_credentials.find_token(
            settings, from_url=parsed.token, pypirc_password=settings.password
        )
        api_url = urls.find_api_url(settings.anaconda_api, options.allow_insecure_hosts)
        self._pip_url = _choose_pip_url(options, api_url, parsed.owner, self.labels)
        with contextlib.ExitStack() as stack:
            self._http = http = stack.enter_context(self._open_client(api_url))
            storage_http = stack.enter_context(self._open_client(api_url))
            self._resources = stack.pop_all()
        self._api = Api(http, api_url, parsed.owner, self._token.value)
        self._package = AnacondaPackage(self._api, http)
        self._steps = FileSteps(
            api=self._api,
            storage_http=storage_http,
            progress=progress,
            create_release=self._create_release,
        )
        self._creating = threading.Lock()
        #: The labels that replaced files had, by name.
        self._old_labels: dict[str, tuple[str, ...]] = {}

    def _open_client(self, url: str) -> HttpClient:
        """Return a client for a server; one on this machine may have its storage on another port."""
        is_local = is_loopback_host(parse_origin(url).host)
        return HttpClient(
            user_urls=(url,),
            allow_hosts=(*self._options.allow_hosts, *(_LOOPBACK_HOSTS if is_local else ())),
            allow_insecure_hosts=self._options.allow_insecure_hosts,
            timeout=self._options.timeout,
            retries=self._options.retries,
            verify=str(self._options.cert) if self._options.cert else True,
            progress=self._progress,
        )

    def close(self) -> None:
        """Close the connections."""
        self._resources.close()

    # --- login -----------------------------------------------------------------------------------------

    @property
    def login(self) -> str:
        """The origin of the token; empty if there is none."""
        return f"token from {self._token.origin}" if self._token.value else ""

    def prepare_login(self, *, is_required: bool) -> None:
        """Print where the token comes from. Raises CredentialsError if there is none."""
        if self._token.value:
            self._progress.info(f"login: {self.login}")
        elif is_required:
            raise anaconda_credentials.explain_missing(self.settings)
        else:
            self._progress.info(f"no login is known for {self.info.name}; this run does not need one")

    def release_page_url(self, project: str, _version: Version) -> str:
        """Return the URL of the package's page on the site; empty for another server."""
        return f"{self.info.url}/{quote(project)}" if self._api.url == urls.API_URL else ""

    # --- reading ---------------------------------------------------------------------------------------

    @functools.cached_property
    def index(self) -> IndexClient:
        """The simple pages that pip reads."""
        http = self._resources.enter_context(self._open_client(self._pip_url))
        return PipPage(http, self._pip_url, self._package.entries, self._old_labels)

    def fetch_project(self, project: str) -> ProjectPage:
        """Return the files of the package, of all versions, as the API lists them."""
        return self._package.fetch(project)

    def compare(self, page: ProjectPage, files: Sequence[LocalFile]) -> tuple[IndexComparison, ...]:
        """Compare by sha256, and by MD5 if the API knows only that."""
        return self._package.compare(page, files)

    def get_sha256(self, file: IndexFile) -> str:
        """Return the SHA-256 of a served file, as listed or computed from a download."""
        return self._package.get_sha256(file)

    def fetch_state(self, project: str, version: Version, files: Sequence[LocalFile]) -> IndexState:
        """Read what the organization has of the package."""
        self._package.set_release(files)
        return super().fetch_state(project, version, files)

    def fetch_file_state(self, _project: str, file: LocalFile) -> IndexComparison:
        """Ask the API for one file."""
        return self._package.fetch_file_state(file)

    # --- writing ---------------------------------------------------------------------------------------

    def begin(self, release: Release) -> None:
        """Create the package and the release if they do not exist."""
        if self._package.entries:
            return  # The release has files.
        file = release.files[0]
        with VerifiedFile(file.path, file.sha256) as content:
            metadata = load_metadata(file, content)
        self._create_release(file, metadata)

    def _create_release(self, _file: LocalFile, metadata: Mapping[str, Any]) -> None:
        """Create the package and the release; another job may have created either just before."""
        name, version = metadata["name"], metadata["version"]
        package = self._api.build_path("package", name)
        release = self._api.build_path("release", name, version)
        with self._creating:
            if not self._package.exists or self._api.ask("GET", package).status == 404:
                self._create(package, payloads.build_package(metadata))
                self._package.exists = True
            if self._api.ask("GET", release).status == 404:
                self._create(release, payloads.build_release(metadata))

    def _create(self, path: str, body: object) -> None:
        answer = self._api.ask("POST", path, body)
        # With 400 or 409 it exists; if it does not, the next request says so.
        if not answer.is_success and answer.status not in (400, 409):
            raise self._api.explain("POST", path, answer)

    def upload(self, file: LocalFile) -> UploadResponse:
        """Announce the file, send it to the storage, and commit it."""
        return self._steps.upload(file, self._labels_of(file.filename))

    def _labels_of(self, filename: str) -> tuple[str, ...]:
        """Return the labels that a file gets: those that it had, and those asked for."""
        return tuple(dict.fromkeys([*self._old_labels.get(filename, ()), *self.labels]))

    def require_replaceable(self) -> None:
        """Permit ``--replace``."""

    def create_replacer(self, folder: Path) -> Replacer:
        """Return what saves and removes old files."""
        return AnacondaReplacer(
            self._api,
            self._http,
            self._package,
            SavedFiles(folder),
            target=f"{self._api.url}/{self._api.owner}",
            prepare=lambda file: self._steps.prepare(file, self._labels_of(file.filename)),
            find_link=self._find_link,
            labels=self._old_labels,
        )

    def _find_link(self, file: LocalFile) -> str:
        """Return the link to a file on the page that pip reads; empty if it has none."""
        with contextlib.suppress(NetworkError, CredentialsError):
            page = self.index.fetch_project(file.name.project)
            return next((served.url for served in page.files if served.filename == file.filename), "")
        return ""

    def finish(self, release: Release) -> None:
        """Add the labels that are missing on files which were there before."""
        for file in release.files:
            for label in self._missing_labels(file.filename):
                self._add_label(file.filename, label)

    def _missing_labels(self, filename: str) -> list[str]:
        entry = self._package.entries.get(filename)
        known = entry.labels if entry else None
        return [] if known is None else [label for label in self.labels if label not in known]

    def _add_label(self, filename: str, label: str) -> None:
        path = f"{self._api.build_path('channels')}/{quote(label, safe='')}"
        # Without all three, the label would be added to every file of the organization.
        body = {"package": self._package.name, "version": self._package.version, "basename": filename}
        answer = self._api.ask("POST", path, body)
        if answer.status in (400, 404, 422):
            reason = answer.words or f"status {answer.status}"
            raise UsageError(
                f"the label {label} cannot be added to {filename}: {reason}",
                hint="Correct --label, or create the label.",
            )
        if not answer.is_success:
            raise self._api.explain("POST", path, answer)
        self._progress.info(f"{filename}: label {label} added")

    # --- removal of older releases ---------------------------------------------------------------------

    def require_prunable(self) -> None:
        """Permit ``--prune``."""

    @property
    def pruned_labels(self) -> tuple[str, ...]:
        """The labels that this run publishes with."""
        return self.labels

    @functools.cached_property
    def _remover(self) -> AnacondaRemover:
        return AnacondaRemover(self._api, self._http, self._package.name)

    def list_files(self, _project: str) -> tuple[TargetFile, ...]:
        """Return the files of all versions and types, as the API lists them."""
        return self._remover.list_files()

    def is_same_file(self, listed: TargetFile, file: LocalFile) -> bool:
        """Compare by sha256, and by MD5 if the API knows only that."""
        if "sha256" in listed.hashes:
            return listed.hashes["sha256"] == file.sha256
        return listed.hashes.get("md5") == compute_md5(file)

    def remove(self, file: TargetFile, labels: Sequence[str] = ()) -> None:
        """Remove a file, or labels from it, if it has not changed since it was listed."""
        self._remover.remove(file, labels)

    # --- confirmation ----------------------------------------------------------------------------------

    def confirm(
        self, project: str, files: Sequence[LocalFile], *, timeout: float, was_uploaded: bool = True
    ) -> tuple[Confirmation, ...]:
        """Wait until the API and the simple page that pip reads have exactly these files."""
        started_at = time.monotonic()
        self._package.set_release(files)
        self._confirm_by_api(project, files, timeout, was_uploaded=was_uploaded)
        remaining = max(0.0, timeout - (time.monotonic() - started_at))
        return confirm_files(
            self.index, project, files, timeout=remaining, progress=self._progress, was_uploaded=was_uploaded
        )

    def _confirm_by_api(
        self, project: str, files: Sequence[LocalFile], timeout: float, *, was_uploaded: bool
    ) -> None:
        deadline, pause = time.monotonic() + timeout, _MIN_PAUSE
        while problems := self._find_problems(project, files):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                error = DeadlineError(
                    f"{self._package.host} does not list {len(problems)} of "
                    f"{format_count(len(files), 'file')} as expected",
                    details=problems,
                    hint="Run the same command again to check.",
                )
                raise error if was_uploaded else error.as_permanent()
            with self._progress.waiting(f"confirm: {problems[0]}", seconds=remaining):
                cancellation.sleep_unless_cancelled(min(pause, remaining))
            pause = min(pause * 1.5, _MAX_PAUSE)

    def _find_problems(self, project: str, files: Sequence[LocalFile]) -> list[str]:
        """Return one line for each file that the API lacks. Raises ConflictError for other bytes."""
        try:
            states = self.compare(self.fetch_project(project), files)
        except NetworkError as error:
            return [error.message]
        host = self._package.host
        conflicts = [
            f"{state.file.filename}: local sha256 {state.file.sha256}, {host} has {state.index_sha256}"
            for state in states
            if state.result is FileComparison.DIFFERENT
        ]
        if conflicts:
            raise ConflictError(
                f"{host} has {format_count(len(conflicts), 'file')} with different contents",
                details=conflicts,
                hint="Find out which other job uploads to this organization.",
            )
        absent = [state.file.filename for state in states if state.result is not FileComparison.SAME]
        unlabelled = [file.filename for file in files if self._missing_labels(file.filename)]
        return [f"{name} is not listed" for name in absent] + [f"{name} lacks a label" for name in unlabelled]


def _choose_pip_url(options: Options, api_url: str, owner: str, labels: Sequence[str]) -> str:
    """Return the URL of the pages that pip reads. Raises UsageError for another server without one."""
    if options.index_url:
        return options.index_url
    if api_url != urls.API_URL:
        raise UsageError(
            "the pages that pip reads are unknown for another server than anaconda.org",
            hint="Pass their URL with --index-url.",
        )
    return urls.pip_root(owner, labels)
