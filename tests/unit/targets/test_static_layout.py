"""Test which URLs are static indexes, where their pages and files are, and the metadata of a stored file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support import static_stores
from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import IndexFile, LocalFile, Options, Signature, TargetSettings
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.core.urls import is_folder_or_bucket, urljoin
from wheel_uploader.targets.protocol import Release
from wheel_uploader.targets.static_index.layout import Layout
from wheel_uploader.targets.static_index.location import open_store
from wheel_uploader.targets.static_index.s3 import S3Store
from wheel_uploader.targets.static_index.target import StaticIndexTarget


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        *(
            (url, True)
            for url in ("s3://b/p", "GS://b", "file:///srv/index", "/srv/index", "./index", ".", "~/i")
        ),
        *((url, True) for url in ("../index", "C:\\index", "s3:b", "~/index")),
        *((url, False) for url in ("https://index.example/legacy/", "index.example/legacy/", "index", "")),
        *((url, False) for url in ("s3.example/p", ".index", "http://h/s3://b", "localhost:8080/p")),
    ],
)
def test_a_static_index_is_recognized_by_its_url(url: str, expected: bool) -> None:
    assert is_folder_or_bucket(url) == expected


@pytest.mark.parametrize(
    ("pages_root", "reading_url", "url", "key"),
    [
        ("simple/", "", "demo.whl", "simple/demo/demo.whl"),
        ("simple/", "", "../../packages/de%2Bmo.whl", "packages/de+mo.whl"),
        ("", "", "demo.whl", "demo/demo.whl"),
        # A link from the root of a host may lead anywhere, as long as the host is not known.
        ("simple/", "", "/simple/demo/demo.whl", ""),
        ("simple/", "", "https://other.example/demo.whl", ""),
        ("simple/", "", "../../../../../etc/passwd", ""),
        ("simple/", "", "..%2F..%2F..%2F..%2Fetc/passwd", ""),
        ("simple/", "", "a/%2E%2E/%2E%2E/b", ""),
        ("simple/", "", "./", ""),
        ("", "", "../%2Fetc/passwd", ""),
        ("", "", "../%2E%2E/passwd", ""),
        ("simple/", "https://h.example/p/simple/", "/p/packages/demo.whl?x=1#sha256=0", "packages/demo.whl"),
        ("simple/", "https://h.example/p/simple/", "/q/demo.whl", ""),
        ("simple/", "https://h.example/whl/", "demo.whl", "simple/demo/demo.whl"),
        ("simple/", "https://h.example/whl/", "/packages/demo.whl", ""),
        ("", "https://h.example/whl/", "/whl/packages/demo.whl", "packages/demo.whl"),
    ],
)
def test_finds_the_key_that_a_link_leads_to(pages_root: str, reading_url: str, url: str, key: str) -> None:
    layout = Layout(pages_root=pages_root, reading_url=reading_url)
    assert layout.find_key(urljoin(layout.page_url("demo"), url)) == key


@pytest.mark.parametrize(
    ("links", "folder"),
    [
        ([], "simple/demo/"),
        (["demo-0.9.tar.gz"], "simple/demo/"),
        (["../../packages/demo-0.9.tar.gz"], "packages/"),
        (["../../p/0.9/demo-0.9.tar.gz", "../../p/0.8/demo-0.8.tar.gz"], "p/1.0/"),
        (["https://other.example/demo-0.9.tar.gz"], "simple/demo/"),
        (["../../p/demo-0.9.tar.gz", "demo-0.8.tar.gz", "../../p/demo-0.7.tar.gz"], "p/"),
    ],
)
def test_new_files_go_where_most_files_are(links: list[str], folder: str) -> None:
    layout = Layout(pages_root="simple/")
    url = layout.page_url("demo")
    files = [IndexFile(filename=link.rpartition("/")[2], url=urljoin(url, link)) for link in links]
    assert layout.find_folder("demo", files, "1.0") == folder


def test_a_folder_called_simple_is_that_of_the_pages(tmp_path: Path) -> None:
    options = Options(project="demo", version="1.0", urls=("staged",))
    place = open_store(f"{tmp_path}/index/simple/", options)
    assert (place.url, place.pages_root) == ((tmp_path / "index").as_uri(), "simple/")
    assert open_store(f"{tmp_path}/index", options).pages_root is None
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(UsageError, match="is not a folder"):
        open_store(str(file), options)


def test_knows_the_url_at_which_aws_serves_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in static_stores.AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    bucket = S3Store("my-bucket", "/a b/")
    assert bucket.served_url == "https://my-bucket.s3.eu-central-1.amazonaws.com/a%20b/"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://store.example/base")
    assert S3Store("my-bucket", "p").served_url == "https://store.example/base/my-bucket/p/"


def test_stores_a_signature_with_its_file(tmp_path: Path) -> None:
    wheel = wheels.make_wheel(tmp_path, "demo", "1.0")
    data = wheel.read_bytes()
    name = filenames.parse_filename(wheel.name)
    file = LocalFile(name=name, path=wheel, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    options = Options(project="demo", version="1.0", urls=("staged",))
    target = StaticIndexTarget(options, SilentProgress(), TargetSettings(url=str(tmp_path / "index")))
    signature = Signature(filename=wheel.name, path=tmp_path / "x.asc", fingerprint="F", content=b"signature")
    target.set_signatures([signature])
    target.upload(file)
    target.finish(Release(project="demo", version=name.version, files=(file,)))
    target.close()
    folder = tmp_path / "index" / "simple" / "demo"
    assert (folder / f"{wheel.name}.asc").read_bytes() == b"signature"
    assert 'data-gpg-sig="true"' in (folder / "index.html").read_text()
