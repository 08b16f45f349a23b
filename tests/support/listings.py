"""Reads a staging place, and selects a release from its files, as the list stage does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wheel_uploader.core.models import Options, RemoteFile, Selection, StagedFiles
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing import selection, sources


def list_staged(
    urls: Sequence[str],
    project: str,
    http: HttpClient,
    unpack_directory: sources.UnpackDirectory | None = None,
    *,
    version: str = "",
) -> tuple[RemoteFile, ...]:
    """Return the files at ``urls``; fail if the listing has a gap."""
    query = sources.ReleaseQuery(project=project, version=version)
    staged = sources.list_staged_files(urls, query, http, unpack_directory)
    assert not staged.gaps
    return staged.files


def select_from(
    files: Sequence[RemoteFile], options: Options, compute_sha256: Callable[[RemoteFile], str]
) -> Selection:
    """Return the files of the release among listed files, in a listing without gaps."""
    return selection.select_release(StagedFiles(files=tuple(files)), options, compute_sha256)
