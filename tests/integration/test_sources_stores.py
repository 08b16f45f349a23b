"""Test real object stores and servers with machine-readable listings: complete, and with working URLs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.decoys import DECOYS
from tests.support.listings import list_staged
from tests.support.stores import BUCKET, LISTINGS, azurite, moto, swift_container
from tools.testing import wheels
from wheel_uploader.core.errors import ListingError, NetworkError, NothingFoundError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.listing.sources import s3


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a release, decoys, and subfolders of other versions."""
    root = tmp_path_factory.mktemp("tree")
    wheels.make_release(root)
    wheels.make_wheel(
        root, version="1.11.0+cu121", tag="cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"
    )
    wheels.make_wheel(root, version="1!1.11.0")
    for name in DECOYS:
        (root / name).write_bytes(name.encode())
    for directory in ("1.10.0", "dipy-1.10.0"):
        wheels.make_wheel(root / directory, version="1.10.0")
    for directory in SEARCHED:
        wheels.make_wheel(root / directory, version="1.10.0", tag="cp312-none-any")
    return root


#: Folders whose names do not show that they belong to another version.
SEARCHED = ("dipy-1.10.0-py3-none-any.whl", "old/deep", "sub & space+")


def list_files(url: str) -> list[RemoteFile]:
    with HttpClient(user_urls=[url], retries=1) as http:
        return list(list_staged([url], "dipy", http))


def fetch(http: HttpClient, file: RemoteFile) -> bytes:
    with http.stream(file.url, listing_url=file.source) as stream:
        assert stream.status == 200
        return b"".join(stream.iter_chunks())


@pytest.mark.parametrize("server", LISTINGS)
def test_lists_exactly_the_stored_files(tree: Path, server: str) -> None:
    paths = [path for path in tree.iterdir() if path.is_file()]
    paths += [next((tree / directory).iterdir()) for directory in SEARCHED]
    contents = {path.name: path.read_bytes() for path in paths}
    with LISTINGS[server](tree) as url, HttpClient(user_urls=[url], retries=1) as http:
        files = list_staged([url], "dipy", http, version="1.11.0")
        assert sorted(file.filename for file in files) == sorted(path.name for path in paths)
        for file in files:
            data = contents[file.filename]
            assert http.link_rejection(file.url, listing_url=file.source, has_trusted_digest=False) == ""
            assert fetch(http, file) == data
            assert file.size == len(data) or (server == "npm-serve" and file.size is None)
            assert file.hashes in ({}, {"md5": hashlib.md5(data).hexdigest()})
            assert bool(file.hashes) == (server in {"azurite", "swift-json"})


def test_lists_a_bucket_with_several_pages(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path, version="1.11.0+cu121")
    with moto(tmp_path, more=1100) as url:
        for query in ("", "?prefix=", "?list-type=2", "?max-keys=400&delimiter=/", "?encoding-type=url"):
            files = list_files(url + query)
            assert len(files) == 1101
            assert [file.filename for file in files if not file.filename.endswith(".txt")] == [path.name]


def test_lists_a_prefix_of_a_bucket(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path, version="1.11.0+cu121")
    with moto(tmp_path, prefix="a & b/1.11+/") as url, HttpClient(user_urls=[url], retries=1) as http:
        assert [file.filename for file in list_files(url)] == [path.name]
        (file,) = list_staged([f"{url}?prefix=a+%26+b/1.11%2B/"], "dipy", http)
        assert fetch(http, file) == path.read_bytes()
        assert file.filename == path.name
        # A prefix may end within a file name.
        assert [file.filename for file in list_files(f"{url}?prefix=a+%26+b/1.11%2B/dipy-1")] == [path.name]


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_accepts_the_short_form_of_a_bucket_url(
    tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wheels.make_wheel(tmp_path)
    with moto(tmp_path, prefix="wheels/1.11/") as url:
        base = url.removesuffix(BUCKET) + "{bucket}"
        for name in ("AWS_URL", "GOOGLE_URL"):
            monkeypatch.setattr(s3, name, base)
        urls = [f"{scheme}://{BUCKET}/wheels/1.11", url]
        with HttpClient(user_urls=urls, retries=1) as http:
            for form in (urls[0], urls[0] + "/"):
                (file,) = list_staged([form], "dipy", http)
                assert (file.filename, fetch(http, file)) == (path.name, path.read_bytes())
            (file,) = list_staged([f"{scheme}://{BUCKET}"], "dipy", http)
            assert fetch(http, file) == path.read_bytes()
            with pytest.raises(
                NothingFoundError, match="404: NoSuchBucket, The specified bucket does not exist"
            ):
                list_staged([f"{scheme}://not-there"], "dipy", http)


def test_reports_the_error_message_of_the_store(tmp_path: Path) -> None:
    with moto(tmp_path) as url:
        with pytest.raises(NothingFoundError, match=r"NoSuchBucket, The specified bucket does not exist\)"):
            list_files(f"{url}-no")
        with pytest.raises(NothingFoundError, match="NoSuchKey, The specified key does not exist") as caught:
            list_files(f"{url}/wheels/a%2B/")
        assert str(caught.value.hint).endswith(f" pass {url}?prefix=wheels/a%2B/")


def test_lists_a_prefix_of_a_container_with_several_pages(tmp_path: Path) -> None:
    paths = wheels.make_release(tmp_path)
    with azurite(tmp_path, prefix="1.11/") as url:
        assert len(list_files(url)) == len(paths)
        files = list_files(f"{url}&prefix=1.11/&maxresults=2")
        assert sorted(file.filename for file in files) == sorted(path.name for path in paths)
        with pytest.raises(NetworkError, match="returned 403"):
            list_files(url.replace(BUCKET, "not-there"))


def test_lists_a_pseudo_folder_of_a_container(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "1.10", version="1.10.0")
    path = wheels.make_wheel(tmp_path / "1.11")
    with swift_container(tmp_path) as url:
        for form in ("/1.11", "/1.11/", "/1.11/?format=json"):
            (file,) = list_files(url + form)
            assert (file.filename, httpx.get(file.url).content) == (path.name, path.read_bytes())
            assert urlsplit(file.url).query == ""
        assert len(list_files(url)) == 2
        with pytest.raises(ListingError, match="returned text/plain, not a file listing"):
            list_files(url.replace("/v1/AUTH_test", "//v1/AUTH_test") + "?format=plain")
