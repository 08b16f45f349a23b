"""The target of a run: the uploader, and the state of the index."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wheel_uploader.core import task_pool
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    IndexNotFoundError,
    NetworkError,
    RedirectLoopError,
    RedirectNotAllowed,
    ReleaseError,
    SignInPageError,
)
from wheel_uploader.core.models import FileComparison, IndexComparison, LocalFile, Options, ProjectPage
from wheel_uploader.core.progress import Progress
from wheel_uploader.http import credentials as http_credentials
from wheel_uploader.http.host_policy import parse_origin, split_credentials
from wheel_uploader.http.proxy_errors import ProxyCredentialsError
from wheel_uploader.http.proxy_settings import ProxySettings
from wheel_uploader.index.target import Target

if TYPE_CHECKING:
    from wheel_uploader.index import client as index_client
    from wheel_uploader.upload.twine_uploader import TwineUploader


def preserved_host_state() -> AbstractContextManager[None]:
    """Give what twine changes in the process back at the end: rich's console, and its own log."""
    from wheel_uploader.upload import twine_uploader

    return twine_uploader.preserved_host_state()


def resolve_target(options: Options) -> Target:
    """Return the index to upload to. Raises UsageError."""
    # Imported here because importing twine takes longer than reading a listing.
    from wheel_uploader.upload import twine_uploader

    target = twine_uploader.resolve_target(options)
    # Reports missing packages for SOCKS before anything else happens.
    ProxySettings().find_proxy(target.url)
    return target


def create_uploader(options: Options, target: Target, progress: Progress) -> TwineUploader:
    """Return the uploader for the target."""
    from wheel_uploader.upload import twine_uploader

    return twine_uploader.TwineUploader(options, target, progress)


#: Hint for an index that does not let these credentials read.
_LOGIN_HINT = (
    "Check that the user name and the password or token are those of this index and may read the project. If "
    "they may only write, upload without reading the index: --write-only."
)


@dataclass(slots=True, kw_only=True)
class TargetReader:
    """Reads the target: anonymously, and with the credentials of the upload where that shows nothing.

    To readers without a login, some indexes answer 404 for a project that exists. Believing them would
    overwrite files.
    """

    options: Options
    target: Target
    progress: Progress
    #: The uploader of the run; None if the run uploads nothing.
    uploader: TwineUploader | None = None

    def fetch_project(self, index: index_client.IndexClient, project: str) -> ProjectPage:
        """Return the page of the project. Raises NetworkError, and CredentialsError if it may not be read."""
        page, refusal = None, ReleaseError("")
        try:
            page = index.fetch_project(project, revalidate=True)
        except (NetworkError, CredentialsError) as error:
            if not _may_need_login(error):
                raise
            refusal = error
        if page and (page.exists or self.target.is_pypi):
            return page
        if not self.log_in(index, is_required=isinstance(refusal, CredentialsError)):
            if page:
                return page
            raise self._explain(refusal, index, is_logged_in=False) from None
        try:
            return index.fetch_project(project, revalidate=True)
        except (NetworkError, CredentialsError) as error:
            raise self._explain(error, index, is_logged_in=True) from None

    def log_in(self, index: index_client.IndexClient, *, is_required: bool = False) -> bool:
        """Send credentials from now on, and return whether there are any for the origin of the pages."""
        if split_credentials(self.options.index_url or "")[1]:
            return False  # They are sent from the start.
        if parse_origin(index.url) == parse_origin(self.target.url):
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

    def find_stored_password(self) -> tuple[str, str]:
        """Return the stored password of the upload and its origin, without a prompt; empty if there is none.

        Raises CredentialsError if it cannot be right.
        """
        return task_pool.call_in_thread(self._get_uploader().find_stored_password)

    def _get_uploader(self) -> TwineUploader:
        if self.uploader is None:
            # A run that uploads nothing does not prompt.
            options = replace(self.options, non_interactive=True)
            self.uploader = create_uploader(options, self.target, self.progress)
        return self.uploader

    def _explain(
        self, error: ReleaseError, index: index_client.IndexClient, *, is_logged_in: bool
    ) -> ReleaseError:
        """Return the error for a page that cannot be read; the hints of a staging place do not apply."""
        has_own_hint = IndexNotFoundError | RedirectNotAllowed | RedirectLoopError
        if not _may_need_login(error) or isinstance(error, has_own_hint):
            return error
        hint = _LOGIN_HINT
        if not is_logged_in and parse_origin(index.url) != parse_origin(self.target.url):
            origin = parse_origin(index.url)
            hint = (
                "The credentials of the upload are sent to its own host only. Put others into --index-url "
                f"({origin.scheme}://USER:PASSWORD@HOST/...), or add {origin.host} to ~/.netrc."
            )
        return CredentialsError(error.message, hint=hint)


def _may_need_login(error: ReleaseError) -> bool:
    """Return whether a page may be readable with credentials."""
    if isinstance(error, ProxyCredentialsError):
        return False
    if isinstance(error, HttpStatusError):
        return error.status in (403, 404)
    redirects = RedirectNotAllowed | RedirectLoopError
    return isinstance(error, CredentialsError | SignInPageError | IndexNotFoundError | redirects)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """The state of a project on the index, compared with the local files."""

    #: None if the index was not read.
    project_page: ProjectPage | None = None
    comparisons: tuple[IndexComparison, ...] = ()
    #: A sentence for the report if the index was not read.
    checks_not_run: tuple[str, ...] = ()


def fetch_index_state(
    index: index_client.IndexClient | None,
    reader: TargetReader | None,
    project: str,
    files: Sequence[LocalFile],
) -> IndexState:
    """Read what the index has, for the checks and the upload plan.

    If nothing is to be uploaded, the run continues without an index, and the report says so.
    """
    if reader and reader.options.write_only and reader.uploader:
        absent = tuple(IndexComparison(file=file, result=FileComparison.ABSENT) for file in files)
        reason = "the index is not read (--write-only)"
        return IndexState(comparisons=absent, checks_not_run=(f"{_INDEX_COMPARISON}: {reason}",))
    if index is None or reader is None:
        reason = "no index given (--index-url, -r or --repository-url)"
        return IndexState(checks_not_run=(f"{_INDEX_COMPARISON}: {reason}",))
    from wheel_uploader.index.client import compare_with_index

    is_upload = reader.uploader is not None
    try:
        page = reader.fetch_project(index, project)
        return IndexState(project_page=page, comparisons=compare_with_index(page, files, index.get_sha256))
    except (NetworkError, CredentialsError) as error:
        if is_upload:
            raise
        return IndexState(checks_not_run=(f"{_INDEX_COMPARISON}: {error.message}",))


#: The subject of a check that was not made, for the report.
_INDEX_COMPARISON = "the release against the index"
