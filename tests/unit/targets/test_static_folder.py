"""Test static indexes in a folder, and which folder or bucket an upload URL names."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
import pytest

from tests.support import static_stores
from tests.support.memory_store import new_object
from tools.testing import wheels
from wheel_uploader.core import cancellation, filenames
from wheel_uploader.core.errors import LockedError, StorageError, UsageError
from wheel_uploader.core.models import IndexFile, LocalFile, Options
from wheel_uploader.core.urls import urljoin
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.targets.static_index import folder as folder_module
from wheel_uploader.targets.static_index.file_facts import FileFacts, read_file_facts
from wheel_uploader.targets.static_index.folder import FolderStore
from wheel_uploader.targets.static_index.layout import Layout
from wheel_uploader.targets.static_index.location import open_store
from wheel_uploader.targets.static_index.object_store import ListedNames, PreconditionFailed, StoredPage

HINT = "Fix the permissions of the folder or free space on its disk, then run the same command again."
OPTIONS = Options(project="demo", version="1.0", urls=("staged",))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "index")


# --- the place -------------------------------------------------------------------------------------


def test_the_url_of_a_folder_may_be_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "an index"
    for url in (str(folder), f" {folder} ", "./an index", "~/an index", folder.as_uri()):
        place = open_store(url, OPTIONS)
        assert (place.url, place.pages_root) == (folder.as_uri(), None)
        assert place.store.location == f"{folder}/"
    for host in ("localhost", ""):
        assert open_store(f"FILE://{host}{folder}/simple/", OPTIONS).pages_root == "simple/"
    with pytest.raises(UsageError) as caught:
        open_store("file://other/index", OPTIONS)
    assert caught.value.message == "file://other/index is not on this machine"
    assert caught.value.hint == "Write file:///FOLDER."
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError) as caught:
        open_store(str(tmp_path / "file"), OPTIONS)
    assert caught.value.message == f"{tmp_path / 'file'} is not a folder"
    assert caught.value.hint == "Pass the folder of the index."


@pytest.mark.parametrize(
    ("url", "location", "pages_root"),
    [
        ("s3://bucket", "s3://bucket/", None),
        ("S3://bucket/a%20b/", "s3://bucket/a b/", None),
        ("s3://bucket/simple", "s3://bucket/", "simple/"),
        ("s3://bucket/a/simple/", "s3://bucket/a/", "simple/"),
        ("s3://bucket/a/simple/b", "s3://bucket/a/simple/b/", None),
        ("gs://bucket/XpX", "gs://bucket/XpX/", None),
        ("GS://my_bucket.x/a/simple", "gs://my_bucket.x/a/", "simple/"),
    ],
)
def test_the_url_of_a_bucket_has_a_prefix(
    monkeypatch: pytest.MonkeyPatch, url: str, location: str, pages_root: str | None
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    place = open_store(url, OPTIONS)
    assert (place.store.location, place.url, place.pages_root) == (location, url, pages_root)


@pytest.mark.parametrize("url", ["s3://", "s3:bucket", "gs:///x", "GS://-b/x", "s3://b"])
def test_the_url_of_a_bucket_names_one(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url, OPTIONS)
    assert caught.value.message == f"{url} does not name a bucket"
    assert caught.value.hint == "Write s3://BUCKET/PREFIX or gs://BUCKET/PREFIX."


@pytest.mark.parametrize(
    ("endpoint", "is_allowed"),
    [
        ("https://store.example", True),
        ("http://127.0.0.1:9", True),
        ("http://store.example", False),
        ("http://other.example", True),
    ],
)
def test_files_are_sent_encrypted(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, *, is_allowed: bool
) -> None:
    options = Options(
        project="demo", version="1.0", urls=("staged",), allow_insecure_hosts=("Other.example",)
    )
    for name, value in static_stores.AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    for scheme in ("gs", "s3"):
        if is_allowed:
            assert open_store(f"{scheme}://bucket", options).store.served_url == f"{endpoint}/bucket/"
            continue
        with pytest.raises(UsageError) as caught:
            assert open_store(f"{scheme}://bucket", options).store.served_url
        assert caught.value.message == f"refusing to send files to {endpoint} without encryption"
        assert caught.value.hint == (
            "Use https or, in a network that you trust, --allow-insecure-host store.example."
        )
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "ftp://store.example")
    with pytest.raises(UsageError, match=r"^the endpoint of the bucket is not valid: "):
        open_store("gs://bucket", options)


def test_the_connections_have_the_limits_of_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "wheel_uploader.targets.static_index.s3.S3Store", lambda *_, **options: given.append(options)
    )
    for jobs in (1, 10, 11):
        options = Options(project="demo", version="1.0", urls=("staged",), upload_jobs=jobs, timeout=7.0)
        open_store("s3://bucket", options)
    assert [(each["connections"], each["timeout"]) for each in given] == [(10, 7.0), (10, 7.0), (11, 7.0)]


# --- reading and writing ---------------------------------------------------------------------------


def test_a_folder_that_does_not_exist_is_empty(store: FolderStore, tmp_path: Path) -> None:
    assert store.log_in() == "not needed for a folder"
    assert (store.has_exact_keys, store.served_url, store.make_headers("a", "b")) == (False, "", {})
    assert store.read_page("a/b") is None
    assert store.stat("a/b") is None
    assert store.list_names("a/") == ListedNames()
    store.remove("a/b")
    store.close()
    assert not (tmp_path / "index").exists()
    (tmp_path / "index").write_text("a file")
    assert store.read_page("a/b") is None
    assert store.stat("a/b") is None
    assert store.list_names("a/") == ListedNames()
    store.remove("a/b")


def test_stores_files_and_lists_them(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "CHUNK_SIZE", 4)
    sent: list[int] = []
    new = new_object(b"0123456789")
    object.__setattr__(new, "on_sent", sent.append)
    new.content.seek(3)
    store.create("a/b/c", new)
    assert sent == [4, 4, 2]
    assert store.local_path("a/b/c").read_bytes() == b"0123456789"
    assert store.compute_sha256("a/b/c") == hashlib.sha256(b"0123456789").hexdigest()
    os.utime(store.local_path("a/b/c"), (5, 5))
    facts = store.stat("a/b/c")
    assert facts
    assert (facts.size, facts.created_at) == (10, datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC))
    store.create("a/d", new_object(b""))
    assert store.list_names("a/") == ListedNames(files=frozenset({"d"}), folders=frozenset({"b"}))
    with pytest.raises(PreconditionFailed):
        store.create("a/d", new_object(b"x"))
    store.remove("a/b/c")
    assert store.stat("a/b/c") is None
    monkeypatch.setattr(folder_module, "MAX_LISTED_NAMES", 2)
    assert store.list_names("a/").is_complete
    store.create("a/e", new_object(b""))
    names = store.list_names("a/")
    assert (len(names.files | names.folders), names.is_complete) == (2, False)


def test_reads_little_more_than_the_largest_page(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create("page", new_object(bytes(40)))
    monkeypatch.setattr(folder_module, "MAX_PAGE_SIZE", 11)
    page = store.read_page("page")
    assert page
    assert page.data == bytes(12)


def test_a_page_keeps_its_mode_and_its_link(store: FolderStore, tmp_path: Path) -> None:
    store.replace("a/page", StoredPage(data=b"first", version=""))
    path = store.local_path("a/page")
    path.chmod(0o604)
    target = tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target)
    page = store.read_page("a/page")
    assert page
    store.replace("a/page", StoredPage(data=b"second", version=page.version))
    assert path.is_symlink()
    assert target.read_bytes() == b"second"
    assert target.stat().st_mode & 0o777 == 0o604
    for version in ("", page.version):
        with pytest.raises(PreconditionFailed):
            store.replace("a/page", StoredPage(data=b"third", version=version))
    assert target.read_bytes() == b"second"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["elsewhere", "index"]


def test_errors_name_the_file_and_what_to_do(store: FolderStore) -> None:
    store.create("a", new_object(b"x"))
    for act in (
        lambda: store.create("a/b", new_object(b"x")),
        lambda: store.compute_sha256("b"),
        lambda: store.replace("a/b", StoredPage(data=b"x", version="")),
    ):
        with pytest.raises(StorageError) as caught:
            act()
        assert str(store.local_path("")) in caught.value.message
        assert caught.value.hint == HINT


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_an_error(store: FolderStore, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="it cannot be written to"):
        store.log_in()


def test_the_nearest_folder_is_tested_before_the_run(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, int]] = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((path, mode)))
    with pytest.raises(StorageError) as caught:
        store.log_in()
    assert asked == [(tmp_path, os.W_OK | os.X_OK)]
    assert caught.value.message == f"{tmp_path}: it cannot be written to"
    assert caught.value.hint == HINT


def test_without_hard_links_a_file_is_created_under_the_lock(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int) -> None:
        def link(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "link", link)

    for number in (errno.EPERM, errno.EACCES, errno.EMLINK):
        refuse(number)
        store.create(f"a{number}", new_object(b"x"))
        assert store.local_path(f"a{number}").read_bytes() == b"x"
    refuse(errno.EIO)
    with pytest.raises(StorageError):
        store.create("b", new_object(b"x"))
    refuse(errno.EEXIST)
    with pytest.raises(PreconditionFailed):
        store.create("b", new_object(b"x"))
    assert store.stat("b") is None

    def appear(_source: Path, target: Path) -> None:
        target.write_bytes(b"of another run")
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(os, "link", appear)
    with pytest.raises(PreconditionFailed):
        store.create("c", new_object(b"x"))
    assert store.local_path("c").read_bytes() == b"of another run"


def test_waits_two_minutes_for_another_run(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [0.0], [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += 60.0

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(cancellation, "sleep_unless_cancelled", sleep)
    store.create("a", new_object(b"x"))
    lock = filelock.FileLock(store.local_path(".wheel-uploader.lock"))
    with lock, pytest.raises(LockedError) as caught:
        store.replace("page", StoredPage(data=b"x", version=""))
    assert caught.value.message == (f"another run has held the lock of {store.location} for 2 min")
    assert caught.value.hint == "Wait until that run ends, then run the same command again."
    assert pauses[1:] == [0.1, 0.1]
    store.replace("page", StoredPage(data=b"x", version=""))
    store.replace("other", StoredPage(data=b"x", version=""))
    assert len(pauses) == 3


def test_a_disk_without_locks_is_an_error(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(StorageError) as caught:
        store.replace("page", StoredPage(data=b"x", version=""))
    assert os.strerror(errno.ENOLCK).lower() in caught.value.message.lower()


def test_removes_partial_files_after_a_day(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create("a", new_object(b"x"))
    partial = store.local_path(".wheel-uploader-1-a.part")
    others = [store.local_path(name) for name in (".wheel-uploader-1-a", "x.part")]
    for path in (partial, *others):
        path.write_bytes(b"x")
        os.utime(path, (1000, 1000))
    for now, exists in ((1000 + 86400, True), (1001 + 86400, False)):
        monkeypatch.setattr(time, "time", lambda now=now: float(now))
        store.create(f"b{now}", new_object(b"x"))
        assert partial.exists() == exists
    assert all(path.exists() for path in others)


# --- layout and facts ------------------------------------------------------------------------------


def test_the_keys_and_urls_of_pages() -> None:
    layout = Layout(pages_root="simple/", reading_url="https://h.example/x/")
    assert layout.page_url("de mo") == "https://h.example/x/de%20mo/"
    assert Layout(pages_root="simple/").page_url("demo").endswith("/unknown/simple/demo/")
    assert layout.make_link("demo", "simple/demo/a+b") == "a%2Bb"
    assert layout.make_link("demo", "packages/a") == "../../packages/a"
    assert Layout(pages_root="").make_link("demo", "demo/a") == "a"


@pytest.mark.parametrize(
    ("links", "folder"),
    [
        (["../../pX/demo-0.9.tar.gz"], "pX/"),
        (["../../X0.9/demo-0.9.tar.gz"], "X0.9/"),
        (["../../0.9/demo-0.9.tar.gz"], "2.0/"),
        (["../../demo-0.9.tar.gz"], ""),
        (["../../x/odd.zip", "../../p/demo-0.9.tar.gz"], "p/"),
        (["../../q/demo-0.8.tar.gz", "../../p/demo-0.9.tar.gz", "../../p/demo-0.7.tar.gz"], "p/"),
    ],
)
def test_new_files_go_into_the_folder_of_the_others(links: list[str], folder: str) -> None:
    layout = Layout(pages_root="simple/")
    url = layout.page_url("demo")
    files = [IndexFile(filename=link.rpartition("/")[2], url=urljoin(url, link)) for link in links]
    assert layout.find_folder("demo", files, "2.0") == folder


def facts_of(path: Path) -> FileFacts:
    data = path.read_bytes()
    file = LocalFile(
        name=filenames.parse_filename(path.name),
        path=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    with VerifiedFile(file.path, file.sha256) as content:
        return read_file_facts(file, content)


def test_reads_the_facts_that_pages_list(tmp_path: Path) -> None:
    metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: >=3.9,\n  <4\n"
    wheel = wheels.make_wheel(
        tmp_path, "demo", "1.0", metadata=metadata, files={"a/b/x.dist-info/METADATA": b"y", "METADATA": b"z"}
    )
    assert facts_of(wheel) == FileFacts(requires_python=">=3.9, <4", metadata=metadata.encode())
    without = wheels.make_wheel(tmp_path, "demo", "1.1", without=("demo-1.1.dist-info/METADATA",))
    assert facts_of(without) == FileFacts()
