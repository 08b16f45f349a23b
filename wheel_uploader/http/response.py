"""Responses from httpx: whole pages, streamed bodies, and errors as messages for the user."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import (
    HttpStatusError,
    NetworkError,
    PrivateHostError,
    RedirectNotAllowed,
    TransportError,
)
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize, sanitize_url, strip_url
from wheel_uploader.core.urls import may_contain_url, urlsplit
from wheel_uploader.http import body as http_body
from wheel_uploader.http import retry
from wheel_uploader.http.host_policy import InvalidUrl, find_permitting_option, parse_origin
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.http.transport import PrivateAddressError, request_deadline

#: A body must deliver at least this many bytes in this many seconds of waiting for the server.
MIN_PROGRESS_BYTES, PROGRESS_INTERVAL = 60 * 1024, 60.0
#: Bytes of an error's body that are read to quote it, and of a redirect's body to reuse the connection.
SMALL_BODY_SIZE = 16 * 1024
#: Limit in seconds for reading the start of an error's body.
_EXCERPT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole response, which has a 2xx status unless the request was one that changes something."""

    #: The final URL, after redirects.
    url: str
    status: int
    #: With lower-case keys.
    headers: Mapping[str, str]
    #: In lower case, without parameters; empty if the server did not send one.
    content_type: str
    body: bytes
    #: False if nothing showed where the body ends, so that it may be cut.
    has_length: bool = True

    @property
    def text(self) -> str:
        """The body as text, decoded on each access: a page of 32 MiB is not kept in memory twice."""
        return http_body.decode_text(self.body)


#: Headers in which servers and caches report the age of a response.
_AGE_HEADERS = ("Age", "Last-Modified", "X-Cache")


def format_page_age(page: Page) -> str:
    """Return the headers that show the age of a page, for display; empty if it has none."""
    values = ((name, page.headers.get(name.lower())) for name in _AGE_HEADERS)
    return ", ".join(f"{name} {sanitize(value, limit=100)}" for name, value in values if value)


class StreamedResponse:
    """A response whose body has not been read yet."""

    def __init__(self, response: httpx.Response, url: str, clock: Callable[[], float]) -> None:
        self._response = response
        self._clock = clock
        self.url = url
        self.status = response.status_code
        self.headers: Mapping[str, str] = get_lowercase_headers(response)
        self.content_type = get_content_type(self.headers)

    def iter_chunks(self, size: int = 128 * 1024) -> Iterator[bytes]:
        """Yield the raw body in chunks of at least ``size`` bytes, except for the last.

        Raises TransportError, after yielding the received data, if the body is truncated or comes too slowly.
        """
        pending: list[bytes] = []
        length = 0
        try:
            for piece in self._read_pieces():
                pending.append(piece)
                length += len(piece)
                if length >= size:
                    yield b"".join(pending)
                    pending, length = [], 0
        except TransportError:
            if pending:
                yield b"".join(pending)
            raise
        if pending:
            yield b"".join(pending)

    def read_beginning(self, size: int) -> bytes:
        """Return the first ``size`` bytes of the body, or all of a shorter one, and read no further.

        The connection can be used again if the body has no more bytes. Raises TransportError as
        ``iter_chunks`` does.
        """
        chunks = self.iter_chunks(size)
        beginning = next(chunks, b"")
        if self.headers.get("content-length", "") == str(len(beginning)):
            next(chunks, b"")
        return beginning[:size]

    def abort(self) -> None:
        """Break the connection, from any thread: a reader gets the data received, or a TransportError."""
        network_stream = self._response.extensions.get("network_stream")
        raw_socket = network_stream.get_extra_info("socket") if network_stream else None
        if raw_socket:
            # Bypasses TLS, whose own shutdown would wait for the server.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(raw_socket, socket.SHUT_RDWR)

    def _read_pieces(self) -> Iterator[bytes]:
        pieces = iter_raw_body(self._response, self.url)
        # Count only the time spent waiting for the server: a slow disk is not the server's fault.
        waited, received = 0.0, 0
        while True:
            started_at = self._clock()
            piece = next(pieces, None)
            if piece is None:
                return
            waited += self._clock() - started_at
            received += len(piece)
            yield piece
            if waited >= PROGRESS_INTERVAL:
                if received < MIN_PROGRESS_BYTES:
                    sent = f"{format_count(received, 'byte')} in {format_duration(waited)}"
                    raise TransportError(f"{strip_url(self.url)} sent {sent}, which is too slow")
                waited, received = 0.0, 0


