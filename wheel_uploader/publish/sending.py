"""One POST on its way: limits, progress, and why no answer came. With upload.py the home of requests."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests_toolbelt import MultipartEncoder, MultipartEncoderMonitor  # type: ignore[import-untyped]
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from wheel_uploader.display import printable
from wheel_uploader.http.reply import MIN_BYTES, MIN_SECONDS
from wheel_uploader.progress import Bar, Progress
from wheel_uploader.verified_file import VerifiedFile

#: An index needs time to store what it got: PyPI stops a worker after 240 s, 8 times the usual silence.
ANSWER_FACTOR = 8
#: To connect, with a proxy and TLS, may take this many times as long as one silence.
_CONNECT_FACTOR = 3
#: Bytes of an answer that are read.
_LONGEST_ANSWER = 64 * 1024
#: Bytes of a form that are encrypted and sent at a time.
_BLOCK = 128 * 1024
#: Seconds between two looks at how much time a request still has.
_LOOK = 1.0
_SILENT = "the index did not answer in time"


class Nobody(AuthBase):
    """No credentials at all: without it requests would look into netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _NoAnswer(requests.exceptions.ConnectionError):
    """No answer came that can be believed; its text is the cause."""


class _Limit:
    """Ends a request whose time is over, wherever it waits, by shutting its connection down.

    The timeouts of requests are for one read each: a server that sends a byte every 29 s never reaches them.
    """

    def __init__(self, connections: Sequence[HTTPConnection]) -> None:
        #: Why it was ended; empty when it was not.
        self.passed = ""
        self._why = ""
        self._end = 0.0
        #: Those that it may wait on, more of which may be made meanwhile.
        self._connections = connections
        self._sockets: set[socket.socket] = set()
        self._done = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="upload-limit", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def give(self, seconds: float, why: str) -> None:
        """From now on so much time; ``why`` is the cause when that is not enough."""
        self._why, self._end = why, time.monotonic() + seconds
        self._note_sockets()

    def _note_sockets(self) -> None:
        # A connection forgets its socket as soon as the header of the last answer is there.
        self._sockets |= {each.sock for each in self._connections if each.sock}

    def _watch(self) -> None:
        while not self._done.wait(min(_LOOK, max(0.0, self._end - time.monotonic()))):
            if time.monotonic() >= self._end:
                self.passed = self._why
                self._note_sockets()
                for each in self._sockets:
                    # Below TLS, whose own shutdown would wait for the other side.
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(each, socket.SHUT_RDWR)
                # Once more then: its connection may be made at this very moment.
                self._done.wait(_LOOK)


def _noted(kind: type[Any], made: list[HTTPConnection]) -> type[Any]:
    """``kind``, whose connections are noted in ``made``."""

    class Noted(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            made.append(self)

    return Noted


class Adapter(HTTPAdapter):
    """Sends one request once, with limits and a progress bar of our own; reads only so much of the answer."""

    def __init__(self, timeout: float, *, cert: Path | None) -> None:
        """``timeout``: seconds without a byte taken; the answer may take ANSWER_FACTOR times as long."""
        super().__init__(max_retries=0)
        self._timeout = timeout
        self._fixed: dict[str, Any] = {"timeout": (timeout, timeout * ANSWER_FACTOR), "stream": True}
        if cert:
            # Here, for requests lets REQUESTS_CA_BUNDLE win over what a session was told.
            self._fixed["verify"] = str(cert)
        self._connections: list[HTTPConnection] = []
        self._pools: list[HTTPConnectionPool] = []

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, **settings, blocksize=_BLOCK)

    def begin(self, size: int, bar: Bar) -> None:
        """The next request is for a file of so many bytes."""
        self._size = size
        self._bar = bar
        self._limit = _Limit(self._connections)
        #: Bytes of the form that were taken when the limit was last moved.
        self._mark = -MIN_BYTES
        #: Bytes of the file that are on their way.
        self.sent = 0

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if pool not in self._pools:
            self._pools.append(pool)
            pool.ConnectionCls = _noted(pool.ConnectionCls, self._connections)
        return pool

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        # What twine sends, and nothing else, comes this way.
        body: Any = request.body
        body.callback = self._progress
        self._limit.give(self._timeout * _CONNECT_FACTOR, "the index cannot be reached (it took too long)")
        with self._limit:
            try:
                response = super().send(request, *args, **{**kwargs, **self._fixed})
            except requests.RequestException:
                if self._limit.passed:
                    raise _NoAnswer(self._limit.passed) from None
                raise
            if not response.headers:
                # A status line that was cut is read as if it were whole: "HTTP/1.1 200" and no more.
                raise _NoAnswer("the answer was cut short")
            raw, answer = response.raw, b""
            with contextlib.suppress(urllib3.exceptions.HTTPError):  # The status is here; the rest is words.
                answer = raw.read(_LONGEST_ANSWER, decode_content=True)
            raw.close()
        response.raw = io.BytesIO(answer)
        return response

    def _progress(self, monitor: MultipartEncoderMonitor) -> None:
        if monitor.bytes_read >= monitor.len:
            self._limit.give(self._timeout * ANSWER_FACTOR, _SILENT)
        elif monitor.bytes_read - self._mark >= MIN_BYTES:
            self._mark = monitor.bytes_read
            self._limit.give(MIN_SECONDS, f"the index takes less than {MIN_BYTES / MIN_SECONDS:.0f} bytes/s")
        # The form's other fields come first, the file last.
        done = min(max(0, monitor.bytes_read - (monitor.len - self._size)), self._size)
        self._bar.advance(done - self.sent)
        self.sent = done


class _Body:
    """The bytes of an open file as a form takes them: it asks how many are left."""

    def __init__(self, content: VerifiedFile) -> None:
        content.seek(0)
        self._content = content

    @property
    def len(self) -> int:
        return self._content.size - self._content.tell()

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size) or b""


def as_field(filename: str, content: VerifiedFile) -> tuple[str, Any, str]:
    """Return the field of a form that has the file in it."""
    return filename, _Body(content), "application/octet-stream"


def body(form: Sequence[tuple[str, Any]]) -> MultipartEncoderMonitor:
    """Return the body of a request with this form, made as it is sent."""
    return MultipartEncoderMonitor(MultipartEncoder(form))


def distrust(error: BaseException) -> str:
    """Why a certificate did not verify; empty when that was not the trouble."""
    return next(
        (each.verify_message for each in _chain(error) if isinstance(each, ssl.SSLCertVerificationError)), ""
    )


def cause(error: BaseException) -> str:
    """Why no answer came, in a clause without URLs and addresses of objects."""
    if isinstance(error, _NoAnswer):
        return str(error)
    if isinstance(error, requests.exceptions.ReadTimeout):
        return _SILENT
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the index answered {error.response.status_code}"
    chain = list(_chain(error))
    if any(isinstance(each, urllib3.exceptions.NameResolutionError) for each in chain):
        return "the name of the index cannot be resolved"
    why = next((each.strerror for each in reversed(chain) if isinstance(each, OSError) and each.strerror), "")
    unreached = (urllib3.exceptions.NewConnectionError, requests.exceptions.ConnectTimeout)
    if any(isinstance(each, unreached) for each in chain):
        return f"the index cannot be reached ({why or 'it took too long'})"
    return f"the connection broke before an answer came ({why or type(chain[-1]).__name__})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it wraps, in whichever of the ways that requests and urllib3 use."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
        waiting += [other for other in inner if isinstance(other, BaseException)]


class TalkHandler(logging.Handler):
    """What twine logs, for those who asked for details."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._talk = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._talk.detail(f"twine: {printable(record.getMessage())}")
