"""Real object stores and servers that list for programs: exactly what is there, under URLs that bring it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support import wheels
from tests.support.decoys import DECOYS
from tests.support.stores import BUCKET, LISTINGS, azurite, moto, swift_container
from wheel_uploader.core.errors import ListingError, NetworkError, NothingFoundError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing import sources
from wheel_uploader.listing.sources import s3


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release among decoys, with files below that are no part of the listing."""
    root = tmp_path_factory.mktemp("tree")
    wheels.make_release(root)
    wheels.make_wheel(
        root, version="1.11.0+cu121", tag="cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"
    )
    wheels.make_wheel(root, version="1!1.11.0")
    for name in DECOYS:
        (root / name).write_bytes(name.encode())
    for directory in ("dipy-1.10.0-py3-none-any.whl", "old", "sub & space+"):
        (root / directory).mkdir()
        wheels.make_wheel(root / directory, version="1.10.0")
    return root


def listed(url: str) -> list[RemoteFile]:
    with HttpClient(user_urls=[url], retries=1) as http:
        return list(sources.list_staged_files([url], "dipy", http))


def fetched(http: HttpClient, file: RemoteFile) -> bytes:
    with http.stream(file.url, listing_url=file.source) as stream:
        assert stream.status == 200
        return b"".join(stream.iter_chunks())


@pytest.mark.parametrize("server", LISTINGS)
def test_a_listing_gives_what_is_there(tree: Path, server: str) -> None:
    there = {path.name: path.read_bytes() for path in tree.iterdir() if path.is_file()}
    with LISTINGS[server](tree) as url, HttpClient(user_urls=[url], retries=1) as http:
        files = sources.list_staged_files([url], "dipy", http)
        assert sorted(file.filename for file in files) == sorted(there)
        for file in files:
            data = there[file.filename]
            assert http.link_rejection(file.url, listing_url=file.source, has_trusted_digest=False) == ""
            assert fetched(http, file) == data
            assert file.size == len(data) or (server == "npm-serve" and file.size is None)
            assert file.hashes in ({}, {"md5": hashlib.md5(data).hexdigest()})
            assert bool(file.hashes) == (server in {"azurite", "swift-json"})


def test_a_bucket_with_more_keys_than_a_page_has(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path, version="1.11.0+cu121")
    with moto(tmp_path, more=1100) as url:
        for question in ("", "?prefix=", "?list-type=2", "?max-keys=400&delimiter=/", "?encoding-type=url"):
            files = listed(url + question)
            assert len(files) == 1101
            assert [file.filename for file in files if not file.filename.endswith(".txt")] == [path.name]


def test_a_prefix_of_a_bucket(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path, version="1.11.0+cu121")
    with moto(tmp_path, prefix="a & b/1.11+/") as url, HttpClient(user_urls=[url], retries=1) as http:
        assert listed(url) == []
        (file,) = sources.list_staged_files([f"{url}?prefix=a+%26+b/1.11%2B/"], "dipy", http)
        assert fetched(http, file) == path.read_bytes()
        assert file.filename == path.name
        # What a person may stop typing at.
        assert [file.filename for file in listed(f"{url}?prefix=a+%26+b/1.11%2B/dipy-1")] == [path.name]


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_the_short_form_of_a_bucket(tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wheels.make_wheel(tmp_path)
    with moto(tmp_path, prefix="wheels/1.11/") as url:
        base = url.removesuffix(BUCKET) + "{bucket}"
        for name in ("AWS", "GOOGLE"):
            monkeypatch.setattr(s3, name, base)
        typed = [f"{scheme}://{BUCKET}/wheels/1.11", url]
        with HttpClient(user_urls=typed, retries=1) as http:
            for form in (typed[0], typed[0] + "/"):
                (file,) = sources.list_staged_files([form], "dipy", http)
                assert (file.filename, fetched(http, file)) == (path.name, path.read_bytes())
            assert sources.list_staged_files([f"{scheme}://{BUCKET}"], "dipy", http) == ()
            with pytest.raises(
                NothingFoundError, match="404: NoSuchBucket, The specified bucket does not exist"
            ):
                sources.list_staged_files([f"{scheme}://not-there"], "dipy", http)


def test_what_is_no_bucket_is_said_in_the_words_of_the_store(tmp_path: Path) -> None:
    with moto(tmp_path) as url:
        with pytest.raises(NothingFoundError, match=r"NoSuchBucket, The specified bucket does not exist\)"):
            listed(f"{url}-no")
        with pytest.raises(NothingFoundError, match="NoSuchKey, The specified key does not exist") as caught:
            listed(f"{url}/wheels/a%2B/")
        assert str(caught.value.hint).endswith(f" pass {url}?prefix=wheels/a%2B/")


def test_a_prefix_of_a_container_in_several_pages(tmp_path: Path) -> None:
    paths = wheels.make_release(tmp_path)
    wheels.make_wheel(tmp_path / "old")
    with azurite(tmp_path, prefix="1.11/") as url:
        assert listed(url) == []
        files = listed(f"{url}&prefix=1.11/&maxresults=2")
        assert sorted(file.filename for file in files) == sorted(path.name for path in paths)
        with pytest.raises(NetworkError, match="returned 403"):
            listed(url.replace(BUCKET, "not-there"))


def test_a_container_below_a_prefix(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "1.10", version="1.10.0")
    path = wheels.make_wheel(tmp_path / "1.11")
    with swift_container(tmp_path) as url:
        for form in ("/1.11", "/1.11/", "/1.11/?format=json"):
            (file,) = listed(url + form)
            assert (file.filename, httpx.get(file.url).content) == (path.name, path.read_bytes())
            assert urlsplit(file.url).query == ""
        assert listed(url) == []
        with pytest.raises(ListingError, match="returned text/plain, not a file listing"):
            listed(url.replace("/v1/AUTH_test", "//v1/AUTH_test") + "?format=plain")
