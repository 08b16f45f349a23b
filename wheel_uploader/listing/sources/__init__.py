"""Sources of staged files: one module for each kind of staging place, and the table of them.

To add a kind of place, write a module with a class that is constructed as ``Class(url, http)`` and has two
members: ``claims(url) -> bool``, which looks only at the text of the URL, and
``iter_files(query) -> Iterator[ListingEntry]``. Keep its parser a pure function of text, add the
class to ``SOURCE_TYPES``, and add a test. The first class that claims a URL handles it, so a class for a
particular host precedes the one that handles any HTTP server. An ``ArtifactSource`` is also given a directory
to unpack archives into.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import lru_cache

from wheel_uploader.core.errors import RedirectNotAllowed, UsageError
from wheel_uploader.core.models import ListingGap, ListingNote, RemoteFile, StagedFiles
from wheel_uploader.core.redaction import sanitize_url
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.host_policy import MAX_URL_LENGTH, InvalidUrl, parse_origin
from wheel_uploader.listing.sources.anaconda import AnacondaPackage
from wheel_uploader.listing.sources.base import ReleaseQuery, Source
from wheel_uploader.listing.sources.ci_artifacts import ArtifactSource
from wheel_uploader.listing.sources.forgejo import ForgejoReleases
from wheel_uploader.listing.sources.github_actions import GitHubActionsRun, GitHubWorkflow
from wheel_uploader.listing.sources.github_releases import GitHubRelease
from wheel_uploader.listing.sources.gitlab_jobs import GitLabBranch, GitLabJob
from wheel_uploader.listing.sources.gitlab_packages import GitLabPackages
from wheel_uploader.listing.sources.gitlab_releases import GitLabReleases
from wheel_uploader.listing.sources.http_listing import HttpListing
from wheel_uploader.listing.sources.local import LocalFiles
from wheel_uploader.listing.sources.object_stores import ObjectStore, SwiftContainer
from wheel_uploader.listing.sources.single_file import HttpFile
from wheel_uploader.listing.sources.temporary_directory import UnpackDirectory

__all__ = [
    "SOURCE_TYPES",
    "ReleaseQuery",
    "UnpackDirectory",
    "list_staged_files",
    "open_source",
    "probably_hosts_files",
]

SOURCE_TYPES: tuple[type[Source], ...] = (
    LocalFiles,
    AnacondaPackage,
    GitHubRelease,
    GitHubActionsRun,
    GitHubWorkflow,
    GitLabJob,
    GitLabBranch,
    GitLabReleases,
    GitLabPackages,
    ForgejoReleases,
    HttpFile,
    ObjectStore,
    SwiftContainer,
    HttpListing,
)
#: The conventional path of a package index, with or without a project.
_SIMPLE_PATH = re.compile(r"/simple(?:/[^/?#]*)?/?(?:[?#]|\Z)")


def open_source(url: str, http: HttpClient, unpack_directory: UnpackDirectory | None = None) -> Source:
    """Return the source for the ``-u`` argument ``url``, without sending a request. Raises UsageError."""
    for source_type in SOURCE_TYPES:
        if source_type.claims(url):
            source = source_type(url, http)
            if unpack_directory and isinstance(source, ArtifactSource):
                source.unpack_directory = unpack_directory
            return source
    raise UsageError(
        f"unsupported source: '{sanitize_url(url)}'",
        hint="Pass an https URL, a directory or a file with -u.",
    )


def probably_hosts_files(url: str) -> bool:
    """Return whether the files are probably on the host of ``url`` itself.

    Those of an API or a package index are mostly on another host.
    """
    source_type = next((source_type for source_type in SOURCE_TYPES if source_type.claims(url)), LocalFiles)
    return issubclass(source_type, HttpListing) and not _SIMPLE_PATH.search(url)


def list_staged_files(
    urls: Sequence[str],
    query: ReleaseQuery,
    http: HttpClient,
    unpack_directory: UnpackDirectory | None = None,
) -> StagedFiles:
    """Return the files of all sources, in the order of ``urls``; a file in two sources is listed twice.

    Files from archives are unpacked into ``unpack_directory``, or into a directory that does not outlive
    this call.
    """
    sources = [open_source(url, http, unpack_directory) for url in urls]
    files: list[RemoteFile] = []
    gaps: list[ListingGap] = []
    notes: list[ListingNote] = []
    try:
        for source in sources:
            for entry in source.iter_files(query):
                if isinstance(entry, RemoteFile):
                    files.append(_mark_invalid_link(entry))
                elif isinstance(entry, ListingGap):
                    gaps.append(entry)
                else:
                    notes.append(entry)
    except RedirectNotAllowed as error:
        raise error.as_nothing_found() from None
    return StagedFiles(files=tuple(files), gaps=tuple(gaps), notes=tuple(notes))


def _mark_invalid_link(file: RemoteFile) -> RemoteFile:
    """Return ``file``, marked as unavailable if its URL is not valid."""
    if file.unavailable_reason or not (reason := _describe_invalid_url(file.url)):
        return file
    return dataclasses.replace(file, unavailable_reason=f"its link is not valid: {reason}")


def _describe_invalid_url(url: str) -> str:
    scheme, separator, rest = url[: MAX_URL_LENGTH + 1].partition("://")
    if not separator or scheme == "file":
        return ""
    if len(url) > MAX_URL_LENGTH:
        return f"it is longer than {MAX_URL_LENGTH} characters"
    host = rest.partition("/")[0]
    if "?" in host or "#" in host:
        host = re.split("[?#]", host, maxsplit=1)[0]
    return _describe_invalid_origin(f"{scheme}://{host}/")


@lru_cache(maxsize=64)
def _describe_invalid_origin(origin: str) -> str:
    """Return why a scheme, host and port are not valid. Cached: the links of a listing mostly share them."""
    try:
        parse_origin(origin)
    except InvalidUrl as error:
        return str(error)
    return ""
