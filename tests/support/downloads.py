"""Runs of the download stage: a wheel, a download from a FileServer, and the files it leaves."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from unittest import mock

import pytest

from tests.support.file_server import FileServer
from tools.testing.wheels import sdist_bytes, wheel_bytes, wheel_filename
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.models import CheckResult, DownloadedFile, RemoteFile
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.download.scheduler import download_files
from wheel_uploader.http import certificates
from wheel_uploader.http.client import HttpClient
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY, Wheelhouse

NAME = wheel_filename("dipy", "1.11.0")
WHEEL = wheel_bytes("dipy", "1.11.0", files={"dipy/noise.bin": hashlib.shake_256(b"dipy").digest(300_000)})
OTHER = wheel_bytes("dipy", "1.11.0", files={"dipy/noise.bin": hashlib.shake_256(b"else").digest(300_000)})
SMALL = wheel_bytes("dipy", "1.11.0")
SDIST = sdist_bytes("dipy", "1.11.0")
SHA256 = {"sha256": hashlib.sha256(WHEEL).hexdigest()}
#: An offset in the middle of the wheel.
CUT = len(WHEEL) // 2

#: Cached, because some tests make hundreds of runs and reading the certificates is slow.
_CERTIFICATES = functools.cache(certificates.TrustedCertificates)


def remote(
    server: FileServer, name: str = NAME, *, size: int | None = None, hashes: dict[str, str] | None = None
) -> RemoteFile:
    return RemoteFile(filename=name, url=server.url + name, size=size, hashes=hashes or {}, source=server.url)


def fetch(
    server: FileServer,
    path: Path,
    *files: RemoteFile,
    clobber: bool = False,
    jobs: int | None = None,
    progress: SilentProgress | None = None,
) -> tuple[DownloadedFile, ...]:
    """Run the download stage once, without pauses between retries."""
    pairs = [(filenames.parse_filename(file.filename), file) for file in files or (remote(server),)]
    shown = progress or SilentProgress()
    with (
        Wheelhouse(path) as wheelhouse,
        mock.patch("wheel_uploader.http.client.TrustedCertificates", _CERTIFICATES),
        HttpClient(user_urls=[server.url], timeout=2.0, sleep=lambda _: None, progress=shown) as http,
    ):
        arrivals = download_files(
            pairs,
            wheelhouse,
            http,
            jobs=jobs,
            clobber=clobber,
            progress=shown,
            inspect=lambda _: CheckResult(),
        )
    if arrivals.error:
        raise arrivals.error
    return arrivals.downloaded


def fetch_fails(
    kind: type[ReleaseError], server: FileServer, path: Path, *files: RemoteFile, clobber: bool = False
) -> ReleaseError:
    with pytest.raises(kind) as caught:
        fetch(server, path, *files, clobber=clobber)
    assert type(caught.value) is kind
    return caught.value


def finished(path: Path) -> list[str]:
    """Return the names in the wheelhouse, without the hidden directory."""
    return sorted(entry.name for entry in path.iterdir() if entry.name != HIDDEN_DIRECTORY)


def left_over(path: Path) -> list[str]:
    """Return the names of partial and temporary files."""
    return sorted(
        entry.name
        for entry in (path / HIDDEN_DIRECTORY).iterdir()
        if ".part" in entry.name or ".tmp" in entry.name
    )
