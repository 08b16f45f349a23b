"""Test the requests of a static index in a bucket of S3, and the result of each answer."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support import static_stores
from tests.support.memory_store import new_object
from tests.support.scripted_buckets import CutBody, Script, script_botocore
from wheel_uploader.core import redaction
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    TransportError,
    UsageError,
)
from wheel_uploader.targets.static_index import s3
from wheel_uploader.targets.static_index.object_store import PreconditionFailed, StoredPage
from wheel_uploader.targets.static_index.s3 import S3Store

botocore_session: Any = pytest.importorskip("botocore.session")
exceptions: Any = pytest.importorskip("botocore.exceptions")
urllib3: Any = pytest.importorskip("urllib3")

BUCKET_URL = "https://store.example/staging/nightly/"
PAGE = "simple/demo/index.html"
LOCATION = f"s3://staging/nightly/{PAGE}"
CREDENTIALS_HINT = (
    "The credentials need s3:GetObject, s3:PutObject and s3:ListBucket for this bucket (without the last one "
    "a missing page looks like a forbidden one). Check AWS_PROFILE and the AWS_* variables."
)
CONFIGURATION_HINT = "Correct the AWS configuration."


@pytest.fixture(scope="module")
def loader() -> object:
    """The descriptions of the services, which take long to read."""
    return botocore_session.get_session().get_component("data_loader")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, loader: object) -> Script:
    real_session = botocore_session.get_session

    def get_session() -> Any:
        session = real_session()
        session.register_component("data_loader", loader)
        return session

    monkeypatch.setattr(botocore_session, "get_session", get_session)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in static_stores.AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://store.example")
    return script_botocore(monkeypatch)


@pytest.fixture
def store(script: Script) -> S3Store:
    return S3Store("staging", "/nightly/")


def error_body(code: str, message: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


ACTIONS: Mapping[str, Callable[[S3Store], object]] = {
    "read_page": lambda store: store.read_page(PAGE),
    "hash": lambda store: store.compute_sha256(PAGE),
    "create": lambda store: store.create(PAGE, new_object(b"x")),
    "replace": lambda store: store.replace(PAGE, StoredPage(data=b"x", version='"1"')),
    "remove": lambda store: store.remove(PAGE),
    "list": lambda store: store.list_names(PAGE),
}
readers = pytest.mark.parametrize("act", [ACTIONS["read_page"], ACTIONS["hash"]], ids=["read_page", "hash"])


# --- the place and the login -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket", "region", "endpoint", "served_url"),
    [
        ("my-bucket", "eu-west-3", "", "https://my-bucket.s3.eu-west-3.amazonaws.com/a%20b/"),
        ("my-bucket", "aws-global", "", "https://my-bucket.s3.amazonaws.com/a%20b/"),
        ("my.bucket", "eu-west-3", "", "https://s3.eu-west-3.amazonaws.com/my.bucket/a%20b/"),
        ("my-bucket", "", "http://h.example:9/base/", "http://h.example:9/base/my-bucket/a%20b/"),
        ("my-bucket", "", "http://h.example:9/X", "http://h.example:9/X/my-bucket/a%20b/"),
        ("my-bucket", "", "https://amazonaws.com.example", "https://amazonaws.com.example/my-bucket/a%20b/"),
    ],
)
def test_knows_where_the_bucket_serves_its_objects(
    script: Script, monkeypatch: pytest.MonkeyPatch, bucket: str, region: str, endpoint: str, served_url: str
) -> None:
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    else:
        monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    if region:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    store = S3Store(bucket, "/a b/")
    assert store.location == f"s3://{bucket}/a b/"
    assert store.served_url == served_url
    assert store.has_exact_keys
    assert script.sent == []


def test_only_slashes_are_cut_from_the_prefix(script: Script) -> None:
    assert S3Store("staging", "/XpX/").served_url == "https://store.example/staging/XpX/"
    assert script.sent == []


@pytest.mark.parametrize("prefix", ["", "/"])
def test_an_index_may_be_at_the_top_of_a_bucket(script: Script, prefix: str) -> None:
    store = S3Store("staging", prefix)
    assert (store.location, store.served_url) == ("s3://staging/", "https://store.example/staging/")
    script.answer(204)
    store.remove("a")
    assert script.lines == ["DELETE https://store.example/staging/a"]


def test_a_service_without_regions_needs_none(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    script.answer(204)
    S3Store("staging", "").remove("a")
    assert "/us-east-1/s3/aws4_request" in script.sent[0].headers["authorization"]
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    script.answer(204)
    S3Store("staging", "").remove("a")
    assert "/eu-west-3/s3/aws4_request" in script.sent[1].headers["authorization"]


def test_the_endpoint_is_checked_before_anything_is_sent(script: Script) -> None:
    checked: list[str] = []

    def check(endpoint: str) -> None:
        checked.append(endpoint)
        raise UsageError("not this one")

    store = S3Store("staging", "", check_endpoint=check)
    assert checked == []
    for act in (store.log_in, lambda: store.stat("a")):
        with pytest.raises(UsageError, match="not this one"):
            act()
    assert checked == ["https://store.example"] * 2
    assert script.sent == []


def test_says_which_credentials_it_takes_and_masks_them(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, token = "a-secret-of-this-test", "a-token-of-this-test"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    assert S3Store("staging", "").log_in() == "AWS access key testing-key (env)"
    assert script.sent == []
    shown = redaction.sanitize(f"{secret} and {token}")
    assert secret not in shown
    assert token not in shown


def test_no_credentials_are_an_error(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = S3Store("staging", "nightly")
    with pytest.raises(CredentialsError) as caught:
        store.log_in()
    assert caught.value.message == "no AWS credentials for s3://staging/nightly/ were found"
    assert caught.value.hint == (
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or use a role."
    )
    with pytest.raises(CredentialsError) as caught:
        store.stat(PAGE)
    assert caught.value.message == f"{LOCATION}: Unable to locate credentials"
    assert caught.value.hint == CREDENTIALS_HINT
    assert script.sent == []


def test_half_of_the_credentials_are_an_error(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError, match=r"^s3://staging/: Partial credentials found"):
        S3Store("staging", "").log_in()
    assert script.sent == []


def test_an_unknown_profile_is_an_error_of_the_configuration(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nightly")
    with pytest.raises(UsageError) as caught:
        S3Store("staging", "").log_in()
    assert caught.value.message == "s3://staging/: The config profile (nightly) could not be found"
    assert caught.value.hint == CONFIGURATION_HINT
    assert script.sent == []


def test_an_endpoint_that_is_not_a_url_is_an_error_of_the_configuration(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "store.example")
    with pytest.raises(UsageError) as caught:
        S3Store("staging", "").stat("a")
    assert caught.value.message == "s3://staging/: Invalid endpoint: store.example"
    assert caught.value.hint == CONFIGURATION_HINT
    assert script.sent == []


def test_a_missing_library_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.config", None)
    with pytest.raises(UsageError) as caught:
        S3Store("staging", "p")
    assert caught.value.message == "s3:// needs the package botocore"
    assert caught.value.hint == "Install it with: pip install 'wheel-uploader[s3]'"


@pytest.mark.parametrize(
    ("options", "timeout", "connections"),
    [
        ({}, (10.0, 30.0), 10),
        ({"timeout": 5.0, "connections": 3}, (5.0, 5.0), 3),
        ({"timeout": 60.0, "connections": 20}, (10.0, 60.0), 20),
    ],
)
def test_connections_have_the_limits_of_the_options(
    script: Script, options: Mapping[str, Any], timeout: tuple[float, float], connections: int
) -> None:
    script.answer(204)
    S3Store("staging", "", **options).remove("a")
    [sent] = script.sent
    limits: Any = sent.timeout
    assert (limits.connect_timeout, limits.read_timeout) == timeout
    session: Any = sent.session
    assert session._max_pool_connections == connections


def test_the_connections_are_closed(store: S3Store, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    store.close()
    script.answer(204)
    store.remove("a")
    session = script.sent[0].session
    monkeypatch.setattr(session, "close", lambda: closed.append(session))
    store.close()
    assert closed == [session]


# --- reading ---------------------------------------------------------------------------------------


def test_reads_a_page_with_the_headers_that_a_new_version_keeps(store: S3Store, script: Script) -> None:
    kept = {
        "Content-Type": "text/html",
        "Cache-Control": "no-cache",
        "Content-Disposition": "inline",
        "Content-Language": "en",
        "Content-Encoding": "identity",
        "x-amz-meta-by": "hand",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "key",
        "x-amz-server-side-encryption-bucket-key-enabled": "true",
    }
    others = {"ETag": '"17"', "Last-Modified": "Tue, 03 Mar 2026 04:05:06 GMT", "x-amz-version-id": "9"}
    script.answer(200, b"<html>", {**kept, **others})
    page = store.read_page(PAGE)
    expected: Any = {
        "ContentType": "text/html",
        "CacheControl": "no-cache",
        "ContentDisposition": "inline",
        "ContentLanguage": "en",
        "ContentEncoding": "identity",
        "Metadata": {"by": "hand"},
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "key",
        "BucketKeyEnabled": True,
    }
    assert page == StoredPage(data=b"<html>", version='"17"', headers=expected)
    assert script.lines == [f"GET {BUCKET_URL}{PAGE}"]
    # All of them are sent with the new version, under their condition.
    script.answer(200, b"", {"ETag": '"18"'})
    store.replace(PAGE, dataclasses.replace(page, data=b"<html>new"))
    headers = script.sent[1].headers
    assert {name.lower(): headers[name.lower()] for name in kept} == {n.lower(): v for n, v in kept.items()}
    assert script.lines[1] == f"PUT {BUCKET_URL}{PAGE}"
    assert script.sent[1].body == b"<html>new"
    assert (headers["if-match"], headers.get("if-none-match")) == ('"17"', None)


def test_a_page_without_headers_has_none(store: S3Store, script: Script) -> None:
    script.answer(200, b"<html>", {"ETag": '"1"'})
    assert store.read_page(PAGE) == StoredPage(data=b"<html>", version='"1"', headers={})


def test_a_new_page_must_not_exist(store: S3Store, script: Script) -> None:
    headers = store.make_headers("text/html", "no-cache")
    script.answer(200, b"", {"ETag": '"1"'})
    store.replace(PAGE, StoredPage(data=b"<html>", version="", headers=headers))
    sent = script.sent[0].headers
    assert (sent["content-type"], sent["cache-control"]) == ("text/html", "no-cache")
    assert (sent.get("if-match"), sent["if-none-match"]) == (None, "*")


def test_reads_little_more_than_the_largest_page(
    store: S3Store, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "MAX_PAGE_SIZE", 11)
    script.answer(200, bytes(range(40)), {"ETag": '"1"'})
    page = store.read_page(PAGE)
    assert page
    assert page.data == bytes(range(12))


@pytest.mark.parametrize("code", ["NoSuchKey", "NotFound", "404", ""])
def test_returns_nothing_for_a_missing_object(store: S3Store, script: Script, code: str) -> None:
    body = error_body(code) if code else b""
    script.answer(404, body)
    assert store.read_page(PAGE) is None
    script.answer(404)
    assert store.stat(PAGE) is None
    assert script.lines == [f"GET {BUCKET_URL}{PAGE}", f"HEAD {BUCKET_URL}{PAGE}"]


@pytest.mark.parametrize(
    ("headers", "size", "created_at"),
    [
        (
            {"Content-Length": "70", "Last-Modified": "Tue, 03 Mar 2026 04:05:06 GMT"},
            70,
            datetime(2026, 3, 3, 4, 5, 6, tzinfo=UTC),
        ),
        ({}, 0, None),
    ],
)
def test_reads_the_facts_of_a_file(
    store: S3Store, script: Script, headers: Mapping[str, str], size: int, created_at: datetime | None
) -> None:
    script.answer(200, io.BytesIO(), headers)
    facts = store.stat(PAGE)
    assert facts
    assert (facts.size, facts.created_at) == (size, created_at)


def test_hashes_the_bytes_of_a_file(store: S3Store, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "CHUNK_SIZE", 4)
    script.answer(200, b"0123456789")
    assert store.compute_sha256(PAGE) == hashlib.sha256(b"0123456789").hexdigest()
    assert script.lines == [f"GET {BUCKET_URL}{PAGE}"]


@pytest.mark.parametrize(("length", "text"), [("1", "0 of 1 byte"), ("200", "0 of 200 bytes")])
@readers
def test_bytes_that_are_cut_are_an_error(
    store: S3Store, script: Script, act: Callable[[S3Store], object], length: str, text: str
) -> None:
    script.answer(200, b"", {"Content-Length": length, "ETag": '"1"'})
    with pytest.raises(TransportError) as caught:
        act(store)
    # botocore checks the length at the end of the body.
    assert caught.value.message.startswith(f"{LOCATION}: ")
    numbers = re.findall(r"\d+", caught.value.message.removeprefix(LOCATION))
    assert set(numbers) == {"0", length}, text


@readers
def test_a_length_that_is_not_announced_is_accepted(
    store: S3Store, script: Script, act: Callable[[S3Store], object]
) -> None:
    script.answer(200, io.BytesIO(b"0123"), {"ETag": '"1"'})
    act(store)


def test_a_page_that_is_cut_below_its_limit_is_an_error(
    store: S3Store, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "MAX_PAGE_SIZE", 4)
    script.answer(200, b"0123", {"Content-Length": "40", "ETag": '"1"'})
    page = store.read_page(PAGE)
    assert page
    assert page.data == b"0123"
    script.answer(200, b"012", {"Content-Length": "40", "ETag": '"1"'})
    with pytest.raises(TransportError) as caught:
        store.read_page(PAGE)
    assert "3" in caught.value.message


@pytest.mark.parametrize(
    "error",
    [urllib3.exceptions.ProtocolError("lost"), urllib3.exceptions.ReadTimeoutError(None, "", "lost")],
    ids=lambda error: type(error).__name__,
)
@readers
def test_a_connection_that_is_lost_is_an_error(
    store: S3Store, script: Script, act: Callable[[S3Store], object], error: Exception
) -> None:
    script.answer(200, CutBody(b"0123", error), {"ETag": '"1"', "Content-Length": "8"})
    with pytest.raises(TransportError) as caught:
        act(store)
    assert caught.value.message.startswith(f"{LOCATION}: ")


def test_a_page_without_a_version_is_an_error(store: S3Store, script: Script) -> None:
    script.answer(200, b"<html>")
    with pytest.raises(NetworkError) as caught:
        store.read_page(PAGE)
    assert caught.value.message == f"{LOCATION}: the response has no 'ETag'"


# --- writing ---------------------------------------------------------------------------------------


def test_creates_a_file_from_its_first_byte(store: S3Store, script: Script) -> None:
    sent: list[int] = []
    script.answer(200, b"", {"ETag": '"1"'})
    store.create("simple/demo/demo-1.0+a.whl", new_object(b"0123456789", sent))
    [request] = script.sent
    assert script.lines == [f"PUT {BUCKET_URL}simple/demo/demo-1.0%2Ba.whl"]
    assert request.body == b"0123456789"
    sha256 = hashlib.sha256(b"0123456789").hexdigest()
    expected = {
        "content-type": "application/octet-stream",
        "content-length": "10",
        "if-none-match": "*",
        "x-amz-meta-sha256": sha256,
        # Signed, so that the service rejects other bytes.
        "x-amz-content-sha256": sha256,
    }
    assert {name: request.headers[name] for name in expected} == expected
    assert not [name for name in request.headers if "checksum" in name]
    assert sent == [10]


def test_a_file_or_page_that_exists_is_not_replaced(store: S3Store, script: Script) -> None:
    sent: list[int] = []
    for status, body in ((412, b""), (412, error_body("PreconditionFailed")), (400, error_body("x"))):
        script.answer(status, body)
    for _ in range(2):
        with pytest.raises(PreconditionFailed):
            store.create("demo.whl", new_object(b"x", sent))
    assert sent == []
    with pytest.raises(HttpStatusError):
        store.create("demo.whl", new_object(b"x", sent))
    # A service may have another status for the same code.
    script.answer(409, error_body("PreconditionFailed"))
    with pytest.raises(PreconditionFailed):
        store.replace(PAGE, StoredPage(data=b"x", version='"1"'))


def test_removes_a_file_that_may_be_gone(store: S3Store, script: Script) -> None:
    script.answer(204)
    store.remove("a b")
    assert script.lines == [f"DELETE {BUCKET_URL}a%20b"]


# --- files that are uploaded in parts --------------------------------------------------------------

KEY = "nightly/demo.whl"
UPLOADS = f"""<ListMultipartUploadsResult>
  <Upload><Key>{KEY}</Key><UploadId>old</UploadId></Upload>
  <Upload><Key>{KEY}.metadata</Key><UploadId>other</UploadId></Upload>
  <Upload><Key>{KEY}</Key><UploadId>older</UploadId></Upload>