def make_status_error(response: httpx.Response, url: str) -> HttpStatusError:
    """Return the error for a response with an unexpected status, with an excerpt of its body."""
    status, headers, shown_url = response.status_code, get_lowercase_headers(response), strip_url(url)
    body = b""
    with contextlib.suppress(NetworkError), request_deadline(_EXCERPT_TIMEOUT):
        plain = http_body.decompress_body(
            iter_raw_body(response, url), get_content_encoding(response), shown_url
        )
        body = http_body.read_prefix(plain, SMALL_BODY_SIZE)
    return HttpStatusError(
        status,
        shown_url,
        reason=sanitize(response.reason_phrase, limit=80),
        excerpt=http_body.make_excerpt(body, get_content_type(headers)),
        retry_after=retry.parse_rate_limit(headers),
        hint=_status_hint(status, response.extensions.get("proxy")),
    )


def _status_hint(status: int, proxy: object) -> str | None:
    """Return what to do about a status; ``proxy`` is set if a proxy relayed or made the answer."""
    hint = _STATUS_HINTS.get(status)
    if hint is None and (300 <= status < 400 or status in _FINAL_STATUSES):
        hint = _STATUS_HINTS[404]
    if not proxy or status not in _PROXY_STATUSES:
        return hint
    may_be = f"The answer may be that of the proxy {proxy} (HTTP_PROXY, ALL_PROXY, NO_PROXY)."
    return f"{hint} {may_be}" if hint else may_be


def make_redirect_error(url: str, target: str, reason: str) -> RedirectNotAllowed:
    """Return the error for a redirect to ``target`` that must not be followed because of ``reason``."""
    prefix, suffix = f"{strip_url(url)} redirects to", f"which is not followed: {reason}"
    try:
        parse_origin(target)
    except InvalidUrl:
        # Not quoted: without its fragment, a login with an unencoded "#" looks like a host and a port.
        hint = "The redirect is invalid and must be corrected on the server."
        return RedirectNotAllowed(f"{prefix} an invalid URL, {suffix}", hint=hint, is_invalid_url=True)
    option = find_permitting_option(reason)
    hint = "If that address is correct, pass it directly" + (f", or add {option}" if option else "")
    hint += "; the URL of a directory ends with a slash."
    return RedirectNotAllowed(f"{prefix} {sanitize_url(target, limit=200)}, {suffix}", hint=hint)


_STATUS_HINTS = {
    204: "The server sent an empty answer instead of a page. Check the URL: open it in a browser.",
    206: "The server sent a part of the page, which was not requested: a cache or a proxy may be at fault.",
    403: "The server may require a login (https://USER:PASSWORD@HOST/...), or the address may not exist.",
    404: "Check the URL: open it in a browser.",
    410: "Check the URL: open it in a browser.",
}

#: Statuses that the same request gets again.
_FINAL_STATUSES = frozenset({400, 402, 405, 406, 411, 414, 415, 422, 426, 431, 451, 501, 505})

#: Statuses with which a proxy itself answers: forbidden, or the server is unreachable.
_PROXY_STATUSES = {403, 502, 503, 504}


def iter_raw_body(response: httpx.Response, url: str) -> Iterator[bytes]:
    """Yield the body as it arrives from the network. Raises NetworkError instead of the errors of httpx."""
    if response.is_stream_consumed:
        yield response.content
        return
    try:
        yield from response.iter_raw()
    except httpx.HTTPError as error:
        raise to_network_error(error, url) from error


