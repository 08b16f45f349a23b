"""The two ends of a run: HTTP towards the staging places, and the index that the release goes to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wheel_uploader import sources, stopping
from wheel_uploader.brought.expect import Expectation
from wheel_uploader.errors import CredentialsError, NetworkError
from wheel_uploader.http import Http, logins
from wheel_uploader.http.hosts import place_of
from wheel_uploader.models import IndexState, Options, ProjectPage, Report, Stage
from wheel_uploader.progress import Progress
from wheel_uploader.publish.target import Target

if TYPE_CHECKING:
    from wheel_uploader import index
    from wheel_uploader.publish.upload import Uploader


def as_before(options: Options, target: Target, progress: Progress) -> Expectation | None:
    """What the previous release on the index had: it is waited for where nothing else was declared."""
    from wheel_uploader import verdict

    try:
        with index_of(options, target, progress) as served:
            found = verdict.as_before(served.page(options.project), options)
    except (NetworkError, CredentialsError) as error:
        progress.say(f"waiting for one file of the release; what the previous one had is not known: {error}")
        return None
    if found is None:
        return None
    version, expected = found
    progress.say(f"waiting for all that {options.project} {version} has on the index (--no-compare does not)")
    return expected


def staging(options: Options, progress: Progress) -> Http:
    """HTTP towards the staging places: the hosts that the person typed, and no others unasked."""
    http = Http(
        typed=options.urls,
        allow_hosts=options.allow_hosts,
        allow_insecure_hosts=options.allow_insecure_hosts,
        timeout=options.timeout,
        retries=options.retries,
        ahead=_ahead(options),
        progress=progress,
    )
    for below, headers in logins.of(options.urls, netrc=options.netrc, token=options.url_token):
        http.add_headers(below, headers)
    return http


#: Connections to one host, as many as a download of small files uses.
_AT_ONCE = 16


def _ahead(options: Options) -> dict[str, int]:
    """How many connections each place will need beside the first, as far as its URL tells.

    Files of package indexes and of those with an API mostly lie at other hosts.
    """
    if options.until < Stage.DOWNLOAD:
        return {}
    more = min(options.jobs or _AT_ONCE, _AT_ONCE) - 1
    return {url: more for url in options.urls if sources.serves_files(url)}


def target_of(options: Options) -> Target:
    """The index that is published to. Raises UsageError."""
    # twine takes longer to import than a listing takes to read, and most of its time is its own imports.
    from wheel_uploader.publish import upload

    return upload.resolve_target(options)


def names_an_index(options: Options) -> bool:
    """Whether the person says what to compare with, though nothing is to be uploaded."""
    return any((options.index_url, options.repository, options.repository_url))


def uploader_of(options: Options, target: Target, progress: Progress) -> Uploader:
    """What posts to the target."""
    from wheel_uploader.publish import upload

    return upload.Uploader(options, target, progress)


@contextlib.contextmanager
def index_of(options: Options, target: Target, progress: Progress) -> Iterator[index.Index]:
    """The reading side of the target, with the certificates that hold for it."""
    # Nothing of an index is loaded before one is asked.
    from wheel_uploader import index

    urls = (options.index_url,) if options.index_url else index.reading_urls(target.url)
    with Http(
        typed=urls,
        allow_insecure_hosts=options.allow_insecure_hosts,
        timeout=options.timeout,
        retries=options.retries,
        verify=str(target.cert) if target.cert else True,
        progress=progress,
    ) as http:
        yield index.Index(http, *urls)


def seen_on(
    served: index.Index | None, target: Target | None, uploader: Uploader | None, report: Report
) -> tuple[ProjectPage | None, tuple[IndexState, ...]]:
    """What the index says of the project, and of our files; asked once, for the checks and for the plan.

    Where nothing is to be uploaded the run goes on without it, and the report says so.
    """
    if served is None or target is None or report.selection is None:
        report.not_checked += (f"{_AGAINST}, for none was named (--index-url, -r or --repository-url)",)
        return None, ()
    from wheel_uploader import index

    try:
        page = _project_page(served, report.selection.project, target, uploader)
        return page, index.compare(page, [each.file for each in report.fetched], served.sha256_of)
    except (NetworkError, CredentialsError) as error:
        if uploader:
            raise
        report.not_checked += (f"{_AGAINST}, for {error.message}",)
        return None, ()


_AGAINST = "the release against the index"


def _project_page(
    served: index.Index, project: str, target: Target, uploader: Uploader | None
) -> ProjectPage:
    """What the index says of the project; credentials are used only where it asks for them.

    They are those of the upload, so they go to the host that gets the upload, and to no other.
    """
    try:
        return served.page(project, fresh=True)
    except CredentialsError:
        if uploader is None or place_of(served.url) != place_of(target.url):
            raise
        credentials = stopping.aside(uploader.credentials)
        if credentials is None:
            raise
        served.log_in(*credentials)
        return served.page(project, fresh=True)
