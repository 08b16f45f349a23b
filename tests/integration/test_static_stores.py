"""Test the stores of static indexes: conditional writes, and errors, against a folder, moto and a stub."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import static_stores, stores
from tests.support.faulty_proxy import Fault
from tests.support.static_stores import Place
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.http import retry
from wheel_uploader.targets.static_index.gcs import GcsStore
from wheel_uploader.targets.static_index.object_store import (
    NewObject,
    ObjectStore,
    PreconditionFailed,
    StoredPage,
)
from wheel_uploader.targets.static_index.s3 import S3Store

PAGE = "simple/demo/index.html"


@pytest.fixture(params=list(static_stores.PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with static_stores.PLACES[request.param](tmp_path) as opened:
        for name, value in opened.variables.items():
            monkeypatch.setenv(name, value)
        yield opened


@pytest.fixture
def store(place: Place) -> Iterator[ObjectStore]:
    opened = place.open()
    opened.log_in()
    yield opened
    opened.close()


def make(data: bytes) -> NewObject:
    return NewObject(
        content=io.BytesIO(data),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content_type="text/plain",
    )


def put_page(store: ObjectStore, data: bytes, version: str = "") -> None:
    headers = store.make_headers("text/html", "no-cache")
    store.replace(PAGE, StoredPage(data=data, version=version, headers=headers))


def test_creates_a_file_once(store: ObjectStore) -> None:
    key = "simple/demo/demo-1.0+a b-py3-none-any.whl"
    assert store.stat(key) is None
    store.create(key, make(b"x" * 100_000))
    with pytest.raises(PreconditionFailed):
        store.create(key, make(b"other"))
    facts = store.stat(key)
    assert facts
    assert facts.size == 100_000
    assert store.compute_sha256(key) == hashlib.sha256(b"x" * 100_000).hexdigest()
    assert store.list_names("simple/demo/").files == {"demo-1.0+a b-py3-none-any.whl"}
    assert store.list_names("simple/").folders == {"demo"}
    assert store.list_names("nothing/").files == frozenset()


def test_replaces_only_the_version_of_a_page_that_was_read(store: ObjectStore) -> None:
    assert store.read_page(PAGE) is None
    put_page(store, b"first")
    with pytest.raises(PreconditionFailed):
        put_page(store, b"new, although it exists")
    first = store.read_page(PAGE)
    assert first
    assert first.data == b"first"
    put_page(store, b"second", first.version)
    with pytest.raises(PreconditionFailed):
        put_page(store, b"lost", first.version)
    second = store.read_page(PAGE)
    assert second
    assert second.data == b"second"
    assert second.version != first.version


def test_one_of_many_writers_creates_a_file(place: Place) -> None:
    stores, taken, lost = [place.open() for _ in range(4)], [], []

    def create(number: int) -> None:
        try:
            stores[number].create("demo.whl", make(b"%d" % number * 10_000))
            taken.append(number)
        except PreconditionFailed:
            lost.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == 1
    assert len(lost) == 3
    assert stores[0].compute_sha256("demo.whl") == hashlib.sha256(b"%d" % taken[0] * 10_000).hexdigest()
    for opened in stores:
        opened.close()


def test_keeps_the_headers_of_a_page(place: Place, store: ObjectStore) -> None:
    put_page(store, b"first")
    page = store.read_page(PAGE)
    assert page
    store.replace(PAGE, StoredPage(data=b"second", version=page.version, headers=page.headers))
    again = store.read_page(PAGE)
    assert again
    assert again.headers == page.headers
    assert ("no-cache" in page.headers.values()) == (place.proxy is not None)


# --- faults of buckets -----------------------------------------------------------------------------


def act(store: ObjectStore) -> list[tuple[str, ReleaseError | PreconditionFailed]]:
    """Use every method, and return the errors."""
    errors: list[tuple[str, ReleaseError | PreconditionFailed]] = []
    page = StoredPage(data=b"x", version="1", headers={})
    actions: dict[str, Callable[[], object]] = {
        "read_page": lambda: store.read_page(PAGE),
        "stat": lambda: store.stat(PAGE),
        "hash": lambda: store.compute_sha256(PAGE),
        "create": lambda: store.create("new", make(b"x")),
        "replace": lambda: store.replace(PAGE, page),
        "list": lambda: store.list_names("simple/"),
    }
    for name, action in actions.items():
        try:
            action()
        except (ReleaseError, PreconditionFailed) as error:
            errors.append((name, error))
    return errors


@pytest.mark.parametrize("status", [400, 401, 403, 412, 429, 500, 503])
def test_says_what_a_bucket_answered(place: Place, store: ObjectStore, status: int) -> None:
    if place.proxy is None:
        pytest.skip("a folder has no status")
    place.proxy.rule = lambda _method, _path: status
    errors = act(store)
    assert len(errors) == 6
    for _, error in errors:
        if status in (401, 403):
            assert isinstance(error, CredentialsError)
            assert "refused" in error.message
        elif status == 412:
            assert isinstance(error, PreconditionFailed)
        else:
            assert isinstance(error, HttpStatusError)
            assert error.status == (503 if status == 503 else status)


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.CUT])
def test_a_lost_connection_and_a_cut_answer_may_pass(place: Place, store: ObjectStore, fault: Fault) -> None:
    if place.proxy is None:
        pytest.skip("a folder has no connection")
    put_page(store, b"<html>" * 10_000)
    place.proxy.rule = lambda method, _path: fault if fault is Fault.LOSE_REQUEST or method == "GET" else None
    errors = dict(act(store))
    assert {"read_page", "hash", "list"} <= set(errors)
    # Without a fault, the page is not the one that was read.
    errors.pop("replace")
    assert all(isinstance(error, NetworkError) and retry.is_retryable(error) for error in errors.values())


def test_a_bucket_that_does_not_exist_is_an_error_of_the_command(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.proxy is None:
        pytest.skip("a folder is created")
    missing: ObjectStore = S3Store("missing", "x")
    if place.url.startswith("gs:"):
        missing = GcsStore("missing", "x")
    with pytest.raises(UsageError, match=r"NoSuchBucket|no such bucket"):
        missing.read_page(PAGE)


def test_no_aws_credentials_are_an_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in static_stores.AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match="no AWS credentials for s3://bucket/x/ were found"):
        S3Store("bucket", "x").log_in()


def test_no_google_credentials_are_an_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(CredentialsError, match="no Google credentials for gs://bucket/x/ were found"):
        GcsStore("bucket", "x").log_in()


def test_finds_a_profile_of_the_aws_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in static_stores.AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    shared = tmp_path / "credentials"
    shared.write_text("[nightly]\naws_access_key_id = other-key\naws_secret_access_key = other-secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_PROFILE", "nightly")
    assert S3Store("bucket", "x").log_in() == "AWS access key other-key (shared-credentials-file)"


# --- the folder ------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_files_and_pages_have_the_modes_of_the_umask(tmp_path: Path) -> None:
    with static_stores.folder_place(tmp_path) as place:
        store = place.open()
        old = os.umask(0o027)
        try:
            store.create("a/demo.whl", make(b"x"))
            put_page(store, b"page")
        finally:
            os.umask(old)
        page = tmp_path / "index" / PAGE
        assert (tmp_path / "index/a/demo.whl").stat().st_mode & 0o777 == 0o640
        assert page.stat().st_mode & 0o777 == 0o640
        page.chmod(0o664)
        stored = store.read_page(PAGE)
        assert stored
        put_page(store, b"new", stored.version)
        assert page.stat().st_mode & 0o777 == 0o664


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a directory")
def test_syncs_a_file_before_it_has_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    real_fsync, real_link, real_replace = os.fsync, os.link, Path.replace

    def fsync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "bytes")
        real_fsync(descriptor)

    def link(source: Path, target: Path) -> None:
        events.append(f"name {target.name}")
        real_link(source, target)

    def replace(source: Path, target: Path) -> Path:
        events.append(f"name {target.name}")
        return real_replace(source, target)

    store = static_stores.FolderStore(tmp_path)
    store.create("demo/a", make(b"x"))
    put_page(store, b"page")
    page = store.read_page(PAGE)
    assert page
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(Path, "replace", replace)
    store.create("demo/b", make(b"x"))
    put_page(store, b"new", page.version)
    assert events == ["bytes", "name b", "folder", "bytes", "name index.html", "folder"]


def test_leaves_no_partial_file_behind(tmp_path: Path) -> None:
    store = static_stores.FolderStore(tmp_path)
    store.create("demo/a", make(b"x"))
    with pytest.raises(PreconditionFailed):
        store.create("demo/a", make(b"y"))
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["a"]


def test_removes_the_partial_files_of_runs_that_were_killed_long_ago(tmp_path: Path) -> None:
    store = static_stores.FolderStore(tmp_path)
    folder = tmp_path / "demo"
    folder.mkdir()
    old, new = folder / ".wheel-uploader-1-a.part", folder / ".wheel-uploader-2-b.part"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    store.create("demo/a", make(b"x"))
    assert (old.exists(), new.exists()) == (False, True)


def test_creates_a_file_where_hard_links_are_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = static_stores.FolderStore(tmp_path)
    store.create("demo/a", make(b"x"))
    with pytest.raises(PreconditionFailed):
        store.create("demo/a", make(b"y"))
    assert (tmp_path / "demo/a").read_bytes() == b"x"


# --- files of S3 that are uploaded in parts --------------------------------------------------------

MIB = 1 << 20


@pytest.fixture(scope="module")
def parts_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("parts")
    with static_stores.PLACES["s3-moto"](folder) as place, pytest.MonkeyPatch.context() as patch:
        for name, value in place.variables.items():
            patch.setenv(name, value)
        yield place


@pytest.fixture
def parts_store(parts_place: Place) -> Iterator[S3Store]:
    """A store whose files of more than 6 MiB are uploaded in parts of 5 MiB."""
    store = S3Store(stores.BUCKET, static_stores.PREFIX, max_put_size=6 * MIB, part_size=5 * MIB)
    store.log_in()
    yield store
    store.close()


def list_unfinished(place: Place) -> str:
    """Return the bucket's list of unfinished multipart uploads."""
    bucket_url = place.served_url.removesuffix(f"/{static_stores.PREFIX}/")
    return httpx.get(f"{bucket_url}?uploads", trust_env=False).text


