"""Clients of a run: HTTP for the staging places, the index for reading, and the uploader."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import CredentialsError, NetworkError
from wheel_uploader.core.models import IndexComparison, Options, ProjectPage, Report, Stage
from wheel_uploader.core.progress import Progress
from wheel_uploader.http import credentials as http_credentials
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.host_policy import parse_origin
from wheel_uploader.index.target import Target
from wheel_uploader.listing import sources
from wheel_uploader.listing.expected_files import Expectation

if TYPE_CHECKING:
    from wheel_uploader.index import client as index_client_module
    from wheel_uploader.upload.twine_uploader import TwineUploader


def expectation_for_waiting(options: Options, target: Target, progress: Progress) -> Expectation | None:
    """Return the files of the previous release on the index, to wait for if no others are declared."""
    from wheel_uploader.pipeline import release_gate

    try:
        with open_index(options, target, progress) as served:
            previous = release_gate.previous_release_expectation(
                served.fetch_project(options.project), options
            )
    except (NetworkError, CredentialsError) as error:
        progress.info(f"waiting for at least one file; the previous release is unknown: {error}")
        return None
    if previous is None:
        return None
    version, expected = previous
    progress.info(f"waiting for the same files as in {options.project} {version} (disable with --no-compare)")
    return expected


def open_staging_client(options: Options, progress: Progress) -> HttpClient:
    """Return an HTTP client for the staging places, limited to the hosts that the user allowed."""
    http = HttpClient(
        user_urls=options.urls,
        allow_hosts=options.allow_hosts,
        allow_insecure_hosts=options.allow_insecure_hosts,
        timeout=options.timeout,
        retries=options.retries,
        preconnect=_extra_connections(options),
        progress=progress,
    )
    for prefix, headers in http_credentials.headers_for_urls(
        options.urls, netrc=options.netrc, token=options.url_token
    ):
        http.add_headers(prefix, headers)
    return http


#: Connections per host, as many as a download of small files uses.
_MAX_CONNECTIONS = 16


def _extra_connections(options: Options) -> dict[str, int]:
    """Return, by URL, the number of connections to open in addition to the first.

    Only for URLs that serve files: files of package indexes and of APIs are mostly on other hosts.
    """
    if options.until < Stage.DOWNLOAD:
        return {}
    extra = min(options.jobs or _MAX_CONNECTIONS, _MAX_CONNECTIONS) - 1
    return {url: extra for url in options.urls if sources.probably_hosts_files(url)}


def resolve_target(options: Options) -> Target:
    """Return the index to upload to. Raises UsageError."""
    # Imported here because importing twine takes longer than reading a listing.
    from wheel_uploader.upload import twine_uploader

    return twine_uploader.resolve_target(options)


def has_comparison_index(options: Options) -> bool:
    """Return whether the user selected an index to compare with, even if nothing is uploaded."""
    return any((options.index_url, options.repository, options.repository_url))


def create_uploader(options: Options, target: Target, progress: Progress) -> TwineUploader:
    """Return the uploader for the target."""
    from wheel_uploader.upload import twine_uploader

    return twine_uploader.TwineUploader(options, target, progress)


@contextlib.contextmanager
def open_index(
    options: Options, target: Target, progress: Progress
) -> Iterator[index_client_module.IndexClient]:
    """Open the target for reading, with its certificates."""
    # Imported here because many runs need no index.
    from wheel_uploader.index import client as index_client_module

    urls = (options.index_url,) if options.index_url else index_client_module.derive_simple_urls(target.url)
    with HttpClient(
        user_urls=urls,
        allow_insecure_hosts=options.allow_insecure_hosts,
        timeout=options.timeout,
        retries=options.retries,
        verify=str(target.cert) if target.cert else True,
        progress=progress,
    ) as http:
        yield index_client_module.IndexClient(http, *urls)


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
