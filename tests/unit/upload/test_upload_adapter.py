"""Test the time limits, the progress and the causes of failures of one upload, without a connection."""

from __future__ import annotations

import io
import ssl
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Self

import pytest
import requests
import urllib3.exceptions

from wheel_uploader.http.requests_network import Network, NetworkAdapter
from wheel_uploader.http.response import MIN_PROGRESS_BYTES, PROGRESS_INTERVAL
from wheel_uploader.upload import requests_adapter
from wheel_uploader.upload.requests_adapter import UploadAdapter

#: The size of the file, and of the form around it.
SIZE, REST = 200_000, 1_000
TIMEOUT = 30.0


@dataclass
class Limit:
    """Records the time limits that a request gets."""

    given: list[tuple[float, str]] = field(default_factory=list)
    passed: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def give(self, seconds: float, reason: str) -> None:
        self.given.append((seconds, reason))


class Bar:
    def __init__(self) -> None:
        self.steps: list[int] = []

    def advance(self, number: int) -> None:
        self.steps.append(number)


@dataclass
class Raw:
    """The body of a response, of which too much must not be read."""

    content: bytes = b"words"
    error: Exception | None = None
    is_closed: bool = False
    asked: list[tuple[int, bool]] = field(default_factory=list)

    def read(self, size: int, *, decode_content: bool) -> bytes:
        self.asked.append((size, decode_content))
        if self.error:
            raise self.error
        return self.content[:size]

    def close(self) -> None:
        self.is_closed = True


class Upload:
    """One request: the adapter, and an index that accepts the form up to the given positions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.limit, self.bar, self.raw = Limit(), Bar(), Raw()
        self.positions: list[int] = [SIZE + REST]
        self.headers = {"Content-Type": "text/plain"}
        self.error: Exception | None = None
        self.options: dict[str, Any] = {}
        monkeypatch.setattr(requests_adapter, "_TimeLimit", lambda _connections: self.limit)
        monkeypatch.setattr(NetworkAdapter, "send", self._send)
        self.adapter = UploadAdapter(TIMEOUT, Network())
        self.adapter.start_file(SIZE, self.bar)  # type: ignore[arg-type]

    def _send(self, request: Any, **options: Any) -> requests.Response:
        self.options = options
        for position in self.positions:
            request.body.callback(SimpleNamespace(bytes_read=position, len=SIZE + REST))
        if self.error:
            raise self.error
        response = requests.Response()
        response.status_code, response.raw = 200, self.raw
        response.headers.update(self.headers)
        return response

    def send(self) -> requests.Response:
        request: Any = SimpleNamespace(body=SimpleNamespace(callback=None), url="https://index.example/")
        return self.adapter.send(request, timeout=1.0, stream=False, verify=True)


@pytest.fixture
def upload(monkeypatch: pytest.MonkeyPatch) -> Upload:
    return Upload(monkeypatch)


CONNECT = (90.0, "cannot connect to the index (timed out)")
ANSWER = (240.0, "the index did not answer in time")


def test_the_index_has_a_time_to_connect_and_a_time_to_answer(upload: Upload) -> None:
    response = upload.send()
    assert upload.limit.given == [CONNECT, ANSWER]
    assert upload.options == {"timeout": (30.0, 240.0), "stream": True, "verify": True}
    assert (response.content, response.status_code) == (b"words", 200)
    assert isinstance(response.raw, io.BytesIO)
    assert upload.raw.asked == [(64 * 1024, True)]
    assert upload.raw.is_closed
    assert upload.adapter.sent_all
    assert upload.adapter.sent_bytes == SIZE


def test_the_limit_is_extended_by_enough_bytes(upload: Upload) -> None:
    least = MIN_PROGRESS_BYTES
    upload.positions = [0, 1, least - 1, least, least + 1, 2 * least - 1, 2 * least, SIZE + REST - 1]
    upload.send()
    interval = PROGRESS_INTERVAL
    slow = (interval, f"the index accepts less than {least / interval:.0f} bytes/s")
    assert upload.limit.given == [CONNECT, slow, slow, slow, slow]
    assert not upload.adapter.sent_all


def test_the_progress_counts_the_bytes_of_the_file(upload: Upload) -> None:
    upload.positions = [0, REST // 2, REST, REST + 1, REST + 500, REST + SIZE - 1, REST + SIZE]
    upload.send()
    assert upload.bar.steps == [0, 0, 0, 1, 499, SIZE - 501, 1]
    assert upload.adapter.sent_bytes == SIZE
    upload.adapter.start_file(SIZE, upload.bar)  # type: ignore[arg-type]
    assert (upload.adapter.sent_bytes, upload.adapter.sent_all) == (0, False)


def test_the_limit_is_the_cause_if_it_has_passed(upload: Upload) -> None:
    upload.error = requests.ConnectionError("reset")
    with pytest.raises(requests.ConnectionError, match="reset") as plain:
        upload.send()
    assert requests_adapter.failure_cause(plain.value).startswith("the connection broke before the response")
    upload.limit.passed = "too slow"
    with pytest.raises(requests.ConnectionError) as caught:
        upload.send()
    assert requests_adapter.failure_cause(caught.value) == "too slow"


def test_a_status_line_without_headers_is_not_a_response(upload: Upload) -> None:
    upload.headers = {}
    with pytest.raises(requests.ConnectionError) as caught:
        upload.send()
    assert requests_adapter.failure_cause(caught.value) == "the response was truncated"


def test_an_incomplete_body_loses_only_its_text(upload: Upload) -> None:
    upload.raw = Raw(error=urllib3.exceptions.ProtocolError("cut"))
    response = upload.send()
    assert (response.status_code, response.content) == (200, b"")
    assert upload.raw.is_closed


# --- causes ----------------------------------------------------------------------------------------


def chain(*errors: BaseException) -> BaseException:
    """Return the first error, with each later one as the cause of the one before."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def refused() -> OSError:
    return ConnectionRefusedError(111, "Connection refused")


