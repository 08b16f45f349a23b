"""Test the requests of a static index in a bucket of Google Cloud Storage, and the result of each answer."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.memory_store import new_object
from tests.support.scripted_buckets import CutBody, Script, script_requests
from wheel_uploader.core import redaction
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    TransportError,
    UsageError,
)
from wheel_uploader.targets.static_index import gcs
from wheel_uploader.targets.static_index.gcs import GcsStore
from wheel_uploader.targets.static_index.object_store import PreconditionFailed, StoredPage

google_auth: Any = pytest.importorskip("google.auth")
exceptions: Any = pytest.importorskip("google.auth.exceptions")
requests: Any = pytest.importorskip("requests")
urllib3: Any = pytest.importorskip("urllib3")

TOKEN = "ya29.a-token-of-google"
BUCKET_URL = "https://storage.googleapis.com/staging/nightly/"
LIST_URL = "https://storage.googleapis.com/storage/v1/b/staging/o"
PAGE = "simple/demo/index.html"
LOCATION = f"gs://staging/nightly/{PAGE}"
CREDENTIALS_HINT = (
    "The credentials need storage.objects.get, list, create and delete (which replaces pages) for this "
    "bucket. Check GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login"
)
BUCKET_HINT = "Correct its name, or create it."


class Account:
    """Credentials that sign with a token, or raise an error."""

    service_account_email = "robot@project.example"
    token = TOKEN

    def __init__(self) -> None:
        self.signed: list[tuple[str, str]] = []
        self.error: Exception | None = None

    def before_request(self, request: object, method: str, url: str, headers: dict[str, str]) -> None:
        """Add the token, as google-auth does."""
        assert isinstance(request, google_auth.transport.requests.Request)
        if self.error:
            raise self.error
        self.signed.append((method, url))
        headers["authorization"] = f"Bearer {self.token}"


class Nameless(Account):
    """Credentials of a user."""

    service_account_email = ""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return script_requests(monkeypatch)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    found = Account()
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(google_auth, "default", lambda **_: (found, "project"))
    return found


@pytest.fixture
def store(account: Account) -> GcsStore:
    return GcsStore("staging", "/nightly/")


ACTIONS: Mapping[str, Callable[[GcsStore], object]] = {
    "read_page": lambda store: store.read_page(PAGE),
    "stat": lambda store: store.stat(PAGE),
    "hash": lambda store: store.compute_sha256(PAGE),
    "create": lambda store: store.create(PAGE, new_object(b"x")),
    "replace": lambda store: store.replace(PAGE, StoredPage(data=b"x", version="1")),
    "remove": lambda store: store.remove(PAGE),
    "list": lambda store: store.list_names(PAGE),
}


def parametrize(*names: str) -> pytest.MarkDecorator:
    """Return the marker of a test that performs these actions, each as ``act``."""
    return pytest.mark.parametrize("act", [ACTIONS[name] for name in names], ids=names)


actions = parametrize(*ACTIONS)
readers = parametrize("read_page", "hash")


# --- the place and the login -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "prefix", "served_url", "location"),
    [
        ("", "nightly", BUCKET_URL, "gs://staging/nightly/"),
        ("", "/a b/c/", "https://storage.googleapis.com/staging/a%20b/c/", "gs://staging/a b/c/"),
        ("", "", "https://storage.googleapis.com/staging/", "gs://staging/"),
        ("", "/", "https://storage.googleapis.com/staging/", "gs://staging/"),
        ("http://127.0.0.1:9/", "p", "http://127.0.0.1:9/staging/p/", "gs://staging/p/"),
        ("127.0.0.1:9", "p", "http://127.0.0.1:9/staging/p/", "gs://staging/p/"),
        ("", "/XpX/", "https://storage.googleapis.com/staging/XpX/", "gs://staging/XpX/"),
        ("https://store.example/X", "p", "https://store.example/X/staging/p/", "gs://staging/p/"),
        ("https://store.example/base", "p", "https://store.example/base/staging/p/", "gs://staging/p/"),
    ],
)
def test_knows_where_the_bucket_is(
    monkeypatch: pytest.MonkeyPatch, variable: str, prefix: str, served_url: str, location: str
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", variable)
    store = GcsStore("staging", prefix)
    assert (store.served_url, store.location) == (served_url, location)
    assert store.has_exact_keys
    assert store.make_headers("text/html", "no-cache") == {
        "content-type": "text/html",
        "cache-control": "no-cache",
    }


def test_an_emulator_gets_no_credentials(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise AssertionError("credentials were looked for")

    monkeypatch.setattr(google_auth, "default", refuse)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9")
    store = GcsStore("staging", "")
    assert store.log_in() == "not needed for STORAGE_EMULATOR_HOST"
    script.answer(204)
    store.remove("a")
    assert script.lines == ["DELETE http://127.0.0.1:9/staging/a"]
    script.answer(200)
    store.create("a", new_object(b"x"))
    assert script.sent[1].headers["x-goog-if-generation-match"] == "0"
    assert not [sent for sent in script.sent if "authorization" in sent.headers]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Account(), "Google credentials (robot@project.example)"),
        (Nameless(), f"Google credentials ({__name__})"),
    ],
)
def test_looks_for_credentials_once_and_says_which(
    monkeypatch: pytest.MonkeyPatch, found: Account, expected: str
) -> None:
    asked: list[object] = []

    def default(*, scopes: object) -> tuple[Account, str]:
        asked.append(scopes)
        return found, "project"

    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(google_auth, "default", default)
    store = GcsStore("staging", "p")
    assert (store.log_in(), store.log_in()) == (expected, expected)
    assert asked == [["https://www.googleapis.com/auth/devstorage.read_write"]]


@pytest.mark.parametrize(
    "error",
    [exceptions.DefaultCredentialsError("none there"), ValueError("none there"), OSError("none there")],
)
def test_credentials_that_are_not_found_are_an_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def default(**_: object) -> None:
        raise error

    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(google_auth, "default", default)
    with pytest.raises(CredentialsError) as caught:
        GcsStore("staging", "p").log_in()
    assert caught.value.message == "no Google credentials for gs://staging/p/ were found: none there"
    assert caught.value.hint == CREDENTIALS_HINT


def test_a_missing_library_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(UsageError) as caught:
        GcsStore("staging", "p")
    assert caught.value.message == "gs:// needs the package google-auth"
    assert caught.value.hint == "Install it with: pip install 'wheel-uploader[gcs]'"


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (exceptions.TransportError("no route"), TransportError, TransportError.default_hint),
        (exceptions.RefreshError("no route"), CredentialsError, CREDENTIALS_HINT),
    ],
)
@actions
def test_a_token_that_cannot_be_renewed_is_an_error(
    store: GcsStore,
    account: Account,
    act: Callable[[GcsStore], object],
    error: Exception,
    kind: type[NetworkError | CredentialsError],
    hint: str,
) -> None:
    account.error = error
    with pytest.raises(kind) as caught:
        act(store)
    assert caught.value.message == "gs://staging/nightly/: no route"
    assert caught.value.hint == hint


def test_each_request_is_signed_and_the_token_is_masked(
    store: GcsStore, account: Account, script: Script
) -> None:
    account.token = "ya29.a-token-of-this-test"
    script.answer(204)
    store.remove("a b.whl")
    assert script.lines == [f"DELETE {BUCKET_URL}a%20b.whl"]
    assert account.signed == [("DELETE", f"{BUCKET_URL}a%20b.whl")]
    assert script.sent[0].headers["authorization"] == f"Bearer {account.token}"
    assert account.token not in redaction.sanitize(f"answered {account.token} to us")


def test_a_login_in_netrc_does_not_replace_the_token(
    store: GcsStore, script: Script, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine storage.googleapis.com login me password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    script.answer(204)
    store.remove("a")
    assert script.sent[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(("timeout", "expected"), [(30.0, (10.0, 30.0)), (5.0, (5.0, 5.0))])
def test_requests_have_the_timeout_of_the_option(
    account: Account, script: Script, timeout: float, expected: tuple[float, float]
) -> None:
    script.answer(204)
    GcsStore("staging", "", timeout=timeout).remove("a")
    assert script.sent[0].timeout == expected


def test_waits_half_a_minute_for_data_by_default(store: GcsStore, script: Script) -> None:
    script.answer(204)
    store.remove("a")
    assert script.sent[0].timeout == (10.0, 30.0)


def test_the_connections_are_reused_and_closed(
    store: GcsStore, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[object] = []
    real_close = requests.Session.close

    def close(session: Any) -> None:
        closed.append(session)
        real_close(session)

    monkeypatch.setattr(requests.Session, "close", close)
    closed.clear()
    store.close()
    assert closed == []
    script.answer(204)
    script.answer(204)
    store.remove("a")
    store.remove("b")
    assert script.sent[0].session is script.sent[1].session
    closed.clear()
    store.close()
    assert len(closed) == 1


# --- reading ---------------------------------------------------------------------------------------


def test_reads_a_page_with_the_headers_that_a_new_version_keeps(store: GcsStore, script: Script) -> None:
    kept = {
        "Content-Type": "text/html",
        "Cache-Control": "no-cache",
        "Content-Disposition": "inline",
        "Content-Language": "en",
        "x-goog-meta-By": "hand",
    }
    others = {"x-goog-generation": "17", "x-goog-metageneration": "1", "ETag": '"e"', "Date": "today"}
    script.answer(200, b"<html>", {**kept, **others})
    page = store.read_page(PAGE)
    assert page == StoredPage(
        data=b"<html>", version="17", headers={name.lower(): value for name, value in kept.items()}
    )
    assert script.lines == [f"GET {BUCKET_URL}{PAGE}"]
    assert script.sent[0].headers["accept-encoding"] == "gzip"


def test_a_page_that_is_stored_compressed_is_not_decoded(store: GcsStore, script: Script) -> None:
    data = gzip.compress(b"<html>")
    script.answer(200, data, {"Content-Encoding": "gzip", "x-goog-generation": "1"})
    page = store.read_page(PAGE)
    assert page
    assert (page.data, page.headers) == (data, {"content-encoding": "gzip"})
    script.answer(200, data, {"Content-Encoding": "gzip"})
    assert store.compute_sha256(PAGE) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("max_size", "expected"), [(11, 12), (12, 16), (100, 40)])
def test_reads_little_more_than_the_largest_page(
    store: GcsStore, script: Script, monkeypatch: pytest.MonkeyPatch, max_size: int, expected: int
) -> None:
    monkeypatch.setattr(gcs, "MAX_PAGE_SIZE", max_size)
    monkeypatch.setattr(gcs, "CHUNK_SIZE", 4)
    script.answer(200, bytes(range(40)), {"x-goog-generation": "1"})
    page = store.read_page(PAGE)
    assert page
    assert page.data == bytes(range(expected))


def test_returns_nothing_for_a_missing_object_and_raises_its_status(store: GcsStore, script: Script) -> None:
    for _ in range(4):
        script.answer(404, b"<Code>NoSuchKey</Code>")
    assert store.read_page(PAGE) is None
    assert store.stat(PAGE) is None
    store.remove(PAGE)
    with pytest.raises(HttpStatusError) as caught:
        store.compute_sha256(PAGE)
    assert (caught.value.status, caught.value.url) == (404, LOCATION)
    assert script.lines == [f"{method} {BUCKET_URL}{PAGE}" for method in ("GET", "HEAD", "DELETE", "GET")]


@pytest.mark.parametrize(("padding", "is_found"), [(0, True), (2000 - 12, True), (2001 - 12, False)])
def test_a_page_in_a_bucket_that_does_not_exist_is_an_error(
    store: GcsStore, script: Script, padding: int, is_found: bool
) -> None:
    script.answer(404, b" " * padding + b"NoSuchBucket</Code>")
    if not is_found:
        assert store.read_page(PAGE) is None
        return
    with pytest.raises(UsageError) as caught:
        store.read_page(PAGE)
    assert caught.value.message == "gs://staging/nightly/: there is no such bucket"
    assert caught.value.hint == BUCKET_HINT


@pytest.mark.parametrize("generation", [None, "", "W/17", "-1"])
def test_a_page_without_a_generation_is_an_error(
    store: GcsStore, script: Script, generation: str | None
) -> None:
    script.answer(200, b"<html>", {"x-goog-generation": generation} if generation is not None else {})
    with pytest.raises(NetworkError) as caught:
        store.read_page(PAGE)
    assert caught.value.message == f"{LOCATION}: the response does not name the generation of the object"


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ({"x-goog-stored-content-length": "70", "Content-Length": "9"}, 70),
        ({"Content-Length": "9"}, 9),
        ({"Content-Length": "many"}, 0),
        ({"Content-Length": str((1 << 40) + 1)}, 0),
    ],
)
def test_the_size_of_a_file_is_that_of_the_stored_bytes(
    store: GcsStore, script: Script, headers: Mapping[str, str], size: int
) -> None:
    script.answer(200, b"", {**headers, "Last-Modified": "Tue, 03 Mar 2026 04:05:06 GMT"})
    facts = store.stat(PAGE)
    assert facts
    assert (facts.size, facts.created_at) == (size, datetime(2026, 3, 3, 4, 5, 6, tzinfo=UTC))
    script.answer(200, io.BytesIO())
    facts = store.stat(PAGE)
    assert facts
    assert (facts.size, facts.created_at) == (0, None)


def test_hashes_the_bytes_of_a_file(store: GcsStore, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs, "CHUNK_SIZE", 4)
    script.answer(200, b"0123456789")
    assert store.compute_sha256(PAGE) == hashlib.sha256(b"0123456789").hexdigest()
    assert script.lines == [f"GET {BUCKET_URL}{PAGE}"]
    assert script.sent[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(("length", "text"), [("1", "0 of 1 byte"), ("200", "0 of 200 bytes")])
@readers
def test_bytes_that_are_cut_are_an_error(
    store: GcsStore, script: Script, act: Callable[[GcsStore], object], length: str, text: str
) -> None:
    script.answer(200, b"", {"Content-Length": length, "x-goog-generation": "1"})
    with pytest.raises(TransportError) as caught:
        act(store)
    assert caught.value.message == f"{LOCATION}: only {text} arrived"
    # More bytes than announced, or an unknown length, are not a cut.
    script.answer(200, b"0123", {"Content-Length": "2", "x-goog-generation": "1"})
    act(store)
    script.answer(200, io.BytesIO(b"0123"), {"x-goog-generation": "1"})
    act(store)


@pytest.mark.parametrize(
    "error",
    [
        OSError("lost"),
        requests.ConnectionError("lost"),
        urllib3.exceptions.ProtocolError("lost"),
        urllib3.exceptions.HTTPError("lost"),
    ],
    ids=lambda error: type(error).__name__,
)
@readers
def test_a_connection_that_is_lost_is_an_error(
    store: GcsStore, script: Script, act: Callable[[GcsStore], object], error: Exception
) -> None:
    script.answer(200, CutBody(b"0123", error), {"x-goog-generation": "1", "Content-Length": "8"})
    with pytest.raises(TransportError) as caught:
        act(store)
    assert caught.value.message.startswith(f"{LOCATION}: ")
    assert "lost" in caught.value.message


@readers
def test_a_fault_of_the_program_is_not_one_of_the_connection(
    store: GcsStore, script: Script, act: Callable[[GcsStore], object]
) -> None:
    script.answer(200, CutBody(b"0123", LookupError("a fault")), {"x-goog-generation": "1"})
    with pytest.raises(LookupError, match="a fault"):
        act(store)


# --- writing ---------------------------------------------------------------------------------------


def test_creates_a_file_from_its_first_byte(store: GcsStore, script: Script) -> None:
    sent: list[int] = []
    script.answer(200)
    store.create("simple/demo/demo-1.0+a.whl", new_object(b"0123456789", sent))
    [request] = script.sent
    assert script.lines == [f"PUT {BUCKET_URL}simple/demo/demo-1.0%2Ba.whl"]
    assert request.body == b"0123456789"
    headers = {name: request.headers[name] for name in request.headers if name.startswith(("x", "content"))}
    assert headers == {
        "content-type": "application/octet-stream",
        "content-length": "10",
        "x-goog-if-generation-match": "0",
        "x-goog-meta-sha256": hashlib.sha256(b"0123456789").hexdigest(),
    }
    assert sent == [10]


def test_creates_an_empty_file(store: GcsStore, script: Script) -> None:
    script.answer(200)
    store.create("empty", new_object(b""))
    [request] = script.sent
    assert (request.body, request.headers["content-length"]) == (b"", "0")
    assert "transfer-encoding" not in request.headers


def test_a_file_or_page_that_exists_is_not_replaced(store: GcsStore, script: Script) -> None:
    sent: list[int] = []
    script.answer(412, b"<Code>PreconditionFailed</Code>")
    with pytest.raises(PreconditionFailed):
        store.create("demo.whl", new_object(b"x", sent))
    assert sent == []
    script.answer(412)
    with pytest.raises(PreconditionFailed):
        store.replace(PAGE, StoredPage(data=b"x", version="1"))


@pytest.mark.parametrize(("version", "condition"), [("", "0"), ("17", "17")])
def test_replaces_the_version_of_a_page_that_was_read(
    store: GcsStore, script: Script, version: str, condition: str
) -> None:
    kept = {"content-type": "text/html", "x-goog-meta-by": "hand"}
    script.answer(200)
    store.replace(PAGE, StoredPage(data=b"<html>", version=version, headers=kept))
    [request] = script.sent
    assert script.lines == [f"PUT {BUCKET_URL}{PAGE}"]
    assert request.body == b"<html>"
    assert request.headers["x-goog-if-generation-match"] == condition
    assert {name: request.headers[name] for name in kept} == kept


# --- lists -----------------------------------------------------------------------------------------


def list_url(folder: str, token: str = "") -> str:
    query = f"?prefix=nightly%2F{folder}%2F&delimiter=%2F&fields=items%28name%29%2Cprefixes%2CnextPageToken"
    return f"GET {LIST_URL}{query}" + (f"&pageToken={token}" if token else "")


def answer_names(script: Script, names: list[str], folders: list[str] | None = None, token: str = "") -> None:
    value: dict[str, object] = {"items": [{"name": name} for name in names]} if names else {}
    if folders:
        value["prefixes"] = folders
    if token:
        value["nextPageToken"] = token
    script.answer(200, json.dumps(value).encode())


def test_lists_the_names_below_a_folder_of_every_page(store: GcsStore, script: Script) -> None:
    answer_names(script, ["nightly/simple/a", "nightly/simple/b"], ["nightly/simple/demo/"], "next")
    answer_names(script, ["nightly/simple/c"], ["nightly/simple/otherX/", "nightly/simple/demo/"])
    names = store.list_names("simple/")
    assert names.files == {"a", "b", "c"}
    assert names.folders == {"demo", "otherX"}
    assert names.is_complete
    assert script.lines == [list_url("simple"), list_url("simple", "next")]


def test_a_list_that_leads_to_an_earlier_page_ends(store: GcsStore, script: Script) -> None:
    for token in ("one", "two", "one"):
        answer_names(script, ["nightly/simple/a"], token=token)
    names = store.list_names("simple/")
    assert (set(names.files), names.is_complete) == ({"a"}, False)
    assert script.lines == [list_url("simple"), list_url("simple", "one"), list_url("simple", "two")]


def test_lists_an_empty_folder_and_a_bucket_whose_name_is_quoted(account: Account, script: Script) -> None:
    script.answer(200, b"{}")
    names = GcsStore("a/b", "").list_names("")
    assert (names.files, names.folders, names.is_complete) == (frozenset(), frozenset(), True)
    assert script.sent[0].url.startswith(
        "https://storage.googleapis.com/storage/v1/b/a%2Fb/o?prefix=&delimiter=%2F&"
    )


@pytest.mark.parametrize(("limit", "is_complete"), [(3, False), (4, True), (1, False)])
def test_ends_a_list_that_is_too_long(
    store: GcsStore, script: Script, monkeypatch: pytest.MonkeyPatch, limit: int, is_complete: bool
) -> None:
    monkeypatch.setattr(gcs, "MAX_LISTED_NAMES", limit)
    answer_names(script, ["nightly/simple/a", "nightly/simple/b"], ["nightly/simple/demo/"], "next")
    answer_names(script, ["nightly/simple/c"])
    names = store.list_names("simple/")
    assert names.is_complete == is_complete
    assert len(script.sent) == (2 if is_complete else 1)
    assert names.files == {"a", "b", *(["c"] if is_complete else [])}


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Sign in</html>",
        b"",
        b"[]",
        b'"items"',
        b'{"items": 1}',
        b'{"items": [1]}',
        b'{"items": null}',
        b'{"items": {"name": "a"}}',
        b'{"prefixes": null}',
        b'{"prefixes": 1}',
    ],
)
def test_a_list_that_is_not_one_is_an_error(store: GcsStore, script: Script, body: bytes) -> None:
    script.answer(200, body)
    with pytest.raises(NetworkError) as caught:
        store.list_names("simple/")
    assert caught.value.message == "gs://staging/nightly/: the response is not a list of objects"


def test_an_entry_without_a_name_is_not_an_object(store: GcsStore, script: Script) -> None:
    script.answer(200, b'{"items": [{}, {"name": "nightly/simple/a"}]}')
    assert store.list_names("simple/").files == {"a"}


# --- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@actions
def test_a_refusal_is_an_error_of_the_credentials(
    store: GcsStore, script: Script, act: Callable[[GcsStore], object], status: int
) -> None:
    script.answer(status, b"<Code>AccessDenied</Code>")
    with pytest.raises(CredentialsError) as caught:
        act(store)
    assert caught.value.message == (f"{LOCATION}: the bucket refused the request (<Code>AccessDenied</Code>)")
    assert caught.value.hint == CREDENTIALS_HINT


@pytest.mark.parametrize("status", [199, 300, 301, 400, 402, 429, 500, 503])
@actions
def test_another_status_is_an_error_with_the_excerpt_and_the_pause(
    store: GcsStore, script: Script, act: Callable[[GcsStore], object], status: int
) -> None:
    headers = {"Retry-After": "7", "Location": "https://other.example/"}
    script.answer(status, b"\x1b" + b"x" * 400, headers, reason="A reason\x1b")
    with pytest.raises(HttpStatusError) as caught:
        act(store)
    error = caught.value
    assert (error.status, error.url, error.retry_after) == (status, LOCATION, 7.0)
    assert error.reason == redaction.sanitize("A reason\x1b")
    assert error.excerpt == redaction.sanitize("\x1b" + "x" * 400, limit=300)
    assert len(script.sent) == 1


@actions
def test_an_error_without_words_has_none(
    store: GcsStore, script: Script, act: Callable[[GcsStore], object]
) -> None:
    script.answer(500)
    with pytest.raises(HttpStatusError) as caught:
        act(store)
    assert caught.value.message == f"{LOCATION} returned 500"
    assert caught.value.retry_after is None


def test_an_error_whose_words_are_lost_is_still_that_error(store: GcsStore, script: Script) -> None:
    script.answer(503, CutBody(b"", urllib3.exceptions.ProtocolError("lost")), reason="Busy")
    with pytest.raises(HttpStatusError) as caught:
        store.read_page(PAGE)
    assert caught.value.message == f"{LOCATION} returned 503 Busy"
    script.answer(503, b"\xff", reason="Busy")
    with pytest.raises(HttpStatusError, match="returned 503 Busy: \ufffd"):
        store.read_page(PAGE)
    script.answer(503, CutBody(b"", OSError("lost")), reason="Busy")
    with pytest.raises(HttpStatusError, match="returned 503 Busy"):
        store.read_page(PAGE)


@parametrize("create", "replace", "list")
def test_a_bucket_that_is_not_found_is_an_error(
    store: GcsStore, script: Script, act: Callable[[GcsStore], object]
) -> None:
    script.answer(404)
    with pytest.raises(UsageError) as caught:
        act(store)
    assert caught.value.message == f"{LOCATION}: there is no such bucket"
    assert caught.value.hint == BUCKET_HINT


@actions
def test_a_request_without_an_answer_is_an_error_that_may_pass(
    store: GcsStore, script: Script, act: Callable[[GcsStore], object]
) -> None:
    script.fail(requests.ConnectionError("refused"))
    with pytest.raises(TransportError) as caught:
        act(store)
    assert caught.value.message == f"{LOCATION}: refused"
