"""Clients of a run: HTTP for the staging places, the index for reading, and the uploader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import CredentialsError, NetworkError
from wheel_uploader.core.models import IndexComparison, Options, ProjectPage, Report
from wheel_uploader.core.progress import Progress
from wheel_uploader.http.host_policy import parse_origin
from wheel_uploader.index.target import Target

if TYPE_CHECKING:
    from wheel_uploader.index import client as index_client_module
    from wheel_uploader.upload.twine_uploader import TwineUploader


def resolve_target(options: Options) -> Target:
    """Return the index to upload to. Raises UsageError."""
    # Imported here because importing twine takes longer than reading a listing.
    from wheel_uploader.upload import twine_uploader

    return twine_uploader.resolve_target(options)


def create_uploader(options: Options, target: Target, progress: Progress) -> TwineUploader:
    """Return the uploader for the target."""
    from wheel_uploader.upload import twine_uploader

    return twine_uploader.TwineUploader(options, target, progress)


def fetch_index_state(
    index_client: index_client_module.IndexClient | None,
    target: Target | None,
    uploader: TwineUploader | None,
    report: Report,
) -> tuple[ProjectPage | None, tuple[IndexComparison, ...]]:
    """Return the project page and the state of each file on the index, for the checks and the upload plan.

    If nothing is to be uploaded, the run continues without an index, and the report says so.
    """
    if index_client is None or target is None or report.selection is None:
        report.checks_not_run += (
            f"{_INDEX_COMPARISON}: no index given (--index-url, -r or --repository-url)",
        )
        return None, ()
    from wheel_uploader.index import client as index_client_module

    try:
        page = _project_page(index_client, report.selection.project, target, uploader)
        return page, index_client_module.compare_with_index(
            page, [fetched.file for fetched in report.downloaded_files], index_client.get_sha256
        )
    except (NetworkError, CredentialsError) as error:
        if uploader:
            raise
        report.checks_not_run += (f"{_INDEX_COMPARISON}: {error.message}",)
        return None, ()


#: The subject of a check that was not made, for the report.
_INDEX_COMPARISON = "the release against the index"


def _project_page(
    served: index_client_module.IndexClient, project: str, target: Target, uploader: TwineUploader | None
) -> ProjectPage:
    """Return the project page, with credentials only if the index requires them.

    They are the credentials of the upload, so they are sent only to the host of the upload URL.
    """
    try:
        return served.fetch_project(project, revalidate=True)
    except CredentialsError:
        if uploader is None or parse_origin(served.url) != parse_origin(target.url):
            raise
        credentials = cancellation.call_in_thread(uploader.credentials)
        if credentials is None:
            raise
        served.log_in(*credentials)
        return served.fetch_project(project, revalidate=True)
