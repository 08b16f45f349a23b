"""A file server that responds correctly unless a test plans a wrong response."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tools.testing.scripted import Request, ScriptedServer, Step

#: Long before any test, so that it is clear that the file was not modified again in the same second.
LONG_AGO = email.utils.formatdate(1_600_000_000, usegmt=True)


@dataclass
class FileServer:
    """Files by name, planned answers to the next requests (then correct ones), and received requests."""

    files: dict[str, bytes] = field(default_factory=dict)
    #: Consumed one by one.
    plan: list[FileAnswer] = field(default_factory=list)
    #: ``strong``, ``weak`` or empty.
    etags: str = "strong"
    last_modified: str = LONG_AGO
    #: True if responses have Accept-Ranges.
    accepts_ranges: bool = False
    #: In order of arrival; emptied by tests.
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[FileServer]:
        with ScriptedServer(self._answer) as server:
            self.url = server.url
            yield self

    def _answer(self, request: Request) -> Sequence[Step]:
        self.requests.append(request)
        answer = self.plan.pop(0) if self.plan else honest()
        return answer(self, request)

    def etag(self, name: str) -> str:
        tag = f'"{hashlib.md5(self.files[name]).hexdigest()}"'
        return {"strong": tag, "weak": f"W/{tag}", "": ""}[self.etags]

    def validators(self, name: str) -> dict[str, object]:
        headers = {"ETag": self.etag(name), "Last-Modified": self.last_modified}
        headers["Accept-Ranges"] = "bytes" if self.accepts_ranges else ""
        return {header: value for header, value in headers.items() if value}

    @property
    def starts(self) -> list[int | None]:
        """Return the first byte of each requested range; None for a request without a range."""
        return [start_of(request) for request in self.requests]


#: The steps with which a server answers one request.
FileAnswer = Callable[[FileServer, Request], Sequence[Step]]


def name_of(request: Request) -> str:
    return request.target.partition("?")[0].lstrip("/")


def start_of(request: Request) -> int | None:
    """Return the first byte of the requested range; None without a range."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    return int(match[1]) if match else None


def end_of(request: Request) -> int | None:
    """Return the first byte after the requested range; None if the range has no end."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    return int(match[2]) + 1 if match and match[2] else None


_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def head(status: int, headers: Mapping[str, object]) -> bytes:
    """Return the head of a response with exactly these headers, Date and Connection."""
    lines = [f"HTTP/1.1 {status} X", f"Date: {email.utils.formatdate(usegmt=True)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def honest(
    *,
    until: int | None = None,
    more: Mapping[str, object] | None = None,
    without: tuple[str, ...] = (),
    extra: bytes = b"",
    end: Sequence[Step] = (),
) -> FileAnswer:
    """Answer correctly, or cut the response after ``until`` bytes, or replace or omit headers.

    ``end``: the steps after the last byte.
    """

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        name, start = name_of(request), start_of(request)
        if name not in server.files:
            return [head(404, {"Content-Length": 0})]
        data, tag, headers = server.files[name], server.etag(name), server.validators(name)
        if "if-none-match" in request.headers:
            unchanged = request.headers["if-none-match"] == tag
        else:
            unchanged = request.headers.get("if-modified-since") == (server.last_modified or ...)
        if unchanged:
            return [head(304, headers)]
        status = 200
        if start is not None and request.headers.get("if-range", tag) == tag:
            if start >= len(data):
                return [head(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": 0})]
            stop = end_of(request) or len(data)
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            status, data = 206, data[start:stop]
        headers |= {"Content-Length": len(data), **(more or {})}
        sent = {header: value for header, value in headers.items() if header not in without}
        return [head(status, sent) + (data + extra)[:until], *end]

    return answer


def fixed_answer(status: int, body: bytes = b"", **headers: object) -> FileAnswer:
    """Answer with this status, body and headers; ``content_type`` becomes ``Content-Type``."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda *_: [head(status, {"Content-Length": len(body), **named}) + body]


def chunked(*, until: int) -> FileAnswer:
    """Answer with a chunked body that ends after ``until`` bytes, without its last chunk."""

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        name = name_of(request)
        data = server.files[name][:until]
        headers = {"Transfer-Encoding": "chunked", **server.validators(name)}
        return [head(200, headers) + b"%x\r\n%s\r\n" % (len(data), data)]

    return answer


def wrong_range(
    *, first: int = 0, last: int = 0, total: int = 0, header: str | None = None, etag: str | None = None
) -> FileAnswer:
    """Answer with a 206 whose range is off by the given numbers; its body matches its headers."""

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        name, start = name_of(request), start_of(request)
        assert start is not None
        data = server.files[name]
        content_range = f"bytes {start + first}-{len(data) - 1 + last}/{len(data) + total}"
        body = data[start + first : len(data) + last]
        headers = {
            "Content-Range": content_range if header is None else header,
            "Content-Length": len(body),
            "ETag": etag or server.etag(name),
        }
        return [head(206, headers) + body]

    return answer