def new_connection_error() -> Exception:
    return urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]


def http_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("x", response=response)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (requests.exceptions.ReadTimeout("x"), "the index did not answer in time"),
        (http_error(503), "the index answered 503"),
        (requests.HTTPError("x"), "the connection broke before the response (HTTPError)"),
        (
            chain(
                requests.ConnectionError("x"),
                urllib3.exceptions.NameResolutionError("h", None, OSError("x")),  # type: ignore[arg-type]
            ),
            "cannot resolve the host name of the index",
        ),
        (
            chain(requests.ConnectionError("x"), new_connection_error(), refused()),
            "cannot connect to the index (Connection refused)",
        ),
        (
            chain(requests.ConnectionError("x"), new_connection_error()),
            "cannot connect to the index (timed out)",
        ),
        (requests.exceptions.ConnectTimeout("x"), "cannot connect to the index (timed out)"),
        (
            chain(requests.ConnectionError("x"), ConnectionResetError(104, "Connection reset by peer")),
            "the connection broke before the response (Connection reset by peer)",
        ),
        (
            chain(requests.ConnectionError("x"), OSError(1, "outer"), OSError(2, "inner")),
            "the connection broke before the response (inner)",
        ),
        (
            chain(requests.ConnectionError("x"), ValueError("y")),
            "the connection broke before the response (ValueError)",
        ),
    ],
)
def test_names_the_cause_of_a_failure(error: BaseException, cause: str) -> None:
    assert requests_adapter.failure_cause(error) == cause


def test_finds_the_problem_of_a_certificate() -> None:
    problem = ssl.SSLCertVerificationError(1, "x")
    problem.verify_message = "certificate has expired"
    assert requests_adapter.certificate_problem(chain(requests.ConnectionError("x"), problem)) == (
        "certificate has expired"
    )
    assert requests_adapter.certificate_problem(requests.ConnectionError("x")) == ""
