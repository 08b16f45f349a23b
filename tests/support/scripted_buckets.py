"""Scripted answers for the clients of buckets: requests for Google, botocore for S3. No socket is opened."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request as it was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    #: Seconds to connect and to wait for data.
    timeout: object
    #: The session of the library that sent it.
    session: object


class CutBody(io.BytesIO):
    """A body whose connection is lost after its bytes, with this error."""

    def __init__(self, data: bytes, error: Exception) -> None:
        super().__init__(data)
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes, or raise the error at the end."""
        data = super().read(size)
        if not data:
            raise self.error
        return data


@dataclass(slots=True)
class Script:
    """The answers to give, in order, and the requests that were sent."""

    answers: list[Callable[[], urllib3.HTTPResponse]] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def answer(
        self,
        status: int = 200,
        body: bytes | io.BytesIO = b"",
        headers: Mapping[str, str] | None = None,
        *,
        reason: str = "",
    ) -> None:
        """Add an answer; its length is announced if ``body`` is bytes, unless ``headers`` have one."""
        fields = dict(headers or {})
        if isinstance(body, bytes) and "Content-Length" not in fields:
            fields["Content-Length"] = str(len(body))
        stream = io.BytesIO(body) if isinstance(body, bytes) else body

        def make() -> urllib3.HTTPResponse:
            return urllib3.HTTPResponse(
                body=stream,
                headers=fields,
                status=status,
                reason=reason,
                preload_content=False,
                enforce_content_length=False,
                decode_content=False,
            )

        self.answers.append(make)

    def fail(self, error: Exception) -> None:
        """Add an error of the library instead of an answer."""

        def fail() -> urllib3.HTTPResponse:
            raise error

        self.answers.append(fail)

    def take(self, sent: Sent) -> urllib3.HTTPResponse:
        """Record a request, and return the next answer."""
        self.sent.append(sent)
        assert self.answers, f"an unexpected request: {sent.method} {sent.url}"
        return self.answers.pop(0)()

    @property
    def lines(self) -> list[str]:
        """The method and the URL of each request."""
        return [f"{sent.method} {sent.url}" for sent in self.sent]


def _read(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else bytes(body.read())


def script_requests(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Answer the requests of the library requests."""
    import requests.adapters

    script = Script()

    def send(adapter: Any, request: Any, **arguments: Any) -> Any:
        raw = script.take(
            Sent(
                method=request.method,
                url=request.url,
                headers={name.lower(): str(value) for name, value in request.headers.items()},
                body=_read(request.body),
                timeout=arguments["timeout"],
                session=adapter,
            )
        )
        return adapter.build_response(request, raw)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    return script


def script_botocore(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Answer the requests of the library botocore."""
    import botocore.awsrequest
    import botocore.httpsession

    script = Script()

    def text(value: object) -> str:
        return value.decode() if isinstance(value, bytes) else str(value)

    def send(session: Any, request: Any) -> Any:
        raw = script.take(
            Sent(
                method=request.method,
                url=request.url,
                headers={name.lower(): text(value) for name, value in request.headers.items()},
                body=_read(request.body),
                timeout=session._timeout,
                session=session,
            )
        )
        answer = botocore.awsrequest.AWSResponse(request.url, raw.status, raw.headers, raw)
        if not request.stream_output:
            answer.content  # noqa: B018 - as botocore does, to read the body at once
        return answer

    monkeypatch.setattr(botocore.httpsession.URLLib3Session, "send", send)
    return script
