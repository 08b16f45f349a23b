"""Scripted answers to the requests of an HttpClient, without a socket, and a log of the requests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tools.testing.indexes import local_file
from tools.testing.wheels import make_wheel
from wheel_uploader.core.models import LocalFile
from wheel_uploader.core.progress import ProgressCounter, SilentProgress
from wheel_uploader.http.client import HttpClient

#: Body of a request; JSON is decoded.
Body = Any


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was sent."""

    method: str
    url: str
    #: With lower-case names.
    headers: Mapping[str, str]
    content: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.url}"

    @property
    def json(self) -> Any:
        """The JSON that was sent."""
        return json.loads(self.content)


class ScriptedHttp:
    """Answers requests by ``METHOD URL``, without the part ``base`` of the URL.

    An answer is an exception, a status, or a status, a body (bytes, text or JSON) and headers; a list has the
    answers to one request after the other, of which the last is repeated.
    """

    def __init__(self, base: str, answers: Mapping[str, Any] | None = None) -> None:
        self.base = base
        self.answers: dict[str, Any] = dict(answers or {})
        self.requests: list[Sent] = []
        self.pauses: list[float] = []

    @property
    def log(self) -> list[str]:
        """The requests in order."""
        return [str(request) for request in self.requests]

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        url = str(request.url).removeprefix(self.base)
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = Sent(request.method, url, headers, request.read())
        self.requests.append(sent)
        assert str(sent) in self.answers, f"no answer to {sent}"
        answer = self.answers[str(sent)]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        given = answer if isinstance(answer, tuple) else (answer,)
        status, body = given[0], given[1] if len(given) > 1 else b""
        more = given[2] if len(given) > 2 else {}
        # Pieces of a body have no Content-Length.
        if isinstance(body, bytes | str | Iterator):
            return httpx.Response(status, content=body, headers=more)
        return httpx.Response(
            status, content=json.dumps(body), headers={"content-type": "application/json", **more}
        )

    def client(self, *urls: str, retries: int = 1, **options: Any) -> HttpClient:
        """Return a client whose requests are answered here, and that does not wait."""
        return HttpClient(
            user_urls=(self.base, *urls),
            retries=retries,
            sleep=self.pauses.append,
            transport=httpx.MockTransport(self.handle),
            **options,
        )


@dataclass
class RecordedProgress(SilentProgress):
    """Remembers the lines, and the bytes of files."""

    lines: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    waits: list[tuple[str, float | None]] = field(default_factory=list)
    #: Name and size of each file that was sent, and the bytes of each step.
    files: list[tuple[str, int | None]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def info(self, text: str) -> None:
        """Remember a line."""
        self.lines.append(text)

    def debug(self, text: str) -> None:
        """Remember a detail."""
        self.details.append(text)

    @contextlib.contextmanager
    def file(self, filename: str, *, size: int | None) -> Iterator[ProgressCounter]:
        """Remember a file."""
        self.files.append((filename, size))
        yield self

    @contextlib.contextmanager
    def waiting(self, description: str, *, seconds: float | None = None) -> Iterator[None]:
        """Remember a wait."""
        self.waits.append((description, seconds))
        yield

    def advance(self, count: int) -> None:
        """Remember the bytes of a step."""
        self.steps.append(count)


def make_local_wheel(folder: Path, version: str = "1.0.dev0", **parts: Any) -> LocalFile:
    """Write a wheel of the project demo, and return it as a checked file."""
    return local_file(make_wheel(folder, "demo", version, **parts))


class ScriptedClients:
    """Takes the place of HttpClient in a module: its clients are answered by one script."""

    def __init__(self, script: ScriptedHttp) -> None:
        self.script = script
        #: The options of each client.
        self.options: list[dict[str, Any]] = []
        self.closed: list[HttpClient] = []

    def __call__(self, **options: Any) -> HttpClient:
        """Open a client."""
        self.options.append(options)
        transport = httpx.MockTransport(self.script.handle)
        client = HttpClient(
            **{**options, "verify": True}, sleep=self.script.pauses.append, transport=transport
        )
        transport.close = lambda: self.closed.append(client)  # type: ignore[method-assign]
        return client
