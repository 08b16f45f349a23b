"""WHERE FILES WAIT: one file for each kind of staging place, one table of them here.

A new kind of place is one file with a class of two members, ``claims(url) -> bool``, which looks at the
text alone, and ``files(project) -> Iterator[RemoteFile]``, made as ``Class(url, http)``; one line in
``SOURCES``; and a test. Its parser is a pure function of text. The first class that claims a URL gets it,
so a class for one particular host stands before the one that asks any server what it has. An
``UnpackingSource`` also gets a directory for what it has to unpack.
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
#: The path that package indexes have by custom, with or without a project.
_SIMPLE = re.compile(r"/simple(?:/[^/?#]*)?/?(?:[?#]|\Z)")


def open_source(url: str, http: Http, scratch: Scratch | None = None) -> Source:
    """The source for what the person typed after ``-u``; nothing is asked yet. Raises UsageError."""
    for kind in SOURCES:
        if kind.claims(url):
            source = kind(url, http)
            if scratch and isinstance(source, UnpackingSource):
                source.scratch = scratch
            return source
    raise UsageError(
        f"'{printable_url(url)}' is no place that files can come from",
        hint="Give an https URL, a directory or a file.",
    )


def serves_files(url: str) -> bool:
    """Whether files probably lie at the host of ``url`` itself: not those of an API or a package index."""
    kind = next((kind for kind in SOURCES if kind.claims(url)), LocalFiles)
    return issubclass(kind, WebPage) and not _SIMPLE.search(url)


def list_files(
    urls: Sequence[str], project: str, http: Http, scratch: Scratch | None = None
) -> tuple[RemoteFile, ...]:
    """Every file that the places offer, in their order; what is at two places is there twice.

    What came in archives lies in ``scratch`` (or in one that does not outlive this call).
    """
    sources = [open_source(url, http, scratch) for url in urls]
    try:
        return tuple(_judged(file) for source in sources for file in source.files(project))
    except RedirectRefused as error:
        raise error.as_missing() from None


def _judged(file: RemoteFile) -> RemoteFile:
    """Return ``file``, marked as one that cannot be fetched if nobody could ask for its link."""
    if file.refused or not (reason := _why_invalid(file.url)):
        return file
    return dataclasses.replace(file, refused=f"its link is not valid: {reason}")


def _why_invalid(url: str) -> str:
    scheme, separator, rest = url[: MAX_URL + 1].partition("://")
    if not separator or scheme == "file":
        return ""
    if len(url) > MAX_URL:
        return f"it is longer than {MAX_URL} characters"
    return _why_no_place(f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0]}/")


@lru_cache(maxsize=64)
def _why_no_place(origin: str) -> str:
    """Say why scheme, host and port lead nowhere; a listing has the same ones in all of its links."""
    try:
        place_of(origin)
    except NotAUrl as error:
        return str(error)
    return ""
