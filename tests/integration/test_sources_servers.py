"""Test real web servers: each listing has exactly the staged files, and their URLs work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.decoys import DECOYS
from tests.support.listings import list_staged
from tools.testing import wheels
from tools.testing.servers import LISTINGS, certificate, nginx
from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.http.client import HttpClient

#: Names that aiohttp does not escape in its pages, so that they cannot be read correctly.
UNESCAPED_NAMES = {"aiohttp": {"a&amp;b.txt", "a&b.txt", "a&lt.txt", "a<.txt"}}


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a release, decoys, and subfolders of other versions."""
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
    for directory in ("dipy-1.11.0.dist-info", "v1.10.0", "dipy-1.10.0"):
        wheels.make_wheel(root / directory, version="1.10.0")
    for directory in SEARCHED:
        wheels.make_wheel(root / directory, version="1.10.0", tag="cp312-none-any")
    return root


#: Folders whose names do not show that they belong to another version. aiohttp does not escape an ampersand.
SEARCHED = ("dipy-1.10.0-py3-none-any.whl", "old/deep", "sub space+")


@pytest.mark.parametrize("server", LISTINGS)
def test_lists_exactly_the_staged_files(staged: Path, server: str) -> None:
    excluded = UNESCAPED_NAMES.get(server, set())
    paths = [path for path in staged.iterdir() if path.is_file() and path.name not in excluded]
    paths += [next((staged / directory).iterdir()) for directory in SEARCHED]
    contents = {path.name: path.read_bytes() for path in paths}
    with LISTINGS[server](staged) as url, HttpClient(user_urls=[url], retries=1) as http:
        listed = list_staged([url], "dipy", http, version="1.11.0")
        listed = tuple(file for file in listed if file.filename not in excluded)
        assert sorted(file.filename for file in listed) == sorted(path.name for path in paths)
        for file in listed:
            assert http.link_rejection(file.url, listing_url=file.source, has_trusted_digest=False) == ""
            assert fetch(http, file) == contents[file.filename]


#: Servers that list only names.
WITHOUT_SIZES = {"aiohttp", "apache-none", "python", "serve", "twisted"}


@pytest.mark.parametrize("server", LISTINGS)
def test_lists_approximate_sizes(tmp_path: Path, server: str) -> None:
    """Sizes are not verified, but they decide which file is downloaded first."""
    sizes = {}
    for number, size in enumerate((3_000, 70_000, 2_500_000)):
        wheel = wheels.make_wheel(
            tmp_path / "staged", tag=f"cp31{number}-none-any", files={"a.bin": os.urandom(size)}
        )
        sizes[wheel.name] = wheel.stat().st_size
    with LISTINGS[server](tmp_path / "staged") as url, HttpClient(user_urls=[url], retries=1) as http:
        listed = list_staged([url], "dipy", http)
    sizes_listed = {file.filename: file.size or file.approximate_size for file in listed}
    if server in WITHOUT_SIZES:
        assert set(sizes_listed.values()) == {None}
    else:
        # Swift rounds down to whole units.
        assert sizes_listed == {name: pytest.approx(size, rel=0.25, abs=1500) for name, size in sizes.items()}


def fetch(http: HttpClient, file: RemoteFile) -> bytes:
    with http.stream(file.url, listing_url=file.source) as stream:
        assert stream.status == 200
        return b"".join(stream.iter_chunks())


@pytest.mark.parametrize("server", ["nginx", "apache-fancy", "lighttpd", "caddy", "python", "swift"])
def test_accepts_a_url_without_trailing_slash(tmp_path: Path, server: str) -> None:
    path = wheels.make_wheel(tmp_path / "sub" / "dir")
    with LISTINGS[server](tmp_path) as root:
        url = f"{root}sub/dir"
        with HttpClient(user_urls=[url], retries=1) as http:
            (file,) = list_staged([url], "dipy", http)
            assert file.filename == path.name
            assert fetch(http, file) == path.read_bytes()


@pytest.mark.parametrize("server", ["nginx", "apache-fancy", "lighttpd", "caddy", "python", "swift"])
def test_searches_a_directory_named_like_the_project(tmp_path: Path, server: str) -> None:
    path = wheels.make_wheel(tmp_path / "Di.Py" / "", project="di-py")
    wheels.make_wheel(tmp_path / "other", project="other")
    with LISTINGS[server](tmp_path) as url, HttpClient(user_urls=[url], retries=1) as http:
        assert path.name in [file.filename for file in list_staged([url], "Di_py", http)]


def test_combines_several_sources(tmp_path: Path) -> None:
    wheel = wheels.make_wheel(tmp_path / "staged")
    sdist = wheels.make_sdist(tmp_path / "dist")
    with LISTINGS["python"](tmp_path / "staged") as url, HttpClient(user_urls=[url], retries=1) as http:
        listed = list_staged([url, str(sdist), url], "dipy", http)
    assert [file.filename for file in listed] == [wheel.name, sdist.name, wheel.name]


def test_rejects_a_self_signed_certificate(tmp_path: Path) -> None:
    server_certificate = certificate(tmp_path)
    wheels.make_wheel(tmp_path / "staged")
    with nginx(tmp_path / "staged", tls=server_certificate) as url:
        with HttpClient(user_urls=[url]) as http, pytest.raises(NetworkError) as caught:
            list_staged([url], "dipy", http)
        assert "the TLS certificate of 127.0.0.1:" in str(caught.value)
        assert "is not trusted: self-signed certificate" in str(caught.value)
        assert "SSL_CERT_FILE" in caught.value.hint
        with HttpClient(user_urls=[url], verify=str(server_certificate.cert)) as http:
            assert len(list_staged([url], "dipy", http)) == 1


def test_rejects_a_certificate_of_another_host(tmp_path: Path) -> None:
    server_certificate = certificate(tmp_path, "DNS:staging.example")
    with (
        nginx(tmp_path, tls=server_certificate) as url,
        HttpClient(user_urls=[url], verify=str(server_certificate.cert)) as http,
        pytest.raises(NetworkError, match="IP address mismatch"),
    ):
        http.get(url)
