"""Package indexes that accept uploads by twine: PyPI, devpi, Artifactory and others.

To readers without a login, some indexes answer 404 for a project that exists. Believing them would overwrite
files, so that pages are read with the credentials of the upload if they show nothing without.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from wheel_uploader.core import task_pool
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    PrivateHostError,
    ReleaseError,
    SignInPageError,
    TransportError,
    UnsupportedVersionError,
)
from wheel_uploader.core.models import (
    Attestation,
    AttestationPolicy,
    Confirmation,
    FileComparison,
    IndexComparison,
    LocalFile,
    Options,
    ProjectPage,
    Signature,
    Stage,
    TargetSettings,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.http import credentials as http_credentials
from wheel_uploader.http.host_policy import parse_origin, split_credentials
from wheel_uploader.http.proxy_errors import ProxyCredentialsError
from wheel_uploader.targets.protocol import INDEX_COMPARISON, IndexState, PublishTarget
from wheel_uploader.targets.pruning import TargetFile
from wheel_uploader.targets.settings import read_token
from wheel_uploader.upload import clients

if TYPE_CHECKING:
    from wheel_uploader.index.client import IndexClient
    from wheel_uploader.targets.devpi import DevpiIndex
    from wheel_uploader.upload.response import UploadResponse
    from wheel_uploader.upload.twine_uploader import TwineUploader

#: Seconds for which a page counts as what the index serves.
_MAX_PAGE_AGE = 60.0
#: Seconds to wait, at the end of a run, for a page that is still being read ahead.
_SHUTDOWN_TIMEOUT = 1.0
#: Hint for an index that does not let these credentials read.
_LOGIN_HINT = (
    "Check that the user name and the password or token are those of this index and may read the project. If "
    "they may only write, upload without reading the index: --write-only."
)


class PackageIndexTarget(PublishTarget):
    """A package index: written to with twine, read by its simple pages."""

    def __init__(self, options: Options, progress: Progress, settings: TargetSettings) -> None:
        """Resolve the index that the options, the TWINE_* variables or .pypirc select. Raises UsageError."""
        self._uploads = options.until > Stage.SIGN and not options.verify
        self._options = _with_token(options, settings) if self._uploads else options
        self._progress = progress
        self.settings = settings
        self._uploader: TwineUploader | None = None
        #: The project, the page that was read last, and when; None after an upload or a removal.
        self._last_page: tuple[str, ProjectPage, float] | None = None
        #: The project whose page is being read ahead, and since when.
        self._ahead: tuple[str, Future[ProjectPage], float] | None = None
        with contextlib.ExitStack() as stack:
            stack.enter_context(clients.preserved_host_state())
            self.info = clients.resolve_target(options)
            self._resources = stack.pop_all()

    def close(self) -> None:
        """Close the connections, and restore what twine changes in the process."""
        self._resources.close()

    # --- login -----------------------------------------------------------------------------------------

    @property
    def login(self) -> str:
        """The login of the run, for messages; empty if it is not known yet."""
        return self._uploader.login if self._uploader else ""

    def prepare_login(self, *, is_required: bool) -> None:
        """Report how the run will log in; prompt if nothing else helps. Raises CredentialsError."""
        uploader = self._get_uploader()
        task_pool.call_in_thread(lambda: uploader.prepare_login(is_required=is_required))

    def credentials(self) -> object:
        """Find user name and password, which may prompt the user. Raises CredentialsError."""
        return task_pool.call_in_thread(self._get_uploader().credentials)

    def find_stored_password(self) -> tuple[str, str]:
        """Return the stored password of the upload and its origin, without a prompt."""
        return task_pool.call_in_thread(self._get_uploader().find_stored_password)

    def _get_uploader(self) -> TwineUploader:
        if self._uploader is None:
            # A run that uploads nothing does not prompt.
            options = self._options if self._uploads else replace(self._options, non_interactive=True)
            self._uploader = clients.create_uploader(options, self.info, self._progress)
        return self._uploader

    def _log_in(self, *, is_required: bool = False) -> bool:
        """Send credentials from now on, and return whether there are any for the origin of the pages."""
        index = self._open_index
        if any(split_credentials(self._options.index_url or "")[1:]):
            return False  # They are sent from the start.
        if parse_origin(index.url) == parse_origin(self.info.url):
            try:
                # An upload without a login, which the user asks for, is not followed by another login.
                credentials = task_pool.call_in_thread(self._get_uploader().credentials)
            except CredentialsError:
                credentials = http_credentials.find_netrc_login(index.url)
                if is_required and not credentials:
                    raise
        else:
            credentials = http_credentials.find_netrc_login(index.url)
        if credentials:
            index.log_in(*credentials)
        return credentials is not None

    # --- reading ---------------------------------------------------------------------------------------

    @property
    def is_readable(self) -> bool:
        """False with ``--write-only``."""
        return not (self._options.write_only and self._uploads)

    @property
    def index(self) -> IndexClient | None:
        """The simple pages of the index; None if it is only written to. Raises UsageError if unknown."""
        return self._open_index if self.is_readable else None

    @functools.cached_property
    def _open_index(self) -> IndexClient:
        from wheel_uploader.index import client

        return self._resources.enter_context(client.open_index(self._options, self.info, self._progress))

    def read_ahead(self, project: str) -> None:
        """Start to read the page of the project, without a login."""
        # Whatever prevents it is raised where the page is needed.
        with contextlib.suppress(ReleaseError):
            if index := self.index:
                # The pool is closed before the client, so that no connection is opened after its end.
                pool = task_pool.TaskPool("page", 1, grace=_SHUTDOWN_TIMEOUT)
                call = self._resources.enter_context(pool).submit(
                    lambda: index.fetch_project(project, revalidate=True)
                )
                self._ahead = project, call, time.monotonic()

    def _read_page(self, project: str) -> ProjectPage:
        """Return the page as it is now, or as it was when it was read ahead, at most a minute ago."""
        ahead, self._ahead = self._ahead, None
        if ahead and ahead[0] == project and time.monotonic() - ahead[2] <= _MAX_PAGE_AGE:
            task_pool.wait_for_call(ahead[1])
            return ahead[1].result()
        return self._open_index.fetch_project(project, revalidate=True)

    def fetch_project(self, project: str) -> ProjectPage:
        """Return the page of the project. Raises NetworkError, and CredentialsError if it may not be read."""
        page = self._fetch_project(project)
        self._last_page = project, page, time.monotonic()
        return page

    def _fetch_project(self, project: str) -> ProjectPage:
        index = self._open_index
        page, refusal = None, ReleaseError("")
        try:
            page = self._read_page(project)
        except (NetworkError, CredentialsError) as error:
            if not _may_need_login(error):
                raise
            refusal = error
        if page and (page.exists or self.info.is_pypi):
            return page
        if not self._log_in(is_required=isinstance(refusal, CredentialsError)):
            if page:
                return page
            raise self._explain(refusal, index, is_logged_in=False) from None
        try:
            return index.fetch_project(project, revalidate=True)
        except (NetworkError, CredentialsError) as error:
            raise self._explain(error, index, is_logged_in=True) from None

    def _explain(self, error: ReleaseError, index: IndexClient, *, is_logged_in: bool) -> ReleaseError:
        """Return the error for a page that cannot be read; the hints of a staging place do not apply."""
        is_refusal = isinstance(error, CredentialsError | SignInPageError) or (
            isinstance(error, HttpStatusError) and error.status in (403, 404)
        )
        if not is_refusal or isinstance(error, ProxyCredentialsError):
            return error
        hint = _LOGIN_HINT
        if not is_logged_in and parse_origin(index.url) != parse_origin(self.info.url):
            origin = parse_origin(index.url)
            hint = (
                "The credentials of the upload are sent to its own host only. Put others into --index-url "
                f"({origin.scheme}://USER:PASSWORD@HOST/...), or add {origin.host} to ~/.netrc."
            )
        # Over plain HTTP, a refusal may come from the proxy.
        about_proxy = f" {error.hint}" if "proxy" in error.hint else ""
        return CredentialsError(error.message, hint=f"{hint}{about_proxy}")

    def fetch_state(self, project: str, version: Version, files: Sequence[LocalFile]) -> IndexState:
        """Read what the index has; with ``--write-only``, take all files for absent."""
        if self.is_readable:
            return self._look_with_login(project, super().fetch_state(project, version, files), files)
        absent = tuple(IndexComparison(file=file, result=FileComparison.ABSENT) for file in files)
        reason = "the index is not read (--write-only)"
        return IndexState(comparisons=absent, checks_not_run=(f"{INDEX_COMPARISON}: {reason}",))

    def _look_with_login(self, project: str, state: IndexState, files: Sequence[LocalFile]) -> IndexState:
        """Return the state with the login of the upload, before a file is uploaded because it seems absent.

        Without a login, some indexes return a page with a part of the files, or with none.
        """
        is_complete = all(each.result is not FileComparison.ABSENT for each in state.comparisons)
        page, index = state.project_page, self._open_index
        is_settled = is_complete or index.is_logged_in or self.info.is_pypi
        if page is None or is_settled or not self._log_in():
            return state
        try:
            full_page = index.fetch_project(project, revalidate=True)
        except (NetworkError, CredentialsError):
            index.log_out()  # The page is public, and the credentials may only write.
            return state
        listed = {file.filename for file in page.files}
        if page.files and all(file.filename in listed for file in full_page.files):
            index.log_out()  # The confirmation looks with the eyes of the users.
            return state
        self._last_page = project, full_page, time.monotonic()
        return IndexState(project_page=full_page, comparisons=self.compare(full_page, files))

    def fetch_file_state(self, project: str, file: LocalFile) -> IndexComparison:
        """Compare a local file with what the index serves now."""
        return self._open_index.fetch_file_state(project, file)

    # --- removal of older releases ---------------------------------------------------------------------

    def require_prunable(self) -> None:
        """Raise UsageError unless the target is an index of devpi that lets files be removed."""
        if self.info.is_pypi:
            super().require_prunable()
        self._devpi.require_prunable()

    @functools.cached_property
    def _devpi(self) -> DevpiIndex:
        from wheel_uploader.http.client import HttpClient
        from wheel_uploader.targets.devpi import DevpiIndex

        http = HttpClient(
            user_urls=(self.info.url,),
            allow_insecure_hosts=self._options.allow_insecure_hosts,
            timeout=self._options.timeout,
            retries=self._options.retries,
            verify=str(self.info.cert) if self.info.cert else True,
            progress=self._progress,
        )
        return DevpiIndex(self._resources.enter_context(http), self.info.url, self._find_devpi_login)

    def _find_devpi_login(self) -> tuple[str, str] | None:
        return task_pool.call_in_thread(self._get_uploader().credentials)

    def list_files(self, project: str) -> tuple[TargetFile, ...]:
        """Return the files that are stored in the index, and those that it inherits, which are kept."""
        own = self._devpi.list_files(project)
        names = {file.filename for file in own}
        inherited = [file for file in self.fetch_project(project).files if file.filename not in names]
        return *own, *(
            TargetFile(
                filename=file.filename,
                url=file.url,
                hashes=file.hashes,
                kept_because="it is stored in another index",
            )
            for file in inherited
        )

    def remove(self, file: TargetFile, labels: Sequence[str] = ()) -> None:  # noqa: ARG002
        """Remove one file from an index of devpi."""
        self._last_page = None
        self._devpi.remove(file)

    # --- writing ---------------------------------------------------------------------------------------

    def set_signatures(self, signatures: Sequence[Signature]) -> None:
        """Upload these signatures with their files, if the index stores them."""
        self._get_uploader().set_signatures(signatures)

    def set_attestations(self, attestations: Sequence[Attestation], mode: AttestationPolicy) -> bool:
        """Upload these with their files, or print why the index accepts none; call ``credentials`` before."""
        return self._get_uploader().set_attestations(attestations, mode)

    def upload(self, file: LocalFile) -> UploadResponse:
        """Upload ``file`` once, and return the response."""
        self._last_page = None
        return self._get_uploader().upload(file)

    def end_uploads(self) -> None:
        """Close the connections after the last file."""
        self._get_uploader().close()

    def confirm(
        self, project: str, files: Sequence[LocalFile], *, timeout: float, was_uploaded: bool = True
    ) -> tuple[Confirmation, ...]:
        """Poll the pages until they list every file, and request each file.

        A run that uploads nothing does not read the page again that it has just compared the files with.
        """
        from wheel_uploader.index.confirmation import confirm_files

        first_page = None
        if self._last_page:
            name, page, read_at = self._last_page
            is_recent = time.monotonic() - read_at <= _MAX_PAGE_AGE
            first_page = page if name == project and is_recent else None
            self._last_page = None
        return confirm_files(
            self._open_index,
            project,
            files,
            timeout=timeout,
            progress=self._progress,
            log_in=lambda: not self._open_index.is_logged_in and self._log_in(),
            was_uploaded=was_uploaded,
            first_page=first_page,
        )


def _with_token(options: Options, settings: TargetSettings) -> Options:
    """Return the options with the token of the section as the password, unless they have one."""
    if options.password is not None or not settings.token_variable:
        return options
    username = options.username or os.environ.get("TWINE_USERNAME") or "__token__"
    return replace(options, username=username, password=read_token(settings))


def _may_need_login(error: ReleaseError) -> bool:
    """Return whether a page may be readable with credentials.

    Indexes refuse readers without a login in many ways: with other statuses, and with pages that are not
    those of an index. A failure that may pass, of the connection or of a proxy is not one of them.
    """
    if isinstance(error, HttpStatusError):
        return error.status < 500 and error.status not in (407, 408, 425, 429)
    is_about_connection = ProxyCredentialsError | TransportError | PrivateHostError | UnsupportedVersionError
    return not isinstance(error, is_about_connection)
