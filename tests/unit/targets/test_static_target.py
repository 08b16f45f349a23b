"""Test a static index as a target: login, comparison, upload, confirmation and removal."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from tests.support.memory_store import MemoryStore
from tests.support.scripted_http import RecordedProgress
from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    HttpStatusError,
    NetworkError,
    ReleaseError,
    StorageError,
    TransportError,
)
from wheel_uploader.core.models import (
    FileComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    Signature,
    TargetSettings,
)
from wheel_uploader.index import confirmation
from wheel_uploader.index.client import IndexClient
from wheel_uploader.targets.protocol import Release
from wheel_uploader.targets.pruning import TargetFile
from wheel_uploader.targets.static_index import target as target_module
from wheel_uploader.targets.static_index.location import Place
from wheel_uploader.targets.static_index.target import StaticIndexTarget
from wheel_uploader.upload.response_rules import ResponseKind

WHEEL = "demo-1.0-py3-none-any.whl"
SDIST = "demo-1.0.tar.gz"
HTML, JSON, ROOT = "simple/demo/index.html", "simple/demo/index.v1+json", "simple/index.html"
KEY = f"simple/demo/{WHEEL}"
OTHER = "f" * 64
BUSY = HttpStatusError(503, "mem://index/x", reason="Busy", retry_after=7.0)
META = '<meta name="pypi:repository-version" content="1.0">'


def page_of(*links: str) -> str:
    lines = [f'<a href="{link}">{link.partition("#")[0].rpartition("/")[2]}</a><br>\n' for link in links]
    return f"<html><head>{META}</head>\n<body>\n{''.join(lines)}</body></html>\n"


class User:
    """A run whose target is a store in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.store = MemoryStore()
        self.progress = RecordedProgress()
        self.monkeypatch = monkeypatch
        self.options = {"project": "demo", "version": "1.0", "urls": ("staged",), "retries": 2, **options}
        self.target = self.open()

    def open(self, **options: Any) -> StaticIndexTarget:
        """Start a new run on the same store."""
        place = Place(store=self.store, url="mem://index", pages_root="simple/")
        self.monkeypatch.setattr(target_module, "open_store", lambda _url, _options: place)
        self.monkeypatch.setattr("wheel_uploader.core.cancellation.sleep_unless_cancelled", lambda _s: None)
        return StaticIndexTarget(
            Options(**{**self.options, **options}), self.progress, TargetSettings(url="mem://index")
        )

    def publish(self, *files: LocalFile) -> None:
        """Upload the files and list them."""
        for file in files:
            response = self.target.upload(file)
            assert response.kind is ResponseKind.ACCEPTED, response
        self.target.finish(Release(project="Demo", version=Version("1.0"), files=files))

    def compare(self, *files: LocalFile, **options: Any) -> list[tuple[FileComparison, str]]:
        """Return what a new run sees."""
        state = self.open(**options).fetch_state("Demo", Version("1.0"), files)
        return [(each.result, each.index_sha256 or "") for each in state.comparisons]


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> User:
    return User(monkeypatch)