def has_known_length(response: httpx.Response) -> bool:
    """Return whether a truncated body would be noticed: by its length, its chunks, gzip, or HTTP/2."""
    return (
        response.is_stream_consumed
        or response.http_version not in {"HTTP/1.0", "HTTP/1.1"}
        or any(name in response.headers for name in ("content-length", "transfer-encoding"))
        or get_content_encoding(response) != ""
    )


def get_content_encoding(response: httpx.Response) -> str:
    """Return the Content-Encoding of a body that has not been read yet; empty if it is already decoded.

    A cassette or other test transport provides a whole body, which httpx has already decompressed.
    """
    return "" if response.is_stream_consumed else str(response.headers.get("content-encoding", ""))


def discard_body(response: httpx.Response) -> None:
    """Read the body of a redirect if its declared size is small, so that the connection can be reused."""
    length = response.headers.get("content-length", "")
    if bounds.parse_whole_number(length, SMALL_BODY_SIZE) is not None:
        with contextlib.suppress(httpx.HTTPError):
            http_body.read_prefix(response.iter_raw(), SMALL_BODY_SIZE)


def get_lowercase_headers(response: httpx.Response) -> dict[str, str]:
    """Return the headers of a response with names in lower case."""
    return {key.lower(): value for key, value in response.headers.items()}


def get_content_type(headers: Mapping[str, str]) -> str:
    """Return the media type in lower case, without parameters; empty if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


# --- errors ----------------------------------------------------------------------------------------


def to_network_error(error: Exception, url: str, *, certificate_hint: str = "") -> NetworkError:
    """Return the error for an exception of httpx: TransportError if a retry may help, else NetworkError.

    ``certificate_hint``: what to do if the certificate of the server is not trusted.
    """
    shown_url = strip_url(url)
    host = urlsplit(shown_url).netloc
    causes = list(_iter_causes(error))
    for cause in causes:
        explained = _explain_cause(cause, host, certificate_hint)
        if explained:
            return explained
    reason = sanitize(str(error), limit=200) or type(error).__name__
    match error:
        case httpx.ConnectTimeout():
            return TransportError(f"{host} does not accept connections (timed out)", hint=_CHECK_SERVER_HINT)
        case httpx.TimeoutException():
            return TransportError(f"{shown_url} stopped responding (timed out)")
        case httpx.RemoteProtocolError():
            return TransportError(f"{shown_url} was cut short, or is not HTTP: {reason}")
        case httpx.NetworkError():
            return TransportError(f"the connection to {host} broke: {reason}")
        case _:
            reason = "it is not a URL" if may_contain_url(error) else reason
            invalid_url = sanitize_url(url, limit=200)
            return NetworkError(f"cannot fetch {invalid_url}: {reason}", hint="Check the URL.")


_CHECK_SERVER_HINT = "Check that the server is running, and the host and port of the URL."
#: Errors of name resolution that are permanent.
_UNKNOWN_HOST_ERRORS = {getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA")}


def _iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explain_cause(cause: BaseException, host: str, certificate_hint: str) -> NetworkError | None:
    match cause:
        case PrivateAddressError():
            name = host.partition(":")[0]
            return PrivateHostError(
                f"refusing to connect to {host}: {sanitize(str(cause))}",
                hint=f"--allow-host {name} permits it.",
            )
        case ssl.SSLCertVerificationError():
            return NetworkError(
                f"the TLS certificate of {host} is not trusted: {sanitize(cause.verify_message)}",
                hint=certificate_hint,
            )
        case ssl.SSLError() if cause.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}:
            return NetworkError(f"{host} does not use TLS", hint="Check the port and the scheme of the URL.")
        case socket.gaierror() if cause.errno in _UNKNOWN_HOST_ERRORS:
            return NetworkError(f"the host {host} does not exist", hint="Check the spelling of the URL.")
        case ConnectionRefusedError():
            return TransportError(f"{host} refuses connections", hint=_CHECK_SERVER_HINT)
        case _:
            return None
