"""Real servers: each listing gives exactly the files that are there, under URLs that bring their bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import wheels
from tests.support.decoys import DECOYS
from tests.support.servers import LISTINGS, certificate, nginx
from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing import sources

#: aiohttp does not escape what it writes into a page: names with entities come out wrong, no reader can help.
UNESCAPED = {"aiohttp": {"a&amp;b.txt", "a&b.txt", "a&lt.txt", "a<.txt"}}


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release among decoys, with files below that are no part of the listing."""
    root = tmp_path_factory.mktemp("staged")
    wheels.make_release(root)
    wheels.make_wheel(
        root, version="1.11.0+cu121", tag="cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"
    )
    wheels.make_wheel(root, version="1!1.11.0")
    wheels.make_wheel(root, version="1.11.0", build="1_local")
    wheels.make_wheel(root, project="dipy-horizon")
    for name in DECOYS:
        (root / name).write_bytes(name.encode())
    for directory in ("dipy-1.10.0-py3-none-any.whl", "old", "dipy-1.11.0.dist-info", "sub & space+"):
        (root / directory).mkdir()
        wheels.make_wheel(root / directory, version="1.10.0")
    return root


@pytest.mark.parametrize("server", LISTINGS)
def test_a_listing_gives_what_is_there(staged: Path, server: str) -> None:
    left_out = UNESCAPED.get(server, set())
    paths = [path for path in staged.iterdir() if path.is_file() and path.name not in left_out]
    there = {path.name: path.read_bytes() for path in paths}
    with LISTINGS[server](staged) as url, HttpClient(user_urls=[url], retries=1) as http:
        listed = [
            file for file in sources.list_staged_files([url], "dipy", http) if file.filename not in left_out
        ]
        assert sorted(file.filename for file in listed) == sorted(there)
        for file in listed:
            assert http.link_rejection(file.url, listing_url=file.source, has_trusted_digest=False) == ""
            assert _fetched(http, file) == there[file.filename]


#: What they list are names.
WITHOUT_SIZES = {"aiohttp", "apache-none", "python", "serve", "twisted"}


@pytest.mark.parametrize("server", LISTINGS)
def test_what_a_listing_says_of_sizes_is_about_right(tmp_path: Path, server: str) -> None:
    """Nothing is compared with it, but the largest file is fetched first."""
    sizes = {}
    for number, size in enumerate((3_000, 70_000, 2_500_000)):
        made = wheels.make_wheel(
            tmp_path / "staged", tag=f"cp31{number}-none-any", files={"a.bin": os.urandom(size)}
        )
        sizes[made.name] = made.stat().st_size
    with LISTINGS[server](tmp_path / "staged") as url, HttpClient(user_urls=[url], retries=1) as http:
        listed = sources.list_staged_files([url], "dipy", http)
    told = {file.filename: file.size or file.approximate_size for file in listed}
    if server in WITHOUT_SIZES:
        assert set(told.values()) == {None}
    else:
        # Swift rounds down to whole units.
        assert told == {name: pytest.approx(size, rel=0.25, abs=1500) for name, size in sizes.items()}


def _fetched(http: HttpClient, file: RemoteFile) -> bytes:
    with http.stream(file.url, listing_url=file.source) as stream:
        assert stream.status == 200
        return b"".join(stream.iter_chunks())


@pytest.mark.parametrize("server", ["nginx", "apache-fancy", "lighttpd", "caddy", "python", "swift"])
def test_the_last_slash_may_be_missing(tmp_path: Path, server: str) -> None:
    path = wheels.make_wheel(tmp_path / "sub" / "dir")
    with LISTINGS[server](tmp_path) as root:
        url = f"{root}sub/dir"
        with HttpClient(user_urls=[url], retries=1) as http:
            (file,) = sources.list_staged_files([url], "dipy", http)
            assert file.filename == path.name
            assert _fetched(http, file) == path.read_bytes()


@pytest.mark.parametrize("server", ["nginx", "apache-fancy", "lighttpd", "caddy", "python", "swift"])
def test_a_directory_called_like_the_project_is_looked_into(tmp_path: Path, server: str) -> None:
    path = wheels.make_wheel(tmp_path / "Di.Py" / "", project="di-py")
    wheels.make_wheel(tmp_path / "other", project="other")
    with LISTINGS[server](tmp_path) as url, HttpClient(user_urls=[url], retries=1) as http:
        assert [file.filename for file in sources.list_staged_files([url], "Di_py", http)] == [path.name]


def test_several_places_are_taken_together(tmp_path: Path) -> None:
    wheel = wheels.make_wheel(tmp_path / "staged")
    sdist = wheels.make_sdist(tmp_path / "dist")
    with LISTINGS["python"](tmp_path / "staged") as url, HttpClient(user_urls=[url], retries=1) as http:
        listed = sources.list_staged_files([url, str(sdist), url], "dipy", http)
    assert [file.filename for file in listed] == [wheel.name, sdist.name, wheel.name]


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    own = certificate(tmp_path)
    wheels.make_wheel(tmp_path / "staged")
    with nginx(tmp_path / "staged", tls=own) as url:
        with HttpClient(user_urls=[url]) as http, pytest.raises(NetworkError) as caught:
            sources.list_staged_files([url], "dipy", http)
        assert "the TLS certificate of 127.0.0.1:" in str(caught.value)
        assert "is not trusted: self-signed certificate" in str(caught.value)
        assert "SSL_CERT_FILE" in caught.value.hint
        with HttpClient(user_urls=[url], verify=str(own.cert)) as http:
            assert len(sources.list_staged_files([url], "dipy", http)) == 1


def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    own = certificate(tmp_path, "DNS:staging.example")
    with (
        nginx(tmp_path, tls=own) as url,
        HttpClient(user_urls=[url], verify=str(own.cert)) as http,
        pytest.raises(NetworkError, match="IP address mismatch"),
    ):
        http.get(url)
