"""The target of a run: the uploader, and the state of the index."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheel_uploader.core import task_pool
from wheel_uploader.core.errors import CredentialsError, NetworkError
from wheel_uploader.core.models import IndexComparison, LocalFile, Options, ProjectPage
from wheel_uploader.core.progress import Progress
from wheel_uploader.http.host_policy import parse_origin
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
    target: Target | None,
    uploader: TwineUploader | None,
    project: str,
    files: Sequence[LocalFile],
) -> IndexState:
    """Read what the index has, for the checks and the upload plan.

    If nothing is to be uploaded, the run continues without an index, and the report says so.
    """
    if index is None or target is None:
        reason = "no index given (--index-url, -r or --repository-url)"
        return IndexState(checks_not_run=(f"{_INDEX_COMPARISON}: {reason}",))
    from wheel_uploader.index.client import compare_with_index

    try:
        page = _project_page(index, project, target, uploader)
        return IndexState(project_page=page, comparisons=compare_with_index(page, files, index.get_sha256))
    except (NetworkError, CredentialsError) as error:
        if uploader:
            raise
        return IndexState(checks_not_run=(f"{_INDEX_COMPARISON}: {error.message}",))


#: The subject of a check that was not made, for the report.
_INDEX_COMPARISON = "the release against the index"


def _project_page(
    index: index_client.IndexClient, project: str, target: Target, uploader: TwineUploader | None
) -> ProjectPage:
    """Return the project page, with credentials only if the index requires them.

    They are the credentials of the upload, so they are sent only to the host of the upload URL.
    """
    try:
        return index.fetch_project(project, revalidate=True)
    except ProxyCredentialsError:
        raise
    except CredentialsError:
        if uploader is None or parse_origin(index.url) != parse_origin(target.url):
            raise
        credentials = task_pool.call_in_thread(uploader.credentials)
        if credentials is None:
            raise
        index.log_in(*credentials)
        return index.fetch_project(project, revalidate=True)
