"""The HTTP adapter for uploads: time limits, progress, and the causes of failures.

Only this module, credentials.py and twine_uploader.py import requests.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

import requests
import urllib3.exceptions
from requests.auth import AuthBase
from requests_toolbelt import MultipartEncoder, MultipartEncoderMonitor  # type: ignore[import-untyped]
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from wheel_uploader.core.progress import Progress, ProgressCounter
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.http.requests_network import (
    Network,
    NetworkAdapter,
    find_proxy_problem,
    iter_causes,
)
from wheel_uploader.http.response import MIN_PROGRESS_BYTES, PROGRESS_INTERVAL

#: Multiple of the timeout for the response, because an index must store the file: PyPI stops a worker after
#: 240 s, 8 times the default timeout.
RESPONSE_TIMEOUT_FACTOR = 8
#: Multiple of the timeout for connecting, with a proxy and TLS.
_CONNECT_FACTOR = 3
#: In bytes.
_MAX_RESPONSE = 64 * 1024
#: Bytes of a form that are encrypted and sent at a time.
_BLOCK_SIZE = 128 * 1024
#: Seconds between checks of the time that a request has left.
_POLL_INTERVAL = 1.0
_NO_RESPONSE_IN_TIME = "the index did not answer in time"


class NoAuth(AuthBase):
    """No credentials; keeps requests from looking for some in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request unchanged."""
        return request


class _NoResponse(requests.exceptions.ConnectionError):
    """No valid response arrived; the message is the cause."""


class _TimeLimit:
    """A time limit for a request, enforced in a thread by shutting down its connection.

    The timeouts of requests apply to single reads: a server that sends a byte every 29 s never reaches them.
    """

    def __init__(self, connections: Sequence[HTTPConnection]) -> None:
        #: The reason for aborting the request; empty if it was not aborted.
        self.passed = ""
        self._reason = ""
        self._deadline = 0.0
        #: The connections that the request may wait for; the list may grow.
        self._connections = connections
        self._sockets: set[socket.socket] = set()
        self._done = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="upload-limit", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def give(self, seconds: float, reason: str) -> None:
        """Set the remaining time; ``reason`` is the cause of the failure when it expires."""
        self._reason, self._deadline = reason, time.monotonic() + seconds
        self._note_sockets()

    def _note_sockets(self) -> None:
        # A connection drops its socket as soon as the header of the last response has arrived.
        self._sockets |= {connection.sock for connection in self._connections if connection.sock}

    def _watch(self) -> None:
        while not self._done.wait(min(_POLL_INTERVAL, max(0.0, self._deadline - time.monotonic()))):
            if time.monotonic() >= self._deadline:
                self.passed = self._reason
                self._note_sockets()
                for connected in self._sockets:
                    # The plain socket below TLS, because a TLS shutdown would wait for the peer. With a proxy
                    # that has TLS itself, it is another object.
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(getattr(connected, "socket", connected), socket.SHUT_RDWR)
                # Repeat, because a connection may be opened at this very moment.
                self._done.wait(_POLL_INTERVAL)


def _recording(connection_class: type[Any], connections: list[HTTPConnection]) -> type[Any]:
    """Return a subclass of ``connection_class`` that appends each new instance to ``connections``."""

    class Recorded(connection_class):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            connections.append(self)

    return Recorded


class UploadAdapter(NetworkAdapter):
    """Sends a request once, with time limits and a progress bar, and reads a bounded part of the response."""

    def __init__(self, timeout: float, network: Network) -> None:
        """Create an adapter.

        ``timeout``: seconds in which at least one byte must be accepted; the response may take
        RESPONSE_TIMEOUT_FACTOR times as long.
        """
        super().__init__(network, max_retries=0)
        self._timeout = timeout
        self._send_options: dict[str, Any] = {
            "timeout": (timeout, timeout * RESPONSE_TIMEOUT_FACTOR),
            "stream": True,
        }
        self._connections: list[HTTPConnection] = []
        self._pools: list[HTTPConnectionPool] = []

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        """Create the pool manager with a larger block size."""
        super().init_poolmanager(*args, **settings, blocksize=_BLOCK_SIZE)

    def start_file(self, size: int, bar: ProgressCounter) -> None:
        """Prepare for the upload of a file of that many bytes."""
        self._size = size
        self._bar = bar
        self._limit = _TimeLimit(self._connections)
        #: Bytes of the form that had been accepted when the limit was last extended.
        self._bytes_at_extension = -MIN_PROGRESS_BYTES
        #: Bytes of the file that have been sent.
        self.sent_bytes = 0
        #: True if the last byte of the form was handed to the connection.
        self.sent_all = False

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        """Return a pool whose connections the time limit can shut down."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if pool not in self._pools:
            self._pools.append(pool)
            pool.ConnectionCls = _recording(pool.ConnectionCls, self._connections)
        return pool

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send an upload of twine and return its response, read up to a limit. Raises RequestException."""
        body: Any = request.body
        body.callback = self._progress
        self._limit.give(self._timeout * _CONNECT_FACTOR, "cannot connect to the index (timed out)")
        with self._limit:
            try:
                response = super().send(request, *args, **{**kwargs, **self._send_options})
            except requests.RequestException:
                if self._limit.passed:
                    raise _NoResponse(self._limit.passed) from None
                raise
            if not response.headers:
                # A truncated status line, "HTTP/1.1 200" and no more, is parsed as a valid response.
                raise _NoResponse("the response was truncated")
            raw, content = response.raw, b""
            # The status has arrived; an incomplete body loses only the text of a message.
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                content = raw.read(_MAX_RESPONSE, decode_content=True)
            raw.close()
        response.raw = io.BytesIO(content)
        return response

    def _progress(self, monitor: MultipartEncoderMonitor) -> None:
        self.sent_all = monitor.bytes_read >= monitor.len
        if self.sent_all:
            self._limit.give(self._timeout * RESPONSE_TIMEOUT_FACTOR, _NO_RESPONSE_IN_TIME)
        elif monitor.bytes_read - self._bytes_at_extension >= MIN_PROGRESS_BYTES:
            self._bytes_at_extension = monitor.bytes_read
            self._limit.give(
                PROGRESS_INTERVAL,
                f"the index accepts less than {MIN_PROGRESS_BYTES / PROGRESS_INTERVAL:.0f} bytes/s",
            )
        # The file is the last field of the form.
        sent = min(max(0, monitor.bytes_read - (monitor.len - self._size)), self._size)
        self._bar.advance(sent - self.sent_bytes)
        self.sent_bytes = sent


class _Body:
    """A file-like object for a form encoder, which needs the number of remaining bytes."""

    def __init__(self, content: VerifiedFile) -> None:
        content.seek(0)
        self._content = content

    @property
    def len(self) -> int:
        return self._content.size - self._content.tell()

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size) or b""


def file_field(filename: str, content: VerifiedFile) -> tuple[str, Any, str]:
    """Return the form field with the file."""
    return filename, _Body(content), "application/octet-stream"


def encode_form(form: Sequence[tuple[str, Any]]) -> MultipartEncoderMonitor:
    """Return the body of a request with this form, encoded while it is sent."""
    return MultipartEncoderMonitor(MultipartEncoder(form))


def certificate_problem(error: BaseException) -> str:
    """Return why a certificate could not be verified; empty if the error is another one."""
    for part in iter_causes(error):
        if isinstance(part, ssl.SSLCertVerificationError):
            return part.verify_message
    return ""


def failure_cause(error: BaseException) -> str:
    """Return why no response arrived, in a clause without URLs and addresses of objects."""
    if isinstance(error, _NoResponse):
        return str(error)
    if problem := find_proxy_problem(error):
        return problem.message
    if isinstance(error, requests.exceptions.ReadTimeout):
        return _NO_RESPONSE_IN_TIME
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the index answered {error.response.status_code}"
    chain = list(iter_causes(error))
    if any(isinstance(part, urllib3.exceptions.NameResolutionError) for part in chain):
        return "cannot resolve the host name of the index"
    texts = [part.strerror for part in reversed(chain) if isinstance(part, OSError) and part.strerror]
    connect_errors = (urllib3.exceptions.NewConnectionError, requests.exceptions.ConnectTimeout)
    if any(isinstance(part, connect_errors) for part in chain):
        return f"cannot connect to the index ({texts[0] if texts else 'timed out'})"
    return f"the connection broke before the response ({texts[0] if texts else type(chain[-1]).__name__})"


class ProgressLogHandler(logging.Handler):
    """A logging handler that shows the log of twine with -v."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record as a detail."""
        self._progress.debug(f"twine: {sanitize(record.getMessage())}")