def local_file(path: Path) -> LocalFile:
    data = path.read_bytes()
    return LocalFile(
        name=filenames.parse_filename(path.name),
        path=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


@pytest.fixture
def file(tmp_path: Path) -> LocalFile:
    return local_file(wheels.make_wheel(tmp_path, "demo", "1.0"))


@pytest.fixture
def sdist(tmp_path: Path) -> LocalFile:
    return local_file(wheels.make_sdist(tmp_path, "demo", "1.0"))


@pytest.fixture
def rebuilt(tmp_path: Path) -> LocalFile:
    """Other bytes under the name of ``file``."""
    folder = tmp_path / "rebuilt"
    folder.mkdir()
    return local_file(wheels.make_wheel(folder, "demo", "1.0", files={"demo/new.py": b"x = 2\n"}))


METADATA = wheels.METADATA.format(project="demo", version="1.0").encode()


# --- login -----------------------------------------------------------------------------------------


def test_prints_the_credentials_that_it_takes(user: User) -> None:
    user.target.prepare_login(is_required=True)
    assert user.progress.lines == ["login: a key of tests"]
    assert user.target.login == "a key of tests"
    assert user.target.info.name == "mem://index/"
    assert user.target.info.url == "mem://index"
    assert not user.target.info.is_pypi
    user.target.require_prunable()
    user.target.require_replaceable()
    user.target.close()
    assert user.store.is_closed


def test_credentials_are_needed_only_by_a_run_that_writes(user: User) -> None:
    user.store.login = CredentialsError("none")
    assert user.target.login == ""
    user.target.prepare_login(is_required=False)
    assert user.progress.lines == ["no login is known for mem://index/; this run does not need one"]
    with pytest.raises(CredentialsError, match=r"^none$"):
        user.target.prepare_login(is_required=True)
    assert len(user.progress.lines) == 1


# --- uploading -------------------------------------------------------------------------------------


def test_uploads_a_wheel_with_its_metadata_and_signature_and_lists_it(user: User, file: LocalFile) -> None:
    user.target.set_signatures([Signature(filename=WHEEL, path=file.path, fingerprint="F", content=b"sig")])
    user.publish(file)
    creations = [call for call in user.store.calls if call.startswith("create")]
    assert creations == [f"create {KEY}", f"create {KEY}.metadata", f"create {KEY}.asc"]
    assert user.store.objects[KEY][0] == file.path.read_bytes()
    assert user.store.objects[f"{KEY}.metadata"][0] == METADATA
    assert user.store.objects[f"{KEY}.asc"][0] == b"sig"
    types = [user.store.objects[f"{KEY}{end}"][2]["type"] for end in ("", ".metadata", ".asc")]
    assert types == ["application/octet-stream", *["text/plain; charset=utf-8"] * 2]
    digest = hashlib.sha256(METADATA).hexdigest()
    assert json.loads(user.store.text(JSON))["files"] == [
        {
            "filename": WHEEL,
            "url": WHEEL,
            "hashes": {"sha256": file.sha256},
            "size": file.size,
            "requires-python": ">=3.9",
            "dist-info-metadata": {"sha256": digest},
            "core-metadata": {"sha256": digest},
            "gpg-sig": True,
        }
    ]
    assert json.loads(user.store.text(JSON))["versions"] == ["1.0"]
    assert user.progress.files == [(WHEEL, file.size)]
    assert user.progress.steps == [file.size]
    assert user.progress.waits == [("upload: editing the pages of demo", None)]
    assert user.progress.lines == []
    # The run knows the objects that it has created.
    assert [call for call in user.store.calls if call.startswith(("stat", "hash"))] == []


def test_an_sdist_has_no_metadata_file(user: User, sdist: LocalFile) -> None:
    user.publish(sdist)
    assert [call for call in user.store.calls if call.startswith("create")] == [f"create simple/demo/{SDIST}"]
    [entry] = json.loads(user.store.text(JSON))["files"]
    assert entry["requires-python"] == ">=3.9"
    assert not {"core-metadata", "dist-info-metadata", "gpg-sig"} & set(entry)


def test_a_file_that_is_there_with_the_same_bytes_is_accepted(user: User, file: LocalFile) -> None:
    user.store.put(KEY, file.path.read_bytes())
    user.publish(file)
    assert user.progress.lines == []


def test_a_file_that_is_there_with_other_bytes_is_a_conflict(user: User, file: LocalFile) -> None:
    user.store.put(KEY, b"other")
    response = user.target.upload(file)
    digest = hashlib.sha256(b"other").hexdigest()
    assert response.kind is ResponseKind.EXISTS
    assert (response.status, response.error_type, response.is_final) == (412, ConflictError, True)
    assert response.diagnosis == f"mem://index/{KEY} has other bytes: sha256 {digest}, not {file.sha256}"
    assert f"create {KEY}.metadata" not in user.store.calls
    assert sum(user.progress.steps) == 0


def test_metadata_that_is_there_with_other_bytes_is_left_and_not_listed(user: User, file: LocalFile) -> None:
    user.store.put(f"{KEY}.metadata", b"other")
    user.publish(file)
    user.target.upload(file)
    digest, ours = hashlib.sha256(b"other").hexdigest(), hashlib.sha256(METADATA).hexdigest()
    assert user.progress.lines == [
        (
            f"warning: mem://index/{KEY}.metadata has other bytes: "
            f"sha256 {digest}, not {ours}; it is left as it is"
        )
    ]
    assert user.store.objects[f"{KEY}.metadata"][0] == b"other"
    assert "core-metadata" not in json.loads(user.store.text(JSON))["files"][0]
    # Without it there is nothing to list either; with our bytes there is.
    for data, is_listed in ((None, False), (METADATA, True)):
        del user.store.objects[JSON]
        user.store.objects.pop(f"{KEY}.metadata", None)
        if data:
            user.store.put(f"{KEY}.metadata", data)
        user.open().finish(Release(project="demo", version=Version("1.0"), files=(file,)))
        assert ("core-metadata" in json.loads(user.store.text(JSON))["files"][0]) == is_listed


@pytest.mark.parametrize(
    ("error", "kind", "status", "error_type", "is_final", "retry_after"),
    [
        (CredentialsError("no", hint="ask"), ResponseKind.REJECTED, 403, CredentialsError, True, None),
        (BUSY, ResponseKind.RETRY, 503, NetworkError, False, 7.0),
        (HttpStatusError(400, "u"), ResponseKind.REJECTED, 400, NetworkError, False, None),
        (TransportError("lost"), ResponseKind.RETRY, 0, NetworkError, False, None),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_says_what_the_store_answered(
    user: User,
    file: LocalFile,
    error: ReleaseError,
    kind: ResponseKind,
    status: int,
    error_type: type[ReleaseError],
    retry_after: float | None,
    suffix: str,
    *,
    is_final: bool,
) -> None:
    user.store.faults[f"create {KEY}{suffix}"] = [error]
    response = user.target.upload(file)
    assert response.kind is kind
    assert (response.status, response.error_type, response.is_final) == (status, error_type, is_final)
    assert (response.diagnosis, response.retry_after) == (error.message, retry_after)
    assert response.hint == ("ask" if status == 403 else None)
    assert sum(user.progress.steps) == (file.size if suffix else 0)
    assert (KEY in user.store.objects) == bool(suffix)
    # The next attempt creates the rest.
    assert user.target.upload(file).kind is ResponseKind.ACCEPTED
    assert f"{KEY}.metadata" in user.store.objects


def test_bytes_whose_answer_was_lost_are_not_shown_as_done(user: User, file: LocalFile) -> None:
    user.store.faults[f"create {KEY}"] = [TransportError("lost")]
    user.store.lost_answers.add(f"create {KEY}")
    assert user.target.upload(file).kind is ResponseKind.RETRY
    assert user.progress.steps == [file.size, -file.size]


def test_other_errors_of_the_store_end_the_run(user: User, file: LocalFile) -> None:
    user.store.faults[f"create {KEY}"] = [StorageError("full")]
    with pytest.raises(StorageError, match=r"^full$"):
        user.target.upload(file)


# --- the state of the index ------------------------------------------------------------------------


def test_a_file_is_the_same_only_if_nothing_is_left_to_do(
    user: User, file: LocalFile, rebuilt: LocalFile
) -> None:
    absent = [(FileComparison.ABSENT, "")]
    same = [(FileComparison.SAME, file.sha256)]
    assert user.compare(file) == absent
    user.target.upload(file)
    assert user.compare(file) == absent
    assert user.compare(rebuilt) == [(FileComparison.DIFFERENT, file.sha256)]
    user.publish(file)
    user.store.calls.clear()
    assert user.compare(file) == same
    # The size shows that it is there; its bytes are not read.
    assert f"hash {KEY}" not in user.store.calls
    assert user.compare(rebuilt) == [(FileComparison.DIFFERENT, file.sha256)]
    # A list of projects is missing.
    root = user.store.objects.pop(ROOT)
    assert user.compare(file) == absent
    user.store.objects[ROOT] = root
    # The pages list it, and the store lacks it, or has other bytes.
    kept = user.store.objects.pop(KEY)
    assert user.compare(file) == absent
    user.store.put(KEY, b"other")
    assert user.compare(file) == [(FileComparison.DIFFERENT, hashlib.sha256(b"other").hexdigest())]
    user.store.objects[KEY] = kept
    assert user.compare(file) == same


def test_a_page_with_another_hash_is_a_conflict_unless_it_is_corrected(user: User, file: LocalFile) -> None:
    user.publish(file)
    user.store.put(HTML, page_of(f"{WHEEL}#sha256={OTHER}"))
    assert user.compare(file) == [(FileComparison.DIFFERENT, OTHER)]
    assert user.compare(file, replace=True) == [(FileComparison.DIFFERENT, OTHER)]
    user.store.put(HTML, page_of(f"{WHEEL}#sha256={OTHER}", f"{WHEEL}#sha256={file.sha256}"))
    assert user.compare(file)[0][0] not in (FileComparison.SAME, FileComparison.ABSENT)
    assert user.compare(file, replace=True) == [(FileComparison.SAME, file.sha256)]


def test_replace_keeps_the_entries_of_stored_files(monkeypatch: pytest.MonkeyPatch, file: LocalFile) -> None:
    user = User(monkeypatch, replace=True)
    user.publish(file)
    assert user.progress.lines == []
    old = hashlib.sha256(b"old").hexdigest()
    user.store.put("simple/demo/demo-0.9.tar.gz", b"old")
    user.store.put(
        HTML,
        page_of(
            f"{WHEEL}#sha256={file.sha256}",
            *(f"demo-0.9.tar.gz#sha256={digest}" for digest in (OTHER, old)),
            # It is elsewhere, or nowhere: its hash is not known.
            *(f"demo-0.8.tar.gz#sha256={digest}" for digest in (OTHER, old)),
            *(f"https://other.example/demo-0.7.tar.gz#sha256={digest}" for digest in (OTHER, old)),
        ),
    )
    user.target = user.open()
    user.target.finish(Release(project="demo", version=Version("1.0"), files=(file,)))
    assert user.progress.lines == [f"demo-0.9.tar.gz: one entry is left on the pages, sha256 {old}"]
    page = user.store.text(HTML)
    assert [page.count(f"demo-0.{n}.tar.gz#") for n in (9, 8, 7)] == [1, 2, 2]
    assert f"demo-0.9.tar.gz#sha256={old}" in page


def test_the_state_has_the_page_of_the_project_and_its_problems_are_printed_once(
    user: User, file: LocalFile
) -> None:
    page = user.target.fetch_project("Demo")
    assert page == ProjectPage(url="mem://index/simple/demo/", exists=False)
    user.store.put(HTML, page_of())
    user.store.put(JSON, '{"meta": {"api-version": "1.0"}, "name": "demo", "files": []}')
    assert user.open().fetch_project("demo").exists
    assert user.open().fetch_project("demo").page_format == "json"
    links = [f"demo-0.9.tar.gz#sha256={digest * 64}" for digest in "ab"]
    user.store.put(HTML, page_of(*links))
    page = user.open().fetch_project("demo")
    assert (page.url, page.page_format, page.exists) == ("mem://index/simple/demo/", "html", True)
    assert [each.filename for each in page.files] == ["demo-0.9.tar.gz"] * 2
    run = user.open()
    for _ in range(2):
        state = run.fetch_state("demo", Version("1.0"), (file,))
        assert state.project_page == page
    warnings = [line for line in user.progress.lines if "with 2 hashes" in line]
    assert warnings == [f"warning: {HTML} lists demo-0.9.tar.gz with 2 hashes: an installer may take either"]
    served = user.open(index_url="https://index.example/whl").fetch_project("demo")
    assert served.url == "https://index.example/whl/demo/"


def test_between_two_attempts_the_store_decides(user: User, file: LocalFile, rebuilt: LocalFile) -> None:
    def state(target: StaticIndexTarget, local: LocalFile = file) -> tuple[FileComparison, str | None]:
        comparison = target.fetch_file_state("Demo", local)
        return comparison.result, comparison.index_sha256

    assert state(user.target)[0] is FileComparison.ABSENT
    user.store.put(KEY, file.path.read_bytes())
    # The next attempt creates its metadata and its signature.
    assert state(user.target)[0] is FileComparison.ABSENT
    user.store.put(f"{KEY}.metadata", METADATA)
    assert state(user.target) == (FileComparison.SAME, file.sha256)
    signed = user.open()
    signed.set_signatures([Signature(filename=WHEEL, path=file.path, fingerprint="F", content=b"sig")])
    assert state(signed)[0] is FileComparison.ABSENT
    user.store.put(f"{KEY}.asc", b"sig")
    assert state(signed) == (FileComparison.SAME, file.sha256)
    assert state(user.open(), rebuilt) == (FileComparison.DIFFERENT, file.sha256)
    # The run knows the objects that it has created.
    user.store.objects.clear()
    run = user.open()
    run.upload(file)
    user.store.calls.clear()
    assert state(run)[0] is FileComparison.SAME
    assert user.store.calls == [f"stat {KEY}", f"hash {KEY}"]


def test_reading_the_store_is_repeated(user: User, file: LocalFile) -> None:
    user.publish(file)
    for call in (f"stat {KEY}", f"hash {KEY}"):
        user.store.faults[call] = [BUSY]
    assert user.open().fetch_file_state("demo", file).result is FileComparison.SAME
    assert user.store.calls.count(f"stat {KEY}") == 2
    assert user.store.calls.count(f"hash {KEY}") == 2


def test_the_key_of_a_file_is_the_one_that_a_page_links_to(user: User, file: LocalFile) -> None:
    user.store.put(HTML, page_of(f"../../packages/{WHEEL}", f"../../p/demo-0.9.tar.gz#sha256={OTHER}"))
    user.store.put(f"packages/{WHEEL}", file.path.read_bytes())
    assert user.open().fetch_file_state("demo", file).result is FileComparison.ABSENT
    run = user.open()
    run.upload(file)
    assert user.store.writes() == [
        f"create packages/{WHEEL}",
        f"create packages/{WHEEL}.metadata",
    ]
    assert user.store.calls.count(f"read {HTML}") == 2


def test_the_sha256_of_a_listed_file_is_listed_or_computed(user: User) -> None:
    listed = IndexFile(filename="a", url="https://other.example/a", hashes={"sha256": OTHER})
    assert user.target.get_sha256(listed) == OTHER
    user.store.put("simple/demo/a", b"x")
    url = user.target.fetch_project("demo").url
    assert url == "mem://index/simple/demo/"
    inside = IndexFile(filename="a", url="http://index.invalid/unknown/simple/demo/a")
    assert user.target.get_sha256(inside) == hashlib.sha256(b"x").hexdigest()
    outside = dataclasses.replace(inside, url="https://other.example/a")
    with pytest.raises(NetworkError) as caught:
        user.target.get_sha256(outside)
    assert caught.value.message == "mem://index/ lists no sha256 of a"


# --- removal ---------------------------------------------------------------------------------------

DAY = datetime(2026, 3, 4, tzinfo=UTC)
OLD_KEY = "simple/demo/demo-0.9.tar.gz"


def put_old(user: User) -> str:
    digest = hashlib.sha256(b"old").hexdigest()
    user.store.put(OLD_KEY, b"old")
    user.store.dates[OLD_KEY] = DAY
    user.store.put(f"{OLD_KEY}.asc", b"sig")
    user.store.put(f"{OLD_KEY}.metadata", b"meta")
    user.store.put(ROOT, page_of("demo/", "other/"))
    user.store.put(HTML, page_of(f"demo-0.9.tar.gz#sha256={digest}"))
    return digest


@pytest.mark.parametrize(
    ("rule", "with_times"), [({"prune": 2}, False), ({"prune_days": 9}, True), ({}, False)]
)
def test_lists_files_with_their_times_only_if_they_decide(
    monkeypatch: pytest.MonkeyPatch, rule: dict[str, int], with_times: bool
) -> None:
    user = User(monkeypatch, **rule)
    digest = put_old(user)
    [listed] = user.target.list_files("Demo")
    assert (listed.filename, listed.hashes, listed.kept_because) == (
        "demo-0.9.tar.gz",
        {"sha256": digest},
        "",
    )
    assert listed.uploaded_at == (DAY if with_times else None)
    assert user.store.calls.count(f"stat {OLD_KEY}") == with_times


def test_a_time_that_the_store_does_not_have_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    user = User(monkeypatch, prune_days=9)
    put_old(user)
    user.store.faults[f"stat {OLD_KEY}"] = [BUSY]
    del user.store.objects[OLD_KEY]
    [listed] = user.target.list_files("demo")
    assert listed.uploaded_at is None
    assert user.store.calls.count(f"stat {OLD_KEY}") == 2


def test_the_times_of_the_pages_are_taken_first_and_the_latest_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = User(monkeypatch, prune_days=9)
    digest = put_old(user)
    entry = {"filename": "demo-0.9.tar.gz", "url": "demo-0.9.tar.gz", "hashes": {"sha256": digest}}
    times = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    entries = [{**entry, "upload-time": time} for time in times]
    user.store.put(JSON, json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": entries}))
    [listed] = user.target.list_files("demo")
    assert listed.uploaded_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert f"stat {OLD_KEY}" not in user.store.calls


def test_files_that_are_not_understood_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    user = User(monkeypatch, prune_days=9)
    digest = put_old(user)
    user.store.put(
        HTML,
        page_of(
            f"demo-0.9.tar.gz#sha256={digest}",
            *(f"demo-0.8.tar.gz#sha256={each}" for each in (OTHER, digest)),
            f"https://other.example/demo-0.7.tar.gz#sha256={digest}",
            f"demo-0.6.tar.gz#sha256={digest}",
        ),
    )
    entry = {"filename": "demo-0.6.tar.gz", "url": "x/demo-0.6.tar.gz", "hashes": {"sha256": digest}}
    user.store.put(JSON, json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": [entry]}))
    assert {each.filename: each.kept_because for each in user.target.list_files("demo")} == {
        "demo-0.9.tar.gz": "",
        "demo-0.8.tar.gz": "a page lists it twice",
        "demo-0.7.tar.gz": "it is not stored in this index",
        "demo-0.6.tar.gz": "the pages disagree about it",
    }
    assert [call for call in user.store.calls if call.startswith("stat")] == [f"stat {OLD_KEY}"]


def test_a_project_without_files_has_nothing_to_list(user: User) -> None:
    with pytest.raises(NetworkError) as caught:
        user.target.list_files("demo")
    assert caught.value.message == "no page of demo in mem://index/ lists a file"


def test_removes_a_file_from_the_pages_first(user: User) -> None:
    put_old(user)
    listed = TargetFile(filename="demo-0.9.tar.gz")
    user.target.remove(listed)
    assert user.store.writes() == []
    [listed] = user.target.list_files("demo")
    user.store.faults[f"remove {OLD_KEY}"] = [BUSY]
    user.target.remove(listed)
    assert user.store.writes() == [
        f"replace {HTML}",
        f"remove {OLD_KEY}.metadata",
        f"remove {OLD_KEY}.asc",
        *[f"remove {OLD_KEY}"] * 2,
    ]
    assert [key for key in user.store.objects if "0.9" in key] == []
    assert user.store.text(HTML) == page_of()


def test_a_file_that_changed_or_is_linked_twice_is_not_removed(user: User) -> None:
    digest = put_old(user)
    [listed] = user.target.list_files("demo")
    user.store.put(HTML, page_of(f"demo-0.9.tar.gz#sha256={OTHER}"))
    with pytest.raises(ConflictError) as caught:
        user.target.remove(listed)
    assert caught.value.message == f"demo-0.9.tar.gz has changed on mem://index/{HTML}"
    user.store.put(HTML, page_of(f"x/demo-0.9.tar.gz#sha256={digest}"))
    with pytest.raises(ConflictError, match="has changed on"):
        user.target.remove(listed)
    # Another name for the same object.
    user.store.put(HTML, page_of(f"demo-0.9.tar.gz#sha256={digest}"))
    entry = {"filename": "demo-0.9.zip", "url": "demo-0.9.tar.gz", "hashes": {"sha256": digest}}
    user.store.put(JSON, json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": [entry]}))
    with pytest.raises(ConflictError) as caught:
        user.target.remove(listed)
    assert caught.value.message == f"a page in mem://index/ still links to {OLD_KEY}"
    assert OLD_KEY in user.store.objects
    elsewhere = dataclasses.replace(listed, url="https://other.example/demo-0.9.tar.gz")
    with pytest.raises(NetworkError) as refused:
        user.target.remove(elsewhere)
    assert refused.value.message == "demo-0.9.tar.gz is not stored in mem://index/"


def test_a_listed_file_is_ours_by_its_hash_or_its_bytes(user: User, file: LocalFile) -> None:
    def is_ours(**facts: Any) -> bool:
        return user.target.is_same_file(TargetFile(filename=WHEEL, **facts), file)

    inside = f"http://index.invalid/unknown/{KEY}"
    assert is_ours(hashes={"sha256": file.sha256}, url="https://other.example/x")
    assert not is_ours(hashes={"sha256": OTHER}, url=inside)
    assert not is_ours(url="https://other.example/x")
    user.store.put(KEY, file.path.read_bytes())
    assert is_ours(url=inside)
    user.store.put(KEY, b"other")
    assert not is_ours(url=inside)


# --- confirmation ----------------------------------------------------------------------------------


def test_a_folder_is_confirmed_by_its_pages_and_its_bytes(
    user: User, file: LocalFile, sdist: LocalFile
) -> None:
    assert user.target.index is None

    def confirm() -> Any:
        return user.open().confirm("Demo", (file, sdist), timeout=5)

    with pytest.raises(DeadlineError) as caught:
        confirm()
    assert caught.value.message == "mem://index/ does not list 2 of 2 files"
    assert caught.value.details == (WHEEL, SDIST)
    user.publish(file, sdist)
    assert [(each.filename, each.sha256, each.url, each.page_formats) for each in confirm()] == [
        (WHEEL, file.sha256, KEY, ("html", "json")),
        (SDIST, sdist.sha256, f"simple/demo/{SDIST}", ("html", "json")),
    ]
    # Bytes of the same size that are not ours.
    user.store.put(KEY, bytes(file.size))
    with pytest.raises(ConflictError) as conflict:
        confirm()
    assert conflict.value.message == (
        f"mem://index/ has other bytes: {WHEEL}: local sha256 {file.sha256}, index sha256 "
        f"{hashlib.sha256(bytes(file.size)).hexdigest()}"
    )
    del user.store.objects[KEY]
    with pytest.raises(DeadlineError) as caught:
        confirm()
    assert caught.value.message == "mem://index/ does not list 1 of 2 files"
    assert caught.value.details == (WHEEL,)


def test_the_file_of_a_folder_is_confirmed_with_its_url(tmp_path: Path, file: LocalFile) -> None:
    options = Options(project="demo", version="1.0", urls=("staged",))
    folder = tmp_path / "index"
    target = StaticIndexTarget(options, RecordedProgress(), TargetSettings(url=str(folder)))
    target.upload(file)
    target.finish(Release(project="demo", version=Version("1.0"), files=(file,)))
    [confirmed] = target.confirm("demo", (file,), timeout=5)
    assert confirmed.url == (folder / KEY).as_uri()


@pytest.mark.parametrize("options", [{"index_url": "https://index.example/simple"}, {}])
def test_pages_that_are_served_are_confirmed_as_installers_read_them(
    user: User, file: LocalFile, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    given: dict[str, Any] = {}

    def confirm_files(index: IndexClient, project: str, files: Any, **arguments: Any) -> tuple[()]:
        given.update(arguments, url=index.url, project=project, files=files)
        return ()

    monkeypatch.setattr(confirmation, "confirm_files", confirm_files)
    if not options:
        user.store.served_url = "https://index.example/"
    target = user.open(**options)
    assert target.confirm("Demo", (file,), timeout=5, was_uploaded=False) == ()
    assert given == {
        "url": "https://index.example/simple/",
        "project": "Demo",
        "files": (file,),
        "timeout": 5,
        "was_uploaded": False,
        "progress": user.progress,
    }
    assert target.index is target.index
    target.confirm("Demo", (file,), timeout=5)
    assert given["was_uploaded"] is True
    target.close()


@pytest.mark.parametrize(
    ("answer", "details", "hint"),
    [
        (ProjectPage(url="u", exists=True), ("d",), "a hint"),
        (
            ProjectPage(url="u", exists=False),
            ("d",),
            (
                "The pages are stored in mem://index/, and https://index.example/simple/demo/ answers 404: "
                "this endpoint may serve exact names only, without index.html. Serve index documents there, "
                "or pass the URL that pip uses with --index-url."
            ),
        ),
        *(
            (
                error,
                ("d", "refused"),
                (
                    "The pages are stored, and users cannot read them at this URL: allow reading, or pass "
                    "the URL that pip uses with --index-url."
                ),
            )
            for error in (NetworkError("refused"), CredentialsError("refused"))
        ),
    ],
    ids=["served", "404", "no network", "refused"],
)
def test_pages_that_are_stored_and_not_served_are_explained(
    user: User,
    file: LocalFile,
    monkeypatch: pytest.MonkeyPatch,
    answer: ProjectPage | ReleaseError,
    details: tuple[str, ...],
    hint: str,
) -> None:
    def confirm_files(*_: object, **__: object) -> None:
        raise DeadlineError("not listed", details=("d",), hint="a hint")

    def fetch_project(_index: IndexClient, project: str, **arguments: object) -> ProjectPage:
        assert (project, arguments) == ("demo", {"revalidate": True})
        if isinstance(answer, ReleaseError):
            raise answer
        return answer

    monkeypatch.setattr(confirmation, "confirm_files", confirm_files)
    monkeypatch.setattr(IndexClient, "fetch_project", fetch_project)
    target = user.open(index_url="https://index.example/simple/")
    with pytest.raises(DeadlineError) as caught:
        target.confirm("Demo", (file,), timeout=5)
    assert (caught.value.message, caught.value.details, caught.value.hint) == ("not listed", details, hint)
    target.close()
