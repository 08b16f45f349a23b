"""Sources of staged files: one module for each kind of staging place, and the table of them.

To add a kind of place, write a module with a class that is constructed as ``Class(url, http)`` and has two
members: ``claims(url) -> bool``, which looks only at the text of the URL, and
``files(project) -> Iterator[RemoteFile]``. Keep its parser a pure function of text, add the class to
``SOURCES``, and add a test. The first class that claims a URL handles it, so a class for a particular host
precedes the one that handles any HTTP server. An ``UnpackingSource`` is also given a directory to unpack
archives into.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import lru_cache

from wheel_uploader.display import printable_url
from wheel_uploader.errors import RedirectRefused, UsageError
from wheel_uploader.http import Http
from wheel_uploader.http.hosts import MAX_URL, NotAUrl, place_of
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.actions import ActionsRun
from wheel_uploader.sources.anaconda import Anaconda
from wheel_uploader.sources.artifacts import UnpackingSource
from wheel_uploader.sources.base import Source
from wheel_uploader.sources.github import GitHubRelease
from wheel_uploader.sources.gitlab import GitLabJob
from wheel_uploader.sources.local import LocalFiles
from wheel_uploader.sources.scratch import Scratch
from wheel_uploader.sources.stores import ObjectStore, SwiftContainer
from wheel_uploader.sources.web import WebPage

__all__ = ["SOURCES", "Scratch", "list_files", "open_source", "serves_files"]

SOURCES: tuple[type[Source], ...] = (
    LocalFiles,
    Anaconda,
    GitHubRelease,
    ActionsRun,
    GitLabJob,
    ObjectStore,
    SwiftContainer,
    WebPage,
)
#: The conventional path of a package index, with or without a project.
_SIMPLE_PATH = re.compile(r"/simple(?:/[^/?#]*)?/?(?:[?#]|\Z)")


def open_source(url: str, http: Http, scratch: Scratch | None = None) -> Source:
    """Return the source for the ``-u`` argument ``url``, without sending a request. Raises UsageError."""
    for source_type in SOURCES:
        if source_type.claims(url):
            source = source_type(url, http)
            if scratch and isinstance(source, UnpackingSource):
                source.scratch = scratch
            return source
    raise UsageError(
        f"unsupported source: '{printable_url(url)}'",
        hint="Pass an https URL, a directory or a file with -u.",
    )


def serves_files(url: str) -> bool:
    """Return whether the files are probably on the host of ``url`` itself.

    Those of an API or a package index are mostly on another host.
    """
    source_type = next((source_type for source_type in SOURCES if source_type.claims(url)), LocalFiles)
    return issubclass(source_type, WebPage) and not _SIMPLE_PATH.search(url)


def list_files(
    urls: Sequence[str], project: str, http: Http, scratch: Scratch | None = None
) -> tuple[RemoteFile, ...]:
    """Return the files of all sources, in the order of ``urls``; a file in two sources is listed twice.

    Files from archives are unpacked into ``scratch``, or into a directory that does not outlive this call.
    """
    sources = [open_source(url, http, scratch) for url in urls]
    try:
        return tuple(_mark_invalid_link(file) for source in sources for file in source.files(project))
    except RedirectRefused as error:
        raise error.as_missing() from None


def _mark_invalid_link(file: RemoteFile) -> RemoteFile:
    """Return ``file``, marked as unavailable if its URL is not valid."""
    if file.refused or not (reason := _describe_invalid_url(file.url)):
        return file
    return dataclasses.replace(file, refused=f"its link is not valid: {reason}")


def _describe_invalid_url(url: str) -> str:
    scheme, separator, rest = url[: MAX_URL + 1].partition("://")
    if not separator or scheme == "file":
        return ""
    if len(url) > MAX_URL:
        return f"it is longer than {MAX_URL} characters"
    return _describe_invalid_origin(f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0]}/")


@lru_cache(maxsize=64)
def _describe_invalid_origin(origin: str) -> str:
    """Return why a scheme, host and port are not valid. Cached: the links of a listing mostly share them."""
    try:
        place_of(origin)
    except NotAUrl as error:
        return str(error)
    return ""