</ListMultipartUploadsResult>""".encode()
STARTED = b"<InitiateMultipartUploadResult><UploadId>new</UploadId></InitiateMultipartUploadResult>"
DONE = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
FILE_URL = f"{BUCKET_URL}demo.whl"
DATA = bytes(range(256)) * 100


def parts_store(max_put_size: int = 20_000, part_size: int = 10_000) -> S3Store:
    return S3Store("staging", "nightly", max_put_size=max_put_size, part_size=part_size)


def answer_parts(script: Script, number: int) -> None:
    for part in range(1, number + 1):
        script.answer(200, b"", {"ETag": f'"{part}"'})


def test_a_large_file_is_created_by_the_last_request(script: Script) -> None:
    sent: list[int] = []
    script.answer(200, UPLOADS)
    script.answer(204)
    script.answer(204)
    script.answer(200, STARTED)
    answer_parts(script, 3)
    script.answer(200, DONE)
    parts_store().create("demo.whl", new_object(DATA, sent))
    assert script.lines == [
        "GET https://store.example/staging?uploads&prefix=nightly%2Fdemo.whl",
        f"DELETE {FILE_URL}?uploadId=old",
        f"DELETE {FILE_URL}?uploadId=older",
        f"POST {FILE_URL}?uploads",
        f"PUT {FILE_URL}?uploadId=new&partNumber=1",
        f"PUT {FILE_URL}?uploadId=new&partNumber=2",
        f"PUT {FILE_URL}?uploadId=new&partNumber=3",
        f"POST {FILE_URL}?uploadId=new",
    ]
    start, *parts, end = script.sent[3:]
    assert start.headers["content-type"] == "application/octet-stream"
    assert start.headers["x-amz-meta-sha256"] == hashlib.sha256(DATA).hexdigest()
    assert [part.body for part in parts] == [DATA[:10_000], DATA[10_000:20_000], DATA[20_000:]]
    assert [part.headers["content-length"] for part in parts] == ["10000", "10000", "5600"]
    assert end.headers["if-none-match"] == "*"
    numbers = re.findall(rb"<PartNumber>(\d)</PartNumber>", end.body)
    tags = re.findall(rb"<ETag>\D*(\d)\D*</ETag>", end.body)
    assert (numbers, tags) == ([b"1", b"2", b"3"], [b"1", b"2", b"3"])
    assert sent == [10_000, 10_000, 5_600]


@pytest.mark.parametrize(("size", "in_parts"), [(20_000, False), (20_001, True)])
def test_only_a_file_above_the_limit_is_uploaded_in_parts(script: Script, size: int, in_parts: bool) -> None:
    if in_parts:
        script.answer(200, b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")
        script.answer(200, STARTED)
        answer_parts(script, 3)
    script.answer(200, DONE)
    parts_store().create("demo.whl", new_object(bytes(size)))
    assert script.answers == []


def test_a_file_has_no_more_parts_than_are_allowed(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_MAX_PARTS", 3)
    script.answer(200, b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")
    script.answer(200, STARTED)
    answer_parts(script, 3)
    script.answer(200, DONE)
    parts_store(part_size=1).create("demo.whl", new_object(DATA))
    assert [len(sent.body) for sent in script.sent[2:5]] == [8534, 8534, 8532]


def test_the_limits_are_those_of_s3() -> None:
    assert s3._MAX_PUT_SIZE == 5 * 1024**3
    assert s3._PART_SIZE == 64 * 1024**2
    assert s3._MAX_PARTS == 10_000


@pytest.mark.parametrize("aborts", [True, False])
def test_an_upload_that_fails_is_aborted(script: Script, *, aborts: bool) -> None:
    sent: list[int] = []
    script.answer(403, error_body("AccessDenied"))  # The list of uploads is not needed.
    script.answer(200, STARTED)
    answer_parts(script, 1)
    script.answer(500, error_body("InternalError", "Try again"))
    script.answer(204 if aborts else 500)
    with pytest.raises(HttpStatusError) as caught:
        parts_store().create("demo.whl", new_object(DATA, sent))
    assert caught.value.message == "s3://staging/nightly/demo.whl returned 500 InternalError: Try again"
    assert script.lines[-1] == f"DELETE {FILE_URL}?uploadId=new"
    assert sent == [10_000]


def test_a_large_file_that_exists_is_not_replaced(script: Script) -> None:
    script.answer(200, b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")
    script.answer(200, STARTED)
    answer_parts(script, 3)
    script.answer(412, error_body("PreconditionFailed"))
    script.answer(204)
    with pytest.raises(PreconditionFailed):
        parts_store().create("demo.whl", new_object(DATA))
    assert script.lines[-1] == f"DELETE {FILE_URL}?uploadId=new"


# --- lists -----------------------------------------------------------------------------------------


def answer_names(script: Script, names: list[str], folders: list[str], more: str = "") -> None:
    contents = "".join(f"<Contents><Key>{name}</Key></Contents>" for name in names)
    prefixes = "".join(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in folders)
    script.answer(200, f"<ListBucketResult>{contents}{prefixes}{more}</ListBucketResult>".encode())


MORE = "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>"


def test_lists_the_names_below_a_folder_of_every_page(store: S3Store, script: Script) -> None:
    answer_names(script, ["nightly/simple/a", "nightly/simple/b"], ["nightly/simple/demo/"], MORE)
    answer_names(script, ["nightly/simple/c"], ["nightly/simple/otherX/"], MORE.replace("true", "false"))
    names = store.list_names("simple/")
    assert names.files == {"a", "b", "c"}
    assert names.folders == {"demo", "otherX"}
    assert names.is_complete
    assert {urlsplit(sent.url)._replace(query="").geturl() for sent in script.sent} == {
        "https://store.example/staging"
    }
    first, second = (dict(parse_qsl(urlsplit(sent.url).query)) for sent in script.sent)
    expected = {"list-type": "2", "prefix": "nightly/simple/", "delimiter": "/", "encoding-type": "url"}
    assert first == expected
    assert second == {**expected, "continuation-token": "next"}


def test_a_list_that_leads_to_an_earlier_page_ends(store: S3Store, script: Script) -> None:
    for more in (MORE, MORE.replace("next", "second"), MORE):
        answer_names(script, ["nightly/simple/a"], [], more)
    names = store.list_names("simple/")
    assert (set(names.files), names.is_complete, len(script.sent)) == ({"a"}, False, 3)


@pytest.mark.parametrize("more", ["", "<IsTruncated>true</IsTruncated>"])
def test_an_empty_folder_has_no_names(store: S3Store, script: Script, more: str) -> None:
    answer_names(script, [], [], more)
    names = store.list_names("simple/")
    assert (names.files, names.folders, names.is_complete) == (frozenset(), frozenset(), True)


@pytest.mark.parametrize(("limit", "is_complete"), [(3, False), (4, True), (1, False)])
def test_ends_a_list_that_is_too_long(
    store: S3Store, script: Script, monkeypatch: pytest.MonkeyPatch, limit: int, is_complete: bool
) -> None:
    monkeypatch.setattr(s3, "MAX_LISTED_NAMES", limit)
    answer_names(script, ["nightly/simple/a", "nightly/simple/b"], ["nightly/simple/demo/"], MORE)
    answer_names(script, ["nightly/simple/c"], [])
    names = store.list_names("simple/")
    assert names.is_complete == is_complete
    assert len(script.sent) == (2 if is_complete else 1)
    assert names.files == {"a", "b", *(["c"] if is_complete else [])}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html><p>Sign in</html>", " returned 500 500: Internal Server Error"),
        (b"{}", " returned 500 500: Internal Server Error"),
        (b"<ListBucketResult><Contents>", " returned 500 500: Internal Server Error"),
        (b"<ListBucketResult><Contents></Contents></ListBucketResult>", ": the response has no 'Key'"),
        (
            b"<ListBucketResult><CommonPrefixes></CommonPrefixes></ListBucketResult>",
            ": the response has no 'Prefix'",
        ),
    ],
)
def test_a_list_that_is_not_one_is_an_error(store: S3Store, script: Script, body: bytes, reason: str) -> None:
    script.answer(200, body)
    with pytest.raises(NetworkError) as caught:
        store.list_names("simple/")
    assert caught.value.message == f"s3://staging/nightly/simple/{reason}"


@pytest.mark.parametrize("body", [b"<html><p>Sign in", b"{}", b"", b"<Result></Result>"])
def test_an_upload_whose_start_is_answered_by_something_else_is_an_error(script: Script, body: bytes) -> None:
    script.answer(200, b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")
    script.answer(200, body)
    with pytest.raises(NetworkError) as caught:
        parts_store().create("demo.whl", new_object(DATA))
    assert caught.value.message.startswith("s3://staging/nightly/demo.whl")


# --- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("message", "words"), [("Not you", "AccessDenied: Not you"), ("", "AccessDenied")], ids=["said", "unsaid"]
)
def test_a_refusal_is_an_error_of_the_credentials(
    store: S3Store, script: Script, status: int, message: str, words: str
) -> None:
    for act in ACTIONS.values():
        script.answer(status, error_body("AccessDenied", message))
        with pytest.raises(CredentialsError) as caught:
            act(store)
        assert caught.value.message == f"{LOCATION}: the bucket refused the request ({words})"
        assert caught.value.hint == CREDENTIALS_HINT


@pytest.mark.parametrize("status", [400, 402, 404, 429, 500, 503])
def test_another_status_is_an_error_with_the_words_and_the_pause(
    store: S3Store, script: Script, status: int
) -> None:
    for act in ACTIONS.values():
        script.answer(status, error_body("Odd" * 30, "x" * 400), {"Retry-After": "7"})
        with pytest.raises(HttpStatusError) as caught:
            act(store)
        error = caught.value
        assert (error.status, error.url, error.retry_after) == (status, LOCATION, 7.0)
        assert error.reason == redaction.sanitize("Odd" * 30, limit=60)
        assert error.excerpt == redaction.sanitize("x" * 400, limit=300)
    assert len(script.sent) == len(ACTIONS)


@pytest.mark.parametrize(
    "code", ["ConditionalRequestConflict", "OperationAborted", "SlowDown", "RequestTimeout", "NoSuchUpload"]
)
def test_an_error_that_may_pass_is_one_of_a_busy_service(store: S3Store, script: Script, code: str) -> None:
    script.answer(409, error_body(code))
    with pytest.raises(HttpStatusError) as caught:
        store.remove(PAGE)
    assert (caught.value.status, caught.value.retry_after) == (503, None)
    assert caught.value.message == f"{LOCATION} returned 503 {code}"


def test_a_bucket_that_is_not_found_is_an_error(store: S3Store, script: Script) -> None:
    script.answer(404, error_body("NoSuchBucket", "It is not there"))
    with pytest.raises(UsageError) as caught:
        store.read_page(PAGE)
    assert caught.value.message == f"{LOCATION}: NoSuchBucket: It is not there"
    assert caught.value.hint == "Correct the name of the bucket, or create it."


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="u"), TransportError, None),
        (exceptions.ConnectTimeoutError(endpoint_url="u"), TransportError, None),
        (exceptions.SSLError(endpoint_url="u", error="e"), TransportError, None),
        (exceptions.HTTPClientError(error="e"), TransportError, None),
        (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), TransportError, None),
        (exceptions.ResponseStreamingError(error="e"), TransportError, None),
        (exceptions.TokenRetrievalError(provider="p", error_msg="e"), CredentialsError, CREDENTIALS_HINT),
        (exceptions.PartialCredentialsError(provider="p", cred_var="v"), CredentialsError, CREDENTIALS_HINT),
        (exceptions.ConfigParseError(path="p"), UsageError, CONFIGURATION_HINT),
        (exceptions.ParamValidationError(report="r"), UsageError, CONFIGURATION_HINT),
        (exceptions.UnknownSignatureVersionError(signature_version="9"), NetworkError, None),
        (ValueError("odd"), UsageError, CONFIGURATION_HINT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_the_library_is_one_of_this_program(
    store: S3Store,
    script: Script,
    error: Exception,
    kind: type[NetworkError | CredentialsError | UsageError],
    hint: str | None,
) -> None:
    for act in ACTIONS.values():
        script.fail(error)
        with pytest.raises(kind) as caught:
            act(store)
        assert type(caught.value) is kind
        assert caught.value.message == f"{LOCATION}: {redaction.sanitize(str(error))}"
        assert caught.value.hint == (hint or kind.default_hint)
    assert len(script.sent) == len(ACTIONS)