@pytest.mark.slow
def test_a_large_file_is_uploaded_in_parts_once(parts_place: Place, parts_store: S3Store) -> None:
    data, key, sent = os.urandom(11 * MIB), "simple/demo/large.whl", [0]
    new = dataclasses.replace(make(data), on_sent=lambda size: sent.append(size))
    parts_store.create(key, new)
    assert parts_store.compute_sha256(key) == hashlib.sha256(data).hexdigest()
    assert sent == [0, 5 * MIB, 5 * MIB, MIB]
    with pytest.raises(PreconditionFailed):
        parts_store.create(key, make(bytes(7 * MIB)))
    assert parts_store.compute_sha256(key) == hashlib.sha256(data).hexdigest()
    assert "<UploadId>" not in list_unfinished(parts_place)


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True], ids=["fails", "killed"])
def test_an_upload_in_parts_that_ends_early_leaves_nothing(
    parts_place: Place, parts_store: S3Store, is_killed: bool
) -> None:
    assert parts_place.proxy
    data, key = os.urandom(11 * MIB), f"simple/demo/{is_killed}.whl"

    def fail(method: str, path: str) -> Fault | int | None:
        if method == "DELETE" and is_killed:
            return Fault.LOSE_REQUEST
        return 503 if "partNumber=2" in path else None

    parts_place.proxy.rule = fail
    with pytest.raises(NetworkError):
        parts_store.create(key, make(data))
    assert parts_store.stat(key) is None
    assert ("<UploadId>" in list_unfinished(parts_place)) == is_killed
    # The next attempt also removes what a run that was killed has left.
    parts_place.proxy.rule = lambda _method, _path: None
    parts_store.create(key, make(data))
    assert parts_store.compute_sha256(key) == hashlib.sha256(data).hexdigest()
    assert "<UploadId>" not in list_unfinished(parts_place)
