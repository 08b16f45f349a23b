"""A server of files that is honest until it is told to be wrong, each time in a way of its own."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.scripted import Request, ScriptedServer, Step

#: Long before any test: what was modified then was not modified again in the same second.
LONG_AGO = email.utils.formatdate(1_600_000_000, usegmt=True)


@dataclass
class FileServer:
    """Files by name, the answers to the next requests (then honest ones), and what was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    #: Consumed one by one.
    plan: list[FileAnswer] = field(default_factory=list)
    #: ``strong``, ``weak`` or empty.
    etags: str = "strong"
    last_modified: str = LONG_AGO
    #: Whether it says that it knows ranges.
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
        found = {"ETag": self.etag(name), "Last-Modified": self.last_modified}
        found["Accept-Ranges"] = "bytes" if self.accepts_ranges else ""
        return {header: value for header, value in found.items() if value}

    @property
    def starts(self) -> list[int | None]:
        """Where the ranges that were asked for start; None where everything was."""
        return [start_of(request) for request in self.requests]


#: The steps with which a server answers one request.
FileAnswer = Callable[[FileServer, Request], Sequence[Step]]


def name_of(request: Request) -> str:
    return request.target.partition("?")[0].lstrip("/")


def start_of(request: Request) -> int | None:
    """Where the asked range starts; None when everything is asked for."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    return int(found[1]) if found else None


def end_of(request: Request) -> int | None:
    """The first byte that is not in the asked range; None when the range has no end."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    return int(found[2]) + 1 if found and found[2] else None


_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def head(status: int, headers: Mapping[str, object]) -> bytes:
    """Exactly these headers, and Date."""
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
    """What a good server answers; or cut after ``until`` bytes, with headers replaced or left out.

    ``end``: what happens after the last byte.
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
        kept = {header: value for header, value in headers.items() if header not in without}
        return [head(status, kept) + (data + extra)[:until], *end]

    return answer


def fixed_answer(status: int, body: bytes = b"", **headers: object) -> FileAnswer:
    """One fixed answer; ``content_type`` becomes ``Content-Type``."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda *_: [head(status, {"Content-Length": len(body), **named}) + body]


def chunked(*, until: int) -> FileAnswer:
    """A chunked body that ends after ``until`` bytes, without its last chunk."""

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        name = name_of(request)
        data = server.files[name][:until]
        headers = {"Transfer-Encoding": "chunked", **server.validators(name)}
        return [head(200, headers) + b"%x\r\n%s\r\n" % (len(data), data)]

    return answer


def wrong_range(
    *, first: int = 0, last: int = 0, total: int = 0, header: str | None = None, etag: str | None = None
) -> FileAnswer:
    """A 206 that is off by what is given; its body fits what it says."""

    def answer(server: FileServer, request: Request) -> Sequence[Step]:
        name, start = name_of(request), start_of(request)
        assert start is not None
        data = server.files[name]
        said = f"bytes {start + first}-{len(data) - 1 + last}/{len(data) + total}"
        body = data[start + first : len(data) + last]
        headers = {
            "Content-Range": said if header is None else header,
            "Content-Length": len(body),
            "ETag": etag or server.etag(name),
        }
        return [head(206, headers) + body]

    return answer
